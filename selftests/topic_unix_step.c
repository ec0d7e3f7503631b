// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics over UNIX sockets: what happens between two system calls of the library, or when one of
 * them fails. It calls those here, which do first, or instead, what the test says.
 */
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "frame_util.h"
#include "topic_unix_util.h"

#define FAR 100000 /* bytes, too long for a packet */

/* What to do once, before recvmsg(), ppoll() and clock_gettime(), behind accept4() and openat() */
static void (*before_recvmsg)(void), (*before_ppoll)(void), (*before_time)(void),
	(*behind_accept4)(void), (*behind_open)(void);
/* What the next connect() fails with, or all until that is 0, and how many there were */
static int connect_fails, connect_fails_on, connects;
/* How many of sendmsg() fail, and whether all do that are longer than a head */
static int sendmsg_fail;
static bool messages_fail;
/* Does recvmsg() have none for who calls it? */
static bool no_descriptors;
/* Which of the next calls of calloc() fails, 0 for none */
static int callocs_left;
/* 2: the next memfd cannot be sealed, and then 1: the next is not made */
static int memfd_fails;

static struct ipcx_topic *pub, *sub;

static void once(void (**what)(void))
{
	void (*f)(void) = *what;

	*what = NULL;
	if (f)
		f();
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	once(&before_recvmsg);
	if (no_descriptors) /* as the kernel, where it may not give one */
		msg->msg_controllen = 0;
	return syscall(SYS_recvmsg, fd, msg, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (!sendmsg_fail && !(messages_fail && msg->msg_iov->iov_len > sizeof(struct head)))
		return syscall(SYS_sendmsg, fd, msg, flags);
	sendmsg_fail -= sendmsg_fail > 0;
	errno = ENOBUFS;
	return -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	connects++;
	errno = connect_fails ?: connect_fails_on;
	if (!errno)
		return syscall(SYS_connect, fd, address, len);
	connect_fails = 0;
	return -1;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	once(&before_time);
	return syscall(SYS_clock_gettime, clock, ts);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int r = syscall(SYS_accept4, fd, address, len, flags);

	if (r >= 0)
		once(&behind_accept4);
	return r;
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *set)
{
	int ms = timeout ? timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 + 1 : -1;

	once(&before_ppoll);
	return poll(p, n, ms);
}

int memfd_create(const char *name, unsigned int flags)
{
	int fails = memfd_fails;

	memfd_fails -= fails > 0;
	if (fails == 2)
		flags &= ~MFD_ALLOW_SEALING;
	if (fails != 1)
		return syscall(SYS_memfd_create, name, flags);
	errno = EMFILE;
	return -1;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list more;
	int fd;

	va_start(more, flags);
	fd = syscall(SYS_openat, dir, path, flags, flags & O_CREAT ? va_arg(more, mode_t) : 0);
	va_end(more);
	if (fd >= 0)
		once(&behind_open);
	return fd;
}

void *__libc_calloc(size_t n, size_t size);

void *calloc(size_t n, size_t size)
{
	if (callocs_left && !--callocs_left) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(n, size);
}

FIXTURE(step)
{
	char dir[64], ours[80];
};

FIXTURE_SETUP(step)
{
	ASSERT_TRUE(dir_make(self->dir, self->ours));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
}

FIXTURE_TEARDOWN(step)
{
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	EXPECT_EQ(0, dir_remove(self->dir, self->ours));
}

static void unlink_other(void)
{
	ipcx_topic_unlink("unix:other");
}

/* One that is made while another of its name goes is as it was wanted, not as the other one. */
TEST_F(step, made_while_one_goes)
{
	struct ipcx_topic *t;
	pid_t pid;

	ASSERT_EQ(0, ipcx_topic_open(&t, "unix:other", IPCX_CREATE | IPCX_PUBLISH, NULL));
	ipcx_topic_close(t);
	pid = fork();
	if (!pid) {
		behind_open = unlink_other;
		_exit(-ipcx_topic_open(&t, "unix:other",
				       IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH, NULL));
	}
	ASSERT_EQ(0, exit_status(pid));
	/* so it is gone with the last that had it open */
	EXPECT_EQ(-ENOENT, ipcx_topic_open(&t, "unix:other", IPCX_PUBLISH, NULL));
}

static void close_pub(void)
{
	ipcx_topic_close(pub);
	pub = NULL;
}

/* What was sent comes though its publisher goes just before, without having heard. */
TEST_F(step, goes_before_it_is_received)
{
	static char buf[FAR];

	for (int l = 0; l < 2; l++) {
		if (!pub)
			ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, ipcx_topic_send(pub, buf, l ? FAR : 8, 0));
		EXPECT_EQ(l ? FAR : 8, ipcx_topic_recv(sub, buf, FAR, 0));
		before_recvmsg = close_pub;
		for (int i = 0; i < 2; i++)
			EXPECT_EQ(l ? FAR : 8, ipcx_topic_recv(sub, buf, FAR, 0));
		EXPECT_EQ(NULL, pub);
		EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	}
}

