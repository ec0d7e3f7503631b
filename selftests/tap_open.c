// SPDX-License-Identifier: GPL-2.0-only
/* Taps are opened: each argument wrong in turn, who may, where names are looked up. */
#include <sys/resource.h>

#include "netlink_util.h"
#include "tap_fixture.h"

#define RECORD sizeof(struct ipcx_tap_record)

static int tap_wrong(struct ipcx_tap_open o)
{
	struct {
		struct ipcx_tap_open o;
		char more[4096];
	} arg = { .o = o };
	int fd = device_ioctl(IPCX_IOC_TAP_OPEN, &arg);

	if (fd >= 0)
		close(fd);
	return fd;
}

TEST_F(tap, arguments)
{
	const struct ipcx_tap_open good = {
		.size = sizeof(good),
		.name = (uintptr_t)NAME,
		.name_len = 3,
		.kind = QUEUE,
		.record_size = RECORD,
	};
	const unsigned int sizes[] = { RECORD - 8, RECORD + 4, 4096 + 8, RECORD + 8, 4096 };
	struct ipcx_tap_open o = good;

	EXPECT_LE(0, tap_wrong(good));
	o.size = sizeof(o) - 8;
	EXPECT_EQ(-EINVAL, tap_wrong(o));
	o.size = 5000;
	EXPECT_EQ(-E2BIG, tap_wrong(o));
	o = good;
	o.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, tap_wrong(o));
	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		o = good;
		o.record_size = sizes[i];
		EXPECT_EQ(i < 3 ? -EINVAL : 0, tap_wrong(o) < 0 ? tap_wrong(o) : 0);
	}
	o = good;
	o.snap = IPCX_TAP_SNAP_MAX;
	EXPECT_LE(0, tap_wrong(o));
	o.snap++;
	EXPECT_EQ(-EINVAL, tap_wrong(o));
	o = good;
	o.kind = IPCX_KIND_REGION;
	EXPECT_EQ(-EINVAL, tap_wrong(o));
	o.kind = 0;
	EXPECT_EQ(-EINVAL, tap_wrong(o));
	o.kind = IPCX_KIND_TOPIC;
	EXPECT_EQ(-EPROTOTYPE, tap_wrong(o));
	o = good;
	o.name_len = 0;
	EXPECT_EQ(-EINVAL, tap_wrong(o));
	o.name_len = 2;
	EXPECT_EQ(-ENOENT, tap_wrong(o));
	o = good;
	o.name = 8;
	EXPECT_EQ(-EFAULT, tap_wrong(o));
	EXPECT_EQ(-EFAULT, device_ioctl(IPCX_IOC_TAP_OPEN, (void *)8));
}

TEST_F(tap, no_descriptor)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	struct rlimit before, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, tap_of(dev, QUEUE, NAME, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	close(dev);
}

/* How many taps netlink tells of an object, or of none a negative errno. */
static int taps_of(const char *name)
{
	int fd = nl_open(), err = get_object(fd, nl_family(fd), name);

	close(fd);
	if (!err && !seen.has[0][IPCX_A_OBJECT_TAPS])
		err = -ENODATA;
	return err ? err : seen.v[0][IPCX_A_OBJECT_TAPS];
}

