// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ipcx: the device, the dispatch of ioctls, and the ladder that starts
 * and stops the parts.
 *
 * A file of the device carries what counts at open: the credentials and the
 * network namespace in which its names are looked up.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>

#include "copy.h"
#include "ipcx.h"

/**
 * ipcx_ioctl() - carry out an ioctl of a table
 * @cmd: its file, its user and room for its arg are set
 * @ops: the table
 * @n: its entries
 * @nr: number asked for
 *
 * A shorter argument is filled up with zeros, a longer one must be zero where
 * this kernel does not know it. The handler sees kernel memory only.
 *
 * Return: what the handler says, or -ENOTTY, -EFAULT, -EINVAL, -E2BIG,
 * -EOPNOTSUPP.
 */
long ipcx_ioctl(struct ipcx_cmd *cmd, const struct ipcx_op *ops, size_t n, unsigned int nr)
{
	const struct ipcx_op *op;
	int err;

	for (op = ops; op < ops + n; op++)
		if (op->cmd == nr)
			break;
	if (op == ops + n)
		return -ENOTTY;
	if (get_user(cmd->user_size, (u32 __user *)cmd->user))
		return -EFAULT;
	if (cmd->user_size < op->min_size)
		return -EINVAL;
	if (cmd->user_size > PAGE_SIZE)
		return -E2BIG;
	cmd->size = op->size;
	err = ipcx_copy_in(cmd->arg, op->size, cmd->user, cmd->user_size);
	if (err)
		return err;
	cmd->flags = ((u32 *)cmd->arg)[1];
	if (cmd->flags & ~op->flags)
		return -EOPNOTSUPP;
	return op->fn(cmd, cmd->arg);
}

/**
 * ipcx_cmd_reply() - copy the argument back to the caller
 * @cmd: the ioctl
 *
 * Return: 0 or -EFAULT.
 */
int ipcx_cmd_reply(struct ipcx_cmd *cmd)
{
	*(u32 *)cmd->arg = cmd->user_size;
	return ipcx_copy_out(cmd->user, cmd->user_size, cmd->arg, cmd->size);
}

static long ipcx_info(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_info *info = arg;
	struct ipcx_user *user = ipcx_user_get(cmd->file->f_cred->euid);

	if (!user)
		return -ENOMEM;
	info->out_abi = IPCX_ABI_VERSION;
	info->out_depth_max = ipcx_queue_depth_max();
	info->out_features = IPCX_FEATURE_QUEUE;
	info->out_msg_max = ipcx_queue_msg_max();
	info->out_user_bytes = atomic64_read(&user->bytes);
	info->out_user_bytes_max = ipcx_user_bytes_max();
	info->out_user_queues = atomic64_read(&user->queues);
	info->out_user_queues_max = ipcx_user_queues_max();
	ipcx_user_put(user);
	return ipcx_cmd_reply(cmd);
}

static long ipcx_unlink(struct ipcx_cmd *cmd, void *arg)
{
	struct ipcx_unlink *u = arg;
	struct ipcx_name name;
	int err = ipcx_name_copy(&name, u->name, u->name_len);

	if (err)
		return err;
	if (u->kind != IPCX_KIND_QUEUE)
		return -EINVAL;
	return ipcx_object_unlink(cmd->file->private_data, &name, u->kind, cmd->file->f_cred);
}

static const struct ipcx_op device_ops[] = {
	IPCX_OP(IPCX_IOC_INFO, ipcx_info, ipcx_info, out_user_queues_max, 0),
	IPCX_OP(IPCX_IOC_QUEUE_OPEN, ipcx_queue_open, ipcx_queue_open, out_gid,
		IPCX_OPEN_VALID_FLAGS),
	IPCX_OP(IPCX_IOC_UNLINK, ipcx_unlink, ipcx_unlink, kind, 0),
};

static long device_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	u64 buf[sizeof(struct ipcx_queue_open) / sizeof(u64)];
	struct ipcx_cmd cmd = { .file = file, .user = (void __user *)arg, .arg = buf };

	return ipcx_ioctl(&cmd, device_ops, ARRAY_SIZE(device_ops), nr);
}

static int device_open(struct inode *inode, struct file *file)
{
	file->private_data = get_net(current->nsproxy->net_ns);
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	put_net(file->private_data);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice ipcx_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcx",
	.fops = &device_fops,
	.mode = 0666,
};

/* The layout is what user space was built against: it may grow, never change. */
static void __init abi_check(void)
{
	BUILD_BUG_ON(sizeof(struct ipcx_info) != 56);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_open) != 120);
	BUILD_BUG_ON(sizeof(struct ipcx_unlink) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_desc) != 56);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_loan) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_commit) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_cancel) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_take) != 40);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_release) != 24);
}

static int __init ipcx_init(void)
{
	int err;

	abi_check();
	err = ipcx_name_init();
	if (err)
		return err;
	err = misc_register(&ipcx_device);
	if (err)
		goto err_name;
	pr_info("ipcx: abi %d\n", IPCX_ABI_VERSION);
	return 0;

err_name:
	ipcx_name_exit();
	return err;
}

static void __exit ipcx_exit(void)
{
	misc_deregister(&ipcx_device);
	ipcx_name_exit();
}

module_init(ipcx_init);
module_exit(ipcx_exit);

MODULE_DESCRIPTION("Zero-copy message queues between processes");
MODULE_AUTHOR("The ipcx authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
