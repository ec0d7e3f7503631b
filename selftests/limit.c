// SPDX-License-Identifier: GPL-2.0-only
/* Limits: bytes of a queue, bytes, queues and topics of a user, descriptors and files. */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <linux/ipcx_region.h>

#include "pass_util.h"
#include "topic_util.h"

#include "../kselftest_harness.h"

#define PARAM "/sys/module/ipcx/parameters/"
#define MIB (1ULL << 20)

TEST(bytes_max_is_back_pressure)
{
	struct end e = { .o = { .depth = 16, .msg_max = MIB, .bytes_max = 2 * MIB } };
	struct pollfd p = { .events = POLLOUT };
	struct ipcx_desc d[3], x;
	struct counts c;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	p.fd = e.fd;
	ASSERT_EQ(1, raw_loan(e.fd, &d[0], MIB, 0));
	ASSERT_EQ(1, raw_loan(e.fd, &d[1], MIB - 4096, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(-EAGAIN, raw_loan(e.fd, &x, 4097, 0));
	EXPECT_EQ(-ETIMEDOUT, raw_loan(e.fd, &x, 4097, in_ms(10)));
	ASSERT_EQ(1, raw_loan(e.fd, &d[2], 4096, 0));
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(-EAGAIN, raw_loan(e.fd, &x, 1, 0));
	EXPECT_EQ(1, raw_cancel(e.fd, &d[0]));
	EXPECT_EQ(1, poll(&p, 1, 0));
	/* the pages of the free slot are found, whatever slot they are needed for */
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_loan(e.fd, &x, MIB / 4, 0));
	EXPECT_EQ(-EAGAIN, raw_loan(e.fd, &x, 1, 0));
	ASSERT_TRUE(counts_of(e.o.out_id, &c));
	EXPECT_GE(2 * MIB, c.bytes);
	end_close(&e);
}

/* A sleeper that needs much must not be the only one woken for little. */
TEST(sleeper_for_bytes_does_not_starve_others)
{
	struct end e = { .o = { .depth = 8, .msg_max = MIB, .bytes_max = MIB } };
	struct ipcx_desc d[2];
	pid_t big, small;

	ASSERT_EQ(0, end_open(&e, "bytes", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(e.fd, &d[0], MIB / 2, 0));
	ASSERT_EQ(1, raw_loan(e.fd, &d[1], MIB / 2, 0));
	big = fork();
	if (!big) {
		struct end o = {};
		struct ipcx_desc x;

		_exit(end_open(&o, "bytes", IPCX_OPEN_SEND) ||
		      raw_loan(o.fd, &x, MIB, in_ms(20000)) != 1);
	}
	usleep(30000);
	small = fork();
	if (!small) {
		struct end o = {};
		struct ipcx_desc x;

		_exit(end_open(&o, "bytes", IPCX_OPEN_SEND) ||
		      raw_loan(o.fd, &x, 1, in_ms(20000)) != 1);
	}
	usleep(30000);
	EXPECT_EQ(1, raw_cancel(e.fd, &d[0]));
	EXPECT_EQ(0, exit_status(small));
	EXPECT_EQ(1, raw_cancel(e.fd, &d[1]));
	EXPECT_EQ(0, exit_status(big));
	end_close(&e);
}

/* A child that waits for a slot of @len bytes; exits with 0 when it gets one. */
static pid_t waiting_sender(const char *name, size_t len)
{
	pid_t pid = fork();

	if (!pid) {
		struct end o = {};
		struct ipcx_desc x;

		_exit(end_open(&o, name, IPCX_OPEN_SEND) ||
		      raw_loan(o.fd, &x, len, in_ms(5000)) != 1 || usleep(100000));
	}
	usleep(50000);
	return pid;
}

TEST(one_release_may_satisfy_two_senders)
{
	struct end e = { .o = { .depth = 8, .msg_max = 12288, .bytes_max = 12288 } };
	struct ipcx_desc d;
	pid_t pid[2];

	ASSERT_EQ(0, end_open(&e, "two", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 12288, 0));
	for (int i = 0; i < 2; i++)
		pid[i] = waiting_sender("two", 1);
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, exit_status(pid[i]));
	end_close(&e);
}

TEST(wake_up_goes_to_the_one_who_can_use_it)
{
	struct end e = { .o = { .depth = 2, .msg_max = 4096, .bytes_max = 4096 } };
	struct ipcx_desc one, none;
	pid_t w1, w0;

	ASSERT_EQ(0, end_open(&e, "use", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(e.fd, &one, 1, 0));
	ASSERT_EQ(1, raw_loan(e.fd, &none, 0, 0));
	w1 = waiting_sender("use", 1);
	w0 = waiting_sender("use", 0);
	ASSERT_EQ(1, raw_cancel(e.fd, &none));
	EXPECT_EQ(0, exit_status(w0));
	ASSERT_EQ(1, raw_cancel(e.fd, &one));
	EXPECT_EQ(0, exit_status(w1));
	end_close(&e);
}

TEST(idle_sender_with_a_spare_leaves_room)
{
	struct end e = { .o = { .depth = 8, .msg_max = 16384, .bytes_max = 16384 } };
	struct ipcx_desc d[2], x;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_loan(e.fd, &d[i], 8192, 0));
	ASSERT_EQ(1, raw_cancel(e.fd, &d[0]));
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_COMMIT, &d[1], IPCX_COMMIT_LOAN));
	ASSERT_EQ(1, raw_take(e.fd, &x, 0));
	ASSERT_EQ(1, raw_release(e.fd, &x));
	EXPECT_EQ(1, raw_loan(e.fd, &x, 16384, 0));
	end_close(&e);
}

