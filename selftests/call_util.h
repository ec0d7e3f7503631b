/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests, replies and inline messages, without the library. */
#ifndef IPCX_CALL_UTIL_H
#define IPCX_CALL_UTIL_H

#include <pthread.h>

#include "ipcx_util.h"

#define PLACES 64 /* slots of the deepest queue here */

/* An endpoint that maps both windows and has places for inline messages. */
struct side {
	struct end e;
	char place[PLACES][IPCX_INLINE_MAX];
};

static inline int side_open(struct side *s, const char *name, unsigned int flags)
{
	int err = end_open(&s->e, name, flags);

	if (err)
		return err;
	if (!s->e.tx)
		s->e.tx = map_tx(&s->e);
	if (!s->e.rx)
		s->e.rx = map_rx(&s->e);
	return s->e.tx == MAP_FAILED || s->e.rx == MAP_FAILED ? -errno : 0;
}

static inline int side_loan(const struct side *s, struct ipcx_desc *d, uint64_t len,
			    unsigned int kind)
{
	return raw_loan_kind(s->e.fd, d, len, IPCX_DEADLINE_NOWAIT, kind);
}

/* As it is, by COMMIT with @flags. */
static inline int side_commit_how(struct side *s, struct ipcx_desc *d, unsigned int flags)
{
	struct ipcx_queue_commit c = {
		.size = sizeof(c),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = 1,
		.desc_size = sizeof(*d),
		.inline_data = (uintptr_t)s->place,
	};

	return xioctl(s->e.fd, IPCX_IOC_QUEUE_COMMIT, &c);
}

static inline int side_commit(struct side *s, struct ipcx_desc *d, unsigned int flags)
{
	d->flags = flags;
	return side_commit_how(s, d, 0);
}

static inline int side_take(struct side *s, struct ipcx_desc *d, int64_t deadline,
			    unsigned int flags)
{
	return raw_take_places(s->e.fd, d, deadline, flags, s->place);
}

static inline int side_answer(struct side *s, struct ipcx_desc *d, int64_t deadline)
{
	return side_take(s, d, deadline, IPCX_TAKE_ANSWER);
}

static inline int side_call(struct side *s, struct ipcx_desc *request, struct ipcx_desc *reply,
			    int64_t deadline, unsigned int flags)
{
	struct ipcx_queue_call c = {
		.size = sizeof(c),
		.flags = flags,
		.request = (uintptr_t)request,
		.reply = (uintptr_t)reply,
		.desc_size = sizeof(*request),
		.deadline = deadline,
		.inline_data = (uintptr_t)s->place,
	};

	return xioctl(s->e.fd, IPCX_IOC_QUEUE_CALL, &c);
}

/* @reply: a loan; or NULL: @len bytes of @data, inline; @flags: IPCX_REPLY_* */
static inline int side_reply_flags(struct side *s, struct ipcx_desc *request,
				   struct ipcx_desc *reply, const void *data, size_t len,
				   int64_t deadline, unsigned int flags)
{
	struct ipcx_desc d = { .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE, .len = len };
	struct ipcx_queue_reply r = {
		.size = sizeof(r),
		.flags = flags,
		.request = (uintptr_t)request,
		.reply = (uintptr_t)(reply ?: &d),
		.desc_size = sizeof(d),
		.deadline = deadline,
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)s->place,
		.reply_data = (uintptr_t)data,
	};

	return xioctl(s->e.fd, IPCX_IOC_QUEUE_REPLY, &r);
}

static inline int side_reply(struct side *s, struct ipcx_desc *request, struct ipcx_desc *reply,
			     const void *data, size_t len)
{
	return side_reply_flags(s, request, reply, data, len, 0, 0);
}

/* A request or, without IPCX_MSG_REQUEST in @flags, a message of @len bytes of @fill, inline. */
static inline int side_send_inline(struct side *s, struct ipcx_desc *d, size_t len, int fill,
				   unsigned int flags)
{
	unsigned int kind = flags & IPCX_MSG_REQUEST ? IPCX_LOAN_REQUEST : 0;
	int ret = side_loan(s, d, len, kind | IPCX_LOAN_INLINE);

	if (ret < 0)
		return ret;
	memset(s->place[d->slot], fill, len);
	return side_commit(s, d, flags | IPCX_MSG_INLINE);
}

static inline struct ipcx_queue_stat stat_of(const struct side *s)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };

	if (xioctl(s->e.fd, IPCX_IOC_QUEUE_STAT, &st))
		st.out_free = ~0U;
	return st;
}

/* Nothing is left of what was sent, and what was sent is accounted for. */
static inline bool all_free(const struct side *s)
{
	struct ipcx_queue_stat st = stat_of(s);

	return st.out_free == s->e.o.out_depth && !st.out_loaned && !st.out_queued &&
	       !st.out_leased && !st.out_answers && !st.out_requests &&
	       st.out_sent == st.out_released + st.out_dropped_oldest + st.out_dropped_newest +
				      st.out_expired + st.out_poison + st.out_withdrawn;
}

/* What an answer that TAKE brought would have been as the error of a CALL. */
static inline int answer_error(const struct ipcx_desc *d)
{
	if (d->flags & IPCX_MSG_EXPIRED)
		return -ETIME;
	if (d->flags & IPCX_MSG_OWNERDEAD)
		return -EOWNERDEAD;
	return d->flags & (IPCX_MSG_CANCELED | IPCX_MSG_POISON) ? -ECANCELED : 0;
}

/* A thread that calls. */
struct call_thread {
	struct side *c;
	struct ipcx_desc ask, answer;
	pthread_t thread;
	int err;
	int64_t returned;
};

static inline void *call_main(void *arg)
{
	struct call_thread *t = arg;

	t->err = side_call(t->c, &t->ask, &t->answer, in_ms(20000), 0);
	t->returned = now_ns();
	return NULL;
}

/* Of @c, with a request of 4 bytes and @tag. */
static inline int call_start(struct call_thread *t, struct side *c, uint64_t tag)
{
	int ret = side_loan(c, &t->ask, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE);

	if (ret < 0)
		return ret;
	t->c = c;
	t->ask.flags = IPCX_MSG_INLINE;
	t->ask.tag = tag;
	return -pthread_create(&t->thread, NULL, call_main, t);
}

/* Waits until the queue has @n messages queued. */
static inline bool queued_soon(const struct side *s, uint32_t n)
{
	int64_t end = in_ms(10000);

	while (stat_of(s).out_queued != n)
		if (now_ns() > end || usleep(500))
			return false;
	return true;
}

#endif /* IPCX_CALL_UTIL_H */
