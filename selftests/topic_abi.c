// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics: bad arguments, one wrong at a time; walls between the pages of members; who may do
 * what; and that nothing piles up.
 */
#include <grp.h>

#include "topic_util.h"

#include "../kselftest_harness.h"

#define OTHER 2000

/* volatile: the compiler would warn of what is meant to be wrong */
static void *volatile bad_ptr = (void *)0x10;

static const struct op {
	const char *name;
	unsigned long cmd;
	size_t size;
	__u32 flags;
} ops[] = {
	{ "TOPIC_OPEN", IPCX_IOC_TOPIC_OPEN, 184, IPCX_TOPIC_VALID_FLAGS },
	{ "TOPIC_WAIT", IPCX_IOC_TOPIC_WAIT, 16, IPCX_WAIT_VALID_FLAGS },
	{ "TOPIC_KICK", IPCX_IOC_TOPIC_KICK, 8, IPCX_KICK_VALID_FLAGS },
	{ "TOPIC_POPULATE", IPCX_IOC_TOPIC_POPULATE, 32, 0 },
	{ "TOPIC_EVICT", IPCX_IOC_TOPIC_EVICT, 16, IPCX_EVICT_VALID_FLAGS },
	{ "TOPIC_LEAVE", IPCX_IOC_TOPIC_LEAVE, 24, 0 },
	{ "TOPIC_RING", IPCX_IOC_TOPIC_RING, 32, 0 },
	{ "TOPIC_FORGET", IPCX_IOC_TOPIC_FORGET, 24, 0 },
};

#define for_each_op(op) for (const struct op *op = ops; op < ops + ARRAY_SIZE(ops); op++)

FIXTURE(topic_abi)
{
	int dev;
	struct member pub, sub, both;
	struct ipcx_dir before;
	union {
		__u32 word[64];
		char bytes[8192];
	} arg;
};

FIXTURE_SETUP(topic_abi)
{
	memset(self, 0, sizeof(*self));
	self->dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	self->pub.o.depth = 8;
	self->pub.o.msg_max = 8192;
	ASSERT_EQ(0, member_open(&self->pub, "abi", CREATE | PUBLISH | EPHEMERAL));
	ASSERT_EQ(0, member_open(&self->sub, "abi", SUBSCRIBE));
	ASSERT_EQ(0, member_open(&self->both, "abi", PUBLISH | SUBSCRIBE | LOSSY));
	self->before = *self->sub.dir;
}

FIXTURE_TEARDOWN(topic_abi)
{
	/* whatever was tried: nothing has changed */
	EXPECT_EQ(0, memcmp(self->before.ring, self->sub.dir->ring, sizeof(self->before.ring)));
	member_close(&self->pub);
	member_close(&self->sub);
	member_close(&self->both);
	close(self->dev);
}

static int call(FIXTURE_DATA(topic_abi) *self, const struct op *op)
{
	return xioctl(op == ops ? self->dev : self->both.fd, op->cmd, &self->arg);
}

TEST_F(topic_abi, sizes)
{
	for_each_op(op) {
		memset(&self->arg, 0, sizeof(self->arg));
		for (size_t size = 0; size < op->size; size++) {
			self->arg.word[0] = size;
			EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s %zu", op->name, size);
		}
		self->arg.word[0] = PAGE + 1;
		EXPECT_EQ(-E2BIG, call(self, op)) TH_LOG("%s", op->name);
		self->arg.word[0] = op->size + 8;
		self->arg.bytes[op->size + 7] = 1;
		EXPECT_EQ(-E2BIG, call(self, op)) TH_LOG("%s", op->name);
	}
}

TEST_F(topic_abi, unknown_flags)
{
	for_each_op(op) {
		for (int bit = 0; bit < 32; bit++) {
			memset(&self->arg, 0, sizeof(self->arg));
			self->arg.word[0] = op->size;
			self->arg.word[1] = 1U << bit;
			if (op->flags & 1U << bit)
				continue;
			EXPECT_EQ(-EOPNOTSUPP, call(self, op)) TH_LOG("%s bit %d", op->name, bit);
		}
	}
}

