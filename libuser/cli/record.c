// SPDX-License-Identifier: GPL-2.0-only
/*
 * record, replay: what is published in a topic becomes a file, and a file is published again.
 *
 * The file: MAGIC, then for each message a struct entry and its bytes. Numbers are little-endian.
 * What a recorder that was killed leaves ends with a whole message or in the middle of one.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recv.h"

static const char MAGIC[8] = "ipcxrec1";

struct entry {
	uint64_t time; /* when it came, in ns after the first one */
	uint64_t tag;
	uint64_t len;
};

enum { OPT_SPEED = OPT_SUB_OTHER };

static FILE *file; /* replay */
static int out; /* record */
static const char *path;
static int64_t first;

static void tell(const char *what, uint64_t messages, uint64_t bytes)
{
	printf("{");
	json_member(stdout, "file", path, strlen(path));
	printf(",\"%s\":%llu,\"bytes\":%llu}\n", what, (unsigned long long)messages,
	       (unsigned long long)bytes);
}

/* Each message goes out at once: what was recorded stays, whatever becomes of this program. */
static int record_one(const struct receiver *r, const struct ipcx_msg *m)
{
	struct entry e;
	struct iovec parts[] = { { &e, sizeof(e) }, { m->data, m->len } };
	int err;

	if (!r->done)
		first = now_ns();
	e.time = htole64(now_ns() - first);
	e.tag = htole64(m->tag);
	e.len = htole64(m->len);
	err = write_all(out, parts, 2);
	if (err)
		return fail_file(path, -err);
	progress("recorded", r->done + 1, r->count, r->bytes + m->len);
	return CLI_OK;
}

/* A recording is never written over. */
static int record_open(void)
{
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return out < 0 ? fail_file(path, errno) : CLI_OK;
}

/* Whoever sees the first bytes knows that nothing that is published from now on is missing. */
static int record_begin(struct receiver *r, const char *name, unsigned int flags,
			const struct ipcx_topic_opts *opts)
{
	struct iovec magic = { (void *)MAGIC, sizeof(MAGIC) };
	int err = ipcx_topic_open((struct ipcx_topic **)&r->handle, name, flags, opts);

	if (err)
		return fail_ipcx(err);
	err = write_all(out, &magic, 1);
	if (!err)
		return CLI_OK;
	r->from->close(r->handle);
	return fail_file(path, -err);
}

static int record_file(struct receiver *r, const char *name, unsigned int flags,
		       const struct ipcx_topic_opts *opts)
{
	int err = record_open();

	if (err)
		return err;
	err = record_begin(r, name, flags, opts);
	if (err) {
		unlink(path);
		return err;
	}
	err = receive_all(r);
	if (close(out) && !err)
		err = fail_file(path, errno);
	if (r->json)
		tell("recorded", r->done, r->bytes);
	return err;
}

static int record_stdout(struct receiver *r, const char *name, unsigned int flags,
			 const struct ipcx_topic_opts *opts)
{
	out = STDOUT_FILENO;
	r->out = out;
	path = "standard output";
	return record_begin(r, name, flags, opts) ?: receive_all(r);
}

static int run_record(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "create", no_argument, NULL, 'c' },
		{ "output", required_argument, NULL, 'o' },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		SUB_OPTIONS,
		COMMON_OPTIONS,
		{ 0 },
	};
	IPCX_TOPIC_OPTS(opts);
	struct receiver r = {
		.from = &topic_origin, .timeout = -1, .dir_fd = -1, .out = -1, .put = record_one
	};
	unsigned int flags = IPCX_SUBSCRIBE | IPCX_LOSSY;
	int c, err = CLI_OK;

	while (!err && (c = next_option(argc, argv, "n:o:c", longs)) != -1) {
		if (c == 'o')
			path = optarg;
		else
			err = subscribe_option(&r, c, &flags, &opts);
	}
	if (err)
		return err;
	if (argc - optind != 1)
		return usage_error("give the name of one topic");
	if (!path)
		return usage_error("give the file with -o; - is standard output");
	flags |= r.create ? IPCX_CREATE : 0;
	return strcmp(path, "-") ? record_file(&r, argv[optind], flags, &opts) :
				   record_stdout(&r, argv[optind], flags, &opts);
}

const struct command cmd_record = {
	"record",
	run_record,
	"record in a file what is published in a topic",
	"usage: ipcx record NAME -o FILE [-n COUNT] [-c] [--reliable] [--history N]\n"
	"                        [--timeout DUR] [--json]\n"
	"\n"
	"Writes each message, its tag and when it came to FILE, until interrupted. \"ipcx replay\"\n"
	"publishes it again. Who publishes notices nothing of it; what was missed, should the\n"
	"disk be too slow, is said at the end.\n"
	"\n"
	"  -o, --output FILE   a file that is not there yet, or - for standard output\n"
	"  -n, --count COUNT   end after COUNT messages\n"
	"  -c, --create        make the topic if there is none\n"
	"      --reliable      miss nothing: publishers wait, see \"ipcx help sub\"\n"
	"      --history N     begin with the last N messages of each publisher that is there\n"
	"      --timeout DUR   end when nothing came for so long: 500ms, 2s, 1m\n"
	"\n"
	"Killed at any moment, it leaves a file that can be replayed up to its last whole message.\n"
	"\n"
	"examples: ipcx record lidar -o drive.rec --timeout 10s\n"
	"          ipcx record load -n 1000 -o - | gzip >load.rec.gz\n",
};

