// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a message: loan, commit, cancel, take, release.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include <linux/nospec.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

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

static int batch_init(struct ipcx_batch *b, u64 user, u32 count, u32 size)
{
	if (!count || count > IPCX_BATCH_MAX)
		return -EINVAL;
	if (size < offsetofend(struct ipcx_desc, __reserved) || size > PAGE_SIZE)
		return -EINVAL;
	b->user = u64_to_user_ptr(user);
	b->count = count;
	b->size = size;
	return 0;
}

static int desc_read(const struct ipcx_batch *b, u32 i, struct ipcx_desc *d)
{
	int err = ipcx_copy_in(d, sizeof(*d), b->user + i * b->size, b->size);

	if (err)
		return err;
	if (d->flags)
		return -EOPNOTSUPP;
	return d->__reserved ? -EINVAL : 0;
}

static int desc_write(const struct ipcx_batch *b, u32 i, const struct ipcx_desc *d)
{
	return ipcx_copy_out(b->user + i * b->size, b->size, d, sizeof(*d));
}

static struct ipcx_slot *slot_at(struct ipcx_queue *q, u32 index)
{
	if (index >= q->arena.depth)
		return NULL;
	return &q->slots.slot[array_index_nospec(index, q->arena.depth)];
}

static u32 pages_of(u64 len)
{
	return DIV_ROUND_UP_ULL(len, PAGE_SIZE);
}

/* Under the queue's lock: BUSY, LOANED or LEASED -> FREE. */
static void slot_put(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	lockdep_assert_held(&q->lock);
	put_pid(slot->pid);
	slot->pid = NULL;
	ipcx_slot_put(&q->slots, slot);
}

/**
 * ipcx_slot_release() - a BUSY slot is free again
 * @q: the queue, not locked
 * @slot: the slot
 */
void ipcx_slot_release(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	spin_lock(&q->lock);
	slot_put(q, slot);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q);
}

/* Takes @npages from free slots of the queue. Return: whether there were any. */
static bool steal_pages(struct ipcx_queue *q, u32 npages)
{
	struct ipcx_slot *victim;
	u32 has;

	spin_lock(&q->lock);
	victim = ipcx_slots_grab_pages(&q->slots);
	spin_unlock(&q->lock);
	if (!victim)
		return false;
	has = victim->pg.npages;
	ipcx_slot_trim(&q->arena, &victim->pg, ipcx_slot_index(&q->slots, victim),
		       has > npages ? has - npages : 0);
	ipcx_slot_release(q, victim);
	return true;
}

/*
 * The slot changes hands: its last writer loses it, and whatever still holds
 * one of its pages outside loses its influence on it.
 */
static void change_writer(struct ipcx_endpoint *ep, struct ipcx_slot *slot)
{
	struct ipcx_queue *q = ep->q;
	u32 index = ipcx_slot_index(&q->slots, slot);

	down_read(&q->arena.maps_sem);
	if (slot->writer) {
		struct ipcx_endpoint *last = container_of(slot->writer, struct ipcx_endpoint,
							  party);

		ipcx_arena_revoke_tx(&q->arena, &last->map, index);
	}
	spin_lock(&q->lock);
	ipcx_slot_set_writer(slot, &ep->party);
	spin_unlock(&q->lock);
	up_read(&q->arena.maps_sem);
	slot->pg.safe = 0;
	ipcx_slot_unpin(&q->arena, &slot->pg, index);
}

/* Makes a BUSY slot ready for @ep to write @npages pages. */
static int slot_prepare(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u32 npages)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot_pages *pg = &slot->pg;
	int err;

	if (READ_ONCE(slot->writer) != &ep->party)
		change_writer(ep, slot);
	for (;;) {
		err = ipcx_slot_grow(&q->arena, pg, npages);
		if (!err || err == -EINTR)
			break;
		if (!steal_pages(q, npages - pg->npages))
			break;
	}
	if (err)
		return err;
	if (ep->rights & IPCX_OPEN_RECV)
		pg->safe = pg->npages;
	ipcx_slot_clear(pg, npages);
	return 0;
}

static int slot_try(struct ipcx_endpoint *ep, u32 npages, struct ipcx_slot **out)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	u64 used;
	int err;

	spin_lock(&q->lock);
	slot = ipcx_slots_grab(&q->slots, &ep->party, npages);
	used = atomic64_read(&q->arena.npages) - q->slots.free_pages;
	spin_unlock(&q->lock);
	if (!slot)
		return -EAGAIN;
	/* Where pages are getting short, a message sits on no more than it needs. */
	if (slot->pg.npages > npages && used > q->arena.pages_max / 2)
		ipcx_slot_trim(&q->arena, &slot->pg, ipcx_slot_index(&q->slots, slot), npages);
	/* A dying writer sets this to NULL: not us either way. */
	if (READ_ONCE(slot->writer) != &ep->party || slot->pg.safe < npages) {
		err = slot_prepare(ep, slot, npages);
		if (err) {
			ipcx_slot_release(q, slot);
			return err;
		}
	}
	*out = slot;
	return 0;
}

