// SPDX-License-Identifier: GPL-2.0-only
/* Each function of mq_overview(7) but mq_notify(), see mq_shim_util.h. */
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

#include "mq_shim_util.h"

/* The rest proves nothing if it is not what it should be. */
TEST_F(mq, over_what)
{
	char path[64], to[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->q);
	ASSERT_LT(0, readlink(path, to, sizeof(to) - 1));
	if (is_over("system")) {
		EXPECT_STREQ(name, to);
	} else if (is_over("kernel")) {
		EXPECT_NE(NULL, strstr(to, "ipcx"));
	} else {
		EXPECT_STRNE(name, to);
	}
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->q, F_GETFD));
}

TEST_F(mq, names)
{
	char path[300] = "/";

	FAILS(EINVAL, mq_open(name + 1, O_RDWR));
	FAILS(ENOENT, mq_open("/", O_RDWR));
	FAILS(EACCES, mq_open("/ipcx/mq", O_RDWR));
	FAILS(EINVAL, mq_open(name, O_ACCMODE));
	FAILS(ENOENT, mq_open("/ipcx-there-is-none", O_RDWR));
	FAILS(ENOENT, mq_unlink("/ipcx-there-is-none"));
	FAILS(EEXIST, open_queue(O_CREAT | O_EXCL | O_RDWR));
	memset(path + 1, 'x', 256);
	FAILS(ENAMETOOLONG, mq_open(path, O_RDWR));
	FAILS(ENAMETOOLONG, mq_unlink(path));
}

TEST_F(mq, attributes)
{
	struct mq_attr attr = { .mq_maxmsg = 0, .mq_msgsize = 1 };
	mqd_t q;

	ASSERT_EQ(0, mq_getattr(self->q, &attr));
	EXPECT_EQ(0, attr.mq_flags);
	EXPECT_EQ(DEPTH, attr.mq_maxmsg);
	EXPECT_EQ(SIZE, attr.mq_msgsize);
	EXPECT_EQ(0, attr.mq_curmsgs);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_EQ(1, queued(self->q));
	if (is_over("shm")) /* one receiver */
		return;
	/* of one that is there they do not count */
	attr.mq_maxmsg = -1;
	q = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
	ASSERT_LE(0, q);
	ASSERT_EQ(0, mq_getattr(q, &attr));
	EXPECT_EQ(DEPTH, attr.mq_maxmsg);
	mq_close(q);
	mq_unlink(name);
	attr.mq_maxmsg = 0;
	FAILS(EINVAL, mq_open(name, O_CREAT | O_RDWR, 0600, &attr));
	attr.mq_maxmsg = 1;
	attr.mq_msgsize = -1;
	FAILS(EINVAL, mq_open(name, O_CREAT | O_RDWR, 0600, &attr));
	FAILS(ENOENT, mq_open(name, O_RDWR));
	q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
	ASSERT_LE(0, q);
	ASSERT_EQ(0, mq_getattr(q, &attr));
	EXPECT_EQ(10, attr.mq_maxmsg);
	if (whole()) {
		EXPECT_EQ(8192, attr.mq_msgsize);
	}
	mq_close(q);
}

TEST_F(mq, lengths)
{
	char big[SIZE + 1] = "";

	for (size_t len = 0; len <= SIZE; len += len ? SIZE - 1 : 1) {
		memset(big, 'a' + len % 7, len);
		ASSERT_EQ(0, mq_send(self->q, big, len, 0));
		ASSERT_EQ(len, mq_receive(self->q, self->buf, SIZE, NULL));
		EXPECT_EQ(0, memcmp(big, self->buf, len));
	}
	FAILS(EMSGSIZE, mq_send(self->q, big, SIZE + 1, 0));
	FAILS(EMSGSIZE, mq_send(self->q, big, SIZE_MAX, 0));
	FAILS(EMSGSIZE, mq_receive(self->q, self->buf, SIZE - 1, NULL));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	FAILS(EMSGSIZE, mq_receive(self->q, self->buf, 1, NULL));
	EXPECT_EQ(1, queued(self->q));
}

