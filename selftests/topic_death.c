// SPDX-License-Identifier: GPL-2.0-only
/* Topics by the library: members that stop, die, fork, share a handle, or write nonsense. */
#include <pthread.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

FIXTURE(death)
{
	struct ipcx_topic *pub, *sub;
};

FIXTURE_VARIANT(death)
{
	const char *transport;
};

FIXTURE_VARIANT_ADD(death, best){};
FIXTURE_VARIANT_ADD(death, unix){ .transport = "unix" };

static int open_both(FIXTURE_DATA(death) *self, const struct ipcx_topic_opts *opts)
{
	int r = ipcx_topic_open(&self->pub, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH,
				opts);

	return r ? r : ipcx_topic_open(&self->sub, NAME, IPCX_SUBSCRIBE, NULL);
}

FIXTURE_SETUP(death)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH);

	memset(self, 0, sizeof(*self));
	names_over(variant->transport);
	ASSERT_EQ(0, open_both(self, &opts));
}

FIXTURE_TEARDOWN(death)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
}

static struct counts counts_of_topic(const struct ipcx_topic *t)
{
	struct ipcx_topic_attr attr = { .sz = sizeof(attr) };
	struct counts c = {};

	if (!ipcx_topic_attr(t, &attr))
		counts_of(attr.id, &c);
	return c;
}

/* Publishes five, loans a sixth, publishes a seventh, and is killed. */
static void publish_and_wait(const struct child *c)
{
	struct ipcx_topic *pub;
	struct ipcx_msg m;

	if (ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL))
		_exit(1);
	for (int i = 0; i < 5; i++)
		if (send_nr(pub, i, 0))
			_exit(2);
	if (ipcx_topic_loan(pub, 8, &m, 0) || send_nr(pub, 6, 0) || !say(c))
		_exit(3);
	pause();
}

TEST_F(death, publisher_killed)
{
	struct child c;

	if (child_start(&c))
		publish_and_wait(&c);
	ASSERT_TRUE(hear(&c));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
	ASSERT_EQ(128 + SIGKILL, child_kill(&c));
	EXPECT_EQ(3, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(4, recv_nr(self->sub, IPCX_NOWAIT));
	if (!over_unix(self->sub)) /* what waits for a loan before it goes with its publisher */
		EXPECT_EQ(6, recv_nr(self->sub, over_shm(self->sub) ? in_ms(10000) : IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(!over_unix(self->sub), ipcx_topic_missed(self->sub));
	ASSERT_EQ(0, send_nr(self->pub, 9, IPCX_NOWAIT));
	EXPECT_EQ(9, recv_nr(self->sub, IPCX_NOWAIT));
}

/* Loans, publishes what nobody gets before that is over, and is killed. */
static void hold_back(const struct child *c)
{
	struct ipcx_topic *pub;
	struct ipcx_msg m;

	if (ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL) || ipcx_topic_loan(pub, 8, &m, 0) ||
	    send_nr(pub, 6, 0) || !say(c))
		_exit(1);
	pause();
}

static void *kill_main(void *arg)
{
	static int64_t when;
	pid_t pid = *(pid_t *)arg;

	usleep(50000);
	when = now_ns();
	kill(pid, SIGKILL);
	return &when;
}

/* A sleeper learns of the end of a ring at once; other load may delay it now and then. */
TEST_F_TIMEOUT(death, sleeper_learns_of_it, 120)
{
	int64_t fastest = INT64_MAX, seen;

	if (over_unix(self->sub))
		SKIP(return,
			   "needs IPCX_CAP_ZERO_COPY: what waits for a loan before it is not there");
	for (int i = 0; i < 10; i++) {
		pthread_t thread;
		struct child c;
		void *when;

		if (child_start(&c))
			hold_back(&c);
		ASSERT_TRUE(hear(&c));
		ASSERT_EQ(0, pthread_create(&thread, NULL, kill_main, &c.pid));
		EXPECT_EQ(6, recv_nr(self->sub, in_ms(10000)));
		seen = now_ns();
		pthread_join(thread, &when);
		seen -= *(int64_t *)when;
		fastest = seen < fastest ? seen : fastest;
		child_kill(&c);
	}
	EXPECT_EQ(10, ipcx_topic_missed(self->sub));
	EXPECT_GT(10000000LL * scale(), fastest);
}

/* What is held of a dead publisher stays until it is released. */
TEST_F(death, held_of_the_dead)
{
	struct pollfd p = { .fd = ipcx_topic_fd(self->sub), .events = POLLIN };
	struct ipcx_topic *pubs[IPCX_TOPIC_RINGS];
	char text[LONG] = "held";
	struct ipcx_msg m;
	int i;

	ASSERT_EQ(0, ipcx_topic_open(&pubs[0], NAME, IPCX_PUBLISH, NULL));
	ASSERT_EQ(0, ipcx_topic_send(pubs[0], text, LONG, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(self->sub, &m, IPCX_NOWAIT));
	ipcx_topic_close(pubs[0]);
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_STREQ("held", m.data);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, ipcx_topic_open(&pubs[i], NAME, IPCX_PUBLISH, NULL));
		ASSERT_EQ(0, ipcx_topic_send(pubs[i], "other", 6, IPCX_NOWAIT));
	}
	EXPECT_STREQ("held", m.data);
	while (i)
		ipcx_topic_close(pubs[--i]);
	EXPECT_STREQ("held", m.data);
	ASSERT_EQ(0, ipcx_topic_release(self->sub, &m));
	while (recv_nr(self->sub, IPCX_NOWAIT) != -EAGAIN)
		i++;
	EXPECT_EQ(10, i);
}

/* One publisher after the other: those that were read to their end leave their place. */
TEST_F_TIMEOUT(death, many_publishers, 120)
{
	for (int i = 0; i < 3 * IPCX_TOPIC_RINGS; i++) {
		struct ipcx_topic *pub;

		ASSERT_EQ(0, ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL));
		ASSERT_EQ(0, send_nr(pub, i, IPCX_NOWAIT));
		if (i % 2)
			ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
		ipcx_topic_close(pub);
		if (!(i % 2))
			ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
		ASSERT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	}
	EXPECT_EQ(0, ipcx_topic_missed(self->sub));
}

