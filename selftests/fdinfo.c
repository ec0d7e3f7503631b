// SPDX-License-Identifier: GPL-2.0-only
/* /proc/PID/fdinfo/FD: what an end of a queue is and what it holds. */
#include <pthread.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

/* The lines of ours, each without its "ipcx-". */
struct info {
	unsigned long long queue;
	char name[1100], rights[16];
	unsigned int uid, gid, mode, loans, leases, queued;
	int lines;
};

static bool info_of(pid_t pid, int fd, struct info *i)
{
	char path[64], line[1200];
	FILE *f;

	memset(i, 0, sizeof(*i));
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		i->lines += sscanf(line, "ipcx-queue:\t%llu", &i->queue) == 1;
		i->lines += sscanf(line, "ipcx-name:\t%1099s", i->name) == 1;
		i->lines += sscanf(line, "ipcx-owner:\t%u:%u %o", &i->uid, &i->gid, &i->mode) == 3;
		i->lines += sscanf(line, "ipcx-rights:\t%15s", i->rights) == 1;
		i->lines += sscanf(line, "ipcx-loans:\t%u", &i->loans) == 1;
		i->lines += sscanf(line, "ipcx-leases:\t%u", &i->leases) == 1;
		i->lines += sscanf(line, "ipcx-queued:\t%u", &i->queued) == 1;
	}
	fclose(f);
	return i->lines == 7;
}

#define EXPECT_HELD(fd, l, t, q) \
	do { \
		struct info _i; \
\
		EXPECT_TRUE(info_of(getpid(), fd, &_i)); \
		EXPECT_EQ(l, _i.loans); \
		EXPECT_EQ(t, _i.leases); \
		EXPECT_EQ(q, _i.queued); \
	} while (0)

TEST(what_it_is)
{
	struct end e = { .o.mode = 0640 }, in = {}, out = {}, anonymous = {};
	struct info i;

	ASSERT_EQ(0, end_open(&e, "fd info\n", CREATE | SENDRECV));
	ASSERT_EQ(0, end_open(&in, "fd info\n", IPCX_OPEN_RECV));
	ASSERT_EQ(0, end_open(&out, "fd info\n", IPCX_OPEN_SEND));
	ASSERT_TRUE(info_of(getpid(), e.fd, &i));
	EXPECT_EQ(e.o.out_id, i.queue);
	EXPECT_STREQ("fd\\040info\\012", i.name);
	EXPECT_EQ(0, i.uid);
	EXPECT_EQ(0, i.gid);
	EXPECT_EQ(0640, i.mode);
	EXPECT_STREQ("send,recv", i.rights);
	ASSERT_TRUE(info_of(getpid(), in.fd, &i));
	EXPECT_STREQ("recv", i.rights);
	ASSERT_TRUE(info_of(getpid(), out.fd, &i));
	EXPECT_STREQ("send", i.rights);
	/* the name by which it was opened, even when it is unlinked */
	ASSERT_EQ(0, raw_unlink("fd info\n"));
	ASSERT_TRUE(info_of(getpid(), e.fd, &i));
	EXPECT_STREQ("fd\\040info\\012", i.name);
	ASSERT_EQ(0, end_open(&anonymous, NULL, CREATE | SENDRECV));
	ASSERT_TRUE(info_of(getpid(), anonymous.fd, &i));
	EXPECT_STREQ("-", i.name);
	end_close(&e);
	end_close(&in);
	end_close(&out);
	end_close(&anonymous);
}

