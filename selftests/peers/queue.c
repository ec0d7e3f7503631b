// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues of ipcx, with the module and without it, by the calls of the library.
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

static void open_uri(struct lane *l, const char *uri, unsigned int flags,
		     const struct ipcx_queue_opts *opts)
{
	int r;

	taken = (struct ipcx_msg){ 0 };
	flags |= l->sender ? IPCX_SEND : IPCX_RECV | IPCX_CREATE;
	r = ipcx_queue_open((struct ipcx_queue **)&l->own, uri, flags, opts);

	if (r)
		give_up(r == -EOPNOTSUPP || r == -ENODEV ? ABSENT : CANNOT, "%s", ipcx_error());
}

/* The depth is that of the ring beside which it is measured. */
static void shm_open_lane(struct lane *l)
{
	IPCX_QUEUE_OPTS(opts, .depth = l->depth, .msg_max = l->len, .bytes_max = lane_bytes(l));

	open_uri(l, uri_of(l, "shm"), IPCX_SINGLE_THREAD, &opts);
}

static const char *kernel_start(void)
{
	return access("/dev/ipcx", R_OK | W_OK) ? "the module is not loaded" : NULL;
}

static void kernel_open_lane(struct lane *l)
{
	IPCX_QUEUE_OPTS(opts, .depth = l->depth, .msg_max = l->len, .bytes_max = lane_bytes(l));

	open_uri(l, uri_of(l, "kernel"), IPCX_SINGLE_THREAD, &opts);
}

static void mq_open_lane(struct lane *l)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = l->len);

	open_uri(l, uri_of(l, "mq"), 0, &opts);
}

static void unix_open_lane(struct lane *l)
{
	open_uri(l, uri_of(l, "unix"), 0, NULL);
}

static void fifo_open_lane(struct lane *l)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = l->len);

	open_uri(l, uri_of(l, "fifo"), 0, &opts);
}

static void tcp_open_lane(struct lane *l)
{
	char uri[32];

	snprintf(uri, sizeof(uri), "tcp:127.0.0.1:%u", l->port);
	open_uri(l, uri, 0, NULL);
}

static void queue_send(struct lane *l, uint64_t value)
{
	struct ipcx_msg m;

	must(ipcx_queue_loan(l->own, l->len, &m, IPCX_FOREVER));
	write_all(l, m.data, value);
	must(ipcx_queue_commit(l->own, &m));
}

/* Each message is released when the next is taken. */
static uint64_t queue_recv(struct lane *l, uint64_t value)
{
	must(ipcx_queue_next(l->own, &taken, IPCX_FOREVER));
	return read_all(l, taken.data, taken.len, value);
}

/* As a topic in this bench: both sides poll, unless who waits is to sleep. */
static void shm_send(struct lane *l, uint64_t value)
{
	int64_t wait = l->block ? IPCX_FOREVER : IPCX_NOWAIT;
	unsigned int looks = 0;
	struct ipcx_msg m;
	int r;

	while ((r = ipcx_queue_loan(l->own, l->len, &m, wait)) == -EAGAIN)
		look_again(&looks);
	must(r);
	write_all(l, m.data, value);
	must(ipcx_queue_commit(l->own, &m));
}

static uint64_t shm_recv(struct lane *l, uint64_t value)
{
	int64_t wait = l->block ? IPCX_FOREVER : IPCX_NOWAIT;
	unsigned int looks = 0;
	int r;

	while ((r = ipcx_queue_next(l->own, &taken, wait)) == -EAGAIN)
		look_again(&looks);
	must(r);
	return read_all(l, taken.data, taken.len, value);
}

static void queue_close(struct lane *l)
{
	ipcx_queue_close(l->own);
}

static void shm_remove(const struct lane *l)
{
	ipcx_queue_unlink(uri_of(l, "shm"));
}

static void kernel_remove(const struct lane *l)
{
	ipcx_queue_unlink(uri_of(l, "kernel"));
}

static void unix_remove(const struct lane *l)
{
	ipcx_queue_unlink(uri_of(l, "unix"));
}

static void mq_remove(const struct lane *l)
{
	ipcx_queue_unlink(uri_of(l, "mq"));
}

static void fifo_remove(const struct lane *l)
{
	ipcx_queue_unlink(uri_of(l, "fifo"));
}

const struct way shm_way = {
	.name = "ipcx shm",
	.words = "queue of ipcx, no module: shared memory",
	.jobs = ONE_WAY | REFS | TRIPS | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.open = shm_open_lane,
	.send = shm_send,
	.recv = shm_recv,
	.close = queue_close,
	.remove = shm_remove,
};

const struct way kernel_queue_way = {
	.name = "ipcx queue",
	.words = "queue of ipcx, by its module",
	.jobs = ONE_WAY | REFS | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.start = kernel_start,
	.open = kernel_open_lane,
	.send = queue_send,
	.recv = queue_recv,
	.close = queue_close,
	.remove = kernel_remove,
};

#define COPIED(transport) \
	.name = "ipcx " #transport, .words = "queue of ipcx, no module: over " #transport, \
	.jobs = FALLBACK | JOB(WAIT_8) | JOB(WAIT_64), .open = transport##_open_lane, \
	.send = queue_send, .recv = queue_recv, .close = queue_close

const struct way ipcx_unix_way = { COPIED(unix), .remove = unix_remove };
const struct way ipcx_mq_way = { COPIED(mq), .remove = mq_remove };
const struct way ipcx_fifo_way = { COPIED(fifo), .remove = fifo_remove };
const struct way ipcx_tcp_way = { COPIED(tcp) };
