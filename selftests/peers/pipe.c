// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pipe. It knows no messages: the reader knows how long they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "peers.h"

#define PIPE_BYTES (1 << 20) /* what the system allows everybody */

static int ends[2]; /* to read, to write */

static void pipe_create(struct lane *l)
{
	(void)l;
	if (pipe(ends))
		give_up(FAILED, "pipe: %s", strerror(errno));
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
}

/* So that each process sees the end of the other. */
static void pipe_open(struct lane *l)
{
	close(ends[!l->sender]);
}

static void pipe_send(struct lane *l, uint64_t value)
{
	write_all(l->buf, l->len, value);
	if (write(ends[1], l->buf, l->len) != (ssize_t)l->len)
		give_up(FAILED, "write: %s", strerror(errno));
}

static uint64_t pipe_recv(struct lane *l, uint64_t value)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = read(ends[0], (char *)l->buf + got, l->len - got);
		if (n <= 0)
			give_up(FAILED, "read: %s", n ? strerror(errno) : "the end");
		got += n;
	} while (got < l->len);
	return read_all(l, l->buf, got, value);
}

const struct way pipe_way = {
	.name = "pipe",
	.jobs = ONE_WAY,
	.create = pipe_create,
	.open = pipe_open,
	.send = pipe_send,
	.recv = pipe_recv,
};
