// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a message ends otherwise than by being released: dropped to make room, or
 * given up and copied to the dead-letter queue. Each is counted.
 *
 * LOCKS: the message is BUSY and its queue not locked. The dead-letter queue is
 * locked alone, never with the other: two queues' locks never nest.
 */
#include "batch.h"
#include "event.h"

/*
 * Others may look at the slot. Return: whether what it carried could be had: a queue that is over
 * takes it from all its slots.
 */
static bool carried_take(struct ipcx_queue *q, struct ipcx_slot *slot,
			 struct ipcx_carried **carried)
{
	bool over;

	spin_lock(&q->lock);
	over = q->over;
	*carried = over ? NULL : ipcx_slot_uncarry(slot);
	spin_unlock(&q->lock);
	return !over;
}

/*
 * It comes from the owner of the queue that gives it up, who was allowed to send
 * there, and not from its sender, who may not know of that queue.
 *
 * Return: whether the dead-letter queue has the message now.
 */
static bool dead_letter(struct ipcx_queue *q, struct ipcx_slot *slot, u16 flag)
{
	struct ipcx_queue *dq = q->dead_letter;
	u32 npages = ipcx_slot_pages_used(slot);
	u16 how = slot->flags & IPCX_MSG_INLINE;
	struct ipcx_carried *carried;
	struct ipcx_slot *copy;
	bool kept = false, taken;
	u32 lacks = 0;
	int err;

	if (slot->len > dq->msg_max)
		return false;
	do {
		err = ipcx_slot_try(dq, NULL, npages, how ? IPCX_LOAN_INLINE : 0, &copy, &lacks);
	} while (err == -EAGAIN && ipcx_queue_make_room(dq, NULL, npages, lacks));
	if (err)
		return false;
	if (how)
		memcpy(copy->data, slot->data, sizeof(copy->data));
	else
		ipcx_slot_copy(&copy->pg, &slot->pg, slot->len);
	copy->tag = slot->tag;
	copy->uid = q->obj.uid;
	copy->gid = q->obj.gid;
	ipcx_slot_set_pid(copy, NULL);
	copy->flags = flag | how;
	copy->expires = 0;
	taken = carried_take(q, slot, &carried);
	spin_lock(&dq->lock);
	if (carried)
		ipcx_slot_carry(copy, carried);
	if (!taken || dq->removed || dq->over)
		err = -EIDRM;
	else
		kept = ipcx_queue_put_message(dq, copy, slot->len, slot->prio);
	spin_unlock(&dq->lock);
	if (err)
		ipcx_slot_release(dq, copy);
	else
		ipcx_queue_wake_recv(dq, 1);
	return kept;
}

/* A message is given up, whose slot still says whose it was. */
static void tell(struct ipcx_queue *q, const struct ipcx_slot *slot, u16 flag, bool kept)
{
	const struct ipcx_culprit who = { slot->pid, slot->uid };

	if (flag & IPCX_MSG_POISON)
		ipcx_alert_one(&q->obj, IPCX_EVENT_KIND_GIVEN_UP, IPCX_EVENT_LIMIT_MAX_DELIVERIES,
			       &who, kept);
	else
		ipcx_alert_one(&q->obj, IPCX_EVENT_KIND_EXPIRED, 0, &who, kept);
}

/**
 * ipcx_queue_retire() - a message will not be delivered any more
 * @q: its queue
 * @slot: the message, BUSY; free afterwards
 * @count: of ipcx_queue_count, what it counts as
 * @flag: IPCX_MSG_*, why; with _POISON and _EXPIRED it goes to the dead-letter queue
 */
void ipcx_queue_retire(struct ipcx_queue *q, struct ipcx_slot *slot, u64 *count, u16 flag)
{
	bool given_up = flag & (IPCX_MSG_POISON | IPCX_MSG_EXPIRED);
	bool to_dead = given_up && q->dead_letter;
	bool kept = to_dead && dead_letter(q, slot, flag);

	if (given_up)
		tell(q, slot, flag, kept);
	spin_lock(&q->lock);
	++*count;
	q->count.dead_lettered += kept;
	q->count.dead_letter_failed += to_dead && !kept;
	if (kept)
		trace_ipcx_queue_dead_letter(q, slot);
	trace_ipcx_queue_drop(q, slot, ipcx_retire_why(flag));
	ipcx_queue_end_message(q, slot, flag);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q);
	ipcx_queue_wake_leases(q); /* it may have been taken once too often */
}

/* The kernel needs room for a dead letter, if @ep is NULL. */
static bool drop_oldest(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 lacks)
{
	const struct ipcx_credit *credit = ep ? ep->party.credit : NULL;
	struct ipcx_slot *slot;

	spin_lock(&q->lock);
	slot = ipcx_queue_can_drop(q, credit, npages);
	if (slot) {
		ipcx_slot_take(&q->slots, slot, NULL);
		q->count.dropped_oldest++;
		trace_ipcx_queue_drop(q, slot, IPCX_DROP_OLDEST);
		ipcx_alert_dropped_oldest(q, lacks, ep ? &ep->end : NULL);
		ipcx_queue_end_message(q, slot, IPCX_MSG_CANCELED);
	}
	spin_unlock(&q->lock);
	if (!slot)
		return false;
	ipcx_queue_wake_send(q);
	return true;
}

/**
 * ipcx_queue_make_room() - a loan failed for lack of a slot or of bytes
 * @q: the queue
 * @ep: who needs it, NULL for the kernel
 * @npages: pages that are needed
 * @lacks: of which limit, see ipcx_slot_try()
 *
 * Return: whether to try again, since a message was given up or dropped.
 */
bool ipcx_queue_make_room(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 lacks)
{
	if (ipcx_queue_expire(q))
		return true;
	return q->policy == IPCX_POLICY_DROP_OLDEST && drop_oldest(q, ep, npages, lacks);
}
