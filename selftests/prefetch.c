// SPDX-License-Identifier: GPL-2.0-only
/* opts.prefetch: messages in hand, how they are handed out, and what else can end them. */
#include "prefetch_util.h"
#include <pthread.h>

static int put_with(fix *self, uint64_t number, unsigned int prio, int64_t expires)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(self->s, sizeof(number), &m, 0);

	if (r)
		return r;
	memcpy(m.data, &number, sizeof(number));
	m.prio = prio;
	m.expires = expires;
	return ipcx_queue_commit(self->s, &m);
}

TEST_F(prefetch, order)
{
	ASSERT_EQ(0, put(self, 0, 10));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		EXPECT_EQ(i % N == 0, made());
		EXPECT_EQ(i, number(&self->m));
		EXPECT_EQ(i < 8 ? i / N * N + N - i : 10 - i, stats(self).leased);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		EXPECT_EQ(1, made());
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(10, stats(self).released);
}

TEST_F(prefetch, off)
{
	for (int n = 0; n < 2; n++) {
		ASSERT_EQ(0, open_both(self, NULL, n));
		ASSERT_EQ(0, put(self, 0, 2));
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(1, stats(self).leased);
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(1, stats(self).released);
		EXPECT_EQ(2, made());
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

TEST_F(prefetch, options)
{
	IPCX_QUEUE_OPTS(opts, .prefetch = 65);
	struct ipcx_queue *q;

	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, NAME, IPCX_RECV, &opts));
	EXPECT_NE(NULL, strstr(ipcx_error(), "prefetch 65"));
	opts.prefetch = 2;
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, NAME, IPCX_RECV | IPCX_INHERIT, &opts));
	EXPECT_NE(NULL, strstr(ipcx_error(), "IPCX_INHERIT"));
	opts.prefetch = 1;
	ASSERT_EQ(0, ipcx_queue_open(&q, NAME, IPCX_RECV | IPCX_INHERIT, &opts));
	ipcx_queue_close(q);
	EXPECT_EQ(-EINVAL, ipcx_queue_take(self->q, &self->m, -1));
	ASSERT_EQ(0, put(self, 0, 2));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(-EINVAL, ipcx_queue_take(self->q, &self->other, -1));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->other, 0));
}

TEST_F(prefetch, single_thread)
{
	IPCX_QUEUE_OPTS(ahead, .prefetch = N);

	ipcx_queue_close(self->q);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, NAME, IPCX_RECV | IPCX_SINGLE_THREAD, &ahead));
	ASSERT_EQ(0, put(self, 0, 3 * N));
	for (int i = 0; i < 3 * N; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(i, number(&self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(3 * N, stats(self).released);
}

/* What was in hand before a refill makes room in it for nothing that is not handed out. */
TEST_F(prefetch, released_after_refill)
{
	struct ipcx_msg old[N] = {};

	ASSERT_EQ(0, put(self, 0, 3 * N));
	for (int i = 0; i < N; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &old[i], 0));
		ASSERT_EQ(i, number(&old[i]));
	}
	for (int i = 0; i < 2 * N; i++) {
		struct ipcx_msg *m = i < N ? &old[i] : &self->m;

		ASSERT_EQ(0, ipcx_queue_next(self->q, m, 0));
		ASSERT_EQ(N + i, number(m));
		if (i < N)
			self->m = *m;
	}
}

TEST_F(prefetch, longest)
{
	ASSERT_EQ(0, open_both(self, NULL, 64));
	ASSERT_EQ(0, put(self, 0, 64));
	for (int i = 0; i < 64; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(i, number(&self->m));
	}
	EXPECT_EQ(1, made());
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(1, made());
	EXPECT_EQ(64, stats(self).free);
}

/* What its end finds in hand is given up by the queue, as if it had stayed there. */
TEST_F(prefetch, expires_in_hand)
{
	ASSERT_EQ(0, put_with(self, 0, 0, in_ms(100)));
	ASSERT_EQ(0, put_with(self, 1, 0, in_ms(100)));
	ASSERT_EQ(0, put_with(self, 2, 0, in_ms(60000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(0, number(&self->m));
	usleep(150000);
	EXPECT_EQ(3, stats(self).leased);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->other, 0));
	EXPECT_EQ(2, number(&self->other));
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->s, &self->other, 0));
	EXPECT_EQ(1, stats(self).expired);
	EXPECT_EQ(2, stats(self).leased);
}

TEST_F(prefetch, expires_before_peek_and_next)
{
	ASSERT_EQ(0, put_with(self, 0, 0, 0));
	ASSERT_EQ(0, put_with(self, 1, 0, in_ms(100)));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_peek(self->q, &self->other));
	EXPECT_EQ(2, self->other.seq);
	usleep(150000);
	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &self->other));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(1, stats(self).expired);
	EXPECT_EQ(1, stats(self).released);
}

