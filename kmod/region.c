// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: shared memory with a name, an owner and a mode.
 *
 * The memory is a file of shmem, and so is what an opener gets: reading, writing, mapping,
 * truncating, sealing, swapping and the charge to a memory cgroup are shmem's. Here is only
 * who may open it, and how.
 */
#include <linux/file.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <uapi/linux/ipcx_region.h>

#include "copy.h"
#include "region.h"
#include "stat.h"

/**
 * struct ipcx_region - a region
 * @obj: its name and its lifetime
 * @user: whose account it is on
 * @file: keeps the memory; nobody reads or writes through it
 */
struct ipcx_region {
	struct ipcx_object obj;
	struct ipcx_user *user;
	struct file *file;
};

static u64 region_size(const struct ipcx_region *r)
{
	/* It may change at any time, so that any size it has had meanwhile will do. */
	return data_race(i_size_read(file_inode(r->file)));
}

static void region_look(struct ipcx_object *obj, struct ipcx_object_stat *s)
{
	struct ipcx_region *r = container_of(obj, struct ipcx_region, obj);

	s->bytes_max = region_size(r);
	s->bytes = (u64)READ_ONCE(file_inode(r->file)->i_blocks) << 9;
}

static void region_free(struct ipcx_object *obj)
{
	struct ipcx_region *r = container_of(obj, struct ipcx_region, obj);

	fput(r->file);
	ipcx_user_uncharge_queue(r->user);
	ipcx_user_put(r->user);
	kfree(r);
	ipcx_endpoint_unpin();
}

/*
 * What the dentry of a region, which all its files have, keeps as its own, and no other of shmem.
 * Others may have there what somebody else chose.
 */
static const char region_mark;

/* The file says what the name does, or who may read could open it anew in /proc to write. */
static struct file *memory_create(const struct cred *cred, const struct ipcx_region_open *o)
{
	struct file *file = shmem_file_setup("ipcx", o->bytes, VM_NORESERVE);
	struct inode *inode;

	if (IS_ERR(file)) /* shmem says so when there is no memory for an inode */
		return file == ERR_PTR(-ENOSPC) ? ERR_PTR(-ENOMEM) : file;
	inode = file_inode(file);
	inode->i_uid = cred->euid;
	inode->i_gid = cred->egid;
	inode->i_mode = S_IFREG | (o->mode & 0666); /* it is no program */
	SHMEM_I(inode)->seals &= ~F_SEAL_SEAL;
	file->f_path.dentry->d_fsdata = (void *)&region_mark; /* shmem has nothing there */
	return file;
}

static struct ipcx_object *region_create(struct file *dev, const void *open)
{
	struct ipcx_region *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	int err;

	if (!r)
		return ERR_PTR(-ENOMEM);
	err = ipcx_endpoint_pin();
	if (err)
		goto err_region;
	r->user = ipcx_user_get(dev->f_cred->euid);
	err = -ENOMEM;
	if (!r->user)
		goto err_pin;
	err = ipcx_carry_flush(r->user); /* what it released is free before it fills another */
	if (!err)
		err = ipcx_user_charge_queue(r->user,
					     file_ns_capable(dev, &init_user_ns, CAP_SYS_RESOURCE));
	if (err)
		goto err_user;
	r->file = memory_create(dev->f_cred, open);
	err = PTR_ERR_OR_ZERO(r->file);
	if (err)
		goto err_charge;
	return &r->obj;

err_charge:
	ipcx_user_uncharge_queue(r->user);
err_user:
	ipcx_user_put(r->user);
err_pin:
	ipcx_endpoint_unpin();
err_region:
	kfree(r);
	return ERR_PTR(err);
}

static const struct ipcx_object_ops region_ops = {
	.kind = IPCX_KIND_REGION,
	.create = region_create,
	.look = region_look,
	.free = region_free,
};

static int open_check(const struct ipcx_region_open *o)
{
	if (!(o->flags & (IPCX_REGION_READ | IPCX_REGION_WRITE)))
		return -EINVAL;
	if (o->flags & IPCX_OPEN_EXCL && !(o->flags & IPCX_OPEN_CREATE))
		return -EINVAL;
	if (!o->name && (o->name_len || !(o->flags & IPCX_OPEN_CREATE)))
		return -EINVAL;
	if (!(o->flags & IPCX_OPEN_CREATE))
		return 0;
	return o->mode & ~0777U || o->bytes > MAX_LFS_FILESIZE ? -EINVAL : 0;
}

