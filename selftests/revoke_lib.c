// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library on a handle whose end is revoked: what each function says, and what it kept for
 * later calls.
 */
#include <pthread.h>

#include <ipcx.h>

#include "revoke_util.h"

#include "../kselftest_harness.h"

#define NAME "revoke-lib"
#define LONG 10000
#define BOTH (IPCX_SEND | IPCX_RECV)

/* The other, who made the queue, and the victim. */
FIXTURE(lib)
{
	int fd, family;
	struct ipcx_queue *o, *v;
	uint64_t id;
};

FIXTURE_VARIANT(lib)
{
	unsigned int prefetch;
};

FIXTURE_VARIANT_ADD(lib, plain){
	.prefetch = 1,
};

FIXTURE_VARIANT_ADD(lib, prefetch){
	.prefetch = 4,
};

FIXTURE_SETUP(lib)
{
	IPCX_QUEUE_OPTS(made, .depth = 16, .mode = 0600);
	IPCX_QUEUE_OPTS(opts, .prefetch = variant->prefetch);
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };

	self->fd = nl_open();
	self->family = nl_family(self->fd);
	ASSERT_LT(0, self->family);
	ASSERT_EQ(0, ipcx_queue_open(&self->o, NAME, BOTH | IPCX_CREATE | IPCX_EPHEMERAL, &made));
	ASSERT_EQ(0, ipcx_queue_open(&self->v, NAME, BOTH, &opts));
	ASSERT_EQ(0, ipcx_queue_attr(self->o, &attr));
	self->id = last_end(self->fd, self->family, attr.id);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(lib)
{
	ipcx_queue_close(self->v);
	ipcx_queue_close(self->o);
	close(self->fd);
}

#define REVOKE() ASSERT_EQ(0, revoke_end(self->fd, self->family, self->id))

/* That is the error, and these the words. */
static bool is_revoked(int ret)
{
	bool ok = ret == -ESTALE && errno == ESTALE &&
		  !strcmp(ipcx_error(),
			  "queue \"" NAME "\": this handle was revoked by the queue's "
			  "owner, or by who has CAP_IPC_OWNER; close it, and open "
			  "the queue anew if you may");

	if (!ok)
		fprintf(stderr, "# %d: %s\n", ret, ipcx_error());
	return ok;
}

