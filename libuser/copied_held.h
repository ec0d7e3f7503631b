/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Transports that copy messages: what a handle holds, by number. Each message goes through this,
 * where calls cost most: just before and behind one to the system.
 */
#ifndef IPCX_COPIED_HELD_H
#define IPCX_COPIED_HELD_H

#include "copied.h"

/* Locks sending. Return: 0, -EAGAIN for IPCX_NOWAIT, -ETIMEDOUT. */
ipcx_hot int ipcx_copied_begin_to_send(struct ipcx_copied *c, int64_t deadline)
{
	return ipcx_trylock(&c->sending) ? 0 : ipcx_copied_wait_to_send(c, deadline);
}

/* By @get; what came the wrong way, an answer or none, is dropped. Return: as by @get. */
ipcx_hot int ipcx_copied_get(struct ipcx_copied *c,
			     int (*get)(struct ipcx_copied *c, struct ipcx_buffer **b), bool answer,
			     struct ipcx_buffer **b)
{
	int r;

	for (;;) {
		r = get(c, b);
		if (r || ((*b)->head.kind >= IPCX_FRAME_REPLY) == answer)
			return r;
		ipcx_buffer_free(*b);
		IPCX_COUNT(c->stats.damaged, 1);
	}
}

ipcx_hot struct ipcx_buffer **ipcx_held_list(struct ipcx_copied *c, uint64_t number)
{
	return &c->held[number % IPCX_HELD_LISTS];
}

/* Under lock */
ipcx_hot void ipcx_held_count(struct ipcx_copied *c, int state, int more)
{
	if (state == IPCX_HELD_LOAN)
		__atomic_store_n(&c->loans, c->loans + more, __ATOMIC_RELAXED);
}

ipcx_hot void ipcx_copied_hold(struct ipcx_copied *c, struct ipcx_buffer *b, int state)
{
	struct ipcx_buffer **list;

	ipcx_lock(&c->lock);
	b->state = state;
	b->number = ++c->numbers;
	list = ipcx_held_list(c, b->number);
	b->next = *list;
	*list = b;
	ipcx_held_count(c, state, 1);
	c->stats.leased += state == IPCX_HELD_LEASE;
	ipcx_unlock(&c->lock);
}

/* Under lock: where @number is in a list, for one of @states; or NULL */
ipcx_hot struct ipcx_buffer **ipcx_held_find(struct ipcx_copied *c, uint64_t number, int states)
{
	struct ipcx_buffer **p = ipcx_held_list(c, number);

	while (*p && (*p)->number != number)
		p = &(*p)->next;
	return *p && (*p)->state & states ? p : NULL;
}

/* What @m stands for; NULL if this handle does not hold it for one of @states. */
ipcx_hot struct ipcx_buffer *ipcx_copied_find(struct ipcx_copied *c, const struct ipcx_msg *m,
					      int states)
{
	struct ipcx_buffer **p, *b;

	if (m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)c)
		return NULL;
	ipcx_lock(&c->lock);
	p = ipcx_held_find(c, m->priv[0], states);
	b = p ? *p : NULL;
	ipcx_unlock(&c->lock);
	return b;
}

ipcx_hot struct ipcx_buffer *ipcx_held_drop(struct ipcx_copied *c, uint64_t number, int states)
{
	struct ipcx_buffer **p, *b;

	ipcx_lock(&c->lock);
	p = ipcx_held_find(c, number, states);
	b = p ? *p : NULL;
	if (b) {
		*p = b->next;
		ipcx_held_count(c, b->state, -1);
		c->stats.leased -= b->state == IPCX_HELD_LEASE;
	}
	ipcx_unlock(&c->lock);
	return b;
}

/* The handle holds it no more: it is the caller's; NULL if another thread was first. */
ipcx_hot struct ipcx_buffer *ipcx_copied_drop(struct ipcx_copied *c, uint64_t number)
{
	return ipcx_held_drop(c, number, -1);
}

/* Both: what @m stands for is the caller's. */
ipcx_hot struct ipcx_buffer *ipcx_copied_take_out(struct ipcx_copied *c, const struct ipcx_msg *m,
						  int states)
{
	if (m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)c)
		return NULL;
	return ipcx_held_drop(c, m->priv[0], states);
}

ipcx_hot void ipcx_copied_fill(struct ipcx_copied *c, struct ipcx_msg *m, struct ipcx_buffer *b)
{
	*m = (struct ipcx_msg){
		.data = b->head.len ? b->data : NULL,
		.len = b->head.len,
		.prio = b->head.prio,
		.flags = b->head.kind == IPCX_FRAME_REQUEST ? IPCX_REQUEST : b->head.flags,
		.deliveries = b->head.deliveries,
		.pid = b->pid,
		.uid = b->uid,
		.gid = b->gid,
		.seq = b->seq,
		.tag = b->head.tag,
		.expires = b->head.expires,
		.priv = { b->number, 0, 0, (uintptr_t)c },
	};
}

#endif /* IPCX_COPIED_HELD_H */
