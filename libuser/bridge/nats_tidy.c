// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine NATS JetStream: what nobody wants any more goes out of its streams.
 *
 * A stream that keeps a message while anybody wants it, or a work queue, would do so itself. But in
 * a cluster of nats-server 2.9 the first loses some, and a server that catches up with a work queue
 * has the others throw the stream's state away: it stands still. So streams keep all they get, and
 * the hosts purge.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats.h"

#ifndef SETTLE_S
#define SETTLE_S 30 /* a cluster is in step, before what all have goes: each host has looked */
#endif
#ifndef SWEEP_S
#define SWEEP_S 600 /* well above the time in which a sender begins anew */
#endif

/* How many servers of a stream or consumer are not there, or not as far as its leader? */
static int servers_away(const jsClusterInfo *c)
{
	int away = 0;

	if (!c)
		return 0; /* there is one */
	for (int i = 0; i < c->ReplicasLen; i++)
		away += !c->Replicas[i]->Current || c->Replicas[i]->Offline;
	return away + !(c->Leader && c->Leader[0]);
}

static bool look_at_stream(struct engine *e, struct route *t, jsOptions *o, struct progress *p)
{
	jsStreamInfo *info = NULL;

	if (js_GetStreamInfo(&info, e->js, t->stream, o, NULL) != NATS_OK)
		return false;
	__atomic_store_n(&t->replicas, info->Config->Replicas, __ATOMIC_RELAXED);
	p->away = servers_away(info->Cluster);
	p->created = info->Created;
	p->first = info->State.FirstSeq;
	p->last = info->State.LastSeq;
	jsStreamInfo_Destroy(info);
	return !p->away;
}

static bool look_at_consumer(struct engine *e, const struct route *t, const char *name,
			     jsOptions *o, struct progress *p)
{
	jsConsumerInfo *c = NULL;
	bool told = js_GetConsumerInfo(&c, e->js, t->stream, name, o, NULL) == NATS_OK;
	bool good = told && !servers_away(c->Cluster);

	if (told && !strcmp(name, t->durable) && c->Cluster && c->Cluster->Leader)
		snprintf(p->leader, sizeof(p->leader), "%s", c->Cluster->Leader);
	if (good && !strcmp(name, t->durable)) {
		p->there = true;
		p->own = c->Delivered.Stream;
		p->had = c->AckFloor.Stream;
		p->began = c->Config->OptStartSeq;
		p->rests = !c->NumPending;
	}
	if (good && !strcmp(name, t->keeper))
		p->kept = c->Config->OptStartSeq ? c->Config->OptStartSeq : 1;
	if (good && c->Delivered.Stream > p->told)
		p->told = c->Delivered.Stream;
	if (good && c->AckFloor.Stream < p->floor)
		p->floor = c->AckFloor.Stream;
	if (good && (c->NumPending || c->NumAckPending))
		p->idle = false;
	jsConsumerInfo_Destroy(c);
	return good;
}

/* What was stored after those who take have told is not had, so the stream comes last. */
static struct progress look(struct engine *e, struct route *t)
{
	struct progress p = { .floor = UINT64_MAX, .idle = true, .away = -1 }, none = { 0 };
	jsConsumerNamesList *names = NULL;
	bool good;
	jsOptions o;

	jsOptions_Init(&o);
	o.Wait = NATS_WAIT_MS;
	good = e->js && js_ConsumerNames(&names, e->js, t->stream, &o, NULL) == NATS_OK && names &&
	       names->Count;
	for (int i = 0; good && i < names->Count; i++)
		good = look_at_consumer(e, t, names->List[i], &o, &p);
	if (e->js && !look_at_stream(e, t, &o, &p))
		good = false;
	jsConsumerNamesList_Destroy(names);
	none.away = p.away;
	strcpy(none.leader, p.leader);
	return good ? p : none;
}

/* A stream that was made anew, or is one of an earlier time, has other messages at the numbers. */
static void forget_another(struct engine *e, struct route *t, const struct progress *p)
{
	pthread_mutex_lock(&e->tidy_lock);
	if (p->created && (p->created != t->created || p->last < t->mark[1])) {
		t->created = p->created;
		t->floor = 0;
		t->mark[0] = 0;
		t->mark[1] = 0;
		t->chunk = 0;
	}
	pthread_mutex_unlock(&e->tidy_lock);
}

