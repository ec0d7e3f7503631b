// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each user may have: bytes of payload and tables, and queues. The
 * kernel's own per-user counters are not for modules.
 *
 * LOCKS: users_lock is a leaf, held for the table only; counters are atomic.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "ipcx.h"

static unsigned long user_bytes_max;
module_param(user_bytes_max, ulong, 0644);
MODULE_PARM_DESC(user_bytes_max,
		 "Bytes of payload and tables of one user's queues (0: a quarter of the memory)");

static unsigned int user_queues_max = 1024;
module_param(user_queues_max, uint, 0644);
MODULE_PARM_DESC(user_queues_max,
		 "Queues, topics and regions that a user may have made, or have in messages");

static DEFINE_XARRAY(users); /* by number */
static DEFINE_MUTEX(users_lock);

/**
 * ipcx_user_bytes_max() - the limit on a user's bytes
 *
 * Return: the limit.
 */
u64 ipcx_user_bytes_max(void)
{
	u64 max = READ_ONCE(user_bytes_max);

	return max ?: (u64)totalram_pages() << (PAGE_SHIFT - 2);
}

/**
 * ipcx_user_queues_max() - the limit on a user's queues
 *
 * Return: the limit.
 */
u32 ipcx_user_queues_max(void)
{
	return READ_ONCE(user_queues_max);
}

/**
 * ipcx_user_bytes_max_set() - set the limit on each user's bytes
 * @max: the limit, 0 for a quarter of the memory
 *
 * What users have beyond it they keep.
 */
void ipcx_user_bytes_max_set(u64 max)
{
	WRITE_ONCE(user_bytes_max, max);
}

/**
 * ipcx_user_queues_max_set() - set the limit on each user's queues
 * @max: the limit; what users have beyond it they keep
 */
void ipcx_user_queues_max_set(u32 max)
{
	WRITE_ONCE(user_queues_max, max);
}

/**
 * ipcx_counter_add() - add to a counter unless that exceeds its limit
 * @counter: the counter
 * @n: how much
 * @max: the limit
 *
 * Return: whether it was added.
 */
bool ipcx_counter_add(atomic64_t *counter, u64 n, u64 max)
{
	s64 now = atomic64_read(counter);

	do {
		if (n > max || now > max - n)
			return false;
	} while (!atomic64_try_cmpxchg(counter, &now, now + n));
	return true;
}

/**
 * ipcx_user_get() - find or make the account of a user
 * @uid: the user
 *
 * Return: the account, to be given to ipcx_user_put(); NULL if there is no memory.
 */
struct ipcx_user *ipcx_user_get(kuid_t uid)
{
	struct ipcx_user *user;

	mutex_lock(&users_lock);
	user = xa_load(&users, __kuid_val(uid));
	if (user) {
		refcount_inc(&user->refs);
		goto out;
	}
	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		goto out;
	user->uid = uid;
	refcount_set(&user->refs, 1);
	if (xa_err(xa_store(&users, __kuid_val(uid), user, GFP_KERNEL))) {
		kfree(user);
		user = NULL;
	}
out:
	mutex_unlock(&users_lock);
	return user;
}

/**
 * ipcx_user_put() - give an account back
 * @user: from ipcx_user_get(), or NULL
 */
void ipcx_user_put(struct ipcx_user *user)
{
	if (!user || !refcount_dec_and_mutex_lock(&user->refs, &users_lock))
		return;
	xa_erase(&users, __kuid_val(user->uid));
	mutex_unlock(&users_lock);
	kfree(user);
}

/**
 * ipcx_user_next() - look at an account
 * @uid: the account of this number, or the next one that there is; set to its number
 * @usage: set to what counts against it
 *
 * Return: whether there is one.
 */
bool ipcx_user_next(unsigned long *uid, struct ipcx_usage *usage)
{
	struct ipcx_user *user;

	mutex_lock(&users_lock);
	user = xa_find(&users, uid, ULONG_MAX, XA_PRESENT);
	if (user) {
		usage->bytes = atomic64_read(&user->bytes);
		usage->queues = atomic64_read(&user->queues);
		usage->regions = atomic64_read(&user->regions);
	}
	mutex_unlock(&users_lock);
	return user;
}

/**
 * ipcx_user_charge() - count bytes against a user
 * @user: the user
 * @bytes: how many
 * @unlimited: count, but do not refuse
 *
 * Return: 0, or -EDQUOT if the limit is reached.
 */
int ipcx_user_charge(struct ipcx_user *user, u64 bytes, bool unlimited)
{
	u64 max = unlimited ? S64_MAX : ipcx_user_bytes_max();

	return ipcx_counter_add(&user->bytes, bytes, max) ? 0 : -EDQUOT;
}

/**
 * ipcx_user_charge_spare() - count bytes against a user that may never be used
 * @user: the user, unlimited or not
 * @bytes: how many
 *
 * Return: 0, or -EDQUOT if less than a quarter of the limit would be left.
 */
int ipcx_user_charge_spare(struct ipcx_user *user, u64 bytes)
{
	u64 max = ipcx_user_bytes_max();

	return ipcx_counter_add(&user->bytes, bytes, max - max / 4) ? 0 : -EDQUOT;
}

/**
 * ipcx_user_uncharge() - take bytes back from a user's account
 * @user: the user
 * @bytes: how many were charged
 */
void ipcx_user_uncharge(struct ipcx_user *user, u64 bytes)
{
	atomic64_sub(bytes, &user->bytes);
}

/**
 * ipcx_user_charge_queue() - count a queue, topic or region against a user
 * @user: the user
 * @unlimited: count, but do not refuse
 *
 * Return: 0, or -EDQUOT if the limit is reached.
 */
int ipcx_user_charge_queue(struct ipcx_user *user, bool unlimited)
{
	u64 max = unlimited ? S64_MAX : ipcx_user_queues_max();

	return ipcx_counter_add(&user->queues, 1, max) ? 0 : -EDQUOT;
}

/**
 * ipcx_user_uncharge_queue() - take a queue, topic or region from a user's account
 * @user: the user
 */
void ipcx_user_uncharge_queue(struct ipcx_user *user)
{
	atomic64_dec(&user->queues);
}

/**
 * ipcx_user_charge_region() - count a region in a message against a user
 * @user: the user
 * @unlimited: count, but do not refuse
 *
 * How long it stays is the receiver's affair, so it keeps nobody from making objects.
 *
 * Return: 0, or -EDQUOT if there are as many as the user may have objects.
 */
int ipcx_user_charge_region(struct ipcx_user *user, bool unlimited)
{
	u64 max = unlimited ? S64_MAX : ipcx_user_queues_max();

	return ipcx_counter_add(&user->regions, 1, max) ? 0 : -EDQUOT;
}

/**
 * ipcx_user_uncharge_region() - take a region in a message from a user's account
 * @user: the user
 */
void ipcx_user_uncharge_region(struct ipcx_user *user)
{
	atomic64_dec(&user->regions);
}
