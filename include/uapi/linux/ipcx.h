/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * The ioctl contract of /dev/ipcx.
 *
 * Growth: every argument starts with its own @size. A caller built against an older, shorter
 * struct gets zeros for what it does not know; a longer one is accepted as long as the part this
 * kernel does not know is zero. The number of an ioctl never changes and is never used again.
 *
 * Errors that every ioctl shares:
 *   ENOTTY      no such ioctl on this file
 *   EFAULT      the argument, or an array it points to, cannot be read or written
 *   E2BIG       @size is larger than this kernel knows and the tail is not zero
 *   EINVAL      @size too small, a reserved field not 0, a value out of range, flags at variance
 *   EOPNOTSUPP  a flag bit that this kernel does not know, or not there
 *   ESTALE      the endpoint was revoked, perhaps meanwhile, see IPCX_CMD_END_REVOKE; OPEN: at once
 *
 * LOAN, COMMIT, TAKE, CALL and REPLY fail with EIDRM when the queue was removed with
 * IPCX_UNLINK_NOW. LOAN, TAKE, CALL and REPLY with TAKE can wait: they fail with EAGAIN if they
 * would have to and the deadline is NOWAIT, with ETIMEDOUT at the deadline. A signal before the
 * first slot or message ends them with EINTR; all but CALL are restarted with SA_RESTART. OPEN,
 * ATTACH, FETCH, and COMMIT in a SEALED queue may block to allocate.
 *
 * An ioctl that fails has changed nothing, except where it says so. One that takes an array returns
 * how many entries it did; the error of the first entry it could not do is returned only when it
 * did none. Times are absolute CLOCK_MONOTONIC nanoseconds of the caller's time namespace.
 */
#ifndef _UAPI_LINUX_IPCX_H
#define _UAPI_LINUX_IPCX_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCX_ABI_VERSION	1

#define IPCX_NAME_MAX		255	/* bytes in a name: no NUL, no '/', first byte not '.' */
#define IPCX_BATCH_MAX		64	/* entries of one array */
#define IPCX_PRIO_MAX		31	/* highest priority; 0 is the lowest and the default */
#define IPCX_INLINE_MAX		64	/* bytes of a message that needs no page */

/* Deadlines. A negative one is EINVAL. */
#define IPCX_DEADLINE_NOWAIT	0			/* would block: EAGAIN */
#define IPCX_DEADLINE_FOREVER	0x7fffffffffffffffLL	/* no deadline */

#define IPCX_IOC_MAGIC		0xE7

/* Numbers in order of introduction, on /dev/ipcx: */
#define IPCX_IOC_INFO		_IO(IPCX_IOC_MAGIC, 0x80)
#define IPCX_IOC_QUEUE_OPEN	_IO(IPCX_IOC_MAGIC, 0x81)
#define IPCX_IOC_UNLINK		_IO(IPCX_IOC_MAGIC, 0x82)
/* On an endpoint of a queue: */
#define IPCX_IOC_QUEUE_LOAN	_IO(IPCX_IOC_MAGIC, 0x83)
#define IPCX_IOC_QUEUE_COMMIT	_IO(IPCX_IOC_MAGIC, 0x84)
#define IPCX_IOC_QUEUE_CANCEL	_IO(IPCX_IOC_MAGIC, 0x85)
#define IPCX_IOC_QUEUE_TAKE	_IO(IPCX_IOC_MAGIC, 0x86)
#define IPCX_IOC_QUEUE_RELEASE	_IO(IPCX_IOC_MAGIC, 0x87)
#define IPCX_IOC_QUEUE_STAT	_IO(IPCX_IOC_MAGIC, 0x88)
#define IPCX_IOC_QUEUE_CALL	_IO(IPCX_IOC_MAGIC, 0x89)
#define IPCX_IOC_QUEUE_REPLY	_IO(IPCX_IOC_MAGIC, 0x8a)