/* The reply cannot be written: nothing is left, see the teardown. */
TEST_F(tap, open_unwritable)
{
	struct ipcx_tap_open *o =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*o = (struct ipcx_tap_open){
		.size = sizeof(*o),
		.name = (uintptr_t)NAME,
		.name_len = 3,
		.kind = QUEUE,
		.record_size = RECORD,
	};
	ASSERT_EQ(0, mprotect(o, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, device_ioctl(IPCX_IOC_TAP_OPEN, o));
	EXPECT_EQ(1, taps_of(NAME));
	munmap(o, 4096);
}

/* Credentials are those of who opened the device, and a capability is one over the namespace. */
TEST_F(tap, permission)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		if (setgid(1000) || setuid(1000) || tap_open(QUEUE, NAME, 0) != -EPERM ||
		    tap_open(QUEUE, "no such", 0) != -EPERM || tap_of(dev, QUEUE, NAME, 0) < 0)
			_exit(1);
		/* root of a user namespace, but not over this network namespace */
		_exit(unshare(CLONE_NEWUSER) || tap_open(QUEUE, NAME, 0) != -EPERM ? 2 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	close(dev);
}

/* Root of a user namespace has not all of what lies in a network namespace of that. */
TEST_F(tap, permission_owner)
{
	int pipes[2][2];
	char c = 'x';
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes[0]) | pipe(pipes[1]));
	pid = fork();
	if (!pid) {
		struct side mine = {};

		if (setgid(1000) || setuid(1000) || unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(1);
		close(pipes[0][0]);
		if (write(pipes[0][1], &c, 1) != 1 || read(pipes[1][0], &c, 1) != 1)
			_exit(1);
		if (side_open(&mine, "mine", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
		    tap_open(QUEUE, NAME, 0) != -ENOENT || tap_open(QUEUE, "theirs", 0) != -EPERM)
			_exit(2);
		_exit(tap_open(QUEUE, "mine", 0) < 0 ? 3 : 0);
	}
	ASSERT_EQ(1, read(pipes[0][0], &c, 1));
	if (!fork()) {
		char path[64];
		struct side theirs = {};
		int ns;

		snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
		if (put_file(path, "0 1000 1\n"))
			_exit(1);
		snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
		if (put_file(path, "0 1000 1\n"))
			_exit(2);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		ns = open(path, O_RDONLY);
		if (setns(ns, CLONE_NEWNET) ||
		    side_open(&theirs, "theirs", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL))
			_exit(3);
		close(pipes[0][1]);
		/* until the other one is gone */
		_exit(write(pipes[1][1], &c, 1) != 1 || read(pipes[0][0], &c, 1));
	}
	close(pipes[0][1]);
	EXPECT_EQ(0, exit_status(pid));
	wait(NULL);
}

/* A name is looked up where the device was opened. */
TEST_F(tap, namespaces)
{
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWNET) || tap_open(QUEUE, NAME, 0) != -ENOENT);
	EXPECT_EQ(0, exit_status(pid));
}

/* Netlink tells how many there are: neither those that were closed, nor those that failed. */
TEST_F(tap, counted)
{
	struct member m = { .o.depth = 16 };
	int fd[2], null = open("/dev/null", O_RDWR);

	EXPECT_EQ(1, taps_of(NAME));
	fd[0] = tap_open(QUEUE, NAME, SNAP);
	ASSERT_LE(0, fd[0]);
	fd[1] = dup(fd[0]);
	EXPECT_EQ(2, taps_of(NAME));
	EXPECT_EQ(-EPROTOTYPE, tap_open(IPCX_KIND_TOPIC, NAME, SNAP));
	EXPECT_EQ(2, taps_of(NAME));
	close(fd[0]);
	EXPECT_EQ(2, taps_of(NAME));
	close(fd[1]);
	EXPECT_EQ(1, taps_of(NAME));
	close(self->fd);
	EXPECT_EQ(0, taps_of(NAME));
	self->fd = null;
	ASSERT_EQ(0, member_open(&m, "tap-topic", CREATE | PUBLISH | SUBSCRIBE | EPHEMERAL));
	EXPECT_EQ(0, taps_of("tap-topic"));
	fd[0] = tap_open(IPCX_KIND_TOPIC, "tap-topic", 0);
	ASSERT_LE(0, fd[0]);
	EXPECT_EQ(1, taps_of("tap-topic"));
	close(fd[0]);
	EXPECT_EQ(0, taps_of("tap-topic"));
	member_close(&m);
}

TEST_HARNESS_MAIN
