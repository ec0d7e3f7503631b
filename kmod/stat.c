// SPDX-License-Identifier: GPL-2.0-only
/* What is in a queue and what became of its messages, in numbers. */
#include "copy.h"
#include "ipcx.h"

/**
 * ipcx_queue_stat() - IPCX_IOC_QUEUE_STAT
 * @ep: an endpoint of the queue
 * @arg: the caller's struct ipcx_queue_stat
 *
 * Return: 0 or a negative errno.
 */
long ipcx_queue_stat(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_queue_stat s;
	int err = ipcx_args_in(&s, sizeof(s),
			       offsetofend(struct ipcx_queue_stat, out_dead_letter_failed), 0, arg);

	if (err)
		return err;
	spin_lock(&q->lock);
	s.out_free = q->slots.count[IPCX_SLOT_FREE];
	s.out_loaned = q->slots.count[IPCX_SLOT_LOANED] + q->slots.count[IPCX_SLOT_BUSY];
	s.out_queued = q->slots.count[IPCX_SLOT_QUEUED];
	s.out_leased = q->slots.count[IPCX_SLOT_LEASED] - q->slots.answers;
	s.out_answers = q->slots.count[IPCX_SLOT_ANSWERED] + q->slots.answers;
	s.out_requests = q->slots.owed;
	s.out_senders = q->senders;
	s.out_receivers = q->receivers;
	s.out_sent = q->slots.seq;
	s.out_released = q->count.released;
	s.out_dropped_oldest = q->count.dropped_oldest;
	s.out_dropped_newest = q->count.dropped_newest;
	s.out_expired = q->count.expired;
	s.out_poison = q->count.poison;
	s.out_redelivered = q->count.redelivered;
	s.out_dead_lettered = q->count.dead_lettered;
	s.out_dead_letter_failed = q->count.dead_letter_failed;
	s.out_withdrawn = q->count.withdrawn;
	spin_unlock(&q->lock);
	s.out_bytes = (u64)atomic64_read(&q->arena.npages) << PAGE_SHIFT;
	return ipcx_copy_out(arg, s.size, &s, sizeof(s));
}
