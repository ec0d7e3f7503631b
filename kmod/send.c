// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sender's side: loan, commit, cancel.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include "batch.h"

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
 *
 * Return: 0, -EAGAIN if the queue is full, or as ipcx_slot_get().
 */
int ipcx_slot_try(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 kind,
		  struct ipcx_slot **out)
{
	struct ipcx_party *party = ep ? &ep->party : NULL;
	bool paged = !(kind & IPCX_LOAN_INLINE);
	struct ipcx_slot *slot = NULL;
	bool kept = false;
	int err = -EAGAIN;
	u64 used;

	spin_lock(&q->lock);
	used = ipcx_queue_used(q) + npages;
	if (unlikely(q->removed))
		err = -EIDRM;
	else if (ipcx_queue_has_room(q, party ? party->credit : NULL, npages, kind))
		slot = ipcx_slots_grab(&q->slots, party, npages);
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
			ipcx_slot_release(q, slot);
			return err;
		}
	}
	*out = slot;
	return 0;
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
	u32 npages;
	int err;

	if (len > ipcx_queue_len_max(ep->q, kind))
		return -EMSGSIZE;
	npages = kind & IPCX_LOAN_INLINE ? 0 : ipcx_pages_of(len);
	if (ep->q->policy == IPCX_POLICY_FAIL)
		deadline = IPCX_DEADLINE_NOWAIT;
	for (;;) {
		err = ipcx_slot_try(ep->q, ep, npages, kind, slot);
		if (err != -EAGAIN)
			return err;
		/* a drop may be no room for a request: that waits */
		if (!(kind & IPCX_LOAN_REQUEST) &&
		    ipcx_queue_make_room(ep->q, ep->party.credit, npages))
			continue;
		err = ipcx_queue_wait_send(ep->q, ep->party.credit, npages, kind, deadline);
		if (err)
			return err;
	}
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
	struct ipcx_desc d __uninitialized;
	struct ipcx_slot *slot;
	struct ipcx_batch b;
	int err;
	u32 i;

	err = ipcx_args_in(&l, sizeof(l), offsetofend(struct ipcx_queue_loan, deadline),
			   IPCX_LOAN_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, l.descs, l.count, l.desc_size);
	if (err || l.deadline < 0)
		return err ?: -EINVAL;
	err = loan_check(ep, l.flags);
	if (err)
		return err;
	for (i = 0; i < b.count; i++) {
		err = ipcx_desc_read(&b, i, &d);
		if (!err)
			err = ipcx_slot_get(ep, d.len, l.flags, l.deadline, &slot);
		if (err)
			break;
		d.slot = ipcx_slot_index(&ep->q->slots, slot);
		err = ipcx_desc_write_slot(&b, i, &d);
		if (!err) {
			spin_lock(&ep->q->lock);
			err = ipcx_slot_lend(ep, slot, d.len, l.flags);
			spin_unlock(&ep->q->lock);
		}
		if (err) {
			ipcx_slot_release(ep->q, slot);
			break;
		}
		l.deadline = IPCX_DEADLINE_NOWAIT;
	}
	return i ?: err;
}

/**
 * ipcx_queue_put_message() - the message in a slot is complete
 * @q: the queue, locked, not removed
 * @slot: BUSY or LOANED, stamped
 * @len: bytes of the message
 * @prio: its priority
 *
 * Return: true: it is queued; false: dropped and counted, as is the policy.
 */
bool ipcx_queue_put_message(struct ipcx_queue *q, struct ipcx_slot *slot, u64 len, u8 prio)
{
	lockdep_assert_held(&q->lock);
	slot->len = len;
	if (unlikely(q->policy == IPCX_POLICY_DROP_NEWEST) &&
	    !ipcx_queue_has_room(q, slot->credit, ipcx_slot_pages_used(slot), 0)) {
		ipcx_slot_number(&q->slots, slot);
		q->count.dropped_newest++;
		ipcx_queue_end_message(q, slot, IPCX_MSG_CANCELED);
		return false;
	}
	ipcx_slot_commit(&q->slots, slot, len, prio);
	if (unlikely(slot->expires))
		ipcx_expire_arm(q, slot->expires);
	return true;
}

