// SPDX-License-Identifier: GPL-2.0-only
/* Tracepoints: each event is told as often as it happens, with the right numbers. */
#include <pthread.h>
#include <sys/syscall.h>

#include "call_util.h"
#include "trace_util.h"

#include "../kselftest_harness.h"

#define DEPTH 4
#define LEN 5000

FIXTURE(trace)
{
	struct side s; /* an end that sends and receives */
	char q[32], pid[32]; /* "queue=N ", "=PID " */
};

static void name_side(FIXTURE_DATA(trace) *self)
{
	snprintf(self->q, sizeof(self->q), "queue=%llu ", (long long)self->s.e.o.out_id);
	snprintf(self->pid, sizeof(self->pid), "=%d ", getpid());
}

/* Another queue in its place, as its attributes say. */
static int reopen(FIXTURE_DATA(trace) *self)
{
	int err;

	end_close(&self->s.e);
	err = side_open(&self->s, NULL, CREATE | SENDRECV);
	name_side(self);
	return err ?: put_file(TRACER "/trace", "");
}

FIXTURE_SETUP(trace)
{
	if (access("/dev/ipcx", F_OK))
		SKIP(return, "no /dev/ipcx");
	memset(self, 0, sizeof(*self));
	self->s.e.o.depth = DEPTH;
	ASSERT_EQ(0, tracer_open());
	ASSERT_EQ(0, side_open(&self->s, NULL, CREATE | SENDRECV));
	name_side(self);
}

FIXTURE_TEARDOWN(trace)
{
	end_close(&self->s.e);
	tracer_close();
}

/* Lines of the queue that tell of @event, and of @more; all its lines. */
#define EVENTS(event, more) traced(" ipcx_queue_" event ": ", self->q, more, NULL)
#define ALL() traced(": ipcx_queue_", self->q, NULL)

static int send_one(FIXTURE_DATA(trace) *self)
{
	return raw_send(&self->s.e, LEN, 1);
}

TEST_F(trace, message)
{
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, LEN + 1, 0));
	d.len = LEN;
	d.prio = 7;
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &d));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
	EXPECT_EQ(1, EVENTS("loan", "len=5001 slot=0 kind= pid"));
	EXPECT_EQ(1, EVENTS("loan", self->pid));
	EXPECT_EQ(1, EVENTS("send", "seq=1 len=5000 slot=0 prio=7 deliveries=0 sender="));
	EXPECT_EQ(1, EVENTS("take", "seq=1 len=5000 slot=0 prio=7 deliveries=0 sender="));
	EXPECT_EQ(1, EVENTS("release", "seq=1 len=5000 slot=0 prio=7 deliveries=0 sender="));
	EXPECT_EQ(3, traced(self->q, "sender", self->pid, "uid=0", NULL));
	EXPECT_EQ(4, ALL());
}

/* 64 and fewer bytes go without pages, more do not; both are one message. */
TEST_F(trace, read_and_write)
{
	char buf[LEN] = {};

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(8, write(self->s.e.fd, buf, 8));
		ASSERT_EQ(8, read(self->s.e.fd, buf, sizeof(buf)));
		ASSERT_EQ(LEN, write(self->s.e.fd, buf, LEN));
		ASSERT_EQ(LEN, read(self->s.e.fd, buf, sizeof(buf)));
	}
	EXPECT_EQ(10, EVENTS("send", " len=8 "));
	EXPECT_EQ(10, EVENTS("send", " len=5000 "));
	EXPECT_EQ(1, EVENTS("send", "seq=20 len=5000 "));
	EXPECT_EQ(20, EVENTS("take", ""));
	EXPECT_EQ(20, EVENTS("release", ""));
	EXPECT_EQ(60, ALL());
}

