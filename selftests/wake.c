// SPDX-License-Identifier: GPL-2.0-only
/* Whoever sleeps is woken, by each way that a message or a slot can come. */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define LONG_MS 5000 /* a sleeper that nobody wakes gives up then */

FIXTURE(wake)
{
	struct end e, other;
	struct ipcx_desc d;
	pid_t child;
};

/* Two slots: @e is where things happen, @other is somebody else. */
FIXTURE_SETUP(wake)
{
	memset(self, 0, sizeof(*self));
	self->e.o.depth = 2;
	self->e.o.msg_max = 4096;
	ASSERT_EQ(0, one_cpu());
	ASSERT_EQ(0, end_open(&self->e, "wake", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&self->other, "wake", SENDRECV));
}

FIXTURE_TEARDOWN(wake)
{
	end_close(&self->e);
	end_close(&self->other);
}

/* A child that takes a message; its status is 0 if it got one that was @again delivered. */
static void sleeping_taker(FIXTURE_DATA(wake) *self, unsigned int again)
{
	self->child = fork();
	if (!self->child)
		_exit(raw_take(self->other.fd, &self->d, in_ms(LONG_MS)) != 1 ||
		      self->d.deliveries != again || raw_release(self->other.fd, &self->d) != 1);
	until_asleep(self->child);
}

/* At its deadline a sender looks once more: one that was not woken gets a slot then. */
static bool woken_for_loan(int fd)
{
	int64_t deadline = in_ms(LONG_MS);
	struct ipcx_desc d;

	return raw_loan(fd, &d, 1, deadline) == 1 && now_ns() < deadline && raw_cancel(fd, &d) == 1;
}

/* Fills the queue, and a child that gets a slot all the same. */
static void sleeping_sender(FIXTURE_DATA(wake) *self)
{
	while (raw_send(&self->e, 1, 'w') == 1)
		;
	self->child = fork();
	if (!self->child)
		_exit(!woken_for_loan(self->other.fd));
	until_asleep(self->child);
}

TEST_F(wake, taker_by_commit)
{
	sleeping_taker(self, 0);
	EXPECT_EQ(1, raw_send(&self->e, 1, 'c'));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, taker_by_write)
{
	char text[100] = "w";

	sleeping_taker(self, 0);
	EXPECT_EQ(100, write(self->e.fd, text, 100));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, taker_by_short_write)
{
	sleeping_taker(self, 0);
	EXPECT_EQ(1, write(self->e.fd, "w", 1));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, taker_by_nack)
{
	ASSERT_EQ(1, raw_send(&self->e, 1, 'n'));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	sleeping_taker(self, 1);
	EXPECT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->d, IPCX_RELEASE_NACK));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, taker_by_death)
{
	struct end dying = {};

	ASSERT_EQ(0, end_open(&dying, "wake", IPCX_OPEN_RECV));
	ASSERT_EQ(1, raw_send(&self->e, 1, 'd'));
	ASSERT_EQ(1, raw_take(dying.fd, &self->d, 0));
	self->child = fork();
	if (!self->child) {
		end_close(&dying);
		_exit(raw_take(self->other.fd, &self->d, in_ms(LONG_MS)) != 1 ||
		      self->d.deliveries != 1 || raw_release(self->other.fd, &self->d) != 1);
	}
	until_asleep(self->child);
	end_close(&dying);
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, sender_by_release)
{
	sleeping_sender(self);
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	EXPECT_EQ(1, raw_release(self->e.fd, &self->d));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, sender_by_take_that_releases)
{
	sleeping_sender(self);
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	EXPECT_EQ(1, raw_next(self->e.fd, &self->d, 0));
	EXPECT_EQ(0, exit_status(self->child));
	EXPECT_EQ(1, raw_release(self->e.fd, &self->d));
}

TEST_F(wake, sender_by_read)
{
	char c;

	sleeping_sender(self);
	EXPECT_EQ(1, read(self->e.fd, &c, 1));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, sender_by_cancel)
{
	ASSERT_EQ(1, raw_loan(self->e.fd, &self->d, 1, 0));
	sleeping_sender(self);
	EXPECT_EQ(1, raw_cancel(self->e.fd, &self->d));
	EXPECT_EQ(0, exit_status(self->child));
}

