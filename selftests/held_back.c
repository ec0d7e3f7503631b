// SPDX-License-Identifier: GPL-2.0-only
/* opts.prefetch and ipcx_queue_next(): which releases wait, until when; death, forks, threads. */
#include "prefetch_util.h"
#include <pthread.h>
#include <sys/resource.h>

/* Releases wait for the refill and go with it. */
TEST_F(prefetch, next)
{
	ASSERT_EQ(0, put(self, 0, 9));
	for (int i = 0; i < 9; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(i % N == 0, made());
		EXPECT_EQ(i, number(&self->m));
		EXPECT_EQ(i / N * N, stats(self).released);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(1, made());
	EXPECT_EQ(9, stats(self).released);
	EXPECT_EQ(0, self->m.priv[3]);
}

/* In self->other a message, one held back, one in self->m, and one in hand. */
static int hold_back(fix *self)
{
	int r = put(self, 0, N) ?: ipcx_queue_take(self->q, &self->other, 0);

	for (int i = 0; i < 2 && !r; i++)
		r = ipcx_queue_next(self->q, &self->m, 0);
	return r;
}

/* Each of these sends them: what it returns, and how many are done then. */
static int by_release(fix *self)
{
	return ipcx_queue_release(self->q, &self->other);
}

static int by_release_n(fix *self)
{
	return ipcx_queue_release_n(self->q, &self->other, 1) - 1;
}

static int by_nack(fix *self)
{
	return ipcx_queue_nack(self->q, &self->other);
}

static int by_loan(fix *self)
{
	return ipcx_queue_loan(self->q, 8, &self->other, 0);
}

static int by_loan_reply(fix *self)
{
	struct ipcx_msg reply;

	return ipcx_queue_loan_reply(self->q, &self->other, 100, &reply) + EPERM;
}

static int by_answer(fix *self)
{
	return ipcx_queue_answer(self->q, &self->other, 0) + EAGAIN;
}

static int by_call(fix *self)
{
	struct ipcx_msg none = { 0 };

	return ipcx_queue_call(self->q, &none, &none, 0) + EPERM;
}

static int by_reply(fix *self)
{
	return ipcx_queue_reply(self->q, &self->other, &(struct ipcx_msg){ 0 }) + EINVAL;
}

static int by_reply_next(fix *self)
{
	struct ipcx_msg none = { 0 };

	return ipcx_queue_reply_next(self->q, &none, &none, 0);
}

static int by_take(fix *self)
{
	int r = ipcx_queue_take(self->q, &self->other, 0);

	return r ?: ipcx_queue_take(self->q, &self->other, 0) + EAGAIN;
}

static int by_take_n(fix *self)
{
	struct ipcx_msg m[64];
	int r = ipcx_queue_take_n(self->q, m, 64, 0) - 1;

	return r ?: ipcx_queue_take_n(self->q, m, 64, 0) + EAGAIN;
}

static int by_close(fix *self)
{
	ipcx_queue_close(self->q);
	self->q = NULL;
	return 0;
}

TEST_F(prefetch, held_back_until)
{
	static const struct {
		const char *name;
		int (*send)(fix *self);
		unsigned int released;
	} by[] = {
		{ .name = "release", .send = by_release, .released = 2 },
		{ .name = "release_n", .send = by_release_n, .released = 2 },
		{ .name = "nack", .send = by_nack, .released = 1 },
		{ .name = "loan", .send = by_loan, .released = 1 },
		{ .name = "loan_reply", .send = by_loan_reply, .released = 1 },
		{ .name = "answer", .send = by_answer, .released = 1 },
		{ .name = "call", .send = by_call, .released = 1 },
		{ .name = "reply", .send = by_reply, .released = 1 },
		{ .name = "reply_next", .send = by_reply_next, .released = 1 },
		{ .name = "take", .send = by_take, .released = 1 },
		{ .name = "take_n", .send = by_take_n, .released = 1 },
		{ .name = "close", .send = by_close, .released = 1 },
		{},
	};

	for (unsigned int i = 0; by[i].send; i++) {
		memset(&self->m, 0, sizeof(self->m));
		ASSERT_EQ(0, open_both(self, NULL, N));
		ASSERT_EQ(0, hold_back(self));
		EXPECT_EQ(0, stats(self).released);
		EXPECT_EQ(0, by[i].send(self))
		{
			TH_LOG("%s", by[i].name);
		}
		EXPECT_EQ(by[i].released, stats(self).released)
		{
			TH_LOG("%s", by[i].name);
		}
	}
}

static void *send_late(void *arg)
{
	fix *self = arg;
	uint64_t n = 4;

	return (void *)(intptr_t)ipcx_queue_send(self->s, &n, sizeof(n), in_ms(20000));
}

/* Who waits for the queue to be filled does not keep its slots. */
TEST_F(prefetch, nothing_held_back_asleep)
{
	IPCX_QUEUE_OPTS(opts, .depth = N);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, open_both(self, &opts, N));
	ASSERT_EQ(0, put(self, 0, N));
	for (int i = 0; i < N; i++)
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_late, self));
	usleep(50000);
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(10000)));
	EXPECT_EQ(N, number(&self->m));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
}

