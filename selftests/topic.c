// SPDX-License-Identifier: GPL-2.0-only
/* Topics as the kernel sees them: what members map, who wakes whom, how pairs begin and end. */
#include <pthread.h>
#include <sys/epoll.h>

#include "topic_util.h"

#include "../kselftest_harness.h"

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define LONG_MS 5000 /* a sleeper that nobody wakes gives up then */

FIXTURE(topic)
{
	struct member pub, sub;
};

FIXTURE_SETUP(topic)
{
	memset(self, 0, sizeof(*self));
	self->pub.o.depth = 8;
	self->pub.o.msg_max = 8192;
	self->pub.o.first = (1ULL << 62) - 3; /* it wraps soon */
	ASSERT_EQ(0, member_open(&self->pub, "topic", CREATE | PUBLISH | EPHEMERAL));
	ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
}

FIXTURE_TEARDOWN(topic)
{
	if (self->pub.fd >= 0)
		member_close(&self->pub);
	if (self->sub.fd >= 0)
		member_close(&self->sub);
}

/* What the directory says of the ring of the publisher. */
#define RING(self) (&(self)->sub.dir->ring[0])

TEST_F(topic, layout)
{
	const struct ipcx_topic_open *o = &self->pub.o;

	EXPECT_EQ(0, o->out_ring);
	EXPECT_EQ(-1, o->out_sub);
	EXPECT_EQ(0, self->sub.o.out_sub);
	EXPECT_EQ(-1, self->sub.o.out_ring);
	EXPECT_EQ(8, o->out_depth);
	EXPECT_EQ(8192, o->out_msg_max);
	EXPECT_EQ(8192, o->out_stride);
	EXPECT_EQ(8 * 8192, o->out_bytes_max);
	EXPECT_EQ(2 * PAGE, o->out_ring_window);
	EXPECT_EQ(8 * 8192, o->out_data_window);
	EXPECT_LE(PAGE, o->out_control_offset);
	EXPECT_LE(control_offset(&self->pub, IPCX_TOPIC_SUBS), o->out_ring_offset);
	EXPECT_LE(ring_offset(&self->pub, IPCX_TOPIC_RINGS), o->out_data_offset);
	EXPECT_EQ(o->first, o->out_first);
	EXPECT_EQ(o->out_id, self->sub.o.out_id);
	EXPECT_EQ(0600, self->sub.o.out_mode);
	EXPECT_EQ(IPCX_OPEN_EPHEMERAL, self->sub.o.out_flags);
	EXPECT_EQ(o->first, self->pub.ring->head);
	EXPECT_EQ(o->first, self->sub.control->cursor[0]);
	EXPECT_EQ(1, RING(self)->subs[0]);
	EXPECT_EQ(1, self->sub.dir->reliable[0]);
	for (uint64_t p = o->first - 8; p != o->first; p++)
		EXPECT_EQ(p << 2 | IPCX_CELL_SKIPPED, cell_at(self->pub.ring, &self->pub, p)->word);
}

TEST_F(topic, publish_and_take)
{
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(-1, take(&self->sub, 0));
		EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
		EXPECT_EQ(0, publish(&self->pub, i));
		EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
		EXPECT_EQ(i, take(&self->sub, 0));
	}
	/* nobody slept, nobody was asked for a kick */
	EXPECT_EQ(0, RING(self)->attention);
	EXPECT_EQ(0, self->sub.dir->attention);
}

struct sleeper {
	pthread_t thread;
	struct member *m;
	unsigned int flags;
	int ret;
};

/* Who was not woken looks once more when its time is over, and may find something: too late. */
static int wait_long(const struct member *m, unsigned int flags)
{
	int64_t end = in_ms(LONG_MS);
	int ret = raw_wait(m->fd, flags, end);

	return ret || now_ns() < end ? ret : -ETIMEDOUT;
}

static void *sleep_in_wait(void *arg)
{
	struct sleeper *s = arg;

	s->ret = wait_long(s->m, s->flags);
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { s->m->fd, s->flags == IPCX_WAIT_ROOM ? POLLOUT : POLLIN };
	int64_t end = in_ms(LONG_MS);
	bool found = poll(&p, 1, LONG_MS) == 1 && p.revents == p.events;

	s->ret = found && now_ns() < end ? 0 : -ETIMEDOUT;
	return NULL;
}

static void asleep(struct sleeper *s, struct member *m, unsigned int flags, void *(*how)(void *))
{
	s->m = m;
	s->flags = flags;
	s->ret = -1;
	pthread_create(&s->thread, NULL, how, s);
	usleep(100000);
}

