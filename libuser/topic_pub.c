// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: loan, commit, cancel, send. While there is room, and the payload slots have been as
 * long as needed before, nothing here makes a system call.
 */
#include <errno.h>
#include <string.h>

#include "queue_shm.h"

/* Where the @len bytes of the message at @pos, in @cell, are */
ipcx_hot void *data_of(struct ipcx_topic *t, struct ipcx_cell *cell, uint64_t pos, size_t len)
{
	if (ipcx_usual(len - 1 < t->cell_max))
		return cell->data;
	if (!len)
		return NULL;
	return (char *)t->map[IPCX_TOPIC_MAP_PAYLOAD].addr +
	       (pos & (t->o.out_depth - 1)) * t->o.out_stride;
}

/* Does the payload slot of @pos have pages for so much? */
ipcx_hot bool is_populated(const struct ipcx_topic *t, uint64_t pos, size_t len)
{
	return ipcx_usual(len <= t->cell_max) || len <= t->pages[pos & (t->o.out_depth - 1)];
}

/* Sees to it that it has. */
static int populate(struct ipcx_topic *t, uint64_t pos, size_t len)
{
	struct ipcx_topic_populate arg = {
		.size = sizeof(arg),
		.slot = pos & (t->o.out_depth - 1),
		.len = len,
	};

	if (is_populated(t, pos, len))
		return 0;
	if (t->ops->call(t, IPCX_IOC_TOPIC_POPULATE, &arg) < 0)
		return -errno;
	t->pages[arg.slot] = arg.out_len;
	return 0;
}

/* Return: 0 if it is worth trying again. */
static int evict(struct ipcx_topic *t, uint32_t who, bool skips)
{
	struct ipcx_topic_evict arg = {
		.size = sizeof(arg),
		.flags = skips ? IPCX_EVICT_SKIPS : 0,
		.sub = who,
	};

	if (!t->ops->call(t, IPCX_IOC_TOPIC_EVICT, &arg) || errno == ENOENT)
		return 0;
	return -errno;
}

/*
 * The position to write to next; who stands in the way and has to go is cut off. Who has just
 * joined need not go after all: once the kernel has said so, its cursor makes sense.
 */
static int next_position(struct ipcx_topic *t, uint64_t *pos)
{
	unsigned int again = 8; /* subscribers that join meanwhile */
	uint32_t who;
	int r;

	for (;;) {
		r = ipcx_pub_loan(&t->pub, pos, &who);
		if (r != -EPIPE && r != -EPROTO && r != -EBADMSG)
			return r != -ENOBUFS ? r : t->queue ? -EAGAIN : -EBUSY;
		if (t->queue) /* that is no reason to lose messages */
			return -EPROTO;
		r = evict(t, who, r == -EBADMSG);
		if (r && (r != -EAGAIN || !again--))
			return r;
	}
}

/* The cell keeps the length of the loan; nobody reads it there before the commit. */
ipcx_hot void fill_loan(struct ipcx_topic *t, struct ipcx_cell *cell, uint64_t pos, size_t len,
			void *data, struct ipcx_msg *m)
{
	__atomic_store_n(&cell->len, len, __ATOMIC_RELAXED);
	m->data = data;
	m->len = len;
	m->tag = 0;
	m->priv[IPCX_TOPIC_PRIV_POS] = pos;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = t->loan;
}

/* Did others take it for dead? Then nothing is as usual any more. */
static bool is_ended(struct ipcx_topic *t)
{
	if (!ipcx_topic_ended(t, IPCX_PUBLISH))
		return false;
	t->pub.generation = ipcx_topic_generation(t) - 1;
	return true;
}

/*
 * The pages are got first, so that no position is used up where that fails. Should the position
 * be another one then, because a reader holds the one expected, it is cancelled on failure.
 */
