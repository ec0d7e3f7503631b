/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * UNIX sockets, for queues and topics.
 */
#ifndef IPCX_UNIX_SOCKET_H
#define IPCX_UNIX_SOCKET_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define IPCX_UNIX_BUFFER_BYTES (1 << 20) /* on their way, or as many as the system allows */

/* A path that stands for a file in an open directory, or for an open file, however long. */
static inline struct sockaddr_un ipcx_unix_address(int fd, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d%s%s", fd, *name ? "/" : "",
		 name);
	return a;
}

static inline int ipcx_unix_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Who is at the other end, as the kernel knows */
static inline bool ipcx_unix_who(int fd, pid_t *pid, uid_t *uid, gid_t *gid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	*pid = cred.pid;
	*uid = cred.uid;
	*gid = cred.gid;
	return true;
}

#endif /* IPCX_UNIX_SOCKET_H */
