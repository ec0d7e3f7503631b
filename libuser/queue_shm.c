// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "shm": a queue over shared memory, see queue_shm.h. All that carries messages is in
 * the files of topics.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copied.h"
#include "kernel.h"
#include "place.h"
#include "queue_shm_call.h"

static_assert((int)IPCX_PRIV_HOLDER == (int)IPCX_TOPIC_PRIV_HOLDER, "the same word of a message");

/* Flags that queues and topics have, and those of both kinds */
#define FLAGS_BOTH (IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL | IPCX_SINGLE_THREAD)

/* Threads that use the handle count too. */
void ipcx_shm_count(const struct ipcx_topic *t, uint64_t *word)
{
	if (__libc_single_threaded || t->lock.none)
		++*word;
	else
		__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

static int check_options(const char *name, unsigned int flags, const struct ipcx_queue_opts *opts)
{
	const char *what = NULL;

	if (!*name)
		what = "queues without a name";
	else if (flags & IPCX_SEALED)
		what = "sealed queues whose messages are not copied";
	else if (flags & IPCX_INHERIT)
		what = "IPCX_INHERIT";
	else if (opts->dead_letter || opts->max_deliveries)
		what = "messages that are given up (dead_letter, max_deliveries)";
	else if (opts->lease_ms || opts->leases_max)
		what = "limits of leases (lease_ms, leases_max)";
	else if (opts->policy > IPCX_FAIL)
		what = "policies that drop messages";
	if (what)
		return ipcx_fail(EOPNOTSUPP, "only the transport \"kernel\" has %s", what);
	if (opts->depth > IPCX_TOPIC_DEPTH_MAX)
		return ipcx_fail(EINVAL, "depth %u is larger than %u", opts->depth,
				 IPCX_TOPIC_DEPTH_MAX);
	return ipcx_kernel_check_name(name);
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t depth = IPCX_TOPIC_DEPTH_MIN;

	while (depth < n)
		depth *= 2;
	return depth;
}

static void set_attr(struct shm_queue *s)
{
	const struct ipcx_topic_attr *a = &s->t->attr;

	s->base.attr = (struct ipcx_queue_attr){
		.id = a->id,
		.msg_max = a->msg_max,
		.bytes_max = a->bytes_max,
		.depth = s->t->limit,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.policy = s->t->policy,
		.flags = a->flags & IPCX_EPHEMERAL,
	};
}

static int open_shm(struct ipcx_queue **q, const char *name, unsigned int flags,
		    const struct ipcx_queue_opts *opts)
{
	IPCX_TOPIC_OPTS(of_topic, .mode = opts->mode,
			.msg_max = opts->msg_max ? opts->msg_max : IPCX_MSG_MAX_DEFAULT);
	uint32_t depth = opts->depth ? opts->depth : 64;
	uint64_t page = sysconf(_SC_PAGESIZE);
	struct shm_queue *s;
	int r = check_options(name, flags, opts);

	if (r)
		return r;
	of_topic.depth = power_of_two(depth);
	of_topic.bytes_max = (opts->bytes_max + page - 1) / page * page;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a queue");
	r = ipcx_topic_open_queue(&s->t, name,
				  (flags & FLAGS_BOTH) | (flags & IPCX_SEND ? IPCX_PUBLISH : 0) |
					  (flags & IPCX_RECV ? IPCX_SUBSCRIBE : 0),
				  &of_topic, depth, opts->policy);
	if (r) {
		free(s);
		return r;
	}
	set_attr(s);
	s->base.fd = s->t->fd;
	strcpy(s->base.name, s->t->name);
	*q = &s->base;
	return 0;
}

static int unlink_shm(const char *name, bool now)
{
	int r = ipcx_kernel_check_name(name);

	return r ? r : ipcx_place_remove(name, ".queue", S_IFREG, now);
}

static void close_shm(struct ipcx_queue *q)
{
	if (q->fd >=
	    0) /* or it is a forked child, where another thread may have been changing it */
		ipcx_shm_free_held(ipcx_shm_queue(q));
	ipcx_topic_free(ipcx_shm_queue(q)->t);
	free(q);
}

static void forked(struct ipcx_queue *q)
{
	if (q->fd >= 0)
		ipcx_topic_in_child(ipcx_shm_queue(q)->t);
	q->fd = -1;
}

static void polled(struct ipcx_queue *q)
{
	ipcx_shm_polled(ipcx_shm_queue(q)->t);
}

ipcx_hot int loan_one(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	int r = ipcx_topic_loan(t, len, m, deadline);

	if (ipcx_unlikely(r))
		return r;
	m->prio = 0;
	m->flags = 0;
	m->seq = 0;
	m->expires = 0;
	return 1;
}

/* Apart, as commit_batch(), or one message would have to save registers. */
static __attribute__((noinline)) int
loan_batch(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, unsigned int n, int64_t deadline)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < n; i++) {
		r = loan_one(t, len, &m[i], i ? IPCX_NOWAIT : deadline);
		if (r < 0)
			break;
	}
	return i ? (int)i : r;
}

