// SPDX-License-Identifier: GPL-2.0-only
/*
 * call: send a request, print the reply.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipcx.h>

#include "util.h"

enum { OPT_TIMEOUT = OPT_FIRST };

static void put_reply(const struct ipcx_msg *m, bool json)
{
	if (!json) {
		fwrite(m->data, 1, m->len, stdout);
		return;
	}
	printf("{\"seq\":%llu,\"pid\":%d,\"uid\":%u,\"gid\":%u,\"len\":%zu,",
	       (unsigned long long)m->seq, m->pid, m->uid, m->gid, m->len);
	json_member(stdout, "data", m->data, m->len);
	puts("}");
}

static int call(const char *name, const char *text, size_t len, int64_t deadline, bool json)
{
	struct ipcx_msg request, reply = { 0 };
	struct ipcx_queue *q;
	int r = ipcx_queue_open(&q, name, IPCX_SEND, NULL);

	if (r)
		return fail_ipcx(r);
	r = ipcx_queue_loan(q, len, &request, deadline);
	if (!r && len)
		memcpy(request.data, text, len);
	while (!r && (r = ipcx_queue_call(q, &request, &reply, deadline)) == -EINTR)
		r = 0; /* it was stopped and goes on */
	if (r)
		r = fail_ipcx(r);
	else
		put_reply(&reply, json);
	ipcx_queue_close(q);
	return r;
}

static int run_call(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "message", required_argument, NULL, 'm' },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		COMMON_OPTIONS,
		{ 0 },
	};
	const char *text = NULL;
	int64_t timeout = -1;
	char *buf = NULL;
	bool json = false;
	ssize_t len;
	int c, r;

	while ((c = next_option(argc, argv, "m:", longs)) != -1) {
		if (c == 'm')
			text = optarg;
		else if (c == OPT_JSON)
			json = true;
		else if (!parse_duration(optarg, &timeout) || !timeout)
			return usage_error("an answer takes some time: 500ms, 2s, 1m; leave the "
					   "option out to wait for ever");
	}
	if (argc - optind != 1)
		return usage_error("give the name of one queue");
	len = text ? (ssize_t)strlen(text) : read_stream(STDIN_FILENO, &buf);
	if (len < 0)
		return fail_file("standard input", -len);
	r = call(argv[optind], text ? text : buf, len, deadline_in(timeout), json);
	free(buf);
	return r;
}

const struct command cmd_call = {
	"call", run_call, "send a request and print the reply",
	"usage: ipcx call NAME [-m TEXT] [--timeout DUR] [--json]\n"
	"\n"
	"Sends a request, waits for the answer and writes it to standard output, nothing\n"
	"behind it. Without -m all of standard input is the request.\n"
	"\n"
	"  -m, --message TEXT  TEXT is the request\n"
	"      --timeout DUR   how long to wait for the answer: 500ms, 2s, 1m; for ever if\n"
	"                      not given. Exit code 4 if there was none\n"
	"\n"
	"It fails when nobody can answer any more: the request was released without a\n"
	"reply, dropped or expired, or the last server is gone.\n"
	"\n"
	"example: ipcx call sums -m '6 * 7'\n"
};
