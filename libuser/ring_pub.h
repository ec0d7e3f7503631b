/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The publisher's side of its ring.
 */
#ifndef IPCX_RING_PUB_H
#define IPCX_RING_PUB_H

#include <errno.h>
#include <string.h>

#include "ring.h"

/**
 * struct ipcx_ring_pub - a ring that is written
 * @ring: its first page
 * @cells: the others
 * @dir: the directory
 * @attention: of the ring, there
 * @controls: control page of subscriber 0
 * @control_stride: bytes to the next
 * @index: of the ring
 * @depth: cells
 * @limit: positions that a reliable subscriber may not have released, at most @depth
 * @lag_max: of the topic
 * @nr: number of the next message
 * @head: next position to be loaned
 * @gate: up to here, head need look neither at cursors nor at cells; never behind it
 * @generation: of the directory when the masks were read
 * @kicked: what attention is as long as nobody is to be kicked, see ipcx_looks_due()
 * @loans: positions on loan
 * @kick: TOPIC_KICK SUBSCRIBERS is due because of positions skipped; who does so clears it
 * @skipped: some of @skips are not 0
 * @subs: who reads the ring
 * @reliable: which of all are reliable
 * @looks: at attention
 * @skips: positions skipped because of each since the last that was not
 */
struct ipcx_ring_pub {
	struct ipcx_ring *ring;
	struct ipcx_cell *cells;
	const struct ipcx_dir *dir;
	const uint32_t *attention;
	const char *controls;
	size_t control_stride;
	uint32_t index;
	uint32_t depth;
	uint32_t limit;
	uint32_t lag_max;
	uint32_t nr;
	uint64_t head;
	uint64_t gate;
	uint32_t generation;
	uint32_t kicked;
	uint32_t loans;
	bool kick;
	bool skipped;
	uint64_t subs[2];
	uint64_t reliable[2];
	struct ipcx_looks looks;
	uint8_t skips[IPCX_TOPIC_SUBS];
};

/* The masks, of this generation or a newer one. */
static inline void ipcx_pub_read_masks(struct ipcx_ring_pub *p)
{
	const struct ipcx_dir_ring *entry = &p->dir->ring[p->index];

	/* [I]: what changed before the generation [H] is seen */
	p->generation = __atomic_load_n(&p->dir->generation, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 2; i++) {
		/* they may be newer: who is seen to have left has done with what it read */
		p->subs[i] = __atomic_load_n(&entry->subs[i], __ATOMIC_ACQUIRE);
		p->reliable[i] = __atomic_load_n(&p->dir->reliable[i], __ATOMIC_RELAXED);
	}
}

/**
 * ipcx_pub_init() - begin to publish on a new ring
 * @p: all zero
 * @ring: the member's ring as mapped, the cells one page behind
 * @depth: cells
 * @index: number of the ring
 * @first: first position
 * @lag_max: positions after which a reliable subscriber is to be evicted, or 0
 * @dir: the directory
 * @controls: control page of subscriber 0
 * @control_stride: bytes to the next; a page
 */
static inline void ipcx_pub_init(struct ipcx_ring_pub *p, struct ipcx_ring *ring, uint32_t depth,
				 uint32_t index, uint64_t first, uint32_t lag_max,
				 const struct ipcx_dir *dir, const void *controls,
				 size_t control_stride)
{
	p->ring = ring;
	p->cells = (struct ipcx_cell *)((char *)ring + control_stride);
	p->dir = dir;
	p->attention = &dir->ring[index].attention;
	p->controls = controls;
	p->control_stride = control_stride;
	p->index = index;
	p->depth = depth;
	p->limit = depth;
	p->lag_max = lag_max;
	p->head = first;
	p->gate = first;
	ipcx_pub_read_masks(p);
}

/* The cell of a position, for its data. */
static inline struct ipcx_cell *ipcx_pub_cell(const struct ipcx_ring_pub *p, uint64_t pos)
{
	return &p->cells[pos & (p->depth - 1)];
}

static inline const struct ipcx_control *ipcx_pub_control(const struct ipcx_ring_pub *p, uint32_t s)
{
	return (const struct ipcx_control *)(p->controls + s * p->control_stride);
}

/* The lowest number from @from on that is in the mask; IPCX_TOPIC_SUBS: none. */
static inline uint32_t ipcx_next_sub(const uint64_t mask[2], uint32_t from)
{
	for (; from < IPCX_TOPIC_SUBS; from = (from | 63) + 1) {
		uint64_t rest = mask[from / 64] >> from % 64;

		if (rest)
			return from + __builtin_ctzll(rest);
	}
	return IPCX_TOPIC_SUBS;
}

