// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Those who connect to a handle that receives: who may come in, whose turn it is, what goes back
 * to them.
 *
 * LOCKS: peers are under receiving, but for their replying, under which no other is taken.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "stream.h"

#define EVENTS 16
#define UNFINISHED_MAX (256ULL << 20) /* bytes of messages on their way, if not told otherwise */
#define TICK_NS 100000000 /* how often to look for what wakes nobody */
#define MOMENT_NS 10000000 /* in which another thread that replies to the same caller is through */
#define IN_A_ROW_TICKS 250000 /* in which one peer is read without a look at the others */
#define ROUNDS_MAX 64 /* of one receive: a peer that trickles does not keep it for ever */

static struct ipcx_stream *stream(struct ipcx_copied *c)
{
	return (struct ipcx_stream *)c; /* c is its first member */
}

/* A turn of the timer that has begun goes on, however often there is a reason for one. */
static void tick_soon(struct ipcx_stream *s)
{
	struct itimerspec in = { .it_value.tv_nsec = TICK_NS };

	if (!s->ticking)
		s->ticking = !timerfd_settime(s->timer, 0, &in, NULL);
}

static void poll_listener(struct ipcx_stream *s, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	int r = epoll_ctl(s->c.set, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listener, &ev);

	s->deaf = !on || r;
	if (s->deaf)
		tick_soon(s);
}

/* Under receiving: is a frame of a long message to wait until there is room for it? */
bool ipcx_stream_no_room(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	if (conn == &s->out || conn->head.len <= IPCX_CHUNK || !s->over || s->over == conn)
		return false;
	epoll_ctl(s->c.set, EPOLL_CTL_DEL, conn->fd, NULL);
	conn->paused = true;
	s->waiting = true;
	tick_soon(s);
	return true;
}

/* Bytes of a long message that is not whole; short ones are bounded by the descriptors. */
static uint64_t arrived(const struct ipcx_conn *conn)
{
	if (!conn->in.b || conn->in.b->head.len <= IPCX_CHUNK)
		return 0;
	return conn->in.have + (conn->have > IPCX_FRAME_SIZE ? conn->have - IPCX_FRAME_SIZE : 0);
}

/* The one and only peer is polled beside the set, which costs it less. */
static void set_lone(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	s->lone = conn;
	__atomic_store_n(&s->c.beside, conn ? conn->fd : -1, __ATOMIC_SEQ_CST);
}

/* Somebody polls, or it is the only one no more. Return: whether that is possible. */
static bool put_into_set(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = conn };

	if (epoll_ctl(s->c.set, EPOLL_CTL_ADD, conn->fd, &ev))
		return false;
	conn->paused = false;
	conn->idle = 0;
	if (s->lone == conn)
		set_lone(s, NULL);
	return true;
}

/*
 * Who was alone before goes into the set first. Where the set has no room @conn keeps what it
 * sends, and is put there by one of the next turns of the timer.
 */
static void go_on(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	if ((!s->lone || s->lone == conn || put_into_set(s, s->lone)) && put_into_set(s, conn))
		return;
	conn->paused = true;
	tick_soon(s);
}

/* But who waits until there is room for what it sends. */
static void go_on_all(struct ipcx_stream *s)
{
	for (struct ipcx_conn *p = s->peers; p; p = p->next)
		if (p->paused && (!s->waiting || p->head.len <= IPCX_CHUNK))
			go_on(s, p);
}

/* Of @conn there were @before. */
static void count_arrived(struct ipcx_stream *s, struct ipcx_conn *conn, uint64_t before)
{
	uint64_t max = s->c.base.attr.bytes_max ? s->c.base.attr.bytes_max : UNFINISHED_MAX;
	uint64_t now = arrived(conn);

	if (!before && !now)
		return;
	s->arrived += now - before;
	if (!before || now - conn->marked >= IPCX_CHUNK) {
		conn->marked = now;
		conn->idle = 0;
	}
	if (s->arrived > max && !s->over)
		s->over = conn;
	if (s->arrived > max || !s->over)
		return;
	s->over = NULL;
	s->waiting = false;
	go_on_all(s);
}

/* Who is used is in the list, or a forked child would keep the descriptor. */
static void put_peer(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	struct ipcx_conn **p = &s->peers;

	if (--conn->users)
		return;
	while (*p != conn)
		p = &(*p)->next;
	*p = conn->next;
	close(conn->fd);
	free(conn);
	if (s->deaf)
		poll_listener(s, true);
}

