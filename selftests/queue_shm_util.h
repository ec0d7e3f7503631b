/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests of requests over shared memory share: a sender, and replies that are numbers. */
#ifndef QUEUE_SHM_UTIL_H
#define QUEUE_SHM_UTIL_H

#include "topic_shm_util.h"

#define CALLS 64 /* that a sender may have on their way */

FIXTURE(call)
{
	char dir[64];
	struct ipcx_queue *s, *r;
	struct ipcx_msg m;
};

FIXTURE_SETUP(call)
{
	memset(self, 0, sizeof(*self));
	ASSERT_TRUE(dir_make(self->dir));
	ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND)) TH_LOG("%s", ipcx_error());
}

FIXTURE_TEARDOWN(call)
{
	ipcx_queue_close(self->s);
	ipcx_queue_close(self->r);
	EXPECT_EQ(0, dir_remove(self->dir)) TH_LOG("something is left");
}

/* Sends a request with a number, which waits for no answer yet. */
static inline int request(struct ipcx_queue *q, uint64_t nr, int64_t expires)
{
	struct ipcx_msg m = { .seq = 1 };
	int r = ipcx_queue_loan(q, sizeof(nr), &m, in_ms(5000));

	if (r || m.seq)
		return r ? r : -EBADMSG;
	*(uint64_t *)m.data = nr;
	m.tag = nr;
	m.expires = expires;
	m.flags = IPCX_REQUEST;
	r = ipcx_queue_commit(q, &m);
	if (r)
		ipcx_queue_cancel(q, &m);
	return r;
}

static inline int call(struct ipcx_queue *q, uint64_t nr, struct ipcx_msg *reply, int64_t deadline)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, sizeof(nr), &m, in_ms(5000));

	if (r)
		return r;
	*(uint64_t *)m.data = nr;
	m.tag = nr;
	r = ipcx_queue_call(q, &m, reply, deadline);
	if (r && m.priv[3])
		ipcx_queue_cancel(q, &m);
	return r;
}

/* The reply to a number: itself again and again */
static inline size_t length_of(uint64_t nr)
{
	return nr % 3 ? sizeof(nr) : LONG;
}

static inline int answer(struct ipcx_queue *q, struct ipcx_msg *m, bool loan)
{
	uint64_t nr = m->tag, words[LONG / 8];
	struct ipcx_msg reply = { .data = words, .len = length_of(nr) };
	int r = loan ? ipcx_queue_loan_reply(q, m, LONG, &reply) : 0;

	if (r)
		return r;
	for (size_t i = 0; i < LONG / 8; i++)
		((uint64_t *)reply.data)[i] = nr;
	reply.len = length_of(nr);
	return ipcx_queue_reply(q, m, &reply);
}

static inline bool is_reply(const struct ipcx_msg *m, uint64_t nr)
{
	if (m->flags || m->tag != nr || m->len != length_of(nr))
		return false;
	for (size_t i = 0; i < m->len / 8; i++)
		if (((const uint64_t *)m->data)[i] != nr)
			return false;
	return true;
}

/* What the queue takes, in units of 512 bytes */
static inline uint64_t blocks(void)
{
	struct stat st;

	return fstat(memory_of("queue"), &st) ? 0 : st.st_blocks;
}

#endif /* QUEUE_SHM_UTIL_H */
