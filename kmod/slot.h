/* SPDX-License-Identifier: GPL-2.0-only */
/* What the slots of a queue are made of; what can happen to them is in slots.h. */
#ifndef IPCX_SLOT_H
#define IPCX_SLOT_H

#include "credit.h"

#define IPCX_PRIOS	32
#define IPCX_BINS	32	/* free slots by fls(pages) */
#define IPCX_LOOK	4	/* slots looked at in one list for a better fit */
#define IPCX_SPARES	64	/* free slots that a party remembers, a power of two */
#define IPCX_PATIENCE	16	/* of a party at first */
#define IPCX_PATIENCE_MAX	4096U
#define IPCX_SLOT_DATA	64	/* bytes of a message that needs no page */

enum ipcx_slot_state {
	IPCX_SLOT_FREE,
	IPCX_SLOT_BUSY,
	IPCX_SLOT_LOANED,
	IPCX_SLOT_QUEUED,
	IPCX_SLOT_LEASED,
	IPCX_SLOT_ANSWERED,
	IPCX_SLOT_STATES
};

/**
 * struct ipcx_party - one endpoint, as the slots know it
 * @held: slots LOANED or LEASED to it, latest first
 * @count: how many of those are in each state
 * @own: slots that it wrote last
 * @late: leases of it that are over and that it has not given back
 * @credit: of its user, if it may send; else NULL
 * @calls: its requests that have no answer yet
 * @answers: slots ANSWERED for it, first come first
 * @requests: requests LEASED to it
 * @replies: slots on loan to it for replies
 * @gone: its end was closed or revoked: it gets nothing any more
 * @spare: a stack of numbers of slots that were freed when it was their writer;
 *	the oldest falls out. Hints: each may have changed since
 * @top: entries ever pushed on @spare less those popped
 * @spares: how many of them are still there
 * @missed: commits in a row, the last one too, that found no slot for a long message to bring along
 * @missed_pages: the fewest that one of those needed, if there are any
 * @patience: so many of them, and one is got ready
 */
struct ipcx_party {
	struct hlist_head held;
	u32 count[IPCX_SLOT_STATES];
	struct list_head own;
	struct hlist_head late;
	struct ipcx_credit *credit;
	struct list_head calls;
	struct list_head answers;
	u32 requests;
	u32 replies;
	bool gone;
	u16 spare[IPCX_SPARES];
	u32 top;
	u32 spares;
	u32 missed;
	u32 missed_pages;
	u32 patience;
};

/**
 * struct ipcx_late - overdue leases of a message: the party may still be reading the slot
 * @in_slot: in ipcx_slot::late
 * @in_party: in ipcx_party::late
 * @slot: the slot; it does not become FREE while it has such
 * @party: who had it
 * @n: how often, less what it gave back
 * @npages: of the message, as it was then
 * @since: of the first of these leases, see struct ipcx_slot
 */
struct ipcx_late {
	struct hlist_node in_slot;
	struct hlist_node in_party;
	struct ipcx_slot *slot;
	struct ipcx_party *party;
	u64 n;
	u32 npages;
	u32 since;
};

#define IPCX_SLOT_CARRIES	64 /* IPCX_MSG_REGIONS */

/**
 * struct ipcx_carried - what a message carries beside its payload, see carry.c
 * @late: of its slot meanwhile
 */
struct ipcx_carried {
	struct hlist_head late;
};

void ipcx_carried_spend(struct ipcx_carried *carried);

/**
 * struct ipcx_slot - one slot
 * @node: FREE: in a bin; LOANED, LEASED: in @holder's held
 * @queued: QUEUED: in the FIFO of @prio
 * @own: in @writer's own, if there is a writer
 * @call: request: in @caller's calls; ANSWERED: in its answers
 * @holder: LOANED, LEASED: whom it belongs to
 * @writer: whose TX window may still show it; NULL if nobody's
 * @caller: request: who waits for the answer, if anybody does; ANSWERED: whose it is
 * @waiter: request: the thread of @caller that sleeps until then, kept for the caller
 * @answers: @seq of the request that the slot was last the answer to
 * @late: overdue leases of the message, see ipcx_slot_lates()
 * @carried: what goes with the message, if @carries
 * @credit: whose use of it counts; NULL if nobody's
 * @pg: its pages
 * @len: LOANED: bytes loaned; QUEUED, LEASED: bytes of the message
 * @sent: when the message was queued first, low half of jiffies
 * @tag: the application's word
 * @seq: number of the message, also when that is over; 0 from the grab for another one on
 * @state: enum ipcx_slot_state
 * @prio: priority of the message
 * @ended: BUSY: FREE as soon as nobody reads it any more
 * @request: it is to be answered, or on loan for such a message
 * @reply: LOANED: for a reply; LEASED: to the caller, as the answer
 * @carries: LOANED, and as long as there is a message: IPCX_SLOT_CARRIES or 0
 * @flags: IPCX_MSG_*, kept for the caller
 * @deliveries: how often the message came back
 * @since: LOANED, LEASED: when it got so, low half of jiffies
 * @uid: identity of the sender, kept for the caller
 * @gid: likewise
 * @pid: likewise
 * @expires: likewise: when the message is given up, host time; 0 is never
 * @lease_ends: likewise: LEASED: when it comes back, host time
 * @data: likewise: a message that needs no page
 */
struct ipcx_slot {
	union {
		struct hlist_node node;
		struct list_head queued;
	};
	struct list_head own;
	struct list_head call;
	struct ipcx_party *holder;
	struct ipcx_party *writer;
	struct ipcx_party *caller;
	union {
		struct ipcx_waiter *waiter;
		u64 answers;
	};
	union {
		struct hlist_head late;
		struct ipcx_carried *carried;
	};
	struct ipcx_credit *credit;
	struct ipcx_slot_pages pg;
	u32 len;
	u32 sent;
	u64 tag;
	u64 seq;
	u8 state;
	u8 prio;
	bool ended;
	bool request;
	bool reply;
	u8 carries;
	u16 flags;
	u32 deliveries;
	u32 since;
	kuid_t uid;
	kgid_t gid;
	struct pid *pid;
	s64 expires;
	s64 lease_ends;
	u64 data[IPCX_SLOT_DATA / 8];
};

/**
 * struct ipcx_slots - all slots of a queue
 * @slot: array of @depth
 * @depth: how many there are
 * @count: slots in each state; the sum is always @depth
 * @free_pages: pages of all FREE slots
 * @queued_pages: pages of all QUEUED slots
 * @owed: free slots that are kept for replies, see request.h
 * @answers: answers LEASED to their callers
 * @bins: bit b is set when @bin[b] is not empty
 * @prios: bit p is set when @fifo[p] is not empty
 * @seq: number of the last message committed
 * @bytes: of all messages that were queued
 * @credits: whose slots are in use
 * @bin: FREE slots, latest first
 * @fifo: QUEUED slots by priority, in order of seq
 */
struct ipcx_slots {
	struct ipcx_slot *slot;
	u32 depth;
	u32 count[IPCX_SLOT_STATES];
	u64 free_pages;
	u64 queued_pages;
	u32 owed;
	u32 answers;
	u32 bins;
	u32 prios;
	u64 seq;
	u64 bytes;
	struct ipcx_credits credits;
	struct hlist_head bin[IPCX_BINS];
	struct list_head fifo[IPCX_PRIOS];
};

#endif /* IPCX_SLOT_H */
