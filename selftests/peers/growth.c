// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the cost of a message of ipcx grows with all that there may be more of. One process sends and
 * receives, so nobody ever waits.
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "parts.h"

#define LEN 64 /* of a message, if its length does not grow */
#define DEPTH_MAX 65536
#define BACKLOG 50000 /* of one queue */
#define BURST 32 /* messages that are published before somebody reads */
#define ALL_PERCENT 25 /* of the time, and nothing is left out */
#define SMALL 1000 /* as much as there is of anything where it is to be short */
#define SECONDS_MAX 300

/* Objects there are */
struct kind {
	const char *name, *transport;
	bool topic;
};

static const struct kind kinds[] = {
	{ "ipcx shm", "shm", false },
	{ "ipcx topic", "shm", true },
	{ "ipcx queue", "kernel", false },
	{ "ipcx k. topic", "kernel", true },
};

#define KINDS 4

/* One that is open: a handle to send, and one to receive */
struct object {
	union {
		struct ipcx_queue *q;
		struct ipcx_topic *t;
	} send, recv;
	struct ipcx_msg taken;
};

/* What a body is to know */
static struct {
	const struct kind *kind;
	unsigned long n, len, bytes;
	double ns;
	pid_t owner;
} task;

static void must(int ret)
{
	if (ret)
		give_up(ret == -ENOENT || ret == -EINVAL ? FAILED : CANNOT, "%s", ipcx_error());
}

static const char *uri_of(unsigned long number)
{
	static char uri[64];

	snprintf(uri, sizeof(uri), "%s:ipcx-peers-%d-g%lu", task.kind->transport, task.owner,
		 number);
	return uri;
}

static void drop(unsigned long number)
{
	if (task.kind->topic)
		ipcx_topic_unlink(uri_of(number));
	else
		ipcx_queue_unlink(uri_of(number));
}

static void open_topic(struct object *o, unsigned long number, unsigned int depth)
{
	IPCX_TOPIC_OPTS(opts, .depth = depth, .msg_max = task.len, .bytes_max = task.bytes);
	unsigned int flags = IPCX_CREATE | IPCX_SINGLE_THREAD;

	must(ipcx_topic_open(&o->recv.t, uri_of(number), IPCX_SUBSCRIBE | flags, &opts));
	must(ipcx_topic_open(&o->send.t, uri_of(number), IPCX_PUBLISH | flags, &opts));
}

static void open_queue(struct object *o, unsigned long number, unsigned int depth)
{
	IPCX_QUEUE_OPTS(opts, .depth = depth, .msg_max = task.len, .bytes_max = task.bytes);
	unsigned int flags = IPCX_CREATE | IPCX_SINGLE_THREAD;

	must(ipcx_queue_open(&o->recv.q, uri_of(number), IPCX_RECV | flags, &opts));
	must(ipcx_queue_open(&o->send.q, uri_of(number), IPCX_SEND | flags, &opts));
}

/* One without a name: nothing of it is left behind. */
static void open_object(struct object *o, unsigned long number, unsigned int depth)
{
	*o = (struct object){ 0 };
	if (task.kind->topic)
		open_topic(o, number, depth);
	else
		open_queue(o, number, depth);
}

static void put(struct object *o, uint64_t value)
{
	bool topic = task.kind->topic;
	struct ipcx_msg m;

	must(topic ? ipcx_topic_loan(o->send.t, task.len, &m, IPCX_NOWAIT) :
		     ipcx_queue_loan(o->send.q, task.len, &m, IPCX_NOWAIT));
	*(uint64_t *)m.data = value;
	must(topic ? ipcx_topic_commit(o->send.t, &m) : ipcx_queue_commit(o->send.q, &m));
}

static void get(struct object *o, uint64_t value)
{
	must(task.kind->topic ? ipcx_topic_next(o->recv.t, &o->taken, IPCX_NOWAIT) :
				ipcx_queue_next(o->recv.q, &o->taken, IPCX_NOWAIT));
	if (*(uint64_t *)o->taken.data != value)
		give_up(FAILED, "%ju came where %ju was next",
			(uintmax_t) * (uint64_t *)o->taken.data, (uintmax_t)value);
}

/* One message in, and one out of the same that is @behind older; objects take turns. */
static void pass_on(struct object *o, unsigned long objects, unsigned long behind)
{
	uint64_t i, warm = objects > 64 ? objects : 64;
	int64_t start = 0, end = 0;

	for (i = 0; i < warm || end - start < task.ns; i++) {
		struct object *this = &o[i % objects];

		if (i == warm)
			start = now();
		put(this, i / objects + behind);
		get(this, i / objects);
		if (i >= warm && i % 64 == 0)
			end = now();
	}
	tell((double)(now() - start) / (i - warm));
}

