// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions on queues: check, pick the transport, call it.
 *
 * What a transport checks by itself is not checked here again: on the way of a
 * message there is one indirect call and one branch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport.h"

#define FLAGS_KNOWN \
	(IPCX_CREATE | IPCX_EXCL | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL | IPCX_SEALED | \
	 IPCX_SINGLE_THREAD | IPCX_INHERIT)
/* mean something with CREATE only */
#define FLAGS_CREATE (IPCX_EXCL | IPCX_EPHEMERAL | IPCX_SEALED)

static int check_flags(unsigned int flags, const char *name)
{
	if (flags & ~FLAGS_KNOWN)
		return ipcx_fail(EOPNOTSUPP, "unknown flags 0x%x; a newer library may know them",
				 flags & ~FLAGS_KNOWN);
	if (!(flags & (IPCX_SEND | IPCX_RECV)))
		return ipcx_fail_text(EINVAL, "neither IPCX_SEND nor IPCX_RECV was asked for");
	if ((flags & FLAGS_CREATE) && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "IPCX_EXCL, IPCX_EPHEMERAL and IPCX_SEALED "
					      "need IPCX_CREATE");
	if (!*name && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "a queue without a name cannot be looked up; create "
					      "one with IPCX_CREATE");
	return 0;
}

static int copy_opts(struct ipcx_queue_opts *to, const struct ipcx_queue_opts *from,
		     unsigned int flags)
{
	int r = ipcx_copy_opts(to, sizeof(*to), from, "IPCX_QUEUE_OPTS()");

	if (r)
		return r;
	if (to->mode > 0777)
		return ipcx_fail(EINVAL, "mode 0%o has bits outside of 0777", to->mode);
	if (to->policy > IPCX_DROP_NEWEST)
		return ipcx_fail(EINVAL, "policy %d is none of enum ipcx_queue_policy", to->policy);
	if (to->prefetch > IPCX_BATCH)
		return ipcx_fail(EINVAL, "prefetch %u is more than %d", to->prefetch, IPCX_BATCH);
	if (to->prefetch > 1 && (flags & IPCX_INHERIT))
		return ipcx_fail_text(EINVAL, "prefetch does not go with IPCX_INHERIT: two "
					      "processes cannot share what one has in hand");
	return 0;
}

static int check_caps(const struct ipcx_transport *t, uint64_t caps, uint64_t require)
{
	return require & ~caps ? ipcx_lacks(t, require & ~caps) : 0;
}

/* Some depend on how the queue was made, perhaps by another. */
static uint64_t caps_of(const struct ipcx_queue *q, uint64_t caps)
{
	if (q->attr.flags & IPCX_EPHEMERAL)
		caps &= ~IPCX_CAP_PERSISTENT;
	if (!(q->attr.flags & IPCX_SEALED))
		caps &= ~IPCX_CAP_SEALED;
	return caps;
}

static void tell_forked(struct ipcx_fork *f, enum ipcx_fork_when when)
{
	struct ipcx_queue *q = (struct ipcx_queue *)((char *)f - offsetof(struct ipcx_queue, fork));

	if (when == IPCX_FORK_CHILD)
		q->ops->forked(q);
}

static int open_with(const struct ipcx_transport *t, struct ipcx_queue **q, const char *rest,
		     unsigned int flags, const struct ipcx_queue_opts *opts)
{
	uint64_t caps = t->caps;
	int r;

	if (!*rest || (flags & IPCX_EPHEMERAL))
		caps &= ~IPCX_CAP_PERSISTENT;
	/* a queue that lacks what is required must not be made first */
	r = check_caps(t,
		       (flags & IPCX_CREATE) && !(flags & IPCX_SEALED) ? caps & ~IPCX_CAP_SEALED :
									 caps,
		       opts->require);
	if (r)
		return r;
	ipcx_fork_lock();
	r = t->open(q, rest, flags, opts);
	if (!r) {
		(*q)->ops = t;
		(*q)->flags = flags;
		(*q)->caps = caps_of(*q, caps);
		(*q)->fork.tell = tell_forked;
		ipcx_fork_add(&(*q)->fork);
		/* what nobody saw must not be given up as taken in vain */
		if (opts->prefetch > 1 && (flags & IPCX_RECV) && !(*q)->attr.max_deliveries &&
		    t->prefetch)
			r = t->prefetch(*q, opts->prefetch);
	}
	ipcx_fork_unlock();
	if (!r)
		r = check_caps(t, (*q)->caps, opts->require);
	if (r && *q) {
		ipcx_queue_close(*q);
		*q = NULL;
	}
	return r;
}

