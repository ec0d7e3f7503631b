// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps of topics: what is shown and what is missed, of whom; rings that say nonsense; members that
 * come and go.
 */
#include <pthread.h>

#include "tap_util.h"

#include "../kselftest_harness.h"

#define NAME "tap-topic"
#define SNAP (1U << 20)
#define DEPTH 8

static const struct ipcx_tap_record *next_of(int fd)
{
	return tap_one(fd, SNAP);
}

FIXTURE(tap_topic)
{
	struct member pub;
	int fd;
	long refs;
};

FIXTURE_SETUP(tap_topic)
{
	self->refs = module_refs();
	memset(&self->pub, 0, sizeof(self->pub));
	self->pub.o.depth = DEPTH;
	ASSERT_EQ(0, member_open(&self->pub, NAME, CREATE | PUBLISH | EPHEMERAL));
	self->fd = tap_open(IPCX_KIND_TOPIC, NAME, SNAP);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(tap_topic)
{
	if (self->pub.fd >= 0)
		member_close(&self->pub);
	close(self->fd);
	EXPECT_EQ(self->refs, module_refs());
}

/* Each message, while the ring wraps more than once; numbers begin with 0. */
TEST_F(tap_topic, sees_all)
{
	const struct ipcx_tap_record *r;

	for (uint64_t i = 0; i < 50; i++) {
		ASSERT_LE(0, publish(&self->pub, i * 0x0101010101ULL));
		r = next_of(self->fd);
		ASSERT_NE(NULL, r);
		EXPECT_EQ(IPCX_TAP_PUBLISHED, r->state);
		EXPECT_EQ(i, r->seq);
		EXPECT_EQ(0, r->missed);
		EXPECT_EQ(8, r->len);
		EXPECT_EQ(8, r->snapped);
		EXPECT_EQ(i * 0x0101010101ULL, r->tag);
		EXPECT_EQ(0, memcmp(tap_data(r), &r->tag, 8));
		EXPECT_EQ(0, r->ring);
		EXPECT_EQ(self->pub.dir->ring[0].id, r->publisher);
		EXPECT_EQ(getpid(), r->pid);
		EXPECT_EQ(0, r->uid | r->gid | r->prio | r->deliveries | r->flags);
		EXPECT_EQ(EAGAIN, errno_of(next_of(self->fd)));
	}
}

TEST_F(tap_topic, counts)
{
	uint64_t shown = 0, missed = 0, n = 0;
	const struct ipcx_tap_record *r;

	for (int burst = 1; burst < 200; burst++) {
		for (int i = 0; i < burst % 23; i++)
			ASSERT_LE(0, publish(&self->pub, n++));
		while ((r = next_of(self->fd))) {
			missed += r->missed;
			ASSERT_EQ(shown + missed, r->seq);
			ASSERT_EQ(r->seq, r->tag);
			shown++;
		}
		ASSERT_EQ(EAGAIN, errno);
		ASSERT_EQ(n, shown + missed);
	}
	EXPECT_LT(0, shown);
	EXPECT_LT(0, missed);
}

/* What was published before it is neither shown nor missed, though it was not read at once. */
TEST_F(tap_topic, begins)
{
	const struct ipcx_tap_record *r;
	int fd;

	for (int i = 0; i < 5; i++)
		ASSERT_LE(0, publish(&self->pub, i));
	fd = tap_open(IPCX_KIND_TOPIC, NAME, SNAP);
	EXPECT_EQ(EAGAIN, errno_of(next_of(fd)));
	for (int i = 5; i < 25; i++)
		ASSERT_LE(0, publish(&self->pub, i));
	r = next_of(fd);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(r->seq - 5, r->missed);
	EXPECT_EQ(25 - DEPTH + 1, r->seq);
	close(fd);
}

static void publish_long(struct member *m, char *data, uint32_t len, int fill)
{
	uint64_t p = m->ring->head;
	struct ipcx_cell *cell = cell_at(m->ring, m, p);
	char *place = data + (p & (m->o.out_depth - 1)) * m->o.out_stride;

	__atomic_store_n(&m->ring->head, position(p + 1), __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memset(place, fill, len);
	cell->len = len;
	cell->nr = m->nr++;
	cell->tag = fill;
	__atomic_store_n(&cell->word, p << 2 | IPCX_CELL_PUBLISHED, __ATOMIC_RELEASE);
}

TEST_F(tap_topic, payload)
{
	const uint32_t lens[] = { 105, 4096, 4097, 100000, 1 << 20 };
	struct member *m = &self->pub;
	char *data =
		map_range(m->fd, PROT_READ | PROT_WRITE, data_offset(m, 0), m->o.out_data_window);
	const struct ipcx_tap_record *r;

	ASSERT_NE(NULL, data);
	for (int i = 0; i < 20; i++) {
		uint32_t len = lens[i % ARRAY_SIZE(lens)];

		ASSERT_LE(len, raw_populate(m->fd, i % DEPTH, len));
		publish_long(m, data, len, i + 1);
		r = next_of(self->fd);
		ASSERT_NE(NULL, r);
		EXPECT_EQ(i, r->seq);
		EXPECT_EQ(len, r->len);
		EXPECT_EQ(len, r->snapped);
		EXPECT_TRUE(tap_all(r, i + 1));
	}
	munmap(data, m->o.out_data_window);
}

/* Two rings, each with its own numbers; one that comes later is seen from its first message on. */
TEST_F(tap_topic, rings)
{
	struct member other = {};
	int seen[2] = {};
	const struct ipcx_tap_record *r;

	ASSERT_EQ(0, member_open(&other, NAME, PUBLISH));
	for (int i = 0; i < 5; i++)
		ASSERT_LE(0, publish(&other, i) | publish(&self->pub, i));
	while ((r = next_of(self->fd))) {
		ASSERT_GT(2, r->ring);
		EXPECT_EQ(seen[r->ring]++, r->seq);
		EXPECT_EQ(0, r->missed);
	}
	EXPECT_EQ(5, seen[0]);
	EXPECT_EQ(5, seen[1]);
	member_close(&other);
	EXPECT_EQ(EAGAIN, errno_of(next_of(self->fd)));
}

/* What a dead publisher has left to a subscriber is there for a tap, too; what is gone is not. */
TEST_F(tap_topic, dead)
{
	struct member other = {}, sub = {};

	ASSERT_EQ(0, member_open(&sub, NAME, SUBSCRIBE));
	ASSERT_EQ(0, member_open(&other, NAME, PUBLISH));
	ASSERT_LE(0, publish(&other, 1));
	other.ring->head++; /* on loan when it died */
	member_close(&other);
	EXPECT_EQ(1, next_of(self->fd)->tag);
	EXPECT_EQ(EAGAIN, errno_of(next_of(self->fd)));
	member_close(&sub);
	EXPECT_EQ(EAGAIN, errno_of(next_of(self->fd)));
	ASSERT_EQ(0, member_open(&other, NAME, PUBLISH));
	ASSERT_LE(0, publish(&other, 2));
	EXPECT_EQ(2, next_of(self->fd)->tag);
	member_close(&other);
}

/* A position that was skipped is no message, one that was canceled is none that is missed. */
TEST_F(tap_topic, skipped)
{
	struct member *m = &self->pub;
	const struct ipcx_tap_record *r;
	uint64_t p;

	ASSERT_LE(0, publish(m, 1));
	p = m->ring->head++;
	cell_at(m->ring, m, p)->word = p << 2 | IPCX_CELL_SKIPPED;
	p = m->ring->head++;
	cell_at(m->ring, m, p)->nr = m->nr++;
	cell_at(m->ring, m, p)->word = p << 2 | IPCX_CELL_CANCELED;
	ASSERT_LE(0, publish(m, 2));
	EXPECT_EQ(1, next_of(self->fd)->tag);
	r = next_of(self->fd);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(2, r->tag);
	EXPECT_EQ(2, r->seq);
	EXPECT_EQ(0, r->missed);
}

/* Whatever a ring says, a read ends, shows nothing of others, and a later message is seen. */
TEST_F(tap_topic, nonsense)
{
	const uint64_t heads[] = { 0, 3, -1ULL, 1ULL << 61, 1ULL << 62, 1ULL << 63, 77 };
	struct member *m = &self->pub;
	int fd = tap_open(IPCX_KIND_TOPIC, NAME, 400);
	const struct ipcx_tap_record *r;

	srandom(1);
	for (int i = 0; i < rounds(20000); i++) {
		uint64_t p = random() % 3 ? m->ring->head : heads[random() % ARRAY_SIZE(heads)];
		struct ipcx_cell *cell = cell_at(m->ring, m, p);

		m->ring->head = random() % 2 ? p + 1 : heads[random() % ARRAY_SIZE(heads)];
		cell->word = random() % 2 ? p << 2 : (uint64_t)random() << (random() % 40);
		cell->len = random() % 4 ? random() % 300 : random() * 2;
		cell->nr = random();
		for (int k = 0; k < 20 && (r = tap_one(fd, 400)); k++) {
			ASSERT_GE(m->o.out_msg_max, r->len);
			/* no payload slot has a page */
			ASSERT_GE(IPCX_CELL_DATA, r->len);
		}
		ASSERT_TRUE(r || errno == EAGAIN);
	}
	member_close(m);
	EXPECT_EQ(EIDRM, errno_of(tap_one(fd, 400)));
	close(fd);
}

TEST_F(tap_topic, over)
{
	EXPECT_EQ(-EPROTOTYPE, tap_open(IPCX_KIND_QUEUE, NAME, 0));
	ASSERT_EQ(0, raw_unlink_kind(NAME, 0, IPCX_KIND_TOPIC));
	EXPECT_EQ(EAGAIN, errno_of(next_of(self->fd)));
	ASSERT_LE(0, publish(&self->pub, 1));
	EXPECT_EQ(1, next_of(self->fd)->tag);
	member_close(&self->pub);
	EXPECT_EQ(EIDRM, errno_of(next_of(self->fd)));
	EXPECT_EQ(-ENOENT, tap_open(IPCX_KIND_TOPIC, NAME, 0));
}

static struct member *publisher;
static char *places;
static volatile bool stop;

static void *publish_on(void *arg)
{
	for (unsigned int i = 0; !stop; i++)
		publish_long(publisher, places, 20000, i & 0x7f);
	return NULL;
}

/* Never a byte of another message, however fast the ring wraps. */
TEST_F(tap_topic, bytes)
{
	struct member *m = &self->pub;
	uint64_t shown = 0, missed = 0, n = rounds(10000);
	const struct ipcx_tap_record *r;
	pthread_t thread;
	int fd;

	places = map_range(m->fd, PROT_READ | PROT_WRITE, data_offset(m, 0), m->o.out_data_window);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_LE(20000, raw_populate(m->fd, i, 20000));
	fd = tap_open(IPCX_KIND_TOPIC, NAME, 20000);
	publisher = m;
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, publish_on, NULL));
	while (shown + missed < n) {
		r = tap_one(fd, 20000);
		if (!r && errno == EAGAIN)
			continue;
		ASSERT_NE(NULL, r);
		missed += r->missed;
		ASSERT_EQ(shown + missed, r->seq);
		shown++;
		ASSERT_TRUE(tap_all(r, r->tag));
	}
	stop = true;
	pthread_join(thread, NULL);
	fprintf(stderr, "# %llu shown, %llu missed\n", (unsigned long long)shown,
		(unsigned long long)missed);
	close(fd);
	munmap(places, m->o.out_data_window);
}

TEST_HARNESS_MAIN
