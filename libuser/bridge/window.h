/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which messages were received: the last WINDOW ids of each origin, in a file, so that a copy is
 * known as one after the bridge was killed, too.
 */
#ifndef IPCX_BRIDGE_WINDOW_H
#define IPCX_BRIDGE_WINDOW_H

#include <stdint.h>

#include "parcel.h"

#define WINDOW 65536U
#define ORIGINS_MAX 32

struct window;

enum seen {
	SEEN_NOT,
	SEEN_DONE, /* it is a copy */
	SEEN_PERHAPS /* the bridge was killed while it put this one into the queue */
};

/*
 * Opens or makes @dir/@rule.window for one host and rule. Return: 0, or a negative errno, said on
 * stderr: -EUCLEAN if it is damaged or another's.
 */
int window_open(struct window **w, const char *dir, const char *host, const char *rule);
void window_close(struct window *w);

enum seen window_look(struct window *w, const struct parcel *p);

/*
 * Before a message is put into the queue @object, of which @sent messages were sent before; 0 if
 * that cannot be told. Return: 0, or a negative errno: it could not be noted down.
 */
int window_intend(struct window *w, const struct parcel *p, uint64_t object, uint64_t sent);

/* And afterwards: it was, or not. */
void window_done(struct window *w, const struct parcel *p);
void window_not_done(struct window *w);

/*
 * What was intended when the bridge was killed is settled by the queue's own count, if that can be
 * told. Return: whether it is settled, or nothing was intended.
 */
bool window_settle(struct window *w, uint64_t object, uint64_t sent);

#endif /* IPCX_BRIDGE_WINDOW_H */
