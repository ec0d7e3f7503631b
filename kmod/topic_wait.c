// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeping until a topic has something, and waking who sleeps. The letters are those of
 * ipcx_topic.h in the uapi.
 *
 * Who is going to sleep [D] changes an attention word and makes the CPUs that may run the other
 * side serialise: each of them has then either written before, and is seen when the sleeper
 * looks again, or reads the new word, and kicks. A kick takes the request back: it is asked for
 * anew by the next who sleeps. arm_lock is held until the CPUs have serialised, so that nobody
 * relies on a request of another that has not got through yet.
 */
#include <linux/log2.h>
#include <linux/poll.h>
#include <linux/smp.h>

#include "copy.h"
#include "topic.h"
#include "trace.h"

static void serialise_here(void *unused)
{
	smp_mb(); /* D, on the other side */
}

/* Adds the CPUs that may write through the windows of a member. */
static void cpus_add(struct ipcx_topic *t, const struct ipcx_member *m)
{
	lockdep_assert_held(&t->lock);
	/* only x86 is known to keep book of the CPUs that run a process, and of no fewer */
	if (m->many || (m->mm && !IS_ENABLED(CONFIG_X86)))
		t->everywhere = true;
	else if (m->mm)
		cpumask_or(t->cpus, t->cpus, mm_cpumask(m->mm));
}

/*
 * Each CPU that was added has a full barrier between here and the return. One that does not run
 * the process now has one before it does.
 */
static void serialise(struct ipcx_topic *t)
{
	lockdep_assert_held(&t->arm_lock);
	smp_mb(); /* D */
	preempt_disable();
	smp_call_function_many(t->everywhere ? cpu_online_mask : t->cpus, serialise_here, NULL,
			       true);
	preempt_enable();
	smp_mb(); /* D */
	cpumask_clear(t->cpus);
	t->everywhere = false;
}

/**
 * ipcx_pubs_serialise() - what was written before is seen by each publisher from now on
 * @t: the topic
 */
void ipcx_pubs_serialise(struct ipcx_topic *t)
{
	u32 r;

	mutex_lock(&t->arm_lock);
	spin_lock(&t->lock);
	smp_mb(); /* D, as below */
	for (r = 0; r < IPCX_TOPIC_RINGS; r++)
		if (t->pub[r] && t->pub[r]->member)
			cpus_add(t, t->pub[r]->member);
	spin_unlock(&t->lock);
	serialise(t);
	mutex_unlock(&t->arm_lock);
}

/**
 * ipcx_sub_arm() - ask for a kick when there is something to take
 * @sub: who is going to look, and to sleep
 */
void ipcx_sub_arm(struct ipcx_sub *sub)
{
	struct ipcx_topic *t = sub->topic;
	u64 left, asked = 0;
	struct ipcx_pub *pub;

	mutex_lock(&t->arm_lock);
	spin_lock(&t->lock);
	for (left = sub->rings; left; left &= left - 1) {
		u32 *attention = &t->dir->ring[__ffs64(left)].attention;

		pub = t->pub[__ffs64(left)];
		if (!pub->member || pub->armed)
			continue;
		pub->armed = true;
		WRITE_ONCE(*attention, *attention + 1);
		asked |= BIT_ULL(__ffs64(left));
	}
	smp_mb(); /* D: a CPU that is not counted yet reads attention later than this */
	for (left = asked; left; left &= left - 1)
		cpus_add(t, t->pub[__ffs64(left)]->member);
	spin_unlock(&t->lock);
	if (asked)
		serialise(t);
	mutex_unlock(&t->arm_lock);
}

/**
 * ipcx_room_arm() - ask for a kick when a cursor moves
 * @t: the topic
 *
 * One word is for all publishers: so it is all subscribers that have to see it.
 */
void ipcx_room_arm(struct ipcx_topic *t)
{
	bool asked = false;
	u32 s;

	mutex_lock(&t->arm_lock);
	spin_lock(&t->lock);
	if (!t->armed) {
		t->armed = true;
		WRITE_ONCE(t->dir->attention, t->dir->attention + 1);
		smp_mb(); /* D, as above */
		for_each_set_bit(s, t->reliable, IPCX_TOPIC_SUBS)
			if (t->sub[s]->member)
				cpus_add(t, t->sub[s]->member);
		asked = true;
	}
	spin_unlock(&t->lock);
	if (asked)
		serialise(t);
	mutex_unlock(&t->arm_lock);
}

