// SPDX-License-Identifier: GPL-2.0-only
/* Names, owners, modes, namespaces, lifetime, unloading. */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

static int try_as(uid_t uid, gid_t gid, const char *name, unsigned int flags)
{
	pid_t pid = fork();

	if (!pid) {
		struct end e = {};

		if (setgid(gid) || setuid(uid))
			_exit(99);
		_exit(-end_open(&e, name, flags));
	}
	return -exit_status(pid);
}

static int unlink_as(uid_t uid, const char *name)
{
	pid_t pid = fork();

	if (!pid)
		_exit(setuid(uid) ? 99 : -raw_unlink(name));
	return -exit_status(pid);
}

/* Every cell: who x what is wanted x mode. */
TEST(mode_matrix)
{
	const struct {
		uid_t uid;
		gid_t gid;
		int shift;
	} who[] = {
		{ 1000, 5000, 6 },
		{ 2000, 1000, 3 },
		{ 2000, 5000, 0 },
	};
	const unsigned int want[] = { IPCX_OPEN_RECV, IPCX_OPEN_SEND, SENDRECV };
	const int bits[] = { 4, 2, 6 };

	for (int mode = 0; mode < 0777; mode += 0111 * 2) {
		pid_t pid = fork();

		if (!pid) {
			struct end e = { .o.mode = mode, .o.depth = 1 };

			_exit(setgid(1000) || setuid(1000) ||
			      end_open(&e, "matrix", CREATE | SENDRECV));
		}
		ASSERT_EQ(0, exit_status(pid));
		for (int w = 0; w < 3; w++) {
			for (int i = 0; i < 3; i++) {
				int ok = (mode >> who[w].shift & bits[i]) == bits[i];
				int r = try_as(who[w].uid, who[w].gid, "matrix", want[i]);

				/* 0 asks for the default, which end_open makes 0600 */
				if (!mode && who[w].shift == 6)
					ok = 1;
				EXPECT_EQ(ok ? 0 : -EACCES, r) TH_LOG("%o %d %d", mode, w, i);
			}
		}
		EXPECT_EQ(0, try_as(0, 0, "matrix", SENDRECV)); /* CAP_IPC_OWNER */
		EXPECT_EQ(-EACCES, unlink_as(2000, "matrix"));
		EXPECT_EQ(0, unlink_as(1000, "matrix"));
	}
}

