// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pipe. It knows no messages: the reader knows how long they are. And vmsplice, which puts the
 * writer's pages into it, from where the reader copies them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peers.h"

/* The ends to read and to write; of vmsplice, where messages go in turn. */
struct pipe {
	int fd[2];
	char *pages;
	size_t size, at;
};

static void pipe_create(struct lane *l)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p || pipe(p->fd))
		give_up(FAILED, "pipe: %s", strerror(errno));
	fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_BYTES);
	l->own = p;
}

/* So that each process sees the end of the other. */
static void pipe_open(struct lane *l)
{
	struct pipe *p = l->own;

	close(p->fd[!l->sender]);
}

static void pipe_send(struct lane *l, uint64_t value)
{
	struct pipe *p = l->own;

	write_all(l, l->buf, value);
	if (write(p->fd[1], l->buf, l->len) != (ssize_t)l->len)
		give_up(FAILED, "write: %s", strerror(errno));
}

static uint64_t pipe_recv(struct lane *l, uint64_t value)
{
	struct pipe *p = l->own;
	size_t got = 0;
	ssize_t n;

	do {
		n = read(p->fd[0], (char *)l->buf + got, l->len - got);
		if (n <= 0)
			give_up(FAILED, "read: %s", n ? strerror(errno) : "the end");
		got += n;
	} while (got < l->len);
	return read_all(l, l->buf, got, value);
}

/* As many pages as are in the pipe at most are another's still when the next message is written. */
static void vmsplice_open(struct lane *l)
{
	struct pipe *p = l->own;
	int bytes = fcntl(p->fd[1], F_GETPIPE_SZ);

	pipe_open(l);
	if (!l->sender)
		return;
	if (bytes < 0)
		give_up(FAILED, "F_GETPIPE_SZ: %s", strerror(errno));
	p->size = (bytes / l->len + 2) * l->len;
	p->pages = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->pages == MAP_FAILED)
		give_up(FAILED, "mmap: %s", strerror(errno));
}

static void vmsplice_send(struct lane *l, uint64_t value)
{
	struct pipe *p = l->own;
	struct iovec v = { p->pages + p->at, l->len };

	write_all(l, v.iov_base, value);
	p->at = (p->at + l->len) % p->size;
	while (v.iov_len) {
		ssize_t n = vmsplice(p->fd[1], &v, 1, 0);

		if (n <= 0)
			give_up(FAILED, "vmsplice: %s", strerror(errno));
		v.iov_base = (char *)v.iov_base + n;
		v.iov_len -= n;
	}
}

const struct way pipe_way = {
	.name = "pipe",
	.words = "pipe(2), the length known to both",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.create = pipe_create,
	.open = pipe_open,
	.send = pipe_send,
	.recv = pipe_recv,
};

/* Whole pages: of short messages each would take one. */
const struct way vmsplice_way = {
	.name = "vmsplice",
	.words = "vmsplice(2) into a pipe: copied once",
	.jobs = JOB(ONE_64K) | JOB(ONE_1M) | JOB(ONE_64M),
	.create = pipe_create,
	.open = vmsplice_open,
	.send = vmsplice_send,
	.recv = pipe_recv,
};
