// SPDX-License-Identifier: GPL-2.0-only
/*
 * bare: what libnats does without ipcx, to compare with. Each prints its seconds.
 *
 * publish:  COUNT messages of SIZE bytes by asynchronous publishing, until all are acknowledged
 * number:   likewise, each with an id by which the server knows copies
 * pull:     the same from a durable pull consumer, each acknowledged
 * serve:    answers requests with what is in them, until SIGTERM
 * request:  COUNT requests, one after the other; prints also the median in microseconds
 * call:     the same over a socket of this machine, to a relay
 * relay:    what comes there to NATS, one after the other, and the answers back
 * serve_by: has what comes from NATS answered over a socket of this machine
 * answer:   does so
 * make:     makes the stream STREAM of the subject, for work
 * delete:   deletes it
 */
#include <err.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define BATCH 256 /* messages on their way at a time */
#define LOCAL_MAX 4096 /* bytes of a request over a socket of this machine */

struct bare {
	natsConnection *nc;
	jsCtx *js;
	const char *stream, *subject;
	int count, size;
};

static const char usage[] = "usage: bare URL USER PASSWORD STREAM COUNT SIZE WHAT\n"
			    "WHAT: publish|number|pull|serve|request|make|delete, or with\n"
			    "      the socket STREAM.sock: call|relay|serve_by|answer\n";

static void must(natsStatus s, const char *what)
{
	if (s != NATS_OK)
		errx(1, "%s: %s", what, nats_GetLastError(NULL) ?: natsStatus_GetText(s));
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* @asap: without the millisecond in which libnats waits for more to write */
static void bare_connect(struct bare *b, char **argv, bool asap)
{
	jsOptions opts;
	natsOptions *o;

	must(natsOptions_Create(&o), "options");
	must(natsOptions_SetURL(o, argv[1]), argv[1]);
	must(natsOptions_SetUserInfo(o, argv[2], argv[3]), argv[2]);
	must(natsOptions_SetSendAsap(o, asap), "options");
	must(natsConnection_Connect(&b->nc, o), argv[1]);
	jsOptions_Init(&opts);
	opts.PublishAsync.MaxPending = BATCH;
	opts.PublishAsync.StallWait = 60000;
	must(natsConnection_JetStream(&b->js, b->nc, &opts), "JetStream");
	natsOptions_Destroy(o);
}

static void bare_make(struct bare *b)
{
	jsStreamConfig cfg;

	jsStreamConfig_Init(&cfg);
	cfg.Name = b->stream;
	cfg.Subjects = &b->subject;
	cfg.SubjectsLen = 1;
	cfg.Retention = js_WorkQueuePolicy;
	must(js_AddStream(NULL, b->js, &cfg, NULL, NULL), b->stream);
}

static natsStatus publish_one(struct bare *b, const char *data, int nr)
{
	jsPubOptions o;
	char id[32];

	if (nr < 0)
		return js_PublishAsync(b->js, b->subject, data, b->size, NULL);
	jsPubOptions_Init(&o);
	snprintf(id, sizeof(id), "%d-%d", getpid(), nr);
	o.MsgId = id;
	return js_PublishAsync(b->js, b->subject, data, b->size, &o);
}

static void bare_publish(struct bare *b, bool number)
{
	char *data = calloc(1, b->size + 1);
	double start = now();
	jsPubOptions po;

	jsPubOptions_Init(&po);
	po.MaxWait = 60000;
	for (int i = 0; i < b->count; i++) {
		payload_fill(data, b->size, i); /* as feed does */
		must(publish_one(b, data, number ? i : -1), "publish");
	}
	must(js_PublishAsyncComplete(b->js, &po), "publish");
	printf("{\"seconds\": %.6f}\n", now() - start);
	free(data);
}

static void bare_pull(struct bare *b)
{
	natsSubscription *sub;
	double start = now();
	jsSubOptions so;
	int done = 0;

	jsSubOptions_Init(&so);
	so.Config.MaxAckPending = 4 * BATCH;
	must(js_PullSubscribe(&sub, b->js, b->subject, "bare", NULL, &so, NULL), "consumer");
	while (done < b->count) {
		natsMsgList list = {};

		must(natsSubscription_Fetch(&list, sub, BATCH, 10000, NULL), "fetch");
		for (int i = 0; i < list.Count; i++)
			must(natsMsg_Ack(list.Msgs[i], NULL), "ack");
		done += list.Count;
		natsMsgList_Destroy(&list);
	}
	must(natsConnection_FlushTimeout(b->nc, 10000), "flush");
	printf("{\"seconds\": %.6f}\n", now() - start);
	natsSubscription_Destroy(sub);
}

static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg)
{
	natsConnection_Publish(nc, natsMsg_GetReply(m), natsMsg_GetData(m),
			       natsMsg_GetDataLength(m));
	natsMsg_Destroy(m);
}