static int woken(struct sleeper *s)
{
	pthread_join(s->thread, NULL);
	return s->ret;
}

static void *(*const ways[])(void *) = { sleep_in_wait, sleep_in_poll };

TEST_F(topic, sleep_until_published)
{
	struct sleeper s;

	for (int i = 0; i < 4; i++) {
		asleep(&s, &self->sub, IPCX_WAIT_MESSAGE, ways[i % 2]);
		EXPECT_EQ(i + 1, RING(self)->attention);
		EXPECT_EQ(0, publish(&self->pub, i));
		EXPECT_EQ(i + 1, self->pub.kicked);
		EXPECT_EQ(0, woken(&s));
		EXPECT_EQ(i, take(&self->sub, 0));
	}
}

TEST_F(topic, sleep_until_room)
{
	struct sleeper s;

	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
		EXPECT_EQ(0, publish(&self->pub, i));
	}
	EXPECT_EQ(-EAGAIN, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	for (int i = 0; i < 4; i++) {
		asleep(&s, &self->pub, IPCX_WAIT_ROOM, ways[i % 2]);
		EXPECT_EQ(i + 1, self->sub.dir->attention);
		EXPECT_EQ(i, take(&self->sub, 0));
		EXPECT_EQ(i + 1, self->sub.kicked);
		EXPECT_EQ(0, woken(&s));
		EXPECT_EQ(0, publish(&self->pub, 8 + i));
	}
}

TEST_F(topic, deadline)
{
	int64_t deadline = in_ms(50);

	EXPECT_EQ(-ETIMEDOUT, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, deadline));
	EXPECT_LE(deadline, now_ns());
}

TEST_F(topic, publisher_dies)
{
	uint64_t id = RING(self)->id, end = position(self->pub.o.first + 2);
	struct sleeper s;
	struct member next = {};

	EXPECT_EQ(0, publish(&self->pub, 1));
	EXPECT_EQ(0, publish(&self->pub, 2));
	EXPECT_EQ(1, take(&self->sub, 0));
	EXPECT_EQ(2, take(&self->sub, 0));
	asleep(&s, &self->sub, IPCX_WAIT_MESSAGE, sleep_in_wait);
	member_close(&self->pub);
	EXPECT_EQ(0, woken(&s));
	EXPECT_EQ(IPCX_RING_DEAD, RING(self)->flags);
	EXPECT_EQ(end, RING(self)->end);
	EXPECT_EQ(id, RING(self)->id);
	/* its memory is still there, and so its place is not */
	EXPECT_EQ(2, cell_at(ring_of(&self->sub, 0), &self->sub, end - 1)->tag);
	ASSERT_EQ(0, member_open(&next, "topic", PUBLISH));
	EXPECT_EQ(1, next.o.out_ring);
	member_close(&next);
	EXPECT_EQ(IPCX_LEFT_DEAD, raw_leave(self->sub.fd, 0, id));
	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 0, id));
	EXPECT_EQ(0, RING(self)->id);
	EXPECT_EQ(0, cell_at(ring_of(&self->sub, 0), &self->sub, end - 1)->tag);
	ASSERT_EQ(0, member_open(&self->pub, "topic", PUBLISH));
	EXPECT_EQ(0, self->pub.o.out_ring);
	EXPECT_LT(id, RING(self)->id);
	EXPECT_EQ(0, RING(self)->flags);
	EXPECT_EQ(0, publish(&self->pub, 3));
	EXPECT_EQ(3, take(&self->sub, 0));
}

/* An edge-triggered loop that takes one message a time gets them all, and then sleeps. */
TEST_F(topic, edge_triggered)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), got = 0, in_vain = 0;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->sub.fd, &e));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	while (got < 5 && in_vain < 5 && epoll_wait(ep, &e, 1, 500) == 1) {
		int64_t tag = take(&self->sub, 0);

		if (tag == got)
			got++;
		else
			in_vain++;
		if (got == 2 && !in_vain) {
			EXPECT_EQ(0, publish(&self->pub, 3));
			EXPECT_EQ(0, publish(&self->pub, 4));
		}
	}
	EXPECT_EQ(5, got);
	/* what is not taken is told no more than twice */
	EXPECT_EQ(0, publish(&self->pub, 5));
	for (in_vain = 0; in_vain < 5 && epoll_wait(ep, &e, 1, 200) == 1; in_vain++)
		;
	EXPECT_GE(2, in_vain);
	EXPECT_LE(1, in_vain);
	close(ep);
}

