// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeping until a queue has what is wanted, and waking who sleeps.
 *
 * A sleeping taker is handed its message by whoever put it into the queue, so
 * that no wake-up can be lost with it. Until it is awake the slot is BUSY: its
 * endpoint may be shared, and nobody else must be able to name it. A sleeping
 * sender is woken to try again; one that was woken and leaves without a slot
 * (signal, deadline) wakes the next.
 *
 * Nobody sleeps TASK_FREEZABLE: a frozen task would swallow what it is handed.
 * The freezer's signal makes it leave, and it comes back when it thaws.
 *
 * Why the wakers need no barrier before they look whether anybody sleeps: a
 * sleeper puts itself on the list or wait queue and looks at the slots under
 * ipcx_queue::lock, the list before it looks or under the same hold; a waker
 * changes the slots under that lock and then looks at the list. If the sleeper
 * had the lock first, the waker sees it on the list; if the waker had it first,
 * the sleeper sees the change.
 */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "batch.h"

/**
 * struct ipcx_taker - somebody who sleeps until a message is there
 * @node: in ipcx_queue::takers, until it has @slot or @err
 * @task: who
 * @ep: through which endpoint
 * @len_max: longest message wanted
 * @slot: the message, BUSY
 * @err: -EMSGSIZE if the message was longer, -EIDRM if the queue was removed, -ESTALE if @ep was
 *	revoked
 */
struct ipcx_taker {
	struct list_head node;
	struct task_struct *task;
	const struct ipcx_endpoint *ep;
	u64 len_max;
	struct ipcx_slot *slot;
	int err;
};

/*
 * Under the lock: answers the first taker, if there is an answer.
 * Return: -EAGAIN if there is none, -ETIME if the next message is late, or 0:
 * @task is to be woken, with a reference.
 */
static int serve(struct ipcx_queue *q, struct task_struct **task)
{
	struct ipcx_taker *t = list_first_entry_or_null(&q->takers, struct ipcx_taker, node);
	int err;

	lockdep_assert_held(&q->lock);
	if (!t)
		return -EAGAIN;
	err = ipcx_queue_next_for(q, NULL, t->len_max, &t->slot);
	if (err == -EAGAIN || err == -ETIME)
		return err;
	t->err = err;
	trace_ipcx_queue_wake(q, IPCX_WAKE_RECEIVER, t->task->pid, err ? 0 : t->slot->seq);
	*task = get_task_struct(t->task);
	ipcx_list_del(&t->node);
	INIT_LIST_HEAD(&t->node);
	return 0;
}

/**
 * ipcx_queue_serve() - hand the next message to who has slept longest for one
 * @q: the queue, locked
 *
 * Return: whom the caller wakes by ipcx_taker_wake() when it has unlocked, or NULL.
 */
struct task_struct *ipcx_queue_serve(struct ipcx_queue *q)
{
	struct task_struct *task;

	return serve(q, &task) ? NULL : task;
}

/**
 * ipcx_taker_wake() - wake who was served
 * @task: from ipcx_queue_serve()
 */
void ipcx_taker_wake(struct task_struct *task)
{
	wake_up_process(task);
	put_task_struct(task);
}

/**
 * ipcx_queue_wake_takers() - ipcx_queue_wake_recv() where somebody waits
 * @q: see there
 * @nr: see there
 */
void ipcx_queue_wake_takers(struct ipcx_queue *q, int nr)
{
	struct task_struct *task;
	int err;

	do {
		spin_lock(&q->lock);
		err = serve(q, &task);
		spin_unlock(&q->lock);
		if (!err)
			ipcx_taker_wake(task);
		else if (err == -ETIME)
			ipcx_queue_purge(q);
	} while (err != -EAGAIN && !list_empty(&q->takers));
	/* a message that is gone again has been taken; who is woken may hold enough, or be gone */
	if (waitqueue_active(&q->recv_poll) && READ_ONCE(q->slots.count[IPCX_SLOT_QUEUED])) {
		trace_ipcx_queue_wake(q, IPCX_WAKE_POLLERS, 0, 0);
		if (q->leases_max || READ_ONCE(q->revoked))
			nr = 0; /* all */
		__wake_up(&q->recv_poll, TASK_INTERRUPTIBLE, nr,
			  poll_to_key(EPOLLIN | EPOLLRDNORM));
	}
}

/**
 * ipcx_queue_wake_senders() - ipcx_queue_wake_send() where somebody waits
 * @q: see there
 *
 * As many sleepers are woken as there are free slots, or messages to drop. Where
 * one of them may need more than there is, or some slot is kept, all are, or the one
 * woken could be the wrong one. As many of those who poll are woken beside them: they
 * may not send anything in the end.
 */
