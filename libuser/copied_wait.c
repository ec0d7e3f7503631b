// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Transports that copy messages: how a thread waits.
 *
 * LOCKS: see struct ipcx_copied.
 */
#include <errno.h>
#include <linux/time_types.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "copied.h"

#define LOOK_AGAIN_NS INT64_C(10000000) /* where nothing can be polled */
#define LOOK_NS INT64_C(20000000) /* how often to look whether the other end lives */
#define MOMENT_NS 200000 /* a thread that sends a short message is through */
#define SLEEP_MAX_NS INT64_C(1000000000000) /* at once, which fits into any word */
#define LOOKS 8 /* before a sleep: they take about as long as to fall asleep and to wake up */
#define LOOK_TICKS 1500 /* before each: one that comes too soon keeps the other end from its work */
#define SKIP_MAX 1023

int64_t ipcx_copied_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Return: 0 when it is worth to look again, -EAGAIN for IPCX_NOWAIT, -ETIMEDOUT, -EINTR. */
int ipcx_copied_wait(int fd, short events, int fd2, int64_t deadline)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = fd2, .events = POLLIN } };
	int64_t left = INT64_MAX;
	struct timespec ts;

	if (deadline == IPCX_NOWAIT)
		return -EAGAIN;
	if (deadline != IPCX_FOREVER)
		left = deadline - ipcx_copied_now();
	if (left <= 0)
		return -ETIMEDOUT;
	if (fd < 0 && left > LOOK_AGAIN_NS)
		left = LOOK_AGAIN_NS;
	ts.tv_sec = left / 1000000000;
	ts.tv_nsec = left % 1000000000;
	if (ppoll(p, 2, left == INT64_MAX ? NULL : &ts, NULL) < 0)
		return -errno;
	return 0;
}

/* Return: whether one of them is ready by now. */
static bool look_often(const struct pollfd which[2])
{
	struct pollfd p[2] = { which[0], which[1] };

	for (int i = 0; i < LOOKS; i++) {
		uint64_t since = ipcx_copied_ticks();

		while (ipcx_copied_ticks() - since < LOOK_TICKS)
			__builtin_ia32_pause();
		if (poll(p, 2, 0) > 0)
			return true;
	}
	return false;
}

/*
 * As a wait, where the other end may do something at this moment: who is not asleep need not be
 * woken, which costs both ends more than the message. Where that was in vain the next sleeps come
 * at once, twice as many each time: so one who waits long does not look, nor on a single CPU.
 */
int ipcx_copied_wait_soon(struct ipcx_patience *p, int fd, short events, int fd2, int64_t deadline)
{
	struct pollfd which[2] = { { .fd = fd, .events = events }, { fd2, .events = POLLIN } };
	unsigned int left = __atomic_load_n(&p->left, __ATOMIC_RELAXED), skip;

	if (deadline == IPCX_NOWAIT || fd < 0)
		return ipcx_copied_wait(fd, events, fd2, deadline);
	/* it may be ready all the time, for others */
	if (deadline != IPCX_FOREVER && deadline <= ipcx_copied_now())
		return -ETIMEDOUT;
	if (left) {
		__atomic_store_n(&p->left, left - 1, __ATOMIC_RELAXED);
		return ipcx_copied_wait(fd, events, fd2, deadline);
	}
	skip = look_often(which) ? 0 : __atomic_load_n(&p->skip, __ATOMIC_RELAXED) * 2 + 1;
	if (skip > SKIP_MAX)
		skip = SKIP_MAX;
	__atomic_store_n(&p->skip, skip, __ATOMIC_RELAXED);
	__atomic_store_n(&p->left, skip, __ATOMIC_RELAXED);
	return skip ? ipcx_copied_wait(fd, events, fd2, deadline) : 0;
}

/* As a wait, but for a moment, to see whether the other end lives. -ETIMEDOUT: @until is over. */
int ipcx_copied_wait_a_little(int fd, short events, int64_t until)
{
	int64_t look = ipcx_copied_now() + LOOK_NS;
	int r;

	do {
		r = ipcx_copied_wait(fd, events, -1, look < until ? look : until);
	} while (r == -EINTR);
	return r == -ETIMEDOUT && look < until ? 0 : r;
}

