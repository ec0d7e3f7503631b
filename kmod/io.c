// SPDX-License-Identifier: GPL-2.0-only
/*
 * read(2) and write(2): a message that is received, or sent, and done with in one call.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "batch.h"
#include "commit.h"

static s64 deadline_of(const struct file *file, int iocb_flags)
{
	if (file->f_flags & O_NONBLOCK || iocb_flags & IOCB_NOWAIT)
		return IPCX_DEADLINE_NOWAIT;
	return IPCX_DEADLINE_FOREVER;
}

static noinline bool pages_out(struct ipcx_slot *slot, char __user *buf, struct iov_iter *to)
{
	struct iov_iter iter;

	if (!to) {
		iov_iter_ubuf(&iter, READ, buf, slot->len);
		to = &iter;
	}
	return ipcx_slot_copy_to_iter(&slot->pg, slot->len, to) == slot->len;
}

/* To @buf, or to @to if that is not NULL. Return: whether all could be written. */
static __always_inline bool message_out(struct ipcx_slot *slot, char __user *buf,
					struct iov_iter *to)
{
	if (!(slot->flags & IPCX_MSG_INLINE))
		return pages_out(slot, buf, to);
	if (to)
		return copy_to_iter(slot->data, slot->len, to) == slot->len;
	return !ipcx_inline_out_exact(buf, slot->data, slot->len);
}

/* The next message of at most @len_max bytes, BUSY. */
static __always_inline int read_next(const struct file *file, int iocb_flags, u64 len_max,
				     struct ipcx_slot **slot)
{
	struct ipcx_endpoint *ep = file->private_data;
	int err;

	spin_lock(&ep->q->lock);
	err = ipcx_queue_next(ep, false, len_max, slot);
	if (unlikely(err == -EAGAIN || err == -ETIME))
		err = ipcx_queue_wait_recv(ep, false, len_max, deadline_of(file, iocb_flags), slot);
	spin_unlock(&ep->q->lock);
	return err;
}

/* Receives a message of at most @len_max bytes. Return: its bytes or a negative errno. */
static __always_inline ssize_t receive(const struct file *file, int iocb_flags, char __user *buf,
				       struct iov_iter *to, size_t len_max)
{
	struct ipcx_endpoint *ep = file->private_data;
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	u32 taken;
	u64 len;
	int err;

	if (!(ep->rights & IPCX_OPEN_RECV))
		return -EPERM;
	err = read_next(file, iocb_flags, len_max, &slot);
	if (err)
		return err;
	taken = jiffies;
	len = slot->len;
	if (!message_out(slot, buf, to))
		err = -EFAULT;
	else if (fatal_signal_pending(current)) /* nobody will ever look at it */
		err = -EINTR;
	spin_lock(&q->lock);
	if (unlikely(ep->party.gone))
		err = -ESTALE;
	if (unlikely(err)) {
		ipcx_queue_give_back(ep, slot);
	} else {
		ipcx_queue_age(q, taken - slot->sent);
		ipcx_queue_released(q, slot);
		ipcx_queue_end_message(q, slot, IPCX_MSG_CANCELED);
	}
	spin_unlock(&q->lock);
	if (unlikely(err))
		return err;
	ipcx_queue_wake_send(q);
	return len;
}

/**
 * ipcx_queue_read() - read(2) of an endpoint: receive a message, released at once
 * @file: of the endpoint
 * @buf: where its bytes go
 * @len_max: how many there may be
 * @pos: not used
 *
 * Return: bytes of the message or a negative errno: then it stays in the queue.
 */
ssize_t ipcx_queue_read(struct file *file, char __user *buf, size_t len_max, loff_t *pos)
{
	return ipcx_endpoint_result(file->private_data, receive(file, 0, buf, NULL, len_max));
}

/**
 * ipcx_queue_read_iter() - readv(2), io_uring: the same
 * @iocb: says the file, and whether to wait
 * @to: where the bytes go
 *
 * Return: as ipcx_queue_read().
 */
ssize_t ipcx_queue_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t ret = receive(iocb->ki_filp, iocb->ki_flags, NULL, to, iov_iter_count(to));

	return ipcx_endpoint_result(iocb->ki_filp->private_data, ret);
}

/* Sends what is at @buf, or in @from if that is not NULL; these two as send(). */
static noinline ssize_t send_pages(struct ipcx_endpoint *ep, const char __user *buf,
				   struct iov_iter *from, u64 len, s64 deadline)
{
	struct ipcx_slot *slot;
	struct iov_iter iter;
	int err = ipcx_slot_get(ep, len, 0, deadline, &slot);

	if (err)
		return err;
	if (!from) {
		iov_iter_ubuf(&iter, WRITE, (void __user *)buf, len);
		from = &iter;
	}
	if (ipcx_slot_copy_from_iter(&slot->pg, len, from) != len) {
		ipcx_slot_release(ep->q, slot);
		return -EFAULT;
	}
	return ipcx_slot_send(ep, slot, len) ?: len;
}

