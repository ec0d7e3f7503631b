/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A topic in memory, without a kernel: what the module does to the directory and to
 * cursors is done here by hand.
 */
#ifndef WORLD_H
#define WORLD_H

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring_pub.h"
#include "ring_sub.h"

#define PAGE 4096
#define RINGS 4
#define SUBS 8
#define SLOT 256 /* bytes of a payload slot */

struct world {
	struct ipcx_dir *dir;
	char *controls, *rings, *data;
	uint32_t depth, lag_max;
	uint64_t first;
	pthread_mutex_t lock; /* one joins, leaves, evicts at a time */
};

/* Nothing is mapped before and behind. */
static inline char *map_alone(size_t size)
{
	char *p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	p = mmap(p + PAGE, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

static inline void unmap_alone(void *p, size_t size)
{
	munmap((char *)p - PAGE, size + 2 * PAGE);
}

static inline size_t ring_bytes(const struct world *w)
{
	size_t cells = w->depth * sizeof(struct ipcx_cell);

	return PAGE + (cells + PAGE - 1) / PAGE * PAGE;
}

static inline struct ipcx_ring *ring_of(const struct world *w, uint32_t r)
{
	return (struct ipcx_ring *)(w->rings + r * ring_bytes(w));
}

static inline struct ipcx_cell *cells_of(const struct world *w, uint32_t r)
{
	return (struct ipcx_cell *)((char *)ring_of(w, r) + PAGE);
}

static inline struct ipcx_control *control_of(const struct world *w, uint32_t s)
{
	return (struct ipcx_control *)(w->controls + s * PAGE);
}

static inline char *slot_of(const struct world *w, uint32_t r, uint64_t pos)
{
	return w->data + (r * w->depth + (pos & (w->depth - 1))) * SLOT;
}

static inline void serialise(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static inline void new_generation(const struct world *w)
{
	__atomic_fetch_add(&w->dir->generation, 1, __ATOMIC_RELEASE); /* [H] */
}

static inline void set_bit_of(__u64 *mask, uint32_t s, bool on)
{
	if (on)
		__atomic_fetch_or(&mask[s / 64], UINT64_C(1) << s % 64, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&mask[s / 64], ~(UINT64_C(1) << s % 64), __ATOMIC_RELEASE);
}

static inline void world_open(struct world *w, uint32_t depth, uint64_t first, uint32_t lag_max)
{
	*w = (struct world){ .depth = depth, .first = first, .lag_max = lag_max };
	pthread_mutex_init(&w->lock, NULL);
	w->dir = (struct ipcx_dir *)map_alone(2 * PAGE);
	w->controls = map_alone(SUBS * PAGE);
	w->rings = map_alone(RINGS * ring_bytes(w));
	w->data = map_alone(RINGS * depth * SLOT);
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

static inline void world_close(struct world *w)
{
	unmap_alone(w->dir, 2 * PAGE);
	unmap_alone(w->controls, SUBS * PAGE);
	unmap_alone(w->rings, RINGS * ring_bytes(w));
	unmap_alone(w->data, RINGS * w->depth * SLOT);
}

/* A publisher joins: an empty ring that nobody reads. */
static inline void publish(const struct world *w, struct ipcx_ring_pub *p, uint32_t r)
{
	struct ipcx_cell *cells = cells_of(w, r);

	ring_of(w, r)->head = w->first;
	for (uint32_t i = 0; i < w->depth; i++) {
		uint64_t pos = ipcx_pos_add(w->first, i - (int64_t)w->depth);

		cells[pos & (w->depth - 1)].word = ipcx_word(pos, IPCX_CELL_SKIPPED);
	}
	w->dir->ring[r] = (struct ipcx_dir_ring){ .id = r + 1 };
	new_generation(w);
	memset(p, 0, sizeof(*p));
	ipcx_pub_init(p, ring_of(w, r), w->depth, r, w->first, w->lag_max, w->dir, w->controls,
		      PAGE);
}

/* A subscriber joins, while the publisher is at work. */
static inline struct ipcx_ring_sub *subscribe(struct world *w, uint32_t r, uint32_t s, bool lossy,
					      uint32_t history)
{
	struct ipcx_ring_sub *sub = calloc(1, ipcx_sub_size(w->depth));
	__u64 *cursor = &control_of(w, s)->cursor[r];
	int64_t back = w->depth - 1, age;
	uint64_t head;

	pthread_mutex_lock(&w->lock);
	head = __atomic_load_n(&ring_of(w, r)->head, __ATOMIC_RELAXED);
	age = ipcx_pos_diff(head, w->first);
	/* [J]: who read this ring under the same number before has done so */
	__atomic_store_n(cursor, ipcx_pos_add(head, -(age < back ? age : back)), __ATOMIC_RELEASE);
	set_bit_of(w->dir->reliable, s, !lossy);
	set_bit_of(w->dir->ring[r].subs, s, true);
	new_generation(w);
	serialise();
	head = __atomic_load_n(&ring_of(w, r)->head, __ATOMIC_RELAXED);
	age = ipcx_pos_diff(head, w->first);
	if (back > history)
		back = history;
	__atomic_store_n(cursor, ipcx_pos_add(head, -(age < back ? age : back)), __ATOMIC_RELEASE);
	ipcx_sub_init(sub, ring_of(w, r), w->depth, r, PAGE, control_of(w, s), w->dir, lossy);
	pthread_mutex_unlock(&w->lock);
	return sub;
}

static inline void detach(struct world *w, uint32_t r, uint32_t s)
{
	pthread_mutex_lock(&w->lock);
	set_bit_of(w->dir->ring[r].subs, s, false);
	new_generation(w);
	pthread_mutex_unlock(&w->lock);
}

/* Would the kernel evict it because of its cursor? */
static inline bool is_outside(struct world *w, uint32_t r, uint32_t s)
{
	int64_t lag;
	bool reads;

	pthread_mutex_lock(&w->lock);
	reads = w->dir->ring[r].subs[s / 64] >> s % 64 & 1;
	lag = ipcx_pos_diff(ring_of(w, r)->head,
			    __atomic_load_n(&control_of(w, s)->cursor[r], __ATOMIC_RELAXED));
	pthread_mutex_unlock(&w->lock);
	return reads && (lag < 0 || lag > w->depth);
}

static inline uint64_t word_of(uint64_t value, uint32_t i)
{
	return value * UINT64_C(0x9e3779b97f4a7c15) + i;
}

/* What @value looks like; a short message may be read while it is written. */
static inline void fill(const struct world *w, struct ipcx_ring_pub *p, uint64_t pos,
			uint64_t value, uint32_t len)
{
	uint64_t *slot = (uint64_t *)slot_of(w, p->index, pos);
	uint64_t *cell = (uint64_t *)ipcx_pub_cell(p, pos)->data;

	for (uint32_t i = 0; i < len / 8; i++)
		if (len > IPCX_CELL_DATA)
			slot[i] = word_of(value, i);
		else
			__atomic_store_n(&cell[i], word_of(value, i), __ATOMIC_RELAXED);
}

static inline bool is_value(const struct world *w, const struct ipcx_ring_sub *s,
			    const struct ipcx_taken *t, uint64_t value)
{
	const void *data = t->len > IPCX_CELL_DATA ? slot_of(w, s->index, t->pos) : t->cell;
	const uint64_t *words = data;

	if (t->len > SLOT || t->tag != value)
		return false;
	for (uint32_t i = 0; i < t->len / 8; i++)
		if (words[i] != word_of(value, i))
			return false;
	return true;
}

/* Return: as ipcx_pub_loan(). */
static inline int send_value(const struct world *w, struct ipcx_ring_pub *p, uint64_t value,
			     uint32_t len)
{
	uint32_t who;
	uint64_t pos;
	int r = ipcx_pub_loan(p, &pos, &who);

	if (r)
		return r;
	fill(w, p, pos, value, len);
	ipcx_pub_commit(p, pos, len, value);
	return 0;
}

#endif /* WORLD_H */
