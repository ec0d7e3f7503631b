// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must be as it was before a program: the names in the network namespaces
 * that it was in, the accounts of its users, who and where its processes are.
 */
#include <fcntl.h>
#include <linux/ipcx.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

#define SLEEP_US	2000	/* at most, between two looks at what is left */

/* A network namespace that programs are in, and how it looks when nothing is there. */
struct space {
	int dev, list;
	uint32_t lines;
};

static struct space home, other;
static int user_dev, other_net, home_pid;
static struct ipcx_info baseline[2];

static bool info_get(int dev, struct ipcx_info *info)
{
	*info = (struct ipcx_info){ .size = sizeof(*info) };
	return !ioctl(dev, IPCX_IOC_INFO, info);
}

/* How many lines /proc/net/ipcx has. */
static uint32_t list_read(const struct space *space)
{
	ssize_t n = pread(space->list, buffer, BUFFER - 1, 0), i;
	uint32_t lines = 0;

	buffer[n > 0 ? n : 0] = 0;
	for (i = 0; i < n; i++)
		lines += buffer[i] == '\n';
	return lines;
}

static void space_open(struct space *space)
{
	space->dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	space->list = open("/proc/thread-self/net/ipcx", O_RDONLY | O_CLOEXEC);
	if (space->dev < 0 || space->list < 0)
		give_up("/proc/net/ipcx");
	space->lines = list_read(space);
}

/* An account lives while its user has a queue: with one, what leaks from it is seen. */
static void keep_account(int dev, struct ipcx_info *info)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = IPCX_OPEN_CREATE | IPCX_OPEN_SEND,
		.depth = 1,
	};

	if (ioctl(dev, IPCX_IOC_QUEUE_OPEN, &o) < 0 || !info_get(dev, info))
		give_up("/dev/ipcx");
}

/* A network namespace takes longer to make and to end than a program: one stays. */
static void make_other(void)
{
	int net = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (net < 0 || unshare(CLONE_NEWNET))
		give_up("unshare");
	space_open(&other);
	other_net = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (other_net < 0 || setns(net, CLONE_NEWNET))
		give_up("setns");
	close(net);
}

/**
 * check_init() - remember how it looks when no program runs
 */
void check_init(void)
{
	home_pid = syscall(SYS_pidfd_open, getpid(), 0);
	space_open(&home);
	make_other();
	if (seteuid(USER))
		give_up("seteuid");
	user_dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	if (seteuid(0))
		give_up("seteuid");
	keep_account(home.dev, &baseline[0]);
	keep_account(user_dev, &baseline[1]);
	home.lines = list_read(&home);
}

/**
 * check_device() - the descriptor that each process has /dev/ipcx at
 *
 * Return: the descriptor.
 */
int check_device(void)
{
	return home.dev;
}

/**
 * leave_home() - go to another network namespace, where other processes may be
 */
void leave_home(void)
{
	shared->other = true;
	setns(other_net, CLONE_NEWNET);
}

/**
 * come_home() - be root again, in the namespaces of the fuzzer and with a device of there
 *
 * Return: whether the process could: not from another user namespace.
 */
bool come_home(void)
{
	int dev;

	if (setresuid(0, 0, 0) || setresgid(0, 0, 0) ||
	    setns(home_pid, CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWTIME))
		return false;
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return dev >= 0 && dup2(dev, home.dev) >= 0 && !close(dev);
}

static bool same_account(int dev, const struct ipcx_info *then)
{
	struct ipcx_info now;

	return info_get(dev, &now) && now.out_user_bytes == then->out_user_bytes &&
	       now.out_user_queues == then->out_user_queues;
}

/* Escapes of three octal digits become bytes, in place. Return: the length. */
static uint32_t unescape(char *name)
{
	char *from, *to = name;

	for (from = name; *from; from++) {
		if (*from == '\\') {
			*to++ = (from[1] & 7) << 6 | (from[2] & 7) << 3 | (from[3] & 7);
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	return to - name;
}

/* Takes away every name in the list that list_read() read. */
static void unlink_names(const struct space *space)
{
	struct ipcx_unlink u = { .size = sizeof(u), .kind = IPCX_KIND_QUEUE };
	char *save, *line;

	strtok_r(buffer, "\n", &save);
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *name = strrchr(line, ' ') + 1;

		u.name = (uintptr_t)name;
		u.name_len = unescape(name);
		ioctl(space->dev, IPCX_IOC_UNLINK, &u);
	}
}

/* Return: whether nothing is left, after names were taken away. */
static bool space_empty(const struct space *space)
{
	if (list_read(space) == space->lines)
		return true;
	unlink_names(space);
	return list_read(space) == space->lines;
}

/**
 * check_left() - nothing of a program may be left but names, which go here
 *
 * A network namespace goes later than its last process: there is some time for that.
 *
 * Return: NULL, or what is left.
 */
const char *check_left(void)
{
	int64_t end = now_ms() + DEAD_MS;
	uint32_t us = 0;
	bool left;

	do {
		if (us)
			usleep(us);
		us = us < SLEEP_US ? us + 100 : SLEEP_US;
		left = !space_empty(&home) || (shared->other && !space_empty(&other));
		if (!left && same_account(home.dev, &baseline[0]) &&
		    same_account(user_dev, &baseline[1]))
			return NULL;
	} while (now_ms() < end);
	return left ? "queues are left behind" : "an account is not what it was";
}
