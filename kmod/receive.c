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

static __always_inline int release_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 seq)
{
	int err;

	if (unlikely(!ipcx_slot_held(slot, IPCX_SLOT_LEASED, &ep->party) || slot->seq != seq)) {
		err = ipcx_release_check(ep, slot, seq);
		if (err)
			return err;
	}
	if (likely(!slot->reply))
		ipcx_queue_released(ep->q, slot);
	ipcx_queue_end_message(ep->q, slot, IPCX_MSG_CANCELED);
	return 0;
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
	return release_locked(ep, slot, seq);
}

/*
 * Under the lock: releases messages, up to the first that cannot be. Return: its error;
 * @done counts those that were.
 */
static int release_some(struct ipcx_endpoint *ep, struct ipcx_names *done)
{
	u32 i, n = done->n;
	int err = 0;

	for (i = 0; i < n; i++) {
		struct ipcx_slot *slot = ipcx_slot_at(ep->q, done->d[i].slot);

		err = slot ? release_locked(ep, slot, done->d[i].seq) : -EINVAL;
		if (err)
			break;
	}
	done->n = i;
	return err;
}

/* The queue is not locked any more: wakes who waits for what release_some() has freed. */
static void wake_released(struct ipcx_queue *q, const struct ipcx_names *done, int err)
{
	if (done->n || err == -ESTALE)
		ipcx_queue_wake_send(q);
	if (done->n)
		ipcx_queue_wake_leases(q);
}

static int release_now(struct ipcx_endpoint *ep, struct ipcx_names *done)
{
	int err;

	spin_lock(&ep->q->lock);
	err = release_some(ep, done);
	spin_unlock(&ep->q->lock);
	wake_released(ep->q, done, err);
	return err;
}

/*
 * Reads what names the messages of entry @at and of those that follow, as many as there is
 * room for. Return: how many; where there are others, @err is the error of the next, or 0.
 */
static __always_inline u32 names_read(const struct ipcx_batch *b, u32 at, struct ipcx_names *done,
				      int *err)
{
	u32 n = min_t(u32, b->count - at, IPCX_CHUNK_NAMES);

	return ipcx_descs_read(b, at, n, done->d, sizeof(done->d[0]), IPCX_DESC_NAME, err);
}

/* Return: messages released, or the error of the first. */
static long release_all(struct ipcx_endpoint *ep, const struct ipcx_batch *b)
{
	struct ipcx_names done __uninitialized;
	int err = 0, unread = 0;
	u32 i = 0;

	while (!err && i < b->count) {
		done.n = names_read(b, i, &done, &unread);
		err = release_now(ep, &done) ?: unread;
		i += done.n;
	}
	return i ?: err;
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
	struct ipcx_queue_release r __uninitialized;
	struct ipcx_batch b;
	int err = ipcx_args_in(&r, sizeof(r), offsetofend(struct ipcx_queue_release, desc_size),
			       IPCX_RELEASE_VALID_FLAGS, arg);

	if (err)
		return err;
	if (unlikely(r.flags & IPCX_RELEASE_NACK))
		return ipcx_batch_each(ep, r.descs, r.count, r.desc_size, nack_one);
	err = ipcx_batch_init(&b, r.descs, r.count, r.desc_size);
	return err ?: release_all(ep, &b);
}

/* Is the caller in the initial namespaces? Those map each id, and each process, to itself. */
static __always_inline bool at_home(void)
{
	return current_user_ns() == &init_user_ns && ns_of_pid(task_pid(current)) == &init_pid_ns;
}

/* Where numbers may be others than at home, or mean nobody. */
static noinline void identity_translate(struct ipcx_desc *d, const struct ipcx_slot *slot)
{
	struct user_namespace *ns = current_user_ns();

	d->pid = ipcx_pid_visible(slot->pid, false);
	d->uid = from_kuid_munged(ns, slot->uid);
	d->gid = from_kgid_munged(ns, slot->gid);
}

