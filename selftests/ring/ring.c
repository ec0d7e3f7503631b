// SPDX-License-Identifier: GPL-2.0-only
/* Rings of topics in user space, first step by step, then with threads that meet. */
#include "../kselftest_harness.h"

/* also for IPCX_TEST_FULL */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

#include "meet.h"

#define DEPTH 8

FIXTURE(ring)
{
	struct world w;
	struct ipcx_ring_pub p;
	struct ipcx_taken t;
	uint32_t who;
	uint64_t pos[2 * DEPTH];
};

FIXTURE_VARIANT(ring)
{
	uint64_t first;
};

/* The last of each lets its positions wrap, in the middle of a ring. */
FIXTURE_VARIANT_ADD(ring, zero){
	.first = 0,
};

FIXTURE_VARIANT_ADD(ring, wrap32){
	.first = (UINT64_C(1) << 32) - 11,
};

FIXTURE_VARIANT_ADD(ring, wrap62){
	.first = (UINT64_C(1) << 62) - 11,
};

FIXTURE_SETUP(ring)
{
	world_open(&self->w, DEPTH, variant->first, 0);
	publish(&self->w, &self->p, 1);
	self->who = 99;
	/* numbers of messages wrap as well */
	self->p.nr = variant->first;
}

FIXTURE_TEARDOWN(ring)
{
	world_close(&self->w);
}

#define SEND(value, len) send_value(&self->w, &self->p, value, len)
#define TAKE(s) ipcx_sub_take(s, &self->t)
#define LOAN(i) ipcx_pub_loan(&self->p, &self->pos[i], &self->who)
#define IS(s, value) is_value(&self->w, s, &self->t, value)
/* takes and releases */
#define EXPECT_NEXT(s, value) \
	do { \
		ASSERT_EQ(1, TAKE(s)); \
		EXPECT_TRUE(IS(s, value)); \
		ipcx_sub_release(s, &self->t); \
	} while (0)

TEST_F(ring, order)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 3, false, 0);

	EXPECT_EQ(0, TAKE(s));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, SEND(i, i % 33 * 8));
		EXPECT_NEXT(s, i);
		EXPECT_EQ(i % 33 * 8, self->t.len);
		EXPECT_EQ((uint32_t)(variant->first + i), self->t.nr);
		EXPECT_EQ(ipcx_pos_add(variant->first, i), self->t.pos);
		EXPECT_EQ(0, TAKE(s));
	}
	EXPECT_EQ(0, s->missed);
	free(s);
}

TEST_F(ring, full)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 0, false, 0);
	int i, sent = 0, seen = 0;

	for (int round = 0; round < 3; round++) {
		for (i = 0; i < DEPTH; i++)
			ASSERT_EQ(0, SEND(sent++, 8));
		EXPECT_EQ(-EAGAIN, SEND(sent, 8));
		/* what is taken is not free yet */
		ASSERT_EQ(1, TAKE(s));
		EXPECT_TRUE(IS(s, seen++));
		EXPECT_EQ(-EAGAIN, SEND(sent, 8));
		ipcx_sub_release(s, &self->t);
		EXPECT_EQ(0, SEND(sent++, 8));
		EXPECT_EQ(-EAGAIN, SEND(sent, 8));
		while (TAKE(s) == 1) {
			EXPECT_TRUE(IS(s, seen++));
			ipcx_sub_release(s, &self->t);
		}
	}
	EXPECT_EQ(sent, seen);
	free(s);
}

TEST_F(ring, on_loan)
{
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, LOAN(i));
	EXPECT_EQ(-ENOBUFS, LOAN(DEPTH));
	ipcx_pub_commit(&self->p, self->pos[1], 0, 0);
	EXPECT_EQ(-ENOBUFS, LOAN(DEPTH));
	ipcx_pub_cancel(&self->p, self->pos[0]);
	EXPECT_EQ(0, LOAN(DEPTH));
	EXPECT_EQ(0, LOAN(DEPTH + 1));
	EXPECT_EQ(-ENOBUFS, LOAN(DEPTH + 2));
}

TEST_F(ring, several_reliable)
{
	struct ipcx_ring_sub *s[3];
	int i, k;

	for (k = 0; k < 3; k++)
		s[k] = subscribe(&self->w, 1, k * 3, false, 0);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, SEND(i, 8));
		EXPECT_NEXT(s[0], i);
		if (i >= 3)
			EXPECT_NEXT(s[1], i - 3);
		if (i >= DEPTH - 1) {
			EXPECT_EQ(-EAGAIN, SEND(i + 1, 8));
			EXPECT_NEXT(s[2], i - DEPTH + 1);
		}
	}
	for (k = 0; k < 3; k++)
		free(s[k]);
}

