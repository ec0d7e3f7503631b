// SPDX-License-Identifier: GPL-2.0-only
/* io_uring and aio: requests that outlive the call that made them. By raw system calls. */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096
#define ENTRIES 8

/* One request at a time is made, so the rings are never full. */
struct ring {
	int fd;
	struct io_uring_params p;
	char *rings; /* both, in one mapping */
	struct io_uring_sqe *sqes;
};

static int ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = syscall(__NR_io_uring_setup, ENTRIES, &r->p);
	if (r->fd < 0)
		return -errno;
	if (!(r->p.features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	r->rings =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	return r->rings == MAP_FAILED || r->sqes == MAP_FAILED ? -errno : 0;
}

static void ring_close(struct ring *r)
{
	munmap(r->rings, 2 * PAGE);
	munmap(r->sqes, PAGE);
	close(r->fd);
}

static __u32 *ring_word(const struct ring *r, __u32 offset)
{
	return (__u32 *)(r->rings + offset);
}

static int submit(struct ring *r, const struct io_uring_sqe *sqe)
{
	__u32 *tail = ring_word(r, r->p.sq_off.tail), i = *tail & (r->p.sq_entries - 1);
	int ret;

	r->sqes[i] = *sqe;
	ring_word(r, r->p.sq_off.array)[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ret = syscall(__NR_io_uring_enter, r->fd, 1, 0, 0, NULL, 0);
	return ret < 0 ? -errno : ret;
}

/* Waits for the next completion, 5 s at most. Return: whether there was one. */
static bool completion(struct ring *r, struct io_uring_cqe *cqe)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	__u32 *head = ring_word(r, r->p.cq_off.head);

	if (poll(&p, 1, 5000) != 1)
		return false;
	*cqe = ((struct io_uring_cqe *)(r->rings +
					r->p.cq_off.cqes))[*head & (r->p.cq_entries - 1)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

static bool nothing_completed(const struct ring *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	return !poll(&p, 1, 50);
}

static int poll_multishot(struct ring *r, int fd, __u64 user)
{
	struct io_uring_sqe s = {
		.opcode = IORING_OP_POLL_ADD,
		.fd = fd,
		.len = IORING_POLL_ADD_MULTI,
		.poll32_events = POLLIN,
		.user_data = user,
	};

	return submit(r, &s);
}

FIXTURE(uring)
{
	struct end send, recv;
	struct ring r;
	struct ipcx_desc d;
	struct io_uring_cqe c;
};

FIXTURE_VARIANT(uring)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(uring, open){
	.flags = 0,
};

FIXTURE_VARIANT_ADD(uring, sealed){
	.flags = IPCX_OPEN_SEALED,
};

FIXTURE_SETUP(uring)
{
	memset(self, 0, sizeof(*self));
	self->send.o.depth = 4;
	self->send.o.msg_max = 4 * PAGE;
	ASSERT_EQ(0, end_open(&self->send, "uring",
			      CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL | variant->flags));
	ASSERT_EQ(0, end_open(&self->recv, "uring", SENDRECV));
	ASSERT_EQ(0, ring_open(&self->r));
}

/* The queue goes with its last endpoint, though a ring may hold that for a moment more. */
FIXTURE_TEARDOWN(uring)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = IPCX_OPEN_RECV,
		.name = (uintptr_t) "uring",
		.name_len = 5,
	};
	int64_t end = in_ms(10000);
	int fd;

	end_close(&self->send);
	if (self->recv.fd >= 0)
		end_close(&self->recv);
	ring_close(&self->r);
	while ((fd = open_raw(&o)) >= 0 && now_ns() < end) {
		close(fd);
		usleep(10000);
	}
	EXPECT_EQ(-ENOENT, fd) TH_LOG("the queue is still there");
}

/* A message for each completion, none without one. */
TEST_F(uring, multishot)
{
	ASSERT_EQ(1, poll_multishot(&self->r, self->recv.fd, 7));
	for (int i = 0; i < 100; i++) {
		ASSERT_TRUE(nothing_completed(&self->r) || i % 10);
		ASSERT_EQ(1, raw_send(&self->send, 8, 'm'));
		ASSERT_TRUE(completion(&self->r, &self->c)) TH_LOG("message %d", i);
		ASSERT_EQ(7, self->c.user_data);
		ASSERT_EQ(POLLIN, self->c.res & (POLLIN | POLLHUP | POLLERR));
		ASSERT_TRUE(self->c.flags & IORING_CQE_F_MORE);
		ASSERT_EQ(1, raw_take(self->recv.fd, &self->d, 0));
		ASSERT_EQ(1, raw_release(self->recv.fd, &self->d));
	}
}

TEST_F(uring, cancel)
{
	struct io_uring_sqe s = { .opcode = IORING_OP_POLL_REMOVE, .addr = 7, .user_data = 8 };
	int seen = 0;

	ASSERT_EQ(1, poll_multishot(&self->r, self->recv.fd, 7));
	ASSERT_EQ(1, submit(&self->r, &s));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(completion(&self->r, &self->c));
		ASSERT_EQ(self->c.user_data == 7 ? -ECANCELED : 0, self->c.res);
		seen += self->c.user_data;
	}
	EXPECT_EQ(15, seen);
	ASSERT_EQ(1, raw_send(&self->send, 8, 'm'));
	EXPECT_TRUE(nothing_completed(&self->r));
}

