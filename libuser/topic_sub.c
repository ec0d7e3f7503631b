// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: take, release, next, recv, missed. While there is something to take nothing here makes a
 * system call.
 */
#include <errno.h>
#include <string.h>

#include "queue_shm.h"
#include "topic_turn.h"

/* Where the message is. @ask: it is about to be read. Return: whether its length can be. */
ipcx_hot bool find_data(const struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
			const struct ipcx_taken *taken, bool ask, void **data)
{
	size_t offset;

	*data = (char *)taken->cell + reader->shown;
	if (ipcx_usual((size_t)taken->len - 1 < t->cell_max))
		return true;
	offset = (taken->pos & (t->o.out_depth - 1)) * t->o.out_stride;
	*data = taken->len ? reader->payload + offset : NULL;
	if (ipcx_unlikely(taken->len > t->o.out_msg_max))
		return false;
	if (ask && reader->own)
		ipcx_sub_ask_payload(reader->own + offset, taken->len);
	return true;
}

/* All but HOLDER. @copy: 1 + number of the copy, or 0 */
ipcx_hot void fill_taken(const struct ipcx_topic_reader *reader, unsigned int copy,
			 const struct ipcx_taken *taken, void *data, struct ipcx_msg *m)
{
	m->len = taken->len;
	m->seq = taken->nr;
	m->tag = taken->tag;
	m->data = data;
	memcpy(&m->prio, &reader->from, sizeof(reader->from));
	m->expires = 0;
	m->priv[IPCX_TOPIC_PRIV_WHERE] = reader->ring | copy << 8 | (uint64_t)taken->hold << 16;
	m->priv[IPCX_TOPIC_PRIV_ID] = reader->id;
	m->priv[IPCX_TOPIC_PRIV_POS] = taken->pos;
}

/*
 * What was just read may be of another ring, or of none, or of one that this handle was cut off
 * from: the kernel changes the generation [H] before windows show anything else.
 */
ipcx_hot bool is_changed(const struct ipcx_topic *t)
{
	ipcx_fence_acquire();
	return ipcx_topic_generation(t) != t->generation; /* [I] */
}

ipcx_hot bool take_in_place(struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
			    struct ipcx_msg *m)
{
	struct ipcx_ring_sub *sub = reader->sub;
	struct ipcx_taken taken;
	void *data;

	if (ipcx_unlikely(!ipcx_sub_peek(sub, &taken) || is_changed(t) ||
			  !find_data(t, reader, &taken, true, &data) ||
			  !ipcx_sub_accept(sub, &taken, false)))
		return false;
	fill_taken(reader, 0, &taken, data, m);
	return true;
}

ipcx_hot bool take_copy(struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
			struct ipcx_msg *m)
{
	struct ipcx_ring_sub *sub = reader->sub;
	struct ipcx_taken taken, *kept;
	unsigned int copy;

	if (ipcx_unlikely(!~t->copied || !ipcx_sub_peek(sub, &taken) || taken.len > t->cell_max))
		return false;
	copy = __builtin_ctzll(~t->copied);
	kept = &t->copies[copy];
	fill_taken(reader, copy + 1, &taken, taken.len ? kept->copy : NULL, m);
	if (ipcx_unlikely(!ipcx_sub_copy((const void *)((const char *)taken.cell -
							offsetof(struct ipcx_cell, data)),
					 ipcx_word(taken.pos, IPCX_CELL_PUBLISHED), taken.len,
					 kept->copy) ||
			  is_changed(t) || !ipcx_sub_accept(sub, &taken, true)))
		return false;
	kept->pos = taken.pos;
	t->copied |= t->copied + 1; /* the lowest that was 0 */
	return true;
}

/* Return: whether a message was taken as usual; if not, nothing has been done. */
ipcx_hot bool take_usual(struct ipcx_topic *t, struct ipcx_msg *m, bool lossy)
{
	const struct ipcx_topic_reader *reader;

	reader = t->rings[t->turn];
	if (ipcx_unlikely(t->untold || !reader))
		return false;
	if (ipcx_unlikely(!(lossy ? take_copy(t, reader, m) : take_in_place(t, reader, m))))
		return false;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = t->held;
	ipcx_turn_pass(t);
	return true;
}