TEST(lives_without_users)
{
	struct end e = {};
	struct ipcx_desc d;
	uint64_t id;

	ASSERT_EQ(0, end_open(&e, "stays", CREATE | SENDRECV));
	id = e.o.out_id;
	ASSERT_EQ(1, raw_send(&e, 5000, 's'));
	end_close(&e);
	ASSERT_EQ(0, end_open(&e, "stays", IPCX_OPEN_RECV));
	EXPECT_EQ(id, e.o.out_id);
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ('s', rx_at(&e, &d)[4999]);
	EXPECT_EQ(0, raw_unlink("stays"));
	EXPECT_EQ(-ENOENT, raw_unlink("stays"));
	EXPECT_EQ('s', rx_at(&e, &d)[0]);
	EXPECT_EQ(1, raw_release(e.fd, &d));
	end_close(&e);
	ASSERT_EQ(0, end_open(&e, "stays", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_NE(id, e.o.out_id);
	end_close(&e);
	EXPECT_EQ(-ENOENT, raw_unlink("stays"));
}

TEST(attributes_are_the_creators)
{
	struct end a = { .o = { .depth = 3, .msg_max = 100, .bytes_max = 8192, .mode = 0640 } };
	struct end b = { .o = { .depth = 9, .msg_max = 999 } };

	ASSERT_EQ(0, end_open(&a, "attr", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&b, "attr", CREATE | SENDRECV));
	EXPECT_EQ(3, b.o.out_depth);
	EXPECT_EQ(100, b.o.out_msg_max);
	EXPECT_EQ(8192, b.o.out_bytes_max);
	EXPECT_EQ(0640, b.o.out_mode);
	EXPECT_EQ(4096, b.o.out_stride);
	EXPECT_EQ(0, b.o.out_uid);
	end_close(&a);
	end_close(&b);
}

/* Queues of this user, over all namespaces. */
static int user_queues(void)
{
	struct ipcx_info i = { .size = sizeof(i) };
	int dev = open("/dev/ipcx", O_RDWR), ret = xioctl(dev, IPCX_IOC_INFO, &i);

	close(dev);
	return ret ?: i.out_user_queues;
}

TEST(network_namespaces)
{
	struct end e = {}, other = {}, dead = {};
	int old, queues = user_queues();

	ASSERT_EQ(0, end_open(&e, "ns", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	old = open("/proc/self/ns/net", O_RDONLY);
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, unshare(CLONE_NEWNET));
		EXPECT_EQ(-ENOENT, end_open(&other, "ns", SENDRECV));
		/* its dead letters go to a queue that keeps no name of its own */
		ASSERT_EQ(0, end_open(&dead, "ns-dead", CREATE | SENDRECV));
		other.o.dead_letter = (uintptr_t) "ns-dead";
		other.o.dead_letter_len = strlen("ns-dead");
		ASSERT_EQ(0, end_open(&other, "ns", CREATE | SENDRECV));
		EXPECT_EQ(0, raw_unlink("ns-dead"));
		end_close(&dead);
		EXPECT_NE(e.o.out_id, other.o.out_id);
		ASSERT_EQ(1, raw_send(&other, 10, 'n'));
		if (i & 1) /* else the namespace goes with the name still in it */
			EXPECT_EQ(0, raw_unlink("ns"));
		end_close(&other);
	}
	ASSERT_EQ(0, setns(old, CLONE_NEWNET));
	ASSERT_EQ(0, end_open(&other, "ns", SENDRECV));
	EXPECT_EQ(e.o.out_id, other.o.out_id);
	end_close(&other);
	end_close(&e);
	close(old);
	/* the namespaces go a little later, and with them the names left in them */
	for (int i = 0; i < 200 && user_queues() != queues; i++)
		usleep(50000);
	EXPECT_EQ(queues, user_queues());
}

/* The namespace of the device's opener counts, not the caller's. */
TEST(namespace_of_the_open_device)
{
	static const char name[] = "dev";
	struct ipcx_queue_open o = { .size = sizeof(o),
				     .flags = CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL,
				     .name = (uintptr_t)name,
				     .name_len = 3,
				     .mode = 0600 };
	int dev = open("/dev/ipcx", O_RDWR), a, b, old = open("/proc/self/ns/net", O_RDONLY);
	uint64_t id;

	a = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &o);
	ASSERT_LE(0, a);
	id = o.out_id;
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	b = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &o);
	ASSERT_LE(0, b);
	EXPECT_EQ(id, o.out_id);
	ASSERT_EQ(0, setns(old, CLONE_NEWNET));
	close(a);
	close(b);
	close(dev);
	close(old);
}

