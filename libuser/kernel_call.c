// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "kernel": requests and their answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kernel.h"

/* In ipcx_msg.priv[IPCX_PRIV_INLINE] of a request that was sent and has no answer yet */
#define CALL_GOES_ON UINT64_MAX

static bool holds(const struct ipcx_queue *q, const struct ipcx_msg *m)
{
	return m->priv[IPCX_PRIV_HOLDER] == (uintptr_t)q;
}

/* What was mapped for a slot alone, taken out of the table before the slot is given away. */
static struct ipcx_slot_map unlist_slot(struct ipcx_kernel_queue *k, const struct ipcx_msg *m)
{
	struct ipcx_slot_map map = { 0 };

	if (ipcx_unlikely(k->maps) && m->priv[IPCX_PRIV_HOLDER]) {
		map = k->maps[m->priv[IPCX_PRIV_SLOT]];
		k->maps[m->priv[IPCX_PRIV_SLOT]].addr = NULL;
	}
	return map;
}

/* @given: the slot is gone, and what was mapped goes too; else it is back in the table. */
static void settle_slot(struct ipcx_kernel_queue *k, struct ipcx_msg *m,
			const struct ipcx_slot_map *map, bool given)
{
	if (ipcx_unlikely(map->addr)) {
		if (given)
			munmap(map->addr, map->len);
		else
			k->maps[m->priv[IPCX_PRIV_SLOT]] = *map;
	}
	if (given) {
		m->data = NULL;
		m->priv[IPCX_PRIV_HOLDER] = 0;
	}
}

/* Fills @m with an answer or a message; on failure to map it that goes back. */
static int accept_taken(struct ipcx_queue *q, struct ipcx_msg *m, const struct ipcx_desc *d)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	void *data = ipcx_slot_data(k, &k->rx, d->slot, d->len, d->flags & IPCX_MSG_INLINE);

	if (ipcx_unlikely(data == MAP_FAILED)) {
		int r = ipcx_map_error();

		ipcx_kernel_nack(k, d, 1);
		return r;
	}
	ipcx_kernel_fill_taken(q, m, d, data);
	return 0;
}

/*
 * The request was loaned without room for its reply, and now there is none: waits for
 * a slot that has it. Nobody may hold a slot meanwhile, or all would wait for all.
 */
static int loan_again(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_desc d = { .slot = m->priv[IPCX_PRIV_SLOT] };
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_msg old = *m;
	uint32_t kind = IPCX_LOAN_REQUEST;
	void *copy = malloc(m->len + 1);
	struct ipcx_slot_map map;
	int r;

	if (!copy)
		return -ENOMEM;
	map = unlist_slot(k, m);
	if (m->len)
		memcpy(copy, m->data, m->len);
	ipcx_kernel_cancel(k, &d, 1);
	settle_slot(k, m, &map, true);
	if (old.len <= IPCX_INLINE_MAX)
		kind |= IPCX_LOAN_INLINE;
	do {
		r = ipcx_kernel_loan(q, old.len, m, kind, deadline);
	} while (r == -EINTR); /* there is nothing to go on with yet */
	if (r == -EAGAIN)
		r = -ETIMEDOUT;
	if (r == 1) {
		if (old.len)
			memcpy(m->data, copy, old.len);
		m->prio = old.prio;
		m->flags = old.flags;
		m->tag = old.tag;
		m->expires = old.expires;
	}
	free(copy);
	return r < 0 ? r : 0;
}

static int send_and_wait(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
			 int64_t deadline, struct ipcx_desc *answer)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	bool again = request->priv[IPCX_PRIV_INLINE] == CALL_GOES_ON;
	uint32_t spare = k->maps ? 0 : IPCX_CALL_LOAN; /* one that is mapped alone is not kept */
	struct ipcx_desc d = {
		.slot = request->priv[IPCX_PRIV_SLOT],
		.flags = again ? 0 : request->flags | request->priv[IPCX_PRIV_INLINE],
		.len = request->len,
		.tag = request->tag,
		.seq = request->seq,
		.prio = request->prio,
		.expires = request->expires,
	};
	struct ipcx_queue_call arg = {
		.size = sizeof(arg),
		.flags = again ? IPCX_CALL_WAIT : spare,
		.request = (uintptr_t)&d,
		.reply = (uintptr_t)answer,
		.desc_size = sizeof(d),
		.deadline = deadline,
		.inline_data = (uintptr_t)k->places,
	};
	struct ipcx_slot_map request_map = unlist_slot(k, request);
	struct ipcx_slot_map reply_map = unlist_slot(k, reply);
	bool sent;
	int r;

	/* the kernel writes all of it only with an answer */
	answer->flags = 0;
	answer->__reserved = 0;
	answer->slot = reply->priv[IPCX_PRIV_SLOT];
	answer->seq = reply->priv[IPCX_PRIV_SEQ];
	if (!again && holds(q, reply))
		arg.flags |= IPCX_CALL_RELEASE;
	d.seq = again ? request->seq : 0;
	r = ioctl(q->fd, IPCX_IOC_QUEUE_CALL, &arg) < 0 ? -errno : 0;
	if (arg.flags & IPCX_CALL_RELEASE)
		settle_slot(k, reply, &reply_map, !r || answer->slot == IPCX_SLOT_NONE);
	if (again)
		return r;
	sent = d.seq; /* messages are counted from 1 */
	settle_slot(k, request, &request_map, sent);
	if (!sent)
		return r;
	if (ipcx_unlikely(!k->calls))
		k->calls = true;
	request->seq = d.seq;
	if (d.slot != IPCX_SLOT_NONE && !ipcx_kernel_spare_keep(k, &d))
		ipcx_kernel_cancel(k, &d, 1);
	return r;
}

