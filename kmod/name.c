// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: names, owners, modes, numbers, lifetime, and the list of them in
 * /proc/net/ipcx. One flat table of names per network namespace, as abstract
 * UNIX sockets have. Knows no kind of object.
 *
 * An object lives while it has a name or a user (an endpoint). Whoever has
 * one open holds the namespace too, so that a namespace that goes away finds
 * objects with a name and without users only.
 *
 * LOCKS: ipcx_net::lock protects both tables, and @named and @users of every
 * object in them. It is held over allocations, never over user memory.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>
#include <linux/uaccess.h>
#include <net/netns/generic.h>

#include "net.h"
#include "stat.h"
#include "trace.h"

static unsigned int ipcx_net_id __read_mostly;
static atomic64_t last_id;

static const struct rhashtable_params names_params = {
	.head_offset = offsetof(struct ipcx_object, node),
	.key_offset = offsetof(struct ipcx_object, name),
	.key_len = sizeof(struct ipcx_name),
	.automatic_shrinking = true,
};

/**
 * ipcx_name_copy() - read a name from user memory
 * @name: filled
 * @user: its address
 * @len: its length
 *
 * Return: 0, -EINVAL if it is not a name, -EFAULT.
 */
int ipcx_name_copy(struct ipcx_name *name, u64 user, u32 len)
{
	memset(name, 0, sizeof(*name));
	if (!len || len > IPCX_NAME_MAX)
		return -EINVAL;
	if (copy_from_user(name->s, u64_to_user_ptr(user), len))
		return -EFAULT;
	if (name->s[0] == '.' || memchr(name->s, '\0', len) || memchr(name->s, '/', len))
		return -EINVAL;
	name->len = len;
	return 0;
}

static bool capable_over(const struct ipcx_object *obj, const struct cred *cred)
{
	const struct cred *old = override_creds(cred);
	bool ok = ns_capable(obj->net->user_ns, CAP_IPC_OWNER);

	revert_creds(old);
	return ok;
}

/**
 * ipcx_object_owned() - may somebody do with an object what its owner may?
 * @obj: the object
 * @cred: who
 *
 * Return: whether it is the owner or has a capability.
 */
bool ipcx_object_owned(const struct ipcx_object *obj, const struct cred *cred)
{
	return uid_eq(cred->fsuid, obj->uid) || capable_over(obj, cred);
}

/**
 * ipcx_object_mode_permits() - does its mode let somebody use an object?
 * @obj: the object
 * @cred: who
 * @want: see ipcx_object_permits()
 *
 * Return: whether it does; no capability is asked for.
 */
bool ipcx_object_mode_permits(const struct ipcx_object *obj, const struct cred *cred, u32 want)
{
	const struct cred *old = override_creds(cred);
	u32 mode = obj->mode;

	if (uid_eq(current_fsuid(), obj->uid))
		mode >>= 6;
	else if (in_group_p(obj->gid))
		mode >>= 3;
	revert_creds(old);
	return !(want & ~mode);
}

/**
 * ipcx_object_permits() - may somebody use an object?
 * @obj: the object
 * @cred: who
 * @want: 4 to receive or subscribe, 2 to send or publish, as in a mode
 *
 * Return: whether the mode or a capability says so.
 */
bool ipcx_object_permits(const struct ipcx_object *obj, const struct cred *cred, u32 want)
{
	return ipcx_object_mode_permits(obj, cred, want) || capable_over(obj, cred);
}

/**
 * ipcx_net() - what is kept for a network namespace
 * @net: the namespace
 *
 * Return: that.
 */
struct ipcx_net *ipcx_net(const struct net *net)
{
	return net_generic(net, ipcx_net_id);
}

/**
 * ipcx_name_lookup() - find what has a name
 * @in: where to look, its lock held
 * @name: the name
 *
 * Return: the object or NULL.
 */
struct ipcx_object *ipcx_name_lookup(struct ipcx_net *in, const struct ipcx_name *name)
{
	lockdep_assert_held(&in->lock);
	return rhashtable_lookup_fast(&in->names, name, names_params);
}

static struct ipcx_object *lookup(struct ipcx_net *in, const struct ipcx_name *name, u32 kind)
{
	struct ipcx_object *obj = ipcx_name_lookup(in, name);

	if (!obj)
		return ERR_PTR(-ENOENT);
	if (obj->ops->kind != kind)
		return ERR_PTR(-EPROTOTYPE);
	return obj;
}

/**
 * ipcx_object_open() - use an object that has a name
 * @net: where to look
 * @name: its name
 * @kind: what it must be
 * @cred: who opens it
 * @want: see ipcx_object_permits()
 *
 * Return: the object, to be given to ipcx_object_close(); -ENOENT, -EPROTOTYPE,
 * -EACCES.
 */
