// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: failures in words. Only waiting in vain happens often, so only that is kept cheap.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel.h"
#include "topic.h"

#define PARAMETERS "/sys/module/ipcx/parameters/"

static int open_value(int dev, const struct ipcx_topic_open *arg, const char *name)
{
	struct ipcx_info info = { .size = sizeof(info) };
	uint32_t depth = arg->depth ? arg->depth : 64;

	if (arg->depth && (arg->depth < IPCX_TOPIC_DEPTH_MIN || arg->depth > IPCX_TOPIC_DEPTH_MAX ||
			   arg->depth & (arg->depth - 1)))
		return ipcx_fail(EINVAL, "topic %s: depth %u is not a power of two in %d..%d", name,
				 arg->depth, IPCX_TOPIC_DEPTH_MIN, IPCX_TOPIC_DEPTH_MAX);
	if (arg->lag_max > depth)
		return ipcx_fail(EINVAL, "topic %s: lag_max %u is larger than the depth, %u", name,
				 arg->lag_max, depth);
	if (!ioctl(dev, IPCX_IOC_INFO, &info) && arg->msg_max > info.out_msg_max)
		return ipcx_fail(EINVAL,
				 "topic %s: msg_max %llu is larger than %llu, the limit "
				 "in " PARAMETERS "queue_msg_max",
				 name, (unsigned long long)arg->msg_max,
				 (unsigned long long)info.out_msg_max);
	if (arg->bytes_max)
		return ipcx_fail(EINVAL,
				 "topic %s: bytes_max %llu is not a number of whole pages that "
				 "holds one message of msg_max bytes, which is 1 MiB if not set",
				 name, (unsigned long long)arg->bytes_max);
	return ipcx_fail(EINVAL, "topic %s: an attribute is outside of its range", name);
}

static int open_quota(int dev, const char *name)
{
	struct ipcx_info info = { .size = sizeof(info) };

	if (!ioctl(dev, IPCX_IOC_INFO, &info) && info.out_user_queues >= info.out_user_queues_max)
		return ipcx_fail(EDQUOT,
				 "topic %s: uid %u has %u queues, topics, regions and regions in "
				 "messages, the limit in " PARAMETERS
				 "user_queues_max is %u; remove some or raise it",
				 name, geteuid(), info.out_user_queues, info.out_user_queues_max);
	return ipcx_fail(EDQUOT,
			 "topic %s: uid %u holds %llu bytes, the limit in " PARAMETERS
			 "user_bytes_max is %llu; close something or raise the limit",
			 name, geteuid(), (unsigned long long)info.out_user_bytes,
			 (unsigned long long)info.out_user_bytes_max);
}

static int open_denied(const struct ipcx_topic_open *arg, const char *name, const char *quoted)
{
	char owner[80];

	ipcx_kernel_owner_of(owner, sizeof(owner), name);
	if (arg->flags & IPCX_TOPIC_PUBLISH)
		return ipcx_fail(EACCES, "topic %s: you may not publish%s%s", quoted,
				 arg->flags & IPCX_TOPIC_SUBSCRIBE ? " and subscribe" : "", owner);
	if (arg->flags & IPCX_TOPIC_LOSSY)
		return ipcx_fail(EACCES, "topic %s: you may not subscribe%s", quoted, owner);
	return ipcx_fail(EACCES,
			 "topic %s: you may not subscribe so that publishers wait for you; IPCX_LOSSY "
			 "may be allowed, or have it created with IPCX_OPEN_RELIABLE%s%s",
			 quoted,
			 arg->durable ? "; or the durable subscription is another user's" : "",
			 owner);
}

int ipcx_topic_open_failed(int dev, const struct ipcx_topic_open *arg, const char *name, int err)
{
	char buf[IPCX_QUOTED_MAX];
	const char *quoted = *name ? ipcx_quote(buf, name) : "without a name";

	switch (err) {
	case EACCES:
		return open_denied(arg, name, quoted);
	case EBUSY:
		return ipcx_fail(err, "topic %s: somebody has the durable subscription open",
				 quoted);
	case EDQUOT:
		return open_quota(dev, quoted);
	case EINVAL:
		return open_value(dev, arg, quoted);
	case ENOENT:
		return ipcx_fail(err,
				 "topic %s: there is none of this name; create it with IPCX_CREATE "
				 "or \"ipcx pub -c\"",
				 quoted);
	case ENOSPC:
		return ipcx_fail(err,
				 "topic %s: it has %d publishers or %d subscribers, or half as many "
				 "of them are yours and the topic is not; have others close it",
				 quoted, IPCX_TOPIC_RINGS, IPCX_TOPIC_SUBS);
	default:
		return ipcx_kernel_open_error("topic", quoted, err);
	}
}

