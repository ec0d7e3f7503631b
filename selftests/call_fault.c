// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls whose memory is bad in some place: what was sent goes on, what was answered can be
 * taken still. And what CALL does besides: release an answer, bring a loan.
 */
#include "call_util.h"
#include "pass_util.h"

#include "../kselftest_harness.h"

#define LONG 20000

/* Memory that can be read and not written. */
struct fixed {
	struct ipcx_desc ask, answer;
	char place[PLACES][IPCX_INLINE_MAX];
};

FIXTURE(fault)
{
	struct side caller, server;
	struct ipcx_desc ask, answer, got, loan;
	struct fixed *fixed;
};

/* The reply lies in the slot of the request, or in one of its own. */
FIXTURE_VARIANT(fault)
{
	bool is_long;
};

FIXTURE_VARIANT_ADD(fault, short_reply){
	.is_long = false,
};

FIXTURE_VARIANT_ADD(fault, long_reply){
	.is_long = true,
};

FIXTURE_SETUP(fault)
{
	memset(self, 0, sizeof(*self));
	self->caller.e.o.depth = 4;
	self->caller.e.o.msg_max = LONG;
	self->fixed =
		mmap(NULL, sizeof(*self->fixed), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, side_open(&self->caller, "call-fault",
			       CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, side_open(&self->server, "call-fault", IPCX_OPEN_RECV));
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_TRUE(all_free(&self->caller));
	end_close(&self->server.e);
	end_close(&self->caller.e);
	munmap(self->fixed, sizeof(*self->fixed));
}

/* @d and the payloads of @s, in memory that cannot be written. Return: its address. */
static struct ipcx_desc *fix(FIXTURE_DATA(fault) *self, const struct ipcx_desc *d,
			     const struct side *s)
{
	mprotect(self->fixed, sizeof(*self->fixed), PROT_READ | PROT_WRITE);
	self->fixed->ask = *d;
	memcpy(self->fixed->place, s->place, sizeof(s->place));
	mprotect(self->fixed, sizeof(*self->fixed), PROT_READ);
	return &self->fixed->ask;
}

static int call_places(struct side *c, struct ipcx_desc *request, struct ipcx_desc *reply,
		       unsigned int flags, void *places)
{
	struct ipcx_queue_call arg = {
		.size = sizeof(arg),
		.flags = flags,
		.request = (uintptr_t)request,
		.reply = (uintptr_t)reply,
		.desc_size = sizeof(*request),
		.deadline = in_ms(10000),
		.inline_data = (uintptr_t)places,
	};

	return xioctl(c->e.fd, IPCX_IOC_QUEUE_CALL, &arg);
}

static int loan_request(FIXTURE_DATA(fault) *self)
{
	int ret = side_loan(&self->caller, &self->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE);

	if (ret < 0)
		return ret;
	memcpy(self->caller.place[self->ask.slot], "ask", 4);
	self->ask.tag = 77;
	self->ask.flags = IPCX_MSG_INLINE;
	return ret;
}

/* Takes the request and replies to it. */
static int serve(FIXTURE_DATA(fault) *self, bool is_long)
{
	struct side *s = &self->server;
	int ret = side_take(s, &self->got, in_ms(10000), 0);

	if (ret < 0 || memcmp("ask", s->place[self->got.slot], 4))
		return ret < 0 ? ret : -EPROTO;
	if (!is_long)
		return side_reply(s, &self->got, NULL, "answer", 6);
	ret = side_loan(s, &self->loan, LONG, IPCX_LOAN_REPLY);
	if (ret < 0)
		return ret;
	memset(tx_at(&s->e, &self->loan), 'r', LONG);
	return side_reply(s, &self->got, &self->loan, NULL, 0);
}

/* Sends a request, without waiting, and serves it. */
static int ask_and_serve(FIXTURE_DATA(fault) *self, bool is_long)
{
	int ret = loan_request(self);

	if (ret == 1)
		ret = side_call(&self->caller, &self->ask, &self->answer, 0, 0);
	return ret == -EAGAIN ? serve(self, is_long) : ret;
}

/* The answer is the one, as if nothing had happened. Released. */
static bool is_whole(FIXTURE_DATA(fault) *self, bool is_long)
{
	const struct ipcx_desc *a = &self->answer;
	struct side *c = &self->caller;
	const char *p = is_long ? rx_at(&c->e, a) : c->place[a->slot];

	if (a->tag != 77 || a->seq != self->got.seq || a->deliveries ||
	    a->len != (is_long ? LONG : 6))
		return false;
	if (is_long ? p[0] != 'r' || memcmp(p, p + 1, LONG - 1) : memcmp(p, "answer", 6))
		return false;
	return raw_release(c->e.fd, &self->answer) == 1 &&
	       side_answer(c, &self->answer, 0) == -EAGAIN;
}

struct server_thread {
	FIXTURE_DATA(fault) *self;
	bool is_long;
	int n, ret;
	pthread_t thread;
};

static void *server_main(void *arg)
{
	struct server_thread *t = arg;

	while (t->n-- && !t->ret)
		t->ret = serve(t->self, t->is_long);
	return NULL;
}

/* A call that sleeps for its answer, which cannot be written. */
TEST_F(fault, answer_of_a_call)
{
	struct ipcx_desc *answer = fix(self, &self->answer, &self->caller);
	struct server_thread t = { .self = self, .is_long = variant->is_long, .n = 1 };
	struct side *c = &self->caller;

	ASSERT_EQ(1, loan_request(self));
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, server_main, &t));
	ASSERT_EQ(-EFAULT, call_places(c, &self->ask, answer, 0, c->place));
	ASSERT_EQ(0, pthread_join(t.thread, NULL));
	ASSERT_EQ(0, t.ret);
	ASSERT_EQ(self->got.seq, self->ask.seq);
	ASSERT_EQ(1, stat_of(c).out_answers);
	ASSERT_EQ(-EFAULT, call_places(c, &self->ask, answer, IPCX_CALL_WAIT, c->place));
	ASSERT_EQ(0, side_call(c, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	ASSERT_TRUE(is_whole(self, variant->is_long));
}

/* There is no place for the payload; a long one needs none. */
TEST_F(fault, place_of_an_answer)
{
	struct side *c = &self->caller;
	void *fixed = self->fixed->place;

	ASSERT_EQ(0, ask_and_serve(self, variant->is_long));
	if (!variant->is_long) {
		ASSERT_EQ(-EFAULT,
			  call_places(c, &self->ask, &self->answer, IPCX_CALL_WAIT, fixed));
		ASSERT_EQ(-EFAULT, call_places(c, &self->ask, &self->answer, IPCX_CALL_WAIT, NULL));
	}
	ASSERT_EQ(0, side_call(c, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	ASSERT_TRUE(is_whole(self, variant->is_long));
}

/* By TAKE: the answer stays the first. */
TEST_F(fault, taken_answer)
{
	struct ipcx_desc *fixed = &self->fixed->answer, first, second;
	struct side *c = &self->caller;

	ASSERT_EQ(0, ask_and_serve(self, variant->is_long));
	first = self->got;
	ASSERT_EQ(0, ask_and_serve(self, false));
	second = self->got;
	ASSERT_EQ(-EFAULT, raw_take_places(c->e.fd, fixed, 0, IPCX_TAKE_ANSWER, c->place));
	if (!variant->is_long)
		ASSERT_EQ(-EFAULT, raw_take_places(c->e.fd, &self->answer, 0, IPCX_TAKE_ANSWER,
						   self->fixed->place));
	ASSERT_EQ(1, side_answer(c, &self->answer, 0));
	ASSERT_EQ(first.seq, self->answer.seq);
	ASSERT_EQ(1, raw_release(c->e.fd, &self->answer));
	ASSERT_EQ(1, side_answer(c, &self->answer, 0));
	ASSERT_EQ(second.seq, self->answer.seq);
	ASSERT_TRUE(is_whole(self, false));
}

/* The number of the request cannot be told: it is sent, and its answer can be taken. */
TEST_F(fault, number_of_the_request)
{
	struct side *c = &self->caller;

	for (unsigned int flags = 0; flags <= IPCX_CALL_LOAN; flags += IPCX_CALL_LOAN) {
		ASSERT_EQ(1, loan_request(self));
		ASSERT_EQ(-EFAULT,
			  call_places(c, fix(self, &self->ask, c), &self->answer, flags, c->place));
		ASSERT_EQ(0, stat_of(c).out_loaned);
		ASSERT_EQ(0, serve(self, variant->is_long));
		ASSERT_EQ(1, side_answer(c, &self->answer, 0));
		ASSERT_TRUE(is_whole(self, variant->is_long));
	}
}

/* Neither can it be told, nor does it go on: it was dropped at once. */
TEST_F(fault, number_of_a_dropped_request)
{
	struct side s = { .e.o = { .depth = 2, .policy = IPCX_POLICY_DROP_NEWEST } };

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, side_loan(&s, &self->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
	self->ask.flags = IPCX_MSG_INLINE;
	ASSERT_EQ(-ECANCELED,
		  call_places(&s, fix(self, &self->ask, &s), &self->answer, 0, s.place));
	ASSERT_EQ(-EAGAIN, side_answer(&s, &self->answer, 0));
	ASSERT_EQ(1, stat_of(&s).out_dropped_newest);
	ASSERT_TRUE(all_free(&s));
	end_close(&s.e);
}

/* What the server cannot say is not said; the request is still held. */
TEST_F(fault, reply)
{
	struct ipcx_desc *nowhere = (void *)8;
	struct side *s = &self->server;

	ASSERT_EQ(1, loan_request(self));
	ASSERT_EQ(-EAGAIN, side_call(&self->caller, &self->ask, &self->answer, 0, 0));
	ASSERT_EQ(1, side_take(s, &self->got, 0, 0));
	ASSERT_EQ(-EFAULT, side_reply(s, &self->got, NULL, nowhere, 6));
	ASSERT_EQ(-EFAULT, side_reply(s, &self->got, nowhere, NULL, 0));
	ASSERT_EQ(-EFAULT, side_reply(s, nowhere, NULL, "answer", 6));
	ASSERT_EQ(1, stat_of(s).out_leased);
	ASSERT_EQ(0, side_reply(s, &self->got, NULL, "answer", 6));
	ASSERT_EQ(0, side_call(&self->caller, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	ASSERT_TRUE(is_whole(self, false));
}

/* The reply is sent, and the next message, of which the server cannot be told, stays. */
TEST_F(fault, next_of_a_reply)
{
	struct side *c = &self->caller, *s = &self->server;
	struct ipcx_desc m;

	for (int i = 0; i < 2; i++) {
		struct ipcx_desc d = { .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE, .len = 6 };
		struct ipcx_queue_reply r = {
			.size = sizeof(r),
			.flags = IPCX_REPLY_TAKE,
			.request = (uintptr_t)&self->got,
			.reply = (uintptr_t)&d,
			.desc_size = sizeof(d),
			.len_max = UINT64_MAX,
			.inline_data = (uintptr_t)(i ? self->fixed->place : s->place),
			.reply_data = (uintptr_t) "answer",
		};

		ASSERT_EQ(1, loan_request(self));
		ASSERT_EQ(-EAGAIN, side_call(c, &self->ask, &self->answer, 0, 0));
		ASSERT_EQ(1, side_send_inline(c, &m, 4, 'm', 0));
		ASSERT_EQ(1, side_take(s, &self->got, 0, 0));
		if (!i)
			r.request = (uintptr_t)fix(self, &self->got, s);
		ASSERT_EQ(-EFAULT, xioctl(s->e.fd, IPCX_IOC_QUEUE_REPLY, &r));
		if (i)
			ASSERT_EQ(IPCX_SLOT_NONE, self->got.slot);
		ASSERT_EQ(1, stat_of(s).out_queued);
		self->got.seq = self->ask.seq;
		ASSERT_EQ(0, side_call(c, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
		ASSERT_TRUE(is_whole(self, false));
		ASSERT_EQ(1, side_take(s, &m, 0, 0));
		ASSERT_EQ(0, m.deliveries);
		ASSERT_EQ('m', s->place[m.slot][3]);
		ASSERT_EQ(1, raw_release(s->e.fd, &m));
	}
}

/* The answer of an earlier call, which is still held. */
static int hold_answer(FIXTURE_DATA(fault) *self, bool is_long)
{
	int ret = ask_and_serve(self, is_long);

	if (!ret)
		ret = side_call(&self->caller, &self->ask, &self->answer, 0, IPCX_CALL_WAIT);
	return ret ?: loan_request(self);
}

TEST_F(fault, answer_to_release)
{
	struct ipcx_desc *nowhere = (void *)8;
	struct side *c = &self->caller;

	/* it cannot be read: nothing has happened */
	ASSERT_EQ(1, hold_answer(self, variant->is_long));
	ASSERT_EQ(-EFAULT, call_places(c, &self->ask, nowhere, IPCX_CALL_RELEASE, c->place));
	ASSERT_EQ(1, stat_of(c).out_answers);
	ASSERT_EQ(1, stat_of(c).out_loaned);
	/* it cannot be written: released, but nothing sent */
	ASSERT_EQ(-EFAULT, call_places(c, &self->ask, fix(self, &self->answer, c),
				       IPCX_CALL_RELEASE, c->place));
	ASSERT_EQ(0, self->ask.seq);
	ASSERT_EQ(0, stat_of(c).out_answers);
	ASSERT_EQ(1, stat_of(c).out_loaned);
	ASSERT_EQ(1, raw_cancel(c->e.fd, &self->ask));
}

/* The request cannot be sent: the answer stays released. What is no answer is not released. */
TEST_F(fault, released_and_not_sent)
{
	struct ipcx_desc d = { .slot = 3 };
	struct side *c = &self->caller;

	ASSERT_EQ(1, hold_answer(self, variant->is_long));
	d = self->answer;
	d.seq++;
	ASSERT_EQ(-ESTALE, call_places(c, &self->ask, &d, IPCX_CALL_RELEASE, c->place));
	d.slot = 1000;
	ASSERT_EQ(-EINVAL, call_places(c, &self->ask, &d, IPCX_CALL_RELEASE, c->place));
	d = self->ask;
	ASSERT_EQ(-EPERM, call_places(c, &self->ask, &d, IPCX_CALL_RELEASE, c->place));
	ASSERT_EQ(1, stat_of(c).out_answers);
	ASSERT_EQ(1, stat_of(c).out_loaned);
	ASSERT_EQ(1, raw_cancel(c->e.fd, &self->ask));
	d = self->answer;
	ASSERT_EQ(-EPERM, call_places(c, &self->ask, &d, IPCX_CALL_RELEASE, c->place));
	ASSERT_EQ(IPCX_SLOT_NONE, d.slot);
	ASSERT_EQ(0, stat_of(c).out_answers);
	ASSERT_EQ(-EPERM, call_places(c, &self->ask, &self->answer, IPCX_CALL_RELEASE, c->place));
}

/* Who may receive too releases no message so, nor answers a request by it. */
TEST_F(fault, message_to_release)
{
	struct side s = { .e.o = { .depth = 8 } };
	struct ipcx_desc d;

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, side_send_inline(&s, &d, 4, 'm', 0));
	ASSERT_EQ(1, side_take(&s, &self->got, 0, 0));
	ASSERT_EQ(1, side_loan(&s, &self->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
	self->ask.flags = IPCX_MSG_INLINE;
	d = self->got;
	ASSERT_EQ(-EPERM, call_places(&s, &self->ask, &d, IPCX_CALL_RELEASE, s.place));
	ASSERT_EQ(1, stat_of(&s).out_leased);
	ASSERT_EQ(1, stat_of(&s).out_loaned);
	end_close(&s.e);
}

/* One struct each for all calls: nothing piles up. */
TEST_F(fault, release_and_loan)
{
	struct server_thread t = { .self = self, .is_long = variant->is_long, .n = 50 };
	unsigned int flags = IPCX_CALL_LOAN;
	struct side *c = &self->caller;

	ASSERT_EQ(1, loan_request(self));
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, server_main, &t));
	for (int i = 0; i < 50; i++) {
		memcpy(c->place[self->ask.slot], "ask", 4);
		self->ask.len = 4;
		ASSERT_EQ(0, call_places(c, &self->ask, &self->answer, flags, c->place));
		ASSERT_EQ(i + 1, self->ask.seq);
		ASSERT_NE(IPCX_SLOT_NONE, self->ask.slot);
		ASSERT_EQ(IPCX_INLINE_MAX, self->ask.len);
		ASSERT_EQ(1, stat_of(c).out_loaned);
		ASSERT_EQ(1, stat_of(c).out_answers);
		ASSERT_EQ(1, stat_of(c).out_requests);
		flags |= IPCX_CALL_RELEASE;
	}
	ASSERT_EQ(0, pthread_join(t.thread, NULL));
	ASSERT_EQ(0, t.ret);
	ASSERT_EQ(1, raw_cancel(c->e.fd, &self->ask));
	ASSERT_TRUE(is_whole(self, variant->is_long));
}

/* No slot is left for a loan and the reply to it. */
TEST_F(fault, no_loan)
{
	struct side *c = &self->caller;
	struct ipcx_desc other;

	ASSERT_EQ(1, side_loan(c, &other, 4, 0));
	ASSERT_EQ(1, loan_request(self));
	ASSERT_EQ(-EAGAIN, side_call(c, &self->ask, &self->answer, 0, IPCX_CALL_LOAN));
	ASSERT_EQ(IPCX_SLOT_NONE, self->ask.slot);
	ASSERT_EQ(1, raw_cancel(c->e.fd, &other));
	ASSERT_EQ(0, serve(self, variant->is_long));
	ASSERT_EQ(0, side_call(c, &self->ask, &self->answer, 0, IPCX_CALL_WAIT));
	ASSERT_TRUE(is_whole(self, variant->is_long));
}

/* With a deadline it gets no long slot ready, however often there was none. */
TEST(no_long_loan)
{
	struct side s = { .e.o = { .depth = 64, .msg_max = PASS_LEN } };
	struct ipcx_desc ask, answer;

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV));
	for (int i = 0; i < PASS_MISSED + 1; i++) {
		ASSERT_EQ(1, side_loan(&s, &ask, PASS_LEN, IPCX_LOAN_REQUEST));
		ASSERT_EQ(-EAGAIN, side_call(&s, &ask, &answer, 0, IPCX_CALL_LOAN));
		ASSERT_EQ(IPCX_SLOT_NONE, ask.slot);
	}
	end_close(&s.e);
}

static void *poll_main(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };
	int64_t in_time = in_ms(5000); /* at its end poll looks once more */

	return (void *)(intptr_t)(poll(&p, 1, 10000) == 1 && now_ns() < in_time);
}

/* Who holds as many messages as it may is readable again when a call releases one. */
TEST_F(fault, release_makes_readable)
{
	struct side s = { .e.o = { .depth = 8, .leases_max = 1 } }, other = {};
	pthread_t thread;
	void *woken;

	ASSERT_EQ(0, side_open(&s, "call-lease", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, side_open(&other, "call-lease", IPCX_OPEN_RECV));
	ASSERT_EQ(1, side_send_inline(&s, &self->ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&other, &self->got, 0, 0));
	ASSERT_EQ(0, side_reply(&other, &self->got, NULL, "answer", 6));
	ASSERT_EQ(1, side_answer(&s, &self->answer, 0));
	ASSERT_EQ(1, side_send_inline(&s, &self->got, 4, 'm', 0));
	ASSERT_EQ(-EBUSY, side_take(&s, &self->got, 0, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, poll_main, &s.e.fd));
	usleep(50000);
	ASSERT_EQ(-EPERM, side_call(&s, &self->ask, &self->answer, 0, IPCX_CALL_RELEASE));
	ASSERT_EQ(0, pthread_join(thread, &woken));
	ASSERT_NE(NULL, woken);
	end_close(&other.e);
	end_close(&s.e);
}

TEST_HARNESS_MAIN
