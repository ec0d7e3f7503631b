// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays of descriptors that run into memory that is not there: the entries before are done and
 * told, the others are as if they had not been in the array, and nothing is lost.
 */
#include <stddef.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096
#define COUNT 24 /* of an array: some are worked on at a time, 8 or 16 */

FIXTURE(edge)
{
	struct end e;
	char *page; /* and one behind it that is not there */
	struct ipcx_desc all[COUNT], *some;
};

FIXTURE_VARIANT(edge)
{
	int good; /* entries before the edge */
	size_t part; /* bytes of the next that are there, too, not those which all calls read */
};

FIXTURE_VARIANT_ADD(edge, first_is_cut){ 0, 40 };
FIXTURE_VARIANT_ADD(edge, third){ 3, 0 };
FIXTURE_VARIANT_ADD(edge, third_and_a_part){ 3, 8 };
FIXTURE_VARIANT_ADD(edge, eighth){ 8, 0 };
FIXTURE_VARIANT_ADD(edge, eleventh_and_a_part){ 11, 40 };
FIXTURE_VARIANT_ADD(edge, sixteenth){ 16, 0 };
FIXTURE_VARIANT_ADD(edge, nineteenth_and_a_part){ 19, 48 };

FIXTURE_SETUP(edge)
{
	memset(self, 0, sizeof(*self));
	self->e.o.depth = 2 * COUNT;
	self->e.o.msg_max = PAGE;
	self->page =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, munmap(self->page + PAGE, PAGE));
	self->some = (struct ipcx_desc *)(self->page + PAGE - variant->part) - variant->good;
	ASSERT_EQ(0, end_open(&self->e, NULL, CREATE | SENDRECV));
}

FIXTURE_TEARDOWN(edge)
{
	end_close(&self->e);
	munmap(self->page, 2 * PAGE);
}

/* What a call on the array at the edge is to return */
static int expected(int good)
{
	return good ? good : -EFAULT;
}

static int loan(FIXTURE_DATA(edge) *self, struct ipcx_desc *d, unsigned int kind)
{
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.flags = kind,
		.descs = (uintptr_t)d,
		.count = COUNT,
		.desc_size = sizeof(*d),
	};

	return xioctl(self->e.fd, IPCX_IOC_QUEUE_LOAN, &l);
}

static int take(FIXTURE_DATA(edge) *self, struct ipcx_desc *d)
{
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = COUNT,
		.desc_size = sizeof(*d),
		.len_max = UINT64_MAX,
	};

	return xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t);
}

static int done(FIXTURE_DATA(edge) *self, unsigned long cmd, struct ipcx_desc *d, unsigned int n,
		unsigned int flags)
{
	return raw_done_n(self->e.fd, cmd, d, n, flags);
}

/* As many as are there of @all, to the edge */
static void lay(FIXTURE_DATA(edge) *self, int good, size_t part)
{
	memcpy(self->some, self->all, good * sizeof(*self->all) + part);
}

