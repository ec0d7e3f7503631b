/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a transport is: a table of functions behind the public ones.
 *
 * queue.c checks what does not depend on the transport, calls it, and puts the
 * failures of the data path into words. A transport sees neither queue.c nor
 * another transport.
 */
#ifndef IPCX_TRANSPORT_H
#define IPCX_TRANSPORT_H

#include <errno.h>
#include <stdbool.h>

#include "fork.h"
#include "internal.h"

#define IPCX_BATCH 64 /* longest array that a transport is given */

/* The one member of ipcx_msg.priv that is not the transport's: 0 when nothing is held */
#define IPCX_PRIV_HOLDER 3

/**
 * struct ipcx_queue - what all handles begin with; a transport embeds it
 * @ops: the transport
 * @fd: what ipcx_queue_fd() returns; -1 in a forked child that does not inherit
 * @flags: as given to ipcx_queue_open()
 * @caps: IPCX_CAP_* that this queue enforces
 * @attr: what ipcx_queue_attr() returns
 * @fork: so that @ops->forked is called
 * @name: without the transport, "" for a queue without a name
 */
struct ipcx_queue {
	const struct ipcx_transport *ops;
	int fd;
	unsigned int flags;
	uint64_t caps;
	struct ipcx_queue_attr attr;
	struct ipcx_fork fork;
	char name[256];
};

/**
 * struct ipcx_transport - a way to carry messages
 * @name: its name in a URI
 * @caps: IPCX_CAP_* that it enforces on a named queue
 * @open: make a handle with all of the base but ops, flags and caps filled;
 *	explains its own failures with ipcx_fail()
 * @unlink: take the name away, and end the queue for all if @now; explains its own
 *	failures
 * @close: free the handle and all that it holds
 * @polled: the descriptor is asked for; may be NULL
 * @forked: called in a forked child while other threads' locks may be held:
 *	let go of everything, or with IPCX_INHERIT make the handle usable there
 * @loan: get @n slots of @len bytes
 * @commit: send @n loans
 * @cancel: give @n loans back
 * @take: receive up to @n messages of at most @len_max bytes
 * @release: give @n messages back, acknowledged or (@nack) to be delivered again
 * @next: release the message held, if any, and receive the next; 1 or an errno
 * @send: send a message of @len bytes, not 0; @deadline is IPCX_NOWAIT or IPCX_FOREVER; 0 or an
 *	errno. NULL: a loan does as well
 * @recv: likewise receive one of at most @cap bytes, released at once; its bytes or an errno
 * @prefetch: from now on take up to @n messages ahead, 2..IPCX_BATCH, on a handle that may
 *	receive and was just opened; 0, or an errno that it explains itself
 * @peek: describe the next message; 0 or an errno
 * @stat: fill all but sz; 0 or an errno
 * @call: send @request, unless it was sent before, and wait for its answer; what
 *	@reply holds is released first; 0 or an errno
 * @answer: receive the first answer to a request that was committed; 0 or an errno
 * @loan_reply: get a slot of @len bytes for the reply to @request; 0 or an errno
 * @reply: send @reply, a loan or a buffer of the application, and release @request;
 *	with @next take the next message into it; 0 or an errno
 * @revoked: after -ESTALE: was the handle revoked? Then what it kept for later calls is forgotten.
 *	NULL: that cannot be
 * @attach: let @m, a loan, carry the region with the descriptor @fd; 0 or a bare errno. NULL: no
 *	message carries any
 * @fetch: open a region that @m, taken, carries, and say for what; a descriptor or a bare errno
 *
 * The five from loan to release take arrays of 1..IPCX_BATCH messages, return how many they did
 * or a bare negative errno, and change no message that they did not do.
 */
struct ipcx_transport {
	const char *name;
	uint64_t caps;
	int (*open)(struct ipcx_queue **q, const char *rest, unsigned int flags,
		    const struct ipcx_queue_opts *opts);
	int (*unlink)(const char *rest, bool now);
	void (*close)(struct ipcx_queue *q);
	void (*polled)(struct ipcx_queue *q);
	void (*forked)(struct ipcx_queue *q);
	int (*loan)(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		    int64_t deadline);
	int (*commit)(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);
	int (*cancel)(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);
	int (*take)(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		    int64_t deadline);
	int (*release)(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool nack);
	int (*next)(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);
	int (*send)(struct ipcx_queue *q, const void *buf, size_t len, int64_t deadline);
	ssize_t (*recv)(struct ipcx_queue *q, void *buf, size_t cap, int64_t deadline);
	int (*prefetch)(struct ipcx_queue *q, unsigned int n);
	int (*peek)(struct ipcx_queue *q, struct ipcx_msg *m);
	int (*stat)(const struct ipcx_queue *q, struct ipcx_queue_stats *stats);
	int (*call)(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		    int64_t deadline);
	int (*answer)(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);
	int (*loan_reply)(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			  struct ipcx_msg *reply);
	int (*reply)(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		     bool next, int64_t deadline);
	bool (*revoked)(struct ipcx_queue *q);
	int (*attach)(struct ipcx_queue *q, struct ipcx_msg *m, int fd, unsigned int flags);
	int (*fetch)(struct ipcx_queue *q, const struct ipcx_msg *m, unsigned int index,
		     unsigned int *flags);
};

extern const struct ipcx_transport ipcx_transport_kernel, ipcx_transport_mq, ipcx_transport_unix,
	ipcx_transport_unix_stream, ipcx_transport_fifo, ipcx_transport_tcp, ipcx_transport_shm;

/* @reply of a transport to which a reply, @send, and a take behind it are two steps */
static inline int ipcx_reply_and_take(struct ipcx_queue *q, struct ipcx_msg *request,
				      struct ipcx_msg *reply, bool next, int64_t deadline,
				      int (*send)(struct ipcx_queue *q, struct ipcx_msg *request,
						  struct ipcx_msg *reply))
{
	int r = 0;

	if (q->fd < 0)
		return -EBADF;
	if (next && deadline < 0)
		return -EINVAL;
	if (!next || request->priv[IPCX_PRIV_HOLDER])
		r = send(q, request, reply);
	if (r || !next)
		return r;
	r = q->ops->take(q, SIZE_MAX, request, 1, deadline);
	return r < 0 ? r : 0;
}

/* explain.c: puts a failure of the data path into words and returns -err */
enum ipcx_op {
	IPCX_OP_LOAN,
	IPCX_OP_COMMIT,
	IPCX_OP_CANCEL,
	IPCX_OP_TAKE,
	IPCX_OP_RELEASE,
	IPCX_OP_STAT,
	IPCX_OP_CALL,
	IPCX_OP_REPLY
};

int ipcx_explain(const struct ipcx_queue *q, enum ipcx_op op, int err, size_t len);

/* pick.c: splits a URI; *rest is "" for what has no name */
int ipcx_pick_queue(const char *uri, const struct ipcx_transport **t, const char **rest);
int ipcx_pick(const char *uri, const struct ipcx_transport **t, const char **rest);
int ipcx_lacks(const struct ipcx_transport *t, uint64_t caps);
extern const struct ipcx_transport *const ipcx_fallbacks[];

#endif /* IPCX_TRANSPORT_H */
