// SPDX-License-Identifier: GPL-2.0-only
/* Topics by the library: who gets what, in which order, and what is missed. */
#include "topic_lib_util.h"

#include "../kselftest_harness.h"

FIXTURE(topic)
{
	struct ipcx_topic *pub, *sub, *lossy;
};

FIXTURE_VARIANT(topic)
{
	uint64_t first;
	const char *transport;
};

FIXTURE_VARIANT_ADD(topic, zero){};
/* positions wrap in between */
FIXTURE_VARIANT_ADD(topic, wrap){ .first = (1ULL << 62) - 5 };
FIXTURE_VARIANT_ADD(topic, unix){ .transport = "unix" };

FIXTURE_SETUP(topic)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = 1 << 20, .first = variant->first);

	memset(self, 0, sizeof(*self));
	names_over(variant->transport);
	ASSERT_EQ(0, ipcx_topic_open(&self->pub, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH,
				     &opts));
	ASSERT_EQ(0, ipcx_topic_open(&self->sub, NAME, IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, ipcx_topic_open(&self->lossy, NAME, SUBSCRIBE_LOSSY, NULL));
}

FIXTURE_TEARDOWN(topic)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
	ipcx_topic_close(self->lossy);
}

TEST_F(topic, all_get_each)
{
	struct ipcx_topic *subs[] = { self->sub, self->lossy };
	struct ipcx_msg m;

	for (int i = 0; i < 3 * DEPTH; i++) {
		ASSERT_EQ(0, ipcx_topic_loan(self->pub, 6, &m, IPCX_NOWAIT));
		memcpy(m.data, "hello", 6);
		m.tag = i;
		ASSERT_EQ(0, ipcx_topic_commit(self->pub, &m));
		ASSERT_EQ(NULL, m.data);
		for (int s = 0; s < 2; s++) {
			ASSERT_EQ(0, ipcx_topic_take(subs[s], &m, IPCX_NOWAIT));
			EXPECT_EQ(6, m.len);
			EXPECT_STREQ("hello", m.data);
			EXPECT_EQ(i, m.tag);
			EXPECT_EQ(i, m.seq);
			EXPECT_EQ(over_shm(subs[s]) ? -1 : getpid(), m.pid);
			EXPECT_EQ(over_shm(subs[s]) ? -1 : getuid(), m.uid);
			EXPECT_EQ(over_shm(subs[s]) ? -1 : getgid(), m.gid);
			ASSERT_EQ(0, ipcx_topic_release(subs[s], &m));
			ASSERT_EQ(-EAGAIN, ipcx_topic_take(subs[s], &m, IPCX_NOWAIT));
		}
	}
	EXPECT_EQ(0, ipcx_topic_missed(self->lossy));
}

/* Lengths about those where a message changes its place */
TEST_F(topic, lengths)
{
	static const size_t lengths[] = {
		0, 1, 8, 103, 104, 105, 4095, 4096, 4097, 1000000, 1 << 20
	};
	struct ipcx_topic *subs[] = { self->sub, self->lossy };
	char *buf = malloc(1 << 20), *got = malloc(1 << 20);

	for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t j = 0; j < lengths[i]; j++)
			buf[j] = i * 7 + j * 13;
		ASSERT_EQ(0, ipcx_topic_send(self->pub, buf, lengths[i], IPCX_NOWAIT));
		for (int s = 0; s < 2; s++) {
			ASSERT_EQ(lengths[i], ipcx_topic_recv(subs[s], got, 1 << 20, IPCX_NOWAIT));
			ASSERT_EQ(0, memcmp(buf, got, lengths[i]));
		}
	}
	ASSERT_EQ(-EMSGSIZE, ipcx_topic_send(self->pub, buf, (1 << 20) + 1, IPCX_NOWAIT));
	free(buf);
	free(got);
}

/* A message that became shorter than a cell is in the cell. */
TEST_F(topic, made_shorter)
{
	struct ipcx_msg m;
	char buf[LONG];

	ASSERT_EQ(0, ipcx_topic_loan(self->pub, LONG, &m, IPCX_NOWAIT));
	memset(m.data, 's', LONG);
	m.len = 10;
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &m));
	ASSERT_EQ(10, ipcx_topic_recv(self->sub, buf, LONG, IPCX_NOWAIT));
	EXPECT_EQ(0, memcmp("ssssssssss", buf, 10));
	ASSERT_EQ(10, ipcx_topic_recv(self->lossy, buf, LONG, IPCX_NOWAIT));
	EXPECT_EQ(0, memcmp("ssssssssss", buf, 10));
	ASSERT_EQ(0, ipcx_topic_loan(self->pub, 10, &m, IPCX_NOWAIT));
	m.len = 11;
	ASSERT_EQ(-EMSGSIZE, ipcx_topic_commit(self->pub, &m));
	ASSERT_EQ(0, ipcx_topic_cancel(self->pub, &m));
}

