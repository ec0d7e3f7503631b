// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transports "unix" and "unix-stream": sockets of the types SOCK_SEQPACKET and SOCK_STREAM.
 * Who receives binds and listens, who sends connects. A frame is one packet, or so many bytes; a
 * message is one of them, or several where it is longer than 64 KiB. Who sends is known from the
 * kernel.
 *
 * A socket is bound under a name of its own and renamed when it listens: it takes the place of
 * what a dead receiver left, and is never seen half made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"
#include "stream.h"
#include "unix_socket.h"

#define BACKLOG 128

struct unix_queue {
	struct ipcx_stream s;
	struct ipcx_place place;
};

/* Behind a name, so that sockets of both types are two */
#define PACKETS ".sock"
#define BYTES ".stream"

static struct unix_queue *of(struct ipcx_stream *s)
{
	return (struct unix_queue *)s; /* s is its first member */
}

static int new_socket(const struct ipcx_stream *s)
{
	return ipcx_unix_socket(s->packets ? SOCK_SEQPACKET : SOCK_STREAM);
}

static int unix_connect(struct ipcx_stream *s)
{
	struct unix_queue *u = of(s);
	char buf[IPCX_QUOTED_MAX];
	int r, socket_fd, bytes = IPCX_UNIX_BUFFER_BYTES,
			  object = ipcx_place_object(&u->place, S_IFSOCK);
	struct sockaddr_un a;

	if (object < 0)
		return object == -ENOENT ? -EAGAIN : object;
	socket_fd = new_socket(s);
	if (socket_fd < 0) {
		r = errno;
		close(object);
		return ipcx_fail(r, "no socket: %s", strerror(r));
	}
	setsockopt(socket_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	a = ipcx_unix_address(object, "");
	r = connect(socket_fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
	close(object);
	if (!r)
		return socket_fd;
	close(socket_fd);
	if (r == ECONNREFUSED || r == EAGAIN)
		return -EAGAIN;
	if (r == EACCES)
		return ipcx_fail_text(r, "the mode of the socket does not let you send there");
	return ipcx_fail(r, "no connection to %s: %s", ipcx_quote(buf, s->c.base.name),
			 strerror(r));
}

static bool unix_connected(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	(void)s;
	return ipcx_unix_who(conn->fd, &conn->pid, &conn->uid, &conn->gid);
}

/* Does anybody listen there? 1, 0, or an error that was explained */
static int is_alive(const struct ipcx_stream *s, int object)
{
	struct sockaddr_un a = ipcx_unix_address(object, "");
	int fd = new_socket(s);
	bool alive;

	if (fd < 0)
		return ipcx_fail(errno, "no socket: %s", strerror(errno));
	alive = !connect(fd, (struct sockaddr *)&a, sizeof(a)) || errno != ECONNREFUSED;
	close(fd);
	return alive;
}

/* What lies there and is not ours is not replaced. */
static int check_socket(struct unix_queue *u, unsigned int flags)
{
	struct ipcx_place *p = &u->place;
	int r = ipcx_place_object(p, S_IFSOCK), fd = r;
	char buf[IPCX_QUOTED_MAX];

	if (r == -ENOENT)
		return 0;
	if (fd >= 0) {
		/* who makes the file beside it, too, or it would be known to the next */
		r = (flags & IPCX_RECV || p->created) && !p->known ? is_alive(&u->s, fd) : 0;
		if (r > 0)
			r = ipcx_fail(EPROTOTYPE,
				      "%s: another program listens at the socket of this name; "
				      "use another",
				      ipcx_quote(buf, p->name));
		close(fd);
	}
	if (r && p->fd >= 0 && !ipcx_place_is_there(p))
		return -IPCX_ANEW;
	if (r && p->created)
		ipcx_place_unlink(p, true); /* or it would seem to be ours */
	return r;
}

/* Under the lock of who receives */
static int listen_there(struct unix_queue *u)
{
	const struct ipcx_place *p = &u->place;
	struct sockaddr_un a;
	struct stat st;
	char temp[40];
	int fd, err;

	/* short enough for an address, and of this queue alone */
	if (fstat(p->fd, &st))
		return ipcx_fail(errno, "the file beside the socket: %s", strerror(errno));
	snprintf(temp, sizeof(temp), ".ipcx-%llx", (unsigned long long)st.st_ino);
	a = ipcx_unix_address(p->dir, temp);
	fd = new_socket(&u->s);
	if (fd < 0)
		return ipcx_fail(errno, "no socket: %s", strerror(errno));
	u->s.listener = fd;
	unlinkat(p->dir, temp, 0);
	err = bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
			      fchmodat(p->dir, temp, p->mode & 0666, 0) || listen(fd, BACKLOG) ?
		      errno :
		      0;
	/* the socket of who has made the queue anew is not replaced */
	if (!err && !ipcx_place_is_there(p))
		err = IPCX_ANEW;
	if (!err && renameat(p->dir, temp, p->dir, p->name))
		err = errno;
	if (!err)
		return 0;
	unlinkat(p->dir, temp, 0);
	return err == IPCX_ANEW ?
		       -err :
		       ipcx_fail(err, "a socket cannot be bound there: %s", strerror(err));
}

static int open_any(struct ipcx_copied *c, const char *rest, unsigned int flags,
		    const struct ipcx_queue_opts *opts, bool packets)
{
	struct unix_queue *u = (struct unix_queue *)c;
	struct ipcx_place *p = &u->place;
	int r;

	u->s.family = AF_UNIX;
	u->s.listener = -1;
	u->s.timer = -1;
	u->s.out.fd = -1;
	u->s.packets = packets;
	u->s.connect = unix_connect;
	u->s.connected = unix_connected;
	r = ipcx_place_find(p, rest, packets ? PACKETS : BYTES);
	if (r)
		return r;
	p->flags = flags & IPCX_EPHEMERAL;
	p->mode = opts->mode ? opts->mode : 0600;
	p->msg_max = opts->msg_max ? opts->msg_max : IPCX_MSG_MAX_DEFAULT;
	r = flags & IPCX_RECV ? ipcx_place_receive(p, flags, S_IFSOCK) :
				ipcx_place_open(p, flags, S_IFSOCK);
	if (r)
		return ipcx_place_changed(p, r) ? -IPCX_ANEW : r;
	ipcx_place_attr(p, &c->base.attr, opts);
	strcpy(c->base.name, p->name);
	r = check_socket(u, flags);
	if (r)
		return r;
	p->ours = true;
	if (flags & IPCX_RECV)
		r = listen_there(u);
	if (!r)
		r = ipcx_stream_start(&u->s, flags);
	/* who listens has the queue: others may have sent to him by now */
	return !(flags & IPCX_RECV) && ipcx_place_changed(p, r) ? -IPCX_ANEW : r;
}

static int packets_open(struct ipcx_copied *c, const char *rest, unsigned int flags,
			const struct ipcx_queue_opts *opts)
{
	return open_any(c, rest, flags, opts, true);
}

static int bytes_open(struct ipcx_copied *c, const char *rest, unsigned int flags,
		      const struct ipcx_queue_opts *opts)
{
	return open_any(c, rest, flags, opts, false);
}

static void unix_close(struct ipcx_copied *c, bool forked)
{
	struct unix_queue *u = (struct unix_queue *)c;

	bool all = c->base.attr.flags & IPCX_EPHEMERAL;

	if (!forked && (all || u->s.listener >= 0))
		ipcx_place_unlink(&u->place, all);
	ipcx_stream_close(c, forked);
	ipcx_place_close(&u->place);
}

#define MECH(how) \
	{ \
		.size = sizeof(struct unix_queue), .open = (how), .close = unix_close, \
		.room = ipcx_stream_room, .send = ipcx_stream_send, .polled = ipcx_stream_polled, \
		.receive = ipcx_stream_receive, .reply = ipcx_stream_reply, \
		.expect = ipcx_stream_expect, .answer = ipcx_stream_answer, .fd = ipcx_stream_fd, \
		.queued = ipcx_stream_queued, \
	}

static const struct ipcx_mech packets = MECH(packets_open), bytes = MECH(bytes_open);

static int open_packets(struct ipcx_queue **q, const char *rest, unsigned int flags,
			const struct ipcx_queue_opts *opts)
{
	return ipcx_copied_open(q, rest, flags, opts, &packets);
}

static int open_bytes(struct ipcx_queue **q, const char *rest, unsigned int flags,
		      const struct ipcx_queue_opts *opts)
{
	return ipcx_copied_open(q, rest, flags, opts, &bytes);
}

static int unlink_packets(const char *rest, bool now)
{
	return ipcx_place_remove(rest, PACKETS, S_IFSOCK, now);
}

static int unlink_bytes(const char *rest, bool now)
{
	return ipcx_place_remove(rest, BYTES, S_IFSOCK, now);
}

#define CAPS (IPCX_COPIED_CAPS | IPCX_CAP_WALLS | IPCX_CAP_IDENTITY)

const struct ipcx_transport ipcx_transport_unix = {
	.name = "unix",
	.caps = CAPS,
	.open = open_packets,
	.unlink = unlink_packets,
	IPCX_COPIED_OPS,
};

const struct ipcx_transport ipcx_transport_unix_stream = {
	.name = "unix-stream",
	.caps = CAPS,
	.open = open_bytes,
	.unlink = unlink_bytes,
	IPCX_COPIED_OPS,
};
