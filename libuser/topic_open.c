// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: opening, mapping, unlinking, forking, closing.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "queue_shm.h"
#include "topic_shm.h"
#include "topic_unix.h"

static_assert(IPCX_PUBLISH == IPCX_TOPIC_PUBLISH, "handed on as it is");
static_assert(IPCX_SUBSCRIBE == IPCX_TOPIC_SUBSCRIBE, "handed on as it is");
static_assert(IPCX_LOSSY == IPCX_TOPIC_LOSSY, "handed on as it is");
static_assert(IPCX_OPEN_RELIABLE == IPCX_TOPIC_OPEN_RELIABLE, "handed on as it is");

#define FLAGS_CREATE (IPCX_EXCL | IPCX_EPHEMERAL | IPCX_OPEN_RELIABLE)

static int check_flags(unsigned int flags, const char *name, const struct ipcx_topic_opts *opts)
{
	unsigned int unknown = flags &
			       ~(IPCX_TOPIC_VALID_FLAGS | IPCX_SINGLE_THREAD | IPCX_INHERIT);

	if (unknown)
		return ipcx_fail(EOPNOTSUPP, "unknown flags 0x%x; a newer library may know them",
				 unknown);
	if (!(flags & (IPCX_PUBLISH | IPCX_SUBSCRIBE)))
		return ipcx_fail_text(EINVAL, "neither IPCX_PUBLISH nor IPCX_SUBSCRIBE was asked "
					      "for");
	if (((flags & IPCX_LOSSY) || opts->history || opts->durable) && !(flags & IPCX_SUBSCRIBE))
		return ipcx_fail_text(EINVAL, "IPCX_LOSSY, history and durable need "
					      "IPCX_SUBSCRIBE");
	if ((flags & IPCX_LOSSY) && opts->durable)
		return ipcx_fail_text(EINVAL, "a durable subscription misses nothing: it cannot be "
					      "IPCX_LOSSY");
	if ((flags & FLAGS_CREATE) && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "IPCX_EXCL, IPCX_EPHEMERAL and IPCX_OPEN_RELIABLE "
					      "need IPCX_CREATE");
	if (!*name && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "a topic without a name cannot be looked up; create "
					      "one with IPCX_CREATE");
	return 0;
}

static int copy_opts(struct ipcx_topic_opts *to, const struct ipcx_topic_opts *from)
{
	int r = ipcx_copy_opts(to, sizeof(*to), from, "IPCX_TOPIC_OPTS()");

	if (r)
		return r;
	if (to->mode > 0777)
		return ipcx_fail(EINVAL, "mode 0%o has bits outside of 0777", to->mode);
	return 0;
}

/* *@t is NULL for a name that may be with the kernel or without. */
static int pick(const char *uri, const struct ipcx_topic_transport **t, const char **name)
{
	const char *forced = secure_getenv("IPCX_TRANSPORT");
	const struct ipcx_transport *transport;
	int r = 0;

	*t = NULL;
	*name = uri;
	if (uri && !strncmp(uri, "shm:", 4)) {
		*t = &ipcx_topic_shm;
		*name = uri + 4;
	} else if (uri && !strncmp(uri, "unix:", 5)) {
		*t = &ipcx_topic_unix;
		*name = uri + 5;
	} else if (!uri || !*uri || strchr(uri, ':')) {
		*t = &ipcx_topic_kernel;
		r = ipcx_pick(uri, &transport, name);
	} else if (forced && *forced) { /* what carries messages only has memory beside it */
		*t = !strcmp(forced, "kernel") ? &ipcx_topic_kernel :
		     !strcmp(forced, "unix")   ? &ipcx_topic_unix :
						 &ipcx_topic_shm;
	}
	if (*t == &ipcx_topic_unix) /* may be a path */
		return ipcx_unix_topic_check(*name);
	return r ? r : ipcx_kernel_check_name(*name);
}

#define PLACES_MAX 16

