// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine NATS JetStream: a consumer that may have left something out is made anew.
 *
 * A server that is alone may lose the last messages, and not that a consumer gave them: it would
 * never give those that get their numbers. And a server of a cluster of nats-server 2.9 that comes
 * back may leave out a message that the others store, say that it is in step, and number those
 * behind it by one less: consumers that it leads do not give that one, nor do they when another
 * one leads them. Others have it yet when this is seen.
 *
 * The new consumer begins some messages before what was had; the window knows these. It does so of
 * latest, too: what of a long message is still stored would come as if it were new. Of work, where
 * one consumer is of all hosts, it begins with the first one: some jobs are done twice.
 */
#include <stdio.h>
#include <string.h>

#include "nats.h"
#include "window.h"

#define BEHIND_S 5 /* a consumer that rests for so long before the last message stays there */
#define BACK_MAX (WINDOW / PACK_MAX / 2) /* messages: the window has room for as many ids again */
#define TRIES_MAX 8
#define PAUSE_S 600 /* then it is told, and tried again */

static bool has_keeper(enum kind kind)
{
	return kind == KIND_FANOUT || kind == KIND_RELIABLE; /* nothing else waits for a host */
}

/*
 * Traffic alone moves the last message between two words. So a consumer is behind if it knows of
 * no more to give, and has not given what anybody knew of at the look before.
 */
static bool rests_behind(struct route *t, struct progress *p)
{
	int64_t now = nats_now_s();

	p->behind = t->top_of == p->created && p->rests && p->own < t->top;
	if (!p->behind)
		t->behind_since = now;
	t->top_of = p->created;
	t->top = p->told > p->last ? p->told : p->last;
	return now - t->behind_since >= BEHIND_S;
}

static bool is_in_doubt(struct engine *e, unsigned int rule, struct progress *p)
{
	struct route *t = &e->route[rule];

	if (nats_one_server(t))
		return p->own > p->last;
	if (!p->leader[0] || e->conf->rule[rule].kind == KIND_WORK)
		return false;
	if (rests_behind(t, p)) {
		strcpy(t->doubted, p->leader);
		return true;
	}
	if (t->leader[0] && strcmp(t->leader, p->leader)) {
		strcpy(t->doubted, t->leader);
		return true;
	}
	strcpy(t->leader, p->leader);
	if (!strcmp(t->doubted, p->leader)) /* the new one is led by it, too */
		return true;
	t->doubted[0] = '\0';
	return false;
}

static natsStatus delete_consumer(struct engine *e, const struct route *t, const char *name)
{
	jsErrCode code = 0;
	jsOptions o;
	natsStatus s;

	jsOptions_Init(&o);
	o.Wait = NATS_WAIT_MS;
	s = js_DeleteConsumer(e->js, t->stream, name, &o, &code);
	return code == JSConsumerNotFoundErr ? NATS_OK : s;
}

/* Where a new consumer begins. A keeper knows that of who was killed. */
static uint64_t start_of(enum kind kind, const struct route *t, const struct progress *p)
{
	uint64_t had = p->had < p->last ? p->had : p->last;
	uint64_t back = had < BACK_MAX ? 1 : had + 1 - BACK_MAX;

	if (kind == KIND_WORK)
		return 0;
	if (nats_one_server(t)) /* numbers were lost and given again: those since the keeper, too */
		return p->kept && p->kept < back ? p->kept : back;
	if (p->began > back && p->began <= p->last) /* what is before that one was had by then */
		back = p->began;
	return p->kept > back ? p->kept : back; /* since it was made more may be had than fits */
}

/*
 * One that is not settled holds back what is had: those behind it would not all be known. But what
 * gets numbers that were lost would be lost, too, once as many are stored.
 */
static bool must_wait(enum kind kind, const struct route *t, const struct progress *p)
{
	return has_keeper(kind) && !nats_one_server(t) && p->own > p->had + BACK_MAX;
}

/*
 * Nobody purges behind a keeper, so it comes first and goes last, whoever is killed in between. But
 * who may not delete one must not make one: that is tried before.
 */
static natsStatus make_anew(struct engine *e, unsigned int rule, struct progress *p)
{
	struct route *t = &e->route[rule];
	enum kind kind = e->conf->rule[rule].kind;
	uint64_t start = start_of(kind, t, p);
	natsStatus s = NATS_OK;

	if (has_keeper(kind) && !p->kept) {
		s = delete_consumer(e, t, t->keeper);
		if (s == NATS_OK)
			s = nats_make_consumer(e, rule, t->keeper, start);
		if (s == NATS_OK)
			p->kept = start;
	}
	if (s == NATS_OK)
		s = delete_consumer(e, t, t->durable);
	if (s == NATS_OK)
		s = nats_make_consumer(e, rule, t->durable, start);
	if (s != NATS_OK)
		return s;
	t->leader[0] = '\0';
	t->behind_since = nats_now_s();
	return nats_hear_anew(e, rule);
}

/* Is it that this user may not do so? The server's word on that comes apart from the answer. */
static bool is_refused(struct engine *e, const struct route *t, const char **words)
{
	natsConnection_GetLastError(e->nc, words);
	return *words && strstr(*words, "ermissions") && strstr(*words, t->stream) &&
	       strstr(*words, t->durable);
}

static void tell(struct engine *e, const struct route *t, natsStatus s, bool keeps,
		 char why[ENGINE_TEXT])
{
	const char *words = NULL;

	if (s == NATS_OK)
		words = "each server that leads its consumer lacks some";
	else if (!is_refused(e, t, &words))
		words = natsStatus_GetText(s);
	snprintf(why, ENGINE_TEXT, "%swhat a server may have left out does not come: %s",
		 keeps ? "nobody purges while there is a keeper, and " : "", words);
}

static void give_up(struct engine *e, struct route *t, natsStatus s, struct progress *p,
		    char why[ENGINE_TEXT])
{
	if (s == NATS_OK && delete_consumer(e, t, t->keeper) == NATS_OK)
		p->kept = 0;
	tell(e, t, s, p->kept, why);
	t->tries = 0;
	t->pause_until = nats_now_s() + PAUSE_S;
}

/* A leader that was there between two looks that tell all, too, takes over what it has not got. */
static void note_leader(struct engine *e, unsigned int rule, const struct progress *p)
{
	struct route *t = &e->route[rule];

	if (e->conf->rule[rule].kind != KIND_WORK && p->leader[0] && t->leader[0] &&
	    strcmp(t->leader, p->leader))
		strcpy(t->doubted, t->leader);
}

bool nats_anew(struct engine *e, unsigned int rule, struct progress *p, struct anew *anew)
{
	struct route *t = &e->route[rule];
	bool doubt = p->created && is_in_doubt(e, rule, p);
	bool pause = nats_now_s() < t->pause_until;
	const char *words = NULL;
	natsStatus s;

	if (!p->created) {
		note_leader(e, rule, p);
		return p->behind;
	}
	if (!doubt && !p->kept) {
		if (!p->behind)
			t->tries = 0;
		return p->behind;
	}
	if (t->anew && p->kept && p->there && (!doubt || pause)) {
		s = delete_consumer(e, t, t->keeper);
		if (s == NATS_OK || pause)
			return true;
	} else {
		if (pause)
			return false;
		if (must_wait(e->conf->rule[rule].kind, t, p))
			return true;
		anew->begun = true;
		s = make_anew(e, rule, p);
		t->anew = s == NATS_OK;
	}
	t->tries++;
	if (t->tries >= TRIES_MAX || (s != NATS_OK && is_refused(e, t, &words)))
		give_up(e, t, s, p, anew->why);
	return true;
}
