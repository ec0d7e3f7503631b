/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the module know of each other.
 *
 * LOCK ORDER, outermost first:
 *
 *   ipcx_net::lock            names of a network namespace
 *   ipcx_arena::maps_sem      windows of a queue's endpoints
 *   ipcx_map::sem             one endpoint: fault against revocation; one tap: likewise its copy
 *   ipcx_queue::lock          spinlock: slots of a queue
 *
 *   mmap_lock -> ipcx_map::sem -> ipcx_queue::lock is the fault handler, so
 *   nothing here touches user memory while it holds any of these.
 *   users_lock (user.c) and ipcx_alerts::lock (alert.c) are leaves.
 *   Who looks on comes with genetlink's cb_lock and the cb_mutex of its socket, and takes
 *   ipcx_queue::lock or ipcx_topic::lock inside of ipcx_net::lock. Who revokes an end comes with
 *   cb_lock, outside of all of these.
 */
#ifndef IPCX_PRIVATE_H
#define IPCX_PRIVATE_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/pid_namespace.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <uapi/linux/ipcx.h>

#include "arena.h"
#include "late.h"
#include "user.h"

#define IPCX_DEPTH_MAX 65536U
#define IPCX_MSG_MAX BIT_ULL(30)
static_assert(IPCX_MSG_MAX <= U32_MAX); /* ipcx_slot::len */

/* name.c: objects and their names */

/**
 * struct ipcx_name - a name, zero-padded so that it hashes as a whole
 * @len: bytes, 0 for an anonymous object
 * @s: the name
 */
struct ipcx_name {
	u32 len;
	u8 s[IPCX_NAME_MAX + 1];
};

struct ipcx_alerts;
struct ipcx_object;
struct ipcx_object_stat;
struct seq_file;

/**
 * struct ipcx_object_ops - what the kinds of objects do differently
 * @kind: IPCX_KIND_*
 * @create: make one that has no name yet, by the argument of its open
 * @look: tell what is in it and what became of its messages, in zeros
 * @limit: enum ipcx_event_limit, one of its own: what it is; if the kind has any
 * @remove: by IPCX_UNLINK_NOW, if the kind can
 * @over: it has neither name nor user, and cannot get any again, but perhaps references; if
 *	something of the kind ends then already
 * @free: the last reference is gone
 */
struct ipcx_object_ops {
	u32 kind;
	struct ipcx_object *(*create)(struct file *dev, const void *open);
	void (*look)(struct ipcx_object *obj, struct ipcx_object_stat *s);
	u64 (*limit)(const struct ipcx_object *obj, u32 limit);
	void (*remove)(struct ipcx_object *obj);
	void (*over)(struct ipcx_object *obj);
	void (*free)(struct ipcx_object *obj);
};

/**
 * struct ipcx_object - what has a name, an owner and a mode
 * @refs: the name's, and one of each endpoint and tap
 * @id: never used again
 * @ops: its kind
 * @net: the namespace it lives in; alive while the object has a name or an
 *	endpoint
 * @name: its name, kept when it is unlinked
 * @uid: owner
 * @gid: group
 * @mode: 0..0777
 * @ephemeral: goes with its last user, protected by ipcx_net::lock
 * @taps: open taps, protected by ipcx_net::lock
 * @node: in ipcx_net::names while @named
 * @named: protected by ipcx_net::lock
 * @users: endpoints, protected by ipcx_net::lock
 * @alerts: what went wrong and is not told yet, unless the kind has no alerts
 */
struct ipcx_object {
	refcount_t refs;
	u64 id;
	const struct ipcx_object_ops *ops;
	struct ipcx_net *net;
	struct ipcx_name name;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	bool ephemeral;
	u32 taps;

	struct rhash_head node;
	bool named;
	u32 users;
	struct ipcx_alerts *alerts;
};

/**
 * struct ipcx_object_how - how an object is opened
 * @flags: IPCX_OPEN_CREATE, IPCX_OPEN_EXCL
 * @mode: of a new object
 * @want: rights, see ipcx_object_permits()
 */
struct ipcx_object_how {
	u32 flags;
	u32 mode;
	u32 want;
};

int ipcx_name_copy(struct ipcx_name *name, u64 user, u32 len);
struct ipcx_object *ipcx_object_open(struct net *net, const struct ipcx_name *name, u32 kind,
				     const struct cred *cred, u32 want);
