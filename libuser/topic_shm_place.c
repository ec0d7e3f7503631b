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
#include "topic_shm.h"

#define MAGIC 0x3363697078637069ULL
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define MSG_MAX (UINT64_C(1) << 30)
#define BYTES_MAX (UINT64_C(256) << 20) /* if nothing is said */

/* Where in the file there is what; before that it is that of place.c */
enum { ATTRS_AT = 256, MEMBERS_AT = 1024 };

struct attrs {
	uint64_t magic, msg_max, bytes_max, first;
	uint32_t depth, lag_max, flags, mode;
	uint32_t limit, policy; /* of a queue */
};

/* Where a member has the memory open */
struct where {
	uint64_t ino;
	uint32_t pid, fd;
};

int ipcx_shm_failed(const struct ipcx_topic *t, int err, const char *what)
{
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(err, "%s %s over \"shm\": %s", t->queue ? "queue" : "topic",
			 ipcx_quote(buf, t->name), what);
}

void ipcx_shm_lock(const struct ipcx_topic_shm *shm)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = IPCX_SHM_MUTEX,
		.l_len = 1,
	};

	while (fcntl(shm->place.fd, F_OFD_SETLKW, &lock) && errno == EINTR)
		;
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

static uint64_t pages(const struct ipcx_topic *t, uint64_t len)
{
	return (len + t->page - 1) & ~(uint64_t)(t->page - 1);
}

/* What all that open it know of a topic with @a. Return: bytes of its memory. */
static uint64_t lay_out(struct ipcx_topic *t, const struct attrs *a)
{
	struct ipcx_topic_open *o = &t->o;

	o->out_depth = a->depth;
	o->out_lag_max = a->lag_max;
	o->out_msg_max = a->msg_max;
	o->out_bytes_max = a->bytes_max;
	o->out_first = a->first;
	o->out_flags = a->flags;
	o->out_mode = a->mode;
	t->limit = a->limit;
	t->policy = a->policy;
	o->out_uid = geteuid();
	o->out_gid = getegid();
	o->out_stride = pages(t, a->msg_max);
	o->out_control_offset = pages(t, sizeof(struct ipcx_shm_table));
	o->out_ring_offset = o->out_control_offset + IPCX_TOPIC_SUBS * t->page;
	o->out_ring_window =
		t->page + pages(t, a->depth * sizeof(struct ipcx_cell)) + t->queue * t->page;
	o->out_data_offset = o->out_ring_offset + IPCX_TOPIC_RINGS * o->out_ring_window;
	o->out_data_window = (a->depth + (t->queue ? IPCX_SHM_CALLS : 0)) * o->out_stride;
	return o->out_data_offset + IPCX_TOPIC_RINGS * o->out_data_window;
}

static bool can_be(const struct ipcx_topic *t, const struct attrs *a)
{
	return a->magic == MAGIC && a->depth >= IPCX_TOPIC_DEPTH_MIN &&
	       a->depth <= IPCX_TOPIC_DEPTH_MAX && !(a->depth & (a->depth - 1)) &&
	       a->lag_max <= a->depth && a->limit <= a->depth && a->msg_max &&
	       a->msg_max <= MSG_MAX && a->first <= IPCX_POS_MASK &&
	       a->bytes_max >= pages(t, a->msg_max) && !(a->bytes_max & (t->page - 1));
}

static int wanted(const struct ipcx_topic *t, struct attrs *a)
{
	const struct ipcx_topic_open *o = &t->o;

	*a = (struct attrs){
		.magic = MAGIC,
		.msg_max = o->msg_max ? o->msg_max : 1 << 20,
		.first = o->first,
		.depth = o->depth ? o->depth : 64,
		.lag_max = o->lag_max,
		.flags = t->flags & (IPCX_EPHEMERAL | IPCX_OPEN_RELIABLE),
		.mode = o->mode,
		.limit = t->limit,
		.policy = t->policy,
	};
	a->bytes_max = a->depth * pages(t, a->msg_max);
	if (a->bytes_max > BYTES_MAX)
		a->bytes_max = BYTES_MAX;
	if (a->bytes_max < pages(t, a->msg_max))
		a->bytes_max = pages(t, a->msg_max);
	if (o->bytes_max)
		a->bytes_max = o->bytes_max;
	if (can_be(t, a))
		return 0;
	return ipcx_shm_failed(t, EINVAL,
			       "an attribute is outside of its range: depth is a power of two in 8..65536, "
			       "lag_max at most depth, msg_max at most 1 GiB, bytes_max whole pages and at "
			       "least msg_max");
}

