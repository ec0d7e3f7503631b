// SPDX-License-Identifier: GPL-2.0-only
/*
 * From some allocation on all of one call fail: what asks twice for memory, and so succeeds where
 * fail_nth lets one fail, does not here. Needs fault injection (debug kernel).
 */
#include "topic_util.h"
#include "event_util.h"

#include "../kselftest_harness.h"

#define SLAB "/sys/kernel/debug/failslab/"
#define NAME "fail-slab"
#define OTHER 4711 /* a user */
#define BYTES (64 * 4096)
#define TIMES 5000
#define LEFT_KIB 4096 /* less than a page each time */

FIXTURE(slab)
{
	struct ipcx_info before;
	int space, armed;
};

static int account(struct ipcx_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return device_ioctl(IPCX_IOC_INFO, info);
}

typedef FIXTURE_DATA(slab) fix;

FIXTURE_SETUP(slab)
{
	ASSERT_TRUE(nobody_reads());
	ASSERT_EQ(0, put_file(SLAB "ignore-gfp-wait", "N"));
	ASSERT_EQ(0, put_file(SLAB "verbose", "0"));
	ASSERT_EQ(0, put_file(SLAB "task-filter", "Y"));
	ASSERT_EQ(0, put_file(SLAB "times", "-1"));
	ASSERT_EQ(0, put_file(SLAB "interval", "1"));
	ASSERT_EQ(0, put_file(SLAB "probability", "100"));
	self->space = open(SLAB "space", O_WRONLY | O_CLOEXEC);
	self->armed = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->space);
	ASSERT_LE(0, self->armed);
	ASSERT_EQ(0, account(&self->before));
}

FIXTURE_TEARDOWN(slab)
{
	struct ipcx_info after;

	EXPECT_EQ(0, put_file(SLAB "probability", "0"));
	close(self->space);
	close(self->armed);
	EXPECT_EQ(0, account(&after));
	EXPECT_EQ(0, memcmp(&self->before, &after, sizeof(after)));
}

/* From now on what this thread asks for fails, but for the first @bytes. */
static bool arm(fix *self, unsigned int bytes)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", bytes);

	return write(self->space, text, n) == n && pwrite(self->armed, "1", 1, 0) == 1;
}

/* With descriptors that are there already: nothing can be opened. */
static void disarm(fix *self)
{
	if (pwrite(self->armed, "0", 1, 0) != 1)
		_exit(1);
}

/* The pages are there, but not what they would be found by: none of them is lost. */
TEST_F_TIMEOUT(slab, loan, 300)
{
	struct end e = { .o = { .depth = 1, .msg_max = BYTES, .bytes_max = BYTES } };
	struct ipcx_desc d;
	int failed = 0;
	long free;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	free = meminfo("MemFree:");
	ASSERT_TRUE(arm(self, 0));
	for (int i = 0; i < TIMES; i++)
		failed += raw_loan(e.fd, &d, BYTES, 0) == -ENOMEM;
	disarm(self);
	EXPECT_EQ(TIMES, failed);
	EXPECT_GT(LEFT_KIB, free - meminfo("MemFree:"));
	EXPECT_EQ(1, raw_loan(e.fd, &d, BYTES, 0));
	end_close(&e);
}

/*
 * With more and more bytes, until they are enough, and then with just as many again and again: from
 * time to time a table needs a node more, for which there are none. Return: how often it failed
 * then, or -1.
 */
static int open_each(fix *self, int dev, unsigned long request, void *o, unsigned int kind)
{
	unsigned int bytes = 0, enough = 0, failed = 0;
	int fd;

	for (int i = 0; i < TIMES / 5; i++) {
		if (!arm(self, bytes))
			return -1;
		fd = xioctl(dev, request, o);
		disarm(self);
		if (fd < 0) {
			if (fd != -ENOMEM || raw_unlink_kind(NAME, 0, kind) != -ENOENT)
				return -1;
			failed += enough;
			bytes += enough ? 0 : 64;
			continue;
		}
		enough = 1;
		if (close(fd) || raw_unlink_kind(NAME, 0, kind))
			return -1;
	}
	return enough ? (int)failed : -1;
}

/* Of a user who has nothing yet: the table of users grows for him. */
TEST_F_TIMEOUT(slab, info, 300)
{
	struct ipcx_info info = { .size = sizeof(info) };
	unsigned int bytes = 0;
	int dev, err;

	ASSERT_EQ(0, seteuid(OTHER));
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_LE(0, dev);
	do {
		ASSERT_TRUE(arm(self, bytes));
		err = xioctl(dev, IPCX_IOC_INFO, &info);
		disarm(self);
		bytes += 64;
	} while (err == -ENOMEM);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, info.out_user_queues);
	EXPECT_LT(640, bytes); /* his account, and a node of the table */
	close(dev);
}

TEST_F_TIMEOUT(slab, queue_open, 300)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = CREATE | SENDRECV,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.mode = 0600,
		.depth = 1,
		.msg_max = 4096,
	};
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, dev);
	EXPECT_LT(0, open_each(self, dev, IPCX_IOC_QUEUE_OPEN, &o, IPCX_KIND_QUEUE));
	close(dev);
}

TEST_F_TIMEOUT(slab, topic_open, 300)
{
	struct ipcx_topic_open o = {
		.size = sizeof(o),
		.flags = CREATE | PUBLISH | SUBSCRIBE,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.mode = 0600,
		.depth = IPCX_TOPIC_DEPTH_MIN,
		.msg_max = 64,
	};
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, dev);
	EXPECT_LE(0, open_each(self, dev, IPCX_IOC_TOPIC_OPEN, &o, IPCX_KIND_TOPIC));
	close(dev);
}

TEST_HARNESS_MAIN
