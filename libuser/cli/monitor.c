// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor: writes what happens, a line for each event.
 */
#include <errno.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ipcx.h>

#include "netlink.h"
#include "util.h"

#define BATCH 256 /* events of a group that are read before the other one is looked at */

enum { OPT_LIFECYCLE = OPT_FIRST, OPT_ALERTS };

static const struct field event_fields[] = {
	{ IPCX_A_EVENT_SEQ, "seq", FORM_NUMBER },
	{ IPCX_A_EVENT_TIME, "time_ns", FORM_NUMBER },
	{ IPCX_A_EVENT_KIND, "event", FORM_EVENT },
	{ IPCX_A_EVENT_OBJECT_KIND, "kind", FORM_KIND },
	{ IPCX_A_EVENT_OBJECT, "object", FORM_NUMBER },
	{ IPCX_A_EVENT_NAME, "name", FORM_NAME },
	{ IPCX_A_EVENT_END, "end", FORM_NUMBER },
	{ IPCX_A_EVENT_PID, "pid", FORM_NUMBER },
	{ IPCX_A_EVENT_PID_NS, "pid_ns", FORM_NUMBER },
	{ IPCX_A_EVENT_UID, "uid", FORM_NUMBER },
	{ IPCX_A_EVENT_EXIT, "exit", FORM_EXIT },
	{ IPCX_A_EVENT_COUNT, "count", FORM_NUMBER },
	{ IPCX_A_EVENT_DEAD_LETTERED, "dead_lettered", FORM_NUMBER },
	{ IPCX_A_EVENT_LIMIT, "limit", FORM_LIMIT },
	{ IPCX_A_EVENT_LIMIT_VALUE, "limit_value", FORM_NUMBER },
	{ IPCX_A_EVENT_BY_END, "by_end", FORM_NUMBER },
	{ IPCX_A_EVENT_BY_PID, "by_pid", FORM_NUMBER },
	{ IPCX_A_EVENT_BY_PID_NS, "by_pid_ns", FORM_NUMBER },
	{ IPCX_A_EVENT_BY_UID, "by_uid", FORM_NUMBER },
	{ IPCX_A_EVENT_LOANS, "loans", FORM_NUMBER },
	{ IPCX_A_EVENT_LEASES, "leases", FORM_NUMBER },
};

/* One and many of it; who the process is to it */
static const struct {
	const char *one, *many, *who;
} texts[] = {
	[IPCX_EVENT_KIND_MADE] = { "made", "made", "by" },
	[IPCX_EVENT_KIND_UNLINKED] = { "lost its name", "lost its name", "by" },
	[IPCX_EVENT_KIND_GONE] = { "gone", "gone", "by" },
	[IPCX_EVENT_KIND_OPENED] = { "opened", "opened", "by" },
	[IPCX_EVENT_KIND_CLOSED] = { "closed", "closed", "opened by" },
	[IPCX_EVENT_KIND_LOANS_RETURNED] = { "loan given back", "loans given back",
					     "end opened by" },
	[IPCX_EVENT_KIND_REDELIVERED] = { "message queued again", "messages queued again",
					  "receiver" },
	[IPCX_EVENT_KIND_EVICTED] = { "subscriber evicted for being slow", "subscribers evicted",
				      "subscriber" },
	[IPCX_EVENT_KIND_CONTRADICTION] = { "subscriber evicted for contradicting itself",
					    "subscribers evicted", "subscriber" },
	[IPCX_EVENT_KIND_OVERDUE] = { "message queued again, held for too long",
				      "messages queued again, held for too long", "receiver" },
	[IPCX_EVENT_KIND_DROPPED_OLDEST] = { "message dropped (oldest)",
					     "messages dropped (oldest)", "sender" },
	[IPCX_EVENT_KIND_DROPPED_NEWEST] = { "message dropped (newest)",
					     "messages dropped (newest)", "sender" },
	[IPCX_EVENT_KIND_EXPIRED] = { "message expired", "messages expired", "sender" },
	[IPCX_EVENT_KIND_GIVEN_UP] = { "message given up", "messages given up", "sender" },
	[IPCX_EVENT_KIND_REFUSED] = { "refusal", "refusals", "asked for by" },
};

/* A group that is listened to; @seq 0 until its first event */
struct group {
	const char *name;
	struct nl_sock *sk;
	uint64_t seq;
};

struct monitor {
	struct group group[2];
	struct pollfd fd[2];
	int n;
	bool json;
	uint64_t left, seen; /* left 0: no end */
	struct group *from; /* of what is read just now */
};

/* What this program has no text for has a number */
static void put_text(const char *before, const char *text, uint64_t v)
{
	if (text)
		printf("%s%s", before, text);
	else
		printf("%s%llu", before, (unsigned long long)v);
}

