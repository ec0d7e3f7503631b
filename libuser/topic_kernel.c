// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics of the kernel module.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel.h"
#include "topic.h"

static int kernel_open(struct ipcx_topic *t)
{
	int dev = ipcx_kernel_device(), r = 0;

	if (dev < 0)
		return dev;
	t->fd = ioctl(dev, IPCX_IOC_TOPIC_OPEN, &t->o);
	if (t->fd < 0)
		r = ipcx_topic_open_failed(dev, &t->o, t->name, errno);
	close(dev);
	t->mem = t->fd;
	return r;
}

static int kernel_call(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	return ioctl(t->fd, cmd, arg);
}

static void kernel_close(struct ipcx_topic *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static int kernel_unlink(const char *name)
{
	return ipcx_kernel_unlink_kind(name, false, IPCX_KIND_TOPIC);
}

const struct ipcx_topic_transport ipcx_topic_kernel = {
	.name = "kernel",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_RECLAIM | IPCX_CAP_IDENTITY | IPCX_CAP_WALLS |
		IPCX_CAP_ACCOUNTING | IPCX_CAP_MANY_SENDERS | IPCX_CAP_POLL | IPCX_CAP_FAN_OUT |
		IPCX_CAP_HISTORY | IPCX_CAP_DURABLE,
	.open = kernel_open,
	.call = kernel_call,
	.close = kernel_close,
	.in_child = kernel_close,
	.unlink = kernel_unlink,
};
