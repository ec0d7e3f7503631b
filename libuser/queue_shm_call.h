/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The handle of a queue over shared memory, and what it has to do with requests.
 */
#ifndef IPCX_QUEUE_SHM_CALL_H
#define IPCX_QUEUE_SHM_CALL_H

#include "queue_shm.h"
#include "topic_shm.h"
#include "transport.h"

/* What ipcx_msg.priv[HOLDER] has more than the address of the topic; topic.h has 0 and 1 */
enum ipcx_shm_kind { IPCX_SHM_ANSWER = 2, IPCX_SHM_REPLY };

/**
 * struct ipcx_shm_held - an answer that was got, or a loan for a reply: memory of this process
 * @next: in a list
 * @m: the same
 * @data: payload
 */
struct ipcx_shm_held {
	struct ipcx_shm_held *next;
	struct ipcx_msg m;
	char data[] __attribute__((aligned(16)));
};

/**
 * struct ipcx_shm_call - a place for an answer, as its caller knows it
 * @pos: of the request
 * @server: id of the last receiver that there was meanwhile, 0: none
 * @tag: of the request
 * @expires: likewise
 * @prio: likewise
 * @waiting: a thread is in ipcx_queue_call()
 */
struct ipcx_shm_call {
	uint64_t pos, server, tag;
	int64_t expires;
	uint32_t prio;
	bool waiting;
};

/**
 * struct shm_queue - a handle
 * @base: what all handles begin with
 * @t: the topic that it is
 * @sent: messages
 * @released: messages
 * @redelivered: how often one was put back
 * @pending: bit i: @call[i] has no answer that was got; with @t's lock, like all that follows
 * @given_up: bit i: nobody waits for one, and the receiver has the place still
 * @call: requests
 * @held: what the application has of answers and of loans for replies
 * @back: answers that were put back
 * @numbers: the last that one of @held was given
 * @turn: the place that is looked at first for an answer
 */
struct shm_queue {
	struct ipcx_queue base;
	struct ipcx_topic *t;
	uint64_t sent, released, redelivered;
	uint64_t pending, given_up;
	struct ipcx_shm_call call[IPCX_SHM_CALLS];
	struct ipcx_shm_held *held, *back;
	uint64_t numbers;
	unsigned int turn;
};

static inline struct shm_queue *ipcx_shm_queue(const struct ipcx_queue *q)
{
	return (struct shm_queue *)q; /* base is its first member */
}

/* queue_shm.c */
void ipcx_shm_count(const struct ipcx_topic *t, uint64_t *word);

/* queue_shm_held.c */
struct ipcx_shm_held *ipcx_shm_hold(struct shm_queue *s, enum ipcx_shm_kind kind, size_t len);
void ipcx_shm_hold_again(struct shm_queue *s, struct ipcx_shm_held *h);
struct ipcx_shm_held *ipcx_shm_find_held(struct shm_queue *s, enum ipcx_shm_kind kind,
					 const struct ipcx_msg *m);
bool ipcx_shm_drop_held(struct shm_queue *s, enum ipcx_shm_kind kind, struct ipcx_msg *m);
bool ipcx_shm_put_answer_back(struct shm_queue *s, struct ipcx_msg *m);
void ipcx_shm_free_held(struct shm_queue *s);

/* queue_shm_call.c */
int ipcx_shm_request(struct shm_queue *s, struct ipcx_msg *m, bool call);
void ipcx_shm_count_calls(const struct shm_queue *s, struct ipcx_queue_stats *stats);
int ipcx_shm_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		  int64_t deadline);
int ipcx_shm_get_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);

/* queue_shm_reply.c */
void ipcx_reply_free(const struct ipcx_topic *t, unsigned int ring, unsigned int i, uint64_t len);
void ipcx_shm_refuse(struct ipcx_topic *t, const struct ipcx_msg *m);
int ipcx_shm_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			struct ipcx_msg *reply);
int ipcx_shm_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		   bool next, int64_t deadline);

#endif /* IPCX_QUEUE_SHM_CALL_H */
