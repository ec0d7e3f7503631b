// SPDX-License-Identifier: GPL-2.0-only
/* The two sides of a call: how answers are waited for, the room for them, and who sees what. */
#include <stddef.h>
#include <sys/epoll.h>

#include "call_util.h"

#include "../kselftest_harness.h"

#define NAME "answer"
#define PAGE 4096

FIXTURE(answer)
{
	struct side caller, server;
	struct ipcx_desc ask, answer, got, loan;
};

static int open_sides(struct side *caller, struct side *server)
{
	caller->e.o.depth = 4;
	caller->e.o.msg_max = 1 << 20;
	return side_open(caller, NAME, CREATE | IPCX_OPEN_SEND) ?:
		       side_open(server, NAME, IPCX_OPEN_RECV);
}

FIXTURE_SETUP(answer)
{
	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, open_sides(&self->caller, &self->server));
}

FIXTURE_TEARDOWN(answer)
{
	EXPECT_TRUE(all_free(&self->caller));
	end_close(&self->server.e);
	end_close(&self->caller.e);
	raw_unlink(NAME);
}

/* Loans and sends a request by CALL. */
static int call(struct side *c, struct ipcx_desc *ask, struct ipcx_desc *answer, int64_t deadline)
{
	int ret = side_loan(c, ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE);

	ask->flags = IPCX_MSG_INLINE;
	return ret < 0 ? ret : side_call(c, ask, answer, deadline, 0);
}

/* Sends a request of @c, and @s replies to it with @len bytes of @fill in pages. */
static int exchange(FIXTURE_DATA(answer) *self, struct side *c, size_t len, int fill)
{
	struct side *s = &self->server;
	int ret = side_send_inline(c, &self->ask, 4, 'q', IPCX_MSG_REQUEST);

	if (ret == 1)
		ret = side_take(s, &self->got, 0, 0);
	if (ret == 1)
		ret = side_loan(s, &self->loan, len, IPCX_LOAN_REPLY);
	if (ret != 1)
		return ret;
	memset(tx_at(&s->e, &self->loan), fill, len);
	return side_reply(s, &self->got, &self->loan, NULL, 0);
}

/*
 * A send-only end sees the reply to it, and in the same page not the next one, to
 * somebody else, though it has looked at that page before.
 */
TEST_F(answer, reply_to_another)
{
	struct side other = {};
	struct ipcx_desc d;

	ASSERT_EQ(0, side_open(&other, NAME, IPCX_OPEN_SEND));
	for (int i = 0; i < 4; i++) {
		const volatile char *p;

		ASSERT_EQ(0, exchange(self, &self->caller, PAGE, 'a'));
		ASSERT_EQ(1, side_answer(&self->caller, &self->answer, 0));
		p = rx_at(&self->caller.e, &self->answer);
		ASSERT_EQ('a', p[100]);
		ASSERT_EQ(1, raw_release(self->caller.e.fd, &self->answer));
		ASSERT_EQ(0, exchange(self, &other, PAGE, 's'));
		ASSERT_EQ(1, side_answer(&other, &d, 0));
		ASSERT_EQ('s', *rx_at(&other.e, &d));
		if (!probe(p, false))
			ASSERT_NE('s', p[100]) TH_LOG("it reads what is another's");
		ASSERT_EQ(1, raw_release(other.e.fd, &d));
	}
	end_close(&other.e);
}

