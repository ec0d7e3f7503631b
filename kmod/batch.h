/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays of descriptors in user memory, and the slots that they name. */
#ifndef IPCX_BATCH_H
#define IPCX_BATCH_H

#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>

#include "copy.h"
#include "ipcx.h"
#include "trace.h"

/**
 * struct ipcx_batch - an array of descriptors in user memory
 * @user: its address
 * @count: its entries
 * @size: bytes of an entry
 */
struct ipcx_batch {
	char __user *user;
	u32 count;
	u32 size;
};

/**
 * ipcx_batch_init() - look at what an ioctl says of its array
 * @b: filled
 * @user: address of the array
 * @count: its entries
 * @size: bytes of an entry
 *
 * Return: 0 or -EINVAL.
 */
static inline int ipcx_batch_init(struct ipcx_batch *b, u64 user, u32 count, u32 size)
{
	if (!count || count > IPCX_BATCH_MAX)
		return -EINVAL;
	if (size < offsetofend(struct ipcx_desc, expires) || size > PAGE_SIZE)
		return -EINVAL;
	b->user = u64_to_user_ptr(user);
	b->count = count;
	b->size = size;
	return 0;
}

/* Words of an entry that an ioctl reads; those of flags and __reserved are read by all. */
#define IPCX_DESC_WORD(member) BIT(offsetof(struct ipcx_desc, member) / sizeof(u64))
#define IPCX_DESC_CHECKED (IPCX_DESC_WORD(flags) | IPCX_DESC_WORD(__reserved))
#define IPCX_DESC_LOAN (IPCX_DESC_CHECKED | IPCX_DESC_WORD(len))
#define IPCX_DESC_NAME (IPCX_DESC_CHECKED | IPCX_DESC_WORD(slot) | IPCX_DESC_WORD(seq))
#define IPCX_DESC_COMMIT \
	(IPCX_DESC_LOAN | IPCX_DESC_WORD(slot) | IPCX_DESC_WORD(tag) | IPCX_DESC_WORD(prio) | \
	 IPCX_DESC_WORD(expires))

static_assert(sizeof(struct ipcx_desc) % sizeof(u64) == 0);

static __always_inline int ipcx_desc_check(const struct ipcx_desc *d)
{
	if (d->flags & ~IPCX_MSG_VALID_FLAGS)
		return -EOPNOTSUPP;
	return d->__reserved ? -EINVAL : 0;
}

/**
 * ipcx_desc_read() - read some members of an entry
 * @b: the array
 * @i: index of the entry
 * @d: filled, with at least these members
 * @words: IPCX_DESC_*, a constant
 *
 * Return: 0, -EFAULT, -E2BIG, -EOPNOTSUPP, -EINVAL.
 */
static __always_inline int ipcx_desc_read(const struct ipcx_batch *b, u32 i, struct ipcx_desc *d,
					  const u32 words)
{
	const u64 __user *user = (const u64 __user *)(b->user + i * b->size);
	u64 *word = (u64 *)d;
	int err;
	u32 k;

	if (unlikely(b->size != sizeof(*d))) {
		err = ipcx_copy_in_other(d, sizeof(*d), user, b->size);
		if (err)
			return err;
	} else {
		if (!user_read_access_begin(user, sizeof(*d)))
			return -EFAULT;
#pragma GCC unroll 16
		for (k = 0; k < sizeof(*d) / sizeof(*word); k++)
			if (words & BIT(k))
				unsafe_get_user(word[k], user + k, fault);
		user_read_access_end();
	}
	return ipcx_desc_check(d);
fault:
	user_read_access_end();
	return -EFAULT;
}

/**
 * ipcx_desc_write() - write an entry
 * @b: the array
 * @i: index of the entry
 * @d: what to write
 *
 * Return: 0 or -EFAULT.
 */
static __always_inline int ipcx_desc_write(const struct ipcx_batch *b, u32 i,
					   const struct ipcx_desc *d)
{
	return ipcx_copy_out(b->user + i * b->size, b->size, d, sizeof(*d));
}

/* Words of an entry that an ioctl writes: of a loan, and of a request */
#define IPCX_DESC_LENT (IPCX_DESC_WORD(slot) | IPCX_DESC_WORD(len))
#define IPCX_DESC_NUMBER IPCX_DESC_WORD(seq)

