// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeping until a queue has what is wanted, and waking who sleeps.
 *
 * One sleeping taker is woken for a message. One that was woken and leaves
 * without taking anything (signal, deadline) wakes the next, so that no
 * wake-up is lost with it.
 *
 * Why the wakers need no barrier before they look whether anybody sleeps: a
 * sleeper puts itself on the wait queue and then takes ipcx_queue::lock to look
 * at the slots; a waker changes the slots under that lock and then looks at
 * the wait queue. If the sleeper had the lock first, the waker sees it on the
 * wait queue; if the waker had it first, the sleeper sees the change.
 */
#include <linux/hrtimer.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

#include "ipcx.h"

/**
 * ipcx_queue_wake_recv() - a message is there
 * @q: the queue, not locked, since it was locked to put the message there
 */
void ipcx_queue_wake_recv(struct ipcx_queue *q)
{
	ipcx_queue_wake_recv_nr(q, 1);
}

/**
 * ipcx_queue_wake_recv_nr() - messages are there
 * @q: as above
 * @nr: how many, at least 1
 */
void ipcx_queue_wake_recv_nr(struct ipcx_queue *q, int nr)
{
	/* no barrier: see above */
	if (waitqueue_active(&q->recv_wait))
		__wake_up(&q->recv_wait, TASK_INTERRUPTIBLE, nr,
			  poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * ipcx_queue_wake_send() - a slot is free
 * @q: the queue, not locked, since it was locked to free the slot
 *
 * As many are woken as there are free slots. Where one of them may need more
 * than there is, all are, or the one woken could be the wrong one.
 */
void ipcx_queue_wake_send(struct ipcx_queue *q)
{
	u32 nr;

	/* no barrier: see above */
	if (!waitqueue_active(&q->send_wait))
		return;
	spin_lock(&q->lock);
	nr = q->slots.count[IPCX_SLOT_FREE];
	if (q->byte_waiters || ipcx_queue_used(q) + nr > q->arena.pages_max)
		nr = 0; /* all */
	spin_unlock(&q->lock);
	__wake_up(&q->send_wait, TASK_INTERRUPTIBLE, nr, poll_to_key(EPOLLOUT | EPOLLWRNORM));
}

/**
 * ipcx_queue_readable() - would a take succeed?
 * @q: the queue, not locked
 *
 * Return: whether it would.
 */
bool ipcx_queue_readable(struct ipcx_queue *q)
{
	bool ok;

	spin_lock(&q->lock);
	ok = q->slots.count[IPCX_SLOT_QUEUED];
	spin_unlock(&q->lock);
	return ok;
}

/**
 * ipcx_queue_writable() - would a loan succeed, as far as the queue's own limits go?
 * @q: the queue, not locked
 * @npages: pages needed
 *
 * Return: whether it would.
 */
bool ipcx_queue_writable(struct ipcx_queue *q, u32 npages)
{
	bool ok;

	spin_lock(&q->lock);
	ok = q->slots.count[IPCX_SLOT_FREE] && ipcx_queue_used(q) + npages <= q->arena.pages_max;
	spin_unlock(&q->lock);
	return ok;
}

static bool recv_ready(struct ipcx_queue *q, u32 unused)
{
	return ipcx_queue_readable(q);
}

static ktime_t deadline_to_host(s64 deadline)
{
#ifdef CONFIG_TIME_NS
	s64 offset = timespec64_to_ns(&current->nsproxy->time_ns->offsets.monotonic);

	if (offset > 0 && deadline < offset)
		return 0; /* long past */
	if (offset < 0 && deadline > KTIME_MAX + offset)
		return KTIME_MAX;
	return deadline - offset;
#else
	return deadline;
#endif
}

static int wait_for(struct ipcx_queue *q, wait_queue_head_t *wq,
		    bool (*ready)(struct ipcx_queue *q, u32 npages), u32 npages, s64 deadline)
{
	ktime_t expires = deadline_to_host(deadline);
	ktime_t *timer = deadline == IPCX_DEADLINE_FOREVER ? NULL : &expires;
	DEFINE_WAIT(wait);
	int err = 0;

	for (;;) {
		prepare_to_wait_exclusive(wq, &wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (ready(q, npages))
			break;
		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		if (!schedule_hrtimeout_range(timer, current->timer_slack_ns, HRTIMER_MODE_ABS)) {
			if (!ready(q, npages))
				err = -ETIMEDOUT;
			break;
		}
	}
	finish_wait(wq, &wait);
	return err;
}

/**
 * ipcx_queue_wait_recv() - sleep until a message is there
 * @q: the queue
 * @deadline: absolute, or IPCX_DEADLINE_*
 *
 * Return: 0, -EAGAIN, -ETIMEDOUT, -ERESTARTSYS. After 0 somebody else may still
 * be faster.
 */
int ipcx_queue_wait_recv(struct ipcx_queue *q, s64 deadline)
{
	int err;

	if (deadline == IPCX_DEADLINE_NOWAIT)
		return -EAGAIN;
	err = wait_for(q, &q->recv_wait, recv_ready, 0, deadline);
	if (err && ipcx_queue_readable(q))
		ipcx_queue_wake_recv(q);
	return err;
}

/**
 * ipcx_queue_wait_send() - sleep until a slot and pages for it are there
 * @q: the queue
 * @npages: pages needed
 * @deadline: absolute, or IPCX_DEADLINE_*
 *
 * Return: as ipcx_queue_wait_recv().
 */
int ipcx_queue_wait_send(struct ipcx_queue *q, u32 npages, s64 deadline)
{
	int err;

	if (deadline == IPCX_DEADLINE_NOWAIT)
		return -EAGAIN;
	if (npages > 1) {
		spin_lock(&q->lock);
		q->byte_waiters++;
		spin_unlock(&q->lock);
	}
	err = wait_for(q, &q->send_wait, ipcx_queue_writable, npages, deadline);
	if (npages > 1) {
		spin_lock(&q->lock);
		q->byte_waiters--;
		spin_unlock(&q->lock);
	}
	if (err && ipcx_queue_writable(q, 0))
		ipcx_queue_wake_send(q);
	return err;
}
