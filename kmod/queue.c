// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues and their endpoints: creation, opening. The messages' way through a queue
 * is in send.c and receive.c, the endpoint's file in endpoint.c, its end in close.c.
 *
 * A queue pins the file system of the endpoints and that the module, so that
 * rmmod gives EBUSY while one exists.
 */
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "batch.h"
#include "event.h"
#include "stat.h"

#define DEPTH_DEFAULT 64U
#define MSG_DEFAULT (64ULL << 20)
#define BYTES_DEFAULT (256ULL << 20)

static unsigned int queue_depth_max = IPCX_DEPTH_MAX;
module_param(queue_depth_max, uint, 0644);
MODULE_PARM_DESC(queue_depth_max, "Slots that a queue may have (at most 65536)");

static unsigned long queue_msg_max = IPCX_MSG_MAX;
module_param(queue_msg_max, ulong, 0644);
MODULE_PARM_DESC(queue_msg_max, "Longest msg_max that a queue may have (at most 1 GiB)");

/**
 * ipcx_queue_depth_max() - the limit on a queue's depth
 *
 * Return: the limit.
 */
u32 ipcx_queue_depth_max(void)
{
	return min(READ_ONCE(queue_depth_max), IPCX_DEPTH_MAX);
}

/**
 * ipcx_queue_msg_max() - the limit on a queue's msg_max
 *
 * Return: the limit in bytes.
 */
u64 ipcx_queue_msg_max(void)
{
	return min_t(u64, READ_ONCE(queue_msg_max), IPCX_MSG_MAX);
}

/**
 * ipcx_queue_depth_max_set() - set the limit on the depth of queues to come
 * @max: the limit
 */
void ipcx_queue_depth_max_set(u32 max)
{
	WRITE_ONCE(queue_depth_max, max);
}

/**
 * ipcx_queue_msg_max_set() - set the limit on msg_max of queues to come
 * @max: the limit in bytes
 */
void ipcx_queue_msg_max_set(u64 max)
{
	WRITE_ONCE(queue_msg_max, max);
}

/* Numbers of slots are found by a shift, data is a cache line. Not so with lockdep. */
static_assert(sizeof(struct ipcx_slot) == 256 || sizeof(spinlock_t) > 4 || sizeof(long) == 4);

static u64 table_bytes(u32 depth)
{
	return (u64)depth * sizeof(struct ipcx_slot);
}

#define EACH_BATCH 64 /* slots under one hold of the lock */

/**
 * ipcx_queue_each_slot() - do something to every slot
 * @q: the queue, not locked
 * @fn: what, under the lock, which is let go of now and then
 */
void ipcx_queue_each_slot(struct ipcx_queue *q, void (*fn)(struct ipcx_slot *slot))
{
	u32 at = 0;

	while (at < q->arena.depth) {
		u32 end = min(at + EACH_BATCH, q->arena.depth);

		spin_lock(&q->lock);
		for (; at < end; at++)
			fn(&q->slots.slot[at]);
		spin_unlock(&q->lock);
		cond_resched();
	}
}

/*
 * Nobody can open it any more, but a tap may keep it, or the file of an end that was revoked: what
 * others notice of it ends now. A call of such an end may still look at its dead-letter queue.
 */
static void queue_over(struct ipcx_object *obj)
{
	struct ipcx_queue *q = container_of(obj, struct ipcx_queue, obj);

	bool unused;

	spin_lock(&q->lock);
	q->over = true;
	unused = !q->revoked; /* or it counts until the last such file is closed */
	spin_unlock(&q->lock);
	cancel_delayed_work_sync(&q->expire);
	/* nobody takes a message any more, also of those that come too late as dead letters */
	ipcx_queue_each_slot(q, ipcx_slot_spend);
	if (q->dead_letter)
		ipcx_object_leave(&q->dead_letter->obj);
	if (unused)
		ipcx_user_uncharge_queue(q->arena.user);
}