/*
 * The next message of a ring, also of one whose publisher is gone and left holes. Return: as
 * ipcx_sub_take(), or -ESTALE: it was read to its end.
 */
static int next_of_ring(const struct ipcx_topic_reader *reader, struct ipcx_taken *taken)
{
	int r = ipcx_sub_take(reader->sub, taken);

	if (r || reader->alive)
		return r;
	r = ipcx_sub_drained(reader->sub, reader->end);
	if (r)
		return r < 0 ? r : -ESTALE;
	return ipcx_sub_take(reader->sub, taken);
}

static int release_any(struct ipcx_topic *t, const struct ipcx_msg *m);

/*
 * What was taken is a message. @copy: as fill_taken(). Return: 1; -ESTALE: it was not, and the ring
 * was left, or nobody wants it: look again.
 */
static int show(struct ipcx_topic *t, struct ipcx_topic_reader *reader, unsigned int copy,
		struct ipcx_taken *taken, struct ipcx_msg *m)
{
	bool more = t->queue && taken->len & IPCX_CELL_MORE;
	void *data;
	int r = 1;

	if (more)
		taken->len &= ~IPCX_CELL_MORE;
	if (!find_data(t, reader, taken, false, &data)) {
		ipcx_topic_leave(t, reader->ring, true);
		return -ESTALE;
	}
	if (taken->hold)
		copy = 0;
	else if (copy)
		t->copied |= UINT64_C(1) << (copy - 1);
	fill_taken(reader, copy, taken, data, m);
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = t->held;
	if (more)
		r = ipcx_lease_more(t, reader, taken, m);
	if (r > 0)
		return 1;
	if (r < 0)
		ipcx_topic_leave(t, reader->ring, true);
	else
		t->made_room |= release_any(t, m) > 0;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	return -ESTALE;
}

/* Return: 1; 0: there is nothing; -ESTALE: look again; -EMFILE. */
static int take_from(struct ipcx_topic *t, struct ipcx_topic_reader *reader, struct ipcx_msg *m)
{
	uint64_t id = reader->id;
	struct ipcx_taken here, *taken = &here;
	unsigned int copy = 0;
	int r;

	if (t->copies) {
		copy = __builtin_ctzll(~t->copied);
		taken = &t->copies[copy++];
	}
	r = next_of_ring(reader, taken);
	t->made_room |= reader->sub->kick;
	reader->sub->kick = false;
	if (!r || r == -EMFILE)
		return r;
	if (is_changed(t))
		ipcx_topic_look(t);
	if (reader->id != id)
		return -ESTALE;
	if (r == 1)
		return show(t, reader, copy, taken, m);
	ipcx_topic_leave(t, reader->ring, r != -ESTALE);
	return -ESTALE;
}

/* What was too long for a buffer, unless its ring was left since. */
static bool take_pending(struct ipcx_topic *t, struct ipcx_msg *m)
{
	uint64_t where = t->pending.priv[IPCX_TOPIC_PRIV_WHERE];
	uint64_t id = t->pending.priv[IPCX_TOPIC_PRIV_ID];

	if (!t->is_pending)
		return false;
	*m = t->pending;
	t->is_pending = false;
	return where >> 8 & 0xff || t->reader[where & 0xff].id == id;
}

/* Of a queue: what comes again. Return: as take_from(). */
static int take_again(struct ipcx_topic *t, struct ipcx_msg *m)
{
	struct ipcx_topic_reader *reader;
	struct ipcx_taken taken;
	uint32_t deliveries;
	int r = t->has_again ? ipcx_lease_take(t, &reader, &taken, &deliveries) : 0;

	if (r < 0) {
		ipcx_topic_leave(t, reader->ring, true);
		return -ESTALE;
	}
	if (r > 0)
		r = show(t, reader, 0, &taken, m);
	if (r > 0)
		m->deliveries = deliveries;
	return r;
}

