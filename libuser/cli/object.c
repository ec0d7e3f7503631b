// SPDX-License-Identifier: GPL-2.0-only
/*
 * ls, show, rm: objects as a whole.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ipcx.h>

#include "procfile.h"
#include "util.h"

enum { OPT_NOW = OPT_FIRST };

const char *without_transport(const char *uri)
{
	static const char kernel[] = "kernel:";

	return strncmp(uri, kernel, strlen(kernel)) ? uri : uri + strlen(kernel);
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

/* Whatever has the name, or is of a transport that others do not have */
static int remove_name(const char *name, bool now)
{
	int queue = now ? ipcx_queue_remove(name) : ipcx_queue_unlink(name), r = queue;

	if (now || (r != -EPROTOTYPE && r != -EOPNOTSUPP && r != -ENOENT))
		return r;
	r = ipcx_topic_unlink(name);
	/* over "shm" each kind has names of its own */
	if (r && (r == -EPROTOTYPE || queue == -EOPNOTSUPP || !strncmp(name, "shm:", 4)))
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
	"usage: ipcx ls [--json]\n"
	"\n"
	"Lists the objects of this network namespace that you may send to or receive\n"
	"from, or read or write. QUEUED messages wait for a receiver, LOANED slots are being written,\n"
	"LEASED messages were taken and not released yet. BYTES is the memory in use.\n"
	"SEND and RECV count open ends, of a topic its publishers and subscribers.\n"
};

const struct command cmd_show = {
	"show", run_show, "show all about one object",
	"usage: ipcx show NAME [--json]\n"
	"\n"
	"Shows every field that " PROC_FILE " has about the object. Flags: e it goes\n"
	"with its last close, u it has been removed and is still open somewhere.\n"
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