void ipcx_queue_wake_senders(struct ipcx_queue *q)
{
	u32 nr, free;

	spin_lock(&q->lock);
	free = q->slots.count[IPCX_SLOT_FREE];
	if (q->policy == IPCX_POLICY_DROP_OLDEST)
		free += q->slots.count[IPCX_SLOT_QUEUED];
	nr = free;
	if (q->byte_waiters || ipcx_queue_used(q) + nr > q->arena.pages_max || q->slots.owed ||
	    (q->slots.credits.users > 1 && q->slots.credits.owed))
		nr = 0; /* all */
	spin_unlock(&q->lock);
	if (!free)
		return;
	__wake_up(&q->send_wait, TASK_INTERRUPTIBLE, nr, NULL);
	if (waitqueue_active(&q->send_poll)) /* no barrier: see above */
		trace_ipcx_queue_wake(q, IPCX_WAKE_POLLERS, 0, 0);
	if (READ_ONCE(q->revoked))
		nr = 0;
	__wake_up(&q->send_poll, TASK_INTERRUPTIBLE, nr, poll_to_key(EPOLLOUT | EPOLLWRNORM));
}

/**
 * ipcx_queue_remove() - IPCX_UNLINK_NOW: nobody sends or receives any more
 * @obj: the queue
 */
void ipcx_queue_remove(struct ipcx_object *obj)
{
	struct ipcx_queue *q = container_of(obj, struct ipcx_queue, obj);
	const __poll_t gone = EPOLLHUP | EPOLLERR;

	spin_lock(&q->lock);
	WRITE_ONCE(q->removed, true);
	spin_unlock(&q->lock);
	ipcx_queue_wake_takers(q, 1);
	wake_up_all(&q->send_wait);
	ipcx_calls_remove(q);
	/* all: of those who poll exclusively, too */
	__wake_up(&q->recv_poll, TASK_NORMAL, 0, poll_to_key(EPOLLIN | EPOLLRDNORM | gone));
	__wake_up(&q->send_poll, TASK_NORMAL, 0, poll_to_key(EPOLLOUT | EPOLLWRNORM | gone));
}

/* Takers that are woken under one hold of the lock. */
#define STOP_BATCH 64

/*
 * Who sleeps through an endpoint that was revoked until a message is there stops, but perhaps not
 * all: then true is returned. Woken under the lock, for they may be gone after it.
 */
static bool takers_stop(struct ipcx_endpoint *ep)
{
	struct ipcx_taker *t, *next;
	u32 n = 0;

	spin_lock(&ep->q->lock);
	list_for_each_entry_safe(t, next, &ep->q->takers, node) {
		if (t->ep != ep)
			continue;
		t->err = -ESTALE;
		ipcx_list_del(&t->node);
		INIT_LIST_HEAD(&t->node);
		wake_up_process(t->task);
		if (++n == STOP_BATCH)
			break;
	}
	spin_unlock(&ep->q->lock);
	return n == STOP_BATCH;
}

/**
 * ipcx_waiters_stop() - an endpoint was revoked: who waits through it stops
 * @ep: the endpoint, its queue not locked
 *
 * A taker that was handed a message, or is now, gives that back.
 */
void ipcx_waiters_stop(struct ipcx_endpoint *ep)
{
	const __poll_t gone = EPOLLHUP | EPOLLERR;
	struct ipcx_queue *q = ep->q;

	while (takers_stop(ep))
		cond_resched();
	/* senders and pollers of other endpoints go on as before */
	wake_up_all(&q->send_wait);
	wake_up_all(&ep->answer_wait);
	__wake_up(&q->recv_poll, TASK_NORMAL, 0, poll_to_key(gone));
	__wake_up(&q->send_poll, TASK_NORMAL, 0, poll_to_key(gone));
}

/**
 * ipcx_queue_readable() - would a take succeed?
 * @q: the queue, not locked
 * @party: whose
 *
 * Return: whether it would.
 */
bool ipcx_queue_readable(struct ipcx_queue *q, const struct ipcx_party *party)
{
	bool ok;

	spin_lock(&q->lock);
	ok = q->slots.count[IPCX_SLOT_QUEUED] && !ipcx_queue_leases_full(q, party);
	spin_unlock(&q->lock);
	return ok;
}

/**
 * ipcx_queue_writable() - is there no reason for a loan to wait?
 * @q: the queue, not locked
 * @credit: of the user who would loan
 * @npages: pages needed
 * @kind: of loan, IPCX_LOAN_*
 *
 * Return: whether there is none.
 */