static int loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		int64_t deadline)
{
	struct ipcx_topic *t = ipcx_shm_queue(q)->t;

	if (ipcx_unlikely(t->policy == IPCX_FAIL && deadline > 0))
		deadline = IPCX_NOWAIT;
	return ipcx_usual(n == 1) ? loan_one(t, len, m, deadline) :
				    loan_batch(t, len, m, n, deadline);
}

/* What goes with a message that is not as usual */
ipcx_cold int commit_more(struct shm_queue *s, struct ipcx_msg *m)
{
	int r;

	if (s->base.fd < 0)
		return -EBADF;
	if (m->flags & ~IPCX_REQUEST)
		return -EOPNOTSUPP;
	if (m->prio > 31 || m->expires < 0)
		return -EINVAL;
	if (m->flags) {
		r = ipcx_shm_request(s, m, false);
		return r ? r : 1;
	}
	r = ipcx_topic_commit_more(s->t, m, 0);
	if (r)
		return r;
	ipcx_shm_count(s->t, &s->sent);
	return 1;
}

ipcx_hot int commit_one(struct shm_queue *s, struct ipcx_msg *m)
{
	int r;

	if (ipcx_unlikely(m->prio | m->flags | m->expires))
		return commit_more(s, m);
	r = ipcx_topic_commit(s->t, m);
	if (ipcx_unlikely(r))
		return r;
	ipcx_shm_count(s->t, &s->sent);
	return 1;
}

static __attribute__((noinline)) int commit_batch(struct shm_queue *s, struct ipcx_msg *m,
						  unsigned int n)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < n; i++) {
		r = commit_one(s, &m[i]);
		if (r < 0)
			break;
	}
	return i ? (int)i : r;
}

static int commit(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	struct shm_queue *s = ipcx_shm_queue(q);

	return ipcx_usual(n == 1) ? commit_one(s, m) : commit_batch(s, m, n);
}

static int cancel(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	struct ipcx_topic *t = ipcx_shm_queue(q)->t;
	unsigned int i, slots = 0;
	int r = 0;

	for (i = 0; i < n; i++) {
		if (q->fd >= 0 && ipcx_shm_drop_held(ipcx_shm_queue(q), IPCX_SHM_REPLY, &m[i]))
			continue;
		r = ipcx_topic_cancel(t, &m[i]);
		if (r)
			break;
		slots++;
	}
	if (slots)
		ipcx_shm_cancelled(t);
	return i ? (int)i : r;
}

/* What stopped a batch is an error of the next call. */
ipcx_cold void tell_later(struct ipcx_topic *t)
{
	ipcx_lock(&t->lock);
	t->broken++;
	ipcx_unlock(&t->lock);
	ipcx_shm_put_back(t);
}

static int take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		int64_t deadline)
{
	struct ipcx_topic *t = ipcx_shm_queue(q)->t;
	unsigned int i = 0;
	int r;

	do {
		r = ipcx_topic_take_up_to(t, len_max, &m[i], i ? IPCX_NOWAIT : deadline);
		if (ipcx_unlikely(r))
			break;
		m[i].seq++;
	} while (++i < n);
	if (ipcx_unlikely(!i))
		return r;
	if (ipcx_unlikely(r == -EPROTO))
		tell_later(t);
	ipcx_shm_taken(t);
	return i;
}

static bool has_again(const struct ipcx_topic *t)
{
	return ipcx_unlikely(__atomic_load_n(&t->has_again, __ATOMIC_RELAXED));
}

static int nack(struct shm_queue *s, struct ipcx_msg *m)
{
	struct ipcx_topic *t = s->t;
	int r;

	if (t->fd < 0)
		return -EBADF;
	if (ipcx_shm_put_answer_back(s, m))
		return 0;
	ipcx_lock(&t->lock);
	r = ipcx_lease_put_back(t, m, true);
	ipcx_unlock(&t->lock);
	if (r)
		return r;
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	ipcx_shm_count(t, &s->redelivered);
	ipcx_shm_put_back(t);
	return 0;
}

/* Neither an answer nor a request */
static bool is_message(const struct ipcx_topic *t, const struct ipcx_msg *m)
{
	return m->priv[IPCX_TOPIC_PRIV_HOLDER] == t->held &&
	       !(m->priv[IPCX_TOPIC_PRIV_WHERE] >> IPCX_WHERE_CALL);
}

