// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies over shared memory: what an application has of them, in threads that share a handle, and
 * that an answer which was given stays the one, whoever receives after whom; and that requests of
 * which none is given any more make room.
 */
#include <poll.h>
#include <pthread.h>

#include "queue_shm_util.h"

struct loans {
	struct ipcx_queue *q;
	struct ipcx_msg m;
	bool stop;
};

/* Loans for replies come and go, beside another thread. */
static void *loan_and_cancel(void *arg)
{
	struct loans *l = arg;
	struct ipcx_msg reply;

	while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED))
		if (ipcx_queue_loan_reply(l->q, &l->m, 2 * LONG, &reply) ||
		    ipcx_queue_cancel(l->q, &reply))
			return "a loan failed";
	return NULL;
}

/* A reply is sent from its own loan, not from another thread's, which would be long enough. */
TEST_F_TIMEOUT(call, loans_of_two_threads, 120)
{
	struct ipcx_msg m, reply;
	struct loans other = { 0 };
	pthread_t thread;
	void *what;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, request(self->s, 1, 0));
	ASSERT_EQ(0, request(self->s, 2, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &other.m, 0));
	other.q = self->r;
	ASSERT_EQ(0, pthread_create(&thread, NULL, loan_and_cancel, &other));
	for (int i = 0; i < 200000; i++) {
		ASSERT_EQ(0, ipcx_queue_loan_reply(self->r, &m, LONG, &reply));
		reply.len = LONG + 1;
		ASSERT_EQ(-EMSGSIZE, ipcx_queue_reply(self->r, &m, &reply)) TH_LOG("%d", i);
		ASSERT_EQ(0, ipcx_queue_cancel(self->r, &reply));
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, &what));
	EXPECT_EQ(NULL, what) TH_LOG("%s", (char *)what);
}

/* A copy of what is gone stands for nothing, also where the next one lies in the same memory. */
TEST_F(call, copies_of_what_is_gone)
{
	struct ipcx_msg m, reply = { 0 }, copy;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, request(self->s, 1, 0));
		ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
		ASSERT_EQ(0, answer(self->r, &m, false));
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &reply, 0));
		if (i) {
			EXPECT_EQ(-EPERM, ipcx_queue_release(self->s, &copy));
			EXPECT_EQ(-EPERM, ipcx_queue_nack(self->s, &copy));
		}
		EXPECT_TRUE(is_reply(&reply, 1));
		copy = reply;
		ASSERT_EQ(0, ipcx_queue_release(self->s, &reply));
	}
	ASSERT_EQ(0, request(self->s, 2, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_queue_loan_reply(self->r, &m, LONG, &reply));
		if (i)
			EXPECT_EQ(-EPERM, ipcx_queue_cancel(self->r, &copy));
		copy = reply;
		ASSERT_EQ(0, ipcx_queue_cancel(self->r, &reply));
	}
	ASSERT_EQ(0, ipcx_queue_release(self->r, &m));
}

/* A forked child has no loan for a reply. */
TEST_F(call, loan_in_a_forked_child)
{
	struct ipcx_msg m, reply;
	pid_t pid;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, request(self->s, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->r, &m, 0));
	ASSERT_EQ(0, ipcx_queue_loan_reply(self->r, &m, LONG, &reply));
	pid = fork();
	if (!pid)
		_exit(ipcx_queue_cancel(self->r, &reply) == -EBADF ? 0 : 1);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, ipcx_queue_cancel(self->r, &reply));
	ASSERT_EQ(0, ipcx_queue_release(self->r, &m));
}

/* A reply that nobody waits for any more takes no memory of the queue. */
TEST_F(call, reply_to_nobody)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 1 << 20);
	struct ipcx_msg ask, m, reply = { 0 };
	char *big = calloc(1, 1 << 20);
	struct ipcx_queue *q;
	uint64_t before;

	ipcx_queue_close(self->s);
	self->s = NULL;
	ASSERT_EQ(0, ipcx_queue_open(&q, QUEUE_URI,
				     IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL, &opts));
	before = blocks();
	for (int i = 0; i < 2 * CALLS; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(q, 8, &ask, 0));
		ASSERT_EQ(-EAGAIN, ipcx_queue_call(q, &ask, &reply, 0));
		ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_call(q, &ask, &reply, 1));
		reply = (struct ipcx_msg){ .data = big, .len = 1 << 20 };
		ASSERT_EQ(0, ipcx_queue_reply(q, &m, &reply));
		ASSERT_GE(before + 8, blocks());
	}
	ipcx_queue_close(q);
	free(big);
}

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

static void take_all_and_wait(int told)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (open_queue(&q, IPCX_RECV))
		_exit(1);
	for (int i = 0; i < DEPTH; i++)
		if (ipcx_queue_take(q, &m, in_ms(5000)))
			_exit(2);
	if (write(told, "", 1) == 1)
		pause();
	_exit(3);
}

/* What the next receiver does first; in the last three a message comes again */
enum after { TAKES, POLLS, STATS, PEEKS, HOLDS, TOO_LONG };

