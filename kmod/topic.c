// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics: creation, opening, attributes, the end. What is said through their pages is in
 * ipcx_topic.h of the uapi; the kernel writes the directory and the beginnings of cursors,
 * puts to sleep and wakes, and is on the way of no message.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "copy.h"
#include "stat.h"
#include "topic.h"

#define DEPTH_DEFAULT 64U
#define MSG_DEFAULT (1024ULL << 10)
#define BYTES_DEFAULT (256ULL << 20)

/**
 * ipcx_topic_changed() - the directory is something else than before
 * @t: the topic, its mutex held
 *
 * Publishers that sleep return to look at it.
 */
void ipcx_topic_changed(struct ipcx_topic *t)
{
	lockdep_assert_held(&t->mutex);
	/* H: after the masks, pairs with I */
	smp_store_release(&t->dir->generation, t->dir->generation + 1);
	ipcx_room_wake(t);
}

static void topic_look(struct ipcx_object *obj, struct ipcx_object_stat *s)
{
	struct ipcx_topic *t = container_of(obj, struct ipcx_topic, obj);
	u32 i, pubs = 0, subs = 0;
	u64 bytes = PAGE_SIZE;

	spin_lock(&t->lock);
	for (i = 0; i < IPCX_TOPIC_RINGS; i++) {
		if (!t->pub[i])
			continue;
		pubs += !!t->pub[i]->member;
		bytes += ipcx_pub_bytes(t->pub[i]);
	}
	for (i = 0; i < IPCX_TOPIC_SUBS; i++)
		subs += !!t->sub[i];
	spin_unlock(&t->lock);
	s->depth = t->depth;
	s->msg_max = t->msg_max;
	s->bytes_max = t->bytes_max;
	s->bytes = bytes + subs * PAGE_SIZE;
	s->senders = pubs;
	s->receivers = subs;
}

/* It has no member, and so with its subscriptions all rings go. */
static void topic_free(struct ipcx_object *obj)
{
	struct ipcx_topic *t = container_of(obj, struct ipcx_topic, obj);
	u32 s;

	ipcx_alerts_free(obj);
	for (s = 0; s < IPCX_TOPIC_SUBS; s++)
		if (t->sub[s])
			ipcx_sub_leave(t->sub[s]);
	free_cpumask_var(t->cpus);
	free_page((unsigned long)t->dir);
	ipcx_user_uncharge(t->user, PAGE_SIZE);
	ipcx_user_uncharge_queue(t->user);
	ipcx_user_put(t->user);
	kfree(t);
	ipcx_endpoint_unpin();
}

static int charge_new(struct ipcx_topic *t)
{
	int err = ipcx_user_charge_queue(t->user, t->unlimited);

	if (err)
		return err;
	err = ipcx_user_charge(t->user, PAGE_SIZE, t->unlimited);
	if (err)
		ipcx_user_uncharge_queue(t->user);
	return err;
}

static int alloc_new(struct ipcx_topic *t)
{
	BUILD_BUG_ON(sizeof(*t->dir) > PAGE_SIZE);
	t->dir = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!t->dir)
		return -ENOMEM;
	if (zalloc_cpumask_var(&t->cpus, GFP_KERNEL_ACCOUNT))
		return 0;
	free_page((unsigned long)t->dir);
	return -ENOMEM;
}

static void topic_init(struct ipcx_topic *t, const struct ipcx_topic_open *o)
{
	mutex_init(&t->mutex);
	mutex_init(&t->arm_lock);
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->maps);
	init_waitqueue_head(&t->room);
	t->depth = o->depth;
	t->lag_max = o->lag_max;
	t->stride = PAGE_ALIGN(o->msg_max) >> PAGE_SHIFT;
	t->flags = o->flags & (IPCX_OPEN_EPHEMERAL | IPCX_TOPIC_OPEN_RELIABLE);
	t->msg_max = o->msg_max;
	t->bytes_max = o->bytes_max;
	t->first = o->first;
}

