// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls on a topic: its ioctls, its windows, and what members do in the pages without
 * the kernel, right or wrong.
 */
#include <linux/ipcx_topic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fuzz.h"

#define POSITION	((1ULL << 62) - 1)
#define AT_ONCE		64 /* messages by one call */

static struct end *member_find(struct state *s, uint64_t index)
{
	return end_of_kind(s, index, true);
}

static int member_fd(struct state *s, uint64_t index)
{
	struct end *e = member_find(s, index);

	return e ? e->fd : end_fd(s, index);
}

static void check_member(const struct end *e, uint32_t flags)
{
	bool publishes = e->ring >= 0, subscribes = e->sub >= 0;

	if (publishes != !!(flags & IPCX_TOPIC_PUBLISH) ||
	    subscribes != !!(flags & IPCX_TOPIC_SUBSCRIBE))
		shared->broken = "a member has not what it asked for";
}

static void call_join(struct state *s, const struct call *c)
{
	uint32_t name = c->arg[0] % NAMES;
	struct ipcx_topic_open *o = (void *)arg_page;
	struct end e = {
		.topic = true,
		.member = __atomic_add_fetch(&shared->members, 1, __ATOMIC_RELAXED),
		.ring = -1,
		.sub = -1,
	};

	*o = (struct ipcx_topic_open){
		.size = sizeof(*o),
		.flags = c->arg[1],
		.name = (uintptr_t)names[name],
		.name_len = name_length(name),
		.depth = c->arg[2],
		.lag_max = c->arg[2] >> 32,
		.msg_max = c->arg[3],
		.bytes_max = c->arg[4],
		.mode = c->arg[5],
		.history = c->arg[5] >> 32,
		.first = c->arg[6],
	};
	e.fd = spoilt_ioctl(s, s->dev, IPCX_IOC_TOPIC_OPEN, o, sizeof(*o), c->arg[7]);
	if (e.fd <= 0)
		return;
	if (!c->arg[7]) { /* else it is not known where the kernel wrote it */
		e.depth = o->out_depth;
		e.stride = o->out_stride;
		e.msg_max = o->out_msg_max;
		e.ring = o->out_ring;
		e.sub = o->out_sub;
		e.control_offset = o->out_control_offset;
		e.ring_offset = o->out_ring_offset;
		e.window = o->out_ring_window;
		e.data_offset = o->out_data_offset;
		e.data_window = o->out_data_window;
		check_member(&e, c->arg[1]);
	}
	end_remember(s, &e);
}

static uint64_t ring_bytes(const struct end *e)
{
	return PAGE + (e->depth * sizeof(struct ipcx_cell) + PAGE - 1) / PAGE * PAGE;
}

static struct range control_of(const struct end *e, uint64_t i)
{
	return (struct range){ e->control_offset + i * PAGE, PAGE };
}

static struct range ring_of(const struct end *e, uint64_t i)
{
	return (struct range){ e->ring_offset + i * e->window, ring_bytes(e) };
}

static struct range data_of(const struct end *e, uint64_t i)
{
	return (struct range){ e->data_offset + i * e->data_window, e->depth * e->stride };
}

/*
 * 0 directory, 1 a control page, 2 a ring, 3 a payload, 4 all control pages, 5 all rings, 6 all
 * payloads, 7 the border of two rings, 8 behind everything
 */
static struct range window_range(const struct end *e, uint64_t window, uint64_t i)
{
	switch (window) {
	case 1:
		return control_of(e, i);
	case 2:
		return ring_of(e, i);
	case 3:
		return data_of(e, i);
	case 4:
		return (struct range){ e->control_offset, IPCX_TOPIC_SUBS * PAGE };
	case 5:
		return (struct range){ e->ring_offset, IPCX_TOPIC_RINGS * e->window };
	case 6:
		return (struct range){ e->data_offset, IPCX_TOPIC_RINGS * e->data_window };
	case 7:
		return (struct range){ e->ring_offset + (i + 1) * e->window - PAGE, 2 * PAGE };
	case 8:
		return (struct range){ e->data_offset + IPCX_TOPIC_RINGS * e->data_window, PAGE };
	}
	return (struct range){ 0, PAGE };
}

