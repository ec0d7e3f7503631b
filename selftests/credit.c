// SPDX-License-Identifier: GPL-2.0-only
/* A user that floods a queue leaves each other one with a sender a slot. */
#include <pthread.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define POLITE 1000
#define THIRD 1001
#define DEPTH 4
#define PAGE 4096

FIXTURE(credit)
{
	struct end flood, polite, third;
	struct ipcx_desc d;
	struct counts c;
};

FIXTURE_SETUP(credit)
{
	memset(self, 0, sizeof(*self));
	self->flood.fd = -1;
	self->polite.fd = -1;
	self->third.fd = -1;
}

FIXTURE_TEARDOWN(credit)
{
	end_close(&self->third);
	end_close(&self->polite);
	end_close(&self->flood);
}

/* The queue is root's, who floods it and receives; @o: its attributes. */
static int open_flood(struct end *e, struct ipcx_queue_open o)
{
	e->o = o;
	e->o.mode = 0666;
	return end_open(e, "credit", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int open_as(struct end *e, uid_t uid, unsigned int rights)
{
	int ret;

	memset(&e->o, 0, sizeof(e->o));
	if (seteuid(uid))
		return -errno;
	ret = end_open(e, "credit", rights);
	return seteuid(0) ? -errno : ret;
}

/* Return: how many messages went in. */
static int send_all(struct end *e, size_t len)
{
	int n = 0;

	while (raw_send(e, len, 'f') == 1)
		n++;
	return n;
}

/* Return: who sent the message that was taken and released, or a negative errno. */
static int take_one(struct end *e)
{
	struct ipcx_desc d;
	int ret = raw_take(e->fd, &d, 0);

	if (ret == 1)
		ret = raw_release(e->fd, &d);
	return ret == 1 ? (int)d.uid : ret;
}

static bool writable(const struct end *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

TEST_F(credit, flood)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(DEPTH - 1, send_all(&self->flood, 8));
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(writable(&self->flood));
		EXPECT_EQ(-EAGAIN, raw_loan(self->flood.fd, &self->d, 8, 0));
		ASSERT_TRUE(writable(&self->polite));
		ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
		EXPECT_FALSE(writable(&self->polite));
		EXPECT_EQ(-EAGAIN, raw_loan(self->polite.fd, &self->d, 8, 0));
		/* what becomes free of the flood's is for the first that wants it */
		for (int j = 0; j < DEPTH - 1; j++)
			ASSERT_EQ(0, take_one(&self->flood));
		EXPECT_TRUE(writable(&self->flood));
		EXPECT_EQ(DEPTH - 1, send_all(&self->flood, 8));
		/* and the polite one's is for it again */
		ASSERT_EQ(POLITE, take_one(&self->flood));
	}
}

/* Several loans of one call: the user's own slot is the last one, however many are asked for. */
TEST_F(credit, loans_at_once)
{
	struct ipcx_desc d[DEPTH] = {};
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.flags = IPCX_LOAN_INLINE,
		.descs = (uintptr_t)d,
		.count = DEPTH,
		.desc_size = sizeof(*d),
	};

	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(DEPTH - 1, xioctl(self->flood.fd, IPCX_IOC_QUEUE_LOAN, &l));
	EXPECT_EQ(-EAGAIN, xioctl(self->flood.fd, IPCX_IOC_QUEUE_LOAN, &l));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
}

