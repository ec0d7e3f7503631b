// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that nobody took in time and leases that are over.
 *
 * A taker looks at the time of each message that has one, so none is delivered
 * late. What is here sees to it that a late message does not keep a slot for
 * longer than need be, and that an overdue one comes back: the work of a queue
 * looks at all its slots when the first of them is due. That costs a few
 * nanoseconds a slot, and it is done no oftener than every microsecond a slot.
 *
 * LOCKS: ipcx_queue::lock, for a few slots at a time.
 */
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "batch.h"
#include "event.h"

#define SCAN_BATCH 64 /* slots looked at under one hold of the lock */

/**
 * ipcx_expire_arm() - something of a queue ends
 * @q: the queue, locked
 * @when: host time
 */
void ipcx_expire_arm(struct ipcx_queue *q, s64 when)
{
	unsigned long delay;
	s64 now, first;
	bool due;

	lockdep_assert_held(&q->lock);
	if (when >= q->expire_at || q->over)
		return;
	now = ktime_get();
	first = max(now, q->scan_from);
	due = q->expire_at <= first;
	q->expire_at = when;
	/* never put off what is due: somebody may do this all the time */
	if (due)
		return;
	delay = nsecs_to_jiffies(max(when, first) - now) + 1;
	mod_delayed_work(system_unbound_wq, &q->expire, min(delay, MAX_JIFFY_OFFSET));
}

/**
 * ipcx_lease_begin() - a message of a queue with lease_ms was taken
 * @q: the queue, locked
 * @slot: LEASED
 */
void ipcx_lease_begin(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	slot->lease_ends = ktime_get() + q->lease_ms * (s64)NSEC_PER_MSEC;
	ipcx_expire_arm(q, slot->lease_ends);
}

/**
 * ipcx_queue_purge() - give up the next messages as far as they are late
 * @q: the queue
 *
 * Not more than a queue full of them: others may be sent as fast.
 */
void ipcx_queue_purge(struct ipcx_queue *q)
{
	u32 left = q->arena.depth;
	struct ipcx_slot *slot;

	do {
		spin_lock(&q->lock);
		slot = ipcx_slots_first(&q->slots);
		if (slot && ipcx_slot_expired(slot))
			ipcx_slot_take(&q->slots, slot, NULL);
		else
			slot = NULL;
		spin_unlock(&q->lock);
		if (slot)
			ipcx_queue_retire(q, slot, &q->count.expired, IPCX_MSG_EXPIRED);
		cond_resched();
	} while (slot && --left);
}

/* Under the lock: when does the state of a slot end by itself? */
static s64 slot_ends(const struct ipcx_slot *slot)
{
	s64 end = 0;

	if (slot->state == IPCX_SLOT_QUEUED)
		end = slot->expires;
	else if (slot->state == IPCX_SLOT_LEASED)
		end = slot->lease_ends;
	return end ?: KTIME_MAX;
}

/**
 * struct scan - a look at all slots
 * @q: of this queue
 * @now: what ends until then is over
 * @next: what does not ends then
 * @at: the next slot to look at
 * @late: spare memory for an overdue lease, or NULL
 */
struct scan {
	struct ipcx_queue *q;
	s64 now;
	s64 next;
	u32 at;
	struct ipcx_late *late;
};

/* Under the lock. Return: the next slot that is over, or NULL after a few or all. */
static struct ipcx_slot *scan_some(struct scan *s)
{
	u32 end = min(s->at + SCAN_BATCH, s->q->arena.depth);

	while (s->at < end) {
		struct ipcx_slot *slot = &s->q->slots.slot[s->at++];
		s64 ends = slot_ends(slot);

		if (ends <= s->now) {
			if (slot->state == IPCX_SLOT_QUEUED || s->late)
				return slot;
			ends = s->now + NSEC_PER_SEC; /* no memory: later */
		}
		s->next = min(s->next, ends);
	}
	return NULL;
}

