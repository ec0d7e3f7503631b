// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a request is answered.
 *
 * A request is a message whose slot knows its caller. Whatever ends it, a reply or
 * ipcx_queue_end_message(), answers that caller, exactly once: under the same hold of
 * the lock the slot forgets the caller. A caller that sleeps is handed the answer,
 * BUSY, as a taker is handed its message; the others find it in their list.
 *
 * LOCKS: ipcx_queue::lock for all of it. Callers are woken while it is held: their
 * endpoint may go as soon as it is not.
 */
#include <linux/highmem.h>

#include "batch.h"

/* Under the lock: who sleeps until its request is answered has an answer. */
static void waiter_wake(const struct ipcx_queue *q, const struct ipcx_waiter *w, u64 seq)
{
	trace_ipcx_queue_wake(q, IPCX_WAKE_CALLER, w->task->pid, seq);
	wake_up_process(w->task);
}

/* Under the lock: the caller of @request gets @answer, a BUSY slot, or that itself. */
static void answer_give(struct ipcx_queue *q, struct ipcx_slot *request, struct ipcx_slot *answer)
{
	struct ipcx_party *caller = request->caller;
	struct ipcx_waiter *w = request->waiter;

	lockdep_assert_held(&q->lock);
	trace_ipcx_queue_answer(q, request, answer->len, answer->flags & ~IPCX_MSG_INLINE);
	answer->seq = request->seq;
	answer->tag = request->tag;
	answer->prio = request->prio;
	answer->expires = 0;
	answer->deliveries = 0;
	ipcx_request_forget(request);
	ipcx_request_end(&q->slots, request);
	answer->answers = answer->seq;
	if (w) {
		w->answer = answer;
		waiter_wake(q, w, answer->seq);
		return;
	}
	ipcx_slot_answer(&q->slots, answer, caller);
	ipcx_calls_wake(container_of(caller, struct ipcx_endpoint, party));
}

/*
 * Under the lock: a request, BUSY, LOANED or LEASED, is over and nobody replied to it; IPCX_MSG_*
 * @flag says why. Return: whether the slot is the answer; else it is to be freed.
 */
static bool request_fail(struct ipcx_queue *q, struct ipcx_slot *slot, u16 flag)
{
	struct ipcx_waiter *w = slot->waiter;

	if (!slot->caller)
		return false;
	if (w) {
		w->err = ipcx_answer_error(flag);
		trace_ipcx_queue_answer(q, slot, 0, flag);
		waiter_wake(q, w, slot->seq);
		ipcx_request_forget(slot);
		return false;
	}
	if (slot->state != IPCX_SLOT_BUSY)
		ipcx_slot_recall(&q->slots, slot);
	ipcx_slot_set_pid(slot, NULL);
	slot->uid = q->obj.uid;
	slot->gid = q->obj.gid;
	slot->flags = flag;
	slot->len = 0;
	ipcx_slot_spend(slot);
	answer_give(q, slot, slot);
	return true;
}

/**
 * ipcx_special_end() - a message is over that is a request, or carries something
 * @q: the queue, locked
 * @slot: the message, BUSY, LOANED or LEASED
 * @flag: IPCX_MSG_*, why, for the caller of a request
 */
void ipcx_special_end(struct ipcx_queue *q, struct ipcx_slot *slot, u16 flag)
{
	if (!slot->request || !request_fail(q, slot, flag))
		ipcx_queue_put_slot(q, slot);
}

/*
 * Under the lock: nothing of what lies behind a reply in its last page is for its
 * caller, who perhaps may not receive.
 */
static void reply_clear_tail(struct ipcx_slot *slot)
{
	u32 tail = slot->len % PAGE_SIZE;

	if (tail)
		memzero_page(xa_load(&slot->pg.pages, slot->len >> PAGE_SHIFT), tail,
			     PAGE_SIZE - tail);
}

/* Under the lock: @request, LEASED, is done, and @answer, LOANED or the same, replies. */
static void reply_commit(struct ipcx_endpoint *ep, struct ipcx_slot *request,
			 struct ipcx_slot *answer, const struct ipcx_desc *d, const u64 *data)
{
	struct ipcx_queue *q = ep->q;

