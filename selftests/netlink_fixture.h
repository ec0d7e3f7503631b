/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket for the netlink family, of each test of a program. */
#ifndef IPCX_NETLINK_FIXTURE_H
#define IPCX_NETLINK_FIXTURE_H

#include "netlink_util.h"

#include "../kselftest_harness.h"

FIXTURE(nl)
{
	int fd, family;
};

FIXTURE_SETUP(nl)
{
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	self->family = nl_family(self->fd);
	ASSERT_LT(0, self->family);
}

FIXTURE_TEARDOWN(nl)
{
	close(self->fd);
}

#endif /* IPCX_NETLINK_FIXTURE_H */