TEST_F(mq, priorities)
{
	static const unsigned int prio[] = { 1, 31, 0, 1 }, order[] = { 1, 0, 3, 2 };
	unsigned int got;
	char c;

	if (is_over("shm"))
		SKIP(return, "needs priorities");
	for (int i = 0; i < DEPTH; i++) {
		c = '0' + i;
		ASSERT_EQ(0, mq_send(self->q, &c, 1, prio[i]));
	}
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(1, mq_receive(self->q, self->buf, SIZE, &got));
		EXPECT_EQ('0' + order[i], self->buf[0]);
		EXPECT_EQ(prio[order[i]], got);
	}
	FAILS(EINVAL, mq_send(self->q, "x", 1, 32768));
	if (!is_over("system"))
		FAILS(EINVAL, mq_send(self->q, "x", 1, 32));
	setenv("IPCX_MQ_PRIO_CLAMP", "1", 1);
	FAILS(EINVAL, mq_send(self->q, "x", 1, 32768));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 32));
	ASSERT_EQ(0, mq_send(self->q, "y", 1, 32767));
	ASSERT_EQ(1, mq_receive(self->q, self->buf, SIZE, &got));
	EXPECT_EQ(self->buf[0] == 'x' ? 32 : 32767, got);
	EXPECT_EQ(is_over("system") ? 'y' : 'x', self->buf[0]);
}

TEST_F(mq, directions)
{
	struct mq_attr attr;
	mqd_t s, r;

	if (is_over("shm"))
		SKIP(return, "needs several receivers");
	s = open_queue(O_WRONLY);
	r = open_queue(O_RDONLY);
	ASSERT_LE(0, s);
	ASSERT_LE(0, r);
	FAILS(EBADF, mq_send(r, "x", 1, 0));
	FAILS(EBADF, mq_receive(s, self->buf, SIZE, NULL));
	EXPECT_EQ(0, mq_send(s, "x", 1, 0));
	EXPECT_EQ(1, mq_receive(r, self->buf, SIZE, NULL));
	FAILS(EBADF, mq_send(-1, "x", 1, 0));
	FAILS(EBADF, mq_send(1, "x", 1, 0));
	FAILS(EBADF, mq_receive(1 << 20, self->buf, SIZE, NULL));
	FAILS(EBADF, mq_getattr(1, &attr));
	FAILS(EBADF, mq_notify(1, NULL));
	EXPECT_EQ(0, mq_close(s));
	FAILS(EBADF, mq_close(s));
	FAILS(EBADF, mq_send(s, "x", 1, 0));
	EXPECT_EQ(0, mq_close(r));
}

TEST_F(mq, nonblocking)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK }, old, *volatile same = &attr;

	ASSERT_EQ(0, mq_setattr(self->q, &attr, &old));
	EXPECT_EQ(0, old.mq_flags);
	EXPECT_EQ(DEPTH, old.mq_maxmsg);
	ASSERT_EQ(0, mq_getattr(self->q, &old));
	EXPECT_EQ(O_NONBLOCK, old.mq_flags);
	FAILS(EAGAIN, mq_receive(self->q, self->buf, SIZE, NULL));
	FAILS(EAGAIN, mq_timedreceive(self->q, self->buf, SIZE, NULL, in_ms(10000)));
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, mq_send(self->q, "x", 1, i));
	}
	FAILS(EAGAIN, mq_send(self->q, "x", 1, 0));
	FAILS(EAGAIN, mq_send(self->q, "x", 1, 1));
	attr.mq_flags = O_NONBLOCK | O_APPEND;
	FAILS(EINVAL, mq_setattr(self->q, &attr, NULL));
	attr.mq_flags = 0;
	ASSERT_EQ(0, mq_setattr(self->q, &attr, same)); /* in and out */
	EXPECT_EQ(O_NONBLOCK, attr.mq_flags);
	FAILS(ETIMEDOUT, mq_timedsend(self->q, "x", 1, 0, in_ms(10)));
	if (is_over("shm"))
		return;
	mq_close(self->q);
	self->q = open_queue(O_RDWR | O_NONBLOCK);
	ASSERT_EQ(DEPTH, drain(self->q, self->buf));
	FAILS(EAGAIN, mq_receive(self->q, self->buf, SIZE, NULL));
	if (!whole())
		return;
	ASSERT_EQ(0, fcntl(self->q, F_SETFL, 0));
	FAILS(ETIMEDOUT, mq_timedreceive(self->q, self->buf, SIZE, NULL, in_ms(10)));
}