enum ipcx_kind { IPCX_KIND_QUEUE = 1, IPCX_KIND_TOPIC, IPCX_KIND_REGION }; /* of a name */

#define IPCX_FEATURE_QUEUE	(1ULL << 0)	/* struct ipcx_info::out_features */
#define IPCX_FEATURE_CALL	(1ULL << 1)

/**
 * struct ipcx_info - what this kernel module can do and how much of it
 * @size: sizeof(struct ipcx_info) of the caller
 * @flags: must be 0
 * @out_abi: IPCX_ABI_VERSION of the module
 * @out_depth_max: largest depth of a queue
 * @out_features: IPCX_FEATURE_* bits
 * @out_msg_max: largest msg_max of a queue, bytes
 * @out_user_bytes: bytes charged to the user who opened this file
 * @out_user_bytes_max: limit of @out_user_bytes (module parameter user_bytes_max)
 * @out_user_queues: objects that this user created and that exist
 * @out_user_queues_max: limit of each of @out_user_queues and _regions (parameter user_queues_max)
 * @out_user_regions: regions in messages that this user sent and that are not over
 *
 * CAP_SYS_RESOURCE is not bound by the limits. Can also fail with ENOMEM.
 */
struct ipcx_info {
	__u32 size;
	__u32 flags;
	__u32 out_abi;
	__u32 out_depth_max;
	__aligned_u64 out_features;
	__aligned_u64 out_msg_max;
	__aligned_u64 out_user_bytes;
	__aligned_u64 out_user_bytes_max;
	__u32 out_user_queues;
	__u32 out_user_queues_max;
	__aligned_u64 out_user_regions;
};

/* struct ipcx_queue_open::flags */
#define IPCX_OPEN_CREATE	(1U << 0)	/* create the queue if there is none */
#define IPCX_OPEN_EXCL		(1U << 1)	/* with CREATE: EEXIST if there is one */
#define IPCX_OPEN_SEND		(1U << 2)	/* the endpoint may send */
#define IPCX_OPEN_RECV		(1U << 3)	/* the endpoint may receive */
#define IPCX_OPEN_EPHEMERAL	(1U << 4)	/* with CREATE: the last close unlinks */
#define IPCX_OPEN_SEALED	(1U << 5)	/* with CREATE: no sender can change what it sent */
#define IPCX_OPEN_VALID_FLAGS \
	(IPCX_OPEN_CREATE | IPCX_OPEN_EXCL | IPCX_OPEN_SEND | IPCX_OPEN_RECV | \
	 IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEALED)

/* What a loan does when the queue is full, struct ipcx_queue_open::policy. */
enum ipcx_policy {
	IPCX_POLICY_BLOCK,		/* it waits until its deadline */
	IPCX_POLICY_FAIL,		/* EAGAIN, whatever its deadline */
	IPCX_POLICY_DROP_OLDEST,	/* lowest priority, oldest; no sender's only */
	IPCX_POLICY_DROP_NEWEST		/* the commit drops what would leave no room for a loan */
};

#define IPCX_LEASE_MS_MAX	(24U * 60 * 60 * 1000)