/* Under the lock: stamps a message and sends it. Return: 0 or -EIDRM. */
static int slot_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct ipcx_desc *d)
{
	if (unlikely(ep->q->removed))
		return -EIDRM;
	slot->tag = d->tag;
	slot->expires = d->expires;
	slot->flags = d->flags;
	ipcx_slot_stamp(ep, slot);
	ipcx_queue_put_message(ep->q, slot, d->len, d->prio);
	return 0;
}

/* Nobody locks: takes the message in a BUSY slot out of its sender's reach. */
static int slot_seal(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len)
{
	return ipcx_slot_seal(&ep->q->arena, &ep->map, &slot->pg,
			      ipcx_slot_index(&ep->q->slots, slot), ipcx_pages_of(len));
}

/*
 * Under the lock, which is let go of: seals a loan, and it is on loan again. Nobody
 * can name it or fault it in meanwhile.
 */
static int loan_seal(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len)
	__must_hold(&ep->q->lock)
{
	struct ipcx_queue *q = ep->q;
	bool reply = slot->reply;
	int err;

	slot->reply = false; /* it counts as one all the time */
	ipcx_slot_recall(&q->slots, slot);
	spin_unlock(&q->lock);
	err = slot_seal(ep, slot, len);
	spin_lock(&q->lock);
	ipcx_slot_loan(&q->slots, slot, &ep->party, slot->len);
	slot->reply = reply;
	return err;
}

/**
 * ipcx_loan_check() - may a loan become a message?
 * @ep: whose it should be
 * @slot: the slot
 * @d: says of the message: len, and IPCX_MSG_INLINE if it is that
 *
 * The queue is locked; it is unlocked for a while if it is sealed.
 *
 * Return: 0, or -EPERM, -EMSGSIZE, -EINVAL, -ENOMEM.
 */
int ipcx_loan_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct ipcx_desc *d)
	__must_hold(&ep->q->lock)
{
	lockdep_assert_held(&ep->q->lock);
	if (!ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		return -EPERM;
	if (d->len > slot->len)
		return -EMSGSIZE;
	if (d->flags & IPCX_MSG_INLINE)
		return 0;
	if (unlikely(slot->flags & IPCX_MSG_INLINE && d->len))
		return -EINVAL;
	if (unlikely(ep->q->flags & IPCX_OPEN_SEALED))
		return loan_seal(ep, slot, d->len);
	return 0;
}

/**
 * ipcx_loan_commit() - send a slot that is on loan
 * @ep: the sender
 * @slot: the slot
 * @d: what COMMIT reads, expires in host time
 * @data: the payload, if it is inline
 * @waiter: of a request, or NULL
 *
 * The queue is locked; it is unlocked for a while if it is sealed.
 *
 * Return: 0 or a negative errno, see struct ipcx_queue_commit.
 */
int ipcx_loan_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct ipcx_desc *d,
		     const u64 *data, struct ipcx_waiter *waiter) __must_hold(&ep->q->lock)
{
	struct ipcx_queue *q = ep->q;
	int err = ipcx_loan_check(ep, slot, d);

	if (err)
		return err;
	if (unlikely(slot->reply))
		return -EPERM;
	if (unlikely(d->flags & IPCX_MSG_REQUEST) && !slot->request) {
		if (!ipcx_slots_allow(&q->slots, ep->party.credit, 0))
			return -ENOBUFS;
		ipcx_request_begin(&q->slots, slot);
	} else if (unlikely(slot->request) && !(d->flags & IPCX_MSG_REQUEST)) {
		ipcx_request_end(&q->slots, slot);
	}
	if (d->flags & IPCX_MSG_INLINE)
		ipcx_inline_copy(slot->data, data, d->len);
	if (unlikely(slot->request) && !q->removed)
		ipcx_request_call(slot, &ep->party, waiter);
	return slot_commit(ep, slot, d);
}

/**
 * ipcx_slot_send() - send a BUSY slot
 * @ep: the sender
 * @slot: from ipcx_slot_get()
 * @len: bytes of the message
 *
 * Return: 0, or -EIDRM or -ENOMEM: the slot is free.
 */
int ipcx_slot_send(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len)
{
	struct ipcx_desc d = { .len = len };
	int err = 0;

	/* it may have been on loan before, and given back while it was mapped */
	if (ep->q->flags & IPCX_OPEN_SEALED)
		err = slot_seal(ep, slot, len);
	if (!err) {
		spin_lock(&ep->q->lock);
		err = slot_commit(ep, slot, &d);
		spin_unlock(&ep->q->lock);
	}
	if (err)
		ipcx_slot_release(ep->q, slot);
	else
		ipcx_queue_wake_recv(ep->q, 1);
	return err;
}

