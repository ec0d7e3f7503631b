// SPDX-License-Identifier: GPL-2.0-only
/* The calls of the library: what goes on, what does not, and what is released. */
#include <ipcx.h>
#include <pthread.h>
#include <sys/resource.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

FIXTURE(lib)
{
	struct ipcx_queue *q, *server;
	struct ipcx_msg ask, reply, got, none;
};

FIXTURE_VARIANT(lib)
{
	enum ipcx_queue_policy policy;
};

FIXTURE_VARIANT_ADD(lib, block){
	.policy = IPCX_BLOCK,
};

FIXTURE_VARIANT_ADD(lib, fail){
	.policy = IPCX_FAIL,
};

FIXTURE_SETUP(lib)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .policy = variant->policy);

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, "call-lib", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL,
				     &opts));
	ASSERT_EQ(0, ipcx_queue_open(&self->server, "call-lib", IPCX_RECV, NULL));
}

FIXTURE_TEARDOWN(lib)
{
	ipcx_queue_close(self->q);
	ipcx_queue_close(self->server);
}

static struct ipcx_queue_stats stats_of(const struct ipcx_queue *q)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	ipcx_queue_stat(q, &s);
	return s;
}

/* Sends a request and does not wait. */
static int ask(FIXTURE_DATA(lib) *self, size_t len)
{
	int r = ipcx_queue_loan(self->q, len, &self->ask, IPCX_NOWAIT);

	if (r)
		return r;
	memset(self->ask.data, 'q', len);
	return ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_NOWAIT);
}

static int serve(FIXTURE_DATA(lib) *self, char *text)
{
	struct ipcx_msg m = { .data = text, .len = strlen(text) };
	int r = ipcx_queue_take(self->server, &self->got, IPCX_NOWAIT);

	return r ?: ipcx_queue_reply(self->server, &self->got, &m);
}

static bool is_reply(const struct ipcx_msg *m, const char *text)
{
	return m->len == strlen(text) && !memcmp(m->data, text, m->len);
}

/* What goes on gets its answer, and releases the one that the struct holds. */
TEST_F(lib, goes_on)
{
	ASSERT_EQ(-EAGAIN, ask(self, 4));
	ASSERT_EQ(0, serve(self, "first"));
	ASSERT_EQ(0, ipcx_queue_call(self->q, &self->ask, &self->reply, IPCX_FOREVER));
	ASSERT_TRUE(is_reply(&self->reply, "first"));
	ASSERT_EQ(-EAGAIN, ask(self, 4));
	ASSERT_EQ(-EAGAIN, ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_NOWAIT));
	ASSERT_EQ(0, serve(self, "second"));
	ASSERT_EQ(2, stats_of(self->q).answers);
	ASSERT_EQ(0, ipcx_queue_call(self->q, &self->ask, &self->reply, IPCX_FOREVER));
	ASSERT_TRUE(is_reply(&self->reply, "second"));
	ASSERT_EQ(1, stats_of(self->q).answers);
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->reply));
	ASSERT_EQ(0, stats_of(self->q).answers);
}

/* The answer was got otherwise. */
TEST_F(lib, answer_is_gone)
{
	ASSERT_EQ(-EAGAIN, ask(self, 4));
	ASSERT_EQ(0, serve(self, "other"));
	ASSERT_EQ(0, ipcx_queue_answer(self->q, &self->reply, IPCX_NOWAIT));
	ASSERT_EQ(-ENOENT, ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_NOWAIT));
	ASSERT_EQ(-EPERM, ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->reply));
}

static void fill(FIXTURE_DATA(lib) *self)
{
	ipcx_queue_loan(self->q, 100, &self->ask, IPCX_NOWAIT);
	while (!ipcx_queue_send(self->q, "m", 1, IPCX_NOWAIT))
		;
}