static bool inside(const struct map *m, struct range r)
{
	return m->off >= r.start && m->len <= r.len && m->off - r.start <= r.len - m->len;
}

static bool is_own(const struct end *e, const struct map *m)
{
	if (e->sub >= 0 && inside(m, control_of(e, e->sub)))
		return true;
	return e->ring >= 0 && (inside(m, ring_of(e, e->ring)) || inside(m, data_of(e, e->ring)));
}

/* What the kernel must not allow: a page of another for writing, and one without the right. */
static void check_window(const struct end *e, const struct map *m, int prot, uint64_t window)
{
	if (prot & PROT_WRITE && m->receives)
		shared->broken = "a page of another member could be mapped writable";
	if (prot & PROT_EXEC)
		shared->broken = "a page of a topic could be mapped executable";
	if (window == 1 && m->receives && e->ring < 0)
		shared->broken = "who does not publish has mapped a control page";
	if ((window == 2 || window == 3) && m->receives && e->sub < 0)
		shared->broken = "who does not subscribe has mapped a ring";
}

static void call_window(struct state *s, const struct call *c)
{
	struct end *e = member_find(s, c->arg[0]);
	uint64_t window = c->arg[1] & 0xff, i = c->arg[2];
	struct range r, part;
	int prot = c->arg[4], flags = c->arg[5] & ~(MAP_FIXED | MAP_ANONYMOUS);
	struct map m = {};

	if (!e || !e->topic || !e->window)
		return;
	if (i & RAW)
		i &= RAW - 1;
	else
		i = window == 1 && e->sub >= 0 ? e->sub : e->ring >= 0 ? e->ring : 0;
	r = window_range(e, window, i);
	part = part_of(r.len, c->arg[3]);
	m = (struct map){
		.off = r.start + part.start,
		.len = part.len,
		.end = e - s->end,
		.member = e->member,
		.topic = true,
	};
	m.receives = !is_own(e, &m);
	if (m.receives && prot == (PROT_READ | PROT_WRITE))
		prot = PROT_READ; /* else nearly all would fail */
	if (m.len > POPULATE_MAX)
		flags &= ~(MAP_POPULATE | MAP_LOCKED);
	m.addr = mmap(NULL, m.len, prot, flags, e->fd, m.off);
	if (m.addr == MAP_FAILED)
		return;
	m.readable = !(prot & PROT_WRITE);
	check_window(e, &m, prot, window);
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		shared->broken = "a topic could be mapped private";
	map_remember(s, &m);
}

/* Where the process has @r of a member mapped, or NULL. */
static void *mapped(struct state *s, const struct end *e, struct range r)
{
	uint32_t i;

	for (i = 0; i < MAPS; i++) {
		struct map *m = &s->map[i];

		if (m->addr && m->topic && m->member == e->member && m->off <= r.start &&
		    r.start + r.len <= m->off + m->len)
			return m->addr + (r.start - m->off);
	}
	return NULL;
}

static const struct ipcx_dir *directory(struct state *s, const struct end *e)
{
	return mapped(s, e, (struct range){ 0, PAGE });
}

/* @how: 0 when the protocol says so, 1 always, else never; @seen: what was kicked for last */
static void kick(const struct end *e, uint32_t flags, const uint32_t *attention, uint32_t *seen,
		 uint64_t how)
{
	struct ipcx_topic_kick k = { .size = sizeof(k), .flags = flags };
	uint32_t now = attention ? __atomic_load_n(attention, __ATOMIC_RELAXED) : *seen;

	if (how > 1 || (!how && now == *seen))
		return;
	*seen = now;
	ioctl(e->fd, IPCX_IOC_TOPIC_KICK, &k);
}

