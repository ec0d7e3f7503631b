/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where answers come, for mechanisms that have no way back: a queue of the caller's own beside
 * the one that it calls, known by a number.
 *
 * Whose it is holds a lock on it, and a server holds a lock on the mailbox of the caller for each
 * request that it has. The kernel lets go of both when a process ends, however it ends.
 */
#ifndef IPCX_MAILBOX_H
#define IPCX_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "copied.h"

#define IPCX_MAILBOXES 64 /* of one queue */

/**
 * struct ipcx_mailbox_ops - how a mechanism makes one
 * @open: open number @number, or make it if @create, which fails with -EEXIST if it is there; a
 *	descriptor with which to read and write, or only to write if not @own; or an errno
 * @unlink: take the name away
 * @put: put an answer into one; -EAGAIN if there is no room
 */
struct ipcx_mailbox_ops {
	int (*open)(void *handle, unsigned int number, bool create, bool own);
	void (*unlink)(void *handle, unsigned int number);
	int (*put)(int fd, struct ipcx_buffer *b);
};

/* Return: a descriptor, or an errno, -ENOBUFS if all are in use. */
int ipcx_mailbox_make(const struct ipcx_mailbox_ops *ops, void *handle, unsigned int *number);

/* Removes those whose owners are gone. */
void ipcx_mailbox_sweep(const struct ipcx_mailbox_ops *ops, void *handle);

/* A server has @request, until its @fd is closed. */
void ipcx_mailbox_accept(const struct ipcx_mailbox_ops *ops, struct ipcx_copied *c,
			 struct ipcx_buffer *request);

/* Puts the answer @b where its caller looks for it, if he lives; see struct ipcx_mech. */
int ipcx_mailbox_reply(const struct ipcx_mailbox_ops *ops, struct ipcx_copied *c,
		       struct ipcx_buffer *request, struct ipcx_buffer *b);

bool ipcx_mailbox_accepted(int fd, uint64_t call);

/*
 * @fd, or -EACCES, and @fd is closed, if its owner could not have sent to the queue of @attr: where
 * all may make files, a stranger takes the name of a mailbox whose owner is gone.
 */
int ipcx_mailbox_check(int fd, const struct ipcx_queue_attr *attr);

#endif /* IPCX_MAILBOX_H */
