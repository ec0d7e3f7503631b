// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests over shared memory: how many there can be, what a reply leaves, and that each has one
 * answer whoever is killed, after each store that others can see or at random; and peers that make
 * no sense. What they have in common with other transports is in transport_call.c.
 */
#include "queue_shm_util.h"
#include "shm_kill.h"
#include "shm_step.h"

/* One that serves all that comes until the deadline */
static void serve(struct ipcx_queue *q, int64_t until)
{
	struct ipcx_msg m;

	for (unsigned int i = 0; !ipcx_queue_take(q, &m, until); i++)
		if (answer(q, &m, i % 2))
			_exit(9);
}

TEST_F(call, places_for_answers)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg m;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CALLS; i++) {
			ASSERT_EQ(0, request(self->s, i, 0)) TH_LOG("%s", ipcx_error());
			ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
			ASSERT_EQ(0, answer(self->r, &m, i % 2));
		}
		EXPECT_EQ(-ENOBUFS, request(self->s, 0, 0));
		ASSERT_EQ(0, ipcx_queue_stat(self->s, &stats));
		EXPECT_EQ(CALLS, stats.requests);
		for (int i = 0; i < CALLS; i++) {
			ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, 0));
			ASSERT_TRUE(is_reply(&m, i));
			ASSERT_EQ(0, ipcx_queue_release(self->s, &m));
		}
		EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->s, &m, 0));
	}
	/* those who give up have theirs back when the server has done with it */
	for (int i = 0; i < 2 * CALLS; i++) {
		ASSERT_EQ(-ETIMEDOUT, call(self->s, i, &self->m, 1)) TH_LOG("%d", i);
		ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->r, &m, 0));
	}
	/* and whoever has taken it replies to nobody */
	for (int i = 0; i < 2 * CALLS; i++) {
		struct ipcx_msg ask, reply = { 0 };

		ASSERT_EQ(0, ipcx_queue_loan(self->s, 8, &ask, 0));
		ASSERT_EQ(-EAGAIN, ipcx_queue_call(self->s, &ask, &reply, 0));
		ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_call(self->s, &ask, &reply, 1));
		if (i % 3 < 2) {
			ASSERT_EQ(0, i % 3 ? ipcx_queue_nack(self->r, &m) :
					     ipcx_queue_release(self->r, &m));
		} else {
			ASSERT_EQ(0, answer(self->r, &m, false));
		}
		ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->r, &m, 0));
	}
}

/* What was got takes no memory of the queue any more. */
TEST_F(call, long_replies)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 1 << 20);
	struct ipcx_queue *q;
	struct ipcx_msg m, reply = { 0 };
	uint64_t before;
	char *big = calloc(1, 1 << 20);

	ipcx_queue_close(self->s);
	self->s = NULL;
	ASSERT_EQ(0, ipcx_queue_open(&q, QUEUE_URI,
				     IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL, &opts));
	before = blocks();
	for (int i = 0; i < 2 * CALLS; i++) {
		ASSERT_EQ(0, request(q, i, 0));
		ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
		reply = (struct ipcx_msg){ .data = big, .len = (1 << 20) + 1 };
		EXPECT_EQ(-EMSGSIZE, ipcx_queue_reply(q, &m, &reply));
		reply.len--;
		ASSERT_EQ(0, ipcx_queue_reply(q, &m, &reply));
		EXPECT_LE(before + (1 << 20) / 512, blocks());
		ASSERT_EQ(0, ipcx_queue_answer(q, &m, 0));
		EXPECT_EQ(1 << 20, m.len);
		ASSERT_EQ(0, ipcx_queue_release(q, &m));
		EXPECT_GE(before + 8, blocks());
	}
	/* nor does the last page of any stay, in part or whole */
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, request(q, i, 0));
		ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
		reply = (struct ipcx_msg){ .data = big, .len = (1 << 20) - 4096 * i - 1 };
		ASSERT_EQ(0, ipcx_queue_reply(q, &m, &reply));
		ASSERT_EQ(0, ipcx_queue_answer(q, &m, 0));
		ASSERT_EQ(0, ipcx_queue_release(q, &m));
	}
	EXPECT_GE(before + 8, blocks());
	ipcx_queue_close(q);
	free(big);
}

/* Each answer has its turn, whatever place its request has got, though others come all the time. */
TEST_F(call, in_turn)
{
	struct ipcx_msg m, reply = { 0 };
	bool got[40] = {};

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, request(self->s, i, 0));
	for (int i = 4; i < 40; i++) {
		while (!ipcx_queue_take(self->r, &m, 0))
			ASSERT_EQ(0, answer(self->r, &m, false));
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &reply, 0));
		got[reply.tag] = true;
		ASSERT_EQ(0, ipcx_queue_release(self->s, &reply));
		ASSERT_EQ(0, request(self->s, i, 0));
		EXPECT_TRUE(i < 8 || got[i - 8]) TH_LOG("%d", i - 8);
	}
}

