/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Topics: what their parts know of each other. The protocol is in ipcx_topic.h of the uapi.
 *
 * A member is a file. It may have a publisher, which has a ring, and a subscription, which has
 * a control page. A publisher whose member is gone stays, dead, until the last subscription has
 * left it, or until its place or memory is wanted for another. A pair is a ring and a subscription
 * that has been attached to it and not left it.
 *
 * LOCK ORDER, outermost first:
 *
 *   ipcx_pub::grow        pages of a ring's payload
 *   ipcx_topic::mutex     membership
 *   ipcx_map::sem         windows of one member: fault against revocation
 *   ipcx_topic::arm_lock  from the change of an attention word until all have seen it
 *   ipcx_topic::lock      spinlock: what wakers, pollers and faults look at
 *
 *   mmap_lock -> ipcx_map::sem -> ipcx_topic::lock is the fault handler. What is changed under
 *   both mutex and lock may be read under either. Nothing here touches user memory while it
 *   holds any of these.
 */
#ifndef IPCX_TOPIC_PRIVATE_H
#define IPCX_TOPIC_PRIVATE_H

#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <uapi/linux/ipcx_topic.h>

#include "event.h"

#define IPCX_POSITIONS	BIT_ULL(62)

/* How far @a is ahead of @b. */
static inline u64 ipcx_pos_ahead(u64 a, u64 b)
{
	return (a - b) % IPCX_POSITIONS;
}

/**
 * struct ipcx_payload - the payload of a position
 * @pg: its pages, under ipcx_pub::grow
 * @shown: how many of them windows may show, under ipcx_topic::lock
 */
struct ipcx_payload {
	struct ipcx_slot_pages pg;
	u32 shown;
};

/**
 * struct ipcx_pub - a publisher
 * @topic: of which topic
 * @index: number of its ring
 * @id: never used again in this topic
 * @member: whose it is, under mutex and lock; NULL when it is dead
 * @death: dead: how many died before it
 * @end: dead: the first position that was never loaned
 * @armed: a kick is asked for: attention has changed since the last one; under lock
 * @subs: who reads the ring, under mutex and lock
 * @evicted: who did until it was evicted, and has not left, likewise
 * @gone: among those to be freed
 * @ring: first page of the ring; a hint, for it is the publisher's
 * @payload: of each position
 * @grow: protects the pages of @payload
 * @arena: the account of the ring and of those pages
 * @pid: of its opener
 * @uid: likewise
 * @gid: likewise
 */
struct ipcx_pub {
	struct ipcx_topic *topic;
	u32 index;
	u64 id;
	struct ipcx_member *member;
	u64 death;
	u64 end;
	bool armed;
	DECLARE_BITMAP(subs, IPCX_TOPIC_SUBS);
	DECLARE_BITMAP(evicted, IPCX_TOPIC_SUBS);
	struct list_head gone;
	struct ipcx_ring *ring;
	struct ipcx_payload *payload;
	struct mutex grow; /* see above */
	struct ipcx_arena arena;
	struct pid *pid;
	kuid_t uid;
	kgid_t gid;
};

/**
 * struct ipcx_sub - a subscription
 * @topic: of which topic
 * @index: number of its control page
 * @member: whose it is, under mutex and lock; NULL: it is durable, and nobody's
 * @name: of a durable one, else of no length
 * @kept: durable: it stays when its member goes, under mutex
 * @untold: durable: it lost rings, and no member was told yet, under mutex
 * @lossy: it misses what it is too slow for
 * @id: of each ring that it is a pair with, 0 for none; under mutex
 * @rings: bit r: the pair is with the ring that is there now, under mutex and lock
 * @lost: bit r: the pair's ring is gone, and the member was not told, likewise
 * @proto: bit r: evicted because of a contradiction or skips, likewise
 * @kicked: woken since the last poll that found something, under lock
 * @moved: sum of the positions to be taken next at that poll, likewise
 * @wait: who sleeps until there is something to take
 * @control: its page; a hint, for it is the subscriber's
 * @user: who made it, and pays for that page
 * @unlimited: that user is not bound by the limits
 */
