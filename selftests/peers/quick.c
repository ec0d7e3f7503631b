// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was measured, for who has read nothing before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define UNSURE 2 /* the slowest turn took so many times as long as the quickest */

static const char *const titles[JOBS] = {
	[ONE_64] = "One short message (64 bytes) from one process to another, many in a row",
	[ONE_64K] = "A longer one (64 KiB, all of it written and read), many in a row",
	[ONE_1M] = "A large one (1 MiB, all of it written and read), many in a row",
	[TRIP_64] = "A short question and its answer, both processes awake on a CPU of their own",
	[WAIT_64] = "A short question and its answer, who waits sleeps, both on one CPU",
};

/* One of the ways: sorting moves these, not the ways */
struct place {
	const struct way *w;
	const struct result *r;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->r->ns > y->r->ns) - (x->r->ns < y->r->ns);
}

static bool is_ipcx(const struct way *w)
{
	return !strncmp(w->name, "ipcx ", 5);
}

/* The same as ipcx, with less than it does */
static bool is_by_hand(const struct way *w)
{
	return w == &ring_way || w == &futex_way || w == &slots_way;
}

static void time_text(char text[16], double ns)
{
	if (ns < 1000)
		snprintf(text, 16, "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(text, 16, "%.1f us", ns / 1e3);
	else
		snprintf(text, 16, "%.1f ms", ns / 1e6);
}

/* 12345678 is 12,300,000: more digits would not be true */
static void count_text(char text[32], double n)
{
	unsigned long round = 1, v = n;
	size_t at = 0, digits;
	char plain[24];

	while (v / round >= 1000)
		round *= 10;
	digits = snprintf(plain, sizeof(plain), "%lu", (v + round / 2) / round * round);
	for (size_t i = 0; i < digits; i++) {
		if (i && (digits - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = plain[i];
	}
	text[at] = '\0';
}

static void compare_text(const struct place *best, const struct place *other)
{
	double ratio = other->r->ns / best->r->ns;

	if (ratio >= 1.1)
		printf("  %.*f times as fast as %s\n", ratio < 10, ratio, other->w->name);
	else if (ratio > 1 / 1.1)
		printf("  about as fast as %s\n", other->w->name);
	else
		printf("  SLOWER than %s, which takes only %.0f %% of the time\n", other->w->name,
		       ratio * 100);
}

/* The best of ipcx beside each that does its work; more than the limit nobody can do */
static void conclude(const struct place *places, unsigned int n)
{
	const struct place *best = NULL;
	bool said = false;

	for (unsigned int i = 0; i < n && !best; i++)
		if (is_ipcx(places[i].w))
			best = &places[i];
	for (unsigned int i = 0; i < n && best; i++) {
		if (is_ipcx(places[i].w) || is_by_hand(places[i].w))
			continue;
		if (!said)
			printf("\n%s is\n", best->w->name);
		said = true;
		compare_text(best, &places[i]);
	}
}

void quick_job(unsigned int job, const struct result *results)
{
	bool unsure = false;
	struct place places[WAYS];
	unsigned int n = 0;

	for (int i = 0; i < WAYS; i++)
		if (results[i].is == MEASURED)
			places[n++] = (struct place){ ways[i], &results[i] };
	qsort(places, n, sizeof(places[0]), compare);
	printf("\n%s\n\n %9s %12s  way (the quickest first)\n", titles[job],
	       jobs[job].back ? "time" : "a message", jobs[job].back ? "a second" : "messages/s");
	for (unsigned int i = 0; i < n; i++) {
		char time[16], count[32];

		time_text(time, places[i].r->ns);
		count_text(count, 1e9 / places[i].r->ns);
		printf("%c%9s %12s  %-14s%s\n", is_ipcx(places[i].w) ? '*' : ' ', time, count,
		       places[i].w->name, places[i].w->words);
		unsure |= places[i].r->high > UNSURE * places[i].r->low;
	}
	conclude(places, n);
	if (unsure)
		puts("\nDo not trust these: a way took twice as long one time as another. Does\n"
		     "anything else run here, or do the last lines say that CPUs were far?");
}

/* A way that is not there is so in all jobs; one that cannot or failed, in that one. */
void quick_rest(const struct result results[JOBS][WAYS])
{
	bool title = false;

	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < JOBS; j++) {
			const struct result *r = &results[j][i];

			if (r->is == UNUSED || r->is == MEASURED)
				continue;
			if (!title)
				puts("\nNot measured:");
			title = true;
			if (r->is == ABSENT) {
				printf("  %s (%s): %s\n", ways[i]->name, ways[i]->words, r->why);
				break;
			}
			printf("  %s, %s: %s: %s\n", ways[i]->name, jobs[j].name, is_text(r),
			       r->why);
		}
	puts("\nus is a millionth of a second, ns a thousandth of that; * is ipcx.\n"
	     "\"ipcx bench\" without --quick measures more, and seven times; \"ipcx doctor\"\n"
	     "says what the module lacks, and \"make bench-peers\" has the other libraries.");
}
