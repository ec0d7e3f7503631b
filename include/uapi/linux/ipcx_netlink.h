/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/* Made by scripts/netlink-header.py from Documentation/netlink/specs/ipcx.yaml. */
#ifndef _UAPI_LINUX_IPCX_NETLINK_H
#define _UAPI_LINUX_IPCX_NETLINK_H

#define IPCX_GENL_NAME		"ipcx"
#define IPCX_GENL_VERSION	1

/* what an open end may do */
#define IPCX_END_RIGHTS_SEND	(1U << 0)	/* send to a queue or publish in a topic */
#define IPCX_END_RIGHTS_RECV	(1U << 1)	/* receive from a queue or subscribe to a topic */

/* what is special about an object */
#define IPCX_OBJECT_FLAGS_EPHEMERAL	(1U << 0)	/* it goes with its last close */
#define IPCX_OBJECT_FLAGS_UNLINKED	(1U << 1)	/* it has no name any more */

/**
 * enum ipcx_holder_state - in what way a slot of a queue is held
 * @IPCX_HOLDER_STATE_LOANED: it is being written
 * @IPCX_HOLDER_STATE_LEASED: its message was taken and not released yet
 * @IPCX_HOLDER_STATE_ANSWERED: it has an answer that the caller has not taken yet
 * @IPCX_HOLDER_STATE_OVERDUE: its lease is over, and the holder may still be reading it
 */
enum ipcx_holder_state {
	IPCX_HOLDER_STATE_LOANED = 1,
	IPCX_HOLDER_STATE_LEASED,
	IPCX_HOLDER_STATE_ANSWERED,
	IPCX_HOLDER_STATE_OVERDUE
};

#define IPCX_HOLDER_STATE_MAX	IPCX_HOLDER_STATE_OVERDUE

/**
 * enum ipcx_event_kind - what has happened; below 64 for lifecycle, from there on for alerts
 * @IPCX_EVENT_KIND_MADE: there is a new object
 * @IPCX_EVENT_KIND_UNLINKED: an object has lost its name
 * @IPCX_EVENT_KIND_GONE: an object is no more
 * @IPCX_EVENT_KIND_OPENED: there is a new open end
 * @IPCX_EVENT_KIND_CLOSED: an open end is no more
 * @IPCX_EVENT_KIND_LOANS_RETURNED: slots that an end was writing when its last process ended; one
 *	may be kept for the next message
 * @IPCX_EVENT_KIND_REDELIVERED: messages that an end held when it was closed, queued again
 * @IPCX_EVENT_KIND_EVICTED: a subscription lags behind by as much as it may, and does not get a
 *	publisher's messages any more
 * @IPCX_EVENT_KIND_CONTRADICTION: likewise, because what it wrote in its control page cannot be
 * @IPCX_EVENT_KIND_OVERDUE: messages queued again because their lease is over; the cause is who
 *	holds them
 * @IPCX_EVENT_KIND_DROPPED_OLDEST: messages dropped to make room; the cause is who needed it, of a
 *	dead-letter queue nobody
 * @IPCX_EVENT_KIND_DROPPED_NEWEST: messages dropped for lack of room; the cause is their sender, of
 *	a dead letter nobody
 * @IPCX_EVENT_KIND_EXPIRED: messages given up because nobody took them in time; the cause is their
 *	sender
 * @IPCX_EVENT_KIND_GIVEN_UP: messages given up because they came back too often; the cause is their
 *	sender
 * @IPCX_EVENT_KIND_REFUSED: what a limit did not allow; a loan or write of a queue that is full
 *	only if it waited in vain, or if its policy is to fail; never a request without room for its
 *	reply, nor a message too many taken
 */
