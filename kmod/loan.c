// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sender's side, first half: loan, cancel.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include "batch.h"
#include "event.h"

/**
 * ipcx_slot_release() - a BUSY slot is free again
 * @q: the queue, not locked
 * @slot: the slot
 */
void ipcx_slot_release(struct ipcx_queue *q, struct ipcx_slot *slot)
{
	spin_lock(&q->lock);
	ipcx_queue_put_slot(q, slot);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q);
}

/**
 * ipcx_slot_refuse() - a slot is not for who got it, and free again
 * @q: the queue, locked; unlocked for a moment
 * @slot: the slot, BUSY or LOANED
 */
void ipcx_slot_refuse(struct ipcx_queue *q, struct ipcx_slot *slot) __must_hold(&q->lock)
{
	ipcx_queue_put_slot(q, slot);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q);
	spin_lock(&q->lock);
}

/* Takes @npages from free slots of the queue. Return: whether there were any. */
static bool steal_pages(struct ipcx_queue *q, u32 npages)
{
	struct ipcx_slot *victim;
	u32 has;

	spin_lock(&q->lock);
	victim = ipcx_slots_grab_pages(&q->slots);
	spin_unlock(&q->lock);
	if (!victim)
		return false;
	has = victim->pg.npages;
	ipcx_slot_trim(&q->arena, &victim->pg, ipcx_slot_index(&q->slots, victim),
		       has > npages ? has - npages : 0);
	ipcx_slot_release(q, victim);
	return true;
}

/*
 * The slot changes hands: its last writer loses it, and whatever still holds
 * one of its pages outside loses its influence on it.
 */
static void change_writer(struct ipcx_queue *q, struct ipcx_slot *slot, struct ipcx_party *party)
{
	u32 had = slot->pg.npages;

	spin_lock(&q->lock);
	ipcx_slot_set_writer(slot, party);
	spin_unlock(&q->lock);
	slot->pg.safe = 0;
	ipcx_slot_unpin(&q->arena, &slot->pg, ipcx_slot_index(&q->slots, slot));
	if (slot->pg.npages < had)
		ipcx_queue_wake_send(q);
}

/* Makes a BUSY slot ready for @ep, or for the kernel if that is NULL, to write @npages pages. */
static int slot_prepare(struct ipcx_queue *q, struct ipcx_endpoint *ep, struct ipcx_slot *slot,
			u32 npages, u32 kind)
{
	struct ipcx_party *party = ep ? &ep->party : NULL;
	struct ipcx_slot_pages *pg = &slot->pg;
	u32 had;
	int err;

	/* without a writer it may still be pinned by one that died */
	if (!party || READ_ONCE(slot->writer) != party)
		change_writer(q, slot, party);
	had = pg->npages;
	for (;;) {
		err = ipcx_slot_grow(&q->arena, pg, npages, ep ? IPCX_GFP_WAIT : IPCX_GFP_SHORT);
		if (!err || err == -EINTR)
			break;
		if (!steal_pages(q, npages - pg->npages))
			break;
	}
	if (err) {
		/* or its cgroup stays full to the last page, and whoever faults there is killed */
		ipcx_slot_trim(&q->arena, pg, ipcx_slot_index(&q->slots, slot), had);
		return err;
	}
	if (!ep || (ep->rights & IPCX_OPEN_RECV && !(kind & IPCX_LOAN_REPLY)))
		pg->safe = pg->npages;
	ipcx_slot_clear(pg, npages);
	return 0;
}

/**
 * ipcx_slot_try() - get a slot if there is one
 * @q: the queue
 * @ep: who will write to it; NULL for the kernel
 * @npages: pages needed
 * @kind: of loan, IPCX_LOAN_*
 * @out: set to the slot, BUSY
 * @lacks: set, with -EAGAIN, to the limit that was reached, IPCX_EVENT_LIMIT_*
 *
 * Return: 0, -EAGAIN if the queue is full, or as ipcx_slot_get().
 */
int ipcx_slot_try(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 kind,
		  struct ipcx_slot **out, u32 *lacks)
{
	struct ipcx_party *party = ep ? &ep->party : NULL;
	const struct ipcx_credit *credit = party ? party->credit : NULL;
	bool paged = !(kind & IPCX_LOAN_INLINE);
	struct ipcx_slot *slot = NULL;
	bool kept = false;
	int err = -EAGAIN;
	u64 used;