/**
 * struct ipcx_queue_open - open an endpoint of a queue, creating it if asked
 * @size: sizeof(struct ipcx_queue_open) of the caller
 * @flags: IPCX_OPEN_*; at least one of SEND and RECV
 * @name: address of the name, not NUL-terminated; 0 for an anonymous queue
 * @name_len: 1..IPCX_NAME_MAX bytes; 0 for an anonymous queue: it travels as descriptor only
 * @mode: permission bits of a new queue, 0..0777: read is receive, write is send; no umask
 * @depth: slots of a new queue, 1..out_depth_max; 0 is 64
 * @policy: of a new queue, enum ipcx_policy
 * @msg_max: longest message of a new queue, 1..out_msg_max bytes; 0 is 64 MiB
 * @bytes_max: payload of a new queue, whole pages, at least msg_max; 0: the larger of that and 256
 *	MiB
 * @dead_letter: address of the name of the queue that gets what a new queue gives up (see
 *	@max_deliveries and struct ipcx_desc::expires); 0 if it is to be dropped. The opener must
 *	be allowed to send there, and is the sender of what arrives; the queue keeps it open
 * @dead_letter_len: length of that name, bytes; 0 for none
 * @max_deliveries: a message of a new queue that was taken so often and came back each time is
 *	given up; 0 for no limit
 * @lease_ms: a message of a new queue that was taken and not released for so many milliseconds
 *	goes back to the queue, 1..IPCX_LEASE_MS_MAX; 0 for no limit
 * @leases_max: messages of a new queue that one endpoint may hold unreleased; 0 for no limit
 * @out_id: number of the queue, never used again
 * @out_dead_letter: number of its dead-letter queue, 0 for none
 * @out_msg_max: longest message of the queue, bytes
 * @out_bytes_max: bytes of payload pages that the queue may hold
 * @out_stride: slot i lies i * out_stride bytes into a window
 * @out_tx_offset: file offset of the window that is written through
 * @out_rx_offset: file offset of the window that is read through
 * @out_window: bytes of a window
 * @out_depth: slots of the queue
 * @out_mode: permission bits of the queue
 * @out_uid: owner of the queue, as seen from the caller's user namespace
 * @out_gid: group of the queue, likewise
 * @out_policy: what the queue does when it is full
 * @out_max_deliveries: of the queue
 * @out_lease_ms: of the queue
 * @out_flags: IPCX_OPEN_EPHEMERAL and IPCX_OPEN_SEALED as the queue is
 * @out_leases_max: of the queue
 * @__reserved: must be 0
 *
 * The returned file descriptor is the endpoint, close-on-exec. Closing its last copy gives its
 * loans back and puts the messages that it took and did not release back to the front of the
 * queue. Attributes are those of the creator: an opener of an existing queue reads them from the
 * out fields.
 *
 * A slot is kept for each user who has an endpoint that may send and no slot in use, on loan or
 * with a message that is not done; a page with it, but from a user's first. So users who have some
 * find the queue full while as many slots are free as are kept for others. Where slots are fewer
 * than kept, who came first is first.
 *
 * Return: the file descriptor, or
 *	EACCES        the mode of the queue, or of its dead-letter queue, does not allow it
 *	EDQUOT        the opener's limit on queues or on bytes is reached
 *	EEXIST        CREATE and EXCL, and the name is taken
 *	EINVAL        no right asked for; anonymous, EXCL, EPHEMERAL or SEALED without CREATE
 *	EMFILE        too many files open in the process; ENFILE in the system
 *	ELOOP         the dead-letter queue has a dead-letter queue itself
 *	ENOENT        no such name and no CREATE; or no such dead-letter queue
 *	ENOMEM        no memory, or the memory cgroup's limit is reached
 *	ENOSPC        SEND: each slot is kept for another sending user, or 1,024 users are there
 *	EPROTOTYPE    a name stands for something that is not a queue
 */
struct ipcx_queue_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 mode;
	__u32 depth;
	__u32 policy;
	__aligned_u64 msg_max;
	__aligned_u64 bytes_max;
	__aligned_u64 dead_letter;
	__u32 dead_letter_len;
	__u32 max_deliveries;
	__u32 lease_ms;
	__u32 leases_max;
	__aligned_u64 out_id;
	__aligned_u64 out_dead_letter;
	__aligned_u64 out_msg_max;
	__aligned_u64 out_bytes_max;
	__aligned_u64 out_stride;
	__aligned_u64 out_tx_offset;
	__aligned_u64 out_rx_offset;
	__aligned_u64 out_window;
	__u32 out_depth;
	__u32 out_mode;
	__u32 out_uid;
	__u32 out_gid;
	__u32 out_policy;
	__u32 out_max_deliveries;
	__u32 out_lease_ms;
	__u32 out_flags;
	__u32 out_leases_max;
	__u32 __reserved;
};