TEST_F(ring, commit_out_of_order)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 0, false, 0);
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, LOAN(i));
	for (i = 3; i >= 0; i--) {
		EXPECT_EQ(0, TAKE(s));
		fill(&self->w, &self->p, self->pos[i], i, 16);
		ipcx_pub_commit(&self->p, self->pos[i], 16, i);
	}
	for (i = 0; i < 4; i++)
		EXPECT_NEXT(s, i);
	EXPECT_EQ(0, s->missed);
	free(s);
}

TEST_F(ring, cancel)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 0, false, 0);
	struct ipcx_ring_sub *l = subscribe(&self->w, 1, 1, true, 0);
	struct ipcx_cell *cells = self->p.cells;
	int i, sent = 0;

	ASSERT_EQ(0, SEND(sent++, 8));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, LOAN(i));
	/* the newest takes its number back, others cannot */
	ipcx_pub_cancel(&self->p, self->pos[4]);
	ipcx_pub_cancel(&self->p, self->pos[1]);
	EXPECT_EQ(IPCX_CELL_SKIPPED, ipcx_word_state(cells[self->pos[4] % DEPTH].word));
	EXPECT_EQ(IPCX_CELL_CANCELED, ipcx_word_state(cells[self->pos[1] % DEPTH].word));
	ipcx_pub_cancel(&self->p, self->pos[3]);
	ipcx_pub_commit(&self->p, self->pos[0], 0, sent++);
	ipcx_pub_commit(&self->p, self->pos[2], 0, sent++);
	ASSERT_EQ(0, SEND(sent++, 8));
	for (i = 0; i < sent; i++) {
		EXPECT_NEXT(s, i);
		EXPECT_NEXT(l, i);
	}
	EXPECT_EQ(0, s->missed + l->missed);
	/* a ring full of them is no longer full when it was looked at */
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, LOAN(i));
	for (i = 0; i < DEPTH; i++)
		ipcx_pub_cancel(&self->p, self->pos[i]);
	EXPECT_EQ(-EAGAIN, LOAN(0));
	self->w.dir->attention++;
	EXPECT_EQ(0, TAKE(s));
	EXPECT_TRUE(s->kick);
	EXPECT_EQ(0, LOAN(0));
	free(s);
	free(l);
}

TEST_F(ring, release_out_of_order)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 0, false, 0);
	static const int order[] = { 2, 0, 3, 1, 7, 6, 5, 4 };
	static const int freed[] = { 0, 1, 1, 4, 4, 4, 4, 8 };
	struct ipcx_taken t[DEPTH];
	int i, sent = 0;

	for (int round = 0; round < 4; round++) {
		for (i = 0; i < DEPTH; i++)
			ASSERT_EQ(0, SEND(sent++, 8));
		for (i = 0; i < DEPTH; i++)
			ASSERT_EQ(1, ipcx_sub_take(s, &t[i]));
		for (i = 0; i < DEPTH; i++) {
			ipcx_sub_release(s, &t[order[i]]);
			/* once is enough */
			ipcx_sub_release(s, &t[order[i]]);
			EXPECT_EQ(DEPTH - 1 - i, s->held);
			EXPECT_EQ(ipcx_pos_add(t[0].pos, freed[i]), s->control->cursor[1]);
		}
		EXPECT_EQ(ipcx_pos_add(t[0].pos, DEPTH), s->control->next[1]);
	}
	free(s);
}

TEST_F(ring, overrun)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 5, true, 0);
	int sent = 0, seen = 0;

	EXPECT_EQ(0, SEND(sent++, 8));
	EXPECT_NEXT(s, 0);
	seen = 1;
	for (int n = 1; n < 4 * DEPTH; n++) {
		uint64_t missed = s->missed;

		for (int i = 0; i < n; i++)
			ASSERT_EQ(0, SEND(sent++, i % 2 ? 8 : 200));
		if (n > DEPTH)
			seen += n - DEPTH;
		while (seen < sent)
			EXPECT_NEXT(s, seen++);
		EXPECT_EQ(0, TAKE(s));
		EXPECT_EQ(n > DEPTH ? n - DEPTH : 0, s->missed - missed);
	}
	free(s);
}

