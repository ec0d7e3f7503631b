// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that are held until the engine has stored them.
 *
 * The engine tells from threads of its own, which only note that down; but an answer is worked on
 * there while the lane's thread waits, with what is stored and not with what failed. That is sent
 * again, with the same id and later each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "out.h"

#define STORE_TIMEOUT (5 * NS_PER_S) /* then it is sent again */
#define RETRY_FIRST (100 * NS_PER_MS)
#define RETRY_LAST (5 * NS_PER_S)
#define LINE_ROOM 2048 /* of the engine's payload, for the line and more */
#define QUIET (UINT64_C(1) << 31) /* in a cookie: nobody waits for it to be stored */

static bool append(struct events *all, const struct event *e)
{
	size_t room = all->room ? 2 * all->room : 64;
	struct event *more;

	if (all->n == all->room) {
		more = reallocarray(all->at, room, sizeof(*more));
		if (!more)
			return false;
		all->at = more;
		all->room = room;
	}
	all->at[all->n++] = *e;
	all->failed |= e->err != 0;
	return true;
}

static void free_event(struct event *e)
{
	free(e->why);
	free(e->answer);
}

/* Without memory it is forgotten, and the message is sent again. */
static void note(struct out *o, struct event *e)
{
	bool good;

	pthread_mutex_lock(&o->lock);
	good = append(&o->noted, e);
	pthread_mutex_unlock(&o->lock);
	if (!good)
		free_event(e);
}

/* For what was noted, once until it is looked at */
static void wake(struct out *o)
{
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&o->lock);
	first = o->noted.n && !o->woken;
	o->woken |= first;
	pthread_mutex_unlock(&o->lock);
	if (first && write(o->wake, &one, sizeof(one)) < 0)
		return; /* it is awake enough */
}

/* May the lane's thread have stopped because so many are held? */
static bool is_short(const struct out *o)
{
	return __atomic_load_n(&o->used, __ATOMIC_RELAXED) > o->l->r->in_flight / 2 ||
	       __atomic_load_n(&o->bytes, __ATOMIC_RELAXED) > BYTES_MAX / 2;
}

void out_stored(struct lane *l, uint64_t cookie, int err, const char *why)
{
	struct event e = { .cookie = cookie, .err = err };

	if (err)
		e.why = strdup(why);
	note(l->out, &e);
	if (err || !(cookie & QUIET) || is_short(l->out))
		wake(l->out);
}

void out_answered(struct lane *l, const struct parcel *p)
{
	struct out *o = l->out;
	struct event e = { 0 };
	bool wakes;

	e.answer = malloc(sizeof(*p) + p->size);
	if (!e.answer)
		return;
	*e.answer = *p;
	if (p->size)
		memcpy(e.answer + 1, p->data, p->size);
	e.answer->data = e.answer + 1;
	note(o, &e);
	if (pthread_mutex_trylock(&o->works)) {
		wake(o);
		return;
	}
	wakes = is_short(o) || o->later || o->chunked || !local_replies_at_once(&o->local);
	if (!wakes)
		slots_told(o, false);
	pthread_mutex_unlock(&o->works);
	if (wakes)
		wake(o);
}

static uint64_t cookie_of(const struct out *o, const struct slot *s, uint32_t chunk)
{
	bool quiet = s->p.call && s->p.len <= PACK_BYTES;

	return (uint64_t)(s - o->slot) << 48 | (uint64_t)s->gen << 32 | (quiet ? QUIET : 0) | chunk;
}

static bool under_way(enum slot_state state)
{
	return state == SLOT_SENT || state == SLOT_LATER || state == SLOT_PACKED;
}

static void account(struct out *o, struct slot *s, int add)
{
	if (add < 0)
		o->free[o->used - 1] = s - o->slot;
	__atomic_store_n(&o->used, o->used + add, __ATOMIC_RELAXED);
}

