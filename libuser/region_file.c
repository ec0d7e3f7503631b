// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Regions that are files: "file:PATH", and "shm:NAME" for one in /dev/shm.
 *
 * A new one is made without a name, and gets that when it has its mode and its size: nobody sees
 * it half made, and nothing stays of one that was never finished.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

#define SHM "/dev/shm/ipcx."

static int failed(const char *path, int err)
{
	char buf[IPCX_QUOTED_MAX];

	ipcx_quote(buf, path);
	switch (err) {
	case ELOOP:
		return ipcx_fail(err, "region %s: is a symbolic link, which is never followed",
				 buf);
	case EISDIR:
	case EOPNOTSUPP:
		return ipcx_fail(EOPNOTSUPP,
				 "region %s: this file system cannot make a file without a name "
				 "(O_TMPFILE); choose another directory",
				 buf);
	case EPROTOTYPE:
		return ipcx_fail(err, "%s is not a region, but something else than a file", buf);
	default:
		return ipcx_fail(err, "region %s: %s", buf, strerror(err));
	}
}

static int access_of(unsigned int flags)
{
	if (!(flags & IPCX_WRITE))
		return O_RDONLY;
	return flags & IPCX_READ ? O_RDWR : O_WRONLY;
}

/* May a creator believe what was there? Return: 0, or an errno that is explained. */
static int check_maker(const char *path, const struct stat *st)
{
	char buf[IPCX_QUOTED_MAX];

	if (!st->st_nlink) /* unlinked meanwhile */
		return failed(path, ENOENT);
	if (st->st_uid != geteuid() && st->st_uid)
		return ipcx_fail_theirs("region", path, st->st_uid);
	if (st->st_nlink == 1)
		return 0;
	return ipcx_fail(EACCES,
			 "region %s: has another name, too, so somebody else may have given it this "
			 "one; if that is as it should be, open it without IPCX_CREATE",
			 ipcx_quote(buf, path));
}

/* What is there; with CREATE only if nobody else can have put it there to be found. */
static int open_old(const char *path, unsigned int flags)
{
	int fd = open(path, access_of(flags) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return errno == EISDIR || errno == ENXIO ? failed(path, EPROTOTYPE) :
							   failed(path, errno);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		err = failed(path, EPROTOTYPE);
	else if (flags & IPCX_CREATE)
		err = check_maker(path, &st);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Return: a file without a name in the directory of @path, or -errno. */
static int make_nameless(const char *path, int how, uint64_t size)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int fd, err;

	if (slash) /* with the slash, so that "/" is one too */
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash + 1 - path), path);
	fd = open(dir, how | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0 || !ftruncate(fd, size))
		return fd < 0 ? -errno : fd;
	err = errno;
	close(fd);
	return -err;
}

/* Return: a descriptor, -EEXIST, which is not explained, or an errno that is. */
static int open_new(const char *path, unsigned int flags, const struct ipcx_region_opts *opts)
{
	int fd = make_nameless(path, flags & IPCX_READ ? O_RDWR : O_WRONLY, opts->size);
	char self[32];
	int own, err = 0;

	if (fd < 0)
		return failed(path, -fd);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	own = flags & IPCX_WRITE ? fd : open(self, O_RDONLY | O_CLOEXEC);
	if (own < 0 || fchmod(fd, opts->mode & 0666) ||
	    linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
		err = errno;
	if (own != fd)
		close(fd);
	if (!err)
		return own;
	if (own >= 0)
		close(own);
	return err == EEXIST ? -err : failed(path, err);
}

static int file_open(const char *path, unsigned int flags, const struct ipcx_region_opts *opts)
{
	char buf[IPCX_QUOTED_MAX];
	int fd;

	if (!*path || strlen(path) >= PATH_MAX)
		return ipcx_fail(EINVAL, "a path has 1 to %d bytes", PATH_MAX - 1);
	for (;;) {
		if (!(flags & IPCX_EXCL)) {
			fd = open_old(path, flags);
			if (fd != -ENOENT || !(flags & IPCX_CREATE))
				return fd;
		}
		fd = open_new(path, flags, opts);
		if (fd != -EEXIST)
			return fd;
		if (flags & IPCX_EXCL)
			return ipcx_fail(EEXIST,
					 "region %s: exists already; open it without IPCX_EXCL, or "
					 "unlink it first",
					 ipcx_quote(buf, path));
	}
}

static int file_unlink(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return failed(path, errno);
	if (!S_ISREG(st.st_mode))
		return failed(path, EPROTOTYPE);
	return unlink(path) ? failed(path, errno == EPERM ? EACCES : errno) : 0;
}

static int shm_path(char path[PATH_MAX], const char *name)
{
	char buf[IPCX_QUOTED_MAX];

	if (!*name || *name == '.' || strchr(name, '/') ||
	    strlen(name) > NAME_MAX - strlen("ipcx."))
		return ipcx_fail(EINVAL,
				 "the name %s is empty, too long, begins with '.' or has a '/' in it",
				 ipcx_quote(buf, name));
	snprintf(path, PATH_MAX, SHM "%s", name);
	return 0;
}

static int shm_region_open(const char *name, unsigned int flags,
			   const struct ipcx_region_opts *opts)
{
	char path[PATH_MAX];
	int r = shm_path(path, name);

	return r ? r : file_open(path, flags, opts);
}

static int shm_region_unlink(const char *name)
{
	char path[PATH_MAX];
	int r = shm_path(path, name);

	return r ? r : file_unlink(path);
}

const struct ipcx_region_transport ipcx_region_file = {
	.name = "file",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_WALLS | IPCX_CAP_PERSISTENT,
	.open = file_open,
	.unlink = file_unlink,
};

const struct ipcx_region_transport ipcx_region_shm = {
	.name = "shm",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_WALLS | IPCX_CAP_PERSISTENT,
	.open = shm_region_open,
	.unlink = shm_region_unlink,
};
