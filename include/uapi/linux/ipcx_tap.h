/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * Taps of /dev/ipcx: who may administrate looks at the messages of a queue or topic. Growth, and
 * the errors that all ioctls share, are as in <linux/ipcx.h>.
 *
 * Nobody does anything for a tap: it takes no message and holds no slot, whether it is read or not.
 * It looks when it is read, and then finds what is still there: messages that wait, that were
 * taken, or that are over while their slot or cell was not used again. So it is a sample.
 *
 * Of a queue it says exactly how many of those it missed that were sent since it was opened. Of a
 * topic it says how many it missed of each ring that is there when it looks: at least, for what was
 * in a ring that went meanwhile is not counted (one that nobody subscribes to goes with its
 * publisher), and as the numbers in the ring have it, which are the publisher's, where messages
 * that were canceled may count.
 *
 * Who gives pages back or copies pinned ones (a loan of another length, a sealed queue, who is
 * short of bytes), or joins, leaves or sleeps in a topic, may wait while a read copies one page, or
 * looks at 1024 positions of a ring: for microseconds, unless the reader is preempted just then.
 *
 * read(2) gives whole struct ipcx_tap_record, each with the first bytes of its message behind it,
 * and moves on. It never waits, and neither poll(2) nor epoll tells when to read: do so at times.
 */
#ifndef _UAPI_LINUX_IPCX_TAP_H
#define _UAPI_LINUX_IPCX_TAP_H

#include <linux/ipcx.h>

/* On /dev/ipcx: */
#define IPCX_IOC_TAP_OPEN	_IO(IPCX_IOC_MAGIC, 0x94)

#define IPCX_FEATURE_TAP	(1ULL << 4)	/* struct ipcx_info::out_features */

#define IPCX_TAP_SNAP_MAX	(1U << 20)	/* bytes of a message that a tap can show */

/**
 * struct ipcx_tap_open - look at the messages of a queue or topic
 * @size: sizeof(struct ipcx_tap_open) of the caller
 * @flags: must be 0
 * @name: address of the name, not NUL-terminated
 * @name_len: 1..IPCX_NAME_MAX bytes
 * @kind: IPCX_KIND_QUEUE or IPCX_KIND_TOPIC
 * @snap: bytes of each message to show at most, 0..IPCX_TAP_SNAP_MAX
 * @record_size: sizeof(struct ipcx_tap_record) of the caller, a multiple of 8: so far behind the
 *	beginning of each record is its message; what the kernel does not know of it is 0
 * @out_id: number of the queue or topic
 *
 * It begins with the messages of a queue that wait or are taken at the first read: what was sent
 * before the tap was opened, and is over by then, is not even missed; of a topic, with the next. An
 * EPHEMERAL object goes with its last end, tapped or not; memory stays until the tap is closed.
 * Needs CAP_SYS_ADMIN over the network namespace when /dev/ipcx was opened, in a user namespace
 * that has owner and group of the object.
 *
 * read(2) of the descriptor returns bytes of records, or
 *	EAGAIN        nothing is new
 *	EBUSY         another thread reads
 *	EFAULT        the buffer cannot be written; the next read begins with the same record
 *	EIDRM         nothing is new, and nothing will be: a queue was removed with
 *		      IPCX_UNLINK_NOW, or the object has neither name nor open end any more
 *	EINTR         the caller is being killed
 *	EINVAL        there is no room for @record_size and @snap bytes, rounded up to 8
 *
 * Return: the descriptor, close-on-exec, or
 *	EINVAL        kind, snap, record_size or name out of range
 *	EMFILE        too many files open in the process; ENFILE in the system
 *	ENOENT        there is no such name
 *	ENOMEM        no memory, or the memory cgroup's limit is reached
 *	EPERM         the opener of /dev/ipcx may not
 *	EPROTOTYPE    the name stands for something else
 */
struct ipcx_tap_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 kind;
	__u32 snap;
	__u32 record_size;
	__aligned_u64 out_id;
};

/* struct ipcx_tap_record::state: where the message was at that moment */
enum ipcx_tap_state {
	IPCX_TAP_LOST,		/* no message: all up to @seq are missed that were not shown */
	IPCX_TAP_QUEUED,	/* it waits */
	IPCX_TAP_TAKEN,		/* somebody has it */
	IPCX_TAP_OVER,		/* released, dropped or given up */
	IPCX_TAP_PUBLISHED	/* of a topic, which does not know who has read it */
};

/**
 * struct ipcx_tap_record - a message that a tap has seen
 * @size: bytes up to the next record, a multiple of 8: this, @snapped bytes, zeros
 * @state: enum ipcx_tap_state
 * @seq: number of the message; in a topic, each ring has its own, of 32 bits that wrap
 * @missed: messages, since the last record (in a topic, of this ring), that it did not see; in a
 *	topic, where something was overwritten, canceled ones may be among these
 * @len: bytes of the message
 * @tag: the application's word
 * @publisher: in a topic, id of the ring's publisher, as in its directory; in a queue 0
 * @snapped: so many bytes of the message follow
 * @ring: in a topic, number of the ring; in a queue 0
 * @prio: its priority, in a topic 0
 * @deliveries: how often it came back, in a topic 0
 * @flags: IPCX_MSG_*, as TAKE tells them; in a topic 0
 * @pid: process that sent it, or opened the ring, as the reader sees it; 0 if it does not
 * @uid: user who did, as seen from the reader's user namespace
 * @gid: group, likewise
 */
struct ipcx_tap_record {
	__u32 size;
	__u32 state;
	__aligned_u64 seq;
	__aligned_u64 missed;
	__aligned_u64 len;
	__aligned_u64 tag;
	__aligned_u64 publisher;
	__u32 snapped;
	__u32 ring;
	__u32 prio;
	__u32 deliveries;
	__u32 flags;
	__s32 pid;
	__u32 uid;
	__u32 gid;
};

#endif /* _UAPI_LINUX_IPCX_TAP_H */
