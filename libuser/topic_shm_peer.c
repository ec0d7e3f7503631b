// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: who else there is, waking who sleeps, and noticing who is dead. The
 * letters are those of ipcx_topic.h in the uapi.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_shm.h"

/* What was written before is seen by each member from now on, wherever it runs. */
void ipcx_shm_serialise(void)
{
	ipcx_fence_full(); /* D */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0); /* D, on the other side */
}

/* Writes a byte; that its reader may be dead must not end this process. A full pipe is enough. */
static void put_byte(int fd)
{
	const struct timespec now = { 0 };
	int err = errno;
	sigset_t pipe, old, pending;

	sigemptyset(&pipe);
	sigemptyset(&pending);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	if (sigismember(&old, SIGPIPE)) /* or none can be */
		sigpending(&pending);
	if (write(fd, "", 1) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = err;
}

/* Wakes who dozes there. That it is made even is seen before it is woken. */
static void end_doze(uint32_t *doze)
{
	uint32_t odd = __atomic_load_n(doze, __ATOMIC_RELAXED);
	int err = errno;

	if (odd & 1 && __atomic_compare_exchange_n(doze, &odd, odd + 1, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_RELAXED))
		syscall(SYS_futex, doze, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	errno = err;
}

/* Wakes a member that says that it sleeps or polls; nothing else needs it. */
static void wake(struct ipcx_topic *t, unsigned int member)
{
	struct ipcx_shm_member *m = &t->shm->table->member[member];
	const struct ipcx_shm_peer *peer = &t->shm->peer[member];

	end_doze(&m->doze);
	for (int which = 0; which < 2; which++)
		if (t->shm->id[which] && member == ipcx_shm_self(t, which) &&
		    __atomic_load_n(&t->shm->listeners[which], __ATOMIC_RELAXED))
			put_byte(t->shm->pipe[which][1]);
	if (__atomic_load_n(&m->piped, __ATOMIC_RELAXED) && peer->id)
		put_byte(peer->fd);
}

void ipcx_shm_wake(struct ipcx_topic *t, unsigned int member)
{
	ipcx_fence_full(); /* who says so after this sees what there is to be found */
	wake(t, member);
}

void ipcx_shm_wake_all(struct ipcx_topic *t, int which)
{
	unsigned int m = which == IPCX_SHM_PUB ? 0 : IPCX_SHM_SUBS;
	unsigned int end = which == IPCX_SHM_PUB ? IPCX_SHM_SUBS : IPCX_SHM_MEMBERS;

	ipcx_fence_full(); /* as above */
	for (; m < end; m++)
		wake(t, m);
}

/* Of those who read the own ring */
void ipcx_shm_wake_readers(struct ipcx_topic *t)
{
	const struct ipcx_dir_ring *entry = &t->shm->table->dir.ring[t->o.out_ring];
	uint64_t subs[2];

	ipcx_fence_acquire(); /* all that was done before attention was changed [D] is seen */
	for (int i = 0; i < 2; i++)
		subs[i] = __atomic_load_n(&entry->subs[i], __ATOMIC_RELAXED);
	for (uint32_t s = 0; (s = ipcx_next_sub(subs, s)) < IPCX_TOPIC_SUBS; s++)
		wake(t, IPCX_SHM_SUBS + s);
}

/* Somebody may have a copy of the descriptor, so closing it alone would leave it in the set. */
void ipcx_shm_forget_peer(struct ipcx_topic_shm *shm, unsigned int member)
{
	struct ipcx_shm_peer *peer = &shm->peer[member];

	if (!peer->id)
		return;
	epoll_ctl(shm->deaths, EPOLL_CTL_DEL, peer->fd, NULL);
	close(peer->fd);
	peer->id = 0;
}

static bool is_self(const struct ipcx_topic *t, unsigned int member)
{
	for (int which = 0; which < 2; which++)
		if (t->shm->id[which] && member == ipcx_shm_self(t, which))
			return true;
	return false;
}

/*
 * Opens the pipe of another, whose lock was just seen. Return: 0; -ENXIO: nobody reads it any more,
 * so that one is dead; any other bare negative errno: it cannot be met now, and may live. For it
 * may be changing its user, or its first thread may have ended, or its files are just being closed.
 */
static int meet(struct ipcx_topic *t, unsigned int member, uint64_t id)
{
	const struct ipcx_shm_member *m = &t->shm->table->member[member];
	struct epoll_event none = { .data.u32 = member };
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd/%u", __atomic_load_n(&m->pid, __ATOMIC_RELAXED),
		 __atomic_load_n(&m->pipe, __ATOMIC_RELAXED));
	if (stat(path, &st))
		return -errno;
	if (!S_ISFIFO(st.st_mode) || st.st_ino != __atomic_load_n(&m->ino, __ATOMIC_RELAXED))
		return -EACCES;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_ino != __atomic_load_n(&m->ino, __ATOMIC_RELAXED)) {
		close(fd);
		return -EACCES;
	}
	if (epoll_ctl(t->shm->deaths, EPOLL_CTL_ADD, fd, &none)) {
		close(fd);
		return -ENOMEM;
	}
	t->shm->peer[member] = (struct ipcx_shm_peer){ id, fd };
	if (t->shm->unmet)
		ipcx_shm_wake(t, member); /* a kick may have been due since */
	return 0;
}

