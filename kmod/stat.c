// SPDX-License-Identifier: GPL-2.0-only
/* What is in a queue and what became of its messages, in numbers. */
#include <linux/jiffies.h>
#include <linux/log2.h>

#include "batch.h"
#include "stat.h"

/* Under the lock: how long the message waits that was sent first, 0 if there is none. */
static u64 oldest_ms(const struct ipcx_slots *s)
{
	u32 prios, now = jiffies, ticks = 0;

	for (prios = s->prios; prios; prios &= prios - 1) {
		const struct list_head *fifo = &s->fifo[ffs(prios) - 1];

		/* in order of seq, so none behind it was sent before */
		ticks = max(ticks, now - list_first_entry(fifo, struct ipcx_slot, queued)->sent);
	}
	/* that function rounds down where a tick is no number of ms */
	return s->prios ? jiffies64_to_msecs((u64)ticks + 1) + !!(MSEC_PER_SEC % HZ) : 0;
}

/**
 * ipcx_queue_look() - look at a queue
 * @obj: the queue
 * @s: filled
 */
void ipcx_queue_look(struct ipcx_object *obj, struct ipcx_object_stat *s)
{
	struct ipcx_queue *q = container_of(obj, struct ipcx_queue, obj);
	const u32 *count = q->slots.count;

	spin_lock(&q->lock);
	s->senders = q->senders;
	s->receivers = q->receivers;
	s->free = count[IPCX_SLOT_FREE];
	s->loaned = count[IPCX_SLOT_LOANED] + count[IPCX_SLOT_BUSY];
	s->queued = count[IPCX_SLOT_QUEUED];
	s->leased = count[IPCX_SLOT_LEASED] - q->slots.answers;
	s->answers = count[IPCX_SLOT_ANSWERED] + q->slots.answers;
	s->requests = q->slots.owed;
	s->send_waiters = atomic_read(&q->send_waiters);
	s->recv_waiters = q->recv_waiters;
	s->sent = q->slots.seq;
	s->sent_bytes = q->slots.bytes;
	s->count = q->count;
	memcpy(s->ages, q->ages, sizeof(s->ages));
	s->ages_sum_ms = jiffies64_to_msecs(q->age_ticks);
	s->oldest_ms = oldest_ms(&q->slots);
	spin_unlock(&q->lock);
	s->depth = q->arena.depth;
	s->msg_max = q->msg_max;
	s->bytes_max = q->bytes_max;
	s->bytes = (u64)atomic64_read(&q->arena.npages) << PAGE_SHIFT;
	s->policy = q->policy;
	s->max_deliveries = q->max_deliveries;
	s->lease_ms = q->lease_ms;
	s->leases_max = q->leases_max;
	s->dead_letter = q->dead_letter ? q->dead_letter->obj.id : 0;
}

/* Whoever waited longer is counted among the oldest, whatever a tick is. */
#define TICKS_MAX BIT(IPCX_AGES)

/**
 * ipcx_queue_aged() - ipcx_queue_age() of a message that was not sent in this tick
 * @q: see there
 * @ticks: see there
 */
void ipcx_queue_aged(struct ipcx_queue *q, u32 ticks)
{
	u32 ms = jiffies_to_msecs(min_t(u32, ticks, TICKS_MAX) + 1);

	lockdep_assert_held(&q->lock);
	q->ages[min_t(u32, order_base_2(ms), IPCX_AGES - 1)]++;
	q->age_ticks += ticks;
}

/**
 * ipcx_queue_stat() - IPCX_IOC_QUEUE_STAT
 * @ep: an endpoint of the queue
 * @arg: the caller's struct ipcx_queue_stat
 *
 * Return: 0 or a negative errno.
 */
long ipcx_queue_stat(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_object_stat now;
	struct ipcx_queue_stat s;
	int err = ipcx_args_in(&s, sizeof(s),
			       offsetofend(struct ipcx_queue_stat, out_dead_letter_failed), 0, arg);

	if (err)
		return err;
	ipcx_queue_look(&ep->q->obj, &now);
	s.out_free = now.free;
	s.out_loaned = now.loaned;
	s.out_queued = now.queued;
	s.out_leased = now.leased;
	s.out_answers = now.answers;
	s.out_requests = now.requests;
	s.out_senders = now.senders;
	s.out_receivers = now.receivers;
	s.out_sent = now.sent;
	s.out_released = now.count.released;
	s.out_dropped_oldest = now.count.dropped_oldest;
	s.out_dropped_newest = now.count.dropped_newest;
	s.out_expired = now.count.expired;
	s.out_poison = now.count.poison;
	s.out_redelivered = now.count.redelivered;
	s.out_dead_lettered = now.count.dead_lettered;
	s.out_dead_letter_failed = now.count.dead_letter_failed;
	s.out_withdrawn = now.count.withdrawn;
	s.out_bytes = now.bytes;
	return ipcx_copy_out(arg, s.size, &s, sizeof(s));
}
