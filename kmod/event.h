/* SPDX-License-Identifier: GPL-2.0-only */
/* What those who listen are told of what happens, see enum ipcx_event_kind. */
#ifndef IPCX_EVENT_H
#define IPCX_EVENT_H

#include <uapi/linux/ipcx_netlink.h>

#include "ipcx.h"

/* Groups of the family, numbers of ipcx_net::seq. */
enum ipcx_group { IPCX_GROUP_LIFECYCLE, IPCX_GROUP_ALERTS, IPCX_GROUPS };

/**
 * struct ipcx_culprit - who brought something about
 * @pid: process, or NULL
 * @uid: user, or INVALID_UID
 * @end: number of an end, or 0
 */
struct ipcx_culprit {
	struct pid *pid;
	kuid_t uid;
	u64 end;
};

#define IPCX_NOBODY ((struct ipcx_culprit){ .uid = INVALID_UID })

/**
 * struct ipcx_event - what has happened; what is 0 is not told
 * @kind: enum ipcx_event_kind
 * @exit: enum ipcx_event_exit
 * @limit: enum ipcx_event_limit
 * @dead_lettered: of @count, that the dead-letter queue has
 * @who: was the cause
 * @by_pid: process that had it done, or NULL
 * @by_end: number of the end that did, or 0
 * @count: how many
 * @revoked: the end was revoked: by whom, and what it held; else NULL
 */
struct ipcx_event {
	u16 kind;
	u8 exit;
	u8 limit;
	u32 dead_lettered;
	struct ipcx_culprit who;
	struct pid *by_pid;
	u64 by_end;
	u64 count;
	const struct ipcx_revocation *revoked;
};

/* event.c: telling */

bool ipcx_event_wanted(const struct ipcx_net *in, enum ipcx_group group);
struct sk_buff *ipcx_event_room(const struct ipcx_net *in, enum ipcx_group group);
void ipcx_event_unused(struct sk_buff *skb);
void ipcx_event_send(struct sk_buff *skb, const struct ipcx_object *obj,
		     const struct ipcx_event *e);
void ipcx_event_object(struct sk_buff *skb, const struct ipcx_object *obj, u32 kind,
		       const struct ipcx_culprit *who);
void ipcx_event_end(struct sk_buff *skb, const struct ipcx_end *end, u32 kind,
		    const struct ipcx_revocation *revoked);

/* alert.c: what goes wrong with an object */

int ipcx_alerts_alloc(struct ipcx_object *obj);
void ipcx_alerts_free(struct ipcx_object *obj);
void ipcx_alert(struct ipcx_object *obj, const struct ipcx_event *e);
void ipcx_alert_one(struct ipcx_object *obj, u32 kind, u32 limit, const struct ipcx_culprit *who,
		    bool dead_lettered);
void ipcx_alert_refused(struct ipcx_object *obj, u32 limit, struct ipcx_culprit who);
void ipcx_alert_dropped_oldest(struct ipcx_queue *q, u32 limit, const struct ipcx_end *end);
void ipcx_alert_dropped_newest(struct ipcx_queue *q, const struct ipcx_slot *slot,
			       const struct ipcx_end *end);
void ipcx_alert_uncreated(struct file *dev, const struct ipcx_name *name,
			  const struct ipcx_object_ops *ops, int err);

/* Who uses an end just now, which need not be who opened it. */
static inline struct ipcx_culprit ipcx_culprit_user(const struct ipcx_end *end)
{
	return (struct ipcx_culprit){ task_tgid(current), end->uid, end->id };
}

/* Who opened an end. */
static inline struct ipcx_culprit ipcx_culprit_opener(const struct ipcx_end *end)
{
	return (struct ipcx_culprit){ end->pid, end->uid, end->id };
}

/* Under the lock: what a full queue lacks for a loan of that @kind to @credit's user. */
static inline u32 ipcx_queue_lacks(const struct ipcx_queue *q, const struct ipcx_credit *credit,
				   u32 kind)
{
	bool slots = kind & IPCX_LOAN_REPLY ?
			     q->slots.count[IPCX_SLOT_FREE] :
			     ipcx_slots_allow(&q->slots, credit, !!(kind & IPCX_LOAN_REQUEST));

	lockdep_assert_held(&q->lock);
	return slots ? IPCX_EVENT_LIMIT_BYTES_MAX : IPCX_EVENT_LIMIT_DEPTH;
}

/* The limit that an error stands for, 0 for none. */
static inline u32 ipcx_limit_of(int err)
{
	if (err == -EDQUOT)
		return IPCX_EVENT_LIMIT_USER_BYTES;
	if (err == -ENOSPC)
		return IPCX_EVENT_LIMIT_PEERS;
	return err == -ENOMEM ? IPCX_EVENT_LIMIT_MEMORY : 0;
}

#endif /* IPCX_EVENT_H */
