// SPDX-License-Identifier: GPL-2.0-only
/*
 * Alerts: each thing that can go wrong is told once, with who was the cause, how many, and which
 * limit it was.
 */
#include "event_alert.h"
#include "topic_util.h"

#define NAME "event"

/* The number of the only end that a process has open, as netlink says it. */
static uint64_t end_of(pid_t pid)
{
	int fd = nl_open(), family = nl_family(fd);
	uint64_t id = 0;

	dump(fd, family, IPCX_CMD_END_GET);
	close(fd);
	for (int i = 0; i < seen.n; i++)
		if (seen.v[i][IPCX_A_END_PID] == pid)
			id = seen.v[i][IPCX_A_END_ID];
	return id;
}

enum last { CLOSES, EXITS, SLEEPS };

/* A process that makes @loans and takes @leases of the queue NAME, and then does @last. */
static pid_t holder(int loans, int leases, enum last last)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		struct end e = {};
		struct ipcx_desc d;

		close(ready[0]);
		if (end_open(&e, NAME, SENDRECV))
			_exit(1);
		for (int i = 0; i < loans; i++)
			if (raw_loan(e.fd, &d, 100, 0) != 1)
				_exit(2);
		for (int i = 0; i < leases; i++)
			if (raw_take(e.fd, &d, 0) != 1)
				_exit(3);
		if (write(ready[1], "r", 1) != 1)
			_exit(4);
		if (last == SLEEPS)
			pause();
		if (last == CLOSES)
			end_close(&e);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static void kill_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(alert, killed_with_loans)
{
	struct end e = { .o.depth = 8 };
	uint64_t end;
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = holder(3, 0, SLEEPS);
	ASSERT_LT(0, pid);
	end = end_of(pid);
	kill_it(pid);
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(LOANS_RETURNED), e.o.out_id, NAME, pid, 3));
	EXPECT_EQ(end, EVENT(END));
	EXPECT_EQ(IPCX_KIND_QUEUE, EVENT(OBJECT_KIND));
	EXPECT_EQ(IPCX_EVENT_EXIT_KILLED, EVENT(EXIT));
	EXPECT_FALSE(EVENT_HAS(LIMIT));
	end_close(&e);
}

TEST_F(alert, killed_with_messages)
{
	struct end e = { .o.depth = 8 };
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	pid = holder(0, 2, SLEEPS);
	ASSERT_LT(0, pid);
	kill_it(pid);
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REDELIVERED), e.o.out_id, NAME, pid, 2));
	EXPECT_EQ(IPCX_EVENT_EXIT_KILLED, EVENT(EXIT));
	end_close(&e);
}

/* Two that die are two events, and so are loans and messages of one. */
TEST_F(alert, two_die)
{
	struct end e = { .o.depth = 8 };
	pid_t pid[2];

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 10, 1));
	pid[0] = holder(1, 0, SLEEPS);
	pid[1] = holder(2, 1, SLEEPS);
	kill_it(pid[0]);
	ASSERT_EQ(0, event_next(self->fd, 10000)); /* or the two are summed up */
	EXPECT_TRUE(event_is(KIND(LOANS_RETURNED), e.o.out_id, NAME, pid[0], 1));
	kill_it(pid[1]);
	ASSERT_EQ(0, event_next(self->fd, 10000));
	EXPECT_TRUE(event_is(KIND(LOANS_RETURNED), e.o.out_id, NAME, pid[1], 2));
	ASSERT_EQ(0, event_next(self->fd, 10000));
	EXPECT_TRUE(event_is(KIND(REDELIVERED), e.o.out_id, NAME, pid[1], 1));
	end_close(&e);
}

/* Those that die together are one alert, but each is named as its end is closed. */
TEST_F(alert, killed_at_once)
{
	int lives = nl_listen(IPCX_MCGRP_LIFECYCLE), named[4] = {};
	struct end e = { .o.depth = 16 };
	uint64_t sum = 0;
	pid_t pid[4];

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 4; i++)
		pid[i] = holder(i + 1, 0, SLEEPS);
	for (int i = 0; i < 6; i++) /* made, and opened by each */
		ASSERT_EQ(0, event_next(lives, 10000));
	for (int i = 0; i < 4; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < 4; i++) {
		waitpid(pid[i], NULL, 0);
		ASSERT_EQ(0, event_next(lives, 10000));
		EXPECT_EQ(KIND(CLOSED), EVENT(KIND));
		EXPECT_EQ(IPCX_EVENT_EXIT_KILLED, EVENT(EXIT));
		for (int k = 0; k < 4; k++)
			named[k] += EVENT(PID) == pid[k];
	}
	EXPECT_EQ(-ETIMEDOUT, event_next(lives, QUIET_MS));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(1, named[i]);
	while (!event_next(self->fd, QUIET_MS)) {
		EXPECT_EQ(KIND(LOANS_RETURNED), EVENT(KIND));
		sum += EVENT(COUNT);
	}
	EXPECT_EQ(1 + 2 + 3 + 4, sum);
	end_close(&e);
	close(lives);
}

