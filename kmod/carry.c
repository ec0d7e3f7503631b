// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that a message carries.
 *
 * A slot keeps the paths of them, no files, and with each what its receiver may do. It has them
 * from the loan that they are attached to until its message is over: ipcx_slot_put() moves them to
 * a list that a work empties. Who puts a region last frees its memory, which takes long where there
 * is much, and is for nobody who frees a slot: others may wait for what he does next. A dead letter
 * takes them along. A region is memory and keeps no file: that a message keeps it cannot close a
 * circle.
 *
 * LOCKS: ipcx_queue::lock for ipcx_slot::carried; files are opened and paths put without.
 */
#include <linux/file.h>
#include <linux/llist.h>
#include <linux/path.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <uapi/linux/ipcx_region.h>

#include "batch.h"
#include "region.h"

static_assert(IPCX_SLOT_CARRIES == IPCX_MSG_REGIONS);

/**
 * struct regions - what a message carries
 * @carried: as its slot knows it
 * @spent: in the list of what is over
 * @user: who attached them, on whose account each is
 * @n: how many
 * @r: of each, where it is and IPCX_REGION_*
 */
struct regions {
	struct ipcx_carried carried;
	struct llist_node spent;
	struct ipcx_user *user;
	u32 n;
	struct {
		struct path path;
		u32 flags;
	} r[IPCX_ATTACH_MAX];
};

static LLIST_HEAD(spent);

static struct regions *regions_of(const struct ipcx_slot *slot)
{
	return container_of(slot->carried, struct regions, carried);
}

static void regions_empty(struct regions *r)
{
	while (r->n) {
		path_put(&r->r[--r->n].path);
		ipcx_user_uncharge_region(r->user);
	}
}

static void regions_put(struct regions *r)
{
	regions_empty(r);
	ipcx_user_put(r->user);
	kfree(r);
}

/* The oldest first. */
static void reap(struct work_struct *work)
{
	struct regions *r, *next;

	llist_for_each_entry_safe(r, next, llist_reverse_order(llist_del_all(&spent)), spent) {
		regions_empty(r);
		/* (A) behind what was taken from the account, before who waits is looked for */
		atomic_inc_return(&r->user->put);
		wake_up_var(&r->user->put);
		regions_put(r);
		cond_resched();
	}
}

static DECLARE_WORK(reap_work, reap);

/**
 * ipcx_carried_spend() - a message is over that carried something
 * @carried: what; put soon
 */
void ipcx_carried_spend(struct ipcx_carried *carried)
{
	struct regions *r = container_of(carried, struct regions, carried);

	atomic_inc(&r->user->spent);
	llist_add(&r->spent, &spent);
	queue_work(system_unbound_wq, &reap_work);
}

/**
 * ipcx_carry_flush() - wait until what messages of a user that are over carried is put
 * @user: the user; who has nothing there waits for nobody
 *
 * Its memory is free then. What others had put there before goes first; what comes later is not
 * waited for.
 *
 * Return: 0, or -ERESTARTSYS: the caller is killed.
 */
int ipcx_carry_flush(struct ipcx_user *user)
{
	int end = atomic_read(&user->spent);

	/* with (A): all that was counted is off the account */
	return wait_var_event_killable(&user->put, atomic_read_acquire(&user->put) - end >= 0);
}

/**
 * ipcx_carry_exit() - no message is left: nothing that one carried is either
 */
void ipcx_carry_exit(void)
{
	flush_work(&reap_work);
}

/*
 * To lack a capability is nothing for the log: who has none may have reached the limit only because
 * what is over counts until it is put.
 */
static int charge(const struct ipcx_endpoint *ep, struct ipcx_user *user)
{
	const struct cred *old;
	bool unlimited;
	int err;

	if (!ipcx_user_charge_region(user, false))
		return 0;
	old = override_creds(ep->cred);
	unlimited = ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
	revert_creds(old);
	err = unlimited ? 0 : ipcx_carry_flush(user);
	return err ?: ipcx_user_charge_region(user, unlimited);
}

/* Return: @path, on the account of who opened @ep; or an ERR_PTR. */
static struct regions *regions_new(const struct ipcx_endpoint *ep, const struct path *path,
				   u32 flags)
{
	struct regions *r = kzalloc(sizeof(*r), IPCX_GFP_SHORT | __GFP_ACCOUNT);
	int err = -ENOMEM;

	if (!r)
		return ERR_PTR(-ENOMEM);
	r->user = ipcx_user_get(ep->uid);
	if (r->user)
		err = charge(ep, r->user);
	if (err) {
		regions_put(r);
		return ERR_PTR(err);
	}
	path_get(path);
	r->r[0].path = *path;
	r->r[0].flags = flags;
	r->n = 1;
	return r;
}

/* Under the lock. Return: 0 if a region may be attached, or -EPERM, -ENOSPC, -ESTALE. */
static int attach_check(const struct ipcx_endpoint *ep, const struct ipcx_slot *slot)
{
	lockdep_assert_held(&ep->q->lock);
	if (unlikely(ep->party.gone))
		return -ESTALE;
	if (!ipcx_slot_held(slot, IPCX_SLOT_LOANED, &ep->party))
		return -EPERM;
	return slot->carries && regions_of(slot)->n == IPCX_ATTACH_MAX ? -ENOSPC : 0;
}