/* By whom an end was revoked, and what it held */
static void put_revoked(struct nlattr *const attrs[ATTRS])
{
	printf(" by pid %llu uid %llu, it held %llu loans and %llu messages",
	       (unsigned long long)attr_or_0(attrs, IPCX_A_EVENT_BY_PID),
	       (unsigned long long)attr_or_0(attrs, IPCX_A_EVENT_BY_UID),
	       (unsigned long long)attr_or_0(attrs, IPCX_A_EVENT_LOANS),
	       (unsigned long long)attr_or_0(attrs, IPCX_A_EVENT_LEASES));
}

static void put_cause(struct nlattr *const attrs[ATTRS], const char *who)
{
	uint64_t v;

	if (attr_number(attrs, IPCX_A_EVENT_PID, &v))
		printf(", %s pid %llu", who, (unsigned long long)v);
	else if (attrs[IPCX_A_EVENT_UID])
		printf(", %s", who);
	if (attr_number(attrs, IPCX_A_EVENT_UID, &v))
		printf(" uid %llu", (unsigned long long)v);
	if (attr_number(attrs, IPCX_A_EVENT_END, &v))
		printf(" end %llu", (unsigned long long)v);
	if (attr_number(attrs, IPCX_A_EVENT_EXIT, &v))
		put_text(", ", v == IPCX_EVENT_EXIT_CLOSED ? "by a call" : exit_text(v), v);
	if (attrs[IPCX_A_EVENT_BY_UID])
		put_revoked(attrs);
	else if (attr_number(attrs, IPCX_A_EVENT_BY_PID, &v))
		printf(", publisher pid %llu end %llu", (unsigned long long)v,
		       (unsigned long long)attr_or_0(attrs, IPCX_A_EVENT_BY_END));
}

/* In quotes, where what is in it could be taken for what comes after it */
static void put_name(struct nlattr *const attrs[ATTRS])
{
	const struct nlattr *a = attrs[IPCX_A_EVENT_NAME];
	const char *name = a ? nla_data(a) : "", *end = name + (a ? nla_len(a) : 0), *quote;

	if (!a && !attrs[IPCX_A_EVENT_OBJECT]) {
		printf("(no name, not made)");
		return;
	}
	if (name == end || !(*name == '"' || memchr(name, ' ', end - name) ||
			     memchr(name, ':', end - name) || memchr(name, '(', end - name))) {
		put_attr_name(attrs, IPCX_A_EVENT_NAME, IPCX_A_EVENT_OBJECT);
		return;
	}
	putchar('"');
	while ((quote = memchr(name, '"', end - name))) {
		put_printable(stdout, name, quote - name);
		printf("\\042");
		name = quote + 1;
	}
	put_printable(stdout, name, end - name);
	putchar('"');
}

static void put_line(struct nlattr *const attrs[ATTRS])
{
	uint64_t kind = attr_or_0(attrs, IPCX_A_EVENT_KIND), v;
	uint64_t count = attr_or_0(attrs, IPCX_A_EVENT_COUNT);
	const char *text = NULL, *who = "of";

	printf("%s ", kind_text(attr_or_0(attrs, IPCX_A_EVENT_OBJECT_KIND)));
	put_name(attrs);
	if (kind < ARRAY_SIZE(texts) && texts[kind].one) {
		text = count > 1 ? texts[kind].many : texts[kind].one;
		who = texts[kind].who;
	}
	printf(": ");
	if (count)
		printf("%llu ", (unsigned long long)count);
	put_text(text ? "" : "event ", text, kind);
	if (attr_number(attrs, IPCX_A_EVENT_DEAD_LETTERED, &v))
		printf(" (%llu dead-lettered)", (unsigned long long)v);
	put_cause(attrs, who);
	if (attr_number(attrs, IPCX_A_EVENT_LIMIT, &v))
		put_text(", limit ", limit_text(v), v);
	if (attr_number(attrs, IPCX_A_EVENT_LIMIT_VALUE, &v))
		printf(" %llu", (unsigned long long)v);
	putchar('\n');
}

/* @n events are missing, or it is not known how many */
static void put_lost(const struct monitor *m, uint64_t n)
{
	if (m->json && n)
		printf("{\"group\":\"%s\",\"event\":\"lost\",\"count\":%llu}\n", m->from->name,
		       (unsigned long long)n);
	else if (m->json)
		printf("{\"group\":\"%s\",\"event\":\"overrun\"}\n", m->from->name);
	else if (n)
		printf("lost: %llu events of the group %s\n", (unsigned long long)n, m->from->name);
	else
		printf("overrun: events of the group %s are lost\n", m->from->name);
}

static void on_event(int cmd, struct nlattr *const attrs[ATTRS], void *arg)
{
	struct monitor *m = arg;
	uint64_t seq = attr_or_0(attrs, IPCX_A_EVENT_SEQ);

	if (cmd != IPCX_CMD_LIFECYCLE_EVENT && cmd != IPCX_CMD_ALERT_EVENT)
		return;
	if (m->from->seq && seq > m->from->seq + 1)
		put_lost(m, seq - m->from->seq - 1);
	m->from->seq = seq;
	m->seen++;
	if (!m->json) {
		put_line(attrs);
		return;
	}
	printf("{\"group\":\"%s\",", m->from->name);
	json_fields(event_fields, ARRAY_SIZE(event_fields), attrs);
	printf("}\n");
}

