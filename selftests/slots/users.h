/* SPDX-License-Identifier: GPL-2.0-only */
/* The model's parties, and what their users may have. */
#ifndef IPCX_SLOTS_USERS_H
#define IPCX_SLOTS_USERS_H

static bool is_party(const struct ipcx_party *p)
{
	for (u32 i = 0; i < PARTIES; i++)
		if (party[i] == p)
			return true;
	return false;
}

/*
 * A dead party's memory stays forbidden for a while: who still points to it is found.
 * @i: the first two are of one user.
 */
static struct ipcx_party *party_new(u32 i)
{
	struct ipcx_party *p;

	do {
		p = &graves[next_grave++ % GRAVES];
	} while (is_party(p));
	ASAN_UNPOISON_MEMORY_REGION(p, sizeof(*p));
	ipcx_party_init(p);
	p->credit = &credit[i ? i - 1 : 0];
	ipcx_credit_join(&s.credits, p->credit);
	return p;
}

static u32 users_slots(const struct ipcx_credit *c)
{
	u32 n = 0;

	for (u32 i = 0; i < depth; i++)
		n += shadow[i].credit == c;
	return n;
}

static bool has_sender(const struct ipcx_credit *c)
{
	for (u32 i = 0; i < PARTIES; i++)
		if (party[i]->credit == c)
			return true;
	return false;
}

/* How many users are owed a slot, of those that came before @end. */
static u32 owed_before(const struct ipcx_credit *end)
{
	u32 n = 0;

	for (const struct ipcx_credit *c = credit; c < end; c++)
		n += has_sender(c) && !users_slots(c);
	return n;
}

/* Requests (LEASED), or loans for replies (LOANED), in the party's hands. */
static u32 holds(const struct ipcx_party *p, enum ipcx_slot_state state)
{
	u32 n = 0;

	for (const struct shadow *m = shadow; m < shadow + depth; m++)
		n += m->state == state && m->holder == p &&
		     (state == IPCX_SLOT_LEASED ? m->request : m->reply);
	return n;
}

/* How many slots the party may still get for replies. */
static u32 owed_to(const struct ipcx_party *p)
{
	u32 requests = holds(p, IPCX_SLOT_LEASED), replies = holds(p, IPCX_SLOT_LOANED);

	return requests > replies ? requests - replies : 0;
}

/* One for each request that nobody holds, and what is owed to those who hold some. */
static u32 owed_replies(void)
{
	u32 n = 0;

	for (const struct shadow *m = shadow; m < shadow + depth; m++)
		n += m->request && m->state != IPCX_SLOT_LEASED;
	for (u32 i = 0; i < PARTIES; i++)
		n += owed_to(party[i]);
	return n;
}

/* May a user have one more slot, and leave @more? */
static bool may_have(const struct ipcx_credit *c, u32 more)
{
	const struct ipcx_credit *before = c && !users_slots(c) ? c : credit + USERS;

	return s.count[IPCX_SLOT_FREE] > owed_before(before) + owed_replies() + more;
}

static void check_credits(void)
{
	u32 users = 0;

	for (u32 i = 0; i < USERS; i++) {
		must(credit[i].used == users_slots(&credit[i]));
		users += has_sender(&credit[i]);
	}
	must(s.credits.users == users && s.credits.owed == owed_before(credit + USERS));
}

/* May @by drop the message? Not the only one of somebody else who is there. */
static bool may_drop(const struct shadow *m, const struct ipcx_credit *by)
{
	if (m->state != IPCX_SLOT_QUEUED)
		return false;
	return !m->credit || m->credit == by || !has_sender(m->credit) ||
	       users_slots(m->credit) > 1;
}

#endif /* IPCX_SLOTS_USERS_H */
