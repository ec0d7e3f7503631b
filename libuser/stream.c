// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Connections that carry frames, and the one over which a handle sends. Whatever a peer sends harms
 * its own connection alone: what is no frame, is too long, or ends in the middle of a message
 * closes it, and is counted.
 *
 * LOCKS: see struct ipcx_stream. A connection that is of no use is shut down where that is seen,
 * and closed by who has its locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "copied_held.h"
#include "stream.h"

#define SHORT 4096 /* bytes that are copied rather than looked for */

static struct ipcx_stream *stream(struct ipcx_copied *c)
{
	return (struct ipcx_stream *)c; /* c is its first member */
}

static ssize_t send_pieces(int fd, struct iovec iov[2], size_t done)
{
	size_t head = done < iov[0].iov_len ? iov[0].iov_len - done : 0;
	size_t skip = head ? 0 : done - iov[0].iov_len;
	struct iovec rest[2] = {
		{ (char *)iov[0].iov_base + iov[0].iov_len - head, head },
		{ (char *)iov[1].iov_base + skip, iov[1].iov_len - skip },
	};
	struct msghdr msg = { .msg_iov = rest, .msg_iovlen = 2 };

	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/*
 * Sends all of @iov, of which @done bytes may be gone. Return: 1, 0 where there is no room for
 * more now, or -EPIPE.
 */
ipcx_hot int send_some(int fd, struct iovec iov[2], size_t *done)
{
	char *head = iov[0].iov_base;
	size_t all = iov[0].iov_len + iov[1].iov_len;
	ssize_t n;

	/* the first chunk of a message lies behind its head, and one piece costs less than two */
	if (head + iov[0].iov_len == iov[1].iov_base)
		n = send(fd, head + *done, all - *done, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		n = send_pieces(fd, iov, *done);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -EPIPE;
	*done += n;
	return *done == all;
}

/* A message that has begun goes on until its deadline, or while the other end reads. */
int ipcx_stream_wait_to_go_on(int fd, int64_t deadline)
{
	int64_t until = ipcx_copied_now() + IPCX_STALL_NS;
	int r;

	if (deadline > until)
		until = deadline;
	do {
		r = ipcx_copied_wait(fd, POLLOUT, -1, until);
	} while (r == -EINTR);
	return !r && ipcx_copied_now() >= until ? -ETIMEDOUT : r;
}

/* As ipcx_stream_write() */
ipcx_hot int write_frames(const struct ipcx_stream *s, int fd, struct ipcx_buffer *b)
{
	uint64_t offset = 0;
	int r;

	do {
		struct iovec iov[2] = { { b->wire, IPCX_FRAME_SIZE }, { b->data + offset, 0 } };
		uint64_t left = b->head.len - offset;
		size_t done = 0;

		b->head.offset = offset;
		b->head.chunk = left < IPCX_CHUNK ? left : IPCX_CHUNK;
		iov[1].iov_len = b->head.chunk;
		ipcx_frame_pack(b->wire, &b->head, iov[1].iov_base, s->sum);
		for (;;) {
			r = send_some(fd, iov, &done);
			if (r < 0)
				return r;
			if (r)
				break;
			if (!offset && !done)
				return -EAGAIN;
			if (b->head.kind == IPCX_FRAME_ERROR)
				return -ETIMEDOUT;
			r = ipcx_stream_wait_to_go_on(fd, b->deadline);
			if (r)
				return r;
		}
		offset += b->head.chunk;
	} while (offset < b->head.len);
	return 0;
}

/*
 * A refusal does not wait. Return: 0; -EAGAIN, and nothing was sent; -EPIPE or -ETIMEDOUT, and
 * the connection is torn.
 */
int ipcx_stream_write(const struct ipcx_stream *s, int fd, struct ipcx_buffer *b)
{
	return write_frames(s, fd, b);
}

/*
 * Under sending: the connection is of no use. The answers that have arrived count, and nothing is
 * added to them after the shutdown; what else was asked over it gets none.
 */
static void hang_up(struct ipcx_stream *s)
{
	struct ipcx_buffer *b;

	ipcx_lock(&s->c.answering);
	shutdown(s->out.fd, SHUT_RDWR);
	while (!ipcx_stream_answer(&s->c, &b))
		ipcx_copied_answered(&s->c, b);
	/* and the part of one is not the beginning of what comes over the next connection */
	IPCX_COUNT(s->c.stats.damaged, s->out.in.b || s->out.have);
	ipcx_assemble_drop(&s->out.in);
	s->out.have = 0;
	s->lost = true;
	ipcx_copied_lost(&s->c);
	ipcx_unlock(&s->c.answering);
}

/* Whose is the connection? Return: whether it is of use. */
bool ipcx_stream_connected(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	conn->pid = -1;
	conn->uid = -1;
	conn->gid = -1;
	return s->connected(s, conn);
}

/* Under answering: answers are told of, too. Return: whether that is possible. */
bool ipcx_stream_poll_out(struct ipcx_stream *s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &s->out };

	s->out.paused = epoll_ctl(s->c.base.fd, EPOLL_CTL_ADD, s->out.fd, &ev);
	return !s->out.paused;
}

/* A descriptor that is polled keeps its number. */
static void install(struct ipcx_stream *s, int fd)
{
	if (s->out.fd >= 0) {
		dup3(fd, s->out.fd, O_CLOEXEC);
		close(fd);
	} else {
		s->out.fd = fd;
	}
	ipcx_stream_connected(s, &s->out);
	/* nobody need look while nobody polls: who asks for that tries again */
	if (s->c.base.flags & IPCX_RECV && !ipcx_stream_poll_out(s) &&
	    __atomic_load_n(&s->c.polled, __ATOMIC_RELAXED))
		ipcx_copied_unpolled(&s->c, true);
	s->lost = false;
}

/* Under sending. Return: 0 when there is a connection, -EAGAIN when nobody receives. */
static int call_up(struct ipcx_stream *s)
{
	int fd;

	if (s->out.fd >= 0 && !s->lost)
		return 0;
	fd = s->connect(s);
	if (fd < 0)
		return fd;
	if (s->lost)
		hang_up(s);
	ipcx_lock(&s->c.answering);
	install(s, fd);
	ipcx_unlock(&s->c.answering);
	return 0;
}

int ipcx_stream_room(struct ipcx_copied *c, int64_t deadline)
{
	struct ipcx_stream *s = stream(c);
	struct pollfd p = { .events = POLLOUT | POLLRDHUP };
	uint64_t now = ipcx_copied_ticks();
	int r;

	if (ipcx_copied_believes(c, now))
		return INT_MAX;
	r = ipcx_copied_begin_to_send(c, deadline);
	if (r)
		return r;
	r = call_up(s);
	p.fd = s->out.fd;
	/* what is sent where nobody reads any more would be lost */
	if (!r && poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLRDHUP))
		hang_up(s);
	/* TCP takes what is sent to who has just gone, and says nothing */
	if (p.revents == POLLOUT && s->family == AF_UNIX)
		ipcx_copied_believe(c, now);
	ipcx_unlock(&c->sending);
	if (r)
		return r == -EAGAIN ? 0 : r;
	return p.revents == POLLOUT ? INT_MAX : 0;
}

