// SPDX-License-Identifier: GPL-2.0-only
/*
 * revoke: take an open end away from who has it.
 */
#include <errno.h>
#include <string.h>

#include <linux/netlink.h>

#include "netlink.h"
#include "util.h"

/* @name: of which object, or NULL */
static int no_such_end(const char *name, uint64_t end)
{
	fprintf(stderr, "ipcx: revoke: ");
	if (name)
		put_printable(stderr, name, strlen(name));
	fprintf(stderr,
		"%s no open end %llu, or it was revoked; \"ipcx show\" and \"ipcx holders\" list them\n",
		name ? " has" : "there is", (unsigned long long)end);
	return CLI_FAILED;
}

/* Is that an end of this object? A number is never used again, so it stays one. */
static int check_end(const char *name, uint64_t end)
{
	struct nlattr *attrs[ATTRS];
	uint64_t object;
	struct answer a;
	bool belongs;
	int err, r = find_id(name, &object);

	if (r)
		return r;
	r = nl_ask(IPCX_CMD_END_GET, false, IPCX_A_END_ID, &end, sizeof(end), &a, &err);
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
	uint64_t end;
	struct nl_value v = { IPCX_A_END_ID, &end, sizeof(end) };
	struct answer a;
	bool json = false;
	const char *name = NULL;
	int c, err, r = CLI_OK;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		json |= c == OPT_JSON;
	if (argc - optind != 1 && argc - optind != 2)
		return usage_error("give the number of an end, perhaps after the queue's name");
	if (!parse_number(argv[argc - 1], 10, UINT64_MAX, &end) || !end)
		return usage_error("\"%s\" is no number of an end", argv[argc - 1]);
	if (argc - optind == 2) {
		name = argv[optind];
		r = check_end(name, end);
	}
	if (r)
		return r;
	r = nl_request(IPCX_CMD_END_REVOKE, NLM_F_ACK, &v, 1, &a, &err);
	if (r)
		return err == ENOENT ? no_such_end(name, end) : r;
	answer_free(&a);
	if (json) {
		printf("{");
		if (name) {
			json_member(stdout, "name", name, strlen(name));
			printf(",");
		}
		printf("\"end\":%llu,\"revoked\":true}\n", (unsigned long long)end);
	}
	return CLI_OK;
}

const struct command cmd_revoke = {
	"revoke", run_revoke, "take an open end of a queue away from who has it",
	"usage: ipcx revoke [NAME] END [--json]\n"
	"\n"
	"Takes an end of your queue away from whoever has it, by its number, which \"ipcx holders\" and\n"
	"\"ipcx show\" tell; with NAME only if it is one of the queue that has that name. What it holds\n"
	"goes back as if its process had died: loans are free again, messages that it took are\n"
	"delivered again. The process stays, and all that it tries by that end fails with ESTALE; it may\n"
	"open the queue anew if the mode lets it. Needs the queue's owner, or CAP_IPC_OWNER.\n"
	"\n"
	"example: ipcx revoke jobs 17\n"
};