TEST_F(topic, zero_copy)
{
	struct ipcx_topic *subs[] = { self->sub, self->lossy };
	struct ipcx_msg loan, m;
	uint64_t pfn;

	if (over_unix(self->pub))
		SKIP(return, "needs IPCX_CAP_ZERO_COPY");
	ASSERT_EQ(0, ipcx_topic_loan(self->pub, 1 << 20, &loan, IPCX_NOWAIT));
	memset(loan.data, 'z', 1 << 20);
	pfn = pfn_of(loan.data);
	ASSERT_NE(0, pfn);
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &loan));
	for (int s = 0; s < 2; s++) {
		ASSERT_EQ(0, ipcx_topic_take(subs[s], &m, IPCX_NOWAIT));
		ASSERT_EQ('z', *((volatile char *)m.data + (1 << 20) - 1));
		ASSERT_EQ('z', *(volatile char *)m.data);
		EXPECT_EQ(pfn, pfn_of(m.data));
		EXPECT_EQ(SIGSEGV, probe(m.data, true));
		ASSERT_EQ(0, ipcx_topic_release(subs[s], &m));
	}
}

/* Loans are seen in their order, cancelled ones never. */
TEST_F(topic, order_of_loans)
{
	struct ipcx_msg m[4];

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_topic_loan(self->pub, 8, &m[i], IPCX_NOWAIT));
		*(uint64_t *)m[i].data = i;
	}
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &m[3]));
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &m[1]));
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &m[0]));
	EXPECT_EQ(0, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_cancel(self->pub, &m[2]));
	EXPECT_EQ(3, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(-EPERM, ipcx_topic_cancel(self->pub, &m[2]));
	EXPECT_EQ(-EPERM, ipcx_topic_commit(self->pub, &m[0]));
	EXPECT_EQ(0, ipcx_topic_missed(self->sub));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(i, recv_nr(self->lossy, IPCX_NOWAIT));
	EXPECT_EQ(3, recv_nr(self->lossy, IPCX_NOWAIT));
	EXPECT_EQ(0, ipcx_topic_missed(self->lossy));
}

/* Several publishers: each in order, none forgotten. */
TEST_F(topic, many_publishers)
{
	struct ipcx_topic *pubs[5] = { self->pub };
	uint64_t next[5] = {}, nr;
	int got = 0;

	for (int i = 1; i < 5; i++)
		ASSERT_EQ(0, ipcx_topic_open(&pubs[i], NAME, IPCX_PUBLISH, NULL));
	for (int i = 0; i < 5 * DEPTH; i++)
		ASSERT_EQ(0, send_nr(pubs[i % 5], i / 5 << 8 | i % 5, IPCX_NOWAIT));
	for (; got < 5 * DEPTH; got++) {
		nr = recv_nr(self->sub, IPCX_NOWAIT);
		ASSERT_GT(5, nr & 0xff);
		EXPECT_EQ(next[nr & 0xff]++, nr >> 8);
		/* in turn: none is far before another */
		EXPECT_GE(got / 5, nr >> 8);
	}
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	for (int i = 1; i < 5; i++)
		ipcx_topic_close(pubs[i]);
	/* what they left is still there for who has not read it */
	for (got = 0; recv_nr(self->lossy, IPCX_NOWAIT) >= 0; got++)
		;
	EXPECT_EQ(5 * DEPTH, got);
}

