// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is measured: ipcx queues and the kernel's own ways of one process to another.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport.h"

static void must(int ret)
{
	if (ret)
		errx(1, "%s", ipcx_error());
}

static void fill(const struct chan *c, uint64_t *to, uint64_t seq)
{
	size_t i, words = c->full ? c->len / sizeof(*to) : 1;

	for (i = 0; i < words; i++)
		to[i] = seq;
}

static void check(const struct chan *c, const uint64_t *from, ssize_t len, uint64_t seq)
{
	size_t i, words = c->full ? c->len / sizeof(*from) : 1;
	uint64_t wrong = 0;

	if (len < 0)
		err(1, "receive");
	if ((size_t)len != c->len)
		errx(1, "message %ju has %zd bytes, not %zu", (uintmax_t)seq, len, c->len);
	for (i = 0; i < words; i++)
		wrong |= from[i] ^ seq;
	if (wrong)
		errx(1, "message %ju is not that one", (uintmax_t)seq);
}

static void sent(const struct chan *c, ssize_t n)
{
	if (n < 0)
		err(1, "send");
	if ((size_t)n != c->len)
		errx(1, "%zd bytes were sent, not %zu", n, c->len);
}

static void make(struct chan *c, unsigned int depth, unsigned int flags)
{
	IPCX_QUEUE_OPTS(opts, .depth = depth);

	must(ipcx_queue_open(&c->q, c->name, IPCX_CREATE | IPCX_EXCL | flags, &opts));
}

static void queue_create(struct chan *c, unsigned int depth, bool sender)
{
	make(c, depth, sender ? IPCX_SEND : IPCX_RECV);
}

static void sealed_create(struct chan *c, unsigned int depth, bool sender)
{
	make(c, depth, IPCX_SEALED | (sender ? IPCX_SEND : IPCX_RECV));
}

static void queue_attach(struct chan *c, bool sender)
{
	must(ipcx_queue_open(&c->q, c->name, sender ? IPCX_SEND : IPCX_RECV, NULL));
}

static void ahead_attach(struct chan *c, bool sender)
{
	IPCX_QUEUE_OPTS(opts, .prefetch = 16);

	must(ipcx_queue_open(&c->q, c->name, sender ? IPCX_SEND : IPCX_RECV, &opts));
}

static void queue_send(struct chan *c, uint64_t seq)
{
	struct ipcx_msg m;

	must(ipcx_queue_loan(c->q, c->len, &m, IPCX_FOREVER));
	fill(c, m.data, seq);
	must(ipcx_queue_commit(c->q, &m));
}

static void queue_recv(struct chan *c, uint64_t seq)
{
	struct ipcx_msg m;

	must(ipcx_queue_take(c->q, &m, IPCX_FOREVER));
	check(c, m.data, m.len, seq);
	must(ipcx_queue_release(c->q, &m));
}

static void queue_next(struct chan *c, uint64_t seq)
{
	must(ipcx_queue_next(c->q, c->m, IPCX_FOREVER));
	check(c, c->m[0].data, c->m[0].len, seq);
}

static void copy_send(struct chan *c, uint64_t seq)
{
	fill(c, c->buf, seq);
	must(ipcx_queue_send(c->q, c->buf, c->len, IPCX_FOREVER));
}

/* As who must not look at memory that a sender can still change, and has no sealed queue. */
static void copy_recv(struct chan *c, uint64_t seq)
{
	check(c, c->buf, ipcx_queue_recv(c->q, c->buf, c->len, IPCX_FOREVER), seq);
}

static void call(struct chan *c, uint64_t seq)
{
	struct ipcx_msg request;

	must(ipcx_queue_loan(c->q, c->len, &request, IPCX_FOREVER));
	fill(c, request.data, seq);
	must(ipcx_queue_call(c->q, &request, c->m, IPCX_FOREVER));
	check(c, c->m[0].data, c->m[0].len, seq);
}

