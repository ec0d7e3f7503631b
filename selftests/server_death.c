// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGKILL of the server at each stage of a call: each request is answered once and soon,
 * whether or not somebody reaps the dead, and no slot is left over. Here the server dies;
 * in caller_death.c the caller does.
 */
#include "call_util.h"

#include "../kselftest_harness.h"

#define NAME "server-death"
#define DEPTH 32
#define LONG 20000
/* From the kill to the caller's return; slow kernels run on a clock that others slow down too. */
#define LIMIT_NS (scale() > 1 ? 1000000000LL : 10000000LL)

/* A child tells by a letter how far it is. */
static int told[2];

static void tell(char c)
{
	if (write(told[1], &c, 1) != 1)
		_exit(1);
}

static int hear(void)
{
	char c;

	return read(told[0], &c, 1) == 1 ? c : -1;
}

static void stay(void)
{
	tell('h');
	for (;;)
		pause();
}

static bool all_r(const struct side *s, const struct ipcx_desc *d)
{
	const char *p = rx_at(&s->e, d);

	return d->len == LONG && p[0] == 'r' && !memcmp(p, p + 1, LONG - 1);
}

/* A loan for a reply, written. */
static int loan_reply(struct side *s, struct ipcx_desc *loan)
{
	int ret = side_loan(s, loan, LONG, IPCX_LOAN_REPLY);

	if (ret == 1)
		memset(tx_at(&s->e, loan), 'r', LONG);
	return ret;
}

/* How far the server is with the (first) request. */
enum stage { WAITING, TAKEN, ASLEEP, LOANED, REPLIED, NEXT };

FIXTURE(server)
{
	struct side caller;
	struct call_thread call;
	struct ipcx_desc ask, answer;
	int64_t longest;
	pid_t pid;
};

FIXTURE_VARIANT(server)
{
	enum stage stage;
};

FIXTURE_VARIANT_ADD(server, request_waits){
	.stage = WAITING,
};

FIXTURE_VARIANT_ADD(server, request_taken){
	.stage = TAKEN,
};

FIXTURE_VARIANT_ADD(server, taken_and_a_thread_asleep){
	.stage = ASLEEP,
};

FIXTURE_VARIANT_ADD(server, reply_on_loan){
	.stage = LOANED,
};

FIXTURE_VARIANT_ADD(server, reply_waits){
	.stage = REPLIED,
};

FIXTURE_VARIANT_ADD(server, replied_and_next_taken){
	.stage = NEXT,
};

FIXTURE_SETUP(server)
{
	memset(self, 0, sizeof(*self));
	self->caller.e.o.depth = DEPTH;
	self->caller.e.o.msg_max = LONG;
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, side_open(&self->caller, NAME, CREATE | IPCX_OPEN_SEND));
}

FIXTURE_TEARDOWN(server)
{
	TH_LOG("the caller returned after %lld us at most", (long long)self->longest / 1000);
	end_close(&self->caller.e);
	raw_unlink(NAME);
}

static void *sleep_in_take(void *arg)
{
	struct ipcx_desc d;

	side_take(arg, &d, IPCX_DEADLINE_FOREVER, 0);
	return NULL;
}

/* The child. */
static void serve_until(enum stage stage)
{
	static struct side s;
	struct ipcx_desc got, loan;
	pthread_t thread;

	if (side_open(&s, NAME, IPCX_OPEN_RECV))
		_exit(1);
	tell('o');
	if (stage == WAITING)
		stay();
	if (side_take(&s, &got, IPCX_DEADLINE_FOREVER, 0) != 1)
		_exit(1);
	if (stage == ASLEEP) {
		pthread_create(&thread, NULL, sleep_in_take, &s);
		usleep(20000);
	}
	if (stage >= LOANED && loan_reply(&s, &loan) != 1)
		_exit(1);
	if (stage == REPLIED && side_reply(&s, &got, &loan, NULL, 0))
		_exit(1);
	if (stage == NEXT &&
	    side_reply_flags(&s, &got, &loan, NULL, 0, IPCX_DEADLINE_FOREVER, IPCX_REPLY_TAKE))
		_exit(1);
	stay();
}

