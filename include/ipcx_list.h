/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What there is over shared memory. Included by <ipcx.h>.
 */
#ifndef IPCX_LIST_H
#define IPCX_LIST_H

#include "ipcx.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ipcx_listed_kind { IPCX_LISTED_QUEUE = 1, IPCX_LISTED_TOPIC, IPCX_LISTED_REGION };

/**
 * struct ipcx_listed - what ipcx_list() tells of an object
 * @sz: bytes of it that this library knows; newer ones tell more
 * @name: without "shm:"
 * @kind: enum ipcx_listed_kind
 * @mode: permission bits
 * @flags: IPCX_EPHEMERAL
 * @uid: owner
 * @depth: of a queue or topic
 * @senders: open ends that send or publish
 * @receivers: open ends that receive or subscribe
 * @__reserved: 0
 * @msg_max: of a queue or topic
 * @bytes_max: likewise; bytes of a region
 */
struct ipcx_listed {
	size_t sz;
	char name[256];
	uint32_t kind, mode, flags, uid, depth, senders, receivers, __reserved;
	uint64_t msg_max, bytes_max;
};

/**
 * ipcx_list() - what this user has over the transport "shm"
 * @each: called for each object, until it returns something that is not 0 and not negative
 * @arg: handed to it
 *
 * Nothing is made, also not the directory of names, and nobody who has something open is
 * disturbed or waited for.
 *
 * Return: 0, what @each returned to end it, or
 * -EACCES  the directory of names is another's, or open to others
 * -ELOOP   it is a symbolic link
 * -EIO     a directory could not be read to its end
 * -EMFILE  the process has too many open files
 * -ENFILE  the system has too many open files
 * -ENOMEM  there is no memory
 */
int ipcx_list(int (*each)(const struct ipcx_listed *o, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif /* IPCX_LIST_H */
