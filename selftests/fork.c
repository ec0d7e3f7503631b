// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles of the library in forked children, with and without IPCX_INHERIT, and
 * in threads. What the kernel makes of copies is in inherit.c.
 */
#include <ipcx.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME "fork"
#define BOTH (IPCX_SEND | IPCX_RECV)

/* A handle with a loan and a message taken; @look is another, that stays. */
FIXTURE(fork)
{
	struct ipcx_queue *q, *look;
	struct ipcx_msg loan, lease;
};

FIXTURE_VARIANT(fork)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(fork, closed){};
FIXTURE_VARIANT_ADD(fork, inherited){ .flags = IPCX_INHERIT };

static bool get_both(struct ipcx_queue *q, struct ipcx_msg *loan, struct ipcx_msg *lease)
{
	if (ipcx_queue_send(q, "lease", 6, 0) || ipcx_queue_take(q, lease, 0) ||
	    ipcx_queue_loan(q, 100, loan, 0))
		return false;
	strcpy(loan->data, "loan");
	return true;
}

FIXTURE_SETUP(fork)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 1 << 16);

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0,
		  ipcx_queue_open(&self->look, NAME, IPCX_CREATE | IPCX_EPHEMERAL | BOTH, &opts));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, NAME, BOTH | variant->flags, NULL));
	ASSERT_TRUE(get_both(self->q, &self->loan, &self->lease));
}

FIXTURE_TEARDOWN(fork)
{
	ipcx_queue_close(self->q);
	ipcx_queue_close(self->look);
}

typedef FIXTURE_DATA(fork) fix;

/* In a child without a copy: each function says so, and closing works. */
static int all_closed(fix *self)
{
	struct ipcx_msg loan = self->loan, lease = self->lease, m = {};
	struct ipcx_queue *q = self->q;
	char buf[8];
	int r[14], n = 0;

	r[n++] = ipcx_queue_loan(q, 8, &m, 0);
	r[n++] = ipcx_queue_take(q, &m, 0);
	r[n++] = ipcx_queue_next(q, &m, 0);
	r[n++] = ipcx_queue_next(q, &lease, 0);
	r[n++] = ipcx_queue_commit(q, &loan);
	r[n++] = ipcx_queue_cancel(q, &loan);
	r[n++] = ipcx_queue_release(q, &lease);
	r[n++] = ipcx_queue_nack(q, &lease);
	r[n++] = ipcx_queue_send(q, "x", 1, 0);
	r[n++] = ipcx_queue_recv(q, buf, 8, 0);
	r[n++] = ipcx_queue_loan_n(q, 8, &m, 1, 0);
	r[n++] = ipcx_queue_take_n(q, &m, 1, 0);
	r[n++] = ipcx_queue_commit_n(q, &loan, 1);
	r[n++] = ipcx_queue_release_n(q, &lease, 1);
	while (n--) {
		if (r[n] == -EBADF)
			continue;
		fprintf(stderr, "# function %d: %d\n", n, r[n]);
		return 1;
	}
	if (ipcx_queue_fd(q) != -1 || probe(self->lease.data, false) != SIGSEGV)
		return 2;
	ipcx_queue_close(q);
	return 0;
}

/* In a child with a copy: what the parent began is gone on with, at the same addresses. */
static int all_there(fix *self)
{
	struct ipcx_queue *q = self->q;

	if (strcmp(self->loan.data, "loan") || strcmp(self->lease.data, "lease"))
		return 1;
	strcpy(self->loan.data, "child");
	return ipcx_queue_commit(q, &self->loan) || ipcx_queue_release(q, &self->lease) ? 2 : 0;
}

TEST_F(fork, child)
{
	pid_t pid = fork();

	if (!pid)
		_exit(variant->flags ? all_there(self) : all_closed(self));
	EXPECT_EQ(0, exit_status(pid));
	if (variant->flags) {
		/* the child did it, which the parent's handle does not know */
		EXPECT_EQ(-EPERM, ipcx_queue_commit(self->q, &self->loan));
		EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &self->lease));
		ASSERT_EQ(0, ipcx_queue_take(self->look, &self->lease, 0));
		EXPECT_STREQ("child", self->lease.data);
	} else {
		EXPECT_STREQ("lease", self->lease.data);
		EXPECT_EQ(0, ipcx_queue_commit(self->q, &self->loan));
		EXPECT_EQ(0, ipcx_queue_release(self->q, &self->lease));
	}
}

