/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libipcx: requests and their answers. Part of ipcx.h, which says what all functions have in
 * common.
 */
#ifndef IPCX_CALL_H
#define IPCX_CALL_H

#include "ipcx.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipcx_queue_call() - send a request and wait for its answer
 * @q: the queue, opened with IPCX_SEND
 * @request: a loan, sent by this; or one whose call ended with -EINTR or -EAGAIN:
 *	this goes on waiting
 * @reply: filled with the answer, to be released; an answer of an earlier call in it
 *	is released first, so that one struct, zeroed at first, does for all calls
 * @deadline: how long to wait for the answer
 *
 * A server is who takes the request and answers it with ipcx_queue_reply(). The
 * answer has seq and tag of the request. When a server dies another one gets the
 * request, with deliveries + 1.
 *
 * Return: 0, or
 * -EACCES      not the kernel: the mode does not let you, or no answer could come
 * -EAGAIN      no answer yet, and @deadline is IPCX_NOWAIT; the call goes on
 * -EBUSY       the call goes on, and another thread waits for its answer
 * -ECANCELED   the server released the request without a reply, or it was dropped
 * -EDQUOT      no room for the reply yet, and the creator's limit on bytes is reached
 * -EIDRM       the queue was removed, see ipcx_queue_remove()
 * -EINTR       a signal came while waiting; the call goes on
 * -EINVAL      prio or expires is out of range, or @deadline negative
 * -EMSGSIZE    len is larger than what was loaned
 * -EMFILE      not the kernel: too many open files, or bytes in message queues
 * -ENOBUFS     not the kernel: too many callers, or requests of this handle; the kernel: it
 *              carries regions, and no slot can be kept for the reply: cancel it, loan again,
 *              which waits for such a slot, attach them, and call
 * -ENOENT      the call went on, and its answer was got by ipcx_queue_answer()
 * -ENOMEM      no memory to keep room for the reply; or the address space is too
 *              small for the answer, which ipcx_queue_answer() can still take
 * -ENOSPC      a queue of depth 1 has no room for a request and its reply
 * -EOPNOTSUPP  flags of @request has other bits than IPCX_REQUEST
 * -EOWNERDEAD  the last server is gone
 * -EPERM       the queue was not opened with IPCX_SEND, @request is not a loan of this
 *              handle, or @reply holds no answer that is to be released
 * -EPIPE       not the kernel: who receives hung up twice in the middle of the request
 * -ESTALE      @reply is a copy of an answer that was released already
 * -ETIME       the request expired before a server took it
 * -ETIMEDOUT   no answer at @deadline; the request is taken back, or its answer will
 *              be dropped; or no room for a reply, and nothing was sent
 */
int ipcx_queue_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		    int64_t deadline);

/**
 * ipcx_queue_answer() - receive an answer to a request that was committed
 * @q: the queue, opened with IPCX_SEND
 * @m: filled; seq and tag are those of the request. If nobody replied, there is no payload and
 *	flags has one of IPCX_CANCELED, _POISON, _EXPIRED and _OWNERDEAD; other bits say nothing
 *	of that
 * @deadline: how long to wait for one
 *
 * For requests that are sent by ipcx_queue_commit() with IPCX_REQUEST in flags, many
 * at a time. ipcx_queue_fd() is readable when there is one. Release it as any message.
 *
 * Return: 0, or -EAGAIN, -EIDRM, -EINTR, -EINVAL, -ENOMEM, -ETIMEDOUT as by
 * ipcx_queue_take(), -EPERM if the queue was not opened with IPCX_SEND.
 */
int ipcx_queue_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_queue_loan_reply() - get an empty slot to write a reply into
 * @q: the queue, opened with IPCX_RECV
 * @request: a request that is held
 * @len: bytes needed, 0..msg_max
 * @reply: filled, for ipcx_queue_reply() or ipcx_queue_cancel()
 *
 * A slot is kept for the reply to each request; its bytes come out of the queue's as
 * for any loan. Does not wait.
 *
 * Return: 0, or
 * -EAGAIN    the bytes of the queue are used up; or a loan for an earlier request that
 *            was given back is still held
 * -EDQUOT    the creator's limit on bytes is reached
 * -EIDRM     the queue was removed, see ipcx_queue_remove()
 * -EMSGSIZE  @len is larger than the queue's msg_max
 * -ENOMEM    no memory, or the creator's memory cgroup is at its limit
 * -EPERM     @request is not a request that this handle holds, or there is a loan for
 *            each that it holds
 */
int ipcx_queue_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			  struct ipcx_msg *reply);

/**
 * ipcx_queue_reply() - answer a request, and release it
 * @q: the queue
 * @request: the request taken
 * @reply: a loan by ipcx_queue_loan_reply(); or zeroed but for data and len, which are
 *	copied. Without a payload data may be NULL
 *
 * Does not block, but for an allocation where a long reply is copied; over another
 * transport than the kernel for a second, while the caller reads nothing. If the caller
 * has given up, the reply goes nowhere; that is no error.
 *
 * Return: 0, or
 * -EACCES    not the kernel: where the caller's answers come to is another's, or closed to you
 * -EIDRM     the queue was removed
 * -EINVAL    @request is a message whose sender waits for no answer
 * -EMFILE    not the kernel: too many open files
 * -EMSGSIZE  len is larger than what was loaned, or than the queue's msg_max
 * -ENOMEM    sealed: as ipcx_queue_commit()
 * -EPERM     @request is not held by this handle
 * -ESTALE    it was held for longer than lease_ms and is for another server now
 * -ETIMEDOUT  not the kernel: the caller does not read its answers
 * and what ipcx_queue_loan_reply() returns, when @reply is copied. Then nothing was
 * sent and @request is still held.
 */
int ipcx_queue_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply);

/**
 * ipcx_queue_reply_next() - answer a request and take the next message
 * @q: the queue
 * @request: the request taken; filled with the next message
 * @reply: as in ipcx_queue_reply()
 * @deadline: how long to wait for the next message
 *
 * One system call for a short reply or a loan. If @request holds nothing, as before
 * the first, this only takes. When the reply was sent and nothing is taken @request is
 * all zero, so that the call can be repeated.
 *
 * Return: as ipcx_queue_reply() while @request is still held afterwards; else
 * as ipcx_queue_take().
 */
int ipcx_queue_reply_next(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
			  int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif /* IPCX_CALL_H */