static void fill(struct ipcx_cell *cell, char *payload, const struct end *e, uint64_t pos,
		 uint64_t len)
{
	cell->len = len;
	cell->nr = pos;
	if (len <= IPCX_CELL_DATA)
		memset(cell->data, pos, len);
	else if (payload)
		memset(payload + (pos & (e->depth - 1)) * e->stride, pos,
		       len < e->stride ? len : e->stride);
}

/* Nobody is waited for: who reads too slowly is behind the ring then. */
static void call_publish(struct state *s, const struct call *c)
{
	struct end *e = member_find(s, c->arg[0]);
	const struct ipcx_dir *dir;
	struct ipcx_ring *ring;
	uint64_t i, pos;
	char *payload;

	if (!e || e->ring < 0)
		return;
	ring = mapped(s, e, ring_of(e, e->ring));
	payload = mapped(s, e, data_of(e, e->ring));
	dir = directory(s, e);
	for (i = 0; ring && i < c->arg[1] % AT_ONCE; i++) {
		struct ipcx_cell *cell = (void *)ring + PAGE;

		pos = __atomic_load_n(&ring->head, __ATOMIC_RELAXED) & POSITION;
		__atomic_store_n(&ring->head, (pos + 1) & POSITION, __ATOMIC_RELAXED);
		cell += pos & (e->depth - 1);
		fill(cell, payload, e, pos, c->arg[2]);
		__atomic_store_n(&cell->word, pos << 2 | (c->arg[3] & 3), __ATOMIC_RELEASE);
	}
	kick(e, IPCX_KICK_SUBSCRIBERS, dir ? &dir->ring[e->ring].attention : NULL, &e->kicked,
	     c->arg[4]);
	if (dir && (!dir->ring[e->ring].id || dir->ring[e->ring].flags & IPCX_RING_DEAD))
		shared->broken = "the ring of a living publisher is gone";
}

/* Return: the position to go on at, which is @pos if nothing is there. */
static uint64_t next_position(const struct ipcx_ring *ring, uint32_t depth, uint64_t pos)
{
	const struct ipcx_cell *cell = (const void *)ring + PAGE;
	uint64_t word = __atomic_load_n(&cell[pos & (depth - 1)].word, __ATOMIC_ACQUIRE);
	int64_t ahead = (int64_t)((word & ~3ULL) - (pos << 2)) >> 2;

	if (ahead > 0)
		return (pos + ahead) & POSITION;
	return ahead < 0 || (word & 3) == IPCX_CELL_WRITING ? pos : (pos + 1) & POSITION;
}

static void call_consume(struct state *s, const struct call *c)
{
	struct end *e = member_find(s, c->arg[0]);
	uint64_t i, pos, ring = c->arg[1] % IPCX_TOPIC_RINGS;
	const struct ipcx_ring *from;
	struct ipcx_control *control;
	const struct ipcx_dir *dir;

	if (!e || e->sub < 0)
		return;
	from = mapped(s, e, ring_of(e, ring));
	control = mapped(s, e, control_of(e, e->sub));
	dir = directory(s, e);
	for (i = 0; from && control && i < c->arg[2] % AT_ONCE; i++) {
		pos = __atomic_load_n(&control->cursor[ring], __ATOMIC_RELAXED) & POSITION;
		__atomic_store_n(&control->cursor[ring], next_position(from, e->depth, pos),
				 __ATOMIC_RELEASE);
	}
	kick(e, IPCX_KICK_PUBLISHERS, dir ? &dir->attention : NULL, &e->released, c->arg[3]);
}

/* @where: a word of a mapping; @add: to what is there */
static void call_store(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	uint64_t *word;

	if (!m || !m->topic)
		return;
	word = (uint64_t *)m->addr + c->arg[1] % (m->len / 8);
	__atomic_store_n(word, c->arg[3] ? *word + c->arg[2] : c->arg[2], __ATOMIC_RELEASE);
	if (m->receives)
		shared->broken = "a store through a page of another member succeeded";
}