struct ipcx_sub {
	struct ipcx_topic *topic;
	u32 index;
	struct ipcx_member *member;
	struct ipcx_name name;
	bool kept;
	bool untold;
	bool lossy;
	u64 id[IPCX_TOPIC_RINGS];
	u64 rings;
	u64 lost;
	u64 proto;
	bool kicked;
	u64 moved;
	wait_queue_head_t wait;
	struct ipcx_control *control;
	struct ipcx_user *user;
	bool unlimited;
};

/**
 * struct ipcx_topic - a topic
 * @obj: its name and its lifetime
 * @mutex: see above
 * @arm_lock: see above; also protects @cpus and @everywhere
 * @lock: see above
 * @pub: by number of the ring, under mutex and lock
 * @sub: by number, likewise
 * @reliable: which of those are, likewise
 * @maps: windows of all members, under mutex
 * @pubs: rings there ever were, under mutex
 * @deaths: how many publishers died, under mutex
 * @armed: as ipcx_pub::armed, for cursors
 * @room: publishers that sleep until a cursor moves
 * @dir: the directory
 * @cpus: to be made to serialise
 * @everywhere: all CPUs are
 * @user: its creator
 * @unlimited: that user is not bound by the limits
 * @depth: cells of each ring
 * @lag_max: see struct ipcx_topic_open
 * @stride: pages of address space of a payload slot
 * @flags: IPCX_OPEN_EPHEMERAL, IPCX_TOPIC_OPEN_RELIABLE, as its creator asked for
 * @msg_max: longest message in bytes
 * @bytes_max: payload of each ring in bytes
 * @first: first position of each ring
 */
struct ipcx_topic {
	struct ipcx_object obj;
	struct mutex mutex; /* see above */
	struct mutex arm_lock; /* see above */
	spinlock_t lock; /* see above */
	struct ipcx_pub *pub[IPCX_TOPIC_RINGS];
	struct ipcx_sub *sub[IPCX_TOPIC_SUBS];
	DECLARE_BITMAP(reliable, IPCX_TOPIC_SUBS);
	struct list_head maps;
	u64 pubs;
	u64 deaths;
	bool armed;
	wait_queue_head_t room;
	struct ipcx_dir *dir;
	cpumask_var_t cpus;
	bool everywhere;
	struct ipcx_user *user;
	bool unlimited;
	u32 depth;
	u32 lag_max;
	u32 stride;
	u32 flags;
	u64 msg_max;
	u64 bytes_max;
	u64 first;
};

/**
 * struct ipcx_member - an open end of a topic
 * @topic: the topic
 * @end: as others see it
 * @net: keeps the namespace alive
 * @cred: of its opener
 * @pub: its ring, or NULL
 * @sub: its subscription, or NULL
 * @map: its windows
 * @mm: through which it may write to its pages, under ipcx_topic::lock; NULL for none yet
 * @many: there are others
 * @lost: its subscription lost rings while nobody had it
 */
struct ipcx_member {
	struct ipcx_topic *topic;
	struct ipcx_end end;
	struct net *net;
	const struct cred *cred;
	struct ipcx_pub *pub;
	struct ipcx_sub *sub;
	struct ipcx_map map;
	struct mm_struct *mm;
	bool many;
	bool lost;
};

/* Positions that lie before @head and are still there, as far as @pub says the truth. */
static inline u64 ipcx_pub_kept(const struct ipcx_pub *pub, u64 head)
{
	return min_t(u64, pub->topic->depth - 1, ipcx_pos_ahead(head, pub->topic->first));
}

/* topic.c: topics */

long ipcx_topic_open(struct file *dev, void __user *arg);
void ipcx_topic_changed(struct ipcx_topic *t);

