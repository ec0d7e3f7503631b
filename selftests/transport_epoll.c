// SPDX-License-Identifier: GPL-2.0-only
/* Transports without the module whose descriptor is asked for while no epoll has room. */
#include <ipcx.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

static bool is_full, no_descriptor;
static unsigned int added;

/* The library's, too: as where all of /proc/sys/fs/epoll/max_user_watches are in use */
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	if (is_full && op == EPOLL_CTL_ADD) {
		errno = ENOSPC;
		return -1;
	}
	added += op == EPOLL_CTL_ADD;
	return syscall(SYS_epoll_ctl, epfd, op, fd, ev);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (no_descriptor) {
		errno = EMFILE;
		return -1;
	}
	return syscall(SYS_accept4, fd, addr, len, flags);
}

FIXTURE(full)
{
	char dir[64], uri[160];
	struct ipcx_queue *q, *s;
	struct ipcx_msg m;
	struct pollfd p;
};

FIXTURE_VARIANT(full)
{
	const char *name;
};

static void name_queue(const char *name, const char *dir, const char *what, char uri[160])
{
	if (strcmp(name, "mq"))
		snprintf(uri, 160, "%s:%s/%s", name, dir, what);
	else
		snprintf(uri, 160, "mq:%s-%d", what, getpid());
}

FIXTURE_VARIANT_ADD(full, unix){ "unix" };
FIXTURE_VARIANT_ADD(full, unix_stream){ "unix-stream" };
FIXTURE_VARIANT_ADD(full, mq){ "mq" };

/* The first sender is there when the descriptor is asked for, and one message is held. */
FIXTURE_SETUP(full)
{
	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	name_queue(variant->name, self->dir, "there", self->uri);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | IPCX_RECV | IPCX_EPHEMERAL,
				     NULL));
	ASSERT_EQ(0, ipcx_queue_open(&self->s, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	is_full = true;
	self->p = (struct pollfd){ .fd = ipcx_queue_fd(self->q), .events = POLLIN };
}

FIXTURE_TEARDOWN(full)
{
	ipcx_queue_close(self->s);
	ipcx_queue_close(self->q);
	EXPECT_EQ(0, rmdir(self->dir));
}

/* What was kept and is taken is not all that the descriptor tells of. */
TEST_F(full, after_a_nack)
{
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "y", 1, in_ms(1000)));
	EXPECT_EQ(1, poll(&self->p, 1, 1000));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
}

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Who waits sleeps, and sees what is sent. */
TEST_F(full, wait)
{
	int64_t before = cpu_ns();

	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &(struct ipcx_msg){ 0 }, in_ms(500)));
	EXPECT_GT(20000000, cpu_ns() - before);
	ASSERT_EQ(0, ipcx_queue_send(self->s, "y", 1, in_ms(1000)));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
}

/* Once there is room a look is enough: the descriptor tells what there is, and nothing else. */
TEST_F(full, room_again)
{
	struct ipcx_msg m;

	EXPECT_EQ(1, poll(&self->p, 1, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	EXPECT_EQ(1, poll(&self->p, 1, 0));
	is_full = false;
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	EXPECT_EQ(0, poll(&self->p, 1, 0));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "y", 1, in_ms(1000)));
	EXPECT_EQ(1, poll(&self->p, 1, 1000));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	EXPECT_EQ(0, poll(&self->p, 1, 0));
}

/* As is a look that takes nothing. */
TEST_F(full, room_for_a_look)
{
	struct ipcx_msg m;

	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &m));
	EXPECT_EQ(1, poll(&self->p, 1, 0));
	is_full = false;
	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->q, &m));
	EXPECT_EQ(0, poll(&self->p, 1, 0));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "y", 1, in_ms(1000)));
	EXPECT_EQ(1, poll(&self->p, 1, 1000));
	EXPECT_EQ(0, ipcx_queue_peek(self->q, &m));
}

/* What is sent and is gone from its sender waits for room, and who waits for it sleeps. */
TEST_F(full, connect)
{
	int64_t before = cpu_ns();
	struct ipcx_queue *s;
	struct ipcx_msg m;

	ASSERT_EQ(0, ipcx_queue_open(&s, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(s, "y", 1, in_ms(1000)));
	ipcx_queue_close(s);
	if (strcmp(variant->name, "mq"))
		EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &m, in_ms(500)));
	EXPECT_GT(20000000, cpu_ns() - before);
	is_full = false;
	ASSERT_EQ(0, ipcx_queue_take(self->q, &m, in_ms(1000)));
	EXPECT_EQ('y', *(char *)m.data);
	ASSERT_EQ(0, ipcx_queue_send(self->s, "z", 1, in_ms(1000)));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &m, in_ms(1000)));
}

struct taker {
	struct ipcx_queue *q;
	int r[2];
};

