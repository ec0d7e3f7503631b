// SPDX-License-Identifier: GPL-2.0-only
/*
 * The limit: a ring of cells as large as those of topics, with one writer and one reader, a
 * sequence number in each cell, and the reader's position in a cache line of its own, that the
 * writer looks at once a round. Nothing is safe, both poll.
 */
#include <linux/ipcx_topic.h>
#include <string.h>
#include <sys/mman.h>

#include "peers.h"

#define PAGE 4096

struct ring {
	uint64_t *tail, head, seen;
	struct ipcx_cell *cells;
	char *payload;
};

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		give_up(FAILED, "no memory");
	memset(p, 0, size);
	return p;
}

static void ring_create(struct lane *l)
{
	static struct ring lanes[2];
	struct ring *r = &lanes[!!lanes[0].tail];
	char *p = map(PAGE + l->depth * sizeof(struct ipcx_cell));

	r->tail = (uint64_t *)p;
	r->cells = (struct ipcx_cell *)(p + PAGE);
	r->payload = map(l->depth * l->len);
	l->own = r;
}

static void ring_open(struct lane *l)
{
	(void)l;
}

static uint64_t *place(const struct lane *l, const struct ring *r, struct ipcx_cell *cell)
{
	if (l->len <= IPCX_CELL_DATA)
		return (uint64_t *)cell->data;
	return (uint64_t *)(r->payload + (r->head & (l->depth - 1)) * l->len);
}

static void ring_send(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;
	struct ipcx_cell *cell = &r->cells[r->head & (l->depth - 1)];
	unsigned int looks = 0;

	while (r->head - r->seen == l->depth) {
		r->seen = __atomic_load_n(r->tail, __ATOMIC_ACQUIRE);
		look_again(&looks);
	}
	write_all(place(l, r, cell), l->len, value);
	cell->len = l->len;
	__atomic_store_n(&cell->word, ++r->head, __ATOMIC_RELEASE);
}

static uint64_t ring_recv(struct lane *l, uint64_t value)
{
	struct ring *r = l->own;
	struct ipcx_cell *cell = &r->cells[r->head & (l->depth - 1)];
	unsigned int looks = 0;
	uint64_t sum;

	while (__atomic_load_n(&cell->word, __ATOMIC_ACQUIRE) != r->head + 1)
		look_again(&looks);
	sum = read_all(l, place(l, r, cell), cell->len, value);
	__atomic_store_n(r->tail, ++r->head, __ATOMIC_RELEASE);
	return sum;
}

const struct way ring_way = {
	.name = "bare ring",
	.jobs = ONE_WAY | TRIPS,
	.create = ring_create,
	.open = ring_open,
	.send = ring_send,
	.recv = ring_recv,
};
