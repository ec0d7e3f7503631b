// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Transports that copy messages: loans, leases, waiting. A loan is a buffer of this process that
 * is sent when it is committed, a message taken is one that was received.
 *
 * What was received and not taken, by a peek, a buffer that was too short or a nack, is kept in
 * the handle and taken first.
 *
 * LOCKS: see struct ipcx_copied.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "copied_held.h"

#define OPEN_TRIES 100

static struct ipcx_copied *copied(struct ipcx_queue *q)
{
	return (struct ipcx_copied *)q; /* base is its first member */
}

static int check_options(unsigned int flags, const struct ipcx_queue_opts *opts)
{
	const char *what = NULL;

	if (flags & IPCX_INHERIT)
		what = "IPCX_INHERIT";
	else if (opts->dead_letter || opts->max_deliveries)
		what = "messages that are given up (dead_letter, max_deliveries)";
	else if (opts->lease_ms || opts->leases_max)
		what = "limits of leases (lease_ms, leases_max)";
	else if (opts->policy != IPCX_BLOCK)
		what = "another policy than IPCX_BLOCK";
	if (!what)
		return 0;
	return ipcx_fail(EOPNOTSUPP, "only the transport \"kernel\" has %s", what);
}

static void close_events(struct ipcx_copied *c)
{
	if (c->ready_event >= 0)
		close(c->ready_event);
	if (c->answer_event >= 0)
		close(c->answer_event);
	c->ready_event = -1;
	c->answer_event = -1;
}

static int open_once(struct ipcx_queue **q, const char *rest, unsigned int flags,
		     const struct ipcx_queue_opts *opts, const struct ipcx_mech *mech)
{
	struct ipcx_copied *c = calloc(1, mech->size);
	int r = 0;

	if (!c)
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a queue");
	c->mech = mech;
	c->base.fd = -1;
	c->base.flags = flags;
	c->set = -1;
	c->beside = -1;
	c->ready_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->answer_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->ready_event < 0 || c->answer_event < 0)
		r = ipcx_fail(errno, "no descriptor for a queue: %s", strerror(errno));
	/* calls of two handles are told apart by their numbers, which are offsets of locks too */
	if (!r && getentropy(&c->calls, sizeof(c->calls)))
		r = ipcx_fail(errno, "no random number: %s", strerror(errno));
	c->calls = c->calls >> 2 | 1 << 8;
	if (r) {
		close_events(c);
		free(c);
		return r;
	}
	r = mech->open(c, rest, flags, opts);
	if (r) {
		ipcx_copied_close(&c->base);
		errno = -r;
		return r;
	}
	c->base.attr.flags |= IPCX_SEALED; /* copies: nobody can change what was sent */
	*q = &c->base;
	return 0;
}

int ipcx_copied_open(struct ipcx_queue **q, const char *rest, unsigned int flags,
		     const struct ipcx_queue_opts *opts, const struct ipcx_mech *mech)
{
	int r = check_options(flags, opts);

	if (r)
		return r;
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = open_once(q, rest, flags, opts, mech);
		if (r != -IPCX_ANEW)
			return r;
	}
	return ipcx_fail_text(EBUSY, "others take the queue away and make it anew all the time; "
				     "try again");
}

static void free_list(struct ipcx_buffer *b)
{
	while (b) {
		struct ipcx_buffer *next = b->next;

		ipcx_buffer_free(b);
		b = next;
	}
}

/* To others, if there can be any. */
static void give_all_back(struct ipcx_copied *c)
{
	for (int i = 0; i < IPCX_HELD_LISTS; i++)
		for (struct ipcx_buffer *b = c->held[i]; b; b = b->next) {
			if (b->state != IPCX_HELD_LEASE)
				continue;
			b->head.deliveries++;
			c->mech->give_back(c, b);
		}
	for (struct ipcx_buffer *b = c->ready; b; b = b->next)
		c->mech->give_back(c, b);
}

void ipcx_copied_close(struct ipcx_queue *q)
{
	struct ipcx_copied *c = copied(q);

	if (c->forked) {
		free(c);
		return;
	}
	if (q->fd >= 0 && c->mech->give_back)
		give_all_back(c);
	for (int i = 0; i < IPCX_HELD_LISTS; i++)
		free_list(c->held[i]);
	free_list(c->ready);
	free_list(c->answers);
	ipcx_buffer_free(c->kept);
	while (c->pending) {
		struct ipcx_pending *p = c->pending;

		c->pending = p->next;
		free(p);
	}
	c->mech->close(c, false);
	close_events(c);
	free(c);
}