static void *send_one_more(void *arg)
{
	int64_t start = in_ms(0);
	int r = ipcx_queue_send(arg, "more", 4, in_ms(8000));

	return (void *)(intptr_t)(r ? r : (in_ms(0) - start) / 1000000);
}

/* A server takes all that there is room for, and is killed while one more sender sleeps. */
static int leave_dead(struct ipcx_queue *q, enum after after, pthread_t *more)
{
	int told[2], r = 0;
	pid_t server;
	char byte;

	if (pipe(told))
		return -errno;
	server = fork();
	if (server < 0)
		return -errno;
	if (!server)
		take_all_and_wait(told[1]);
	close(told[1]); /* or its end would not be seen */
	for (int i = 0; !r && i < DEPTH - 1; i++)
		r = request(q, i, 0);
	if (!r)
		r = after < PEEKS ? request(q, DEPTH, 0) : ipcx_queue_send(q, "last", 4, 0);
	if (!r && read(told[0], &byte, 1) != 1)
		r = -EIO;
	if (!r)
		r = -pthread_create(more, NULL, send_one_more, q);
	usleep(100000);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(told[0]);
	usleep(300000); /* whatever its death has woken sleeps again */
	return r;
}

static int do_first(struct ipcx_queue *r, enum after after, struct ipcx_msg *m)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct pollfd p = { .events = POLLIN };
	char buf[1];

	switch (after) {
	case POLLS:
		p.fd = ipcx_queue_fd(r);
		return poll(&p, 1, 6000) == 1 ? 0 : -ETIME;
	case STATS:
		return ipcx_queue_stat(r, &stats);
	case PEEKS:
		return ipcx_queue_peek(r, m);
	case HOLDS:
		return ipcx_queue_take(r, m, 0);
	case TOO_LONG:
		return ipcx_queue_recv(r, buf, sizeof(buf), 0) == -EMSGSIZE ? 0 : -EBADMSG;
	default:
		return 0;
	}
}

static bool comes(struct ipcx_queue *r, const char text[4])
{
	char buf[DEPTH];

	return ipcx_queue_recv(r, buf, sizeof(buf), in_ms(6000)) == 4 && !memcmp(buf, text, 4);
}

/*
 * A sender sleeps, as a server has got all that there is room for, and is killed: who looks next
 * makes room, and wakes it. Return: ms that the sender's call took, or a negative errno
 */
static int ms_behind_the_dead(struct ipcx_queue *q, struct ipcx_queue **r, enum after after)
{
	struct ipcx_msg m;
	pthread_t more;
	bool good;
	void *ms;

	if (leave_dead(q, after, &more))
		return -EIO;
	good = !open_queue(r, IPCX_RECV);
	usleep(200000);
	good = good && !do_first(*r, after, &m);
	if (good && after < PEEKS)
		good = comes(*r, "more");
	pthread_join(more, &ms);
	if (good && after == HOLDS)
		good = !ipcx_queue_nack(*r, &m);
	if (good && after >= PEEKS)
		good = comes(*r, "last") && comes(*r, "more");
	return good ? (int)(intptr_t)ms : -ETIME;
}

TEST_F_TIMEOUT(call, room_of_the_dead, 120)
{
	for (enum after after = TAKES; after <= TOO_LONG; after++) {
		int ms = ms_behind_the_dead(self->s, &self->r, after);

		EXPECT_GE(ms, 0) TH_LOG("%d", after);
		EXPECT_LE(ms, 5000) TH_LOG("%d", after);
		ipcx_queue_close(self->r);
		ipcx_queue_close(self->s);
		self->r = NULL;
		self->s = NULL;
		ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND));
	}
}

/* However many messages of one sender come too late, the one of another is found. */
TEST_F(call, late_beside_one_in_time)
{
	IPCX_QUEUE_OPTS(opts, .depth = 2048, .msg_max = 64);
	unsigned int flags = IPCX_CREATE | IPCX_EPHEMERAL;
	struct ipcx_queue *many, *one, *r;
	struct ipcx_msg m;

	ASSERT_EQ(0, ipcx_queue_open(&r, "shm:late", flags | IPCX_RECV, &opts));
	ASSERT_EQ(0, ipcx_queue_open(&many, "shm:late", IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_open(&one, "shm:late", IPCX_SEND, NULL));
	EXPECT_EQ(-EAGAIN, queue_recv(r, 0));
	ASSERT_EQ(0, queue_send(many, 1, 0));
	EXPECT_EQ(1, queue_recv(r, 0));
	for (int i = 0; i < 1500; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(many, 8, &m, 0));
		m.expires = now_ns();
		ASSERT_EQ(0, ipcx_queue_commit(many, &m));
	}
	ASSERT_EQ(0, queue_send(one, 2, 0));
	EXPECT_EQ(2, queue_recv(r, 0));
	EXPECT_EQ(-EAGAIN, queue_recv(r, 0));
	ipcx_queue_close(many);
	ipcx_queue_close(one);
	ipcx_queue_close(r);
}

TEST_HARNESS_MAIN
