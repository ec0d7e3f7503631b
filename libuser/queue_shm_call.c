// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues over shared memory: requests, as their sender sees them, see queue_shm.h.
 *
 * Who waits sleeps on the futex that all answers of its ring change. That the receiver is gone, or
 * the request too late, nobody tells: who waits looks after that himself, from time to time.
 *
 * LOCKS: the handle's.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "copied.h"
#include "queue_shm_call.h"

/* In ipcx_msg.priv[ID] of a request that was sent and has no answer yet */
#define CALL_GOES_ON UINT64_MAX

#define LOOK_NS INT64_C(20000000)
#define WHY (IPCX_CANCELED | IPCX_POISON | IPCX_EXPIRED | IPCX_OWNERDEAD)

static struct ipcx_shm_answers *answers_of(const struct shm_queue *s)
{
	return ipcx_answers(s->t, IPCX_TOPIC_MAP_RING);
}

static bool has(uint64_t mask, unsigned int i)
{
	return mask >> i & 1;
}

/* Id of who receives, or was not seen to be gone yet; 0: nobody */
static uint64_t receiver_of(const struct shm_queue *s)
{
	return __atomic_load_n(&s->t->shm->table->member[IPCX_SHM_SUBS].id, __ATOMIC_ACQUIRE);
}

static uint64_t number_of(const struct ipcx_shm_call *c)
{
	return ipcx_pos_add(c->pos, 1);
}

static void make_free(struct shm_queue *s, unsigned int i)
{
	uint64_t bit = UINT64_C(1) << i;

	__atomic_store_n(&answers_of(s)->at[i].word, IPCX_CALL_NONE, __ATOMIC_RELEASE);
	s->pending &= ~bit;
	s->given_up &= ~bit;
}

/* Places that the receiver has done with since. It may have written a reply, or a part of one. */
static void collect(struct shm_queue *s)
{
	for (uint64_t left = s->given_up; left; left &= left - 1) {
		unsigned int i = __builtin_ctzll(left);
		uint64_t word = __atomic_load_n(&answers_of(s)->at[i].word, __ATOMIC_ACQUIRE);

		if (word != ipcx_call_word(s->call[i].pos, IPCX_CALL_OVER))
			continue;
		ipcx_reply_free(s->t, s->t->o.out_ring, i, s->t->o.out_stride);
		make_free(s, i);
	}
}

static int get_place(struct shm_queue *s, const struct ipcx_msg *m, bool call)
{
	uint64_t used;
	int i;

	collect(s);
	used = s->pending | s->given_up;
	if (!~used)
		return -ENOBUFS;
	i = __builtin_ctzll(~used);
	s->call[i] = (struct ipcx_shm_call){
		.pos = m->priv[IPCX_TOPIC_PRIV_POS],
		.server = receiver_of(s),
		.tag = m->tag,
		.expires = m->expires,
		.prio = m->prio,
		.waiting = call,
	};
	s->pending |= UINT64_C(1) << i;
	__atomic_store_n(&answers_of(s)->at[i].word,
			 ipcx_call_word(s->call[i].pos, IPCX_CALL_WAITING), __ATOMIC_RELEASE);
	return i;
}

/* Commits. @call: this thread waits for the answer. Return: 0, or a bare negative errno. */
int ipcx_shm_request(struct shm_queue *s, struct ipcx_msg *m, bool call)
{
	struct ipcx_topic *t = s->t;
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	int i, r;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan)
		return -EPERM;
	if (m->prio > 31 || m->expires < 0)
		return -EINVAL;
	ipcx_lock(&t->lock);
	i = get_place(s, m, call);
	ipcx_unlock(&t->lock);
	if (i < 0)
		return i;
	r = ipcx_topic_commit_more(t, m, i + 1);
	if (r) {
		ipcx_lock(&t->lock);
		make_free(s, i);
		ipcx_unlock(&t->lock);
		return r;
	}
	m->seq = ipcx_pos_add(pos, 1);
	ipcx_shm_count(t, &s->sent);
	return 0;
}

/*
 * Why nobody will answer it, or 0; @word is what became of it, @now was the receiver before that
 * was read. If it is still, it was so when @by was read: one that has the request writes itself
 * there first.
 */
static uint32_t why_over(struct shm_queue *s, unsigned int i, uint64_t word, uint64_t now)
{
	struct ipcx_shm_call *c = &s->call[i];
	uint64_t by = __atomic_load_n(&answers_of(s)->at[i].server, __ATOMIC_ACQUIRE);
	bool taken = word == ipcx_call_word(c->pos, IPCX_CALL_TAKEN);

	if ((taken ? now != by : !now && c->server) && receiver_of(s) == now)
		return IPCX_OWNERDEAD;
	if (now)
		c->server = now;
	return !taken && c->expires && c->expires <= ipcx_copied_now() ? IPCX_EXPIRED : 0;
}