/* topic_member.c: members and their files */

struct ipcx_member *ipcx_member_create(struct file *dev, struct ipcx_topic *t,
				       const struct ipcx_topic_open *o,
				       const struct ipcx_name *durable);
struct file *ipcx_member_file(struct ipcx_member *m);

/* topic_ring.c: publishers and their rings */

struct ipcx_pub *ipcx_pub_create(struct file *dev, struct ipcx_topic *t);
int ipcx_pub_join(struct ipcx_pub *pub, struct ipcx_member *m);
void ipcx_pub_leave(struct ipcx_pub *pub);
void ipcx_pub_show(struct ipcx_topic *t, u32 ring);
void ipcx_pub_drop_unread(struct ipcx_pub *pub, struct list_head *gone);
void ipcx_pubs_free(struct list_head *gone);
u64 ipcx_pub_bytes(const struct ipcx_pub *pub);
long ipcx_topic_populate(struct ipcx_member *m, void __user *arg);
long ipcx_topic_ring(struct ipcx_member *m, void __user *arg);

/* topic_sub.c: subscriptions, and their pairs with rings */

struct ipcx_sub *ipcx_sub_create(struct file *dev, struct ipcx_topic *t, bool lossy);
int ipcx_sub_join(struct ipcx_sub *sub, struct ipcx_member *m, u32 history);
void ipcx_sub_leave(struct ipcx_sub *sub);
void ipcx_pair_attach(struct ipcx_pub *pub, struct ipcx_sub *sub, u64 cursor);
void ipcx_pair_end(struct ipcx_sub *sub, u32 ring);
void ipcx_sub_attach(struct ipcx_sub *sub, u64 rings, u32 history);
void ipcx_pairs_lose(struct ipcx_pub *pub);
long ipcx_topic_evict(struct ipcx_member *m, void __user *arg);
long ipcx_topic_leave(struct ipcx_member *m, void __user *arg);

/* topic_durable.c: subscriptions that stay */

struct ipcx_sub *ipcx_durable_find(const struct ipcx_topic *t, const struct ipcx_name *name);
int ipcx_durable_resume(struct ipcx_member *m, const struct ipcx_name *name);
void ipcx_durable_keep(struct ipcx_sub *sub);
bool ipcx_durable_detach(struct ipcx_sub *sub);
void ipcx_durable_show(struct seq_file *m, struct ipcx_topic *t);
long ipcx_topic_forget(struct ipcx_member *m, void __user *arg);

/* topic_wait.c: sleeping and waking */

void ipcx_sub_arm(struct ipcx_sub *sub);
void ipcx_room_arm(struct ipcx_topic *t);
bool ipcx_sub_poll(struct ipcx_sub *sub);
bool ipcx_pub_has_room(struct ipcx_pub *pub);
void ipcx_sub_wake(struct ipcx_sub *sub);
void ipcx_pub_wake_subs(struct ipcx_pub *pub);
void ipcx_room_wake(struct ipcx_topic *t);
void ipcx_pubs_serialise(struct ipcx_topic *t);
long ipcx_topic_wait(struct ipcx_member *m, void __user *arg);
long ipcx_topic_kick(struct ipcx_member *m, void __user *arg);

/* topic_window.c: what a member maps */

u32 ipcx_ring_pages(const struct ipcx_topic *t);
void ipcx_topic_offsets(const struct ipcx_topic *t, struct ipcx_topic_open *o);
void ipcx_control_revoke(struct ipcx_topic *t, u32 sub);
void ipcx_ring_revoke(struct ipcx_topic *t, u32 ring);
void ipcx_payload_revoke(struct ipcx_pub *pub, u32 slot, u32 first, u32 npages);
int ipcx_member_mmap(struct file *file, struct vm_area_struct *vma);

#endif /* IPCX_TOPIC_PRIVATE_H */
