// SPDX-License-Identifier: GPL-2.0-only
/* Messages that carry regions: who gets what of them, and that nothing of them stays. */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "call_util.h"
#include "region_use.h"
#include "tap_util.h"

#include "../kselftest_harness.h"

#include "handles_end.h"
#include "handles_lib.h"

#define NAME "handles"
#define DEAD "handles-dead"

FIXTURE(queue_handles)
{
	struct side s, r;
	struct ipcx_desc d;
	int fd; /* a region */
	char *p; /* where it is seen */
};

FIXTURE_SETUP(queue_handles)
{
	self->s.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = 8192 };
	ASSERT_EQ(0, side_open(&self->s, NAME, CREATE | IPCX_OPEN_SEND));
	ASSERT_EQ(0, side_open(&self->r, NAME, IPCX_OPEN_RECV));
	self->fd = region_new(PAGE);
	ASSERT_LE(0, self->fd);
	self->p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	strcpy(self->p, "here");
}

FIXTURE_TEARDOWN(queue_handles)
{
	munmap(self->p, PAGE);
	close(self->fd);
	end_close(&self->s.e);
	end_close(&self->r.e);
	raw_unlink(NAME);
}

/* A message of @s that carries @fd. Return: 1, or a negative errno. */
static int send_region(struct side *s, int fd, unsigned int flags)
{
	struct ipcx_desc d;
	int ret = side_loan(s, &d, 100, 0);

	if (ret == 1)
		ret = region_attach(s->e.fd, d.slot, fd, flags);
	return ret < 0 ? ret : raw_commit(s->e.fd, &d);
}

static int take_one(struct side *s, struct ipcx_desc *d)
{
	return side_take(s, d, IPCX_DEADLINE_NOWAIT, 0);
}

static bool says_here(int fd)
{
	char buf[5] = "";

	return fd >= 0 && pread(fd, buf, 5, 0) == 5 && !strcmp(buf, "here");
}

TEST_F(queue_handles, shared)
{
	struct ipcx_queue_fetch f;
	int a, b;
	char *q;

	ASSERT_EQ(1, send_region(&self->s, self->fd, BOTH));
	ASSERT_EQ(1, side_take(&self->r, &self->d, 0, IPCX_TAKE_PEEK));
	EXPECT_EQ(IPCX_MSG_REGIONS, self->d.flags);
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(IPCX_MSG_REGIONS, self->d.flags);
	a = region_fetch_what(self->r.e.fd, &self->d, 0, &f);
	ASSERT_LE(0, a);
	EXPECT_EQ(1, f.out_count);
	EXPECT_EQ(BOTH, f.out_flags);
	EXPECT_EQ(FD_CLOEXEC, fcntl(a, F_GETFD));
	b = region_fetch(self->r.e.fd, &self->d, 0);
	ASSERT_LT(a, b);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	ASSERT_NE(MAP_FAILED, q);
	q[PAGE - 1] = 'x';
	EXPECT_EQ(pfn_of(self->p), pfn_of(q));
	EXPECT_EQ('x', self->p[PAGE - 1]);
	lseek(a, 3, SEEK_SET); /* of each its own */
	EXPECT_EQ(0, lseek(b, 0, SEEK_CUR));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(-ENOENT, region_fetch(self->r.e.fd, &self->d, 1));
	EXPECT_EQ(-ENOENT, region_fetch(self->r.e.fd, &self->d, ~0U));
	EXPECT_EQ(1, raw_release(self->r.e.fd, &self->d));
	EXPECT_EQ(-EPERM, region_fetch(self->r.e.fd, &self->d, 0));
	EXPECT_TRUE(says_here(a));
	munmap(q, PAGE);
	close(a);
	close(b);
}

