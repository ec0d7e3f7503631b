// SPDX-License-Identifier: GPL-2.0-only
/* Netlink: one object, or all. */
#include "netlink.h"
#include "stat.h"

#define QUEUE	BIT(IPCX_KIND_QUEUE)
#define TOPIC	BIT(IPCX_KIND_TOPIC)
#define REGION	BIT(IPCX_KIND_REGION)

#define AT(member)	offsetof(struct ipcx_object_stat, member)

/* Which numbers which kinds have. */
static const struct {
	u16 attr;
	u16 offset;
	u32 kinds;
} numbers[] = {
	{ IPCX_A_OBJECT_DEPTH, AT(depth), QUEUE | TOPIC },
	{ IPCX_A_OBJECT_MSG_MAX, AT(msg_max), QUEUE | TOPIC },
	{ IPCX_A_OBJECT_BYTES_MAX, AT(bytes_max), QUEUE | TOPIC | REGION },
	{ IPCX_A_OBJECT_BYTES, AT(bytes), QUEUE | TOPIC | REGION },
	{ IPCX_A_OBJECT_SENDERS, AT(senders), QUEUE | TOPIC },
	{ IPCX_A_OBJECT_RECEIVERS, AT(receivers), QUEUE | TOPIC },
	{ IPCX_A_OBJECT_FREE, AT(free), QUEUE },
	{ IPCX_A_OBJECT_LOANED, AT(loaned), QUEUE },
	{ IPCX_A_OBJECT_QUEUED, AT(queued), QUEUE },
	{ IPCX_A_OBJECT_LEASED, AT(leased), QUEUE },
	{ IPCX_A_OBJECT_ANSWERS, AT(answers), QUEUE },
	{ IPCX_A_OBJECT_REQUESTS, AT(requests), QUEUE },
	{ IPCX_A_OBJECT_SEND_WAITERS, AT(send_waiters), QUEUE },
	{ IPCX_A_OBJECT_RECV_WAITERS, AT(recv_waiters), QUEUE },
	{ IPCX_A_OBJECT_SENT, AT(sent), QUEUE },
	{ IPCX_A_OBJECT_RELEASED, AT(count.released), QUEUE },
	{ IPCX_A_OBJECT_DROPPED_OLDEST, AT(count.dropped_oldest), QUEUE },
	{ IPCX_A_OBJECT_DROPPED_NEWEST, AT(count.dropped_newest), QUEUE },
	{ IPCX_A_OBJECT_EXPIRED, AT(count.expired), QUEUE },
	{ IPCX_A_OBJECT_POISON, AT(count.poison), QUEUE },
	{ IPCX_A_OBJECT_WITHDRAWN, AT(count.withdrawn), QUEUE },
	{ IPCX_A_OBJECT_REDELIVERED, AT(count.redelivered), QUEUE },
	{ IPCX_A_OBJECT_DEAD_LETTERED, AT(count.dead_lettered), QUEUE },
	{ IPCX_A_OBJECT_DEAD_LETTER_FAILED, AT(count.dead_letter_failed), QUEUE },
	{ IPCX_A_OBJECT_POLICY, AT(policy), QUEUE },
	{ IPCX_A_OBJECT_MAX_DELIVERIES, AT(max_deliveries), QUEUE },
	{ IPCX_A_OBJECT_LEASE_MS, AT(lease_ms), QUEUE },
	{ IPCX_A_OBJECT_LEASES_MAX, AT(leases_max), QUEUE },
	{ IPCX_A_OBJECT_DEAD_LETTER, AT(dead_letter), QUEUE },
	{ IPCX_A_OBJECT_SENT_BYTES, AT(sent_bytes), QUEUE },
	{ IPCX_A_OBJECT_AGES_SUM_MS, AT(ages_sum_ms), QUEUE },
	{ IPCX_A_OBJECT_OLDEST_MS, AT(oldest_ms), QUEUE },
	{ IPCX_A_OBJECT_TAPS, AT(taps), QUEUE | TOPIC },
};

static int numbers_put(struct sk_buff *skb, struct ipcx_object *obj)
{
	struct ipcx_object_stat s = {};
	u32 i;

	obj->ops->look(obj, &s);
	s.taps = obj->taps;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		const u64 *number = (void *)&s + numbers[i].offset;

		if (numbers[i].kinds & BIT(obj->ops->kind) &&
		    nla_put_u64_64bit(skb, numbers[i].attr, *number, IPCX_A_OBJECT_PAD))
			return -EMSGSIZE;
	}
	if (obj->ops->kind == IPCX_KIND_QUEUE)
		return nla_put(skb, IPCX_A_OBJECT_AGES, sizeof(s.ages), s.ages);
	return 0;
}

