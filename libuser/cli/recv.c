// SPDX-License-Identifier: GPL-2.0-only
/*
 * recv: messages become lines or files. A message is released only when all of
 * it has been handed on; until then it is delivered again if this program dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "recv.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

/* The message at hand is finished first; a second signal ends the program at once. */
static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

int write_all(int fd, const struct iovec *parts, int n)
{
	struct iovec iov[2] = { parts[0], n > 1 ? parts[1] : (struct iovec){ 0 } };

	while (iov[0].iov_len || iov[1].iov_len) {
		ssize_t done = writev(fd, iov, 2);

		if (done < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
			continue;
		}
		if (done < 0 && (errno != EINTR || stop))
			return -errno;
		for (int i = 0; done > 0; i++) {
			size_t part = (size_t)done < iov[i].iov_len ? (size_t)done : iov[i].iov_len;

			iov[i].iov_base = (char *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			done -= part;
		}
	}
	return 0;
}

static int to_stdout(const struct receiver *r, const struct ipcx_msg *m)
{
	char delimiter = r->delimiter;
	struct iovec iov[2] = {
		{ m->data, m->len },
		{ &delimiter, r->delimiter >= 0 },
	};
	int err = write_all(STDOUT_FILENO, iov, 2);

	return err ? fail_file("standard output", -err) : CLI_OK;
}

/* Why a message is in a dead-letter queue, or NULL */
static const char *given_up(const struct ipcx_msg *m)
{
	return m->flags & IPCX_POISON ? "poison" : m->flags & IPCX_EXPIRED ? "expired" : NULL;
}

static void json_message(const struct ipcx_msg *m)
{
	const char *why = given_up(m);

	printf("{\"seq\":%llu,\"prio\":%u,\"tag\":%llu,\"deliveries\":%u,\"pid\":%d,\"uid\":%u,"
	       "\"gid\":%u,\"expires\":%lld,\"given_up\":%s%s%s,\"len\":%zu",
	       (unsigned long long)m->seq, m->prio, (unsigned long long)m->tag, m->deliveries,
	       m->pid, m->uid, m->gid, (long long)m->expires, why ? "\"" : "", why ? why : "null",
	       why ? "\"" : "", m->len);
}

static int to_json(const struct receiver *r, const struct ipcx_msg *m, const char *file)
{
	r->from->json(m);
	putchar(',');
	if (file) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", r->dir, file);
		json_member(stdout, "file", path, strlen(path));
	} else {
		json_member(stdout, "data", m->data, m->len);
	}
	fputs("}\n", stdout);
	return fflush(stdout) ? fail_file("standard output", errno) : CLI_OK;
}

/* True if the file holds just this message: it was written before a release was lost. */
static bool is_same(int fd, const struct ipcx_msg *m)
{
	const char *data = m->data;
	size_t left = m->len;
	char buf[65536];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->len)
		return false;
	while (left) {
		ssize_t n = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n <= 0 || memcmp(buf, data, n))
			return false;
		data += n;
		left -= n;
	}
	return true;
}

