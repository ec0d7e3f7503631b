// SPDX-License-Identifier: GPL-2.0-only
/*
 * read(2) and write(2) of an endpoint, and their cousins, of all lengths; ipcx_queue_send() and
 * ipcx_queue_recv(), which are those.
 */
#include <fcntl.h>
#include <ipcx.h>
#include <sys/uio.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096
#define DEPTH 4
#define LONGEST (3 * PAGE)

enum how { PLAIN, VECTORS, FLAGS };

FIXTURE(io)
{
	struct end e;
	char *page; /* two of them, the second cannot be touched */
	char out[LONGEST], in[LONGEST + 8];
};

FIXTURE_VARIANT(io)
{
	enum how how;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(io, plain){
	.how = PLAIN,
};

FIXTURE_VARIANT_ADD(io, vectors){
	.how = VECTORS,
};

FIXTURE_VARIANT_ADD(io, flags){
	.how = FLAGS,
};

FIXTURE_VARIANT_ADD(io, sealed){
	.how = PLAIN,
	.flags = IPCX_OPEN_SEALED,
};

static char pattern(size_t i)
{
	return 1 + i * 7 % 251;
}

FIXTURE_SETUP(io)
{
	memset(&self->e, 0, sizeof(self->e));
	self->e.o.depth = DEPTH;
	self->e.o.msg_max = LONGEST;
	ASSERT_EQ(0, end_open(&self->e, NULL, CREATE | SENDRECV | variant->flags));
	self->page =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
	for (size_t i = 0; i < LONGEST; i++)
		self->out[i] = pattern(i);
}

FIXTURE_TEARDOWN(io)
{
	struct counts c;

	EXPECT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(DEPTH, c.free);
	end_close(&self->e);
	munmap(self->page, 2 * PAGE);
}

/* In one piece, in two, or with RWF_NOWAIT. Return: as write(2), or a negative errno. */
static ssize_t put(int fd, enum how how, const void *buf, size_t len)
{
	struct iovec iov[2] = { { (void *)buf, len / 2 },
				{ (char *)buf + len / 2, len - len / 2 } };
	ssize_t r;

	if (how == PLAIN)
		r = write(fd, buf, len);
	else if (how == VECTORS)
		r = writev(fd, iov, 2);
	else
		r = pwritev2(fd, iov, 2, -1, RWF_NOWAIT);
	return r < 0 ? -errno : r;
}

static ssize_t get(int fd, enum how how, void *buf, size_t len)
{
	struct iovec iov[2] = { { buf, len / 2 }, { (char *)buf + len / 2, len - len / 2 } };
	ssize_t r;

	if (how == PLAIN)
		r = read(fd, buf, len);
	else if (how == VECTORS)
		r = readv(fd, iov, 2);
	else
		r = preadv2(fd, iov, 2, -1, RWF_NOWAIT);
	return r < 0 ? -errno : r;
}

static const size_t lengths[] = { 1, 2, 7, 8, 9, 16, 63, 64, 65, PAGE, PAGE + 1, 5000, LONGEST };

/* Every byte comes, and no other is written; a buffer too short changes nothing. */
TEST_F(io, lengths)
{
	int fd = self->e.fd;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t len = lengths[i];

		ASSERT_EQ(len, put(fd, variant->how, self->out, len));
		if (len > 1) {
			ASSERT_EQ(-EMSGSIZE, get(fd, variant->how, self->in, len - 1));
		}
		memset(self->in, 0x55, sizeof(self->in));
		ASSERT_EQ(len, get(fd, variant->how, self->in, len + (i & 1)));
		ASSERT_EQ(0, memcmp(self->in, self->out, len)) TH_LOG("%zu bytes", len);
		for (size_t j = len; j < len + 8; j++)
			ASSERT_EQ(0x55, self->in[j]);
	}
	ASSERT_EQ(-EMSGSIZE, put(fd, variant->how, self->out, LONGEST + 1));
}

/* The empty message; of an empty vector the kernel never tells us. */
TEST_F(io, empty)
{
	if (variant->how != PLAIN)
		return;
	ASSERT_EQ(0, write(self->e.fd, "", 0));
	ASSERT_EQ(1, write(self->e.fd, "x", 1));
	ASSERT_EQ(0, read(self->e.fd, self->in, 8));
	ASSERT_EQ(-EMSGSIZE, get(self->e.fd, PLAIN, self->in, 0));
	ASSERT_EQ(1, read(self->e.fd, self->in, 8));
}