TEST_F(topic, level_triggered)
{
	struct pollfd p = { self->sub.fd, POLLIN };

	EXPECT_EQ(0, publish(&self->pub, 1));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(1, poll(&p, 1, LONG_MS));
	EXPECT_EQ(1, take(&self->sub, 0));
	EXPECT_EQ(0, poll(&p, 1, 0));
	p.events = POLLOUT; /* it does not publish */
	EXPECT_EQ(0, poll(&p, 1, 0));
}

/* A ring that comes while somebody sleeps is one that the sleeper has not asked for a kick. */
TEST_F(topic, sleep_until_another_publishes)
{
	struct member other = {};
	struct sleeper s;

	for (int i = 0; i < 2; i++) {
		asleep(&s, &self->sub, IPCX_WAIT_MESSAGE, ways[i]);
		ASSERT_EQ(0, member_open(&other, "topic", PUBLISH));
		EXPECT_EQ(1, other.o.out_ring);
		usleep(50000);
		EXPECT_EQ(0, publish(&other, 7));
		EXPECT_EQ(0, woken(&s));
		EXPECT_EQ(7, take(&self->sub, 1));
		member_close(&other);
		EXPECT_EQ(IPCX_LEFT_DEAD, raw_leave(self->sub.fd, 1, self->sub.dir->ring[1].id));
	}
}

TEST_F(topic, subscriber_dies)
{
	struct sleeper s;

	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	EXPECT_EQ(-EAGAIN, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	asleep(&s, &self->pub, IPCX_WAIT_ROOM, sleep_in_poll);
	member_close(&self->sub);
	EXPECT_EQ(0, woken(&s));
	EXPECT_EQ(0, self->pub.dir->ring[0].subs[0]);
	EXPECT_EQ(0, self->pub.dir->reliable[0]);
	EXPECT_EQ(0, *(const uint64_t *)self->pub.controls);
}

TEST_F(topic, room_of_lossy)
{
	struct member lossy = {};

	ASSERT_EQ(0, member_open(&lossy, "topic", SUBSCRIBE | LOSSY));
	EXPECT_EQ(3, RING(self)->subs[0]);
	EXPECT_EQ(1, self->pub.dir->reliable[0]);
	member_close(&self->sub);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
		EXPECT_EQ(0, publish(&self->pub, i));
	}
	EXPECT_EQ(0, raw_wait(lossy.fd, IPCX_WAIT_MESSAGE, 0));
	member_close(&lossy);
}

/* A position that was overwritten is something to take note of even while nothing is there. */
TEST_F(topic, readable_words)
{
	uint64_t p = self->pub.o.first;
	int ret;
	struct cases {
		uint64_t word;
		int ret;
	} cases[] = {
		{ p << 2 | IPCX_CELL_PUBLISHED, 0 },
		{ p << 2 | IPCX_CELL_SKIPPED, 0 },
		{ p << 2 | IPCX_CELL_CANCELED, 0 },
		{ p << 2 | IPCX_CELL_WRITING, -EAGAIN },
		{ (p - 8) << 2 | IPCX_CELL_PUBLISHED, -EAGAIN },
		{ (p + 8) << 2 | IPCX_CELL_WRITING, 0 },
		{ (p + 8) << 2 | IPCX_CELL_PUBLISHED, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cell_at(self->pub.ring, &self->pub, p)->word = cases[i].word;
		ret = raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0);
		EXPECT_EQ(cases[i].ret, ret) TH_LOG("case %zu", i);
	}
}

#define STRESS 20000

static void *stress_publish(void *arg)
{
	struct member *m = arg;
	const struct ipcx_control *c = (void *)m->controls;

	for (int i = 0; i < rounds(STRESS); i++) {
		while (position(m->ring->head - READ_ONCE(c->cursor[0])) >= 8)
			if (wait_long(m, IPCX_WAIT_ROOM))
				return (void *)1;
		if (publish(m, i))
			return (void *)2;
	}
	return NULL;
}

/* Two that both sleep whenever they can: no wake-up is lost, and each arrives once. */
TEST_F(topic, nobody_oversleeps)
{
	pthread_t thread;
	int64_t tag;
	void *ret;

	pthread_create(&thread, NULL, stress_publish, &self->pub);
	for (int i = 0; i < rounds(STRESS); i++) {
		while ((tag = take(&self->sub, 0)) == -1)
			ASSERT_EQ(0, wait_long(&self->sub, IPCX_WAIT_MESSAGE));
		ASSERT_EQ(i, tag);
	}
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	TH_LOG("%u sleeps for messages, %u for room", RING(self)->attention,
	       self->sub.dir->attention);
}

