// SPDX-License-Identifier: GPL-2.0-only
/*
 * A topic whose publisher and subscriber, durable or not, are killed at random moments, and one
 * with members that write nonsense over all that they may write to, while others go on.
 *
 * IPCX_TEST_FULL=1: 10,000 kills, a million messages beside who writes nonsense.
 */
#include <ipcx.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "topic_util.h"

#include "../kselftest_harness.h"

#define NAME "topic-kill"
#define LIVES 10001

/* One publisher, from start to death; @next and @got are how far it and its reader are. */
struct life {
	volatile uint64_t next;
	volatile uint64_t got;
};

struct board {
	volatile uint32_t life; /* of the present publisher */
	volatile uint64_t again; /* messages that came again */
	volatile bool wrong, here; /* here: who is not killed has joined */
	char how[100]; /* what was */
	struct life lives[LIVES];
};

struct text {
	uint64_t magic, life, nr;
	char more[200]; /* too long for a cell every other time */
};

#define MAGIC 0x6b696c6c6b696c6cULL

static struct board *b;

static void give_up(const char *what, uint64_t life, uint64_t nr, int64_t value)
{
	if (!b->wrong)
		snprintf(b->how, sizeof(b->how), "%s: life %ju, message %ju: %jd", what,
			 (uintmax_t)life, (uintmax_t)nr, (intmax_t)value);
	b->wrong = true;
	_exit(1);
}

static size_t length(uint64_t nr)
{
	return nr % 2 ? sizeof(struct text) : offsetof(struct text, more);
}

static void publish_all(uint32_t life)
{
	struct text text = { MAGIC, life };
	struct ipcx_topic *t;
	int r = ipcx_topic_open(&t, NAME, IPCX_PUBLISH, NULL);

	for (; !r; text.nr++) {
		r = ipcx_topic_send(t, &text, length(text.nr), IPCX_FOREVER);
		b->lives[life].next = text.nr + 1; /* it may die before */
	}
	give_up("send", life, text.nr, r);
}

/* What came must be what is next of that publisher, or the last that came, if not released. */
static void check(const struct ipcx_msg *m)
{
	const struct text *text = m->data;
	struct life *l;

	if (m->len < offsetof(struct text, more) || text->magic != MAGIC || text->life > b->life ||
	    m->len != length(text->nr))
		give_up("nonsense", m->tag, m->seq, m->len);
	l = &b->lives[text->life];
	if (text->nr + 1 == l->got)
		b->again++;
	else if (text->nr != l->got)
		give_up("not the next", text->life, text->nr, l->got);
	l->got = text->nr + 1;
}

static void subscribe_all(const char *durable)
{
	IPCX_TOPIC_OPTS(opts, .durable = durable);
	struct ipcx_topic *t;
	struct ipcx_msg m;
	int r = ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, &opts);

	b->here = true;
	while (!r) {
		r = ipcx_topic_take(t, &m, IPCX_FOREVER);
		if (r)
			break;
		check(&m);
		r = ipcx_topic_release(t, &m);
	}
	give_up("take", 0, 0, r);
}

/* Has up to three messages in its hands. The end of a publisher that was killed is no error. */
static void subscribe_a_while(void)
{
	struct ipcx_topic *t;
	struct ipcx_msg m[3];
	int r = ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, NULL), n = 0;

	while (!r || r == -EPIPE) {
		r = ipcx_topic_take(t, &m[n], IPCX_FOREVER);
		n += !r;
		while (!r && n && (n == 3 || random() % 2))
			r = ipcx_topic_release(t, &m[--n]);
	}
	give_up("take or release", 0, n, r);
}

enum who { PUBLISHER, DURABLE, VISITOR, WITNESS };

static pid_t start(enum who who)
{
	pid_t pid = fork();

	if (pid < 0)
		abort(); /* before anybody kills -1 */
	if (pid)
		return pid;
	srandom(getpid());
	if (who == PUBLISHER)
		publish_all(b->life);
	else if (who == VISITOR)
		subscribe_a_while();
	else
		subscribe_all(who == DURABLE ? "d" : NULL);
	return 0;
}

/* Has the reader got all that is known to have been sent? */
static bool all_got(void)
{
	for (uint32_t i = 0; i <= b->life; i++)
		if (b->lives[i].got < b->lives[i].next)
			return false;
	return true;
}

FIXTURE(members){};

FIXTURE_VARIANT(members)
{
	const char *durable;
	enum who subscriber;
};

FIXTURE_VARIANT_ADD(members, durable){ .durable = "d", .subscriber = DURABLE };
/* Beside one who is not killed, and gets each message once. */
FIXTURE_VARIANT_ADD(members, reliable){ .subscriber = VISITOR };

FIXTURE_SETUP(members)
{
	IPCX_TOPIC_OPTS(opts, .depth = 32, .durable = variant->durable);
	struct ipcx_topic *t;

	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, ipcx_topic_open(&t, NAME, IPCX_CREATE | IPCX_SUBSCRIBE, &opts));
	ipcx_topic_close(t);
}

FIXTURE_TEARDOWN(members)
{
	EXPECT_EQ(0, ipcx_topic_unlink(NAME));
	munmap(b, sizeof(*b));
}

