// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: sleeping until there is something. The letters are those of
 * ipcx_topic.h in the uapi.
 *
 * The own pipe is readable, or there is nothing and all who could change that were asked for a
 * kick: so an epoll of the application's never sleeps too long. It is emptied only where nothing
 * was found, and what was asked for counts as answered then.
 *
 * Who waits here, and does not poll, first dozes: for a moment it sleeps on a word of its own
 * place in the table, so that who kicks and who is kicked need one system call each. The word is
 * odd while somebody may sleep there; who kicks makes it even, by adding 1, and only then wakes: so
 * a word that has not changed was not kicked. Who is killed in between leaves others asleep for the
 * rest of the 12 ms. Death cannot be seen there; who has dozed in vain polls the pipes, and says so
 * before, for nobody else's pipe is written to.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "topic_shm.h"

#define DOZE_NS 12000000
#define NOTICE_NS 10000000
#define TURN_NS 10000000 /* until somebody else's turn is over, perhaps */
#define UNMET_NS 100000000 /* until who could not be met is tried again by one who waits */

/*
 * Has each member that is in @members a barrier, because of @ring? Who reads the own ring asks
 * publishers: of those that are dead no barrier is needed.
 */
static bool all_fence(const struct ipcx_topic *t, unsigned int first, const uint64_t members[2],
		      unsigned int ring)
{
	for (uint32_t i = 0; (i = ipcx_next_sub(members, i)) < IPCX_TOPIC_SUBS; i++) {
		const uint64_t *fences = &t->shm->table->member[first + i].fences;
		unsigned int r = first ? ring : i;

		if (!first && __atomic_load_n(&t->shm->table->dir.ring[i].flags, __ATOMIC_RELAXED) &
				      IPCX_RING_DEAD)
			continue;
		if (!(__atomic_load_n(fences, __ATOMIC_ACQUIRE) >> r & 1))
			return false;
	}
	return true;
}

/*
 * Asks those of @rings, or who reads the own ring. That they say that they have a barrier is
 * believed only for a doze, which ends by itself. Attention is even here, and if it was made odd
 * there is no barrier: ipcx_looks_due()
 */
static void ask(struct ipcx_topic *t, int which, uint64_t rings, bool believe)
{
	struct ipcx_dir *dir = &t->shm->table->dir;
	uint64_t others[2] = { rings };
	uint32_t odd = 0;
	bool fence;

	for (uint64_t left = rings; left; left &= left - 1)
		odd |= __atomic_fetch_add(&dir->ring[__builtin_ctzll(left)].attention, 2,
					  __ATOMIC_SEQ_CST); /* D */
	if (which == IPCX_SHM_PUB)
		odd |= __atomic_fetch_add(&dir->attention, 2, __ATOMIC_SEQ_CST); /* D */
	ipcx_fence_full(); /* D, N */
	for (int i = 0; which == IPCX_SHM_PUB && i < 2; i++)
		others[i] = __atomic_load_n(&dir->ring[t->o.out_ring].subs[i], __ATOMIC_RELAXED) &
			    __atomic_load_n(&dir->reliable[i], __ATOMIC_RELAXED);
	fence = which == IPCX_SHM_PUB ? all_fence(t, IPCX_SHM_SUBS, others, t->o.out_ring) :
					all_fence(t, 0, others, 0);
	if (!believe || !fence || odd & 1)
		ipcx_shm_serialise();
}

static void forget_asked(struct ipcx_topic *t, int which)
{
	if (which == IPCX_SHM_PUB)
		t->shm->asked_room = false;
	else
		memset(t->shm->asked, 0, sizeof(t->shm->asked));
}

/* For a kick that writes to the pipe, if that was not done before */
static void arm(struct ipcx_topic *t, int which)
{
	struct ipcx_shm_member *m = &t->shm->table->member[ipcx_shm_self(t, which)];
	const struct ipcx_dir *dir = &t->shm->table->dir;
	uint64_t rings = 0;

	/* whoever took that back: kicks since then have written nothing */
	if (t->shm->listeners[which] && !__atomic_load_n(&m->piped, __ATOMIC_RELAXED)) {
		__atomic_store_n(&m->piped, 1, __ATOMIC_RELAXED);
		forget_asked(t, which);
	}
	if (which == IPCX_SHM_PUB) {
		if (!t->shm->asked_room)
			ask(t, which, 0, false);
		t->shm->asked_room = true;
		return;
	}
	for (unsigned int r = 0; r < IPCX_TOPIC_RINGS; r++) {
		uint64_t id = __atomic_load_n(&dir->ring[r].id, __ATOMIC_RELAXED);

		if (!id || id == t->shm->asked[r])
			continue;
		t->shm->asked[r] = id;
		rings |= UINT64_C(1) << r;
	}
	if (rings)
		ask(t, which, rings, false);
}

