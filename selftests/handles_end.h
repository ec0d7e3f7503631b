/* SPDX-License-Identifier: GPL-2.0-only */
/* What messages carried is gone when they are over: part of queue_handles. */
#ifndef HANDLES_END_H
#define HANDLES_END_H

#include "region_use.h"

#define QUEUES_MAX "/sys/module/ipcx/parameters/user_queues_max"
#define BIG (3UL << 20) /* of a region whose memory is looked for */

/* Ways in which a message ends, or a loan. Return: whether it did. */
struct way {
	const char *name;
	unsigned int policy, lease_ms;
	int (*end)(struct end *q, struct ipcx_desc *d);
};

static int end_cancel(struct end *q, struct ipcx_desc *d)
{
	return raw_cancel(q->fd, d) == 1;
}

static int end_close_loan(struct end *q, struct ipcx_desc *d)
{
	end_close(q);
	q->fd = -1;
	return 1;
}

static int end_close_message(struct end *q, struct ipcx_desc *d)
{
	return raw_commit(q->fd, d) == 1 && end_close_loan(q, d);
}

static int end_release(struct end *q, struct ipcx_desc *d)
{
	return raw_commit(q->fd, d) == 1 && raw_take(q->fd, d, 0) == 1 &&
	       raw_release(q->fd, d) == 1;
}

static int end_read(struct end *q, struct ipcx_desc *d)
{
	char buf[PAGE];

	return raw_commit(q->fd, d) == 1 && read(q->fd, buf, sizeof(buf)) == 100;
}

static int end_expire(struct end *q, struct ipcx_desc *d)
{
	d->expires = now_ns();
	return raw_commit(q->fd, d) == 1 && raw_take(q->fd, d, 0) == -EAGAIN;
}

static int end_drop(struct end *q, struct ipcx_desc *d)
{
	return raw_commit(q->fd, d) == 1 && raw_send(q, 100, 'x') == 1 &&
	       raw_send(q, 100, 'x') == 1;
}

static int end_drop_newest(struct end *q, struct ipcx_desc *d)
{
	struct ipcx_desc last;

	return raw_loan(q->fd, &last, 100, 0) == 1 && raw_commit(q->fd, d) == 1 &&
	       raw_take(q->fd, d, 0) == -EAGAIN;
}

static int end_late(struct end *q, struct ipcx_desc *d)
{
	struct ipcx_desc again;

	return raw_commit(q->fd, d) == 1 && raw_take(q->fd, d, 0) == 1 &&
	       raw_take(q->fd, &again, in_ms(10000)) == 1 && raw_release(q->fd, &again) == 1;
}

static int end_withdraw(struct end *q, struct ipcx_desc *d)
{
	struct ipcx_desc reply;
	struct ipcx_queue_call c = {
		.size = sizeof(c),
		.request = (uintptr_t)d,
		.reply = (uintptr_t)&reply,
		.desc_size = sizeof(*d),
		.deadline = in_ms(10),
	};

	return xioctl(q->fd, IPCX_IOC_QUEUE_CALL, &c) == -ETIMEDOUT;
}

/* The slot stays, as the answer. */
static int end_unanswered(struct end *q, struct ipcx_desc *d)
{
	d->flags = IPCX_MSG_REQUEST;
	return raw_commit(q->fd, d) == 1 && raw_take(q->fd, d, 0) == 1 &&
	       raw_release(q->fd, d) == 1;
}

static const struct way ways[] = {
	{ "cancelled", .end = end_cancel },
	{ "loan, closed", .end = end_close_loan },
	{ "sent, closed with the queue", .end = end_close_message },
	{ "released", .end = end_release },
	{ "read(2)", .end = end_read },
	{ "expired", .end = end_expire },
	{ "oldest", IPCX_POLICY_DROP_OLDEST, .end = end_drop },
	{ "newest", IPCX_POLICY_DROP_NEWEST, .end = end_drop_newest },
	{ "released by the second, read by the first", .lease_ms = 20, .end = end_late },
	{ "request, withdrawn", .end = end_withdraw },
	{ "request, released and not answered", .end = end_unanswered },
};

