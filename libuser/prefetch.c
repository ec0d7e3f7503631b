// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Messages taken ahead: between queue.c and the transport "kernel", for a handle that was
 * opened with opts.prefetch.
 *
 * In the array, from next to end lie messages in hand: taken, and not handed out yet. From its
 * beginning to held lie those that ipcx_queue_next() was given to release, for the next refill. One
 * was handed out for each of these, and one by the refill, so held is before next. Both are as
 * the kernel has written them, and goes on from there: a message is put into words once, for
 * who gets it.
 *
 * A thread that refills does so without the lock, for it may sleep. Nothing is in hand or held
 * then; until it is back others go to the transport, and the array is its own.
 *
 * When the handle is known to be revoked, what is in hand or held is forgotten.
 *
 * LOCKS: lock protects all but the array during a refill; nobody sleeps under it.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "kernel.h"
#include "lock.h"

struct ipcx_prefetch {
	struct ipcx_transport ops; /* of the handle */
	const struct ipcx_transport *below;
	struct ipcx_lock lock;
	unsigned int n; /* messages a refill */
	unsigned int held;
	struct ipcx_desc *next, *end;
	bool filling;
	bool revoked; /* nothing is in hand or held any more */
	bool hold; /* a release may wait for the next refill, see may_hold() */
	int64_t back; /* when half of their lease is over; 0: never */
	struct ipcx_desc d[IPCX_BATCH];
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

/* Is it too late to hand out a message that was taken? */
static bool too_late(const struct ipcx_prefetch *p, const struct ipcx_desc *d)
{
	int64_t end = d->expires ? d->expires : INT64_MAX;

	if (p->back && p->back < end)
		end = p->back;
	return now() >= end;
}

/*
 * The first in hand, or NULL. What is too late goes back: the queue gives up what has
 * expired, and somebody else gets what its lease leaves too little time for.
 */
static inline struct ipcx_desc *first_in_hand(struct ipcx_queue *q, struct ipcx_prefetch *p)
{
	for (; p->next < p->end; p->next++) {
		struct ipcx_desc *d = p->next;

		if (!ipcx_unlikely(d->expires || p->back) || !too_late(p, d))
			return d;
		ipcx_kernel_nack(ipcx_kernel(q), d, 1);
	}
	return NULL;
}

/* Hands out the first in hand, @d. Return: 1 or an errno. */
static inline int hand_one(struct ipcx_queue *q, struct ipcx_prefetch *p, const struct ipcx_desc *d,
			   struct ipcx_msg *m)
{
	int r;

	p->next++;
	if (ipcx_kernel_accept_one(q, m, d))
		return 1;
	r = ipcx_map_error();
	ipcx_kernel_nack(ipcx_kernel(q), d, 1);
	return r;
}

/* Hands out up to @n, the first of which is there. Return: how many, or an errno. */
static __attribute__((noinline)) int hand_out(struct ipcx_queue *q, struct ipcx_msg *m,
					      unsigned int n)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_desc *d;
	unsigned int done = 0;

	for (d = p->next; d; d = done < n ? first_in_hand(q, p) : NULL) {
		int r = hand_one(q, p, d, &m[done]);

		if (r < 0)
			return done ? (int)done : r;
		done++;
	}
	return done;
}

/* One that is no longer the caller's, if a copy of it was released, keeps no other back. */
static void release_all(struct ipcx_queue *q, unsigned int n)
{
	struct ipcx_prefetch *p = prefetch(q);
	unsigned int i = 0;

	while (i < n) {
		int done = ipcx_kernel_release(ipcx_kernel(q), &p->d[i], n - i);

		i += done > 0 ? done : 1;
	}
}

static inline void set_held(struct ipcx_prefetch *p, unsigned int n)
{
	__atomic_store_n(&p->held, n, __ATOMIC_RELAXED); /* read without the lock */
}

/* Called before all that may sleep, and when another message is given back. */
static const struct ipcx_transport *send_held(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	if (__atomic_load_n(&p->held, __ATOMIC_RELAXED)) {
		ipcx_lock(&p->lock);
		release_all(q, p->held);
		set_held(p, 0);
		ipcx_unlock(&p->lock);
	}
	return p->below;
}