/* Behind a reply in its last page there is nothing. */
TEST_F(answer, behind_the_reply)
{
	const char *p;

	ASSERT_EQ(0, exchange(self, &self->caller, PAGE, 's'));
	ASSERT_EQ(1, side_answer(&self->caller, &self->answer, 0));
	ASSERT_EQ(1, raw_release(self->caller.e.fd, &self->answer));
	ASSERT_EQ(1, side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(1, side_loan(&self->server, &self->loan, 2 * PAGE, IPCX_LOAN_REPLY));
	memset(tx_at(&self->server.e, &self->loan), 'r', 2 * PAGE);
	self->loan.len = 10;
	ASSERT_EQ(0, side_reply(&self->server, &self->got, &self->loan, NULL, 0));
	ASSERT_EQ(1, side_answer(&self->caller, &self->answer, 0));
	p = rx_at(&self->caller.e, &self->answer);
	ASSERT_EQ('r', p[9]);
	for (int i = 10; i < PAGE; i++)
		ASSERT_EQ(0, p[i]);
	ASSERT_EQ(SIGBUS, probe(p + PAGE, false));
	ASSERT_EQ(1, raw_release(self->caller.e.fd, &self->answer));
}

/* Of what was in the slot before nothing is in a reply, for its caller may not receive. */
TEST_F(answer, reply_not_written)
{
	struct side *c = &self->caller, *s = &self->server;
	struct side other = {};
	struct ipcx_desc m;
	const char *p;

	ASSERT_EQ(0, side_open(&other, NAME, SENDRECV));
	ASSERT_EQ(1, raw_send(&other.e, PAGE, 's'));
	ASSERT_EQ(1, side_take(s, &m, 0, 0));
	ASSERT_EQ(1, raw_release(s->e.fd, &m));
	ASSERT_EQ(1, side_send_inline(c, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&other, &self->got, 0, 0));
	ASSERT_EQ(1, side_loan(&other, &self->loan, PAGE, IPCX_LOAN_REPLY));
	ASSERT_EQ(m.slot, self->loan.slot) TH_LOG("the test needs the same slot");
	ASSERT_EQ(0, side_reply(&other, &self->got, &self->loan, NULL, 0));
	ASSERT_EQ(1, side_answer(c, &self->answer, 0));
	p = rx_at(&c->e, &self->answer);
	for (int i = 0; i < PAGE; i++)
		ASSERT_EQ(0, p[i]);
	ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	end_close(&other.e);
}

/* Not longer than any message, and nothing of the request behind it. */
TEST_F(answer, inline_reply)
{
	struct side s = { .e.o = { .depth = 2, .msg_max = 16 } };
	static const char text[17] = "sixteen bytes...";

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, side_send_inline(&s, &self->ask, 16, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&s, &self->got, 0, 0));
	ASSERT_EQ(-EMSGSIZE, side_reply(&s, &self->got, NULL, text, 17));
	ASSERT_EQ(0, side_reply(&s, &self->got, NULL, text, 9));
	ASSERT_EQ(1, side_answer(&s, &self->answer, 0));
	for (int i = 0; i < 16; i++)
		ASSERT_EQ(i < 9 ? text[i] : 0, s.place[self->answer.slot][i]);
	ASSERT_EQ(1, raw_release(s.e.fd, &self->answer));
	ASSERT_TRUE(all_free(&s));
	end_close(&s.e);
}

/* A request waits for room: a drop may be too little. */
TEST_F(answer, request_drops_nothing)
{
	struct side s = { .e.o = { .depth = 4, .policy = IPCX_POLICY_DROP_OLDEST } };
	const unsigned int kind = IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE;
	struct ipcx_desc d;

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, side_send_inline(&s, &d, 4, 'm', 0));
	ASSERT_EQ(-EAGAIN, side_loan(&s, &d, 4, kind));
	ASSERT_EQ(-ETIMEDOUT, raw_loan_kind(s.e.fd, &d, 4, in_ms(30), kind));
	ASSERT_EQ(4, stat_of(&s).out_queued);
	ASSERT_EQ(1, side_send_inline(&s, &d, 4, 'm', 0));
	ASSERT_EQ(1, stat_of(&s).out_dropped_oldest);
	end_close(&s.e);
}

