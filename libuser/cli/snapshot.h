/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues and topics at one moment, with who has them open, and how fast they go since another.
 */
#ifndef IPCX_CLI_SNAPSHOT_H
#define IPCX_CLI_SNAPSHOT_H

#include "ages.h"
#include "netlink.h"

/**
 * struct row - a queue or a topic; the module counts messages of queues only
 * @id: its number
 * @name: its name, NULL if it has none
 * @name_len: bytes of it
 * @kind: enum ipcx_kind
 * @uid: owner
 * @depth: slots, or cells of a ring
 * @queued: messages that wait
 * @sent: messages ever
 * @bytes: of these, but those dropped as newest
 * @bytes_known: the module counts them
 * @done: messages received and released
 * @lost: messages dropped, expired, or given up
 * @send_waiters: threads that wait to send
 * @recv_waiters: threads that wait to receive
 * @oldest_ms: age of the oldest of those that wait, 0 if there is none
 * @ages: of all that were taken
 * @p50: half of those taken since the other moment were not older, in ms, see ages_percentile()
 * @p99: likewise 99 per cent
 * @sent_rate: messages a second, NAN if there is nothing to compare with
 * @byte_rate: likewise, bytes a second
 * @done_rate: likewise, messages
 * @object: number of the message in snapshot.objects
 * @end: the first of its ends in snapshot.end
 * @ends: how many
 */
struct row {
	uint64_t id;
	const void *name;
	size_t name_len;
	unsigned int kind, uid;
	uint64_t depth, queued, sent, bytes, done, lost, send_waiters, recv_waiters;
	uint64_t oldest_ms, p50, p99;
	struct ages ages;
	bool bytes_known;
	double sent_rate, byte_rate, done_rate;
	size_t object, end, ends;
};

/**
 * struct end - who has something open
 * @object: number of that
 * @rights: IPCX_END_RIGHTS_*
 * @pid: who opened it, 0 if that is gone or not to be seen
 * @message: number of the message in snapshot.opened
 */
struct end {
	uint64_t object;
	unsigned int rights, pid;
	size_t message;
};

/**
 * struct snapshot - all of them
 * @at: when, ns of CLOCK_MONOTONIC
 * @objects: what the module said of objects
 * @opened: and of ends
 * @row: queues and topics, by number
 * @end: ends, by number of the object
 * @rows: how many
 */
struct snapshot {
	int64_t at;
	struct answer objects, opened;
	struct row *row;
	struct end *end;
	size_t rows;
};

#define COMM_ROOM 17

/* Asks; says what went wrong and returns an exit code. @before may be empty: { 0 } */
int snapshot_take(struct snapshot *s, const struct snapshot *before);
void snapshot_free(struct snapshot *s);

/* What the process is called, "" if it is gone or not to be seen; the length */
size_t process_name(unsigned int pid, char comm[COMM_ROOM]);

#endif /* IPCX_CLI_SNAPSHOT_H */