/* struct ipcx_unlink::flags */
#define IPCX_UNLINK_NOW			(1U << 0)	/* nobody sends or receives any more */
#define IPCX_UNLINK_VALID_FLAGS		(IPCX_UNLINK_NOW)

/**
 * struct ipcx_unlink - take a name away
 * @size: sizeof(struct ipcx_unlink) of the caller
 * @flags: 0, or IPCX_UNLINK_NOW: from now on LOAN, COMMIT and TAKE of those who have the queue
 *	open fail with EIDRM, and so do the sleeping ones; poll tells EPOLLHUP and EPOLLERR
 * @name: address of the name, not NUL-terminated
 * @name_len: length of the name, 1..IPCX_NAME_MAX bytes
 * @kind: IPCX_KIND_* that the name must stand for
 *
 * The object stays with those who have it open and goes with the last of them.
 *
 * Return: 0, or
 *	EACCES        the opener is neither owner nor has CAP_IPC_OWNER
 *	EINVAL        not a name, or @kind is not one; EOPNOTSUPP: NOW and a topic
 *	ENOENT        no such name
 *	EPROTOTYPE    the name stands for another kind
 */
struct ipcx_unlink {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 kind;
};

/*
 * struct ipcx_desc::flags. In a dead-letter queue the first two say why a message was given up.
 * They, CANCELED and OWNERDEAD say of an answer that it is none: it has no payload.
 */
#define IPCX_MSG_POISON		(1U << 0)	/* it came back max_deliveries times */
#define IPCX_MSG_EXPIRED	(1U << 1)	/* nobody took it in time */
#define IPCX_MSG_REQUEST	(1U << 2)	/* its sender waits for an answer */
#define IPCX_MSG_INLINE		(1U << 3)	/* its payload is in no slot, see inline_data */
#define IPCX_MSG_CANCELED	(1U << 4)	/* released without a reply, or dropped */
#define IPCX_MSG_OWNERDEAD	(1U << 5)	/* the last receiver is gone */
#define IPCX_MSG_REGIONS	(1U << 6)	/* it carries some, <linux/ipcx_region.h> */
#define IPCX_MSG_VALID_FLAGS \
	(IPCX_MSG_POISON | IPCX_MSG_EXPIRED | IPCX_MSG_REQUEST | IPCX_MSG_INLINE | \
	 IPCX_MSG_CANCELED | IPCX_MSG_OWNERDEAD | IPCX_MSG_REGIONS)

/**
 * struct ipcx_desc - one message, or one empty slot, in an array
 * @slot: the slot, 0..depth - 1
 * @flags: IPCX_MSG_*; in a commit and a reply only those that are named there, else not looked at
 * @len: length of the message, 0..msg_max bytes
 * @tag: the application's word, carried unchanged
 * @seq: number of the message in its queue, from 1, in the order of commits
 * @prio: priority, 0..IPCX_PRIO_MAX; higher is taken first
 * @deliveries: how often this message was taken and came back
 * @pid: process that committed it, in the taker's PID namespace; 0 when not visible or gone
 * @uid: user of the endpoint that committed it, as seen from the taker's user namespace
 * @gid: group of that endpoint, likewise
 * @__reserved: must be 0
 * @expires: when the message is given up instead of being taken, CLOCK_MONOTONIC ns; 0 is never
 *
 * Each ioctl says which members it reads and which it writes; the others are neither.
 *
 * A message of up to IPCX_INLINE_MAX bytes, marked by IPCX_MSG_INLINE, can do without pages and
 * window: it is copied. Its sender and its taker have a place of so many bytes for each slot in
 * their own memory, the first at @inline_data of the ioctls. So does write(2) where it fits.
 */