/* Subscribes, takes some, and is killed or stopped. */
static void subscribe_and_wait(const struct child *c)
{
	struct ipcx_topic *sub;
	struct ipcx_msg m;
	int r = 0, n = 0;

	if (ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE, NULL) || !say(c) || !hear(c))
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (ipcx_topic_take(sub, &m, 0))
			_exit(2);
	if (!say(c) || !hear(c))
		_exit(3);
	/* what stopped it was the test */
	while (over_unix(sub) && !(r = ipcx_topic_take(sub, &m, 0)))
		n++; /* comes before */
	for (int i = over_unix(sub) && r == -EPIPE && n <= DEPTH; i < 2; i++)
		if (ipcx_topic_take(sub, &m, 0) != (i ? -EAGAIN : -EPIPE))
			_exit(4 + i);
	if (!say(c) || !hear(c))
		_exit(6);
	_exit(recv_nr(sub, 0) == -EAGAIN ? 0 : 7);
}

static void *send_main(void *arg)
{
	return send_nr(arg, 100, in_ms(10000)) ? arg : NULL;
}

TEST_F(death, subscriber_killed)
{
	pthread_t thread;
	struct child c;
	void *failed;

	if (child_start(&c))
		subscribe_and_wait(&c);
	ASSERT_TRUE(hear(&c));
	if (!without_module(self->sub))
		EXPECT_EQ(2, counts_of_topic(self->sub).receivers);
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
	}
	ASSERT_TRUE(say(&c));
	ASSERT_TRUE(hear(&c));
	ASSERT_EQ(-EAGAIN, send_nr(self->pub, 0, IPCX_NOWAIT));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_main, self->pub));
	usleep(50000);
	ASSERT_EQ(128 + SIGKILL, child_kill(&c));
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(100, recv_nr(self->sub, IPCX_NOWAIT));
	if (!without_module(self->sub))
		EXPECT_EQ(1, counts_of_topic(self->sub).receivers);
}

/* A subscriber that is stopped is cut off at lag_max; the others go on. */
TEST_F(death, subscriber_stopped)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .lag_max = DEPTH - 2);
	struct child c;

	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
	ASSERT_EQ(0, open_both(self, &opts));
	if (child_start(&c))
		subscribe_and_wait(&c);
	ASSERT_TRUE(hear(&c));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
	}
	ASSERT_TRUE(say(&c));
	ASSERT_TRUE(hear(&c));
	kill(c.pid, SIGSTOP);
	for (int i = 5; i < 100; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
	}
	kill(c.pid, SIGCONT);
	ASSERT_TRUE(say(&c));
	ASSERT_TRUE(hear(&c));
	ASSERT_EQ(0, send_nr(self->pub, 100, IPCX_NOWAIT));
	ASSERT_TRUE(say(&c));
	EXPECT_EQ(0, exit_status(c.pid));
}

