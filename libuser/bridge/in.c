// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the engine to a local queue or topic. A delivery is acknowledged when the whole message is
 * in the local queue and that was noted down, not before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in.h"

#define BATCH 64
#define FETCH_MS 200
#define PROGRESS (3 * NS_PER_S / 2) /* to tell the engine that it goes on */
#define PARTIAL_TIME (30 * NS_PER_S) /* without a chunk, then those that came go back */
#define PARTIAL_AGE (3600 * NS_PER_S) /* of a chunk whose others never came */
#define TIDY_TIME (2 * NS_PER_S)

static void settle(struct in *in, struct delivery *d, enum settle how, int64_t delay)
{
	in->l->b->ops->settle(in->l->b->e, d, how, delay);
}

static void drop(struct in *in, struct delivery *d, enum reason why)
{
	lane_drop(in->l, why);
	settle(in, d, SETTLE_TERM, 0);
}

void in_progress(struct in *in)
{
	int64_t now = now_ns();

	if (now < in->progress_at)
		return;
	in->progress_at = now + PROGRESS;
	for (unsigned int i = in->at; i < in->n; i++)
		if (in->batch[i].handle)
			settle(in, &in->batch[i], SETTLE_PROGRESS, 0);
	for (struct partial *m = in->partial.first; m; m = m->next)
		for (uint32_t i = 0; i < m->p.chunks; i++)
			if (m->held[i])
				settle(in, m->held[i], SETTLE_PROGRESS, 0);
}

/* Of all chunks of a message */
static void settle_all(struct in *in, struct partial *m, enum settle how, int64_t delay)
{
	for (uint32_t i = 0; i < m->p.chunks; i++) {
		if (!m->held[i])
			continue;
		settle(in, m->held[i], how, delay);
		free(m->held[i]);
		in->l->n.waiting--;
	}
	partial_free(m);
}

static void lose_local(struct in *in)
{
	__atomic_store_n(&in->l->ring, -1, __ATOMIC_RELEASE);
	calls_forget(in->calls);
	local_close(&in->local);
	in->open_at = now_ns() + 100 * NS_PER_MS;
}

int64_t in_patience(const struct in *in)
{
	return in->l->r->kind == KIND_WORK ? now_ns() + PATIENCE : IPCX_FOREVER;
}

int in_loan(struct in *in, const struct parcel *p, struct ipcx_msg *m, int64_t until)
{
	int r;

	do {
		r = local_loan(&in->local, p->len, m, now_ns() + 100 * NS_PER_MS);
		in_progress(in);
		if (r == -EAGAIN || r == -ENOMEM || r == -EDQUOT || r == -ENOBUFS)
			sleep_ms(20); /* these did not wait */
		else if (r != -ETIMEDOUT && r != -EINTR)
			return r;
		if (local_removed(&in->local, in->l->r->in))
			return -EIDRM;
		lane_state(in->l, LANE_IN, "the local %s is full", in->l->r->in);
	} while (!stopping(in->l->b) && now_ns() < until);
	return -ETIMEDOUT;
}

int in_commit(struct in *in, const struct parcel *p, struct ipcx_msg *m)
{
	struct parcel undone = *p;
	int r;

	m->tag = p->tag;
	if (in->local.q) {
		m->prio = p->prio;
		m->expires = p->ttl >= 0 ? now_ns() + p->ttl : 0;
	}
	if (in->l->to)
		known_put(in->l->to, p);
	r = window_intend(in->l->w, p, in->local.object, local_sent(&in->local));
	if (r)
		lane_trouble(in->l, LANE_IN, "the state in %s: %s", in->l->b->conf->state,
			     strerror(-r));
	else
		r = p->call && in->local.q ? calls_commit(in->calls, &in->local, p, m) :
					     local_commit(&in->local, m);
	if (r) {
		window_not_done(in->l->w);
		undone.pid = -1; /* that of its host */
		if (in->l->to)
			known_take(in->l->to, &undone);
		local_cancel(&in->local, m);
		return r;
	}
	window_done(in->l->w, p);
	count(&in->l->n.in);
	return 0;
}

