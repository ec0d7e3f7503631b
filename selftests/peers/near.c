// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host moves the CPUs of its virtual machines about: now two of them share a cache, and a line
 * goes to the other and back in 50 to 100 ns, now they do not, and it takes 290 to 340. What a turn
 * took then says more about that than about the way. So each turn of two processes is looked at,
 * at both ends: it begins when they are near, and is done again if they no longer are at its end.
 * For that each job gets as long again as its turns take. Those that are far when it is spent, or
 * after being done again so often, count, and it is said how many. Elsewhere the two are always as
 * near.
 */
#include <unistd.h>

#include "peers.h"

#define LOOKS_MAX 16384
#define FAILED_MAX 3 /* in a row, then nobody looks any more */
#define FAILURES_MAX 20 /* nor after so many in all, and one of 50: each takes seconds */
#define PAUSE_US 20000
#define LEARN_NS 3e9 /* longer than they mostly are far */
#define WAIT_NS 10e9 /* each time that a turn begins */
#define FAR_TIMES 2.5 /* of 50 to 100 ns is above 100 and below 290 */
#define AGAIN_MAX 4

static struct turns counted;
static double looks[LOOKS_MAX]; /* ns of a line at the ends of turns, the least first */
static unsigned int nlooks, failed, failures;
static double lines[LOOKS_MAX]; /* of turns: ns of a line, the longer at their ends */
static double learn; /* ns that the first looks may take */
static double left; /* ns that may be spent on waiting and on turns that are done again */
static int64_t began;
static double line; /* when the turn began */

/* A quarter of the looks: one that is wrong says nothing. */
static double near_ns(void)
{
	return nlooks ? looks[nlooks / 4] : 0;
}

static bool is_far(double ns)
{
	return nlooks && ns > FAR_TIMES * near_ns();
}

bool near_was(double ns)
{
	return ns && !is_far(ns);
}

static bool looks_no_more(void)
{
	return failed >= FAILED_MAX || failures >= FAILURES_MAX + nlooks / 50;
}

static double look(void)
{
	double ns;

	if (looks_no_more())
		return 0;
	ns = line_look();
	failed = ns ? 0 : failed + 1;
	failures += !ns;
	return ns;
}

static void keep(double ns)
{
	unsigned int i = nlooks;

	if (!ns || nlooks == LOOKS_MAX)
		return;
	for (; i && looks[i - 1] > ns; i--)
		looks[i] = looks[i - 1];
	looks[i] = ns;
	nlooks++;
}

void near_learn(double ns)
{
	learn = ns < LEARN_NS ? ns : LEARN_NS;
}

void near_allow(double ns)
{
	left += ns;
}

static void first_looks(void)
{
	int64_t start = now();

	while (now() - start < learn && !looks_no_more()) {
		keep(look());
		usleep(PAUSE_US);
	}
	counted.waited += now() - start;
	learn = 0;
}

void near_begin(void)
{
	double most = left < WAIT_NS ? left : WAIT_NS;
	int64_t start;

	first_looks();
	line = look();
	start = now();
	while (!near_was(line) && !looks_no_more() && now() - start < most) {
		usleep(PAUSE_US);
		line = look();
	}
	keep(line); /* of those before it far ones would be too many */
	began = now();
	left -= began - start;
	counted.waited += began - start;
}

bool near_again(unsigned int *times, double *longer)
{
	int64_t took = now() - began;
	double end = look();

	keep(end);
	*longer = !line || !end ? 0 : line > end ? line : end;
	if (!is_far(*longer) || left < took || *times == AGAIN_MAX)
		return false;
	left -= took;
	++*times;
	counted.again++;
	return true;
}

void near_keep(const double *ns, unsigned int n, struct result *r)
{
	r->first_turn = counted.all;
	r->turns = n;
	for (; n--; counted.all++)
		if (counted.all < LOOKS_MAX)
			lines[counted.all] = *ns++;
}

static double line_of(unsigned int turn)
{
	return turn < LOOKS_MAX ? lines[turn] : 0;
}

unsigned int turns_not_near(const struct result *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->turns; i++)
		n += !near_was(line_of(r->first_turn + i));
	return n;
}

const struct turns *near_turns(void)
{
	counted.near_ns = near_ns();
	counted.far = 0;
	counted.unknown = 0;
	for (unsigned int i = 0; i < counted.all; i++) {
		counted.far += is_far(line_of(i));
		counted.unknown += !line_of(i);
	}
	return &counted;
}
