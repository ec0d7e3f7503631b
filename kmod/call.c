// SPDX-License-Identifier: GPL-2.0-only
/*
 * The side of those who call: send a request, wait for the answer, give up. How it is
 * answered is in reply.c.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is read
 * before and written after.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "batch.h"

/**
 * ipcx_calls_wake() - an endpoint has an answer
 * @ep: the endpoint; its queue is locked
 *
 * Who polls waits where all senders do: io_uring polls two wait queues of a file at
 * most, and the other is for messages.
 */
void ipcx_calls_wake(struct ipcx_endpoint *ep)
{
	if (waitqueue_active(&ep->answer_wait)) /* no barrier: only for who traces */
		trace_ipcx_queue_wake(ep->q, IPCX_WAKE_CALLER, 0, 0);
	wake_up(&ep->answer_wait);
	__wake_up(&ep->q->send_poll, TASK_NORMAL, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * ipcx_answer_put_back() - an answer was not taken after all
 * @ep: its caller; the queue is locked
 * @slot: the answer, LEASED
 */
void ipcx_answer_put_back(struct ipcx_endpoint *ep, struct ipcx_slot *slot)
{
	lockdep_assert_held(&ep->q->lock);
	ipcx_answer_return(&ep->q->slots, slot);
	ipcx_calls_wake(ep);
}

/* Under the lock: an answer that was handed over, BUSY, is for whoever takes it, if anybody may. */
static void answer_leave(struct ipcx_endpoint *ep, struct ipcx_slot *slot)
{
	if (unlikely(ep->party.gone)) {
		ipcx_queue_put_slot(ep->q, slot);
		return;
	}
	ipcx_slot_answer(&ep->q->slots, slot, &ep->party);
	ipcx_calls_wake(ep);
}

/**
 * ipcx_calls_answered() - is there an answer that was not taken?
 * @ep: the caller
 *
 * Return: whether there is.
 */
bool ipcx_calls_answered(struct ipcx_endpoint *ep)
{
	bool any;

	spin_lock(&ep->q->lock);
	any = !list_empty(&ep->party.answers);
	spin_unlock(&ep->q->lock);
	return any;
}

/* Slots that are looked at under one hold of the lock. */
#define LOOK_BATCH 64

/*
 * The next request that nobody has taken, from slot *@at on, unless there is a
 * receiver again. Return: the slot, BUSY, or NULL at the end.
 */
static struct ipcx_slot *orphan_next(struct ipcx_queue *q, u32 *at)
{
	struct ipcx_slot *slot = NULL;
	u32 n;

	while (!slot && *at < q->arena.depth) {
		cond_resched();
		spin_lock(&q->lock);
		if (q->receivers)
			*at = q->arena.depth;
		for (n = 0; !slot && n < LOOK_BATCH && *at < q->arena.depth; n++, ++*at) {
			struct ipcx_slot *s = &q->slots.slot[*at];

			if (s->state != IPCX_SLOT_QUEUED || !s->request)
				continue;
			ipcx_slot_take(&q->slots, s, NULL);
			slot = s;
		}
		spin_unlock(&q->lock);
	}
	return slot;
}

/**
 * ipcx_calls_orphan() - a receiver is gone; if it was the last, no request that waits
 *	will be answered
 * @q: the queue, not locked
 */
void ipcx_calls_orphan(struct ipcx_queue *q)
{
	struct ipcx_slot *slot;
	u32 at = 0;

	while ((slot = orphan_next(q, &at)) != NULL)
		ipcx_queue_retire(q, slot, &q->count.withdrawn, IPCX_MSG_OWNERDEAD);
}

/* Wakes who sleeps until an endpoint has an answer. */
static void wake_all_callers(struct ipcx_queue *q)
{
	struct ipcx_map *map;

	down_read(&q->arena.maps_sem);
	list_for_each_entry(map, &q->arena.maps, node)
		if (map->mapping)
			wake_up_all(&container_of(map, struct ipcx_endpoint, map)->answer_wait);
	up_read(&q->arena.maps_sem);
}

/**
 * ipcx_calls_remove() - the queue was removed: callers do not wait any longer
 * @q: the queue, not locked
 */
void ipcx_calls_remove(struct ipcx_queue *q)
{
	u32 at = 0;

	while (at < q->arena.depth) {
		u32 end = min(at + LOOK_BATCH, q->arena.depth);

		spin_lock(&q->lock);
		for (; at < end; at++) {
			const struct ipcx_slot *slot = &q->slots.slot[at];

			if (slot->request && slot->caller && slot->waiter)
				wake_up_process(slot->waiter->task);
		}
		spin_unlock(&q->lock);
		cond_resched();
	}
	wake_all_callers(q);
}

/* Under the lock: nobody wants the answer to a request. Return: whether its slot is free. */
static bool request_withdraw(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	struct ipcx_waiter *w = slot->waiter;

	if (unlikely(w)) { /* its endpoint was revoked */
		w->err = -ESTALE;
		wake_up_process(w->task);
	}
	ipcx_request_forget(slot);
	if (slot->state != IPCX_SLOT_QUEUED)
		return false; /* somebody has it, and may reply in vain */
	ipcx_slot_take(&q->slots, slot, NULL);
	q->count.withdrawn++;
	trace_ipcx_queue_drop(q, slot, IPCX_DROP_WITHDRAWN);
	ipcx_queue_put_slot(q, slot);
	return true;
}

/**
 * ipcx_calls_end() - an endpoint is gone, and with it what it waits for
 * @ep: the endpoint
 */
void ipcx_calls_end(struct ipcx_endpoint *ep)
{
	struct ipcx_party *party = &ep->party;
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	bool any;

	do {
		cond_resched();
		any = true;
		spin_lock(&q->lock);
		slot = list_first_entry_or_null(&party->calls, struct ipcx_slot, call);
		if (slot) {
			request_withdraw(q, slot);
		} else {
			slot = list_first_entry_or_null(&party->answers, struct ipcx_slot, call);
			any = slot;
			if (slot) {
				ipcx_answer_grab(&q->slots, slot);
				ipcx_queue_put_slot(q, slot);
			}
		}
		spin_unlock(&q->lock);
		if (any)
			ipcx_queue_wake_send(q);
	} while (any);
}

/*
 * Under the lock, which is let go of while asleep: sleeps until @w has its answer.
 * A call that is over for want of time is withdrawn; after a signal it goes on.
 */
static int waiter_sleep(struct ipcx_queue *q, struct ipcx_waiter *w, s64 deadline)
	__must_hold(&q->lock)
{
	int err = 0;

	while (!w->answer && !w->err) {
		if (q->removed)
			err = -EIDRM;
		else if (deadline == IPCX_DEADLINE_NOWAIT)
			err = -EAGAIN;
		if (err)
			break;
		set_current_state(TASK_INTERRUPTIBLE);
		spin_unlock(&q->lock);
		err = ipcx_sleep_until(deadline);
		spin_lock(&q->lock);
	}
	__set_current_state(TASK_RUNNING);
	if (w->answer || w->err)
		return w->err;
	w->request->waiter = NULL;
	return err == -ERESTARTSYS ? -EINTR : err;
}

/*
 * Under the lock: a BUSY answer is the caller's. One who may not receive must not see
 * what is written there next: without a writer the slot is taken from all windows first.
 */
static void answer_lease(struct ipcx_endpoint *ep, struct ipcx_slot *slot)
{
	ipcx_answer_lease(&ep->q->slots, slot, &ep->party);
	if (!(ep->rights & IPCX_OPEN_RECV) && ipcx_slot_pages_used(slot))
		ipcx_slot_set_writer(slot, NULL);
}

/*
 * Under the lock: an answer that is BUSY is the caller's, or the error that it is.
 * One that dies leaves it to those who share its endpoint.
 */
static int answer_accept(struct ipcx_endpoint *ep, struct ipcx_slot *slot, struct ipcx_message *t)
{
	struct ipcx_queue *q = ep->q;
	int err = ep->party.gone ? -ESTALE : ipcx_answer_error(slot->flags);

	if (fatal_signal_pending(current)) {
		answer_leave(ep, slot);
		return -EINTR;
	}
	if (err) {
		ipcx_queue_put_slot(q, slot);
		return err;
	}
	answer_lease(ep, slot);
	ipcx_taken_fill(t, q, slot);
	return 0;
}

/* Waits until @w has its answer and takes it. */
static int call_wait(struct ipcx_endpoint *ep, struct ipcx_waiter *w, s64 deadline,
		     struct ipcx_message *t)
{
	struct ipcx_queue *q = ep->q;
	bool freed = false;
	int err;

	ipcx_sleep_late(deadline);
	spin_lock(&q->lock);
	err = waiter_sleep(q, w, deadline);
	if (w->answer) {
		err = answer_accept(ep, w->answer, t);
		freed = err;
	} else if (err == -ETIMEDOUT || err == -EIDRM) {
		freed = request_withdraw(q, w->request);
	}
	spin_unlock(&q->lock);
	if (freed)
		ipcx_queue_wake_send(q);
	return err;
}

/* Under the lock: @w waits for the answer to request @seq, which was sent before. */
static int call_find(struct ipcx_endpoint *ep, u64 seq, struct ipcx_waiter *w)
{
	w->answer = ipcx_answer_find(&ep->party, seq);
	if (w->answer) {
		ipcx_answer_grab(&ep->q->slots, w->answer);
		return 0;
	}
	w->request = ipcx_request_find(&ep->party, seq);
	if (!w->request)
		return -ENOENT;
	if (w->request->waiter)
		return -EBUSY;
	w->request->waiter = w;
	return 0;
}

/* Releases the answer that an earlier call brought. */
static int call_release(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_slot *slot = ipcx_slot_at(ep->q, d->slot);
	int err = -EPERM;

	if (!slot)
		return -EINVAL;
	spin_lock(&ep->q->lock);
	if (slot->reply)
		err = ipcx_release_locked(ep, slot, d->seq);
	spin_unlock(&ep->q->lock);
	if (!err) {
		ipcx_queue_wake_send(ep->q);
		ipcx_queue_wake_leases(ep->q);
	}
	return err;
}

/* The thread does not wait after all. Return: -EFAULT, the call goes on; or its end. */
static int call_leave(struct ipcx_endpoint *ep, struct ipcx_waiter *w)
{
	spin_lock(&ep->q->lock);
	if (w->answer)
		answer_leave(ep, w->answer);
	else if (!w->err)
		w->request->waiter = NULL;
	spin_unlock(&ep->q->lock);
	ipcx_queue_wake_send(ep->q); /* if the slot is free */
	return w->err ?: -EFAULT;
}

/*
 * Sends the request and tells its number. Return: 0, or a negative errno; @w is of no
 * call then.
 */
static int call_send(struct ipcx_endpoint *ep, const struct ipcx_queue_call *c,
		     const struct ipcx_batch *request, struct ipcx_waiter *w)
{
	bool loan = c->flags & IPCX_CALL_LOAN;
	struct ipcx_message m __uninitialized;
	int err = ipcx_desc_read(request, 0, &m.d, IPCX_DESC_COMMIT);

	if (err)
		return err;
	m.d.flags |= IPCX_MSG_REQUEST;
	w->request = ipcx_slot_at(ep->q, m.d.slot);
	err = ipcx_message_fetch(ep->q, &m, c->inline_data);
	if (!err)
		err = ipcx_commit_one(ep, &m, loan, w);
	if (err)
		return err;
	if (!loan)
		m.d.slot = IPCX_SLOT_NONE;
	if (!ipcx_desc_write_some(request, 0, &m.d, IPCX_DESC_LENT | IPCX_DESC_NUMBER))
		return 0;
	if (loan)
		ipcx_cancel_one(ep, &m.d); /* if there is one */
	return call_leave(ep, w);
}

/* A call that was sent before: @w waits for its answer from now on. */
static int call_resume(struct ipcx_endpoint *ep, const struct ipcx_batch *request,
		       struct ipcx_waiter *w)
{
	struct ipcx_desc d __uninitialized;
	int err = ipcx_desc_read(request, 0, &d, IPCX_DESC_NAME);

	if (err)
		return err;
	spin_lock(&ep->q->lock);
	err = call_find(ep, d.seq, w);
	spin_unlock(&ep->q->lock);
	return err;
}

static int call_check(const struct ipcx_endpoint *ep, const struct ipcx_queue_call *c)
{
	if (c->deadline < 0 || c->__reserved)
		return -EINVAL;
	if (c->flags & IPCX_CALL_WAIT && c->flags != IPCX_CALL_WAIT)
		return -EINVAL;
	return ep->rights & IPCX_OPEN_SEND ? 0 : -EPERM;
}

/**
 * ipcx_queue_call() - IPCX_IOC_QUEUE_CALL
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_call
 *
 * Return: 0 or a negative errno.
 */
long ipcx_queue_call(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_waiter w = { .task = current };
	struct ipcx_queue_call c __uninitialized;
	struct ipcx_message taken __uninitialized;
	struct ipcx_batch request, reply;
	int err;

	err = ipcx_args_in(&c, sizeof(c), offsetofend(struct ipcx_queue_call, inline_data),
			   IPCX_CALL_VALID_FLAGS, arg);
	if (!err)
		err = call_check(ep, &c);
	if (!err)
		err = ipcx_batch_init(&request, c.request, 1, c.desc_size) ?:
			      ipcx_batch_init(&reply, c.reply, 1, c.desc_size);
	if (!err && c.flags & IPCX_CALL_RELEASE) {
		err = ipcx_desc_read(&reply, 0, &taken.d, IPCX_DESC_NAME);
		if (!err)
			err = call_release(ep, &taken.d);
		if (!err)
			err = ipcx_forget_released(&reply, 0);
	}
	if (err)
		return err;
	if (c.flags & IPCX_CALL_WAIT)
		err = call_resume(ep, &request, &w);
	else
		err = call_send(ep, &c, &request, &w);
	if (!err)
		err = call_wait(ep, &w, c.deadline, &taken);
	if (!err) {
		err = ipcx_taken_tell(&reply, 0, &taken, c.inline_data);
		if (err)
			ipcx_untake(ep, &taken.d);
	}
	return err;
}

/*
 * Under the lock: takes the first answer that nobody waits for. Return: -EAGAIN when
 * there is none, -EMSGSIZE, -EIDRM.
 */
static int answer_next(struct ipcx_endpoint *ep, u64 len_max, struct ipcx_message *t)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;

	if (ep->party.gone)
		return -ESTALE;
	slot = list_first_entry_or_null(&ep->party.answers, struct ipcx_slot, call);
	if (!slot)
		return q->removed ? -EIDRM : -EAGAIN;
	if (slot->len > len_max)
		return -EMSGSIZE;
	ipcx_answer_grab(&q->slots, slot);
	answer_lease(ep, slot);
	ipcx_taken_fill(t, q, slot);
	return 0;
}

/**
 * ipcx_answer_take() - IPCX_IOC_QUEUE_TAKE with IPCX_TAKE_ANSWER
 * @ep: the endpoint
 * @t: what the caller wants
 * @b: its array
 *
 * Return: 1 or a negative errno.
 */
long ipcx_answer_take(struct ipcx_endpoint *ep, const struct ipcx_queue_take *t,
		      const struct ipcx_batch *b)
{
	struct ipcx_message taken __uninitialized;
	DEFINE_WAIT(wait);
	int err, slept = 0;

	if (t->flags != IPCX_TAKE_ANSWER || b->count != 1)
		return -EINVAL;
	if (!(ep->rights & IPCX_OPEN_SEND))
		return -EPERM;
	for (;;) {
		prepare_to_wait(&ep->answer_wait, &wait, TASK_INTERRUPTIBLE);
		spin_lock(&ep->q->lock);
		err = answer_next(ep, t->len_max, &taken);
		spin_unlock(&ep->q->lock);
		if (err != -EAGAIN || t->deadline == IPCX_DEADLINE_NOWAIT || slept)
			break;
		slept = ipcx_sleep_until(t->deadline);
	}
	finish_wait(&ep->answer_wait, &wait);
	if (err == -EAGAIN && slept)
		return slept;
	if (!err) {
		err = ipcx_taken_tell(b, 0, &taken, t->inline_data);
		if (err)
			ipcx_untake(ep, &taken.d);
	}
	return err ?: 1;
}
