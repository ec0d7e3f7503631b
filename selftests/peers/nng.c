// SPDX-License-Identifier: GPL-2.0-only
/*
 * nng, push and pull over "ipc".
 */
#include "peers.h"

#if PEERS && __has_include(<nng/nng.h>)
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>

static nng_socket *end_of(const struct lane *l)
{
	return l->own;
}

static void must(int r)
{
	if (r)
		give_up(FAILED, "%s", nng_strerror(r));
}

static void nng_open_lane(struct lane *l)
{
	nng_socket *s = malloc(sizeof(*s));
	char uri[64];

	if (!s)
		give_up(FAILED, "no memory");
	l->own = s;
	snprintf(uri, sizeof(uri), "abstract://%s", l->name);
	must(l->sender ? nng_push0_open(s) : nng_pull0_open(s));
	must(l->sender ? nng_dial(*s, uri, NULL, 0) : nng_listen(*s, uri, NULL, 0));
	if (l->sender)
		must(nng_socket_set_int(*s, NNG_OPT_SENDBUF, l->depth));
	else
		must(nng_socket_set_size(*s, NNG_OPT_RECVMAXSZ, 0));
}

static void nng_put(struct lane *l, uint64_t value)
{
	nng_msg *m;

	must(nng_msg_alloc(&m, l->len));
	write_all(l, nng_msg_body(m), value);
	must(nng_sendmsg(*end_of(l), m, 0));
}

static uint64_t nng_get(struct lane *l, uint64_t value)
{
	uint64_t sum;
	nng_msg *m;

	must(nng_recvmsg(*end_of(l), &m, 0));
	sum = read_all(l, nng_msg_body(m), nng_msg_len(m), value);
	nng_msg_free(m);
	return sum;
}

static void nng_close_lane(struct lane *l)
{
	nng_close(*end_of(l));
}
#endif

const struct way nng_way = {
	.name = "nng",
	.words = "library, push and pull over UNIX sockets",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64),
#if PEERS && __has_include(<nng/nng.h>)
	.open = nng_open_lane,
	.send = nng_put,
	.recv = nng_get,
	.close = nng_close_lane,
#else
	.missing = "libnng-dev",
#endif
};