static int object_put(struct sk_buff *skb, const struct ipcx_asker *asker, struct ipcx_object *obj)
{
	struct user_namespace *ns = asker->cred->user_ns;
	u32 flags = 0;

	lockdep_assert_held(&asker->in->lock);
	if (obj->ephemeral)
		flags |= IPCX_OBJECT_FLAGS_EPHEMERAL;
	if (obj->name.len && !obj->named)
		flags |= IPCX_OBJECT_FLAGS_UNLINKED;
	if (nla_put_u64_64bit(skb, IPCX_A_OBJECT_ID, obj->id, IPCX_A_OBJECT_PAD) ||
	    (obj->name.len && nla_put(skb, IPCX_A_OBJECT_NAME, obj->name.len, obj->name.s)) ||
	    nla_put_u32(skb, IPCX_A_OBJECT_KIND, obj->ops->kind) ||
	    nla_put_u32(skb, IPCX_A_OBJECT_FLAGS, flags) ||
	    nla_put_u32(skb, IPCX_A_OBJECT_UID, from_kuid_munged(ns, obj->uid)) ||
	    nla_put_u32(skb, IPCX_A_OBJECT_GID, from_kgid_munged(ns, obj->gid)) ||
	    nla_put_u32(skb, IPCX_A_OBJECT_MODE, obj->mode))
		return -EMSGSIZE;
	return numbers_put(skb, obj);
}

static struct ipcx_object *by_key(struct ipcx_net *in, struct nlattr **attrs)
{
	struct ipcx_name name = {};

	if (attrs[IPCX_A_OBJECT_ID])
		return xa_load(&in->ids, nla_get_u64(attrs[IPCX_A_OBJECT_ID]));
	name.len = nla_len(attrs[IPCX_A_OBJECT_NAME]);
	nla_memcpy(name.s, attrs[IPCX_A_OBJECT_NAME], IPCX_NAME_MAX);
	return ipcx_name_lookup(in, &name);
}

/**
 * ipcx_object_get_doit() - IPCX_CMD_OBJECT_GET of one
 * @skb: the request
 * @info: likewise
 *
 * Return: 0, -EINVAL, -ENOENT, -EPROTOTYPE, -ENOMEM.
 */
int ipcx_object_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	int err = ipcx_attrs_once(info->nlhdr, info->extack);
	struct ipcx_asker asker;
	struct ipcx_object *obj;
	struct sk_buff *reply;
	void *head;

	if (err)
		return err;
	if (!attrs[IPCX_A_OBJECT_ID] == !attrs[IPCX_A_OBJECT_NAME]) {
		GENL_SET_ERR_MSG(info, "either a number or a name is needed");
		return -EINVAL;
	}
	reply = ipcx_reply_begin(info, IPCX_CMD_OBJECT_GET, &head);
	if (!reply)
		return -ENOMEM;
	ipcx_asker_init(&asker, skb);
	mutex_lock(&asker.in->lock);
	obj = by_key(asker.in, attrs);
	if (!obj || !ipcx_asker_sees(&asker, obj))
		err = -ENOENT;
	else if (attrs[IPCX_A_OBJECT_KIND] &&
		 nla_get_u32(attrs[IPCX_A_OBJECT_KIND]) != obj->ops->kind)
		err = -EPROTOTYPE;
	else
		err = object_put(reply, &asker, obj);
	mutex_unlock(&asker.in->lock);
	return ipcx_reply_end(reply, head, err, info);
}

static int object_dump(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct ipcx_asker *asker, struct ipcx_object *obj)
{
	void *head = ipcx_dump_message(skb, cb, IPCX_CMD_OBJECT_GET, asker->in->objects_changed);

	if (!head)
		return -EMSGSIZE;
	if (object_put(skb, asker, obj)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/**
 * ipcx_object_get_dumpit() - IPCX_CMD_OBJECT_GET of all
 * @skb: where
 * @cb: the dump
 *
 * Return: bytes written, 0 at the end, -EINVAL, -EMSGSIZE, -EINTR.
 */
int ipcx_object_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct ipcx_asker asker;
	struct ipcx_object *obj;
	int err = ipcx_dump_begin(cb, IPCX_A_OBJECT_KIND, IPCX_A_OBJECT_KIND);

	if (err)
		return err;
	ipcx_asker_init(&asker, cb->skb);
	mutex_lock(&asker.in->lock);
	while (!err) {
		obj = xa_find(&asker.in->ids, &cursor->id, ULONG_MAX, XA_PRESENT);
		if (!obj)
			break;
		if ((!cursor->only || obj->ops->kind == cursor->only) &&
		    ipcx_asker_sees(&asker, obj))
			err = object_dump(skb, cb, &asker, obj);
		if (!err) {
			cursor->id++;
			err = ipcx_asker_breathe(&asker);
		}
	}
	cb->seq = asker.in->objects_changed; /* also of what went after the last message */
	mutex_unlock(&asker.in->lock);
	return skb->len ?: err;
}