/* A loan that is refused frees nothing, so it must not look as if it had. */
TEST(refused_loan_makes_no_event)
{
	struct end e = { .o = { .depth = 8, .msg_max = 16384, .bytes_max = 16384 } };
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0);
	struct ipcx_desc d, x;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 12288, 0));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, e.fd, &ev));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(-EAGAIN, raw_loan(e.fd, &x, 8192, 0));
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	}
	EXPECT_EQ(1, raw_cancel(e.fd, &d));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	close(ep);
	end_close(&e);
}

static int user_info(struct ipcx_info *i)
{
	int dev = open("/dev/ipcx", O_RDWR), ret;

	*i = (struct ipcx_info){ .size = sizeof(*i) };
	ret = xioctl(dev, IPCX_IOC_INFO, i);
	close(dev);
	return ret;
}

/* Each returns what failed, as an exit status. */
static int fill_as_user(void)
{
	struct end e = { .o = { .depth = 64, .msg_max = 16 * MIB } };
	struct end refused = { .o = { .depth = 65536 } };
	struct end anchor = { .o = { .depth = 1 } }; /* keeps the account */
	struct ipcx_info i, before;
	struct ipcx_desc d;
	int n = 0, ret;

	if (setuid(1000) || end_open(&anchor, NULL, CREATE | SENDRECV) || user_info(&before) ||
	    end_open(&e, NULL, CREATE | SENDRECV))
		return 1;
	while ((ret = raw_loan(e.fd, &d, MIB, 0)) == 1)
		n++;
	if (ret != -EDQUOT || n != 7) /* the table of slots is counted too */
		return 2;
	if (user_info(&i) || i.out_user_bytes > 8 * MIB || i.out_user_bytes < 7 * MIB)
		return 3;
	if (raw_cancel(e.fd, &d) == 1 && raw_loan(e.fd, &d, MIB, 0) != 1)
		return 4;
	/* its table of slots alone is too much: not a queue more */
	if (end_open(&refused, NULL, CREATE | SENDRECV) != -EDQUOT || user_info(&i) ||
	    i.out_user_queues != 2)
		return 5;
	end_close(&e);
	return user_info(&i) || memcmp(&i, &before, sizeof(i)) ? 6 : 0;
}

TEST(bytes_of_a_user)
{
	struct end e = {};
	char old[32];
	pid_t pid;

	ASSERT_TRUE(get_file(PARAM "user_bytes_max", old, sizeof(old)));
	ASSERT_EQ(0, put_file(PARAM "user_bytes_max", "8388608"));
	pid = fork();
	if (!pid)
		_exit(fill_as_user());
	EXPECT_EQ(0, exit_status(pid));
	/* root is not bound by it */
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	EXPECT_EQ(1, raw_send(&e, 10 * MIB, 'r'));
	end_close(&e);
	put_file(PARAM "user_bytes_max", old);
}