/* Is what lies in the cell of a position to be loaned still on loan itself? */
static inline bool ipcx_pub_is_loaned(const struct ipcx_ring_pub *p, uint64_t pos)
{
	uint64_t word = __atomic_load_n(&ipcx_pub_cell(p, pos)->word, __ATOMIC_RELAXED);

	return ipcx_pos_diff(pos, ipcx_word_pos(word)) != p->depth ||
	       ipcx_word_state(word) == IPCX_CELL_WRITING;
}

/* How many of the next @n positions come before one whose cell is on loan? */
static inline int64_t ipcx_pub_unloaned(const struct ipcx_ring_pub *p, int64_t n)
{
	int64_t i = 0;

	if (!p->loans)
		return n;
	while (i < n && !ipcx_pub_is_loaned(p, ipcx_pos_add(p->head, i)))
		i++;
	return i;
}

/*
 * Looks at all cursors. Return: 0: nobody wants what head is going to overwrite; 1: a lossy one
 * may; or as ipcx_pub_loan().
 */
ipcx_ring_rare int ipcx_pub_look(struct ipcx_ring_pub *p, uint32_t *who)
{
	int64_t left = p->limit;
	bool full = false, wanted = false;

	p->gate = p->head; /* closed, until all were looked at */
	for (uint32_t s = 0; (s = ipcx_next_sub(p->subs, s)) < IPCX_TOPIC_SUBS; s++) {
		/* [K]: who moved it [J] has read all below */
		uint64_t cursor = __atomic_load_n(&ipcx_pub_control(p, s)->cursor[p->index],
						  __ATOMIC_ACQUIRE);
		int64_t lag = ipcx_pos_diff(p->head, cursor), limit = p->limit;

		if (p->reliable[s / 64] >> s % 64 & 1) {
			*who = s;
			if (lag < 0 || lag > p->depth)
				return -EPROTO;
			if (p->lag_max && lag >= p->lag_max)
				return -EPIPE;
			if (p->lag_max)
				limit = p->lag_max;
			full |= lag >= limit;
		} else {
			wanted |= lag >= limit;
		}
		if (limit - lag < left)
			left = limit - lag;
	}
	p->gate = ipcx_pos_add(p->head, left > 0 ? ipcx_pub_unloaned(p, left) : 0);
	return full ? -EAGAIN : wanted;
}

/* Who holds the cell, or IPCX_TOPIC_SUBS. */
static inline uint32_t ipcx_pub_holder(const struct ipcx_ring_pub *p, uint64_t pos)
{
	uint32_t hold = ipcx_hold_word(p->index, pos & (p->depth - 1)), s;
	const uint64_t lossy[2] = { p->subs[0] & ~p->reliable[0], p->subs[1] & ~p->reliable[1] };

	for (s = 0; (s = ipcx_next_sub(lossy, s)) < IPCX_TOPIC_SUBS; s++)
		for (int i = 0; i < IPCX_TOPIC_HOLDS; i++)
			if (__atomic_load_n(&ipcx_pub_control(p, s)->hold[i], __ATOMIC_ACQUIRE) ==
			    hold)
				return s;
	return s;
}

/* Something happened: does anybody sleep who was not told yet? */
static inline bool ipcx_pub_attention(struct ipcx_ring_pub *p)
{
	/* [C]: who has changed it [D] sees the word, or is seen here */
	ipcx_fence_compiler();
	return __atomic_load_n(p->attention, __ATOMIC_RELAXED) != p->kicked &&
	       ipcx_looks_due(&p->looks, p->attention, &p->kicked);
}

static inline void ipcx_cell_set_word(struct ipcx_cell *cell, uint64_t pos, unsigned int state)
{
	/* [A]: who reads it [B] sees all that was written before */
	__atomic_store_n(&cell->word, ipcx_word(pos, state), __ATOMIC_RELEASE);
}

static inline void ipcx_pub_set_word(struct ipcx_ring_pub *p, uint64_t pos, unsigned int state)
{
	ipcx_cell_set_word(ipcx_pub_cell(p, pos), pos, state);
}

/*
 * A lossy subscriber may be reading what lies in the cell of @pos. Return: 0: it is
 * overwritten for it; 1: it is held, so the position is skipped; or -EBADMSG.
 */
ipcx_ring_rare int ipcx_pub_seize(struct ipcx_ring_pub *p, uint64_t pos, uint32_t *who)
{
	uint32_t s;

	ipcx_pub_set_word(p, pos, IPCX_CELL_WRITING);
	/* [F]: who sets a hold [E] sees the word, or is seen here; [G]: so does who has copied */
	ipcx_fence_full();
	s = ipcx_pub_holder(p, pos);
	if (s == IPCX_TOPIC_SUBS)
		return 0;
	ipcx_pub_set_word(p, pos, IPCX_CELL_SKIPPED);
	if (ipcx_pub_attention(p)) {
		p->kick = true;
		ipcx_looks_again(&p->looks, &p->kicked); /* a commit finds it due too */
	}
	p->skipped = true;
	if (++p->skips[s] <= IPCX_TOPIC_HOLDS)
		return 1;
	p->skips[s] = 0;
	*who = s;
	return -EBADMSG;
}

