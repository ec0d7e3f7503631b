// SPDX-License-Identifier: GPL-2.0-only
/* The slots' state machine, random steps, everything looked at after each. */
#include "model.h"

static u64 steps;

static u32 pick(u32 n)
{
	return random() % n;
}

static void failed(const char *what, int line)
{
	printf("not ok 1 slots: %s, line %d, step %llu\n", what, line, (unsigned long long)steps);
	exit(1);
}

int main(int argc, char **argv)
{
	u64 n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;

	srandom(argc > 2 ? atoi(argv[2]) : 1);
	model_init(DEPTH_MAX);
	for (steps = 0; steps < n; steps++) {
		step();
		check_all();
	}
	model_end();
	printf("TAP version 13\n1..1\nok 1 slots: %llu random steps, all compared after each\n",
	       (unsigned long long)n);
	return 0;
}
