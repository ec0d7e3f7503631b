// SPDX-License-Identifier: GPL-2.0-only
/*
 * An open is several looks at files, between any two of which others may take the queue away and
 * make it anew: the process that opens is stopped before and behind each of its calls to the
 * system.
 */
#include <ipcx.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define MAKE (IPCX_CREATE | IPCX_RECV | IPCX_SEND)
#define STOPS_MAX 1000

/* What the child tells */
struct told {
	int opened, done, got;
	uint64_t msg_max;
	char error[256];
};

FIXTURE(open)
{
	char dir[64], uri[160];
	struct told *told;
};

FIXTURE_VARIANT(open)
{
	const char *name;
};

FIXTURE_VARIANT_ADD(open, unix){ "unix" };
FIXTURE_VARIANT_ADD(open, unix_stream){ "unix-stream" };
FIXTURE_VARIANT_ADD(open, fifo){ "fifo" };

FIXTURE_SETUP(open)
{
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->uri, sizeof(self->uri), "%s:%s/there", variant->name, self->dir);
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->told);
}

FIXTURE_TEARDOWN(open)
{
	munmap(self->told, sizeof(*self->told));
	EXPECT_EQ(0, rmdir(self->dir));
}

static struct ipcx_queue *make(const char *uri, size_t msg_max)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = msg_max);
	struct ipcx_queue *q;

	return ipcx_queue_open(&q, uri, MAKE | IPCX_EXCL | IPCX_EPHEMERAL, &opts) ? NULL : q;
}

/* Takes what comes, for life. */
static void receive(struct told *told, struct ipcx_queue *q)
{
	struct ipcx_msg m = { 0 };

	for (;;)
		if (!ipcx_queue_next(q, &m, IPCX_FOREVER))
			__atomic_add_fetch(&told->got, 1, __ATOMIC_SEQ_CST);
}

/* Opens it with @flags, stopped on the way, and then receives, or sends one message. */
static void open_and_use(struct told *told, const char *uri, unsigned int flags)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	struct ipcx_queue *q;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	told->opened = ipcx_queue_open(&q, uri, flags, NULL);
	raise(SIGSTOP);
	if (told->opened) {
		snprintf(told->error, sizeof(told->error), "%s", ipcx_error());
	} else if (!ipcx_queue_attr(q, &attr)) {
		told->msg_max = attr.msg_max;
		if (flags & IPCX_RECV) {
			__atomic_store_n(&told->done, 1, __ATOMIC_RELEASE);
			receive(told, q);
		}
		ipcx_queue_send(q, "x", 1, IPCX_NOWAIT); /* if there is somebody */
	}
	__atomic_store_n(&told->done, 1, __ATOMIC_RELEASE);
	pause(); /* what is on its way may go with its sender */
}

static int stop_at(pid_t pid, int request, int *status)
{
	return ptrace(request, pid, 0, 0) || waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status);
}

/* Lets @pid go on to its stop number @k. Return: 1; 0: the open was over before; or -1. */
static int go_to_stop(pid_t pid, int k)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	for (int i = 0; i < k; i++) {
		if (stop_at(pid, PTRACE_SYSCALL, &status))
			return -1;
		if (WSTOPSIG(status) == SIGSTOP)
			return 0;
	}
	return 1;
}

/* Lets it go on, to the end of the open and then alone, until all is done. */
static int go_on(pid_t pid, int stopped, const struct told *told)
{
	int status;

	if (stopped && (stop_at(pid, PTRACE_CONT, &status) || WSTOPSIG(status) != SIGSTOP))
		return -1;
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		return -1;
	while (!__atomic_load_n(&told->done, __ATOMIC_ACQUIRE)) {
		if (waitpid(pid, NULL, WNOHANG))
			return -1;
		usleep(100);
	}
	return 0;
}

