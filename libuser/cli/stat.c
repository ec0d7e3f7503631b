// SPDX-License-Identifier: GPL-2.0-only
/*
 * stat: what is in a queue, and what became of its messages.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <ipcx.h>

#include "procfile.h"
#include "util.h"

/* clang-format would take the initialiser for a block */
/* clang-format off */
#define COUNT(member, text) { #member, text, offsetof(struct ipcx_queue_stats, member) }
/* clang-format on */

static const struct {
	const char *name, *text;
	size_t offset;
} counts[] = {
	COUNT(sent, "messages since the queue was made; of these:"),
	COUNT(queued, "wait for a receiver"),
	COUNT(leased, "are taken and not released yet"),
	COUNT(released, "are done"),
	COUNT(dropped_oldest, "were dropped to make room for others"),
	COUNT(dropped_newest, "were dropped because there was no room"),
	COUNT(expired, "were given up: nobody took them in time"),
	COUNT(poison, "were given up: they came back too often"),
	COUNT(withdrawn, "were requests that ended before anybody could answer them"),
	COUNT(redelivered, "times a message came back and was queued again"),
	COUNT(dead_lettered, "given up, and taken by the dead-letter queue"),
	COUNT(dead_letter_failed, "given up, and the dead-letter queue could not take them"),
	COUNT(bytes, "of memory"),
	COUNT(free, "slots are free"),
	COUNT(loaned, "slots are being written"),
	COUNT(requests, "slots are kept free for replies"),
	COUNT(answers, "answers are not taken or not released yet"),
	COUNT(senders, "open ends may send"),
	COUNT(receivers, "open ends may receive"),
	COUNT(damaged, "arrived and were no whole messages"),
};

static unsigned long long count_at(const struct ipcx_queue_stats *s, size_t i)
{
	uint64_t v;

	memcpy(&v, (const char *)s + counts[i].offset, sizeof(v));
	return v;
}

const char *policy_text(unsigned int policy)
{
	static const char *const texts[] = {
		[IPCX_BLOCK] = "block",
		[IPCX_FAIL] = "fail",
		[IPCX_DROP_OLDEST] = "drop-oldest",
		[IPCX_DROP_NEWEST] = "drop-newest",
	};

	return policy < ARRAY_SIZE(texts) ? texts[policy] : "?";
}

void json_attributes(const struct ipcx_queue *q)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };

	ipcx_queue_attr(q, &a);
	printf(",\"id\":%llu,\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u,\"depth\":%u,"
	       "\"msg_max\":%llu,\"bytes_max\":%llu,\"policy\":\"%s\",\"max_deliveries\":%u,"
	       "\"lease_ms\":%u,\"leases_max\":%u,\"dead_letter\":",
	       (unsigned long long)a.id, a.mode, a.uid, a.gid, a.depth,
	       (unsigned long long)a.msg_max, (unsigned long long)a.bytes_max,
	       policy_text(a.policy), a.max_deliveries, a.lease_ms, a.leases_max);
	if (a.dead_letter)
		printf("%llu", (unsigned long long)a.dead_letter);
	else
		printf("null");
}

/* The name of the object number @id, or the number where the name is not to be had */
static void put_object(uint64_t id)
{
	char name[NAME_ROOM];
	struct table t;
	size_t len = 0;

	if (!table_read(PROC_FILE, &t)) {
		for (size_t row = 0; row < t.rows && !len; row++) {
			const char *field = table_get(&t, row, "id");
			uint64_t v;

			if (field && parse_number(field, 10, UINT64_MAX, &v) && v == id)
				len = table_name(&t, row, name);
		}
		table_free(&t);
	}
	if (len)
		put_printable(stdout, name, len);
	else
		printf("number %llu", (unsigned long long)id);
}

static void put_attributes(const struct ipcx_queue *q)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };

	ipcx_queue_attr(q, &a);
	printf("depth %u, policy %s", a.depth, policy_text(a.policy));
	if (a.max_deliveries)
		printf(", max-deliveries %u", a.max_deliveries);
	if (a.lease_ms)
		printf(", lease %u ms", a.lease_ms);
	if (a.leases_max)
		printf(", leases-max %u", a.leases_max);
	if (a.dead_letter) {
		printf(", dead-letter ");
		put_object(a.dead_letter);
	}
	putchar('\n');
}

/*
 * One of the two rights will do. Sending is tried first: with the last receiver the requests go for
 * which nobody was there yet, and most transports have one receiver only.
 */
static int open_any(struct ipcx_queue **q, const char *name, unsigned int *right)
{
	int r;

	*right = IPCX_SEND;
	r = ipcx_queue_open(q, name, *right, NULL);
	if (r == -EACCES) {
		*right = IPCX_RECV;
		r = ipcx_queue_open(q, name, *right, NULL);
	}
	if (r == -EACCES)
		return fail("who looks at a queue must be allowed to receive or to send: %s",
			    ipcx_error());
	return r ? fail_ipcx(r) : CLI_OK;
}

static void put_counts(const struct ipcx_queue_stats *s, bool json)
{
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		if (json)
			printf(",\"%s\":%llu", counts[i].name, count_at(s, i));
		else
			printf("%-18s %10llu  %s\n", counts[i].name, count_at(s, i),
			       counts[i].text);
	}
}

/* @own: the right that this program has it open with, which does not count */
static int look(struct ipcx_queue *q, const char *name, unsigned int own, bool json)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };
	int r = ipcx_queue_stat(q, &s);

	if (r)
		return fail_ipcx(r);
	/* which most transports do not count */
	s.receivers -= own == IPCX_RECV && s.receivers;
	s.senders -= own == IPCX_SEND && s.senders;
	if (!json) {
		put_attributes(q);
		put_counts(&s, false);
		return CLI_OK;
	}
	printf("{");
	json_member(stdout, "name", name, strlen(name));
	json_attributes(q);
	put_counts(&s, true);
	printf("}\n");
	return CLI_OK;
}

static int run_stat(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	struct ipcx_queue *q;
	unsigned int right;
	bool json = false;
	int c, r;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind != 1)
		return usage_error("give one name");
	r = open_any(&q, argv[optind], &right);
	if (r)
		return r;
	r = look(q, argv[optind], right, json);
	ipcx_queue_close(q);
	return r;
}

const struct command cmd_stat = {
	"stat", run_stat, "tell what became of a queue's messages",
	"usage: ipcx stat NAME [--json]\n"
	"\n"
	"Tells what is in a queue and what became of the messages sent to it: done,\n"
	"dropped, expired, given up. You must be allowed to receive or to send.\n"
	"\n"
	"example: ipcx stat jobs --json\n"
};
