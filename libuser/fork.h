/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Handles that want to know when the process forks.
 */
#ifndef IPCX_FORK_H
#define IPCX_FORK_H

enum ipcx_fork_when {
	IPCX_FORK_BEFORE,
	IPCX_FORK_PARENT, /* after it, and if it failed */
	IPCX_FORK_CHILD /* after it; other threads' locks may be held for ever */
};

/**
 * struct ipcx_fork - embedded in each handle
 * @tell: called at each moment of each fork
 * @next: list of open handles, fork.c
 * @pprev: likewise
 */
struct ipcx_fork {
	void (*tell)(struct ipcx_fork *f, enum ipcx_fork_when when);
	struct ipcx_fork *next, **pprev;
};

/* The list of open handles is changed only under its lock. */
void ipcx_fork_lock(void);
void ipcx_fork_unlock(void);
void ipcx_fork_add(struct ipcx_fork *f);
void ipcx_fork_del(struct ipcx_fork *f);

#endif /* IPCX_FORK_H */