#define STALE_MAX 1000 /* who sends what is too late must not keep this one busy for ever */

/* Of the rings that may have any. Return: as take_from(). */
ipcx_hot int take_in_turn(struct ipcx_topic *t, struct ipcx_msg *m, unsigned int *stale)
{
	struct ipcx_topic_reader *reader;
	unsigned int left = t->busy;
	int r = 0;

	while (!r && left-- && (reader = ipcx_turn_busy(t))) {
		ipcx_turn_pass(t);
		r = take_from(t, reader, m);
		if (r == -ESTALE && !t->cut && !t->broken && (*stale)++ < STALE_MAX) {
			if (t->idle_due)
				ipcx_turn_idle(t);
			left = t->busy; /* they have changed places */
			r = 0;
		}
	}
	t->idle_due |= r == -EMFILE; /* there may be short ones */
	return r;
}

static int take_any(struct ipcx_topic *t, struct ipcx_msg *m)
{
	unsigned int stale = 0;
	int r;

	do {
		r = take_again(t, m);
	} while (r == -ESTALE && !t->cut && !t->broken && stale++ < STALE_MAX);
	if (r == -ESTALE)
		return 0;
	if (!r && t->copies && !~t->copied)
		return t->nrings ? -EMFILE : 0;
	if (!r && t->idle_due)
		ipcx_turn_idle(t);
	if (!r)
		r = take_in_turn(t, m, &stale);
	if (!r && t->busy < t->nrings && ipcx_turn_idle(t))
		r = take_in_turn(t, m, &stale);
	return r == -ESTALE ? 0 : r;
}

/* What was too long for a buffer is the next again. */
ipcx_cold void keep(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	if (t->queue) {
		ipcx_lease_put_back(t, m, false);
		return;
	}
	t->pending = *m;
	t->is_pending = true;
}

ipcx_cold int take_locked(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m)
{
	int r = ipcx_topic_look(t);

	if (ipcx_unlikely(r))
		return r;
	if (ipcx_unlikely(take_pending(t, m)))
		r = 1;
	else if (!t->cut && !t->broken)
		r = take_any(t, m);
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
	keep(t, m);
	return -EMSGSIZE;
}

static int check_take(const struct ipcx_topic *t, int64_t deadline)
{
	if (t->fd < 0)
		return -EBADF;
	if (!(t->flags & IPCX_SUBSCRIBE))
		return -EPERM;
	return deadline < 0 ? -EINVAL : 0;
}

/* Takes, if that is not @done yet. */
ipcx_cold int take_until(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, int64_t deadline,
			 unsigned int done)
{
	struct ipcx_topic_patience p = { .until = IPCX_WAIT_MESSAGE, .deadline = deadline };
	bool kick;
	int r;

	ipcx_topic_finish(t, done, IPCX_KICK_PUBLISHERS);
	if (done & IPCX_TOPIC_DONE)
		return 0;
	r = check_take(t, deadline);
	while (!r) {
		ipcx_lock(&t->lock);
		r = t->ops->take ? t->ops->take(t, cap, m) : take_locked(t, cap, m);
		kick = ipcx_topic_made_room(t);
		ipcx_unlock(&t->lock);
		if (kick)
			ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
		if (r != -EAGAIN)
			break;
		r = ipcx_topic_wait(t, &p);
	}
	if (r)
		return ipcx_topic_explain(t, IPCX_TOPIC_OP_TAKE, -r, cap);
	ipcx_topic_waited(t, &p);
	return 0;
}

ipcx_hot int take(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline, bool lossy)
{
	unsigned int done = 0;

	if (ipcx_usual(deadline >= 0 && ipcx_trylock(&t->lock))) {
		done = take_usual(t, m, lossy) ? IPCX_TOPIC_DONE : 0;
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
		if (ipcx_usual(done == IPCX_TOPIC_DONE))
			return 0;
	}
	return take_until(t, SIZE_MAX, m, deadline, done);
}