static void drop_peer(struct ipcx_stream *s, struct ipcx_conn *conn)
{
	uint64_t before = arrived(conn);

	if (s->last == conn)
		s->last = NULL;
	if (s->lone == conn)
		set_lone(s, NULL);
	epoll_ctl(s->c.set, EPOLL_CTL_DEL, conn->fd, NULL);
	conn->paused = false;
	ipcx_assemble_drop(&conn->in);
	count_arrived(s, conn, before);
	put_peer(s, conn);
}

/*
 * While somebody waits for room, who sends less than a chunk in IPCX_STALL_NS does not keep it.
 * Time counts only while this end reads all that there is.
 */
static void drop_stalled(struct ipcx_stream *s)
{
	for (struct ipcx_conn *p = s->peers, *next; p && s->waiting; p = next) {
		struct pollfd unread = { .fd = p->fd, .events = POLLIN };

		next = p->next;
		if (p->paused || !arrived(p) || poll(&unread, 1, 0))
			continue;
		if (++p->idle < IPCX_STALL_NS / TICK_NS)
			continue;
		IPCX_COUNT(s->c.stats.damaged, 1);
		drop_peer(s, p);
	}
}

/* The timer ran: there may be room again, and who is to be waited for may do nothing. */
static void look_again(struct ipcx_stream *s)
{
	if (!ipcx_copied_signal(s->timer, false))
		return;
	s->ticking = false;
	if (s->deaf)
		poll_listener(s, true);
	drop_stalled(s);
	go_on_all(s);
	if (s->waiting)
		tick_soon(s);
}

/* There is no descriptor or memory for one more: he waits, and those who are there are served. */
static int no_more(struct ipcx_stream *s, int err)
{
	if (err != EMFILE && err != ENFILE && err != ENOMEM)
		return 0;
	if (!s->peers)
		return -err;
	poll_listener(s, false);
	return 0;
}

/* The first is alone, unless somebody sleeps who would not see it. */
static void poll_peer(struct ipcx_stream *s, struct ipcx_conn *conn, bool first)
{
	if (first)
		set_lone(s, conn);
	if (!first || __atomic_load_n(&s->c.waiting, __ATOMIC_SEQ_CST))
		go_on(s, conn);
}

/* Return: whether there was one. */
static int accept_one(struct ipcx_stream *s)
{
	bool first = !s->peers && !s->c.polled;
	int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ipcx_conn *conn;

	if (fd < 0)
		return no_more(s, errno);
	conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return no_more(s, ENOMEM);
	}
	conn->next = s->peers;
	conn->number = ++s->numbers;
	conn->fd = fd;
	conn->users = 1;
	conn->in.kept = &s->c.kept;
	s->peers = conn;
	if (ipcx_stream_connected(s, conn))
		poll_peer(s, conn, first);
	else
		drop_peer(s, conn);
	return 1;
}

/* Not all at once, or who connects again and again would keep those who send waiting. */
static int accept_all(struct ipcx_stream *s)
{
	int r = accept_one(s), n = 0;

	while (r > 0 && ++n < ROUNDS_MAX)
		r = accept_one(s);
	return n ? 1 : r;
}

/* Return: 1 and a message, 0 when there is none, or an errno. */
static int read_peer(struct ipcx_stream *s, struct ipcx_conn *conn, struct ipcx_buffer **b)
{
	uint64_t before = arrived(conn);
	int r = ipcx_stream_read(s, conn, b);

	count_arrived(s, conn, before);
	if (r > 0 && (*b)->head.kind > IPCX_FRAME_REQUEST) {
		ipcx_buffer_free(*b);
		r = -EPROTO;
	}
	if (r < 0) {
		IPCX_COUNT(s->c.stats.damaged, r != -EPIPE || conn->in.b || conn->have);
		drop_peer(s, conn);
		return 0;
	}
	return r;
}

/*
 * One more of who has just sent a short one, without a look at the others. As read_peer(), but
 * -EAGAIN where it was not read.
 */
static int read_last(struct ipcx_stream *s, struct ipcx_buffer **b)
{
	int r = -EAGAIN;

	if (s->last && !s->last->paused && ipcx_copied_ticks() - s->looked < IN_A_ROW_TICKS)
		r = read_peer(s, s->last, b);
	if (r > 0 && (*b)->head.len > IPCX_CHUNK)
		s->last = NULL;
	return r;
}

/* Whoever sends short messages is read in a row. As read_peer(). */
static int read_next(struct ipcx_stream *s, struct ipcx_conn *conn, struct ipcx_buffer **b)
{
	int r = read_peer(s, conn, b);

	if (r <= 0)
		return r;
	s->last = (*b)->head.len <= IPCX_CHUNK ? conn : NULL;
	s->looked = ipcx_copied_ticks();
	return r;
}

