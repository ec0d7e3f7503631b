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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../transport.h"
#include "shim.h"

#define FDS 65536

static struct mq_end *by_fd[FDS];
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

bool mq_fd_hide(int fd, const struct mq_end *e, struct mq_end **old)
{
	if (fd >= FDS)
		return false;
	*old = put_at(fd, hidden(e));
	if (is_hidden(*old))
		*old = NULL;
	return true;
}

bool mq_fd_show(int fd, const struct mq_end *e)
{
	struct mq_end *expected = hidden(e);

	return fd >= 0 && fd < FDS &&
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

#define FIND(name) (real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name))

static void load(void)
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

/* Before main(), but constructors of the program's libraries may be earlier. */
__attribute__((constructor)) void mq_shim_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
}

#define REAL(name) (mq_shim_start(), real.name)

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

static ino_t ino_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* What was closed in a way that is not seen here has a number that may be of another file now. */
static void close_handle(struct mq_end *e, struct ipcx_queue *q, int fd, ino_t ino)
{
	if (fd >= 0 && (!mq_fd_show(fd, e) || ino_of(fd) != ino)) {
		if (!e->shared) /* it has more descriptors, and those are not known */
			return;
		q->fd = -1;
	}
	ipcx_queue_close(q);
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
		close_handle(e, own, ipcx_queue_fd(own), e->own_ino);
}

void mq_end_put(struct mq_end *e)
{
	int saved = errno, state;

	if (__atomic_sub_fetch(&e->users, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	close_own(e);
	close_handle(e, e->q, e->fd, e->ino);
	__atomic_store_n(&e->q, NULL, __ATOMIC_RELEASE);
	pthread_setcancelstate(state, NULL);
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
		set_end(ipcx_queue_fd(q), NULL);
		return q;
	}
	ipcx_queue_close(q);
	return NULL;
}

/* Return: what all threads use, @own or one that was earlier. */
static struct ipcx_queue *set_own(struct mq_end *e, struct ipcx_queue *own)
{
	struct ipcx_queue *first;

	pthread_mutex_lock(&mq_shim_lock);
	first = e->own ?: own;
	if (!e->own && own != e->q) {
		e->own_ino = ino_of(ipcx_queue_fd(own));
		put_at(ipcx_queue_fd(own), hidden(e));
	}
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
	int state;

	if (!e->forked || !e->shared)
		return e->q;
	if (own)
		return own;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	own = open_own(e) ?: e->q;
	first = set_own(e, own);
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
	e->ino = ino_of(e->fd);
	strcpy(e->uri, uri);
	e->flags = flags;
	e->forked = false;
	e->shared = shared;
	e->nonblock = nonblock;
	__atomic_store_n(&e->users, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&e->q, q, __ATOMIC_RELEASE);
	put_at(e->fd, hidden(e));
}

int mq_end_add(struct ipcx_queue *q, const char *uri, unsigned int flags, bool shared,
	       bool nonblock)
{
	int own = ipcx_queue_fd(q), fd = fcntl(own, F_DUPFD_CLOEXEC, 0), r = 0;
	struct mq_end *e = NULL;

	if (fd < 0)
		r = -errno;
	else if (fd >= FDS || own >= FDS)
		r = -EMFILE;
	if (!r) {
		set_end(own, NULL);
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

/* A handler may close, and a constructor before the system's own is known: it is not looked for. */
static int system_close(int fd)
{
	return real.close ? real.close(fd) : (int)syscall(SYS_close, fd);
}

static int close_end(int fd, const struct mq_end *known)
{
	struct mq_end *e;
	int r, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	mq_notify_forget(known);
	e = put_at(fd, NULL);
	r = system_close(fd);
	if (e)
		mq_end_put(e);
	pthread_setcancelstate(state, NULL);
	return r;
}

EXPORT int close(int fd)
{
	struct mq_end *e = end_at(fd);

	if (!e || !ours())
		return system_close(fd);
	if (!is_hidden(e))
		return close_end(fd, e);
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
	while (fd <= last && fd < FDS && !(is_hidden(end_at(fd)) && ours()))
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
				system_close(first++);
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
	if (fd == to || !is_hidden(end_at(to)) || !ours())
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
	return real.read ? real.read(fd, buf, n) : syscall(SYS_read, fd, buf, n);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return not_read(fd) ? 0 : REAL(read_chk)(fd, buf, n, room);
}

/* The number is the library's, whatever the table says of one that was closed unseen. */
int __wrap_close(int fd)
{
	return system_close(fd);
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
	return REAL(mq_open)(name, oflag, mode, attr);
}

mqd_t __wrap___mq_open_2(const char *name, int oflag)
{
	return REAL(mq_open)(name, oflag);
}

int __wrap_mq_send(mqd_t q, const char *buf, size_t len, unsigned int prio)
{
	return REAL(mq_send)(q, buf, len, prio);
}

ssize_t __wrap_mq_receive(mqd_t q, char *buf, size_t len, unsigned int *prio)
{
	return REAL(mq_receive)(q, buf, len, prio);
}

int __wrap_mq_getattr(mqd_t q, struct mq_attr *attr)
{
	return REAL(mq_getattr)(q, attr);
}

int __wrap_mq_unlink(const char *name)
{
	return REAL(mq_unlink)(name);
}
