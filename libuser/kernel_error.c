// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "kernel": why a queue could not be opened or unlinked, in words.
 * Nothing here runs unless something failed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

#define PARAMETERS "/sys/module/ipcx/parameters/"

const char *const ipcx_kernel_too_old =
	"the loaded module ipcx is older than this library; load the one "
	"that belongs to it";

int ipcx_kernel_no_device(int err)
{
	struct stat st;

	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return ipcx_fail_text(ENODEV, "/dev/ipcx is not there: load the module with "
					      "\"modprobe ipcx\" or \"insmod ipcx.ko\"");
	case EACCES:
		if (stat("/dev/ipcx", &st))
			break;
		return ipcx_fail(EACCES,
				 "you may not open /dev/ipcx: its mode is %04o, its owner "
				 "uid %u, its group gid %u; join that group if it may, or have "
				 "them changed; \"ipcx doctor\" says how",
				 st.st_mode & 07777, st.st_uid, st.st_gid);
	case EPERM:
		return ipcx_fail_text(EACCES, "this container or service may not open /dev/ipcx; "
					      "allow the device in its configuration");
	default:
		break;
	}
	return ipcx_fail(err, "/dev/ipcx cannot be opened: %s", strerror(err));
}

/* The name as /proc/net/ipcx writes it */
static void proc_name(char *to, const char *name)
{
	if (!strcmp(name, "-")) {
		strcpy(to, "\\055");
		return;
	}
	for (; *name; name++) {
		unsigned char c = *name;

		if (c <= ' ' || c >= 0x7f || c == '\\')
			to += sprintf(to, "\\%03o", c);
		else
			*to++ = c;
	}
	*to = '\0';
}

/* Field number @column of a line whose fields are separated by single spaces */
static const char *field(const char *line, int column)
{
	while (line && column--) {
		line = strchr(line, ' ');
		if (line)
			line++;
	}
	return line;
}

static int column_of(const char *header, const char *title)
{
	size_t len = strlen(title);

	for (int i = 0;; i++) {
		const char *f = field(header, i);

		if (!f)
			return -1;
		if (!strncmp(f, title, len) && (f[len] == ' ' || f[len] == '\n'))
			return i;
	}
}

/* ": its owner is uid ..., its mode ..."; the module lists nobody what is none of his business */
void ipcx_kernel_owner_of(char *to, size_t size, const char *name)
{
	char escaped[IPCX_QUOTED_MAX], *line = NULL;
	FILE *f = fopen("/proc/net/ipcx", "re");
	int mode, uid, last;
	size_t room = 0;

	snprintf(to, size, "; its owner and mode are hidden from you, ask who created it");
	if (!f)
		return;
	proc_name(escaped, name);
	if (getline(&line, &room, f) > 0) {
		mode = column_of(line, "mode");
		uid = column_of(line, "uid");
		last = column_of(line, "name");
		while (mode >= 0 && uid >= 0 && last >= 0 && getline(&line, &room, f) > 0) {
			const char *found = field(line, last);

			line[strcspn(line, "\n")] = '\0';
			if (!found || strcmp(found, escaped))
				continue;
			snprintf(to, size, ": its owner is uid %lu, its mode %04lo",
				 strtoul(field(line, uid), NULL, 10),
				 strtoul(field(line, mode), NULL, 8));
		}
	}
	free(line);
	fclose(f);
}

static int open_quota(int dev, const char *name)
{
	struct ipcx_info info = { .size = sizeof(info) };

	if (!ioctl(dev, IPCX_IOC_INFO, &info) && info.out_user_queues >= info.out_user_queues_max)
		return ipcx_fail(EDQUOT,
				 "queue %s: uid %u has %u queues, topics, regions and regions in "
				 "messages, the limit in " PARAMETERS
				 "user_queues_max is %u; remove some or raise the limit",
				 name, geteuid(), info.out_user_queues, info.out_user_queues_max);
	return ipcx_fail(EDQUOT,
			 "queue %s: uid %u holds %llu bytes, the limit in " PARAMETERS
			 "user_bytes_max is %llu; release messages or raise the limit",
			 name, geteuid(), (unsigned long long)info.out_user_bytes,
			 (unsigned long long)info.out_user_bytes_max);
}

static int open_value(int dev, const struct ipcx_queue_open *arg, const char *name)
{
	struct ipcx_info info = { .size = sizeof(info) };

	if (!ioctl(dev, IPCX_IOC_INFO, &info)) {
		if (arg->depth > info.out_depth_max)
			return ipcx_fail(EINVAL,
					 "queue %s: depth %u is larger than %u, the limit "
					 "in " PARAMETERS "queue_depth_max",
					 name, arg->depth, info.out_depth_max);
		if (arg->msg_max > info.out_msg_max)
			return ipcx_fail(EINVAL,
					 "queue %s: msg_max %llu is larger than %llu, "
					 "the limit in " PARAMETERS "queue_msg_max",
					 name, (unsigned long long)arg->msg_max,
					 (unsigned long long)info.out_msg_max);
	}
	if (arg->lease_ms > IPCX_LEASE_MS_MAX)
		return ipcx_fail(EINVAL, "queue %s: lease_ms %u is larger than %u, which is a day",
				 name, arg->lease_ms, IPCX_LEASE_MS_MAX);
	if (arg->bytes_max)
		return ipcx_fail(EINVAL,
				 "queue %s: bytes_max %llu cannot hold one message of "
				 "msg_max bytes, which is 64 MiB if not set",
				 name, (unsigned long long)arg->bytes_max);
	return ipcx_fail(EINVAL, "queue %s: an attribute is outside of its range", name);
}