static int read_all(const struct ipcx_topic *t, char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pread(t->mem, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPROTO;
		data += n;
		len -= n;
		at += n;
	}
	return 0;
}

/* The answer to @c without its payload */
static void fill_answer(struct ipcx_shm_held *h, const struct ipcx_shm_call *c, uint32_t flags)
{
	h->m.flags = flags;
	h->m.prio = c->prio;
	h->m.seq = number_of(c);
	h->m.tag = c->tag;
}

/* An answer has come. Return: 0, -ENOMEM: it stays, or -EPROTO. */
static int fetch(struct shm_queue *s, unsigned int i, struct ipcx_shm_held **h)
{
	const struct ipcx_shm_answer *a = &answers_of(s)->at[i];
	uint64_t len = __atomic_load_n(&a->len, __ATOMIC_RELAXED);
	uint32_t flags = __atomic_load_n(&a->flags, __ATOMIC_RELAXED);
	struct ipcx_topic *t = s->t;
	int r = -EPROTO;

	if (!(flags & ~WHY) && len <= (flags ? 0 : t->o.out_msg_max)) {
		*h = ipcx_shm_hold(s, IPCX_SHM_ANSWER, len);
		if (!*h)
			return -ENOMEM;
		fill_answer(*h, &s->call[i], flags);
		r = read_all(t, (*h)->data, len, ipcx_reply_at(t, t->o.out_ring, i));
		if (r)
			free(*h);
	}
	/* where there is no reply, one may have been begun */
	ipcx_reply_free(t, t->o.out_ring, i, r || flags ? t->o.out_stride : len);
	make_free(s, i);
	return r;
}

/* Nobody waits for it any more. Return: whether that came before its answer. */
static bool give_up(struct shm_queue *s, unsigned int i, uint64_t word)
{
	uint64_t bit = UINT64_C(1) << i;

	if (!ipcx_call_change(&answers_of(s)->at[i], word,
			      ipcx_call_word(s->call[i].pos, IPCX_CALL_GIVEN_UP)))
		return false;
	s->pending &= ~bit;
	s->given_up |= bit;
	return true;
}

/* Return: 0 and the answer, -EAGAIN, -ENOMEM, -EPROTO; with @late -ETIMEDOUT: it was given up. */
static int look(struct shm_queue *s, unsigned int i, bool late, struct ipcx_shm_held **h)
{
	const struct ipcx_shm_call *c = &s->call[i];
	const struct ipcx_shm_answer *a = &answers_of(s)->at[i];

	for (;;) {
		uint64_t now = receiver_of(s);
		uint64_t word = __atomic_load_n(&a->word, __ATOMIC_ACQUIRE);
		uint32_t why;

		if (word == ipcx_call_word(c->pos, IPCX_CALL_ANSWERED))
			return fetch(s, i, h);
		if (word != ipcx_call_word(c->pos, IPCX_CALL_WAITING) &&
		    word != ipcx_call_word(c->pos, IPCX_CALL_TAKEN)) {
			make_free(s, i);
			return -EPROTO;
		}
		why = why_over(s, i, word, now);
		if (!why && !late)
			return -EAGAIN;
		*h = ipcx_shm_hold(s, IPCX_SHM_ANSWER, 0);
		if (!*h)
			return -ENOMEM;
		fill_answer(*h, c, why);
		if (give_up(s, i, word)) {
			if (why)
				return 0;
			free(*h);
			return -ETIMEDOUT;
		}
		free(*h);
	}
}

/* One that was put back */
static struct ipcx_shm_held *get_back(struct shm_queue *s)
{
	struct ipcx_shm_held *h = s->back;

	if (h)
		s->back = h->next;
	return h;
}

/*
 * The answer to request @number, or with 0 any that no thread waits for, of each place in its turn.
 * @late: it is given up. Return: as look(), or -ENOENT: it was got already.
 */
static int get(struct shm_queue *s, uint64_t number, bool late, struct ipcx_msg *m)
{
	struct ipcx_shm_held *h = number ? NULL : get_back(s);
	int r = h ? 0 : number ? -ENOENT : -EAGAIN;

	for (unsigned int n = 0; r && n < IPCX_SHM_CALLS; n++) {
		unsigned int i = (s->turn + n) % IPCX_SHM_CALLS;
		int found;

		if (!has(s->pending, i) ||
		    (number ? number_of(&s->call[i]) != number : s->call[i].waiting))
			continue;
		found = look(s, i, late && number, &h);
		if (found != -EAGAIN || number)
			r = found;
		if (found == -EAGAIN || found == -ENOMEM)
			continue;
		if (!number)
			s->turn = i + 1;
		break;
	}
	if (r)
		return r;
	ipcx_shm_hold_again(s, h);
	*m = h->m;
	return 0;
}

