/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A subscriber's side of a ring that it reads.
 */
#ifndef IPCX_RING_SUB_H
#define IPCX_RING_SUB_H

#include <errno.h>

#include "ring.h"

/**
 * struct ipcx_ring_sub - a ring that is read
 * @ring: its first page
 * @cells: the others
 * @control: the subscriber's own page
 * @at: where @control has the cursor of this ring
 * @next: and the position to be taken next
 * @attention: of the directory
 * @index: of the ring
 * @depth: cells
 * @pos: next position to be looked at
 * @cursor: the oldest that was not released, as @control has it
 * @missed: messages that were overwritten before they were taken, or lost with their publisher
 * @leapt: positions passed over since the last message taken; not 0 before the first
 * @expected: number of the message at @pos, if nothing was passed over
 * @kicked: what attention is as long as nobody is to be kicked, see ipcx_looks_due()
 * @held: messages taken and not released, less those that were copied
 * @lossy: it may be overtaken
 * @known: @expected is
 * @wide: the last message had data in both lines of its cell
 * @kick: TOPIC_KICK PUBLISHERS is due because of positions stepped over; who sees to it clears it
 * @holds: lossy: bit i: hold i is on this ring
 * @looks: at attention
 * @hold_pos: lossy: and on this position
 * @released: reliable: bit i: cell i was released before an older one was
 */
struct ipcx_ring_sub {
	const struct ipcx_ring *ring;
	const struct ipcx_cell *cells;
	struct ipcx_control *control;
	uint64_t *at;
	uint64_t *next;
	const uint32_t *attention;
	uint32_t index;
	uint32_t depth;
	uint64_t pos;
	uint64_t cursor;
	uint64_t missed;
	uint64_t leapt;
	uint32_t expected;
	uint32_t kicked;
	uint32_t held;
	bool lossy;
	bool known;
	bool wide;
	bool kick;
	uint8_t holds;
	struct ipcx_looks looks;
	uint64_t hold_pos[IPCX_TOPIC_HOLDS];
	uint64_t released[];
};

/**
 * struct ipcx_taken - a message taken from a ring
 * @pos: its position
 * @tag: the application's word
 * @cell: its data if it is no longer than IPCX_CELL_DATA: in the ring, or @copy
 * @len: its length, not looked at yet
 * @nr: its number
 * @hold: 0, or 1 + number of the hold that is on it
 * @copy: of a lossy subscriber
 */
struct ipcx_taken {
	uint64_t pos;
	uint64_t tag;
	const void *cell;
	uint32_t len;
	uint32_t nr;
	uint32_t hold;
	uint64_t copy[IPCX_CELL_DATA / 8];
};

/* Bytes of a struct ipcx_ring_sub. */
static inline size_t ipcx_sub_size(uint32_t depth)
{
	return offsetof(struct ipcx_ring_sub, released) + (depth + 63) / 64 * sizeof(uint64_t);
}

/**
 * ipcx_sub_set_up() - get ready to read a ring, where the kernel has put the cursor
 * @s: ipcx_sub_size() bytes, all zero
 * @ring: the ring as mapped, the cells one page behind
 * @depth: cells
 * @index: number of the ring
 * @page_size: bytes of a page
 * @control: the subscriber's own page
 * @dir: the directory
 * @lossy: the subscription is
 */
static inline void ipcx_sub_set_up(struct ipcx_ring_sub *s, const struct ipcx_ring *ring,
				   uint32_t depth, uint32_t index, size_t page_size,
				   struct ipcx_control *control, const struct ipcx_dir *dir,
				   bool lossy)
{
	s->ring = ring;
	s->cells = (const struct ipcx_cell *)((const char *)ring + page_size);
	s->control = control;
	s->at = (uint64_t *)&control->cursor[index];
	s->next = (uint64_t *)&control->next[index];
	s->attention = &dir->attention;
	s->index = index;
	s->depth = depth;
	s->lossy = lossy;
	s->leapt = 1;
	s->cursor = __atomic_load_n(s->at, __ATOMIC_RELAXED) & IPCX_POS_MASK;
	s->pos = s->cursor;
}

