// SPDX-License-Identifier: GPL-2.0-only
/* A queue that is removed for everybody, and one that only loses its name. */
#include <ipcx.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

FIXTURE(remove)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
};

FIXTURE_SETUP(remove)
{
	IPCX_QUEUE_OPTS(opts, .depth = 2, .msg_max = 4096);

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0,
		  ipcx_queue_open(&self->q, "remove", IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
}

FIXTURE_TEARDOWN(remove)
{
	ipcx_queue_close(self->q);
	ipcx_queue_unlink("remove");
}

struct sleeper {
	struct ipcx_queue *q;
	pthread_t thread;
	int result;
};

static void *sleep_in_take(void *arg)
{
	struct sleeper *s = arg;
	struct ipcx_msg m;

	s->result = ipcx_queue_take(s->q, &m, in_ms(20000));
	return NULL;
}

static void *sleep_in_loan(void *arg)
{
	struct sleeper *s = arg;
	struct ipcx_msg m;

	s->result = ipcx_queue_loan(s->q, 8, &m, in_ms(20000));
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { .fd = ipcx_queue_fd(s->q), .events = POLLIN };

	s->result = poll(&p, 1, 20000) == 1 ? p.revents : -1;
	return NULL;
}

static void *sleep_in_epoll(void *arg)
{
	struct sleeper *s = arg;
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	s->result = epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_queue_fd(s->q), &e);
	if (!s->result)
		s->result = epoll_wait(ep, &e, 1, 5000) == 1 ? (int)e.events : -1;
	close(ep);
	return NULL;
}

/* One message is for one of them, the end is for all. */
TEST_F(remove, exclusive_pollers)
{
	struct ipcx_queue *receiver;
	struct sleeper s[3];

	ASSERT_EQ(0, ipcx_queue_open(&receiver, "remove", IPCX_RECV, NULL));
	for (int i = 0; i < 3; i++) {
		s[i] = (struct sleeper){ .q = receiver };
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL, sleep_in_epoll, &s[i]));
	}
	usleep(100000);
	ASSERT_EQ(0, ipcx_queue_remove("remove"));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(s[i].thread, NULL));
		ASSERT_LT(0, s[i].result)
		TH_LOG("poller %d", i);
	}
	ipcx_queue_close(receiver);
}

TEST_F(remove, sleeping_takers)
{
	struct sleeper s[3];

	for (int i = 0; i < 3; i++) {
		s[i] = (struct sleeper){ .q = self->q };
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL,
					    i < 2 ? sleep_in_take : sleep_in_poll, &s[i]));
	}
	usleep(50000);
	ASSERT_EQ(0, ipcx_queue_remove("remove"));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(s[i].thread, NULL));
	ASSERT_EQ(-EIDRM, s[0].result);
	ASSERT_EQ(-EIDRM, s[1].result);
	ASSERT_EQ(POLLHUP | POLLERR, s[2].result & (POLLHUP | POLLERR));
}

TEST_F(remove, sleeping_senders)
{
	struct sleeper s[2];

	ASSERT_EQ(0, ipcx_queue_send(self->q, "a", 1, 0));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "b", 1, 0));
	for (int i = 0; i < 2; i++) {
		s[i] = (struct sleeper){ .q = self->q };
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL, sleep_in_loan, &s[i]));
	}
	usleep(50000);
	ASSERT_EQ(0, ipcx_queue_remove("remove"));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(s[i].thread, NULL));
		ASSERT_EQ(-EIDRM, s[i].result);
	}
}

/* What was held can be given back; nothing new is had. */
TEST_F(remove, what_is_left)
{
	struct ipcx_msg loan;
	char c;

	ASSERT_EQ(0, ipcx_queue_send(self->q, "a", 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &loan, 0));
	ASSERT_EQ(0, ipcx_queue_remove("remove"));
	ASSERT_EQ(-EIDRM, ipcx_queue_commit(self->q, &loan));
	ASSERT_NE(NULL, strstr(ipcx_error(), "removed"));
	ASSERT_EQ(0, ipcx_queue_cancel(self->q, &loan));
	ASSERT_EQ('a', *(char *)self->m.data);
	ASSERT_EQ(-EIDRM, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(-EIDRM, ipcx_queue_take(self->q, &self->m, 0));
	ASSERT_EQ(-EIDRM, ipcx_queue_peek(self->q, &self->m));
	ASSERT_EQ(-EIDRM, ipcx_queue_loan(self->q, 8, &loan, 0));
	ASSERT_EQ(-1, write(ipcx_queue_fd(self->q), "x", 1));
	ASSERT_EQ(EIDRM, errno);
	ASSERT_EQ(-1, read(ipcx_queue_fd(self->q), &c, 1));
	ASSERT_EQ(EIDRM, errno);
	ASSERT_EQ(-ENOENT, ipcx_queue_remove("remove"));
}

/* unlink: who has it open goes on, and the queue drains. */
TEST_F(remove, unlink_lets_go_on)
{
	ASSERT_EQ(0, ipcx_queue_send(self->q, "a", 1, 0));
	ASSERT_EQ(0, ipcx_queue_unlink("remove"));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "b", 1, 0));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ('b', *(char *)self->m.data);
}

TEST_HARNESS_MAIN
