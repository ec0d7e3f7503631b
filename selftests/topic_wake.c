// SPDX-License-Identifier: GPL-2.0-only
/* Topics by the library: who sleeps is woken, and who does not makes no system call. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

FIXTURE(wake)
{
	struct ipcx_topic *pub, *sub;
};

FIXTURE_VARIANT(wake)
{
	unsigned int flags;
	const char *transport;
};

FIXTURE_VARIANT_ADD(wake, reliable){};
FIXTURE_VARIANT_ADD(wake, lossy){ .flags = IPCX_LOSSY };
FIXTURE_VARIANT_ADD(wake, unix){ .transport = "unix" };
FIXTURE_VARIANT_ADD(wake, unix_lossy){ .flags = IPCX_LOSSY, .transport = "unix" };

FIXTURE_SETUP(wake)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH);

	memset(self, 0, sizeof(*self));
	names_over(variant->transport);
	ASSERT_EQ(0, ipcx_topic_open(&self->pub, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH,
				     &opts));
	ASSERT_EQ(0, ipcx_topic_open(&self->sub, NAME, IPCX_SUBSCRIBE | variant->flags, NULL));
}

FIXTURE_TEARDOWN(wake)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
}

static volatile char dispatch = SYSCALL_DISPATCH_FILTER_ALLOW;

/* From now on each system call is SIGSYS, until calls_again(). */
static int no_calls(void)
{
	int r = prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &dispatch);

	dispatch = r ? SYSCALL_DISPATCH_FILTER_ALLOW : SYSCALL_DISPATCH_FILTER_BLOCK;
	return r;
}

static int calls_again(int r)
{
	dispatch = SYSCALL_DISPATCH_FILTER_ALLOW;
	return r;
}

#define STEADY 100000

/* Publishes and receives, alone. */
static int steady(unsigned int flags)
{
	struct ipcx_topic *pub, *sub;
	char text[LONG] = "long";

	if (ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL) ||
	    ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | flags, NULL))
		return 1;
	/* pages for the payload slots, and the ring becomes known */
	for (int i = 0; i < DEPTH; i++)
		if (ipcx_topic_send(pub, text, LONG, 0) ||
		    ipcx_topic_recv(sub, text, LONG, 0) != LONG)
			return 2;
	if (no_calls())
		return 3;
	for (int i = 0; i < STEADY; i++) {
		size_t len = i % 2 ? LONG : 8;

		if (ipcx_topic_send(pub, text, len, IPCX_FOREVER))
			return 4;
		if (ipcx_topic_recv(sub, text, LONG, IPCX_FOREVER) != len)
			return 5;
	}
	return 0;
}

TEST_F(wake, no_system_call_alone)
{
	pid_t pid;

	if (over_unix(self->sub))
		SKIP(return, "needs IPCX_CAP_ZERO_COPY: what is copied goes by system calls");
	/* or these would have to read as well */
	ipcx_topic_close(self->sub);
	self->sub = NULL;
	pid = fork();
	if (!pid)
		_exit(calls_again(steady(variant->flags)));
	EXPECT_EQ(0, exit_status(pid));
}

/* It does make one to wait: the proof proves something. */
TEST_F(wake, no_system_call_would_show)
{
	pid_t pid = fork();
	int64_t deadline = in_ms(10);

	if (!pid) {
		struct ipcx_topic *sub;

		if (ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE, NULL) || no_calls())
			_exit(1);
		ipcx_topic_take(sub, &(struct ipcx_msg){}, deadline);
		_exit(calls_again(0));
	}
	EXPECT_EQ(128 + SIGSYS, exit_status(pid));
}

/* Reads on and on until all have come; never sleeps. */
static int read_busily(unsigned int flags, const struct child *c)
{
	struct ipcx_topic *sub;
	int64_t nr, next;

	if (ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | flags, NULL) || !say(c))
		return 1;
	do {
		nr = recv_nr(sub, IPCX_NOWAIT);
	} while (nr == -EAGAIN);
	if (no_calls())
		return 2;
	for (next = nr + 1; nr < STEADY - 1; next++) {
		while ((nr = recv_nr(sub, IPCX_NOWAIT)) == -EAGAIN)
			;
		if (nr != next + ipcx_topic_missed(sub))
			return 3;
	}
	return flags || next == STEADY ? 0 : 4;
}

