// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: sleeping until there is something, waking who sleeps, and noticing
 * who is dead. The letters are those of ipcx_topic.h in the uapi.
 *
 * The own pipe is readable, or there is nothing and all who could change that were asked for a
 * kick: so an epoll of the application's never sleeps too long. It is emptied only where nothing
 * was found, and what was asked for counts as answered then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_shm.h"

#define NOTICE_NS 10000000
#define TURN_NS 10000000 /* until somebody else's turn is over, perhaps */
#define UNMET_NS 100000000 /* until who could not be met is tried again by one who waits */

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

void ipcx_shm_wake(struct ipcx_topic *t, unsigned int member)
{
	const struct ipcx_shm_peer *peer = &t->shm->peer[member];

	for (int which = 0; which < 2; which++)
		if (t->shm->id[which] && member == ipcx_shm_self(t, which))
			put_byte(t->shm->pipe[which][1]);
	if (peer->id)
		put_byte(peer->fd);
}

void ipcx_shm_wake_all(struct ipcx_topic *t, int which)
{
	unsigned int m = which == IPCX_SHM_PUB ? 0 : IPCX_SHM_SUBS;
	unsigned int end = which == IPCX_SHM_PUB ? IPCX_SHM_SUBS : IPCX_SHM_MEMBERS;

	for (; m < end; m++)
		ipcx_shm_wake(t, m);
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

static uint64_t id_of(const struct ipcx_topic *t, unsigned int member)
{
	return __atomic_load_n(&t->shm->table->member[member].id, __ATOMIC_ACQUIRE);
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
		put_byte(fd); /* a kick may have been due since */
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
		uint64_t id = id_of(t, m);

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
static int reap_in_turn(struct ipcx_topic *t)
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
		r = reap_in_turn(t);
	shm->generation = r ? generation - 1 : generation;
	__atomic_store_n(&shm->unmet, r, __ATOMIC_RELAXED);
}

/* Asks those who can bring what is waited for, if that was not done before. */
static void arm(struct ipcx_topic *t, int which)
{
	struct ipcx_dir *dir = &t->shm->table->dir;
	bool asked = false;

	if (which == IPCX_SHM_PUB) {
		if (t->shm->asked_room)
			return;
		t->shm->asked_room = true;
		__atomic_fetch_add(&dir->attention, 1, __ATOMIC_SEQ_CST); /* D */
		ipcx_shm_serialise();
		return;
	}
	for (unsigned int r = 0; r < IPCX_TOPIC_RINGS; r++) {
		uint64_t id = __atomic_load_n(&dir->ring[r].id, __ATOMIC_RELAXED);

		if (!id || id == t->shm->asked[r])
			continue;
		t->shm->asked[r] = id;
		__atomic_fetch_add(&dir->ring[r].attention, 1, __ATOMIC_SEQ_CST); /* D */
		asked = true;
	}
	if (asked)
		ipcx_shm_serialise();
}

/* Is there something to take from a ring, or is it to be left? */
static bool is_readable(const struct ipcx_topic_reader *reader)
{
	const struct ipcx_ring_sub *sub = reader->sub;
	uint64_t word = __atomic_load_n(&ipcx_sub_cell(sub, sub->pos)->word, __ATOMIC_ACQUIRE);
	int64_t ahead = ipcx_pos_diff(ipcx_word_pos(word), sub->pos);

	if (!reader->alive)
		return sub->pos != reader->end || !sub->held;
	return ahead > 0 || (!ahead && ipcx_word_state(word) != IPCX_CELL_WRITING);
}

static bool has_message(struct ipcx_topic *t)
{
	bool found;

	ipcx_lock(&t->lock);
	found = t->untold || ipcx_topic_generation(t) != t->generation;
	for (unsigned int i = 0; !found && i < t->nrings; i++)
		found = is_readable(t->rings[i]);
	ipcx_unlock(&t->lock);
	return found;
}

/*
 * Whom it may evict it need not wait for. A loan that fails before it looks who reads would find
 * that this has changed each time, so it is looked at here; and what the cursor says is to be
 * understood as there.
 */
static bool has_room(struct ipcx_topic *t)
{
	struct ipcx_ring_pub *p = &t->pub;
	uint32_t s = 0;
	bool found, loaned;

	ipcx_lock(&t->lock);
	if (ipcx_topic_generation(t) != p->generation) {
		p->gate = p->head;
		ipcx_pub_read_masks(p);
	}
	loaned = t->queue && ipcx_pub_is_loaned(p, p->head);
	found = t->o.out_lag_max || ipcx_topic_ended(t, IPCX_PUBLISH);
	for (; !found && (s = ipcx_next_sub(p->subs, s)) < IPCX_TOPIC_SUBS; s++) {
		uint64_t cursor = __atomic_load_n(&ipcx_pub_control(p, s)->cursor[p->index],
						  __ATOMIC_ACQUIRE);
		int64_t lag = ipcx_pos_diff(p->head, cursor);

		if (p->reliable[s / 64] >> s % 64 & 1 &&
		    ((lag >= p->limit && lag <= p->depth) || cursor == t->shm->starved))
			break;
	}
	found = found || (s == IPCX_TOPIC_SUBS && !loaned);
	ipcx_unlock(&t->lock);
	return found;
}

/* Empties the own pipe. */
static void drain(struct ipcx_topic *t, int which)
{
	char bytes[64];

	while (read(t->shm->pipe[which][0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
	if (which == IPCX_SHM_PUB)
		t->shm->asked_room = false;
	else
		memset(t->shm->asked, 0, sizeof(t->shm->asked));
}

/* What is left until @deadline, or @most if that is less */
static struct timespec until(int64_t deadline, int64_t most)
{
	struct timespec ts;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	left = deadline - (ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec);
	left = left < 0 ? 0 : left < most ? left : most;
	return (struct timespec){ left / 1000000000, left % 1000000000 };
}

/* Ends those that are dead. Return: whether there are any. */
static bool bury(struct ipcx_topic *t)
{
	struct pollfd deaths = { .fd = t->shm->deaths, .events = POLLIN };

	ipcx_shm_meet(t);
	return poll(&deaths, 1, 0) > 0 && reap_in_turn(t) != -EAGAIN;
}

static bool found(struct ipcx_topic *t, int which)
{
	return which == IPCX_SHM_PUB ? has_room(t) : has_message(t);
}

/*
 * Sees to it that what comes from now on wakes. Return: whether there is something already: also
 * where another has seen to the end of somebody since this one looked, and told nobody.
 */
static bool prepare(struct ipcx_topic *t, int which)
{
	struct ipcx_topic_shm *shm = t->shm;
	struct pollfd own = { .fd = shm->pipe[which][0], .events = POLLIN };

	ipcx_lock(&shm->lock);
	bury(t);
	if (poll(&own, 1, 0) > 0)
		drain(t, which);
	arm(t, which);
	ipcx_unlock(&shm->lock);
	if (!found(t, which))
		return false;
	put_byte(shm->pipe[which][1]); /* who polls has to find it */
	return true;
}

/* Who is dead is gone now, unless it is another's turn to see to that. */
void ipcx_shm_bury(struct ipcx_topic *t)
{
	ipcx_lock(&t->shm->lock);
	reap_in_turn(t);
	ipcx_unlock(&t->shm->lock);
}

/* The same, of those that this one waits for, at little cost where nobody is dead. */
void ipcx_shm_notice(struct ipcx_topic *t)
{
	ipcx_lock(&t->shm->lock);
	bury(t);
	ipcx_unlock(&t->shm->lock);
}

/* Of one who looks again and again no call may be made each time, but the dead are not for ever. */
static int look_again(struct ipcx_topic *t, int which)
{
	struct ipcx_topic_shm *shm = t->shm;
	struct timespec ts;
	int64_t now;
	bool dead;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
	if (now - __atomic_load_n(&shm->noticed, __ATOMIC_RELAXED) < NOTICE_NS)
		return -EAGAIN;
	__atomic_store_n(&shm->noticed, now, __ATOMIC_RELAXED);
	ipcx_lock(&shm->lock);
	dead = bury(t);
	ipcx_unlock(&shm->lock);
	return dead && found(t, which) ? 0 : -EAGAIN;
}

bool ipcx_shm_ended(const struct ipcx_topic *t, unsigned int role)
{
	int which = role == IPCX_PUBLISH ? IPCX_SHM_PUB : IPCX_SHM_SUB;

	/* nor is what a queue's receiver has left, because it made no sense, received any more */
	if (t->queue && which == IPCX_SHM_PUB &&
	    !(__atomic_load_n(&t->shm->table->dir.ring[t->o.out_ring].subs[0], __ATOMIC_RELAXED) &
	      1))
		return true;
	return id_of(t, ipcx_shm_self(t, which)) != t->shm->id[which];
}

/* Return: 0: look again; or a bare negative errno. */
int ipcx_shm_wait(struct ipcx_topic *t, const struct ipcx_topic_wait *arg)
{
	int which = arg->flags == IPCX_WAIT_ROOM ? IPCX_SHM_PUB : IPCX_SHM_SUB;
	struct ipcx_topic_shm *shm = t->shm;
	struct pollfd fds[2] = {
		{ .fd = shm->pipe[which][0], .events = POLLIN },
		{ .fd = shm->deaths, .events = POLLIN },
	};
	int64_t most = INT64_MAX;
	struct timespec left;
	bool some, late;

	if (ipcx_shm_ended(t, which == IPCX_SHM_PUB ? IPCX_PUBLISH : IPCX_SUBSCRIBE))
		return -ENOTCONN;
	if (arg->deadline == IPCX_NOWAIT && !__atomic_load_n(&shm->polled, __ATOMIC_RELAXED))
		return look_again(t, which);
	some = prepare(t, which);
	if (arg->deadline == IPCX_NOWAIT)
		return some ? 0 : -EAGAIN;
	/* what was found, or the end of somebody, may be what it is not the turn for yet */
	late = __atomic_exchange_n(&shm->late, false, __ATOMIC_RELAXED);
	if (some && !late)
		return 0;
	if (late)
		most = TURN_NS;
	else if (__atomic_load_n(&shm->unmet, __ATOMIC_RELAXED))
		most = UNMET_NS;
	left = until(arg->deadline, most);
	/* the end of somebody cannot be seen to now, nor what was found perhaps */
	return ppoll(fds, !late ? 2 : some ? 0 : 1, &left, NULL) < 0 ? -errno : 0;
}

/* From now on who polls is woken, also if nothing is taken or sent before. */
void ipcx_shm_polled(struct ipcx_topic *t)
{
	if (__atomic_exchange_n(&t->shm->polled, true, __ATOMIC_RELAXED))
		return;
	if (t->o.out_sub >= 0) {
		ipcx_lock(&t->lock);
		ipcx_topic_look(t); /* or it would be something to be found */
		ipcx_unlock(&t->lock);
	}
	prepare(t, t->o.out_sub >= 0 ? IPCX_SHM_SUB : IPCX_SHM_PUB);
}

/* If there is no message, who polls finds none. */
void ipcx_shm_settle(struct ipcx_topic *t)
{
	if (!has_message(t))
		prepare(t, IPCX_SHM_SUB);
}

/* There is room again, or are bytes, that nobody released: who sleeps or polls is to find it. */
void ipcx_shm_cancelled(struct ipcx_topic *t)
{
	ipcx_lock(&t->lock);
	t->shm->starved = UINT64_MAX;
	ipcx_unlock(&t->lock);
	put_byte(t->shm->pipe[IPCX_SHM_PUB][1]);
}

/* A message is to be taken again: who sleeps or polls is to find it. */
void ipcx_shm_put_back(struct ipcx_topic *t)
{
	put_byte(t->shm->pipe[IPCX_SHM_SUB][1]);
}

/* The next message, or the next release, finds that a kick is due. */
static void kick_again(struct ipcx_topic *t, uint32_t whom)
{
	ipcx_lock(&t->lock);
	if (whom == IPCX_KICK_SUBSCRIBERS)
		t->pub.kicked = __atomic_load_n(t->pub.attention, __ATOMIC_RELAXED) - 1;
	for (unsigned int i = 0; whom != IPCX_KICK_SUBSCRIBERS && i < t->nrings; i++)
		t->rings[i]->sub->kicked =
			__atomic_load_n(t->rings[i]->sub->attention, __ATOMIC_RELAXED) - 1;
	ipcx_unlock(&t->lock);
}

void ipcx_shm_kick(struct ipcx_topic *t, uint32_t whom)
{
	bool unmet;

	ipcx_lock(&t->shm->lock);
	ipcx_shm_meet(t);
	ipcx_shm_wake_all(t, whom == IPCX_KICK_SUBSCRIBERS ? IPCX_SHM_SUB : IPCX_SHM_PUB);
	unmet = t->shm->unmet;
	ipcx_unlock(&t->shm->lock);
	if (unmet)
		kick_again(t, whom);
}