/* Nobody passes on what he may not do himself, and may pass on less. */
TEST_F(queue_handles, rights)
{
	static const unsigned int all[] = { IPCX_REGION_READ, IPCX_REGION_WRITE, BOTH };
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int from, to;
	char path[64];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
		from = open(path, ways[i]);
		ASSERT_LE(0, from);
		for (int k = 0; k < 3; k++) {
			bool may = !(all[k] & ~all[i]);

			ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
			ASSERT_EQ(may ? 0 : -EACCES,
				  region_attach(self->s.e.fd, self->d.slot, from, all[k]));
			ASSERT_EQ(1, raw_commit(self->s.e.fd, &self->d));
			ASSERT_EQ(1, take_one(&self->r, &self->d));
			ASSERT_EQ(may ? IPCX_MSG_REGIONS : 0, self->d.flags);
			to = region_fetch(self->r.e.fd, &self->d, 0);
			ASSERT_EQ(may, to >= 0);
			if (may)
				EXPECT_EQ(all[k], region_may(to));
			close(to);
			ASSERT_EQ(1, raw_release(self->r.e.fd, &self->d));
		}
		close(from);
	}
}

/* Who has only the descriptor cannot make it more; who may write the region by its mode can. */
TEST_F(queue_handles, opened_anew)
{
	int fd;

	ASSERT_EQ(1, send_region(&self->s, self->fd, IPCX_REGION_READ));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	fd = region_fetch(self->r.e.fd, &self->d, 0);
	EXPECT_EQ(EACCES, region_anew(fd));
	ASSERT_EQ(0, fchmod(fd, 0606));
	EXPECT_EQ(0, region_anew(fd));
	close(fd);
}

TEST_F(queue_handles, several)
{
	int fd[IPCX_ATTACH_MAX + 1], got;

	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
	for (int i = 0; i <= IPCX_ATTACH_MAX; i++) {
		fd[i] = region_new(PAGE * (i + 1));
		ASSERT_EQ(i < IPCX_ATTACH_MAX ? i : -ENOSPC,
			  region_attach(self->s.e.fd, self->d.slot, fd[i], BOTH));
	}
	for (int i = 0; i <= IPCX_ATTACH_MAX; i++)
		close(fd[i]);
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &self->d));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	for (int i = IPCX_ATTACH_MAX; i--;) {
		struct ipcx_queue_fetch f;

		got = region_fetch_what(self->r.e.fd, &self->d, i, &f);
		ASSERT_LE(0, got);
		EXPECT_EQ(IPCX_ATTACH_MAX, f.out_count);
		EXPECT_EQ(PAGE * (i + 1), lseek(got, 0, SEEK_END));
		close(got);
	}
	EXPECT_EQ(-ENOENT, region_fetch(self->r.e.fd, &self->d, IPCX_ATTACH_MAX));
}

/* Only regions: what could keep the queue alive, and with it the message, is none. */
TEST_F(queue_handles, no_regions)
{
	int pair[2], fd[10], n = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fd[n++] = pair[0];
	fd[n++] = pair[1];
	fd[n++] = open("/proc/self/exe", O_RDONLY);
	fd[n++] = memfd_create("ipcx", MFD_CLOEXEC);
	fd[n++] = epoll_create1(EPOLL_CLOEXEC);
	fd[n++] = open("/dev/ipcx", O_RDWR);
	fd[n++] = dup(self->s.e.fd);
	fd[n++] = dup(self->r.e.fd);
	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
	for (int i = 0; i < n; i++) {
		ASSERT_LE(0, fd[i]);
		EXPECT_EQ(-EOPNOTSUPP,
			  region_attach(self->s.e.fd, self->d.slot, fd[i], IPCX_REGION_READ));
		close(fd[i]);
		EXPECT_EQ(-EBADF,
			  region_attach(self->s.e.fd, self->d.slot, fd[i], IPCX_REGION_READ));
	}
	fd[0] = open(path, O_PATH);
	EXPECT_EQ(-EBADF, region_attach(self->s.e.fd, self->d.slot, fd[0], IPCX_REGION_READ));
	close(fd[0]);
	EXPECT_EQ(-EBADF, region_attach(self->s.e.fd, self->d.slot, -1, IPCX_REGION_READ));
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &self->d));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(0, self->d.flags);
	EXPECT_EQ(-ENOENT, region_fetch(self->r.e.fd, &self->d, 0));
}

