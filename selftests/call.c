// SPDX-License-Identifier: GPL-2.0-only
/*
 * How requests end: whatever becomes of one, its caller gets one answer, in each of the
 * ways to ask for it, and no slot is left over.
 */
#include <pthread.h>

#include "call_util.h"

#include "../kselftest_harness.h"

#define NAME "call"
#define TAG 0x1234567887654321
#define LONG (1 << 20)

FIXTURE(request)
{
	struct side caller, server;
	struct ipcx_desc ask, answer, got, loan;
	pthread_t thread;
	int err;
};

enum how { ASYNC, CALL, WAIT };

FIXTURE_VARIANT(request)
{
	enum how how;
};

FIXTURE_VARIANT_ADD(request, async){
	.how = ASYNC,
};

FIXTURE_VARIANT_ADD(request, call){
	.how = CALL,
};

FIXTURE_VARIANT_ADD(request, wait){
	.how = WAIT,
};

FIXTURE_SETUP(request)
{
	memset(self, 0, sizeof(*self));
	self->caller.e.o.depth = 4;
	self->caller.e.o.msg_max = LONG;
}

FIXTURE_TEARDOWN(request)
{
	end_close(&self->caller.e);
	raw_unlink(NAME);
}

/* The caller may only send, the server only receive. Attributes: those of the caller. */
static int start(FIXTURE_DATA(request) *self)
{
	return side_open(&self->caller, NAME, CREATE | IPCX_OPEN_SEND) ?:
		       side_open(&self->server, NAME, IPCX_OPEN_RECV);
}

static void *call_thread(void *arg)
{
	FIXTURE_DATA(request) *self = arg;

	self->err = side_call(&self->caller, &self->ask, &self->answer, in_ms(20000), 0);
	return NULL;
}

/* Sends a request that expires at @expires, if not 0, and perhaps waits for its answer. */
static int ask(FIXTURE_DATA(request) *self, enum how how, int64_t expires)
{
	struct side *c = &self->caller;
	struct ipcx_desc *d = &self->ask;
	int ret = side_loan(c, d, 3, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE);

	if (ret < 0)
		return ret;
	memcpy(c->place[d->slot], "ask", 3);
	d->tag = TAG;
	d->prio = c->e.o.policy ? 0 : 5; /* which are dropped goes by priority */
	d->expires = expires;
	if (how == ASYNC)
		return side_commit(c, d, IPCX_MSG_REQUEST | IPCX_MSG_INLINE);
	d->flags = IPCX_MSG_INLINE;
	if (how == CALL)
		return pthread_create(&self->thread, NULL, call_thread, self) ? -EAGAIN : 1;
	ret = side_call(c, d, &self->answer, IPCX_DEADLINE_NOWAIT, 0);
	if (!d->seq)
		return ret;
	self->err = ret == -EAGAIN ? 0 : ret; /* perhaps that is it already */
	return 1;
}

/* As ask(), and the server has it. */
static int ask_and_take(FIXTURE_DATA(request) *self, enum how how)
{
	int ret = ask(self, how, 0);

	return ret < 0 ? ret : side_take(&self->server, &self->got, in_ms(10000), 0);
}

/* What the caller hears, as an error; 0 is a reply. */
static int outcome(FIXTURE_DATA(request) *self, enum how how)
{
	int ret;

	switch (how) {
	case CALL:
		pthread_join(self->thread, NULL);
		return self->err;
	case WAIT:
		return self->err ?:
				   side_call(&self->caller, &self->ask, &self->answer, in_ms(10000),
					     IPCX_CALL_WAIT);
	case ASYNC:
		break;
	}
	ret = side_answer(&self->caller, &self->answer, in_ms(10000));
	if (ret < 0)
		return ret;
	ret = answer_error(&self->answer);
	if (ret && (self->answer.tag != TAG || self->answer.len ||
		    raw_release(self->caller.e.fd, &self->answer) != 1))
		return -EPROTO;
	return ret;
}

/* There is no second answer, and every slot is free again. */
static bool over(FIXTURE_DATA(request) *self)
{
	struct ipcx_desc d;

	return side_answer(&self->caller, &d, 0) == -EAGAIN && all_free(&self->caller);
}

/* An answer that is a reply, of @len bytes: it is the request's. Released. */
static bool replied(FIXTURE_DATA(request) *self, size_t len)
{
	const struct ipcx_desc *a = &self->answer;

	return a->tag == TAG && a->len == len && a->seq == self->got.seq && !a->deliveries &&
	       a->prio == 5 && a->pid == getpid() &&
	       raw_release(self->caller.e.fd, &self->answer) == 1;
}

