// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues over shared memory: requests, as their receiver sees them. What a caller has written is a
 * hint; who is told nonsense of a request leaves its ring.
 *
 * Before the message itself changes hands, or goes, its request does: should this process be killed
 * between the two, the next receiver finds by the request what to do with the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "queue_shm_call.h"

/* What has changed is an answer: whoever waits for one looks. */
static void tell(struct ipcx_shm_answers *all)
{
	__atomic_fetch_add(&all->news, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &all->news, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static struct ipcx_shm_answers *answers_of(const struct ipcx_topic *t, unsigned int ring)
{
	return ipcx_answers(t, ipcx_topic_map_of(ring));
}

/* Its caller has given it up, and learns that it has its place back. Return: whether it had. */
static bool is_given_up(struct ipcx_shm_answer *a, uint64_t pos)
{
	return ipcx_call_change(a, ipcx_call_word(pos, IPCX_CALL_GIVEN_UP),
				ipcx_call_word(pos, IPCX_CALL_OVER));
}

/*
 * The request at @pos is answered, if it is @state still; else its place may be that of another
 * since, or have its answer.
 */
static void answer(struct ipcx_shm_answers *all, uint32_t call, uint64_t pos,
		   enum ipcx_call_state state, uint32_t flags, uint64_t len)
{
	struct ipcx_shm_answer *a = &all->at[call - 1];
	uint64_t word = ipcx_call_word(pos, state);

	if (__atomic_load_n(&a->word, __ATOMIC_ACQUIRE) == word) {
		__atomic_store_n(&a->flags, flags, __ATOMIC_RELAXED);
		__atomic_store_n(&a->len, len, __ATOMIC_RELAXED);
		if (ipcx_call_change(a, word, ipcx_call_word(pos, IPCX_CALL_ANSWERED))) {
			tell(all);
			return;
		}
	}
	is_given_up(a, pos);
}

/* Return: 1: it is to be served; 0: nobody waits for that; or -EPROTO. */
int ipcx_request_take(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
		      uint64_t pos, uint32_t call, bool late)
{
	struct ipcx_shm_answers *all = answers_of(t, reader->ring);
	uint64_t waiting = ipcx_call_word(pos, IPCX_CALL_WAITING);
	struct ipcx_shm_answer *a;

	if (!reader->alive)
		return 0;
	if (call > IPCX_SHM_CALLS)
		return -EPROTO;
	a = &all->at[call - 1];
	if (late) {
		answer(all, call, pos, IPCX_CALL_WAITING, IPCX_EXPIRED, 0);
		return 0;
	}
	__atomic_store_n(&a->server, t->shm->id[IPCX_SHM_SUB], __ATOMIC_RELAXED);
	if (ipcx_call_change(a, waiting, ipcx_call_word(pos, IPCX_CALL_TAKEN)))
		return 1;
	return is_given_up(a, pos) ? 0 : -EPROTO;
}

/* It waits again, for whoever takes it next; if it was given up, that one will see. */
void ipcx_request_put_back(const struct ipcx_topic *t, const struct ipcx_msg *m)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE], pos = m->priv[IPCX_TOPIC_PRIV_POS];
	uint32_t call = where >> IPCX_WHERE_CALL;

	if (call)
		ipcx_call_change(&answers_of(t, where & 0xff)->at[call - 1],
				 ipcx_call_word(pos, IPCX_CALL_TAKEN),
				 ipcx_call_word(pos, IPCX_CALL_WAITING));
}

/*
 * Of a message that a receiver has had which is gone. Return: whether it is a request that must not
 * come again: it had come to the application, or was answered.
 */
bool ipcx_request_is_over(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
			  uint64_t pos, uint32_t call)
{
	struct ipcx_shm_answers *all = answers_of(t, reader->ring);

	if (!call || call > IPCX_SHM_CALLS)
		return false;
	answer(all, call, pos, IPCX_CALL_TAKEN, IPCX_OWNERDEAD, 0);
	return __atomic_load_n(&all->at[call - 1].word, __ATOMIC_ACQUIRE) !=
	       ipcx_call_word(pos, IPCX_CALL_WAITING);
}

/*
 * With the handle's lock held. Return: 1: @m is a request that is held; 0: its ring was left; or
 * -EPERM, -EINVAL.
 */
