// SPDX-License-Identifier: GPL-2.0-only
/* What every transport promises of messages, see transport_util.h. */
#include <sys/epoll.h>

#include "sleeper.h"
#include "transport_util.h"

TEST_F(transport, sizes)
{
	// clang-format off
	const size_t sizes[] = { 0, 1, 7, 63, 64, 65, 4095, 4096, 4097, 7999, 8000, 65535, 65536,
				 65537, 1 << 20, 4 << 20, 0, 3 };
	// clang-format on
	pid_t pid;

	NEED(0);
	pid = CHILD(IPCX_SEND, {
		for (unsigned int i = 0; !r && i < ARRAY_SIZE(sizes); i++)
			if (sizes[i] <= self->msg_max)
				r = send_pattern(q, sizes[i], i, in_ms(20000));
	});
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] > self->msg_max)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000))) TH_LOG("%u", i);
		ASSERT_EQ(sizes[i], self->m.len);
		ASSERT_EQ(i, self->m.tag);
		ASSERT_EQ(!self->m.len, !self->m.data);
		ASSERT_TRUE(is_pattern(&self->m, i));
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(transport, too_long)
{
	char number[24];

	NEED(0);
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_loan(self->q, self->msg_max + 1, &self->m, 0));
	snprintf(number, sizeof(number), "%zu", self->msg_max);
	EXPECT_NE(NULL, strstr(ipcx_error(), number));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 10, &self->m, 0));
	self->m.len = 11;
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_commit(self->q, &self->m));
	self->m.len = 5;
	memcpy(self->m.data, "short", 5);
	EXPECT_EQ(0, ipcx_queue_commit(self->q, &self->m));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(5, self->m.len);
}

TEST_F(transport, order)
{
	pid_t pid;

	NEED(0);
	pid = CHILD(IPCX_SEND, {
		for (int i = 0; !r && i < 300; i++)
			r = send_pattern(q, i % 90, i, in_ms(20000));
	});
	for (int i = 0; i < 300; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
		ASSERT_EQ(i, self->m.tag);
		EXPECT_EQ(i + 1, self->m.seq);
		EXPECT_EQ(0, self->m.deliveries);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(transport, priorities)
{
	const uint32_t prios[] = { 3, 31, 0, 31, 17, 3 }, want[] = { 1, 3, 4, 0, 5, 2 };

	NEED(IPCX_CAP_PRIORITY);
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_prio(self->q, i, prios[i]));
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		EXPECT_EQ(want[i], self->m.tag);
		EXPECT_EQ(prios[want[i]], self->m.prio);
		/* what is kept after a nack does not stand before what is more urgent */
		if (i == 2) {
			ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
			ASSERT_EQ(0, send_prio(self->q, 9, 20));
			ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
			EXPECT_EQ(9, self->m.tag);
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
			ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
			EXPECT_EQ(want[i], self->m.tag);
		}
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

TEST_F(transport, what_is_carried)
{
	int64_t expires = in_ms(100000);

	NEED(0);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 3, &self->m, 0));
	EXPECT_EQ(0, self->m.tag | self->m.prio | self->m.expires | self->m.flags);
	memcpy(self->m.data, "abc", 3);
	self->m.tag = 0xfedcba9876543210;
	self->m.prio = 31;
	self->m.expires = expires;
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(0xfedcba9876543210, self->m.tag);
	EXPECT_EQ(31, self->m.prio);
	EXPECT_GE(10000000, llabs(self->m.expires - expires));
	EXPECT_EQ(0, self->m.flags);
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 3, &self->m, 0));
	self->m.prio = 32;
	EXPECT_EQ(-EINVAL, ipcx_queue_commit(self->q, &self->m));
	self->m.prio = 0;
	self->m.expires = -1;
	EXPECT_EQ(-EINVAL, ipcx_queue_commit(self->q, &self->m));
	self->m.expires = 0;
	self->m.flags = IPCX_POISON;
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_commit(self->q, &self->m));
	EXPECT_EQ(0, ipcx_queue_cancel(self->q, &self->m));
}