/* Return: 0: look again, after all that is left until the deadline or a moment; or -EINTR. */
static int sleep_a_little(struct shm_queue *s, uint32_t news, int64_t deadline)
{
	int64_t left = LOOK_NS;
	struct __kernel_old_timespec ts; /* that of SYS_futex, whatever libc's is */

	if (deadline != IPCX_FOREVER && deadline - ipcx_copied_now() < left)
		left = deadline - ipcx_copied_now();
	ts = (struct __kernel_old_timespec){ .tv_nsec = left > 0 ? left : 0 };
	if (!syscall(SYS_futex, &answers_of(s)->news, FUTEX_WAIT, news, &ts, NULL, 0))
		return 0;
	if (errno == ETIMEDOUT)
		ipcx_shm_notice(s->t); /* the receiver, if it is dead */
	return errno == EINTR ? -EINTR : 0;
}

/* Return: 0 and the answer, or a bare negative errno. */
static int wait_for(struct shm_queue *s, uint64_t number, int64_t deadline, struct ipcx_msg *m)
{
	struct ipcx_topic *t = s->t;
	bool late = false, last = false;
	int r;

	for (;;) {
		uint32_t news = __atomic_load_n(&answers_of(s)->news, __ATOMIC_ACQUIRE);

		ipcx_lock(&t->lock);
		r = get(s, number, late && deadline, m);
		ipcx_unlock(&t->lock);
		if (r != -EAGAIN)
			return r;
		if (ipcx_topic_ended(t, IPCX_PUBLISH))
			return -ENOTCONN;
		if (last)
			return deadline ? -ETIMEDOUT : -EAGAIN;
		late = deadline != IPCX_FOREVER && ipcx_copied_now() >= deadline;
		last = late;
		if (late) {
			ipcx_shm_notice(t);
			continue;
		}
		r = sleep_a_little(s, news, deadline);
		if (r)
			return r;
	}
}

/* Return: 0 when this thread alone waits for the answer, or no more. */
static int begin_waiting(struct shm_queue *s, uint64_t number, bool begin)
{
	int r = -ENOENT;

	ipcx_lock(&s->t->lock);
	for (unsigned int i = 0; i < IPCX_SHM_CALLS; i++) {
		struct ipcx_shm_call *c = &s->call[i];

		if (!has(s->pending, i) || number_of(c) != number)
			continue;
		r = begin && c->waiting ? -EBUSY : 0;
		if (!r)
			c->waiting = begin;
	}
	ipcx_unlock(&s->t->lock);
	return r;
}

/* What an answer without a reply means to ipcx_queue_call() */
static int answer_error(uint32_t flags)
{
	if (!flags)
		return 0;
	if (flags & IPCX_EXPIRED)
		return -ETIME;
	return flags & IPCX_OWNERDEAD ? -EOWNERDEAD : -ECANCELED;
}

static int check(const struct ipcx_queue *q, int64_t deadline)
{
	if (q->fd < 0)
		return -EBADF;
	if (!(q->flags & IPCX_SEND))
		return -EPERM;
	return deadline < 0 ? -EINVAL : 0;
}

static int begin_call(struct shm_queue *s, struct ipcx_msg *request)
{
	int r;

	if (request->priv[IPCX_TOPIC_PRIV_ID] == CALL_GOES_ON &&
	    !request->priv[IPCX_TOPIC_PRIV_HOLDER])
		return begin_waiting(s, request->seq, true);
	if (request->flags & ~IPCX_REQUEST)
		return -EOPNOTSUPP;
	r = ipcx_shm_request(s, request, true);
	if (!r)
		request->priv[IPCX_TOPIC_PRIV_ID] = CALL_GOES_ON;
	return r;
}

int ipcx_shm_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		  int64_t deadline)
{
	struct shm_queue *s = ipcx_shm_queue(q);
	int r = check(q, deadline);

	if (!r && reply->priv[IPCX_TOPIC_PRIV_HOLDER] &&
	    !ipcx_shm_drop_held(s, IPCX_SHM_ANSWER, reply))
		r = -EPERM;
	if (!r)
		r = begin_call(s, request);
	if (r == -ENOENT)
		request->priv[IPCX_TOPIC_PRIV_ID] = 0;
	if (r)
		return r;
	r = wait_for(s, request->seq, deadline, reply);
	begin_waiting(s, request->seq, false);
	if (r == -EAGAIN || r == -EINTR || r == -ENOMEM)
		return r;
	request->priv[IPCX_TOPIC_PRIV_ID] = 0;
	if (!r)
		r = answer_error(reply->flags);
	if (r && reply->priv[IPCX_TOPIC_PRIV_HOLDER])
		ipcx_shm_drop_held(s, IPCX_SHM_ANSWER, reply);
	return r;
}

int ipcx_shm_get_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	int r = check(q, deadline);

	return r ? r : wait_for(ipcx_shm_queue(q), 0, deadline, m);
}

void ipcx_shm_count_calls(const struct shm_queue *s, struct ipcx_queue_stats *stats)
{
	for (const struct ipcx_shm_held *h = s->back; h; h = h->next)
		stats->answers++;
	stats->requests += __builtin_popcountll(s->pending);
}
