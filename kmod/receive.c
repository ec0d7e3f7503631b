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

/*
 * Under the lock: is it @ep's to release? If it was and its lease is over, that
 * is forgotten now: the slot may become free.
 */
static int release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
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

/* Under the lock: the message is done. */
static int release_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	int err = release_check(ep, slot, seq);

	if (err)
		return err;
	ep->q->count.released++;
	ipcx_queue_put_slot(ep->q, slot);
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
	err = release_locked(ep, slot, d->seq);
	spin_unlock(&q->lock);
	if (!err || err == -ESTALE)
		ipcx_queue_wake_send(q);
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
	err = release_check(ep, slot, d->seq);
	if (!err)
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

/* The sender's process as the caller sees it; 0 when it does not or when it is gone. */
static pid_t visible_pid(struct pid *pid)
{
	return pid && pid_has_task(pid, PIDTYPE_TGID) ? pid_vnr(pid) : 0;
}

/* Every byte of @d: it goes to user space. */
static void desc_fill(struct ipcx_desc *d, struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	struct user_namespace *ns = current_user_ns();

	d->slot = ipcx_slot_index(&q->slots, slot);
	d->flags = slot->flags;
	d->len = slot->len;
	d->tag = slot->tag;
	d->seq = slot->seq;
	d->prio = slot->prio;
	d->deliveries = slot->deliveries;
	d->pid = visible_pid(slot->pid);
	/* the initial namespace maps each id to itself */
	d->uid = ns == &init_user_ns ? __kuid_val(slot->uid) : from_kuid_munged(ns, slot->uid);
	d->gid = ns == &init_user_ns ? __kgid_val(slot->gid) : from_kgid_munged(ns, slot->gid);
	d->__reserved = 0;
	d->expires = slot->expires ? ipcx_time_from_host(slot->expires) : 0;
}

/*
 * Takes a message that is there already. Before that, under the same hold of
 * the lock, the message in @d is released if @done. Return: also -ETIME, see
 * ipcx_queue_next().
 */
static int take_once(struct ipcx_endpoint *ep, struct ipcx_desc *d, u64 len_max, bool done)
{
	struct ipcx_slot *slot = done ? ipcx_slot_at(ep->q, d->slot) : NULL;
	struct ipcx_queue *q = ep->q;
	int err = 0;

	if (done && !slot)
		return -EINVAL;
	spin_lock(&q->lock);
	if (done)
		err = release_locked(ep, slot, d->seq);
	done &= !err || err == -ESTALE;
	if (!err)
		err = ipcx_queue_next(q, &ep->party, len_max, &slot);
	if (!err)
		desc_fill(d, q, slot);
	spin_unlock(&q->lock);
	if (done)
		ipcx_queue_wake_send(q);
	return err;
}

static int take_now(struct ipcx_endpoint *ep, struct ipcx_desc *d, u64 len_max, bool done)
{
	int err;

	while ((err = take_once(ep, d, len_max, done)) == -ETIME) {
		ipcx_queue_purge(ep->q);
		if (fatal_signal_pending(current))
			return -EINTR;
		done = false;
	}
	return err;
}

/* As take_now(), but sleeps until there is one. */
static int take_wait(struct ipcx_endpoint *ep, struct ipcx_desc *d, u64 len_max, s64 deadline)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	int err;

	spin_lock(&q->lock);
	err = ipcx_queue_wait_recv(q, &ep->party, len_max, deadline, &slot);
	if (!err)
		desc_fill(d, q, slot);
	spin_unlock(&q->lock);
	return err;
}

/* The taker could not be told: as if it had never been taken. */
static void untake(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = &q->slots.slot[d->slot];

	spin_lock(&q->lock);
	if (!release_check(ep, slot, d->seq)) /* else another thread was faster */
		ipcx_queue_requeue(q, slot);
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

/* So that the call can be repeated: what was released must not be released again. */
static int forget_released(const struct ipcx_batch *b, u32 from)
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
	struct ipcx_slot *slot;
	struct ipcx_desc d;
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
		desc_fill(&d, q, slot);
	spin_unlock(&q->lock);
	if (err)
		return err;
	d.slot = IPCX_SLOT_NONE;
	return ipcx_desc_write(b, 0, &d) ?: 1;
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
	struct ipcx_queue_take t;
	struct ipcx_desc d = { .slot = IPCX_SLOT_NONE };
	struct ipcx_batch b;
	int err, released = 0;
	u32 i = 0;

	err = ipcx_args_in(&t, sizeof(t), offsetofend(struct ipcx_queue_take, len_max),
			   IPCX_TAKE_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, t.descs, t.count, t.desc_size);
	if (err || t.deadline < 0)
		return err ?: -EINVAL;
	if (!(ep->rights & IPCX_OPEN_RECV))
		return -EPERM;
	if (unlikely(t.flags & IPCX_TAKE_PEEK))
		return peek(ep->q, &t, &b);
	if (t.flags & IPCX_TAKE_RELEASE) {
		released = release_first(ep, &b, &d);
		if (released < 0)
			return released;
	}
	err = take_now(ep, &d, t.len_max, d.slot != IPCX_SLOT_NONE);
	if (err && err != -EAGAIN && err != -EMSGSIZE && err != -EIDRM)
		return err; /* the last entry could not be released */
	if (err == -EAGAIN && t.deadline != IPCX_DEADLINE_NOWAIT) {
		err = released ? forget_released(&b, 0) : 0;
		if (!err)
			err = take_wait(ep, &d, t.len_max, t.deadline);
	}
	while (!err) {
		err = ipcx_desc_write(&b, i, &d);
		if (err)
			untake(ep, &d);
		else if (++i < b.count)
			err = take_now(ep, &d, t.len_max, false);
		else
			break;
	}
	if (released && i < b.count && forget_released(&b, i))
		return i ?: -EFAULT;
	return i ?: err;
}