/* Sees to it that a member can be woken. Return: 0, -ENXIO if it is gone, or another errno. */
static int look_after(struct ipcx_topic *t, unsigned int member, uint64_t id)
{
	/* publishers and subscribers wait for each other, and not for their like */
	unsigned int other = member < IPCX_SHM_SUBS ? IPCX_SUBSCRIBE : IPCX_PUBLISH;
	const struct ipcx_shm_peer *peer = &t->shm->peer[member];
	struct pollfd fd = { .fd = peer->fd };

	/* who closes his pipe is gone, whatever he has locked */
	if (peer->id == id)
		return poll(&fd, 1, 0) > 0 && fd.revents & POLLERR ? -ENXIO : 0;
	ipcx_shm_forget_peer(t->shm, member);
	if (!ipcx_file_locked(t->shm->place.fd, IPCX_SHM_MEMBER + member))
		return -ENXIO;
	return t->flags & other ? meet(t, member, id) : 0;
}

/* Looks after all; @end: and ends those that are gone. Return: 0, or the worst of their errnos. */
static int look_after_all(struct ipcx_topic *t, bool end)
{
	int r, failed = 0;

	for (unsigned int m = 0; m < IPCX_SHM_MEMBERS; m++) {
		uint64_t id = ipcx_shm_id_of(t, m);

		if (!id)
			ipcx_shm_forget_peer(t->shm, m);
		if (!id || is_self(t, m))
			continue;
		r = look_after(t, m, id);
		if (r == -ENXIO && end)
			ipcx_shm_end(t, m);
		else if (r && failed != -ENXIO)
			failed = r;
	}
	return failed;
}

int ipcx_shm_reap(struct ipcx_topic *t)
{
	return look_after_all(t, true);
}

/*
 * Who has the turn may be stopped, and nobody who has a deadline may be so too: so this one comes
 * again later.
 */
bool ipcx_shm_try_lock(struct ipcx_topic_shm *shm)
{
	bool locked = ipcx_lock_file(shm->place.fd, F_WRLCK, IPCX_SHM_MUTEX);

	__atomic_store_n(&shm->late, !locked, __ATOMIC_RELAXED);
	return locked;
}

/* Return: as ipcx_shm_reap(), or -EAGAIN: it is another's turn. */
int ipcx_shm_reap_in_turn(struct ipcx_topic *t)
{
	int r;

	if (!ipcx_shm_try_lock(t->shm))
		return -EAGAIN;
	r = ipcx_shm_reap(t);
	ipcx_shm_unlock(t->shm);
	return r;
}

/*
 * Knows all others, of what the directory says now; whom it could not meet it tries to again. Only
 * to end somebody does it have to be its turn.
 */
void ipcx_shm_meet(struct ipcx_topic *t)
{
	struct ipcx_topic_shm *shm = t->shm;
	uint32_t generation = __atomic_load_n(&shm->table->dir.generation, __ATOMIC_ACQUIRE);
	int r;

	if (generation == shm->generation)
		return;
	r = look_after_all(t, false);
	if (r == -ENXIO)
		r = ipcx_shm_reap_in_turn(t);
	shm->generation = r ? generation - 1 : generation;
	__atomic_store_n(&shm->unmet, r, __ATOMIC_RELAXED);
}
