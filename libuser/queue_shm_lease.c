// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Queues over shared memory: messages that come again, because they were put back or their receiver
 * is gone, and those that wait for some time only.
 */
#include <errno.h>

#include "copied.h"
#include "queue_shm.h"

#define DELIVERIES_MAX 0xffffU

struct lease {
	unsigned int state, deliveries;
};

static uint64_t *lease_at(const struct ipcx_ring_sub *s, uint64_t pos)
{
	return &ipcx_leased(ipcx_sub_cell(s, pos)->data)->lease;
}

static void set_lease(const struct ipcx_ring_sub *s, uint64_t pos, struct lease l)
{
	unsigned int deliveries = l.deliveries < DELIVERIES_MAX ? l.deliveries : DELIVERIES_MAX;

	__atomic_store_n(lease_at(s, pos), pos << 18 | l.state << 16 | deliveries,
			 __ATOMIC_RELEASE);
}

static struct lease get_lease(const struct ipcx_ring_sub *s, uint64_t pos)
{
	uint64_t word = __atomic_load_n(lease_at(s, pos), __ATOMIC_RELAXED);

	if (word >> 18 != (pos << 18) >> 18)
		return (struct lease){ IPCX_LEASE_HELD, 0 };
	return (struct lease){ word >> 16 & 3, word & DELIVERIES_MAX };
}

static bool is_message(const struct ipcx_ring_sub *s, uint64_t pos)
{
	return __atomic_load_n(&ipcx_sub_cell(s, pos)->word, __ATOMIC_ACQUIRE) ==
	       ipcx_word(pos, IPCX_CELL_PUBLISHED);
}

/* Of a message: what its sender said of a request, 0 if it is none. */
static uint32_t call_of(const struct ipcx_ring_sub *s, uint64_t pos)
{
	const struct ipcx_cell *cell = ipcx_sub_cell(s, pos);

	if (!(__atomic_load_n(&cell->len, __ATOMIC_RELAXED) & IPCX_CELL_MORE))
		return 0;
	return __atomic_load_n(&ipcx_leased(cell->data)->call, __ATOMIC_RELAXED);
}

/*
 * What another has held comes again, but for requests: who asked is told that the server is gone.
 * Each step leaves what can be begun anew. Return: 0, or -EPROTO: what the control page says
 * cannot be.
 */
int ipcx_lease_recover(struct ipcx_topic *t, struct ipcx_topic_reader *reader)
{
	struct ipcx_ring_sub *s = reader->sub;
	uint64_t cursor = s->cursor;
	uint64_t next = __atomic_load_n(s->next, __ATOMIC_RELAXED) & IPCX_POS_MASK;
	int64_t n = ipcx_pos_diff(next, cursor);

	if (n < 0 || n > s->depth)
		return -EPROTO;
	for (; s->pos != next; s->pos = ipcx_pos_add(s->pos, 1)) {
		struct lease l = get_lease(s, s->pos);

		if (l.state != IPCX_LEASE_RELEASED && is_message(s, s->pos) &&
		    ipcx_request_is_over(t, reader, s->pos, call_of(s, s->pos))) {
			l.state = IPCX_LEASE_RELEASED;
			set_lease(s, s->pos, l);
		}
		if (l.state == IPCX_LEASE_RELEASED || !is_message(s, s->pos)) {
			ipcx_sub_flip(s, s->pos);
			continue;
		}
		if (l.state == IPCX_LEASE_HELD)
			set_lease(s, s->pos, (struct lease){ IPCX_LEASE_AGAIN, l.deliveries + 1 });
		s->held++;
		reader->again++;
	}
	ipcx_sub_move(s);
	t->made_room |= s->cursor != cursor;
	return 0;
}

bool ipcx_lease_is_held(const struct ipcx_topic_reader *reader, uint64_t pos)
{
	const struct ipcx_ring_sub *s = reader->sub;
	int64_t age = ipcx_pos_diff(pos, s->cursor);

	return age >= 0 && age < ipcx_pos_diff(s->pos, s->cursor) && !ipcx_sub_test(s, pos) &&
	       get_lease(s, pos).state != IPCX_LEASE_AGAIN;
}

