/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of topics without the library: what publishes and takes through the pages by hand. */
#ifndef IPCX_TOPIC_UTIL_H
#define IPCX_TOPIC_UTIL_H

#include <linux/ipcx_topic.h>

#include "ipcx_util.h"

#define PUBLISH		IPCX_TOPIC_PUBLISH
#define SUBSCRIBE	IPCX_TOPIC_SUBSCRIBE
#define LOSSY		IPCX_TOPIC_LOSSY
#define EPHEMERAL	IPCX_OPEN_EPHEMERAL
#define PAGE		4096UL

/* A member and everything that it may map. */
struct member {
	int fd;
	struct ipcx_topic_open o;
	const struct ipcx_dir *dir;
	char *rings; /* all, to read; NULL for one that only publishes */
	struct ipcx_ring *ring; /* its own */
	const char *controls; /* all, to read; NULL for one that only subscribes */
	struct ipcx_control *control; /* its own */
	uint32_t nr;
	uint32_t kicked; /* attention that was kicked for last */
};

static inline int topic_open_raw(struct ipcx_topic_open *o)
{
	return device_ioctl(IPCX_IOC_TOPIC_OPEN, o);
}

static inline void *map_range(int fd, int prot, uint64_t offset, size_t len)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static inline uint64_t ring_offset(const struct member *m, unsigned int ring)
{
	return m->o.out_ring_offset + ring * m->o.out_ring_window;
}

static inline uint64_t control_offset(const struct member *m, unsigned int sub)
{
	return m->o.out_control_offset + sub * PAGE;
}

static inline uint64_t data_offset(const struct member *m, unsigned int ring)
{
	return m->o.out_data_offset + ring * m->o.out_data_window;
}

/* @m->o: attributes set by the caller, or zero. Return: 0 or a negative errno. */
static inline int member_open(struct member *m, const char *name, unsigned int flags)
{
	const int rw = PROT_READ | PROT_WRITE;

	m->o.size = sizeof(m->o);
	m->o.flags = flags;
	m->o.name = (uintptr_t)name;
	m->o.name_len = name ? strlen(name) : 0;
	if (!m->o.mode)
		m->o.mode = 0600;
	m->fd = topic_open_raw(&m->o);
	if (m->fd < 0)
		return m->fd;
	m->dir = map_range(m->fd, PROT_READ, 0, PAGE);
	if (flags & PUBLISH) {
		m->ring = map_range(m->fd, rw, ring_offset(m, m->o.out_ring), m->o.out_ring_window);
		m->controls = map_range(m->fd, PROT_READ, m->o.out_control_offset,
					IPCX_TOPIC_SUBS * PAGE);
	}
	if (flags & SUBSCRIBE) {
		m->control = map_range(m->fd, rw, control_offset(m, m->o.out_sub), PAGE);
		m->rings = map_range(m->fd, PROT_READ, m->o.out_ring_offset,
				     IPCX_TOPIC_RINGS * m->o.out_ring_window);
		m->kicked = m->dir->attention - 1;
	}
	return 0;
}

static inline void member_close(struct member *m)
{
	munmap((void *)m->dir, PAGE);
	if (m->ring)
		munmap(m->ring, m->o.out_ring_window);
	if (m->controls)
		munmap((void *)m->controls, IPCX_TOPIC_SUBS * PAGE);
	if (m->control)
		munmap(m->control, PAGE);
	if (m->rings)
		munmap(m->rings, IPCX_TOPIC_RINGS * m->o.out_ring_window);
	close(m->fd);
	memset(m, 0, sizeof(*m));
	m->fd = -1;
}

static inline struct ipcx_cell *cell_at(const void *ring, const struct member *m, uint64_t pos)
{
	return (struct ipcx_cell *)((char *)ring + PAGE) + (pos & (m->o.out_depth - 1));
}

