// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: the file of a topic, the table of subscribers in it, and their
 * sockets. Nothing else is believed than what place.c lets be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_attrs.h"
#include "topic_unix.h"
#include "unix_socket.h"

#define SUFFIX ".fan" /* behind the name, for the file of a topic */
#define TABLE_AT 1024 /* before that it is that of topic_attrs.c and place.c */
#define BACKLOG 4096 /* or as many as the system allows */

/* Bytes of the file that are locked; place.c has those before */
enum { MUTEX = 2, PUBLISHERS = 3, SUB = 16 };

struct table {
	uint64_t generation;
	struct {
		uint64_t id, flags;
	} sub[IPCX_TOPIC_SUBS];
};

static bool read_table(const struct ipcx_topic_unix *u, struct table *table)
{
	memset(table, 0, sizeof(*table));
	return pread(u->place.fd, table, sizeof(*table), TABLE_AT) >= 0;
}

/* If it cannot be written, nobody comes; so it is not told of those who go. */
static int write_table(const struct ipcx_topic_unix *u, const struct table *table)
{
	return pwrite(u->place.fd, table, sizeof(*table), TABLE_AT) == sizeof(*table) ? 0 : -ENOSPC;
}

/* A name for the socket of a subscriber, that none of another topic has */
static void name_socket(const struct ipcx_topic_unix *u, uint64_t id, char name[64])
{
	struct stat st;

	if (fstat(u->place.fd, &st))
		st.st_ino = 0;
	snprintf(name, 64, ".ipcx-%llx-%llx", (unsigned long long)st.st_ino,
		 (unsigned long long)id);
}

static void remove_socket(const struct ipcx_topic_unix *u, uint64_t id)
{
	char name[64];

	name_socket(u, id, name);
	unlinkat(u->place.dir, name, 0);
}

static bool is_other(const struct ipcx_topic_unix *u, int slot)
{
	return slot != u->slot && ipcx_file_locked(u->place.fd, SUB + slot);
}

/* Takes away what dead ones have left. */
static void reap(const struct ipcx_topic_unix *u, struct table *table)
{
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		if (!table->sub[i].id || i == u->slot || is_other(u, i))
			continue;
		remove_socket(u, table->sub[i].id);
		table->sub[i].id = 0;
	}
}

/* And has it written down, before the file may go: then nobody would know of them any more. */
static void reap_all(const struct ipcx_topic_unix *u)
{
	struct table table;

	if (!read_table(u, &table))
		return;
	reap(u, &table);
	write_table(u, &table);
}

bool ipcx_unix_alone(const struct ipcx_topic_unix *u)
{
	if (ipcx_file_locked(u->place.fd, PUBLISHERS))
		return false;
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++)
		if (is_other(u, i))
			return false;
	return true;
}

static int find_place(struct ipcx_place *p, const char *name)
{
	int r = ipcx_place_find(p, name, "");

	if (r)
		return r;
	/* also of a path, where a queue may be beside it; no name of one begins with a '.' */
	strcat(p->name, SUFFIX);
	snprintf(p->meta, sizeof(p->meta), "..%.*s", (int)sizeof(p->name), p->name);
	return 0;
}

/* Can the file not be opened because it is another user's? */
static bool is_theirs(const struct ipcx_place *p)
{
	return p->fd < 0 && p->dir >= 0 && faccessat(p->dir, p->meta, R_OK | W_OK, AT_EACCESS) &&
	       errno == EACCES;
}

static int theirs(const char *name)
{
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(EACCES,
			 "topic %s over \"unix\" is another user's, and its members are processes of "
			 "one user; only the transport \"kernel\" has others",
			 ipcx_quote(buf, name));
}

