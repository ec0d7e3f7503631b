// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message costs from one process to another, natively: ipcx with and without its module, a
 * bare ring, the kernel's own ways and other libraries, each job in one run, in turn, several
 * times.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "usage.h"

#define TIMES_QUICK 3
#define RUN_NS 200e6 /* about what one run of a way takes */
#define RUN_NS_QUICK 20e6
#define FIRST 64 /* messages, to see how long one takes */
#define START_NS 20e6 /* until the processes are there */

static const unsigned int quick_jobs = JOB(ONE_64) | JOB(ONE_64K) | JOB(ONE_1M) | JOB(TRIP_64) |
				       JOB(WAIT_64);

static struct result results[JOBS][WAYS];
static double done, todo; /* ns, about, for the line on the terminal */

const char *absent[WAYS];

enum part { JOBS_PART = 1, SIZES_PART = 2, LOCKS_PART = 4, GROWTH_PART = 8 };

#define ALL_PARTS (JOBS_PART | SIZES_PART | LOCKS_PART | GROWTH_PART)

/* What is wanted */
static struct plan_of_part want = {
	.format = TABLE,
	.jobs = "",
	.ways = "",
	.times = TIMES_MAX,
	.ns = RUN_NS,
	.percent = 100,
};

static bool quick;
static unsigned int parts;

