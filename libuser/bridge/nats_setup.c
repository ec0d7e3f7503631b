// SPDX-License-Identifier: GPL-2.0-only
/*
 * NATS JetStream: the connection, and a stream for each rule.
 *
 *	work		one durable consumer, shared by all hosts; a message stays until one has
 *			it. The chunks of a long message lie in the stream beside its head, until
 *			who takes that removes them
 *	fanout		a durable consumer for each host; a message stays until all have it
 *	reliable	likewise
 *	latest		the last message of each subject; a durable consumer for each host
 *
 * A stream that is there is left as it is, but for its retention, which must be this: so limits of
 * size and age are the administrator's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "nats.h"

#define DUPLICATES (INT64_C(3600000000000))
#define ACKS_MAX (2 * PARCEL_CHUNKS)
#define MAKE_MS 2000
#define PING_MS 3000
#define WRITE_MS 5000
#define PAYLOAD (1 << 20)
#define PAYLOAD_MIN 8192 /* a line, and a part of a message that is worth it */

/* A name as part of a subject or stream: what may not be there becomes =XX. */
static void encode(char *to, const char *name, const char *more)
{
	for (; *name; name++) {
		char one[2] = { *name, 0 };

		if (word_ok(one, 2) && !strchr(more, *name))
			*to++ = *name;
		else
			to += sprintf(to, "=%02x", (unsigned char)*name);
	}
	*to = '\0';
}

static void name_route(struct route *t, const struct conf *c, const struct rule *r)
{
	char realm[3 * PARCEL_WORD], name[3 * NAME_TEXT];

	encode(realm, c->realm, "_"); /* then no two have one stream */
	encode(name, r->name, "");
	snprintf(t->stream, sizeof(t->stream), "ipcx_%s_%s", realm, name);
	snprintf(t->subject, sizeof(t->subject), "ipcx.%s.%s", realm, name);
	snprintf(t->durable, sizeof(t->durable), "%s", r->kind == KIND_WORK ? "work" : c->uuid);
	snprintf(t->keeper, sizeof(t->keeper), "%s-keeper", c->uuid);
}

void nats_answers_to(char to[ANSWER_SUBJECT], const struct conf *c, const char *uuid)
{
	snprintf(to, ANSWER_SUBJECT, "ipcx-answers.%s.%s", c->realm, uuid);
}

static int say(char why[ENGINE_TEXT], const char *what, natsStatus s)
{
	const char *text = nats_GetLastError(NULL);

	snprintf(why, ENGINE_TEXT, "%s: %s", what, text && *text ? text : natsStatus_GetText(s));
	return -EIO;
}

static void set_payload(struct engine *e, natsConnection *nc)
{
	int64_t max = natsConnection_GetMaxPayload(nc);

	__atomic_store_n(&e->payload, max > 0 ? (size_t)max : PAYLOAD, __ATOMIC_RELAXED);
}

/* What is told may be of a connection that is no more. */
static bool is_current(const struct engine *e, const natsConnection *nc)
{
	const natsConnection *now = __atomic_load_n(&e->nc, __ATOMIC_ACQUIRE);

	return !now || now == nc;
}

static void connected(natsConnection *nc, void *engine)
{
	struct engine *e = engine;

	if (!is_current(e, nc))
		return;
	set_payload(e, nc);
	e->events.link(e->events.arg, true, "");
}

static void disconnected(natsConnection *nc, void *engine)
{
	struct engine *e = engine;
	const char *why = NULL;

	if (!is_current(e, nc))
		return;
	natsConnection_GetLastError(nc, &why);
	e->events.link(e->events.arg, false, why ? why : "");
}

static void closed(natsConnection *nc, void *engine)
{
	struct engine *e = engine;

	if (!is_current(e, nc) || !__atomic_load_n(&e->nc, __ATOMIC_ACQUIRE))
		return;
	disconnected(nc, e);
	pthread_mutex_lock(&e->keep_lock);
	e->closed = true;
	pthread_cond_signal(&e->keep);
	pthread_mutex_unlock(&e->keep_lock);
}