static __always_inline void taken_fill(struct ipcx_message *t, struct ipcx_queue *q,
				       const struct ipcx_slot *slot, bool home)
{
	struct ipcx_desc *d = &t->d;

	d->slot = ipcx_slot_index(&q->slots, slot);
	d->flags = slot->flags | slot->carries;
	d->len = slot->len;
	d->tag = slot->tag;
	d->seq = slot->seq;
	d->prio = slot->prio;
	d->deliveries = slot->deliveries;
	if (likely(home)) {
		d->pid = ipcx_pid_visible(slot->pid, true);
		d->uid = __kuid_val(slot->uid);
		d->gid = __kgid_val(slot->gid);
	} else {
		identity_translate(d, slot);
	}
	d->__reserved = 0;
	d->expires = slot->expires ? ipcx_time_from_host(slot->expires) : 0;
	if (slot->flags & IPCX_MSG_INLINE)
		ipcx_inline_copy(t->data, slot->data, slot->len);
}

/**
 * ipcx_taken_fill() - what user space is told of a message, every byte of it
 * @t: filled
 * @q: its queue, locked
 * @slot: the slot
 */
void ipcx_taken_fill(struct ipcx_message *t, struct ipcx_queue *q, const struct ipcx_slot *slot)
{
	taken_fill(t, q, slot, at_home());
}

/* As ipcx_taken_tell(), of an entry of another size. */
static noinline int tell_other(const struct ipcx_batch *b, u32 i, const struct ipcx_message *t,
			       u64 inline_data)
{
	void __user *place;

	if (t->d.flags & IPCX_MSG_INLINE) {
		place = ipcx_inline_place(inline_data, t->d.slot);
		if (!inline_data || ipcx_inline_out(place, t->data, t->d.len))
			return -EFAULT;
	}
	return ipcx_desc_write(b, i, &t->d);
}

/*
 * As ipcx_taken_tell() for @n messages, the first of which is entry @i. Return: how many
 * of them could be told.
 */
static __always_inline u32 tell_some(const struct ipcx_batch *b, u32 i,
				     const struct ipcx_message *t, u32 n, u64 inline_data)
{
	struct ipcx_desc __user *d = (void __user *)b->user + i * b->size;
	u32 told = 0, k, words;

	if (unlikely(b->size != sizeof(*d))) {
		while (told < n && !tell_other(b, i + told, &t[told], inline_data))
			told++;
		return told;
	}
	while (!user_write_access_begin(d, n * sizeof(*d)))
		if (!--n)
			return 0;
	for (; told < n; told++, t++, d++) {
		u64 __user *to = ipcx_inline_place(inline_data, t->d.slot);

		if (t->d.flags & IPCX_MSG_INLINE) {
			if (!inline_data || !access_ok(to, IPCX_INLINE_MAX))
				break;
			words = DIV_ROUND_UP((u32)t->d.len, sizeof(u64));
			for (k = 0; k < words; k++)
				unsafe_put_user(t->data[k], to + k, fault);
		}
		to = (u64 __user *)d;
#pragma GCC unroll 16
		for (k = 0; k < sizeof(*d) / sizeof(u64); k++)
			unsafe_put_user(((const u64 *)&t->d)[k], to + k, fault);
	}
fault:
	user_write_access_end();
	return told;
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
int ipcx_taken_tell(const struct ipcx_batch *b, u32 i, const struct ipcx_message *t,
		    u64 inline_data)
{
	return tell_some(b, i, t, 1, inline_data) ? 0 : -EFAULT;
}

/*
 * Takes up to @n messages that are there already. Before that, under the same hold of
 * the lock, what is in @done is released. Return: how many were taken; if not all, @err
 * says why, also -ETIME, see ipcx_queue_next().
 */
static u32 take_some(struct ipcx_endpoint *ep, struct ipcx_message *t, u32 n, u64 len_max,
		     struct ipcx_names *done, int *err)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	bool home = at_home(), release = done->n;
	int why, released = 0;
	u32 i = 0;

	spin_lock(&q->lock);
	if (release)
		released = release_some(ep, done);
	for (why = released; !why && i < n; i += !why) {
		why = ipcx_queue_next(ep, true, len_max, &slot);
		if (likely(!why))
			taken_fill(&t[i], q, slot, home);
	}
	spin_unlock(&q->lock);
	if (release)
		wake_released(q, done, released);
	done->n = 0;
	*err = why;
	return i;
}

