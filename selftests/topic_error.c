// SPDX-License-Identifier: GPL-2.0-only
/* Topics by the library: what is refused, and what it says then. */
#include <sys/resource.h>
#include <sys/stat.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

FIXTURE(error)
{
	struct ipcx_topic *pub, *sub, *none;
	struct ipcx_msg m;
};

FIXTURE_SETUP(error)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .mode = 0604, .msg_max = 1 << 16,
			.bytes_max = 1 << 17);

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, ipcx_topic_open(&self->pub, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH,
				     &opts));
	ASSERT_EQ(0, ipcx_topic_open(&self->sub, NAME, IPCX_SUBSCRIBE, NULL));
}

FIXTURE_TEARDOWN(error)
{
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
}

static bool says(const char *text)
{
	if (strstr(ipcx_error(), text))
		return true;
	fprintf(stderr, "# not \"%s\": %s\n", text, ipcx_error());
	return false;
}

TEST_F(error, open)
{
	struct ipcx_topic_opts opts = { 0 };
	struct ipcx_queue *q;

	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, NAME, 0, NULL));
	EXPECT_TRUE(says("neither IPCX_PUBLISH nor IPCX_SUBSCRIBE"));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, NAME, IPCX_PUBLISH | IPCX_LOSSY, NULL));
	EXPECT_TRUE(says("IPCX_SUBSCRIBE"));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, NAME, IPCX_PUBLISH | IPCX_EXCL, NULL));
	EXPECT_TRUE(says("IPCX_CREATE"));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, "", IPCX_PUBLISH | IPCX_CREATE, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, NULL, IPCX_PUBLISH, NULL));
	EXPECT_TRUE(says("without a name"));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, "a/b", IPCX_PUBLISH, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&self->none, NAME, IPCX_PUBLISH | IPCX_SEND, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&self->none, "tcp:a", IPCX_PUBLISH, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&self->none, NAME, IPCX_PUBLISH, &opts));
	EXPECT_TRUE(says("IPCX_TOPIC_OPTS"));
	opts.sz = sizeof(opts);
	opts.require = IPCX_CAP_REDELIVERY;
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&self->none, NAME, IPCX_PUBLISH, &opts));
	EXPECT_EQ(-EEXIST,
		  ipcx_topic_open(&self->none, NAME, IPCX_CREATE | IPCX_EXCL | IPCX_PUBLISH, NULL));
	EXPECT_TRUE(says("exists already"));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&q, NAME, IPCX_SEND, NULL));
	EXPECT_TRUE(says("not a queue"));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_unlink(NAME));
	ASSERT_EQ(0, ipcx_queue_open(&q, "q", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SEND, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_topic_open(&self->none, "q", IPCX_PUBLISH, NULL));
	EXPECT_TRUE(says("\"q\" is not a topic"));
	EXPECT_EQ(-EPROTOTYPE, ipcx_topic_unlink("q"));
	ipcx_queue_close(q);
}

TEST_F(error, attributes)
{
	static const struct {
		struct ipcx_topic_opts opts;
		const char *says;
	} wrong[] = {
		{ { .depth = 7 }, "power of two" },
		{ { .depth = 100 }, "power of two" },
		{ { .depth = 1 << 17 }, "power of two" },
		{ { .depth = 8, .lag_max = 9 }, "lag_max 9" },
		{ { .lag_max = 65 }, "lag_max 65" },
		{ { .msg_max = 1ULL << 50 }, "queue_msg_max" },
		{ { .bytes_max = 4095 }, "bytes_max 4095" },
		{ { .mode = 01000 }, "mode 01000" },
		{ { .first = 1ULL << 62 }, "outside" },
	};

	for (int i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ipcx_topic_opts opts = wrong[i].opts;

		opts.sz = sizeof(opts);
		ASSERT_EQ(-EINVAL,
			  ipcx_topic_open(&self->none, "wrong", IPCX_CREATE | IPCX_PUBLISH, &opts));
		EXPECT_TRUE(says(wrong[i].says));
	}
	EXPECT_EQ(-ENOENT, ipcx_topic_unlink("wrong"));
}

