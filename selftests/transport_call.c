// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every transport promises of names, of requests, and of processes that are killed, see
 * transport_util.h.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "transport_util.h"

TEST_F(transport, names)
{
	struct ipcx_queue *q;
	char other[160];

	NEED(0);
	if (!strcmp(variant->name, "tcp"))
		SKIP(return, "needs names");
	EXPECT_EQ(-EEXIST, ipcx_queue_open(&q, self->uri, IPCX_CREATE | IPCX_EXCL | IPCX_SEND, 0));
	EXPECT_EQ(NULL, q);
	snprintf(other, sizeof(other), "%s:nothing-here", variant->name);
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, other, IPCX_SEND, NULL));
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, other, IPCX_RECV, NULL));
	EXPECT_EQ(-ENOENT, ipcx_queue_unlink(other));
	snprintf(other, sizeof(other), "%s:.dot", variant->name);
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, other, IPCX_CREATE | IPCX_SEND, NULL));
	snprintf(other, sizeof(other), "%s:a/b", variant->name);
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, other, IPCX_CREATE | IPCX_SEND, NULL));
	EXPECT_EQ(-EINVAL, ipcx_queue_unlink(other));
	/* those who have it open go on */
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, send_pattern(q, 10, 1, in_ms(1000)));
	EXPECT_EQ(0, ipcx_queue_unlink(self->uri));
	ASSERT_EQ(0, send_pattern(q, 10, 2, in_ms(1000)));
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		EXPECT_EQ(i, self->m.tag);
	}
	ipcx_queue_close(q);
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
}

TEST_F(transport, a_second_receiver)
{
	struct ipcx_queue *q;
	int r;

	NEED(0);
	r = ipcx_queue_open(&q, self->uri, IPCX_RECV, NULL);
	if (!(ipcx_queue_caps(self->q) & IPCX_CAP_MANY_RECEIVERS)) {
		EXPECT_EQ(-EBUSY, r);
		EXPECT_NE(NULL, strstr(ipcx_error(), "receives"));
		return;
	}
	ASSERT_EQ(0, r);
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_pattern(self->q, 10, i, 0));
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, ipcx_queue_take(i % 2 ? q : self->q, &self->m, in_ms(1000)));
		ASSERT_EQ(i, self->m.tag);
		ASSERT_EQ(0, ipcx_queue_release(i % 2 ? q : self->q, &self->m));
	}
	ipcx_queue_close(q);
}

TEST_F(transport, what_is_required)
{
	// clang-format off
	static const char *const words[] = { "copies", "again", "slots", "verified", "walls",
					     "accounting", "priorities", "senders", "receivers",
					     "poll", "wait", "changed", "requests" };
	// clang-format on
	struct ipcx_queue *q;
	uint64_t caps;

	NEED(0);
	caps = ipcx_queue_caps(self->q);
	for (int i = 0; i < 13; i++) {
		IPCX_QUEUE_OPTS(opts, .require = 1ULL << i);
		int r = ipcx_queue_open(&q, self->uri, IPCX_SEND, &opts);

		/* one that goes with its last user does not last, whatever it is made of */
		if (opts.require == IPCX_CAP_PERSISTENT)
			r = caps & opts.require ? r : -EOPNOTSUPP;
		ASSERT_EQ(caps & opts.require ? 0 : -EOPNOTSUPP, r) TH_LOG("%s", cap_names[i]);
		if (r && opts.require != IPCX_CAP_PERSISTENT)
			EXPECT_NE(NULL, strstr(ipcx_error(), words[i])) TH_LOG("%s", ipcx_error());
		ipcx_queue_close(q);
	}
	if (!strcmp(variant->name, "kernel"))
		return;
	IPCX_QUEUE_OPTS(opts, .lease_ms = 100);
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, self->uri, IPCX_SEND, &opts));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, self->uri, IPCX_SEND | IPCX_INHERIT, NULL));
}

