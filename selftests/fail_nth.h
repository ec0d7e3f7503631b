/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of fail_nth: makes the nth allocation or user copy of a call fail. */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <stdarg.h>

#include "ipcx_util.h"

/**
 * struct call - what is made to fail
 * @name: for the report
 * @setup: makes what it works on. Return: 0 or a negative errno
 * @run: the call. Return: at least 0 or a negative errno
 * @teardown: takes away what is left of it, whether it succeeded or not; may be NULL
 */
struct call {
	const char *name;
	int (*setup)(void);
	int (*run)(void);
	void (*teardown)(void);
};

#define SITES_MAX 20000

static int fail_nth_fd = -1, kmsg_fd = -1;
static char fail_nth_said[256];

static inline const char *fail_nth_why(void)
{
	return fail_nth_said;
}

static inline int why(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fail_nth_said, sizeof(fail_nth_said), fmt, ap);
	va_end(ap);
	return -1;
}

/* Not only atomic allocations, and not only large ones; the stack goes to the kernel's log. */
static inline int fail_nth_init(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose_ratelimit_interval_ms", "0" },
		{ "fail_page_alloc/verbose_ratelimit_interval_ms", "0" },
		{ "fail_usercopy/verbose_ratelimit_interval_ms", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{},
	};
	char path[128];

	for (size_t i = 0; settings[i][0]; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		if (put_file(path, settings[i][1]))
			return why("%s cannot be written: fault injection is needed", path);
	}
	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fail_nth_fd < 0 || kmsg_fd < 0 ? why("%s", strerror(errno)) : 0;
}

/* Return: whether a failure was injected since. Reading may be hit itself: then it was not. */
static inline bool fail_nth_disarm(void)
{
	char left[16] = "";
	bool injected = pread(fail_nth_fd, left, sizeof(left) - 1, 0) > 0 && atoi(left) == 0;

	while (pwrite(fail_nth_fd, "0", 1, 0) != 1)
		;
	return injected;
}

/*
 * The innermost function of ipcx in the stack that the kernel logged, or
 * "outside" of it. What is allocated with __GFP_NOWARN, as most of ipcx is,
 * fails without a word.
 */
static inline void fail_nth_site(char *site, size_t size)
{
	char line[1024];
	bool stack = false;
	ssize_t n;

	snprintf(site, size, "silent");
	while ((n = read(kmsg_fd, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		char *text, *end;

		if (n < 0)
			continue;
		line[n] = 0;
		if (strstr(line, "FAULT_INJECTION: forcing a failure")) {
			snprintf(site, size, "outside");
			stack = true;
		}
		text = strchr(line, ';');
		end = text ? strstr(text, "+0x") : NULL;
		if (!stack || !end || !strstr(end, "[ipcx]"))
			continue;
		text += 1 + strspn(text + 1, " ");
		if (*text == '?') /* not certain */
			continue;
		snprintf(site, size, "%.*s", (int)(end - text), text);
		stack = false;
	}
}

static inline int accounts(struct ipcx_info *info)
{
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC), ret;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* the module is what fails to load */
	ret = xioctl(fd, IPCX_IOC_INFO, info);
	close(fd);
	return ret;
}

/* The lowest free descriptor: one that is left behind raises it. */
static inline int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* One call with its nth site failing. Return: 1 if a site failed, 0 if there was none, -1. */
static inline int fail_nth_once(const struct call *c, int n, char *site, size_t size)
{
	struct ipcx_info before, after;
	char number[16];
	int ret, again, fd;
	bool injected;

	fd = next_fd();
	if (accounts(&before))
		return why("no account before");
	ret = c->setup();
	if (ret)
		return why("setup: %s", strerror(-ret));
	fail_nth_site(site, size);
	snprintf(number, sizeof(number), "%d", n);
	if (pwrite(fail_nth_fd, number, strlen(number), 0) < 0)
		return why("cannot arm: %s", strerror(errno));
	ret = c->run();
	injected = fail_nth_disarm();
	if (injected)
		fail_nth_site(site, size);
	again = ret < 0 ? c->run() : 0;
	if (c->teardown)
		c->teardown();
	if (ret < 0 && !injected)
		return why("fails untouched: %s", strerror(-ret));
	/* what the kernel around ipcx says is not ours */
	if (ret < 0 && strcmp(site, "outside") && ret != -ENOMEM && ret != -EFAULT)
		return why("site %d, %s: %s", n, site, strerror(-ret));
	if (again < 0)
		return why("site %d, %s: fails again: %s", n, site, strerror(-again));
	if (accounts(&after) || after.out_user_bytes != before.out_user_bytes ||
	    after.out_user_queues != before.out_user_queues ||
	    after.out_user_regions != before.out_user_regions)
		return why("site %d, %s: %llu bytes and %u queues are left", n, site,
			   (unsigned long long)after.out_user_bytes, after.out_user_queues);
	if (next_fd() != fd)
		return why("site %d, %s: a descriptor is left", n, site);
	return injected;
}

/* Return: 0 if each site of the call was made to fail and all went well. */
static inline int fail_nth_each(const struct call *c)
{
	int n, ret = 1, inside = 0, silent = 0;
	char site[128], last[128] = "";
	int same = 0;

	for (n = 1; ret == 1 && n < SITES_MAX; n++) {
		ret = fail_nth_once(c, n, site, sizeof(site));
		silent += ret == 1 && !strcmp(site, "silent");
		inside += ret == 1 && strcmp(site, "silent") && strcmp(site, "outside");
		if (same && (ret != 1 || strcmp(site, last))) {
			printf("# %s: %dx %s\n", c->name, same, last);
			same = 0;
		}
		same++;
		strcpy(last, site);
	}
	if (ret < 0)
		return ret;
	if (n == SITES_MAX)
		return why("no end after %d sites", SITES_MAX);
	printf("# %s: %d sites (%d in ipcx, %d silent), all passed\n", c->name, n - 2, inside,
	       silent);
	fflush(stdout);
	return 0;
}

#endif /* FAIL_NTH_H */