TEST_F(error, use)
{
	struct ipcx_msg copy;

	EXPECT_EQ(-EPERM, ipcx_topic_loan(self->sub, 1, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("IPCX_PUBLISH"));
	EXPECT_EQ(-EPERM, ipcx_topic_take(self->pub, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("IPCX_SUBSCRIBE"));
	EXPECT_EQ(-EINVAL, ipcx_topic_loan(self->pub, 1, &self->m, -1));
	EXPECT_EQ(-EINVAL, ipcx_topic_take(self->sub, &self->m, -1));
	EXPECT_TRUE(says("deadline"));
	EXPECT_EQ(-EMSGSIZE, ipcx_topic_loan(self->pub, (1 << 16) + 1, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("msg_max 65536"));
	EXPECT_EQ(-EAGAIN, ipcx_topic_take(self->sub, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("no message"));
	EXPECT_EQ(-ETIMEDOUT, ipcx_topic_take(self->sub, &self->m, in_ms(10)));
	EXPECT_EQ(-EPERM, ipcx_topic_commit(self->pub, &self->m));
	EXPECT_EQ(-EPERM, ipcx_topic_release(self->sub, &self->m));
	ASSERT_EQ(0, ipcx_topic_loan(self->pub, 1, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-EPERM, ipcx_topic_commit(self->sub, &self->m));
	EXPECT_EQ(-EPERM, ipcx_topic_release(self->sub, &self->m));
	copy = self->m;
	ASSERT_EQ(0, ipcx_topic_commit(self->pub, &self->m));
	EXPECT_EQ(-EPERM, ipcx_topic_commit(self->pub, &copy));
	EXPECT_EQ(-EPERM, ipcx_topic_cancel(self->pub, &copy));
	ASSERT_EQ(0, ipcx_topic_take(self->sub, &self->m, IPCX_NOWAIT));
	copy = self->m;
	ASSERT_EQ(0, ipcx_topic_release(self->sub, &self->m));
	EXPECT_EQ(-EPERM, ipcx_topic_release(self->sub, &copy));
	EXPECT_EQ(-EPERM, ipcx_topic_release(self->sub, &self->m));
}

TEST_F(error, all_on_loan)
{
	struct ipcx_msg m[DEPTH];

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ipcx_topic_loan(self->pub, 1, &m[i], IPCX_NOWAIT));
	EXPECT_EQ(-EBUSY, ipcx_topic_loan(self->pub, 1, &self->m, IPCX_FOREVER));
	EXPECT_TRUE(says("8 messages ago is still on loan"));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, ipcx_topic_cancel(self->pub, &m[i]));
	ASSERT_EQ(-EAGAIN, ipcx_topic_take(self->sub, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	EXPECT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
}

/* A lossy subscriber holds copies, but not without end. */
TEST_F(error, lossy_holds)
{
	struct ipcx_msg m[64];
	struct ipcx_topic *t;

	ASSERT_EQ(0, ipcx_topic_open(&t, NAME, SUBSCRIBE_LOSSY, NULL));
	for (int i = 0; i < 64; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, IPCX_NOWAIT));
		ASSERT_EQ(i, recv_nr(self->sub, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_topic_take(t, &m[i], IPCX_NOWAIT));
	}
	ASSERT_EQ(0, send_nr(self->pub, 64, IPCX_NOWAIT));
	EXPECT_EQ(-EMFILE, ipcx_topic_take(t, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("64 messages, 4 of them longer than 104 bytes"));
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(i, *(uint64_t *)m[i].data);
		ASSERT_EQ(0, ipcx_topic_release(t, &m[i]));
	}
	EXPECT_EQ(64, recv_nr(t, IPCX_NOWAIT));
	ipcx_topic_close(t);
}

/* Where there are no bytes for a message no position is used up, and shorter ones still go. */
TEST_F(error, no_bytes)
{
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcx_topic_loan(self->pub, 1 << 16, &self->m, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_topic_commit(self->pub, &self->m));
	}
	for (int i = 0; i < 2 * DEPTH; i++)
		ASSERT_EQ(-ENOBUFS, ipcx_topic_loan(self->pub, 200, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("bytes_max 131072"));
	ASSERT_EQ(0, send_nr(self->pub, 1, IPCX_NOWAIT));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(-EMSGSIZE, recv_nr(self->sub, IPCX_NOWAIT));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcx_topic_take(self->sub, &self->m, IPCX_NOWAIT));
		EXPECT_EQ(1 << 16, self->m.len);
		ASSERT_EQ(0, ipcx_topic_release(self->sub, &self->m));
	}
	EXPECT_EQ(1, recv_nr(self->sub, IPCX_NOWAIT));
}

/* Of another user, who may only read */
static int stranger(struct ipcx_topic **t)
{
	if (setgid(1000) || setuid(1000))
		return 1;
	if (ipcx_topic_open(t, NAME, IPCX_SUBSCRIBE, NULL) != -EACCES || !says("IPCX_LOSSY"))
		return 2;
	if (ipcx_topic_open(t, NAME, IPCX_PUBLISH, NULL) != -EACCES || !says("may not publish"))
		return 3;
	if (ipcx_topic_unlink(NAME) != -EACCES || !says("only its owner"))
		return 4;
	if (ipcx_topic_open(t, NAME, SUBSCRIBE_LOSSY, NULL))
		return 5;
	ipcx_topic_close(*t);
	if (ipcx_topic_open(t, "open", IPCX_SUBSCRIBE, NULL))
		return 6;
	return 0;
}

TEST_F(error, rights)
{
	IPCX_TOPIC_OPTS(opts, .mode = 0644);
	unsigned int flags = IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH | IPCX_OPEN_RELIABLE;
	struct ipcx_topic *open;
	pid_t pid;

	ASSERT_EQ(0, ipcx_topic_open(&open, "open", flags, &opts));
	if (chmod("/dev/ipcx", 0666))
		SKIP(return, "cannot let others open /dev/ipcx");
	pid = fork();
	if (!pid)
		_exit(stranger(&self->none));
	EXPECT_EQ(0, exit_status(pid));
	ipcx_topic_close(open);
}

/* Where the address space is too small for a ring, it is read as soon as it is not. */
TEST_F(error, tight)
{
	IPCX_TOPIC_OPTS(opts, .msg_max = 1 << 20);
	struct rlimit old, lim = { 32 << 20, RLIM_INFINITY };
	struct ipcx_topic *t, *sub;

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	ASSERT_EQ(0,
		  ipcx_topic_open(&t, "tight", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&sub, "tight", IPCX_SUBSCRIBE, NULL));
	lim.rlim_max = old.rlim_max;
	ASSERT_EQ(0, send_nr(t, 7, IPCX_NOWAIT));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	EXPECT_EQ(-ENOMEM, ipcx_topic_take(sub, &self->m, IPCX_NOWAIT));
	EXPECT_TRUE(says("address space"));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(7, recv_nr(sub, IPCX_NOWAIT));
	ipcx_topic_close(sub);
	ipcx_topic_close(t);
}

/* It has not looked at its rings since before the publisher came. */
TEST(evicted_before_it_looked)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .lag_max = 2);
	struct ipcx_topic *pub, *sub;

	ASSERT_EQ(0, ipcx_topic_open(&sub, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE,
				     &opts));
	ASSERT_EQ(0, ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_nr(pub, i, IPCX_NOWAIT));
	EXPECT_EQ(-EPIPE, recv_nr(sub, in_ms(2000)));
	EXPECT_EQ(-ETIMEDOUT, recv_nr(sub, in_ms(20)));
	ipcx_topic_close(sub);
	ipcx_topic_close(pub);
}

