// SPDX-License-Identifier: GPL-2.0-only
/* Times of the caller's time namespace, and the host's, in which all is kept. */
#include <linux/nsproxy.h>
#include <linux/time_namespace.h>

#include "ipcx.h"

static s64 offset_to_host(void)
{
#ifdef CONFIG_TIME_NS
	return timespec64_to_ns(&current->nsproxy->time_ns->offsets.monotonic);
#else
	return 0;
#endif
}

/**
 * ipcx_time_to_host() - a time that the caller gave
 * @t: CLOCK_MONOTONIC of its time namespace, not negative
 *
 * Return: the host's; 0 for what was before the host's clock began.
 */
ktime_t ipcx_time_to_host(s64 t)
{
	s64 offset = offset_to_host();

	if (offset > 0 && t < offset)
		return 0; /* long past */
	if (offset < 0 && t > KTIME_MAX + offset)
		return KTIME_MAX;
	return t - offset;
}

/**
 * ipcx_time_from_host() - a time that is told to the caller
 * @t: the host's, not negative
 *
 * Return: CLOCK_MONOTONIC of the caller's time namespace, at least 1.
 */
s64 ipcx_time_from_host(ktime_t t)
{
	s64 offset = offset_to_host();

	if (offset > 0 && t > KTIME_MAX - offset)
		return KTIME_MAX;
	return max_t(s64, t + offset, 1);
}
