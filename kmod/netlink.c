// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "ipcx", for those who look on: its operations, what each may be
 * asked, and who sees what. What it says is in ipcx_netlink.h of the uapi, and in the
 * specification from which that is made.
 *
 * What may go while it is looked at, and why that is safe:
 *
 *   objects, ends   are in the tables of struct ipcx_net as long as they can be looked at, and
 *                   leave them under its lock before they are freed. An answer is written under
 *                   that lock, into a buffer that was allocated before. A dump keeps numbers
 *                   between two of its messages, never pointers.
 *   the namespace   is held by the asker's socket: the tables go after the last one is closed.
 *   the module      is held by a dump from its beginning to its end (genl_family::module), so that
 *                   rmmod fails meanwhile. All else runs under genetlink's cb_lock, for which
 *                   genl_unregister_family() waits. So it is called first at exit, while all is
 *                   still there.
 *
 * LOCKS: none of its own, and operations may run beside each other (parallel_ops). Credentials
 * are those of the file of the socket, since a privileged program may be given one.
 */
#include <linux/module.h>
#include <linux/net.h>
#include <net/sock.h>

#include "compat.h"
#include "netlink.h"

static const struct nla_policy object_policy[] = {
	[IPCX_A_OBJECT_ID] = NLA_POLICY_MIN(NLA_U64, 1),
	[IPCX_A_OBJECT_NAME] = NLA_POLICY_RANGE(NLA_BINARY, 1, IPCX_NAME_MAX),
	[IPCX_A_OBJECT_KIND] = NLA_POLICY_RANGE(NLA_U32, IPCX_KIND_QUEUE, IPCX_KIND_REGION),
};

