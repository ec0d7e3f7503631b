/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests of alerts: somebody listens, and is told all that a test brings about. */
#ifndef IPCX_EVENT_ALERT_H
#define IPCX_EVENT_ALERT_H

#include "event_util.h"

#include "../kselftest_harness.h"

FIXTURE(alert)
{
	int fd;
};

FIXTURE_SETUP(alert)
{
	self->fd = nl_listen(IPCX_MCGRP_ALERTS);
	ASSERT_LE(0, self->fd);
}

/* Whatever the test did is told, all of it, and nothing else. */
FIXTURE_TEARDOWN(alert)
{
	EXPECT_EQ(-ETIMEDOUT, event_next(self->fd, QUIET_MS));
	close(self->fd);
}

#endif /* IPCX_EVENT_ALERT_H */
