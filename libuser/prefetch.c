// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Messages taken ahead: between queue.c and the transport of a handle that was opened
 * with opts.prefetch.
 *
 * In the array, from first to count lie messages in hand: taken, and not handed out yet. From 0
 * to held lie those that ipcx_queue_next() was given to release, for the next refill. One was
 * handed out for each of these, so held never passes first.
 *
 * A thread that refills does so without the lock, for it may sleep. Nothing is in hand or held
 * then; until it is back others go to the transport, and the array is its own.
 *
 * LOCKS: lock protects all but the array during a refill; nobody sleeps under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "transport.h"

struct ipcx_prefetch {
	struct ipcx_transport ops; /* of the handle */
	const struct ipcx_transport *below;
	pthread_mutex_t lock;
	unsigned int n; /* messages a refill */
	unsigned int first, count, held;
	bool filling;
	int64_t back; /* when half of their lease is over; 0: never */
	struct ipcx_msg m[IPCX_BATCH];
};

static struct ipcx_prefetch *prefetch(const struct ipcx_queue *q)
{
	return (struct ipcx_prefetch *)q->ops; /* ops is its first member */
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/*
 * The first in hand, or NULL. What is too late goes back: the queue gives up what has
 * expired, and somebody else gets what its lease leaves too little time for.
 */
static struct ipcx_msg *first_in_hand(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	for (; p->first < p->count; p->first++) {
		struct ipcx_msg *m = &p->m[p->first];
		int64_t end = m->expires ? m->expires : INT64_MAX;

		if (p->back && p->back < end)
			end = p->back;
		if (end == INT64_MAX || now() < end)
			return m;
		p->below->release(q, m, 1, true);
	}
	return NULL;
}

/* Hands out up to @n, the first of which is there. */
static int hand_out(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	struct ipcx_prefetch *p = prefetch(q);
	unsigned int done = 0;

	do {
		m[done++] = p->m[p->first++];
	} while (done < n && first_in_hand(q));
	return done;
}

/* One that is no longer the caller's, if a copy of it was released, keeps no other back. */
static void release_all(struct ipcx_queue *q, unsigned int n)
{
	struct ipcx_prefetch *p = prefetch(q);
	unsigned int i = 0;

	while (i < n) {
		int done = p->below->release(q, &p->m[i], n - i, false);

		i += done > 0 ? done : 1;
	}
}

/* Called before all that may sleep, and when another message is given back. */
static const struct ipcx_transport *send_held(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	if (__atomic_load_n(&p->held, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&p->lock);
		release_all(q, p->held);
		__atomic_store_n(&p->held, 0, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&p->lock);
	}
	return p->below;
}

/*
 * The queue gave this thread none, @r. But another may have some in hand by now. Return: how
 * many it is given, or an errno.
 */
static int or_in_hand(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		      int r)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_msg *first;