/* A watched endpoint is held like by a copy of its descriptor, and let go with the ring. */
TEST_F(uring, close)
{
	struct counts c;

	ASSERT_EQ(1, poll_multishot(&self->r, self->recv.fd, 7));
	end_close(&self->recv);
	self->recv.fd = -1;
	ASSERT_TRUE(counts_of(self->send.o.out_id, &c));
	EXPECT_EQ(2, c.receivers);
	ASSERT_EQ(1, raw_send(&self->send, 8, 'm'));
	ASSERT_TRUE(completion(&self->r, &self->c));
	EXPECT_TRUE(self->c.res & POLLIN);
}

TEST_F(uring, removed)
{
	ASSERT_EQ(1, poll_multishot(&self->r, self->recv.fd, 7));
	ASSERT_EQ(0, raw_unlink_flags("uring", IPCX_UNLINK_NOW));
	ASSERT_TRUE(completion(&self->r, &self->c));
	EXPECT_EQ(POLLHUP | POLLERR, self->c.res & (POLLHUP | POLLERR));
}

/*
 * A read into a loan that finds its data after the commit: in a sealed queue there is
 * nothing to write to any more.
 */
/* Those that must wait are tried again when the descriptor is ready, and done once. */
TEST_F(uring, reads_and_writes_wait)
{
	static const size_t len[] = { 8, 100 };
	char in[100] = "", out[100] = "uring";
	struct io_uring_sqe s = { .off = -1 };
	unsigned int depth = self->send.o.out_depth;

	for (int i = 0; i < 2; i++) {
		s.opcode = IORING_OP_READ;
		s.fd = self->recv.fd;
		s.addr = (uintptr_t)in;
		s.len = sizeof(in);
		ASSERT_EQ(1, submit(&self->r, &s));
		ASSERT_TRUE(nothing_completed(&self->r));
		ASSERT_EQ(len[i], write(self->send.fd, out, len[i]));
		ASSERT_TRUE(completion(&self->r, &self->c));
		ASSERT_EQ(len[i], self->c.res);
		ASSERT_EQ(0, memcmp(in, out, len[i]));

		for (unsigned int n = 0; n < depth; n++)
			ASSERT_EQ(8, write(self->send.fd, out, 8));
		s.opcode = IORING_OP_WRITE;
		s.fd = self->send.fd;
		s.addr = (uintptr_t)out;
		s.len = len[i];
		ASSERT_EQ(1, submit(&self->r, &s));
		ASSERT_TRUE(nothing_completed(&self->r));
		for (unsigned int n = 0; n < depth; n++)
			ASSERT_EQ(8, read(self->recv.fd, in, sizeof(in)));
		ASSERT_TRUE(completion(&self->r, &self->c));
		ASSERT_EQ(len[i], self->c.res);
		ASSERT_EQ(len[i], read(self->recv.fd, in, sizeof(in)));
		ASSERT_EQ(-EAGAIN, raw_take(self->recv.fd, &self->d, 0));
	}
}