bool ipcx_object_owned(const struct ipcx_object *obj, const struct cred *cred);
bool ipcx_object_mode_permits(const struct ipcx_object *obj, const struct cred *cred, u32 want);
bool ipcx_object_permits(const struct ipcx_object *obj, const struct cred *cred, u32 want);
struct ipcx_object *ipcx_object_get(struct file *dev, const struct ipcx_name *name,
				    const struct ipcx_object_ops *ops, const void *open,
				    const struct ipcx_object_how *how, bool *created);
bool ipcx_object_keep(struct ipcx_object *obj);
void ipcx_object_put(struct ipcx_object *obj);
void ipcx_object_leave(struct ipcx_object *obj);
void ipcx_object_close(struct ipcx_object *obj);
int ipcx_object_unlink(struct net *net, const struct ipcx_name *name, u32 kind,
		       const struct cred *cred, bool now);
void ipcx_name_show(struct seq_file *m, const struct ipcx_name *name);
int ipcx_name_init(void);
void ipcx_name_exit(void);

/* end.c: open ends, as others see them */

/**
 * struct ipcx_end - an open end of a queue or topic
 * @id: never used again
 * @obj: its object
 * @pid: process that opened it
 * @uid: user who did
 * @rights: 4 to receive or subscribe, 2 to send or publish
 * @exit: enum ipcx_event_exit, how the last process that had it let go of it; 0 while none has
 * @told: others may see it, under ipcx_net::lock
 */
struct ipcx_end {
	u64 id;
	struct ipcx_object *obj;
	struct pid *pid;
	kuid_t uid;
	u32 rights;
	u32 exit;
	bool told;
};

/**
 * struct ipcx_revocation - an end is taken away from who has it
 * @pid: process that does so
 * @uid: user who does
 * @loans: slots that the end was writing
 * @leases: messages and answers that it had taken and not released
 */
struct ipcx_revocation {
	struct pid *pid;
	kuid_t uid;
	u32 loans;
	u32 leases;
};

int ipcx_end_reserve(struct ipcx_end *end, struct ipcx_object *obj);
void ipcx_end_open(struct ipcx_end *end, kuid_t uid, u32 rights);
void ipcx_end_flush(struct ipcx_end *end);
void ipcx_end_close(struct ipcx_end *end, const struct ipcx_revocation *revoked);

/* queue.c: queues and their endpoints */

/**
 * struct ipcx_queue_count - what became of messages, see struct ipcx_queue_stat
 * @released: done
 * @dropped_oldest: dropped to make room
 * @dropped_newest: dropped for lack of room
 * @expired: given up, too late
 * @poison: given up, came back too often
 * @redelivered: came back
 * @dead_lettered: given up and kept by the dead-letter queue
 * @dead_letter_failed: given up and not kept by it
 * @withdrawn: requests that ended before anybody could answer them
 */
struct ipcx_queue_count {
	u64 released;
	u64 dropped_oldest;
	u64 dropped_newest;
	u64 expired;
	u64 poison;
	u64 redelivered;
	u64 dead_lettered;
	u64 dead_letter_failed;
	u64 withdrawn;
};

/*
 * Ages of messages are counted by powers of two: number k is those of at most 2^k ms that are not
 * counted before, the last all that are older. An age is rounded up to clock ticks first, so that
 * all of less than a tick have the number of a tick.
 */
#define IPCX_AGES 20
#define IPCX_AGE_NOW order_base_2(DIV_ROUND_UP(MSEC_PER_SEC, HZ)) /* sent in this tick */

/**
 * struct ipcx_queue - a queue
 * @obj: its name and its lifetime
 * @lock: protects @slots, @takers, @byte_waiters, @recv_waiters, @senders, @receivers,
 *	@revoked, @count, @ages, @age_ticks, @removed, @over, @expire_at, @scan_from
 * @slots: the messages
 * @takers: who sleeps until a message is there, first come first served
 * @byte_waiters: sleeping senders that need more than a slot
 * @recv_waiters: sleeping receivers
 * @senders: endpoints that may send
 * @receivers: endpoints that may receive
 * @revoked: endpoints that were revoked and whose file is still open: it may be polled, and then
 *	an exclusive wake-up may end there
 * @removed: by IPCX_UNLINK_NOW
 * @over: nobody can open it any more: nothing in it ends by itself
 * @count: what became of messages
 * @ages: how old messages were when they were taken, how many of each age
 * @age_ticks: sum of these ages, in jiffies
 * @expire_at: no message or lease ends earlier, host time; KTIME_MAX for never
 * @scan_from: @expire does not run earlier than that, host time
 * @expire: runs then
 * @recv_poll: who polls for a message
 * @send_poll: who polls for a slot
 * @send_wait: senders that sleep until a slot or pages are there
 * @send_waiters: how many these are
 * @arena: the pages behind the slots
 * @msg_max: longest message in bytes
 * @bytes_max: what the creator asked for, in bytes
 * @policy: enum ipcx_policy
 * @max_deliveries: deliveries in vain after which a message is given up, 0 for no
 *	limit
 * @lease_ms: how long a message may be held, 0 for no limit
 * @leases_max: how many messages one endpoint may hold, 0 for no limit
 * @flags: IPCX_OPEN_EPHEMERAL, IPCX_OPEN_SEALED, as its creator asked for
 * @dead_letter: where messages go that are given up, kept open, or NULL
 */