static int find_request(const struct ipcx_topic *t, const struct ipcx_msg *m)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE];
	const struct ipcx_topic_reader *reader;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->held)
		return -EPERM;
	reader = &t->reader[where & 0xff];
	if (reader->id != m->priv[IPCX_TOPIC_PRIV_ID])
		return where >> IPCX_WHERE_CALL ? 0 : -EINVAL;
	if (!ipcx_lease_is_held(reader, m->priv[IPCX_TOPIC_PRIV_POS]))
		return -EPERM;
	return where >> IPCX_WHERE_CALL ? 1 : -EINVAL;
}

/* Writes the reply where its caller reads it. */
static int write_all(const struct ipcx_topic *t, const char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(t->mem, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n && errno != ENOSPC ? -errno : -ENOMEM;
		data += n;
		len -= n;
		at += n;
	}
	return 0;
}

/*
 * @len bytes of the reply in place @i are of no use any more. What is no longer than a page may
 * stay.
 */
void ipcx_reply_free(const struct ipcx_topic *t, unsigned int ring, unsigned int i, uint64_t len)
{
	/* of a page that is hit in part, only bytes would go */
	uint64_t whole = (len + t->page - 1) / t->page * t->page;

	if (len > t->page)
		fallocate(t->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  ipcx_reply_at(t, ring, i),
			  whole < t->o.out_stride ? whole : t->o.out_stride);
}

static int answer_locked(const struct ipcx_topic *t, const struct ipcx_msg *m, uint32_t flags,
			 const void *data, size_t len)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE], pos = m->priv[IPCX_TOPIC_PRIV_POS];
	uint32_t call = where >> IPCX_WHERE_CALL;
	unsigned int ring = where & 0xff;
	int r = find_request(t, m);

	if (r <= 0)
		return r;
	/* or nobody wants it any more */
	if (__atomic_load_n(&answers_of(t, ring)->at[call - 1].word, __ATOMIC_RELAXED) ==
	    ipcx_call_word(pos, IPCX_CALL_TAKEN))
		r = write_all(t, data, len, ipcx_reply_at(t, ring, call - 1));
	if (r < 0) { /* it is held still, and so is its place */
		ipcx_reply_free(t, ring, call - 1, len);
		return r;
	}
	answer(answers_of(t, ring), call, pos, IPCX_CALL_TAKEN, flags, len);
	return 0;
}

/* A message goes without a reply; if it is a request, whoever asked is told. */
void ipcx_shm_refuse(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	ipcx_lock(&t->lock);
	answer_locked(t, m, IPCX_CANCELED, NULL, 0);
	ipcx_unlock(&t->lock);
}

int ipcx_shm_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			struct ipcx_msg *reply)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	struct ipcx_topic *t = s->t;
	struct ipcx_shm_held *h;
	int r;

	if (q->fd < 0)
		return -EBADF;
	ipcx_lock(&t->lock);
	r = find_request(t, request);
	ipcx_unlock(&t->lock);
	if (r < 0)
		return -EPERM;
	if (len > q->attr.msg_max)
		return -EMSGSIZE;
	h = ipcx_shm_hold(s, IPCX_SHM_REPLY, len);
	if (!h)
		return -ENOMEM;
	*reply = h->m;
	return 0;
}

static int send_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	const struct ipcx_shm_held *loan = NULL;
	struct ipcx_topic *t = s->t;
	int r;

	if (reply->priv[IPCX_PRIV_HOLDER]) {
		loan = ipcx_shm_find_held(s, IPCX_SHM_REPLY, reply);
		if (!loan)
			return -EPERM;
	}
	if (reply->len > (loan ? loan->m.len : s->base.attr.msg_max))
		return -EMSGSIZE;
	ipcx_lock(&t->lock);
	r = answer_locked(t, request, 0, loan ? loan->m.data : reply->data, reply->len);
	ipcx_unlock(&t->lock);
	if (!r)
		r = ipcx_topic_release_carefully(t, request);
	if (r)
		return r;
	if (loan)
		ipcx_shm_drop_held(s, IPCX_SHM_REPLY, reply);
	reply->data = NULL;
	reply->priv[IPCX_PRIV_HOLDER] = 0;
	ipcx_shm_count(t, &s->released);
	return 0;
}

int ipcx_shm_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		   bool next, int64_t deadline)
{
	return ipcx_reply_and_take(q, request, reply, next, deadline, send_reply);
}