/* Starts a server and a request, or two, and waits until it is at @stage. */
static void bring_to(struct __test_metadata *_metadata, FIXTURE_DATA(server) *self,
		     enum stage stage)
{
	struct call_thread *t = &self->call;
	struct side *c = &self->caller;

	self->pid = fork();
	if (!self->pid)
		serve_until(stage);
	ASSERT_EQ('o', hear());
	if (stage == REPLIED) {
		ASSERT_EQ(1, side_send_inline(c, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	} else {
		ASSERT_EQ(0, call_start(t, c, 1));
	}
	if (stage == NEXT) {
		ASSERT_EQ(0, pthread_join(t->thread, NULL));
		ASSERT_EQ(0, t->err);
		ASSERT_TRUE(all_r(c, &t->answer));
		ASSERT_EQ(1, raw_release(c->e.fd, &t->answer));
		ASSERT_EQ(0, call_start(t, c, 2));
	}
	ASSERT_EQ('h', hear());
	if (stage == WAITING)
		ASSERT_TRUE(queued_soon(c, 1));
}

/* Kills the server and waits for the caller. */
static void kill_it(struct __test_metadata *_metadata, FIXTURE_DATA(server) *self, enum stage stage)
{
	int64_t begin = now_ns(), took;

	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	if (stage == REPLIED)
		return;
	ASSERT_EQ(0, pthread_join(self->call.thread, NULL));
	took = self->call.returned - begin;
	EXPECT_GE(LIMIT_NS, took);
	if (took > self->longest)
		self->longest = took;
}

/* The request that was not answered is over; the reply that was there still is. */
static void look(struct __test_metadata *_metadata, FIXTURE_DATA(server) *self, enum stage stage)
{
	struct side *c = &self->caller;

	if (stage == REPLIED) {
		ASSERT_EQ(1, side_answer(c, &self->answer, 0));
		ASSERT_EQ(0, answer_error(&self->answer));
		ASSERT_TRUE(all_r(c, &self->answer));
		ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	} else {
		ASSERT_EQ(-EOWNERDEAD, self->call.err);
	}
	ASSERT_EQ(-EAGAIN, side_answer(c, &self->answer, 0));
	ASSERT_TRUE(all_free(c));
	ASSERT_EQ(0, stat_of(c).out_receivers);
}

TEST_F(server, stays_a_zombie)
{
	siginfo_t info;

	for (int i = 0; i < rounds(20); i++) {
		bring_to(_metadata, self, variant->stage);
		kill_it(_metadata, self, variant->stage);
		ASSERT_EQ(0, waitid(P_PID, self->pid, &info, WEXITED | WNOWAIT));
		look(_metadata, self, variant->stage);
		ASSERT_EQ(128 + SIGKILL, exit_status(self->pid));
	}
}

/* By the kernel, at once. */
TEST_F(server, is_reaped)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < rounds(20); i++) {
		bring_to(_metadata, self, variant->stage);
		kill_it(_metadata, self, variant->stage);
		ASSERT_EQ(-1, waitpid(self->pid, NULL, 0));
		look(_metadata, self, variant->stage);
	}
}

struct survivor {
	struct side s;
	struct ipcx_desc got;
	pthread_t thread;
	int take, reply;
};

static void *go_on(void *arg)
{
	struct survivor *v = arg;

	v->take = side_take(&v->s, &v->got, in_ms(10000), 0);
	v->reply = side_reply(&v->s, &v->got, NULL, "second", 6);
	return NULL;
}

/* Another server sleeps, and gets what the dead one had and did not reply to. */
TEST_F(server, another_goes_on)
{
	struct ipcx_desc *a = &self->call.answer;
	struct side *c = &self->caller;
	struct survivor v = {};

	ASSERT_EQ(0, side_open(&v.s, NAME, IPCX_OPEN_RECV));
	bring_to(_metadata, self, variant->stage);
	if (variant->stage != REPLIED) {
		ASSERT_EQ(0, pthread_create(&v.thread, NULL, go_on, &v));
		usleep(20000);
	}
	kill_it(_metadata, self, variant->stage);
	if (variant->stage != REPLIED) {
		ASSERT_EQ(0, pthread_join(v.thread, NULL));
		ASSERT_EQ(1, v.take);
		ASSERT_EQ(variant->stage != WAITING, v.got.deliveries);
		ASSERT_EQ(0, v.reply);
		ASSERT_EQ(0, self->call.err);
		ASSERT_EQ(0, memcmp("second", c->place[a->slot], 6));
	} else {
		ASSERT_EQ(1, side_answer(c, a, 0));
		ASSERT_TRUE(all_r(c, a));
	}
	ASSERT_EQ(1, raw_release(c->e.fd, a));
	ASSERT_EQ(128 + SIGKILL, exit_status(self->pid));
	ASSERT_EQ(-EAGAIN, side_take(&v.s, &v.got, 0, 0));
	ASSERT_EQ(-EAGAIN, side_answer(c, a, 0));
	ASSERT_TRUE(all_free(c));
	end_close(&v.s.e);
}

