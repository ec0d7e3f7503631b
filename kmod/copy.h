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
#include <uapi/linux/ipcx.h>

int ipcx_copy_in_other(void *to, u32 size, const void __user *from, u32 user_size);
int ipcx_args_in_other(void *to, u32 size, u32 min_size, const void __user *from);
int ipcx_copy_out_other(void __user *to, u32 user_size, const void *from, u32 size);

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
		return ipcx_copy_in_other(to, size, from, user_size);
	if (!user_read_access_begin(user, size))
		return -EFAULT;
#pragma GCC unroll 16
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

	if (unlikely(user_size != size))
		return ipcx_copy_out_other(to, user_size, from, size);
	if (!user_write_access_begin(user, size))
		return -EFAULT;
#pragma GCC unroll 16
	for (i = 0; i < size / sizeof(*word); i++)
		unsafe_put_user(word[i], user + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/* Return: whether the caller's argument is there, of the size @size that it says it has. */
static __always_inline bool ipcx_args_same(void *to, u32 size, const void __user *from)
{
	const u64 __user *user = from;
	u64 *word = to;
	u32 i;

	if (!user_read_access_begin(user, size))
		return false;
#pragma GCC unroll 16
	for (i = 0; i < size / sizeof(*word); i++) {
		unsafe_get_user(word[i], user + i, other);
		if (!i && *(u32 *)to != size)
			goto other;
	}
	user_read_access_end();
	return true;
other:
	user_read_access_end();
	return false;
}

/**
 * ipcx_args_in() - copy the argument of an ioctl, which begins with size and flags
 * @to: the kernel's struct, of whole u64 words; its size becomes the caller's
 * @size: its size
 * @min_size: its size in the first version
 * @known: flags that this kernel knows
 * @from: the caller's argument
 *
 * Return: 0, -EFAULT, -EINVAL, -E2BIG, -EOPNOTSUPP.
 */
static __always_inline int ipcx_args_in(void *to, u32 size, u32 min_size, u32 known,
					const void __user *from)
{
	int err = 0;

	if (unlikely(!ipcx_args_same(to, size, from)))
		err = ipcx_args_in_other(to, size, min_size, from);
	if (err)
		return err;
	return ((u32 *)to)[1] & ~known ? -EOPNOTSUPP : 0;
}

/*
 * The payload of an inline message on the stack. A struct, for an array that need not be
 * cleared first is more than some of the tools that read this can parse.
 */
struct ipcx_inline {
	u64 data[IPCX_INLINE_MAX / sizeof(u64)];
};

/**
 * ipcx_inline_in() - copy the payload of an inline message from user space
 * @to: IPCX_INLINE_MAX bytes; the last word is filled up with zeros
 * @from: where it is in the caller's memory
 * @len: bytes of the payload
 *
 * Return: 0, -EFAULT, -EMSGSIZE.
 */
static __always_inline int ipcx_inline_in(u64 *to, const void __user *from, u64 len)
{
	const u64 __user *user = from;
	u32 i, words = (u32)len / sizeof(*to);

	if (len > IPCX_INLINE_MAX)
		return -EMSGSIZE;
	if (len % sizeof(*to))
		to[words] = 0;
	if (!len)
		return 0;
	if (!user_read_access_begin(user, len))
		return -EFAULT;
	for (i = 0; i < words; i++)
		unsafe_get_user(to[i], user + i, fault);
	if (len % sizeof(*to))
		for (i = words * sizeof(*to); i < len; i++)
			unsafe_get_user(((u8 *)to)[i], (const u8 __user *)from + i, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

/**
 * ipcx_inline_copy() - copy the payload of an inline message inside the kernel
 * @to: IPCX_INLINE_MAX bytes
 * @from: likewise, as by ipcx_inline_in()
 * @len: bytes of the payload, at most IPCX_INLINE_MAX
 */
static __always_inline void ipcx_inline_copy(u64 *to, const u64 *from, u64 len)
{
	u32 i, words = DIV_ROUND_UP((u32)len, sizeof(*to));

	for (i = 0; i < words; i++)
		to[i] = from[i];
}

/**
 * ipcx_inline_out() - the way back, in whole words
 * @to: its place in the caller's memory, IPCX_INLINE_MAX bytes
 * @from: the payload, as by ipcx_inline_in()
 * @len: bytes of the payload, at most IPCX_INLINE_MAX
 *
 * Return: 0 or -EFAULT.
 */
static __always_inline int ipcx_inline_out(void __user *to, const u64 *from, u64 len)
{
	u64 __user *user = to;
	u32 i, words = DIV_ROUND_UP((u32)len, sizeof(*from));

	if (!user_write_access_begin(user, IPCX_INLINE_MAX))
		return -EFAULT;
	for (i = 0; i < words; i++)
		unsafe_put_user(from[i], user + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/**
 * ipcx_inline_out_exact() - the same, but not a byte beyond the payload is written
 * @to: where it goes in the caller's memory
 * @from: the payload
 * @len: bytes of the payload, at most IPCX_INLINE_MAX
 *
 * Return: 0 or -EFAULT.
 */
static __always_inline int ipcx_inline_out_exact(void __user *to, const u64 *from, u64 len)
{
	u64 __user *user = to;
	u32 i, words = (u32)len / sizeof(*from);

	if (!user_write_access_begin(user, len))
		return -EFAULT;
	for (i = 0; i < words; i++)
		unsafe_put_user(from[i], user + i, fault);
	for (i = words * sizeof(*from); i < len; i++)
		unsafe_put_user(((const u8 *)from)[i], (u8 __user *)to + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

#endif /* IPCX_COPY_H */