TEST_F(ring, hold)
{
	struct ipcx_ring_sub *l = subscribe(&self->w, 1, 5, true, 0);
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 6, false, 0);
	struct ipcx_taken held[IPCX_TOPIC_HOLDS];
	int i, seen = 0, sent = 0;

	for (; sent < IPCX_TOPIC_HOLDS + 1; sent++)
		ASSERT_EQ(0, SEND(sent, 200));
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++)
		ASSERT_EQ(1, ipcx_sub_take(l, &held[i]));
	EXPECT_EQ(-EMFILE, TAKE(l));
	/* six times round the ring, the half of which is held */
	for (; sent < 30; sent++) {
		while (seen < sent)
			EXPECT_NEXT(s, seen++);
		ASSERT_EQ(0, SEND(sent, sent % 2 ? 200 : 8));
	}
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++) {
		EXPECT_TRUE(is_value(&self->w, l, &held[i], i));
		EXPECT_EQ(200, cells_of(&self->w, 1)[held[i].pos % DEPTH].len);
	}
	for (i = IPCX_TOPIC_HOLDS - 1; i >= 0; i--) {
		ipcx_sub_release(l, &held[i]);
		ipcx_sub_release(l, &held[i]);
		EXPECT_EQ(i, l->held);
	}
	while (seen < sent)
		EXPECT_NEXT(s, seen++);
	EXPECT_EQ(0, s->missed);
	while (TAKE(l) == 1)
		ipcx_sub_release(l, &self->t);
	EXPECT_EQ(sent - 1, self->t.tag);
	/* each message was held, passed over, or one of the newest */
	EXPECT_GE(l->missed, sent - IPCX_TOPIC_HOLDS - DEPTH);
	EXPECT_LE(l->missed, sent - IPCX_TOPIC_HOLDS - 1);
	free(s);
	free(l);
}

TEST_F(ring, lag)
{
	struct ipcx_ring_sub *s[2];
	int i;

	self->p.lag_max = 5;
	s[0] = subscribe(&self->w, 1, 2, false, 0);
	s[1] = subscribe(&self->w, 1, 70 % SUBS, false, 0);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, SEND(i, 8));
		EXPECT_NEXT(s[0], i);
	}
	ASSERT_EQ(-EPIPE, LOAN(0));
	ASSERT_EQ(-EPIPE, LOAN(0));
	EXPECT_EQ(70 % SUBS, self->who);
	detach(&self->w, 1, self->who);
	for (; i < 30; i++) {
		ASSERT_EQ(0, SEND(i, 8));
		EXPECT_NEXT(s[0], i);
	}
	/* who was evicted sees that something is wrong, and nothing else */
	EXPECT_EQ(-EPROTO, TAKE(s[1]));
	EXPECT_EQ(0, s[0]->missed);
	free(s[0]);
	free(s[1]);
}

TEST_F(ring, impossible_cursor)
{
	__u64 *cursor = &control_of(&self->w, 7)->cursor[1];
	static const int64_t off[] = { 1, -DEPTH - 1, 1LL << 40, 1LL << 61, -(1LL << 61) };
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 7, false, 0);
	uint32_t i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, SEND(i, 8));
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		*cursor = ipcx_pos_add(self->p.head, off[i]);
		new_generation(&self->w);
		EXPECT_EQ(-EPROTO, LOAN(0));
		EXPECT_EQ(7, self->who);
		/* and nothing is overwritten before it is gone */
		EXPECT_EQ(-EPROTO, LOAN(0));
	}
	/* with bits above a position it is the same position */
	*cursor = self->p.head | ~IPCX_POS_MASK;
	EXPECT_EQ(0, LOAN(0));
	free(s);
}

TEST_F(ring, too_many_skips)
{
	struct ipcx_control *control = control_of(&self->w, 7);
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 7, true, 0);
	uint32_t i, r = 0;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, SEND(i, 200));
	/* its holds are always where the publisher goes */
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++)
		control->hold[i] = ipcx_hold_word(1, (self->p.head + i) % DEPTH);
	ASSERT_EQ(0, SEND(DEPTH, 8));
	for (i = 0; i <= IPCX_TOPIC_HOLDS; i++)
		self->pos[i] = self->p.head + i;
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++)
		control->hold[i] = ipcx_hold_word(1, (self->p.head + i) % DEPTH);
	/* the fifth is held by another */
	subscribe(&self->w, 1, 6, true, DEPTH - 1);
	control_of(&self->w, 6)->cursor[1] = self->pos[0] - DEPTH;
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++)
		control_of(&self->w, 6)->hold[i] =
			ipcx_hold_word(1, (self->p.head + 4 + i) % DEPTH);
	r = LOAN(0);
	ASSERT_EQ(-EBADMSG, (int)r);
	EXPECT_TRUE(self->who == 6 || self->who == 7);
	detach(&self->w, 1, self->who);
	EXPECT_EQ(0, SEND(0, 8));
	free(s);
}

