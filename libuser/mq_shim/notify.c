// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * mq_notify(): a thread for each registration watches the queue.
 *
 * One process at a time is registered with a queue: it has a socket bound to a name that says which
 * queue it is, which is gone with the process.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define TELLING 64 /* queues whose numbers differ by that wait for each other's signals, too */
#define TOLD_S 5 /* a thread that has not sent its signal by then cannot run */

/* For so long the descriptors of a child that has just been made may be taken for another's. */
#define PATIENCE_MS 10

/**
 * struct watch - a registration
 * @next: of this process, under mq_shim_lock: from before it has descriptors until they are closed
 * @end: the queue, in use by this
 * @event: what is to be done
 * @mask: signals that the caller has blocked
 * @bound: the socket that makes it the only one, shut down when it is taken away
 * @set: what its thread waits for: the queue, and @bound
 * @arrived: messages that had come to the queue at the last look
 * @live: its thread watches, and nobody has taken it away
 * @done: its thread does not use it any more
 * @left: nobody waits for its thread, which frees it
 */
struct watch {
	struct watch *next;
	struct mq_end *end;
	struct sigevent event;
	sigset_t mask;
	int bound, set;
	uint64_t arrived;
	bool live, done, left;
};

static struct watch *watches;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;

/* By the queue's number: threads that see a message there, and have not sent the signal yet */
static uint32_t telling[TELLING];
static bool signals; /* there was a registration that is told by one */

static uint32_t *telling_of(const struct mq_end *e)
{
	return &telling[e->attr.id % TELLING];
}

static void end_telling(uint32_t *t)
{
	__atomic_sub_fetch(t, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, t, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/*
 * A handler may run meanwhile, and do the same. Who is waited for waits for no lock that is held
 * for long, so that takes long only where others keep it from running. What was sent by then is
 * there when a call returns, at the latest.
 */
void mq_notify_told(const struct mq_end *e)
{
	struct __kernel_old_timespec end; /* as SYS_futex has it */
	uint32_t *t = telling_of(e), n;
	struct timespec now;

	if (!__atomic_load_n(&signals, __ATOMIC_RELAXED))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	end = (struct __kernel_old_timespec){ now.tv_sec + TOLD_S, now.tv_nsec };
	while ((n = __atomic_load_n(t, __ATOMIC_SEQ_CST)))
		if (syscall(SYS_futex, t, FUTEX_WAIT_BITSET_PRIVATE, n, &end, NULL,
			    FUTEX_BITSET_MATCH_ANY) &&
		    errno == ETIMEDOUT)
			return;
	syscall(SYS_futex, t, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0);
}

/* One that was closed in a way that is not seen is another's now. */
static void close_hidden(int fd, const struct mq_end *e)
{
	if (mq_fd_is(fd, e))
		close(fd);
	mq_fd_show(fd, e);
}

/* Sets share one inode. Return: whether that is @set, and not one of the program's at its number */
static bool is_set(const struct watch *w)
{
	struct epoll_event stop = { .events = EPOLLRDHUP, .data.fd = w->bound };

	return mq_fd_is(w->set, w->end) && !epoll_ctl(w->set, EPOLL_CTL_MOD, w->bound, &stop);
}

/* Under mq_shim_lock: a child has either all of it, in the list, or nothing. */
static void drop(struct watch *w)
{
	struct watch **p = &watches;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	if (is_set(w))
		close(w->set);
	mq_fd_show(w->set, w->end);
	close_hidden(w->bound, w->end);
}

/* Return: @fd, which the program cannot close then, or a negative errno; @old: see mq_fd_hide() */
static int hide(int fd, const struct mq_end *e, struct mq_end **old)
{
	fd = mq_fd_up(fd);
	if (fd < 0)
		return -errno;
	if (mq_fd_hide(fd, e, old))
		return fd;
	close(fd);
	return -EMFILE;
}

/* It is dropped. */
static void end_watch(struct watch *w)
{
	struct mq_end *e = w->end;

	free(w);
	mq_end_put(e);
}

/* The threads are not in the child, nor is the process registered. */
void mq_notify_forked(void)
{
	while (watches) {
		struct watch *w = watches;

		drop(w);
		free(w);
	}
	pthread_cond_init(&finished, NULL);
	memset(telling, 0, sizeof(telling));
}

/* Return: whether its thread is told, not so if the descriptor for that was closed unseen. */
static bool tell_to_stop(struct watch *w)
{
	return mq_fd_is(w->bound, w->end) && !shutdown(w->bound, SHUT_RDWR);
}

void mq_notify_forget(const struct mq_end *e)
{
	bool left = false;
	struct watch *w;

	pthread_mutex_lock(&mq_shim_lock);
	for (w = watches; w && !(w->live && w->end->attr.id == e->attr.id); w = w->next)
		;
	if (w) {
		w->live = false;
		w->left = !tell_to_stop(w);
		while (!w->done && !w->left)
			pthread_cond_wait(&finished, &mq_shim_lock);
		drop(w);
		left = w->left;
	}
	pthread_mutex_unlock(&mq_shim_lock);
	if (w && !left)
		end_watch(w);
}

/* How many came since the last look, or were put back; unknown where others' are not counted */
static uint64_t news(struct watch *w, const struct ipcx_queue_stats *stats)
{
	uint64_t arrived = stats->sent + stats->redelivered, n = arrived - w->arrived;

	w->arrived = arrived;
	return w->end->shared ? n : UINT64_MAX;
}

/* Was it empty since the last look, and is it not so now? Then all that is there has come since. */
static bool look(struct watch *w)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };

	if (ipcx_queue_stat(w->end->q, &stats))
		return false;
	return stats.queued <= news(w, &stats) && stats.queued;
}

