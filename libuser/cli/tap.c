// SPDX-License-Identifier: GPL-2.0-only
/*
 * tap: looks on at the messages of a queue or topic. The module shows what is still there when it
 * is asked, so it is asked every few milliseconds; nobody waits for this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ipcx.h>
#include <linux/ipcx_tap.h>

#include "netlink.h"
#include "util.h"

#define SNAP 256 /* bytes of a message, if not told otherwise */
#define INTERVAL 10000000 /* ns from one look to the next, likewise */
#define HEX_LINE 16

enum { OPT_SNAP = OPT_FIRST, OPT_INTERVAL };

/**
 * struct tap - what is done
 * @fd: the tap
 * @topic: it is of a topic
 * @json: one JSON object a line
 * @snap: bytes of each message
 * @count: messages to end after, 0: none
 * @seen: messages shown
 * @missed: messages missed
 * @interval: from one look to the next, ns
 * @deadline: when to end
 */
struct tap {
	int fd;
	bool topic;
	bool json;
	uint64_t snap;
	uint64_t count;
	uint64_t seen;
	uint64_t missed;
	int64_t interval;
	int64_t deadline;
};

static const char *tap_state_text(unsigned int state)
{
	switch (state) {
	case IPCX_TAP_LOST:
		return "lost";
	case IPCX_TAP_QUEUED:
		return "queued";
	case IPCX_TAP_TAKEN:
		return "taken";
	case IPCX_TAP_OVER:
		return "over";
	case IPCX_TAP_PUBLISHED:
		return "published";
	}
	return "?";
}

/* How much of what is shown is whole: the last character of a text may be cut */
static size_t whole(const struct ipcx_tap_record *r)
{
	for (size_t cut = 1; r->snapped < r->len && cut < 4 && cut <= r->snapped; cut++)
		if (!is_utf8(r + 1, r->snapped) && is_utf8(r + 1, r->snapped - cut))
			return r->snapped - cut;
	return r->snapped;
}

static void put_json(const struct tap *t, const struct ipcx_tap_record *r)
{
	printf("{\"seq\":%llu,\"state\":\"%s\",\"missed\":%llu", (unsigned long long)r->seq,
	       tap_state_text(r->state), (unsigned long long)r->missed);
	if (r->state != IPCX_TAP_LOST) {
		printf(",\"len\":%llu,\"tag\":%llu,\"pid\":%d,\"uid\":%u,\"gid\":%u",
		       (unsigned long long)r->len, (unsigned long long)r->tag, r->pid, r->uid,
		       r->gid);
		if (t->topic)
			printf(",\"ring\":%u,\"publisher\":%llu", r->ring,
			       (unsigned long long)r->publisher);
		else
			printf(",\"prio\":%u,\"deliveries\":%u", r->prio, r->deliveries);
		putchar(',');
		json_member(stdout, "data", r + 1, whole(r));
	}
	puts("}");
}

/* What is no text, in hex, with nothing of it left out */
static void put_hex(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%s%02x", i % HEX_LINE ? " " : "\n\t", p[i]);
}

static void put_missed(const struct tap *t, const struct ipcx_tap_record *r)
{
	if (!r->missed)
		return;
	printf("missed: %llu", (unsigned long long)r->missed);
	if (t->topic)
		printf(" of ring %u", r->ring);
	putchar('\n');
}

static void put_line(const struct tap *t, const struct ipcx_tap_record *r)
{
	put_missed(t, r);
	if (r->state == IPCX_TAP_LOST)
		return;
	printf("%llu %s", (unsigned long long)r->seq, tap_state_text(r->state));
	if (t->topic)
		printf(", ring %u", r->ring);
	else if (r->prio)
		printf(", prio %u", r->prio);
	if (r->deliveries)
		printf(", deliveries %u", r->deliveries);
	if (r->tag)
		printf(", tag %llu", (unsigned long long)r->tag);
	printf(", pid %d uid %u gid %u, %llu bytes:", r->pid, r->uid, r->gid,
	       (unsigned long long)r->len);
	if (is_utf8(r + 1, whole(r))) {
		putchar(' ');
		put_printable(stdout, r + 1, whole(r));
	} else {
		put_hex((const unsigned char *)(r + 1), r->snapped);
	}
	puts(r->snapped < r->len ? " ..." : "");
}

static bool wants_more(const struct tap *t)
{
	return !t->count || t->seen < t->count;
}

/* The records of one read */
static int put_records(struct tap *t, const char *buf, size_t len)
{
	for (size_t at = 0; at < len && wants_more(t);) {
		const struct ipcx_tap_record *r = (const void *)(buf + at);

		t->seen += r->state != IPCX_TAP_LOST;
		t->missed += r->missed;
		if (t->json)
			put_json(t, r);
		else
			put_line(t, r);
		at += r->size;
	}
	return fflush(stdout) ? fail_file("standard output", errno) : CLI_OK;
}