/* Each that has sent nothing for a while is found when it does, in whatever order. */
TEST_F(topic, idle_publishers)
{
	struct ipcx_topic *pubs[12] = { self->pub };
	uint64_t sent[12] = {}, got[12] = {}, all = 0;
	unsigned int seed = 1;
	int64_t nr;

	for (int i = 1; i < 12; i++)
		ASSERT_EQ(0, ipcx_topic_open(&pubs[i], NAME, IPCX_PUBLISH, NULL));
	ipcx_topic_close(self->lossy);
	self->lossy = NULL;
	for (int round = 0; round < 3000; round++) {
		for (int n = rand_r(&seed) % 4; n >= 0; n--, all++) {
			int i = rand_r(&seed) % 12;

			ASSERT_EQ(0, send_nr(pubs[i], sent[i]++ << 8 | i, IPCX_NOWAIT));
		}
		while ((nr = recv_nr(self->sub, IPCX_NOWAIT)) >= 0) {
			ASSERT_GT(12, nr & 0xff);
			ASSERT_EQ(got[nr & 0xff]++, nr >> 8);
			all--;
		}
		ASSERT_EQ(-EAGAIN, nr);
		ASSERT_EQ(0, all);
	}
	for (int i = 1; i < 12; i++)
		ipcx_topic_close(pubs[i]);
	/* the last thing of one that is gone, too */
	ASSERT_EQ(0, ipcx_topic_open(&pubs[1], NAME, IPCX_PUBLISH, NULL));
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(0, send_nr(pubs[1], 1, IPCX_NOWAIT));
	ipcx_topic_close(pubs[1]);
	EXPECT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, IPCX_NOWAIT));
}

/* Who sends all the time does not keep one waiting who begins to. */
TEST_F(topic, begins_to_send)
{
	struct ipcx_topic *other;

	ASSERT_EQ(0, ipcx_topic_open(&other, NAME, IPCX_PUBLISH, NULL));
	ipcx_topic_close(self->lossy);
	self->lossy = NULL;
	for (int i = 0; i < 100; i++) {
		int before = 0;

		ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
		ASSERT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
		ASSERT_EQ(0, send_nr(other, 2, IPCX_NOWAIT));
		do {
			ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
			ASSERT_GT(10, before++);
		} while (recv_nr(self->sub, IPCX_NOWAIT) == 1);
		while (recv_nr(self->sub, IPCX_NOWAIT) == 1)
			;
	}
	ipcx_topic_close(other);
}

/* Two send all the time, ten others begin at once. */
TEST_F(topic, begin_at_once)
{
	struct ipcx_topic *pubs[12] = { self->pub };

	for (int i = 1; i < 12; i++)
		ASSERT_EQ(0, ipcx_topic_open(&pubs[i], NAME, IPCX_PUBLISH, NULL));
	ipcx_topic_close(self->lossy);
	self->lossy = NULL;
	for (int round = 0; round < 60; round++) {
		bool waits[2] = {};
		int64_t who;

		/* twelve sent nothing at first; then one of each other: two and nine */
		for (int taken = 0, begun = -1, left = 10; left; taken++) {
			for (int i = 0; i < 2; i++)
				if (!waits[i])
					ASSERT_EQ(0, send_nr(pubs[i], i, IPCX_NOWAIT));
			waits[0] = true;
			waits[1] = true;
			for (int i = 2; taken == round % 30 && i < 12; i++, begun = taken)
				ASSERT_EQ(0, send_nr(pubs[i], i, IPCX_NOWAIT));
			who = recv_nr(self->sub, IPCX_NOWAIT);
			ASSERT_LE(0, who);
			if (who < 2)
				waits[who] = false;
			left -= who >= 2;
			ASSERT_TRUE(begun < 0 || taken - begun <= 12 + 2 + 9);
		}
		while (recv_nr(self->sub, IPCX_NOWAIT) >= 0)
			;
	}
	for (int i = 1; i < 12; i++)
		ipcx_topic_close(pubs[i]);
}

/* Nor do those keep one waiting who come and go. */
TEST_F(topic, come_and_go)
{
	struct ipcx_topic *other, *third;

	ASSERT_EQ(0, ipcx_topic_open(&other, NAME, IPCX_PUBLISH, NULL));
	ipcx_topic_close(self->lossy);
	self->lossy = NULL;
	for (int i = 0; i < 20; i++) {
		struct ipcx_topic *which[2] = { self->pub, other };
		int before = 0;

		for (int n = 0; n < 3; n++)
			ASSERT_EQ(0, send_nr(which[i % 2], 1, IPCX_NOWAIT));
		ASSERT_EQ(0, send_nr(which[!(i % 2)], 2, IPCX_NOWAIT));
		do {
			ASSERT_EQ(0, ipcx_topic_open(&third, NAME, IPCX_PUBLISH, NULL));
			ipcx_topic_close(third);
			ASSERT_EQ(0, send_nr(which[i % 2], 1, IPCX_NOWAIT));
			ASSERT_GT(5, before++);
		} while (recv_nr(self->sub, IPCX_NOWAIT) == 1);
		while (recv_nr(self->sub, IPCX_NOWAIT) == 1)
			;
	}
	ipcx_topic_close(other);
}