TEST_F(transport, expired)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	NEED(0);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 3, &self->m, 0));
	self->m.expires = in_ms(30);
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &self->m));
	ASSERT_EQ(0, send_pattern(self->q, 5, 1, 0));
	usleep(50000);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(1, self->m.tag);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &s));
	EXPECT_EQ(1, s.expired);
	EXPECT_EQ(2, s.sent);
}

TEST_F(transport, empty)
{
	NEED(0);
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &self->m));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(20)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, 1));
	EXPECT_EQ(-EINVAL, ipcx_queue_take(self->q, &self->m, -1));
	EXPECT_EQ(-EINVAL, ipcx_queue_loan(self->q, 1, &self->m, -1));
}

/* Sends until it is full. Return: how many, or an errno. */
static int fill_up(struct ipcx_queue *q, size_t len)
{
	int r, n = 0;

	/* where buffers follow one another it takes a moment until all are full */
	while (!(r = send_pattern(q, len, n, IPCX_NOWAIT)) ||
	       (r == -EAGAIN && !(r = send_pattern(q, len, n, in_ms(50)))))
		n++;
	return r == -ETIMEDOUT ? n : r;
}

TEST_F(transport, full)
{
	int n, t;

	NEED(0);
	n = fill_up(self->q, 1000);
	if (variant->counted)
		ASSERT_EQ(8, n);
	ASSERT_LT(0, n);
	/* of others the system may move things about, until there is room for one more */
	if (variant->counted) {
		EXPECT_EQ(-EAGAIN, ipcx_queue_loan(self->q, 1000, &self->m, IPCX_NOWAIT));
		EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(self->q, 1000, &self->m, in_ms(30)));
	}
	for (t = 0; t < n; t++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		ASSERT_EQ(t, self->m.tag);
		ASSERT_TRUE(is_pattern(&self->m, t));
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(0, send_pattern(self->q, 1000, 0, IPCX_NOWAIT));
}

static void *sender(void *arg)
{
	struct sleeper *s = arg;

	s->err = send_pattern(s->q, 1000, 1000, in_ms(20000));
	return NULL;
}

TEST_F(transport, sleepers_are_woken)
{
	struct sleeper s[3] = { { self->q }, { self->q }, { self->q } };
	pthread_t t[3];
	uint64_t sum = 0;
	int n;

	NEED(0);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, taker, &s[i]));
	usleep(50000);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_pattern(self->q, 10, 1 << i, in_ms(1000)));
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		ASSERT_EQ(0, s[i].err);
		sum += s[i].m.tag;
		ASSERT_EQ(0, ipcx_queue_release(self->q, &s[i].m));
	}
	EXPECT_EQ(7, sum);
	n = fill_up(self->q, 1000);
	ASSERT_LT(0, n);
	ASSERT_EQ(0, pthread_create(&t[0], NULL, sender, &s[0]));
	usleep(50000);
	for (int i = 0; i <= n; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(10000)));
		ASSERT_EQ(i < n ? i : 1000, self->m.tag);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	pthread_join(t[0], NULL);
	EXPECT_EQ(0, s[0].err);
}

static void on_alarm(int sig)
{
}

TEST_F(transport, signals)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	NEED(0);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 20000);
	EXPECT_EQ(-EINTR, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	ualarm(0, 0);
}

TEST_F(transport, batches)
{
	struct ipcx_msg m[64];
	int n;

	NEED(0);
	n = ipcx_queue_loan_n(self->q, 8, m, variant->counted ? 64 : 8, IPCX_NOWAIT);
	ASSERT_EQ(8, n);
	if (variant->counted)
		EXPECT_EQ(-EAGAIN, ipcx_queue_loan_n(self->q, 8, m + 8, 1, IPCX_NOWAIT));
	for (int i = 0; i < 8; i++)
		m[i].tag = i;
	EXPECT_EQ(5, ipcx_queue_commit_n(self->q, m, 5));
	EXPECT_EQ(3, ipcx_queue_take_n(self->q, m + 8, 3, in_ms(1000)));
	EXPECT_EQ(2, ipcx_queue_take_n(self->q, m + 11, 64 - 11, in_ms(1000)));
	EXPECT_EQ(3, ipcx_queue_commit_n(self->q, m + 5, 3));
	EXPECT_EQ(3, ipcx_queue_take_n(self->q, m + 13, 3, in_ms(1000)));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(i, m[8 + i].tag);
	EXPECT_EQ(8, ipcx_queue_release_n(self->q, m + 8, 8));
	EXPECT_EQ(-EPERM, ipcx_queue_release_n(self->q, m + 8, 8));
	EXPECT_EQ(-EINVAL, ipcx_queue_take_n(self->q, m, 0, IPCX_NOWAIT));
	EXPECT_EQ(-EINVAL, ipcx_queue_take_n(self->q, m, 65, IPCX_NOWAIT));
}

