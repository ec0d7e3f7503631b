/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leases that are over and whose holders may still be reading: part of the state
 * machine of slots.h, and as free of the kernel.
 */
#ifndef IPCX_LATE_H
#define IPCX_LATE_H

#include "slots.h"

/* Leases that were overdue of which @party has not given the slot back, or NULL. */
static inline struct ipcx_late *ipcx_slot_late(const struct ipcx_slot *slot,
					       const struct ipcx_party *party)
{
	struct ipcx_late *late;

	hlist_for_each_entry(late, ipcx_slot_lates(slot), in_slot)
		if (late->party == party)
			return late;
	return NULL;
}

/*
 * A party's overdue leases of a slot are all given back; the caller frees @late. A slot that has
 * ended carries nothing.
 */
static inline void ipcx_late_end(struct ipcx_slots *s, struct ipcx_late *late)
{
	struct ipcx_slot *slot = late->slot;

	__hlist_del(&late->in_slot);
	__hlist_del(&late->in_party);
	if (!slot->ended || !hlist_empty(&slot->late))
		return;
	slot->ended = false;
	ipcx_slot_free(s, slot);
}

/* One of them is. Return: whether it was the last; then the caller frees @late. */
static inline bool ipcx_late_give_back(struct ipcx_slots *s, struct ipcx_late *late)
{
	if (--late->n)
		return false;
	ipcx_late_end(s, late);
	return true;
}

/*
 * LEASED for too long: as ipcx_slot_return(), and the holder is remembered. One that
 * takes a message again and again and gives nothing back is remembered once.
 * Return: whether @late is used for that.
 */
static inline bool ipcx_slot_overdue(struct ipcx_slots *s, struct ipcx_slot *slot,
				     struct ipcx_late *late, u32 max)
{
	struct ipcx_late *before = ipcx_slot_late(slot, slot->holder);

	if (before) {
		before->n++;
	} else {
		late->slot = slot;
		late->party = slot->holder;
		late->since = slot->since;
		late->n = 1;
		hlist_add_head(&late->in_slot, ipcx_slot_lates(slot));
		hlist_add_head(&late->in_party, &slot->holder->late);
	}
	ipcx_slot_return(s, slot, max);
	return !before;
}

#endif /* IPCX_LATE_H */