/* Return: 0, or -ETIMEDOUT at @deadline. */
int ipcx_copied_lock_until(struct ipcx_lock *l, int64_t deadline)
{
	struct __kernel_old_timespec ts; /* that of SYS_futex, whatever libc's is */

	if (ipcx_trylock(l))
		return 0;
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE)) {
		int64_t left = deadline - ipcx_copied_now();

		if (left <= 0)
			return -ETIMEDOUT;
		if (left > SLEEP_MAX_NS)
			left = SLEEP_MAX_NS;
		ts.tv_sec = left / 1000000000;
		ts.tv_nsec = left % 1000000000;
		syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, &ts, NULL, 0);
	}
	return 0;
}

/* Locks sending where another thread holds it. Return: 0, -EAGAIN for IPCX_NOWAIT, -ETIMEDOUT. */
int ipcx_copied_wait_to_send(struct ipcx_copied *c, int64_t deadline)
{
	if (deadline != IPCX_NOWAIT)
		return ipcx_copied_lock_until(&c->sending, deadline);
	/* that another thread is sending does not mean that there is no room */
	return ipcx_copied_lock_until(&c->sending, ipcx_copied_now() + MOMENT_NS) ? -EAGAIN : 0;
}

/* Makes an eventfd readable, or not. */
bool ipcx_copied_signal(int event, bool on)
{
	uint64_t one = 1;

	return on ? write(event, &one, sizeof(one)) > 0 : read(event, &one, sizeof(one)) > 0;
}

int ipcx_copied_check_name(const char *name, size_t max)
{
	char buf[IPCX_QUOTED_MAX];

	if (!*name)
		return ipcx_fail_text(EINVAL, "this transport needs a name; only the kernel has "
					      "queues without one");
	if (strlen(name) > max)
		return ipcx_fail(EINVAL, "a name of %zu bytes is longer than %zu", strlen(name),
				 max);
	if (name[0] == '.' || strchr(name, '/'))
		return ipcx_fail(EINVAL, "the name %s begins with '.' or has a '/' in it",
				 ipcx_quote(buf, name));
	return 0;
}

/* For those who receive: an epoll descriptor, in which what is kept here is seen too. */
int ipcx_copied_poll_set(struct ipcx_copied *c)
{
	struct epoll_event ev = { .events = EPOLLIN };

	c->base.fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->base.fd < 0 || epoll_ctl(c->base.fd, EPOLL_CTL_ADD, c->ready_event, &ev))
		return ipcx_fail(errno, "no descriptor to poll: %s", strerror(errno));
	return 0;
}

/* Is there something for which there is no room in the descriptor? Who polls is to look then. */
void ipcx_copied_unpolled(struct ipcx_copied *c, bool unpolled)
{
	ipcx_lock(&c->lock);
	if (c->unpolled != unpolled && !c->ready)
		ipcx_copied_signal(c->ready_event, unpolled);
	__atomic_store_n(&c->unpolled, unpolled, __ATOMIC_RELAXED);
	ipcx_unlock(&c->lock);
}

/*
 * Under receiving: somebody wants to poll, see @set. Where that is not possible now he must look
 * again and again, until it is when one looks.
 */
void ipcx_copied_poll_all(struct ipcx_copied *c)
{
	struct epoll_event ev = { .events = EPOLLIN };
	bool can = (!c->mech->polled || c->mech->polled(c)) &&
		   (!epoll_ctl(c->base.fd, EPOLL_CTL_ADD, c->set, &ev) || errno == EEXIST);

	ipcx_copied_unpolled(c, !can);
	if (!can)
		return;
	__atomic_store_n(&c->polled, true, __ATOMIC_RELEASE);
	/* what found no room since the first look may not have known that somebody polls */
	if (c->mech->polled && !c->mech->polled(c))
		ipcx_copied_unpolled(c, true);
}
