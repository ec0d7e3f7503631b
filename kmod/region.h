/* SPDX-License-Identifier: GPL-2.0-only */
/* What main.c knows of regions. */
#ifndef IPCX_REGION_H
#define IPCX_REGION_H

#include "ipcx.h"

long ipcx_region_open(struct file *dev, void __user *arg);

#endif /* IPCX_REGION_H */
