// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Failures of the data path in words. Only waiting in vain happens often, so
 * only that is kept cheap: its sentences are constant.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport.h"

/* "queue "jobs"", or what tells a queue without a name apart */
static const char *name_of(const struct ipcx_queue *q, char buf[IPCX_QUOTED_MAX])
{
	if (q->name[0])
		return ipcx_quote(buf, q->name);
	snprintf(buf, IPCX_QUOTED_MAX, "number %llu, which has no name",
		 (unsigned long long)q->attr.id);
	return buf;
}

/* Another thread may learn that it is less. */
static unsigned long long msg_max(const struct ipcx_queue *q)
{
	return __atomic_load_n(&q->attr.msg_max, __ATOMIC_RELAXED);
}

static int explain_loan(const struct ipcx_queue *q, const char *name, int err, size_t len)
{
	switch (err) {
	case EDQUOT:
		return ipcx_fail(err,
				 "queue %s: its creator, uid %u, has reached the limit on "
				 "bytes in /sys/module/ipcx/parameters/user_bytes_max; release "
				 "messages or raise the limit",
				 name, q->attr.uid);
	case EINVAL:
		return ipcx_fail(err,
				 "queue %s: a deadline cannot be negative; give "
				 "CLOCK_MONOTONIC nanoseconds, IPCX_NOWAIT or IPCX_FOREVER",
				 name);
	case EMSGSIZE:
		return ipcx_fail(err,
				 "queue %s: message of %zu bytes is longer than msg_max %llu; "
				 "create the queue with a larger msg_max",
				 name, len, msg_max(q));
	case ENOMEM:
		return ipcx_fail(err,
				 "queue %s: no memory for a message of %zu bytes; the "
				 "machine, the address space (ulimit -v) or the memory cgroup of "
				 "the queue's creator, uid %u, is full",
				 name, len, q->attr.uid);
	case EPERM:
		return ipcx_fail(err, "queue %s: not opened with IPCX_SEND", name);
	default:
		return 0;
	}
}

static int explain_commit(const struct ipcx_queue *q, const char *name, int err)
{
	switch (err) {
	case EACCES:
		return ipcx_fail(err,
				 "queue %s: its mode does not let you send there; or, over mq, "
				 "not who receives open what answers to you would come to: give "
				 "others the right to read",
				 name);
	case EINVAL:
		return ipcx_fail(err,
				 "queue %s: the priority of a message is not in 0..31, or its "
				 "time to expire is negative",
				 name);
	case EMSGSIZE:
		return ipcx_fail(err,
				 "queue %s: a message is longer than the slot loaned for it, or "
				 "than msg_max, %llu; loan the length that is needed, or send several",
				 name, msg_max(q));
	case ENOBUFS:
		return ipcx_fail(err,
				 "queue %s: no slot can be kept for the reply to one more request; "
				 "get the answers to others first. ipcx_queue_call() waits for one, "
				 "but only over \"kernel\"; what carries regions is cancelled, loaned "
				 "again, which waits, and called again",
				 name);
	case ENOMEM:
		return ipcx_fail(err,
				 "queue %s: no memory to copy what io_uring, vmsplice or O_DIRECT "
				 "still holds of the message, as a sealed queue must",
				 name);
	case EOPNOTSUPP:
		return ipcx_fail(err,
				 "queue %s: unknown flags in a message; leave them 0, or IPCX_REQUEST",
				 name);
	case EPIPE:
		return ipcx_fail(err,
				 "queue %s: who receives hung up twice in the middle of a long "
				 "message; is it longer than the msg_max that he gave?",
				 name);
	default:
		return 0;
	}
}

static int explain_take(const struct ipcx_queue *q, const char *name, int err, size_t len)
{
	switch (err) {
	case EBUSY:
		return ipcx_fail(err,
				 "queue %s: this handle holds %u messages, its leases_max; release "
				 "one before you take the next",
				 name, q->attr.leases_max);
	case EINVAL:
		return ipcx_fail(err,
				 "queue %s: a deadline cannot be negative; give "
				 "CLOCK_MONOTONIC nanoseconds, IPCX_NOWAIT or IPCX_FOREVER",
				 name);
	case EMSGSIZE:
		return ipcx_fail(err,
				 "queue %s: the next message is longer than the buffer of "
				 "%zu bytes; it stays in the queue",
				 name, len);
	case ENOMEM:
		return ipcx_fail(err,
				 "queue %s: no room in the address space (ulimit -v) for the "
				 "next message; it stays in the queue",
				 name);
	case EPERM:
		return ipcx_fail(err, "queue %s: not opened with IPCX_RECV", name);
	default:
		return 0;
	}
}

static int explain_call(const struct ipcx_queue *q, const char *name, int err)
{
	switch (err) {
	case ECANCELED:
		return ipcx_fail(err,
				 "queue %s: the server released the request without a reply, or "
				 "the queue dropped it",
				 name);
	case EOWNERDEAD:
		return ipcx_fail(err,
				 "queue %s: the last server is gone; call again when there is "
				 "one",
				 name);
	case EMFILE:
		return ipcx_fail(err,
				 "queue %s: no descriptor, or over mq no bytes, for answers to come to; "
				 "see \"ulimit -n\" and \"ulimit -q\" (RLIMIT_MSGQUEUE)",
				 name);
	case ETIME:
		return ipcx_fail(err, "queue %s: the request expired before a server took it",
				 name);
	case ENOSPC:
		return ipcx_fail(err,
				 "queue %s: a queue of depth 1 has no room for a request and its "
				 "reply; create it with a larger depth",
				 name);
	case EPERM:
		return ipcx_fail(err,
				 "queue %s: not opened with IPCX_SEND, or the request is not a "
				 "slot on loan to this handle",
				 name);
	default:
		return explain_commit(q, name, err);
	}
}