/* An array is so many messages, and a commit that brings a loan tells of that too. */
TEST_F(trace, arrays)
{
	struct ipcx_desc d[3] = {};
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.flags = IPCX_LOAN_INLINE,
		.descs = (uintptr_t)d,
		.count = 3,
		.desc_size = sizeof(d[0]),
	};
	struct ipcx_queue_commit c = {
		.size = sizeof(c),
		.descs = (uintptr_t)d,
		.count = 3,
		.desc_size = sizeof(d[0]),
		.inline_data = (uintptr_t)self->s.place,
	};

	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_LOAN, &l));
	for (int i = 0; i < 3; i++)
		d[i].flags = IPCX_MSG_INLINE;
	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_COMMIT, &c));
	ASSERT_EQ(1, side_loan(&self->s, d, 8, IPCX_LOAN_INLINE));
	c.count = 1;
	ASSERT_EQ(1, side_take(&self->s, d + 1, 0, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, d + 1));
	d[0].flags = IPCX_MSG_INLINE;
	c.flags = IPCX_COMMIT_LOAN;
	ASSERT_EQ(1, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_COMMIT, &c));
	EXPECT_EQ(4, EVENTS("send", ""));
	EXPECT_EQ(d[0].slot == IPCX_SLOT_NONE ? 4 : 5, EVENTS("loan", "kind=inline"));
	EXPECT_EQ(1, EVENTS("take", ""));
	EXPECT_EQ(1, EVENTS("release", ""));
}

TEST_F(trace, comes_back)
{
	struct ipcx_desc d;
	struct end other = {};

	ASSERT_EQ(1, send_one(self));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	EXPECT_EQ(1, EVENTS("requeue", "seq=1 len=5000 slot=0 prio=0 deliveries=1 sender"));
	EXPECT_EQ(1, EVENTS("requeue", "why=nack"));
	EXPECT_EQ(-1, read(self->s.e.fd, self->s.e.rx, LEN));
	EXPECT_EQ(1, EVENTS("requeue", "why=untaken"));

	end_close(&self->s.e);
	self->s.e.o.lease_ms = 300;
	ASSERT_EQ(0, end_open(&self->s.e, "back", CREATE | SENDRECV));
	name_side(self);
	ASSERT_EQ(1, send_one(self));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, in_ms(20000)));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
	EXPECT_EQ(1, EVENTS("requeue", "why=lease"));
	EXPECT_EQ(2, EVENTS("take", ""));
	ASSERT_EQ(0, raw_unlink("back"));

	end_close(&self->s.e);
	self->s.e.o.lease_ms = 0;
	ASSERT_EQ(0, end_open(&self->s.e, "back", CREATE | SENDRECV));
	name_side(self);
	ASSERT_EQ(0, end_open(&other, "back", IPCX_OPEN_RECV));
	ASSERT_EQ(1, send_one(self));
	ASSERT_EQ(1, raw_take(other.fd, &d, 0));
	end_close(&other);
	EXPECT_EQ(1, EVENTS("requeue", "why=close"));
	EXPECT_EQ(1, EVENTS("requeue", ""));
	ASSERT_EQ(0, raw_unlink("back"));
}

TEST_F(trace, policies)
{
	self->s.e.o.policy = IPCX_POLICY_DROP_OLDEST;
	ASSERT_EQ(0, reopen(self));
	for (int i = 0; i < DEPTH + 3; i++)
		ASSERT_EQ(1, send_one(self));
	EXPECT_EQ(3, EVENTS("drop", "why=oldest"));
	EXPECT_EQ(1, EVENTS("drop", "seq=1 len=5000 "));
	EXPECT_EQ(1, EVENTS("drop", "seq=3 "));
	EXPECT_EQ(3, EVENTS("drop", ""));

	self->s.e.o.policy = IPCX_POLICY_DROP_NEWEST;
	ASSERT_EQ(0, reopen(self));
	for (int i = 0; i < DEPTH + 3; i++)
		ASSERT_EQ(1, send_one(self));
	EXPECT_EQ(DEPTH - 1, EVENTS("send", ""));
	EXPECT_EQ(4, EVENTS("drop", "why=newest"));
	EXPECT_EQ(1, EVENTS("drop", "seq=7 len=5000 "));
	EXPECT_EQ(4, EVENTS("drop", ""));
}

