/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state machine of a queue's slots. No locks and no kernel calls but list
 * handling, so that it also compiles in user space, where tests exercise it.
 * The caller serialises everything (in the kernel: the queue's lock).
 *
 *            grab            loan              commit            take
 *     FREE --------> BUSY --------> LOANED --------> QUEUED ----------> LEASED
 *      ^               |               |               ^                  |
 *      |      put      |      put      |               |     requeue      |
 *      +---------------+---------------+               +------------------+
 *      ^                                                      put         |
 *      +------------------------------------------------------------------+
 *
 * BUSY is a slot in the hands of one thread inside the kernel: its pages may
 * change, and nobody else can name it. write(2) commits from BUSY, read(2)
 * takes to BUSY, and a message that is given up goes through BUSY to FREE.
 *
 * A reply goes from LOANED, or in the slot of its request from LEASED, to
 * ANSWERED, and from there LEASED to its caller; see request.h.
 */
#ifndef IPCX_SLOTS_H
#define IPCX_SLOTS_H

#include "carry.h"
#include "request.h"

static inline void ipcx_party_init(struct ipcx_party *party)
{
	INIT_HLIST_HEAD(&party->held);
	memset(party->count, 0, sizeof(party->count));
	INIT_LIST_HEAD(&party->own);
	INIT_HLIST_HEAD(&party->late);
	INIT_LIST_HEAD(&party->calls);
	INIT_LIST_HEAD(&party->answers);
	party->requests = 0;
	party->replies = 0;
	party->gone = false;
	party->credit = NULL;
	party->top = 0;
	party->spares = 0;
	party->missed = 0;
	party->missed_pages = 0;
	party->patience = IPCX_PATIENCE;
}

/*
 * As list_add_tail() before @next. It is on the way of every message, and those of
 * list.h call a function where CONFIG_DEBUG_LIST is set; so does list_del(), but not
 * __list_del().
 */
static inline void ipcx_list_add(struct list_head *node, struct list_head *next)
{
	struct list_head *prev = next->prev;

	node->next = next;
	node->prev = prev;
	prev->next = node;
	next->prev = node;
}

static inline void ipcx_list_del(struct list_head *node)
{
	__list_del(node->prev, node->next);
}

static inline u32 ipcx_slot_index(const struct ipcx_slots *s, const struct ipcx_slot *slot)
{
	return slot - s->slot;
}

static inline void ipcx_slot_move(struct ipcx_slots *s, struct ipcx_slot *slot,
				  enum ipcx_slot_state to)
{
	s->count[slot->state]--;
	s->count[to]++;
	slot->state = to;
}

static inline void ipcx_party_push(struct ipcx_party *party, u32 index)
{
	party->spare[party->top++ % IPCX_SPARES] = index;
	if (party->spares < IPCX_SPARES)
		party->spares++;
}

/* Puts a slot that is in no list and in state BUSY, LOANED or LEASED into its bin. */
static inline void ipcx_slot_free(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	u32 b = fls(slot->pg.npages);

	hlist_add_head(&slot->node, &s->bin[b]);
	s->bins |= 1U << b;
	s->free_pages += slot->pg.npages;
	if (slot->writer)
		ipcx_party_push(slot->writer, ipcx_slot_index(s, slot));
	ipcx_slot_move(s, slot, IPCX_SLOT_FREE);
}

/* @slot: array of @depth, zeroed but for the pages, which the caller initialises. */
static inline void ipcx_slots_init(struct ipcx_slots *s, struct ipcx_slot *slot, u32 depth)
{
	u32 i;

	memset(s, 0, sizeof(*s));
	s->slot = slot;
	s->depth = depth;
	ipcx_credits_init(&s->credits);
	for (i = 0; i < IPCX_BINS; i++)
		INIT_HLIST_HEAD(&s->bin[i]);
	for (i = 0; i < IPCX_PRIOS; i++)
		INIT_LIST_HEAD(&s->fifo[i]);
	s->count[IPCX_SLOT_BUSY] = depth;
	for (i = depth; i--;) {
		INIT_LIST_HEAD(&slot[i].own);
		INIT_LIST_HEAD(&slot[i].call);
		slot[i].state = IPCX_SLOT_BUSY;
		ipcx_slot_free(s, &slot[i]);
	}
}

/* FREE -> BUSY: from bin @b, counted for @party, or for nobody if it is NULL. */
static inline void ipcx_slot_unbin(struct ipcx_slots *s, struct ipcx_slot *slot, u32 b,
				   const struct ipcx_party *party)
{
	__hlist_del(&slot->node);
	if (hlist_empty(&s->bin[b]))
		s->bins &= ~(1U << b);
	slot->seq = 0;
	slot->credit = party ? party->credit : NULL;
	ipcx_credit_use(&s->credits, slot->credit);
	ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
}

/* FREE -> BUSY, likewise. */
static inline void ipcx_slot_grab(struct ipcx_slots *s, struct ipcx_slot *slot,
				  const struct ipcx_party *party)
{
	s->free_pages -= slot->pg.npages;
	ipcx_slot_unbin(s, slot, fls(slot->pg.npages), party);
}

/* Enough pages, and not so many that a small message sits on a large slot. */
static inline bool ipcx_slot_fits(const struct ipcx_slot *slot, u32 npages)
{
	return slot->pg.npages >= npages && slot->pg.npages / 2 <= npages;
}

/* A FREE slot that @party wrote last and that fits, or NULL. It is no longer a hint. */
static inline struct ipcx_slot *ipcx_slots_fit_spare(struct ipcx_slots *s, struct ipcx_party *party,
						     u32 npages)
{
	struct ipcx_slot *slot;
	int looked;

	for (looked = 0; party->spares && looked < IPCX_LOOK; looked++) {
		party->spares--;
		slot = &s->slot[party->spare[--party->top % IPCX_SPARES]];
		if (slot->state == IPCX_SLOT_FREE && slot->writer == party &&
		    ipcx_slot_fits(slot, npages))
			return slot;
	}
	return NULL;
}

/* A FREE slot that fits, whoever wrote it last, of the few that are looked at, or NULL. */
static inline struct ipcx_slot *ipcx_slots_fit(const struct ipcx_slots *s, u32 npages)
{
	struct ipcx_slot *slot;
	u32 b, want = fls(npages);

	for (b = want; b < IPCX_BINS && b <= want + 1; b++) {
		int looked = 0;

		hlist_for_each_entry(slot, &s->bin[b], node) {
			if (ipcx_slot_fits(slot, npages))
				return slot;
			if (++looked == IPCX_LOOK)
				break;
		}
	}
	return NULL;
}

/*
 * The best fit in any bin: first one with enough pages but not far too many;
 * else the largest that is too small, for it needs the fewest new pages; else
 * the smallest that is far too large.
 */
static inline struct ipcx_slot *ipcx_slots_fit_any(struct ipcx_slots *s, u32 npages)
{
	struct ipcx_slot *slot = ipcx_slots_fit(s, npages);
	u32 b, below, above;

	if (slot)
		return slot;
	below = s->bins & ((2U << fls(npages)) - 1);
	above = s->bins & ~below;
	if (below)
		b = fls(below) - 1;
	else if (above)
		b = ffs(above) - 1;
	else
		return NULL;
	return hlist_entry(s->bin[b].first, struct ipcx_slot, node);
}

/*
 * Is there a FREE slot that @credit's user may have, beside those kept for replies and
 * @more? NULL is the kernel.
 */
static inline bool ipcx_slots_allow(const struct ipcx_slots *s, const struct ipcx_credit *credit,
				    u32 more)
{
	u32 free = s->count[IPCX_SLOT_FREE], keep = s->owed + more;

	return free > keep && ipcx_credits_allow(&s->credits, credit, free - keep);
}

/* FREE -> BUSY: the best slot for @party to write @npages pages, or for the kernel, or NULL. */
static inline struct ipcx_slot *ipcx_slots_grab(struct ipcx_slots *s, struct ipcx_party *party,
						u32 npages)
{
	struct ipcx_slot *slot = party ? ipcx_slots_fit_spare(s, party, npages) : NULL;

	if (!slot)
		slot = ipcx_slots_fit_any(s, npages);
	if (slot)
		ipcx_slot_grab(s, slot, party);
	return slot;
}

/* FREE -> BUSY: a slot with as many pages as any, or NULL when no FREE slot has one. */
static inline struct ipcx_slot *ipcx_slots_grab_pages(struct ipcx_slots *s)
{
	struct ipcx_slot *slot;
	u32 b = fls(s->bins);

	if (b <= 1)
		return NULL;
	slot = hlist_entry(s->bin[b - 1].first, struct ipcx_slot, node);
	ipcx_slot_grab(s, slot, NULL);
	return slot;
}

/* FREE -> BUSY: a slot without pages for @party, which may have one, or NULL. */
static inline struct ipcx_slot *ipcx_slots_grab_empty(struct ipcx_slots *s,
						      const struct ipcx_party *party)
{
	struct ipcx_slot *slot;

	if (!(s->bins & 1))
		return NULL;
	slot = hlist_entry(s->bin[0].first, struct ipcx_slot, node);
	ipcx_slot_unbin(s, slot, 0, party);
	return slot;
}

/* BUSY: it is @credit's user from now on whose use of the slot counts. */
static inline void ipcx_slot_charge(struct ipcx_slots *s, struct ipcx_slot *slot,
				    struct ipcx_credit *credit)
{
	ipcx_credit_done(&s->credits, slot->credit);
	slot->credit = credit;
	ipcx_credit_use(&s->credits, credit);
}

/* BUSY: from now on only @party's TX window may show the slot, or no window if it is NULL. */
static inline void ipcx_slot_set_writer(struct ipcx_slot *slot, struct ipcx_party *party)
{
	WRITE_ONCE(slot->writer, party);
	if (party)
		list_move(&slot->own, &party->own);
	else
		list_del_init(&slot->own);
}

/* BUSY -> LOANED: @len bytes to write. */
static inline void ipcx_slot_loan(struct ipcx_slots *s, struct ipcx_slot *slot,
				  struct ipcx_party *party, u64 len)
{
	slot->holder = party;
	slot->since = jiffies;
	slot->len = len;
	hlist_add_head(&slot->node, &party->held);
	party->count[IPCX_SLOT_LOANED]++;
	ipcx_slot_move(s, slot, IPCX_SLOT_LOANED);
}

/* LOANED or LEASED: out of its holder's hands, in no list. */
static inline void ipcx_slot_unhold(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	if (slot->state == IPCX_SLOT_BUSY)
		return;
	__hlist_del(&slot->node);
	slot->holder->count[slot->state]--;
	if (unlikely(slot->request | slot->reply))
		ipcx_request_unhold(s, slot);
	slot->holder = NULL;
}

/* BUSY, LOANED or LEASED, unheld -> FREE, or -> BUSY until the last overdue reader is gone. */
static inline void ipcx_slot_let_go(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	ipcx_credit_done(&s->credits, slot->credit);
	slot->credit = NULL;
	if (hlist_empty(&slot->late)) {
		ipcx_slot_free(s, slot);
		return;
	}
	slot->ended = true;
	ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
}

/* BUSY, LOANED or LEASED: likewise. */
static inline void ipcx_slot_put(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	ipcx_slot_unhold(s, slot);
	ipcx_request_end(s, slot);
	ipcx_slot_spend(slot);
	ipcx_slot_let_go(s, slot);
}

/* The same, of no request and what carries nothing. */
static inline void ipcx_slot_put_plain(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	ipcx_slot_unhold(s, slot);
	ipcx_slot_let_go(s, slot);
}

/* LOANED or LEASED -> BUSY: the loan may go on later. */
static inline void ipcx_slot_recall(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	ipcx_slot_unhold(s, slot);
	ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
}

/* In the FIFO of its priority now: -> QUEUED. */
static inline void ipcx_slot_queue(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	s->prios |= 1U << slot->prio;
	s->queued_pages += slot->pg.npages;
	ipcx_slot_move(s, slot, IPCX_SLOT_QUEUED);
}

/* BUSY or LOANED: the next message, whatever becomes of it. */
static inline void ipcx_slot_number(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	slot->seq = ++s->seq;
}

/* BUSY or LOANED -> QUEUED: last of its priority. */
static __always_inline void ipcx_slot_commit(struct ipcx_slots *s, struct ipcx_slot *slot, u64 len,
					     u8 prio)
{
	ipcx_slot_unhold(s, slot);
	slot->len = len;
	slot->prio = prio;
	slot->deliveries = 0;
	slot->sent = jiffies;
	s->bytes += len;
	ipcx_slot_number(s, slot);
	ipcx_list_add(&slot->queued, &s->fifo[prio]);
	ipcx_slot_queue(s, slot);
}

/* The message that is next, or NULL. */
static inline struct ipcx_slot *ipcx_slots_first(struct ipcx_slots *s)
{
	if (!s->prios)
		return NULL;
	return list_first_entry(&s->fifo[fls(s->prios) - 1], struct ipcx_slot, queued);
}

/*
 * The message that can be missed best, or NULL: the first of the lowest priority,
 * but not the only one of another user than @by.
 */
static inline struct ipcx_slot *ipcx_slots_oldest(struct ipcx_slots *s,
						  const struct ipcx_credit *by)
{
	struct ipcx_slot *slot;
	u32 prios;

	for (prios = s->prios; prios; prios &= prios - 1)
		list_for_each_entry(slot, &s->fifo[ffs(prios) - 1], queued)
			if (!ipcx_credit_spared(slot->credit, by))
				return slot;
	return NULL;
}

static inline void ipcx_slot_dequeue(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	ipcx_list_del(&slot->queued);
	s->queued_pages -= slot->pg.npages;
	if (slot->queued.next == slot->queued.prev) /* nothing but the head was left */
		s->prios &= ~(1U << slot->prio);
}

/* A message in no list, -> LEASED to @party. */
static inline void ipcx_slot_lease(struct ipcx_slots *s, struct ipcx_slot *slot,
				   struct ipcx_party *party)
{
	slot->holder = party;
	slot->since = jiffies;
	hlist_add_head(&slot->node, &party->held);
	party->count[IPCX_SLOT_LEASED]++;
	if (unlikely(slot->request))
		ipcx_request_held(s, party, 1);
	ipcx_slot_move(s, slot, IPCX_SLOT_LEASED);
}

/* QUEUED -> LEASED to @party, or -> BUSY when @party is NULL. */
static inline void ipcx_slot_take(struct ipcx_slots *s, struct ipcx_slot *slot,
				  struct ipcx_party *party)
{
	ipcx_slot_dequeue(s, slot);
	if (party)
		ipcx_slot_lease(s, slot, party);
	else
		ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
}

/*
 * The next message -> LEASED to @party, or -> BUSY when @party is NULL.
 * Return: 0, -EAGAIN when there is none, -EMSGSIZE when it is longer than @len_max.
 */
static inline int ipcx_slots_next(struct ipcx_slots *s, struct ipcx_party *party, u64 len_max,
				  struct ipcx_slot **slot)
{
	struct ipcx_slot *first = ipcx_slots_first(s);

	if (!first)
		return -EAGAIN;
	if (first->len > len_max)
		return -EMSGSIZE;
	ipcx_slot_take(s, first, party);
	*slot = first;
	return 0;
}

/* Is @slot further from the first of @fifo than from the last, by number? */
static inline bool ipcx_slot_is_late(const struct ipcx_slot *slot, struct list_head *fifo)
{
	u64 first = list_first_entry(fifo, struct ipcx_slot, queued)->seq;
	u64 last = list_last_entry(fifo, struct ipcx_slot, queued)->seq;

	return slot->seq > last || (slot->seq > first && slot->seq - first > last - slot->seq);
}

/*
 * BUSY or LEASED -> QUEUED: where its priority has it in order of seq, which is
 * at the front but for others that came back.
 * Return: how many slots were looked at to find the place.
 */
static inline u32 ipcx_slot_requeue(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	struct list_head *fifo = &s->fifo[slot->prio];
	struct list_head *pos = fifo;
	u32 steps = 1;

	ipcx_slot_unhold(s, slot);
	if (!list_empty(fifo) && ipcx_slot_is_late(slot, fifo)) {
		while (list_entry(pos->prev, struct ipcx_slot, queued)->seq > slot->seq) {
			pos = pos->prev;
			steps++;
		}
	} else {
		list_for_each(pos, fifo) {
			if (list_entry(pos, struct ipcx_slot, queued)->seq > slot->seq)
				break;
			steps++;
		}
	}
	ipcx_list_add(&slot->queued, pos);
	ipcx_slot_queue(s, slot);
	return steps;
}

/*
 * LEASED: the message was delivered in vain. -> QUEUED, or after the last of
 * @max deliveries (0: no limit) -> BUSY, to be given up.
 * Return: how many slots were looked at.
 */
static inline u32 ipcx_slot_return(struct ipcx_slots *s, struct ipcx_slot *slot, u32 max)
{
	slot->deliveries++;
	if (!max || slot->deliveries < max)
		return ipcx_slot_requeue(s, slot);
	ipcx_slot_unhold(s, slot);
	ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
	return 1;
}

/* Is @slot in @state and in @party's hands? */
static inline bool ipcx_slot_held(const struct ipcx_slot *slot, enum ipcx_slot_state state,
				  const struct ipcx_party *party)
{
	return slot->state == state && slot->holder == party;
}

/*
 * @party is gone. Takes the next of its slots back: a loan or an answer -> FREE, a
 * message as by ipcx_slot_return(). The latest first, so that each usually goes to the very front.
 * @steps grows by the slots looked at. Return: the slot, or NULL when nothing is left.
 */
static inline struct ipcx_slot *ipcx_party_reap(struct ipcx_slots *s, struct ipcx_party *party,
						u32 max, u32 *steps)
{
	struct ipcx_slot *slot;

	if (hlist_empty(&party->held))
		return NULL;
	slot = hlist_entry(party->held.first, struct ipcx_slot, node);
	if (slot->state == IPCX_SLOT_LOANED || slot->reply) {
		ipcx_slot_put(s, slot);
		++*steps;
	} else {
		*steps += ipcx_slot_return(s, slot, max);
	}
	return slot;
}

/*
 * @party is gone and holds nothing. The next slot of which it was the writer
 * has none. Return: false when nothing is left.
 */
static inline bool ipcx_party_disown(struct ipcx_party *party)
{
	struct ipcx_slot *slot;

	if (list_empty(&party->own))
		return false;
	slot = list_first_entry(&party->own, struct ipcx_slot, own);
	list_del_init(&slot->own);
	WRITE_ONCE(slot->writer, NULL);
	return true;
}

/* BUSY -> ANSWERED: last of what @caller has not taken. */
static inline void ipcx_slot_answer(struct ipcx_slots *s, struct ipcx_slot *slot,
				    struct ipcx_party *caller)
{
	slot->caller = caller;
	list_add_tail(&slot->call, &caller->answers);
	ipcx_slot_move(s, slot, IPCX_SLOT_ANSWERED);
}

/* ANSWERED -> BUSY */
static inline void ipcx_answer_grab(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	slot->caller = NULL;
	list_del_init(&slot->call);
	ipcx_slot_move(s, slot, IPCX_SLOT_BUSY);
}

/* BUSY -> LEASED to @party, as an answer. */
static inline void ipcx_answer_lease(struct ipcx_slots *s, struct ipcx_slot *slot,
				     struct ipcx_party *party)
{
	slot->lease_ends = 0;
	ipcx_slot_lease(s, slot, party);
	slot->reply = true;
	s->answers++;
}

/* LEASED, as an answer -> ANSWERED: first of what its holder has not taken. */
static inline void ipcx_answer_return(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	struct ipcx_party *party = slot->holder;

	ipcx_slot_unhold(s, slot);
	slot->caller = party;
	list_add(&slot->call, &party->answers);
	ipcx_slot_move(s, slot, IPCX_SLOT_ANSWERED);
}

/* BUSY -> LOANED to @party, which holds a request, for a reply of @len bytes. */
static inline void ipcx_slot_loan_reply(struct ipcx_slots *s, struct ipcx_slot *slot,
					struct ipcx_party *party, u64 len)
{
	ipcx_slot_loan(s, slot, party, len);
	slot->reply = true;
	ipcx_party_owe(s, party, 0, 1);
}

#endif /* IPCX_SLOTS_H */
