/* SPDX-License-Identifier: GPL-2.0-only */
/* Taps by the ioctl, and what they show. */
#ifndef TAP_UTIL_H
#define TAP_UTIL_H

#include <linux/ipcx_tap.h>

#include "topic_util.h"

#define TAP_ROOM (sizeof(struct ipcx_tap_record) + (1 << 20))

static char tap_buf[TAP_ROOM] __attribute__((aligned(8)));

/* @dev: /dev/ipcx. Return: a descriptor or a negative errno. */
static inline int tap_of(int dev, unsigned int kind, const char *name, unsigned int snap)
{
	struct ipcx_tap_open o = {
		.size = sizeof(o),
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.kind = kind,
		.snap = snap,
		.record_size = sizeof(struct ipcx_tap_record),
	};

	return xioctl(dev, IPCX_IOC_TAP_OPEN, &o);
}

static inline int tap_open(unsigned int kind, const char *name, unsigned int snap)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		return -errno;
	fd = tap_of(dev, kind, name, snap);
	close(dev);
	return fd;
}

static inline ssize_t tap_read(int fd, void *buf, size_t len)
{
	ssize_t n = read(fd, buf, len);

	return n < 0 ? -errno : n;
}

/* One record, with up to 1 MiB behind it, where the tap shows that much. Or NULL: errno. */
static inline const struct ipcx_tap_record *tap_one(int fd, unsigned int snap)
{
	const struct ipcx_tap_record *r = (void *)tap_buf;
	size_t room = sizeof(*r) + (snap + 7) / 8 * 8;
	ssize_t n;

	memset(tap_buf, 0xcc, room);
	n = read(fd, tap_buf, room);
	if (n < 0)
		return NULL;
	if (n != r->size || r->snapped > snap || n % 8 || n < sizeof(*r) + r->snapped) {
		errno = EBADMSG;
		return NULL;
	}
	for (size_t i = sizeof(*r) + r->snapped; i < n; i++)
		if (tap_buf[i]) {
			errno = EBADMSG;
			return NULL;
		}
	return r;
}

static inline int errno_of(const struct ipcx_tap_record *r)
{
	return r ? 0 : errno;
}

static inline const unsigned char *tap_data(const struct ipcx_tap_record *r)
{
	return (const void *)(r + 1);
}

static inline bool tap_all(const struct ipcx_tap_record *r, unsigned char byte)
{
	for (uint32_t i = 0; i < r->snapped; i++)
		if (tap_data(r)[i] != byte)
			return false;
	return true;
}

#endif /* TAP_UTIL_H */
