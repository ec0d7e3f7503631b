// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which descriptor is which queue, and what a program does with descriptors otherwise.
 *
 * The table is read without a lock, also by signal handlers: an entry is a pointer to an end that
 * is never freed, and counts as long as it is there still when a user was added.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

#define FDS 65536

static struct mq_end *by_fd[FDS];
static struct mq_end hidden; /* stands for descriptors that the program does not know */
static struct mq_end *all;
static pid_t owner; /* a child of vfork() has this memory too, and other descriptors */

pthread_mutex_t mq_shim_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	int (*close)(int fd);
	int (*close_range)(unsigned int first, unsigned int last, int flags);
	void (*closefrom)(int first);
	int (*dup)(int fd);
	int (*dup2)(int fd, int to);
	int (*dup3)(int fd, int to, int flags);
	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*read_chk)(int fd, void *buf, size_t n, size_t room);
	mqd_t (*mq_open)(const char *name, int oflag, ...);
	int (*mq_send)(mqd_t q, const char *buf, size_t len, unsigned int prio);
	ssize_t (*mq_receive)(mqd_t q, char *buf, size_t len, unsigned int *prio);
	int (*mq_getattr)(mqd_t q, struct mq_attr *attr);
	int (*mq_unlink)(const char *name);
} real;

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

/* The library closes there, after this, what cannot be inherited. */
static void in_child(void)
{
	owner = getpid();
	for (struct mq_end *e = all; e; e = e->next) {
		if (e->own && e->own != e->q)
			put_at(ipcx_queue_fd(e->own), NULL);
		e->own = NULL;
		if (!e->q || e->shared)
			continue;
		put_at(e->fd, NULL);
		e->fd = -1;
	}
	mq_notify_forked();
	pthread_mutex_unlock(&mq_shim_lock);
}

#define FIND(name) (real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name))

static __attribute__((constructor)) void load(void)
{
	FIND(close);
	FIND(close_range);
	FIND(closefrom);
	FIND(dup);
	FIND(dup2);
	FIND(dup3);
	FIND(read);
	real.read_chk = (__typeof__(real.read_chk))dlsym(RTLD_NEXT, "__read_chk");
	FIND(mq_open);
	FIND(mq_send);
	FIND(mq_receive);
	FIND(mq_getattr);
	FIND(mq_unlink);
	owner = getpid();
	pthread_atfork(before_fork, after_fork, in_child);
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
		if (!e || e == &hidden)
			return NULL;
		if (!add_user(e))
			continue;
		if (end_at(fd) == e)
			return e;
		mq_end_put(e);
	}
}

static void close_own(struct ipcx_queue *q)
{
	put_at(ipcx_queue_fd(q), NULL);
	ipcx_queue_close(q);
}

void mq_end_put(struct mq_end *e)
{
	int saved = errno;

	if (__atomic_sub_fetch(&e->users, 1, __ATOMIC_ACQ_REL))
		return;
	if (e->own && e->own != e->q)
		close_own(e->own);
	e->own = NULL;
	if (e->fd >= 0)
		put_at(e->fd, NULL);
	ipcx_queue_close(e->q);
	__atomic_store_n(&e->q, NULL, __ATOMIC_RELEASE);
	errno = saved;
}

/* The same queue once more; NULL if it has no name any more, or may not be opened. */
static struct ipcx_queue *open_own(const struct mq_end *e)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	struct ipcx_queue *q;

	if (ipcx_queue_open(&q, e->uri, e->flags, NULL))
		return NULL;
	ipcx_queue_attr(q, &attr);
	if (attr.id == e->attr.id && ipcx_queue_fd(q) < FDS) {
		put_at(ipcx_queue_fd(q), &hidden);
		return q;
	}
	ipcx_queue_close(q);
	return NULL;
}

/*
 * What a process holds comes back when its end of the queue is closed, which is not so if it is
 * killed and another one has that end too. So each gets one of its own, if that can be.
 */
struct ipcx_queue *mq_end_queue(struct mq_end *e)
{
	struct ipcx_queue *own = __atomic_load_n(&e->own, __ATOMIC_ACQUIRE), *none = NULL;

