/* SPDX-License-Identifier: GPL-2.0-only */
/* What is in an object and what became of its messages, in numbers. */
#ifndef IPCX_STAT_H
#define IPCX_STAT_H

#include "ipcx.h"

/**
 * struct ipcx_object_stat - an object at one moment; what a kind does not have is 0
 * @depth: slots of a queue, cells of a ring
 * @msg_max: longest message in bytes
 * @bytes_max: bytes that it may have, or the size of a region
 * @bytes: bytes of memory that it has
 * @senders: open ends that may send, publishers
 * @receivers: open ends that may receive, subscriptions
 * @free: slots FREE
 * @loaned: slots LOANED or BUSY
 * @queued: slots QUEUED
 * @leased: slots LEASED, but answers
 * @answers: slots ANSWERED, and answers that are LEASED
 * @requests: slots kept for replies
 * @send_waiters: threads that sleep until they can send
 * @recv_waiters: threads that sleep until they can receive
 * @sent: messages ever committed
 * @sent_bytes: of those that were queued
 * @count: what became of them
 * @policy: see struct ipcx_queue
 * @max_deliveries: likewise
 * @lease_ms: likewise
 * @leases_max: likewise
 * @dead_letter: number of the dead-letter queue, 0 for none
 * @ages: see struct ipcx_queue
 * @ages_sum_ms: their sum in ms
 * @oldest_ms: age of the oldest message that is queued, rounded up to clock ticks; 0 if none is
 * @taps: open taps
 */
struct ipcx_object_stat {
	u64 depth;
	u64 msg_max;
	u64 bytes_max;
	u64 bytes;
	u64 senders;
	u64 receivers;
	u64 free;
	u64 loaned;
	u64 queued;
	u64 leased;
	u64 answers;
	u64 requests;
	u64 send_waiters;
	u64 recv_waiters;
	u64 sent;
	u64 sent_bytes;
	struct ipcx_queue_count count;
	u64 policy;
	u64 max_deliveries;
	u64 lease_ms;
	u64 leases_max;
	u64 dead_letter;
	u64 ages[IPCX_AGES];
	u64 ages_sum_ms;
	u64 oldest_ms;
	u64 taps;
};

void ipcx_queue_look(struct ipcx_object *obj, struct ipcx_object_stat *s);

#endif /* IPCX_STAT_H */
