// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Where sockets and FIFOs lie. A name stands for a file in a directory of the user's own, a path
 * for itself. Beside the object lies a file, .NAME, that says what the queue is; while somebody
 * receives he holds a lock on it, so that what a dead one left is told from what is in use.
 *
 * Nothing is trusted that another user could have put there: no symbolic link is followed, a
 * directory that others may change is refused unless it is sticky, and there a stranger's object.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copied.h"
#include "file_lock.h"
#include "place.h"

#define META_MAGIC 0x3178637069ULL

/* Locks on the file beside it: who alone receives, and all that have it open */
enum { RECEIVER, USER };

struct meta {
	uint64_t magic, msg_max;
	uint32_t flags, mode;
};

static const char no_queue[] = "there is none of this name; create it with IPCX_CREATE";

static int failed(const struct ipcx_place *p, int err, const char *what)
{
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(err, "%s: %s", ipcx_quote(buf, p->name), what);
}

/* May others put something else there, or take it away? Return: 0, or -EACCES. */
static int check_dir(int dir, const char *path, bool own)
{
	char buf[IPCX_QUOTED_MAX];
	struct stat st;

	ipcx_quote(buf, path);
	if (fstat(dir, &st))
		return ipcx_fail(errno, "directory %s: %s", buf, strerror(errno));
	if (st.st_uid != geteuid() && (own || st.st_uid))
		return ipcx_fail(EACCES,
				 "directory %s belongs to uid %u, who could put anything "
				 "there; have it removed, or use another",
				 buf, st.st_uid);
	if (own && st.st_mode & 077)
		return ipcx_fail(EACCES,
				 "directory %s is open to others, mode %04o; it must be 0700", buf,
				 st.st_mode & 07777);
	if (st.st_mode & 022 && !(st.st_mode & S_ISVTX))
		return ipcx_fail(EACCES,
				 "directory %s can be changed by others, mode %04o; use one "
				 "that is yours",
				 buf, st.st_mode & 07777);
	return 0;
}

static int open_dir(const char *path, int how)
{
	char buf[IPCX_QUOTED_MAX];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | how);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP || (errno == ENOTDIR && how & O_NOFOLLOW))
		return ipcx_fail(ELOOP,
				 "directory %s is a symbolic link or no directory, and is not "
				 "followed; have it removed",
				 ipcx_quote(buf, path));
	return ipcx_fail(errno, "directory %s: %s", ipcx_quote(buf, path), strerror(errno));
}

/* $XDG_RUNTIME_DIR/ipcx, else of root /run/ipcx, else /tmp/ipcx-UID */
int ipcx_place_user_dir(bool make)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char path[4096];
	int fd, r;

	if (runtime && *runtime == '/' && strlen(runtime) < sizeof(path) - 10)
		snprintf(path, sizeof(path), "%s/ipcx", runtime);
	else if (!geteuid() && !access("/run", W_OK))
		strcpy(path, "/run/ipcx");
	else
		snprintf(path, sizeof(path), "/tmp/ipcx-%u", geteuid());
	if (make && mkdir(path, 0700) && errno != EEXIST)
		return ipcx_fail(errno,
				 "directory \"%.200s\" cannot be made: %s; set "
				 "XDG_RUNTIME_DIR to one that can be written",
				 path, strerror(errno));
	fd = open_dir(path, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	r = check_dir(fd, path, true);
	if (r)
		close(fd);
	return r ? r : fd;
}

static int parent_dir(const char *path, const char *base)
{
	char *dir = base - path > 1 ? strndup(path, base - path - 1) : strdup("/");
	int fd, r;

	if (!dir)
		return ipcx_fail_text(ENOMEM, "no memory for a path");
	fd = open_dir(dir, 0);
	r = fd < 0 ? fd : check_dir(fd, dir, false);
	if (r < 0 && fd >= 0)
		close(fd);
	free(dir);
	return r < 0 ? r : fd;
}

int ipcx_place_find(struct ipcx_place *p, const char *rest, const char *suffix)
{
	const char *base = *rest == '/' ? strrchr(rest, '/') + 1 : rest;
	int r;

	p->fd = -1;
	p->dir = -1;
	if (base != rest)
		suffix = "";
	r = ipcx_copied_check_name(base, 240);
	if (r)
		return r;
	snprintf(p->name, sizeof(p->name), "%s%s", base, suffix);
	snprintf(p->meta, sizeof(p->meta), ".%s", p->name);
	p->dir = base != rest ? parent_dir(rest, base) : ipcx_place_user_dir(true);
	return p->dir < 0 ? p->dir : 0;
}

