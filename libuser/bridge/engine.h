/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What carries parcels between bridges: an engine. nats.c is one; another would be a file with
 * these functions. An engine stores each parcel until it was taken and settled, and tells by an
 * event when it has stored one.
 */
#ifndef IPCX_BRIDGE_ENGINE_H
#define IPCX_BRIDGE_ENGINE_H

#include "conf.h"
#include "parcel.h"

#define ENGINE_TEXT 200
#define ENGINE_ACK_MS 5000 /* what a host has taken goes to another if nothing is told so long */
#define ENGINE_OLD_MS 1500 /* of work fetch() gives nothing that came longer ago */

struct engine;

/**
 * struct engine_events - what an engine tells, from threads of its own
 * @arg: given to each
 * @link: it is connected now, or not, and why
 * @stored: a parcel of @cookie is: @err 0; or it was refused, a negative errno and @why. -EMSGSIZE:
 *	it will never be taken; -ENXIO: the rule has to be declared again; -EEXIST: it knows the
 *	id of an earlier time, and may not have it
 * @answered: an answer came
 */
struct engine_events {
	void *arg;
	void (*link)(void *arg, bool up, const char *why);
	void (*stored)(void *arg, unsigned int rule, uint64_t cookie, int err, const char *why);
	void (*answered)(void *arg, const char *line, const void *data, size_t size);
};

/**
 * struct delivery - a parcel that came
 * @line: what was with it, to be read by parcel_read(); "" if nothing was
 * @data: its bytes
 * @size: of these
 * @age: ns since the engine has stored it, by the clocks of both
 * @number: of one that get() gave: the engine's, for remove()
 * @handle: the engine's
 */
struct delivery {
	const char *line;
	const void *data;
	size_t size;
	int64_t age;
	uint64_t number;
	void *handle;
};

/**
 * struct anew - what tidy() has done for who fetches
 * @begun: it comes again; what was fetched and is not settled is to be forgotten
 * @why: it does not, if there is something
 */
struct anew {
	bool begun;
	char why[ENGINE_TEXT];
};

/* What becomes of a delivery; all but SETTLE_PROGRESS end it */
enum settle {
	SETTLE_ACK, /* done */
	SETTLE_NAK, /* again, after a delay */
	SETTLE_TERM, /* never again */
	SETTLE_PROGRESS, /* still at it */
	SETTLE_FORGET /* tells the engine nothing: frees it */
};

/**
 * struct engine_ops - an engine
 * @name: of it
 * @connect: begins to connect, and goes on until it is; 0, or a negative errno and @why
 * @declare: makes what a rule needs there, for who puts or, if @in, for who takes: 0, or a negative
 *	errno and @why
 * @publish: sends a parcel to be stored: 0, or a negative errno if it was not even sent
 * @store: sends a parcel to be stored, and waits until it is: 0, or a negative errno. -ETIMEDOUT:
 *	nothing is said, so it may be stored, or may yet be; if not, the same again is no second one
 * @fetch: up to @n deliveries, waits @ms for one: how many, or a negative errno and @why;
 *	-ENXIO: the rule has to be declared again
 * @settle: says what became of a delivery; @delay: ns, of SETTLE_NAK
 * @get: a chunk that was stored apart from its head, as a delivery to be forgotten; -ENOENT: there
 *	is none
 * @remove: the chunk of that number goes
 * @purge: a chunk that was stored apart from its head goes, if it is there: 0, or a negative errno
 * @tidy: what all hosts have may go; called now and then, and when a parcel was refused. How many
 *	of the servers that store the rule's parcels are away or behind; -1: none tells. Who fetches
 *	gives @anew, to get again what may have been left out
 * @answer: sends an answer to the host @origin, which is not stored
 * @payload_max: bytes of data that a parcel may have
 * @close: ends it; nothing is told afterwards
 */
struct engine_ops {
	const char *name;
	int (*connect)(struct engine **e, const struct conf *c, const struct engine_events *events,
		       char why[ENGINE_TEXT]);
	int (*declare)(struct engine *e, unsigned int rule, bool in, char why[ENGINE_TEXT]);
	int (*publish)(struct engine *e, unsigned int rule, const struct parcel *p,
		       uint64_t cookie);
	int (*store)(struct engine *e, unsigned int rule, const struct parcel *p);
	int (*fetch)(struct engine *e, unsigned int rule, struct delivery *d, unsigned int n,
		     int ms, char why[ENGINE_TEXT]);
	void (*settle)(struct engine *e, struct delivery *d, enum settle how, int64_t delay);
	int (*get)(struct engine *e, unsigned int rule, const char *id, uint32_t chunk,
		   struct delivery *d);
	void (*remove)(struct engine *e, unsigned int rule, uint64_t number);
	int (*purge)(struct engine *e, unsigned int rule, const char *id, uint32_t chunk);
	int (*tidy)(struct engine *e, unsigned int rule, struct anew *anew);
	int (*answer)(struct engine *e, const char *origin, const struct parcel *p);
	size_t (*payload_max)(struct engine *e);
	void (*close)(struct engine *e);
};

extern const struct engine_ops engine_nats;

#endif /* IPCX_BRIDGE_ENGINE_H */