TEST_F(uring, read_into_what_was_sent)
{
	struct io_uring_sqe s = { .opcode = IORING_OP_READ, .len = 4, .user_data = 9 };
	bool sealed = variant->flags;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, PAGE, 0));
	memset(tx_at(&self->send, &self->d), 's', PAGE);
	s.fd = p[0];
	s.off = -1;
	s.addr = (uintptr_t)tx_at(&self->send, &self->d);
	ASSERT_EQ(1, submit(&self->r, &s));
	EXPECT_TRUE(nothing_completed(&self->r));
	ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
	ASSERT_EQ(1, raw_take(self->recv.fd, &self->d, 0));
	EXPECT_EQ('s', *rx_at(&self->recv, &self->d));
	ASSERT_EQ(4, write(p[1], "evil", 4));
	ASSERT_TRUE(completion(&self->r, &self->c));
	EXPECT_EQ(sealed ? -EFAULT : 4, self->c.res);
	EXPECT_EQ(sealed ? 's' : 'e', *rx_at(&self->recv, &self->d));
	close(p[0]);
	close(p[1]);
}

/*
 * A window as fixed buffer. Kernels that pin file mappings let its owner write to
 * what it pinned, which then is not what a receiver of a sealed queue sees, nor what
 * another writer gets; the others refuse it.
 */
TEST_F(uring, fixed_buffer)
{
	struct io_uring_sqe s = { .opcode = IORING_OP_READ_FIXED, .len = 4, .off = -1 };
	struct ipcx_desc other;
	struct iovec iov;
	int p[2], ret;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, PAGE, 0));
	memset(tx_at(&self->send, &self->d), 's', PAGE);
	iov = (struct iovec){ tx_at(&self->send, &self->d), PAGE };
	ret = syscall(__NR_io_uring_register, self->r.fd, IORING_REGISTER_BUFFERS, &iov, 1);
	if (ret)
		ASSERT_EQ(EOPNOTSUPP, errno);
	TH_LOG("the window is %s", ret ? "refused" : "pinned");
	if (variant->flags) {
		ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
		ASSERT_EQ(1, raw_take(self->recv.fd, &other, 0));
	} else {
		ASSERT_EQ(1, raw_cancel(self->send.fd, &self->d));
		ASSERT_EQ(1, raw_loan(self->recv.fd, &other, PAGE, 0));
		ASSERT_EQ(self->d.slot, other.slot);
		memset(tx_at(&self->recv, &other), 's', PAGE);
		ASSERT_EQ(1, raw_commit(self->recv.fd, &other));
		ASSERT_EQ(1, raw_take(self->recv.fd, &other, 0));
	}
	s.fd = p[0];
	s.addr = (uintptr_t)iov.iov_base;
	ASSERT_EQ(4, write(p[1], "evil", 4));
	ASSERT_EQ(1, submit(&self->r, &s));
	ASSERT_TRUE(completion(&self->r, &self->c));
	EXPECT_EQ(ret ? -EFAULT : 4, self->c.res);
	EXPECT_EQ('s', *rx_at(&self->recv, &other));
	close(p[0]);
	close(p[1]);
}

/*
 * The poll of the older interface: one event; what has not come dies with its context.
 * It knows files with one wait queue only, so an endpoint may have one right.
 */
TEST_F(uring, aio_poll)
{
	struct end only = {};
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	struct iocb *cbs[] = { &cb };
	struct timespec five = { 5 };
	aio_context_t ctx = 0;
	struct io_event ev;

	ASSERT_EQ(0, end_open(&only, "uring", IPCX_OPEN_RECV));
	cb.aio_fildes = only.fd;
	ASSERT_EQ(0, syscall(__NR_io_setup, 4, &ctx));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, syscall(__NR_io_submit, ctx, 1, cbs));
		ASSERT_EQ(1, raw_send(&self->send, 8, 'a'));
		ASSERT_EQ(1, syscall(__NR_io_getevents, ctx, 1, 1, &ev, &five));
		EXPECT_TRUE(ev.res & POLLIN);
		ASSERT_EQ(1, raw_take(only.fd, &self->d, 0));
		ASSERT_EQ(1, raw_release(only.fd, &self->d));
	}
	ASSERT_EQ(1, syscall(__NR_io_submit, ctx, 1, cbs));
	end_close(&only);
	ASSERT_EQ(0, syscall(__NR_io_destroy, ctx));
}

TEST_HARNESS_MAIN
