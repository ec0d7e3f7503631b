// SPDX-License-Identifier: GPL-2.0-only
/* Netlink: what users have, and may have. */
#include <linux/limits.h>

#include "netlink.h"

static int limit_put(struct sk_buff *skb, const struct ipcx_asker *asker, kuid_t uid,
		     const struct ipcx_usage *usage)
{
	const u16 pad = IPCX_A_LIMIT_PAD;

	if (nla_put_u32(skb, IPCX_A_LIMIT_UID, from_kuid_munged(asker->cred->user_ns, uid)) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_BYTES, usage->bytes, pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_BYTES_MAX, ipcx_user_bytes_max(), pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_OBJECTS, usage->queues, pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_OBJECTS_MAX, ipcx_user_queues_max(), pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_REGIONS, usage->regions, pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_DEPTH_MAX, ipcx_queue_depth_max(), pad) ||
	    nla_put_u64_64bit(skb, IPCX_A_LIMIT_MSG_MAX, ipcx_queue_msg_max(), pad))
		return -EMSGSIZE;
	return 0;
}

/* Its own account, or, for who may see all, that of a user of what it may see all of. */
static bool may_see(const struct ipcx_asker *asker, kuid_t uid)
{
	return uid_eq(uid, asker->cred->euid) ||
	       (asker->all && kuid_has_mapping(asker->in->user_ns, uid));
}

/**
 * ipcx_limit_get_doit() - IPCX_CMD_LIMIT_GET of one user
 * @skb: the request
 * @info: likewise
 *
 * Return: 0, -EINVAL, -EPERM, -ENOMEM.
 */
int ipcx_limit_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[IPCX_A_LIMIT_UID];
	int err = ipcx_attrs_once(info->nlhdr, info->extack);
	struct ipcx_usage usage = {};
	struct ipcx_asker asker;
	struct sk_buff *reply;
	unsigned long id;
	void *head;
	kuid_t uid;

	if (err)
		return err;
	ipcx_asker_init(&asker, skb);
	uid = attr ? make_kuid(asker.cred->user_ns, nla_get_u32(attr)) : asker.cred->euid;
	if (!uid_valid(uid)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "there is no such user here");
		return -EINVAL;
	}
	if (!may_see(&asker, uid))
		return -EPERM;
	reply = ipcx_reply_begin(info, IPCX_CMD_LIMIT_GET, &head);
	if (!reply)
		return -ENOMEM;
	id = __kuid_val(uid);
	if (ipcx_user_next(&id, &usage) && id != __kuid_val(uid))
		usage = (struct ipcx_usage){}; /* of another user */
	return ipcx_reply_end(reply, head, limit_put(reply, &asker, uid, &usage), info);
}

static int limit_dump(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct ipcx_asker *asker, kuid_t uid, const struct ipcx_usage *usage)
{
	void *head = ipcx_dump_message(skb, cb, IPCX_CMD_LIMIT_GET, 0);

	if (!head)
		return -EMSGSIZE;
	if (limit_put(skb, asker, uid, usage)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/**
 * ipcx_limit_get_dumpit() - IPCX_CMD_LIMIT_GET of all
 * @skb: where
 * @cb: the dump
 *
 * Users come and go with every object: that is no reason to begin again.
 *
 * Return: bytes written, 0 at the end, -EINVAL, -EMSGSIZE.
 */
int ipcx_limit_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct ipcx_asker asker;
	struct ipcx_usage usage;
	int err = ipcx_dump_begin(cb, 0, IPCX_A_LIMIT_UID);

	if (err)
		return err;
	ipcx_asker_init(&asker, cb->skb);
	while (!err && ipcx_user_next(&cursor->id, &usage)) {
		kuid_t uid = KUIDT_INIT(cursor->id);

		if (may_see(&asker, uid))
			err = limit_dump(skb, cb, &asker, uid, &usage);
		if (!err)
			cursor->id++;
		cond_resched();
	}
	return skb->len ?: err;
}

/* Shall a limit be what is not @min to @max? */
static bool is_wrong(struct nlattr **attrs, u16 type, u64 min, u64 max)
{
	u64 v = attrs[type] ? nla_get_u64(attrs[type]) : min;

	return v < min || v > max;
}

static int limits_check(struct genl_info *info)
{
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;

	if (is_wrong(attrs, IPCX_A_LIMIT_BYTES_MAX, 0, S64_MAX))
		NL_SET_ERR_MSG_ATTR(extack, attrs[IPCX_A_LIMIT_BYTES_MAX],
				    "bytes-max is 1 to 9223372036854775807, or 0 for a quarter of the memory");
	else if (is_wrong(attrs, IPCX_A_LIMIT_OBJECTS_MAX, 0, U32_MAX))
		NL_SET_ERR_MSG_ATTR(extack, attrs[IPCX_A_LIMIT_OBJECTS_MAX],
				    "objects-max is 0 to 4294967295");
	else if (is_wrong(attrs, IPCX_A_LIMIT_DEPTH_MAX, 1, IPCX_DEPTH_MAX))
		NL_SET_ERR_MSG_ATTR(extack, attrs[IPCX_A_LIMIT_DEPTH_MAX],
				    "depth-max is 1 to 65536");
	else if (is_wrong(attrs, IPCX_A_LIMIT_MSG_MAX, 1, IPCX_MSG_MAX))
		NL_SET_ERR_MSG_ATTR(extack, attrs[IPCX_A_LIMIT_MSG_MAX],
				    "msg-max is 1 to 1073741824");
	else
		return 0;
	return -ERANGE;
}

/**
 * ipcx_limit_set_doit() - IPCX_CMD_LIMIT_SET
 * @skb: the request
 * @info: likewise
 *
 * The limits are of the whole machine, so a capability over a namespace is not enough. Each is
 * a word of its own, and none depends on another: who sets some at the same time sets others
 * or is the last.
 *
 * Return: 0, -EPERM, -EINVAL, -ERANGE.
 */
int ipcx_limit_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	int err = ipcx_attrs_once(info->nlhdr, info->extack);

	if (err)
		return err;
	if (!netlink_capable(skb, CAP_SYS_ADMIN)) {
		GENL_SET_ERR_MSG(info, "limits are set with CAP_SYS_ADMIN only");
		return -EPERM;
	}
	if (!attrs[IPCX_A_LIMIT_BYTES_MAX] && !attrs[IPCX_A_LIMIT_OBJECTS_MAX] &&
	    !attrs[IPCX_A_LIMIT_DEPTH_MAX] && !attrs[IPCX_A_LIMIT_MSG_MAX]) {
		GENL_SET_ERR_MSG(info, "no limit is given");
		return -EINVAL;
	}
	err = limits_check(info);
	if (err)
		return err;
	if (attrs[IPCX_A_LIMIT_BYTES_MAX])
		ipcx_user_bytes_max_set(nla_get_u64(attrs[IPCX_A_LIMIT_BYTES_MAX]));
	if (attrs[IPCX_A_LIMIT_OBJECTS_MAX])
		ipcx_user_queues_max_set(nla_get_u64(attrs[IPCX_A_LIMIT_OBJECTS_MAX]));
	if (attrs[IPCX_A_LIMIT_DEPTH_MAX])
		ipcx_queue_depth_max_set(nla_get_u64(attrs[IPCX_A_LIMIT_DEPTH_MAX]));
	if (attrs[IPCX_A_LIMIT_MSG_MAX])
		ipcx_queue_msg_max_set(nla_get_u64(attrs[IPCX_A_LIMIT_MSG_MAX]));
	return 0;
}
