// SPDX-License-Identifier: GPL-2.0-only
/*
 * NATS JetStream: parcels to it and from it.
 *
 * Each parcel published has a subject of its own for the server's reply, in which rule and cookie
 * are: so as many as wanted are on their way, and nothing is kept here for any.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nats.h"

#define FLUSH_MS 20 /* for the server to say that it has it */
#define MSG_ID "Nats-Msg-Id"

/* The server's error codes that mean something else than: try again */
#define NATS_TOO_LONG 10054 /* message size exceeds maximum allowed */
#define NATS_NO_STREAM 10059

static void chunk_subject(const struct route *t, const struct parcel *p, char *to, size_t room)
{
	uint32_t hash[3];

	parcel_hash(p->id, hash);
	snprintf(to, room, "%s.c.%08x%08x%08x.%u", t->subject, hash[0], hash[1], hash[2], p->chunk);
}

static void subject_of(const struct engine *e, unsigned int rule, const struct parcel *p, char *to,
		       size_t room)
{
	const struct route *t = &e->route[rule];

	if (p->chunks == 1 || p->head)
		snprintf(to, room, "%s.m", t->subject);
	else if (e->conf->rule[rule].kind == KIND_LATEST) /* one of each number stays */
		snprintf(to, room, "%s.c.%u", t->subject, p->chunk);
	else
		chunk_subject(t, p, to, room);
}

static void msg_id(const struct parcel *p, char *to, size_t room)
{
	if (p->chunks == 1 || p->head)
		snprintf(to, room, "%s", p->id);
	else
		snprintf(to, room, "%s/%u/%u/%u", p->id, p->chunk, p->chunks, p->round);
}

static natsStatus make_msg(natsMsg **m, const char *subject, const char *reply,
			   const struct parcel *p, bool with_id)
{
	char line[PARCEL_LINE], id[PARCEL_ID + 40];
	natsStatus s;

	if (parcel_write(p, line) < 0)
		return NATS_INVALID_ARG;
	s = natsMsg_Create(m, subject, reply, p->data, (int)p->size);
	if (s != NATS_OK)
		return s;
	msg_id(p, id, sizeof(id));
	s = natsMsgHeader_Set(*m, PARCEL_HEADER, line);
	if (s == NATS_OK && with_id)
		s = natsMsgHeader_Set(*m, MSG_ID, id);
	if (s != NATS_OK)
		natsMsg_Destroy(*m);
	return s;
}

static int publish(struct engine *e, unsigned int rule, const struct parcel *p, uint64_t cookie)
{
	char subject[NATS_NAME + 48], reply[sizeof(e->inbox) + 48];
	natsMsg *m;
	natsStatus s;

	subject_of(e, rule, p, subject, sizeof(subject));
	pthread_rwlock_rdlock(&e->lock);
	snprintf(reply, sizeof(reply), "%s.%u.%" PRIx64, e->inbox, rule, cookie);
	s = e->nc ? make_msg(&m, subject, reply, p, true) : NATS_CONNECTION_CLOSED;
	if (s == NATS_OK) {
		s = natsConnection_PublishMsg(e->nc, m);
		natsMsg_Destroy(m);
	}
	pthread_rwlock_unlock(&e->lock);
	return s == NATS_OK ? 0 : -EIO;
}

/* The library gathers for a millisecond; only this makes it write at once. */
static void flush(struct engine *e)
{
	pthread_rwlock_rdlock(&e->lock);
	if (e->nc)
		natsConnection_FlushTimeout(e->nc, FLUSH_MS);
	pthread_rwlock_unlock(&e->lock);
}

