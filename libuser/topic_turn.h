/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Topics: of several rings, which is looked at next. Those that had something when they were last
 * looked at are busy, and come in turn; the others lie behind them in @rings, and of each it is
 * known what its next cell says as long as it is idle. These are looked at, all of them, when no
 * busy one has any, and after as many messages of busy ones as there are idle rings, TURN_IDLE at
 * least; what is found then comes in turn behind the busy ones. So what a message costs hardly
 * depends on how many send nothing.
 *
 * All under ipcx_topic.lock.
 */
#ifndef IPCX_TOPIC_TURN_H
#define IPCX_TOPIC_TURN_H

#include "topic.h"

#define TURN_IDLE 8

/* All may have something. */
static inline void ipcx_turn_anew(struct ipcx_topic *t)
{
	t->busy = t->nrings;
	if (t->turn >= t->nrings)
		t->turn = 0;
}

/* A message was taken: the next is looked for in another ring, if there is one. */
ipcx_hot void ipcx_turn_pass(struct ipcx_topic *t)
{
	if (t->nrings <= 1)
		return;
	t->busy += !t->busy; /* it was the first of the idle ones */
	t->turn = t->turn + 1 < t->busy ? t->turn + 1 : 0;
	t->idle_due |= !t->until_idle--;
}

static inline void ipcx_turn_swap(struct ipcx_topic *t, unsigned int a, unsigned int b)
{
	struct ipcx_topic_reader *reader = t->rings[a];

	t->rings[a] = t->rings[b];
	t->rings[b] = reader;
}

/*
 * The next of the busy ones, without those that are not any more; NULL if there is none. What is
 * dead has an end, of which its cells say nothing.
 */
static inline struct ipcx_topic_reader *ipcx_turn_busy(struct ipcx_topic *t)
{
	while (t->busy) {
		struct ipcx_topic_reader *reader = t->rings[t->turn];
		const __u64 *word = &ipcx_sub_cell(reader->sub, reader->sub->pos)->word;
		__u64 now = __atomic_load_n(word, __ATOMIC_RELAXED);

		if (!reader->alive || !ipcx_sub_is_idle(reader->sub, now))
			return reader;
		if (t->nrings == 1)
			return NULL;
		ipcx_turn_swap(t, t->turn, --t->busy);
		t->idle[t->busy] = (struct ipcx_topic_idle){ word, now };
		if (t->turn == t->busy)
			t->turn = 0;
	}
	return NULL;
}

/* Return: whether any that was idle is not any more. */
static inline bool ipcx_turn_idle(struct ipcx_topic *t)
{
	unsigned int before = t->busy, idle;

	for (unsigned int i = t->busy; i < t->nrings; i++) {
		const struct ipcx_topic_idle *this = &t->idle[i];

		if (__atomic_load_n(this->word, __ATOMIC_RELAXED) == this->as)
			continue;
		t->idle[i] = t->idle[t->busy];
		ipcx_turn_swap(t, i, t->busy++);
	}
	t->idle_due = false;
	idle = t->nrings - t->busy;
	t->until_idle = (idle > TURN_IDLE ? idle : TURN_IDLE) - 1;
	return t->busy != before;
}

#endif /* IPCX_TOPIC_TURN_H */
