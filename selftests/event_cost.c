// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message costs, and what becomes of it, while somebody listens to events, reads them or
 * not, or has been killed: as without, and at most a little more if a message is dropped, which is
 * noted. In a guest whose clock counts instructions.
 */
#include "event_util.h"

#include "../kselftest_harness.h"

#define NAME "event-cost"
#define MESSAGES 20000

enum listener { NOBODY, STALLED, READS, KILLED, LISTENERS };

/* Instructions, and what the queue has counted. */
struct result {
	int64_t instructions;
	uint64_t sent, released, oldest, newest;
};

static int64_t round_trip(struct end *e, int n)
{
	int64_t begin = now_ns();
	struct ipcx_desc d;

	for (int i = 0; i < n; i++)
		if (raw_loan(e->fd, &d, 64, 0) != 1 || raw_commit(e->fd, &d) != 1 ||
		    raw_take(e->fd, &d, 0) != 1 || raw_release(e->fd, &d) != 1)
			return -1;
	return now_ns() - begin;
}

/* Each send drops a message. */
static int64_t drops(struct end *e, int n)
{
	int64_t begin = now_ns();
	struct ipcx_desc d;

	for (int i = 0; i < n; i++)
		if (raw_loan(e->fd, &d, 64, 0) != 1 || raw_commit(e->fd, &d) != 1)
			return -1;
	return now_ns() - begin;
}

/* The same of two ends in turn: the cause is never that of the one before. */
static int64_t drops_in_turn(struct end *e, int n)
{
	int64_t begin = now_ns();
	struct ipcx_desc d;

	for (int i = 0; i < n; i++)
		if (raw_loan(e[i % 2].fd, &d, 64, 0) != 1 || raw_commit(e[i % 2].fd, &d) != 1)
			return -1;
	return now_ns() - begin;
}

/* Listens until it is killed, and reads all or nothing. */
static pid_t listen_as(enum listener how)
{
	const char *const groups[] = { IPCX_MCGRP_LIFECYCLE, IPCX_MCGRP_ALERTS };
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int ready[2];
	char buf[4096];
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 2; i++)
			p[i].fd = nl_listen(groups[i]);
		if (p[0].fd < 0 || p[1].fd < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		while (how == READS)
			for (int i = poll(p, 2, -1) < 0 ? 2 : 0; i < 2; i++)
				if (p[i].revents)
					recv(p[i].fd, buf, sizeof(buf), MSG_DONTWAIT);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], buf, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static bool count(const struct end *e, struct result *r, int sign)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };

	if (xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st))
		return false;
	r->sent += sign * st.out_sent;
	r->released += sign * st.out_released;
	r->oldest += sign * st.out_dropped_oldest;
	r->newest += sign * st.out_dropped_newest;
	return true;
}

static void kill_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool run_with(struct end *e, int64_t (*run)(struct end *e, int n), enum listener how,
		     struct result *r)
{
	pid_t pid = how == NOBODY ? 0 : listen_as(how);
	bool good;

	if (pid < 0)
		return false;
	if (how == KILLED)
		kill_it(pid);
	*r = (struct result){};
	good = count(e, r, -1);
	r->instructions = run(e, MESSAGES);
	good = count(e, r, 1) && good && r->instructions > 0;
	if (pid && how != KILLED)
		kill_it(pid);
	return good;
}

/* With each kind of listener the same becomes of messages, for so many more instructions. */
static bool as_without(struct end *e, int64_t (*run)(struct end *e, int n), int percent,
		       const char *what)
{
	struct result r[LISTENERS];
	bool good = run(e, MESSAGES / 10) > 0;

	for (int i = NOBODY; i < LISTENERS; i++) {
		good = run_with(e, run, i, &r[i]) && good;
		good = good && r[i].instructions * 100 <= r[NOBODY].instructions * (100 + percent);
		good = good && r[i].sent == r[NOBODY].sent && r[i].released == r[NOBODY].released &&
		       r[i].oldest == r[NOBODY].oldest && r[i].newest == r[NOBODY].newest;
	}
	fprintf(stderr,
		"# instructions per %s: %.1f alone, listener stalled %.1f, reads %.1f, killed %.1f\n",
		what, (double)r[NOBODY].instructions / MESSAGES,
		(double)r[STALLED].instructions / MESSAGES,
		(double)r[READS].instructions / MESSAGES,
		(double)r[KILLED].instructions / MESSAGES);
	fprintf(stderr, "# %llu sent, %llu released, oldest dropped %llu, newest %llu with each\n",
		(unsigned long long)r[NOBODY].sent, (unsigned long long)r[NOBODY].released,
		(unsigned long long)r[NOBODY].oldest, (unsigned long long)r[NOBODY].newest);
	return good;
}

TEST(message)
{
	struct end e = {};

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, round_trip, 1, "message"));
	end_close(&e);
}

TEST(message_drops_another)
{
	struct end e = { .o.policy = IPCX_POLICY_DROP_OLDEST };

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, drops, 2, "message that drops another"));
	end_close(&e);
}

TEST(message_of_two_drops_another)
{
	struct end e[2] = { { .o.policy = IPCX_POLICY_DROP_OLDEST } };

	ASSERT_EQ(0, end_open(&e[0], NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&e[1], NAME, IPCX_OPEN_SEND));
	EXPECT_TRUE(as_without(e, drops_in_turn, 2, "message of two in turn that drops another"));
	end_close(&e[0]);
	end_close(&e[1]);
}

TEST(message_is_dropped)
{
	struct end e = { .o.policy = IPCX_POLICY_DROP_NEWEST };

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_TRUE(as_without(&e, drops, 2, "message that is dropped"));
	end_close(&e);
}

TEST_HARNESS_MAIN