/**
 * ipcx_region_file() - open the memory of a region anew
 * @path: of any file of it
 * @cred: whose file it becomes
 * @flags: IPCX_REGION_READ, _WRITE
 *
 * Who has a lease on it (F_SETLEASE) is told to give that up, and is not waited for.
 *
 * Return: the file or an ERR_PTR: -EAGAIN for a lease, -EACCES, -ENFILE, -ENOMEM, -ETXTBSY.
 */
struct file *ipcx_region_file(const struct path *path, const struct cred *cred, u32 flags)
{
	struct file *file;
	int how = O_RDWR;

	if (!(flags & IPCX_REGION_WRITE))
		how = O_RDONLY;
	else if (!(flags & IPCX_REGION_READ))
		how = O_WRONLY;
	file = dentry_open(path, how | O_LARGEFILE | O_NONBLOCK, cred);
	if (file == ERR_PTR(-EPERM)) /* as fanotify says it */
		return ERR_PTR(-EACCES);
	if (!IS_ERR(file))
		file->f_flags &= ~O_NONBLOCK; /* that was for the lease; nobody else has it yet */
	return file;
}

/**
 * ipcx_region_rights() - what may be done with a region through a file
 * @file: any file
 *
 * Return: IPCX_REGION_READ, _WRITE; 0 if it is not of a region.
 */
u32 ipcx_region_rights(const struct file *file)
{
	/* newer kernels change that of other files there at any time */
	const void *mark = data_race(READ_ONCE(file->f_path.dentry->d_fsdata));

	if (!shmem_mapping(file->f_mapping) || mark != &region_mark)
		return 0;
	return (file->f_mode & FMODE_READ ? IPCX_REGION_READ : 0) |
	       (file->f_mode & FMODE_WRITE ? IPCX_REGION_WRITE : 0);
}

static void reply_fill(struct ipcx_region_open *o, const struct ipcx_region *r)
{
	o->out_id = r->obj.id;
	o->out_bytes = region_size(r);
	o->out_mode = r->obj.mode;
	o->out_uid = from_kuid_munged(current_user_ns(), r->obj.uid);
	o->out_gid = from_kgid_munged(current_user_ns(), r->obj.gid);
}

/* Return: the opener's file of a region, all that the reply says in @o; or an error. */
static struct file *region_open(struct file *dev, void __user *arg, struct ipcx_region_open *o,
				const struct ipcx_name *name)
{
	const struct ipcx_object_how how = {
		.flags = o->flags,
		.mode = o->mode,
		.want = (o->flags & IPCX_REGION_READ ? 4 : 0) |
			(o->flags & IPCX_REGION_WRITE ? 2 : 0),
	};
	struct ipcx_region *r;
	struct ipcx_object *obj;
	struct file *file;
	bool created;

	obj = ipcx_object_get(dev, name, &region_ops, o, &how, &created);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	r = container_of(obj, struct ipcx_region, obj);
	file = ipcx_region_file(&r->file->f_path, dev->f_cred, o->flags);
	if (!IS_ERR(file)) {
		reply_fill(o, r);
		if (ipcx_copy_out(arg, o->size, o, sizeof(*o))) {
			fput(file);
			file = ERR_PTR(-EFAULT);
		} else if (created) {
			ipcx_object_keep(obj);
		}
	}
	ipcx_object_close(obj);
	return file;
}

/**
 * ipcx_region_open() - IPCX_IOC_REGION_OPEN
 * @dev: /dev/ipcx
 * @arg: the caller's struct ipcx_region_open
 *
 * The caller and the errors are in the uapi header.
 *
 * Return: file descriptor or a negative errno.
 */
long ipcx_region_open(struct file *dev, void __user *arg)
{
	struct ipcx_region_open o;
	struct ipcx_name name = {};
	struct file *file;
	int fd, err;

	err = ipcx_args_in(&o, sizeof(o), sizeof(o), IPCX_REGION_VALID_FLAGS, arg);
	if (!err)
		err = o.__reserved ? -EINVAL : open_check(&o);
	if (!err && o.name)
		err = ipcx_name_copy(&name, o.name, o.name_len);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = region_open(dev, arg, &o, &name);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
