// SPDX-License-Identifier: GPL-2.0-only
/*
 * One endpoint in several hands: each way to get a copy of it x loans, leases,
 * windows, close, death. The table is in Documentation/design.rst.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME "inherit"

/* Ways that end in another process, but for the first two. */
enum way { DUP, THREAD, FORK, RIGHTS, GETFD, EXEC };

static const char *const ways[] = { "dup", "thread", "fork", "SCM_RIGHTS", "pidfd_getfd", "exec" };

/* What the copy is to use, and what it leaves behind, in memory that all see. */
struct plan {
	struct end e;		   /* of the original */
	struct ipcx_desc loan;	   /* on loan, with an 'L' in it */
	struct ipcx_desc lease;	   /* taken, with an 'M' in it */
	struct ipcx_desc new_loan; /* the copy's own, with an 'l' in it */
	struct ipcx_desc new_lease;
};

static struct plan *plan;

/*
 * With a copy: all that was done with the original can be gone on with, and the
 * other way round. Return: 0, or which step failed.
 */
static int use_copy(enum way way, int fd)
{
	const bool same = way == DUP || way == THREAD;
	struct end e = plan->e;

	/* windows are where the original has them, or nowhere */
	if (way != EXEC && probe(tx_at(&plan->e, &plan->loan), false) != (same ? 0 : SIGSEGV))
		return 1;
	e.fd = fd;
	e.tx = mmap(NULL, e.o.out_window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		    e.o.out_tx_offset);
	e.rx = mmap(NULL, e.o.out_window, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd,
		    e.o.out_rx_offset);
	if (e.tx == MAP_FAILED || e.rx == MAP_FAILED)
		return 2;
	/* loan and lease are there to be seen, and to be done with */
	if (tx_at(&e, &plan->loan)[0] != 'L' || rx_at(&e, &plan->lease)[0] != 'M')
		return 3;
	if (raw_commit(fd, &plan->loan) != 1 || raw_release(fd, &plan->lease) != 1)
		return 4;
	if (raw_loan(fd, &plan->new_loan, 8, 0) != 1 || raw_take(fd, &plan->new_lease, 0) != 1)
		return 5;
	if (rx_at(&e, &plan->new_lease)[0] != 'L')
		return 6;
	*tx_at(&e, &plan->new_loan) = 'l';
	if (same) {
		munmap(e.tx, e.o.out_window);
		munmap(e.rx, e.o.out_window);
	}
	return 0;
}

