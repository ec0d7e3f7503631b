// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: who publishes. See topic_unix.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "copied.h"
#include "topic_unix.h"
#include "unix_socket.h"

#define EVENTS 16
#define LEFT_BYTES 8192 /* of a buffer that messages leave, for what is told at the end */
#define EXTRA_BYTES 512 /* at most, that a packet takes beside twice its length */

static struct ipcx_piece **at(const struct ipcx_topic *t, uint64_t pos)
{
	return &t->sockets->ring[pos % t->o.out_depth];
}

/* Its buffer is to hold depth messages, and the kernel rounds up. */
static int find_inline_max(struct ipcx_topic *t)
{
	int fd = ipcx_unix_socket(SOCK_SEQPACKET), bytes = IPCX_UNIX_BUFFER_BYTES;
	socklen_t size = sizeof(bytes);
	long share;

	if (fd < 0)
		return ipcx_topic_failed(t, errno, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &size))
		bytes = 0;
	close(fd);
	share = (bytes - LEFT_BYTES) / (long)t->o.out_depth / 2 - EXTRA_BYTES;
	if (share > (long)IPCX_UNIX_INLINE_MAX)
		share = IPCX_UNIX_INLINE_MAX;
	t->sockets->inline_max = share > 0 ? share : 0;
	return 0;
}

static bool get_memory(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	u->ring = calloc(t->o.out_depth, sizeof(*u->ring));
	u->len = calloc(t->o.out_depth, sizeof(*u->len));
	u->sub = calloc(IPCX_TOPIC_SUBS, sizeof(*u->sub));
	for (int i = 0; u->sub && i < IPCX_TOPIC_SUBS; i++)
		u->sub[i].fd = -1;
	return u->ring && u->len && u->sub;
}

int ipcx_unix_pub_start(struct ipcx_topic *t)
{
	struct epoll_event none = { 0 }, in = { .events = EPOLLIN };
	struct ipcx_topic_unix *u = t->sockets;
	int r = find_inline_max(t);

	if (r)
		return r;
	if (!get_memory(t))
		return ipcx_topic_failed(t, ENOMEM, strerror(ENOMEM));
	u->again = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	u->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	u->subs = epoll_create1(EPOLL_CLOEXEC);
	if (u->again < 0 || u->timer < 0 || u->subs < 0 ||
	    epoll_ctl(t->fd, EPOLL_CTL_ADD, u->timer, &in) ||
	    epoll_ctl(t->fd, EPOLL_CTL_ADD, u->subs, &none))
		return ipcx_topic_failed(t, errno, strerror(errno));
	return 0;
}

/* Nobody waits for it any more. */
void ipcx_unix_drop_sub(struct ipcx_topic *t, struct ipcx_unix_sub *s)
{
	if (s->fd < 0)
		return;
	epoll_ctl(t->sockets->subs, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
	ipcx_unix_wake(t);
}

static void cut_off(struct ipcx_topic *t, struct ipcx_unix_sub *s)
{
	char wire[IPCX_FRAME_SIZE];

	ipcx_unix_tell(wire, IPCX_FRAME_CUT, t->sockets->nr);
	ipcx_unix_send(s->fd, wire, 0, -1);
	ipcx_unix_drop_sub(t, s);
}

/* What makes no sense is not waited for. Return: whether there was something. */
static bool hear(struct ipcx_topic *t, struct ipcx_unix_sub *s)
{
	char wire[IPCX_FRAME_SIZE + 1];
	struct ipcx_head head;
	ssize_t n = recv(s->fd, wire, sizeof(wire), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == IPCX_FRAME_SIZE && !ipcx_frame_unpack_topic(&head, wire, 0) &&
	    head.kind == IPCX_FRAME_SEEN && head.id > s->acked && head.id <= s->sent) {
		s->acked = head.id;
		return true;
	}
	ipcx_unix_drop_sub(t, s);
	return false;
}

static void hear_all(struct ipcx_topic *t)
{
	struct epoll_event ev[EVENTS];
	int n;

	do {
		n = epoll_wait(t->sockets->subs, ev, EVENTS, 0);
		for (int i = 0; i < n; i++) {
			struct ipcx_unix_sub *s = ev[i].data.ptr;

			while (s->fd >= 0 && hear(t, s))
				;
		}
		if (n > 0)
			ipcx_unix_wake(t);
	} while (n == EVENTS);
}

/*
 * Does a lossy one, which may have stopped, leave as many long messages as may be? Their memory
 * and descriptors count, and they are little in its buffer.
 */
static bool leaves_handed(struct ipcx_topic *t, struct ipcx_unix_sub *s)
{
	if (!s->lossy || s->sent - s->acked < IPCX_UNIX_HANDED_MAX)
		return false;
	while (s->fd >= 0 && hear(t, s))
		;
	return s->sent - s->acked >= IPCX_UNIX_HANDED_MAX;
}

/* Return: 0, or -EAGAIN: there is no room. */
static int send_to(struct ipcx_topic *t, struct ipcx_unix_sub *s, const struct ipcx_piece *p)
{
	struct ipcx_buffer *b = p->b;
	bool is_long = b->head.kind == IPCX_FRAME_HANDED;
	int r;

	if (is_long && leaves_handed(t, s))
		return -EAGAIN;
	r = ipcx_unix_send(s->fd, b->wire, b->head.chunk, is_long ? b->fd : -1);
	if (r == -EPIPE)
		ipcx_unix_drop_sub(t, s);
	if (!r && s->lossy)
		s->sent += is_long;
	else if (!r)
		s->sent = b->head.id + 1;
	return r == -EAGAIN ? r : 0;
}

/* Sends it what it has not got. A lossy one gets what there is room for. */
static void catch_up(struct ipcx_topic *t, struct ipcx_unix_sub *s)
{
	struct ipcx_topic_unix *u = t->sockets;

	for (; s->fd >= 0 && s->pos < u->flush; s->pos++) {
		const struct ipcx_piece *p = *at(t, s->pos);

		if (p->state != IPCX_PIECE_READY)
			continue;
		if (!send_to(t, s, p)) {
			s->stuck = 0;
		} else if (!s->lossy) {
			s->stuck = s->stuck ? s->stuck : ipcx_copied_now();
			return;
		}
	}
}

/* What all have released, or nobody waits for, no longer counts. */
static void uncount(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t released = u->nr;

	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		const struct ipcx_unix_sub *s = &u->sub[i];

		if (s->fd >= 0 && !s->lossy && s->acked < released)
			released = s->acked;
	}
	for (; u->counted < released; u->counted++)
		u->bytes -= u->len[u->counted % t->o.out_depth];
}

