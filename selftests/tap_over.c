// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps that come late, whose queue goes, and that go themselves: nobody else notices them.
 */
#include "tap_fixture.h"

/* Of what was there before it, what waits or is held is shown; what is over is not even missed. */
TEST_F(tap, begins)
{
	const struct ipcx_tap_record *r;
	struct ipcx_desc d;
	int fd;

	for (int i = 1; i <= 4; i++)
		ASSERT_EQ(1, raw_send(&self->s.e, 100, i));
	ASSERT_EQ(1, take_away(&self->s));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	fd = tap_open(QUEUE, NAME, SNAP);
	for (int i = 2; i <= 4; i++) {
		r = tap_one(fd, SNAP);
		ASSERT_NE(NULL, r);
		EXPECT_EQ(i, r->seq);
		EXPECT_EQ(0, r->missed);
		EXPECT_TRUE(tap_all(r, i));
	}
	EXPECT_EQ(EAGAIN, errno_of(tap_one(fd, SNAP)));
	close(fd);
}

TEST_F(tap, sealed)
{
	struct side s = {};
	int fd;

	ASSERT_EQ(0, side_open(&s, "sealed",
			       CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEALED));
	fd = tap_open(QUEUE, "sealed", SNAP);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, raw_send(&s.e, 9000, i));
		ASSERT_EQ(1, take_away(&s));
		EXPECT_TRUE(tap_all(tap_one(fd, SNAP), i));
	}
	close(fd);
	end_close(&s.e);
}

TEST_F(tap, removed)
{
	int fd;

	ASSERT_EQ(1, raw_send(&self->s.e, 10, 'a'));
	ASSERT_EQ(0, raw_unlink_flags(NAME, IPCX_UNLINK_NOW));
	EXPECT_TRUE(tap_all(tap_one(self->fd, SNAP), 'a'));
	EXPECT_EQ(EIDRM, errno_of(tap_one(self->fd, SNAP)));
	ASSERT_EQ(-ENOENT, tap_open(QUEUE, NAME, 0));
	/* one that has lost its name, and then its ends */
	ASSERT_EQ(0, (end_close(&self->s.e), memset(&self->s, 0, sizeof(self->s)),
		      side_open(&self->s, NAME, CREATE | SENDRECV)));
	fd = tap_open(QUEUE, NAME, SNAP);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_unlink(NAME));
	EXPECT_EQ(EAGAIN, errno_of(tap_one(fd, SNAP)));
	ASSERT_EQ(1, raw_send(&self->s.e, 10, 'b'));
	end_close(&self->s.e);
	EXPECT_TRUE(tap_all(tap_one(fd, SNAP), 'b'));
	EXPECT_EQ(EIDRM, errno_of(tap_one(fd, SNAP)));
	close(fd);
	memset(&self->s, 0, sizeof(self->s));
	ASSERT_EQ(0, side_open(&self->s, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
}

/* It does not keep an ephemeral name. */
TEST_F(tap, ephemeral)
{
	end_close(&self->s.e);
	EXPECT_EQ(-ENOENT, tap_open(QUEUE, NAME, 0));
	EXPECT_EQ(EIDRM, errno_of(tap_one(self->fd, SNAP)));
	memset(&self->s, 0, sizeof(self->s));
	ASSERT_EQ(0, side_open(&self->s, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
}

static uint32_t queues(void)
{
	struct ipcx_info i = { .size = sizeof(i) };

	return device_ioctl(IPCX_IOC_INFO, &i) ? 0 : i.out_user_queues;
}

static uint64_t queued(struct end *e)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };

	return xioctl(e->fd, IPCX_IOC_QUEUE_STAT, &st) ? -1ULL : st.out_queued;
}

/*
 * A queue that nobody can open any more is no queue of its owner's, gives up no message, and does
 * not keep its dead-letter queue open. @unlinked: it loses its name after its last end
 */
static const char *ends_as_without(bool unlinked)
{
	static const char name[] = "dead";
	struct end q = { .o.depth = 4 }, dead = {};
	struct ipcx_desc d;
	uint32_t before = queues();
	const char *wrong = NULL;
	int fd;

	q.o.dead_letter = (uintptr_t)name;
	q.o.dead_letter_len = strlen(name);
	if (end_open(&dead, name, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
	    end_open(&q, "mortal", CREATE | SENDRECV | (unlinked ? 0 : IPCX_OPEN_EPHEMERAL)))
		return "cannot open";
	fd = tap_open(QUEUE, "mortal", SNAP);
	if (fd < 0 || raw_loan(q.fd, &d, 10, 0) != 1)
		return "no tap, or no loan";
	d.expires = now_ns() + 200000000;
	if (raw_commit(q.fd, &d) != 1 || queues() != before + 2)
		return "not sent";
	end_close(&q);
	if (unlinked && (queues() != before + 2 || raw_unlink("mortal")))
		return "gone too early";
	if (queues() != before + 1)
		wrong = "still a queue of its owner's";
	usleep(400000);
	if (queued(&dead))
		wrong = "it gave up a message";
	end_close(&dead);
	if (!raw_unlink(name))
		wrong = "its dead-letter queue kept its name";
	if (queues() != before)
		wrong = "its dead-letter queue is still one of its owner's";
	if (!tap_one(fd, SNAP) || errno_of(tap_one(fd, SNAP)) != EIDRM)
		wrong = "what was there is not shown";
	close(fd);
	return wrong;
}

TEST_F(tap, ends_as_without)
{
	EXPECT_STREQ("", ends_as_without(false) ?: "");
	EXPECT_STREQ("", ends_as_without(true) ?: "");
}

/* It is killed while it reads; see the teardown. */
TEST_F(tap, killed)
{
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid) {
			int fd = tap_open(QUEUE, NAME, SNAP);

			for (;;)
				tap_one(fd, SNAP);
		}
		for (int k = 0; k < 20; k++)
			ASSERT_EQ(1, raw_send(&self->s.e, 40000, i) == 1 ? take_away(&self->s) : 0);
		kill(pid, SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid));
	}
}

TEST_HARNESS_MAIN