/*
 * Under the lock: a loan of @ep carries what is in @more, too, whose account is that of what it
 * carries already. Return: index of that region, and what is left in @more is to be put; or as
 * attach_check().
 */
static int attach_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, struct regions **more)
{
	int err = attach_check(ep, slot);
	struct regions *r;

	if (err)
		return err;
	if (!slot->carries) {
		ipcx_slot_carry(slot, &(*more)->carried);
		*more = NULL;
		return 0;
	}
	r = regions_of(slot);
	r->r[r->n] = (*more)->r[0];
	(*more)->n = 0;
	return r->n++;
}

static int attach(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct path *path,
		  u32 flags)
{
	struct regions *more;
	int n;

	spin_lock(&ep->q->lock);
	n = attach_check(ep, slot);
	spin_unlock(&ep->q->lock);
	if (n)
		return n;
	more = regions_new(ep, path, flags);
	if (IS_ERR(more)) {
		n = PTR_ERR(more);
		ipcx_alert_refused(&ep->q->obj,
				   n == -EDQUOT ? IPCX_EVENT_LIMIT_USER_OBJECTS : ipcx_limit_of(n),
				   ipcx_culprit_user(&ep->end));
		return n;
	}
	spin_lock(&ep->q->lock);
	n = attach_locked(ep, slot, &more);
	spin_unlock(&ep->q->lock);
	if (more)
		regions_put(more);
	return n;
}

/**
 * ipcx_queue_attach() - IPCX_IOC_QUEUE_ATTACH
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_attach
 *
 * Return: index of the region, or a negative errno.
 */
long ipcx_queue_attach(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_attach a;
	struct ipcx_slot *slot;
	struct file *file;
	u32 rights;
	int err;

	err = ipcx_args_in(&a, sizeof(a), offsetofend(struct ipcx_queue_attach, fd),
			   IPCX_ATTACH_VALID_FLAGS, arg);
	if (err)
		return err;
	slot = ipcx_slot_at(ep->q, a.slot);
	if (!slot || !a.flags)
		return -EINVAL;
	file = fget(a.fd);
	if (!file)
		return -EBADF;
	rights = ipcx_region_rights(file);
	if (!rights)
		err = -EOPNOTSUPP;
	else if (a.flags & ~rights)
		err = -EACCES;
	else
		err = attach(ep, slot, &file->f_path, a.flags);
	fput(file);
	return err;
}

/*
 * Under the lock: finds the region that @f names and says of it what there is to say. Return: 0,
 * and @path is to be put; or -EPERM, -ESTALE, -ENOENT.
 */
static int find_locked(struct ipcx_endpoint *ep, struct ipcx_slot *slot, struct ipcx_queue_fetch *f,
		       struct path *path)
{
	const struct regions *r;

	lockdep_assert_held(&ep->q->lock);
	if (unlikely(ep->party.gone))
		return -ESTALE;
	if (!ipcx_slot_held(slot, IPCX_SLOT_LEASED, &ep->party))
		return ipcx_slot_late(slot, &ep->party) ? -ESTALE : -EPERM;
	if (slot->seq != f->seq)
		return -ESTALE;
	if (!slot->carries)
		return -ENOENT;
	r = regions_of(slot);
	if (f->index >= r->n)
		return -ENOENT;
	f->index = array_index_nospec(f->index, IPCX_ATTACH_MAX);
	f->out_count = r->n;
	f->out_flags = r->r[f->index].flags;
	*path = r->r[f->index].path;
	path_get(path);
	return 0;
}

static bool was_revoked(struct ipcx_endpoint *ep)
{
	bool gone;

	spin_lock(&ep->q->lock);
	gone = ep->party.gone;
	spin_unlock(&ep->q->lock);
	return gone;
}

/* Return: the file for a new descriptor, all that the reply says written; or an ERR_PTR. */
static struct file *fetch(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
			  struct ipcx_queue_fetch *f, void __user *arg)
{
	struct file *file;
	struct path path;
	int err;

	spin_lock(&ep->q->lock);
	err = find_locked(ep, slot, f, &path);
	spin_unlock(&ep->q->lock);
	if (err)
		return ERR_PTR(err);
	file = ipcx_region_file(&path, current_cred(), f->out_flags);
	path_put(&path);
	if (IS_ERR(file))
		return file;
	if (ipcx_copy_out(arg, f->size, f, sizeof(*f)))
		err = -EFAULT;
	else if (was_revoked(ep)) /* meanwhile: it took long, perhaps */
		err = -ESTALE;
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err);
}

/**
 * ipcx_queue_fetch() - IPCX_IOC_QUEUE_FETCH
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_fetch
 *
 * Return: file descriptor or a negative errno.
 */
long ipcx_queue_fetch(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_fetch f;
	struct ipcx_slot *slot;
	struct file *file;
	int fd, err;

	err = ipcx_args_in(&f, sizeof(f), offsetofend(struct ipcx_queue_fetch, out_flags), 0, arg);
	if (err)
		return err;
	slot = ipcx_slot_at(ep->q, f.slot);
	if (!slot)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = fetch(ep, slot, &f, arg);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