struct ipcx_desc {
	__u32 slot;
	__u32 flags;
	__aligned_u64 len;
	__aligned_u64 tag;
	__aligned_u64 seq;
	__u32 prio;
	__u32 deliveries;
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u32 __reserved;
	__s64 expires;
};

/* struct ipcx_queue_loan::flags */
#define IPCX_LOAN_REQUEST	(1U << 0)	/* and keep a slot for the reply to it */
#define IPCX_LOAN_REPLY		(1U << 1)	/* for replies to requests that are held */
#define IPCX_LOAN_INLINE	(1U << 2)	/* without pages, for IPCX_MSG_INLINE */
#define IPCX_LOAN_VALID_FLAGS	(IPCX_LOAN_REQUEST | IPCX_LOAN_REPLY | IPCX_LOAN_INLINE)

/**
 * struct ipcx_queue_loan - get empty slots to write messages into
 * @size: sizeof(struct ipcx_queue_loan) of the caller
 * @flags: IPCX_LOAN_*; REQUEST and REPLY not together. A loan for a reply needs the right to
 *	receive instead of that to send, and a request that is held and has none yet
 * @descs: address of an array of struct ipcx_desc; reads len, writes slot
 * @count: entries of the array, 1..IPCX_BATCH_MAX
 * @desc_size: sizeof(struct ipcx_desc) of the caller; grows as @size does
 * @deadline: how long to wait for the first slot; the others are not waited for
 *
 * A slot on loan is written through the TX window, len bytes of it.
 *
 * Return: number of slots got, 1..count, or
 *	EAGAIN        also: the queue is full and its policy FAIL
 *	EDQUOT        the creator's limit on bytes is reached
 *	EMSGSIZE      len is larger than msg_max of the queue, or INLINE and than IPCX_INLINE_MAX
 *	ENOMEM        no memory, or the creator's memory cgroup is at its limit
 *	ENOSPC        REQUEST, and a queue of one slot has no room for a reply
 *	EPERM         it may not send; REPLY: not receive, or has a loan for each request it holds
 */
struct ipcx_queue_loan {
	__u32 size;
	__u32 flags;
	__aligned_u64 descs;
	__u32 count;
	__u32 desc_size;
	__s64 deadline;
};

#define IPCX_SLOT_NONE			(~0U)		/* no slot */

/* struct ipcx_queue_commit::flags */
#define IPCX_COMMIT_LOAN		(1U << 0)	/* bring back empty slots */
#define IPCX_COMMIT_VALID_FLAGS		(IPCX_COMMIT_LOAN)

/**
 * struct ipcx_queue_commit - send slots that are on loan
 * @size: sizeof(struct ipcx_queue_commit) of the caller
 * @flags: 0, or IPCX_COMMIT_LOAN: for each message sent, slot and len of its entry become those of
 *	a new loan, at least as long as the old, if one can be had at once and enough of the queue
 *	is free (a quarter of its bytes, and msg_max; where there is another sender or loan, a
 *	quarter of its slots), or slot becomes IPCX_SLOT_NONE: above 64 KiB until some such went
 * @descs: address of an array of struct ipcx_desc; reads slot, flags, len, tag, prio, expires.
 *	flags may have IPCX_MSG_INLINE, and IPCX_MSG_REQUEST: the answer is taken with
 *	IPCX_TAKE_ANSWER or by QUEUE_CALL
 * @count: entries of the array, 1..IPCX_BATCH_MAX
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 * @inline_data: address of the places of inline messages
 *
 * For a request its number is written to seq. len may be smaller than what was loaned. The slot is
 * no longer the sender's; in a SEALED queue its TX window does not show it any more, and what
 * somebody had pinned (vmsplice, O_DIRECT) was replaced by a copy.
 *
 * Return: number of messages sent, or
 *	EINVAL        the loan is without pages and the message is not INLINE
 *	EMSGSIZE      len is larger than what was loaned, or INLINE and larger than IPCX_INLINE_MAX
 *	ENOBUFS       REQUEST: no slot can be kept for the reply; LOAN with REQUEST waits for one
 *	ENOMEM        SEALED: no memory for a copy of what is pinned
 *	EPERM         the slot is not on loan to this endpoint, or is for a reply
 */