/* Of those without the module */
int ipcx_topic_failed(const struct ipcx_topic *t, int err, const char *what)
{
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(err, "%s %s over \"%s\": %s", t->queue ? "queue" : "topic",
			 ipcx_quote(buf, t->name), t->ops->name, what);
}

/* Its name in quotes, or what tells a topic without a name apart */
static const char *name_of(const struct ipcx_topic *t, char buf[IPCX_QUOTED_MAX])
{
	if (t->name[0])
		return ipcx_quote(buf, t->name);
	snprintf(buf, IPCX_QUOTED_MAX, "number %llu, which has no name",
		 (unsigned long long)t->attr.id);
	return buf;
}

int ipcx_topic_forget_failed(const struct ipcx_topic *t, const char *durable, int err)
{
	char buf[IPCX_QUOTED_MAX], quoted[IPCX_QUOTED_MAX];
	const char *name = name_of(t, buf);

	ipcx_quote(quoted, durable);
	switch (err) {
	case EACCES:
		return ipcx_fail(err,
				 "topic %s: the durable subscription %s is another user's; its "
				 "maker, the topic's owner or root can end it",
				 name, quoted);
	case EBUSY:
		return ipcx_fail(err, "topic %s: somebody has the durable subscription %s open",
				 name, quoted);
	case EINVAL:
		return ipcx_fail(err,
				 "topic %s: %s cannot be the name of a durable subscription: 1..255 "
				 "bytes without '/', the first not '.'",
				 name, quoted);
	case ENOENT:
		return ipcx_fail(err, "topic %s: there is no durable subscription %s", name,
				 quoted);
	case EOPNOTSUPP:
		return ipcx_fail(err,
				 "topic %s: only the transport \"kernel\" has durable "
				 "subscriptions",
				 name);
	default:
		return ipcx_fail(err, "topic %s: the durable subscription %s: %s", name, quoted,
				 strerror(err));
	}
}

static int explain_loan(const struct ipcx_topic *t, const char *name, int err, size_t len)
{
	switch (err) {
	case EACCES:
		return ipcx_fail(err,
				 "topic %s: a subscriber is there and cannot be connected to; a "
				 "security module forbids it, or /proc is not mounted",
				 name);
	case EBUSY:
		return ipcx_fail(err,
				 "topic %s: a message loaned %u messages ago is still on loan, in the "
				 "place that is next; commit or cancel it",
				 name, t->attr.depth);
	case EDQUOT:
		return ipcx_fail(err,
				 "topic %s: you have reached the limit on bytes in " PARAMETERS
				 "user_bytes_max; close something or raise the limit",
				 name);
	case EMFILE:
		return ipcx_fail(err,
				 "topic %s: no descriptor for one more subscriber, or for a message of "
				 "%zu bytes; close something or raise the limit (ulimit -n)",
				 name, len);
	case EMSGSIZE:
		return ipcx_fail(err,
				 "topic %s: message of %zu bytes is longer than msg_max %llu; create "
				 "the topic with a larger msg_max",
				 name, len, (unsigned long long)t->attr.msg_max);
	case ENOBUFS:
		return ipcx_fail(err,
				 "topic %s: a message of %zu bytes does not fit into what is left of "
				 "bytes_max %llu of the ring; create the topic with a larger "
				 "bytes_max",
				 name, len, (unsigned long long)t->attr.bytes_max);
	case ENOMEM:
		return ipcx_fail(err,
				 "topic %s: no memory for a message of %zu bytes; the machine or "
				 "the memory cgroup is full",
				 name, len);
	case EPERM:
		return ipcx_fail(err, "topic %s: not opened with IPCX_PUBLISH", name);
	default:
		return 0;
	}
}

