// SPDX-License-Identifier: GPL-2.0-only
/*
 * ZeroMQ, PUSH and PULL over "ipc". It sends several short messages at once where it can.
 */
#include "peers.h"

#if PEERS && __has_include(<zmq.h>)
#include <stdio.h>
#include <zmq.h>

#define LONG 65536 /* from here on the limit of messages on their way is that of the job */

static void *context;

static void must(bool ok)
{
	if (!ok)
		give_up(FAILED, "%s", zmq_strerror(zmq_errno()));
}

/* In the abstract name space: nothing is left behind. */
static void zmq_open_lane(struct lane *l)
{
	int depth = l->depth;
	char uri[64];

	snprintf(uri, sizeof(uri), "ipc://@%s", l->name);
	if (!context)
		context = zmq_ctx_new();
	must(context);
	l->own = zmq_socket(context, l->sender ? ZMQ_PUSH : ZMQ_PULL);
	must(l->own);
	if (l->len >= LONG) {
		must(!zmq_setsockopt(l->own, ZMQ_SNDHWM, &depth, sizeof(depth)));
		must(!zmq_setsockopt(l->own, ZMQ_RCVHWM, &depth, sizeof(depth)));
	}
	must(!(l->sender ? zmq_connect(l->own, uri) : zmq_bind(l->own, uri)));
}

static void zmq_put(struct lane *l, uint64_t value)
{
	zmq_msg_t m;

	must(!zmq_msg_init_size(&m, l->len));
	write_all(l, zmq_msg_data(&m), value);
	must(zmq_msg_send(&m, l->own, 0) >= 0);
}

static uint64_t zmq_get(struct lane *l, uint64_t value)
{
	uint64_t sum;
	zmq_msg_t m;

	zmq_msg_init(&m);
	must(zmq_msg_recv(&m, l->own, 0) >= 0);
	sum = read_all(l, zmq_msg_data(&m), zmq_msg_size(&m), value);
	zmq_msg_close(&m);
	return sum;
}

static void zmq_close_lane(struct lane *l)
{
	zmq_close(l->own);
}
#endif

const struct way zmq_way = {
	.name = "ZeroMQ",
	.words = "library, PUSH and PULL over UNIX sockets",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64),
#if PEERS && __has_include(<zmq.h>)
	.open = zmq_open_lane,
	.send = zmq_put,
	.recv = zmq_get,
	.close = zmq_close_lane,
#else
	.missing = "libzmq3-dev",
#endif
};
