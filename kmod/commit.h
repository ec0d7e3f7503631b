/* SPDX-License-Identifier: GPL-2.0-only */
/* A message enters its queue: by COMMIT, or by write(2). */
#ifndef IPCX_COMMIT_H
#define IPCX_COMMIT_H

#include "batch.h"
#include "event.h"

/* Under the lock: a message of @end, or NULL, in a slot; see ipcx_queue_put_message(). */
static __always_inline bool ipcx_put_message(struct ipcx_queue *q, struct ipcx_slot *slot, u64 len,
					     u8 prio, const struct ipcx_end *end)
{
	lockdep_assert_held(&q->lock);
	if (unlikely(q->policy == IPCX_POLICY_DROP_NEWEST)) {
		slot->len = len;
		slot->prio = prio;
		slot->deliveries = 0;
		if (!ipcx_queue_has_room(q, slot->credit, ipcx_slot_pages_used(slot), 0)) {
			ipcx_slot_number(&q->slots, slot);
			q->count.dropped_newest++;
			trace_ipcx_queue_drop(q, slot, IPCX_DROP_NEWEST);
			ipcx_alert_dropped_newest(q, slot, end);
			ipcx_queue_end_message(q, slot, IPCX_MSG_CANCELED);
			return false;
		}
	}
	ipcx_slot_commit(&q->slots, slot, len, prio);
	trace_ipcx_queue_send(q, slot);
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
	return true;
}

/* Under the lock: stamps a message and sends it; @q: the queue of @ep, not removed. */
static __always_inline void ipcx_slot_stamp_put(struct ipcx_endpoint *ep, struct ipcx_queue *q,
						struct ipcx_slot *slot, const struct ipcx_desc *d)
{
	slot->tag = d->tag;
	slot->expires = d->expires;
	slot->flags = d->flags;
	ipcx_slot_stamp(ep, slot);
	ipcx_put_message(q, slot, d->len, d->prio, &ep->end);
}

/* The same, whatever the queue is. Return: 0 or -EIDRM. */
static __always_inline int ipcx_slot_stamp_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
						  const struct ipcx_desc *d)
{
	if (unlikely(ep->q->removed))
		return -EIDRM;
	ipcx_slot_stamp_put(ep, ep->q, slot, d);
	return 0;
}

#endif /* IPCX_COMMIT_H */