/* Slots of MiB that a queue has once long messages would have got one more, beside @other MiB. */
static int slots_beside(int other)
{
	struct end o = { .o = { .depth = 8, .msg_max = MIB } };
	struct end e = { .o = { .depth = 8, .msg_max = MIB } };
	struct ipcx_desc d;
	struct passer p;
	int n;

	if (end_open(&o, NULL, CREATE | SENDRECV) || end_open(&e, NULL, CREATE | SENDRECV))
		return -1;
	for (n = 0; n < other; n++)
		if (raw_loan(o.fd, &d, MIB, 0) != 1)
			return -1;
	p = passer_of(e.fd, MIB, 1);
	n = pass_on(&p, 3 * PASS_MISSED) < 0 ? -1 : passers_slots(&p);
	end_close(&e);
	end_close(&o);
	return n;
}

/* Of 8 MiB a quarter stays free of what is only got ready, and of the rest tables need some. */
static int spare_of(uid_t uid)
{
	pid_t pid = fork();

	if (!pid) {
		if (uid && setuid(uid))
			_exit(1);
		_exit(slots_beside(2) == 3 && slots_beside(3) == 2 ? 0 : 2);
	}
	return exit_status(pid);
}

/* Also of a user whom no limit binds. */
TEST(spare_of_a_user)
{
	char old[32];

	ASSERT_TRUE(get_file(PARAM "user_bytes_max", old, sizeof(old)));
	ASSERT_EQ(0, put_file(PARAM "user_bytes_max", "8388608"));
	EXPECT_EQ(0, spare_of(1000));
	EXPECT_EQ(0, spare_of(0));
	put_file(PARAM "user_bytes_max", old);
}

/* With a page more each time, until there are enough: what was refused is not charged. */
static int topics_as_user(int limit)
{
	struct end anchor = { .o = { .depth = 1 } };
	struct ipcx_info i, before;
	int ret = -EDQUOT, refused = 0;

	if (setuid(1000) || end_open(&anchor, NULL, CREATE | SENDRECV) || user_info(&before))
		return 1;
	for (uint64_t max = before.out_user_bytes; ret == -EDQUOT; max += PAGE, refused++) {
		struct member m = { .o.depth = 8 };
		char text[24];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)max);
		if (pwrite(limit, text, strlen(text), 0) < 0)
			return 2;
		ret = member_open(&m, "topic", CREATE | PUBLISH | SUBSCRIBE | EPHEMERAL);
		if (!ret)
			member_close(&m);
		if (user_info(&i) || i.out_user_bytes != before.out_user_bytes ||
		    i.out_user_queues != before.out_user_queues)
			return 3;
	}
	/* of the topic, of the subscriber, of the ring */
	return ret ? 4 : refused < 3 ? 5 : 0;
}

TEST(topics_of_a_user)
{
	int limit = open(PARAM "user_bytes_max", O_WRONLY);
	char old[32];
	pid_t pid;

	ASSERT_TRUE(get_file(PARAM "user_bytes_max", old, sizeof(old)));
	pid = fork();
	if (!pid)
		_exit(topics_as_user(limit));
	EXPECT_EQ(0, exit_status(pid));
	put_file(PARAM "user_bytes_max", old);
	close(limit);
}

