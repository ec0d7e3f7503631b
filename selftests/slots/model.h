/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slots' state machine in user space: what it needs of the kernel, a model
 * of it that is too slow and too simple to be wrong, and steps that do the same
 * to both and compare. The drivers decide which steps.
 *
 * The model knows no lists: each slot says where it is, and what is next is
 * searched for in all of them.
 */
#ifndef IPCX_SLOTS_MODEL_H
#define IPCX_SLOTS_MODEL_H

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/list.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef struct {
	u32 val;
} kuid_t, kgid_t;
typedef int64_t s64;

struct pid;
struct ipcx_slot_pages {
	u32 npages;
};

static inline int fls(u32 x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

#define ffs(x) __builtin_ffs(x)

static unsigned long jiffies;

#include "../../kmod/late.h"

#define DEPTH_MAX 24
#define PARTIES 4
#define USERS 3
#define GRAVES 64
#define LATE_MAX 8

/* The drivers'. pick(): a number below @n. failed(): does not return. */
static u32 pick(u32 n);
static void failed(const char *what, int line);

#define must(cond) \
	do { \
		if (!(cond)) \
			failed(#cond, __LINE__); \
	} while (0)

/**
 * struct shadow - what a slot must be
 * @state: enum ipcx_slot_state
 * @holder: the party it must be held by, or NULL
 * @writer: the party that wrote it last, or NULL
 * @credit: of the user whose it is from loan to release, or NULL
 * @tag: of the message in it, 0 for none; no two messages have the same
 * @seq: of that message
 * @prio: likewise
 * @deliveries: likewise
 * @sent: when it was sent first
 * @late: how many overdue leases there are on it
 * @caller: who waits for the answer to the request in it, or whose the answer in it is
 * @request: it is to be answered, or on loan for such a message
 * @reply: LOANED: for a reply; LEASED: as an answer
 * @carries: what is in @carried of the slot goes with the message
 * @order: ANSWERED: the lowest of the caller's is the first
 */
struct shadow {
	enum ipcx_slot_state state;
	struct ipcx_party *holder;
	struct ipcx_party *writer;
	struct ipcx_credit *credit;
	u64 tag;
	u64 seq;
	u8 prio;
	u32 deliveries;
	u32 sent;
	u32 late;
	struct ipcx_party *caller;
	bool request;
	bool reply;
	bool carries;
	s64 order;
};

static struct ipcx_slots s;
static struct ipcx_slot slot[DEPTH_MAX];
static struct shadow shadow[DEPTH_MAX];
static struct ipcx_party graves[GRAVES];
static u32 next_grave;
static struct ipcx_party *party[PARTIES];
static struct ipcx_credit credit[USERS]; /* in the order in which they came */
static u32 depth;
static u32 max_deliveries;
static u64 sent, released; /* messages */
static struct ipcx_late late[LATE_MAX];
static struct ipcx_carried carried[DEPTH_MAX];

static struct shadow *shadow_of(const struct ipcx_slot *x)
{
	must(x >= slot && x < slot + depth);
	return &shadow[x - slot];
}

/* Called where that is over. */
void ipcx_carried_spend(struct ipcx_carried *c)
{
	must(c >= carried && c < carried + depth && shadow[c - carried].carries);
	shadow[c - carried].carries = false;
}

#include "users.h"

static void model_init(u32 slots)
{
	depth = slots;
	max_deliveries = pick(2) ? 0 : 1 + pick(3);
	sent = 0;
	released = 0;
	memset(slot, 0, depth * sizeof(slot[0]));
	memset(shadow, 0, depth * sizeof(shadow[0]));
	memset(late, 0, sizeof(late));
	memset(credit, 0, sizeof(credit));
	ipcx_slots_init(&s, slot, depth);
	for (int i = 0; i < USERS; i++)
		list_add_tail(&credit[i].node, &s.credits.list);
	for (int i = 0; i < PARTIES; i++)
		party[i] = party_new(i);
}

#include "check.h"

static struct ipcx_slot *any(enum ipcx_slot_state state)
{
	u32 at = pick(depth);

	for (u32 i = 0; i < depth; i++)
		if (shadow[(at + i) % depth].state == state)
			return &slot[(at + i) % depth];
	return NULL;
}

/* What the slots were told to do with @x, done to its shadow. */
static void moved(struct ipcx_slot *x, enum ipcx_slot_state to, struct ipcx_party *holder)
{
	struct shadow *m = shadow_of(x);

	m->state = to;
	m->holder = holder;
	if (to == IPCX_SLOT_FREE) {
		m->credit = NULL;
		m->request = false;
		m->reply = false;
	}
	check_slot(x);
}

/* What was in @x is over. It is FREE, unless somebody may still be reading. */
static void ended(struct ipcx_slot *x)
{
	struct shadow *m = shadow_of(x);

	if (m->tag)
		released++;
	m->tag = 0;
	m->credit = NULL;
	m->request = false;
	m->reply = false;
	moved(x, m->late ? IPCX_SLOT_BUSY : IPCX_SLOT_FREE, NULL);
}

#include "requests.h"

static void put(struct ipcx_slot *x)
{
	if (x->ended) /* in nobody's hands */
		return;
	if (fail(x))
		return;
	if (x->request | x->carries)
		ipcx_slot_put(&s, x);
	else
		ipcx_slot_put_plain(&s, x);
	ended(x);
}

static void requeue(struct ipcx_slot *x, bool again)
{
	u32 queued = s.count[IPCX_SLOT_QUEUED];

	if (again) {
		x->deliveries++;
		shadow_of(x)->deliveries++;
	}
	must(ipcx_slot_requeue(&s, x) <= queued + 1);
	moved(x, IPCX_SLOT_QUEUED, NULL);
}

static void discard(struct ipcx_slot *x)
{
	ipcx_slot_number(&s, x);
	ipcx_slot_put(&s, x);
	sent++;
	released++;
	moved(x, IPCX_SLOT_FREE, NULL);
}

static void commit(struct ipcx_slot *x, u64 len, u8 prio)
{
	struct shadow *m = shadow_of(x);

	x->tag = ++sent;
	m->sent = ++jiffies;
	ipcx_slot_commit(&s, x, len, prio);
	m->tag = sent;
	m->seq = sent;
	m->prio = prio;
	m->deliveries = 0;
	moved(x, IPCX_SLOT_QUEUED, NULL);
}

/* BUSY to LOANED, as a sender does: the pages it needs, no longer the old writer's. */
static void loan(struct ipcx_slot *x, struct ipcx_party *p, u32 pages)
{
	if (x->writer != p) {
		ipcx_slot_set_writer(x, p);
		shadow_of(x)->writer = p;
	}
	if (x->pg.npages < pages)
		x->pg.npages = pages;
	ipcx_slot_loan(&s, x, p, pages);
	if (sent % 3 == 0 && !x->carries) {
		ipcx_slot_carry(x, &carried[x - slot]);
		shadow_of(x)->carries = true;
	}
	moved(x, IPCX_SLOT_LOANED, p);
}

static u32 pages(void)
{
	static const u16 some[] = { 0, 1, 1, 2, 3, 5, 17, 1000 };

	return some[pick(8)];
}

/* FREE to BUSY, for @p or for the kernel. */
static void grabbed(struct ipcx_slot *x, const struct ipcx_party *p)
{
	must(shadow_of(x)->state == IPCX_SLOT_FREE);
	shadow_of(x)->credit = p ? p->credit : NULL;
	moved(x, IPCX_SLOT_BUSY, NULL);
}

static void step_loan(struct ipcx_party *p)
{
	bool allowed = may_have(p->credit, 0);
	u32 n = pages();
	struct ipcx_slot *x = ipcx_slots_allow(&s, p->credit, 0) ? ipcx_slots_grab(&s, p, n) : NULL;

	must(!x == !allowed);
	if (!x)
		return;
	grabbed(x, p);
	if (pick(8))
		loan(x, p, n);
	else if (pick(2))
		put(x);
	else
		commit(x, n, pick(IPCX_PRIOS));
}

/* A slot that the party wrote last, or none. */
static void step_spare(struct ipcx_party *p)
{
	u32 n = pages();
	struct ipcx_slot *x = may_have(p->credit, 0) ? ipcx_slots_fit_spare(&s, p, n) : NULL;

	if (!x)
		return;
	must(shadow_of(x)->writer == p);
	must(x->pg.npages >= n);
	ipcx_slot_grab(&s, x, p);
	grabbed(x, p);
	loan(x, p, n);
}

static void step_trim(void)
{
	struct ipcx_slot *x = ipcx_slots_grab_pages(&s);
	u32 most = 0;

	for (u32 i = 0; i < depth; i++)
		if (shadow[i].state == IPCX_SLOT_FREE && slot[i].pg.npages > most)
			most = slot[i].pg.npages;
	must(!x == !most);
	if (!x)
		return;
	must(fls(x->pg.npages) == fls(most));
	grabbed(x, NULL);
	x->pg.npages /= 2;
	if (pick(2))
		put(x); /* else it stays BUSY for a while */
}

/* What the model would deliver: the highest priority, then the lowest number. */
static struct ipcx_slot *model_next(void)
{
	struct shadow *best = NULL;

	for (struct shadow *m = shadow; m < shadow + depth; m++)
		if (m->state == IPCX_SLOT_QUEUED && (!best || m->prio > best->prio ||
						     (m->prio == best->prio && m->seq < best->seq)))
			best = m;
	return best ? &slot[best - shadow] : NULL;
}

static void take(struct ipcx_party *p, u64 len_max)
{
	struct ipcx_slot *want = model_next(), *x = NULL;
	int err = ipcx_slots_next(&s, p, len_max, &x);

	if (!want || want->len > len_max) {
		must(err == (want ? -EMSGSIZE : -EAGAIN));
		return;
	}
	must(!err && x == want);
	moved(x, p ? IPCX_SLOT_LEASED : IPCX_SLOT_BUSY, p);
}

static void give_back(struct ipcx_slot *x)
{
	if (!x)
		return;
	if (!shadow_of(x)->tag || pick(2))
		put(x);
	else
		requeue(x, pick(2));
}

/* What must have become of a message that was delivered in vain. */
static void returned(struct ipcx_slot *x)
{
	struct shadow *m = shadow_of(x);
	bool poison = max_deliveries && ++m->deliveries >= max_deliveries;

	if (!max_deliveries)
		m->deliveries++;
	moved(x, poison ? IPCX_SLOT_BUSY : IPCX_SLOT_QUEUED, NULL);
	if (poison)
		put(x);
}

static void step_return(void)
{
	struct ipcx_slot *x = any(IPCX_SLOT_LEASED);
	struct ipcx_late *l = NULL;

	if (!x)
		return;
	if (x->reply) {
		answer_return(x);
		return;
	}
	for (u32 i = 0; i < LATE_MAX; i++)
		if (!late[i].party)
			l = &late[i];
	if (!l || pick(2)) {
		must(ipcx_slot_return(&s, x, max_deliveries) >= 1);
	} else {
		bool again = ipcx_slot_late(x, x->holder);

		must(ipcx_slot_overdue(&s, x, l, max_deliveries) == !again);
		shadow_of(x)->late++;
	}
	returned(x);
}

/* @all: what the party gives back, or one. */
static void end_late(struct ipcx_late *l, bool all)
{
	u64 n = all ? l->n : 1;
	struct ipcx_slot *x = l->slot;
	struct shadow *m = shadow_of(x);
	bool last = x->ended && m->late == n;

	must(l->n && ipcx_slot_late(x, l->party) == l);
	if (all)
		ipcx_late_end(&s, l);
	else
		all = ipcx_late_give_back(&s, l);
	must(all == !ipcx_slot_late(x, l->party));
	if (all)
		l->party = NULL;
	m->late -= n;
	if (last)
		moved(x, IPCX_SLOT_FREE, NULL);
	check_slot(x);
}

static void step_end_late(void)
{
	struct ipcx_late *l = &late[pick(LATE_MAX)];

	if (l->party)
		end_late(l, false);
}

/* It is the oldest of the lowest priority that goes. */
static void step_drop(const struct ipcx_credit *by)
{
	struct ipcx_slot *x = ipcx_slots_oldest(&s, by);

	must(!x || may_drop(shadow_of(x), by));
	for (u32 i = 0; i < depth; i++)
		must(!may_drop(&shadow[i], by) ||
		     (x && (shadow[i].prio > x->prio ||
			    (shadow[i].prio == x->prio && shadow[i].seq >= x->seq))));
	if (!x)
		return;
	ipcx_slot_take(&s, x, NULL);
	moved(x, IPCX_SLOT_BUSY, NULL);
	put(x);
}

#include "request_steps.h"

/* The party's slots come back, and its memory goes. */
static void step_death(u32 i)
{
	struct ipcx_party *p = party[i];
	u32 looked = 0, before = 0;
	struct ipcx_slot *x;

	while ((x = ipcx_party_reap(&s, p, max_deliveries, &looked))) {
		struct shadow *m = shadow_of(x);

		must(m->holder == p && looked > before);
		before = looked;
		if (m->tag)
			returned(x);
		else
			ended(x);
	}
	step_end_calls(p);
	for (u32 j = 0; j < LATE_MAX; j++)
		if (late[j].party == p)
			end_late(&late[j], true);
	must(hlist_empty(&p->late));
	while (ipcx_party_disown(p))
		;
	for (u32 j = 0; j < depth; j++) {
		if (shadow[j].writer == p)
			shadow[j].writer = NULL;
		must(shadow[j].holder != p);
	}
	ipcx_credit_leave(&s.credits, p->credit);
	ASAN_POISON_MEMORY_REGION(p, sizeof(*p));
	party[i] = party_new(i);
}

static void step(void)
{
	u32 op = pick(32), i = pick(PARTIES);
	struct ipcx_slot *x = NULL;

	switch (op) {
	case 0 ... 3:
		step_loan(party[i]);
		break;
	case 4 ... 6:
		x = any(IPCX_SLOT_LOANED);
		if (x && !x->reply) {
			may_request(x, pick(3));
			commit(x, x->len, pick(3) ? 0 : pick(IPCX_PRIOS));
		}
		break;
	case 7:
		x = any(IPCX_SLOT_LOANED);
		if (x && (x->reply || pick(2)))
			put(x);
		else if (x)
			discard(x);
		break;
	case 8 ... 9:
		take(party[i], pick(8) ? UINT64_MAX : 0);
		break;
	case 10:
		take(NULL, UINT64_MAX);
		break;
	case 11 ... 12:
		give_back(any(pick(3) ? IPCX_SLOT_LEASED : IPCX_SLOT_BUSY));
		break;
	case 13:
		step_trim();
		break;
	case 14:
		step_spare(party[i]);
		break;
	case 15:
		if (!pick(8))
			step_death(i);
		break;
	case 16 ... 17:
		step_return();
		break;
	case 18:
		step_end_late();
		break;
	case 19:
		step_drop(pick(4) ? party[i]->credit : NULL);
		break;
	case 20:
		step_loan_request(party[i]);
		break;
	case 21 ... 22:
		step_loan_reply(i);
		break;
	case 23 ... 24:
		step_reply();
		break;
	case 25:
		step_answer(party[i]);
		break;
	case 26:
		step_give_up(party[i]);
		break;
	case 27 ... 31: /* or most slots would be in nobody's hands most of the time */
		give_back(any(IPCX_SLOT_BUSY));
		break;
	}
}

/* Everybody leaves; what was sent and not released comes out, in order, and all is free. */
static void model_end(void)
{
	struct ipcx_slot *x;

	check_all();
	for (u32 i = 0; i < PARTIES; i++)
		step_death(i);
	for (u32 i = 0; i < depth; i++)
		if (shadow[i].state == IPCX_SLOT_BUSY)
			put(&slot[i]);
	while ((x = model_next())) {
		take(NULL, UINT64_MAX);
		put(x);
	}
	must(s.count[IPCX_SLOT_FREE] == depth && sent == released && !s.owed);
	check_all();
}

#endif /* IPCX_SLOTS_MODEL_H */