void ipcx_copied_polled(struct ipcx_queue *q)
{
	struct ipcx_copied *c = copied(q);

	/* who receives a long message does not keep him, but the first time */
	if (c->set < 0 ||
	    (__atomic_load_n(&c->polled, __ATOMIC_ACQUIRE) && !ipcx_copied_is_unpolled(c)))
		return;
	ipcx_lock(&c->receiving);
	if (!c->polled || ipcx_copied_is_unpolled(c))
		ipcx_copied_poll_all(c);
	ipcx_unlock(&c->receiving);
}

static void close_mailboxes(struct ipcx_buffer *b)
{
	for (; b; b = b->next) {
		if (b->fd >= 0)
			close(b->fd);
		b->fd = -1;
	}
}

/*
 * What another thread held a lock for may be half done, so nothing is freed. The locks are free,
 * as those of all children are.
 */
void ipcx_copied_forked(struct ipcx_queue *q)
{
	struct ipcx_copied *c = copied(q);

	for (int i = 0; i < IPCX_HELD_LISTS; i++)
		close_mailboxes(c->held[i]);
	close_mailboxes(c->ready);
	c->sending.word = 0;
	c->receiving.word = 0;
	c->answering.word = 0;
	c->lock.word = 0;
	c->mech->close(c, true);
	close_events(c);
	q->fd = -1;
	c->forked = true;
}

/* What all calls have in common. */
static int check(const struct ipcx_queue *q, unsigned int right, int64_t deadline)
{
	if (ipcx_unlikely(q->fd < 0))
		return -EBADF;
	if (ipcx_unlikely(!(q->flags & right)))
		return -EPERM;
	return ipcx_unlikely(deadline < 0) ? -EINVAL : 0;
}

/* Return: for how many more there is room, at least one, or an errno. */
static int wait_for_room(struct ipcx_copied *c, int64_t deadline)
{
	short events = POLLOUT;
	int room, loans, r;

	for (;;) {
		room = c->mech->room(c, deadline);
		if (room == INT_MAX || room < 0)
			return room;
		loans = ipcx_copied_loans(c);
		if (room > loans)
			return room - loans;
		r = ipcx_copied_wait_soon(&c->to_send,
					  room ? -1 : c->mech->fd(c, IPCX_WAY_SEND, &events),
					  events, -1, deadline);
		if (r)
			return r;
	}
}

int ipcx_copied_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		     int64_t deadline)
{
	struct ipcx_copied *c = copied(q);
	int room, r = check(q, IPCX_SEND, deadline);

	if (!r && len > ipcx_copied_msg_max(c))
		r = -EMSGSIZE;
	room = r ? r : wait_for_room(c, deadline);
	if (room < 0)
		return room;
	if (n > (unsigned int)room)
		n = room;
	for (unsigned int i = 0; i < n; i++) {
		struct ipcx_buffer *b = ipcx_buffer_get(&c->kept, len);

		if (!b)
			return i ? (int)i : -ENOMEM;
		b->head.len = len;
		b->deadline = deadline;
		ipcx_copied_hold(c, b, IPCX_HELD_LOAN);
		ipcx_copied_fill(c, &m[i], b);
	}
	return n;
}

/* What the application wrote into @m, which is a loan. */
int ipcx_copied_prepare(const struct ipcx_msg *m, struct ipcx_buffer *b)
{
	if (m->flags & ~IPCX_REQUEST)
		return -EOPNOTSUPP;
	if (m->prio > 31 || m->expires < 0)
		return -EINVAL;
	if (m->len > b->room)
		return -EMSGSIZE;
	b->head = (struct ipcx_head){
		.kind = m->flags & IPCX_REQUEST ? IPCX_FRAME_REQUEST : IPCX_FRAME_MESSAGE,
		.prio = m->prio,
		.len = m->len,
		.id = b->number,
		.tag = m->tag,
		.expires = m->expires,
	};
	return 0;
}

/* @call: this thread waits for the answer */
ipcx_hot int send_buffer(struct ipcx_copied *c, struct ipcx_buffer *b, int64_t deadline, bool call)
{
	bool request = b->head.kind == IPCX_FRAME_REQUEST;
	short events = POLLOUT;
	bool torn = false;
	int r, fd;

	for (;;) {
		r = ipcx_copied_begin_to_send(c, deadline);
		if (r)
			return r;
		r = request ? ipcx_copied_expect(c, b, call) : 0;
		if (!r)
			r = c->mech->send(c, b);
		if (r && request)
			ipcx_copied_withdraw(c, b->head.call);
		ipcx_unlock(&c->sending);
		if (r == -EPIPE && !torn) {
			torn = true;
			continue;
		}
		if (r != -EAGAIN)
			return r;
		fd = c->mech->fd(c, IPCX_WAY_SEND, &events);
		do {
			r = ipcx_copied_wait_soon(&c->to_send, fd, events, -1, deadline);
			/* a call goes on only when it was sent; not in a child of the handler */
		} while (r == -EINTR && call && !c->forked);
		if (r)
			return r;
	}
}