/**
 * ipcx_descs_write() - write some members of entries that follow each other, the others stay
 * @b: the array
 * @at: index of the first
 * @n: how many
 * @d: what to write, one behind the other
 * @words: IPCX_DESC_*, a constant
 *
 * Return: how many could be written.
 */
static __always_inline u32 ipcx_descs_write(const struct ipcx_batch *b, u32 at, u32 n,
					    const struct ipcx_desc *d, const u32 words)
{
	u64 __user *user = (u64 __user *)(b->user + at * b->size);
	u32 i, k;

	if (unlikely(!user_write_access_begin(user, n * b->size)))
		return 0;
	for (i = 0; i < n; i++, user = (void __user *)user + b->size)
#pragma GCC unroll 16
		for (k = 0; k < sizeof(*d) / sizeof(*user); k++)
			if (words & BIT(k))
				unsafe_put_user(((const u64 *)&d[i])[k], user + k, fault);
fault:
	user_write_access_end();
	return i;
}

/* Of one entry. Return: 0 or -EFAULT. */
static __always_inline int ipcx_desc_write_some(const struct ipcx_batch *b, u32 i,
						const struct ipcx_desc *d, const u32 words)
{
	return ipcx_descs_write(b, i, 1, d, words) ? 0 : -EFAULT;
}

/**
 * ipcx_descs_read() - read some members of entries that follow each other
 * @b: the array
 * @at: index of the first
 * @n: how many
 * @d: the first is put here
 * @step: each other so many bytes behind the one before
 * @words: IPCX_DESC_*, a constant
 * @err: set to what is wrong with the next, as ipcx_desc_read() says it, or to 0
 *
 * Return: how many were read; where not all of them can be the caller's, or are of another
 * size, it is one at most.
 */
static __always_inline u32 ipcx_descs_read(const struct ipcx_batch *b, u32 at, u32 n,
					   struct ipcx_desc *d, const u32 step, const u32 words,
					   int *err)
{
	const u64 __user *user = (const u64 __user *)(b->user + at * b->size);
	u32 i, k;

	if (unlikely(b->size != sizeof(*d) || !user_read_access_begin(user, n * sizeof(*d)))) {
		*err = ipcx_desc_read(b, at, d, words);
		return !*err;
	}
	*err = 0;
	for (i = 0; i < n; i++) {
		u64 *word = (u64 *)d;

#pragma GCC unroll 16
		for (k = 0; k < sizeof(*d) / sizeof(*word); k++)
			if (words & BIT(k))
				unsafe_get_user(word[k], user + k, fault);
		*err = ipcx_desc_check(d);
		if (unlikely(*err))
			break;
		user += sizeof(*d) / sizeof(*user);
		d = (void *)d + step;
	}
	user_read_access_end();
	return i;
fault:
	user_read_access_end();
	*err = -EFAULT;
	return i;
}

/* Entries of an array that are worked on under one hold of the lock: messages, and names alone. */
#define IPCX_CHUNK 8
#define IPCX_CHUNK_NAMES 16

/**
 * struct ipcx_message - a message on its way between its slot and user memory
 * @d: what is said of it
 * @data: its payload, if it is inline
 */
struct ipcx_message {
	struct ipcx_desc d;
	u64 data[IPCX_INLINE_MAX / 8];
};

/* On the stack, a struct for the reason that copy.h has */
struct ipcx_message_chunk {
	struct ipcx_message m[IPCX_CHUNK];
};

/**
 * struct ipcx_names - slots to loan, or messages to release
 * @n: how many
 * @d: of each what names it
 */
struct ipcx_names {
	u32 n;
	struct ipcx_desc d[IPCX_CHUNK_NAMES];
};

/* receive.c: what call.c and reply.c need of it */
int ipcx_release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq);
int ipcx_release_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq);
void ipcx_taken_fill(struct ipcx_message *t, struct ipcx_queue *q, const struct ipcx_slot *slot);
int ipcx_taken_tell(const struct ipcx_batch *b, u32 i, const struct ipcx_message *t,
		    u64 inline_data);
int ipcx_forget_released(const struct ipcx_batch *b, u32 from);
void ipcx_untake(struct ipcx_endpoint *ep, const struct ipcx_desc *d);
int ipcx_take_next(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
		   const struct ipcx_queue_reply *r);

