// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGKILL of the caller at each stage of a call: nothing of it is left over, and the
 * server, which may reply in vain, learns nothing of it. In server_death.c the server dies.
 */
#include "call_util.h"

#include "../kselftest_harness.h"

#define NAME "caller-death"
#define DEPTH 4
#define LONG 20000

/* How far the call is. */
enum stage { LOANED, WAITING, TAKEN, REPLYING, SPARE, ANSWERED, HELD };

/* What a child that dies was told, and tells. */
struct board {
	struct ipcx_desc ask, answer;
	volatile bool ready;
};

FIXTURE(caller)
{
	struct side server;
	struct ipcx_desc got, loan;
	struct board *b;
	pid_t pid;
};

FIXTURE_SETUP(caller)
{
	memset(self, 0, sizeof(*self));
	self->server.e.o.depth = DEPTH;
	self->server.e.o.msg_max = LONG;
	self->b = mmap(NULL, sizeof(*self->b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	ASSERT_EQ(0, side_open(&self->server, NAME, CREATE | IPCX_OPEN_RECV));
}

FIXTURE_TEARDOWN(caller)
{
	EXPECT_TRUE(all_free(&self->server));
	end_close(&self->server.e);
	munmap(self->b, sizeof(*self->b));
	raw_unlink(NAME);
}

static void stay(struct board *b)
{
	b->ready = true;
	for (;;)
		pause();
}

/* The child. */
static void call_until(struct board *b, enum stage stage)
{
	static struct side c;

	if (side_open(&c, NAME, IPCX_OPEN_SEND) ||
	    side_loan(&c, &b->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE) != 1)
		_exit(1);
	if (stage == LOANED)
		stay(b);
	if (stage < ANSWERED) {
		b->ask.flags = IPCX_MSG_INLINE;
		side_call(&c, &b->ask, &b->answer, IPCX_DEADLINE_FOREVER,
			  stage == SPARE ? IPCX_CALL_LOAN : 0);
		stay(b); /* it is as good as dead */
	}
	if (side_commit(&c, &b->ask, IPCX_MSG_REQUEST | IPCX_MSG_INLINE) != 1 ||
	    (stage == HELD && side_answer(&c, &b->answer, IPCX_DEADLINE_FOREVER) != 1))
		_exit(1);
	stay(b);
}

static bool ready_soon(const struct board *b)
{
	int64_t end = in_ms(10000);

	while (!b->ready)
		if (now_ns() > end || usleep(500))
			return false;
	return true;
}

/* A loan for a reply, written. */
static int loan_reply(FIXTURE_DATA(caller) *self)
{
	int ret = side_loan(&self->server, &self->loan, LONG, IPCX_LOAN_REPLY);

	if (ret == 1)
		memset(tx_at(&self->server.e, &self->loan), 'r', LONG);
	return ret;
}

/* With a slot of its own, or in that of the request. */
static int reply(FIXTURE_DATA(caller) *self, bool is_long)
{
	int ret = 1;

	if (is_long && !self->loan.len)
		ret = loan_reply(self);
	if (ret != 1)
		return ret;
	ret = side_reply(&self->server, &self->got, is_long ? &self->loan : NULL, "r", 1);
	self->loan.len = 0;
	return ret;
}

/* Starts a caller, brings it to @stage and kills it. */
static void kill_at(struct __test_metadata *_metadata, FIXTURE_DATA(caller) *self, enum stage stage,
		    bool is_long)
{
	struct side *s = &self->server;

	self->b->ready = false;
	self->pid = fork();
	if (!self->pid)
		call_until(self->b, stage);
	if (stage == WAITING)
		ASSERT_TRUE(queued_soon(s, 1));
	if (stage > WAITING)
		ASSERT_EQ(1, side_take(s, &self->got, in_ms(10000), 0));
	if (stage == REPLYING)
		ASSERT_EQ(1, loan_reply(self));
	if (stage >= ANSWERED)
		ASSERT_EQ(0, reply(self, is_long));
	if (stage == LOANED || stage >= ANSWERED)
		ASSERT_TRUE(ready_soon(self->b));
	until_asleep(self->pid);
	ASSERT_EQ(stage == SPARE, stat_of(s).out_loaned - (stage == LOANED || stage == REPLYING));
	ASSERT_EQ(stage >= ANSWERED, stat_of(s).out_answers);
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, exit_status(self->pid));
}

TEST_F(caller, at_each_stage)
{
	struct side *s = &self->server;
	unsigned int withdrawn = 0;

	for (int i = 0; i < 2 * (HELD + 1); i++) {
		enum stage stage = i / 2;

		kill_at(_metadata, self, stage, i & 1);
		withdrawn += stage == WAITING;
		ASSERT_EQ(withdrawn, stat_of(s).out_withdrawn) TH_LOG("stage %d", stage);
		if (stage > WAITING && stage < ANSWERED) {
			ASSERT_EQ(1, stat_of(s).out_leased);
			ASSERT_EQ(0, reply(self, i & 1 || stage == REPLYING));
		}
		ASSERT_EQ(-EAGAIN, side_take(s, &self->got, 0, 0));
		ASSERT_TRUE(all_free(s)) TH_LOG("stage %d", stage);
	}
}

/*
 * Its answer is handed to a thread that is being killed: with its endpoint, the answer goes;
 * others who share that take it. (Where it was fast enough to return, it had it.)
 */
TEST_F(caller, while_it_is_answered)
{
	struct side shared = {}, *s = &self->server;
	struct ipcx_desc d;
	int left = 0;

	ASSERT_EQ(0, one_cpu());
	ASSERT_EQ(0, side_open(&shared, NAME, IPCX_OPEN_SEND));
	for (int i = 0; i < 40; i++) {
		struct board *b = self->b;

		memset(b, 0, sizeof(*b));
		if (i & 4)
			ASSERT_EQ(1, side_loan(&shared, &b->ask, 4,
					       IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
		self->pid = fork();
		if (!self->pid && !(i & 4))
			call_until(b, TAKEN);
		if (!self->pid) {
			b->ask.flags = IPCX_MSG_INLINE;
			side_call(&shared, &b->ask, &b->answer, IPCX_DEADLINE_FOREVER, 0);
			stay(b);
		}
		ASSERT_EQ(1, side_take(s, &self->got, in_ms(10000), 0));
		until_asleep(self->pid);
		if (i & 1)
			ASSERT_EQ(0, kill(self->pid, SIGKILL));
		ASSERT_EQ(0, reply(self, i & 2));
		if (!(i & 1))
			ASSERT_EQ(0, kill(self->pid, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, exit_status(self->pid));
		if (i & 4 && !b->answer.seq) {
			left++;
			ASSERT_EQ(1, side_answer(&shared, &b->answer, 0)) TH_LOG("round %d", i);
			ASSERT_EQ(self->got.seq, b->answer.seq);
		}
		if (i & 4)
			ASSERT_EQ(1, raw_release(shared.e.fd, &b->answer));
		ASSERT_EQ(-EAGAIN, side_answer(&shared, &d, 0));
		ASSERT_TRUE(all_free(s)) TH_LOG("round %d", i);
	}
	EXPECT_NE(0, left);
	TH_LOG("%d of 20 answers were left to others", left);
	end_close(&shared.e);
}

/* The child: one call after the other, each releases the answer before and brings a loan. */
static void call_for_ever(struct board *b)
{
	static struct side c;
	unsigned int flags = IPCX_CALL_LOAN;

	if (side_open(&c, NAME, IPCX_OPEN_SEND))
		_exit(1);
	b->ask.slot = IPCX_SLOT_NONE;
	for (;;) {
		if (b->ask.slot == IPCX_SLOT_NONE &&
		    side_loan(&c, &b->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE) != 1)
			_exit(2);
		b->ask.flags = IPCX_MSG_INLINE;
		b->ask.len = 4;
		if (side_call(&c, &b->ask, &b->answer, IPCX_DEADLINE_FOREVER, flags))
			_exit(3);
		flags |= IPCX_CALL_RELEASE;
	}
}

TEST_F(caller, at_random_moments)
{
	struct side *s = &self->server;
	int n = rounds(300), replies = 0;

	srandom(1);
	for (int round = 0; round < n; round++) {
		int before = random() % 6;

		memset(self->b, 0, sizeof(*self->b));
		self->pid = fork();
		if (!self->pid)
			call_for_ever(self->b);
		for (int i = 0; i < before; i++, replies++) {
			ASSERT_EQ(1, side_take(s, &self->got, in_ms(10000), 0));
			ASSERT_EQ(0, reply(self, random() & 1));
		}
		usleep(random() % 300);
		ASSERT_EQ(0, kill(self->pid, SIGKILL));
		if (side_take(s, &self->got, 0, 0) == 1)
			ASSERT_EQ(0, reply(self, random() & 1));
		ASSERT_EQ(128 + SIGKILL, exit_status(self->pid));
		ASSERT_EQ(-EAGAIN, side_take(s, &self->got, 0, 0));
		ASSERT_TRUE(all_free(s)) TH_LOG("round %d", round);
	}
	TH_LOG("%d rounds, %d replies", n, replies);
}

TEST_HARNESS_MAIN
