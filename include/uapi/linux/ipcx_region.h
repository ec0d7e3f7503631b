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
/* On an endpoint of a queue: */
#define IPCX_IOC_QUEUE_ATTACH	_IO(IPCX_IOC_MAGIC, 0x95)
#define IPCX_IOC_QUEUE_FETCH	_IO(IPCX_IOC_MAGIC, 0x96)

#define IPCX_FEATURE_REGION	(1ULL << 3)	/* struct ipcx_info::out_features */
#define IPCX_FEATURE_ATTACH	(1ULL << 5)

#define IPCX_ATTACH_MAX		4	/* regions that one message carries */

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
 *	EACCES        the mode, or a security module, does not let the caller read or write it
 *	EAGAIN        somebody has a lease on it (F_SETLEASE), and was told to give it up: try again
 *	EDQUOT        the user's limit on queues, which regions count against, is reached
 *	EEXIST        EXCL, and there is one
 *	EINVAL        neither READ nor WRITE; mode, bytes or name out of range; or CREATE is missing
 *	EMFILE        no free descriptor
 *	ENFILE        the system has no free file
 *	ENOENT        there is none, and no CREATE
 *	ENOMEM        no memory
 *	EPROTOTYPE    the name stands for something else
 *	ETXTBSY       WRITE, and it is being executed
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

/* struct ipcx_queue_attach::flags */
#define IPCX_ATTACH_VALID_FLAGS	(IPCX_REGION_READ | IPCX_REGION_WRITE)

/**
 * struct ipcx_queue_attach - let the message in a slot on loan carry a region
 * @size: sizeof(struct ipcx_queue_attach) of the caller
 * @flags: what the receiver may do with it: IPCX_REGION_READ or _WRITE or both; @fd must be open
 *	for that
 * @slot: the slot, on loan, for a reply or otherwise
 * @fd: descriptor of a region, which may be closed afterwards
 *
 * The message that the slot is committed with, or replied with, carries the region, also one that
 * has lost its name, wherever it goes: it is redelivered with it, and given up with it to the
 * dead-letter queue. It carries it until it is released or dropped, and a loan until it is
 * cancelled. read(2) drops it. What is left in a queue after IPCX_UNLINK_NOW carries it until the
 * last who has that open, and was not revoked, closes it. A region keeps no other file, so that
 * nothing keeps itself.
 *
 * @flags are what the receiver's descriptor is open for. Who may write the file by its owner and
 * mode can open it anew in /proc. IPCX_OPEN_SEALED is of the payload of messages: what nobody shall
 * change in a region is sealed with F_ADD_SEALS.
 *
 * As long as a message carries it, and until its memory is let go of soon after, it counts for who
 * opened the endpoint that it was attached through: struct ipcx_info::out_user_regions. Where the
 * limit is reached the call waits first until that of messages that are over is let go of, whatever
 * signal comes; so does who makes a region.
 *
 * Return: its index among those of the message, from 0, or
 *	EACCES        @fd is not open for what @flags say
 *	EBADF         @fd is not open
 *	EDQUOT        the opener's messages carry as many regions as it may have queues
 *	EINVAL        neither READ nor WRITE, or no such slot
 *	ENOMEM        no memory
 *	ENOSPC        it carries IPCX_ATTACH_MAX already
 *	EOPNOTSUPP    @fd is not a region of /dev/ipcx
 *	EPERM         the slot is not on loan to this endpoint
 */
struct ipcx_queue_attach {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__s32 fd;
};

/**
 * struct ipcx_queue_fetch - get a descriptor of a region that a message carries
 * @size: sizeof(struct ipcx_queue_fetch) of the caller
 * @flags: must be 0
 * @slot: slot of a message, or an answer, that this endpoint has taken and not released
 * @index: which of the regions, 0..out_count - 1, in the order of the attaches
 * @seq: number of the message
 * @out_count: how many it carries
 * @out_flags: IPCX_REGION_READ and _WRITE, as the descriptor is open
 *
 * A message that carries any is taken with IPCX_MSG_REGIONS. Each call opens the region anew. The
 * message stays as it is, whether that fails or not.
 *
 * Return: a file descriptor with O_CLOEXEC, or
 *	EACCES        a security module does not let the caller open it
 *	EAGAIN        somebody has a lease on it (F_SETLEASE), and was told to give it up: try again
 *	EINVAL        no such slot
 *	EMFILE        no free descriptor
 *	ENFILE        the system has no free file
 *	ENOENT        it carries no such region
 *	ENOMEM        no memory
 *	EPERM         the slot does not hold a message taken by this endpoint
 *	ESTALE        the slot holds another message than seq, or its lease is over
 *	ETXTBSY       it is to be written, and is being executed
 */
struct ipcx_queue_fetch {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 index;
	__aligned_u64 seq;
	__u32 out_count;
	__u32 out_flags;
};

#endif /* _UAPI_LINUX_IPCX_REGION_H */
