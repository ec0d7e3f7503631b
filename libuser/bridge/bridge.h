/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bridge while it runs. Each rule is a lane, with a thread for what goes out and one for what
 * comes in; the engine has threads of its own, and one more answers who asks for the state. So a
 * lane that waits for anything holds nobody up.
 *
 * Locks: lane.text_lock guards what is told of a lane; out_slot.c, known.c and calls.c have one
 * each for what comes from another thread. None is held while another one is taken, or over a call
 * of the engine, or one of the library that waits. But out.works is held by the lane's thread
 * through all of these; nobody else waits for it.
 */
#ifndef IPCX_BRIDGE_BRIDGE_H
#define IPCX_BRIDGE_BRIDGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipcx.h>

#include "conf.h"
#include "engine.h"
#include "parcel.h"
#include "window.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define STATE_TEXT 320
#define CALL_TIMEOUT (30 * NS_PER_S) /* of a request that says nothing else */
#define DRAIN_TIMEOUT (5 * NS_PER_S) /* SIGTERM waits so long for the engine */
/* of the flags of an answer: why there is no reply */
#define NO_REPLY (IPCX_CANCELED | IPCX_POISON | IPCX_EXPIRED | IPCX_OWNERDEAD)

/* Counts of a lane; each is written by atomic additions */
struct counts {
	uint64_t out; /* stored by the engine and released here */
	uint64_t in; /* put into the local queue */
	uint64_t acked; /* parcels that the engine has acknowledged */
	uint64_t retried; /* parcels sent again */
	uint64_t refused; /* by the engine */
	uint64_t copies; /* that came and were known */
	uint64_t perhaps; /* put in again after the bridge was killed in the middle of it */
	uint64_t own; /* came back to their origin, and ended there */
	uint64_t superseded; /* of a topic of the kind latest: newer ones were there */
	uint64_t missed; /* of a topic: the bridge was too slow */
	uint64_t damaged; /* local messages that made no sense */
	uint64_t calls; /* requests that were answered */
	uint64_t timeouts; /* and those that were not */
	uint64_t returned; /* to the engine, for there was no room */
	uint64_t in_flight; /* now */
	uint64_t waiting; /* chunks, now, whose message is not whole */
	uint64_t asked_ms; /* how long the engine took lately to tell how far all are */
	uint64_t away; /* servers, now, that store its parcels, and are not there, behind or mute */
	uint64_t dropped[DROP_COUNT];
};

static inline void count_more(uint64_t *n, uint64_t more)
{
	__atomic_fetch_add(n, more, __ATOMIC_RELAXED);
}

static inline void count(uint64_t *n)
{
	count_more(n, 1);
}

static inline void count_set(uint64_t *n, uint64_t value)
{
	__atomic_store_n(n, value, __ATOMIC_RELAXED);
}

struct bridge;
struct known;
struct out;

/**
 * struct lane - a rule while it runs
 * @b: the bridge
 * @r: the rule
 * @nr: its number
 * @n: counts
 * @text_lock: guards @state
 * @state: of each way, out and in, what it does or waits for; told
 * @out: what out.c has of it
 * @from: what other lanes have put where this one takes; NULL if none does
 * @to: what this one has put where others take; NULL if none does
 * @w: what was received
 * @ring: of a topic of both directions: this bridge's own; -1 if it has none now
 * @thread: of each way
 */
struct lane {
	struct bridge *b;
	const struct rule *r;
	unsigned int nr;
	struct counts n;
	pthread_mutex_t text_lock;
	char state[2][STATE_TEXT];
	struct out *out;
	struct known *from, *to;
	struct window *w;
	int ring;
	pthread_t thread[2];
	bool runs[2];
};

enum { LANE_OUT, LANE_IN };

/**
 * struct bridge - all of it
 * @conf: what it is to do
 * @ops: the engine's functions
 * @e: the engine
 * @lane: one for each rule
 * @epoch: of this boot
 * @stop: since when it is to end, 0: go on
 * @link: the engine is connected
 * @link_lock: guards the next three
 * @since: when @link changed, realtime seconds
 * @why: the engine's words when it went down
 * @told: something of it was told
 * @link_count: changes with each connection
 */
struct bridge {
	struct conf *conf;
	const struct engine_ops *ops;
	struct engine *e;
	struct lane *lane;
	char epoch[20];
	int64_t stop;
	bool link;
	pthread_mutex_t link_lock;
	time_t since;
	char why[ENGINE_TEXT];
	bool told;
	uint64_t link_count;
};

int64_t now_ns(void);
int64_t since_boot(void); /* goes on while the machine sleeps, as the time of other hosts does */
void sleep_ms(int ms);

static inline bool stopping(const struct bridge *b)
{
	return __atomic_load_n(&b->stop, __ATOMIC_RELAXED);
}

static inline bool link_up(const struct bridge *b)
{
	return __atomic_load_n(&b->link, __ATOMIC_ACQUIRE);
}

/* bridge.c */
int bridge_start(struct bridge *b); /* said on stderr if it fails */
void bridge_stop(struct bridge *b); /* sends what there is, gives back the rest */
void bridge_free(struct bridge *b); /* afterwards */
bool lane_state(struct lane *l, int way, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))); /* return: whether it is another than before */
/* The same, and on stderr if it is new */
void lane_trouble(struct lane *l, int way, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void lane_drop(struct lane *l, enum reason why);

/* known.c: what one lane has put where another one takes */
struct known *known_new(void);
void known_free(struct known *k);
void known_hold(struct known *k, uint64_t depth); /* the name holds so many */
void known_put(struct known *k, const struct parcel *p);
/*
 * Is this message one of them, by a process of @p->pid? Then it is that no more, and @p gets its
 * origin.
 */
bool known_take(struct known *k, struct parcel *p);

/* out.c, in.c: threads */
int out_new(struct lane *l);
void out_free(struct lane *l);
void *out_run(void *lane);
void out_stored(struct lane *l, uint64_t cookie, int err, const char *why);
void out_answered(struct lane *l, const struct parcel *p);
void *in_run(void *lane);

/* status.c */
int status_listen(const struct bridge *b); /* the socket, or a negative errno */
bool status_serve(const struct bridge *b, int listener); /* one; false: it was shut down */
int status_ask(const struct conf *c, const char *what); /* prints; an exit code */

/* monitor.c: figures of the engine as JSON, to be freed; NULL if they cannot be had */
char *monitor_figures(const char *url);

#endif /* IPCX_BRIDGE_BRIDGE_H */
