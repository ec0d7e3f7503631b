// SPDX-License-Identifier: GPL-2.0-only
/*
 * How an endpoint ends: by the last close of its file, or because it is revoked. What it has goes
 * the same way, once: whoever sets ipcx_party::gone first does that.
 *
 * A revoked endpoint is still there for its file, and for calls that are in the kernel: they find
 * it gone where they hold the queue's lock, and leave nothing in its hands. So what was taken away
 * stays away. Its last reference is dropped when no call is left.
 *
 * LOCKS: ipcx_queue::lock, for a few slots at a time; ipcx_arena::maps_sem and the sem of its map,
 * neither beside the former.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "batch.h"
#include "event.h"

/* Slots of a dying endpoint looked at under one hold of the lock. */
#define REAP_BATCH 64

/* What an end held when it was closed, or @revoked, is back. */
static void tell_returned(struct ipcx_endpoint *ep, u32 kind, u64 count, bool revoked)
{
	const struct ipcx_event e = {
		.kind = kind,
		.exit = revoked ? IPCX_EVENT_EXIT_REVOKED : READ_ONCE(ep->end.exit),
		.who = ipcx_culprit_opener(&ep->end),
		.count = count,
	};

	if (!count || !ipcx_event_wanted(ep->q->obj.net, IPCX_GROUP_ALERTS))
		return;
	/* who closes it itself may have kept a loan for the next message */
	if (kind != IPCX_EVENT_KIND_LOANS_RETURNED || e.exit != IPCX_EVENT_EXIT_CLOSED)
		ipcx_alert(&ep->q->obj, &e);
}

static void endpoint_reap(struct ipcx_endpoint *ep, bool revoked)
{
	u32 loans = READ_ONCE(ep->party.count[IPCX_SLOT_LOANED]), steps;
	struct ipcx_queue *q = ep->q;
	struct ipcx_slot *slot, *poison;
	int requeued = 0;

	do {
		cond_resched();
		poison = NULL;
		steps = 0;
		spin_lock(&q->lock);
		while (steps < REAP_BATCH && !poison) {
			slot = ipcx_party_reap(&q->slots, &ep->party, q->max_deliveries, &steps);
			if (!slot)
				break;
			if (slot->state == IPCX_SLOT_FREE || slot->ended)
				continue;
			if (ipcx_queue_returned(q, slot, IPCX_REQUEUE_CLOSE))
				poison = slot;
			else
				requeued++;
		}
		spin_unlock(&q->lock);
		if (poison)
			ipcx_queue_retire(q, poison, &q->count.poison, IPCX_MSG_POISON);
	} while (slot);
	if (requeued)
		ipcx_queue_wake_recv(q, requeued);
	ipcx_queue_wake_send(q);
	tell_returned(ep, IPCX_EVENT_KIND_LOANS_RETURNED, loans, revoked);
	tell_returned(ep, IPCX_EVENT_KIND_REDELIVERED, requeued, revoked);
}

/* It does not read what it held for too long any more. */
static void endpoint_end_late(struct ipcx_endpoint *ep)
{
	struct ipcx_queue *q = ep->q;
	struct ipcx_late *late;
	bool any = false;

	do {
		spin_lock(&q->lock);
		late = hlist_entry_safe(ep->party.late.first, struct ipcx_late, in_party);
		if (late)
			ipcx_late_end(&q->slots, late);
		spin_unlock(&q->lock);
		kfree(late);
		any |= !!late;
		cond_resched();
	} while (late);
	if (any)
		ipcx_queue_wake_send(q);
}

static void endpoint_disown(struct ipcx_endpoint *ep)
{
	bool more = true;

	while (more) {
		int n = 0;

		cond_resched();
		spin_lock(&ep->q->lock);
		while (more && n++ < REAP_BATCH)
			more = ipcx_party_disown(&ep->party);
		spin_unlock(&ep->q->lock);
	}
}

/*
 * Who was revoked may have pinned any page that it could see. No slot has a writer now who would
 * get it back as it is: the next loan of each drops what is pinned.
 */
static void slot_distrust(struct ipcx_slot *slot)
{
	ipcx_slot_set_writer(slot, NULL);
}

