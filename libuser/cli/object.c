// SPDX-License-Identifier: GPL-2.0-only
/*
 * ls, show, rm: objects as a whole.
 */
#include <errno.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipcx.h>

#include "netlink.h"
#include "util.h"

enum { OPT_NOW = OPT_FIRST };

const char *without_transport(const char *uri)
{
	static const char kernel[] = "kernel:";

	return strncmp(uri, kernel, strlen(kernel)) ? uri : uri + strlen(kernel);
}

static const struct field object_fields[] = {
	{ IPCX_A_OBJECT_ID, "id", FORM_NUMBER },
	{ IPCX_A_OBJECT_KIND, "kind", FORM_KIND },
	{ IPCX_A_OBJECT_MODE, "mode", FORM_MODE },
	{ IPCX_A_OBJECT_UID, "uid", FORM_NUMBER },
	{ IPCX_A_OBJECT_GID, "gid", FORM_NUMBER },
	{ IPCX_A_OBJECT_FLAGS, "flags", FORM_FLAGS },
	{ IPCX_A_OBJECT_DEPTH, "depth", FORM_NUMBER },
	{ IPCX_A_OBJECT_MSG_MAX, "msg_max", FORM_SIZE },
	{ IPCX_A_OBJECT_BYTES_MAX, "bytes_max", FORM_SIZE },
	{ IPCX_A_OBJECT_BYTES, "bytes", FORM_SIZE },
	{ IPCX_A_OBJECT_POLICY, "policy", FORM_POLICY },
	{ IPCX_A_OBJECT_MAX_DELIVERIES, "max_deliveries", FORM_NUMBER },
	{ IPCX_A_OBJECT_LEASE_MS, "lease_ms", FORM_NUMBER },
	{ IPCX_A_OBJECT_LEASES_MAX, "leases_max", FORM_NUMBER },
	{ IPCX_A_OBJECT_DEAD_LETTER, "dead_letter", FORM_NUMBER },
	{ IPCX_A_OBJECT_SENDERS, "senders", FORM_NUMBER },
	{ IPCX_A_OBJECT_RECEIVERS, "receivers", FORM_NUMBER },
	{ IPCX_A_OBJECT_SEND_WAITERS, "send_waiters", FORM_NUMBER },
	{ IPCX_A_OBJECT_RECV_WAITERS, "recv_waiters", FORM_NUMBER },
	{ IPCX_A_OBJECT_FREE, "free", FORM_NUMBER },
	{ IPCX_A_OBJECT_LOANED, "loaned", FORM_NUMBER },
	{ IPCX_A_OBJECT_QUEUED, "queued", FORM_NUMBER },
	{ IPCX_A_OBJECT_LEASED, "leased", FORM_NUMBER },
	{ IPCX_A_OBJECT_ANSWERS, "answers", FORM_NUMBER },
	{ IPCX_A_OBJECT_REQUESTS, "requests", FORM_NUMBER },
	{ IPCX_A_OBJECT_SENT, "sent", FORM_NUMBER },
	{ IPCX_A_OBJECT_SENT_BYTES, "sent_bytes", FORM_NUMBER },
	{ IPCX_A_OBJECT_RELEASED, "released", FORM_NUMBER },
	{ IPCX_A_OBJECT_DROPPED_OLDEST, "dropped_oldest", FORM_NUMBER },
	{ IPCX_A_OBJECT_DROPPED_NEWEST, "dropped_newest", FORM_NUMBER },
	{ IPCX_A_OBJECT_EXPIRED, "expired", FORM_NUMBER },
	{ IPCX_A_OBJECT_POISON, "poison", FORM_NUMBER },
	{ IPCX_A_OBJECT_WITHDRAWN, "withdrawn", FORM_NUMBER },
	{ IPCX_A_OBJECT_REDELIVERED, "redelivered", FORM_NUMBER },
	{ IPCX_A_OBJECT_DEAD_LETTERED, "dead_lettered", FORM_NUMBER },
	{ IPCX_A_OBJECT_DEAD_LETTER_FAILED, "dead_letter_failed", FORM_NUMBER },
	{ IPCX_A_OBJECT_AGES, "ages_ms", FORM_AGES },
	{ IPCX_A_OBJECT_AGES_SUM_MS, "ages_sum_ms", FORM_NUMBER },
	{ IPCX_A_OBJECT_OLDEST_MS, "oldest_ms", FORM_NUMBER },
	{ IPCX_A_OBJECT_TAPS, "taps", FORM_NUMBER },
	{ IPCX_A_OBJECT_NAME, "name", FORM_NAME },
};

