/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of POSIX message queues, which know nothing of ipcx. mq_shim.sh runs them over the
 * system's own queues, so that each thing that is expected here is what the system does, and with
 * libipcx-mq.so; MQ_SHIM says over what: system, kernel, mq or shm.
 */
#ifndef SELFTESTS_MQ_SHIM_UTIL_H
#define SELFTESTS_MQ_SHIM_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define DEPTH 4
#define SIZE 128
#define MS 1000000LL

static char name[64];

static inline const char *over(void)
{
	return getenv("MQ_SHIM") ?: "system";
}

static inline bool is_over(const char *what)
{
	return !strcmp(over(), what);
}

/* What forked children, several receivers and other users want */
static inline bool whole(void)
{
	return is_over("system") || is_over("kernel");
}

static inline mqd_t open_queue(int oflag)
{
	struct mq_attr attr = { .mq_maxmsg = DEPTH, .mq_msgsize = SIZE };

	return mq_open(name, oflag, 0600, &attr);
}

static inline int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static inline const struct timespec *in_ms(int ms)
{
	static _Thread_local struct timespec ts;
	int64_t at = now(CLOCK_REALTIME) + ms * MS;

	ts.tv_sec = at / (1000 * MS);
	ts.tv_nsec = at % (1000 * MS);
	return &ts;
}

static inline long queued(mqd_t q)
{
	struct mq_attr attr;

	return mq_getattr(q, &attr) ? -1 : attr.mq_curmsgs;
}

/* Return: how many there were; the last is in @last */
static inline int drain(mqd_t q, char last[SIZE])
{
	struct mq_attr old, attr = { .mq_flags = O_NONBLOCK };
	int n = 0;

	mq_setattr(q, &attr, &old);
	while (mq_receive(q, last, SIZE, NULL) >= 0)
		n++;
	mq_setattr(q, &old, NULL);
	return n;
}

#define FAILS(err, call) \
	do { \
		errno = 0; \
		EXPECT_EQ(-1, call); \
		EXPECT_EQ(err, errno); \
	} while (0)

FIXTURE(mq)
{
	mqd_t q;
	char buf[SIZE];
};

FIXTURE_SETUP(mq)
{
	snprintf(name, sizeof(name), "/ipcx-mq-shim-%d", getpid());
	self->q = open_queue(O_CREAT | O_EXCL | O_RDWR);
	ASSERT_LE(0, self->q);
}

FIXTURE_TEARDOWN(mq)
{
	mq_close(self->q);
	mq_unlink(name);
}

typedef FIXTURE_DATA(mq) fix;

#endif
