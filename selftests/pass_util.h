/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages passed on one by one, so long that a commit gets a slot ready late if at all. */
#ifndef PASS_UTIL_H
#define PASS_UTIL_H

#include "ipcx_util.h"

#define PASS_LEN (17 * 4096) /* as short as such can be */
#define PASS_MISSED 16 /* so many find no slot before one is got ready */

/**
 * struct passer - an end that sends to itself
 * @fd: the end
 * @len: of a message
 * @keeps: messages that are not released until more are there
 * @loan: for the next one, if its slot is not IPCX_SLOT_NONE
 * @held: what is kept
 * @n: how many these are
 */
struct passer {
	int fd;
	uint64_t len;
	int keeps;
	struct ipcx_desc loan, held[4];
	int n;
};

static inline struct passer passer_of(int fd, uint64_t len, int keeps)
{
	return (struct passer){ .fd = fd, .len = len, .keeps = keeps, .loan.slot = IPCX_SLOT_NONE };
}

/* @n messages. Return: for how many no commit had brought a slot, -1 if one failed. */
static inline int pass_on(struct passer *p, int n)
{
	int asked = 0;

	while (n--) {
		if (p->loan.slot == IPCX_SLOT_NONE) {
			if (raw_loan(p->fd, &p->loan, p->len, 0) != 1)
				return -1;
			asked++;
		}
		if (raw_done(p->fd, IPCX_IOC_QUEUE_COMMIT, &p->loan, IPCX_COMMIT_LOAN) != 1 ||
		    raw_take(p->fd, &p->held[p->n], 0) != 1)
			return -1;
		if (++p->n <= p->keeps)
			continue;
		if (raw_release(p->fd, &p->held[0]) != 1)
			return -1;
		memmove(p->held, p->held + 1, --p->n * sizeof(p->held[0]));
	}
	return asked;
}

/* How many slots of such messages have pages? */
static inline int passers_slots(const struct passer *p)
{
	struct ipcx_queue_stat s = { .size = sizeof(s) };

	return xioctl(p->fd, IPCX_IOC_QUEUE_STAT, &s) ? -1 : (int)(s.out_bytes / p->len);
}

#endif /* PASS_UTIL_H */
