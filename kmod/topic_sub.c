// SPDX-License-Identifier: GPL-2.0-only
/*
 * Subscriptions and their pairs with rings: how one begins, and how it ends: the subscriber
 * leaves, the publisher evicts it, or a dead ring makes place for a new one.
 *
 * A pair that did not end by itself stays until the subscriber leaves, so that it learns why.
 */
#include <linux/slab.h>

#include "copy.h"
#include "topic.h"
#include "trace.h"

/**
 * ipcx_sub_create() - a subscription that has not joined
 * @dev: /dev/ipcx
 * @t: its topic
 * @lossy: its kind
 *
 * Return: the subscription, -EDQUOT, -ENOMEM.
 */
struct ipcx_sub *ipcx_sub_create(struct file *dev, struct ipcx_topic *t, bool lossy)
{
	struct ipcx_sub *sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	int err;

	if (!sub)
		return ERR_PTR(-ENOMEM);
	sub->topic = t;
	sub->lossy = lossy;
	init_waitqueue_head(&sub->wait);
	sub->unlimited = file_ns_capable(dev, &init_user_ns, CAP_SYS_RESOURCE);
	sub->user = ipcx_user_get(dev->f_cred->euid);
	err = -ENOMEM;
	if (!sub->user)
		goto err_sub;
	err = ipcx_user_charge(sub->user, PAGE_SIZE, sub->unlimited);
	if (err)
		goto err_user;
	BUILD_BUG_ON(sizeof(*sub->control) > PAGE_SIZE);
	sub->control = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (sub->control)
		return sub;
	err = -ENOMEM;
	ipcx_user_uncharge(sub->user, PAGE_SIZE);
err_user:
	ipcx_user_put(sub->user);
err_sub:
	kfree(sub);
	return ERR_PTR(err);
}

static void sub_free(struct ipcx_sub *sub)
{
	free_page((unsigned long)sub->control);
	ipcx_user_uncharge(sub->user, PAGE_SIZE);
	ipcx_user_put(sub->user);
	kfree(sub);
}

static void set_cursor(struct ipcx_sub *sub, u32 ring, u64 cursor)
{
	WRITE_ONCE(sub->control->cursor[ring], cursor % IPCX_POSITIONS);
	WRITE_ONCE(sub->control->next[ring], cursor % IPCX_POSITIONS);
}

/**
 * ipcx_pair_attach() - a subscriber reads a ring from now on
 * @pub: of the ring
 * @sub: the subscriber; it has no pair with that number
 * @cursor: where it begins
 *
 * The caller writes the directory.
 */
void ipcx_pair_attach(struct ipcx_pub *pub, struct ipcx_sub *sub, u64 cursor)
{
	struct ipcx_topic *t = pub->topic;

	lockdep_assert_held(&t->mutex);
	set_cursor(sub, pub->index, cursor);
	spin_lock(&t->lock);
	sub->id[pub->index] = pub->id;
	sub->rings |= BIT_ULL(pub->index);
	__set_bit(sub->index, pub->subs);
	spin_unlock(&t->lock);
}

/**
 * ipcx_pair_end() - a subscriber does not read a ring any more
 * @sub: the subscriber
 * @ring: number of the ring; it need not be a pair with it
 *
 * The caller writes the directory.
 */
void ipcx_pair_end(struct ipcx_sub *sub, u32 ring)
{
	struct ipcx_topic *t = sub->topic;

	spin_lock(&t->lock);
	if (sub->rings & BIT_ULL(ring)) {
		__clear_bit(sub->index, t->pub[ring]->subs);
		__clear_bit(sub->index, t->pub[ring]->evicted);
	}
	sub->id[ring] = 0;
	sub->rings &= ~BIT_ULL(ring);
	sub->lost &= ~BIT_ULL(ring);
	sub->proto &= ~BIT_ULL(ring);
	spin_unlock(&t->lock);
}

/**
 * ipcx_pairs_lose() - a dead ring makes place for another before all have left it
 * @pub: its publisher
 */