struct ipcx_object *ipcx_object_open(struct net *net, const struct ipcx_name *name, u32 kind,
				     const struct cred *cred, u32 want)
{
	struct ipcx_net *in = ipcx_net(net);
	struct ipcx_object *obj;

	mutex_lock(&in->lock);
	obj = lookup(in, name, kind);
	if (!IS_ERR(obj)) {
		if (ipcx_object_permits(obj, cred, want)) {
			refcount_inc(&obj->refs);
			obj->users++;
		} else {
			obj = ERR_PTR(-EACCES);
		}
	}
	mutex_unlock(&in->lock);
	return obj;
}

/* Gives a new object its number and its name. Return: 0, -EEXIST if that is taken, -ENOMEM. */
static int publish(struct ipcx_net *in, struct ipcx_object *obj)
{
	const struct ipcx_culprit who = { task_tgid(current), obj->uid };
	struct sk_buff *skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);
	int err;

	obj->net = in;
	obj->id = atomic64_inc_return(&last_id);
	obj->users = 1;
	mutex_lock(&in->lock);
	err = xa_err(xa_store(&in->ids, obj->id, obj, GFP_KERNEL));
	if (err)
		goto out;
	if (obj->name.len) {
		err = rhashtable_lookup_insert_fast(&in->names, &obj->node, names_params);
		if (err) {
			xa_erase(&in->ids, obj->id);
			goto out;
		}
		obj->named = true;
		refcount_inc(&obj->refs);
	}
	in->objects_changed++;
	trace_ipcx_object_new(obj);
	ipcx_event_object(skb, obj, IPCX_EVENT_KIND_MADE, &who);
	skb = NULL;
out:
	mutex_unlock(&in->lock);
	ipcx_event_unused(skb);
	return err;
}

static bool name_taken(struct ipcx_net *in, const struct ipcx_name *name)
{
	bool found;

	mutex_lock(&in->lock);
	found = ipcx_name_lookup(in, name);
	mutex_unlock(&in->lock);
	return found;
}

/* Makes an object; its first user has the only reference. */
static struct ipcx_object *create(struct file *dev, const struct ipcx_name *name,
				  const struct ipcx_object_ops *ops, const void *open, u32 mode)
{
	struct ipcx_object *obj = ops->create(dev, open);
	int err;

	if (IS_ERR(obj)) {
		ipcx_alert_uncreated(dev, name, ops, PTR_ERR(obj));
		return obj;
	}
	refcount_set(&obj->refs, 1);
	obj->ops = ops;
	obj->name = *name;
	obj->uid = dev->f_cred->euid;
	obj->gid = dev->f_cred->egid;
	obj->mode = mode;
	obj->ephemeral = true; /* until the opener has its descriptor */
	err = publish(ipcx_net(dev->private_data), obj);
	if (!err)
		return obj;
	ops->free(obj);
	ipcx_alert_uncreated(dev, name, ops, err);
	return ERR_PTR(err);
}

/**
 * ipcx_object_get() - open what is there; else create it
 * @dev: /dev/ipcx, with the namespace and the credentials
 * @name: its name, of no length if it is to be anonymous
 * @ops: its kind
 * @open: the argument of @ops->create
 * @how: flags, mode and rights
 * @created: set to whether it was created; then it is ephemeral until ipcx_object_keep()
 *
 * Return: the object, to be given to ipcx_object_close(); -EEXIST, -ENOENT, -EPROTOTYPE,
 * -EACCES, -ENOMEM, or what creating it failed with.
 */
struct ipcx_object *ipcx_object_get(struct file *dev, const struct ipcx_name *name,
				    const struct ipcx_object_ops *ops, const void *open,
				    const struct ipcx_object_how *how, bool *created)
{
	struct net *net = dev->private_data;
	bool excl = how->flags & IPCX_OPEN_EXCL;
	struct ipcx_object *obj;

	for (;;) {
		*created = false;
		if (excl) {
			if (name->len && name_taken(ipcx_net(net), name))
				return ERR_PTR(-EEXIST);
		} else if (name->len) {
			obj = ipcx_object_open(net, name, ops->kind, dev->f_cred, how->want);
			if (obj != ERR_PTR(-ENOENT) || !(how->flags & IPCX_OPEN_CREATE))
				return obj;
		}
		obj = create(dev, name, ops, open, how->mode);
		*created = !IS_ERR(obj);
		/* if somebody else was faster, start again */
		if (obj != ERR_PTR(-EEXIST) || excl)
			return obj;
	}
}