	ipcx_queue_released(q, request);
	ipcx_slot_recall(&q->slots, request);
	if (answer != request) {
		ipcx_slot_recall(&q->slots, answer);
		ipcx_request_end(&q->slots, answer); /* it may have been on loan for one */
	} else {
		ipcx_slot_spend(request); /* the answer has its own or none */
	}
	ipcx_slot_stamp(ep, answer);
	answer->flags = d->flags;
	answer->len = d->len;
	if (d->flags & IPCX_MSG_INLINE)
		ipcx_inline_copy(answer->data, data, d->len);
	else
		reply_clear_tail(answer);
	if (answer != request)
		ipcx_slot_charge(&q->slots, answer, request->credit);
	if (!request->caller) {
		answer->answers = answer->seq;
		ipcx_queue_put_slot(q, answer);
	} else {
		answer_give(q, request, answer);
	}
	if (answer != request)
		ipcx_queue_put_slot(q, request);
}

static int reply_send(struct ipcx_endpoint *ep, const struct ipcx_desc *to,
		      const struct ipcx_desc *d, u64 reply_data)
{
	struct ipcx_slot *request = ipcx_slot_at(ep->q, to->slot);
	struct ipcx_slot *answer = request;
	struct ipcx_inline in __uninitialized;
	int err = 0;

	if (d->slot != IPCX_SLOT_NONE)
		answer = ipcx_slot_at(ep->q, d->slot);
	else if (!(d->flags & IPCX_MSG_INLINE))
		return -EINVAL;
	if (!request || !answer)
		return -EINVAL;
	if (d->flags & ~IPCX_MSG_INLINE)
		return -EOPNOTSUPP;
	if (d->flags & IPCX_MSG_INLINE)
		err = ipcx_inline_in(in.data, u64_to_user_ptr(reply_data), d->len);
	if (err)
		return err;
	spin_lock(&ep->q->lock);
	if (d->slot != IPCX_SLOT_NONE)
		err = ipcx_loan_check(ep, answer, d); /* may let go of the lock: first */
	else if (d->len > ep->q->msg_max)
		err = -EMSGSIZE;
	if (!err)
		err = ep->q->removed ? -EIDRM : ipcx_release_check(ep, request, to->seq);
	if (!err && !request->request)
		err = -EINVAL;
	if (!err)
		reply_commit(ep, request, answer, d, in.data);
	spin_unlock(&ep->q->lock);
	if (!err || err == -ESTALE) {
		ipcx_queue_wake_send(ep->q);
		ipcx_queue_wake_leases(ep->q);
	}
	return err;
}

/**
 * ipcx_queue_reply() - IPCX_IOC_QUEUE_REPLY
 * @ep: the endpoint
 * @arg: the caller's struct ipcx_queue_reply
 *
 * Return: 0 or a negative errno.
 */
long ipcx_queue_reply(struct ipcx_endpoint *ep, void __user *arg)
{
	struct ipcx_queue_reply r __uninitialized;
	struct ipcx_desc to __uninitialized;
	struct ipcx_desc d __uninitialized;
	struct ipcx_batch request, reply;
	int err;

	err = ipcx_args_in(&r, sizeof(r), offsetofend(struct ipcx_queue_reply, reply_data),
			   IPCX_REPLY_VALID_FLAGS, arg);
	if (!err && (r.deadline < 0 || r.__reserved))
		err = -EINVAL;
	if (!err)
		err = ipcx_batch_init(&request, r.request, 1, r.desc_size) ?:
			      ipcx_batch_init(&reply, r.reply, 1, r.desc_size);
	if (!err && !(ep->rights & IPCX_OPEN_RECV))
		err = -EPERM;
	if (!err)
		err = ipcx_desc_read(&request, 0, &to, IPCX_DESC_NAME);
	if (!err && !(r.flags & IPCX_REPLY_TAKE && to.slot == IPCX_SLOT_NONE))
		err = ipcx_desc_read(&reply, 0, &d, IPCX_DESC_LOAN) ?:
			      reply_send(ep, &to, &d, r.reply_data);
	if (err || !(r.flags & IPCX_REPLY_TAKE))
		return err;
	return ipcx_take_next(ep, &request, &r);
}