/* A child that got the pages all the same: its CPUs have to see it, too, when somebody sleeps. */
TEST_F(topic, inherited_window)
{
	struct sleeper s;
	pid_t child;

	ASSERT_EQ(0, madvise(self->pub.ring, self->pub.o.out_ring_window, MADV_DOFORK));
	ASSERT_EQ(0, madvise((void *)self->pub.dir, PAGE, MADV_DOFORK));
	asleep(&s, &self->sub, IPCX_WAIT_MESSAGE, sleep_in_wait);
	child = fork();
	if (!child)
		_exit(publish(&self->pub, 9));
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(0, woken(&s));
	EXPECT_EQ(9, take(&self->sub, 0));
}

/* Pairs: how they begin and end. */

TEST_F(topic, history)
{
	const struct {
		unsigned int history;
		int back;
	} cases[] = { { 0, 0 }, { 3, 3 }, { 7, 7 }, { 8, 7 }, { ~0U, 7 } };

	member_close(&self->sub);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	self->sub.o.history = 7; /* more than there ever was */
	ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
	EXPECT_EQ(0, take(&self->sub, 0));
	member_close(&self->sub);
	for (int i = 2; i < 20; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		self->sub.o.history = cases[i].history;
		ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
		EXPECT_EQ(position(self->pub.ring->head - cases[i].back),
			  self->sub.control->cursor[0]);
		EXPECT_EQ(cases[i].back ? 20 - cases[i].back : -1, take(&self->sub, 0));
		member_close(&self->sub);
	}
}

/* A head that cannot be: a newcomer gets some cursor, and nothing else happens. */
TEST_F(topic, history_of_a_liar)
{
	struct member sub = {};

	for (unsigned int bit = 0; bit < 64; bit += 7) {
		self->pub.ring->head = (self->pub.o.first + 1) ^ 1ULL << bit;
		sub.o.history = ~0U;
		ASSERT_EQ(0, member_open(&sub, "topic", SUBSCRIBE));
		EXPECT_EQ(0, sub.control->cursor[0] >> 62);
		raw_wait(sub.fd, IPCX_WAIT_MESSAGE, 0);
		raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0);
		raw_evict(self->pub.fd, sub.o.out_sub, 0);
		member_close(&sub);
	}
}

TEST_F(topic, eviction_without_reason)
{
	struct member lossy = {};

	ASSERT_EQ(0, member_open(&lossy, "topic", SUBSCRIBE | LOSSY));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	EXPECT_EQ(-EAGAIN, raw_evict(self->pub.fd, 0, 0));
	EXPECT_EQ(-EAGAIN, raw_evict(self->pub.fd, 0, IPCX_EVICT_SKIPS));
	EXPECT_EQ(-EAGAIN, raw_evict(self->pub.fd, 1, 0));
	EXPECT_EQ(-ENOENT, raw_evict(self->pub.fd, 2, 0));
	EXPECT_EQ(-EPERM, raw_evict(self->sub.fd, 0, 0));
	EXPECT_EQ(3, RING(self)->subs[0]);
	member_close(&lossy);
}

/* What an evicted subscriber is told, and that it is out for good. */
static bool out(FIXTURE_DATA(topic) *self, struct member *sub, int flags)
{
	uint64_t bit = 1ULL << sub->o.out_sub, id = RING(self)->id;
	uint32_t generation;
	bool ok;

	ok = !(RING(self)->subs[0] & bit) && RING(self)->evicted[0] & bit &&
	     raw_evict(self->pub.fd, sub->o.out_sub, 0) == -ENOENT &&
	     !raw_wait(sub->fd, IPCX_WAIT_MESSAGE, 0);
	generation = self->pub.dir->generation;
	return ok && raw_leave(sub->fd, 0, id) == flags && !(RING(self)->evicted[0] & bit) &&
	       generation != self->pub.dir->generation && RING(self)->id == id &&
	       raw_leave(sub->fd, 0, id) == -ENOENT &&
	       raw_wait(sub->fd, IPCX_WAIT_MESSAGE, 0) == -EAGAIN;
}

TEST_F(topic, eviction_for_contradiction)
{
	struct sleeper s;

	EXPECT_EQ(0, publish(&self->pub, 1));
	EXPECT_EQ(1, take(&self->sub, 0));
	asleep(&s, &self->sub, IPCX_WAIT_MESSAGE, sleep_in_wait);
	EXPECT_EQ(0, cursor_set(&self->sub, 0, self->pub.ring->head + 1));
	EXPECT_EQ(0, raw_evict(self->pub.fd, 0, 0));
	EXPECT_EQ(0, woken(&s));
	EXPECT_TRUE(out(self, &self->sub, IPCX_LEFT_EVICTED | IPCX_LEFT_PROTO));
}

