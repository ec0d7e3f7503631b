// SPDX-License-Identifier: GPL-2.0-only
/*
 * near.c by a clock that the test moves: what is waited for, done again and counted, whatever the
 * host does with the two CPUs, and whether or not they can be looked at.
 */
#include "../peers.h"
#include "kselftest_harness.h"

#define MS 1000000LL
#define S (1000 * MS)
#define TURN (200 * MS)
#define LOOK MS
#define NEAR 60
#define FAR 300
#define TURNS 50

static int64_t allowed = TURN; /* for each turn */
static int64_t clock_ns, far_from, far_until; /* the CPUs are far from each other between these */
static unsigned int nlooks, fail_from, fail_until; /* and these looks fail */
static unsigned int fail_each; /* and of so many one; 0: none */
static unsigned int odd; /* this look finds far less than it should; 0: none does */

int64_t now(void)
{
	return clock_ns;
}

int usleep(useconds_t us)
{
	clock_ns += us * 1000LL;
	return 0;
}

double line_look(void)
{
	unsigned int n = ++nlooks;

	clock_ns += LOOK;
	if ((n >= fail_from && n < fail_until) || (fail_each && !(n % fail_each)))
		return 0;
	if (n == odd)
		return NEAR / 6;
	return clock_ns >= far_from && clock_ns < far_until ? FAR : NEAR + n % 40;
}

/* A turn, and all of those that were done again for it. Return: what a line took */
static double turn(void)
{
	unsigned int times = 0;
	double line = -1;

	do {
		near_begin();
		clock_ns += TURN;
	} while (near_again(&times, &line));
	return line;
}

/* Return: how many turns were not near */
static unsigned int row(unsigned int n)
{
	struct result r = { .is = MEASURED };
	double lines[TURNS];

	near_allow(n * allowed);
	for (unsigned int i = 0; i < n; i++)
		lines[i] = turn();
	near_keep(lines, n, &r);
	return r.turns == n ? turns_not_near(&r) : ~0U;
}

/* What was waited and done again took as long as the turns at most, but for the first looks. */
static bool bounded(void)
{
	const struct turns *t = near_turns();

	return t->waited + t->again * TURN <= 3 * S + t->all * TURN + 100 * MS;
}

TEST(always_near)
{
	const struct turns *t = near_turns();

	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	near_turns();
	ASSERT_EQ(TURNS, t->all);
	ASSERT_EQ(0, t->far + t->unknown + t->again);
	ASSERT_LE(t->waited, 3.1 * S);
	ASSERT_LE(clock_ns, 3.1 * S + TURNS * (TURN + 2 * LOOK));
	ASSERT_GE(t->near_ns, NEAR);
	ASSERT_LE(t->near_ns, NEAR + 40);
}

TEST(far_at_first)
{
	unsigned int first;

	far_until = 4 * S;
	near_learn(3 * S);
	/* who has seen nothing else cannot know it, but it is no longer so when the row ends */
	first = row(TURNS);
	ASSERT_GE(first, 4);
	ASSERT_LE(first, 6);
	ASSERT_EQ(first, near_turns()->far);
	ASSERT_EQ(0, row(TURNS));
	ASSERT_EQ(0, near_turns()->unknown);
}

/* A row that was wholly far is seen to be so once others were near. */
TEST(far_in_all_of_the_first_row)
{
	struct result first = { .is = MEASURED, .turns = TURNS };

	far_until = 60 * S;
	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	ASSERT_EQ(0, near_turns()->far);
	clock_ns = far_until;
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, row(TURNS));
	ASSERT_EQ(TURNS, near_turns()->far);
	ASSERT_EQ(TURNS, turns_not_near(&first));
}

TEST(far_for_a_while_is_waited_for)
{
	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	far_from = clock_ns + TURN / 2;
	far_until = far_from + 2 * S;
	ASSERT_EQ(0, row(TURNS));
	ASSERT_EQ(1, near_turns()->again);
	ASSERT_GE(near_turns()->waited, 4 * S);
	ASSERT_TRUE(bounded());
}

TEST(far_longer_than_can_be_waited)
{
	unsigned int far = 0, in_time = 0;

	near_learn(3 * S);
	ASSERT_EQ(0, row(5));
	far_from = clock_ns + 5 * TURN / 2;
	far_until = far_from + 10 * S;
	while (clock_ns < far_until) {
		int64_t start = clock_ns;

		far += row(1);
		in_time += clock_ns >= far_from && start < far_until;
	}
	/* each but those that were waited for until it was over */
	ASSERT_GE(far, 15);
	ASSERT_GE(far + 1, in_time);
	ASSERT_LE(far, in_time);
	ASSERT_EQ(0, row(TURNS));
	ASSERT_EQ(far, near_turns()->far);
	ASSERT_EQ(0, near_turns()->unknown);
	ASSERT_TRUE(bounded());
}

