/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * Topics of /dev/ipcx: the pages that members share, and the ioctls. Growth, errors that all
 * share, times and deadlines are as in <linux/ipcx.h>.
 *
 * A member is an open end of a topic: a publisher, a subscriber, or both. What they say to each
 * other goes through pages that have one writer each; everybody else maps them read-only.
 *
 *   page                  writer            readers                  offset in the member's file
 *   directory             the kernel        all                      0
 *   control page s        subscriber s      publishers, kernel       out_control_offset + s pages
 *   ring r                publisher r       subscribers, kernel      out_ring_offset + r windows
 *   payload of ring r     publisher r       subscribers              out_data_offset + r windows
 *
 *   ring r, depth 8:       cursor of a          head: next position
 *                          slow subscriber      to be loaned
 *                            |                    |
 *   position   ...  8    9  10  11  12  13  14   15
 *   cell            0    1   2   3   4   5   6    7       (position modulo depth)
 *                            <---- unread ----> <free>
 *
 * A position is a number of 62 bits that wraps; each ring starts at the topic's @first. The word of
 * a cell is its position times 4 plus IPCX_CELL_*, so it tells what the cell holds and in which
 * round. A cell that was never written has the word of the round before @first, as skipped.
 *
 * PUBLISH position p: make sure that nobody wants p - depth any more, head := p + 1, write payload,
 * length, number and tag, then [A] word := p, PUBLISHED; then [C] look at attention of the ring: if
 * that is not the value kicked for last, TOPIC_KICK.
 *
 * TAKE position p: [B] read the word. Older than p, or p and WRITING: nothing there yet. p and
 * PUBLISHED: it is there. p and SKIPPED or CANCELED: go to p + 1. Newer than p: it was overwritten.
 *
 * A subscriber's cursor of a ring is the oldest position that it has not released. A publisher
 * keeps the lowest of all cursors, and looks at them again only when p - depth has reached it. A
 * RELIABLE subscriber gates: until its cursor is beyond p - depth the publisher waits. A lossy one
 * does not: where its cursor is not beyond p - depth, the publisher sets the word to p, WRITING,
 * then [F] looks at its holds; if one names the cell, the word becomes p, SKIPPED, the payload
 * stays as it is, and p + 1 is tried. A lossy subscriber that wants the payload where it lies sets
 * a hold and then [E] reads the word again; a message that lies in the cell is copied and the word
 * then [G] read again. One that finds its position overwritten goes on at a newer one; the numbers
 * of messages tell how many it missed.
 *
 * SLEEP: only the kernel puts to sleep, in poll and TOPIC_WAIT. It [D] changes the attention word,
 * makes the CPUs that may run the other side serialise, and looks again. So there is no full
 * barrier on the side that is awake. Publishers are waited for at attention of each ring,
 * subscribers, by publishers without room, at attention of the directory. The library, where it
 * has no kernel module, need not make them serialise before a sleep that soon ends by itself, if
 * they say that they [N] have a full barrier of their own before they look at attention: as they do
 * at first, and for a while after each kick.
 *
 * JOIN and LEAVE: the kernel changes cursors [J], masks, and then [H] generation, all with release:
 * who left has read. Who sees a generation that it does not know [I] reads masks and entries again.
 * A new subscriber starts, after the CPUs of publishers were made to serialise, at least one
 * position above what may be being overwritten.
 *
 *   A word := PUBLISHED           release        B read of the word            acquire
 *   C look at attention           compiler only  D attention := + 1            full, on both sides
 *   E hold, then word             full           F WRITING, then holds         full
 *   G copy, then word             acquire fence  F WRITING, then payload       release fence
 *   H generation := + 1           release        I read of the generation      acquire
 *   J cursor := p + 1             release        K read of a cursor            acquire
 *   L cursor, then attention      compiler only  D
 *   M head := p + 1, then payload  compiler only  G likewise, then head        acquire fence
 *   N "no barrier", then look     full           D attention, then what is said
 *
 * Everything read from a page of another member is a hint: read once, bounded. One that cannot be
 * is a contradiction, and ends the pair of that ring and that subscriber, nothing else.
 */
#ifndef _UAPI_LINUX_IPCX_TOPIC_H
#define _UAPI_LINUX_IPCX_TOPIC_H

#include <linux/ipcx.h>