struct ipcx_queue_commit {
	__u32 size;
	__u32 flags;
	__aligned_u64 descs;
	__u32 count;
	__u32 desc_size;
	__aligned_u64 inline_data;
};

/**
 * struct ipcx_queue_cancel - give back slots on loan without sending them
 * @size: sizeof(struct ipcx_queue_cancel) of the caller
 * @flags: must be 0
 * @descs: address of an array of struct ipcx_desc; reads slot
 * @count: entries of the array, 1..IPCX_BATCH_MAX
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 *
 * Return: number of slots given back, or
 *	EPERM         the slot is not on loan to this endpoint
 */
struct ipcx_queue_cancel {
	__u32 size;
	__u32 flags;
	__aligned_u64 descs;
	__u32 count;
	__u32 desc_size;
};

/* struct ipcx_queue_take::flags */
#define IPCX_TAKE_RELEASE		(1U << 0)	/* release what the array holds first */
#define IPCX_TAKE_PEEK			(1U << 1)	/* only look */
#define IPCX_TAKE_ANSWER		(1U << 2)	/* to a request of one's own */
#define IPCX_TAKE_VALID_FLAGS	(IPCX_TAKE_RELEASE | IPCX_TAKE_PEEK | IPCX_TAKE_ANSWER)

/**
 * struct ipcx_queue_take - receive messages
 * @size: sizeof(struct ipcx_queue_take) of the caller
 * @flags: 0, or IPCX_TAKE_RELEASE: the messages in the array (slot and seq; not those with
 *	IPCX_SLOT_NONE) are released first, as by QUEUE_RELEASE, up to the first that cannot be.
 *	They stay released when nothing can be taken. If all were, the slot of each entry that no
 *	message is written to becomes IPCX_SLOT_NONE. Or, alone, IPCX_TAKE_PEEK: the next message
 *	is described and stays where it is, slot becomes IPCX_SLOT_NONE; @count must be 1 and
 *	@deadline NOWAIT. Or, alone, IPCX_TAKE_ANSWER: the first answer to a request of this
 *	endpoint, which may have no right but to send; @count must be 1. Its seq is the number of
 *	the request and its tag that of the request; it is released as a message is, and if it is
 *	nacked it can be taken again
 * @descs: address of an array of struct ipcx_desc; all members are written
 * @count: entries of the array, 1..IPCX_BATCH_MAX
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 * @deadline: how long to wait for the first message; the others are not waited for
 * @len_max: a message longer than this is not taken, bytes
 * @inline_data: address of the places of inline messages; 0: EFAULT if there is one, which stays
 *
 * A message is read through the RX window and is the taker's until it is released. Where an entry
 * of the array cannot be written, the messages from there on stay in the queue.
 *
 * Return: number of messages taken, 1..count, or
 *	EBUSY         the endpoint holds leases_max messages, whatever @deadline; no EPOLLIN then
 *	EMSGSIZE      the next message is longer than @len_max
 *	EPERM         it may not receive; ANSWER: not send; or does not hold what to release
 *	ESTALE        a slot to release holds another message than seq
 */
struct ipcx_queue_take {
	__u32 size;
	__u32 flags;
	__aligned_u64 descs;
	__u32 count;
	__u32 desc_size;
	__s64 deadline;
	__aligned_u64 len_max;
	__aligned_u64 inline_data;
};

/* struct ipcx_queue_release::flags */
#define IPCX_RELEASE_NACK		(1U << 0)	/* back to the front of the queue */
#define IPCX_RELEASE_VALID_FLAGS	(IPCX_RELEASE_NACK)

