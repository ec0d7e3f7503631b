// SPDX-License-Identifier: GPL-2.0-only
/*
 * pub, sub: send and recv for topics.
 */
#include <signal.h>

#include "recv.h"

static int topic_take(void *handle, struct ipcx_msg *m, int64_t deadline)
{
	return ipcx_topic_take(handle, m, deadline);
}

static int topic_release(void *handle, struct ipcx_msg *m)
{
	return ipcx_topic_release(handle, m);
}

static int topic_fd(void *handle)
{
	return ipcx_topic_fd(handle);
}

static void sub_close(void *handle)
{
	uint64_t missed = ipcx_topic_missed(handle);

	if (missed)
		fprintf(stderr, "ipcx: %s: messages missed: %llu\n", command->name,
			(unsigned long long)missed);
	ipcx_topic_close(handle);
}

static void sub_json(const struct ipcx_msg *m)
{
	printf("{\"seq\":%llu,\"tag\":%llu,\"pid\":%d,\"uid\":%u,\"gid\":%u,\"len\":%zu",
	       (unsigned long long)m->seq, (unsigned long long)m->tag, m->pid, m->uid, m->gid,
	       m->len);
}

const struct origin topic_origin = {
	.take = topic_take,
	.release = topic_release,
	.give_back = topic_release,
	.fd = topic_fd,
	.close = sub_close,
	.json = sub_json,
};

enum { OPT_DURABLE = OPT_SUB_OTHER, OPT_FORGET };

int subscribe_option(struct receiver *r, int c, unsigned int *flags, struct ipcx_topic_opts *opts)
{
	uint64_t history;

	switch (c) {
	case OPT_RELIABLE:
		*flags &= ~IPCX_LOSSY;
		return CLI_OK;
	case OPT_HISTORY:
		if (!parse_number(optarg, 10, UINT32_MAX, &history))
			return usage_error("a history is a number of messages");
		opts->history = history;
		return CLI_OK;
	default:
		return receive_option(r, c);
	}
}

/* Ends the durable subscription @as of a topic. */
static int forget(const char *name, const char *as)
{
	struct ipcx_topic *t;
	int r = ipcx_topic_open(&t, name, IPCX_SUBSCRIBE | IPCX_LOSSY, NULL);

	if (r)
		return fail_ipcx(r);
	r = ipcx_topic_forget(t, as);
	if (r)
		r = fail_ipcx(r);
	ipcx_topic_close(t);
	return r;
}

static int run_sub(int argc, char **argv)
{
	static const struct option longs[] = {
		RECV_OPTIONS,
		SUB_OPTIONS,
		{ "durable", required_argument, NULL, OPT_DURABLE },
		{ "forget", required_argument, NULL, OPT_FORGET },
		COMMON_OPTIONS,
		{ 0 },
	};
	IPCX_TOPIC_OPTS(opts);
	struct receiver r = { .from = &topic_origin,
			      .timeout = -1,
			      .delimiter = '\n',
			      .dir_fd = -1,
			      .out = STDOUT_FILENO };
	unsigned int flags = IPCX_SUBSCRIBE | IPCX_LOSSY;
	const char *forgotten = NULL;
	int c, err = CLI_OK;

	while (!err && (c = next_option(argc, argv, "n:0c", longs)) != -1) {
		if (c == OPT_DURABLE)
			opts.durable = optarg;
		else if (c == OPT_FORGET)
			forgotten = optarg;
		else
			err = subscribe_option(&r, c, &flags, &opts);
	}
	if (err)
		return err;
	if (argc - optind != 1)
		return usage_error("give the name of one topic");
	if (forgotten)
		return forget(argv[optind], forgotten);
	if (opts.durable)
		flags &= ~IPCX_LOSSY;
	err = ipcx_topic_open((struct ipcx_topic **)&r.handle, argv[optind],
			      flags | (r.create ? IPCX_CREATE : 0), &opts);
	return err ? fail_ipcx(err) : receive_all(&r);
}

const struct command cmd_sub = {
	"sub", run_sub, "receive all that is published in a topic",
	"usage: ipcx sub NAME [-n COUNT] [-c] [-0 | --raw] [--reliable | --durable AS]\n"
	"                     [--history N] [--timeout DUR] [--json]\n"
	"       ipcx sub NAME --forget AS\n"
	"\n"
	"Writes messages to standard output, a newline behind each, until interrupted.\n"
	"Everybody who subscribes gets every message that is published from then on. Who\n"
	"is too slow misses some; how many is said at the end.\n"
	"\n"
	"  -n, --count COUNT   end after COUNT messages\n"
	"  -0, --null          a NUL behind each message instead of a newline\n"
	"      --raw           nothing behind a message\n"
	"  -c, --create        make the topic if there is none\n"
	"      --reliable      miss nothing: publishers wait, or cut this program off when it\n"
	"                      is as far behind as the topic allows. You must be allowed to\n"
	"                      publish, or the topic must be open to it\n"
	"      --durable AS    reliable, and kept under the name AS when this program ends:\n"
	"                      who comes next goes on there, and publishers wait until then\n"
	"      --forget AS     end the durable subscription AS, which nobody has\n"
	"      --history N     begin with the last N messages of each publisher that is there\n"
	"      --timeout DUR   end when nothing came for so long: 500ms, 2s, 1m; 0 takes\n"
	"                      what is there. Exit code 4 if nothing or less than COUNT came\n"
	"\n"
	"examples: ipcx sub weather\n"
	"          ipcx sub orders -c --reliable --json\n"
};
