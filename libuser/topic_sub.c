// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: take, release, next, recv, missed. While there is something to take nothing here makes a
 * system call.
 */
#include <errno.h>
#include <string.h>

#include "topic.h"

static void cpu_relax(void)
{
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
}

/* Where the message is, or NULL if its length cannot be */
static bool find_data(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
		      const struct ipcx_taken *taken, void **data)
{
	if (taken->len <= IPCX_CELL_DATA)
		*data = taken->len ? (void *)taken->cell : NULL;
	else
		*data = reader->payload + (taken->pos & (t->o.out_depth - 1)) * t->o.out_stride;
	return taken->len <= t->o.out_msg_max;
}

/* @copy: 1 + number of the copy, or 0 */
static void fill_taken(struct ipcx_topic *t, unsigned int ring, unsigned int copy,
		       const struct ipcx_taken *taken, void *data, struct ipcx_msg *m)
{
	const struct ipcx_topic_reader *reader = &t->reader[ring];

	m->data = data;
	m->len = taken->len;
	m->prio = 0;
	m->flags = 0;
	m->deliveries = 0;
	m->pid = reader->who.out_pid;
	m->uid = reader->who.out_uid;
	m->gid = reader->who.out_gid;
	m->seq = taken->nr;
	m->tag = taken->tag;
	m->expires = 0;
	m->priv[IPCX_TOPIC_PRIV_WHERE] = ring | copy << 8 | taken->hold << 16;
	m->priv[IPCX_TOPIC_PRIV_ID] = reader->id;
	m->priv[IPCX_TOPIC_PRIV_POS] = taken->pos;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = (uintptr_t)t;
}

/*
 * The next message of a ring, also of one whose publisher is gone and left holes. Return: as
 * ipcx_sub_take(), or -ESTALE: it was read to its end.
 */
static int next_of_ring(const struct ipcx_topic_reader *reader, struct ipcx_taken *taken)
{
	int r = ipcx_sub_take(reader->sub, taken);

	if (r || !reader->dead)
		return r;
	r = ipcx_sub_drained(reader->sub, reader->end);
	if (r)
		return r < 0 ? r : -ESTALE;
	return ipcx_sub_take(reader->sub, taken);
}

/* Return: 1; 0: there is nothing; -ESTALE: the ring was left; -EMFILE. */
static int take_from(struct ipcx_topic *t, unsigned int ring, struct ipcx_msg *m, bool *kick)
{
	struct ipcx_topic_reader *reader = &t->reader[ring];
	uint64_t id = reader->id;
	struct ipcx_taken here, *taken = &here;
	unsigned int copy = 0;
	void *data;
	int r;

	if (t->copies) {
		if (!~t->copied)
			return -EMFILE;
		copy = __builtin_ctzll(~t->copied);
		taken = &t->copies[copy++];
	}
	r = next_of_ring(reader, taken);
	*kick |= reader->sub->kick;
	reader->sub->kick = false;
	if (!r || r == -EMFILE)
		return r;
	/*
	 * It may be of another ring, or of none, or one that this handle was cut off from: the
	 * kernel changes the generation [H] before windows show anything else.
	 */
	ipcx_fence_acquire();
	ipcx_topic_look(t); /* [I] */
	if (reader->id != id)
		return -ESTALE;
	if (r == 1 && find_data(t, reader, taken, &data)) {
		if (taken->hold)
			copy = 0;
		else if (copy)
			t->copied |= UINT64_C(1) << (copy - 1);
		fill_taken(t, ring, copy, taken, data, m);
		return 1;
	}
	ipcx_topic_leave(t, ring, r != -ESTALE);
	return -ESTALE;
}

/* What was too long for a buffer, unless its ring was left since. */
static bool take_pending(struct ipcx_topic *t, struct ipcx_msg *m)
{
	uint64_t where = t->pending.priv[IPCX_TOPIC_PRIV_WHERE];
	uint64_t id = t->pending.priv[IPCX_TOPIC_PRIV_ID];

	if (!t->pending.priv[IPCX_TOPIC_PRIV_HOLDER])
		return false;
	*m = t->pending;
	t->pending.priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	return where >> 8 & 0xff || t->reader[where & 0xff].id == id;
}

static int take_any(struct ipcx_topic *t, struct ipcx_msg *m, bool *kick)
{
	unsigned int left = t->nrings;
	int r = 0;

	while (!r && left-- && t->nrings) {
		if (t->turn >= t->nrings)
			t->turn = 0;
		r = take_from(t, t->rings[t->turn++], m, kick);
		if (r == -ESTALE && !t->cut && !t->broken) {
			left = t->nrings; /* they have changed places */
			r = 0;
		}
	}
	return r;
}