/* What no server tells, the caller finds himself. */
TEST_F(call, nobody_serves)
{
	struct ipcx_msg m;

	EXPECT_EQ(-ETIMEDOUT, call(self->s, 1, &self->m, in_ms(50)));
	ASSERT_EQ(0, request(self->s, 2, in_ms(30)));
	ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, in_ms(5000)));
	EXPECT_EQ(IPCX_EXPIRED, m.flags);
	EXPECT_EQ(2, m.tag);
	ASSERT_EQ(0, ipcx_queue_release(self->s, &m));
	/* not taken, and nobody is there to take it any more */
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, request(self->s, 3, 0));
	ASSERT_EQ(0, request(self->s, 4, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
	EXPECT_EQ(3, m.tag);
	EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->s, &m, 0));
	ipcx_queue_close(self->r);
	for (int i = 3; i <= 4; i++) {
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, in_ms(5000)));
		EXPECT_EQ(IPCX_OWNERDEAD, m.flags);
		EXPECT_EQ(i, m.tag);
		ASSERT_EQ(0, ipcx_queue_release(self->s, &m));
	}
	/* and who comes then does not get what nobody waits for */
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->r, &m, 0));
	ASSERT_EQ(0, request(self->s, 5, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
	EXPECT_EQ(5, m.tag);
	ASSERT_EQ(0, answer(self->r, &m, false));
	ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, 0));
	EXPECT_TRUE(is_reply(&m, 5));
}

/* Of each request, what its server did last */
enum stage { UNKNOWN, TAKEN, REPLYING, REPLIED, RELEASED };

static void did(unsigned char *stage, int r, enum stage what, uint64_t nr)
{
	if (r)
		_exit(8);
	stage[nr] = what;
}

/* Takes, looks, puts back, replies out of order, in memory of its own and on loan, refuses. */
static void serve_all_ways(unsigned char *stage, struct ipcx_queue *q)
{
	struct ipcx_msg m[4], look;

	for (int i = 0; i < 4; i++)
		did(stage, ipcx_queue_take(q, &m[i], 0), TAKEN, i);
	stage[2] = REPLYING;
	did(stage, answer(q, &m[2], false), REPLIED, 2);
	stage[1] = UNKNOWN;
	if (ipcx_queue_nack(q, &m[1]) || ipcx_queue_peek(q, &look))
		_exit(7);
	stage[0] = REPLYING;
	did(stage, answer(q, &m[0], true), REPLIED, 0);
	did(stage, ipcx_queue_release(q, &m[3]), RELEASED, 3);
	did(stage, ipcx_queue_take(q, &m[1], 0), TAKEN, 1);
}

static void stepped_server(unsigned char *stage)
{
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_RECV))
		_exit(1);
	step_me();
	serve_all_ways(stage, q);
	ipcx_queue_close(q);
	_exit(0);
}

/* Return: whether the answer is one that the server can have given. */
static bool fits(enum stage stage, const struct ipcx_msg *m)
{
	if (!m->flags)
		return stage != RELEASED && is_reply(m, m->tag);
	if (m->flags == IPCX_CANCELED)
		return m->tag == 3;
	return m->flags == IPCX_OWNERDEAD && stage != REPLIED && stage != RELEASED;
}

/* Bit i: the place of request i has a reply, which is the answer from then on. */
static unsigned int replies(void)
{
	struct {
		uint64_t word, server, len;
		uint32_t flags, reserved;
	} place[4];
	unsigned int mask = 0;

	if (pread(memory_of("queue"), place, sizeof(place), RINGS + RINGS_BYTES / 2 - 4096 + 8) !=
	    sizeof(place))
		return -1;
	for (int i = 0; i < 4; i++)
		if ((place[i].word & 0xff) == 3 && !place[i].flags)
			mask |= 1 << i;
	return mask;
}

