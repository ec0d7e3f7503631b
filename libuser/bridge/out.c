// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a local queue or topic to the engine. A message is taken and held until the engine has
 * stored all of it, then it is released. While something has to be sent again nothing new is taken:
 * so the queue fills, and its senders feel that.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

#define LOOK_AGAIN NS_PER_S /* for what was not there */
#define BUSY 4 /* messages in a row: more are to come, and worth a moment */
#define MOMENT 200000 /* ns */
#define BUSY_TIME (2 * NS_PER_MS) /* so long they still come fast when fewer have come */
#define TAKE_MAX (4 * PACK_MAX) /* before the engine's words are heard again */

/* Full? Perhaps there is something that nobody wants any more. */
static void tidy(struct out *o)
{
	if (!o->tidies || now_ns() < o->tidy_at || !link_up(o->l->b))
		return;
	o->tidies = false;
	o->l->b->ops->tidy(o->l->b->e, o->l->nr, NULL);
	o->tidy_at = now_ns() + LOOK_AGAIN;
}

static void fill_parcel(struct out *o, struct slot *s)
{
	const struct bridge *b = o->l->b;
	const struct ipcx_msg *m = &s->m;
	char number[64];

	s->p = (struct parcel){ .prio = m->prio < 32 ? m->prio : 31,
				.chunks = 1,
				.ttl = -1,
				.crc = parcel_crc(0, m->data, m->len),
				.tag = m->tag,
				.len = m->len,
				.uid = m->uid,
				.gid = m->gid,
				.pid = m->pid };
	strcpy(s->p.realm, b->conf->realm);
	strcpy(s->p.origin, b->conf->uuid);
	strcpy(s->p.host, b->conf->host);
	local_number(&o->local, m, number, sizeof(number));
	snprintf(s->p.id, sizeof(s->p.id), "%s:%s:%s", b->conf->uuid, b->epoch, number);
	if (m->flags & IPCX_REQUEST && o->local.q)
		s->p.call = 1;
}

/* Has this bridge published it? The ring is not known for a moment when the topic is made anew. */
static bool is_own(const struct out *o, const struct ipcx_msg *m)
{
	int ring = __atomic_load_n(&o->l->ring, __ATOMIC_ACQUIRE);

	return o->local.t && o->l->r->way == WAY_BOTH &&
	       (ring >= 0 ? local_from_ring(m) == ring : m->pid == getpid());
}

/* Return: whether the message taken is to be sent; else it is released. */
static bool is_ours(struct out *o, struct slot *s)
{
	if (is_own(o, &s->m)) {
		local_release(&o->local, &s->m);
		return false;
	}
	fill_parcel(o, s);
	if (o->l->from && known_take(o->l->from, &s->p) && s->p.hops >= HOPS_MAX) {
		lane_drop(o->l, DROP_HOPS);
		local_release(&o->local, &s->m);
		return false;
	}
	slot_cut(s, chunk_max(o));
	if (s->p.len > PARCEL_LEN_MAX || s->p.chunks > PARCEL_CHUNKS) {
		lane_trouble(o->l, LANE_OUT, "a message of %zu bytes is too long for the engine",
			     s->m.len);
		lane_drop(o->l, DROP_OVERSIZED);
		local_release(&o->local, &s->m);
		return false;
	}
	return true;
}

/* latest: the newest waits for the one before, and none for it */
static bool keep_newest(struct out *o, struct slot *t)
{
	void *data = malloc(t->m.len + 1);

	if (!data) {
		local_release(&o->local, &t->m);
		return false;
	}
	if (t->m.len)
		memcpy(data, t->m.data, t->m.len);
	local_release(&o->local, &t->m);
	if (o->newest.copied) {
		count(&o->l->n.superseded);
		free(o->newest.m.data);
	}
	o->newest = *t;
	o->newest.copied = true;
	o->newest.m.data = data;
	return true;
}

static void take_error(struct out *o, int err)
{
	if (err == -EAGAIN || err == -EINTR || err == -EBUSY || err == -EMFILE || err == -ETIMEDOUT)
		return;
	if (err == -EPIPE) {
		count(&o->l->n.missed);
	} else if (err == -EPROTO) {
		count(&o->l->n.damaged);
	} else {
		lane_trouble(o->l, LANE_OUT, "%s: %s", o->l->r->out, ipcx_error());
		if (local_is_gone(err))
			slots_lose_local(o);
	}
}

/*
 * Is there room for another one? Once the window was full there has to be room for a pack: what
 * comes back one by one would go so again.
 */
static bool may_take(const struct out *o)
{
	bool some = o->l->r->in_flight >= 2 * PACK_MAX && !o->gathered;

	if (o->later || o->chunked || (o->used && o->bytes > BYTES_MAX))
		return false;
	return o->l->r->kind == KIND_LATEST || slots_left(o) >= (some ? PACK_MAX : 1);
}

/* Takes one. Return: whether there was one. */
static bool take_one(struct out *o)
{
	bool latest = o->l->r->kind == KIND_LATEST;
	struct slot t = { 0 }, *s = latest ? &t : slot_free(o);
	int r;

	r = local_take(&o->local, &s->m);
	if (r) {
		take_error(o, r);
		return r == -EPIPE || r == -EPROTO;
	}
	if (!is_ours(o, s))
		return true;
	if (latest)
		keep_newest(o, s);
	else
		pack_gather(o, s);
	return true;
}

static void send_newest(struct out *o)
{
	struct slot *s = o->newest.copied && !o->later ? slot_free(o) : NULL;
	uint16_t gen;

	if (!s)
		return;
	gen = s->gen;
	*s = o->newest;
	s->gen = gen;
	o->newest.copied = false;
	slot_begin(o, s);
}

