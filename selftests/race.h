/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of race: two threads meet, wait for a random while, and make one
 * call each, so that over many rounds every part of one call falls together with
 * every part of the other.
 *
 * Time is the processor's counter: where the kernel's clock is a device, to read
 * it takes longer than most calls here, and is done by one CPU at a time.
 */
#ifndef RACE_H
#define RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <x86intrin.h>

#include "event_util.h"

#include "../kselftest.h"

#define LATER_MS 30000
#define DELAY_MAX 300000 /* ticks; more than any call takes that does not sleep */

/**
 * struct stage - what many rounds share
 * @open: before the first. Return: 0, or a negative errno
 * @close: after the last. Return: NULL, or what is wrong
 */
struct stage {
	int (*open)(void);
	const char *(*close)(void);
};

/**
 * struct drill - two calls that race
 * @name: A/B
 * @stage: what stays from round to round
 * @setup: makes what they work on. Return: 0, or a negative errno
 * @a: one call, result in ret_a
 * @b: the other, result in ret_b
 * @check: looks at ret_a and ret_b, takes away what is left. Return: NULL, or what is wrong
 */
struct drill {
	const char *name;
	const struct stage *stage;
	int (*setup)(void);
	int (*a)(void);
	int (*b)(void);
	const char *(*check)(void);
};

/* @slow: makes so many times less rounds than others; 0: as many */
struct entry {
	struct drill d;
	unsigned int slow;
};

/* When a call began and when it was back, in ticks. */
struct span {
	uint64_t from, to;
};

static int ret_a, ret_b;

static const struct drill *drill;
static atomic_uint at_a, at_b;
static atomic_bool over;
static atomic_llong delay; /* ticks that A waits, or B if negative */
static struct span span_a, span_b; /* of the last round */
static int64_t later; /* a deadline that no call is meant to reach */
static atomic_llong b_back; /* when B was back for sure, if A let it wait; or 0 */
static unsigned int slow; /* rounds in which A's time was over before B was there */

/* @since: if not NULL, when it had waited for a while. Return: false if the other comes no more. */
static inline bool meet(atomic_uint *mine, atomic_uint *other, unsigned int n, atomic_llong *since)
{
	atomic_store(mine, n);
	for (int i = 0; atomic_load(other) < n; i++) {
		if (atomic_load(&over))
			return false;
		if (i % 1000 != 999)
			continue;
		if (since && !atomic_load(since))
			atomic_store(since, now_ns());
		sched_yield();
	}
	return true;
}

/*
 * A's time was over at @later. If B was back before that, A was not woken; else the
 * machine is slow, and nothing is wrong. Return: NULL, or what is wrong.
 */
static inline const char *timed_out(void)
{
	int64_t back = atomic_load(&b_back);

	if (back && back < later)
		return "A was not woken";
	slow++;
	return NULL;
}

/* Who was not woken looks once more when its time is over, and may find something: too late. */
static inline int in_time(int ret)
{
	return ret < 0 || now_ns() < later ? ret : -ETIMEDOUT;
}

static inline int timed(int (*fn)(void), int64_t wait, struct span *s)
{
	uint64_t start = __rdtsc();
	int ret;

	do
		s->from = __rdtsc();
	while ((int64_t)(s->from - start) < wait);
	ret = fn();
	s->to = __rdtsc();
	return ret;
}

/* Two threads that share a CPU never meet. */
static inline void go_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % get_nprocs(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline void go_anywhere(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

static void *thread_b(void *arg)
{
	unsigned int n, rounds = (uintptr_t)arg;

	go_to(1);
	for (n = 0; n < rounds && meet(&at_b, &at_a, 2 * n + 1, NULL); n++) {
		atomic_store(&b_back, 0);
		ret_b = timed(drill->b, -delay, &span_b);
		meet(&at_b, &at_a, 2 * n + 2, &b_back);
	}
	return NULL;
}

static inline int64_t length(const struct span *s)
{
	return s->to - s->from < DELAY_MAX ? s->to - s->from : DELAY_MAX;
}

/* Between A first and B first, by as much as both took, calls that sleep not counted in full. */
static inline int64_t next_delay(void)
{
	int64_t most_a = length(&span_a), most_b = length(&span_b);

	return random() % (most_a + most_b + 500) - most_a - 250;
}

/* @met: counts the rounds in which both were in their calls. Return: NULL, or what is wrong. */
static inline const char *one_race(unsigned int n, unsigned int *met)
{
	int err;

	if (n % 16 == 0)
		later = in_ms(LATER_MS);
	err = drill->setup();
	if (err)
		return strerror(-err);
	delay = next_delay();
	meet(&at_a, &at_b, 2 * n + 1, NULL);
	ret_a = timed(drill->a, delay, &span_a);
	meet(&at_a, &at_b, 2 * n + 2, NULL);
	*met += span_a.from < span_b.to && span_b.from < span_a.to;
	return drill->check();
}

/* @met: see above. Return: NULL, or what is wrong. */
static inline const char *race(const struct drill *d, unsigned int rounds, unsigned int *met)
{
	const char *wrong = NULL, *at_end;
	unsigned int n;
	pthread_t b;
	int err;

	*met = 0;
	slow = 0;
	drill = d;
	atomic_store(&at_a, 0);
	atomic_store(&at_b, 0);
	atomic_store(&over, false);
	memset(&span_a, 0, sizeof(span_a));
	memset(&span_b, 0, sizeof(span_b));
	err = d->stage->open();
	if (err)
		return strerror(-err);
	if (pthread_create(&b, NULL, thread_b, (void *)(uintptr_t)rounds))
		return "no thread";
	go_to(0);
	for (n = 0; n < rounds && !wrong; n++)
		wrong = one_race(n, met);
	atomic_store(&over, true);
	pthread_join(b, NULL);
	at_end = d->stage->close();
	return wrong ?: at_end;
}

/* As a test of its own. */
static inline void race_report(const struct drill *d, unsigned int rounds)
{
	int64_t start = now_ns();
	unsigned int met;
	const char *wrong = race(d, rounds, &met);

	if (!wrong && !met && rounds >= 100)
		wrong = "the two were never in their calls at once";
	if (wrong)
		ksft_print_msg("A said %d, B %d\n", ret_a, ret_b);
	ksft_test_result(!wrong, "%s: %s, %u rounds, %u %% overlap, %u too slow, %lld ms\n",
			 d->name, wrong ?: "good", rounds, (unsigned int)(100ULL * met / rounds),
			 slow, (long long)(now_ns() - start) / 1000000);
}

/*
 * All drills, or the one called argv[2]; argv[1] rounds instead of @n for a fast kernel. Nobody
 * listens but who does so in a drill.
 */
static inline void race_all(const struct entry *list, unsigned int count, unsigned int n, int argc,
			    char **argv)
{
	n = argc > 1 ? atoi(argv[1]) : rounds(n);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	srandom(1);
	ksft_set_plan(argc > 2 ? 1 : count);
	for (unsigned int i = 0; i < count; i++)
		if (argc <= 2 || !strcmp(argv[2], list[i].d.name))
			race_report(&list[i].d, list[i].slow ? n / list[i].slow ?: 1 : n);
	ksft_finished();
}

/* The same while all events are told. */
static inline void race_main(const struct entry *list, unsigned int count, unsigned int n, int argc,
			     char **argv)
{
	if (!nobody_reads())
		ksft_exit_fail_msg("cannot listen to events\n");
	race_all(list, count, n, argc, argv);
}

#endif /* RACE_H */
