// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What this user has over shared memory: files of queues and topics, and regions. Who lists them
 * makes nothing and is no member: whether there is one is told by his lock, and nobody is waited
 * for.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_shm.h"

#define REGIONS "/dev/shm"

/* A name between what stands before and behind it. Return: whether it is one that can be opened. */
static bool cut_name(char name[256], const char *file, const char *before, const char *behind)
{
	size_t len = strlen(file), b = strlen(before), e = strlen(behind);

	if (len <= b + e || len - b - e > 255 || strncmp(file, before, b) != 0 || file[b] == '.' ||
	    strcmp(file + len - e, behind) != 0)
		return false;
	memcpy(name, file + b, len - b - e);
	name[len - b - e] = '\0';
	return true;
}

static uint32_t members(int fd, unsigned int from, unsigned int end)
{
	uint32_t n = 0;

	for (; from < end; from++)
		n += ipcx_file_locked(fd, IPCX_SHM_MEMBER + from);
	return n;
}

/* Could something not be looked at, so that it may be there? */
static bool is_exhausted(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM;
}

/* Return: whether @file is a queue or topic that is there, or a bare negative errno. */
static int look_at_file(int dir, const char *file, struct ipcx_listed *o)
{
	struct stat st;
	bool there;
	int fd;

	if (cut_name(o->name, file, ".", ".queue"))
		o->kind = IPCX_LISTED_QUEUE;
	else if (cut_name(o->name, file, ".", ".topic"))
		o->kind = IPCX_LISTED_TOPIC;
	else
		return 0;
	/* somebody may wait until a FIFO is opened */
	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return is_exhausted(errno) ? -errno : 0;
	there = !fstat(fd, &st) && S_ISREG(st.st_mode) && ipcx_shm_describe(fd, o);
	o->uid = st.st_uid;
	o->senders = members(fd, 0, IPCX_SHM_SUBS);
	o->receivers = members(fd, IPCX_SHM_SUBS, IPCX_SHM_MEMBERS);
	close(fd);
	/* what the dead left of an ephemeral one is none */
	return there && (o->senders || o->receivers || !(o->flags & IPCX_EPHEMERAL));
}

/* Return: whether @file is a region of this user. */
static int look_at_region(int dir, const char *file, struct ipcx_listed *o)
{
	struct stat st;

	if (!cut_name(o->name, file, "ipcx.", "") || fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return 0;
	o->kind = IPCX_LISTED_REGION;
	o->mode = st.st_mode & 0777;
	o->uid = st.st_uid;
	o->bytes_max = st.st_size;
	return 1;
}

/* Return: 0, what @each returned to end it, or a bare negative errno. Closes @dir. */
static int list_dir(int dir, int (*look)(int dir, const char *file, struct ipcx_listed *o),
		    int (*each)(const struct ipcx_listed *o, void *arg), void *arg)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		close(dir);
		return r;
	}
	while (!r) {
		struct ipcx_listed o = { .sz = sizeof(o) };

		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		r = look(dir, e->d_name, &o);
		if (r <= 0)
			continue;
		r = each(&o, arg);
		r = r > 0 ? r : 0;
	}
	closedir(d);
	return r;
}

int ipcx_list(int (*each)(const struct ipcx_listed *o, void *arg), void *arg)
{
	int dir = ipcx_place_user_dir(false), r = 0;

	if (dir < 0 && dir != -ENOENT)
		return dir;
	if (dir >= 0)
		r = list_dir(dir, look_at_file, each, arg);
	if (r)
		return r < 0 ? ipcx_fail(-r, "the directory of names: %s", strerror(-r)) : r;
	dir = open(REGIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		r = list_dir(dir, look_at_region, each, arg);
	else if (is_exhausted(errno))
		r = -errno;
	return r < 0 ? ipcx_fail(-r, REGIONS ": %s", strerror(-r)) : r;
}
