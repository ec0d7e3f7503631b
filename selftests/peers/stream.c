// SPDX-License-Identifier: GPL-2.0-only
/*
 * A FIFO and a TCP connection with frames: a head that says how long the message is, and the
 * message, by one call; who receives reads the one and then the other.
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

#define PIPE_BYTES (1 << 20) /* what the system allows everybody */

struct head {
	uint64_t len, seq;
};

static struct {
	int fd, listener;
	bool packets;
} ends;

static const char *path_of(const struct lane *l)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/%s", l->name);
	return path;
}

static void fifo_create(struct lane *l)
{
	if (mkfifo(path_of(l), 0600))
		give_up(FAILED, "mkfifo: %s", strerror(errno));
	ends.packets = sizeof(struct head) + l->len <= PIPE_BUF;
}

/* Who reads opens it first, and so for writing too, or it would wait. */
static void fifo_open(struct lane *l)
{
	ends.fd = open(path_of(l), l->sender ? O_WRONLY : O_RDWR);
	if (ends.fd < 0 || (ends.packets && fcntl(ends.fd, F_SETFL, O_DIRECT)))
		give_up(FAILED, "open: %s", strerror(errno));
	fcntl(ends.fd, F_SETPIPE_SZ, PIPE_BYTES);
}

static void fifo_remove(const struct lane *l)
{
	unlink(path_of(l));
}

static void tcp_create(struct lane *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(l->port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ends.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(ends.listener, (struct sockaddr *)&a, sizeof(a)) || listen(ends.listener, 1))
		give_up(FAILED, "listen: %s", strerror(errno));
}

/* Who receives connects: that is done when the other one is there to listen, not to accept. */
static void tcp_open(struct lane *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(l->port) };
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ends.fd = l->sender ? accept(ends.listener, NULL, NULL) : socket(AF_INET, SOCK_STREAM, 0);
	if (ends.fd < 0 || (!l->sender && connect(ends.fd, (struct sockaddr *)&a, sizeof(a))))
		give_up(FAILED, "connect: %s", strerror(errno));
	setsockopt(ends.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void stream_send(struct lane *l, uint64_t value)
{
	struct head h = { l->len, value };
	struct iovec iov[2] = { { &h, sizeof(h) }, { l->buf, l->len } };

	write_all(l->buf, l->len, value);
	if (writev(ends.fd, iov, 2) != (ssize_t)(sizeof(h) + l->len))
		give_up(FAILED, "writev: %s", strerror(errno));
}

static void read_exactly(void *to, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(ends.fd, (char *)to + got, len - got);

		if (n <= 0)
			give_up(FAILED, "read: %s", n ? strerror(errno) : "the end");
		got += n;
	}
}

static uint64_t stream_recv(struct lane *l, uint64_t value)
{
	struct head h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { l->buf, l->len } };

	if (ends.packets) {
		if (readv(ends.fd, iov, 2) != (ssize_t)(sizeof(h) + h.len))
			give_up(FAILED, "readv: %s", strerror(errno));
	} else {
		read_exactly(&h, sizeof(h));
		if (h.len > l->len)
			give_up(FAILED, "a message of %ju bytes", (uintmax_t)h.len);
		read_exactly(l->buf, h.len);
	}
	return read_all(l, l->buf, h.len, value);
}

const struct way fifo_way = {
	.name = "FIFO",
	.jobs = FALLBACK,
	.create = fifo_create,
	.open = fifo_open,
	.send = stream_send,
	.recv = stream_recv,
	.remove = fifo_remove,
};

const struct way tcp_way = {
	.name = "TCP",
	.jobs = FALLBACK,
	.create = tcp_create,
	.open = tcp_open,
	.send = stream_send,
	.recv = stream_recv,
};