static inline const struct ipcx_ring *ring_of(const struct member *m, unsigned int ring)
{
	return (void *)(m->rings + ring * m->o.out_ring_window);
}

static inline int raw_kick(int fd, unsigned int flags)
{
	struct ipcx_topic_kick k = { .size = sizeof(k), .flags = flags };

	return xioctl(fd, IPCX_IOC_TOPIC_KICK, &k);
}

static inline int raw_wait(int fd, unsigned int flags, int64_t deadline)
{
	struct ipcx_topic_wait w = { .size = sizeof(w), .flags = flags, .deadline = deadline };

	return xioctl(fd, IPCX_IOC_TOPIC_WAIT, &w);
}

static inline int raw_evict(int fd, unsigned int sub, unsigned int flags)
{
	struct ipcx_topic_evict e = { .size = sizeof(e), .flags = flags, .sub = sub };

	return xioctl(fd, IPCX_IOC_TOPIC_EVICT, &e);
}

/* Return: IPCX_LEFT_* or a negative errno. */
static inline int raw_leave(int fd, unsigned int ring, uint64_t id)
{
	struct ipcx_topic_leave l = { .size = sizeof(l), .ring = ring, .id = id };

	return xioctl(fd, IPCX_IOC_TOPIC_LEAVE, &l) ?: (int)l.out_flags;
}

/* Return: bytes of the slot or a negative errno. */
static inline int64_t raw_populate(int fd, unsigned int slot, uint64_t len)
{
	struct ipcx_topic_populate p = { .size = sizeof(p), .slot = slot, .len = len };

	return xioctl(fd, IPCX_IOC_TOPIC_POPULATE, &p) ?: (int64_t)p.out_len;
}

static inline uint64_t position(uint64_t pos)
{
	return pos & ((1ULL << 62) - 1);
}

/* Publishes @tag without a look at who reads. Return: what the kick said, 0 without one. */
static inline int publish(struct member *m, uint64_t tag)
{
	uint64_t p = m->ring->head;
	struct ipcx_cell *cell = cell_at(m->ring, m, p);
	uint32_t attention;

	m->ring->head = position(p + 1);
	cell->len = 8;
	cell->nr = m->nr++;
	cell->tag = tag;
	memcpy(cell->data, &tag, 8);
	__atomic_store_n(&cell->word, p << 2 | IPCX_CELL_PUBLISHED, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	attention = __atomic_load_n(&m->dir->ring[m->o.out_ring].attention, __ATOMIC_RELAXED);
	if (attention == m->kicked)
		return 0;
	m->kicked = attention;
	return raw_kick(m->fd, IPCX_KICK_SUBSCRIBERS);
}

/* Moves the cursor of a ring, and kicks publishers if that is due. */
static inline int cursor_set(struct member *m, unsigned int ring, uint64_t pos)
{
	uint32_t attention;

	__atomic_store_n(&m->control->cursor[ring], position(pos), __ATOMIC_RELEASE);
	__atomic_store_n(&m->control->next[ring], position(pos), __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	attention = __atomic_load_n(&m->dir->attention, __ATOMIC_RELAXED);
	if (attention == m->kicked)
		return 0;
	m->kicked = attention;
	return raw_kick(m->fd, IPCX_KICK_PUBLISHERS);
}

/* The tag of the message at the cursor of a ring, which is released; -1 for none. */
static inline int64_t take(struct member *m, unsigned int ring)
{
	uint64_t p = m->control->cursor[ring], word;
	struct ipcx_cell *cell = cell_at(ring_of(m, ring), m, p);
	int64_t tag;

	word = __atomic_load_n(&cell->word, __ATOMIC_ACQUIRE);
	if (word != (p << 2 | IPCX_CELL_PUBLISHED))
		return -1;
	tag = cell->tag;
	return cursor_set(m, ring, p + 1) ? -2 : tag;
}

#endif /* IPCX_TOPIC_UTIL_H */
