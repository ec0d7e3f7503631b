// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Regions that messages carry: the public functions, and how the transport "kernel" does it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ipcx_region.h>

#include "kernel.h"
#include "region.h"

static_assert(IPCX_REGIONS == IPCX_MSG_REGIONS, "handed on as it is");

int ipcx_kernel_attach(struct ipcx_queue *q, struct ipcx_msg *m, int fd, unsigned int flags)
{
	struct ipcx_queue_attach arg = {
		.size = sizeof(arg),
		.flags = flags,
		.slot = m->priv[IPCX_PRIV_SLOT],
		.fd = fd,
	};

	if (m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)q)
		return q->fd < 0 ? -EBADF : -EPERM;
	if (ioctl(q->fd, IPCX_IOC_QUEUE_ATTACH, &arg) < 0)
		return -errno;
	m->priv[IPCX_PRIV_INLINE] |= IPCX_CARRIES;
	return 0;
}

int ipcx_kernel_fetch(struct ipcx_queue *q, const struct ipcx_msg *m, unsigned int index,
		      unsigned int *flags)
{
	struct ipcx_queue_fetch arg = {
		.size = sizeof(arg),
		.slot = m->priv[IPCX_PRIV_SLOT],
		.index = index,
		.seq = m->priv[IPCX_PRIV_SEQ],
	};
	int fd;

	if (m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)q)
		return q->fd < 0 ? -EBADF : -EPERM;
	fd = ioctl(q->fd, IPCX_IOC_QUEUE_FETCH, &arg);
	*flags = arg.out_flags;
	return fd < 0 ? -errno : fd;
}

static int attach_failed(const struct ipcx_queue *q, int err)
{
	switch (err) {
	case EACCES:
		return ipcx_fail_text(err,
				      "the region was not opened for what the receiver shall be "
				      "able to do; open it with IPCX_WRITE, or attach it with "
				      "IPCX_READ alone");
	case EBADF:
		if (q->fd < 0)
			return ipcx_explain(q, IPCX_OP_COMMIT, err, 0);
		return ipcx_fail_text(err, "the descriptor of the region is not open any more; "
					   "leave it to ipcx_region_close()");
	case EDQUOT:
		return ipcx_fail(err,
				 "messages of uid %u carry as many regions as "
				 "/sys/module/ipcx/parameters/user_queues_max says; have messages "
				 "released or raise it",
				 geteuid());
	case EINVAL:
		return ipcx_fail_text(err,
				      "a region is attached with IPCX_READ, IPCX_WRITE or both");
	case ENOMEM:
		return ipcx_fail_text(err, "no memory to attach a region");
	case ENOSPC:
		return ipcx_fail(err, "a message carries %d regions at most; send another one",
				 IPCX_ATTACH_MAX);
	case ENOTTY:
	case EOPNOTSUPP:
		return ipcx_fail_text(EOPNOTSUPP,
				      "only regions of transport \"kernel\" can be attached, and "
				      "only where the module knows how");
	default:
		return ipcx_explain(q, IPCX_OP_COMMIT, err, 0);
	}
}

int ipcx_queue_attach(struct ipcx_queue *q, struct ipcx_msg *m, const struct ipcx_region *r,
		      unsigned int flags)
{
	int err;

	if (!q->ops->attach)
		return ipcx_lacks(q->ops, IPCX_CAP_REGIONS);
	if (flags & ~(IPCX_READ | IPCX_WRITE))
		return ipcx_fail(EOPNOTSUPP, "unknown flags 0x%x; a newer library may know them",
				 flags & ~(IPCX_READ | IPCX_WRITE));
	err = q->ops->attach(q, m, ipcx_region_fd(r), flags);
	return err < 0 ? attach_failed(q, -err) : 0;
}

static int fetch_failed(const struct ipcx_queue *q, unsigned int index, int err)
{
	switch (err) {
	case EACCES:
		return ipcx_fail_text(err, "a security module does not let you open the region");
	case EAGAIN:
		return ipcx_fail_text(err,
				      "somebody has a lease on the region (F_SETLEASE) and was told "
				      "to give it up; try again");
	case EMFILE:
	case ENFILE:
		return ipcx_fail(err, "no descriptor for a region: %s; see \"ulimit -n\"",
				 strerror(err));
	case ENOENT:
		return ipcx_fail(err, "the message carries no region with the index %u", index);
	case ENOMEM:
		return ipcx_fail_text(err, "no memory to open the region of a message");
	case ENOTTY:
		return ipcx_fail_text(EOPNOTSUPP, "the module is too old for regions in messages");
	case ETXTBSY:
		return ipcx_fail_text(err, "the region is being executed, and can only be read");
	default:
		return ipcx_explain(q, IPCX_OP_RELEASE, err, 0);
	}
}

int ipcx_queue_fetch(struct ipcx_queue *q, const struct ipcx_msg *m, unsigned int index,
		     struct ipcx_region **r)
{
	unsigned int flags;
	int fd;

	*r = NULL;
	if (!q->ops->fetch)
		return ipcx_lacks(q->ops, IPCX_CAP_REGIONS);
	fd = q->ops->fetch(q, m, index, &flags);
	return fd < 0 ? fetch_failed(q, index, -fd) : ipcx_region_adopt(r, fd, flags);
}
