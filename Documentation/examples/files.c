// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client sends the path of a file, a server answers with what is in it: whole if it fits into one
 * message, else piece by piece. Over any transport.
 *
 *   cc files.c -o files $(pkg-config --cflags --libs libipcx)
 *   ./files server unix:files &
 *   ./files client unix:files /etc/services
 */
#include <errno.h>
#include <fcntl.h>
#include <ipcx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The tag of a request is where in the file to begin, that of its answer comes back with it. */
#define PIECE (1 << 20)

static int fail(const char *what)
{
	fprintf(stderr, "files: %s: %s\n", what, ipcx_error());
	return 1;
}

static int64_t in_seconds(int n)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec + n) * 1000000000LL + ts.tv_nsec;
}

static size_t piece_of(const struct ipcx_queue *q)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };

	return ipcx_queue_attr(q, &attr) || attr.msg_max > PIECE ? PIECE : attr.msg_max;
}

/* Reads from @offset of the file that @request names into @buf. Return: bytes, or -1. */
static ssize_t read_piece(const struct ipcx_msg *request, char *buf, size_t size)
{
	char path[4096];
	ssize_t n = -1;
	int fd;

	if (request->len >= sizeof(path))
		return -1;
	memcpy(path, request->data, request->len);
	path[request->len] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		n = pread(fd, buf, size, request->tag);
		close(fd);
	}
	return n;
}

/* Until a request is empty. A file that cannot be read is a request without a reply. */
static int server(const char *uri)
{
	static char buf[PIECE];
	struct ipcx_msg m = { 0 };
	struct ipcx_queue *q;
	int r = 0;

	if (ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_RECV, NULL))
		return fail("open");
	while (!r && !ipcx_queue_take(q, &m, IPCX_FOREVER)) {
		ssize_t n = m.len ? read_piece(&m, buf, piece_of(q)) : 0;
		struct ipcx_msg reply = { .data = buf, .len = n };
		int end = !m.len;

		r = n < 0 || !(m.flags & IPCX_REQUEST) ? ipcx_queue_release(q, &m) :
							 ipcx_queue_reply(q, &m, &reply);
		if (end)
			break;
	}
	ipcx_queue_close(q);
	return r ? fail("reply") : 0;
}

/* Asks for the piece at @offset. */
static int ask(struct ipcx_queue *q, const char *path, uint64_t offset, struct ipcx_msg *reply)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, strlen(path), &m, in_seconds(20));

	if (r)
		return r;
	if (m.len)
		memcpy(m.data, path, m.len);
	m.tag = offset;
	return ipcx_queue_call(q, &m, reply, in_seconds(20));
}

static int client(const char *uri, const char *path)
{
	struct ipcx_msg reply = { 0 };
	struct ipcx_queue *q;
	uint64_t offset = 0;

	if (ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_SEND, NULL))
		return fail("open");
	do {
		if (ask(q, path, offset, &reply))
			return fail(path);
		if (fwrite(reply.data ? reply.data : "", 1, reply.len, stdout) != reply.len)
			return 1;
		offset += reply.len;
	} while (reply.len);
	ipcx_queue_release(q, &reply);
	ipcx_queue_close(q);
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "server"))
		return server(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "client"))
		return client(argv[2], argv[3]);
	fprintf(stderr, "usage: files server URI | files client URI PATH\n");
	return 2;
}
