// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiver's side: take, release, nack.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include <linux/pid_namespace.h>

#include "batch.h"

/* Under the lock: is it @ep's to release? */
static int release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	if (!ipcx_slot_held(slot, IPCX_SLOT_LEASED, &ep->party))
		return -EPERM;
	return slot->seq == seq ? 0 : -ESTALE;
}

static int give_back(struct ipcx_endpoint *ep, const struct ipcx_desc *d, bool again)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = ipcx_slot_at(q, d->slot);
	int err;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	err = release_check(ep, slot, d->seq);
	if (!err && again) {
		slot->deliveries++;
		ipcx_slot_requeue(&q->slots, slot);
	} else if (!err) {
		ipcx_queue_put_slot(q, slot);
	}
	spin_unlock(&q->lock);
	if (err)
		return err;
	if (again)
		ipcx_queue_wake_recv(q);
	else
		ipcx_queue_wake_send(q);
	return 0;
}

static int release_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	return give_back(ep, d, false);
}

static int nack_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	return give_back(ep, d, true);
}

/**
 * ipcx_queue_release() - IPCX_IOC_QUEUE_RELEASE
 * @cmd: on an endpoint
 * @arg: struct ipcx_queue_release
 *
 * Return: messages released or a negative errno.
 */
long ipcx_queue_release(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_queue_release *r = arg;

	return ipcx_batch_each(cmd->file->private_data, r->descs, r->count, r->desc_size,
			     r->flags & IPCX_RELEASE_NACK ? nack_one : release_one);
}

/* The sender's process as the caller sees it; 0 when it does not or when it is gone. */
static pid_t visible_pid(struct pid *pid)
{
	pid_t nr = 0;

	rcu_read_lock();
	if (pid_task(pid, PIDTYPE_TGID))
		nr = pid_vnr(pid);
	rcu_read_unlock();
	return nr;
}

/* Every byte of @d: it goes to user space. */
static void desc_fill(struct ipcx_desc *d, struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	d->slot = ipcx_slot_index(&q->slots, slot);
	d->flags = 0;
	d->len = slot->len;
	d->tag = slot->tag;
	d->seq = slot->seq;
	d->prio = slot->prio;
	d->deliveries = slot->deliveries;
	d->pid = visible_pid(slot->pid);
	d->uid = from_kuid_munged(current_user_ns(), slot->uid);
	d->gid = from_kgid_munged(current_user_ns(), slot->gid);
	d->__reserved = 0;
}

/* Return: 0, -EAGAIN when there is no message, -EMSGSIZE when the first is too long. */
static int take_one(struct ipcx_endpoint *ep, struct ipcx_desc *d, u64 len_max)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	int err = 0;

	spin_lock(&q->lock);
	slot = ipcx_slots_first(&q->slots);
	if (!slot) {
		err = -EAGAIN;
	} else if (slot->len > len_max) {
		err = -EMSGSIZE;
	} else {
		ipcx_slot_take(&q->slots, slot, &ep->party);
		desc_fill(d, q, slot);
	}
	spin_unlock(&q->lock);
	if (err == -EMSGSIZE) /* not for us, but perhaps for another sleeper */
		ipcx_queue_wake_recv(q);
	return err;
}

/* The taker could not be told: as if it had never been taken. */
static void untake(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = &q->slots.slot[d->slot];

	spin_lock(&q->lock);
	if (!release_check(ep, slot, d->seq)) /* else another thread was faster */
		ipcx_slot_requeue(&q->slots, slot);
	spin_unlock(&q->lock);
	ipcx_queue_wake_recv(q);
}

/* Return: how many were released, or the error of the first that was not. */
static int release_first(struct ipcx_endpoint *ep, const struct ipcx_batch *b)
{
	struct ipcx_desc d;
	int err, done = 0;
	u32 i;

	for (i = 0; i < b->count; i++) {
		err = ipcx_desc_read(b, i, &d);
		if (!err && d.slot != IPCX_SLOT_NONE) {
			err = release_one(ep, &d);
			done += !err;
		}
		if (err)
			return err;
	}
	return done;
}

/**
 * ipcx_queue_take() - IPCX_IOC_QUEUE_TAKE
 * @cmd: on an endpoint
 * @arg: struct ipcx_queue_take
 *
 * Return: messages taken or a negative errno.
 */
long ipcx_queue_take(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_endpoint *ep = cmd->file->private_data;
	struct ipcx_queue_take *t = arg;
	s64 deadline = t->deadline;
	struct ipcx_batch b;
	struct ipcx_desc d;
	int err, released = 0;
	u32 i = 0;

	err = ipcx_batch_init(&b, t->descs, t->count, t->desc_size);
	if (err || deadline < 0)
		return err ?: -EINVAL;
	if (!(ep->rights & IPCX_OPEN_RECV))
		return -EPERM;
	if (cmd->flags & IPCX_TAKE_RELEASE) {
		released = release_first(ep, &b);
		if (released < 0)
			return released;
	}
	while (i < b.count) {
		err = take_one(ep, &d, t->len_max);
		if (err == -EAGAIN && !i) {
			err = ipcx_queue_wait_recv(ep->q, deadline);
			if (!err)
				continue;
			/* what was released must not be released again */
			return err == -ERESTARTSYS && released ? -EINTR : err;
		}
		if (err)
			break;
		err = ipcx_desc_write(&b, i, &d);
		if (err) {
			untake(ep, &d);
			break;
		}
		i++;
	}
	return i ?: err;
}