TEST_F(request, short_reply)
{
	struct side *c = &self->caller;

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(TAG, self->got.tag);
	ASSERT_EQ(IPCX_MSG_REQUEST | IPCX_MSG_INLINE, self->got.flags);
	ASSERT_EQ(0, memcmp("ask", self->server.place[self->got.slot], 3));
	ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, "answer", 6));
	ASSERT_EQ(0, outcome(self, variant->how));
	ASSERT_EQ(0, memcmp("answer", c->place[self->answer.slot], 6));
	/* nothing to see in the slot, and no page was needed */
	ASSERT_EQ(SIGBUS, probe(rx_at(&c->e, &self->answer), false));
	ASSERT_EQ(0, stat_of(c).out_bytes);
	ASSERT_TRUE(replied(self, 6));
	ASSERT_EQ(-EPERM, side_reply(&self->server, &self->got, NULL, "again", 5));
	ASSERT_TRUE(over(self));
}

TEST_F(request, long_reply)
{
	const char *p;

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(1, side_loan(&self->server, &self->loan, LONG, IPCX_LOAN_REPLY));
	memset(tx_at(&self->server.e, &self->loan), 'r', LONG);
	ASSERT_EQ(0, side_reply(&self->server, &self->got, &self->loan, NULL, 0));
	ASSERT_EQ(0, outcome(self, variant->how));
	p = rx_at(&self->caller.e, &self->answer);
	ASSERT_EQ('r', p[0]);
	ASSERT_EQ(0, memcmp(p, p + 1, LONG - 1));
	ASSERT_EQ(SIGSEGV, probe(p, true));
	ASSERT_TRUE(replied(self, LONG));
	ASSERT_TRUE(over(self));
}

TEST_F(request, released_without_reply)
{
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(1, raw_release(self->server.e.fd, &self->got));
	ASSERT_EQ(-ECANCELED, outcome(self, variant->how));
	ASSERT_TRUE(over(self));
}

/* read(2) cannot reply. */
TEST_F(request, read)
{
	char buf[8];

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask(self, variant->how, 0));
	ASSERT_EQ(3, read(self->server.e.fd, buf, sizeof(buf)));
	ASSERT_EQ(0, memcmp("ask", buf, 3));
	ASSERT_EQ(-ECANCELED, outcome(self, variant->how));
	ASSERT_TRUE(over(self));
}

TEST_F(request, nacked_comes_again)
{
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(1, raw_done(self->server.e.fd, IPCX_IOC_QUEUE_RELEASE, &self->got,
			      IPCX_RELEASE_NACK));
	ASSERT_EQ(1, side_take(&self->server, &self->got, 0, 0));
	ASSERT_EQ(1, self->got.deliveries);
	ASSERT_EQ(0, memcmp("ask", self->server.place[self->got.slot], 3));
	ASSERT_EQ(0, side_reply(&self->server, &self->got, NULL, NULL, 0));
	ASSERT_EQ(0, outcome(self, variant->how));
	ASSERT_TRUE(replied(self, 0));
	ASSERT_TRUE(over(self));
}

TEST_F(request, poison)
{
	struct side dead = {};
	struct ipcx_desc d;

	ASSERT_EQ(0, side_open(&dead, "dead", CREATE | SENDRECV));
	self->caller.e.o.dead_letter = (uintptr_t) "dead";
	self->caller.e.o.dead_letter_len = 4;
	self->caller.e.o.max_deliveries = 1;
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(1, raw_done(self->server.e.fd, IPCX_IOC_QUEUE_RELEASE, &self->got,
			      IPCX_RELEASE_NACK));
	ASSERT_EQ(-ECANCELED, outcome(self, variant->how));
	ASSERT_TRUE(over(self));
	ASSERT_EQ(1, side_take(&dead, &d, 0, 0));
	ASSERT_EQ(IPCX_MSG_POISON | IPCX_MSG_INLINE, d.flags);
	ASSERT_EQ(TAG, d.tag);
	ASSERT_EQ(0, memcmp("ask", dead.place[d.slot], 3));
	ASSERT_EQ(-EINVAL, side_reply(&dead, &d, NULL, NULL, 0));
	ASSERT_EQ(1, raw_release(dead.e.fd, &d));
	ASSERT_TRUE(all_free(&dead));
	end_close(&dead.e);
	ASSERT_EQ(0, raw_unlink("dead"));
}

TEST_F(request, expired)
{
	int64_t begin = now_ns();

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask(self, variant->how, in_ms(100)));
	ASSERT_EQ(-ETIME, outcome(self, variant->how));
	ASSERT_LE(100000000, now_ns() - begin);
	ASSERT_TRUE(over(self));
}

TEST_F(request, dropped_as_the_oldest)
{
	struct ipcx_desc d;

	self->caller.e.o.policy = IPCX_POLICY_DROP_OLDEST;
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask(self, variant->how, 0));
	ASSERT_TRUE(queued_soon(&self->caller, 1));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, side_send_inline(&self->caller, &d, 1, 'm', 0));
	ASSERT_EQ(-ECANCELED, outcome(self, variant->how));
	while (side_take(&self->server, &d, 0, 0) == 1)
		ASSERT_EQ(1, raw_release(self->server.e.fd, &d));
	ASSERT_TRUE(over(self));
}

