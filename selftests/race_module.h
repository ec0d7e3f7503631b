/* SPDX-License-Identifier: GPL-2.0-only */
/* Drills in which the module goes and comes again. */
#ifndef RACE_MODULE_H
#define RACE_MODULE_H

#include "race.h"

static int module = -1; /* its file */

/* Loading a module waits for RCU again and again. */
static int open_module(void)
{
	const char *path = getenv("IPCX_MODULE");

	put_file("/sys/kernel/rcu_expedited", "1");
	module = open(path ?: "build/ipcx.ko", O_RDONLY | O_CLOEXEC);
	return module < 0 ? -errno : 0;
}

static const char *close_module(void)
{
	put_file("/sys/kernel/rcu_expedited", "0");
	close(module);
	return NULL;
}

static const struct stage loaded = { open_module, close_module };

static int load_module(void)
{
	if (syscall(SYS_delete_module, "ipcx", O_NONBLOCK))
		return -errno;
	return syscall(SYS_finit_module, module, "", 0) ? -errno : 0;
}

#endif /* RACE_MODULE_H */