ipcx_cold int loan_locked(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, bool *kick)
{
	struct ipcx_cell *cell;
	uint64_t pos;
	int r = is_ended(t) ? -ENOTCONN : populate(t, t->pub.head, len);

	if (!r)
		r = next_position(t, &pos);
	if (is_ended(t)) /* what next_position() saw may be of after its end */
		r = -ENOTCONN;
	if (r) {
		*kick = t->pub.kick;
		t->pub.kick = false;
		return r;
	}
	cell = ipcx_pub_cell(&t->pub, pos);
	r = populate(t, pos, len);
	if (r)
		*kick = ipcx_pub_cancel(&t->pub, pos);
	else
		fill_loan(t, cell, pos, len, data_of(t, cell, pos, len), m);
	return r;
}

/* As loan_usual(), where the message is in no cell */
ipcx_hot bool loan_elsewhere(struct ipcx_topic *t, size_t len, struct ipcx_msg *m)
{
	struct ipcx_cell *cell;
	uint64_t pos;
	void *data;

	if (ipcx_unlikely(!is_populated(t, t->pub.head, len) ||
			  !ipcx_pub_try(&t->pub, 0, &pos, &cell)))
		return false;
	data = data_of(t, cell, pos, len);
	fill_loan(t, cell, pos, len, data, m);
	ipcx_own_payload(data, len);
	return true;
}

/* Return: whether all was as usual; if not, nothing has been done. */
ipcx_hot bool loan_usual(struct ipcx_topic *t, size_t len, struct ipcx_msg *m)
{
	struct ipcx_cell *cell;
	uint64_t pos;

	if (ipcx_unlikely(len - 1 >= t->cell_max))
		return loan_elsewhere(t, len, m);
	if (ipcx_unlikely(!ipcx_pub_try(&t->pub, len, &pos, &cell)))
		return false;
	fill_loan(t, cell, pos, len, cell->data, m);
	return true;
}

static int check_loan(const struct ipcx_topic *t, size_t len, int64_t deadline)
{
	if (t->fd < 0)
		return -EBADF;
	if (!(t->flags & IPCX_PUBLISH))
		return -EPERM;
	if (deadline < 0)
		return -EINVAL;
	return len > t->o.out_msg_max ? -EMSGSIZE : 0;
}

/* One that has become short enough belongs into the cell. */
static void move_shorter(struct ipcx_topic *t, const struct ipcx_msg *m, struct ipcx_cell *cell,
			 uint64_t pos)
{
	if (m->len && m->len <= t->cell_max)
		memcpy(cell->data, data_of(t, cell, pos, t->cell_max + 1), m->len);
}

/* The next message is often as long. */
ipcx_hot void own_next(struct ipcx_topic *t, struct ipcx_cell *cell, size_t len)
{
	if (ipcx_pub_open(&t->pub, t->pub.head))
		ipcx_own_payload(data_of(t, cell, t->pub.head, len), len);
}

/* Return: whether to kick, or negative: nothing has been done. */
ipcx_hot int commit_usual(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	struct ipcx_cell *cell = ipcx_pub_cell(&t->pub, pos);
	size_t len = m->len, loaned;

	if (ipcx_unlikely(!ipcx_pub_on_loan(&t->pub, pos, cell)))
		return -EAGAIN;
	loaned = __atomic_load_n(&cell->len, __ATOMIC_RELAXED);
	if (ipcx_unlikely(len != loaned && (len > loaned || loaned > t->cell_max)))
		return -EAGAIN;
	ipcx_pub_fill(&t->pub, cell, pos, len, m->tag);
	if (ipcx_unlikely(len > t->cell_max))
		own_next(t, cell, len);
	return ipcx_pub_kick(&t->pub);
}

/*
 * @more: of a queue: its time and priority too, and @call as in a cell. Return: whether to kick, or
 * a negative errno.
 */