/**
 * struct ipcx_queue_release - acknowledge messages and give their slots back
 * @size: sizeof(struct ipcx_queue_release) of the caller
 * @flags: 0, or IPCX_RELEASE_NACK: not done, deliver again with deliveries + 1
 * @descs: address of an array of struct ipcx_desc; reads slot and seq
 * @count: entries of the array, 1..IPCX_BATCH_MAX
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 *
 * A request that is released without a reply is answered by IPCX_MSG_CANCELED.
 *
 * Return: number of messages released, or
 *	EPERM         the slot does not hold a message taken by this endpoint
 *	ESTALE        the slot holds another message than seq
 */
struct ipcx_queue_release {
	__u32 size;
	__u32 flags;
	__aligned_u64 descs;
	__u32 count;
	__u32 desc_size;
};

/**
 * struct ipcx_queue_stat - what is in a queue, and what became of its messages
 * @size: sizeof(struct ipcx_queue_stat) of the caller
 * @flags: must be 0
 * @out_free: slots that are free
 * @out_loaned: slots on loan
 * @out_queued: messages waiting
 * @out_leased: messages taken and not released yet
 * @out_senders: endpoints that may send
 * @out_receivers: endpoints that may receive
 * @out_bytes: bytes of payload pages
 * @out_sent: messages committed since the queue was made
 * @out_released: of these, done
 * @out_dropped_oldest: dropped to make room for others
 * @out_dropped_newest: dropped because there was no room
 * @out_expired: given up because nobody took them in time
 * @out_poison: given up because they came back too often
 * @out_redelivered: how often a message came back and was queued again
 * @out_dead_lettered: messages given up that the dead-letter queue took
 * @out_dead_letter_failed: that it could not take: full, too small, no memory
 * @out_withdrawn: requests given up before anybody took them, or left behind by the last receiver
 * @out_answers: answers not yet taken, or not released, by their callers; the requests are done
 * @out_requests: free slots that are kept for replies
 *
 * Taken at one instant: out_sent is the sum of out_queued, out_leased and of what became of the
 * others, but for messages between two of these states, counted in out_loaned.
 */
struct ipcx_queue_stat {
	__u32 size;
	__u32 flags;
	__u32 out_free;
	__u32 out_loaned;
	__u32 out_queued;
	__u32 out_leased;
	__u32 out_senders;
	__u32 out_receivers;
	__aligned_u64 out_bytes;
	__aligned_u64 out_sent;
	__aligned_u64 out_released;
	__aligned_u64 out_dropped_oldest;
	__aligned_u64 out_dropped_newest;
	__aligned_u64 out_expired;
	__aligned_u64 out_poison;
	__aligned_u64 out_redelivered;
	__aligned_u64 out_dead_lettered;
	__aligned_u64 out_dead_letter_failed;
	__aligned_u64 out_withdrawn;
	__u32 out_answers;
	__u32 out_requests;
};

/* struct ipcx_queue_call::flags */
#define IPCX_CALL_WAIT		(1U << 0)	/* the request was sent before: only wait */
#define IPCX_CALL_RELEASE	(1U << 1)	/* release the answer in reply first */
#define IPCX_CALL_LOAN		(1U << 2)	/* bring back an empty slot */
#define IPCX_CALL_VALID_FLAGS	(IPCX_CALL_WAIT | IPCX_CALL_RELEASE | IPCX_CALL_LOAN)