/* Why a message of @age could not be put into the queue: what becomes of it */
static enum settle local_failed(struct in *in, int err, int64_t age, bool *drops)
{
	*drops = err == -EMSGSIZE && !in_others_may(in, age);
	if (*drops)
		return SETTLE_TERM;
	if (err == -EMSGSIZE) {
		lane_state(in->l, LANE_IN, "a message is too long for %s: another host may take it",
			   in->l->r->in);
	} else if (err == -ETIMEDOUT || err == -EAGAIN) {
		in->full = true;
	} else if (err == -ENOSPC || err == -EFBIG) {
		sleep_ms(500); /* the state has no room: told */
	} else {
		lane_trouble(in->l, LANE_IN, "%s: %s", in->l->r->in, ipcx_error());
		if (local_is_gone(err) || err == -EPROTO)
			lose_local(in);
	}
	count(&in->l->n.returned);
	return SETTLE_NAK;
}

int in_put(struct in *in, const struct parcel *p, int64_t until)
{
	struct ipcx_msg m;
	int r = in_loan(in, p, &m, until);

	if (r)
		return r;
	if (p->len)
		memcpy(m.data, p->data, p->len);
	return in_commit(in, p, &m);
}

/* @err: 0 if it is in the queue */
static void settle_put(struct in *in, struct delivery *d, int err)
{
	bool drops = false;
	enum settle how = err ? local_failed(in, err, d->age, &drops) : SETTLE_ACK;

	if (drops)
		drop(in, d, DROP_OVERSIZED);
	else
		settle(in, d, how, err ? NS_PER_S / 2 : 0);
}

static void put_pack(struct in *in, struct delivery *d, const struct parcel *pack)
{
	struct parcel p[PACK_MAX];
	enum reason why = pack_read(pack, p);

	if (why)
		drop(in, d, why);
	else
		settle_put(in, d, in_put_pack(in, p, pack->pack, d->age));
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
	how = local_failed(in, r, 0, &drops);
	if (drops)
		lane_drop(in->l, DROP_OVERSIZED);
	settle_all(in, m, how, NS_PER_S / 2);
}

static void put_chunk(struct in *in, struct delivery *d, const struct parcel *p)
{
	struct partial *whole = NULL;
	struct delivery *held = malloc(sizeof(*held));

	if (!held) {
		settle(in, d, SETTLE_NAK, NS_PER_S);
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
		settle(in, d, SETTLE_FORGET, 0);
		break;
	case ASSEMBLED_ROOM:
		count(&in->l->n.returned);
		settle(in, d, SETTLE_NAK, NS_PER_S);
		break;
	case ASSEMBLED_WRONG:
		drop(in, d, DROP_MALFORMED);
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
		if (!why && (p.chunk != i || p.chunks != head->chunks || p.len != head->len ||
			     p.at != have || strcmp(p.id, head->id) || p.head))
			why = DROP_MALFORMED;
		if (!why) {
			memcpy(to + have, p.data, p.size);
			have += p.size;
			numbers[i] = d.number;
		}
		settle(in, &d, SETTLE_FORGET, 0);
		if (why)
			return why;
	}
	return parcel_crc(0, to, have) == head->crc ? DROP_NONE : DROP_CRC;
}

/* The chunks that a head tells of; what is left is found by tidy() */
static void purge(struct in *in, const struct parcel *head)
{
	const struct bridge *b = in->l->b;
	int r = 0;

	for (uint32_t i = 0; i < head->chunks && !r && !stopping(b); i++) {
		in_progress(in);
		r = b->ops->purge(b->e, in->l->nr, head->id, i);
	}
}

/* Of no use to anybody: it and its chunks go */
static void drop_head(struct in *in, struct delivery *d, const struct parcel *p, enum reason why)
{
	purge(in, p);
	drop(in, d, why);
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
		count(&in->l->n.returned);
		settle(in, d, SETTLE_NAK, NS_PER_S);
	} else if (why) {
		drop_head(in, d, p, why);
	} else if (r) {
		enum settle how = local_failed(in, r, d->age, &drops);

		if (drops)
			drop_head(in, d, p, DROP_OVERSIZED);
		else
			settle(in, d, how, NS_PER_S / 2);
	} else {
		settle(in, d, SETTLE_ACK, 0);
		for (uint32_t i = 0; i < p->chunks && !stopping(b); i++) {
			in_progress(in);
			b->ops->remove(b->e, in->l->nr, numbers[i]);
		}
	}
}