/* Memory that ends within a message: nothing is sent, nothing lost. */
TEST_F(io, faults)
{
	struct ipcx_desc d;
	int fd = self->e.fd;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t len = lengths[i];
		char *bad = self->page + PAGE - (len < PAGE ? len : PAGE) + 1;

		ASSERT_EQ(-EFAULT, put(fd, variant->how, bad, len)) TH_LOG("%zu bytes", len);
		ASSERT_EQ(-EAGAIN, raw_take(fd, &d, 0));
		ASSERT_EQ(len, put(fd, variant->how, self->out, len));
		ASSERT_EQ(-EFAULT, get(fd, variant->how, bad, len)) TH_LOG("%zu bytes", len);
		memset(self->in, 0, len);
		ASSERT_EQ(len, get(fd, variant->how, self->in, len));
		ASSERT_EQ(0, memcmp(self->in, self->out, len)) TH_LOG("%zu bytes", len);
	}
}

/* What is taken by the ioctl is what was written: the last word filled up, and whose it is. */
TEST_F(io, taken_otherwise)
{
	struct ipcx_desc d;

	for (size_t len = 1; len <= IPCX_INLINE_MAX; len++) {
		ASSERT_EQ(len, put(self->e.fd, variant->how, self->out, len));
		memset(raw_places, 0x55, IPCX_INLINE_MAX * DEPTH);
		ASSERT_EQ(1, raw_take(self->e.fd, &d, 0));
		ASSERT_EQ(len, d.len);
		ASSERT_EQ(IPCX_MSG_INLINE, d.flags);
		ASSERT_EQ(getpid(), d.pid);
		ASSERT_EQ(getuid(), d.uid);
		ASSERT_EQ(0, d.tag | d.prio | d.expires | d.deliveries);
		ASSERT_EQ(0, memcmp(raw_places + d.slot * IPCX_INLINE_MAX, self->out, len));
		for (size_t j = len; j % 8; j++)
			ASSERT_EQ(0, raw_places[d.slot * IPCX_INLINE_MAX + j]);
		ASSERT_EQ(1, raw_release(self->e.fd, &d));
	}
}

/* Who must not wait does not, however that was said. */
TEST_F(io, would_wait)
{
	int fd = self->e.fd;

	if (variant->how != FLAGS) {
		ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	}
	EXPECT_EQ(-EAGAIN, get(fd, variant->how, self->in, 8));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, put(fd, variant->how, self->out, 8));
	EXPECT_EQ(-EAGAIN, put(fd, variant->how, self->out, 8));
	EXPECT_EQ(-EAGAIN, put(fd, variant->how, self->out, 100));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, get(fd, variant->how, self->in, 8));
}

/* Messages have no place in a file. */
TEST_F(io, no_position)
{
	char c = 'x';

	ASSERT_EQ(-1, pwrite(self->e.fd, &c, 1, 0));
	ASSERT_EQ(ESPIPE, errno);
	ASSERT_EQ(-1, pread(self->e.fd, &c, 1, 0));
	ASSERT_EQ(ESPIPE, errno);
	ASSERT_EQ(-1, lseek(self->e.fd, 0, SEEK_SET));
	ASSERT_EQ(ESPIPE, errno);
}

/* The child waits for room, or for a message, and gets it. */
TEST_F(io, waits)
{
	int fd = self->e.fd;
	pid_t pid;

	if (variant->how == FLAGS)
		return;
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, put(fd, variant->how, self->out, 8));
	pid = fork();
	if (!pid)
		_exit(put(fd, variant->how, self->out, 60) != 60);
	until_asleep(pid);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(8, get(fd, variant->how, self->in, 8));
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(60, get(fd, variant->how, self->in, 60));
	pid = fork();
	if (!pid)
		_exit(get(fd, variant->how, self->in, 60) != 9 || self->in[8] != pattern(8));
	until_asleep(pid);
	ASSERT_EQ(9, put(fd, variant->how, self->out, 9));
	ASSERT_EQ(0, exit_status(pid));
}

TEST_F(io, removed)
{
	struct end e = { .o = { .depth = DEPTH, .msg_max = LONGEST } };

	ASSERT_EQ(0, end_open(&e, "io-removed", CREATE | SENDRECV));
	ASSERT_EQ(8, put(e.fd, variant->how, self->out, 8));
	ASSERT_EQ(0, raw_unlink_flags("io-removed", IPCX_UNLINK_NOW));
	ASSERT_EQ(-EIDRM, put(e.fd, variant->how, self->out, 8));
	ASSERT_EQ(-EIDRM, put(e.fd, variant->how, self->out, 100));
	ASSERT_EQ(-EIDRM, get(e.fd, variant->how, self->in, 8));
	end_close(&e);
}

