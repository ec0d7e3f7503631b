// SPDX-License-Identifier: GPL-2.0-only
/* Over POSIX mq: a look without a take, answers that are late or cannot come, a fork. */
#include <ipcx.h>
#include <mqueue.h>
#include <pthread.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define BOTH (IPCX_SEND | IPCX_RECV)

static struct ipcx_queue *open_mq(unsigned int flags, const struct ipcx_queue_opts *opts)
{
	struct ipcx_queue *q;
	char uri[64];

	snprintf(uri, sizeof(uri), "mq:peer-%d", getpid());
	return ipcx_queue_open(&q, uri, flags, opts) ? NULL : q;
}

/* Who looks does not take what others could have. */
TEST(mq_peek)
{
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, NULL);
	struct ipcx_queue *other = open_mq(IPCX_RECV, NULL);
	struct ipcx_msg m;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, 0));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, ipcx_queue_peek(q, &m));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, ipcx_queue_take(other, &m, 0));
	ipcx_queue_close(other);
	ipcx_queue_close(q);
}

/* And who has seen one gets that of a higher priority first. */
TEST(mq_peek_and_priority)
{
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, NULL);
	char text[8];

	for (int i = 0; i < 2; i++) {
		struct ipcx_msg m;

		ASSERT_EQ(0, ipcx_queue_send(q, "low", 3, 0));
		if (i) {
			ASSERT_EQ(0, ipcx_queue_peek(q, &m));
		} else {
			ASSERT_EQ(-EMSGSIZE, ipcx_queue_recv(q, text, 1, 0));
		}
		ASSERT_EQ(0, ipcx_queue_loan(q, 1, &m, 0));
		m.prio = 30;
		ASSERT_EQ(0, ipcx_queue_commit(q, &m));
		ASSERT_EQ(1, ipcx_queue_recv(q, text, sizeof(text), 0));
		ASSERT_EQ(3, ipcx_queue_recv(q, text, sizeof(text), 0));
	}
	ipcx_queue_close(q);
}

static void *peek_and_reply(void *q)
{
	struct pollfd p = { .fd = ipcx_queue_fd(q), .events = POLLIN };
	struct ipcx_msg m, answer = { .data = "x", .len = 1 };

	poll(&p, 1, 5000);
	if (ipcx_queue_peek(q, &m))
		return q;
	usleep(1300000);
	return ipcx_queue_take(q, &m, 0) || ipcx_queue_reply(q, &m, &answer) ? q : NULL;
}

/* But what he saw he has, as far as its caller is concerned. */
TEST(mq_peek_at_request)
{
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, NULL);
	struct ipcx_queue *s = open_mq(IPCX_SEND, NULL);
	struct ipcx_msg m, reply = { 0 };
	pthread_t t;
	void *failed;

	ASSERT_EQ(0, pthread_create(&t, NULL, peek_and_reply, q));
	ASSERT_EQ(0, ipcx_queue_loan(s, 1, &m, 0));
	EXPECT_EQ(0, ipcx_queue_call(s, &m, &reply, in_ms(5000))) TH_LOG("%s", ipcx_error());
	pthread_join(t, &failed);
	EXPECT_EQ(NULL, failed);
	ipcx_queue_close(s);
	ipcx_queue_close(q);
}

/* Answers to calls that were given up do not fill the mailbox. */
TEST(mq_late_answers)
{
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, NULL);
	struct ipcx_queue *s = open_mq(IPCX_SEND, NULL);
	struct ipcx_msg m, answer = { .data = "x", .len = 1 }, reply = { 0 };

	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(s, 1, &m, 0));
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_call(s, &m, &reply, in_ms(1)));
	}
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
		ASSERT_EQ(0, ipcx_queue_reply(q, &m, &answer));
		answer = (struct ipcx_msg){ .data = "x", .len = 1 };
	}
	ASSERT_EQ(0, ipcx_queue_loan(s, 1, &m, 0));
	m.flags = IPCX_REQUEST;
	ASSERT_EQ(0, ipcx_queue_commit(s, &m));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
	ASSERT_EQ(0, ipcx_queue_reply(q, &m, &answer));
	EXPECT_EQ(0, ipcx_queue_answer(s, &m, 0));
	EXPECT_EQ(1, m.len);
	ipcx_queue_close(s);
	ipcx_queue_close(q);
}

/* Where the answer could not come nothing is asked. */
TEST(mq_no_way_back)
{
	IPCX_QUEUE_OPTS(opts, .mode = 0622);
	struct ipcx_queue *q, *s;
	struct ipcx_msg m, reply = { 0 };
	char path[64];
	mqd_t raw;

	if (geteuid())
		SKIP(return, "needs root");
	q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, &opts);
	snprintf(path, sizeof(path), "/peer-%d", getpid());
	raw = mq_open(path, O_RDWR);
	ASSERT_EQ(0, fchown(raw, 4321, 4321));
	s = open_mq(IPCX_SEND, NULL);
	ASSERT_EQ(0, ipcx_queue_loan(s, 1, &m, 0));
	EXPECT_EQ(-EACCES, ipcx_queue_call(s, &m, &reply, in_ms(100)));
	EXPECT_NE(NULL, strstr(ipcx_error(), "answers")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, ipcx_queue_commit(s, &m));
	ipcx_queue_close(s);
	ipcx_queue_close(q);
	mq_close(raw);
}