/* Whatever there is no memory for, nothing is closed that was not opened for it. */
TEST_F(step, no_memory)
{
	int files = entries("/proc/self/fd"), n = 0, r;
	struct ipcx_topic *t;

	do {
		callocs_left = ++n;
		r = open_topic(&t, IPCX_PUBLISH);
		callocs_left = 0;
		EXPECT_TRUE(!r || r == -ENOMEM);
		if (!r)
			ipcx_topic_close(t);
		EXPECT_EQ(files, entries("/proc/self/fd")) TH_LOG("allocation %d", n);
	} while (r && n < 20);
	EXPECT_LT(3, n);
	EXPECT_GT(20, n);
}

static int taken = -1;

static void take_descriptor(void)
{
	taken = dup(0);
}

/* Another thread gets the last descriptor just before a long message is received. */
TEST_F(step, last_descriptor)
{
	static char buf[FAR];
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, send_nr(pub, 1, 0));
	ASSERT_EQ(1, recv_nr(sub, 0));
	ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	ASSERT_EQ(0, only_so_many(limit, 1));
	before_recvmsg = take_descriptor;
	EXPECT_EQ(-EMFILE, ipcx_topic_recv(sub, buf, FAR, 0));
	EXPECT_LE(0, taken);
	close(taken);
	EXPECT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, send_nr(pub, 2, 0));
	EXPECT_EQ(2, recv_nr(sub, 0));
}

