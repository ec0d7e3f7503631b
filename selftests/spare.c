// SPDX-License-Identifier: GPL-2.0-only
/* Two ioctls in one: COMMIT that brings the next loan, TAKE that releases first. */
#include "pass_util.h"

#include "../kselftest_harness.h"

/* QUEUE_COMMIT that brings a loan, QUEUE_TAKE that releases: entry by entry. */
TEST(combined_ioctls)
{
	struct end e = { .o = { .depth = 4, .msg_max = 4096 } };
	struct ipcx_desc d, held, again;
	struct counts c;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 100, 0));
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 100, 0));
	tx_at(&e, &d)[0] = 'a';
	/* the only slot with a page is being sent: another is got ready */
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	ASSERT_NE(IPCX_SLOT_NONE, d.slot);
	EXPECT_EQ(4096, d.len);
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	memset(&held, 0, sizeof(held));
	held.slot = IPCX_SLOT_NONE;
	ASSERT_EQ(1, raw_next(e.fd, &held, 0));
	EXPECT_EQ(1, held.seq);
	ASSERT_EQ(1, raw_send(&e, 10, 'b'));
	again = held;
	ASSERT_EQ(1, raw_next(e.fd, &held, 0));
	EXPECT_EQ(2, held.seq);
	EXPECT_EQ('b', rx_at(&e, &held)[9]);
	EXPECT_EQ(-EPERM, raw_release(e.fd, &again));
	/* a loan comes back where there is a page, as long as the pages are */
	ASSERT_EQ(1, raw_loan(e.fd, &d, 100, 0));
	ASSERT_EQ(1, raw_release(e.fd, &held));
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	ASSERT_NE(IPCX_SLOT_NONE, d.slot);
	EXPECT_EQ(4096, d.len);
	EXPECT_EQ(0, probe(tx_at(&e, &d) + 4095, true));
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	/* released although nothing can be taken; then there is nothing to release */
	ASSERT_EQ(1, raw_take(e.fd, &held, 0));
	again = held;
	EXPECT_EQ(-EAGAIN, raw_next(e.fd, &held, 0));
	EXPECT_EQ(IPCX_SLOT_NONE, held.slot);
	EXPECT_EQ(-EAGAIN, raw_next(e.fd, &held, 0));
	held = again;
	EXPECT_EQ(-EPERM, raw_next(e.fd, &held, 0));
	EXPECT_EQ(again.slot, held.slot); /* what was not released is still there to be read */
	ASSERT_TRUE(counts_of(e.o.out_id, &c));
	EXPECT_EQ(4, c.free);
	end_close(&e);
}

