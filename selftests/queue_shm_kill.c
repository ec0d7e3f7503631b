// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues over shared memory: senders and receivers that are killed at random moments, or write
 * nonsense over all that they can reach.
 */
#include "shm_kill.h"

#define LIVES 2001
#define MESSAGES 20000 /* of a life, at most */
#define SENDERS 3

/*
 * What all know of all: of each life of a sender, how many messages were committed at least, and of
 * each of these whether it was seen, was about to be released, and was.
 */
struct board {
	uint64_t life, doubled, wrong;
	uint32_t sent[LIVES];
	uint8_t seen[LIVES][MESSAGES], going[LIVES][MESSAGES], done[LIVES][MESSAGES];
};

static void send_for_life(struct board *b, uint64_t life)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	for (uint64_t nr = 0; nr < MESSAGES; nr++) {
		if (ipcx_queue_loan(q, length(nr), &m, IPCX_FOREVER))
			_exit(2);
		memcpy(m.data, &(struct text){ .life = life, .nr = nr }, m.len);
		if (nr % 5 == 4)
			m.prio = 1;
		if (ipcx_queue_commit(q, &m))
			_exit(3);
		b->sent[life] = nr + 1;
	}
	pause();
}

/* One message. Where it comes again, that is told; and what was released does not come again. */
static void look_at(struct board *b, const struct ipcx_msg *m)
{
	const struct text *text = m->data;
	bool wrong = m->len != length(text->nr) || m->prio != (text->nr % 5 == 4);

	if (text->life >= LIVES || text->nr >= MESSAGES) {
		b->wrong++;
		return;
	}
	b->doubled += b->seen[text->life][text->nr] && !m->deliveries;
	b->doubled += b->done[text->life][text->nr];
	b->wrong += wrong;
	b->seen[text->life][text->nr] = 1;
}

static void did(struct board *b, struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct text text;

	memcpy(&text, m->data, offsetof(struct text, more));
	b->going[text.life][text.nr] = 1;
	if (ipcx_queue_release(q, m))
		_exit(3);
	b->done[text.life][text.nr] = 1;
}

/* Holds some, and lets them go in any order, or puts them back. */
static void receive_until(struct board *b, struct ipcx_queue *q, int64_t until)
{
	struct ipcx_msg m[4];
	int r;

	while (!(r = ipcx_queue_take(q, &m[0], until))) {
		int n = 1, first;

		while (n < 4 && random() % 2 && !ipcx_queue_take(q, &m[n], IPCX_NOWAIT))
			n++;
		for (int i = 0; i < n; i++)
			look_at(b, &m[i]);
		first = random() % n;
		if (random() % 8 == 0) {
			if (ipcx_queue_nack(q, &m[first]))
				_exit(4);
		} else {
			did(b, q, &m[first]);
		}
		for (int i = 0; i < n; i++)
			if (i != first)
				did(b, q, &m[i]);
	}
	if (r != -ETIMEDOUT)
		_exit(5);
}

static void receive_for_life(struct board *b)
{
	struct ipcx_queue *q;

	srandom(getpid());
	if (open_queue(&q, IPCX_RECV))
		_exit(1);
	receive_until(b, q, IPCX_FOREVER);
	_exit(2);
}

static pid_t start(struct board *b, int what)
{
	uint64_t life = b->life += what < SENDERS;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (what < SENDERS)
		send_for_life(b, life);
	receive_for_life(b);
	return 0;
}

TEST_F_TIMEOUT(kill, killed_at_any_moment, 600)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int n = rounds(1000), lost = 0, messages = 0;
	struct ipcx_queue *keeps, *last;
	pid_t pid[SENDERS + 1];

	ASSERT_NE(MAP_FAILED, b);
	/* a queue is there as long as somebody has it open */
	ASSERT_EQ(0, open_queue(&keeps, IPCX_SEND));
	srandom(n);
	for (int i = 0; i <= SENDERS; i++)
		pid[i] = start(b, i);
	for (int i = 0; i < n; i++) {
		int who = random() % 2 ? SENDERS : random() % SENDERS;

		usleep(random() % 4000);
		kill(pid[who], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[who])) TH_LOG("%d", who);
		pid[who] = start(b, who);
	}
	/* nobody is held up by what was killed */
	for (int i = 0; i < 2000 && !b->seen[b->life][0]; i++)
		usleep(10000);
	EXPECT_EQ(1, b->seen[b->life][0]);
	for (int i = 0; i <= SENDERS; i++) {
		kill(pid[i], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[i]));
	}
	ASSERT_EQ(0, open_queue(&last, IPCX_RECV));
	receive_until(b, last, in_ms(200));
	for (int i = 0; i <= b->life; i++) {
		messages += b->sent[i];
		for (int nr = 0; nr < b->sent[i]; nr++)
			lost += !b->going[i][nr];
	}
	TH_LOG("%d messages of %ju senders", messages, (uintmax_t)b->life);
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, b->doubled);
	EXPECT_EQ(0, b->wrong);
	EXPECT_LT(n, messages);
	ipcx_queue_close(last);
	ipcx_queue_close(keeps);
	munmap(b, sizeof(*b));
}

