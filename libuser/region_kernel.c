// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Regions of /dev/ipcx.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ipcx_region.h>

#include "kernel.h"
#include "region.h"

static_assert(IPCX_READ == IPCX_REGION_READ, "handed on as it is");
static_assert(IPCX_WRITE == IPCX_REGION_WRITE, "handed on as it is");

static int denied(const struct ipcx_region_open *arg, const char *name, const char *quoted)
{
	char owner[80];

	ipcx_kernel_owner_of(owner, sizeof(owner), name);
	return ipcx_fail(EACCES, "region %s: you may not %s it%s", quoted,
			 !(arg->flags & IPCX_WRITE) ? "read" :
			 !(arg->flags & IPCX_READ)  ? "write" :
						      "both read and write",
			 owner);
}

static int open_failed(const struct ipcx_region_open *arg, const char *name, int err)
{
	char buf[IPCX_QUOTED_MAX];
	const char *quoted = *name ? ipcx_quote(buf, name) : "without a name";

	switch (err) {
	case EACCES:
		return denied(arg, name, quoted);
	case EAGAIN:
		return ipcx_fail(err,
				 "region %s: somebody has a lease on it (F_SETLEASE) and was told to "
				 "give it up; try again",
				 quoted);
	case EDQUOT:
		return ipcx_fail(err,
				 "region %s: uid %u has as many queues, topics and regions as "
				 "/sys/module/ipcx/parameters/user_queues_max says; remove some or "
				 "raise it",
				 quoted, geteuid());
	case ENOENT:
		return ipcx_fail(err,
				 "region %s: there is none of this name; create it with "
				 "IPCX_CREATE or \"ipcx create --region\"",
				 quoted);
	case ETXTBSY:
		return ipcx_fail(err, "region %s: it is being executed; open it without IPCX_WRITE",
				 quoted);
	default:
		return ipcx_kernel_open_error("region", quoted, err);
	}
}

static int kernel_open(const char *name, unsigned int flags, const struct ipcx_region_opts *opts)
{
	struct ipcx_region_open arg = {
		.size = sizeof(arg),
		.flags = flags,
		.name = *name ? (uintptr_t)name : 0,
		.name_len = strlen(name),
		.mode = opts->mode,
		.bytes = opts->size,
	};
	int fd, dev, r = ipcx_kernel_check_name(name);

	if (r)
		return r;
	dev = ipcx_kernel_device();
	if (dev < 0)
		return dev;
	fd = ioctl(dev, IPCX_IOC_REGION_OPEN, &arg);
	if (fd < 0)
		fd = open_failed(&arg, name, errno);
	close(dev);
	if (fd < 0 || !(flags & IPCX_CREATE) || arg.out_uid == geteuid() || !arg.out_uid)
		return fd;
	close(fd);
	return ipcx_fail_theirs("region", name, arg.out_uid);
}

static int kernel_unlink(const char *name)
{
	return ipcx_kernel_unlink_kind(name, false, IPCX_KIND_REGION);
}

const struct ipcx_region_transport ipcx_region_kernel = {
	.name = "kernel",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_WALLS | IPCX_CAP_PERSISTENT | IPCX_CAP_SEALS,
	.open = kernel_open,
	.unlink = kernel_unlink,
};
