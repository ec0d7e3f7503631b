/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of topics share. The protocol of the rings is in ring.h and those beside it, which
 * know of no system call; here are the maps, the calls and the handle.
 *
 * LOCKS: the handle's lock protects all that is not const after opening. It is not held while
 * asleep. Inside of that of fork.c.
 */
#ifndef IPCX_TOPIC_LIB_H
#define IPCX_TOPIC_LIB_H

#include <linux/ipcx_topic.h>
#include <pthread.h>
#include <stdbool.h>

#include "fork.h"
#include "internal.h"
#include "ring_pub.h"
#include "ring_sub.h"

/* A part of the member's file. Once mapped it stays, so that what is held is always readable. */
struct ipcx_topic_map {
	void *addr; /* NULL: not mapped */
	size_t len;
	uint64_t offset;
	int prot;
};

/* All that a handle may map: of itself, and then two for each ring that it reads */
enum {
	IPCX_TOPIC_MAP_DIR,
	IPCX_TOPIC_MAP_CONTROLS, /* of all subscribers, for who publishes */
	IPCX_TOPIC_MAP_CONTROL, /* the own page, for who subscribes */
	IPCX_TOPIC_MAP_RING, /* the own ring, for who publishes */
	IPCX_TOPIC_MAP_PAYLOAD, /* and its payload */
	IPCX_TOPIC_MAP_READER,
	IPCX_TOPIC_MAPS = IPCX_TOPIC_MAP_READER + 2 * IPCX_TOPIC_RINGS
};

/* A cell of the handle's own ring */
struct ipcx_topic_place {
	uint64_t loan; /* 1 + the position that is on loan, or 0 */
	uint64_t pages; /* bytes that its payload slot has */
	size_t len; /* of the loan */
};

#define IPCX_TOPIC_COPIES 64 /* short messages that a lossy handle may hold */

/**
 * struct ipcx_topic_reader - a ring that the handle reads
 * @id: of the ring in the directory, 0: reads none at this index
 * @end: @dead: where it ends
 * @dead: its publisher is gone
 * @sub: what has been read
 * @payload: of longer messages
 * @who: its publisher
 */
struct ipcx_topic_reader {
	uint64_t id;
	uint64_t end;
	bool dead;
	struct ipcx_ring_sub *sub;
	char *payload;
	struct ipcx_topic_ring who;
};

/**
 * struct ipcx_topic - a handle
 * @fd: what ipcx_topic_fd() returns; -1 in a forked child that does not inherit
 * @flags: as given to ipcx_topic_open()
 * @spins: looks at the rings before it sleeps
 * @generation: of the directory, up to which @reader is known
 * @cut: publishers that cut this subscriber off, not told yet
 * @broken: contradictions, not told yet
 * @nrings: entries of @rings
 * @turn: index in @rings of the ring that is looked at next
 * @page: bytes of a page
 * @missed: of rings that were left
 * @caps: what ipcx_topic_caps() returns
 * @attr: what ipcx_topic_attr() returns
 * @o: what the kernel said
 * @fork: so that it is told of forks
 * @lock: see above
 * @map: by IPCX_TOPIC_MAP_*
 * @pub: what has been published
 * @places: of the own ring, @o.out_depth of them
 * @copied: lossy: bit i: @copies[i] is held
 * @copies: lossy: short messages
 * @pending: a message that was too long for a buffer, not held by the caller
 * @rings: those that are read
 * @reader: what is known of each
 * @name: without the transport, "" for a topic without a name
 */
struct ipcx_topic {
	int fd;
	unsigned int flags;
	unsigned int spins;
	uint32_t generation;
	unsigned int cut, broken;
	unsigned int nrings, turn;
	size_t page;
	uint64_t missed;
	uint64_t caps;
	struct ipcx_topic_attr attr;
	struct ipcx_topic_open o;
	struct ipcx_fork fork;
	pthread_mutex_t lock;
	struct ipcx_topic_map map[IPCX_TOPIC_MAPS];
	struct ipcx_ring_pub pub;
	struct ipcx_topic_place *places;
	uint64_t copied;
	struct ipcx_taken *copies;
	struct ipcx_msg pending;
	uint8_t rings[IPCX_TOPIC_RINGS];
	struct ipcx_topic_reader reader[IPCX_TOPIC_RINGS];
	char name[256];
};

/* What a handle keeps in ipcx_msg.priv while a message is held */
enum {
	IPCX_TOPIC_PRIV_WHERE, /* of a message taken, a byte each: ring, 1 + copy, hold */
	IPCX_TOPIC_PRIV_ID, /* likewise: of the ring */
	IPCX_TOPIC_PRIV_POS,
	IPCX_TOPIC_PRIV_HOLDER, /* 0 when nothing is held */
};

/* topic_open.c; return a bare negative errno */
int ipcx_topic_map(struct ipcx_topic *t, unsigned int which, uint64_t offset, uint64_t len,
		   int prot);
int ipcx_topic_map_ring(struct ipcx_topic *t, unsigned int which, unsigned int ring, int prot);

/* topic.c */
bool ipcx_topic_late(int64_t deadline);
int ipcx_topic_sleep(const struct ipcx_topic *t, uint32_t until, int64_t deadline);
void ipcx_topic_kick(const struct ipcx_topic *t, uint32_t whom);

/* topic_ring.c; with the lock held, a bare negative errno */
int ipcx_topic_look(struct ipcx_topic *t);
void ipcx_topic_leave(struct ipcx_topic *t, unsigned int ring, bool broken);

/* topic_error.c: all put it into words and return -err, or what the contract has for it */
enum ipcx_topic_op {
	IPCX_TOPIC_OP_LOAN,
	IPCX_TOPIC_OP_COMMIT,
	IPCX_TOPIC_OP_TAKE,
	IPCX_TOPIC_OP_RELEASE
};

int ipcx_topic_explain(const struct ipcx_topic *t, enum ipcx_topic_op op, int err, size_t len);
int ipcx_topic_forget_failed(const struct ipcx_topic *t, const char *durable, int err);
int ipcx_topic_open_failed(int dev, const struct ipcx_topic_open *arg, const char *name, int err);

#endif /* IPCX_TOPIC_LIB_H */