/* Apart, or the others would have to save registers. */
static __attribute__((noinline)) int take_lossy(struct ipcx_topic *t, struct ipcx_msg *m,
						int64_t deadline)
{
	return take(t, m, deadline, true);
}

int ipcx_topic_take(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline)
{
	return t->copies ? take_lossy(t, m, deadline) : take(t, m, deadline, false);
}

ipcx_hot int release_copy(struct ipcx_topic *t, unsigned int copy, uint64_t pos)
{
	unsigned int i = copy - 1;

	if (!(t->copied >> i & 1) || t->copies[i].pos != pos)
		return -EPERM;
	t->copied &= ~(UINT64_C(1) << i);
	return 0;
}

/* Return: whether to kick, or -EPERM. */
ipcx_cold int release_any(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE];
	struct ipcx_topic_reader *reader;
	struct ipcx_taken taken;
	uint32_t held;
	int kick;

	taken.pos = m->priv[IPCX_TOPIC_PRIV_POS];
	taken.hold = where >> 16 & 0xff;
	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->held)
		return -EPERM;
	if (where >> 8 & 0xff)
		return release_copy(t, where >> 8 & 0xff, taken.pos);
	reader = &t->reader[where & 0xff];
	if (reader->id != m->priv[IPCX_TOPIC_PRIV_ID])
		return 0; /* the ring was left */
	if (t->queue && !ipcx_lease_release(reader, taken.pos))
		return -EPERM;
	held = reader->sub->held;
	kick = ipcx_sub_release(reader->sub, &taken);
	if (reader->sub->held == held)
		return -EPERM;
	if (!reader->alive) {
		int r = ipcx_sub_drained(reader->sub, reader->end);

		if (r)
			ipcx_topic_leave(t, reader->ring, r < 0);
	}
	return kick;
}

/* Return: whether to kick, or negative: nothing has been done. */
ipcx_hot int release_usual(struct ipcx_topic *t, const struct ipcx_msg *m, bool lossy)
{
	uint64_t where = m->priv[IPCX_TOPIC_PRIV_WHERE], pos = m->priv[IPCX_TOPIC_PRIV_POS];
	const struct ipcx_topic_reader *reader;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->held)
		return -EPERM;
	if (lossy)
		return where >> 8 & 0xff ? release_copy(t, where >> 8 & 0xff, pos) : -EAGAIN;
	reader = &t->reader[where & 0xff];
	if (ipcx_unlikely(reader->alive != m->priv[IPCX_TOPIC_PRIV_ID]))
		return -EAGAIN;
	return ipcx_sub_pop(reader->sub, pos);
}

static int release_until(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r = -EBADF;

	if (t->fd >= 0) {
		ipcx_lock(&t->lock);
		r = t->ops->release ? t->ops->release(t, m) : release_any(t, m);
		ipcx_unlock(&t->lock);
	}
	if (r < 0)
		return ipcx_topic_explain(t, IPCX_TOPIC_OP_RELEASE, -r, 0);
	ipcx_topic_finish(t, r ? IPCX_TOPIC_KICK : 0, IPCX_KICK_PUBLISHERS);
	return 0;
}

ipcx_hot void let_go(struct ipcx_msg *m)
{
	m->data = NULL;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
}

/* Releases, if that is not @done yet. */
ipcx_cold int release_rest(struct ipcx_topic *t, struct ipcx_msg *m, unsigned int done)
{
	int r = 0;

	ipcx_topic_finish(t, done, IPCX_KICK_PUBLISHERS);
	if (!(done & IPCX_TOPIC_DONE))
		r = release_until(t, m);
	if (!r)
		let_go(m);
	return r;
}

int ipcx_topic_release(struct ipcx_topic *t, struct ipcx_msg *m)
{
	unsigned int done = 0;
	int r;

	if (ipcx_usual(ipcx_trylock(&t->lock))) {
		r = release_usual(t, m, t->copies);
		if (ipcx_usual(r >= 0))
			done = r ? IPCX_TOPIC_DONE | IPCX_TOPIC_KICK : IPCX_TOPIC_DONE;
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
		if (ipcx_usual(done == IPCX_TOPIC_DONE)) {
			let_go(m);
			return 0;
		}
	}
	return release_rest(t, m, done);
}