/* clang-format would put two in a line */
/* clang-format off */
static const struct field end_fields[] = {
	{ IPCX_A_END_ID, "id", FORM_NUMBER },
	{ IPCX_A_END_RIGHTS, "rights", FORM_RIGHTS },
	{ IPCX_A_END_PID, "pid", FORM_NUMBER },
	{ IPCX_A_END_UID, "uid", FORM_NUMBER },
	{ IPCX_A_END_LOANS, "loans", FORM_NUMBER },
	{ IPCX_A_END_LEASES, "leases", FORM_NUMBER },
};

/* clang-format on */

void json_object(struct nlattr *const attrs[ATTRS])
{
	json_fields(object_fields, ARRAY_SIZE(object_fields), attrs);
}

void json_end(struct nlattr *const attrs[ATTRS])
{
	json_fields(end_fields, ARRAY_SIZE(end_fields), attrs);
}

/*
 * A number of a list, a dash for what this kind does not have. Lists may be long: printf() would
 * take most of the time that they do.
 */
static void put_number(struct nlattr *const attrs[ATTRS], int attr, int width)
{
	char text[32], *end = text + sizeof(text), *at = end;
	uint64_t v;

	if (attr_number(attrs, attr, &v))
		do
			*--at = '0' + v % 10;
		while (v /= 10);
	else
		*--at = '-';
	while (end - at < width)
		*--at = ' ';
	fwrite(at, 1, end - at, stdout);
}

static void list_row(struct nlattr *const attrs[ATTRS])
{
	char buf[SIZE_TEXT];

	printf("%-8s%04o  ", kind_text(attr_or_0(attrs, IPCX_A_OBJECT_KIND)),
	       (unsigned int)attr_or_0(attrs, IPCX_A_OBJECT_MODE) & 0777);
	put_attr_user(attrs, IPCX_A_OBJECT_UID, 12);
	put_number(attrs, IPCX_A_OBJECT_QUEUED, 7);
	put_number(attrs, IPCX_A_OBJECT_LOANED, 7);
	put_number(attrs, IPCX_A_OBJECT_LEASED, 7);
	put_number(attrs, IPCX_A_OBJECT_DEPTH, 7);
	printf("%10s", size_text(buf, attr_or_0(attrs, IPCX_A_OBJECT_BYTES)));
	put_number(attrs, IPCX_A_OBJECT_SENDERS, 6);
	put_number(attrs, IPCX_A_OBJECT_RECEIVERS, 6);
	printf("  ");
	put_attr_name(attrs, IPCX_A_OBJECT_NAME, IPCX_A_OBJECT_ID);
	putchar('\n');
}

/* How ls writes an object */
enum style { STYLE_TABLE, STYLE_JSON, STYLE_NAMES };

static void list_one(struct nlattr *const attrs[ATTRS], enum style style)
{
	const struct nlattr *name = attrs[IPCX_A_OBJECT_NAME];
	uint64_t flags = attr_or_0(attrs, IPCX_A_OBJECT_FLAGS);

	if (style == STYLE_TABLE) {
		list_row(attrs);
	} else if (style == STYLE_JSON) {
		printf("{");
		json_object(attrs);
		printf("}\n");
	} else if (name && !(flags & IPCX_OBJECT_FLAGS_UNLINKED)) {
		fwrite(nla_data(name), nla_len(name), 1, stdout);
		putchar(0);
	}
}

static void list_json(const struct ipcx_listed *o)
{
	char name[sizeof(o->name) + 4];

	snprintf(name, sizeof(name), "shm:%s", o->name);
	printf("{\"kind\":\"%s\",\"mode\":\"%04o\",\"uid\":%u,\"bytes_max\":%llu",
	       kind_text(o->kind), o->mode, o->uid, (unsigned long long)o->bytes_max);
	if (o->kind != IPCX_LISTED_REGION)
		printf(",\"depth\":%u,\"msg_max\":%llu,\"senders\":%u,\"receivers\":%u", o->depth,
		       (unsigned long long)o->msg_max, o->senders, o->receivers);
	putchar(',');
	json_member(stdout, "name", name, strlen(name));
	printf("}\n");
}