#define IPCX_FEATURE_TOPIC	(1ULL << 2)	/* struct ipcx_info::out_features */

#define IPCX_TOPIC_RINGS	63	/* publishers of a topic at once, undrained dead ones too */
#define IPCX_TOPIC_SUBS		128	/* subscriptions of a topic */
#define IPCX_TOPIC_HOLDS	4	/* messages that a lossy subscriber may hold */
#define IPCX_CELL_DATA		104	/* bytes of a message that needs no payload slot */
#define IPCX_TOPIC_DEPTH_MIN	8
#define IPCX_TOPIC_DEPTH_MAX	65536	/* a power of two, as every depth */

/* Numbers in order of introduction, on /dev/ipcx: */
#define IPCX_IOC_TOPIC_OPEN	_IO(IPCX_IOC_MAGIC, 0x8b)
/* On a member: */
#define IPCX_IOC_TOPIC_WAIT	_IO(IPCX_IOC_MAGIC, 0x8c)
#define IPCX_IOC_TOPIC_KICK	_IO(IPCX_IOC_MAGIC, 0x8d)
#define IPCX_IOC_TOPIC_POPULATE	_IO(IPCX_IOC_MAGIC, 0x8e)
#define IPCX_IOC_TOPIC_EVICT	_IO(IPCX_IOC_MAGIC, 0x8f)
#define IPCX_IOC_TOPIC_LEAVE	_IO(IPCX_IOC_MAGIC, 0x90)
#define IPCX_IOC_TOPIC_RING	_IO(IPCX_IOC_MAGIC, 0x91)
#define IPCX_IOC_TOPIC_FORGET	_IO(IPCX_IOC_MAGIC, 0x92)

/* What a cell's word says beside the position. */
#define IPCX_CELL_PUBLISHED	0	/* a message is there */
#define IPCX_CELL_SKIPPED	1	/* none, and none was counted */
#define IPCX_CELL_WRITING	2	/* none yet */
#define IPCX_CELL_CANCELED	3	/* none, but it was counted in @nr of those that follow */

/**
 * struct ipcx_cell - one position of a ring
 * @word: position * 4 + IPCX_CELL_*
 * @len: length of the message, bytes
 * @nr: its number: each message of a ring has that of the one before plus 1
 * @tag: the application's word
 * @data: the message, if it is no longer than IPCX_CELL_DATA; else it is in the payload slot of
 *	the same number as the cell
 */
struct ipcx_cell {
	__aligned_u64 word;
	__u32 len;
	__u32 nr;
	__aligned_u64 tag;
	__u8 data[IPCX_CELL_DATA];
};

/**
 * struct ipcx_ring - first page of a ring; the cells begin at the second
 * @head: next position to be loaned
 * @__reserved: 0
 */
struct ipcx_ring {
	__aligned_u64 head;
	__aligned_u64 __reserved[7];
};

/**
 * struct ipcx_control - the page of a subscriber
 * @cursor: of each ring
 * @next: of each ring, the position to be taken next: at this one the kernel looks whether there
 *	is something, for what lies at the cursor may have been taken and not released
 * @hold: of a lossy subscriber, 0 or 1 + ring * IPCX_TOPIC_DEPTH_MAX + cell
 *
 * When a ring and a subscriber meet, the kernel sets cursor and next.
 */
struct ipcx_control {
	__aligned_u64 cursor[IPCX_TOPIC_RINGS];
	__aligned_u64 next[IPCX_TOPIC_RINGS];
	__u32 hold[IPCX_TOPIC_HOLDS];
};

/* struct ipcx_dir_ring::flags */
#define IPCX_RING_DEAD		(1U << 0)	/* its publisher is gone: nothing comes at @end */

/**
 * struct ipcx_dir_ring - what the directory says of a ring
 * @id: of this publisher, never used again in this topic; 0: no ring
 * @end: DEAD: the first position that was never loaned
 * @flags: IPCX_RING_*
 * @attention: somebody sleeps until something is published; changed whenever somebody does so
 *	anew
 * @subs: bit s: subscriber s reads this ring
 * @evicted: bit s: it did, or read another ring of this number, until it was evicted or that ring
 *	had to make place; it has not left yet
 * @__reserved: 0
 */
struct ipcx_dir_ring {
	__aligned_u64 id;
	__aligned_u64 end;
	__u32 flags;
	__u32 attention;
	__aligned_u64 subs[2];
	__aligned_u64 evicted[2];
	__aligned_u64 __reserved;
};

