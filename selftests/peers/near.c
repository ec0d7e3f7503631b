// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host moves the CPUs of its virtual machines about: now two of them share a cache, and a line
 * goes to the other and back in 60 ns, now they do not, and it takes 300. What a turn took then
 * says more about that than about the way. So a turn begins when they are about as near as they
 * ever were, and is done again if they no longer are at its end. Elsewhere they always are.
 */
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parts.h"
#include "peers.h"

#define TRIPS_OF_LINE 200
#define TRIES 5 /* the median counts */
#define LOOK_S 2 /* by far: the two may have one CPU after all */
#define PAUSE_US 50000
#define FIRST_NS 3e9 /* longer than they mostly are apart */
#define WAIT_NS 2e9
#define FAR_TIMES 2 /* as long as the quickest line so far */
#define AGAIN_MAX 5

static struct turns counted;
static double left; /* ns that may still be spent on this */
static bool near; /* at the last look */
static int64_t began;
static uint64_t *line; /* both write it, in turn */

static void turn_to(uint64_t from, uint64_t to)
{
	unsigned int looks = 0;

	while (__atomic_load_n(line, __ATOMIC_ACQUIRE) != from)
		if (!(++looks & 0xfff))
			sched_yield();
	__atomic_store_n(line, to, __ATOMIC_RELEASE);
}

static void answer(unsigned int me)
{
	pin(me);
	for (uint64_t i = 0; i < TRIES * TRIPS_OF_LINE; i++)
		turn_to(2 * i + 1, 2 * i + 2);
}

static void line_body(const void *arg)
{
	double times[TRIES];
	struct result r;
	uint64_t i = 0;

	(void)arg;
	alarm(LOOK_S);
	line = (uint64_t *)map_shared(sizeof(*line));
	start_process(answer, 1);
	pin(0);
	for (int t = 0; t < TRIES; t++) {
		int64_t start = now();

		for (int k = 0; k < TRIPS_OF_LINE; k++, i++)
			turn_to(2 * i, 2 * i + 1);
		times[t] = (double)(now() - start) / TRIPS_OF_LINE;
	}
	wait(NULL);
	median(times, TRIES, &r);
	tell(r.ns);
}

/* One that fails is the last. */
static void look(void)
{
	struct result r = { 0 };

	run_apart(line_body, NULL, &r);
	end_if_told();
	if (r.is != MEASURED) {
		left = 0;
		near = false;
		return;
	}
	if (!counted.line_ns || r.ns < counted.line_ns)
		counted.line_ns = r.ns;
	near = r.ns < FAR_TIMES * counted.line_ns;
}

void near_allow(double ns)
{
	left = several_cpus() ? ns : 0;
}

void near_wait(void)
{
	bool first = !counted.line_ns; /* how near can they be? */
	double most = first ? left / 4 : left;
	int64_t start = now();

	if (most > (first ? FIRST_NS : WAIT_NS))
		most = first ? FIRST_NS : WAIT_NS;
	near = false;
	while (left > 0 && (first || !near) && now() - start < most) {
		look();
		if (first || !near)
			usleep(PAUSE_US);
	}
	began = now();
	left -= began - start;
}

bool near_again(unsigned int *turn)
{
	bool was = near;
	int64_t end = now();

	if (!counted.line_ns)
		return false;
	counted.all += !*turn;
	if (left > 0)
		look();
	left -= now() - end;
	if (was && near)
		return false;
	if (left > 0 && ++*turn < AGAIN_MAX) {
		left -= end - began;
		counted.again++;
		return true;
	}
	counted.far++;
	return false;
}

const struct turns *near_turns(void)
{
	return &counted;
}