/* Who holds the last messages of many that are gone sleeps while there is no other. */
TEST_F(topic, held_of_the_gone)
{
	struct ipcx_msg m[20];
	struct timespec begun, now;
	struct ipcx_topic *t;

	ipcx_topic_close(self->lossy);
	self->lossy = NULL;
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, ipcx_topic_open(&t, NAME, IPCX_PUBLISH, NULL));
		ASSERT_EQ(0, send_nr(t, i, IPCX_NOWAIT));
		ipcx_topic_close(t);
		ASSERT_EQ(0, ipcx_topic_take(self->sub, &m[i], IPCX_NOWAIT));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
	EXPECT_EQ(-ETIMEDOUT, ipcx_topic_take(self->sub, &m[0], in_ms(500)));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	EXPECT_GT(250000000,
		  (now.tv_sec - begun.tv_sec) * 1000000000 + now.tv_nsec - begun.tv_nsec);
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, ipcx_topic_release(self->sub, &m[i]));
}

/* Whatever is missed is counted. */
TEST_F(topic, missed)
{
	uint64_t got = 0;
	int64_t nr, last = -1;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	ASSERT_EQ(0, send_nr(self->pub, 0, IPCX_NOWAIT));
	ASSERT_EQ(0, recv_nr(self->lossy, IPCX_NOWAIT));
	for (int i = 1; i <= 1000; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		if (i % 50)
			continue;
		while ((nr = recv_nr(self->lossy, IPCX_NOWAIT)) >= 0) {
			EXPECT_LT(last, nr);
			last = nr;
			got++;
			EXPECT_EQ(nr, got + ipcx_topic_missed(self->lossy));
		}
		EXPECT_EQ(-EAGAIN, nr);
		EXPECT_EQ(i, last);
	}
	EXPECT_LE(20 * (DEPTH - 1), got);
	EXPECT_EQ(1000, got + ipcx_topic_missed(self->lossy));
}

/* What a lossy subscriber holds stays as it is, however much is published. */
TEST_F(topic, lossy_holds)
{
	char long_text[LONG], *data[IPCX_TOPIC_HOLDS];
	struct ipcx_msg m[IPCX_TOPIC_HOLDS], n;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	for (int i = 0; i < IPCX_TOPIC_HOLDS; i++) {
		memset(long_text, 'a' + i, LONG);
		ASSERT_EQ(0, ipcx_topic_send(self->pub, long_text, LONG, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_topic_take(self->lossy, &m[i], IPCX_NOWAIT));
	}
	memset(long_text, 'x', LONG);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ipcx_topic_send(self->pub, long_text, LONG, IPCX_NOWAIT));
		n = m[0];
		if (!over_unix(self->pub)) /* where it holds copies */
			EXPECT_EQ(-EMFILE, ipcx_topic_take(self->lossy, &n, IPCX_NOWAIT));
		EXPECT_EQ(0, memcmp(&n, &m[0], sizeof(n)));
	}
	for (int i = 0; i < IPCX_TOPIC_HOLDS; i++) {
		data[i] = m[i].data;
		for (int j = 0; j < LONG; j++)
			ASSERT_EQ('a' + i, data[i][j]);
		ASSERT_EQ(0, ipcx_topic_release(self->lossy, &m[i]));
	}
	ASSERT_EQ(0, ipcx_topic_take(self->lossy, &n, IPCX_NOWAIT));
	EXPECT_EQ('x', *(char *)n.data);
	ASSERT_EQ(0, ipcx_topic_release(self->lossy, &n));
}

/* A reliable one gates: in whatever order it releases, the oldest counts. */
TEST_F(topic, gate)
{
	struct ipcx_msg m[DEPTH];
	int64_t deadline;

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
	ASSERT_EQ(-EAGAIN, send_nr(self->pub, DEPTH, IPCX_NOWAIT));
	deadline = in_ms(50);
	ASSERT_EQ(-ETIMEDOUT, send_nr(self->pub, DEPTH, deadline));
	EXPECT_LE(deadline, now_ns());
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ipcx_topic_take(self->sub, &m[i], IPCX_NOWAIT));
	for (int i = DEPTH - 1; i > 0; i--)
		ASSERT_EQ(0, ipcx_topic_release(self->sub, &m[i]));
	ASSERT_EQ(-EAGAIN, send_nr(self->pub, DEPTH, IPCX_NOWAIT));
	EXPECT_EQ(0, *(uint64_t *)m[0].data);
	ASSERT_EQ(0, ipcx_topic_release(self->sub, &m[0]));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(self->pub, DEPTH + i, IPCX_NOWAIT));
	ASSERT_EQ(-EAGAIN, send_nr(self->pub, 0, IPCX_NOWAIT));
	for (int i = 0; i < DEPTH; i++)
		EXPECT_EQ(DEPTH + i, recv_nr(self->sub, IPCX_NOWAIT));
}

