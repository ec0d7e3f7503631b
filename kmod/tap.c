// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps and their files: opening, read(2), fdinfo, the end.
 *
 * LOCKS: one thread reads a tap at a time, others are told so. What is copied to user memory is
 * the tap's own, and no lock is held meanwhile.
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "copy.h"
#include "net.h"
#include "tap.h"

/* When it grows, only what @record_size has of it may be filled. */
static_assert(sizeof(struct ipcx_tap_record) == offsetofend(struct ipcx_tap_record, gid));

static size_t record_max(const struct ipcx_tap *tap)
{
	return tap->record_size + ALIGN(tap->snap, sizeof(u64));
}

static void tap_free(struct ipcx_tap *tap)
{
	struct ipcx_object *obj = tap->obj;
	struct net *net = tap->net;

	mutex_lock(&obj->net->lock);
	obj->taps--;
	mutex_unlock(&obj->net->lock);
	ipcx_object_put(obj);
	kvfree(tap->record);
	kfree(tap);
	put_net(net);
}

/* Will nothing new ever come? Who has no name and no open end cannot get any again. */
static bool tap_over(const struct ipcx_tap *tap)
{
	struct ipcx_object *obj = tap->obj;
	bool gone;

	mutex_lock(&obj->net->lock);
	gone = !obj->named && !obj->users;
	mutex_unlock(&obj->net->lock);
	return gone || tap->ops->over(tap);
}

/*
 * The next record, if that of the last time was handed over. @over: nothing new will come, said
 * before this look. Return: 0 or a negative errno.
 */
static int tap_next(struct ipcx_tap *tap, bool over)
{
	struct ipcx_tap_record *r = tap->record;
	u32 size;
	int err;

	if (tap->kept)
		return 0;
	memset(r, 0, tap->record_size);
	err = tap->ops->next(tap, r);
	if (err > 0)
		return -EAGAIN;
	if (err)
		return err == -EAGAIN && over ? -EIDRM : err;
	size = tap->record_size + r->snapped;
	r->size = ALIGN(size, sizeof(u64));
	memset((u8 *)r + size, 0, r->size - size);
	return 0;
}

static ssize_t tap_read_some(struct ipcx_tap *tap, char __user *buf, size_t len)
{
	bool over = tap_over(tap);
	size_t done = 0;
	int err = 0;

	while (!err && len - done >= record_max(tap)) {
		err = tap_next(tap, over);
		if (err)
			break;
		tap->kept = copy_to_user(buf + done, tap->record, tap->record->size);
		if (tap->kept)
			err = -EFAULT;
		else
			done += tap->record->size;
		if (signal_pending(current)) /* messages may come as fast as they are read */
			break;
		cond_resched();
	}
	return done ?: err;
}

static ssize_t tap_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct ipcx_tap *tap = file->private_data;
	ssize_t done;

	if (len < record_max(tap))
		return -EINVAL;
	if (test_and_set_bit_lock(0, &tap->reading))
		return -EBUSY;
	done = tap_read_some(tap, buf, len);
	clear_bit_unlock(0, &tap->reading);
	return done;
}

/* /proc/PID/fdinfo/FD: what it looks at. */
static void tap_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct ipcx_tap *tap = file->private_data;
	const struct ipcx_object *obj = tap->obj;
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "ipcx-tap:\t%llu\nipcx-name:\t", obj->id);
	ipcx_name_show(m, &obj->name);
	seq_printf(m, "\nipcx-owner:\t%u:%u %04o\n", from_kuid_munged(ns, obj->uid),
		   from_kgid_munged(ns, obj->gid), obj->mode);
	seq_printf(m, "ipcx-kind:\t%s\nipcx-snap:\t%u\n",
		   obj->ops->kind == IPCX_KIND_QUEUE ? "queue" : "topic", tap->snap);
}

static int tap_release(struct inode *inode, struct file *file)
{
	struct ipcx_tap *tap = file->private_data;

	tap->ops->end(tap);
	tap_free(tap);
	return 0;
}

static const struct file_operations tap_fops = {
	.owner = THIS_MODULE,
	.read = tap_read,
	.show_fdinfo = tap_show_fdinfo,
	.release = tap_release,
};

