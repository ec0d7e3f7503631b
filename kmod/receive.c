// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiver's side: take, release, nack.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "batch.h"

/**
 * ipcx_release_check() - is a message an endpoint's to release?
 * @ep: the endpoint; its queue is locked
 * @slot: the slot
 * @seq: number of the message
 *
 * If it was and its lease is over, that is forgotten now: the slot may become free.
 *
 * Return: 0, -EPERM, -ESTALE.
 */
int ipcx_release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	struct ipcx_late *late;

	if (likely(ipcx_slot_held(slot, IPCX_SLOT_LEASED, &ep->party)))
		return slot->seq == seq ? 0 : -ESTALE;
	late = ipcx_slot_late(slot, &ep->party);
	if (!late)
		return -EPERM;
	if (ipcx_late_give_back(&ep->q->slots, late))
		kfree(late);
	return -ESTALE;
}

/**
 * ipcx_release_locked() - a message is done
 * @ep: who holds it; its queue is locked
 * @slot: the slot
 * @seq: number of the message
 *
 * Return: 0, -EPERM, -ESTALE.
 */
int ipcx_release_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	int err = ipcx_release_check(ep, slot, seq);

	if (err)
		return err;
	ep->q->count.released += !slot->reply;
	ipcx_queue_end_message(ep->q, slot, IPCX_MSG_CANCELED);
	return 0;
}

static int release_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = ipcx_slot_at(q, d->slot);
	int err;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	err = ipcx_release_locked(ep, slot, d->seq);
	spin_unlock(&q->lock);
	if (!err || err == -ESTALE)
		ipcx_queue_wake_send(q);
	if (!err)
		ipcx_queue_wake_leases(q);
	return err;
}

/* To be delivered again, or given up. */
static int nack_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = ipcx_slot_at(q, d->slot);
	bool poison = false;
	int err;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	err = ipcx_release_check(ep, slot, d->seq);
	if (!err && unlikely(slot->reply))
		ipcx_answer_put_back(ep, slot);
	else if (!err)
		poison = ipcx_queue_return(q, slot);
	spin_unlock(&q->lock);
	if (poison)
		ipcx_queue_retire(q, slot, &q->count.poison, IPCX_MSG_POISON);
	else if (!err)
		ipcx_queue_wake_recv(q, 1);
	else if (err == -ESTALE)
		ipcx_queue_wake_send(q);
	return err;
}

/**
 * ipcx_queue_release() - IPCX_IOC_QUEUE_RELEASE
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_release
 *
 * Return: messages released or a negative errno.
 */
long ipcx_queue_release(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_release r;
	int err = ipcx_args_in(&r, sizeof(r), offsetofend(struct ipcx_queue_release, desc_size),
			       IPCX_RELEASE_VALID_FLAGS, arg);

	if (err)
		return err;
	return ipcx_batch_each(ep, r.descs, r.count, r.desc_size,
			       r.flags & IPCX_RELEASE_NACK ? nack_one : release_one);
}

/**
 * ipcx_pid_visible() - the number of a process as the caller sees it
 * @pid: the process, or NULL
 *
 * Return: its number, 0 when it is not visible or gone.
 */
pid_t ipcx_pid_visible(struct pid *pid)
{
	return pid && pid_has_task(pid, PIDTYPE_TGID) ? pid_vnr(pid) : 0;
}

/**
 * ipcx_taken_fill() - what user space is told of a message, every byte of it
 * @t: filled
 * @q: its queue, locked
 * @slot: the slot
 */
void ipcx_taken_fill(struct ipcx_taken *t, struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	struct user_namespace *ns = current_user_ns();
	struct ipcx_desc *d = &t->d;

	d->slot = ipcx_slot_index(&q->slots, slot);
	d->flags = slot->flags;
	d->len = slot->len;
	d->tag = slot->tag;
	d->seq = slot->seq;
	d->prio = slot->prio;
	d->deliveries = slot->deliveries;
	d->pid = ipcx_pid_visible(slot->pid);
	/* the initial namespace maps each id to itself */
	d->uid = ns == &init_user_ns ? __kuid_val(slot->uid) : from_kuid_munged(ns, slot->uid);
	d->gid = ns == &init_user_ns ? __kgid_val(slot->gid) : from_kgid_munged(ns, slot->gid);
	d->__reserved = 0;
	d->expires = slot->expires ? ipcx_time_from_host(slot->expires) : 0;
	if (slot->flags & IPCX_MSG_INLINE)
		ipcx_inline_copy(t->data, slot->data, slot->len);
}

