// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll, cell by cell: how it is watched x what makes the queue readable or
 * writable. Then many queues in one loop: no event is missing, none is wrong.
 */
#include <sys/epoll.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define LONG_MS 10000 /* who is not woken gives up then */
#define EVERYTHING (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* Ways to watch; @again: an event that nothing was done about is told again. */
static const struct mode {
	const char *name;
	uint32_t flags;
	bool again;
} modes[] = {
	{ "level", 0, true },
	{ "edge", EPOLLET, false },
	{ "oneshot", EPOLLONESHOT, false },
	{ "exclusive", EPOLLEXCLUSIVE, true },
	{ "exclusive edge", EPOLLEXCLUSIVE | EPOLLET, false },
	{},
};

#define MODES (ARRAY_SIZE(modes) - 1)

/* One descriptor in an epoll of its own. */
struct watch {
	int ep, fd;
	struct epoll_event ev;
};

static int watch_add(struct watch *w, int fd, uint32_t events)
{
	w->ep = epoll_create1(EPOLL_CLOEXEC);
	w->fd = fd;
	w->ev.events = events;
	return epoll_ctl(w->ep, EPOLL_CTL_ADD, fd, &w->ev);
}

/* What is to be told now. */
static uint32_t told(struct watch *w)
{
	struct epoll_event ev;

	return epoll_wait(w->ep, &ev, 1, 0) == 1 ? ev.events : 0;
}

/* Likewise, after something happened; one that was told once is armed again. */
static uint32_t told_news(struct watch *w)
{
	uint32_t events = told(w);

	if (events || !(w->ev.events & EPOLLONESHOT))
		return events;
	return epoll_ctl(w->ep, EPOLL_CTL_MOD, w->fd, &w->ev) ? 0 : told(w);
}

/* A queue of two slots: @e is watched, things happen at the others. */
FIXTURE(epoll)
{
	struct end e, o[2];
	struct ipcx_desc d[2];
	pid_t child[2];
};