void ipcx_pairs_lose(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	u64 ring = BIT_ULL(pub->index);
	struct ipcx_sub *sub;
	u32 s;

	lockdep_assert_held(&t->mutex);
	spin_lock(&t->lock);
	for (s = 0; s < IPCX_TOPIC_SUBS; s++) {
		sub = t->sub[s];
		if (!sub || !(sub->rings & ring))
			continue;
		sub->rings &= ~ring;
		if (sub->member) {
			sub->lost |= ring;
			ipcx_sub_wake(sub);
			continue;
		}
		/* nobody looks there any more, and who comes is told */
		if (READ_ONCE(sub->control->cursor[pub->index]) != pub->end ||
		    test_bit(s, pub->evicted))
			sub->untold = true;
		sub->id[pub->index] = 0;
		sub->proto &= ~ring;
	}
	spin_unlock(&t->lock);
}

/**
 * ipcx_sub_attach() - attach a subscription to rings
 * @sub: the subscription
 * @rings: bit r: to ring r, if it is there and its publisher lives
 * @history: how many positions before the present one it wants
 *
 * Until a publisher knows, its ring may go on: so the subscriber first wants everything that may
 * still be there, and only then, when no publisher can have missed that, what it is to have. A
 * publisher that looked before that may still overwrite one position below what it has left.
 */
void ipcx_sub_attach(struct ipcx_sub *sub, u64 rings, u32 history)
{
	struct ipcx_topic *t = sub->topic;
	struct ipcx_pub *pub;
	u64 head, left;
	u32 r;

	for (left = rings; left; left &= left - 1) {
		r = __ffs64(left);
		pub = t->pub[r];
		if (!pub || !pub->member) {
			rings &= ~BIT_ULL(r);
			continue;
		}
		head = READ_ONCE(pub->ring->head);
		ipcx_pair_attach(pub, sub, head - ipcx_pub_kept(pub, head));
		ipcx_pub_show(t, r);
	}
	ipcx_topic_changed(t);
	ipcx_pubs_serialise(t);
	if (!sub->lossy && t->lag_max)
		history = min(history, t->lag_max - 1);
	for (left = rings; left; left &= left - 1) {
		r = __ffs64(left);
		head = READ_ONCE(t->pub[r]->ring->head);
		head -= min_t(u64, history, ipcx_pub_kept(t->pub[r], head));
		set_cursor(sub, r, head);
	}
	ipcx_room_wake(t);
}

static int sub_index(const struct ipcx_topic *t, const struct ipcx_sub *sub)
{
	bool bound = !sub->unlimited && !uid_eq(sub->user->uid, t->obj.uid);
	int s, n = 0, free = -ENOSPC;

	for (s = IPCX_TOPIC_SUBS - 1; s >= 0; s--) {
		if (!t->sub[s])
			free = s;
		else
			n += t->sub[s]->user == sub->user;
	}
	return bound && n >= IPCX_TOPIC_SUBS / 2 ? -ENOSPC : free;
}

static void show_reliable(struct ipcx_topic *t)
{
	u64 mask[2];

	bitmap_to_arr64(mask, t->reliable, IPCX_TOPIC_SUBS);
	WRITE_ONCE(t->dir->reliable[0], mask[0]);
	WRITE_ONCE(t->dir->reliable[1], mask[1]);
}

/**
 * ipcx_sub_join() - a subscription comes
 * @sub: the subscription; freed on failure
 * @m: its member
 * @history: how many positions before the present one of each publisher it wants
 *
 * Return: 0, -ENOSPC, -EEXIST if there is a durable one of its name.
 */