/**
 * struct replay - what is published again
 * @topic: where
 * @speed: how many times as fast; 0 does not wait
 * @timeout: ns to wait for a subscriber that is to miss nothing, or negative
 * @start: when the first message was due
 * @done: messages published
 * @bytes: in these
 */
struct replay {
	struct ipcx_topic *topic;
	double speed;
	int64_t timeout, start;
	uint64_t done, bytes;
};

#define LONG_NS INT64_C(1000000000000000000) /* thirty years */

static void wait_for(const struct replay *r, uint64_t time)
{
	double ns = r->speed > 0 ? time / r->speed : 0;

	if (ns > 0)
		sleep_until(r->start + (ns < LONG_NS ? (int64_t)ns : LONG_NS));
}

/* 1: there was one; 0: the end; or an exit code, negative: what was wrong was said */
static int read_entry(struct entry *e)
{
	size_t n = fread(e, 1, sizeof(*e), file);

	if (!n && !ferror(file))
		return 0;
	if (n != sizeof(*e))
		return -(ferror(file) ? fail_file(path, errno) :
					fail_about(path, " ends in the middle of a message"));
	e->time = le64toh(e->time);
	e->tag = le64toh(e->tag);
	e->len = le64toh(e->len);
	return 1;
}

static int replay_one(struct replay *r, const struct entry *e)
{
	struct ipcx_msg m;
	int err = ipcx_topic_loan(r->topic, e->len, &m, deadline_in(r->timeout));

	if (err)
		return fail_ipcx(err);
	if (fread(m.data, 1, e->len, file) != e->len) {
		ipcx_topic_cancel(r->topic, &m);
		return ferror(file) ? fail_file(path, errno) :
				      fail_about(path, " ends in the middle of a message");
	}
	m.tag = e->tag;
	wait_for(r, e->time);
	err = ipcx_topic_commit(r->topic, &m);
	if (err)
		return fail_ipcx(err);
	r->done++;
	r->bytes += e->len;
	progress("published", r->done, 0, r->bytes);
	return CLI_OK;
}

static int replay_all(struct replay *r)
{
	struct entry e;
	int err = CLI_OK, some;

	r->start = now_ns();
	while (!err && (some = read_entry(&e)))
		err = some > 0 ? replay_one(r, &e) : -some;
	progress_end();
	return err;
}

static int replay_open(void)
{
	char magic[sizeof(MAGIC)];

	if (!strcmp(path, "-")) {
		file = stdin;
		path = "standard input";
	} else {
		file = fopen(path, "re");
	}
	if (!file)
		return fail_file(path, errno);
	if (fread(magic, sizeof(magic), 1, file) != 1 || memcmp(magic, MAGIC, sizeof(magic)))
		return fail_about(path, " is no recording of ipcx");
	return CLI_OK;
}

static bool parse_speed(const char *text, double *speed)
{
	char *end;

	*speed = strtod(text, &end);
	return *text && !*end && isfinite(*speed) && *speed >= 0;
}

static int run_replay(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "input", required_argument, NULL, 'i' },
		{ "create", no_argument, NULL, 'c' },
		{ "speed", required_argument, NULL, OPT_SPEED },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct replay r = { .speed = 1, .timeout = -1 };
	bool json = false;
	unsigned int flags = IPCX_PUBLISH;
	int c, err = CLI_OK;

	path = "-";
	while (!err && (c = next_option(argc, argv, "i:c", longs)) != -1) {
		if (c == 'i')
			path = optarg;
		else if (c == 'c')
			flags |= IPCX_CREATE;
		else if (c == OPT_JSON)
			json = true;
		else if (c == OPT_SPEED && !parse_speed(optarg, &r.speed))
			err = usage_error("a speed is a number, 1 as recorded, 0 without a pause");
		else if (c == OPT_TIMEOUT && !parse_duration(optarg, &r.timeout))
			err = usage_error("a duration is a number with ms, s, m or h");
	}
	if (!err && argc - optind != 1)
		err = usage_error("give the name of one topic");
	if (!err)
		err = replay_open();
	if (err)
		return err;
	err = ipcx_topic_open(&r.topic, argv[optind], flags, NULL);
	if (err)
		return fail_ipcx(err);
	err = replay_all(&r);
	ipcx_topic_close(r.topic);
	if (json)
		tell("published", r.done, r.bytes);
	return err;
}

const struct command cmd_replay = {
	"replay",
	run_replay,
	"publish again what was recorded",
	"usage: ipcx replay NAME [-i FILE] [-c] [--speed X] [--timeout DUR] [--json]\n"
	"\n"
	"Publishes what \"ipcx record\" has written, at the same pace.\n"
	"\n"
	"  -i, --input FILE    the recording; standard input if not given\n"
	"  -c, --create        make the topic if there is none\n"
	"      --speed X       X times as fast; 0 without a pause\n"
	"      --timeout DUR   how long to wait for a subscriber that is to miss nothing:\n"
	"                      500ms, 2s, 1m; for ever if not given\n"
	"\n"
	"examples: ipcx replay lidar -i drive.rec --speed 2\n"
	"          zcat load.rec.gz | ipcx replay load -c\n",
};