TEST_F_TIMEOUT(call, server_killed_after_each_store, 600)
{
	unsigned char *stage =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int killed = 1;
	unsigned int replied = 0;
	int k = 0;

	while (killed > 0 && ++k < STORES_MAX) {
		unsigned int got = 0, given;
		struct ipcx_msg m;
		pid_t pid;

		memset(stage, UNKNOWN, 4);
		for (int i = 0; i < 4; i++)
			ASSERT_EQ(0, request(self->s, i, 0)) TH_LOG("after store %d", k);
		pid = fork();
		if (!pid)
			stepped_server(stage);
		killed = step_and_kill(pid, k);
		ASSERT_LE(0, killed) TH_LOG("after store %d", k);
		given = replies();
		replied |= given;
		/* the next one serves what is left of it */
		ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
		serve(self->r, 1);
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, in_ms(5000)))
			TH_LOG("after store %d: %s", k, ipcx_error());
			EXPECT_FALSE(got >> m.tag & 1);
			got |= 1 << m.tag;
			EXPECT_TRUE(fits(stage[m.tag], &m))
			TH_LOG("after store %d: %ju, stage %d, flags %x", k, (uintmax_t)m.tag,
			       stage[m.tag], m.flags);
			EXPECT_TRUE(!m.flags || !(given >> m.tag & 1))
			TH_LOG("after store %d: the reply to %ju is lost", k, (uintmax_t)m.tag);
			ASSERT_EQ(0, ipcx_queue_release(self->s, &m));
		}
		EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->s, &m, 0));
		ipcx_queue_close(self->r);
		self->r = NULL;
	}
	TH_LOG("%d stores", k - 1);
	EXPECT_EQ(5, replied);
	EXPECT_LT(10, k);
	EXPECT_GT(STORES_MAX, k);
	munmap(stage, 4096);
}

/* Serves the two requests that somebody waits for, as @c asks for that. */
static void serve_two(const struct child *c)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (!hear(c)) /* it is gone */
		_exit(0);
	if (open_queue(&q, IPCX_RECV))
		_exit(1);
	for (int i = 0; i < 2; i++)
		if (ipcx_queue_take(q, &m, 0) || answer(q, &m, i))
			_exit(2);
	ipcx_queue_close(q);
	signal(SIGPIPE, SIG_IGN); /* it may be gone by now, too */
	say(c);
	_exit(0);
}

/* Asks, gives up, asks more, and goes with requests on their way. */
static void stepped_caller(const struct child *c)
{
	struct ipcx_msg reply = { 0 };
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	step_me();
	if (call(q, 1, &reply, 1) != -ETIMEDOUT || request(q, 2, 0) || request(q, 3, 0) ||
	    !say(c) || !hear(c) || ipcx_queue_answer(q, &reply, in_ms(5000)) ||
	    ipcx_queue_nack(q, &reply) || ipcx_queue_answer(q, &reply, in_ms(5000)) ||
	    ipcx_queue_release(q, &reply) || request(q, 4, 0))
		_exit(2);
	ipcx_queue_close(q);
	_exit(0);
}

/* Its server goes on, and so do other callers. */
TEST_F_TIMEOUT(call, caller_killed_after_each_store, 600)
{
	int k = 0, killed = 1;

	while (killed > 0 && ++k < STORES_MAX) {
		struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
		struct ipcx_msg m, reply;
		struct child c;
		pid_t server;

		if (child_start(&c))
			stepped_caller(&c);
		server = fork();
		ASSERT_LE(0, server);
		if (!server)
			serve_two(&c);
		killed = step_and_kill(c.pid, k);
		ASSERT_LE(0, killed) TH_LOG("after store %d", k);
		ASSERT_EQ(0, exit_status(server)) TH_LOG("after store %d", k);
		close(c.to);
		close(c.from);
		ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
		/* sees that it is dead, so that the next one has the same place */
		ASSERT_EQ(0, ipcx_queue_stat(self->r, &stats));
		while (!ipcx_queue_take(self->r, &m, 0))
			ASSERT_EQ(0, answer(self->r, &m, k % 2)) TH_LOG("after store %d", k);
		ASSERT_EQ(0, request(self->s, k, 0));
		ASSERT_EQ(0, ipcx_queue_take(self->r, &m, in_ms(5000)));
		ASSERT_EQ(k, m.tag);
		ASSERT_EQ(0, answer(self->r, &m, false));
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &reply, 0));
		ASSERT_TRUE(is_reply(&reply, k));
		ASSERT_EQ(0, ipcx_queue_release(self->s, &reply));
		ipcx_queue_close(self->r);
		self->r = NULL;
	}
	TH_LOG("%d stores", k - 1);
	EXPECT_LT(10, k);
	EXPECT_GT(STORES_MAX, k);
}

#define CALLERS 3

/* Calls for ever; @b: how many calls of it had each end */
static void call_for_life(uint64_t b[4])
{
	struct ipcx_msg reply = { 0 };
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	for (uint64_t nr = getpid(); nr; nr++) {
		int r = call(q, nr, &reply, in_ms(nr % 4 ? 20000 : 1));

		if (!r && !is_reply(&reply, nr))
			_exit(2);
		if (r && r != -EOWNERDEAD && (r != -ETIMEDOUT || nr % 4))
			_exit(3);
		__atomic_add_fetch(&b[!r ? 0 : r == -EOWNERDEAD ? 1 : 2], 1, __ATOMIC_RELAXED);
	}
}

