/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * Regions of /dev/ipcx: shared memory with a name, an owner and a mode. Growth, and the errors that
 * all ioctls share, are as in <linux/ipcx.h>.
 *
 * A region's descriptor is a file of shmem, as memfd_create(2) gives one that may be sealed: what
 * can be done with it, and its errors, are those of read(2), write(2), mmap(2), ftruncate(2),
 * fallocate(2) and of F_ADD_SEALS in fcntl(2). Its pages are charged to the memory cgroup of who
 * touches them first. Access beyond its end is SIGBUS: whoever may write can truncate it, unless it
 * is sealed with F_SEAL_SHRINK.
 */
#ifndef _UAPI_LINUX_IPCX_REGION_H
#define _UAPI_LINUX_IPCX_REGION_H

#include <linux/ipcx.h>

/* On /dev/ipcx: */
#define IPCX_IOC_REGION_OPEN	_IO(IPCX_IOC_MAGIC, 0x93)

#define IPCX_FEATURE_REGION	(1ULL << 3)	/* struct ipcx_info::out_features */

/* struct ipcx_region_open::flags; CREATE and EXCL as in struct ipcx_queue_open */
#define IPCX_REGION_READ	(1U << 10)	/* the descriptor may be read */
#define IPCX_REGION_WRITE	(1U << 11)	/* and written; a writable mapping needs both */
#define IPCX_REGION_VALID_FLAGS \
	(IPCX_OPEN_CREATE | IPCX_OPEN_EXCL | IPCX_REGION_READ | IPCX_REGION_WRITE)

/**
 * struct ipcx_region_open - open a region, creating it if asked
 * @size: sizeof(struct ipcx_region_open) of the caller
 * @flags: IPCX_OPEN_CREATE, _EXCL, IPCX_REGION_*; READ or WRITE or both
 * @name: address of the name, not NUL-terminated; 0 for an anonymous region, with CREATE
 * @name_len: 1..IPCX_NAME_MAX bytes; 0 for an anonymous region
 * @mode: permission bits of a new region, 0..0777; no umask
 * @bytes: size of a new region, 0 up to what a file may have, bytes; it reads as zeros
 * @out_id: its number, never used again
 * @out_bytes: its size at this moment
 * @out_mode: its permission bits as it was created
 * @out_uid: its owner, in the caller's user namespace
 * @out_gid: its group, likewise
 * @__reserved: must be 0
 *
 * A region with a name stays until it is unlinked (IPCX_IOC_UNLINK), or its network namespace ends;
 * its memory until the last descriptor and mapping are gone too.
 *
 * Return: a file descriptor with O_CLOEXEC, or
 *	EACCES        the mode does not let the caller read or write it
 *	EDQUOT        the user's limit on queues, which regions count against, is reached
 *	EEXIST        EXCL, and there is one
 *	EINVAL        neither READ nor WRITE; mode, bytes or name out of range; or CREATE is missing
 *	EMFILE        no free descriptor
 *	ENFILE        the system has no free file
 *	ENOENT        there is none, and no CREATE
 *	ENOMEM        no memory
 *	EPROTOTYPE    the name stands for something else
 */
struct ipcx_region_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 mode;
	__aligned_u64 bytes;
	__aligned_u64 out_id;
	__aligned_u64 out_bytes;
	__u32 out_mode;
	__u32 out_uid;
	__u32 out_gid;
	__u32 __reserved;
};

#endif /* _UAPI_LINUX_IPCX_REGION_H */
