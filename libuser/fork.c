// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What becomes of open queues in a forked child.
 *
 * An endpoint lives as long as any copy of its descriptor does. Were children
 * to keep it unasked, killing the parent would not give its loans and messages
 * back. So all handles are in a list, and the child walks it.
 *
 * LOCKS: lock protects the list; it is held across fork().
 */
#include <pthread.h>

#include "transport.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct ipcx_queue *queues;

static void after_in_child(void)
{
	for (struct ipcx_queue *q = queues; q; q = q->next)
		q->ops->forked(q);
	ipcx_fork_unlock();
}

static void install(void)
{
	pthread_atfork(ipcx_fork_lock, ipcx_fork_unlock, after_in_child);
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

void ipcx_fork_add(struct ipcx_queue *q)
{
	q->next = queues;
	q->pprev = &queues;
	if (queues)
		queues->pprev = &q->next;
	queues = q;
}

void ipcx_fork_del(struct ipcx_queue *q)
{
	*q->pprev = q->next;
	if (q->next)
		q->next->pprev = q->pprev;
}
