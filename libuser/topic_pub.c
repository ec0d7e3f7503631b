// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: loan, commit, cancel, send. While there is room, and the payload slots have been as
 * long as needed before, nothing here makes a system call.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "topic.h"

static struct ipcx_topic_place *place_of(struct ipcx_topic *t, uint64_t pos)
{
	return &t->places[pos & (t->o.out_depth - 1)];
}

/* Where the @len bytes of the message at @pos are */
static void *data_of(struct ipcx_topic *t, uint64_t pos, size_t len)
{
	char *payload = t->map[IPCX_TOPIC_MAP_PAYLOAD].addr;

	if (!len)
		return NULL;
	if (len <= IPCX_CELL_DATA)
		return ipcx_pub_cell(&t->pub, pos)->data;
	return payload + (pos & (t->o.out_depth - 1)) * t->o.out_stride;
}

/* Sees to it that the payload slot of @pos has pages. */
static int populate(struct ipcx_topic *t, uint64_t pos, size_t len)
{
	struct ipcx_topic_place *place = place_of(t, pos);
	struct ipcx_topic_populate arg = {
		.size = sizeof(arg),
		.slot = pos & (t->o.out_depth - 1),
		.len = len,
	};

	if (len <= IPCX_CELL_DATA || len <= place->pages)
		return 0;
	if (ioctl(t->fd, IPCX_IOC_TOPIC_POPULATE, &arg) < 0)
		return -errno;
	place->pages = arg.out_len;
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

	if (!ioctl(t->fd, IPCX_IOC_TOPIC_EVICT, &arg) || errno == ENOENT)
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
			return r == -ENOBUFS ? -EBUSY : r;
		r = evict(t, who, r == -EBADMSG);
		if (r && (r != -EAGAIN || !again--))
			return r;
	}
}

/*
 * The pages are got first, so that no position is used up where that fails. Should the position
 * be another one then, because a reader holds the one expected, it is cancelled on failure.
 */
static int loan_locked(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, bool *kick)
{
	struct ipcx_topic_place *place;
	uint64_t pos;
	int r = populate(t, t->pub.head, len);

	if (!r)
		r = next_position(t, &pos);
	if (ipcx_unlikely(r)) {
		*kick = t->pub.kick;
		t->pub.kick = false;
		return r;
	}
	r = populate(t, pos, len);
	if (ipcx_unlikely(r)) {
		*kick = ipcx_pub_cancel(&t->pub, pos);
		return r;
	}
	place = place_of(t, pos);
	place->loan = pos + 1;
	place->len = len;
	memset(m, 0, sizeof(*m));
	m->data = data_of(t, pos, len);
	m->len = len;
	m->priv[IPCX_TOPIC_PRIV_POS] = pos;
	m->priv[IPCX_TOPIC_PRIV_HOLDER] = (uintptr_t)t;
	return 0;
}

/* The place of a loan, or NULL if it is none */
static struct ipcx_topic_place *loaned(struct ipcx_topic *t, const struct ipcx_msg *m)
{
	struct ipcx_topic_place *place;
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != (uintptr_t)t || !t->places)
		return NULL;
	place = place_of(t, pos);
	return place->loan == pos + 1 ? place : NULL;
}

static int commit_locked(struct ipcx_topic *t, const struct ipcx_msg *m, bool *kick)
{
	struct ipcx_topic_place *place = loaned(t, m);
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];

	if (!place)
		return -EPERM;
	if (m->len > place->len)
		return -EMSGSIZE;
	/* one that has become short enough belongs into the cell */
	if (ipcx_unlikely(place->len > IPCX_CELL_DATA && m->len && m->len <= IPCX_CELL_DATA))
		memcpy(data_of(t, pos, m->len), data_of(t, pos, place->len), m->len);
	place->loan = 0;
	*kick = ipcx_pub_commit(&t->pub, pos, m->len, m->tag);
	return 0;
}

/* One lock for all of it: no other thread finds the place on loan for a while. */
static int send_locked(struct ipcx_topic *t, const void *buf, size_t len, bool *kick)
{
	struct ipcx_msg m;
	int r = loan_locked(t, len, &m, kick);

	if (r)
		return r;
	if (len)
		memcpy(m.data, buf, len);
	return commit_locked(t, &m, kick);
}

/* Loans, or if @m is NULL sends a copy of @buf. */
static int loan_until(struct ipcx_topic *t, const void *buf, size_t len, struct ipcx_msg *m,
		      int64_t deadline)
{
	bool kick = false, late = false;
	int r;

	if (t->fd < 0)
		return -EBADF;
	if (!(t->flags & IPCX_PUBLISH))
		return -EPERM;
	if (deadline < 0)
		return -EINVAL;
	if (len > t->o.out_msg_max)
		return -EMSGSIZE;
	for (;; kick = false) {
		pthread_mutex_lock(&t->lock);
		r = m ? loan_locked(t, len, m, &kick) : send_locked(t, buf, len, &kick);
		pthread_mutex_unlock(&t->lock);
		if (ipcx_unlikely(kick))
			ipcx_topic_kick(t, IPCX_KICK_SUBSCRIBERS);
		if (r != -EAGAIN || deadline == IPCX_NOWAIT)
			return r;
		if (late)
			return -ETIMEDOUT;
		r = ipcx_topic_sleep(t, IPCX_WAIT_ROOM, deadline);
		if (r)
			return r;
		late = ipcx_topic_late(deadline);
	}
}

int ipcx_topic_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	int r = loan_until(t, NULL, len, m, deadline);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_LOAN, -r, len) : 0;
}

static int cancel_locked(struct ipcx_topic *t, const struct ipcx_msg *m, bool *kick)
{
	struct ipcx_topic_place *place = loaned(t, m);

	if (!place)
		return -EPERM;
	place->loan = 0;
	*kick = ipcx_pub_cancel(&t->pub, m->priv[IPCX_TOPIC_PRIV_POS]);
	return 0;
}

static int finish(struct ipcx_topic *t, struct ipcx_msg *m, bool commit)
{
	bool kick = false;
	int r;

	if (t->fd < 0)
		return -EBADF;
	pthread_mutex_lock(&t->lock);
	r = commit ? commit_locked(t, m, &kick) : cancel_locked(t, m, &kick);
	pthread_mutex_unlock(&t->lock);
	if (ipcx_unlikely(kick))
		ipcx_topic_kick(t, IPCX_KICK_SUBSCRIBERS);
	if (!r) {
		m->data = NULL;
		m->priv[IPCX_TOPIC_PRIV_HOLDER] = 0;
	}
	return r;
}

int ipcx_topic_commit(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r = finish(t, m, true);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_COMMIT, -r, m->len) : 0;
}

int ipcx_topic_cancel(struct ipcx_topic *t, struct ipcx_msg *m)
{
	int r = finish(t, m, false);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_COMMIT, -r, 0) : 0;
}

int ipcx_topic_send(struct ipcx_topic *t, const void *buf, size_t len, int64_t deadline)
{
	int r = loan_until(t, buf, len, NULL, deadline);

	return ipcx_unlikely(r) ? ipcx_topic_explain(t, IPCX_TOPIC_OP_LOAN, -r, len) : 0;
}
