// SPDX-License-Identifier: GPL-2.0-only
/* Topics over UNIX sockets: members that are killed at random moments. */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "topic_unix_util.h"

FIXTURE(kill)
{
	char dir[64], ours[80];
};

FIXTURE_SETUP(kill)
{
	ASSERT_TRUE(dir_make(self->dir, self->ours));
}

FIXTURE_TEARDOWN(kill)
{
	EXPECT_EQ(0, dir_remove(self->dir, self->ours));
}

#define LIVES 2000
#define FAR (100 << 10) /* bytes, too long for a packet */

/* What publishers have sent in each of their lives; the test is a reader. */
struct board {
	volatile uint64_t life, sent[LIVES];
};

struct text {
	uint64_t life, nr;
};

static size_t length(uint64_t nr)
{
	return nr % 16 == 15 ? FAR : nr % 2 ? 1000 : sizeof(struct text);
}

static void publish_for_life(struct board *b, uint64_t life)
{
	static char buf[FAR];
	struct text *text = (struct text *)buf;
	struct ipcx_topic *t;

	if (open_topic(&t, IPCX_PUBLISH))
		_exit(1);
	text->life = life;
	for (; !ipcx_topic_send(t, buf, length(text->nr), IPCX_FOREVER); text->nr++)
		b->sent[life] = text->nr + 1;
	_exit(2);
}

/* Each message of a life comes once, none is left out unless the reader is lossy. */
static void read_for_life(unsigned int flags)
{
	static char buf[FAR];
	struct text *text = (struct text *)buf;
	uint64_t next[LIVES] = {};
	struct ipcx_topic *t;
	int r;

	if (open_topic(&t, IPCX_SUBSCRIBE | flags))
		_exit(1);
	while ((r = ipcx_topic_recv(t, buf, sizeof(buf), IPCX_FOREVER)) >= 0) {
		uint64_t *n = &next[text->life];

		if (r != length(text->nr) || (*n && text->nr < *n) ||
		    (*n && text->nr != *n && !flags))
			_exit(3);
		*n = text->nr + 1;
	}
	_exit(2);
}

static pid_t start(struct board *b, int what)
{
	uint64_t life = what < 2 ? b->life++ : 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (what < 2)
		publish_for_life(b, life);
	read_for_life(what % 2 ? IPCX_LOSSY : 0);
	return 0;
}

/* Reads for a while. Return: whether all was as it has to be. */
static bool read_until(struct ipcx_topic *t, uint64_t *got, int64_t until)
{
	static char buf[FAR];
	struct text *text = (struct text *)buf;
	int r;

	for (;;) {
		r = ipcx_topic_recv(t, buf, sizeof(buf), until);
		if (r == -ETIMEDOUT)
			return true;
		if (r < 0 || text->nr != got[text->life] || r != length(text->nr)) {
			fprintf(stderr, "# %d: life %ju, message %ju, not %ju\n", r,
				(uintmax_t)text->life, (uintmax_t)text->nr,
				(uintmax_t)(r < 0 ? 0 : got[text->life]));
			return false;
		}
		got[text->life]++;
	}
}

/* Two publishers, two reliable and two lossy subscribers, one of which is killed each time. */
TEST_F_TIMEOUT(kill, killed_at_any_moment, 600)
{
	struct board *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static uint64_t got[LIVES];
	struct ipcx_topic *t;
	int n = rounds(600);
	pid_t pid[6];

	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	srandom(n);
	for (int i = 0; i < 6; i++)
		pid[i] = start(b, i);
	for (int i = 0; i < n; i++) {
		int who = random() % 6;

		ASSERT_TRUE(read_until(t, got, now_ns() + random() % 4000000));
		kill(pid[who], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[who]));
		pid[who] = start(b, who);
	}
	/* nobody is held up by what was killed */
	for (int i = 0; i < 1000 && !got[b->life - 1]; i++)
		ASSERT_TRUE(read_until(t, got, in_ms(10)));
	EXPECT_LT(0, got[b->life - 1]);
	for (int i = 0; i < 6; i++) {
		kill(pid[i], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[i]));
	}
	/* what was sent comes though its sender is gone */
	ASSERT_TRUE(read_until(t, got, in_ms(200)));
	for (int i = 0; i < b->life; i++)
		EXPECT_LE(b->sent[i], got[i]);
	EXPECT_EQ(0, ipcx_topic_missed(t));
	ipcx_topic_close(t);
	munmap(b, sizeof(*b));
}

/* All at once, again and again: who comes finds it as new, and leaves nothing. */
TEST_F_TIMEOUT(kill, all_killed, 300)
{
	struct board *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ipcx_topic *t;

	for (int i = 0; i < rounds(100); i++) {
		pid_t pid[6];

		b->life = 0;
		for (int j = 0; j < 6; j++)
			pid[j] = start(b, j);
		usleep(random() % 10000);
		for (int j = 0; j < 6; j++)
			kill(pid[j], SIGKILL);
		for (int j = 0; j < 6; j++)
			ASSERT_EQ(128 + SIGKILL, exit_status(pid[j]));
		ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH | IPCX_EXCL));
		ASSERT_EQ(0, send_nr(t, i, 0));
		ASSERT_EQ(i, recv_nr(t, 0));
		ipcx_topic_close(t);
		ASSERT_EQ(0, left_in(self->ours));
	}
	munmap(b, sizeof(*b));
}

TEST_HARNESS_MAIN
