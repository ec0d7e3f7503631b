// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows: what a way took in a job, as a table, as Markdown, as comma-separated values, as JSON.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

static FILE *saved; /* the same as JSON */

void report_save(const char *path)
{
	saved = fopen(path, "we");
	if (!saved)
		err(1, "%s", path);
}

const char *is_text(const struct result *r)
{
	static const char *const is[] = {
		[CANNOT] = "cannot", [ABSENT] = "not there", [FAILED] = "FAILED"
	};

	return is[r->is];
}

void report_header(enum format f)
{
	if (f == CSV)
		puts("job,way,bytes,ns,low,high,mb_s,cpu_ns,rss_kib,shmem_kib,p50,p99,p999,"
		     "not_near,of,why");
	else if (f == TABLE || f == MARKDOWN)
		printf("| %-17s | %-13s | %10s | %10s | %10s |"
		       " %8s | %10s | %8s | %8s | %8s | %8s | %8s |\n",
		       "job", "way", "ns", "low", "high", "MB/s", "CPU ns", "KiB", "50 %", "99 %",
		       "99.9 %", "not near");
	if (f == MARKDOWN)
		puts("|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|:--|");
}

/* Millions of bytes a second; of a way there and back, in one direction, both of them */
static double rate(const struct job *j, const struct result *r)
{
	size_t bytes = j->ref ? sizeof(uint64_t) : j->len; /* that are written and read */

	return bytes * (j->back ? 2 : 1) / r->ns * 1e3;
}

static void json_row(FILE *f, const struct job *j, const struct way *w, const struct result *r)
{
	fprintf(f, "{\"job\":\"%s\",\"way\":\"%s\",\"bytes\":%zu,", j->name, w->name, j->len);
	if (r->is != MEASURED) {
		fprintf(f, "\"is\":\"%s\",\"why\":\"%s\"}\n", is_text(r), r->why);
		return;
	}
	fprintf(f, "\"ns\":%.1f,\"low\":%.1f,\"high\":%.1f", r->ns, r->low, r->high);
	if (!j->in_one)
		fprintf(f, ",\"mb_s\":%.4g,\"cpu_ns\":%.1f,\"rss_kib\":%ld,\"shmem_kib\":%ld",
			rate(j, r), r->cpu, r->rss, r->shmem);
	if (r->p50)
		fprintf(f, ",\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f", r->p50, r->p99, r->p999);
	if (turns_not_near(r))
		fprintf(f, ",\"not_near\":%u,\"of\":%u", turns_not_near(r), r->turns);
	fputs("}\n", f);
}

/* No name has a quote in it, and no reason: see run.c */
static void csv_row(const struct job *j, const struct way *w, const struct result *r)
{
	printf("\"%s\",\"%s\",%zu,", j->name, w->name, j->len);
	if (r->is != MEASURED) {
		printf(",,,,,,,,,,,,\"%s: %s\"\n", is_text(r), r->why);
		return;
	}
	printf("%.1f,%.1f,%.1f,", r->ns, r->low, r->high);
	if (!j->in_one)
		printf("%.4g,%.1f,%ld,%ld,", rate(j, r), r->cpu, r->rss, r->shmem);
	else
		printf(",,,,");
	if (r->p50)
		printf("%.0f,%.0f,%.0f,", r->p50, r->p99, r->p999);
	else
		printf(",,,");
	if (r->turns)
		printf("%u,%u,\n", turns_not_near(r), r->turns);
	else
		puts(",,");
}

static void table_row(const struct job *j, const struct way *w, const struct result *r)
{
	char not_near[16] = "";

	printf("| %-17s | %-13s | ", j->name, w->name);
	if (r->is != MEASURED) {
		printf("%s: %s\n", is_text(r), r->why);
		return;
	}
	printf("%10.1f | %10.1f | %10.1f |", r->ns, r->low, r->high);
	if (!j->in_one)
		printf(" %8.5g | %10.1f | %8ld |", rate(j, r), r->cpu, r->rss + r->shmem);
	else
		printf(" %8s | %10s | %8s |", "", "", "");
	if (r->p50)
		printf(" %8.0f | %8.0f | %8.0f |", r->p50, r->p99, r->p999);
	else
		printf(" %8s | %8s | %8s |", "", "", "");
	if (turns_not_near(r))
		snprintf(not_near, sizeof(not_near), "%u of %u", turns_not_near(r), r->turns);
	printf(" %8s |\n", not_near);
}