/* What a commit brings for the next message leaves as many slots as replies are owed. */
TEST_F(answer, spare_leaves_replies_their_slots)
{
	struct side s = { .e.o = { .depth = 8 } };
	struct ipcx_desc ask[3], d;

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, side_send_inline(&s, &d, 4, 'q', IPCX_MSG_REQUEST));
		ASSERT_EQ(1, side_take(&s, &ask[i], 0, 0));
	}
	ASSERT_EQ(1, side_loan(&s, &d, 4, IPCX_LOAN_INLINE));
	for (int i = 0; i < 2; i++) {
		d.flags = IPCX_MSG_INLINE;
		ASSERT_EQ(1, side_commit_how(&s, &d, IPCX_COMMIT_LOAN));
	}
	EXPECT_EQ(IPCX_SLOT_NONE, d.slot);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, side_reply(&s, &ask[i], NULL, "r", 1));
	end_close(&s.e);
}

TEST_F(answer, timeout_takes_it_back)
{
	ASSERT_EQ(-ETIMEDOUT, call(&self->caller, &self->ask, &self->answer, in_ms(30)));
	ASSERT_EQ(1, stat_of(&self->caller).out_withdrawn);
	ASSERT_EQ(-EAGAIN, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(-ENOENT, side_call(&self->caller, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	ASSERT_EQ(-ETIMEDOUT, side_answer(&self->caller, &self->answer, in_ms(30)));
}

TEST_F(answer, reply_after_timeout)
{
	ASSERT_EQ(-EAGAIN, call(&self->caller, &self->ask, &self->answer, 0));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(-ETIMEDOUT,
		  side_call(&self->caller, &self->ask, &self->answer, in_ms(30), IPCX_CALL_WAIT));
	ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "late", 4));
	ASSERT_EQ(-EAGAIN, side_answer(&self->caller, &self->answer, 0));
}

/* The caller's end is closed, at each stage. */
TEST_F(answer, caller_closes)
{
	for (int stage = 0; stage < 4; stage++) {
		struct side c = {};

		ASSERT_EQ(0, side_open(&c, NAME, IPCX_OPEN_SEND));
		ASSERT_EQ(1, side_send_inline(&c, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
		if (stage > 0)
			ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
		if (stage > 1)
			ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "r", 1));
		if (stage > 2)
			ASSERT_EQ(1, side_answer(&c, &self->answer, 0));
		end_close(&c.e);
		if (stage == 1)
			ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "r", 1));
		ASSERT_TRUE(all_free(&self->caller)) TH_LOG("stage %d", stage);
	}
}

static void on_signal(int sig)
{
}

TEST_F(answer, signal)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerspec its = {
		.it_value.tv_nsec = 30000000,
		.it_interval.tv_nsec = 30000000, /* the first may come before the call sleeps */
	};
	const struct itimerspec off = {};
	timer_t timer;

	sigaction(SIGALRM, &sa, NULL);
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, NULL, &timer));
	ASSERT_EQ(0, timer_settime(timer, 0, &its, NULL));
	ASSERT_EQ(-EINTR, call(&self->caller, &self->ask, &self->answer, in_ms(10000)));
	ASSERT_EQ(0, timer_settime(timer, 0, &off, NULL));
	ASSERT_EQ(1, self->ask.seq);
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "r", 1));
	ASSERT_EQ(0, side_call(&self->caller, &self->ask, &self->answer, in_ms(10000),
			       IPCX_CALL_WAIT));
	ASSERT_EQ(1, raw_release(self->caller.e.fd, &self->answer));
	ASSERT_EQ(-ENOENT, side_call(&self->caller, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
}

/* By poll and epoll; nacked, it comes again. */
TEST_F(answer, poll)
{
	struct pollfd p = { .fd = self->caller.e.fd, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->caller.e.fd, &ev));
	ASSERT_EQ(1, side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "r", 1));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, poll(&p, 1, 0));
		ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
		ASSERT_EQ(1, side_answer(&self->caller, &self->answer, 0));
		ASSERT_EQ(0, poll(&p, 1, 0));
		ASSERT_EQ(1, raw_done(self->caller.e.fd, IPCX_IOC_QUEUE_RELEASE, &self->answer,
				      i ? 0 : IPCX_RELEASE_NACK));
	}
	close(ep);
}