/* Waits until @kib less are in use than @with. Return: whether that came. */
static bool shmem_falls(long with, long kib)
{
	for (int i = 0; i < 1000; i++) {
		if (with - meminfo("Shmem:") >= kib)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* The memory of a region without name and descriptor is there until the message is over. */
TEST(nothing_stays)
{
	long with;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const struct way *w = &ways[i];
		struct end q = { .o = { .depth = 2,
					.msg_max = PAGE,
					.policy = w->policy,
					.lease_ms = w->lease_ms } };
		struct ipcx_desc d;
		int fd = region_filled(BIG);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, end_open(&q, NULL, CREATE | SENDRECV));
		ASSERT_EQ(1, raw_loan(q.fd, &d, 100, 0));
		ASSERT_EQ(0, region_attach(q.fd, d.slot, fd, BOTH));
		close(fd);
		with = meminfo("Shmem:");
		ASSERT_EQ(1, w->end(&q, &d)) TH_LOG("%s", w->name);
		EXPECT_TRUE(shmem_falls(with, BIG / 1024 * 3 / 4)) TH_LOG("%s: it stays", w->name);
		if (q.fd >= 0)
			end_close(&q);
	}
}

static int64_t own_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* What only the message kept is not freed in the time of who releases that. */
TEST(not_who_releases)
{
	struct end q = { .o = { .depth = 2, .msg_max = PAGE } };
	int64_t released, closed;
	struct ipcx_desc d;
	int fd = region_filled(8 * BIG);
	long with;

	ASSERT_LE(0, fd);
	closed = own_ns();
	close(fd);
	closed = own_ns() - closed;
	fd = region_filled(8 * BIG);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, end_open(&q, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(q.fd, &d, 100, 0));
	ASSERT_EQ(0, region_attach(q.fd, d.slot, fd, BOTH));
	close(fd);
	ASSERT_EQ(1, raw_commit(q.fd, &d));
	ASSERT_EQ(1, raw_take(q.fd, &d, 0));
	with = meminfo("Shmem:");
	released = own_ns();
	ASSERT_EQ(1, raw_release(q.fd, &d));
	released = own_ns() - released;
	EXPECT_LT(released * 4, closed);
	EXPECT_TRUE(shmem_falls(with, 4 * BIG / 1024));
	end_close(&q);
}

/* Return: the objects of this user, or a negative errno. */
static int own_regions(void)
{
	struct ipcx_info i = { .size = sizeof(i) };

	return device_ioctl(IPCX_IOC_INFO, &i) ?: (int)i.out_user_regions;
}

/* A region that only a message keeps: to free it takes a while. */
static int attach_large(int end, uint32_t slot)
{
	size_t size = 64 << 20;
	int fd = region_new(size), ret;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memset(p, 'l', size);
	ret = region_attach(end, slot, fd, BOTH);
	munmap(p, size);
	close(fd);
	return ret;
}

/* Four regions in two messages. Return: 0, or the line that failed. */
static int send_to_the_limit(void)
{
	struct end q = { .o = { .depth = 4, .msg_max = PAGE } }, more = q;
	struct ipcx_desc d[3];
	int fd;

	if (setuid(1000))
		return __LINE__;
	fd = region_new(PAGE); /* of that user, gone once it is closed and its messages are over */
	if (fd < 0 || end_open(&q, NULL, CREATE | SENDRECV) || own_regions())
		return __LINE__;
	for (int i = 0; i < 3; i++)
		if (raw_loan(q.fd, &d[i], 100, 0) != 1)
			return __LINE__;
	if (attach_large(q.fd, d[0].slot))
		return __LINE__;
	for (int i = 1; i < 4; i++)
		if (region_attach(q.fd, d[i / 2].slot, fd, BOTH) != i % 2)
			return __LINE__;
	if (own_regions() != 4 || region_attach(q.fd, d[2].slot, fd, BOTH) != -EDQUOT)
		return __LINE__;
	if (raw_commit(q.fd, &d[0]) != 1 || raw_take(q.fd, &d[0], 0) != 1 ||
	    region_attach(q.fd, d[2].slot, fd, BOTH) != -EDQUOT)
		return __LINE__;
	/* that keeps nobody from making objects */
	if (end_open(&more, NULL, CREATE | SENDRECV))
		return __LINE__;
	end_close(&more);
	/* what is over makes room at once; refused ones have left nothing */
	if (raw_release(q.fd, &d[0]) != 1 || region_attach(q.fd, d[2].slot, fd, BOTH) != 0 ||
	    region_attach(q.fd, d[2].slot, fd, BOTH) != 1 ||
	    region_attach(q.fd, d[2].slot, fd, BOTH) != -EDQUOT || own_regions() != 4)
		return __LINE__;
	if (raw_cancel(q.fd, &d[1]) != 1 || region_attach(q.fd, d[2].slot, fd, BOTH) != 2)
		return __LINE__;
	close(fd);
	end_close(&q);
	for (int i = 0; own_regions() && i < 1000; i++)
		poll(NULL, 0, 10);
	return own_regions() ? __LINE__ : 0;
}

