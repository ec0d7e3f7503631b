// SPDX-License-Identifier: GPL-2.0-only
/*
 * One way by length of the message, for all ways, and as a table of bandwidths.
 */
#include <stdio.h>
#include <string.h>

#include "parts.h"

// clang-format off
static const size_t lengths[] = {
	8, 64, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 1 << 18, 1 << 20, 1 << 22, 1 << 24
};

// clang-format on
#define LENGTHS 14

static struct result found[LENGTHS][WAYS];

/* What is for 64 KiB is for longer ones; vmsplice gives away whole pages. */
static bool suits(const struct way *w, size_t len)
{
	if (w == &iceoryx_way && len > 1 << 20)
		return false;
	return w->jobs & JOB(len < 65536 ? ONE_1K : ONE_64K) || (w == &vmsplice_way && len >= 4096);
}

static bool any(int l)
{
	for (int i = 0; i < WAYS; i++)
		if (found[l][i].is == MEASURED)
			return true;
	return false;
}

/* Rows by length, columns by way, as in the appendix of "UNIX Network Programming", volume 2 */
static void bandwidths(void)
{
	printf("\nMillions of bytes a second\n\n| %9s |", "bytes");
	for (int i = 0; i < WAYS; i++)
		printf(" %13s |", ways[i]->name);
	printf("\n|%.*s:|", 10, "----------");
	for (int i = 0; i < WAYS; i++)
		printf("--------------:|");
	for (int l = 0; l < LENGTHS; l++) {
		if (!any(l))
			continue;
		printf("\n| %9zu |", lengths[l]);
		for (int i = 0; i < WAYS; i++)
			if (found[l][i].is == MEASURED)
				printf(" %13.5g |", lengths[l] / found[l][i].ns * 1e3);
			else
				printf(" %13s |", "");
	}
	putchar('\n');
}

/* Return: whether nothing failed */
static bool one_length(const struct plan_of_part *p, size_t len, struct result *r)
{
	struct job j = { .len = len, .depth = len > 65536 ? 8 : 64 };
	bool wanted[WAYS] = { false }, good = true;
	char name[32];

	snprintf(name, sizeof(name), "size %zu", len);
	j.name = name;
	for (int i = 0; i < WAYS; i++) {
		if (!suits(ways[i], len) ||
		    !part_wants(p, &j, ways[i], p->planning && !absent[i] ? 1 + p->times : 0))
			continue;
		wanted[i] = !absent[i];
		if (absent[i])
			say_absent(i, &r[i]);
	}
	measure_ways(p, &j, wanted, r);
	for (int i = 0; i < WAYS; i++)
		if (r[i].is) {
			part_row(p, &j, ways[i], &r[i]);
			good &= r[i].is != FAILED;
		}
	return good;
}

bool sizes_part(const struct plan_of_part *p)
{
	bool good = true;

	for (int l = 0; l < LENGTHS; l++)
		good &= one_length(p, lengths[l], found[l]);
	if (!p->planning && (p->format == TABLE || p->format == MARKDOWN))
		bandwidths();
	return good;
}
