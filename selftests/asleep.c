// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library where it sleeps: a signal handler that forks there, what signals are blocked, and
 * how many barriers it takes. It calls those here, which do what the test says.
 */
#include <dlfcn.h>
#include <ipcx.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "topic_shm_util.h"

#define BOTH (IPCX_SEND | IPCX_RECV)

enum sleep { NEVER, IN_PPOLL, IN_FUTEX, IN_IOCTL };

static enum sleep signal_in; /* a signal comes in the next of these */
static pthread_t main_thread; /* to this one */
static sigset_t asleep; /* the mask there */
static volatile pid_t child = -1; /* that the handler has forked, 0 in it, -1: none */
/* How many there were so far: membarrier(), and sleeps in ppoll() */
static unsigned long barriers, sleeps;

static void fork_here(int sig)
{
	child = 0;
	child = fork();
}

/* Return: whether a sleep ends, as by a signal. */
static bool signal_ends(enum sleep where)
{
	if (signal_in != where || !pthread_equal(pthread_self(), main_thread))
		return false;
	signal_in = NEVER;
	raise(SIGUSR1);
	errno = EINTR;
	return true;
}

/* The signal comes before this sleeps: with the mask, as it would in it. */
int ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *set)
{
	struct timespec left = timeout ? *timeout : (struct timespec){ 0 };
	bool ends = n && signal_ends(IN_PPOLL);

	if (n) {
		sleeps++;
		pthread_sigmask(SIG_SETMASK, NULL, &asleep);
	}
	if (ends && !set)
		return -1;
	return syscall(SYS_ppoll, p, n, timeout ? &left : NULL, set, 8);
}

static bool waits(int futex_op)
{
	futex_op &= FUTEX_CMD_MASK;
	return futex_op == FUTEX_WAIT || futex_op == FUTEX_WAIT_BITSET;
}

long syscall(long nr, ...)
{
	static long (*next)(long nr, ...);
	va_list more;
	long a[6];

	va_start(more, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(more, long);
	va_end(more);
	barriers += nr == SYS_membarrier;
	if (nr == SYS_futex && waits(a[1]) && signal_ends(IN_FUTEX))
		return -1;
	if (!next)
		next = dlsym(RTLD_NEXT, "syscall");
	return next(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static bool waits_in(unsigned long cmd)
{
	return cmd == IPCX_IOC_QUEUE_LOAN || cmd == IPCX_IOC_QUEUE_TAKE ||
	       cmd == IPCX_IOC_QUEUE_CALL || cmd == IPCX_IOC_TOPIC_WAIT;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	va_list more;
	void *arg;

	va_start(more, cmd);
	arg = va_arg(more, void *);
	va_end(more);
	return waits_in(cmd) && signal_ends(IN_IOCTL) ? -1 : syscall(SYS_ioctl, fd, cmd, arg);
}

void __libc_free(void *p);

/* What was freed makes no sense in a child. */
void free(void *p)
{
	if (p && !child)
		memset(p, 0x5a, malloc_usable_size(p));
	__libc_free(p);
}

static void arm(enum sleep where)
{
	struct sigaction sa = { .sa_handler = fork_here };

	sigaction(SIGUSR1, &sa, NULL);
	main_thread = pthread_self();
	child = -1;
	signal_in = where;
}

/* Nobody else's */
static const char *uri_of(const char *name)
{
	static char uri[64];

	if (strcmp(name, "tcp"))
		snprintf(uri, sizeof(uri), "%s:asleep-%d", name, getpid());
	else
		snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%d", 20000 + getpid() % 12000);
	return uri;
}

FIXTURE(queue)
{
	char dir[64];
	struct ipcx_queue *q;
};

FIXTURE_VARIANT(queue)
{
	const char *name;
	enum sleep where;
};

FIXTURE_VARIANT_ADD(queue, kernel){ "kernel", IN_IOCTL };
FIXTURE_VARIANT_ADD(queue, mq){ "mq", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, unix){ "unix", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, unix_stream){ "unix-stream", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, fifo){ "fifo", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, tcp){ "tcp", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, shm){ "shm", IN_PPOLL };
FIXTURE_VARIANT_ADD(queue, shm_doze){ "shm", IN_FUTEX };

FIXTURE_SETUP(queue)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .msg_max = 4096);
	int r;

	ASSERT_TRUE(dir_make(self->dir));
	r = ipcx_queue_open(&self->q, uri_of(variant->name), IPCX_CREATE | IPCX_EPHEMERAL | BOTH,
			    &opts);
	ASSERT_TRUE(!r || r == -ENODEV) TH_LOG("%s", ipcx_error());
}

/* Skips a test where the transport is not there. */
#define NEED(handle) \
	do { \
		if (!(handle)) \
			SKIP(return, "needs /dev/ipcx"); \
	} while (0)

FIXTURE_TEARDOWN(queue)
{
	ipcx_queue_close(self->q);
	EXPECT_GE(0, dir_remove(self->dir));
}

/* In the child the call has ended too, and the handle is closed. */
static void end_child(struct ipcx_queue *q, int r)
{
	struct ipcx_msg m;

	if (child)
		return;
	if (ipcx_queue_take(q, &m, IPCX_NOWAIT) != -EBADF)
		_exit(1);
	ipcx_queue_close(q);
	_exit(-r == EINTR ? 0 : -r);
}

static int fill(struct ipcx_queue *q)
{
	int n;

	for (n = 0; !ipcx_queue_send(q, "8 bytes", 8, IPCX_NOWAIT); n++)
		;
	return n;
}

TEST_F(queue, fork_in_take)
{
	char buf[4096];
	int r;

	NEED(self->q);
	arm(variant->where);
	r = ipcx_queue_recv(self->q, buf, sizeof(buf), in_ms(20000));
	end_child(self->q, r);
	EXPECT_EQ(-EINTR, r);
	EXPECT_EQ(0, exit_status(child));
	EXPECT_LE(1, fill(self->q));
	EXPECT_EQ(8, ipcx_queue_recv(self->q, buf, sizeof(buf), in_ms(20000)));
}

TEST_F(queue, fork_in_send)
{
	char buf[4096];
	int r;

	NEED(self->q);
	ASSERT_LE(1, fill(self->q));
	arm(variant->where);
	r = ipcx_queue_send(self->q, "8 bytes", 8, in_ms(20000));
	end_child(self->q, r);
	EXPECT_EQ(-EINTR, r);
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(8, ipcx_queue_recv(self->q, buf, sizeof(buf), in_ms(20000)));
}

/* A call whose request is not sent yet goes on, but not in the child. */
TEST_F(queue, fork_in_call)
{
	struct ipcx_msg m = {}, reply = {};
	char buf[4096];
	int r = 0;

	NEED(self->q);
	for (int ms = 100; child < 0; ms *= 2) {
		/* of a call that was too slow even to fall asleep */
		ipcx_queue_cancel(self->q, &m);
		while (ipcx_queue_recv(self->q, buf, sizeof(buf), IPCX_NOWAIT) >= 0)
			;
		ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &m, IPCX_NOWAIT));
		fill(self->q);
		/* there it waits for an answer only */
		arm(strcmp(variant->name, "shm") ? variant->where : IN_FUTEX);
		r = ipcx_queue_call(self->q, &m, &reply, in_ms(ms));
		end_child(self->q, r);
	}
	EXPECT_TRUE(r == -EINTR || r == -ETIMEDOUT);
	EXPECT_EQ(0, exit_status(child));
}

