// SPDX-License-Identifier: GPL-2.0-only
/*
 * create, ls, show, rm: objects as a whole.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ipcx.h>

#include "procfile.h"
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
	OPT_NOW,
};

static const char *without_transport(const char *uri)
{
	static const char kernel[] = "kernel:";

	return strncmp(uri, kernel, strlen(kernel)) ? uri : uri + strlen(kernel);
}

static void report_created(struct ipcx_queue *q, const char *name)
{
	printf("{");
	json_member(stdout, "name", name, strlen(name));
	json_attributes(q);
	printf("}\n");
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
static const char *create_option(int c, struct ipcx_queue_opts *opts)
{
	static const char size[] = "a size is a number of bytes from 1, or has K, M, G or T behind";
	uint64_t v;

	switch (c) {
	case OPT_DEPTH:
		return parse_positive(optarg, &opts->depth) ? NULL : "a depth is a number from 1";
	case OPT_MODE:
		if (!parse_number(optarg, 8, 0777, &v) || !v)
			return "a mode is an octal number from 0001 to 0777";
		opts->mode = v;
		return NULL;
	case OPT_POLICY:
		return parse_policy(optarg, &opts->policy) ?
			       NULL :
			       "a policy is block, fail, drop-oldest or drop-newest";
	case OPT_MAX_DELIVERIES:
		return parse_positive(optarg, &opts->max_deliveries) ?
			       NULL :
			       "a limit is a number from 1; leave the option out for none";
	case OPT_LEASE:
		return parse_lease(optarg, &opts->lease_ms) ?
			       NULL :
			       "a lease is 1 ms or longer: 500 (milliseconds), 30s, 5m";
	case OPT_LEASES_MAX:
		return parse_positive(optarg, &opts->leases_max) ?
			       NULL :
			       "a limit is a number from 1; leave the option out for none";
	case OPT_DEAD_LETTER:
		opts->dead_letter = without_transport(optarg);
		return NULL;
	case OPT_MSG_MAX:
		return parse_size(optarg, &opts->msg_max) && opts->msg_max ? NULL : size;
	default:
		return parse_size(optarg, &opts->bytes_max) && opts->bytes_max ? NULL : size;
	}
}

static int run_create(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "depth", required_argument, NULL, OPT_DEPTH },
		{ "msg-max", required_argument, NULL, OPT_MSG_MAX },
		{ "bytes-max", required_argument, NULL, OPT_BYTES_MAX },
		{ "mode", required_argument, NULL, OPT_MODE },
		{ "policy", required_argument, NULL, OPT_POLICY },
		{ "max-deliveries", required_argument, NULL, OPT_MAX_DELIVERIES },
		{ "lease", required_argument, NULL, OPT_LEASE },
		{ "leases-max", required_argument, NULL, OPT_LEASES_MAX },
		{ "dead-letter", required_argument, NULL, OPT_DEAD_LETTER },
		COMMON_OPTIONS,
		{ 0 },
	};
	IPCX_QUEUE_OPTS(opts);
	const char *wrong = NULL;
	struct ipcx_queue *q;
	bool json = false;
	int c, r;

	while ((c = next_option(argc, argv, "", longs)) != -1) {
		if (c == OPT_JSON)
			json = true;
		else
			wrong = create_option(c, &opts);
		if (wrong)
			return usage_error("\"%s\": %s", optarg, wrong);
	}
	if (argc - optind != 1)
		return usage_error("give one name");
	r = ipcx_queue_open(&q, argv[optind], IPCX_CREATE | IPCX_EXCL | IPCX_RECV, &opts);
	if (r)
		return fail_ipcx(r);
	if (json)
		report_created(q, argv[optind]);
	ipcx_queue_close(q);
	return CLI_OK;
}

static int read_objects(struct table *t)
{
	struct stat st;
	int r = table_read(PROC_FILE, t);

	if (!r)
		return CLI_OK;
	if (r == -ENOENT && stat("/dev/ipcx", &st))
		return fail("the module is not loaded; \"ipcx doctor\" says what to do");
	if (r == -EPROTO)
		return fail("%s has a form that this program does not know", PROC_FILE);
	return fail_file(PROC_FILE, -r);
}

static bool is_number(const char *title)
{
	return strcmp(title, "kind") && strcmp(title, "mode") && strcmp(title, "flags");
}

static void json_object(const struct table *t, size_t row)
{
	char name[NAME_ROOM];
	size_t len = table_name(t, row, name);

	printf("{");
	for (size_t i = 0; i < t->columns; i++) {
		const char *title = t->cells[i], *field = t->cells[(row + 1) * t->columns + i];
		uint64_t v;

		if (i)
			printf(",");
		if (!strcmp(title, "name")) {
			if (len)
				json_member(stdout, "name", name, len);
			else
				printf("\"name\":null");
		} else if (is_number(title) && parse_number(field, 10, UINT64_MAX, &v)) {
			printf("\"%s\":%llu", title, (unsigned long long)v);
		} else {
			json_member(stdout, title, field, strcmp(field, "-") ? strlen(field) : 0);
		}
	}
	printf("}\n");
}

static void put_owner(const struct table *t, size_t row, int width)
{
	const char *uid = table_get(t, row, "uid");
	struct passwd *pw = uid ? getpwuid(strtoul(uid, NULL, 10)) : NULL;

	printf("%-*s", width, pw ? pw->pw_name : uid ? uid : "?");
}

static void put_size(const struct table *t, size_t row, const char *title, int width)
{
	const char *field = table_get(t, row, title);
	char buf[SIZE_TEXT];

	printf("%*s", width, field ? size_text(buf, strtoull(field, NULL, 10)) : "?");
}

static void put_name(const struct table *t, size_t row)
{
	char name[NAME_ROOM];
	size_t len = table_name(t, row, name);

	if (len)
		put_printable(stdout, name, len);
	else
		printf("(no name, id %s)", table_get(t, row, "id"));
}

static void list_row(const struct table *t, size_t row)
{
	static const struct {
		const char *title;
		int width;
	} counts[] = {
		{ "queued", 7 },
		{ "loaned", 7 },
		{ "leased", 7 },
		{ "depth", 7 },
	};
	const char *field;

	field = table_get(t, row, "kind");
	printf("%-8s", field ? field : "?");
	field = table_get(t, row, "mode");
	printf("%-6s", field ? field : "?");
	put_owner(t, row, 12);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		field = table_get(t, row, counts[i].title);
		printf("%*s", counts[i].width, field ? field : "?");
	}
	put_size(t, row, "bytes", 10);
	field = table_get(t, row, "senders");
	printf("%6s", field ? field : "?");
	field = table_get(t, row, "receivers");
	printf("%6s  ", field ? field : "?");
	put_name(t, row);
	putchar('\n');
}

static int run_ls(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	struct table t;
	bool json = false;
	int c, r;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (optind != argc)
		return usage_error("takes no names; \"ipcx show NAME\" shows one object");
	r = read_objects(&t);
	if (r)
		return r;
	if (!json)
		printf("%-8s%-6s%-12s%7s%7s%7s%7s%10s%6s%6s  %s\n", "KIND", "MODE", "OWNER",
		       "QUEUED", "LOANED", "LEASED", "DEPTH", "BYTES", "SEND", "RECV", "NAME");
	for (size_t row = 0; row < t.rows; row++)
		json ? json_object(&t, row) : list_row(&t, row);
	table_free(&t);
	return CLI_OK;
}

static void show_row(const struct table *t, size_t row)
{
	char buf[SIZE_TEXT];

	printf("%-12s", "name");
	put_name(t, row);
	putchar('\n');
	for (size_t i = 0; i < t->columns; i++) {
		const char *title = t->cells[i], *field = t->cells[(row + 1) * t->columns + i];

		if (!strcmp(title, "name"))
			continue;
		printf("%-11s %s", title, field);
		if (!strcmp(title, "msg_max") || !strncmp(title, "bytes", 5))
			printf(" (%s)", size_text(buf, strtoull(field, NULL, 10)));
		putchar('\n');
	}
}

static int run_show(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	char found[NAME_ROOM];
	bool json = false, any = false;
	const char *name;
	struct table t;
	int c, r;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind != 1)
		return usage_error("give one name");
	name = without_transport(argv[optind]);
	r = read_objects(&t);
	if (r)
		return r;
	for (size_t row = 0; row < t.rows; row++) {
		if (!table_name(&t, row, found) || strcmp(found, name))
			continue;
		json ? json_object(&t, row) : show_row(&t, row);
		any = true;
	}
	table_free(&t);
	if (any)
		return CLI_OK;
	return fail("there is no object of this name; \"ipcx ls\" lists what there is");
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
		r = now ? ipcx_queue_remove(argv[optind]) : ipcx_queue_unlink(argv[optind]);
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

const struct command cmd_create = {
	"create", run_create, "make a queue that stays until it is removed",
	"usage: ipcx create NAME [--depth N] [--msg-max SIZE] [--bytes-max SIZE]\n"
	"                        [--mode OCTAL] [--policy POLICY] [--max-deliveries N]\n"
	"                        [--lease DUR] [--leases-max N] [--dead-letter NAME]\n"
	"                        [--json]\n"
	"\n"
	"Makes a queue. It is an error if there is something of this name already.\n"
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
	"A SIZE is in bytes, or has K, M, G or T behind it.\n"
	"\n"
	"examples: ipcx create jobs --depth 1000 --mode 0660\n"
	"          ipcx create failed\n"
	"          ipcx create work --lease 30s --max-deliveries 3 --dead-letter failed\n"
	"          ipcx create latest --depth 3 --policy drop-oldest\n"
};

const struct command cmd_ls = {
	"ls", run_ls, "list what there is",
	"usage: ipcx ls [--json]\n"
	"\n"
	"Lists the objects of this network namespace that you may send to or receive\n"
	"from. QUEUED messages wait for a receiver, LOANED slots are being written,\n"
	"LEASED messages were taken and not released yet. BYTES is the memory in use.\n"
	"SEND and RECV count open ends.\n"
};

const struct command cmd_show = {
	"show", run_show, "show all about one object",
	"usage: ipcx show NAME [--json]\n"
	"\n"
	"Shows every field that " PROC_FILE " has about the object. Flags: e it goes\n"
	"with its last close, u it has been removed and is still open somewhere.\n"
};

const struct command cmd_rm = {
	"rm", run_rm, "remove queues by name",
	"usage: ipcx rm NAME... [--now] [--json]\n"
	"\n"
	"Takes the names away. Those who have a queue open go on with it; it is gone\n"
	"with the last of them, and the messages in it too.\n"
	"\n"
	"  --now  nobody sends or receives any more: those who wait, or try to, are told\n"
	"         that the queue was removed. A message that was taken can be finished\n"
	"\n"
	"example: ipcx rm jobs --now\n"
};
