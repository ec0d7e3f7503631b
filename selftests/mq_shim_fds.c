// SPDX-License-Identifier: GPL-2.0-only
/* What a program does with descriptors otherwise, see mq_shim_util.h. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mq_shim_util.h"

/* Who looks at the descriptor itself takes nothing away. */
TEST_F(mq, other_calls)
{
	struct stat st;
	char text[256];

	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_LE(0, read(self->q, text, sizeof(text)));
	EXPECT_EQ(0, fstat(self->q, &st));
	lseek(self->q, 0, SEEK_SET);
	EXPECT_EQ(1, queued(self->q));
	EXPECT_EQ(1, drain(self->q, self->buf));
}

TEST_F(mq, duplicates)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	mqd_t q = dup(self->q), at;

	ASSERT_LE(0, q);
	at = dup2(q, 100);
	ASSERT_EQ(100, at);
	ASSERT_EQ(0, close(self->q));
	FAILS(EBADF, mq_send(self->q, "x", 1, 0));
	EXPECT_EQ(0, mq_send(q, "x", 1, 0));
	EXPECT_EQ(1, mq_receive(at, self->buf, SIZE, NULL));
	ASSERT_EQ(0, mq_setattr(q, &attr, NULL));
	FAILS(EAGAIN, mq_receive(at, self->buf, SIZE, NULL));
	/* something else is put there */
	ASSERT_EQ(q, dup2(1, q));
	FAILS(EBADF, mq_send(q, "x", 1, 0));
	EXPECT_EQ(0, mq_send(at, "x", 1, 0));
	EXPECT_EQ(0, close(at));
	FAILS(EBADF, mq_send(at, "x", 1, 0));
	close(q);
	if (is_over("shm")) /* there it is gone with the last who had it */
		return;
	self->q = open_queue(O_RDWR);
	EXPECT_EQ(1, queued(self->q));
}

/* As daemons do: nothing of it is left, and the next descriptors are of other things. */
TEST_F(mq, closed_in_bulk)
{
	int fd, after[20];

	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	for (int how = 0; how < 2; how++) {
		mqd_t q = open_queue(O_RDWR);

		ASSERT_LE(0, q);
		if (how) {
			ASSERT_EQ(0, syscall(SYS_fcntl, q, F_GETFD) < 0);
			closefrom(10);
			ASSERT_EQ(0, close_range(3, 9, 0));
		} else {
			for (fd = 3; fd < 1024; fd++)
				close(fd);
		}
		FAILS(EBADF, mq_send(q, "x", 1, 0));
		for (int i = 0; i < 20; i++) {
			after[i] = open("/dev/null", O_RDWR);
			ASSERT_LE(0, after[i]);
		}
		for (int i = 0; i < 20; i++) {
			EXPECT_EQ(1, write(after[i], "x", 1));
			EXPECT_EQ(0, close(after[i]));
		}
		self->q = open_queue(O_RDWR);
		EXPECT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_EQ(1, mq_receive(self->q, self->buf, SIZE, NULL));
	}
}

/* Bytes of a file, -1 if it is closed */
static long size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

/* A queue that is kept while all others are closed, or something is put there, is kept whole. */
TEST_F(mq, kept_alone)
{
	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	for (int how = 0; how < 5; how++) {
		int file, other = memfd_create("other", 0);

		ASSERT_LE(0, other);
		switch (how) {
		case 0:
			closefrom(self->q + 1);
			break;
		case 1:
			ASSERT_EQ(0, close_range(self->q + 1, ~0U, 0));
			break;
		case 2:
			ASSERT_EQ(0, close_range(self->q + 1, ~0U, CLOSE_RANGE_UNSHARE));
			break;
		default:
			for (int to = 3; to < 40; to++) {
				if (to == self->q || to == other)
					continue;
				if ((how == 3 ? dup2(other, to) : dup3(other, to, O_CLOEXEC)) < 0) {
					ASSERT_EQ(EBUSY, errno);
				}
			}
		}
		file = memfd_create("file", 0);
		ASSERT_LE(0, file);
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(0, mq_send(self->q, "message", 7, i));
			EXPECT_EQ(7, mq_receive(self->q, self->buf, SIZE, NULL));
		}
		EXPECT_EQ(0, size_of(file));
		if (how > 2) {
			EXPECT_EQ(0, size_of(other));
		}
		FAILS(EINVAL, close_range(9, 8, 0));
		FAILS(EINVAL, close_range(3, ~0U, 1 << 30));
		EXPECT_EQ(0, close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
		EXPECT_EQ(0, queued(self->q));
	}
}

