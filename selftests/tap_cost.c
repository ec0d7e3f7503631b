// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message costs its sender and receiver, and what becomes of it, while its queue is tapped
 * and the tap is read all the time, not at all, or by one who was killed: as without. In a guest
 * whose clock counts instructions; those of this process are counted only.
 */
#include "tap_util.h"

#include "../kselftest_harness.h"

#define NAME "tap-cost"
#define MESSAGES 20000
#define SNAP 65536

/* WAKES runs as often as READS, but does nothing: to be interrupted costs something, too */
enum reader { NOBODY, STALLED, KILLED, WAKES, READS, READERS };

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

/* Return: who taps, ready; or 0 for nobody, -1. */
static pid_t tap_as(enum reader how)
{
	int ready[2];
	char c = 'r';
	pid_t pid;

	if (how == NOBODY)
		return 0;
	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		int fd = tap_open(IPCX_KIND_QUEUE, NAME, SNAP);

		if (fd < 0 || (how == READS && !tap_one(fd, SNAP) && errno != EAGAIN) ||
		    write(ready[1], &c, 1) != 1)
			_exit(1);
		while (how >= WAKES) {
			while (how == READS && tap_one(fd, SNAP))
				;
			usleep(50);
		}
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	if (how == KILLED && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	return pid;
}

static bool as_without(struct end *e, size_t len, const char *what)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };
	int64_t spent[READERS];
	uint64_t sent = 0;
	int base;
	bool good = messages(e, len) > 0;

	for (int i = NOBODY; good && i < READERS; i++) {
		pid_t pid = tap_as(i);

		good = pid >= 0 && !xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st);
		sent = st.out_sent;
		spent[i] = messages(e, len);
		base = i == READS ? WAKES : NOBODY;
		good = good && spent[i] > 0;
		good = good && (i == WAKES || spent[i] * 100 <= spent[base] * 102);
		good = good && !xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st) &&
		       st.out_sent == sent + MESSAGES && st.out_released == st.out_sent;
		fprintf(stderr, "# instructions per %s, %s: %.1f\n", what,
			i == NOBODY  ? "no tap" :
			i == STALLED ? "stalled tap" :
			i == KILLED  ? "killed tap" :
			i == WAKES   ? "no tap, but somebody who wakes" :
				       "tap that reads",
			(double)spent[i] / MESSAGES);
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
	return good;
}

TEST(message)
{
	struct end e = {};

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, 64, "message"));
	end_close(&e);
}

TEST(long_message)
{
	struct end e = {};

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, 60000, "message of 60,000 bytes"));
	end_close(&e);
}

TEST_HARNESS_MAIN