/**
 * ipcx_taken_tell() - tell user space of a message
 * @b: the array
 * @i: index of the entry
 * @t: of the message
 * @inline_data: of the ioctl
 *
 * Return: 0 or -EFAULT.
 */
int ipcx_taken_tell(const struct ipcx_batch *b, u32 i, const struct ipcx_taken *t, u64 inline_data)
{
	void __user *place;

	if (t->d.flags & IPCX_MSG_INLINE && t->d.slot != IPCX_SLOT_NONE) {
		place = ipcx_inline_place(inline_data, t->d.slot);
		if (!inline_data || ipcx_inline_out(place, t->data, t->d.len))
			return -EFAULT;
	}
	return ipcx_desc_write(b, i, &t->d);
}

/*
 * Takes a message that is there already. Before that, under the same hold of
 * the lock, the message in @t is released if @done. Return: also -ETIME, see
 * ipcx_queue_next().
 */
static int take_once(struct ipcx_endpoint *ep, struct ipcx_taken *t, u64 len_max, bool done)
{
	struct ipcx_slot *slot = done ? ipcx_slot_at(ep->q, t->d.slot) : NULL;
	struct ipcx_queue *q = ep->q;
	int err = 0;

	if (done && !slot)
		return -EINVAL;
	spin_lock(&q->lock);
	if (done)
		err = ipcx_release_locked(ep, slot, t->d.seq);
	done &= !err || err == -ESTALE;
	if (!err)
		err = ipcx_queue_next(q, &ep->party, len_max, &slot);
	if (!err)
		ipcx_taken_fill(t, q, slot);
	spin_unlock(&q->lock);
	if (done) {
		ipcx_queue_wake_send(q);
		ipcx_queue_wake_leases(q);
	}
	return err;
}

static int take_now(struct ipcx_endpoint *ep, struct ipcx_taken *t, u64 len_max, bool done)
{
	int err;

	while ((err = take_once(ep, t, len_max, done)) == -ETIME) {
		ipcx_queue_purge(ep->q);
		if (fatal_signal_pending(current))
			return -EINTR;
		done = false;
	}
	return err;
}

/* Takes a message, sleeping until there is one or until @deadline. */
static int take_wait(struct ipcx_endpoint *ep, struct ipcx_taken *t, u64 len_max, s64 deadline)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	int err;

	ipcx_sleep_late(deadline);
	spin_lock(&q->lock);
	err = ipcx_queue_wait_recv(q, &ep->party, len_max, deadline, &slot);
	if (!err)
		ipcx_taken_fill(t, q, slot);
	spin_unlock(&q->lock);
	return err;
}

/**
 * ipcx_untake() - the taker could not be told: as if it had never been taken
 * @ep: the taker
 * @d: says the message
 */
void ipcx_untake(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = &q->slots.slot[d->slot];

	spin_lock(&q->lock);
	if (!ipcx_release_check(ep, slot, d->seq)) { /* else another thread was faster */
		if (unlikely(slot->reply))
			ipcx_answer_put_back(ep, slot);
		else
			ipcx_queue_requeue(q, slot);
	}
	spin_unlock(&q->lock);
	ipcx_queue_wake_recv(q, 1);
	ipcx_queue_wake_send(q); /* if it was overdue, and the last that read the slot */
}

/*
 * Releases what the array holds but for the last entry, which is left in @d
 * for take_now(). Return: how many there are, the last included, or the error
 * of the first that could not be released.
 */
static int release_first(struct ipcx_endpoint *ep, const struct ipcx_batch *b, struct ipcx_desc *d)
{
	int err, n = 0;
	u32 i;

	for (i = 0; i < b->count; i++) {
		err = ipcx_desc_read(b, i, d);
		if (err)
			return err;
		if (d->slot == IPCX_SLOT_NONE)
			continue;
		n++;
		if (i == b->count - 1)
			break;
		err = release_one(ep, d);
		if (err)
			return err;
	}
	return n;
}

/**
 * ipcx_forget_released() - what was released must not be released again
 * @b: the array
 * @from: index of the first entry that gets IPCX_SLOT_NONE
 *
 * So the call can be repeated.
 *
 * Return: 0 or -EFAULT.
 */
