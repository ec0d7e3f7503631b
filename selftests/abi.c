// SPDX-License-Identifier: GPL-2.0-only
/* Bad arguments, one wrong at a time: the documented errno, and nothing has changed. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

/* volatile: the compiler would warn of what is meant to be wrong */
static void *volatile bad_ptr = (void *)0x10;
#define BAD_PTR bad_ptr

/*
 * Every ioctl: its argument's size, today and in its first version, the flag bits that
 * exist, on which file, whether it is an array as of QUEUE_RELEASE or two entries.
 */
static const struct op {
	const char *name;
	unsigned long cmd;
	size_t size;
	size_t oldest;
	__u32 flags;
	bool device;
	bool array;
	bool pair;
} ops[] = {
	{ "INFO", IPCX_IOC_INFO, 64, 56, 0, true },
	{ "QUEUE_OPEN", IPCX_IOC_QUEUE_OPEN, 176, 168, IPCX_OPEN_VALID_FLAGS, true },
	{ "UNLINK", IPCX_IOC_UNLINK, 24, 24, IPCX_UNLINK_VALID_FLAGS, true },
	{ "QUEUE_LOAN", IPCX_IOC_QUEUE_LOAN, 32, 32, IPCX_LOAN_VALID_FLAGS, .array = true },
	{ "QUEUE_COMMIT", IPCX_IOC_QUEUE_COMMIT, 32, 24, IPCX_COMMIT_VALID_FLAGS, .array = true },
	{ "QUEUE_CANCEL", IPCX_IOC_QUEUE_CANCEL, 24, 24, 0, .array = true },
	{ "QUEUE_TAKE", IPCX_IOC_QUEUE_TAKE, 48, 40, IPCX_TAKE_VALID_FLAGS, .array = true },
	{ "QUEUE_RELEASE", IPCX_IOC_QUEUE_RELEASE, 24, 24, IPCX_RELEASE_VALID_FLAGS,
	  .array = true },
	{ "QUEUE_STAT", IPCX_IOC_QUEUE_STAT, 128, 112, 0 },
	{ "QUEUE_CALL", IPCX_IOC_QUEUE_CALL, 48, 48, IPCX_CALL_VALID_FLAGS, .pair = true },
	{ "QUEUE_REPLY", IPCX_IOC_QUEUE_REPLY, 64, 64, IPCX_REPLY_VALID_FLAGS, .pair = true },
};

FIXTURE(abi)
{
	int dev;
	struct end e;
	struct ipcx_desc loaned, taken, d;
	struct counts before;
	union {
		__u32 size;
		__u32 word[64];
		struct ipcx_info info;
		struct ipcx_queue_open open;
		struct ipcx_unlink unlink;
		struct ipcx_queue_loan loan;
		struct ipcx_queue_take take;
		struct ipcx_queue_release release;
		struct ipcx_queue_stat stat;
		struct ipcx_queue_call call;
		struct ipcx_queue_reply reply;
		char bytes[8192];
	} arg;
};

/* One slot on loan, one leased, one queued: each call below has something it could spoil. */
FIXTURE_SETUP(abi)
{
	memset(self, 0, sizeof(*self));
	self->dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	self->e.o.depth = 8;
	self->e.o.msg_max = 8192;
	ASSERT_EQ(0, end_open(&self->e, "abi", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&self->e, 100, 'a'));
	ASSERT_EQ(1, raw_take(self->e.fd, &self->taken, 0));
	ASSERT_EQ(1, raw_send(&self->e, 100, 'b'));
	ASSERT_EQ(1, raw_loan(self->e.fd, &self->loaned, 100, 0));
	ASSERT_TRUE(counts_of(self->e.o.out_id, &self->before));
	ASSERT_EQ(1, self->before.queued);
}

FIXTURE_TEARDOWN(abi)
{
	struct counts after;

	/* whatever was tried: nothing has changed, but that free slots may keep pages */
	EXPECT_TRUE(counts_of(self->e.o.out_id, &after));
	after.bytes = self->before.bytes;
	EXPECT_EQ(0, memcmp(&self->before, &after, sizeof(after)));
	EXPECT_EQ(1, raw_release(self->e.fd, &self->taken));
	EXPECT_EQ(1, raw_commit(self->e.fd, &self->loaned));
	end_close(&self->e);
	close(self->dev);
}

