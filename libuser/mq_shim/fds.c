// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which descriptor is which queue, and what a program does with descriptors otherwise.
 *
 * The table is read without a lock, also by signal handlers: an entry is a pointer to an end that
 * is never freed, and counts as long as it is there still when a user was added.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../transport.h"
#include "shim.h"

#define FDS 65536

#define LOWEST 3 /* what is below is the program's, also where it is closed */

static struct mq_end *by_fd[FDS];

/* The file of each that the program does not know: one closed unseen left its number to another. */
static struct file_id {
	dev_t dev;
	ino_t ino;
} hidden_file[FDS];

static struct mq_end *all;
static pid_t owner; /* a child of vfork() has this memory too, and other descriptors */

pthread_mutex_t mq_shim_lock = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
	pthread_mutex_lock(&mq_shim_lock);
	for (struct mq_end *e = all; e; e = e->next)
		e->forked = true;
}

static void after_fork(void)
{
	pthread_mutex_unlock(&mq_shim_lock);
}

static struct mq_end *put_at(int fd, struct mq_end *e)
{
	return __atomic_exchange_n(&by_fd[fd], e, __ATOMIC_ACQ_REL);
}

/* Stands in the table for a descriptor of @e that the program does not know: no pointer is odd. */
static struct mq_end *hidden(const struct mq_end *e)
{
	return (struct mq_end *)((uintptr_t)e | 1);
}

static bool is_hidden(const struct mq_end *e)
{
	return (uintptr_t)e & 1;
}

/* What was there before is closed: something was put there, or it was closed unseen. */
static void set_end(int fd, struct mq_end *e)
{
	struct mq_end *old = put_at(fd, e);
	int state;

	if (!old || is_hidden(old))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	mq_notify_forget(old);
	mq_end_put(old);
	pthread_setcancelstate(state, NULL);
}

static struct file_id file_at(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? (struct file_id){ 0 } : (struct file_id){ st.st_dev, st.st_ino };
}

static bool is_as_hidden(int fd)
{
	struct file_id now = file_at(fd);

	return now.ino && now.ino == hidden_file[fd].ino && now.dev == hidden_file[fd].dev;
}

/* Return: what was there and closed unseen */
static struct mq_end *hide_at(int fd, const struct mq_end *e)
{
	struct mq_end *old;

	hidden_file[fd] = file_at(fd);
	old = put_at(fd, hidden(e));
	return is_hidden(old) ? NULL : old;
}

bool mq_fd_hide(int fd, const struct mq_end *e, struct mq_end **old)
{
	if (fd >= FDS)
		return false;
	*old = hide_at(fd, e);
	return true;
}

void mq_fd_show(int fd, const struct mq_end *e)
{
	struct mq_end *expected = hidden(e);

	if (fd >= 0 && fd < FDS)
		__atomic_compare_exchange_n(&by_fd[fd], &expected, NULL, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
}

/* Calls of other threads are not under way in a child: only descriptors use an end. */
static void count_users(void)
{
	for (struct mq_end *e = all; e; e = e->next)
		e->users = 0;
	for (int fd = 0; all && fd < FDS; fd++)
		if (by_fd[fd] && !is_hidden(by_fd[fd]))
			by_fd[fd]->users++;
}

/* The library closes there, after this, what cannot be inherited. */
static void in_child(void)
{
	owner = getpid();
	for (struct mq_end *e = all; e; e = e->next) {
		if (e->own && e->own != e->q)
			mq_fd_show(ipcx_queue_fd(e->own), e);
		e->own = NULL;
		if (!e->q || e->shared)
			continue;
		mq_fd_show(e->fd, e);
		e->fd = -1;
	}
	mq_notify_forked();
	count_users();
	pthread_mutex_unlock(&mq_shim_lock);
}

static void load(void)
{
	mq_system_find();
	owner = getpid();
	pthread_atfork(before_fork, after_fork, in_child);
}

/* Before main(), but constructors of the program's libraries may be earlier. */
__attribute__((constructor)) void mq_shim_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
}

static struct mq_end *end_at(int fd)
{
	return fd < 0 || fd >= FDS ? NULL : __atomic_load_n(&by_fd[fd], __ATOMIC_ACQUIRE);
}