/* If there are descriptors, and that of a long message does not come, its publisher is shut out. */
TEST_F(step, kept_back)
{
	static char buf[FAR];

	ASSERT_EQ(0, send_nr(pub, 1, 0));
	ASSERT_EQ(1, recv_nr(sub, 0));
	ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	no_descriptors = true;
	EXPECT_EQ(-EPROTO, ipcx_topic_recv(sub, buf, FAR, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	no_descriptors = false;
}

/* Who is there and cannot be reached is not left out. */
TEST_F(step, unreachable)
{
	static const int why[][2] = { { EACCES, EACCES },
				      { ENOENT, EACCES },
				      { ENFILE, EMFILE },
				      { ENOBUFS, ENOMEM },
				      { EAGAIN, EAGAIN } };

	for (int i = 0; i < ARRAY_SIZE(why); i++) {
		ipcx_topic_close(sub);
		ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
		connect_fails = why[i][0];
		EXPECT_EQ(-why[i][1], send_nr(pub, i, 0));
		EXPECT_EQ(0, send_nr(pub, i, 0));
		EXPECT_EQ(i, recv_nr(sub, 0));
	}
}

/* Nobody tells when there is room in a backlog, but who polls is told to look. */
TEST_F(step, polls_for_a_backlog)
{
	struct pollfd p = { .fd = ipcx_topic_fd(pub), .events = POLLIN };

	connect_fails = EAGAIN;
	EXPECT_EQ(-EAGAIN, send_nr(pub, 1, 0));
	EXPECT_EQ(1, poll(&p, 1, 5000));
	EXPECT_EQ(0, send_nr(pub, 1, 0));
	EXPECT_EQ(0, poll(&p, 1, 30));
	EXPECT_EQ(1, recv_nr(sub, 0));
}

/* A loan whose commit fails is kept, with its memory. */
TEST_F(step, commit_again)
{
	struct ipcx_msg m, got;
	char *mine;

	memfd_fails = 2;
	ASSERT_EQ(0, ipcx_topic_loan(pub, FAR, &m, 0));
	mine = m.data;
	memset(mine, 'a', FAR);
	m.len = 70000;
	EXPECT_EQ(-EMFILE, ipcx_topic_commit(pub, &m));
	ASSERT_EQ(mine, m.data);
	ASSERT_EQ(0, probe(mine + FAR - 1, true));
	EXPECT_EQ('a', mine[69999]);
	mine[0] = 'b';
	memfd_fails = 2;
	ASSERT_EQ(0, ipcx_topic_cancel(pub, &m));
	ASSERT_EQ(0, ipcx_topic_loan(pub, FAR, &m, 0));
	memset(m.data, 'c', FAR);
	mine = m.data;
	EXPECT_EQ(-EMFILE, ipcx_topic_commit(pub, &m));
	mine[0] = 'd';
	ASSERT_EQ(0, ipcx_topic_commit(pub, &m));
	ASSERT_EQ(0, ipcx_topic_take(sub, &got, 0));
	ASSERT_EQ(FAR, got.len);
	EXPECT_EQ('d', ((char *)got.data)[0]);
	EXPECT_EQ('c', ((char *)got.data)[FAR - 1]);
	EXPECT_EQ(0, ipcx_topic_release(sub, &got));
}

/* What is not sent leaves no loan, which would hold up all behind it. */
TEST_F(step, send_fails)
{
	static char buf[FAR];

	memfd_fails = 2;
	EXPECT_EQ(-EMFILE, ipcx_topic_send(pub, buf, FAR, 0));
	for (int i = 0; i < 2 * DEPTH; i++) {
		ASSERT_EQ(0, send_nr(pub, i, 0));
		ASSERT_EQ(i, recv_nr(sub, 0));
	}
}

/* Who does not get all that was committed, as its publisher goes, is told so. */
TEST_F(step, held_back_at_the_end)
{
	ASSERT_EQ(0, send_nr(pub, 1, 0));
	sendmsg_fail = 2;
	ASSERT_EQ(0, send_nr(pub, 2, 0));
	close_pub();
	EXPECT_EQ(0, sendmsg_fail);
	EXPECT_EQ(1, recv_nr(sub, 0));
	EXPECT_EQ(-EPIPE, recv_nr(sub, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	/* what there is room for goes at the last moment */
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	sendmsg_fail = 1;
	ASSERT_EQ(0, send_nr(pub, 3, 0));
	close_pub();
	EXPECT_EQ(3, recv_nr(sub, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
}

/* So is who got nothing at all of one. */
TEST_F(step, held_back_from_the_first)
{
	messages_fail = true;
	ASSERT_EQ(0, send_nr(pub, 1, 0));
	close_pub();
	messages_fail = false;
	EXPECT_EQ(-EPIPE, recv_nr(sub, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
}

/* What was released is told, though there was no room to tell it then, and nothing more comes. */
TEST_F(step, released_untold)
{
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	sendmsg_fail = DEPTH;
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(i, recv_nr(sub, 0));
	EXPECT_EQ(0, sendmsg_fail);
	EXPECT_EQ(-EAGAIN, send_nr(pub, 0, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	EXPECT_EQ(0, send_nr(pub, 0, 0));
	EXPECT_EQ(0, recv_nr(sub, 0));
}

/* So is by who is lossy how many long ones it has taken. */
TEST_F(step, taken_untold)
{
	static char buf[FAR];

	ipcx_topic_close(sub);
	ASSERT_EQ(0, open_topic(&sub, SUBSCRIBE_LOSSY));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	sendmsg_fail = DEPTH;
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
	EXPECT_EQ(0, sendmsg_fail);
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ASSERT_EQ(0, ipcx_topic_send(pub, buf, FAR, 0));
	EXPECT_EQ(FAR, ipcx_topic_recv(sub, buf, FAR, 0));
}

/* With lag_max nobody is waited for long, though he is behind by less and there is no room. */
TEST_F(step, held_back_with_lag_max)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .lag_max = DEPTH);
	unsigned int create = IPCX_CREATE | IPCX_EPHEMERAL;
	struct ipcx_topic *from, *to;

	ASSERT_EQ(0, ipcx_topic_open(&from, "unix:lag", create | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&to, "unix:lag", IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, send_nr(from, 0, 0));
	messages_fail = true;
	ASSERT_EQ(0, send_nr(from, 1, 0));
	EXPECT_EQ(-EAGAIN, send_nr(from, 2, 0));
	usleep(150000);
	messages_fail = false;
	EXPECT_EQ(0, send_nr(from, 2, 0)); /* there is room now */
	messages_fail = true;
	ASSERT_EQ(0, send_nr(from, 3, 0));
	EXPECT_EQ(0, send_nr(from, 4, in_ms(5000)));
	messages_fail = false;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(i, recv_nr(to, 0));
	EXPECT_EQ(-EPIPE, recv_nr(to, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(to, 0));
	ipcx_topic_close(from);
	ipcx_topic_close(to);
}

static bool drained;

/* As another thread, that hears of all the room and uses a part of it */
static void drain(void)
{
	drained = true;
	for (int i = 0; i < DEPTH; i++)
		drained &= recv_nr(sub, 0) == i;
	drained &= !send_nr(pub, 0, 0);
}

/* Who goes to sleep finds that another thread has heard of room. */
TEST_F(step, sleeps_beside_room)
{
	int64_t before;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < DEPTH; i++)
			ASSERT_EQ(0, send_nr(pub, i, 0));
		before_ppoll = drain;
		before = now_ns();
		EXPECT_EQ(0, send_nr(pub, 1, in_ms(10000)));
		EXPECT_TRUE(drained);
		EXPECT_GT(5000000000, now_ns() - before);
		EXPECT_EQ(0, recv_nr(sub, 0));
		EXPECT_EQ(1, recv_nr(sub, 0));
	}
}

/* So it does if that was between its look and its sleep. */
TEST_F(step, room_before_it_sleeps)
{
	int64_t before = now_ns(), deadline = in_ms(10000);

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	before_time = drain;
	EXPECT_EQ(0, send_nr(pub, 1, deadline));
	EXPECT_TRUE(drained);
	EXPECT_GT(5000000000, now_ns() - before);
	EXPECT_EQ(0, recv_nr(sub, 0));
	EXPECT_EQ(1, recv_nr(sub, 0));
}

static void send_first(void)
{
	drained = !send_nr(pub, 0, 0);
}

/* And if another thread has got into the backlog that kept it from sending. */
TEST_F(step, backlog_before_it_sleeps)
{
	int64_t before = now_ns(), deadline = in_ms(10000);

	connect_fails = EAGAIN;
	before_time = send_first;
	EXPECT_EQ(0, send_nr(pub, 1, deadline));
	EXPECT_TRUE(drained);
	EXPECT_GT(5000000000, now_ns() - before);
	EXPECT_EQ(0, recv_nr(sub, 0));
	EXPECT_EQ(1, recv_nr(sub, 0));
}

/* Who waits for a backlog does not look all the time because of what another says. */
TEST_F(step, waits_for_a_backlog)
{
	struct ipcx_topic *more;

	ASSERT_EQ(0, send_nr(pub, 0, 0));
	ASSERT_EQ(0, recv_nr(sub, 0));
	ASSERT_EQ(0, open_topic(&more, IPCX_SUBSCRIBE));
	connect_fails_on = EAGAIN;
	connects = 0;
	EXPECT_EQ(-ETIMEDOUT, send_nr(pub, 1, in_ms(100)));
	EXPECT_LT(1, connects);
	EXPECT_GT(30, connects);
	connect_fails_on = 0;
	EXPECT_EQ(0, send_nr(pub, 1, 0));
	EXPECT_EQ(1, recv_nr(sub, 0));
	EXPECT_EQ(1, recv_nr(more, 0));
	ipcx_topic_close(more);
}

static int fork_now[2], forked[2];

static void *fork_once(void *arg)
{
	char x;

	if (read(fork_now[0], &x, 1) == 1)
		*(pid_t *)arg = fork();
	/* each says so when it is done */
	if (write(forked[1], "x", 1) != 1)
		return arg;
	while (!*(pid_t *)arg)
		pause();
	return NULL;
}

static void let_fork(void)
{
	struct pollfd p = { .fd = forked[0], .events = POLLIN };

	if (write(fork_now[1], "x", 1) == 1)
		poll(&p, 1, 200); /* it may have to wait for this */
}

/* A child of another thread keeps no connection that was just accepted, and no memory. */
TEST_F(step, forks_meanwhile)
{
	char path[40], link[100];
	struct ipcx_msg m;
	pthread_t thread;
	int memory = 0;
	pid_t pid = 0;

	ASSERT_EQ(0, pipe(fork_now) | pipe(forked));
	ASSERT_EQ(0, ipcx_topic_loan(pub, FAR, &m, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, fork_once, &pid));
	behind_accept4 = let_fork;
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_LT(0, pid);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, read(forked[0], path, 1));
	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = 0;
		memory += !!strstr(link, "ipcx-message");
	}
	EXPECT_EQ(0, memory);
	EXPECT_EQ(0, ipcx_topic_cancel(pub, &m));
	ipcx_topic_close(sub);
	sub = NULL;
	for (int i = 0; i < 2 * DEPTH; i++)
		EXPECT_EQ(0, send_nr(pub, i, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, exit_status(pid));
}

TEST_HARNESS_MAIN
