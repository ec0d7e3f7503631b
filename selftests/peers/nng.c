// SPDX-License-Identifier: GPL-2.0-only
/*
 * nng, push and pull over "ipc".
 */
#include "peers.h"

#if __has_include(<nng/nng.h>)
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>

static nng_socket ends; /* one lane */

static void must(int r)
{
	if (r)
		give_up(FAILED, "%s", nng_strerror(r));
}

static void nng_open_lane(struct lane *l)
{
	char uri[64];

	snprintf(uri, sizeof(uri), "abstract://%s", l->name);
	must(l->sender ? nng_push0_open(&ends) : nng_pull0_open(&ends));
	must(l->sender ? nng_dial(ends, uri, NULL, 0) : nng_listen(ends, uri, NULL, 0));
	if (l->sender)
		must(nng_socket_set_int(ends, NNG_OPT_SENDBUF, l->depth));
	else
		must(nng_socket_set_size(ends, NNG_OPT_RECVMAXSZ, 0));
}

static void nng_put(struct lane *l, uint64_t value)
{
	nng_msg *m;

	must(nng_msg_alloc(&m, l->len));
	write_all(nng_msg_body(m), l->len, value);
	must(nng_sendmsg(ends, m, 0));
}

static uint64_t nng_get(struct lane *l, uint64_t value)
{
	uint64_t sum;
	nng_msg *m;

	must(nng_recvmsg(ends, &m, 0));
	sum = read_all(l, nng_msg_body(m), nng_msg_len(m), value);
	nng_msg_free(m);
	return sum;
}

static void nng_close_lane(struct lane *l)
{
	(void)l;
	nng_close(ends);
}
#endif

const struct way nng_way = {
	.name = "nng",
	.jobs = ONE_WAY,
#if __has_include(<nng/nng.h>)
	.open = nng_open_lane,
	.send = nng_put,
	.recv = nng_get,
	.close = nng_close_lane,
#else
	.missing = "libnng-dev",
#endif
};
