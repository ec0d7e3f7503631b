// SPDX-License-Identifier: GPL-2.0-only
/* Messages without pages: every byte of them arrives, and nothing of the pages of others. */
#include <stddef.h>

#include "call_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096

FIXTURE(inline_msg)
{
	struct side s;
	struct ipcx_desc d, t;
};

FIXTURE_VARIANT(inline_msg)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(inline_msg, plain){
	.flags = 0,
};

FIXTURE_VARIANT_ADD(inline_msg, sealed){
	.flags = IPCX_OPEN_SEALED,
};

FIXTURE_SETUP(inline_msg)
{
	memset(self, 0, sizeof(*self));
	self->s.e.o.depth = 2;
	self->s.e.o.msg_max = 1 << 16;
	ASSERT_EQ(0, side_open(&self->s, NULL, CREATE | SENDRECV | variant->flags));
}

FIXTURE_TEARDOWN(inline_msg)
{
	EXPECT_TRUE(all_free(&self->s));
	end_close(&self->s.e);
}

static char pattern(int i)
{
	return 1 + i * 7;
}

TEST_F(inline_msg, lengths)
{
	static const int len[] = { 64, 0, 1, 63 };
	struct side *s = &self->s;

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(1, side_loan(s, &self->d, len[i], IPCX_LOAN_INLINE));
		for (int j = 0; j < IPCX_INLINE_MAX; j++)
			s->place[self->d.slot][j] = pattern(j);
		ASSERT_EQ(1, side_commit(s, &self->d, IPCX_MSG_INLINE));
		memset(s->place, 0x55, sizeof(s->place));
		ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
		ASSERT_EQ(len[i], self->t.len);
		ASSERT_EQ(IPCX_MSG_INLINE, self->t.flags);
		for (int j = 0; j < IPCX_INLINE_MAX; j++)
			ASSERT_EQ(j < len[i]		   ? pattern(j) :
				  j < (len[i] + 7) / 8 * 8 ? 0 : /* copied in words */
							     0x55,
				  s->place[self->t.slot][j]);
		ASSERT_EQ(0, stat_of(s).out_bytes);
		ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
	}
}

TEST_F(inline_msg, too_long)
{
	struct side *s = &self->s;

	ASSERT_EQ(-EMSGSIZE, side_loan(s, &self->d, 65, IPCX_LOAN_INLINE));
	ASSERT_EQ(1, side_loan(s, &self->d, 100, 0));
	self->d.len = 65;
	ASSERT_EQ(-EMSGSIZE, side_commit(s, &self->d, IPCX_MSG_INLINE));
	self->d.len = UINT64_MAX;
	ASSERT_EQ(-EMSGSIZE, side_commit(s, &self->d, IPCX_MSG_INLINE));
	ASSERT_EQ(1, raw_cancel(s->e.fd, &self->d));
}

/* A loan without pages is no place for a message with some. */
TEST_F(inline_msg, loan_without_pages)
{
	struct side *s = &self->s;

	ASSERT_EQ(1, side_loan(s, &self->d, 10, IPCX_LOAN_INLINE));
	ASSERT_EQ(SIGBUS, probe(tx_at(&s->e, &self->d), true));
	ASSERT_EQ(-EINVAL, side_commit(s, &self->d, 0));
	self->d.len = 11;
	ASSERT_EQ(-EMSGSIZE, side_commit(s, &self->d, IPCX_MSG_INLINE));
	self->d.len = 0;
	ASSERT_EQ(1, side_commit(s, &self->d, 0));
	ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
	ASSERT_EQ(0, self->t.len);
	ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
}

