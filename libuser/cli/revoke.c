// SPDX-License-Identifier: GPL-2.0-only
/*
 * revoke: take an open end away from who has it.
 */
#include <errno.h>
#include <string.h>

#include <linux/netlink.h>

#include "netlink.h"
#include "util.h"

static int no_such_end(const char *name, uint64_t end)
{
	fprintf(stderr, "ipcx: revoke: ");
	put_printable(stderr, name, strlen(name));
	fprintf(stderr, " has no open end %llu, or it was revoked; \"ipcx show\" lists them\n",
		(unsigned long long)end);
	return CLI_FAILED;
}

/* Is that an end of this object? A number is never used again, so it stays one. */
static int check_end(const char *name, uint64_t object, uint64_t end)
{
	struct nlattr *attrs[ATTRS];
	struct answer a;
	bool belongs;
	int err, r = nl_ask(IPCX_CMD_END_GET, false, IPCX_A_END_ID, &end, sizeof(end), &a, &err);

	if (r)
		return err == ENOENT ? no_such_end(name, end) : r;
	answer_attrs(&a, 0, attrs);
	belongs = attr_or_0(attrs, IPCX_A_END_OBJECT) == object;
	answer_free(&a);
	return belongs ? CLI_OK : no_such_end(name, end);
}

static int run_revoke(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	uint64_t object, end;
	struct nl_value v = { IPCX_A_END_ID, &end, sizeof(end) };
	struct answer a;
	bool json = false;
	const char *name;
	int c, r, err;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind != 2)
		return usage_error("give a name and the number of an end");
	name = argv[optind];
	if (!parse_number(argv[optind + 1], 10, UINT64_MAX, &end) || !end)
		return usage_error("\"%s\" is no number of an end", argv[optind + 1]);
	r = find_id(name, &object);
	if (!r)
		r = check_end(name, object, end);
	if (r)
		return r;
	r = nl_request(IPCX_CMD_END_REVOKE, NLM_F_ACK, &v, 1, &a, &err);
	if (r)
		return err == ENOENT ? no_such_end(name, end) : r;
	answer_free(&a);
	if (json) {
		printf("{");
		json_member(stdout, "name", name, strlen(name));
		printf(",\"end\":%llu,\"revoked\":true}\n", (unsigned long long)end);
	}
	return CLI_OK;
}

const struct command cmd_revoke = {
	"revoke", run_revoke, "take an open end of a queue away from who has it",
	"usage: ipcx revoke NAME END [--json]\n"
	"\n"
	"Takes an end of your queue away from whoever has it, by its number, which \"ipcx holders\" and\n"
	"\"ipcx show\" tell. What it holds goes back as if its process had died: loans are free again,\n"
	"messages that it took are delivered again. The process stays, and all that it tries by that\n"
	"end fails with ESTALE; it may open the queue anew if the mode lets it. Needs the queue's owner,\n"
	"or CAP_IPC_OWNER.\n"
	"\n"
	"example: ipcx revoke jobs 17\n"
};
