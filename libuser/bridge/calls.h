/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that a lane has put into the local queue: a thread waits for their answers, and sends
 * them to where the requests came from.
 */
#ifndef IPCX_BRIDGE_CALLS_H
#define IPCX_BRIDGE_CALLS_H

#include "local.h"

struct calls;

struct calls *calls_new(struct lane *l); /* NULL: no memory, or no thread */
void calls_free(struct calls *c);

/*
 * Commits a request, so that its answer is expected before it can come. Return: as local_commit(),
 * -EAGAIN also if too many are waited for.
 */
int calls_commit(struct calls *c, struct local *local, const struct parcel *p, struct ipcx_msg *m);

/*
 * Of a request that was committed: it is acknowledged when an answer was sent, or soon. In between
 * the engine would be in the answer's way.
 */
void calls_ack(struct calls *c, struct delivery *d);

/* Before the local queue is closed: none of its answers is waited for any more. */
void calls_forget(struct calls *c);

#endif /* IPCX_BRIDGE_CALLS_H */
