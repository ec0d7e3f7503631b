// SPDX-License-Identifier: GPL-2.0-only
/*
 * create: queues, topics and regions with their attributes.
 */
#include <string.h>

#include <ipcx.h>

#include "util.h"

enum {
	OPT_DEPTH = OPT_FIRST,
	OPT_MSG_MAX,
	OPT_BYTES_MAX,
	OPT_MODE,
	OPT_POLICY,
	OPT_MAX_DELIVERIES,
	OPT_LEASE,
	OPT_LEASES_MAX,
	OPT_DEAD_LETTER,
	OPT_TOPIC,
	OPT_LAG_MAX,
	OPT_OPEN_RELIABLE,
	OPT_REGION,
};

static void report_topic(const struct ipcx_topic *t)
{
	struct ipcx_topic_attr a = { .sz = sizeof(a) };

	if (ipcx_topic_attr(t, &a))
		return;
	printf(",\"id\":%llu,\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u,\"depth\":%u,"
	       "\"lag_max\":%u,\"msg_max\":%llu,\"bytes_max\":%llu,\"open_reliable\":%s",
	       (unsigned long long)a.id, a.mode, a.uid, a.gid, a.depth, a.lag_max,
	       (unsigned long long)a.msg_max, (unsigned long long)a.bytes_max,
	       a.flags & IPCX_OPEN_RELIABLE ? "true" : "false");
}

/* Milliseconds where there is no unit; more than the library takes is for it to refuse */
static bool parse_lease(const char *text, uint32_t *ms)
{
	char with_unit[64];
	size_t len = strlen(text);
	int64_t ns;

	if (!len || len > sizeof(with_unit) - 3)
		return false;
	snprintf(with_unit, sizeof(with_unit), "%s%s", text,
		 strchr("0123456789.", text[len - 1]) ? "ms" : "");
	if (!parse_duration(with_unit, &ns) || ns < 1000000)
		return false;
	*ms = ns / 1000000 < UINT32_MAX ? ns / 1000000 : UINT32_MAX;
	return true;
}

static bool parse_policy(const char *text, enum ipcx_queue_policy *policy)
{
	for (*policy = IPCX_BLOCK; *policy <= IPCX_DROP_NEWEST; ++*policy)
		if (!strcmp(policy_text(*policy), text))
			return true;
	return false;
}

static bool parse_positive(const char *text, uint32_t *value)
{
	uint64_t v;

	if (!parse_number(text, 10, UINT32_MAX, &v) || !v)
		return false;
	*value = v;
	return true;
}

/* Returns NULL, or what the option takes */
static const char *limit_option(int c, struct ipcx_queue_opts *opts)
{
	static const char limit[] = "a limit is a number from 1; leave the option out for none";

	switch (c) {
	case OPT_POLICY:
		return parse_policy(optarg, &opts->policy) ?
			       NULL :
			       "a policy is block, fail, drop-oldest or drop-newest";
	case OPT_MAX_DELIVERIES:
		return parse_positive(optarg, &opts->max_deliveries) ? NULL : limit;
	case OPT_LEASE:
		return parse_lease(optarg, &opts->lease_ms) ?
			       NULL :
			       "a lease is 1 ms or longer: 500 (milliseconds), 30s, 5m";
	case OPT_LEASES_MAX:
		return parse_positive(optarg, &opts->leases_max) ? NULL : limit;
	default:
		opts->dead_letter = without_transport(optarg);
		return NULL;
	}
}

struct creation {
	struct ipcx_queue_opts queue;
	struct ipcx_topic_opts topic;
	struct ipcx_region_opts region;
	unsigned int flags; /* of a topic */
	bool is_topic, is_region, json;
	bool queue_only, topic_only; /* some option is */
	bool messages; /* some option is for what carries them */
};

