// SPDX-License-Identifier: GPL-2.0-only
/* The windows: zero copy, walls, revocation, VMA surgery. */
#include <sys/syscall.h>
#include <sys/uio.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096

FIXTURE(map)
{
	struct end both, send, recv;
};

/* One slot: whoever gets it gets the one the other had. */
FIXTURE_SETUP(map)
{
	memset(self, 0, sizeof(*self));
	self->both.o.depth = 1;
	self->both.o.msg_max = 16 * PAGE;
	ASSERT_EQ(0, end_open(&self->both, "map", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&self->send, "map", IPCX_OPEN_SEND));
	ASSERT_EQ(0, end_open(&self->recv, "map", IPCX_OPEN_RECV));
}

FIXTURE_TEARDOWN(map)
{
	end_close(&self->both);
	end_close(&self->send);
	end_close(&self->recv);
}

TEST_F(map, same_physical_page)
{
	struct ipcx_desc d;
	uint64_t pfn[3];

	ASSERT_EQ(1, raw_loan(self->send.fd, &d, 3 * PAGE, 0));
	for (int i = 0; i < 3; i++) {
		memset(tx_at(&self->send, &d) + i * PAGE, 'a' + i, PAGE);
		pfn[i] = pfn_of(tx_at(&self->send, &d) + i * PAGE);
		ASSERT_NE(0, pfn[i]);
	}
	ASSERT_EQ(1, raw_commit(self->send.fd, &d));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ('a' + i, rx_at(&self->recv, &d)[i * PAGE + 7]);
		EXPECT_EQ(pfn[i], pfn_of(rx_at(&self->recv, &d) + i * PAGE));
	}
	EXPECT_EQ(1, raw_release(self->recv.fd, &d));
}

TEST_F(map, receive_window_is_read_only_for_ever)
{
	struct iovec local = { "x", 1 }, remote = { self->recv.rx, 1 };
	struct ipcx_desc d;
	int fd;

	ASSERT_EQ(1, raw_send(&self->send, 10, 'r'));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	EXPECT_EQ(0, probe(rx_at(&self->recv, &d), false));
	EXPECT_EQ(SIGSEGV, probe(rx_at(&self->recv, &d), true));
	EXPECT_EQ(-1, mprotect(self->recv.rx, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	fd = open("/proc/self/mem", O_RDWR);
	EXPECT_EQ(-1, pwrite(fd, "x", 1, (uintptr_t)self->recv.rx));
	close(fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->recv.fd,
				   self->recv.o.out_rx_offset));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ('r', *rx_at(&self->recv, &d));
	EXPECT_EQ(1, raw_release(self->recv.fd, &d));
}

/* Each end has both windows, but of messages it sees in the other one none. */
TEST_F(map, window_of_the_other_right)
{
	char *rx = mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, self->send.fd,
			self->send.o.out_rx_offset);
	char *tx = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->recv.fd,
			self->recv.o.out_tx_offset);
	struct ipcx_desc d;

	ASSERT_NE(MAP_FAILED, rx);
	ASSERT_NE(MAP_FAILED, tx);
	EXPECT_EQ(-1, mprotect(rx, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, 100, 0));
	EXPECT_EQ(SIGBUS, probe(rx, false));
	EXPECT_EQ(SIGBUS, probe(tx, true));
	ASSERT_EQ(1, raw_commit(self->send.fd, &d));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	EXPECT_EQ(SIGBUS, probe(rx, false));
	EXPECT_EQ(SIGBUS, probe(tx, true));
	ASSERT_EQ(1, raw_release(self->recv.fd, &d));
	munmap(rx, 16 * PAGE);
	munmap(tx, 16 * PAGE);
}

