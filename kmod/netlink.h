/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the netlink family know of each other. */
#ifndef IPCX_NETLINK_PRIVATE_H
#define IPCX_NETLINK_PRIVATE_H

#include <linux/sched/signal.h>
#include <net/genetlink.h>
#include <uapi/linux/ipcx_netlink.h>

#include "net.h"

/**
 * struct ipcx_asker - who asks, by what counted when its socket was opened
 * @in: where
 * @cred: its credentials
 * @all: it may see what is not its own
 * @steps: taken with the lock held, see ipcx_asker_breathe()
 */
struct ipcx_asker {
	struct ipcx_net *in;
	const struct cred *cred;
	bool all;
	u32 steps;
};

/**
 * struct ipcx_cursor - how far a dump has come, in its netlink_callback; zeros at its beginning
 * @id: number of what is looked at next
 * @slot: of holders: slot of that queue that is looked at next
 * @only: of objects: their kind; of ends and holders: number of their object; 0 for all
 * @begun: the request was looked at
 */
struct ipcx_cursor {
	unsigned long id;
	u32 slot;
	u64 only;
	bool begun;
};

static inline struct ipcx_cursor *ipcx_cursor(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct ipcx_cursor) > sizeof(cb->ctx));
	return (void *)cb->ctx;
}

/**
 * ipcx_asker_breathe() - after a step of a walk: every few of them others may have the lock
 * @asker: whose namespace's lock is held
 *
 * Whoever waits for it on another CPU cannot be seen from here. What was found is not to be
 * looked at any more afterwards.
 *
 * Return: 0, or -EINTR if who asks was killed.
 */
static inline int ipcx_asker_breathe(struct ipcx_asker *asker)
{
	if (++asker->steps % 8)
		return 0;
	mutex_unlock(&asker->in->lock);
	cond_resched();
	mutex_lock(&asker->in->lock);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* netlink.c: the family */

extern struct genl_family ipcx_genl_family;

void ipcx_asker_init(struct ipcx_asker *asker, const struct sk_buff *request);
bool ipcx_asker_sees(const struct ipcx_asker *asker, const struct ipcx_object *obj);
int ipcx_attrs_once(const struct nlmsghdr *nlh, struct netlink_ext_ack *extack);
int ipcx_dump_begin(struct netlink_callback *cb, u32 only, u32 allowed);
void *ipcx_dump_message(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd, u32 changed);
struct sk_buff *ipcx_reply_begin(struct genl_info *info, u8 cmd, void **head);
int ipcx_reply_end(struct sk_buff *skb, void *head, int err, struct genl_info *info);
int ipcx_netlink_init(void);
void ipcx_netlink_exit(void);

/* netlink_object.c: objects */

int ipcx_object_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipcx_object_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);

/* netlink_end.c: open ends, and what they hold */

int ipcx_end_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipcx_end_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ipcx_holder_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);

/* netlink_revoke.c: open ends that are taken away */

int ipcx_end_revoke_doit(struct sk_buff *skb, struct genl_info *info);

/* netlink_limit.c: users */

int ipcx_limit_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipcx_limit_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ipcx_limit_set_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* IPCX_NETLINK_PRIVATE_H */