/* The number of the first chunk beside its head, 0 for none. Return: whether it is told */
static bool first_chunk(struct engine *e, const struct route *t, uint64_t *first)
{
	char subject[NATS_NAME + 32], request[NATS_NAME + 64];
	natsMsg *reply = NULL;
	const char *at;

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s", t->stream);
	snprintf(request, sizeof(request), "{\"seq\":1,\"next_by_subj\":\"%s.c.>\"}", t->subject);
	if (natsConnection_RequestString(&reply, e->nc, subject, request, NATS_GET_MS) != NATS_OK)
		return false;
	at = strstr(natsMsg_GetData(reply), "\"seq\":");
	*first = at ? strtoull(at + strlen("\"seq\":"), NULL, 10) : 0;
	if (!at)
		at = strstr(natsMsg_GetData(reply), "\"err_code\":10037"); /* there is none */
	natsMsg_Destroy(reply);
	return at;
}

/*
 * Chunks before a head that is had may be of one that is not. What has been had of them was
 * removed, so it ends before the first that is there. That is asked for only when it may be
 * another one, for its bytes come along.
 */
static uint64_t before_chunks(struct engine *e, struct route *t, const struct progress *p,
			      uint64_t floor)
{
	uint64_t chunk;

	pthread_mutex_lock(&e->tidy_lock);
	chunk = t->chunk;
	pthread_mutex_unlock(&e->tidy_lock);
	if (floor < p->first || floor < chunk)
		return floor;
	if (chunk < p->first) {
		if (!first_chunk(e, t, &chunk))
			return 0;
		pthread_mutex_lock(&e->tidy_lock);
		t->chunk = chunk;
		pthread_mutex_unlock(&e->tidy_lock);
	}
	return chunk && chunk <= floor ? chunk - 1 : floor;
}

/*
 * How far a purge may go. In a cluster of nats-server 2.9 a purge while leaders change loses what
 * one host has not got. So it must have been in step for a while, and what counts is the least that
 * was told meanwhile.
 */
static uint64_t settled(struct engine *e, struct route *t, uint64_t floor)
{
	uint64_t purge = floor;
	int64_t now = nats_now_s();

	if (nats_one_server(t))
		return floor;
	pthread_mutex_lock(&e->tidy_lock);
	if (floor && t->floor && t->floor < floor)
		floor = t->floor;
	if (!floor || !t->floor)
		t->floor_since = now;
	t->floor = floor;
	if (!floor || now - t->floor_since < SETTLE_S) {
		purge = 0;
	} else {
		t->floor = purge;
		t->floor_since = now;
		purge = floor;
	}
	pthread_mutex_unlock(&e->tidy_lock);
	return purge;
}

/*
 * Of work: chunks whose head has never come, for their sender was killed, or that stayed when their
 * message went. Those that are older than the last mark but one are; the heads of these, if any,
 * came before the last one, and all up to there are had.
 */
static uint64_t orphans(struct engine *e, struct route *t, const struct progress *p)
{
	int64_t now = nats_now_s();
	uint64_t purge = 0;

	pthread_mutex_lock(&e->tidy_lock);
	if (now >= t->mark_at && (p->idle || p->floor >= t->mark[1])) {
		purge = t->mark[0];
		t->mark[0] = t->mark[1];
		t->mark[1] = p->last;
		t->mark_at = now + SWEEP_S;
	}
	pthread_mutex_unlock(&e->tidy_lock);
	return purge;
}

static void purge(struct engine *e, const struct route *t, uint64_t last)
{
	jsOptions o;

	jsOptions_Init(&o);
	o.Wait = NATS_WAIT_MS;
	o.Stream.Purge.Sequence = last + 1; /* before this */
	js_PurgeStream(e->js, t->stream, &o, NULL);
}

/* A server that is alone has lost the last messages: nothing may go until all are made anew */
static bool is_ahead(const struct route *t, const struct progress *p)
{
	return p->told > p->last && nats_one_server(t);
}

int nats_tidy(struct engine *e, unsigned int rule, struct anew *anew)
{
	struct route *t = &e->route[rule];
	enum kind kind = e->conf->rule[rule].kind;
	struct progress p;
	uint64_t floor = 0, old = 0;
	bool one, waits;

	pthread_rwlock_rdlock(&e->lock);
	p = look(e, t);
	forget_another(e, t, &p);
	waits = anew && nats_anew(e, rule, &p, anew);
	if (waits || is_ahead(t, &p)) {
		p.floor = 0;
		p.idle = false;
	}
	one = nats_one_server(t);
	if (kind != KIND_LATEST)
		floor = settled(e, t, p.floor);
	if (kind == KIND_WORK && (floor || one)) {
		old = orphans(e, t, &p);
		if (floor > old)
			floor = before_chunks(e, t, &p, floor);
	}
	floor = floor > old ? floor : old;
	/* with an empty stream no server of a cluster catches up that was away */
	if (floor >= p.last)
		floor = one ? p.last : p.last - 1;
	if (floor >= p.first && p.last)
		purge(e, t, floor);
	pthread_rwlock_unlock(&e->lock);
	return p.away;
}
