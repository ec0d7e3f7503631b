// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tap finds in a queue. A slot has the number of a message from its commit until it is
 * grabbed for another, and all that time its bytes are of that message, but where it became the
 * answer; its pages are changed only by who has grabbed it since.
 *
 * LOCKS: the slots are looked over without; each message found is described under
 * ipcx_queue::lock, and its pages copied under the tap's own ipcx_map::sem, for read, as a fault
 * maps them: a revoker waits for that before a page is freed, so that it is held for one page at a
 * time. Whether they still were of that message is looked at afterwards.
 */
#include <linux/sched/signal.h>

#include "batch.h"
#include "tap.h"

static struct ipcx_queue *queue_of(const struct ipcx_tap *tap)
{
	return container_of(tap->obj, struct ipcx_queue, obj);
}

static void queue_begin(struct ipcx_tap *tap)
{
	struct ipcx_queue *q = queue_of(tap);

	ipcx_map_init(&tap->queue.map);
	ipcx_arena_attach(&q->arena, &tap->queue.map, NULL);
	spin_lock(&q->lock);
	tap->queue.from = q->slots.seq;
	spin_unlock(&q->lock);
}

static void queue_end(struct ipcx_tap *tap)
{
	ipcx_arena_detach(&queue_of(tap)->arena, &tap->queue.map);
}

static bool queue_over(const struct ipcx_tap *tap)
{
	return READ_ONCE(queue_of(tap)->removed);
}

/* Adds a message to those found, or does not if there are as many that are older. */
static void found_add(struct ipcx_tap_queue *t, u64 seq, u32 slot)
{
	u32 i = t->n;

	if (i == IPCX_TAP_FOUND) {
		if (t->found[--i].seq <= seq)
			return;
	} else {
		t->n++;
	}
	for (; i && t->found[i - 1].seq > seq; i--)
		t->found[i] = t->found[i - 1];
	t->found[i].seq = seq;
	t->found[i].slot = slot;
}

/*
 * Looks all slots over for the oldest messages that are newer than the last one shown. What it
 * reads are hints, each looked at again under the lock.
 */
static void look_over(struct ipcx_tap *tap)
{
	struct ipcx_tap_queue *t = &tap->queue;
	struct ipcx_queue *q = queue_of(tap);
	u32 i;

	t->n = 0;
	t->at = 0;
	spin_lock(&q->lock);
	t->through = q->slots.seq;
	spin_unlock(&q->lock);
	if (t->through <= t->last)
		return;
	for (i = 0; i < q->arena.depth; i++) {
		const struct ipcx_slot *slot = &q->slots.slot[i];
		u64 seq = data_race(READ_ONCE(slot->seq)); /* a hint */
		bool over = data_race(READ_ONCE(slot->state)) == IPCX_SLOT_FREE; /* likewise */
		bool answer = data_race(READ_ONCE(slot->answers)) == seq; /* likewise */

		if (seq > t->last && seq <= t->through && (seq > t->from || !over) && !answer)
			found_add(t, seq, i);
		if (i % 1024 == 1023)
			cond_resched();
	}
	if (t->n == IPCX_TAP_FOUND)
		t->through = t->found[IPCX_TAP_FOUND - 1].seq;
}

/* Under the lock: is message @seq in that slot, and not its answer? */
static bool slot_has(const struct ipcx_slot *slot, u64 seq)
{
	return slot->seq == seq && slot->answers != seq;
}

static bool still_has(struct ipcx_queue *q, const struct ipcx_slot *slot, u64 seq)
{
	bool has;

	spin_lock(&q->lock);
	has = slot_has(slot, seq);
	spin_unlock(&q->lock);
	return has;
}