ipcx_cold int commit_locked(struct ipcx_topic *t, const struct ipcx_msg *m, bool more,
			    uint32_t call)
{
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	struct ipcx_cell *cell = ipcx_pub_cell(&t->pub, pos);
	struct ipcx_leased_cell *leased = ipcx_leased(cell->data);
	uint32_t loaned;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan || !ipcx_pub_on_loan(&t->pub, pos, cell))
		return -EPERM;
	loaned = __atomic_load_n(&cell->len, __ATOMIC_RELAXED);
	if (m->len > loaned)
		return -EMSGSIZE;
	if (m->len < loaned && loaned > t->cell_max)
		move_shorter(t, m, cell, pos);
	if (more) {
		__atomic_store_n(&leased->expires, m->expires, __ATOMIC_RELAXED);
		__atomic_store_n(&leased->prio, m->prio, __ATOMIC_RELAXED);
		__atomic_store_n(&leased->call, call, __ATOMIC_RELAXED);
	}
	ipcx_pub_fill(&t->pub, cell, pos, m->len | (more ? IPCX_CELL_MORE : 0), m->tag);
	return ipcx_pub_kick(&t->pub);
}

/* Under the lock of the loan, so that no other thread finds the place on loan for a while. */
ipcx_hot int send_locked(struct ipcx_topic *t, const void *buf, const struct ipcx_msg *m)
{
	if (m->len)
		memcpy(m->data, buf, m->len);
	return commit_usual(t, m);
}

/* With the lock held. As loan_locked(); and sends, if @buf is not NULL. */
static int loan_or_send(struct ipcx_topic *t, const void *buf, size_t len, struct ipcx_msg *m,
			bool *kick)
{
	int r = t->ops->loan ? t->ops->loan(t, len, m) : loan_locked(t, len, m, kick);

	if (r || !buf)
		return r;
	if (!t->ops->commit) {
		*kick = send_locked(t, buf, m) > 0;
		return 0;
	}
	if (len)
		memcpy(m->data, buf, len);
	r = t->ops->commit(t, m);
	if (r) /* nobody else could */
		t->ops->cancel(t, m);
	return r;
}

/* Loans, or if @buf is not NULL sends a copy of it; if that is not @done yet. */
ipcx_cold int loan_until(struct ipcx_topic *t, const void *buf, size_t len, struct ipcx_msg *m,
			 int64_t deadline, unsigned int done)
{
	struct ipcx_topic_patience p = { .until = IPCX_WAIT_ROOM, .deadline = deadline };
	bool kick;
	int r;

	ipcx_topic_finish(t, done, IPCX_KICK_SUBSCRIBERS);
	if (done & IPCX_TOPIC_DONE)
		return 0;
	r = check_loan(t, len, deadline);
	while (!r) {
		kick = false;
		ipcx_lock(&t->lock);
		r = loan_or_send(t, buf, len, m, &kick);
		p.wakes = t->wakes;
		ipcx_unlock(&t->lock);
		if (kick)
			ipcx_topic_kick(t, IPCX_KICK_SUBSCRIBERS);
		if (r != -EAGAIN)
			break;
		r = ipcx_topic_wait(t, &p);
	}
	if (r)
		return ipcx_topic_explain(t, IPCX_TOPIC_OP_LOAN, -r, len);
	ipcx_topic_waited(t, &p);
	return 0;
}

ipcx_hot bool may_loan(struct ipcx_topic *t, size_t len, int64_t deadline)
{
	return len < t->loan_end && deadline >= 0 && ipcx_trylock(&t->lock);
}

int ipcx_topic_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	unsigned int done = 0;

	if (ipcx_usual(may_loan(t, len, deadline))) {
		done = loan_usual(t, len, m) ? IPCX_TOPIC_DONE : 0;
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
		if (ipcx_usual(done == IPCX_TOPIC_DONE))
			return 0;
	}
	return loan_until(t, NULL, len, m, deadline, done);
}

