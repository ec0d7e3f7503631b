// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench: measures. The program that does is beside this one, as it brings all that ipcx is
 * measured against.
 */
#include <errno.h>
#include <stdio.h>

#include "../../selftests/peers/usage.h"
#include "util.h"

#define PROGRAM "ipcx-bench"

static int run_bench(int argc, char **argv)
{
	(void)argc;
	argv[0] = "ipcx: bench";
	fflush(stdout);
	exec_beside(PROGRAM, argv);
	return fail_file(PROGRAM, errno);
}

const struct command cmd_bench = {
	"bench",
	run_bench,
	"measure what a message costs here, and by other ways",
	BENCH_USAGE,
};