/* In a directory where all may make files, only those of its owner, of root and of oneself. */
static int check_owner(const struct ipcx_place *p, const struct stat *st)
{
	char buf[IPCX_QUOTED_MAX];
	struct stat dir;

	if (fstat(p->dir, &dir))
		return failed(p, errno, strerror(errno));
	if (st->st_uid == geteuid() || !st->st_uid || !(dir.st_mode & 022) ||
	    st->st_uid == dir.st_uid)
		return 0;
	return ipcx_fail(EACCES,
			 "%s belongs to uid %u, in a directory where all may make files; it "
			 "is not used. Have it removed, or use another directory",
			 ipcx_quote(buf, p->name), st->st_uid);
}

static int check_object(const struct ipcx_place *p, const struct stat *st, mode_t type)
{
	if (S_ISLNK(st->st_mode))
		return failed(p, ELOOP, "a symbolic link, which is not followed; remove it");
	if ((st->st_mode & S_IFMT) != type)
		return failed(p, EPROTOTYPE,
			      type == S_IFSOCK ? "there is something, but no socket" :
			      type == S_IFIFO  ? "there is something, but no FIFO" :
						 "the file beside it is not a plain file");
	return check_owner(p, st);
}

int ipcx_place_object(const struct ipcx_place *p, mode_t type)
{
	int fd = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? failed(p, ENOENT, no_queue) :
					 failed(p, errno, strerror(errno));
	r = fstat(fd, &st) ? failed(p, errno, strerror(errno)) : check_object(p, &st, type);
	if (r)
		close(fd);
	return r ? r : fd;
}