/* A release that waits could come too late, so none waits. */
TEST_F(prefetch, lease_and_next)
{
	IPCX_QUEUE_OPTS(opts, .lease_ms = 60000);
	struct ipcx_msg copy;

	ASSERT_EQ(0, open_both(self, &opts, N));
	ASSERT_EQ(0, put(self, 0, 3));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	copy = self->m;
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(1, number(&self->m));
	EXPECT_EQ(1, stats(self).released);
	EXPECT_EQ(-EPERM, ipcx_queue_next(self->q, &copy, 0));
	EXPECT_EQ(3, stats(self).released + stats(self).leased);
}

/* What the application was done with does not come back. */
TEST_F(prefetch, closed)
{
	ASSERT_EQ(0, put(self, 0, N));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	by_close(self);
	for (int i = 1; i < N; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->s, &self->m, 0));
		EXPECT_EQ(i, number(&self->m));
		EXPECT_EQ(1, self->m.deliveries);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->s, &self->m, 0));
}

/* In a child: one handed out, one held back, two in hand; then it is killed. */
static void die(fix *self)
{
	IPCX_QUEUE_OPTS(ahead, .prefetch = N);
	fix child = { 0 };

	if (ipcx_queue_open(&child.q, NAME, IPCX_RECV, &ahead) ||
	    ipcx_queue_next(child.q, &child.m, 0) || ipcx_queue_next(child.q, &child.m, 0))
		_exit(1);
	raise(SIGKILL);
}

TEST_F(prefetch, killed)
{
	pid_t pid;

	ASSERT_EQ(0, put(self, 0, N));
	pid = fork();
	if (!pid)
		die(self);
	ASSERT_EQ(128 + SIGKILL, exit_status(pid));
	for (int i = 0; i < N; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(5000)));
		EXPECT_EQ(i, number(&self->m));
		EXPECT_EQ(1, self->m.deliveries);
	}
}

/* A copy of what was released: next says so, and the others are done all the same. */
TEST_F(prefetch, stale_copy)
{
	struct ipcx_msg copy;

	ASSERT_EQ(0, put(self, 0, N));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	copy = self->m;
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	for (int i = 1; i < N; i++)
		ASSERT_EQ(0, ipcx_queue_next(self->q, i == 1 ? &copy : &self->m, 0));
	EXPECT_EQ(-EPERM, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(3, stats(self).released);
	EXPECT_EQ(-EPERM, ipcx_queue_next(self->s, &copy, 0));
}

TEST_F(prefetch, forked)
{
	struct ipcx_msg m = { 0 };
	pid_t pid;

	ASSERT_EQ(0, hold_back(self));
	pid = fork();
	if (!pid) {
		bool closed = ipcx_queue_take(self->q, &m, 0) == -EBADF &&
			      ipcx_queue_peek(self->q, &m) == -EBADF &&
			      ipcx_queue_next(self->q, &m, 0) == -EBADF &&
			      ipcx_queue_release(self->q, &self->other) == -EBADF;

		ipcx_queue_close(self->q);
		_exit(!closed);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, stats(self).released);
	EXPECT_EQ(4, stats(self).leased);
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(3, number(&self->m));
}

#define EACH 5000

struct worker {
	fix *self;
	unsigned char *seen;
	int *left, bad;
};

/* Some in hand of another's refill may be the last: so nobody sleeps for long. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct ipcx_msg m = { 0 };
	int r;

	while (__atomic_load_n(w->left, __ATOMIC_RELAXED)) {
		r = ipcx_queue_next(w->self->q, &m, in_ms(20));
		if (r == -ETIMEDOUT)
			continue;
		w->bad += r || __atomic_fetch_add(&w->seen[number(&m)], 1, __ATOMIC_RELAXED);
		__atomic_sub_fetch(w->left, 1, __ATOMIC_RELAXED);
	}
	w->bad += m.priv[3] && ipcx_queue_release(w->self->q, &m);
	return NULL;
}

TEST_F(prefetch, threads)
{
	static unsigned char seen[EACH];
	int n = rounds(EACH), left = n;
	struct worker w[3];
	pthread_t thread[3];

	for (int i = 0; i < 3; i++) {
		w[i] = (struct worker){ self, seen, &left, 0 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, work, &w[i]));
	}
	for (uint64_t i = 0; i < n; i++)
		ASSERT_EQ(0, ipcx_queue_send(self->s, &i, sizeof(i), in_ms(20000)));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0, w[i].bad);
	}
	for (int i = 0; i < n; i++)
		ASSERT_EQ(1, seen[i]);
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(n, stats(self).released);
}

/* Where the address space is too small for windows; no release waits there */
TEST_F(prefetch, tight)
{
	struct rlimit lim = { 200 << 20, 200 << 20 };
	char buf[5000];

	ipcx_queue_close(self->q);
	ipcx_queue_close(self->s);
	self->q = NULL;
	self->s = NULL;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	ASSERT_EQ(0, open_both(self, NULL, N));
	for (int i = 0; i < 9; i++) {
		memset(buf, 'a' + i, sizeof(buf));
		ASSERT_EQ(0, ipcx_queue_send(self->s, buf, sizeof(buf), 0));
	}
	for (int i = 0; i < 9; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ('a' + i, ((char *)self->m.data)[4999]);
		EXPECT_EQ(i, stats(self).released);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(9, stats(self).released);
}

TEST_HARNESS_MAIN