TEST_F(fork, grandchild)
{
	pid_t pid = fork();

	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(variant->flags ? all_there(self) : all_closed(self));
		_exit(exit_status(pid));
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* A parent with a handle of its own is killed; its child lives on, and asks for nothing. */
TEST_F(fork, killed_parent)
{
	int ready[2], life[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(life));
	pid = fork();
	if (!pid) {
		if (ipcx_queue_open(&self->q, NAME, BOTH | variant->flags, NULL) ||
		    !get_both(self->q, &self->loan, &self->lease))
			_exit(1);
		if (fork()) {
			pause();
			_exit(1);
		}
		close(life[1]);
		if (write(ready[1], "r", 1) != 1 || read(life[0], &c, 1) != 1)
			_exit(1);
		/* with a copy, it can still do what its parent was to do */
		if (variant->flags && ipcx_queue_release(self->q, &self->lease))
			_exit(2);
		_exit(write(ready[1], "d", 1) != 1);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(variant->flags ? -EAGAIN : 0, ipcx_queue_take(self->look, &self->lease, 0));
	EXPECT_EQ(!variant->flags, self->lease.deliveries);
	ASSERT_EQ(1, write(life[1], "g", 1));
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ('d', c);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(life[i]);
	}
}

/* The spare loan that the parent's last commit brought is the parent's alone. */
TEST_F(fork, spare)
{
	int sent = variant->flags ? 2 : 1, done = 0;
	pid_t pid;

	ASSERT_EQ(0, ipcx_queue_commit(self->q, &self->loan));
	pid = fork();
	if (!pid) {
		if (ipcx_queue_loan(self->q, 100, &self->loan, 0))
			_exit(variant->flags != 0);
		strcpy(self->loan.data, "child");
		_exit(usleep(100000) || ipcx_queue_commit(self->q, &self->loan));
	}
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 100, &self->loan, 0));
	strcpy(self->loan.data, "parent");
	usleep(50000);
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &self->loan));
	EXPECT_EQ(0, exit_status(pid));
	while (!ipcx_queue_take(self->look, &self->lease, 0))
		done += !strcmp(self->lease.data, "parent") || !strcmp(self->lease.data, "child");
	EXPECT_EQ(sent, done);
}

/* Descriptors are closed by exec, whatever is inherited by fork. */
TEST_F(fork, exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(ipcx_queue_fd(self->q), F_GETFD));
}

/* Where the address space is too small for whole windows. */
TEST_F(fork, slot_by_slot)
{
	struct rlimit lim = { 512 << 20, 512 << 20 };
	unsigned int flags = IPCX_CREATE | BOTH | IPCX_EPHEMERAL | variant->flags;
	pid_t pid;

	ipcx_queue_close(self->q);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, "tight", flags, NULL));
	ASSERT_TRUE(get_both(self->q, &self->loan, &self->lease));
	pid = fork();
	if (!pid)
		_exit(variant->flags ? all_there(self) : all_closed(self));
	EXPECT_EQ(0, exit_status(pid));
}

static void *thread_main(void *arg)
{
	fix *self = arg;
	unsigned int inherit = self->loan.tag;

	ipcx_queue_close(self->q);
	if (ipcx_queue_open(&self->q, NAME, BOTH | inherit, NULL))
		return self;
	return get_both(self->q, &self->loan, &self->lease) ? NULL : self;
}

/* A handle is the process's: it stays when the thread that opened it ends. */
TEST_F(fork, thread)
{
	pthread_t thread;
	void *failed;

	self->loan.tag = variant->flags;
	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_main, self));
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(0, ipcx_queue_commit(self->q, &self->loan));
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->lease));
}

static volatile bool stop;

static void *open_close_main(void *arg)
{
	struct ipcx_queue *q;

	while (!stop) {
		if (ipcx_queue_open(&q, NAME, BOTH | *(const unsigned int *)arg, NULL))
			return arg;
		ipcx_queue_close(q);
		usleep(100); /* or fork() hardly ever gets the lock of the handles */
	}
	return NULL;
}

static unsigned int endpoints(uint64_t id)
{
	struct counts c;

	return counts_of(id, &c) ? c.senders : 0;
}

/* fork() while another thread opens and closes: a child has whole handles, or none. */
TEST_F_TIMEOUT(fork, while_a_thread_opens, 200)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	unsigned int flags = variant->flags, before;
	pthread_t thread;
	void *failed;
	pid_t pid;

	ASSERT_EQ(0, ipcx_queue_attr(self->look, &attr));
	before = endpoints(attr.id);
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_close_main, &flags));
	for (int i = 0; i < rounds(100); i++) {
		pid = fork();
		if (!pid) {
			struct ipcx_queue *q;

			alarm(60); /* a lock that nobody will give back */
			if (ipcx_queue_open(&q, NAME, BOTH, NULL))
				_exit(1);
			ipcx_queue_close(q);
			_exit(0);
		}
		ASSERT_EQ(0, exit_status(pid));
	}
	stop = true;
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(before, endpoints(attr.id));
}

TEST_HARNESS_MAIN