/* Nobody has it open and it has no name: nothing else can be in here. */
static void queue_free(struct ipcx_object *obj)
{
	struct ipcx_queue *q = container_of(obj, struct ipcx_queue, obj);
	struct ipcx_arena *a = &q->arena;
	u32 i;

	if (!q->over) /* it never had an end, or goes with its namespace */
		queue_over(obj);
	ipcx_alerts_free(&q->obj); /* after that, which has something to tell */
	if (q->dead_letter)
		ipcx_object_put(&q->dead_letter->obj);
	for (i = 0; i < a->depth; i++) {
		struct ipcx_slot *slot = &q->slots.slot[i];

		ipcx_slot_trim(a, &slot->pg, i, 0);
		xa_destroy(&slot->pg.pages);
		put_pid(slot->pid);
		ipcx_slot_spend(slot);
	}
	kvfree(q->slots.slot);
	ipcx_credits_free(q);
	ipcx_user_uncharge(a->user, table_bytes(a->depth));
	ipcx_user_put(a->user);
	mem_cgroup_put(a->memcg);
	kfree(q);
	ipcx_endpoint_unpin();
}

/* Fills in the defaults and refuses what is out of range. */
static int attributes_check(struct ipcx_queue_open *a)
{
	u32 depth_max = ipcx_queue_depth_max();
	u64 msg_max = ipcx_queue_msg_max();

	a->depth = a->depth ?: min(DEPTH_DEFAULT, depth_max);
	a->msg_max = a->msg_max ?: min(MSG_DEFAULT, msg_max);
	if (a->depth > depth_max || a->msg_max > msg_max)
		return -EINVAL;
	a->bytes_max = a->bytes_max ?: max(BYTES_DEFAULT, PAGE_ALIGN(a->msg_max));
	if (a->bytes_max < PAGE_ALIGN(a->msg_max))
		return -EINVAL;
	if (a->policy > IPCX_POLICY_DROP_NEWEST || a->lease_ms > IPCX_LEASE_MS_MAX)
		return -EINVAL;
	return a->mode & ~0777U ? -EINVAL : 0;
}

static int charge_new(struct ipcx_arena *a, u32 depth)
{
	int err = ipcx_user_charge_queue(a->user, a->unlimited);

	if (err)
		return err;
	err = ipcx_user_charge(a->user, table_bytes(depth), a->unlimited);
	if (err)
		ipcx_user_uncharge_queue(a->user);
	return err;
}

static void arena_init(struct ipcx_arena *a, const struct ipcx_queue_open *o)
{
	init_rwsem(&a->maps_sem);
	INIT_LIST_HEAD(&a->maps);
	a->depth = o->depth;
	a->stride = PAGE_ALIGN(o->msg_max) >> PAGE_SHIFT;
	a->pages_max = o->bytes_max >> PAGE_SHIFT;
	/* a quarter, and room for the longest message, must be left */
	a->spare_max = min(a->pages_max / 4 * 3, a->pages_max - a->stride);
	a->memcg = get_mem_cgroup_from_mm(current->mm);
}

static struct ipcx_queue *queue_create(struct file *dev, const struct ipcx_queue_open *o)
{
	struct ipcx_queue *q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	struct ipcx_slot *table;
	int err = -ENOMEM;
	u32 i;

	if (!q)
		return ERR_PTR(-ENOMEM);
	err = ipcx_endpoint_pin();
	if (err)
		goto err_queue;
	err = -ENOMEM;
	q->arena.unlimited = file_ns_capable(dev, &init_user_ns, CAP_SYS_RESOURCE);
	q->arena.user = ipcx_user_get(dev->f_cred->euid);
	if (!q->arena.user)
		goto err_pin;
	err = charge_new(&q->arena, o->depth);
	if (err)
		goto err_user;
	err = -ENOMEM;
	table = kvcalloc(o->depth, sizeof(*table), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!table)
		goto err_charge;
	if (ipcx_alerts_alloc(&q->obj))
		goto err_table;
	for (i = 0; i < o->depth; i++)
		ipcx_slot_pages_init(&table[i].pg);
	ipcx_slots_init(&q->slots, table, o->depth);
	arena_init(&q->arena, o);
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->takers);
	init_waitqueue_head(&q->recv_poll);
	init_waitqueue_head(&q->send_poll);
	init_waitqueue_head(&q->send_wait);
	ipcx_expire_init(q);
	q->msg_max = o->msg_max;
	q->bytes_max = o->bytes_max;
	q->policy = o->policy;
	q->max_deliveries = o->max_deliveries;
	q->lease_ms = o->lease_ms;
	q->leases_max = o->leases_max;
	q->flags = o->flags & (IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEALED);
	return q;

err_table:
	kvfree(table);
