// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers to requests that came from other hosts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

#define CALLS_MAX 64
#define LOOK (50 * NS_PER_MS) /* whether it is to end, or the queue to be closed */

struct call {
	bool used;
	uint64_t seq;
	int64_t until;
	char id[PARCEL_ID], origin[UUID_TEXT];
};

/**
 * struct calls - all of a lane
 * @l: the lane
 * @thread: waits for answers
 * @lock: guards the rest
 * @news: something of it has changed
 * @q: the queue, NULL when no answer is waited for
 * @busy: the thread is in that queue
 * @ends: it is to end
 * @n: how many there are
 * @call: these
 * @due: deliveries that are to be acknowledged
 * @ndue: how many
 */
struct calls {
	struct lane *l;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct ipcx_queue *q;
	bool busy, ends;
	unsigned int n;
	struct call call[CALLS_MAX];
	struct delivery due[CALLS_MAX];
	unsigned int ndue;
};

/* Sends what came to where it is waited for. */
static void send_answer(const struct calls *c, const struct call *call, const struct ipcx_msg *m)
{
	const struct bridge *b = c->l->b;
	struct parcel p = { .chunks = 1, .ttl = -1, .pid = -1, .flags = m->flags & NO_REPLY };

	strcpy(p.realm, b->conf->realm);
	strcpy(p.origin, b->conf->uuid);
	strcpy(p.host, b->conf->host);
	strcpy(p.id, call->id);
	p.data = m->data;
	p.size = m->len;
	if (m->len + 2 * PARCEL_LINE > b->ops->payload_max(b->e)) {
		lane_drop(c->l, DROP_OVERSIZED);
		p.size = 0;
		p.flags = IPCX_CANCELED;
	}
	p.len = p.size;
	p.crc = parcel_crc(0, p.data, p.size);
	b->ops->answer(b->e, call->origin, &p);
	count(&c->l->n.calls);
}

/* Takes out the call that @m answers. */
static bool take_call(struct calls *c, uint64_t seq, struct call *call)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < CALLS_MAX && !found; i++) {
		if (!c->call[i].used || c->call[i].seq != seq)
			continue;
		*call = c->call[i];
		c->call[i].used = false;
		c->n--;
		found = true;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

static void ack(struct calls *c, struct delivery *d)
{
	c->l->b->ops->settle(c->l->b->e, d, SETTLE_ACK, 0);
}

/* With the lock held, but not over the engine. While the thread is not busy none is added. */
static void ack_due(struct calls *c)
{
	while (c->ndue) {
		struct delivery d = c->due[--c->ndue];

		pthread_mutex_unlock(&c->lock);
		ack(c, &d);
		pthread_mutex_lock(&c->lock);
	}
}

void calls_ack(struct calls *c, struct delivery *d)
{
	bool later;

	pthread_mutex_lock(&c->lock);
	later = c->busy && c->ndue < CALLS_MAX;
	if (later)
		c->due[c->ndue++] = *d;
	pthread_mutex_unlock(&c->lock);
	if (!later)
		ack(c, d);
	d->handle = NULL;
}

/* Return: whether there was one. */
static bool get_answer(struct calls *c, struct ipcx_queue *q)
{
	struct ipcx_msg m;
	struct call call;
	int r = ipcx_queue_answer(q, &m, now_ns() + LOOK);

	if (!r) {
		if (take_call(c, m.seq, &call))
			send_answer(c, &call, &m);
		ipcx_queue_release(q, &m);
	} else if (r != -ETIMEDOUT && r != -EINTR) {
		sleep_ms(50); /* the lane finds out, too */
	}
	return !r;
}

/* With the lock held */
static void give_up_old(struct calls *c)
{
	int64_t now = now_ns();

	for (struct call *call = c->call; call < c->call + CALLS_MAX; call++) {
		if (!call->used || now < call->until)
			continue;
		count(&c->l->n.timeouts);
		call->used = false;
		c->n--;
	}
}

/* After an answer it stays in the queue for a while: so the next request need not wake it. */
static void *wait_for_answers(void *calls)
{
	struct calls *c = calls;
	bool lately = false;

	pthread_mutex_lock(&c->lock);
	while (!c->ends) {
		struct ipcx_queue *q = c->n || lately ? c->q : NULL;

		if (!q) {
			pthread_cond_wait(&c->news, &c->lock);
			continue;
		}
		c->busy = true;
		pthread_mutex_unlock(&c->lock);
		lately = get_answer(c, q);
		pthread_mutex_lock(&c->lock);
		c->busy = false;
		pthread_cond_broadcast(&c->news);
		give_up_old(c);
		ack_due(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int calls_commit(struct calls *c, struct local *local, const struct parcel *p, struct ipcx_msg *m)
{
	struct call *call = c->call;
	int r;

	pthread_mutex_lock(&c->lock);
	m->flags = IPCX_REQUEST;
	r = c->n < CALLS_MAX ? local_commit(local, m) : -EAGAIN;
	if (!r) {
		while (call->used)
			call++;
		*call = (struct call){ .used = true, .seq = m->seq };
		call->until = now_ns() + (p->ttl >= 0 ? p->ttl : CALL_TIMEOUT);
		strcpy(call->id, p->id);
		strcpy(call->origin, p->origin);
		c->n++;
		c->q = local->q;
		pthread_cond_broadcast(&c->news);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void calls_forget(struct calls *c)
{
	pthread_mutex_lock(&c->lock);
	c->q = NULL;
	c->n = 0;
	memset(c->call, 0, sizeof(c->call));
	while (c->busy)
		pthread_cond_wait(&c->news, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

struct calls *calls_new(struct lane *l)
{
	struct calls *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->l = l;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->news, NULL);
	if (!pthread_create(&c->thread, NULL, wait_for_answers, c))
		return c;
	free(c);
	return NULL;
}

void calls_free(struct calls *c)
{
	pthread_mutex_lock(&c->lock);
	c->ends = true;
	pthread_cond_broadcast(&c->news);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	free(c);
}