/* And begins there. */
static inline void ipcx_sub_begin(struct ipcx_ring_sub *s)
{
	__atomic_store_n(s->next, s->pos, __ATOMIC_RELAXED);
}

/* Both */
static inline void ipcx_sub_init(struct ipcx_ring_sub *s, const struct ipcx_ring *ring,
				 uint32_t depth, uint32_t index, size_t page_size,
				 struct ipcx_control *control, const struct ipcx_dir *dir,
				 bool lossy)
{
	ipcx_sub_set_up(s, ring, depth, index, page_size, control, dir, lossy);
	ipcx_sub_begin(s);
}

static inline const struct ipcx_cell *ipcx_sub_cell(const struct ipcx_ring_sub *s, uint64_t pos)
{
	return &s->cells[pos & (s->depth - 1)];
}

/* The cursor has moved: does a publisher sleep who was not told yet? */
static inline bool ipcx_sub_attention(struct ipcx_ring_sub *s)
{
	/* [L]: who has changed it [D] sees the cursor, or is seen here */
	ipcx_fence_compiler();
	return __atomic_load_n(s->attention, __ATOMIC_RELAXED) != s->kicked &&
	       ipcx_looks_due(&s->looks, s->attention, &s->kicked);
}

static inline bool ipcx_sub_test(const struct ipcx_ring_sub *s, uint64_t pos)
{
	uint32_t cell = pos & (s->depth - 1);

	return s->released[cell / 64] >> cell % 64 & 1;
}

static inline void ipcx_sub_flip(struct ipcx_ring_sub *s, uint64_t pos)
{
	uint32_t cell = pos & (s->depth - 1);

	s->released[cell / 64] ^= UINT64_C(1) << cell % 64;
}

static inline void ipcx_sub_set_cursor(struct ipcx_ring_sub *s, uint64_t cursor)
{
	s->cursor = cursor;
	/* [J]: who reads it [K] may overwrite what was read until now */
	__atomic_store_n(s->at, cursor, __ATOMIC_RELEASE);
}

/* Moves the cursor to the oldest position that is still wanted. */
static inline void ipcx_sub_move(struct ipcx_ring_sub *s)
{
	uint64_t cursor = s->cursor;

	if (s->lossy) {
		cursor = s->pos;
		for (int i = 0; s->holds >> i; i++)
			if (s->holds >> i & 1 && ipcx_pos_diff(s->hold_pos[i], cursor) < 0)
				cursor = s->hold_pos[i];
	} else {
		for (; cursor != s->pos && ipcx_sub_test(s, cursor);
		     cursor = ipcx_pos_add(cursor, 1))
			ipcx_sub_flip(s, cursor);
	}
	if (cursor != s->cursor)
		ipcx_sub_set_cursor(s, cursor);
}

/* Goes on, and tells the kernel what it sleeps for. */
static inline void ipcx_sub_set_pos(struct ipcx_ring_sub *s, uint64_t pos)
{
	s->pos = pos;
	__atomic_store_n(s->next, pos, __ATOMIC_RELAXED);
}

static inline void ipcx_sub_advance(struct ipcx_ring_sub *s, int64_t n)
{
	ipcx_sub_set_pos(s, ipcx_pos_add(s->pos, n));
}

/* There is no message at the present position. */
ipcx_ring_rare void ipcx_sub_step(struct ipcx_ring_sub *s, bool counted)
{
	s->expected += counted;
	if (!s->lossy)
		ipcx_sub_flip(s, s->pos);
	ipcx_sub_advance(s, 1);
	ipcx_sub_move(s);
	if (!s->lossy && ipcx_sub_attention(s)) {
		s->kick = true;
		ipcx_looks_again(&s->looks, &s->kicked); /* a release finds it due too */
	}
}

