// SPDX-License-Identifier: GPL-2.0-only
/* How many messages one endpoint may hold: leases_max. */
#include <ipcx.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "call_util.h"

#include "../kselftest_harness.h"

#define MAX 2

FIXTURE(leases)
{
	struct end e, other;
	struct ipcx_desc d[8];
};

static int open_named(struct end *e, unsigned int flags)
{
	e->o.depth = 8;
	e->o.msg_max = 4096;
	e->o.leases_max = MAX;
	return end_open(e, "leases", flags | SENDRECV);
}

FIXTURE_SETUP(leases)
{
	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, open_named(&self->e, CREATE | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, open_named(&self->other, 0));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_send(&self->e, 8, 'a'));
	ASSERT_EQ(MAX, self->other.o.out_leases_max);
}

FIXTURE_TEARDOWN(leases)
{
	end_close(&self->e);
	end_close(&self->other);
}

static int take_n(int fd, struct ipcx_desc *d, unsigned int n, unsigned int flags)
{
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
		.len_max = UINT64_MAX,
	};

	return xioctl(fd, IPCX_IOC_QUEUE_TAKE, &t);
}

static bool readable(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout) == 1 && p.revents & POLLIN;
}

TEST_F(leases, limit)
{
	int64_t before = now_ns();
	char buf[8];

	ASSERT_EQ(MAX, take_n(self->e.fd, self->d, 4, 0));
	EXPECT_EQ(-EBUSY, raw_take(self->e.fd, &self->d[4], 0));
	EXPECT_EQ(-EBUSY, raw_take(self->e.fd, &self->d[4], in_ms(5000)));
	EXPECT_GT(4000000000LL, now_ns() - before);
	EXPECT_FALSE(readable(self->e.fd, 0));
	EXPECT_EQ(1, raw_take_flags(self->e.fd, &self->d[4], 0, IPCX_TAKE_PEEK));
	/* each endpoint has its own */
	EXPECT_TRUE(readable(self->other.fd, 0));
	ASSERT_EQ(1, raw_take(self->other.fd, &self->d[4], 0));
	ASSERT_EQ(1, raw_release(self->e.fd, &self->d[0]));
	EXPECT_TRUE(readable(self->e.fd, 0));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d[0], 0));
	/* the same when there is nothing to take */
	EXPECT_EQ(-EBUSY, raw_take(self->e.fd, &self->d[5], 0));
	EXPECT_EQ(-EAGAIN, raw_take(self->other.fd, &self->d[5], 0));
	/* what is read is not held */
	ASSERT_EQ(1, raw_send(&self->e, 8, 'b'));
	EXPECT_EQ(8, read(self->e.fd, buf, sizeof(buf)));
}

/* What is released by the same call counts no more. */
TEST_F(leases, next)
{
	ASSERT_EQ(MAX, take_n(self->e.fd, self->d, MAX, 0));
	ASSERT_EQ(1, raw_next(self->e.fd, &self->d[1], 0));
	EXPECT_EQ(3, self->d[1].seq);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_send(&self->e, 8, 'b'));
	self->d[2].slot = IPCX_SLOT_NONE;
	ASSERT_EQ(MAX, take_n(self->e.fd, self->d, 3, IPCX_TAKE_RELEASE));
	EXPECT_EQ(IPCX_SLOT_NONE, self->d[2].slot);
	ASSERT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->d[0], IPCX_RELEASE_NACK));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->d[0], 0));
	EXPECT_EQ(1, self->d[0].deliveries);
}

struct taker {
	int fd;
	int result;
	struct ipcx_desc d;
};

static void *sleep_in_take(void *arg)
{
	struct taker *t = arg;

	t->result = raw_take(t->fd, &t->d, in_ms(20000));
	return NULL;
}

/* Three sleep when each might have one more: only two get it, the third learns why not. */
TEST_F(leases, sleepers)
{
	struct taker t[3] = {};
	int got = 0, busy = 0;
	pthread_t thread[3];

	ASSERT_EQ(2, take_n(self->other.fd, self->d, 2, 0));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_release(self->other.fd, &self->d[i]));
	ASSERT_EQ(2, take_n(self->other.fd, self->d, 2, 0));
	for (int i = 0; i < 3; i++) {
		t[i].fd = self->e.fd;
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, sleep_in_take, &t[i]));
	}
	usleep(100000);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_send(&self->e, 8, 'c'));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		got += t[i].result == 1;
		busy += t[i].result == -EBUSY;
	}
	EXPECT_EQ(2, got);
	EXPECT_EQ(1, busy);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_release(self->other.fd, &self->d[i]));
	/* what it could not have is there for others, and was not delivered */
	ASSERT_EQ(2, take_n(self->other.fd, self->d, 2, 0));
	EXPECT_EQ(0, self->d[0].deliveries);
	EXPECT_EQ(0, self->d[1].deliveries);
}

struct poller {
	int fd;
	bool woken;
};

static void *sleep_in_poll(void *arg)
{
	struct poller *p = arg;
	int64_t before = now_ns();

	/* in the end it looks itself */
	p->woken = readable(p->fd, 10000) && now_ns() - before < 5000000000;
	return NULL;
}

