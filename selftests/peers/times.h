/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often something took how long, in steps of a thirty-second.
 */
#ifndef IPCX_PEERS_TIMES_H
#define IPCX_PEERS_TIMES_H

#include <stdint.h>

#define TIMES_STEPS 32

struct times {
	uint64_t count, of[64 * TIMES_STEPS];
};

static inline unsigned int times_index(uint64_t ns)
{
	unsigned int power;

	if (ns < TIMES_STEPS)
		return ns;
	power = 63 - __builtin_clzll(ns);
	return (power - 4) * TIMES_STEPS + (ns >> (power - 5)) - TIMES_STEPS;
}

static inline void times_add(struct times *t, uint64_t ns)
{
	t->of[times_index(ns)]++;
	t->count++;
}

/* The longest that has this index */
static inline uint64_t times_longest(unsigned int index)
{
	unsigned int power = index / TIMES_STEPS + 4;

	if (index < TIMES_STEPS)
		return index;
	return ((uint64_t)(index % TIMES_STEPS + TIMES_STEPS + 1) << (power - 5)) - 1;
}

/* What that part of them took at most */
static inline double times_below(const struct times *t, double part)
{
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < 64 * TIMES_STEPS - 1; i++) {
		seen += t->of[i];
		if (seen && seen >= part * t->count)
			break;
	}
	return times_longest(i);
}

#endif /* IPCX_PEERS_TIMES_H */
