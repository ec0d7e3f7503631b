// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNIX sockets of the type SOCK_SEQPACKET.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers.h"

#define BUFFER (8 << 20) /* depth of the longest */

static int ends[2]; /* to read, to write */

static void seqpacket_create(struct lane *l)
{
	int bytes = BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		give_up(FAILED, "socketpair: %s", strerror(errno));
	/* what may be had, if long messages need it */
	if (l->len >= 65536 &&
	    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void seqpacket_open(struct lane *l)
{
	close(ends[!l->sender]);
}

static void seqpacket_send(struct lane *l, uint64_t value)
{
	write_all(l->buf, l->len, value);
	if (send(ends[1], l->buf, l->len, 0) != (ssize_t)l->len)
		give_up(errno == EMSGSIZE ? CANNOT : FAILED, "send: %s", strerror(errno));
}

static uint64_t seqpacket_recv(struct lane *l, uint64_t value)
{
	ssize_t n = recv(ends[0], l->buf, l->len, MSG_TRUNC);

	if (n <= 0)
		give_up(FAILED, "recv: %s", n ? strerror(errno) : "the end");
	return read_all(l, l->buf, n, value);
}

const struct way seqpacket_way = {
	.name = "seqpacket",
	.jobs = ONE_WAY,
	.create = seqpacket_create,
	.open = seqpacket_open,
	.send = seqpacket_send,
	.recv = seqpacket_recv,
};
