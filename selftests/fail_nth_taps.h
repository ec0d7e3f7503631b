/* SPDX-License-Identifier: GPL-2.0-only */
/* What fail_nth makes fail of taps. */
#ifndef FAIL_NTH_TAPS_H
#define FAIL_NTH_TAPS_H

#include "fail_nth.h"
#include "tap_util.h"

#define TAPPED "fail-nth-tap"

static struct end tapped;
static int tap_dev, tap_fd;

static int with_tapped(void)
{
	tap_fd = -1;
	tap_dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	memset(&tapped, 0, sizeof(tapped));
	return end_open(&tapped, TAPPED, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int with_tap(void)
{
	int err = with_tapped();

	if (err)
		return err;
	tap_fd = tap_of(tap_dev, IPCX_KIND_QUEUE, TAPPED, 8192);
	if (tap_fd < 0)
		return tap_fd;
	err = raw_send(&tapped, 10000, 'x');
	return err < 0 ? err : 0;
}

static void no_tap(void)
{
	if (tap_fd >= 0)
		close(tap_fd);
	close(tap_dev);
	end_close(&tapped);
}

static int run_tap_open(void)
{
	tap_fd = tap_of(tap_dev, IPCX_KIND_QUEUE, TAPPED, IPCX_TAP_SNAP_MAX);
	return tap_fd;
}

/* What could not be told is told when it is called again. */
static int run_tap_read(void)
{
	const struct ipcx_tap_record *r = tap_one(tap_fd, 8192);

	if (!r)
		return -errno;
	return r->seq == 1 && !r->missed && tap_all(r, 'x') ? 0 : -EBADMSG;
}

#endif /* FAIL_NTH_TAPS_H */