/* What the library would write to stderr again and again; status has it. */
static void quiet(natsConnection *nc, natsSubscription *sub, natsStatus err, void *engine)
{
	(void)nc;
	(void)sub;
	(void)err;
	(void)engine;
}

static natsStatus set_access(natsOptions *o, const struct conf *c)
{
	bool secure = c->ca;
	natsStatus s = NATS_OK;

	if (c->user)
		s = natsOptions_SetUserInfo(o, c->user, c->password ? c->password : "");
	if (s == NATS_OK && c->creds)
		s = natsOptions_SetUserCredentialsFromFiles(o, c->creds, NULL);
	for (unsigned int i = 0; i < c->nservers; i++)
		secure |= !strncmp(c->server[i], "tls://", 6);
	if (s == NATS_OK && secure) /* the library looks at no scheme */
		s = natsOptions_SetSecure(o, true);
	if (s == NATS_OK && c->ca) {
		s = natsOptions_LoadCATrustedCertificates(o, c->ca);
		if (s == NATS_OK && c->cert)
			s = natsOptions_LoadCertificatesChain(o, c->cert, c->key);
	}
	return s;
}

static natsStatus set_options(natsOptions *o, struct engine *e)
{
	const struct conf *c = e->conf;
	natsStatus s = natsOptions_SetServers(o, (const char **)c->server, c->nservers);

#define TRY(call) (s = s == NATS_OK ? (call) : s)
	TRY(set_access(o, c));
	TRY(natsOptions_SetName(o, c->host));
	TRY(natsOptions_SetTimeout(o, WRITE_MS));
	TRY(natsOptions_SetSendAsap(o, true)); /* not after a millisecond */
	TRY(natsOptions_SetMaxReconnect(o, -1));
	TRY(natsOptions_SetReconnectWait(o, 250));
	TRY(natsOptions_SetReconnectJitter(o, 100, 100));
	TRY(natsOptions_SetPingInterval(o, PING_MS));
	TRY(natsOptions_SetMaxPingsOut(o, 2));
	TRY(natsOptions_SetWriteDeadline(o, WRITE_MS));
	TRY(natsOptions_SetFailRequestsOnDisconnect(o, true));
	TRY(natsOptions_SetMaxPendingMsgs(o, 1 << 20));
	TRY(natsOptions_SetErrorHandler(o, quiet, e));
	TRY(natsOptions_SetDisconnectedCB(o, disconnected, e));
	TRY(natsOptions_SetReconnectedCB(o, connected, e));
	TRY(natsOptions_SetClosedCB(o, closed, e));
	TRY(natsOptions_SetRetryOnFailedConnect(o, true, connected, e));
#undef TRY
	return s;
}

static natsStatus subscribe(struct engine *e)
{
	char subject[ANSWER_SUBJECT], all[sizeof(e->inbox) + 4];
	natsInbox *inbox = NULL;
	natsStatus s = natsInbox_Create(&inbox);

	if (s != NATS_OK)
		return s;
	snprintf(e->inbox, sizeof(e->inbox), "%s", inbox);
	natsInbox_Destroy(inbox);
	snprintf(all, sizeof(all), "%s.>", e->inbox);
	s = natsConnection_Subscribe(&e->stored, e->nc, all, nats_stored, e);
	nats_answers_to(subject, e->conf, e->conf->uuid);
	if (s == NATS_OK)
		s = natsConnection_Subscribe(&e->answers, e->nc, subject, nats_answered, e);
	return s == NATS_OK ? natsConnection_JetStream(&e->js, e->nc, NULL) : s;
}