/*
 * Is there something to take from a ring, or is the ring to be left? A dead one is when nothing
 * of it is held any more.
 */
static bool ring_readable(const struct ipcx_sub *sub, u32 ring)
{
	const struct ipcx_pub *pub = sub->topic->pub[ring];
	const struct ipcx_cell *cell = (void *)pub->ring + PAGE_SIZE;
	u64 pos = READ_ONCE(sub->control->next[ring]), word;
	s64 ahead;

	if (test_bit(sub->index, pub->evicted))
		return true;
	if (!pub->member)
		return pos != pub->end || pos == READ_ONCE(sub->control->cursor[ring]);
	word = READ_ONCE(cell[pos & (sub->topic->depth - 1)].word);
	ahead = (word & ~3ULL) - (pos << 2);
	return ahead > 0 || (!ahead && (word & 3) != IPCX_CELL_WRITING);
}

static bool sub_readable(const struct ipcx_sub *sub)
{
	u64 left;

	lockdep_assert_held(&sub->topic->lock);
	for (left = sub->rings; left; left &= left - 1)
		if (ring_readable(sub, __ffs64(left)))
			return true;
	return sub->lost;
}

static u64 taken_sum(const struct ipcx_sub *sub)
{
	u64 sum = 0, left;

	for (left = sub->rings; left; left &= left - 1)
		sum += READ_ONCE(sub->control->next[__ffs64(left)]);
	return sum;
}

/**
 * ipcx_sub_poll() - would a take find something?
 * @sub: the subscriber
 *
 * An edge-triggered epoll that is told so asks again only when it is woken, and what is taken,
 * one message at a time, wakes nobody. So it is woken here, unless neither has anything come nor
 * been taken since the last time.
 *
 * Return: whether it would.
 */