TEST_F(mq, times)
{
	struct timespec bad[] = { { 0, 1000 * MS }, { 0, -1 }, { -1, 0 } };
	const struct timespec *volatile never = NULL;
	unsigned int prio;
	int64_t before;

	for (int with = 0; with < 2; with++) {
		before = now(CLOCK_MONOTONIC);
		FAILS(ETIMEDOUT,
		      mq_timedreceive(self->q, self->buf, SIZE, with ? &prio : NULL, in_ms(100)));
		EXPECT_LE(99 * MS, now(CLOCK_MONOTONIC) - before);
		FAILS(ETIMEDOUT,
		      mq_timedreceive(self->q, self->buf, SIZE, with ? &prio : NULL, in_ms(-1000)));
		FAILS(ETIMEDOUT, mq_timedreceive(self->q, self->buf, SIZE, with ? &prio : NULL,
						 &(struct timespec){ 0 }));
	}
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, mq_timedsend(self->q, "x", 1, i & 1, in_ms(-1000)));
	}
	before = now(CLOCK_MONOTONIC);
	FAILS(ETIMEDOUT, mq_timedsend(self->q, "x", 1, 0, in_ms(100)));
	FAILS(ETIMEDOUT, mq_timedsend(self->q, "x", 1, 1, in_ms(100)));
	EXPECT_LE(198 * MS, now(CLOCK_MONOTONIC) - before);
	EXPECT_EQ(1, mq_timedreceive(self->q, self->buf, SIZE, NULL, in_ms(-1000)));
	for (int i = 0; i < 3; i++) {
		FAILS(EINVAL, mq_timedreceive(self->q, self->buf, SIZE, NULL, &bad[i]));
		FAILS(EINVAL, mq_timedsend(self->q, "x", 1, 0, &bad[i]));
	}
	/* further away than a clock counts */
	bad[0] = (struct timespec){ .tv_sec = INT64_MAX };
	EXPECT_EQ(1, mq_timedreceive(self->q, self->buf, SIZE, NULL, &bad[0]));
	EXPECT_EQ(0, mq_timedsend(self->q, "x", 1, 0, never));
	EXPECT_EQ(1, mq_timedreceive(self->q, self->buf, SIZE, NULL, never));
}

static void *send_later(void *arg)
{
	usleep(50000);
	return (void *)(intptr_t)mq_send(((fix *)arg)->q, "later", 5, 1);
}

static void *receive_later(void *arg)
{
	char buf[SIZE];

	usleep(50000);
	return (void *)(intptr_t)mq_receive(((fix *)arg)->q, buf, SIZE, NULL);
}

TEST_F(mq, waiting)
{
	unsigned int prio;
	pthread_t t;
	void *r;

	for (int with = 0; with < 2; with++) {
		ASSERT_EQ(0, pthread_create(&t, NULL, send_later, self));
		EXPECT_EQ(5, mq_receive(self->q, self->buf, SIZE, with ? &prio : NULL));
		pthread_join(t, NULL);
		ASSERT_EQ(0, pthread_create(&t, NULL, send_later, self));
		EXPECT_EQ(5, mq_timedreceive(self->q, self->buf, SIZE, with ? &prio : NULL,
					     in_ms(20000)));
		pthread_join(t, NULL);
	}
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	}
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_create(&t, NULL, receive_later, self));
		EXPECT_EQ(0, i & 2 ? mq_timedsend(self->q, "x", 1, i & 1, in_ms(20000)) :
				     mq_send(self->q, "x", 1, i & 1));
		pthread_join(t, &r);
		EXPECT_EQ((void *)1, r);
	}
}