int ipcx_topic_send(struct ipcx_topic *t, const void *buf, size_t len, int64_t deadline)
{
	unsigned int done = 0;
	struct ipcx_msg m;

	if (ipcx_usual(may_loan(t, len, deadline))) {
		if (ipcx_usual(loan_usual(t, len, &m)))
			done = send_locked(t, buf, &m) ? IPCX_TOPIC_DONE | IPCX_TOPIC_KICK :
							 IPCX_TOPIC_DONE;
		done |= ipcx_unlock_wakes(&t->lock) ? IPCX_TOPIC_WAKE : 0;
		if (ipcx_usual(done == IPCX_TOPIC_DONE))
			return 0;
	}
	/* where there are no bytes it only tells what is wanted */
	return loan_until(t, buf ? buf : "", len, &m, deadline, done);
}

/* @r: whether to kick, or a bare negative errno; @wake: as IPCX_TOPIC_WAKE */
ipcx_cold int end_loan(struct ipcx_topic *t, struct ipcx_msg *m, int r, bool wake)
{
	ipcx_topic_finish(t, (wake ? IPCX_TOPIC_WAKE : 0) | (r > 0 ? IPCX_TOPIC_KICK : 0),
			  IPCX_KICK_SUBSCRIBERS);
	if (r < 0)
		return ipcx_topic_explain(t, IPCX_TOPIC_OP_COMMIT, t->fd < 0 ? EBADF : -r, m->len);
	m->data = NULL;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	return 0;
}

/* Commits, unless @r tells that this is done, and wakes. */
ipcx_cold int commit_rest(struct ipcx_topic *t, struct ipcx_msg *m, int r, bool wake)
{
	if (r >= 0)
		return end_loan(t, m, r, wake);
	ipcx_topic_finish(t, wake ? IPCX_TOPIC_WAKE : 0, IPCX_KICK_SUBSCRIBERS);
	if (!t->ops->commit && m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan)
		return end_loan(t, m, -EPERM, false);
	ipcx_lock(&t->lock);
	r = t->ops->commit ? t->ops->commit(t, m) : commit_locked(t, m, false, 0);
	return end_loan(t, m, r, ipcx_unlock_wakes(&t->lock));
}

int ipcx_topic_commit(struct ipcx_topic *t, struct ipcx_msg *m)
{
	bool wake = false;
	int r = -EAGAIN;

	if (ipcx_usual(ipcx_trylock(&t->lock))) {
		if (ipcx_usual(m->priv[IPCX_TOPIC_PRIV_HOLDER] == t->loan))
			r = commit_usual(t, m);
		if (ipcx_usual(!r)) { /* apart: nothing is remembered meanwhile */
			wake = ipcx_unlock_wakes(&t->lock);
			if (ipcx_usual(!wake)) {
				m->data = NULL;
				m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
				return 0;
			}
		} else {
			wake = ipcx_unlock_wakes(&t->lock);
		}
	}
	return commit_rest(t, m, r, wake);
}

int ipcx_topic_commit_more(struct ipcx_topic *t, struct ipcx_msg *m, uint32_t call)
{
	int r;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan)
		return end_loan(t, m, -EPERM, false);
	ipcx_lock(&t->lock);
	r = commit_locked(t, m, true, call);
	return end_loan(t, m, r, ipcx_unlock_wakes(&t->lock));
}

#define NEXT_LOAN (UINT64_C(1) << 56) /* where no address has anything */

/* Return: whether to kick, or -EPERM. */
static int cancel_locked(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	struct ipcx_ring_pub *p = &t->pub;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan ||
	    !ipcx_pub_on_loan(p, pos, ipcx_pub_cell(p, pos)))
		return -EPERM;
	if (!t->queue || p->loans > 1 || ipcx_pos_add(pos, 1) != p->head)
		return ipcx_pub_cancel(p, pos);
	/* it takes no place from messages while nobody receives; copies of it are worth nothing */
	ipcx_pub_give_back(p, pos);
	t->loan += NEXT_LOAN;
	return 0;
}

int ipcx_topic_cancel(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r;

	if (!t->ops->cancel && m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->loan)
		return end_loan(t, m, -EPERM, false);
	ipcx_lock(&t->lock);
	r = t->ops->cancel ? t->ops->cancel(t, m) : cancel_locked(t, m);
	return end_loan(t, m, r, ipcx_unlock_wakes(&t->lock));
}