static struct ipcx_object *topic_create(struct file *dev, const void *open)
{
	struct ipcx_topic *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	int err;

	if (!t)
		return ERR_PTR(-ENOMEM);
	err = ipcx_endpoint_pin();
	if (err)
		goto err_topic;
	t->unlimited = file_ns_capable(dev, &init_user_ns, CAP_SYS_RESOURCE);
	t->user = ipcx_user_get(dev->f_cred->euid);
	err = -ENOMEM;
	if (!t->user)
		goto err_pin;
	err = charge_new(t);
	if (err)
		goto err_user;
	err = ipcx_alerts_alloc(&t->obj);
	if (err)
		goto err_charge;
	err = alloc_new(t);
	if (err)
		goto err_alerts;
	topic_init(t, open);
	return &t->obj;

err_alerts:
	ipcx_alerts_free(&t->obj);
err_charge:
	ipcx_user_uncharge(t->user, PAGE_SIZE);
	ipcx_user_uncharge_queue(t->user);
err_user:
	ipcx_user_put(t->user);
err_pin:
	ipcx_endpoint_unpin();
err_topic:
	kfree(t);
	return ERR_PTR(err);
}

static u64 topic_limit(const struct ipcx_object *obj, u32 limit)
{
	const struct ipcx_topic *t = container_of(obj, struct ipcx_topic, obj);

	return limit == IPCX_EVENT_LIMIT_LAG_MAX ? t->lag_max : t->bytes_max;
}

static const struct ipcx_object_ops topic_ops = {
	.kind = IPCX_KIND_TOPIC,
	.create = topic_create,
	.look = topic_look,
	.limit = topic_limit,
	.free = topic_free,
};

/* Fills in the defaults and refuses what is out of range. */
static int attributes_check(struct ipcx_topic_open *a)
{
	u64 msg_max = ipcx_queue_msg_max(), whole;

	a->depth = a->depth ?: DEPTH_DEFAULT;
	a->msg_max = a->msg_max ?: min(MSG_DEFAULT, msg_max);
	if (!is_power_of_2(a->depth) || a->depth < IPCX_TOPIC_DEPTH_MIN ||
	    a->depth > IPCX_TOPIC_DEPTH_MAX)
		return -EINVAL;
	if (a->msg_max > msg_max || a->lag_max > a->depth)
		return -EINVAL;
	whole = PAGE_ALIGN(a->msg_max);
	a->bytes_max = a->bytes_max ?: max(min(a->depth * whole, BYTES_DEFAULT), whole);
	if (a->bytes_max < whole || a->first >= IPCX_POSITIONS)
		return -EINVAL;
	return a->mode & ~0777U ? -EINVAL : 0;
}

static int open_check(const struct ipcx_topic_open *o)
{
	u32 flags = o->flags;

	if (!(flags & (IPCX_TOPIC_PUBLISH | IPCX_TOPIC_SUBSCRIBE)))
		return -EINVAL;
	if ((flags & IPCX_TOPIC_LOSSY || o->history || o->durable) &&
	    !(flags & IPCX_TOPIC_SUBSCRIBE))
		return -EINVAL;
	if (o->durable ? flags & IPCX_TOPIC_LOSSY : o->durable_len)
		return -EINVAL;
	if (flags & (IPCX_OPEN_EXCL | IPCX_OPEN_EPHEMERAL | IPCX_TOPIC_OPEN_RELIABLE) &&
	    !(flags & IPCX_OPEN_CREATE))
		return -EINVAL;
	if (!o->name && (o->name_len || !(flags & IPCX_OPEN_CREATE)))
		return -EINVAL;
	return 0;
}

/* Who may keep publishers waiting: its creator, who may publish, or all. */
static bool may_gate(struct file *dev, const struct ipcx_topic *t, bool created)
{
	return created || t->flags & IPCX_TOPIC_OPEN_RELIABLE ||
	       ipcx_object_permits(&t->obj, dev->f_cred, 2);
}

