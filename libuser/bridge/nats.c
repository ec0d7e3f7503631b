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

#define MSG_ID "Nats-Msg-Id"
#define ANSWER_MS 500 /* within which the server says that a request has ended */
#define CHUNK_MS 1000 /* to store or purge a chunk, well within ENGINE_ACK_MS */
#define BACK_MS 2500 /* after it was asked for: with the time of that well within ENGINE_ACK_MS */
#define GONE_BYTES (128 << 10) /* of messages that wait to be freed */

/* The server's error codes that mean something else than: try again */
#define NATS_TOO_LONG 10054 /* message size exceeds maximum allowed */
#define NATS_NO_STREAM 10059

/* @of: what they are apart from others by */
static void chunk_subject(const struct route *t, const struct parcel *p, const char *of, char *to,
			  size_t room)
{
	uint32_t hash[3];

	parcel_hash(of, hash);
	snprintf(to, room, "%s.c.%08x%08x%08x.%u", t->subject, hash[0], hash[1], hash[2], p->chunk);
}

static void subject_of(const struct engine *e, unsigned int rule, const struct parcel *p, char *to,
		       size_t room)
{
	const struct route *t = &e->route[rule];

	if (p->chunks == 1 || p->head)
		snprintf(to, room, "%s.m", t->subject);
	else if (e->conf->rule[rule].kind == KIND_LATEST) /* those of one message of a host stay */
		chunk_subject(t, p, p->origin, to, room);
	else
		chunk_subject(t, p, p->id, to, room);
}

/*
 * A server knows an id also of what was taken away from it. So chunks of a process before this one
 * are not taken for these; heads are, for behind a head all is there.
 */
static void msg_id(const struct engine *e, const struct parcel *p, char *to, size_t room)
{
	if (p->pack) /* its first message may go alone, or with others, another time */
		snprintf(to, room, "%s+%08x/%u", p->id, p->members, p->round);
	else if ((p->chunks == 1 || p->head) && !p->round)
		snprintf(to, room, "%s", p->id);
	else if (p->chunks == 1 || p->head)
		snprintf(to, room, "%s/%u/%u/%u", p->id, p->chunk, p->chunks, p->round);
	else
		snprintf(to, room, "%s/%u/%u/%u/%08x", p->id, p->chunk, p->chunks, p->round,
			 e->life);
}

void nats_free_gone(struct engine *e)
{
	while (e->ngone)
		natsMsg_Destroy(e->gone[--e->ngone]);
	e->gone_bytes = 0;
}

/* The library has a thread that frees messages: it is woken for many of them, not for each. */
static void done_with(struct engine *e, natsMsg *m)
{
	pthread_mutex_lock(&e->gone_lock);
	e->gone[e->ngone++] = m;
	e->gone_bytes += natsMsg_GetDataLength(m);
	if (e->ngone >= e->gone_max || e->gone_bytes > GONE_BYTES)
		nats_free_gone(e);
	pthread_mutex_unlock(&e->gone_lock);
}

static natsStatus make_msg(const struct engine *e, natsMsg **m, const char *subject,
			   const char *reply, const struct parcel *p, bool with_id)
{
	char line[PARCEL_LINE], id[PARCEL_ID + 52];
	natsStatus s;

	if (parcel_write(p, line) < 0)
		return NATS_INVALID_ARG;
	s = natsMsg_Create(m, subject, reply, p->data, (int)p->size);
	if (s != NATS_OK)
		return s;
	msg_id(e, p, id, sizeof(id));
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
	s = e->nc ? make_msg(e, &m, subject, reply, p, true) : NATS_CONNECTION_CLOSED;
	if (s == NATS_OK) {
		s = natsConnection_PublishMsg(e->nc, m);
		done_with(e, m);
	}
	pthread_rwlock_unlock(&e->lock);
	return s == NATS_OK ? 0 : -EIO;
}

/* Return: whether the server knows its id of an earlier time; or as store() */
static int store_round(struct engine *e, const char *subject, const struct parcel *p)
{
	jsPubAck *ack = NULL;
	jsErrCode code = 0;
	jsPubOptions o;
	natsMsg *m;
	natsStatus s;
	int known;

	jsPubOptions_Init(&o);
	o.MaxWait = CHUNK_MS;
	s = make_msg(e, &m, subject, NULL, p, true);
	if (s != NATS_OK)
		return -EIO;
	s = js_PublishMsg(&ack, e->js, m, &o, &code);
	natsMsg_Destroy(m);
	if (s != NATS_OK)
		return code || s == NATS_NO_RESPONDERS ? -EAGAIN : -ETIMEDOUT;
	known = ack->Duplicate;
	jsPubAck_Destroy(ack);
	return known;
}