TEST_F(lib, each_function)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg loan, loans[2], taken, request, reply = {}, m = {};
	struct ipcx_region *region, *fetched;
	struct ipcx_queue *v = self->v;
	char buf[16];

	ASSERT_EQ(0, ipcx_region_open(&region, NULL, IPCX_CREATE | IPCX_READ, NULL));
	ASSERT_EQ(0, ipcx_queue_send(self->o, "message", 8, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(v, &taken, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_loan(self->o, 4, &m, IPCX_NOWAIT));
	m.flags = IPCX_REQUEST;
	ASSERT_EQ(0, ipcx_queue_commit(self->o, &m));
	ASSERT_EQ(0, ipcx_queue_take(v, &request, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_loan(v, LONG, &loan, IPCX_NOWAIT));
	ASSERT_EQ(2, ipcx_queue_loan_n(v, 8, loans, 2, IPCX_NOWAIT));
	REVOKE();
	EXPECT_TRUE(is_revoked(ipcx_queue_attach(v, &loan, region, IPCX_READ)));
	EXPECT_TRUE(is_revoked(ipcx_queue_fetch(v, &taken, 0, &fetched)));
	ipcx_region_close(region);
	EXPECT_TRUE(is_revoked(ipcx_queue_commit(v, &loan)));
	EXPECT_TRUE(is_revoked(ipcx_queue_commit_n(v, loans, 2)));
	EXPECT_TRUE(is_revoked(ipcx_queue_cancel(v, &loan)));
	EXPECT_TRUE(is_revoked(ipcx_queue_loan(v, 8, &m, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_loan(v, LONG, &m, IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_loan_n(v, 8, loans, 2, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_send(v, "x", 1, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_send(v, "x", 1, IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_send(v, "x", 1, in_ms(1000))));
	EXPECT_TRUE(is_revoked(ipcx_queue_take(v, &m, IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_take_n(v, loans, 2, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_recv(v, buf, sizeof(buf), IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_recv(v, buf, sizeof(buf), IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_peek(v, &m)));
	EXPECT_TRUE(is_revoked(ipcx_queue_stat(v, &stats)));
	EXPECT_TRUE(is_revoked(ipcx_queue_answer(v, &m, IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_call(v, &loan, &reply, IPCX_FOREVER)));
	EXPECT_TRUE(is_revoked(ipcx_queue_loan_reply(v, &request, LONG, &m)));
	reply.data = buf;
	reply.len = 4;
	EXPECT_TRUE(is_revoked(ipcx_queue_reply(v, &request, &reply)));
	EXPECT_TRUE(is_revoked(ipcx_queue_reply_next(v, &request, &reply, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_nack(v, &taken)));
	EXPECT_TRUE(is_revoked(ipcx_queue_release_n(v, &taken, 1)));
	EXPECT_TRUE(is_revoked(ipcx_queue_release(v, &taken)));
	EXPECT_TRUE(is_revoked(ipcx_queue_next(v, &taken, IPCX_NOWAIT)));
	/* all of it is there for others */
	ASSERT_EQ(0, ipcx_queue_take(self->o, &m, IPCX_NOWAIT));
	EXPECT_EQ(1, m.deliveries);
	EXPECT_STREQ("message", m.data);
	ASSERT_EQ(0, ipcx_queue_take(self->o, &m, IPCX_NOWAIT));
	EXPECT_EQ(IPCX_REQUEST, m.flags);
	ASSERT_EQ(0, ipcx_queue_stat(self->o, &stats));
	EXPECT_EQ(0, stats.queued);
	EXPECT_EQ(1, stats.loaned); /* the other's, for its next message */
}

/* What was handed out can be read and written, in vain. */
TEST_F(lib, memory)
{
	struct ipcx_msg loan, taken;
	const char *p;

	ASSERT_EQ(0, ipcx_queue_loan(self->o, LONG, &loan, IPCX_NOWAIT));
	memset(loan.data, 'm', LONG);
	ASSERT_EQ(0, ipcx_queue_commit(self->o, &loan));
	ASSERT_EQ(0, ipcx_queue_take(self->v, &taken, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_loan(self->v, LONG, &loan, IPCX_NOWAIT));
	REVOKE();
	memset(loan.data, 'v', LONG);
	p = taken.data;
	for (int i = 0; i < LONG; i++)
		ASSERT_EQ(0, p[i]);
	EXPECT_TRUE(is_revoked(ipcx_queue_commit(self->v, &loan)));
	EXPECT_TRUE(is_revoked(ipcx_queue_release(self->v, &taken)));
	ASSERT_EQ(0, ipcx_queue_take(self->o, &taken, IPCX_NOWAIT));
	EXPECT_EQ('m', *(char *)taken.data);
	EXPECT_EQ(-EAGAIN, ipcx_queue_peek(self->o, &loan));
}

/* The slot that a commit has brought may be given out once more, but not when that is known. */
TEST_F(lib, spare)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg m;

	for (int known = 0; known < 2; known++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->v, LONG, &m, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_queue_commit(self->v, &m));
		ASSERT_EQ(0, ipcx_queue_stat(self->o, &stats));
		ASSERT_EQ(1, stats.loaned);
		REVOKE();
		if (known) {
			EXPECT_TRUE(is_revoked(ipcx_queue_stat(self->v, &stats)));
		} else if (!ipcx_queue_loan(self->v, LONG, &m, IPCX_NOWAIT)) {
			EXPECT_TRUE(is_revoked(ipcx_queue_commit(self->v, &m)));
		}
		EXPECT_TRUE(is_revoked(ipcx_queue_loan(self->v, LONG, &m, IPCX_NOWAIT)));
		ASSERT_EQ(0, ipcx_queue_stat(self->o, &stats));
		EXPECT_EQ(0, stats.loaned);
		EXPECT_EQ(1 + known, stats.queued);
		ipcx_queue_close(self->v);
		ASSERT_EQ(0, ipcx_queue_open(&self->v, NAME, BOTH, NULL));
		self->id++;
	}
}

/* What was taken ahead is delivered again, and not given out when that is known. */
TEST_F(lib, ahead)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg m;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, ipcx_queue_send(self->o, "abcd" + i, 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->v, &m, IPCX_NOWAIT));
	ASSERT_EQ('a', *(char *)m.data);
	ASSERT_EQ(0, ipcx_queue_next(self->v, &m, IPCX_NOWAIT));
	ASSERT_EQ('b', *(char *)m.data);
	REVOKE();
	EXPECT_TRUE(is_revoked(ipcx_queue_stat(self->v, &stats)));
	EXPECT_TRUE(is_revoked(ipcx_queue_next(self->v, &m, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_take(self->v, &m, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_take_n(self->v, &m, 1, IPCX_NOWAIT)));
	EXPECT_TRUE(is_revoked(ipcx_queue_peek(self->v, &m)));
	for (int i = variant->prefetch > 1 ? 0 : 1; i < 4; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->o, &m, IPCX_NOWAIT));
		EXPECT_EQ("abcd"[i], *(char *)m.data);
		ASSERT_EQ(0, ipcx_queue_release(self->o, &m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->o, &m, IPCX_NOWAIT));
}

/* A lease that is over is another thing, and says so. */
TEST_F(lib, overdue)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .mode = 0600, .lease_ms = 20);
	struct ipcx_queue *q;
	struct ipcx_msg m;

	ASSERT_EQ(0,
		  ipcx_queue_open(&q, NAME "-lease", BOTH | IPCX_CREATE | IPCX_EPHEMERAL, &opts));
	ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, IPCX_NOWAIT));
	usleep(200000);
	EXPECT_EQ(-ESTALE, ipcx_queue_release(q, &m));
	EXPECT_NE(NULL, strstr(ipcx_error(), "was held for longer than lease_ms 20"));
	EXPECT_EQ(0, ipcx_queue_send(q, "x", 1, IPCX_NOWAIT));
	ipcx_queue_close(q);
}

static void *take_forever(void *arg)
{
	struct ipcx_msg m;

	return (void *)(long)is_revoked(ipcx_queue_take(arg, &m, IPCX_FOREVER));
}

TEST_F(lib, sleeper)
{
	pthread_t t;
	void *ok;

	ASSERT_EQ(0, pthread_create(&t, NULL, take_forever, self->v));
	usleep(100000);
	REVOKE();
	ASSERT_EQ(0, pthread_join(t, &ok));
	EXPECT_NE(NULL, ok);
}

TEST_HARNESS_MAIN
