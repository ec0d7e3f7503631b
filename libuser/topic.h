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

#include <assert.h>
#include <linux/ipcx_topic.h>
#include <stdbool.h>
#include <stddef.h>

#include "fork.h"
#include "internal.h"
#include "lock.h"
#include "ring_pub.h"
#include "ring_sub.h"

/* A part of the member's file. Once mapped it stays, so that what is held is always readable. */
struct ipcx_topic_map {
	void *addr; /* NULL: not mapped */
	size_t len;
	uint64_t offset;
	int prot;
};

/* All that a handle may map: of itself, and then four for each ring that it reads */
enum {
	IPCX_TOPIC_MAP_DIR,
	IPCX_TOPIC_MAP_CONTROLS, /* of all subscribers, for who publishes */
	IPCX_TOPIC_MAP_CONTROL, /* the own page, for who subscribes */
	IPCX_TOPIC_MAP_RING, /* the own ring, for who publishes */
	IPCX_TOPIC_MAP_PAYLOAD, /* and its payload */
	IPCX_TOPIC_MAP_READER,
	IPCX_TOPIC_MAPS = IPCX_TOPIC_MAP_READER + 4 * IPCX_TOPIC_RINGS
};

/* The first of a ring: its cells; then its payload; and both once more, see map_reader() */
static inline unsigned int ipcx_topic_map_of(unsigned int ring)
{
	return IPCX_TOPIC_MAP_READER + 4 * ring;
}

#define IPCX_TOPIC_COPIES 64 /* short messages that a lossy handle may hold */

