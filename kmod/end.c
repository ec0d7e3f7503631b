// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open ends of queues and topics, as those see them who look on: a number, and who opened it.
 *
 * LOCKS: ipcx_net::lock keeps what is found in the table: an end leaves it under that. It comes
 * without, by the lock that the table has: to charge for that may wait until the cgroup has memory.
 */
#include "net.h"
#include "trace.h"

static atomic64_t last_id;

/**
 * ipcx_end_reserve() - have room for one more end that others see
 * @end: the end; ipcx_end_open() is next
 * @obj: its object, which the end keeps open
 *
 * Return: 0 or -ENOMEM.
 */
int ipcx_end_reserve(struct ipcx_end *end, struct ipcx_object *obj)
{
	end->obj = obj;
	end->id = atomic64_inc_return(&last_id);
	return xa_reserve(&obj->net->ends, end->id, GFP_KERNEL_ACCOUNT);
}

/**
 * ipcx_end_open() - let others see an open end
 * @end: from ipcx_end_reserve(), filled
 * @uid: who opened it
 * @rights: 4 to receive or subscribe, 2 to send or publish, as in a mode
 */
void ipcx_end_open(struct ipcx_end *end, kuid_t uid, u32 rights)
{
	struct ipcx_net *in = end->obj->net;
	struct sk_buff *skb;

	end->uid = uid;
	end->rights = rights;
	end->pid = get_pid(task_tgid(current));
	xa_store(&in->ends, end->id, end, GFP_KERNEL); /* takes what was reserved */
	skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);
	mutex_lock(&in->lock);
	end->told = true;
	in->ends_changed++;
	ipcx_event_end(skb, end, IPCX_EVENT_KIND_OPENED, NULL);
	mutex_unlock(&in->lock);
	trace_ipcx_end_open(end);
}

/**
 * ipcx_end_flush() - a process lets go of an end, perhaps as the last
 * @end: the end
 */
void ipcx_end_flush(struct ipcx_end *end)
{
	u32 exit = IPCX_EVENT_EXIT_CLOSED;

	if (current->flags & PF_EXITING)
		exit = current->exit_code & 0x7f ? IPCX_EVENT_EXIT_KILLED : IPCX_EVENT_EXIT_EXITED;
	WRITE_ONCE(end->exit, exit);
}

/**
 * ipcx_end_close() - nobody sees an end any more
 * @end: from ipcx_end_open()
 * @revoked: by whom, and what it held; NULL if it was closed
 */
void ipcx_end_close(struct ipcx_end *end, const struct ipcx_revocation *revoked)
{
	struct ipcx_net *in = end->obj->net;
	struct sk_buff *skb = ipcx_event_room(in, IPCX_GROUP_LIFECYCLE);

	trace_ipcx_end_close(end);
	mutex_lock(&in->lock);
	xa_erase(&in->ends, end->id);
	in->ends_changed++;
	ipcx_event_end(skb, end, IPCX_EVENT_KIND_CLOSED, revoked);
	mutex_unlock(&in->lock);
	put_pid(end->pid);
}
