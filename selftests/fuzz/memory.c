// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that work on memory: windows mapped, touched, cut, moved, pinned. A
 * touch may end in SIGBUS or SIGSEGV; who makes the calls catches both.
 *
 * A mapping is remembered as a whole, whatever was cut from it since.
 */
#include <fcntl.h>
#include <linux/ipcx.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"

/* 0 the whole; 1 the first page; 2 the second half; 3 a page in the middle */
struct range part_of(uint64_t len, uint64_t part)
{
	uint64_t half = len / 2 & ~(PAGE - 1);

	switch (part) {
	case 1:
		return (struct range){ 0, PAGE };
	case 2:
		return (struct range){ half, len - half };
	case 3:
		return (struct range){ half, PAGE };
	}
	return (struct range){ 0, len };
}

/* 0 TX, 1 RX, 2 over the border, 3 behind both, 4 up to the last page of both, 5 far behind */
static struct range window_range(const struct end *e, uint64_t window)
{
	uint64_t w = e->window;

	switch (window) {
	case 0:
		return (struct range){ 0, w };
	case 1:
		return (struct range){ w, w };
	case 2:
		return (struct range){ w - PAGE, 2 * PAGE };
	case 3:
		return (struct range){ 2 * w, PAGE };
	case 4:
		return (struct range){ 2 * w - PAGE, PAGE };
	}
	return (struct range){ window << 12, w };
}

/* What cannot be unmapped, for lack of memory, goes with the process. */
static void unmap(struct state *s, char *addr, uint64_t len)
{
	if (len && munmap(addr, len))
		s->used_up = true;
}

void map_remember(struct state *s, const struct map *m)
{
	uint32_t i;

	for (i = 0; i < MAPS - 1 && s->map[i].addr; i++)
		;
	if (s->map[i].addr)
		unmap(s, s->map[i].addr, s->map[i].len);
	s->map[i] = *m;
}

static void call_mmap(struct state *s, const struct call *c)
{
	struct end *e = end_of_kind(s, c->arg[0], false);
	struct range window, part;
	int prot = c->arg[3];
	struct map m = {};

	if (!e || e->topic || !e->window)
		return;
	window = window_range(e, c->arg[1]);
	part = part_of(window.len, c->arg[2]);
	m.off = window.start + part.start;
	m.len = part.len;
	m.end = e - s->end;
	m.receives = m.off >= e->window;
	if (m.receives && prot == (PROT_READ | PROT_WRITE))
		prot = PROT_READ; /* else nearly all would fail */
	m.addr = mmap(NULL, m.len, prot, c->arg[4] & ~(MAP_FIXED | MAP_ANONYMOUS), e->fd, m.off);
	if (m.addr == MAP_FAILED)
		return;
	if (m.receives && prot & PROT_WRITE && c->arg[4] & MAP_SHARED)
		shared->broken = "the RX window could be mapped writable";
	map_remember(s, &m);
}

/* Where the slot of a message is in a mapping, or its beginning. */
static char *slot_in(struct state *s, const struct map *m, uint64_t index, uint64_t page)
{
	struct msg *slot = msg_find(s, index, m->receives ? HELD : LOANS);
	uint64_t at = page * PAGE;

	if (m->topic)
		return m->addr + at % m->len;
	if (slot)
		at += s->end[slot->end].stride * slot->slot;
	at += m->receives ? s->end[m->end].window : 0;
	at -= m->off;
	return m->addr + (at < m->len ? at : page * PAGE % m->len);
}

static size_t clip(const struct map *m, const char *at, uint64_t len)
{
	uint64_t left = m->addr + m->len - at;

	len %= BUFFER + 1;
	return len < left ? len : left;
}

static void call_touch(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	char *at;
	size_t len;

	if (!m)
		return;
	at = slot_in(s, m, c->arg[1], c->arg[2] & 0xffff);
	len = clip(m, at, c->arg[3]);
	if (!c->arg[4]) {
		memcpy(buffer, at, len);
	} else {
		memset(at, c->proc + 1, len);
		if (len && m->receives)
			shared->broken = "a store through a read-only window succeeded";
	}
}