/*
 * Goes on at a newer position than that of @word, @far behind the newest. Return: whether it can
 * be.
 */
ipcx_ring_rare bool ipcx_sub_leap(struct ipcx_ring_sub *s, uint64_t word, uint32_t far)
{
	uint64_t head = __atomic_load_n(&s->ring->head, __ATOMIC_RELAXED) & IPCX_POS_MASK;
	int64_t leap = ipcx_pos_diff(ipcx_pos_add(head, -(int64_t)far), s->pos);

	if (!s->lossy || leap <= 0 || ipcx_pos_diff(head, ipcx_word_pos(word)) <= 0)
		return false;
	s->leapt += leap;
	ipcx_sub_advance(s, leap);
	ipcx_sub_move(s);
	return true;
}

/* Missed are the numbers passed over, no more than positions were. Return: whether it can be. */
static inline bool ipcx_sub_count(struct ipcx_ring_sub *s, uint32_t nr)
{
	uint32_t gap = s->known ? nr - s->expected : 0;

	if (gap > s->leapt)
		return false;
	s->missed += gap;
	s->known = true;
	s->expected = nr + 1;
	s->leapt = 0;
	return true;
}

static inline void ipcx_sub_header(const struct ipcx_cell *cell, struct ipcx_taken *t)
{
	t->len = __atomic_load_n(&cell->len, __ATOMIC_RELAXED);
	t->nr = __atomic_load_n(&cell->nr, __ATOMIC_RELAXED);
	t->tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);
}

/*
 * Copies a short message, in words and at least one, while it may be overwritten. Return: 1, or 0
 * if it was.
 */
static inline int ipcx_sub_copy(const struct ipcx_cell *cell, uint64_t word, uint32_t len,
				uint64_t *to)
{
	typedef uint64_t __attribute__((may_alias)) any64;
	const any64 *from = (const any64 *)cell->data;
	size_t i = 0;

	do {
		to[i / 8] = __atomic_load_n(&from[i / 8], __ATOMIC_RELAXED);
		i += 8;
	} while (i < len);
	/* [G]: who saw anything that was written after WRITING [F] sees that */
	ipcx_fence_acquire();
	return __atomic_load_n(&cell->word, __ATOMIC_RELAXED) == word;
}

/* Keeps a message from being overwritten. Return: 1; 0 if it was; or -EMFILE. */
ipcx_ring_rare int ipcx_sub_hold(struct ipcx_ring_sub *s, const struct ipcx_cell *cell,
				 uint64_t word, struct ipcx_taken *t)
{
	uint32_t *hold = s->control->hold;
	int i;

	for (i = 0; i < IPCX_TOPIC_HOLDS && hold[i]; i++)
		;
	if (i == IPCX_TOPIC_HOLDS)
		return -EMFILE;
	__atomic_store_n(&hold[i], ipcx_hold_word(s->index, s->pos & (s->depth - 1)),
			 __ATOMIC_RELAXED);
	/* [E]: who says WRITING [F] sees the hold, or is seen here */
	ipcx_fence_full();
	if (__atomic_load_n(&cell->word, __ATOMIC_ACQUIRE) != word) {
		__atomic_store_n(&hold[i], 0, __ATOMIC_RELAXED);
		return 0;
	}
	ipcx_sub_header(cell, t);
	t->cell = cell->data;
	t->hold = i + 1;
	return 1;
}