/*
 * Under receiving. Who has just connected may have sent already, so it looks again. Each time it
 * begins at another one: they are told in the same order until one is done with, and who sends
 * all the time must not keep the others waiting.
 */
int ipcx_stream_receive(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	struct ipcx_stream *s = stream(c);
	struct epoll_event ev[EVENTS];
	uint64_t empty = 0;
	int n, r, again = 1;

	if (s->ticking)
		look_again(s);
	r = read_last(s, b);
	if (r > 0)
		return 0;
	if (!r && s->last)
		empty = s->last->number;
	for (int round = 0; again && round < ROUNDS_MAX; round++) {
		n = epoll_wait(c->set, ev, EVENTS, 0);
		again = n == EVENTS;
		s->turn++;
		for (int i = 0; i < n; i++) {
			void *who = ev[(i + s->turn) % n].data.ptr;

			if (!who)
				continue;
			r = who == s ? accept_all(s) : read_next(s, who, b);
			if (r < 0)
				return r;
			if (who == s)
				again |= r;
			else if (r)
				return 0;
		}
	}
	if (!s->lone || s->lone->number == empty)
		return -EAGAIN;
	return read_next(s, s->lone, b) > 0 ? 0 : -EAGAIN;
}

/* Under receiving: somebody is to be told of all by one descriptor. */
bool ipcx_stream_polled(struct ipcx_copied *c)
{
	struct ipcx_stream *s = stream(c);
	bool can;

	ipcx_lock(&c->answering);
	can = !s->out.paused || ipcx_stream_poll_out(s);
	ipcx_unlock(&c->answering);
	return can && (!s->lone || put_into_set(s, s->lone));
}

/* That there is no reply does not wait: a caller to whom it cannot be said loses the connection. */
static int send_reply(struct ipcx_stream *s, struct ipcx_conn *conn, struct ipcx_buffer *b)
{
	bool refusal = b->head.kind == IPCX_FRAME_ERROR;
	int r;

	if (!refusal)
		ipcx_lock(&conn->replying);
	else if (ipcx_copied_lock_until(&conn->replying, ipcx_copied_now() + MOMENT_NS))
		return -ETIMEDOUT;
	do {
		r = ipcx_stream_write(s, conn->fd, b);
	} while (r == -EAGAIN && !refusal && !ipcx_stream_wait_to_go_on(conn->fd, 0));
	ipcx_unlock(&conn->replying);
	return r;
}

/* The caller may go at any time. */
int ipcx_stream_reply(struct ipcx_copied *c, struct ipcx_buffer *request, struct ipcx_buffer *b)
{
	struct ipcx_stream *s = stream(c);
	struct ipcx_conn *conn;
	int r;

	ipcx_lock(&c->receiving);
	for (conn = s->peers; conn && conn->number != request->peer; conn = conn->next)
		;
	if (conn)
		conn->users++;
	ipcx_unlock(&c->receiving);
	if (!conn)
		return 0;
	r = send_reply(s, conn, b);
	if (r)
		shutdown(conn->fd, SHUT_RDWR);
	ipcx_lock(&c->receiving);
	put_peer(s, conn);
	ipcx_unlock(&c->receiving);
	return r == -EPIPE || !r ? 0 : -ETIMEDOUT;
}

int ipcx_stream_listen(struct ipcx_stream *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int r = ipcx_copied_poll_set(&s->c);

	if (r)
		return r;
	/* whose connection to himself brings an answer or ends has no message for that */
	s->c.set = epoll_create1(EPOLL_CLOEXEC);
	if (s->c.set < 0 || epoll_ctl(s->c.set, EPOLL_CTL_ADD, s->c.ready_event, &ev))
		return ipcx_fail(errno, "no descriptor to poll: %s", strerror(errno));
	if (s->packets)
		s->spare = malloc(IPCX_FRAME_SIZE + IPCX_CHUNK);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (s->timer < 0 || epoll_ctl(s->c.set, EPOLL_CTL_ADD, s->timer, &ev))
		return ipcx_fail(errno, "no timer: %s", strerror(errno));
	poll_listener(s, true);
	return 0;
}

void ipcx_stream_drop_peers(struct ipcx_stream *s, bool forked)
{
	for (struct ipcx_conn *p = s->peers; p && forked; p = p->next) {
		close(p->fd);
		p->fd = -1;
	}
	while (s->peers && !forked)
		drop_peer(s, s->peers);
}