/* Each transition, seen from the end that makes it and from another. */
TEST(what_it_holds)
{
	struct end e = { .o.depth = 4 }, o = {};
	struct ipcx_desc d[4];
	char buf[8];

	ASSERT_EQ(0, end_open(&e, "held", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&o, "held", SENDRECV));
	EXPECT_HELD(e.fd, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_loan(e.fd, &d[i], 8, 0));
	EXPECT_HELD(e.fd, 3, 0, 0);
	EXPECT_HELD(o.fd, 0, 0, 0);
	ASSERT_EQ(1, raw_cancel(e.fd, &d[2]));
	ASSERT_EQ(1, raw_commit(e.fd, &d[0]));
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_COMMIT, &d[1], IPCX_COMMIT_LOAN));
	EXPECT_HELD(e.fd, 1, 0, 2); /* the spare */
	d[3] = d[1];
	ASSERT_EQ(1, write(o.fd, "w", 1));
	EXPECT_HELD(o.fd, 0, 0, 3);
	ASSERT_EQ(1, raw_take(o.fd, &d[0], 0));
	ASSERT_EQ(1, raw_take(o.fd, &d[1], 0));
	EXPECT_HELD(o.fd, 0, 2, 1);
	EXPECT_HELD(e.fd, 1, 0, 1);
	ASSERT_EQ(1, raw_done(o.fd, IPCX_IOC_QUEUE_RELEASE, &d[0], IPCX_RELEASE_NACK));
	EXPECT_HELD(o.fd, 0, 1, 2);
	ASSERT_EQ(1, raw_next(o.fd, &d[1], 0));
	EXPECT_HELD(o.fd, 0, 1, 1);
	ASSERT_EQ(1, read(o.fd, buf, 8));
	EXPECT_HELD(o.fd, 0, 1, 0);
	ASSERT_EQ(1, raw_release(o.fd, &d[1]));
	EXPECT_HELD(o.fd, 0, 0, 0);
	ASSERT_EQ(1, raw_cancel(e.fd, &d[3]));
	EXPECT_HELD(e.fd, 0, 0, 0);
	end_close(&e);
	end_close(&o);
}

/* A sleeping taker that is handed a message holds it. */
static void *take_main(void *arg)
{
	struct end *e = arg;
	struct ipcx_desc d;

	return raw_take(e->fd, &d, in_ms(10000)) == 1 ? NULL : e;
}

TEST(message_that_was_slept_for)
{
	struct end e = { .o.depth = 4 };
	pthread_t thread;
	void *failed;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_main, &e));
	usleep(50000);
	ASSERT_EQ(1, raw_send(&e, 8, 's'));
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_HELD(e.fd, 0, 1, 0);
	end_close(&e);
}

/* All copies are one end, in whatever process. */
TEST(copies)
{
	struct end e = { .o.depth = 4 };
	struct ipcx_desc d;
	struct info i;
	int copy;
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 8, 0));
	copy = dup(e.fd);
	EXPECT_HELD(copy, 1, 0, 0);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	ASSERT_TRUE(info_of(pid, e.fd, &i));
	EXPECT_EQ(1, i.loans);
	EXPECT_EQ(e.o.out_id, i.queue);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(copy);
	end_close(&e);
}

/* Numbers of users are those of the reader's namespace; others may not read at all. */
TEST(reader)
{
	struct end e = {};
	struct info i;
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWUSER) || !info_of(getpid(), e.fd, &i) || i.uid != 65534 ||
		      i.gid != 65534);
	EXPECT_EQ(0, exit_status(pid));
	pid = fork();
	if (!pid)
		_exit(setuid(1000) || info_of(getppid(), e.fd, &i) || errno != EACCES);
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
}

static volatile bool stop;

static void *busy_main(void *arg)
{
	struct end *e = arg;
	struct ipcx_desc d;

	while (!stop) {
		if (raw_loan(e->fd, &d, 8, 0) != 1 || raw_commit(e->fd, &d) != 1 ||
		    raw_take(e->fd, &d, 0) != 1 || raw_release(e->fd, &d) != 1)
			return e;
	}
	return NULL;
}

/* Two threads, a slot each on its way: never more than two are seen, and none is left. */
TEST(read_while_in_use)
{
	struct end e = { .o.depth = 4 };
	pthread_t thread[2];
	struct info i;
	void *failed;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	for (int t = 0; t < 2; t++)
		ASSERT_EQ(0, pthread_create(&thread[t], NULL, busy_main, &e));
	for (int n = rounds(2000); n; n--) {
		ASSERT_TRUE(info_of(getpid(), e.fd, &i));
		ASSERT_GE(2, i.loans + i.leases + i.queued);
	}
	stop = true;
	for (int t = 0; t < 2; t++) {
		pthread_join(thread[t], &failed);
		EXPECT_EQ(NULL, failed);
	}
	EXPECT_HELD(e.fd, 0, 0, 0);
	end_close(&e);
}

TEST_HARNESS_MAIN
