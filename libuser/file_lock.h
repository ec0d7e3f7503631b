/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Locks that tell whether somebody lives: the kernel lets go of them with the open file, however
 * its process ends. They have to do with no byte of the file, which may be a FIFO or a queue.
 */
#ifndef IPCX_FILE_LOCK_H
#define IPCX_FILE_LOCK_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

/* @type: F_WRLCK or F_RDLCK. False if another open file has it. */
static inline bool ipcx_lock_file(int fd, short type, uint64_t offset)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = offset,
		.l_len = 1,
	};

	return !fcntl(fd, F_OFD_SETLK, &lock);
}

/* Waits until no other open file has it. */
static inline void ipcx_lock_file_wait(int fd, uint64_t offset)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = offset,
		.l_len = 1,
	};

	while (fcntl(fd, F_OFD_SETLKW, &lock) && errno == EINTR)
		;
}

static inline void ipcx_unlock_file(int fd, uint64_t offset)
{
	ipcx_lock_file(fd, F_UNLCK, offset);
}

/* Does another open file have it? */
static inline bool ipcx_file_locked(int fd, uint64_t offset)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = offset,
		.l_len = 1,
	};

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

#endif /* IPCX_FILE_LOCK_H */