/* A message that was taken is to be so again. @counts: as delivered. Return: 0, or -EPERM. */
int ipcx_lease_put_back(struct ipcx_topic *t, const struct ipcx_msg *m, bool counts)
{
	struct ipcx_topic_reader *reader;
	uint64_t pos = m->priv[IPCX_TOPIC_PRIV_POS];
	struct lease l;

	if (m->priv[IPCX_TOPIC_PRIV_HOLDER] != t->held)
		return -EPERM;
	reader = &t->reader[m->priv[IPCX_TOPIC_PRIV_WHERE] & 0xff];
	if (reader->id != m->priv[IPCX_TOPIC_PRIV_ID])
		return 0; /* the ring was left */
	if (!ipcx_lease_is_held(reader, pos))
		return -EPERM;
	ipcx_request_put_back(t, m);
	l = get_lease(reader->sub, pos);
	set_lease(reader->sub, pos, (struct lease){ IPCX_LEASE_AGAIN, l.deliveries + counts });
	reader->again++;
	__atomic_store_n(&t->has_again, true, __ATOMIC_RELAXED);
	return 0;
}

/* Return: whether it is held; it is about to be released. */
bool ipcx_lease_release(const struct ipcx_topic_reader *reader, uint64_t pos)
{
	if (!ipcx_lease_is_held(reader, pos))
		return false;
	if (pos != reader->sub->cursor)
		set_lease(reader->sub, pos, (struct lease){ IPCX_LEASE_RELEASED, 0 });
	return true;
}

/* The oldest of a ring. Return: 1; 0: there is none; -EPROTO: it is no message any more. */
static int take_of(struct ipcx_topic_reader *reader, struct ipcx_taken *taken, uint32_t *deliveries)
{
	struct ipcx_ring_sub *s = reader->sub;

	for (uint64_t pos = s->cursor; pos != s->pos; pos = ipcx_pos_add(pos, 1)) {
		struct lease l = get_lease(s, pos);

		if (l.state != IPCX_LEASE_AGAIN || ipcx_sub_test(s, pos))
			continue;
		if (!is_message(s, pos))
			return -EPROTO;
		taken->pos = pos;
		taken->cell = ipcx_sub_cell(s, pos)->data;
		taken->hold = 0;
		ipcx_sub_header(ipcx_sub_cell(s, pos), taken);
		*deliveries = l.deliveries;
		set_lease(s, pos, (struct lease){ IPCX_LEASE_HELD, l.deliveries });
		reader->again--;
		return 1;
	}
	reader->again = 0;
	return 0;
}

/* What comes again, of any ring. Return: as take_of(). */
int ipcx_lease_take(struct ipcx_topic *t, struct ipcx_topic_reader **reader,
		    struct ipcx_taken *taken, uint32_t *deliveries)
{
	bool left = false;
	int r = 0;

	for (unsigned int i = 0; i < t->nrings; i++) {
		if (!r && t->rings[i]->again) {
			*reader = t->rings[i];
			r = take_of(*reader, taken, deliveries);
		}
		left |= t->rings[i]->again;
	}
	__atomic_store_n(&t->has_again, left, __ATOMIC_RELAXED);
	return r;
}

/* What its sender said beside the message. Return: 1; 0: nobody wants it any more; -EPROTO. */
int ipcx_lease_more(struct ipcx_topic *t, const struct ipcx_topic_reader *reader,
		    const struct ipcx_taken *taken, struct ipcx_msg *m)
{
	const struct ipcx_leased_cell *cell = ipcx_leased(taken->cell);
	uint32_t call = __atomic_load_n(&cell->call, __ATOMIC_RELAXED);
	bool late;
	int r;

	m->expires = __atomic_load_n(&cell->expires, __ATOMIC_RELAXED);
	m->prio = __atomic_load_n(&cell->prio, __ATOMIC_RELAXED) & 31;
	late = m->expires && m->expires <= ipcx_copied_now();
	t->expired += late;
	r = call ? ipcx_request_take(t, reader, taken->pos, call, late) : !late;
	if (call && r > 0) {
		m->flags = IPCX_REQUEST;
		m->priv[IPCX_TOPIC_PRIV_WHERE] |= (uint64_t)call << IPCX_WHERE_CALL;
	}
	return r;
}