/* Of a work queue: the chunks lie beside, for another host may take the next message. */
static void put_head(struct in *in, struct delivery *d, const struct parcel *p)
{
	uint64_t *numbers = calloc(p->chunks, sizeof(*numbers));

	if (numbers)
		put_gathered(in, d, p, numbers);
	else
		settle(in, d, SETTLE_NAK, NS_PER_S);
	free(numbers);
}

static bool is_own(const struct in *in, const struct parcel *p)
{
	return in->l->r->kind != KIND_WORK && !strcmp(p->origin, in->l->b->conf->uuid);
}

bool in_expired(struct parcel *p, int64_t age)
{
	if (p->ttl < 0)
		return false;
	p->ttl -= age > 0 ? age : 0;
	return p->ttl <= 0;
}

/* What is not taken, whoever sent it. Return: DROP_NONE if it may be. */
static enum reason check(const struct in *in, const struct delivery *d, struct parcel *p)
{
	enum reason why = parcel_read(p, d->line, d->data, d->size);

	if (why)
		return why;
	if (strcmp(p->realm, in->l->b->conf->realm))
		return DROP_REALM;
	if (p->head && in->l->r->kind != KIND_WORK)
		return DROP_MALFORMED;
	if (p->chunks > 1 && !p->head && in->l->r->kind == KIND_WORK)
		return DROP_MALFORMED;
	return in_expired(p, d->age) ? DROP_EXPIRED : DROP_NONE;
}

static void put(struct in *in, struct delivery *d)
{
	struct parcel p;
	enum reason why = check(in, d, &p);
	enum seen seen;

	if (why == DROP_EXPIRED && p.head) {
		drop_head(in, d, &p, why);
		return;
	}
	if (why) {
		drop(in, d, why);
		return;
	}
	if (is_own(in, &p)) {
		count_more(&in->l->n.own, p.pack ? p.pack : 1);
		settle(in, d, SETTLE_ACK, 0);
		return;
	}
	if (p.pack) {
		put_pack(in, d, &p);
		return;
	}
	seen = window_look(in->l->w, &p);
	if (seen == SEEN_DONE) {
		count(&in->l->n.copies);
		if (p.head)
			purge(in, &p);
		settle(in, d, SETTLE_ACK, 0);
		return;
	}
	if (seen == SEEN_PERHAPS && (p.chunks == 1 || p.head || !p.chunk))
		count(&in->l->n.perhaps);
	if (p.head)
		put_head(in, d, &p);
	else if (p.chunks > 1)
		put_chunk(in, d, &p);
	else
		settle_put(in, d, in_put(in, &p, in_patience(in)));
}

/* Chunks whose others do not come go back, and end when they are old. */
static void look_at_partials(struct in *in)
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

static void opened(struct in *in)
{
	int ring = local_ring(&in->local);

	__atomic_store_n(&in->l->ring, ring, __ATOMIC_RELEASE);
	if (in->local.t && in->l->r->way == WAY_BOTH && ring < 0) {
		lane_trouble(in->l, LANE_IN, "%s: both directions of a topic need kernel or shm",
			     in->l->r->in);
		lose_local(in);
		in->open_at = now_ns() + NS_PER_S;
		return;
	}
	if (in->l->to)
		known_hold(in->l->to, local_depth(&in->local));
	window_settle(in->l->w, in->local.object, local_sent(&in->local));
}

static bool is_ready(struct in *in)
{
	const struct bridge *b = in->l->b;
	char why[ENGINE_TEXT] = "";
	int64_t now = now_ns();

	if (local_is_open(&in->local) && now >= in->look_at) {
		in->look_at = now + NS_PER_S;
		if (local_removed(&in->local, in->l->r->in)) {
			lane_trouble(in->l, LANE_IN, "%s was removed: it is made anew",
				     in->l->r->in);
			lose_local(in);
		}
	}
	if (!local_is_open(&in->local) && now >= in->open_at) {
		in->open_at = now + NS_PER_S;
		if (local_open(&in->local, in->l->r, false))
			lane_trouble(in->l, LANE_IN, "%s: %s", in->l->r->in, ipcx_error());
		else
			opened(in);
	}
	if (!link_up(b)) {
		count_set(&in->l->n.away, b->conf->replicas);
		lane_state(in->l, LANE_IN, "waits for the engine");
	} else if (!in->declared && now >= in->declare_at) {
		in->declare_at = now + NS_PER_S;
		in->declared = !b->ops->declare(b->e, in->l->nr, true, why);
		if (!in->declared)
			lane_trouble(in->l, LANE_IN, "the engine refuses: %s", why);
	}
	return local_is_open(&in->local) && link_up(b) && in->declared;
}

