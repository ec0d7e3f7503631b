/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Regions inside the library: region.c, and the transports that it picks from.
 */
#ifndef IPCX_REGION_PRIVATE_H
#define IPCX_REGION_PRIVATE_H

#include "internal.h"

/**
 * struct ipcx_region_transport - a way to share memory; all are files in the end
 * @name: its name in a URI
 * @caps: IPCX_CAP_* that it enforces
 * @open: open @rest, which is "" for a region without a name; a descriptor, or a negative errno
 *	that is explained
 * @unlink: take the name @rest away; 0 or a negative errno that is explained
 */
struct ipcx_region_transport {
	const char *name;
	uint64_t caps;
	int (*open)(const char *rest, unsigned int flags, const struct ipcx_region_opts *opts);
	int (*unlink)(const char *rest);
};

/* region.c: a handle for a descriptor of the module's, closed on failure */
int ipcx_region_adopt(struct ipcx_region **r, int fd, unsigned int flags);

/* region_kernel.c, region_file.c */
extern const struct ipcx_region_transport ipcx_region_kernel;
extern const struct ipcx_region_transport ipcx_region_shm;
extern const struct ipcx_region_transport ipcx_region_file;

#endif /* IPCX_REGION_PRIVATE_H */