/* Is the gate open for the next position, as far as is known, and nothing has changed? */
static inline bool ipcx_pub_open(const struct ipcx_ring_pub *p, uint64_t head)
{
	/* [I]: a relaxed look is enough to see that nothing has changed */
	return p->gate != head &&
	       __atomic_load_n(&p->dir->generation, __ATOMIC_RELAXED) == p->generation;
}

/* What is wanted, for the next position. Return: as ipcx_pub_look(). */
static inline int ipcx_pub_gate(struct ipcx_ring_pub *p, uint32_t *who)
{
	if (ipcx_pub_open(p, p->head))
		return 0;
	if (__atomic_load_n(&p->dir->generation, __ATOMIC_RELAXED) != p->generation)
		ipcx_pub_read_masks(p);
	return ipcx_pub_look(p, who);
}

static inline void ipcx_pub_advance(struct ipcx_ring_pub *p, uint64_t head)
{
	p->head = ipcx_pos_add(head, 1);
	__atomic_store_n(&p->ring->head, p->head, __ATOMIC_RELAXED);
	/* [M]: a tap that copies what is written from now on [G] sees it; x86 keeps the order */
	__atomic_signal_fence(__ATOMIC_RELEASE);
}

/* The cell gets its number, and is on loan. */
static inline void ipcx_pub_number(struct ipcx_ring_pub *p, struct ipcx_cell *cell)
{
	p->loans++;
	__atomic_store_n(&cell->nr, p->nr++, __ATOMIC_RELAXED);
}

/*
 * Stores wait for each other, and the lines that they are for come one by one unless they were
 * asked for some messages before. Of a cell either all that is to be written is asked for or
 * nothing: one line without the other takes longer than none. Where nothing is as usual, it does
 * not matter.
 */
#define IPCX_CELLS_OWNED 8
#define IPCX_CELLS_OWNED_WIDE 4