/* What was closed, also by the system alone, does no harm to what has its number now. */
TEST_F(mq, closed_unseen)
{
	mqd_t old = self->q;
	int file[4], low;

	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	for (int how = 0; how < 3; how++) {
		if (how) {
			ASSERT_EQ(0, syscall(SYS_close_range, 3, ~0U, 0));
		} else {
			ASSERT_EQ(0, close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
		}
		for (int i = 0; how == 2 && i < 4; i++) {
			file[i] = memfd_create("file", 0);
			ASSERT_LE(0, file[i]);
		}
		self->q = open_queue(O_RDWR);
		ASSERT_LE(0, self->q);
		EXPECT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_EQ(1, mq_receive(self->q, self->buf, SIZE, NULL));
	}
	/* nor is the number refused */
	low = file[0] == old ? file[1] : file[0];
	EXPECT_EQ(0, close(low));
	ASSERT_EQ(low, memfd_create("file", 0));
	EXPECT_EQ(0, close_range(low, low, 0));
	EXPECT_EQ(-1, size_of(low));
	ASSERT_EQ(low, memfd_create("file", 0));
	EXPECT_EQ(low, dup2(file[2], low));
	EXPECT_EQ(0, close(old));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(file[i] == old ? -1 : 0, size_of(file[i]));
	}
}

/* Where these are closed a queue gets the lowest number, and the others are the program's still. */
TEST_F(mq, low_numbers)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	int saved[3], r[3], registered;
	mqd_t q;

	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	mq_close(self->q);
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
		ASSERT_LE(0, saved[i]);
	}
	for (int i = 0; i < 3; i++)
		close(i);
	q = open_queue(O_RDWR);
	registered = mq_notify(q, &ev);
	self->q = dup2(q, 60);
	for (int i = 0; i < 3; i++)
		r[i] = dup2(saved[i], i);
	EXPECT_EQ(0, q);
	EXPECT_EQ(0, registered);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(i, r[i]);
		close(saved[i]);
	}
	EXPECT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_EQ(1, mq_receive(self->q, self->buf, SIZE, NULL));
}

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Return: how many descriptors this adds; 100 if it fails */
static int send_one(mqd_t q)
{
	int before = count_open();

	return mq_send(q, "x", 1, 0) ? 100 : count_open() - before;
}

/* A child gets an end of its own when there is a descriptor for it, wherever it would open now. */
TEST_F(mq, own_later)
{
	struct rlimit limit, none;
	int status;
	pid_t pid;

	if (!whole())
		SKIP(return, "needs descriptors that are inherited");
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	pid = fork();
	if (!pid) {
		int first, later;

		setenv("IPCX_TRANSPORT", "shm", 1);
		none = limit;
		none.rlim_cur = dup(0);
		close(none.rlim_cur);
		setrlimit(RLIMIT_NOFILE, &none);
		first = send_one(self->q);
		setrlimit(RLIMIT_NOFILE, &limit);
		later = send_one(self->q);
		_exit(first << 4 | later);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(is_over("kernel") ? 1 : 0, WEXITSTATUS(status));
	EXPECT_EQ(2, queued(self->q));
}

/* What a library's constructor may do, earlier than any other's */
static int early[8];

static void before_all(void)
{
	char buf[1];
	int fd = dup(2);

	early[0] = fd >= 0;
	early[1] = dup2(2, 900) == 900;
	early[2] = dup3(2, 901, O_CLOEXEC) == 901;
	early[3] = !close_range(900, 900, 0);
	closefrom(901);
	early[4] = fcntl(901, F_GETFD) < 0;
	early[5] = !read(-1, buf, sizeof(buf)) || errno == EBADF;
	early[6] = mq_send(-1, "x", 1, 0) < 0 && errno == EBADF;
	early[7] = mq_unlink("/ipcx-there-is-none") < 0 && errno == ENOENT;
	close(fd);
}

static void (*const preinit)(void) __attribute__((section(".preinit_array"), used)) = before_all;

TEST_F(mq, before_constructors)
{
	for (int i = 0; i < ARRAY_SIZE(early); i++) {
		EXPECT_EQ(1, early[i]);
	}
}

TEST_HARNESS_MAIN