static void serve_for_life(void)
{
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_RECV))
		_exit(1);
	serve(q, IPCX_FOREVER);
	_exit(2);
}

static pid_t start(uint64_t b[4], int who)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (who < CALLERS)
		call_for_life(b);
	serve_for_life();
	return 0;
}

TEST_F_TIMEOUT(call, killed_at_any_moment, 600)
{
	uint64_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ipcx_msg reply = { 0 };
	pid_t pid[CALLERS + 1];
	int n = rounds(600);

	srandom(n);
	for (int i = 0; i <= CALLERS; i++)
		pid[i] = start(b, i);
	for (int i = 0; i < n; i++) {
		int who = random() % 2 ? CALLERS : random() % CALLERS;

		usleep(random() % 5000);
		kill(pid[who], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[who])) TH_LOG("%d", who);
		pid[who] = start(b, who);
	}
	/* who kept it open all the time has all his places, and is served */
	for (int i = 0; i < 2 * CALLS; i++) {
		int r = call(self->s, i, &reply, in_ms(20000));

		if (r == -EOWNERDEAD) /* the last that was killed */
			r = call(self->s, i, &reply, in_ms(20000));
		ASSERT_EQ(0, r) TH_LOG("%s", ipcx_error());
		ASSERT_TRUE(is_reply(&reply, i));
	}
	ASSERT_EQ(0, ipcx_queue_release(self->s, &reply));
	for (int i = 0; i <= CALLERS; i++) {
		kill(pid[i], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[i])) TH_LOG("%d", i);
	}
	TH_LOG("%ju replies, %ju servers gone, %ju given up", (uintmax_t)b[0], (uintmax_t)b[1],
	       (uintmax_t)b[2]);
	EXPECT_LT(n / 2, b[0]);
	munmap(b, 4096);
}

/* The receiver's page and the first rings, with their answers */
static uint64_t where(uint64_t i, uint64_t words)
{
	return i % 50 ? CONTROL / 4 + random() % ((RINGS + 3 * RINGS_BYTES - CONTROL) / 4) :
			random() % words;
}

static void scribble(const struct child *c)
{
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	scribble_over(c, memory_of("queue"), where);
}

/* Asks or serves, in as far as that can be; @through: how often it could. */
static void suffer(int64_t until, bool serves, uint64_t *through)
{
	struct ipcx_msg m, reply = { 0 };
	struct ipcx_queue *q;

	for (uint64_t nr = 0; now_ns() < until; nr++) {
		if (open_queue(&q, serves ? IPCX_RECV : IPCX_SEND))
			continue;
		for (int i = 0; i < 50 && now_ns() < until; i++) {
			if (!serves) {
				*through += !call(q, nr++, &reply, in_ms(i % 3));
				request(q, nr, i % 5 ? 0 : in_ms(1));
				if (!ipcx_queue_answer(q, &m, 0))
					ipcx_queue_release(q, &m);
			} else if (!ipcx_queue_take(q, &m, in_ms(1))) {
				if (!(m.flags & IPCX_REQUEST) || i % 7 == 0)
					ipcx_queue_release(q, &m);
				else if (i % 11 == 0)
					ipcx_queue_nack(q, &m);
				else
					*through += !answer(q, &m, i % 2);
			}
		}
		ipcx_queue_close(q);
		reply = (struct ipcx_msg){ 0 };
	}
	_exit(0);
}

TEST_F_TIMEOUT(call, nonsense, 120)
{
	uint64_t *through =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ipcx_msg m;
	struct child c;
	pid_t pid[3];

	ipcx_queue_close(self->s);
	self->s = NULL;
	for (int i = 0; i < 5; i++) {
		if (child_start(&c))
			scribble(&c);
		ASSERT_TRUE(hear(&c));
		for (int j = 0; j < 3; j++) {
			pid[j] = fork();
			if (!pid[j])
				suffer(in_ms(700), j == 2, &through[j]);
		}
		for (int j = 0; j < 3; j++)
			EXPECT_EQ(0, exit_status(pid[j]));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND | IPCX_RECV));
	ASSERT_EQ(0, request(self->s, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->s, &m, 0));
	EXPECT_EQ(0, answer(self->s, &m, false));
	EXPECT_EQ(0, ipcx_queue_answer(self->s, &m, 0));
	EXPECT_TRUE(is_reply(&m, 1));
	TH_LOG("%ju and %ju calls, %ju replies", (uintmax_t)through[0], (uintmax_t)through[1],
	       (uintmax_t)through[2]);
	EXPECT_LT(0, through[0] + through[1]);
	EXPECT_LT(0, through[2]);
	munmap(through, 4096);
}

TEST_HARNESS_MAIN