static pid_t start(struct told *told, const char *uri, unsigned int flags)
{
	pid_t pid;

	memset(told, 0, sizeof(*told));
	pid = fork();
	if (!pid)
		open_and_use(told, uri, flags);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Who opens has the old queue or the new one, and knows which. */
TEST_F_TIMEOUT(open, made_anew, 120)
{
	size_t sizes[] = { 1000, 100000 };
	int stopped = 1, came = 0, k;

	for (k = 0; stopped && k < STOPS_MAX; k++) {
		struct ipcx_queue *q = make(self->uri, sizes[k % 2]);
		struct ipcx_msg m;
		pid_t pid;

		ASSERT_NE(NULL, q) TH_LOG("%s", ipcx_error());
		pid = start(self->told, self->uri, IPCX_SEND);
		stopped = go_to_stop(pid, k);
		ASSERT_LE(0, stopped);
		ASSERT_EQ(0, ipcx_queue_unlink(self->uri));
		ipcx_queue_close(q);
		q = make(self->uri, sizes[!(k % 2)]);
		ASSERT_NE(NULL, q) TH_LOG("%s", ipcx_error());
		ASSERT_EQ(0, go_on(pid, stopped, self->told));
		if (!ipcx_queue_take(q, &m, in_ms(20))) {
			EXPECT_EQ(sizes[!(k % 2)], self->told->msg_max) TH_LOG("stop %d", k);
			EXPECT_EQ(0, ipcx_queue_release(q, &m));
			came++;
		}
		EXPECT_EQ(0, self->told->opened) TH_LOG("stop %d: %s", k, self->told->error);
		end(pid);
		ipcx_queue_close(q);
	}
	ASSERT_LT(20, k);
	ASSERT_GT(STOPS_MAX, k);
	EXPECT_LT(10, came);
}

/* Return: whether the message that was sent has come to @q. */
static bool came_to(struct ipcx_queue *q, const struct told *told)
{
	int64_t until = in_ms(10000);
	struct ipcx_msg m;

	while (now_ns() < until && !__atomic_load_n(&told->got, __ATOMIC_SEQ_CST))
		if (!ipcx_queue_take(q, &m, in_ms(1)))
			return !ipcx_queue_release(q, &m);
	return false;
}

/* Who receives has the old queue or the new one, and what is sent there comes to who is there. */
TEST_F_TIMEOUT(open, received_anew, 120)
{
	int stopped = 1, came = 0, k;

	for (k = 0; stopped && k < STOPS_MAX; k++) {
		struct ipcx_queue *q, *s;
		bool here;
		pid_t pid;

		/* that of one who has gone */
		ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, MAKE | IPCX_EXCL, NULL));
		ipcx_queue_close(q);
		pid = start(self->told, self->uri, IPCX_CREATE | IPCX_RECV);
		stopped = go_to_stop(pid, k);
		ASSERT_LE(0, stopped);
		ASSERT_EQ(0, ipcx_queue_unlink(self->uri));
		q = make(self->uri, 1000);
		ASSERT_NE(NULL, q) TH_LOG("stop %d: %s", k, ipcx_error());
		ASSERT_EQ(0, go_on(pid, stopped, self->told));
		EXPECT_TRUE(!self->told->opened || self->told->opened == -EBUSY)
		TH_LOG("stop %d: %s", k, self->told->error);
		ASSERT_EQ(0, ipcx_queue_open(&s, self->uri, IPCX_SEND, NULL));
		EXPECT_EQ(0, ipcx_queue_send(s, "x", 1, in_ms(1000)))
		TH_LOG("stop %d: %s", k, ipcx_error());
		here = came_to(q, self->told);
		EXPECT_TRUE(here || self->told->got) TH_LOG("stop %d", k);
		came += here;
		ipcx_queue_close(s);
		end(pid);
		ipcx_queue_close(q);
	}
	ASSERT_LT(20, k);
	ASSERT_GT(STOPS_MAX, k);
	EXPECT_LT(10, came);
}

/* Who creates has a queue that others find, unless it was taken away when he had it. */
TEST_F_TIMEOUT(open, taken_away, 120)
{
	int stopped = 1, k;

	for (k = 0; stopped && k < STOPS_MAX; k++) {
		struct ipcx_queue *q = make(self->uri, 1000), *s;
		pid_t pid;

		ASSERT_NE(NULL, q) TH_LOG("%s", ipcx_error());
		pid = start(self->told, self->uri, IPCX_CREATE | IPCX_SEND);
		stopped = go_to_stop(pid, k);
		ASSERT_LE(0, stopped);
		ASSERT_EQ(0, ipcx_queue_unlink(self->uri));
		ipcx_queue_close(q);
		ASSERT_EQ(0, go_on(pid, stopped, self->told));
		EXPECT_EQ(0, self->told->opened) TH_LOG("stop %d: %s", k, self->told->error);
		if (stopped && self->told->msg_max > 1000) {
			EXPECT_EQ(0, ipcx_queue_open(&s, self->uri, IPCX_SEND, NULL))
			TH_LOG("stop %d: %s", k, ipcx_error());
			ipcx_queue_close(s);
			EXPECT_EQ(0, ipcx_queue_unlink(self->uri));
		}
		end(pid);
	}
	ASSERT_LT(20, k);
	ASSERT_GT(STOPS_MAX, k);
}

TEST_HARNESS_MAIN