err_charge:
	ipcx_user_uncharge(q->arena.user, table_bytes(o->depth));
	ipcx_user_uncharge_queue(q->arena.user);
err_user:
	ipcx_user_put(q->arena.user);
err_pin:
	ipcx_endpoint_unpin();
err_queue:
	kfree(q);
	return ERR_PTR(err);
}

/* Opens the dead-letter queue of a new queue, if it shall have one. */
static int dead_letter_open(struct file *dev, struct ipcx_queue *q, const struct ipcx_queue_open *o)
{
	struct ipcx_object *obj;
	struct ipcx_queue *dead;
	struct ipcx_name name;
	int err;

	if (!o->dead_letter)
		return 0;
	err = ipcx_name_copy(&name, o->dead_letter, o->dead_letter_len);
	if (err)
		return err;
	obj = ipcx_object_open(dev->private_data, &name, IPCX_KIND_QUEUE, dev->f_cred, 2);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	dead = container_of(obj, struct ipcx_queue, obj);
	if (dead->dead_letter) {
		ipcx_object_close(obj);
		return -ELOOP;
	}
	q->dead_letter = dead;
	return 0;
}

static struct ipcx_object *queue_create_whole(struct file *dev, const void *open)
{
	struct ipcx_queue *q = queue_create(dev, open);
	int err;

	if (IS_ERR(q))
		return ERR_CAST(q);
	err = dead_letter_open(dev, q, open);
	if (err) {
		queue_free(&q->obj);
		return ERR_PTR(err);
	}
	return &q->obj;
}

static u64 queue_limit(const struct ipcx_object *obj, u32 limit)
{
	const struct ipcx_queue *q = container_of(obj, struct ipcx_queue, obj);

	switch (limit) {
	case IPCX_EVENT_LIMIT_DEPTH:
		return q->arena.depth;
	case IPCX_EVENT_LIMIT_BYTES_MAX:
		return q->bytes_max;
	case IPCX_EVENT_LIMIT_MAX_DELIVERIES:
		return q->max_deliveries;
	case IPCX_EVENT_LIMIT_LEASE_MS:
		return q->lease_ms;
	}
	return 0;
}

static const struct ipcx_object_ops queue_ops = {
	.kind = IPCX_KIND_QUEUE,
	.create = queue_create_whole,
	.look = ipcx_queue_look,
	.limit = queue_limit,
	.remove = ipcx_queue_remove,
	.over = queue_over,
	.free = queue_free,
};

/**
 * ipcx_endpoint_count() - a queue has one more open end, or one less
 * @ep: the end
 * @n: 1 or -1
 */
void ipcx_endpoint_count(struct ipcx_endpoint *ep, int n)
{
	struct ipcx_queue *q = ep->q;

	spin_lock(&q->lock);
	if (ep->rights & IPCX_OPEN_SEND)
		q->senders += n;
	if (ep->rights & IPCX_OPEN_RECV)
		q->receivers += n;
	spin_unlock(&q->lock);
}

static struct ipcx_endpoint *endpoint_create(struct file *dev, struct ipcx_queue *q, u32 flags,
					     u32 want)
{
	struct ipcx_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	int err;

	if (!ep)
		return ERR_PTR(-ENOMEM);
	ep->q = q;
	ep->net = get_net(dev->private_data);
	ep->rights = flags & (IPCX_OPEN_SEND | IPCX_OPEN_RECV);
	ep->uid = dev->f_cred->euid;
	ep->gid = dev->f_cred->egid;
	/* besides counting it stores a 0 where there always is one */
	ep->cred = data_race(get_cred(dev->f_cred));
	ipcx_party_init(&ep->party);
	ipcx_map_init(&ep->map);
	init_waitqueue_head(&ep->answer_wait);
	refcount_set(&ep->refs, 1);
	err = flags & IPCX_OPEN_SEND ? ipcx_credit_attach(ep) : 0;
	if (err)
		goto err_ep;
	err = ipcx_end_reserve(&ep->end, &q->obj);
	if (err)
		goto err_credit;
	/* whoever is counted is closed some time: the last receiver ends the calls that wait */
	ipcx_endpoint_count(ep, 1);
	ipcx_end_open(&ep->end, ep->uid, want); /* from now on it can be revoked */
	return ep;

err_credit:
	if (flags & IPCX_OPEN_SEND) {
		ipcx_credit_detach(ep);
		ipcx_credit_forget(ep);
	}
err_ep:
	put_cred(ep->cred);
	put_net(ep->net);
	kfree(ep);
	return ERR_PTR(err);
}

