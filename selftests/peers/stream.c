// SPDX-License-Identifier: GPL-2.0-only
/*
 * A FIFO, a UNIX stream and a TCP connection with frames: a head that says how long the message is,
 * and the message, by one call; who receives reads the one and then the other.
 *
 * In a FIFO a frame that the kernel writes whole is a packet, and read at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peers.h"

struct head {
	uint64_t len, seq;
};

struct stream {
	int fd, other; /* the other's end, or a listener, until it is open */
	bool packets;
};

static struct stream *stream_new(struct lane *l)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		give_up(FAILED, "no memory");
	l->own = s;
	return s;
}

static const char *path_of(const struct lane *l)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/%s", l->name);
	return path;
}

static void fifo_create(struct lane *l)
{
	struct stream *s = stream_new(l);

	if (mkfifo(path_of(l), 0600))
		give_up(FAILED, "mkfifo: %s", strerror(errno));
	s->packets = sizeof(struct head) + l->len <= PIPE_BUF;
}

/* Who reads opens it first, and so for writing too, or it would wait. */
static void fifo_open(struct lane *l)
{
	struct stream *s = l->own;

	s->fd = open(path_of(l), l->sender ? O_WRONLY : O_RDWR);
	if (s->fd < 0 || (s->packets && fcntl(s->fd, F_SETFL, O_DIRECT)))
		give_up(FAILED, "open: %s", strerror(errno));
	fcntl(s->fd, F_SETPIPE_SZ, PIPE_BYTES);
}

static void fifo_remove(const struct lane *l)
{
	unlink(path_of(l));
}

/* At whatever port is free: one that was free a moment before another lane may have since. */
static void tcp_create(struct lane *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct stream *s = stream_new(l);
	socklen_t len = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->other = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s->other, (struct sockaddr *)&a, len) || listen(s->other, 1) ||
	    getsockname(s->other, (struct sockaddr *)&a, &len))
		give_up(FAILED, "listen: %s", strerror(errno));
	l->port = ntohs(a.sin_port);
}

/* Who receives connects: that is done when the other one is there to listen, not to accept. */
static void tcp_open(struct lane *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(l->port) };
	struct stream *s = l->own;
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = l->sender ? accept(s->other, NULL, NULL) : socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd < 0 || (!l->sender && connect(s->fd, (struct sockaddr *)&a, sizeof(a))))
		give_up(FAILED, "connect: %s", strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void unix_create(struct lane *l)
{
	struct stream *s = stream_new(l);
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		give_up(FAILED, "socketpair: %s", strerror(errno));
	s->fd = ends[0];
	s->other = ends[1];
}

/* So that each process sees the end of the other. */
static void unix_open(struct lane *l)
{
	struct stream *s = l->own;

	if (l->sender) {
		close(s->fd);
		s->fd = s->other;
	} else {
		close(s->other);
	}
}

static void stream_send(struct lane *l, uint64_t value)
{
	struct stream *s = l->own;
	struct head h = { l->len, value };
	struct iovec iov[2] = { { &h, sizeof(h) }, { l->buf, l->len } };
	ssize_t n;

	write_all(l, l->buf, value);
	n = writev(s->fd, iov, 2);
	if (n != (ssize_t)(sizeof(h) + l->len))
		give_up(FAILED, "writev: %s", n < 0 ? strerror(errno) : "not all");
}

static void read_exactly(const struct stream *s, void *to, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(s->fd, (char *)to + got, len - got);

		if (n <= 0)
			give_up(FAILED, "read: %s", n ? strerror(errno) : "the end");
		got += n;
	}
}

static uint64_t stream_recv(struct lane *l, uint64_t value)
{
	struct stream *s = l->own;
	struct head h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { l->buf, l->len } };

	if (s->packets) {
		if (readv(s->fd, iov, 2) != (ssize_t)(sizeof(h) + h.len))
			give_up(FAILED, "readv: %s", strerror(errno));
	} else {
		read_exactly(s, &h, sizeof(h));
		if (h.len > l->len)
			give_up(FAILED, "a message of %ju bytes", (uintmax_t)h.len);
		read_exactly(s, l->buf, h.len);
	}
	return read_all(l, l->buf, h.len, value);
}

const struct way fifo_way = {
	.name = "FIFO",
	.words = "pipe with a name, mkfifo(3)",
	.jobs = ONE_WAY | WAITS,
	.create = fifo_create,
	.open = fifo_open,
	.send = stream_send,
	.recv = stream_recv,
	.remove = fifo_remove,
};

const struct way tcp_way = {
	.name = "TCP",
	.words = "TCP over the loopback",
	.jobs = ONE_WAY | WAITS | JOB(OUT_64),
	.create = tcp_create,
	.open = tcp_open,
	.send = stream_send,
	.recv = stream_recv,
};

const struct way unix_stream_way = {
	.name = "UNIX stream",
	.words = "UNIX socket, SOCK_STREAM",
	.jobs = ONE_WAY | WAITS | JOB(OUT_64),
	.create = unix_create,
	.open = unix_open,
	.send = stream_send,
	.recv = stream_recv,
};
