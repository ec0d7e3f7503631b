// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNIX sockets that know messages: SOCK_SEQPACKET and SOCK_DGRAM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers.h"

#define BUFFER (8 << 20) /* depth of 1 MiB */

static void create(struct lane *l, int type)
{
	int bytes = BUFFER, *ends = calloc(2, sizeof(*ends)); /* to read, to write */

	if (!ends || socketpair(AF_UNIX, type, 0, ends))
		give_up(FAILED, "socketpair: %s", strerror(errno));
	/* what may be had, if long messages need it */
	if (l->len >= 65536 &&
	    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	l->own = ends;
}

static void seqpacket_create(struct lane *l)
{
	create(l, SOCK_SEQPACKET);
}

static void dgram_create(struct lane *l)
{
	create(l, SOCK_DGRAM);
}

static void unix_open(struct lane *l)
{
	int *ends = l->own;

	close(ends[!l->sender]);
}

static void unix_send(struct lane *l, uint64_t value)
{
	int *ends = l->own;

	write_all(l, l->buf, value);
	if (send(ends[1], l->buf, l->len, 0) != (ssize_t)l->len)
		give_up(errno == EMSGSIZE ? CANNOT : FAILED, "send: %s", strerror(errno));
}

static uint64_t unix_recv(struct lane *l, uint64_t value)
{
	int *ends = l->own;
	ssize_t n = recv(ends[0], l->buf, l->len, MSG_TRUNC);

	if (n <= 0)
		give_up(FAILED, "recv: %s", n ? strerror(errno) : "the end");
	return read_all(l, l->buf, n, value);
}

const struct way seqpacket_way = {
	.name = "seqpacket",
	.words = "UNIX socket, SOCK_SEQPACKET",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.create = seqpacket_create,
	.open = unix_open,
	.send = unix_send,
	.recv = unix_recv,
};

const struct way dgram_way = {
	.name = "UNIX datagram",
	.words = "UNIX socket, SOCK_DGRAM",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.create = dgram_create,
	.open = unix_open,
	.send = unix_send,
	.recv = unix_recv,
};