bool ipcx_sub_poll(struct ipcx_sub *sub)
{
	struct ipcx_topic *t = sub->topic;
	bool found, again = false;
	u64 sum;

	spin_lock(&t->lock);
	found = sub_readable(sub);
	if (found) {
		sum = taken_sum(sub);
		again = sub->kicked || sub->moved != sum;
		sub->kicked = false;
		sub->moved = sum;
	}
	spin_unlock(&t->lock);
	if (again)
		__wake_up(&sub->wait, TASK_NORMAL, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
	return found;
}

/**
 * ipcx_pub_has_room() - is there nobody to wait for who wants what the next position overwrites?
 * @pub: the publisher
 *
 * Whom it may evict it need not wait for.
 *
 * Return: whether there is nobody.
 */
bool ipcx_pub_has_room(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	u64 head = READ_ONCE(pub->ring->head), cursor;
	bool room = true;
	u32 s;

	if (t->lag_max) /* who is so far behind as to be in the way may be evicted */
		return true;
	spin_lock(&t->lock);
	for_each_set_bit(s, pub->subs, IPCX_TOPIC_SUBS) {
		if (!test_bit(s, t->reliable))
			continue;
		cursor = READ_ONCE(t->sub[s]->control->cursor[pub->index]);
		room = room && ipcx_pos_ahead(head, cursor) != t->depth;
	}
	spin_unlock(&t->lock);
	return room;
}

/**
 * ipcx_sub_wake() - wake who sleeps until there is something to take
 * @sub: the subscription, its topic locked
 */
void ipcx_sub_wake(struct ipcx_sub *sub)
{
	lockdep_assert_held(&sub->topic->lock);
	sub->kicked = true;
	if (waitqueue_active(&sub->wait)) /* no barrier: only for who traces */
		trace_ipcx_topic_wake(sub->topic, sub->index);
	__wake_up(&sub->wait, TASK_NORMAL, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * ipcx_pub_wake_subs() - wake those who read a ring
 * @pub: its publisher
 */
void ipcx_pub_wake_subs(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	u32 s;

	spin_lock(&t->lock);
	pub->armed = false;
	for_each_set_bit(s, pub->subs, IPCX_TOPIC_SUBS)
		ipcx_sub_wake(t->sub[s]);
	spin_unlock(&t->lock);
}

/**
 * ipcx_room_wake() - wake publishers that sleep until a cursor moves
 * @t: the topic
 */
void ipcx_room_wake(struct ipcx_topic *t)
{
	spin_lock(&t->lock);
	t->armed = false;
	if (waitqueue_active(&t->room)) /* likewise */
		trace_ipcx_topic_wake(t, -1);
	__wake_up(&t->room, TASK_NORMAL, 0, poll_to_key(EPOLLOUT | EPOLLWRNORM));
	spin_unlock(&t->lock);
}

/* Is there what is waited for? @generation is that of when the waiting began. */
static bool found(struct ipcx_member *m, u32 flags, u32 generation)
{
	struct ipcx_topic *t = m->topic;
	bool ok;

	if (flags == IPCX_WAIT_ROOM)
		return ipcx_pub_has_room(m->pub) || READ_ONCE(t->dir->generation) != generation;
	spin_lock(&t->lock);
	ok = sub_readable(m->sub);
	spin_unlock(&t->lock);
	return ok;
}

/* As wait_woken(), to a deadline. */
static int sleep_woken(struct wait_queue_entry *wait, s64 deadline)
{
	int err = 0;

	set_current_state(TASK_INTERRUPTIBLE); /* full barrier, as in woken_wake_function() */
	if (!(wait->flags & WQ_FLAG_WOKEN))
		err = ipcx_sleep_until(deadline);
	__set_current_state(TASK_RUNNING);
	smp_store_mb(wait->flags, wait->flags & ~WQ_FLAG_WOKEN); /* before the next look */
	return err;
}

static int wait_for(struct ipcx_member *m, u32 flags, u32 generation, s64 deadline)
{
	wait_queue_head_t *head = flags == IPCX_WAIT_ROOM ? &m->topic->room : &m->sub->wait;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = 0;

	add_wait_queue(head, &wait);
	for (;;) {
		if (flags == IPCX_WAIT_ROOM)
			ipcx_room_arm(m->topic);
		else
			ipcx_sub_arm(m->sub);
		if (found(m, flags, generation)) {
			err = 0;
			break;
		}
		if (err)
			break;
		err = sleep_woken(&wait, deadline);
	}
	remove_wait_queue(head, &wait);
	return err;
}

/**
 * ipcx_topic_wait() - IPCX_IOC_TOPIC_WAIT
 * @m: the member
 * @arg: the caller's struct ipcx_topic_wait
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_wait(struct ipcx_member *m, void __user *arg)
{
	u32 generation = READ_ONCE(m->topic->dir->generation);
	struct ipcx_topic_wait w;
	int err = ipcx_args_in(&w, sizeof(w), sizeof(w), IPCX_WAIT_VALID_FLAGS, arg);

	if (err)
		return err;
	if (!is_power_of_2(w.flags) || w.deadline < 0)
		return -EINVAL;
	if (w.flags == IPCX_WAIT_ROOM ? !m->pub : !m->sub)
		return -EPERM;
	ipcx_sleep_late(w.deadline);
	if (found(m, w.flags, generation))
		return 0;
	if (w.deadline == IPCX_DEADLINE_NOWAIT)
		return -EAGAIN;
	return wait_for(m, w.flags, generation, w.deadline);
}

/**
 * ipcx_topic_kick() - IPCX_IOC_TOPIC_KICK
 * @m: the member
 * @arg: the caller's struct ipcx_topic_kick
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_kick(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic_kick k;
	int err = ipcx_args_in(&k, sizeof(k), sizeof(k), IPCX_KICK_VALID_FLAGS, arg);

	if (err)
		return err;
	if (!k.flags)
		return -EINVAL;
	if ((k.flags & IPCX_KICK_SUBSCRIBERS && !m->pub) ||
	    (k.flags & IPCX_KICK_PUBLISHERS && !m->sub))
		return -EPERM;
	if (k.flags & IPCX_KICK_SUBSCRIBERS)
		ipcx_pub_wake_subs(m->pub);
	if (k.flags & IPCX_KICK_PUBLISHERS)
		ipcx_room_wake(m->topic);
	return 0;
}