/*
 * The queue gave this thread none, @r. But another may have some in hand by now. Return: how
 * many it is given, or an errno.
 */
static __attribute__((noinline)) int or_in_hand(struct ipcx_queue *q, size_t len_max,
						struct ipcx_msg *m, unsigned int n, int r)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_desc *first;

	if (r != -EAGAIN && r != -EBUSY && r != -ETIMEDOUT)
		return r;
	ipcx_lock(&p->lock);
	first = first_in_hand(q, p);
	if (first)
		r = first->len > len_max ? -EMSGSIZE : hand_out(q, m, n);
	ipcx_unlock(&p->lock);
	return r;
}

/*
 * Takes as many as there are, up to the array, releases what is held, and hands out up to
 * @n. The lock is held, and nothing in hand.
 */
static __attribute__((noinline)) int refill(struct ipcx_queue *q, size_t len_max,
					    struct ipcx_msg *m, unsigned int n, int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	unsigned int held = p->held;
	int64_t taken = 0;
	int r;

	p->filling = true;
	set_held(p, 0);
	ipcx_unlock(&p->lock);
	r = ipcx_kernel_take_ahead(q, p->d, held, p->n, len_max, deadline);
	if (ipcx_unlikely(held && (r == -EPERM || r == -ESTALE)))
		release_all(q, held);
	if (q->attr.lease_ms)
		taken = now(); /* before the wait for the lock */
	ipcx_lock(&p->lock);
	p->filling = false;
	if (ipcx_unlikely(p->revoked)) /* after these had come */
		r = -ESTALE;
	p->next = p->d;
	p->end = p->d + (r > 0 ? r : 0);
	if (q->attr.lease_ms)
		p->back = taken + q->attr.lease_ms * 500000LL;
	return r > 0 ? hand_out(q, m, n) : r;
}

static int prefetch_take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
			 int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_desc *first;
	int r;

	if (deadline < 0)
		return -EINVAL;
	ipcx_lock(&p->lock);
	first = first_in_hand(q, p);
	if (!first && (p->filling || n >= p->n)) {
		ipcx_unlock(&p->lock);
		r = send_held(q)->take(q, len_max, m, n, deadline);
		return or_in_hand(q, len_max, m, n, r);
	}
	if (first) {
		r = first->len > len_max ? -EMSGSIZE : hand_out(q, m, n);
	} else {
		release_all(q, p->held);
		set_held(p, 0);
		r = refill(q, len_max, m, n, deadline);
	}
	ipcx_unlock(&p->lock);
	return r;
}

/*
 * May the release of a message wait for the next refill? It might come too late: with leases
 * none does, nor where a caller waits, nor where it is mapped alone, nor where regions are kept.
 */
static inline bool may_hold(struct ipcx_queue *q, const struct ipcx_msg *m)
{
	return prefetch(q)->hold && !(m->flags & (IPCX_REQUEST | IPCX_REGIONS)) &&
	       m->priv[IPCX_PRIV_HOLDER] == (uintptr_t)q;
}

/* The release of a message waits for the next refill. */
static inline void hold_release(struct ipcx_prefetch *p, uint64_t slot, uint64_t seq)
{
	p->d[p->held].slot = slot;
	p->d[p->held].seq = seq;
	set_held(p, p->held + 1);
}

/* As prefetch_next() where that needs no call, which is mostly so. Return: whether it was. */
static inline bool next_in_hand(struct ipcx_queue *q, struct ipcx_prefetch *p, struct ipcx_msg *m)
{
	const struct ipcx_desc *d;
	bool done;

	if ((m->priv[IPCX_PRIV_HOLDER] && !may_hold(q, m)) || !ipcx_trylock(&p->lock))
		return false;
	d = p->next;
	done = d < p->end && !d->expires && !p->back && d->flags & IPCX_MSG_INLINE;
	if (ipcx_unlikely(!done))
		goto unlock;
	p->next++;
	if (m->priv[IPCX_PRIV_HOLDER])
		hold_release(p, m->priv[IPCX_PRIV_SLOT], m->priv[IPCX_PRIV_SEQ]);
	ipcx_kernel_fill_taken(q, m, d,
			       ipcx_slot_data(ipcx_kernel(q), NULL, d->slot, d->len, true));
unlock:
	ipcx_unlock(&p->lock);
	return done;
}