TEST_F(topic, history)
{
	IPCX_TOPIC_OPTS(opts, .history = 3);
	struct ipcx_topic *late;

	if (!(ipcx_topic_caps(self->pub) & IPCX_CAP_HISTORY)) {
		ASSERT_EQ(-EOPNOTSUPP, ipcx_topic_open(&late, NAME, IPCX_SUBSCRIBE, &opts));
		EXPECT_NE(NULL, strstr(ipcx_error(), "IPCX_CAP_HISTORY"));
		SKIP(return, "needs IPCX_CAP_HISTORY");
	}
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_open(&late, NAME, IPCX_SUBSCRIBE, &opts));
	for (int i = 3; i < 6; i++)
		EXPECT_EQ(i, recv_nr(late, IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, recv_nr(late, IPCX_NOWAIT));
	ipcx_topic_close(late);
	opts.history = DEPTH - 1;
	ASSERT_EQ(0, ipcx_topic_open(&late, NAME, SUBSCRIBE_LOSSY, &opts));
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(i, recv_nr(late, IPCX_NOWAIT));
	ipcx_topic_close(late);
	ASSERT_EQ(0, ipcx_topic_open(&late, NAME, SUBSCRIBE_LOSSY, NULL));
	EXPECT_EQ(-EAGAIN, recv_nr(late, IPCX_NOWAIT));
	ipcx_topic_close(late);
	/* more than there can be is what there is */
	opts.history = 100 * DEPTH;
	ASSERT_EQ(0, ipcx_topic_open(&late, NAME, SUBSCRIBE_LOSSY, &opts));
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(i, recv_nr(late, IPCX_NOWAIT));
	ipcx_topic_close(late);
}

/* A member that does both gets its own messages. */
TEST_F(topic, both)
{
	struct ipcx_topic *both;

	ASSERT_EQ(0, ipcx_topic_open(&both, NAME, IPCX_PUBLISH | IPCX_SUBSCRIBE, NULL));
	for (int i = 0; i < 3 * DEPTH; i++) {
		ASSERT_EQ(0, send_nr(both, i, IPCX_NOWAIT));
		EXPECT_EQ(i, recv_nr(both, IPCX_NOWAIT));
		EXPECT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
	}
	ipcx_topic_close(both);
}

TEST_F(topic, next)
{
	struct ipcx_msg m = {};

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_topic_next(self->sub, &m, IPCX_NOWAIT));
		EXPECT_EQ(i, *(uint64_t *)m.data);
	}
	ASSERT_EQ(-EAGAIN, ipcx_topic_next(self->sub, &m, IPCX_NOWAIT));
	EXPECT_EQ(NULL, m.data);
	EXPECT_EQ(-EAGAIN, ipcx_topic_next(self->sub, &m, IPCX_NOWAIT));
}

/* Handles that take no lock do the same, also across fork. */
TEST_F(topic, single_thread)
{
	unsigned int inherit = without_module(self->sub) ? 0 : IPCX_INHERIT;
	unsigned int flags = IPCX_PUBLISH | IPCX_SUBSCRIBE | IPCX_SINGLE_THREAD | inherit;
	struct ipcx_topic *single;
	struct ipcx_msg m = {}, loan;
	pid_t pid;

	ipcx_topic_close(self->sub);
	self->sub = NULL;
	for (int lossy = 0; lossy < 2; lossy++) {
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0,
			  ipcx_topic_open(&single, NAME, flags | (lossy ? IPCX_LOSSY : 0), NULL));
		for (int i = 0; i < 3 * DEPTH; i++) {
			ASSERT_EQ(0, ipcx_topic_loan(single, 8, &loan, IPCX_NOWAIT));
			*(uint64_t *)loan.data = i;
			ASSERT_EQ(0, ipcx_topic_commit(single, &loan));
			ASSERT_EQ(0, ipcx_topic_next(single, &m, IPCX_NOWAIT));
			ASSERT_EQ(i, *(uint64_t *)m.data);
		}
		pid = inherit ? fork() : -1;
		if (!pid)
			_exit(ipcx_topic_release(single, &m) || send_nr(single, 7, IPCX_NOWAIT) ||
			      recv_nr(single, IPCX_NOWAIT) != 7);
		if (inherit)
			EXPECT_EQ(0, exit_status(pid));
		ipcx_topic_close(single);
	}
}

