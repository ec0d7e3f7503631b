// SPDX-License-Identifier: GPL-2.0-only
/* Netlink: open ends, and the slots of queues that they hold. */
#include "netlink.h"

#define LOOK	64	/* slots looked at under one hold of a queue's lock */

static int name_put(struct sk_buff *skb, u16 attr, const struct ipcx_object *obj)
{
	return obj->name.len ? nla_put(skb, attr, obj->name.len, obj->name.s) : 0;
}

static int counts_put(struct sk_buff *skb, struct ipcx_end *end)
{
	struct ipcx_endpoint *ep = container_of(end, struct ipcx_endpoint, end);
	u32 loans, leases;

	spin_lock(&ep->q->lock);
	loans = ep->party.count[IPCX_SLOT_LOANED];
	leases = ep->party.count[IPCX_SLOT_LEASED];
	spin_unlock(&ep->q->lock);
	return nla_put_u32(skb, IPCX_A_END_LOANS, loans) ||
	       nla_put_u32(skb, IPCX_A_END_LEASES, leases);
}

static int end_put(struct sk_buff *skb, const struct ipcx_asker *asker, struct ipcx_end *end)
{
	u32 rights = (end->rights & 2 ? IPCX_END_RIGHTS_SEND : 0) |
		     (end->rights & 4 ? IPCX_END_RIGHTS_RECV : 0);
	const struct ipcx_object *obj = end->obj;

	lockdep_assert_held(&asker->in->lock);
	if (nla_put_u64_64bit(skb, IPCX_A_END_ID, end->id, IPCX_A_END_PAD) ||
	    nla_put_u64_64bit(skb, IPCX_A_END_OBJECT, obj->id, IPCX_A_END_PAD) ||
	    name_put(skb, IPCX_A_END_NAME, obj) ||
	    nla_put_u32(skb, IPCX_A_END_KIND, obj->ops->kind) ||
	    nla_put_u32(skb, IPCX_A_END_RIGHTS, rights) ||
	    nla_put_u32(skb, IPCX_A_END_PID, ipcx_pid_visible(end->pid, false)) ||
	    nla_put_u32(skb, IPCX_A_END_UID, from_kuid_munged(asker->cred->user_ns, end->uid)))
		return -EMSGSIZE;
	return obj->ops->kind == IPCX_KIND_QUEUE && counts_put(skb, end) ? -EMSGSIZE : 0;
}

/**
 * ipcx_end_get_doit() - IPCX_CMD_END_GET of one
 * @skb: the request
 * @info: likewise
 *
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM.
 */
int ipcx_end_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = ipcx_attrs_once(info->nlhdr, info->extack);
	struct ipcx_asker asker;
	struct ipcx_end *end;
	struct sk_buff *reply;
	void *head;

	if (err)
		return err;
	if (!info->attrs[IPCX_A_END_ID] || info->attrs[IPCX_A_END_OBJECT]) {
		GENL_SET_ERR_MSG(info, "the number of an end is needed, and nothing else");
		return -EINVAL;
	}
	reply = ipcx_reply_begin(info, IPCX_CMD_END_GET, &head);
	if (!reply)
		return -ENOMEM;
	ipcx_asker_init(&asker, skb);
	mutex_lock(&asker.in->lock);
	end = xa_load(&asker.in->ends, nla_get_u64(info->attrs[IPCX_A_END_ID]));
	if (end && ipcx_asker_sees(&asker, end->obj))
		err = end_put(reply, &asker, end);
	else
		err = -ENOENT;
	mutex_unlock(&asker.in->lock);
	return ipcx_reply_end(reply, head, err, info);
}

/* What ends and holders change with. */
static u32 changed(const struct ipcx_asker *asker)
{
	return asker->in->ends_changed + asker->in->objects_changed;
}