/* One over shared memory. What only its members know is a dash. */
static int list_shm(const struct ipcx_listed *o, void *arg)
{
	enum style style = *(enum style *)arg;
	char depth[12] = "-", send[12] = "-", recv[12] = "-", bytes[SIZE_TEXT];

	if (style == STYLE_JSON) {
		list_json(o);
	} else if (style == STYLE_NAMES) {
		printf("shm:%s", o->name);
		putchar(0);
	} else {
		if (o->kind != IPCX_LISTED_REGION) {
			snprintf(depth, sizeof(depth), "%u", o->depth);
			snprintf(send, sizeof(send), "%u", o->senders);
			snprintf(recv, sizeof(recv), "%u", o->receivers);
		}
		printf("%-8s%04o  ", kind_text(o->kind), o->mode);
		put_columns(stdout, user_text(o->uid), strlen(user_text(o->uid)), 12);
		printf("%7s%7s%7s%7s%10s%6s%6s  shm:", "-", "-", "-", depth,
		       o->kind == IPCX_LISTED_REGION ? size_text(bytes, o->bytes_max) : "-", send,
		       recv);
		put_printable(stdout, o->name, strlen(o->name));
		putchar('\n');
	}
	return 0;
}

/* What the module has. Return: an exit code. */
static int list_kernel(enum style style)
{
	struct nlattr *attrs[ATTRS];
	struct answer a;
	int err, r = nl_ask(IPCX_CMD_OBJECT_GET, true, 0, NULL, 0, &a, &err);

	if (r)
		return r;
	for (size_t i = 0; i < a.n; i++) {
		answer_attrs(&a, i, attrs);
		list_one(attrs, style);
	}
	answer_free(&a);
	return CLI_OK;
}

static int run_ls(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "null", no_argument, NULL, '0' },
		COMMON_OPTIONS,
		{ 0 },
	};
	enum style style = STYLE_TABLE;
	int c, r = CLI_OK;

	while ((c = next_option(argc, argv, "0", longs)) != -1)
		style = c == '0' ? STYLE_NAMES : STYLE_JSON;
	if (optind != argc)
		return usage_error("takes no names; \"ipcx show NAME\" shows one object");
	if (style == STYLE_TABLE)
		printf("%-8s%-6s%-12s%7s%7s%7s%7s%10s%6s%6s  %s\n", "KIND", "MODE", "OWNER",
		       "QUEUED", "LOANED", "LEASED", "DEPTH", "BYTES", "SEND", "RECV", "NAME");
	if (!access("/dev/ipcx", F_OK))
		r = list_kernel(style);
	if (ipcx_list(list_shm, &style))
		r = fail("%s", ipcx_error());
	return r;
}

int find_object(const char *name, struct answer *a)
{
	int err, r;

	name = without_transport(name);
	if (!*name || strlen(name) >= NAME_ROOM)
		return usage_error("that is no name");
	r = nl_ask(IPCX_CMD_OBJECT_GET, false, IPCX_A_OBJECT_NAME, name, strlen(name), a, &err);
	if (r && err == ENOENT)
		fail("there is no object of this name; \"ipcx ls\" lists what there is");
	return r;
}

int find_id(const char *name, uint64_t *id)
{
	struct nlattr *attrs[ATTRS];
	struct answer a;
	int r = find_object(name, &a);

	if (r)
		return r;
	answer_attrs(&a, 0, attrs);
	*id = attr_or_0(attrs, IPCX_A_OBJECT_ID);
	answer_free(&a);
	return CLI_OK;
}

static void show_ends(const struct answer *ends, bool json)
{
	struct nlattr *attrs[ATTRS];

	if (!json && ends->n)
		printf("\n%-8s%-12s%-6s%7s%7s%9s\n", "PID", "OPENED BY", "", "LOANS", "LEASES",
		       "END");
	for (size_t i = 0; i < ends->n; i++) {
		uint64_t rights;

		answer_attrs(ends, i, attrs);
		if (json) {
			printf("%s{", i ? "," : "");
			json_end(attrs);
			printf("}");
			continue;
		}
		rights = attr_or_0(attrs, IPCX_A_END_RIGHTS);
		printf("%-8llu", (unsigned long long)attr_or_0(attrs, IPCX_A_END_PID));
		put_attr_user(attrs, IPCX_A_END_UID, 12);
		printf("%-6s", rights == IPCX_END_RIGHTS_SEND ? "send" :
			       rights == IPCX_END_RIGHTS_RECV ? "recv" :
								"both");
		put_number(attrs, IPCX_A_END_LOANS, 7);
		put_number(attrs, IPCX_A_END_LEASES, 7);
		put_number(attrs, IPCX_A_END_ID, 9);
		putchar('\n');
	}
}