/* Return: exit status of a process that does what it may with @max objects. */
static int with_objects(const char *max, int (*work)(void))
{
	char old[32];
	pid_t pid;
	int status;

	if (!get_file(QUEUES_MAX, old, sizeof(old)) || put_file(QUEUES_MAX, max))
		return -1;
	pid = fork();
	if (!pid) {
		int line = work();

		if (line)
			fprintf(stderr, "# line %d\n", line);
		_exit(!!line);
	}
	status = exit_status(pid);
	put_file(QUEUES_MAX, old);
	return status;
}

/* What messages carry counts for who attached it, until they are over. */
TEST(limit_of_a_user)
{
	EXPECT_EQ(0, with_objects("4", send_to_the_limit));
}

/* A queue that is over keeps none, though a tap keeps the queue. */
TEST(tap_keeps_none)
{
	struct end q = { .o = { .depth = 4, .msg_max = PAGE } };
	int fd = region_new(PAGE), tap;
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&q, "handles-over", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(q.fd, &d, 100, 0));
	ASSERT_EQ(0, region_attach(q.fd, d.slot, fd, BOTH));
	ASSERT_EQ(1, raw_commit(q.fd, &d));
	tap = tap_open(IPCX_KIND_QUEUE, "handles-over", 64);
	ASSERT_LE(0, tap);
	EXPECT_EQ(1, own_regions());
	end_close(&q);
	for (int i = 0; own_regions() && i < 1000; i++)
		poll(NULL, 0, 10);
	EXPECT_EQ(0, own_regions());
	close(tap);
	close(fd);
}

static int region_of_root;

static int send_to_roots(void)
{
	struct end mine = {};
	struct ipcx_desc d;

	if (setuid(1000) || end_open(&mine, "handles-limit", IPCX_OPEN_SEND) ||
	    raw_loan(mine.fd, &d, 100, 0) != 1)
		return __LINE__;
	if (region_attach(mine.fd, d.slot, region_of_root, BOTH) != -EDQUOT || own_regions())
		return __LINE__;
	return 0;
}

static int send_own(void)
{
	struct end mine = {};
	struct ipcx_desc d;

	if (end_open(&mine, "handles-limit", IPCX_OPEN_SEND) || raw_loan(mine.fd, &d, 100, 0) != 1)
		return __LINE__;
	return region_attach(mine.fd, d.slot, region_of_root, BOTH) ? __LINE__ : 0;
}

/* It is the sender's account, whose queue it is or not. CAP_SYS_RESOURCE is not bound by it. */
TEST(limit_of_the_sender)
{
	struct end q = { .o = { .depth = 2, .msg_max = PAGE, .mode = 0666 } };

	region_of_root = region_new(PAGE);
	ASSERT_EQ(0, end_open(&q, "handles-limit", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_EQ(0, with_objects("0", send_to_roots));
	EXPECT_EQ(0, with_objects("0", send_own));
	close(region_of_root);
	end_close(&q);
}

#endif /* HANDLES_END_H */