static int store(struct engine *e, unsigned int rule, const struct parcel *p)
{
	char subject[NATS_NAME + 48];
	struct parcel again = *p;
	int r;

	subject_of(e, rule, p, subject, sizeof(subject));
	again.round++;
	pthread_rwlock_rdlock(&e->lock);
	/* in between it would be kept, and sent when the link is there again */
	r = e->js && natsConnection_Status(e->nc) == NATS_CONN_STATUS_CONNECTED ?
		    store_round(e, subject, p) :
		    -ENOTCONN;
	if (r > 0 && !nats_one_server(&e->route[rule]))
		r = store_round(e, subject, &again) < 0 ? -ETIMEDOUT : 0; /* see ack_error() */
	pthread_rwlock_unlock(&e->lock);
	return r < 0 ? r : 0;
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

/*
 * {"stream":"NAME", "seq":7} acknowledges, and nothing else does. With "duplicate":true a server
 * knows the id; in a cluster what it remembers may be gone with another server, before it was
 * stored: -EEXIST.
 */
static int ack_error(const struct engine *e, unsigned int rule, const char *text,
		     char why[ENGINE_TEXT])
{
	char stream[NATS_NAME + 16];

	if (rule >= e->conf->nrules || strstr(text, "\"error\":"))
		return reply_error(text, why);
	snprintf(stream, sizeof(stream), "\"stream\":\"%s\"", e->route[rule].stream);
	if (!strstr(text, stream) || !strstr(text, "\"seq\":"))
		return reply_error(text, why);
	if (!strstr(text, "\"duplicate\":"))
		return 0;
	return nats_one_server(&e->route[rule]) ? 0 : -EEXIST;
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
		} else {
			err = ack_error(e, atoi(rule), text, why);
		}
		e->events.stored(e->events.arg, atoi(rule), cookie, err, why);
	}
	done_with(e, msg);
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
	done_with(e, msg);
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

/* Goes on while the machine sleeps, as the server's time does. */
static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Asks for so many to be sent to the route's inbox, for so long. */
static natsStatus ask(struct engine *e, struct route *t, unsigned int n, int ms)
{
	char subject[NATS_NAME + 128], request[96];

	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", t->stream,
		 t->durable);
	snprintf(request, sizeof(request), "{\"batch\":%u,\"expires\":%d000000}", n, ms);
	if (t->asked) /* nor was its end told: what it brings yet may be older than this one */
		t->back_at = now_ms() + ENGINE_ACK_MS;
	t->asked = n;
	t->asked_until = now_ms() + ms + ANSWER_MS;
	return natsConnection_PublishRequestString(e->nc, subject, t->inbox, request);
}

/* Tells the end of what was asked for; NATS_OK: that is as usual */
static natsStatus ended(struct route *t, natsMsg *m)
{
	const char *status = "", *words = "";

	natsMsgHeader_Get(m, "Status", &status);
	natsMsgHeader_Get(m, "Description", &words);
	t->asked = 0;
	if (!strcmp(status, "503") || strstr(words, "Deleted"))
		return NATS_NO_RESPONDERS;
	return NATS_OK;
}

static bool is_status(natsMsg *m)
{
	const char *status;

	return !natsMsg_GetDataLength(m) && natsMsgHeader_Get(m, "Status", &status) == NATS_OK;
}

/* Takes what has come; waits for the first. */
static natsStatus collect(struct route *t, struct delivery *d, unsigned int n, int ms,
			  unsigned int *got)
{
	natsStatus s = NATS_OK;

	while (s == NATS_OK && *got < n) {
		natsMsg *m;

		s = natsSubscription_NextMsg(&m, t->sub, *got ? 0 : ms);
		if (s != NATS_OK)
			return s;
		if (is_status(m)) {
			s = ended(t, m);
			natsMsg_Destroy(m);
			if (!*got)
				return s;
			continue;
		}
		fill_delivery(&d[(*got)++], m);
		t->asked -= t->asked > 0;
	}
	return s;
}

/*
 * What natsMsg_Ack() and its like publish; these want their own kind of subscription. While the
 * link is away it is kept until it is there again: then another host may have what went back.
 */
static void tell(struct engine *e, natsMsg *m, const char *text)
{
	if (e->nc && natsMsg_GetReply(m) &&
	    (text[0] != '-' || natsConnection_Status(e->nc) == NATS_CONN_STATUS_CONNECTED))
		natsConnection_PublishString(e->nc, natsMsg_GetReply(m), text);
}

/*
 * How much lies there; without what the server may give to another host before long. That goes back
 * to it, if it is not too late.
 */
static int lying(struct engine *e, struct route *t, enum kind kind)
{
	int64_t now = now_ms();
	natsMsg *m;
	int n = 0;

	natsSubscription_GetPending(t->sub, &n, NULL);
	if (n && kind == KIND_WORK && now - t->empty_at > ENGINE_OLD_MS) {
		for (; n && natsSubscription_NextMsg(&m, t->sub, 0) == NATS_OK; n--) {
			if (is_status(m))
				ended(t, m);
			else
				t->asked -= t->asked > 0;
			if (now >= t->back_at && now_ms() - t->asked_until < BACK_MS)
				tell(e, m, "-NAK");
			natsMsg_Destroy(m);
		}
		t->asked_until = now;
		n = 0;
	}
	if (!n)
		t->empty_at = now;
	return n;
}

