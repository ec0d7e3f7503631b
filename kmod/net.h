/* SPDX-License-Identifier: GPL-2.0-only */
/* What ipcx keeps for a network namespace: its objects and who has them open. */
#ifndef IPCX_NET_H
#define IPCX_NET_H

#include "event.h"

/* Limits that can stop a new object: from the one to the other. */
#define IPCX_REFUSED_FIRST IPCX_EVENT_LIMIT_USER_BYTES
#define IPCX_REFUSED_LAST IPCX_EVENT_LIMIT_PEERS

/**
 * struct ipcx_refused - an object that could not be made
 * @name: what its name would have been
 * @ops: its kind
 */
struct ipcx_refused {
	struct ipcx_name name;
	const struct ipcx_object_ops *ops;
};

/**
 * struct ipcx_net - what ipcx keeps for a network namespace
 * @lock: protects what follows but @net and @user_ns, and @named and @users of every object
 * @names: objects that have a name, by name
 * @ids: all objects, by number; who holds @lock keeps what it finds there alive
 * @ends: open ends of those, by number, likewise
 * @objects_changed: differs from what it was when an object came, went or lost its name
 * @ends_changed: likewise of ends
 * @net: the namespace
 * @user_ns: that owns it
 * @seq: number of the last event of each group
 * @refused: stands for objects that could not be made, for alerts
 * @last_refused: the last of these, by the limit
 */
struct ipcx_net {
	struct mutex lock; /* see above */
	struct rhashtable names;
	struct xarray ids;
	struct xarray ends;
	u32 objects_changed;
	u32 ends_changed;
	struct net *net;
	struct user_namespace *user_ns;
	u64 seq[IPCX_GROUPS];
	struct ipcx_object refused;
	struct ipcx_refused last_refused[IPCX_REFUSED_LAST - IPCX_REFUSED_FIRST + 1];
};

struct ipcx_net *ipcx_net(const struct net *net);
struct ipcx_object *ipcx_name_lookup(struct ipcx_net *in, const struct ipcx_name *name);

#endif /* IPCX_NET_H */