/* Each way to hold one less makes it readable, to who polls already. */
TEST_F(leases, poll)
{
	unsigned int flags[] = { 0, IPCX_RELEASE_NACK };
	struct poller p = { .fd = self->e.fd };
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(MAX, take_n(self->e.fd, self->d, MAX, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_poll, &p));
		usleep(50000);
		ASSERT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->d[0], flags[i]));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_TRUE(p.woken);
		ASSERT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->d[1], flags[i]));
	}
}

static void *sleep_in_epoll(void *arg)
{
	struct epoll_event ev;

	epoll_wait(*(int *)arg, &ev, 1, 2000);
	return NULL;
}

/* Two wait exclusively; the one that holds enough does not keep the message from the other. */
TEST_F(leases, exclusive)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct end *ends[] = { &self->e, &self->other };
	pthread_t thread;
	int ep[2];

	ASSERT_EQ(2, take_n(self->other.fd, self->d, 2, 0));
	ASSERT_EQ(2, take_n(self->e.fd, &self->d[2], 2, 0));
	ASSERT_EQ(1, raw_release(self->other.fd, &self->d[0]));
	for (int i = 0; i < 2; i++) {
		ep[i] = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_EQ(0, epoll_ctl(ep[i], EPOLL_CTL_ADD, ends[i]->fd, &ev));
		EXPECT_EQ(0, epoll_wait(ep[i], &ev, 1, 0));
		ev.events = EPOLLIN | EPOLLEXCLUSIVE;
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_epoll, &ep[0]));
	usleep(50000);
	ASSERT_EQ(1, raw_send(&self->e, 8, 'd'));
	EXPECT_EQ(1, epoll_wait(ep[1], &ev, 1, 1000));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, epoll_wait(ep[0], &ev, 1, 0));
	close(ep[0]);
	close(ep[1]);
}

/* A lease that is over does not count; a message given up was held too. */
TEST_F(leases, end_by_themselves)
{
	struct end e = { .o = { .depth = 4, .msg_max = 4096, .leases_max = 1, .lease_ms = 50 } };
	struct poller p = {};
	pthread_t thread;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_send(&e, 8, 'e'));
	ASSERT_EQ(1, raw_take(e.fd, self->d, 0));
	EXPECT_TRUE(readable(e.fd, 10000));
	ASSERT_EQ(1, raw_take(e.fd, self->d, 0));
	end_close(&e);
	e.o = (struct ipcx_queue_open){ .depth = 4, .leases_max = 1, .max_deliveries = 1 };
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_send(&e, 8, 'e'));
	ASSERT_EQ(1, raw_send(&e, 8, 'f'));
	ASSERT_EQ(1, raw_take(e.fd, self->d, 0));
	p.fd = e.fd;
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_poll, &p));
	usleep(50000);
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, self->d, IPCX_RELEASE_NACK));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(p.woken);
	end_close(&e);
}

/* Requests count as messages do; a reply makes its sender readable again. */
TEST(requests)
{
	static struct side c = { .e.o = { .depth = 8, .msg_max = 4096, .leases_max = 1 } }, s;
	struct ipcx_desc reply = { .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE };
	struct ipcx_desc d, got;
	struct ipcx_queue_reply r = {
		.size = sizeof(r),
		.flags = IPCX_REPLY_TAKE,
		.request = (uintptr_t)&got,
		.reply = (uintptr_t)&reply,
		.desc_size = sizeof(reply),
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)s.place,
	};
	struct poller p = {};
	pthread_t thread;

	ASSERT_EQ(0, side_open(&c, "requests", CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, side_open(&s, "requests", IPCX_OPEN_RECV));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, side_send_inline(&c, &d, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&s, &got, 0, 0));
	EXPECT_EQ(-EBUSY, side_take(&s, &d, 0, 0));
	ASSERT_EQ(0, xioctl(s.e.fd, IPCX_IOC_QUEUE_REPLY, &r));
	EXPECT_EQ(2, got.seq);
	EXPECT_EQ(-EBUSY, side_take(&s, &d, 0, 0));
	p.fd = s.e.fd;
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_poll, &p));
	usleep(50000);
	ASSERT_EQ(0, side_reply(&s, &got, NULL, NULL, 0));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(p.woken);
	end_close(&s.e);
	end_close(&c.e);
}

TEST(library)
{
	IPCX_QUEUE_OPTS(opts, .leases_max = 1);
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	struct ipcx_msg m, none = {};
	struct ipcx_queue *q;

	ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
	ASSERT_EQ(0, ipcx_queue_attr(q, &attr));
	EXPECT_EQ(1, attr.leases_max);
	ASSERT_EQ(0, ipcx_queue_send(q, "1", 1, 0));
	ASSERT_EQ(0, ipcx_queue_send(q, "2", 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
	EXPECT_EQ(-EBUSY, ipcx_queue_take(q, &none, IPCX_FOREVER));
	EXPECT_NE(NULL, strstr(ipcx_error(), "leases_max")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, ipcx_queue_next(q, &m, 0));
	ipcx_queue_close(q);
}

TEST_HARNESS_MAIN