ipcx_hot int release_one(struct shm_queue *s, struct ipcx_msg *m)
{
	int r;

	if (ipcx_unlikely(!is_message(s->t, m))) {
		if (s->base.fd >= 0 && ipcx_shm_drop_held(s, IPCX_SHM_ANSWER, m))
			return 1;
		ipcx_shm_refuse(s->t, m);
	}
	r = has_again(s->t) ? ipcx_topic_release_carefully(s->t, m) : ipcx_topic_release(s->t, m);

	if (ipcx_unlikely(r))
		return r;
	ipcx_shm_count(s->t, &s->released);
	return 1;
}

static int release(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool is_nack)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	unsigned int i;
	int r = 0;

	if (ipcx_usual(n == 1 && !is_nack))
		return release_one(s, m);
	for (i = 0; i < n; i++) {
		r = is_nack ? nack(s, &m[i]) : release_one(s, &m[i]);
		if (r < 0)
			break;
	}
	return i ? (int)i : r;
}

static int next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	bool held = m->priv[IPCX_PRIV_HOLDER];
	int r;

	if (held && (has_again(s->t) || !is_message(s->t, m))) {
		r = release_one(s, m);
		if (r < 0)
			return r;
		held = false;
	}
	r = ipcx_topic_next(s->t, m, deadline);
	if (held && r != -EPERM && r != -EBADF)
		ipcx_shm_count(s->t, &s->released);
	if (ipcx_unlikely(r))
		return r;
	m->seq++;
	ipcx_shm_taken(s->t);
	return 1;
}

static int peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	int r = ipcx_topic_peek(ipcx_shm_queue(q)->t, m);

	if (r)
		return r;
	m->seq++;
	m->data = NULL;
	memset(m->priv, 0, sizeof(m->priv));
	return 0;
}

/* What lies in a ring from a position on */
static uint64_t behind(const struct ipcx_topic *t, const struct ipcx_ring *ring, uint64_t pos)
{
	int64_t n = ipcx_pos_diff(__atomic_load_n(&ring->head, __ATOMIC_RELAXED), pos);

	return n < 0 ? 0 : n > t->limit ? t->limit : n;
}

/* How many members there are of those from @from on */
static unsigned int members(const struct ipcx_topic *t, unsigned int from, unsigned int end)
{
	unsigned int n = 0;

	for (; from < end; from++)
		n += !!__atomic_load_n(&t->shm->table->member[from].id, __ATOMIC_RELAXED);
	return n;
}

/* The handle's own counts; what others did is not known. */
static int stat_shm(const struct ipcx_queue *q, struct ipcx_queue_stats *stats)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	struct ipcx_topic *t = s->t;
	bool kick;

	if (q->fd < 0)
		return -EBADF;
	ipcx_shm_bury(t); /* the dead are not counted */
	stats->sent = __atomic_load_n(&s->sent, __ATOMIC_RELAXED);
	stats->released = __atomic_load_n(&s->released, __ATOMIC_RELAXED);
	stats->redelivered = __atomic_load_n(&s->redelivered, __ATOMIC_RELAXED);
	stats->senders = members(t, 0, IPCX_SHM_SUBS);
	stats->receivers = members(t, IPCX_SHM_SUBS, IPCX_SHM_SUBS + 1);
	ipcx_lock(&t->lock);
	ipcx_shm_count_calls(s, stats);
	stats->expired = t->expired;
	stats->loaned = t->pub.loans;
	if (t->o.out_sub >= 0)
		ipcx_topic_look(t);
	kick = ipcx_topic_made_room(t);
	for (unsigned int i = 0; i < t->nrings; i++) {
		const struct ipcx_topic_reader *reader = t->rings[i];

		stats->queued += behind(t, reader->sub->ring, reader->sub->pos) + reader->again;
		stats->leased += reader->sub->held - reader->again;
	}
	if (t->o.out_sub < 0)
		stats->queued =
			behind(t, t->pub.ring, ipcx_pub_control(&t->pub, 0)->cursor[t->o.out_ring]);
	ipcx_unlock(&t->lock);
	if (kick)
		ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
	return 0;
}

const struct ipcx_transport ipcx_transport_shm = {
	.name = "shm",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_REDELIVERY | IPCX_CAP_RECLAIM |
		IPCX_CAP_MANY_SENDERS | IPCX_CAP_POLL | IPCX_CAP_CALL,
	.open = open_shm,
	.unlink = unlink_shm,
	.close = close_shm,
	.polled = polled,
	.forked = forked,
	.loan = loan,
	.commit = commit,
	.cancel = cancel,
	.take = take,
	.release = release,
	.next = next,
	.peek = peek,
	.stat = stat_shm,
	.call = ipcx_shm_call,
	.answer = ipcx_shm_get_answer,
	.loan_reply = ipcx_shm_loan_reply,
	.reply = ipcx_shm_reply,
};