/* No lock is held while servers are tried, which may take seconds. */
static int begin(struct engine *e, char why[ENGINE_TEXT])
{
	natsConnection *nc = NULL;
	natsOptions *o = NULL;
	natsStatus s = natsOptions_Create(&o);
	bool later;

	if (s == NATS_OK)
		s = set_options(o, e);
	if (s != NATS_OK) {
		natsOptions_Destroy(o);
		return say(why, "the options of the connection", s);
	}
	s = natsConnection_Connect(&nc, o);
	natsOptions_Destroy(o);
	later = s == NATS_NOT_YET_CONNECTED;
	if (s != NATS_OK && !later)
		return say(why, "the connection", s);
	pthread_rwlock_wrlock(&e->lock);
	__atomic_store_n(&e->nc, nc, __ATOMIC_RELEASE);
	s = subscribe(e);
	pthread_rwlock_unlock(&e->lock);
	if (s == NATS_CONNECTION_CLOSED && later) { /* given up already: refused twice */
		pthread_mutex_lock(&e->keep_lock);
		e->closed = true;
		pthread_mutex_unlock(&e->keep_lock);
		s = NATS_OK;
	}
	if (s != NATS_OK)
		return say(why, "the subscriptions", s);
	if (later) { /* it goes on by itself, and says so once */
		if (!e->keeps)
			disconnected(nc, e);
		return 0;
	}
	set_payload(e, nc);
	e->events.link(e->events.arg, true, "");
	return 0;
}

static void forget(struct engine *e)
{
	natsConnection *nc = e->nc;

	__atomic_store_n(&e->nc, NULL, __ATOMIC_RELEASE);
	/* first of all: the library's reader may still look at a subscription that has just gone */
	natsConnection_Close(nc);
	for (unsigned int i = 0; i < e->conf->nrules; i++) {
		natsSubscription_Destroy(e->route[i].sub);
		natsSubscription_Destroy(e->route[i].old);
		e->route[i].sub = NULL;
		e->route[i].old = NULL;
	}
	natsSubscription_Destroy(e->stored);
	natsSubscription_Destroy(e->answers);
	jsCtx_Destroy(e->js);
	natsConnection_Destroy(nc);
	e->stored = NULL;
	e->answers = NULL;
	e->js = NULL;
}

/* Return: whether to go on. */
static bool wait_for_end(struct engine *e, bool delay)
{
	struct timespec t;
	bool ends;

	pthread_mutex_lock(&e->keep_lock);
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec++;
	while (!e->ends && (delay || !e->closed))
		if (pthread_cond_timedwait(&e->keep, &e->keep_lock, &t) == ETIMEDOUT)
			break;
	ends = e->ends;
	pthread_mutex_unlock(&e->keep_lock);
	return !ends;
}

/* The library gives a connection up when a server refuses the user twice; this does not. */
static void *keep(void *engine)
{
	struct engine *e = engine;
	char why[ENGINE_TEXT];

	while (wait_for_end(e, false)) {
		bool is_closed;

		pthread_mutex_lock(&e->keep_lock);
		is_closed = e->closed;
		pthread_mutex_unlock(&e->keep_lock);
		if (!is_closed || !wait_for_end(e, true))
			continue;
		pthread_rwlock_wrlock(&e->lock);
		pthread_mutex_lock(&e->keep_lock);
		e->closed = false;
		pthread_mutex_unlock(&e->keep_lock);
		forget(e);
		pthread_rwlock_unlock(&e->lock);
		if (begin(e, why)) {
			pthread_mutex_lock(&e->keep_lock);
			e->closed = true;
			pthread_mutex_unlock(&e->keep_lock);
		}
	}
	return NULL;
}

int nats_begin(struct engine **out, const struct conf *c, const struct engine_events *events,
	       char why[ENGINE_TEXT])
{
	/* a lock is waited for asleep: who has it may want this processor */
	natsStatus s = nats_Open(0);
	struct engine *e;
	int r;

	if (s != NATS_OK)
		return say(why, "the library", s);
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	*out = e;
	e->conf = c;
	e->events = *events;
	e->payload = PAYLOAD;
	if (getrandom(&e->life, sizeof(e->life), 0) != sizeof(e->life))
		e->life = getpid();
	e->route = calloc(c->nrules, sizeof(*e->route));
	if (!e->route)
		return -ENOMEM;
	pthread_rwlock_init(&e->lock, NULL);
	pthread_mutex_init(&e->keep_lock, NULL);
	pthread_mutex_init(&e->tidy_lock, NULL);
	pthread_mutex_init(&e->gone_lock, NULL);
	e->gone_max = GONE_MAX;
	pthread_cond_init(&e->keep, NULL);
	for (unsigned int i = 0; i < c->nrules; i++)
		name_route(&e->route[i], c, &c->rule[i]);
	r = begin(e, why);
	if (r)
		return r;
	e->keeps = !pthread_create(&e->keeper, NULL, keep, e);
	return 0;
}

