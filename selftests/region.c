// SPDX-License-Identifier: GPL-2.0-only
/* Regions by the library, over each transport that has them. */
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <ipcx.h>
#include <linux/ipcx_region.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#include "region_raw.h"

#define OTHER 2000 /* another user and group */
#define NEW (IPCX_CREATE | IPCX_EXCL | BOTH)

FIXTURE(region)
{
	char uri[64];
	struct ipcx_region *r;
	char *p;
};

FIXTURE_VARIANT(region)
{
	const char *prefix;
	bool seals;
};

FIXTURE_VARIANT_ADD(region, kernel){ .prefix = "kernel:", .seals = true };
FIXTURE_VARIANT_ADD(region, shm){ .prefix = "shm:" };
FIXTURE_VARIANT_ADD(region, file){ .prefix = "file:/run/" };

FIXTURE_SETUP(region)
{
	IPCX_REGION_OPTS(opts, .size = 3 * PAGE, .mode = 0640);

	snprintf(self->uri, sizeof(self->uri), "%stest", variant->prefix);
	umask(077); /* not heeded */
	ASSERT_EQ(0, ipcx_region_open(&self->r, self->uri, NEW, &opts));
	self->p = ipcx_region_map(self->r, 0, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->p);
}

FIXTURE_TEARDOWN(region)
{
	munmap(self->p, 3 * PAGE);
	ipcx_region_close(self->r);
	ipcx_region_unlink(self->uri);
}

/* Return: what opening and closing says. */
static int try_open(const char *uri, unsigned int flags, const struct ipcx_region_opts *opts)
{
	struct ipcx_region *r;
	int err = ipcx_region_open(&r, uri, flags, opts);

	ipcx_region_close(r);
	return err;
}