/* How an end was closed is told; a loan that is given back by close(2) is nothing. */
TEST_F(alert, ways_to_go)
{
	struct end e = { .o.depth = 8 };
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 10, 1));
	pid = holder(1, 1, CLOSES);
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REDELIVERED), e.o.out_id, NAME, pid, 1));
	EXPECT_EQ(IPCX_EVENT_EXIT_CLOSED, EVENT(EXIT));
	pid = holder(1, 0, EXITS);
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(LOANS_RETURNED), e.o.out_id, NAME, pid, 1));
	EXPECT_EQ(IPCX_EVENT_EXIT_EXITED, EVENT(EXIT));
	end_close(&e);
}

/* A process that does @n sends to NAME; exits with the number of those that failed. */
static pid_t sender(int n, size_t len)
{
	pid_t pid = fork();

	if (!pid) {
		struct end e = {};
		int failed = 0;

		if (end_open(&e, NAME, IPCX_OPEN_SEND))
			_exit(100);
		for (int i = 0; i < n; i++)
			failed += raw_send(&e, len, i) != 1;
		end_close(&e);
		_exit(failed);
	}
	return pid;
}

/* The queue @e, and a sender of @n messages of @len bytes: one event. Return: the sender, or -1 */
static pid_t sender_told(FIXTURE_DATA(alert) *self, struct end *e, int n, int len)
{
	pid_t pid;

	if (end_open(e, NAME, CREATE | IPCX_OPEN_RECV | IPCX_OPEN_EPHEMERAL))
		return -1;
	pid = sender(n, len);
	return exit_status(pid) || event_only(self->fd) ? -1 : pid;
}

TEST_F(alert, dropped_oldest)
{
	struct end e = { .o = { .depth = 4, .policy = IPCX_POLICY_DROP_OLDEST } };
	pid_t pid = sender_told(self, &e, 5, 10);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(event_is(KIND(DROPPED_OLDEST), e.o.out_id, NAME, pid, 1));
	EXPECT_TRUE(event_limit(LIMIT(DEPTH), 4));
	EXPECT_LT(0, EVENT(END));
	end_close(&e);
}

TEST_F(alert, dropped_newest)
{
	struct end e = { .o = { .depth = 8,
				.policy = IPCX_POLICY_DROP_NEWEST,
				.msg_max = 4096,
				.bytes_max = 8192 } };
	/* none is queued that leaves no room for another */
	pid_t pid = sender_told(self, &e, 2, 4096);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(event_is(KIND(DROPPED_NEWEST), e.o.out_id, NAME, pid, 1));
	EXPECT_TRUE(event_limit(LIMIT(BYTES_MAX), 8192));
	end_close(&e);
}

/* A message has its slot while it is asked whether there is room for another. */
TEST_F(alert, dropped_newest_by_depth)
{
	struct end e = { .o = { .depth = 2, .policy = IPCX_POLICY_DROP_NEWEST } };
	pid_t pid = sender_told(self, &e, 2, 10);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(event_is(KIND(DROPPED_NEWEST), e.o.out_id, NAME, pid, 1));
	EXPECT_TRUE(event_limit(LIMIT(DEPTH), 2));
	EXPECT_LT(0, EVENT(END));
	end_close(&e);
}

/* Many are summed up, each is counted, and no number is missing. */
TEST_F(alert, many_dropped)
{
	struct end e = { .o = { .depth = 4, .policy = IPCX_POLICY_DROP_OLDEST } };
	const int n = rounds(100000);
	int64_t begin = now_ns(), end;
	uint64_t sum = 0, seq = 0;
	int events = 0;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < n + 4; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	end = now_ns();
	for (; !event_next(self->fd, QUIET_MS); events++) {
		ASSERT_EQ(KIND(DROPPED_OLDEST), EVENT(KIND));
		if (seq) {
			EXPECT_EQ(seq + 1, EVENT(SEQ));
		}
		seq = EVENT(SEQ);
		sum += EVENT(COUNT);
	}
	EXPECT_EQ(n, sum);
	/* each tenth of a second, less a tick of the clock */
	EXPECT_GE((end - begin) / 90000000 + 3, events);
	end_close(&e);
}