static int take_locked(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, bool *kick)
{
	int r = ipcx_topic_look(t);

	if (ipcx_unlikely(r))
		return r;
	if (ipcx_unlikely(take_pending(t, m)))
		r = 1;
	else if (!t->cut && !t->broken)
		r = take_any(t, m, kick);
	if (t->cut && r <= 0) {
		t->cut--;
		return -EPIPE;
	}
	if (t->broken && r <= 0) {
		t->broken--;
		return -EPROTO;
	}
	if (r <= 0)
		return r ? r : -EAGAIN;
	if (m->len <= cap)
		return 0;
	t->pending = *m;
	return -EMSGSIZE;
}

static int take_until(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, int64_t deadline)
{
	unsigned int spins = t->spins;
	bool kick = false, late = false;
	int r;

	if (t->fd < 0)
		return -EBADF;
	if (!(t->flags & IPCX_SUBSCRIBE))
		return -EPERM;
	if (deadline < 0)
		return -EINVAL;
	for (;; kick = false) {
		pthread_mutex_lock(&t->lock);
		r = take_locked(t, cap, m, &kick);
		pthread_mutex_unlock(&t->lock);
		if (ipcx_unlikely(kick))
			ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
		if (r != -EAGAIN || deadline == IPCX_NOWAIT)
			return r;
		if (spins) {
			spins--;
			cpu_relax();
			continue;
		}
		if (late)
			return -ETIMEDOUT;
		r = ipcx_topic_sleep(t, IPCX_WAIT_MESSAGE, deadline);
		if (r)
			return r;
		late = ipcx_topic_late(deadline);
	}
}

int ipcx_topic_take(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline)
{
	int r = take_until(t, SIZE_MAX, m, deadline);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_TAKE, -r, 0) : 0;
}

static int release_copy(struct ipcx_topic *t, unsigned int copy, uint64_t pos)
{
	uint64_t bit = UINT64_C(1) << (copy - 1);

	if (!(t->copied & bit) || t->copies[copy - 1].pos != pos)
		return -EPERM;
	t->copied &= ~bit;
	return 0;
}

static int release_locked(struct ipcx_topic *t, const struct ipcx_msg *m, bool *kick)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE];
	unsigned int ring = where & 0xff, copy = where >> 8 & 0xff;
	struct ipcx_topic_reader *reader = &t->reader[ring];
	struct ipcx_taken taken;
	uint32_t held;

	taken.pos = m->priv[IPCX_TOPIC_PRIV_POS];
	taken.hold = where >> 16;
	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != (uintptr_t)t)
		return -EPERM;
	if (copy)
		return release_copy(t, copy, taken.pos);
	if (reader->id != m->priv[IPCX_TOPIC_PRIV_ID])
		return 0; /* the ring was left */
	held = reader->sub->held;
	*kick = ipcx_sub_release(reader->sub, &taken);
	if (reader->sub->held == held)
		return -EPERM;
	if (ipcx_unlikely(reader->dead)) {
		int r = ipcx_sub_drained(reader->sub, reader->end);

		if (r)
			ipcx_topic_leave(t, ring, r < 0);
	}
	return 0;
}

static int release(struct ipcx_topic *t, struct ipcx_msg *m)
{
	bool kick = false;
	int r;

	if (t->fd < 0)
		return -EBADF;
	pthread_mutex_lock(&t->lock);
	r = release_locked(t, m, &kick);
	pthread_mutex_unlock(&t->lock);
	if (ipcx_unlikely(kick))
		ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
	if (!r) {
		m->data = NULL;
		m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	}
	return r;
}

int ipcx_topic_release(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r = release(t, m);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_RELEASE, -r, 0) : 0;
}

int ipcx_topic_next(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline)
{
	int r = 0;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER])
		r = ipcx_topic_release(t, m);
	if (!r)
		r = ipcx_topic_take(t, m, deadline);
	if (ipcx_unlikely(r))
		memset(m, 0, sizeof(*m));
	return r;
}

ssize_t ipcx_topic_recv(struct ipcx_topic *t, void *buf, size_t cap, int64_t deadline)
{
	struct ipcx_msg m;
	int r = take_until(t, cap, &m, deadline);

	if (ipcx_unlikely(r))
		return ipcx_topic_explain(t, IPCX_TOPIC_OP_TAKE, -r, cap);
	if (m.len)
		memcpy(buf, m.data, m.len);
	release(t, &m);
	return m.len;
}

uint64_t ipcx_topic_missed(struct ipcx_topic *t)
{
	uint64_t missed;

	if (t->fd < 0)
		return t->missed;
	pthread_mutex_lock(&t->lock);
	missed = t->missed;
	for (unsigned int i = 0; i < t->nrings; i++)
		missed += t->reader[t->rings[i]].sub->missed;
	pthread_mutex_unlock(&t->lock);
	return missed;
}