TEST_F(map, refused_mappings)
{
	const struct {
		int end, prot, flags;
		uint64_t off, len;
		int err;
	} cases[] = {
		{ 1, PROT_READ | PROT_WRITE, MAP_SHARED, 16 * PAGE, PAGE, EACCES },
		{ 0, PROT_READ, MAP_PRIVATE, 0, PAGE, EINVAL },
		{ 0, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, PAGE, EINVAL },
		{ 0, PROT_READ | PROT_EXEC, MAP_SHARED, 0, PAGE, EPERM },
		{ 0, PROT_READ, MAP_SHARED, 15 * PAGE, 2 * PAGE, EINVAL }, /* both windows */
		{ 0, PROT_READ, MAP_SHARED, 32 * PAGE, PAGE, EINVAL }, /* behind them */
		{ 0, PROT_READ, MAP_SHARED, 31 * PAGE, 2 * PAGE, EINVAL },
		{ 0, PROT_READ, MAP_SHARED, 0x7ffffffffffff000, PAGE, EINVAL },
	};
	int fds[] = { self->both.fd, self->send.fd, self->recv.fd };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		errno = 0;
		EXPECT_EQ(MAP_FAILED, mmap(NULL, cases[i].len, cases[i].prot, cases[i].flags,
					   fds[cases[i].end], cases[i].off));
		EXPECT_EQ(cases[i].err, errno) TH_LOG("case %zu", i);
	}
	EXPECT_EQ(-1, mprotect(self->both.tx, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(map, only_what_is_held_faults_in)
{
	struct ipcx_desc d;

	EXPECT_EQ(SIGBUS, probe(self->both.tx, true));
	EXPECT_EQ(SIGBUS, probe(self->both.rx, false));
	ASSERT_EQ(1, raw_loan(self->both.fd, &d, PAGE + 1, 0));
	EXPECT_EQ(0, probe(tx_at(&self->both, &d), true));
	EXPECT_EQ(0, probe(tx_at(&self->both, &d) + PAGE, true));
	EXPECT_EQ(SIGBUS, probe(tx_at(&self->both, &d) + 2 * PAGE, true));
	EXPECT_EQ(SIGBUS, probe(self->send.tx, true));
	EXPECT_EQ(SIGBUS, probe(self->both.rx, false));
	ASSERT_EQ(1, raw_commit(self->both.fd, &d));
	EXPECT_EQ(SIGBUS, probe(self->recv.rx, false));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	EXPECT_EQ(0, probe(self->recv.rx, false));
	EXPECT_EQ(SIGBUS, probe(self->both.rx, false));
	EXPECT_EQ(SIGBUS, probe(self->recv.rx + 2 * PAGE, false));
	EXPECT_EQ(1, raw_release(self->recv.fd, &d));
}

/* The slot has more pages than the message: what is behind it is nobody's business. */
TEST_F(map, nothing_behind_the_message)
{
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_send(&self->send, 4 * PAGE, 'l'));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	ASSERT_EQ(1, raw_release(self->recv.fd, &d));
	ASSERT_EQ(1, raw_send(&self->send, 3 * PAGE, 's'));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	EXPECT_EQ(0, probe(self->recv.rx + 2 * PAGE, false));
	EXPECT_EQ(SIGBUS, probe(self->recv.rx + 3 * PAGE, false));
	EXPECT_EQ(1, raw_release(self->recv.fd, &d));
}

/* The slot that it released belongs to another sender now. */
TEST_F(map, receiver_loses_what_changes_hands)
{
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_send(&self->send, PAGE, 'r'));
	ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
	ASSERT_EQ('r', *rx_at(&self->recv, &d));
	ASSERT_EQ(1, raw_release(self->recv.fd, &d));
	ASSERT_EQ(1, raw_loan(self->both.fd, &d, PAGE, 0));
	EXPECT_EQ(SIGBUS, probe(self->recv.rx, false));
	EXPECT_EQ(1, raw_cancel(self->both.fd, &d));
}