static void configure(jsStreamConfig *s, const struct route *t, const struct rule *r,
		      const struct conf *c)
{
	jsStreamConfig_Init(s);
	s->Name = t->stream;
	s->Replicas = c->replicas;
	s->Storage = js_FileStorage;
	s->MaxMsgsPerSubject = -1;
	s->Duplicates = DUPLICATES;
	s->Discard = js_DiscardNew; /* full: it is refused, and stays where it was sent */
	s->Retention = js_LimitsPolicy; /* see nats_tidy.c */
	s->Description = kind_text[r->kind];
	if (r->kind == KIND_LATEST) {
		s->MaxMsgsPerSubject = 1;
		s->Discard = js_DiscardOld;
	}
}

/* What a stream that somebody else has made must not be, or messages would be lost or come twice */
static const char *wrong_stream(const jsStreamConfig *is, const jsStreamConfig *want)
{
	/* work and fanout differ in this alone; others may have made it without */
	if (is->Description && is->Description[0] && strcmp(is->Description, want->Description))
		return "another host gives another kind";
	if (is->Retention != want->Retention || is->MaxMsgsPerSubject != want->MaxMsgsPerSubject)
		return "all hosts of a realm give one kind, with its retention";
	if (is->Discard != want->Discard)
		return "when it is full it must discard new messages, not old ones";
	if (is->NoAck)
		return "it does not acknowledge";
	if (is->Duplicates < want->Duplicates)
		return "its window of duplicates is less than an hour";
	if (is->SubjectsLen != 1 || strcmp(is->Subjects[0], want->Subjects[0]))
		return "its subjects are others";
	return NULL;
}

static int declare_stream(struct engine *e, const struct rule *r, struct route *t,
			  char why[ENGINE_TEXT])
{
	char all[NATS_NAME + 4];
	const char *subjects = all;
	jsStreamInfo *info = NULL;
	const char *wrong;
	jsErrCode code = 0;
	jsStreamConfig s;
	natsStatus st;

	configure(&s, t, r, e->conf);
	snprintf(all, sizeof(all), "%s.>", t->subject);
	s.Subjects = &subjects;
	s.SubjectsLen = 1;
	st = js_GetStreamInfo(&info, e->js, t->stream, NULL, &code);
	if (st == NATS_NOT_FOUND)
		st = js_AddStream(&info, e->js, &s, NULL, &code);
	wrong = st == NATS_OK ? wrong_stream(info->Config, &s) : NULL;
	if (st == NATS_OK)
		__atomic_store_n(&t->replicas, info->Config->Replicas, __ATOMIC_RELAXED);
	jsStreamInfo_Destroy(info);
	if (wrong) {
		snprintf(why, ENGINE_TEXT, "the stream \"%.80s\" is not fit for the kind %s: %s",
			 t->stream, kind_text[r->kind], wrong);
		return -EINVAL;
	}
	return st == NATS_OK ? 0 : say(why, "the stream", st);
}

/* Where what is asked for comes; it stays when the consumer is declared again. */
static natsStatus subscribe_route(struct engine *e, struct route *t)
{
	natsInbox *inbox = NULL;
	natsStatus s;

	t->asked = 0;
	if (t->sub)
		return NATS_OK;
	s = natsInbox_Create(&inbox);
	if (s != NATS_OK)
		return s;
	snprintf(t->inbox, sizeof(t->inbox), "%s", inbox);
	natsInbox_Destroy(inbox);
	s = natsConnection_SubscribeSync(&t->sub, e->nc, t->inbox);
	return s == NATS_OK ? natsSubscription_SetPendingLimits(t->sub, -1, -1) : s;
}

natsStatus nats_hear_anew(struct engine *e, unsigned int rule)
{
	struct route *t = &e->route[rule];

	/* not destroyed yet: the library's reader may have looked it up, and holds no reference */
	natsSubscription_Destroy(t->old);
	natsSubscription_Unsubscribe(t->sub);
	t->old = t->sub;
	t->sub = NULL;
	return subscribe_route(e, t);
}