/* Given up, with and without a queue for that. */
TEST_F(trace, given_up)
{
	struct end dead = { .o.depth = DEPTH };
	struct ipcx_desc d;
	char text[32];

	ASSERT_EQ(0, end_open(&dead, "dead", CREATE | IPCX_OPEN_RECV));
	self->s.e.o.dead_letter = (uintptr_t) "dead";
	self->s.e.o.dead_letter_len = 4;
	self->s.e.o.max_deliveries = 1;
	ASSERT_EQ(0, reopen(self));
	snprintf(text, sizeof(text), "queue=%llu ", (long long)dead.o.out_id);
	ASSERT_EQ(1, send_one(self));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	EXPECT_EQ(1, EVENTS("dead_letter", "seq=1 len=5000 "));
	EXPECT_EQ(1, EVENTS("drop", "why=poison"));
	EXPECT_EQ(0, EVENTS("requeue", ""));
	EXPECT_EQ(1, traced(" ipcx_queue_send: ", text, "seq=1 len=5000 ", NULL));

	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 9000, 0));
	d.expires = 1;
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &d));
	ASSERT_EQ(-EAGAIN, raw_take(self->s.e.fd, &d, 0));
	EXPECT_EQ(1, EVENTS("drop", "seq=2 len=9000 "));
	EXPECT_EQ(1, EVENTS("drop", "why=expired"));
	EXPECT_EQ(2, EVENTS("dead_letter", ""));
	EXPECT_EQ(2, EVENTS("drop", ""));
	EXPECT_EQ(2, traced(" ipcx_queue_send: ", text, NULL));
	end_close(&dead);
	ASSERT_EQ(0, raw_unlink("dead"));
}

/* A thread that sleeps in a system call until it is woken. */
struct thread {
	pthread_t t;
	int fd, tid, ret;
	bool sends;
	struct side *asks; /* else: for an answer */
};

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	struct ipcx_desc d;
	char buf[8] = {};

	__atomic_store_n(&t->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (t->asks)
		t->ret = side_answer(t->asks, &d, in_ms(20000));
	else
		t->ret = t->sends ? write(t->fd, buf, sizeof(buf)) : read(t->fd, buf, sizeof(buf));
	return NULL;
}

static void thread_asleep(struct thread *t, char *text)
{
	pthread_create(&t->t, NULL, thread_run, t);
	while (!__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	until_asleep(t->tid);
	sprintf(text, "to=%d\n", t->tid);
}

TEST_F(trace, wakes)
{
	struct thread receiver = { .fd = self->s.e.fd }, sender = receiver;
	struct pollfd p = { .fd = self->s.e.fd, .events = POLLIN };
	char to[32], buf[8] = {};
	pid_t poller;

	sender.sends = true;
	thread_asleep(&receiver, to);
	ASSERT_EQ(8, write(self->s.e.fd, buf, 8));
	pthread_join(receiver.t, NULL);
	EXPECT_EQ(8, receiver.ret);
	EXPECT_EQ(1, traced(" ipcx_queue_wake: ", self->q, "seq=1 who=receiver ", to, NULL));
	EXPECT_EQ(1, EVENTS("take", ""));

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, write(self->s.e.fd, buf, 8));
	thread_asleep(&sender, to);
	ASSERT_EQ(8, read(self->s.e.fd, buf, 8));
	pthread_join(sender.t, NULL);
	EXPECT_EQ(8, sender.ret);
	EXPECT_EQ(1, traced(" ipcx_queue_wake: ", self->q, "seq=0 who=sender ", to, NULL));
	EXPECT_EQ(2, EVENTS("wake", ""));

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, read(self->s.e.fd, buf, 8));
	poller = fork();
	if (!poller)
		_exit(poll(&p, 1, 20000) != 1);
	until_asleep(poller);
	ASSERT_EQ(8, write(self->s.e.fd, buf, 8));
	EXPECT_EQ(0, exit_status(poller));
	EXPECT_EQ(1, EVENTS("wake", "who=pollers to=0"));
	EXPECT_EQ(3, EVENTS("wake", ""));
}