static struct ipcx_member *member_open(struct file *dev, const struct ipcx_topic_open *o,
				       const struct ipcx_name *name,
				       const struct ipcx_name *durable, bool *created)
{
	struct ipcx_object_how how = {
		.flags = o->flags,
		.mode = o->mode,
		.want = (o->flags & IPCX_TOPIC_SUBSCRIBE ? 4 : 0) |
			(o->flags & IPCX_TOPIC_PUBLISH ? 2 : 0),
	};
	struct ipcx_object *obj = ipcx_object_get(dev, name, &topic_ops, o, &how, created);
	const struct ipcx_culprit who = { task_tgid(current), dev->f_cred->euid };
	struct ipcx_member *m = ERR_PTR(-EACCES);
	struct ipcx_topic *t;

	if (IS_ERR(obj))
		return ERR_CAST(obj);
	t = container_of(obj, struct ipcx_topic, obj);
	if (!(o->flags & IPCX_TOPIC_SUBSCRIBE) || o->flags & IPCX_TOPIC_LOSSY ||
	    may_gate(dev, t, *created))
		m = ipcx_member_create(dev, t, o, durable);
	if (IS_ERR(m)) {
		ipcx_alert_refused(obj, ipcx_limit_of(PTR_ERR(m)), who);
		ipcx_object_close(obj);
	}
	return m;
}

static void reply_fill(struct ipcx_topic_open *o, const struct ipcx_member *m)
{
	const struct ipcx_topic *t = m->topic;

	ipcx_topic_offsets(t, o);
	o->out_lag_max = t->lag_max;
	o->out_id = t->obj.id;
	o->out_msg_max = t->msg_max;
	o->out_bytes_max = t->bytes_max;
	o->out_first = t->first;
	o->out_depth = t->depth;
	o->out_mode = t->obj.mode;
	o->out_uid = from_kuid_munged(current_user_ns(), t->obj.uid);
	o->out_gid = from_kgid_munged(current_user_ns(), t->obj.gid);
	o->out_flags = t->flags | (m->lost ? IPCX_TOPIC_LOST : 0);
	o->out_ring = m->pub ? m->pub->index : -1;
	o->out_sub = m->sub ? m->sub->index : -1;
}

/**
 * ipcx_topic_open() - IPCX_IOC_TOPIC_OPEN
 * @dev: /dev/ipcx
 * @arg: the caller's struct ipcx_topic_open
 *
 * The caller and the errors are in the uapi header.
 *
 * Return: file descriptor or a negative errno.
 */
long ipcx_topic_open(struct file *dev, void __user *arg)
{
	struct ipcx_topic_open o, full;
	struct ipcx_name name = {}, durable = {};
	struct ipcx_member *m;
	struct file *file;
	bool created;
	int fd, err;

	err = ipcx_args_in(&o, sizeof(o), sizeof(o), IPCX_TOPIC_VALID_FLAGS, arg);
	if (!err)
		err = open_check(&o);
	if (!err && o.name)
		err = ipcx_name_copy(&name, o.name, o.name_len);
	if (!err && o.durable)
		err = ipcx_name_copy(&durable, o.durable, o.durable_len);
	full = o; /* with the defaults filled in */
	if (!err && o.flags & IPCX_OPEN_CREATE)
		err = attributes_check(&full);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	m = member_open(dev, &full, &name, &durable, &created);
	err = PTR_ERR_OR_ZERO(m);
	if (err)
		goto err_fd;
	file = ipcx_member_file(m);
	err = PTR_ERR_OR_ZERO(file);
	if (err)
		goto err_fd;
	reply_fill(&o, m);
	err = ipcx_copy_out(arg, o.size, &o, sizeof(o));
	if (err) {
		fput(file);
		goto err_fd;
	}
	if (created && !(o.flags & IPCX_OPEN_EPHEMERAL))
		ipcx_object_keep(&m->topic->obj);
	if (durable.len)
		ipcx_durable_keep(m->sub);
	fd_install(fd, file);
	return fd;

err_fd:
	put_unused_fd(fd);
	return err;
}
