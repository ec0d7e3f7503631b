// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Transports that copy messages: requests and their answers.
 *
 * Who sends a request keeps an entry in pending until its answer is there. Any thread that waits
 * for an answer reads those of the others too, and puts them into answers, where their callers
 * find them.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "copied_held.h"

/* In ipcx_msg.priv[2] of a request that was sent and has no answer yet */
#define CALL_GOES_ON UINT64_MAX

/* How long a request may be neither in the queue nor with a server */
#define NOWHERE_NS INT64_C(1000000000)
#define LOOK_NS INT64_C(50000000)

static struct ipcx_copied *copied(struct ipcx_queue *q)
{
	return (struct ipcx_copied *)q; /* base is its first member */
}

/* Under lock */
static struct ipcx_pending **find_call(struct ipcx_copied *c, uint64_t call)
{
	struct ipcx_pending **p = &c->pending;

	while (*p && (*p)->call != call)
		p = &(*p)->next;
	return p;
}

/* Under lock: is there an answer for which somebody sleeps that did not read it itself? */
static void tell_waiters(struct ipcx_copied *c)
{
	bool wanted = c->answers && c->answerers;

	for (struct ipcx_buffer *b = c->answers; b && !wanted; b = b->next) {
		struct ipcx_pending *p = *find_call(c, b->head.call);

		wanted = p && p->waiting;
	}
	ipcx_copied_signal(c->answer_event, wanted);
}

/* Under sending. An entry is there before the request is sent, or its answer could be first. */
int ipcx_copied_expect(struct ipcx_copied *c, struct ipcx_buffer *b, bool call)
{
	struct ipcx_pending *p;
	int r;

	r = c->mech->expect(c, b);
	if (r)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	ipcx_lock(&c->lock);
	p->call = ++c->calls;
	p->waiting = call;
	p->next = c->pending;
	c->pending = p;
	b->head.call = p->call;
	ipcx_unlock(&c->lock);
	return 0;
}

/* Nobody waits for its answer any more. */
void ipcx_copied_withdraw(struct ipcx_copied *c, uint64_t call)
{
	struct ipcx_pending **p, *gone;
	struct ipcx_buffer **b, *late = NULL;

	ipcx_lock(&c->lock);
	p = find_call(c, call);
	gone = *p;
	if (gone)
		*p = gone->next;
	for (b = &c->answers; *b && (*b)->head.call != call; b = &(*b)->next)
		;
	late = *b;
	if (late)
		*b = late->next;
	tell_waiters(c);
	ipcx_unlock(&c->lock);
	free(gone);
	ipcx_buffer_free(late);
}

/* Under lock: @b is the answer to a call that waits for one, or nobody's. */
static void put_answer(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct ipcx_buffer **end = &c->answers;
	bool again = false;

	for (; *end; end = &(*end)->next)
		again |= (*end)->head.call == b->head.call;
	if (again || !*find_call(c, b->head.call)) {
		ipcx_buffer_free(b);
		return;
	}
	b->seq = b->head.call;
	b->next = NULL;
	*end = b;
}

/* Under lock: nobody will answer it. */
static void fail_call(struct ipcx_copied *c, const struct ipcx_pending *p)
{
	struct ipcx_buffer *b = ipcx_buffer_alloc(0);

	if (!b)
		return; /* and the next look finds it again */
	b->head.kind = IPCX_FRAME_ERROR;
	b->head.flags = IPCX_OWNERDEAD;
	b->head.call = p->call;
	put_answer(c, b);
}

/* There will be no answer to anything that was sent. */
void ipcx_copied_lost(struct ipcx_copied *c)
{
	ipcx_lock(&c->lock);
	for (struct ipcx_pending *p = c->pending; p; p = p->next)
		fail_call(c, p);
	tell_waiters(c);
	ipcx_unlock(&c->lock);
}