TEST_F(ring, dead)
{
	struct ipcx_ring_sub *s[2];
	uint64_t end;
	int i;

	for (i = 0; i < 2; i++)
		s[i] = subscribe(&self->w, 1, i, i, 0);
	ASSERT_EQ(0, SEND(0, 8));
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, LOAN(i));
	ipcx_pub_cancel(&self->p, self->pos[1]);
	fill(&self->w, &self->p, self->pos[3], 3, 16);
	ipcx_pub_commit(&self->p, self->pos[3], 16, 3);
	/* 0, 2, 4, 5 will never come */
	end = self->p.head;
	for (i = 0; i < 2; i++) {
		EXPECT_FALSE(ipcx_sub_drained(s[i], end));
		EXPECT_NEXT(s[i], 0);
		EXPECT_EQ(0, TAKE(s[i]));
		EXPECT_FALSE(ipcx_sub_drained(s[i], end));
		ASSERT_EQ(1, TAKE(s[i]));
		EXPECT_TRUE(IS(s[i], 3));
		EXPECT_EQ(0, ipcx_sub_take(s[i], &(struct ipcx_taken){}));
		/* a reliable one has it in hand */
		EXPECT_EQ(i, ipcx_sub_drained(s[i], end));
		ipcx_sub_release(s[i], &self->t);
		EXPECT_TRUE(ipcx_sub_drained(s[i], end));
		EXPECT_EQ(4, s[i]->missed);
		EXPECT_EQ(end, s[i]->control->cursor[1]);
		/* what it is told cannot be */
		EXPECT_EQ(-EPROTO, ipcx_sub_drained(s[i], end - DEPTH - 3));
		EXPECT_EQ(-EPROTO, ipcx_sub_drained(s[i], end + (1ULL << 40)));
		free(s[i]);
	}
}

TEST_F(ring, generation)
{
	struct ipcx_ring_sub *s;
	int i;

	for (i = 0; i < 3 * DEPTH; i++)
		ASSERT_EQ(0, SEND(i, 8));
	/* there since now, with a past as far as it is safe */
	s = subscribe(&self->w, 1, 1, false, 1000);
	for (; i < 3 * DEPTH + 1; i++)
		ASSERT_EQ(0, SEND(i, 8));
	EXPECT_EQ(-EAGAIN, LOAN(0));
	for (int k = 2 * DEPTH + 1; k < i; k++)
		EXPECT_NEXT(s, k);
	for (; i < 4 * DEPTH + 1; i++)
		ASSERT_EQ(0, SEND(i, 8));
	EXPECT_EQ(-EAGAIN, LOAN(0));
	detach(&self->w, 1, 1);
	EXPECT_EQ(0, LOAN(0));
	free(s);
}

TEST_F(ring, attention)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 1, false, 0);
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, LOAN(i));
	EXPECT_FALSE(ipcx_pub_commit(&self->p, self->pos[0], 0, 0));
	self->w.dir->ring[1].attention++;
	EXPECT_TRUE(ipcx_pub_commit(&self->p, self->pos[1], 0, 0));
	EXPECT_FALSE(ipcx_pub_commit(&self->p, self->pos[2], 0, 0));
	ASSERT_EQ(1, TAKE(s));
	EXPECT_FALSE(ipcx_sub_release(s, &self->t));
	self->w.dir->attention++;
	ASSERT_EQ(1, TAKE(s));
	EXPECT_TRUE(ipcx_sub_release(s, &self->t));
	ASSERT_EQ(1, TAKE(s));
	EXPECT_FALSE(ipcx_sub_release(s, &self->t));
	EXPECT_FALSE(s->kick);
	free(s);
}

/* At first, and after a kick, looks have a barrier for a while, and that is told. */
TEST_F(ring, attention_told)
{
	struct ipcx_ring_sub *s = subscribe(&self->w, 1, 1, false, 0);
	uint64_t told = 1;

	ipcx_looks_tell(&self->p.looks, &told, 2, &self->p.kicked);
	EXPECT_EQ(3, told);
	for (int round = 0; round < 2; round++) {
		self->w.dir->ring[1].attention += 2;
		for (int i = 0; i <= IPCX_LOOKS + 1; i++) {
			ASSERT_EQ(0, LOAN(0));
			EXPECT_EQ(!i, ipcx_pub_commit(&self->p, self->pos[0], 0, 0));
			EXPECT_EQ(i < IPCX_LOOKS ? 3 : 1, told);
			ASSERT_EQ(1, TAKE(s));
			EXPECT_FALSE(ipcx_sub_release(s, &self->t));
		}
	}
	free(s);
}

