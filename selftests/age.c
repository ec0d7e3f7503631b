// SPDX-License-Identifier: GPL-2.0-only
/*
 * How old messages were when they were taken: each take counts once, by the time since the message
 * was sent first; what nobody took, or only looked at or failed to read, does not count.
 */
#include <pthread.h>

#include "call_util.h"
#include "netlink_util.h"

#include "../kselftest_harness.h"

#define NAME "age"
#define GROUPS 20
#define MS 1000000LL

struct ages {
	uint64_t n[GROUPS], sum_ms, oldest_ms, waiters;
	bool right;
};

FIXTURE(age)
{
	int fd, family;
	struct side s;
	struct ages ages;
	int64_t tick;
};

static void ages_see(const struct message *m, void *arg)
{
	const struct nlattr *n = m->attr[IPCX_A_OBJECT_AGES];
	struct ages *a = arg;

	a->right = n && n->nla_len == NLA_HDRLEN + sizeof(a->n) &&
		   m->attr[IPCX_A_OBJECT_AGES_SUM_MS] && m->attr[IPCX_A_OBJECT_OLDEST_MS];
	if (!a->right)
		return;
	memcpy(a->n, n + 1, sizeof(a->n));
	a->sum_ms = nl_u64(m, IPCX_A_OBJECT_AGES_SUM_MS);
	a->oldest_ms = nl_u64(m, IPCX_A_OBJECT_OLDEST_MS);
	a->waiters = nl_u64(m, IPCX_A_OBJECT_RECV_WAITERS);
}

static struct ages ages_of(const FIXTURE_DATA(age) *self, const char *name)
{
	struct ages a = {};
	struct request r;

	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, name, strlen(name));
	if (nl_ask(self->fd, &r, ages_see, &a))
		a.right = false;
	return a;
}

static uint64_t taken(const struct ages *a)
{
	uint64_t n = 0;

	for (int i = 0; i < GROUPS; i++)
		n += a->n[i];
	return n;
}

/* Nothing more was taken. */
static bool same(FIXTURE_DATA(age) *self)
{
	struct ages now = ages_of(self, NAME);

	return now.right && !memcmp(now.n, self->ages.n, sizeof(now.n)) &&
	       now.sum_ms == self->ages.sum_ms;
}

/* One message more was taken, which was between @least and @most ns old. */
static bool one_more(FIXTURE_DATA(age) *self, const char *name, int64_t least, int64_t most)
{
	struct ages was = self->ages, now = ages_of(self, name);
	int64_t sum = (now.sum_ms - was.sum_ms) * MS;
	int group = -1, changed = 0;

	self->ages = now;
	for (int i = 0; i < GROUPS; i++)
		if (now.n[i] != was.n[i]) {
			group = i;
			changed += now.n[i] == was.n[i] + 1 ? 1 : 2;
		}
	if (now.right && changed == 1 && (group == GROUPS - 1 || (MS << group) >= least) &&
	    (!group || (MS << group) / 2 < most + 2 * self->tick) &&
	    sum >= least - self->tick - MS && sum <= most + self->tick + MS)
		return true;
	fprintf(stderr, "# %d changed, group %d, sum %lld, of %lld to %lld ns\n", changed, group,
		(long long)sum, (long long)least, (long long)most);
	return false;
}

/* When the kernel's clock ticked last: where ticks come late, ages are as wrong as this is. */
static int64_t tick_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void sleep_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };

	nanosleep(&t, NULL);
}

/* An inline message of 8 bytes. */
static int put(struct side *s, unsigned int prio)
{
	struct ipcx_desc d;
	int ret = side_loan(s, &d, 8, IPCX_LOAN_INLINE);

	d.prio = prio;
	return ret == 1 ? side_commit(s, &d, IPCX_MSG_INLINE) : ret;
}