static void set_state(struct out *o, struct slot *s, enum slot_state state)
{
	int add = under_way(state) - under_way(s->state);

	__atomic_store_n(&o->bytes, o->bytes + add * (int64_t)s->p.len, __ATOMIC_RELAXED);
	o->chunked += s->p.chunks > 1 ? add : 0;
	o->later += (state == SLOT_LATER) - (s->state == SLOT_LATER);
	o->called += (state == SLOT_CALLED) - (s->state == SLOT_CALLED);
	if (s->state == SLOT_FREE && state != SLOT_FREE)
		account(o, s, 1); /* slot_free() was it */
	else if (s->state != SLOT_FREE && state == SLOT_FREE)
		account(o, s, -1);
	s->state = state;
	count_set(&o->l->n.in_flight, o->used);
}

void slot_end(struct out *o, struct slot *s)
{
	if (s->copied)
		free(s->m.data);
	free(s->stored);
	s->stored = NULL;
	s->next = NULL;
	s->pack = false;
	s->gen++;
	set_state(o, s, SLOT_FREE);
}

void slots_lose_local(struct out *o)
{
	for (unsigned int i = 0; i < o->nslots; i++)
		if (o->slot[i].state != SLOT_FREE && !o->slot[i].copied)
			slot_end(o, &o->slot[i]);
	o->gathered = 0;
	o->first = NULL;
	local_close(&o->local);
	o->open_at = 0;
}

static void release(struct out *o, struct slot *s)
{
	int r = s->copied ? 0 : local_release(&o->local, &s->m);

	slot_end(o, s);
	if (local_is_gone(r))
		lane_state(o->l, LANE_OUT, "a message came back: %s", ipcx_error());
}

size_t chunk_max(const struct out *o)
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
	const struct bridge *b = o->l->b;

	p->head = has_head(o, s) && chunk == p->chunks;
	p->chunk = chunk;
	p->at = p->chunks > 1 && !p->head ? (uint64_t)chunk * s->cut : 0;
	p->data = (const char *)s->m.data + p->at;
	p->size = p->head ? 0 : p->len - p->at < s->cut ? p->len - p->at : s->cut;
	return b->ops->publish(b->e, o->l->nr, p, cookie_of(o, s, chunk));
}

static int send_message(struct out *o, struct slot *s, int64_t now)
{
	struct parcel *p = &s->p;
	int r = 0;

	p->ttl = s->m.expires ? s->m.expires - now : -1;
	if (s->head_sent)
		return send_chunk(o, s, p->chunks);
	for (uint32_t i = 0; i < p->chunks && !r; i++)
		if (!is_stored(s, i))
			r = send_chunk(o, s, i);
	return r;
}

static void retry_later(struct out *o, struct slot *s)
{
	int64_t wait = RETRY_FIRST << (s->tries < 6 ? s->tries : 6);

	s->tries++;
	wait = wait < RETRY_LAST ? wait : RETRY_LAST;
	s->due = now_ns() + wait / 2 + random() % wait; /* not all hosts at once */
	set_state(o, s, SLOT_LATER);
}

static void purge(struct out *o, const struct slot *s)
{
	const struct bridge *b = o->l->b;
	int r = 0;

	for (uint32_t i = 0; i < s->p.chunks && !r && !stopping(b); i++)
		r = b->ops->purge(b->e, o->l->nr, s->p.id, i);
}

static void drop(struct out *o, struct slot *s, enum reason why)
{
	lane_drop(o->l, why);
	if (s->stored && s->have && o->l->r->kind != KIND_LATEST)
		purge(o, s);
	release(o, s);
}

/* Sends what the engine has not stored of it. */
static void send_slot(struct out *o, struct slot *s)
{
	int64_t now = now_ns();
	int r;

	if (!s->pack && s->m.expires && now >= s->m.expires) {
		drop(o, s, DROP_EXPIRED);
		return;
	}
	r = s->pack ? pack_send(o, s, now, cookie_of(o, s, 0)) : send_message(o, s, now);
	if (r) {
		retry_later(o, s);
		return;
	}
	s->due = now + STORE_TIMEOUT * (1 + (s->tries < 8 ? s->tries : 8));
	set_state(o, s, SLOT_SENT);
}