/**
 * ipcx_object_keep() - an object that was published as ephemeral is to stay
 * @obj: the object
 *
 * So that a creation that fails after publishing leaves nothing behind.
 *
 * Return: whether anybody has it open; else it is gone, for the end of its creator was revoked.
 */
bool ipcx_object_keep(struct ipcx_object *obj)
{
	bool used;

	mutex_lock(&obj->net->lock);
	used = obj->users;
	WRITE_ONCE(obj->ephemeral, false);
	mutex_unlock(&obj->net->lock);
	return used;
}

/**
 * ipcx_object_put() - one frees it a reference less; the last less
 * @obj: the object; freed with the last
 */
void ipcx_object_put(struct ipcx_object *obj)
{
	struct ipcx_net *in = obj->net;
	struct sk_buff *skb;

	if (!refcount_dec_and_test(&obj->refs))
		return;
	/* who finds it by its number takes no reference */
	skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);
	mutex_lock(&in->lock);
	xa_erase(&in->ids, obj->id);
	in->objects_changed++;
	trace_ipcx_object_gone(obj);
	ipcx_event_object(skb, obj, IPCX_EVENT_KIND_GONE, &IPCX_NOBODY);
	mutex_unlock(&in->lock);
	obj->ops->free(obj);
}

/* The caller then puts the name's reference, without the lock. @skb: for ipcx_event_send() */
static void remove_name(struct ipcx_net *in, struct ipcx_object *obj, struct sk_buff *skb,
			const struct ipcx_culprit *who)
{
	lockdep_assert_held(&in->lock);
	rhashtable_remove_fast(&in->names, &obj->node, names_params);
	obj->named = false;
	in->objects_changed++;
	ipcx_event_object(skb, obj, IPCX_EVENT_KIND_UNLINKED, who);
}

/**
 * ipcx_object_leave() - one user less, whose reference stays
 * @obj: from ipcx_object_open() or ipcx_object_get()
 */
void ipcx_object_leave(struct ipcx_object *obj)
{
	struct ipcx_net *in = obj->net;
	struct sk_buff *skb = NULL;
	bool unlink, over;

	if (READ_ONCE(obj->ephemeral)) /* or it never will be again */
		skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);
	mutex_lock(&in->lock);
	obj->users--;
	unlink = !obj->users && obj->ephemeral && obj->named;
	if (unlink)
		remove_name(in, obj, skb, &IPCX_NOBODY);
	over = !obj->users && !obj->named;
	mutex_unlock(&in->lock);
	if (over && obj->ops->over)
		obj->ops->over(obj);
	if (unlink)
		ipcx_object_put(obj);
	else
		ipcx_event_unused(skb);
}

/**
 * ipcx_object_close() - one user less
 * @obj: from ipcx_object_open() or ipcx_object_get()
 */
void ipcx_object_close(struct ipcx_object *obj)
{
	ipcx_object_leave(obj);
	ipcx_object_put(obj);
}

/**
 * ipcx_object_unlink() - take a name away
 * @net: where to look
 * @name: the name
 * @kind: what it must stand for
 * @cred: who asks
 * @now: nobody shall use it any more
 *
 * Return: 0, -ENOENT, -EPROTOTYPE, -EACCES.
 */
int ipcx_object_unlink(struct net *net, const struct ipcx_name *name, u32 kind,
		       const struct cred *cred, bool now)
{
	const struct ipcx_culprit who = { task_tgid(current), cred->euid };
	struct ipcx_net *in = ipcx_net(net);
	struct sk_buff *skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);
	struct ipcx_object *obj;
	bool over = false;
	int err = 0;

	mutex_lock(&in->lock);
	obj = lookup(in, name, kind);
	if (IS_ERR(obj)) {
		err = PTR_ERR(obj);
	} else if (!ipcx_object_owned(obj, cred)) {
		err = -EACCES;
	} else {
		remove_name(in, obj, skb, &who);
		over = !obj->users;
	}
	mutex_unlock(&in->lock);
	if (err) {
		ipcx_event_unused(skb);
		return err;
	}
	if (now)
		obj->ops->remove(obj);
	if (over && obj->ops->over)
		obj->ops->over(obj);
	ipcx_object_put(obj);
	return 0;
}

/* /proc/net/ipcx */

static void *list_at(struct ipcx_net *in, loff_t *pos)
{
	unsigned long id = *pos;
	void *obj = xa_find(&in->ids, &id, ULONG_MAX, XA_PRESENT);

	*pos = id;
	return obj;
}

