/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages that carry regions, by the library: part of queue_handles. */
#ifndef HANDLES_LIB_H
#define HANDLES_LIB_H

#include <ipcx.h>

#include "region_use.h"

/* Sends, takes and fetches through one handle. Return: the region that arrives, or NULL. */
static struct ipcx_region *lib_pass(struct ipcx_queue *q, const struct ipcx_region *r, size_t len,
				    unsigned int flags)
{
	struct ipcx_region *got = NULL;
	struct ipcx_msg m;

	if (ipcx_queue_loan(q, len, &m, IPCX_NOWAIT) || ipcx_queue_attach(q, &m, r, flags) ||
	    ipcx_queue_commit(q, &m) || ipcx_queue_take(q, &m, IPCX_NOWAIT))
		return NULL;
	if (m.flags != IPCX_REGIONS || m.len != len || ipcx_queue_fetch(q, &m, 0, &got) ||
	    ipcx_queue_release(q, &m))
		fprintf(stderr, "# %s\n", ipcx_error());
	return got;
}

static bool lib_opens(struct ipcx_region **r, const char *uri, size_t size)
{
	IPCX_REGION_OPTS(opts, .size = size);

	return !ipcx_region_open(r, uri, IPCX_CREATE | IPCX_READ | IPCX_WRITE, &opts);
}

TEST(library)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 4096, .require = IPCX_CAP_REGIONS);
	static const size_t lens[] = { 1, 64, 65, 4096 };
	static const unsigned int prefetch[] = { 0, 4 };
	struct ipcx_region *r, *got;
	struct ipcx_queue *q;

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	ASSERT_EQ(5, pwrite(ipcx_region_fd(r), "here", 5, 0));
	for (int i = 0; i < 2; i++) {
		opts.prefetch = prefetch[i];
		ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts))
		TH_LOG("%s", ipcx_error());
		EXPECT_TRUE(ipcx_queue_caps(q) & IPCX_CAP_REGIONS);
		for (size_t k = 0; k < sizeof(lens) / sizeof(*lens); k++) {
			char buf[5] = "";

			got = lib_pass(q, r, lens[k], IPCX_READ);
			ASSERT_NE(NULL, got);
			EXPECT_EQ(5, pread(ipcx_region_fd(got), buf, 5, 0));
			EXPECT_STREQ("here", buf);
			EXPECT_EQ(PAGE, ipcx_region_size(got));
			EXPECT_EQ(NULL, ipcx_region_map(got, 0, 0, PROT_READ | PROT_WRITE));
			EXPECT_EQ(-EINVAL, ipcx_region_resize(got, 0));
			EXPECT_TRUE(ipcx_region_caps(got) & IPCX_CAP_SEALS);
			ipcx_region_close(got);
		}
		ipcx_queue_close(q);
	}
	ipcx_region_close(r);
}

/* What messages carry is not kept until the next refill, when they are done. */
TEST(library_next)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 4096, .prefetch = 4);
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_region *r;
	struct ipcx_msg m = {};
	struct ipcx_queue *q;

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(q, 8, &m, IPCX_NOWAIT));
		if (!i)
			ASSERT_EQ(0, ipcx_queue_attach(q, &m, r, IPCX_READ));
		ASSERT_EQ(0, ipcx_queue_commit(q, &m));
	}
	m = (struct ipcx_msg){};
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_next(q, &m, IPCX_NOWAIT));
		EXPECT_EQ(i ? 0 : IPCX_REGIONS, m.flags);
		ASSERT_EQ(0, ipcx_queue_stat(q, &stats));
		EXPECT_EQ(!!i, stats.released); /* the second is held */
	}
	ipcx_queue_close(q);
	ipcx_region_close(r);
}

TEST(library_errors)
{
	struct ipcx_region *r, *other, *got;
	struct ipcx_queue *q;
	struct ipcx_msg m;

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	ASSERT_TRUE(lib_opens(&other, "shm:handles", PAGE));
	ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	EXPECT_EQ(-EINVAL, ipcx_queue_attach(q, &m, r, 0));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_attach(q, &m, r, IPCX_CREATE | IPCX_READ));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_attach(q, &m, other, IPCX_READ));
	EXPECT_NE(NULL, strstr(ipcx_error(), "\"kernel\""));
	EXPECT_EQ(-EPERM, ipcx_queue_fetch(q, &m, 0, &got)); /* on loan */
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, ipcx_queue_attach(q, &m, r, IPCX_READ));
	EXPECT_EQ(-ENOSPC, ipcx_queue_attach(q, &m, r, IPCX_READ));
	ASSERT_EQ(0, ipcx_queue_commit(q, &m));
	EXPECT_EQ(-EPERM, ipcx_queue_attach(q, &m, r, IPCX_READ));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, IPCX_NOWAIT));
	EXPECT_EQ(-ENOENT, ipcx_queue_fetch(q, &m, 4, &got));
	EXPECT_EQ(NULL, got);
	ASSERT_EQ(0, ipcx_queue_fetch(q, &m, 3, &got));
	ASSERT_EQ(0, ipcx_queue_release(q, &m));
	EXPECT_EQ(-EPERM, ipcx_queue_fetch(q, &m, 0, &other));
	/* what was got to be read cannot be passed on to be written */
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	EXPECT_EQ(-EACCES, ipcx_queue_attach(q, &m, got, IPCX_READ | IPCX_WRITE));
	EXPECT_EQ(0, ipcx_queue_attach(q, &m, got, IPCX_READ));
	close(ipcx_region_fd(got));
	EXPECT_EQ(-EBADF, ipcx_queue_attach(q, &m, got, IPCX_READ));
	EXPECT_NE(NULL, strstr(ipcx_error(), "descriptor of the region"));
	EXPECT_EQ(0, ipcx_queue_cancel(q, &m));
	ipcx_region_close(got);
	ipcx_region_close(r);
	ipcx_region_unlink("shm:handles");
	ipcx_queue_close(q);
}

