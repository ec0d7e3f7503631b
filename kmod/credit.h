/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each user's senders may have of a queue's slots: part of the state machine
 * of slots.h, and as free of the kernel. A user with a sender and nothing in use
 * is owed a slot, and as many free ones are kept from those who have some.
 */
#ifndef IPCX_CREDIT_H
#define IPCX_CREDIT_H

/**
 * struct ipcx_credit - what the senders of one user have
 * @node: in ipcx_credits::list
 * @uid: the user
 * @senders: endpoints of the user that may send
 * @used: slots that they have on loan, or that hold a message of theirs that is not done
 * @ends: endpoints that know it, revoked ones too
 */
struct ipcx_credit {
	struct list_head node;
	kuid_t uid;
	u32 senders;
	u32 used;
	u32 ends;
};

/**
 * struct ipcx_credits - all of a queue
 * @list: in order of arrival; also who has no sender any more, but a message
 * @users: who have a sender
 * @owed: of these, who have nothing in use
 */
struct ipcx_credits {
	struct list_head list;
	u32 users;
	u32 owed;
};

static inline void ipcx_credits_init(struct ipcx_credits *cs)
{
	INIT_LIST_HEAD(&cs->list);
	cs->users = 0;
	cs->owed = 0;
}

static inline bool ipcx_credit_owed(const struct ipcx_credit *c)
{
	return c->senders && !c->used;
}

/* A sender of the user comes. */
static inline void ipcx_credit_join(struct ipcx_credits *cs, struct ipcx_credit *c)
{
	if (c->senders++)
		return;
	cs->users++;
	cs->owed += !c->used;
}

/* A sender of the user goes, and holds nothing. */
static inline void ipcx_credit_leave(struct ipcx_credits *cs, struct ipcx_credit *c)
{
	if (--c->senders)
		return;
	cs->users--;
	cs->owed -= !c->used;
}

/* One more slot is used by the user, who has a sender; @c is NULL for the kernel. */
static inline void ipcx_credit_use(struct ipcx_credits *cs, struct ipcx_credit *c)
{
	if (c)
		cs->owed -= !c->used++;
}

/* One less. */
static inline void ipcx_credit_done(struct ipcx_credits *cs, struct ipcx_credit *c)
{
	if (c && !--c->used)
		cs->owed += !!c->senders;
}

/*
 * May @c use one of @free slots? Who has some leaves one to each that is owed one,
 * and who is owed one to those that came earlier.
 */
static inline bool ipcx_credits_allow(const struct ipcx_credits *cs, const struct ipcx_credit *c,
				      u32 free)
{
	const struct ipcx_credit *other;

	if (free > cs->owed)
		return true;
	if (!c || c->used)
		return false;
	list_for_each_entry(other, &cs->list, node) {
		if (other == c || !free)
			break;
		free -= ipcx_credit_owed(other);
	}
	return free;
}

/* Is a message of @c all that a user has who is not @by? Then a drop is no room for @by. */
static inline bool ipcx_credit_spared(const struct ipcx_credit *c, const struct ipcx_credit *by)
{
	return c && c != by && c->senders && c->used == 1;
}

#endif /* IPCX_CREDIT_H */
