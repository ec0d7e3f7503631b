/* SPDX-License-Identifier: GPL-2.0-only */
/* A queue with two ends, one of which is revoked. */
#ifndef IPCX_REVOKE_FIXTURE_H
#define IPCX_REVOKE_FIXTURE_H

#include "call_util.h"
#include "revoke_util.h"

#include "../kselftest_harness.h"

#define NAME "revoke"
#define PAGES 3
#define LONG (PAGES * 4096)
#define WORDS_NONE "there is no such end, or it was revoked"
#define WORDS_OWNER "ends are revoked by the owner of the object, or with CAP_IPC_OWNER"

/* The other, who made the queue, and the victim, each with all rights. */
FIXTURE(revoke)
{
	int fd, family;
	struct side o, v;
	uint64_t id; /* of the victim's end */
};

static inline int open_both(struct _test_data_revoke *self, const struct ipcx_queue_open *how)
{
	int err;

	self->o.e.o = *how;
	err = side_open(&self->o, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
	if (!err)
		err = side_open(&self->v, NAME, SENDRECV);
	self->id = last_end(self->fd, self->family, self->o.e.o.out_id);
	return err;
}

FIXTURE_SETUP(revoke)
{
	self->fd = nl_open();
	self->family = nl_family(self->fd);
	ASSERT_LT(0, self->family);
	ASSERT_EQ(0, open_both(self, &(struct ipcx_queue_open){ .depth = 8 }));
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(revoke)
{
	end_close(&self->v.e);
	end_close(&self->o.e);
	close(self->fd);
}

#define REVOKE() ASSERT_EQ(0, revoke_end(self->fd, self->family, self->id))

static inline int ask_stat(int fd)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };

	return xioctl(fd, IPCX_IOC_QUEUE_STAT, &st);
}

static inline short events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

#endif /* IPCX_REVOKE_FIXTURE_H */
