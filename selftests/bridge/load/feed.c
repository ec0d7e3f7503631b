// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed: sends messages of one origin to a queue or a topic, and then keeps it open until SIGTERM:
 * where a queue is gone with its last user, what is in it must wait for who receives.
 */
#include "load.h"

static const char usage[] =
	"usage: feed -o ORIGIN -n COUNT [-b FIRST] [-m MAX] [-s SIZE] [-r RATE] [-d DEPTH] [-tew] URI\n"
	"  -b FIRST  number of the first one\n"
	"  -r RATE   so many in a second, 0 is as fast as it goes\n"
	"  -t        a topic\n"
	"  -e        end when all were sent\n"
	"  -w        a queue: they were sent when all are released\n";

struct feed {
	struct load load;
	uint32_t origin, first, count, rate, depth;
	bool topic, end, wait;
	struct ipcx_queue *q;
	struct ipcx_topic *t;
	int64_t longest; /* that one message took, ns */
};

static void feed_open(struct feed *f, const char *uri)
{
	IPCX_QUEUE_OPTS(queue, .depth = f->depth, .msg_max = LOAD_MAX);
	IPCX_TOPIC_OPTS(topic, .msg_max = LOAD_MAX);
	int ret;

	ret = f->topic ? ipcx_topic_open(&f->t, uri, IPCX_CREATE | IPCX_PUBLISH, &topic) :
			 ipcx_queue_open(&f->q, uri, IPCX_CREATE | IPCX_SEND, &queue);
	if (ret)
		errx(2, "%s", ipcx_error());
}

static int feed_one(struct feed *f, uint64_t id)
{
	uint32_t len = length_of(&f->load, id);
	struct ipcx_msg m;
	int ret;

	ret = f->topic ? ipcx_topic_loan(f->t, len, &m, IPCX_FOREVER) :
			 ipcx_queue_loan(f->q, len, &m, IPCX_FOREVER);
	if (ret)
		return ret;
	payload_fill(m.data, len, id);
	m.tag = id;
	return f->topic ? ipcx_topic_commit(f->t, &m) : ipcx_queue_commit(f->q, &m);
}

static void wait_for_release(const struct feed *f)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	while (!stopped && !ipcx_queue_stat(f->q, &s) && s.queued)
		usleep(100);
}

static void feed_all(struct feed *f)
{
	int64_t start = now_ns(), before, after;

	for (uint32_t i = 0; i < f->count && !stopped; i++) {
		int64_t due = f->rate ? start + i * INT64_C(1000000000) / f->rate : 0;
		struct timespec at = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };
		int ret;

		if (f->rate)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		before = now_ns();
		do
			ret = feed_one(f, id_of(f->origin, f->first + i));
		while (ret == -EINTR && !stopped);
		if (ret && !stopped)
			errx(1, "message %u: %s", f->first + i, ipcx_error());
		after = now_ns();
		if (after - before > f->longest)
			f->longest = after - before;
	}
	if (f->wait)
		wait_for_release(f);
	printf("{\"sent\": %u, \"seconds\": %.6f, \"longest_s\": %.3f}\n", f->count,
	       (now_ns() - start) / 1e9, f->longest / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct feed f = { .load = { .max = LOAD_MAX, .size = -1 } };
	int opt;

	while ((opt = getopt(argc, argv, "o:n:b:m:s:r:d:etw")) != -1) {
		switch (opt) {
		case 'o':
			f.origin = number(optarg, ORIGINS_MAX - 1);
			break;
		case 'n':
			f.count = number(optarg, 1U << 30);
			break;
		case 'b':
			f.first = number(optarg, 1U << 30);
			break;
		case 'm':
			f.load.max = number(optarg, LOAD_MAX);
			break;
		case 's':
			f.load.size = number(optarg, LOAD_MAX);
			break;
		case 'r':
			f.rate = number(optarg, 1U << 30);
			break;
		case 'd':
			f.depth = number(optarg, 1U << 16);
			break;
		case 't':
			f.topic = true;
			break;
		case 'e':
			f.end = true;
			break;
		case 'w':
			f.wait = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	stop_by_term();
	feed_open(&f, argv[optind]);
	feed_all(&f);
	while (!f.end && !stopped)
		usleep(100000); /* a signal that came before does no harm */
	ipcx_queue_close(f.q);
	ipcx_topic_close(f.t);
	return 0;
}