/* A queue full of requests has a page-long reply to each. */
TEST_F(answer, room_for_replies)
{
	int n = 0;

	while (side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST) == 1)
		n++;
	ASSERT_EQ(2, n);
	ASSERT_EQ(2, stat_of(&self->caller).out_requests);
	ASSERT_EQ(-EAGAIN, side_loan(&self->caller, &self->ask, 1, 0));
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
		ASSERT_EQ(1, side_loan(&self->server, &self->loan, PAGE, IPCX_LOAN_REPLY));
		ASSERT_EQ(-EPERM, side_loan(&self->server, &self->answer, PAGE, IPCX_LOAN_REPLY));
		ASSERT_EQ(-EPERM, side_commit(&self->server, &self->loan, 0));
		ASSERT_EQ(0, side_reply(&self->server, &self->got, &self->loan, NULL, 0));
	}
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(1, side_answer(&self->caller, &self->answer, 0));
		ASSERT_EQ(1, raw_release(self->caller.e.fd, &self->answer));
	}
}

TEST_F(answer, no_room)
{
	struct ipcx_desc d[4];
	struct side one = { .e.o.depth = 1 }, three = { .e.o.depth = 3 };

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, side_loan(&self->caller, &d[i], 4, IPCX_LOAN_INLINE));
	ASSERT_EQ(-ENOBUFS, side_commit(&self->caller, &d[0], IPCX_MSG_REQUEST | IPCX_MSG_INLINE));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_cancel(self->caller.e.fd, &d[i]));
	ASSERT_EQ(0, side_open(&one, NULL, CREATE | SENDRECV));
	ASSERT_EQ(-ENOSPC, side_loan(&one, &d[0], 4, IPCX_LOAN_REQUEST));
	end_close(&one.e);
	ASSERT_EQ(0, side_open(&three, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, side_loan(&three, &d[0], 4, IPCX_LOAN_REQUEST));
	ASSERT_EQ(-EAGAIN, side_loan(&three, &d[1], 4, IPCX_LOAN_REQUEST));
	end_close(&three.e);
}

TEST_F(answer, rights)
{
	struct ipcx_desc d = {};

	ASSERT_EQ(-EPERM, side_call(&self->server, &d, &self->answer, 0, 0));
	ASSERT_EQ(-EPERM, side_reply(&self->caller, &d, NULL, NULL, 0));
	ASSERT_EQ(-EPERM, side_answer(&self->server, &d, 0));
	ASSERT_EQ(-EPERM, side_loan(&self->server, &d, 1, IPCX_LOAN_REPLY));
	ASSERT_EQ(-EPERM, side_loan(&self->caller, &d, 1, IPCX_LOAN_REPLY));
	ASSERT_EQ(1, side_send_inline(&self->caller, &d, 4, 'm', 0));
	ASSERT_EQ(1, side_take(&self->server, &d, 0, 0));
	ASSERT_EQ(-EINVAL, side_reply(&self->server, &d, NULL, NULL, 0));
	ASSERT_EQ(1, raw_release(self->server.e.fd, &d));
}