int ipcx_sub_join(struct ipcx_sub *sub, struct ipcx_member *m, u32 history)
{
	struct ipcx_topic *t = sub->topic;
	int index;

	mutex_lock(&t->mutex);
	index = ipcx_durable_find(t, &sub->name) ? -EEXIST : sub_index(t, sub);
	if (index < 0) {
		mutex_unlock(&t->mutex);
		sub_free(sub);
		return index;
	}
	spin_lock(&t->lock);
	sub->index = index;
	sub->member = m;
	m->sub = sub;
	t->sub[index] = sub;
	if (!sub->lossy)
		__set_bit(index, t->reliable);
	spin_unlock(&t->lock);
	ipcx_control_revoke(t, index);
	show_reliable(t);
	ipcx_sub_attach(sub, BIT_ULL(IPCX_TOPIC_RINGS) - 1, history);
	mutex_unlock(&t->mutex);
	return 0;
}

/**
 * ipcx_sub_leave() - a subscription goes
 * @sub: the subscription; freed
 */
void ipcx_sub_leave(struct ipcx_sub *sub)
{
	struct ipcx_topic *t = sub->topic;
	LIST_HEAD(gone);
	u32 r;

	mutex_lock(&t->mutex);
	for (r = 0; r < IPCX_TOPIC_RINGS; r++) {
		bool read = sub->rings & BIT_ULL(r), pair = sub->id[r];

		ipcx_pair_end(sub, r);
		if (pair)
			ipcx_pub_show(t, r);
		if (read)
			ipcx_pub_drop_unread(t->pub[r], &gone);
	}
	spin_lock(&t->lock);
	t->sub[sub->index] = NULL;
	__clear_bit(sub->index, t->reliable);
	spin_unlock(&t->lock);
	show_reliable(t);
	ipcx_control_revoke(t, sub->index);
	ipcx_topic_changed(t);
	mutex_unlock(&t->mutex);
	ipcx_pubs_free(&gone);
	sub_free(sub);
}

/* Return: 0 for no reason to evict @sub from @pub's ring, or -EPIPE for lag, -EPROTO. */
static int evict_reason(const struct ipcx_pub *pub, const struct ipcx_sub *sub, u32 flags)
{
	const struct ipcx_topic *t = pub->topic;
	u64 lag;

	if (sub->lossy)
		return flags & IPCX_EVICT_SKIPS ? -EPROTO : 0;
	lag = ipcx_pos_ahead(READ_ONCE(pub->ring->head),
			     READ_ONCE(sub->control->cursor[pub->index]));
	if (lag > t->depth)
		return -EPROTO;
	return t->lag_max && lag >= t->lag_max ? -EPIPE : 0;
}

/* A subscriber is evicted, by the publisher that calls. */
static void tell_evicted(struct ipcx_pub *pub, const struct ipcx_sub *sub, int reason)
{
	const struct ipcx_member *m = sub->member;
	struct ipcx_event e = {
		.kind = IPCX_EVENT_KIND_CONTRADICTION,
		.who.uid = sub->user->uid,
		.by_pid = task_tgid(current),
		.by_end = pub->member->end.id,
		.count = 1,
	};

	if (!ipcx_event_wanted(pub->topic->obj.net, IPCX_GROUP_ALERTS))
		return;
	if (reason == -EPIPE) {
		e.kind = IPCX_EVENT_KIND_EVICTED;
		e.limit = IPCX_EVENT_LIMIT_LAG_MAX;
	}
	if (m)
		e.who = ipcx_culprit_opener(&m->end);
	ipcx_alert(&pub->topic->obj, &e);
}

/* Return: 0 or a negative errno. */
static int evict(struct ipcx_pub *pub, u32 s, u32 flags)
{
	struct ipcx_topic *t = pub->topic;
	struct ipcx_sub *sub = t->sub[s];
	int reason;

	lockdep_assert_held(&t->mutex);
	if (!test_bit(s, pub->subs))
		return -ENOENT;
	reason = evict_reason(pub, sub, flags);
	if (!reason)
		return -EAGAIN;
	spin_lock(&t->lock);
	__clear_bit(s, pub->subs);
	__set_bit(s, pub->evicted);
	if (reason == -EPROTO)
		sub->proto |= BIT_ULL(pub->index);
	trace_ipcx_topic_evict(pub, sub, ipcx_evict_why(sub, reason));
	ipcx_sub_wake(sub);
	spin_unlock(&t->lock);
	ipcx_pub_show(t, pub->index);
	ipcx_topic_changed(t);
	tell_evicted(pub, sub, reason);
	return 0;
}