bool ipcx_queue_writable(struct ipcx_queue *q, const struct ipcx_credit *credit, u32 npages,
			 u32 kind)
{
	bool ok;

	spin_lock(&q->lock);
	ok = ipcx_queue_has_room(q, credit, npages, kind) || q->removed ||
	     (!(kind & IPCX_LOAN_REQUEST) && ipcx_queue_can_drop(q, credit, npages));
	spin_unlock(&q->lock);
	return ok;
}

/**
 * ipcx_sleep_until() - sleep, unless woken before
 * @deadline: absolute, or IPCX_DEADLINE_FOREVER
 *
 * Return: -ETIMEDOUT, -ERESTARTSYS, or 0 when woken.
 */
int ipcx_sleep_until(s64 deadline)
{
	ktime_t expires;

	if (signal_pending(current))
		return -ERESTARTSYS;
	if (deadline == IPCX_DEADLINE_FOREVER) {
		schedule();
		return 0;
	}
	expires = ipcx_time_to_host(deadline);
	if (!schedule_hrtimeout_range(&expires, current->timer_slack_ns, HRTIMER_MODE_ABS))
		return -ETIMEDOUT;
	return 0;
}

/**
 * ipcx_queue_give_back() - a thread does not keep the message that it had in its hands
 * @ep: the thread's; its queue is locked, and unlocked for a moment
 * @slot: the message, BUSY; queued again, as if it had never been taken
 *
 * If the endpoint was revoked meanwhile, and was the last receiver, a request is over: who revoked
 * it did not find that. Others in the queue were sent later and wait for the next receiver.
 */
void ipcx_queue_give_back(struct ipcx_endpoint *ep, struct ipcx_slot *slot)
	__must_hold(&ep->q->lock)
{
	struct ipcx_queue *q = ep->q;
	bool over = ep->party.gone && !q->receivers && slot->request;

	if (!over)
		ipcx_queue_requeue(q, slot);
	spin_unlock(&q->lock);
	if (over)
		ipcx_queue_retire(q, slot, &q->count.withdrawn, IPCX_MSG_OWNERDEAD);
	else
		ipcx_queue_wake_recv(q, 1);
	spin_lock(&q->lock);
}

/* Return: whether the time of the message was over when the taker woke: it is given up. */
static bool handed_late(struct ipcx_queue *q, struct ipcx_slot *slot) __must_hold(&q->lock)
{
	if (!ipcx_slot_expired(slot))
		return false;
	spin_unlock(&q->lock);
	ipcx_queue_retire(q, slot, &q->count.expired, IPCX_MSG_EXPIRED);
	spin_lock(&q->lock);
	return true;
}

static void purge(struct ipcx_queue *q) __must_hold(&q->lock)
{
	spin_unlock(&q->lock);
	ipcx_queue_purge(q);
	spin_lock(&q->lock);
}

/* Takes the next message if it is there already. Return: also -EINTR when dying. */
static int take_next(struct ipcx_endpoint *ep, bool lease, u64 len_max, struct ipcx_slot **slot)
	__must_hold(&ep->q->lock)
{
	int err = ipcx_queue_next(ep, lease, len_max, slot);

	while (err == -ETIME) {
		purge(ep->q);
		err = -EINTR;
		if (!fatal_signal_pending(current))
			err = ipcx_queue_next(ep, lease, len_max, slot);
	}
	return err;
}

/* Sleeps until @t has an answer. Return: 0 if that is a message. */
static int sleep_as_taker(struct ipcx_queue *q, struct ipcx_taker *t, s64 deadline)
	__must_hold(&q->lock)
{
	int err = 0;

	ipcx_list_add(&t->node, &q->takers);
	q->recv_waiters++;
	while (!err) {
		set_current_state(TASK_INTERRUPTIBLE);
		spin_unlock(&q->lock);
		err = ipcx_sleep_until(deadline);
		spin_lock(&q->lock);
		if (list_empty(&t->node)) {
			err = t->err;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);
	q->recv_waiters--;
	ipcx_list_del(&t->node);
	return err;
}

/* Why a message that was handed over goes back; 0: it does not. */
static int refuse_handed(const struct ipcx_endpoint *ep, bool lease)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	if (ep->party.gone)
		return -ESTALE;
	/* by another thread since */
	return lease && ipcx_queue_leases_full(ep->q, &ep->party) ? -EBUSY : 0;
}