/* Loans count as messages do; so does what a commit brings. */
TEST_F(credit, loans)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(0, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(self->flood.fd, &self->d, 8, 0));
	ASSERT_EQ(1, raw_done(self->flood.fd, IPCX_IOC_QUEUE_COMMIT, &self->d, IPCX_COMMIT_LOAN));
	ASSERT_NE(IPCX_SLOT_NONE, self->d.slot);
	EXPECT_EQ(-EAGAIN, raw_send(&self->flood, 8, 'f'));
	ASSERT_EQ(1, raw_done(self->flood.fd, IPCX_IOC_QUEUE_COMMIT, &self->d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(IPCX_SLOT_NONE, self->d.slot);
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
	EXPECT_EQ(-EAGAIN, raw_loan(self->polite.fd, &self->d, 8, 0));
	ASSERT_EQ(1, raw_loan(self->third.fd, &self->d, 8, 0));
	ASSERT_EQ(1, raw_cancel(self->third.fd, &self->d));
	EXPECT_EQ(-EAGAIN, raw_loan(self->polite.fd, &self->d, 8, 0));
}

/* Nor does it take the slots that its sender wrote last, which need nothing done to them. */
TEST_F(credit, spares)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(DEPTH, send_all(&self->flood, 8));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, take_one(&self->flood));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(0, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(self->flood.fd, &self->d, 8, 0));
	ASSERT_EQ(1, raw_done(self->flood.fd, IPCX_IOC_QUEUE_COMMIT, &self->d, IPCX_COMMIT_LOAN));
	ASSERT_NE(IPCX_SLOT_NONE, self->d.slot);
	ASSERT_EQ(1, raw_done(self->flood.fd, IPCX_IOC_QUEUE_COMMIT, &self->d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(IPCX_SLOT_NONE, self->d.slot);
}

/* One more user than slots cannot come, until another has gone. */
TEST_F(credit, attach)
{
	struct end more = {};

	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = 2 }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(-ENOSPC, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	EXPECT_EQ(-ENOSPC, open_as(&self->third, THIRD, SENDRECV));
	ASSERT_TRUE(counts_of(self->flood.o.out_id, &self->c));
	EXPECT_EQ(2, self->c.senders);
	EXPECT_EQ(1, self->c.receivers);
	EXPECT_EQ(2, self->c.free);
	EXPECT_EQ(1, raw_send(&self->flood, 8, 'f'));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
	EXPECT_EQ(0, take_one(&self->flood));
	/* who is there may come again, and who only receives needs no slot */
	ASSERT_EQ(0, open_as(&more, POLITE, IPCX_OPEN_SEND));
	end_close(&more);
	ASSERT_EQ(0, open_as(&more, THIRD, IPCX_OPEN_RECV));
	end_close(&more);
	end_close(&self->polite);
	ASSERT_EQ(0, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	EXPECT_EQ(-ENOSPC, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(POLITE, take_one(&self->flood));
	EXPECT_EQ(1, raw_send(&self->third, 8, 't'));
}

/* Who has no sender any more is owed nothing, and has gained nothing when it comes back. */
TEST_F(credit, gone)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	EXPECT_EQ(DEPTH - 1, send_all(&self->flood, 8));
	end_close(&self->polite);
	ASSERT_EQ(POLITE, take_one(&self->flood));
	EXPECT_EQ(1, send_all(&self->flood, 8));
	ASSERT_EQ(0, take_one(&self->flood));
	ASSERT_EQ(0, take_one(&self->flood));
	ASSERT_EQ(0, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	end_close(&self->polite);
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(-EAGAIN, raw_loan(self->polite.fd, &self->d, 8, 0));
	EXPECT_TRUE(writable(&self->third));
	ASSERT_EQ(0, take_one(&self->flood));
	EXPECT_TRUE(writable(&self->flood));
}

/* Who is owed one waits for those that came before, and not for those that have some. */
TEST_F(credit, order)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	EXPECT_EQ(DEPTH, send_all(&self->flood, 8));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(0, open_as(&self->third, THIRD, IPCX_OPEN_SEND));
	EXPECT_FALSE(writable(&self->polite));
	ASSERT_EQ(0, take_one(&self->flood));
	EXPECT_FALSE(writable(&self->third));
	EXPECT_EQ(-EAGAIN, raw_loan(self->third.fd, &self->d, 8, 0));
	EXPECT_FALSE(writable(&self->flood));
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	ASSERT_EQ(0, take_one(&self->flood));
	EXPECT_EQ(-EAGAIN, raw_loan(self->polite.fd, &self->d, 8, 0));
	EXPECT_EQ(1, raw_send(&self->third, 8, 't'));
}

/* A page goes with the slot; but one message may have them all. */
TEST_F(credit, pages)
{
	struct ipcx_queue_open o = { .depth = 16,
				     .msg_max = DEPTH * PAGE,
				     .bytes_max = DEPTH * PAGE };

	ASSERT_EQ(0, open_flood(&self->flood, o));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	EXPECT_EQ(DEPTH - 1, send_all(&self->flood, PAGE));
	EXPECT_FALSE(writable(&self->flood));
	EXPECT_TRUE(writable(&self->polite));
	ASSERT_EQ(1, raw_send(&self->polite, PAGE, 'p'));
	while (take_one(&self->flood) >= 0)
		;
	EXPECT_EQ(1, send_all(&self->flood, DEPTH * PAGE));
}

struct sleeper {
	struct end *e;
	size_t len;
	int result;
};

static void *sleep_in_loan(void *arg)
{
	int64_t in_time = in_ms(10000); /* at its deadline it finds the slot too */
	struct sleeper *s = arg;
	struct ipcx_desc d;

	s->result = raw_loan(s->e->fd, &d, s->len, in_ms(20000));
	s->result = now_ns() < in_time ? s->result : -ETIME;
	return NULL;
}

/* The flood sleeps first, but the slot that comes is not for it. */
TEST_F(credit, wake_by_release)
{
	struct sleeper s[2] = { { .e = &self->flood, .len = 8 }, { .e = &self->polite, .len = 8 } };
	pthread_t thread[2];

	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = 2 }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	ASSERT_EQ(1, raw_send(&self->flood, 8, 'f'));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, sleep_in_loan, &s[i]));
		usleep(50000);
	}
	ASSERT_EQ(POLITE, take_one(&self->flood));
	ASSERT_EQ(0, pthread_join(thread[1], NULL));
	EXPECT_EQ(1, s[1].result);
	ASSERT_EQ(0, take_one(&self->flood));
	ASSERT_EQ(0, pthread_join(thread[0], NULL));
	EXPECT_EQ(1, s[0].result);
}