FIXTURE(lost){};

FIXTURE_VARIANT(lost)
{
	unsigned int flags;
	int lost;
};

FIXTURE_VARIANT_ADD(lost, reliable){ .lost = 1 };
FIXTURE_VARIANT_ADD(lost, lossy){ .flags = IPCX_LOSSY };

FIXTURE_SETUP(lost)
{
}

FIXTURE_TEARDOWN(lost)
{
}

/* More publishers than there are places have come and gone before it looked. */
TEST_F(lost, before_it_looked)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH);
	struct ipcx_topic *pub, *sub;
	int lost = 0, got = 0;
	int64_t r;

	ASSERT_EQ(0, ipcx_topic_open(&sub, NAME,
				     IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE | variant->flags,
				     &opts));
	for (int i = 0; i < IPCX_TOPIC_RINGS + 3; i++) {
		ASSERT_EQ(0, ipcx_topic_open(&pub, NAME, IPCX_PUBLISH, NULL));
		ASSERT_EQ(0, send_nr(pub, i, IPCX_NOWAIT));
		ipcx_topic_close(pub);
	}
	while ((r = recv_nr(sub, in_ms(20))) != -ETIMEDOUT) {
		ASSERT_TRUE(r >= 0 || r == -EPIPE);
		lost += r < 0;
		got += r >= 0;
	}
	/* one place was reused again and again */
	EXPECT_EQ(variant->lost, lost);
	EXPECT_EQ(IPCX_TOPIC_RINGS - 1, got);
	ipcx_topic_close(sub);
}

TEST_HARNESS_MAIN
