// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues over shared memory: a receiver, one that comes after it, or a sender is killed after each
 * of its stores that others can see, one after the other, by single steps. What it had not finished
 * comes to the next receiver, once, and that it was seen before is told; what it had does not.
 */
#include "shm_step.h"

enum stage { UNKNOWN, SENT, SEEN, FINISHING, DONE };

struct board {
	volatile unsigned char stage[2 * DEPTH];
};

enum what { RECEIVES, RECEIVES_AGAIN, SENDS };

FIXTURE(step)
{
	char dir[64];
	struct board *b;
	struct ipcx_queue *s;
	struct ipcx_msg m;
};

FIXTURE_VARIANT(step)
{
	enum what what;
};

FIXTURE_VARIANT_ADD(step, receiver){ RECEIVES };
FIXTURE_VARIANT_ADD(step, next_receiver){ RECEIVES_AGAIN };
FIXTURE_VARIANT_ADD(step, sender){ SENDS };

FIXTURE_SETUP(step)
{
	ASSERT_TRUE(dir_make(self->dir));
	self->b = mmap(NULL, sizeof(*self->b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	ASSERT_NE(MAP_FAILED, self->b);
}

FIXTURE_TEARDOWN(step)
{
	EXPECT_EQ(0, dir_remove(self->dir)) TH_LOG("something is left");
}

static uint64_t number(const struct ipcx_msg *m)
{
	return *(const uint64_t *)m->data;
}

static void take(struct board *b, struct ipcx_queue *q, struct ipcx_msg *m)
{
	if (ipcx_queue_take(q, m, 0))
		_exit(1);
	b->stage[number(m)] = SEEN;
}

static void finish(struct board *b, struct ipcx_queue *q, struct ipcx_msg *m)
{
	uint64_t nr = number(m);

	b->stage[nr] = FINISHING;
	if (ipcx_queue_release(q, m))
		_exit(2);
	b->stage[nr] = DONE;
}

/* Takes, puts back, looks, finishes in and out of order, and goes with some in hand. */
static void receive(struct board *b, struct ipcx_queue *q)
{
	struct ipcx_msg m[4], look;

	for (int i = 0; i < 4; i++)
		take(b, q, &m[i]);
	finish(b, q, &m[2]);
	if (ipcx_queue_nack(q, &m[1]))
		_exit(4);
	finish(b, q, &m[0]);
	if (ipcx_queue_peek(q, &look))
		_exit(5);
	take(b, q, &m[1]);
	take(b, q, &m[0]);
	finish(b, q, &m[1]);
}

static struct ipcx_queue *receiver(void)
{
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_RECV))
		_exit(3);
	return q;
}

static void commit(struct board *b, struct ipcx_queue *q, struct ipcx_msg *m, uint64_t nr)
{
	*(uint64_t *)m->data = nr;
	b->stage[nr] = FINISHING;
	if (ipcx_queue_commit(q, m))
		_exit(1);
	b->stage[nr] = SENT;
}

/* Sends, in the order of loans and against it, and goes with one on loan. */
static void send(struct board *b)
{
	struct ipcx_queue *q;
	struct ipcx_msg m[5];

	if (open_queue(&q, IPCX_SEND) || ipcx_queue_loan(q, 8, &m[0], 0) ||
	    ipcx_queue_cancel(q, &m[0]) || ipcx_queue_loan_n(q, 8, m, 5, 0) != 5)
		_exit(2);
	commit(b, q, &m[1], DEPTH + 1);
	m[0].prio = 7;
	commit(b, q, &m[0], DEPTH);
	if (ipcx_queue_cancel(q, &m[2]))
		_exit(3);
	m[3].expires = in_ms(100000);
	commit(b, q, &m[3], DEPTH + 2);
	ipcx_queue_close(q);
}

static void stepped(struct board *b, enum what what)
{
	struct ipcx_queue *q = what == SENDS ? NULL : receiver();

	step_me();
	if (q)
		receive(b, q);
	else
		send(b);
	ipcx_queue_close(q);
	_exit(0);
}

/* All that comes to the next receiver. Return: whether that is as it has to be. */
static bool is_right(const struct board *b)
{
	unsigned char got[2 * DEPTH] = { 0 };
	uint64_t last[2] = { 0, 0 };
	struct ipcx_queue *q;
	struct ipcx_msg m;
	bool right = true;

	if (open_queue(&q, IPCX_RECV))
		return false;
	while (!ipcx_queue_take(q, &m, 0)) {
		uint64_t nr = number(&m), sender = nr / DEPTH;

		right &= !got[nr]++ && nr % DEPTH >= last[sender];
		right &= b->stage[nr] != SEEN || m.deliveries;
		right &= nr != DEPTH || m.prio == 7;
		last[sender] = nr % DEPTH;
		ipcx_queue_release(q, &m);
	}
	ipcx_queue_close(q);
	for (int i = 0; i < 2 * DEPTH; i++) {
		if ((b->stage[i] == SENT || b->stage[i] == SEEN) && !got[i])
			right = false;
		if (b->stage[i] == DONE && got[i])
			right = false;
		if (!right)
			fprintf(stderr, "# %d: stage %d, came %d\n", i, b->stage[i], got[i]);
	}
	return right;
}

TEST_F_TIMEOUT(step, killed_after_each_store, 600)
{
	int killed = 1;
	int k = 0;

	while (killed > 0 && ++k < STORES_MAX) {
		pid_t pid;

		memset(self->b, 0, sizeof(*self->b));
		ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND));
		for (int i = 0; i < DEPTH; i++) {
			ASSERT_EQ(0, queue_send(self->s, i, 0));
			self->b->stage[i] = SENT;
		}
		if (variant->what == RECEIVES_AGAIN) {
			pid = fork();
			if (!pid) {
				receive(self->b, receiver());
				_exit(0);
			}
			ASSERT_EQ(0, exit_status(pid));
		}
		pid = fork();
		if (!pid)
			stepped(self->b, variant->what);
		killed = step_and_kill(pid, k);
		ASSERT_LE(0, killed) TH_LOG("after store %d", k);
		ASSERT_TRUE(is_right(self->b)) TH_LOG("after store %d", k);
		ASSERT_EQ(0, queue_send(self->s, 0, 0)) TH_LOG("after store %d", k);
		ipcx_queue_close(self->s);
	}
	TH_LOG("%d stores", k - 1);
	EXPECT_LT(5, k);
	EXPECT_GT(STORES_MAX, k);
}

TEST_HARNESS_MAIN
