// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots in shared memory and two eventfds, as programs make it by hand: one counts messages, the
 * other slots that are free again. Each message is one write and one read; slots are given back
 * half of them at a time.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring.h"

struct slots {
	int full, free;
	uint64_t have; /* of what this side waits for */
	struct ring *ring;
};

static void slots_create(struct lane *l)
{
	struct slots *s = calloc(1, sizeof(*s));

	ring_create(l);
	if (!s)
		give_up(FAILED, "no memory");
	s->ring = l->own;
	s->full = eventfd(0, EFD_CLOEXEC);
	s->free = eventfd(l->depth, EFD_CLOEXEC);
	if (s->full < 0 || s->free < 0)
		give_up(FAILED, "eventfd: %s", strerror(errno));
	l->own = s;
}

static void add(int fd, uint64_t n)
{
	if (write(fd, &n, sizeof(n)) != sizeof(n))
		give_up(FAILED, "write: %s", strerror(errno));
}

/* One of what there is; all that there is comes at once. */
static void get(struct slots *s, int fd)
{
	if (!s->have && read(fd, &s->have, sizeof(s->have)) != sizeof(s->have))
		give_up(FAILED, "read: %s", strerror(errno));
	s->have--;
}

static void slots_send(struct lane *l, uint64_t value)
{
	struct slots *s = l->own;

	get(s, s->free);
	ring_put(l, s->ring, value);
	add(s->full, 1);
}

static uint64_t slots_recv(struct lane *l, uint64_t value)
{
	struct slots *s = l->own;
	unsigned int half = l->depth / 2;
	uint64_t sum;

	get(s, s->full);
	sum = ring_get(l, s->ring, value);
	if (!(s->ring->head % half))
		add(s->free, half);
	return sum;
}

const struct way slots_way = {
	.name = "eventfd slots",
	.words = "shared memory, an eventfd per message",
	.jobs = ONE_WAY | REFS | WAITS | JOB(OUT_64),
	.create = slots_create,
	.open = ring_open,
	.send = slots_send,
	.recv = slots_recv,
};
