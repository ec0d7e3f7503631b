// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host moves the CPUs of its virtual machines about: now two of them share a cache, and a line
 * goes to the other and back in 60 ns, now they do not, and it takes 300. What a turn took then says
 * more about that than about the way. So a turn begins when they are about as near as they ever
 * were, and is done again if they no longer are at its end. Elsewhere they always are.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "peers.h"
#include "parts.h"

#define TRIPS_OF_LINE 200
#define TRIES 5 /* the median counts */
#define PAUSE_US 50000
#define FIRST_LOOKS 60 /* with these pauses: longer than they mostly are apart */
#define FAR_TIMES 2 /* as long as the quickest line so far */
#define AGAIN_MAX 5

static struct turns counted;
static double left; /* ns that may still be waited */
static uint64_t *line; /* both write it, in turn */

static void turn_to(uint64_t from, uint64_t to)
{
	while (__atomic_load_n(line, __ATOMIC_ACQUIRE) != from)
		;
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
	line = (uint64_t *)map_shared(sizeof(*line));
	pin(0);
	start_process(answer, 1);
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

/* Whether they are near now */
static bool are_near(void)
{
	struct result r = { 0 };

	run_apart(line_body, NULL, &r);
	end_if_told();
	if (r.is != MEASURED)
		return true;
	if (!counted.line_ns || r.ns < counted.line_ns)
		counted.line_ns = r.ns;
	return r.ns < FAR_TIMES * counted.line_ns;
}

static void pause_once(void)
{
	usleep(PAUSE_US);
	left -= PAUSE_US * 1e3;
}

void near_allow(double ns)
{
	left = ns;
}

/* How near they can be */
static void learn(void)
{
	for (int i = 0; i < FIRST_LOOKS && left > 0; i++) {
		are_near();
		pause_once();
	}
}

void near_wait(void)
{
	if (!several_cpus())
		return;
	if (!counted.line_ns)
		learn();
	while (left > 0 && !are_near())
		pause_once();
}

bool near_again(unsigned int *turn)
{
	counted.all += !*turn;
	if (!several_cpus() || are_near())
		return false;
	if (left > 0 && ++*turn < AGAIN_MAX) {
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