static u32 state_of(const struct ipcx_slot *slot)
{
	switch (slot->state) {
	case IPCX_SLOT_QUEUED:
		return IPCX_TAP_QUEUED;
	case IPCX_SLOT_FREE:
		return IPCX_TAP_OVER;
	}
	return slot->state == IPCX_SLOT_BUSY && slot->ended ? IPCX_TAP_OVER : IPCX_TAP_TAKEN;
}

/* Describes a message, and copies it if it is inline. Return: whether it is there to be shown. */
static bool describe(struct ipcx_tap *tap, struct ipcx_slot *slot, u64 seq,
		     struct ipcx_tap_record *r)
{
	struct ipcx_queue *q = queue_of(tap);
	struct ipcx_message m;
	bool has;

	memset(r, 0, tap->record_size);
	spin_lock(&q->lock);
	r->state = state_of(slot);
	has = slot_has(slot, seq) && (r->state != IPCX_TAP_OVER || seq > tap->queue.from);
	if (has)
		ipcx_taken_fill(&m, q, slot);
	spin_unlock(&q->lock);
	if (!has)
		return false;
	r->seq = seq;
	r->len = m.d.len;
	r->tag = m.d.tag;
	r->snapped = min_t(u64, m.d.len, tap->snap);
	r->prio = m.d.prio;
	r->deliveries = m.d.deliveries;
	r->flags = m.d.flags & ~IPCX_MSG_REGIONS; /* nor are they shown */
	r->pid = m.d.pid;
	r->uid = m.d.uid;
	r->gid = m.d.gid;
	if (m.d.flags & IPCX_MSG_INLINE)
		memcpy(ipcx_tap_data(tap), m.data, r->snapped);
	return true;
}

/* Return: whether all that was copied is of that message. */
static bool copy_pages(struct ipcx_tap *tap, struct ipcx_slot *slot, struct ipcx_tap_record *r)
{
	struct ipcx_queue *q = queue_of(tap);
	u32 done, n;
	bool has;

	for (done = 0; done < r->snapped; done += n) {
		n = min_t(u32, r->snapped - done, IPCX_TAP_COPY);
		down_read(&tap->queue.map.sem);
		has = still_has(q, slot, r->seq) &&
		      ipcx_slot_read(&slot->pg, done, n, ipcx_tap_data(tap) + done);
		up_read(&tap->queue.map.sem);
		if (!has)
			return false;
		cond_resched();
	}
	return still_has(q, slot, r->seq);
}

static bool show(struct ipcx_tap *tap, const struct ipcx_tap_found *f, struct ipcx_tap_record *r)
{
	struct ipcx_slot *slot = &queue_of(tap)->slots.slot[f->slot];

	return describe(tap, slot, f->seq, r) &&
	       (r->flags & IPCX_MSG_INLINE || copy_pages(tap, slot, r));
}

/* How many messages before @seq were neither shown nor told to be missed. */
static u64 missed_before(const struct ipcx_tap_queue *t, u64 seq)
{
	u64 last = max(t->last, t->from);

	return seq > last ? seq - last - 1 : 0;
}

static int queue_next(struct ipcx_tap *tap, struct ipcx_tap_record *r)
{
	struct ipcx_tap_queue *t = &tap->queue;

	do {
		if (t->at == t->n)
			look_over(tap);
		while (t->at < t->n) {
			const struct ipcx_tap_found *f = &t->found[t->at++];

			if (fatal_signal_pending(current))
				return -EINTR;
			if (show(tap, f, r)) {
				r->missed = missed_before(t, f->seq);
				t->last = f->seq;
				return 0;
			}
		}
		memset(r, 0, tap->record_size);
		r->missed = missed_before(t, t->through + 1);
		t->last = t->through;
	} while (!r->missed && t->n == IPCX_TAP_FOUND);
	r->seq = t->through;
	return r->missed ? 0 : -EAGAIN;
}

const struct ipcx_tap_ops ipcx_tap_queue_ops = {
	.begin = queue_begin,
	.next = queue_next,
	.over = queue_over,
	.end = queue_end,
};
