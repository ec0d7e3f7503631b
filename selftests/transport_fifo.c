// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIFOs whose messages are one frame each, and need no lock, beside those that may have longer
 * ones: several who send and receive at a time, and are killed in the middle of it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "transport_util.h"

#define SENDERS 4
#define RECEIVERS 3
#define MESSAGES 5000 /* of each sender */
#define FRAME 4016 /* bytes of the longest that is one frame */
#define KILLS 100

/* What all know: how often each message was seen, how many were, and what was wrong. */
struct board {
	unsigned int seen[SENDERS * MESSAGES], done, wrong, twisted, killed;
};

FIXTURE(fifo)
{
	struct ipcx_queue *q;
	struct board *board;
	char dir[64], uri[64];
};

FIXTURE_VARIANT(fifo)
{
	size_t msg_max;
};

FIXTURE_VARIANT_ADD(fifo, one_frame){
	.msg_max = FRAME,
};

FIXTURE_VARIANT_ADD(fifo, several_frames){
	.msg_max = FRAME + 1,
};

FIXTURE_SETUP(fifo)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = variant->msg_max);

	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	setenv("XDG_RUNTIME_DIR", self->dir, 1);
	strcpy(self->uri, "fifo:frames");
	self->board = mmap(NULL, sizeof(*self->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->board);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri,
				     IPCX_CREATE | IPCX_EXCL | BOTH | IPCX_EPHEMERAL, &opts));
}

FIXTURE_TEARDOWN(fifo)
{
	char command[128];
	int left;

	ipcx_queue_close(self->q);
	munmap(self->board, sizeof(*self->board));
	left = files_in(self->dir);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(command));
	EXPECT_EQ(0, left);
}

/* Each seventh is as long as may be. */
static size_t size_of(unsigned int i, size_t max)
{
	return i % 7 ? i * 2654435761u % (i % 5 ? 100 : max) : max;
}

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static void receive_all(struct board *board, struct ipcx_queue *q, size_t max)
{
	unsigned int last[SENDERS] = { 0 };
	struct ipcx_queue_stats s = { .sz = sizeof(s) };
	struct ipcx_msg m = { 0 };

	while (__atomic_load_n(&board->done, __ATOMIC_SEQ_CST) < SENDERS * MESSAGES) {
		unsigned int from, nr;

		if (ipcx_queue_next(q, &m, in_ms(50)))
			continue;
		from = m.tag / MESSAGES % SENDERS;
		nr = m.tag % MESSAGES + 1;
		if (m.tag >= SENDERS * MESSAGES || m.len != size_of(nr - 1, max) ||
		    !is_pattern(&m, m.tag))
			add(&board->wrong);
		else
			add(&board->seen[m.tag]);
		if (nr <= last[from])
			add(&board->twisted);
		last[from] = nr;
		add(&board->done);
	}
	if (m.data && ipcx_queue_release(q, &m)) /* or another gets it */
		_exit(1);
	if (ipcx_queue_stat(q, &s) || s.damaged)
		add(&board->wrong);
}

/* Each message comes to one, whole, and to each receiver in the order in which it was sent. */
TEST_F_TIMEOUT(fifo, all_to_any, 240)
{
	struct board *board = self->board;
	size_t max = variant->msg_max;
	pid_t pid[SENDERS + RECEIVERS];

	for (int i = 0; i < RECEIVERS; i++)
		pid[SENDERS + i] = CHILD(IPCX_RECV, receive_all(board, q, max));
	for (int i = 0; i < SENDERS; i++)
		pid[i] = CHILD(IPCX_SEND, {
			for (unsigned int j = 0; !r && j < MESSAGES; j++)
				r = send_pattern(q, size_of(j, max), i * MESSAGES + j,
						 in_ms(120000));
		});
	for (int i = 0; i < SENDERS + RECEIVERS; i++)
		EXPECT_EQ(0, exit_status(pid[i]));
	EXPECT_EQ(SENDERS * MESSAGES, board->done);
	EXPECT_EQ(0, board->wrong);
	EXPECT_EQ(0, board->twisted);
	for (int i = 0; i < SENDERS * MESSAGES; i++)
		ASSERT_EQ(1, board->seen[i]);
}

static const char *fifo_path(const char *dir)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/ipcx/frames.fifo", dir);
	return path;
}

/* Another who has the FIFO open, and a lock on it. Return: the descriptor. */
static int with_lock(const char *dir, short type, off_t which)
{
	struct flock lock = { .l_type = type, .l_start = which, .l_len = 1 };
	int fd = open(fifo_path(dir), O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) ? -1 : fd;
}

enum { WRITER = 1, READER, WHOLE = 4, IN_PARTS };

