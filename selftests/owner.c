// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what, cell by cell: owner, group, others and the capable x
 * receive, send, both, unlink x every mode. And who is who in other namespaces.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define OWNER 1000
#define GROUP 1001
#define OTHER 2000
#define OVERFLOW_ID 65534

/* Mode bits by class, as in the mode's octal digits. */
enum class { OTHERS, GROUPS, OWNERS, CAPABLE };

static const struct who {
	const char *name;
	enum class class;
	uid_t uid;
	gid_t gid;
	gid_t extra; /* a further group */
	uint64_t caps; /* those that are kept */
	bool may_unlink;
} people[] = {
	{ "owner", OWNERS, OWNER, GROUP, 0, 0, true },
	{ "owner in another group", OWNERS, OWNER, OTHER, 0, 0, true },
	{ "group", GROUPS, OTHER, GROUP, 0, 0, false },
	{ "further group", GROUPS, OTHER, OTHER, GROUP, 0, false },
	{ "group with the owner's number", OTHERS, OTHER, OWNER, 0, 0, false },
	{ "other", OTHERS, OTHER, OTHER, 0, 0, false },
	{ "root without capabilities", OTHERS, 0, 0, 0, 0, false },
	{ "all other capabilities", OTHERS, OTHER, OTHER, 0, ~(1ULL << CAP_IPC_OWNER), false },
	{ "CAP_IPC_OWNER", CAPABLE, OTHER, OTHER, 0, 1ULL << CAP_IPC_OWNER, true },
	{ "root", CAPABLE, 0, 0, 0, ~0ULL, true },
};

/* Keeps only @caps of what there is. */
static int keep_caps(uint64_t caps)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= caps >> 32 * i;
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

static int become(const struct who *w)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(w->extra ? 1 : 0, &w->extra) ||
	    setresgid(w->gid, w->gid, w->gid) || setresuid(w->uid, w->uid, w->uid))
		return -errno;
	return keep_caps(w->caps);
}

/* Unlike end_open(), 0 is a mode. Return: descriptor or negative errno. */
static int open_mode(const char *name, unsigned int flags, unsigned int mode)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = flags,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.mode = mode,
		.depth = 1,
	};

	return open_raw(&o);
}

static const char *name_of(unsigned int mode)
{
	static char name[16];

	snprintf(name, sizeof(name), "owner-%03o", mode);
	return name;
}

/* In a child that is @w: what @fn says, 0 when all is as it should be. */
static int as(const struct who *w, int (*fn)(const struct who *w))
{
	pid_t pid = fork();

	if (!pid)
		_exit(become(w) ? 99 : fn(w));
	return exit_status(pid);
}

/* All modes, or on a slow kernel some that have each bit in all company. */
static unsigned int step(void)
{
	return scale() > 1 ? 7 : 1;
}

static int create_all(const struct who *w)
{
	for (unsigned int mode = 0; mode <= 0777; mode += step()) {
		int fd = open_mode(name_of(mode), CREATE | IPCX_OPEN_EXCL | SENDRECV, mode);

		if (fd < 0)
			return 1;
		close(fd);
	}
	return 0;
}

static bool allowed(const struct who *w, unsigned int mode, unsigned int want)
{
	unsigned int bits = (want & IPCX_OPEN_RECV ? 4 : 0) | (want & IPCX_OPEN_SEND ? 2 : 0);

	return w->class == CAPABLE || (mode >> 3 * w->class & bits) == bits;
}

static int open_all(const struct who *w)
{
	const unsigned int want[] = { IPCX_OPEN_RECV, IPCX_OPEN_SEND, SENDRECV };
	int wrong = 0;

	for (unsigned int mode = 0; mode <= 0777; mode += step()) {
		for (int i = 0; i < 3; i++) {
			int must = allowed(w, mode, want[i]) ? 0 : -EACCES;
			int fd = open_mode(name_of(mode), want[i], 0);

			if (fd >= 0)
				close(fd);
			if (must ? fd == must : fd >= 0)
				continue;
			fprintf(stderr, "# mode %03o, wants %x: %d\n", mode, want[i], fd);
			wrong = 1;
		}
	}
	return wrong;
}

static int unlink_all(const struct who *w)
{
	for (unsigned int mode = 0; mode <= 0777; mode += step())
		if (raw_unlink(name_of(mode)))
			return 1;
	return 0;
}

/* The mode does not count for unlink. */
static int unlink_both(const struct who *w)
{
	static const char *const names[] = { "owner-open", "owner-shut" };
	int must = w->may_unlink ? 0 : -EACCES;

	for (int i = 0; i < 2; i++)
		if (raw_unlink(names[i]) != must)
			return 1 + i;
	return 0;
}

static int create_both(const struct who *w)
{
	close(open_mode("owner-open", CREATE | SENDRECV, 0777));
	close(open_mode("owner-shut", CREATE | SENDRECV, 0));
	return 0;
}

