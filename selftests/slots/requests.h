/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests and answers in the model, for the other steps too. */
#ifndef IPCX_SLOTS_REQUESTS_H
#define IPCX_SLOTS_REQUESTS_H

static s64 first_order, last_order;

/* BUSY to ANSWERED. */
static void answer(struct ipcx_slot *x, struct ipcx_party *caller)
{
	struct shadow *m = shadow_of(x);

	ipcx_slot_answer(&s, x, caller);
	m->caller = caller;
	m->order = ++last_order;
	moved(x, IPCX_SLOT_ANSWERED, NULL);
}

/* LEASED to ANSWERED: the caller did not want it yet. */
static void answer_return(struct ipcx_slot *x)
{
	struct shadow *m = shadow_of(x);

	ipcx_answer_return(&s, x);
	m->caller = m->holder;
	m->reply = false;
	m->order = --first_order;
	moved(x, IPCX_SLOT_ANSWERED, NULL);
}

/* The message in @x is done, whatever becomes of the slot. */
static void message_done(struct ipcx_slot *x)
{
	shadow_of(x)->tag = 0;
	released++;
}

/* @x is not to be answered any more. Return: who waited for it. */
static struct ipcx_party *forget(struct ipcx_slot *x)
{
	struct shadow *m = shadow_of(x);
	struct ipcx_party *caller = m->caller;

	if (caller)
		ipcx_request_forget(x);
	m->caller = NULL;
	return caller;
}

/*
 * BUSY or LEASED: a request that ends without a reply is its own answer, unless the
 * caller sleeps. Return: whether it is.
 */
static bool fail(struct ipcx_slot *x)
{
	struct ipcx_party *caller = forget(x);

	if (!caller || pick(2))
		return false;
	if (x->state != IPCX_SLOT_BUSY)
		ipcx_slot_recall(&s, x);
	ipcx_request_end(&s, x);
	shadow_of(x)->request = false;
	message_done(x);
	answer(x, caller);
	return true;
}

#endif /* IPCX_SLOTS_REQUESTS_H */