/* A page that is taken from a slot may not stay in a window. */
TEST(page_that_left_is_not_mapped)
{
	struct end e = { .o = { .depth = 1, .msg_max = 4 * PAGE, .bytes_max = 4 * PAGE } };
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 4 * PAGE, 0));
	memset(e.tx, 't', 4 * PAGE);
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	/* more than half of bytes_max: cut to what the message needs */
	ASSERT_EQ(1, raw_loan(e.fd, &d, 3 * PAGE, 0));
	EXPECT_EQ(0, probe(e.tx + 2 * PAGE, true));
	EXPECT_EQ(SIGBUS, probe(e.tx + 3 * PAGE, true));
	end_close(&e);
}

static bool all_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Each sender in turn writes a secret and gives the slot back; the other must not find it. */
TEST_F(map, senders_cannot_read_each_other)
{
	struct end other = {};
	struct end *ends[] = { &self->send, &other };
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&other, "map", IPCX_OPEN_SEND));
	for (int i = 0; i < 6; i++) {
		struct end *e = ends[i & 1];
		size_t len = (i < 3 ? 2 : 5) * PAGE;

		ASSERT_EQ(1, raw_loan(e->fd, &d, len, 0));
		ASSERT_TRUE(all_zero(tx_at(e, &d), len)) TH_LOG("turn %d", i);
		memset(tx_at(e, &d), 's', len);
		/* the one before has lost it, to read and to write */
		EXPECT_EQ(SIGBUS, probe(tx_at(ends[!(i & 1)], &d), false));
		if (i & 2) {
			ASSERT_EQ(1, raw_commit(e->fd, &d));
			ASSERT_EQ(1, raw_take(self->recv.fd, &d, 0));
			ASSERT_EQ(1, raw_release(self->recv.fd, &d));
		} else {
			ASSERT_EQ(1, raw_cancel(e->fd, &d));
		}
	}
	/* one page first, then more of the same slot: the rest is no secret's either */
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, 1, 0));
	ASSERT_EQ(1, raw_cancel(self->send.fd, &d));
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, 5 * PAGE, 0));
	ASSERT_TRUE(all_zero(tx_at(&self->send, &d), 5 * PAGE));
	ASSERT_EQ(1, raw_cancel(self->send.fd, &d));
	end_close(&other);
}

/* New pages are whatever another process had before. */
TEST(new_pages_are_empty)
{
	const size_t len = 64 << 20;
	struct end e = { .o = { .depth = 1, .msg_max = len } };
	struct ipcx_desc d;
	char *dirt =
		mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, dirt);
	memset(dirt, 'd', 2 * len);
	munmap(dirt, 2 * len);
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, len, 0));
	for (size_t i = 0; i < len; i += PAGE)
		ASSERT_TRUE(all_zero(e.tx + i, 64));
	end_close(&e);
}

/* A page that its writer keeps by a pipe must not become part of another's message. */
TEST_F(map, pinned_page_is_not_recycled)
{
	struct ipcx_desc d;
	struct end other = {};
	struct iovec iov;
	uint64_t pfn;
	int p[2];
	char c;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, end_open(&other, "map", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, PAGE, 0));
	memset(tx_at(&self->send, &d), 'p', PAGE);
	pfn = pfn_of(tx_at(&self->send, &d));
	iov = (struct iovec){ tx_at(&self->send, &d), PAGE };
	ASSERT_EQ(PAGE, vmsplice(p[1], &iov, 1, 0));
	ASSERT_EQ(1, raw_cancel(self->send.fd, &d));
	ASSERT_EQ(1, raw_loan(other.fd, &d, PAGE, 0));
	memset(tx_at(&other, &d), 'q', PAGE);
	EXPECT_NE(pfn, pfn_of(tx_at(&other, &d)));
	EXPECT_EQ(1, read(p[0], &c, 1));
	EXPECT_EQ('p', c);
	EXPECT_EQ(1, raw_cancel(other.fd, &d));
	end_close(&other);
	close(p[0]);
	close(p[1]);
}

