// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics: what the module counts, as text for Prometheus: for each metric its help, its type, and
 * a line for each object or user.
 */
#include "metrics.h"

#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "ages.h"
#include "util.h"

/**
 * struct metric - an attribute and what it is called
 * @attr: its number
 * @name: that of the metric; one that is followed by another of the same name shares its head
 * @key: one more label, or NULL
 * @value: of that
 * @help: what it is
 */
struct metric {
	int attr;
	const char *name, *key, *value, *help;
};

/* clang-format off */
#define GAUGE(attribute, name, help) { IPCX_A_##attribute, "ipcx_" name, NULL, NULL, help }
#define COUNTER(attribute, name, help) GAUGE(attribute, name "_total", help)
#define LOST(attribute, why) \
	{ IPCX_A_OBJECT_##attribute, "ipcx_messages_lost_total", "reason", why, \
	  "Messages that were dropped, expired or given up." }
#define WAITERS(attribute, what) \
	{ IPCX_A_OBJECT_##attribute, "ipcx_waiters", "for", what, \
	  "Threads that sleep until they can send or receive." }

static const struct metric object_metrics[] = {
	COUNTER(OBJECT_SENT, "messages", "Messages that were sent."),
	COUNTER(OBJECT_SENT_BYTES, "message_bytes",
		"Bytes of messages that were sent, but those dropped as newest."),
	COUNTER(OBJECT_RELEASED, "messages_done", "Messages that were received and are done."),
	LOST(DROPPED_OLDEST, "dropped_oldest"),
	LOST(DROPPED_NEWEST, "dropped_newest"),
	LOST(EXPIRED, "expired"),
	LOST(POISON, "poison"),
	COUNTER(OBJECT_WITHDRAWN, "requests_withdrawn",
		"Requests that ended before anybody could answer them."),
	COUNTER(OBJECT_REDELIVERED, "redeliveries",
		"Times that a message came back and was queued again."),
	COUNTER(OBJECT_DEAD_LETTERED, "messages_dead_lettered",
		"Messages given up and kept by the dead-letter queue."),
	COUNTER(OBJECT_DEAD_LETTER_FAILED, "messages_dead_letter_failed",
		"Messages given up and not kept by the dead-letter queue."),
	GAUGE(OBJECT_QUEUED, "queued", "Messages that wait for a receiver."),
	GAUGE(OBJECT_LEASED, "leased", "Messages that were taken and are not released yet."),
	GAUGE(OBJECT_LOANED, "loaned", "Slots that are being written."),
	GAUGE(OBJECT_FREE, "free", "Slots that are free."),
	GAUGE(OBJECT_ANSWERS, "answers", "Answers that are not taken or not released yet."),
	GAUGE(OBJECT_REQUESTS, "requests", "Slots that are kept free for replies."),
	WAITERS(SEND_WAITERS, "send"),
	WAITERS(RECV_WAITERS, "receive"),
	GAUGE(OBJECT_TAPS, "taps", "Open taps."),
	GAUGE(OBJECT_DEPTH, "depth", "Slots of a queue, cells of each ring of a topic."),
	GAUGE(OBJECT_SENDERS, "senders", "Open ends that may send, publishers of a topic."),
	GAUGE(OBJECT_RECEIVERS, "receivers",
	      "Open ends that may receive, subscriptions of a topic."),
	GAUGE(OBJECT_BYTES, "memory_bytes", "Memory that an object has."),
	GAUGE(OBJECT_BYTES_MAX, "memory_max_bytes", "Memory that an object may have."),
};

static const struct metric limit_metrics[] = {
	GAUGE(LIMIT_BYTES, "user_memory_bytes", "Memory that counts against a user."),
	GAUGE(LIMIT_BYTES_MAX, "user_memory_max_bytes", "Limit of that."),
	GAUGE(LIMIT_OBJECTS, "user_objects", "Objects that count against a user."),
	GAUGE(LIMIT_OBJECTS_MAX, "user_objects_max", "Limit of those, and of user_regions."),
	GAUGE(LIMIT_REGIONS, "user_regions", "Regions in messages that a user sent."),
};

