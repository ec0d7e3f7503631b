// SPDX-License-Identifier: GPL-2.0-only
/*
 * Durable subscriptions: they have a name, and stay when their member goes. The control page
 * says how far all before have released; who takes it over goes on there.
 */
#include <linux/seq_file.h>
#include <linux/string.h>

#include "copy.h"
#include "topic.h"

/**
 * ipcx_durable_find() - find a durable subscription
 * @t: the topic, its mutex held
 * @name: its name
 *
 * Return: the subscription, or NULL.
 */
struct ipcx_sub *ipcx_durable_find(const struct ipcx_topic *t, const struct ipcx_name *name)
{
	u32 s;

	lockdep_assert_held(&t->mutex);
	for (s = 0; name->len && s < IPCX_TOPIC_SUBS; s++)
		if (t->sub[s] && !memcmp(&t->sub[s]->name, name, sizeof(*name)))
			return t->sub[s];
	return NULL;
}

/* Finds one that @m's opener may have. Return: also -ENOENT, -EACCES, -EBUSY. */
static struct ipcx_sub *find_free(const struct ipcx_member *m, const struct ipcx_name *name)
{
	struct ipcx_sub *sub = ipcx_durable_find(m->topic, name);

	if (!sub)
		return ERR_PTR(-ENOENT);
	if (!uid_eq(m->cred->euid, sub->user->uid) && !ipcx_object_owned(&m->topic->obj, m->cred))
		return ERR_PTR(-EACCES);
	return sub->member ? ERR_PTR(-EBUSY) : sub;
}

/* What was taken and not released is to be taken again. */
static void rewind(struct ipcx_sub *sub)
{
	struct ipcx_control *c = sub->control;
	u32 r;

	for (r = 0; r < IPCX_TOPIC_RINGS; r++)
		WRITE_ONCE(c->next[r], READ_ONCE(c->cursor[r]));
}

/* Rings that the member lost and did not leave: who comes next is told, and misses no others. */
static void leave_lost(struct ipcx_sub *sub)
{
	u64 lost = sub->lost, left;

	if (!lost)
		return;
	sub->untold = true;
	for (left = lost; left; left &= left - 1) {
		ipcx_pair_end(sub, __ffs64(left));
		ipcx_pub_show(sub->topic, __ffs64(left));
	}
	ipcx_sub_attach(sub, lost, 0);
}

/**
 * ipcx_durable_resume() - go on with a durable subscription
 * @m: the member that gets it
 * @name: its name
 *
 * Return: 0, -EACCES, -EBUSY, -ENOENT.
 */
int ipcx_durable_resume(struct ipcx_member *m, const struct ipcx_name *name)
{
	struct ipcx_topic *t = m->topic;
	struct ipcx_sub *sub;

	mutex_lock(&t->mutex);
	sub = find_free(m, name);
	if (IS_ERR(sub))
		goto out;
	rewind(sub);
	spin_lock(&t->lock);
	sub->member = m;
	sub->kicked = true;
	spin_unlock(&t->lock);
	m->sub = sub;
	m->lost = sub->untold;
out:
	mutex_unlock(&t->mutex);
	return PTR_ERR_OR_ZERO(sub);
}

/**
 * ipcx_durable_keep() - the member that made or took a durable subscription has its descriptor
 * @sub: the subscription
 *
 * So that an open that fails leaves nothing behind.
 */
void ipcx_durable_keep(struct ipcx_sub *sub)
{
	mutex_lock(&sub->topic->mutex);
	sub->kept = true;
	sub->untold = false;
	mutex_unlock(&sub->topic->mutex);
}

/* Dead rings that were read to their end; nobody else leaves them. */
static void leave_read(struct ipcx_sub *sub, struct list_head *gone)
{
	struct ipcx_topic *t = sub->topic;
	struct ipcx_pub *pub;
	u64 left;
	u32 r;

	for (left = sub->rings; left; left &= left - 1) {
		r = __ffs64(left);
		pub = t->pub[r];
		if (pub->member || READ_ONCE(sub->control->cursor[r]) != pub->end ||
		    test_bit(sub->index, pub->evicted))
			continue;
		ipcx_pair_end(sub, r);
		ipcx_pub_show(t, r);
		ipcx_pub_drop_unread(pub, gone);
	}
}

/**
 * ipcx_durable_detach() - the member of a subscription goes
 * @sub: the subscription
 *
 * Return: whether it stays.
 */
bool ipcx_durable_detach(struct ipcx_sub *sub)
{
	struct ipcx_topic *t = sub->topic;
	LIST_HEAD(gone);
	bool kept;

	mutex_lock(&t->mutex);
	kept = sub->kept;
	if (kept) {
		spin_lock(&t->lock);
		sub->member = NULL;
		spin_unlock(&t->lock);
		leave_read(sub, &gone);
		leave_lost(sub);
		ipcx_topic_changed(t);
	}
	mutex_unlock(&t->mutex);
	ipcx_pubs_free(&gone);
	return kept;
}

/**
 * ipcx_durable_show() - list the durable subscriptions of a topic
 * @m: where
 * @t: the topic
 */
void ipcx_durable_show(struct seq_file *m, struct ipcx_topic *t)
{
	const struct ipcx_sub *sub;
	u32 s;

	mutex_lock(&t->mutex);
	for (s = 0; s < IPCX_TOPIC_SUBS; s++) {
		sub = t->sub[s];
		if (!sub || !sub->name.len)
			continue;
		seq_printf(m, "ipcx-durable:\t%u %u %s ", s,
			   from_kuid_munged(seq_user_ns(m), sub->user->uid),
			   sub->member ? "used" : "free");
		ipcx_name_show(m, &sub->name);
		seq_putc(m, '\n');
	}
	mutex_unlock(&t->mutex);
}

/**
 * ipcx_topic_forget() - IPCX_IOC_TOPIC_FORGET
 * @m: the member
 * @arg: the caller's struct ipcx_topic_forget
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_forget(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic *t = m->topic;
	struct ipcx_topic_forget f;
	struct ipcx_name name;
	struct ipcx_sub *sub;
	int err = ipcx_args_in(&f, sizeof(f), sizeof(f), 0, arg);

	if (!err && f.__reserved)
		err = -EINVAL;
	if (!err)
		err = ipcx_name_copy(&name, f.name, f.name_len);
	if (err)
		return err;
	mutex_lock(&t->mutex);
	sub = find_free(m, &name);
	if (!IS_ERR(sub))
		memset(&sub->name, 0, sizeof(sub->name)); /* nobody finds it from now on */
	mutex_unlock(&t->mutex);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	ipcx_sub_leave(sub);
	return 0;
}
