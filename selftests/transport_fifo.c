// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIFOs whose messages are one frame each, and need no lock, beside those that may have longer
 * ones: several who send and receive at a time, and are killed in the middle of it.
 */
#include <sys/mman.h>

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
		ASSERT_EQ(0, ipcx_queue_next(self->q, &m, in_ms(i % 2 ? 0 : 20000)) % EAGAIN);
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