static void count_revoked(struct ipcx_queue *q, int n)
{
	lockdep_assert_held(&q->lock);
	WRITE_ONCE(q->revoked, q->revoked + n);
}

/* Return: whether the caller is the one who ends it. @r: if it is revoked: what it held */
static bool endpoint_claim(struct ipcx_endpoint *ep, struct ipcx_revocation *r)
{
	struct ipcx_queue *q = ep->q;
	bool first;

	spin_lock(&q->lock);
	first = !ep->party.gone;
	WRITE_ONCE(ep->party.gone, true);
	if (first && r) {
		r->loans = ep->party.count[IPCX_SLOT_LOANED];
		r->leases = ep->party.count[IPCX_SLOT_LEASED];
		count_revoked(q, 1);
	}
	spin_unlock(&q->lock);
	return first;
}

/*
 * All that an endpoint has goes back. @r: if it is revoked: by whom, else NULL. Return: false if
 * somebody else does that.
 */
static bool endpoint_end(struct ipcx_endpoint *ep, struct ipcx_revocation *r)
{
	struct ipcx_queue *q = ep->q;

	if (!endpoint_claim(ep, r))
		return false;
	if (r) {
		ipcx_waiters_stop(ep);
		ipcx_arena_hide(&q->arena, &ep->map); /* before its slots can be of others */
	}
	endpoint_reap(ep, r);
	ipcx_calls_end(ep);
	endpoint_end_late(ep); /* after that: what it holds can become overdue */
	endpoint_disown(ep);
	ipcx_endpoint_count(ep, -1);
	if (ep->rights & IPCX_OPEN_RECV)
		ipcx_calls_orphan(q);
	if (ep->rights & IPCX_OPEN_SEND)
		ipcx_credit_detach(ep);
	if (r)
		ipcx_queue_each_slot(q, slot_distrust);
	ipcx_end_close(&ep->end, r);
	ipcx_object_leave(&q->obj);
	return true;
}

static void endpoint_put(struct ipcx_endpoint *ep)
{
	struct ipcx_queue *q = ep->q;
	struct net *net = ep->net;

	if (!refcount_dec_and_test(&ep->refs))
		return;
	endpoint_disown(ep); /* what a call had got ready when it was revoked */
	if (ep->rights & IPCX_OPEN_SEND)
		ipcx_credit_forget(ep);
	if (ep->map.dummy)
		put_page(ep->map.dummy);
	put_cred(ep->cred);
	kfree(ep);
	ipcx_object_put(&q->obj);
	put_net(net);
}

/**
 * ipcx_endpoint_close() - the last copy of an endpoint's file is gone
 * @ep: the endpoint; freed, unless somebody revokes it at this moment
 *
 * No VMA maps its windows, for each holds the file.
 */
void ipcx_endpoint_close(struct ipcx_endpoint *ep)
{
	struct ipcx_queue *q = ep->q;

	ipcx_arena_detach(&q->arena, &ep->map);
	if (!endpoint_end(ep, NULL)) {
		bool unused;

		spin_lock(&q->lock);
		count_revoked(q, -1);
		unused = q->over && !q->revoked;
		spin_unlock(&q->lock);
		if (unused)
			ipcx_user_uncharge_queue(q->arena.user);
	}
	endpoint_put(ep);
}

/**
 * ipcx_endpoint_hold() - keep an endpoint, to revoke it
 * @ep: the endpoint, found where others see it, with ipcx_net::lock held since
 *
 * Return: whether it is there to be kept.
 */
bool ipcx_endpoint_hold(struct ipcx_endpoint *ep)
{
	return refcount_inc_not_zero(&ep->refs);
}

/**
 * ipcx_endpoint_revoke() - take an endpoint away from who has it
 * @ep: from ipcx_endpoint_hold(); not the caller's any more
 * @by: user who does so
 *
 * When this returns nothing is the endpoint's any more, unless somebody else began before: to
 * close it, or with this.
 *
 * Return: 0, or -EBUSY in that case.
 */
int ipcx_endpoint_revoke(struct ipcx_endpoint *ep, kuid_t by)
{
	struct ipcx_revocation r = { .pid = task_tgid(current), .uid = by };
	int err = endpoint_end(ep, &r) ? 0 : -EBUSY;

	endpoint_put(ep);
	return err;
}
