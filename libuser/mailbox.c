// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Mailboxes, and the locks that tell whether somebody lives. Calls have numbers from 256 on, which
 * are offsets of locks; no lock has to do with what is in the file.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "mailbox.h"

#define OWNER 0
#define FIRST_CALL 256

/* Is @fd still what the name stands for? Once it is and @fd is locked, that stays so. */
static bool is_named(const struct ipcx_mailbox_ops *ops, void *handle, unsigned int number, int fd)
{
	int again = ops->open(handle, number, false, true);
	struct stat a, b;
	bool same;

	if (again < 0)
		return false;
	same = !fstat(fd, &a) && !fstat(again, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
	close(again);
	return same;
}

/* Removes number @number if it has no owner. Return: whether there is none now. */
static bool remove_dead(const struct ipcx_mailbox_ops *ops, void *handle, unsigned int number)
{
	int fd = ops->open(handle, number, false, true);
	bool dead;

	if (fd < 0)
		return fd == -ENOENT;
	dead = ipcx_lock_file(fd, F_WRLCK, OWNER) && is_named(ops, handle, number, fd);
	if (dead)
		ops->unlink(handle, number);
	close(fd);
	return dead;
}

int ipcx_mailbox_make(const struct ipcx_mailbox_ops *ops, void *handle, unsigned int *number)
{
	for (unsigned int i = 0; i < IPCX_MAILBOXES; i++) {
		int fd = ops->open(handle, i, true, true);

		if (fd == -EEXIST && remove_dead(ops, handle, i))
			fd = ops->open(handle, i, true, true);
		if (fd == -EEXIST)
			continue;
		if (fd < 0)
			return fd;
		*number = i;
		/* so that who answers knows that its owner may have sent the request */
		(void)!fchown(fd, -1, ((struct ipcx_copied *)handle)->base.attr.gid);
		/* another may have taken it for one of the dead before it was locked */
		if (ipcx_lock_file(fd, F_WRLCK, OWNER) && is_named(ops, handle, i, fd))
			return fd;
		close(fd);
	}
	return -ENOBUFS;
}

void ipcx_mailbox_sweep(const struct ipcx_mailbox_ops *ops, void *handle)
{
	for (unsigned int i = 0; i < IPCX_MAILBOXES; i++)
		remove_dead(ops, handle, i);
}

static int open_to_reply(const struct ipcx_mailbox_ops *ops, struct ipcx_copied *c,
			 const struct ipcx_buffer *request)
{
	int fd;

	/* below the first call lie the locks of who owns the mailbox, and who puts into it */
	if (request->head.mailbox >= IPCX_MAILBOXES || request->head.call < FIRST_CALL ||
	    request->head.call > INT64_MAX)
		return -ENOENT;
	fd = ops->open(c, request->head.mailbox, false, false);
	/* who asks chooses the number: what is there and is no mailbox is not the server's fault */
	return fd == -ELOOP || fd == -EPROTOTYPE ? -EACCES : fd;
}

void ipcx_mailbox_accept(const struct ipcx_mailbox_ops *ops, struct ipcx_copied *c,
			 struct ipcx_buffer *request)
{
	request->fd = open_to_reply(ops, c, request);
	if (request->fd >= 0)
		ipcx_lock_file(request->fd, F_WRLCK, request->head.call);
}

int ipcx_mailbox_reply(const struct ipcx_mailbox_ops *ops, struct ipcx_copied *c,
		       struct ipcx_buffer *request, struct ipcx_buffer *b)
{
	int fd = request->fd, r = 0;

	if (fd < 0)
		fd = open_to_reply(ops, c, request);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	b->deadline = ipcx_copied_now();
	if (b->head.kind != IPCX_FRAME_ERROR) /* nobody waits for who cannot be served */
		b->deadline += IPCX_STALL_NS;
	while (!r && ipcx_file_locked(fd, OWNER)) {
		r = ops->put(fd, b);
		if (r != -EAGAIN)
			break;
		/* there may be room, and another who puts something there at this moment */
		r = ipcx_copied_wait_a_little(-1, 0, b->deadline);
	}
	if (!ipcx_file_locked(fd, OWNER)) {
		ipcx_mailbox_sweep(ops, c);
		r = 0;
	}
	if (fd != request->fd)
		close(fd);
	return r;
}

bool ipcx_mailbox_accepted(int fd, uint64_t call)
{
	return ipcx_file_locked(fd, call);
}

int ipcx_mailbox_check(int fd, const struct ipcx_queue_attr *attr)
{
	struct stat st;

	if (!fstat(fd, &st) &&
	    (attr->mode & 02 || st.st_uid == attr->uid || st.st_uid == geteuid() || !st.st_uid ||
	     (attr->mode & 020 && st.st_gid == attr->gid)))
		return fd;
	close(fd);
	return -EACCES;
}