static int local_socket(const struct bare *b, bool listens)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s.sock", b->stream);
	if (listens)
		unlink(at.sun_path);
	if (s < 0 || (listens ? bind(s, (void *)&at, sizeof(at)) || listen(s, 1) :
				connect(s, (void *)&at, sizeof(at))))
		err(1, "%s", at.sun_path);
	if (!listens)
		return s;
	puts("ready");
	fflush(stdout);
	return accept(s, NULL, NULL);
}

static void bare_answer(const struct bare *b)
{
	int s = local_socket(b, true);
	char data[LOCAL_MAX];
	ssize_t n;

	while ((n = recv(s, data, sizeof(data), 0)) > 0)
		send(s, data, n, 0);
}

static void bare_relay(const struct bare *b)
{
	int s = local_socket(b, true);
	char data[LOCAL_MAX];
	natsMsg *reply;
	ssize_t n;

	while ((n = recv(s, data, sizeof(data), 0)) > 0) {
		must(natsConnection_Request(&reply, b->nc, b->subject, data, n, 10000), "request");
		send(s, natsMsg_GetData(reply), natsMsg_GetDataLength(reply), 0);
		natsMsg_Destroy(reply);
	}
}

static void answer_by(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *sock)
{
	char data[LOCAL_MAX];
	ssize_t n;

	send(*(int *)sock, natsMsg_GetData(m), natsMsg_GetDataLength(m), 0);
	n = recv(*(int *)sock, data, sizeof(data), 0);
	if (n > 0)
		natsConnection_Publish(nc, natsMsg_GetReply(m), data, n);
	natsMsg_Destroy(m);
}

static void bare_serve(struct bare *b, bool by_another)
{
	int sock = by_another ? local_socket(b, false) : -1;
	natsSubscription *sub;

	must(natsConnection_Subscribe(&sub, b->nc, b->subject, by_another ? answer_by : answer,
				      &sock),
	     b->subject);
	must(natsSubscription_NoDeliveryDelay(sub), b->subject);
	must(natsConnection_Flush(b->nc), "flush");
	puts("ready");
	fflush(stdout);
	pause();
}

static int earlier(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void request_one(const struct bare *b, int sock)
{
	char data[LOCAL_MAX] = {};
	natsMsg *reply;

	if (sock < 0) {
		must(natsConnection_Request(&reply, b->nc, b->subject, data, b->size, 10000),
		     "request");
		natsMsg_Destroy(reply);
		return;
	}
	if (send(sock, data, b->size, 0) < 0 || recv(sock, data, sizeof(data), 0) != b->size)
		err(1, "call");
}

static void bare_request(struct bare *b, bool by_relay)
{
	double *took = calloc(b->count, sizeof(*took)), start = now();
	int sock = by_relay ? local_socket(b, false) : -1;

	for (int i = 0; i < b->count; i++) {
		double before = now();

		request_one(b, sock);
		took[i] = now() - before;
	}
	printf("{\"seconds\": %.6f, ", now() - start);
	qsort(took, b->count, sizeof(*took), earlier);
	printf("\"median_us\": %.1f}\n", took[b->count / 2] * 1e6);
	free(took);
}

int main(int argc, char **argv)
{
	struct bare b = {};
	const char *what;

	if (argc != 8) {
		fputs(usage, stderr);
		return 2;
	}
	b.stream = argv[4];
	b.subject = argv[4];
	b.count = atoi(argv[5]);
	b.size = atoi(argv[6]);
	what = argv[7];
	bare_connect(&b, argv,
		     strcmp(what, "publish") && strcmp(what, "number") && strcmp(what, "pull"));
	if (!strcmp(what, "make"))
		bare_make(&b);
	else if (!strcmp(what, "delete"))
		must(js_DeleteStream(b.js, b.stream, NULL, NULL), b.stream);
	else if (!strcmp(what, "publish"))
		bare_publish(&b, false);
	else if (!strcmp(what, "number"))
		bare_publish(&b, true);
	else if (!strcmp(what, "pull"))
		bare_pull(&b);
	else if (!strcmp(what, "serve") || !strcmp(what, "serve_by"))
		bare_serve(&b, !strcmp(what, "serve_by"));
	else if (!strcmp(what, "request") || !strcmp(what, "call"))
		bare_request(&b, !strcmp(what, "call"));
	else if (!strcmp(what, "relay"))
		bare_relay(&b);
	else if (!strcmp(what, "answer"))
		bare_answer(&b);
	else
		errx(2, "%s", usage);
	jsCtx_Destroy(b.js);
	natsConnection_Destroy(b.nc);
	nats_Close();
	return 0;
}
