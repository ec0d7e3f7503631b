/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a message carries beside its payload: part of the state machine of slots.h, and as free of
 * the kernel. What that is knows carry.c.
 */
#ifndef IPCX_CARRY_H
#define IPCX_CARRY_H

#include "slot.h"

/* The overdue leases of a slot: what its message carries lies in their place, and keeps them. */
static inline struct hlist_head *ipcx_slot_lates(const struct ipcx_slot *slot)
{
	return slot->carries ? &slot->carried->late : (struct hlist_head *)&slot->late;
}

/* BUSY or LOANED: its message carries what none has yet. */
static inline void ipcx_slot_carry(struct ipcx_slot *slot, struct ipcx_carried *carried)
{
	hlist_move_list(&slot->late, &carried->late);
	slot->carried = carried;
	slot->carries = IPCX_SLOT_CARRIES;
}

/* Its message carries nothing any more. Return: what it did, or NULL. */
static inline struct ipcx_carried *ipcx_slot_uncarry(struct ipcx_slot *slot)
{
	struct ipcx_carried *carried;

	if (!slot->carries)
		return NULL;
	carried = slot->carried;
	hlist_move_list(&carried->late, &slot->late);
	slot->carries = 0;
	return carried;
}

/* What the message in a slot carried is not needed any more. */
static inline void ipcx_slot_spend(struct ipcx_slot *slot)
{
	struct ipcx_carried *carried = ipcx_slot_uncarry(slot);

	if (carried)
		ipcx_carried_spend(carried);
}

#endif /* IPCX_CARRY_H */