/* What another made under a name that this one would make is not taken for it. */
static int check_maker(struct ipcx_queue **q, const char *name)
{
	uid_t uid = (*q)->attr.uid;

	if (uid == geteuid() || !uid)
		return 0;
	ipcx_queue_close(*q);
	*q = NULL;
	return ipcx_fail_theirs("queue", name, uid);
}

/* Without the module: where there is a queue of this name, else where one can be made. */
static int open_fallback(struct ipcx_queue **q, const char *name, unsigned int flags,
			 const struct ipcx_queue_opts *opts)
{
	const struct ipcx_transport *t, *fits = NULL;
	char buf[IPCX_QUOTED_MAX];
	int r = -ENODEV;

	for (size_t i = 0; (t = ipcx_fallbacks[i]); i++) {
		if (opts->require & ~t->caps)
			continue;
		r = open_with(t, q, name, flags & ~FLAGS_CREATE & ~IPCX_CREATE, opts);
		if (!r && (flags & IPCX_EXCL)) {
			ipcx_queue_close(*q);
			*q = NULL;
			return ipcx_fail(EEXIST, "there is such a queue already, over \"%s\"",
					 t->name);
		}
		if (!r && flags & IPCX_CREATE)
			r = check_maker(q, name);
		if (r != -ENOENT)
			break;
		if (!fits)
			fits = t;
	}
	if (r == -ENOENT && (flags & IPCX_CREATE)) {
		t = fits;
		r = open_with(t, q, name, flags, opts);
	}
	if (r == -ENOENT)
		return ipcx_fail(ENOENT,
				 "there is no queue %s over any transport that needs no module; "
				 "create it with IPCX_CREATE",
				 ipcx_quote(buf, name));
	if (!r)
		ipcx_say_fallback("queue", name, t->name);
	return r;
}

int ipcx_queue_open(struct ipcx_queue **q, const char *uri, unsigned int flags,
		    const struct ipcx_queue_opts *user_opts)
{
	struct ipcx_queue_opts opts = { 0 };
	const struct ipcx_transport *t;
	const char *rest;
	int r;

	*q = NULL;
	r = ipcx_pick_queue(uri, &t, &rest);
	if (!r)
		r = check_flags(flags, rest);
	if (!r)
		r = copy_opts(&opts, user_opts, flags);
	if (r)
		return r;
	r = open_with(t ? t : &ipcx_transport_kernel, q, rest, flags, &opts);
	return r == -ENODEV && !t ? open_fallback(q, rest, flags, &opts) : r;
}

void ipcx_queue_close(struct ipcx_queue *q)
{
	if (!q)
		return;
	ipcx_fork_lock();
	ipcx_fork_del(&q->fork);
	q->ops->close(q);
	ipcx_fork_unlock();
}

static int unlink_uri(const char *uri, bool now)
{
	const struct ipcx_transport *t;
	const char *rest;
	int r = ipcx_pick_queue(uri, &t, &rest);

	if (r)
		return r;
	if (!*rest)
		return ipcx_fail_text(EINVAL, "a queue without a name has nothing to unlink");
	r = (t ? t : &ipcx_transport_kernel)->unlink(rest, now);
	if (r != -ENODEV || t)
		return r;
	r = -ENOENT;
	for (size_t i = 0; ipcx_fallbacks[i] && r == -ENOENT; i++)
		r = ipcx_fallbacks[i]->unlink(rest, now);
	return r;
}

