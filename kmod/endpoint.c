// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of an endpoint: ioctl, poll, mmap, fdinfo, release.
 * Each has an inode of its own, so that its windows can be revoked without
 * touching those of others.
 */
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/seq_file.h>
#include <uapi/linux/ipcx_region.h>

#include "batch.h"
#include "compat.h"

#define IPCX_FS_MAGIC	0x69706378	/* "ipcx" */

/* Mounted while there are queues. */
static struct vfsmount *ipcx_mnt;
static int ipcx_mnt_count;

static __always_inline long endpoint_call(struct ipcx_endpoint *ep, unsigned int cmd,
					  void __user *user)
{
	switch (cmd) {
	case IPCX_IOC_QUEUE_LOAN:
		return ipcx_queue_loan(ep, user);
	case IPCX_IOC_QUEUE_COMMIT:
		return ipcx_queue_commit(ep, user);
	case IPCX_IOC_QUEUE_CANCEL:
		return ipcx_queue_cancel(ep, user);
	case IPCX_IOC_QUEUE_TAKE:
		return ipcx_queue_take(ep, user);
	case IPCX_IOC_QUEUE_RELEASE:
		return ipcx_queue_release(ep, user);
	case IPCX_IOC_QUEUE_STAT:
		return ipcx_queue_stat(ep, user);
	case IPCX_IOC_QUEUE_CALL:
		return ipcx_queue_call(ep, user);
	case IPCX_IOC_QUEUE_REPLY:
		return ipcx_queue_reply(ep, user);
	case IPCX_IOC_QUEUE_ATTACH:
		return ipcx_queue_attach(ep, user);
	case IPCX_IOC_QUEUE_FETCH:
		return ipcx_queue_fetch(ep, user);
	}
	return -ENOTTY;
}

/*
 * Who revokes an endpoint waits for none of this. It takes away what the endpoint has, and it gets
 * nothing from then on: where the queue's lock is held, ipcx_party::gone is looked at. A call that
 * is in here meanwhile has done what it was for, or finds that it cannot be done.
 */
static long endpoint_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcx_endpoint *ep = file->private_data;
	int ret; /* not long: that of an array is a count or an error in 32 bits */

	if (unlikely(READ_ONCE(ep->party.gone)))
		return -ESTALE;
	ret = endpoint_call(ep, cmd, (void __user *)arg);
	return ipcx_endpoint_result(ep, ret);
}

static __poll_t endpoint_poll(struct file *file, poll_table *wait)
{
	struct ipcx_endpoint *ep = file->private_data;
	struct ipcx_queue *q = ep->q;
	__poll_t events = 0;

	if (ep->rights & IPCX_OPEN_RECV) {
		poll_wait(file, &q->recv_poll, wait);
		if (ipcx_queue_readable(q, &ep->party))
			events |= EPOLLIN | EPOLLRDNORM;
	}
	if (ep->rights & IPCX_OPEN_SEND) {
		poll_wait(file, &q->send_poll, wait);
		if (ipcx_queue_writable(q, ep->party.credit, 1, 0))
			events |= EPOLLOUT | EPOLLWRNORM;
		if (ipcx_calls_answered(ep))
			events |= EPOLLIN | EPOLLRDNORM;
	}
	if (READ_ONCE(ep->party.gone))
		return EPOLLHUP | EPOLLERR;
	if (READ_ONCE(q->removed))
		events |= EPOLLHUP | EPOLLERR;
	return events;
}

/* How many pages of a slot may be seen through a window right now. */
static u32 visible_pages(struct ipcx_endpoint *ep, struct ipcx_slot *slot,
			 enum ipcx_slot_state state)
{
	struct ipcx_late *late = NULL;
	u32 npages = 0;

	spin_lock(&ep->q->lock);
	if (unlikely(ep->party.gone))
		goto unlock;
	if (state == IPCX_SLOT_LEASED)
		late = ipcx_slot_late(slot, &ep->party);
	/* the pages of a slot whose message is inline are of another */
	if (ipcx_slot_held(slot, state, &ep->party))
		npages = ipcx_slot_pages_used(slot);
	if (late) /* it may have become the answer, of another length */
		npages = max(npages, min(late->npages, slot->pg.npages));
unlock:
	spin_unlock(&ep->q->lock);
	return npages;
}

static vm_fault_t endpoint_fault(struct vm_fault *vmf)
{
	struct ipcx_endpoint *ep = vmf->vma->vm_file->private_data;
	struct ipcx_arena *a = &ep->q->arena;
	enum ipcx_slot_state state = IPCX_SLOT_LOANED;
	u64 page = vmf->pgoff;
	struct ipcx_slot *slot;
	vm_fault_t ret;

	if (page >= ipcx_arena_window(a)) {
		page -= ipcx_arena_window(a);
		state = IPCX_SLOT_LEASED;
	}
	if (page >= ipcx_arena_window(a))
		return VM_FAULT_SIGBUS;
	slot = &ep->q->slots.slot[div_u64(page, a->stride)];
	down_read(&ep->map.sem);
	ret = ipcx_slot_fault(&slot->pg, vmf, page % a->stride, visible_pages(ep, slot, state));
	up_read(&ep->map.sem);
	if (unlikely(ret & VM_FAULT_SIGBUS && READ_ONCE(ep->party.gone)))
		ret = ipcx_dummy_fault(&ep->map, vmf, state == IPCX_SLOT_LOANED);
	return ret;
}

/*
 * Windows may be split and moved: nothing here remembers a VMA, and the
 * mapping of the inode finds every piece. Who may only send has a window to read
 * answers, who may only receive one to write replies: what is in them is decided
 * slot by slot.
 */
static const struct vm_operations_struct endpoint_vm_ops = {
	.fault = endpoint_fault,
};