/*
 * Takes what is there. Of a work queue that is empty then it goes one by one, for one host gets all
 * that is in a pack; but not when they come so fast that hosts have enough. Then what is no full
 * pack is left a moment for more.
 */
static bool take_some(struct out *o)
{
	bool any = false, more = true, full, busy;
	int64_t now;

	for (int i = 0; i < TAKE_MAX && more && may_take(o) && local_is_open(&o->local); i++) {
		more = take_one(o);
		any |= more;
	}
	now = now_ns();
	busy = now < o->busy_until;
	full = more && !may_take(o);
	if (full || (!more && (!busy || now > o->gathered_at + MOMENT)))
		pack_end(o, full || busy || o->l->r->kind != KIND_WORK);
	send_newest(o);
	return any;
}

static void open_local(struct out *o)
{
	int64_t now = now_ns();

	if (local_is_open(&o->local)) {
		if (now < o->look_at)
			return;
		o->look_at = now + LOOK_AGAIN;
		if (!local_removed(&o->local, o->l->r->out))
			return;
		if (o->used)
			return; /* the last that were in it are on their way */
		lane_trouble(o->l, LANE_OUT, "%s was removed: it is made anew", o->l->r->out);
		slots_lose_local(o);
	}
	if (now < o->open_at)
		return;
	o->open_at = now + LOOK_AGAIN;
	if (local_open(&o->local, o->l->r, true))
		lane_trouble(o->l, LANE_OUT, "%s: %s", o->l->r->out, ipcx_error());
}

static void declare(struct out *o)
{
	const struct bridge *b = o->l->b;
	char why[ENGINE_TEXT] = "";
	int64_t now = now_ns();

	if (o->declared || now < o->declare_at)
		return;
	o->declare_at = now + LOOK_AGAIN;
	o->declared = !b->ops->declare(b->e, o->l->nr, false, why);
	if (!o->declared)
		lane_trouble(o->l, LANE_OUT, "the engine refuses: %s", why);
}

/*
 * When they come fast a moment is left for more, and for the engine's words: a thread that is woken
 * for each costs more than they do.
 */
static bool wait_a_moment(struct out *o)
{
	const struct timespec moment = { .tv_nsec = MOMENT };
	bool waits = o->in_a_row >= BUSY || o->gathered;

	if (waits) {
		pthread_mutex_unlock(&o->works);
		nanosleep(&moment, NULL);
		pthread_mutex_lock(&o->works);
	}
	if (o->in_a_row >= BUSY)
		o->busy_until = now_ns() + BUSY_TIME;
	o->in_a_row = 0;
	return waits;
}

static void wait_for_more(struct out *o)
{
	bool takes = may_take(o) && link_up(o->l->b) && o->declared && !stopping(o->l->b);
	int fd = takes ? local_fd(&o->local) : -1;
	struct pollfd p[2] = { { .fd = o->wake, .events = POLLIN },
			       { .fd = fd, .events = POLLIN } };
	uint64_t n;
	int ms;

	ms = takes || o->used ? 50 : 100;
	pthread_mutex_unlock(&o->works);
	poll(p, 2, ms);
	pthread_mutex_lock(&o->works);
	if (takes)
		local_polled(&o->local);
	if (p[0].revents && read(o->wake, &n, sizeof(n)) < 0)
		return;
}

static void finish(struct out *o)
{
	unsigned int lost = o->newest.copied;

	for (unsigned int i = 0; i < o->nslots; i++) {
		struct slot *s = &o->slot[i];

		if (s->state == SLOT_FREE)
			continue;
		if (s->state != SLOT_CALLED)
			lost += s->copied || !local_comes_again(&o->local);
		if (!s->copied && s->state == SLOT_CALLED)
			local_release(&o->local, &s->m); /* it is stored */
		else if (!s->copied)
			local_nack(&o->local, &s->m);
		slot_end(o, s);
	}
	if (lost)
		fprintf(stderr,
			"ipcx bridge: %s out: %u messages are lost: the engine has not stored them, and %s does not deliver them again\n",
			o->l->r->name, lost, o->l->r->out);
	if (o->newest.copied)
		free(o->newest.m.data);
	local_close(&o->local);
}

/* When it is to end: is there anything that may still be told to be stored? */
static bool drained(const struct out *o)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < o->nslots; i++)
		sent += o->slot[i].state == SLOT_SENT;
	return (!sent && !o->gathered && !o->newest.copied) ||
	       now_ns() > o->l->b->stop + DRAIN_TIMEOUT;
}

void *out_run(void *lane)
{
	struct lane *l = lane;
	struct out *o = l->out;
	bool busy;

	pthread_mutex_lock(&o->works);
	while (!stopping(l->b) || !drained(o)) {
		busy = slots_told(o, true);
		slots_due(o);
		tidy(o);
		if (stopping(l->b)) {
			pack_end(o, true);
			send_newest(o);
		} else {
			open_local(o);
			if (!link_up(l->b))
				lane_state(l, LANE_OUT, "waits for the engine");
			else
				declare(o);
			if (link_up(l->b) && o->declared && local_is_open(&o->local)) {
				busy |= take_some(o);
				if (!o->later && !o->refuses)
					lane_state(l, LANE_OUT, "runs");
			} else {
				pack_end(o, true);
			}
		}
		if (busy)
			continue;
		if (!wait_a_moment(o))
			wait_for_more(o);
	}
	finish(o);
	pthread_mutex_unlock(&o->works);
	return NULL;
}
