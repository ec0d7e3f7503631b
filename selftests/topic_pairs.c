// SPDX-License-Identifier: GPL-2.0-only
/* Pairs of a ring and a subscriber that end otherwise than by LEAVE: lost, or to be evicted. */
#include "topic_util.h"

#include "../kselftest_harness.h"

#define USER_BYTES_MAX "/sys/module/ipcx/parameters/user_bytes_max"

FIXTURE(pairs)
{
	struct member pub, sub;
	char limit[32];
};

FIXTURE_SETUP(pairs)
{
	memset(self, 0, sizeof(*self));
	ASSERT_TRUE(get_file(USER_BYTES_MAX, self->limit, sizeof(self->limit)));
	self->pub.o.depth = 8;
	self->pub.o.mode = 0666;
	ASSERT_EQ(0, member_open(&self->pub, "topic", CREATE | PUBLISH | EPHEMERAL));
	ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
}

FIXTURE_TEARDOWN(pairs)
{
	member_close(&self->sub);
	member_close(&self->pub);
}

/* Who never saw the ring that it lost names it by the one that is there. */
TEST_F(pairs, leave_what_was_never_seen)
{
	struct member pubs[IPCX_TOPIC_RINGS] = {}, more = {};

	for (int i = 1; i < IPCX_TOPIC_RINGS; i++)
		ASSERT_EQ(0, member_open(&pubs[i], "topic", PUBLISH));
	EXPECT_EQ(0, publish(&pubs[7], 0));
	member_close(&pubs[7]);
	ASSERT_EQ(0, member_open(&more, "topic", PUBLISH));
	ASSERT_EQ(7, more.o.out_ring);
	EXPECT_EQ(IPCX_LEFT_LOST, raw_leave(self->sub.fd, 7, self->sub.dir->ring[7].id));
	EXPECT_EQ(1, self->sub.dir->ring[7].subs[0]);
	EXPECT_EQ(0, self->sub.dir->ring[7].evicted[0]);
	EXPECT_EQ(0, publish(&more, 5));
	EXPECT_EQ(5, take(&self->sub, 7));
	/* one that has read everything may still be at it: it too has to leave first */
	member_close(&more);
	memset(&more, 0, sizeof(more));
	ASSERT_EQ(0, member_open(&more, "topic", PUBLISH));
	EXPECT_EQ(7, more.o.out_ring);
	EXPECT_EQ(1, self->sub.dir->ring[7].evicted[0]);
	EXPECT_EQ(0, self->sub.dir->ring[7].subs[0]);
	EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	/* who goes without having left it leaves nothing to who comes */
	member_close(&self->sub);
	EXPECT_EQ(0, more.dir->ring[7].evicted[0]);
	ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
	EXPECT_EQ(1, self->sub.dir->ring[7].subs[0]);
	EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	member_close(&more);
	for (int i = 1; i < IPCX_TOPIC_RINGS; i++)
		if (pubs[i].fd > 0)
			member_close(&pubs[i]);
}

/* A publisher need not wait for who makes no sense: it may evict it. */
TEST_F(pairs, room_beside_who_may_be_evicted)
{
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, publish(&self->pub, i));
	EXPECT_EQ(-EAGAIN, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	EXPECT_EQ(0, cursor_set(&self->sub, 0, self->pub.ring->head + 5));
	EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	EXPECT_EQ(0, raw_evict(self->pub.fd, 0, 0));
}

/* A publisher whose user has no memory left gets that of its dead rings that gate nobody. */
TEST_F(pairs, lossy_reader_pins_no_memory)
{
	struct member lossy = {}, more = {};
	int r, n = 0;

	member_close(&self->sub);
	ASSERT_EQ(0, member_open(&lossy, "topic", SUBSCRIBE | LOSSY));
	put_file(USER_BYTES_MAX, "100000");
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	for (; n < 40; n++) {
		memset(&more, 0, sizeof(more));
		r = member_open(&more, "topic", PUBLISH);
		if (r)
			break;
		publish(&more, n);
		member_close(&more);
	}
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	put_file(USER_BYTES_MAX, self->limit);
	EXPECT_EQ(0, r);
	EXPECT_EQ(40, n);
	member_close(&lossy);
	ASSERT_EQ(0, member_open(&self->sub, "topic", SUBSCRIBE));
}

/* But what a lossy one has in its hands stays as it is. */
TEST_F(pairs, held_is_not_reclaimed)
{
	struct member lossy = {}, more = {};
	uint64_t id = 0;
	int n = 0;

	ASSERT_EQ(0, member_open(&lossy, "topic", SUBSCRIBE | LOSSY));
	put_file(USER_BYTES_MAX, "100000");
	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	ASSERT_EQ(0, raw_leave(self->sub.fd, 0, self->sub.dir->ring[0].id));
	for (; n < 40; n++) {
		memset(&more, 0, sizeof(more));
		if (member_open(&more, "topic", PUBLISH))
			break;
		if (!n) {
			id = lossy.dir->ring[more.o.out_ring].id;
			lossy.control->hold[0] = 1 + more.o.out_ring * IPCX_TOPIC_DEPTH_MAX;
		}
		/* the reliable one is not to be in the way of what this is about */
		raw_leave(self->sub.fd, more.o.out_ring, lossy.dir->ring[more.o.out_ring].id);
		publish(&more, n);
		member_close(&more);
	}
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	put_file(USER_BYTES_MAX, self->limit);
	EXPECT_EQ(40, n);
	EXPECT_EQ(id, lossy.dir->ring[1].id);
	member_close(&lossy);
}

TEST_HARNESS_MAIN
