/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps: what their parts know of each other. A tap looks when it is read, and nobody knows of it;
 * but its ipcx_map::sem, which every revoker takes, keeps pages from being freed while it copies.
 */
#ifndef IPCX_TAP_H
#define IPCX_TAP_H

#include <uapi/linux/ipcx_tap.h>
#include <uapi/linux/ipcx_topic.h>

#include "ipcx.h"

#define IPCX_TAP_FOUND 64 /* messages found in one look over the slots of a queue */
#define IPCX_TAP_COPY PAGE_SIZE /* bytes copied while others may wait for that: of one page */

struct ipcx_tap;

/**
 * struct ipcx_tap_ops - what taps of queues and of topics do differently
 * @begin: nothing was seen yet
 * @next: fill the record, all of it but size, and the bytes behind it. Return: 0; -EAGAIN:
 *	nothing is new; 1: nothing was found, but not all was looked at; -EINTR
 * @over: nothing new will ever come
 * @end: the tap goes
 */
struct ipcx_tap_ops {
	void (*begin)(struct ipcx_tap *tap);
	int (*next)(struct ipcx_tap *tap, struct ipcx_tap_record *r);
	bool (*over)(const struct ipcx_tap *tap);
	void (*end)(struct ipcx_tap *tap);
};

/**
 * struct ipcx_tap_found - a message that a queue had when its slots were looked over
 * @seq: its number
 * @slot: where it was
 */
struct ipcx_tap_found {
	u64 seq;
	u32 slot;
};

/**
 * struct ipcx_tap_queue - where a tap of a queue is
 * @map: has no window; its sem is held for read while pages are copied
 * @from: number of the last message when it was opened; later ones count as missed
 * @last: number of the last one shown, or told to be missed
 * @through: when the slots were looked over: number of the last message, or of the last one found
 * @n: messages found then
 * @at: how many of these were looked at
 * @found: these, by number
 */
struct ipcx_tap_queue {
	struct ipcx_map map;
	u64 from;
	u64 last;
	u64 through;
	u32 n;
	u32 at;
	struct ipcx_tap_found found[IPCX_TAP_FOUND];
};

/**
 * struct ipcx_tap_ring - where a tap is in a ring
 * @id: of its publisher, 0: none
 * @pos: the next position to look at
 * @passed: positions passed over since the last message shown
 * @nr: number of the next message, if none is missed
 */
struct ipcx_tap_ring {
	u64 id;
	u64 pos;
	u64 passed;
	u32 nr;
};

/**
 * struct ipcx_tap_topic - where a tap of a topic is
 * @first: the ring that is looked at first, next time
 * @ring: each ring
 */
struct ipcx_tap_topic {
	u32 first;
	struct ipcx_tap_ring ring[IPCX_TOPIC_RINGS];
};

/**
 * struct ipcx_tap - an open tap
 * @ops: of its kind
 * @obj: the object, which has this reference but no user more
 * @net: keeps the namespace alive
 * @record_size: bytes of a record without the message
 * @snap: bytes of each message to show
 * @reading: bit 0: somebody reads, and has all of this for himself
 * @kept: @record could not be handed over
 * @record: the last one, @record_size bytes, with room for @snap bytes behind it
 * @queue: of a queue
 * @topic: of a topic
 */
struct ipcx_tap {
	const struct ipcx_tap_ops *ops;
	struct ipcx_object *obj;
	struct net *net;
	u32 record_size;
	u32 snap;
	unsigned long reading;
	bool kept;
	struct ipcx_tap_record *record;
	union {
		struct ipcx_tap_queue queue;
		struct ipcx_tap_topic topic;
	};
};

/* Where the bytes of the message go. */
static inline u8 *ipcx_tap_data(const struct ipcx_tap *tap)
{
	return (u8 *)tap->record + tap->record_size;
}

/* tap.c: the file of a tap */

long ipcx_tap_open(struct file *dev, void __user *arg);

/* tap_queue.c, tap_topic.c: what it finds */

extern const struct ipcx_tap_ops ipcx_tap_queue_ops;
extern const struct ipcx_tap_ops ipcx_tap_topic_ops;

#endif /* IPCX_TAP_H */