/*
 * natsSubscription_Fetch() of libnats 3.4.1 writes past its array when messages of an earlier
 * request come late. Here they stay in the subscription for the next fetch.
 */
static int fetch(struct engine *e, unsigned int rule, struct delivery *d, unsigned int n, int ms,
		 char why[ENGINE_TEXT])
{
	struct route *t = &e->route[rule];
	natsStatus s = NATS_INVALID_SUBSCRIPTION;
	unsigned int got = 0;
	bool comes;

	pthread_rwlock_rdlock(&e->lock);
	if (t->sub) {
		comes = lying(e, t, e->conf->rule[rule].kind) ||
			(t->asked && now_ms() < t->asked_until);
		s = comes ? NATS_OK : ask(e, t, n, ms);
	}
	if (s == NATS_OK)
		s = collect(t, d, n, ms, &got);
	if (s != NATS_OK && s != NATS_TIMEOUT)
		snprintf(why, ENGINE_TEXT, "the consumer: %s", natsStatus_GetText(s));
	pthread_rwlock_unlock(&e->lock);
	return got || s == NATS_OK || s == NATS_TIMEOUT ? (int)got : -ENXIO;
}

static void settle(struct engine *e, struct delivery *d, enum settle how, int64_t delay)
{
	static const char *const text[] = { [SETTLE_ACK] = "+ACK",
					    [SETTLE_NAK] = "-NAK",
					    [SETTLE_TERM] = "+TERM",
					    [SETTLE_PROGRESS] = "+WPI" };
	natsMsg *m = d->handle;
	char nak[64];

	snprintf(nak, sizeof(nak), "-NAK {\"delay\":%" PRId64 "}", delay);
	pthread_rwlock_rdlock(&e->lock);
	if (how != SETTLE_FORGET)
		tell(e, m, how == SETTLE_NAK && delay ? nak : text[how]);
	pthread_rwlock_unlock(&e->lock);
	if (how == SETTLE_PROGRESS)
		return;
	done_with(e, m);
	d->handle = NULL;
}

static int get(struct engine *e, unsigned int rule, const char *id, uint32_t chunk,
	       struct delivery *d)
{
	struct parcel p = { .chunks = 2, .chunk = chunk };
	char subject[NATS_NAME + 48];
	natsMsg *m = NULL;
	natsStatus s;
	jsOptions o;

	snprintf(p.id, sizeof(p.id), "%s", id);
	subject_of(e, rule, &p, subject, sizeof(subject));
	jsOptions_Init(&o);
	o.Wait = NATS_GET_MS;
	pthread_rwlock_rdlock(&e->lock);
	s = e->js ? js_GetLastMsg(&m, e->js, e->route[rule].stream, subject, &o, NULL) :
		    NATS_CONNECTION_CLOSED;
	pthread_rwlock_unlock(&e->lock);
	if (s != NATS_OK)
		return s == NATS_NOT_FOUND ? -ENOENT : -EIO;
	fill_delivery(d, m);
	d->number = natsMsg_GetSequence(m);
	return 0;
}

static void remove_chunk(struct engine *e, unsigned int rule, uint64_t number)
{
	jsOptions o;

	jsOptions_Init(&o);
	o.Wait = CHUNK_MS;
	pthread_rwlock_rdlock(&e->lock);
	if (e->js)
		js_DeleteMsg(e->js, e->route[rule].stream, number, &o, NULL);
	pthread_rwlock_unlock(&e->lock);
}

/* By its number: for a purge by subject nats-server 2.9 gives no storage back. */
static int purge(struct engine *e, unsigned int rule, const char *id, uint32_t chunk)
{
	struct delivery d;
	int r = get(e, rule, id, chunk, &d);

	if (r)
		return r == -ENOENT ? 0 : r;
	settle(e, &d, SETTLE_FORGET, 0);
	remove_chunk(e, rule, d.number);
	return 0;
}

static int answer(struct engine *e, const char *origin, const struct parcel *p)
{
	char to[ANSWER_SUBJECT];
	natsMsg *m;
	natsStatus s;

	pthread_rwlock_rdlock(&e->lock);
	nats_answers_to(to, e->conf, origin);
	s = e->nc ? make_msg(e, &m, to, NULL, p, false) : NATS_CONNECTION_CLOSED;
	if (s == NATS_OK) {
		s = natsConnection_PublishMsg(e->nc, m);
		done_with(e, m);
	}
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
	.store = store,
	.fetch = fetch,
	.settle = settle,
	.get = get,
	.remove = remove_chunk,
	.purge = purge,
	.tidy = nats_tidy,
	.answer = answer,
	.payload_max = payload_max,
	.close = nats_end,
};