enum ipcx_event_kind {
	IPCX_EVENT_KIND_MADE = 1,
	IPCX_EVENT_KIND_UNLINKED,
	IPCX_EVENT_KIND_GONE,
	IPCX_EVENT_KIND_OPENED,
	IPCX_EVENT_KIND_CLOSED,
	IPCX_EVENT_KIND_LOANS_RETURNED = 64,
	IPCX_EVENT_KIND_REDELIVERED,
	IPCX_EVENT_KIND_EVICTED,
	IPCX_EVENT_KIND_CONTRADICTION,
	IPCX_EVENT_KIND_OVERDUE,
	IPCX_EVENT_KIND_DROPPED_OLDEST,
	IPCX_EVENT_KIND_DROPPED_NEWEST,
	IPCX_EVENT_KIND_EXPIRED,
	IPCX_EVENT_KIND_GIVEN_UP,
	IPCX_EVENT_KIND_REFUSED
};

#define IPCX_EVENT_KIND_MAX	IPCX_EVENT_KIND_REFUSED

/**
 * enum ipcx_event_limit - which limit it was
 * @IPCX_EVENT_LIMIT_DEPTH: slots of the queue, or those of them that this user may have; the value
 *	is all of them
 * @IPCX_EVENT_LIMIT_BYTES_MAX: bytes that the object may have, some of which may be kept for
 *	others; the value is all of them
 * @IPCX_EVENT_LIMIT_USER_BYTES: bytes of the user who pays, of a queue who made it, of a ring or
 *	subscription who opened it
 * @IPCX_EVENT_LIMIT_MEMORY: there is none, or no more in the cgroup
 * @IPCX_EVENT_LIMIT_USER_OBJECTS: objects that the user may have made, or regions in messages that
 *	it sent
 * @IPCX_EVENT_LIMIT_PEERS: publishers or subscriptions of a topic, or users who may send to a queue
 * @IPCX_EVENT_LIMIT_MAX_DELIVERIES: deliveries in vain
 * @IPCX_EVENT_LIMIT_LEASE_MS: how long a message may be held, in milliseconds
 * @IPCX_EVENT_LIMIT_LAG_MAX: how far a subscription may lag behind
 */
enum ipcx_event_limit {
	IPCX_EVENT_LIMIT_DEPTH = 1,
	IPCX_EVENT_LIMIT_BYTES_MAX,
	IPCX_EVENT_LIMIT_USER_BYTES,
	IPCX_EVENT_LIMIT_MEMORY,
	IPCX_EVENT_LIMIT_USER_OBJECTS,
	IPCX_EVENT_LIMIT_PEERS,
	IPCX_EVENT_LIMIT_MAX_DELIVERIES,
	IPCX_EVENT_LIMIT_LEASE_MS,
	IPCX_EVENT_LIMIT_LAG_MAX
};

#define IPCX_EVENT_LIMIT_MAX	IPCX_EVENT_LIMIT_LAG_MAX

/**
 * enum ipcx_event_exit - how the last process that had an end let go of it
 * @IPCX_EVENT_EXIT_CLOSED: by close(2) or by execve(2)
 * @IPCX_EVENT_EXIT_EXITED: it ended by itself
 * @IPCX_EVENT_EXIT_KILLED: it was killed by a signal
 * @IPCX_EVENT_EXIT_REVOKED: the end was taken away from it
 */
enum ipcx_event_exit {
	IPCX_EVENT_EXIT_CLOSED = 1,
	IPCX_EVENT_EXIT_EXITED,
	IPCX_EVENT_EXIT_KILLED,
	IPCX_EVENT_EXIT_REVOKED
};

#define IPCX_EVENT_EXIT_MAX	IPCX_EVENT_EXIT_REVOKED

