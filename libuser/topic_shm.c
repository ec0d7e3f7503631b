// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: opening, closing, and what the kernel module does in its ioctls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_shm.h"

/* What this transport cannot do, or not here */
static int check(const struct ipcx_topic *t)
{
	if (!t->name[0])
		return ipcx_fail_text(EOPNOTSUPP, "only the transport \"kernel\" has topics "
						  "without a name");
	if (t->o.durable)
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "only the transport \"kernel\" has durable subscriptions");
	if (t->flags & IPCX_INHERIT)
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "only the transport \"kernel\" has IPCX_INHERIT; open the topic in "
					 "the child");
	if (prctl(PR_GET_DUMPABLE) != 1)
		return ipcx_topic_failed(t, EACCES,
					 "others find the memory of a member in /proc, and this process is "
					 "not dumpable, see PR_SET_DUMPABLE");
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "this system has no membarrier(2), or forbids it");
	return 0;
}

static int watch(int set, int fd)
{
	struct epoll_event in = { .events = EPOLLIN };

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &in);
}

/* What others wake this handle with, and ipcx_topic_fd() returns */
static int make_fds(struct ipcx_topic *t)
{
	struct ipcx_topic_shm *shm = t->shm;
	int polled = t->flags & IPCX_SUBSCRIBE ? IPCX_SHM_SUB : IPCX_SHM_PUB;

	for (int which = 0; which < 2; which++)
		if (t->flags & (which == IPCX_SHM_PUB ? IPCX_PUBLISH : IPCX_SUBSCRIBE) &&
		    pipe2(shm->pipe[which], O_CLOEXEC | O_NONBLOCK))
			return -errno;
	shm->deaths = epoll_create1(EPOLL_CLOEXEC);
	t->fd = epoll_create1(EPOLL_CLOEXEC);
	if (shm->deaths < 0 || t->fd < 0 || watch(t->fd, shm->pipe[polled][0]) ||
	    watch(t->fd, shm->deaths))
		return -errno;
	return 0;
}

static int join(struct ipcx_topic *t)
{
	int r = ipcx_shm_reap(t);

	t->o.out_ring = -1;
	t->o.out_sub = -1;
	/* who cannot be met for another reason may be just ending, and is tried again */
	if (r != -EMFILE && r != -ENFILE && r != -ENOMEM)
		r = 0;
	if (!r && t->flags & IPCX_PUBLISH)
		r = ipcx_shm_join(t, IPCX_SHM_PUB);
	if (!r && t->flags & IPCX_SUBSCRIBE)
		r = ipcx_shm_join(t, IPCX_SHM_SUB);
	if (r == -EBUSY)
		return ipcx_topic_failed(t, EBUSY,
					 "somebody receives there already, and this transport has one "
					 "receiver; \"kernel\" and \"mq\" have many");
	if (r == -ENOSPC && t->queue)
		return ipcx_topic_failed(t, ENOSPC,
					 "63 senders have it open, or are gone and what they sent was not "
					 "received yet");
	if (r == -ENOSPC)
		return ipcx_topic_failed(t, ENOSPC, "it has 63 publishers or 128 subscribers");
	return r ? ipcx_topic_failed(t, -r, strerror(-r)) : 0;
}

