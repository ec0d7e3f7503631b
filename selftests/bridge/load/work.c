// SPDX-License-Identifier: GPL-2.0-only
/*
 * work: receives messages of a queue or a topic and notes in a file how often each came, until
 * SIGTERM. A message is noted before it is released, so one that is not there was never released.
 */
#include "load.h"

static const char usage[] =
	"usage: work -o ORIGINS -n COUNT -f FILE [-m MAX] [-s SIZE] [-e N] [-u US] [-t] URI\n"
	"  -o, -n    of how many origins, how many of each\n"
	"  -e N      end after N messages, and say how long it was from the first to the last\n"
	"  -u US     each takes so many microseconds\n"
	"  -t        a topic\n";

struct work {
	struct load load;
	struct seen *seen;
	uint32_t end, slow;
	bool topic;
	struct ipcx_queue *q;
	struct ipcx_topic *t;
};

static void work_open(struct work *w, const char *uri)
{
	IPCX_QUEUE_OPTS(queue, .msg_max = LOAD_MAX);
	IPCX_TOPIC_OPTS(topic, .msg_max = LOAD_MAX);
	int ret;

	ret = w->topic ? ipcx_topic_open(&w->t, uri, IPCX_CREATE | IPCX_SUBSCRIBE, &topic) :
			 ipcx_queue_open(&w->q, uri, IPCX_CREATE | IPCX_RECV, &queue);
	if (ret)
		errx(2, "%s", ipcx_error());
}

static void wrong(struct work *w, const struct ipcx_msg *m, const char *what)
{
	if (!w->seen->wrong++)
		warnx("tag %#" PRIx64 ", %zu bytes: %s", m->tag, m->len, what);
}

static void note(struct work *w, const struct ipcx_msg *m)
{
	uint64_t origin = (m->tag >> 40) - 1, nr = m->tag & 0xffffffffff;
	uint16_t *times;

	w->seen->taken++;
	if (origin >= w->load.origins || nr >= w->load.count) {
		wrong(w, m, "no such message was sent");
	} else if (m->len != length_of(&w->load, m->tag)) {
		wrong(w, m, "another length than was sent");
	} else if (!payload_good(m->data, m->len, m->tag)) {
		wrong(w, m, "not what was sent");
	} else {
		times = &w->seen->times[origin * w->load.count + nr];
		if (*times < UINT16_MAX)
			++*times;
	}
}

static int work_one(struct work *w)
{
	struct ipcx_msg m;
	int64_t until = now_ns() + LOOK_NS;
	int ret;

	ret = w->topic ? ipcx_topic_take(w->t, &m, until) : ipcx_queue_take(w->q, &m, until);
	if (ret)
		return ret;
	note(w, &m);
	if (w->slow)
		usleep(w->slow);
	return w->topic ? ipcx_topic_release(w->t, &m) : ipcx_queue_release(w->q, &m);
}

static void work_all(struct work *w)
{
	int64_t start = 0;
	int ret;

	while (!stopped && (!w->end || w->seen->taken < w->end)) {
		ret = work_one(w);
		if (ret && ret != -EINTR && ret != -ETIMEDOUT)
			errx(1, "%s", ipcx_error());
		if (!ret && !start)
			start = now_ns();
	}
	printf("{\"taken\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"seconds\": %.6f}\n",
	       w->seen->taken, w->seen->wrong, start ? (now_ns() - start) / 1e9 : 0);
}

int main(int argc, char **argv)
{
	struct work w = { .load = { .max = LOAD_MAX, .size = -1 } };
	const char *file = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "o:n:f:m:s:e:u:t")) != -1) {
		switch (opt) {
		case 'o':
			w.load.origins = number(optarg, ORIGINS_MAX);
			break;
		case 'n':
			w.load.count = number(optarg, 1U << 30);
			break;
		case 'f':
			file = optarg;
			break;
		case 'm':
			w.load.max = number(optarg, LOAD_MAX);
			break;
		case 's':
			w.load.size = number(optarg, LOAD_MAX);
			break;
		case 'e':
			w.end = number(optarg, 1U << 30);
			break;
		case 'u':
			w.slow = number(optarg, 1U << 30);
			break;
		case 't':
			w.topic = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1 || !file) {
		fputs(usage, stderr);
		return 2;
	}
	stop_by_term();
	w.seen = seen_map(file, &w.load, true);
	work_open(&w, argv[optind]);
	work_all(&w);
	ipcx_queue_close(w.q);
	ipcx_topic_close(w.t);
	return w.seen->wrong ? 1 : 0;
}
