/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that sleep until there is a message, or room for one. */
#ifndef SLEEPER_H
#define SLEEPER_H

#include <pthread.h>

#include <ipcx.h>

#include "ipcx_util.h"

struct sleeper {
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int err;
};

static inline void *taker(void *arg)
{
	struct sleeper *s = arg;

	s->err = ipcx_queue_take(s->q, &s->m, in_ms(20000));
	return NULL;
}

#endif /* SLEEPER_H */
