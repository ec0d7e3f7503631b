// SPDX-License-Identifier: GPL-2.0-only
/*
 * The limit: a ring of which nothing is safe, and both sides poll. And the same where who waits
 * looks some times and then sleeps by futex.
 */
#include <linux/futex.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

#define SPINS 200 /* looks before it sleeps, if the other process may run meanwhile */

static void ring_send(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;
	unsigned int looks = 0;

	while (ring_full(l, r))
		look_again(&looks);
	ring_put(l, r, value);
}

static uint64_t ring_recv(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;
	unsigned int looks = 0;

	while (ring_empty(l, r))
		look_again(&looks);
	return ring_get(l, r, value);
}

static bool must_wait(const struct lane *l, struct ring *r)
{
	return l->sender ? ring_full(l, r) : ring_empty(l, r);
}

/* That it sleeps is to be seen before it looks for the last time. */
static void sleep_while(const struct lane *l, struct ring *r)
{
	uint32_t *asleep = r->asleep[!l->sender];

	for (int i = 0; i < SPINS && !l->block; i++)
		if (!must_wait(l, r))
			return;
	while (must_wait(l, r)) {
		__atomic_store_n(asleep, 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (must_wait(l, r))
			syscall(SYS_futex, asleep, FUTEX_WAIT, 1, NULL, NULL, 0);
	}
	__atomic_store_n(asleep, 0, __ATOMIC_RELAXED);
}

/* What is to be seen by who sleeps was written before. */
static void wake(const struct lane *l, const struct ring *r)
{
	uint32_t *asleep = r->asleep[l->sender];

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(asleep, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(asleep, 0, __ATOMIC_RELAXED);
	syscall(SYS_futex, asleep, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void futex_send(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;

	sleep_while(l, r);
	ring_put(l, r, value);
	wake(l, r);
}

/* A writer that waits is woken when half of the ring is free, not for each message. */
static uint64_t futex_recv(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;
	uint64_t sum;

	sleep_while(l, r);
	sum = ring_get(l, r, value);
	if (!(r->head & (l->depth / 2 - 1)))
		wake(l, r);
	return sum;
}

const struct way ring_way = {
	.name = "bare ring",
	.words = "shared memory, nothing safe: the limit",
	.jobs = ONE_WAY | REFS | TRIPS,
	.create = ring_create,
	.open = ring_open,
	.send = ring_send,
	.recv = ring_recv,
};

const struct way futex_way = {
	.name = "futex ring",
	.words = "the same, and who waits sleeps",
	.jobs = ONE_WAY | REFS | WAITS | JOB(OUT_64),
	.create = ring_create,
	.open = ring_open,
	.send = futex_send,
	.recv = futex_recv,
};