/* Two threads on one end, answered the other way round; a third may not wait for the same. */
TEST_F(answer, threads)
{
	struct ipcx_desc got[2];
	struct call_thread t[2];

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, call_start(&t[i], &self->caller, i));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, side_take(&self->server, &got[i], in_ms(10000), 0));
	usleep(20000);
	self->ask.seq = got[0].seq;
	ASSERT_EQ(-EBUSY, side_call(&self->caller, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	for (int i = 1; i >= 0; i--)
		ASSERT_EQ(0, side_reply(&self->server, &got[i], NULL, &got[i].tag, 8));
	for (int i = 0; i < 2; i++) {
		uint64_t tag;

		ASSERT_EQ(0, pthread_join(t[i].thread, NULL));
		ASSERT_EQ(0, t[i].err);
		memcpy(&tag, self->caller.place[t[i].answer.slot], 8);
		ASSERT_EQ(i, tag);
		ASSERT_EQ(i, t[i].answer.tag);
		ASSERT_EQ(1, raw_release(self->caller.e.fd, &t[i].answer));
	}
}

/* Replies to the request in @got, and takes the next message into it. */
static int reply_and_next(struct side *s, struct ipcx_desc *got, int64_t deadline)
{
	return side_reply_flags(s, got, NULL, NULL, 0, deadline, IPCX_REPLY_TAKE);
}

/* There is one answer, and no other. */
static int one_answer(struct side *c)
{
	struct ipcx_desc d;
	int ret = side_take(c, &d, 0, IPCX_TAKE_ANSWER);

	if (ret == 1)
		ret = raw_release(c->e.fd, &d);
	return ret == 1 ? side_take(c, &d, 0, IPCX_TAKE_ANSWER) : ret;
}

/* The reply is sent, and there is no next message: that is said. */
TEST_F(answer, reply_and_nothing_next)
{
	ASSERT_EQ(1, side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(-EAGAIN, reply_and_next(&self->server, &self->got, 0));
	ASSERT_EQ(IPCX_SLOT_NONE, self->got.slot);
	ASSERT_EQ(-EAGAIN, one_answer(&self->caller));
}

/* A signal with SA_RESTART while it waits for the next: it does not reply again. */
TEST_F(answer, reply_and_next_restarts)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pid_t pid, me = getpid();

	sigaction(SIGALRM, &sa, NULL);
	ASSERT_EQ(1, side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	pid = fork();
	if (!pid) {
		usleep(100000);
		kill(me, SIGALRM);
		usleep(100000);
		_exit(write(self->caller.e.fd, "the next message", 16) != 16);
	}
	ASSERT_EQ(0, reply_and_next(&self->server, &self->got, in_ms(10000)));
	EXPECT_EQ(16, self->got.len);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(1, raw_release(self->server.e.fd, &self->got));
	ASSERT_EQ(-EAGAIN, one_answer(&self->caller));
}

/* The next message can be told in half: it stays, and is not named where it was begun. */
TEST_F(answer, reply_and_next_half_told)
{
	char *page =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcx_desc *got = (struct ipcx_desc *)(page + PAGE - offsetof(struct ipcx_desc, len));

	ASSERT_EQ(1, side_send_inline(&self->caller, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(1, raw_send(&self->caller.e, 100, 'n'));
	*got = self->got;
	ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(-EFAULT, reply_and_next(&self->server, got, 0));
	EXPECT_EQ(IPCX_SLOT_NONE, got->slot);
	EXPECT_EQ(-EAGAIN, one_answer(&self->caller));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	EXPECT_EQ(100, self->got.len);
	EXPECT_EQ(0, self->got.deliveries);
	EXPECT_EQ(1, raw_release(self->server.e.fd, &self->got));
}

/* Leases are short. */
FIXTURE(overdue)
{
	struct side caller, server;
	struct ipcx_desc ask, answer, got;
};

FIXTURE_SETUP(overdue)
{
	memset(self, 0, sizeof(*self));
	self->caller.e.o.lease_ms = 50;
	self->caller.e.o.depth = 2;
	ASSERT_EQ(0, open_sides(&self->caller, &self->server));
}

FIXTURE_TEARDOWN(overdue)
{
	EXPECT_TRUE(all_free(&self->caller));
	end_close(&self->server.e);
	end_close(&self->caller.e);
	raw_unlink(NAME);
}

/* Whose lease is over still reads the request, whatever it was answered by another. */
TEST_F(overdue, server_reads_on)
{
	struct side *c = &self->caller;
	struct ipcx_desc d;

	ASSERT_EQ(1, side_loan(c, &self->ask, 5 * PAGE, IPCX_LOAN_REQUEST));
	memset(tx_at(&c->e, &self->ask), 'q', 5 * PAGE);
	ASSERT_EQ(1, side_commit(c, &self->ask, IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_TRUE(queued_soon(c, 1));
	ASSERT_EQ(1, side_take(&self->server, &d, 0, 0));
	ASSERT_EQ(0, side_reply(&self->server, &d, NULL, "done", 4));
	EXPECT_EQ(0, probe(rx_at(&self->server.e, &self->got), false));
	EXPECT_EQ(0, probe(rx_at(&self->server.e, &self->got) + 4 * PAGE, false));
	ASSERT_EQ(1, side_answer(c, &self->answer, 0));
	ASSERT_EQ(SIGBUS, probe(rx_at(&c->e, &self->answer), false));
	ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	ASSERT_EQ(-ESTALE, raw_release(self->server.e.fd, &self->got));
}

/* It sees as much as it did before: not the pages of older messages in the same slot. */
TEST_F(overdue, server_reads_no_more)
{
	static const int len[2] = { 5 * PAGE, 4 };
	struct side *c = &self->caller, *s = &self->server;
	struct ipcx_desc d[2];

	for (int i = 0; i < 2; i++) {
		unsigned int inl = len[i] > IPCX_INLINE_MAX ? 0 : IPCX_MSG_INLINE;
		uint32_t slot;

		/* into all slots: a loan without pages prefers one that has none */
		for (int k = 0; k < 2; k++)
			ASSERT_EQ(1, raw_send(&c->e, inl ? PAGE : 8 * PAGE, 's'));
		for (int k = 0; k < 2; k++)
			ASSERT_EQ(1, side_take(s, &d[k], 0, 0));
		for (int k = 0; k < 2; k++)
			ASSERT_EQ(1, raw_release(s->e.fd, &d[k]));
		slot = d[1].slot;
		ASSERT_EQ(1, side_loan(c, &self->ask, len[i],
				       IPCX_LOAN_REQUEST | (inl ? IPCX_LOAN_INLINE : 0)));
		ASSERT_EQ(slot, self->ask.slot) TH_LOG("the test needs the same slot");
		ASSERT_EQ(1, side_commit(c, &self->ask, IPCX_MSG_REQUEST | inl));
		ASSERT_EQ(1, side_take(s, &self->got, 0, 0));
		ASSERT_TRUE(queued_soon(c, 1));
		if (!inl)
			EXPECT_EQ(0, probe(rx_at(&s->e, &self->got) + 4 * PAGE, false));
		EXPECT_EQ(SIGBUS, probe(rx_at(&s->e, &self->got) + (inl ? 0 : 5 * PAGE), false));
		ASSERT_EQ(1, side_take(s, &d[0], 0, 0));
		ASSERT_EQ(0, side_reply(s, &d[0], NULL, NULL, 0));
		ASSERT_EQ(-ESTALE, raw_release(s->e.fd, &self->got));
		ASSERT_EQ(1, side_answer(c, &self->answer, 0));
		ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	}
}

/* Two answers are there: who waits for the second is not given the first. */
TEST_F(answer, wait_for_one_of_two)
{
	struct side *c = &self->caller, *s = &self->server;
	struct ipcx_desc ask[2];

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, side_send_inline(c, &ask[i], 4, 'q', IPCX_MSG_REQUEST));
		ASSERT_EQ(1, side_take(s, &self->got, 0, 0));
		ASSERT_EQ(0, side_reply(s, &self->got, NULL, "ab" + i, 1));
	}
	for (int i = 1; i >= 0; i--) {
		ASSERT_EQ(0, side_call(c, &ask[i], &self->answer, 0, IPCX_CALL_WAIT));
		EXPECT_EQ(ask[i].seq, self->answer.seq);
		EXPECT_EQ("ab"[i], c -> place[self->answer.slot][0]);
		ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	}
}

TEST_HARNESS_MAIN