/*
 * Maps once more what is mapped as @m. By a hash of some bits of an address, those from 12 to 27,
 * some processors guess where in their first cache something is (M. Lipp et al., "Take A Way",
 * 2020; on Zen 4 measured). So what is read at two addresses misses it each time unless these bits
 * are the same: it is mapped so, if there is room within some such distances. Return: as mmap().
 */
static void *map_again(const struct ipcx_topic_map *m, int prot, int fd)
{
	const uint64_t same = UINT64_C(1) << 28;
	uint64_t below = (m->len + same - 1) / same * same;
	void *addr = MAP_FAILED;

	/* who has but 32 bits has no room for that */
	for (int i = 0; sizeof(addr) == 8 && i < PLACES_MAX; i++, below += same) {
		if ((uintptr_t)m->addr <= below)
			break;
		addr = mmap((char *)m->addr - below, m->len, prot,
			    MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, m->offset);
		if (addr != MAP_FAILED || errno != EEXIST)
			break;
	}
	return addr;
}

/* @same: NULL, or the same part, as it is mapped already */
static int map_part(struct ipcx_topic *t, unsigned int which, const struct ipcx_topic_map *same,
		    uint64_t offset, uint64_t len, int prot)
{
	struct ipcx_topic_map *m = &t->map[which];
	void *addr = MAP_FAILED;

	if (m->addr)
		return 0;
	if (len > SIZE_MAX)
		return -ENOMEM;
	if (same)
		addr = map_again(same, prot, t->mem);
	if (addr == MAP_FAILED) /* anywhere */
		addr = mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, t->mem, offset);
	if (addr == MAP_FAILED)
		return errno == EAGAIN ? -ENOMEM : -errno; /* mlockall() and its limit */
	if (t->shm) { /* the module does so itself */
		madvise(addr, len, MADV_DONTFORK);
		madvise(addr, len, MADV_DONTDUMP);
	}
	*m = (struct ipcx_topic_map){ addr, len, offset, prot };
	return 0;
}

int ipcx_topic_map(struct ipcx_topic *t, unsigned int which, uint64_t offset, uint64_t len,
		   int prot)
{
	return map_part(t, which, NULL, offset, len, prot);
}

/* Maps a ring as @which, and its payload as the one behind. */
int ipcx_topic_map_ring(struct ipcx_topic *t, unsigned int which, unsigned int ring, int prot)
{
	const struct ipcx_topic_open *o = &t->o;
	uint64_t cells = o->out_depth * sizeof(struct ipcx_cell);
	/* of a queue there are answers behind them */
	uint64_t len = t->page + (cells + t->page - 1) / t->page * t->page + t->queue * t->page;
	uint64_t offset = o->out_ring_offset + ring * o->out_ring_window;
	const struct ipcx_topic_map *shown = &t->map[which - 2];
	bool again = shown->addr && shown->offset == offset;
	int r = map_part(t, which, again ? shown : NULL, offset, len, prot);

	if (r)
		return r;
	return ipcx_topic_map(t, which + 1, o->out_data_offset + ring * o->out_data_window,
			      o->out_depth * o->out_stride, prot);
}

static int map_publisher(struct ipcx_topic *t)
{
	const struct ipcx_topic_open *o = &t->o;
	int r = ipcx_topic_map(t, IPCX_TOPIC_MAP_CONTROLS, o->out_control_offset,
			       IPCX_TOPIC_SUBS * t->page, PROT_READ);

	if (!r)
		r = ipcx_topic_map_ring(t, IPCX_TOPIC_MAP_RING, o->out_ring,
					PROT_READ | PROT_WRITE);
	if (r)
		return r;
	t->pages = calloc(o->out_depth, sizeof(*t->pages));
	if (!t->pages)
		return -ENOMEM;
	t->loan = (uintptr_t)t + 1;
	t->loan_end = o->out_msg_max + 1;
	ipcx_pub_init(&t->pub, t->map[IPCX_TOPIC_MAP_RING].addr, o->out_depth, o->out_ring,
		      o->out_first, o->out_lag_max, t->map[IPCX_TOPIC_MAP_DIR].addr,
		      t->map[IPCX_TOPIC_MAP_CONTROLS].addr, t->page);
	if (t->queue)
		t->pub.limit = t->limit;
	if (t->shm)
		ipcx_shm_tell_fences(t, IPCX_SHM_PUB, o->out_ring, &t->pub.looks, &t->pub.kicked);
	return 0;
}

