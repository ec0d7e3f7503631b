// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a local queue or topic to the engine. A message is taken and held until the engine has
 * stored all of it, then it is released. What fails is sent again, with the same id and later each
 * time, and nothing new is taken meanwhile: so the queue fills, and its senders feel that.
 *
 * The engine tells what it has stored from a thread of its own; that only notes it down, and this
 * one does the rest.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "local.h"

#define STORE_TIMEOUT (5 * NS_PER_S) /* then it is sent again */
#define RETRY_FIRST (100 * NS_PER_MS)
#define RETRY_LAST (5 * NS_PER_S)
#define LOOK_AGAIN NS_PER_S /* for what was not there */
#define LINE_ROOM 2048 /* of the engine's payload, for the line and more */

enum slot_state {
	SLOT_FREE,
	SLOT_SENT, /* all of it, the engine has not told yet */
	SLOT_LATER, /* to be sent again when it is due */
	SLOT_CALLED /* stored; the answer has not come */
};

/* A message that is held */
struct slot {
	enum slot_state state;
	uint16_t gen; /* so that what is told of the one before is not taken for this */
	bool copied; /* m.data is to be freed, nothing is to be released */
	bool head_sent;
	struct ipcx_msg m;
	struct parcel p;
	uint32_t have; /* chunks stored */
	uint8_t *stored; /* which, if there are several */
	int64_t due;
	unsigned int tries;
};

/* What another thread has noted down */
struct event {
	struct event *next;
	uint64_t cookie;
	int err;
	char why[ENGINE_TEXT];
	struct parcel *answer; /* with its bytes behind it */
};

struct out {
	struct lane *l;
	struct local local;
	struct slot *slot;
	unsigned int nslots, used, later;
	struct slot newest; /* latest: the one to be sent next */
	bool declared, tidies;
	int64_t declare_at, open_at, look_at, tidy_at;
	uint64_t link_count;
	int wake;
	pthread_mutex_t lock; /* guards the rest */
	struct event *first, **last;
};

static void note(struct out *o, struct event *e)
{
	uint64_t one = 1;

	pthread_mutex_lock(&o->lock);
	*o->last = e;
	o->last = &e->next;
	pthread_mutex_unlock(&o->lock);
	if (write(o->wake, &one, sizeof(one)) < 0)
		return; /* it is awake enough */
}

void out_stored(struct lane *l, uint64_t cookie, int err, const char *why)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e)
		return; /* it will be sent again */
	e->cookie = cookie;
	e->err = err;
	if (why)
		strncat(e->why, why, sizeof(e->why) - 1);
	note(l->out, e);
}

bool out_answered(struct lane *l, const struct parcel *p)
{
	struct event *e;

	if (!l->out)
		return false;
	e = calloc(1, sizeof(*e));
	if (!e)
		return true;
	e->answer = malloc(sizeof(*p) + p->size);
	if (!e->answer) {
		free(e);
		return true;
	}
	*e->answer = *p;
	if (p->size)
		memcpy(e->answer + 1, p->data, p->size);
	e->answer->data = e->answer + 1;
	note(l->out, e);
	return true;
}

static uint64_t cookie_of(const struct out *o, const struct slot *s, uint32_t chunk)
{
	return (uint64_t)(s - o->slot) << 48 | (uint64_t)s->gen << 32 | chunk;
}

static void set_state(struct out *o, struct slot *s, enum slot_state state)
{
	o->later += (state == SLOT_LATER) - (s->state == SLOT_LATER);
	o->used += (state != SLOT_FREE) - (s->state != SLOT_FREE);
	s->state = state;
	count_set(&o->l->n.in_flight, o->used);
}

static void free_slot(struct out *o, struct slot *s)
{
	if (s->copied)
		free(s->m.data);
	free(s->stored);
	s->stored = NULL;
	s->gen++;
	set_state(o, s, SLOT_FREE);
}

/* The local end is to be opened again; what was held came back to it, or is gone with it. */
static void lose_local(struct out *o)
{
	for (unsigned int i = 0; i < o->nslots; i++)
		if (o->slot[i].state != SLOT_FREE && !o->slot[i].copied)
			free_slot(o, &o->slot[i]);
	local_close(&o->local);
	o->open_at = 0;
}

static void release(struct out *o, struct slot *s)
{
	int r = s->copied ? 0 : local_release(&o->local, &s->m);

	free_slot(o, s);
	if (local_is_gone(r))
		lane_state(o->l, LANE_OUT, "a message came back: %s", ipcx_error());
}