TEST(library_other_transports)
{
	IPCX_QUEUE_OPTS(opts, .require = IPCX_CAP_REGIONS);
	static const char *const uris[] = { "shm:handles", "unix:handles", "mq:handles" };
	struct ipcx_region *r, *got;
	struct ipcx_queue *q;
	struct ipcx_msg m = {};

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EOPNOTSUPP,
			  ipcx_queue_open(&q, uris[i], IPCX_CREATE | IPCX_RECV, &opts));
		EXPECT_NE(NULL, strstr(ipcx_error(), "regions in messages"));
		ASSERT_EQ(0, ipcx_queue_open(&q, uris[i], IPCX_CREATE | IPCX_RECV, NULL))
		TH_LOG("%s", ipcx_error());
		EXPECT_FALSE(ipcx_queue_caps(q) & IPCX_CAP_REGIONS);
		EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_attach(q, &m, r, IPCX_READ));
		EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_fetch(q, &m, 0, &got));
		EXPECT_NE(NULL, strstr(ipcx_error(), "regions in messages"));
		ipcx_queue_close(q);
		ipcx_queue_unlink(uris[i]);
	}
	ipcx_region_close(r);
}

/* A slot that came with a commit has no room for a reply: who was refused is not given it again. */
TEST(library_call_spare)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 4096);
	struct ipcx_msg m, other, reply = {};
	struct ipcx_queue *q, *full;
	struct ipcx_region *r;

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	ASSERT_EQ(0, ipcx_queue_open(&q, "handles-spare", IPCX_CREATE | IPCX_SEND, &opts));
	ASSERT_EQ(0, ipcx_queue_open(&full, "handles-spare", IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &other, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_attach(q, &m, r, IPCX_READ));
	ASSERT_EQ(0, ipcx_queue_commit(q, &other));
	while (!ipcx_queue_send(full, "x", 1, IPCX_NOWAIT))
		;
	EXPECT_EQ(-ENOBUFS, ipcx_queue_call(q, &m, &reply, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_cancel(q, &m));
	while (!ipcx_queue_send(full, "x", 1, IPCX_NOWAIT))
		;
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_unlink("handles-spare"));
	ipcx_queue_close(full);
	ipcx_queue_close(q);
	ipcx_region_close(r);
}

/*
 * The first request of a handle is loaned without room for its reply: it keeps what it carries. The
 * next loan has that room.
 */
TEST(library_call)
{
	IPCX_QUEUE_OPTS(opts, .depth = 2, .msg_max = 4096);
	struct ipcx_region *r, *got;
	struct ipcx_msg m, other, reply = {};
	struct ipcx_queue *q;
	pid_t pid;

	ASSERT_TRUE(lib_opens(&r, NULL, PAGE));
	ASSERT_EQ(0, ipcx_queue_open(&q, "handles-call", IPCX_CREATE | IPCX_SEND, &opts));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &other, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_attach(q, &m, r, IPCX_READ));
	EXPECT_EQ(-ENOBUFS, ipcx_queue_call(q, &m, &reply, IPCX_NOWAIT));
	EXPECT_NE(NULL, strstr(ipcx_error(), "loaned again"));
	ASSERT_EQ(0, ipcx_queue_cancel(q, &m));
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_cancel(q, &other));
	ASSERT_EQ(0, ipcx_queue_loan(q, 100, &m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_attach(q, &m, r, IPCX_READ));
	pid = fork();
	if (!pid) {
		struct ipcx_msg request, answer;

		if (ipcx_queue_open(&q, "handles-call", IPCX_RECV, NULL) ||
		    ipcx_queue_take(q, &request, in_ms(10000)) ||
		    request.flags != (IPCX_REQUEST | IPCX_REGIONS) ||
		    ipcx_queue_fetch(q, &request, 0, &got) ||
		    ipcx_queue_loan_reply(q, &request, 8, &answer) ||
		    ipcx_queue_attach(q, &answer, got, IPCX_READ) ||
		    ipcx_queue_reply(q, &request, &answer))
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(0, ipcx_queue_call(q, &m, &reply, in_ms(10000))) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(IPCX_REGIONS, reply.flags);
	ASSERT_EQ(0, ipcx_queue_fetch(q, &reply, 0, &got));
	EXPECT_EQ(PAGE, ipcx_region_size(got));
	ipcx_region_close(got);
	ipcx_queue_release(q, &reply);
	ipcx_queue_close(q);
	ipcx_queue_unlink("handles-call");
	ipcx_region_close(r);
}

#endif /* HANDLES_LIB_H */
