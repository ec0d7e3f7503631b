/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A lock that costs two instructions while nobody else wants it; a mutex of the C library is
 * two calls, on the way of a message more than all else that is done under it.
 */
#ifndef IPCX_LOCK_H
#define IPCX_LOCK_H

#include <stdbool.h>

#include "internal.h"

/**
 * struct ipcx_lock - a lock; all zero is free
 * @word: 0 free, 1 held, 2 held and perhaps somebody sleeps until it is free
 */
struct ipcx_lock {
	int word;
};

/* lock.c */
void ipcx_lock_wait(struct ipcx_lock *l);
void ipcx_lock_wake(struct ipcx_lock *l);

static inline void ipcx_lock(struct ipcx_lock *l)
{
	int none = 0;

	if (ipcx_unlikely(!__atomic_compare_exchange_n(&l->word, &none, 1, false, __ATOMIC_ACQUIRE,
						       __ATOMIC_RELAXED)))
		ipcx_lock_wait(l);
}

static inline void ipcx_unlock(struct ipcx_lock *l)
{
	if (ipcx_unlikely(__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2))
		ipcx_lock_wake(l);
}

#endif /* IPCX_LOCK_H */