TEST_F(topic_abi, bad_memory)
{
	for_each_op(op) {
		int fd = op == ops ? self->dev : self->both.fd;

		EXPECT_EQ(-EFAULT, xioctl(fd, op->cmd, bad_ptr)) TH_LOG("%s", op->name);
	}
}

TEST_F(topic_abi, wrong_file)
{
	for_each_op(op) {
		int fd = op == ops ? self->both.fd : self->dev;

		EXPECT_EQ(-ENOTTY, xioctl(fd, op->cmd, bad_ptr)) TH_LOG("%s", op->name);
	}
	EXPECT_EQ(-ENOTTY, xioctl(self->both.fd, IPCX_IOC_QUEUE_STAT, bad_ptr));
}

TEST_F(topic_abi, open_attributes)
{
	const __u32 both = PUBLISH | SUBSCRIBE;
	const struct {
		struct ipcx_topic_open o;
		int err;
	} cases[] = {
		{ { .flags = CREATE }, -EINVAL },
		{ { .flags = both }, -EINVAL },
		{ { .flags = both | IPCX_OPEN_EXCL, .name_len = 3 }, -EINVAL },
		{ { .flags = both | EPHEMERAL, .name_len = 3 }, -EINVAL },
		{ { .flags = both | IPCX_TOPIC_OPEN_RELIABLE, .name_len = 3 }, -EINVAL },
		{ { .flags = PUBLISH | LOSSY, .name_len = 3 }, -EINVAL },
		{ { .flags = PUBLISH, .name_len = 3, .history = 1 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 7 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 4 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 12 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 131072 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 1U << 31 }, -EINVAL },
		{ { .flags = CREATE | both, .depth = 8, .lag_max = 9 }, -EINVAL },
		{ { .flags = CREATE | both, .msg_max = (1ULL << 30) + 1 }, -EINVAL },
		{ { .flags = CREATE | both, .msg_max = ~0ULL }, -EINVAL },
		{ { .flags = CREATE | both, .msg_max = 8193, .bytes_max = 8193 }, -EINVAL },
		{ { .flags = CREATE | both, .first = 1ULL << 62 }, -EINVAL },
		{ { .flags = CREATE | both, .mode = 01000 }, -EINVAL },
		{ { .flags = CREATE | both | IPCX_OPEN_EXCL, .name_len = 3 }, -EEXIST },
		{ { .flags = both, .name_len = 2 }, -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipcx_topic_open o = cases[i].o;
		const char *name = "abi";

		o.size = sizeof(o);
		if (o.name_len)
			o.name = (uintptr_t)name;
		EXPECT_EQ(cases[i].err, topic_open_raw(&o)) TH_LOG("case %zu", i);
	}
}

TEST_F(topic_abi, open_defaults)
{
	struct ipcx_topic_open o = { .size = sizeof(o), .flags = CREATE | PUBLISH };
	int fd = topic_open_raw(&o);

	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(64, o.out_depth);
	EXPECT_EQ(1 << 20, o.out_msg_max);
	EXPECT_EQ(64 << 20, o.out_bytes_max);
	EXPECT_EQ(0, o.out_lag_max);
	EXPECT_EQ(0, o.depth);
	o.depth = 65536;
	fd = topic_open_raw(&o);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(256 << 20, o.out_bytes_max);
}

TEST_F(topic_abi, kinds)
{
	struct end queue = {};
	static const char names[] = "queue\0abi";
	struct ipcx_topic_open o = { .size = sizeof(o),
				     .flags = CREATE | PUBLISH,
				     .name = (uintptr_t)names,
				     .name_len = 5 };
	struct ipcx_unlink u = { .size = sizeof(u),
				 .flags = IPCX_UNLINK_NOW,
				 .name = (uintptr_t)&names[6],
				 .name_len = 3,
				 .kind = IPCX_KIND_TOPIC };
	struct ipcx_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, xioctl(self->dev, IPCX_IOC_INFO, &info));
	EXPECT_TRUE(info.out_features & IPCX_FEATURE_TOPIC);
	queue.o.msg_max = PAGE; /* for windows in 32 bits */
	ASSERT_EQ(0, end_open(&queue, "queue", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_EQ(-EPROTOTYPE, topic_open_raw(&o));
	end_close(&queue);
	EXPECT_EQ(-EPROTOTYPE, end_open(&queue, "abi", SENDRECV));
	EXPECT_EQ(-EPROTOTYPE, raw_unlink("abi"));
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->dev, IPCX_IOC_UNLINK, &u));
	u.flags = 0;
	EXPECT_EQ(0, xioctl(self->dev, IPCX_IOC_UNLINK, &u));
	EXPECT_EQ(-ENOENT, xioctl(self->dev, IPCX_IOC_UNLINK, &u));
}

