// SPDX-License-Identifier: GPL-2.0-only
/*
 * hz: how fast messages are sent to a queue. The module counts them and does not say when each
 * came, so its counter is read every few milliseconds: what lies between two messages is known
 * as bounds only. Nothing is received, and nobody waits.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "netlink.h"
#include "util.h"

#define LOOK	10000000	/* ns from one look to the next */
#define REPORT	1000000000

/**
 * struct hz - what is known
 * @name: of the queue
 * @id: its number
 * @sent: its counter now
 * @json: one JSON object a line
 * @begin: when it was looked at first
 * @asked: the last look: the counter was read between this
 * @at: and this
 * @messages: that came since @begin
 * @before: the last message came between this
 * @after: and this
 * @shortest: ns, the shortest time between two messages is at most that
 * @longest: ns, the longest is at least that
 * @told: when a report was given
 * @told_messages: messages until then
 */
struct hz {
	const char *name;
	uint64_t id, sent;
	bool json;
	int64_t begin, asked, at;
	uint64_t messages;
	int64_t before, after;
	double shortest, longest;
	int64_t told;
	uint64_t told_messages;
};

static int begin(struct hz *h)
{
	struct nlattr *attrs[ATTRS];
	int64_t asked = now_ns();
	struct answer a;
	int r = find_object(h->name, &a);

	if (r)
		return r;
	answer_attrs(&a, 0, attrs);
	h->id = attr_or_0(attrs, IPCX_A_OBJECT_ID);
	if (!attr_number(attrs, IPCX_A_OBJECT_SENT, &h->sent))
		r = fail("the module counts the messages of queues only, and this is a %s",
			 kind_text(attr_or_0(attrs, IPCX_A_OBJECT_KIND)));
	answer_free(&a);
	h->asked = asked;
	h->at = now_ns();
	h->begin = h->at;
	h->told = h->at;
	h->shortest = INFINITY;
	return r;
}

static void at_most(double *bound, double ns)
{
	if (ns < *bound)
		*bound = ns;
}

static void at_least(double *bound, double ns)
{
	if (ns > *bound)
		*bound = ns;
}

/* @n messages came between the last look and the one that was over at @at. */
static void came(struct hz *h, uint64_t n, int64_t at)
{
	if (h->messages) {
		at_least(&h->longest, h->asked - h->after);
		at_most(&h->shortest, at - h->before);
	}
	if (n > 1)
		at_most(&h->shortest, (double)(at - h->asked) / (n - 1));
	h->before = h->asked;
	h->after = at;
	h->messages += n;
}

static int look(struct hz *h)
{
	struct nlattr *attrs[ATTRS];
	int64_t asked = now_ns(), at;
	struct answer a;
	uint64_t sent;
	int err, r;

	r = nl_ask(IPCX_CMD_OBJECT_GET, false, IPCX_A_OBJECT_ID, &h->id, sizeof(h->id), &a, &err);
	at = now_ns();
	if (r)
		return err == ENOENT ? fail("the queue is gone") : r;
	answer_attrs(&a, 0, attrs);
	sent = attr_or_0(attrs, IPCX_A_OBJECT_SENT);
	answer_free(&a);
	if (sent != h->sent)
		came(h, sent - h->sent, at);
	h->sent = sent;
	h->asked = asked;
	h->at = at;
	return CLI_OK;
}

static void json_ms(const char *key, bool known, double ns)
{
	if (known)
		printf(",\"%s\":%.6f", key, ns / 1e6);
	else
		printf(",\"%s\":null", key);
}

/* Two messages have a time between them; one has none. */
static int report(struct hz *h)
{
	double seconds = (h->at - h->begin) / 1e9, last = (h->at - h->told) / 1e9;
	double now = last > 0 ? (h->messages - h->told_messages) / last : 0;
	double all = seconds > 0 ? h->messages / seconds : 0;
	bool several = h->messages > 1;

	if (h->json) {
		printf("{");
		json_member(stdout, "name", h->name, strlen(h->name));
		printf(",\"seconds\":%.6f,\"messages\":%llu,\"per_s\":%.3f,\"now_per_s\":%.3f",
		       seconds, (unsigned long long)h->messages, all, now);
		json_ms("mean_ms", several, seconds * 1e9 / h->messages);
		json_ms("shortest_at_most_ms", several, h->shortest);
		json_ms("longest_at_least_ms", several, h->longest);
		printf("}\n");
	} else {
		printf("%.4g/s now, %.4g/s in %.1f s: %llu messages", now, all, seconds,
		       (unsigned long long)h->messages);
		if (several)
			printf(", every %.3g ms, shortest <= %.3g ms, longest >= %.3g ms",
			       seconds * 1e3 / h->messages, h->shortest / 1e6, h->longest / 1e6);
		putchar('\n');
	}
	h->told = h->at;
	h->told_messages = h->messages;
	return fflush(stdout) ? fail_file("standard output", errno) : CLI_OK;
}

static int measure(struct hz *h, int64_t until, uint64_t count)
{
	int64_t next = h->at;
	int r = CLI_OK;

	while (!r && h->at < until && (!count || h->messages < count)) {
		next = next + LOOK > h->at ? next + LOOK : h->at;
		sleep_until(next < until ? next : until);
		r = look(h);
		if (!r && h->at - h->told >= REPORT)
			r = report(h);
	}
	if (!r && h->told != h->at)
		r = report(h);
	return r ? r : h->messages && h->messages >= count ? CLI_OK : CLI_EMPTY;
}

static int run_hz(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "wait", required_argument, NULL, 'W' },
		{ "count", required_argument, NULL, 'n' },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct hz h = { 0 };
	uint64_t count = 0;
	int64_t ns = -1;
	int c, r;

	while ((c = next_option(argc, argv, "W:n:", longs)) != -1) {
		if (c == 'W' && (!parse_duration(optarg, &ns) || !ns))
			return usage_error("it takes some time, 10s for example");
		if (c == 'n' && (!parse_number(optarg, 10, UINT64_MAX, &count) || !count))
			return usage_error("the count is a number from 1");
		h.json |= c == OPT_JSON;
	}
	if (argc - optind != 1)
		return usage_error("give one name");
	h.name = argv[optind];
	r = begin(&h);
	return r ? r : measure(&h, deadline_in(ns), count);
}

const struct command cmd_hz = {
	"hz", run_hz, "tell how often messages are sent to a queue",
	"usage: ipcx hz NAME [-W DUR] [-n COUNT] [--json]\n"
	"\n"
	"Tells each second how many messages a second were sent in that second and since it began,\n"
	"and the time from one message to the next: the mean, and what is known of the shortest\n"
	"and the longest. It reads the queue's counter every 10 ms, so the shortest is that or less,\n"
	"the longest that or more. Nothing is received, and no sender or receiver notices.\n"
	"\n"
	"  -W, --wait DUR     end after so long\n"
	"  -n, --count COUNT  end after so many messages\n"
	"\n"
	"Without these it goes on until interrupted. Exit code 4 if time was over before COUNT\n"
	"messages, or before any.\n"
	"\n"
	"example: ipcx hz camera -W 10s\n"
};
