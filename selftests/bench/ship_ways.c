// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways that ship can take: an ipcx queue, POSIX message queues, a SOCK_SEQPACKET socket.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ship.h"

#define MQ_NAME "/ship"
#define URI "kernel:ship"

static struct ipcx_queue *queue;
static mqd_t mq;
static int pair[2];
static uint64_t *buf; /* of a way that copies: the index, then the data */
static size_t bufsize;

static void fill(int fd, void *to, size_t len)
{
	ssize_t n;

	for (; len; len -= n, to = (char *)to + n) {
		n = read(fd, to, len);
		if (n < 0)
			err(1, "read");
		if (!n)
			errx(1, "a file became shorter while it was read");
	}
}

static void ipcx_create(size_t biggest)
{
	IPCX_QUEUE_OPTS(opts, .mode = 0666, .require = IPCX_CAP_ZERO_COPY | IPCX_CAP_WALLS);

	(void)biggest;
	if (ipcx_queue_open(&queue, URI, IPCX_CREATE | IPCX_EXCL | IPCX_SEND, &opts))
		errx(1, "%s", ipcx_error());
}

static void ipcx_attach(void)
{
	if (ipcx_queue_open(&queue, URI, IPCX_RECV, NULL))
		errx(1, "%s", ipcx_error());
}

static int ipcx_ship(uint64_t index, int fd, size_t len)
{
	struct ipcx_msg m;
	int ret = ipcx_queue_loan(queue, len, &m, IPCX_FOREVER);

	if (ret == -EMSGSIZE)
		return ret;
	if (ret)
		errx(1, "%s", ipcx_error());
	fill(fd, m.data, len);
	m.tag = index;
	if (ipcx_queue_commit(queue, &m))
		errx(1, "%s", ipcx_error());
	return 0;
}

/* The first call has all of p->m zero; the later ones give the last message back. */
static void ipcx_get(struct piece *p)
{
	if (ipcx_queue_next(queue, &p->m, IPCX_FOREVER))
		errx(1, "%s", ipcx_error());
	if (p->m.uid != 0)
		errx(1, "a message of uid %u, not of root", p->m.uid);
	p->index = p->m.tag;
	p->data = p->m.data;
	p->len = p->m.len;
}

static void ipcx_destroy(void)
{
	ipcx_queue_close(queue);
	ipcx_queue_unlink(URI);
}

static void buf_create(size_t size)
{
	bufsize = size;
	buf = malloc(size);
	if (!buf)
		err(1, "no memory for a file");
}

static void load(uint64_t index, int fd, size_t len)
{
	buf[0] = index;
	fill(fd, buf + 1, len);
}

static int sent(int ret)
{
	if (ret < 0 && errno != EMSGSIZE)
		err(1, "send");
	return ret < 0 ? -EMSGSIZE : 0;
}

static void received(struct piece *p, ssize_t n)
{
	if (n < (ssize_t)sizeof(*buf))
		err(1, "receive");
	p->index = buf[0];
	p->data = buf + 1;
	p->len = n - sizeof(*buf);
}

static void mq_create(size_t size, size_t biggest)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = size };

	umask(0);
	mq = mq_open(MQ_NAME, O_CREAT | O_EXCL | O_WRONLY, 0666, &attr);
	if (mq < 0)
		err(1, "mq_open");
	/* what is too long for the queue is read too, so that the queue refuses it */
	buf_create(sizeof(*buf) + (size > biggest ? size : biggest));
}

static void mq_small(size_t biggest)
{
	mq_create(8192, biggest);
}

static void mq_large(size_t biggest)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MSGQUEUE, &all))
		err(1, "setrlimit");
	mq_create(16UL << 20, biggest); /* the kernel's hard limit */
}

static void mq_attach(void)
{
	mq = mq_open(MQ_NAME, O_RDONLY);
	if (mq < 0)
		err(1, "mq_open");
}

static int mq_ship(uint64_t index, int fd, size_t len)
{
	load(index, fd, len);
	return sent(mq_send(mq, (char *)buf, len + sizeof(*buf), 0));
}

static void mq_get(struct piece *p)
{
	received(p, mq_receive(mq, (char *)buf, bufsize, NULL));
}

static void mq_destroy(void)
{
	mq_unlink(MQ_NAME);
}

static void pair_create(size_t biggest)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		err(1, "socketpair");
	buf_create(biggest + sizeof(*buf));
}

static void pair_attach(void)
{
	close(pair[0]);
}

static int pair_ship(uint64_t index, int fd, size_t len)
{
	load(index, fd, len);
	return sent(send(pair[0], buf, len + sizeof(*buf), MSG_NOSIGNAL));
}

static void pair_get(struct piece *p)
{
	received(p, recv(pair[1], buf, bufsize, 0));
}

static void pair_destroy(void)
{
	close(pair[0]);
	close(pair[1]);
}

const struct way ways[] = {
	{ "ipcx", 0, ipcx_create, ipcx_attach, ipcx_ship, ipcx_get, ipcx_destroy },
	{ "mq", 2, mq_small, mq_attach, mq_ship, mq_get, mq_destroy },
	{ "mq-root", 2, mq_large, mq_attach, mq_ship, mq_get, mq_destroy },
	{ "seqpacket", 2, pair_create, pair_attach, pair_ship, pair_get, pair_destroy },
	{}
};