/* 512 modes x 10 people x 3 rights. */
TEST(open_matrix)
{
	ASSERT_EQ(0, as(&people[0], create_all));
	for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
		EXPECT_EQ(0, as(&people[i], open_all)) TH_LOG("%s", people[i].name);
	}
	EXPECT_EQ(0, as(&people[0], unlink_all));
}

TEST(unlink_matrix)
{
	for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
		ASSERT_EQ(0, as(&people[0], create_both));
		EXPECT_EQ(0, as(&people[i], unlink_both)) TH_LOG("%s", people[i].name);
		EXPECT_EQ(people[i].may_unlink ? -ENOENT : 0, raw_unlink("owner-open"));
		EXPECT_EQ(people[i].may_unlink ? -ENOENT : 0, raw_unlink("owner-shut"));
	}
}

/* Creating by a name that exists is opening it. */
TEST(create_does_not_pass_by_the_mode)
{
	struct who other = people[5];
	pid_t pid;

	ASSERT_EQ(0, as(&people[0], create_both));
	pid = fork();
	if (!pid) {
		if (become(&other))
			_exit(99);
		if (open_mode("owner-shut", CREATE | SENDRECV, 0777) != -EACCES)
			_exit(1);
		_exit(open_mode("owner-shut", CREATE | IPCX_OPEN_EXCL | SENDRECV, 0777) != -EEXIST);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, as(&people[0], unlink_both));
}

/* An endpoint keeps the rights that it was opened with, whoever uses it. */
TEST(rights_are_of_the_endpoint)
{
	struct end in = { .o.mode = 0600 }, out = {};
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(0, end_open(&in, "rights", CREATE | IPCX_OPEN_RECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&out, "rights", IPCX_OPEN_SEND));
	EXPECT_EQ(-EPERM, raw_loan(in.fd, &d, 1, 0));
	EXPECT_EQ(-EPERM, raw_take(out.fd, &d, 0));
	EXPECT_EQ(-1, write(in.fd, "x", 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, read(out.fd, &d, 1));
	EXPECT_EQ(EPERM, errno);
	pid = fork();
	if (!pid)
		_exit(become(&people[5]) || write(out.fd, "x", 1) != 1 ||
		      raw_take(in.fd, &d, 0) != 1 || d.uid || d.gid);
	EXPECT_EQ(0, exit_status(pid));
	end_close(&in);
	end_close(&out);
}

/* The same name in two network namespaces: two queues in everything. */
TEST(two_network_namespaces)
{
	struct end a = {}, b = {};
	char list[4096];
	struct ipcx_desc d;
	int old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	ASSERT_EQ(0, end_open(&a, "same", CREATE | SENDRECV));
	ASSERT_EQ(1, raw_send(&a, 1, 'a'));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	EXPECT_EQ(-ENOENT, raw_unlink("same"));
	ASSERT_TRUE(get_file("/proc/net/ipcx", list, sizeof(list)));
	EXPECT_EQ(NULL, strstr(list, " same\n"));
	b.o.mode = 0640;
	ASSERT_EQ(0, end_open(&b, "same", CREATE | IPCX_OPEN_EXCL | SENDRECV));
	EXPECT_NE(a.o.out_id, b.o.out_id);
	EXPECT_EQ(-EAGAIN, raw_take(b.fd, &d, 0));
	ASSERT_EQ(1, raw_send(&b, 1, 'b'));
	/* an endpoint stays with its queue, wherever it is used */
	ASSERT_EQ(1, raw_take(a.fd, &d, 0));
	EXPECT_EQ('a', rx_at(&a, &d)[0]);
	ASSERT_EQ(1, raw_release(a.fd, &d));
	EXPECT_EQ(0, raw_unlink("same"));
	ASSERT_EQ(0, setns(old, CLONE_NEWNET));
	ASSERT_TRUE(get_file("/proc/net/ipcx", list, sizeof(list)));
	EXPECT_NE(NULL, strstr(list, " same\n"));
	EXPECT_EQ(-EAGAIN, raw_take(a.fd, &d, 0));
	ASSERT_EQ(1, raw_take(b.fd, &d, 0));
	EXPECT_EQ('b', rx_at(&b, &d)[0]);
	EXPECT_EQ(0, raw_unlink("same"));
	end_close(&a);
	end_close(&b);
	close(old);
}

/*
 * A child in a user namespace of its own, in which 0 is OWNER and 1 is OTHER,
 * and 0 is GROUP; it is 0 there. Return: what @fn says in it.
 */
static int in_user_namespace(int (*fn)(void))
{
	char path[64], c = 0;
	int unshared[2], mapped[2];
	pid_t pid;

	if (pipe(unshared) || pipe(mapped))
		return -1;
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || write(unshared[1], "u", 1) != 1 ||
		    read(mapped[0], &c, 1) != 1 || setgroups(0, NULL) || setresgid(0, 0, 0) ||
		    setresuid(0, 0, 0))
			_exit(98);
		_exit(fn());
	}
	if (read(unshared[0], &c, 1) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
		c = put_file(path, "0 1000 1\n1 2000 1\n") ? 0 : 'm';
		snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
		c = put_file(path, "0 1001 1\n") ? 0 : c;
		if (c != 'm' || write(mapped[1], &c, 1) != 1)
			kill(pid, SIGKILL);
	}
	for (int i = 0; i < 2; i++) {
		close(unshared[i]);
		close(mapped[i]);
	}
	return exit_status(pid);
}