TEST_F(transport, nack_keeps_order)
{
	struct ipcx_msg m[4];

	NEED(0);
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_pattern(self->q, 20, i, 0));
	ASSERT_EQ(4, ipcx_queue_take_n(self->q, m, 4, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[2]));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[0]));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[3]));
	EXPECT_EQ(-EPERM, ipcx_queue_nack(self->q, &m[3]));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &m[1]));
	for (int i = 0; i < 6; i++) {
		if (i == 1)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		EXPECT_EQ(i, self->m.tag);
		EXPECT_EQ(i < 4, self->m.deliveries);
		ASSERT_TRUE(is_pattern(&self->m, i));
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

TEST_F(transport, closed_with_messages)
{
	struct ipcx_queue *other;
	struct ipcx_msg m[3];

	NEED(IPCX_CAP_MANY_RECEIVERS);
	if (!variant->back)
		SKIP(return, "needs a way back for messages");
	ASSERT_EQ(0, ipcx_queue_open(&other, self->uri, IPCX_RECV, NULL));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_pattern(self->q, 20, i, 0));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, ipcx_queue_take(other, &m[i], in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_nack(other, &m[1]));
	ipcx_queue_close(other);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		EXPECT_EQ(self->m.tag < 3, self->m.deliveries);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, 0));
}

TEST_F(transport, double_use)
{
	struct ipcx_msg copy;

	NEED(0);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &self->m, 0));
	copy = self->m;
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_cancel(self->q, &self->m));
	EXPECT_EQ(-EPERM, ipcx_queue_commit(self->q, &copy));
	EXPECT_EQ(-EPERM, ipcx_queue_cancel(self->q, &copy));
	ASSERT_EQ(0, send_pattern(self->q, 8, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	copy = self->m;
	EXPECT_EQ(-EPERM, ipcx_queue_commit(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &copy));
	memset(&copy, 0x5a, sizeof(copy));
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &copy));
	EXPECT_EQ(-EPERM, ipcx_queue_cancel(self->q, &copy));
}

TEST_F(transport, next)
{
	NEED(0);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_pattern(self->q, 8, i, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(1000)));
		EXPECT_EQ(i, self->m.tag);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, send_pattern(self->q, 8, 9, 0));
	EXPECT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(-EINVAL, ipcx_queue_next(self->q, &self->m, -1));
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->m));
}

TEST_F(transport, short_buffer_and_peek)
{
	char buf[16];

	NEED(0);
	ASSERT_EQ(0, ipcx_queue_send(self->q, "hello, world", 12, 0));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "", 0, 0));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, buf, 11, in_ms(1000)));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, ipcx_queue_peek(self->q, &self->m));
		EXPECT_EQ(12, self->m.len);
		EXPECT_EQ(NULL, self->m.data);
		EXPECT_EQ(0, self->m.deliveries);
	}
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(12, ipcx_queue_recv(self->q, buf, 12, 0));
	EXPECT_EQ(0, memcmp(buf, "hello, world", 12));
	EXPECT_EQ(0, ipcx_queue_recv(self->q, buf, sizeof(buf), in_ms(1000)));
	EXPECT_EQ(-EAGAIN, ipcx_queue_recv(self->q, buf, sizeof(buf), 0));
}