TEST_F(topic_abi, values)
{
	EXPECT_EQ(-EINVAL, raw_wait(self->both.fd, 0, 0));
	EXPECT_EQ(-EINVAL, raw_wait(self->both.fd, IPCX_WAIT_VALID_FLAGS, 0));
	EXPECT_EQ(-EINVAL, raw_wait(self->both.fd, IPCX_WAIT_MESSAGE, -1));
	EXPECT_EQ(-EPERM, raw_wait(self->pub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(-EPERM, raw_wait(self->sub.fd, IPCX_WAIT_ROOM, 0));
	EXPECT_EQ(-EINVAL, raw_kick(self->both.fd, 0));
	EXPECT_EQ(-EPERM, raw_kick(self->sub.fd, IPCX_KICK_SUBSCRIBERS));
	EXPECT_EQ(-EPERM, raw_kick(self->pub.fd, IPCX_KICK_PUBLISHERS));
	EXPECT_EQ(0, raw_kick(self->both.fd, IPCX_KICK_VALID_FLAGS));
	EXPECT_EQ(-EPERM, raw_populate(self->sub.fd, 0, 1));
	EXPECT_EQ(-EINVAL, raw_populate(self->pub.fd, 8, 1));
	EXPECT_EQ(-EINVAL, raw_populate(self->pub.fd, ~0U, 1));
	EXPECT_EQ(-EMSGSIZE, raw_populate(self->pub.fd, 0, 8193));
	EXPECT_EQ(-EMSGSIZE, raw_populate(self->pub.fd, 0, ~0ULL));
	EXPECT_EQ(-EINVAL, raw_evict(self->pub.fd, IPCX_TOPIC_SUBS, 0));
	EXPECT_EQ(-EPERM, raw_leave(self->pub.fd, 0, 1));
	EXPECT_EQ(-EINVAL, raw_leave(self->sub.fd, IPCX_TOPIC_RINGS, 1));
	EXPECT_EQ(-EINVAL, raw_leave(self->sub.fd, ~0U, 1));
}

TEST_F(topic_abi, who_publishes)
{
	struct ipcx_topic_ring r = { .size = sizeof(r), .id = self->sub.dir->ring[0].id };

	EXPECT_EQ(0, xioctl(self->sub.fd, IPCX_IOC_TOPIC_RING, &r));
	EXPECT_EQ(getpid(), r.out_pid);
	EXPECT_EQ(getuid(), r.out_uid);
	EXPECT_EQ(getgid(), r.out_gid);
	r.id++;
	EXPECT_EQ(-ENOENT, xioctl(self->sub.fd, IPCX_IOC_TOPIC_RING, &r));
	r.ring = 5;
	r.id = 0;
	EXPECT_EQ(-ENOENT, xioctl(self->sub.fd, IPCX_IOC_TOPIC_RING, &r));
	r.ring = IPCX_TOPIC_RINGS;
	EXPECT_EQ(-EINVAL, xioctl(self->sub.fd, IPCX_IOC_TOPIC_RING, &r));
}

/* Who opened the device is who it is said to be, whoever makes the call. */
TEST_F(topic_abi, publisher_is_the_opener)
{
	struct ipcx_topic_open o = { .size = sizeof(o), .flags = CREATE | PUBLISH | SUBSCRIBE };
	struct ipcx_topic_ring r = { .size = sizeof(r), .id = 1 };
	pid_t pid = fork();
	int fd;

	if (!pid) {
		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(98);
		fd = xioctl(self->dev, IPCX_IOC_TOPIC_OPEN, &o);
		_exit(fd < 0 || xioctl(fd, IPCX_IOC_TOPIC_RING, &r) || r.out_uid || r.out_gid ||
		      r.out_pid != getpid());
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* Return: 0 or a negative errno. */
static int try_map(int fd, int prot, int flags, uint64_t offset, size_t len)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

TEST_F(topic_abi, walls)
{
	const int rw = PROT_READ | PROT_WRITE, sh = MAP_SHARED;
	const struct member *pub = &self->pub, *sub = &self->sub, *both = &self->both;
	size_t ring = pub->o.out_ring_window;

	/* own */
	EXPECT_EQ(0, try_map(pub->fd, rw, sh, ring_offset(pub, 0), ring));
	EXPECT_EQ(0, try_map(pub->fd, rw, sh, data_offset(pub, 0), pub->o.out_data_window));
	EXPECT_EQ(0, try_map(sub->fd, rw, sh, control_offset(sub, 0), PAGE));
	/* of others, to read */
	EXPECT_EQ(0, try_map(pub->fd, PROT_READ, sh, control_offset(pub, 0), 128 * PAGE));
	EXPECT_EQ(0, try_map(sub->fd, PROT_READ, sh, ring_offset(sub, 0), 63 * ring));
	EXPECT_EQ(0, try_map(sub->fd, PROT_READ, sh, data_offset(sub, 0), 63 * 65536));
	EXPECT_EQ(-EACCES, try_map(pub->fd, PROT_READ, sh, ring_offset(pub, 1), ring));
	EXPECT_EQ(-EACCES, try_map(pub->fd, PROT_READ, sh, data_offset(pub, 1), PAGE));
	EXPECT_EQ(-EACCES, try_map(sub->fd, PROT_READ, sh, control_offset(sub, 1), PAGE));
	/* of others, to write */
	EXPECT_EQ(-EACCES, try_map(pub->fd, rw, sh, 0, PAGE));
	EXPECT_EQ(-EACCES, try_map(pub->fd, rw, sh, control_offset(pub, 0), PAGE));
	EXPECT_EQ(-EACCES, try_map(both->fd, rw, sh, ring_offset(both, 0), ring));
	EXPECT_EQ(-EACCES, try_map(both->fd, rw, sh, ring_offset(both, 1), 2 * ring));
	EXPECT_EQ(-EACCES, try_map(both->fd, rw, sh, data_offset(both, 0), PAGE));
	EXPECT_EQ(-EACCES, try_map(both->fd, rw, sh, control_offset(both, 0), PAGE));
	EXPECT_EQ(0, try_map(both->fd, rw, sh, ring_offset(both, 1), ring));
	/* across, beyond, private, to run */
	EXPECT_EQ(-EINVAL, try_map(both->fd, PROT_READ, sh, 0, 2 * PAGE));
	EXPECT_EQ(-EINVAL, try_map(both->fd, PROT_READ, sh, data_offset(both, 62), 2 * 65536));
	EXPECT_EQ(-EINVAL, try_map(both->fd, PROT_READ, sh, 1ULL << 60, PAGE));
	EXPECT_EQ(-EINVAL, try_map(pub->fd, rw, MAP_PRIVATE, ring_offset(pub, 0), ring));
	EXPECT_EQ(-EPERM, try_map(pub->fd, rw | PROT_EXEC, sh, ring_offset(pub, 0), ring));
	/* later */
	EXPECT_EQ(-1, mprotect((void *)pub->dir, PAGE, rw));
	EXPECT_EQ(-1, mprotect((void *)pub->controls, PAGE, rw));
	EXPECT_EQ(-1, mprotect(sub->rings, ring, rw));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(pub->ring, ring, rw | PROT_EXEC));
}

TEST_F(topic_abi, child_has_no_windows)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!probe(self->pub.dir, false) || !probe(self->pub.ring, false) ||
		      !probe(self->sub.control, false) || !probe(self->sub.rings, false));
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(topic_abi, nothing_there)
{
	const struct member *sub = &self->sub, *pub = &self->pub;
	volatile char *data = map_range(sub->fd, PROT_READ, data_offset(sub, 0), 63 * 65536);
	volatile char *own = map_range(pub->fd, PROT_READ | PROT_WRITE, data_offset(pub, 0), 65536);
	struct member more = {};

	ASSERT_NE(NULL, (void *)data);
	EXPECT_EQ(0, probe(sub->rings + 62 * sub->o.out_ring_window + PAGE, false));
	EXPECT_EQ(0, probe(pub->controls + 127 * PAGE, false));
	EXPECT_EQ(0, probe(data, false));
	EXPECT_EQ(SIGBUS, probe(own, true));
	EXPECT_EQ(SIGSEGV, probe(data, true));
	EXPECT_EQ(PAGE, raw_populate(pub->fd, 0, 1));
	EXPECT_EQ(PAGE, raw_populate(pub->fd, 0, 0));
	own[0] = 'd';
	EXPECT_EQ('d', data[0]);
	EXPECT_EQ(0, data[PAGE]);
	EXPECT_EQ(SIGBUS, probe(own + PAGE, false));
	EXPECT_EQ(2 * PAGE, raw_populate(pub->fd, 0, PAGE + 1));
	own[PAGE] = 'e';
	EXPECT_EQ('e', data[PAGE]);
	EXPECT_EQ('d', data[0]);
	/* a page that was empty when it was looked at first */
	EXPECT_EQ(0, *(const uint64_t *)(pub->controls + 2 * PAGE));
	ASSERT_EQ(0, member_open(&more, "abi", SUBSCRIBE));
	more.control->cursor[0] = 77;
	EXPECT_EQ(77, *(const uint64_t *)(pub->controls + 2 * PAGE));
	member_close(&more);
	EXPECT_EQ(0, *(const uint64_t *)(pub->controls + 2 * PAGE));
	munmap((void *)data, 63 * 65536);
	munmap((void *)own, 65536);
}

TEST_F(topic_abi, populate_limits)
{
	struct member m = { .o = { .depth = 8, .msg_max = 8192, .bytes_max = 12288 } };

	ASSERT_EQ(0, member_open(&m, NULL, CREATE | PUBLISH));
	EXPECT_EQ(8192, raw_populate(m.fd, 7, 8192));
	EXPECT_EQ(-ENOBUFS, raw_populate(m.fd, 6, 8192));
	EXPECT_EQ(4096, raw_populate(m.fd, 6, 4096));
	EXPECT_EQ(-ENOBUFS, raw_populate(m.fd, 5, 1));
	EXPECT_EQ(8192, raw_populate(m.fd, 7, 100));
	member_close(&m);
}

static int open_mode(unsigned int mode, unsigned int flags)
{
	static const char name[] = "mode";
	struct ipcx_topic_open o = { .size = sizeof(o),
				     .flags = flags,
				     .name = (uintptr_t)name,
				     .name_len = 4,
				     .mode = mode,
				     .depth = 8 };

	return topic_open_raw(&o);
}

/* In a child that is somebody else: opens with @flags what has @mode. */
static int other_opens(unsigned int mode, unsigned int flags, unsigned int owner_flags)
{
	int fd = open_mode(mode, CREATE | PUBLISH | EPHEMERAL | owner_flags), ret;
	pid_t pid;

	if (fd < 0)
		return 99;
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(98);
		ret = open_mode(0, flags);
		_exit(ret < 0 ? -ret : 0);
	}
	ret = exit_status(pid);
	close(fd);
	return ret;
}

TEST_F(topic_abi, modes)
{
	EXPECT_EQ(0, other_opens(0606, PUBLISH | SUBSCRIBE, 0));
	EXPECT_EQ(EACCES, other_opens(0600, PUBLISH, 0));
	EXPECT_EQ(EACCES, other_opens(0600, SUBSCRIBE | LOSSY, 0));
	EXPECT_EQ(EACCES, other_opens(0604, PUBLISH, 0));
	EXPECT_EQ(EACCES, other_opens(0602, SUBSCRIBE | LOSSY, 0));
	EXPECT_EQ(0, other_opens(0602, PUBLISH, 0));
	EXPECT_EQ(0, other_opens(0604, SUBSCRIBE | LOSSY, 0));
	/* who may keep publishers waiting */
	EXPECT_EQ(EACCES, other_opens(0604, SUBSCRIBE, 0));
	EXPECT_EQ(0, other_opens(0606, SUBSCRIBE, 0));
	EXPECT_EQ(0, other_opens(0604, SUBSCRIBE, IPCX_TOPIC_OPEN_RELIABLE));
}

/* Opens as often as it can. Return: how often that was. */
static int open_many(unsigned int flags)
{
	int n = 0;

	while (n < 200 && open_mode(0, flags) >= 0)
		n++;
	return errno == ENOSPC ? n : 255;
}

static int others_share(unsigned int flags)
{
	int fd = open_mode(0606, CREATE | PUBLISH | EPHEMERAL), ret;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(OTHER) || setuid(OTHER))
			_exit(98);
		_exit(open_many(flags));
	}
	ret = exit_status(pid);
	close(fd);
	return ret;
}