/**
 * ipcx_slot_get() - get a slot that an endpoint may write to
 * @ep: the endpoint
 * @len: bytes needed
 * @deadline: how long to wait for it
 * @slot: set to the slot, BUSY
 *
 * Return: 0 or a negative errno, see struct ipcx_queue_loan.
 */
int ipcx_slot_get(struct ipcx_endpoint *ep, u64 len, s64 deadline, struct ipcx_slot **slot)
{
	u32 npages;
	int err;

	if (len > ep->q->msg_max)
		return -EMSGSIZE;
	npages = pages_of(len);
	for (;;) {
		err = slot_try(ep, npages, slot);
		if (err != -EAGAIN)
			return err;
		err = ipcx_queue_wait_send(ep->q, npages, deadline);
		if (err)
			return err;
	}
}

/**
 * ipcx_queue_loan() - IPCX_IOC_QUEUE_LOAN
 * @cmd: on an endpoint
 * @arg: struct ipcx_queue_loan
 *
 * Return: slots got or a negative errno.
 */
long ipcx_queue_loan(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_endpoint *ep = cmd->file->private_data;
	struct ipcx_queue_loan *l = arg;
	s64 deadline = l->deadline;
	struct ipcx_slot *slot;
	struct ipcx_batch b;
	struct ipcx_desc d;
	int err;
	u32 i;

	err = batch_init(&b, l->descs, l->count, l->desc_size);
	if (err || deadline < 0)
		return err ?: -EINVAL;
	if (!(ep->rights & IPCX_OPEN_SEND))
		return -EPERM;
	for (i = 0; i < b.count; i++) {
		err = desc_read(&b, i, &d);
		if (!err)
			err = ipcx_slot_get(ep, d.len, deadline, &slot);
		if (err)
			break;
		d.slot = ipcx_slot_index(&ep->q->slots, slot);
		err = desc_write(&b, i, &d);
		if (err) {
			ipcx_slot_release(ep->q, slot);
			break;
		}
		spin_lock(&ep->q->lock);
		ipcx_slot_loan(&ep->q->slots, slot, &ep->party, d.len);
		spin_unlock(&ep->q->lock);
		deadline = IPCX_DEADLINE_NOWAIT;
	}
	return i ?: err;
}

/* Under the lock: stamps a message and queues it. */
static void slot_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len, u64 tag, u8 prio)
{
	slot->tag = tag;
	slot->uid = ep->uid;
	slot->gid = ep->gid;
	slot->pid = get_pid(task_tgid(current));
	ipcx_slot_commit(&ep->q->slots, slot, len, prio);
}

/**
 * ipcx_slot_send() - send a BUSY slot
 * @ep: the sender
 * @slot: from ipcx_slot_get()
 * @len: bytes of the message
 * @tag: its tag
 * @prio: its priority
 */
void ipcx_slot_send(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len, u64 tag, u8 prio)
{
	spin_lock(&ep->q->lock);
	slot_commit(ep, slot, len, tag, prio);
	spin_unlock(&ep->q->lock);
	ipcx_queue_wake_recv(ep->q);
}

/*
 * Under the lock: an empty slot for the next message, if there is one that needs
 * nothing done to it, and only while a quarter of the queue is free: senders that
 * keep one and do nothing must not use the queue up.
 */
static void loan_spare(struct ipcx_endpoint *ep, struct ipcx_desc *d, u32 npages)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = NULL;

	d->slot = IPCX_SLOT_NONE;
	if (q->slots.count[IPCX_SLOT_FREE] > q->arena.depth / 4)
		slot = ipcx_slots_fit_spare(&ep->party, npages);
	if (!slot || slot->pg.safe < npages)
		return;
	ipcx_slot_grab(&q->slots, slot);
	d->slot = ipcx_slot_index(&q->slots, slot);
	d->len = min_t(u64, (u64)slot->pg.safe << PAGE_SHIFT, q->msg_max);
	ipcx_slot_loan(&q->slots, slot, &ep->party, d->len);
}