/* 0 is never. */
static s64 expires_to_host(s64 expires)
{
	if (expires == IPCX_DEADLINE_FOREVER)
		return 0;
	return max_t(s64, ipcx_time_to_host(expires), 1);
}

/**
 * ipcx_commit_one() - send one message
 * @ep: the sender
 * @d: what COMMIT reads; slot and len become those of the spare, if @loan
 * @inline_data: of the ioctl
 * @loan: bring a spare back, in which IPCX_MSG_REQUEST and _INLINE are heeded
 * @waiter: of a request, or NULL
 *
 * Return: 0 or a negative errno, see struct ipcx_queue_commit.
 */
int ipcx_commit_one(struct ipcx_endpoint *ep, struct ipcx_desc *d, u64 inline_data, bool loan,
		    struct ipcx_waiter *waiter)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = ipcx_slot_at(q, d->slot);
	struct ipcx_inline in __uninitialized;
	struct task_struct *taker = NULL;
	u32 npages;
	bool freed;
	int err = 0;

	if (!slot || d->prio > IPCX_PRIO_MAX || d->expires < 0)
		return -EINVAL;
	if (unlikely(d->flags & ~(IPCX_MSG_INLINE | IPCX_MSG_REQUEST)))
		return -EOPNOTSUPP;
	if (d->flags & IPCX_MSG_INLINE && !inline_data)
		return -EFAULT;
	if (d->flags & IPCX_MSG_INLINE)
		err = ipcx_inline_in(in.data, ipcx_inline_place(inline_data, d->slot), d->len);
	if (err)
		return err;
	if (unlikely(d->expires))
		d->expires = expires_to_host(d->expires);
	spin_lock(&q->lock);
	npages = ipcx_pages_of(slot->len);
	freed = slot->request && !(d->flags & IPCX_MSG_REQUEST); /* what was kept for a reply */
	err = ipcx_loan_commit(ep, slot, d, in.data, waiter);
	if (unlikely(d->flags & IPCX_MSG_REQUEST))
		d->seq = slot->seq;
	if (!err && !list_empty(&q->takers))
		taker = ipcx_queue_serve(q);
	loan = loan && !err && ipcx_spare_find(ep, npages, d);
	spin_unlock(&q->lock);
	if (err)
		return err;
	if (unlikely(freed))
		ipcx_queue_wake_send(q);
	if (taker)
		ipcx_taker_wake(taker);
	ipcx_queue_wake_recv(q, 1); /* who polls, or what could not be served */
	if (loan)
		ipcx_spare_make(ep, npages, d);
	return 0;
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

/* What is written of an entry that was sent. */
static int commit_tell(const struct ipcx_batch *b, u32 i, const struct ipcx_desc *d, bool loan)
{
	int err = loan ? ipcx_desc_write_slot(b, i, d) : 0;

	if (!err && unlikely(d->flags & IPCX_MSG_REQUEST))
		err = ipcx_desc_write_seq(b, i, d);
	return err;
}

/**
 * ipcx_queue_commit() - IPCX_IOC_QUEUE_COMMIT
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_commit
 *
 * Return: messages sent or a negative errno.
 */
long ipcx_queue_commit(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_commit c __uninitialized;
	struct ipcx_desc d __uninitialized;
	struct ipcx_batch b;
	bool loan;
	int err;
	u32 i;

	err = ipcx_args_in(&c, sizeof(c), offsetofend(struct ipcx_queue_commit, desc_size),
			   IPCX_COMMIT_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, c.descs, c.count, c.desc_size);
	if (err)
		return err;
	loan = c.flags & IPCX_COMMIT_LOAN;
	for (i = 0; i < b.count; i++) {
		err = ipcx_desc_read(&b, i, &d);
		if (!err)
			err = ipcx_commit_one(ep, &d, c.inline_data, loan, NULL);
		if (err)
			break;
		if (commit_tell(&b, i, &d, loan)) {
			if (loan)
				ipcx_cancel_one(ep,
						&d); /* if it brought one; the message is sent */
			return i + 1;
		}
	}
	return i ?: err;
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