static size_t chunk_max(const struct out *o)
{
	size_t payload = o->l->b->ops->payload_max(o->l->b->e);

	return payload > 2 * LINE_ROOM ? payload - LINE_ROOM : LINE_ROOM;
}

static bool is_stored(const struct slot *s, uint32_t chunk)
{
	return s->stored && s->stored[chunk];
}

/* Does its head go apart, behind the chunks? */
static bool has_head(const struct out *o, const struct slot *s)
{
	return o->l->r->kind == KIND_WORK && s->p.chunks > 1;
}

static int send_chunk(struct out *o, struct slot *s, uint32_t chunk)
{
	struct parcel *p = &s->p;
	size_t max = chunk_max(o);
	const struct bridge *b = o->l->b;

	p->head = has_head(o, s) && chunk == p->chunks;
	p->chunk = chunk;
	p->at = p->chunks > 1 && !p->head ? (uint64_t)chunk * max : 0;
	p->data = (const char *)s->m.data + p->at;
	p->size = p->head ? 0 : p->len - p->at < max ? p->len - p->at : max;
	return b->ops->publish(b->e, o->l->nr, p, cookie_of(o, s, chunk));
}

static void retry_later(struct out *o, struct slot *s)
{
	int64_t wait = RETRY_FIRST << (s->tries < 6 ? s->tries : 6);

	s->tries++;
	s->due = now_ns() + (wait < RETRY_LAST ? wait : RETRY_LAST);
	set_state(o, s, SLOT_LATER);
}

static void drop(struct out *o, struct slot *s, enum reason why)
{
	lane_drop(o->l, why);
	release(o, s);
}

/* Sends what the engine has not stored of it. */
static void send_slot(struct out *o, struct slot *s)
{
	struct parcel *p = &s->p;
	int64_t now = now_ns();
	int r = 0;

	if (s->m.expires && now >= s->m.expires) {
		drop(o, s, DROP_EXPIRED);
		return;
	}
	p->ttl = s->m.expires ? s->m.expires - now : -1;
	if (s->head_sent)
		r = send_chunk(o, s, p->chunks);
	for (uint32_t i = 0; i < p->chunks && !r && !s->head_sent; i++)
		if (!is_stored(s, i))
			r = send_chunk(o, s, i);
	if (r) {
		retry_later(o, s);
		return;
	}
	s->due = now_ns() + STORE_TIMEOUT;
	set_state(o, s, SLOT_SENT);
}

static uint32_t chunks_of(const struct out *o, uint64_t len)
{
	size_t max = chunk_max(o);

	return len ? (len + max - 1) / max : 1;
}

static void resend_slot(struct out *o, struct slot *s)
{
	uint32_t chunks = chunks_of(o, s->p.len);

	count(&o->l->n.retried);
	if (s->p.chunks != chunks) { /* another server, with another limit: from the start */
		free(s->stored);
		s->stored = calloc(chunks, 1);
		s->p.chunks = s->stored ? chunks : 1;
		s->have = 0;
		s->head_sent = false;
		s->gen++;
	}
	send_slot(o, s);
}

static void stored_all(struct out *o, struct slot *s)
{
	count(&o->l->n.out);
	s->tries = 0;
	if (!s->p.reply[0]) {
		release(o, s);
		return;
	}
	s->due = s->m.expires ? s->m.expires : now_ns() + CALL_TIMEOUT;
	set_state(o, s, SLOT_CALLED);
}

static void stored(struct out *o, struct slot *s, uint32_t chunk)
{
	count(&o->l->n.acked);
	if (s->p.chunks > 1 && chunk < s->p.chunks) {
		if (s->stored[chunk])
			return;
		s->stored[chunk] = 1;
		if (++s->have < s->p.chunks)
			return;
		if (has_head(o, s)) {
			s->head_sent = true;
			send_slot(o, s);
			return;
		}
	}
	stored_all(o, s);
}

static void refused(struct out *o, struct slot *s, const struct event *e)
{
	count(&o->l->n.refused);
	if (e->err == -EMSGSIZE) {
		lane_trouble(o->l, LANE_OUT, "the engine never takes this message: %s", e->why);
		drop(o, s, DROP_OVERSIZED);
		return;
	}
	if (e->err == -ENXIO)
		o->declared = false;
	lane_trouble(o->l, LANE_OUT, "the engine refuses: %s", e->why);
	o->tidies = true;
	if (s->state == SLOT_SENT)
		retry_later(o, s);
}

