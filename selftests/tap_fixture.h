/* SPDX-License-Identifier: GPL-2.0-only */
/* A queue with a tap; nothing of either is left. */
#ifndef IPCX_TAP_FIXTURE_H
#define IPCX_TAP_FIXTURE_H

#include "call_util.h"
#include "tap_util.h"

#include "../kselftest_harness.h"

#define NAME "tap"
#define SNAP (1U << 20)
#define QUEUE IPCX_KIND_QUEUE

FIXTURE(tap)
{
	struct side s;
	int fd;
	long refs;
};

FIXTURE_SETUP(tap)
{
	self->refs = module_refs();
	memset(&self->s, 0, sizeof(self->s));
	self->s.e.o.depth = 8;
	self->s.e.o.msg_max = 2 << 20;
	ASSERT_EQ(0, side_open(&self->s, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	self->fd = tap_open(QUEUE, NAME, SNAP);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(tap)
{
	end_close(&self->s.e);
	close(self->fd);
	EXPECT_EQ(self->refs, module_refs());
}

static inline int take_away(struct side *s)
{
	struct ipcx_desc d;

	return raw_take(s->e.fd, &d, 0) == 1 ? raw_release(s->e.fd, &d) : -EAGAIN;
}

#endif /* IPCX_TAP_FIXTURE_H */