/* In another process: the result goes to the pipe, and then it waits to be killed. */
static void report(int fd, int result)
{
	char c = result;

	if (write(fd, &c, 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

/* The program was executed anew with an endpoint that was not closed by that. */
static __attribute__((constructor)) void executed(void)
{
	const char *arg = getenv("INHERIT_EXEC");
	int memory, fd, pipe_fd, limit;

	if (!arg || sscanf(arg, "%d %d %d %d", &memory, &fd, &pipe_fd, &limit) != 4)
		return;
	if (limit) /* closed by exec? */
		_exit(fcntl(fd, F_GETFD) < 0 && errno == EBADF ? 0 : 1);
	plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	report(pipe_fd, use_copy(EXEC, fd));
}

static void execute(int memory, int fd, int pipe_fd, bool closed)
{
	char env[64], *envp[] = { env, NULL }, *argv[] = { "inherit", NULL };

	snprintf(env, sizeof(env), "INHERIT_EXEC=%d %d %d %d", memory, fd, pipe_fd, closed);
	execve("/proc/self/exe", argv, envp);
	_exit(99);
}

static int send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {};
	char c = 'f';
	struct iovec iov = { &c, 1 };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	return sendmsg(to, &h, 0) == 1 ? 0 : -errno;
}

static int recv_fd(int from)
{
	char buf[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	int fd;

	if (recvmsg(from, &h, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&h))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

/* An endpoint with a loan, a lease and copies; @o looks on. */
FIXTURE(inherit)
{
	struct end e, o;
	int memory, copy;
	int result[2], socket[2];
	pthread_t thread;
	pid_t pid;
};

typedef FIXTURE_DATA(inherit) fix;

FIXTURE_SETUP(inherit)
{
	memset(self, 0, sizeof(*self));
	self->memory = memfd_create("plan", 0);
	ASSERT_EQ(0, ftruncate(self->memory, sizeof(*plan)));
	plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, self->memory, 0);
	ASSERT_NE(MAP_FAILED, (void *)plan);
	ASSERT_EQ(0, pipe(self->result));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->socket));
	self->o.o.depth = 4;
	self->o.o.msg_max = 4096;
	ASSERT_EQ(0, end_open(&self->o, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	fcntl(self->o.fd, F_SETFD, FD_CLOEXEC);
}

FIXTURE_TEARDOWN(inherit)
{
	end_close(&self->o);
	munmap(plan, sizeof(*plan));
	close(self->memory);
	for (int i = 0; i < 2; i++) {
		close(self->result[i]);
		close(self->socket[i]);
	}
}

/* Opens the endpoint that will be copied: one loan, one lease. */
static int original(fix *self)
{
	memset(plan, 0, sizeof(*plan));
	memset(&self->e, 0, sizeof(self->e));
	if (end_open(&self->e, NAME, SENDRECV) || raw_send(&self->o, 8, 'M') != 1 ||
	    raw_take(self->e.fd, &plan->lease, 0) != 1 ||
	    raw_loan(self->e.fd, &plan->loan, 8, 0) != 1)
		return -1;
	*tx_at(&self->e, &plan->loan) = 'L';
	plan->e = self->e;
	return 0;
}

static void *thread_main(void *arg)
{
	fix *self = arg;

	return (void *)(long)use_copy(THREAD, self->e.fd);
}

static void child_main(fix *self, enum way way)
{
	int fd = self->e.fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (way == EXEC) {
		fcntl(fd, F_SETFD, 0);
		execute(self->memory, fd, self->result[1], false);
	}
	if (way == RIGHTS || way == GETFD)
		close(fd);
	if (way == RIGHTS)
		fd = recv_fd(self->socket[1]);
	if (way == GETFD)
		fd = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getppid(), 0), fd, 0);
	report(self->result[1], use_copy(way, fd));
}

/* Makes the copy and has it used. Return: what use_copy() said. */
static int copy(fix *self, enum way way)
{
	void *ret = NULL;
	char c;

	switch (way) {
	case DUP:
		self->copy = dup(self->e.fd);
		return use_copy(DUP, self->copy);
	case THREAD:
		if (pthread_create(&self->thread, NULL, thread_main, self))
			return -1;
		pthread_join(self->thread, &ret);
		return (long)ret;
	default:
		self->pid = fork();
		if (!self->pid)
			child_main(self, way);
		if (way == RIGHTS && send_fd(self->socket[0], self->e.fd))
			return -1;
		return read(self->result[0], &c, 1) == 1 ? c : -1;
	}
}

/* The copy goes: a process by being killed. */
static int copy_goes(fix *self, enum way way)
{
	if (way == DUP)
		return close(self->copy);
	if (way == THREAD)
		return 0;
	kill(self->pid, SIGKILL);
	return exit_status(self->pid) == 128 + SIGKILL ? 0 : -1;
}

#define EXPECT_COUNTS(when, l, t, q) \
	do { \
		struct counts _c; \
\
		EXPECT_TRUE(counts_of(self->o.o.out_id, &_c)); \
		EXPECT_EQ(l, _c.loaned) TH_LOG("%s: %s", ways[way], when); \
		EXPECT_EQ(t, _c.leased) TH_LOG("%s: %s", ways[way], when); \
		EXPECT_EQ(q, _c.queued) TH_LOG("%s: %s", ways[way], when); \
	} while (0)

/* What the endpoint held is back: one message, delivered @deliveries times before. */
static void expect_back(struct __test_metadata *_metadata, fix *self, enum way way,
			uint32_t deliveries)
{
	struct ipcx_desc d;

	EXPECT_COUNTS("back", 0, 0, 1);
	ASSERT_EQ(1, raw_take(self->o.fd, &d, 0)) TH_LOG("%s", ways[way]);
	EXPECT_EQ(deliveries, d.deliveries) TH_LOG("%s", ways[way]);
	EXPECT_EQ('L', rx_at(&self->o, &d)[0]);
	ASSERT_EQ(1, raw_release(self->o.fd, &d));
}

/* The copy goes first: the original has what the copy got. */
TEST_F(inherit, copy_goes_first)
{
	for (enum way way = DUP; way <= EXEC; way++) {
		ASSERT_EQ(0, original(self));
		EXPECT_EQ(0, copy(self, way)) TH_LOG("%s", ways[way]);
		EXPECT_COUNTS("used", 1, 1, 0);
		EXPECT_EQ(0, copy_goes(self, way)) TH_LOG("%s", ways[way]);
		EXPECT_COUNTS("gone", 1, 1, 0);
		EXPECT_EQ('l', tx_at(&self->e, &plan->new_loan)[0]);
		EXPECT_EQ('L', rx_at(&self->e, &plan->new_lease)[0]);
		EXPECT_EQ(1, raw_commit(self->e.fd, &plan->new_loan));
		EXPECT_EQ(1, raw_release(self->e.fd, &plan->new_lease));
		EXPECT_COUNTS("done", 0, 0, 1);
		ASSERT_EQ(1, raw_take(self->o.fd, &plan->lease, 0));
		ASSERT_EQ(1, raw_release(self->o.fd, &plan->lease));
		end_close(&self->e);
	}
}

/* The original goes first: nothing comes back before the copy goes too. */
TEST_F(inherit, original_goes_first)
{
	for (enum way way = DUP; way <= EXEC; way++) {
		if (way == THREAD)
			continue; /* threads have one copy, see below */
		ASSERT_EQ(0, original(self));
		EXPECT_EQ(0, copy(self, way)) TH_LOG("%s", ways[way]);
		end_close(&self->e);
		EXPECT_COUNTS("closed", 1, 1, 0);
		EXPECT_EQ(0, copy_goes(self, way));
		expect_back(_metadata, self, way, 1);
	}
}

/* Threads share the descriptor itself: who closes it closes it for all. */
TEST_F(inherit, close_by_a_thread)
{
	const enum way way = THREAD;

	ASSERT_EQ(0, original(self));
	EXPECT_EQ(0, copy(self, THREAD));
	EXPECT_COUNTS("thread is gone", 1, 1, 0);
	end_close(&self->e);
	expect_back(_metadata, self, way, 1);
}

/* A window alone is a copy, in each of the two. */
TEST_F(inherit, window_alone)
{
	const enum way way = DUP;

	for (int rx = 0; rx < 2; rx++) {
		ASSERT_EQ(0, original(self));
		EXPECT_EQ(0, copy(self, DUP));
		close(self->copy);
		close(self->e.fd);
		munmap(rx ? self->e.tx : self->e.rx, self->e.o.out_window);
		EXPECT_COUNTS("window", 1, 1, 0);
		EXPECT_EQ(0, rx ? probe(rx_at(&self->e, &plan->new_lease), false) :
				  probe(tx_at(&self->e, &plan->new_loan), true));
		munmap(rx ? self->e.rx : self->e.tx, self->e.o.out_window);
		expect_back(_metadata, self, way, 1);
	}
}

/* A copy that nobody has received yet is one. */
TEST_F(inherit, in_flight)
{
	const enum way way = RIGHTS;
	int fd;

	ASSERT_EQ(0, original(self));
	EXPECT_EQ(0, use_copy(DUP, self->e.fd));
	ASSERT_EQ(0, send_fd(self->socket[0], self->e.fd));
	ASSERT_EQ(0, send_fd(self->socket[0], self->e.fd));
	end_close(&self->e);
	EXPECT_COUNTS("in flight", 1, 1, 0);
	fd = recv_fd(self->socket[1]);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_COUNTS("one received and closed", 1, 1, 0);
	for (int i = 0; i < 2; i++)
		close(self->socket[i]);
	expect_back(_metadata, self, way, 1);
}

/* By default an executed program has no copy, and the lease of who executes comes back. */
TEST_F(inherit, closed_by_exec)
{
	const enum way way = EXEC;
	pid_t pid;

	ASSERT_EQ(0, original(self));
	EXPECT_EQ(0, use_copy(DUP, self->e.fd));
	pid = fork();
	if (!pid) {
		close(self->o.fd);
		execute(self->memory, self->e.fd, self->result[1], true);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_COUNTS("parent has it", 1, 1, 0);
	end_close(&self->e);
	expect_back(_metadata, self, way, 1);
}

/* /proc/PID/fd is no way to a copy, nor to a fresh endpoint. */
TEST_F(inherit, no_second_open)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->o.fd);
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, open(path, O_RDONLY));
	EXPECT_EQ(ENXIO, errno);
}

/* Who undoes VM_DONTCOPY gives its child windows, and they are taken from it too. */
TEST_F(inherit, window_that_is_copied_on_purpose)
{
	const enum way way = FORK;
	char c;

	ASSERT_EQ(0, original(self));
	ASSERT_EQ(0, madvise(self->e.tx, self->e.o.out_window, MADV_DOFORK));
	self->pid = fork();
	if (!self->pid) {
		char *p = tx_at(&self->e, &plan->loan);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (p[0] != 'L' || write(self->result[1], "r", 1) != 1 ||
		    read(self->socket[1], &c, 1) != 1)
			_exit(1);
		_exit(probe(p, true) == SIGBUS ? 0 : 2);
	}
	ASSERT_EQ(1, read(self->result[0], &c, 1));
	/* to another writer, which takes it from every window */
	ASSERT_EQ(1, raw_cancel(self->e.fd, &plan->loan));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_loan(self->o.fd, &plan->new_loan, 8, 0));
	ASSERT_EQ(1, write(self->socket[0], "g", 1));
	EXPECT_EQ(0, exit_status(self->pid));
	EXPECT_COUNTS("child is gone", 3, 1, 0);
	end_close(&self->e);
}

TEST_HARNESS_MAIN