static void be_ready(void)
{
	struct rlimit l;

	alarm(SECONDS_MAX);
	pin(0);
	if (!getrlimit(RLIMIT_NOFILE, &l)) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static struct object *new_objects(unsigned long n, unsigned int depth)
{
	struct object *o = calloc(n, sizeof(*o));

	if (!o)
		give_up(FAILED, "no memory");
	for (unsigned long i = 0; i < n; i++) {
		open_object(&o[i], i, depth);
		drop(i);
	}
	return o;
}

static void depth_body(const void *arg)
{
	(void)arg;
	be_ready();
	pass_on(new_objects(1, task.n), 1, 0);
}

/* Longer messages, of which only the first word is touched. */
static void length_body(const void *arg)
{
	(void)arg;
	be_ready();
	task.len = task.n;
	task.bytes = 8 * (task.len < 4096 ? 4096 : task.len);
	pass_on(new_objects(1, 8), 1, 0);
}

/* More handles that send to the queue, or publish in the topic, and do nothing. */
static void ends_body(const void *arg)
{
	struct object o, other;

	(void)arg;
	be_ready();
	open_object(&o, 0, 64);
	for (unsigned long i = 1; i < task.n; i++)
		must(task.kind->topic ?
			     ipcx_topic_open(&other.send.t, uri_of(0), IPCX_PUBLISH, NULL) :
			     ipcx_queue_open(&other.send.q, uri_of(0), IPCX_SEND, NULL));
	pass_on(&o, 1, 0);
}

/* What it costs to publish where several subscribe: only that counts. */
static void subscribers_body(const void *arg)
{
	struct object *o = calloc(task.n, sizeof(*o));
	int64_t start, spent = 0;
	uint64_t i = 0;

	(void)arg;
	be_ready();
	if (!o)
		give_up(FAILED, "no memory");
	open_object(o, 0, 2 * BURST);
	for (unsigned long k = 1; k < task.n; k++)
		must(ipcx_topic_open(&o[k].recv.t, uri_of(0), IPCX_SUBSCRIBE | IPCX_SINGLE_THREAD,
				     NULL));
	do {
		start = now();
		for (uint64_t v = i; v < i + BURST; v++)
			put(o, v);
		spent += now() - start;
		for (unsigned long k = 0; k < task.n; k++)
			for (uint64_t v = i; v < i + BURST; v++)
				get(&o[k], v);
		i += BURST;
	} while (spent < task.ns);
	tell((double)spent / i);
}

static void backlog_body(const void *arg)
{
	unsigned long objects = (task.n + BACKLOG - 1) / BACKLOG, each = task.n / objects;
	struct object *o;

	(void)arg;
	be_ready();
	o = new_objects(objects, DEPTH_MAX);
	for (unsigned long i = 0; i < objects; i++)
		for (unsigned long k = 0; k < each; k++)
			put(&o[i], k);
	pass_on(o, objects, each);
}

/* Each message by one epoll_wait() over all, which tells whose it is. */
static void epoll_body(const void *arg)
{
	struct object *o;
	uint64_t i, warm = task.n + 64;
	int64_t start = 0, end = 0;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	(void)arg;
	be_ready();
	o = new_objects(task.n, 16);
	for (i = 0; i < task.n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u64 = i };
		int fd = task.kind->topic ? ipcx_topic_fd(o[i].recv.t) : ipcx_queue_fd(o[i].recv.q);

		if (fd < 0)
			give_up(CANNOT, "nothing to poll: %s", ipcx_error());
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
			give_up(FAILED, "epoll_ctl: %s", strerror(errno));
	}
	for (i = 0; i < warm || end - start < task.ns; i++) {
		struct epoll_event e;

		if (i == warm)
			start = now();
		put(&o[i % task.n], i / task.n);
		if (epoll_wait(ep, &e, 1, 1000) != 1 || e.data.u64 != i % task.n)
			give_up(FAILED, "epoll_wait tells of another");
		get(&o[i % task.n], i / task.n);
		/* a topic can be read until somebody found nothing there */
		if (task.kind->topic && ipcx_topic_next(o[i % task.n].recv.t, &o[i % task.n].taken,
							IPCX_NOWAIT) != -EAGAIN)
			give_up(FAILED, "there is one too many");
		if (i >= warm && i % 64 == 0)
			end = now();
	}
	tell((double)(now() - start) / (i - warm));
}

