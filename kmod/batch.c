// SPDX-License-Identifier: GPL-2.0-only
/* Arrays of descriptors: copied entry by entry, checked after the copy. */
#include "batch.h"

/**
 * ipcx_batch_each() - do something for each entry, up to the first error
 * @ep: the endpoint
 * @user: address of the array
 * @count: its entries
 * @size: bytes of an entry
 * @one: what to do
 *
 * Return: entries done, or the error of the first.
 */
long ipcx_batch_each(struct ipcx_endpoint *ep, u64 user, u32 count, u32 size,
		     int (*one)(struct ipcx_endpoint *ep, const struct ipcx_desc *d))
{
	struct ipcx_desc d __uninitialized;
	struct ipcx_batch b;
	u32 i;
	int err = ipcx_batch_init(&b, user, count, size);

	if (err)
		return err;
	for (i = 0; i < b.count; i++) {
		err = ipcx_desc_read(&b, i, &d, IPCX_DESC_NAME);
		if (!err)
			err = one(ep, &d);
		if (err)
			break;
	}
	return i ?: err;
}
