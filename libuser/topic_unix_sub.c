// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: who subscribes. See topic_unix.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "topic_unix.h"
#include "unix_socket.h"

#define HANDED_TRIES 3
#define ROUNDS_MAX 256 /* of one take: who sends what is nothing does not keep it for ever */

static int watch(const struct ipcx_topic_unix *u, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(u->pubs, EPOLL_CTL_ADD, fd, &ev);
}

int ipcx_unix_sub_start(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	u->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->poke < 0 || watch(u, u->poke, NULL) || watch(u, u->listener, u))
		return ipcx_topic_failed(t, errno, strerror(errno));
	return 0;
}

/* That there is no descriptor for one more is not to wake who waits again and again. */
static void listen_again(struct ipcx_topic_unix *u)
{
	if (u->deaf && !watch(u, u->listener, u))
		u->deaf = false;
}

static void drop_pub(struct ipcx_topic_unix *u, struct ipcx_unix_pub *pub)
{
	struct ipcx_unix_pub **p = &u->pub;

	while (*p != pub)
		p = &(*p)->next;
	*p = pub->next;
	epoll_ctl(u->pubs, EPOLL_CTL_DEL, pub->fd, NULL);
	close(pub->fd);
	free(pub);
	listen_again(u);
}

/* Sent nonsense. Who never was a publisher is not worth a word. */
static void drop_broken(struct ipcx_topic_unix *u, struct ipcx_unix_pub *pub)
{
	u->broken += pub->begun;
	drop_pub(u, pub);
}

