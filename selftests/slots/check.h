/* SPDX-License-Identifier: GPL-2.0-only */
/* What must hold between any two steps. */
#ifndef IPCX_SLOTS_CHECK_H
#define IPCX_SLOTS_CHECK_H

/* One slot against its shadow: cheap enough for every step. */
static void check_slot(const struct ipcx_slot *x)
{
	const struct shadow *m = shadow_of(x);

	must(x->state == m->state);
	must(x->writer == m->writer);
	must(x->credit == m->credit);
	must(x->request == m->request && x->reply == m->reply && x->caller == m->caller);
	if (m->state == IPCX_SLOT_LOANED || m->state == IPCX_SLOT_LEASED)
		must(x->holder == m->holder);
	must(!hlist_empty(ipcx_slot_lates(x)) == !!m->late);
	must(x->carries == (m->carries ? IPCX_SLOT_CARRIES : 0));
	must(m->state != IPCX_SLOT_FREE || !(m->late || m->carries));
	if (m->tag)
		must(x->tag == m->tag && x->seq == m->seq && x->prio == m->prio &&
		     x->deliveries == m->deliveries && x->sent == m->sent);
}

static void check_counts(void)
{
	u32 count[IPCX_SLOT_STATES] = { 0 };
	u64 pages = 0, queued = 0, live = 0;

	for (u32 i = 0; i < depth; i++) {
		check_slot(&slot[i]);
		count[slot[i].state]++;
		live += !!shadow[i].tag;
		if (slot[i].state == IPCX_SLOT_FREE)
			pages += slot[i].pg.npages;
		if (slot[i].state == IPCX_SLOT_QUEUED)
			queued += slot[i].pg.npages;
	}
	must(!memcmp(count, s.count, sizeof(count)));
	must(pages == s.free_pages && queued == s.queued_pages);
	must(live == sent - released);
	must(s.seq == sent);
}

/* Free slots that are kept for replies, or will be as soon as they are given back. */
static void check_owed(void)
{
	u32 answers = 0, late = 0, lent = 0;

	for (u32 i = 0; i < depth; i++) {
		answers += shadow[i].state == IPCX_SLOT_LEASED && shadow[i].reply;
		lent += shadow[i].state == IPCX_SLOT_BUSY && !shadow[i].tag;
	}
	for (u32 i = 0; i < PARTIES; i++) {
		must(party[i]->requests == holds(party[i], IPCX_SLOT_LEASED));
		must(party[i]->replies == holds(party[i], IPCX_SLOT_LOANED));
		if (party[i]->replies > party[i]->requests)
			late += party[i]->replies - party[i]->requests;
	}
	must(s.answers == answers && s.owed == owed_replies());
	must(s.owed <= s.count[IPCX_SLOT_FREE] + lent + late);
}

/* Each request that has a caller, and each answer, is in that one's lists. */
static void check_answers(const struct ipcx_party *p, u8 *places)
{
	u32 calls = 0;
	s64 last = INT64_MIN;
	struct ipcx_slot *x;

	list_for_each_entry(x, &p->answers, call) {
		must(x->state == IPCX_SLOT_ANSWERED && x->caller == p);
		must(shadow_of(x)->order > last);
		must(++places[x - slot] == 1);
		last = shadow_of(x)->order;
	}
	list_for_each_entry(x, &p->calls, call) {
		must(x->request && x->caller == p);
		calls++;
	}
	for (u32 i = 0; i < depth; i++)
		calls -= shadow[i].request && shadow[i].caller == p;
	must(!calls);
}

/* Each list holds what it may hold; a BUSY slot is in none, any other in one. */
static void check_lists(void)
{
	u8 places[DEPTH_MAX] = { 0 };
	struct ipcx_slot *x;

	for (u32 b = 0; b < IPCX_BINS; b++) {
		must(hlist_empty(&s.bin[b]) == !(s.bins & 1U << b));
		hlist_for_each_entry(x, &s.bin[b], node) {
			must(x->state == IPCX_SLOT_FREE && fls(x->pg.npages) == (int)b);
			must(++places[x - slot] == 1);
		}
	}
	for (u32 p = 0; p < IPCX_PRIOS; p++) {
		u64 last = 0;

		must(list_empty(&s.fifo[p]) == !(s.prios & 1U << p));
		list_for_each_entry(x, &s.fifo[p], queued) {
			must(x->state == IPCX_SLOT_QUEUED && x->prio == p && x->seq > last);
			must(++places[x - slot] == 1);
			last = x->seq;
		}
	}
	for (u32 i = 0; i < PARTIES; i++) {
		u32 count[IPCX_SLOT_STATES] = { 0 };

		hlist_for_each_entry(x, &party[i]->held, node) {
			must(x->state == IPCX_SLOT_LOANED || x->state == IPCX_SLOT_LEASED);
			must(x->holder == party[i]);
			must(++places[x - slot] == 1);
			count[x->state]++;
		}
		must(!memcmp(count, party[i]->count, sizeof(count)));
		check_answers(party[i], places);
	}
	for (u32 i = 0; i < depth; i++)
		must(places[i] == (slot[i].state != IPCX_SLOT_BUSY));
}

static void check_writers(void)
{
	u32 owned = 0;
	struct ipcx_slot *x;

	for (u32 i = 0; i < depth; i++)
		owned += !!slot[i].writer;
	for (u32 i = 0; i < PARTIES; i++) {
		must(party[i]->spares <= IPCX_SPARES);
		list_for_each_entry(x, &party[i]->own, own) {
			must(x->writer == party[i]);
			must(owned--);
		}
	}
	must(!owned);
}

static void check_all(void)
{
	check_counts();
	check_credits();
	check_owed();
	check_lists();
	check_writers();
}

#endif /* IPCX_SLOTS_CHECK_H */