void report_row(enum format f, const struct job *j, const struct way *w, const struct result *r)
{
	if (saved) {
		json_row(saved, j, w, r);
		fflush(saved);
	}
	if (f == JSON)
		json_row(stdout, j, w, r);
	else if (f == CSV)
		csv_row(j, w, r);
	else if (f != WORDS)
		table_row(j, w, r);
}

void report_judgements(enum format f)
{
	if (f == JSON)
		return;
	printf("\n| %-20s | %-13s | %-19s | %-14s | %7s | %-12s |\n", "job", "way", "against",
	       "wanted", "ratio", "verdict");
	if (f == MARKDOWN)
		puts("|:--|:--|:--|:--|--:|:--|");
}

static void json_judgement(FILE *f, const struct judgement *j)
{
	fprintf(f,
		"{\"job\":\"%s\",\"way\":\"%s\",\"against\":\"%s\",\"%s\":%g,"
		"\"ratio\":%.3f,\"verdict\":\"%s\"}\n",
		j->job, j->way, j->against, j->faster ? "at_least" : "at_most", j->limit, j->ratio,
		j->verdict);
}

void report_judgement(enum format f, const struct judgement *j)
{
	if (saved) {
		json_judgement(saved, j);
		fflush(saved);
	}
	if (f == JSON)
		json_judgement(stdout, j);
	else
		printf("| %-20s | %-13s | %-19s | %-8s %5g | %7.2f | %-12s |\n", j->job, j->way,
		       j->against, j->faster ? "at least" : "at most", j->limit, j->ratio,
		       j->verdict);
}

static void json_turns(FILE *f, const struct turns *t)
{
	fprintf(f,
		"{\"job\":\"line of the cache\",\"way\":\"there and back\",\"near_ns\":%.1f,"
		"\"turns\":%u,\"far\":%u,\"not_known\":%u,\"again\":%u,\"waited_s\":%.1f}\n",
		t->near_ns, t->all, t->far, t->unknown, t->again, t->waited / 1e9);
}

static void say_far(FILE *f, const struct turns *t)
{
	if (t->far + t->again)
		fprintf(f,
			"\nThe two CPUs are not always near each other here: of %u turns %u "
			"count although\nthey were far, and %u more were done again.\n",
			t->all, t->far, t->again);
	if (t->unknown)
		fprintf(f,
			"\nOf %u turns it is not known whether the two CPUs were near each other.\n",
			t->unknown);
}

static void print_turns(const struct turns *t)
{
	printf("\nA line of the cache goes to the other CPU and back in %.0f ns (0: nobody knows). "
	       "It took over\n2.5 times as long at an end of %u of %u turns of two processes, and "
	       "of %u nobody knows: their\nrows say so, \"not near\", as far as was known then. "
	       "%u more were done again, and %.0f s were\nwaited.\n",
	       t->near_ns, t->far, t->all, t->unknown, t->again, t->waited / 1e9);
}

void report_turns(enum format f, const struct turns *t)
{
	if (saved) {
		json_turns(saved, t);
		fflush(saved);
	}
	if (f == JSON)
		json_turns(stdout, t);
	else if (f == CSV || f == WORDS)
		say_far(f == CSV ? stderr : stdout, t);
	else
		print_turns(t);
}

#define BAR 20

static int64_t begun; /* when the line was shown first */

/* By how long took what was done */
static void time_left(char text[32], double done, double total)
{
	double s = done ? (now() - begun) / done * (total - done) / 1e9 : 0;

	text[0] = '\0';
	if (s >= 60)
		snprintf(text, 32, ", %.0f min left", s / 60);
	else if (s >= 1)
		snprintf(text, 32, ", %.0f s left", s);
}

void progress(double done, double total, const char *what)
{
	static const char full[] = "####################", empty[] = "....................";
	int part = total ? done / total * BAR : 0;
	char left[32];

	if (!isatty(STDERR_FILENO))
		return;
	if (!total) {
		fputs("\r\033[K", stderr);
		return;
	}
	if (!begun)
		begun = now();
	time_left(left, done, total);
	fprintf(stderr, "\r[%.*s%.*s] %.0f %%%s  %s\033[K", part, full, BAR - part, empty,
		done / total * 100, left, what);
	fflush(stderr);
}
