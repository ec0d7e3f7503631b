// SPDX-License-Identifier: GPL-2.0-only
/* Arrays of descriptors: copied entry by entry, checked after the copy. */
#include <linux/uaccess.h>

#include "batch.h"

/**
 * ipcx_batch_init() - look at what an ioctl says of its array
 * @b: filled
 * @user: address of the array
 * @count: its entries
 * @size: bytes of an entry
 *
 * Return: 0 or -EINVAL.
 */
int ipcx_batch_init(struct ipcx_batch *b, u64 user, u32 count, u32 size)
{
	if (!count || count > IPCX_BATCH_MAX)
		return -EINVAL;
	if (size < offsetofend(struct ipcx_desc, __reserved) || size > PAGE_SIZE)
		return -EINVAL;
	b->user = u64_to_user_ptr(user);
	b->count = count;
	b->size = size;
	return 0;
}

/**
 * ipcx_desc_read() - read an entry
 * @b: the array
 * @i: index of the entry
 * @d: filled
 *
 * Return: 0, -EFAULT, -E2BIG, -EOPNOTSUPP, -EINVAL.
 */
int ipcx_desc_read(const struct ipcx_batch *b, u32 i, struct ipcx_desc *d)
{
	int err = ipcx_copy_in(d, sizeof(*d), b->user + i * b->size, b->size);

	if (err)
		return err;
	if (d->flags)
		return -EOPNOTSUPP;
	return d->__reserved ? -EINVAL : 0;
}

/**
 * ipcx_desc_write() - write an entry
 * @b: the array
 * @i: index of the entry
 * @d: what to write
 *
 * Return: 0 or -EFAULT.
 */
int ipcx_desc_write(const struct ipcx_batch *b, u32 i, const struct ipcx_desc *d)
{
	return ipcx_copy_out(b->user + i * b->size, b->size, d, sizeof(*d));
}

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
	struct ipcx_batch b;
	struct ipcx_desc d;
	u32 i;
	int err = ipcx_batch_init(&b, user, count, size);

	if (err)
		return err;
	for (i = 0; i < b.count; i++) {
		err = ipcx_desc_read(&b, i, &d);
		if (!err)
			err = one(ep, &d);
		if (err)
			break;
	}
	return i ?: err;
}