TEST_F(request, dropped_as_the_newest)
{
	struct ipcx_desc d;

	self->caller.e.o.policy = IPCX_POLICY_DROP_NEWEST;
	self->caller.e.o.depth = 2;
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask(self, variant->how, 0));
	ASSERT_EQ(-ECANCELED, outcome(self, variant->how));
	ASSERT_EQ(1, stat_of(&self->caller).out_dropped_newest);
	ASSERT_EQ(-EAGAIN, side_take(&self->server, &d, 0, 0));
	ASSERT_TRUE(over(self));
}

/* The last receiver goes while the request waits. */
TEST_F(request, server_leaves_it)
{
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask(self, variant->how, 0));
	ASSERT_TRUE(queued_soon(&self->caller, 1));
	end_close(&self->server.e);
	ASSERT_EQ(-EOWNERDEAD, outcome(self, variant->how));
	ASSERT_EQ(1, stat_of(&self->caller).out_withdrawn);
	ASSERT_TRUE(over(self));
}

TEST_F(request, server_closes_with_it)
{
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	end_close(&self->server.e);
	ASSERT_EQ(-EOWNERDEAD, outcome(self, variant->how));
	ASSERT_TRUE(over(self));
}

TEST_F(request, server_closes_after_its_reply)
{
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	ASSERT_EQ(1, side_loan(&self->server, &self->loan, 5000, IPCX_LOAN_REPLY));
	memset(tx_at(&self->server.e, &self->loan), 'r', 5000);
	ASSERT_EQ(0, side_reply(&self->server, &self->got, &self->loan, NULL, 0));
	end_close(&self->server.e);
	ASSERT_EQ(0, outcome(self, variant->how));
	ASSERT_EQ('r', rx_at(&self->caller.e, &self->answer)[4999]);
	ASSERT_TRUE(replied(self, 5000));
	ASSERT_TRUE(over(self));
}

/* It is killed with the request and a loan in hand, and stays a zombie. */
TEST_F(request, server_is_killed)
{
	int told[2];
	siginfo_t info;
	int64_t begin;
	pid_t pid;
	char ch;

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, pipe(told));
	pid = fork();
	if (!pid) {
		struct side s = {};

		if (side_open(&s, NAME, IPCX_OPEN_RECV))
			_exit(1);
		write(told[1], "o", 1);
		side_take(&s, &self->got, IPCX_DEADLINE_FOREVER, 0);
		side_loan(&s, &self->loan, 5000, IPCX_LOAN_REPLY);
		memset(tx_at(&s.e, &self->loan), 'r', 5000);
		write(told[1], "h", 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(told[0], &ch, 1));
	end_close(&self->server.e);
	ASSERT_EQ(1, ask(self, variant->how, 0));
	ASSERT_EQ(1, read(told[0], &ch, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	begin = now_ns();
	ASSERT_EQ(-EOWNERDEAD, outcome(self, variant->how));
	EXPECT_GT(1000000000, now_ns() - begin);
	ASSERT_TRUE(over(self));
	ASSERT_EQ(128 + SIGKILL, exit_status(pid));
}

TEST_F(request, another_server_goes_on)
{
	struct side second = {};

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, side_open(&second, NAME, IPCX_OPEN_RECV));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	end_close(&self->server.e);
	ASSERT_EQ(1, side_take(&second, &self->got, in_ms(10000), 0));
	ASSERT_EQ(1, self->got.deliveries);
	ASSERT_EQ(0, side_reply(&second, &self->got, NULL, "second", 6));
	ASSERT_EQ(0, outcome(self, variant->how));
	ASSERT_EQ(0, memcmp("second", self->caller.place[self->answer.slot], 6));
	ASSERT_TRUE(replied(self, 6));
	ASSERT_TRUE(over(self));
	end_close(&second.e);
}

TEST_F(request, queue_is_removed)
{
	int64_t begin;

	ASSERT_EQ(0, start(self));
	ASSERT_EQ(1, ask_and_take(self, variant->how));
	usleep(20000); /* it sleeps */
	begin = now_ns();
	ASSERT_EQ(0, raw_unlink_flags(NAME, IPCX_UNLINK_NOW));
	ASSERT_EQ(-EIDRM, outcome(self, variant->how));
	EXPECT_GT(5000000000, now_ns() - begin);
	ASSERT_EQ(-EIDRM, side_reply(&self->server, &self->got, NULL, "late", 4));
	ASSERT_EQ(1, raw_release(self->server.e.fd, &self->got));
}

TEST_HARNESS_MAIN