/* Is there room again, after there was none? */
static bool has_room(struct in *in)
{
	struct ipcx_msg m;
	int r;

	if (!in->full)
		return true;
	r = local_loan(&in->local, 1, &m, IPCX_NOWAIT);
	if (!r)
		local_cancel(&in->local, &m);
	if (local_is_gone(r))
		lose_local(in);
	in->full = r == -EAGAIN || r == -ENOMEM || r == -EDQUOT || r == -ENOBUFS;
	return !r;
}

/* Seldom if it takes long: nothing is fetched meanwhile. */
static void tidy(struct in *in)
{
	int64_t start = now_ns(), took;
	int away;

	if (start < in->tidy_at)
		return;
	away = in->l->b->ops->tidy(in->l->b->e, in->l->nr);
	took = now_ns() - start;
	count_set(&in->l->n.away, away >= 0 ? (unsigned int)away : in->l->b->conf->replicas);
	count_set(&in->l->n.asked_ms, took / NS_PER_MS);
	in->tidy_at = start + TIDY_TIME + 10 * took;
}

bool in_is_stale(const struct in *in)
{
	return in->l->r->kind == KIND_WORK &&
	       in->link != __atomic_load_n(&in->l->b->link_count, __ATOMIC_RELAXED);
}

static void give_back(struct in *in, struct delivery *d)
{
	settle(in, d, in_is_stale(in) ? SETTLE_FORGET : SETTLE_NAK, in->full ? NS_PER_S / 2 : 0);
}

void in_give_back_rest(struct in *in)
{
	for (unsigned int i = in->at + 1; i < in->n; i++)
		give_back(in, &in->batch[i]);
	in->n = in->at + 1;
}

static void fetch(struct in *in)
{
	const struct bridge *b = in->l->b;
	struct delivery d[BATCH];
	char why[ENGINE_TEXT] = "";
	int n;

	in->link = __atomic_load_n(&b->link_count, __ATOMIC_RELAXED);
	n = b->ops->fetch(b->e, in->l->nr, d, BATCH, FETCH_MS, why);
	if (n < 0) {
		if (n == -ENXIO)
			in->declared = false;
		if (link_up(b))
			lane_trouble(in->l, LANE_IN, "the engine: %s", why);
		sleep_ms(100);
		return;
	}
	in->batch = d;
	in->n = n;
	for (in->at = 0; in->at < in->n; in->at++) {
		in_progress(in);
		if (in_is_stale(in) || stopping(b) || !local_is_open(&in->local) || in->full)
			give_back(in, &d[in->at]);
		else
			put(in, &d[in->at]);
	}
	in->n = 0;
	if (!in->full && local_is_open(&in->local))
		lane_state(in->l, LANE_IN, "runs");
}

void *in_run(void *lane)
{
	struct lane *l = lane;
	struct in *in = calloc(1, sizeof(*in));
	const struct bridge *b = l->b;
	struct partial *m;

	if (in)
		in->calls = calls_new(l);
	if (!in || !in->calls) {
		lane_trouble(l, LANE_IN, "no memory");
		free(in);
		return NULL;
	}
	in->l = l;
	while (!stopping(b)) {
		bool ready = is_ready(in);

		in_progress(in);
		look_at_partials(in);
		if (ready)
			tidy(in);
		if (ready && has_room(in))
			fetch(in);
		else
			sleep_ms(20);
	}
	while ((m = assembly_stale(&in->partial, INT64_MAX)))
		settle_all(in, m, SETTLE_NAK, 0);
	calls_free(in->calls);
	local_close(&in->local);
	free(in);
	return NULL;
}