#define BATCH 8

static int take_batch(struct side *s, struct ipcx_desc *d, unsigned int n)
{
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
		.deadline = IPCX_DEADLINE_FOREVER,
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)s->place,
	};

	return xioctl(s->e.fd, IPCX_IOC_QUEUE_TAKE, &t);
}

/* The child: takes some requests at a time, and replies to each in one of three ways. */
static void serve_for_ever(void)
{
	static struct side s;
	struct ipcx_desc d[BATCH / 2], loan;
	int n;

	if (side_open(&s, NAME, IPCX_OPEN_RECV))
		_exit(1);
	tell('o');
	while ((n = take_batch(&s, d, BATCH / 2)) > 0)
		for (int i = 0; i < n; i++) {
			uint64_t tag = d[i].tag;
			int ret;

			if (tag % 3 == 1 && loan_reply(&s, &loan) != 1)
				_exit(2);
			ret = side_reply_flags(&s, &d[i], tag % 3 == 1 ? &loan : NULL, &tag, 8, 0,
					       tag % 3 == 2 ? IPCX_REPLY_TAKE : 0);
			if (!ret && tag % 3 == 2)
				i--; /* the next is there */
		}
	_exit(3);
}

static int ask(struct side *c, uint64_t tag)
{
	struct ipcx_desc d;
	int ret = side_loan(c, &d, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE);

	d.tag = tag;
	return ret < 0 ? ret : side_commit(c, &d, IPCX_MSG_REQUEST | IPCX_MSG_INLINE);
}

/* Is a reply what serve_for_ever() makes of its request? */
static bool right_reply(const struct side *c, const struct ipcx_desc *d)
{
	return d->tag % 3 == 1 ? all_r(c, d) :
				 d->len == 8 && !memcmp(c->place[d->slot], &d->tag, 8);
}

TEST(server_killed_at_random_moments)
{
	struct side c = { .e.o = { .depth = DEPTH, .msg_max = LONG } };
	int n = rounds(200), replies = 0, dead = 0;
	struct ipcx_desc d;

	srandom(1);
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, side_open(&c, NAME, CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL));
	for (int round = 0; round < n; round++) {
		unsigned int seen = 0;
		pid_t pid = fork();

		if (!pid)
			serve_for_ever();
		ASSERT_EQ('o', hear());
		for (int i = 0; i < BATCH; i++)
			ASSERT_EQ(1, ask(&c, i));
		for (int i = random() % 16; i; i--)
			sched_yield();
		if (round % 2)
			usleep(random() % 1000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		for (int i = 0; i < BATCH; i++) {
			ASSERT_EQ(1, side_answer(&c, &d, in_ms(10000))) TH_LOG("round %d", round);
			ASSERT_EQ(0, seen & (1U << d.tag)) TH_LOG("a second answer");
			seen |= 1U << d.tag;
			if (answer_error(&d) == -EOWNERDEAD) {
				dead++;
			} else {
				ASSERT_EQ(0, answer_error(&d));
				ASSERT_TRUE(right_reply(&c, &d));
				replies++;
			}
			ASSERT_EQ(1, raw_release(c.e.fd, &d));
		}
		ASSERT_EQ(128 + SIGKILL, exit_status(pid));
		ASSERT_EQ(-EAGAIN, side_answer(&c, &d, 0));
		ASSERT_TRUE(all_free(&c)) TH_LOG("round %d", round);
	}
	TH_LOG("%d rounds, %d replies, %d without one", n, replies, dead);
	end_close(&c.e);
}

TEST_HARNESS_MAIN
