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
#include <uapi/linux/ipcx_region.h>

#include "copy.h"
#include "ipcx.h"
#include "netlink.h"
#include "region.h"
#include "tap.h"
#include "topic.h"

/**
 * ipcx_copy_in_other() - ipcx_copy_in() of a struct that has another size
 * @to: see there
 * @size: see there
 * @from: see there
 * @user_size: see there
 *
 * Return: see there.
 */
int ipcx_copy_in_other(void *to, u32 size, const void __user *from, u32 user_size)
{
	return copy_struct_from_user(to, size, from, user_size);
}

/**
 * ipcx_args_in_other() - ipcx_args_in() of a struct that has another size, or none
 * @to: see there
 * @size: see there
 * @min_size: see there
 * @from: see there
 *
 * Return: see there.
 */
int ipcx_args_in_other(void *to, u32 size, u32 min_size, const void __user *from)
{
	u32 user_size;
	int err;

	if (get_user(user_size, (u32 __user *)from))
		return -EFAULT;
	if (user_size < min_size)
		return -EINVAL;
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(to, size, from, user_size);
	*(u32 *)to = user_size;
	return err;
}

/**
 * ipcx_copy_out_other() - ipcx_copy_out() of a struct that has another size
 * @to: see there
 * @user_size: see there
 * @from: see there
 * @size: see there
 *
 * Return: see there.
 */
int ipcx_copy_out_other(void __user *to, u32 user_size, const void *from, u32 size)
{
	if (user_size > size && clear_user(to + size, user_size - size))
		return -EFAULT;
	return copy_to_user(to, from, min(size, user_size)) ? -EFAULT : 0;
}

static long ipcx_info(struct file *file, void __user *arg)
{
	struct ipcx_info info;
	struct ipcx_user *user;
	int err = ipcx_args_in(&info, sizeof(info),
			       offsetofend(struct ipcx_info, out_user_queues_max), 0, arg);

	if (err)
		return err;
	user = ipcx_user_get(file->f_cred->euid);
	if (!user)
		return -ENOMEM;
	info.out_abi = IPCX_ABI_VERSION;
	info.out_depth_max = ipcx_queue_depth_max();
	info.out_features = IPCX_FEATURE_QUEUE | IPCX_FEATURE_CALL | IPCX_FEATURE_TOPIC |
			    IPCX_FEATURE_REGION | IPCX_FEATURE_TAP | IPCX_FEATURE_ATTACH;
	info.out_msg_max = ipcx_queue_msg_max();
	info.out_user_bytes = atomic64_read(&user->bytes);
	info.out_user_bytes_max = ipcx_user_bytes_max();
	info.out_user_queues = atomic64_read(&user->queues);
	info.out_user_queues_max = ipcx_user_queues_max();
	info.out_user_regions = atomic64_read(&user->regions);
	ipcx_user_put(user);
	return ipcx_copy_out(arg, info.size, &info, sizeof(info));
}

static long ipcx_unlink(struct file *file, void __user *arg)
{
	struct ipcx_unlink u;
	struct ipcx_name name;
	int err = ipcx_args_in(&u, sizeof(u), offsetofend(struct ipcx_unlink, kind),
			       IPCX_UNLINK_VALID_FLAGS, arg);

	if (!err)
		err = ipcx_name_copy(&name, u.name, u.name_len);
	if (err)
		return err;
	if (u.kind < IPCX_KIND_QUEUE || u.kind > IPCX_KIND_REGION)
		return -EINVAL;
	if (u.kind != IPCX_KIND_QUEUE && u.flags & IPCX_UNLINK_NOW)
		return -EOPNOTSUPP;
	return ipcx_object_unlink(file->private_data, &name, u.kind, file->f_cred,
				  u.flags & IPCX_UNLINK_NOW);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case IPCX_IOC_INFO:
		return ipcx_info(file, user);
	case IPCX_IOC_QUEUE_OPEN:
		return ipcx_queue_open(file, user);
	case IPCX_IOC_UNLINK:
		return ipcx_unlink(file, user);
	case IPCX_IOC_TOPIC_OPEN:
		return ipcx_topic_open(file, user);
	case IPCX_IOC_REGION_OPEN:
		return ipcx_region_open(file, user);
	case IPCX_IOC_TAP_OPEN:
		return ipcx_tap_open(file, user);
	}
	return -ENOTTY;
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
	BUILD_BUG_ON(sizeof(struct ipcx_info) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_open) != 176);
	BUILD_BUG_ON(sizeof(struct ipcx_unlink) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_desc) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_loan) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_commit) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_cancel) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_take) != 48);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_release) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_stat) != 128);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_call) != 48);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_reply) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_cell) != 128);
	BUILD_BUG_ON(sizeof(struct ipcx_ring) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_control) != 1024);
	BUILD_BUG_ON(sizeof(struct ipcx_dir_ring) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_dir) != 4096);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_open) != 184);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_wait) != 16);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_kick) != 8);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_populate) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_evict) != 16);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_leave) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_ring) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_topic_forget) != 24);
	BUILD_BUG_ON(sizeof(struct ipcx_region_open) != 64);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_attach) != 16);
	BUILD_BUG_ON(sizeof(struct ipcx_queue_fetch) != 32);
	BUILD_BUG_ON(sizeof(struct ipcx_tap_open) != 40);
	BUILD_BUG_ON(sizeof(struct ipcx_tap_record) != 80);
	BUILD_BUG_ON(IPCX_SLOT_DATA != IPCX_INLINE_MAX);
}

static int __init ipcx_init(void)
{
	int err;

	abi_check();
	err = ipcx_name_init();
	if (err)
		return err;
	err = ipcx_netlink_init();
	if (err)
		goto err_name;
	err = misc_register(&ipcx_device);
	if (err)
		goto err_netlink;
	pr_info("ipcx: abi %d\n", IPCX_ABI_VERSION);
	return 0;

err_netlink:
	ipcx_netlink_exit();
err_name:
	ipcx_name_exit();
	return err;
}

static void __exit ipcx_exit(void)
{
	ipcx_netlink_exit(); /* first, see there */
	misc_deregister(&ipcx_device);
	ipcx_name_exit();
	ipcx_carry_exit(); /* when no queue is left */
}

module_init(ipcx_init);
module_exit(ipcx_exit);

MODULE_DESCRIPTION("Zero-copy message queues between processes");
MODULE_AUTHOR("The ipcx authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
