// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wanted, as ratios of one run. A target is met only if all that it is about was measured,
 * more than half of it on CPUs that were near each other.
 */
#include <stdio.h>

#include "parts.h"

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

#define PEERS_ALL \
	{ \
		&pipe_way, &seqpacket_way, &dgram_way, &unix_stream_way, &mq_way, &sysv_way, \
			&zmq_way, &nng_way \
	}
/* Topics and queues over shared memory are asked the same. */
#define SHARED(way) \
	{ &(way), SHORT, false, 2, "bare ring", { &ring_way } }, \
		{ &(way), SHORT, true, 4, "best peer", PEERS_ALL }, \
		{ &(way), SHORT, true, 20, "iceoryx", { &iceoryx_way } }, \
		{ &(way), LONG, false, 1.1, "bare ring", { &ring_way } }, \
		{ &(way), LONG, true, 1.5, "iceoryx", { &iceoryx_way } }, \
		{ &(way), LONG, true, 3, "the kernel's own", KERNEL }, \
		{ &(way), TRIPS, false, 1.3, "bare ring", { &ring_way } }, \
	{ \
		&(way), TRIPS, true, 8, "iceoryx", \
		{ \
			&iceoryx_way \
		} \
	}

static const struct target targets[] = {
	SHARED(topic_way),
	{ &topic_way, JOB(WAIT_8) | JOB(WAIT_64), false, 1.1, "eventfd slots", { &slots_way } },
	SHARED(shm_way),
	{ &ipcx_unix_way, FALLBACK, false, 1.15, "seqpacket", { &seqpacket_way } },
	{ &ipcx_mq_way, FALLBACK, false, 1.15, "POSIX mq", { &mq_way } },
	{ &ipcx_fifo_way, FALLBACK, false, 1.15, "FIFO", { &fifo_way } },
	{ &ipcx_tcp_way, FALLBACK, false, 1.15, "TCP", { &tcp_way } },
	{},
};

/* Of @kind, with @to of what @series has more of, at most @limit times as long as with @from */
struct growth_target {
	const char *kind, *series;
	unsigned long from, to;
	double limit;
};

#define FLAT(kind) \
	{ kind, "depth", 16, 65536, 1.2 }, { kind, "length", 8, 64 << 20, 1.1 }, \
		{ kind, "ends", 1, 60, 1.2 }, { kind, "polled", 1, 1000, 1.2 }, \
	{ \
		kind, "open, of names", 10, 100000, 1.2 \
	}

static const struct growth_target growth_targets[] = {
	{ "ipcx topic", "subscribers", 1, 8, 1.5 },
	FLAT("ipcx shm"),
	FLAT("ipcx queue"),
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

/* Was it measured, and were the two CPUs near in most turns? */
static bool counts(const struct result *r)
{
	return r->is == MEASURED && (!r->turns || 2 * turns_not_near(r) < r->turns);
}

/*
 * The fastest of those that count, 0 if none was; @all: none is missing but those that
 * are not for such messages.
 */
static double best_of(const struct result *job, const struct target *t, bool *all)
{
	double best = 0;

	*all = true;
	for (int i = 0; i < AGAINST_MAX && t->against[i]; i++) {
		const struct result *r = result_of(job, t->against[i]);

		if (!counts(r))
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
	if (!counts(r) || !best)
		return NOT_MEASURED;
	*ratio = t->faster ? best / r->ns : r->ns / best;
	if (t->faster ? *ratio < t->limit : *ratio > t->limit)
		return MISSED;
	return all ? PASS : NOT_MEASURED;
}

static enum verdict growth_decide(const struct growth_target *t, double *ratio)
{
	const struct result *from = growth_result(t->series, t->from, t->kind);
	const struct result *to = growth_result(t->series, t->to, t->kind);

	*ratio = 0;
	if (from->is != MEASURED || to->is != MEASURED)
		return NOT_MEASURED;
	*ratio = to->ns / from->ns;
	return *ratio > t->limit ? MISSED : PASS;
}

static void judge_growth(enum format f, unsigned int *n)
{
	for (const struct growth_target *t = growth_targets; t->kind; t++) {
		char job[32], against[32];
		struct judgement j = {
			.job = job,
			.way = t->kind,
			.against = against,
			.limit = t->limit,
		};
		enum verdict v = growth_decide(t, &j.ratio);

		if (growth_result(t->series, t->to, t->kind)->is == CANNOT)
			continue;
		snprintf(job, sizeof(job), "%s %lu", t->series, t->to);
		snprintf(against, sizeof(against), "itself with %lu", t->from);
		j.verdict = words[v];
		n[v]++;
		report_judgement(f, &j);
	}
}

bool judge(const struct result results[JOBS][WAYS], bool growth, enum format f)
{
	unsigned int n[VERDICTS] = { 0 };

	report_judgements(f);
	for (const struct target *t = targets; t->way; t++)
		for (int i = 0; i < JOBS; i++) {
			struct judgement j = {
				.job = jobs[i].name,
				.way = t->way->name,
				.against = t->what,
				.faster = t->faster,
				.limit = t->limit,
			};
			enum verdict v;

			/* where it cannot carry such a message nothing is wanted */
			if (!(t->jobs & JOB(i)) || result_of(results[i], t->way)->is == CANNOT)
				continue;
			v = decide(results[i], t, &j.ratio);
			j.verdict = words[v];
			n[v]++;
			report_judgement(f, &j);
		}
	if (growth)
		judge_growth(f, n);
	if (f != JSON)
		printf("\n%u targets met, %u missed, %u not measured\n", n[PASS], n[MISSED],
		       n[NOT_MEASURED]);
	return !n[MISSED] && !n[NOT_MEASURED];
}