FIXTURE_SETUP(age)
{
	struct timespec tick;

	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	self->family = nl_family(self->fd);
	ASSERT_LT(0, self->family);
	ASSERT_EQ(0, clock_getres(CLOCK_MONOTONIC_COARSE, &tick));
	self->tick = tick.tv_nsec;
	memset(&self->s, 0, sizeof(self->s));
	self->s.e.o.depth = 8;
	self->s.e.o.msg_max = 4096;
	ASSERT_EQ(0, side_open(&self->s, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	self->ages = ages_of(self, NAME);
	ASSERT_TRUE(self->ages.right);
	ASSERT_EQ(0, taken(&self->ages));
	ASSERT_EQ(0, self->ages.oldest_ms);
}

FIXTURE_TEARDOWN(age)
{
	end_close(&self->s.e);
	close(self->fd);
}

/* Each group, where that takes no time: in a guest that skips what it sleeps. */
TEST_F_TIMEOUT(age, every_age, 2000)
{
	int64_t longest = getenv("IPCX_TEST_FULL") ? 1 << GROUPS : 1 << 8;
	struct ipcx_desc d;

	for (int64_t ms = 0; ms < longest; ms = ms * 2 ?: 1) {
		int64_t begin = tick_ns(), sent, take;

		ASSERT_EQ(1, put(&self->s, 0));
		sent = now_ns();
		sleep_ms(ms);
		take = tick_ns();
		ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
		EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
		ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
		EXPECT_TRUE(same(self));
	}
	EXPECT_EQ(longest > 1 << 8, !!self->ages.n[GROUPS - 1]);
}

/* Whoever comes back has its age from when it was sent first, and is taken once more. */
TEST_F(age, comes_back)
{
	int64_t begin = tick_ns(), sent, take;
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(1, put(&self->s, 0));
	sent = now_ns();
	ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
	EXPECT_TRUE(one_more(self, NAME, 0, now_ns() - begin));
	EXPECT_EQ(0, self->ages.oldest_ms);
	sleep_ms(100);
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	EXPECT_TRUE(same(self));
	EXPECT_LE(100, ages_of(self, NAME).oldest_ms);
	take = tick_ns();
	ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
	EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	pid = fork();
	if (!pid) {
		static struct side other;

		_exit(side_open(&other, NAME, IPCX_OPEN_RECV) || side_take(&other, &d, 0, 0) != 1);
	}
	take = tick_ns();
	ASSERT_EQ(0, exit_status(pid));
	EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
	sleep_ms(100);
	take = tick_ns();
	ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
	EXPECT_EQ(3, d.deliveries);
	EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
	EXPECT_EQ(4, taken(&self->ages));
}

/* A take counts though it could not be told; a read that failed does not. */
TEST_F(age, untold)
{
	int64_t begin = tick_ns(), sent, take;
	struct ipcx_desc d;
	char buf[8];

	ASSERT_EQ(1, put(&self->s, 0));
	sent = now_ns();
	for (int i = 0; i < 2; i++) {
		take = tick_ns();
		EXPECT_EQ(-EFAULT, raw_take_places(self->s.e.fd, &d, 0, 0, NULL));
		EXPECT_TRUE(one_more(self, NAME, i ? take - sent : 0, now_ns() - begin));
		EXPECT_EQ(-1, read(self->s.e.fd, self->s.e.rx, 8));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TRUE(same(self));
		EXPECT_EQ(1, raw_take_flags(self->s.e.fd, &d, 0, IPCX_TAKE_PEEK));
		EXPECT_TRUE(same(self));
		sleep_ms(50);
	}
	take = tick_ns();
	EXPECT_EQ(8, read(self->s.e.fd, buf, sizeof(buf)));
	EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
}

static void *take_main(void *arg)
{
	const struct side *s = arg;
	struct ipcx_desc d;

	return (void *)(intptr_t)raw_take(s->e.fd, &d, in_ms(20000));
}

static void *read_main(void *arg)
{
	const struct side *s = arg;
	char buf[8];

	return (void *)(intptr_t)read(s->e.fd, buf, sizeof(buf));
}

/* Who sleeps takes what has just been sent, and it counts once. */
TEST_F(age, asleep)
{
	pthread_t t;
	void *ret;

	for (int i = 0; i < 2; i++) {
		int64_t begin;

		ASSERT_EQ(0, pthread_create(&t, NULL, i ? read_main : take_main, &self->s));
		for (int k = 0; k < 2000 && !ages_of(self, NAME).waiters; k++)
			sleep_ms(10);
		begin = tick_ns();
		ASSERT_EQ(1, put(&self->s, 0));
		pthread_join(t, &ret);
		EXPECT_EQ(i ? 8 : 1, (intptr_t)ret);
		EXPECT_TRUE(one_more(self, NAME, 0, now_ns() - begin));
	}
}

/* What is dropped, expires or is called off was not taken. */
TEST_F(age, never_taken)
{
	struct end oldest = { .o.depth = 2, .o.policy = IPCX_POLICY_DROP_OLDEST };
	struct end newest = { .o.depth = 2, .o.policy = IPCX_POLICY_DROP_NEWEST };
	struct ages a;
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&oldest, "age-oldest", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&newest, "age-newest", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(1, raw_send(&oldest, 8, i));
		ASSERT_EQ(1, raw_send(&newest, 8, i));
	}
	a = ages_of(self, "age-oldest");
	EXPECT_TRUE(a.right && !taken(&a) && a.oldest_ms);
	a = ages_of(self, "age-newest");
	EXPECT_TRUE(a.right && !taken(&a) && a.oldest_ms);
	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 8, 0));
	d.expires = in_ms(1);
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &d));
	sleep_ms(5);
	EXPECT_EQ(-EAGAIN, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 8, 0));
	ASSERT_EQ(1, raw_cancel(self->s.e.fd, &d));
	EXPECT_TRUE(same(self));
	end_close(&oldest);
	end_close(&newest);
}