TEST(queues_of_a_user)
{
	char old[32];
	pid_t pid;

	ASSERT_TRUE(get_file(PARAM "user_queues_max", old, sizeof(old)));
	ASSERT_EQ(0, put_file(PARAM "user_queues_max", "5"));
	pid = fork();
	if (!pid) {
		struct end e[6] = {};

		if (setuid(1000))
			_exit(1);
		for (int i = 0; i < 5; i++)
			if (end_open(&e[i], NULL, CREATE | SENDRECV))
				_exit(2);
		if (end_open(&e[5], NULL, CREATE | SENDRECV) != -EDQUOT)
			_exit(3);
		end_close(&e[0]);
		_exit(end_open(&e[5], NULL, CREATE | SENDRECV) ? 4 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	put_file(PARAM "user_queues_max", old);
}

/* The creator's cgroup pays, whoever makes the loan; its limit is an errno, not a kill. */
TEST(memory_cgroup)
{
	struct end e = { .o = { .depth = 64, .msg_max = 4 * MIB } };
	const char *dir = "/sys/fs/cgroup/ipcx-limit";
	char path[128], pid_text[16];
	struct end anchor = { .o = { .depth = 1 } }; /* keeps the user's account */
	struct ipcx_info before, after;
	struct ipcx_desc d;
	pid_t pid, victim;
	int n = 0, ret;

	ASSERT_EQ(0, end_open(&anchor, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, user_info(&before));
	ASSERT_EQ(0, mkdir(dir, 0755));
	snprintf(path, sizeof(path), "%s/memory.max", dir);
	ASSERT_EQ(0, put_file(path, "33554432"));
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	pid = fork();
	if (!pid) {
		snprintf(pid_text, sizeof(pid_text), "%d", getpid());
		_exit(put_file(path, pid_text) || end_open(&e, "cgroup", CREATE | SENDRECV));
	}
	ASSERT_EQ(0, exit_status(pid));
	/* the OOM killer, if it came, would find somebody */
	victim = fork();
	if (!victim) {
		pause();
		_exit(1);
	}
	snprintf(pid_text, sizeof(pid_text), "%d", victim);
	ASSERT_EQ(0, put_file(path, pid_text));
	ASSERT_EQ(0, end_open(&e, "cgroup", SENDRECV));
	while ((ret = raw_loan(e.fd, &d, 4 * MIB, 0)) == 1)
		n++;
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_LE(4, n);
	EXPECT_GE(8, n);
	EXPECT_EQ(0, waitpid(victim, NULL, WNOHANG));
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	EXPECT_EQ(0, raw_unlink("cgroup"));
	end_close(&e);
	EXPECT_EQ(0, rmdir(dir));
	ASSERT_EQ(0, user_info(&after));
	EXPECT_EQ(before.out_user_bytes, after.out_user_bytes);
	end_close(&anchor);
}

/* Lets this process have no more descriptors, or as many as before. */
static void stop_descriptors(bool stop)
{
	static struct rlimit old;
	struct rlimit none;
	int next = dup(0);

	close(next);
	if (stop) {
		getrlimit(RLIMIT_NOFILE, &old);
		none = old;
		none.rlim_cur = next;
	}
	setrlimit(RLIMIT_NOFILE, stop ? &none : &old);
}

/* Opens "full" where there may be no more files. Return: what it said; -1 if something is left. */
static int open_when_full(int dev)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = CREATE | SENDRECV,
		.name = (uintptr_t) "full",
		.name_len = 4,
		.mode = 0600,
	};
	struct ipcx_topic_open t = {
		.size = sizeof(t),
		.flags = CREATE | PUBLISH,
		.name = (uintptr_t) "full",
		.name_len = 4,
		.mode = 0600,
	};
	struct ipcx_region_open r = {
		.size = sizeof(r),
		.flags = CREATE | IPCX_REGION_READ | IPCX_REGION_WRITE,
		.name = o.name,
		.name_len = 4,
		.mode = 0600,
		.bytes = 4096,
	};
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.name = o.name,
		.name_len = 4,
		.kind = IPCX_KIND_QUEUE,
	};
	struct ipcx_info before = { .size = sizeof(before) }, after = before;
	int ret;

	ioctl(dev, IPCX_IOC_INFO, &before);
	ret = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &o);
	if (xioctl(dev, IPCX_IOC_TOPIC_OPEN, &t) != ret ||
	    xioctl(dev, IPCX_IOC_REGION_OPEN, &r) != ret)
		return -1;
	ioctl(dev, IPCX_IOC_INFO, &after);
	if (before.out_user_queues != after.out_user_queues ||
	    before.out_user_bytes != after.out_user_bytes ||
	    xioctl(dev, IPCX_IOC_UNLINK, &u) != -ENOENT)
		return -1;
	return ret;
}

TEST(descriptors_of_a_process)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC), next = dup(dev);
	struct end e = {};

	close(next);
	for (int i = 0; i < 100; i++) {
		stop_descriptors(true);
		ASSERT_EQ(-EMFILE, open_when_full(dev));
		stop_descriptors(false);
	}
	close(dev);
	ASSERT_EQ(0, end_open(&e, "full", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_EQ(next, e.fd) TH_LOG("a descriptor is lost");
	end_close(&e);
}

/* The last files are for CAP_SYS_ADMIN. */
TEST(files_of_the_system)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	long refs = module_refs();
	char max[32];
	pid_t pid;

	ASSERT_TRUE(get_file("/proc/sys/fs/file-max", max, sizeof(max)));
	ASSERT_EQ(0, put_file("/proc/sys/fs/file-max", "0"));
	pid = fork();
	if (!pid) {
		if (setuid(1000))
			_exit(1);
		for (int i = 0; i < 100; i++)
			if (open_when_full(dev) != -ENFILE)
				_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, put_file("/proc/sys/fs/file-max", max));
	EXPECT_EQ(refs, module_refs());
	close(dev);
}

TEST_HARNESS_MAIN
