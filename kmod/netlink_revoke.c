// SPDX-License-Identifier: GPL-2.0-only
/* Netlink: an open end is taken away from who has it. */
#include "netlink.h"

/* With the lock held. Return: 0, -ENOENT, -EPERM, -EOPNOTSUPP. */
static int may_revoke(const struct ipcx_asker *asker, const struct ipcx_end *end,
		      struct netlink_ext_ack *extack)
{
	if (!end || !end->told || !ipcx_asker_sees(asker, end->obj)) {
		NL_SET_ERR_MSG(extack, "there is no such end, or it was revoked");
		return -ENOENT;
	}
	if (!ipcx_object_owned(end->obj, asker->cred)) {
		NL_SET_ERR_MSG(extack,
			       "ends are revoked by the owner of the object, or with CAP_IPC_OWNER");
		return -EPERM;
	}
	if (end->obj->ops->kind != IPCX_KIND_QUEUE) {
		NL_SET_ERR_MSG(extack, "only ends of queues can be revoked");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * ipcx_end_revoke_doit() - IPCX_CMD_END_REVOKE
 * @skb: the request
 * @info: likewise
 *
 * Return: 0, -EINVAL, -ENOENT, -EPERM, -EOPNOTSUPP, -EBUSY.
 */
int ipcx_end_revoke_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[IPCX_A_END_ID];
	int err = ipcx_attrs_once(info->nlhdr, info->extack);
	struct ipcx_endpoint *ep = NULL;
	struct ipcx_asker asker;
	struct ipcx_end *end;
	u64 id;

	if (err)
		return err;
	if (!attr) {
		GENL_SET_ERR_MSG(info, "the number of an end is needed");
		return -EINVAL;
	}
	id = nla_get_u64(attr);
	ipcx_asker_init(&asker, skb);
	mutex_lock(&asker.in->lock);
	end = xa_load(&asker.in->ends, id);
	if (end && end->id != id) /* the table's numbers are shorter */
		end = NULL;
	err = may_revoke(&asker, end, info->extack);
	if (!err) {
		ep = container_of(end, struct ipcx_endpoint, end);
		err = ipcx_endpoint_hold(ep) ? 0 : -ENOENT;
	}
	mutex_unlock(&asker.in->lock);
	if (err)
		return err;
	err = ipcx_endpoint_revoke(ep, asker.cred->euid);
	if (err)
		GENL_SET_ERR_MSG(info, "it is being closed or revoked at this moment; look again");
	return err;
}