TEST_F(topic_abi, shares)
{
	int fd;

	EXPECT_EQ(IPCX_TOPIC_RINGS / 2, others_share(PUBLISH));
	EXPECT_EQ(IPCX_TOPIC_SUBS / 2, others_share(SUBSCRIBE));
	fd = open_mode(0606, CREATE | PUBLISH | EPHEMERAL);
	EXPECT_EQ(IPCX_TOPIC_SUBS, open_many(SUBSCRIBE));
	close(fd);
}

TEST_F(topic_abi, namespaces)
{
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWNET) ||
		      member_open(&self->pub, "abi", SUBSCRIBE) != -ENOENT);
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(topic_abi, shown)
{
	char path[64], text[512];
	struct counts c;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->both.fd);
	ASSERT_TRUE(get_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "ipcx-name:\tabi\n"));
	EXPECT_NE(NULL, strstr(text, "ipcx-rights:\tpublish,subscribe\n"));
	EXPECT_NE(NULL, strstr(text, "ipcx-ring:\t1\n"));
	EXPECT_NE(NULL, strstr(text, "ipcx-sub:\t1 lossy\n"));
	EXPECT_TRUE(counts_of(self->pub.o.out_id, &c));
	EXPECT_EQ(8, c.depth);
	EXPECT_EQ(2, c.senders);
	EXPECT_EQ(2, c.receivers);
	EXPECT_EQ((1 + 2 + 2 * 2) * PAGE, c.bytes);
}