TEST_F(transport, poll_is_level_triggered)
{
	struct pollfd p = { .events = POLLIN };
	pid_t pid;

	NEED(IPCX_CAP_POLL);
	p.fd = ipcx_queue_fd(self->q);
	EXPECT_EQ(0, poll(&p, 1, 0));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, send_pattern(self->q, 100, i, 0));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(1, poll(&p, 1, 1000));
		EXPECT_TRUE(p.revents & POLLIN);
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		/* what is put back is seen too */
		ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
		EXPECT_EQ(1, poll(&p, 1, 1000));
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		ASSERT_EQ(i, self->m.tag);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	EXPECT_EQ(0, poll(&p, 1, 0));
	pid = CHILD(IPCX_SEND, {
		usleep(30000);
		r = send_pattern(q, 100, 5, in_ms(10000));
	});
	do { /* readable for a moment when somebody connects */
		EXPECT_EQ(1, poll(&p, 1, 20000));
	} while (ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT) == -EAGAIN);
	EXPECT_EQ(5, self->m.tag);
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(transport, epoll_edge_triggered)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), got = 0;
	pid_t pid;

	NEED(IPCX_CAP_POLL);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_queue_fd(self->q), &ev));
	pid = CHILD(IPCX_SEND, {
		for (int i = 0; !r && i < 200; i++)
			r = send_pattern(q, 100, i, in_ms(20000));
	});
	while (got < 200) {
		ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 20000)) TH_LOG("after %d", got);
		while (!ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT)) {
			ASSERT_EQ(got++, self->m.tag);
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		}
	}
	EXPECT_EQ(0, exit_status(pid));
	close(ep);
}

TEST_F(transport, rights)
{
	struct ipcx_queue *q;
	pid_t pid;

	NEED(0);
	pid = CHILD(IPCX_SEND, {
		struct ipcx_msg m;

		r = ipcx_queue_take(q, &m, 0) != -EPERM || ipcx_queue_peek(q, &m) != -EPERM;
	});
	EXPECT_EQ(0, exit_status(pid));
	if (!(ipcx_queue_caps(self->q) & IPCX_CAP_MANY_RECEIVERS))
		return;
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_RECV, NULL));
	EXPECT_EQ(-EPERM, ipcx_queue_loan(q, 1, &self->m, 0));
	EXPECT_EQ(-EPERM, ipcx_queue_answer(q, &self->m, 0));
	ipcx_queue_close(q);
}

TEST_F(transport, forked_child_has_no_copy)
{
	pid_t pid;

	NEED(0);
	ASSERT_EQ(0, send_pattern(self->q, 10, 1, 0));
	pid = fork();
	if (!pid) {
		int r = ipcx_queue_take(self->q, &self->m, 0);

		ipcx_queue_close(self->q);
		_exit(r == -EBADF ? 0 : 1);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(1, self->m.tag);
}

TEST_F(transport, identity)
{
	pid_t pid;

	NEED(IPCX_CAP_IDENTITY);
	pid = CHILD(IPCX_SEND, {
		r = send_pattern(q, 10, 1, in_ms(10000));
		pause();
	});
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	EXPECT_EQ(pid, self->m.pid);
	EXPECT_EQ(getuid(), self->m.uid);
	EXPECT_EQ(getgid(), self->m.gid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Who answers is known, or not, as who sends is */
TEST_F(transport, who_answers)
{
	struct ipcx_msg m, reply = { 0 };
	struct ipcx_queue *q;
	bool known;

	NEED(IPCX_CAP_CALL);
	known = ipcx_queue_caps(self->q) & IPCX_CAP_IDENTITY;
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(q, 1, &m, in_ms(10000)));
	m.flags = IPCX_REQUEST;
	ASSERT_EQ(0, ipcx_queue_commit(q, &m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(10000)));
	ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &reply));
	ASSERT_EQ(0, ipcx_queue_answer(q, &m, in_ms(10000)));
	EXPECT_EQ(known ? getpid() : -1, m.pid);
	EXPECT_EQ(known ? getuid() : (uid_t)-1, m.uid);
	EXPECT_EQ(known ? getgid() : (gid_t)-1, m.gid);
	ipcx_queue_close(q);
}

TEST_F(transport, nobody_is_believed)
{
	NEED(0);
	if (ipcx_queue_caps(self->q) & IPCX_CAP_IDENTITY)
		SKIP(return, "needs a transport without IDENTITY");
	ASSERT_EQ(0, send_pattern(self->q, 10, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(-1, self->m.pid);
	EXPECT_EQ((uid_t)-1, self->m.uid);
}

TEST_HARNESS_MAIN