/* A valid argument for @op that fails late at most: an array of one untouchable slot. */
static void valid(FIXTURE_DATA(abi) *self, const struct op *op)
{
	memset(&self->arg, 0, sizeof(self->arg));
	memset(&self->d, 0, sizeof(self->d));
	self->d.slot = 1000;
	self->arg.size = op->size;
	if (op->array) {
		self->arg.release.descs = (uintptr_t)&self->d;
		self->arg.release.count = 1;
		self->arg.release.desc_size = sizeof(self->d);
	}
	if (op->pair) { /* QUEUE_CALL and QUEUE_REPLY begin alike */
		self->arg.call.request = (uintptr_t)&self->d;
		self->arg.call.reply = (uintptr_t)&self->d;
		self->arg.call.desc_size = sizeof(self->d);
	}
}

static int call(FIXTURE_DATA(abi) *self, const struct op *op)
{
	return xioctl(op->device ? self->dev : self->e.fd, op->cmd, &self->arg);
}

#define for_each_op(op) for (const struct op *op = ops; op < ops + ARRAY_SIZE(ops); op++)

TEST_F(abi, table_is_complete)
{
	EXPECT_EQ(IPCX_IOC_QUEUE_REPLY - IPCX_IOC_INFO + 1, ARRAY_SIZE(ops));
}

TEST_F(abi, unknown_ioctl)
{
	int fds[] = { self->dev, self->e.fd };

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-ENOTTY, xioctl(fds[i], _IO(IPCX_IOC_MAGIC, 0xff), &self->arg));
		EXPECT_EQ(-ENOTTY, xioctl(fds[i], _IO('x', 0x80), &self->arg));
		EXPECT_EQ(-ENOTTY, xioctl(fds[i], _IOWR(IPCX_IOC_MAGIC, 0x80, int), &self->arg));
		EXPECT_EQ(-ENOTTY, xioctl(fds[i], _IOWR(IPCX_IOC_MAGIC, 0x83, int), &self->arg));
	}
	for_each_op(op) { /* on the other kind of file */
		valid(self, op);
		EXPECT_EQ(-ENOTTY,
			  xioctl(op->device ? self->e.fd : self->dev, op->cmd, &self->arg));
	}
}

TEST_F(abi, size)
{
	for_each_op(op) {
		valid(self, op);
		self->arg.size = op->oldest - 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s short", op->name);
		self->arg.size = 0;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s none", op->name);
		valid(self, op);
		self->arg.size = op->size + 8;
		self->arg.bytes[op->size + 7] = 1;
		EXPECT_EQ(-E2BIG, call(self, op)) TH_LOG("%s long", op->name);
		valid(self, op);
		self->arg.size = 4097;
		EXPECT_EQ(-E2BIG, call(self, op)) TH_LOG("%s too long", op->name);
		self->arg.size = ~0U;
		EXPECT_EQ(-E2BIG, call(self, op)) TH_LOG("%s far too long", op->name);
	}
}

/* Of a caller that knows less: what it knows is written, and nothing behind. */
TEST_F(abi, shorter)
{
	const struct op *stat = &ops[IPCX_IOC_QUEUE_STAT - IPCX_IOC_INFO];

	valid(self, stat);
	self->arg.size = stat->oldest;
	memset(self->arg.bytes + stat->oldest, 0x55, 8);
	EXPECT_EQ(0, call(self, stat));
	EXPECT_EQ(5, self->arg.stat.out_free);
	EXPECT_EQ(2, self->arg.stat.out_sent);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0x55, self->arg.bytes[stat->oldest + i]);
}