	if (r != -EAGAIN && r != -EBUSY && r != -ETIMEDOUT)
		return r;
	pthread_mutex_lock(&p->lock);
	first = first_in_hand(q);
	if (first)
		r = first->len > len_max ? -EMSGSIZE : hand_out(q, m, n);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/*
 * Takes as many as there are, up to the array, releases what is held, and hands out up to
 * @n. The lock is held, and nothing in hand.
 */
static int refill(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		  int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	unsigned int held = p->held;
	int64_t taken = 0;
	int r;

	p->filling = true;
	__atomic_store_n(&p->held, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
	r = held ? p->below->next_n(q, p->m, held, p->n, deadline) :
		   p->below->take(q, len_max, p->m, p->n, deadline);
	if (ipcx_unlikely(held && (r == -EPERM || r == -ESTALE)))
		release_all(q, held);
	if (q->attr.lease_ms)
		taken = now(); /* before the wait for the lock */
	pthread_mutex_lock(&p->lock);
	p->filling = false;
	p->first = 0;
	p->count = r > 0 ? r : 0;
	if (q->attr.lease_ms)
		p->back = taken + q->attr.lease_ms * 500000LL;
	return r > 0 ? hand_out(q, m, n) : r;
}

static int prefetch_take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
			 int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_msg *first;
	int r;

	if (deadline < 0)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	first = first_in_hand(q);
	if (!first && (p->filling || n >= p->n)) {
		pthread_mutex_unlock(&p->lock);
		r = send_held(q)->take(q, len_max, m, n, deadline);
		return or_in_hand(q, len_max, m, n, r);
	}
	if (first) {
		r = first->len > len_max ? -EMSGSIZE : hand_out(q, m, n);
	} else {
		release_all(q, p->held);
		__atomic_store_n(&p->held, 0, __ATOMIC_RELAXED);
		r = refill(q, len_max, m, n, deadline);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* A release that waits might come too late: with leases none does, nor where a caller waits. */
static int prefetch_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	uint64_t holder = m->priv[IPCX_PRIV_HOLDER];
	struct ipcx_msg old;
	int r;

	if (deadline < 0)
		return -EINVAL;
	if (holder && (q->attr.lease_ms || m->flags & IPCX_REQUEST || holder != (uintptr_t)q)) {
		r = p->below->release(q, m, 1, false);
		if (r < 0)
			return r;
	}
	pthread_mutex_lock(&p->lock);
	if (p->filling) {
		pthread_mutex_unlock(&p->lock);
		r = p->below->next(q, m, deadline);
		return or_in_hand(q, SIZE_MAX, m, 1, r);
	}
	old = *m;
	r = first_in_hand(q) ? hand_out(q, m, 1) : 0;
	if (old.priv[IPCX_PRIV_HOLDER]) {
		p->m[p->held] = old;
		__atomic_store_n(&p->held, p->held + 1, __ATOMIC_RELAXED);
	}
	if (!r)
		r = refill(q, SIZE_MAX, m, 1, deadline);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int prefetch_peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_msg *first;

	pthread_mutex_lock(&p->lock);
	first = first_in_hand(q);
	if (first) {
		*m = *first;
		m->data = NULL;
		m->priv[IPCX_PRIV_HOLDER] = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return first ? 0 : p->below->peek(q, m);
}

static int prefetch_release(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool nack)
{
	return send_held(q)->release(q, m, n, nack);
}

static int prefetch_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
			  bool next, int64_t deadline)
{
	const struct ipcx_transport *below = send_held(q);
	struct ipcx_prefetch *p = prefetch(q);
	bool in_hand;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	in_hand = p->first < p->count;
	pthread_mutex_unlock(&p->lock);
	if (!next || deadline < 0 || !in_hand)
		return below->reply(q, request, reply, next, deadline);
	if (request->priv[IPCX_PRIV_HOLDER])
		r = below->reply(q, request, reply, false, IPCX_NOWAIT);
	if (!r)
		r = prefetch_take(q, SIZE_MAX, request, 1, deadline);
	return r < 0 ? r : 0;
}

static int prefetch_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
			 int64_t deadline)
{
	return send_held(q)->loan(q, len, m, n, deadline);
}

static int prefetch_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			       struct ipcx_msg *reply)
{
	return send_held(q)->loan_reply(q, request, len, reply);
}

static int prefetch_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
			 int64_t deadline)
{
	return send_held(q)->call(q, request, reply, deadline);
}

static int prefetch_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	return send_held(q)->answer(q, m, deadline);
}

/* What is in hand goes back with all else that the endpoint holds. */
static void prefetch_close(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	send_held(q)->close(q);
	free(p);
}

/* All is the parent's; a thread that is not here may have held the lock. */
static void prefetch_forked(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	p->below->forked(q);
	p->first = p->count;
	p->held = 0;
	p->filling = false;
	pthread_mutex_init(&p->lock, NULL);
}

/**
 * ipcx_prefetch_start() - take messages ahead from now on
 * @q: a handle that may receive, just opened
 * @n: how many at a time, 2..IPCX_BATCH
 *
 * Return: 0 or -ENOMEM.
 */
int ipcx_prefetch_start(struct ipcx_queue *q, unsigned int n)
{
	struct ipcx_prefetch *p = calloc(1, sizeof(*p));

	if (!p)
		return ipcx_fail_text(ENOMEM, "no memory for messages taken ahead");
	pthread_mutex_init(&p->lock, NULL);
	p->n = n;
	p->below = q->ops;
	p->ops = *q->ops;
	p->ops.close = prefetch_close;
	p->ops.forked = prefetch_forked;
	p->ops.loan = prefetch_loan;
	p->ops.loan_reply = prefetch_loan_reply;
	p->ops.take = prefetch_take;
	p->ops.release = prefetch_release;
	p->ops.next = prefetch_next;
	p->ops.peek = prefetch_peek;
	p->ops.call = prefetch_call;
	p->ops.answer = prefetch_answer;
	p->ops.reply = prefetch_reply;
	q->ops = &p->ops;
	return 0;
}
