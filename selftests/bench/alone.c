// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message of a topic costs where nobody waits: one process publishes and receives it, and
 * no call of the library makes a system call. What the loop about the calls costs is not counted.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"

#define MESSAGES 19200

/* @limit: instructions to publish, take and release 8 bytes; who is lossy copies them besides */
struct alone {
	const char *name;
	unsigned int flags, subscriber;
	int limit;
};

static const struct alone ways[] = {
	{ "reliable", 0, 0, 240 },
	{ "reliable, single thread", IPCX_SINGLE_THREAD, 0, 240 },
	{ "lossy", 0, IPCX_LOSSY, 240 },
	{ "lossy, single thread", IPCX_SINGLE_THREAD, IPCX_LOSSY, 240 },
	{},
};

struct calls {
	int (*loan)(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline);
	int (*commit)(struct ipcx_topic *t, struct ipcx_msg *m);
	int (*next)(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline);
};

static uint64_t word;

static int no_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	(void)t;
	(void)len;
	(void)m;
	(void)deadline;
	return 0;
}

static int no_commit(struct ipcx_topic *t, struct ipcx_msg *m)
{
	(void)t;
	(void)m;
	return 0;
}

static int no_next(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline)
{
	(void)t;
	(void)m;
	(void)deadline;
	return 0;
}

static const struct calls real = { ipcx_topic_loan, ipcx_topic_commit, ipcx_topic_next };
static const struct calls none = { no_loan, no_commit, no_next };

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Return: whether all was as it should be. */
static __attribute__((noipa)) bool rounds(const struct calls *c, struct ipcx_topic *pub,
					  struct ipcx_topic *sub, struct ipcx_msg *out,
					  struct ipcx_msg *in)
{
	for (uint64_t i = 0; i < MESSAGES; i++) {
		if (c->loan(pub, sizeof(i), out, IPCX_FOREVER))
			return false;
		*(uint64_t *)out->data = i;
		if (c->commit(pub, out) || c->next(sub, in, IPCX_FOREVER) ||
		    *(uint64_t *)in->data != i)
			return false;
	}
	return true;
}

/* Whatever call but read, write and exit ends the process. */
static bool makes_no_call(struct ipcx_topic *pub, struct ipcx_topic *sub, struct ipcx_msg *in)
{
	struct ipcx_msg out;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(2);
		syscall(SYS_exit, !rounds(&real, pub, sub, &out, in));
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static bool measure(const struct alone *a, bool json)
{
	struct ipcx_msg out = { .data = &word }, in = { .data = &word };
	struct ipcx_topic *pub, *sub;
	int64_t loop, cost;
	double each;
	bool cheap, good;

	if (ipcx_topic_open(&pub, "bench-alone",
			    IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH | IPCX_INHERIT | a->flags,
			    NULL) ||
	    ipcx_topic_open(&sub, "bench-alone",
			    IPCX_SUBSCRIBE | IPCX_INHERIT | a->flags | a->subscriber, NULL))
		errx(1, "%s", ipcx_error());
	loop = now();
	if (!rounds(&none, pub, sub, &out, &in))
		errx(1, "the empty loop");
	loop = now() - loop;
	memset(&in, 0, sizeof(in));
	if (!rounds(&real, pub, sub, &out, &in)) /* the ring becomes known */
		errx(1, "%s", ipcx_error());
	cost = now();
	if (!rounds(&real, pub, sub, &out, &in))
		errx(1, "%s", ipcx_error());
	cost = now() - cost;
	each = (double)(cost - loop) / MESSAGES;
	cheap = each <= a->limit;
	good = makes_no_call(pub, sub, &in);
	if (json)
		printf("{\"job\":\"topic alone, 8 B\",\"way\":\"%s\",\"instructions\":%.1f,"
		       "\"loop\":%.1f,\"limit\":%d,\"no_system_call\":%s,\"pass\":%s}\n",
		       a->name, each, (double)loop / MESSAGES, a->limit, good ? "true" : "false",
		       good && cheap ? "true" : "false");
	else
		printf("bench: topic alone, 8 B, %s: %.0f and %s, target at most %d and none: %s\n",
		       a->name, each, good ? "no system call" : "SYSTEM CALLS", a->limit,
		       good && cheap ? "passed" : "MISSED");
	ipcx_topic_close(sub);
	ipcx_topic_close(pub);
	return good && cheap;
}

/* What a system call costs that does nothing: what no message can cost less than. */
static void floor_of_ioctl(bool json)
{
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	double each;

	if (fd < 0)
		err(1, "/dev/ipcx");
	each = now();
	for (int i = 0; i < MESSAGES; i++)
		ioctl(fd, 0);
	each = (now() - each) / MESSAGES;
	close(fd);
	if (json)
		printf("{\"job\":\"ioctl that does nothing\",\"instructions\":%.1f}\n", each);
	else
		printf("bench: an ioctl that does nothing: %.0f\n", each);
}

bool alone(bool json)
{
	bool good = true;

	floor_of_ioctl(json);
	for (const struct alone *a = ways; a->name; a++)
		good &= measure(a, json);
	return good;
}