static void reply_fill(struct ipcx_queue_open *o, const struct ipcx_queue *q)
{
	u64 window = ipcx_arena_window(&q->arena) << PAGE_SHIFT;

	o->out_id = q->obj.id;
	o->out_msg_max = q->msg_max;
	o->out_bytes_max = q->bytes_max;
	o->out_stride = (u64)q->arena.stride << PAGE_SHIFT;
	o->out_tx_offset = 0;
	o->out_rx_offset = window;
	o->out_window = window;
	o->out_depth = q->arena.depth;
	o->out_mode = q->obj.mode;
	o->out_uid = from_kuid_munged(current_user_ns(), q->obj.uid);
	o->out_gid = from_kgid_munged(current_user_ns(), q->obj.gid);
	o->out_policy = q->policy;
	o->out_max_deliveries = q->max_deliveries;
	o->out_lease_ms = q->lease_ms;
	o->out_flags = q->flags;
	o->out_leases_max = q->leases_max;
	o->out_dead_letter = q->dead_letter ? q->dead_letter->obj.id : 0;
}

static int open_check(const struct ipcx_queue_open *o)
{
	u32 flags = o->flags;

	if (o->__reserved)
		return -EINVAL;
	if (!(flags & (IPCX_OPEN_SEND | IPCX_OPEN_RECV)))
		return -EINVAL;
	if (flags & (IPCX_OPEN_EXCL | IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEALED) &&
	    !(flags & IPCX_OPEN_CREATE))
		return -EINVAL;
	if (!o->dead_letter && o->dead_letter_len)
		return -EINVAL;
	if (!o->name && (o->name_len || !(flags & IPCX_OPEN_CREATE)))
		return -EINVAL;
	return 0;
}

/**
 * ipcx_queue_open() - IPCX_IOC_QUEUE_OPEN
 * @dev: /dev/ipcx
 * @arg: the caller's struct ipcx_queue_open
 *
 * The caller and the errors are in the uapi header.
 *
 * Return: file descriptor or a negative errno.
 */
long ipcx_queue_open(struct file *dev, void __user *arg)
{
	const struct ipcx_culprit opener = { task_tgid(current), dev->f_cred->euid };
	struct ipcx_queue_open o, full;
	struct ipcx_object_how how;
	struct ipcx_name name = {};
	struct ipcx_endpoint *ep;
	struct ipcx_object *obj;
	struct ipcx_queue *q;
	struct file *file;
	bool created;
	int fd, err;

	err = ipcx_args_in(&o, sizeof(o), offsetofend(struct ipcx_queue_open, out_flags),
			   IPCX_OPEN_VALID_FLAGS, arg);
	if (!err)
		err = open_check(&o);
	if (!err && o.name)
		err = ipcx_name_copy(&name, o.name, o.name_len);
	full = o; /* with the defaults filled in */
	if (!err && o.flags & IPCX_OPEN_CREATE)
		err = attributes_check(&full);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	how.want = (o.flags & IPCX_OPEN_RECV ? 4 : 0) | (o.flags & IPCX_OPEN_SEND ? 2 : 0);
	how.flags = o.flags;
	how.mode = o.mode;
	obj = ipcx_object_get(dev, &name, &queue_ops, &full, &how, &created);
	err = PTR_ERR_OR_ZERO(obj);
	if (err)
		goto err_fd;
	q = container_of(obj, struct ipcx_queue, obj);
	ep = endpoint_create(dev, q, o.flags, how.want);
	err = PTR_ERR_OR_ZERO(ep);
	if (err) {
		ipcx_alert_refused(obj, ipcx_limit_of(err), opener);
		ipcx_object_close(obj);
		goto err_fd;
	}
	file = ipcx_endpoint_file(ep);
	err = PTR_ERR_OR_ZERO(file);
	if (err)
		goto err_fd;
	reply_fill(&o, q);
	err = ipcx_copy_out(arg, o.size, &o, sizeof(o));
	if (!err && created && !(o.flags & IPCX_OPEN_EPHEMERAL) && !ipcx_object_keep(&q->obj))
		err = -ESTALE;
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
