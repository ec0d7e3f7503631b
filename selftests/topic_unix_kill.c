// SPDX-License-Identifier: GPL-2.0-only
/* Topics over UNIX sockets: members that are killed at random moments. */
#include "topic_kill_util.h"
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

#define FAR (100 << 10) /* bytes, too long for a packet */

static size_t length(uint64_t nr)
{
	return nr % 16 == 15 ? FAR : nr % 2 ? 1000 : sizeof(struct lived);
}

static void publish_for_life(struct board *b, uint64_t life)
{
	static char buf[FAR];
	struct lived *text = (struct lived *)buf;
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
	struct lived *text = (struct lived *)buf;
	static uint64_t next[LIVES];
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

/* Two publishers, two reliable and two lossy subscribers, one of which is killed each time. */
TEST_F_TIMEOUT(kill, killed_at_any_moment, 600)
{
	const struct killing all = { 6, start, length, FAR };
	struct board *b = new_board();
	struct ipcx_topic *t;

	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	EXPECT_TRUE(kill_at_random(&all, b, t, rounds(600)));
	EXPECT_EQ(0, ipcx_topic_missed(t));
	ipcx_topic_close(t);
	munmap(b, sizeof(*b));
}

/* All at once, again and again: who comes finds it as new, and leaves nothing. */
TEST_F_TIMEOUT(kill, all_killed, 300)
{
	struct board *b = new_board();
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
		ASSERT_EQ(0, entries(self->ours));
	}
	munmap(b, sizeof(*b));
}

TEST_HARNESS_MAIN
