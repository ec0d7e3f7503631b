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
#define LATE (2 * PROGRESS) /* to tell it: this process, or the machine, stood still */
#define TIDY_TIME (2 * NS_PER_S)
#define TIDY_REST (20 * NS_PER_S) /* more than TIDY_TIME, at most, where it takes long */

/* What was fetched when it was old already is no other host's yet when this one is not late. */
_Static_assert(LATE < (ENGINE_ACK_MS - ENGINE_OLD_MS) * NS_PER_MS, "who is late knows it in time");

static bool is_late(const struct in *in)
{
	return in->late || since_boot() - in->told_at > LATE;
}

bool in_is_stale(const struct in *in)
{
	const struct bridge *b = in->l->b;
	bool broke = !link_up(b) || in->link != __atomic_load_n(&b->link_count, __ATOMIC_RELAXED);

	return in->l->r->kind == KIND_WORK && (broke || is_late(in));
}

/* What another host has got by now is not given back: a third one would get it, too. */
void in_settle(struct in *in, struct delivery *d, enum settle how, int64_t delay)
{
	if (how == SETTLE_NAK && in_is_stale(in))
		how = SETTLE_FORGET;
	in->l->b->ops->settle(in->l->b->e, d, how, delay);
}

void in_count_returned(struct in *in)
{
	count_more(&in->l->n.returned, !in_is_stale(in));
}

void in_drop(struct in *in, struct delivery *d, enum reason why)
{
	lane_drop(in->l, why);
	in_settle(in, d, SETTLE_TERM, 0);
}

void in_progress(struct in *in)
{
	int64_t now = since_boot();

	if (now < in->progress_at)
		return;
	in->progress_at = now + PROGRESS;
	in->late = is_late(in);
	in->told_at = now;
	for (unsigned int i = in->at; i < in->n; i++)
		if (in->batch[i].handle)
			in_settle(in, &in->batch[i], SETTLE_PROGRESS, 0);
	for (struct partial *m = in->partial.first; m; m = m->next)
		for (uint32_t i = 0; i < m->p.chunks; i++)
			if (m->held[i])
				in_settle(in, m->held[i], SETTLE_PROGRESS, 0);
}