static int write_busily(void)
{
	struct ipcx_topic *pub;
	int r;

	if (ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL) || send_nr(pub, 0, 0) || no_calls())
		return 1;
	for (int i = 1; i < STEADY; i++) {
		while ((r = send_nr(pub, i, IPCX_NOWAIT)) == -EAGAIN)
			;
		if (r)
			return 2;
	}
	return 0;
}

/* Two processes that run at the same time, neither of which sleeps */
TEST_F_TIMEOUT(wake, no_system_call_between, 200)
{
	struct child c;
	pid_t pid;

	if (over_unix(self->sub))
		SKIP(return, "needs IPCX_CAP_ZERO_COPY: what is copied goes by system calls");
	if (over_shm(self->sub))
		SKIP(return, "needs the module: who looks in vain asks now and then who is dead");
	ipcx_topic_close(self->sub);
	self->sub = NULL;
	if (child_start(&c))
		_exit(calls_again(read_busily(variant->flags, &c)));
	ASSERT_TRUE(hear(&c));
	pid = fork();
	if (!pid)
		_exit(calls_again(write_busily()));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, exit_status(c.pid));
}

/* A subscriber that sleeps between any two messages */
static int read_asleep(unsigned int flags, const struct child *c, int n)
{
	struct ipcx_topic *sub;

	if (ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | flags, NULL) || !say(c))
		return 1;
	for (int i = 0; i < n; i++)
		if (recv_nr(sub, in_ms(20000)) != i || !say(c))
			return 2;
	return recv_nr(sub, in_ms(20)) == -ETIMEDOUT ? 0 : 3;
}

TEST_F_TIMEOUT(wake, sleeper_is_woken, 200)
{
	int n = rounds(500);
	struct child c;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	if (child_start(&c))
		_exit(read_asleep(variant->flags, &c, n));
	ASSERT_TRUE(hear(&c));
	for (int i = 0; i < n; i++) {
		if (i < 5)
			until_asleep(c.pid);
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_TRUE(hear(&c));
	}
	EXPECT_EQ(0, exit_status(c.pid));
}

/* A deadline would have it look once more, and find what nobody woke it for. */
static int read_for_ever(unsigned int flags, const struct child *c, int n)
{
	struct ipcx_topic *sub;

	if (ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | flags, NULL) || !say(c))
		return 1;
	for (int i = 0; i < n; i++)
		if (recv_nr(sub, IPCX_FOREVER) != i || !say(c))
			return 2;
	return 0;
}

/* One that has slept for long: over shared memory it looks who is dead then, and polls a pipe. */
TEST_F_TIMEOUT(wake, long_sleeper_is_woken, 60)
{
	struct child c;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	if (child_start(&c))
		_exit(read_for_ever(variant->flags, &c, 3));
	ASSERT_TRUE(hear(&c));
	for (int i = 0; i < 3; i++) {
		usleep(100000);
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_TRUE(hear(&c));
	}
	EXPECT_EQ(0, exit_status(c.pid));
}

#define PROMPT_ROUNDS 100
#define PROMPT_NS 6000000