static uint32_t chunks_of(uint64_t len, size_t max)
{
	return len ? (len + max - 1) / max : 1;
}

void slot_cut(struct slot *s, size_t max)
{
	s->cut = max;
	s->p.chunks = chunks_of(s->p.len, max);
}

/* How long receivers keep a part of a message for the rest, less some */
static int64_t chunks_keep(const struct out *o)
{
	return o->l->r->kind == KIND_LATEST ? 10 * NS_PER_S : 200 * NS_PER_S;
}

/*
 * All chunks go again; the engine must not take them for copies. Return: whether there is memory,
 * of which none is needed if they are as many as before.
 */
static bool begin_anew(struct out *o, struct slot *s, size_t cut)
{
	uint32_t chunks = chunks_of(s->p.len, cut);
	uint8_t *stored = s->stored;

	if (chunks != s->p.chunks) {
		stored = chunks > 1 ? calloc(chunks, 1) : NULL;
		if (chunks > 1 && !stored)
			return false;
	}
	if (s->have && o->l->r->kind != KIND_LATEST)
		purge(o, s);
	o->chunked -= s->p.chunks > 1;
	if (stored != s->stored)
		free(s->stored);
	else if (stored)
		memset(stored, 0, chunks);
	slot_cut(s, cut);
	s->stored = stored;
	o->chunked += s->p.chunks > 1;
	s->p.round++;
	s->have = 0;
	s->since = since_boot();
	s->head_sent = false;
	s->gen++;
	return true;
}

static void resend_slot(struct out *o, struct slot *s)
{
	size_t max = chunk_max(o);

	count(&o->l->n.retried);
	if (s->pack && max < PACK_BYTES) {
		pack_split(o, s);
		return;
	}
	/* another server, with another limit; or those who have some do not wait for ever */
	if ((s->p.chunks != chunks_of(s->p.len, max) ||
	     (s->stored && (s->cut != max || since_boot() - s->since > chunks_keep(o)))) &&
	    !begin_anew(o, s, max)) {
		retry_later(o, s);
	} else {
		s->tries++;
		send_slot(o, s);
	}
}

static void stored_all(struct out *o, struct slot *s)
{
	struct slot *next;

	for (; s && !s->p.call; s = next) {
		next = s->next;
		count(&o->l->n.out);
		release(o, s);
	}
	if (!s)
		return;
	count(&o->l->n.out);
	s->tries = 0;
	s->due = s->m.expires ? s->m.expires : now_ns() + CALL_TIMEOUT;
	set_state(o, s, SLOT_CALLED);
}

static void stored(struct out *o, struct slot *s, uint32_t chunk)
{
	count(&o->l->n.acked);
	o->refuses = false;
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
	const char *why = e->why ? e->why : "";

	count(&o->l->n.refused);
	if (e->err == -EMSGSIZE && s->pack) {
		o->alone = true;
		pack_split(o, s);
		return;
	}
	if (e->err == -EMSGSIZE) {
		lane_trouble(o->l, LANE_OUT, "the engine never takes this message: %s", why);
		drop(o, s, DROP_OVERSIZED);
		return;
	}
	o->refuses = true;
	if (e->err == -ENXIO)
		o->declared = false;
	/* what it has stored of it would keep others out, or went with the stream */
	if (s->stored && s->have)
		begin_anew(o, s, s->cut);
	lane_trouble(o->l, LANE_OUT, "the engine refuses: %s", why);
	o->tidies = true;
	if (s->state == SLOT_SENT)
		retry_later(o, s);
}

/*
 * The engine knows its id, of an earlier time that it was sent. What it knows of that may be more
 * than what it has, so it goes once more under another id: better twice than never.
 */
static void known_there(struct out *o, struct slot *s)
{
	count(&o->l->n.retried);
	begin_anew(o, s, s->cut);
	send_slot(o, s);
}