static const struct nla_policy end_policy[] = {
	[IPCX_A_END_ID] = NLA_POLICY_MIN(NLA_U64, 1),
	[IPCX_A_END_OBJECT] = NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy revoke_policy[] = {
	[IPCX_A_END_ID] = NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy holder_policy[] = {
	[IPCX_A_HOLDER_OBJECT] = NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy limit_policy[] = {
	[IPCX_A_LIMIT_UID] = { .type = NLA_U32 },
};

static const struct nla_policy limit_set_policy[] = {
	[IPCX_A_LIMIT_BYTES_MAX] = { .type = NLA_U64 },
	[IPCX_A_LIMIT_OBJECTS_MAX] = { .type = NLA_U64 },
	[IPCX_A_LIMIT_DEPTH_MAX] = { .type = NLA_U64 },
	[IPCX_A_LIMIT_MSG_MAX] = { .type = NLA_U64 },
};

static const struct genl_ops ops[] = {
	{
		.cmd = IPCX_CMD_OBJECT_GET,
		.policy = object_policy,
		.maxattr = ARRAY_SIZE(object_policy) - 1,
		.doit = ipcx_object_get_doit,
		.dumpit = ipcx_object_get_dumpit,
	},
	{
		.cmd = IPCX_CMD_END_GET,
		.policy = end_policy,
		.maxattr = ARRAY_SIZE(end_policy) - 1,
		.doit = ipcx_end_get_doit,
		.dumpit = ipcx_end_get_dumpit,
	},
	{
		.cmd = IPCX_CMD_HOLDER_GET,
		.policy = holder_policy,
		.maxattr = ARRAY_SIZE(holder_policy) - 1,
		.dumpit = ipcx_holder_get_dumpit,
	},
	{
		.cmd = IPCX_CMD_LIMIT_GET,
		.policy = limit_policy,
		.maxattr = ARRAY_SIZE(limit_policy) - 1,
		.doit = ipcx_limit_get_doit,
		.dumpit = ipcx_limit_get_dumpit,
	},
	{
		.cmd = IPCX_CMD_LIMIT_SET,
		.policy = limit_set_policy,
		.maxattr = ARRAY_SIZE(limit_set_policy) - 1,
		.doit = ipcx_limit_set_doit,
	},
	{
		.cmd = IPCX_CMD_END_REVOKE,
		.policy = revoke_policy,
		.maxattr = ARRAY_SIZE(revoke_policy) - 1,
		.doit = ipcx_end_revoke_doit,
	},
};

static const struct genl_multicast_group groups[] = {
	[IPCX_GROUP_LIFECYCLE] = { IPCX_MCGRP_LIFECYCLE, GENL_MCAST_CAP_NET_ADMIN },
	[IPCX_GROUP_ALERTS] = { IPCX_MCGRP_ALERTS, GENL_MCAST_CAP_NET_ADMIN },
};

/* resv_start_op is 0: no reserved field was ever anything else. */
struct genl_family ipcx_genl_family __ro_after_init = {
	.name = IPCX_GENL_NAME,
	.version = IPCX_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/**
 * ipcx_asker_init() - find out who asks
 * @asker: filled
 * @request: what came from it; its socket is in use by the caller, and so open
 *
 * To lack a capability is nothing for the log: who has none sees less.
 */
void ipcx_asker_init(struct ipcx_asker *asker, const struct sk_buff *request)
{
	const struct sock *sk = NETLINK_CB(request).sk;
	const struct cred *old;

	asker->in = ipcx_net(sock_net(sk));
	asker->cred = sk->sk_socket->file->f_cred;
	old = override_creds(asker->cred);
	asker->all = ns_capable_noaudit(asker->in->user_ns, CAP_NET_ADMIN) ||
		     ns_capable_noaudit(asker->in->user_ns, CAP_IPC_OWNER);
	revert_creds(old);
	asker->steps = 0;
}

/**
 * ipcx_asker_sees() - may somebody see an object?
 * @asker: who
 * @obj: the object
 *
 * Return: whether it may see all, is the owner, or may use it in some way.
 */
bool ipcx_asker_sees(const struct ipcx_asker *asker, const struct ipcx_object *obj)
{
	return asker->all || uid_eq(asker->cred->euid, obj->uid) ||
	       ipcx_object_mode_permits(obj, asker->cred, 4) ||
	       ipcx_object_mode_permits(obj, asker->cred, 2);
}

/**
 * ipcx_attrs_once() - refuse an attribute that comes twice
 * @nlh: the request, whose attributes are known to be valid
 * @extack: told why
 *
 * Return: 0 or -EINVAL.
 */
int ipcx_attrs_once(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	unsigned long seen = 0;
	int rem;

	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, rem) {
		if (seen & BIT(nla_type(attr))) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "the attribute comes twice");
			return -EINVAL;
		}
		seen |= BIT(nla_type(attr));
	}
	return 0;
}

/**
 * ipcx_dump_begin() - look at the request of a dump, when it begins
 * @cb: the dump
 * @only: attribute by which it can be limited, a u32 or u64 that is not 0; or 0 for none
 * @allowed: highest attribute that the policy lets through
 *
 * Not in a start callback, which in 6.1 has no way to say what is wrong.
 *
 * Return: 0 or -EINVAL.
 */
int ipcx_dump_begin(struct netlink_callback *cb, u32 only, u32 allowed)
{
	struct ipcx_cursor *cursor = ipcx_cursor(cb);
	struct nlattr **attrs = ipcx_dump_attrs(cb);
	int err;
	u32 i;

	if (cursor->begun)
		return 0;
	err = ipcx_attrs_once(cb->nlh, cb->extack);
	if (err)
		return err;
	for (i = 1; i <= allowed; i++) {
		if (attrs[i] && i != only) {
			NL_SET_ERR_MSG_ATTR(cb->extack, attrs[i], "a dump is not limited by that");
			return -EINVAL;
		}
	}
	if (only && attrs[only])
		cursor->only = nla_len(attrs[only]) == sizeof(u32) ? nla_get_u32(attrs[only]) :
								     nla_get_u64(attrs[only]);
	cursor->begun = true;
	return 0;
}

/**
 * ipcx_dump_message() - begin a message of a dump
 * @skb: where
 * @cb: the dump
 * @cmd: IPCX_CMD_*
 * @changed: differs from what it was if something came or went
 *
 * Return: for genlmsg_end(), or NULL if there is no room.
 */
void *ipcx_dump_message(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd, u32 changed)
{
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				 &ipcx_genl_family, NLM_F_MULTI, cmd);

	cb->seq = changed;
	if (head)
		genl_dump_check_consistent(cb, head);
	return head;
}

/**
 * ipcx_reply_begin() - begin the answer to a request
 * @info: the request
 * @cmd: IPCX_CMD_*
 * @head: set to what ipcx_reply_end() needs
 *
 * Return: the buffer, large enough for any answer; NULL if there is no memory.
 */
struct sk_buff *ipcx_reply_begin(struct genl_info *info, u8 cmd, void **head)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (skb)
		*head = genlmsg_put_reply(skb, info, &ipcx_genl_family, 0, cmd);
	return skb;
}

/**
 * ipcx_reply_end() - send an answer
 * @skb: from ipcx_reply_begin(), gone afterwards
 * @head: likewise
 * @err: 0, or why there is no answer
 * @info: the request
 *
 * Return: @err, or what sending it failed with.
 */
int ipcx_reply_end(struct sk_buff *skb, void *head, int err, struct genl_info *info)
{
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

/**
 * ipcx_netlink_init() - let the family be asked
 *
 * Return: 0 or a negative errno. Anybody may join numbers that are no group yet. Who did is put out
 * when a family goes that has them, so it comes, goes, and comes again.
 */
int __init ipcx_netlink_init(void)
{
	int err = genl_register_family(&ipcx_genl_family);

	if (err)
		return err;
	genl_unregister_family(&ipcx_genl_family);
	return genl_register_family(&ipcx_genl_family);
}

/**
 * ipcx_netlink_exit() - nobody asks any more when this returns
 */
void ipcx_netlink_exit(void)
{
	genl_unregister_family(&ipcx_genl_family);
}
