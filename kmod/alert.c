// SPDX-License-Identifier: GPL-2.0-only
/*
 * Alerts: what goes wrong with an object. It is noted where it happens, with a count and the last
 * cause, and told by work of the object: the first at once, what follows at most every GAP. The
 * notes come and go with the object. Objects that could not be made are noted together, at one
 * that stands for them and is the namespace's; name and kind of the last are kept for each limit.
 *
 * Work that is to run holds the module: when that goes, and with it the family, all is told.
 *
 * Of messages that are dropped there may be a flood, so they are not counted again: their note has
 * what the queue had counted when the first of them was, and is changed under the queue's lock, as
 * that count is. Whoever drops one more from the same cause only looks at it. So what is told is
 * how many were dropped since the first that was noted, also while nobody listened in between.
 *
 * LOCKS: ipcx_alerts::lock is a leaf, for the notes; the rest is of event.c. A note of what could
 * not be made is written and taken under ipcx_net::lock, too, so that it has the right name.
 */
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "batch.h"
#include "event.h"
#include "net.h"

#define GAP (HZ / 10)

/* What is noted: kinds from the first of these on, and then refusals, by the limit. */
#define FIRST IPCX_EVENT_KIND_LOANS_RETURNED
#define REFUSALS (IPCX_EVENT_KIND_MAX - FIRST + 1)
#define NOTES (REFUSALS + IPCX_EVENT_LIMIT_PEERS - IPCX_EVENT_LIMIT_DEPTH + 1)

/* Those after PEERS refuse nothing; a new one that does needs a note. */
static_assert(IPCX_EVENT_LIMIT_MAX == IPCX_EVENT_LIMIT_LAG_MAX);

/**
 * struct ipcx_alerts - what is noted of an object and not told yet
 * @lock: protects @told and @note
 * @told: when that was done last, jiffies
 * @note: by kind and limit, with the last cause, whose pids it holds; a count of 0 if there is
 *	nothing to be told, or else work will
 * @obj: the object
 * @work: tells
 */
struct ipcx_alerts {
	spinlock_t lock; /* see above */
	unsigned long told;
	struct ipcx_event note[NOTES];
	struct ipcx_object *obj;
	struct delayed_work work;
};

/* Where that is noted. */
static struct ipcx_event *note_of(struct ipcx_alerts *a, u32 kind, u32 limit)
{
	u32 i = kind - FIRST;

	if (kind == IPCX_EVENT_KIND_REFUSED)
		i = REFUSALS + limit - IPCX_EVENT_LIMIT_DEPTH;
	return &a->note[WARN_ON_ONCE(i >= NOTES) ? 0 : i];
}

static void alerts_arm(struct ipcx_alerts *a, unsigned long delay)
{
	__module_get(THIS_MODULE); /* the caller has something that holds it */
	if (!queue_delayed_work(system_unbound_wq, &a->work, delay))
		module_put(THIS_MODULE);
}

static void pid_set(struct pid **to, struct pid *pid)
{
	if (*to == pid)
		return;
	put_pid(*to);
	*to = get_pid(pid);
}

/* Return: whether that is the first since all was told. */
static bool note_add(struct ipcx_event *n, const struct ipcx_event *e)
{
	u32 dead_lettered = n->dead_lettered;
	u64 count = n->count;

	pid_set(&n->who.pid, e->who.pid);
	pid_set(&n->by_pid, e->by_pid);
	*n = *e;
	n->dead_lettered += dead_lettered;
	n->count += count;
	return !count;
}

/*
 * What is noted already goes wrong once more. Nearly all of a flood are such, and cost little,
 * whether the cause is the same or not.
 */
static bool note_again(struct ipcx_alerts *a, u32 kind, u32 limit, const struct ipcx_culprit *who,
		       bool dead_lettered)
{
	struct ipcx_event *n = note_of(a, kind, limit);
	bool again;

	spin_lock(&a->lock);
	again = n->count;
	if (again) {
		if (unlikely(n->who.pid != who->pid))
			pid_set(&n->who.pid, who->pid);
		n->who = *who;
		n->count++;
		n->limit = limit;
		n->dead_lettered += dead_lettered;
	}
	spin_unlock(&a->lock);
	return again;
}

static struct ipcx_refused *last_refused(struct ipcx_net *in, u32 limit)
{
	lockdep_assert_held(&in->lock);
	return &in->last_refused[limit - IPCX_REFUSED_FIRST];
}

/* Return: the note, with its pids; there is none any more. */
static struct ipcx_event note_take(struct ipcx_alerts *a, u32 i)
{
	struct ipcx_event e;

	spin_lock(&a->lock);
	e = a->note[i];
	a->note[i] = (struct ipcx_event){};
	spin_unlock(&a->lock);
	return e;
}