/* The rings that there are. A change after @generation is found before anybody sleeps. */
static uint64_t rings_of(const struct ipcx_topic *t, uint32_t generation)
{
	struct ipcx_topic_shm *shm = t->shm;

	if (shm->rings_at == generation)
		return shm->rings;
	shm->rings = 0;
	for (unsigned int r = 0; r < IPCX_TOPIC_RINGS; r++)
		if (__atomic_load_n(&shm->table->dir.ring[r].id, __ATOMIC_RELAXED))
			shm->rings |= UINT64_C(1) << r;
	shm->rings_at = generation;
	return shm->rings;
}

/* How this one looks at attention, because of @ring */
void ipcx_shm_tell_fences(const struct ipcx_topic *t, int which, unsigned int ring,
			  struct ipcx_looks *l, uint32_t *kicked)
{
	ipcx_looks_tell(l, &t->shm->table->member[ipcx_shm_self(t, which)].fences,
			UINT64_C(1) << ring, kicked);
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
	found = t->cut || t->broken || t->is_pending || t->has_again ||
		ipcx_topic_generation(t) != t->generation;
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
	forget_asked(t, which);
}

/* From now on kicks write to the own pipe. With @lock held, as for the next */
static void listen_to_pipe(struct ipcx_topic *t, int which)
{
	struct ipcx_shm_member *m = &t->shm->table->member[ipcx_shm_self(t, which)];

	if (__atomic_fetch_add(&t->shm->listeners[which], 1, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&m->piped, 1, __ATOMIC_RELAXED);
	ipcx_fence_full(); /* who changes something else sees it, or that is seen here */
	forget_asked(t, which); /* kicks were answers, and wrote nothing */
}

static void unlisten(struct ipcx_topic *t, int which)
{
	struct ipcx_shm_member *m = &t->shm->table->member[ipcx_shm_self(t, which)];

	if (__atomic_fetch_sub(&t->shm->listeners[which], 1, __ATOMIC_RELAXED) == 1)
		__atomic_store_n(&m->piped, 0, __ATOMIC_RELAXED);
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
	return poll(&deaths, 1, 0) > 0 && ipcx_shm_reap_in_turn(t) != -EAGAIN;
}

/* Other threads that wait with this handle, and who polls it */
static void wake_own(struct ipcx_topic *t, int which)
{
	ipcx_shm_wake(t, ipcx_shm_self(t, which));
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
	wake_own(t, which); /* who polls has to find it */
	return true;
}

/* Who is dead is gone now, unless it is another's turn to see to that. */
void ipcx_shm_bury(struct ipcx_topic *t)
{
	ipcx_lock(&t->shm->lock);
	ipcx_shm_reap_in_turn(t);
	ipcx_unlock(&t->shm->lock);
}

/* The same, of those that this one waits for, at little cost where nobody is dead. */
void ipcx_shm_notice(struct ipcx_topic *t)
{
	ipcx_lock(&t->shm->lock);
	bury(t);
	ipcx_unlock(&t->shm->lock);
}

/* Not later than now, and some milliseconds earlier at most; it costs next to nothing */
static int64_t about_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/*
 * The same now and then: of one who looks, or dozes, again and again no call may be made each time,
 * but the dead are not for ever. Return: as bury().
 */
static bool notice_sometimes(struct ipcx_topic *t, int64_t now)
{
	struct ipcx_topic_shm *shm = t->shm;
	bool dead;

	if (now - __atomic_load_n(&shm->noticed, __ATOMIC_RELAXED) < NOTICE_NS)
		return false;
	__atomic_store_n(&shm->noticed, now, __ATOMIC_RELAXED);
	ipcx_lock(&shm->lock);
	dead = bury(t);
	ipcx_unlock(&shm->lock);
	return dead;
}

bool ipcx_shm_ended(const struct ipcx_topic *t, unsigned int role)
{
	int which = role == IPCX_PUBLISH ? IPCX_SHM_PUB : IPCX_SHM_SUB;

	/* nor is what a queue's receiver has left, because it made no sense, received any more */
	if (t->queue && which == IPCX_SHM_PUB &&
	    !(__atomic_load_n(&t->shm->table->dir.ring[t->o.out_ring].subs[0], __ATOMIC_RELAXED) &
	      1))
		return true;
	return ipcx_shm_id_of(t, ipcx_shm_self(t, which)) != t->shm->id[which];
}

/* May it doze? Not who polls, for its pipe tells what there is; nor who has more to see to. */
static bool may_doze(const struct ipcx_topic_shm *shm)
{
	return !__atomic_load_n(&shm->polled, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&shm->late, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&shm->unmet, __ATOMIC_RELAXED);
}

/* Has what comes from now on end the doze. Return: what the word says as long as none has. */
static uint32_t begin_doze(struct ipcx_topic *t, int which, uint32_t *word)
{
	struct ipcx_topic_shm *shm = t->shm;
	uint32_t odd, generation;

	ipcx_lock(&shm->lock);
	odd = __atomic_fetch_or(word, 1, __ATOMIC_SEQ_CST) | 1;
	ipcx_fence_full(); /* who changes something else sees the word, or is seen */
	generation = __atomic_load_n(&shm->table->dir.generation, __ATOMIC_ACQUIRE);
	if (odd != shm->dozed[which] || generation != shm->dozed_at[which])
		ask(t, which, which == IPCX_SHM_SUB ? rings_of(t, generation) : 0, true);
	shm->dozed[which] = odd;
	shm->dozed_at[which] = generation;
	ipcx_unlock(&shm->lock);
	return odd;
}

/* Return: 0: look again; -ETIMEDOUT: in vain; or another bare negative errno. */
static int doze(struct ipcx_topic *t, int which, int64_t deadline)
{
	uint32_t *word = &t->shm->table->member[ipcx_shm_self(t, which)].doze, odd;
	int64_t now = about_now(), end = now + DOZE_NS;
	struct __kernel_old_timespec ts; /* that of SYS_futex, whatever libc's is */

	notice_sometimes(t, now);
	odd = begin_doze(t, which, word);
	if (found(t, which))
		return 0;
	if (deadline < end)
		end = deadline;
	ts = (struct __kernel_old_timespec){ end / 1000000000, end % 1000000000 };
	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET, odd, &ts, NULL, FUTEX_BITSET_MATCH_ANY) ||
	    errno == EAGAIN)
		return 0;
	return -errno;
}