TEST_F(wake, sender_by_death)
{
	struct end dying = {};

	ASSERT_EQ(0, end_open(&dying, "wake", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(dying.fd, &self->d, 1, 0));
	while (raw_send(&self->e, 1, 'w') == 1)
		;
	self->child = fork();
	if (!self->child) {
		end_close(&dying);
		_exit(!woken_for_loan(self->other.fd));
	}
	until_asleep(self->child);
	end_close(&dying);
	EXPECT_EQ(0, exit_status(self->child));
}

/* A slot that was kept for a reply is free: the message was no request after all. */
TEST_F(wake, sender_by_commit_of_no_request)
{
	ASSERT_EQ(1, raw_loan_kind(self->e.fd, &self->d, 1, 0, IPCX_LOAN_REQUEST));
	sleeping_sender(self);
	EXPECT_EQ(1, raw_commit(self->e.fd, &self->d));
	EXPECT_EQ(0, exit_status(self->child));
}

/* The first who sleeps needs a slot for its reply, too: the second gets the one that is free. */
TEST_F(wake, sender_behind_one_that_wants_two)
{
	pid_t first;

	while (raw_send(&self->e, 1, 'w') == 1)
		;
	first = fork();
	if (!first)
		_exit(raw_loan_kind(self->e.fd, &self->d, 1, in_ms(3 * LONG_MS),
				    IPCX_LOAN_REQUEST) != 1 ||
		      raw_cancel(self->e.fd, &self->d) != 1);
	until_asleep(first);
	sleeping_sender(self);
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	EXPECT_EQ(1, raw_release(self->e.fd, &self->d));
	EXPECT_EQ(0, exit_status(self->child));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	EXPECT_EQ(1, raw_release(self->e.fd, &self->d));
	EXPECT_EQ(0, exit_status(first));
}

/* The first who sleep cannot use the message: they are told so, and the last gets it. */
TEST_F(wake, taker_behind_some_that_want_less)
{
	pid_t first[3];
	char c[4];

	for (int i = 0; i < 3; i++) {
		first[i] = fork();
		if (!first[i])
			_exit(read(self->e.fd, c, sizeof(c)) != -1 || errno != EMSGSIZE);
		until_asleep(first[i]);
	}
	sleeping_taker(self, 0);
	EXPECT_EQ(1, raw_send(&self->e, 100, 'l'));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, exit_status(first[i]));
	EXPECT_EQ(0, exit_status(self->child));
}

/*
 * Killed, and handed a message before it could notice. The endpoint lives on,
 * so nothing but the dying taker itself can give the message back.
 */
TEST_F(wake, killed_taker_gives_back)
{
	char buf[64];

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			if (i & 1)
				_exit(read(self->other.fd, buf, sizeof(buf)));
			_exit(raw_take(self->other.fd, &self->d, IPCX_DEADLINE_FOREVER));
		}
		until_asleep(pid);
		ASSERT_EQ(1, raw_loan(self->e.fd, &self->d, 10, 0));
		kill(pid, SIGKILL);
		ASSERT_EQ(1, raw_commit(self->e.fd, &self->d));
		ASSERT_EQ(128 + SIGKILL, exit_status(pid));
		ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0)) TH_LOG("round %d", i);
		EXPECT_EQ(0, self->d.deliveries);
		ASSERT_EQ(1, raw_release(self->e.fd, &self->d));
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Restarted by SA_RESTART: what was released is not released again. */
TEST_F(wake, interrupted_take_that_released)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct counts c;

	ASSERT_EQ(1, raw_send(&self->e, 1, 'r'));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d, 0));
	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 0);
	EXPECT_EQ(-ETIMEDOUT, raw_next(self->e.fd, &self->d, in_ms(200)));
	EXPECT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(2, c.free);
}

TEST_HARNESS_MAIN