static void answered(struct out *o, const struct parcel *p)
{
	struct ipcx_msg reply = { .data = (void *)p->data, .len = p->size };
	struct slot *s = NULL;
	int r;

	for (unsigned int i = 0; i < o->nslots && !s; i++)
		if (o->slot[i].state != SLOT_FREE && !strcmp(o->slot[i].p.id, p->id))
			s = &o->slot[i];
	if (!s || !s->p.call || s->copied)
		return; /* too late */
	if (p->flags & NO_REPLY) {
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
	slot_end(o, s);
}

static void do_event(struct out *o, const struct event *e)
{
	uint64_t nr = e->cookie >> 48;
	uint32_t chunk = e->cookie & ~QUIET;
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
	if (e->err == -EEXIST)
		known_there(o, s);
	else if (e->err)
		refused(o, s, e);
	else
		stored(o, s, chunk);
}

bool slots_told(struct out *o, bool failed)
{
	struct events told = o->work;

	pthread_mutex_lock(&o->lock);
	if (failed || !o->noted.failed) {
		told = o->noted;
		o->noted = o->work;
		o->woken = false;
	}
	pthread_mutex_unlock(&o->lock);
	o->work = told;
	for (size_t i = 0; i < told.n; i++) {
		do_event(o, &told.at[i]);
		free_event(&told.at[i]);
	}
	o->work.n = 0;
	o->work.failed = false;
	return told.n;
}

void slots_due(struct out *o)
{
	uint64_t link = __atomic_load_n(&o->l->b->link_count, __ATOMIC_RELAXED);
	bool again = link != o->link_count, up = link_up(o->l->b) && o->declared;
	int64_t now = now_ns();

	if (up && !o->used)
		o->link_count = link;
	if (!o->used || (now < o->due_at && !(again && up)))
		return;
	if (up)
		o->link_count = link;
	o->due_at = now + RETRY_FIRST;
	for (unsigned int i = 0; i < o->nslots; i++) {
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

unsigned int slots_left(const struct out *o)
{
	unsigned int most = o->l->r->kind == KIND_LATEST ? 1 : o->l->r->in_flight;
	unsigned int sent = o->used - o->called, free = o->nslots - o->used;

	most -= sent < most ? sent : most;
	return most < free ? most : free;
}

struct slot *slot_free(const struct out *o)
{
	return slots_left(o) ? &o->slot[o->free[o->used]] : NULL;
}

void slot_hold(struct out *o, struct slot *s)
{
	set_state(o, s, SLOT_PACKED);
}

void slot_begin(struct out *o, struct slot *s)
{
	s->stored = s->p.chunks > 1 ? calloc(s->p.chunks, 1) : NULL;
	if (s->p.chunks > 1 && !s->stored) {
		if (!s->copied)
			local_nack(&o->local, &s->m);
		slot_end(o, s);
		return;
	}
	s->have = 0;
	s->tries = 0;
	s->since = since_boot();
	s->head_sent = false;
	set_state(o, s, SLOT_SENT);
	send_slot(o, s);
}

int out_new(struct lane *l)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	l->out = o;
	o->nslots = l->r->kind == KIND_LATEST ? 1 : 2 * l->r->in_flight;
	o->slot = calloc(o->nslots, sizeof(*o->slot));
	o->free = calloc(o->nslots, sizeof(*o->free));
	o->body = malloc(PACK_BYTES);
	o->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	o->l = l;
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->works, NULL);
	if (!o->slot || !o->free || !o->body || o->wake < 0)
		return -ENOMEM;
	for (unsigned int i = 0; i < o->nslots; i++)
		o->free[i] = i;
	return 0;
}

void out_free(struct lane *l)
{
	struct out *o = l->out;

	if (!o)
		return;
	for (size_t i = 0; i < o->noted.n; i++)
		free_event(&o->noted.at[i]);
	free(o->noted.at);
	free(o->work.at);
	if (o->wake >= 0)
		close(o->wake);
	free(o->body);
	free(o->free);
	free(o->slot);
	free(o);
	l->out = NULL;
}
