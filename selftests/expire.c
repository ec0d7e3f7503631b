// SPDX-License-Identifier: GPL-2.0-only
/* Times of messages and of leases: nothing late is delivered, nothing is kept for ever. */
#include <ipcx.h>
#include <pthread.h>

#include "hang_util.h"

#include "../kselftest_harness.h"

FIXTURE(expire)
{
	struct ipcx_queue *q;
	struct ipcx_queue_stats s;
	struct ipcx_msg m;
};

static int open_named(struct ipcx_queue **q, struct ipcx_queue_opts *opts)
{
	return ipcx_queue_open(q, "expire", IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL,
			       opts);
}

FIXTURE_SETUP(expire)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .msg_max = 4096, .lease_ms = 300);

	memset(self, 0, sizeof(*self));
	self->s.sz = sizeof(self->s);
	ASSERT_EQ(0, open_named(&self->q, &opts)) TH_LOG("%s", ipcx_error());
}

FIXTURE_TEARDOWN(expire)
{
	ipcx_queue_close(self->q);
}

/* More than what travels without a page */
#define LEN 100

/* By a sender that then leaves and holds nothing. */
static int send_until(uint64_t tag, int64_t expires)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int r = ipcx_queue_open(&q, "expire", IPCX_SEND, NULL);

	if (r)
		return r;
	r = ipcx_queue_loan(q, LEN, &m, IPCX_NOWAIT);
	if (!r) {
		memcpy(m.data, &tag, 8);
		m.tag = tag;
		m.expires = expires;
		r = ipcx_queue_commit(q, &m);
	}
	ipcx_queue_close(q);
	return r;
}

/* Waits for something that happens by itself. */
#define until(cond) \
	({ \
		int64_t end_ = in_ms(20000); \
		do { \
			usleep(2000); \
			ipcx_queue_stat(self->q, &self->s); \
		} while (!(cond) && now_ns() < end_); \
		(cond); \
	})

TEST_F(expire, in_time)
{
	int64_t when = in_ms(60000);

	ASSERT_EQ(0, send_until(1, when));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(when, self->m.expires);
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	ASSERT_EQ(0, send_until(2, IPCX_FOREVER));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, self->m.expires);
}

TEST_F(expire, negative)
{
	ASSERT_EQ(-EINVAL, send_until(1, -1));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(0, self->s.sent);
}

/* Long before any timer: the taker itself looks. What is behind it is delivered. */
TEST_F(expire, never_late)
{
	ASSERT_EQ(0, send_until(1, 1));
	ASSERT_EQ(0, send_until(2, now_ns()));
	ASSERT_EQ(0, send_until(3, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(3, self->m.tag);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(2, self->s.expired);
	ASSERT_EQ(3, self->s.free);
}

struct taker {
	struct ipcx_queue *q;
	pthread_t thread;
	int result;
};

static void *take_in_half_a_second(void *arg)
{
	struct taker *t = arg;
	struct ipcx_msg m;

	t->result = ipcx_queue_take(t->q, &m, in_ms(500));
	return NULL;
}

/* It sleeps, is handed a message in time, and gets no CPU until that is over. */
TEST_F(expire, never_handed_late)
{
	struct sched_param fifo = { .sched_priority = 1 }, other = {};
	struct taker t = { .q = self->q };
	struct ipcx_queue *sender;
	cpu_set_t cpu;

	ASSERT_EQ(0, open_named(&sender, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(sender, 8, &self->m, IPCX_NOWAIT));
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, take_in_half_a_second, &t));
	usleep(100000);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &fifo));
	self->m.expires = in_ms(30);
	ASSERT_EQ(0, ipcx_queue_commit(sender, &self->m));
	while (now_ns() <= self->m.expires)
		;
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &other));
	ASSERT_EQ(0, pthread_join(t.thread, NULL));
	ASSERT_EQ(-ETIMEDOUT, t.result);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.expired);
	ipcx_queue_close(sender);
}

TEST_F(expire, never_read_late)
{
	char buf[LEN];

	ASSERT_EQ(0, send_until(1, 1));
	ASSERT_EQ(0, send_until(7, 0));
	ASSERT_EQ(LEN, read(ipcx_queue_fd(self->q), buf, LEN));
	ASSERT_EQ(7, buf[0]);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.released);
	ASSERT_EQ(4, self->s.free);
}