/**
 * struct ipcx_waiter - a thread that sleeps until its request is answered
 * @task: who
 * @request: the request, while it is not answered
 * @answer: the answer, BUSY
 * @err: the answer, if it is an error
 */
struct ipcx_waiter {
	struct task_struct *task;
	struct ipcx_slot *request;
	struct ipcx_slot *answer;
	int err;
};

/* What an answer that is none is as an error; 0 for a reply. */
static inline int ipcx_answer_error(u16 flags)
{
	if (flags & IPCX_MSG_EXPIRED)
		return -ETIME;
	if (flags & IPCX_MSG_OWNERDEAD)
		return -EOWNERDEAD;
	return flags & (IPCX_MSG_CANCELED | IPCX_MSG_POISON) ? -ECANCELED : 0;
}

/* call.c: what receive.c needs of it */
void ipcx_answer_put_back(struct ipcx_endpoint *ep, struct ipcx_slot *slot);
long ipcx_answer_take(struct ipcx_endpoint *ep, const struct ipcx_queue_take *t,
		      const struct ipcx_batch *b);

long ipcx_batch_each(struct ipcx_endpoint *ep, u64 user, u32 count, u32 size,
		     int (*one)(struct ipcx_endpoint *ep, const struct ipcx_desc *d));

static inline struct ipcx_slot *ipcx_slot_at(struct ipcx_queue *q, u32 index)
{
	if (index >= q->arena.depth)
		return NULL;
	return &q->slots.slot[array_index_nospec(index, q->arena.depth)];
}

static inline u32 ipcx_pages_of(u64 len)
{
	return DIV_ROUND_UP_ULL(len, PAGE_SIZE);
}

/* Pages that the message in a slot, or on its way into it, lies in. */
static inline u32 ipcx_slot_pages_used(const struct ipcx_slot *slot)
{
	return slot->flags & IPCX_MSG_INLINE ? 0 : ipcx_pages_of(slot->len);
}

/* The place of slot @index, of those at @base, in the caller's memory. */
static inline void __user *ipcx_inline_place(u64 base, u32 index)
{
	return u64_to_user_ptr(base + (u64)index * IPCX_INLINE_MAX);
}

/* stat.c: what is not said here of ages */
void ipcx_queue_aged(struct ipcx_queue *q, u32 ticks);

/*
 * Under the queue's lock: a message that waited for @ticks was taken. That counts also if it cannot
 * be told to who took it: counts never become less.
 */
static __always_inline void ipcx_queue_age(struct ipcx_queue *q, u32 ticks)
{
	if (likely(!ticks))
		q->ages[IPCX_AGE_NOW]++;
	else
		ipcx_queue_aged(q, ticks);
}

/* Under the queue's lock: BUSY or LEASED -> QUEUED, as if it had never been taken. */
static inline void ipcx_queue_requeue(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	ipcx_slot_requeue(&q->slots, slot);
	trace_ipcx_queue_requeue(q, slot, IPCX_REQUEUE_UNTAKEN);
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
}

/*
 * Under the queue's lock: the second half of a return, the slots have done theirs.
 * Return: whether the message is BUSY, to be retired.
 */
static inline bool ipcx_queue_returned(struct ipcx_queue *q, struct ipcx_slot *slot,
				       enum ipcx_message_why why)
{
	if (slot->state == IPCX_SLOT_BUSY)
		return true;
	q->count.redelivered++;
	trace_ipcx_queue_requeue(q, slot, why);
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
	return false;
}

/*
 * Under the queue's lock: LEASED -> QUEUED, nacked; or -> BUSY and true: delivered in vain
 * once too often, the caller unlocks and retires it.
 */
static inline bool ipcx_queue_return(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	ipcx_slot_return(&q->slots, slot, q->max_deliveries);
	return ipcx_queue_returned(q, slot, IPCX_REQUEUE_NACK);
}

/* Under the queue's lock: does @party hold as many messages as it may? NULL is the kernel. */
static inline bool ipcx_queue_leases_full(const struct ipcx_queue *q,
					  const struct ipcx_party *party)
{
	return unlikely(q->leases_max) && party && party->count[IPCX_SLOT_LEASED] >= q->leases_max;
}