FIXTURE(lib)
{
	struct ipcx_queue *q;
	char buf[LONGEST];
};

FIXTURE_SETUP(lib)
{
	IPCX_QUEUE_OPTS(opts, .depth = 1, .msg_max = LONGEST);

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0,
		  ipcx_queue_open(&self->q, "kernel:", IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
}

FIXTURE_TEARDOWN(lib)
{
	ipcx_queue_close(self->q);
}

/* The slot that a commit has brought for the next message is not in its way. */
TEST_F(lib, spare)
{
	IPCX_QUEUE_OPTS(opts, .depth = 2, .msg_max = LONGEST);
	static const int64_t deadline[] = { IPCX_NOWAIT, IPCX_FOREVER, INT64_MAX / 2 };
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg m;

	ipcx_queue_close(self->q);
	ASSERT_EQ(0,
		  ipcx_queue_open(&self->q, "kernel:", IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &m, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_queue_commit(self->q, &m));
		ASSERT_EQ(0, ipcx_queue_stat(self->q, &stats));
		ASSERT_EQ(1, stats.loaned);
		ASSERT_EQ(0, ipcx_queue_send(self->q, "12345678", 8, deadline[i]));
		ASSERT_EQ(8, ipcx_queue_recv(self->q, self->buf, 8, deadline[i]));
		ASSERT_EQ(8, ipcx_queue_recv(self->q, self->buf, LONGEST, deadline[i]));
		ASSERT_EQ('8', self->buf[7]);
	}
}

static void wake_up(int sig)
{
}

/* Whatever somebody has made of the descriptor, who gives time waits. */
TEST_F(lib, nonblock)
{
	struct sigaction sa = { .sa_handler = wake_up };

	sigaction(SIGALRM, &sa, NULL);
	ASSERT_EQ(0, fcntl(ipcx_queue_fd(self->q), F_SETFL, O_NONBLOCK));
	alarm(1);
	EXPECT_EQ(-EINTR, ipcx_queue_recv(self->q, self->buf, 8, IPCX_FOREVER));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "1", 1, IPCX_FOREVER));
	alarm(1);
	EXPECT_EQ(-EINTR, ipcx_queue_send(self->q, "2", 1, IPCX_FOREVER));
	EXPECT_EQ(-EAGAIN, ipcx_queue_send(self->q, "2", 1, IPCX_NOWAIT));
	EXPECT_EQ(1, ipcx_queue_recv(self->q, self->buf, 8, IPCX_FOREVER));
	EXPECT_EQ(-EAGAIN, ipcx_queue_recv(self->q, self->buf, 8, IPCX_NOWAIT));
}

/* Each with its reason, and nothing is lost. */
TEST_F(lib, errors)
{
	EXPECT_EQ(-EAGAIN, ipcx_queue_recv(self->q, self->buf, 8, IPCX_NOWAIT));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_recv(self->q, self->buf, 8, in_ms(10)));
	EXPECT_EQ(-EINVAL, ipcx_queue_recv(self->q, self->buf, 8, -1));
	EXPECT_EQ(-EINVAL, ipcx_queue_send(self->q, self->buf, 8, -1));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_send(self->q, self->buf, LONGEST + 1, IPCX_FOREVER));
	EXPECT_NE(NULL, strstr(ipcx_error(), "12289"));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_send(self->q, self->buf, SIZE_MAX, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_send(self->q, self->buf, 100, IPCX_FOREVER));
	EXPECT_EQ(-EAGAIN, ipcx_queue_send(self->q, self->buf, 8, IPCX_NOWAIT));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_send(self->q, self->buf, 8, in_ms(10)));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, self->buf, 99, IPCX_FOREVER));
	EXPECT_NE(NULL, strstr(ipcx_error(), "stays in the queue"));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, self->buf, 0, IPCX_NOWAIT));
	/* the length of a buffer that is longer than any message is not believed */
	EXPECT_EQ(100, ipcx_queue_recv(self->q, self->buf, SIZE_MAX, IPCX_NOWAIT));
	EXPECT_EQ(-EFAULT, ipcx_queue_send(self->q, (void *)8, 8, IPCX_FOREVER));
	ASSERT_EQ(0, ipcx_queue_send(self->q, NULL, 0, IPCX_FOREVER));
	EXPECT_EQ(0, ipcx_queue_recv(self->q, NULL, 0, IPCX_FOREVER));
}

TEST_HARNESS_MAIN