static void serve(struct chan *c, uint64_t seq, bool last)
{
	struct ipcx_msg *request = &c->m[0], *answer = &c->m[1];

	answer->data = c->buf;
	answer->len = c->len;
	must(ipcx_queue_reply_next(c->q, request, answer, IPCX_FOREVER));
	check(c, request->data, request->len, seq);
	fill(c, c->buf, seq);
	if (last)
		must(ipcx_queue_reply(c->q, request, answer));
}

static void all(int ret, int n)
{
	if (ret != n)
		errx(1, "%d of %d: %s", ret, n, ret < 0 ? ipcx_error() : "not all at once");
}

static int some(int ret)
{
	must(ret < 0 ? ret : 0);
	return ret;
}

static void batch_send(struct chan *c, uint64_t seq)
{
	if (!c->have)
		c->have = some(ipcx_queue_loan_n(c->q, c->len, c->m, BATCH, IPCX_FOREVER));
	fill(c, c->m[c->done].data, seq);
	if (++c->done < c->have && seq + 1 != c->flush)
		return;
	all(ipcx_queue_commit_n(c->q, c->m, c->done), c->done);
	c->have = 0;
	c->done = 0;
}

static void batch_recv(struct chan *c, uint64_t seq)
{
	if (!c->have)
		c->have = some(ipcx_queue_take_n(c->q, c->m, BATCH, IPCX_FOREVER));
	check(c, c->m[c->done].data, c->m[c->done].len, seq);
	if (++c->done < c->have)
		return;
	all(ipcx_queue_release_n(c->q, c->m, c->done), c->done);
	c->have = 0;
	c->done = 0;
}

static void queue_destroy(struct chan *c)
{
	ipcx_queue_close(c->q);
	must(ipcx_queue_unlink(c->name));
}

static void topic_create(struct chan *c, unsigned int depth, bool sender)
{
	IPCX_TOPIC_OPTS(opts, .depth = depth);

	must(ipcx_topic_open(&c->t, c->name,
			     IPCX_CREATE | IPCX_EXCL | (sender ? IPCX_PUBLISH : IPCX_SUBSCRIBE),
			     &opts));
}

static void topic_attach(struct chan *c, bool sender)
{
	must(ipcx_topic_open(&c->t, c->name, sender ? IPCX_PUBLISH : IPCX_SUBSCRIBE, NULL));
}

static void topic_send(struct chan *c, uint64_t seq)
{
	struct ipcx_msg m;

	must(ipcx_topic_loan(c->t, c->len, &m, IPCX_FOREVER));
	fill(c, m.data, seq);
	must(ipcx_topic_commit(c->t, &m));
}

static void topic_recv(struct chan *c, uint64_t seq)
{
	must(ipcx_topic_next(c->t, c->m, IPCX_FOREVER));
	check(c, c->m[0].data, c->m[0].len, seq);
}

static void topic_destroy(struct chan *c)
{
	ipcx_topic_close(c->t);
	must(ipcx_topic_unlink(c->name));
}

static void mq_make(struct chan *c, unsigned int depth, bool sender)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct mq_attr attr = { .mq_maxmsg = depth, .mq_msgsize = c->len };

	setrlimit(RLIMIT_MSGQUEUE, &all);
	c->mq = mq_open(c->name, O_CREAT | O_EXCL | (sender ? O_WRONLY : O_RDONLY), 0600, &attr);
	if (c->mq < 0)
		err(1, "mq_open");
}

static void mq_join(struct chan *c, bool sender)
{
	mq_close(c->mq);
	c->mq = mq_open(c->name, sender ? O_WRONLY : O_RDONLY);
	if (c->mq < 0)
		err(1, "mq_open");
}

static void mq_put(struct chan *c, uint64_t seq)
{
	fill(c, c->buf, seq);
	if (mq_send(c->mq, (char *)c->buf, c->len, 0))
		err(1, "mq_send");
}