/**
 * ipcx_queue_wait_recv() - take the next message, sleeping until it is there
 * @ep: of who takes it; its queue is locked, and unlocked while asleep
 * @lease: whether it shall be the endpoint's; else it is BUSY, in the caller's hands
 * @len_max: longest message wanted
 * @deadline: absolute, or IPCX_DEADLINE_*
 * @slot: set to the message
 *
 * Return: 0, -EAGAIN, -EBUSY, -EIDRM, -EMSGSIZE, -ESTALE, -ETIMEDOUT, -ERESTARTSYS, -EINTR
 * when dying.
 */
int ipcx_queue_wait_recv(struct ipcx_endpoint *ep, bool lease, u64 len_max, s64 deadline,
			 struct ipcx_slot **slot) __must_hold(&ep->q->lock)
{
	struct ipcx_taker t = { .task = current, .ep = ep, .len_max = len_max };
	struct ipcx_queue *q = ep->q;
	int err;

	lockdep_assert_held(&q->lock);
	do {
		err = take_next(ep, lease, len_max, slot);
		if (err != -EAGAIN || deadline == IPCX_DEADLINE_NOWAIT)
			return err;
		err = sleep_as_taker(q, &t, deadline);
		if (err)
			return err;
		err = refuse_handed(ep, lease);
		if (err) {
			ipcx_queue_give_back(ep, t.slot);
			return err;
		}
	} while (handed_late(q, t.slot));
	if (lease) {
		ipcx_slot_lease(&q->slots, t.slot, &ep->party);
		ipcx_queue_age(q, t.slot->since - t.slot->sent);
		if (q->lease_ms)
			ipcx_lease_begin(q, t.slot);
	}
	*slot = t.slot;
	trace_ipcx_queue_take(q, t.slot);
	return 0;
}

/* Who needs pages, or two slots, and not only one is waited for by all senders, see above. */
static void count_byte_waiter(struct ipcx_queue *q, u32 npages, u32 kind, int n)
{
	if (npages <= 1 && !(kind & IPCX_LOAN_REQUEST))
		return;
	spin_lock(&q->lock);
	q->byte_waiters += n;
	spin_unlock(&q->lock);
}

/**
 * struct ipcx_sender - somebody who sleeps until a slot is there
 * @wait: in ipcx_queue::send_wait
 * @q: that queue
 */
struct ipcx_sender {
	struct wait_queue_entry wait;
	const struct ipcx_queue *q;
};

/* The sleeper may be gone, and with it @wait, as soon as it is woken. */
static int sender_wake(struct wait_queue_entry *wait, unsigned int mode, int flags, void *key)
{
	const struct ipcx_queue *q = container_of(wait, struct ipcx_sender, wait)->q;
	pid_t pid = ((struct task_struct *)wait->private)->pid;
	int woken = autoremove_wake_function(wait, mode, flags, key);

	if (woken)
		trace_ipcx_queue_wake(q, IPCX_WAKE_SENDER, pid, 0);
	return woken;
}

/**
 * ipcx_queue_wait_send() - sleep until a slot and pages for it are there
 * @ep: the sender
 * @npages: pages needed
 * @kind: of loan, IPCX_LOAN_*
 * @deadline: absolute, or IPCX_DEADLINE_*
 *
 * Return: 0, -EAGAIN, -ESTALE, -ETIMEDOUT, -ERESTARTSYS. After 0 somebody else may still
 * be faster.
 */
int ipcx_queue_wait_send(struct ipcx_endpoint *ep, u32 npages, u32 kind, s64 deadline)
{
	const struct ipcx_credit *credit = ep->party.credit;
	struct ipcx_queue *q = ep->q;
	struct ipcx_sender s = {
		.wait = { .private = current, .func = sender_wake },
		.q = q,
	};
	int err = 0;

	if (deadline == IPCX_DEADLINE_NOWAIT)
		return -EAGAIN;
	INIT_LIST_HEAD(&s.wait.entry);
	atomic_inc(&q->send_waiters);
	count_byte_waiter(q, npages, kind, 1);
	for (;;) {
		/* B: has a full barrier, pairs with A in ipcx_slot_trim() */
		prepare_to_wait_exclusive(&q->send_wait, &s.wait, TASK_INTERRUPTIBLE);
		if (READ_ONCE(ep->party.gone)) {
			err = -ESTALE;
			break;
		}
		if (ipcx_queue_writable(q, credit, npages, kind)) {
			err = 0;
			break;
		}
		if (err)
			break;
		err = ipcx_sleep_until(deadline);
	}
	finish_wait(&q->send_wait, &s.wait);
	count_byte_waiter(q, npages, kind, -1);
	atomic_dec(&q->send_waiters);
	if (err && ipcx_queue_writable(q, credit, 0, IPCX_LOAN_REPLY))
		ipcx_queue_wake_send(q);
	return err;
}
