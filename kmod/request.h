/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests, messages that are answered: part of the state machine of slots.h,
 * and as free of the kernel.
 *
 * A request has a caller until it is answered or its caller gives up. The reply
 * lies in a slot of its own, or, where it needs no page, in that of the request.
 * So that it never has to wait for other messages, a free slot is kept for each
 * request from its loan on: @owed of them. Whoever holds a request may use one
 * up, by a loan for a reply; one that gives the request back and keeps that loan
 * is one short until it gives that back too.
 */
#ifndef IPCX_REQUEST_H
#define IPCX_REQUEST_H

#include "slot.h"

/* How many slots @party must still be able to get for the requests that it holds. */
static inline u32 ipcx_party_owed(const struct ipcx_party *party)
{
	return party->requests > party->replies ? party->requests - party->replies : 0;
}

/* @party has so many more, or fewer, requests and loans for replies. */
static inline void ipcx_party_owe(struct ipcx_slots *s, struct ipcx_party *party, int requests,
				  int replies)
{
	s->owed -= ipcx_party_owed(party);
	party->requests += requests;
	party->replies += replies;
	s->owed += ipcx_party_owed(party);
}

/* LEASED: a request of which @party now is, or (-1) no longer is, the one to answer. */
static inline void ipcx_request_held(struct ipcx_slots *s, struct ipcx_party *party, int n)
{
	s->owed -= n;
	ipcx_party_owe(s, party, n, 0);
}

/* LOANED or LEASED: a request, a loan for a reply, or an answer leaves its holder's hands. */
static inline void ipcx_request_unhold(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	if (slot->state == IPCX_SLOT_LOANED) {
		if (slot->reply)
			ipcx_party_owe(s, slot->holder, 0, -1);
	} else if (slot->reply) {
		s->answers--;
	} else {
		ipcx_request_held(s, slot->holder, -1);
	}
	slot->reply = false;
}

/* BUSY: it is to be answered, and a free slot is kept for that. */
static inline void ipcx_request_begin(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	slot->request = true;
	s->owed++;
}

/* BUSY or QUEUED: it need not be answered any more. */
static inline void ipcx_request_end(struct ipcx_slots *s, struct ipcx_slot *slot)
{
	if (!slot->request)
		return;
	slot->request = false;
	s->owed--;
}

/* A request is on its way from @caller; @waiter sleeps until it is answered. */
static inline void ipcx_request_call(struct ipcx_slot *slot, struct ipcx_party *caller,
				     struct ipcx_waiter *waiter)
{
	slot->caller = caller;
	slot->waiter = waiter;
	list_add_tail(&slot->call, &caller->calls);
}

/* Nobody waits for the answer of a request any more. */
static inline void ipcx_request_forget(struct ipcx_slot *slot)
{
	slot->caller = NULL;
	slot->waiter = NULL;
	list_del_init(&slot->call);
}

/* The request of @party that has number @seq and no answer yet, or NULL. */
static inline struct ipcx_slot *ipcx_request_find(const struct ipcx_party *party, u64 seq)
{
	struct ipcx_slot *slot;

	list_for_each_entry(slot, &party->calls, call)
		if (slot->seq == seq)
			return slot;
	return NULL;
}

/* Likewise, its answer, ANSWERED. */
static inline struct ipcx_slot *ipcx_answer_find(const struct ipcx_party *party, u64 seq)
{
	struct ipcx_slot *slot;

	list_for_each_entry(slot, &party->answers, call)
		if (slot->seq == seq)
			return slot;
	return NULL;
}

#endif /* IPCX_REQUEST_H */