struct ipcx_queue {
	struct ipcx_object obj;

	spinlock_t lock; /* what follows */
	struct ipcx_slots slots;
	struct list_head takers;
	u32 byte_waiters;
	u32 recv_waiters;
	u32 senders;
	u32 receivers;
	u32 revoked;
	bool removed;
	bool over;
	struct ipcx_queue_count count;
	u64 ages[IPCX_AGES];
	u64 age_ticks;
	s64 expire_at;
	s64 scan_from;

	struct delayed_work expire;
	wait_queue_head_t recv_poll;
	wait_queue_head_t send_poll;
	wait_queue_head_t send_wait;
	atomic_t send_waiters;
	struct ipcx_arena arena;
	u64 msg_max;
	u64 bytes_max;
	u32 policy;
	u32 max_deliveries;
	u32 lease_ms;
	u32 leases_max;
	u32 flags;
	struct ipcx_queue *dead_letter;
};

/**
 * struct ipcx_endpoint - an open end of a queue
 * @q: the queue
 * @end: as others see it
 * @net: keeps the namespace alive
 * @rights: IPCX_OPEN_SEND, IPCX_OPEN_RECV
 * @uid: of its opener, stamped on every message
 * @gid: likewise
 * @cred: of its opener
 * @party: its slots, protected by the queue's lock
 * @map: its windows
 * @answer_wait: who sleeps until @party has an answer
 * @refs: its file's, and of who revokes it
 */
struct ipcx_endpoint {
	struct ipcx_queue *q;
	struct ipcx_end end;
	struct net *net;
	u32 rights;
	kuid_t uid;
	kgid_t gid;
	const struct cred *cred;
	struct ipcx_party party;
	struct ipcx_map map;
	wait_queue_head_t answer_wait;
	refcount_t refs;
};

/* The result of a call through an endpoint: an error is -ESTALE when that is revoked. */
static __always_inline long ipcx_endpoint_result(const struct ipcx_endpoint *ep, long ret)
{
	return unlikely(ret < 0) && READ_ONCE(ep->party.gone) ? -ESTALE : ret;
}

/* The longest message of a loan of that kind, IPCX_LOAN_*. */
static inline u64 ipcx_queue_len_max(const struct ipcx_queue *q, u32 kind)
{
	return kind & IPCX_LOAN_INLINE ? min_t(u64, IPCX_INLINE_MAX, q->msg_max) : q->msg_max;
}

/* Under the lock: pages in slots that are not free. */
static inline u64 ipcx_queue_used(struct ipcx_queue *q)
{
	lockdep_assert_held(&q->lock);
	return atomic64_read(&q->arena.npages) - q->slots.free_pages;
}

/*
 * Under the lock: may @used pages be in use after a loan to @credit's user, NULL for
 * the kernel? Who has slots in use leaves a page with each slot that others are owed.
 */
static inline bool ipcx_queue_pages_allow(const struct ipcx_queue *q,
					  const struct ipcx_credit *credit, u64 used)
{
	u32 owed = credit && !credit->used ? 0 : q->slots.credits.owed;

	return used + owed <= q->arena.pages_max;
}

/*
 * Under the lock: are a slot and @npages there for a loan of that @kind, IPCX_LOAN_*, to
 * @credit's user? What is kept for replies is not there for others.
 */
static inline bool ipcx_queue_has_room(struct ipcx_queue *q, const struct ipcx_credit *credit,
				       u32 npages, u32 kind)
{
	u64 used = ipcx_queue_used(q) + npages;

	if (unlikely(kind & IPCX_LOAN_REPLY))
		return q->slots.count[IPCX_SLOT_FREE] && used <= q->arena.pages_max;
	return ipcx_slots_allow(&q->slots, credit, !!(kind & IPCX_LOAN_REQUEST)) &&
	       ipcx_queue_pages_allow(q, credit, used);
}

/*
 * Under the lock: what to drop, if that is the policy and would make room for a loan
 * to @credit's user; else NULL. None is dropped for nothing.
 */
