// SPDX-License-Identifier: GPL-2.0-only
/*
 * send: lines, texts or files become messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "send.h"

static int commit(struct sender *s, struct ipcx_msg *m)
{
	size_t len = m->len;
	int r;

	m->prio = s->prio;
	m->tag = s->tag;
	m->expires = s->expires ? deadline_in(s->expires) : 0;
	r = s->to->commit(s->handle, m);
	if (r)
		return fail_ipcx(r);
	s->sent++;
	s->bytes += len;
	return CLI_OK;
}

static int send_bytes(struct sender *s, const char *bytes, size_t len)
{
	struct ipcx_msg m;
	int r = s->to->loan(s->handle, len, &m, deadline_in(s->timeout));

	if (r)
		return fail_ipcx(r);
	if (len)
		memcpy(m.data, bytes, len);
	return commit(s, &m);
}

/* The file is read into the slot itself, so that its bytes are copied once only. */
static int send_regular(struct sender *s, const char *path, int fd, size_t size)
{
	struct ipcx_msg m;
	ssize_t n;
	char more;
	int r = s->to->loan(s->handle, size, &m, deadline_in(s->timeout));

	if (r)
		return fail_ipcx(r);
	n = read_full(fd, m.data, size);
	if (n == (ssize_t)size && read_full(fd, &more, 1) > 0)
		n = -EBUSY;
	if (n < 0) {
		s->to->cancel(s->handle, &m);
		if (n == -EBUSY)
			return fail("the file grew while it was read; it was not sent");
		return fail_file(path, -n);
	}
	m.len = n;
	return commit(s, &m);
}

/* Pipes and the files of /proc do not tell their length. */
static int send_stream(struct sender *s, const char *path, int fd)
{
	char *buf;
	ssize_t len = read_stream(fd, &buf);
	int r;

	if (len < 0)
		return fail_file(path, -len);
	r = send_bytes(s, buf, len);
	free(buf);
	return r;
}

static int send_file(struct sender *s, const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	int r, fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		r = fail_file(path, errno);
	else if (S_ISREG(st.st_mode) && st.st_size > 0 && !is_stdin)
		r = send_regular(s, path, fd, st.st_size);
	else
		r = send_stream(s, path, fd);
	if (fd >= 0 && !is_stdin)
		close(fd);
	return r;
}

static int send_sources(struct sender *s)
{
	int r = CLI_OK;

	for (size_t i = 0; !r && i < s->nsources; i++) {
		const struct source *src = &s->sources[i];

		if (s->nsources > 1)
			progress("sent", i, s->nsources, s->bytes);
		r = src->file ? send_file(s, src->value) :
				send_bytes(s, src->value, strlen(src->value));
	}
	return r;
}

static int send_lines(struct sender *s)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = CLI_OK;

	while (!r && (n = getdelim(&line, &room, s->delimiter, stdin)) >= 0) {
		if (n && line[n - 1] == s->delimiter)
			n--;
		r = send_bytes(s, line, n);
	}
	if (!r && ferror(stdin))
		r = fail_file("standard input", errno);
	free(line);
	return r;
}

static int send_all(struct sender *s)
{
	int r = s->to->open(s);

	if (r)
		return fail_ipcx(r);
	r = s->nsources ? send_sources(s) : send_lines(s);
	if (s->to->finish && s->sent) {
		int late = s->to->finish(s);

		r = r ? r : late;
	}
	progress_end();
	s->to->close(s->handle);
	if (r && s->sent)
		fprintf(stderr, "ipcx: %s: messages sent before that: %llu\n", command->name,
			(unsigned long long)s->sent);
	if (s->json) {
		printf("{");
		json_member(stdout, "name", s->name, strlen(s->name));
		printf(",\"sent\":%llu,\"bytes\":%llu}\n", (unsigned long long)s->sent,
		       (unsigned long long)s->bytes);
	}
	return r;
}

static void add_source(struct sender *s, const char *value, bool file)
{
	s->sources[s->nsources++] = (struct source){ value, file };
}

/* A word that is no option: the name, and after -f one more file */
static bool add_word(struct sender *s, const char *word, bool files)
{
	if (!s->name && !files)
		s->name = word;
	else if (s->name && files)
		add_source(s, word, true);
	else
		return false;
	return true;
}

static int option(struct sender *s, int c)
{
	uint64_t v;

	switch (c) {
	case OPT_JSON:
		s->json = true;
		return CLI_OK;
	case OPT_PRIO:
		if (!parse_number(optarg, 10, 31, &v))
			return usage_error("a priority is 0..31");
		s->prio = v;
		return CLI_OK;
	case OPT_TAG:
		if (!parse_number(optarg, 0, UINT64_MAX, &s->tag))
			return usage_error("a tag is a number of 64 bits");
		return CLI_OK;
	case OPT_TIMEOUT:
		if (!parse_duration(optarg, &s->timeout))
			return usage_error("a duration is a number with ms, s, m or h");
		return CLI_OK;
	case OPT_EXPIRES:
		if (!parse_duration(optarg, &s->expires) || !s->expires)
			return usage_error("\"%s\": a message expires after some time: 500ms, 2s, "
					   "1m; leave the option out for never",
					   optarg);
		return CLI_OK;
	case 'c':
		s->create = true;
		return CLI_OK;
	default:
		s->delimiter = '\0';
		return CLI_OK;
	}
}

