// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what has happened, as a message of netlink to all who have joined a group. Nothing is
 * built while nobody has. Nobody is waited for: who does not read loses events, and netlink
 * tells it so.
 *
 * The family is registered while there is an object or somebody has the device open: either
 * holds the module, and it goes at exit only. The socket of a namespace outlives its objects.
 *
 * LOCKS: ipcx_net::lock, so that events have the order of their numbers, and those of objects and
 * ends that of what has happened. netlink's own are inside of it.
 */
#include "event.h"
#include "net.h"
#include "netlink.h"

/* Bytes of an event: each attribute with its head, none longer than 8 bytes but the name. */
#define EVENT_ROOM (nla_total_size(IPCX_NAME_MAX) + nla_total_size_64bit(8) * IPCX_A_EVENT_MAX)

/* Does not wait for memory of those who listen, and does not yield to them. */
#define GFP_TELL (GFP_NOWAIT | __GFP_NOWARN)

static_assert(IPCX_EVENT_KIND_CLOSED < IPCX_EVENT_KIND_LOANS_RETURNED);

/**
 * ipcx_event_wanted() - does anybody listen?
 * @in: where
 * @group: to what
 *
 * netlink knows only whether anybody does in any network namespace: then all pay for what is
 * built, and who does not listen here gets nothing.
 *
 * Return: whether somebody may.
 */
bool ipcx_event_wanted(const struct ipcx_net *in, enum ipcx_group group)
{
	return genl_has_listeners(&ipcx_genl_family, in->net, group);
}

/**
 * ipcx_event_room() - get memory for an event
 * @in: where
 * @group: to whom it will be told
 *
 * Before the locks are taken under which it is sent, since it may wait.
 *
 * Return: for ipcx_event_send() or ipcx_event_unused(); NULL if nobody listens, or an ERR_PTR.
 */