/* Waits while nobody has it open */
TEST_F(transport, persistent)
{
	char uri[160];
	struct ipcx_queue *q;

	NEED(0);
	if (strcmp(variant->name, "kernel") && strcmp(variant->name, "mq"))
		SKIP(return, "needs PERSISTENT");
	snprintf(uri, sizeof(uri), "%s-lasts", self->uri);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_EXCL | IPCX_SEND, NULL));
	EXPECT_TRUE(ipcx_queue_caps(q) & IPCX_CAP_PERSISTENT);
	ASSERT_EQ(0, send_pattern(q, 100, 5, 0));
	ipcx_queue_close(q);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_RECV, NULL));
	ASSERT_EQ(0, ipcx_queue_take(q, &self->m, 0));
	EXPECT_EQ(5, self->m.tag);
	EXPECT_TRUE(is_pattern(&self->m, 5));
	ipcx_queue_close(q);
	EXPECT_EQ(0, ipcx_queue_unlink(uri));
}

/* 10,000 messages of four processes, each complete and in the order of its sender */
TEST_F(transport, many_senders)
{
	int n = rounds(2500), next[4] = { 0 };
	pid_t pid[4];

	NEED(IPCX_CAP_MANY_SENDERS);
	for (int s = 0; s < 4; s++)
		pid[s] = CHILD(IPCX_SEND, {
			for (int i = 0; !r && i < n; i++)
				r = send_pattern(q, (i * 97 + s) % 2000, i * 4 + s, in_ms(60000));
		});
	for (int i = 0; i < 4 * n; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(60000)));
		ASSERT_EQ(next[self->m.tag % 4]++, self->m.tag / 4);
		ASSERT_EQ((self->m.tag / 4 * 97 + self->m.tag % 4) % 2000, self->m.len);
		ASSERT_TRUE(is_pattern(&self->m, self->m.tag));
	}
	for (int s = 0; s < 4; s++)
		EXPECT_EQ(0, exit_status(pid[s]));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, IPCX_NOWAIT));
}

/* Killed at any moment: what arrives is whole, and the next is served as before. */
TEST_F(transport, killed_senders)
{
	size_t len = self->msg_max < 300000 ? self->msg_max : 300000;

	NEED(0);
	for (int i = 0; i < rounds(30); i++) {
		pid_t pid = CHILD(IPCX_SEND, {
			for (int j = 0; !r; j++)
				r = send_pattern(q, j % 2 ? len : 100, j, in_ms(20000));
		});
		int64_t end = in_ms(5 + i % 7 * 5);

		while (now_ns() < end)
			if (!ipcx_queue_next(self->q, &self->m, in_ms(1)))
				ASSERT_TRUE(is_pattern(&self->m, self->m.tag));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (!ipcx_queue_next(self->q, &self->m, in_ms(1)))
			ASSERT_TRUE(is_pattern(&self->m, self->m.tag));
	}
	ASSERT_EQ(0, send_pattern(self->q, 100, 77, in_ms(5000)));
	ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(5000)));
	EXPECT_EQ(77, self->m.tag);
}

/* A receiver is killed, and the next takes its place; the sender goes on or learns it. */
TEST_F(transport, killed_receivers)
{
	struct ipcx_queue *q;
	uint64_t last = 0;
	int r = 0;

	NEED(0);
	ipcx_queue_close(self->q);
	self->q = NULL;
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_CREATE | IPCX_SEND, NULL));
	for (int i = 0; i < rounds(20); i++) {
		pid_t pid = CHILD(IPCX_RECV | IPCX_CREATE, {
			struct ipcx_msg m = { 0 };

			while (!r)
				r = ipcx_queue_next(q, &m, in_ms(20000)) || !is_pattern(&m, m.tag);
		});
		int64_t end = in_ms(5 + i % 5 * 5);

		while (now_ns() < end) {
			r = send_pattern(q, i % 3 ? 500 : 7000, last++, in_ms(2));
			ASSERT_TRUE(!r || r == -ETIMEDOUT || r == -EAGAIN) TH_LOG("%d", r);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | IPCX_RECV, NULL))
	TH_LOG("%s", ipcx_error());
	r = 0;
	while (!ipcx_queue_next(self->q, &self->m, in_ms(50)))
		ASSERT_TRUE(is_pattern(&self->m, self->m.tag));
	ASSERT_EQ(0, send_pattern(q, 100, last, in_ms(5000)));
	do {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(5000)));
	} while (self->m.tag != last);
	ipcx_queue_close(q);
	if (strcmp(variant->name, "tcp"))
		EXPECT_EQ(0, ipcx_queue_unlink(self->uri));
}