/* Those that all have got, or that nobody can get any more */
static void free_done(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t done = u->flush;
	bool hurried = u->hurry;

	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		catch_up(t, &u->sub[i]);
		if (u->sub[i].fd >= 0 && u->sub[i].pos < done)
			done = u->sub[i].pos;
	}
	u->hurry = done < u->flush;
	for (; u->tail < done; u->tail++) {
		struct ipcx_piece **p = at(t, u->tail);

		ipcx_piece_free(*p);
		*p = NULL;
	}
	uncount(t);
	if (hurried && !u->hurry)
		ipcx_unix_wake(t);
}

/* Those of which all before are committed or cancelled get their number, and go. */
static void publish(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	for (; u->flush < u->head; u->flush++) {
		struct ipcx_piece *p = *at(t, u->flush);
		struct ipcx_head *h = &p->b->head;

		if (p->state == IPCX_PIECE_LOANED)
			break;
		u->bytes -= p->b->room;
		if (p->state == IPCX_PIECE_SKIPPED)
			continue;
		h->id = u->nr++;
		u->len[h->id % t->o.out_depth] = h->len;
		u->bytes += h->len;
		ipcx_frame_pack(p->b->wire, h, NULL, false);
	}
	free_done(t);
	ipcx_unix_wake(t);
}

/* What is on loan does not count against it, but there has to be room for it. */
static bool is_slow(const struct ipcx_topic *t, const struct ipcx_unix_sub *s)
{
	if (s->fd < 0 || s->lossy || !t->o.out_lag_max)
		return false;
	return t->sockets->nr - s->acked >= t->o.out_lag_max ||
	       (s->stuck && ipcx_copied_now() - s->stuck > IPCX_UNIX_STUCK_NS);
}

static bool is_full(const struct ipcx_topic *t)
{
	const struct ipcx_topic_unix *u = t->sockets;
	uint64_t loaned = u->head - u->flush;

	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		const struct ipcx_unix_sub *s = &u->sub[i];

		if (s->fd >= 0 && !s->lossy && u->nr - s->acked + loaned >= t->o.out_depth)
			return true;
		if (is_slow(t, s))
			return true;
	}
	return u->hurry;
}

/* Return: whether there was one. */
static bool cut_off_slow(struct ipcx_topic *t)
{
	struct ipcx_unix_sub *sub = t->sockets->sub;
	bool any = false;

	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		if (!is_slow(t, &sub[i]))
			continue;
		cut_off(t, &sub[i]);
		any = true;
	}
	return any;
}

/* What counts against bytes_max: loans, and messages that somebody has not released. */
static bool is_short(const struct ipcx_topic *t, size_t len)
{
	return t->sockets->bytes + len > t->o.out_bytes_max;
}

/* Return: -ENOBUFS, or -EAGAIN if there will be more when others release. */
static int why_short(const struct ipcx_topic *t, size_t len)
{
	const struct ipcx_topic_unix *u = t->sockets;
	uint64_t loaned = 0;

	for (uint64_t pos = u->flush; pos < u->head; pos++)
		loaned += (*at(t, pos))->b->room;
	return loaned + len > t->o.out_bytes_max ? -ENOBUFS : -EAGAIN;
}

/* Hears who has released what, and sends what there is room for. */
static void look_for_room(struct ipcx_topic *t)
{
	hear_all(t);
	free_done(t);
	if (cut_off_slow(t))
		free_done(t);
}