/* What is taken and what is on loan are told apart, also by a handle that does both. */
TEST_F(topic, taken_is_no_loan)
{
	struct ipcx_msg taken, loan;
	struct ipcx_topic *both;

	ASSERT_EQ(0, ipcx_topic_open(&both, NAME, IPCX_PUBLISH | IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(both, &taken, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_loan(both, 8, &loan, IPCX_NOWAIT));
	EXPECT_EQ(-EPERM, ipcx_topic_commit(both, &taken));
	EXPECT_EQ(-EPERM, ipcx_topic_cancel(both, &taken));
	EXPECT_EQ(-EPERM, ipcx_topic_release(both, &loan));
	EXPECT_EQ(0, ipcx_topic_cancel(both, &loan));
	EXPECT_EQ(0, ipcx_topic_release(both, &taken));
	ipcx_topic_close(both);
}

/* What is too long for a buffer is there for the next call. */
TEST_F(topic, short_buffer)
{
	char buf[LONG] = "";
	struct ipcx_msg m;

	ASSERT_EQ(0, ipcx_topic_send(self->pub, "long enough", 12, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_send(self->pub, "2", 2, IPCX_NOWAIT));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(-EMSGSIZE, ipcx_topic_recv(self->sub, buf, 11, IPCX_NOWAIT));
	EXPECT_NE(NULL, strstr(ipcx_error(), "buffer of 11 bytes"));
	ASSERT_EQ(12, ipcx_topic_recv(self->sub, buf, 12, IPCX_NOWAIT));
	EXPECT_STREQ("long enough", buf);
	ASSERT_EQ(2, ipcx_topic_recv(self->sub, buf, 12, IPCX_NOWAIT));
	ASSERT_EQ(-EMSGSIZE, ipcx_topic_recv(self->lossy, buf, 2, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_topic_take(self->lossy, &m, IPCX_NOWAIT));
	EXPECT_STREQ("long enough", m.data);
	ASSERT_EQ(0, ipcx_topic_release(self->lossy, &m));
	EXPECT_EQ(-EPERM, ipcx_topic_release(self->lossy, &m));
}

TEST_F(topic, attributes)
{
	struct ipcx_topic_attr attr = { .sz = sizeof(attr) };

	ASSERT_EQ(0, ipcx_topic_attr(self->sub, &attr));
	EXPECT_NE(0, attr.id);
	EXPECT_EQ(DEPTH, attr.depth);
	EXPECT_EQ(1 << 20, attr.msg_max);
	EXPECT_EQ(DEPTH << 20, attr.bytes_max);
	EXPECT_EQ(variant->first, attr.first);
	EXPECT_EQ(0600, attr.mode);
	EXPECT_EQ(IPCX_EPHEMERAL, attr.flags);
	EXPECT_EQ(0, attr.lag_max);
	EXPECT_TRUE(ipcx_topic_caps(self->sub) & IPCX_CAP_FAN_OUT);
	attr.sz = 0;
	EXPECT_EQ(-EINVAL, ipcx_topic_attr(self->sub, &attr));
}

TEST_F(topic, unlink)
{
	struct ipcx_topic *t;

	ASSERT_EQ(0, ipcx_topic_unlink(NAME));
	ASSERT_EQ(-ENOENT, ipcx_topic_unlink(NAME));
	ASSERT_EQ(-ENOENT, ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "IPCX_CREATE"));
	ASSERT_EQ(0, send_nr(self->pub, 5, IPCX_NOWAIT));
	EXPECT_EQ(5, recv_nr(self->sub, IPCX_NOWAIT));
	ASSERT_EQ(0,
		  ipcx_topic_open(&t, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, send_nr(self->pub, 6, IPCX_NOWAIT));
	EXPECT_EQ(-EAGAIN, recv_nr(t, IPCX_NOWAIT));
	ipcx_topic_close(t);
}

TEST_HARNESS_MAIN