/* Returns 0, 1 if there is such a file and it is the same, or -errno. */
static int look_for(const struct receiver *r, const char *name, const struct ipcx_msg *m)
{
	int found, fd = openat(r->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	found = is_same(fd, m) ? 1 : -EEXIST;
	close(fd);
	return found;
}

static int write_file(const struct receiver *r, const char *temp, const char *name,
		      const struct ipcx_msg *m)
{
	struct iovec iov = { m->data, m->len };
	int fd, err;

	unlinkat(r->dir_fd, temp, 0);
	fd = openat(r->dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	err = write_all(fd, &iov, 1);
	if (!err && r->sync && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(r->dir_fd, temp, r->dir_fd, name))
		err = -errno;
	if (err)
		unlinkat(r->dir_fd, temp, 0);
	else if (r->sync && fsync(r->dir_fd))
		err = -errno;
	return err;
}

static int to_file(const struct receiver *r, const struct ipcx_msg *m)
{
	char name[24], temp[48];
	int err;

	snprintf(name, sizeof(name), "%08llu", (unsigned long long)m->seq);
	snprintf(temp, sizeof(temp), ".%s.part", name);
	err = look_for(r, name, m);
	if (!err)
		err = write_file(r, temp, name, m);
	if (err == -EEXIST)
		return fail("%s is in the directory already, with another content; "
			    "receive into an empty directory",
			    name);
	if (err < 0)
		return fail_file(r->dir, -err);
	return r->json ? to_json(r, m, name) : CLI_OK;
}

static int hand_on(struct receiver *r, struct ipcx_msg *m)
{
	int err;

	if (r->put)
		err = r->put(r, m);
	else if (r->dir)
		err = to_file(r, m);
	else
		err = r->json ? to_json(r, m, NULL) : to_stdout(r, m);
	if (err) {
		r->from->give_back(r->handle, m);
		return err;
	}
	r->bytes += m->len;
	err = r->from->release(r->handle, m);
	if (err)
		return fail_ipcx(err);
	r->done++;
	if (r->dir)
		progress("received", r->done, r->count, r->bytes);
	return CLI_OK;
}

static int64_t ns_until(int64_t deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return deadline - now.tv_sec * INT64_C(1000000000) - now.tv_nsec;
}

/* What is left until @deadline; false when nothing is */
static bool time_left(int64_t deadline, struct timespec *left)
{
	int64_t ns = ns_until(deadline);

	left->tv_sec = ns / 1000000000;
	left->tv_nsec = ns % 1000000000;
	return ns > 0;
}

#define NOBODY_READS 1

/*
 * Waits for a message and takes it. What it writes to is watched too: behind a
 * pipe that nobody reads any more, this program would wait for ever. Signals
 * come in while it waits only, so that none is missed just before.
 */
static int wait_and_take(const struct receiver *r, struct ipcx_msg *m, int64_t deadline,
			 const sigset_t *open_mask)
{
	struct pollfd p[2] = {
		{ .fd = r->from->fd(r->handle), .events = POLLIN },
		{ .fd = r->out },
	};
	struct timespec left;

	for (;;) {
		int err = r->from->take(r->handle, m, IPCX_NOWAIT);

		if (err != -EAGAIN || stop || !time_left(deadline, &left))
			return err;
		if (ppoll(p, 2, &left, open_mask) > 0 && (p[1].revents & (POLLERR | POLLHUP))) {
			raise(SIGPIPE);
			return NOBODY_READS;
		}
	}
}

static int take_one(const struct receiver *r, struct ipcx_msg *m)
{
	sigset_t caught, before;
	int err;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigprocmask(SIG_BLOCK, &caught, &before);
	err = wait_and_take(r, m, deadline_in(r->timeout), &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

static int receive(struct receiver *r)
{
	struct ipcx_msg m;
	int err = 0;

	while (!err && !stop && (!r->count || r->done < r->count)) {
		err = take_one(r, &m);
		if (!err)
			err = hand_on(r, &m);
		else if (stop)
			return CLI_OK;
		else if (err == NOBODY_READS)
			return fail_file("standard output", EPIPE);
		else if (err == -EAGAIN && r->done && !r->count)
			return CLI_OK;
		else
			return fail_ipcx(err);
	}
	return err;
}

/* A line about the next message, which stays where it is */
static int peek(const struct receiver *r)
{
	struct ipcx_msg m;
	int err = ipcx_queue_peek(r->handle, &m);

	if (err)
		return fail_ipcx(err);
	if (r->json) {
		json_message(&m);
		puts("}");
		return CLI_OK;
	}
	printf("number %llu, %zu bytes, prio %u, tag %llu, deliveries %u, pid %d, uid %u, gid %u",
	       (unsigned long long)m.seq, m.len, m.prio, (unsigned long long)m.tag, m.deliveries,
	       m.pid, m.uid, m.gid);
	if (m.expires)
		printf(", expires in %.3f s", ns_until(m.expires) / 1e9);
	if (given_up(&m))
		printf(", given up: %s", given_up(&m));
	putchar('\n');
	return CLI_OK;
}

int receive_all(struct receiver *r)
{
	int err = 0;

	if (r->dir) {
		if (mkdir(r->dir, 0777) && errno != EEXIST)
			err = fail_file(r->dir, errno);
		r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!err && r->dir_fd < 0)
			err = fail_file(r->dir, errno);
	}
	if (!err) {
		catch_signals();
		err = receive(r);
	}
	progress_end();
	r->from->close(r->handle);
	if (stop) {
		signal(stop, SIG_DFL);
		raise(stop);
	}
	return err;
}

int receive_option(struct receiver *r, int c)
{
	switch (c) {
	case 'n':
		if (!parse_number(optarg, 10, UINT64_MAX, &r->count) || !r->count)
			return usage_error("a count is 1 or more");
		return CLI_OK;
	case OPT_TIMEOUT:
		if (!parse_duration(optarg, &r->timeout))
			return usage_error("a duration is a number with ms, s, m or h");
		return CLI_OK;
	case 'o':
		r->dir = optarg;
		r->out = -1;
		return CLI_OK;
	case '0':
		r->delimiter = '\0';
		return CLI_OK;
	case OPT_RAW:
		r->delimiter = -1;
		return CLI_OK;
	case OPT_SYNC:
		r->sync = true;
		return CLI_OK;
	case OPT_PEEK:
		r->peek = true;
		return CLI_OK;
	case 'c':
		r->create = true;
		return CLI_OK;
	default:
		r->json = true;
		return CLI_OK;
	}
}

static const struct option longs[] = {
	RECV_OPTIONS,
	{ "output", required_argument, NULL, 'o' },
	{ "sync", no_argument, NULL, OPT_SYNC },
	{ "peek", no_argument, NULL, OPT_PEEK },
	COMMON_OPTIONS,
	{ 0 },
};

static int queue_take(void *handle, struct ipcx_msg *m, int64_t deadline)
{
	return ipcx_queue_take(handle, m, deadline);
}

static int queue_release(void *handle, struct ipcx_msg *m)
{
	return ipcx_queue_release(handle, m);
}

static int queue_give_back(void *handle, struct ipcx_msg *m)
{
	return ipcx_queue_nack(handle, m);
}

static int queue_fd(void *handle)
{
	return ipcx_queue_fd(handle);
}

static void queue_close(void *handle)
{
	ipcx_queue_close(handle);
}

static const struct origin queue_origin = {
	.take = queue_take,
	.release = queue_release,
	.give_back = queue_give_back,
	.fd = queue_fd,
	.close = queue_close,
	.json = json_message,
};

static int run_recv(int argc, char **argv)
{
	struct receiver r = { .from = &queue_origin,
			      .timeout = -1,
			      .delimiter = '\n',
			      .dir_fd = -1,
			      .out = STDOUT_FILENO };
	bool takes = false;
	int c, err = CLI_OK;

	while (!err && (c = next_option(argc, argv, "n:o:0c", longs)) != -1) {
		takes |= c != OPT_PEEK && c != OPT_JSON;
		err = receive_option(&r, c);
	}
	if (err)
		return err;
	if (r.peek && takes)
		return usage_error("--peek looks once and takes nothing: only --json goes with it");
	if (argc - optind != 1)
		return usage_error("give the name of one queue");
	err = ipcx_queue_open((struct ipcx_queue **)&r.handle, argv[optind],
			      IPCX_RECV | (r.create ? IPCX_CREATE : 0), NULL);
	if (err)
		return fail_ipcx(err);
	if (!r.peek)
		return receive_all(&r);
	err = peek(&r);
	ipcx_queue_close(r.handle);
	return err;
}

const struct command cmd_recv = {
	"recv", run_recv, "receive messages as lines or files",
	"usage: ipcx recv NAME [-n COUNT] [-c] [-0 | --raw] [-o DIR [--sync]]\n"
	"                      [--timeout DUR] [--json]\n"
	"       ipcx recv NAME --peek [--json]\n"
	"\n"
	"Writes messages to standard output, a newline behind each, until interrupted.\n"
	"\n"
	"  -n, --count COUNT   end after COUNT messages\n"
	"  -o, --output DIR    write each message to DIR/NUMBER, its number in the queue\n"
	"      --sync          with -o: the file is on the disk before the message goes\n"
	"  -0, --null          a NUL behind each message instead of a newline\n"
	"      --raw           nothing behind a message\n"
	"  -c, --create        make the queue if there is none\n"
	"      --timeout DUR   end when nothing came for so long: 500ms, 2s, 1m; 0 takes\n"
	"                      what is there. Exit code 4 if nothing or less than COUNT came\n"
	"      --peek          tell about the next message and leave it in the queue; what it\n"
	"                      says is for who takes it. Exit code 4 if there is none\n"
	"\n"
	"A message leaves the queue when it has been written. If that fails, or this\n"
	"program is killed, the next receiver gets it.\n"
	"\n"
	"examples: ipcx recv jobs -n 1 --timeout 5s\n"
	"          ipcx recv images -o incoming\n"
	"          ipcx recv failed --peek\n"
};