/* @unblocked: the signal mask while it sleeps. Return: 0: look again; or a bare negative errno. */
static int sleep_in_poll(struct ipcx_topic *t, int which, int64_t deadline,
			 const sigset_t *unblocked)
{
	struct ipcx_topic_shm *shm = t->shm;
	struct pollfd fds[2] = {
		{ .fd = shm->pipe[which][0], .events = POLLIN },
		{ .fd = shm->deaths, .events = POLLIN },
	};
	bool some = prepare(t, which), late;
	int64_t most = INT64_MAX;
	struct timespec left;

	/* what was found, or the end of somebody, may be what it is not the turn for yet */
	late = __atomic_exchange_n(&shm->late, false, __ATOMIC_RELAXED);
	if (some && !late)
		return 0;
	if (late)
		most = TURN_NS;
	else if (__atomic_load_n(&shm->unmet, __ATOMIC_RELAXED))
		most = UNMET_NS;
	left = until(deadline, most);
	/* the end of somebody cannot be seen to now, nor what was found perhaps */
	return ppoll(fds, !late ? 2 : some ? 0 : 1, &left, unblocked) < 0 ? -errno : 0;
}

/* A signal that comes from here on ends the sleep, though what comes before it takes a while. */
static int sleep_long(struct ipcx_topic *t, int which, int64_t deadline)
{
	static const int faults[] = { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };
	const struct timespec none = { 0 };
	struct ipcx_topic_shm *shm = t->shm;
	sigset_t most, old;
	int r;

	sigfillset(&most);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(&most, faults[i]); /* they cannot wait */
	pthread_sigmask(SIG_BLOCK, &most, &old);
	ipcx_lock(&shm->lock);
	listen_to_pipe(t, which);
	ipcx_unlock(&shm->lock);
	r = sleep_in_poll(t, which, deadline, &old);
	if (t->fd >= 0) { /* or this is the child of a signal handler that has forked */
		ipcx_lock(&shm->lock);
		unlisten(t, which);
		ipcx_unlock(&shm->lock);
	}
	/* what woke it may be of another, but a signal has come all the same */
	if (!r && ppoll(NULL, 0, &none, &old) < 0)
		r = -errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t->fd < 0 ? -EINTR : r;
}