/**
 * enum ipcx_object_attr - a queue, a topic or a region; what a kind does not have is left out
 * @IPCX_A_OBJECT_PAD: fills, so that what follows is aligned (pad)
 * @IPCX_A_OBJECT_ID: number of the object, never used again (u64)
 * @IPCX_A_OBJECT_NAME: bytes of its name, also after it was taken away; left out if it never had
 *	one (binary)
 * @IPCX_A_OBJECT_KIND: enum ipcx_kind (u32)
 * @IPCX_A_OBJECT_FLAGS: IPCX_OBJECT_FLAGS_* (u32)
 * @IPCX_A_OBJECT_UID: owner (u32)
 * @IPCX_A_OBJECT_GID: group (u32)
 * @IPCX_A_OBJECT_MODE: permission bits, 0 to 0777 (u32)
 * @IPCX_A_OBJECT_DEPTH: slots of a queue, cells of each ring of a topic (u64)
 * @IPCX_A_OBJECT_MSG_MAX: longest message in bytes (u64)
 * @IPCX_A_OBJECT_BYTES_MAX: bytes that it may have; size of a region (u64)
 * @IPCX_A_OBJECT_BYTES: bytes of memory that it has (u64)
 * @IPCX_A_OBJECT_SENDERS: open ends that may send, publishers of a topic (u64)
 * @IPCX_A_OBJECT_RECEIVERS: open ends that may receive, subscriptions of a topic (u64)
 * @IPCX_A_OBJECT_FREE: slots that are free (u64)
 * @IPCX_A_OBJECT_LOANED: slots that are being written (u64)
 * @IPCX_A_OBJECT_QUEUED: messages that wait for a receiver (u64)
 * @IPCX_A_OBJECT_LEASED: messages that were taken and not released yet (u64)
 * @IPCX_A_OBJECT_ANSWERS: answers that were not taken or not released yet (u64)
 * @IPCX_A_OBJECT_REQUESTS: slots kept free for replies (u64)
 * @IPCX_A_OBJECT_SEND_WAITERS: threads that sleep until they can send (u64)
 * @IPCX_A_OBJECT_RECV_WAITERS: threads that sleep until they can receive (u64)
 * @IPCX_A_OBJECT_SENT: messages ever sent (u64)
 * @IPCX_A_OBJECT_RELEASED: of these, that are done (u64)
 * @IPCX_A_OBJECT_DROPPED_OLDEST: that were dropped to make room (u64)
 * @IPCX_A_OBJECT_DROPPED_NEWEST: that were dropped for lack of room (u64)
 * @IPCX_A_OBJECT_EXPIRED: that were given up because nobody took them in time (u64)
 * @IPCX_A_OBJECT_POISON: that were given up because they came back too often (u64)
 * @IPCX_A_OBJECT_WITHDRAWN: requests that ended before anybody could answer them (u64)
 * @IPCX_A_OBJECT_REDELIVERED: how often a message came back and was queued again (u64)
 * @IPCX_A_OBJECT_DEAD_LETTERED: messages given up and kept by the dead-letter queue (u64)
 * @IPCX_A_OBJECT_DEAD_LETTER_FAILED: messages given up and not kept by it (u64)
 * @IPCX_A_OBJECT_POLICY: what a full queue does, enum ipcx_policy (u64)
 * @IPCX_A_OBJECT_MAX_DELIVERIES: deliveries in vain after which a message is given up, 0 for no
 *	limit (u64)
 * @IPCX_A_OBJECT_LEASE_MS: how long a message may be held, 0 for no limit (u64)
 * @IPCX_A_OBJECT_LEASES_MAX: how many messages one end may hold, 0 for no limit (u64)
 * @IPCX_A_OBJECT_DEAD_LETTER: number of the queue that gets what is given up, 0 for none (u64)
 * @IPCX_A_OBJECT_SENT_BYTES: bytes of all messages ever sent, but those that were dropped as newest
 *	(u64)
 * @IPCX_A_OBJECT_AGES: how old messages were when they were taken; number k, from 0, is how many of
 *	them were at most 2^k ms old and not counted before, the last number how many were older
 *	still; younger than a tick of the clock is a tick; 8 bytes each, aligned to 4 (binary)
 * @IPCX_A_OBJECT_AGES_SUM_MS: sum of these ages (u64)
 * @IPCX_A_OBJECT_OLDEST_MS: age of the oldest message that waits, 0 if none does (u64)
 * @IPCX_A_OBJECT_TAPS: open taps (u64)
 */