/* Events tell of four more, the last of them by a later end than @first. */
static bool four_more(FIXTURE_DATA(alert) *self, uint64_t first)
{
	uint64_t sum = 0;

	for (; sum < 4; sum += EVENT(COUNT))
		if (event_next(self->fd, 10000))
			return false;
	return sum == 4 && first < EVENT(END);
}

/* What is summed up has the cause of the last. */
TEST_F(alert, two_drop)
{
	struct end e = { .o = { .depth = 4, .policy = IPCX_POLICY_DROP_OLDEST } }, f = {};
	uint64_t first;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&f, NAME, IPCX_OPEN_SEND));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	ASSERT_EQ(0, event_next(self->fd, 10000));
	first = EVENT(END);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	ASSERT_EQ(1, raw_send(&f, 10, 3));
	EXPECT_TRUE(four_more(self, first));
	end_close(&e);
	end_close(&f);
}

/* Of a queue that goes, what was noted is told. */
TEST_F(alert, told_at_the_end)
{
	struct end e = { .o = { .depth = 2, .policy = IPCX_POLICY_DROP_OLDEST } };
	uint64_t sum = 0;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	ASSERT_EQ(0, event_next(self->fd, 10000));
	sum = EVENT(COUNT);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	end_close(&e);
	while (!event_next(self->fd, QUIET_MS))
		sum += EVENT(COUNT);
	EXPECT_EQ(6, sum);
}

static int loan_three(int fd)
{
	struct ipcx_desc d[3] = { { .len = 10 }, { .len = 10 }, { .len = 10 } };
	struct ipcx_queue_loan l = {
		.size = sizeof(l), .descs = (uintptr_t)d, .count = 3, .desc_size = sizeof(d[0])
	};

	return xioctl(fd, IPCX_IOC_QUEUE_LOAN, &l);
}

/* A full queue: who is refused is told, but not who only looks whether there is room. */
TEST_F(alert, refused)
{
	struct end fail = { .o = { .depth = 2, .policy = IPCX_POLICY_FAIL } };
	struct end wait = { .o.depth = 2 };
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&fail, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&wait, "event-wait", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, raw_send(&fail, 10, i));
		ASSERT_EQ(1, raw_send(&wait, 10, i));
	}
	ASSERT_EQ(-EAGAIN, raw_loan(fail.fd, &d, 10, in_ms(10000)));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), fail.o.out_id, NAME, getpid(), 1));
	EXPECT_TRUE(event_limit(LIMIT(DEPTH), 2));
	/* one of a few slots is better than none, and not refused */
	ASSERT_EQ(1, raw_take(fail.fd, &d, 0));
	ASSERT_EQ(1, raw_release(fail.fd, &d));
	ASSERT_EQ(1, loan_three(fail.fd));
	ASSERT_EQ(-EAGAIN, raw_loan(wait.fd, &d, 10, 0));
	ASSERT_EQ(-ETIMEDOUT, raw_loan(wait.fd, &d, 10, in_ms(10)));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), wait.o.out_id, "event-wait", getpid(), 1));
	end_close(&fail);
	end_close(&wait);
}

/* Refusals likewise are summed up, with the cause of the last. */
TEST_F(alert, two_refused)
{
	struct end e = { .o = { .depth = 2, .policy = IPCX_POLICY_FAIL } }, f = {};
	uint64_t first;
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&f, NAME, IPCX_OPEN_SEND));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	ASSERT_EQ(-EAGAIN, raw_loan(e.fd, &d, 10, in_ms(10000)));
	ASSERT_EQ(0, event_next(self->fd, 10000));
	first = EVENT(END);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(-EAGAIN, raw_loan(e.fd, &d, 10, in_ms(10000)));
	ASSERT_EQ(-EAGAIN, raw_loan(f.fd, &d, 10, in_ms(10000)));
	EXPECT_TRUE(four_more(self, first));
	end_close(&e);
	end_close(&f);
}

static int send_until(const struct end *e, int64_t expires)
{
	struct ipcx_desc d;

	if (raw_loan(e->fd, &d, 10, 0) != 1)
		return 1;
	d.expires = expires;
	return raw_commit(e->fd, &d) != 1;
}

