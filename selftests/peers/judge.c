// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wanted, as ratios of one run. A target is met only if all that it is about was measured.
 */
#include <stdio.h>
#include <string.h>

#include "peers.h"

#define AGAINST_MAX 9

/*
 * @jobs of @way: at most @limit times as long as @against; or, if @faster, so many times faster
 * than the fastest of them.
 */
struct target {
	const struct way *way;
	unsigned int jobs;
	bool faster;
	double limit;
	const char *what;
	const struct way *against[AGAINST_MAX];
};

#define SHORT (JOB(ONE_8) | JOB(ONE_64))
#define LONG (JOB(ONE_64K) | JOB(ONE_1M))
#define KERNEL \
	{ \
		&pipe_way, &vmsplice_way, &seqpacket_way, &dgram_way, &unix_stream_way, &mq_way, \
			&sysv_way \
	}

static const struct target targets[] = {
	{ &topic_way, SHORT, false, 2, "bare ring", { &ring_way } },
	{ &topic_way,
	  SHORT,
	  true,
	  4,
	  "best peer",
	  { &pipe_way, &seqpacket_way, &dgram_way, &unix_stream_way, &mq_way, &sysv_way, &zmq_way,
	    &nng_way } },
	{ &topic_way, SHORT, true, 20, "iceoryx", { &iceoryx_way } },
	{ &topic_way, LONG, false, 1.1, "bare ring", { &ring_way } },
	{ &topic_way, LONG, true, 1.5, "iceoryx", { &iceoryx_way } },
	{ &topic_way, LONG, true, 3, "the kernel's own", KERNEL },
	{ &topic_way, TRIPS, false, 1.3, "bare ring", { &ring_way } },
	{ &topic_way, TRIPS, true, 8, "iceoryx", { &iceoryx_way } },
	{ &shm_way, SHORT | JOB(ONE_1K), true, 5, "the kernel's own", KERNEL },
	{ &shm_way, JOB(ONE_1M), false, 1.15, "bare ring", { &ring_way } },
	{ &ipcx_unix_way, FALLBACK, false, 1.15, "seqpacket", { &seqpacket_way } },
	{ &ipcx_mq_way, FALLBACK, false, 1.15, "POSIX mq", { &mq_way } },
	{ &ipcx_fifo_way, FALLBACK, false, 1.15, "FIFO", { &fifo_way } },
	{ &ipcx_tcp_way, FALLBACK, false, 1.15, "TCP", { &tcp_way } },
	{},
};

enum verdict { PASS, MISSED, NOT_MEASURED, VERDICTS };

static const char *const words[VERDICTS] = { "PASS", "MISSED", "not measured" };

static const struct result *result_of(const struct result *job, const struct way *w)
{
	int i = 0;

	while (ways[i] != w)
		i++;
	return &job[i];
}

/*
 * The fastest of those that were measured, 0 if none was; @all: none is missing but those that
 * are not for such messages.
 */
static double best_of(const struct result *job, const struct target *t, bool *all)
{
	double best = 0;

	*all = true;
	for (int i = 0; i < AGAINST_MAX && t->against[i]; i++) {
		const struct result *r = result_of(job, t->against[i]);

		if (r->is != MEASURED)
			*all &= r->is == CANNOT || r->is == UNUSED;
		else if (!best || r->ns < best)
			best = r->ns;
	}
	return best;
}

/* One that is too slow for those that are there is so for all. */
static enum verdict decide(const struct result *job, const struct target *t, double *ratio)
{
	const struct result *r = result_of(job, t->way);
	double best;
	bool all;

	best = best_of(job, t, &all);
	*ratio = 0;
	if (r->is != MEASURED || !best)
		return NOT_MEASURED;
	*ratio = t->faster ? best / r->ns : r->ns / best;
	if (t->faster ? *ratio < t->limit : *ratio > t->limit)
		return MISSED;
	return all ? PASS : NOT_MEASURED;
}

static void show(const struct target *t, const char *job, double ratio, enum verdict v, bool json)
{
	if (json)
		printf("{\"job\":\"%s\",\"way\":\"%s\",\"against\":\"%s\",\"%s\":%g,"
		       "\"ratio\":%.3f,\"verdict\":\"%s\"}\n",
		       job, t->way->name, t->what, t->faster ? "at_least" : "at_most", t->limit,
		       ratio, words[v]);
	else
		printf("| %-17s | %-13s | %-19s | %-8s %5g | %7.2f | %s\n", job, t->way->name,
		       t->what, t->faster ? "at least" : "at most", t->limit, ratio, words[v]);
}

bool judge(const struct result results[JOBS][WAYS], bool json)
{
	unsigned int n[VERDICTS] = { 0 };
	double ratio;

	if (!json)
		printf("\n| %-17s | %-13s | %-19s | %-14s | %7s | %s\n", "job", "way", "against",
		       "wanted", "ratio", "verdict");
	for (const struct target *t = targets; t->way; t++)
		for (int j = 0; j < JOBS; j++) {
			enum verdict v;

			/* where it cannot carry such a message nothing is wanted */
			if (!(t->jobs & JOB(j)) || result_of(results[j], t->way)->is == CANNOT)
				continue;
			v = decide(results[j], t, &ratio);
			n[v]++;
			show(t, jobs[j].name, ratio, v, json);
		}
	if (!json)
		printf("\n%u targets met, %u missed, %u not measured\n", n[PASS], n[MISSED],
		       n[NOT_MEASURED]);
	return !n[MISSED] && !n[NOT_MEASURED];
}