/* A member that writes into its own ring what cannot be */
static int scribble(const struct child *c)
{
	struct ipcx_topic_open o = {
		.size = sizeof(o),
		.flags = IPCX_TOPIC_PUBLISH,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
	};
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC), fd = xioctl(dev, IPCX_IOC_TOPIC_OPEN, &o);
	struct ipcx_cell *cells;
	char *ring;

	if (fd < 0)
		return 1;
	ring = mmap(NULL, 4096 + o.out_depth * 128, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    o.out_ring_offset + o.out_ring * o.out_ring_window);
	if (ring == MAP_FAILED)
		return 2;
	cells = (struct ipcx_cell *)(ring + 4096);
	for (int i = 0; i < o.out_depth; i++) {
		cells[i].len = UINT32_MAX;
		cells[i].word = (o.out_first + i + 1) << 2;
	}
	return say(c) && hear(c) ? 0 : 3;
}

TEST_F(death, nonsense)
{
	struct child c;

	if (over_unix(self->sub))
		SKIP(return, "needs IPCX_CAP_ZERO_COPY: there is no ring; see topic_unix_peer");
	if (over_shm(self->sub))
		SKIP(return, "needs the module; topic_shm does this without");
	if (child_start(&c))
		_exit(scribble(&c));
	ASSERT_TRUE(hear(&c));
	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	ASSERT_EQ(0, send_nr(self->pub, 2, IPCX_NOWAIT));
	/* once, and nothing else is lost */
	for (int i = 0, proto = 0, next = 1; i < 3; i++) {
		int64_t nr = recv_nr(self->sub, IPCX_NOWAIT);

		if (nr == -EPROTO)
			proto++;
		else
			ASSERT_EQ(next++, nr);
		ASSERT_GE(1, proto);
	}
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	ASSERT_TRUE(say(&c));
	EXPECT_EQ(0, exit_status(c.pid));
	ASSERT_EQ(0, send_nr(self->pub, 3, IPCX_NOWAIT));
	EXPECT_EQ(3, recv_nr(self->sub, IPCX_NOWAIT));
}

/* In a forked child a handle is closed: each function says so. */
static int all_closed(struct ipcx_topic *pub, struct ipcx_topic *sub, struct ipcx_msg loan,
		      struct ipcx_msg taken)
{
	struct ipcx_msg m = {};
	char c;
	int r[8], n = 0;

	r[n++] = ipcx_topic_loan(pub, 1, &m, 0);
	r[n++] = ipcx_topic_commit(pub, &loan);
	r[n++] = ipcx_topic_cancel(pub, &loan);
	r[n++] = ipcx_topic_send(pub, "x", 1, 0);
	r[n++] = ipcx_topic_take(sub, &m, 0);
	r[n++] = ipcx_topic_release(sub, &taken);
	r[n++] = ipcx_topic_next(sub, &m, 0);
	r[n++] = ipcx_topic_recv(sub, &c, 1, 0);
	for (int i = 0; i < n; i++) {
		if (r[i] == -EBADF)
			continue;
		fprintf(stderr, "# function %d: %d\n", i, r[i]);
		return 1;
	}
	if (ipcx_topic_fd(pub) != -1 ||
	    (!over_unix(pub) && probe(taken.data, false) != SIGSEGV)) /* a copy is of nobody else */
		return 2;
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	return 0;
}

TEST_F(death, forked)
{
	struct ipcx_msg loan, taken;
	pid_t pid;

	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(self->sub, &taken, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_loan(self->pub, 8, &loan, IPCX_NOWAIT));
	pid = fork();
	if (!pid)
		_exit(all_closed(self->pub, self->sub, loan, taken));
	EXPECT_EQ(0, exit_status(pid));
	*(uint64_t *)loan.data = 2;
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &loan));
	ASSERT_EQ(0, ipcx_topic_release(self->sub, &taken));
	EXPECT_EQ(2, recv_nr(self->sub, IPCX_NOWAIT));
}