static int map_subscriber(struct ipcx_topic *t)
{
	const struct ipcx_dir *dir = t->map[IPCX_TOPIC_MAP_DIR].addr;
	int r = ipcx_topic_map(t, IPCX_TOPIC_MAP_CONTROL,
			       t->o.out_control_offset + t->o.out_sub * t->page, t->page,
			       PROT_READ | PROT_WRITE);

	if (r)
		return r;
	t->generation = __atomic_load_n(&dir->generation, __ATOMIC_RELAXED) - 1; /* look there */
	if (!(t->flags & IPCX_LOSSY))
		return 0;
	t->copies = calloc(IPCX_TOPIC_COPIES, sizeof(*t->copies));
	return t->copies ? 0 : -ENOMEM;
}

static int map_all(struct ipcx_topic *t)
{
	int r = ipcx_topic_map(t, IPCX_TOPIC_MAP_DIR, 0, sizeof(struct ipcx_dir), PROT_READ);

	if (!r && t->o.out_ring >= 0)
		r = map_publisher(t);
	if (!r && t->o.out_sub >= 0)
		r = map_subscriber(t);
	return r;
}

/* A mapping that stays holds the member. */
static void unmap_all(struct ipcx_topic *t)
{
	for (unsigned int i = 0; i < IPCX_TOPIC_MAPS; i++) {
		if (t->map[i].addr)
			munmap(t->map[i].addr, t->map[i].len);
		t->map[i].addr = NULL;
	}
}

void ipcx_topic_free(struct ipcx_topic *t)
{
	unmap_all(t);
	t->ops->close(t);
	for (unsigned int i = 0; i < IPCX_TOPIC_RINGS; i++)
		free(t->reader[i].sub);
	free(t->copies);
	free(t->pages);
	free(t);
}

/* The kernel does not copy the mappings to a child. */
static bool map_all_again(struct ipcx_topic *t)
{
	bool lost = false;

	for (unsigned int i = 0; i < IPCX_TOPIC_MAPS; i++) {
		struct ipcx_topic_map *m = &t->map[i];

		if (!m->addr)
			continue;
		m->addr = ipcx_kernel_map_again(t->fd, m->addr, m->len, m->prot, m->offset);
		lost |= !m->addr;
	}
	return !lost;
}

static void forget_maps(struct ipcx_topic *t)
{
	for (unsigned int i = 0; i < IPCX_TOPIC_MAPS; i++)
		t->map[i].addr = NULL;
}

void ipcx_topic_in_child(struct ipcx_topic *t)
{
	t->lock.word = 0;
	if (t->flags & IPCX_INHERIT) {
		if (map_all_again(t))
			return;
		unmap_all(t);
	} else {
		forget_maps(t);
	}
	t->ops->in_child(t);
	t->loan = IPCX_TOPIC_NOTHING;
	t->held = IPCX_TOPIC_NOTHING;
	t->loan_end = 0;
	t->nrings = 0;
	t->busy = 0;
	t->turn = 0;
	t->rings[0] = NULL;
}

/*
 * Who inherits gets a handle that no other thread was about to change, and no child keeps a
 * connection that is not in the handle yet.
 */
static void tell(struct ipcx_fork *f, enum ipcx_fork_when when)
{
	struct ipcx_topic *t = (struct ipcx_topic *)((char *)f - offsetof(struct ipcx_topic, fork));

	if (t->fd < 0)
		return;
	if (when == IPCX_FORK_CHILD)
		ipcx_topic_in_child(t);
	else if (!(t->flags & IPCX_INHERIT || t->sockets) || t->lock.none)
		return;
	else if (when == IPCX_FORK_BEFORE)
		ipcx_lock_really(&t->lock);
	else
		ipcx_unlock(&t->lock);
}