/* Only where a message may be in parts is a lock waited for. */
TEST_F(fifo, locks)
{
	int wanted = variant->msg_max == FRAME ? 0 : -EAGAIN, fd;
	struct ipcx_msg m = { 0 };

	fd = with_lock(self->dir, F_WRLCK, WRITER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(wanted, send_pattern(self->q, 8, 1, IPCX_NOWAIT));
	close(fd);
	ASSERT_EQ(0, send_pattern(self->q, 8, 2, IPCX_NOWAIT));
	fd = with_lock(self->dir, F_WRLCK, READER);
	ASSERT_LE(0, fd);
	EXPECT_EQ(wanted, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	close(fd);
	ASSERT_EQ(wanted, m.data ? ipcx_queue_release(self->q, &m) : -EAGAIN);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	EXPECT_EQ(2, m.tag);
	ASSERT_EQ(0, ipcx_queue_release(self->q, &m));
}

/* Those who have one FIFO open never differ in whether a message may be in parts. */
TEST_F(fifo, one_mind)
{
	bool whole = variant->msg_max == FRAME;
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	int fd = with_lock(self->dir, F_RDLCK, whole ? IN_PARTS : WHOLE), lock;
	char file[128], away[140];
	struct ipcx_queue *q;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
	close(fd);
	/* who cannot read what the queue is goes with the others */
	snprintf(file, sizeof(file), "%s/ipcx/.frames.fifo", self->dir);
	snprintf(away, sizeof(away), "%s.away", file);
	ASSERT_EQ(0, rename(file, away));
	ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, rename(away, file));
	EXPECT_EQ(0, ipcx_queue_attr(q, &attr));
	EXPECT_EQ(whole, attr.msg_max == FRAME);
	lock = with_lock(self->dir, F_WRLCK, WRITER);
	ASSERT_LE(0, lock);
	EXPECT_EQ(whole ? 0 : -EAGAIN, send_pattern(q, 8, 1, IPCX_NOWAIT));
	close(lock);
	ipcx_queue_close(q);
}

/* Who has short messages only can go with the others, who may have longer ones cannot. */
TEST_F(fifo, goes_along)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = variant->msg_max);
	unsigned int flags = BOTH | IPCX_CREATE | IPCX_EPHEMERAL;
	bool whole = variant->msg_max == FRAME;
	struct ipcx_queue *q;
	int fd, lock;

	ipcx_queue_close(self->q);
	self->q = NULL;
	ASSERT_EQ(0, mkfifo(fifo_path(self->dir), 0600));
	fd = with_lock(self->dir, F_RDLCK, whole ? IN_PARTS : WHOLE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(whole ? 0 : -EBUSY, ipcx_queue_open(&q, self->uri, flags, &opts));
	if (!whole) {
		close(fd);
		EXPECT_EQ(1, files_in(self->dir)); /* the FIFO is not its own */
		EXPECT_EQ(0, unlink(fifo_path(self->dir)));
		return;
	}
	lock = with_lock(self->dir, F_WRLCK, WRITER);
	ASSERT_LE(0, lock);
	EXPECT_EQ(-EAGAIN, send_pattern(q, 8, 1, IPCX_NOWAIT));
	close(lock);
	EXPECT_EQ(0, send_pattern(q, 8, 1, IPCX_NOWAIT));
	ipcx_queue_close(q);
	close(fd);
}

/* Who cannot read what the queue is, and opens it while nobody receives, is in nobody's way. */
TEST_F(fifo, stranger_first)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = variant->msg_max);
	bool whole = variant->msg_max == FRAME;
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	struct ipcx_queue *s;
	struct ipcx_msg m, long_one;
	int lock;

	ipcx_queue_close(self->q);
	self->q = NULL;
	ASSERT_EQ(0, mkfifo(fifo_path(self->dir), 0600));
	ASSERT_EQ(0, ipcx_queue_open(&s, self->uri, IPCX_SEND, NULL)) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(-EAGAIN, send_pattern(s, 8, 1, IPCX_NOWAIT));
	ASSERT_EQ(0,
		  ipcx_queue_open(&self->q, self->uri, BOTH | IPCX_CREATE | IPCX_EPHEMERAL, &opts));
	ASSERT_EQ(0, ipcx_queue_loan(s, FRAME + 1, &long_one, in_ms(1000)));
	memset(long_one.data, 0, long_one.len);
	for (int i = 0; i < 2; i++) {
		struct ipcx_queue *from = i ? self->q : s;

		lock = with_lock(self->dir, F_WRLCK, WRITER);
		ASSERT_LE(0, lock);
		EXPECT_EQ(whole ? 0 : -EAGAIN, send_pattern(from, 8, 1, IPCX_NOWAIT));
		close(lock);
		if (!whole)
			EXPECT_EQ(0, send_pattern(from, 8, 1, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_take(self->q, &m, in_ms(1000)));
		EXPECT_TRUE(is_pattern(&m, 1));
		EXPECT_EQ(0, ipcx_queue_release(self->q, &m));
	}
	EXPECT_EQ(whole ? -EMSGSIZE : 0, ipcx_queue_commit(s, &long_one));
	if (whole)
		EXPECT_NE(NULL, strstr(ipcx_error(), "msg_max, 4016;")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, ipcx_queue_attr(s, &attr));
	EXPECT_EQ(whole, attr.msg_max == FRAME);
	ipcx_queue_close(s);
}