/* Takes what may be overwritten meanwhile: copies it or holds it. Return: as ipcx_sub_get(). */
static inline int ipcx_sub_catch(struct ipcx_ring_sub *s, const struct ipcx_cell *cell,
				 uint64_t word, struct ipcx_taken *t)
{
	int r;

	if (t->len <= IPCX_CELL_DATA) {
		r = ipcx_sub_copy(cell, word, t->len, t->copy);
		t->cell = t->copy;
	} else {
		r = ipcx_sub_hold(s, cell, word, t);
	}
	if (r <= 0)
		return r;
	if (!ipcx_sub_count(s, t->nr)) {
		if (t->hold)
			__atomic_store_n(&s->control->hold[t->hold - 1], 0, __ATOMIC_RELAXED);
		return -EPROTO;
	}
	if (t->hold) {
		s->holds |= 1U << (t->hold - 1);
		s->hold_pos[t->hold - 1] = t->pos;
		s->held++;
	}
	ipcx_sub_advance(s, 1);
	ipcx_sub_move(s);
	return 1;
}

/* A reliable one has not released what lies in the cell of @pos, which is next. */
static inline bool ipcx_sub_all_held(const struct ipcx_ring_sub *s, uint64_t pos)
{
	return (uint32_t)(pos - s->cursor) == s->depth;
}

/* Takes what was seen at the present position. Return: as ipcx_sub_take(); 0: it is gone. */
static inline int ipcx_sub_get(struct ipcx_ring_sub *s, const struct ipcx_cell *cell, uint64_t word,
			       struct ipcx_taken *t)
{
	t->pos = s->pos;
	t->cell = cell->data;
	t->hold = 0;
	ipcx_sub_header(cell, t);
	s->wide = ipcx_cell_is_wide(t->len);
	if (s->lossy)
		return ipcx_sub_catch(s, cell, word, t);
	if (ipcx_sub_all_held(s, s->pos) || !ipcx_sub_count(s, t->nr))
		return -EPROTO;
	s->held++;
	ipcx_sub_advance(s, 1);
	return 1;
}

/* Is @word, of the cell at the present position, that of the round before? */
static inline bool ipcx_sub_is_idle(const struct ipcx_ring_sub *s, uint64_t word)
{
	return ipcx_word_pos(word) == ipcx_pos_add(s->pos, -(int64_t)s->depth);
}

/* Finds no message at the present position. Return: 1: look at another; 0; or -EPROTO. */
ipcx_ring_rare int ipcx_sub_pass(struct ipcx_ring_sub *s, uint64_t word, uint32_t *far)
{
	int64_t ahead = ipcx_pos_diff(ipcx_word_pos(word), s->pos);
	unsigned int state = ipcx_word_state(word);

	if (ahead & (s->depth - 1))
		return -EPROTO;
	if (ahead > 0) {
		if (!ipcx_sub_leap(s, word, *far))
			return -EPROTO;
		*far /= 2;
		return 1;
	}
	if (ahead < 0 || state == IPCX_CELL_WRITING)
		return 0;
	if (!s->lossy && ipcx_sub_all_held(s, s->pos))
		return -EPROTO;
	ipcx_sub_step(s, state == IPCX_CELL_CANCELED);
	return 1;
}

/*
 * Messages are mostly as long as the one before. Of a cell with data in both lines the second is
 * asked for together with the first, for who waits for the first does not look on; others are asked
 * for some messages before their turn. At the end of the ring that is a hint at nothing.
 */
#define IPCX_CELLS_AHEAD 4

static inline void ipcx_sub_ask_ahead(const char *cell)
{
	__builtin_prefetch(cell);
	__builtin_prefetch(cell + IPCX_CELL_LINE);
}

/*
 * Of a longer message many lines at once, so that they need not come one by one. Only what is
 * really read comes so that the publisher gets it back soon.
 */
static inline void ipcx_sub_ask_payload(const char *data, size_t len)
{
	if (len > IPCX_ASKED_LEN)
		return;
	for (size_t i = 0; i < len && i < IPCX_ASKED_MAX; i += IPCX_CELL_LINE)
		__atomic_load_n(data + i, __ATOMIC_RELAXED);
}