/* There is no room for the reply: nothing was sent, and nothing goes on. */
TEST_F(lib, not_sent)
{
	fill(self);
	ASSERT_EQ(-ETIMEDOUT, ipcx_queue_call(self->q, &self->ask, &self->reply, in_ms(30)));
	ASSERT_EQ(0, self->ask.seq);
	ASSERT_EQ(-EPERM, ipcx_queue_call(self->q, &self->ask, &self->reply, IPCX_NOWAIT));
	ipcx_queue_cancel(self->q, &self->ask);
	ASSERT_EQ(0, stats_of(self->q).requests);
}

static void on_signal(int sig)
{
}

/* A signal while it waits for room is no reason to fail: nothing was sent yet. */
TEST_F(lib, signal_before_it_is_sent)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerspec its = { .it_value.tv_nsec = 20000000 };
	int64_t deadline = in_ms(100);
	timer_t timer;

	fill(self);
	sigaction(SIGALRM, &sa, NULL);
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, NULL, &timer));
	ASSERT_EQ(0, timer_settime(timer, 0, &its, NULL));
	ASSERT_EQ(-ETIMEDOUT, ipcx_queue_call(self->q, &self->ask, &self->reply, deadline));
	if (variant->policy == IPCX_BLOCK)
		ASSERT_LE(deadline, now_ns());
	timer_delete(timer);
}

TEST_F(lib, refused)
{
	struct ipcx_msg copy;

	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &self->ask, IPCX_NOWAIT));
	self->ask.flags = IPCX_POISON;
	ASSERT_EQ(-EOPNOTSUPP, ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_cancel(self->q, &self->ask));
	/* the answer to release is a copy, of one that is released */
	ASSERT_EQ(-EAGAIN, ask(self, 4));
	ASSERT_EQ(0, serve(self, "first"));
	ASSERT_EQ(0, ipcx_queue_call(self->q, &self->ask, &self->reply, IPCX_FOREVER));
	copy = self->reply;
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->reply));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &self->ask, IPCX_NOWAIT));
	ASSERT_EQ(-EPERM, ipcx_queue_call(self->q, &self->ask, &copy, IPCX_NOWAIT));
	ASSERT_EQ(1, stats_of(self->q).loaned);
}

struct call {
	struct ipcx_queue *q;
	struct ipcx_msg ask, reply;
	int r;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->r = ipcx_queue_call(c->q, &c->ask, &c->reply, in_ms(20000));
	return NULL;
}

TEST_F(lib, two_wait_for_one)
{
	struct call c = { .q = self->q };
	pthread_t thread;

	ASSERT_EQ(-EAGAIN, ask(self, 4));
	c.ask = self->ask;
	ASSERT_EQ(0, pthread_create(&thread, NULL, call_main, &c));
	usleep(50000);
	ASSERT_EQ(-EBUSY, ipcx_queue_call(self->q, &self->ask, &self->none, IPCX_FOREVER));
	ASSERT_EQ(0, serve(self, "once"));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, c.r);
	ASSERT_TRUE(is_reply(&c.reply, "once"));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &c.reply));
}

/* Where the address space is too small for windows, nothing is kept for the next call. */
TEST_F(lib, tight)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4);
	struct rlimit lim = { 200 << 20, 200 << 20 };

	ipcx_queue_close(self->q);
	ipcx_queue_close(self->server);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, "tight", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL,
				     &opts));
	ASSERT_EQ(0, ipcx_queue_open(&self->server, "tight", IPCX_RECV, NULL));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(-EAGAIN, ask(self, i % 2 ? 4 : 5000));
		ASSERT_EQ(0, stats_of(self->q).loaned);
		ASSERT_EQ(0, serve(self, "tight"));
		ASSERT_EQ(0, ipcx_queue_call(self->q, &self->ask, &self->reply, IPCX_FOREVER));
		ASSERT_TRUE(is_reply(&self->reply, "tight"));
	}
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->reply));
	ASSERT_EQ(4, stats_of(self->q).free);
}

TEST_HARNESS_MAIN