struct sk_buff *ipcx_event_room(const struct ipcx_net *in, enum ipcx_group group)
{
	if (!ipcx_event_wanted(in, group))
		return NULL;
	return genlmsg_new(EVENT_ROOM, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

/**
 * ipcx_event_unused() - nothing has happened
 * @skb: from ipcx_event_room()
 */
void ipcx_event_unused(struct sk_buff *skb)
{
	if (!IS_ERR(skb))
		nlmsg_free(skb);
}

/* An event cannot be told: its number is missing from now on. */
static void event_lost(struct ipcx_net *in, enum ipcx_group group)
{
	in->seq[group]++;
	genl_set_err(&ipcx_genl_family, in->net, 0, group, -ENOBUFS);
}

static int put_u32(struct sk_buff *skb, int attr, u32 v)
{
	return v ? nla_put_u32(skb, attr, v) : 0;
}

static int put_u64(struct sk_buff *skb, int attr, u64 v)
{
	return v ? nla_put_u64_64bit(skb, attr, v, IPCX_A_EVENT_PAD) : 0;
}

/* A process by the number that it has itself, at @attr, and where that is so, at @attr_ns. */
static int pid_put(struct sk_buff *skb, struct pid *pid, int attr, int attr_ns)
{
	struct pid_namespace *ns = ns_of_pid(pid);

	if (!pid)
		return 0;
	return nla_put_u32(skb, attr, pid_nr_ns(pid, ns)) ?: nla_put_u32(skb, attr_ns, ns->ns.inum);
}

static int culprits_put(struct sk_buff *skb, const struct ipcx_net *in, const struct ipcx_event *e)
{
	const struct ipcx_culprit *who = &e->who;

	if (put_u64(skb, IPCX_A_EVENT_END, who->end) ||
	    pid_put(skb, who->pid, IPCX_A_EVENT_PID, IPCX_A_EVENT_PID_NS) ||
	    put_u64(skb, IPCX_A_EVENT_BY_END, e->by_end) ||
	    pid_put(skb, e->by_pid, IPCX_A_EVENT_BY_PID, IPCX_A_EVENT_BY_PID_NS))
		return -EMSGSIZE;
	return uid_valid(who->uid) ?
		       nla_put_u32(skb, IPCX_A_EVENT_UID, from_kuid_munged(in->user_ns, who->uid)) :
		       0;
}

/* Of an end that was revoked */
static int revoked_put(struct sk_buff *skb, const struct ipcx_net *in,
		       const struct ipcx_revocation *r)
{
	if (!r)
		return 0;
	if (put_u32(skb, IPCX_A_EVENT_LOANS, r->loans) ||
	    put_u32(skb, IPCX_A_EVENT_LEASES, r->leases))
		return -EMSGSIZE;
	return nla_put_u32(skb, IPCX_A_EVENT_BY_UID, from_kuid_munged(in->user_ns, r->uid));
}

/* What it is now; 0 if that is not known or no number. */
static u64 limit_value(const struct ipcx_object *obj, u32 limit)
{
	switch (limit) {
	case IPCX_EVENT_LIMIT_USER_BYTES:
		return ipcx_user_bytes_max();
	case IPCX_EVENT_LIMIT_USER_OBJECTS:
		return ipcx_user_queues_max();
	case 0:
	case IPCX_EVENT_LIMIT_MEMORY:
	case IPCX_EVENT_LIMIT_PEERS:
		return 0;
	default: /* only of one that was made */
		return obj->ops->limit(obj, limit);
	}
}

static int event_put(struct sk_buff *skb, const struct ipcx_object *obj, const struct ipcx_event *e,
		     u64 seq)
{
	if (put_u64(skb, IPCX_A_EVENT_SEQ, seq) ||
	    put_u64(skb, IPCX_A_EVENT_TIME, ktime_get_ns()) ||
	    put_u32(skb, IPCX_A_EVENT_KIND, e->kind) ||
	    put_u64(skb, IPCX_A_EVENT_OBJECT, obj->id) ||
	    (obj->name.len && nla_put(skb, IPCX_A_EVENT_NAME, obj->name.len, obj->name.s)) ||
	    put_u32(skb, IPCX_A_EVENT_OBJECT_KIND, obj->ops->kind) ||
	    culprits_put(skb, obj->net, e) || revoked_put(skb, obj->net, e->revoked) ||
	    put_u32(skb, IPCX_A_EVENT_EXIT, e->exit) ||
	    put_u64(skb, IPCX_A_EVENT_COUNT, e->count) ||
	    put_u64(skb, IPCX_A_EVENT_DEAD_LETTERED, e->dead_lettered) ||
	    put_u32(skb, IPCX_A_EVENT_LIMIT, e->limit))
		return -EMSGSIZE;
	return put_u64(skb, IPCX_A_EVENT_LIMIT_VALUE, limit_value(obj, e->limit));
}

/**
 * ipcx_event_send() - tell whoever listens
 * @skb: from ipcx_event_room() for the group of its kind; gone afterwards
 * @obj: the object; the lock of its namespace is held
 * @e: what has happened
 */
void ipcx_event_send(struct sk_buff *skb, const struct ipcx_object *obj, const struct ipcx_event *e)
{
	bool alert = e->kind >= IPCX_EVENT_KIND_LOANS_RETURNED;
	enum ipcx_group group = alert ? IPCX_GROUP_ALERTS : IPCX_GROUP_LIFECYCLE;
	u8 cmd = alert ? IPCX_CMD_ALERT_EVENT : IPCX_CMD_LIFECYCLE_EVENT;
	struct ipcx_net *in = obj->net;
	void *head;

	lockdep_assert_held(&in->lock);
	if (!skb)
		return;
	head = IS_ERR(skb) ? NULL : genlmsg_put(skb, 0, 0, &ipcx_genl_family, 0, cmd);
	if (!head || event_put(skb, obj, e, in->seq[group] + 1)) {
		ipcx_event_unused(skb);
		event_lost(in, group);
		return;
	}
	in->seq[group]++;
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&ipcx_genl_family, in->net, skb, 0, group, GFP_TELL);
}

/**
 * ipcx_event_object() - an object has come or gone, or lost its name
 * @skb: from ipcx_event_room(); gone afterwards
 * @obj: the object; the lock of its namespace is held
 * @kind: which of these
 * @who: was the cause
 */
void ipcx_event_object(struct sk_buff *skb, const struct ipcx_object *obj, u32 kind,
		       const struct ipcx_culprit *who)
{
	ipcx_event_send(skb, obj, &(struct ipcx_event){ .kind = kind, .who = *who });
}

/**
 * ipcx_event_end() - an end was opened or closed
 * @skb: from ipcx_event_room(); gone afterwards
 * @end: the end; the lock of its namespace is held
 * @kind: which of these
 * @revoked: by whom, and what it held; NULL if it was not
 */
void ipcx_event_end(struct sk_buff *skb, const struct ipcx_end *end, u32 kind,
		    const struct ipcx_revocation *revoked)
{
	const struct ipcx_event e = {
		.kind = kind,
		.exit = revoked ? IPCX_EVENT_EXIT_REVOKED : READ_ONCE(end->exit),
		.who = ipcx_culprit_opener(end),
		.by_pid = revoked ? revoked->pid : NULL,
		.revoked = revoked,
	};

	ipcx_event_send(skb, end->obj, &e);
}