/* As ipcx_queue_next(), where it is not the caller who gets the message in the end. */
static __always_inline int ipcx_queue_next_for(struct ipcx_queue *q, struct ipcx_party *party,
					       u64 len_max, struct ipcx_slot **slot)
{
	struct ipcx_slot *first = ipcx_slots_first(&q->slots);

	lockdep_assert_held(&q->lock);
	if (unlikely(q->removed))
		return -EIDRM;
	if (ipcx_queue_leases_full(q, party))
		return -EBUSY;
	if (!first)
		return -EAGAIN;
	if (ipcx_slot_expired(first))
		return -ETIME;
	if (first->len > len_max)
		return -EMSGSIZE;
	ipcx_slot_take(&q->slots, first, party);
	if (unlikely(q->lease_ms) && party)
		ipcx_lease_begin(q, first);
	*slot = first;
	return 0;
}

/*
 * Under the queue's lock: the next message -> LEASED to @ep if @lease, else -> BUSY, in the hands
 * of a thread that uses it. Return: 0, -EIDRM, -EAGAIN when there is none, -EMSGSIZE when it is
 * longer than @len_max. -ESTALE: @ep is revoked. -EBUSY: it holds enough. -ETIME: the message's
 * time is over, the caller unlocks, calls ipcx_queue_purge() and tries again.
 */
static __always_inline int ipcx_queue_next(struct ipcx_endpoint *ep, bool lease, u64 len_max,
					   struct ipcx_slot **slot)
{
	int err;

	if (unlikely(ep->party.gone))
		return -ESTALE;
	err = ipcx_queue_next_for(ep->q, lease ? &ep->party : NULL, len_max, slot);
	if (unlikely(err))
		return err;
	if (lease)
		ipcx_queue_age(ep->q, (*slot)->since - (*slot)->sent);
	trace_ipcx_queue_take(ep->q, *slot);
	return 0;
}

/* Under the queue's lock: BUSY, LOANED or LEASED -> FREE. */
static inline void ipcx_queue_put_slot(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	ipcx_slot_put(&q->slots, slot);
}

/*
 * Under the queue's lock: a message is over, BUSY, LOANED or LEASED -> FREE. If it is
 * a request that nobody replied to, its caller learns it by @flag.
 */
static inline void ipcx_queue_end_message(struct ipcx_queue *q, struct ipcx_slot *slot, u16 flag)
{
	if (likely(!(slot->request | slot->carries)))
		ipcx_slot_put_plain(&q->slots, slot);
	else
		ipcx_special_end(q, slot, flag);
}

/* Under the queue's lock: a message did what it was sent for, and ends next. */
static __always_inline void ipcx_queue_released(struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	q->count.released++;
	trace_ipcx_queue_release(q, slot);
}

/*
 * In the hands of who stamps it: whose message this is. A slot keeps its reference when
 * it is free, since its next message is mostly from the same process.
 */
static inline void ipcx_slot_set_pid(struct ipcx_slot *slot, struct pid *pid)
{
	if (slot->pid == pid)
		return;
	put_pid(slot->pid);
	slot->pid = get_pid(pid);
}

/* Under the queue's lock: @slot is a message of @ep and of the calling process. */
static inline void ipcx_slot_stamp(const struct ipcx_endpoint *ep, struct ipcx_slot *slot)
{
	lockdep_assert_held(&ep->q->lock);
	slot->uid = ep->uid;
	slot->gid = ep->gid;
	ipcx_slot_set_pid(slot, task_tgid(current));
}

/**
 * ipcx_slot_lend() - a slot is on loan
 * @ep: to whom; its queue is locked
 * @slot: the slot, BUSY
 * @len: bytes of it
 * @kind: IPCX_LOAN_*
 *
 * Return: 0, or -EPERM: it is not, there is no request that it could be the reply to.
 */
static __always_inline int ipcx_slot_lend(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len,
					  u32 kind)
{
	struct ipcx_slots *s = &ep->q->slots;

	slot->flags = kind & IPCX_LOAN_INLINE ? IPCX_MSG_INLINE : 0;
	if (unlikely(kind & IPCX_LOAN_REPLY)) {
		if (ep->party.replies >= ep->party.requests)
			return -EPERM;
		ipcx_slot_loan_reply(s, slot, &ep->party, len);
	} else {
		if (unlikely(kind & IPCX_LOAN_REQUEST))
			ipcx_request_begin(s, slot);
		ipcx_slot_loan(s, slot, &ep->party, len);
	}
	trace_ipcx_queue_loan(ep, slot, kind);
	return 0;
}

#endif /* IPCX_BATCH_H */
