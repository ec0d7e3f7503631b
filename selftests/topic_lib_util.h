/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of topics by the library share. */
#ifndef TOPIC_LIB_UTIL_H
#define TOPIC_LIB_UTIL_H

#include <dirent.h>
#include <ipcx.h>
#include <linux/ipcx_topic.h>

#include "ipcx_util.h"

#define NAME	"topic-lib"
#define DEPTH	8
#define LONG	1000			/* bytes, too long for a cell */
#define SUBSCRIBE_LOSSY	(IPCX_SUBSCRIBE | IPCX_LOSSY)

/* Where there is no module a name is a topic over shared memory. */
static inline bool over_shm(const struct ipcx_topic *t)
{
	return !(ipcx_topic_caps(t) & IPCX_CAP_IDENTITY);
}

/* Over UNIX sockets, which copy */
static inline bool over_unix(const struct ipcx_topic *t)
{
	return !(ipcx_topic_caps(t) & IPCX_CAP_ZERO_COPY);
}

static inline bool without_module(const struct ipcx_topic *t)
{
	return over_shm(t) || over_unix(t);
}

/* From now on names are over this transport, also in children. NULL: over the best there is */
static inline void names_over(const char *transport)
{
	if (transport)
		setenv("IPCX_TRANSPORT", transport, 1);
}

/* Return: how many a directory has, or -1. */
static inline int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(dir);
	return n;
}

/* Messages are numbers. */
static inline int send_nr(struct ipcx_topic *t, uint64_t nr, int64_t deadline)
{
	return ipcx_topic_send(t, &nr, sizeof(nr), deadline);
}

/* Return: the number, or a negative errno. */
static inline int64_t recv_nr(struct ipcx_topic *t, int64_t deadline)
{
	uint64_t nr;
	int r = ipcx_topic_recv(t, &nr, sizeof(nr), deadline);

	return r < 0 ? r : r == sizeof(nr) ? nr : -EBADMSG;
}

/* A member in a child, which says when it is one and then does as told by a byte each time. */
struct child {
	pid_t pid;
	int to, from;
};

/* Return: in the child, true; the parent's end of @c is ready when it is back. */
static inline bool child_start(struct child *c)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		return false;
	c->pid = fork();
	if (!c->pid) {
		c->to = from[1];
		c->from = to[0];
		close(to[1]);
		close(from[0]);
		return true;
	}
	c->to = to[1];
	c->from = from[0];
	close(to[0]);
	close(from[1]);
	return false;
}

static inline bool say(const struct child *c)
{
	return write(c->to, "x", 1) == 1;
}

static inline bool hear(const struct child *c)
{
	char x;

	return read(c->from, &x, 1) == 1;
}

static inline int child_kill(struct child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	status = exit_status(c->pid);
	close(c->to);
	close(c->from);
	return status;
}

#endif /* TOPIC_LIB_UTIL_H */
