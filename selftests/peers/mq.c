// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX message queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>

#include "peers.h"

#define DEPTH_OF_ALL 10 /* the limit of the system, if nobody has changed it */

static const char *path_of(const struct lane *l)
{
	static char path[64];

	snprintf(path, sizeof(path), "/%s", l->name);
	return path;
}

static mqd_t make(const struct lane *l, long depth)
{
	struct mq_attr attr = { .mq_maxmsg = depth, .mq_msgsize = l->len };

	return mq_open(path_of(l), O_RDONLY | O_CREAT | O_EXCL, 0600, &attr);
}

/* As many as wanted, or what everybody may have. */
static void mq_open_lane(struct lane *l)
{
	mqd_t q;

	if (l->sender)
		q = mq_open(path_of(l), O_WRONLY);
	else
		q = make(l, l->depth);
	if (q < 0 && !l->sender && errno == EEXIST) /* another receiver was before */
		q = mq_open(path_of(l), O_RDONLY);
	if (q < 0 && !l->sender)
		q = make(l, DEPTH_OF_ALL);
	if (q < 0)
		give_up(CANNOT, "%s",
			errno == EINVAL ? "longer than /proc/sys/fs/mqueue/msgsize_max" :
					  strerror(errno));
	l->own = (void *)(intptr_t)q;
}

static void mq_put(struct lane *l, uint64_t value)
{
	write_all(l, l->buf, value);
	if (mq_send((intptr_t)l->own, (char *)l->buf, l->len, 0))
		give_up(FAILED, "mq_send: %s", strerror(errno));
}

static uint64_t mq_get(struct lane *l, uint64_t value)
{
	ssize_t n = mq_receive((intptr_t)l->own, (char *)l->buf, l->len, NULL);

	if (n < 0)
		give_up(FAILED, "mq_receive: %s", strerror(errno));
	return read_all(l, l->buf, n, value);
}

static void mq_remove(const struct lane *l)
{
	mq_unlink(path_of(l));
}

const struct way mq_way = {
	.name = "POSIX mq",
	.words = "POSIX message queue, mq_send(3)",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.open = mq_open_lane,
	.send = mq_put,
	.recv = mq_get,
	.remove = mq_remove,
};