/* {"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},...} */
static int reply_error(const char *text, char why[ENGINE_TEXT])
{
	const char *code = strstr(text, "\"err_code\":"),
		   *words = strstr(text, "\"description\":\"");
	int nr = code ? atoi(code + strlen("\"err_code\":")) : 0;

	snprintf(why, ENGINE_TEXT, "the server says nothing more");
	if (words) {
		words += strlen("\"description\":\"");
		snprintf(why, ENGINE_TEXT, "%.*s", (int)strcspn(words, "\""), words);
	}
	return nr == NATS_TOO_LONG ? -EMSGSIZE : nr == NATS_NO_STREAM ? -ENXIO : -EAGAIN;
}

void nats_stored(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *engine)
{
	struct engine *e = engine;
	const char *at = strrchr(natsMsg_GetSubject(msg), '.');
	char text[1024], why[ENGINE_TEXT] = "";
	int err = 0, n = natsMsg_GetDataLength(msg);
	uint64_t cookie;

	(void)nc;
	(void)sub;
	if (at) {
		const char *rule = at;

		cookie = strtoull(at + 1, NULL, 16);
		while (rule > natsMsg_GetSubject(msg) && rule[-1] != '.')
			rule--;
		snprintf(text, sizeof(text), "%.*s", n,
			 natsMsg_GetData(msg) ? natsMsg_GetData(msg) : "");
		if (natsMsg_IsNoResponders(msg)) {
			err = -ENXIO;
			strcpy(why, "there is no stream, or JetStream does not run");
		} else if (strstr(text, "\"error\":")) {
			err = reply_error(text, why);
		}
		e->events.stored(e->events.arg, atoi(rule), cookie, err, why);
	}
	natsMsg_Destroy(msg);
}

void nats_answered(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *engine)
{
	struct engine *e = engine;
	const char *line;

	(void)nc;
	(void)sub;
	if (natsMsgHeader_Get(msg, PARCEL_HEADER, &line) == NATS_OK &&
	    natsMsg_GetDataLength(msg) >= 0)
		e->events.answered(e->events.arg, line, natsMsg_GetData(msg),
				   natsMsg_GetDataLength(msg));
	natsMsg_Destroy(msg);
}

/* $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.SEQ.TIME.PENDING, or with two more before the stream */
static int64_t age_of(natsMsg *m)
{
	const char *t = natsMsg_GetReply(m);
	int dots = 0, want;
	struct timespec now;
	int64_t time;

	if (!t)
		return 0;
	for (const char *c = t; *c; c++)
		dots += *c == '.';
	want = dots > 8 ? 9 : 7;
	for (; *t && want; t++)
		want -= *t == '.';
	time = strtoll(t, NULL, 10);
	clock_gettime(CLOCK_REALTIME, &now);
	return time > 0 ? now.tv_sec * INT64_C(1000000000) + now.tv_nsec - time : 0;
}

static void fill_delivery(struct delivery *d, natsMsg *m)
{
	if (natsMsgHeader_Get(m, PARCEL_HEADER, &d->line) != NATS_OK)
		d->line = "";
	d->data = natsMsg_GetData(m);
	d->size = natsMsg_GetDataLength(m);
	d->age = age_of(m);
	d->handle = m;
}

static int fetch(struct engine *e, unsigned int rule, struct delivery *d, unsigned int n, int ms,
		 char why[ENGINE_TEXT])
{
	natsMsgList list = { 0 };
	natsStatus s = NATS_INVALID_SUBSCRIPTION;
	unsigned int got = 0;

	pthread_rwlock_rdlock(&e->lock);
	if (e->route[rule].sub)
		s = natsSubscription_Fetch(&list, e->route[rule].sub, n, ms, NULL);
	if (s != NATS_OK && s != NATS_TIMEOUT) {
		const char *text = nats_GetLastError(NULL);

		snprintf(why, ENGINE_TEXT, "%s", text && *text ? text : natsStatus_GetText(s));
	}
	pthread_rwlock_unlock(&e->lock);
	if (s == NATS_TIMEOUT)
		return 0;
	if (s != NATS_OK)
		return -ENXIO;
	for (int i = 0; i < list.Count && got < n; i++) {
		fill_delivery(&d[got++], list.Msgs[i]);
		list.Msgs[i] = NULL; /* it is the delivery's now */
	}
	natsMsgList_Destroy(&list);
	return got;
}