/* Each request is answered once, whatever ends it. */
TEST_F(trace, calls)
{
	struct ipcx_desc d, got;

	ASSERT_EQ(1, side_send_inline(&self->s, &d, 8, 1, IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->s, &got, 0, 0));
	ASSERT_EQ(0, side_reply(&self->s, &got, NULL, "reply", 5));
	ASSERT_EQ(1, side_answer(&self->s, &got, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &got));
	EXPECT_EQ(1, EVENTS("loan", "kind=inline|request"));
	EXPECT_EQ(1, EVENTS("call", "seq=1 len=8 "));
	EXPECT_EQ(1, EVENTS("answer", "seq=1 len=5 why=reply"));
	EXPECT_EQ(1, EVENTS("take", ""));
	EXPECT_EQ(1, EVENTS("release", "seq=1 len=8 "));

	ASSERT_EQ(1, side_send_inline(&self->s, &d, 8, 1, IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->s, &got, 0, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &got));
	EXPECT_EQ(1, EVENTS("answer", "seq=2 len=0 why=canceled"));
	EXPECT_EQ(2, EVENTS("call", ""));
	EXPECT_EQ(2, EVENTS("answer", ""));
	EXPECT_EQ(2, EVENTS("release", ""));
	EXPECT_EQ(0, EVENTS("drop", ""));
}

/* Nobody is left to answer, or to be answered. */
TEST_F(trace, calls_in_vain)
{
	struct side client = {};
	struct ipcx_desc d;

	end_close(&self->s.e);
	ASSERT_EQ(0, side_open(&self->s, "vain", CREATE | IPCX_OPEN_RECV));
	name_side(self);
	ASSERT_EQ(0, side_open(&client, "vain", IPCX_OPEN_SEND));
	ASSERT_EQ(1, side_send_inline(&client, &d, 8, 1, IPCX_MSG_REQUEST));
	end_close(&self->s.e);
	EXPECT_EQ(1, EVENTS("answer", "seq=1 len=0 why=ownerdead"));
	EXPECT_EQ(1, EVENTS("drop", "why=orphan"));
	ASSERT_EQ(0, side_open(&self->s, "vain", IPCX_OPEN_RECV));
	ASSERT_EQ(1, side_send_inline(&client, &d, 8, 1, IPCX_MSG_REQUEST));
	end_close(&client.e);
	EXPECT_EQ(1, EVENTS("drop", "why=withdrawn"));
	EXPECT_EQ(2, EVENTS("drop", ""));
	EXPECT_EQ(1, EVENTS("answer", ""));
	ASSERT_EQ(0, raw_unlink("vain"));
}

