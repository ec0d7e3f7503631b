/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A queue over shared memory is a topic: each sender is a publisher, the receiver the one
 * subscriber. It is always there as far as publishers can see, so that what they send stays until
 * somebody receives: its control page says which messages are done, whoever has it.
 *
 * What a queue needs beside that lies in the cells, whose messages are shorter for it:
 * how long one may wait and its priority, of the sender; and of the receiver, a lease.
 *
 * A lease says of a position between the cursor and the one to be taken next what became of its
 * message, if that is not that it is held, and never came back. It is written before the function
 * returns that it tells of, and the cursor passes over it in one step: so at each instant of its
 * life a receiver can be killed, and the next one finds what it has to.
 *
 * Behind the cells of a ring is a page for the answers to its requests. A request names its place
 * there, and has it until the receiver is done with it, so that there is room for the reply. What
 * became of it is one word, that both sides change by compare and exchange:
 *
 *	WAITING -> TAKEN -> ANSWERED		by the receiver; ANSWERED also at once
 *	TAKEN -> WAITING			it was put back
 *	WAITING, TAKEN -> GIVEN_UP		by the caller
 *	GIVEN_UP -> OVER			by the receiver, when it finds that
 *
 * The caller makes the place free after ANSWERED and OVER. It is the receiver that dies, so the
 * caller sees that itself: the one that has taken the request is not the one that there is.
 */
#ifndef IPCX_QUEUE_SHM_H
#define IPCX_QUEUE_SHM_H

#include "topic.h"

#define IPCX_LEASED_DATA 80 /* longest message that lies in a cell */
#define IPCX_CELL_MORE (1U << 31) /* in the length: there are @expires, @prio and @call */
#define IPCX_SHM_CALLS 64 /* requests that a sender may have on their way */

/**
 * struct ipcx_leased_cell - the data of a cell of a queue
 * @data: a short message
 * @expires: with IPCX_CELL_MORE, else not written
 * @prio: likewise
 * @call: likewise: of a request 1 + its place for an answer, else 0
 * @lease: written by the receiver: position, 46 bits; IPCX_LEASE_*, 2 bits; deliveries
 */
struct ipcx_leased_cell {
	uint8_t data[IPCX_LEASED_DATA];
	int64_t expires;
	uint32_t prio, call;
	uint64_t lease;
};

static_assert(sizeof(struct ipcx_leased_cell) == IPCX_CELL_DATA, "no more than a cell has");

enum { IPCX_LEASE_HELD, IPCX_LEASE_AGAIN, IPCX_LEASE_RELEASED };

static inline struct ipcx_leased_cell *ipcx_leased(const void *cell_data)
{
	return (struct ipcx_leased_cell *)cell_data;
}

/**
 * struct ipcx_shm_answer - a place for an answer
 * @word: position of the request, 56 bits; enum ipcx_call_state
 * @server: written by the receiver: its id
 * @len: likewise: bytes of the reply, which lies behind the payload of the ring
 * @flags: likewise: 0, or why there is no reply: IPCX_CANCELED and the like
 * @__reserved: not used
 */
struct ipcx_shm_answer {
	uint64_t word, server, len;
	uint32_t flags, __reserved;
};

/**
 * struct ipcx_shm_answers - the page behind the cells
 * @news: changes with each answer; a futex
 * @__reserved: not used
 * @at: the places
 */
struct ipcx_shm_answers {
	uint32_t news, __reserved;
	struct ipcx_shm_answer at[IPCX_SHM_CALLS];
};

static_assert(sizeof(struct ipcx_shm_answers) <= 4096, "fits a page");

enum ipcx_call_state {
	IPCX_CALL_NONE,
	IPCX_CALL_WAITING,
	IPCX_CALL_TAKEN,
	IPCX_CALL_ANSWERED,
	IPCX_CALL_GIVEN_UP,
	IPCX_CALL_OVER
};

static inline uint64_t ipcx_call_word(uint64_t pos, enum ipcx_call_state state)
{
	return pos << 8 | state;
}

/* @a->word from one to the other, if it is that. [A], [B] as of the word of a cell */
static inline bool ipcx_call_change(struct ipcx_shm_answer *a, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(&a->word, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* @map: where a ring is mapped, IPCX_TOPIC_MAP_* */
static inline struct ipcx_shm_answers *ipcx_answers(const struct ipcx_topic *t, unsigned int map)
{
	return (void *)((char *)t->map[map].addr + t->map[map].len - t->page);
}

/* Where in the memory the reply lies */
static inline uint64_t ipcx_reply_at(const struct ipcx_topic *t, unsigned int ring, unsigned int i)
{
	return t->o.out_data_offset + ring * t->o.out_data_window +
	       (t->o.out_depth + i) * t->o.out_stride;
}

/* queue_shm_lease.c; with the handle's lock held */
int ipcx_lease_recover(struct ipcx_topic *t, struct ipcx_topic_reader *reader);
bool ipcx_lease_is_held(const struct ipcx_topic_reader *reader, uint64_t pos);
int ipcx_lease_more(struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
		    const struct ipcx_taken *taken, struct ipcx_msg *m);
int ipcx_lease_put_back(struct ipcx_topic *t, const struct ipcx_msg *m, bool counts);
int ipcx_lease_take(struct ipcx_topic *t, struct ipcx_topic_reader **reader,
		    struct ipcx_taken *taken, uint32_t *deliveries);
bool ipcx_lease_release(const struct ipcx_topic_reader *reader, uint64_t pos);

/* queue_shm_reply.c; with the handle's lock held. @call: as in a cell, believed only there */
int ipcx_request_take(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
		      uint64_t pos, uint32_t call, bool late);
void ipcx_request_put_back(const struct ipcx_topic *t, const struct ipcx_msg *m);
bool ipcx_request_is_over(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
			  uint64_t pos, uint32_t call);

#endif /* IPCX_QUEUE_SHM_H */
