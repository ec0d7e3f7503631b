/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring of cells as large as those of topics, with one writer and one reader, a sequence number
 * in each cell, and the reader's position in a cache line of its own, that the writer looks at
 * once a round.
 */
#ifndef IPCX_PEERS_RING_H
#define IPCX_PEERS_RING_H

#include <linux/ipcx_topic.h>
#include <stdlib.h>

#include "peers.h"

#define RING_PAGE 4096

/**
 * struct ring - as one side has it
 * @tail: what the reader has read, shared
 * @asleep: whether the writer, or the reader, sleeps or is about to, shared, for ways that use it
 * @head: of this side
 * @seen: @tail, as the writer saw it
 */
struct ring {
	uint64_t *tail, head, seen;
	uint32_t *asleep[2];
	struct ipcx_cell *cells;
	char *payload;
};

/* What is mapped is zero. */
static inline void ring_create(struct lane *l)
{
	struct ring *r = calloc(1, sizeof(*r));
	char *p = map_shared(RING_PAGE + l->depth * sizeof(struct ipcx_cell));

	if (!r)
		give_up(FAILED, "no memory");
	r->tail = (uint64_t *)p;
	r->asleep[0] = (uint32_t *)(p + 256);
	r->asleep[1] = (uint32_t *)(p + 512);
	r->cells = (struct ipcx_cell *)(p + RING_PAGE);
	r->payload = map_shared(l->depth * l->len);
	l->own = r;
}

static inline void ring_open(struct lane *l)
{
	(void)l;
}

static inline struct ipcx_cell *ring_cell(const struct lane *l, const struct ring *r)
{
	return &r->cells[r->head & (l->depth - 1)];
}

static inline uint64_t *ring_place(const struct lane *l, const struct ring *r,
				   struct ipcx_cell *cell)
{
	if (l->len <= IPCX_CELL_DATA)
		return (uint64_t *)cell->data;
	return (uint64_t *)(r->payload + (r->head & (l->depth - 1)) * l->len);
}

static inline bool ring_full(const struct lane *l, struct ring *r)
{
	if (r->head - r->seen < l->depth)
		return false;
	r->seen = __atomic_load_n(r->tail, __ATOMIC_ACQUIRE);
	return r->head - r->seen == l->depth;
}

static inline bool ring_empty(const struct lane *l, const struct ring *r)
{
	return __atomic_load_n(&ring_cell(l, r)->word, __ATOMIC_ACQUIRE) != r->head + 1;
}

/* When it is not full */
static inline void ring_put(struct lane *l, struct ring *r, uint64_t value)
{
	struct ipcx_cell *cell = ring_cell(l, r);

	write_all(l, ring_place(l, r, cell), value);
	cell->len = l->len;
	__atomic_store_n(&cell->word, ++r->head, __ATOMIC_RELEASE);
}

/* When it is not empty */
static inline uint64_t ring_get(struct lane *l, struct ring *r, uint64_t value)
{
	struct ipcx_cell *cell = ring_cell(l, r);
	uint64_t sum = read_all(l, ring_place(l, r, cell), cell->len, value);

	__atomic_store_n(r->tail, ++r->head, __ATOMIC_RELEASE);
	return sum;
}

#endif /* IPCX_PEERS_RING_H */