/* Releases what is held still, and takes if that is not @done yet. */
ipcx_cold int next_rest(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline,
			unsigned int done)
{
	int r = 0;

	ipcx_topic_finish(t, done, IPCX_KICK_PUBLISHERS);
	if (done & IPCX_TOPIC_DONE)
		return 0;
	if (m->priv[IPCX_TOPIC_PRIV_HOLDER])
		r = release_until(t, m);
	if (!r)
		r = take_until(t, SIZE_MAX, m, deadline, 0);
	if (r)
		memset(m, 0, sizeof(*m));
	return r;
}

ipcx_hot int next(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline, bool lossy)
{
	unsigned int done = 0;
	int r = 0;

	if (ipcx_usual(deadline >= 0 && ipcx_trylock(&t->lock))) {
		if (ipcx_usual(m->priv[IPCX_TOPIC_PRIV_HOLDER] == t->held))
			r = release_usual(t, m, lossy);
		else if (m->priv[IPCX_TOPIC_PRIV_HOLDER])
			r = -EPERM;
		if (ipcx_usual(!r && take_usual(t, m, lossy)))
			done = IPCX_TOPIC_DONE;
		else if (r >= 0)
			m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
		done |= r > 0 ? IPCX_TOPIC_KICK : 0;
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
		if (ipcx_usual(done == IPCX_TOPIC_DONE))
			return 0;
	}
	return next_rest(t, m, deadline, done);
}

static __attribute__((noinline)) int next_lossy(struct ipcx_topic *t, struct ipcx_msg *m,
						int64_t deadline)
{
	return next(t, m, deadline, true);
}

int ipcx_topic_next(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline)
{
	return t->copies ? next_lossy(t, m, deadline) : next(t, m, deadline, false);
}

ipcx_hot int take_up_to(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, int64_t deadline)
{
	unsigned int done = 0;

	if (ipcx_usual(deadline >= 0 && ipcx_trylock(&t->lock))) {
		done = take_usual(t, m, t->copies) ? IPCX_TOPIC_DONE : 0;
		if (done && ipcx_unlikely(m->len > cap)) {
			keep(t, m);
			done = 0;
		}
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
	}
	return ipcx_usual(done == IPCX_TOPIC_DONE) ? 0 : take_until(t, cap, m, deadline, done);
}

int ipcx_topic_take_up_to(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m, int64_t deadline)
{
	return take_up_to(t, cap, m, deadline);
}

ssize_t ipcx_topic_recv(struct ipcx_topic *t, void *buf, size_t cap, int64_t deadline)
{
	struct ipcx_msg m;
	int r = take_up_to(t, cap, &m, deadline);

	if (ipcx_unlikely(r))
		return r;
	cap = m.len;
	if (cap)
		memcpy(buf, m.data, cap);
	ipcx_topic_release(t, &m);
	return cap;
}

/* Where messages come again the position alone does not tell whether one is held. */
int ipcx_topic_release_carefully(struct ipcx_topic *t, struct ipcx_msg *m)
{
	return release_rest(t, m, 0);
}

/* What the next take returns, or a bare negative errno; it is not held */
int ipcx_topic_peek(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r = check_take(t, 0);
	bool kick;

	if (r)
		return r;
	ipcx_lock(&t->lock);
	r = take_locked(t, SIZE_MAX, m);
	if (!r)
		keep(t, m);
	kick = ipcx_topic_made_room(t);
	ipcx_unlock(&t->lock);
	if (kick)
		ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
	return r;
}

uint64_t ipcx_topic_missed(struct ipcx_topic *t)
{
	uint64_t missed;

	ipcx_lock(&t->lock);
	missed = t->ops->missed ? t->ops->missed(t) : t->missed;
	for (unsigned int i = 0; i < t->nrings; i++)
		missed += t->rings[i]->sub->missed;
	ipcx_unlock(&t->lock);
	return missed;
}