/* What is at the present position, in the place where it lies. Return: whether it is a message. */
static inline bool ipcx_sub_peek(const struct ipcx_ring_sub *s, struct ipcx_taken *t)
{
	const struct ipcx_cell *cell = ipcx_sub_cell(s, s->pos);

	if (s->wide)
		__builtin_prefetch((const char *)cell + IPCX_CELL_LINE);
	/* [B]: what was written before [A] is seen */
	if (__atomic_load_n(&cell->word, __ATOMIC_ACQUIRE) !=
	    ipcx_word(s->pos, IPCX_CELL_PUBLISHED))
		return false;
	if (!s->wide)
		ipcx_sub_ask_ahead((const char *)(cell + IPCX_CELLS_AHEAD));
	t->pos = s->pos;
	t->cell = cell->data;
	t->hold = 0;
	ipcx_sub_header(cell, t);
	return true;
}

/**
 * ipcx_sub_accept() - take what ipcx_sub_peek() has found, where nothing is unusual
 * @s: the ring
 * @t: what was found; of a lossy subscriber copied and looked at again
 *
 * Return: whether it was taken; if not, nothing has been done, and ipcx_sub_take() tells more.
 */
static inline bool ipcx_sub_accept(struct ipcx_ring_sub *s, const struct ipcx_taken *t, bool lossy)
{
	uint64_t next;

	if (t->nr != s->expected || (lossy ? s->leapt | s->holds : s->leapt) ||
	    (!lossy && ipcx_sub_all_held(s, t->pos)))
		return false;
	next = ipcx_pos_add(t->pos, 1);
	s->expected++;
	s->wide = ipcx_cell_is_wide(t->len);
	ipcx_sub_set_pos(s, next);
	if (lossy)
		ipcx_sub_set_cursor(s, next);
	else
		s->held++;
	return true;
}

/* As ipcx_sub_take(), whatever there is. */
ipcx_ring_rare int ipcx_sub_search(struct ipcx_ring_sub *s, struct ipcx_taken *t)
{
	uint32_t far = s->depth;

	/* whatever the publisher does meanwhile, some time it is enough */
	for (uint32_t n = 2 * s->depth; n; n--) {
		const struct ipcx_cell *cell = ipcx_sub_cell(s, s->pos);
		/* [B]: what was written before [A] is seen */
		uint64_t word = __atomic_load_n(&cell->word, __ATOMIC_ACQUIRE);
		int r;

		if (word == ipcx_word(s->pos, IPCX_CELL_PUBLISHED)) {
			r = ipcx_sub_get(s, cell, word, t);
			if (r)
				return r;
		} else {
			r = ipcx_sub_pass(s, word, &far);
			if (r <= 0)
				return r;
		}
	}
	return 0;
}

/**
 * ipcx_sub_take() - get the next message of a ring
 * @s: the ring
 * @t: set to it; a copy is in it, so that it stays where it is until the message is released
 *
 * Positions without a message are stepped over. If @s->kick is set thereafter, publishers have to
 * be woken, whatever this returns.
 *
 * A reliable subscriber that was evicted is overtaken, and finds a contradiction: what the
 * directory says of it comes first.
 *
 * Return: 1; 0: there is none; or
 *	-EMFILE       all holds are in use
 *	-EPROTO       the ring says what cannot be; it must be left
 */
static inline int ipcx_sub_take(struct ipcx_ring_sub *s, struct ipcx_taken *t)
{
	if (ipcx_usual(!s->lossy && ipcx_sub_peek(s, t) && ipcx_sub_accept(s, t, false)))
		return 1;
	return ipcx_sub_search(s, t);
}

