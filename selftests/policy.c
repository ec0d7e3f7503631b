// SPDX-License-Identifier: GPL-2.0-only
/* What a full queue does: wait, fail, or drop, and that each drop is counted. */
#include <ipcx.h>
#include <pthread.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define DEPTH 8

FIXTURE(policy)
{
	struct ipcx_queue *q;
	struct ipcx_queue_stats s;
	struct ipcx_msg m;
};

FIXTURE_VARIANT(policy)
{
	enum ipcx_queue_policy policy;
};

FIXTURE_VARIANT_ADD(policy, block){
	.policy = IPCX_BLOCK,
};

FIXTURE_VARIANT_ADD(policy, fail){
	.policy = IPCX_FAIL,
};

FIXTURE_VARIANT_ADD(policy, drop_oldest){
	.policy = IPCX_DROP_OLDEST,
};

FIXTURE_VARIANT_ADD(policy, drop_newest){
	.policy = IPCX_DROP_NEWEST,
};

FIXTURE_SETUP(policy)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .msg_max = 65536, .bytes_max = 65536 * 4,
			.policy = variant->policy);
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };

	memset(self, 0, sizeof(*self));
	self->s.sz = sizeof(self->s);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts))
	TH_LOG("%s", ipcx_error());
	ASSERT_EQ(0, ipcx_queue_attr(self->q, &attr));
	ASSERT_EQ(variant->policy, attr.policy);
}

FIXTURE_TEARDOWN(policy)
{
	ipcx_queue_close(self->q);
}

static int send_number(struct ipcx_queue *q, uint64_t n, uint32_t prio, int64_t deadline)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, sizeof(n), &m, deadline);

	if (r)
		return r;
	memcpy(m.data, &n, sizeof(n));
	m.prio = prio;
	return ipcx_queue_commit(q, &m);
}

static bool adds_up(const struct ipcx_queue_stats *s)
{
	return s->sent == s->queued + s->leased + s->released + s->dropped_oldest +
				  s->dropped_newest + s->expired + s->poison;
}

/* Twice as many as there is room for: what arrives, what is missing, what was counted. */
TEST_F(policy, twice_the_depth)
{
	uint64_t got[2 * DEPTH], n, last = 0, missing = 0;
	int sent = 0, taken = 0;

	for (n = 1; n <= 2 * DEPTH; n++) {
		int r = send_number(self->q, n, 0, IPCX_NOWAIT);

		if (r) {
			ASSERT_EQ(-EAGAIN, r);
			continue;
		}
		sent++;
	}
	while (!ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT)) {
		memcpy(&got[taken++], self->m.data, sizeof(got[0]));
		missing += self->m.seq - last - 1;
		last = self->m.seq;
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	missing += self->s.sent - last;
	ASSERT_EQ(sent, self->s.sent);
	ASSERT_EQ(missing, self->s.dropped_oldest + self->s.dropped_newest);
	ASSERT_TRUE(adds_up(&self->s));
	switch (variant->policy) {
	case IPCX_BLOCK:
	case IPCX_FAIL:
		ASSERT_EQ(DEPTH, sent);
		ASSERT_EQ(DEPTH, taken);
		ASSERT_EQ(1, got[0]);
		break;
	case IPCX_DROP_OLDEST:
		ASSERT_EQ(2 * DEPTH, sent);
		ASSERT_LE(DEPTH - 1, taken);
		ASSERT_EQ(2 * DEPTH, got[taken - 1]);
		ASSERT_EQ(2 * DEPTH - taken, self->s.dropped_oldest);
		break;
	case IPCX_DROP_NEWEST:
		ASSERT_EQ(2 * DEPTH, sent);
		ASSERT_EQ(DEPTH - 1, taken);
		ASSERT_EQ(1, got[0]);
		ASSERT_EQ(DEPTH + 1, self->s.dropped_newest);
		break;
	}
}