static int one_round(int i)
{
	static const char name[] = "leak";
	struct member m = {}, keep = {};
	const unsigned int rights[] = { PUBLISH, SUBSCRIBE, PUBLISH | SUBSCRIBE | LOSSY };

	m.o.depth = 8 << i % 4;
	if (member_open(&m, i & 1 ? name : NULL, CREATE | rights[i % 3]))
		return 1;
	if (m.ring && (raw_populate(m.fd, i % 8, 100000) < 0 || publish(&m, i)))
		return 2;
	if (i & 1) {
		if (member_open(&keep, name, SUBSCRIBE) ||
		    raw_unlink_kind(name, 0, IPCX_KIND_TOPIC))
			return 3;
	}
	member_close(&m); /* with what it has published not read */
	if (i & 1)
		member_close(&keep);
	return 0;
}

TEST_F(topic_abi, nothing_piles_up)
{
	struct ipcx_info before = { .size = sizeof(before) }, after = before;
	long slab, free_kib, refs = module_refs();

	ASSERT_EQ(0, xioctl(self->dev, IPCX_IOC_INFO, &before));
	for (int i = 0; i < 200; i++)
		ASSERT_EQ(0, one_round(i));
	put_file("/proc/sys/vm/drop_caches", "3");
	slab = meminfo("SUnreclaim:");
	free_kib = meminfo("MemFree:");
	for (int i = 0; i < rounds(1000); i++)
		ASSERT_EQ(0, one_round(i));
	put_file("/proc/sys/vm/drop_caches", "3");
	TH_LOG("slab %+ld KiB, free %+ld KiB", meminfo("SUnreclaim:") - slab,
	       meminfo("MemFree:") - free_kib);
	if (access("/sys/kernel/debug/kmemleak", F_OK)) {
		EXPECT_GE(600, meminfo("SUnreclaim:") - slab);
		EXPECT_LE(-2500, meminfo("MemFree:") - free_kib);
	}
	ASSERT_EQ(0, xioctl(self->dev, IPCX_IOC_INFO, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	EXPECT_EQ(refs, module_refs());
}

TEST_HARNESS_MAIN
