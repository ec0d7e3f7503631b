// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: opening, closing, waiting. How it works is in topic_unix.h.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "copied.h"
#include "topic_unix.h"

#define MAX_SLEEP_NS INT64_C(1000000000000) /* and then it looks again */
#define CAPS \
	(IPCX_CAP_RECLAIM | IPCX_CAP_IDENTITY | IPCX_CAP_WALLS | IPCX_CAP_SEALED | \
	 IPCX_CAP_MANY_SENDERS | IPCX_CAP_POLL | IPCX_CAP_FAN_OUT)

int ipcx_unix_topic_check(const char *name)
{
	const char *base = *name == '/' ? strrchr(name, '/') + 1 : name;

	if (strlen(name) > 255)
		return ipcx_fail_text(EINVAL, "the path of a topic has more than 255 bytes; use a "
					      "shorter one");
	return ipcx_copied_check_name(base, 240);
}

/* What this transport cannot do */
static int check(const struct ipcx_topic *t)
{
	if (t->o.durable)
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "it has no IPCX_CAP_DURABLE: only the transport \"kernel\" "
					 "has durable subscriptions");
	if (t->o.history)
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "it has no IPCX_CAP_HISTORY: who subscribes gets what is "
					 "published from then on; \"kernel\" and \"shm\" have more");
	if (t->flags & IPCX_INHERIT)
		return ipcx_topic_failed(t, EOPNOTSUPP,
					 "only the transport \"kernel\" has IPCX_INHERIT; open the "
					 "topic in the child");
	return 0;
}

static int make_sets(struct ipcx_topic *t)
{
	struct epoll_event in = { .events = EPOLLIN };
	struct ipcx_topic_unix *u = t->sockets;

	if (t->flags & IPCX_SUBSCRIBE)
		u->pubs = epoll_create1(EPOLL_CLOEXEC);
	t->fd = t->flags & IPCX_PUBLISH ? epoll_create1(EPOLL_CLOEXEC) : u->pubs;
	if (t->fd < 0 || (t->flags & IPCX_SUBSCRIBE && u->pubs < 0) ||
	    (u->pubs >= 0 && u->pubs != t->fd && epoll_ctl(t->fd, EPOLL_CTL_ADD, u->pubs, &in)))
		return ipcx_topic_failed(t, errno, strerror(errno));
	return 0;
}

/* With MUTEX locked, which is let go */
static int become_member(struct ipcx_topic *t)
{
	int r = make_sets(t);

	if (!r && t->flags & IPCX_PUBLISH)
		r = ipcx_unix_pub_start(t);
	if (!r)
		r = ipcx_unix_join(t);
	if (!r && t->flags & IPCX_SUBSCRIBE)
		r = ipcx_unix_sub_start(t);
	return r;
}

static int unix_open(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u;
	int r = check(t);

	if (r)
		return r;
	u = calloc(1, sizeof(*u));
	if (!u)
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a topic");
	t->sockets = u;
	t->held = IPCX_TOPIC_NOTHING;
	/* each look is some system calls: it does not look again and again before it sleeps */
	t->many_cpus = false;
	t->spins_message = 0;
	t->spins_room = 0;
	t->mem = -1;
	u->slot = -1;
	u->subs = -1;
	u->pubs = -1;
	u->poke = -1;
	u->again = -1;
	u->timer = -1;
	u->listener = -1;
	u->place.fd = -1;
	u->place.dir = -1;
	u->place.flags = t->flags & IPCX_EPHEMERAL;
	u->place.mode = t->o.mode;
	u->place.msg_max = t->o.msg_max;
	r = ipcx_unix_find(t);
	if (r)
		return r;
	u->joined = true;
	r = become_member(t);
	u->undo = r && u->place.created;
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	for (struct ipcx_unix_pub *p = u->pub; p; p = p->next)
		close_fd(&p->fd);
	for (int i = 0; u->sub && i < IPCX_TOPIC_SUBS; i++)
		close_fd(&u->sub[i].fd);
	if (u->pubs != t->fd)
		close_fd(&u->pubs);
	close_fd(&u->subs);
	close_fd(&u->listener);
	close_fd(&u->poke);
	close_fd(&u->again);
	close_fd(&u->timer);
	close_fd(&t->fd);
	ipcx_place_close(&u->place);
}

static void free_all(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	for (uint64_t pos = u->tail; pos < u->head; pos++)
		ipcx_piece_free(u->ring[pos % t->o.out_depth]);
	while (u->taken) {
		struct ipcx_piece *p = u->taken;

		u->taken = p->next;
		ipcx_piece_free(p);
	}
	while (u->pub) {
		struct ipcx_unix_pub *p = u->pub;

		u->pub = p->next;
		free(p);
	}
	free(u->ring);
	free(u->len);
	free(u->sub);
	free(u);
}

static void unix_close(struct ipcx_topic *t)
{
	if (!t->sockets)
		return;
	if (t->sockets->joined) {
		ipcx_unix_pub_end(t);
		ipcx_unix_leave(t);
	}
	close_all(t);
	free_all(t);
	t->sockets = NULL;
}

