// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGKILL at random moments. Senders number their messages; a sender notes in
 * shared memory what it committed, a receiver what it released. Whatever was
 * committed must be released once; again only with deliveries > 0.
 */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define DEPTH	16
#define WORDS	64

/* Written by one child at a time, read by the parent when it is dead. */
struct board {
	volatile uint64_t sent;		/* number of the last message begun */
	volatile uint64_t bad;		/* a message that was not as it was sent */
};

/* @committed: set for each message known to be committed */
static void sender(struct board *b, uint8_t *committed)
{
	struct end e = {};
	struct ipcx_desc d;

	if (end_open(&e, "death", IPCX_OPEN_SEND))
		_exit(1);
	for (;;) {
		uint64_t n = b->sent + 1, *p;
		size_t words = 2 + n % WORDS * (n % 5 ? 1 : 100);

		if (raw_loan(e.fd, &d, words * 8, IPCX_DEADLINE_FOREVER) != 1)
			_exit(2);
		p = (uint64_t *)tx_at(&e, &d);
		p[0] = n;
		p[words - 1] = n * 0x9e3779b97f4a7c15;
		d.tag = n;
		b->sent = n;
		if (raw_commit(e.fd, &d) != 1)
			_exit(3);
		committed[n] = 1;
	}
}

static bool intact(const struct end *e, const struct ipcx_desc *d)
{
	const uint64_t *p = (const uint64_t *)rx_at(e, d);

	return p[0] == d->tag && p[d->len / 8 - 1] == d->tag * 0x9e3779b97f4a7c15;
}

static void receiver(struct board *b, uint8_t *seen)
{
	struct end e = {};
	struct ipcx_desc d;

	if (end_open(&e, "death", IPCX_OPEN_RECV))
		_exit(1);
	for (;;) {
		if (raw_take(e.fd, &d, IPCX_DEADLINE_FOREVER) != 1)
			_exit(2);
		if (!intact(&e, &d))
			b->bad++;
		if (seen[d.tag] && !d.deliveries)
			b->bad++;
		seen[d.tag] = 1; /* may die here: then it must come again, marked */
		seen[d.tag] = 2;
		if (raw_release(e.fd, &d) != 1)
			_exit(3);
	}
}

static void *shared(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
}

/* The survivors' view after every child is dead. */
static void drain(struct __test_metadata *_metadata, struct end *e, uint8_t *seen)
{
	struct ipcx_desc d;

	while (raw_take(e->fd, &d, 0) == 1) {
		EXPECT_TRUE(intact(e, &d));
		EXPECT_FALSE(seen[d.tag] && !d.deliveries);
		seen[d.tag] = 2;
		ASSERT_EQ(1, raw_release(e->fd, &d));
	}
}

TEST(kill_9_at_random_moments)
{
	const size_t most = 64 << 20;
	struct board *b = shared(4096);
	uint8_t *seen = shared(most), *committed = shared(most);
	struct end e = { .o = { .depth = DEPTH, .msg_max = 1 << 16 } };
	int kills = rounds(1000);
	struct counts c;
	uint64_t id;

	srandom(1);
	ASSERT_EQ(0, end_open(&e, "death", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	id = e.o.out_id;
	for (int i = 0; i < kills; i++) {
		pid_t s = fork(), r;

		if (!s)
			sender(b, committed);
		r = fork();
		if (!r)
			receiver(b, seen);
		usleep(random() % 4000);
		/* the survivor goes on for a while */
		kill(i & 1 ? s : r, SIGKILL);
		usleep(random() % 1000);
		kill(i & 1 ? r : s, SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(s));
		ASSERT_EQ(128 + SIGKILL, exit_status(r));
		ASSERT_TRUE(counts_of(id, &c));
		ASSERT_EQ(0, c.loaned) TH_LOG("round %d", i);
		ASSERT_EQ(0, c.leased) TH_LOG("round %d", i);
		ASSERT_EQ(DEPTH, c.queued + c.free);
		ASSERT_EQ(0, b->bad);
		if (i % 10 == 9)
			drain(_metadata, &e, seen);
	}
	drain(_metadata, &e, seen);
	for (uint64_t n = 1; n <= b->sent; n++) {
		bool lost = committed[n] && seen[n] != 2;

		ASSERT_FALSE(lost) TH_LOG("message %llu", (unsigned long long)n);
	}
	ASSERT_TRUE(counts_of(id, &c));
	EXPECT_EQ(DEPTH, c.free);
	/* the survivor is not stuck: every slot can be had and sent */
	for (int i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, raw_send(&e, 100, 'x'));
	TH_LOG("%d rounds, %llu messages", kills, (unsigned long long)b->sent);
	end_close(&e);
}

TEST(holder_of_everything_dies)
{
	struct end e = { .o = { .depth = 64, .msg_max = 4096 } };
	int64_t t;
	struct ipcx_desc d;
	int ready[2];
	pid_t pid;
	char ch;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, end_open(&e, "holder", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 64; i++)
		ASSERT_EQ(1, raw_send(&e, 100, i));
	pid = fork();
	if (!pid) {
		struct end o = {};

		if (end_open(&o, "holder", IPCX_OPEN_RECV))
			_exit(1);
		while (raw_take(o.fd, &d, 0) == 1)
			;
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &ch, 1));
	EXPECT_EQ(-EAGAIN, raw_take(e.fd, &d, 0));
	kill(pid, SIGKILL);
	t = now_ns();
	ASSERT_EQ(1, raw_take(e.fd, &d, in_ms(20000)));
	TH_LOG("available again %lld us after the kill", (long long)(now_ns() - t) / 1000);
	for (int i = 0; i < 64; i++) {
		if (i)
			ASSERT_EQ(1, raw_take(e.fd, &d, 0));
		EXPECT_EQ(i, rx_at(&e, &d)[0]);
		EXPECT_EQ(1, d.deliveries);
		ASSERT_EQ(1, raw_release(e.fd, &d));
	}
	waitpid(pid, NULL, 0);
	end_close(&e);
}

TEST_HARNESS_MAIN