static void settle(struct engine *e, struct delivery *d, enum settle how, int64_t delay)
{
	natsMsg *m = d->handle;

	pthread_rwlock_rdlock(&e->lock);
	switch (how) {
	case SETTLE_ACK:
		natsMsg_Ack(m, NULL);
		break;
	case SETTLE_NAK:
		if (delay)
			natsMsg_NakWithDelay(m, delay / 1000000, NULL);
		else
			natsMsg_Nak(m, NULL);
		break;
	case SETTLE_TERM:
		natsMsg_Term(m, NULL);
		break;
	case SETTLE_PROGRESS:
		natsMsg_InProgress(m, NULL);
		break;
	case SETTLE_FORGET:
		break;
	}
	pthread_rwlock_unlock(&e->lock);
	if (how == SETTLE_PROGRESS)
		return;
	natsMsg_Destroy(m);
	d->handle = NULL;
}

static int get(struct engine *e, unsigned int rule, const char *id, uint32_t chunk,
	       struct delivery *d)
{
	struct parcel p = { .chunks = 2, .chunk = chunk };
	char subject[NATS_NAME + 48];
	natsMsg *m = NULL;
	natsStatus s;

	snprintf(p.id, sizeof(p.id), "%s", id);
	subject_of(e, rule, &p, subject, sizeof(subject));
	pthread_rwlock_rdlock(&e->lock);
	s = e->js ? js_GetLastMsg(&m, e->js, e->route[rule].stream, subject, NULL, NULL) :
		    NATS_CONNECTION_CLOSED;
	pthread_rwlock_unlock(&e->lock);
	if (s != NATS_OK)
		return s == NATS_NOT_FOUND ? -ENOENT : -EIO;
	fill_delivery(d, m);
	return 0;
}

static void purge(struct engine *e, unsigned int rule, const char *id)
{
	struct parcel p = { .chunks = 2 };
	char subject[NATS_NAME + 48];
	jsOptions o;

	snprintf(p.id, sizeof(p.id), "%s", id);
	subject_of(e, rule, &p, subject, sizeof(subject));
	strcpy(strrchr(subject, '.'), ".>");
	jsOptions_Init(&o);
	o.Stream.Purge.Subject = subject;
	pthread_rwlock_rdlock(&e->lock);
	if (e->js)
		js_PurgeStream(e->js, e->route[rule].stream, &o, NULL);
	pthread_rwlock_unlock(&e->lock);
}

static int answer(struct engine *e, const char *origin, const struct parcel *p)
{
	char to[ANSWER_SUBJECT];
	natsMsg *m;
	natsStatus s;

	pthread_rwlock_rdlock(&e->lock);
	nats_answers_to(to, e->conf, origin);
	s = e->nc ? make_msg(&m, to, NULL, p, false) : NATS_CONNECTION_CLOSED;
	if (s == NATS_OK) {
		s = natsConnection_PublishMsg(e->nc, m);
		natsMsg_Destroy(m);
	}
	if (s == NATS_OK)
		s = natsConnection_FlushTimeout(e->nc, FLUSH_MS);
	pthread_rwlock_unlock(&e->lock);
	return s == NATS_OK ? 0 : -EIO;
}

static size_t payload_max(struct engine *e)
{
	return __atomic_load_n(&e->payload, __ATOMIC_RELAXED);
}

const struct engine_ops engine_nats = {
	.name = "nats",
	.connect = nats_begin,
	.declare = nats_declare,
	.publish = publish,
	.flush = flush,
	.fetch = fetch,
	.settle = settle,
	.get = get,
	.purge = purge,
	.tidy = nats_tidy,
	.answer = answer,
	.payload_max = payload_max,
	.close = nats_end,
};
