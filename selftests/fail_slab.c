// SPDX-License-Identifier: GPL-2.0-only
/*
 * From some allocation on all of one call fail: what asks twice for memory, and so succeeds where
 * fail_nth lets one fail, does not here. Needs fault injection (debug kernel).
 */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define SLAB "/sys/kernel/debug/failslab/"
#define BYTES (64 * 4096)
#define TIMES 40
#define LEFT_KIB 2048 /* what the kernel keeps for itself, beside what would be lost */

FIXTURE(slab)
{
	struct ipcx_info before;
	long free;
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
	self->free = meminfo("MemFree:");
}

FIXTURE_TEARDOWN(slab)
{
	struct ipcx_info after;

	EXPECT_EQ(0, put_file(SLAB "probability", "0"));
	close(self->space);
	close(self->armed);
	EXPECT_EQ(0, account(&after));
	EXPECT_EQ(0, memcmp(&self->before, &after, sizeof(after)));
	EXPECT_GT(LEFT_KIB, self->free - meminfo("MemFree:"));
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

TEST_F_TIMEOUT(slab, loan, 300)
{
	struct end e = { .o = { .depth = 1, .msg_max = BYTES, .bytes_max = BYTES } };
	struct ipcx_desc d;
	int err = -ENOMEM, failed = 0;

	for (int i = 0; i < TIMES * 2; i++) {
		ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
		ASSERT_TRUE(arm(self, i / TIMES * 700));
		err = raw_loan(e.fd, &d, BYTES, 0);
		disarm(self);
		ASSERT_TRUE(err == 1 || err == -ENOMEM);
		failed += err < 0;
		/* nothing is left of it, and the next one finds all that it needs */
		if (err == 1)
			ASSERT_EQ(1, raw_cancel(e.fd, &d));
		ASSERT_EQ(1, raw_loan(e.fd, &d, BYTES, 0));
		end_close(&e);
	}
	EXPECT_LT(0, failed);
}

TEST_F_TIMEOUT(slab, open, 300)
{
	struct end e = { .o = { .depth = 1, .msg_max = 4096 } };
	int err = -ENOMEM, failed = 0;
	struct counts c;

	for (int i = 0; i < TIMES * 100; i++) {
		ASSERT_TRUE(arm(self, i % 100 * 64));
		err = end_open(&e, "fail-slab", CREATE | SENDRECV);
		disarm(self);
		if (err) {
			ASSERT_EQ(-ENOMEM, err);
			ASSERT_EQ(-ENOENT, raw_unlink("fail-slab"));
			failed++;
			continue;
		}
		ASSERT_TRUE(counts_of(e.o.out_id, &c));
		ASSERT_EQ(0, raw_unlink("fail-slab"));
		end_close(&e);
	}
	EXPECT_LT(0, failed);
	EXPECT_GT(TIMES * 100, failed);
}

TEST_HARNESS_MAIN
