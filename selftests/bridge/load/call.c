// SPDX-License-Identifier: GPL-2.0-only
/*
 * call: requests to a queue, one after the other, and whether each answer is that of its request;
 * or, with -a, answers all until SIGTERM.
 */
#include "load.h"

static const char usage[] = "usage: call [-n COUNT] [-s SIZE] [-t SECONDS] [-a] URI\n";

struct call {
	struct ipcx_queue *q;
	uint32_t count, size, seconds;
	uint32_t failed, wrong;
	double *took; /* us */
};

static int serve(struct call *c)
{
	struct ipcx_msg m, reply;
	int ret = 0;

	while (!stopped) {
		ret = ipcx_queue_take(c->q, &m, now_ns() + LOOK_NS);
		if (ret == -EINTR || ret == -ETIMEDOUT)
			continue;
		if (ret)
			errx(1, "take: %s", ipcx_error());
		reply = (struct ipcx_msg){ .data = m.data, .len = m.len };
		if (ipcx_queue_reply(c->q, &m, &reply))
			errx(1, "reply: %s", ipcx_error());
	}
	return 0;
}

static void call_one(struct call *c, uint32_t i, struct ipcx_msg *reply)
{
	int64_t start = now_ns();
	struct ipcx_msg m;
	int ret;

	if (ipcx_queue_loan(c->q, c->size, &m, start + c->seconds * INT64_C(1000000000)))
		errx(1, "loan: %s", ipcx_error());
	payload_fill(m.data, c->size, i);
	m.tag = i;
	ret = ipcx_queue_call(c->q, &m, reply, start + c->seconds * INT64_C(1000000000));
	c->took[i] = (now_ns() - start) / 1e3;
	if (ret) {
		if (!c->failed++)
			warnx("request %u: %s", i, ipcx_error());
	} else if (reply->len != c->size || !payload_good(reply->data, reply->len, i)) {
		c->wrong++;
	}
}

static int earlier(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int request(struct call *c)
{
	struct ipcx_msg reply = {};

	c->took = calloc(c->count, sizeof(*c->took));
	for (uint32_t i = 0; i < c->count && !stopped; i++)
		call_one(c, i, &reply);
	qsort(c->took, c->count, sizeof(*c->took), earlier);
	printf("{\"requests\": %u, \"failed\": %u, \"wrong\": %u, \"median_us\": %.1f}\n", c->count,
	       c->failed, c->wrong, c->took[c->count / 2]);
	free(c->took);
	return c->failed || c->wrong;
}

int main(int argc, char **argv)
{
	struct call c = { .count = 1000, .size = 64, .seconds = 10 };
	bool answer = false;
	int opt, ret;

	while ((opt = getopt(argc, argv, "n:s:t:a")) != -1) {
		switch (opt) {
		case 'n':
			c.count = number(optarg, 1U << 30);
			break;
		case 's':
			c.size = number(optarg, LOAD_MAX);
			break;
		case 't':
			c.seconds = number(optarg, 86400);
			break;
		case 'a':
			answer = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1 || !c.count) {
		fputs(usage, stderr);
		return 2;
	}
	stop_by_term();
	if (ipcx_queue_open(&c.q, argv[optind], IPCX_CREATE | (answer ? IPCX_RECV : IPCX_SEND),
			    NULL))
		errx(2, "%s", ipcx_error());
	ret = answer ? serve(&c) : request(&c);
	ipcx_queue_close(c.q);
	return ret;
}
