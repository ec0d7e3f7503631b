/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Topics without the kernel module: what the files of the transport "shm" share.
 *
 * All pages of a topic lie in one memfd, sealed so that nobody can take a page away from whoever
 * looks there; it lives as long as a member does. A file in the user's directory tells members
 * from one another: each has a lock on a byte of it for each place that it takes, which goes with
 * its process, and beside that says where in /proc the memfd is found. It is read, never mapped.
 *
 * What the kernel module writes is written here by the members, one at a time: who has a lock on
 * the byte MUTEX of the file. Should one die meanwhile, what it left is cleaned by the next who
 * finds it dead: each step leaves what can be cleaned, and the generation changes again then.
 *
 * Each member has a pipe that others write into to wake it, where it says that it listens there.
 * Nobody else has the end to read, so that one is told by poll of the death of each member that he
 * may have to wait for. Who waits for a moment only sleeps on a word of the memory.
 *
 * LOCKS: the handle's, then @lock of struct ipcx_topic_shm, then MUTEX.
 */
#ifndef IPCX_TOPIC_SHM_H
#define IPCX_TOPIC_SHM_H

#include "place.h"
#include "topic.h"

/* Members by number: publishers, then subscribers */
#define IPCX_SHM_SUBS IPCX_TOPIC_RINGS
#define IPCX_SHM_MEMBERS (IPCX_TOPIC_RINGS + IPCX_TOPIC_SUBS)

/* Bytes of the file that are locked; place.c has those before */
enum { IPCX_SHM_MUTEX = 2, IPCX_SHM_MEMBER = 16 };

/**
 * struct ipcx_shm_member - what others know of a member
 * @id: never used again while there is the memory; 0: no member
 * @ino: of its pipe
 * @pid: its process
 * @pipe: number there of the end that others open to write
 * @doze: a futex; odd: it may sleep there, and who makes it even wakes it
 * @piped: it polls its pipe, or its application may: a kick has to write there
 * @fences: bit r: it has a full barrier before each look at attention because of ring r
 */
struct ipcx_shm_member {
	uint64_t id, ino;
	uint32_t pid, pipe;
	uint32_t doze, piped;
	uint64_t fences;
};

/**
 * struct ipcx_shm_sub - a subscription
 * @pair: id of each ring that it has not left
 * @lost: bit r: that ring is gone, and it was not told
 * @proto: bit r: evicted because of a contradiction or skips
 */
struct ipcx_shm_sub {
	uint64_t pair[IPCX_TOPIC_RINGS];
	uint64_t lost, proto;
};

/**
 * struct ipcx_shm_table - first in the memory; all may be scribbled upon
 * @dir: what the module's members see
 * @ids: last id that was given
 * @deaths: of publishers so far
 * @death: of each ring whose publisher is gone, how many were before
 * @member: all
 * @sub: subscriptions
 */
struct ipcx_shm_table {
	struct ipcx_dir dir;
	uint64_t ids;
	uint64_t deaths;
	uint64_t death[IPCX_TOPIC_RINGS];
	struct ipcx_shm_member member[IPCX_SHM_MEMBERS];
	struct ipcx_shm_sub sub[IPCX_TOPIC_SUBS];
};

static_assert(sizeof(struct ipcx_shm_table) == 4096 + 16 + 8 * IPCX_TOPIC_RINGS +
						       40 * IPCX_SHM_MEMBERS +
						       520 * IPCX_TOPIC_SUBS,
	      "the same in programs of 32 and 64 bits");

/* What there is to wake another member: its pipe, as long as it is the one with this id */
struct ipcx_shm_peer {
	uint64_t id;
	int fd;
};

/**
 * struct ipcx_topic_shm - of a handle
 * @lock: protects all that changes after opening
 * @place: the file
 * @table: the memory's first part
 * @id: the own one of publisher and subscriber, 0 for none
 * @pipe: for each of these, the end to read and the end to write
 * @deaths: epoll of the pipes of others; readable when one is dead
 * @peer: pipes of others
 * @generation: up to which @peer is known
 * @unmet: somebody could not be met
 * @late: something is still to be done when it is this one's turn
 * @asked: of each ring, the id of that which was asked for a kick that writes to the pipe
 * @asked_room: subscribers were
 * @dozed: as publisher and as subscriber: for a kick that makes the word another, all were asked
 * @dozed_at: all of this generation of the directory
 * @rings: bit r: there is that ring
 * @rings_at: in this generation
 * @listeners: how many reasons there are for @piped, of each; read without @lock too
 * @polled: the application polls: who finds nothing has to ask for a kick
 * @noticed: when it was last seen whether somebody is dead, by who neither polls nor waits
 * @populated: bytes of payload that the own ring has
 * @starved: of a queue: it cannot have more before the cursor moves from here; or no position
 */