static __attribute__((noinline)) int next_slowly(struct ipcx_queue *q, struct ipcx_msg *m,
						 int64_t deadline)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_desc *d;
	uint64_t slot, seq;
	bool hold;
	int r;

	if (m->priv[IPCX_PRIV_HOLDER] && !may_hold(q, m)) {
		r = p->below->release(q, m, 1, false);
		if (r < 0)
			return r;
	}
	ipcx_lock(&p->lock);
	if (ipcx_unlikely(p->filling)) {
		ipcx_unlock(&p->lock);
		r = p->below->next(q, m, deadline);
		return or_in_hand(q, SIZE_MAX, m, 1, r);
	}
	hold = m->priv[IPCX_PRIV_HOLDER];
	slot = m->priv[IPCX_PRIV_SLOT];
	seq = m->priv[IPCX_PRIV_SEQ];
	d = first_in_hand(q, p);
	r = d ? hand_one(q, p, d, m) : 0;
	if (hold)
		hold_release(p, slot, seq);
	if (!r)
		r = refill(q, SIZE_MAX, m, 1, deadline);
	ipcx_unlock(&p->lock);
	return r;
}

static int prefetch_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	if (deadline < 0)
		return -EINVAL;
	return next_in_hand(q, prefetch(q), m) ? 1 : next_slowly(q, m, deadline);
}

static int prefetch_peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct ipcx_prefetch *p = prefetch(q);
	const struct ipcx_desc *first;

	ipcx_lock(&p->lock);
	first = first_in_hand(q, p);
	if (first) {
		ipcx_kernel_fill_taken(q, m, first, NULL);
		m->priv[IPCX_PRIV_HOLDER] = 0;
	}
	ipcx_unlock(&p->lock);
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

	ipcx_lock(&p->lock);
	in_hand = p->next < p->end;
	ipcx_unlock(&p->lock);
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

static bool prefetch_revoked(struct ipcx_queue *q)
{
	struct ipcx_prefetch *p = prefetch(q);

	if (!p->below->revoked(q))
		return false;
	ipcx_lock(&p->lock);
	p->revoked = true;
	if (!p->filling) {
		p->end = p->next;
		set_held(p, 0);
	}
	ipcx_unlock(&p->lock);
	return true;
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
	p->next = p->end;
	p->held = 0;
	p->filling = false;
	p->lock = (struct ipcx_lock){ 0 };
}

int ipcx_kernel_prefetch(struct ipcx_queue *q, unsigned int n)
{
	struct ipcx_prefetch *p = calloc(1, sizeof(*p));

	if (!p)
		return ipcx_fail_text(ENOMEM, "no memory for messages taken ahead");
	p->n = n;
	p->lock.none = q->flags & IPCX_SINGLE_THREAD;
	p->hold = !q->attr.lease_ms && !ipcx_kernel(q)->maps;
	p->below = q->ops;
	p->ops = *q->ops;
	p->ops.close = prefetch_close;
	p->ops.forked = prefetch_forked;
	p->ops.loan = prefetch_loan;
	p->ops.loan_reply = prefetch_loan_reply;
	p->ops.send = NULL;
	p->ops.recv = NULL;
	p->ops.take = prefetch_take;
	p->ops.release = prefetch_release;
	p->ops.next = prefetch_next;
	p->ops.peek = prefetch_peek;
	p->ops.call = prefetch_call;
	p->ops.answer = prefetch_answer;
	p->ops.reply = prefetch_reply;
	p->ops.revoked = prefetch_revoked;
	q->ops = &p->ops;
	return 0;
}
