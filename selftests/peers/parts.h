/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured beside the jobs: how cost grows, and what locks cost. Their rows are as those of
 * jobs, with names of their own.
 */
#ifndef IPCX_PEERS_PARTS_H
#define IPCX_PEERS_PARTS_H

#include "report.h"

#define TIMES_MAX 7

/**
 * struct plan_of_part - how it is to be measured
 * @format: of rows
 * @jobs: only those with this in their names
 * @ways: the same of ways
 * @times: how often, the median counts
 * @ns: how long each time
 * @percent: of what takes long by itself
 * @planning: nothing is measured, only counted
 */
struct plan_of_part {
	enum format format;
	const char *jobs, *ways;
	unsigned int times;
	double ns;
	long percent;
	bool planning;
};

/*
 * peers.c; @turns: how often it will run, for who waits. Return: whether that is among what is to
 * be measured now
 */
bool part_wants(const struct plan_of_part *p, const struct job *j, const struct way *w,
		unsigned int turns);
void part_row(const struct plan_of_part *p, const struct job *j, const struct way *w,
	      const struct result *r);
void median(double *times, unsigned int n, struct result *r); /* sets ns, low and high */
void say_absent(unsigned int way, struct result *r);
extern const char *absent[WAYS]; /* NULL, or why a way is not there */
/* all ways that are @wanted, in turn, each p->times */
void measure_ways(const struct plan_of_part *p, const struct job *j, const bool *wanted,
		  struct result *r);

/* Return: whether nothing failed */
bool sync_part(const struct plan_of_part *p);
bool growth_part(const struct plan_of_part *p);
bool sizes_part(const struct plan_of_part *p);

/* growth.c: what a kind of object took in a series with so much of it; NULL: there is no such */
const struct result *growth_result(const char *series, unsigned long n, const char *kind);

#endif /* IPCX_PEERS_PARTS_H */