static int by_ns(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Return: ns from a message to the answer of one who has just fallen asleep, the median; or -1. */
static int64_t median_to_wake(struct ipcx_topic *pub, const struct child *c, int *nr)
{
	int64_t took[PROMPT_ROUNDS];

	for (int i = 0; i < PROMPT_ROUNDS; i++) {
		for (int k = 0; k < 50000 && !is_asleep(c->pid); k++)
			usleep(100);
		took[i] = -in_ms(0);
		if (send_nr(pub, (*nr)++, IPCX_NOWAIT) || !hear(c))
			return -1;
		took[i] += in_ms(0);
	}
	qsort(took, PROMPT_ROUNDS, sizeof(*took), by_ns);
	return took[PROMPT_ROUNDS / 2];
}

/* Over shared memory who is not woken looks again after 8 to 12 ms, and is heard all the same. */
TEST_F_TIMEOUT(wake, sleeper_is_woken_at_once, 200)
{
	int64_t best = INT64_MAX;
	struct child c;
	int nr = 0;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	if (child_start(&c))
		_exit(read_for_ever(variant->flags, &c, 3 * PROMPT_ROUNDS));
	ASSERT_TRUE(hear(&c));
	for (int run = 0; run < 3; run++) {
		int64_t median = median_to_wake(self->pub, &c, &nr);

		ASSERT_LT(0, median);
		best = median < best ? median : best;
	}
	if (over_shm(self->pub)) /* elsewhere nothing would have been heard */
		EXPECT_GT(PROMPT_NS, best);
	EXPECT_EQ(0, exit_status(c.pid));
}

/* Both sleep at any time, as it happens: nothing is lost. */
TEST_F_TIMEOUT(wake, ping_pong, 200)
{
	struct ipcx_topic *back, *answers;
	int n = rounds(5000);
	pid_t pid;

	ASSERT_EQ(0, ipcx_topic_open(&back, "back", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE,
				     NULL));
	ipcx_topic_close(self->sub);
	self->sub = NULL;
	pid = fork();
	if (!pid) {
		struct ipcx_topic *sub;

		if (ipcx_topic_open(&answers, "back", IPCX_PUBLISH, NULL) ||
		    ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | variant->flags, NULL) ||
		    send_nr(answers, 0, 0))
			_exit(1);
		for (int i = 0; i < n; i++)
			if (recv_nr(sub, in_ms(20000)) != i || send_nr(answers, i, in_ms(20000)))
				_exit(2);
		_exit(0);
	}
	ASSERT_EQ(0, recv_nr(back, in_ms(20000)));
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, in_ms(20000)));
		ASSERT_EQ(i, recv_nr(back, in_ms(20000)));
	}
	EXPECT_EQ(0, exit_status(pid));
	ipcx_topic_close(back);
}

/*
 * What a lossy one has no room for it misses, over UNIX sockets also if it is the last: so that
 * comes again.
 */
static void repeat(struct ipcx_topic *t, bool lossy, uint64_t last)
{
	for (int i = 0; i < 100 && lossy && over_unix(t); i++) {
		usleep(10000);
		send_nr(t, last, 0);
	}
}

/* A publisher that waits for room, message after message */
TEST_F_TIMEOUT(wake, room, 200)
{
	int n = rounds(2000);
	pid_t pid;

	pid = fork();
	if (!pid) {
		struct ipcx_topic *pub;

		if (ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL))
			_exit(1);
		for (int i = 0; i < n; i++)
			if (send_nr(pub, i, in_ms(20000)))
				_exit(2);
		repeat(pub, variant->flags, n - 1);
		_exit(0);
	}
	if (!variant->flags)
		until_asleep(pid);
	for (int i = 0; i < n; i++) {
		int64_t nr = recv_nr(self->sub, in_ms(20000));

		/* nobody waits for a lossy one */
		ASSERT_LE(i, nr);
		if (!variant->flags)
			ASSERT_EQ(i, nr);
		i = nr;
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* What is held does not keep a take from sleeping, nor poll. */
TEST_F(wake, held)
{
	struct pollfd p = { .fd = ipcx_topic_fd(self->sub), .events = POLLIN };
	struct timespec before, after;
	struct ipcx_msg m, n;
	char text[LONG] = "";

	ASSERT_EQ(0, ipcx_topic_send(self->pub, text, LONG, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(self->sub, &m, IPCX_NOWAIT));
	if (over_shm(self->sub)) /* told once too often is no fault */
		EXPECT_EQ(-EAGAIN, ipcx_topic_take(self->sub, &n, IPCX_NOWAIT));
	EXPECT_EQ(0, poll(&p, 1, 0));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	EXPECT_EQ(-ETIMEDOUT, ipcx_topic_take(self->sub, &n, in_ms(300)));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	EXPECT_GT(100000000,
		  (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec);
	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	EXPECT_EQ(1, poll(&p, 1, 0));
	ASSERT_EQ(0, ipcx_topic_release(self->sub, &m));
	EXPECT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
	if (over_shm(self->sub))
		EXPECT_EQ(-EAGAIN, ipcx_topic_take(self->sub, &n, IPCX_NOWAIT));
	EXPECT_EQ(0, poll(&p, 1, 0));
}

static int64_t used_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
}

/* However much looking again has paid before: who is blocked uses no CPU. */
TEST_F(wake, idle_uses_no_cpu)
{
	int64_t used, fastest = INT64_MAX;
	struct ipcx_msg m;

	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_EQ(i, recv_nr(self->sub, in_ms(1000)));
	}
	for (int i = 0; i < 4; i++) {
		used = used_ns();
		ASSERT_EQ(-ETIMEDOUT, ipcx_topic_take(self->sub, &m, in_ms(1000)));
		used = used_ns() - used;
		fastest = used < fastest ? used : fastest;
	}
	EXPECT_GT(50000000, fastest);
}

static void *interrupt_main(void *arg)
{
	usleep(50000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void nothing(int sig)
{
}

TEST_F(wake, interrupted)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t self_thread = pthread_self(), thread;
	struct ipcx_msg m;

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, interrupt_main, &self_thread));
	EXPECT_EQ(-EINTR, ipcx_topic_take(self->sub, &m, in_ms(5000)));
	pthread_join(thread, NULL);
}