FIXTURE(topic)
{
	char dir[64];
	struct ipcx_topic *pub, *sub;
};

FIXTURE_VARIANT(topic)
{
	const char *name;
	enum sleep where;
};

FIXTURE_VARIANT_ADD(topic, kernel){ "kernel", IN_IOCTL };
FIXTURE_VARIANT_ADD(topic, shm){ "shm", IN_PPOLL };
FIXTURE_VARIANT_ADD(topic, shm_doze){ "shm", IN_FUTEX };
FIXTURE_VARIANT_ADD(topic, unix){ "unix", IN_PPOLL };

FIXTURE_SETUP(topic)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH);
	int r;

	ASSERT_TRUE(dir_make(self->dir));
	r = ipcx_topic_open(&self->sub, uri_of(variant->name),
			    IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, &opts);
	ASSERT_TRUE(!r || r == -ENODEV) TH_LOG("%s", ipcx_error());
	if (!r)
		ASSERT_EQ(0,
			  ipcx_topic_open(&self->pub, uri_of(variant->name), IPCX_PUBLISH, NULL));
}

FIXTURE_TEARDOWN(topic)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
	EXPECT_GE(0, dir_remove(self->dir));
}

static void end_member(struct ipcx_topic *t, int64_t r)
{
	if (child)
		return;
	if (recv_nr(t, IPCX_NOWAIT) != -EBADF)
		_exit(1);
	ipcx_topic_close(t);
	_exit(-r == EINTR ? 0 : -r);
}

TEST_F(topic, fork_in_take)
{
	int64_t r;

	NEED(self->sub);
	arm(variant->where);
	r = recv_nr(self->sub, in_ms(20000));
	end_member(self->sub, r);
	EXPECT_EQ(-EINTR, r);
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(0, send_nr(self->pub, 1, in_ms(20000)));
	EXPECT_EQ(1, recv_nr(self->sub, in_ms(20000)));
}

static void fill_topic(struct ipcx_topic *pub)
{
	for (int i = 0; !send_nr(pub, i, IPCX_NOWAIT); i++)
		;
}

TEST_F(topic, fork_in_send)
{
	int r;

	NEED(self->sub);
	fill_topic(self->pub);
	arm(variant->where);
	r = send_nr(self->pub, 1, in_ms(20000));
	end_member(self->pub, r);
	EXPECT_EQ(-EINTR, r);
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(0, recv_nr(self->sub, in_ms(20000)));
	EXPECT_EQ(0, send_nr(self->pub, 1, in_ms(20000)));
}

