// SPDX-License-Identifier: GPL-2.0-only
/* 100,000 queues: the last is made as fast as the first, all are listed, none is left. */
#include <sys/resource.h>

#include "netlink_util.h"

#include "../kselftest_harness.h"

#define PARTS 50
#define FACTOR 4 /* tables that grow, caches that get cold */
#define LIST_NS 2000000000

/* Return: 0 or a negative errno. */
static int make(int i)
{
	char name[32];
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = CREATE | IPCX_OPEN_EXCL | IPCX_OPEN_RECV,
		.name = (uintptr_t)name,
		.name_len = sprintf(name, "many-%d", i),
		.mode = 0600,
		.depth = 1,
		.msg_max = 1,
	};
	int fd = open_raw(&o);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int unmake(int i)
{
	char name[32];

	sprintf(name, "many-%d", i);
	return raw_unlink(name);
}

/* Return: entries of /proc/net/ipcx. @ns: set to how long it took to read them. */
static int list(int64_t *ns)
{
	static char buf[1 << 16];
	int fd = open("/proc/net/ipcx", O_RDONLY), lines = 0;
	ssize_t n;

	*ns = -now_ns();
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; (p = memchr(p, '\n', buf + n - p)); p++)
			lines++;
	*ns += now_ns();
	close(fd);
	return lines - 1; /* the first has the titles */
}

static void count(const struct message *m, void *n)
{
	++*(int *)n;
}

/* Return: objects that a dump tells of, or a negative errno. @ns: as list() */
static int dump_objects(int64_t *ns)
{
	int fd = nl_open(), n = 0, err;
	struct request r;

	nl_init(&r, nl_family(fd), IPCX_CMD_OBJECT_GET, NLM_F_DUMP);
	*ns = -now_ns();
	err = nl_ask(fd, &r, count, &n);
	*ns += now_ns();
	close(fd);
	return err ?: n;
}

/* CPU time of children so far */
static int64_t children_ns(void)
{
	struct rusage use;

	getrusage(RUSAGE_CHILDREN, &use);
	return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000LL +
	       (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000LL;
}

/*
 * Return: objects that the command tells of. @ns: set to the CPU time that it took: it is read
 * from the host meanwhile.
 */
static int list_by_command(int64_t *ns)
{
	char dir[256], command[320], line[512];
	int n = -1; /* the titles */
	FILE *f;

	dir[readlink("/proc/self/exe", dir, sizeof(dir) - 1)] = 0;
	*strrchr(dir, '/') = 0;
	snprintf(command, sizeof(command), "%s/../bin/ipcx ls", dir);
	*ns = -children_ns();
	f = popen(command, "r");
	while (fgets(line, sizeof(line), f))
		n++;
	n = pclose(f) ? -1 : n;
	*ns += children_ns();
	return n;
}

FIXTURE(many)
{
	int64_t each[PARTS]; /* ns to make one queue, part by part */
	int64_t first, last, ns, dump_ns, ls_ns;
};

FIXTURE_SETUP(many)
{
	memset(self, 0, sizeof(*self));
}

FIXTURE_TEARDOWN(many)
{
}

static int64_t least(const int64_t *of, int n)
{
	int64_t ns = *of;

	while (--n > 0)
		if (of[n] < ns)
			ns = of[n];
	return ns;
}

TEST_F_TIMEOUT(many, queues, 500)
{
	int part = rounds(100000) / PARTS, n = part * PARTS;

	ASSERT_EQ(0, list(&self->ns));
	for (int i = 0; i < n; i++) {
		if (i % part == 0)
			self->each[i / part] = -now_ns();
		ASSERT_EQ(0, make(i)) TH_LOG("queue %d", i);
		if (i % part == part - 1)
			self->each[i / part] = (self->each[i / part] + now_ns()) / part;
	}
	/* the least of some: a part that was interrupted says nothing */
	self->first = least(self->each, 5);
	self->last = least(self->each + PARTS - 5, 5);
	EXPECT_EQ(n, list(&self->ns));
	EXPECT_EQ(n, dump_objects(&self->dump_ns));
	EXPECT_EQ(n, list_by_command(&self->ls_ns));
	TH_LOG("%d queues: one of the first %lld ns, one of the last %lld", n,
	       (long long)self->first, (long long)self->last);
	TH_LOG("/proc/net/ipcx %lld us, netlink %lld us, ipcx ls %lld us",
	       (long long)self->ns / 1000, (long long)self->dump_ns / 1000,
	       (long long)self->ls_ns / 1000);
	EXPECT_LT(self->last, FACTOR * self->first);
	EXPECT_LT(self->ns, LIST_NS);
	EXPECT_LT(self->dump_ns, LIST_NS);
	EXPECT_LT(self->ls_ns, LIST_NS);
	EXPECT_EQ(-EEXIST, make(n / 2));
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, unmake(i)) TH_LOG("queue %d", i);
	}
	EXPECT_EQ(0, list(&self->ns));
}

TEST_HARNESS_MAIN
