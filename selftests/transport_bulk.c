// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much over each transport, see transport_util.h: 12 MB, or 100 MB with IPCX_TEST_FULL=1, of mixed
 * sizes by four processes to one that is slow at times. Boundaries, order and content are right,
 * senders wait, and no memory grows. And one who floods a queue beside one who does not.
 */
#include <sys/resource.h>

#include "transport_util.h"

#define SENDERS 4

/* Bytes 1 to 5,000 mostly, each 50th as long as it may be */
static size_t size_of(unsigned int i, size_t msg_max)
{
	size_t max = msg_max < 400000 ? msg_max : 400000;

	return i % 50 == 49 ? max : i * 2654435761u % 5000 % (max + 1);
}

/* KiB of memory of a process at its highest */
static long peak(pid_t pid)
{
	char path[64], line[128];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = atol(line + 6);
	if (f)
		fclose(f);
	return kib;
}

TEST_F_TIMEOUT(transport, bulk, 600)
{
	uint64_t share = (getenv("IPCX_TEST_FULL") ? 100u << 20 : (12u << 20) / scale()) / SENDERS;
	uint64_t bytes = 0, want = 0, messages = 0;
	unsigned int next[SENDERS] = { 0 };
	struct ipcx_queue_stats s = { .sz = sizeof(s) };
	long before, highest = 0;
	pid_t pid[SENDERS];

	NEED(0);
	for (int i = 0; i < SENDERS; i++) {
		uint64_t sum = 0;

		for (unsigned int j = 0; sum < share; j++)
			sum += size_of(j, self->msg_max);
		want += sum;
		pid[i] = CHILD(IPCX_SEND, {
			for (unsigned int j = 0; !r && sum; j++) {
				size_t len = size_of(j, self->msg_max);

				r = send_pattern(q, len, j * SENDERS + i, in_ms(120000));
				sum -= len;
			}
		});
	}
	before = peak(getpid());
	while (bytes < want) {
		unsigned int from, j;

		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(120000)))
		TH_LOG("%s after %llu", ipcx_error(), (unsigned long long)bytes);
		from = self->m.tag % SENDERS;
		j = self->m.tag / SENDERS;
		ASSERT_EQ(next[from]++, j);
		ASSERT_EQ(size_of(j, self->msg_max), self->m.len);
		ASSERT_TRUE(is_pattern(&self->m, self->m.tag));
		bytes += self->m.len;
		if (++messages % 512)
			continue;
		usleep(20000);
		for (int i = 0; i < SENDERS; i++)
			if (peak(pid[i]) > highest)
				highest = peak(pid[i]);
	}
	for (int i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, exit_status(pid[i]));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &s));
	EXPECT_EQ(0, s.damaged);
	TH_LOG("%llu messages, %llu bytes, memory at most %ld KiB more here, %ld KiB in a sender",
	       (unsigned long long)messages, (unsigned long long)bytes, peak(getpid()) - before,
	       highest);
	/* a part of a message of each sender, and what the allocator keeps */
	EXPECT_GT(16 << 10, peak(getpid()) - before);
	EXPECT_GT(16 << 10, highest - before);
}

/* Who always has one more does not keep others from being heard, also those who come later. */
TEST_F_TIMEOUT(transport, flood, 60)
{
	int64_t until = in_ms(20000);
	struct ipcx_queue *a, *b;
	bool heard = false;

	NEED(0);
	ASSERT_EQ(0, ipcx_queue_open(&a, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, send_pattern(a, 8, 1, in_ms(10000)));
	for (int i = 0; !heard && now_ns() < until; i++) {
		ASSERT_EQ(0, send_pattern(a, 8, 1, in_ms(10000)));
		if (i == 100) {
			ASSERT_EQ(0, ipcx_queue_open(&b, self->uri, IPCX_SEND, NULL));
			ASSERT_EQ(0, send_pattern(b, 8, 2, in_ms(10000)));
		}
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(10000)));
		heard = self->m.tag == 2;
	}
	EXPECT_TRUE(heard);
	ipcx_queue_close(a);
	ipcx_queue_close(b);
}

TEST_HARNESS_MAIN