int ipcx_copied_send(struct ipcx_copied *c, struct ipcx_buffer *b, int64_t deadline, bool call)
{
	return send_buffer(c, b, deadline, call);
}

static int commit_one(struct ipcx_copied *c, struct ipcx_msg *m)
{
	struct ipcx_buffer *b = ipcx_copied_find(c, m, IPCX_HELD_LOAN);
	int r = b ? ipcx_copied_prepare(m, b) : -EPERM;

	if (!r)
		r = send_buffer(c, b, b->deadline, false);
	if (r)
		return r;
	if (b->head.call)
		m->seq = b->head.call;
	ipcx_buffer_put(&c->kept, ipcx_copied_drop(c, b->number));
	IPCX_COUNT(c->stats.sent, 1);
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	return 0;
}

int ipcx_copied_commit(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	int r = check(q, IPCX_SEND, 0);

	for (unsigned int i = 0; !r && i < n; i++) {
		r = commit_one(copied(q), &m[i]);
		if (r && i)
			return i;
	}
	return r ? r : (int)n;
}

int ipcx_copied_cancel(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	struct ipcx_copied *c = copied(q);

	if (q->fd < 0)
		return -EBADF;
	for (unsigned int i = 0; i < n; i++) {
		struct ipcx_buffer *b =
			ipcx_copied_take_out(c, &m[i], IPCX_HELD_LOAN | IPCX_HELD_REPLY);

		if (!b)
			return i ? (int)i : -EPERM;
		ipcx_buffer_put(&c->kept, b);
		m[i].data = NULL;
		m[i].priv[IPCX_PRIV_HOLDER] = 0;
	}
	return n;
}

/* Those with a higher priority first, where that counts, and then the earlier ones. */
static void put_ready(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	bool prio = c->base.ops->caps & IPCX_CAP_PRIORITY;
	struct ipcx_buffer **p = &c->ready;

	ipcx_lock(&c->lock);
	if (!c->ready)
		ipcx_copied_signal(c->ready_event, true);
	while (*p && (prio && (*p)->head.prio != b->head.prio ? (*p)->head.prio > b->head.prio :
								(*p)->seq < b->seq))
		p = &(*p)->next;
	b->next = *p;
	*p = b;
	ipcx_unlock(&c->lock);
}

static struct ipcx_buffer *take_ready(struct ipcx_copied *c)
{
	struct ipcx_buffer *b;

	ipcx_lock(&c->lock);
	b = c->ready;
	if (b) {
		c->ready = b->next;
		if (!c->ready && !c->unpolled)
			ipcx_copied_signal(c->ready_event, false);
	}
	ipcx_unlock(&c->lock);
	return b;
}

/*
 * One more from the mechanism, where that may change which is the first that is taken. Who looks
 * again and again, with too short a buffer too, and takes nothing must not get all there are.
 * Return: 0; @b is that one if nothing else is ready, and otherwise NULL.
 */
static int refill(struct ipcx_copied *c, bool take, size_t len_max, struct ipcx_buffer **b)
{
	bool prio = c->base.ops->caps & IPCX_CAP_PRIORITY;
	struct ipcx_buffer *more;
	int r;

	*b = NULL;
	if (c->ready && (!prio || !take || c->ready->head.len > len_max))
		return 0;
	r = ipcx_copied_get(c, c->mech->receive, false, &more);
	if (r)
		return c->ready ? 0 : r;
	more->seq = ++c->received;
	if (more->head.kind == IPCX_FRAME_REQUEST && c->mech->accepted)
		c->mech->accepted(c, more);
	if (c->ready)
		put_ready(c, more);
	else
		*b = more;
	return 0;
}

/* Gets the first that is not too late out of @c->ready. Under receiving, does not wait. */
static int get_first(struct ipcx_copied *c, bool take, size_t len_max, struct ipcx_buffer **b)
{
	int r;

	for (;;) {
		r = refill(c, take, len_max, b);
		if (r)
			return r;
		if (!*b)
			*b = take_ready(c);
		if (!*b || !(*b)->head.expires || (*b)->head.expires > ipcx_copied_now())
			return *b ? 0 : -EAGAIN;
		IPCX_COUNT(c->stats.expired, 1);
		/* a mechanism that answers may need the lock */
		ipcx_unlock(&c->receiving);
		ipcx_copied_refuse(c, *b, IPCX_EXPIRED);
		ipcx_buffer_free(*b);
		ipcx_lock(&c->receiving);
	}
}