static void set_attr(struct ipcx_topic *t)
{
	const struct ipcx_topic_open *o = &t->o;

	t->attr = (struct ipcx_topic_attr){
		.id = o->out_id,
		.msg_max = o->out_msg_max,
		.bytes_max = o->out_bytes_max,
		.first = o->out_first,
		.depth = o->out_depth,
		.lag_max = o->out_lag_max,
		.mode = o->out_mode,
		.uid = o->out_uid,
		.gid = o->out_gid,
		.flags = o->out_flags & ~IPCX_TOPIC_LOST,
	};
}

#define SPINS 256 /* to begin with */

static bool has_many_cpus(void)
{
	cpu_set_t cpus;

	/* where the set is too small for the machine there are many */
	return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > 1;
}

static struct ipcx_topic *new_handle(const struct ipcx_topic_transport *ops, const char *name,
				     unsigned int flags, const struct ipcx_topic_opts *opts)
{
	struct ipcx_topic *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->fd = -1;
	t->flags = flags;
	t->ops = ops;
	t->caps = ops->caps;
	t->page = sysconf(_SC_PAGESIZE);
	t->fork.tell = tell;
	t->many_cpus = has_many_cpus();
	t->spins_message = t->many_cpus ? SPINS : 0;
	t->spins_room = t->spins_message;
	t->lock.none = flags & IPCX_SINGLE_THREAD;
	t->loan = IPCX_TOPIC_NOTHING;
	t->held = (uintptr_t)t;
	memcpy(t->name, name, strlen(name) + 1);
	t->o = (struct ipcx_topic_open){
		.size = sizeof(t->o),
		.flags = flags & IPCX_TOPIC_VALID_FLAGS,
		.name = *name ? (uintptr_t)t->name : 0,
		.name_len = strlen(name),
		.mode = opts->mode ? opts->mode : 0600,
		.depth = opts->depth,
		.lag_max = opts->lag_max,
		.msg_max = opts->msg_max,
		.bytes_max = opts->bytes_max,
		.first = opts->first,
		.history = opts->history,
		.durable = (uintptr_t)opts->durable,
		.durable_len = opts->durable ? strlen(opts->durable) : 0,
	};
	return t;
}

/* It is a member. */
static int open_rest(struct ipcx_topic *t)
{
	const struct ipcx_topic_open *o = &t->o;
	int r;

	t->cell_max = t->queue ? IPCX_LEASED_DATA : IPCX_CELL_DATA;
	if (t->cell_max > o->out_msg_max)
		t->cell_max = o->out_msg_max;
	set_attr(t);
	t->cut = !!(o->out_flags & IPCX_TOPIC_LOST);
	if (t->ops->loan)
		return 0;
	r = map_all(t);
	if (r)
		return ipcx_fail(-r, "the pages of the topic cannot be mapped: %s", strerror(-r));
	return 0;
}

/* Opens what new_handle() has made, or frees it. Return: 0, or negative as @open of a transport. */
static int open_handle(struct ipcx_topic *t)
{
	int r = t->ops->open(t);

	if (!r)
		r = open_rest(t);
	if (r)
		ipcx_topic_free(t);
	return r;
}

static int open_with(const struct ipcx_topic_transport *ops, struct ipcx_topic **to,
		     const char *name, unsigned int flags, const struct ipcx_topic_opts *opts)
{
	struct ipcx_topic *t;
	int r;

	if (opts->require & ~ops->caps)
		return ipcx_fail(EOPNOTSUPP,
				 "transport \"%s\" does not enforce the required capabilities "
				 "0x%llx on topics",
				 ops->name, (unsigned long long)(opts->require & ~ops->caps));
	t = new_handle(ops, name, flags, opts);
	if (!t)
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a topic");
	r = open_handle(t);
	if (!r)
		*to = t;
	return r;
}

