/* SPDX-License-Identifier: GPL-2.0-only */
/* Regions without a name, and messages that carry them, by the ioctls. */
#ifndef REGION_USE_H
#define REGION_USE_H

#include <grp.h>
#include <linux/ipcx_region.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "ipcx_util.h"

#define PAGE 4096UL
#define BOTH (IPCX_REGION_READ | IPCX_REGION_WRITE)

/* Return: its descriptor, or a negative errno. */
static inline int region_new(uint64_t bytes)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = IPCX_OPEN_CREATE | BOTH,
		.mode = 0600,
		.bytes = bytes,
	};

	return device_ioctl(IPCX_IOC_REGION_OPEN, &o);
}

/* The same, with memory behind it. */
static inline int region_filled(uint64_t bytes)
{
	int fd = region_new(bytes);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memset(p, 'r', bytes);
	munmap(p, bytes);
	return fd;
}

static inline long files_of_the_system(void)
{
	char text[64];

	return get_file("/proc/sys/fs/file-nr", text, sizeof(text)) ? atol(text) : -1;
}

/* What its descriptor is open for. */
static inline unsigned int region_may(int fd)
{
	switch (fcntl(fd, F_GETFL) & O_ACCMODE) {
	case O_RDONLY:
		return IPCX_REGION_READ;
	case O_WRONLY:
		return IPCX_REGION_WRITE;
	}
	return BOTH;
}

/* Another user, who has only the descriptor, opens it anew to write. Return: 0 or the errno. */
static inline int region_anew(int fd)
{
	char path[64];
	pid_t pid = fork();

	if (pid)
		return exit_status(pid);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (setgroups(0, NULL) || setgid(2000) || setuid(2000))
		_exit(255);
	prctl(PR_SET_DUMPABLE, 1);
	_exit(open(path, O_RDWR) < 0 ? errno : 0);
}

/* Return: index of the region, or a negative errno. */
static inline int region_attach(int end, uint32_t slot, int fd, unsigned int flags)
{
	struct ipcx_queue_attach a = {
		.size = sizeof(a),
		.flags = flags,
		.slot = slot,
		.fd = fd,
	};

	return xioctl(end, IPCX_IOC_QUEUE_ATTACH, &a);
}

/* Return: a descriptor, or a negative errno. */
static inline int region_fetch_what(int end, const struct ipcx_desc *d, uint32_t index,
				    struct ipcx_queue_fetch *f)
{
	*f = (struct ipcx_queue_fetch){
		.size = sizeof(*f),
		.slot = d->slot,
		.seq = d->seq,
		.index = index,
	};
	return xioctl(end, IPCX_IOC_QUEUE_FETCH, f);
}

static inline int region_fetch(int end, const struct ipcx_desc *d, uint32_t index)
{
	struct ipcx_queue_fetch f;

	return region_fetch_what(end, d, index, &f);
}

#endif /* REGION_USE_H */