/* clang-format on */

#define AGE "ipcx_queue_age_seconds"
#define OLDEST "ipcx_queue_oldest_age_seconds"

/* A value in quotes. It has no control characters, as people look at this too. */
static void put_label(FILE *f, const void *bytes, size_t len)
{
	char *text = NULL;
	size_t n;
	FILE *plain = open_memstream(&text, &n);

	fputc('"', f);
	if (plain) {
		put_printable(plain, bytes, len);
		if (!fclose(plain))
			for (const char *c = text; *c; c++)
				fprintf(f, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
		free(text);
	}
	fputc('"', f);
}

static void put_number(FILE *f, bool json, const char *key, uint64_t v)
{
	fprintf(f, json ? "\"%s\":%llu" : "%s=\"%llu\"", key, (unsigned long long)v);
}

/* Labels, or with @json members, of which object or user this is */
static void put_which(FILE *f, struct nlattr *const attrs[ATTRS], bool object, bool json)
{
	const struct nlattr *name = attrs[IPCX_A_OBJECT_NAME]; /* if it is one */

	if (!object) {
		put_number(f, json, "uid", attr_or_0(attrs, IPCX_A_LIMIT_UID));
		return;
	}
	put_number(f, json, "object", attr_or_0(attrs, IPCX_A_OBJECT_ID));
	fputc(',', f);
	put_number(f, json, "uid", attr_or_0(attrs, IPCX_A_OBJECT_UID));
	fprintf(f, json ? ",\"kind\":\"%s\"," : ",kind=\"%s\",",
		kind_text(attr_or_0(attrs, IPCX_A_OBJECT_KIND)));
	if (json) {
		json_member(f, "name", name ? nla_data(name) : "", name ? nla_len(name) : 0);
		return;
	}
	fputs("name=", f);
	put_label(f, name ? nla_data(name) : "", name ? nla_len(name) : 0);
}

static void put_sample(FILE *f, const struct metric *m, struct nlattr *const attrs[ATTRS],
		       bool object, bool json)
{
	uint64_t v;

	if (!attr_number(attrs, m->attr, &v))
		return;
	fprintf(f, json ? "{\"metric\":\"%s\"," : "%s{", m->name);
	put_which(f, attrs, object, json);
	if (m->key)
		fprintf(f, json ? ",\"%s\":\"%s\"" : ",%s=\"%s\"", m->key, m->value);
	fprintf(f, json ? ",\"value\":%llu}\n" : "} %llu\n", (unsigned long long)v);
}

static void put_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_metrics(FILE *f, const struct metric *m, size_t n, const struct answer *a,
			bool object, bool json)
{
	struct nlattr *attrs[ATTRS];

	for (size_t i = 0; i < n; i++) {
		bool counter = strstr(m[i].name, "_total");

		if (!json && (!i || strcmp(m[i].name, m[i - 1].name)))
			put_head(f, m[i].name, counter ? "counter" : "gauge", m[i].help);
		for (size_t k = 0; k < a->n; k++) {
			answer_attrs(a, k, attrs);
			put_sample(f, &m[i], attrs, object, json);
		}
	}
}

/* A number of an object, with one more label if @le is not NULL */
static void put_value(FILE *f, struct nlattr *const attrs[ATTRS], bool json, const char *name,
		      const char *le, const char *value)
{
	fprintf(f, json ? "{\"metric\":\"%s\"," : "%s{", name);
	put_which(f, attrs, true, json);
	if (le)
		fprintf(f, json ? ",\"le\":\"%s\"" : ",le=\"%s\"", le);
	fprintf(f, json ? ",\"value\":%s}\n" : "} %s\n", value);
}

static const char *seconds_text(char text[32], uint64_t ms)
{
	snprintf(text, 32, "%llu.%03llu", (unsigned long long)ms / 1000,
		 (unsigned long long)ms % 1000);
	return text;
}

/* How old messages of a queue were when they were taken: buckets hold all that are not older */
static void put_ages_of(FILE *f, struct nlattr *const attrs[ATTRS], bool json)
{
	char le[32], value[32];
	uint64_t taken = 0;
	struct ages a;

	if (!ages_get(attrs, &a))
		return;
	for (unsigned int i = 0; i < a.groups; i++) {
		uint64_t bound = ages_bound(&a, i);

		taken += a.n[i];
		snprintf(value, sizeof(value), "%llu", (unsigned long long)taken);
		put_value(f, attrs, json, AGE "_bucket",
			  bound == AGE_BEYOND ? "+Inf" : seconds_text(le, bound), value);
	}
	put_value(f, attrs, json, AGE "_count", NULL, value);
	seconds_text(value, attr_or_0(attrs, IPCX_A_OBJECT_AGES_SUM_MS));
	put_value(f, attrs, json, AGE "_sum", NULL, value);
}

static void put_ages_metrics(FILE *f, const struct answer *objects, bool json)
{
	struct nlattr *attrs[ATTRS];
	char value[32];
	uint64_t ms;

	if (!json)
		put_head(f, AGE, "histogram", "How old messages were when they were taken.");
	for (size_t i = 0; i < objects->n; i++) {
		answer_attrs(objects, i, attrs);
		put_ages_of(f, attrs, json);
	}
	if (!json)
		put_head(f, OLDEST, "gauge", "Age of the message that waits longest, or 0.");
	for (size_t i = 0; i < objects->n; i++) {
		answer_attrs(objects, i, attrs);
		if (attr_number(attrs, IPCX_A_OBJECT_OLDEST_MS, &ms))
			put_value(f, attrs, json, OLDEST, NULL, seconds_text(value, ms));
	}
}

int metrics_write(FILE *f, bool json)
{
	struct answer objects, limits;
	int err, r = nl_ask(IPCX_CMD_OBJECT_GET, true, 0, NULL, 0, &objects, &err);

	if (r)
		return r;
	r = nl_ask(IPCX_CMD_LIMIT_GET, true, 0, NULL, 0, &limits, &err);
	if (!r) {
		put_metrics(f, object_metrics, ARRAY_SIZE(object_metrics), &objects, true, json);
		put_ages_metrics(f, &objects, json);
		put_metrics(f, limit_metrics, ARRAY_SIZE(limit_metrics), &limits, false, json);
		answer_free(&limits);
	}
	answer_free(&objects);
	return r;
}

enum { OPT_LISTEN = OPT_FIRST, OPT_SOCKET };

static int run_metrics(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "listen", required_argument, NULL, OPT_LISTEN },
		{ "socket", required_argument, NULL, OPT_SOCKET },
		COMMON_OPTIONS,
		{ 0 },
	};
	const char *address = NULL, *path = NULL;
	bool json = false;
	int c;

	while ((c = next_option(argc, argv, "", longs)) != -1) {
		if (c == OPT_LISTEN)
			address = optarg;
		else if (c == OPT_SOCKET)
			path = optarg;
		else
			json = true;
	}
	if (optind != argc)
		return usage_error("takes no names");
	if (!!address + !!path + json > 1)
		return usage_error("only one of --listen, --socket and --json");
	if (address)
		return metrics_listen(address);
	return path ? metrics_socket(path) : metrics_write(stdout, json);
}

const struct command cmd_metrics = {
	"metrics", run_metrics, "write or serve what is counted, for Prometheus",
	"usage: ipcx metrics [--listen [ADDR:]PORT | --socket PATH | --json]\n"
	"\n"
	"Writes what the module counts of the objects that you may see, and what counts against\n"
	"users, in Prometheus' text format; or serves that by HTTP to whoever may connect, as\n"
	"/metrics, until interrupted.\n"
	"\n"
	"  --listen [ADDR:]PORT  at this address, 127.0.0.1 if not given; [ADDR]:PORT for IPv6\n"
	"  --socket PATH         at a UNIX socket that only you may connect to\n"
	"\n"
	"One client is served at a time; it has 2 seconds to ask and 5 to take the answer.\n"
	"\n"
	"example: ipcx metrics --listen 9464\n"
};
