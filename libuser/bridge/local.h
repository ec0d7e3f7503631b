/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue or topic of this machine, as a bridge uses it.
 */
#ifndef IPCX_BRIDGE_LOCAL_H
#define IPCX_BRIDGE_LOCAL_H

#include "bridge.h"

struct ipcx_place;

/**
 * struct local - one that is open
 * @q: a queue, or
 * @t: a topic
 * @object: what it is called in ids of messages; another one when it is made anew
 * @steady: a message that comes again has the same number
 * @sent_counts: its count of messages sent is of all senders
 * @rings: messages are numbered for each sender
 * @number: the kernel's, else 0
 * @place: its file, if it has one that may go
 * @taken: messages
 */
struct local {
	struct ipcx_queue *q;
	struct ipcx_topic *t;
	uint64_t object;
	bool steady, sent_counts, rings;
	uint64_t number;
	const struct ipcx_place *place;
	uint64_t taken;
};

/* Return: 0 or a negative errno; ipcx_error() has the words. */
int local_open(struct local *l, const struct rule *r, bool out);
void local_close(struct local *l);

static inline bool local_is_open(const struct local *l)
{
	return l->q || l->t;
}

/* Is it the same that both mean? So it may be, if one of them does not say the transport. */
bool local_is_same(const char *uri, const char *other);

/* Messages that it holds, 0: that cannot be told */
uint64_t local_depth(const struct local *l);

/* For how many more messages a queue has room, as far as its transport tells */
uint64_t local_room(const struct local *l);

/* Does what was taken, and not released, come to the next who opens it? */
bool local_comes_again(const struct local *l);

/* Has its name gone to another, or nobody? */
bool local_removed(const struct local *l, const char *uri);

/* Is it to be closed and opened again after this error? */
bool local_is_gone(int err);

/* To be polled until local_polled(). In between, who finds nothing asks for no wake-up. */
int local_fd(const struct local *l);
void local_polled(const struct local *l);
int local_take(struct local *l, struct ipcx_msg *m); /* does not wait */
/* Does an answer to a request taken wait for nobody? */
bool local_replies_at_once(const struct local *l);
int local_release(struct local *l, struct ipcx_msg *m);
int local_nack(struct local *l, struct ipcx_msg *m);
int local_loan(struct local *l, size_t len, struct ipcx_msg *m, int64_t deadline);
int local_commit(struct local *l, struct ipcx_msg *m);
void local_cancel(struct local *l, struct ipcx_msg *m);
uint64_t local_sent(const struct local *l); /* 0: not known */

/* The ring of a publisher of a topic, -1 if it has none or that cannot be told */
int local_ring(const struct local *l);
int local_from_ring(const struct ipcx_msg *m); /* of the publisher of a message taken */

/* Writes OBJECT:SEQUENCE of a message taken. */
void local_number(struct local *l, const struct ipcx_msg *m, char *to, size_t room);

#endif /* IPCX_BRIDGE_LOCAL_H */