/* For the list of those who read for too long; the creator of the queue pays. */
static struct ipcx_late *late_alloc(struct ipcx_queue *q)
{
	struct mem_cgroup *old = set_active_memcg(q->arena.memcg);
	struct ipcx_late *late = kmalloc(sizeof(*late), IPCX_GFP_SHORT | __GFP_ACCOUNT);

	set_active_memcg(old);
	return late;
}

/* Under the lock: a lease is over, and the message queued again. */
static void tell_overdue(struct ipcx_queue *q, const struct ipcx_party *holder)
{
	const struct ipcx_endpoint *ep = container_of(holder, struct ipcx_endpoint, party);
	const struct ipcx_culprit who = ipcx_culprit_opener(&ep->end);

	ipcx_alert_one(&q->obj, IPCX_EVENT_KIND_OVERDUE, IPCX_EVENT_LIMIT_LEASE_MS, &who, false);
}

/* Return: whether there was anything. */
static bool scan_step(struct scan *s)
{
	struct ipcx_queue *q = s->q;
	struct ipcx_slot *slot;
	bool late = false, poison = false;

	if (q->lease_ms && !s->late)
		s->late = late_alloc(q);
	spin_lock(&q->lock);
	slot = scan_some(s);
	if (slot && slot->state == IPCX_SLOT_QUEUED) {
		ipcx_slot_take(&q->slots, slot, NULL);
		late = true;
	} else if (slot) {
		const struct ipcx_party *holder = slot->holder;

		/* its holder may go on reading */
		if (s->late)
			s->late->npages = ipcx_slot_pages_used(slot);
		if (ipcx_slot_overdue(&q->slots, slot, s->late, q->max_deliveries))
			s->late = NULL;
		poison = ipcx_queue_returned(q, slot, IPCX_REQUEUE_LEASE);
		if (!poison)
			tell_overdue(q, holder);
	}
	spin_unlock(&q->lock);
	if (late)
		ipcx_queue_retire(q, slot, &q->count.expired, IPCX_MSG_EXPIRED);
	else if (poison)
		ipcx_queue_retire(q, slot, &q->count.poison, IPCX_MSG_POISON);
	else if (slot)
		ipcx_queue_wake_recv(q, 1);
	return slot;
}

/**
 * ipcx_queue_expire() - give up what is over
 * @q: the queue
 *
 * Return: whether there was anything.
 */
bool ipcx_queue_expire(struct ipcx_queue *q)
{
	struct scan s = { .q = q, .now = ktime_get(), .next = KTIME_MAX };
	bool any = false;

	spin_lock(&q->lock);
	if (q->expire_at > s.now || q->over) {
		spin_unlock(&q->lock);
		return false;
	}
	q->expire_at = KTIME_MAX; /* what comes from now on arms it again */
	spin_unlock(&q->lock);
	while (s.at < q->arena.depth) {
		any |= scan_step(&s);
		cond_resched();
	}
	kfree(s.late);
	spin_lock(&q->lock);
	q->scan_from = ktime_get() + q->arena.depth * (s64)NSEC_PER_USEC;
	ipcx_expire_arm(q, s.next);
	spin_unlock(&q->lock);
	return any;
}

static void expire_work(struct work_struct *work)
{
	struct ipcx_queue *q = container_of(to_delayed_work(work), struct ipcx_queue, expire);
	s64 when;

	ipcx_queue_expire(q);
	spin_lock(&q->lock);
	when = q->expire_at; /* it may have been a little early */
	q->expire_at = KTIME_MAX;
	ipcx_expire_arm(q, when);
	spin_unlock(&q->lock);
}

/**
 * ipcx_expire_init() - nothing of a new queue ends
 * @q: the queue
 */
void ipcx_expire_init(struct ipcx_queue *q)
{
	q->expire_at = KTIME_MAX;
	INIT_DELAYED_WORK(&q->expire, expire_work);
}