int ipcx_queue_unlink(const char *uri)
{
	return unlink_uri(uri, false);
}

int ipcx_queue_remove(const char *uri)
{
	return unlink_uri(uri, true);
}

int ipcx_queue_fd(const struct ipcx_queue *q)
{
	if (q->fd >= 0 && q->ops->polled)
		q->ops->polled((struct ipcx_queue *)q);
	return q->fd;
}

uint64_t ipcx_queue_caps(const struct ipcx_queue *q)
{
	return q->caps;
}

int ipcx_queue_attr(const struct ipcx_queue *q, struct ipcx_queue_attr *attr)
{
	return ipcx_copy_told(attr, sizeof(*attr), &q->attr, "attributes");
}

int ipcx_queue_stat(const struct ipcx_queue *q, struct ipcx_queue_stats *stats)
{
	struct ipcx_queue_stats full = { 0 };
	int r = q->ops->stat(q, &full);

	if (r < 0)
		return ipcx_explain(q, IPCX_OP_STAT, -r, 0);
	return ipcx_copy_told(stats, sizeof(full), &full, "statistics");
}

static int wrong_count(unsigned int n)
{
	return ipcx_fail(EINVAL, "an array of %u messages; it must have 1..%d", n, IPCX_BATCH);
}

/* Not 1..IPCX_BATCH, in one comparison */
static bool bad_count(unsigned int n)
{
	return ipcx_unlikely(n - 1 >= IPCX_BATCH);
}

int ipcx_queue_loan_n(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		      int64_t deadline)
{
	int r;

	if (bad_count(n))
		return wrong_count(n);
	r = q->ops->loan(q, len, m, n, deadline);
	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_LOAN, -r, len) : r;
}

int ipcx_queue_commit_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	int r;

	if (bad_count(n))
		return wrong_count(n);
	r = q->ops->commit(q, m, n);
	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_COMMIT, -r, 0) : r;
}

int ipcx_queue_take_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, int64_t deadline)
{
	int r;

	if (bad_count(n))
		return wrong_count(n);
	r = q->ops->take(q, SIZE_MAX, m, n, deadline);
	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_TAKE, -r, 0) : r;
}

int ipcx_queue_release_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	int r;

	if (bad_count(n))
		return wrong_count(n);
	r = q->ops->release(q, m, n, false);
	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_RELEASE, -r, 0) : r;
}

/* One message: "how many" becomes 0. */
static int one(int r)
{
	return r < 0 ? r : 0;
}

int ipcx_queue_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	return one(ipcx_queue_loan_n(q, len, m, 1, deadline));
}

int ipcx_queue_commit(struct ipcx_queue *q, struct ipcx_msg *m)
{
	return one(ipcx_queue_commit_n(q, m, 1));
}

int ipcx_queue_cancel(struct ipcx_queue *q, struct ipcx_msg *m)
{
	int r = q->ops->cancel(q, m, 1);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_CANCEL, -r, 0) : 0;
}

int ipcx_queue_take(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	return one(ipcx_queue_take_n(q, m, 1, deadline));
}

int ipcx_queue_release(struct ipcx_queue *q, struct ipcx_msg *m)
{
	return one(ipcx_queue_release_n(q, m, 1));
}

int ipcx_queue_nack(struct ipcx_queue *q, struct ipcx_msg *m)
{
	int r = q->ops->release(q, m, 1, true);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_RELEASE, -r, 0) : 0;
}

int ipcx_queue_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	bool held = m->priv[IPCX_PRIV_HOLDER];
	int r;

	if (ipcx_unlikely(deadline < 0)) /* the transport has not released it */
		return ipcx_explain(q, IPCX_OP_TAKE, EINVAL, 0);
	r = q->ops->next(q, m, deadline);
	if (r >= 0)
		return 0;
	memset(m, 0, sizeof(*m));
	return ipcx_explain(q,
			    held && (r == -EPERM || r == -ESTALE) ? IPCX_OP_RELEASE : IPCX_OP_TAKE,
			    -r, 0);
}