TEST_F_TIMEOUT(members, killed, 7200)
{
	int n = rounds_or(300, LIVES - 1), status;
	pid_t pid[2], witness = -1; /* publisher, subscriber */

	if (!variant->durable) {
		witness = start(WITNESS);
		while (!b->here)
			usleep(1000);
	}
	pid[0] = start(PUBLISHER);
	pid[1] = start(variant->subscriber);
	for (int i = 0; i < n && !b->wrong; i++) {
		int who = random() % 2;

		usleep(random() % 4000);
		kill(pid[who], SIGKILL);
		ASSERT_EQ(pid[who], waitpid(pid[who], &status, 0));
		b->life += !who;
		pid[who] = start(who ? variant->subscriber : PUBLISHER);
	}
	/* nobody who is dead holds the last one up */
	for (int i = 0; i < 3000 && b->lives[b->life].next < 1000 && !b->wrong; i++)
		usleep(10000);
	EXPECT_LE(1000, b->lives[b->life].next);
	kill(pid[0], SIGKILL);
	ASSERT_EQ(pid[0], waitpid(pid[0], &status, 0));
	for (int i = 0; i < 3000 && !all_got() && !b->wrong; i++)
		usleep(10000);
	EXPECT_TRUE(all_got());
	EXPECT_FALSE(b->wrong) TH_LOG("%s", b->how);
	kill(pid[1], SIGKILL);
	ASSERT_EQ(pid[1], waitpid(pid[1], &status, 0));
	if (!variant->durable) {
		EXPECT_EQ(0, b->again);
		kill(witness, SIGKILL);
		ASSERT_EQ(witness, waitpid(witness, &status, 0));
	}
	TH_LOG("%d kills, %u publishers, %ju messages came again", n, b->life + 1,
	       (uintmax_t)b->again);
}

/* Writes over all that @m may write to, for ever. */
static void scribble(struct member *m)
{
	uint64_t *ring = (uint64_t *)m->ring, *control = (uint64_t *)m->control;
	uint64_t words = m->o.out_ring_window / 8, *payload = NULL, r;

	if (ring && raw_populate(m->fd, 0, PAGE) > 0)
		payload = map_range(m->fd, PROT_READ | PROT_WRITE, data_offset(m, m->o.out_ring),
				    PAGE);
	for (;;) {
		r = (uint64_t)random() << 33 ^ random();
		if (ring)
			ring[r % (random() % 2 ? 8 : words)] = random() % 2 ? r : r % 64;
		if (payload)
			payload[r % (PAGE / 8)] = r;
		if (control)
			control[r % (PAGE / 8)] = random() % 2 ? r : r % 64;
		if (!(r >> 20 & 0xff))
			raw_kick(m->fd, ring ? IPCX_KICK_SUBSCRIBERS : IPCX_KICK_PUBLISHERS);
	}
}

/* Comes again whenever it was cut off long ago. */
static pid_t start_scribbling(unsigned int flags)
{
	pid_t pid = fork();

	while (!pid) {
		struct member m = {};
		pid_t one = fork();

		if (!one) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srandom(getpid());
			if (!member_open(&m, NAME, flags))
				scribble(&m);
			_exit(0);
		}
		usleep(20000);
		kill(one, SIGKILL);
		waitpid(one, NULL, 0);
	}
	return pid;
}

static void publish_beside(int n)
{
	struct ipcx_topic *t;
	uint64_t nr = 0;
	int r = ipcx_topic_open(&t, NAME, IPCX_PUBLISH, NULL);

	for (; !r && nr < n; nr++)
		r = ipcx_topic_send(t, &nr, sizeof(nr), in_ms(60000));
	_exit(!!r);
}

/* Return: how many came in order from @pid, or a negative errno. */
static int64_t receive_beside(struct ipcx_topic *t, pid_t pid, int n)
{
	uint64_t next = 0;
	struct ipcx_msg m;
	int r;

	while (next < n) {
		r = ipcx_topic_take(t, &m, in_ms(60000));
		if (r == -EPROTO || r == -EPIPE) /* of the other */
			continue;
		if (r)
			return r;
		if (m.pid == pid) {
			if (m.len != sizeof(next) || *(uint64_t *)m.data != next)
				return -EBADMSG;
			next++;
		}
		r = ipcx_topic_release(t, &m);
		if (r)
			return r;
	}
	return next;
}

FIXTURE(nonsense){};

FIXTURE_VARIANT(nonsense)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(nonsense, publisher){ .flags = PUBLISH };
FIXTURE_VARIANT_ADD(nonsense, subscriber){ .flags = SUBSCRIBE };
FIXTURE_VARIANT_ADD(nonsense, lossy_subscriber){ .flags = SUBSCRIBE | LOSSY };

FIXTURE_SETUP(nonsense)
{
}

FIXTURE_TEARDOWN(nonsense)
{
}

TEST_F_TIMEOUT(nonsense, beside_others, 7200)
{
	IPCX_TOPIC_OPTS(opts, .depth = 64);
	int n = rounds_or(20000, 1000000);
	struct ipcx_topic *t;
	pid_t scribbler, pid;

	ASSERT_EQ(0,
		  ipcx_topic_open(&t, NAME, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, &opts));
	scribbler = start_scribbling(variant->flags);
	pid = fork();
	if (!pid)
		publish_beside(n);
	EXPECT_EQ(n, receive_beside(t, pid, n));
	EXPECT_EQ(0, exit_status(pid));
	kill(scribbler, SIGKILL);
	waitpid(scribbler, NULL, 0);
	ipcx_topic_close(t);
}

TEST_HARNESS_MAIN