enum ipcx_object_attr {
	IPCX_A_OBJECT_PAD = 1,
	IPCX_A_OBJECT_ID,
	IPCX_A_OBJECT_NAME,
	IPCX_A_OBJECT_KIND,
	IPCX_A_OBJECT_FLAGS,
	IPCX_A_OBJECT_UID,
	IPCX_A_OBJECT_GID,
	IPCX_A_OBJECT_MODE,
	IPCX_A_OBJECT_DEPTH,
	IPCX_A_OBJECT_MSG_MAX,
	IPCX_A_OBJECT_BYTES_MAX,
	IPCX_A_OBJECT_BYTES,
	IPCX_A_OBJECT_SENDERS,
	IPCX_A_OBJECT_RECEIVERS,
	IPCX_A_OBJECT_FREE,
	IPCX_A_OBJECT_LOANED,
	IPCX_A_OBJECT_QUEUED,
	IPCX_A_OBJECT_LEASED,
	IPCX_A_OBJECT_ANSWERS,
	IPCX_A_OBJECT_REQUESTS,
	IPCX_A_OBJECT_SEND_WAITERS,
	IPCX_A_OBJECT_RECV_WAITERS,
	IPCX_A_OBJECT_SENT,
	IPCX_A_OBJECT_RELEASED,
	IPCX_A_OBJECT_DROPPED_OLDEST,
	IPCX_A_OBJECT_DROPPED_NEWEST,
	IPCX_A_OBJECT_EXPIRED,
	IPCX_A_OBJECT_POISON,
	IPCX_A_OBJECT_WITHDRAWN,
	IPCX_A_OBJECT_REDELIVERED,
	IPCX_A_OBJECT_DEAD_LETTERED,
	IPCX_A_OBJECT_DEAD_LETTER_FAILED,
	IPCX_A_OBJECT_POLICY,
	IPCX_A_OBJECT_MAX_DELIVERIES,
	IPCX_A_OBJECT_LEASE_MS,
	IPCX_A_OBJECT_LEASES_MAX,
	IPCX_A_OBJECT_DEAD_LETTER,
	IPCX_A_OBJECT_SENT_BYTES,
	IPCX_A_OBJECT_AGES,
	IPCX_A_OBJECT_AGES_SUM_MS,
	IPCX_A_OBJECT_OLDEST_MS,
	IPCX_A_OBJECT_TAPS
};

#define IPCX_A_OBJECT_MAX	IPCX_A_OBJECT_TAPS

/**
 * enum ipcx_end_attr - an open end of a queue or a topic
 * @IPCX_A_END_PAD: fills, so that what follows is aligned (pad)
 * @IPCX_A_END_ID: number of the end, never used again (u64)
 * @IPCX_A_END_OBJECT: number of its object (u64)
 * @IPCX_A_END_NAME: name of that object, left out if it never had one (binary)
 * @IPCX_A_END_KIND: kind of that object (u32)
 * @IPCX_A_END_RIGHTS: IPCX_END_RIGHTS_* (u32)
 * @IPCX_A_END_PID: process that opened it; others may have it by now (u32)
 * @IPCX_A_END_UID: user who opened it (u32)
 * @IPCX_A_END_LOANS: slots that it writes (u32)
 * @IPCX_A_END_LEASES: messages or answers that it has taken and not released (u32)
 */
enum ipcx_end_attr {
	IPCX_A_END_PAD = 1,
	IPCX_A_END_ID,
	IPCX_A_END_OBJECT,
	IPCX_A_END_NAME,
	IPCX_A_END_KIND,
	IPCX_A_END_RIGHTS,
	IPCX_A_END_PID,
	IPCX_A_END_UID,
	IPCX_A_END_LOANS,
	IPCX_A_END_LEASES
};

#define IPCX_A_END_MAX	IPCX_A_END_LEASES

/**
 * enum ipcx_holder_attr - a slot of a queue that somebody holds
 * @IPCX_A_HOLDER_PAD: fills, so that what follows is aligned (pad)
 * @IPCX_A_HOLDER_OBJECT: number of the queue (u64)
 * @IPCX_A_HOLDER_NAME: name of the queue, left out if it never had one (binary)
 * @IPCX_A_HOLDER_SLOT: number of the slot (u32)
 * @IPCX_A_HOLDER_STATE: enum ipcx_holder_state (u32)
 * @IPCX_A_HOLDER_END: number of the open end that holds it (u64)
 * @IPCX_A_HOLDER_PID: process that opened that end (u32)
 * @IPCX_A_HOLDER_UID: user who opened that end (u32)
 * @IPCX_A_HOLDER_HELD_MS: how long it has been held, in milliseconds; left out for an answer that
 *	waits (u64)
 * @IPCX_A_HOLDER_BYTES: bytes on loan, or of the message (u64)
 * @IPCX_A_HOLDER_SEQ: number of the message; left out while it is being written (u64)
 * @IPCX_A_HOLDER_DELIVERIES: how often that message came back (u32)
 */
