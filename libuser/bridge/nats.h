/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine NATS JetStream, in four files: nats.c carries parcels, nats_setup.c connects and makes
 * streams and consumers, nats_tidy.c empties them, nats_anew.c makes consumers anew.
 */
#ifndef IPCX_BRIDGE_NATS_H
#define IPCX_BRIDGE_NATS_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include <nats/nats.h>

#include "engine.h"

#define ANSWER_SUBJECT 160
#define NATS_NAME 1100
#define NATS_GET_MS 3000 /* to get a chunk, with a word to the server before it */
#define NATS_WAIT_MS 1000 /* for a word of the server, where many are asked for */
#define GONE_MAX 64 /* messages that wait to be freed */

/**
 * struct route - what a rule has there
 * @stream: its name
 * @subject: of messages; chunks apart have another at the end
 * @replicas: servers that store a message, as was told last
 * @created: when it was, by the server's clock
 * @floor: the last message that all hosts have, by the least that was told since
 * @floor_since: seconds
 * @mark: last messages stored at two times, the earlier one first, for orphans()
 * @mark_at: seconds, when the next is to be
 * @chunk: the first chunk that lay beside its head, 0: there was none; tidy_lock guards
 *	these, and @created
 * @durable: name of the consumer for this host
 * @keeper: and of one that acknowledges nothing, while that one is made anew
 * @inbox: where messages that were asked for come; this and the rest is of the thread that takes
 *	from there
 * @sub: to @inbox
 * @old: that of before, which nothing comes over any more
 * @top: the last message that was stored, or given by any consumer, at the look before
 * @top_of: of the stream that was made then
 * @behind_since: seconds, this bridge's consumer rests before that
 * @leader: server that led it last, "": none that is known
 * @doubted: and one that may have left something out
 * @tries: in a row, to make it anew
 * @pause_until: seconds, then again
 * @anew: it is, and @keeper is to go
 * @asked: messages asked for that have not come
 * @asked_until: ms, then that is asked for no more
 * @empty_at: ms, when nothing that came lay there last
 * @back_at: ms, before that nothing goes back unseen
 */
struct route {
	char stream[NATS_NAME], subject[NATS_NAME], durable[UUID_TEXT], keeper[UUID_TEXT + 8],
		inbox[96];
	int64_t replicas, created, floor_since, mark_at;
	uint64_t floor, mark[2], chunk;
	natsSubscription *sub, *old;
	uint64_t top;
	int64_t top_of, behind_since, pause_until;
	char leader[PARCEL_WORD], doubted[PARCEL_WORD];
	unsigned int tries;
	bool anew;
	unsigned int asked;
	int64_t asked_until, empty_at, back_at;
};

/**
 * struct engine - a connection to servers
 * @conf: the bridge's
 * @events: whom to tell
 * @lock: held for reading by who uses @nc, for writing by who makes it anew
 * @nc: the connection
 * @js: its JetStream
 * @stored: replies of the server to what was published
 * @answers: answers for this host
 * @inbox: before the subject of each reply
 * @route: one for each rule
 * @keeper: a thread that connects again after the connection was given up
 * @keep_lock: guards the next two
 * @keep: tells it
 * @closed: the connection was given up
 * @ends: all of it ends
 * @tidy_lock: see struct route
 * @payload: bytes that a message may have with its headers
 * @life: a number of this process, likely no other's
 * @gone_lock: guards the rest
 * @gone: messages that are to be freed
 * @ngone: how many
 * @gone_max: then they are
 * @gone_bytes: of these
 */
struct engine {
	const struct conf *conf;
	struct engine_events events;
	pthread_rwlock_t lock;
	natsConnection *nc;
	jsCtx *js;
	natsSubscription *stored, *answers;
	char inbox[96];
	struct route *route;
	pthread_t keeper;
	bool keeps;
	pthread_mutex_t keep_lock;
	pthread_cond_t keep;
	bool closed, ends;
	pthread_mutex_t tidy_lock;
	size_t payload;
	uint32_t life;
	pthread_mutex_t gone_lock;
	natsMsg *gone[GONE_MAX];
	unsigned int ngone, gone_max;
	size_t gone_bytes;
};

/* What is known of a stream and of all that take from it */
struct progress {
	int64_t created; /* 0: nobody tells */
	uint64_t first, last; /* message stored */
	uint64_t floor; /* up to this one all are had; 0: none is, or somebody does not tell */
	uint64_t told; /* last message that any consumer has given */
	bool there; /* this bridge's consumer */
	uint64_t own, had; /* that this bridge's has, and up to which it has acknowledged all */
	uint64_t began; /* message with which this bridge's begins, if that was said */
	char leader[PARCEL_WORD]; /* of this bridge's, if it is told; "": there is one server */
	uint64_t kept; /* message with which this bridge's keeper begins; 0: there is none */
	bool rests; /* this bridge's knows of nothing to give */
	bool behind; /* and yet there is something */
	bool idle; /* all that were stored are had */
	int away; /* servers of the stream that are not there, or behind; -1: nobody tells */
};

/* Are the route's parcels stored by one server? */
static inline bool nats_one_server(const struct route *t)
{
	return __atomic_load_n(&t->replicas, __ATOMIC_RELAXED) < 2;
}

/* Goes on evenly, whatever the clock is set to */
static inline int64_t nats_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* nats.c */
void nats_free_gone(struct engine *e); /* with @gone_lock */
void nats_stored(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *engine);
void nats_answered(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *engine);

/* nats_setup.c */
int nats_begin(struct engine **e, const struct conf *c, const struct engine_events *events,
	       char why[ENGINE_TEXT]);
int nats_declare(struct engine *e, unsigned int rule, bool in, char why[ENGINE_TEXT]);
/* From message @start, 0: as its kind does. Unless it is there */
natsStatus nats_make_consumer(struct engine *e, unsigned int rule, const char *name,
			      uint64_t start);
natsStatus nats_hear_anew(struct engine *e, unsigned int rule); /* nothing that came before */
/* Where answers for a host come */
void nats_answers_to(char to[ANSWER_SUBJECT], const struct conf *c, const char *uuid);
void nats_end(struct engine *e);

/* nats_tidy.c */
int nats_tidy(struct engine *e, unsigned int rule, struct anew *anew);

/*
 * nats_anew.c: makes the consumer anew if it may have left something out. Return: whether nothing
 * may be purged now
 */
bool nats_anew(struct engine *e, unsigned int rule, struct progress *p, struct anew *anew);

#endif /* IPCX_BRIDGE_NATS_H */