/* All of @all: those behind the edge can be read, and not written. */
static void lay_read_only(FIXTURE_DATA(edge) *self)
{
	char *behind = mmap(self->page + PAGE, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	memcpy(self->some, self->all, sizeof(self->all));
	mprotect(behind, PAGE, PROT_READ);
}

/* Of a loan slot and len are written, which the part of an entry may have. */
static int writable(int good, size_t part)
{
	return good + (part >= offsetof(struct ipcx_desc, tag));
}

static bool are(FIXTURE_DATA(edge) *self, uint64_t loaned, uint64_t queued, uint64_t leased)
{
	struct ipcx_queue_stat s = { .size = sizeof(s) };

	return !xioctl(self->e.fd, IPCX_IOC_QUEUE_STAT, &s) && s.out_loaned == loaned &&
	       s.out_queued == queued && s.out_leased == leased &&
	       s.out_free == 2 * COUNT - loaned - queued - leased;
}

/* COUNT loans, each with its number in it */
static int loan_all(FIXTURE_DATA(edge) *self)
{
	int ret;

	for (int i = 0; i < COUNT; i++)
		self->all[i] = (struct ipcx_desc){ .len = 1 };
	ret = loan(self, self->all, 0);
	for (int i = 0; i < ret; i++) {
		*tx_at(&self->e, &self->all[i]) = i;
		self->all[i].tag = i;
	}
	return ret;
}

/* @n messages in @d follow each other from number @from on, and came for the first time. */
static bool follow(FIXTURE_DATA(edge) *self, const struct ipcx_desc *d, int n, int from)
{
	for (int i = 0; i < n; i++)
		if (d[i].tag != (uint64_t)from + i || *rx_at(&self->e, &d[i]) != from + i ||
		    d[i].deliveries)
			return false;
	return true;
}

TEST_F(edge, loan)
{
	for (int i = 0; i < COUNT; i++)
		self->all[i] = (struct ipcx_desc){ .len = 1 };
	lay(self, variant->good, variant->part);
	ASSERT_EQ(expected(variant->good), loan(self, self->some, 0));
	EXPECT_TRUE(are(self, variant->good, 0, 0));
	/* each is told, and is one that can be sent */
	for (int i = 0; i < variant->good; i++)
		EXPECT_EQ(1, raw_commit(self->e.fd, &self->some[i]));
	EXPECT_TRUE(are(self, 0, variant->good, 0));
}

/* A slot that cannot be told of is not lent, whether it has pages or none. */
TEST_F(edge, loan_untold)
{
	int good = writable(variant->good, variant->part);

	for (int i = 0; i < COUNT; i++)
		self->all[i] = (struct ipcx_desc){ .len = 1 };
	lay_read_only(self);
	ASSERT_EQ(expected(good), loan(self, self->some, 0));
	EXPECT_TRUE(are(self, good, 0, 0));
	for (int i = 0; i < good; i++)
		EXPECT_EQ(1, raw_cancel(self->e.fd, &self->some[i]));
	ASSERT_EQ(expected(good), loan(self, self->some, IPCX_LOAN_INLINE));
	EXPECT_TRUE(are(self, good, 0, 0));
}

TEST_F(edge, commit)
{
	int good = variant->good, rest = COUNT - good;

	ASSERT_EQ(COUNT, loan_all(self));
	lay(self, good, variant->part);
	ASSERT_EQ(expected(good), done(self, IPCX_IOC_QUEUE_COMMIT, self->some, COUNT, 0));
	EXPECT_TRUE(are(self, rest, good, 0));
	ASSERT_EQ(rest, done(self, IPCX_IOC_QUEUE_COMMIT, self->all + good, rest, 0));
	ASSERT_EQ(COUNT, take(self, self->all));
	EXPECT_TRUE(follow(self, self->all, COUNT, 0));
}

/* Each that is sent brings a loan. */
TEST_F(edge, commit_and_loan)
{
	int good = variant->good, rest = COUNT - good;
	int loans = 0;

	ASSERT_EQ(COUNT, loan_all(self));
	lay(self, good, variant->part);
	ASSERT_EQ(expected(good),
		  done(self, IPCX_IOC_QUEUE_COMMIT, self->some, COUNT, IPCX_COMMIT_LOAN));
	for (int i = 0; i < good; i++)
		loans += self->some[i].slot != IPCX_SLOT_NONE;
	EXPECT_TRUE(are(self, rest + loans, good, 0));
	for (int i = 0; i < good; i++)
		if (self->some[i].slot != IPCX_SLOT_NONE)
			EXPECT_EQ(1, raw_cancel(self->e.fd, &self->some[i]));
	EXPECT_TRUE(are(self, rest, good, 0));
	ASSERT_EQ(rest, done(self, IPCX_IOC_QUEUE_COMMIT, self->all + good, rest, 0));
	ASSERT_EQ(COUNT, take(self, self->all));
	EXPECT_TRUE(follow(self, self->all, COUNT, 0));
}

/* One that was sent counts, though the loan that it brought could not be told and went back. */
TEST_F(edge, commit_and_loan_untold)
{
	int good = writable(variant->good, variant->part), loans = 0;

	ASSERT_EQ(COUNT, loan_all(self));
	lay_read_only(self);
	ASSERT_EQ(good + 1, done(self, IPCX_IOC_QUEUE_COMMIT, self->some, COUNT, IPCX_COMMIT_LOAN));
	for (int i = 0; i < good; i++)
		loans += self->some[i].slot != IPCX_SLOT_NONE;
	EXPECT_TRUE(are(self, COUNT - good - 1 + loans, good + 1, 0));
	ASSERT_EQ(good + 1, take(self, self->all));
	EXPECT_TRUE(follow(self, self->all, good + 1, 0));
}

TEST_F(edge, cancel)
{
	int good = variant->good, rest = COUNT - good;

	ASSERT_EQ(COUNT, loan_all(self));
	lay(self, good, variant->part);
	ASSERT_EQ(expected(good), done(self, IPCX_IOC_QUEUE_CANCEL, self->some, COUNT, 0));
	EXPECT_TRUE(are(self, rest, 0, 0));
	EXPECT_EQ(rest, done(self, IPCX_IOC_QUEUE_CANCEL, self->all + good, rest, 0));
}

TEST_F(edge, take)
{
	int good = variant->good, rest = COUNT - good;

	ASSERT_EQ(COUNT, loan_all(self));
	ASSERT_EQ(COUNT, done(self, IPCX_IOC_QUEUE_COMMIT, self->all, COUNT, 0));
	ASSERT_EQ(expected(good), take(self, self->some));
	EXPECT_TRUE(are(self, 0, rest, good));
	EXPECT_TRUE(follow(self, self->some, good, 0));
	ASSERT_EQ(rest, take(self, self->all));
	EXPECT_TRUE(follow(self, self->all, rest, good));
	for (int i = 0; i < good; i++)
		EXPECT_EQ(1, raw_release(self->e.fd, &self->some[i]));
	EXPECT_EQ(rest, done(self, IPCX_IOC_QUEUE_RELEASE, self->all, rest, 0));
	EXPECT_TRUE(are(self, 0, 0, 0));
}

static void have_all(struct __test_metadata *_metadata, FIXTURE_DATA(edge) *self)
{
	ASSERT_EQ(COUNT, loan_all(self));
	ASSERT_EQ(COUNT, done(self, IPCX_IOC_QUEUE_COMMIT, self->all, COUNT, 0));
	ASSERT_EQ(COUNT, take(self, self->all));
}

TEST_F(edge, release)
{
	int good = variant->good, rest = COUNT - good;

	have_all(_metadata, self);
	lay(self, good, variant->part);
	ASSERT_EQ(expected(good), done(self, IPCX_IOC_QUEUE_RELEASE, self->some, COUNT, 0));
	EXPECT_TRUE(are(self, 0, 0, rest));
	EXPECT_EQ(rest, done(self, IPCX_IOC_QUEUE_RELEASE, self->all + good, rest, 0));
	EXPECT_TRUE(are(self, 0, 0, 0));
}

TEST_F(edge, nack)
{
	int good = variant->good, rest = COUNT - good;

	have_all(_metadata, self);
	lay(self, good, variant->part);
	ASSERT_EQ(expected(good),
		  done(self, IPCX_IOC_QUEUE_RELEASE, self->some, COUNT, IPCX_RELEASE_NACK));
	EXPECT_TRUE(are(self, 0, good, rest));
	EXPECT_EQ(rest, done(self, IPCX_IOC_QUEUE_RELEASE, self->all + good, rest, 0));
	EXPECT_EQ(good ? good : -EAGAIN, take(self, self->all));
	for (int i = 0; i < good; i++)
		EXPECT_EQ(1, self->all[i].deliveries);
}

TEST_HARNESS_MAIN
