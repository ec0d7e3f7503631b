// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The lock of lock.h where two threads want it. */
#include "lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* It is held: gets it when it is free. Who gets it here does not know whether others sleep. */
void ipcx_lock_wait(struct ipcx_lock *l)
{
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

/* It is free, and somebody perhaps sleeps. */
void ipcx_lock_wake(struct ipcx_lock *l)
{
	syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
