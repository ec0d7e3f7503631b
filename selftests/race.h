/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of race: two threads meet, wait for a random while, and make one
 * call each, so that over many rounds every part of one call falls together with
 * every part of the other.
 */
#ifndef RACE_H
#define RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#define DELAY_MAX	100000	/* ns; more than any call takes that does not sleep */

/**
 * struct drill - two calls that race
 * @name: A/B
 * @setup: makes what they work on. Return: 0, or a negative errno
 * @a: one call, result in ret_a
 * @b: the other, result in ret_b
 * @check: looks at ret_a and ret_b, takes away what is left. Return: NULL, or what is wrong
 */
struct drill {
	const char *name;
	int (*setup)(void);
	int (*a)(void);
	int (*b)(void);
	const char *(*check)(void);
};

static int ret_a, ret_b;

static const struct drill *drill;
static atomic_uint at_a, at_b;
static atomic_bool over;
static atomic_llong delay;		/* ns that A waits, or B if negative */
static int64_t took_a, took_b;		/* of the last round, ns */

/* Return: false if the other does not come any more. */
static inline bool meet(atomic_uint *mine, atomic_uint *other, unsigned int n)
{
	atomic_store(mine, n);
	for (int i = 0; atomic_load(other) < n; i++) {
		if (atomic_load(&over))
			return false;
		if (i % 1000 == 999)
			sched_yield();
	}
	return true;
}

static inline void spin(int64_t ns)
{
	int64_t end = now_ns() + ns;

	while (ns > 0 && now_ns() < end)
		;
}

static inline int timed(int (*fn)(void), int64_t wait, int64_t *took)
{
	int64_t start;
	int ret;

	spin(wait);
	start = now_ns();
	ret = fn();
	*took = now_ns() - start;
	return ret;
}

static void *thread_b(void *arg)
{
	unsigned int n, rounds = (uintptr_t)arg;

	for (n = 0; n < rounds && meet(&at_b, &at_a, 2 * n + 1); n++) {
		ret_b = timed(drill->b, -delay, &took_b);
		meet(&at_b, &at_a, 2 * n + 2);
	}
	return NULL;
}

/* Between A first and B first, by as much as both took, calls that sleep not counted in full. */
static inline int64_t next_delay(void)
{
	int64_t most_a = took_a < DELAY_MAX ? took_a : DELAY_MAX;
	int64_t most_b = took_b < DELAY_MAX ? took_b : DELAY_MAX;

	return random() % (most_a + most_b + 200) - most_a - 100;
}

/* Return: NULL, or what is wrong. */
static inline const char *race(const struct drill *d, unsigned int rounds)
{
	const char *wrong = NULL;
	pthread_t b;
	unsigned int n;

	drill = d;
	atomic_store(&at_a, 0);
	atomic_store(&at_b, 0);
	atomic_store(&over, false);
	took_a = 0;
	took_b = 0;
	if (pthread_create(&b, NULL, thread_b, (void *)(uintptr_t)rounds))
		return "no thread";
	for (n = 0; n < rounds && !wrong; n++) {
		int err = d->setup();

		if (err) {
			wrong = strerror(-err);
			break;
		}
		delay = next_delay();
		meet(&at_a, &at_b, 2 * n + 1);
		ret_a = timed(d->a, delay, &took_a);
		meet(&at_a, &at_b, 2 * n + 2);
		wrong = d->check();
	}
	atomic_store(&over, true);
	pthread_join(b, NULL);
	return wrong;
}

#endif /* RACE_H */
