// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics without the module: members that are killed at random moments, or write nonsense over all
 * that they can reach.
 */
#include "shm_kill.h"
#include "topic_kill_util.h"

static void publish_for_life(struct board *b, uint64_t life)
{
	struct text text = { .life = life };
	struct ipcx_topic *t;

	if (ipcx_topic_open(&t, URI, IPCX_PUBLISH, NULL))
		_exit(1);
	for (; !ipcx_topic_send(t, &text, length(text.nr), IPCX_FOREVER); text.nr++)
		b->sent[text.life] = text.nr + 1;
	_exit(2);
}

static void read_for_life(unsigned int flags)
{
	struct ipcx_topic *t;
	struct ipcx_msg m;

	if (ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE | flags, NULL))
		_exit(1);
	while (!ipcx_topic_take(t, &m, IPCX_FOREVER))
		ipcx_topic_release(t, &m);
	_exit(2);
}

static pid_t start(struct board *b, int what)
{
	uint64_t life = what ? 0 : b->life++;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (what)
		read_for_life(what == 1 ? 0 : IPCX_LOSSY);
	publish_for_life(b, life);
	return 0;
}

/* One publisher after the other, a reliable and a lossy subscriber. */
TEST_F_TIMEOUT(kill, killed_at_any_moment, 600)
{
	const struct killing all = { 3, start, length, sizeof(struct text) };
	struct board *b = new_board();
	struct ipcx_topic *t;

	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	EXPECT_TRUE(kill_at_random(&all, b, t, rounds(1000)));
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	ipcx_topic_close(t);
	munmap(b, sizeof(*b));
}

/* All at once, again and again: who comes finds it as new. */
TEST_F_TIMEOUT(kill, all_killed, 300)
{
	struct board *b = new_board();
	struct ipcx_topic *t;

	for (int i = 0; i < rounds(100); i++) {
		pid_t pid[4];

		for (int j = 0; j < 4; j++) {
			pid[j] = fork();
			if (!pid[j] && open_topic(&t, IPCX_PUBLISH))
				_exit(1);
			if (!pid[j] && j < 2)
				publish_for_life(b, 0);
			if (!pid[j])
				read_for_life(0);
		}
		usleep(random() % 10000);
		for (int j = 0; j < 4; j++)
			kill(pid[j], SIGKILL);
		for (int j = 0; j < 4; j++)
			ASSERT_EQ(128 + SIGKILL, exit_status(pid[j]));
		ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH | IPCX_EXCL));
		ASSERT_EQ(0, send_nr(t, i, 0));
		ASSERT_EQ(i, recv_nr(t, 0));
		ipcx_topic_close(t);
	}
	munmap(b, sizeof(*b));
}

/* Few are enough to hit what matters. */
static uint64_t where(uint64_t i, uint64_t words)
{
	return random() % (i % 3 ? 2048 : words);
}

static void scribble(const struct child *c)
{
	struct ipcx_topic *t;

	if (open_topic(&t, IPCX_PUBLISH | IPCX_SUBSCRIBE))
		_exit(1);
	scribble_over(c, memory_of("topic"), where);
}

/* Gets what it gets, in as far as that can be; only its end counts. */
static void suffer(int64_t until)
{
	struct ipcx_topic *pub, *sub, *more;
	struct ipcx_msg m;
	char text[LONG] = "";

	if (open_topic(&pub, IPCX_PUBLISH) || open_topic(&sub, IPCX_SUBSCRIBE))
		_exit(0); /* too late */
	for (int i = 0; now_ns() < until; i++) {
		ipcx_topic_send(pub, text, i % 2 ? 8 : LONG, i % 7 ? 0 : in_ms(2));
		if (!ipcx_topic_take(sub, &m, i % 5 ? 0 : in_ms(2))) {
			if (m.len > 4096)
				_exit(1);
			if (m.len)
				memcpy(text, m.data, m.len < LONG ? m.len : LONG);
			ipcx_topic_release(sub, &m);
		}
		if (i % 50 == 0 && !open_topic(&more, i % 100 ? IPCX_SUBSCRIBE : IPCX_PUBLISH))
			ipcx_topic_close(more);
	}
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	_exit(0);
}

/* Who writes nonsense over all that there is disturbs the topic, and ends no other process. */
TEST_F_TIMEOUT(kill, nonsense, 120)
{
	struct ipcx_topic *t;
	struct child c;
	pid_t pid[2];

	for (int i = 0; i < 5; i++) {
		if (child_start(&c))
			scribble(&c);
		ASSERT_TRUE(hear(&c));
		for (int j = 0; j < 2; j++) {
			pid[j] = fork();
			if (!pid[j])
				suffer(in_ms(500));
		}
		for (int j = 0; j < 2; j++)
			EXPECT_EQ(0, exit_status(pid[j]));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH));
	ASSERT_EQ(0, send_nr(t, 1, 0));
	EXPECT_EQ(1, recv_nr(t, 0));
	ipcx_topic_close(t);
}

/* Where in @memory a message of 8 bytes says @nr, in its cell; or NULL */
static struct ipcx_cell *cell_of(char *memory, size_t len, uint64_t nr)
{
	char *at = memmem(memory, len, &nr, sizeof(nr));

	return at ? (struct ipcx_cell *)(at - offsetof(struct ipcx_cell, data)) : NULL;
}

/* Who writes what a cell said before its message keeps nobody from what is sent after it. */
TEST_F(kill, unsent)
{
	struct ipcx_topic *pubs[2], *sub;
	struct stat st;
	char *memory;

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, open_topic(&pubs[i], IPCX_PUBLISH));
	ASSERT_EQ(0, fstat(memory_of("topic"), &st));
	memory = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_of("topic"), 0);
	ASSERT_NE(MAP_FAILED, memory);
	for (int i = 0; i < 2; i++) {
		uint64_t nr = 0x12345678abcdef00 + i, word;
		struct ipcx_cell *next;

		ASSERT_EQ(0, send_nr(pubs[i], nr, 0));
		next = cell_of(memory, st.st_size, nr);
		ASSERT_NE(NULL, next);
		next++;
		ASSERT_EQ(nr, recv_nr(sub, 0));
		ASSERT_EQ(-EAGAIN, recv_nr(sub, 0));
		word = next->word;
		ASSERT_EQ(0, send_nr(pubs[i], 1, 0));
		ASSERT_EQ(1, recv_nr(sub, 0));
		next->word = word;
		ASSERT_EQ(0, send_nr(pubs[!i], 2, 0));
		ASSERT_EQ(2, recv_nr(sub, 0));
		ASSERT_EQ(0, send_nr(pubs[i], 3, 0));
		EXPECT_EQ(3, recv_nr(sub, 0));
	}
	munmap(memory, st.st_size);
	for (int i = 0; i < 2; i++)
		ipcx_topic_close(pubs[i]);
	ipcx_topic_close(sub);
}

TEST_HARNESS_MAIN