static void *receive(void *arg)
{
	char buf[SIZE];

	return (void *)(intptr_t)mq_receive(((fix *)arg)->q, buf, SIZE, NULL);
}

static void *receive_canceled(void *arg)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(state, NULL);
	return receive(arg);
}

static void *receive_for_ever(void *arg)
{
	for (;;)
		receive(arg);
	return NULL;
}

/* A thread that is cancelled, at any moment of a call, leaves a queue that works. */
TEST_F(mq, canceled)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	pthread_t t;
	void *r;

	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	ASSERT_EQ(0, pthread_create(&t, NULL, receive_canceled, self));
	pthread_join(t, &r);
	EXPECT_EQ(PTHREAD_CANCELED, r);
	EXPECT_EQ(1, drain(self->q, self->buf));
	ASSERT_EQ(0, mq_setattr(self->q, &attr, NULL));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, pthread_create(&t, NULL, receive_for_ever, self));
		usleep(100 + i);
		pthread_cancel(t);
		pthread_join(t, NULL);
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
		ASSERT_EQ(1, mq_receive(self->q, self->buf, SIZE, NULL));
	}
}

static void nothing(int signo)
{
}

static void *interrupt(void *arg)
{
	usleep(100000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

TEST_F(mq, interrupted)
{
	struct sigaction act = { .sa_handler = nothing };
	pthread_t t, main_thread = pthread_self();
	unsigned int prio;

	sigaction(SIGUSR1, &act, NULL);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_create(&t, NULL, interrupt, &main_thread));
		switch (i) {
		case 0:
			FAILS(EINTR, mq_receive(self->q, self->buf, SIZE, NULL));
			break;
		case 1:
			FAILS(EINTR, mq_receive(self->q, self->buf, SIZE, &prio));
			break;
		case 2:
			FAILS(EINTR,
			      mq_timedreceive(self->q, self->buf, SIZE, &prio, in_ms(20000)));
			break;
		}
		pthread_join(t, NULL);
	}
	if (!whole())
		return;
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	ASSERT_EQ(0, pthread_create(&t, NULL, interrupt, &main_thread));
	FAILS(ETIMEDOUT, mq_timedreceive(self->q, self->buf, SIZE, &prio, in_ms(300)));
	pthread_join(t, NULL);
}

/* Whoever sends, and with which priority, there is room for maxmsg, and all of it. */
TEST_F(mq, room)
{
	mqd_t q[3] = { self->q };

	for (int i = 1; i < 3; i++) {
		q[i] = open_queue(O_WRONLY | O_NONBLOCK);
		ASSERT_LE(0, q[i]);
	}
	if (is_over("shm"))
		SKIP(return, "needs one room for all senders");
	for (int round = 0; round < 6; round++) {
		size_t len = round == 5 ? SIZE : 1;

		for (int i = 0; i < DEPTH; i++) {
			mqd_t to = round & 1 ? q[i ? 2 : 1] : q[1 + (i & 1)];

			ASSERT_EQ(0, mq_send(to, self->buf, len, round + i));
		}
		FAILS(EAGAIN, mq_send(q[1], "x", 1, round));
		FAILS(EAGAIN, mq_send(q[2], "x", 1, 0));
		ASSERT_EQ(DEPTH, queued(self->q));
		ASSERT_EQ(DEPTH, drain(self->q, self->buf));
	}
}

TEST_F(mq, polled)
{
	struct pollfd p = { .fd = self->q, .events = POLLIN | POLLOUT };

	if (!whole())
		p.events = POLLIN;
	EXPECT_EQ(whole(), poll(&p, 1, 0));
	EXPECT_EQ(whole() ? POLLOUT : 0, p.revents);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_EQ(1, poll(&p, 1, 1000));
	EXPECT_EQ(p.events, p.revents);
	for (int i = 1; i < DEPTH; i++) {
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	}
	EXPECT_EQ(1, poll(&p, 1, 1000));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(DEPTH, drain(self->q, self->buf));
}