static void open_and_close(unsigned long number, unsigned int flags)
{
	IPCX_TOPIC_OPTS(topic, .depth = 16, .msg_max = LEN);
	IPCX_QUEUE_OPTS(queue, .depth = 16, .msg_max = LEN);
	struct object o;

	if (task.kind->topic) {
		must(ipcx_topic_open(&o.recv.t, uri_of(number), IPCX_SUBSCRIBE | flags, &topic));
		ipcx_topic_close(o.recv.t);
	} else {
		must(ipcx_queue_open(&o.recv.q, uri_of(number), IPCX_RECV | flags, &queue));
		ipcx_queue_close(o.recv.q);
	}
}

/* To open and close one of so many that have names, again and again another. */
static void names_body(const void *arg)
{
	int64_t start, end;
	uint64_t i = 0;

	(void)arg;
	be_ready();
	for (unsigned long k = 0; k < task.n; k++)
		open_and_close(k, IPCX_CREATE);
	start = now();
	do {
		open_and_close(i++ * 7919 % task.n, 0);
		end = now();
	} while (end - start < task.ns);
	tell((double)(end - start) / i);
}

#define VALUES 6

static const struct {
	const char *name;
	void (*body)(const void *arg);
	bool topics; /* alone have it */
	unsigned long values[VALUES]; /* up to a 0 */
} series[] = {
	{ "depth", depth_body, false, { 16, 256, 4096, 65536 } },
	{ "length", length_body, false, { 8, 64, 4096, 65536, 1 << 20, 64 << 20 } },
	{ "ends", ends_body, false, { 1, 10, 60, 1000 } },
	{ "subscribers", subscribers_body, true, { 1, 2, 8, 60 } },
	{ "polled", epoll_body, false, { 1, 10, 100, 1000 } },
	{ "backlog", backlog_body, false, { 1, 100, 10000, 1000000 } },
	{ "open, of names", names_body, false, { 10, 1000, 100000 } },
};

#define SERIES 7

static struct result found[SERIES][VALUES][KINDS];

const struct result *growth_result(const char *name, unsigned long n, const char *kind)
{
	for (int s = 0; s < SERIES; s++)
		for (int i = 0; i < VALUES; i++)
			for (int k = 0; k < KINDS; k++)
				if (!strcmp(series[s].name, name) && series[s].values[i] == n &&
				    !strcmp(kinds[k].name, kind))
					return &found[s][i][k];
	return NULL;
}

static const char *module_missing(const struct kind *k)
{
	if (strcmp(k->transport, "kernel") || !access("/dev/ipcx", R_OK | W_OK))
		return NULL;
	return "the module is not loaded";
}

static void measure(const struct plan_of_part *p, int s, unsigned long n, unsigned int turns,
		    struct result *r)
{
	double times[TIMES_MAX];

	task.n = n;
	task.len = LEN;
	task.ns = p->ns;
	task.owner = getpid();
	for (unsigned int t = 0; t < turns && (!t || r->is == MEASURED); t++) {
		run_apart(series[s].body, NULL, r);
		times[t] = r->ns;
		/* whatever has a name still */
		for (unsigned long i = 0; i < (series[s].body == names_body ? n : 1); i++)
			drop(i);
		end_if_told();
	}
	if (r->is == MEASURED)
		median(times, turns, r);
}

static bool point(const struct plan_of_part *p, int s, int value, int kind)
{
	unsigned long n = series[s].values[value];
	struct way w = { .name = kinds[kind].name };
	struct job j = { .len = LEN, .in_one = true };
	struct result *r = &found[s][value][kind];
	const char *missing = module_missing(&kinds[kind]);
	unsigned int turns = p->times, more = 0;
	char name[48];

	/* to make so many takes much longer than to measure: about as long as so many turns */
	if (series[s].body == names_body && n > SMALL) {
		turns = 1;
		more = n / 50;
	}
	snprintf(name, sizeof(name), "%s %lu", series[s].name, n);
	j.name = name;
	if (!part_wants(p, &j, &w, missing ? 0 : turns + more))
		return true;
	task.kind = &kinds[kind];
	if (missing) {
		r->is = ABSENT;
		snprintf(r->why, sizeof(r->why), "%s", missing);
	} else {
		measure(p, s, n, turns, r);
	}
	part_row(p, &j, &w, r);
	return r->is != FAILED;
}

bool growth_part(const struct plan_of_part *p)
{
	bool good = true;

	for (int s = 0; s < SERIES; s++)
		for (int i = 0; i < VALUES && series[s].values[i]; i++)
			for (int k = 0; k < KINDS; k++)
				if ((p->percent >= ALL_PERCENT || series[s].values[i] <= SMALL ||
				     series[s].body == length_body) &&
				    (kinds[k].topic || !series[s].topics))
					good &= point(p, s, i, k);
	return good;
}
