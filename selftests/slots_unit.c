// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots' state machine in user space, under sanitizers: random operations,
 * and after each of them every invariant looked at the slow way.
 */
#include <errno.h>
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
typedef struct { u32 val; } kuid_t, kgid_t;

struct pid;
struct ipcx_slot_pages {
	u32 npages;
};

static inline int fls(u32 x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int ffs_(u32 x)
{
	return __builtin_ffs(x);
}

#define ffs ffs_

#include "../kmod/slots.h"

#define DEPTH	24
#define PARTIES	4

static struct ipcx_slots s;
static struct ipcx_slot slot[DEPTH];
static struct ipcx_party party[PARTIES];
static u64 steps;

#define must(cond)								\
	do {									\
		if (!(cond)) {							\
			printf("not ok 1 slots: %s, line %d, step %llu\n", #cond, __LINE__, \
			       (unsigned long long)steps);			\
			exit(1);						\
		}								\
	} while (0)

static u32 length(struct hlist_head *head)
{
	struct hlist_node *p;
	u32 n = 0;

	hlist_for_each(p, head)
		n++;
	return n;
}

static void check_counts(void)
{
	u32 count[IPCX_SLOT_STATES] = { 0 }, sum = 0;
	u64 pages = 0;

	for (int i = 0; i < DEPTH; i++) {
		count[slot[i].state]++;
		if (slot[i].state == IPCX_SLOT_FREE)
			pages += slot[i].pg.npages;
	}
	for (int i = 0; i < IPCX_SLOT_STATES; i++) {
		must(count[i] == s.count[i]);
		sum += s.count[i];
	}
	must(sum == DEPTH);
	must(pages == s.free_pages);
}

static void check_lists(void)
{
	u32 n = 0;

	for (int b = 0; b < IPCX_BINS; b++) {
		must(hlist_empty(&s.bin[b]) == !(s.bins & 1U << b));
		n += length(&s.bin[b]);
	}
	must(n == s.count[IPCX_SLOT_FREE]);
	n = 0;
	for (int p = 0; p < IPCX_PRIOS; p++) {
		struct ipcx_slot *x;
		u64 last = 0;

		must(list_empty(&s.fifo[p]) == !(s.prios & 1U << p));
		list_for_each_entry(x, &s.fifo[p], queued) {
			must(x->state == IPCX_SLOT_QUEUED && x->prio == p);
			must(x->seq > last);
			last = x->seq;
			n++;
		}
	}
	must(n == s.count[IPCX_SLOT_QUEUED]);
}

static void check_parties(void)
{
	u32 held = 0, owned = 0;

	for (int i = 0; i < DEPTH; i++)
		owned += !!slot[i].writer;
	for (int i = 0; i < PARTIES; i++) {
		struct ipcx_slot *x;

		must(party[i].spares <= IPCX_SPARES);
		hlist_for_each_entry(x, &party[i].held, node) {
			must(x->holder == &party[i]);
			must(x->state == IPCX_SLOT_LOANED || x->state == IPCX_SLOT_LEASED);
			held++;
		}
		list_for_each_entry(x, &party[i].own, own) {
			must(x->writer == &party[i]);
			owned--;
		}
	}
	must(!owned);
	must(held == s.count[IPCX_SLOT_LOANED] + s.count[IPCX_SLOT_LEASED]);
}

static struct ipcx_slot *any(enum ipcx_slot_state state)
{
	u32 at = random() % DEPTH;

	for (u32 i = 0; i < DEPTH; i++)
		if (slot[(at + i) % DEPTH].state == state)
			return &slot[(at + i) % DEPTH];
	return NULL;
}

static void do_loan(struct ipcx_party *p)
{
	u32 pages = random() % 3 ? random() % 4 : random() % 1000;
	struct ipcx_slot *x = ipcx_slots_grab(&s, p, pages);

	must(!x == !s.count[IPCX_SLOT_FREE] || x);
	if (!x)
		return;
	if (x->writer != p)
		ipcx_slot_set_writer(x, p);
	if (x->pg.npages < pages)
		x->pg.npages = pages;
	if (random() % 8)
		ipcx_slot_loan(&s, x, p, pages * 4096ULL);
	else if (random() % 2)
		ipcx_slot_put(&s, x);
	else
		ipcx_slot_commit(&s, x, 1, random() % IPCX_PRIOS);
}

/* It must be the oldest of the highest priority. */
static void do_take(struct ipcx_party *p)
{
	u64 len_max = random() % 8 ? ~0ULL : 0;
	u32 queued = s.count[IPCX_SLOT_QUEUED];
	struct ipcx_slot *x = NULL;
	int err;

	if (!(random() % 8))
		p = NULL;
	err = ipcx_slots_next(&s, p, len_max, &x);
	must((err == -EAGAIN) == !queued && !err == !!x);
	if (err)
		return;
	must(x->len <= len_max && x->state == (p ? IPCX_SLOT_LEASED : IPCX_SLOT_BUSY));
	for (int i = 0; i < DEPTH; i++)
		if (slot[i].state == IPCX_SLOT_QUEUED)
			must(slot[i].prio < x->prio || (slot[i].prio == x->prio && slot[i].seq >= x->seq));
	if (p)
		return;
	if (random() % 2)
		ipcx_slot_put(&s, x);
	else
		ipcx_slot_requeue(&s, x);
}

static void do_death(struct ipcx_party *p)
{
	u32 looked = 0;

	while (ipcx_party_reap(&s, p, &looked))
		;
	while (ipcx_party_disown(p))
		;
	must(hlist_empty(&p->held) && list_empty(&p->own));
}

static void step(void)
{
	struct ipcx_party *p = &party[random() % PARTIES];
	struct ipcx_slot *x;

	switch (random() % 16) {
	case 0 ... 4:
		do_loan(p);
		break;
	case 5 ... 7:
		x = any(IPCX_SLOT_LOANED);
		if (x)
			ipcx_slot_commit(&s, x, x->len, random() % 3 ? 0 : random() % IPCX_PRIOS);
		break;
	case 8:
		x = any(IPCX_SLOT_LOANED);
		if (x)
			ipcx_slot_put(&s, x);
		break;
	case 9 ... 11:
		do_take(p);
		break;
	case 12:
		x = any(IPCX_SLOT_LEASED);
		if (x)
			ipcx_slot_put(&s, x);
		break;
	case 13:
		x = any(IPCX_SLOT_LEASED);
		if (x)
			ipcx_slot_requeue(&s, x);
		break;
	case 14:
		x = ipcx_slots_grab_pages(&s);
		if (x) {
			must(x->pg.npages);
			x->pg.npages /= 2;
			ipcx_slot_put(&s, x);
		}
		break;
	case 15:
		if (random() % 20 == 0)
			do_death(p);
		break;
	}
}

int main(int argc, char **argv)
{
	u64 n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;

	srandom(argc > 2 ? atoi(argv[2]) : 1);
	for (int i = 0; i < PARTIES; i++)
		ipcx_party_init(&party[i]);
	ipcx_slots_init(&s, slot, DEPTH);
	for (steps = 0; steps < n; steps++) {
		step();
		check_counts();
		check_lists();
		check_parties();
	}
	for (int i = 0; i < PARTIES; i++)
		do_death(&party[i]);
	check_counts();
	must(!s.count[IPCX_SLOT_LEASED] && !s.count[IPCX_SLOT_LOANED]);
	printf("TAP version 13\n1..1\nok 1 slots: %llu random steps, every invariant after each\n",
	       (unsigned long long)n);
	return 0;
}
