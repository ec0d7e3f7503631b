// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that came in chunks: put together as they come, or of work from where they lie beside
 * their head.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "in.h"

#define PARTIAL_TIME (30 * NS_PER_S) /* without a chunk, then those that came go back */
#define PARTIAL_AGE (3600 * NS_PER_S) /* of a chunk whose others never came */

/* Of all chunks of a message */
static void settle_all(struct in *in, struct partial *m, enum settle how, int64_t delay)
{
	for (uint32_t i = 0; i < m->p.chunks; i++) {
		if (!m->held[i])
			continue;
		in_settle(in, m->held[i], how, delay);
		free(m->held[i]);
		in->l->n.waiting--;
	}
	partial_free(m);
}

static void put_assembled(struct in *in, struct partial *m)
{
	enum settle how;
	bool drops;
	int r;

	if (parcel_crc(0, m->p.data, m->p.len) != m->p.crc) {
		lane_drop(in->l, DROP_CRC);
		settle_all(in, m, SETTLE_TERM, 0);
		return;
	}
	r = in_put(in, &m->p, in_patience(in));
	if (!r) {
		settle_all(in, m, SETTLE_ACK, 0);
		return;
	}
	how = in_failed(in, r, 0, &drops);
	if (drops)
		lane_drop(in->l, DROP_OVERSIZED);
	settle_all(in, m, how, in_delay_of_return());
}

void in_put_chunk(struct in *in, struct delivery *d, const struct parcel *p)
{
	struct partial *whole = NULL;
	struct delivery *held = malloc(sizeof(*held));

	if (!held) {
		in_settle(in, d, SETTLE_NAK, NS_PER_S);
		return;
	}
	*held = *d;
	switch (assembly_put(&in->partial, p, held, now_ns(), &whole)) {
	case ASSEMBLED_MORE:
		in->l->n.waiting++;
		d->handle = NULL; /* held there */
		return;
	case ASSEMBLED_WHOLE:
		in->l->n.waiting++;
		d->handle = NULL;
		put_assembled(in, whole);
		return;
	case ASSEMBLED_TWICE: /* not done yet, and it may be the one that is held */
		in_settle(in, d, SETTLE_FORGET, 0);
		break;
	case ASSEMBLED_ROOM:
		count(&in->l->n.returned);
		in_settle(in, d, SETTLE_NAK, NS_PER_S);
		break;
	case ASSEMBLED_WRONG:
		in_drop(in, d, DROP_MALFORMED);
		break;
	}
	free(held);
}

/*
 * The chunks that a head tells of, into a loan; their numbers into @numbers. Return: DROP_NONE if
 * all is there, else why not; *@err is set if the engine could not give one now.
 */
static enum reason gather(struct in *in, const struct parcel *head, char *to, uint64_t *numbers,
			  int *err)
{
	const struct bridge *b = in->l->b;
	uint64_t have = 0;

	*err = 0;
	for (uint32_t i = 0; i < head->chunks; i++) {
		struct delivery d;
		struct parcel p;
		enum reason why;

		in_progress(in);
		*err = stopping(b) ? -EINTR : b->ops->get(b->e, in->l->nr, head->id, i, &d);
		if (*err)
			return DROP_INCOMPLETE;
		why = parcel_read(&p, d.line, d.data, d.size);
		if (!why &&
		    (p.chunk != i || p.len != head->len || strcmp(p.id, head->id) || p.head)) {
			why = DROP_MALFORMED;
		} else if (!why && (p.chunks != head->chunks || p.at != have)) {
			why = DROP_INCOMPLETE; /* cut anew, with another head */
			*err = -ENOENT;
		}
		if (!why) {
			memcpy(to + have, p.data, p.size);
			have += p.size;
			numbers[i] = d.number;
		}
		in_settle(in, &d, SETTLE_FORGET, 0);
		if (why)
			return why;
	}
	return parcel_crc(0, to, have) == head->crc ? DROP_NONE : DROP_CRC;
}

void in_purge(struct in *in, const struct parcel *head)
{
	const struct bridge *b = in->l->b;
	int r = 0;

	for (uint32_t i = 0; i < head->chunks && !r && !stopping(b); i++) {
		in_progress(in);
		r = b->ops->purge(b->e, in->l->nr, head->id, i);
	}
}

void in_drop_head(struct in *in, struct delivery *d, const struct parcel *p, enum reason why)
{
	in_purge(in, p);
	in_drop(in, d, why);
}

static void put_gathered(struct in *in, struct delivery *d, const struct parcel *p,
			 uint64_t *numbers)
{
	const struct bridge *b = in->l->b;
	enum reason why = DROP_NONE;
	struct ipcx_msg m;
	bool drops;
	int err = 0, r = in_loan(in, p, &m, in_patience(in));

	if (!r) {
		why = gather(in, p, m.data, numbers, &err);
		if (why)
			local_cancel(&in->local, &m);
		else
			r = in_commit(in, p, &m);
	}
	if (why && err && (err != -ENOENT || d->age < PARTIAL_AGE)) {
		in_count_returned(in);
		in_settle(in, d, SETTLE_NAK, NS_PER_S);
	} else if (why && err) {
		in_drop(in, d, why); /* chunks that are there may be of another head */
	} else if (why) {
		in_drop_head(in, d, p, why);
	} else if (r) {
		enum settle how = in_failed(in, r, d->age, &drops);

		if (drops)
			in_drop_head(in, d, p, DROP_OVERSIZED);
		else
			in_settle(in, d, how, in_delay_of_return());
	} else {
		in_settle(in, d, SETTLE_ACK, 0);
		for (uint32_t i = 0; i < p->chunks && !stopping(b); i++) {
			in_progress(in);
			b->ops->remove(b->e, in->l->nr, numbers[i]);
		}
	}
}

void in_put_head(struct in *in, struct delivery *d, const struct parcel *p)
{
	uint64_t *numbers = calloc(p->chunks, sizeof(*numbers));

	if (numbers)
		put_gathered(in, d, p, numbers);
	else
		in_settle(in, d, SETTLE_NAK, NS_PER_S);
	free(numbers);
}

void in_look_at_partials(struct in *in)
{
	struct partial *m;

	while ((m = assembly_stale(&in->partial, now_ns() - PARTIAL_TIME))) {
		int64_t age = 0;

		for (uint32_t i = 0; i < m->p.chunks; i++)
			if (m->held[i] && ((struct delivery *)m->held[i])->age > age)
				age = ((struct delivery *)m->held[i])->age;
		if (age > PARTIAL_AGE || in->l->r->kind == KIND_LATEST) {
			lane_drop(in->l, DROP_INCOMPLETE);
			settle_all(in, m, SETTLE_TERM, 0);
		} else {
			count(&in->l->n.returned);
			settle_all(in, m, SETTLE_NAK, PARTIAL_TIME);
		}
	}
}

void in_partials_end(struct in *in, enum settle how)
{
	struct partial *m;

	while ((m = assembly_stale(&in->partial, INT64_MAX)))
		settle_all(in, m, how, 0);
}