/* What only CALL and REPLY have: each is refused, and what is held is still held. */
TEST_F(abi, pair)
{
	for_each_op(op) {
		if (!op->pair)
			continue;
		valid(self, op);
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s slot", op->name);
		valid(self, op);
		self->arg.call.__reserved = 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s reserved", op->name);
		valid(self, op);
		self->arg.call.deadline = -1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s deadline", op->name);
		valid(self, op);
		self->arg.call.desc_size = sizeof(self->d) - 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s short entry", op->name);
		valid(self, op);
		self->arg.call.request = (uintptr_t)BAD_PTR;
		EXPECT_EQ(-EFAULT, call(self, op)) TH_LOG("%s request", op->name);
	}
	valid(self, &ops[ARRAY_SIZE(ops) - 2]);
	for (__u32 with = IPCX_CALL_RELEASE; with <= IPCX_CALL_LOAN; with <<= 1) {
		self->arg.call.flags = IPCX_CALL_WAIT | with;
		EXPECT_EQ(-EINVAL, call(self, &ops[ARRAY_SIZE(ops) - 2]));
	}
	/* a reply to a plain message, by bad memory, from bad memory */
	valid(self, &ops[ARRAY_SIZE(ops) - 1]);
	self->arg.reply.request = (uintptr_t)&self->taken;
	self->d.slot = IPCX_SLOT_NONE;
	self->d.flags = IPCX_MSG_INLINE;
	EXPECT_EQ(-EINVAL, call(self, &ops[ARRAY_SIZE(ops) - 1]));
	self->d.len = 8;
	self->arg.reply.reply_data = (uintptr_t)BAD_PTR;
	EXPECT_EQ(-EFAULT, call(self, &ops[ARRAY_SIZE(ops) - 1]));
	self->arg.reply.reply = (uintptr_t)BAD_PTR;
	EXPECT_EQ(-EFAULT, call(self, &ops[ARRAY_SIZE(ops) - 1]));
}

TEST_F(abi, longer_with_zeros)
{
	valid(self, &ops[0]);
	self->arg.size = 4096;
	EXPECT_EQ(0, call(self, &ops[0]));
	EXPECT_EQ(IPCX_ABI_VERSION, self->arg.info.out_abi);
	EXPECT_EQ(4096, self->arg.size);
}

TEST_F(abi, unknown_flags)
{
	for_each_op(op) {
		for (int bit = 0; bit < 32; bit++) {
			if (op->flags & (1U << bit))
				continue;
			valid(self, op);
			self->arg.word[1] = 1U << bit;
			EXPECT_EQ(-EOPNOTSUPP, call(self, op)) TH_LOG("%s bit %d", op->name, bit);
		}
	}
}

TEST_F(abi, argument_not_readable)
{
	for_each_op(op) {
		int fd = op->device ? self->dev : self->e.fd;

		EXPECT_EQ(-EFAULT, xioctl(fd, op->cmd, NULL));
		EXPECT_EQ(-EFAULT, xioctl(fd, op->cmd, BAD_PTR));
		EXPECT_EQ(-EFAULT, xioctl(fd, op->cmd, (void *)0xffff888000000000));
	}
}

TEST_F(abi, array)
{
	for_each_op(op) {
		if (!op->array)
			continue;
		valid(self, op);
		self->arg.release.count = 0;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s no entries", op->name);
		self->arg.release.count = IPCX_BATCH_MAX + 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s too many", op->name);
		valid(self, op);
		self->arg.release.desc_size = sizeof(self->d) - 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s short entry", op->name);
		self->arg.release.desc_size = 4097;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s long entry", op->name);
		valid(self, op);
		self->arg.release.descs = (uintptr_t)BAD_PTR;
		if (op->cmd == IPCX_IOC_QUEUE_TAKE)
			self->arg.take.len_max = UINT64_MAX;
		EXPECT_EQ(-EFAULT, call(self, op)) TH_LOG("%s bad array", op->name);
	}
}

TEST_F(abi, entry_tail)
{
	char d[128] = { [127] = 1 };

	valid(self, &ops[4]);
	self->arg.release.descs = (uintptr_t)d;
	self->arg.release.desc_size = sizeof(d);
	EXPECT_EQ(-E2BIG, call(self, &ops[4]));
}

TEST_F(abi, entry_reserved)
{
	for_each_op(op) {
		if (!op->array || op->cmd == IPCX_IOC_QUEUE_TAKE)
			continue;
		valid(self, op);
		self->d = self->loaned;
		self->d.__reserved = 1;
		EXPECT_EQ(-EINVAL, call(self, op)) TH_LOG("%s", op->name);
		self->d.__reserved = 0;
		self->d.flags = op->cmd == IPCX_IOC_QUEUE_COMMIT ? IPCX_MSG_POISON :
								   IPCX_MSG_VALID_FLAGS + 1;
		EXPECT_EQ(-EOPNOTSUPP, call(self, op)) TH_LOG("%s", op->name);
	}
}