static inline struct ipcx_slot *ipcx_queue_can_drop(struct ipcx_queue *q,
						    const struct ipcx_credit *credit, u32 npages)
{
	u64 left = ipcx_queue_used(q) - q->slots.queued_pages;

	if (q->policy != IPCX_POLICY_DROP_OLDEST ||
	    !ipcx_queue_pages_allow(q, credit, left + npages))
		return NULL;
	return ipcx_slots_oldest(&q->slots, credit);
}

u32 ipcx_queue_depth_max(void);
u64 ipcx_queue_msg_max(void);
void ipcx_queue_depth_max_set(u32 max);
void ipcx_queue_msg_max_set(u64 max);
long ipcx_queue_open(struct file *dev, void __user *arg);
long ipcx_queue_stat(struct ipcx_endpoint *ep, void __user *arg);
void ipcx_queue_each_slot(struct ipcx_queue *q, void (*fn)(struct ipcx_slot *slot));
void ipcx_endpoint_count(struct ipcx_endpoint *ep, int n);

/* close.c: how an endpoint ends */

void ipcx_endpoint_close(struct ipcx_endpoint *ep);
bool ipcx_endpoint_hold(struct ipcx_endpoint *ep);
int ipcx_endpoint_revoke(struct ipcx_endpoint *ep, kuid_t by);

/* credit.c: users that send */

int ipcx_credit_attach(struct ipcx_endpoint *ep);
void ipcx_credit_detach(struct ipcx_endpoint *ep);
void ipcx_credit_forget(struct ipcx_endpoint *ep);
void ipcx_credits_free(struct ipcx_queue *q);

/* carry.c: regions that messages carry */

