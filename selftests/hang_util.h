/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that whoever touches it waits for, in the kernel, too. */
#ifndef IPCX_HANG_UTIL_H
#define IPCX_HANG_UTIL_H

#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

static inline int hang_on_range(void *at, size_t len, uint64_t mode)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = mode == UFFDIO_REGISTER_MODE_WP ? UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0,
	};
	struct uffdio_register reg = { .range = { (uintptr_t)at, len }, .mode = mode };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return fd;
}

/* Who touches these pages, which nobody did before, hangs until the descriptor is closed. */
static inline int hang_on(void *at, size_t len)
{
	return hang_on_range(at, len, UFFDIO_REGISTER_MODE_MISSING);
}

/* Or until they are there. */
static inline int hang_no_more(int fd, void *at, size_t len)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)at, len } };

	return ioctl(fd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

static inline int protect(int fd, void *at, size_t len, uint64_t mode)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)at, len }, .mode = mode };

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

/* Who writes to these pages, which are there, hangs. */
static inline int hang_writers(void *at, size_t len)
{
	int fd = hang_on_range(at, len, UFFDIO_REGISTER_MODE_WP);

	return fd < 0 ? fd : protect(fd, at, len, UFFDIO_WRITEPROTECT_MODE_WP) ?: fd;
}

static inline int hang_writers_no_more(int fd, void *at, size_t len)
{
	return protect(fd, at, len, 0);
}

/* Does somebody hang? Waits until it is so. */
static inline bool hangs(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 && p.revents == POLLIN;
}

static inline void *new_pages(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

#endif /* IPCX_HANG_UTIL_H */