/**
 * struct ipcx_dir - the directory
 * @generation: changes after anything here has changed but attention
 * @attention: a publisher sleeps until a cursor moves
 * @reliable: bit s: subscriber s is reliable
 * @__reserved: 0
 * @ring: the rings
 */
struct ipcx_dir {
	__u32 generation;
	__u32 attention;
	__aligned_u64 reliable[2];
	__aligned_u64 __reserved[5];
	struct ipcx_dir_ring ring[IPCX_TOPIC_RINGS];
};

/* In out_flags only: a durable subscription lost rings and no open that succeeded has told so. */
#define IPCX_TOPIC_LOST		(1U << 16)

/* struct ipcx_topic_open::flags; CREATE, EXCL and EPHEMERAL as in struct ipcx_queue_open */
#define IPCX_TOPIC_PUBLISH	(1U << 6)	/* the member may publish: it gets a ring */
#define IPCX_TOPIC_SUBSCRIBE	(1U << 7)	/* the member may subscribe */
#define IPCX_TOPIC_LOSSY	(1U << 8)	/* with SUBSCRIBE: misses what it is too slow for */
#define IPCX_TOPIC_OPEN_RELIABLE (1U << 9)	/* with CREATE: who may only read may be reliable */
#define IPCX_TOPIC_VALID_FLAGS \
	(IPCX_OPEN_CREATE | IPCX_OPEN_EXCL | IPCX_OPEN_EPHEMERAL | IPCX_TOPIC_PUBLISH | \
	 IPCX_TOPIC_SUBSCRIBE | IPCX_TOPIC_LOSSY | IPCX_TOPIC_OPEN_RELIABLE)

/**
 * struct ipcx_topic_open - become a member of a topic, creating it if asked
 * @size: sizeof(struct ipcx_topic_open) of the caller
 * @flags: IPCX_OPEN_CREATE, _EXCL, _EPHEMERAL, IPCX_TOPIC_*; PUBLISH or SUBSCRIBE or both
 * @name: address of the name, not NUL-terminated; 0 for an anonymous topic, with CREATE
 * @name_len: 1..IPCX_NAME_MAX bytes; 0 for an anonymous topic
 * @mode: permission bits of a new topic, 0..0777: read is subscribe, write is publish; no umask
 * @depth: cells of each ring of a new topic, a power of two in IPCX_TOPIC_DEPTH_MIN.._MAX; 0 is 64
 * @lag_max: a reliable subscriber that is so many positions behind a publisher of a new topic may
 *	be evicted by it, 1..depth; 0: it may not, and the publisher waits
 * @msg_max: longest message of a new topic, 1..out_msg_max of INFO, bytes; 0 is 1 MiB or that
 * @bytes_max: payload of each ring of a new topic, whole pages, at least msg_max rounded up to
 *	them; 0: depth times that, at most 256 MiB
 * @first: first position of each ring of a new topic, below 2^62; 0 but in tests
 * @durable: address of the name of a durable subscription, as @name; 0 for one that goes with the
 *	member. It is made if there is none, and stays, with its cursors, when the member goes:
 *	publishers wait for it. The next member that names it goes on behind what was released
 * @history: the member subscribes from so many positions before the present one of each publisher,
 *	as far as they are still there, at most depth - 1,
 *	and if reliable lag_max - 1; not looked at where a durable
 *	subscription goes on
 * @durable_len: length of that name, bytes; 0 for none
 * @out_id: number of the topic, never used again
 * @out_msg_max: longest message, bytes
 * @out_bytes_max: of each ring, bytes
 * @out_first: of the topic
 * @out_stride: payload slot i lies i * out_stride bytes into the payload of its ring
 * @out_control_offset: file offset of control page 0
 * @out_ring_offset: file offset of ring 0
 * @out_ring_window: bytes from one ring to the next
 * @out_data_offset: file offset of the payload of ring 0
 * @out_data_window: bytes from the payload of one ring to that of the next
 * @out_depth: cells of each ring
 * @out_mode: permission bits of the topic
 * @out_uid: owner of the topic, as seen from the caller's user namespace
 * @out_gid: group of the topic, likewise
 * @out_flags: IPCX_OPEN_EPHEMERAL and IPCX_TOPIC_OPEN_RELIABLE as the topic is; IPCX_TOPIC_LOST
 * @out_ring: number of the member's ring, -1 for none
 * @out_sub: number of its subscription, -1 for none
 * @out_lag_max: of the topic
 *
 * The returned file descriptor is the member, close-on-exec. Closing its last copy ends its ring
 * and its subscription, but a durable one. A ring stays for those who have not read it to its end,
 * as long as there are places for living ones; what only lossy subscribers have to read, and do not
 * hold, goes when its opener's limit or memory is reached and another ring of the opener's comes.
 *
 * Return: the file descriptor, or
 *	EACCES        the mode does not allow it; or reliable, and neither the right to publish nor
 *		      OPEN_RELIABLE; or the durable subscription is another user's
 *	EBUSY         a member has the durable subscription
 *	EDQUOT        the opener's limit on queues and topics, or on bytes, is reached
 *	EEXIST        CREATE and EXCL, and the name is taken
 *	EINVAL        neither PUBLISH nor SUBSCRIBE; LOSSY, history or durable without SUBSCRIBE;
 *		      LOSSY with durable; anonymous, EXCL, EPHEMERAL or OPEN_RELIABLE without CREATE
 *	EMFILE        too many files open in the process; ENFILE in the system
 *	ENOENT        no such name and no CREATE
 *	ENOMEM        no memory, or the memory cgroup's limit is reached
 *	ENOSPC        as many publishers or subscriptions as a topic can have; who does not own it
 *		      gets half of them
 *	EPROTOTYPE    the name stands for something that is not a topic
 */
