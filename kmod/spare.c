// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slot for the next message, that a commit or call brings along.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state.
 */
#include "batch.h"

/**
 * ipcx_slot_lend() - a slot is on loan
 * @ep: to whom; its queue is locked
 * @slot: the slot, BUSY
 * @len: bytes of it
 * @kind: IPCX_LOAN_*
 *
 * Return: 0, or -EPERM: it is not, there is no request that it could be the reply to.
 */
int ipcx_slot_lend(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len, u32 kind)
{
	struct ipcx_slots *s = &ep->q->slots;

	slot->flags = kind & IPCX_LOAN_INLINE ? IPCX_MSG_INLINE : 0;
	if (unlikely(kind & IPCX_LOAN_REPLY)) {
		if (ep->party.replies >= ep->party.requests)
			return -EPERM;
		ipcx_slot_loan_reply(s, slot, &ep->party, len);
		return 0;
	}
	if (unlikely(kind & IPCX_LOAN_REQUEST))
		ipcx_request_begin(s, slot);
	ipcx_slot_loan(s, slot, &ep->party, len);
	return 0;
}

/* A commit gets no slot for longer messages ready: it may never be used. */
#define SPARE_PAGES_MAX 16

/*
 * Under the lock: may a sender keep a slot, and perhaps do nothing, if that leaves
 * @free slots free and @used pages used? A quarter of the slots, unless it is the
 * only sender and the only loan, and of the pages, room for the longest message, and
 * what others are owed, must be left.
 */
static bool spare_allowed(struct ipcx_queue *q, u32 free, u64 used)
{
	if ((u64)free * 4 < q->arena.depth && (q->senders > 1 || q->slots.count[IPCX_SLOT_LOANED]))
		return false;
	return free >= q->slots.owed + q->slots.credits.owed &&
	       used <= q->arena.pages_max / 4 * 3 &&
	       used + ipcx_pages_of(q->msg_max) <= q->arena.pages_max;
}

/* Under the lock: a BUSY slot is on loan to @ep for the next message. */
static void loan_spare(struct ipcx_endpoint *ep, struct ipcx_slot *slot, struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	u32 kind = 0;

	d->slot = ipcx_slot_index(&q->slots, slot);
	d->len = min_t(u64, (u64)slot->pg.safe << PAGE_SHIFT, q->msg_max);
	if (d->flags & IPCX_MSG_INLINE) {
		d->len = ipcx_queue_len_max(q, IPCX_LOAN_INLINE);
		kind = IPCX_LOAN_INLINE;
	}
	if (d->flags & IPCX_MSG_REQUEST)
		kind |= IPCX_LOAN_REQUEST;
	ipcx_slot_lend(ep, slot, d->len, kind);
}

/**
 * ipcx_spare_find() - find a slot for the next message that needs nothing done to it
 * @ep: the sender; its queue is locked
 * @npages: pages needed, of one that is not inline
 * @d: says what the last message was; slot and len become those of the new loan
 *
 * Return: whether one may be got ready instead.
 */
bool ipcx_spare_find(struct ipcx_endpoint *ep, u32 npages, struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	u32 free = q->slots.count[IPCX_SLOT_FREE];
	struct ipcx_slot *slot;

	d->slot = IPCX_SLOT_NONE;
	if (!free--)
		return false;
	if (unlikely(d->flags & IPCX_MSG_REQUEST) && !free--)
		return false; /* it will be owed a slot too */
	if (d->flags & IPCX_MSG_INLINE) {
		if (spare_allowed(q, free, ipcx_queue_used(q)))
			loan_spare(ep, ipcx_slots_grab(&q->slots, &ep->party, 0), d);
		return false;
	}
	slot = ipcx_slots_fit_spare(&q->slots, &ep->party, npages);
	if (!slot || slot->pg.safe < npages)
		return npages <= SPARE_PAGES_MAX &&
		       spare_allowed(q, free, ipcx_queue_used(q) + npages);
	if (!spare_allowed(q, free, ipcx_queue_used(q) + slot->pg.npages)) {
		ipcx_party_push(&ep->party, ipcx_slot_index(&q->slots, slot));
		return false;
	}
	ipcx_slot_grab(&q->slots, slot, &ep->party);
	loan_spare(ep, slot, d);
	return false;
}

/**
 * ipcx_spare_make() - get a slot without pages ready for the next message
 * @ep: the sender; its queue is not locked
 * @npages: pages needed
 * @d: see ipcx_spare_find()
 *
 * There is no window to take it from, and no memory is waited for, so that a commit
 * does not block.
 */
void ipcx_spare_make(struct ipcx_endpoint *ep, u32 npages, struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	bool keep;
	u32 free;

	spin_lock(&q->lock);
	slot = ipcx_slots_grab_empty(&q->slots, &ep->party);
	if (slot)
		ipcx_slot_set_writer(slot, &ep->party);
	spin_unlock(&q->lock);
	if (!slot)
		return;
	keep = !ipcx_slot_grow(&q->arena, &slot->pg, npages, IPCX_GFP_NOWAIT);
	spin_lock(&q->lock);
	free = q->slots.count[IPCX_SLOT_FREE];
	keep = keep && (!(d->flags & IPCX_MSG_REQUEST) || free--) &&
	       spare_allowed(q, free, ipcx_queue_used(q));
	if (keep)
		loan_spare(ep, slot, d);
	else
		ipcx_queue_put_slot(q, slot);
	spin_unlock(&q->lock);
	if (!keep)
		ipcx_queue_wake_send(q);
}
