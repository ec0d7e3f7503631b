/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Regions: shared memory with a name. Included by <ipcx.h>.
 *
 * What is written there is seen by all who have mapped it, at once; who writes when is for them
 * to agree on. A region is a file: its descriptor can be read, written and handed to others, and
 * mappings outlive the handle and go with munmap(2).
 */
#ifndef IPCX_REGION_H
#define IPCX_REGION_H

#include "ipcx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of ipcx_region_open(), beside IPCX_CREATE and IPCX_EXCL */
#define IPCX_READ (1U << 10) /* it may be read */
#define IPCX_WRITE (1U << 11) /* and written; a writable mapping needs both */

#define IPCX_CAP_SEALS (1ULL << 14) /* ipcx_region_seal() works */
#define IPCX_CAP_REGIONS (1ULL << 16) /* of a queue: messages can carry regions */

#define IPCX_REGIONS (1U << 6) /* ipcx_msg.flags of a message that was taken: it carries some */

/* What ipcx_region_seal() forbids to all, for ever: the F_SEAL_* of fcntl(2) */
#define IPCX_SEAL_SEAL (1U << 0) /* further seals */
#define IPCX_SEAL_SHRINK (1U << 1) /* a smaller size */
#define IPCX_SEAL_GROW (1U << 2) /* a larger one */
#define IPCX_SEAL_WRITE (1U << 3) /* writing; not while it is mapped writable */
#define IPCX_SEAL_FUTURE_WRITE (1U << 4) /* writing but by mappings that are there */

struct ipcx_region;

/**
 * struct ipcx_region_opts - attributes of a region
 * @sz: sizeof(struct ipcx_region_opts); declare with IPCX_REGION_OPTS()
 * @require: IPCX_CAP_* that the transport must enforce, or open fails with -EOPNOTSUPP
 * @size: bytes of a new region, which reads as zeros; 0 is empty
 * @mode: permission bits of a new region; 0 is 0600. Neither the umask nor the x bits count
 */
struct ipcx_region_opts {
	size_t sz;
	uint64_t require;
	uint64_t size;
	uint32_t mode;
};

#define IPCX_REGION_OPTS(name, ...) \
	struct ipcx_region_opts name = { .sz = sizeof(name), __VA_ARGS__ }

/**
 * ipcx_region_open() - open a region
 * @r: set to the new handle, or to NULL on failure
 * @uri: NAME, "kernel:NAME" (/dev/ipcx), "shm:NAME" (memory of the system, /dev/shm) or
 *	"file:PATH" (a file that is mapped). NULL or "kernel:" with IPCX_CREATE makes a region
 *	without a name, known only by its descriptor. A NAME is with the kernel or, where
 *	/dev/ipcx is not there, with shm, which is said once on stderr unless IPCX_QUIET is set;
 *	the environment variable IPCX_TRANSPORT can force either
 * @flags: IPCX_CREATE, IPCX_EXCL, and IPCX_READ or IPCX_WRITE or both
 * @opts: attributes, or NULL for the defaults
 *
 * Return: 0, or
 * -EACCES      its mode does not let you; or, with IPCX_CREATE, it is there already and not
 *              yours nor root's, or a file with another name too
 * -EAGAIN      somebody has a lease on it (F_SETLEASE), and was told to give it up: try again
 * -EDQUOT      your limit on objects is reached
 * -EEXIST      IPCX_EXCL and there is one already
 * -EINVAL      a flag, a name or an option outside its range
 * -ELOOP       the path ends in a symbolic link
 * -EMFILE      too many open files
 * -ENODEV      the transport is not there: for the kernel, the module is not loaded
 * -ENOENT      there is none, and no IPCX_CREATE; or no such directory
 * -ENOMEM      no memory
 * -ENOSPC      the file system is full
 * -EOPNOTSUPP  an unknown flag, transport or option; a required capability that this transport
 *              does not enforce; or a file system without nameless files (O_TMPFILE)
 * -EPROTOTYPE  the name stands for something that is not a region
 * -ETXTBSY     IPCX_WRITE, and it is being executed
 */
int ipcx_region_open(struct ipcx_region **r, const char *uri, unsigned int flags,
		     const struct ipcx_region_opts *opts);

/**
 * ipcx_region_close() - close a region
 * @r: the handle, or NULL
 *
 * Its mappings stay until they are unmapped with munmap(2).
 */
void ipcx_region_close(struct ipcx_region *r);

/**
 * ipcx_region_fd() - the descriptor of a region, of which the handle stays the owner
 * @r: the region
 *
 * Return: the descriptor.
 */
int ipcx_region_fd(const struct ipcx_region *r);

/**
 * ipcx_region_caps() - what is enforced
 * @r: the region
 *
 * Return: IPCX_CAP_* bits.
 */
uint64_t ipcx_region_caps(const struct ipcx_region *r);

/**
 * ipcx_region_size() - how large it is at this moment
 * @r: the region
 *
 * Return: bytes, or a negative errno of fstat(2).
 */
int64_t ipcx_region_size(const struct ipcx_region *r);