TEST_F(topic, eviction_for_skips)
{
	struct member lossy = {};

	ASSERT_EQ(0, member_open(&lossy, "topic", SUBSCRIBE | LOSSY));
	EXPECT_EQ(0, raw_evict(self->pub.fd, 1, IPCX_EVICT_SKIPS));
	EXPECT_TRUE(out(self, &lossy, IPCX_LEFT_EVICTED | IPCX_LEFT_PROTO));
	EXPECT_EQ(1, RING(self)->subs[0]);
	member_close(&lossy);
}

TEST_F(topic, eviction_for_lag)
{
	struct member pub = { .o = { .depth = 8, .lag_max = 3 } }, sub = {};

	ASSERT_EQ(0, member_open(&pub, "lag", CREATE | PUBLISH | EPHEMERAL));
	ASSERT_EQ(0, member_open(&sub, "lag", SUBSCRIBE));
	EXPECT_EQ(3, sub.o.out_lag_max);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EAGAIN, raw_evict(pub.fd, 0, 0));
		EXPECT_EQ(0, publish(&pub, i));
	}
	EXPECT_EQ(0, raw_evict(pub.fd, 0, 0));
	EXPECT_EQ(IPCX_LEFT_EVICTED, raw_leave(sub.fd, 0, sub.dir->ring[0].id));
	member_close(&pub);
	member_close(&sub);
}

TEST_F(topic, evicted_then_dead)
{
	uint64_t id = RING(self)->id;

	EXPECT_EQ(0, cursor_set(&self->sub, 0, self->pub.ring->head + 1));
	EXPECT_EQ(0, raw_evict(self->pub.fd, 0, 0));
	member_close(&self->pub);
	/* the ring is not kept for it, but the reason is */
	EXPECT_EQ(0, RING(self)->id);
	EXPECT_EQ(1, RING(self)->evicted[0]);
	EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(IPCX_LEFT_LOST | IPCX_LEFT_PROTO, raw_leave(self->sub.fd, 0, id));
	EXPECT_EQ(0, RING(self)->evicted[0]);
	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 0, 0));
}

TEST_F(topic, leave_the_living)
{
	uint64_t id = RING(self)->id;

	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 0, id + 1));
	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 0, 0));
	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 1, 0));
	EXPECT_EQ(0, publish(&self->pub, 1));
	EXPECT_EQ(0, raw_leave(self->sub.fd, 0, id));
	EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(0, RING(self)->subs[0]);
	EXPECT_EQ(id, RING(self)->id);
	member_close(&self->pub);
	EXPECT_EQ(0, RING(self)->id);
}

TEST_F(topic, too_many_publishers)
{
	struct member pubs[IPCX_TOPIC_RINGS] = {}, more = {};
	uint64_t id;

	for (int i = 1; i < IPCX_TOPIC_RINGS; i++)
		ASSERT_EQ(0, member_open(&pubs[i], "topic", PUBLISH));
	EXPECT_EQ(-ENOSPC, member_open(&more, "topic", PUBLISH));
	EXPECT_EQ(0, publish(&pubs[7], 0)); /* or it had read all */
	member_close(&pubs[7]);
	member_close(&pubs[3]);
	id = self->sub.dir->ring[7].id;
	/* that which died first makes place */
	ASSERT_EQ(0, member_open(&more, "topic", PUBLISH));
	EXPECT_EQ(7, more.o.out_ring);
	EXPECT_EQ(0, publish(&more, 1));
	EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(0, self->sub.dir->ring[7].subs[0]);
	EXPECT_EQ(1, self->sub.dir->ring[7].evicted[0]);
	EXPECT_EQ(-ENOENT, raw_leave(self->sub.fd, 7, id - 1));
	EXPECT_EQ(IPCX_LEFT_LOST, raw_leave(self->sub.fd, 7, id));
	EXPECT_EQ(1, self->sub.dir->ring[7].subs[0]);
	EXPECT_EQ(IPCX_LEFT_DEAD, raw_leave(self->sub.fd, 3, self->sub.dir->ring[3].id));
	EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(0, publish(&more, 2));
	EXPECT_EQ(2, take(&self->sub, 7));
	member_close(&more);
	for (int i = 1; i < IPCX_TOPIC_RINGS; i++)
		if (pubs[i].fd > 0)
			member_close(&pubs[i]);
}

TEST_HARNESS_MAIN