static void *list_start(struct seq_file *m, loff_t *pos)
{
	struct ipcx_net *in = ipcx_net(seq_file_net(m));

	mutex_lock(&in->lock);
	return *pos ? list_at(in, pos) : SEQ_START_TOKEN;
}

static void *list_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return list_at(ipcx_net(seq_file_net(m)), pos);
}

static void list_stop(struct seq_file *m, void *v)
{
	struct ipcx_net *in = ipcx_net(seq_file_net(m));

	mutex_unlock(&in->lock);
}

/**
 * ipcx_name_show() - print a name, "-" if there is none, so that it is one word
 * @m: where
 * @name: the name
 */
void ipcx_name_show(struct seq_file *m, const struct ipcx_name *name)
{
	if (!name->len)
		seq_putc(m, '-');
	else if (name->len == 1 && name->s[0] == '-')
		seq_puts(m, "\\055");
	else
		seq_escape_mem(m, name->s, name->len, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND,
			       " \\");
}

static int list_show(struct seq_file *m, void *v)
{
	static const char *const kinds[] = {
		[IPCX_KIND_QUEUE] = "queue",
		[IPCX_KIND_TOPIC] = "topic",
		[IPCX_KIND_REGION] = "region",
	};
	const struct cred *cred = m->file->f_cred;
	struct user_namespace *ns = seq_user_ns(m);
	struct ipcx_object_stat s = {};
	struct ipcx_object *obj = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m,
			 "id kind mode uid gid depth msg_max bytes_max bytes queued loaned leased free senders receivers flags name\n");
		return 0;
	}
	if (!ipcx_object_permits(obj, cred, 4) && !ipcx_object_permits(obj, cred, 2))
		return SEQ_SKIP;
	seq_printf(m, "%llu ", obj->id);
	seq_printf(m, "%s ", kinds[obj->ops->kind]);
	seq_printf(m, "%04o %u %u ", obj->mode, from_kuid_munged(ns, obj->uid),
		   from_kgid_munged(ns, obj->gid));
	obj->ops->look(obj, &s);
	seq_printf(m, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", s.depth, s.msg_max,
		   s.bytes_max, s.bytes, s.queued, s.loaned, s.leased + s.answers, s.free,
		   s.senders, s.receivers);
	seq_printf(m, " %s%s%s ", obj->ephemeral ? "e" : "",
		   obj->name.len && !obj->named ? "u" : "",
		   obj->ephemeral || (obj->name.len && !obj->named) ? "" : "-");
	ipcx_name_show(m, &obj->name);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations list_ops = {
	.start = list_start,
	.next = list_next,
	.stop = list_stop,
	.show = list_show,
};

static int __net_init net_init(struct net *net)
{
	struct ipcx_net *in = ipcx_net(net);
	int err;

	mutex_init(&in->lock);
	xa_init(&in->ids);
	xa_init_flags(&in->ends, XA_FLAGS_ACCOUNT);
	in->objects_changed = 1; /* 0 would be no number to netlink */
	in->ends_changed = 1;
	in->net = net;
	in->user_ns = net->user_ns;
	in->refused.net = in;
	err = ipcx_alerts_alloc(&in->refused);
	if (err)
		return err;
	err = rhashtable_init(&in->names, &names_params);
	if (err)
		goto err_alerts;
	if (proc_create_net("ipcx", 0444, net->proc_net, &list_ops, sizeof(struct seq_net_private)))
		return 0;
	err = -ENOMEM;
	rhashtable_destroy(&in->names);
err_alerts:
	ipcx_alerts_free(&in->refused);
	return err;
}

static void __net_exit net_exit(struct net *net)
{
	struct ipcx_net *in = ipcx_net(net);
	struct ipcx_object *obj;
	unsigned long id;

	remove_proc_entry("ipcx", net->proc_net);
	xa_for_each(&in->ids, id, obj) {
		if (!obj->named) /* a dead-letter queue of one that follows */
			continue;
		mutex_lock(&in->lock);
		remove_name(in, obj, NULL, &IPCX_NOBODY); /* nobody can hear of this namespace */
		mutex_unlock(&in->lock);
		ipcx_object_put(obj);
	}
	WARN_ON_ONCE(!xa_empty(&in->ids) || !xa_empty(&in->ends));
	rhashtable_destroy(&in->names);
	ipcx_alerts_free(&in->refused);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &ipcx_net_id,
	.size = sizeof(struct ipcx_net),
};

/**
 * ipcx_name_init() - start naming in every network namespace
 *
 * Return: 0 or a negative errno.
 */
int ipcx_name_init(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * ipcx_name_exit() - stop it
 */
void ipcx_name_exit(void)
{
	unregister_pernet_subsys(&net_ops);
}
