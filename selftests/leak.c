// SPDX-License-Identifier: GPL-2.0-only
/* Create, use, unlink, close, over and over: nothing may pile up. */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

static int one_round(int i)
{
	struct end e = { .o = { .depth = 4 + i % 60, .msg_max = 1 << 20 } };
	struct ipcx_desc d;

	if (end_open(&e, i & 1 ? "leak" : NULL, CREATE | SENDRECV))
		return 1;
	if (raw_send(&e, i * 517 % 300000, 'l') != 1 || raw_send(&e, 0, 0) != 1)
		return 2;
	if (raw_take(e.fd, &d, 0) != 1 || raw_loan(e.fd, &d, 9000, 0) != 1)
		return 3;
	if (i & 1 && raw_unlink("leak"))
		return 4;
	end_close(&e);
	return 0;
}

TEST(create_unlink_close)
{
	long slab, free_kib, refs = module_refs();
	struct ipcx_info before = { .size = sizeof(before) }, after = before;
	struct end anchor = {}; /* keeps the user's account */
	int dev = open("/dev/ipcx", O_RDWR);

	ASSERT_EQ(0, end_open(&anchor, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, xioctl(dev, IPCX_IOC_INFO, &before));
	EXPECT_EQ(1, before.out_user_queues);
	for (int i = 0; i < 200; i++)
		ASSERT_EQ(0, one_round(i));
	sync();
	put_file("/proc/sys/vm/drop_caches", "3");
	slab = meminfo("SUnreclaim:");
	free_kib = meminfo("MemFree:");
	for (int i = 0; i < rounds(1000); i++)
		ASSERT_EQ(0, one_round(i));
	put_file("/proc/sys/vm/drop_caches", "3");
	/*
	 * 1,000 rounds of 150 kB each: a leak of one page a round would show. A
	 * debug kernel keeps what is freed for a while; there kmemleak looks.
	 */
	TH_LOG("slab %+ld KiB, free %+ld KiB", meminfo("SUnreclaim:") - slab,
	       meminfo("MemFree:") - free_kib);
	if (access("/sys/kernel/debug/kmemleak", F_OK)) {
		EXPECT_GE(600, meminfo("SUnreclaim:") - slab);
		EXPECT_LE(-2500, meminfo("MemFree:") - free_kib);
	}
	ASSERT_EQ(0, xioctl(dev, IPCX_IOC_INFO, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	end_close(&anchor);
	close(dev);
	EXPECT_EQ(refs, module_refs());
}

TEST_HARNESS_MAIN
