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
	int opened, done;
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

/* Opens it with @flags, stopped on the way, and then sends one message. */
static void open_and_send(struct told *told, const char *uri, unsigned int flags)
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
	while (!__atomic_load_n(&told->done, __ATOMIC_ACQUIRE))
		usleep(100);
	return 0;
}

static pid_t start(struct told *told, const char *uri, unsigned int flags)
{
	pid_t pid;

	memset(told, 0, sizeof(*told));
	pid = fork();
	if (!pid)
		open_and_send(told, uri, flags);
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
	int stopped = 1, k;

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
		}
		EXPECT_EQ(0, self->told->opened) TH_LOG("stop %d: %s", k, self->told->error);
		end(pid);
		ipcx_queue_close(q);
	}
	ASSERT_LT(20, k);
	ASSERT_GT(STOPS_MAX, k);
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