int ipcx_kernel_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		     int64_t deadline)
{
	bool again = request->priv[IPCX_PRIV_INLINE] == CALL_GOES_ON;
	struct ipcx_desc answer;
	int r;

	if ((!again && !holds(q, request)) || (reply->priv[IPCX_PRIV_HOLDER] && !holds(q, reply)))
		return q->fd < 0 ? -EBADF : -EPERM;
	if (again && holds(q, reply)) {
		r = q->ops->release(q, reply, 1, false);
		if (r < 0)
			return r;
	}
	r = send_and_wait(q, request, reply, deadline, &answer);
	if (ipcx_unlikely(r == -ENOBUFS)) {
		/* with another slot, what was attached to this one would be lost */
		if (request->priv[IPCX_PRIV_INLINE] & IPCX_CARRIES) {
			/* the caller's next loan has room for it, and is a new one */
			ipcx_kernel(q)->calls = true;
			ipcx_kernel_spare_drop(ipcx_kernel(q));
			return r;
		}
		r = loan_again(q, request, deadline);
		if (r)
			return r;
		r = send_and_wait(q, request, reply, deadline, &answer);
	}
	if (r == -EINTR || r == -EAGAIN)
		request->priv[IPCX_PRIV_INLINE] = CALL_GOES_ON;
	else if (!holds(q, request))
		request->priv[IPCX_PRIV_INLINE] = 0;
	return r < 0 ? r : accept_taken(q, reply, &answer);
}

int ipcx_kernel_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d = { 0 };
	struct ipcx_queue_take arg = {
		.size = sizeof(arg),
		.flags = IPCX_TAKE_ANSWER,
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.deadline = deadline,
		.len_max = SIZE_MAX,
		.inline_data = (uintptr_t)k->places,
	};

	if (ioctl(q->fd, IPCX_IOC_QUEUE_TAKE, &arg) < 0)
		return -errno;
	return accept_taken(q, m, &d);
}

int ipcx_kernel_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			   struct ipcx_msg *reply)
{
	int r;

	if (!holds(q, request) || !(request->flags & IPCX_REQUEST))
		return q->fd < 0 ? -EBADF : -EPERM;
	r = ipcx_kernel_loan(q, len, reply, IPCX_LOAN_REPLY, IPCX_NOWAIT);
	return r < 0 ? r : 0;
}

/* A reply that is too long to go along: into a slot, as if it had been written there. */
static int copy_reply(struct ipcx_queue *q, const struct ipcx_msg *request, struct ipcx_msg *reply)
{
	const void *data = reply->data;
	size_t len = reply->len;
	struct ipcx_msg m;
	int r = ipcx_kernel_loan_reply(q, request, len, &m);

	if (r)
		return r;
	memcpy(m.data, data, len);
	*reply = m;
	return 0;
}

int ipcx_kernel_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		      bool next, int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc to = { .slot = IPCX_SLOT_NONE }, d = { .slot = IPCX_SLOT_NONE };
	struct ipcx_queue_reply arg = {
		.size = sizeof(arg),
		.flags = next ? IPCX_REPLY_TAKE : 0,
		.request = (uintptr_t)&to,
		.reply = (uintptr_t)&d,
		.desc_size = sizeof(d),
		.deadline = deadline,
		.len_max = SIZE_MAX,
		.inline_data = (uintptr_t)k->places,
		.reply_data = (uintptr_t)reply->data,
	};
	struct ipcx_slot_map request_map, reply_map;
	bool sent, loan;
	int r = 0;

	if (request->priv[IPCX_PRIV_HOLDER] ? !holds(q, request) : !next)
		return q->fd < 0 ? -EBADF : -EPERM;
	if (request->priv[IPCX_PRIV_HOLDER]) {
		to.slot = request->priv[IPCX_PRIV_SLOT];
		to.seq = request->priv[IPCX_PRIV_SEQ];
		if (!holds(q, reply) && reply->len > IPCX_INLINE_MAX)
			r = copy_reply(q, request, reply);
		if (r)
			return r;
	}
	loan = holds(q, reply);
	d.len = reply->len;
	d.flags = loan ? reply->priv[IPCX_PRIV_INLINE] : IPCX_MSG_INLINE;
	if (loan)
		d.slot = reply->priv[IPCX_PRIV_SLOT];
	request_map = unlist_slot(k, request);
	reply_map = unlist_slot(k, reply);
	r = ioctl(q->fd, IPCX_IOC_QUEUE_REPLY, &arg) < 0 ? -errno : 0;
	sent = !r || to.slot == IPCX_SLOT_NONE;
	settle_slot(k, request, &request_map, sent);
	if (loan)
		settle_slot(k, reply, &reply_map, sent);
	return r || !next ? r : accept_taken(q, request, &to);
}