	spin_lock(&q->lock);
	used = ipcx_queue_used(q) + npages;
	if (unlikely(q->removed))
		err = -EIDRM;
	else if (unlikely(party && party->gone))
		err = -ESTALE;
	else if (likely(ipcx_queue_has_room(q, credit, npages, kind)))
		slot = ipcx_slots_grab(&q->slots, party, npages);
	else
		*lacks = ipcx_queue_lacks(q, credit, kind);
	if (unlikely(!npages))
		kept = q->slots.credits.users > 1;
	spin_unlock(&q->lock);
	if (!slot)
		return err;
	/* A message sits on at most twice what it needs, and on no more where pages get short. */
	if (slot->pg.npages > npages &&
	    (used > q->arena.pages_max / 2 || (paged && !ipcx_slot_fits(slot, npages)))) {
		ipcx_slot_trim(&q->arena, &slot->pg, ipcx_slot_index(&q->slots, slot), npages);
		ipcx_queue_wake_send(q);
	}
	/* a page that was kept for this user is for others now */
	if (kept)
		ipcx_queue_wake_send(q);
	/* A dying writer sets this to NULL: not us either way. */
	if (kind & IPCX_LOAN_REPLY)
		slot->pg.safe = 0; /* its reader may be one who may not receive */
	if (paged && (!party || READ_ONCE(slot->writer) != party || slot->pg.safe < npages)) {
		err = slot_prepare(q, ep, slot, npages, kind);
		if (err) {
			*lacks = IPCX_EVENT_LIMIT_BYTES_MAX;
			ipcx_slot_release(q, slot);
			return err;
		}
	}
	*out = slot;
	return 0;
}

/* Gets a slot, perhaps after waiting; see ipcx_slot_get(). @lacks: see ipcx_slot_try() */
static int slot_wait(struct ipcx_endpoint *ep, u64 len, u32 kind, s64 deadline,
		     struct ipcx_slot **slot, u32 *lacks)
{
	u32 npages = kind & IPCX_LOAN_INLINE ? 0 : ipcx_pages_of(len);
	int err;

	if (len > ipcx_queue_len_max(ep->q, kind))
		return -EMSGSIZE;

	if (ep->q->policy == IPCX_POLICY_FAIL)
		deadline = IPCX_DEADLINE_NOWAIT;
	for (;;) {
		err = ipcx_slot_try(ep->q, ep, npages, kind, slot, lacks);
		if (err != -EAGAIN)
			return err;
		/* a drop may be no room for a request: that waits */
		if (!(kind & IPCX_LOAN_REQUEST) && ipcx_queue_make_room(ep->q, ep, npages, *lacks))
			continue;
		err = ipcx_queue_wait_send(ep, npages, kind, deadline);
		if (err)
			return err;
	}
}

/* A sender got no slot. Who would not wait is told so only where that is the policy. */
static void tell_refused(struct ipcx_endpoint *ep, int err, u32 lacks)
{
	bool full = err == -ETIMEDOUT || (err == -EAGAIN && ep->q->policy == IPCX_POLICY_FAIL);

	ipcx_alert_refused(&ep->q->obj, full ? lacks : ipcx_limit_of(err),
			   ipcx_culprit_user(&ep->end));
}

/**
 * ipcx_slot_get() - get a slot that an endpoint may write to
 * @ep: the endpoint
 * @len: bytes needed
 * @kind: of loan, IPCX_LOAN_*
 * @deadline: how long to wait for it
 * @slot: set to the slot, BUSY
 *
 * Return: 0 or a negative errno, see struct ipcx_queue_loan.
 */
int ipcx_slot_get(struct ipcx_endpoint *ep, u64 len, u32 kind, s64 deadline,
		  struct ipcx_slot **slot)
{
	u32 lacks = 0;
	int err = slot_wait(ep, len, kind, deadline, slot, &lacks);

	if (unlikely(err))
		tell_refused(ep, err, lacks);
	return err;
}

/* May there be a loan of that kind? */
static int loan_check(const struct ipcx_endpoint *ep, u32 kind)
{
	if (kind & IPCX_LOAN_REQUEST && kind & IPCX_LOAN_REPLY)
		return -EINVAL;
	if (!(ep->rights & (kind & IPCX_LOAN_REPLY ? IPCX_OPEN_RECV : IPCX_OPEN_SEND)))
		return -EPERM;
	if (kind & IPCX_LOAN_REPLY && READ_ONCE(ep->party.replies) >= READ_ONCE(ep->party.requests))
		return -EPERM;
	return kind & IPCX_LOAN_REQUEST && ep->q->arena.depth < 2 ? -ENOSPC : 0;
}

/* Loans a slot, perhaps after waiting, for entry @i. */
static int loan_one(struct ipcx_endpoint *ep, const struct ipcx_batch *b, u32 i,
		    const struct ipcx_queue_loan *l)
{
	struct ipcx_desc d __uninitialized;
	struct ipcx_slot *slot;
	u32 lacks = 0;
	int err = ipcx_desc_read(b, i, &d, IPCX_DESC_LOAN);

	if (err)
		return err;
	err = slot_wait(ep, d.len, l->flags, l->deadline, &slot, &lacks);
	if (unlikely(err)) {
		if (!i) /* or it got as many as there are */
			tell_refused(ep, err, lacks);
		return err;
	}
	d.slot = ipcx_slot_index(&ep->q->slots, slot);
	err = ipcx_desc_write_some(b, i, &d, IPCX_DESC_LENT);
	if (!err) {
		spin_lock(&ep->q->lock);
		if (likely(!ep->party.gone))
			err = ipcx_slot_lend(ep, slot, d.len, l->flags);
		else
			err = -ESTALE;
		spin_unlock(&ep->q->lock);
	}
	if (err)
		ipcx_slot_release(ep->q, slot);
	return err;
}

