/* SPDX-License-Identifier: GPL-2.0-only */
/* What fail_nth makes fail of regions. */
#ifndef FAIL_NTH_REGIONS_H
#define FAIL_NTH_REGIONS_H

#include <linux/ipcx_region.h>

#include "fail_nth.h"
#include "region_use.h"

#define REGION "fail-nth-region"

static int region_dev, region_fd;

static int with_region_device(void)
{
	region_fd = -1;
	region_dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return region_dev < 0 ? -errno : 0;
}

static int region_open(unsigned int flags, const char *name)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = flags | IPCX_REGION_READ | IPCX_REGION_WRITE,
		.name = (uintptr_t)name,
		.name_len = name ? strlen(name) : 0,
		.mode = 0600,
		.bytes = 8192,
	};

	return xioctl(region_dev, IPCX_IOC_REGION_OPEN, &o);
}

static int with_region(void)
{
	int err = with_region_device();

	if (err)
		return err;
	region_fd = region_open(CREATE, REGION);
	return region_fd < 0 ? region_fd : 0;
}

static int unlink_region(void)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.name = (uintptr_t)REGION,
		.name_len = sizeof(REGION) - 1,
		.kind = IPCX_KIND_REGION,
	};

	return xioctl(region_dev, IPCX_IOC_UNLINK, &u);
}

static void no_region(void)
{
	unlink_region();
	if (region_fd >= 0)
		close(region_fd);
	close(region_dev);
}

/* What failed has left no name, and no descriptor: run() counts these. */
static int run_region(unsigned int flags, const char *name)
{
	int fd = region_open(flags, name);

	if (fd >= 0)
		close(fd);
	else if (flags & IPCX_OPEN_EXCL && unlink_region() != -ENOENT)
		return -EBADMSG;
	return fd;
}

static int run_region_create(void)
{
	return run_region(CREATE | IPCX_OPEN_EXCL, REGION);
}

static int run_region_anonymous(void)
{
	return run_region(CREATE, NULL);
}

static int run_region_open(void)
{
	return run_region(0, REGION);
}

static struct end carrier;
static struct ipcx_desc carried;
static struct ipcx_info uncarried; /* before all that */

/* A loan, and a region that its message may carry */
static int with_attach(void)
{
	carrier.o = (struct ipcx_queue_open){ .depth = 2, .msg_max = PAGE };
	if (accounts(&uncarried))
		return -EIO;
	region_fd = region_new(PAGE);
	if (region_fd < 0)
		return region_fd;
	return end_open(&carrier, NULL, CREATE | SENDRECV) ?:
		       raw_loan(carrier.fd, &carried, 100, 0) - 1;
}

static int run_attach(void)
{
	return region_attach(carrier.fd, carried.slot, region_fd, BOTH);
}

/* A message that was taken and carries it */
static int with_fetch(void)
{
	int err = with_attach() ?: run_attach();

	err = err ?: raw_commit(carrier.fd, &carried) - 1;
	return err ?: raw_take(carrier.fd, &carried, 0) - 1;
}

/* run() counts the descriptors. */
static int run_fetch(void)
{
	int fd = region_fetch(carrier.fd, &carried, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* What the message carried counts until it is put, soon after. */
static void no_carrier(void)
{
	struct ipcx_info info;

	end_close(&carrier);
	close(region_fd);
	for (int i = 0; i < 1000; i++) {
		if (accounts(&info) || info.out_user_regions == uncarried.out_user_regions)
			break;
		poll(NULL, 0, 10);
	}
}

#endif /* FAIL_NTH_REGIONS_H */