TEST_F(region, shared)
{
	struct ipcx_region *r;
	char *p, c;

	for (int i = 0; i < 3 * PAGE; i++)
		ASSERT_EQ(0, self->p[i]);
	strcpy(self->p + PAGE, "what is written");
	ASSERT_EQ(0, ipcx_region_open(&r, self->uri, IPCX_READ, NULL));
	EXPECT_EQ(3 * PAGE, ipcx_region_size(r));
	p = ipcx_region_map(r, PAGE, 2 * PAGE, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_STREQ("what is written", p);
	EXPECT_EQ(pfn_of(self->p + PAGE), pfn_of(p));
	EXPECT_EQ(1, pread(ipcx_region_fd(r), &c, 1, PAGE));
	EXPECT_EQ('w', c);
	munmap(p, 2 * PAGE);
	ipcx_region_close(r);
}

TEST_F(region, created_once)
{
	struct ipcx_region *r;

	EXPECT_EQ(-EEXIST, try_open(self->uri, NEW, NULL));
	EXPECT_EQ(0, ipcx_region_open(&r, self->uri, IPCX_CREATE | BOTH, NULL));
	EXPECT_EQ(3 * PAGE, ipcx_region_size(r));
	ipcx_region_close(r);
}

TEST_F(region, unlinked)
{
	struct ipcx_region *r;

	ASSERT_EQ(0, ipcx_region_unlink(self->uri));
	EXPECT_EQ(-ENOENT, ipcx_region_unlink(self->uri));
	EXPECT_EQ(-ENOENT, try_open(self->uri, BOTH, NULL));
	self->p[0] = 'a'; /* still there for who has it */
	ASSERT_EQ(0, ipcx_region_open(&r, self->uri, NEW, NULL));
	EXPECT_EQ(0, ipcx_region_size(r));
	ipcx_region_close(r);
}

TEST_F(region, read_only)
{
	struct ipcx_region *r;
	char path[32], *p;
	pid_t pid;

	ASSERT_EQ(0, ipcx_region_open(&r, self->uri, IPCX_READ, NULL));
	EXPECT_EQ(NULL, ipcx_region_map(r, 0, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	p = ipcx_region_map(r, 0, PAGE, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(-1, mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, write(ipcx_region_fd(r), "x", 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-EINVAL, ipcx_region_resize(r, 0));
	/* nor by opening it anew, for who has only the descriptor */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ipcx_region_fd(r));
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		_exit(open(path, O_RDWR) < 0 && errno == EACCES ? 0 : 2);
	}
	EXPECT_EQ(0, exit_status(pid));
	munmap(p, PAGE);
	ipcx_region_close(r);
}

TEST_F(region, map_arguments)
{
	/* clang-format off */
	const struct {
		size_t offset, len;
	} bad[] = {
		{ 0, 3 * PAGE + 1 }, { PAGE, 3 * PAGE }, { 3 * PAGE, 0 }, { 4 * PAGE, 0 },
		{ 3 * PAGE, PAGE }, { SIZE_MAX, 2 }, { PAGE, SIZE_MAX }, { 1, PAGE },
	};
	/* clang-format on */

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		EXPECT_EQ(NULL, ipcx_region_map(self->r, bad[i].offset, bad[i].len, PROT_READ))
		TH_LOG("case %d", i);
		EXPECT_EQ(EINVAL, errno);
	}
}

static sigjmp_buf cut_off;

static void on_bus(int sig)
{
	siglongjmp(cut_off, 1);
}

TEST_F(region, resized)
{
	volatile bool bus = false;
	char *p;

	ASSERT_EQ(0, ipcx_region_resize(self->r, 5 * PAGE));
	EXPECT_EQ(5 * PAGE, ipcx_region_size(self->r));
	p = ipcx_region_map(self->r, 4 * PAGE, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, p);
	p[PAGE - 1] = 1;
	ASSERT_EQ(0, ipcx_region_resize(self->r, PAGE));
	signal(SIGBUS, on_bus);
	if (sigsetjmp(cut_off, 1))
		bus = true;
	else
		p[PAGE - 1] = 1;
	EXPECT_TRUE(bus);
	self->p[0] = 1;
	munmap(p, PAGE);
	if (sizeof(size_t) == 8)
		EXPECT_EQ(-EFBIG, ipcx_region_resize(self->r, SIZE_MAX));
	EXPECT_EQ(PAGE, ipcx_region_size(self->r));
}

TEST_F(region, seals)
{
	struct ipcx_region *r;

	if (!variant->seals) {
		EXPECT_EQ(0, ipcx_region_caps(self->r) & IPCX_CAP_SEALS);
		EXPECT_EQ(-EOPNOTSUPP, ipcx_region_seal(self->r, IPCX_SEAL_SHRINK));
		return;
	}
	EXPECT_EQ(-EINVAL, ipcx_region_seal(self->r, 0));
	EXPECT_EQ(-EINVAL, ipcx_region_seal(self->r, 1 << 5));
	EXPECT_EQ(-EBUSY, ipcx_region_seal(self->r, IPCX_SEAL_WRITE));
	ASSERT_EQ(0, ipcx_region_open(&r, self->uri, IPCX_READ, NULL));
	EXPECT_EQ(-EPERM, ipcx_region_seal(r, IPCX_SEAL_SHRINK));
	ipcx_region_close(r);
	ASSERT_EQ(0, ipcx_region_seal(self->r, IPCX_SEAL_SHRINK));
	EXPECT_EQ(-EPERM, ipcx_region_resize(self->r, PAGE));
	EXPECT_EQ(0, ipcx_region_resize(self->r, 4 * PAGE));
	ASSERT_EQ(0, ipcx_region_seal(self->r, IPCX_SEAL_GROW | IPCX_SEAL_FUTURE_WRITE));
	EXPECT_EQ(-EPERM, ipcx_region_resize(self->r, 5 * PAGE));
	EXPECT_EQ(NULL, ipcx_region_map(self->r, 0, 0, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EPERM, errno);
	self->p[0] = 1;
	ASSERT_EQ(0, ipcx_region_seal(self->r, IPCX_SEAL_SEAL));
	EXPECT_EQ(-EPERM, ipcx_region_seal(self->r, IPCX_SEAL_WRITE));
}

/* Opens as somebody else. Return: 0 or an errno. */
static int open_as(uid_t uid, gid_t gid, const char *uri, unsigned int flags)
{
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
			_exit(255);
		_exit(-try_open(uri, flags, NULL));
	}
	return exit_status(pid);
}

/* The fixture's is 0640. */
TEST_F(region, mode)
{
	pid_t pid;

	EXPECT_EQ(EACCES, open_as(OTHER, OTHER, self->uri, IPCX_READ));
	EXPECT_EQ(EACCES, open_as(OTHER, OTHER, self->uri, IPCX_WRITE));
	EXPECT_EQ(0, open_as(OTHER, 0, self->uri, IPCX_READ));
	EXPECT_EQ(EACCES, open_as(OTHER, 0, self->uri, IPCX_WRITE));
	EXPECT_EQ(EACCES, open_as(OTHER, 0, self->uri, BOTH));
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(0) || setuid(OTHER))
			_exit(1);
		_exit(ipcx_region_unlink(self->uri) == -EACCES ? 0 : 2);
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(region, required)
{
	IPCX_REGION_OPTS(opts, .require = IPCX_CAP_WALLS | IPCX_CAP_SEALS);

	EXPECT_EQ(variant->seals ? 0 : -EOPNOTSUPP, try_open(self->uri, BOTH, &opts));
	opts.require = IPCX_CAP_WALLS;
	EXPECT_EQ(0, try_open(self->uri, BOTH, &opts));
	opts.require = IPCX_CAP_CALL;
	EXPECT_EQ(-EOPNOTSUPP, try_open(self->uri, BOTH, &opts));
}

/* Its creator dies at any moment: it is whole, or not there. */
TEST_F(region, creator_killed)
{
	IPCX_REGION_OPTS(opts, .size = 5 * PAGE, .mode = 0604);
	struct ipcx_region *r;
	int there = 0;
	char uri[80];
	struct stat st;

	snprintf(uri, sizeof(uri), "%s-killed", self->uri);
	for (int i = 0; i < rounds(300); i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;) {
				try_open(uri, NEW, &opts);
				ipcx_region_unlink(uri);
			}
		}
		usleep(rand() % 2000);
		kill(pid, SIGKILL);
		exit_status(pid);
		if (ipcx_region_open(&r, uri, BOTH, NULL))
			continue;
		there++;
		EXPECT_EQ(5 * PAGE, ipcx_region_size(r));
		EXPECT_EQ(0, fstat(ipcx_region_fd(r), &st));
		EXPECT_EQ(S_IFREG | 0604, st.st_mode);
		ipcx_region_close(r);
		ASSERT_EQ(0, ipcx_region_unlink(uri));
	}
	TH_LOG("%d times it was there", there);
}