static void answered(struct out *o, const struct parcel *p)
{
	struct ipcx_msg reply = { .data = (void *)p->data, .len = p->size };
	struct slot *s = NULL;
	int r;

	for (unsigned int i = 0; i < o->nslots && !s; i++)
		if (o->slot[i].state != SLOT_FREE && !strcmp(o->slot[i].p.id, p->id))
			s = &o->slot[i];
	if (!s || !s->p.reply[0] || s->copied)
		return; /* too late */
	if (p->flags) {
		release(o, s);
		return;
	}
	r = ipcx_queue_reply(o->local.q, &s->m, &reply);
	if (r) {
		lane_state(o->l, LANE_OUT, "an answer: %s", ipcx_error());
		release(o, s);
		return;
	}
	count(&o->l->n.calls);
	free_slot(o, s);
}

static void do_event(struct out *o, const struct event *e)
{
	uint64_t nr = e->cookie >> 48;
	uint32_t chunk = e->cookie;
	struct slot *s = &o->slot[nr < o->nslots ? nr : 0];

	if (e->answer) {
		answered(o, e->answer);
		return;
	}
	if (nr >= o->nslots || s->gen != (uint16_t)(e->cookie >> 32) ||
	    (s->state != SLOT_SENT && s->state != SLOT_LATER))
		return;
	if (chunk > s->p.chunks || (chunk == s->p.chunks && !s->head_sent) ||
	    (chunk < s->p.chunks && s->head_sent))
		return;
	if (e->err)
		refused(o, s, e);
	else
		stored(o, s, chunk);
}

/* Full? Perhaps there is something that nobody wants any more. */
static void tidy(struct out *o)
{
	if (!o->tidies || now_ns() < o->tidy_at || !link_up(o->l->b))
		return;
	o->tidies = false;
	o->l->b->ops->tidy(o->l->b->e, o->l->nr);
	o->tidy_at = now_ns() + LOOK_AGAIN;
}

static bool do_events(struct out *o)
{
	struct event *e, *next;

	pthread_mutex_lock(&o->lock);
	e = o->first;
	o->first = NULL;
	o->last = &o->first;
	pthread_mutex_unlock(&o->lock);
	if (!e)
		return false;
	for (; e; e = next) {
		next = e->next;
		do_event(o, e);
		free(e->answer);
		free(e);
	}
	return true;
}

/* What was not told of in time is sent again, at once if the link was lost since. */
static void do_due(struct out *o)
{
	uint64_t link = __atomic_load_n(&o->l->b->link_count, __ATOMIC_RELAXED);
	bool again = link != o->link_count, up = link_up(o->l->b) && o->declared;
	int64_t now = now_ns();

	if (up)
		o->link_count = link;
	for (unsigned int i = 0; i < o->nslots && o->used; i++) {
		struct slot *s = &o->slot[i];

		if (s->state == SLOT_CALLED && now >= s->due) {
			count(&o->l->n.timeouts);
			release(o, s);
		} else if (up && (s->state == SLOT_SENT || s->state == SLOT_LATER) &&
			   (again || now >= s->due)) {
			resend_slot(o, s);
		}
	}
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
		engine_reply_to(s->p.reply, b->conf);
}

/* Return: whether the message taken is to be sent; else it is released. */
static bool is_ours(struct out *o, struct slot *s)
{
	if (o->local.t && o->l->r->way == WAY_BOTH &&
	    local_from_ring(&s->m) == __atomic_load_n(&o->l->ring, __ATOMIC_ACQUIRE)) {
		local_release(&o->local, &s->m);
		return false;
	}
	fill_parcel(o, s);
	if (o->l->from && known_take(o->l->from, &s->p) && s->p.hops >= HOPS_MAX) {
		lane_drop(o->l, DROP_HOPS);
		local_release(&o->local, &s->m);
		return false;
	}
	if (s->p.len > PARCEL_LEN_MAX || chunks_of(o, s->p.len) > PARCEL_CHUNKS) {
		lane_trouble(o->l, LANE_OUT, "a message of %zu bytes is too long for the engine",
			     s->m.len);
		lane_drop(o->l, DROP_OVERSIZED);
		local_release(&o->local, &s->m);
		return false;
	}
	s->p.chunks = chunks_of(o, s->p.len);
	return true;
}

static struct slot *find_free(struct out *o)
{
	for (unsigned int i = 0; i < o->nslots; i++)
		if (o->slot[i].state == SLOT_FREE)
			return &o->slot[i];
	return NULL;
}