static void lose_local(struct in *in)
{
	__atomic_store_n(&in->l->ring, -1, __ATOMIC_RELEASE);
	calls_forget(in->calls);
	local_close(&in->local);
	in->full = false; /* the next one is empty, and may be less deep */
	in->needs = 0;
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

void in_tell_failed(struct in *in, int err)
{
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
}

enum settle in_failed(struct in *in, int err, int64_t age, bool *drops)
{
	*drops = err == -EMSGSIZE && !in_others_may(in, age);
	if (*drops)
		return SETTLE_TERM;
	in_tell_failed(in, err);
	in_count_returned(in);
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

/* Differs: in step with the fetches here no other host would ever get it. */
int64_t in_delay_of_return(void)
{
	return NS_PER_S / 2 + now_ns() % (FETCH_MS * NS_PER_MS);
}

/* @err: 0 if it is in the queue */
static void settle_put(struct in *in, struct delivery *d, int err)
{
	bool drops = false;
	enum settle how = err ? in_failed(in, err, d->age, &drops) : SETTLE_ACK;

	if (drops)
		in_drop(in, d, DROP_OVERSIZED);
	else
		in_settle(in, d, how, err ? in_delay_of_return() : 0);
}

static void put_one(struct in *in, struct delivery *d, const struct parcel *p)
{
	int r = in_put(in, p, in_patience(in));

	if (!r && p->call)
		calls_ack(in->calls, d);
	else
		settle_put(in, d, r);
}

static void put_pack(struct in *in, struct delivery *d, const struct parcel *pack)
{
	struct parcel p[PACK_MAX];
	enum reason why = pack_read(pack, p);

	if (why)
		in_drop(in, d, why);
	else
		settle_put(in, d, in_put_pack(in, p, pack->pack, d->age));
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
	return DROP_NONE;
}

static void put(struct in *in, struct delivery *d)
{
	struct parcel p;
	enum reason why = check(in, d, &p);
	enum seen seen;

	if (why) {
		in_drop(in, d, why);
		return;
	}
	if (is_own(in, &p)) {
		count_more(&in->l->n.own, p.pack ? p.pack : 1);
		in_settle(in, d, SETTLE_ACK, 0);
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
			in_purge(in, &p);
		in_settle(in, d, SETTLE_ACK, 0);
		return;
	}
	if (in_expired(&p, d->age)) {
		if (p.head)
			in_drop_head(in, d, &p, DROP_EXPIRED);
		else
			in_drop(in, d, DROP_EXPIRED);
		return;
	}
	if (seen == SEEN_PERHAPS && (p.chunks == 1 || p.head || !p.chunk))
		count(&in->l->n.perhaps);
	if (p.head)
		in_put_head(in, d, &p);
	else if (p.chunks > 1)
		in_put_chunk(in, d, &p);
	else
		put_one(in, d, &p);
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
	in->depth = local_depth(&in->local);
	if (in->l->to)
		known_hold(in->l->to, in->depth);
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
		in->tidy_at = 0; /* it may have lost something */
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
	if (in->needs && now_ns() < in->needs_until && local_room(&in->local) < in->needs)
		return false;
	in->needs = 0;
	r = local_loan(&in->local, 1, &m, IPCX_NOWAIT);
	if (!r)
		local_cancel(&in->local, &m);
	if (local_is_gone(r))
		lose_local(in);
	in->full = r == -EAGAIN || r == -ENOMEM || r == -EDQUOT || r == -ENOBUFS;
	return !r;
}

/* More seldom if it takes long: nothing is fetched meanwhile. */
static void tidy(struct in *in)
{
	int64_t start = now_ns(), end, took;
	struct anew anew = { .begun = false };
	int away;

	if (start < in->tidy_at)
		return;
	away = in->l->b->ops->tidy(in->l->b->e, in->l->nr, &anew);
	if (anew.begun) /* the engine may have given their numbers to others */
		in_partials_end(in, SETTLE_FORGET);
	if (anew.why[0] && strcmp(anew.why, in->told)) {
		lane_trouble(in->l, LANE_IN, "the engine: %s", anew.why);
		strcpy(in->told, anew.why);
	}
	end = now_ns();
	took = end - start;
	count_set(&in->l->n.away, away >= 0 ? (unsigned int)away : in->l->b->conf->replicas);
	count_set(&in->l->n.asked_ms, took / NS_PER_MS);
	in->tidy_at = end + TIDY_TIME + (10 * took < TIDY_REST ? 10 * took : TIDY_REST);
}

static void give_back(struct in *in, struct delivery *d)
{
	in_count_returned(in);
	in_settle(in, d, SETTLE_NAK, in->full ? in_delay_of_return() : 0);
}

void in_give_back_rest(struct in *in)
{
	for (unsigned int i = in->at + 1; i < in->n; i++)
		give_back(in, &in->batch[i]);
	in->n = in->at + 1;
}

/* What has no room here is for others; of other kinds there are none. */
static unsigned int batch_of(const struct in *in)
{
	bool shallow = in->depth && in->depth < BATCH;

	return shallow && in->l->r->kind == KIND_WORK ? in->depth : BATCH;
}

static void fetch(struct in *in)
{
	const struct bridge *b = in->l->b;
	struct delivery d[BATCH];
	char why[ENGINE_TEXT] = "";
	int n;

	in->link = __atomic_load_n(&b->link_count, __ATOMIC_RELAXED);
	in->told_at = since_boot();
	in->late = false;
	n = b->ops->fetch(b->e, in->l->nr, d, batch_of(in), FETCH_MS, why);
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
		in_look_at_partials(in);
		if (ready)
			tidy(in);
		if (ready && has_room(in))
			fetch(in);
		else
			sleep_ms(20);
	}
	in_partials_end(in, SETTLE_NAK);
	calls_free(in->calls);
	local_close(&in->local);
	free(in);
	return NULL;
}
