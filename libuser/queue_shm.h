/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A queue over shared memory is a topic: each sender is a publisher, the receiver the one
 * subscriber. It is always there as far as publishers can see, so that what they send stays until
 * somebody receives: its control page says which messages are done, whoever has it.
 *
 * What a queue needs beside that lies in the cells, whose messages are shorter for it:
 * how long one may wait and its priority, of the sender; and of the receiver, a lease.
 *
 * A lease says of a position between the cursor and the one to be taken next what became of its
 * message, if that is not that it is held, and never came back. It is written before the function
 * returns that it tells of, and the cursor passes over it in one step: so at each instant of its
 * life a receiver can be killed, and the next one finds what it has to.
 */
#ifndef IPCX_QUEUE_SHM_H
#define IPCX_QUEUE_SHM_H

#include "topic.h"

#define IPCX_LEASED_DATA 80 /* longest message that lies in a cell */
#define IPCX_CELL_MORE (1U << 31) /* in the length: there are @expires and @prio */

/**
 * struct ipcx_leased_cell - the data of a cell of a queue
 * @data: a short message
 * @expires: with IPCX_CELL_MORE, else not written
 * @prio: likewise
 * @__reserved: not used
 * @lease: written by the receiver: position, 46 bits; IPCX_LEASE_*, 2 bits; deliveries
 */
struct ipcx_leased_cell {
	uint8_t data[IPCX_LEASED_DATA];
	int64_t expires;
	uint32_t prio, __reserved;
	uint64_t lease;
};

static_assert(sizeof(struct ipcx_leased_cell) == IPCX_CELL_DATA, "no more than a cell has");

enum { IPCX_LEASE_HELD, IPCX_LEASE_AGAIN, IPCX_LEASE_RELEASED };

static inline struct ipcx_leased_cell *ipcx_leased(const void *cell_data)
{
	return (struct ipcx_leased_cell *)cell_data;
}

/* queue_shm_lease.c; with the handle's lock held */
int ipcx_lease_recover(struct ipcx_topic_reader *reader);
bool ipcx_lease_more(const struct ipcx_taken *taken, struct ipcx_msg *m);
int ipcx_lease_put_back(struct ipcx_topic *t, const struct ipcx_msg *m, bool counts);
int ipcx_lease_take(struct ipcx_topic *t, struct ipcx_topic_reader **reader,
		    struct ipcx_taken *taken, uint32_t *deliveries);
bool ipcx_lease_release(const struct ipcx_topic_reader *reader, uint64_t pos);

#endif /* IPCX_QUEUE_SHM_H */