static inline void ipcx_own_line(const char *line)
{
#ifdef __x86_64__ /* where the compiler's own only asks to read */
	__asm__ volatile("prefetchw %0" : : "m"(*line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/* Of a longer message many lines at once, so that they need not come one by one. */
static inline void ipcx_own_payload(const char *data, size_t len)
{
	if (len > IPCX_ASKED_LEN)
		return;
	for (size_t i = 0; i < len && i < IPCX_ASKED_MAX; i += IPCX_CELL_LINE)
		ipcx_own_line(data + i);
}

static inline void ipcx_pub_own_ahead(const struct ipcx_ring_pub *p, uint64_t head, size_t len)
{
	bool wide = ipcx_cell_is_wide(len);
	int ahead = wide ? IPCX_CELLS_OWNED_WIDE : IPCX_CELLS_OWNED;
	const char *cell = (const char *)ipcx_pub_cell(p, head + ahead);

	ipcx_own_line(cell);
	if (wide)
		ipcx_own_line(cell + IPCX_CELL_LINE);
}

/**
 * ipcx_pub_try() - get the next position where nothing is unusual
 * @p: the ring
 * @len: bytes of the message that are to be in the cell
 * @pos: set to it
 * @cell: set to its cell
 *
 * Return: whether it was got; if not, nothing has been done, and ipcx_pub_loan() may get it.
 */
static inline bool ipcx_pub_try(struct ipcx_ring_pub *p, size_t len, uint64_t *pos,
				struct ipcx_cell **cell)
{
	uint64_t head = p->head;

	if (!ipcx_pub_open(p, head))
		return false;
	ipcx_pub_advance(p, head);
	/* nothing of it is read first: the caches of subscribers have it, and lose it once only */
	*cell = ipcx_pub_cell(p, head);
	ipcx_pub_own_ahead(p, head, len);
	ipcx_pub_number(p, *cell);
	*pos = head;
	return true;
}

/* As ipcx_pub_loan(), whatever there is. Where positions were skipped, the gate is not open. */
ipcx_ring_rare int ipcx_pub_find(struct ipcx_ring_pub *p, uint64_t *pos, uint32_t *who)
{
	int r;

	do {
		if (ipcx_pub_is_loaned(p, p->head))
			return -ENOBUFS;
		r = ipcx_pub_gate(p, who);
		if (r < 0)
			return r;
		*pos = p->head;
		ipcx_pub_advance(p, *pos);
		if (r) {
			p->gate = p->head; /* still closed */
			r = ipcx_pub_seize(p, *pos, who);
		}
	} while (r > 0);
	if (r < 0)
		return r;
	if (p->skipped) {
		memset(p->skips, 0, sizeof(p->skips));
		p->skipped = false;
	}
	ipcx_pub_number(p, ipcx_pub_cell(p, *pos));
	return 0;
}

/**
 * ipcx_pub_loan() - get the next position
 * @p: the ring
 * @pos: set to it
 * @who: set to the subscriber who is to be evicted
 *
 * When @p->kick is set after -EAGAIN, a subscriber has to be woken, to step over positions that
 * were skipped, before it makes sense to wait for it.
 *
 * Return: 0, or
 *	-EAGAIN       a reliable subscriber has not released what lies there
 *	-EBADMSG      the holds of @who make it skip too often: evict it, and try again
 *	-ENOBUFS      what lies there is still on loan itself
 *	-EPIPE        @who is lag_max behind: evict it, and try again
 *	-EPROTO       the cursor of @who cannot be: likewise. It can, after all, while @who
 *		      joins: then the kernel does not evict it
 */
static inline int ipcx_pub_loan(struct ipcx_ring_pub *p, uint64_t *pos, uint32_t *who)
{
	struct ipcx_cell *cell;

	return ipcx_usual(ipcx_pub_try(p, 0, pos, &cell)) ? 0 : ipcx_pub_find(p, pos, who);
}

/**
 * ipcx_pub_on_loan() - is a position on loan?
 * @p: the ring
 * @pos: a position that was
 * @cell: the cell that it has or had
 *
 * Return: whether it is: its cell still has what it had a round before, or says WRITING.
 */
static inline bool ipcx_pub_on_loan(const struct ipcx_ring_pub *p, uint64_t pos,
				    const struct ipcx_cell *cell)
{
	uint64_t word = __atomic_load_n(&cell->word, __ATOMIC_RELAXED);

	return ipcx_usual(word == ipcx_word(pos - p->depth, IPCX_CELL_PUBLISHED)) ||
	       ipcx_pos_diff(pos, ipcx_word_pos(word)) == p->depth ||
	       word == ipcx_word(pos, IPCX_CELL_WRITING);
}

static inline bool ipcx_pub_kick(struct ipcx_ring_pub *p)
{
	if (ipcx_usual(!ipcx_pub_attention(p)))
		return false;
	p->kick = false;
	return true;
}

/* As ipcx_pub_commit(), where the cell is known; ipcx_pub_kick() is to follow. */
static inline void ipcx_pub_fill(struct ipcx_ring_pub *p, struct ipcx_cell *cell, uint64_t pos,
				 uint32_t len, uint64_t tag)
{
	p->loans--;
	__atomic_store_n(&cell->len, len, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->tag, tag, __ATOMIC_RELAXED);
	ipcx_cell_set_word(cell, pos, IPCX_CELL_PUBLISHED);
}

/**
 * ipcx_pub_commit() - publish
 * @p: the ring
 * @pos: a position on loan, not necessarily the oldest
 * @len: length of the message
 * @tag: the application's word
 *
 * Return: whether TOPIC_KICK SUBSCRIBERS is due.
 */
static inline bool ipcx_pub_commit(struct ipcx_ring_pub *p, uint64_t pos, uint32_t len,
				   uint64_t tag)
{
	ipcx_pub_fill(p, ipcx_pub_cell(p, pos), pos, len, tag);
	return ipcx_pub_kick(p);
}

/**
 * ipcx_pub_cancel() - publish nothing at a position
 * @p: the ring
 * @pos: a position on loan, not necessarily the oldest
 *
 * Return: whether TOPIC_KICK SUBSCRIBERS is due: they have to step over it.
 */
static inline bool ipcx_pub_cancel(struct ipcx_ring_pub *p, uint64_t pos)
{
	p->loans--;
	if (ipcx_pos_add(pos, 1) == p->head) {
		p->nr--;
		ipcx_pub_set_word(p, pos, IPCX_CELL_SKIPPED);
	} else {
		ipcx_pub_set_word(p, pos, IPCX_CELL_CANCELED);
	}
	return ipcx_pub_kick(p);
}

/**
 * ipcx_pub_give_back() - make as if a position had never been loaned
 * @p: the ring, which no lossy subscriber reads
 * @pos: the newest position, on loan, and the only one that is
 *
 * Who keeps a copy of the loan can tell it from the next one by nothing that is here.
 */
static inline void ipcx_pub_give_back(struct ipcx_ring_pub *p, uint64_t pos)
{
	p->loans--;
	p->nr--;
	p->head = pos;
	p->gate = pos; /* closed, as it may have been */
	__atomic_store_n(&p->ring->head, pos, __ATOMIC_RELAXED);
}

#endif /* IPCX_RING_PUB_H */
