// SPDX-License-Identifier: GPL-2.0-only
/*
 * pub: send for topics.
 */
#include "send.h"

static int topic_open(struct sender *s)
{
	return ipcx_topic_open((struct ipcx_topic **)&s->handle, s->name,
			       IPCX_PUBLISH | (s->create ? IPCX_CREATE : 0), NULL);
}

static int topic_loan(void *handle, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	return ipcx_topic_loan(handle, len, m, deadline);
}

static int topic_commit(void *handle, struct ipcx_msg *m)
{
	return ipcx_topic_commit(handle, m);
}

static int topic_cancel(void *handle, struct ipcx_msg *m)
{
	return ipcx_topic_cancel(handle, m);
}

static void topic_close(void *handle)
{
	ipcx_topic_close(handle);
}

static const struct option topic_options[] = { SEND_OPTIONS, COMMON_OPTIONS, { 0 } };

static const struct target topic_target = {
	.what = "topic",
	.options = topic_options,
	.open = topic_open,
	.loan = topic_loan,
	.commit = topic_commit,
	.cancel = topic_cancel,
	.close = topic_close,
};

static int run_pub(int argc, char **argv)
{
	return send_main(argc, argv, &topic_target);
}

const struct command cmd_pub = {
	"pub", run_pub, "publish lines, a text or files in a topic",
	"usage: ipcx pub NAME [-c] [-0] [--tag N] [--timeout DUR] [--json]\n"
	"                     [-m TEXT]... [-f FILE...]\n"
	"\n"
	"Everybody who subscribes to the topic gets each message. Without -m and -f every\n"
	"line of standard input is a message.\n"
	"\n"
	"  -m, --message TEXT  TEXT is a message\n"
	"  -f, --file FILE...  each file is a message, whatever is in it\n"
	"  -0, --null          messages on standard input end with a NUL, not a newline\n"
	"  -c, --create        make the topic if there is none\n"
	"      --tag N         a number for the subscribers\n"
	"      --timeout DUR   how long to wait for a subscriber that is to miss nothing:\n"
	"                      500ms, 2s, 1m; for ever if not given\n"
	"\n"
	"A topic keeps nothing for those who subscribe later than this program ends.\n"
	"\n"
	"examples: vmstat 1 | ipcx pub load -c\n"
	"          ipcx pub weather -c -m 'rain at noon'\n"
};
