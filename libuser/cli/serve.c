// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve: a program answers requests, run once for each.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcx.h>

#include "util.h"

struct server {
	struct ipcx_queue *q;
	const char *name;
	char **program;
	uint64_t count, done;	/* count 0: until interrupted */
	bool create, json;
};

/* A file with the message in it, to be read: the program may leave some of it. */
static int message_file(const struct ipcx_msg *m)
{
	int err, fd = memfd_create("message", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = write_full(fd, m->data, m->len);
	if (!err && lseek(fd, 0, SEEK_SET))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Return: 0 or a negative errno. */
static int start(char **program, int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	int err = posix_spawn_file_actions_init(&files);

	if (err)
		return -err;
	err = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!err)
		err = posix_spawnp(pid, program[0], &files, NULL, program, environ);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

/*
 * Runs the program, @m is what it reads. Return: the length of what it wrote, which is
 * in *out and to be freed, or a negative errno.
 */
static ssize_t run_program(char **program, const struct ipcx_msg *m, char **out, int *status)
{
	int err, in = message_file(m), pipe_fds[2];
	ssize_t len;
	pid_t pid;

	*out = NULL;
	if (in < 0)
		return in;
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		err = -errno;
		close(in);
		return err;
	}
	err = start(program, in, pipe_fds[1], &pid);
	close(in);
	close(pipe_fds[1]);
	len = err ? err : read_stream(pipe_fds[0], out);
	close(pipe_fds[0]);
	while (!err && waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return len;
}

/* The message is done, a request with @reply or, if that is NULL, without. Return: answered? */
static bool finish(struct server *s, struct ipcx_msg *m, struct ipcx_msg *reply)
{
	if (reply && m->flags & IPCX_REQUEST) {
		int r = ipcx_queue_reply(s->q, m, reply);

		if (!r)
			return true;
		fail_ipcx(r);
		if (r == -ESTALE)
			return false;
	}
	ipcx_queue_release(s->q, m);
	return false;
}

static int serve_one(struct server *s, struct ipcx_msg *m)
{
	struct ipcx_msg reply = { 0 };
	uint64_t seq = m->seq;
	int status = 0;
	bool answered;
	char *out;
	ssize_t len = run_program(s->program, m, &out, &status);

	if (len < 0) {
		ipcx_queue_nack(s->q, m);
		return fail_file(s->program[0], -len);
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (status)
		fail("message %llu: \"%s\" ended with status %d", (unsigned long long)seq,
		     s->program[0], status);
	reply.data = out;
	reply.len = len;
	answered = finish(s, m, status ? NULL : &reply);
	free(out);
	s->done++;
	if (!s->json)
		return CLI_OK;
	printf("{\"seq\":%llu,\"status\":%d,\"len\":%zd,\"answered\":%s}\n",
	       (unsigned long long)seq, status, len, answered ? "true" : "false");
	return fflush(stdout) ? fail_file("standard output", errno) : CLI_OK;
}

static int serve(struct server *s)
{
	struct ipcx_msg m;
	int r = ipcx_queue_open(&s->q, s->name, IPCX_RECV | (s->create ? IPCX_CREATE : 0), NULL);

	if (r)
		return fail_ipcx(r);
	while (!r && (!s->count || s->done < s->count)) {
		r = ipcx_queue_take(s->q, &m, IPCX_FOREVER);
		r = r ? fail_ipcx(r) : serve_one(s, &m);
	}
	ipcx_queue_close(s->q);
	return r;
}

/* What is behind the name, or "--", is the program's, options too. */
static int run_serve(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "create", no_argument, NULL, 'c' },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct server s = { 0 };
	int c;

	while (!s.program && (c = next_option(argc, argv, "-n:c", longs)) != -1) {
		if (c == 1 && !s.name)
			s.name = optarg;
		else if (c == 1)
			s.program = argv + optind - 1;
		else if (c == 'n' && (!parse_number(optarg, 10, UINT64_MAX, &s.count) || !s.count))
			return usage_error("a count is 1 or more");
		s.create |= c == 'c';
		s.json |= c == OPT_JSON;
	}
	if (!s.program)
		s.program = argv + optind;
	if (!s.name || !*s.program)
		return usage_error("give the name of one queue and, behind it, a program");
	return serve(&s);
}

const struct command cmd_serve = {
	"serve", run_serve, "answer requests by a program",
	"usage: ipcx serve NAME [-n COUNT] [-c] [--json] [--] PROGRAM [ARGUMENT...]\n"
	"\n"
	"Runs PROGRAM for each message: it reads the message from its standard input, and\n"
	"what it writes to its standard output is the reply. If it ends with another\n"
	"status than 0 there is no reply, and the caller is told so.\n"
	"\n"
	"  -n, --count COUNT   end after COUNT messages\n"
	"  -c, --create        make the queue if there is none\n"
	"\n"
	"A message that waits for no answer is served too, and what is written dropped.\n"
	"If this program is killed, the next server gets the request; the callers fail\n"
	"when there is none. As many servers share the work as are started.\n"
	"\n"
	"example: ipcx serve sums -c -- bc\n"
};