/* A capability over the namespace is for the objects of those whom its user namespace knows. */
static bool may_tap(const struct ipcx_object *obj)
{
	struct user_namespace *ns = obj->net->user_ns;

	return kuid_has_mapping(ns, obj->uid) && kgid_has_mapping(ns, obj->gid);
}

/* Under ipcx_net::lock */
static void object_tap(struct ipcx_object *obj)
{
	refcount_inc(&obj->refs);
	obj->taps++;
}

/* Return: the object, to be given to ipcx_object_put(); -EPERM, -ENOENT, -EPROTOTYPE. */
static struct ipcx_object *tap_find(const struct file *dev, const struct ipcx_name *name, u32 kind)
{
	struct ipcx_net *in = ipcx_net(dev->private_data);
	struct ipcx_object *obj;

	if (!file_ns_capable(dev, in->user_ns, CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	mutex_lock(&in->lock);
	obj = ipcx_name_lookup(in, name);
	if (!obj)
		obj = ERR_PTR(-ENOENT);
	else if (obj->ops->kind != kind)
		obj = ERR_PTR(-EPROTOTYPE);
	else if (!may_tap(obj))
		obj = ERR_PTR(-EPERM);
	else
		object_tap(obj);
	mutex_unlock(&in->lock);
	return obj;
}

static struct ipcx_tap *tap_create(struct file *dev, const struct ipcx_tap_open *o,
				   const struct ipcx_name *name)
{
	struct ipcx_tap *tap = kzalloc(sizeof(*tap), GFP_KERNEL_ACCOUNT);
	struct ipcx_object *obj;
	int err = -ENOMEM;

	if (!tap)
		return ERR_PTR(-ENOMEM);
	tap->record_size = o->record_size;
	tap->snap = o->snap;
	tap->record = kvmalloc(record_max(tap), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!tap->record)
		goto err_tap;
	obj = tap_find(dev, name, o->kind);
	err = PTR_ERR_OR_ZERO(obj);
	if (err)
		goto err_record;
	tap->obj = obj;
	tap->net = get_net(dev->private_data);
	tap->ops = o->kind == IPCX_KIND_QUEUE ? &ipcx_tap_queue_ops : &ipcx_tap_topic_ops;
	return tap;

err_record:
	kvfree(tap->record);
err_tap:
	kfree(tap);
	return ERR_PTR(err);
}

static struct file *tap_file(struct ipcx_tap *tap)
{
	struct file *file = ipcx_file("ipcx:tap", &tap_fops, tap);

	if (IS_ERR(file)) {
		tap_free(tap);
		return file;
	}
	stream_open(file_inode(file), file);
	tap->ops->begin(tap);
	return file;
}

/**
 * ipcx_tap_open() - IPCX_IOC_TAP_OPEN
 * @dev: /dev/ipcx
 * @arg: the caller's struct ipcx_tap_open
 *
 * Return: file descriptor or a negative errno.
 */
long ipcx_tap_open(struct file *dev, void __user *arg)
{
	struct ipcx_tap_open o;
	struct ipcx_name name;
	struct ipcx_tap *tap;
	struct file *file;
	int fd, err;

	err = ipcx_args_in(&o, sizeof(o), offsetofend(struct ipcx_tap_open, out_id), 0, arg);
	if (!err && (o.record_size < offsetofend(struct ipcx_tap_record, gid) ||
		     o.record_size > PAGE_SIZE || o.record_size % sizeof(u64)))
		err = -EINVAL;
	if (!err && o.snap > IPCX_TAP_SNAP_MAX)
		err = -EINVAL;
	if (!err && o.kind != IPCX_KIND_QUEUE && o.kind != IPCX_KIND_TOPIC)
		err = -EINVAL;
	if (!err)
		err = ipcx_name_copy(&name, o.name, o.name_len);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	tap = tap_create(dev, &o, &name);
	file = IS_ERR(tap) ? ERR_CAST(tap) : tap_file(tap);
	err = PTR_ERR_OR_ZERO(file);
	if (err)
		goto err_fd;
	o.out_id = tap->obj->id;
	err = ipcx_copy_out(arg, o.size, &o, sizeof(o));
	if (err) {
		fput(file);
		goto err_fd;
	}
	fd_install(fd, file);
	return fd;

err_fd:
	put_unused_fd(fd);
	return err;
}