static int explain_reply(const struct ipcx_queue *q, const char *name, int err, size_t len)
{
	switch (err) {
	case EAGAIN:
		return ipcx_fail(err,
				 "queue %s: no bytes are left for a reply of %zu; release "
				 "messages, or create the queue with a larger bytes_max",
				 name, len);
	case EACCES:
		return ipcx_fail(err,
				 "queue %s: there is no way to the caller: what replies to him "
				 "come to is another's, or its mode does not let you",
				 name);
	case ETIMEDOUT:
		return ipcx_fail(err, "queue %s: the caller does not read its answers", name);
	case EINVAL:
		return ipcx_fail(err,
				 "queue %s: the sender of this message waits for no answer; "
				 "release it",
				 name);
	case EPERM:
		return ipcx_fail(err,
				 "queue %s: not a request that this handle holds, or there is a "
				 "loan for its reply already",
				 name);
	case ESTALE:
		return 0;
	default:
		return explain_loan(q, name, err, len);
	}
}

static int explain_stale(const struct ipcx_queue *q, const char *name)
{
	if (!q->attr.lease_ms)
		return ipcx_fail(ESTALE, "queue %s: the message was given to another receiver",
				 name);
	return ipcx_fail(ESTALE,
			 "queue %s: the message was held for longer than lease_ms %u and was "
			 "taken away; release sooner or create the queue with a longer lease_ms",
			 name, q->attr.lease_ms);
}

static int explain_held(const struct ipcx_queue *q, const char *name, enum ipcx_op op, int err)
{
	switch (err) {
	case EPERM:
	case EINVAL:
		if (op == IPCX_OP_RELEASE)
			return ipcx_fail(EPERM,
					 "queue %s: not a message taken by this handle, or "
					 "already released",
					 name);
		return ipcx_fail(EPERM,
				 "queue %s: not a slot on loan to this handle, or already "
				 "committed or cancelled",
				 name);
	case ESTALE:
		return explain_stale(q, name);
	default:
		return 0;
	}
}

static __attribute__((cold, noinline)) int explain_rare(const struct ipcx_queue *q, enum ipcx_op op,
							int err, size_t len)
{
	char buf[IPCX_QUOTED_MAX];
	const char *name = name_of(q, buf);
	int r = 0;

	if (err == EBADF)
		return ipcx_fail(err,
				 "queue %s: closed in this process, because it was forked; "
				 "open the queue here, or open it with IPCX_INHERIT",
				 name);
	if (err == ESTALE && q->ops->revoked && q->ops->revoked((struct ipcx_queue *)q))
		return ipcx_fail(err,
				 "queue %s: this handle was revoked by the queue's owner, or by who "
				 "has CAP_IPC_OWNER; close it, and open the queue anew if you may",
				 name);
	if (err == EIDRM)
		return ipcx_fail(err,
				 "queue %s: it was removed for all who have it open; close it, "
				 "and open or create the one that takes its place",
				 name);
	if (err == EPROTO)
		return ipcx_fail(err,
				 "queue %s: what a sender and the receiver wrote for each other makes "
				 "no sense; what is left of that sender's messages, or an answer, is lost",
				 name);
	if (err == ENOTCONN)
		return ipcx_fail(err,
				 "queue %s: others have taken this handle for dead, or could make "
				 "nothing of what it wrote; close the queue and open it again",
				 name);
	if (op == IPCX_OP_LOAN)
		r = explain_loan(q, name, err, len);
	else if (op == IPCX_OP_TAKE)
		r = explain_take(q, name, err, len);
	else if (op == IPCX_OP_COMMIT)
		r = explain_commit(q, name, err);
	else if (op == IPCX_OP_CALL)
		r = explain_call(q, name, err);
	else if (op == IPCX_OP_REPLY)
		r = explain_reply(q, name, err, len);
	if (!r)
		r = explain_held(q, name, op, err);
	return r ? r : ipcx_fail(err, "queue %s: %s", name, strerror(err));
}

#define STILL_FULL "the queue was still full at the deadline: nobody receives, or too slowly"

/* Waiting in vain, by what was waited for */
static const char *const in_vain[IPCX_OP_CALL + 1][2] = {
	[IPCX_OP_LOAN] = { "the queue is full", STILL_FULL },
	[IPCX_OP_COMMIT] = { "the queue is full", STILL_FULL },
	[IPCX_OP_TAKE] = { "the queue is empty", "the queue was still empty at the deadline" },
	[IPCX_OP_CALL] = { "there is no answer yet", "there was no answer at the deadline" },
};

int ipcx_explain(const struct ipcx_queue *q, enum ipcx_op op, int err, size_t len)
{
	bool waited = op <= IPCX_OP_CALL && in_vain[op][0];

	if (waited && (err == EAGAIN || err == ETIMEDOUT))
		return ipcx_fail_text(err, in_vain[op][err == ETIMEDOUT]);
	if (err == EINTR)
		return ipcx_fail_text(err, "a signal came while waiting");
	return explain_rare(q, op, err, len);
}