/* Under answering. Does a server have what is pending, or the queue? */
static void look_for_servers(struct ipcx_copied *c)
{
	int64_t now = ipcx_copied_now();

	ipcx_lock(&c->lock);
	for (struct ipcx_pending *p = c->pending; p; p = p->next) {
		int r = c->mech->server(c, p->call);

		if (r) {
			p->seen = r > 0; /* it may be back in the queue, for another one */
			p->since = 0;
		} else if (!p->since) {
			p->since = now;
		} else if (p->seen || now - p->since > NOWHERE_NS) {
			fail_call(c, p);
		}
	}
	ipcx_unlock(&c->lock);
}

/* Under answering: @b has come. A real one counts more than the news of a death. */
void ipcx_copied_answered(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct ipcx_buffer **p = &c->answers, *dead;

	ipcx_lock(&c->lock);
	while (*p && ((*p)->head.call != b->head.call || (*p)->head.flags != IPCX_OWNERDEAD))
		p = &(*p)->next;
	dead = *find_call(c, b->head.call) ? *p : NULL; /* nor is one that was put back replaced */
	if (dead)
		*p = dead->next;
	put_answer(c, b);
	ipcx_unlock(&c->lock);
	ipcx_buffer_free(dead);
}

/* Reads what has come. Return: 0, or -EAGAIN when there was nothing. */
int ipcx_copied_read_answers(struct ipcx_copied *c)
{
	struct ipcx_buffer *b;
	int r;

	ipcx_lock(&c->answering);
	r = ipcx_copied_get(c, c->mech->answer, true, &b);
	if (r == -EAGAIN && c->mech->server) {
		look_for_servers(c);
		/* who has just gone may have answered before */
		r = ipcx_copied_get(c, c->mech->answer, true, &b);
	}
	if (r == -EOWNERDEAD)
		ipcx_copied_lost(c);
	if (!r)
		ipcx_copied_answered(c, b);
	ipcx_lock(&c->lock);
	tell_waiters(c);
	ipcx_unlock(&c->lock);
	ipcx_unlock(&c->answering);
	return r == -EOWNERDEAD ? 0 : r;
}

/* Takes the answer to @call, or with 0 any that no thread waits for. */
static struct ipcx_buffer *take_answer(struct ipcx_copied *c, uint64_t call)
{
	struct ipcx_pending **p = NULL, *gone = NULL;
	struct ipcx_buffer **b, *answer;

	ipcx_lock(&c->lock);
	for (b = &c->answers; *b; b = &(*b)->next) {
		p = find_call(c, (*b)->head.call);
		if (call ? (*b)->head.call == call : !*p || !(*p)->waiting)
			break;
	}
	answer = *b;
	if (answer) {
		*b = answer->next;
		gone = *p;
		if (gone)
			*p = gone->next;
		tell_waiters(c);
	}
	ipcx_unlock(&c->lock);
	free(gone);
	return answer;
}

/* It is the next that is taken by who asks for any. */
void ipcx_copied_put_back(struct ipcx_copied *c, struct ipcx_buffer *answer)
{
	ipcx_lock(&c->lock);
	answer->next = c->answers;
	c->answers = answer;
	tell_waiters(c);
	ipcx_unlock(&c->lock);
}

static int wait_for_answer(struct ipcx_copied *c, uint64_t call, int64_t deadline,
			   struct ipcx_buffer **answer)
{
	int r = 0;

	for (;;) {
		int64_t until = deadline;
		short events = POLLIN;

		*answer = take_answer(c, call);
		if (*answer)
			return 0;
		if (r)
			return r;
		if (!ipcx_copied_read_answers(c))
			continue;
		if (c->mech->server && deadline && deadline > ipcx_copied_now() + LOOK_NS)
			until = ipcx_copied_now() + LOOK_NS;
		r = ipcx_copied_wait(c->mech->fd(c, IPCX_WAY_ANSWER, &events), events,
				     c->answer_event, until);
		if (r == -ETIMEDOUT && until != deadline)
			r = 0;
	}
}