TEST_F(abi, slot_out_of_range)
{
	const unsigned long cmds[] = { IPCX_IOC_QUEUE_COMMIT, IPCX_IOC_QUEUE_CANCEL,
				       IPCX_IOC_QUEUE_RELEASE };
	const __u32 bad[] = { 8, 9, 0x7fffffff, 0x80000000, 0xffffffff };

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 5; j++) {
			struct ipcx_desc d = { .slot = bad[j] };

			EXPECT_EQ(-EINVAL, raw_done(self->e.fd, cmds[i], &d, 0));
		}
	}
}

TEST_F(abi, slot_not_mine)
{
	struct ipcx_desc free_slot = { 0 }, d;
	struct end other = {};

	ASSERT_EQ(0, end_open(&other, "abi", SENDRECV));
	EXPECT_EQ(-EPERM, raw_commit(other.fd, &self->loaned));
	EXPECT_EQ(-EPERM, raw_cancel(other.fd, &self->loaned));
	EXPECT_EQ(-EPERM, raw_release(other.fd, &self->taken));
	EXPECT_EQ(-EPERM, raw_release(self->e.fd, &self->loaned));
	EXPECT_EQ(-EPERM, raw_commit(self->e.fd, &self->taken));
	EXPECT_EQ(-EPERM, raw_cancel(self->e.fd, &self->taken));
	for (__u32 i = 0; i < 8; i++)
		if (i != self->loaned.slot && i != self->taken.slot)
			free_slot.slot = i;
	EXPECT_EQ(-EPERM, raw_commit(self->e.fd, &free_slot));
	EXPECT_EQ(-EPERM, raw_release(self->e.fd, &free_slot));
	d = self->taken;
	d.seq++;
	EXPECT_EQ(-ESTALE, raw_release(self->e.fd, &d));
	EXPECT_EQ(-ESTALE, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	end_close(&other);
}

TEST_F(abi, values)
{
	struct ipcx_desc d = self->loaned;

	d.len = 101;
	EXPECT_EQ(-EMSGSIZE, raw_commit(self->e.fd, &d));
	d.len = ~0ULL;
	EXPECT_EQ(-EMSGSIZE, raw_commit(self->e.fd, &d));
	d = self->loaned;
	d.prio = IPCX_PRIO_MAX + 1;
	EXPECT_EQ(-EINVAL, raw_commit(self->e.fd, &d));
	EXPECT_EQ(-EMSGSIZE, raw_loan(self->e.fd, &d, 8193, 0));
	EXPECT_EQ(-EMSGSIZE, raw_loan(self->e.fd, &d, ~0ULL, 0));
	EXPECT_EQ(-EINVAL, raw_loan(self->e.fd, &d, 1, -1));
	EXPECT_EQ(-EINVAL, raw_take(self->e.fd, &d, -1));
}

TEST_F(abi, no_right)
{
	struct end send = {}, recv = {};
	struct ipcx_desc d;
	char c;

	ASSERT_EQ(0, end_open(&send, "abi", IPCX_OPEN_SEND));
	ASSERT_EQ(0, end_open(&recv, "abi", IPCX_OPEN_RECV));
	EXPECT_EQ(-EPERM, raw_take(send.fd, &d, 0));
	EXPECT_EQ(-EPERM, raw_loan(recv.fd, &d, 1, 0));
	EXPECT_EQ(-1, read(send.fd, &c, 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, write(recv.fd, &c, 1));
	EXPECT_EQ(EPERM, errno);
	end_close(&send);
	end_close(&recv);
}

/* The second entry cannot be written: the first is taken, the rest stays, unspoilt. */
TEST_F(abi, take_into_bad_memory)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcx_desc *d = (struct ipcx_desc *)(page + 4096) - 1, again;
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = 3,
		.desc_size = sizeof(*d),
		.len_max = UINT64_MAX,
	};

	ASSERT_EQ(0, mprotect(page + 4096, 4096, PROT_READ));
	ASSERT_EQ(1, raw_send(&self->e, 1, 'c'));
	ASSERT_EQ(1, raw_send(&self->e, 2, 'd'));
	EXPECT_EQ(1, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	EXPECT_EQ(100, d->len);
	t.descs = (uintptr_t)(page + 4096);
	EXPECT_EQ(-EFAULT, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(1, raw_take(self->e.fd, &again, 0));
		EXPECT_EQ(i, again.len);
		EXPECT_EQ(0, again.deliveries);
		EXPECT_EQ(1, raw_release(self->e.fd, &again));
	}
	/* as the fixture left it */
	EXPECT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, d, IPCX_RELEASE_NACK));
}