/* Likewise; @queue has what both kinds have, too. */
static const char *create_option(int c, struct creation *n)
{
	static const char size[] = "a size is a number of bytes from 1, or has K, M, G or T behind";
	uint64_t v;

	switch (c) {
	case OPT_JSON:
		n->json = true;
		return NULL;
	case OPT_TOPIC:
		n->is_topic = true;
		return NULL;
	case OPT_REGION:
		n->is_region = true;
		return parse_size(optarg, &n->region.size) ? NULL : size;
	case OPT_OPEN_RELIABLE:
		n->topic_only = true;
		n->flags |= IPCX_OPEN_RELIABLE;
		return NULL;
	case OPT_LAG_MAX:
		n->topic_only = true;
		return parse_positive(optarg, &n->topic.lag_max) ?
			       NULL :
			       "a limit is a number from 1; leave the option out for none";
	case OPT_DEPTH:
		n->messages = true;
		return parse_positive(optarg, &n->queue.depth) ? NULL :
								 "a depth is a number from 1";
	case OPT_MODE:
		if (!parse_number(optarg, 8, 0777, &v) || !v)
			return "a mode is an octal number from 0001 to 0777";
		n->queue.mode = v;
		return NULL;
	case OPT_MSG_MAX:
		n->messages = true;
		return parse_size(optarg, &n->queue.msg_max) && n->queue.msg_max ? NULL : size;
	case OPT_BYTES_MAX:
		n->messages = true;
		return parse_size(optarg, &n->queue.bytes_max) && n->queue.bytes_max ? NULL : size;
	default:
		n->queue_only = true;
		return limit_option(c, &n->queue);
	}
}

static int create_queue(const struct creation *n, const char *name)
{
	struct ipcx_queue *q;
	int r = ipcx_queue_open(&q, name, IPCX_CREATE | IPCX_EXCL | IPCX_RECV, &n->queue);

	if (r)
		return fail_ipcx(r);
	if (n->json) {
		printf("{");
		json_member(stdout, "name", name, strlen(name));
		json_attributes(q);
		printf("}\n");
	}
	ipcx_queue_close(q);
	return CLI_OK;
}

static int create_topic(struct creation *n, const char *name)
{
	struct ipcx_topic *t;
	int r;

	n->topic.depth = n->queue.depth;
	n->topic.mode = n->queue.mode;
	n->topic.msg_max = n->queue.msg_max;
	n->topic.bytes_max = n->queue.bytes_max;
	r = ipcx_topic_open(&t, name,
			    IPCX_CREATE | IPCX_EXCL | IPCX_SUBSCRIBE | IPCX_LOSSY | n->flags,
			    &n->topic);
	if (r)
		return fail_ipcx(r);
	if (n->json) {
		printf("{");
		json_member(stdout, "name", name, strlen(name));
		report_topic(t);
		printf("}\n");
	}
	ipcx_topic_close(t);
	return CLI_OK;
}

static int create_region(struct creation *n, const char *name)
{
	struct ipcx_region *r;
	int err;

	n->region.mode = n->queue.mode;
	err = ipcx_region_open(&r, name, IPCX_CREATE | IPCX_EXCL | IPCX_READ | IPCX_WRITE,
			       &n->region);
	if (err)
		return fail_ipcx(err);
	if (n->json) {
		printf("{");
		json_member(stdout, "name", name, strlen(name));
		printf(",\"size\":%llu}\n", (unsigned long long)n->region.size);
	}
	ipcx_region_close(r);
	return CLI_OK;
}

static const struct option longs[] = {
	{ "region", required_argument, NULL, OPT_REGION },
	{ "topic", no_argument, NULL, OPT_TOPIC },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "msg-max", required_argument, NULL, OPT_MSG_MAX },
	{ "bytes-max", required_argument, NULL, OPT_BYTES_MAX },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "max-deliveries", required_argument, NULL, OPT_MAX_DELIVERIES },
	{ "lease", required_argument, NULL, OPT_LEASE },
	{ "leases-max", required_argument, NULL, OPT_LEASES_MAX },
	{ "dead-letter", required_argument, NULL, OPT_DEAD_LETTER },
	{ "lag-max", required_argument, NULL, OPT_LAG_MAX },
	{ "open-reliable", no_argument, NULL, OPT_OPEN_RELIABLE },
	COMMON_OPTIONS,
	{ 0 },
};

