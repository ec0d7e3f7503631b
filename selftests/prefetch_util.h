/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of opts.prefetch share. System calls are counted where they are made: the
 * library, linked in, calls the ioctl() below.
 */
#ifndef PREFETCH_UTIL_H
#define PREFETCH_UTIL_H

#include <ipcx.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME	"prefetch"
#define BOTH	(IPCX_SEND | IPCX_RECV)
#define N	4

static unsigned int calls;

int ioctl(int fd, unsigned long cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd != IPCX_IOC_QUEUE_STAT)
		__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	return syscall(SYS_ioctl, fd, cmd, arg);
}

/* System calls since the last time */
static inline unsigned int made(void)
{
	return __atomic_exchange_n(&calls, 0, __ATOMIC_RELAXED);
}

/* @q takes ahead; @s sends, and looks. */
FIXTURE(prefetch)
{
	struct ipcx_queue *q, *s;
	struct ipcx_msg m, other;
};

typedef FIXTURE_DATA(prefetch) fix;

static inline int open_both(fix *self, struct ipcx_queue_opts *opts, unsigned int n)
{
	IPCX_QUEUE_OPTS(ahead, .prefetch = n);
	int r;

	ipcx_queue_close(self->q);
	ipcx_queue_close(self->s);
	self->q = NULL;
	r = ipcx_queue_open(&self->s, NAME, IPCX_CREATE | IPCX_EPHEMERAL | BOTH, opts);
	return r ?: ipcx_queue_open(&self->q, NAME, BOTH, &ahead);
}

FIXTURE_SETUP(prefetch)
{
	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, open_both(self, NULL, N));
}

FIXTURE_TEARDOWN(prefetch)
{
	ipcx_queue_close(self->q);
	ipcx_queue_close(self->s);
}

static inline struct ipcx_queue_stats stats(const fix *self)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	ipcx_queue_stat(self->s, &s);
	return s;
}

/* @n messages, of the numbers from @from on */
static inline int put(fix *self, uint64_t from, int n)
{
	int r = 0;

	while (n-- && !r) {
		r = ipcx_queue_send(self->s, &from, sizeof(from), 0);
		from++;
	}
	made();
	return r;
}

static inline uint64_t number(const struct ipcx_msg *m)
{
	uint64_t n = UINT64_MAX;

	if (m->len == sizeof(n))
		memcpy(&n, m->data, sizeof(n));
	return n;
}

#endif /* PREFETCH_UTIL_H */