static bool add_user(struct mq_end *e)
{
	unsigned int n = __atomic_load_n(&e->users, __ATOMIC_RELAXED);

	while (n && !__atomic_compare_exchange_n(&e->users, &n, n + 1, true, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
		;
	return n;
}

/* Return: what the program has at @fd, to be put; NULL if that is not a queue of ipcx. */
struct mq_end *mq_end_get(int fd)
{
	struct mq_end *e;

	for (;;) {
		e = end_at(fd);
		if (!e || is_hidden(e))
			return NULL;
		if (!add_user(e))
			continue;
		if (end_at(fd) == e)
			return e;
		mq_end_put(e);
	}
}

bool mq_fd_is(int fd, const struct mq_end *e)
{
	return fd >= 0 && end_at(fd) == hidden(e) && is_as_hidden(fd);
}

int mq_fd_up(int fd)
{
	int up;

	if (fd < 0 || fd >= LOWEST)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST);
	__wrap_close(fd);
	return up;
}

/* What was closed in a way that is not seen here has a number that may be of another file now. */
static void close_handle(struct mq_end *e, struct ipcx_queue *q, int fd)
{
	if (fd >= 0 && !mq_fd_is(fd, e)) {
		mq_fd_show(fd, e);
		if (!e->shared) /* it has more descriptors, and those are not known */
			return;
		q->fd = -1;
	}
	ipcx_queue_close(q);
	mq_fd_show(fd, e); /* until then nothing else is put there */
}

static void close_own(struct mq_end *e)
{
	struct ipcx_queue *own;

	if (!e->own)
		return;
	pthread_mutex_lock(&mq_shim_lock);
	own = __atomic_exchange_n(&e->own, NULL, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&mq_shim_lock);
	if (own && own != e->q)
		close_handle(e, own, ipcx_queue_fd(own));
}

void mq_end_put(struct mq_end *e)
{
	int saved = errno, state;

	if (__atomic_sub_fetch(&e->users, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	close_own(e);
	close_handle(e, e->q, e->fd);
	__atomic_store_n(&e->q, NULL, __ATOMIC_RELEASE);
	pthread_setcancelstate(state, NULL);
	errno = saved;
}

/* Over the kernel it has one descriptor, which can be another. Return: 0, or it is closed. */
static int settle(struct ipcx_queue *q, bool shared)
{
	int r = 0;

	if (shared) {
		q->fd = mq_fd_up(q->fd);
		r = q->fd < 0 ? -errno : 0;
	}
	if (!r && ipcx_queue_fd(q) >= FDS)
		r = -EMFILE;
	if (r)
		ipcx_queue_close(q);
	else
		set_end(ipcx_queue_fd(q), NULL);
	return r;
}

/* The same queue once more; -ENOENT if it has no name any more. */
static int open_own(const struct mq_end *e, struct ipcx_queue **q)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	int r = ipcx_queue_open(q, e->uri, e->flags, NULL);

	if (r)
		return r;
	ipcx_queue_attr(*q, &attr);
	if (attr.id == e->attr.id)
		return settle(*q, true);
	ipcx_queue_close(*q);
	return -ENOENT;
}

/* What there may be enough of at the next call */
static bool is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* Return: what all threads use, @own or one that was earlier. */
static struct ipcx_queue *set_own(struct mq_end *e, struct ipcx_queue *own)
{
	struct ipcx_queue *first;

	pthread_mutex_lock(&mq_shim_lock);
	first = e->own ?: own;
	if (!e->own && own != e->q)
		hide_at(ipcx_queue_fd(own), e);
	__atomic_store_n(&e->own, first, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&mq_shim_lock);
	return first;
}

/*
 * What a process holds comes back when its end of the queue is closed, which is not so if it is
 * killed and another one has that end too. So each gets one of its own, if that can be.
 */
struct ipcx_queue *mq_end_queue(struct mq_end *e)
{
	struct ipcx_queue *own = __atomic_load_n(&e->own, __ATOMIC_ACQUIRE), *first;
	int state, r;

	if (!e->forked || !e->shared)
		return e->q;
	if (own)
		return own;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	r = open_own(e, &own);
	if (r)
		own = e->q;
	first = is_shortage(r) ? own : set_own(e, own);
	if (own != first && own != e->q)
		ipcx_queue_close(own);
	pthread_setcancelstate(state, NULL);
	return first;
}

bool mq_end_nonblock(const struct mq_end *e)
{
	return e->shared ? fcntl(e->fd, F_GETFL) & O_NONBLOCK : e->nonblock;
}

/* Return: one that is not used, under mq_shim_lock */
static struct mq_end *new_end(void)
{
	struct mq_end *e;

	for (e = all; e && __atomic_load_n(&e->q, __ATOMIC_ACQUIRE); e = e->next)
		;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (e) {
			e->next = all;
			all = e;
		}
	}
	return e;
}

static void fill_end(struct mq_end *e, struct ipcx_queue *q, const char *uri, unsigned int flags,
		     bool shared, bool nonblock)
{
	e->attr = (struct ipcx_queue_attr){ .sz = sizeof(e->attr) };
	ipcx_queue_attr(q, &e->attr);
	e->fd = ipcx_queue_fd(q);
	/* whatever IPCX_TRANSPORT says by then */
	sprintf(e->uri, "%s%s", shared && strncmp(uri, "kernel:", 7) ? "kernel:" : "", uri);
	e->flags = flags;
	e->forked = false;
	e->shared = shared;
	e->nonblock = nonblock;
	__atomic_store_n(&e->users, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&e->q, q, __ATOMIC_RELEASE);
	hide_at(e->fd, e);
}

int mq_end_add(struct ipcx_queue *q, const char *uri, unsigned int flags, bool shared,
	       bool nonblock)
{
	int r = settle(q, shared), own, fd;
	struct mq_end *e = NULL;

	if (r)
		return r;
	own = ipcx_queue_fd(q);
	fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		r = -errno;
	else if (fd >= FDS)
		r = -EMFILE;
	if (!r) {
		set_end(fd, NULL);
		pthread_mutex_lock(&mq_shim_lock);
		e = new_end();
		if (e) {
			fill_end(e, q, uri, flags, shared, nonblock);
			put_at(fd, e);
		}
		pthread_mutex_unlock(&mq_shim_lock);
	}
	if (!e) {
		if (fd >= 0)
			close(fd);
		ipcx_queue_close(q);
		return r ? r : -ENOMEM;
	}
	if (shared && nonblock)
		fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* Return: whether the table tells of this process's descriptors. */
static bool ours(void)
{
	return getpid() == owner;
}

static int close_end(int fd, const struct mq_end *known)
{
	struct mq_end *e;
	int r, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	mq_notify_forget(known);
	e = put_at(fd, NULL);
	r = __wrap_close(fd);
	if (e)
		mq_end_put(e);
	pthread_setcancelstate(state, NULL);
	return r;
}

EXPORT int close(int fd)
{
	struct mq_end *e = end_at(fd);

	if (!e || !ours())
		return __wrap_close(fd);
	if (!is_hidden(e))
		return close_end(fd, e);
	if (!is_as_hidden(fd))
		return __wrap_close(fd);
	errno = EBADF;
	return -1;
}

EXPORT int mq_close(mqd_t q)
{
	return close(q);
}

static void close_ends(unsigned int first, unsigned int last)
{
	for (unsigned int fd = first; fd <= last && fd < FDS; fd++) {
		struct mq_end *e = end_at(fd);

		if (e && !is_hidden(e) && ours())
			close(fd);
	}
}

/* Return: the first that the program does not know, from @fd on; above @last if there is none */
static unsigned int next_hidden(unsigned int fd, unsigned int last)
{
	while (fd <= last && fd < FDS && !(is_hidden(end_at(fd)) && ours() && is_as_hidden(fd)))
		fd++;
	return fd;
}

/* Closes those before the last one that the program does not know. Return: the first after that */
static unsigned int close_between(unsigned int first, unsigned int last, int flags)
{
	unsigned int fd;

	while ((fd = next_hidden(first, last)) <= last && fd < FDS) {
		if (fd > first && REAL(close_range)(first, fd - 1, flags))
			while (first < fd)
				__wrap_close(first++);
		first = fd + 1;
	}
	return first;
}

/* No descriptor has the highest number: with it the system says what it thinks of @flags. */
EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (first > last || flags & CLOSE_RANGE_CLOEXEC)
		return REAL(close_range)(first, last, flags);
	if (REAL(close_range)(UINT_MAX, UINT_MAX, flags))
		return -1;
	close_ends(first, last);
	first = close_between(first, last, flags);
	return first > last ? 0 : REAL(close_range)(first, last, flags);
}

EXPORT void closefrom(int first)
{
	first = first < 0 ? 0 : first;
	close_ends(first, FDS);
	REAL(closefrom)(close_between(first, FDS, 0));
}

static int was_duplicated(int fd, int to)
{
	if (to >= 0 && to < FDS && fd != to && (end_at(fd) || end_at(to)) && ours())
		set_end(to, mq_end_get(fd));
	return to;
}

/* Nothing else can be put where the program does not know of a descriptor. */
static bool is_taken(int fd, int to)
{
	if (fd == to || !is_hidden(end_at(to)) || !ours() || !is_as_hidden(to))
		return false;
	errno = EBUSY;
	return true;
}

EXPORT int dup(int fd)
{
	return was_duplicated(fd, REAL(dup)(fd));
}

EXPORT int dup2(int fd, int to)
{
	return is_taken(fd, to) ? -1 : was_duplicated(fd, REAL(dup2)(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
	return is_taken(fd, to) ? -1 : was_duplicated(fd, REAL(dup3)(fd, to, flags));
}

/* A program that looks at the descriptor itself must not take a message by that. */
static bool not_read(int fd)
{
	struct mq_end *e = end_at(fd);

	return e && !is_hidden(e);
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	if (not_read(fd))
		return 0;
	return mq_system.read ? mq_system.read(fd, buf, n) : syscall(SYS_read, fd, buf, n);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return not_read(fd) ? 0 : REAL(read_chk)(fd, buf, n, room);
}
