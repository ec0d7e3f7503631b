// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: opening, closing, waiting. How it works is in topic_unix.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "copied.h"
#include "topic_unix.h"

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

/* Until there may be something, or a moment is over in which that is not told */
static int wait_for(struct ipcx_topic *t, const struct ipcx_topic_wait *arg)
{
	struct ipcx_topic_unix *u = t->sockets;
	int64_t until = arg->deadline, soon = ipcx_copied_now() + IPCX_UNIX_HURRY_NS;
	bool room = arg->flags == IPCX_WAIT_ROOM;
	uint64_t wakes = 0;
	int r;

	ipcx_lock(&t->lock);
	if ((u->hurry || u->deaf) && soon < until)
		until = soon;
	if (room)
		wakes = ipcx_unix_waits(u);
	ipcx_unlock(&t->lock);
	r = ipcx_copied_wait(room ? u->subs : u->pubs, POLLIN, room ? u->again : -1, until);
	if (room) {
		ipcx_lock(&t->lock);
		ipcx_unix_waited(u, wakes);
		ipcx_unlock(&t->lock);
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static int unix_call(struct ipcx_topic *t, unsigned int cmd, void *arg)
{
	int r = cmd == IPCX_IOC_TOPIC_WAIT ? wait_for(t, arg) : -EOPNOTSUPP;

	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
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
};
