// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies over shared memory: an answer that was given stays the one, whoever receives after whom.
 */
#include "queue_shm_util.h"

/* A server that takes two messages, replies to the second or not, and stays as it is */
static void take_two(const struct child *c, bool replies)
{
	struct ipcx_msg m[2];
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_RECV) || ipcx_queue_take(q, &m[0], 0) || !say(c) || !hear(c) ||
	    ipcx_queue_take(q, &m[1], 0))
		_exit(1);
	if ((replies && answer(q, &m[1], false)) || !say(c))
		_exit(2);
	pause();
}

/* Who finds an old request again, because what came before it is held, leaves its place alone. */
TEST_F(call, place_of_an_old_request)
{
	struct ipcx_msg m;
	struct child c;

	ASSERT_EQ(0, queue_send(self->s, 7, 0));
	ASSERT_EQ(0, request(self->s, 1, 0));
	for (int generation = 0; generation < 2; generation++) {
		if (child_start(&c))
			take_two(&c, generation);
		ASSERT_TRUE(hear(&c));
		/* in the place of the old one, which is over since */
		if (generation)
			ASSERT_EQ(0, request(self->s, 2, 0));
		ASSERT_TRUE(say(&c) && hear(&c));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
		if (generation)
			break;
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, in_ms(5000)));
		EXPECT_EQ(IPCX_OWNERDEAD, m.flags);
		EXPECT_EQ(1, m.tag);
		ASSERT_EQ(0, ipcx_queue_release(self->s, &m));
	}
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	EXPECT_EQ(7, queue_recv(self->r, 0));
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, 0));
	EXPECT_TRUE(is_reply(&m, 2)) TH_LOG("flags %x", m.flags);
}

TEST_HARNESS_MAIN