int ipcx_unix_find(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct ipcx_place *p = &u->place;
	const struct ipcx_place want = *p; /* what is read takes its place */
	struct ipcx_attrs a;
	struct stat st;
	int r;

	for (;;) {
		r = find_place(p, t->name);
		if (!r)
			r = ipcx_place_open(p, t->flags & IPCX_CREATE, S_IFREG);
		if (!r && p->fd < 0) /* there is what was never a topic */
			r = ipcx_topic_failed(t, EPROTOTYPE, "something else is in its place");
		if (r)
			return is_theirs(p) ? theirs(t->name) : r;
		if (!ipcx_lock_file(p->fd, F_WRLCK, MUTEX))
			return -EALREADY;
		if (ipcx_place_is_there(p))
			break;
		ipcx_place_close(p);
		*p = want;
	}
	r = ipcx_attrs_find(t, p, ipcx_unix_alone(u), &a);
	if (r) {
		if (p->created && ipcx_unix_alone(u)) {
			reap_all(u);
			ipcx_place_unlink(p, true);
		}
		return r;
	}
	ipcx_attrs_tell(t, &a);
	if (t->o.out_depth > IPCX_UNIX_DEPTH_MAX)
		t->o.out_depth = IPCX_UNIX_DEPTH_MAX;
	if (t->o.out_lag_max > t->o.out_depth)
		t->o.out_lag_max = t->o.out_depth;
	t->o.out_id = fstat(p->fd, &st) ? 0 : st.st_ino;
	return 0;
}

static int listen_there(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct sockaddr_un a;
	char name[64];
	int err;

	name_socket(u, u->id, name);
	a = ipcx_unix_address(u->place.dir, name);
	u->listener = ipcx_unix_socket(SOCK_SEQPACKET);
	if (u->listener < 0)
		return ipcx_topic_failed(t, errno, strerror(errno));
	unlinkat(u->place.dir, name,
		 0); /* of one that was unlinked, and whose file had this number */
	if (!bind(u->listener, (struct sockaddr *)&a, sizeof(a)) &&
	    !fchmodat(u->place.dir, name, 0600, 0) && !listen(u->listener, BACKLOG))
		return 0;
	err = errno;
	unlinkat(u->place.dir, name, 0);
	return ipcx_fail(err, "a socket cannot be bound for the topic: %s", strerror(err));
}

/* Nobody can have put something in the place of its socket, as nobody knows it. */
static uint64_t new_id(const struct table *table)
{
	uint64_t id = 0;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id) || !id)
		id = table->generation + 1;
	return id;
}

/* In this order: the place in the table, the socket, and that all are to look for it */
static int join_subscriber(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	struct table table;
	int slot = 0, r;

	while (slot < IPCX_TOPIC_SUBS && !ipcx_lock_file(u->place.fd, F_WRLCK, SUB + slot))
		slot++;
	if (slot == IPCX_TOPIC_SUBS)
		return ipcx_topic_failed(t, ENOSPC, "it has 128 subscribers");
	read_table(u, &table);
	reap(u, &table);
	u->slot = slot;
	u->id = new_id(&table);
	table.sub[slot].id = u->id;
	table.sub[slot].flags = t->flags & IPCX_LOSSY;
	r = write_table(u, &table);
	if (!r) {
		r = listen_there(t);
		if (r)
			return r;
		table.generation++;
		r = write_table(u, &table);
	}
	return r ? ipcx_topic_failed(t, ENOSPC, "its file cannot be written") : 0;
}

int ipcx_unix_join(struct ipcx_topic *t)
{
	int r = 0;

	if (t->flags & IPCX_PUBLISH && !ipcx_lock_file(t->sockets->place.fd, F_RDLCK, PUBLISHERS))
		return ipcx_topic_failed(t, errno, strerror(errno));
	if (t->flags & IPCX_SUBSCRIBE)
		r = join_subscriber(t);
	ipcx_unlock_file(t->sockets->place.fd, MUTEX);
	return r;
}

/* Also after a failure: with the last one what is ephemeral, or was just made, goes. */
void ipcx_unix_leave(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;

	ipcx_lock_file_wait(u->place.fd, MUTEX);
	if (u->slot >= 0) {
		ipcx_unlock_file(u->place.fd, SUB + u->slot);
		u->slot = -1;
	}
	ipcx_unlock_file(u->place.fd, PUBLISHERS);
	reap_all(u);
	if ((t->o.out_flags & IPCX_EPHEMERAL || u->undo) && ipcx_unix_alone(u))
		ipcx_place_unlink(&u->place, true);
	ipcx_unlock_file(u->place.fd, MUTEX);
}