/* Under the queue's lock: how many messages it has dropped in that way. */
static u64 dropped(const struct ipcx_queue *q, u32 kind)
{
	lockdep_assert_held(&q->lock);
	return kind == IPCX_EVENT_KIND_DROPPED_OLDEST ? q->count.dropped_oldest :
							q->count.dropped_newest;
}

static bool is_dropped(u32 kind)
{
	return kind == IPCX_EVENT_KIND_DROPPED_OLDEST || kind == IPCX_EVENT_KIND_DROPPED_NEWEST;
}

static struct ipcx_event dropped_take(struct ipcx_alerts *a, u32 i)
{
	struct ipcx_queue *q = container_of(a->obj, struct ipcx_queue, obj);
	struct ipcx_event e;

	spin_lock(&q->lock);
	e = note_take(a, i);
	e.count = dropped(q, e.kind) - e.count + 1;
	spin_unlock(&q->lock);
	return e;
}

static void note_send(struct ipcx_alerts *a, u32 i, struct sk_buff *skb)
{
	struct ipcx_net *in = a->obj->net;
	struct ipcx_event e;

	mutex_lock(&in->lock);
	e = is_dropped(FIRST + i) ? dropped_take(a, i) : note_take(a, i);
	if (a->obj == &in->refused) {
		in->refused.name = last_refused(in, e.limit)->name;
		in->refused.ops = last_refused(in, e.limit)->ops;
	}
	ipcx_event_send(skb, a->obj, &e);
	mutex_unlock(&in->lock);
	put_pid(e.who.pid);
	put_pid(e.by_pid);
}

/* Tells all notes. Return: whether some are left, for lack of memory; none if @last. */
static bool alerts_tell(struct ipcx_alerts *a, bool last)
{
	bool left = false;
	u32 i;

	for (i = 0; i < NOTES; i++) {
		struct sk_buff *skb;
		bool any;

		spin_lock(&a->lock);
		a->told = jiffies;
		any = a->note[i].count;
		spin_unlock(&a->lock);
		if (!any)
			continue;
		skb = ipcx_event_room(a->obj->net, IPCX_GROUP_ALERTS);
		if (IS_ERR(skb) && !last)
			left = true;
		else
			note_send(a, i, skb);
	}
	return left;
}

static void alerts_work(struct work_struct *work)
{
	struct ipcx_alerts *a = container_of(to_delayed_work(work), struct ipcx_alerts, work);

	if (alerts_tell(a, false))
		alerts_arm(a, GAP);
	module_put(THIS_MODULE); /* which waits for this to return before it goes */
}

/**
 * ipcx_alerts_alloc() - give a new object room for notes
 * @obj: the object
 *
 * Return: 0 or -ENOMEM.
 */
int ipcx_alerts_alloc(struct ipcx_object *obj)
{
	struct ipcx_alerts *a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);

	if (!a)
		return -ENOMEM;
	a->obj = obj;
	spin_lock_init(&a->lock);
	a->told = jiffies - GAP;
	INIT_DELAYED_WORK(&a->work, alerts_work);
	obj->alerts = a;
	return 0;
}

/**
 * ipcx_alerts_free() - an object goes: tell what was noted of it
 * @obj: the object, which nobody else knows and of which nothing goes wrong any more
 */
void ipcx_alerts_free(struct ipcx_object *obj)
{
	struct ipcx_alerts *a = obj->alerts;

	if (cancel_delayed_work_sync(&a->work))
		module_put(THIS_MODULE);
	alerts_tell(a, true);
	kfree(a);
}

/**
 * ipcx_alert() - something went wrong
 * @obj: the object, which somebody keeps
 * @e: what, an alert with a count
 *
 * May be called with a spinlock held. The caller has seen that somebody listens.
 */
void ipcx_alert(struct ipcx_object *obj, const struct ipcx_event *e)
{
	struct ipcx_alerts *a = obj->alerts;
	unsigned long since;
	bool first;

	spin_lock(&a->lock);
	first = note_add(note_of(a, e->kind, e->limit), e);
	since = jiffies - a->told;
	spin_unlock(&a->lock);
	if (first)
		alerts_arm(a, since < GAP ? GAP - since : 0);
}

/* Apart, so that a flood does without its stack. */
static noinline void alert_first(struct ipcx_object *obj, u32 kind, u32 limit,
				 const struct ipcx_culprit *who, bool dead_lettered, u64 count)
{
	ipcx_alert(obj, &(struct ipcx_event){
				.kind = kind,
				.limit = limit,
				.dead_lettered = dead_lettered,
				.who = *who,
				.count = count,
			});
}