/* Return: 0: look again; or a bare negative errno. */
int ipcx_shm_wait(struct ipcx_topic *t, const struct ipcx_topic_wait *arg)
{
	int which = arg->flags == IPCX_WAIT_ROOM ? IPCX_SHM_PUB : IPCX_SHM_SUB;
	struct ipcx_topic_shm *shm = t->shm;
	int r = -ETIMEDOUT;

	if (ipcx_shm_ended(t, which == IPCX_SHM_PUB ? IPCX_PUBLISH : IPCX_SUBSCRIBE))
		return -ENOTCONN;
	if (arg->deadline == IPCX_NOWAIT) {
		if (!__atomic_load_n(&shm->polled, __ATOMIC_RELAXED))
			return notice_sometimes(t, about_now()) && found(t, which) ? 0 : -EAGAIN;
		return prepare(t, which) ? 0 : -EAGAIN;
	}
	if (may_doze(shm))
		r = doze(t, which, arg->deadline);
	return r == -ETIMEDOUT ? sleep_long(t, which, arg->deadline) : r;
}

/* From now on who polls is woken, also if nothing is taken or sent before. */
void ipcx_shm_polled(struct ipcx_topic *t)
{
	int which = t->o.out_sub >= 0 ? IPCX_SHM_SUB : IPCX_SHM_PUB;
	bool kick = false;

	if (__atomic_exchange_n(&t->shm->polled, true, __ATOMIC_RELAXED))
		return;
	ipcx_lock(&t->shm->lock);
	listen_to_pipe(t, which);
	ipcx_unlock(&t->shm->lock);
	if (which == IPCX_SHM_SUB) {
		ipcx_lock(&t->lock);
		ipcx_topic_look(t); /* or it would be something to be found */
		kick = ipcx_topic_made_room(t);
		ipcx_unlock(&t->lock);
	}
	if (kick)
		ipcx_topic_kick(t, IPCX_KICK_PUBLISHERS);
	prepare(t, which);
}

/* Until the descriptor is asked for again nobody polls: who finds nothing asks for no kick. */
void ipcx_shm_not_polled(struct ipcx_topic *t)
{
	__atomic_store_n(&t->shm->polled, false, __ATOMIC_RELAXED);
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
	wake_own(t, IPCX_SHM_PUB);
}

/* A message is to be taken again: who sleeps or polls is to find it. */
void ipcx_shm_put_back(struct ipcx_topic *t)
{
	wake_own(t, IPCX_SHM_SUB);
}

/* The next message, or the next release, finds that a kick is due. */
static void kick_again(struct ipcx_topic *t, uint32_t whom)
{
	ipcx_lock(&t->lock);
	if (whom == IPCX_KICK_SUBSCRIBERS)
		ipcx_looks_again(&t->pub.looks, &t->pub.kicked);
	for (unsigned int i = 0; whom != IPCX_KICK_SUBSCRIBERS && i < t->nrings; i++)
		ipcx_looks_again(&t->rings[i]->sub->looks, &t->rings[i]->sub->kicked);
	ipcx_unlock(&t->lock);
}

void ipcx_shm_kick(struct ipcx_topic *t, uint32_t whom)
{
	bool unmet;

	ipcx_lock(&t->shm->lock);
	ipcx_shm_meet(t);
	if (whom == IPCX_KICK_SUBSCRIBERS)
		ipcx_shm_wake_readers(t);
	else
		ipcx_shm_wake_all(t, IPCX_SHM_PUB);
	unmet = t->shm->unmet;
	ipcx_unlock(&t->shm->lock);
	if (unmet)
		kick_again(t, whom);
}
