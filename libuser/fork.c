// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What becomes of open handles in a forked child.
 *
 * An endpoint lives as long as any copy of its descriptor does. Were children
 * to keep it unasked, killing the parent would not give its loans and messages
 * back. So all handles are in a list, and the child walks it.
 *
 * LOCKS: lock protects the list; it is held across fork(), and outside of the
 * lock of any handle.
 */
#include <pthread.h>

#include "fork.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct ipcx_fork *handles;

static void tell_all(enum ipcx_fork_when when)
{
	for (struct ipcx_fork *f = handles; f; f = f->next)
		f->tell(f, when);
}

static void before(void)
{
	ipcx_fork_lock();
	tell_all(IPCX_FORK_BEFORE);
}

static void after_in_parent(void)
{
	tell_all(IPCX_FORK_PARENT);
	ipcx_fork_unlock();
}

static void after_in_child(void)
{
	tell_all(IPCX_FORK_CHILD);
	ipcx_fork_unlock();
}

static void install(void)
{
	pthread_atfork(before, after_in_parent, after_in_child);
}

/* Opening and closing are inside of it too: no child inherits half a handle. */
void ipcx_fork_lock(void)
{
	pthread_once(&once, install);
	pthread_mutex_lock(&lock);
}

void ipcx_fork_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void ipcx_fork_add(struct ipcx_fork *f)
{
	f->next = handles;
	f->pprev = &handles;
	if (handles)
		handles->pprev = &f->next;
	handles = f;
}

void ipcx_fork_del(struct ipcx_fork *f)
{
	*f->pprev = f->next;
	if (f->next)
		f->next->pprev = f->pprev;
}