/**
 * ipcx_topic_evict() - IPCX_IOC_TOPIC_EVICT
 * @m: the member
 * @arg: the caller's struct ipcx_topic_evict
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_evict(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic_evict e;
	int err = ipcx_args_in(&e, sizeof(e), sizeof(e), IPCX_EVICT_VALID_FLAGS, arg);

	if (err)
		return err;
	if (!m->pub)
		return -EPERM;
	if (e.__reserved || e.sub >= IPCX_TOPIC_SUBS)
		return -EINVAL;
	mutex_lock(&m->topic->mutex);
	err = evict(m->pub, e.sub, e.flags);
	mutex_unlock(&m->topic->mutex);
	return err;
}

/* Why a pair ends. */
static u32 left_flags(const struct ipcx_sub *sub, u32 ring)
{
	const struct ipcx_pub *pub = sub->topic->pub[ring];
	u32 flags = 0;

	if (sub->proto & BIT_ULL(ring))
		flags |= IPCX_LEFT_PROTO;
	if (sub->lost & BIT_ULL(ring))
		return flags | IPCX_LEFT_LOST;
	if (!pub->member)
		flags |= IPCX_LEFT_DEAD;
	if (test_bit(sub->index, pub->evicted))
		flags |= IPCX_LEFT_EVICTED;
	return flags;
}

/* Does @id name what the subscriber has to leave there? */
static bool is_pair(const struct ipcx_sub *sub, u32 ring, u64 id)
{
	const struct ipcx_pub *pub = sub->topic->pub[ring];

	if (!sub->id[ring])
		return false;
	if (sub->lost & BIT_ULL(ring) && id == (pub ? pub->id : 0))
		return true;
	return id == sub->id[ring];
}

/* A pair that was lost ends by one with the ring that took the place. */
static void leave(struct ipcx_sub *sub, u32 ring, struct list_head *gone)
{
	struct ipcx_topic *t = sub->topic;
	bool lost = sub->lost & BIT_ULL(ring);

	lockdep_assert_held(&t->mutex);
	ipcx_pair_end(sub, ring);
	ipcx_pub_show(t, ring);
	if (lost)
		ipcx_sub_attach(sub, BIT_ULL(ring), 0);
	else
		ipcx_pub_drop_unread(t->pub[ring], gone);
	spin_lock(&t->lock);
	ipcx_sub_wake(sub); /* who sleeps has not asked a new ring for a kick */
	spin_unlock(&t->lock);
	ipcx_topic_changed(t);
}

/**
 * ipcx_topic_leave() - IPCX_IOC_TOPIC_LEAVE
 * @m: the member
 * @arg: the caller's struct ipcx_topic_leave
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_leave(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic_leave l;
	LIST_HEAD(gone);
	int err = ipcx_args_in(&l, sizeof(l), sizeof(l), 0, arg);

	if (err)
		return err;
	if (!m->sub)
		return -EPERM;
	if (l.ring >= IPCX_TOPIC_RINGS)
		return -EINVAL;
	l.out_flags = 0;
	err = ipcx_copy_out(arg, l.size, &l, sizeof(l)); /* so that it can be told why */
	if (err)
		return err;
	mutex_lock(&m->topic->mutex);
	if (is_pair(m->sub, l.ring, l.id)) {
		l.out_flags = left_flags(m->sub, l.ring);
		leave(m->sub, l.ring, &gone);
	} else {
		err = -ENOENT;
	}
	mutex_unlock(&m->topic->mutex);
	ipcx_pubs_free(&gone);
	return err ?: ipcx_copy_out(arg, l.size, &l, sizeof(l));
}