static int parse(struct sender *s, int argc, char **argv)
{
	bool files = false;
	int c, r = CLI_OK;

	/* "-": words come in their order, as option 1 */
	while (!r && (c = next_option(argc, argv, "-m:f:0c", s->to->options)) != -1) {
		if (c == 1 && !add_word(s, optarg, files))
			r = usage_error("give the name first, then -f with the files");
		else if (c == 'm' || c == 'f')
			add_source(s, optarg, c == 'f');
		else if (c != 1)
			r = option(s, c);
		files |= c == 'f';
	}
	for (; !r && optind < argc; optind++) /* behind "--" */
		if (!add_word(s, argv[optind], files))
			r = usage_error("give the name first, then -f with the files");
	if (!r && !s->name)
		r = usage_error("give the name of a %s", s->to->what);
	return r;
}

int send_main(int argc, char **argv, const struct target *to)
{
	struct sender s = { .to = to, .timeout = -1, .delimiter = '\n' };
	int r;

	s.sources = calloc(argc, sizeof(*s.sources));
	if (!s.sources)
		return fail("no memory");
	r = parse(&s, argc, argv);
	if (!r)
		r = send_all(&s);
	free(s.sources);
	return r;
}

static int queue_open(struct sender *s)
{
	return ipcx_queue_open((struct ipcx_queue **)&s->handle, s->name,
			       IPCX_SEND | (s->create ? IPCX_CREATE : 0), NULL);
}

static int queue_loan(void *handle, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	return ipcx_queue_loan(handle, len, m, deadline);
}

static int queue_commit(void *handle, struct ipcx_msg *m)
{
	return ipcx_queue_commit(handle, m);
}

static int queue_cancel(void *handle, struct ipcx_msg *m)
{
	return ipcx_queue_cancel(handle, m);
}

/*
 * Over shared memory messages stay while anybody has the queue open: this program must not be the
 * last. Who receives has it open.
 */
static int queue_finish(struct sender *s)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	uint64_t caps = ipcx_queue_caps(s->handle);
	int64_t until = deadline_in(s->timeout);
	int r;

	if ((caps & (IPCX_CAP_ZERO_COPY | IPCX_CAP_PERSISTENT | IPCX_CAP_ACCOUNTING)) !=
	    IPCX_CAP_ZERO_COPY)
		return CLI_OK;
	for (;;) {
		r = ipcx_queue_stat(s->handle, &stats);
		if (r)
			return fail_ipcx(r);
		if (!stats.queued || stats.receivers)
			return CLI_OK;
		if (until <= deadline_in(1)) {
			fail("nobody receives, and what was sent is lost when nobody has the "
			     "queue open");
			return CLI_EMPTY;
		}
		usleep(20000);
	}
}

static void queue_close(void *handle)
{
	ipcx_queue_close(handle);
}

static const struct option queue_options[] = {
	SEND_OPTIONS,
	{ "prio", required_argument, NULL, OPT_PRIO },
	{ "expires", required_argument, NULL, OPT_EXPIRES },
	COMMON_OPTIONS,
	{ 0 },
};

static const struct target queue_target = {
	.what = "queue",
	.options = queue_options,
	.open = queue_open,
	.loan = queue_loan,
	.commit = queue_commit,
	.cancel = queue_cancel,
	.finish = queue_finish,
	.close = queue_close,
};

static int run_send(int argc, char **argv)
{
	return send_main(argc, argv, &queue_target);
}

const struct command cmd_send = {
	"send", run_send, "send lines, a text or files",
	"usage: ipcx send NAME [-c] [-0] [--prio N] [--tag N] [--expires DUR]\n"
	"                      [--timeout DUR] [--json] [-m TEXT]... [-f FILE...]\n"
	"\n"
	"Without -m and -f every line of standard input is a message.\n"
	"\n"
	"  -m, --message TEXT  TEXT is a message\n"
	"  -f, --file FILE...  each file is a message, whatever is in it\n"
	"  -0, --null          messages on standard input end with a NUL, not a newline\n"
	"  -c, --create        make the queue if there is none\n"
	"      --prio N        0..31, higher is received first; 0 if not given\n"
	"      --tag N         a number for the receiver\n"
	"      --expires DUR   each message is given up when nobody has taken it so long\n"
	"                      after it was sent: 500ms, 2s, 1m; never if not given\n"
	"      --timeout DUR   how long to wait while the queue is full, or over shm nobody\n"
	"                      receives: 500ms, 2s, 1m; for ever if not given\n"
	"\n"
	"examples: tail -F /var/log/syslog | ipcx send log\n"
	"          ipcx send images -f *.jpg\n"
	"          ipcx send alarms --expires 10s -m 'door open'\n"
};