/* Under the lock: how many slots ipcx_queue_has_room() allows, one by one, without pages. */
static u32 room_sure(struct ipcx_queue *q, u32 kind)
{
	const struct ipcx_slots *s = &q->slots;
	u32 free = s->count[IPCX_SLOT_FREE], keep = s->owed + s->credits.owed;

	if (free <= keep || ipcx_queue_used(q) + s->credits.owed > q->arena.pages_max)
		return 0;
	/* of two one is for the reply */
	return kind & IPCX_LOAN_REQUEST ? (free - keep) / 2 : free - keep;
}

/*
 * Under the lock: lends slots that nothing has to be done to, as many as there are of @n.
 * Each entry says len, and is told slot. Return: how many.
 */
static u32 lend_empty(struct ipcx_endpoint *ep, struct ipcx_desc *d, u32 n, u32 kind)
{
	struct ipcx_queue *q = ep->q;
	u64 len_max = ipcx_queue_len_max(q, kind);
	u32 i, sure = room_sure(q, kind);
	struct ipcx_slot *slot;

	for (i = 0; i < n && d[i].len <= len_max; i++) {
		if (unlikely(i >= sure) && !ipcx_queue_has_room(q, ep->party.credit, 0, kind))
			break;
		slot = ipcx_slots_grab_empty(&q->slots, &ep->party);
		if (!slot)
			break;
		d[i].slot = ipcx_slot_index(&q->slots, slot);
		ipcx_slot_lend(ep, slot, d[i].len, kind);
	}
	return i;
}

/*
 * Loans slots without pages, as far as they are there, for entry @i and a few that
 * follow. Return: how many; where that is 0, loan_one() knows why.
 */
static u32 loan_empty(struct ipcx_endpoint *ep, const struct ipcx_batch *b, u32 i, u32 kind)
{
	struct ipcx_names to __uninitialized;
	struct ipcx_queue *q = ep->q;
	u32 told, k, n;
	bool kept;
	int err;

	n = min_t(u32, b->count - i, IPCX_CHUNK_NAMES);
	n = ipcx_descs_read(b, i, n, to.d, sizeof(to.d[0]), IPCX_DESC_LOAN, &err);
	spin_lock(&q->lock);
	n = q->removed || ep->party.gone ? 0 : lend_empty(ep, to.d, n, kind);
	kept = q->slots.credits.users > 1;
	spin_unlock(&q->lock);
	told = ipcx_descs_write(b, i, n, to.d, IPCX_DESC_LENT);
	for (k = told; k < n; k++)
		ipcx_cancel_one(ep, &to.d[k]);
	/* a page that was kept for this user is for others now */
	if (n && unlikely(kept))
		ipcx_queue_wake_send(q);
	return told;
}

/**
 * ipcx_queue_loan() - IPCX_IOC_QUEUE_LOAN
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_loan
 *
 * Return: slots got or a negative errno.
 */
long ipcx_queue_loan(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_loan l __uninitialized;
	struct ipcx_batch b;
	u32 i = 0, n;
	int err;

	err = ipcx_args_in(&l, sizeof(l), offsetofend(struct ipcx_queue_loan, deadline),
			   IPCX_LOAN_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, l.descs, l.count, l.desc_size);
	if (err || l.deadline < 0)
		return err ?: -EINVAL;
	err = loan_check(ep, l.flags);
	while (!err && i < b.count) {
		n = 0;
		if (l.flags & IPCX_LOAN_INLINE && !(l.flags & IPCX_LOAN_REPLY))
			n = loan_empty(ep, &b, i, l.flags);
		if (!n) {
			err = loan_one(ep, &b, i, &l);
			n = !err;
		}
		i += n;
		l.deadline = IPCX_DEADLINE_NOWAIT;
	}
	return i ?: err;
}

/**
 * ipcx_cancel_one() - give a loan back
 * @ep: whose it is
 * @d: says the slot
 *
 * Return: 0, -EINVAL, -EPERM.
 */
int ipcx_cancel_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = ipcx_slot_at(q, d->slot);
	int err = 0;

	if (!slot)
		return -EINVAL;
	spin_lock(&q->lock);
	if (ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		ipcx_queue_put_slot(q, slot);
	else
		err = -EPERM;
	spin_unlock(&q->lock);
	if (!err)
		ipcx_queue_wake_send(q);
	return err;
}

/**
 * ipcx_queue_cancel() - IPCX_IOC_QUEUE_CANCEL
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_cancel
 *
 * Return: slots given back or a negative errno.
 */
long ipcx_queue_cancel(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_cancel c;
	int err = ipcx_args_in(&c, sizeof(c), offsetofend(struct ipcx_queue_cancel, desc_size), 0,
			       arg);

	if (err)
		return err;
	return ipcx_batch_each(ep, c.descs, c.count, c.desc_size, ipcx_cancel_one);
}