/* What the file of one says of it. Return: whether it has attributes. */
bool ipcx_shm_describe(int fd, struct ipcx_listed *o)
{
	struct attrs a;

	if (pread(fd, &a, sizeof(a), ATTRS_AT) != sizeof(a) || a.magic != MAGIC)
		return false;
	o->mode = a.mode & 0777;
	o->flags = a.flags & IPCX_EPHEMERAL;
	o->depth = a.limit ? a.limit : a.depth;
	o->msg_max = a.msg_max;
	o->bytes_max = a.bytes_max;
	return true;
}

/* Attributes that were written, or are now. */
static int find_attrs(struct ipcx_topic *t, struct attrs *a)
{
	const struct ipcx_topic_shm *shm = t->shm;
	bool create = t->flags & IPCX_CREATE, alone = ipcx_shm_alone(shm);
	int r;

	if (pread(shm->place.fd, a, sizeof(*a), ATTRS_AT) == sizeof(*a) && can_be(t, a) &&
	    !(shm->place.created && alone)) {
		if (t->flags & IPCX_EXCL)
			return ipcx_shm_failed(t, EEXIST, "there is one of this name already");
		return 0;
	}
	if (!create)
		return ipcx_shm_failed(t, ENOENT,
				       "there is none of this name; create it with IPCX_CREATE");
	if (!alone)
		return ipcx_shm_failed(t, EPROTO, "somebody has written over its file");
	r = wanted(t, a);
	if (!r && pwrite(shm->place.fd, a, sizeof(*a), ATTRS_AT) != sizeof(*a))
		r = ipcx_shm_failed(t, errno ? errno : ENOSPC, "its file cannot be written");
	return r;
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
	int fd;

	if (pread(shm->place.fd, &w, sizeof(w), MEMBERS_AT + member * sizeof(w)) != sizeof(w))
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%u/fd/%u", w.pid, w.fd);
	if (stat(path, &st) || !is_memory(&st, &w, size))
		return -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ENOENT;
	/* nobody can make it shorter, or whoever looks behind its end would be killed */
	if ((fcntl(fd, F_GET_SEALS) & SEALS) == SEALS && !fstat(fd, &st) &&
	    is_memory(&st, &w, size))
		return fd;
	close(fd);
	return -ENOENT;
}

static int new_memory(struct ipcx_topic *t, uint64_t size)
{
	int fd, err;

	fd = memfd_create(t->queue ? "ipcx-queue" : "ipcx-topic", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return ipcx_shm_failed(t, errno, strerror(errno));
	if (!fchmod(fd, 0600) && !ftruncate(fd, size) && !fcntl(fd, F_ADD_SEALS, SEALS) &&
	    !fallocate(fd, 0, 0, sizeof(struct ipcx_shm_table)))
		return fd;
	err = errno;
	close(fd);
	return ipcx_shm_failed(t, err, strerror(err));
}

/* The memory that members have, or where there are none a new one. -EINPROGRESS: as @open. */
static int find_memory(struct ipcx_topic *t, uint64_t size)
{
	struct rlimit limit;
	int fd;

	/* every member writes to it, and would be killed for that */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < size)
		return ipcx_shm_failed(t, EFBIG,
				       "its memory is larger than a file may be (ulimit -f)");
	if (ipcx_shm_alone(t->shm))
		return new_memory(t, size);
	for (unsigned int m = 0; (m = next_alive(t->shm, m)) < IPCX_SHM_MEMBERS; m++) {
		fd = open_of(t->shm, m, size);
		if (fd >= 0)
			return fd;
		if (fd != -ENOENT)
			return ipcx_shm_failed(t, -fd, strerror(-fd));
	}
	/* whoever is just ending may have a lock still, and the memory no more */
	ipcx_shm_failed(t, EACCES,
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
		return ipcx_shm_failed(t, errno, strerror(errno));
	t->shm->table = table;
	madvise(table, sizeof(*table), MADV_DONTFORK);
	return 0;
}

/* Finds the file and the memory. Return: 0, with MUTEX locked; or negative as @open. */
int ipcx_shm_find(struct ipcx_topic *t)
{
	struct ipcx_place *p = &t->shm->place;
	struct attrs a;
	struct stat st;
	int r;

	for (;;) {
		r = ipcx_place_find(p, t->name, t->queue ? ".queue" : ".topic");
		if (!r)
			r = ipcx_place_open(p, t->flags & IPCX_CREATE, S_IFREG);
		if (!r && p->fd < 0)
			r = ipcx_shm_failed(t, EACCES, "its file cannot be opened");
		if (r)
			return r;
		if (!ipcx_shm_try_lock(t->shm))
			return -EALREADY;
		if (ipcx_place_is_there(p))
			break;
		ipcx_place_close(p);
	}
	r = find_attrs(t, &a);
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