TEST_F(queue_handles, attach_arguments)
{
	struct ipcx_queue_attach a = { .size = sizeof(a), .flags = BOTH, .fd = self->fd };
	struct {
		struct ipcx_queue_attach a;
		char more[8];
	} longer = { .a = a };
	struct side other = {};

	ASSERT_EQ(16, sizeof(a));
	EXPECT_EQ(-EPERM, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, &a));
	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
	a.slot = self->d.slot;
	for (a.size = 0; a.size < sizeof(a); a.size++)
		EXPECT_EQ(-EINVAL, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, &a));
	longer.a.slot = a.slot;
	longer.a.size = sizeof(longer);
	longer.more[7] = 1;
	EXPECT_EQ(-E2BIG, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, &longer));
	for (int bit = 0; bit < 32; bit++) {
		a.flags = 1U << bit;
		if (!(a.flags & BOTH))
			EXPECT_EQ(-EOPNOTSUPP, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, &a));
	}
	a.flags = 0;
	EXPECT_EQ(-EINVAL, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, &a));
	EXPECT_EQ(-EINVAL, region_attach(self->s.e.fd, 4, self->fd, BOTH));
	EXPECT_EQ(-EINVAL, region_attach(self->s.e.fd, IPCX_SLOT_NONE, self->fd, BOTH));
	EXPECT_EQ(-EFAULT, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_ATTACH, (void *)0x10));
	/* of others, or no loan any more */
	ASSERT_EQ(0, side_open(&other, NAME, IPCX_OPEN_SEND));
	EXPECT_EQ(-EPERM, region_attach(other.e.fd, self->d.slot, self->fd, BOTH));
	EXPECT_EQ(-EPERM, region_attach(self->r.e.fd, self->d.slot, self->fd, BOTH));
	end_close(&other.e);
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &self->d));
	EXPECT_EQ(-EPERM, region_attach(self->s.e.fd, self->d.slot, self->fd, BOTH));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(0, self->d.flags);
	EXPECT_EQ(-EPERM, region_attach(self->r.e.fd, self->d.slot, self->fd, BOTH));
	/* what is told when a message is taken is not what one says who sends it */
	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
	self->d.flags = IPCX_MSG_REGIONS;
	EXPECT_EQ(-EOPNOTSUPP, raw_commit(self->s.e.fd, &self->d));
}

TEST_F(queue_handles, fetch_arguments)
{
	struct ipcx_queue_fetch f = { .size = sizeof(f) }, *page;
	struct side other = {};
	int free_fd = dup(0);

	close(free_fd);
	ASSERT_EQ(32, sizeof(f));
	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, 0));
	ASSERT_EQ(0, region_attach(self->s.e.fd, self->d.slot, self->fd, BOTH));
	EXPECT_EQ(-EPERM, region_fetch(self->s.e.fd, &self->d, 0)); /* one's own loan */
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &self->d));
	EXPECT_EQ(-EPERM, region_fetch(self->r.e.fd, &self->d, 0)); /* not taken yet */
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	f.slot = self->d.slot;
	f.seq = self->d.seq;
	for (f.size = 0; f.size < sizeof(f); f.size++)
		EXPECT_EQ(-EINVAL, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, &f));
	for (int bit = 0; bit < 32; bit++) {
		f.flags = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, &f));
	}
	f.flags = 0;
	f.seq++;
	EXPECT_EQ(-ESTALE, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, &f));
	f.seq--;
	f.slot = 4;
	EXPECT_EQ(-EINVAL, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, &f));
	f.slot = self->d.slot;
	ASSERT_EQ(0, side_open(&other, NAME, IPCX_OPEN_RECV));
	EXPECT_EQ(-EPERM, region_fetch(other.e.fd, &self->d, 0));
	end_close(&other.e);
	/* there is no place for the reply: no descriptor is left, and the message is as it was */
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = f;
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, page));
	munmap(page, PAGE);
	EXPECT_EQ(free_fd, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_FETCH, &f));
	close(free_fd);
}

