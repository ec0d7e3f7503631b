// SPDX-License-Identifier: GPL-2.0-only
/*
 * Members of a topic and their files: ioctl, poll, fdinfo, release.
 */
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "topic.h"
#include "trace.h"

static void member_close(struct ipcx_member *m)
{
	struct ipcx_topic *t = m->topic;
	struct net *net = m->net;

	trace_ipcx_topic_leave(m);
	mutex_lock(&t->mutex);
	list_del_init(&m->map.node); /* no VMA maps them: each holds the file */
	mutex_unlock(&t->mutex);
	if (m->pub)
		ipcx_pub_leave(m->pub);
	if (m->sub && !ipcx_durable_detach(m->sub))
		ipcx_sub_leave(m->sub);
	if (m->mm)
		mmdrop(m->mm);
	put_cred(m->cred);
	ipcx_end_close(&m->end, NULL);
	kfree(m);
	ipcx_object_close(&t->obj);
	put_net(net);
}

/* Goes on with the durable subscription of that name, if there is one, or makes a new one. */
static int subscribe(struct file *dev, struct ipcx_member *m, const struct ipcx_topic_open *o,
		     const struct ipcx_name *durable)
{
	struct ipcx_sub *sub;
	int err;

	do {
		err = durable->len ? ipcx_durable_resume(m, durable) : -ENOENT;
		if (err != -ENOENT)
			return err;
		sub = ipcx_sub_create(dev, m->topic, o->flags & IPCX_TOPIC_LOSSY);
		if (IS_ERR(sub))
			return PTR_ERR(sub);
		sub->name = *durable;
		err = ipcx_sub_join(sub, m, o->history);
	} while (err == -EEXIST);
	return err;
}

static int member_join(struct file *dev, struct ipcx_member *m, const struct ipcx_topic_open *o,
		       const struct ipcx_name *durable)
{
	struct ipcx_pub *pub;
	int err = 0;

	if (o->flags & IPCX_TOPIC_SUBSCRIBE)
		err = subscribe(dev, m, o, durable);
	if (err || !(o->flags & IPCX_TOPIC_PUBLISH))
		return err;
	/* last, for it may take the place of what dead ones have left */
	pub = ipcx_pub_create(dev, m->topic);
	return IS_ERR(pub) ? PTR_ERR(pub) : ipcx_pub_join(pub, m);
}

/**
 * ipcx_member_create() - one more member, with what it asks for
 * @dev: /dev/ipcx
 * @t: the topic; its reference is the member's from now on, but not after a failure
 * @o: what it asks for
 * @durable: name of its subscription, or of no length
 *
 * Return: the member, -EACCES, -EBUSY, -EDQUOT, -ENOMEM, -ENOSPC.
 */
struct ipcx_member *ipcx_member_create(struct file *dev, struct ipcx_topic *t,
				       const struct ipcx_topic_open *o,
				       const struct ipcx_name *durable)
{
	struct ipcx_member *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	int err;

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->topic = t;
	/* besides counting it stores a 0 where there always is one */
	m->cred = data_race(get_cred(dev->f_cred));
	ipcx_map_init(&m->map);
	err = ipcx_end_reserve(&m->end, &t->obj);
	if (err)
		goto err_member;
	ipcx_end_open(&m->end, m->cred->euid,
		      (o->flags & IPCX_TOPIC_SUBSCRIBE ? 4 : 0) |
			      (o->flags & IPCX_TOPIC_PUBLISH ? 2 : 0));
	err = member_join(dev, m, o, durable);
	if (err)
		goto err_end;
	m->net = get_net(dev->private_data);
	trace_ipcx_topic_join(m);
	return m;

err_end:
	if (m->sub && !ipcx_durable_detach(m->sub))
		ipcx_sub_leave(m->sub);
	ipcx_end_close(&m->end, NULL);
err_member:
	put_cred(m->cred);
	kfree(m);
	return ERR_PTR(err);
}