int ipcx_forget_released(const struct ipcx_batch *b, u32 from)
{
	u32 i;

	for (i = from; i < b->count; i++)
		if (put_user(IPCX_SLOT_NONE, (u32 __user *)(b->user + i * b->size)))
			return -EFAULT;
	return 0;
}

/* Describes the next message and leaves it where it is. */
static long peek(struct ipcx_queue *q, const struct ipcx_queue_take *t, const struct ipcx_batch *b)
{
	struct ipcx_taken taken;
	struct ipcx_slot *slot;
	int err = 0;

	if (t->flags != IPCX_TAKE_PEEK || b->count != 1 || t->deadline != IPCX_DEADLINE_NOWAIT)
		return -EINVAL;
	ipcx_queue_purge(q);
	spin_lock(&q->lock);
	slot = ipcx_slots_first(&q->slots);
	if (q->removed)
		err = -EIDRM;
	else if (!slot)
		err = -EAGAIN;
	else if (slot->len > t->len_max)
		err = -EMSGSIZE;
	else
		ipcx_taken_fill(&taken, q, slot);
	spin_unlock(&q->lock);
	if (err)
		return err;
	taken.d.slot = IPCX_SLOT_NONE;
	return ipcx_desc_write(b, 0, &taken.d) ?: 1;
}

/*
 * Takes messages, the first of which may be waited for, until the array is full;
 * @taken says what is to be released first, @released how many are or will be.
 */
static int take_all(struct ipcx_endpoint *ep, const struct ipcx_queue_take *t,
		    const struct ipcx_batch *b, struct ipcx_taken *taken, int released)
{
	u32 i = 0;
	int err;

	err = take_now(ep, taken, t->len_max, taken->d.slot != IPCX_SLOT_NONE);
	if (err && err != -EAGAIN && err != -EBUSY && err != -EMSGSIZE && err != -EIDRM)
		return err; /* the last entry could not be released */
	if (err == -EAGAIN && t->deadline != IPCX_DEADLINE_NOWAIT) {
		err = released ? ipcx_forget_released(b, 0) : 0;
		if (!err)
			err = take_wait(ep, taken, t->len_max, t->deadline);
	}
	while (!err) {
		err = ipcx_taken_tell(b, i, taken, t->inline_data);
		if (err)
			ipcx_untake(ep, &taken->d);
		else if (++i < b->count)
			err = take_now(ep, taken, t->len_max, false);
		else
			break;
	}
	if (released && i < b->count && ipcx_forget_released(b, i))
		return i ?: -EFAULT;
	return i ?: err;
}

/**
 * ipcx_take_next() - take a message into an array of one, what was in it is released
 * @ep: the endpoint
 * @b: the array
 * @r: deadline, len_max, inline_data
 *
 * Return: 0 or a negative errno; then the array names no slot, if it can be written.
 */
int ipcx_take_next(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
		   const struct ipcx_queue_reply *r)
{
	struct ipcx_taken taken __uninitialized;
	int err = ipcx_forget_released(b, 0);

	if (!err)
		err = take_wait(ep, &taken, r->len_max, r->deadline);
	if (err)
		return err;
	err = ipcx_taken_tell(b, 0, &taken, r->inline_data);
	if (err) {
		ipcx_untake(ep, &taken.d);
		ipcx_forget_released(b, 0); /* the half of it that could be written */
	}
	return err;
}

/**
 * ipcx_queue_take() - IPCX_IOC_QUEUE_TAKE
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_take
 *
 * Return: messages taken or a negative errno.
 */
long ipcx_queue_take(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_take t __uninitialized;
	struct ipcx_taken taken __uninitialized;
	struct ipcx_batch b;
	int err, released = 0;

	err = ipcx_args_in(&t, sizeof(t), offsetofend(struct ipcx_queue_take, len_max),
			   IPCX_TAKE_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, t.descs, t.count, t.desc_size);
	if (err || t.deadline < 0)
		return err ?: -EINVAL;
	if (unlikely(t.flags & IPCX_TAKE_ANSWER))
		return ipcx_answer_take(ep, &t, &b);
	if (!(ep->rights & IPCX_OPEN_RECV))
		return -EPERM;
	if (unlikely(t.flags & IPCX_TAKE_PEEK))
		return peek(ep->q, &t, &b);
	taken.d.slot = IPCX_SLOT_NONE;
	if (t.flags & IPCX_TAKE_RELEASE) {
		released = release_first(ep, &b, &taken.d);
		if (released < 0)
			return released;
	}
	return take_all(ep, &t, &b, &taken, released);
}