static ssize_t read_meta(const char *dir, char buf[64])
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/ipcx/.frames.fifo", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, buf, 64);
	close(fd);
	return n;
}

/* Who may not create a queue in the place of a dead one leaves all as it was. */
TEST_F(fifo, refused)
{
	IPCX_QUEUE_OPTS(opts, .mode = 0640);
	bool whole = variant->msg_max == FRAME;
	unsigned int flags = BOTH | IPCX_CREATE | IPCX_EPHEMERAL;
	char before[64], after[64];
	struct ipcx_queue *q;
	struct stat st;
	ssize_t len;
	pid_t pid;
	int fd;

	opts.msg_max = whole ? FRAME + 1 : FRAME;
	ipcx_queue_close(self->q);
	self->q = NULL;
	pid = CHILD(IPCX_CREATE | IPCX_EPHEMERAL | BOTH, kill(getpid(), SIGKILL));
	ASSERT_EQ(128 + SIGKILL, exit_status(pid));
	ASSERT_EQ(2, files_in(self->dir));
	len = read_meta(self->dir, before);
	ASSERT_LT(0, len);
	/* one frame can go along with several */
	fd = with_lock(self->dir, F_RDLCK, whole ? WHOLE : IN_PARTS);
	ASSERT_LE(0, fd);
	ASSERT_EQ(whole ? -EBUSY : 0, ipcx_queue_open(&q, self->uri, flags, &opts));
	if (whole) {
		EXPECT_EQ(2, files_in(self->dir));
		EXPECT_EQ(len, read_meta(self->dir, after));
		EXPECT_EQ(0, memcmp(before, after, len));
		close(fd);
		ASSERT_EQ(0, ipcx_queue_open(&q, self->uri, flags, &opts));
	}
	ASSERT_EQ(0, stat(fifo_path(self->dir), &st));
	EXPECT_EQ(0640, st.st_mode & 0777);
	ipcx_queue_close(q);
	if (!whole)
		close(fd);
}

static void send_for_life(struct ipcx_queue *q, size_t max)
{
	for (unsigned int i = 1;; i++)
		if (send_pattern(q, size_of(i, max), i, IPCX_FOREVER))
			_exit(1);
}

static void receive_for_life(struct board *board, struct ipcx_queue *q)
{
	struct ipcx_msg m = { 0 };

	for (;;)
		if (!ipcx_queue_next(q, &m, IPCX_FOREVER) && !is_pattern(&m, m.tag))
			add(&board->wrong);
}

/* Who is killed tears no message, and is in nobody's way. */
TEST_F_TIMEOUT(fifo, killed, 240)
{
	struct ipcx_msg m = { 0 };

	for (unsigned int i = 0; i < KILLS; i++) {
		pid_t from = CHILD(IPCX_SEND, send_for_life(q, variant->msg_max));
		pid_t to = CHILD(IPCX_RECV, receive_for_life(self->board, q));

		for (int64_t until = now_ns() + random() % 3000000; now_ns() < until;)
			if (!ipcx_queue_next(self->q, &m, in_ms(1)))
				ASSERT_TRUE(is_pattern(&m, m.tag));
		kill(i % 2 ? from : to, SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(i % 2 ? from : to));
		if (i % 2 == 0) /* the other goes on */
			ASSERT_EQ(0, ipcx_queue_next(self->q, &m, in_ms(20000)));
		kill(i % 2 ? to : from, SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(i % 2 ? to : from));
		while (!ipcx_queue_next(self->q, &m, IPCX_NOWAIT))
			ASSERT_TRUE(is_pattern(&m, m.tag));
		ASSERT_EQ(0, send_pattern(self->q, variant->msg_max, 1 << 30, in_ms(20000)));
		ASSERT_EQ(0, ipcx_queue_next(self->q, &m, in_ms(20000)));
		ASSERT_EQ(1 << 30, m.tag);
		ASSERT_TRUE(is_pattern(&m, m.tag));
	}
	EXPECT_EQ(0, self->board->wrong);
}

TEST_HARNESS_MAIN