static long member_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcx_member *m = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case IPCX_IOC_TOPIC_WAIT:
		return ipcx_topic_wait(m, user);
	case IPCX_IOC_TOPIC_KICK:
		return ipcx_topic_kick(m, user);
	case IPCX_IOC_TOPIC_POPULATE:
		return ipcx_topic_populate(m, user);
	case IPCX_IOC_TOPIC_EVICT:
		return ipcx_topic_evict(m, user);
	case IPCX_IOC_TOPIC_LEAVE:
		return ipcx_topic_leave(m, user);
	case IPCX_IOC_TOPIC_RING:
		return ipcx_topic_ring(m, user);
	case IPCX_IOC_TOPIC_FORGET:
		return ipcx_topic_forget(m, user);
	}
	return -ENOTTY;
}

/*
 * Who is told of something may take it without a call, and then sleep: so each poll asks for
 * a kick, whatever it finds, and for what it is going to be asked about only.
 */
static __poll_t member_poll(struct file *file, poll_table *wait)
{
	struct ipcx_member *m = file->private_data;
	__poll_t asked = poll_requested_events(wait), events = 0;

	if (m->sub) {
		poll_wait(file, &m->sub->wait, wait);
		if (asked & (EPOLLIN | EPOLLRDNORM)) {
			ipcx_sub_arm(m->sub);
			if (ipcx_sub_poll(m->sub))
				events |= EPOLLIN | EPOLLRDNORM;
		}
	}
	if (m->pub) {
		poll_wait(file, &m->topic->room, wait);
		if (asked & (EPOLLOUT | EPOLLWRNORM)) {
			ipcx_room_arm(m->topic);
			if (ipcx_pub_has_room(m->pub))
				events |= EPOLLOUT | EPOLLWRNORM;
		}
	}
	return events;
}

static const char *rights_text(const struct ipcx_member *m)
{
	if (!m->sub)
		return "publish";
	return m->pub ? "publish,subscribe" : "subscribe";
}

/* /proc/PID/fdinfo/FD: of which topic this is a member, and which one. */
static void member_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcx_member *member = file->private_data;
	const struct ipcx_object *obj = &member->topic->obj;
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "ipcx-topic:\t%llu\n", obj->id);
	seq_puts(m, "ipcx-name:\t");
	ipcx_name_show(m, &obj->name);
	seq_printf(m, "\nipcx-owner:\t%u:%u %04o\n", from_kuid_munged(ns, obj->uid),
		   from_kgid_munged(ns, obj->gid), obj->mode);
	seq_printf(m, "ipcx-rights:\t%s\n", rights_text(member));
	if (member->pub)
		seq_printf(m, "ipcx-ring:\t%u\n", member->pub->index);
	if (member->sub)
		seq_printf(m, "ipcx-sub:\t%u%s%s\n", member->sub->index,
			   member->sub->lossy ? " lossy" : "",
			   member->sub->name.len ? " durable" : "");
	ipcx_durable_show(m, member->topic);
}

static int member_release(struct inode *inode, struct file *file)
{
	member_close(file->private_data);
	return 0;
}

static int member_flush(struct file *file, fl_owner_t id)
{
	struct ipcx_member *m = file->private_data;

	ipcx_end_flush(&m->end);
	return 0;
}

static const struct file_operations member_fops = {
	.owner = THIS_MODULE,
	.poll = member_poll,
	.unlocked_ioctl = member_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = ipcx_member_mmap,
	.show_fdinfo = member_show_fdinfo,
	.flush = member_flush,
	.release = member_release,
};

/**
 * ipcx_member_file() - make the file of a member
 * @m: the member, owned by the file from now on; closed on failure
 *
 * Return: the file or an ERR_PTR.
 */
struct file *ipcx_member_file(struct ipcx_member *m)
{
	struct file *file = ipcx_file("ipcx:topic", &member_fops, m);

	if (IS_ERR(file)) {
		member_close(m);
		return file;
	}
	m->map.mapping = file->f_mapping;
	mutex_lock(&m->topic->mutex);
	list_add_tail(&m->map.node, &m->topic->maps);
	mutex_unlock(&m->topic->mutex);
	return file;
}
