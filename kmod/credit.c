// SPDX-License-Identifier: GPL-2.0-only
/*
 * The users that send to a queue come and go. What each may have of its slots is
 * in credit.h.
 *
 * LOCKS: ipcx_queue::lock.
 */
#include <linux/slab.h>

#include "ipcx.h"

/* Users that a queue knows; each loan to one that waits may look at all of them. */
#define CREDITS_MAX	1024

static void free_list(struct list_head *list)
{
	struct ipcx_credit *c, *next;

	list_for_each_entry_safe(c, next, list, node)
		kfree(c);
}

/*
 * Under the lock: finds @new's user, or adds it. @forgotten becomes a list of those who
 * have neither a sender nor a message any more. Return: NULL if there are too many.
 */
static struct ipcx_credit *find_or_add(struct ipcx_credits *cs, struct ipcx_credit *new, u32 depth,
				       struct list_head *forgotten)
{
	struct ipcx_credit *c, *next;
	bool full = cs->users >= depth;
	u32 n = 0;

	list_for_each_entry_safe(c, next, &cs->list, node) {
		if (uid_eq(c->uid, new->uid))
			return c->senders || !full ? c : NULL;
		if (!c->ends && !c->used)
			list_move(&c->node, forgotten);
		else
			n++;
	}
	if (full || n >= CREDITS_MAX)
		return NULL;
	list_add_tail(&new->node, &cs->list);
	return new;
}

/**
 * ipcx_credit_attach() - a sender comes
 * @ep: its endpoint
 *
 * Return: 0, -ENOMEM, or -ENOSPC if each slot is kept for a sender of another user.
 */
int ipcx_credit_attach(struct ipcx_endpoint *ep)
{
	struct ipcx_credit *c, *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	struct ipcx_queue *q = ep->q;
	LIST_HEAD(forgotten);

	if (!new)
		return -ENOMEM;
	new->uid = ep->uid;
	spin_lock(&q->lock);
	c = find_or_add(&q->slots.credits, new, q->arena.depth, &forgotten);
	if (c) {
		ipcx_credit_join(&q->slots.credits, c);
		c->ends++;
	}
	spin_unlock(&q->lock);
	ep->party.credit = c;
	if (c != new)
		kfree(new);
	free_list(&forgotten);
	return c ? 0 : -ENOSPC;
}

/**
 * ipcx_credit_detach() - a sender goes
 * @ep: its endpoint, which holds nothing any more
 */
void ipcx_credit_detach(struct ipcx_endpoint *ep)
{
	struct ipcx_queue *q = ep->q;

	spin_lock(&q->lock);
	ipcx_credit_leave(&q->slots.credits, ep->party.credit);
	spin_unlock(&q->lock);
	ipcx_queue_wake_send(q); /* what was kept for it is for others */
}

/**
 * ipcx_credit_forget() - an endpoint that was detached goes
 * @ep: the endpoint
 */
void ipcx_credit_forget(struct ipcx_endpoint *ep)
{
	spin_lock(&ep->q->lock);
	ep->party.credit->ends--;
	spin_unlock(&ep->q->lock);
}

/**
 * ipcx_credits_free() - a queue goes
 * @q: the queue, which nobody else knows
 */
void ipcx_credits_free(struct ipcx_queue *q)
{
	free_list(&q->slots.credits.list);
}