/* What was kept for who goes is for who sleeps. */
TEST_F(credit, wake_by_close)
{
	struct sleeper s = { .e = &self->flood, .len = 8 };
	pthread_t thread;

	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = 2 }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, send_all(&self->flood, 8));
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_loan, &s));
	usleep(50000);
	end_close(&self->polite);
	self->polite.fd = -1;
	self->polite.tx = NULL;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(1, s.result);
}

/* And so is the page, when the polite one does not need it, whichever way he sends. */
TEST_F(credit, wake_by_empty_message)
{
	struct ipcx_queue_open o = { .depth = DEPTH, .msg_max = PAGE, .bytes_max = 2 * PAGE };
	pthread_t thread;

	for (int way = 0; way < 2; way++) {
		struct sleeper s = { .e = &self->flood, .len = PAGE };

		ASSERT_EQ(0, open_flood(&self->flood, o));
		ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
		ASSERT_EQ(1, send_all(&self->flood, PAGE));
		ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_in_loan, &s));
		usleep(50000);
		ASSERT_EQ(1,
			  way ? write(self->polite.fd, "p", 1) : raw_send(&self->polite, 0, 'p'));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(1, s.result);
		end_close(&self->polite);
		end_close(&self->flood);
	}
	self->polite.fd = -1;
	self->polite.tx = NULL;
	self->flood.fd = -1;
	self->flood.tx = NULL;
	self->flood.rx = NULL;
}

