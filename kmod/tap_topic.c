// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tap finds in a topic: it reads the rings as a lossy subscriber does that copies all.
 *
 * Nothing in a ring is trusted: each word is read once and bounded, and how far one read goes is
 * bounded, too. Numbers of messages tell how many were missed, but never more than positions were
 * passed over.
 *
 * LOCKS: ipcx_topic::mutex keeps a ring and the pages that its windows show, and is let go of
 * after a page or so many steps. Nobody needs it who publishes, takes or releases while awake.
 */
#include <linux/sched/signal.h>

#include "tap.h"
#include "topic.h"

#define STEPS_MAX 1024 /* positions looked at under one hold of the mutex */
#define TRIES_MAX 64 /* messages of a ring that may be overwritten under the tap in one read */

static struct ipcx_topic *topic_of(const struct ipcx_tap *tap)
{
	return container_of(tap->obj, struct ipcx_topic, obj);
}

static struct ipcx_cell *cell_of(const struct ipcx_pub *pub, u64 pos)
{
	struct ipcx_cell *cell = (void *)pub->ring + PAGE_SIZE;

	return &cell[pos & (pub->topic->depth - 1)];
}

static u64 pos_add(u64 pos, u64 n)
{
	return (pos + n) % IPCX_POSITIONS;
}

static u64 pos_before(u64 pos)
{
	return pos_add(pos, IPCX_POSITIONS - 1);
}

static u64 head_of(const struct ipcx_pub *pub)
{
	return READ_ONCE(pub->ring->head) % IPCX_POSITIONS;
}

/* The word of the cell of @pos; what is in the cell is read after it. */
static u64 word_of(const struct ipcx_pub *pub, u64 pos)
{
	/* B: pairs with A */
	return smp_load_acquire(&cell_of(pub, pos)->word);
}

static bool word_is(u64 word, u64 pos, u32 state)
{
	return word == (pos << 2 | state);
}

/* Begins behind the newest position that is done with, if it is not too far back. */
static void ring_begin(struct ipcx_tap_ring *ring, const struct ipcx_pub *pub)
{
	u64 head = head_of(pub), pos, word;
	u64 left = min_t(u64, ipcx_pub_kept(pub, head), STEPS_MAX);

	ring->id = pub->id;
	for (; left; left--, head = pos_before(head)) {
		pos = pos_before(head);
		word = word_of(pub, pos);
		if (word >> 2 == pos && (word & 3) != IPCX_CELL_WRITING)
			break;
	}
	ring->pos = head;
	for (pos = head; left; left--) {
		pos = pos_before(pos);
		word = word_of(pub, pos);
		if (word_is(word, pos, IPCX_CELL_PUBLISHED) ||
		    word_is(word, pos, IPCX_CELL_CANCELED)) {
			ring->nr = READ_ONCE(cell_of(pub, pos)->nr) + 1;
			return;
		}
	}
}

static void topic_begin(struct ipcx_tap *tap)
{
	struct ipcx_topic *t = topic_of(tap);
	u32 i;

	for (i = 0; i < IPCX_TOPIC_RINGS; i++) {
		mutex_lock(&t->mutex);
		if (t->pub[i])
			ring_begin(&tap->topic.ring[i], t->pub[i]);
		mutex_unlock(&t->mutex);
		cond_resched();
	}
}

static void topic_end(struct ipcx_tap *tap)
{
}

static bool topic_over(const struct ipcx_tap *tap)
{
	return false;
}

/* So many positions are passed over, and what may have been there is missed. */
static void pass(struct ipcx_tap_ring *ring, u64 n)
{
	ring->pos = pos_add(ring->pos, n);
	ring->passed += n;
}

/* A position that had a number but never will have a message. */
static void step_over(struct ipcx_tap_ring *ring)
{
	ring->pos = pos_add(ring->pos, 1);
	ring->nr++;
}

/* What is there at the next position? Return: 0: a message; -EAGAIN: nothing; 1: look further. */
static int ring_step(struct ipcx_tap_ring *ring, const struct ipcx_pub *pub, u64 *word)
{
	u64 head = head_of(pub), kept = ipcx_pub_kept(pub, head);
	u64 behind = ipcx_pos_ahead(head, ring->pos);

	if (!behind || behind > IPCX_POSITIONS / 2)
		return -EAGAIN;
	if (behind > kept) {
		pass(ring, behind - kept);
		return 1;
	}
	*word = word_of(pub, ring->pos);
	if (word_is(*word, ring->pos, IPCX_CELL_PUBLISHED))
		return 0;
	if (word_is(*word, ring->pos, IPCX_CELL_SKIPPED))
		ring->pos = pos_add(ring->pos, 1);
	else if (word_is(*word, ring->pos, IPCX_CELL_CANCELED))
		step_over(ring);
	else if (*word >> 2 != ring->pos &&
		 ipcx_pos_ahead(*word >> 2, ring->pos) < IPCX_POSITIONS / 2)
		pass(ring, 1); /* overwritten */
	else if (!pub->member)
		step_over(ring); /* nobody will ever write it */
	else
		return -EAGAIN;
	return 1;
}

static int ring_look(struct ipcx_tap_ring *ring, const struct ipcx_pub *pub, u64 *word)
{
	int steps, r = 1;

	for (steps = 0; r > 0 && steps < STEPS_MAX; steps++)
		r = ring_step(ring, pub, word);
	return r;
}