/*
 * The sets are the parent's too, and nothing leaves them. No other thread was about to change
 * anything. The memory of long messages was not copied.
 */
static void unix_in_child(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	for (uint64_t pos = u->tail; pos < u->head; pos++)
		u->ring[pos % t->o.out_depth]->map = NULL;
	for (struct ipcx_piece *p = u->taken; p; p = p->next)
		p->map = NULL;
	close_all(t);
	free_all(t);
	t->sockets = NULL;
}

/* Not under the handle's lock */
static void unix_polled(struct ipcx_topic *t)
{
	ipcx_lock(&t->lock);
	if (!t->sockets->polled) {
		t->sockets->polled = true;
		if (t->flags & IPCX_PUBLISH)
			ipcx_unix_starve(t, true);
	}
	ipcx_unlock(&t->lock);
}

void ipcx_unix_wake(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t one = 1;

	__atomic_store_n(&t->wakes, t->wakes + 1, __ATOMIC_RELAXED);
	if (u->followers)
		syscall(SYS_futex, &t->wakes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	if (u->leads && write(u->again, &one, sizeof(one)) != sizeof(one))
		errno = 0;
}

/* Waits for what others tell. Then another thread does, and whoever runs first looks first. */
static int lead(struct ipcx_topic *t, int64_t until)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t count;
	int r = ipcx_copied_wait(u->subs, POLLIN, u->again, until);

	if (t->fd < 0) /* the child of a signal handler that has forked */
		return -EINTR;
	ipcx_lock(&t->lock);
	u->leads = false;
	if (read(u->again, &count, sizeof(count)) != sizeof(count))
		errno = 0;
	if (u->followers)
		ipcx_unix_wake(t);
	ipcx_unlock(&t->lock);
	return r;
}

/* Waits for what this process finds. Return: as ipcx_copied_wait() */
static int follow(struct ipcx_topic *t, uint32_t wakes, int64_t until)
{
	int64_t left = until - ipcx_copied_now();
	struct __kernel_old_timespec ts; /* that of SYS_futex, whatever libc's is */
	int err = 0;

	if (left > MAX_SLEEP_NS)
		left = MAX_SLEEP_NS;
	ts.tv_sec = left / 1000000000;
	ts.tv_nsec = left % 1000000000;
	if (left > 0 && syscall(SYS_futex, &t->wakes, FUTEX_WAIT_PRIVATE, wakes, &ts, NULL, 0))
		err = errno;
	if (t->fd < 0) /* likewise */
		return -EINTR;
	ipcx_lock(&t->lock);
	t->sockets->followers--;
	ipcx_unlock(&t->lock);
	return err == EINTR ? -EINTR : 0;
}

/* Until there may be room. One that was found since this thread looked is not waited for. */
static int wait_room(struct ipcx_topic *t, uint32_t wakes, int64_t until)
{
	struct ipcx_topic_unix *u = t->sockets;
	bool leads;

	ipcx_lock(&t->lock);
	leads = !u->leads;
	if (t->wakes != wakes) {
		ipcx_unlock(&t->lock);
		return 0;
	}
	if (leads)
		u->leads = true;
	else
		u->followers++;
	ipcx_unlock(&t->lock);
	return leads ? lead(t, until) : follow(t, wakes, until);
}

/* Until there may be something, or a moment is over in which that is not told */
static int unix_wait(struct ipcx_topic *t, const struct ipcx_topic_patience *p)
{
	int64_t until = p->deadline, soon = ipcx_copied_now() + IPCX_UNIX_HURRY_NS;
	struct ipcx_topic_unix *u = t->sockets;
	int r;

	ipcx_lock(&t->lock);
	if ((u->hurry || u->unmet || u->deaf || u->untold) && soon < until)
		until = soon;
	ipcx_unlock(&t->lock);
	r = p->until == IPCX_WAIT_ROOM ? wait_room(t, p->wakes, until) :
					 ipcx_copied_wait(u->pubs, POLLIN, -1, until);
	return r == -ETIMEDOUT ? 0 : r;
}

/* What members of the kernel's have, and these have not */
static int unix_call(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	(void)t;
	(void)cmd;
	(void)arg;
	errno = EOPNOTSUPP;
	return -1;
}

static uint64_t unix_missed(const struct ipcx_topic *t)
{
	return t->sockets ? t->sockets->missed : 0;
}

const struct ipcx_topic_transport ipcx_topic_unix = {
	.name = "unix",
	.caps = CAPS,
	.open = unix_open,
	.polled = unix_polled,
	.call = unix_call,
	.close = unix_close,
	.in_child = unix_in_child,
	.unlink = ipcx_unix_remove,
	.loan = ipcx_unix_loan,
	.commit = ipcx_unix_commit,
	.cancel = ipcx_unix_cancel,
	.take = ipcx_unix_take,
	.release = ipcx_unix_release,
	.missed = unix_missed,
	.wait = unix_wait,
};