/* All at once, again and again: who comes finds it as new. */
TEST_F_TIMEOUT(kill, all_killed, 300)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ipcx_queue *q;

	for (int i = 0; i < rounds(100); i++) {
		pid_t pid[SENDERS + 1];

		for (int j = 0; j <= SENDERS; j++)
			pid[j] = start(b, j);
		usleep(random() % 10000);
		for (int j = 0; j <= SENDERS; j++)
			kill(pid[j], SIGKILL);
		for (int j = 0; j <= SENDERS; j++)
			ASSERT_EQ(128 + SIGKILL, exit_status(pid[j]));
		ASSERT_EQ(0, open_queue(&q, IPCX_SEND | IPCX_RECV | IPCX_EXCL));
		ASSERT_EQ(0, queue_send(q, i, 0));
		ASSERT_EQ(i, queue_recv(q, 0));
		ipcx_queue_close(q);
	}
	munmap(b, sizeof(*b));
}

/* The table, the receiver's page and the first rings: few hits are enough. */
static uint64_t where(uint64_t i, uint64_t words)
{
	uint64_t area = i % 3 ? 1 << 15 : 1 << 18;

	return random() % (i % 50 ? area : words);
}

static void scribble(const struct child *c)
{
	struct ipcx_queue *q;

	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	scribble_over(c, memory_of("queue"), where);
}

/* Gets what it gets, in as far as that can be; only its end counts. */
static void suffer(int64_t until, bool receives)
{
	struct ipcx_queue *q;
	struct ipcx_msg m[2];
	char text[LONG] = "";

	while (now_ns() < until) {
		if (open_queue(&q, receives ? IPCX_RECV | IPCX_SEND : IPCX_SEND))
			continue;
		for (int i = 0; i < 50 && now_ns() < until; i++) {
			ipcx_queue_send(q, text, i % 2 ? 8 : LONG, i % 7 ? 0 : in_ms(2));
			for (int j = 0; j < 2; j++) {
				if (ipcx_queue_take(q, &m[j], i % 5 ? 0 : in_ms(2)))
					continue;
				if (m[j].len > 4096)
					_exit(1);
				if (m[j].len)
					memcpy(text, m[j].data, m[j].len < LONG ? m[j].len : LONG);
				if (i % 3)
					ipcx_queue_nack(q, &m[j]);
				else if (j)
					ipcx_queue_release(q, &m[j]);
			}
			ipcx_queue_fd(q);
		}
		ipcx_queue_close(q);
	}
	_exit(0);
}

/* Who writes nonsense over all that there is disturbs the queue, and ends no other process. */
TEST_F_TIMEOUT(kill, nonsense, 120)
{
	struct ipcx_queue *q;
	struct child c;
	pid_t pid[3];

	for (int i = 0; i < 5; i++) {
		if (child_start(&c))
			scribble(&c);
		ASSERT_TRUE(hear(&c));
		for (int j = 0; j < 3; j++) {
			pid[j] = fork();
			if (!pid[j])
				suffer(in_ms(700), j);
		}
		for (int j = 0; j < 3; j++)
			EXPECT_EQ(0, exit_status(pid[j]));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	ASSERT_EQ(0, open_queue(&q, IPCX_SEND | IPCX_RECV));
	ASSERT_EQ(0, queue_send(q, 1, 0));
	EXPECT_EQ(1, queue_recv(q, 0));
	ipcx_queue_close(q);
}

static uint32_t senders_of(const struct ipcx_queue *q)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };

	return ipcx_queue_stat(q, &stats) ? 0 : stats.senders;
}

/* Whoever asks, and whatever he did just before. */
TEST_F(kill, the_dead_are_not_counted)
{
	struct ipcx_queue *send, *recv;
	struct ipcx_msg m;
	struct child c;

	ASSERT_EQ(0, open_queue(&send, IPCX_SEND));
	ASSERT_EQ(0, open_queue(&recv, IPCX_RECV));
	for (int i = 0; i < 2; i++) {
		struct ipcx_queue *asks = i ? recv : send, *q;

		if (child_start(&c)) {
			if (open_queue(&q, IPCX_SEND) || !say(&c))
				_exit(1);
			pause();
		}
		ASSERT_TRUE(hear(&c));
		EXPECT_EQ(2, senders_of(asks));
		EXPECT_EQ(-EAGAIN, ipcx_queue_take(recv, &m, IPCX_NOWAIT));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
		EXPECT_EQ(1, senders_of(asks));
	}
	ipcx_queue_close(recv);
	ipcx_queue_close(send);
}

TEST_HARNESS_MAIN