/*
 * Nothing else must come to lie in the middle of a mapping that is remembered, nor
 * what mprotect() can make writable.
 */
static bool fill_hole(char *addr, uint64_t len)
{
	return mmap(addr, len, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, zeros, 0) == addr;
}

static void call_munmap(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	struct range part;

	if (!m)
		return;
	part = part_of(m->len, c->arg[1]);
	if (munmap(m->addr + part.start, part.len))
		return;
	if (part.len != m->len && fill_hole(m->addr + part.start, part.len))
		return;
	unmap(s, m->addr, m->len);
	m->addr = NULL;
}

/* 0 may move, 1 shrinks, 2 grows, 3 moves and leaves the old range behind */
static void remap(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]), moved;
	uint64_t new_len;
	struct range part;

	if (!m)
		return;
	part = part_of(m->len, c->arg[1]);
	new_len = part.len;
	if (c->arg[2] == 1)
		new_len = (part.len / 2 & ~(PAGE - 1)) ?: PAGE;
	else if (c->arg[2] == 2)
		new_len += PAGE;
	moved = *m;
	moved.off += part.start;
	moved.len = new_len;
	moved.addr = mremap(m->addr + part.start, part.len, new_len,
			    MREMAP_MAYMOVE | (c->arg[2] == 3 ? 4 /* MREMAP_DONTUNMAP */ : 0));
	if (moved.addr == MAP_FAILED)
		return;
	if (c->arg[2] != 3) {
		/* what is left has a hole, where anything may come to lie */
		unmap(s, m->addr, part.start);
		unmap(s, m->addr + part.start + part.len, m->len - part.start - part.len);
		m->addr = NULL;
	}
	map_remember(s, &moved);
}

static void call_mprotect(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	struct range part;

	if (!m)
		return;
	part = part_of(m->len, c->arg[1]);
	mprotect(m->addr + part.start, part.len, c->arg[2]);
}

static void call_madvise(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	struct range part;

	if (!m)
		return;
	part = part_of(m->len, c->arg[1]);
	if (m->topic && part.len > POPULATE_MAX)
		part.len = POPULATE_MAX;
	madvise(m->addr + part.start, part.len, c->arg[2]);
}

/* A page in a pipe is a page that the module does not see leave. */
static void call_pin(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	struct iovec v;

	if (!m || (!s->pipe[1] && pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK)))
		return;
	v.iov_base = slot_in(s, m, c->arg[1], 0);
	v.iov_len = clip(m, v.iov_base, c->arg[2]);
	(void)!vmsplice(s->pipe[1], &v, 1, SPLICE_F_NONBLOCK);
}

static void call_drain(struct state *s, const struct call *c)
{
	if (s->pipe[1])
		(void)!read(s->pipe[0], buffer, c->arg[0] % (BUFFER + 1));
}

/* The way a debugger reads and writes. */
static void call_peek(struct state *s, const struct call *c)
{
	struct map *m = map_find(s, c->arg[0]);
	struct iovec mine = { buffer, 0 }, other;

	if (!m)
		return;
	other.iov_base = slot_in(s, m, c->arg[1], 0);
	other.iov_len = clip(m, other.iov_base, c->arg[2]);
	mine.iov_len = other.iov_len;
	if (!c->arg[3])
		process_vm_readv(getpid(), &mine, 1, &other, 1, 0);
	else if (process_vm_writev(getpid(), &mine, 1, &other, 1, 0) > 0 && m->receives)
		shared->broken = "process_vm_writev wrote through a read-only window";
}

long call_memory(struct state *s, const struct call *c)
{
	switch (c->op) {
	case OP_MMAP:
		call_mmap(s, c);
		break;
	case OP_TOUCH:
		call_touch(s, c);
		break;
	case OP_MUNMAP:
		call_munmap(s, c);
		break;
	case OP_MREMAP:
		remap(s, c);
		break;
	case OP_MPROTECT:
		call_mprotect(s, c);
		break;
	case OP_MADVISE:
		call_madvise(s, c);
		break;
	case OP_PIN:
		call_pin(s, c);
		break;
	case OP_DRAIN:
		call_drain(s, c);
		break;
	case OP_PEEK:
		call_peek(s, c);
		break;
	}
	return 0;
}