/* Half of the lease is over in hand: it goes back, and comes again. */
TEST_F(prefetch, lease)
{
	IPCX_QUEUE_OPTS(opts, .lease_ms = 1000);

	ASSERT_EQ(0, open_both(self, &opts, N));
	ASSERT_EQ(0, put(self, 0, 2));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	usleep(600000);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->other, 0));
	EXPECT_EQ(1, number(&self->other));
	EXPECT_EQ(1, self->other.deliveries);
	EXPECT_EQ(1, stats(self).redelivered);
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->other));
}

TEST_F(prefetch, leases_max)
{
	IPCX_QUEUE_OPTS(opts, .leases_max = 2);
	struct ipcx_msg third;

	ASSERT_EQ(0, open_both(self, &opts, N));
	ASSERT_EQ(0, put(self, 0, 5));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(2, stats(self).leased);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->other, 0));
	EXPECT_EQ(-EBUSY, ipcx_queue_take(self->q, &third, 0));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->other));
	for (int i = 2; i < 5; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(i, number(&self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
}

TEST_F(prefetch, buffer_too_small)
{
	uint64_t n;

	ASSERT_EQ(0, put(self, 0, 2));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, &n, sizeof(n) - 1, 0));
	EXPECT_EQ(8, ipcx_queue_recv(self->q, &n, sizeof(n), 0));
	EXPECT_EQ(1, n);
	/* not in hand yet */
	ASSERT_EQ(0, put(self, 2, 1));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, &n, sizeof(n) - 1, 0));
	EXPECT_EQ(8, ipcx_queue_recv(self->q, &n, sizeof(n), 0));
	EXPECT_EQ(2, n);
}

TEST_F(prefetch, priority_comes_later)
{
	ASSERT_EQ(0, put_with(self, 1, 1, 0));
	ASSERT_EQ(0, put_with(self, 0, 0, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	ASSERT_EQ(0, put_with(self, 9, 9, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(0, number(&self->m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(9, number(&self->m));
}

TEST_F(prefetch, arrays)
{
	struct ipcx_msg m[64];

	ASSERT_EQ(0, put(self, 0, 10));
	ASSERT_EQ(1, ipcx_queue_take_n(self->q, m, 1, 0));
	ASSERT_EQ(2, ipcx_queue_take_n(self->q, m + 1, 2, 0));
	ASSERT_EQ(1, ipcx_queue_take_n(self->q, m + 3, 64 - 3, 0));
	EXPECT_EQ(1, made());
	ASSERT_EQ(6, ipcx_queue_take_n(self->q, m + 4, 64 - 4, 0));
	EXPECT_EQ(1, made());
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(i, number(&m[i]));
	EXPECT_EQ(10, ipcx_queue_release_n(self->q, m, 10));
}

static int ask(fix *self, uint64_t n)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(self->s, sizeof(n), &m, 0);

	if (r)
		return r;
	memcpy(m.data, &n, sizeof(n));
	m.flags = IPCX_REQUEST;
	return ipcx_queue_commit(self->s, &m);
}

TEST_F(prefetch, requests)
{
	for (int i = 0; i < N; i++)
		ASSERT_EQ(0, ask(self, i));
	for (int i = 0; i < N; i++) {
		struct ipcx_msg reply = { .data = &i, .len = i ? sizeof(i) : 0 };

		ASSERT_EQ(0, ipcx_queue_reply_next(self->q, &self->m, &reply, 0));
		EXPECT_EQ(i, number(&self->m));
		if (i)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->other, 0));
		ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->other, &reply));
		i++;
	}
	EXPECT_EQ(3, stats(self).answers);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &self->other, 0));
		EXPECT_EQ(0, self->other.flags);
		EXPECT_EQ(0, ipcx_queue_release(self->s, &self->other));
	}
}

/* A request that is let go without a reply: its caller does not wait for the next refill. */
TEST_F(prefetch, request_let_go)
{
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, ask(self, i));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_answer(self->s, &self->other, 0));
	EXPECT_EQ(IPCX_CANCELED, self->other.flags);
}

/* What nobody saw is not given up. */
TEST_F(prefetch, max_deliveries)
{
	IPCX_QUEUE_OPTS(opts, .max_deliveries = 1);

	ASSERT_EQ(0, open_both(self, &opts, N));
	ASSERT_EQ(0, put(self, 0, 3));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	ipcx_queue_close(self->q);
	self->q = NULL;
	EXPECT_EQ(1, stats(self).poison);
	EXPECT_EQ(2, stats(self).queued);
}

/* A thread that sleeps in a take is in nobody's way. */
static void *take_late(void *arg)
{
	fix *self = arg;

	return (void *)(intptr_t)ipcx_queue_take(self->q, &self->other, in_ms(20000));
}

TEST_F(prefetch, asleep)
{
	int64_t begin = now_ns();
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, take_late, self));
	usleep(50000);
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &self->m));
	EXPECT_GT(10000000000LL, now_ns() - begin);
	ASSERT_EQ(0, put(self, 0, 1));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(0, number(&self->other));
}

TEST_HARNESS_MAIN
