// SPDX-License-Identifier: GPL-2.0-only
/* Topics as the kernel sees them: what members map, who wakes whom, how pairs begin and end. */
#include <pthread.h>
#include <sys/epoll.h>

#include "topic_util.h"

#include "../kselftest_harness.h"

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

static void *sleep_in_wait(void *arg)
{
	struct sleeper *s = arg;

	s->ret = raw_wait(s->m->fd, s->flags, in_ms(LONG_MS));
	return NULL;
}

static void *sleep_in_poll(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { s->m->fd, s->flags == IPCX_WAIT_ROOM ? POLLOUT : POLLIN };

	s->ret = poll(&p, 1, LONG_MS) == 1 && p.revents == p.events ? 0 : -ETIMEDOUT;
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

TEST_HARNESS_MAIN
