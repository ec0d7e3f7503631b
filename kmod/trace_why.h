/* SPDX-License-Identifier: GPL-2.0-only */
/* What tracepoints give as reasons. */
#ifndef IPCX_TRACE_WHY_H
#define IPCX_TRACE_WHY_H

#include "topic.h"

/* Why a message is not delivered any more, or is in its queue again. */
enum ipcx_message_why {
	IPCX_DROP_OLDEST,
	IPCX_DROP_NEWEST,
	IPCX_DROP_EXPIRED,
	IPCX_DROP_POISON,
	IPCX_DROP_ORPHAN,
	IPCX_DROP_WITHDRAWN,
	IPCX_REQUEUE_NACK = 16,
	IPCX_REQUEUE_LEASE,
	IPCX_REQUEUE_CLOSE,
	IPCX_REQUEUE_UNTAKEN,
};

/* Who is woken. */
enum ipcx_wake_who {
	IPCX_WAKE_RECEIVER,
	IPCX_WAKE_SENDER,
	IPCX_WAKE_CALLER,
	IPCX_WAKE_POLLERS,
};

/* Why a subscription is evicted. */
enum ipcx_evict_why {
	IPCX_EVICTED_LAG,
	IPCX_EVICTED_SKIPS,
	IPCX_EVICTED_CONTRADICTION,
};

/* Of ipcx_queue_retire(), by its @flag. */
static inline enum ipcx_message_why ipcx_retire_why(u16 flag)
{
	if (flag & IPCX_MSG_EXPIRED)
		return IPCX_DROP_EXPIRED;
	if (flag & IPCX_MSG_POISON)
		return IPCX_DROP_POISON;
	return IPCX_DROP_ORPHAN;
}

/* @err: what the subscriber is told, -EPIPE or -EPROTO */
static inline enum ipcx_evict_why ipcx_evict_why(const struct ipcx_sub *sub, int err)
{
	if (err == -EPIPE)
		return IPCX_EVICTED_LAG;
	return sub->lossy ? IPCX_EVICTED_SKIPS : IPCX_EVICTED_CONTRADICTION;
}

#endif /* IPCX_TRACE_WHY_H */