/* Lets the lock go, and waits for a slot without pages. Return: the slot, BUSY, or an ERR_PTR. */
static noinline struct ipcx_slot *wait_inline(struct ipcx_endpoint *ep, u64 len, s64 deadline)
	__releases(&ep->q->lock) __acquires(&ep->q->lock)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	int err;

	spin_unlock(&q->lock);
	err = ipcx_slot_get(ep, len, IPCX_LOAN_INLINE, deadline, &slot);
	spin_lock(&q->lock);
	if (err)
		return ERR_PTR(err);
	if (likely(!q->removed && !ep->party.gone))
		return slot;
	err = q->removed ? -EIDRM : -ESTALE;
	ipcx_slot_refuse(q, slot);
	return ERR_PTR(err);
}

/* Under the lock: one that is free now, BUSY, or NULL. */
static __always_inline struct ipcx_slot *grab_inline(struct ipcx_queue *q, struct ipcx_party *party)
{
	if (unlikely(q->removed || party->gone))
		return NULL;
	if (unlikely(!ipcx_queue_has_room(q, party->credit, 0, IPCX_LOAN_INLINE)))
		return NULL;
	return ipcx_slots_grab_empty(&q->slots, party);
}

/* A payload from @buf, or from @from if that is not NULL. Return: 0, -EFAULT. */
static __always_inline int inline_fetch(struct ipcx_inline *in, const char __user *buf,
					struct iov_iter *from, size_t len)
{
	if (!from)
		return ipcx_inline_in(in->data, buf, len);
	if (len % sizeof(u64))
		in->data[len / sizeof(u64)] = 0;
	return copy_from_iter_full(in->data, len, from) ? 0 : -EFAULT;
}

/* As send(), for a message that needs no page. */
static __always_inline ssize_t send_inline(const struct file *file, int iocb_flags,
					   const char __user *buf, struct iov_iter *from,
					   size_t len)
{
	const struct ipcx_desc d = { .len = len, .flags = IPCX_MSG_INLINE };
	struct ipcx_endpoint *ep = file->private_data;
	struct ipcx_inline in __uninitialized;
	struct task_struct *taker = NULL;
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	bool kept;

	if (inline_fetch(&in, buf, from, len))
		return -EFAULT;
	spin_lock(&q->lock);
	slot = grab_inline(q, &ep->party);
	if (unlikely(!slot)) {
		slot = wait_inline(ep, len, deadline_of(file, iocb_flags));
		if (IS_ERR(slot)) {
			spin_unlock(&q->lock);
			return PTR_ERR(slot);
		}
	}
	ipcx_inline_copy(slot->data, in.data, len);
	ipcx_slot_stamp_put(ep, q, slot, &d);
	kept = q->slots.credits.users > 1;
	if (!list_empty(&q->takers))
		taker = ipcx_queue_serve(q);
	spin_unlock(&q->lock);
	if (taker)
		ipcx_taker_wake(taker);
	ipcx_queue_wake_recv(q, 1); /* who polls, or what could not be served */
	/* a page that was kept for this user is for others now */
	if (unlikely(kept))
		ipcx_queue_wake_send(q);
	return len;
}

/* Sends what is at @buf, or in @from if that is not NULL. Return: @len or a negative errno. */
static __always_inline ssize_t send(const struct file *file, int iocb_flags, const char __user *buf,
				    struct iov_iter *from, size_t len)
{
	struct ipcx_endpoint *ep = file->private_data;

	if (!(ep->rights & IPCX_OPEN_SEND))
		return -EPERM;
	if (len > ep->q->msg_max)
		return -EMSGSIZE;
	if (len > IPCX_INLINE_MAX)
		return send_pages(ep, buf, from, len, deadline_of(file, iocb_flags));
	return send_inline(file, iocb_flags, buf, from, len);
}

/**
 * ipcx_queue_write() - write(2) to an endpoint: send a message
 * @file: of the endpoint
 * @buf: its bytes
 * @len: how many there are
 * @pos: not used
 *
 * Return: @len or a negative errno: then nothing was sent.
 */
ssize_t ipcx_queue_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	return ipcx_endpoint_result(file->private_data, send(file, 0, buf, NULL, len));
}

/**
 * ipcx_queue_write_iter() - writev(2), io_uring: the same
 * @iocb: says the file, and whether to wait
 * @from: the bytes
 *
 * Return: as ipcx_queue_write().
 */
ssize_t ipcx_queue_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t ret = send(iocb->ki_filp, iocb->ki_flags, NULL, from, iov_iter_count(from));

	return ipcx_endpoint_result(iocb->ki_filp->private_data, ret);
}
