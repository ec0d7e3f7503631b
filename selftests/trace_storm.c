// SPDX-License-Identifier: GPL-2.0-only
/* All tracepoints are on while many do all they can. */
#include "trace_util.h"

#include "../kselftest_harness.h"

/*
 * Code is patched while tracepoints go on and off: a guest of two emulated CPUs now and then
 * hangs in that, with any tracepoints, so it has one then.
 */
static void one_cpu_online(bool one)
{
	put_file("/sys/devices/system/cpu/cpu1/online", one ? "0" : "1");
}

FIXTURE(trace_storm)
{
	int err;
};

FIXTURE_SETUP(trace_storm)
{
	if (access("/dev/ipcx", F_OK))
		SKIP(return, "no /dev/ipcx");
	one_cpu_online(true);
	self->err = tracer_open();
	one_cpu_online(false);
	ASSERT_EQ(0, self->err);
}

FIXTURE_TEARDOWN(trace_storm)
{
	one_cpu_online(true);
	tracer_close();
	one_cpu_online(false);
}

/* Runs a program of the same directory, whose report would look like this one's. */
static int beside(const char *name)
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	pid_t pid = fork();

	if (pid)
		return exit_status(pid);
	path[n > 0 ? n : 0] = 0;
	strcpy(strrchr(path, '/') + 1, name);
	dup2(open("/dev/null", O_WRONLY), 1);
	dup2(1, 2);
	execl(path, name, NULL);
	_exit(127);
}

/* What runs sees nothing of it, and the kernel has nothing to complain about. */
TEST_F_TIMEOUT(trace_storm, all, 500)
{
	static const char *const all[] = {
		"storm", "topic_mix", "call", "death", "kill",
	};

	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		EXPECT_EQ(0, beside(all[i]))
		TH_LOG("%s", all[i]);
	}
	EXPECT_LT(1000, traced(" ipcx_queue_", NULL));
}

TEST_HARNESS_MAIN
