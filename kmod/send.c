// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sender's side, second half: commit, and the slot for the next message that it
 * brings along.
 *
 * LOCKS: ipcx_queue::lock for every change of a slot's state; user memory is
 * read before and written after.
 */
#include "batch.h"
#include "commit.h"

/**
 * ipcx_queue_put_message() - the message of the kernel in a slot is complete
 * @q: the queue, locked, not removed
 * @slot: BUSY or LOANED, stamped
 * @len: bytes of the message
 * @prio: its priority
 *
 * Return: true: it is queued; false: dropped and counted, as is the policy.
 */
bool ipcx_queue_put_message(struct ipcx_queue *q, struct ipcx_slot *slot, u64 len, u8 prio)
{
	return ipcx_put_message(q, slot, len, prio, NULL);
}

/* Nobody locks: takes the message in a BUSY slot out of its sender's reach. */
static int slot_seal(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len)
{
	int err = ipcx_slot_seal(&ep->q->arena, &ep->map, &slot->pg,
				 ipcx_slot_index(&ep->q->slots, slot), ipcx_pages_of(len));

	if (unlikely(err))
		ipcx_alert_refused(&ep->q->obj, ipcx_limit_of(err), ipcx_culprit_user(&ep->end));
	return err;
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
	if (unlikely(ep->party.gone)) { /* what the end held went meanwhile */
		ipcx_slot_refuse(q, slot);
		err = -ESTALE;
	}
	return err;
}

static __always_inline int loan_may_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
					   const struct ipcx_desc *d) __must_hold(&ep->q->lock)
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
 * ipcx_loan_check() - may a loan become a message?
 * @ep: whose it should be
 * @slot: the slot
 * @d: says of the message: len, and IPCX_MSG_INLINE if it is that
 *
 * The queue is locked; it is unlocked for a while if it is sealed.
 *
 * Return: 0, or -EPERM, -EMSGSIZE, -EINVAL, -ENOMEM, -ESTALE.
 */
int ipcx_loan_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct ipcx_desc *d)
	__must_hold(&ep->q->lock)
{
	return loan_may_commit(ep, slot, d);
}

/*
 * Under the lock: one of loan and message is for a request, or the loan is for a reply.
 * Return: 0, -EPERM, -ENOBUFS.
 */
static noinline int loan_request(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
				 const struct ipcx_desc *d, struct ipcx_waiter *waiter)
{
	struct ipcx_queue *q = ep->q;

	if (slot->reply)
		return -EPERM;
	if (!(d->flags & IPCX_MSG_REQUEST)) {
		ipcx_request_end(&q->slots, slot);
		return 0;
	}
	if (!slot->request) {
		if (!ipcx_slots_allow(&q->slots, ep->party.credit, 0))
			return -ENOBUFS;
		ipcx_request_begin(&q->slots, slot);
	}
	if (!q->removed)
		ipcx_request_call(slot, &ep->party, waiter);
	return 0;
}

/*
 * Sends @m, in whose slot @ep should have a loan. The queue is locked; it is unlocked for a
 * while if it is sealed. Return: 0 or a negative errno, see struct ipcx_queue_commit.
 */
static __always_inline int loan_commit(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
				       const struct ipcx_message *m, struct ipcx_waiter *waiter)
	__must_hold(&ep->q->lock)
{
	const struct ipcx_desc *d = &m->d;
	int err = loan_may_commit(ep, slot, d);

	if (unlikely(err))
		return err;
	if (unlikely(slot->request | slot->reply || d->flags & IPCX_MSG_REQUEST)) {
		err = loan_request(ep, slot, d, waiter);
		if (err)
			return err;
	}
	if (d->flags & IPCX_MSG_INLINE)
		ipcx_inline_copy(slot->data, m->data, d->len);
	return ipcx_slot_stamp_commit(ep, slot, d);
}

