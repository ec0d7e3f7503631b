// SPDX-License-Identifier: GPL-2.0-only
/*
 * How near two CPUs are: how long a line of the cache takes to the other and back.
 */
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parts.h"
#include "peers.h"

#define LINE_TRIPS 200
#define TRIES 5 /* the median counts */
#define SPIN_NS 1000000 /* until a CPU that slept is as fast as it gets */
#define LOOK_S 2 /* by far: the two may have one CPU after all */

static uint64_t *line; /* both write it, in turn */

static void spin(void)
{
	int64_t start = now();

	while (now() - start < SPIN_NS)
		;
}

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
	alarm(LOOK_S); /* it may begin when who asks is gone */
	pin(me);
	spin();
	for (uint64_t i = 0; i < TRIES * LINE_TRIPS; i++)
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
	spin();
	for (int t = 0; t < TRIES; t++) {
		int64_t start = now();

		for (int k = 0; k < LINE_TRIPS; k++, i++)
			turn_to(2 * i, 2 * i + 1);
		times[t] = (double)(now() - start) / LINE_TRIPS;
	}
	wait(NULL);
	median(times, TRIES, &r);
	tell(r.ns);
}

double line_look(void)
{
	struct result r = { 0 };

	run_apart(line_body, NULL, &r);
	end_if_told();
	return r.is == MEASURED ? r.ns : 0;
}
