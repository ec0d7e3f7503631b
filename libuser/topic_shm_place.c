// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: the file that members find each other by, and the memory. The file
 * belongs to the user and lies in a directory of his own, so all members are his.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "queue_shm.h"
#include "topic_attrs.h"
#include "topic_shm.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Where in the file; before that is what topic_attrs.c and place.c write */
enum { MEMBERS_AT = 1024 };

/* Where a member has the memory open */
struct where {
	uint64_t ino;
	uint32_t pid, fd;
};

void ipcx_shm_lock(const struct ipcx_topic_shm *shm)
{
	ipcx_lock_file_wait(shm->place.fd, IPCX_SHM_MUTEX);
}

void ipcx_shm_unlock(const struct ipcx_topic_shm *shm)
{
	ipcx_unlock_file(shm->place.fd, IPCX_SHM_MUTEX);
}

/* The first member from @from on that lives and is of another handle, or IPCX_SHM_MEMBERS */
static unsigned int next_alive(const struct ipcx_topic_shm *shm, unsigned int from)
{
	while (from < IPCX_SHM_MEMBERS && !ipcx_file_locked(shm->place.fd, IPCX_SHM_MEMBER + from))
		from++;
	return from;
}

bool ipcx_shm_alone(const struct ipcx_topic_shm *shm)
{
	return next_alive(shm, 0) == IPCX_SHM_MEMBERS;
}

/* What all that open it know of a topic with @a. Return: bytes of its memory. */
static uint64_t lay_out(struct ipcx_topic *t, const struct ipcx_attrs *a)
{
	struct ipcx_topic_open *o = &t->o;

	ipcx_attrs_tell(t, a);
	t->limit = a->limit;
	t->policy = a->policy;
	o->out_stride = ipcx_attrs_pages(t, a->msg_max);
	o->out_control_offset = ipcx_attrs_pages(t, sizeof(struct ipcx_shm_table));
	o->out_ring_offset = o->out_control_offset + IPCX_TOPIC_SUBS * t->page;
	o->out_ring_window = t->page + ipcx_attrs_pages(t, a->depth * sizeof(struct ipcx_cell)) +
			     t->queue * t->page;
	o->out_data_offset = o->out_ring_offset + IPCX_TOPIC_RINGS * o->out_ring_window;
	o->out_data_window = (a->depth + (t->queue ? IPCX_SHM_CALLS : 0)) * o->out_stride;
	return o->out_data_offset + IPCX_TOPIC_RINGS * o->out_data_window;
}

/* What the file of one says of it. Return: whether it has attributes. */
bool ipcx_shm_describe(int fd, struct ipcx_listed *o)
{
	struct ipcx_attrs a;

	if (!ipcx_attrs_read(fd, &a))
		return false;
	o->mode = a.mode & 0777;
	o->flags = a.flags & IPCX_EPHEMERAL;
	o->depth = a.limit ? a.limit : a.depth;
	o->msg_max = a.msg_max;
	o->bytes_max = a.bytes_max;
	return true;
}

/* Is it what the member says? */
static bool is_memory(const struct stat *st, const struct where *w, uint64_t size)
{
	return S_ISREG(st->st_mode) && st->st_ino == w->ino && st->st_uid == geteuid() &&
	       (uint64_t)st->st_size == size;
}

/* Return: the descriptor, or a bare negative errno: -ENOENT if it is not there. */
static int open_of(const struct ipcx_topic_shm *shm, unsigned int member, uint64_t size)
{
	struct where w;
	struct stat st;
	char path[64];
	int fd, seals;

	if (pread(shm->place.fd, &w, sizeof(w), MEMBERS_AT + member * sizeof(w)) != sizeof(w))
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%u/fd/%u", w.pid, w.fd);
	if (stat(path, &st) || !is_memory(&st, &w, size))
		return -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ENOENT;
	/* nobody can make it shorter, or whoever looks behind its end would be killed */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS && !fstat(fd, &st) && is_memory(&st, &w, size))
		return fd;
	close(fd);
	return -ENOENT;
}