static int explain_take(const struct ipcx_topic *t, const char *name, int err, size_t len)
{
	switch (err) {
	case EMFILE:
		if (t->sockets && !(t->flags & IPCX_LOSSY))
			return ipcx_fail(err,
					 "topic %s: no descriptor for the next message, which is long; "
					 "close something or raise the limit (ulimit -n)",
					 name);
		return ipcx_fail(err,
				 "topic %s: a lossy subscriber can hold %d messages, %d of them "
				 "longer than %d bytes; release one before you take the next",
				 name, IPCX_TOPIC_COPIES, IPCX_TOPIC_HOLDS, IPCX_CELL_DATA);
	case EMSGSIZE:
		return ipcx_fail(err,
				 "topic %s: the next message is longer than the buffer of %zu bytes; "
				 "it is there for the next call",
				 name, len);
	case ENOMEM:
		return ipcx_fail(err,
				 "topic %s: no room in the address space (ulimit -v) for the ring of "
				 "a publisher",
				 name);
	case EPERM:
		return ipcx_fail(err, "topic %s: not opened with IPCX_SUBSCRIBE", name);
	case EPIPE:
		return ipcx_fail(err,
				 "topic %s: messages are lost: a publisher has cut this subscriber "
				 "off, which was lag_max, %u, messages behind, or what one had left "
				 "had to make place for others; be faster, or be lossy",
				 name, t->attr.lag_max);
	case EPROTO:
		return ipcx_fail(err,
				 "topic %s: what a publisher and this subscriber wrote for each "
				 "other makes no sense; nothing of it is received any more",
				 name);
	default:
		return 0;
	}
}

static __attribute__((cold, noinline)) int explain_rare(const struct ipcx_topic *t,
							enum ipcx_topic_op op, int err, size_t len)
{
	char buf[IPCX_QUOTED_MAX];
	const char *name = name_of(t, buf);
	int r = 0;

	if (err == EBADF)
		return ipcx_fail(err,
				 "topic %s: closed in this process, because it was forked; open the "
				 "topic here, or open it with IPCX_INHERIT",
				 name);
	if (err == EINVAL)
		return ipcx_fail(err,
				 "topic %s: a deadline cannot be negative; give CLOCK_MONOTONIC "
				 "nanoseconds, IPCX_NOWAIT or IPCX_FOREVER",
				 name);
	if (err == ENOTCONN)
		return ipcx_fail(err,
				 "topic %s: others have taken this member for dead, and what it had "
				 "is lost; close the topic and open it again",
				 name);
	if (op == IPCX_TOPIC_OP_LOAN)
		r = explain_loan(t, name, err, len);
	else if (op == IPCX_TOPIC_OP_TAKE)
		r = explain_take(t, name, err, len);
	else if (op == IPCX_TOPIC_OP_RELEASE && err == EPERM)
		r = ipcx_fail(err,
			      "topic %s: not a message taken by this handle, or already "
			      "released",
			      name);
	else if (err == EPERM)
		r = ipcx_fail(err,
			      "topic %s: not a message on loan to this handle, or already "
			      "committed or cancelled",
			      name);
	else if (err == EMSGSIZE)
		r = ipcx_fail(err,
			      "topic %s: a message is longer than what was loaned for it; "
			      "loan the length that is needed",
			      name);
	return r ? r : ipcx_fail(err, "topic %s: %s", name, strerror(err));
}

/* Waiting in vain, by what was waited for */
static const char *const in_vain[][2] = {
	[IPCX_TOPIC_OP_LOAN] = { "a subscriber is behind, and the ring is full",
				 "a subscriber was still behind at the deadline" },
	[IPCX_TOPIC_OP_TAKE] = { "there is no message", "there was no message at the deadline" },
};

int ipcx_topic_explain(const struct ipcx_topic *t, enum ipcx_topic_op op, int err, size_t len)
{
	bool waited = op == IPCX_TOPIC_OP_LOAN || op == IPCX_TOPIC_OP_TAKE;

	if (t->queue)
		return -err;
	if (waited && (err == EAGAIN || err == ETIMEDOUT))
		return ipcx_fail_text(err, in_vain[op][err == ETIMEDOUT]);
	if (err == EINTR)
		return ipcx_fail_text(err, "a signal came while waiting");
	return explain_rare(t, op, err, len);
}
