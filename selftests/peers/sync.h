/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_PEERS_SYNC_H
#define IPCX_PEERS_SYNC_H

#include <sys/types.h>

/**
 * struct lock - something that lets one process go on at a time; a function that fails ends the
 *	process by give_up()
 * @name: for the table
 * @create: before the processes part
 * @open: in each of them; NULL: nothing is to be done
 * @lock: waits until it has it
 * @unlock: gives it to another
 * @remove: what is left of it, also when they failed; NULL: nothing
 */
struct lock {
	const char *name;
	void (*create)(void);
	void (*open)(void);
	void (*lock)(void);
	void (*unlock)(void);
	void (*remove)(void);
};

/* Whose run it is: part of what has a name */
extern pid_t locks_owner;

#define LOCKS 16
extern const struct lock locks[LOCKS];

#endif /* IPCX_PEERS_SYNC_H */