struct beside {
	struct ipcx_queue *q;
	struct ipcx_msg *request;
	bool end;
};

static void *loan_and_cancel(void *arg)
{
	struct beside *b = arg;
	struct ipcx_msg m;

	while (!__atomic_load_n(&b->end, __ATOMIC_RELAXED))
		if (ipcx_queue_loan_reply(b->q, b->request, 1, &m) || ipcx_queue_cancel(b->q, &m))
			return b;
	return NULL;
}

/* A child forked while another thread uses the handle does not wait for that thread. */
TEST(mq_fork_beside_a_thread)
{
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, NULL);
	struct ipcx_msg m, loan, request;
	struct beside b = { q, &request };
	pthread_t thread;
	int status = 0;
	void *bad;

	ASSERT_EQ(0, ipcx_queue_loan(q, 1, &m, 0));
	m.flags = IPCX_REQUEST;
	ASSERT_EQ(0, ipcx_queue_commit(q, &m));
	ASSERT_EQ(0, ipcx_queue_take(q, &request, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_loan(q, 1, &loan, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, loan_and_cancel, &b));
	for (int i = 0; i < 200 && !status; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(5);
			if (ipcx_queue_cancel(q, &loan) != -EBADF ||
			    ipcx_queue_loan_reply(q, &request, 1, &m) != -EBADF)
				_exit(1);
			ipcx_queue_close(q);
			_exit(0);
		}
		status = exit_status(pid);
	}
	EXPECT_EQ(0, status);
	__atomic_store_n(&b.end, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, &bad));
	EXPECT_EQ(NULL, bad);
	EXPECT_EQ(0, ipcx_queue_cancel(q, &loan));
	ipcx_queue_close(q);
}

/*
 * Where all that is sent is received at once it is believed that this goes on. When it does not, a
 * loan or a commit says so, and what was sent is what there is.
 */
TEST(mq_flow_ends)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .msg_max = 8);
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, &opts);
	struct ipcx_msg m[8];
	char buf[8];

	ASSERT_NE(NULL, q);
	for (int round = 0; round < 100; round++) {
		int sent = 0;

		for (int i = 0; i < 40; i++) {
			ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, IPCX_NOWAIT));
			ASSERT_EQ(1, ipcx_queue_recv(q, buf, sizeof(buf), IPCX_NOWAIT));
		}
		while (!ipcx_queue_send(q, "x", 1, round % 2 ? IPCX_NOWAIT : in_ms(1)))
			ASSERT_GE(4, ++sent);
		EXPECT_EQ(round % 2 ? EAGAIN : ETIMEDOUT, errno);
		EXPECT_EQ(4, sent);
		EXPECT_EQ(-EAGAIN, ipcx_queue_loan(q, 1, m, IPCX_NOWAIT));
		while (ipcx_queue_recv(q, buf, sizeof(buf), IPCX_NOWAIT) == 1)
			sent--;
		EXPECT_EQ(0, sent);
		EXPECT_EQ(4, ipcx_queue_loan_n(q, 1, m, 8, IPCX_NOWAIT));
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(0, ipcx_queue_cancel(q, &m[i]));
	}
	ipcx_queue_close(q);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Who waits for room does not wait on when a signal comes, be it the loan or the commit. */
TEST(mq_signal)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .msg_max = 8);
	struct ipcx_queue *q = open_mq(IPCX_CREATE | BOTH | IPCX_EPHEMERAL, &opts);
	struct ipcx_queue *other = open_mq(IPCX_SEND, NULL);
	struct ipcx_queue_stats s = { .sz = sizeof(s) };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct ipcx_msg m;
	char buf[8];

	ASSERT_EQ(0, sigaction(SIGALRM, &sa, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(other, 1, &m, IPCX_FOREVER));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, IPCX_NOWAIT));
	ualarm(10000, 10000);
	EXPECT_EQ(-EINTR, ipcx_queue_commit(other, &m));
	ASSERT_EQ(1, ipcx_queue_recv(q, buf, sizeof(buf), IPCX_NOWAIT));
	EXPECT_EQ(0, ipcx_queue_commit(other, &m));
	for (int round = 0; round < 20; round++) {
		int sent = 0;

		while (ipcx_queue_recv(q, buf, sizeof(buf), IPCX_NOWAIT) == 1)
			;
		for (int i = 0; i < 40; i++) {
			ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, IPCX_NOWAIT));
			ASSERT_EQ(1, ipcx_queue_recv(q, buf, sizeof(buf), IPCX_NOWAIT));
		}
		while (!ipcx_queue_send(q, "x", 1, IPCX_FOREVER))
			ASSERT_GE(4, ++sent);
		EXPECT_EQ(EINTR, errno);
		EXPECT_EQ(4, sent);
	}
	ualarm(0, 0);
	ASSERT_EQ(0, ipcx_queue_stat(q, &s));
	EXPECT_EQ(0, s.loaned);
	ipcx_queue_close(other);
	ipcx_queue_close(q);
}

TEST_HARNESS_MAIN
