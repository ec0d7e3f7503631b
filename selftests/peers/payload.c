// SPDX-License-Identifier: GPL-2.0-only
/*
 * Long messages are written and read 16 bytes at a time, as memcpy() or a loop that a compiler made
 * vectors of would: 8 at a time take longer than to carry them by shared memory takes.
 */
#include "peers.h"

/* what a library gives may be aligned to 8 bytes only */
typedef uint64_t two_words __attribute__((vector_size(16), aligned(8), may_alias));

void write_long(uint64_t *to, size_t words, uint64_t value)
{
	two_words next = { value, value + 1 };
	size_t i;

	for (i = 0; i + 2 <= words; i += 2, next += 2)
		*(two_words *)(to + i) = next;
	if (i < words)
		to[i] = next[0];
}

uint64_t sum_long(const uint64_t *from, size_t words)
{
	two_words sums[2] = { { 0 }, { 0 } };
	uint64_t rest = 0;
	size_t i;

	for (i = 0; i + 4 <= words; i += 4) {
		sums[0] += *(const two_words *)(from + i);
		sums[1] += *(const two_words *)(from + i + 2);
	}
	for (; i < words; i++)
		rest += from[i];
	sums[0] += sums[1];
	return sums[0][0] + sums[0][1] + rest;
}