static u32 take_now(struct ipcx_endpoint *ep, struct ipcx_message *t, u32 n, u64 len_max,
		    struct ipcx_names *done, int *err)
{
	u32 taken;

	for (;;) {
		taken = take_some(ep, t, n, len_max, done, err);
		if (likely(*err != -ETIME))
			return taken;
		if (taken) {
			*err = 0;
			return taken;
		}
		ipcx_queue_purge(ep->q);
		if (fatal_signal_pending(current)) {
			*err = -EINTR;
			return 0;
		}
	}
}

/* Takes a message, sleeping until there is one or until @deadline. */
static int take_wait(struct ipcx_endpoint *ep, struct ipcx_message *t, u64 len_max, s64 deadline)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	int err;

	ipcx_sleep_late(deadline);
	spin_lock(&q->lock);
	err = ipcx_queue_wait_recv(ep, true, len_max, deadline, &slot);
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
 * Releases what the array holds but for the last few entries, which are left in @done
 * for take_some(). Return: how many there are, those included, or the error
 * of the first that could not be released.
 */
static int release_first(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
			 struct ipcx_names *done)
{
	u32 i, k, read;
	int err, n = 0;

	if (likely(b->count == 1)) {
		err = ipcx_desc_read(b, 0, &done->d[0], IPCX_DESC_NAME);
		done->n = !err && done->d[0].slot != IPCX_SLOT_NONE;
		return err ?: done->n;
	}
	for (i = 0; i < b->count; i += read) {
		err = done->n ? release_now(ep, done) : 0;
		if (err)
			return err;
		done->n = 0;
		read = names_read(b, i, done, &err);
		for (k = 0; k < read; k++) {
			if (done->d[k].slot == IPCX_SLOT_NONE)
				continue;
			if (unlikely(done->n != k)) {
				done->d[done->n].slot = done->d[k].slot;
				done->d[done->n].seq = done->d[k].seq;
			}
			done->n++;
		}
		n += done->n;
		if (err)
			return release_now(ep, done) ?: err;
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
	struct ipcx_message taken;
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
 * Takes messages, the first of which may be waited for, until the array is full.
 * What is left in @done is released before, and then @released messages are.
 */
static int take_all(struct ipcx_endpoint *ep, const struct ipcx_queue_take *t,
		    const struct ipcx_batch *b, struct ipcx_names *done, int released)
{
	struct ipcx_message_chunk chunk __uninitialized;
	struct ipcx_message *m = chunk.m;
	u32 i = 0, n, told;
	int err;

	n = take_now(ep, m, min_t(u32, b->count, IPCX_CHUNK), t->len_max, done, &err);
	if (!n && err != -EAGAIN && err != -EBUSY && err != -EMSGSIZE && err != -EIDRM)
		return err; /* some entry could not be released */
	if (!n && err == -EAGAIN && t->deadline != IPCX_DEADLINE_NOWAIT) {
		err = released ? ipcx_forget_released(b, 0) : 0;
		if (!err)
			err = take_wait(ep, m, t->len_max, t->deadline);
		n = !err;
	}
	while (n) {
		told = tell_some(b, i, m, n, t->inline_data);
		i += told;
		if (unlikely(told < n)) {
			err = -EFAULT;
			while (told < n)
				ipcx_untake(ep, &m[told++].d);
		}
		if (err || i == b->count)
			break;
		n = take_now(ep, m, min_t(u32, b->count - i, IPCX_CHUNK), t->len_max, done, &err);
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
	struct ipcx_message taken __uninitialized;
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
	struct ipcx_names done __uninitialized;
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
	done.n = 0;
	if (t.flags & IPCX_TAKE_RELEASE) {
		released = release_first(ep, &b, &done);
		if (released < 0)
			return released;
	}
	return take_all(ep, &t, &b, &done, released);
}
