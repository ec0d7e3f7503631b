/* SPDX-License-Identifier: GPL-2.0-only */
/* What others know of regions. */
#ifndef IPCX_REGION_H
#define IPCX_REGION_H

#include "ipcx.h"

long ipcx_region_open(struct file *dev, void __user *arg);
struct file *ipcx_region_file(const struct path *path, const struct cred *cred, u32 flags);
u32 ipcx_region_rights(const struct file *file);

#endif /* IPCX_REGION_H */