/* A child that inherits goes on where its parent stopped. */
TEST_F(death, inherited)
{
	struct ipcx_topic *pub, *sub;
	struct ipcx_msg loan, taken;
	pid_t pid;

	if (over_unix(self->sub)) {
		EXPECT_EQ(-EOPNOTSUPP,
			  ipcx_topic_open(&pub, NAME, IPCX_PUBLISH | IPCX_INHERIT, NULL));
		return;
	}
	if (over_shm(self->sub))
		SKIP(return, "needs the module, which alone has IPCX_INHERIT");
	ASSERT_EQ(0, ipcx_topic_open(&pub, NAME, IPCX_PUBLISH | IPCX_INHERIT, NULL));
	ASSERT_EQ(0, ipcx_topic_open(&sub, NAME, IPCX_SUBSCRIBE | IPCX_INHERIT, NULL));
	ASSERT_EQ(0, send_nr(pub, 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(sub, &taken, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_loan(pub, 8, &loan, IPCX_NOWAIT));
	pid = fork();
	if (!pid) {
		*(uint64_t *)loan.data = 2;
		if (*(uint64_t *)taken.data != 1 || ipcx_topic_commit(pub, &loan) ||
		    ipcx_topic_release(sub, &taken) || recv_nr(sub, 0) != 2)
			_exit(1);
		for (int i = 3; i < 3 * DEPTH; i++)
			if (send_nr(pub, i, in_ms(5000)) || recv_nr(sub, 0) != i)
				_exit(2);
		_exit(0);
	}
	for (int i = 1; i < 3 * DEPTH; i++)
		EXPECT_EQ(i, recv_nr(self->sub, in_ms(5000)));
	EXPECT_EQ(0, exit_status(pid));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

#define THREADS 3

struct shared {
	struct ipcx_topic *t;
	int n;
	uint64_t sum;
	int failed;
};

static void *publish_main(void *arg)
{
	struct shared *s = arg;

	for (int i = 1; i <= s->n; i++)
		if (send_nr(s->t, i, in_ms(20000)))
			s->failed++;
	return NULL;
}

static void *take_main(void *arg)
{
	struct shared *s = arg;
	struct ipcx_msg m;

	while (!ipcx_topic_take(s->t, &m, in_ms(20000))) {
		uint64_t nr = *(uint64_t *)m.data;

		if (ipcx_topic_release(s->t, &m))
			s->failed++;
		s->sum += nr;
		if (!nr)
			return NULL;
	}
	s->failed++;
	return NULL;
}

/* Threads share handles: each message once, each loan whole. */
TEST_F_TIMEOUT(death, threads, 120)
{
	struct shared pub[THREADS] = {}, sub[THREADS] = {};
	pthread_t pubs[THREADS], subs[THREADS];
	uint64_t n = rounds(10000), sum = 0;

	for (int i = 0; i < THREADS; i++) {
		pub[i] = (struct shared){ .t = self->pub, .n = n };
		sub[i] = (struct shared){ .t = self->sub };
		ASSERT_EQ(0, pthread_create(&subs[i], NULL, take_main, &sub[i]));
		ASSERT_EQ(0, pthread_create(&pubs[i], NULL, publish_main, &pub[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(pubs[i], NULL);
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(0, send_nr(self->pub, 0, in_ms(20000)));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(subs[i], NULL);
		EXPECT_EQ(0, pub[i].failed + sub[i].failed);
		sum += sub[i].sum;
	}
	EXPECT_EQ(THREADS * (n * (n + 1) / 2), sum);
	EXPECT_EQ(0, ipcx_topic_missed(self->sub));
}

#define COMMAND "build/bin/ipcx"

/* Built for 32 bits, this is one side, and the command of 64 bits the other. */
TEST_F(death, other_program_publishes)
{
	char text[LONG + 8];

	if (access(COMMAND, X_OK))
		SKIP(return, "there is no " COMMAND);
	ASSERT_EQ(0, system(COMMAND " pub " NAME " -m short -m $(printf %01000d 7)"));
	EXPECT_EQ(5, ipcx_topic_recv(self->sub, text, sizeof(text), IPCX_NOWAIT));
	EXPECT_EQ(0, memcmp(text, "short", 5));
	EXPECT_EQ(LONG, ipcx_topic_recv(self->sub, text, sizeof(text), IPCX_NOWAIT));
	EXPECT_EQ('7', text[LONG - 1]);
}

TEST_F(death, other_program_subscribes)
{
	char text[LONG] = "", line[LONG + 8] = "";
	FILE *f;

	if (access(COMMAND, X_OK))
		SKIP(return, "there is no " COMMAND);
	ipcx_topic_close(self->sub);
	self->sub = NULL;
	f = popen(COMMAND " sub " NAME " -n 2 --reliable --timeout 10s", "r");
	ASSERT_NE(NULL, f);
	for (int i = 0;
	     i < 1000 && !without_module(self->pub) && !counts_of_topic(self->pub).receivers; i++)
		usleep(10000);
	/* it is counted a moment before it has joined, and nowhere without the module */
	usleep(without_module(self->pub) ? 2000000 : 200000);
	memset(text, 'x', sizeof(text));
	ASSERT_EQ(0, ipcx_topic_send(self->pub, "short", 5, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_send(self->pub, text, sizeof(text), in_ms(10000)));
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("short\n", line);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_EQ(LONG + 1, strlen(line));
	EXPECT_EQ(0, memcmp(line, text, LONG));
	EXPECT_EQ(0, pclose(f));
}

TEST_HARNESS_MAIN