static int run_create(int argc, char **argv)
{
	struct creation n = { .queue.sz = sizeof(n.queue),
			      .topic.sz = sizeof(n.topic),
			      .region.sz = sizeof(n.region) };
	const char *wrong;
	int c;

	while ((c = next_option(argc, argv, "", longs)) != -1) {
		wrong = create_option(c, &n);
		if (wrong)
			return usage_error("\"%s\": %s", optarg, wrong);
	}
	if (argc - optind != 1)
		return usage_error("give one name");
	if (n.is_region && (n.is_topic || n.queue_only || n.topic_only || n.messages))
		return usage_error("of a region only --mode can be said");
	if (n.is_region)
		return create_region(&n, argv[optind]);
	if (n.is_topic && n.queue_only)
		return usage_error("an option is for queues only: a topic drops what is too old");
	if (!n.is_topic && n.topic_only)
		return usage_error("--lag-max and --open-reliable are for --topic");
	return n.is_topic ? create_topic(&n, argv[optind]) : create_queue(&n, argv[optind]);
}

const struct command cmd_create = {
	"create", run_create, "make a queue, topic or region that stays until it is removed",
	"usage: ipcx create NAME [--depth N] [--msg-max SIZE] [--bytes-max SIZE]\n"
	"                        [--mode OCTAL] [--policy POLICY] [--max-deliveries N]\n"
	"                        [--lease DUR] [--leases-max N] [--dead-letter NAME]\n"
	"                        [--json]\n"
	"       ipcx create NAME --topic [--depth N] [--msg-max SIZE] [--bytes-max SIZE]\n"
	"                        [--mode OCTAL] [--lag-max N] [--open-reliable] [--json]\n"
	"       ipcx create NAME --region SIZE [--mode OCTAL] [--json]\n"
	"\n"
	"Makes a queue, a topic, or a region of shared memory. It is an error if there is\n"
	"something of this name already.\n"
	"\n"
	"  --depth N           messages that it holds, 64 if not given\n"
	"  --msg-max SIZE      longest message, 64M if not given\n"
	"  --bytes-max SIZE    memory that its messages may take, 256M if not given\n"
	"  --mode OCTAL        who may receive (r) and send (w), 0600 if not given\n"
	"  --policy POLICY     what sending does when the queue is full:\n"
	"                        block        wait, if not given\n"
	"                        fail         fail at once\n"
	"                        drop-oldest  drop the oldest message of the lowest priority\n"
	"                        drop-newest  drop the message sent; one slot stays empty\n"
	"  --max-deliveries N  give a message up that was taken N times and came back\n"
	"  --lease DUR         a message comes back that is not done so long after it was\n"
	"                      taken: 500ms, 30s, 5m; milliseconds without a unit\n"
	"  --leases-max N      messages that one receiver may hold at a time\n"
	"  --dead-letter NAME  the queue that gets what is given up or expires; it must be\n"
	"                      there, you must be allowed to send to it, and it must have\n"
	"                      no dead-letter queue itself. If not given, that is dropped\n"
	"\n"
	"Of a topic --mode says who may subscribe (r) and publish (w), --depth is a power of\n"
	"two and, as --bytes-max, of each publisher, and --msg-max 1M if not given.\n"
	"\n"
	"  --lag-max N         a reliable subscriber that is N messages behind is cut off; if\n"
	"                      not given, publishers wait for it\n"
	"  --open-reliable     who may only subscribe may be reliable\n"
	"\n"
	"Of a region --mode says who may read (r) and write (w); it begins as zeros.\n"
	"\n"
	"A SIZE is in bytes, or has K, M, G or T behind it.\n"
	"\n"
	"examples: ipcx create jobs --depth 1000 --mode 0660\n"
	"          ipcx create failed\n"
	"          ipcx create work --lease 30s --max-deliveries 3 --dead-letter failed\n"
	"          ipcx create latest --depth 3 --policy drop-oldest\n"
	"          ipcx create weather --topic --mode 0644 --depth 256\n"
	"          ipcx create picture --region 8M\n"
};
