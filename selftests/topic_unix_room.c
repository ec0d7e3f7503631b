// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics over UNIX sockets: what counts against depth and bytes_max, who waits and polls for room,
 * and what is on loan at the end.
 */
#include <poll.h>
#include <pthread.h>

#include "topic_unix_util.h"

#define FAR 100000 /* bytes, too long for a packet */
#define HANDED_MAX 8 /* so many of these are on their way to one that is lossy */

FIXTURE(room)
{
	char dir[64], ours[80];
};

FIXTURE_SETUP(room)
{
	ASSERT_TRUE(dir_make(self->dir, self->ours));
}

FIXTURE_TEARDOWN(room)
{
	EXPECT_EQ(0, dir_remove(self->dir, self->ours));
}

/* What was committed comes, though what was loaned before it never does. */
TEST_F(room, closed_with_a_loan)
{
	struct ipcx_topic *pub, *sub;
	struct ipcx_msg a, b;

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, ipcx_topic_loan(pub, 8, &a, 0));
	ASSERT_EQ(0, ipcx_topic_loan(pub, 8, &b, 0));
	*(uint64_t *)b.data = 2;
	ASSERT_EQ(0, ipcx_topic_commit(pub, &b));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ipcx_topic_close(pub);
	EXPECT_EQ(2, recv_nr(sub, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ipcx_topic_close(sub);
}

/* What is loaned, and what a reliable one has not released, has no more bytes than bytes_max. */
TEST_F(room, bytes)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = FAR, .bytes_max = 49 * 4096);
	unsigned int create = IPCX_CREATE | IPCX_EPHEMERAL;
	struct ipcx_topic *pub, *sub;
	static char buf[FAR];
	struct ipcx_msg m[2];

	ASSERT_EQ(0, ipcx_topic_open(&pub, URI, create | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, IPCX_SUBSCRIBE, NULL));
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 2; j++)
			ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
		EXPECT_EQ(-EAGAIN, ipcx_topic_send(pub, buf, FAR, 0));
		EXPECT_EQ(0, send_nr(pub, i, 0)); /* a shorter one goes */
		ASSERT_EQ(0, ipcx_topic_take(sub, &m[0], 0));
		EXPECT_EQ(-EAGAIN, ipcx_topic_send(pub, buf, FAR, 0));
		ASSERT_EQ(0, ipcx_topic_release(sub, &m[0]));
		ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
		EXPECT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
		EXPECT_EQ(i, recv_nr(sub, 0));
		EXPECT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
	}
	/* for what is on loan nobody else can make room, unless it is committed shorter */
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, ipcx_topic_loan(pub, FAR, &m[i], 0));
	EXPECT_EQ(-ENOBUFS, ipcx_topic_send(pub, buf, FAR, 0));
	ASSERT_EQ(0, ipcx_topic_cancel(pub, &m[0]));
	m[1].len = 50000;
	ASSERT_EQ(0, ipcx_topic_commit(pub, &m[1]));
	ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	ASSERT_EQ(0, ipcx_topic_send(pub, buf, 50000, 0));
	EXPECT_EQ(-EAGAIN, ipcx_topic_send(pub, buf, 50000, 0));
	/* a lossy one is not waited for, nor one that is gone */
	ipcx_topic_close(sub);
	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, SUBSCRIBE_LOSSY, NULL));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	EXPECT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

/* One that has stopped keeps few long messages, of which users can have few. */
static int stopped_lossy(const char *dir)
{
	IPCX_TOPIC_OPTS(opts, .depth = 64);
	struct rlimit limit = { 40, 40 };
	struct ipcx_topic *pub, *sub, *lossy;
	static char buf[FAR];
	int n = 0;

	if (chown(dir, 4321, 4321) || setgid(4321) || setuid(4321) ||
	    setrlimit(RLIMIT_NOFILE, &limit))
		return 1;
	if (ipcx_topic_open(&pub, URI, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH, &opts) ||
	    open_topic(&lossy, SUBSCRIBE_LOSSY) || open_topic(&sub, IPCX_SUBSCRIBE))
		return 2;
	for (int i = 0; i < 100; i++)
		if (ipcx_topic_send(pub, buf, FAR, 0) || ipcx_topic_recv(sub, buf, FAR, 0) != FAR)
			return 3;
	while (ipcx_topic_recv(lossy, buf, FAR, 0) == FAR)
		n++;
	if (n != HANDED_MAX || ipcx_topic_send(pub, buf, FAR, 0) ||
	    ipcx_topic_recv(lossy, buf, FAR, 0) != FAR)
		return 4;
	if (ipcx_topic_missed(lossy) != 100 - HANDED_MAX)
		return 5;
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	ipcx_topic_close(lossy);
	return 0;
}

TEST_F(room, stopped_lossy)
{
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, chmod(self->dir, 0755));
	pid = fork();
	if (!pid)
		_exit(stopped_lossy(self->ours));
	EXPECT_EQ(0, exit_status(pid));
}

/* Who polls one that does both is told of room once each time, not for ever. */
TEST_F(room, polls_both)
{
	struct ipcx_topic *t, *sub;
	struct pollfd p = { .events = POLLIN };

	ASSERT_EQ(0, open_topic(&t, IPCX_PUBLISH | IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	p.fd = ipcx_topic_fd(t);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(t, i, 0));
	ASSERT_EQ(-EAGAIN, send_nr(t, 0, 0));
	for (int i = 0; i < DEPTH; i++)
		EXPECT_EQ(i, recv_nr(t, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	EXPECT_EQ(0, poll(&p, 1, 20));
	EXPECT_EQ(0, recv_nr(sub, 0));
	EXPECT_EQ(1, poll(&p, 1, 1000));
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	EXPECT_EQ(0, poll(&p, 1, 20));
	EXPECT_EQ(0, send_nr(t, 0, 0));
	ipcx_topic_close(t);
	ipcx_topic_close(sub);
}

#define EACH 3000

static void *send_many(void *t)
{
	for (int i = 0; i < EACH; i++)
		if (send_nr(t, i, in_ms(20000)))
			return t;
	return NULL;
}

/* Threads that wait for room of one handle are all told of it. */
TEST_F_TIMEOUT(room, threads, 120)
{
	struct ipcx_topic *pub, *sub;
	int64_t before = now_ns();
	pthread_t thread[3];
	void *failed;

	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, send_many, pub));
	for (int i = 0; i < 3 * EACH; i++)
		ASSERT_LE(0, recv_nr(sub, in_ms(30000)));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &failed));
		EXPECT_EQ(NULL, failed);
	}
	EXPECT_GT(15000000000, now_ns() - before);
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

TEST_HARNESS_MAIN