static void begin_slot(struct out *o, struct slot *s, const struct slot *from)
{
	uint16_t gen = s->gen;

	*s = *from;
	s->gen = gen;
	s->state = SLOT_FREE;
	s->stored = s->p.chunks > 1 ? calloc(s->p.chunks, 1) : NULL;
	if (s->p.chunks > 1 && !s->stored) {
		if (s->copied)
			free(s->m.data);
		else
			local_nack(&o->local, &s->m);
		return;
	}
	set_state(o, s, SLOT_SENT);
	send_slot(o, s);
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
			lose_local(o);
	}
}

/* Takes one and sends it. Return: whether there was one. */
static bool take_one(struct out *o)
{
	struct slot t = { 0 }, *s = find_free(o);
	bool latest = o->l->r->kind == KIND_LATEST;
	int r;

	if (!s && !latest)
		return false;
	r = local_take(&o->local, &t.m);
	if (r) {
		take_error(o, r);
		return r == -EPIPE || r == -EPROTO;
	}
	if (!is_ours(o, &t))
		return true;
	if (latest)
		keep_newest(o, &t);
	else
		begin_slot(o, s, &t);
	return true;
}

static bool take_some(struct out *o)
{
	bool any = false;
	struct slot *s;

	for (int i = 0; i < 64 && local_is_open(&o->local) && !o->later; i++) {
		if (!take_one(o))
			break;
		any = true;
	}
	s = o->newest.copied && !o->later ? find_free(o) : NULL;
	if (s) {
		begin_slot(o, s, &o->newest);
		o->newest.copied = false;
	}
	return any;
}

static void open_local(struct out *o)
{
	int64_t now = now_ns();

	if (local_is_open(&o->local)) {
		if (now < o->look_at)
			return;
		o->look_at = now + LOOK_AGAIN;
		if (!local_removed(&o->local))
			return;
		if (o->used)
			return; /* the last that were in it are on their way */
		lane_trouble(o->l, LANE_OUT, "%s was removed: it is made anew", o->l->r->out);
		lose_local(o);
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

static void wait_for_more(struct out *o)
{
	bool room = (o->used < o->nslots || o->l->r->kind == KIND_LATEST) && !o->later;
	bool takes = room && link_up(o->l->b) && o->declared && !stopping(o->l->b);
	int fd = takes ? local_fd(&o->local) : -1;
	struct pollfd p[2] = { { .fd = o->wake, .events = POLLIN },
			       { .fd = fd, .events = POLLIN } };
	uint64_t n;

	poll(p, 2, takes || o->used ? 50 : 100);
	if (p[0].revents && read(o->wake, &n, sizeof(n)) < 0)
		return;
}

static void finish(struct out *o)
{
	for (unsigned int i = 0; i < o->nslots; i++) {
		struct slot *s = &o->slot[i];

		if (s->state == SLOT_FREE)
			continue;
		if (!s->copied)
			local_nack(&o->local, &s->m);
		free_slot(o, s);
	}
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
	return !sent || now_ns() > o->l->b->stop + DRAIN_TIMEOUT;
}

void *out_run(void *lane)
{
	struct lane *l = lane;
	struct out *o = l->out;
	bool busy;

	while (!stopping(l->b) || !drained(o)) {
		busy = do_events(o);
		do_due(o);
		tidy(o);
		if (!stopping(l->b)) {
			open_local(o);
			if (!link_up(l->b))
				lane_state(l, LANE_OUT, "waits for the engine");
			else
				declare(o);
			if (link_up(l->b) && o->declared && local_is_open(&o->local)) {
				busy |= take_some(o);
				if (!o->later)
					lane_state(l, LANE_OUT, "runs");
			}
		}
		if (!busy)
			wait_for_more(o);
	}
	finish(o);
	return NULL;
}

int out_new(struct lane *l)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->nslots = l->r->kind == KIND_LATEST ? 1 : l->r->in_flight;
	o->slot = calloc(o->nslots, sizeof(*o->slot));
	o->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	o->l = l;
	o->last = &o->first;
	pthread_mutex_init(&o->lock, NULL);
	l->out = o;
	return o->slot && o->wake >= 0 ? 0 : -ENOMEM;
}

void out_free(struct lane *l)
{
	struct out *o = l->out;
	struct event *e, *next;

	if (!o)
		return;
	for (e = o->first; e; e = next) {
		next = e->next;
		free(e->answer);
		free(e);
	}
	if (o->wake >= 0)
		close(o->wake);
	free(o->slot);
	free(o);
	l->out = NULL;
}