/* Somebody takes the name away again and again: who creates gets a region all the same. */
TEST_F(region, unlinked_meanwhile)
{
	char uri[80];
	pid_t pid;

	snprintf(uri, sizeof(uri), "%s-away", self->uri);
	pid = fork();
	if (!pid)
		for (;;)
			ipcx_region_unlink(uri);
	for (int i = 0; i < rounds(2000); i++)
		ASSERT_EQ(0, try_open(uri, IPCX_CREATE | BOTH, NULL)) TH_LOG("%s", ipcx_error());
	kill(pid, SIGKILL);
	exit_status(pid);
	ipcx_region_unlink(uri);
}

TEST_F(region, many_creators)
{
	IPCX_REGION_OPTS(opts, .size = 2 * PAGE);
	struct ipcx_region *r;
	pid_t pid[4];
	char uri[80];

	snprintf(uri, sizeof(uri), "%s-many", self->uri);
	for (int n = 0; n < rounds(100); n++) {
		for (int i = 0; i < ARRAY_SIZE(pid); i++) {
			pid[i] = fork();
			if (pid[i])
				continue;
			if (ipcx_region_open(&r, uri, IPCX_CREATE | BOTH, &opts) ||
			    ipcx_region_size(r) != 2 * PAGE)
				_exit(1);
			_exit(write(ipcx_region_fd(r), "x", 1) == 1 ? 0 : 2);
		}
		for (int i = 0; i < ARRAY_SIZE(pid); i++)
			EXPECT_EQ(0, exit_status(pid[i]));
		ASSERT_EQ(0, ipcx_region_unlink(uri));
	}
}

TEST(arguments)
{
	IPCX_REGION_OPTS(opts, .mode = 01000);
	IPCX_REGION_OPTS(large, .size = UINT64_MAX);
	struct ipcx_region_opts none = {};

	EXPECT_EQ(-EINVAL, try_open("", BOTH, NULL));
	EXPECT_EQ(-EINVAL, try_open(NULL, BOTH, NULL));
	EXPECT_EQ(-EINVAL, try_open("x", IPCX_CREATE, NULL));
	EXPECT_EQ(-EINVAL, try_open("x", IPCX_EXCL | BOTH, NULL));
	EXPECT_EQ(-EOPNOTSUPP, try_open("x", IPCX_SEND | BOTH, NULL));
	EXPECT_EQ(-EOPNOTSUPP, try_open("tcp:x", BOTH, NULL));
	EXPECT_EQ(-EINVAL, try_open("x", NEW, &opts));
	EXPECT_EQ(-EINVAL, try_open("x", NEW, &large));
	EXPECT_EQ(-EINVAL, try_open("x", NEW, &none));
	EXPECT_EQ(-EINVAL, try_open("a/b", NEW, NULL));
	EXPECT_EQ(-EINVAL, try_open(".a", NEW, NULL));
	EXPECT_EQ(-EINVAL, try_open("shm:a/b", NEW, NULL));
	EXPECT_EQ(-EINVAL, try_open("shm:..", NEW, NULL));
	EXPECT_EQ(-EINVAL, try_open("file:", NEW, NULL));
	EXPECT_EQ(-ENOENT, try_open("file:/run/none/x", NEW, NULL));
	EXPECT_EQ(-EINVAL, ipcx_region_unlink("kernel:"));
	EXPECT_EQ(-ENOENT, try_open("x", BOTH, NULL));
	EXPECT_EQ(0, try_open(NULL, NEW, NULL));
}

