/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Structs between user space and here that may have another size on either
 * side. Most callers know the same struct: that is copied in place, word by
 * word, which for a few words is far cheaper than a call.
 */
#ifndef IPCX_COPY_H
#define IPCX_COPY_H

#include <linux/minmax.h>
#include <linux/uaccess.h>

/**
 * ipcx_copy_in() - copy a struct from user space
 * @to: the kernel's struct, of whole u64 words
 * @size: its size
 * @from: the caller's struct
 * @user_size: its size; what is shorter is filled up with zeros, what is
 *	longer must be zero where this kernel does not know it
 *
 * Return: 0, -EFAULT, -E2BIG.
 */
static __always_inline int ipcx_copy_in(void *to, u32 size, const void __user *from, u32 user_size)
{
	const u64 __user *user = from;
	u64 *word = to;
	u32 i;

	if (unlikely(user_size != size))
		return copy_struct_from_user(to, size, from, user_size);
	if (!user_read_access_begin(user, size))
		return -EFAULT;
	for (i = 0; i < size / sizeof(*word); i++)
		unsafe_get_user(word[i], user + i, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

/**
 * ipcx_copy_out() - the way back; what the kernel does not know is set to zero
 * @to: the caller's struct
 * @user_size: its size
 * @from: the kernel's struct, of whole u64 words
 * @size: its size
 *
 * Return: 0 or -EFAULT.
 */
static __always_inline int ipcx_copy_out(void __user *to, u32 user_size, const void *from, u32 size)
{
	u64 __user *user = to;
	const u64 *word = from;
	u32 i;

	if (unlikely(user_size != size)) {
		if (user_size > size && clear_user(to + size, user_size - size))
			return -EFAULT;
		return copy_to_user(to, from, min(size, user_size)) ? -EFAULT : 0;
	}
	if (!user_write_access_begin(user, size))
		return -EFAULT;
	for (i = 0; i < size / sizeof(*word); i++)
		unsafe_put_user(word[i], user + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

#endif /* IPCX_COPY_H */