/* What an answer without a reply means to ipcx_queue_call() */
static int answer_error(const struct ipcx_buffer *b)
{
	if (b->head.kind == IPCX_FRAME_REPLY)
		return 0;
	if (b->head.flags & IPCX_EXPIRED)
		return -ETIME;
	return b->head.flags & IPCX_OWNERDEAD ? -EOWNERDEAD : -ECANCELED;
}

/* Return: 0 when this thread alone waits for the answer. */
static int begin_waiting(struct ipcx_copied *c, uint64_t call, bool begin)
{
	struct ipcx_pending *p;
	int r = 0;

	ipcx_lock(&c->lock);
	p = *find_call(c, call);
	if (!p)
		r = -ENOENT;
	else if (begin && p->waiting)
		r = -EBUSY;
	else
		p->waiting = begin;
	ipcx_unlock(&c->lock);
	return r;
}

static int send_request(struct ipcx_copied *c, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_buffer *b = ipcx_copied_find(c, m, IPCX_HELD_LOAN);
	unsigned int flags = m->flags;
	int r;

	if (!b)
		return -EPERM;
	m->flags |= IPCX_REQUEST;
	r = ipcx_copied_prepare(m, b);
	m->flags = flags;
	if (!r)
		r = ipcx_copied_send(c, b, deadline ? deadline : b->deadline, true);
	if (r)
		return r == -EAGAIN ? -ETIMEDOUT : r; /* EAGAIN is for what goes on */
	IPCX_COUNT(c->stats.sent, 1);
	m->seq = b->head.call;
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	m->priv[2] = CALL_GOES_ON;
	ipcx_buffer_free(ipcx_copied_drop(c, b->number));
	return 0;
}

/* Releases what @reply holds, an answer of an earlier call. */
static int release_answer(struct ipcx_copied *c, struct ipcx_msg *reply)
{
	if (!reply->priv[IPCX_PRIV_HOLDER])
		return 0;
	if (!ipcx_copied_find(c, reply, IPCX_HELD_ANSWER))
		return -EPERM;
	return ipcx_copied_release(&c->base, reply, 1, false) < 0 ? -EPERM : 0;
}

int ipcx_copied_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		     int64_t deadline)
{
	struct ipcx_copied *c = copied(q);
	struct ipcx_buffer *b;
	bool goes_on = request->priv[2] == CALL_GOES_ON && !request->priv[IPCX_PRIV_HOLDER];
	int r = q->fd < 0 ? -EBADF : q->flags & IPCX_SEND ? 0 : -EPERM;

	if (!r && deadline < 0)
		r = -EINVAL;
	if (!r)
		r = release_answer(c, reply);
	if (!r && !goes_on)
		r = send_request(c, request, deadline);
	if (r)
		return r;
	if (goes_on)
		r = begin_waiting(c, request->seq, true);
	if (!r) {
		r = wait_for_answer(c, request->seq, deadline, &b);
		/* an answer that comes now is nobody's, not that of another thread */
		if (r == -ETIMEDOUT)
			ipcx_copied_withdraw(c, request->seq);
		else
			begin_waiting(c, request->seq, false);
	}
	if (r == -EAGAIN || r == -EINTR || r == -EBUSY)
		return r;
	request->priv[2] = 0;
	if (r)
		return r;
	r = answer_error(b);
	if (r) {
		ipcx_buffer_free(b);
		return r;
	}
	ipcx_copied_hold(c, b, IPCX_HELD_ANSWER);
	ipcx_copied_fill(c, reply, b);
	return 0;
}

int ipcx_copied_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_copied *c = copied(q);
	struct ipcx_buffer *b;
	int r;

	if (q->fd < 0)
		return -EBADF;
	if (!(q->flags & IPCX_SEND))
		return -EPERM;
	if (deadline < 0)
		return -EINVAL;
	/* who polls, and only asks for answers, need not look all the time once there is room */
	if (ipcx_unlikely(ipcx_copied_is_unpolled(c)))
		ipcx_copied_polled(q);
	__atomic_add_fetch(&c->answerers, 1, __ATOMIC_SEQ_CST);
	r = wait_for_answer(c, 0, deadline, &b);
	__atomic_sub_fetch(&c->answerers, 1, __ATOMIC_SEQ_CST);
	if (r)
		return r;
	ipcx_copied_hold(c, b, IPCX_HELD_ANSWER);
	ipcx_copied_fill(c, m, b);
	return 0;
}

