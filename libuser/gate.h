/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Who of several processes may go on, one at a time, and without a system call: a word in a small
 * file that all of one user map. It is the number of the handle that is inside, and that one has a
 * lock of the kernel of that number for as long as it lives: so the next sees when it is dead.
 *
 * What another user could make shorter is not mapped. Where he may use the queue all take a lock of
 * the kernel each time; and where root comes to the queue of a user all do from then on.
 */
#ifndef IPCX_GATE_H
#define IPCX_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "place.h"

/**
 * struct ipcx_gate - as one handle sees it
 * @shared: the words, or NULL: locks have to do
 * @place: where the file is
 * @number: of this handle
 * @by_lock: how this handle is inside
 * @asks: whether somebody is inside by the word must be looked at, where all take locks
 */
struct ipcx_gate {
	struct ipcx_gate_words *shared;
	const struct ipcx_place *place;
	uint32_t number;
	bool by_lock, asks;
};

/* Locks on the object itself, the second with a number behind it */
#define IPCX_GATE_LOCK 2
#define IPCX_GATE_LIVES 256

/* @fd: the open object, or -1 for who never goes in. Return: 0, or an errno. */
int ipcx_gate_open(struct ipcx_gate *g, const struct ipcx_place *p, int fd);
void ipcx_gate_close(struct ipcx_gate *g);

/* Return: whether this handle is inside now; another is, if not. One thread at a time */
bool ipcx_gate_enter(struct ipcx_gate *g, int fd);
void ipcx_gate_leave(struct ipcx_gate *g, int fd);

/*
 * A mark that others see: somebody does what all who enter without a lock must keep off, or there
 * are some who cannot see it.
 */
bool ipcx_gate_marked(const struct ipcx_gate *g);
void ipcx_gate_mark(struct ipcx_gate *g, bool on);

/* Somebody who receives came, or is about to go: others that map the words see another number. */
void ipcx_gate_change(struct ipcx_gate *g);

/* Return: false where some may not have told. */
bool ipcx_gate_changes(const struct ipcx_gate *g, uint32_t *changes);

#endif /* IPCX_GATE_H */