static bool is_by_signal(const struct sigevent *event)
{
	return event->sigev_notify == SIGEV_SIGNAL && event->sigev_signo;
}

static void send_signal(const struct sigevent *event, const struct ipcx_msg *m)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = event->sigev_signo;
	info.si_code = SI_MESGQ;
	info.si_pid = m->pid;
	info.si_uid = m->uid;
	info.si_value = event->sigev_value;
	syscall(SYS_rt_sigqueueinfo, getpid(), event->sigev_signo, &info);
}

/*
 * The system sends the signal before it hands out the message. Here whoever takes it after this
 * look waits before the next sleep, see mq_notify_told(); that the look and the taking have an
 * order is up to the locks of the queue. Return: whether @m is there still: then mq_shim_lock is
 * held, and end_telling() is due.
 */
static bool begin_telling(const struct watch *w, struct ipcx_msg *m)
{
	uint32_t *t = telling_of(w->end);

	for (;;) {
		__atomic_add_fetch(t, 1, __ATOMIC_SEQ_CST);
		if (ipcx_queue_peek(w->end->q, m) == -EAGAIN)
			break;
		if (!pthread_mutex_trylock(&mq_shim_lock))
			return true;
		end_telling(t); /* who has the lock may wait for this */
		pthread_mutex_lock(&mq_shim_lock);
		pthread_mutex_unlock(&mq_shim_lock);
	}
	end_telling(t);
	return false;
}

/*
 * Return: whether there is something to tell, if by a signal as begin_telling(): not if it is taken
 * away, or cannot wait any more.
 */
static bool wait_for_news(struct watch *w, struct ipcx_msg *m)
{
	struct epoll_event ev;
	int n;

	do {
		if (!is_set(w))
			return false;
		n = epoll_wait(w->set, &ev, 1, -1);
		if ((n < 0 && errno != EINTR) || (n == 1 && ev.data.fd == w->bound))
			return false;
	} while (!look(w) || (is_by_signal(&w->event) && !begin_telling(w, m)));
	return true;
}

static void *watch(void *arg)
{
	struct ipcx_msg m = { 0 };
	struct watch *w = arg;
	struct sigevent event = w->event;
	uint32_t *t = telling_of(w->end);
	bool live, left, tells, counted;
	sigset_t mask;

	pthread_detach(pthread_self());
	tells = wait_for_news(w, &m);
	counted = tells && is_by_signal(&event);
	if (!counted)
		pthread_mutex_lock(&mq_shim_lock);
	mask = w->mask;
	live = w->live;
	left = w->left;
	w->done = true;
	if (live)
		drop(w);
	pthread_cond_broadcast(&finished);
	pthread_mutex_unlock(&mq_shim_lock);
	if (counted && live)
		send_signal(&event, &m);
	if (counted)
		end_telling(t);
	if (live || left)
		end_watch(w);
	if (live && tells && event.sigev_notify == SIGEV_THREAD) {
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
		event.sigev_notify_function(event.sigev_value);
	}
	return NULL;
}