/* As ipcx_sub_release(), whatever it is. */
ipcx_ring_rare bool ipcx_sub_drop(struct ipcx_ring_sub *s, const struct ipcx_taken *t)
{
	int64_t age = ipcx_pos_diff(t->pos, s->cursor);
	uint32_t hold = t->hold - 1;
	bool kick;

	if (s->lossy) {
		if (!t->hold || !(s->holds >> hold & 1) || s->hold_pos[hold] != t->pos)
			return false;
		s->holds &= ~(1U << hold);
		s->held--;
		/* [J]: who finds it free [F] may overwrite what was read until now */
		__atomic_store_n(&s->control->hold[hold], 0, __ATOMIC_RELEASE);
		ipcx_sub_move(s);
		return false;
	}
	if (age < 0 || age >= ipcx_pos_diff(s->pos, s->cursor) || ipcx_sub_test(s, t->pos))
		return false;
	s->held--;
	ipcx_sub_flip(s, t->pos);
	ipcx_sub_move(s);
	kick = ipcx_sub_attention(s) || s->kick;
	s->kick = false;
	return kick;
}

/**
 * ipcx_sub_pop() - let the oldest message go, where nothing is unusual
 * @s: the ring, of a subscriber that is not lossy
 * @pos: position of what is to go
 *
 * Return: whether TOPIC_KICK PUBLISHERS is due; or -EAGAIN: nothing has been done, and
 * ipcx_sub_release() tells more.
 */
static inline int ipcx_sub_pop(struct ipcx_ring_sub *s, uint64_t pos)
{
	uint64_t next = ipcx_pos_add(pos, 1), end = s->pos;

	/* all is released before it; behind it there is nothing, or something that is not */
	if (pos != s->cursor || (next != end && (pos == end || ipcx_sub_test(s, next))))
		return -EAGAIN;
	s->held--;
	ipcx_sub_set_cursor(s, next);
	if (ipcx_usual(!ipcx_sub_attention(s)))
		return 0;
	s->kick = false;
	return 1;
}

/**
 * ipcx_sub_release() - let a message go
 * @s: the ring
 * @t: what was taken from it, in any order; what is not held is left alone
 *
 * Return: whether TOPIC_KICK PUBLISHERS is due.
 */
static inline bool ipcx_sub_release(struct ipcx_ring_sub *s, const struct ipcx_taken *t)
{
	int kick = s->lossy ? -EAGAIN : ipcx_sub_pop(s, t->pos);

	return ipcx_usual(kick >= 0) ? kick : ipcx_sub_drop(s, t);
}

/**
 * ipcx_sub_drained() - has the ring of a dead publisher been read to its end?
 * @s: the ring; ipcx_sub_take() finds nothing there
 * @end: the first position that was never loaned, as the publisher had it
 *
 * What was loaned and never committed is stepped over, and counted as missed.
 *
 * Return: 1: nothing will come, and nothing is held; 0: take again, or release first; or
 *	-EPROTO       the ring says what cannot be; it must be left
 */
ipcx_ring_rare int ipcx_sub_drained(struct ipcx_ring_sub *s, uint64_t end)
{
	int64_t left = ipcx_pos_diff(end & IPCX_POS_MASK, s->pos), room = s->depth;

	if (!s->lossy)
		room -= ipcx_pos_diff(s->pos, s->cursor);
	if (left < 0 || (!s->lossy && left > room))
		return -EPROTO;
	/* who was overtaken finds something newer within one round */
	for (; left > 0; left--) {
		uint64_t word = __atomic_load_n(&ipcx_sub_cell(s, s->pos)->word, __ATOMIC_ACQUIRE);
		unsigned int state = ipcx_word_state(word);
		int64_t ahead = ipcx_pos_diff(ipcx_word_pos(word), s->pos);
		bool hole = ahead < 0 || state == IPCX_CELL_WRITING;

		if (ahead > 0 || (!hole && state == IPCX_CELL_PUBLISHED))
			return 0;
		if (!room--)
			return -EPROTO;
		s->missed += hole;
		ipcx_sub_step(s, hole || state == IPCX_CELL_CANCELED);
	}
	return !s->held;
}

#endif /* IPCX_RING_SUB_H */
