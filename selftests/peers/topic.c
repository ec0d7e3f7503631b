// SPDX-License-Identifier: GPL-2.0-only
/*
 * A topic of ipcx over shared memory, by the calls of the library; both sides poll.
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>

#include "peers.h"

static void must(int ret)
{
	if (ret)
		give_up(FAILED, "%s", ipcx_error());
}

static const char *uri_of(const struct lane *l)
{
	static char uri[64];

	snprintf(uri, sizeof(uri), "shm:%s", l->name);
	return uri;
}

static struct ipcx_msg taken; /* a process receives on one lane only */

static void topic_open(struct lane *l)
{
	IPCX_TOPIC_OPTS(opts, .depth = l->depth, .msg_max = l->len);
	unsigned int flags = l->sender ? IPCX_PUBLISH : IPCX_SUBSCRIBE | IPCX_CREATE;

	if (!l->sender)
		taken = (struct ipcx_msg){ 0 };
	must(ipcx_topic_open((struct ipcx_topic **)&l->own, uri_of(l), flags | IPCX_SINGLE_THREAD,
			     &opts));
}

static void topic_send(struct lane *l, uint64_t value)
{
	unsigned int looks = 0;
	struct ipcx_msg m;
	int r;

	while ((r = ipcx_topic_loan(l->own, l->len, &m, IPCX_NOWAIT)) == -EAGAIN)
		look_again(&looks);
	must(r);
	write_all(m.data, l->len, value);
	must(ipcx_topic_commit(l->own, &m));
}

/* Each message is released when the next is taken. */
static uint64_t topic_recv(struct lane *l, uint64_t value)
{
	unsigned int looks = 0;
	int r;

	while ((r = ipcx_topic_next(l->own, &taken, IPCX_NOWAIT)) == -EAGAIN)
		look_again(&looks);
	must(r);
	return read_all(l, taken.data, taken.len, value);
}

static void topic_close(struct lane *l)
{
	ipcx_topic_close(l->own);
}

static void topic_remove(const struct lane *l)
{
	ipcx_topic_unlink(uri_of(l));
}

const struct way topic_way = {
	.name = "ipcx topic",
	.jobs = ONE_WAY | TRIPS,
	.open = topic_open,
	.send = topic_send,
	.recv = topic_recv,
	.close = topic_close,
	.remove = topic_remove,
};
