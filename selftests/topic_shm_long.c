// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many messages from one process to another over a topic without the module: all come, in order,
 * and neither process has more memory or descriptors at the end than after the first hundredth. Who
 * takes them has mapped cells twice, where a line of theirs has one place in a cache for both.
 * IPCX_TEST_FULL=1: 2.6 thousand millions, ten thousand a second for three days.
 */
#include <inttypes.h>

#include "topic_shm_util.h"

#define LATE_KIB 1024 /* that a process may seem to have more: pages are counted in lumps */
#define LATE_FDS 2 /* that who is to be woken is met by, when that is needed first */
#define SAME_BITS ((UINT64_C(1) << 28) - 1)
#define MAPS 64
#define CELLS_MAX 0x100000
#define PUBS 4

struct state {
	long rss;
	int fds;
};

FIXTURE(shm_long)
{
	char dir[64];
	uint64_t count;
};

FIXTURE_SETUP(shm_long)
{
	ASSERT_TRUE(dir_make(self->dir));
	self->count = getenv("IPCX_TEST_FULL") ? 2600000000 : rounds(2000000);
}

FIXTURE_TEARDOWN(shm_long)
{
	EXPECT_EQ(0, dir_remove(self->dir));
}

static struct state look(void)
{
	struct state s = { .rss = -1, .fds = entries("/proc/self/fd") };
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &s.rss) != 1)
		s.rss = -1;
	if (f)
		fclose(f);
	s.rss *= sysconf(_SC_PAGESIZE) / 1024;
	return s;
}

static bool grew(const struct state *early)
{
	struct state now = look();

	return early->rss < 0 || now.rss > early->rss + LATE_KIB || now.fds > early->fds + LATE_FDS;
}

struct map {
	uint64_t at, end, offset;
	char prot[5];
};

/* Of topics, the small ones: not payloads */
static int read_maps(struct map maps[MAPS])
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (f && n < MAPS && fgets(line, sizeof(line), f)) {
		struct map *m = &maps[n];

		n += strstr(line, "memfd:ipcx-topic") &&
		     sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, &m->at, &m->end, m->prot,
			    &m->offset) == 4 &&
		     m->end - m->at < CELLS_MAX;
	}
	if (f)
		fclose(f);
	return n;
}

/* How many are mapped to be read, and once more so that these bits of the address are the same? */
static int mapped_alike(void)
{
	struct map maps[MAPS];
	int n = read_maps(maps), alike = 0;

	for (int i = 0; i < n * n; i++) {
		const struct map *shown = &maps[i / n], *own = &maps[i % n];

		alike += !strcmp(shown->prot, "r--s") && !strcmp(own->prot, "rw-s") &&
			 shown->offset == own->offset && !((shown->at - own->at) & SAME_BITS);
	}
	return alike;
}

/* Return: 0, or which step went wrong. */
static int publish_all(struct ipcx_topic *t, uint64_t count, int64_t deadline)
{
	struct state early = {};
	struct ipcx_msg m;

	for (uint64_t i = 0; i < count; i++) {
		if (i == count / 100)
			early = look();
		if (ipcx_topic_loan(t, sizeof(i), &m, deadline))
			return 1;
		*(uint64_t *)m.data = i;
		if (ipcx_topic_commit(t, &m))
			return 2;
	}
	return grew(&early) ? 3 : 0;
}

static int take_all(struct ipcx_topic *t, uint64_t count, int64_t deadline)
{
	struct state early = {};
	struct ipcx_msg m = {};

	for (uint64_t i = 0; i < count; i++) {
		if (i == count / 100)
			early = look();
		if (ipcx_topic_next(t, &m, deadline))
			return 4;
		if (m.len != sizeof(i) || *(const uint64_t *)m.data != i)
			return 5;
	}
	return ipcx_topic_release(t, &m) || grew(&early) ? 6 : 0;
}

TEST_F_TIMEOUT(shm_long, all_come_in_order, 3600)
{
	IPCX_TOPIC_OPTS(opts, .depth = 64, .msg_max = 64);
	const int64_t deadline = in_ms(3600000), start = now_ns();
	unsigned int flags = IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SINGLE_THREAD;
	struct ipcx_topic *t;
	struct child c;

	if (child_start(&c)) {
		if (!hear(&c) || ipcx_topic_open(&t, URI, flags | IPCX_PUBLISH, &opts))
			_exit(9);
		_exit(publish_all(t, self->count, deadline));
	}
	ASSERT_EQ(0, ipcx_topic_open(&t, URI, flags | IPCX_SUBSCRIBE, &opts));
	ASSERT_TRUE(say(&c));
	EXPECT_EQ(0, take_all(t, self->count, deadline))
	{
		kill(c.pid, SIGKILL);
	}
	EXPECT_EQ(0, exit_status(c.pid));
	ipcx_topic_close(t);
	TH_LOG("%ju messages, %jd ms", (uintmax_t)self->count,
	       (intmax_t)(now_ns() - start) / 1000000);
}

/* Payloads of as much as the distance, and several rings: they are in each other's way. */
TEST_F(shm_long, mapped_alike)
{
	IPCX_TOPIC_OPTS(opts, .depth = 64, .msg_max = 4 << 20);
	struct ipcx_topic *t, *pub;
	struct ipcx_msg m = {};
	struct child c = {};

	if (sizeof(void *) < 8)
		SKIP(return, "only where there are that many addresses");
	ASSERT_EQ(0,
		  ipcx_topic_open(&t, URI, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, &opts));
	if (child_start(&c)) {
		for (int i = 0; i < PUBS; i++)
			if (ipcx_topic_open(&pub, URI, IPCX_PUBLISH, NULL) ||
			    ipcx_topic_send(pub, &i, sizeof(i), 0))
				_exit(1);
		hear(&c);
		_exit(0);
	}
	for (int i = 0; i < PUBS; i++)
		ASSERT_EQ(0, ipcx_topic_next(t, &m, in_ms(5000)));
	EXPECT_EQ(PUBS, mapped_alike());
	ASSERT_TRUE(say(&c));
	EXPECT_EQ(0, exit_status(c.pid));
	ipcx_topic_close(t);
}

TEST_HARNESS_MAIN