static int take_one(struct ipcx_copied *c, size_t len_max, struct ipcx_msg *m)
{
	struct ipcx_buffer *b;
	int r;

	ipcx_lock(&c->receiving);
	if (ipcx_unlikely(ipcx_copied_is_unpolled(c)))
		ipcx_copied_poll_all(c);
	r = get_first(c, true, len_max, &b);
	if (!r && b->head.len > len_max) {
		put_ready(c, b);
		r = -EMSGSIZE;
	}
	ipcx_unlock(&c->receiving);
	if (r)
		return r;
	ipcx_copied_hold(c, b, IPCX_HELD_LEASE);
	ipcx_copied_fill(c, m, b);
	return 0;
}

/* Whoever changes what is beside looks behind that who is waiting. */
static int wait_for_message(struct ipcx_copied *c, int64_t deadline)
{
	int r;

	/* that an event is readable tells nothing, see ipcx_copied_poll_all() */
	if (ipcx_copied_is_unpolled(c))
		return ipcx_copied_wait(-1, POLLIN, -1, deadline);
	__atomic_add_fetch(&c->waiting, 1, __ATOMIC_SEQ_CST);
	r = ipcx_copied_wait_soon(&c->to_receive, c->set, POLLIN,
				  __atomic_load_n(&c->beside, __ATOMIC_SEQ_CST), deadline);
	__atomic_sub_fetch(&c->waiting, 1, __ATOMIC_RELEASE);
	return r;
}

int ipcx_copied_take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		     int64_t deadline)
{
	struct ipcx_copied *c = copied(q);
	unsigned int done = 0;
	int r = check(q, IPCX_RECV, deadline);

	while (!r && done < n) {
		r = take_one(c, len_max, &m[done]);
		if (!r)
			done++;
		else if (r == -EAGAIN && !done)
			r = wait_for_message(c, deadline);
	}
	return done ? (int)done : r;
}

static int release_one(struct ipcx_copied *c, struct ipcx_msg *m, bool nack)
{
	struct ipcx_buffer *b = ipcx_copied_take_out(c, m, IPCX_HELD_LEASE | IPCX_HELD_ANSWER);

	if (!b)
		return -EPERM;
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	if (nack && b->state == IPCX_HELD_ANSWER) {
		ipcx_copied_put_back(c, b);
		return 0;
	}
	if (nack) {
		b->head.deliveries++;
		IPCX_COUNT(c->stats.redelivered, 1);
		put_ready(c, b);
		return 0;
	}
	IPCX_COUNT(c->stats.released, b->state == IPCX_HELD_LEASE);
	if (b->state == IPCX_HELD_LEASE)
		ipcx_copied_refuse(c, b, IPCX_CANCELED);
	ipcx_buffer_put(&c->kept, b);
	return 0;
}

int ipcx_copied_release(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool nack)
{
	int r = q->fd < 0 ? -EBADF : 0;

	for (unsigned int i = 0; !r && i < n; i++) {
		r = release_one(copied(q), &m[i], nack);
		if (r && i)
			return i;
	}
	return r ? r : (int)n;
}

int ipcx_copied_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	int r = check(q, IPCX_RECV, deadline);

	if (!r && m->priv[IPCX_PRIV_HOLDER])
		r = ipcx_copied_release(q, m, 1, false);
	return r < 0 ? r : ipcx_copied_take(q, SIZE_MAX, m, 1, deadline);
}

int ipcx_copied_peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct ipcx_copied *c = copied(q);
	struct ipcx_buffer *b;
	int r = check(q, IPCX_RECV, 0);

	if (r)
		return r;
	ipcx_lock(&c->receiving);
	if (ipcx_unlikely(ipcx_copied_is_unpolled(c)))
		ipcx_copied_poll_all(c);
	r = get_first(c, false, SIZE_MAX, &b);
	if (!r) {
		ipcx_copied_fill(c, m, b);
		m->data = NULL;
		memset(m->priv, 0, sizeof(m->priv));
		put_ready(c, b);
	}
	ipcx_unlock(&c->receiving);
	return r;
}

/* The handle's own counts; what others did is not known. */
int ipcx_copied_stat(const struct ipcx_queue *q, struct ipcx_queue_stats *stats)
{
	struct ipcx_copied *c = copied((struct ipcx_queue *)q);

	if (q->fd < 0)
		return -EBADF;
	ipcx_lock(&c->lock);
	*stats = c->stats;
	stats->loaned = c->loans;
	for (struct ipcx_buffer *b = c->ready; b; b = b->next)
		stats->queued++;
	for (struct ipcx_buffer *b = c->answers; b; b = b->next)
		stats->answers++;
	for (struct ipcx_pending *p = c->pending; p; p = p->next)
		stats->requests++;
	ipcx_unlock(&c->lock);
	stats->queued += c->mech->queued(c);
	return 0;
}