struct ipcx_topic_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 mode;
	__u32 depth;
	__u32 lag_max;
	__aligned_u64 msg_max;
	__aligned_u64 bytes_max;
	__aligned_u64 first;
	__aligned_u64 durable;
	__u32 history;
	__u32 durable_len;
	__aligned_u64 out_id;
	__aligned_u64 out_msg_max;
	__aligned_u64 out_bytes_max;
	__aligned_u64 out_first;
	__aligned_u64 out_stride;
	__aligned_u64 out_control_offset;
	__aligned_u64 out_ring_offset;
	__aligned_u64 out_ring_window;
	__aligned_u64 out_data_offset;
	__aligned_u64 out_data_window;
	__u32 out_depth;
	__u32 out_mode;
	__u32 out_uid;
	__u32 out_gid;
	__u32 out_flags;
	__s32 out_ring;
	__s32 out_sub;
	__u32 out_lag_max;
};

/* struct ipcx_topic_wait::flags */
#define IPCX_WAIT_MESSAGE	(1U << 0)	/* until there is one to take, or a ring to leave */
#define IPCX_WAIT_ROOM		(1U << 1)	/* until the next position can be loaned */
#define IPCX_WAIT_VALID_FLAGS	(IPCX_WAIT_MESSAGE | IPCX_WAIT_ROOM)

/**
 * struct ipcx_topic_wait - sleep until a topic has something
 * @size: sizeof(struct ipcx_topic_wait) of the caller
 * @flags: one of IPCX_WAIT_*
 * @deadline: how long
 *
 * With ROOM it returns as well when the generation of the directory has changed since the call
 * began.
 *
 * Return: 0, or EAGAIN, ETIMEDOUT, EINTR as TAKE; EPERM: the member does not subscribe or publish
 */
struct ipcx_topic_wait {
	__u32 size;
	__u32 flags;
	__s64 deadline;
};

/* struct ipcx_topic_kick::flags */
#define IPCX_KICK_SUBSCRIBERS	(1U << 0)	/* of the member's ring: something was published */
#define IPCX_KICK_PUBLISHERS	(1U << 1)	/* a cursor was moved */
#define IPCX_KICK_VALID_FLAGS	(IPCX_KICK_SUBSCRIBERS | IPCX_KICK_PUBLISHERS)

/**
 * struct ipcx_topic_kick - wake who sleeps; only when attention has changed since the last time
 * @size: sizeof(struct ipcx_topic_kick) of the caller
 * @flags: IPCX_KICK_*
 *
 * Return: 0, or EPERM: the member does not publish or subscribe
 */
struct ipcx_topic_kick {
	__u32 size;
	__u32 flags;
};