natsStatus nats_make_consumer(struct engine *e, unsigned int rule, const char *name, uint64_t start)
{
	enum kind kind = e->conf->rule[rule].kind;
	const struct route *t = &e->route[rule];
	char filter[NATS_NAME + 4];
	jsConsumerConfig c;
	jsOptions o;

	snprintf(filter, sizeof(filter), "%s.%s", t->subject, kind == KIND_WORK ? "m" : ">");
	jsConsumerConfig_Init(&c);
	c.Durable = name;
	c.AckPolicy = js_AckExplicit;
	c.AckWait = ENGINE_ACK_MS * INT64_C(1000000);
	c.MaxAckPending = ACKS_MAX;
	c.FilterSubject = filter;
	c.DeliverPolicy = kind == KIND_LATEST ? js_DeliverLastPerSubject : js_DeliverAll;
	if (start)
		c.DeliverPolicy = js_DeliverByStartSequence;
	c.OptStartSeq = start;
	jsOptions_Init(&o);
	o.Wait = MAKE_MS;
	return js_AddConsumer(NULL, e->js, t->stream, &c, &o, NULL);
}

/* The message with which a consumer begins that is there, see nats_anew.c */
static natsStatus begins_at(struct engine *e, const struct route *t, const char *name,
			    uint64_t *start)
{
	jsConsumerInfo *c = NULL;
	jsOptions o;
	natsStatus s;

	jsOptions_Init(&o);
	o.Wait = NATS_WAIT_MS;
	s = js_GetConsumerInfo(&c, e->js, t->stream, name, &o, NULL);
	if (s == NATS_OK)
		*start = c->Config->OptStartSeq;
	jsConsumerInfo_Destroy(c);
	return s;
}

static int declare_consumer(struct engine *e, unsigned int rule, char why[ENGINE_TEXT])
{
	struct route *t = &e->route[rule];
	uint64_t start = 0;
	natsStatus s = begins_at(e, t, t->durable, &start);

	if (s == NATS_NOT_FOUND)
		s = begins_at(e, t, t->keeper, &start);
	if (s == NATS_OK || s == NATS_NOT_FOUND)
		s = nats_make_consumer(e, rule, t->durable, start);
	if (s == NATS_OK)
		s = subscribe_route(e, t);
	return s == NATS_OK ? 0 : say(why, "the consumer", s);
}

int nats_declare(struct engine *e, unsigned int rule, bool in, char why[ENGINE_TEXT])
{
	const struct rule *r = &e->conf->rule[rule];
	struct route *t = &e->route[rule];
	size_t payload = __atomic_load_n(&e->payload, __ATOMIC_RELAXED);
	int err;

	if (payload < PAYLOAD_MIN) {
		snprintf(why, ENGINE_TEXT, "its max_payload is %zu bytes: %d at least are needed",
			 payload, PAYLOAD_MIN);
		return -EINVAL;
	}
	pthread_rwlock_rdlock(&e->lock);
	err = e->js ? declare_stream(e, r, t, why) : -ENOTCONN;
	if (!err && in)
		err = declare_consumer(e, rule, why);
	pthread_rwlock_unlock(&e->lock);
	return err;
}

void nats_end(struct engine *e)
{
	pthread_mutex_lock(&e->keep_lock);
	e->ends = true;
	pthread_cond_signal(&e->keep);
	pthread_mutex_unlock(&e->keep_lock);
	if (e->keeps)
		pthread_join(e->keeper, NULL);
	if (e->nc)
		natsConnection_FlushTimeout(e->nc, 1000); /* the last acknowledgements */
	forget(e);
	pthread_mutex_lock(&e->gone_lock);
	e->gone_max = 1; /* the library may still be about an answer */
	nats_free_gone(e);
	pthread_mutex_unlock(&e->gone_lock);
	if (nats_CloseAndWait(2000) != NATS_OK)
		return; /* a thread of the library goes on, and may use it until the process ends */
	free(e->route);
	free(e);
}