enum ipcx_holder_attr {
	IPCX_A_HOLDER_PAD = 1,
	IPCX_A_HOLDER_OBJECT,
	IPCX_A_HOLDER_NAME,
	IPCX_A_HOLDER_SLOT,
	IPCX_A_HOLDER_STATE,
	IPCX_A_HOLDER_END,
	IPCX_A_HOLDER_PID,
	IPCX_A_HOLDER_UID,
	IPCX_A_HOLDER_HELD_MS,
	IPCX_A_HOLDER_BYTES,
	IPCX_A_HOLDER_SEQ,
	IPCX_A_HOLDER_DELIVERIES
};

#define IPCX_A_HOLDER_MAX	IPCX_A_HOLDER_DELIVERIES

/**
 * enum ipcx_limit_attr - what a user has, over all namespaces, and may have
 * @IPCX_A_LIMIT_PAD: fills, so that what follows is aligned (pad)
 * @IPCX_A_LIMIT_UID: the user (u32)
 * @IPCX_A_LIMIT_BYTES: bytes of payload and tables of queues and topics (u64)
 * @IPCX_A_LIMIT_BYTES_MAX: limit of those (u64)
 * @IPCX_A_LIMIT_OBJECTS: queues, topics and regions that the user made and that still exist (u64)
 * @IPCX_A_LIMIT_OBJECTS_MAX: limit of those, and likewise of regions (u64)
 * @IPCX_A_LIMIT_DEPTH_MAX: largest depth of a queue (u64)
 * @IPCX_A_LIMIT_MSG_MAX: largest length of a message (u64)
 * @IPCX_A_LIMIT_REGIONS: regions in messages that the user sent and that are not over (u64)
 */
enum ipcx_limit_attr {
	IPCX_A_LIMIT_PAD = 1,
	IPCX_A_LIMIT_UID,
	IPCX_A_LIMIT_BYTES,
	IPCX_A_LIMIT_BYTES_MAX,
	IPCX_A_LIMIT_OBJECTS,
	IPCX_A_LIMIT_OBJECTS_MAX,
	IPCX_A_LIMIT_DEPTH_MAX,
	IPCX_A_LIMIT_MSG_MAX,
	IPCX_A_LIMIT_REGIONS
};

#define IPCX_A_LIMIT_MAX	IPCX_A_LIMIT_REGIONS

/**
 * enum ipcx_event_attr - what has happened; what is not of it or not known is left out
 * @IPCX_A_EVENT_PAD: fills, so that what follows is aligned (pad)
 * @IPCX_A_EVENT_SEQ: number of the event among those of its group in the network namespace; what is
 *	missing was lost (u64)
 * @IPCX_A_EVENT_TIME: when it was told, CLOCK_MONOTONIC in nanoseconds (u64)
 * @IPCX_A_EVENT_KIND: enum ipcx_event_kind (u32)
 * @IPCX_A_EVENT_OBJECT: number of the object; left out if it was not made (u64)
 * @IPCX_A_EVENT_NAME: its name, left out if it never had one (binary)
 * @IPCX_A_EVENT_OBJECT_KIND: its kind, enum ipcx_kind (u32)
 * @IPCX_A_EVENT_END: number of the open end that it came from (u64)
 * @IPCX_A_EVENT_PID: process that was the cause, of an end that is closed the one that opened it;
 *	see above whose number (u32)
 * @IPCX_A_EVENT_PID_NS: namespace of that number, as stat(2) of /proc/PID/ns/pid calls it (u32)
 * @IPCX_A_EVENT_UID: user who was the cause; where there is an end, or of a message, who opened the
 *	end (u32)
 * @IPCX_A_EVENT_EXIT: of an end that was closed, enum ipcx_event_exit; left out if no process ever
 *	had it (u32)
 * @IPCX_A_EVENT_COUNT: of an alert, how many (u64)
 * @IPCX_A_EVENT_DEAD_LETTERED: of messages that were given up, how many of them the dead-letter
 *	queue has (u64)
 * @IPCX_A_EVENT_LIMIT: enum ipcx_event_limit (u32)
 * @IPCX_A_EVENT_LIMIT_VALUE: what that limit is; left out if that is 0 or no number (u64)
 * @IPCX_A_EVENT_BY_END: number of the end of the publisher that evicted a subscriber (u64)
 * @IPCX_A_EVENT_BY_PID: process that did so, or that revoked the end (u32)
 * @IPCX_A_EVENT_BY_PID_NS: namespace of that number (u32)
 * @IPCX_A_EVENT_BY_UID: user who revoked the end (u32)
 * @IPCX_A_EVENT_LOANS: of an end that was revoked, slots that it was writing; left out if there
 *	were none (u32)
 * @IPCX_A_EVENT_LEASES: of an end that was revoked, messages or answers that it had taken and not
 *	released; likewise (u32)
 */