struct ipcx_topic_shm {
	struct ipcx_lock lock;
	struct ipcx_place place;
	struct ipcx_shm_table *table;
	uint64_t id[2];
	int pipe[2][2];
	int deaths;
	struct ipcx_shm_peer peer[IPCX_SHM_MEMBERS];
	uint32_t generation;
	uint64_t asked[IPCX_TOPIC_RINGS];
	uint32_t dozed[2], dozed_at[2];
	uint64_t rings;
	uint32_t rings_at;
	unsigned int listeners[2];
	bool unmet, late, asked_room, polled;
	int64_t noticed;
	uint64_t populated, starved;
};

enum { IPCX_SHM_PUB, IPCX_SHM_SUB };

/* Index in struct ipcx_shm_table::member of the own publisher or subscriber */
static inline unsigned int ipcx_shm_self(const struct ipcx_topic *t, int which)
{
	return which == IPCX_SHM_PUB ? t->o.out_ring : IPCX_SHM_SUBS + t->o.out_sub;
}

static inline uint64_t ipcx_shm_id_of(const struct ipcx_topic *t, unsigned int member)
{
	return __atomic_load_n(&t->shm->table->member[member].id, __ATOMIC_ACQUIRE);
}

/* topic_shm_place.c; find explains its failures */
int ipcx_shm_find(struct ipcx_topic *t);
void ipcx_shm_lock(const struct ipcx_topic_shm *shm);
void ipcx_shm_unlock(const struct ipcx_topic_shm *shm);
bool ipcx_shm_alone(const struct ipcx_topic_shm *shm);
void ipcx_shm_enter(const struct ipcx_topic *t, unsigned int member);
bool ipcx_shm_describe(int fd, struct ipcx_listed *o);

/* topic_shm_member.c; with MUTEX locked; a bare negative errno */
int ipcx_shm_join(struct ipcx_topic *t, int which);
void ipcx_shm_end(struct ipcx_topic *t, unsigned int member);
int ipcx_shm_evict(struct ipcx_topic *t, const struct ipcx_topic_evict *arg);
int ipcx_shm_leave(struct ipcx_topic *t, struct ipcx_topic_leave *arg);

/* topic_shm_peer.c; with @lock held, but to wake oneself */
void ipcx_shm_serialise(void);
void ipcx_shm_wake(struct ipcx_topic *t, unsigned int member);
void ipcx_shm_wake_all(struct ipcx_topic *t, int which);
void ipcx_shm_wake_readers(struct ipcx_topic *t);
void ipcx_shm_forget_peer(struct ipcx_topic_shm *shm, unsigned int member);
int ipcx_shm_reap(struct ipcx_topic *t); /* and MUTEX: ends the dead, meets all others */
int ipcx_shm_reap_in_turn(struct ipcx_topic *t); /* MUTEX not, as the next */
void ipcx_shm_meet(struct ipcx_topic *t);
bool ipcx_shm_try_lock(struct ipcx_topic_shm *shm);

/* topic_shm_wait.c; with neither */
bool ipcx_shm_ended(const struct ipcx_topic *t, unsigned int role);
int ipcx_shm_wait(struct ipcx_topic *t, const struct ipcx_topic_wait *arg);
void ipcx_shm_polled(struct ipcx_topic *t);
void ipcx_shm_not_polled(struct ipcx_topic *t);
void ipcx_shm_bury(struct ipcx_topic *t);
void ipcx_shm_notice(struct ipcx_topic *t);
void ipcx_shm_settle(struct ipcx_topic *t);
void ipcx_shm_cancelled(struct ipcx_topic *t);
void ipcx_shm_put_back(struct ipcx_topic *t);
void ipcx_shm_kick(struct ipcx_topic *t, uint32_t whom);
void ipcx_shm_tell_fences(const struct ipcx_topic *t, int which, unsigned int ring,
			  struct ipcx_looks *l, uint32_t *kicked);

/* A message was taken: if it was the last, who polls is not to find one. */
static inline void ipcx_shm_taken(struct ipcx_topic *t)
{
	if (__builtin_expect(__atomic_load_n(&t->shm->polled, __ATOMIC_RELAXED), 0))
		ipcx_shm_settle(t);
}

#endif /* IPCX_TOPIC_SHM_H */