/* Return: the socket, or a negative errno: EBUSY if there is one. */
static int bind_queue(uint64_t id)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), len;

	if (fd < 0)
		return -errno;
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "ipcx-mq-notify-%llu",
		       (unsigned long long)id);
	if (!bind(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 1 + len))
		return fd;
	len = errno == EADDRINUSE ? -EBUSY : -errno;
	close(fd);
	return len;
}

/* All or, with EBUSY, none. Under mq_shim_lock, so that each is in the list if there is a fork */
static int open_all(struct watch *w, struct mq_end *old[2])
{
	int r = bind_queue(w->end->attr.id);

	if (r < 0)
		return r;
	w->bound = hide(r, w->end, &old[0]);
	w->set = hide(epoll_create1(EPOLL_CLOEXEC), w->end, &old[1]);
	r = w->bound < 0 ? w->bound : w->set;
	return r < 0 ? r : 0;
}

/* A child has the socket too, until it has run for the first time. */
static int open_patiently(struct watch *w)
{
	struct mq_end *old[2] = { NULL };
	int r;

	for (int ms = 0;; ms++) {
		pthread_mutex_lock(&mq_shim_lock);
		r = open_all(w, old);
		pthread_mutex_unlock(&mq_shim_lock);
		if (r != -EBUSY || ms == PATIENCE_MS)
			break;
		usleep(1000);
	}
	for (int i = 0; i < 2; i++)
		if (old[i])
			mq_end_put(old[i]);
	return r;
}

static int prepare(struct watch *w)
{
	struct epoll_event queue = { .events = EPOLLIN | EPOLLET, .data.fd = -1 };
	struct epoll_event stop = { .events = EPOLLRDHUP }, old;
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	int r = open_patiently(w);

	if (r)
		return r;
	stop.data.fd = w->bound;
	if (epoll_ctl(w->set, EPOLL_CTL_ADD, w->bound, &stop) ||
	    epoll_ctl(w->set, EPOLL_CTL_ADD, ipcx_queue_fd(w->end->q), &queue))
		return -errno;
	epoll_wait(w->set, &old, 1, 0); /* what is there already is none */
	r = ipcx_queue_stat(w->end->q, &stats);
	if (!r)
		news(w, &stats);
	return r;
}

/* The program's signals are not for it. */
static int start(struct watch *w)
{
	pthread_attr_t *attr = NULL;
	pthread_t thread;
	sigset_t none, old;
	int r;

	if (w->event.sigev_notify == SIGEV_THREAD)
		attr = w->event.sigev_notify_attributes;
	sigfillset(&none);
	pthread_sigmask(SIG_SETMASK, &none, &old);
	pthread_mutex_lock(&mq_shim_lock);
	w->mask = old;
	r = -pthread_create(&thread, attr, watch, w);
	w->live = !r;
	pthread_mutex_unlock(&mq_shim_lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Uses @e from now on, if it does not fail. */
static int add_watch(struct mq_end *e, const struct sigevent *event)
{
	struct watch *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct watch){ .end = e, .event = *event, .bound = -1, .set = -1 };
	if (is_by_signal(event))
		__atomic_store_n(&signals, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&mq_shim_lock);
	w->next = watches;
	watches = w;
	pthread_mutex_unlock(&mq_shim_lock);
	r = prepare(w);
	if (!r)
		r = start(w);
	if (!r)
		return 0;
	pthread_mutex_lock(&mq_shim_lock);
	drop(w);
	pthread_mutex_unlock(&mq_shim_lock);
	free(w);
	return r;
}

static int check_event(const struct sigevent *event)
{
	switch (event->sigev_notify) {
	case SIGEV_SIGNAL:
		return event->sigev_signo < 0 || event->sigev_signo > SIGRTMAX ? -EINVAL : 0;
	case SIGEV_NONE:
	case SIGEV_THREAD:
		return 0;
	default:
		return -EINVAL;
	}
}

EXPORT int mq_notify(mqd_t fd, const struct sigevent *event)
{
	int r = event ? check_event(event) : 0, state;
	struct mq_end *e = NULL;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (!r) {
		e = mq_end_get(fd);
		r = e ? 0 : -EBADF;
	}
	if (!r && event)
		r = e->flags & IPCX_RECV ? add_watch(e, event) : -EBADF;
	else if (!r)
		mq_notify_forget(e);
	if (e && (r || !event))
		mq_end_put(e);
	pthread_setcancelstate(state, NULL);
	if (!r)
		return 0;
	errno = -r;
	return -1;
}