/* Only BLOCK waits; the others have their answer at once. */
TEST_F(policy, deadline_on_a_full_queue)
{
	int64_t before = now_ns();
	int r = 0;

	for (int i = 0; i < DEPTH && !r; i++)
		r = send_number(self->q, i, 0, IPCX_NOWAIT);
	ASSERT_EQ(0, r);
	r = send_number(self->q, DEPTH, 0, in_ms(200));
	if (variant->policy == IPCX_BLOCK) {
		ASSERT_EQ(-ETIMEDOUT, r);
		ASSERT_LE(200000000, now_ns() - before);
	} else {
		ASSERT_EQ(variant->policy == IPCX_FAIL ? -EAGAIN : 0, r);
	}
}

/* Writable exactly when a message could be sent. */
TEST_F(policy, pollout)
{
	int fd = ipcx_queue_fd(self->q);

	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 2 * DEPTH; i++) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		bool sent;

		ASSERT_LE(0, poll(&p, 1, 0));
		sent = write(fd, "message", 8) == 8;
		ASSERT_EQ(!!(p.revents & POLLOUT), sent) TH_LOG("message %d", i);
		ASSERT_EQ(variant->policy >= IPCX_DROP_OLDEST || i < DEPTH, sent);
	}
}

/* The lowest priority goes first, and what somebody holds never. */
TEST_F(policy, what_is_dropped)
{
	struct ipcx_msg held[2];

	if (variant->policy != IPCX_DROP_OLDEST)
		return;
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_number(self->q, i, i < 4 ? 5 : 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &held[0], 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &held[1], 0));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_number(self->q, 100 + i, 9, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(2, self->s.leased);
	ASSERT_LE(4, self->s.dropped_oldest);
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		ASSERT_EQ(i < 4 ? 9 : 5, self->m.prio);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	ASSERT_EQ(0, ipcx_queue_release(self->q, &held[0]));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &held[1]));
}

/* None goes for a loan that there would be no room for even then. */
TEST_F(policy, not_dropped_for_nothing)
{
	int fd = ipcx_queue_fd(self->q);
	static char data[65536];
	struct ipcx_msg m[4];

	for (int i = 0; i < 4; i++) {
		ssize_t len = i < 3 ? 65536 : 100; /* what is short needs no bytes */

		ASSERT_EQ(len, write(fd, data, len));
	}
	ASSERT_EQ(4, ipcx_queue_take_n(self->q, m, 4, IPCX_NOWAIT));
	ASSERT_EQ(100, write(fd, data, 100));
	ASSERT_EQ(-EAGAIN, ipcx_queue_loan(self->q, 65536, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.queued);
}

/* Room in bytes is room too. */
TEST_F(policy, dropped_for_bytes)
{
	int sent = 0, r;

	for (int i = 0; i < DEPTH; i++) {
		r = ipcx_queue_loan(self->q, 65536, &self->m, IPCX_NOWAIT);
		if (!r)
			r = ipcx_queue_commit(self->q, &self->m);
		sent += !r;
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(sent, self->s.sent);
	ASSERT_EQ(variant->policy < IPCX_DROP_OLDEST ? 4 : DEPTH, sent);
	ASSERT_LE(3, self->s.queued);
	ASSERT_GE(4, self->s.queued);
	ASSERT_TRUE(adds_up(&self->s));
	ASSERT_GE(4 * 65536, self->s.bytes);
}

struct sleeper {
	struct ipcx_queue *q;
	int result;
};

static void *sleep_in_loan(void *arg)
{
	int64_t in_time = in_ms(10000); /* at its deadline it finds the slot too */
	struct sleeper *s = arg;
	struct ipcx_msg m;

	s->result = ipcx_queue_loan(s->q, 8, &m, in_ms(20000));
	s->result = now_ns() < in_time ? s->result : -ETIME;
	return NULL;
}

/* All slots on loan leave nothing to drop; the first commit does. */
TEST_F(policy, commit_wakes_a_loan)
{
	struct sleeper s = { .q = self->q, .result = 1 };
	struct ipcx_msg m[DEPTH];
	pthread_t thread;

	if (variant->policy < IPCX_DROP_OLDEST)
		return;
	ASSERT_EQ(DEPTH, ipcx_queue_loan_n(self->q, 8, m, DEPTH, IPCX_NOWAIT));
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_loan, &s));
	usleep(50000);
	ASSERT_EQ(1, ipcx_queue_commit_n(self->q, m, 1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, s.result) TH_LOG("%s", strerror(-s.result));
}

TEST_HARNESS_MAIN
