// SPDX-License-Identifier: GPL-2.0-only
/*
 * holders, limits: who holds which slots, and what counts against whom.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "netlink.h"
#include "util.h"

enum { OPT_ALL = OPT_FIRST, OPT_SET };

static const struct field holder_fields[] = {
	{ IPCX_A_HOLDER_OBJECT, "object", FORM_NUMBER },
	{ IPCX_A_HOLDER_SLOT, "slot", FORM_NUMBER },
	{ IPCX_A_HOLDER_STATE, "state", FORM_STATE },
	{ IPCX_A_HOLDER_END, "end", FORM_NUMBER },
	{ IPCX_A_HOLDER_PID, "pid", FORM_NUMBER },
	{ IPCX_A_HOLDER_UID, "uid", FORM_NUMBER },
	{ IPCX_A_HOLDER_HELD_MS, "held_ms", FORM_NUMBER },
	{ IPCX_A_HOLDER_BYTES, "bytes", FORM_NUMBER },
	{ IPCX_A_HOLDER_SEQ, "seq", FORM_NUMBER },
	{ IPCX_A_HOLDER_DELIVERIES, "deliveries", FORM_NUMBER },
	{ IPCX_A_HOLDER_NAME, "name", FORM_NAME },
};

static const struct field limit_fields[] = {
	{ IPCX_A_LIMIT_UID, "uid", FORM_NUMBER },
	{ IPCX_A_LIMIT_BYTES, "bytes", FORM_SIZE },
	{ IPCX_A_LIMIT_BYTES_MAX, "bytes_max", FORM_SIZE },
	{ IPCX_A_LIMIT_OBJECTS, "objects", FORM_NUMBER },
	{ IPCX_A_LIMIT_OBJECTS_MAX, "objects_max", FORM_NUMBER },
	{ IPCX_A_LIMIT_REGIONS, "regions", FORM_NUMBER },
	{ IPCX_A_LIMIT_DEPTH_MAX, "depth_max", FORM_NUMBER },
	{ IPCX_A_LIMIT_MSG_MAX, "msg_max", FORM_SIZE },
};

static void holder_row(struct nlattr *const attrs[ATTRS])
{
	char bytes[SIZE_TEXT], held[32] = "-";
	uint64_t ms;

	if (attr_number(attrs, IPCX_A_HOLDER_HELD_MS, &ms))
		snprintf(held, sizeof(held), "%llu.%03us", (unsigned long long)ms / 1000,
			 (unsigned int)(ms % 1000));
	printf("%-8llu", (unsigned long long)attr_or_0(attrs, IPCX_A_HOLDER_PID));
	put_attr_user(attrs, IPCX_A_HOLDER_UID, 12);
	printf("%-9s%12s%10s%7llu%9llu  ", state_text(attr_or_0(attrs, IPCX_A_HOLDER_STATE)), held,
	       size_text(bytes, attr_or_0(attrs, IPCX_A_HOLDER_BYTES)),
	       (unsigned long long)attr_or_0(attrs, IPCX_A_HOLDER_SLOT),
	       (unsigned long long)attr_or_0(attrs, IPCX_A_HOLDER_END));
	put_attr_name(attrs, IPCX_A_HOLDER_NAME, IPCX_A_HOLDER_OBJECT);
	putchar('\n');
}

static int run_holders(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	struct nlattr *attrs[ATTRS];
	uint64_t id = 0;
	struct answer a;
	bool json = false;
	int c, r = CLI_OK, err;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind > 1)
		return usage_error("give one name, or none");
	if (optind < argc)
		r = find_id(argv[optind], &id);
	if (!r)
		r = nl_ask(IPCX_CMD_HOLDER_GET, true, id ? IPCX_A_HOLDER_OBJECT : 0, &id,
			   sizeof(id), &a, &err);
	if (r)
		return r;
	if (!json)
		printf("%-8s%-12s%-9s%12s%10s%7s%9s  %s\n", "PID", "OPENED BY", "STATE", "FOR",
		       "BYTES", "SLOT", "END", "QUEUE");
	for (size_t i = 0; i < a.n; i++) {
		answer_attrs(&a, i, attrs);
		if (!json) {
			holder_row(attrs);
			continue;
		}
		printf("{");
		json_fields(holder_fields, ARRAY_SIZE(holder_fields), attrs);
		printf("}\n");
	}
	answer_free(&a);
	return CLI_OK;
}

static void limit_put(struct nlattr *const attrs[ATTRS], bool json)
{
	if (json) {
		printf("{");
		json_fields(limit_fields, ARRAY_SIZE(limit_fields), attrs);
		printf("}\n");
	} else {
		put_fields(limit_fields, ARRAY_SIZE(limit_fields), attrs);
	}
}

#define LIMITS_SET 4

/* What --set asks for */
struct setting {
	struct nl_value v[LIMITS_SET];
	uint64_t number[LIMITS_SET];
	size_t n;
};

