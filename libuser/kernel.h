/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Between kernel.c, which carries messages, and kernel_open.c, which opens.
 */
#ifndef IPCX_KERNEL_H
#define IPCX_KERNEL_H

#include <linux/ipcx.h>

#include "transport.h"

/* One of the two views of a queue's slots. */
struct ipcx_window {
	char *base; /* NULL: slots are mapped one by one */
	uint64_t offset;
	int prot;
};

/* A slot that is mapped alone for as long as it is held. */
struct ipcx_slot_map {
	void *addr;
	size_t len;
	const struct ipcx_window *window;
};

struct ipcx_kernel_queue {
	struct ipcx_queue base;
	uint64_t stride;
	size_t window_size;
	struct ipcx_window tx, rx;
	struct ipcx_slot_map *maps; /* one a slot; NULL when no window lacks a base */
	uint64_t spare; /* a loan for the next message, see kernel.c; 0: none */
};

/* kernel_open.c */
int ipcx_kernel_open(struct ipcx_queue **q, const char *name, unsigned int flags,
		     const struct ipcx_queue_opts *opts);
int ipcx_kernel_unlink(const char *name, bool now);
void ipcx_kernel_close(struct ipcx_queue *q);
void ipcx_kernel_forked(struct ipcx_queue *q);

/* kernel_error.c: all return -err, or the errno that the contract has for it */
int ipcx_kernel_no_device(int err);
int ipcx_kernel_open_failed(int dev, const struct ipcx_queue_open *arg, const char *name, int err);
int ipcx_kernel_unlink_failed(const char *name, int err);

#endif /* IPCX_KERNEL_H */