int ipcx_queue_peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	int r = q->ops->peek(q, m);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_TAKE, -r, 0) : 0;
}

int ipcx_queue_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		    int64_t deadline)
{
	int r = q->ops->call(q, request, reply, deadline);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_CALL, -r, 0) : 0;
}

int ipcx_queue_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	int r = q->ops->answer(q, m, deadline);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_CALL, -r, 0) : 0;
}

int ipcx_queue_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			  struct ipcx_msg *reply)
{
	int r = q->ops->loan_reply(q, request, len, reply);

	return ipcx_unlikely(r < 0) ? ipcx_explain(q, IPCX_OP_REPLY, -r, len) : 0;
}

static int reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *m, bool next,
		 int64_t deadline)
{
	size_t len = m->len;
	int r = q->ops->reply(q, request, m, next, deadline);

	if (r >= 0)
		return 0;
	if (request->priv[IPCX_PRIV_HOLDER])
		return ipcx_explain(q, IPCX_OP_REPLY, -r, len);
	if (next)
		memset(request, 0, sizeof(*request));
	return ipcx_explain(q, IPCX_OP_TAKE, -r, len);
}

int ipcx_queue_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *m)
{
	return reply(q, request, m, false, IPCX_NOWAIT);
}

int ipcx_queue_reply_next(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *m,
			  int64_t deadline)
{
	return reply(q, request, m, true, deadline);
}

static __attribute__((noinline)) int send_by_loan(struct ipcx_queue *q, const void *buf, size_t len,
						  int64_t deadline)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, len, &m, deadline);

	if (r)
		return r;
	if (len)
		memcpy(m.data, buf, len);
	r = q->ops->commit(q, &m, 1);
	if (ipcx_unlikely(r < 0)) {
		q->ops->cancel(q, &m, 1);
		return ipcx_explain(q, IPCX_OP_COMMIT, -r, 0);
	}
	return 0;
}

/* What a transport that has them does by send and recv */
static bool at_once(size_t len, int64_t deadline)
{
	return len && (deadline == IPCX_FOREVER || deadline == IPCX_NOWAIT);
}

/* Somebody has made the descriptor one that does not wait; the caller waits all the same. */
static bool must_wait(ssize_t r, int64_t deadline)
{
	return r == -EAGAIN && deadline == IPCX_FOREVER;
}

int ipcx_queue_send(struct ipcx_queue *q, const void *buf, size_t len, int64_t deadline)
{
	int r;

	if (!q->ops->send || !at_once(len, deadline))
		return send_by_loan(q, buf, len, deadline);
	r = q->ops->send(q, buf, len, deadline);
	if (!ipcx_unlikely(r < 0))
		return 0;
	return must_wait(r, deadline) ? send_by_loan(q, buf, len, deadline) :
					ipcx_explain(q, IPCX_OP_LOAN, -r, len);
}

static __attribute__((noinline)) ssize_t recv_by_take(struct ipcx_queue *q, void *buf, size_t cap,
						      int64_t deadline)
{
	struct ipcx_msg m;
	int r = q->ops->take(q, cap, &m, 1, deadline);

	if (ipcx_unlikely(r < 0))
		return ipcx_explain(q, IPCX_OP_TAKE, -r, cap);
	if (m.len)
		memcpy(buf, m.data, m.len);
	r = ipcx_queue_release(q, &m);
	return r ? r : (ssize_t)m.len;
}

ssize_t ipcx_queue_recv(struct ipcx_queue *q, void *buf, size_t cap, int64_t deadline)
{
	ssize_t r;

	if (!q->ops->recv || !at_once(cap, deadline))
		return recv_by_take(q, buf, cap, deadline);
	r = q->ops->recv(q, buf, cap, deadline);
	if (!ipcx_unlikely(r < 0))
		return r;
	return must_wait(r, deadline) ? recv_by_take(q, buf, cap, deadline) :
					ipcx_explain(q, IPCX_OP_TAKE, -r, cap);
}