/**
 * ipcx_region_map() - map a part of a region
 * @r: the region
 * @offset: where it begins, a multiple of the page size, bytes
 * @len: its length, bytes; 0 is up to the end
 * @prot: PROT_READ, PROT_WRITE or both
 *
 * If the region becomes smaller later, what was cut off is SIGBUS; IPCX_SEAL_SHRINK prevents that.
 *
 * Return: its address, or NULL and errno:
 * EACCES  the handle was not opened for that
 * EINVAL  the offset is between pages, or the part is empty or goes beyond the end
 * ENOMEM  no memory, or too many mappings
 * EPERM   it is sealed against writing
 */
void *ipcx_region_map(struct ipcx_region *r, size_t offset, size_t len, int prot);

/**
 * ipcx_region_resize() - make it larger or smaller
 * @r: the region, opened with IPCX_WRITE
 * @size: bytes
 *
 * Return: 0, or
 * -EFBIG   more than a file may have
 * -EINVAL  the handle was opened without IPCX_WRITE
 * -EPERM   it is sealed against that
 */
int ipcx_region_resize(struct ipcx_region *r, size_t size);

/**
 * ipcx_region_seal() - forbid something to all, for ever
 * @r: the region, opened with IPCX_WRITE
 * @seals: IPCX_SEAL_*
 *
 * Return: 0, or
 * -EBUSY       IPCX_SEAL_WRITE while it is mapped writable
 * -EINVAL      no seal, or one that is not known
 * -EOPNOTSUPP  the transport has no seals, see IPCX_CAP_SEALS
 * -EPERM       IPCX_SEAL_SEAL was set; or the handle was opened without IPCX_WRITE
 */
int ipcx_region_seal(struct ipcx_region *r, unsigned int seals);

/**
 * ipcx_region_unlink() - take the name of a region away
 * @uri: as for ipcx_region_open()
 *
 * Those who have it open or mapped go on with it.
 *
 * Return: 0, or
 * -EACCES      only its owner may, or who may write the directory
 * -EINVAL      no name, or an impossible one
 * -ENODEV      as for ipcx_region_open()
 * -ENOENT      there is none
 * -EOPNOTSUPP  an unknown transport
 * -EPROTOTYPE  the name stands for something that is not a region
 */
int ipcx_region_unlink(const char *uri);

/**
 * ipcx_queue_attach() - let a message carry a region
 * @q: the queue
 * @m: a slot on loan, for a message, a request or a reply
 * @r: a region of the transport "kernel"; it may be closed afterwards
 * @flags: what the receiver may do with it: IPCX_READ, IPCX_WRITE or both
 *
 * The region goes with the message wherever that goes, also to a dead-letter queue, and is there
 * as long as it is, with or without a name or anybody else who has it open. Up to 4 go with one
 * message; ipcx_queue_cancel() takes all off. @flags bind the receiver's handle; who owns the
 * region, or may write it by its mode, can open it anew. IPCX_SEALED is of payload, not of regions.
 *
 * Return: 0, or
 * -EACCES      the region was not opened for that
 * -EBADF       the queue's handle is closed, because this process was forked; or somebody closed
 *              the descriptor of @r
 * -EDQUOT      messages of yours carry as many regions as you may have objects
 * -EINVAL      neither IPCX_READ nor IPCX_WRITE
 * -ENOMEM      no memory
 * -ENOSPC      the message carries as many as it can
 * -EOPNOTSUPP  an unknown flag; a region of another transport; or messages of this queue carry
 *              none, see IPCX_CAP_REGIONS
 * -EPERM       not a slot on loan to this handle
 * -ESTALE      the handle was revoked
 */
int ipcx_queue_attach(struct ipcx_queue *q, struct ipcx_msg *m, const struct ipcx_region *r,
		      unsigned int flags);

/**
 * ipcx_queue_fetch() - open a region that a message carries
 * @q: the queue
 * @m: a message, or an answer, that was taken and not released; IPCX_REGIONS in its flags says
 *	that there is one
 * @index: which, 0 is the one that was attached first
 * @r: set to a new handle, or to NULL on failure
 *
 * The handle is the receiver's own, whatever becomes of the message.
 *
 * Return: 0, or
 * -EACCES      a security module does not let you open it
 * -EAGAIN      somebody has a lease on it (F_SETLEASE), and was told to give it up: try again
 * -EBADF       the queue's handle is closed, because this process was forked
 * -EMFILE      too many open files
 * -ENFILE      too many open files in the system
 * -ENOENT      the message carries no such region
 * -ENOMEM      no memory
 * -EOPNOTSUPP  messages of this queue carry none, see IPCX_CAP_REGIONS
 * -EPERM       not a message taken by this handle, or already released
 * -ESTALE      the message was held for longer than lease_ms; or the handle was revoked
 * -ETXTBSY     it is to be written, and is being executed
 */
int ipcx_queue_fetch(struct ipcx_queue *q, const struct ipcx_msg *m, unsigned int index,
		     struct ipcx_region **r);

#ifdef __cplusplus
}
#endif

#endif /* IPCX_REGION_H */