static int end_dump(struct sk_buff *skb, struct netlink_callback *cb,
		    const struct ipcx_asker *asker, struct ipcx_end *end)
{
	void *head = ipcx_dump_message(skb, cb, IPCX_CMD_END_GET, changed(asker));

	if (!head)
		return -EMSGSIZE;
	if (end_put(skb, asker, end)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/**
 * ipcx_end_get_dumpit() - IPCX_CMD_END_GET of all
 * @skb: where
 * @cb: the dump
 *
 * Return: bytes written, 0 at the end, -EINVAL, -EMSGSIZE, -EINTR.
 */
int ipcx_end_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct ipcx_asker asker;
	struct ipcx_end *end;
	int err = ipcx_dump_begin(cb, IPCX_A_END_OBJECT, IPCX_A_END_OBJECT);

	if (err)
		return err;
	ipcx_asker_init(&asker, cb->skb);
	mutex_lock(&asker.in->lock);
	while (!err) {
		end = xa_find(&asker.in->ends, &cursor->id, ULONG_MAX, XA_PRESENT);
		if (!end)
			break;
		if ((!cursor->only || end->obj->id == cursor->only) &&
		    ipcx_asker_sees(&asker, end->obj))
			err = end_dump(skb, cb, &asker, end);
		if (!err) {
			cursor->id++;
			err = ipcx_asker_breathe(&asker);
		}
	}
	cb->seq = changed(&asker); /* also of what went after the last message */
	mutex_unlock(&asker.in->lock);
	return skb->len ?: err;
}

/**
 * struct holder - a slot that somebody holds, as it was under the queue's lock
 * @state: IPCX_HOLDER_STATE_*
 * @end: number of the end that holds it
 * @pid: who opened that
 * @uid: likewise
 * @held_ms: how long
 * @bytes: see struct ipcx_slot::len
 * @seq: likewise
 * @deliveries: likewise
 */
struct holder {
	u32 state;
	u64 end;
	pid_t pid;
	kuid_t uid;
	u64 held_ms;
	u64 bytes;
	u64 seq;
	u32 deliveries;
};

/* In whose hands a slot is, how and since when; NULL if in nobody's. */
static const struct ipcx_party *slot_party(const struct ipcx_slot *slot, u32 *state, u32 *since)
{
	const struct ipcx_late *late;

	*since = slot->since;
	if (slot->state == IPCX_SLOT_LOANED || slot->state == IPCX_SLOT_LEASED) {
		*state = slot->state == IPCX_SLOT_LOANED ? IPCX_HOLDER_STATE_LOANED :
							   IPCX_HOLDER_STATE_LEASED;
		return slot->holder;
	}
	if (slot->state == IPCX_SLOT_ANSWERED) {
		*state = IPCX_HOLDER_STATE_ANSWERED;
		return slot->caller;
	}
	*state = IPCX_HOLDER_STATE_OVERDUE; /* the last that became so; others may wait behind */
	if (hlist_empty(ipcx_slot_lates(slot)))
		return NULL;
	late = hlist_entry(ipcx_slot_lates(slot)->first, struct ipcx_late, in_slot);
	*since = late->since;
	return late->party;
}

static bool slot_holder(const struct ipcx_slot *slot, struct holder *h)
{
	u32 since;
	const struct ipcx_party *party = slot_party(slot, &h->state, &since);
	const struct ipcx_endpoint *ep = container_of(party, struct ipcx_endpoint, party);

	if (!party)
		return false;
	h->end = ep->end.id;
	h->pid = ipcx_pid_visible(ep->end.pid, false);
	h->uid = ep->end.uid;
	h->held_ms = jiffies64_to_msecs((u32)jiffies - since);
	h->bytes = slot->len;
	h->seq = slot->seq;
	h->deliveries = slot->deliveries;
	return true;
}

/* From @slot on, among few: finds one that is held. Return: whether there is one, at @slot. */
static bool next_holder(struct ipcx_queue *q, u32 *slot, struct holder *h)
{
	u32 end = min(*slot + LOOK, q->arena.depth);
	bool found = false;

	spin_lock(&q->lock);
	for (; *slot < end; ++*slot) {
		found = slot_holder(&q->slots.slot[*slot], h);
		if (found)
			break;
	}
	spin_unlock(&q->lock);
	return found;
}

static int holder_put(struct sk_buff *skb, const struct ipcx_asker *asker,
		      const struct ipcx_object *obj, u32 slot, const struct holder *h)
{
	if (nla_put_u64_64bit(skb, IPCX_A_HOLDER_OBJECT, obj->id, IPCX_A_HOLDER_PAD) ||
	    name_put(skb, IPCX_A_HOLDER_NAME, obj) || nla_put_u32(skb, IPCX_A_HOLDER_SLOT, slot) ||
	    nla_put_u32(skb, IPCX_A_HOLDER_STATE, h->state) ||
	    nla_put_u64_64bit(skb, IPCX_A_HOLDER_END, h->end, IPCX_A_HOLDER_PAD) ||
	    nla_put_u32(skb, IPCX_A_HOLDER_PID, h->pid) ||
	    nla_put_u32(skb, IPCX_A_HOLDER_UID, from_kuid_munged(asker->cred->user_ns, h->uid)) ||
	    nla_put_u64_64bit(skb, IPCX_A_HOLDER_BYTES, h->bytes, IPCX_A_HOLDER_PAD))
		return -EMSGSIZE;
	if (h->state != IPCX_HOLDER_STATE_ANSWERED &&
	    nla_put_u64_64bit(skb, IPCX_A_HOLDER_HELD_MS, h->held_ms, IPCX_A_HOLDER_PAD))
		return -EMSGSIZE;
	if (h->state == IPCX_HOLDER_STATE_LOANED)
		return 0;
	return nla_put_u64_64bit(skb, IPCX_A_HOLDER_SEQ, h->seq, IPCX_A_HOLDER_PAD) ||
			       nla_put_u32(skb, IPCX_A_HOLDER_DELIVERIES, h->deliveries) ?
		       -EMSGSIZE :
		       0;
}

/* The next one of a queue, if there is one among the next few slots. */
static int holder_dump(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct ipcx_asker *asker, struct ipcx_object *obj)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct holder h;
	void *head;

	if (!next_holder(container_of(obj, struct ipcx_queue, obj), &cursor->slot, &h))
		return 0;
	head = ipcx_dump_message(skb, cb, IPCX_CMD_HOLDER_GET, changed(asker));
	if (!head)
		return -EMSGSIZE;
	if (holder_put(skb, asker, obj, cursor->slot, &h)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	cursor->slot++;
	return 0;
}

/* The object at the cursor or the next one, NULL at the end. */
static struct ipcx_object *cursor_object(struct ipcx_net *in, struct ipcx_cursor *cursor)
{
	unsigned long id = cursor->id;
	struct ipcx_object *obj = xa_find(&in->ids, &id, ULONG_MAX, XA_PRESENT);

	if (!obj || (cursor->only && id != cursor->only))
		return NULL;
	if (id != cursor->id)
		cursor->slot = 0;
	cursor->id = id;
	return obj;
}

/* Has the cursor been through an object? */
static bool seen_through(const struct ipcx_object *obj, const struct ipcx_asker *asker, u32 slot)
{
	return obj->ops->kind != IPCX_KIND_QUEUE || !ipcx_asker_sees(asker, obj) ||
	       slot >= container_of(obj, struct ipcx_queue, obj)->arena.depth;
}

/**
 * ipcx_holder_get_dumpit() - IPCX_CMD_HOLDER_GET
 * @skb: where
 * @cb: the dump
 *
 * Return: bytes written, 0 at the end, -EINVAL, -EMSGSIZE, -EINTR.
 */
int ipcx_holder_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct ipcx_asker asker;
	struct ipcx_object *obj;
	int err = ipcx_dump_begin(cb, IPCX_A_HOLDER_OBJECT, IPCX_A_HOLDER_OBJECT);

	if (err)
		return err;
	if (!cursor->id)
		cursor->id = cursor->only;
	ipcx_asker_init(&asker, cb->skb);
	mutex_lock(&asker.in->lock);
	while (!err) {
		obj = cursor_object(asker.in, cursor);
		if (!obj)
			break;
		if (seen_through(obj, &asker, cursor->slot)) {
			cursor->id++;
			cursor->slot = 0;
		} else {
			err = holder_dump(skb, cb, &asker, obj);
		}
		err = err ?: ipcx_asker_breathe(&asker);
	}
	cb->seq = changed(&asker); /* also of what went after the last message */
	mutex_unlock(&asker.in->lock);
	return skb->len ?: err;
}