void ipcx_carry_exit(void);
int ipcx_carry_flush(struct ipcx_user *user);
long ipcx_queue_attach(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_fetch(struct ipcx_endpoint *ep, void __user *arg);

/* wait.c: sleeping and waking */

struct task_struct *ipcx_queue_serve(struct ipcx_queue *q);
void ipcx_taker_wake(struct task_struct *task);
void ipcx_queue_wake_takers(struct ipcx_queue *q, int nr);
void ipcx_queue_wake_senders(struct ipcx_queue *q);
void ipcx_queue_remove(struct ipcx_object *obj);
bool ipcx_queue_readable(struct ipcx_queue *q, const struct ipcx_party *party);
bool ipcx_queue_writable(struct ipcx_queue *q, const struct ipcx_credit *credit, u32 npages,
			 u32 kind);
void ipcx_waiters_stop(struct ipcx_endpoint *ep);
void ipcx_queue_give_back(struct ipcx_endpoint *ep, struct ipcx_slot *slot);
int ipcx_queue_wait_recv(struct ipcx_endpoint *ep, bool lease, u64 len_max, s64 deadline,
			 struct ipcx_slot **slot);
int ipcx_queue_wait_send(struct ipcx_endpoint *ep, u32 npages, u32 kind, s64 deadline);
int ipcx_sleep_until(s64 deadline);

/**
 * ipcx_sleep_late() - before a call that may sleep, let run who is to run first
 * @deadline: of that call
 *
 * It was perhaps just woken, and brings what is waited for. Then neither a sleep nor a
 * wake-up is needed, which cost more than the switch between the two. Of use where the
 * kernel itself is not preempted.
 */
static inline void ipcx_sleep_late(s64 deadline)
{
	if (deadline != IPCX_DEADLINE_NOWAIT && need_resched())
		cond_resched();
}

/**
 * ipcx_queue_wake_send() - a slot is free
 * @q: the queue, not locked, since it was locked to free the slot
 */
static inline void ipcx_queue_wake_send(struct ipcx_queue *q)
{
	/* no barrier: see wait.c */
	if (waitqueue_active(&q->send_wait) || waitqueue_active(&q->send_poll))
		ipcx_queue_wake_senders(q);
}

/**
 * ipcx_queue_wake_recv() - messages are there
 * @q: the queue, not locked, since it was locked to put them there
 * @nr: how many, at least 1
 */
static inline void ipcx_queue_wake_recv(struct ipcx_queue *q, int nr)
{
	/* no barrier: see wait.c */
	if (!list_empty(&q->takers) || waitqueue_active(&q->recv_poll))
		ipcx_queue_wake_takers(q, nr);
	/* one that can be dropped, or that was dropped, is room for another */
	if (unlikely(q->policy >= IPCX_POLICY_DROP_OLDEST))
		ipcx_queue_wake_send(q);
}

/**
 * ipcx_queue_wake_leases() - an endpoint holds a message less
 * @q: the queue, not locked
 */
static inline void ipcx_queue_wake_leases(struct ipcx_queue *q)
{
	/* it may be readable again, if messages are there */
	if (unlikely(q->leases_max))
		ipcx_queue_wake_recv(q, 1);
}

/* time.c: deadlines of the caller's time namespace in host time, and back */

ktime_t ipcx_time_to_host(s64 t);
s64 ipcx_time_from_host(ktime_t t);

/* expire.c: messages and leases whose time is over */

void ipcx_expire_init(struct ipcx_queue *q);
void ipcx_expire_arm(struct ipcx_queue *q, s64 when);
void ipcx_lease_begin(struct ipcx_queue *q, struct ipcx_slot *slot);
bool ipcx_queue_expire(struct ipcx_queue *q);
void ipcx_queue_purge(struct ipcx_queue *q);

/* retire.c: messages that end otherwise than by being released */

void ipcx_queue_retire(struct ipcx_queue *q, struct ipcx_slot *slot, u64 *count, u16 flag);
bool ipcx_queue_make_room(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 lacks);

/**
 * ipcx_pid_visible() - the number of a process as the caller sees it
 * @pid: the process, or NULL
 * @home: the caller is known to be in the initial namespace, which is the first in each
 *
 * Return: its number, 0 when it is not visible or gone.
 */
static inline pid_t ipcx_pid_visible(struct pid *pid, bool home)
{
	if (!pid || !pid_has_task(pid, PIDTYPE_TGID))
		return 0;
	return home ? pid_nr(pid) : pid_vnr(pid);
}

/* Under the lock: is the time of a message over? */
static inline bool ipcx_slot_expired(const struct ipcx_slot *slot)
{
	return unlikely(slot->expires) && ktime_get() >= slot->expires;
}

/* loan.c, send.c, receive.c: the way of a message */

struct ipcx_message;

int ipcx_slot_try(struct ipcx_queue *q, struct ipcx_endpoint *ep, u32 npages, u32 kind,
		  struct ipcx_slot **out, u32 *lacks);
bool ipcx_queue_put_message(struct ipcx_queue *q, struct ipcx_slot *slot, u64 len, u8 prio);
int ipcx_slot_get(struct ipcx_endpoint *ep, u64 len, u32 kind, s64 deadline,
		  struct ipcx_slot **slot);
void ipcx_slot_release(struct ipcx_queue *q, struct ipcx_slot *slot);
void ipcx_slot_refuse(struct ipcx_queue *q, struct ipcx_slot *slot);
int ipcx_slot_send(struct ipcx_endpoint *ep, struct ipcx_slot *slot, u64 len);
int ipcx_loan_check(struct ipcx_endpoint *ep, struct ipcx_slot *slot, const struct ipcx_desc *d);
int ipcx_message_fetch(struct ipcx_queue *q, struct ipcx_message *m, u64 inline_data);
int ipcx_commit_one(struct ipcx_endpoint *ep, struct ipcx_message *m, bool loan,
		    struct ipcx_waiter *waiter);
int ipcx_cancel_one(struct ipcx_endpoint *ep, const struct ipcx_desc *d);
long ipcx_queue_loan(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_commit(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_cancel(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_take(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_release(struct ipcx_endpoint *ep, void __user *arg);

/* call.c, reply.c: requests and their answers */

void ipcx_special_end(struct ipcx_queue *q, struct ipcx_slot *slot, u16 flag);
void ipcx_calls_wake(struct ipcx_endpoint *ep);
bool ipcx_calls_answered(struct ipcx_endpoint *ep);
void ipcx_calls_remove(struct ipcx_queue *q);
void ipcx_calls_orphan(struct ipcx_queue *q);
void ipcx_calls_end(struct ipcx_endpoint *ep);
long ipcx_queue_call(struct ipcx_endpoint *ep, void __user *arg);
long ipcx_queue_reply(struct ipcx_endpoint *ep, void __user *arg);

/* io.c: read(2), write(2) */

ssize_t ipcx_queue_read(struct file *file, char __user *buf, size_t len_max, loff_t *pos);
ssize_t ipcx_queue_write(struct file *file, const char __user *buf, size_t len, loff_t *pos);
ssize_t ipcx_queue_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t ipcx_queue_write_iter(struct kiocb *iocb, struct iov_iter *from);

/* endpoint.c: the file of an endpoint */

struct file *ipcx_file(const char *name, const struct file_operations *fops, void *private_data);
struct file *ipcx_endpoint_file(struct ipcx_endpoint *ep);
int ipcx_endpoint_pin(void);
void ipcx_endpoint_unpin(void);

#endif /* IPCX_PRIVATE_H */