/**
 * ipcx_slot_send() - send a BUSY slot
 * @ep: the sender
 * @slot: from ipcx_slot_get()
 * @len: bytes of the message
 *
 * Return: 0, or -EIDRM, -ENOMEM or -ESTALE: the slot is free.
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
		err = ep->party.gone ? -ESTALE : ipcx_slot_stamp_commit(ep, slot, &d);
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

static __always_inline int message_fetch(struct ipcx_queue *q, struct ipcx_message *m,
					 u64 inline_data)
{
	struct ipcx_desc *d = &m->d;

	if (d->slot >= q->arena.depth || d->prio > IPCX_PRIO_MAX || d->expires < 0)
		return -EINVAL;
	if (unlikely(d->flags & ~(IPCX_MSG_INLINE | IPCX_MSG_REQUEST)))
		return -EOPNOTSUPP;
	if (unlikely(d->expires))
		d->expires = expires_to_host(d->expires);
	if (!(d->flags & IPCX_MSG_INLINE))
		return 0;
	if (!inline_data)
		return -EFAULT;
	return ipcx_inline_in(m->data, ipcx_inline_place(inline_data, d->slot), d->len);
}

/**
 * ipcx_message_fetch() - look at what COMMIT has read, and read the payload if it is inline
 * @q: of the sender
 * @m: the message
 * @inline_data: of the ioctl
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, -EFAULT, -EMSGSIZE.
 */
int ipcx_message_fetch(struct ipcx_queue *q, struct ipcx_message *m, u64 inline_data)
{
	return message_fetch(q, m, inline_data);
}

/* For longer messages a commit gets a slot ready only if it was missed: it may never be used. */
#define SPARE_PAGES_MAX 16

/*
 * Under the lock: may a sender keep a slot, and perhaps do nothing, if that leaves
 * @free slots free and @used pages used? A quarter of the slots, unless it is the
 * only sender and the only loan, and of the pages, room for the longest message, and
 * what others are owed, must be left.
 */
static __always_inline bool spare_allowed(struct ipcx_queue *q, u32 free, u64 used)
{
	if ((u64)free * 4 < q->arena.depth && (q->senders > 1 || q->slots.count[IPCX_SLOT_LOANED]))
		return false;
	return free >= q->slots.owed + q->slots.credits.owed && used <= q->arena.spare_max;
}

/* Under the lock: a BUSY slot is on loan to @ep for the next message. */
static __always_inline void loan_spare(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
				       struct ipcx_desc *d)
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

/*
 * Under the lock: finds a slot for the next message that needs nothing done to it; @npages
 * are needed if that is not inline. @d says what the last message was; slot and len become
 * those of the new loan. Return: whether one may be got ready instead.
 */
static __always_inline bool spare_find(struct ipcx_endpoint *ep, u32 npages, struct ipcx_desc *d)
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
		if (!spare_allowed(q, free, ipcx_queue_used(q)))
			return false;
		slot = ipcx_slots_grab_empty(&q->slots, &ep->party);
		loan_spare(ep, likely(slot) ? slot : ipcx_slots_grab(&q->slots, &ep->party, 0), d);
		return false;
	}
	slot = ipcx_slots_fit_spare(&q->slots, &ep->party, npages);
	if (!slot || slot->pg.safe < npages)
		return spare_allowed(q, free, ipcx_queue_used(q) + npages);
	if (!spare_allowed(q, free, ipcx_queue_used(q) + slot->pg.npages)) {
		ipcx_party_push(&ep->party, ipcx_slot_index(&q->slots, slot));
		return false;
	}
	ipcx_slot_grab(&q->slots, slot, &ep->party);
	loan_spare(ep, slot, d);
	return false;
}

/*
 * Under the lock: @party has sent a message of @npages, and no slot of its own is there for
 * another. Return: whether this was so often enough in a row, for messages that need half as many
 * at least, for one to be got ready. Never while a free slot fits that another wrote last: that is
 * memory enough, although loans prefer slots of @party's own and may leave that one alone. Each
 * time it takes twice as long, so that in the end pages cost next to nothing.
 */
static bool spare_missed(const struct ipcx_slots *s, struct ipcx_party *party, u32 npages)
{
	if (ipcx_slots_fit(s, npages)) {
		party->missed = 0;
		return false;
	}
	if (!party->missed || npages / 2 > party->missed_pages) {
		party->missed = 0;
		party->missed_pages = npages;
	} else if (npages < party->missed_pages) {
		party->missed_pages = npages;
	}
	if (++party->missed < party->patience)
		return false;
	party->missed = 0;
	party->patience = min(2 * party->patience, IPCX_PATIENCE_MAX);
	return true;
}

