// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: what publishers and subscribers share.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "topic.h"

int ipcx_topic_fd(const struct ipcx_topic *t)
{
	return t->fd;
}

uint64_t ipcx_topic_caps(const struct ipcx_topic *t)
{
	return t->caps;
}

int ipcx_topic_attr(const struct ipcx_topic *t, struct ipcx_topic_attr *attr)
{
	return ipcx_copy_told(attr, sizeof(*attr), &t->attr, "attributes");
}

/* A sleep that ends at once, and finds nothing, must not go on and on. */
bool ipcx_topic_late(int64_t deadline)
{
	struct timespec now;

	if (deadline == IPCX_FOREVER)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec >= deadline;
}

int ipcx_topic_sleep(const struct ipcx_topic *t, uint32_t until, int64_t deadline)
{
	struct ipcx_topic_wait arg = { .size = sizeof(arg), .flags = until, .deadline = deadline };

	return ioctl(t->fd, IPCX_IOC_TOPIC_WAIT, &arg) < 0 ? -errno : 0;
}

/* Who sleeps looks again by itself should this fail. */
void ipcx_topic_kick(const struct ipcx_topic *t, uint32_t whom)
{
	struct ipcx_topic_kick arg = { .size = sizeof(arg), .flags = whom };
	int err = errno;

	ioctl(t->fd, IPCX_IOC_TOPIC_KICK, &arg);
	errno = err;
}