TEST(looked_at_though_nothing_is_left)
{
	near_learn(3 * S);
	allowed = 0;
	for (int i = 0; i < TURNS; i++) {
		ASSERT_EQ(0, row(1));
		far_from = clock_ns + TURN / 2;
		far_until = far_from + TURN;
		ASSERT_EQ(1, row(1));
		ASSERT_EQ(1, row(1)); /* it is near again before this ends */
		far_until = clock_ns;
	}
	ASSERT_EQ(2 * TURNS, near_turns()->far);
	ASSERT_EQ(0, near_turns()->again);
}

TEST(far_and_near_in_turn)
{
	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	for (int i = 0; i < TURNS; i++) {
		far_from = clock_ns + TURN / 2 + 2 * i * MS;
		far_until = far_from + TURN;
		row(1);
	}
	ASSERT_GE(near_turns()->again, TURNS);
	ASSERT_EQ(0, near_turns()->far);
	ASSERT_TRUE(bounded());
}

TEST(a_look_that_fails_costs_itself)
{
	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	fail_from = nlooks + 3; /* when a turn begins it is looked again */
	fail_until = fail_from + 1;
	ASSERT_EQ(0, row(TURNS));
	fail_from = nlooks + 2;
	fail_until = fail_from + 2;
	ASSERT_EQ(1, row(TURNS));
	ASSERT_EQ(1, near_turns()->unknown);
	ASSERT_EQ(0, near_turns()->far + near_turns()->again);
}

TEST(nobody_looks_for_ever)
{
	near_learn(3 * S);
	fail_from = 1;
	fail_until = ~0U;
	ASSERT_EQ(TURNS, row(TURNS));
	ASSERT_EQ(3, nlooks);
	ASSERT_EQ(TURNS, near_turns()->unknown);
	ASSERT_EQ(0, near_turns()->far + near_turns()->again);
	ASSERT_EQ(0, near_turns()->near_ns);
	ASSERT_LE(near_turns()->waited, 200 * MS);
}

TEST(who_often_fails_gives_up)
{
	unsigned int n;

	fail_each = 2;
	for (int i = 0; i < 5; i++)
		row(TURNS);
	n = nlooks;
	ASSERT_GE(n, 40);
	ASSERT_LE(n, 60);
	ASSERT_EQ(TURNS, row(TURNS));
	ASSERT_EQ(n, nlooks);
}

TEST(who_seldom_fails_goes_on)
{
	fail_each = 60;
	for (int i = 0; i < 100; i++)
		row(TURNS);
	ASSERT_GE(nlooks, 100 * 2 * TURNS);
}

TEST(one_wait_has_a_limit)
{
	int64_t start;

	near_learn(3 * S);
	ASSERT_EQ(0, row(TURNS));
	near_allow(1000 * S);
	start = clock_ns;
	far_from = clock_ns;
	far_until = clock_ns + 60 * S;
	near_begin();
	ASSERT_GE(clock_ns - start, 9 * S);
	ASSERT_LE(clock_ns - start, 11 * S);
}

TEST(who_stops_looking_knows_nothing_from_then_on)
{
	near_learn(3 * S);
	ASSERT_EQ(0, row(10));
	fail_from = nlooks + 1;
	fail_until = ~0U;
	ASSERT_EQ(TURNS, row(TURNS));
	ASSERT_EQ(fail_from + 2, nlooks);
	ASSERT_EQ(10 + TURNS, near_turns()->all);
	ASSERT_EQ(TURNS, near_turns()->unknown);
}

TEST(one_look_says_nothing)
{
	const unsigned int when[] = { 1, 20, 70 };

	for (unsigned int i = 0; i < ARRAY_SIZE(when); i++) {
		odd = nlooks + when[i];
		near_learn(i ? 0 : 3 * S);
		ASSERT_EQ(0, row(TURNS));
	}
	ASSERT_EQ(0, near_turns()->far + near_turns()->unknown + near_turns()->again);
	ASSERT_GE(near_turns()->near_ns, NEAR);
}

TEST_HARNESS_MAIN