TEST_F(mq, unlinked)
{
	mqd_t q;

	ASSERT_EQ(0, mq_send(self->q, "old", 3, 0));
	ASSERT_EQ(0, mq_unlink(name));
	FAILS(ENOENT, mq_unlink(name));
	FAILS(ENOENT, mq_open(name, O_RDWR));
	q = open_queue(O_CREAT | O_EXCL | O_RDWR);
	ASSERT_LE(0, q);
	EXPECT_EQ(0, queued(q));
	EXPECT_EQ(1, queued(self->q));
	EXPECT_EQ(3, mq_receive(self->q, self->buf, SIZE, NULL));
	mq_close(q);
}

/* Return: errno of what @how of @path ends with for another user */
static int as_other(const char *path, int how)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		mqd_t q;

		if (setresgid(54321, 54321, 54321) || setresuid(54321, 54321, 54321))
			_exit(200);
		q = how < 0 ? mq_unlink(path) : mq_open(path, how);
		_exit(q < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

TEST_F(mq, modes)
{
	// clang-format off
	static const struct {
		mode_t mode, mask;
		int how[3]; /* O_RDONLY, O_WRONLY, O_RDWR */
	} cases[] = {
		{ 0600, 0, { EACCES, EACCES, EACCES } },
		{ 0666, 0, { 0, 0, 0 } },
		{ 0644, 0, { 0, EACCES, EACCES } },
		{ 0622, 0, { EACCES, 0, EACCES } },
		{ 0666, 022, { 0, EACCES, EACCES } },
		{ 0666, 077, { EACCES, EACCES, EACCES } },
	};
	// clang-format on

	if (!whole())
		SKIP(return, "needs queues that other users can open");
	if (getuid())
		SKIP(return, "needs root");
	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mq_attr attr = { .mq_maxmsg = DEPTH, .mq_msgsize = SIZE };

		mq_close(self->q);
		mq_unlink(name);
		umask(cases[i].mask);
		self->q = mq_open(name, O_CREAT | O_RDWR, cases[i].mode, &attr);
		ASSERT_LE(0, self->q);
		for (int how = O_RDONLY; how <= O_RDWR; how++) {
			EXPECT_EQ(cases[i].how[how], as_other(name, how));
		}
		EXPECT_EQ(EACCES, as_other(name, -1));
		EXPECT_EQ(cases[i].mask, umask(0));
	}
}

/* How many descriptors of queues there are: also of those that the program does not know */
static int count_queues(void)
{
	char path[64], to[256];
	int n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, to, sizeof(to) - 1);
		to[len < 0 ? 0 : len] = '\0';
		n += strstr(to, "ipcx:") || !strcmp(to, name);
	}
	return n;
}

/* A thread that waits in the parent does not keep a child from closing. */
TEST_F(mq, forked_beside)
{
	int status;
	pthread_t t;
	pid_t pid;
	void *r;

	if (!whole())
		SKIP(return, "needs descriptors that are inherited");
	ASSERT_LT(0, count_queues());
	ASSERT_EQ(0, pthread_create(&t, NULL, receive, self));
	usleep(100000);
	pid = fork();
	if (!pid)
		_exit(mq_close(self->q) ? 100 : count_queues());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	pthread_join(t, &r);
	EXPECT_EQ((void *)1, r);
}

TEST_F(mq, forked)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	unsigned int prio;
	int status;
	pid_t pid;

	if (!whole())
		SKIP(return, "needs descriptors that are inherited");
	pid = fork();
	if (!pid) {
		mq_send(self->q, "child", 5, 3);
		mq_setattr(self->q, &attr, NULL);
		_exit(mq_close(self->q));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(5, mq_receive(self->q, self->buf, SIZE, &prio));
	EXPECT_EQ(3, prio);
	/* what a child sets of the open description is so for its parent */
	FAILS(EAGAIN, mq_receive(self->q, self->buf, SIZE, NULL));
	/* one that is made by vfork() closes its own only */
	pid = vfork();
	if (!pid) {
		close(self->q);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, mq_send(self->q, "x", 1, 0));
}

TEST_HARNESS_MAIN