static int new_memory(struct ipcx_topic *t, uint64_t size)
{
	int fd, err;

	fd = memfd_create(t->queue ? "ipcx-queue" : "ipcx-topic", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return ipcx_topic_failed(t, errno, strerror(errno));
	if (!fchmod(fd, 0600) && !ftruncate(fd, size) && !fcntl(fd, F_ADD_SEALS, SEALS) &&
	    !fallocate(fd, 0, 0, sizeof(struct ipcx_shm_table)))
		return fd;
	err = errno;
	close(fd);
	return ipcx_topic_failed(t, err, strerror(err));
}

/* The memory that members have, or where there are none a new one. -EINPROGRESS: as @open. */
static int find_memory(struct ipcx_topic *t, uint64_t size)
{
	struct rlimit limit;
	int fd;

	/* every member writes to it, and would be killed for that */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < size)
		return ipcx_topic_failed(t, EFBIG,
					 "its memory is larger than a file may be (ulimit -f)");
	if (ipcx_shm_alone(t->shm))
		return new_memory(t, size);
	for (unsigned int m = 0; (m = next_alive(t->shm, m)) < IPCX_SHM_MEMBERS; m++) {
		fd = open_of(t->shm, m, size);
		if (fd >= 0)
			return fd;
		if (fd != -ENOENT)
			return ipcx_topic_failed(t, -fd, strerror(-fd));
	}
	/* whoever is just ending may have a lock still, and the memory no more */
	ipcx_topic_failed(t, EACCES,
			  "it has members, but their memory is not found in /proc: that has to be mounted, "
			  "show processes of this user, and be of the same PID namespace");
	return -EINPROGRESS;
}

/* Tells where the memory is, so that whoever comes finds it. */
void ipcx_shm_enter(const struct ipcx_topic *t, unsigned int member)
{
	struct where w = { .pid = getpid(), .fd = t->mem };
	struct stat st;

	if (!fstat(t->mem, &st))
		w.ino = st.st_ino;
	/* if it cannot be written, others find it by another member or not at all */
	if (pwrite(t->shm->place.fd, &w, sizeof(w), MEMBERS_AT + member * sizeof(w)) < 0)
		errno = 0;
}

static int map_table(struct ipcx_topic *t)
{
	struct ipcx_shm_table *table =
		mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, t->mem, 0);

	if (table == MAP_FAILED)
		return ipcx_topic_failed(t, errno, strerror(errno));
	t->shm->table = table;
	madvise(table, sizeof(*table), MADV_DONTFORK);
	return 0;
}

/* Finds the file and the memory. Return: 0, with MUTEX locked; or negative as @open. */
int ipcx_shm_find(struct ipcx_topic *t)
{
	struct ipcx_place *p = &t->shm->place;
	const struct ipcx_place want = *p; /* what is read takes its place */
	struct ipcx_attrs a;
	struct stat st;
	int r;

	for (;;) {
		r = ipcx_place_find(p, t->name, t->queue ? ".queue" : ".topic");
		if (!r)
			r = ipcx_place_open(p, t->flags & IPCX_CREATE, S_IFREG);
		if (!r && p->fd < 0)
			r = ipcx_topic_failed(t, EACCES, "its file cannot be opened");
		if (r)
			return r;
		if (!ipcx_shm_try_lock(t->shm))
			return -EALREADY;
		if (ipcx_place_is_there(p))
			break;
		ipcx_place_close(p);
		*p = want;
	}
	r = ipcx_attrs_find(t, p, ipcx_shm_alone(t->shm), &a);
	if (!r)
		t->mem = find_memory(t, lay_out(t, &a));
	if (!r && t->mem < 0)
		r = t->mem;
	if (r && p->created && ipcx_shm_alone(t->shm))
		ipcx_place_unlink(p, true);
	if (r)
		return r;
	t->o.out_id = fstat(p->fd, &st) ? 0 : st.st_ino;
	return map_table(t);
}