/* The caller has seen that somebody listens. */
static void alert_one(struct ipcx_object *obj, u32 kind, u32 limit, const struct ipcx_culprit *who,
		      bool dead_lettered)
{
	if (!note_again(obj->alerts, kind, limit, who, dead_lettered))
		alert_first(obj, kind, limit, who, dead_lettered, 1);
}

/**
 * ipcx_alert_one() - something went wrong once
 * @obj: with this object, perhaps locked
 * @kind: what
 * @limit: that was reached, or 0
 * @who: was the cause
 * @dead_lettered: whether it is about a message that the dead-letter queue has
 */
void ipcx_alert_one(struct ipcx_object *obj, u32 kind, u32 limit, const struct ipcx_culprit *who,
		    bool dead_lettered)
{
	if (ipcx_event_wanted(obj->net, IPCX_GROUP_ALERTS))
		alert_one(obj, kind, limit, who, dead_lettered);
}

/**
 * ipcx_alert_refused() - a limit did not allow something
 * @obj: of this object
 * @limit: which, 0 for none
 * @who: wanted it
 */
void ipcx_alert_refused(struct ipcx_object *obj, u32 limit, struct ipcx_culprit who)
{
	if (limit)
		ipcx_alert_one(obj, IPCX_EVENT_KIND_REFUSED, limit, &who, false);
}

/* Under the lock: one more message was dropped and counted; see the head. */
static __always_inline void alert_dropped(struct ipcx_queue *q, u32 kind, u32 limit,
					  const struct ipcx_end *end)
{
	const struct ipcx_culprit who = end ? ipcx_culprit_user(end) : IPCX_NOBODY;
	struct ipcx_event *n = &q->obj.alerts->note[kind - FIRST];

	lockdep_assert_held(&q->lock);
	if (unlikely(!n->count)) {
		alert_first(&q->obj, kind, limit, &who, false, dropped(q, kind));
	} else if (unlikely(n->who.end != who.end || n->who.pid != who.pid || n->limit != limit)) {
		pid_set(&n->who.pid, who.pid);
		n->who = who;
		n->limit = limit;
	}
}

/**
 * ipcx_alert_dropped_oldest() - a message was dropped to make room
 * @q: its queue, locked, which has counted it
 * @limit: of which there was too little
 * @end: of who needs it, or NULL for the kernel
 */
void ipcx_alert_dropped_oldest(struct ipcx_queue *q, u32 limit, const struct ipcx_end *end)
{
	if (ipcx_event_wanted(q->obj.net, IPCX_GROUP_ALERTS))
		alert_dropped(q, IPCX_EVENT_KIND_DROPPED_OLDEST, limit, end);
}

/**
 * ipcx_alert_dropped_newest() - a message was dropped for lack of room
 * @q: its queue, locked, which has counted it
 * @slot: the message, which still has its slot
 * @end: of its sender, or NULL for the kernel
 */
void ipcx_alert_dropped_newest(struct ipcx_queue *q, const struct ipcx_slot *slot,
			       const struct ipcx_end *end)
{
	if (ipcx_event_wanted(q->obj.net, IPCX_GROUP_ALERTS))
		alert_dropped(q, IPCX_EVENT_KIND_DROPPED_NEWEST,
			      ipcx_queue_lacks(q, slot->credit, 0), end);
}

/* Which limit on a user stopped a new object? If both, that on objects, which is asked first. */
static u32 user_limit(kuid_t uid)
{
	unsigned long id = __kuid_val(uid);
	struct ipcx_usage usage;

	/* who has nothing has no account */
	if (!ipcx_user_next(&id, &usage) || id != __kuid_val(uid))
		usage.queues = 0;
	return usage.queues >= ipcx_user_queues_max() ? IPCX_EVENT_LIMIT_USER_OBJECTS :
							IPCX_EVENT_LIMIT_USER_BYTES;
}

/**
 * ipcx_alert_uncreated() - an object could not be made; tells of it if that was for a limit
 * @dev: /dev/ipcx
 * @name: what its name would have been
 * @ops: its kind
 * @err: why
 */
void ipcx_alert_uncreated(struct file *dev, const struct ipcx_name *name,
			  const struct ipcx_object_ops *ops, int err)
{
	const struct ipcx_culprit who = { task_tgid(current), dev->f_cred->euid };
	struct ipcx_net *in = ipcx_net(dev->private_data);
	u32 limit = ipcx_limit_of(err);

	if (!limit || !ipcx_event_wanted(in, IPCX_GROUP_ALERTS))
		return;
	if (limit == IPCX_EVENT_LIMIT_USER_BYTES)
		limit = user_limit(dev->f_cred->euid);
	mutex_lock(&in->lock);
	*last_refused(in, limit) = (struct ipcx_refused){ *name, ops };
	ipcx_alert_refused(&in->refused, limit, who);
	mutex_unlock(&in->lock);
}
