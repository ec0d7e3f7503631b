/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes in: in.c takes deliveries, in_pack.c takes packs apart, in_chunk.c puts chunks
 * together. All of it is of the lane's thread.
 */
#ifndef IPCX_BRIDGE_IN_H
#define IPCX_BRIDGE_IN_H

#include "calls.h"

#define PATIENCE NS_PER_S /* with a full local queue, before deliveries go back */
#define TOO_LONG_AGE (60 * NS_PER_S) /* of a job for which another host may have room */

struct in {
	struct lane *l;
	struct local local;
	struct assembly partial;
	struct calls *calls;
	bool declared, full;
	unsigned int needs; /* messages, for which there has to be room when it was full */
	int64_t needs_until; /* then another host may have them */
	int64_t declare_at, open_at, look_at, progress_at, tidy_at;
	struct delivery *batch; /* what was fetched */
	unsigned int at, n; /* this one is in work, of so many */
	uint64_t link; /* that they came over */
	int64_t told_at; /* they came, or the engine was told last */
	bool late; /* that was too long ago once */
	char told[ENGINE_TEXT]; /* last, of what was left out and does not come */
	uint64_t depth; /* of the queue */
};

void in_settle(struct in *in, struct delivery *d, enum settle how, int64_t delay);
void in_count_returned(struct in *in); /* before a NAK, if that is told */
int64_t in_delay_of_return(void);
void in_drop(struct in *in, struct delivery *d, enum reason why); /* for good, and counted */

/* Why a message could not be put into the queue: the lane says so, or opens that again. */
void in_tell_failed(struct in *in, int err);

/* Why a message of @age could not be put into the queue: what becomes of it */
enum settle in_failed(struct in *in, int err, int64_t age, bool *drops);

/* Lets the engine know of all that is held, lest it gives it to another. */
void in_progress(struct in *in);

/*
 * Of work: since the batch came the link was away, or is, or this process stood still: another host
 * gets what is left of it.
 */
bool in_is_stale(const struct in *in);

/* What of the batch comes behind the one in work: before that takes long */
void in_give_back_rest(struct in *in);

/* May another host have room for a message of @age that is too long for the queue here? */
static inline bool in_others_may(const struct in *in, int64_t age)
{
	return in->l->r->kind == KIND_WORK && age <= TOO_LONG_AGE;
}

/* Room in the local queue, waited for until @until. Return: 0, or a negative errno. */
int in_loan(struct in *in, const struct parcel *p, struct ipcx_msg *m, int64_t until);

/* Noted before and after, so that a copy that comes later is known; or it is canceled. */
int in_commit(struct in *in, const struct parcel *p, struct ipcx_msg *m);

/* A message whose bytes are in @p into the local queue. Return: 0, or a negative errno. */
int in_put(struct in *in, const struct parcel *p, int64_t until);

/* How long a message may wait for room: others may take it, or else the order would be lost */
int64_t in_patience(const struct in *in);

/* Return: whether the time it had, less what it spent at the engine, is over. */
bool in_expired(struct parcel *p, int64_t age);

/*
 * What is new of the messages of a pack into the local queue, or some of it back to the engine.
 * Return: 0: it is done with; or a negative errno, then all of it has to come again.
 */
int in_put_pack(struct in *in, struct parcel *p, unsigned int n, int64_t age);

/* A chunk that may come before or after the others */
void in_put_chunk(struct in *in, struct delivery *d, const struct parcel *p);

/* Of a work queue: the chunks lie beside, for another host may take the next message. */
void in_put_head(struct in *in, struct delivery *d, const struct parcel *p);

/* Of no use to anybody: it and its chunks go. */
void in_drop_head(struct in *in, struct delivery *d, const struct parcel *p, enum reason why);

/* The chunks that a head tells of go; what is left is found by tidy(). */
void in_purge(struct in *in, const struct parcel *head);

/* Chunks whose others do not come go back, and end when they are old. */
void in_look_at_partials(struct in *in);
void in_partials_end(struct in *in, enum settle how); /* all of them, as chunks */

#endif /* IPCX_BRIDGE_IN_H */