/* Owner in the list of queues, as the reader sees it; -1 if it is not there. */
static long listed_owner(uint64_t id)
{
	FILE *f = fopen("/proc/net/ipcx", "r");
	unsigned long long i;
	long uid, found = -1;
	char line[2048];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llu %*s %*s %ld", &i, &uid) == 2 && i == id)
			found = uid;
	if (f)
		fclose(f);
	return found;
}

static int ids_inside(void)
{
	struct end e = {};
	struct ipcx_desc d;

	if (end_open(&e, "ids", SENDRECV))
		return 1;
	if (e.o.out_uid != OVERFLOW_ID || e.o.out_gid != OVERFLOW_ID)
		return 2; /* root's queue, and root is nobody here */
	if (listed_owner(e.o.out_id) != OVERFLOW_ID)
		return 3;
	if (raw_take(e.fd, &d, 0) != 1 || d.uid != OVERFLOW_ID || d.gid != OVERFLOW_ID)
		return 4;
	if (raw_take(e.fd, &d, 0) != 1 || d.uid != 0 || d.gid != 0)
		return 5; /* OWNER and GROUP */
	if (raw_take(e.fd, &d, 0) != 1 || d.uid != 1 || d.gid != OVERFLOW_ID)
		return 6; /* OTHER in a group that is not mapped */
	return raw_send(&e, 1, 'i') == 1 ? 0 : 7;
}

static int send_one(const struct who *w)
{
	struct end e = {};

	return end_open(&e, "ids", IPCX_OPEN_SEND) || raw_send(&e, 1, 's') != 1;
}

TEST(ids_in_a_user_namespace)
{
	struct end e = { .o.mode = 0666 };
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&e, "ids", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 1, 'r'));
	ASSERT_EQ(0, as(&people[0], send_one));
	ASSERT_EQ(0, as(&people[5], send_one));
	EXPECT_EQ(0, in_user_namespace(ids_inside));
	/* what it took came back when it died; what it sent is the last */
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ(OWNER, d.uid);
	EXPECT_EQ(GROUP, d.gid);
	end_close(&e);
}

/* Capabilities of a user namespace count for the network namespaces that it owns. */
static int capable_inside(void)
{
	pid_t pid;
	int fd;

	if (open_mode("foreign", IPCX_OPEN_RECV, 0) != -EACCES || raw_unlink("foreign") != -EACCES)
		return 1;
	if (unshare(CLONE_NEWNET))
		return 2;
	pid = fork();
	if (!pid)
		_exit(setresuid(1, 1, 1) || open_mode("foreign", CREATE | SENDRECV, 0) < 0);
	if (exit_status(pid))
		return 3;
	fd = open_mode("foreign", SENDRECV, 0);
	return fd < 0 || raw_unlink("foreign") ? 4 : 0;
}

TEST(capable_in_a_user_namespace)
{
	struct end e = { .o.mode = 0600 };

	ASSERT_EQ(0, end_open(&e, "foreign", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_EQ(0, in_user_namespace(capable_inside));
	end_close(&e);
}

/* Sender and receiver in PID namespaces of their own: outer, inner, gone. */
TEST(pids_in_a_pid_namespace)
{
	struct end e = {};
	struct ipcx_desc d;
	pid_t outer, inner;
	int told[2], done[2];
	char c;

	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, end_open(&e, "pids", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	outer = fork();
	if (!outer) {
		if (unshare(CLONE_NEWPID))
			_exit(1);
		inner = fork();
		if (!inner) {
			/* its own message: 1 in its namespace */
			if (write(e.fd, "i", 1) != 1 || raw_take(e.fd, &d, 0) != 1 || d.pid != 1 ||
			    raw_release(e.fd, &d) != 1 || write(e.fd, "i", 1) != 1 ||
			    write(done[1], "d", 1) != 1)
				_exit(1);
			pause();
		}
		if (write(told[1], &inner, sizeof(inner)) != sizeof(inner))
			_exit(1);
		_exit(exit_status(inner) == 128 + SIGKILL ? 0 : 2);
	}
	ASSERT_EQ(sizeof(inner), read(told[0], &inner, sizeof(inner)));
	close(done[1]); /* or a child that fails leaves us waiting */
	ASSERT_EQ(1, read(done[0], &c, 1));
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ(inner, d.pid);
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	kill(inner, SIGKILL);
	EXPECT_EQ(0, exit_status(outer));
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ(0, d.pid);
	end_close(&e);
	close(told[0]);
	close(told[1]);
	close(done[0]);
}

TEST_HARNESS_MAIN
