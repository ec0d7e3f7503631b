// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "tcp": frames over TCP. Who receives listens at tcp:HOST:PORT, who sends connects
 * there; without a HOST both mean this machine alone. Nothing is encrypted, and nobody is known.
 *
 * Monotonic clocks of two machines have nothing to do with each other: on its way, when a message
 * expires is told by the clock of the day, on which both have to agree.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define BACKLOG 128
#define LOOPBACK "127.0.0.1"

struct tcp_queue {
	struct ipcx_stream s;
	struct sockaddr_storage addr;
	socklen_t len;
};

static int no_delay(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	       setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

/* HOST:PORT, [HOST]:PORT, :PORT or PORT */
static int resolve(struct tcp_queue *t, const char *rest)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *list;
	const char *colon = strrchr(rest, ':'), *port = colon ? colon + 1 : rest;
	size_t len = colon ? colon - rest : 0;
	char host[256] = LOOPBACK, buf[IPCX_QUOTED_MAX];
	int r;

	ipcx_quote(buf, rest);
	if (strlen(rest) >= sizeof(t->s.c.base.name) || !*port ||
	    strspn(port, "0123456789") != strlen(port) || atol(port) < 1 || atol(port) > 65535)
		return ipcx_fail(EINVAL,
				 "%s is no address; write tcp:HOST:PORT, or tcp:PORT for "
				 "this machine, with a port in 1..65535",
				 buf);
	if (len > 2 && rest[0] == '[' && rest[len - 1] == ']') {
		rest++;
		len -= 2;
	}
	if (len) {
		memcpy(host, rest, len);
		host[len] = '\0';
	}
	r = getaddrinfo(host, port, &hints, &list);
	if (r)
		return ipcx_fail(EADDRNOTAVAIL, "%s: the host is not known: %s", buf,
				 gai_strerror(r));
	memcpy(&t->addr, list->ai_addr, list->ai_addrlen);
	t->len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

static int make_socket(const struct tcp_queue *t)
{
	int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return ipcx_fail(errno, "no socket: %s", strerror(errno));
	no_delay(fd);
	return fd;
}

/* Where nobody listens, a port that the system chose may be the one that is called. */
static bool is_self(int fd)
{
	struct sockaddr_storage own, other;
	socklen_t len = sizeof(own), other_len = sizeof(other);

	return !getsockname(fd, (struct sockaddr *)&own, &len) &&
	       !getpeername(fd, (struct sockaddr *)&other, &other_len) && len == other_len &&
	       !memcmp(&own, &other, len);
}

static int tcp_connect(struct ipcx_stream *s)
{
	struct tcp_queue *t = (struct tcp_queue *)s;
	int fd = make_socket(t), r;

	if (fd < 0)
		return fd;
	r = connect(fd, (struct sockaddr *)&t->addr, t->len) ? errno : 0;
	if (is_self(fd))
		r = ECONNREFUSED;
	else if (!r || r == EINPROGRESS)
		return fd;
	close(fd);
	if (r == ECONNREFUSED)
		return -EAGAIN;
	return ipcx_fail(r, "no connection to \"%s\": %s", s->c.base.name, strerror(r));
}

static bool tcp_connected(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	(void)s;
	return !no_delay(conn->fd);
}

static int listen_there(struct tcp_queue *t)
{
	int one = 1, fd = make_socket(t);

	if (fd < 0)
		return fd;
	t->s.listener = fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* after one that was killed */
	if (!bind(fd, (struct sockaddr *)&t->addr, t->len) && !listen(fd, BACKLOG))
		return 0;
	if (errno == EADDRINUSE)
		return ipcx_fail(EBUSY,
				 "somebody receives at \"%s\" already, and this transport has "
				 "one receiver",
				 t->s.c.base.name);
	return ipcx_fail(errno, "nobody can listen at \"%s\": %s", t->s.c.base.name,
			 strerror(errno));
}

static int tcp_open(struct ipcx_copied *c, const char *rest, unsigned int flags,
		    const struct ipcx_queue_opts *opts)
{
	struct tcp_queue *t = (struct tcp_queue *)c;
	int r;

	t->s.family = AF_INET;
	t->s.listener = -1;
	t->s.timer = -1;
	t->s.out.fd = -1;
	t->s.sum = true;
	t->s.connect = tcp_connect;
	t->s.connected = tcp_connected;
	r = resolve(t, rest);
	if (r)
		return r;
	strcpy(c->base.name, rest);
	c->base.attr = (struct ipcx_queue_attr){
		.id = ntohs(((struct sockaddr_in *)&t->addr)->sin_port),
		.msg_max = opts->msg_max ? opts->msg_max : IPCX_MSG_MAX_DEFAULT,
		.bytes_max = opts->bytes_max,
		.depth = opts->depth ? opts->depth : 64,
		.mode = 0666,
		.uid = -1,
		.gid = -1,
		.flags = flags & IPCX_EPHEMERAL,
	};
	if (flags & IPCX_RECV)
		r = listen_there(t);
	return r ? r : ipcx_stream_start(&t->s, flags);
}

/* From one clock to another; what expires does so, however far away that is. */
static int64_t translate(int64_t expires, int64_t from, int64_t to)
{
	int64_t there;

	if (__builtin_add_overflow(expires, to - from, &there))
		return INT64_MAX;
	return there > 0 ? there : 1;
}

static int64_t day_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int tcp_send(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	int64_t expires = b->head.expires;
	int r;

	if (expires)
		b->head.expires = translate(expires, ipcx_copied_now(), day_clock());
	r = ipcx_stream_send(c, b);
	b->head.expires = expires;
	return r;
}

static int tcp_receive(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	int r = ipcx_stream_receive(c, b);

	if (!r && (*b)->head.expires)
		(*b)->head.expires = translate((*b)->head.expires, day_clock(), ipcx_copied_now());
	return r;
}

static const struct ipcx_mech mech = {
	.size = sizeof(struct tcp_queue),
	.open = tcp_open,
	.close = ipcx_stream_close,
	.room = ipcx_stream_room,
	.send = tcp_send,
	.polled = ipcx_stream_polled,
	.receive = tcp_receive,
	.reply = ipcx_stream_reply,
	.expect = ipcx_stream_expect,
	.answer = ipcx_stream_answer,
	.fd = ipcx_stream_fd,
	.queued = ipcx_stream_queued,
};

static int open_tcp(struct ipcx_queue **q, const char *rest, unsigned int flags,
		    const struct ipcx_queue_opts *opts)
{
	return ipcx_copied_open(q, rest, flags, opts, &mech);
}

static int unlink_tcp(const char *rest, bool now)
{
	(void)rest;
	(void)now;
	return ipcx_fail_text(EOPNOTSUPP, "an address cannot be unlinked: it is free when nobody "
					  "listens there");
}

const struct ipcx_transport ipcx_transport_tcp = {
	.name = "tcp",
	.caps = IPCX_COPIED_CAPS | IPCX_CAP_WALLS,
	.open = open_tcp,
	.unlink = unlink_tcp,
	IPCX_COPIED_OPS,
};