/* Return: 0, or negative as @open of a transport. */
static int open_once(const struct ipcx_topic_transport *ops, struct ipcx_topic **t,
		     const char *name, unsigned int flags, const struct ipcx_topic_opts *opts)
{
	int r;

	ipcx_fork_lock();
	r = open_with(ops ? ops : &ipcx_topic_kernel, t, name, flags, opts);
	if (r == -ENODEV && !ops) {
		r = open_with(&ipcx_topic_shm, t, name, flags, opts);
		if (!r)
			ipcx_say_fallback("topic", name, ipcx_topic_shm.name);
	}
	if (!r)
		ipcx_fork_add(&(*t)->fork);
	ipcx_fork_unlock();
	return r;
}

/* Others may take their time. Return: whether to try again, after a moment; if not, see *@r. */
static bool is_to_be_tried_again(int *r, unsigned int *ending)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	if (*r != -EALREADY && *r != -EINPROGRESS)
		return false;
	if (*r == -EINPROGRESS && ++*ending == 1000) {
		*r = -EACCES;
		return false;
	}
	nanosleep(&moment, NULL);
	return true;
}

/* Meanwhile nothing is open, and whoever wants to fork can. */
static int open_patiently(const struct ipcx_topic_transport *ops, struct ipcx_topic **t,
			  const char *name, unsigned int flags, const struct ipcx_topic_opts *opts)
{
	unsigned int ending = 0;
	int r;

	do {
		r = open_once(ops, t, name, flags, opts);
	} while (is_to_be_tried_again(&r, &ending));
	return r;
}

/* @opts: of a queue; depth as that of a ring can be. */
int ipcx_topic_open_queue(struct ipcx_topic **to, const char *name, unsigned int flags,
			  const struct ipcx_topic_opts *opts, uint32_t limit, uint32_t policy)
{
	unsigned int ending = 0;
	bool again;
	int r;

	do {
		struct ipcx_topic *t = new_handle(&ipcx_topic_shm, name, flags, opts);

		if (!t)
			return ipcx_fail_text(ENOMEM, "no memory for the handle of a queue");
		t->queue = true;
		t->limit = limit;
		t->policy = policy;
		*to = t;
		r = open_handle(t);
		if (r != -EALREADY && r != -EINPROGRESS)
			break;
		ipcx_fork_unlock();
		again = is_to_be_tried_again(&r, &ending);
		ipcx_fork_lock();
	} while (again);
	return r;
}

int ipcx_topic_open(struct ipcx_topic **t, const char *uri, unsigned int flags,
		    const struct ipcx_topic_opts *user_opts)
{
	struct ipcx_topic_opts opts = { 0 };
	const struct ipcx_topic_transport *ops;
	const char *name;
	int r;

	*t = NULL;
	r = pick(uri, &ops, &name);
	if (!r)
		r = copy_opts(&opts, user_opts);
	if (!r)
		r = check_flags(flags, name, &opts);
	if (!r && opts.durable)
		r = *opts.durable ? ipcx_kernel_check_name(opts.durable) :
				    ipcx_fail_text(EINVAL, "the name of a durable subscription "
							   "cannot be empty");
	if (r)
		return r;
	return open_patiently(ops, t, name, flags, &opts);
}

void ipcx_topic_close(struct ipcx_topic *t)
{
	if (!t)
		return;
	ipcx_fork_lock();
	ipcx_fork_del(&t->fork);
	ipcx_topic_free(t);
	ipcx_fork_unlock();
}

int ipcx_topic_forget(struct ipcx_topic *t, const char *durable)
{
	struct ipcx_topic_forget f = {
		.size = sizeof(f),
		.name = (uintptr_t)durable,
		.name_len = strlen(durable),
	};

	if (!t->ops->call(t, IPCX_IOC_TOPIC_FORGET, &f))
		return 0;
	return ipcx_topic_forget_failed(t, durable, errno);
}

int ipcx_topic_unlink(const char *uri)
{
	const struct ipcx_topic_transport *ops;
	const char *name;
	int r = pick(uri, &ops, &name);

	if (r)
		return r;
	if (!*name)
		return ipcx_fail_text(EINVAL, "a topic without a name has nothing to unlink");
	r = (ops ? ops : &ipcx_topic_kernel)->unlink(name);
	return r == -ENODEV && !ops ? ipcx_topic_shm.unlink(name) : r;
}