TEST(nameless)
{
	IPCX_REGION_OPTS(opts, .size = PAGE);
	struct ipcx_region *r;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, ipcx_region_open(&r, NULL, IPCX_CREATE | BOTH, &opts));
	pid = fork();
	if (!pid) {
		p = ipcx_region_map(r, 0, 0, PROT_READ | PROT_WRITE);
		strcpy(p, "by a child");
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	p = ipcx_region_map(r, 0, 0, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_STREQ("by a child", p);
	munmap(p, PAGE);
	ipcx_region_close(r);
}

/* Whatever somebody else put where the file is to be. */
TEST(hostile_paths)
{
	struct stat st;

	ASSERT_EQ(0, mkdir("/run/open", 0777));
	ASSERT_EQ(0, chmod("/run/open", 01777));
	ASSERT_EQ(0, symlink("/run/open/target", "/run/open/link"));
	EXPECT_EQ(-ELOOP, try_open("file:/run/open/link", IPCX_CREATE | BOTH, NULL));
	EXPECT_EQ(-EEXIST, try_open("file:/run/open/link", NEW, NULL));
	EXPECT_EQ(-1, stat("/run/open/target", &st));
	ASSERT_EQ(0, mkfifo("/run/open/fifo", 0666));
	EXPECT_EQ(-EPROTOTYPE, try_open("file:/run/open/fifo", BOTH, NULL));
	EXPECT_EQ(-EPROTOTYPE, try_open("file:/run/open/fifo", IPCX_CREATE | IPCX_WRITE, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_region_unlink("file:/run/open/fifo"));
	EXPECT_EQ(-EPROTOTYPE, try_open("file:/run/open", IPCX_READ, NULL));
	close(open("/run/open/theirs", O_CREAT | O_RDWR, 0666));
	ASSERT_EQ(0, chown("/run/open/theirs", OTHER, OTHER));
	EXPECT_EQ(-EACCES, try_open("file:/run/open/theirs", IPCX_CREATE | BOTH, NULL));
	EXPECT_EQ(0, try_open("file:/run/open/theirs", BOTH, NULL));
	close(open("/run/open/ours", O_CREAT | O_RDWR, 0666));
	ASSERT_EQ(0, link("/run/open/ours", "/run/open/by-a-link"));
	EXPECT_EQ(-EACCES, try_open("file:/run/open/by-a-link", IPCX_CREATE | BOTH, NULL));
}

TEST(kinds)
{
	struct ipcx_queue *q;

	ASSERT_EQ(0, ipcx_queue_open(&q, "kinds", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_RECV, NULL));
	EXPECT_EQ(-EPROTOTYPE, try_open("kinds", IPCX_CREATE | BOTH, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_region_unlink("kinds"));
	ipcx_queue_close(q);
	ASSERT_EQ(0, try_open("kinds", NEW, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&q, "kinds", IPCX_RECV, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_unlink("kinds"));
	EXPECT_EQ(-EOPNOTSUPP, raw_unlink_kind("kinds", IPCX_UNLINK_NOW, IPCX_KIND_REGION));
	EXPECT_EQ(0, ipcx_region_unlink("kinds"));
}

/* Return: 0, or which step was wrong. */
static int without_module(void)
{
	struct stat st;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL) || mkdir("/dev/shm", 01777))
		return 1;
	if (try_open("kernel:bare", NEW, NULL) != -ENODEV || try_open(NULL, NEW, NULL) != -ENODEV)
		return 2;
	setenv("IPCX_TRANSPORT", "kernel", 1);
	if (try_open("bare", NEW, NULL) != -ENODEV || ipcx_region_unlink("bare") != -ENODEV)
		return 3;
	unsetenv("IPCX_TRANSPORT");
	setenv("IPCX_QUIET", "1", 1);
	if (try_open("bare", NEW, NULL) || stat("/dev/shm/ipcx.bare", &st))
		return 4;
	if (try_open("bare", BOTH, NULL) || ipcx_region_unlink("bare"))
		return 5;
	return try_open("bare", BOTH, NULL) == -ENOENT ? 0 : 6;
}

TEST(no_module)
{
	pid_t pid = fork();

	if (!pid)
		_exit(without_module());
	EXPECT_EQ(0, exit_status(pid));
}

/* A name keeps the module, memory does not need it. */
TEST(module_references)
{
	struct ipcx_region *r;
	long refs = module_refs();

	ASSERT_EQ(0, ipcx_region_open(&r, "refs", NEW, NULL));
	EXPECT_EQ(refs + 1, module_refs());
	ASSERT_EQ(0, ipcx_region_unlink("refs"));
	EXPECT_EQ(refs, module_refs());
	EXPECT_EQ(0, ipcx_region_resize(r, PAGE));
	ipcx_region_close(r);
}

/* What is there under a name may have been made by somebody else, to be found. */
TEST(made_by_another)
{
	IPCX_REGION_OPTS(opts, .mode = 0666);
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(1);
		_exit(try_open("theirs", NEW, &opts) ? 2 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(-EACCES, try_open("theirs", IPCX_CREATE | BOTH, NULL));
	EXPECT_EQ(0, try_open("theirs", BOTH, NULL));
	EXPECT_EQ(0, ipcx_region_unlink("theirs"));
}

/* Read only, from the beginning */
TEST_F(region, created_to_read)
{
	IPCX_REGION_OPTS(opts, .size = PAGE, .mode = 0200);
	struct ipcx_region *r;
	struct stat st;
	char uri[80];

	snprintf(uri, sizeof(uri), "%s-read", self->uri);
	ASSERT_EQ(0, ipcx_region_open(&r, uri, IPCX_CREATE | IPCX_EXCL | IPCX_READ, &opts));
	EXPECT_EQ(PAGE, ipcx_region_size(r));
	EXPECT_EQ(-1, write(ipcx_region_fd(r), "x", 1));
	EXPECT_EQ(0, fstat(ipcx_region_fd(r), &st));
	EXPECT_EQ(S_IFREG | 0200, st.st_mode);
	EXPECT_EQ(0, ipcx_region_unlink(uri));
	ipcx_region_close(r);
}

/* Whose it is, by name and by descriptor */
TEST(owner)
{
	pid_t pid = fork();

	if (!pid) {
		struct ipcx_region *r;
		struct stat st;
		char path[32];

		if (setgroups(0, NULL) || setgid(OTHER + 1) || setuid(OTHER) ||
		    ipcx_region_open(&r, "owner", NEW, NULL))
			_exit(1);
		if (fstat(ipcx_region_fd(r), &st) || st.st_uid != OTHER || st.st_gid != OTHER + 1)
			_exit(2);
		prctl(PR_SET_DUMPABLE, 1);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", ipcx_region_fd(r));
		_exit(open(path, O_RDWR) < 0 || ipcx_region_unlink("owner") ? 3 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST(limit_of_a_user)
{
	pid_t pid = fork();

	if (!pid) {
		char name[16];

		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(1);
		for (int i = 0; i < 1024; i++) {
			snprintf(name, sizeof(name), "limit%d", i);
			if (try_open(name, NEW, NULL))
				_exit(2);
		}
		if (try_open("limit-more", NEW, NULL) != -EDQUOT || ipcx_region_unlink("limit0") ||
		    try_open("limit-more", NEW, NULL) || ipcx_region_unlink("limit-more"))
			_exit(3);
		for (int i = 1; i < 1024; i++) {
			snprintf(name, sizeof(name), "limit%d", i);
			if (ipcx_region_unlink(name))
				_exit(4);
		}
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
}

TEST(listed)
{
	IPCX_REGION_OPTS(opts, .size = 2 * PAGE, .mode = 0644);
	char list[8192], id[32];
	struct ipcx_region *r;

	ASSERT_EQ(0, ipcx_region_open(&r, "listed", NEW, &opts));
	ASSERT_EQ(2, pwrite(ipcx_region_fd(r), "ab", 2, 0));
	ASSERT_TRUE(get_file("/proc/net/ipcx", list, sizeof(list)));
	snprintf(id, sizeof(id), " region 0644 0 0 0 0 8192 4096 ");
	EXPECT_NE(NULL, strstr(list, id)) TH_LOG("%s", list);
	EXPECT_EQ(0, ipcx_region_unlink("listed"));
	ipcx_region_close(r);
	ASSERT_TRUE(get_file("/proc/net/ipcx", list, sizeof(list)));
	EXPECT_EQ(NULL, strstr(list, "listed"));
}

TEST_HARNESS_MAIN