/* One loop over a topic and a queue that takes one message for each time it is told. */
static int one_at_a_time(int ep, struct ipcx_topic *t, struct ipcx_queue *q, int n, bool lossy)
{
	struct epoll_event ev[2];
	int from_topic = 0, from_queue = 0;
	uint64_t nr;

	while (from_topic < n || from_queue < n) {
		int told = epoll_wait(ep, ev, 2, 10000);

		if (told <= 0)
			return 1;
		for (int i = 0; i < told; i++) {
			if (ev[i].data.u32) {
				int r = ipcx_queue_recv(q, &nr, sizeof(nr), 0);

				if (r == -EAGAIN && without_module(t)) /* its queue is no better */
					continue;
				if (r != sizeof(nr) || nr != from_queue++)
					return 2;
			} else {
				int64_t got = recv_nr(t, 0);

				if (got == -EAGAIN) /* told once too often is no fault */
					continue;
				if (lossy ? got < from_topic && got != n - 1 : got != from_topic)
					return 3;
				from_topic = got + 1;
			}
		}
	}
	return 0;
}

static int publish_both(int n, bool lossy)
{
	struct ipcx_topic *t;
	struct ipcx_queue *q;

	if (ipcx_topic_open(&t, NAME, IPCX_PUBLISH, NULL) ||
	    ipcx_queue_open(&q, "both", IPCX_SEND, NULL))
		return 1;
	for (uint64_t i = 0; i < n; i++)
		if (send_nr(t, i, in_ms(20000)) || ipcx_queue_send(q, &i, sizeof(i), in_ms(20000)))
			return 2;
	repeat(t, lossy, n - 1);
	return 0;
}

static void watch_both(struct __test_metadata *_metadata, struct ipcx_topic *sub, bool lossy,
		       uint32_t how)
{
	struct epoll_event t = { .events = EPOLLIN | how },
			   q = { .events = EPOLLIN, .data.u32 = 1 };
	int n = rounds(3000), ep = epoll_create1(0);
	struct ipcx_queue *queue;
	pid_t pid;

	ASSERT_EQ(0,
		  ipcx_queue_open(&queue, "both", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_RECV, NULL));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_topic_fd(sub), &t));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_queue_fd(queue), &q));
	pid = fork();
	if (!pid)
		_exit(publish_both(n, lossy));
	EXPECT_EQ(0, one_at_a_time(ep, sub, queue, n, lossy));
	EXPECT_EQ(0, exit_status(pid));
	ipcx_queue_close(queue);
	close(ep);
}

TEST_F_TIMEOUT(wake, level_triggered, 200)
{
	watch_both(_metadata, self->sub, variant->flags, 0);
}

TEST_F_TIMEOUT(wake, edge_triggered, 200)
{
	if (over_shm(self->sub))
		SKIP(return, "needs the module: without, a loop takes until there is nothing");
	watch_both(_metadata, self->sub, variant->flags, EPOLLET);
}

TEST_F(wake, poll_for_room)
{
	struct pollfd p = { .fd = ipcx_topic_fd(self->pub), .events = POLLOUT };

	if (over_unix(self->pub)) {
		EXPECT_EQ(0, poll(&p, 1, 0)); /* but readable; see topic_unix */
		return;
	}
	if (over_shm(self->pub))
		SKIP(return, "needs the module: without, it is readable; see topic_shm");
	for (int i = 0; i < DEPTH; i++) {
		EXPECT_EQ(1, poll(&p, 1, 0));
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
	}
	EXPECT_EQ(!!variant->flags, poll(&p, 1, 0));
	EXPECT_EQ(0, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(1, poll(&p, 1, 0));
}

TEST_HARNESS_MAIN