/*
 * Were what was read before this, and @word, of the message in that position? Its cell may be
 * written to again once head is a whole round further, and where there is a lossy subscriber that
 * may want it, the word changes before. Head is stored first by the order that x86 keeps.
 */
static bool still_there(const struct ipcx_pub *pub, u64 pos, u64 word)
{
	smp_rmb(); /* G: pairs with F and M: who saw what came later sees that */
	return READ_ONCE(cell_of(pub, pos)->word) == word &&
	       ipcx_pos_ahead(head_of(pub), pos) <= pub->topic->depth;
}

/* Copies some bytes of the message in the next position, which is there if @word is. */
static bool copy_some(const struct ipcx_pub *pub, u64 pos, const struct ipcx_tap_record *r, u32 at,
		      u32 n, void *to)
{
	struct ipcx_payload *p = &pub->payload[pos & (pub->topic->depth - 1)];

	if (r->len <= IPCX_CELL_DATA) {
		memcpy(to, cell_of(pub, pos)->data + at, n);
		return true;
	}
	return (u64)at + n <= (u64)p->shown << PAGE_SHIFT && ipcx_slot_read(&p->pg, at, n, to);
}

/* Return: whether all that was copied is of that message. */
static bool copy_all(struct ipcx_tap *tap, u32 index, u64 word, struct ipcx_tap_record *r)
{
	struct ipcx_topic *t = topic_of(tap);
	struct ipcx_tap_ring *ring = &tap->topic.ring[index];
	u32 done, n;
	bool good;

	for (done = 0; done < r->snapped; done += n) {
		const struct ipcx_pub *pub;

		n = min_t(u32, r->snapped - done, IPCX_TAP_COPY);
		mutex_lock(&t->mutex);
		pub = t->pub[index];
		good = pub && pub->id == ring->id &&
		       copy_some(pub, ring->pos, r, done, n, ipcx_tap_data(tap) + done);
		good = good && still_there(pub, ring->pos, word);
		mutex_unlock(&t->mutex);
		if (!good)
			return false;
		cond_resched();
	}
	return true;
}

/* Describes the message in the next position. Return: whether it can be. */
static bool describe(struct ipcx_tap *tap, const struct ipcx_pub *pub, u64 word,
		     struct ipcx_tap_record *r)
{
	u64 pos = tap->topic.ring[pub->index].pos;
	const struct ipcx_cell *cell = cell_of(pub, pos);

	r->state = IPCX_TAP_PUBLISHED;
	r->seq = READ_ONCE(cell->nr);
	r->len = READ_ONCE(cell->len);
	r->tag = READ_ONCE(cell->tag);
	r->publisher = pub->id;
	r->snapped = min_t(u64, r->len, tap->snap);
	r->ring = pub->index;
	r->pid = ipcx_pid_visible(pub->pid, false);
	r->uid = from_kuid_munged(current_user_ns(), pub->uid);
	r->gid = from_kgid_munged(current_user_ns(), pub->gid);
	return still_there(pub, pos, word) && r->len <= pub->topic->msg_max;
}

/* The next message of a ring. Return: 0; -EAGAIN: none; 1: it was overwritten, or look further. */
static int ring_next(struct ipcx_tap *tap, u32 index, struct ipcx_tap_record *r)
{
	struct ipcx_tap_ring *ring = &tap->topic.ring[index];
	struct ipcx_topic *t = topic_of(tap);
	const struct ipcx_pub *pub;
	bool good = true;
	int err = -EAGAIN;
	u64 word;

	mutex_lock(&t->mutex);
	pub = t->pub[index];
	if (pub && pub->id != ring->id)
		*ring = (struct ipcx_tap_ring){ .id = pub->id, .pos = t->first };
	if (pub)
		err = ring_look(ring, pub, &word);
	if (!err)
		good = describe(tap, pub, word, r);
	mutex_unlock(&t->mutex);
	if (err)
		return err;
	if (!good || !copy_all(tap, index, word, r)) {
		pass(ring, 1);
		return 1;
	}
	r->missed = min_t(u64, (u32)r->seq - ring->nr, ring->passed);
	ring->nr = (u32)r->seq + 1;
	ring->pos = pos_add(ring->pos, 1);
	ring->passed = 0;
	return 0;
}

static int topic_next(struct ipcx_tap *tap, struct ipcx_tap_record *r)
{
	u32 i, index, tries;
	bool more = false;
	int err;

	for (i = 0; i < IPCX_TOPIC_RINGS; i++) {
		index = (tap->topic.first + i) % IPCX_TOPIC_RINGS;
		err = 1;
		for (tries = 0; err > 0 && tries < TRIES_MAX; tries++) {
			if (fatal_signal_pending(current))
				return -EINTR;
			err = ring_next(tap, index, r);
			cond_resched();
		}
		more |= err > 0;
		if (err)
			continue;
		tap->topic.first = index + 1;
		return 0;
	}
	return more ? 1 : -EAGAIN;
}

const struct ipcx_tap_ops ipcx_tap_topic_ops = {
	.begin = topic_begin,
	.next = topic_next,
	.over = topic_over,
	.end = topic_end,
};