static int commit_one(struct ipcx_endpoint *ep, struct ipcx_desc *d, bool loan)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = slot_at(q, d->slot);
	u32 npages;
	int err = 0;

	if (!slot || d->prio > IPCX_PRIO_MAX)
		return -EINVAL;
	spin_lock(&q->lock);
	if (!ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		err = -EPERM;
	else if (d->len > slot->len)
		err = -EMSGSIZE;
	if (!err) {
		npages = pages_of(slot->len);
		slot_commit(ep, slot, d->len, d->tag, d->prio);
		if (loan)
			loan_spare(ep, d, npages);
	}
	spin_unlock(&q->lock);
	if (!err)
		ipcx_queue_wake_recv(q);
	return err;
}

/* Nobody else can have learnt of the slot: its loan is undone. */
static void unloan(struct ipcx_endpoint *ep, u32 index)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = slot_at(q, index);

	if (!slot)
		return;
	spin_lock(&q->lock);
	if (ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		slot_put(q, slot);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q);
}

static int cancel_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = slot_at(q, d->slot);
	int err = 0;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	if (ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		slot_put(q, slot);
	else
		err = -EPERM;
	spin_unlock(&q->lock);
	if (!err)
		ipcx_queue_wake_send(q);
	return err;
}

/* Under the lock: is it @ep's to release? */
static int release_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	if (!ipcx_slot_held(slot, IPCX_SLOT_LEASED, &ep->party))
		return -EPERM;
	return slot->seq == seq ? 0 : -ESTALE;
}

static int release_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = slot_at(q, d->slot);
	int err;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	err = release_check(ep, slot, d->seq);
	if (!err)
		slot_put(q, slot);
	spin_unlock(&q->lock);
	if (!err)
		ipcx_queue_wake_send(q);
	return err;
}

static int nack_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = slot_at(q, d->slot);
	int err;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	err = release_check(ep, slot, d->seq);
	if (!err) {
		slot->deliveries++;
		ipcx_slot_requeue(&q->slots, slot);
	}
	spin_unlock(&q->lock);
	if (!err)
		ipcx_queue_wake_recv(q);
	return err;
}

static long for_each_desc(struct ipcx_endpoint *ep, u64 user, u32 count, u32 size,
			  int (*one)(struct ipcx_endpoint *ep, const struct ipcx_desc *d))
{
	struct ipcx_batch b;
	struct ipcx_desc d;
	u32 i;
	int err = batch_init(&b, user, count, size);

	if (err)
		return err;
	for (i = 0; i < b.count; i++) {
		err = desc_read(&b, i, &d);
		if (!err)
			err = one(ep, &d);
		if (err)
			break;
	}
	return i ?: err;
}

/**
 * ipcx_queue_commit() - IPCX_IOC_QUEUE_COMMIT
 * @cmd: on an endpoint
 * @arg: struct ipcx_queue_commit
 *
 * Return: messages sent or a negative errno.
 */
long ipcx_queue_commit(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_endpoint *ep = cmd->file->private_data;
	bool loan = cmd->flags & IPCX_COMMIT_LOAN;
	struct ipcx_queue_commit *c = arg;
	struct ipcx_batch b;
	struct ipcx_desc d;
	int err;
	u32 i;

	err = batch_init(&b, c->descs, c->count, c->desc_size);
	if (err)
		return err;
	for (i = 0; i < b.count; i++) {
		err = desc_read(&b, i, &d);
		if (!err)
			err = commit_one(ep, &d, loan);
		if (err)
			break;
		if (loan && desc_write(&b, i, &d)) {
			unloan(ep, d.slot); /* the message is sent all the same */
			return i + 1;
		}
	}
	return i ?: err;
}

/**
 * ipcx_queue_cancel() - IPCX_IOC_QUEUE_CANCEL
 * @cmd: on an endpoint
 * @arg: struct ipcx_queue_cancel
 *
 * Return: slots given back or a negative errno.
 */
long ipcx_queue_cancel(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_queue_cancel *c = arg;

	return for_each_desc(cmd->file->private_data, c->descs, c->count, c->desc_size,
			     cancel_one);
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

	return for_each_desc(cmd->file->private_data, r->descs, r->count, r->desc_size,
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

static void desc_fill(struct ipcx_desc *d, struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	*d = (struct ipcx_desc) {
		.slot = ipcx_slot_index(&q->slots, slot),
		.len = slot->len,
		.tag = slot->tag,
		.seq = slot->seq,
		.prio = slot->prio,
		.deliveries = slot->deliveries,
		.pid = visible_pid(slot->pid),
		.uid = from_kuid_munged(current_user_ns(), slot->uid),
		.gid = from_kgid_munged(current_user_ns(), slot->gid),
	};
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
		err = desc_read(b, i, &d);
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

	err = batch_init(&b, t->descs, t->count, t->desc_size);
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
		err = desc_write(&b, i, &d);
		if (err) {
			untake(ep, &d);
			break;
		}
		i++;
	}
	return i ?: err;
}