/* Calls; what was not sent is given back. */
static int ask(struct ipcx_queue *q, struct ipcx_msg *reply, size_t len, uint64_t tag,
	       int64_t deadline)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, len, &m, in_ms(5000));

	if (r)
		return r;
	fill_pattern(&m, tag);
	m.tag = tag;
	r = ipcx_queue_call(q, &m, reply, deadline);
	if (r && m.priv[3])
		ipcx_queue_cancel(q, &m);
	return r;
}

TEST_F(transport, calls)
{
	const size_t sizes[] = { 0, 1, 100, 4000, 8000, 100000, 1 << 20 };
	struct ipcx_msg reply = { 0 };
	pid_t pid;

	NEED(IPCX_CAP_CALL);
	pid = CHILD(IPCX_SEND, {
		for (int i = 0; !r && i < 3 * ARRAY_SIZE(sizes); i++) {
			if (sizes[i / 3] > self->msg_max)
				continue;
			r = ask(q, &reply, sizes[i / 3], i, in_ms(20000));
			if (!r &&
			    (reply.len != sizes[i / 3] || reply.tag != i || !is_pattern(&reply, i)))
				r = 1;
			if (r)
				fprintf(stderr, "# call %d: %d %s\n", i, r, ipcx_error());
		}
		if (!r)
			r = ipcx_queue_release(q, &reply);
	});
	for (int i = 0; i < 3 * ARRAY_SIZE(sizes); i++) {
		struct ipcx_msg answer = { 0 };

		if (sizes[i / 3] > self->msg_max)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
		ASSERT_EQ(IPCX_REQUEST, self->m.flags);
		ASSERT_EQ(i, self->m.tag);
		if (i % 2) {
			ASSERT_EQ(0,
				  ipcx_queue_loan_reply(self->q, &self->m, self->m.len, &answer));
			if (answer.len)
				memcpy(answer.data, self->m.data, answer.len);
		} else {
			answer.data = self->m.data;
			answer.len = self->m.len;
		}
		ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(transport, call_errors)
{
	struct ipcx_msg reply = { 0 }, m;

	NEED(IPCX_CAP_CALL);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &m, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_call(self->q, &m, &reply, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(-EAGAIN, ipcx_queue_call(self->q, &m, &reply, IPCX_NOWAIT));
	/* without a reply */
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(-ECANCELED, ipcx_queue_call(self->q, &m, &reply, in_ms(5000)));
	/* too late: the reply goes nowhere, which is no error */
	EXPECT_EQ(-ETIMEDOUT, ask(self->q, &reply, 4, 1, in_ms(30)));
	if (!ipcx_queue_take(self->q, &self->m, in_ms(100))) {
		struct ipcx_msg answer = { .data = "late", .len = 4 };

		EXPECT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->q, &reply, IPCX_NOWAIT));
	/* a message is no request */
	ASSERT_EQ(0, send_pattern(self->q, 4, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	m = (struct ipcx_msg){ .data = "no", .len = 2 };
	EXPECT_EQ(-EINVAL, ipcx_queue_reply(self->q, &self->m, &m));
	EXPECT_EQ(-EPERM, ipcx_queue_loan_reply(self->q, &self->m, 4, &m));
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->m));
}

TEST_F(transport, nacked_answer)
{
	struct ipcx_msg reply = { .data = "yes", .len = 3 }, m;

	NEED(IPCX_CAP_CALL);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &m, 0));
	m.flags = IPCX_REQUEST;
	m.tag = 7;
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &reply));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_answer(self->q, &m, in_ms(1000)));
		EXPECT_EQ(7, m.tag);
		EXPECT_EQ(3, m.len);
		ASSERT_EQ(0,
			  i < 2 ? ipcx_queue_nack(self->q, &m) : ipcx_queue_release(self->q, &m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->q, &m, IPCX_NOWAIT));
}