/* The head of the answer @b to @request. */
static void address(struct ipcx_buffer *b, const struct ipcx_buffer *request, int kind,
		    unsigned int flags)
{
	b->head = (struct ipcx_head){
		.kind = kind,
		.prio = request->head.prio,
		.flags = flags,
		.mailbox = request->head.mailbox,
		.len = b->head.len,
		.id = request->head.call,
		.tag = request->head.tag,
		.call = request->head.call,
	};
}

/* Tells the caller that there will be no reply, if @request is a request. */
void ipcx_copied_refuse(struct ipcx_copied *c, struct ipcx_buffer *request, unsigned int why)
{
	struct ipcx_buffer *b;

	if (request->head.kind != IPCX_FRAME_REQUEST)
		return;
	b = ipcx_buffer_alloc(0);
	if (!b)
		return;
	address(b, request, IPCX_FRAME_ERROR, why);
	c->mech->reply(c, request, b);
	ipcx_buffer_free(b);
}

int ipcx_copied_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			   struct ipcx_msg *reply)
{
	struct ipcx_copied *c = copied(q);
	struct ipcx_buffer *b;

	if (q->fd < 0)
		return -EBADF;
	b = ipcx_copied_find(c, request, IPCX_HELD_LEASE);
	if (!b || b->head.kind != IPCX_FRAME_REQUEST)
		return -EPERM;
	if (len > ipcx_copied_msg_max(c))
		return -EMSGSIZE;
	b = ipcx_buffer_alloc(len);
	if (!b)
		return -ENOMEM;
	b->head.len = len;
	ipcx_copied_hold(c, b, IPCX_HELD_REPLY);
	ipcx_copied_fill(c, reply, b);
	return 0;
}

/* The reply in a buffer of its own; a loan is that already. */
static int reply_buffer(struct ipcx_copied *c, struct ipcx_msg *reply, struct ipcx_buffer **b)
{
	if (reply->priv[IPCX_PRIV_HOLDER]) {
		*b = ipcx_copied_find(c, reply, IPCX_HELD_REPLY);
		if (!*b)
			return -EPERM;
		if (reply->len > (*b)->room)
			return -EMSGSIZE;
	} else {
		if (reply->len > ipcx_copied_msg_max(c))
			return -EMSGSIZE;
		*b = ipcx_buffer_alloc(reply->len);
		if (!*b)
			return -ENOMEM;
		if (reply->len)
			memcpy((*b)->data, reply->data, reply->len);
	}
	(*b)->head.len = reply->len;
	return 0;
}

static int send_reply(struct ipcx_queue *q, struct ipcx_msg *m, struct ipcx_msg *reply)
{
	struct ipcx_copied *c = copied(q);
	struct ipcx_buffer *b, *request = ipcx_copied_find(c, m, IPCX_HELD_LEASE);
	bool loan = reply->priv[IPCX_PRIV_HOLDER];
	int r;

	if (!request)
		return -EPERM;
	if (request->head.kind != IPCX_FRAME_REQUEST)
		return -EINVAL;
	r = reply_buffer(c, reply, &b);
	if (r)
		return r;
	address(b, request, IPCX_FRAME_REPLY, 0);
	r = c->mech->reply(c, request, b);
	if (!r && loan)
		ipcx_copied_drop(c, b->number);
	if (!r || !loan)
		ipcx_buffer_free(b);
	if (r)
		return r;
	reply->data = NULL;
	reply->priv[IPCX_PRIV_HOLDER] = 0;
	IPCX_COUNT(c->stats.released, 1);
	ipcx_buffer_free(ipcx_copied_drop(c, request->number));
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	return 0;
}

int ipcx_copied_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		      bool next, int64_t deadline)
{
	return ipcx_reply_and_take(q, request, reply, next, deadline, send_reply);
}