static int run_show(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	struct nlattr *attrs[ATTRS];
	struct answer object, ends;
	bool json = false;
	uint64_t id;
	int c, r, err;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind != 1)
		return usage_error("give one name");
	r = find_object(argv[optind], &object);
	if (r)
		return r;
	answer_attrs(&object, 0, attrs);
	id = attr_or_0(attrs, IPCX_A_OBJECT_ID);
	r = nl_ask(IPCX_CMD_END_GET, true, IPCX_A_END_OBJECT, &id, sizeof(id), &ends, &err);
	if (r) {
		answer_free(&object);
		return r;
	}
	if (json) {
		printf("{");
		json_object(attrs);
		printf(",\"ends\":[");
		show_ends(&ends, true);
		printf("]}\n");
	} else {
		printf("%-18s ", "name");
		put_attr_name(attrs, IPCX_A_OBJECT_NAME, IPCX_A_OBJECT_ID);
		putchar('\n');
		put_fields(object_fields, ARRAY_SIZE(object_fields), attrs);
		show_ends(&ends, false);
	}
	answer_free(&ends);
	answer_free(&object);
	return CLI_OK;
}

/* Whatever has the name, or is of a transport that others do not have */
static int remove_name(const char *name, bool now)
{
	int queue = now ? ipcx_queue_remove(name) : ipcx_queue_unlink(name), r = queue;
	bool shm = !strncmp(name, "shm:", 4);

	/* over "shm" each kind has names of its own, and those of regions may be longer */
	if (now || (r != -EPROTOTYPE && r != -EOPNOTSUPP && r != -ENOENT && !(shm && r == -EINVAL)))
		return r;
	r = ipcx_topic_unlink(name);
	if (r && (r == -EPROTOTYPE || queue == -EOPNOTSUPP || shm))
		r = ipcx_region_unlink(name);
	return r;
}

static int run_rm(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "now", no_argument, NULL, OPT_NOW },
		COMMON_OPTIONS,
		{ 0 },
	};
	bool json = false, now = false;
	int c, r, code = CLI_OK;

	while ((c = next_option(argc, argv, "", longs)) != -1) {
		json |= c == OPT_JSON;
		now |= c == OPT_NOW;
	}
	if (optind == argc)
		return usage_error("give a name");
	for (; optind < argc; optind++) {
		r = remove_name(argv[optind], now);
		if (r)
			code = fail_ipcx(r);
		if (!json)
			continue;
		printf("{");
		json_member(stdout, "name", argv[optind], strlen(argv[optind]));
		printf(",\"removed\":%s}\n", r ? "false" : "true");
	}
	return code;
}

const struct command cmd_ls = {
	"ls", run_ls, "list what there is",
	"usage: ipcx ls [-0 | --json]\n"
	"\n"
	"Lists the objects of this network namespace that are yours, or that you may send to or\n"
	"receive from, or read or write. QUEUED messages wait for a receiver, LOANED slots are being written,\n"
	"LEASED messages were taken and not released yet. BYTES is the memory in use.\n"
	"SEND and RECV count open ends, of a topic its publishers and subscribers.\n"
	"What you have over shared memory is listed too, as shm:NAME; what is in it is not known.\n"
	"\n"
	"  -0, --null  only names, as they are, each with a NUL byte behind it\n"
};

const struct command cmd_show = {
	"show", run_show, "show all about one object",
	"usage: ipcx show NAME [--json]\n"
	"\n"
	"Shows what the object is, what is in it, what became of its messages, and who opened it.\n"
	"Flags: e it goes with its last close. A process that is gone, or not to be seen from here,\n"
	"has the number 0.\n"
};

const struct command cmd_rm = {
	"rm", run_rm, "remove queues, topics and regions by name",
	"usage: ipcx rm NAME... [--now] [--json]\n"
	"\n"
	"Takes the names away. Those who have something open go on with it; it is gone with\n"
	"the last of them, and the messages in it too.\n"
	"\n"
	"  --now  queues only: nobody sends or receives any more: those who wait, or try to, are told\n"
	"         that the queue was removed. A message that was taken can be finished\n"
	"\n"
	"example: ipcx rm jobs --now\n"
};