/* Of all that wait, whatever their priority. */
TEST_F(age, oldest)
{
	int64_t begin = tick_ns(), sent, ns;
	struct ipcx_desc d[2];

	ASSERT_EQ(1, put(&self->s, 0));
	sent = now_ns();
	sleep_ms(100);
	ASSERT_EQ(1, put(&self->s, 31));
	sleep_ms(100);
	for (int i = 0; i < 2; i++) { /* without, and with the other taken */
		int64_t before = tick_ns();

		ns = ages_of(self, NAME).oldest_ms * MS;
		EXPECT_LE(before - sent, ns);
		EXPECT_GE(now_ns() - begin + 2 * self->tick + MS, ns);
		ASSERT_EQ(1, side_take(&self->s, &d[i], 0, 0));
		EXPECT_EQ(i ? 0 : 31, d[i].prio);
	}
	EXPECT_EQ(0, ages_of(self, NAME).oldest_ms);
}

/* A request counts as any message, its answer does not. */
TEST_F(age, request)
{
	int64_t begin = tick_ns(), sent, take;
	struct ipcx_desc d, answer;

	ASSERT_EQ(1, side_send_inline(&self->s, &d, 8, 1, IPCX_MSG_REQUEST));
	sent = now_ns();
	sleep_ms(50);
	take = tick_ns();
	ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
	EXPECT_TRUE(one_more(self, NAME, take - sent, now_ns() - begin));
	ASSERT_EQ(0, side_reply(&self->s, &d, NULL, "12345678", 8));
	ASSERT_EQ(1, side_answer(&self->s, &answer, 0));
	ASSERT_EQ(1, raw_release(self->s.e.fd, &answer));
	EXPECT_TRUE(same(self));
}

/* A dead letter is as old as it is in its queue. */
TEST_F(age, dead_letter)
{
	struct end e = {
		.o.max_deliveries = 1,
		.o.dead_letter = (uintptr_t)NAME,
		.o.dead_letter_len = sizeof(NAME) - 1,
	};
	struct ipcx_desc d;
	int64_t begin;

	ASSERT_EQ(0, end_open(&e, "age-dying", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 8, 1));
	sleep_ms(100);
	ASSERT_EQ(1, raw_take(e.fd, &d, 0));
	begin = tick_ns();
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	EXPECT_TRUE(same(self));
	ASSERT_EQ(1, side_take(&self->s, &d, 0, 0));
	EXPECT_TRUE(one_more(self, NAME, 0, now_ns() - begin));
	end_close(&e);
}

/* Many at once: each counts. */
TEST_F(age, batch)
{
	struct ipcx_desc d[5];
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = 5,
		.desc_size = sizeof(d[0]),
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)self->s.place,
	};

	memset(d, 0, sizeof(d));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, put(&self->s, 0));
	ASSERT_EQ(5, xioctl(self->s.e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	self->ages = ages_of(self, NAME);
	EXPECT_EQ(5, taken(&self->ages));
}

TEST_HARNESS_MAIN
