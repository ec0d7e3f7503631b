// SPDX-License-Identifier: GPL-2.0-only
/*
 * soak [ROUNDS [MESSAGES]]: in each round a queue is created, mapped, used for so
 * many messages, closed with some of them in flight, and gone; then a topic, and a
 * region. Memory, descriptors and references must be at the end what they were after
 * the first hundredth.
 */
#include <dirent.h>
#include <linux/ipcx_region.h>

#include "topic_util.h"

#include "../kselftest.h"

/* What must not grow. */
struct state {
	long slab, vmalloc, free, refs;
	int fds;
	struct ipcx_info info;
};

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void look(struct state *s, int dev)
{
	sync();
	put_file("/proc/sys/vm/drop_caches", "3");
	s->slab = meminfo("SUnreclaim:");
	s->vmalloc = meminfo("VmallocUsed:");
	s->free = meminfo("MemFree:");
	s->refs = module_refs();
	s->fds = open_fds();
	memset(&s->info, 0, sizeof(s->info));
	s->info.size = sizeof(s->info);
	if (xioctl(dev, IPCX_IOC_INFO, &s->info))
		ksft_exit_fail_msg("no account: %s\n", strerror(errno));
}

/* Each returns 0, or which step went wrong. */
static int topic_round(long round)
{
	struct member pub = { .o.depth = 8 }, sub = {};

	if (member_open(&pub, "soak", CREATE | PUBLISH | EPHEMERAL) ||
	    member_open(&sub, "soak", SUBSCRIBE | (round & 1 ? LOSSY : 0)))
		return 4;
	for (int i = 0; i < 4; i++)
		if (publish(&pub, i))
			return 5;
	if (take(&sub, 0) != 0)
		return 6;
	/* with messages that nobody has taken; in turn either goes first */
	member_close(round & 2 ? &pub : &sub);
	member_close(round & 2 ? &sub : &pub);
	return 0;
}

static int region_round(long round)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = CREATE | IPCX_REGION_READ | IPCX_REGION_WRITE,
		.name = (uintptr_t)(round & 1 ? "soak-region" : NULL),
		.name_len = round & 1 ? strlen("soak-region") : 0,
		.mode = 0600,
		.bytes = 4 * PAGE,
	};
	int fd = device_ioctl(IPCX_IOC_REGION_OPEN, &o);
	char *p = map_range(fd, PROT_READ | PROT_WRITE, 0, 4 * PAGE);

	if (fd < 0 || !p)
		return 7;
	p[PAGE] = round;
	munmap(p, 4 * PAGE);
	close(fd);
	return round & 1 && raw_unlink_kind("soak-region", 0, IPCX_KIND_REGION) ? 8 : 0;
}

static int queue_round(long round, long messages)
{
	struct end e = { .o = { .depth = 1 + round % 64, .msg_max = 1 << 20 } };
	struct ipcx_desc d;

	if (end_open(&e, round & 1 ? "soak" : NULL, CREATE | IPCX_OPEN_EPHEMERAL | SENDRECV))
		return 1;
	for (long i = 0; i < messages; i++) {
		if (raw_send(&e, i % 97 ? 8 : round * 131 % 100000, i) != 1)
			return 2;
		if (raw_take(e.fd, &d, 0) != 1 || (i + 1 < messages && raw_release(e.fd, &d) != 1))
			return 3;
	}
	end_close(&e); /* with the last message taken and not released */
	return 0;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : rounds(2000), messages = argc > 2 ? atol(argv[2]) : 100;
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC), wrong = 0;
	struct state before = {}, after;
	struct end anchor = {}; /* keeps the user's account */
	int64_t start = now_ns();

	ksft_print_header();
	ksft_set_plan(1);
	if (dev < 0 || end_open(&anchor, NULL, CREATE | SENDRECV))
		ksft_exit_fail_msg("no queue: %s\n", strerror(errno));
	for (long i = 0; i < n + n / 100 && !wrong; i++) {
		if (i == n / 100)
			look(&before, dev);
		wrong = queue_round(i, messages) ?: topic_round(i) ?: region_round(i);
		if (i % 100 == 0 && isatty(2))
			fprintf(stderr, "\rsoak: %ld of %ld", i, n);
	}
	look(&after, dev);
	if (wrong)
		ksft_print_msg("step %d of a round went wrong\n", wrong);
	ksft_print_msg("%ld queues, topics and regions, %ld messages, %lld s\n", n, n * messages,
		       (long long)(now_ns() - start) / 1000000000);
	ksft_print_msg("slab %+ld KiB, vmalloc %+ld KiB, free %+ld KiB\n", after.slab - before.slab,
		       after.vmalloc - before.vmalloc, after.free - before.free);
	ksft_print_msg("descriptors %+d, references %+ld\n", after.fds - before.fds,
		       after.refs - before.refs);
	/* what the rest of the system does in the meantime is far less than a page a round */
	ksft_test_result(!wrong && after.fds == before.fds && after.refs == before.refs &&
				 !memcmp(&before.info, &after.info, sizeof(after.info)) &&
				 after.slab - before.slab < 2048 && before.free - after.free < 8192,
			 "soak\n");
	ksft_finished();
}