/* After a failure the request tells whether the reply was sent. */
TEST_F(transport, replies_and_takes)
{
	struct ipcx_msg reply = { .data = "yes", .len = 3 }, longer = { .data = "" };
	struct ipcx_msg none = { 0 }, m;

	NEED(IPCX_CAP_CALL);
	longer.len = self->msg_max + 1;
	EXPECT_EQ(-EAGAIN, ipcx_queue_reply_next(self->q, &self->m, &reply, IPCX_NOWAIT));
	EXPECT_EQ(0, memcmp(&none, &self->m, sizeof(none)));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &m, 0));
	m.flags = IPCX_REQUEST;
	m.tag = 7;
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &m));
	ASSERT_EQ(0, ipcx_queue_reply_next(self->q, &self->m, &reply, in_ms(1000)));
	m = self->m;
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_reply_next(self->q, &self->m, &longer, IPCX_NOWAIT));
	EXPECT_EQ(-EINVAL, ipcx_queue_reply_next(self->q, &self->m, &reply, -1));
	EXPECT_EQ(0, memcmp(&m, &self->m, sizeof(m)));
	EXPECT_EQ(-EAGAIN, ipcx_queue_reply_next(self->q, &self->m, &reply, IPCX_NOWAIT));
	EXPECT_EQ(0, memcmp(&none, &self->m, sizeof(none)));
	ASSERT_EQ(0, ipcx_queue_answer(self->q, &m, in_ms(1000)));
	EXPECT_EQ(7, m.tag);
	EXPECT_EQ(3, m.len);
	EXPECT_EQ(0, ipcx_queue_release(self->q, &m));
}

TEST_F(transport, call_expires)
{
	struct ipcx_msg reply = { 0 }, m;

	NEED(IPCX_CAP_CALL);
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 4, &m, 0));
	m.expires = in_ms(20);
	EXPECT_EQ(-EAGAIN, ipcx_queue_call(self->q, &m, &reply, IPCX_NOWAIT));
	usleep(30000);
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-ETIME, ipcx_queue_call(self->q, &m, &reply, in_ms(5000)));
}

TEST_F(transport, many_requests_at_a_time)
{
	struct ipcx_msg m;
	uint64_t seen = 0;

	NEED(IPCX_CAP_CALL);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &m, 0));
		m.flags = IPCX_REQUEST;
		m.tag = i;
		ASSERT_EQ(0, ipcx_queue_commit(self->q, &m));
		EXPECT_NE(0, m.seq);
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_answer(self->q, &m, IPCX_NOWAIT));
	for (int i = 0; i < 3; i++) {
		struct ipcx_msg answer = { .data = &i, .len = sizeof(i) };

		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		if (i == 1) {
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		} else {
			ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
		}
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_answer(self->q, &m, in_ms(5000)));
		seen |= 1 << m.tag;
		EXPECT_EQ(m.tag == 1 ? IPCX_CANCELED : 0, m.flags);
		EXPECT_EQ(m.tag == 1 ? 0 : 4, m.len);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &m));
	}
	EXPECT_EQ(7, seen);
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &m));
}

/* The server has the request, and is killed. */
TEST_F(transport, server_is_killed)
{
	struct ipcx_msg reply = { 0 };
	struct ipcx_queue *q;
	int taken[2], r;
	char c;
	pid_t pid;

	NEED(IPCX_CAP_CALL);
	ipcx_queue_close(self->q);
	self->q = NULL;
	ASSERT_EQ(0, pipe(taken));
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_CREATE | IPCX_SEND, NULL));
	for (int i = 0; i < 4; i++) {
		int64_t end;

		pid = CHILD(IPCX_RECV | IPCX_CREATE, {
			struct ipcx_msg m;

			r = write(taken[1], "r", 1) != 1 || ipcx_queue_take(q, &m, in_ms(20000));
			if (i & 1)
				usleep(100000);
			kill(getpid(), SIGKILL);
		});
		ASSERT_EQ(1, read(taken[0], &c, 1));
		end = in_ms(15000);
		r = ask(q, &reply, 100, i, end);
		EXPECT_EQ(-EOWNERDEAD, r) TH_LOG("%d: %s", i, ipcx_error());
		EXPECT_GT(end, now_ns());
		waitpid(pid, NULL, 0);
	}
	/* and with the next server all is well */
	pid = CHILD(IPCX_RECV | IPCX_CREATE, {
		struct ipcx_msg m;
		struct ipcx_msg answer = { .data = "fine", .len = 4 };

		r = ipcx_queue_take(q, &m, in_ms(20000));
		while (!r && m.tag != 9) /* what the dead left, where it comes back */
			r = ipcx_queue_next(q, &m, in_ms(20000));
		if (!r)
			r = ipcx_queue_reply(q, &m, &answer);
	});
	EXPECT_EQ(0, ask(q, &reply, 100, 9, in_ms(20000))) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(4, reply.len);
	EXPECT_EQ(0, exit_status(pid));
	ipcx_queue_close(q);
	close(taken[0]);
	close(taken[1]);
	if (strcmp(variant->name, "tcp"))
		EXPECT_EQ(0, ipcx_queue_unlink(self->uri));
}