/* Of a request for which there is no room only the end is told, and nothing of who had the slot. */
TEST_F(trace, call_dropped)
{
	struct ipcx_desc d[2];

	self->s.e.o.depth = 2;
	self->s.e.o.policy = IPCX_POLICY_DROP_NEWEST;
	ASSERT_EQ(0, reopen(self));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, side_loan(&self->s, &d[i], 8, IPCX_LOAN_INLINE));
		d[i].prio = 7;
	}
	ASSERT_EQ(1, raw_cancel(self->s.e.fd, &d[1]));
	ASSERT_EQ(1, side_commit(&self->s, &d[0], IPCX_MSG_INLINE));
	ASSERT_EQ(1, side_take(&self->s, &d[0], 0, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &d[0]));
	ASSERT_EQ(1, side_loan(&self->s, &d[0], 8, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
	d[0].prio = 3;
	ASSERT_EQ(1, side_commit(&self->s, &d[0], IPCX_MSG_INLINE | IPCX_MSG_REQUEST));
	EXPECT_EQ(1, EVENTS("drop", "prio=3 deliveries=0 "));
	EXPECT_EQ(1, EVENTS("answer", "seq=2 len=0 why=canceled"));
	EXPECT_EQ(0, EVENTS("call", ""));
	ASSERT_EQ(1, side_answer(&self->s, &d[0], 0));
	EXPECT_EQ(3, d[0].prio);
	EXPECT_EQ(-ECANCELED, answer_error(&d[0]));
}

/* A loan for a reply; why there is none; who sleeps for it. */
TEST_F(trace, answers)
{
	struct call_thread t = {};
	struct thread asker = { .asks = &self->s };
	struct ipcx_desc got, reply;
	char text[64];

	self->s.e.o.max_deliveries = 1;
	ASSERT_EQ(0, reopen(self));
	ASSERT_EQ(0, call_start(&t, &self->s, 1));
	ASSERT_EQ(1, side_take(&self->s, &got, in_ms(5000), 0));
	ASSERT_EQ(1, raw_loan_kind(self->s.e.fd, &reply, 9, 0, IPCX_LOAN_REPLY));
	EXPECT_EQ(1, EVENTS("loan", "len=9 slot="));
	EXPECT_EQ(1, EVENTS("loan", "kind=reply"));
	ASSERT_EQ(0, side_reply(&self->s, &got, &reply, NULL, 0));
	pthread_join(t.thread, NULL);
	ASSERT_EQ(0, t.err);
	EXPECT_EQ(1, EVENTS("wake", "seq=1 who=caller to="));

	ASSERT_EQ(1, side_send_inline(&self->s, &got, 8, 1, IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&self->s, &got, 0, 0));
	thread_asleep(&asker, text);
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &got, IPCX_RELEASE_NACK));
	pthread_join(asker.t, NULL);
	EXPECT_EQ(1, asker.ret);
	EXPECT_EQ(1, EVENTS("answer", "why=poison"));
	EXPECT_EQ(1, EVENTS("wake", "seq=0 who=caller to=0"));

	ASSERT_EQ(1, side_loan(&self->s, &got, 8, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
	got.expires = 1;
	ASSERT_EQ(1, side_commit(&self->s, &got, IPCX_MSG_INLINE | IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_answer(&self->s, &got, in_ms(5000)));
	EXPECT_EQ(-ETIME, answer_error(&got));
	EXPECT_EQ(1, EVENTS("answer", "why=expired"));
}

TEST_F(trace, objects_and_ends)
{
	struct end e = {};
	char object[32];

	ASSERT_EQ(0, end_open(&e, "seen", CREATE | IPCX_OPEN_RECV));
	snprintf(object, sizeof(object), "object=%llu ", (long long)e.o.out_id);
	EXPECT_EQ(1, traced(" ipcx_object_new: ", object, "kind=queue mode=0600 uid=0", NULL));
	EXPECT_EQ(1, traced(" ipcx_end_open: ", object, "kind=queue rights=4 ", self->pid, NULL));
	EXPECT_EQ(0, traced(" ipcx_end_close: ", object, NULL));
	end_close(&e);
	EXPECT_EQ(1, traced(" ipcx_end_close: ", object, "kind=queue rights=4 ", self->pid, NULL));
	EXPECT_EQ(0, traced(" ipcx_object_gone: ", object, NULL));
	ASSERT_EQ(0, raw_unlink("seen"));
	EXPECT_EQ(1, traced(" ipcx_object_gone: ", object, "kind=queue mode=0600 uid=0", NULL));
	EXPECT_EQ(4, traced(object, NULL));
}

TEST_HARNESS_MAIN