static bool has_name(const struct way *w)
{
	return strstr(w->name, want.ways);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts them. */
static double middle(double *values, unsigned int n)
{
	qsort(values, n, sizeof(values[0]), compare);
	return values[n / 2];
}

void median(double *times, unsigned int n, struct result *r)
{
	r->ns = middle(times, n);
	r->low = times[0];
	r->high = times[n - 1];
}

/* How many messages take that long. Sets r->is. */
static uint64_t calibrate(const struct way *w, const struct job *j, double ns, struct result *r)
{
	uint64_t count = j->depth < FIRST ? j->depth : FIRST;

	for (;;) {
		run(w, j, count, false, r);
		if (r->is != MEASURED)
			return 0;
		if (r->ns * count >= ns / 8)
			return ns / r->ns + 1;
		count = r->ns * FIRST < ns / 4 / count ? count * FIRST : ns / 4 / r->ns + 1;
	}
}

static double turns_ns(const struct plan_of_part *p, unsigned int n)
{
	return n * (p->ns + START_NS);
}

static void show_progress(const struct job *j, const struct way *w, double ns)
{
	char what[64];

	snprintf(what, sizeof(what), "%s: %s", j->name, w->name);
	progress(done, todo, what);
	done += ns;
}

#define TURNS_MAX (TIMES_MAX + 1)

/* What was seen in the turns of a way, and its line of near.c */
struct seen {
	double ns[TURNS_MAX], cpu[TURNS_MAX], line[TURNS_MAX];
};

/* The last there and back looks at the clock for each message: that is not in the others. */
static void turns(const struct plan_of_part *p, const struct job *j, const uint64_t *count,
		  struct seen seen[WAYS], struct result *r)
{
	for (unsigned int t = 0; t < p->times + j->back; t++)
		for (int i = 0; i < WAYS; i++) {
			if (r[i].is != MEASURED)
				continue;
			show_progress(j, ways[i], turns_ns(p, 1));
			run_near(ways[i], j, count[i], t == p->times, &r[i], &seen[i].line[t]);
			seen[i].ns[t] = r[i].ns;
			seen[i].cpu[t] = r[i].cpu;
		}
}

void measure_ways(const struct plan_of_part *p, const struct job *j, const bool *wanted,
		  struct result *r)
{
	struct seen seen[WAYS];
	uint64_t count[WAYS];

	for (int i = 0; i < WAYS; i++)
		if (wanted[i]) {
			show_progress(j, ways[i], turns_ns(p, 1));
			count[i] = calibrate(ways[i], j, p->ns, &r[i]);
			if (r[i].is == MEASURED && is_two(j))
				near_allow(turns_ns(p, p->times + j->back));
		}
	turns(p, j, count, seen, r);
	for (int i = 0; i < WAYS; i++) {
		if (r[i].is != MEASURED)
			continue;
		median(seen[i].ns, p->times, &r[i]);
		r[i].cpu = middle(seen[i].cpu, p->times);
		if (!is_two(j))
			continue;
		near_keep(seen[i].line, p->times, &r[i]);
		if (j->back && !near_was(seen[i].line[p->times]))
			r[i].p50 = 0;
	}
}

static bool is_wanted(unsigned int job)
{
	if (!strstr(jobs[job].name, want.jobs))
		return false;
	if (!quick)
		return true;
	return quick_jobs & JOB(job);
}

static void start_all(void)
{
	for (int i = 0; i < WAYS; i++) {
		absent[i] = ways[i]->missing;
		if (has_name(ways[i]) && ways[i]->start && !absent[i])
			absent[i] = ways[i]->start();
	}
}

void say_absent(unsigned int way, struct result *r)
{
	r->is = ABSENT;
	snprintf(r->why, WHY_MAX, "%s%s", ways[way]->missing ? "built without package " : "",
		 absent[way]);
}

/* How many turns there will be; and what there is nothing of */
static void prepare(void)
{
	for (int i = 0; i < WAYS; i++)
		for (int j = 0; j < JOBS; j++) {
			if (!(ways[i]->jobs & JOB(j)) || !is_wanted(j) || !has_name(ways[i]))
				continue;
			if (absent[i])
				say_absent(i, &results[j][i]);
			else
				todo += turns_ns(&want, 1 + want.times + jobs[j].back);
		}
}

static void stop_all(void)
{
	for (int i = 0; i < WAYS; i++)
		if (ways[i]->stop)
			ways[i]->stop();
}

void leave(int status)
{
	stop_all();
	exit(status);
}

static void show(unsigned int job)
{
	progress(0, 0, NULL);
	for (int i = 0; i < WAYS; i++)
		if (results[job][i].is)
			report_row(want.format, &jobs[job], ways[i], &results[job][i]);
	if (want.format == WORDS)
		quick_job(job, results[job]);
	fflush(stdout);
}

/* Whether nothing failed */
static bool all_well(void)
{
	for (int j = 0; j < JOBS; j++)
		for (int i = 0; i < WAYS; i++)
			if (results[j][i].is == FAILED)
				return false;
	return true;
}

bool part_wants(const struct plan_of_part *p, const struct job *j, const struct way *w,
		unsigned int turns)
{
	double ns = turns_ns(p, turns);

	if (!strstr(j->name, p->jobs) || !strstr(w->name, p->ways))
		return false;
	if (p->planning)
		todo += ns;
	else
		show_progress(j, w, ns);
	return !p->planning;
}

void part_row(const struct plan_of_part *p, const struct job *j, const struct way *w,
	      const struct result *r)
{
	progress(0, 0, NULL);
	report_row(p->format, j, w, r);
	fflush(stdout);
}

static void measure_job(unsigned int job)
{
	bool wanted[WAYS];

	for (int i = 0; i < WAYS; i++)
		wanted[i] = ways[i]->jobs & JOB(job) && has_name(ways[i]) && !absent[i];
	measure_ways(&want, &jobs[job], wanted, results[job]);
	show(job);
}

static bool jobs_part(void)
{
	if (want.format == WORDS)
		puts("How long does a message take? Less is better.");
	for (int j = 0; j < JOBS; j++)
		if (is_wanted(j))
			measure_job(j);
	if (want.format == WORDS)
		quick_rest(results);
	return all_well();
}

/* Each of these has many rows. */
static bool long_parts(bool planning)
{
	struct plan_of_part p = want;
	bool good = true;

	p.times = TIMES_QUICK;
	p.ns /= 2;
	p.planning = planning;
	if (parts & SIZES_PART)
		good = sizes_part(&p);
	if (parts & LOCKS_PART)
		good &= sync_part(&p);
	if (parts & GROWTH_PART)
		good &= growth_part(&p);
	return good;
}

static bool all_parts(void)
{
	bool targets = parts & JOBS_PART && !quick && want.format != CSV && !*want.jobs &&
		       !*want.ways;
	bool good = true;

	if (parts & JOBS_PART)
		prepare();
	long_parts(true);
	near_learn(todo / 4);
	report_header(want.format);
	if (parts & JOBS_PART)
		good = jobs_part();
	good &= long_parts(false);
	progress(0, 0, NULL);
	if (near_turns()->all)
		report_turns(want.format, near_turns());
	return (!targets || judge(results, parts & GROWTH_PART, want.format)) && good;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "sizes", no_argument, NULL, 'S' },
		{ "locks", no_argument, NULL, 'L' },
		{ "growth", no_argument, NULL, 'G' },
		{ "all", no_argument, NULL, 'A' },
		{ "json", no_argument, NULL, JSON },
		{ "csv", no_argument, NULL, CSV },
		{ "markdown", no_argument, NULL, MARKDOWN },
		{ "save", required_argument, NULL, 'F' },
		{ "jobs", required_argument, NULL, 'J' },
		{ "ways", required_argument, NULL, 'W' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	char *end = "";
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(BENCH_USAGE, stdout);
			exit(0);
		}
		if (c == '?')
			exit(2);
		if (c == 'q')
			quick = true;
		else if (strchr("SLGA", c))
			parts |= c == 'S' ? SIZES_PART :
				 c == 'L' ? LOCKS_PART :
				 c == 'G' ? GROWTH_PART :
					    ALL_PARTS;
		else if (c == 'F')
			report_save(optarg);
		else if (c == 'J')
			want.jobs = optarg;
		else if (c == 'W')
			want.ways = optarg;
		else
			want.format = c;
	}
	if (optind < argc)
		want.percent = strtol(argv[optind++], &end, 10);
	if (optind < argc || *end || want.percent < 1 || want.percent > 1000 || (quick && parts)) {
		fputs(BENCH_USAGE, stderr);
		exit(2);
	}
	if (!parts)
		parts = JOBS_PART;
	if (quick)
		want.times = TIMES_QUICK;
	if (quick && want.format == TABLE)
		want.format = WORDS;
	want.ns = (quick ? RUN_NS_QUICK : RUN_NS) * want.percent / 100;
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	run_setup();
	start_all();
	leave(all_parts() ? 0 : 1);
}