enum ipcx_event_attr {
	IPCX_A_EVENT_PAD = 1,
	IPCX_A_EVENT_SEQ,
	IPCX_A_EVENT_TIME,
	IPCX_A_EVENT_KIND,
	IPCX_A_EVENT_OBJECT,
	IPCX_A_EVENT_NAME,
	IPCX_A_EVENT_OBJECT_KIND,
	IPCX_A_EVENT_END,
	IPCX_A_EVENT_PID,
	IPCX_A_EVENT_PID_NS,
	IPCX_A_EVENT_UID,
	IPCX_A_EVENT_EXIT,
	IPCX_A_EVENT_COUNT,
	IPCX_A_EVENT_DEAD_LETTERED,
	IPCX_A_EVENT_LIMIT,
	IPCX_A_EVENT_LIMIT_VALUE,
	IPCX_A_EVENT_BY_END,
	IPCX_A_EVENT_BY_PID,
	IPCX_A_EVENT_BY_PID_NS,
	IPCX_A_EVENT_BY_UID,
	IPCX_A_EVENT_LOANS,
	IPCX_A_EVENT_LEASES
};

#define IPCX_A_EVENT_MAX	IPCX_A_EVENT_LEASES

/**
 * enum ipcx_cmd - what can be asked for, and what is told to groups
 * @IPCX_CMD_OBJECT_GET: one object, by number or name, or all
 * @IPCX_CMD_END_GET: one open end, by number, or all, or those of one object
 * @IPCX_CMD_HOLDER_GET: who holds which slots, of all queues or of one
 * @IPCX_CMD_LIMIT_GET: the limits and what counts against them, of the asker or of a user, or of
 *	all users
 * @IPCX_CMD_LIMIT_SET: set limits of all users, or none of them if one is wrong
 * @IPCX_CMD_LIFECYCLE_EVENT: something has come or gone, told to the group lifecycle
 * @IPCX_CMD_ALERT_EVENT: something went wrong, told to the group alerts
 * @IPCX_CMD_END_REVOKE: an open end of a queue is taken away from who has it, as if that had closed
 *	it now
 */
enum ipcx_cmd {
	IPCX_CMD_OBJECT_GET = 1,
	IPCX_CMD_END_GET,
	IPCX_CMD_HOLDER_GET,
	IPCX_CMD_LIMIT_GET,
	IPCX_CMD_LIMIT_SET,
	IPCX_CMD_LIFECYCLE_EVENT,
	IPCX_CMD_ALERT_EVENT,
	IPCX_CMD_END_REVOKE
};

#define IPCX_CMD_MAX	IPCX_CMD_END_REVOKE

/* objects and open ends that come and go */
#define IPCX_MCGRP_LIFECYCLE	"lifecycle"
/* what went wrong */
#define IPCX_MCGRP_ALERTS	"alerts"

#endif /* _UAPI_LINUX_IPCX_NETLINK_H */