TEST_F(abi, loan_into_bad_memory)
{
	struct ipcx_desc *d = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.descs = (uintptr_t)d,
		.count = 1,
		.desc_size = sizeof(*d),
	};

	EXPECT_EQ(-EFAULT, xioctl(self->e.fd, IPCX_IOC_QUEUE_LOAN, &l));
}

TEST_F(abi, read_into_bad_memory)
{
	struct ipcx_desc d;

	EXPECT_EQ(-1, read(self->e.fd, BAD_PTR, 200));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->e.fd, BAD_PTR, 200));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(1, raw_take(self->e.fd, &d, 0));
	EXPECT_EQ(0, d.deliveries);
	EXPECT_EQ('b', rx_at(&self->e, &d)[99]);
	EXPECT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
}

static int try_open(const char *name, size_t len, __u32 flags)
{
	struct ipcx_queue_open o = { .size = sizeof(o),
				     .flags = flags,
				     .mode = 0600,
				     .name = (uintptr_t)name,
				     .name_len = len };
	int fd = open_raw(&o);

	if (fd >= 0)
		close(fd);
	return fd;
}

TEST_F(abi, names)
{
	char longest[256];
	const __u32 flags = CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL;

	memset(longest, 'n', sizeof(longest));
	EXPECT_EQ(-EINVAL, try_open("x", 0, flags));
	EXPECT_EQ(-EINVAL, try_open(longest, 256, flags));
	EXPECT_EQ(-EINVAL, try_open(longest, ~0U, flags));
	EXPECT_EQ(-EINVAL, try_open("a\0b", 3, flags));
	EXPECT_EQ(-EINVAL, try_open("a/b", 3, flags));
	EXPECT_EQ(-EINVAL, try_open(".a", 2, flags));
	EXPECT_EQ(-EFAULT, try_open(BAD_PTR, 3, flags));
	EXPECT_EQ(-EINVAL, try_open(NULL, 1, flags));
	EXPECT_LE(0, try_open(longest, 255, flags));
	EXPECT_LE(0, try_open("\x1b[2J\xff\n", 6, flags));
	EXPECT_EQ(-ENOENT, try_open("no-such", 7, SENDRECV));
	EXPECT_EQ(-EEXIST, try_open("abi", 3, flags | IPCX_OPEN_EXCL));
}

TEST_F(abi, open_attributes)
{
	const struct {
		struct ipcx_queue_open o;
		int err;
	} cases[] = {
		{ { .flags = CREATE }, -EINVAL },
		{ { .flags = SENDRECV }, -EINVAL },
		{ { .flags = SENDRECV | IPCX_OPEN_EXCL, .name_len = 3 }, -EINVAL },
		{ { .flags = SENDRECV | IPCX_OPEN_EPHEMERAL, .name_len = 3 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .__reserved = 1 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .policy = 4 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .lease_ms = IPCX_LEASE_MS_MAX + 1 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .dead_letter_len = 1 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .dead_letter = 8, .dead_letter_len = 1 }, -EFAULT },
		{ { .flags = CREATE | SENDRECV, .depth = 65537 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .depth = ~0U }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .msg_max = (1ULL << 30) + 1 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .msg_max = ~0ULL }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .msg_max = 8192, .bytes_max = 8191 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .msg_max = 8193, .bytes_max = 8193 }, -EINVAL },
		{ { .flags = CREATE | SENDRECV, .mode = 01000 }, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipcx_queue_open o = cases[i].o;
		const char *name = "abi";

		o.size = sizeof(o);
		if (o.name_len)
			o.name = (uintptr_t)name;
		EXPECT_EQ(cases[i].err, open_raw(&o)) TH_LOG("case %zu", i);
	}
}