FIXTURE_SETUP(epoll)
{
	memset(self, 0, sizeof(*self));
	self->e.o.depth = 2;
	self->e.o.msg_max = 4096;
	ASSERT_EQ(0, end_open(&self->e, "epoll", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, end_open(&self->o[i], "epoll", SENDRECV));
}

FIXTURE_TEARDOWN(epoll)
{
	for (int i = 0; i < 2; i++)
		end_close(&self->o[i]);
	end_close(&self->e);
}

typedef FIXTURE_DATA(epoll) fix;

static bool others_close(fix *self, int i)
{
	end_close(&self->o[i]);
	return !end_open(&self->o[i], "epoll", SENDRECV);
}

/* A child with an endpoint of its own that takes or loans, and waits to be killed. */
static bool child_holds(fix *self, int i, bool takes)
{
	int ready[2];
	char c;

	if (pipe(ready))
		return false;
	self->child[i] = fork();
	if (!self->child[i]) {
		struct end own = {};
		struct ipcx_desc d;

		for (int j = 0; j < 2; j++)
			end_close(&self->o[j]);
		if (end_open(&own, "epoll", SENDRECV) ||
		    (takes ? raw_take(own.fd, &d, 0) : raw_loan(own.fd, &d, 8, 0)) != 1 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	i = read(ready[0], &c, 1);
	close(ready[0]);
	return i == 1;
}

static bool child_dies(fix *self, int i)
{
	return !kill(self->child[i], SIGKILL) && exit_status(self->child[i]) == 128 + SIGKILL;
}

/* What each cause needs before, and the cause itself. */
static bool nothing(fix *self, int i)
{
	return true;
}

static bool queued(fix *self, int i)
{
	return raw_send(&self->e, 8, 'q') == 1;
}

static bool taken(fix *self, int i)
{
	return queued(self, i) && raw_take(self->o[i].fd, &self->d[i], 0) == 1;
}

static bool loaned(fix *self, int i)
{
	return raw_loan(self->o[i].fd, &self->d[i], 8, 0) == 1;
}

static bool taken_by_child(fix *self, int i)
{
	return queued(self, i) && child_holds(self, i, true);
}

static bool loaned_by_child(fix *self, int i)
{
	return child_holds(self, i, false);
}

static bool commits(fix *self, int i)
{
	return raw_send(&self->o[i], 8, 'c') == 1;
}

static bool writes(fix *self, int i)
{
	return write(self->o[i].fd, "12345678", 8) == 8;
}

static bool nacks(fix *self, int i)
{
	return raw_done(self->o[i].fd, IPCX_IOC_QUEUE_RELEASE, &self->d[i], IPCX_RELEASE_NACK) == 1;
}

static bool releases(fix *self, int i)
{
	return raw_release(self->o[i].fd, &self->d[i]) == 1;
}

/* Releases and would take another, which is not there. */
static bool goes_on(fix *self, int i)
{
	return raw_next(self->o[i].fd, &self->d[i], 0) == -EAGAIN;
}

static bool cancels(fix *self, int i)
{
	return raw_cancel(self->o[i].fd, &self->d[i]) == 1;
}

static bool reads(fix *self, int i)
{
	char buf[8];

	return read(self->o[i].fd, buf, 8) == 8;
}

struct cause {
	const char *name;
	bool (*before)(fix *self, int i);
	bool (*happens)(fix *self, int i);
};

/*
 * Twice the cause, each by another endpoint: nothing before, told after the
 * first, told again or not when nothing was done, told after the second.
 */
static void cell(struct __test_metadata *_metadata, fix *self, const struct mode *m,
		 const struct cause *c, uint32_t event)
{
	struct watch w;

	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(c->before(self, i));
	ASSERT_EQ(0, watch_add(&w, self->e.fd, m->flags | event));
	EXPECT_EQ(0, told(&w)) TH_LOG("%s, %s: before", m->name, c->name);
	ASSERT_TRUE(c->happens(self, 0));
	EXPECT_EQ(event, told(&w)) TH_LOG("%s, %s: first", m->name, c->name);
	EXPECT_EQ(m->again ? event : 0, told(&w)) TH_LOG("%s, %s: again", m->name, c->name);
	ASSERT_TRUE(c->happens(self, 1));
	EXPECT_EQ(m->flags & EPOLLONESHOT ? 0 : event, told(&w))
	TH_LOG("%s, %s: second", m->name, c->name);
	if (m->flags & EPOLLONESHOT) {
		EXPECT_EQ(event, told_news(&w)) TH_LOG("%s, %s: armed", m->name, c->name);
	}
	/* undone: nobody is told any more */
	for (int i = 0; i < 2; i++) {
		if (event == EPOLLIN) {
			ASSERT_EQ(1, raw_take(self->e.fd, &self->d[i], 0));
			ASSERT_EQ(1, raw_release(self->e.fd, &self->d[i]));
		} else {
			ASSERT_EQ(1, raw_loan(self->e.fd, &self->d[i], 8, 0));
		}
	}
	EXPECT_EQ(0, told(&w)) TH_LOG("%s, %s: undone", m->name, c->name);
	for (int i = 0; i < 2 && event == EPOLLOUT; i++)
		ASSERT_EQ(1, raw_cancel(self->e.fd, &self->d[i]));
	close(w.ep);
}

TEST_F(epoll, readable)
{
	const struct cause causes[] = {
		{ "commit", nothing, commits },
		{ "write", nothing, writes },
		{ "nack", taken, nacks },
		{ "close", taken, others_close },
		{ "death", taken_by_child, child_dies },
		{},
	};

	for (const struct mode *m = modes; m->name; m++)
		for (const struct cause *c = causes; c->name; c++)
			cell(_metadata, self, m, c, EPOLLIN);
}

TEST_F(epoll, writable)
{
	const struct cause causes[] = {
		{ "release", taken, releases },
		{ "release by take", taken, goes_on },
		{ "read", queued, reads },
		{ "cancel", loaned, cancels },
		{ "close", loaned, others_close },
		{ "death", loaned_by_child, child_dies },
		{},
	};

	for (const struct mode *m = modes; m->name; m++)
		for (const struct cause *c = causes; c->name; c++)
			cell(_metadata, self, m, c, EPOLLOUT);
}

/* An end is told what it has the right to do, and nothing else. */
TEST_F(epoll, rights)
{
	struct end in = {}, out = {};
	struct watch w;

	ASSERT_EQ(0, end_open(&in, "epoll", IPCX_OPEN_RECV));
	ASSERT_EQ(0, end_open(&out, "epoll", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->e, 8, 'r')); /* readable and writable */
	for (const struct mode *m = modes; m->name; m++) {
		const uint32_t want = m->flags & EPOLLEXCLUSIVE ? EPOLLIN | EPOLLOUT : EVERYTHING;

		ASSERT_EQ(0, watch_add(&w, in.fd, m->flags | want));
		EXPECT_EQ(EPOLLIN, told(&w)) TH_LOG("%s", m->name);
		close(w.ep);
		ASSERT_EQ(0, watch_add(&w, out.fd, m->flags | want));
		EXPECT_EQ(EPOLLOUT, told(&w)) TH_LOG("%s", m->name);
		close(w.ep);
		ASSERT_EQ(0, watch_add(&w, self->e.fd, m->flags | want));
		EXPECT_EQ(EPOLLIN | EPOLLOUT, told(&w)) TH_LOG("%s", m->name);
		close(w.ep);
	}
	end_close(&in);
	end_close(&out);
}

/* Only removal (remove.c) hangs up: who sends next may come later. */
TEST(no_hang_up)
{
	struct end in = {}, out = {};
	struct watch w;

	ASSERT_EQ(0, end_open(&out, "up", CREATE | IPCX_OPEN_SEND));
	ASSERT_EQ(0, end_open(&in, "up", IPCX_OPEN_RECV));
	ASSERT_EQ(0, watch_add(&w, in.fd, EVERYTHING));
	end_close(&out);
	EXPECT_EQ(0, told(&w)); /* no sender is left */
	ASSERT_EQ(0, raw_unlink("up"));
	EXPECT_EQ(0, told(&w)); /* and none will ever come */
	end_close(&in);
	EXPECT_EQ(0, told(&w)); /* a closed descriptor leaves the epoll */
	close(w.ep);
}

/* A child that sleeps in epoll, alone with what it is told, and then takes or loans once. */
static pid_t exclusive_child(fix *self, uint32_t event, int *ready)
{
	pid_t pid = fork();

	if (!pid) {
		struct end own = {};
		struct epoll_event ev;
		struct ipcx_desc d;
		struct watch w;

		for (int i = 0; i < 2; i++)
			end_close(&self->o[i]);
		if (end_open(&own, "epoll", SENDRECV) ||
		    watch_add(&w, own.fd, event | EPOLLEXCLUSIVE) || write(ready[1], "r", 1) != 1)
			_exit(1);
		if (epoll_wait(w.ep, &ev, 1, LONG_MS) != 1)
			_exit(2);
		if ((event == EPOLLIN ? raw_take(own.fd, &d, 0) : raw_loan(own.fd, &d, 8, 0)) != 1)
			_exit(3);
		if (write(ready[1], "d", 1) != 1)
			_exit(1);
		pause(); /* what it has stays away from the other */
	}
	return pid;
}

/* Two such children, and @happens twice or once: each must get its own. */
static void both_get_one(struct __test_metadata *_metadata, fix *self, const struct cause *c,
			 int times, uint32_t event)
{
	int ready[2];
	pid_t pid[2];
	char ch;

	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(c->before(self, i));
	ASSERT_EQ(0, pipe(ready));
	for (int i = 0; i < 2; i++) {
		pid[i] = exclusive_child(self, event, ready);
		ASSERT_EQ(1, read(ready[0], &ch, 1));
	}
	close(ready[1]); /* children that gave up end the pipe */
	usleep(100000); /* asleep by now; if not, epoll tells them anyway */
	for (int i = 0; i < times; i++)
		ASSERT_TRUE(c->happens(self, i));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(1, read(ready[0], &ch, 1)) TH_LOG("%s: %d got one", c->name, i);
		EXPECT_EQ('d', ch);
	}
	for (int i = 0; i < 2; i++) {
		kill(pid[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, exit_status(pid[i])) TH_LOG("%s", c->name);
	}
	close(ready[0]);
	while (raw_take(self->e.fd, &self->d[0], 0) == 1)
		raw_release(self->e.fd, &self->d[0]);
}

static bool both_taken(fix *self, int i)
{
	return queued(self, i) && raw_take(self->o[0].fd, &self->d[i], 0) == 1;
}

static bool both_loaned(fix *self, int i)
{
	return raw_loan(self->o[0].fd, &self->d[i], 8, 0) == 1;
}

/* By one call */
static bool both_done(fix *self, unsigned long cmd)
{
	struct ipcx_queue_release r = {
		.size = sizeof(r),
		.descs = (uintptr_t)self->d,
		.count = 2,
		.desc_size = sizeof(*self->d),
	};

	return xioctl(self->o[0].fd, cmd, &r) == 2;
}

static bool commits_both(fix *self, int i)
{
	return both_done(self, IPCX_IOC_QUEUE_COMMIT);
}

static bool releases_both(fix *self, int i)
{
	return both_done(self, IPCX_IOC_QUEUE_RELEASE);
}

TEST_F(epoll, two_exclusive_receivers)
{
	const struct cause each = { "commit", nothing, commits };
	const struct cause array = { "commit of two", both_loaned, commits_both };
	const struct cause at_once = { "close", both_taken, others_close };

	both_get_one(_metadata, self, &each, 2, EPOLLIN);
	both_get_one(_metadata, self, &array, 1, EPOLLIN);
	both_get_one(_metadata, self, &at_once, 1, EPOLLIN);
}

TEST_F(epoll, two_exclusive_senders)
{
	const struct cause each = { "release", taken, releases };
	const struct cause array = { "release of two", both_taken, releases_both };
	const struct cause at_once = { "close", both_loaned, others_close };

	both_get_one(_metadata, self, &each, 2, EPOLLOUT);
	both_get_one(_metadata, self, &array, 1, EPOLLOUT);
	both_get_one(_metadata, self, &at_once, 1, EPOLLOUT);
}

/* Many queues, a sender and a receiver for each, all modes, full and empty all the time. */
#define QUEUES 100
#define SENDERS 2

/* One end of such a queue in a loop. */
struct loop_end {
	struct end e;
	uint64_t n; /* messages so far */
	const struct mode *mode;
	uint32_t event;
};

static const struct mode *mode_of(int q, uint32_t event)
{
	return &modes[(event == EPOLLIN ? q : q / MODES) % MODES];
}

static int loop_add(int ep, struct loop_end *l, int q, uint32_t event, int op)
{
	struct epoll_event ev = { .events = l->mode->flags | event, .data.u32 = q };

	return epoll_ctl(ep, op, l->e.fd, &ev);
}

static int loop_open(int ep, struct loop_end *l, int q, uint32_t event)
{
	char name[16];

	l->e.o = (struct ipcx_queue_open){ .depth = 1 + q % 4, .msg_max = 4096 };
	l->mode = mode_of(q, event);
	l->event = event;
	snprintf(name, sizeof(name), "loop-%d", q);
	if (end_open(&l->e, name, CREATE | (event == EPOLLIN ? IPCX_OPEN_RECV : IPCX_OPEN_SEND)))
		return -1;
	fcntl(l->e.fd, F_SETFL, O_NONBLOCK);
	return loop_add(ep, l, q, event, EPOLL_CTL_ADD);
}

/* Sends or receives a message, in place or by copy. Return: 1, -EAGAIN when it cannot. */
static int loop_one(struct loop_end *l, int q)
{
	uint64_t want = l->n << 8 | q, v = want;
	bool copy = q & 1;
	struct ipcx_desc d;
	int ret;

	if (l->event == EPOLLOUT && copy)
		return write(l->e.fd, &v, 8) == 8 ? 1 : -errno;
	if (l->event == EPOLLOUT) {
		ret = raw_loan(l->e.fd, &d, 8, 0);
		if (ret != 1)
			return ret;
		*(uint64_t *)tx_at(&l->e, &d) = v;
		return raw_commit(l->e.fd, &d);
	}
	if (copy) {
		ret = read(l->e.fd, &v, 8) == 8 ? 1 : -errno;
		return ret == 1 && v != want ? -EBADMSG : ret;
	}
	ret = raw_take(l->e.fd, &d, 0);
	if (ret != 1)
		return ret;
	v = *(const uint64_t *)rx_at(&l->e, &d);
	return v == want && !d.deliveries ? raw_release(l->e.fd, &d) : -EBADMSG;
}

/* What one event allows. Return: messages, or negative. */
static int loop_event(int ep, struct loop_end *l, int q, uint32_t events, uint64_t most)
{
	int done = 0, ret;

	if (events != l->event)
		return -EPROTO;
	do {
		if (l->n == most) /* a sender is ready, and waits for nothing more */
			break;
		ret = loop_one(l, q);
		if (ret == -EAGAIN && done)
			break;
		if (ret != 1) /* told, and not even one could be had */
			return ret;
		l->n++;
		done++;
	} while (l->mode->flags & EPOLLET);
	if (l->n == most && l->event == EPOLLOUT)
		return epoll_ctl(ep, EPOLL_CTL_DEL, l->e.fd, NULL) ? -errno : done;
	if (l->mode->flags & EPOLLONESHOT && loop_add(ep, l, q, l->event, EPOLL_CTL_MOD))
		return -errno;
	return done;
}

/* All queues from @first on in steps; @each messages through each. Return: 0 or what is wrong. */
static int loop_run(int first, int step, uint32_t event, uint64_t each)
{
	static struct loop_end l[QUEUES];
	struct epoll_event ev[16];
	int ep = epoll_create1(EPOLL_CLOEXEC), n, got;
	uint64_t left = 0;

	for (int q = first; q < QUEUES; q += step) {
		if (loop_open(ep, &l[q], q, event))
			return 1;
		left += each;
	}
	while (left) {
		n = epoll_wait(ep, ev, 16, LONG_MS);
		if (n <= 0)
			break; /* a wake-up is missing */
		for (int i = 0; i < n; i++) {
			int q = ev[i].data.u32;

			got = loop_event(ep, &l[q], q, ev[i].events, each);
			if (got < 0) {
				fprintf(stderr, "# queue %d, %s, event %x: %s\n", q,
					l[q].mode->name, ev[i].events, strerror(-got));
				return 2;
			}
			left -= got;
		}
	}
	for (int q = first; q < QUEUES; q += step)
		if (l[q].n != each)
			fprintf(stderr, "# queue %d, %s: stuck after %llu\n", q, l[q].mode->name,
				(unsigned long long)l[q].n);
	return left || (event == EPOLLIN && epoll_wait(ep, ev, 1, 0)) ? 3 : 0;
}

FIXTURE(many){};

FIXTURE_SETUP(many)
{
}

FIXTURE_TEARDOWN(many)
{
	char name[16];

	for (int q = 0; q < QUEUES; q++) {
		snprintf(name, sizeof(name), "loop-%d", q);
		raw_unlink(name);
	}
}

TEST_F_TIMEOUT(many, no_wake_up_is_lost, 500)
{
	uint64_t each = rounds_or(200000, 1000000) / QUEUES;
	int64_t start = now_ns();
	pid_t pid[SENDERS];

	for (int i = 0; i < SENDERS; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(loop_run(i, SENDERS, EPOLLOUT, each));
	}
	EXPECT_EQ(0, loop_run(0, 1, EPOLLIN, each));
	for (int i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, exit_status(pid[i]));
	TH_LOG("%d messages through %d queues in %lld ms", (int)each * QUEUES, QUEUES,
	       (long long)(now_ns() - start) / 1000000);
}

TEST_HARNESS_MAIN