int ipcx_unix_remove(const char *name)
{
	struct ipcx_topic_unix u = { .slot = -1 };
	char buf[IPCX_QUOTED_MAX];
	int r = find_place(&u.place, name);

	if (!r)
		r = ipcx_place_open(&u.place, 0, S_IFREG);
	if (!r && u.place.fd < 0)
		r = ipcx_fail_text(EPROTOTYPE, "something else is in the place of the topic");
	if (r && is_theirs(&u.place))
		r = theirs(name);
	if (!r) {
		ipcx_lock_file_wait(u.place.fd, MUTEX);
		reap_all(&u);
		errno = 0;
		ipcx_place_unlink(&u.place, true);
		if (errno && ipcx_place_is_there(&u.place))
			r = ipcx_fail(EACCES, "the name of topic %s cannot be taken away here",
				      ipcx_quote(buf, name));
	}
	ipcx_place_close(&u.place);
	return r;
}

/*
 * Is nobody there, yet or any more? Then there is no object, or it is not a member's, or nobody
 * listens.
 */
static int why_not(int err)
{
	switch (err) {
	case EAGAIN:
	case EMFILE:
	case ENOMEM:
		return -err;
	case ENFILE:
		return -EMFILE;
	case ENOBUFS:
		return -ENOMEM;
	case ECONNREFUSED:
	case EPROTOTYPE:
		return -ECONNREFUSED;
	default:
		return -EACCES;
	}
}

/*
 * A stranger may have put something there before the subscriber could. Return: the socket, or
 * as connect_to().
 */
static int open_socket(const struct ipcx_topic_unix *u, uint64_t id)
{
	struct stat st, owner;
	char name[64];
	int fd;

	name_socket(u, id, name);
	fd = openat(u->place.dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ECONNREFUSED : why_not(errno);
	if (!fstat(fd, &st) && !fstat(u->place.fd, &owner) && S_ISSOCK(st.st_mode) &&
	    (st.st_uid == owner.st_uid || st.st_uid == geteuid()))
		return fd;
	close(fd);
	return -ECONNREFUSED;
}

/* Return: a connection, -ECONNREFUSED: nobody is there; or what keeps it from reaching him. */
static int connect_to(const struct ipcx_topic_unix *u, uint64_t id)
{
	int object = open_socket(u, id), bytes = IPCX_UNIX_BUFFER_BYTES, fd, err;
	struct sockaddr_un a;

	if (object < 0)
		return object;
	a = ipcx_unix_address(object, "");
	fd = ipcx_unix_socket(SOCK_SEQPACKET);
	err = errno;
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		err = connect(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
		if (err)
			close(fd);
	}
	close(object);
	return err ? why_not(err) : fd;
}

static int meet(struct ipcx_topic_unix *u, struct ipcx_unix_sub *s, uint64_t id, bool lossy)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	int fd = connect_to(u, id);

	if (fd < 0)
		return fd == -ECONNREFUSED ? 0 : fd;
	if (epoll_ctl(u->subs, EPOLL_CTL_ADD, fd, &ev)) {
		close(fd);
		return -ENOMEM;
	}
	*s = (struct ipcx_unix_sub){
		.id = id,
		.fd = fd,
		.lossy = lossy,
		.pos = u->flush,
		.sent = lossy ? 0 : u->nr,
		.acked = lossy ? 0 : u->nr,
	};
	return 0;
}

int ipcx_unix_meet(struct ipcx_topic *t)
{
	struct ipcx_topic_unix *u = t->sockets;
	uint64_t generation;
	struct table table;
	bool again = false;
	int r = 0, failed;

	if (pread(u->place.fd, &generation, sizeof(generation), TABLE_AT) != sizeof(generation) ||
	    generation == u->generation || !read_table(u, &table))
		return 0;
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++) {
		struct ipcx_unix_sub *s = &u->sub[i];

		if (s->id == table.sub[i].id)
			continue;
		ipcx_unix_drop_sub(t, s);
		s->id = 0;
		if (!table.sub[i].id)
			continue;
		failed = meet(u, s, table.sub[i].id, table.sub[i].flags & IPCX_LOSSY);
		again |= failed;
		/* nobody waits for a lossy one that so many connect to */
		if (failed && (failed != -EAGAIN || !(table.sub[i].flags & IPCX_LOSSY)))
			r = failed;
	}
	if (!again)
		u->generation = generation;
	return r;
}