static int open_denied(const struct ipcx_queue_open *arg, const char *name, const char *quoted)
{
	const char *dead = (const char *)(uintptr_t)arg->dead_letter;
	char owner[80], buf[IPCX_QUOTED_MAX];

	if (dead && arg->flags & IPCX_OPEN_EXCL) {
		ipcx_kernel_owner_of(owner, sizeof(owner), dead);
		return ipcx_fail(EACCES, "queue %s: you may not send to its dead-letter queue %s%s",
				 quoted, ipcx_quote(buf, dead), owner);
	}
	ipcx_kernel_owner_of(owner, sizeof(owner), name);
	if (dead && arg->flags & IPCX_OPEN_CREATE)
		return ipcx_fail(EACCES,
				 "queue %s: there is one already that you may not use so, or you "
				 "may not send to its dead-letter queue",
				 quoted);
	return ipcx_fail(EACCES, "queue %s: you may not %s%s", quoted,
			 !(arg->flags & IPCX_OPEN_RECV) ? "send" :
			 !(arg->flags & IPCX_OPEN_SEND) ? "receive" :
							  "both send and receive",
			 owner);
}

/* A queue that may be created can only lack its dead-letter queue. */
static int open_dead_letter(const struct ipcx_queue_open *arg, const char *quoted, int err)
{
	const char *name = (const char *)(uintptr_t)arg->dead_letter;
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(err, "queue %s: its dead-letter queue %s %s", quoted,
			 ipcx_quote(buf, name ? name : ""),
			 err == ENOENT ? "does not exist; create that first" :
					 "has a dead-letter queue itself; take one that has none");
}

int ipcx_kernel_open_error(const char *what, const char *quoted, int err)
{
	switch (err) {
	case EEXIST:
		return ipcx_fail(err,
				 "%s %s: exists already; open it without IPCX_EXCL, or unlink it first",
				 what, quoted);
	case EMFILE:
		return ipcx_fail(err, "%s %s: this process has too many open files (ulimit -n)",
				 what, quoted);
	case ENOMEM:
		return ipcx_fail(err, "%s %s: no memory, or the memory cgroup is at its limit",
				 what, quoted);
	case EPROTOTYPE:
		return ipcx_fail(err, "%s is not a %s", quoted, what);
	case E2BIG:
	case EOPNOTSUPP:
	case ENOTTY:
		return ipcx_fail_text(EOPNOTSUPP, ipcx_kernel_too_old);
	default:
		return ipcx_fail(err, "%s %s: cannot be opened: %s", what, quoted, strerror(err));
	}
}

int ipcx_kernel_open_failed(int dev, const struct ipcx_queue_open *arg, const char *name, int err)
{
	char buf[IPCX_QUOTED_MAX];
	const char *quoted = *name ? ipcx_quote(buf, name) : "without a name";

	switch (err) {
	case EACCES:
		return open_denied(arg, name, quoted);
	case EDQUOT:
		return open_quota(dev, quoted);
	case EINVAL:
		return open_value(dev, arg, quoted);
	case ELOOP:
	case ENOENT:
		if (arg->flags & IPCX_OPEN_CREATE)
			return open_dead_letter(arg, quoted, err);
		return ipcx_fail(err,
				 "queue %s: there is none of this name; create it with "
				 "IPCX_CREATE or \"ipcx create\"",
				 quoted);
	case ENOSPC:
		return ipcx_fail(err,
				 "queue %s: each slot is kept for a sender of another user; "
				 "create the queue with a larger depth, or have others close it",
				 quoted);
	case ESTALE:
		return ipcx_fail(err,
				 "queue %s: the handle was revoked at once, and a queue made for it "
				 "is gone again; open it anew, if you may",
				 quoted);
	default:
		return ipcx_kernel_open_error("queue", quoted, err);
	}
}

int ipcx_kernel_unlink_failed(const char *name, uint32_t kind, int err)
{
	const char *what = kind == IPCX_KIND_QUEUE ? "queue" :
			   kind == IPCX_KIND_TOPIC ? "topic" :
						     "region";
	char buf[IPCX_QUOTED_MAX], owner[80];
	const char *quoted = ipcx_quote(buf, name);

	switch (err) {
	case EACCES:
		ipcx_kernel_owner_of(owner, sizeof(owner), name);
		return ipcx_fail(err, "%s %s: only its owner may unlink it%s", what, quoted, owner);
	case ENOENT:
		return ipcx_fail(err, "%s %s: there is none of this name", what, quoted);
	case EPROTOTYPE:
		return ipcx_fail(err, "%s is not a %s", quoted, what);
	case E2BIG:
	case EOPNOTSUPP:
	case ENOTTY:
		return ipcx_fail_text(EOPNOTSUPP, ipcx_kernel_too_old);
	default:
		return ipcx_fail(err, "%s %s: cannot be unlinked: %s", what, quoted, strerror(err));
	}
}
