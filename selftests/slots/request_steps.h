/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps that only requests and answers have. */
#ifndef IPCX_SLOTS_REQUEST_STEPS_H
#define IPCX_SLOTS_REQUEST_STEPS_H

static void step_loan_request(struct ipcx_party *p)
{
	bool allowed = may_have(p->credit, 1);
	u32 n = pages();
	struct ipcx_slot *x = ipcx_slots_allow(&s, p->credit, 1) ? ipcx_slots_grab(&s, p, n) : NULL;

	must(!x == !allowed);
	if (!x)
		return;
	grabbed(x, p);
	ipcx_request_begin(&s, x);
	shadow_of(x)->request = true;
	loan(x, p, n);
}

/* A slot is kept for it, unless somebody else is late with one. @i: whom to ask first. */
static void step_loan_reply(u32 i)
{
	struct ipcx_party *p = party[i];
	struct ipcx_slot *x;
	u32 n = pages();

	for (u32 j = 0; j < PARTIES && !owed_to(p); j++)
		p = party[(i + j) % PARTIES];
	must(ipcx_party_owed(p) == owed_to(p));
	x = owed_to(p) ? ipcx_slots_grab(&s, p, n) : NULL;
	if (!x)
		return;
	grabbed(x, p);
	ipcx_slot_set_writer(x, p);
	shadow_of(x)->writer = p;
	ipcx_slot_loan_reply(&s, x, p, n);
	shadow_of(x)->reply = true;
	moved(x, IPCX_SLOT_LOANED, p);
}

/* A loan is committed next: as a request if @ask and there is a slot for the reply. */
static void may_request(struct ipcx_slot *x, bool ask)
{
	struct shadow *m = shadow_of(x);

	if (ask && !m->request) {
		ask = ipcx_slots_allow(&s, x->holder->credit, 0);
		must(ask == may_have(x->holder->credit, 0));
		if (ask)
			ipcx_request_begin(&s, x);
	} else if (!ask) {
		ipcx_request_end(&s, x);
	}
	m->request = ask;
	if (!ask)
		return;
	ipcx_request_call(x, x->holder, NULL);
	m->caller = x->holder;
}

/* A request that somebody holds, or NULL. */
static struct ipcx_slot *held_request(void)
{
	u32 at = pick(depth);

	for (u32 i = 0; i < depth; i++) {
		const struct shadow *m = &shadow[(at + i) % depth];

		if (m->state == IPCX_SLOT_LEASED && m->request)
			return &slot[(at + i) % depth];
	}
	return NULL;
}

/* A loan of the party, or NULL. */
static struct ipcx_slot *loan_of(const struct ipcx_party *p)
{
	for (u32 i = 0; i < depth; i++)
		if (shadow[i].state == IPCX_SLOT_LOANED && shadow[i].holder == p)
			return &slot[i];
	return NULL;
}

/* BUSY: the caller sleeps and is handed the answer, or finds it later; or there is none. */
static void deliver(struct ipcx_slot *x, struct ipcx_party *caller)
{
	if (!caller) {
		put(x);
	} else if (pick(2)) {
		answer(x, caller);
	} else {
		ipcx_answer_lease(&s, x, caller);
		shadow_of(x)->reply = true;
		moved(x, IPCX_SLOT_LEASED, caller);
	}
}

/* With a loan, or in the slot of the request itself. */
static void step_reply(void)
{
	struct ipcx_slot *x = held_request();
	struct ipcx_slot *y = x && pick(4) ? loan_of(x->holder) : NULL;
	struct ipcx_party *caller;

	if (!x)
		return;
	ipcx_slot_recall(&s, x);
	if (y) {
		ipcx_slot_recall(&s, y);
		ipcx_request_end(&s, y);
		ipcx_slot_charge(&s, y, x->credit);
		shadow_of(y)->credit = shadow_of(x)->credit;
		shadow_of(y)->request = false;
		shadow_of(y)->reply = false;
		moved(y, IPCX_SLOT_BUSY, NULL);
	}
	caller = forget(x);
	ipcx_request_end(&s, x);
	shadow_of(x)->request = false;
	message_done(x);
	moved(x, IPCX_SLOT_BUSY, NULL);
	deliver(y ?: x, caller);
	if (y)
		put(x);
}

/* The first answer, taken and perhaps left again. */
static void step_answer(struct ipcx_party *p)
{
	struct shadow *first = NULL;
	struct ipcx_slot *x;

	for (struct shadow *m = shadow; m < shadow + depth; m++)
		if (m->state == IPCX_SLOT_ANSWERED && m->caller == p &&
		    (!first || m->order < first->order))
			first = m;
	must(list_empty(&p->answers) == !first);
	if (!first)
		return;
	x = list_first_entry(&p->answers, struct ipcx_slot, call);
	must(shadow_of(x) == first);
	ipcx_answer_grab(&s, x);
	first->caller = NULL;
	moved(x, IPCX_SLOT_BUSY, NULL);
	deliver(x, p);
}

/* The caller wants no answer: a request that nobody has taken is gone. */
static void withdraw(struct ipcx_slot *x)
{
	must(forget(x));
	if (x->state != IPCX_SLOT_QUEUED)
		return;
	ipcx_slot_take(&s, x, NULL);
	moved(x, IPCX_SLOT_BUSY, NULL);
	put(x);
}

static void step_give_up(struct ipcx_party *p)
{
	if (!list_empty(&p->calls))
		withdraw(list_first_entry(&p->calls, struct ipcx_slot, call));
}

/* Nor does one that is gone. */
static void step_end_calls(struct ipcx_party *p)
{
	while (!list_empty(&p->calls))
		step_give_up(p);
	while (!list_empty(&p->answers)) {
		struct ipcx_slot *x = list_first_entry(&p->answers, struct ipcx_slot, call);

		ipcx_answer_grab(&s, x);
		shadow_of(x)->caller = NULL;
		moved(x, IPCX_SLOT_BUSY, NULL);
		put(x);
	}
	for (u32 i = 0; i < depth; i++)
		must(shadow[i].caller != p);
}

#endif /* IPCX_SLOTS_REQUEST_STEPS_H */