/* Bad memory for a payload is an error, and the message stays where it was. */
TEST_F(inline_msg, bad_memory)
{
	static const uint64_t bad[] = { 0, 8, UINT64_MAX - 100, 1ULL << 63 };
	struct side *s = &self->s;

	for (int i = 0; i < 4; i++) {
		struct ipcx_queue_commit c = { .size = sizeof(c) };
		struct ipcx_queue_take t = { .size = sizeof(t), .len_max = UINT64_MAX };

		ASSERT_EQ(1, side_loan(s, &self->d, 40, IPCX_LOAN_INLINE));
		self->d.flags = IPCX_MSG_INLINE;
		c.descs = (uintptr_t)&self->d;
		c.desc_size = sizeof(self->d);
		c.count = 1;
		c.inline_data = bad[i];
		ASSERT_EQ(-EFAULT, xioctl(s->e.fd, IPCX_IOC_QUEUE_COMMIT, &c));
		ASSERT_EQ(1, stat_of(s).out_loaned);
		memset(s->place[self->d.slot], 'k', 40);
		ASSERT_EQ(1, side_commit(s, &self->d, IPCX_MSG_INLINE));
		t.descs = (uintptr_t)&self->t;
		t.desc_size = sizeof(self->t);
		t.count = 1;
		t.inline_data = bad[i];
		ASSERT_EQ(-EFAULT, xioctl(s->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
		/* of an older caller too, who knows no places */
		t.size = offsetof(struct ipcx_queue_take, inline_data);
		ASSERT_EQ(-EFAULT, xioctl(s->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
		ASSERT_EQ(1, stat_of(s).out_queued);
		ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
		ASSERT_EQ(0, self->t.deliveries);
		ASSERT_EQ('k', s->place[self->t.slot][39]);
		ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
	}
}

/* Of the memory of a payload only its bytes are read, to the last of a mapping. */
TEST_F(inline_msg, end_of_memory)
{
	char *end =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct side *s = &self->s;

	ASSERT_EQ(0, munmap(end + PAGE, PAGE));
	end += PAGE;
	for (int len = 0; len <= IPCX_INLINE_MAX; len++) {
		struct ipcx_queue_commit c = { .size = sizeof(c) };

		memset(end - len, 'e', len);
		ASSERT_EQ(1, side_loan(s, &self->d, len, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
		self->d.flags = IPCX_MSG_INLINE | IPCX_MSG_REQUEST;
		c.descs = (uintptr_t)&self->d;
		c.desc_size = sizeof(self->d);
		c.count = 1;
		c.inline_data = (uintptr_t)end - len - self->d.slot * IPCX_INLINE_MAX;
		ASSERT_EQ(1, xioctl(s->e.fd, IPCX_IOC_QUEUE_COMMIT, &c));
		ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
		ASSERT_EQ(0, memcmp(end - len, s->place[self->t.slot], len));
		ASSERT_EQ(0, side_reply(s, &self->t, NULL, end - len, len));
		ASSERT_EQ(1, side_answer(s, &self->t, 0));
		ASSERT_EQ(0, memcmp(end - len, s->place[self->t.slot], len));
		ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
	}
	munmap(end - PAGE, PAGE);
}

/* For each request a slot is kept for its reply, also where several are asked for at once. */
TEST_F(inline_msg, requests_at_once)
{
	struct end e = { .o = { .depth = 4, .msg_max = 64 } };
	struct ipcx_desc d[4] = { { .len = 8 }, { .len = 8 }, { .len = 8 }, { .len = 8 } };
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.flags = IPCX_LOAN_INLINE | IPCX_LOAN_REQUEST,
		.descs = (uintptr_t)d,
		.count = 4,
		.desc_size = sizeof(d[0]),
	};

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV | variant->flags));
	ASSERT_EQ(2, xioctl(e.fd, IPCX_IOC_QUEUE_LOAN, &l));
	end_close(&e);
}

/* An array goes on where a process can have no memory: what lies before is done, the rest not. */
TEST_F(inline_msg, array_at_end_of_memory)
{
	char *last = (char *)(1UL << 47) - 2 * PAGE;
	struct ipcx_desc *d = (struct ipcx_desc *)(last + PAGE) - 1;
	struct side *s = &self->s;
	union {
		struct ipcx_queue_loan loan;
		struct ipcx_queue_commit commit;
		struct ipcx_queue_take take;
		struct ipcx_queue_release release;
	} arg = { .loan = { .flags = IPCX_LOAN_INLINE } };
	static const struct {
		unsigned long cmd;
		size_t size;
	} step[] = {
		{ IPCX_IOC_QUEUE_LOAN, sizeof(arg.loan) },
		{ IPCX_IOC_QUEUE_COMMIT, sizeof(arg.commit) },
		{ IPCX_IOC_QUEUE_TAKE, sizeof(arg.take) },
		{ IPCX_IOC_QUEUE_RELEASE, sizeof(arg.release) },
	};

	ASSERT_EQ(last, mmap(last, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	d->len = 8;
	for (int i = 0; i < 4; i++) {
		/* all four begin in the same way */
		arg.loan.size = step[i].size;
		arg.loan.descs = (uintptr_t)d;
		arg.loan.count = 2;
		arg.loan.desc_size = sizeof(*d);
		ASSERT_EQ(1, xioctl(s->e.fd, step[i].cmd, &arg));
		/* and none waits */
		memset(&arg, 0, sizeof(arg));
		d->flags = i ? 0 : IPCX_MSG_INLINE;
		arg.commit.inline_data = i ? 0 : (uintptr_t)s->place;
		if (i == 1) {
			arg.take.len_max = UINT64_MAX;
			arg.take.inline_data = (uintptr_t)s->place;
		}
	}
	munmap(last, PAGE);
}

/* Who names no places can neither send nor take one, not even an empty one. */
TEST_F(inline_msg, no_places)
{
	struct side *s = &self->s;

	ASSERT_EQ(1, side_loan(s, &self->d, 0, IPCX_LOAN_INLINE));
	self->d.flags = IPCX_MSG_INLINE;
	ASSERT_EQ(-EFAULT, raw_commit(s->e.fd, &self->d));
	ASSERT_EQ(1, side_commit(s, &self->d, IPCX_MSG_INLINE));
	ASSERT_EQ(-EFAULT, raw_take_places(s->e.fd, &self->t, 0, 0, NULL));
	ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
	ASSERT_EQ(0, self->t.deliveries);
	ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
}

/* Nor is 0 an address, though that of its place could be one. */
TEST_F(inline_msg, no_places_but_memory)
{
	struct end e = { .o = { .depth = 2048, .msg_max = 64 } };
	char *low = mmap((void *)0x10000, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ASSERT_EQ((char *)0x10000, low);
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV | variant->flags));
	for (int i = 0; i < 2048; i++)
		ASSERT_EQ(1, write(e.fd, "x", 1));
	for (int i = 0; i < 2048; i++) {
		ASSERT_EQ(-EFAULT, raw_take_places(e.fd, &self->t, 0, 0, NULL));
		ASSERT_EQ(1, raw_take(e.fd, &self->t, 0));
	}
	munmap(low, PAGE);
	end_close(&e);
}

/* The limit of the queue is one of these messages too, and of replies. */
TEST_F(inline_msg, longest)
{
	struct side s = { .e.o = { .depth = 8, .msg_max = 10 } };
	struct ipcx_queue_commit c = { .size = sizeof(c), .flags = IPCX_COMMIT_LOAN };

	ASSERT_EQ(0, side_open(&s, NULL, CREATE | SENDRECV | variant->flags));
	ASSERT_EQ(-EMSGSIZE, side_loan(&s, &self->d, 11, IPCX_LOAN_INLINE));
	ASSERT_EQ(1, side_loan(&s, &self->d, 10, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
	self->d.flags = IPCX_MSG_INLINE | IPCX_MSG_REQUEST;
	c.descs = (uintptr_t)&self->d;
	c.desc_size = sizeof(self->d);
	c.count = 1;
	c.inline_data = (uintptr_t)s.place;
	ASSERT_EQ(1, xioctl(s.e.fd, IPCX_IOC_QUEUE_COMMIT, &c));
	ASSERT_NE(IPCX_SLOT_NONE, self->d.slot);
	ASSERT_EQ(10, self->d.len);
	ASSERT_EQ(1, side_take(&s, &self->t, 0, 0));
	ASSERT_EQ(-EMSGSIZE, side_reply(&s, &self->t, NULL, s.place, 11));
	ASSERT_EQ(0, side_reply(&s, &self->t, NULL, s.place, 10));
	end_close(&s.e);
}

TEST_F(inline_msg, read_and_nack)
{
	struct side *s = &self->s;
	char buf[IPCX_INLINE_MAX];

	ASSERT_EQ(1, side_send_inline(s, &self->d, 64, 'x', 0));
	ASSERT_EQ(-1, read(s->e.fd, buf, 63));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
	ASSERT_EQ(1, raw_done(s->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->t, IPCX_RELEASE_NACK));
	memset(s->place, 0, sizeof(s->place));
	ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
	ASSERT_EQ(1, self->t.deliveries);
	ASSERT_EQ('x', s->place[self->t.slot][63]);
	ASSERT_EQ(1, raw_done(s->e.fd, IPCX_IOC_QUEUE_RELEASE, &self->t, IPCX_RELEASE_NACK));
	ASSERT_EQ(64, read(s->e.fd, buf, sizeof(buf)));
	ASSERT_EQ('x', buf[0]);
	ASSERT_EQ('x', buf[63]);
}

/* What a slot has from before is not shown while an inline message or loan is in it. */
TEST_F(inline_msg, stale_pages)
{
	struct side *s = &self->s;
	struct ipcx_desc other;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, side_loan(s, i ? &other : &self->d, PAGE, 0));
		memset(tx_at(&s->e, i ? &other : &self->d), 's', PAGE);
	}
	ASSERT_EQ(1, raw_cancel(s->e.fd, &other));
	ASSERT_EQ(1, raw_cancel(s->e.fd, &self->d));
	ASSERT_EQ(1, side_loan(s, &self->d, 40, IPCX_LOAN_INLINE));
	/* fresh windows: what an old one shows was always its owner's */
	munmap(s->e.tx, s->e.o.out_window);
	s->e.tx = mmap(NULL, s->e.o.out_window, PROT_READ | PROT_WRITE, MAP_SHARED, s->e.fd,
		       s->e.o.out_tx_offset);
	ASSERT_EQ(SIGBUS, probe(tx_at(&s->e, &self->d), false));
	ASSERT_EQ(1, side_commit(s, &self->d, IPCX_MSG_INLINE));
	ASSERT_EQ(1, side_take(s, &self->t, 0, 0));
	ASSERT_EQ(SIGBUS, probe(rx_at(&s->e, &self->t), false));
	ASSERT_EQ(1, raw_release(s->e.fd, &self->t));
}

TEST_HARNESS_MAIN
