/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of topics over UNIX sockets share: each has a directory of its own. */
#ifndef TOPIC_UNIX_UTIL_H
#define TOPIC_UNIX_UTIL_H

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

#define URI "unix:topic"
#define FILE_NAME "..topic.fan"

/* Makes a directory, and has topics lie in @ours below it. */
static inline bool dir_make(char dir[64], char ours[80])
{
	strcpy(dir, "/tmp/ipcx-topic-unix-XXXXXX");
	if (!mkdtemp(dir) || setenv("XDG_RUNTIME_DIR", dir, 1))
		return false;
	snprintf(ours, 80, "%s/ipcx", dir);
	return !mkdir(ours, 0700);
}

/* Return: how many names were left there. */
static inline int dir_remove(const char *dir, const char *ours)
{
	int left = entries(ours);
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) ? -1 : left;
}

/* The socket of the only subscriber */
static inline bool find_socket(const char *ours, char path[140])
{
	DIR *dir = opendir(ours);
	bool found = false;

	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
		if (!strncmp(e->d_name, ".ipcx-", 6)) {
			snprintf(path, 140, "%s/%.40s", ours, e->d_name);
			found = true;
		}
	if (dir)
		closedir(dir);
	return found;
}

static inline int open_topic(struct ipcx_topic **t, unsigned int flags)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = 1 << 20);

	return ipcx_topic_open(t, URI, flags | IPCX_CREATE | IPCX_EPHEMERAL, &opts);
}

/* From now on so many more can be opened, up to 3; before it was @limit. */
static inline int only_so_many(struct rlimit limit, int more)
{
	int fd[4];

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	for (int i = 0; i <= more; i++)
		fd[i] = dup(0);
	limit.rlim_cur = fd[more];
	for (int i = 0; i <= more; i++)
		close(fd[i]);
	return setrlimit(RLIMIT_NOFILE, &limit);
}

#endif /* TOPIC_UNIX_UTIL_H */