static int listen_to(struct monitor *m, const char *group)
{
	struct group *g = &m->group[m->n];
	int r = nl_listen(group, &g->sk);

	if (r)
		return r;
	g->name = group;
	m->fd[m->n++] = (struct pollfd){ .fd = nl_fd(g->sk), .events = POLLIN };
	return CLI_OK;
}

/* For poll(2); 0 if it is over */
static int timeout_of(int64_t deadline)
{
	struct timespec now;
	int64_t left;

	if (deadline == IPCX_FOREVER)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = deadline - now.tv_sec * INT64_C(1000000000) - now.tv_nsec;
	if (left <= 0)
		return 0;
	return left < INT64_C(1000000000) * 1000 ? left / 1000000 + 1 : 1000000;
}

static bool wants_more(const struct monitor *m)
{
	return !m->left || m->seen < m->left;
}

/* What a group has: events, or that some were lost */
static int read_group(struct monitor *m, int i)
{
	int n = 0, got = 1;

	m->from = &m->group[i];
	while (got && n++ < BATCH && wants_more(m)) {
		got = nl_next(m->from->sk, on_event, m);
		if (got == -ENOBUFS)
			put_lost(m, 0);
		else if (got < 0)
			return fail("cannot read: %s", strerror(-got));
	}
	return fflush(stdout) ? fail_file("standard output", errno) : CLI_OK;
}

static int listen_until(struct monitor *m, int64_t deadline)
{
	int r = CLI_OK;

	while (!r && wants_more(m)) {
		int ms = timeout_of(deadline);

		if (!ms)
			return m->left || !m->seen ? CLI_EMPTY : CLI_OK;
		if (poll(m->fd, m->n, ms) < 0 && errno != EINTR)
			return fail("cannot wait: %s", strerror(errno));
		for (int i = 0; !r && i < m->n && wants_more(m); i++)
			if (m->fd[i].revents)
				r = read_group(m, i);
	}
	return r;
}

static int run_monitor(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lifecycle", no_argument, NULL, OPT_LIFECYCLE },
		{ "alerts", no_argument, NULL, OPT_ALERTS },
		{ "count", required_argument, NULL, 'C' },
		{ "timeout", required_argument, NULL, 'W' },
		COMMON_OPTIONS,
		{ 0 },
	};
	bool lifecycle = false, alerts = false;
	int64_t ns = -1, deadline;
	struct monitor m = {};
	int c, dev, r = CLI_OK;

	while ((c = next_option(argc, argv, "C:W:", longs)) != -1) {
		m.json |= c == OPT_JSON;
		lifecycle |= c == OPT_LIFECYCLE;
		alerts |= c == OPT_ALERTS;
		if (c == 'C' && (!parse_number(optarg, 10, UINT64_MAX, &m.left) || !m.left))
			return usage_error("-C takes a number from 1 on");
		if (c == 'W' && !parse_duration(optarg, &ns))
			return usage_error("-W takes a time, such as 500ms or 10s");
	}
	if (optind != argc)
		return usage_error("takes no names");
	deadline = deadline_in(ns);
	/* the module stays, or the groups of its next load would be others */
	dev = open("/dev/ipcx", O_RDONLY | O_CLOEXEC);
	if (dev < 0)
		return fail("the module does not answer; \"ipcx doctor\" says what to do");
	if (alerts || !lifecycle)
		r = listen_to(&m, IPCX_MCGRP_ALERTS);
	if (!r && (lifecycle || !alerts))
		r = listen_to(&m, IPCX_MCGRP_LIFECYCLE);
	if (!r)
		r = listen_until(&m, deadline);
	while (m.n)
		nl_stop(m.group[--m.n].sk);
	close(dev);
	return r;
}

const struct command cmd_monitor = {
	"monitor", run_monitor, "tell what happens: who comes and goes, and what goes wrong",
	"usage: ipcx monitor [--lifecycle | --alerts] [-C COUNT] [-W DUR] [--json]\n"
	"\n"
	"Writes a line for each event until interrupted. Alerts are messages that were dropped, came\n"
	"back or were given up, holders that died, and limits that were reached, each with the process\n"
	"and user that were the cause. What happens often is summed up. You need CAP_NET_ADMIN.\n"
	"\n"
	"  --lifecycle         only objects and open ends that come and go\n"
	"  --alerts            only what goes wrong\n"
	"  -C, --count COUNT   end after COUNT events\n"
	"  -W, --timeout DUR   end after so long: 500ms, 2s, 1m. Exit code 4 if less than COUNT,\n"
	"                      or without it no events came\n"
	"\n"
	"A process has the number that it sees itself. Events that this program was too slow for are\n"
	"missing, and a line says how many; nobody waits for it. The module cannot be unloaded.\n"
	"\n"
	"example: ipcx monitor --alerts --json\n"
};