static int look_on(struct tap *t)
{
	size_t one = sizeof(struct ipcx_tap_record) + (t->snap + 7) / 8 * 8;
	size_t room = one > 1 << 18 ? one : 1 << 18;
	char *buf = malloc(room);
	int r = CLI_OK;
	bool last;

	if (!buf)
		return fail("no memory");
	do {
		int64_t now = now_ns(), next;
		ssize_t n = read(t->fd, buf, room);

		last = now >= t->deadline;
		if (n > 0)
			r = put_records(t, buf, n);
		else if (n < 0 && errno == EIDRM)
			last = true;
		else if (n < 0 && errno != EAGAIN)
			r = fail("cannot read the tap: %s", strerror(errno));
		next = t->interval < IPCX_FOREVER - now ? now + t->interval : IPCX_FOREVER;
		if (!r && !last && wants_more(t) && n <= (ssize_t)(room - one))
			sleep_until(next < t->deadline ? next : t->deadline);
	} while (!r && !last && wants_more(t));
	free(buf);
	return r;
}

static int tap_open(struct tap *t, const char *name)
{
	struct ipcx_tap_open o = {
		.size = sizeof(o),
		.snap = t->snap,
		.record_size = sizeof(struct ipcx_tap_record),
	};
	struct nlattr *attrs[ATTRS];
	struct answer a;
	int r = find_object(name, &a), dev;

	if (r)
		return r;
	answer_attrs(&a, 0, attrs);
	o.kind = attr_or_0(attrs, IPCX_A_OBJECT_KIND);
	answer_free(&a);
	if (o.kind != IPCX_KIND_QUEUE && o.kind != IPCX_KIND_TOPIC)
		return fail("this is a %s, which has no messages", kind_text(o.kind));
	t->topic = o.kind == IPCX_KIND_TOPIC;
	name = without_transport(name);
	o.name = (uintptr_t)name;
	o.name_len = strlen(name);
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	t->fd = dev < 0 ? -1 : ioctl(dev, IPCX_IOC_TAP_OPEN, &o);
	if (t->fd < 0)
		r = errno == EPERM ?
			    fail("you may not look at the messages of others: that needs "
				 "CAP_SYS_ADMIN, and the owner must be known here; try sudo") :
		    errno == ENOTTY ? fail("the module is older than this command") :
				      fail("cannot tap: %s", strerror(errno));
	if (dev >= 0)
		close(dev);
	return r;
}

static int tap_option(struct tap *t, int c)
{
	int64_t ns;

	switch (c) {
	case 'n':
		if (!parse_number(optarg, 10, UINT64_MAX, &t->count) || !t->count)
			return usage_error("a count is 1 or more");
		return CLI_OK;
	case OPT_SNAP:
		if (!parse_size(optarg, &t->snap) || t->snap > IPCX_TAP_SNAP_MAX)
			return usage_error("--snap takes 0 to 1M bytes");
		return CLI_OK;
	case OPT_INTERVAL:
		if (!parse_duration(optarg, &t->interval) || t->interval <= 0)
			return usage_error("--interval takes a time, such as 1ms or 2s");
		return CLI_OK;
	case 'W':
		if (!parse_duration(optarg, &ns))
			return usage_error("-W takes a time, such as 500ms or 10s");
		t->deadline = deadline_in(ns);
		return CLI_OK;
	default:
		t->json = true;
		return CLI_OK;
	}
}

static int run_tap(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "snap", required_argument, NULL, OPT_SNAP },
		{ "interval", required_argument, NULL, OPT_INTERVAL },
		{ "timeout", required_argument, NULL, 'W' },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct tap t = { .snap = SNAP, .interval = INTERVAL, .deadline = IPCX_FOREVER };
	int c, r = CLI_OK;

	while (!r && (c = next_option(argc, argv, "n:W:", longs)) != -1)
		r = tap_option(&t, c);
	if (r)
		return r;
	if (argc - optind != 1)
		return usage_error("give the name of one queue or topic");
	r = tap_open(&t, argv[optind]);
	if (r)
		return r;
	r = look_on(&t);
	close(t.fd);
	if (t.missed && !t.json)
		fprintf(stderr, "ipcx: tap: shown: %llu, missed: %llu\n",
			(unsigned long long)t.seen, (unsigned long long)t.missed);
	return !r && (t.count ? t.seen < t.count : !t.seen) ? CLI_EMPTY : r;
}

const struct command cmd_tap = {
	"tap", run_tap, "look on at the messages of a queue or topic",
	"usage: ipcx tap NAME [-n COUNT] [--snap BYTES] [--interval DUR] [-W DUR] [--json]\n"
	"\n"
	"Writes a line for each message until interrupted: its number, where it is (queued, taken, over,\n"
	"or published), who sent it, how long it is, and what is in it, in hex if it is no text. It\n"
	"receives nothing, and neither senders nor receivers do anything for it. So it sees what is\n"
	"still there when it looks, and says how many messages it missed, but for a topic's whose\n"
	"publisher came and went between two looks; of a queue it begins\n"
	"with those that wait or are held. It ends when the queue is removed. You need CAP_SYS_ADMIN.\n"
	"\n"
	"  -n, --count COUNT   end after COUNT messages\n"
	"      --snap BYTES    that much of each message, 0 to 1M; 256\n"
	"      --interval DUR  from one look to the next, unless one shows very much: 1ms, 2s; 10ms\n"
	"  -W, --timeout DUR   end after so long: 500ms, 2s, 1m. Exit code 4 if less than COUNT,\n"
	"                      or without it no messages came\n"
	"\n"
	"example: sudo ipcx tap jobs --snap 64 --json\n"
};