struct beside {
	struct ipcx_topic *pub;
	pid_t tid;
};

static void *send_beside(void *arg)
{
	struct beside *b = arg;

	__atomic_store_n(&b->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	return (void *)(intptr_t)send_nr(b->pub, 0, in_ms(20000));
}

/* One that waits for what another thread is told */
TEST_F(topic, fork_beside_a_thread)
{
	struct beside b = { .pub = self->pub };
	pthread_t thread;
	void *sent;
	int r;

	NEED(self->sub);
	fill_topic(self->pub);
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_beside, &b));
	while (!__atomic_load_n(&b.tid, __ATOMIC_ACQUIRE))
		usleep(1000);
	until_asleep(b.tid);
	arm(variant->where == IN_PPOLL ? IN_FUTEX : variant->where);
	r = send_nr(self->pub, 1, in_ms(20000));
	end_member(self->pub, r);
	EXPECT_EQ(-EINTR, r);
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(0, recv_nr(self->sub, in_ms(20000)));
	ASSERT_EQ(0, pthread_join(thread, &sent));
	EXPECT_EQ(NULL, sent);
}

FIXTURE(shm)
{
	char dir[64];
	struct ipcx_topic *pub, *sub;
};

FIXTURE_SETUP(shm)
{
	ASSERT_TRUE(dir_make(self->dir));
	ASSERT_EQ(0, open_topic(&self->sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&self->pub, IPCX_PUBLISH));
}

FIXTURE_TEARDOWN(shm)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
	EXPECT_EQ(0, dir_remove(self->dir));
}

static bool same(const sigset_t *a, const sigset_t *b)
{
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigismember(a, sig) != sigismember(b, sig))
			return false;
	return true;
}

/* A signal that comes before the sleep ends it, and a fault would be one meanwhile. */
TEST_F(shm, signals)
{
	static const int faults[] = { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };
	sigset_t before, after;
	int64_t r;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	ASSERT_EQ(0, sigprocmask(SIG_SETMASK, &before, NULL));
	for (int room = 0; room < 2; room++) {
		sigemptyset(&asleep);
		if (room)
			fill_topic(self->pub);
		arm(IN_PPOLL);
		r = room ? send_nr(self->pub, 1, in_ms(20000)) : recv_nr(self->sub, in_ms(20000));
		if (!child)
			_exit(0);
		EXPECT_EQ(-EINTR, r);
		EXPECT_EQ(0, exit_status(child));
		EXPECT_TRUE(sigismember(&asleep, SIGUSR1) && sigismember(&asleep, SIGTERM));
		for (int i = 0; i < ARRAY_SIZE(faults); i++)
			EXPECT_FALSE(sigismember(&asleep, faults[i]));
		ASSERT_EQ(0, sigprocmask(SIG_SETMASK, NULL, &after));
		EXPECT_TRUE(same(&before, &after));
	}
}

#define WARM 100 /* messages until each knows how the other looks */

/* Takes and sends in turn, as who sleeps each time. Return: barriers and sleeps behind WARM. */
static int ping_pong(struct ipcx_topic *in, struct ipcx_topic *out, int n, bool first,
		     unsigned long counts[2])
{
	for (int i = 0; i < n; i++) {
		if (i == WARM) {
			counts[0] = -barriers;
			counts[1] = -sleeps;
		}
		if (!first && recv_nr(in, IPCX_FOREVER) != i)
			return 1;
		usleep(300); /* the other falls asleep */
		if (send_nr(out, i, in_ms(20000)))
			return 2;
		if (first && recv_nr(in, IPCX_FOREVER) != i)
			return 3;
	}
	counts[0] += barriers;
	counts[1] += sleeps;
	return 0;
}

/* Two that are woken from a doze by each other need no membarrier() for it. */
TEST_F_TIMEOUT(shm, barriers, 200)
{
	unsigned long *counts =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int n = WARM + rounds(500);
	struct ipcx_topic *back;
	pid_t pid;

	ASSERT_EQ(0, ipcx_topic_open(&back, "shm:back",
				     IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, NULL));
	ipcx_topic_close(self->sub);
	self->sub = NULL;
	pid = fork();
	if (!pid) {
		struct ipcx_topic *in, *out;

		if (ipcx_topic_open(&in, URI, IPCX_SUBSCRIBE, NULL) ||
		    ipcx_topic_open(&out, "shm:back", IPCX_PUBLISH, NULL) || send_nr(out, 0, 0))
			_exit(10);
		_exit(ping_pong(in, out, n, false, counts));
	}
	ASSERT_EQ(0, recv_nr(back, in_ms(20000)));
	EXPECT_EQ(0, ping_pong(back, self->pub, n, true, counts + 2));
	EXPECT_EQ(0, exit_status(pid));
	/* each longer sleep needs one; now and then there is one for another reason */
	for (int i = 0; i < 4; i += 2)
		EXPECT_GE(counts[i + 1] + (n - WARM) / 2, counts[i]);
	ipcx_topic_close(back);
}

TEST_HARNESS_MAIN