/* What COMMIT brings must not starve others, and not be made for long messages. */
TEST(spare_limits)
{
	struct end big = { .o = { .msg_max = 1 << 20 } }, a = { .o = { .depth = 8 } }, b = {};
	struct ipcx_desc d, other;
	int got = 0;

	ASSERT_EQ(0, end_open(&big, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(big.fd, &d, 100000, 0));
	ASSERT_EQ(1, raw_done(big.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(IPCX_SLOT_NONE, d.slot);
	end_close(&big);
	ASSERT_EQ(0, end_open(&a, "spare", CREATE | SENDRECV));
	/* the only sender may have the last slot, but not two of the last quarter */
	ASSERT_EQ(1, raw_loan(a.fd, &d, 8, 0));
	for (; d.slot != IPCX_SLOT_NONE && got < 9; got++)
		ASSERT_EQ(1, raw_done(a.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(8, got);
	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(1, raw_take(a.fd, &d, 0));
		ASSERT_EQ(1, raw_release(a.fd, &d));
	}
	ASSERT_EQ(1, raw_loan(a.fd, &other, 8, 0));
	ASSERT_EQ(1, raw_loan(a.fd, &d, 8, 0));
	for (got = 0; d.slot != IPCX_SLOT_NONE && got < 9; got++)
		ASSERT_EQ(1, raw_done(a.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(4, got); /* 1 queued, 2 loaned, 5 free; 2 free in the end */
	ASSERT_EQ(1, raw_cancel(a.fd, &other));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(1, raw_take(a.fd, &d, 0));
		ASSERT_EQ(1, raw_release(a.fd, &d));
	}
	/* with another sender there, nobody gets one of the last quarter */
	ASSERT_EQ(0, end_open(&b, "spare", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(a.fd, &d, 8, 0));
	for (got = 0; d.slot != IPCX_SLOT_NONE && got < 9; got++)
		ASSERT_EQ(1, raw_done(a.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(6, got);
	end_close(&b);
	end_close(&a);
	EXPECT_EQ(0, raw_unlink("spare"));
}

/* Where the last message is read until the next is there a third slot saves each loan. */
TEST(long_messages_one_by_one)
{
	struct end e = { .o = { .depth = 8, .msg_max = PASS_LEN } };
	struct passer p;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	p = passer_of(e.fd, PASS_LEN, 1);
	EXPECT_EQ(PASS_MISSED, pass_on(&p, PASS_MISSED));
	EXPECT_EQ(3, passers_slots(&p));
	EXPECT_EQ(0, pass_on(&p, 200));
	EXPECT_EQ(3, passers_slots(&p));
	/* the next time it takes twice as long */
	p.keeps = 2;
	EXPECT_EQ(2 * PASS_MISSED - 1, pass_on(&p, 200));
	EXPECT_EQ(4, passers_slots(&p));
	end_close(&e);
}

static int pass_short(struct passer *p)
{
	struct ipcx_desc d;

	if (raw_loan(p->fd, &d, 8, 0) != 1 ||
	    raw_done(p->fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN) != 1)
		return -1;
	if (d.slot != IPCX_SLOT_NONE && raw_cancel(p->fd, &d) != 1)
		return -1;
	return raw_take(p->fd, &d, 0) == 1 ? raw_release(p->fd, &d) : -1;
}

static int pass_inline(struct passer *p)
{
	struct ipcx_desc d;
	char place[8 * IPCX_INLINE_MAX] = {};
	struct ipcx_queue_commit c = {
		.size = sizeof(c),
		.flags = IPCX_COMMIT_LOAN,
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.inline_data = (uintptr_t)place,
	};

	if (raw_loan_kind(p->fd, &d, 8, 0, IPCX_LOAN_INLINE) != 1)
		return -1;
	d.flags = IPCX_MSG_INLINE;
	if (xioctl(p->fd, IPCX_IOC_QUEUE_COMMIT, &c) != 1 || raw_cancel(p->fd, &d) != 1)
		return -1;
	return raw_take(p->fd, &d, 0) == 1 ? raw_release(p->fd, &d) : -1;
}

/* It does not ask for the next loan. */
static int pass_no_loan(struct passer *p)
{
	struct ipcx_desc d;

	if (raw_loan(p->fd, &d, p->len, 0) != 1 || raw_commit(p->fd, &d) != 1)
		return -1;
	return raw_take(p->fd, &d, 0) == 1 ? raw_release(p->fd, &d) : -1;
}

/* Only messages in a row count. */
TEST(long_messages_with_others_between)
{
	int (*between[])(struct passer *) = { pass_short, pass_inline, pass_no_loan };
	struct end e = { .o = { .depth = 16, .msg_max = PASS_LEN } };
	struct passer p;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
		p = passer_of(e.fd, PASS_LEN, 1);
		EXPECT_EQ(PASS_MISSED - 1, pass_on(&p, PASS_MISSED - 1));
		ASSERT_EQ(1, between[i](&p));
		EXPECT_EQ(PASS_MISSED, pass_on(&p, PASS_MISSED));
		EXPECT_EQ(0, pass_on(&p, 20));
		end_close(&e);
	}
}

/* Nor do short ones count for one that is far longer. */
TEST(long_messages_of_mixed_lengths)
{
	struct end e = { .o = { .depth = 8, .msg_max = 3 * PASS_LEN } };
	struct passer p;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	p = passer_of(e.fd, PASS_LEN, 1);
	EXPECT_EQ(PASS_MISSED - 1, pass_on(&p, PASS_MISSED - 1));
	p.len = 3 * PASS_LEN;
	EXPECT_EQ(PASS_MISSED, pass_on(&p, PASS_MISSED));
	EXPECT_EQ(0, pass_on(&p, 20));
	end_close(&e);
	/* they do for one that is a little longer */
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	p = passer_of(e.fd, PASS_LEN, 1);
	EXPECT_EQ(PASS_MISSED - 1, pass_on(&p, PASS_MISSED - 1));
	p.len = PASS_LEN + 4096;
	EXPECT_EQ(1, pass_on(&p, 1));
	EXPECT_NE(IPCX_SLOT_NONE, p.loan.slot);
	end_close(&e);
}

/* A free slot that is far too long for them is as none. */
TEST(long_messages_beside_a_huge_slot)
{
	struct end e = { .o = { .depth = 8, .msg_max = 8 * PASS_LEN } };
	struct ipcx_desc d;
	struct passer p;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	p = passer_of(e.fd, PASS_LEN, 1);
	ASSERT_EQ(1, raw_loan(e.fd, &d, 8 * PASS_LEN, 0));
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	EXPECT_EQ(PASS_MISSED, pass_on(&p, 200));
	EXPECT_EQ(3 + 8, passers_slots(&p));
	end_close(&e);
}

/* But not where that would leave less than a quarter of the pages, or than one message needs. */
TEST(long_messages_in_little_room)
{
	static const uint64_t room[] = { 3 * PASS_LEN, 4 * PASS_LEN - 4096, 4 * PASS_LEN };
	struct end e = { .o = { .depth = 8, .msg_max = PASS_LEN } };
	struct passer p;

	for (int i = 0; i < 3; i++) {
		e.o.bytes_max = room[i];
		ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
		p = passer_of(e.fd, PASS_LEN, 1);
		EXPECT_EQ(i < 2 ? 100 : PASS_MISSED, pass_on(&p, 100));
		EXPECT_EQ(i < 2 ? 2 : 3, passers_slots(&p));
		end_close(&e);
	}
}

/* Nor are pages of free slots taken for it. */
TEST(long_messages_leave_short_slots)
{
	struct end a = { .o = { .depth = 8, .msg_max = PASS_LEN, .bytes_max = 4 * PASS_LEN } };
	struct end b = {};
	struct ipcx_desc d;
	struct passer p;

	ASSERT_EQ(0, end_open(&a, "short", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&b, "short", IPCX_OPEN_SEND));
	p = passer_of(a.fd, PASS_LEN, 1);
	ASSERT_EQ(1, raw_loan(b.fd, &d, 4096, 0));
	EXPECT_EQ(2, pass_on(&p, 2));
	ASSERT_EQ(1, raw_cancel(b.fd, &d));
	EXPECT_EQ(100, pass_on(&p, 100));
	EXPECT_EQ(2, passers_slots(&p));
	end_close(&b);
	end_close(&a);
}

/* Nor where a free slot has the pages, which only was another's. */
TEST(long_messages_beside_a_free_slot)
{
	struct end a = { .o = { .depth = 8, .msg_max = PASS_LEN } }, b = {};
	struct ipcx_desc d;
	struct passer p;

	ASSERT_EQ(0, end_open(&a, "beside", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&b, "beside", IPCX_OPEN_SEND));
	p = passer_of(a.fd, PASS_LEN, 1);
	EXPECT_EQ(2, pass_on(&p, 2));
	ASSERT_EQ(1, raw_loan(a.fd, &p.loan, PASS_LEN, 0));
	ASSERT_EQ(1, raw_loan(b.fd, &d, PASS_LEN, 0));
	ASSERT_EQ(1, raw_cancel(b.fd, &d));
	EXPECT_EQ(199, pass_on(&p, 200));
	EXPECT_EQ(3, passers_slots(&p));
	end_close(&b);
	end_close(&a);
}

/* Spares of idle senders, on slots larger than they need, leave room for the longest message. */
TEST(spares_count_by_their_slots)
{
	static const uint64_t pages[] = { 1, 20, 45, 60 };
	struct end a = { .o = { .depth = 4, .msg_max = 60 * 4096, .bytes_max = 126 * 4096 } };
	struct end b = {};
	struct ipcx_desc d[4], x;

	ASSERT_EQ(0, end_open(&a, "spares", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&b, "spares", IPCX_OPEN_SEND));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(1, raw_loan(a.fd, &d[i], pages[i] * 4096, 0));
	}
	for (int i = 3; i >= 0; i--) {
		ASSERT_EQ(1, raw_cancel(a.fd, &d[i]));
	}
	for (int i = 0; i < 2; i++) {
		int fd = i ? b.fd : a.fd;

		ASSERT_EQ(1, raw_loan(fd, &x, 10, 0));
		ASSERT_EQ(1, raw_done(fd, IPCX_IOC_QUEUE_COMMIT, &x, IPCX_COMMIT_LOAN));
		ASSERT_EQ(1, raw_take(a.fd, &x, 0));
		ASSERT_EQ(1, raw_release(a.fd, &x));
	}
	EXPECT_EQ(1, raw_loan(b.fd, &x, 60 * 4096, 0));
	end_close(&b);
	end_close(&a);
}

/* A quarter of two slots is one. */
TEST(spare_of_a_short_queue)
{
	struct end a = { .o = { .depth = 2 } }, b = {};
	struct ipcx_desc d, x;

	ASSERT_EQ(0, end_open(&a, "spare-two", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&b, "spare-two", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(a.fd, &d, 8, 0));
	ASSERT_EQ(1, raw_done(a.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN));
	EXPECT_EQ(IPCX_SLOT_NONE, d.slot);
	EXPECT_EQ(1, raw_loan(b.fd, &x, 8, 0));
	end_close(&b);
	end_close(&a);
}

/* A short message takes no more pages from others than twice its own. */
TEST(short_message_on_a_long_slot)
{
	struct end e = { .o = { .depth = 2, .msg_max = 60 * 4096, .bytes_max = 100 * 4096 } };
	struct ipcx_desc d, x;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 50 * 4096, 0));
	ASSERT_EQ(1, raw_loan(e.fd, &x, 50 * 4096, 0));
	ASSERT_EQ(1, raw_cancel(e.fd, &d));
	ASSERT_EQ(1, raw_cancel(e.fd, &x));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 1, 0));
	EXPECT_EQ(1, raw_loan(e.fd, &x, 51 * 4096, 0));
	end_close(&e);
}

/* COMMIT that cannot say what it brought has sent the message, and brought nothing. */
TEST(spare_cannot_be_told)
{
	struct end e = { .o = { .depth = 4, .msg_max = 4096 } };
	struct ipcx_desc *d =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcx_desc x;
	struct counts c;

	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	ASSERT_EQ(1, raw_loan(e.fd, d, 8, 0));
	ASSERT_EQ(0, mprotect(d, 4096, PROT_READ));
	EXPECT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_COMMIT, d, IPCX_COMMIT_LOAN));
	ASSERT_TRUE(counts_of(e.o.out_id, &c));
	EXPECT_EQ(1, c.queued);
	EXPECT_EQ(0, c.loaned);
	ASSERT_EQ(1, raw_take(e.fd, &x, 0));
	EXPECT_EQ(1, raw_release(e.fd, &x));
	munmap(d, 4096);
	end_close(&e);
}

TEST_HARNESS_MAIN