/*
 * Gets a slot without pages ready for the next message, see spare_find(). There is no
 * window to take it from, and no memory is waited for, so that a commit does not block.
 * A failure is no matter: then there is no spare.
 *
 * A long one takes the time to zero its pages. If it fails it gives them all back, and waits for
 * who is about to look: a tap that saw the message before in this slot may copy still.
 */
static noinline void spare_make(struct ipcx_endpoint *ep, u32 npages, struct ipcx_desc *d)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot = NULL;
	bool keep;
	u32 free;

	spin_lock(&q->lock);
	if (!ep->party.gone && ipcx_slots_allow(&q->slots, ep->party.credit, 0))
		slot = ipcx_slots_grab_empty(&q->slots, &ep->party);
	if (slot)
		ipcx_slot_set_writer(slot, &ep->party);
	spin_unlock(&q->lock);
	if (!slot)
		return;
	if (npages <= SPARE_PAGES_MAX)
		keep = !ipcx_slot_grow(&q->arena, &slot->pg, npages, IPCX_GFP_NOWAIT);
	else
		keep = !ipcx_slot_grow_spare(&q->arena, &slot->pg, npages);
	spin_lock(&q->lock);
	free = q->slots.count[IPCX_SLOT_FREE];
	keep = keep && !ep->party.gone && (!(d->flags & IPCX_MSG_REQUEST) || free--) &&
	       spare_allowed(q, free, ipcx_queue_used(q));
	if (keep)
		loan_spare(ep, slot, d);
	spin_unlock(&q->lock);
	if (keep)
		return;
	if (npages > SPARE_PAGES_MAX)
		ipcx_slot_trim(&q->arena, &slot->pg, ipcx_slot_index(&q->slots, slot), 0);
	ipcx_slot_release(q, slot);
}

/*
 * Sends @n messages, as by ipcx_message_fetch(). With @loan, or where the queue is sealed, @n
 * is 1. With @loan slot and len become those of a spare, in which IPCX_MSG_REQUEST and _INLINE
 * are heeded. @waiter is of a request, or NULL. Return: how many were sent; if not all, @err is
 * the error of the first that was not, see struct ipcx_queue_commit.
 */
static __always_inline u32 commit_some(struct ipcx_endpoint *ep, struct ipcx_message *m, u32 n,
				       bool loan, struct ipcx_waiter *waiter, int *err)
{
	struct task_struct *taker = NULL;
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot;
	bool freed = false; /* what was kept for a reply */
	u32 i, npages = 0;

	*err = 0;
	spin_lock(&q->lock);
	for (i = 0; i < n; i++) {
		bool request = m[i].d.flags & IPCX_MSG_REQUEST;

		slot = &q->slots.slot[array_index_nospec(m[i].d.slot, q->arena.depth)];
		npages = ipcx_pages_of(slot->len);
		freed |= slot->request && !request;
		*err = loan_commit(ep, slot, &m[i], waiter);
		if (*err)
			break;
		if (unlikely(request)) {
			m[i].d.seq = slot->seq;
			if (slot->state == IPCX_SLOT_QUEUED)
				trace_ipcx_queue_call(q, slot);
		}
	}
	if (i && !list_empty(&q->takers))
		taker = ipcx_queue_serve(q);
	loan = loan && i && spare_find(ep, npages, &m->d);
	if (!loan || npages <= SPARE_PAGES_MAX)
		ep->party.missed = 0;
	else if (waiter || !spare_missed(&q->slots, &ep->party, npages))
		loan = false; /* who waits for an answer has no time for it */
	spin_unlock(&q->lock);
	if (unlikely(!i))
		return 0;
	if (unlikely(freed))
		ipcx_queue_wake_send(q);
	if (taker)
		ipcx_taker_wake(taker);
	ipcx_queue_wake_recv(q, i); /* who polls, or what could not be served */
	if (loan)
		spare_make(ep, npages, &m->d);
	return i;
}