/* Return: 0, -EAGAIN, -EBUSY, -ENOBUFS, or what keeps it from reaching somebody. */
static int find_room(struct ipcx_topic *t, size_t len)
{
	struct ipcx_topic_unix *u = t->sockets;
	int r = ipcx_unix_meet(t);

	if (u->unmet && !r)
		ipcx_unix_wake(t);
	u->unmet = r;
	if (r) { /* what others say is over then, or it would wake who waits again and again */
		look_for_room(t);
		return r;
	}
	if (is_full(t) || is_short(t, len))
		look_for_room(t);
	if (u->head - u->flush == t->o.out_depth)
		return -EBUSY;
	if (is_full(t) || u->head - u->tail == t->o.out_depth)
		return -EAGAIN;
	return is_short(t, len) ? why_short(t, len) : 0;
}

/* What nobody tells of is tried again in a moment, also by who polls. */
static void look_soon(struct ipcx_topic *t, bool on)
{
	struct itimerspec soon = { .it_value.tv_nsec = on ? IPCX_UNIX_HURRY_NS : 0 };

	if (on || t->sockets->soon)
		timerfd_settime(t->sockets->timer, 0, &soon, NULL);
	t->sockets->soon = on;
}

/* Who polls is woken by what a subscriber says, while that is waited for. */
void ipcx_unix_starve(struct ipcx_topic *t, bool on)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct epoll_event ev = { .events = on ? EPOLLIN : 0 };

	if (!u->polled)
		return;
	if (on != u->starved && !epoll_ctl(t->fd, EPOLL_CTL_MOD, u->subs, &ev))
		u->starved = on;
	look_soon(t, on && (u->hurry || u->unmet));
}

/* Of one that subscribes, too, and does not loan now: what it was woken for is over. */
void ipcx_unix_hear(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t times;

	if (!(t->flags & IPCX_PUBLISH) || !u->starved)
		return;
	look_for_room(t);
	if (read(u->timer, &times, sizeof(times)) == sizeof(times))
		look_soon(t, u->hurry || u->unmet);
}

static struct ipcx_piece *new_loan(struct ipcx_topic *t, size_t len)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct ipcx_piece *p = ipcx_piece_new(len, len > u->inline_max);

	if (!p)
		return NULL;
	p->b->room = len; /* what counts */
	u->bytes += len;
	p->number = ++u->numbers;
	*at(t, u->head++) = p;
	return p;
}

int ipcx_unix_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m)
{
	struct ipcx_piece *p;
	int r = find_room(t, len);

	ipcx_unix_starve(t, r == -EAGAIN);
	if (r)
		return r;
	p = new_loan(t, len);
	if (!p)
		return -errno;
	m->data = ipcx_piece_data(p);
	m->len = len;
	m->tag = 0;
	m->priv[IPCX_TOPIC_PRIV_ID] = p->number;
	m->priv[IPCX_TOPIC_PRIV_POS] = t->sockets->head - 1;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = (uintptr_t)t + IPCX_UNIX_LOANED;
	return 0;
}

static struct ipcx_piece *find_loan(const struct ipcx_topic *t, const struct ipcx_msg *m)
{
	const struct ipcx_topic_unix *u = t->sockets;
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	struct ipcx_piece *p;

	if (!u || !u->ring || m->priv[IPCX_TOPIC_PRIV_HOLDER] != (uintptr_t)t + IPCX_UNIX_LOANED ||
	    pos < u->flush || pos >= u->head)
		return NULL;
	p = *at(t, pos);
	return p->number == m->priv[IPCX_TOPIC_PRIV_ID] && p->state == IPCX_PIECE_LOANED ? p : NULL;
}

int ipcx_unix_commit(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	struct ipcx_piece *p = find_loan(t, m);
	struct ipcx_head *h;
	int r;

	if (!p)
		return -EPERM;
	h = &p->b->head;
	if (m->len > h->len)
		return -EMSGSIZE;
	if (p->b->fd >= 0 && m->len) {
		r = ipcx_piece_seal(p, m->len);
		if (r)
			return r;
	}
	h->kind = p->b->fd >= 0 && m->len ? IPCX_FRAME_HANDED : IPCX_FRAME_MESSAGE;
	h->len = m->len;
	h->chunk = h->kind == IPCX_FRAME_HANDED ? 0 : m->len;
	h->tag = m->tag;
	p->state = IPCX_PIECE_READY;
	publish(t);
	return 0;
}

int ipcx_unix_cancel(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	struct ipcx_piece *p = find_loan(t, m);

	if (!p)
		return -EPERM;
	p->state = IPCX_PIECE_SKIPPED;
	publish(t);
	return 0;
}

/* Before it is closed: what was loaned never comes, and what waits for that goes. */
void ipcx_unix_pub_end(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	if (!u->sub)
		return;
	for (uint64_t pos = u->flush; pos < u->head; pos++)
		if ((*at(t, pos))->state == IPCX_PIECE_LOANED)
			(*at(t, pos))->state = IPCX_PIECE_SKIPPED;
	publish(t);
	/* there was no room for what these do not get, and it is the last moment to say so */
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++)
		if (u->sub[i].fd >= 0 && u->sub[i].pos < u->flush)
			cut_off(t, &u->sub[i]);
}