static void call_wait(struct state *s, const struct call *c)
{
	struct ipcx_topic_wait *w = (void *)arg_page;

	*w = (struct ipcx_topic_wait){
		.size = sizeof(*w),
		.flags = c->arg[1],
		.deadline = deadline_of(c->arg[2]),
	};
	spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_WAIT, w, sizeof(*w), c->arg[3]);
}

static void call_kick(struct state *s, const struct call *c)
{
	struct ipcx_topic_kick *k = (void *)arg_page;

	*k = (struct ipcx_topic_kick){ .size = sizeof(*k), .flags = c->arg[1] };
	spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_KICK, k, sizeof(*k), c->arg[2]);
}

static void call_populate(struct state *s, const struct call *c)
{
	struct ipcx_topic_populate *p = (void *)arg_page;

	*p = (struct ipcx_topic_populate){
		.size = sizeof(*p),
		.slot = c->arg[1],
		.len = c->arg[2],
	};
	if (!spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_POPULATE, p, sizeof(*p),
			  c->arg[3]) &&
	    !c->arg[3] && (p->out_len < c->arg[2] || p->out_len % PAGE))
		shared->broken = "a slot has not the pages that it was given";
}

static void call_evict(struct state *s, const struct call *c)
{
	struct ipcx_topic_evict *v = (void *)arg_page;

	*v = (struct ipcx_topic_evict){
		.size = sizeof(*v),
		.flags = c->arg[2],
		.sub = c->arg[1],
	};
	spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_EVICT, v, sizeof(*v), c->arg[3]);
}

/* Which ring is meant, as the directory says where it is mapped. */
static uint64_t ring_id(struct state *s, const struct call *c)
{
	struct end *e = member_find(s, c->arg[0]);
	const struct ipcx_dir *dir = e ? directory(s, e) : NULL;

	if (c->arg[2] || !dir)
		return c->arg[2];
	return dir->ring[c->arg[1] % IPCX_TOPIC_RINGS].id;
}

static void call_leave(struct state *s, const struct call *c)
{
	struct ipcx_topic_leave *l = (void *)arg_page;

	*l = (struct ipcx_topic_leave){
		.size = sizeof(*l),
		.ring = c->arg[1],
		.id = ring_id(s, c),
	};
	spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_LEAVE, l, sizeof(*l), c->arg[3]);
}

static void call_ring(struct state *s, const struct call *c)
{
	struct ipcx_topic_ring *r = (void *)arg_page;

	*r = (struct ipcx_topic_ring){
		.size = sizeof(*r),
		.ring = c->arg[1],
		.id = ring_id(s, c),
	};
	spoilt_ioctl(s, member_fd(s, c->arg[0]), IPCX_IOC_TOPIC_RING, r, sizeof(*r), c->arg[3]);
}

void topic_bus_error(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);

	if (c->op == OP_TOUCH && !c->arg[4] && !c->fail && m && m->readable)
		shared->broken = "reading a window of a topic ended in SIGBUS";
}

void call_topic(struct state *s, const struct call *c)
{
	switch (c->op) {
	case OP_JOIN:
		call_join(s, c);
		break;
	case OP_WAIT:
		call_wait(s, c);
		break;
	case OP_KICK:
		call_kick(s, c);
		break;
	case OP_POPULATE:
		call_populate(s, c);
		break;
	case OP_EVICT:
		call_evict(s, c);
		break;
	case OP_LEAVE:
		call_leave(s, c);
		break;
	case OP_RING:
		call_ring(s, c);
		break;
	case OP_WINDOW:
		call_window(s, c);
		break;
	case OP_PUBLISH:
		call_publish(s, c);
		break;
	case OP_CONSUME:
		call_consume(s, c);
		break;
	case OP_STORE:
		call_store(s, c);
		break;
	}
}