/* Who has a lease on the file of a region lets nobody wait who fetches that. */
TEST_F(queue_handles, file_lease)
{
	int64_t begin = now_ns();
	int fd;

	signal(SIGIO, SIG_IGN); /* it tells who has the lease */
	ASSERT_EQ(0, fcntl(self->fd, F_SETLEASE, F_WRLCK));
	ASSERT_EQ(1, send_region(&self->s, self->fd, BOTH));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(-EAGAIN, region_fetch(self->r.e.fd, &self->d, 0));
	EXPECT_EQ(-EAGAIN, region_fetch(self->r.e.fd, &self->d, 0));
	EXPECT_GT(begin + 20000000000, now_ns()); /* it ends after 45 s */
	ASSERT_EQ(0, fcntl(self->fd, F_SETLEASE, F_UNLCK));
	fd = region_fetch(self->r.e.fd, &self->d, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
}

TEST_F(queue_handles, no_descriptor_free)
{
	struct rlimit limit, none;
	int next = dup(0);

	close(next);
	ASSERT_EQ(1, send_region(&self->s, self->fd, BOTH));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, region_fetch(self->r.e.fd, &self->d, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(next, region_fetch(self->r.e.fd, &self->d, 0));
	EXPECT_TRUE(says_here(next));
	close(next);
}

/* It sent, and died; the region had no name, and no descriptor any more. */
TEST_F(queue_handles, sender_killed)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		int mine = region_new(PAGE);

		if (pwrite(mine, "here", 5, 0) != 5 || send_region(&self->s, mine, BOTH) != 1)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, exit_status(pid));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	fd = region_fetch(self->r.e.fd, &self->d, 0);
	EXPECT_TRUE(says_here(fd));
	close(fd);
}

TEST_F(queue_handles, receiver_killed)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		struct side mine = {};

		if (side_open(&mine, NAME, IPCX_OPEN_RECV) ||
		    send_region(&self->s, self->fd, BOTH) != 1 || take_one(&mine, &self->d) != 1 ||
		    !says_here(region_fetch(mine.e.fd, &self->d, 0)))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, exit_status(pid));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(1, self->d.deliveries);
	EXPECT_EQ(IPCX_MSG_REGIONS, self->d.flags);
	fd = region_fetch(self->r.e.fd, &self->d, 0);
	EXPECT_TRUE(says_here(fd));
	close(fd);
}

/* One of three messages that go together. */
TEST_F(queue_handles, batch)
{
	struct ipcx_desc d[3];
	struct ipcx_queue_loan l = {
		.size = sizeof(l), .descs = (uintptr_t)d, .count = 3, .desc_size = sizeof(*d)
	};
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = 3,
		.desc_size = sizeof(*d),
		.len_max = UINT64_MAX,
	};
	int fd;

	memset(d, 0, sizeof(d));
	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_LOAN, &l));
	ASSERT_EQ(0, region_attach(self->s.e.fd, d[1].slot, self->fd, BOTH));
	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_COMMIT, &l));
	memset(d, 0, sizeof(d));
	ASSERT_EQ(3, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(i == 1 ? IPCX_MSG_REGIONS : 0, d[i].flags);
	fd = region_fetch(self->r.e.fd, &d[1], 0);
	EXPECT_TRUE(says_here(fd));
	close(fd);
	/* the slots are given back as they are, and what comes next in them carries nothing */
	ASSERT_EQ(3, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_RELEASE, &l));
	memset(d, 0, sizeof(d));
	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_LOAN, &l));
	ASSERT_EQ(3, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_COMMIT, &l));
	ASSERT_EQ(3, xioctl(self->r.e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, d[i].flags);
}

/* A loan without pages, and one for the next message, which carries nothing of the last. */
TEST_F(queue_handles, inline_and_spare)
{
	int fd;

	ASSERT_EQ(1, side_loan(&self->s, &self->d, 8, IPCX_LOAN_INLINE));
	ASSERT_EQ(0, region_attach(self->s.e.fd, self->d.slot, self->fd, IPCX_REGION_READ));
	self->d.flags = IPCX_MSG_INLINE;
	ASSERT_EQ(1, side_commit_how(&self->s, &self->d, IPCX_COMMIT_LOAN));
	ASSERT_NE(IPCX_SLOT_NONE, self->d.slot);
	ASSERT_EQ(1, side_commit_how(&self->s, &self->d, 0));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(IPCX_MSG_REGIONS | IPCX_MSG_INLINE, self->d.flags);
	fd = region_fetch(self->r.e.fd, &self->d, 0);
	EXPECT_EQ(IPCX_REGION_READ, region_may(fd));
	close(fd);
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(IPCX_MSG_INLINE, self->d.flags);
}

