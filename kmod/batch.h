/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays of descriptors in user memory, and the slots that they name. */
#ifndef IPCX_BATCH_H
#define IPCX_BATCH_H

#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>

#include "copy.h"
#include "ipcx.h"

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

/**
 * ipcx_desc_read() - read an entry
 * @b: the array
 * @i: index of the entry
 * @d: filled
 *
 * Return: 0, -EFAULT, -E2BIG, -EOPNOTSUPP, -EINVAL.
 */
static __always_inline int ipcx_desc_read(const struct ipcx_batch *b, u32 i, struct ipcx_desc *d)
{
	int err = ipcx_copy_in(d, sizeof(*d), b->user + i * b->size, b->size);

	if (err)
		return err;
	if (d->flags & ~IPCX_MSG_VALID_FLAGS)
		return -EOPNOTSUPP;
	return d->__reserved ? -EINVAL : 0;
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

/**
 * struct ipcx_taken - a message on its way to its taker
 * @d: what is said of it
 * @data: its payload, if it is inline
 */
struct ipcx_taken {
	struct ipcx_desc d;
	u64 data[IPCX_INLINE_MAX / 8];
};

/* receive.c: what call.c and reply.c need of it */
int ipcx_release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq);
int ipcx_release_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq);
void ipcx_taken_fill(struct ipcx_taken *t, struct ipcx_queue *q, const struct ipcx_slot *slot);
int ipcx_taken_tell(const struct ipcx_batch *b, u32 i, const struct ipcx_taken *t, u64 inline_data);
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

/**
 * ipcx_desc_write_slot() - write slot and len of an entry, the others stay
 * @b: the array
 * @i: index of the entry
 * @d: what to write
 *
 * Return: 0 or -EFAULT.
 */
static __always_inline int ipcx_desc_write_slot(const struct ipcx_batch *b, u32 i,
						const struct ipcx_desc *d)
{
	const u32 size = offsetofend(struct ipcx_desc, len);

	return ipcx_copy_out(b->user + i * b->size, size, d, size);
}

/**
 * ipcx_desc_write_seq() - write seq of an entry, the others stay
 * @b: the array
 * @i: index of the entry
 * @d: what to write
 *
 * Return: 0 or -EFAULT.
 */
static inline int ipcx_desc_write_seq(const struct ipcx_batch *b, u32 i, const struct ipcx_desc *d)
{
	char __user *seq = b->user + i * b->size + offsetof(struct ipcx_desc, seq);

	return ipcx_copy_out(seq, sizeof(d->seq), &d->seq, sizeof(d->seq));
}

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

/* Under the queue's lock: BUSY or LEASED -> QUEUED. */
static inline void ipcx_queue_requeue(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	ipcx_slot_requeue(&q->slots, slot);
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
}

/*
 * Under the queue's lock: the second half of a return, the slots have done theirs.
 * Return: whether the message is BUSY, to be retired.
 */
static inline bool ipcx_queue_returned(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	if (slot->state == IPCX_SLOT_BUSY)
		return true;
	q->count.redelivered++;
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
	return false;
}

/*
 * Under the queue's lock: LEASED -> QUEUED, delivered in vain; or -> BUSY and true:
 * once too often, the caller unlocks and retires it.
 */
static inline bool ipcx_queue_return(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	ipcx_slot_return(&q->slots, slot, q->max_deliveries);
	return ipcx_queue_returned(q, slot);
}

/* Under the queue's lock: does @party hold as many messages as it may? NULL is the kernel. */
static inline bool ipcx_queue_leases_full(const struct ipcx_queue *q,
					  const struct ipcx_party *party)
{
	return unlikely(q->leases_max) && party && party->count[IPCX_SLOT_LEASED] >= q->leases_max;
}

/*
 * Under the queue's lock: the next message, as by ipcx_slots_next(). -ETIME: its
 * time is over, the caller unlocks, calls ipcx_queue_purge() and tries again.
 * -EBUSY: @party holds enough.
 */
static inline int ipcx_queue_next(struct ipcx_queue *q, struct ipcx_party *party, u64 len_max,
				  struct ipcx_slot **slot)
{
	struct ipcx_slot *first = ipcx_slots_first(&q->slots);
	int err;

	lockdep_assert_held(&q->lock);
	if (unlikely(q->removed))
		return -EIDRM;
	if (ipcx_queue_leases_full(q, party))
		return -EBUSY;
	if (first && ipcx_slot_expired(first))
		return -ETIME;
	err = ipcx_slots_next(&q->slots, party, len_max, slot);
	if (unlikely(q->lease_ms) && !err && party)
		ipcx_lease_begin(q, *slot);
	return err;
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
	if (unlikely(slot->request) && ipcx_request_fail(q, slot, flag))
		return;
	ipcx_queue_put_slot(q, slot);
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

#endif /* IPCX_BATCH_H */
