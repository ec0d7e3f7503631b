// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packs that go out: what lies in the local queue at once has one id, one acknowledgment and one
 * entry of the engine. A pack is sent again as the very same one, or the engine would not know it.
 */
#include <stdlib.h>
#include <string.h>

#include "out.h"

static bool packs_fit(const struct out *o)
{
	return !o->alone && o->l->r->kind != KIND_LATEST && chunk_max(o) >= PACK_BYTES;
}

/* Has it what the line of a pack says once? */
static bool is_alike(const struct parcel *a, const struct parcel *b)
{
	return !strcmp(a->origin, b->origin) && !strcmp(a->host, b->host) && a->hops == b->hops;
}

/*
 * Do packs end with it, of whatever number the first one is? So when all is sent again by a bridge
 * that knows nothing of those before, most of it is in the same packs, which the engine knows.
 */
static bool is_last(const struct parcel *first, const struct parcel *p)
{
	const char *number = strrchr(p->id, ':') + 1;

	return !strncmp(first->id, p->id, number - p->id) &&
	       strtoull(number, NULL, 10) % PACK_MAX == PACK_MAX - 1;
}

void pack_gather(struct out *o, struct slot *s)
{
	size_t bytes = s->p.len + PACK_LINE;
	bool packs = packs_fit(o) && !s->p.call && s->p.chunks == 1 && bytes <= PACK_BYTES / 2;
	bool full = o->gathered_bytes + bytes > PACK_BYTES;

	slot_hold(o, s);
	if (!packs || full || (o->first && !is_alike(&o->first->p, &s->p)))
		pack_end(o, true);
	if (!packs) {
		slot_begin(o, s);
		return;
	}
	if (!o->first) {
		o->last = &o->first;
		o->gathered_at = now_ns();
	}
	*o->last = s;
	o->last = &s->next;
	o->gathered++;
	o->in_a_row++;
	o->gathered_bytes += bytes;
	if (o->gathered == PACK_MAX || is_last(&o->first->p, &s->p))
		pack_end(o, true);
}

void pack_end(struct out *o, bool packs)
{
	struct slot *s = o->first, *next;

	packs = packs && o->gathered > 1;
	o->first = NULL;
	o->gathered = 0;
	o->gathered_bytes = 0;
	if (packs) {
		s->pack = true;
		slot_begin(o, s);
		return;
	}
	for (; s; s = next) {
		next = s->next;
		s->next = NULL;
		slot_begin(o, s);
	}
}

int pack_send(struct out *o, struct slot *first, int64_t now, uint64_t cookie)
{
	const struct bridge *b = o->l->b;
	struct parcel pack = { .round = first->p.round };

	for (struct slot *s = first; s; s = s->next) {
		s->p.ttl = !s->m.expires ? -1 : s->m.expires > now ? s->m.expires - now : 0;
		s->p.data = s->m.data;
		pack_add(&pack, o->body, &s->p);
	}
	return b->ops->publish(b->e, o->l->nr, &pack, cookie);
}

void pack_split(struct out *o, struct slot *s)
{
	struct slot *next;

	for (; s; s = next) {
		next = s->next;
		s->next = NULL;
		s->pack = false;
		s->gen++;
		slot_cut(s, chunk_max(o));
		o->chunked += s->p.chunks > 1;
		slot_begin(o, s);
	}
}