int ipcx_stream_send(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct ipcx_stream *s = stream(c);
	int r;

	/* a request is sent over the connection that there was when it became pending */
	if (b->head.kind == IPCX_FRAME_REQUEST)
		r = s->lost ? -EAGAIN : 0;
	else
		r = call_up(s);
	if (r)
		return r;
	r = write_frames(s, s->out.fd, b);
	if (r)
		ipcx_copied_believe(c, 0);
	if (r && r != -EAGAIN)
		hang_up(s);
	/* there may be another who receives; who refuses a long message would do so again */
	return r == -EPIPE && !b->head.offset ? -EAGAIN : r;
}

int ipcx_stream_fd(struct ipcx_copied *c, enum ipcx_way way, short *events)
{
	struct ipcx_stream *s = stream(c);

	*events = way == IPCX_WAY_SEND ? POLLOUT : POLLIN;
	return s->lost ? -1 : s->out.fd;
}

/* Return: bytes got, 0 where there are none now, -EPIPE at the end. */
static ssize_t read_some(int fd, void *to, size_t len, int flags)
{
	ssize_t n = recv(fd, to, len, flags | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	return n ? n : -EPIPE;
}

/* The head of a frame is here. */
static int begin_frame(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	int r = ipcx_frame_unpack(&conn->head, conn->wire, s->c.base.attr.msg_max);
	uint64_t torn = 0;

	if (!r)
		r = ipcx_assemble_begin(&conn->in, &conn->head, &conn->to, &torn);
	return r ? r : torn ? -EPROTO : 0;
}

/*
 * Where a frame belongs is known when it is here, so it is copied, which is cheaper than a look at
 * its head first unless it is long.
 */
static bool is_for_spare(const struct ipcx_stream *s, const struct ipcx_conn *conn)
{
	return s->spare && conn != &s->out && !s->over && conn->head.len <= SHORT;
}

/* Return: 1 when a frame is whole, 0 when more of it must come, or an errno. */
static int read_spare(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	ssize_t n = read_some(conn->fd, s->spare, IPCX_FRAME_SIZE + IPCX_CHUNK, MSG_TRUNC);
	int r;

	if (n <= 0)
		return n;
	if (n < IPCX_FRAME_SIZE || n > IPCX_FRAME_SIZE + (ssize_t)IPCX_CHUNK)
		return -EPROTO;
	memcpy(conn->wire, s->spare, IPCX_FRAME_SIZE);
	r = begin_frame(s, conn);
	if (r)
		return r;
	if (n != IPCX_FRAME_SIZE + (ssize_t)conn->head.chunk)
		return -EPROTO;
	memcpy(conn->to, s->spare + IPCX_FRAME_SIZE, conn->head.chunk);
	return 1;
}

static int read_packet(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	struct iovec iov[2] = { { conn->wire, IPCX_FRAME_SIZE } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = read_some(conn->fd, conn->wire, IPCX_FRAME_SIZE, MSG_PEEK);
	int r;

	if (n <= 0)
		return n;
	if (n < IPCX_FRAME_SIZE)
		return -EPROTO;
	r = begin_frame(s, conn);
	if (r || ipcx_stream_no_room(s, conn))
		return r;
	iov[1].iov_base = conn->to;
	iov[1].iov_len = conn->head.chunk;
	n = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	if (n != IPCX_FRAME_SIZE + (ssize_t)conn->head.chunk || msg.msg_flags & MSG_TRUNC)
		return -EPROTO;
	return 1;
}

static int read_frame(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	return is_for_spare(s, conn) ? read_spare(s, conn) : read_packet(s, conn);
}

static int read_bytes(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	ssize_t n;
	int r;

	if (conn->have < IPCX_FRAME_SIZE) {
		n = read_some(conn->fd, conn->wire + conn->have, IPCX_FRAME_SIZE - conn->have, 0);
		if (n <= 0)
			return n;
		conn->have += n;
		if (conn->have < IPCX_FRAME_SIZE)
			return 0;
		r = begin_frame(s, conn);
		if (r)
			return r;
	}
	while (conn->have < IPCX_FRAME_SIZE + conn->head.chunk) {
		size_t at = conn->have - IPCX_FRAME_SIZE;

		if (ipcx_stream_no_room(s, conn))
			return 0;
		n = read_some(conn->fd, conn->to + at, conn->head.chunk - at, 0);
		if (n <= 0)
			return n;
		conn->have += n;
	}
	conn->have = 0;
	return 1;
}

/* Return: 1 and a message, 0 when more must come, or an errno: the connection is at its end. */
int ipcx_stream_read(struct ipcx_stream *s, struct ipcx_conn *conn, struct ipcx_buffer **b)
{
	int r, err;

	do {
		r = s->packets ? read_frame(s, conn) : read_bytes(s, conn);
		if (r <= 0)
			return r;
		*b = ipcx_assemble_end(&conn->in, &conn->head, conn->wire, &err);
		if (err)
			return err;
	} while (!*b);
	(*b)->peer = conn->number;
	(*b)->pid = conn->pid;
	(*b)->uid = conn->uid;
	(*b)->gid = conn->gid;
	return 1;
}

/* Under answering */
int ipcx_stream_answer(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	struct ipcx_stream *s = stream(c);
	int r;

	if (s->out.fd < 0)
		return -EAGAIN;
	if (s->lost)
		return c->pending ? -EOWNERDEAD : -EAGAIN;
	r = ipcx_stream_read(s, &s->out, b);
	if (r > 0 && (*b)->head.kind < IPCX_FRAME_REPLY) {
		ipcx_buffer_free(*b);
		r = -EPROTO;
	}
	if (r > 0)
		return 0;
	if (!r)
		return -EAGAIN;
	IPCX_COUNT(c->stats.damaged, r != -EPIPE || s->out.in.b || s->out.have);
	ipcx_assemble_drop(&s->out.in);
	shutdown(s->out.fd, SHUT_RDWR);
	s->out.have = 0;
	s->lost = true;
	return -EOWNERDEAD;
}

/* Answers come over the connection; what is asked over the one before gets none. */
int ipcx_stream_expect(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	(void)b;
	return call_up(stream(c));
}

uint64_t ipcx_stream_queued(struct ipcx_copied *c)
{
	(void)c;
	return 0;
}

int ipcx_stream_start(struct ipcx_stream *s, unsigned int flags)
{
	int r;

	s->out.in.kept = &s->c.kept;
	if (flags & IPCX_RECV)
		return ipcx_stream_listen(s);
	r = call_up(s);
	if (r != -EAGAIN) {
		s->c.base.fd = s->out.fd;
		return r;
	}
	/* something to poll until there is somebody */
	s->out.fd =
		socket(s->family, (s->packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (s->out.fd < 0)
		return ipcx_fail(errno, "no socket: %s", strerror(errno));
	s->c.base.fd = s->out.fd;
	s->lost = true;
	return 0;
}

/* What was sent arrives though the sender is gone, unless an answer was left unread. */
static void finish(int fd)
{
	char buf[4096];

	shutdown(fd, SHUT_WR);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

void ipcx_stream_close(struct ipcx_copied *c, bool forked)
{
	struct ipcx_stream *s = stream(c);

	ipcx_stream_drop_peers(s, forked);
	if (s->out.fd >= 0) {
		if (!forked)
			finish(s->out.fd);
		close(s->out.fd);
	}
	if (!forked) {
		ipcx_assemble_drop(&s->out.in);
		free(s->spare);
		s->spare = NULL;
	}
	if (s->listener >= 0)
		close(s->listener);
	if (s->timer >= 0)
		close(s->timer);
	if (c->base.fd >= 0 && c->base.fd != s->out.fd)
		close(c->base.fd);
	if (c->set >= 0)
		close(c->set);
	s->out.fd = -1;
	s->listener = -1;
	s->timer = -1;
	c->set = -1;
	c->base.fd = -1;
}
