// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues over shared memory: answers that the application has, and loans for replies. Both are
 * memory of this process, which nobody else can change.
 *
 * LOCKS: the handle's.
 */
#include <stdlib.h>
#include <string.h>

#include "queue_shm_call.h"

static uintptr_t holder(const struct shm_queue *s, enum ipcx_shm_kind kind)
{
	return (uintptr_t)s->t + kind;
}

/* Return: one that is filled in as a message of zeros, and not held yet if it is an answer. */
struct ipcx_shm_held *ipcx_shm_hold(struct shm_queue *s, enum ipcx_shm_kind kind, size_t len)
{
	struct ipcx_shm_held *h = malloc(sizeof(*h) + len);

	if (!h)
		return NULL;
	h->m = (struct ipcx_msg){
		.data = len ? h->data : NULL,
		.len = len,
		.pid = -1,
		.uid = -1,
		.gid = -1,
		.priv = { [IPCX_TOPIC_PRIV_HOLDER] = holder(s, kind) },
	};
	if (kind == IPCX_SHM_REPLY) {
		ipcx_lock(&s->t->lock);
		ipcx_shm_hold_again(s, h);
		ipcx_unlock(&s->t->lock);
	}
	return h;
}

/* With the lock held. Each time it has another number, so that older copies stand for nothing. */
void ipcx_shm_hold_again(struct shm_queue *s, struct ipcx_shm_held *h)
{
	h->m.priv[IPCX_TOPIC_PRIV_POS] = ++s->numbers;
	h->next = s->held;
	s->held = h;
}

static struct ipcx_shm_held **find(struct shm_queue *s, enum ipcx_shm_kind kind,
				   const struct ipcx_msg *m)
{
	struct ipcx_shm_held **p = &s->held;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != holder(s, kind))
		return NULL;
	while (*p && memcmp((*p)->m.priv, m->priv, sizeof(m->priv)) != 0)
		p = &(*p)->next;
	return *p ? p : NULL;
}

struct ipcx_shm_held *ipcx_shm_find_held(struct shm_queue *s, enum ipcx_shm_kind kind,
					 const struct ipcx_msg *m)
{
	struct ipcx_shm_held **p, *h;

	ipcx_lock(&s->t->lock);
	p = find(s, kind, m);
	h = p ? *p : NULL;
	ipcx_unlock(&s->t->lock);
	return h;
}

static struct ipcx_shm_held *take_out(struct shm_queue *s, enum ipcx_shm_kind kind,
				      struct ipcx_msg *m)
{
	struct ipcx_shm_held **p = find(s, kind, m), *h = p ? *p : NULL;

	if (h)
		*p = h->next;
	return h;
}

/* Return: whether it was held. */
bool ipcx_shm_drop_held(struct shm_queue *s, enum ipcx_shm_kind kind, struct ipcx_msg *m)
{
	struct ipcx_shm_held *h;

	ipcx_lock(&s->t->lock);
	h = take_out(s, kind, m);
	ipcx_unlock(&s->t->lock);
	free(h);
	if (!h)
		return false;
	m->data = NULL;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	return true;
}

/* Return: whether it was held; it is the next that is got by who asks for any. */
bool ipcx_shm_put_answer_back(struct shm_queue *s, struct ipcx_msg *m)
{
	struct ipcx_shm_held *h;

	ipcx_lock(&s->t->lock);
	h = take_out(s, IPCX_SHM_ANSWER, m);
	if (h) {
		h->next = s->back;
		s->back = h;
	}
	ipcx_unlock(&s->t->lock);
	if (!h)
		return false;
	m->data = NULL;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	return true;
}

static void free_list(struct ipcx_shm_held *h)
{
	while (h) {
		struct ipcx_shm_held *next = h->next;

		free(h);
		h = next;
	}
}

/* Of a handle that nobody uses any more */
void ipcx_shm_free_held(struct shm_queue *s)
{
	free_list(s->held);
	free_list(s->back);
}