int ipcx_place_fifo(const struct ipcx_place *p, const char *name)
{
	int fd = openat(p->dir, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return -EPROTOTYPE;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void read_meta(struct ipcx_place *p)
{
	struct meta m;

	p->known = pread(p->fd, &m, sizeof(m), 0) == sizeof(m) && m.magic == META_MAGIC;
	if (!p->known)
		return;
	p->msg_max = m.msg_max;
	p->flags = m.flags & IPCX_EPHEMERAL;
	p->mode = m.mode & 0777;
}

static bool write_meta(const struct ipcx_place *p)
{
	struct meta m = { META_MAGIC, p->msg_max, p->flags, p->mode };

	return pwrite(p->fd, &m, sizeof(m), 0) == sizeof(m);
}

/* What was to go with its creator, and nobody has open */
static bool left_behind(struct ipcx_place *p)
{
	return p->known && p->flags & IPCX_EPHEMERAL && !ipcx_file_locked(p->fd, USER);
}

int ipcx_place_open(struct ipcx_place *p, unsigned int flags, mode_t type)
{
	int how = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, r;
	struct ipcx_place want = *p;
	struct stat st;

	p->created = false;
	p->made = false;
	do {
		p->fd = openat(p->dir, p->meta, how);
		if (p->fd >= 0 || errno != ENOENT || !(flags & IPCX_CREATE))
			break;
		p->fd = openat(p->dir, p->meta, how | O_CREAT | O_EXCL, 0600);
		p->made = p->fd >= 0;
		p->created = p->made;
	} while (p->fd < 0 && errno == EEXIST);
	if (p->fd < 0 && errno == ELOOP)
		return failed(p, ELOOP,
			      "the file beside it, with a '.' before the name, is a "
			      "symbolic link, which is not followed; remove it");
	if (p->fd < 0 && (flags & (IPCX_CREATE | IPCX_RECV)) == 0) {
		/* another user's: his socket or FIFO has to do */
		r = ipcx_place_object(p, type);
		if (r >= 0)
			close(r);
		return r < 0 ? r : 0;
	}
	if (p->fd < 0)
		return errno == ENOENT ? failed(p, ENOENT, no_queue) :
					 failed(p, errno, strerror(errno));
	if (fstat(p->fd, &st))
		return failed(p, errno, strerror(errno));
	r = check_object(p, &st, S_IFREG);
	if (r)
		return r;
	read_meta(p);
	/* somebody's own file; one that was killed may have left an empty one */
	if (st.st_nlink > 1 || (st.st_size && !p->known))
		return failed(p, EPROTOTYPE,
			      "the file beside it, with a '.' before the name, is not one of "
			      "this library; use another name, or move it away");
	if (left_behind(p)) {
		/* whoever takes it away may name it, and who creates makes it anew */
		if (flags && !(flags & IPCX_CREATE))
			return failed(p, ENOENT, no_queue);
		p->created = true;
	}
	ipcx_lock_file(p->fd, F_RDLCK, USER);
	if (flags & IPCX_EXCL && !p->created)
		return failed(p, EEXIST, "there is one of this name already");
	if (flags & IPCX_CREATE && (!p->known || p->created)) {
		p->was.flags = p->flags;
		p->was.mode = p->mode;
		p->was.msg_max = p->msg_max;
		p->flags = want.flags;
		p->mode = want.mode;
		p->msg_max = want.msg_max;
		if (!write_meta(p))
			return failed(p, errno ? errno : ENOSPC,
				      "the file beside it cannot be written");
	}
	return 0;
}

/* One that is closing may have taken the file away in the meantime. */
bool ipcx_place_is_there(const struct ipcx_place *p)
{
	struct stat a, b;

	return !fstat(p->fd, &a) && !fstatat(p->dir, p->meta, &b, AT_SYMLINK_NOFOLLOW) &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

bool ipcx_place_is_alone(const struct ipcx_place *p)
{
	return ipcx_place_is_there(p) && !ipcx_file_locked(p->fd, USER);
}

void ipcx_place_undo(struct ipcx_place *p)
{
	if (!p->created || !ipcx_place_is_alone(p))
		return;
	if (p->made) {
		unlinkat(p->dir, p->meta, 0);
		return;
	}
	p->flags = p->was.flags;
	p->mode = p->was.mode;
	p->msg_max = p->was.msg_max;
	write_meta(p);
}

bool ipcx_place_changed(const struct ipcx_place *p, int r)
{
	return p->fd >= 0 && (!r || r == -ENOENT || r == -EBUSY) && !ipcx_place_is_there(p);
}

int ipcx_place_receive(struct ipcx_place *p, unsigned int flags, mode_t type)
{
	const struct ipcx_place want = *p; /* what is read takes its place */
	int r;

	for (;;) {
		r = ipcx_place_open(p, flags, type);
		if (r)
			return r;
		if (!ipcx_lock_file(p->fd, F_WRLCK, RECEIVER))
			return failed(p, EBUSY,
				      "somebody receives there already, and this transport "
				      "has one receiver; \"kernel\" and \"mq\" have many");
		if (ipcx_place_is_there(p))
			return 0;
		close(p->fd);
		*p = want;
	}
}

void ipcx_place_attr(const struct ipcx_place *p, struct ipcx_queue_attr *attr,
		     const struct ipcx_queue_opts *opts)
{
	struct stat st;

	if (fstat(p->fd, &st)) /* another user's */
		st = (struct stat){ .st_uid = -1, .st_gid = -1 };
	*attr = (struct ipcx_queue_attr){
		.id = st.st_ino,
		.msg_max = p->msg_max,
		.bytes_max = opts->bytes_max,
		.depth = opts->depth ? opts->depth : 64,
		.mode = p->mode,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.flags = p->created ? p->flags : 0,
	};
}

void ipcx_place_unlink(const struct ipcx_place *p, bool all)
{
	if (!ipcx_place_is_there(p))
		return;
	if (p->ours)
		unlinkat(p->dir, p->name, 0);
	if (all)
		unlinkat(p->dir, p->meta, 0);
}

void ipcx_place_close(struct ipcx_place *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->dir >= 0)
		close(p->dir);
	p->fd = -1;
	p->dir = -1;
}

static int remove_object(struct ipcx_place *p, mode_t type)
{
	int r = ipcx_place_open(p, 0, type), fd;

	if (r)
		return r;
	fd = ipcx_place_object(p, type);
	if (fd < 0 && (fd != -ENOENT || !p->known))
		return fd;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && unlinkat(p->dir, p->name, 0))
		return failed(p, errno, "its name cannot be taken away here");
	if (p->known && ipcx_place_is_there(p))
		unlinkat(p->dir, p->meta, 0);
	return 0;
}

int ipcx_place_remove(const char *rest, const char *suffix, mode_t type, bool now)
{
	struct ipcx_place p;
	int r;

	if (now)
		return ipcx_fail_text(EOPNOTSUPP,
				      "only the transport \"kernel\" can end a queue for "
				      "those who have it open; unlink it");
	r = ipcx_place_find(&p, rest, suffix);
	if (!r)
		r = remove_object(&p, type);
	ipcx_place_close(&p);
	return r;
}
