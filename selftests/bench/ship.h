/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_BENCH_SHIP_H
#define IPCX_BENCH_SHIP_H

#include <ipcx.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct piece - what arrived
 * @index: which file it is
 * @data: its bytes, valid until the next is received
 * @len: how many
 * @m: the message they lie in, for the way that does not copy; all zero at first
 */
struct piece {
	uint64_t index;
	const void *data;
	size_t len;
	struct ipcx_msg m;
};

/**
 * struct way - how messages get from one process to the other
 * @name: what it is called
 * @copies: how often each byte is copied between the processes
 * @create: makes it, in the sender, for files of at most so many bytes
 * @attach: joins it, in the receiver
 * @send: reads a file and sends it, or returns -EMSGSIZE; ends the process on other errors
 * @recv: receives the next; what the call before received is given back
 * @destroy: removes it, in the sender
 */
struct way {
	const char *name;
	int copies;
	void (*create)(size_t biggest);
	void (*attach)(void);
	int (*send)(uint64_t index, int fd, size_t len);
	void (*recv)(struct piece *p);
	void (*destroy)(void);
};

/* All there are; the last has no name. */
extern const struct way ways[];

#endif /* IPCX_BENCH_SHIP_H */