static int endpoint_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcx_endpoint *ep = file->private_data;
	u64 window = ipcx_arena_window(&ep->q->arena);
	u64 first = vma->vm_pgoff, end = first + vma_pages(vma);
	vm_flags_t clear = VM_MAYEXEC;

	if (READ_ONCE(ep->party.gone))
		return -ESTALE;
	if (!(vma->vm_flags & VM_MAYSHARE) || end > 2 * window)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (end > window) {
		if (first < window)
			return -EINVAL;
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		clear |= VM_MAYWRITE;
	}
	vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY, clear);
	vma->vm_ops = &endpoint_vm_ops;
	return 0;
}

static const char *rights_text(u32 rights)
{
	if (rights == IPCX_OPEN_SEND)
		return "send";
	return rights == IPCX_OPEN_RECV ? "recv" : "send,recv";
}

/* /proc/PID/fdinfo/FD: of which queue this is an end, and what it holds there. */
static void endpoint_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcx_endpoint *ep = file->private_data;
	const struct ipcx_object *obj = &ep->q->obj;
	struct user_namespace *ns = seq_user_ns(m);
	u32 loans, leases, queued;

	spin_lock(&ep->q->lock);
	loans = ep->party.count[IPCX_SLOT_LOANED];
	leases = ep->party.count[IPCX_SLOT_LEASED];
	queued = ep->q->slots.count[IPCX_SLOT_QUEUED];
	spin_unlock(&ep->q->lock);
	seq_printf(m, "ipcx-queue:\t%llu\n", obj->id);
	seq_puts(m, "ipcx-name:\t");
	ipcx_name_show(m, &obj->name);
	seq_printf(m, "\nipcx-owner:\t%u:%u %04o\n", from_kuid_munged(ns, obj->uid),
		   from_kgid_munged(ns, obj->gid), obj->mode);
	seq_printf(m, "ipcx-rights:\t%s\n", rights_text(ep->rights));
	seq_printf(m, "ipcx-loans:\t%u\nipcx-leases:\t%u\nipcx-queued:\t%u\n", loans, leases,
		   queued);
	if (READ_ONCE(ep->party.gone))
		seq_puts(m, "ipcx-revoked:\t1\n");
}

static int endpoint_flush(struct file *file, fl_owner_t id)
{
	struct ipcx_endpoint *ep = file->private_data;

	ipcx_end_flush(&ep->end);
	return 0;
}

static int endpoint_release(struct inode *inode, struct file *file)
{
	ipcx_endpoint_close(file->private_data);
	return 0;
}

static const struct file_operations endpoint_fops = {
	.owner = THIS_MODULE,
	.read = ipcx_queue_read,
	.write = ipcx_queue_write,
	.read_iter = ipcx_queue_read_iter,
	.write_iter = ipcx_queue_write_iter,
	.poll = endpoint_poll,
	.unlocked_ioctl = endpoint_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = endpoint_mmap,
	.show_fdinfo = endpoint_show_fdinfo,
	.flush = endpoint_flush,
	.release = endpoint_release,
};

/**
 * ipcx_file() - make a file that has an inode of its own
 * @name: what /proc/PID/fd shows
 * @fops: its operations
 * @private_data: what they find it by
 *
 * Return: the file or an ERR_PTR.
 */
struct file *ipcx_file(const char *name, const struct file_operations *fops, void *private_data)
{
	struct inode *inode = alloc_anon_inode(ipcx_mnt->mnt_sb);
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	__module_get(THIS_MODULE); /* given back by the last fput */
	file = alloc_file_pseudo(inode, ipcx_mnt, name, O_RDWR, fops);
	if (IS_ERR(file)) {
		iput(inode);
		module_put(THIS_MODULE);
		return file;
	}
	file->private_data = private_data;
	return file;
}

/**
 * ipcx_endpoint_file() - make the file of an endpoint
 * @ep: the endpoint, owned by the file from now on; closed on failure
 *
 * Return: the file or an ERR_PTR.
 */
struct file *ipcx_endpoint_file(struct ipcx_endpoint *ep)
{
	struct file *file = ipcx_file("ipcx:queue", &endpoint_fops, ep);

	if (IS_ERR(file)) {
		/* after the inode: the queue may hold the last pin on its file system */
		ipcx_endpoint_close(ep);
		return file;
	}
	stream_open(file_inode(file), file); /* messages have no place in a file */
	/* nobody learns by inotify when others send */
	file->f_mode |= FMODE_NOWAIT | FMODE_NONOTIFY;
	ipcx_arena_attach(&ep->q->arena, &ep->map, file->f_mapping);
	return file;
}

static int ipcx_init_fs_context(struct fs_context *fc)
{
	if (!init_pseudo(fc, IPCX_FS_MAGIC))
		return -ENOMEM;
	fc->s_iflags |= SB_I_NOEXEC;
	return 0;
}

static struct file_system_type ipcx_fs = {
	.owner = THIS_MODULE,
	.name = "ipcx",
	.init_fs_context = ipcx_init_fs_context,
	.kill_sb = kill_anon_super,
};

/**
 * ipcx_endpoint_pin() - a queue comes: there must be something its inodes live on
 *
 * Return: 0 or a negative errno. The mount holds the module until the last file on it is really
 * gone, which is after that file gave its own reference back.
 */
int ipcx_endpoint_pin(void)
{
	return simple_pin_fs(&ipcx_fs, &ipcx_mnt, &ipcx_mnt_count);
}

/**
 * ipcx_endpoint_unpin() - a queue goes
 */
void ipcx_endpoint_unpin(void)
{
	simple_release_fs(&ipcx_mnt, &ipcx_mnt_count);
}
