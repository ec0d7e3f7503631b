/* SPDX-License-Identifier: GPL-2.0-only */
/* What each user may have, see user.c. */
#ifndef IPCX_USER_H
#define IPCX_USER_H

#include <linux/atomic.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/uidgid.h>

/**
 * struct ipcx_user - the account of one user, over all namespaces
 * @refs: objects and callers that use it; 0 takes it out under users_lock
 * @uid: whose it is
 * @bytes: payload pages and slot tables
 * @queues: queues, topics and regions created and still there
 * @regions: in messages that the user sent and that are not over
 * @spent: what messages that are over carried, since the account is there, wraps
 * @put: how much of that has been put
 */
struct ipcx_user {
	refcount_t refs;
	kuid_t uid;
	atomic64_t bytes;
	atomic64_t queues;
	atomic64_t regions;
	atomic_t spent;
	atomic_t put;
};

/**
 * struct ipcx_usage - what counts against a user
 * @bytes: see struct ipcx_user
 * @queues: likewise
 * @regions: likewise
 */
struct ipcx_usage {
	u64 bytes;
	u64 queues;
	u64 regions;
};

bool ipcx_counter_add(atomic64_t *counter, u64 n, u64 max);
struct ipcx_user *ipcx_user_get(kuid_t uid);
void ipcx_user_put(struct ipcx_user *user);
int ipcx_user_charge(struct ipcx_user *user, u64 bytes, bool unlimited);
int ipcx_user_charge_spare(struct ipcx_user *user, u64 bytes);
void ipcx_user_uncharge(struct ipcx_user *user, u64 bytes);
int ipcx_user_charge_queue(struct ipcx_user *user, bool unlimited);
void ipcx_user_uncharge_queue(struct ipcx_user *user);
int ipcx_user_charge_region(struct ipcx_user *user, bool unlimited);
void ipcx_user_uncharge_region(struct ipcx_user *user);
bool ipcx_user_next(unsigned long *uid, struct ipcx_usage *usage);
u64 ipcx_user_bytes_max(void);
u32 ipcx_user_queues_max(void);
void ipcx_user_bytes_max_set(u64 max);
void ipcx_user_queues_max_set(u32 max);

#endif /* IPCX_USER_H */
