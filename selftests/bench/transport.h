/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_BENCH_TRANSPORT_H
#define IPCX_BENCH_TRANSPORT_H

#include <ipcx.h>
#include <mqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH 32 /* messages a call, for "ipcx, batch" */

/**
 * struct chan - one direction between two processes, for messages of one length
 * @name: its name, where it needs one
 * @len: length of each message
 * @full: every word of a message is written and checked, not the first alone
 * @buf: the message, for transports that copy it
 * @flush: a batch ends before this message even when it is not full
 * @q: ipcx queue
 * @t: ipcx topic
 * @m: ipcx: the messages on loan, or taken
 * @have: ipcx: how many of @m
 * @done: ipcx: how many of these were written, or read
 * @mq: POSIX
 * @fd: pipe: read and write end; socket: receiver's and sender's
 */
struct chan {
	char name[32];
	size_t len;
	bool full;
	uint64_t *buf;
	uint64_t flush;
	struct ipcx_queue *q;
	struct ipcx_topic *t;
	struct ipcx_msg m[BATCH];
	int have, done;
	mqd_t mq;
	int fd[2];
};

/**
 * struct transport - a way to carry messages; all functions end the process on errors
 * @name: for the table
 * @depth: messages it holds, 0 where that is not a number of messages
 * @answers: it can carry a message and then wait for the answer
 * @create: makes a channel, before the fork, as its sender or its receiver
 * @attach: joins it as the other, after the fork
 * @send: sends the message number @seq; NULL: it carries only what is answered
 * @recv: receives a message and checks that it is number @seq, of the right length
 * @destroy: removes it, in the process that made it
 * @call: sends the request number @seq, receives the answer and checks it; NULL: both are
 *	messages, each over a channel of its own
 * @serve: answers the request before number @seq, if that is not the first, and receives
 *	this one; answers it too if it is the @last
 */
struct transport {
	const char *name;
	unsigned int depth;
	bool answers;
	void (*create)(struct chan *c, unsigned int depth, bool sender);
	void (*attach)(struct chan *c, bool sender);
	void (*send)(struct chan *c, uint64_t seq);
	void (*recv)(struct chan *c, uint64_t seq);
	void (*destroy)(struct chan *c);
	void (*call)(struct chan *c, uint64_t seq);
	void (*serve)(struct chan *c, uint64_t seq, bool last);
};

enum {
	IPCX,
	IPCX_NEXT,
	IPCX_PREFETCH,
	IPCX_SEND_AHEAD,
	IPCX_BATCH,
	IPCX_SEALED_NEXT,
	IPCX_COPY,
	IPCX_CALL,
	IPCX_TOPIC,
	IPCX_TOPIC_DEEP,
	MQ,
	MQ_SAME,
	MQ_MAX,
	PIPE,
	SEQPACKET,
	TRANSPORTS
};

extern const struct transport transports[];

/* alone.c: Return: whether the targets are met */
bool alone(bool json);

#endif /* IPCX_BENCH_TRANSPORT_H */