/**
 * struct ipcx_queue_call - send a request and wait for its answer
 * @size: sizeof(struct ipcx_queue_call) of the caller
 * @flags: IPCX_CALL_*; WAIT with nothing else
 * @request: address of a struct ipcx_desc; reads what QUEUE_COMMIT reads, or with WAIT seq only.
 *	As soon as it is sent, seq becomes its number, and slot and len those of a new loan for a
 *	request, with LOAN, as in QUEUE_COMMIT; else slot becomes IPCX_SLOT_NONE
 * @reply: address of a struct ipcx_desc; with RELEASE reads slot and seq. All members are written
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 * @__reserved: must be 0
 * @deadline: how long to wait for the answer
 * @inline_data: address of the places of inline messages
 *
 * The answer is a message with seq and tag of the request, read through the RX window, and
 * released as any message. With it, or with an error that is an answer, the call is over. So it is
 * with ETIMEDOUT: the request is taken back, or if somebody has it already the answer to it is
 * dropped. After EINTR and EFAULT it goes on: WAIT with the seq that was written goes on waiting,
 * or TAKE with IPCX_TAKE_ANSWER. An answer that was released stays so if the request cannot be
 * sent; slot of reply is IPCX_SLOT_NONE then.
 *
 * Return: 0, or
 *	EAGAIN        the call goes on
 *	EBUSY         WAIT: another thread waits for this answer
 *	ECANCELED     answer: the request was released without a reply, or dropped
 *	EMSGSIZE      as in QUEUE_COMMIT; so are ENOBUFS and ENOMEM
 *	ENOENT        WAIT: this endpoint has neither a request of this number nor its answer
 *	EOWNERDEAD    answer: the last receiver is gone
 *	EPERM         it may not send, has not the slot on loan, or not the answer to release
 *	ESTALE        RELEASE: the slot holds another message than seq
 *	ETIME         answer: the request expired
 */
struct ipcx_queue_call {
	__u32 size;
	__u32 flags;
	__aligned_u64 request;
	__aligned_u64 reply;
	__u32 desc_size;
	__u32 __reserved;
	__s64 deadline;
	__aligned_u64 inline_data;
};

/* struct ipcx_queue_reply::flags */
#define IPCX_REPLY_TAKE		(1U << 0)	/* then take the next message */
#define IPCX_REPLY_VALID_FLAGS	(IPCX_REPLY_TAKE)

/**
 * struct ipcx_queue_reply - answer a request, and perhaps take the next message
 * @size: sizeof(struct ipcx_queue_reply) of the caller
 * @flags: 0 or IPCX_REPLY_TAKE
 * @request: address of a struct ipcx_desc; reads slot and seq of a request that this endpoint
 *	holds. With TAKE all members are written, as in QUEUE_TAKE; slot becomes IPCX_SLOT_NONE
 *	when the reply was sent and no message taken, and with that slot nothing is replied
 * @reply: address of a struct ipcx_desc; reads slot, flags and len: a slot that was loaned for a
 *	reply or otherwise; or IPCX_SLOT_NONE with IPCX_MSG_INLINE
 * @desc_size: sizeof(struct ipcx_desc) of the caller
 * @__reserved: must be 0
 * @deadline: TAKE: how long to wait for the next message
 * @len_max: TAKE: a message longer than this is not taken, bytes
 * @inline_data: TAKE: address of the places of inline messages
 * @reply_data: address of the payload of an inline reply
 *
 * The request is released. If its caller has given up, the reply goes nowhere; that is no error.
 *
 * Return: 0, or, with TAKE when the reply was sent, as QUEUE_TAKE, or
 *	EIDRM         the request is held unless slot says otherwise
 *	EINVAL        the message is not a request
 *	EMSGSIZE      it is longer than was loaned, or INLINE and than IPCX_INLINE_MAX or msg_max
 *	ENOMEM        as in QUEUE_COMMIT
 *	EPERM         it may not receive, or does not hold the request, or the slot of the reply
 *	ESTALE        the slot of the request holds another message than seq
 */
struct ipcx_queue_reply {
	__u32 size;
	__u32 flags;
	__aligned_u64 request;
	__aligned_u64 reply;
	__u32 desc_size;
	__u32 __reserved;
	__s64 deadline;
	__aligned_u64 len_max;
	__aligned_u64 inline_data;
	__aligned_u64 reply_data;
};

#endif /* _UAPI_LINUX_IPCX_H */