TEST_F(abi, open_reply_not_writable)
{
	struct ipcx_queue_open *o =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const char name[] = "left";
	int fd = dup(0);

	close(fd);
	*o = (struct ipcx_queue_open){ .size = sizeof(*o), .flags = CREATE | SENDRECV };
	mprotect(o, 4096, PROT_READ);
	EXPECT_EQ(-EFAULT, xioctl(self->dev, IPCX_IOC_QUEUE_OPEN, o));
	EXPECT_EQ(fd, dup(0)); /* no descriptor was left behind */
	close(fd);
	mprotect(o, 4096, PROT_READ | PROT_WRITE);
	*o = (struct ipcx_queue_open){ .size = sizeof(*o),
				       .flags = CREATE | SENDRECV | IPCX_OPEN_EXCL,
				       .name = (uintptr_t)name,
				       .name_len = 4 };
	mprotect(o, 4096, PROT_READ);
	EXPECT_EQ(-EFAULT, xioctl(self->dev, IPCX_IOC_QUEUE_OPEN, o));
	usleep(20000); /* the file goes with the next return to user space */
	EXPECT_EQ(-ENOENT, try_open(name, 4, SENDRECV));
}

TEST_F(abi, open_does_not_write_its_inputs)
{
	struct ipcx_queue_open o = { .size = sizeof(o), .flags = CREATE | SENDRECV };

	close(open_raw(&o));
	EXPECT_EQ(0, o.depth);
	EXPECT_EQ(0, o.msg_max);
	EXPECT_EQ(0, o.bytes_max);
	EXPECT_EQ(64, o.out_depth);
}

/* A caller that knows more members finds zeros in them. */
TEST_F(abi, longer_entry)
{
	struct {
		struct ipcx_desc d;
		__u64 later;
	} d;
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.len_max = UINT64_MAX,
	};

	memset(&d, 0xff, sizeof(d));
	ASSERT_EQ(1, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	EXPECT_EQ(0, d.later);
	EXPECT_EQ(100, d.d.len);
	EXPECT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &d.d, IPCX_RELEASE_NACK));
}

/* Every byte of an entry is written; nothing of what the kernel had on its stack. */
TEST_F(abi, whole_entry)
{
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)&self->d,
		.count = 1,
		.desc_size = sizeof(self->d),
		.len_max = UINT64_MAX,
	};
	char dirt[3072];

	for (int i = 0; i < 20; i++) {
		/* system calls that leave their words on the kernel's stack */
		struct pollfd p[32] = { 0 };

		memset(dirt, 0xa5, sizeof(dirt));
		memset(p, 0xa5, sizeof(p));
		prctl(PR_SET_NAME, dirt);
		syscall(SYS_poll, p, 32, 0);
		memset(&self->d, 0xff, sizeof(self->d));
		ASSERT_EQ(1, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
		EXPECT_EQ(0, self->d.flags);
		EXPECT_EQ(0, self->d.__reserved);
		EXPECT_EQ(0, self->d.tag);
		EXPECT_EQ(0, self->d.prio);
		EXPECT_EQ(i, self->d.deliveries);
		EXPECT_EQ(getpid(), self->d.pid);
		EXPECT_EQ(1, raw_done(self->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->d,
				      IPCX_RELEASE_NACK));
	}
}

TEST_F(abi, unlink_arguments)
{
	static const char name[] = "abi";
	struct ipcx_unlink u = { .size = sizeof(u), .name = (uintptr_t)name, .name_len = 3 };

	EXPECT_EQ(-EINVAL, xioctl(self->dev, IPCX_IOC_UNLINK, &u));
	u.kind = 99;
	EXPECT_EQ(-EINVAL, xioctl(self->dev, IPCX_IOC_UNLINK, &u));
	EXPECT_EQ(-ENOENT, raw_unlink("no-such"));
}

TEST_HARNESS_MAIN