/* NAME=VALUE, a name as it is shown. Return: CLI_OK, or it says what is wrong. */
static int add_setting(struct setting *set, const char *text)
{
	const char *value = strchr(text, '=');
	const struct field *f = limit_fields, *end = f + ARRAY_SIZE(limit_fields);
	size_t len = value ? value - text : 0;
	uint64_t *number;

	while (f < end && (strlen(f->key) != len || strncmp(f->key, text, len)))
		f++;
	if (f == end || len < 4 || strcmp(f->key + len - 4, "_max"))
		return usage_error("--set takes NAME=VALUE, and NAME is bytes_max, objects_max, "
				   "depth_max or msg_max");
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].attr == f->attr)
			return usage_error("%s is set twice", f->key);
	number = &set->number[set->n];
	if (f->form == FORM_SIZE ? !parse_size(value + 1, number) :
				   !parse_number(value + 1, 10, UINT64_MAX, number))
		return usage_error("\"%s\" is no value for %s", value + 1, f->key);
	set->v[set->n++] = (struct nl_value){ f->attr, number, sizeof(*number) };
	return CLI_OK;
}

static int set_limits(const struct setting *set)
{
	struct answer a;
	int err, r = nl_request(IPCX_CMD_LIMIT_SET, NLM_F_ACK, set->v, set->n, &a, &err);

	if (!r)
		answer_free(&a);
	return r;
}

static int run_limits(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, OPT_ALL },
		{ "set", required_argument, NULL, OPT_SET },
		COMMON_OPTIONS,
		{ 0 },
	};
	bool json = false, all = false;
	struct nlattr *attrs[ATTRS];
	struct setting set = { 0 };
	int c, r = CLI_OK, err;
	struct answer a;

	while ((c = next_option(argc, argv, "", longs)) != -1) {
		json |= c == OPT_JSON;
		all |= c == OPT_ALL;
		if (c == OPT_SET)
			r = r ? r : add_setting(&set, optarg);
	}
	if (r)
		return r;
	if (optind != argc)
		return usage_error("takes no names");
	if (set.n)
		r = set_limits(&set);
	if (!r)
		r = nl_ask(IPCX_CMD_LIMIT_GET, all, 0, NULL, 0, &a, &err);
	if (r)
		return r;
	for (size_t i = 0; i < a.n; i++) {
		answer_attrs(&a, i, attrs);
		if (i && !json)
			putchar('\n');
		limit_put(attrs, json);
	}
	answer_free(&a);
	return CLI_OK;
}

const struct command cmd_holders = {
	"holders", run_holders, "tell who holds which slots of queues",
	"usage: ipcx holders [NAME] [--json]\n"
	"\n"
	"Lists the slots of one queue, or of all that you may see, that somebody holds: loaned, it is\n"
	"being written; leased, its message was taken and not released yet; answered, the caller has\n"
	"not taken the answer yet; overdue, the lease is over and the slot was not given back. FOR is\n"
	"how long. The process is the one that opened the end that holds it, 0 if it is gone or\n"
	"cannot be seen from here.\n"
	"\n"
	"example: ipcx holders jobs --json\n"
};

const struct command cmd_limits = {
	"limits", run_limits, "tell what you use and may use, or set limits",
	"usage: ipcx limits [--all] [--set NAME=VALUE]... [--json]\n"
	"\n"
	"Tells how many bytes and objects count against you, over all namespaces, and the limits,\n"
	"which are parameters of the module.\n"
	"\n"
	"  --all             those of all users that have something; without privileges, only yours\n"
	"  --set NAME=VALUE  first set a limit, of all users: bytes_max (0: a quarter of the memory),\n"
	"                    objects_max, depth_max or msg_max. If one of several is refused, none is\n"
	"                    set. Needs CAP_SYS_ADMIN. Who has more keeps it, and gets no more\n"
	"\n"
	"example: sudo ipcx limits --set bytes_max=1G --set objects_max=100\n"
};