/* It frees its slot by itself: a sender that sleeps for one gets it. */
TEST_F(expire, frees_its_slot)
{
	int64_t when = in_ms(50), in_time = in_ms(10000);

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_until(i, i ? 0 : when));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &self->m, in_ms(20000)))
	TH_LOG("%s", ipcx_error());
	ASSERT_LE(when, now_ns());
	ASSERT_GT(in_time, now_ns());
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.expired);
	ASSERT_EQ(3, self->s.queued);
}

/* A full queue whose messages are over is not full. */
TEST_F(expire, loan_reaps)
{
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_until(i, 1));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &self->m, IPCX_NOWAIT));
}

/* The earliest counts, in whatever order they come. */
TEST_F(expire, later_then_earlier)
{
	ASSERT_EQ(0, send_until(1, in_ms(3600 * 1000)));
	ASSERT_EQ(0, send_until(2, in_ms(200)));
	ASSERT_EQ(0, send_until(3, in_ms(40)));
	ASSERT_TRUE(until(self->s.expired == 2));
	ASSERT_EQ(1, self->s.queued);
}

/* One that was taken in time and comes back late is late. */
TEST_F(expire, comes_back_late)
{
	ASSERT_EQ(0, send_until(1, in_ms(150)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	usleep(170000);
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_TRUE(until(self->s.expired == 1));
	ASSERT_EQ(4, self->s.free);
}

/* Comes back in time, and then nobody comes: it still goes by itself. */
TEST_F(expire, comes_back_in_time)
{
	ASSERT_EQ(0, send_until(1, in_ms(300)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
	ASSERT_TRUE(until(self->s.expired == 1));
}

/* Comes back by itself, and nobody takes it again: it goes by itself too. */
TEST_F(expire, comes_back_overdue)
{
	ASSERT_EQ(0, send_until(1, in_ms(1500)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_TRUE(until(self->s.expired == 1));
	ASSERT_EQ(1, self->s.redelivered);
	ASSERT_EQ(-ESTALE, ipcx_queue_release(self->q, &self->m));
}

/* Overdue: delivered to another, with its count; the late one is told, and may read. */
TEST_F(expire, lease)
{
	struct ipcx_queue *other;
	struct ipcx_msg again;

	ASSERT_EQ(0, open_named(&other, NULL));
	ASSERT_EQ(0, send_until(42, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(other, &again, in_ms(20000)));
	ASSERT_EQ(42, again.tag);
	ASSERT_EQ(1, again.deliveries);
	ASSERT_EQ(self->m.seq, again.seq);
	ASSERT_EQ(42, *(uint64_t *)self->m.data);
	ASSERT_EQ(0, ipcx_queue_release(other, &again));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(3, self->s.free) TH_LOG("a slot that is still read was free");
	ASSERT_EQ(42, *(uint64_t *)self->m.data);
	ASSERT_EQ(-ESTALE, ipcx_queue_release(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(4, self->s.free);
	ASSERT_EQ(1, self->s.released);
	ASSERT_EQ(1, self->s.redelivered);
	ASSERT_EQ(-EPERM, ipcx_queue_release(self->q, &self->m));
	ipcx_queue_close(other);
}

/* The late one may touch its message for the first time when it is no longer its. */
TEST_F(expire, lease_faults_late)
{
	ASSERT_EQ(0, send_until(43, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_TRUE(until(self->s.queued == 1));
	ASSERT_EQ(0, probe(self->m.data, false));
	ASSERT_EQ(43, *(uint64_t *)self->m.data);
	ASSERT_EQ(-ESTALE, ipcx_queue_nack(self->q, &self->m));
	ASSERT_NE(0, probe((char *)self->m.data, true));
}

/* The late one dies: its slot is free then, and not before. */
TEST_F(expire, late_death)
{
	struct ipcx_queue *other;

	ASSERT_EQ(0, open_named(&other, NULL));
	ASSERT_EQ(0, send_until(1, 0));
	ASSERT_EQ(0, ipcx_queue_take(other, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(3, self->s.free);
	ipcx_queue_close(other);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(4, self->s.free);
}

static void *close_soon(void *q)
{
	usleep(100000);
	ipcx_queue_close(q);
	return NULL;
}

/* ... and who sleeps for a slot is woken. */
TEST_F(expire, late_death_wakes)
{
	struct ipcx_queue *other;
	pthread_t thread;
	int64_t before;

	ASSERT_EQ(0, ipcx_queue_open(&other, "expire", IPCX_RECV, NULL));
	ASSERT_EQ(0, send_until(1, 0));
	ASSERT_EQ(0, ipcx_queue_take(other, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_until(2, 0));
	ASSERT_EQ(-EAGAIN, ipcx_queue_loan(self->q, 8, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_soon, other));
	before = now_ns();
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &self->m, in_ms(20000)));
	ASSERT_GT(before + 10000000000, now_ns()) TH_LOG("it looked itself, in the end");
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

/* One that sends ever earlier times does not put off what others wait for. */
TEST_F(expire, lease_not_put_off)
{
	IPCX_QUEUE_OPTS(opts, .depth = 65536, .msg_max = 4096, .lease_ms = 30);
	int64_t when = now_ns(), end = 0;
	struct ipcx_queue *q;

	ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
	for (int i = 0; i < 100 || (!self->s.redelivered && now_ns() < end); i++) {
		struct ipcx_msg m;

		if (i == 99) { /* by now all that is done for the first time is done */
			ASSERT_EQ(0, ipcx_queue_send(q, "a", 1, 0));
			ASSERT_EQ(0, ipcx_queue_take(q, &self->m, IPCX_NOWAIT));
			end = in_ms(1000);
		}
		ASSERT_EQ(0, ipcx_queue_loan(q, 0, &m, IPCX_NOWAIT));
		m.expires = when--;
		ASSERT_EQ(0, ipcx_queue_commit(q, &m));
		usleep(500);
		ASSERT_EQ(0, ipcx_queue_stat(q, &self->s));
	}
	ASSERT_EQ(1, self->s.redelivered) TH_LOG("%lu messages", (unsigned long)self->s.sent);
	ipcx_queue_close(q);
}

struct sleeper {
	struct ipcx_queue *q;
	struct ipcx_desc *d;
	struct ipcx_msg m;
	pthread_t thread;
	int result;
};

static void *sleep_in_loan(void *arg)
{
	int64_t in_time = in_ms(10000); /* woken by the deadline it finds the slot too */
	struct sleeper *s = arg;

	s->result = ipcx_queue_loan(s->q, 8, &s->m, in_ms(20000));
	s->result = now_ns() < in_time ? s->result : -ETIME;
	return NULL;
}

static void *take_into(void *arg)
{
	struct sleeper *s = arg;

	s->result = raw_take(ipcx_queue_fd(s->q), s->d, IPCX_DEADLINE_NOWAIT);
	return NULL;
}

/* The only message, that somebody else is late with, is done, and the queue is full. */
static int full_but_for_the_late(struct ipcx_queue *q)
{
	struct ipcx_msg m;
	int r = ipcx_queue_take(q, &m, in_ms(20000));

	r = r ?: ipcx_queue_release(q, &m);
	for (int i = 0; i < 3; i++)
		r = r ?: send_until(i, 0);
	return r;
}

static int answer(int how, struct ipcx_queue *q, struct ipcx_msg *m)
{
	if (how == 0)
		return ipcx_queue_release(q, m);
	return how == 1 ? ipcx_queue_nack(q, m) : ipcx_queue_next(q, m, IPCX_NOWAIT);
}

/* So does whatever the late one says at last, though it is told that it was late. */
TEST_F(expire, late_answer_wakes_a_sender)
{
	struct ipcx_queue *other;
	struct ipcx_msg m;

	ASSERT_EQ(0, open_named(&other, NULL));
	for (int i = 0; i < 3; i++) {
		struct sleeper s = { .q = self->q, .result = 1 };

		ASSERT_EQ(0, send_until(1, 0));
		ASSERT_EQ(0, ipcx_queue_take(other, &self->m, IPCX_NOWAIT));
		ASSERT_EQ(0, full_but_for_the_late(self->q));
		ASSERT_EQ(0, pthread_create(&s.thread, NULL, sleep_in_loan, &s));
		usleep(50000);
		ASSERT_EQ(-ESTALE, answer(i, other, &self->m));
		ASSERT_EQ(0, pthread_join(s.thread, NULL));
		ASSERT_EQ(0, s.result) TH_LOG("answer %d: %s", i, strerror(-s.result));
		ASSERT_EQ(0, ipcx_queue_cancel(self->q, &s.m));
		while (!ipcx_queue_take(self->q, &m, IPCX_NOWAIT))
			ASSERT_EQ(0, ipcx_queue_release(self->q, &m));
	}
	ipcx_queue_close(other);
}

/* A taker hangs as it is told, for longer than its lease, and then cannot be told. */
TEST_F(expire, told_too_late)
{
	struct sleeper s = { .q = self->q, .result = 1 }, taker = { .result = 1 };
	int fd;

	taker.d = new_pages(4096);
	fd = hang_on(taker.d, 4096);
	ASSERT_LE(0, fd) TH_LOG("%s", strerror(-fd));
	ASSERT_EQ(0, open_named(&taker.q, NULL));
	ASSERT_EQ(0, send_until(1, 0));
	ASSERT_EQ(0, pthread_create(&taker.thread, NULL, take_into, &taker));
	ASSERT_TRUE(until(self->s.leased || self->s.redelivered));
	ASSERT_EQ(0, full_but_for_the_late(self->q));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, sleep_in_loan, &s));
	usleep(50000);
	munmap(taker.d, 4096);
	close(fd);
	ASSERT_EQ(0, pthread_join(taker.thread, NULL));
	ASSERT_EQ(-EFAULT, taker.result);
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	ASSERT_EQ(0, s.result) TH_LOG("%s", strerror(-s.result));
	ipcx_queue_close(taker.q);
}

/* Again and again by the same end: each late lease is given back once. */
TEST_F(expire, late_to_oneself)
{
	struct ipcx_msg m[3];

	ASSERT_EQ(0, send_until(1, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &m[i], in_ms(20000)));
		ASSERT_EQ(i, m[i].deliveries);
	}
	ASSERT_EQ(0, ipcx_queue_release(self->q, &m[2]));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(3, self->s.free);
	ASSERT_EQ(-ESTALE, ipcx_queue_release(self->q, &m[0]));
	ASSERT_EQ(-ESTALE, ipcx_queue_release(self->q, &m[1]));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(4, self->s.free);
}

/* next(): the old one was overdue; that is said, and nothing is taken. */
TEST_F(expire, next_when_late)
{
	ASSERT_EQ(0, send_until(1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_TRUE(until(self->s.queued == 1));
	ASSERT_EQ(-ESTALE, ipcx_queue_next(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(1, self->m.deliveries);
}

/* What is late in the middle of an array is left out, whether the timer came first or not. */
TEST_F(expire, array_with_a_late_one)
{
	struct ipcx_msg m[3] = {};

	for (int i = 0; i < 100; i++) {
		int64_t end = now_ns() + 1000000;

		ASSERT_EQ(0, send_until(1, 0));
		ASSERT_EQ(0, send_until(2, end));
		ASSERT_EQ(0, send_until(3, 0));
		while (now_ns() <= end)
			;
		ASSERT_EQ(2, ipcx_queue_take_n(self->q, m, 3, IPCX_NOWAIT));
		ASSERT_EQ(1, m[0].tag);
		ASSERT_EQ(3, m[1].tag);
		ASSERT_EQ(2, ipcx_queue_release_n(self->q, m, 2));
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	EXPECT_EQ(100, self->s.expired);
}

TEST_F(expire, peek)
{
	ASSERT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &self->m));
	ASSERT_EQ(0, send_until(1, 1));
	ASSERT_EQ(0, send_until(2, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_peek(self->q, &self->m));
		ASSERT_EQ(2, self->m.tag);
		ASSERT_EQ(LEN, self->m.len);
		ASSERT_EQ(0, self->m.deliveries);
		ASSERT_EQ(NULL, self->m.data);
		ASSERT_EQ(-EPERM, ipcx_queue_release(self->q, &self->m));
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.queued);
	ASSERT_EQ(1, self->s.expired);
}

TEST_HARNESS_MAIN