/* Likewise where somebody has made attention what it never is; and what is due again is found. */
TEST_F(ring, attention_odd)
{
	uint32_t *attention = &self->w.dir->ring[1].attention;
	uint64_t told = 1;

	ipcx_looks_tell(&self->p.looks, &told, 2, &self->p.kicked);
	for (int round = 0; round < 2; round++) {
		*attention |= 1;
		*attention += 2;
		ASSERT_EQ(0, LOAN(0));
		EXPECT_TRUE(ipcx_pub_cancel(&self->p, self->pos[0]));
		ipcx_looks_again(&self->p.looks, &self->p.kicked);
		for (int i = 0; i <= IPCX_LOOKS; i++) {
			ASSERT_EQ(0, LOAN(0));
			EXPECT_EQ(!i, ipcx_pub_cancel(&self->p, self->pos[0]));
			EXPECT_EQ(i < IPCX_LOOKS ? 3 : 1, told);
		}
	}
}

/* Whatever a peer writes, calls come back, and what they return lies inside. */
TEST_F(ring, hostile_publisher)
{
	struct ipcx_cell *cells = cells_of(&self->w, 1);
	struct ipcx_ring_sub *s[2];
	int seen[2] = {}, r;

	srandom(variant->first);
	for (int n = 0; n < 100000; n++) {
		uint64_t pos = ipcx_pos_add(variant->first, random() % 64 - 32);
		uint64_t wild = random() % 4 ? pos : (uint64_t)random() << 33 ^ random();

		if (n % 100 == 0)
			for (int i = 0; i < 2; i++) {
				if (n)
					free(s[i]);
				memset(control_of(&self->w, i), 0, PAGE);
				s[i] = subscribe(&self->w, 1, i, i, random() % DEPTH);
			}
		cells[pos % DEPTH].word = ipcx_word(wild, random() % 8 ? 0 : random());
		cells[pos % DEPTH].len = random() % 2 ? random() % 128 : random() * 2;
		cells[pos % DEPTH].nr = random() % 16;
		ring_of(&self->w, 1)->head = random() % 4 ? pos + DEPTH : wild;
		r = TAKE(s[n % 2]);
		ASSERT_TRUE(r == 1 || r == 0 || r == -EPROTO || r == -EMFILE);
		if (r == 1) {
			const char *p = self->t.cell, *ring = (char *)cells;

			ASSERT_TRUE(p == (char *)self->t.copy ||
				    (p >= ring && p < ring + DEPTH * sizeof(*cells)));
			seen[n % 2]++;
			if (random() % 4)
				ipcx_sub_release(s[n % 2], &self->t);
		}
		if (random() % 16 == 0)
			ipcx_sub_drained(s[n % 2], random() % 2 ? pos : wild);
		ASSERT_LE((uint64_t)ipcx_pos_diff(s[0]->pos, s[0]->cursor), DEPTH);
	}
	EXPECT_GT(seen[0], 300);
	EXPECT_GT(seen[1], 300);
	free(s[0]);
	free(s[1]);
}

TEST_F(ring, hostile_subscribers)
{
	int count[200] = {}, r;

	for (uint32_t s = 0; s < SUBS; s++)
		free(subscribe(&self->w, 1, s, s % 2, 0));
	for (int n = 0; n < 200000; n++) {
		struct ipcx_control *c = control_of(&self->w, random() % SUBS);

		c->cursor[1] =
			ipcx_pos_add(self->p.head, random() % 8 ? -(random() % DEPTH) : random());
		c->hold[random() % IPCX_TOPIC_HOLDS] =
			random() % 8 ? ipcx_hold_word(1, random() % DEPTH) : random();
		r = LOAN(0);
		count[-r]++;
		ASSERT_TRUE(!r || r == -EAGAIN || r == -EPROTO || r == -EBADMSG);
		if (r == -EPROTO || r == -EBADMSG)
			ASSERT_LT(self->who, SUBS);
		if (!r)
			ipcx_pub_cancel(&self->p, self->pos[0]);
	}
	EXPECT_GT(count[0], 100);
	EXPECT_GT(count[EPROTO], 100);
}

TEST_HARNESS_MAIN