	if (!e->forked || !e->shared)
		return e->q;
	if (own)
		return own;
	own = open_own(e) ?: e->q;
	if (__atomic_compare_exchange_n(&e->own, &none, own, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return own;
	if (own != e->q)
		close_own(own);
	return none;
}

bool mq_end_nonblock(const struct mq_end *e)
{
	return e->shared ? fcntl(e->fd, F_GETFL) & O_NONBLOCK : e->nonblock;
}

static struct mq_end *new_end(struct ipcx_queue *q)
{
	struct mq_end *e;

	pthread_mutex_lock(&mq_shim_lock);
	for (e = all; e && __atomic_load_n(&e->q, __ATOMIC_ACQUIRE); e = e->next)
		;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (e) {
			e->next = all;
			all = e;
		}
	}
	if (e)
		e->q = q;
	pthread_mutex_unlock(&mq_shim_lock);
	return e;
}

/* What was there before was closed in a way that is not seen here. */
static void set_end(int fd, struct mq_end *e)
{
	struct mq_end *old = put_at(fd, e);

	if (old && old != &hidden)
		mq_end_put(old);
}

int mq_end_add(struct ipcx_queue *q, const char *uri, unsigned int flags, bool shared,
	       bool nonblock)
{
	int own = ipcx_queue_fd(q), fd = fcntl(own, F_DUPFD_CLOEXEC, 0), r = 0;
	struct mq_end *e;

	if (fd < 0)
		r = -errno;
	else if (fd >= FDS || own >= FDS)
		r = -EMFILE;
	e = r ? NULL : new_end(q);
	if (!e) {
		if (fd >= 0)
			close(fd);
		ipcx_queue_close(q);
		return r ? r : -ENOMEM;
	}
	e->attr = (struct ipcx_queue_attr){ .sz = sizeof(e->attr) };
	ipcx_queue_attr(q, &e->attr);
	e->fd = own;
	strcpy(e->uri, uri);
	e->flags = flags;
	e->forked = false;
	e->shared = shared;
	e->nonblock = nonblock;
	if (shared && nonblock)
		fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	__atomic_store_n(&e->users, 1, __ATOMIC_RELEASE);
	set_end(own, &hidden);
	set_end(fd, e);
	return fd;
}

/* Return: whether the table tells of this process's descriptors. */
static bool ours(void)
{
	return getpid() == owner;
}

static int system_close(int fd)
{
	return real.close ? real.close(fd) : (int)syscall(SYS_close, fd);
}

EXPORT int close(int fd)
{
	struct mq_end *e = end_at(fd);
	int r;

	if (!e || !ours())
		return system_close(fd);
	if (e == &hidden) {
		errno = EBADF;
		return -1;
	}
	mq_notify_forget(e);
	e = put_at(fd, NULL);
	r = system_close(fd);
	if (e)
		mq_end_put(e);
	return r;
}

EXPORT int mq_close(mqd_t q)
{
	return close(q);
}

static void close_ends(unsigned int first, unsigned int last)
{
	for (unsigned int fd = first; fd <= last && fd < FDS; fd++) {
		struct mq_end *e = end_at(fd);

		if (e && e != &hidden && ours())
			close(fd);
	}
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!flags)
		close_ends(first, last);
	return real.close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	close_ends(first < 0 ? 0 : first, FDS);
	real.closefrom(first);
}

static int was_duplicated(int fd, int to)
{
	if (to >= 0 && to < FDS && fd != to && (end_at(fd) || end_at(to)) && ours())
		set_end(to, mq_end_get(fd));
	return to;
}

EXPORT int dup(int fd)
{
	return was_duplicated(fd, real.dup(fd));
}

EXPORT int dup2(int fd, int to)
{
	return was_duplicated(fd, real.dup2(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
	return was_duplicated(fd, real.dup3(fd, to, flags));
}

/* A program that looks at the descriptor itself must not take a message by that. */
static bool not_read(int fd)
{
	struct mq_end *e = end_at(fd);

	return e && e != &hidden;
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	if (not_read(fd))
		return 0;
	return real.read ? real.read(fd, buf, n) : syscall(SYS_read, fd, buf, n);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return not_read(fd) ? 0 : real.read_chk(fd, buf, n, room);
}

mqd_t __wrap_mq_open(const char *name, int oflag, ...)
{
	struct mq_attr *attr;
	mode_t mode;
	va_list ap;

	va_start(ap, oflag);
	mode = oflag & O_CREAT ? va_arg(ap, mode_t) : 0;
	attr = oflag & O_CREAT ? va_arg(ap, struct mq_attr *) : NULL;
	va_end(ap);
	return real.mq_open(name, oflag, mode, attr);
}

mqd_t __wrap___mq_open_2(const char *name, int oflag)
{
	return real.mq_open(name, oflag);
}

int __wrap_mq_send(mqd_t q, const char *buf, size_t len, unsigned int prio)
{
	return real.mq_send(q, buf, len, prio);
}

ssize_t __wrap_mq_receive(mqd_t q, char *buf, size_t len, unsigned int *prio)
{
	return real.mq_receive(q, buf, len, prio);
}

int __wrap_mq_getattr(mqd_t q, struct mq_attr *attr)
{
	return real.mq_getattr(q, attr);
}

int __wrap_mq_unlink(const char *name)
{
	return real.mq_unlink(name);
}