/* The only message of another user is not dropped to make room. */
TEST_F(credit, drop_oldest)
{
	struct ipcx_queue_open o = { .depth = DEPTH, .policy = IPCX_POLICY_DROP_OLDEST };
	int polite = 0, uid;

	ASSERT_EQ(0, open_flood(&self->flood, o));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	for (int i = 0; i < 2 * DEPTH; i++)
		ASSERT_EQ(1, raw_send(&self->flood, 8, 'f'));
	while ((uid = take_one(&self->flood)) >= 0)
		polite += uid == POLITE;
	EXPECT_EQ(1, polite);
	/* nothing can be dropped for who has nothing queued himself */
	ASSERT_EQ(1, raw_send(&self->polite, 8, 'p'));
	for (int i = 0; i < DEPTH - 1; i++)
		ASSERT_EQ(1, raw_loan(self->flood.fd, &self->d, 8, 0));
	EXPECT_EQ(-EAGAIN, raw_loan(self->flood.fd, &self->d, 8, 0));
	EXPECT_FALSE(writable(&self->flood));
	EXPECT_TRUE(writable(&self->polite));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
	EXPECT_EQ(POLITE, take_one(&self->flood));
}

/* Letters that nobody asked for do not take what a sender is owed. */
TEST_F(credit, dead_letters)
{
	struct end work = { .o = { .depth = DEPTH, .max_deliveries = 1 } };

	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = 2 }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_send(&self->flood, 8, 'f'));
	work.o.dead_letter = (uintptr_t) "credit";
	work.o.dead_letter_len = strlen("credit");
	ASSERT_EQ(0, end_open(&work, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_send(&work, 8, 'w'));
	ASSERT_EQ(1, raw_take(work.fd, &self->d, 0));
	ASSERT_EQ(1, raw_done(work.fd, IPCX_IOC_QUEUE_RELEASE, &self->d, IPCX_RELEASE_NACK));
	end_close(&work);
	EXPECT_TRUE(writable(&self->polite));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
	EXPECT_EQ(0, take_one(&self->flood));
	EXPECT_EQ(POLITE, take_one(&self->flood));
	EXPECT_EQ(-EAGAIN, take_one(&self->flood));
}

/* @server replies to a request of @caller in a slot of its own. Return: 0, or what failed. */
static int ask(struct end *caller, struct end *server)
{
	struct ipcx_desc d, got, loan;
	struct ipcx_queue_reply r = {
		.size = sizeof(r),
		.request = (uintptr_t)&got,
		.reply = (uintptr_t)&loan,
		.desc_size = sizeof(loan),
	};

	if (raw_loan_kind(caller->fd, &d, 8, 0, IPCX_LOAN_REQUEST) != 1)
		return 1;
	d.flags = IPCX_MSG_REQUEST;
	if (raw_commit(caller->fd, &d) != 1 || raw_take(server->fd, &got, 0) != 1)
		return 2;
	if (raw_loan_kind(server->fd, &loan, 8, 0, IPCX_LOAN_REPLY) != 1)
		return 3;
	return xioctl(server->fd, IPCX_IOC_QUEUE_REPLY, &r);
}

/* An answer in a slot of its own counts for who asked, until that one has released it. */
TEST_F(credit, answers)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, IPCX_OPEN_SEND));
	ASSERT_EQ(0, ask(&self->polite, &self->flood));
	EXPECT_EQ(DEPTH - 1, send_all(&self->flood, 8));
	ASSERT_EQ(0, take_one(&self->flood));
	ASSERT_EQ(1, raw_take_flags(self->polite.fd, &self->d, 0, IPCX_TAKE_ANSWER));
	ASSERT_EQ(1, raw_release(self->polite.fd, &self->d));
	/* two are free now, and one of them is owed again */
	EXPECT_EQ(1, send_all(&self->flood, 8));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
}

/* Who answered is owed a slot as before. */
TEST_F(credit, who_replies)
{
	ASSERT_EQ(0, open_flood(&self->flood, (struct ipcx_queue_open){ .depth = DEPTH }));
	ASSERT_EQ(0, open_as(&self->polite, POLITE, SENDRECV));
	ASSERT_EQ(0, ask(&self->flood, &self->polite));
	/* the answer lies in one slot, and another is kept */
	EXPECT_EQ(DEPTH - 2, send_all(&self->flood, 8));
	EXPECT_EQ(1, raw_send(&self->polite, 8, 'p'));
}

TEST_HARNESS_MAIN