/* What all messages of a publisher have in common, as it is in struct ipcx_msg from prio on */
struct ipcx_topic_from {
	uint32_t prio, flags, deliveries;
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

static_assert(offsetof(struct ipcx_msg, seq) - offsetof(struct ipcx_msg, prio) ==
		      sizeof(struct ipcx_topic_from),
	      "copied as it is");

/**
 * struct ipcx_topic_reader - a ring that the handle reads
 * @ring: its number
 * @id: of the ring in the directory, 0: reads none at this index
 * @alive: @id, or 0 if its publisher is gone
 * @end: where it ends if its publisher is gone
 * @sub: what has been read
 * @again: of a queue: messages that come again
 * @payload: of longer messages
 * @own: the same where it could be written, or NULL
 * @shown: bytes from a cell to where the application sees it, see map_reader()
 * @from: its publisher
 */
struct ipcx_topic_reader {
	uint64_t ring, id, alive;
	uint64_t end;
	struct ipcx_ring_sub *sub;
	uint32_t again;
	char *payload;
	const char *own;
	ptrdiff_t shown;
	struct ipcx_topic_from from;
};

/**
 * struct ipcx_topic_idle - of a ring that had no message
 * @word: of its next cell
 * @as: what that says as long as there is none
 */
struct ipcx_topic_idle {
	const __u64 *word;
	__u64 as;
};

/**
 * struct ipcx_topic - a handle
 * @fd: what ipcx_topic_fd() returns; -1 in a forked child that does not inherit
 * @flags: as given to ipcx_topic_open()
 * @queue: it is a queue's, see queue_shm.h: its failures are put into words elsewhere
 * @limit: of a queue: messages that a sender may have in it
 * @policy: of a queue
 * @many_cpus: this process may run while another one does
 * @spins_message: looks before it sleeps until there is a message, see ipcx_topic_wait()
 * @spins_room: and until there is room
 * @lock: see above
 * @held: what ipcx_msg.priv[HOLDER] has of a message taken, or NOTHING
 * @loan: and of a loan
 * @cell_max: longest message that lies in a cell
 * @loan_end: a loan is shorter; 0 where there can be none
 * @generation: of the directory, up to which @reader is known
 * @cut: publishers that cut this subscriber off, not told yet
 * @broken: contradictions, not told yet
 * @is_pending: there is @pending
 * @has_again: a reader may have some again
 * @idle_due: it is time to look at the rings that had nothing
 * @untold: any of these: a take is not as usual
 * @nrings: entries of @rings
 * @busy: of them, those that may have something, the first; see topic_turn.h
 * @turn: index in @rings of the ring that is looked at next
 * @until_idle: messages until then
 * @page: bytes of a page
 * @made_room: publishers that wait for room have to be kicked
 * @missed: of rings that were left
 * @expired: of a queue: messages that came too late
 * @leaving: bit r: that ring was left, but the transport could not do so yet
 * @leaving_broken: bit r: because it contradicts itself, which was told
 * @leaving_id: of these rings
 * @caps: what ipcx_topic_caps() returns
 * @attr: what ipcx_topic_attr() returns
 * @o: what the kernel said
 * @fork: so that it is told of forks
 * @map: by IPCX_TOPIC_MAP_*
 * @pub: what has been published
 * @pages: bytes that each payload slot of the own ring has, @o.out_depth of them
 * @copied: lossy: bit i: @copies[i] is held
 * @copies: lossy: short messages
 * @pending: a message that was too long for a buffer, not held by the caller
 * @rings: those of @reader that are read; one at @turn, or NULL if there is none at all
 * @idle: from @busy on: of each of @rings
 * @reader: what is known of each ring
 * @name: without the transport, "" for a topic without a name
 * @ops: the transport
 * @mem: the file with all that is mapped
 * @wakes: of a transport without rings: how often there may have been room since; a futex
 * @shm: what the transport "shm" knows, topic_shm.h
 * @sockets: and "unix", topic_unix.h
 */
struct ipcx_topic {
	int fd;
	unsigned int flags;
	bool queue;
	uint32_t limit, policy;
	bool many_cpus;
	unsigned int spins_message, spins_room;
	struct ipcx_lock lock;
	uint64_t held, loan;
	size_t cell_max, loan_end;
	uint32_t generation;
	union {
		struct {
			uint16_t cut, broken;
			bool is_pending, has_again, idle_due;
		};
		uint64_t untold;
	};
	unsigned int nrings, busy, turn, until_idle;
	size_t page;
	bool made_room;
	uint64_t missed, expired;
	uint64_t leaving, leaving_broken;
	uint64_t leaving_id[IPCX_TOPIC_RINGS];
	uint64_t caps;
	struct ipcx_topic_attr attr;
	struct ipcx_topic_open o;
	struct ipcx_fork fork;
	struct ipcx_topic_map map[IPCX_TOPIC_MAPS];
	struct ipcx_ring_pub pub;
	uint64_t *pages;
	uint64_t copied;
	struct ipcx_taken *copies;
	struct ipcx_msg pending;
	struct ipcx_topic_reader *rings[IPCX_TOPIC_RINGS];
	struct ipcx_topic_idle idle[IPCX_TOPIC_RINGS];
	struct ipcx_topic_reader reader[IPCX_TOPIC_RINGS];
	char name[256];
	const struct ipcx_topic_transport *ops;
	int mem;
	uint32_t wakes;
	struct ipcx_topic_shm *shm;
	struct ipcx_topic_unix *sockets;
};

/**
 * struct ipcx_topic_patience - one wait
 * @until: IPCX_WAIT_*
 * @deadline: of it
 * @looks: so often was looked in vain since it began or slept
 * @wakes: ipcx_topic.wakes at the last of these looks
 * @late: the deadline has passed: one more look
 */
struct ipcx_topic_patience {
	uint32_t until;
	int64_t deadline;
	unsigned int looks;
	uint32_t wakes;
	bool late;
};

/**
 * struct ipcx_topic_transport - who does what needs more than the pages
 * @name: its name in a URI
 * @caps: IPCX_CAP_* that it enforces
 * @open: become a member: set fd, mem and o, of which the caller has filled what the kernel gets
 *	too; explains its own failures. -EALREADY: it is another's turn, and -EINPROGRESS: members
 *	may be just ending: to be closed, and tried again a moment later
 * @polled: its descriptor is asked for; may be NULL
 * @ended: did others take it for dead, as IPCX_PUBLISH or IPCX_SUBSCRIBE? The generation has
 *	changed then. May be NULL
 * @call: what ioctl() does on a member of the kernel's, with the same commands and errnos
 * @close: let go of all that @open made, but the mappings
 * @in_child: likewise in a forked child that does not inherit; the member is the parent
 * @unlink: take the name away; explains its own failures
 * @loan: of a transport without rings, as are the next: get a loan of @len bytes
 * @commit: publish one
 * @cancel: give one back
 * @take: receive a message of at most @cap bytes
 * @release: be done with one
 * @missed: how many were
 * @wait: sleep as IPCX_IOC_TOPIC_WAIT does; alone of these without the handle's lock
 *
 * Those without rings are called with the handle's lock held, of a handle that is closed in this
 * process too, and return a bare negative errno. They fill in HOLDER; the handle's @held and @loan
 * are NOTHING, so that no quick part believes to know them.
 */
struct ipcx_topic_transport {
	const char *name;
	uint64_t caps;
	int (*open)(struct ipcx_topic *t);
	void (*polled)(struct ipcx_topic *t);
	bool (*ended)(const struct ipcx_topic *t, unsigned int role);
	int (*call)(struct ipcx_topic *t, unsigned int cmd, void *arg);
	void (*close)(struct ipcx_topic *t);
	void (*in_child)(struct ipcx_topic *t);
	int (*unlink)(const char *name);
	int (*loan)(struct ipcx_topic *t, size_t len, struct ipcx_msg *m);
	int (*commit)(struct ipcx_topic *t, const struct ipcx_msg *m);
	int (*cancel)(struct ipcx_topic *t, const struct ipcx_msg *m);
	int (*take)(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m);
	int (*release)(struct ipcx_topic *t, const struct ipcx_msg *m);
	uint64_t (*missed)(const struct ipcx_topic *t);
	int (*wait)(struct ipcx_topic *t, const struct ipcx_topic_patience *p);
};

extern const struct ipcx_topic_transport ipcx_topic_kernel, ipcx_topic_shm, ipcx_topic_unix;

/* What a handle keeps in ipcx_msg.priv while a message is held */
enum {
	/* of a message taken, a byte each: ring, 1 + copy, hold; then 1 + place for an answer */
	IPCX_TOPIC_PRIV_WHERE,
	IPCX_TOPIC_PRIV_ID, /* likewise: of the ring */
	IPCX_TOPIC_PRIV_POS,
	IPCX_TOPIC_PRIV_HOLDER, /* the handle; of a loan 1 more; 0 when nothing is held */
};

#define IPCX_WHERE_CALL 32 /* bits before the last of these */
#define IPCX_TOPIC_NOTHING 1 /* no HOLDER: this handle can have none */

static inline uint32_t ipcx_topic_generation(const struct ipcx_topic *t)
{
	const struct ipcx_dir *dir = t->map[IPCX_TOPIC_MAP_DIR].addr;

	return __atomic_load_n(&dir->generation, __ATOMIC_ACQUIRE); /* [I] */
}

static inline bool ipcx_topic_ended(const struct ipcx_topic *t, unsigned int role)
{
	return t->ops->ended && t->ops->ended(t, role);
}

/* topic_open.c; return a bare negative errno */
int ipcx_topic_map(struct ipcx_topic *t, unsigned int which, uint64_t offset, uint64_t len,
		   int prot);
int ipcx_topic_map_ring(struct ipcx_topic *t, unsigned int which, unsigned int ring, int prot);

/* What the quick part of a function has done, and what the slow one is to do */
enum {
	IPCX_TOPIC_DONE = 1 << 0,
	IPCX_TOPIC_WAKE = 1 << 1, /* who sleeps until the lock is free */
	IPCX_TOPIC_KICK = 1 << 2,
};

/* topic.c */
void ipcx_topic_finish(struct ipcx_topic *t, unsigned int done, uint32_t whom);
int ipcx_topic_wait(struct ipcx_topic *t, struct ipcx_topic_patience *p);
void ipcx_topic_waited(struct ipcx_topic *t, const struct ipcx_topic_patience *p);
void ipcx_topic_kick(struct ipcx_topic *t, uint32_t whom);

/* For queues over "shm", whose functions put failures into words. topic_pub.c */
int ipcx_topic_commit_more(struct ipcx_topic *t, struct ipcx_msg *m, uint32_t call);
/* topic_sub.c */
int ipcx_topic_take_up_to(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, int64_t deadline);
int ipcx_topic_release_carefully(struct ipcx_topic *t, struct ipcx_msg *m);
int ipcx_topic_peek(struct ipcx_topic *t, struct ipcx_msg *m);
/* topic_open.c; under the lock of fork.c */
int ipcx_topic_open_queue(struct ipcx_topic **to, const char *name, unsigned int flags,
			  const struct ipcx_topic_opts *opts, uint32_t limit, uint32_t policy);
void ipcx_topic_in_child(struct ipcx_topic *t);
void ipcx_topic_free(struct ipcx_topic *t);

/* topic_ring.c; with the lock held, a bare negative errno */
int ipcx_topic_look(struct ipcx_topic *t);
/* Whoever has looked or taken kicks the publishers if this says so. */
bool ipcx_topic_made_room(struct ipcx_topic *t);
bool ipcx_topic_leave(struct ipcx_topic *t, unsigned int ring, bool broken);

/* topic_error.c: all put it into words and return -err, or what the contract has for it */
enum ipcx_topic_op {
	IPCX_TOPIC_OP_LOAN,
	IPCX_TOPIC_OP_COMMIT,
	IPCX_TOPIC_OP_TAKE,
	IPCX_TOPIC_OP_RELEASE
};

int ipcx_topic_explain(const struct ipcx_topic *t, enum ipcx_topic_op op, int err, size_t len);
int ipcx_topic_failed(const struct ipcx_topic *t, int err, const char *what);
int ipcx_topic_forget_failed(const struct ipcx_topic *t, const char *durable, int err);
int ipcx_topic_open_failed(int dev, const struct ipcx_topic_open *arg, const char *name, int err);

#endif /* IPCX_TOPIC_LIB_H */