/**
 * ipcx_commit_one() - send one message
 * @ep: the sender
 * @m: the message, as by ipcx_message_fetch(); slot and len become those of the spare, if @loan
 * @loan: bring a spare back, in which IPCX_MSG_REQUEST and _INLINE are heeded
 * @waiter: of a request, or NULL
 *
 * Return: 0 or a negative errno, see struct ipcx_queue_commit.
 */
int ipcx_commit_one(struct ipcx_endpoint *ep, struct ipcx_message *m, bool loan,
		    struct ipcx_waiter *waiter)
{
	int err;

	commit_some(ep, m, 1, loan, waiter, &err);
	return err;
}

/*
 * What is written of entries that were sent, entry @at and those that follow. Return: false if
 * it cannot be: they are sent, and a spare is given back.
 */
static __always_inline bool commit_tell(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
					u32 at, const struct ipcx_message *m, u32 n, bool loan)
{
	bool told = true;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct ipcx_desc *d = &m[i].d;

		if (loan && ipcx_desc_write_some(b, at + i, d, IPCX_DESC_LENT))
			told = false;
		if (unlikely(d->flags & IPCX_MSG_REQUEST) &&
		    ipcx_desc_write_some(b, at + i, d, IPCX_DESC_NUMBER))
			told = false;
	}
	if (unlikely(!told) && loan)
		ipcx_cancel_one(ep, &m->d); /* if it brought one */
	return told;
}

/*
 * Reads entry @at and those that follow, at most @n. Return: how many; where it is not @n, @err
 * is the error of the next, or 0.
 */
static __always_inline u32 commit_read(struct ipcx_queue *q, const struct ipcx_batch *b, u32 at,
				       struct ipcx_message *m, u32 n, u64 inline_data, int *err)
{
	u32 i;
	int wrong;

	n = ipcx_descs_read(b, at, n, &m->d, sizeof(*m), IPCX_DESC_COMMIT, err);
	for (i = 0; i < n; i++) {
		wrong = message_fetch(q, &m[i], inline_data);
		if (unlikely(wrong)) {
			*err = wrong;
			break;
		}
	}
	return i;
}

/* Sends an array message by message: the usual one has one entry, and a spare comes back. */
static __always_inline long commit_each(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
					u64 inline_data, bool loan)
{
	struct ipcx_message m __uninitialized;
	u32 i;
	int err;

	for (i = 0; i < b->count; i++) {
		err = ipcx_desc_read(b, i, &m.d, IPCX_DESC_COMMIT);
		if (!err)
			err = message_fetch(ep->q, &m, inline_data);
		if (!err)
			commit_some(ep, &m, 1, loan, NULL, &err);
		if (err)
			return i ?: err;
		if (!commit_tell(ep, b, i, &m, 1, loan))
			return i + 1;
	}
	return i;
}

/* Sends an array, some messages under one hold of the lock. */
static noinline long commit_all(struct ipcx_endpoint *ep, const struct ipcx_batch *b,
				u64 inline_data)
{
	struct ipcx_message_chunk chunk __uninitialized;
	struct ipcx_message *m = chunk.m;
	int err = 0, unread = 0;
	u32 n, at = 0;

	while (!err && at < b->count) {
		n = min_t(u32, b->count - at, IPCX_CHUNK);
		n = commit_read(ep->q, b, at, m, n, inline_data, &unread);
		if (n)
			n = commit_some(ep, m, n, false, NULL, &err);
		if (!commit_tell(ep, b, at, m, n, false))
			return at + n;
		at += n;
		err = err ?: unread;
	}
	return at ?: err;
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
	struct ipcx_batch b;
	bool loan;
	int err;

	err = ipcx_args_in(&c, sizeof(c), offsetofend(struct ipcx_queue_commit, desc_size),
			   IPCX_COMMIT_VALID_FLAGS, arg);
	if (!err)
		err = ipcx_batch_init(&b, c.descs, c.count, c.desc_size);
	if (err)
		return err;
	loan = c.flags & IPCX_COMMIT_LOAN;
	if (loan || b.count == 1 || ep->q->flags & IPCX_OPEN_SEALED)
		return commit_each(ep, &b, c.inline_data, loan);
	return commit_all(ep, &b, c.inline_data);
}