/* The caller is killed: its server goes on, and nothing of it stays. */
TEST_F(transport, caller_is_killed)
{
	struct ipcx_msg answer;
	pid_t pid;

	NEED(IPCX_CAP_CALL);
	for (int i = 0; i < 5; i++) {
		pid = CHILD(IPCX_SEND, {
			struct ipcx_msg reply = { 0 };

			r = ask(q, &reply, 100, i, in_ms(20000));
		});
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
		EXPECT_EQ(i, self->m.tag);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		answer = (struct ipcx_msg){ .data = self->m.data, .len = self->m.len };
		EXPECT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
	}
}

struct caller {
	struct ipcx_queue *q;
	int id, r;
};

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	struct ipcx_msg reply = { 0 };

	for (int i = 0; !c->r && i < rounds(200); i++) {
		c->r = ask(c->q, &reply, 50, c->id * 1000 + i, in_ms(20000));
		if (!c->r && reply.tag != c->id * 1000 + i)
			c->r = 1;
	}
	return NULL;
}

/* Threads that call over one handle each get their own answer. */
TEST_F(transport, threads_call)
{
	struct caller c[3];
	struct ipcx_queue *q;
	pthread_t t[3];

	NEED(IPCX_CAP_CALL);
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
	for (int i = 0; i < 3; i++) {
		c[i] = (struct caller){ q, i };
		ASSERT_EQ(0, pthread_create(&t[i], NULL, caller_main, &c[i]));
	}
	for (int i = 0; i < 3 * rounds(200); i++) {
		struct ipcx_msg answer;

		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
		answer = (struct ipcx_msg){ .data = self->m.data, .len = self->m.len };
		ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(0, c[i].r) TH_LOG("thread %d", i);
	}
	ipcx_queue_close(q);
}

static void *answer_one(void *q)
{
	struct ipcx_msg m, answer = { .data = "x", .len = 1 };

	if (!ipcx_queue_take(q, &m, in_ms(10000)))
		ipcx_queue_reply(q, &m, &answer);
	return NULL;
}

/* A server is killed within an answer: the next one's is not taken for its end. */
TEST(tcp_part_of_an_answer)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(20000 + getpid() % 12000),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0), server, on = 1;
	struct ipcx_msg ask, reply = { 0 };
	struct ipcx_queue *q, *next;
	pthread_t thread;
	char uri[64];

	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%d", ntohs(a.sin_port));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ASSERT_EQ(0, bind(listener, (struct sockaddr *)&a, sizeof(a)));
	ASSERT_EQ(0, listen(listener, 1));
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_SEND, NULL));
	server = accept(listener, NULL, NULL);
	ASSERT_LE(0, server);
	ASSERT_EQ(20, send(server, "ipcx and so it begins", 20, 0));
	close(server);
	close(listener);
	ASSERT_EQ(0, ipcx_queue_open(&next, uri, IPCX_CREATE | IPCX_RECV, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer_one, next));
	ASSERT_EQ(0, ipcx_queue_loan(q, 1, &ask, in_ms(5000)));
	EXPECT_EQ(0, ipcx_queue_call(q, &ask, &reply, in_ms(10000))) TH_LOG("%s", ipcx_error());
	pthread_join(thread, NULL);
	ipcx_queue_close(q);
	ipcx_queue_close(next);
}

TEST_HARNESS_MAIN