/**
 * struct ipcx_topic_populate - give a payload slot of the member's ring pages
 * @size: sizeof(struct ipcx_topic_populate) of the caller
 * @flags: must be 0
 * @slot: 0..depth - 1
 * @__reserved: must be 0
 * @len: so many bytes at least, 0..msg_max
 * @out_len: so many has it now, a whole number of pages
 *
 * Return: 0, or
 *	EDQUOT        the publisher's limit on bytes is reached
 *	EINTR         the caller is being killed
 *	EMSGSIZE      len is larger than msg_max
 *	ENOBUFS       bytes_max of the ring is reached
 *	ENOMEM        no memory, or the memory cgroup's limit is reached
 *	EPERM         the member does not publish
 */
struct ipcx_topic_populate {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 __reserved;
	__aligned_u64 len;
	__aligned_u64 out_len;
};

/* struct ipcx_topic_evict::flags */
#define IPCX_EVICT_SKIPS	(1U << 0)	/* its holds made the publisher skip too often */
#define IPCX_EVICT_VALID_FLAGS	(IPCX_EVICT_SKIPS)

/**
 * struct ipcx_topic_evict - end the subscription of one subscriber to the member's ring
 * @size: sizeof(struct ipcx_topic_evict) of the caller
 * @flags: 0, or IPCX_EVICT_SKIPS for a lossy subscriber
 * @sub: its number
 * @__reserved: must be 0
 *
 * The kernel looks itself: a reliable subscriber goes if it is lag_max behind, or if its cursor
 * lies outside of the ring. With SKIPS it takes the publisher's word: the ring is the publisher's.
 *
 * Return: 0, or
 *	EAGAIN        there is no reason, or no more
 *	ENOENT        no such subscriber reads this ring
 *	EPERM         the member does not publish
 */
struct ipcx_topic_evict {
	__u32 size;
	__u32 flags;
	__u32 sub;
	__u32 __reserved;
};

/* struct ipcx_topic_leave::out_flags */
#define IPCX_LEFT_DEAD		(1U << 0)	/* the publisher was gone */
#define IPCX_LEFT_EVICTED	(1U << 1)	/* it evicted this subscriber */
#define IPCX_LEFT_PROTO		(1U << 2)	/* evicted for a contradiction or skips */
#define IPCX_LEFT_LOST		(1U << 3)	/* it is gone, not read to its end */

/**
 * struct ipcx_topic_leave - the member reads a ring no more
 * @size: sizeof(struct ipcx_topic_leave) of the caller
 * @flags: must be 0
 * @ring: number of the ring
 * @out_flags: IPCX_LEFT_*
 * @id: its id in the directory, as the member knows it; where its bit is in evicted also the
 *	one that is there now, 0 for none
 *
 * Return: 0, or
 *	ENOENT        the member does not read such a ring
 *	EPERM         the member does not subscribe
 */
struct ipcx_topic_leave {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 out_flags;
	__aligned_u64 id;
};

/**
 * struct ipcx_topic_ring - who publishes on a ring
 * @size: sizeof(struct ipcx_topic_ring) of the caller
 * @flags: must be 0
 * @ring: number of the ring
 * @out_pid: process that opened it, in the caller's PID namespace; 0 when not visible or gone
 * @id: its id in the directory
 * @out_uid: user who opened it, as seen from the caller's user namespace
 * @out_gid: group of the opener, likewise
 *
 * Return: 0, or
 *	ENOENT        there is no such ring
 */
struct ipcx_topic_ring {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__s32 out_pid;
	__aligned_u64 id;
	__u32 out_uid;
	__u32 out_gid;
};

/**
 * struct ipcx_topic_forget - end a durable subscription that no member has
 * @size: sizeof(struct ipcx_topic_forget) of the caller
 * @flags: must be 0
 * @name: address of its name
 * @name_len: length of the name, 1..IPCX_NAME_MAX bytes
 * @__reserved: must be 0
 *
 * Return: 0, or
 *	EACCES        the member's opener neither made it, nor owns the topic, nor has CAP_IPC_OWNER
 *	EBUSY         a member has it
 *	ENOENT        no such durable subscription of the member's topic
 */
struct ipcx_topic_forget {
	__u32 size;
	__u32 flags;
	__aligned_u64 name;
	__u32 name_len;
	__u32 __reserved;
};

#endif /* _UAPI_LINUX_IPCX_TOPIC_H */
