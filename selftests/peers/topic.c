// SPDX-License-Identifier: GPL-2.0-only
/*
 * A topic of ipcx, over shared memory and by the module, by the calls of the library; both sides
 * poll, unless who waits is to sleep.
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>
#include <unistd.h>

#include "peers.h"

static void must(int ret)
{
	if (ret)
		give_up(FAILED, "%s", ipcx_error());
}

static const char *uri_of(const struct lane *l, const char *transport)
{
	static char uri[64];

	snprintf(uri, sizeof(uri), "%s:%s", transport, l->name);
	return uri;
}

static struct ipcx_msg taken; /* a process receives on one lane only */

static void open_over(struct lane *l, const char *transport)
{
	IPCX_TOPIC_OPTS(opts, .depth = l->depth, .msg_max = l->len, .bytes_max = lane_bytes(l));
	unsigned int flags = l->sender ? IPCX_PUBLISH : IPCX_SUBSCRIBE | IPCX_CREATE;

	if (!l->sender)
		taken = (struct ipcx_msg){ 0 };
	must(ipcx_topic_open((struct ipcx_topic **)&l->own, uri_of(l, transport),
			     flags | IPCX_SINGLE_THREAD, &opts));
}

static void shm_open_topic(struct lane *l)
{
	open_over(l, "shm");
}

static void kernel_open_topic(struct lane *l)
{
	open_over(l, "kernel");
}

static const char *kernel_start(void)
{
	return access("/dev/ipcx", R_OK | W_OK) ? "the module is not loaded" : NULL;
}

static void topic_send(struct lane *l, uint64_t value)
{
	int64_t wait = l->block ? IPCX_FOREVER : IPCX_NOWAIT;
	unsigned int looks = 0;
	struct ipcx_msg m;
	int r;

	while ((r = ipcx_topic_loan(l->own, l->len, &m, wait)) == -EAGAIN)
		look_again(&looks);
	must(r);
	write_all(l, m.data, value);
	must(ipcx_topic_commit(l->own, &m));
}

/* Each message is released when the next is taken. */
static uint64_t topic_recv(struct lane *l, uint64_t value)
{
	int64_t wait = l->block ? IPCX_FOREVER : IPCX_NOWAIT;
	unsigned int looks = 0;
	int r;

	while ((r = ipcx_topic_next(l->own, &taken, wait)) == -EAGAIN)
		look_again(&looks);
	must(r);
	return read_all(l, taken.data, taken.len, value);
}

static void topic_close(struct lane *l)
{
	ipcx_topic_close(l->own);
}

static void shm_remove(const struct lane *l)
{
	ipcx_topic_unlink(uri_of(l, "shm"));
}

static void kernel_remove(const struct lane *l)
{
	ipcx_topic_unlink(uri_of(l, "kernel"));
}

#define TOPIC_JOBS (ONE_WAY | REFS | TRIPS | WAITS | JOB(IN_64) | JOB(OUT_64))

const struct way topic_way = {
	.name = "ipcx topic",
	.words = "topic of ipcx, no module: shared memory",
	.jobs = TOPIC_JOBS,
	.to_all = true,
	.open = shm_open_topic,
	.send = topic_send,
	.recv = topic_recv,
	.close = topic_close,
	.remove = shm_remove,
};

const struct way kernel_topic_way = {
	.name = "ipcx k. topic",
	.words = "topic of ipcx, by its module",
	.jobs = TOPIC_JOBS,
	.to_all = true,
	.start = kernel_start,
	.open = kernel_open_topic,
	.send = topic_send,
	.recv = topic_recv,
	.close = topic_close,
	.remove = kernel_remove,
};
