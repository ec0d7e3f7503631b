/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The lock of a handle, for what is done in a moment: an exchange to take it and one to give it
 * back; while the process has one thread neither is needed.
 *
 * No thread is ever created while it is held, but in what others do about fork(): there it is
 * taken with ipcx_lock_really(). A forked child has one thread and makes all its locks free.
 */
#ifndef IPCX_LOCK_H
#define IPCX_LOCK_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

/**
 * struct ipcx_lock - all zero: free
 * @word: 0: free; 1: held; 2: held, and somebody may sleep
 * @none: one thread uses the handle, the lock is never taken
 */
struct ipcx_lock {
	uint32_t word;
	bool none;
};

static __attribute__((noinline, cold, unused)) void ipcx_lock_wait(struct ipcx_lock *l)
{
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static __attribute__((noinline, cold, unused)) void ipcx_lock_wake(struct ipcx_lock *l)
{
	syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline bool ipcx_trylock_really(struct ipcx_lock *l)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline void ipcx_lock_really(struct ipcx_lock *l)
{
	if (!ipcx_trylock_really(l))
		ipcx_lock_wait(l);
}

static inline bool ipcx_trylock(struct ipcx_lock *l)
{
	return __libc_single_threaded || l->none || ipcx_trylock_really(l);
}

static inline void ipcx_lock(struct ipcx_lock *l)
{
	if (!ipcx_trylock(l))
		ipcx_lock_wait(l);
}

/* Also where it was not taken, because it was not needed. Return: whether to wake somebody. */
static inline bool ipcx_unlock_wakes(struct ipcx_lock *l)
{
	return __atomic_load_n(&l->word, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2;
}

static inline void ipcx_unlock(struct ipcx_lock *l)
{
	if (ipcx_unlock_wakes(l))
		ipcx_lock_wake(l);
}

#endif /* IPCX_LOCK_H */
