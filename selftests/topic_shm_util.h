/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of topics and queues over shared memory share: each has a directory of its own. */
#ifndef TOPIC_SHM_UTIL_H
#define TOPIC_SHM_UTIL_H

#include <signal.h>
#include <sys/stat.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

#define URI "shm:topic"
#define FILE_NAME ".topic.topic"
#define QUEUE_URI "shm:queue"
#define QUEUE_FILE ".queue.queue"

/* Makes a directory, and has topics lie in it. */
static inline bool dir_make(char dir[64])
{
	strcpy(dir, "/tmp/ipcx-topic-shm-XXXXXX");
	return mkdtemp(dir) && !setenv("XDG_RUNTIME_DIR", dir, 1);
}

/* Return: how many topics and queues have left something there. */
static inline int dir_remove(const char *dir)
{
	char ours[80], file[128];
	int left;

	snprintf(ours, sizeof(ours), "%s/ipcx", dir);
	snprintf(file, sizeof(file), "%s/" FILE_NAME, ours);
	left = entries(ours);
	unlink(file);
	snprintf(file, sizeof(file), "%s/" QUEUE_FILE, ours);
	unlink(file);
	rmdir(ours);
	rmdir(dir);
	return left;
}

static inline int open_topic(struct ipcx_topic **t, unsigned int flags)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = 4096);

	return ipcx_topic_open(t, URI, flags | IPCX_CREATE | IPCX_EPHEMERAL, &opts);
}

/* The memory of a topic or queue that this process has open */
static inline int memory_of(const char *kind)
{
	char path[32], what[64] = "", name[32];

	snprintf(name, sizeof(name), "/memfd:ipcx-%s", kind);
	for (int fd = 0; fd < 100; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, what, sizeof(what) - 1) > 0 &&
		    !strncmp(what, name, strlen(name)))
			return fd;
	}
	return -1;
}

static inline int open_queue(struct ipcx_queue **q, unsigned int flags)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .msg_max = 4096);

	return ipcx_queue_open(q, QUEUE_URI, flags | IPCX_CREATE | IPCX_EPHEMERAL, &opts);
}

static inline int queue_send(struct ipcx_queue *q, uint64_t nr, int64_t deadline)
{
	return ipcx_queue_send(q, &nr, sizeof(nr), deadline);
}

/* Return: the number, or a negative errno. */
static inline int64_t queue_recv(struct ipcx_queue *q, int64_t deadline)
{
	uint64_t nr;
	int r = ipcx_queue_recv(q, &nr, sizeof(nr), deadline);

	return r < 0 ? r : r == sizeof(nr) ? nr : -EBADMSG;
}

/* Bytes of addresses that this process has. */
static inline size_t mapped(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%zu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

#endif /* TOPIC_SHM_UTIL_H */