static void *take_two(void *arg)
{
	struct taker *t = arg;
	struct ipcx_msg m;

	for (int i = 0; i < 2; i++)
		t->r[i] = ipcx_queue_take(t->q, &m, in_ms(2000));
	return NULL;
}

/* Nobody asked for the descriptor: who sleeps gets what was sent while it was full, too. */
TEST_F(full, asleep)
{
	struct ipcx_queue *q, *s[2];
	struct taker t;
	pthread_t thread;
	char uri[160];

	is_full = false;
	name_queue(variant->name, self->dir, "other", uri);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_RECV | IPCX_EPHEMERAL, NULL));
	t = (struct taker){ q, { 1, 1 } };
	is_full = true;
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_two, &t));
	usleep(100000);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcx_queue_open(&s[i], uri, IPCX_SEND, NULL));
		ASSERT_EQ(0, ipcx_queue_send(s[i], "y", 1, in_ms(1000)));
		usleep(300000);
	}
	is_full = false;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, t.r[0]);
	EXPECT_EQ(0, t.r[1]);
	for (int i = 0; i < 2; i++)
		ipcx_queue_close(s[i]);
	ipcx_queue_close(q);
}

/* There was no descriptor for who connects, and then no room to poll: both pass. */
TEST_F(full, accept)
{
	struct ipcx_queue *s;
	struct ipcx_msg m;

	if (!strcmp(variant->name, "mq"))
		return;
	ASSERT_EQ(0, ipcx_queue_open(&s, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(s, "y", 1, in_ms(1000)));
	no_descriptor = true;
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	no_descriptor = false;
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &m, in_ms(500)));
	is_full = false;
	EXPECT_EQ(0, ipcx_queue_take(self->q, &m, in_ms(1000)));
	ipcx_queue_close(s);
}

/* Whose connection to who answers had no room is told of the answer all the same. */
TEST(answer)
{
	static const char *const names[] = { "unix", "unix-stream", "tcp" };
	unsigned int flags = IPCX_CREATE | IPCX_RECV | IPCX_SEND | IPCX_EPHEMERAL;
	char dir[] = "/tmp/ipcx-test-XXXXXX", uri[160];

	ASSERT_NE(NULL, mkdtemp(dir));
	for (int i = 0; i < 3; i++) {
		struct ipcx_msg m, reply = { 0 };
		struct ipcx_queue *q;
		struct pollfd p = { .events = POLLIN };

		name_queue(names[i], dir, "there", uri);
		if (i == 2)
			snprintf(uri, sizeof(uri), "tcp:%d", 20000 + getpid() % 12000);
		ASSERT_EQ(0, ipcx_queue_open(&q, uri, flags, NULL));
		p.fd = ipcx_queue_fd(q);
		ASSERT_EQ(0, poll(&p, 1, 0));
		is_full = true;
		ASSERT_EQ(0, ipcx_queue_loan(q, 1, &m, in_ms(1000)));
		m.flags = IPCX_REQUEST;
		ASSERT_EQ(0, ipcx_queue_commit(q, &m));
		is_full = false;
		ASSERT_EQ(0, ipcx_queue_take(q, &m, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_reply(q, &m, &reply));
		EXPECT_EQ(-EAGAIN, ipcx_queue_take(q, &m, IPCX_NOWAIT));
		EXPECT_EQ(1, poll(&p, 1, 1000)) TH_LOG("%s", names[i]);
		EXPECT_EQ(0, ipcx_queue_answer(q, &m, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_release(q, &m));
		EXPECT_EQ(0, poll(&p, 1, 0));
		ipcx_queue_close(q);
	}
	EXPECT_EQ(0, rmdir(dir));
}

/* Nor need he look all the time who has asked for the descriptor and only asks for answers. */
TEST(answers_only)
{
	unsigned int flags = IPCX_CREATE | IPCX_RECV | IPCX_SEND | IPCX_EPHEMERAL;
	char dir[] = "/tmp/ipcx-test-XXXXXX", uri[160];
	struct ipcx_queue *q;
	struct ipcx_msg m;

	ASSERT_NE(NULL, mkdtemp(dir));
	name_queue("unix", dir, "there", uri);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, flags, NULL));
	ASSERT_LE(0, ipcx_queue_fd(q));
	is_full = true;
	ASSERT_EQ(0, ipcx_queue_loan(q, 1, &m, in_ms(1000)));
	is_full = false;
	for (int i = 0; i < 2; i++) {
		added = 0;
		EXPECT_EQ(-EAGAIN, ipcx_queue_answer(q, &(struct ipcx_msg){ 0 }, IPCX_NOWAIT));
		EXPECT_EQ(!i, added > 0);
	}
	EXPECT_EQ(0, ipcx_queue_cancel(q, &m));
	ipcx_queue_close(q);
	EXPECT_EQ(0, rmdir(dir));
}

TEST_HARNESS_MAIN