TEST_F(map, sender_that_pinned_and_died)
{
	struct ipcx_desc d;
	struct iovec iov;
	uint64_t pfn;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, PAGE, 0));
	memset(tx_at(&self->send, &d), 'p', PAGE);
	pfn = pfn_of(tx_at(&self->send, &d));
	iov = (struct iovec){ tx_at(&self->send, &d), PAGE };
	ASSERT_EQ(PAGE, vmsplice(p[1], &iov, 1, 0));
	end_close(&self->send);
	memset(&self->send, 0, sizeof(self->send));
	ASSERT_EQ(0, end_open(&self->send, "map", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(self->send.fd, &d, PAGE, 0));
	EXPECT_EQ(0, tx_at(&self->send, &d)[0]);
	tx_at(&self->send, &d)[0] = 1;
	EXPECT_NE(pfn, pfn_of(tx_at(&self->send, &d)));
	EXPECT_EQ(1, raw_cancel(self->send.fd, &d));
	close(p[0]);
	close(p[1]);
}

TEST_F(map, surgery)
{
	struct ipcx_desc d;
	char *moved;

	ASSERT_EQ(1, raw_loan(self->send.fd, &d, 4 * PAGE, 0));
	memset(self->send.tx, 'm', 4 * PAGE);
	EXPECT_EQ(0, munmap(self->send.tx + PAGE, PAGE));
	EXPECT_EQ(SIGSEGV, probe(self->send.tx + PAGE, false));
	EXPECT_EQ(0, probe(self->send.tx + 2 * PAGE, true));
	moved = mremap(self->send.tx + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ('m', moved[PAGE]);
	EXPECT_EQ(MAP_FAILED, mremap(moved, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(1, raw_cancel(self->send.fd, &d));
	/* the moved piece is revoked as the others are */
	ASSERT_EQ(1, raw_loan(self->both.fd, &d, 4 * PAGE, 0));
	EXPECT_EQ(SIGBUS, probe(moved + PAGE, false));
	EXPECT_EQ(SIGBUS, probe(self->send.tx, false));
	ASSERT_EQ(1, raw_cancel(self->both.fd, &d));
	munmap(moved, 2 * PAGE);
}

TEST_F(map, child_does_not_inherit_the_windows)
{
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(1, raw_loan(self->send.fd, &d, PAGE, 0));
	self->send.tx[0] = 'x';
	pid = fork();
	if (!pid)
		_exit(probe(self->send.tx, false) == SIGSEGV ? 0 : 1);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ('x', self->send.tx[0]);
	ASSERT_EQ(1, raw_cancel(self->send.fd, &d));
}

TEST_F(map, map_outlives_the_descriptor)
{
	struct counts c;
	struct ipcx_desc d;
	struct end e = {};

	e.o.depth = 2;
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_send(&e, 3 * PAGE, 'k'));
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	EXPECT_EQ('k', rx_at(&e, &d)[0]);
	close(e.fd);
	EXPECT_EQ('k', rx_at(&e, &d)[2 * PAGE]);
	EXPECT_TRUE(counts_of(e.o.out_id, &c));
	munmap(e.tx, e.o.out_window);
	munmap(e.rx, e.o.out_window);
	EXPECT_FALSE(counts_of(e.o.out_id, &c));
}

TEST_F(map, core_dump_leaves_the_windows_out)
{
	char line[256], want[32];
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false, found = false;

	snprintf(want, sizeof(want), "%lx-", (unsigned long)self->recv.rx);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && !strncmp(line, want, strlen(want)))
			here = true;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			found = true;
			EXPECT_NE(NULL, strstr(line, " dd")); /* VM_DONTDUMP */
			EXPECT_NE(NULL, strstr(line, " dc")); /* VM_DONTCOPY */
			EXPECT_NE(NULL, strstr(line, " de")); /* VM_DONTEXPAND */
			EXPECT_EQ(NULL, strstr(line, " mw")); /* VM_MAYWRITE */
			EXPECT_EQ(NULL, strstr(line, " me")); /* VM_MAYEXEC */
			break;
		}
	}
	fclose(f);
	EXPECT_TRUE(found);
}

TEST_HARNESS_MAIN
