// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench: measures. The program that does is beside this one, as it brings all that ipcx is
 * measured against.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "../../selftests/peers/usage.h"
#include "util.h"

#define PROGRAM "ipcx-bench"

static int run_bench(int argc, char **argv)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *name;

	(void)argc;
	argv[0] = "ipcx: bench";
	if (n < 0)
		return fail_file("/proc/self/exe", errno);
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	strcpy(name, PROGRAM);
	fflush(stdout);
	execv(path, argv);
	return fail_file(path, errno);
}

const struct command cmd_bench = {
	"bench",
	run_bench,
	"measure what a message costs here, and by other ways",
	BENCH_USAGE,
};
