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
	int64_t in_time = in_ms(10000); /* at its deadline it finds out too */
	struct sleeper *s = arg;
	struct ipcx_msg m;

	s->result = ipcx_queue_loan(s->q, 8, &m, in_ms(20000));
	s->result = now_ns() < in_time ? s->result : -ETIME;
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	int64_t in_time = in_ms(10000);
	struct sleeper *s = arg;
	struct pollfd p = { .fd = ipcx_queue_fd(s->q), .events = POLLIN };

	s->result = poll(&p, 1, 20000) == 1 && now_ns() < in_time ? p.revents : 0;
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

#define GONE (EPOLLHUP | EPOLLERR)

static uint32_t told(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 1 ? ev.events : 0;
}

/* However an end is watched, and if nothing is asked for, it is told of a removal. */
TEST(epoll_hangs_up)
{
	const uint32_t how[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE };
	const uint32_t rights[] = { IPCX_OPEN_RECV, IPCX_OPEN_SEND };
	struct epoll_event ev = {};
	struct end e = {};
	int ep;

	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, end_open(&e, "gone", CREATE | rights[i & 1]));
		ep = epoll_create1(EPOLL_CLOEXEC);
		ev.events = how[i / 2];
		ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, e.fd, &ev));
		EXPECT_EQ(0, told(ep)) TH_LOG("%x", how[i / 2]);
		ASSERT_EQ(0, raw_unlink_flags("gone", IPCX_UNLINK_NOW));
		EXPECT_EQ(GONE, told(ep)) TH_LOG("%x", how[i / 2]);
		EXPECT_EQ(how[i / 2] & (EPOLLET | EPOLLONESHOT) ? 0 : GONE, told(ep))
		TH_LOG("%x", how[i / 2]);
		close(ep);
		end_close(&e);
	}
}

/* A child that sleeps in epoll, exclusively, until it is told that the queue is gone. */
static pid_t exclusive_child(int fd, uint32_t event)
{
	struct epoll_event ev = { .events = event | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	pid_t pid = fork();

	if (!pid)
		_exit(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) || epoll_wait(ep, &ev, 1, 10000) != 1 ||
		      (ev.events & GONE) != GONE);
	close(ep);
	return pid;
}

TEST(all_who_watch_exclusively_are_told)
{
	const uint32_t rights[] = { IPCX_OPEN_RECV, IPCX_OPEN_SEND };
	struct end e = { .o = { .depth = 1, .msg_max = 8 } }, one = {};
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, end_open(&e, "gone", CREATE | SENDRECV));
		ASSERT_EQ(0, end_open(&one, "gone", rights[i]));
		/* neither may go on: empty for the receivers, full for the senders */
		for (int n = 0; n < i; n++)
			ASSERT_EQ(1, raw_send(&e, 8, 'f'));
		for (int j = 0; j < 2; j++)
			pid[j] = exclusive_child(one.fd, i ? EPOLLOUT : EPOLLIN);
		usleep(100000); /* asleep by now; if not, epoll tells them anyway */
		ASSERT_EQ(0, raw_unlink_flags("gone", IPCX_UNLINK_NOW));
		for (int j = 0; j < 2; j++)
			EXPECT_EQ(0, exit_status(pid[j]));
		end_close(&one);
		end_close(&e);
	}
}

TEST_HARNESS_MAIN