static void mq_get(struct chan *c, uint64_t seq)
{
	check(c, c->buf, mq_receive(c->mq, (char *)c->buf, c->len, NULL), seq);
}

static void mq_destroy(struct chan *c)
{
	mq_close(c->mq);
	mq_unlink(c->name);
}

static void pipe_create(struct chan *c, unsigned int depth, bool sender)
{
	(void)depth;
	(void)sender;
	if (pipe(c->fd))
		err(1, "pipe");
}

static void seq_create(struct chan *c, unsigned int depth, bool sender)
{
	(void)depth;
	(void)sender;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c->fd))
		err(1, "socketpair");
}

static void fd_attach(struct chan *c, bool sender)
{
	(void)c;
	(void)sender;
}

static void fd_send(struct chan *c, uint64_t seq)
{
	fill(c, c->buf, seq);
	sent(c, write(c->fd[1], c->buf, c->len));
}

/* A pipe gives what it has; a socket the whole message. */
static void fd_recv(struct chan *c, uint64_t seq)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = read(c->fd[0], (char *)c->buf + got, c->len - got);
		if (n <= 0)
			err(1, "read");
		got += n;
	} while (got < c->len);
	check(c, c->buf, got, seq);
}

static void seq_recv(struct chan *c, uint64_t seq)
{
	check(c, c->buf, recv(c->fd[0], c->buf, c->len, MSG_TRUNC), seq);
}

static void fd_destroy(struct chan *c)
{
	close(c->fd[0]);
	close(c->fd[1]);
}

const struct transport transports[] = {
	[IPCX] = { "ipcx", 64, true, queue_create, queue_attach, queue_send, queue_recv,
		   queue_destroy },
	[IPCX_NEXT] = { "ipcx, next", 64, true, queue_create, queue_attach, queue_send, queue_next,
			queue_destroy },
	[IPCX_PREFETCH] = { "ipcx, prefetch 16", 64, false, queue_create, ahead_attach, queue_send,
			    queue_next, queue_destroy },
	[IPCX_SEND_AHEAD] = { "ipcx, send, pref. 16", 64, false, queue_create, ahead_attach,
			      copy_send, queue_next, queue_destroy },
	[IPCX_BATCH] = { "ipcx, batches of 32", 64, false, queue_create, queue_attach, batch_send,
			 batch_recv, queue_destroy },
	[IPCX_SEALED_NEXT] = { "ipcx, sealed, next", 64, true, sealed_create, queue_attach,
			       queue_send, queue_next, queue_destroy },
	[IPCX_COPY] = { "ipcx, copied", 64, true, queue_create, queue_attach, copy_send, copy_recv,
			queue_destroy },
	[IPCX_CALL] = { "ipcx, call", 64, true, queue_create, queue_attach, .call = call,
			.serve = serve, .destroy = queue_destroy },
	[IPCX_TOPIC] = { "ipcx topic", 64, true, topic_create, topic_attach, topic_send, topic_recv,
			 topic_destroy },
	[IPCX_TOPIC_DEEP] = { "ipcx topic", 4096, false, topic_create, topic_attach, topic_send,
			      topic_recv, topic_destroy },
	[MQ] = { "POSIX mq", 10, true, mq_make, mq_join, mq_put, mq_get, mq_destroy },
	[MQ_SAME] = { "POSIX mq", 64, true, mq_make, mq_join, mq_put, mq_get, mq_destroy },
	[MQ_MAX] = { "POSIX mq", 65536, true, mq_make, mq_join, mq_put, mq_get, mq_destroy },
	[PIPE] = { "pipe", 0, true, pipe_create, fd_attach, fd_send, fd_recv, fd_destroy },
	[SEQPACKET] = { "seqpacket", 0, true, seq_create, fd_attach, fd_send, seq_recv,
			fd_destroy },
};