static int shm_open_topic(struct ipcx_topic *t)
{
	struct ipcx_topic_shm *shm;
	int r = check(t);

	if (r)
		return r;
	shm = calloc(1, sizeof(*shm));
	if (!shm)
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a topic");
	t->shm = shm;
	t->mem = -1;
	shm->deaths = -1;
	memset(shm->pipe, -1, sizeof(shm->pipe));
	shm->starved = UINT64_MAX;
	shm->place.fd = -1;
	shm->place.dir = -1;
	shm->place.flags = t->flags & IPCX_EPHEMERAL;
	shm->place.mode = t->o.mode;
	shm->place.msg_max = t->o.msg_max;
	r = make_fds(t);
	if (r)
		return ipcx_topic_failed(t, -r, strerror(-r));
	r = ipcx_shm_find(t);
	if (r)
		return r;
	r = join(t);
	if (r && shm->place.created && ipcx_shm_alone(shm))
		ipcx_place_unlink(&shm->place, true);
	ipcx_shm_unlock(shm);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The member goes; with the last one what is ephemeral does. */
static void end(struct ipcx_topic *t)
{
	struct ipcx_topic_shm *shm = t->shm;

	ipcx_shm_lock(shm);
	for (int which = 0; which < 2; which++)
		if (shm->id[which]) {
			ipcx_shm_end(t, ipcx_shm_self(t, which));
			shm->id[which] = 0;
			/* or who ends after this one would not be alone */
			ipcx_unlock_file(shm->place.fd, IPCX_SHM_MEMBER + ipcx_shm_self(t, which));
		}
	if (t->o.out_flags & IPCX_EPHEMERAL && ipcx_shm_alone(shm))
		ipcx_place_unlink(&shm->place, true);
	ipcx_shm_unlock(shm);
}

static void let_go(struct ipcx_topic *t)
{
	struct ipcx_topic_shm *shm = t->shm;

	for (unsigned int m = 0; m < IPCX_SHM_MEMBERS; m++)
		ipcx_shm_forget_peer(shm, m);
	ipcx_place_close(&shm->place);
	for (int which = 0; which < 2; which++)
		for (int i = 0; i < 2; i++)
			close_fd(&shm->pipe[which][i]);
	close_fd(&shm->deaths);
	close_fd(&t->mem);
	close_fd(&t->fd);
	if (shm->table)
		munmap(shm->table, sizeof(*shm->table));
	free(shm);
	t->shm = NULL;
}

static void shm_close(struct ipcx_topic *t)
{
	if (!t->shm)
		return;
	if (t->shm->table)
		end(t);
	let_go(t);
}

/* The memory is not copied to a child, and the member is the parent. */
static void shm_in_child(struct ipcx_topic *t)
{
	t->shm->table = NULL;
	close_fd(&t->shm->deaths); /* first: the set is the parent's too, and nothing leaves it */
	let_go(t);
}

static uint64_t slot_at(const struct ipcx_topic *t, uint64_t slot)
{
	return t->o.out_data_offset + t->o.out_ring * t->o.out_data_window + slot * t->o.out_stride;
}

/*
 * Of a queue: takes pages from other slots, which are free, until @need more may be had. Return: 0,
 * or a bare negative errno: -EAGAIN until the receiver has moved on.
 */
static int make_room(struct ipcx_topic *t, uint64_t need)
{
	struct ipcx_topic_shm *shm = t->shm;
	uint64_t cursor = __atomic_load_n(&ipcx_pub_control(&t->pub, 0)->cursor[t->o.out_ring],
					  __ATOMIC_ACQUIRE); /* K */
	int64_t lag = ipcx_pos_diff(t->pub.head, cursor), free = t->o.out_depth - lag;

	if (lag < 0 || free < 0)
		return -EPROTO;
	/* that of the next position is not to be taken from */
	for (int64_t i = 1; i < free && shm->populated + need > t->o.out_bytes_max; i++) {
		uint64_t slot = (t->pub.head + i) & (t->o.out_depth - 1);

		if (!t->pages[slot])
			continue;
		if (fallocate(t->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, slot_at(t, slot),
			      t->pages[slot]))
			return -errno;
		shm->populated -= t->pages[slot];
		t->pages[slot] = 0;
	}
	if (shm->populated + need <= t->o.out_bytes_max)
		return 0;
	shm->starved = cursor;
	return -EAGAIN;
}

static int populate(struct ipcx_topic *t, struct ipcx_topic_populate *arg)
{
	struct ipcx_topic_shm *shm = t->shm;
	uint64_t had = t->pages[arg->slot], want = (arg->len + t->page - 1) & ~(t->page - 1);
	uint64_t at = slot_at(t, arg->slot);
	int r = 0;

	if (shm->populated + want - had > t->o.out_bytes_max)
		r = t->queue ? make_room(t, want - had) : -ENOBUFS;
	if (r)
		return r;
	shm->starved = UINT64_MAX;
	while (fallocate(t->mem, 0, at, want))
		if (errno != EINTR)
			return errno == ENOSPC ? -ENOMEM : -errno;
	shm->populated += want - had;
	arg->out_len = want;
	return 0;
}

/* With MUTEX: what changes the directory. -EAGAIN: it is another's turn. */
static int change(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	int r = -EAGAIN;

	ipcx_lock(&t->shm->lock);
	ipcx_shm_meet(t); /* whom to wake */
	if (ipcx_shm_try_lock(t->shm)) {
		r = cmd == IPCX_IOC_TOPIC_EVICT ? ipcx_shm_evict(t, arg) : ipcx_shm_leave(t, arg);
		ipcx_shm_unlock(t->shm);
	}
	ipcx_unlock(&t->shm->lock);
	return r;
}

/* All members are of one user, and none can prove which process it is. */
static int who(struct ipcx_topic_ring *arg)
{
	arg->out_pid = -1;
	arg->out_uid = -1;
	arg->out_gid = -1;
	return 0;
}

static int call(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	switch (cmd) {
	case IPCX_IOC_TOPIC_WAIT:
		return ipcx_shm_wait(t, arg);
	case IPCX_IOC_TOPIC_KICK:
		ipcx_shm_kick(t, ((struct ipcx_topic_kick *)arg)->flags);
		return 0;
	case IPCX_IOC_TOPIC_POPULATE:
		return populate(t, arg);
	case IPCX_IOC_TOPIC_EVICT:
	case IPCX_IOC_TOPIC_LEAVE:
		return change(t, cmd, arg);
	case IPCX_IOC_TOPIC_RING:
		return who(arg);
	default:
		return -EOPNOTSUPP;
	}
}

static int shm_call(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	int r = call(t, cmd, arg);

	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
}

static int shm_unlink_topic(const char *name)
{
	return ipcx_place_remove(name, ".topic", S_IFREG, false);
}

const struct ipcx_topic_transport ipcx_topic_shm = {
	.name = "shm",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_RECLAIM | IPCX_CAP_MANY_SENDERS | IPCX_CAP_POLL |
		IPCX_CAP_FAN_OUT | IPCX_CAP_HISTORY,
	.open = shm_open_topic,
	.polled = ipcx_shm_polled,
	.ended = ipcx_shm_ended,
	.call = shm_call,
	.close = shm_close,
	.in_child = shm_in_child,
	.unlink = shm_unlink_topic,
};