/* A request brings one, and its answer another. */
TEST_F(queue_handles, request_and_reply)
{
	struct ipcx_desc r;
	int fd, other = region_new(3 * PAGE);

	ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, IPCX_LOAN_REQUEST));
	ASSERT_EQ(0, region_attach(self->s.e.fd, self->d.slot, self->fd, BOTH));
	ASSERT_EQ(1, side_commit(&self->s, &self->d, IPCX_MSG_REQUEST));
	ASSERT_EQ(1, take_one(&self->r, &self->d));
	EXPECT_EQ(IPCX_MSG_REQUEST | IPCX_MSG_REGIONS, self->d.flags);
	ASSERT_EQ(1, side_loan(&self->r, &r, 100, IPCX_LOAN_REPLY));
	ASSERT_EQ(0, region_attach(self->r.e.fd, r.slot, other, IPCX_REGION_READ));
	close(other);
	ASSERT_EQ(0, side_reply(&self->r, &self->d, &r, NULL, 0));
	ASSERT_EQ(1, side_answer(&self->s, &r, 0));
	EXPECT_EQ(IPCX_MSG_REGIONS, r.flags);
	fd = region_fetch(self->s.e.fd, &r, 0);
	EXPECT_EQ(IPCX_REGION_READ, region_may(fd));
	EXPECT_EQ(3 * PAGE, lseek(fd, 0, SEEK_END));
	close(fd);
	/* not taken after all: it is there again, with what it carries */
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &r, IPCX_RELEASE_NACK));
	ASSERT_EQ(1, side_answer(&self->s, &r, 0));
	fd = region_fetch(self->s.e.fd, &r, 0);
	EXPECT_LE(0, fd);
	close(fd);
}

/* An answer that lies in the slot of the request has nothing of what that carried. */
TEST_F(queue_handles, answer_in_the_slot)
{
	for (int replied = 0; replied < 2; replied++) {
		ASSERT_EQ(1, side_loan(&self->s, &self->d, 100, IPCX_LOAN_REQUEST));
		ASSERT_EQ(0, region_attach(self->s.e.fd, self->d.slot, self->fd, BOTH));
		ASSERT_EQ(1, side_commit(&self->s, &self->d, IPCX_MSG_REQUEST));
		ASSERT_EQ(1, take_one(&self->r, &self->d));
		if (replied) {
			ASSERT_EQ(0, side_reply(&self->r, &self->d, NULL, "", 0));
		} else {
			ASSERT_EQ(1, raw_release(self->r.e.fd, &self->d));
		}
		ASSERT_EQ(1, side_answer(&self->s, &self->d, 0));
		EXPECT_EQ(replied ? IPCX_MSG_INLINE : IPCX_MSG_CANCELED, self->d.flags);
		EXPECT_EQ(-ENOENT, region_fetch(self->s.e.fd, &self->d, 0));
		ASSERT_EQ(1, raw_release(self->s.e.fd, &self->d));
	}
}