TEST_F(alert, expired)
{
	struct end dead = { .o.depth = 4 };
	struct end e = {
		.o = { .depth = 4, .dead_letter = (uintptr_t) "event-dead", .dead_letter_len = 10 }
	};
	pid_t pid;

	ASSERT_EQ(0, end_open(&dead, "event-dead", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = fork();
	if (!pid) {
		struct end mine = {};

		_exit(end_open(&mine, NAME, IPCX_OPEN_SEND) || send_until(&mine, in_ms(20)));
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(EXPIRED), e.o.out_id, NAME, pid, 1));
	EXPECT_EQ(1, EVENT(DEAD_LETTERED));
	EXPECT_FALSE(EVENT_HAS(LIMIT));
	end_close(&e);
	end_close(&dead);
}

/* The sender's message is given up, after as many tries; without a dead-letter queue too. */
TEST_F(alert, given_up)
{
	struct end dead = { .o.depth = 4 };
	struct end e = { .o = { .depth = 4,
				.max_deliveries = 2,
				.dead_letter = (uintptr_t) "event-dead",
				.dead_letter_len = 10 } };
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(0, end_open(&dead, "event-dead", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int kept = 1; kept >= 0; kept--) {
		e.o.dead_letter = kept ? e.o.dead_letter : 0;
		e.o.dead_letter_len = kept ? e.o.dead_letter_len : 0;
		ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
		pid = sender(1, 10);
		ASSERT_EQ(0, exit_status(pid));
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(1, raw_take(e.fd, &d, 0));
			ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
		}
		ASSERT_EQ(0, event_only(self->fd));
		EXPECT_TRUE(event_is(KIND(GIVEN_UP), e.o.out_id, NAME, pid, 1));
		EXPECT_EQ(kept, EVENT(DEAD_LETTERED));
		EXPECT_TRUE(event_limit(LIMIT(MAX_DELIVERIES), 2));
		end_close(&e);
	}
	end_close(&dead);
}

TEST_F(alert, overdue)
{
	struct end e = { .o = { .depth = 4, .lease_ms = 50 } };
	uint64_t end;
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 10, 1));
	pid = holder(0, 1, SLEEPS);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(OVERDUE), e.o.out_id, NAME, pid, 1));
	EXPECT_TRUE(event_limit(LIMIT(LEASE_MS), 50));
	end = EVENT(END);
	EXPECT_EQ(end_of(pid), end);
	/* it holds nothing any more */
	kill_it(pid);
	end_close(&e);
}

/* A process with a reliable subscription that does nothing, or writes what cannot be. */
static pid_t subscriber(bool lie)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		struct member m = {};

		if (member_open(&m, NAME, SUBSCRIBE))
			_exit(1);
		if (lie)
			m.control->cursor[0] = 1ULL << 40;
		if (write(ready[1], "r", 1) != 1)
			_exit(2);
		pause();
	}
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	close(ready[1]);
	return pid;
}

TEST_F(alert, topics)
{
	struct member pub = {
		.o = { .depth = 8, .lag_max = 4, .bytes_max = 8192, .msg_max = 8192 }
	};
	uint64_t end, by;
	pid_t pid;

	ASSERT_EQ(0, member_open(&pub, NAME, CREATE | PUBLISH | EPHEMERAL));
	by = end_of(getpid());
	for (int lie = 0; lie < 2; lie++) {
		pid = subscriber(lie);
		ASSERT_LT(0, pid);
		for (int i = 0; i < 4; i++)
			publish(&pub, i);
		end = end_of(pid);
		ASSERT_EQ(0, raw_evict(pub.fd, 0, 0));
		ASSERT_EQ(0, event_only(self->fd));
		EXPECT_TRUE(event_is(lie ? KIND(CONTRADICTION) : KIND(EVICTED), pub.o.out_id, NAME,
				     pid, 1));
		EXPECT_EQ(IPCX_KIND_TOPIC, EVENT(OBJECT_KIND));
		EXPECT_EQ(lie, !event_limit(LIMIT(LAG_MAX), 4));
		EXPECT_EQ(end, EVENT(END));
		EXPECT_EQ(by, EVENT(BY_END));
		EXPECT_EQ(getpid(), EVENT(BY_PID));
		EXPECT_EQ(pid_namespace(), EVENT(BY_PID_NS));
		kill_it(pid);
	}
	/* payload that does not fit */
	ASSERT_EQ(8192, raw_populate(pub.fd, 0, 8192));
	ASSERT_EQ(-ENOBUFS, raw_populate(pub.fd, 1, 1));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), pub.o.out_id, NAME, getpid(), 1));
	EXPECT_TRUE(event_limit(LIMIT(BYTES_MAX), 8192));
	member_close(&pub);
}

TEST_HARNESS_MAIN
