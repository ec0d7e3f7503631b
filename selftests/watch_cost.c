// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message costs its sender and receiver, and what becomes of it, while its queue is tapped
 * or shown by "ipcx top", and the tap is read, the command looks, all the time, not at all, or was
 * killed: as without. In a guest whose clock counts instructions; those of this process are
 * counted only.
 */
#include <libgen.h>
#include <limits.h>

#include "tap_util.h"

#include "../kselftest_harness.h"

#define NAME "watch-cost"
#define MESSAGES 20000
#define SNAP 65536
#define LOOKS 5 /* of the command in each run, at least: it looks each 10 ms */

/* WAKES runs as often as TAP_READS, but does nothing: to be interrupted costs something, too */
enum watcher {
	NOBODY,
	TAP_STALLED,
	TAP_KILLED,
	WAKES,
	TAP_READS,
	TOP_STALLED,
	TOP_KILLED,
	TOP_LOOKS,
	WATCHERS
};

static const struct {
	const char *name;
	enum watcher base; /* as much is spent with that */
} watchers[WATCHERS] = {
	[NOBODY] = { "nobody" },
	[TAP_STALLED] = { "stalled tap" },
	[TAP_KILLED] = { "killed tap" },
	[WAKES] = { "no tap, but somebody who wakes", WAKES },
	[TAP_READS] = { "tap that reads", WAKES },
	[TOP_STALLED] = { "stopped top" },
	[TOP_KILLED] = { "killed top" },
	[TOP_LOOKS] = { "top that looks" },
};

static uint64_t *looks; /* shared with who reads what the command says */

static int64_t own_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Instructions for each message, or -1. The reader gets the CPU now and then. */
static int64_t messages(struct end *e, size_t len)
{
	int64_t spent = 0, begin;
	struct ipcx_desc d;

	for (int i = 0; i < MESSAGES; i += 100) {
		begin = own_ns();
		for (int k = 0; k < 100; k++)
			if (raw_loan(e->fd, &d, len, 0) != 1 || raw_commit(e->fd, &d) != 1 ||
			    raw_take(e->fd, &d, 0) != 1 || raw_release(e->fd, &d) != 1)
				return -1;
		spent += own_ns() - begin;
		usleep(100);
	}
	return spent;
}

static void tap(enum watcher how, int ready)
{
	int fd = tap_open(IPCX_KIND_QUEUE, NAME, SNAP);

	if (fd < 0 || (how == TAP_READS && !tap_one(fd, SNAP) && errno != EAGAIN) ||
	    write(ready, "r", 1) != 1)
		_exit(1);
	while (how == WAKES || how == TAP_READS) {
		while (how == TAP_READS && tap_one(fd, SNAP))
			;
		usleep(50);
	}
	pause();
}

/* Becomes "ipcx top", beside the directory of this program. */
static void run_top(int out)
{
	char self[PATH_MAX], *at;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 20);

	if (n > 0) {
		self[n] = 0;
		at = dirname(dirname(self));
		strcat(at, "/bin/ipcx");
		dup2(out, STDOUT_FILENO);
		execl(at, "ipcx", "top", NAME, "--json", "-d", "10ms", NULL);
	}
	_exit(127);
}

static void top(enum watcher how, int ready)
{
	char said[4096];
	int out[2];
	pid_t pid;

	if (pipe(out))
		_exit(1);
	pid = fork();
	if (!pid)
		run_top(out[1]);
	close(out[1]);
	if (pid < 0 || read(out[0], said, sizeof(said)) <= 0 ||
	    (how == TOP_STALLED && kill(pid, SIGSTOP)) || write(ready, "r", 1) != 1)
		_exit(1);
	while (how == TOP_LOOKS && read(out[0], said, sizeof(said)) > 0)
		__atomic_fetch_add(looks, 1, __ATOMIC_RELAXED);
	pause();
}

static void end_watch(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Return: who watches, ready, a group of its own; or 0 for nobody, -1. */
static pid_t watch_as(enum watcher how)
{
	int ready[2];
	pid_t pid;
	char c;

	if (how == NOBODY)
		return 0;
	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		if (how < TOP_STALLED)
			tap(how, ready[1]);
		else
			top(how, ready[1]);
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &c, 1) != 1) {
		end_watch(pid);
		pid = -1;
	}
	close(ready[0]);
	if (pid > 0 && (how == TAP_KILLED || how == TOP_KILLED)) {
		end_watch(pid);
		pid = 0;
	}
	return pid;
}

/* With each of @until kinds of watchers. */
static bool as_without(struct end *e, enum watcher until, size_t len, const char *what)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };
	int64_t spent[WATCHERS];
	uint64_t sent = 0;
	bool good = messages(e, len) > 0;

	for (int i = NOBODY; good && i < until; i++) {
		pid_t pid = watch_as(i);

		good = pid >= 0 && !xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st);
		sent = st.out_sent;
		*looks = 0;
		spent[i] = messages(e, len);
		good = good && spent[i] > 0;
		good = good && spent[i] * 100 <= spent[watchers[i].base] * 102;
		good = good && !xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st) &&
		       st.out_sent == sent + MESSAGES && st.out_released == st.out_sent;
		good = good && (i != TOP_LOOKS || *looks >= LOOKS);
		fprintf(stderr, "# instructions per %s, %s: %.1f\n", what, watchers[i].name,
			(double)spent[i] / MESSAGES);
		if (i == TOP_LOOKS)
			fprintf(stderr, "# it looked %llu times\n", (unsigned long long)*looks);
		if (pid > 0)
			end_watch(pid);
	}
	return good;
}

static bool map_looks(void)
{
	looks = mmap(NULL, sizeof(*looks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return looks != MAP_FAILED;
}

TEST(message)
{
	struct end e = {};

	ASSERT_TRUE(map_looks());
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, WATCHERS, 64, "message"));
	end_close(&e);
}

/* The command reads no payload. */
TEST(long_message)
{
	struct end e = {};

	ASSERT_TRUE(map_looks());
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, TOP_STALLED, 60000, "message of 60,000 bytes"));
	end_close(&e);
}

TEST_HARNESS_MAIN