TEST(credentials_at_open)
{
	int dev = open("/dev/ipcx", O_RDWR);
	pid_t pid = fork();

	if (!pid) {
		struct ipcx_queue_open o = { .size = sizeof(o),
					     .flags = CREATE | SENDRECV,
					     .mode = 0600 };

		/* what root opened acts as root */
		_exit(setuid(1000) || xioctl(dev, IPCX_IOC_QUEUE_OPEN, &o) < 0 || o.out_uid != 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	close(dev);
}

/* Opens an existing queue by a device, and says in a message who sent it. */
static int send_by(int dev, const char *name)
{
	struct end e = { .o = { .size = sizeof(e.o),
				.flags = SENDRECV,
				.name = (uintptr_t)name,
				.name_len = strlen(name) } };

	e.fd = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &e.o);
	if (e.fd < 0)
		return e.fd;
	return write(e.fd, "x", 1) == 1 ? 0 : -EIO;
}

/* Whoever opened the device opens, and is named as the sender. */
TEST(credentials_of_the_opener)
{
	struct end e = { .o.mode = 0600 };
	struct ipcx_desc d;
	pid_t pid;
	int dev;

	ASSERT_EQ(0, end_open(&e, "opener", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	dev = open("/dev/ipcx", O_RDWR);
	pid = fork();
	if (!pid)
		_exit(setgid(1000) || setuid(1000) || send_by(dev, "opener"));
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ(0, d.uid);
	EXPECT_EQ(0, d.gid);
	close(dev);
	/* the other way round: root, by what a user opened */
	ASSERT_EQ(0, seteuid(1000));
	dev = open("/dev/ipcx", O_RDWR);
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(-EACCES, send_by(dev, "opener"));
	close(dev);
	end_close(&e);
}

/* Who is not in the receiver's PID namespace has no number there. */
TEST(sender_outside_of_the_pid_namespace)
{
	struct end e = {};
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, "pid", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 1, 'p'));
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(1);
		pid = fork();
		if (!pid) {
			struct ipcx_desc d;

			_exit(raw_take(e.fd, &d, 0) != 1 || d.pid);
		}
		_exit(exit_status(pid));
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
}

/* Before the beginning of the machine's own clock is long past, not for ever. */
TEST(deadline_in_a_time_namespace)
{
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWTIME) ||
		    put_file("/proc/self/timens_offsets", "monotonic 1000000 0"))
			_exit(1);
		pid = fork();
		if (!pid) {
			struct end e = {};
			struct ipcx_desc d;
			int64_t t = now_ns();

			alarm(20);
			if (end_open(&e, NULL, CREATE | SENDRECV))
				_exit(2);
			if (raw_take(e.fd, &d, 1) != -ETIMEDOUT)
				_exit(3);
			if (raw_take(e.fd, &d, in_ms(50)) != -ETIMEDOUT)
				_exit(4);
			_exit(now_ns() - t < 50000000 || now_ns() < 1000000000000000LL ? 5 : 0);
		}
		_exit(exit_status(pid));
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST(strange_names_are_escaped_in_the_list)
{
	struct end e = {}, dash = {};
	char buf[4096];

	ASSERT_EQ(0, end_open(&e, "a b\n\x1b[1m\\\xff", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&dash, "-", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_TRUE(get_file("/proc/net/ipcx", buf, sizeof(buf)));
	EXPECT_NE(NULL, strstr(buf, " a\\040b\\012\\033[1m\\134\\377\n"));
	EXPECT_NE(NULL, strstr(buf, " \\055\n"));
	end_close(&e);
	end_close(&dash);
}

TEST(list_shows_only_what_may_be_opened)
{
	struct end e = {};
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, "hidden", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = fork();
	if (!pid) {
		char buf[4096];

		_exit(setuid(1000) || !get_file("/proc/net/ipcx", buf, sizeof(buf)) ||
		      strstr(buf, "hidden"));
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
}

static int rmmod(void)
{
	return system("rmmod ipcx 2>/dev/null");
}

TEST(module_stays_while_an_object_exists)
{
	struct ipcx_desc d;
	struct end e = {};

	/* a name alone */
	ASSERT_EQ(0, end_open(&e, "pin", CREATE | SENDRECV));
	end_close(&e);
	EXPECT_NE(0, rmmod());
	/* a descriptor alone */
	ASSERT_EQ(0, end_open(&e, "pin", SENDRECV));
	ASSERT_EQ(0, raw_unlink("pin"));
	EXPECT_NE(0, rmmod());
	/* a mapping alone */
	ASSERT_EQ(1, raw_loan(e.fd, &d, 1, 0));
	e.tx[0] = 1;
	close(e.fd);
	EXPECT_NE(0, rmmod());
	munmap(e.tx, e.o.out_window);
	munmap(e.rx, e.o.out_window);
}

TEST_HARNESS_MAIN