/* Return: whether there was one. */
static bool accept_one(struct ipcx_topic_unix *u)
{
	struct ipcx_unix_pub *pub = calloc(1, sizeof(*pub));
	int fd = pub ? accept4(u->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
	int bytes = IPCX_UNIX_BUFFER_BYTES;

	if (fd < 0 && (!pub || errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		epoll_ctl(u->pubs, EPOLL_CTL_DEL, u->listener, NULL);
		u->deaf = true;
	}
	if (fd < 0 || !ipcx_unix_who(fd, &pub->from.pid, &pub->from.uid, &pub->from.gid) ||
	    watch(u, fd, pub)) {
		if (fd >= 0) { /* with all that it has sent */
			close(fd);
			u->cut++;
		}
		free(pub);
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	pub->fd = fd;
	pub->number = ++u->numbers;
	pub->next = u->pub;
	u->pub = pub;
	return true;
}

/* All that there are, so that it is told of them in turn; but not of more than there can be. */
static void accept_all(struct ipcx_topic_unix *u)
{
	int n = 0;

	while (accept_one(u) && ++n < IPCX_TOPIC_RINGS)
		;
}

/*
 * The head of the next packet, which stays where it is. Return: bytes of the packet, 0 at the end,
 * or a bare negative errno.
 */
static ssize_t peek(const struct ipcx_unix_pub *pub, char wire[IPCX_FRAME_SIZE])
{
	ssize_t n;

	do { /* who went without having read all leaves this before what he sent */
		n = recv(pub->fd, wire, IPCX_FRAME_SIZE, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	} while (n < 0 && errno == ECONNRESET);
	return n < 0 ? -errno : n;
}

/* As recvmsg(), of a whole packet. Return: its bytes, or a bare negative errno. */
static ssize_t recv_packet(const struct ipcx_unix_pub *pub, struct msghdr *msg, int flags)
{
	size_t room = msg->msg_controllen;
	ssize_t n;

	do { /* who went without having read all leaves this before what he sent */
		msg->msg_controllen = room;
		n = recvmsg(pub->fd, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == ECONNRESET);
	return n < 0 ? -errno : n;
}

/*
 * A descriptor of the one that is handed over with the next packet, which stays where it is: who
 * has no descriptor for it, or no room to map it, loses nothing. -EMFILE, -ENOMEM or -EPROTO
 */
static int peek_handed(const struct ipcx_unix_pub *pub)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)), /* and not one more */
	};
	ssize_t n = recv_packet(pub, &msg, MSG_PEEK);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	int fd;

	if (n < 0)
		return -ENOMEM;
	if (!c && msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (!(msg.msg_flags & MSG_CTRUNC))
		return fd;
	close(fd);
	return -EPROTO;
}

static bool has_descriptor(const struct ipcx_unix_pub *pub)
{
	int fd = fcntl(pub->fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * Likewise. One that does not come though there is a descriptor for it is one that a security
 * module keeps back, unless another thread has just closed its own, each time.
 */
static int get_handed(const struct ipcx_unix_pub *pub)
{
	int fd = -EMFILE;

	for (int i = 0; i < HANDED_TRIES && fd == -EMFILE; i++) {
		fd = peek_handed(pub);
		if (fd == -EMFILE && !has_descriptor(pub))
			return fd;
	}
	return fd == -EMFILE ? -EPROTO : fd;
}

static int map_handed(const struct ipcx_unix_pub *pub, struct ipcx_piece *p)
{
	int fd = get_handed(pub), r;

	if (fd < 0)
		return fd;
	r = ipcx_piece_map(p, fd);
	close(fd);
	return r;
}

/* The packet of which @head is known. Return: 0, -ENOMEM, -EMFILE or -EPROTO. */
static int receive(const struct ipcx_unix_pub *pub, const struct ipcx_head *head,
		   struct ipcx_piece *p)
{
	struct iovec iov = { p->b->wire, IPCX_FRAME_SIZE + head->chunk };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool is_long = head->kind == IPCX_FRAME_HANDED;
	int r = is_long ? map_handed(pub, p) : 0;
	ssize_t n;

	if (r)
		return r;
	n = recv_packet(pub, &msg, 0);
	if (n < 0)
		return -ENOMEM;
	/* there is no room for a descriptor, and there was one if that is told */
	if (n != (ssize_t)iov.iov_len || msg.msg_flags & MSG_TRUNC ||
	    !!(msg.msg_flags & MSG_CTRUNC) != is_long)
		return -EPROTO;
	return 0;
}

/* What it cannot be told now is tried again: there may be no next message with which it could. */
static void tell(struct ipcx_topic_unix *u, struct ipcx_unix_pub *pub)
{
	char wire[IPCX_FRAME_SIZE];
	int r;

	if (pub->released == pub->told)
		return;
	ipcx_unix_tell(wire, IPCX_FRAME_SEEN, pub->released);
	r = ipcx_unix_send(pub->fd, wire, 0, -1);
	if (!r)
		pub->told = pub->released;
	u->untold |= r == -EAGAIN;
}

static void tell_again(struct ipcx_topic_unix *u)
{
	if (!u->untold)
		return;
	u->untold = false;
	for (struct ipcx_unix_pub *pub = u->pub; pub; pub = pub->next)
		tell(u, pub);
}

/* Up to where it has released */
static void tell_released(struct ipcx_topic *t, struct ipcx_unix_pub *pub)
{
	struct ipcx_topic_unix *u = t->sockets;

	if (t->flags & IPCX_LOSSY || !pub->begun)
		return;
	pub->released = pub->nr;
	for (const struct ipcx_piece *p = u->taken; p; p = p->next)
		if (p->peer == pub->number && p->b->head.id < pub->released)
			pub->released = p->b->head.id;
	tell(u, pub);
}

/* Who is lossy says how many long messages it has taken: only so many may be on their way. */
static void tell_handed(struct ipcx_topic_unix *u, struct ipcx_unix_pub *pub,
			const struct ipcx_head *head)
{
	pub->released += head->kind == IPCX_FRAME_HANDED;
	tell(u, pub);
}

static void hold(struct ipcx_topic *t, struct ipcx_unix_pub *pub, struct ipcx_piece *p,
		 struct ipcx_msg *m)
{
	struct ipcx_topic_unix *u = t->sockets;
	const struct ipcx_head *h = &p->b->head;

	if (t->flags & IPCX_LOSSY) {
		tell_handed(u, pub, h);
	} else if (!pub->begun) {
		pub->released = h->id;
		pub->told = h->id;
	}
	if (pub->begun)
		u->missed += h->id - pub->nr;
	pub->begun = true;
	pub->nr = h->id + 1;
	p->peer = pub->number;
	p->number = ++u->numbers;
	p->next = u->taken;
	u->taken = p;
	u->ntaken++;
	*m = (struct ipcx_msg){
		.data = ipcx_piece_data(p),
		.len = h->len,
		.seq = (uint32_t)h->id,
		.tag = h->tag,
		.priv[IPCX_TOPIC_PRIV_ID] = p->number,
		.priv[IPCX_TOPIC_PRIV_HOLDER] = (uintptr_t)t + IPCX_UNIX_TAKEN,
	};
	memcpy(&m->prio, &pub->from, sizeof(pub->from));
}

/* Messages go up, and only who is lossy misses some. */
static bool is_next(const struct ipcx_topic *t, const struct ipcx_unix_pub *pub, uint64_t id)
{
	if (id == UINT64_MAX || !pub->begun)
		return id != UINT64_MAX;
	return t->flags & IPCX_LOSSY ? id >= pub->nr : id == pub->nr;
}

/*
 * The packet of which @head is known. Return: 1; -ENOMEM, -EMFILE or -EMSGSIZE, and it stays where
 * it is; or -EPROTO.
 */
static int take_packet(struct ipcx_topic *t, struct ipcx_unix_pub *pub, size_t cap,
		       const struct ipcx_head *head, struct ipcx_msg *m)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct ipcx_piece *p;
	int r;

	if (!is_next(t, pub, head->id))
		return -EPROTO;
	if (head->len > cap)
		return -EMSGSIZE;
	if (t->flags & IPCX_LOSSY && u->ntaken >= IPCX_TOPIC_COPIES)
		return -EMFILE;
	p = ipcx_piece_new(head->chunk, false);
	if (!p)
		return -ENOMEM;
	p->b->head = *head;
	r = receive(pub, head, p);
	if (r) {
		ipcx_piece_free(p);
		return r;
	}
	hold(t, pub, p, m);
	return 1;
}

/* Return: 1 and a message; 0: look at others; or a bare negative errno. */
static int take_from(struct ipcx_topic *t, struct ipcx_unix_pub *pub, size_t cap,
		     struct ipcx_msg *m)
{
	struct ipcx_topic_unix *u = t->sockets;
	char wire[IPCX_FRAME_SIZE];
	struct ipcx_head head;
	ssize_t n = peek(pub, wire);
	int r = -EPROTO;

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0) {
		drop_pub(u, pub);
		return 0;
	}
	if (n >= IPCX_FRAME_SIZE && !ipcx_frame_unpack_topic(&head, wire, t->o.out_msg_max) &&
	    n == IPCX_FRAME_SIZE + (ssize_t)head.chunk) {
		if (head.kind == IPCX_FRAME_CUT) {
			/* from nothing if there was no message, come or not */
			u->cut += (pub->begun || head.id) && !(t->flags & IPCX_LOSSY);
			drop_pub(u, pub);
			return 0;
		}
		if (head.kind != IPCX_FRAME_SEEN)
			r = take_packet(t, pub, cap, &head, m);
	}
	if (r != -EPROTO)
		return r;
	drop_broken(u, pub);
	return 0;
}

/* What is not told yet comes behind the messages before it. */
static int take_untold(struct ipcx_topic_unix *u)
{
	if (u->cut) {
		u->cut--;
		return -EPIPE;
	}
	if (u->broken) {
		u->broken--;
		return -EPROTO;
	}
	return 0;
}

/* Who watches edge-triggered is told again, if more is there. */
static void poke(const struct ipcx_topic_unix *u)
{
	uint64_t one = 1;

	if (u->polled && write(u->poke, &one, sizeof(one)) == sizeof(one) &&
	    read(u->poke, &one, sizeof(one)) < 0)
		errno = 0;
}

/* The set tells those who have something in turn. */
int ipcx_unix_take(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct epoll_event ev;
	int r;

	listen_again(u);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		r = take_untold(u);
		if (!r && epoll_wait(u->pubs, &ev, 1, 0) != 1) {
			tell_again(u);
			ipcx_unix_hear(t);
			return -EAGAIN;
		}
		if (!r && ev.data.ptr == u)
			accept_all(u);
		else if (!r && ev.data.ptr)
			r = take_from(t, ev.data.ptr, cap, m);
		if (r) {
			poke(u);
			return r < 0 ? r : 0;
		}
	}
	r = take_untold(u);
	poke(u);
	return r ? r : -EAGAIN;
}

int ipcx_unix_release(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct ipcx_piece **pp = &u->taken, *p;
	struct ipcx_unix_pub *pub = u->pub;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != (uintptr_t)t + IPCX_UNIX_TAKEN)
		return -EPERM;
	while (*pp && (*pp)->number != m->priv[IPCX_TOPIC_PRIV_ID])
		pp = &(*pp)->next;
	p = *pp;
	if (!p)
		return -EPERM;
	*pp = p->next;
	u->ntaken--;
	while (pub && pub->number != p->peer)
		pub = pub->next;
	ipcx_piece_free(p);
	if (pub)
		tell_released(t, pub);
	return 0;
}
