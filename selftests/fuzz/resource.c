// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls name: endpoints, mappings and messages by index, names, deadlines,
 * and memory for arguments with holes behind it.
 */
#include <fcntl.h>
#include <linux/ipcx.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

char *arg_page, *desc_pages, *readonly_page, *buffer;
int zeros;

static char long_name[IPCX_NAME_MAX + 2];
const char *const names[NAMES] = {
	NULL, "fuzz-a", "fuzz-b", "fuzz-c", long_name, "-", "\001 \\\377", ".dot", "a/b", "",
};

uint32_t name_length(uint32_t i)
{
	if (!names[i])
		return 0;
	return i == 4 ? IPCX_NAME_MAX : strlen(names[i]);
}

static char *with_holes(size_t size, int prot)
{
	char *p = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, size, prot))
		_exit(1);
	return p;
}

void calls_init(void)
{
	arg_page = with_holes(PAGE, PROT_READ | PROT_WRITE);
	desc_pages = with_holes(2 * PAGE, PROT_READ | PROT_WRITE);
	readonly_page = with_holes(PAGE, PROT_READ);
	buffer = with_holes(BUFFER, PROT_READ | PROT_WRITE);
	memset(long_name, 'n', IPCX_NAME_MAX);
	zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (zeros < 0)
		_exit(1);
}

struct end *end_find(struct state *s, uint64_t index)
{
	uint32_t i;

	if (index & RAW)
		return s->end[index % ENDS].fd ? &s->end[index % ENDS] : NULL;
	for (i = 0; i < ENDS; i++) {
		struct end *e = &s->end[(index + i) % ENDS];

		if (e->fd)
			return e;
	}
	return NULL;
}

/* A member of a topic or an endpoint of a queue; with RAW either. */
struct end *end_of_kind(struct state *s, uint64_t index, bool topic)
{
	uint32_t i;

	if (index & RAW)
		return end_find(s, index);
	for (i = 0; i < ENDS; i++) {
		struct end *e = &s->end[(index + i) % ENDS];

		if (e->fd && e->topic == topic)
			return e;
	}
	return NULL;
}

/* What is no endpoint is the device or no file: never a file of the fuzzer's own. */
static int fd_of(struct state *s, const struct end *e, uint64_t index)
{
	if (e)
		return e->fd;
	return index & 1 ? s->dev : -1;
}

int end_fd(struct state *s, uint64_t index)
{
	return fd_of(s, end_find(s, index), index);
}

/* An endpoint of a queue, if there is one; else a member of a topic will do. */
int queue_fd(struct state *s, uint64_t index)
{
	return fd_of(s, end_of_kind(s, index, false) ?: end_find(s, index), index);
}

struct map *map_find(struct state *s, uint64_t index)
{
	uint32_t i;

	if (index & RAW)
		return s->map[index % MAPS].addr ? &s->map[index % MAPS] : NULL;
	for (i = 0; i < MAPS; i++) {
		struct map *m = &s->map[(index + i) % MAPS];

		if (m->addr)
			return m;
	}
	return NULL;
}

/* One of @kinds, of which the newest have the lowest index. */
struct msg *msg_find(struct state *s, uint64_t index, uint32_t kinds)
{
	uint32_t i;

	if (index & RAW)
		return &s->msg[index % MSGS];
	for (i = 0; i < MSGS; i++) {
		struct msg *m = &s->msg[(s->next_msg - 1 - index - i) % MSGS];

		if (m->live && m->kind & kinds)
			return m;
	}
	return NULL;
}

void end_remember(struct state *s, const struct end *e)
{
	uint32_t i;

	for (i = 0; i < ENDS - 1 && s->end[i].fd; i++)
		;
	if (s->end[i].fd)
		close(s->end[i].fd);
	s->end[i] = *e;
}

void msg_remember(struct state *s, uint32_t end, const struct ipcx_desc *d, enum msg_kind kind)
{
	s->msg[s->next_msg++ % MSGS] = (struct msg){
		.end = end,
		.live = true,
		.kind = kind,
		.slot = d->slot,
		.flags = d->flags,
		.seq = d->seq,
		.len = d->len,
	};
}

int64_t deadline_of(uint64_t wait)
{
	struct timespec ts;

	switch (wait) {
	case 0:
		return IPCX_DEADLINE_NOWAIT;
	case WAIT_PAST:
		return 1;
	case WAIT_NEGATIVE:
		return -1;
	case WAIT_FOREVER:
		return IPCX_DEADLINE_FOREVER;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec + wait % 16 * 1000000;
}

/* A byte of a window, where a slot of the process is if it has one. */
char *window_byte(struct state *s, uint64_t which)
{
	struct map *m = map_find(s, which);
	struct msg *slot = msg_find(s, 0, m && m->receives ? HELD : LOANS);

	if (!m)
		return NULL;
	if (slot && !m->topic && s->end[slot->end].stride * slot->slot < m->len)
		return m->addr + s->end[slot->end].stride * slot->slot;
	return m->addr;
}

/*
 * Where payload goes, and the places of inline messages are: 0 ordinary memory, 1 and 2
 * a window, 3 nowhere, 4 the edge of a hole, 5 the same, in the second place.
 */
char *memory_of(struct state *s, uint64_t how)
{
	switch (how) {
	case 0:
		return buffer;
	case 1:
	case 2:
		return window_byte(s, how - 1);
	case 3:
		return NULL;
	case 5:
		return buffer + BUFFER - IPCX_INLINE_MAX * 3 / 2;
	}
	return buffer + BUFFER - 5000;
}

/* Bytes of a message: what is inline is seldom too long. */
uint64_t inline_length(bool is_inline, uint64_t len)
{
	return is_inline ? len % (IPCX_INLINE_MAX + 2) : len;
}