TEST(dead_letters)
{
	struct end q = { .o = { .depth = 2, .msg_max = PAGE, .max_deliveries = 1 } };
	struct end dead = { .o = { .depth = 2, .msg_max = PAGE } };
	struct ipcx_desc d;
	int fd = region_new(PAGE), got;

	q.o.dead_letter = (uintptr_t)DEAD;
	q.o.dead_letter_len = strlen(DEAD);
	ASSERT_EQ(0, end_open(&dead, DEAD, CREATE | IPCX_OPEN_RECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&q, NULL, CREATE | SENDRECV));
	ASSERT_EQ(5, pwrite(fd, "here", 5, 0));
	ASSERT_EQ(1, raw_loan(q.fd, &d, 100, 0));
	ASSERT_EQ(0, region_attach(q.fd, d.slot, fd, IPCX_REGION_READ));
	close(fd);
	ASSERT_EQ(1, raw_commit(q.fd, &d));
	ASSERT_EQ(1, raw_take(q.fd, &d, 0));
	ASSERT_EQ(1, raw_done(q.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	end_close(&q); /* it is only there now */
	ASSERT_EQ(1, raw_take(dead.fd, &d, 0));
	EXPECT_EQ(IPCX_MSG_POISON | IPCX_MSG_REGIONS, d.flags);
	got = region_fetch(dead.fd, &d, 0);
	EXPECT_TRUE(says_here(got));
	EXPECT_EQ(IPCX_REGION_READ, region_may(got));
	close(got);
	end_close(&dead);
}

/* Whose lease is over has the message no more, and what it carries goes to the next. */
TEST(lease_over)
{
	struct end q = { .o = { .depth = 1, .msg_max = PAGE, .lease_ms = 300 } }, other = {};
	struct ipcx_desc d, again;
	int fd = region_new(PAGE), got;

	ASSERT_EQ(0, end_open(&q, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&other, NAME, IPCX_OPEN_RECV));
	ASSERT_EQ(1, raw_loan(q.fd, &d, 100, 0));
	ASSERT_EQ(0, region_attach(q.fd, d.slot, fd, BOTH));
	ASSERT_EQ(1, raw_commit(q.fd, &d));
	ASSERT_EQ(1, raw_take(q.fd, &d, 0));
	ASSERT_EQ(1, raw_take(other.fd, &again, in_ms(10000)));
	EXPECT_EQ(-ESTALE, region_fetch(q.fd, &d, 0));
	got = region_fetch(other.fd, &again, 0);
	EXPECT_LE(0, got);
	close(got);
	close(fd);
	/* the slot is kept for the first, who may read it yet, also when what it carried is gone */
	ASSERT_EQ(1, raw_release(other.fd, &again));
	EXPECT_EQ(-EAGAIN, raw_loan(q.fd, &again, 100, 0));
	EXPECT_EQ(-ESTALE, raw_release(q.fd, &d));
	EXPECT_EQ(1, raw_loan(q.fd, &again, 100, 0));
	end_close(&other);
	end_close(&q);
}

/* A tap shows the message, and neither what it carries nor that it does. */
TEST_F(queue_handles, tapped)
{
	int tap = tap_open(IPCX_KIND_QUEUE, NAME, 4096);
	const struct ipcx_tap_record *r;

	ASSERT_LE(0, tap);
	ASSERT_EQ(1, send_region(&self->s, self->fd, BOTH));
	r = tap_one(tap, 4096);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(1, r->seq);
	EXPECT_EQ(0, r->flags);
	self->d.slot = 0;
	self->d.seq = 1;
	EXPECT_EQ(-ENOTTY, region_fetch(tap, &self->d, 0));
	close(tap);
}

/* Nor descriptors, files or memory, however often. The number of files is rough. */
TEST_F(queue_handles, often)
{
	long files = files_of_the_system(), shmem = meminfo("Shmem:");
	int fd, first = -1, n = rounds(1000);

	for (int i = 0; i < n; i++) {
		int mine = region_filled(16 * PAGE);

		ASSERT_LE(0, mine);
		ASSERT_EQ(1, send_region(&self->s, mine, BOTH));
		close(mine);
		ASSERT_EQ(1, take_one(&self->r, &self->d));
		fd = region_fetch(self->r.e.fd, &self->d, 0);
		ASSERT_LE(0, fd);
		first = first < 0 ? fd : first;
		ASSERT_EQ(first, fd);
		close(fd);
		ASSERT_EQ(1, raw_release(self->r.e.fd, &self->d));
	}
	EXPECT_GT(n / 2 + 100, files_of_the_system() - files);
	EXPECT_TRUE(shmem_falls(shmem + 8192, 0));
}

TEST_HARNESS_MAIN
