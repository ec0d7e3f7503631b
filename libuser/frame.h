/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A message in memory, and its form on the way: frames, each a head of IPCX_FRAME_SIZE bytes and
 * a part of the payload. A message of several frames has them one behind the other, in order.
 *
 * What arrives is believed only after ipcx_frame_unpack() and ipcx_assemble_end().
 */
#ifndef IPCX_FRAME_H
#define IPCX_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <sys/types.h>

#include "internal.h"

#define IPCX_FRAME_SIZE 80

enum ipcx_frame_kind {
	IPCX_FRAME_MESSAGE = 1,
	IPCX_FRAME_REQUEST, /* its sender waits for one of the next two */
	IPCX_FRAME_REPLY,
	IPCX_FRAME_ERROR, /* nobody replied; flags says why */
	/* of topics, where a message has one frame, and its number as id */
	IPCX_FRAME_HANDED, /* a message whose payload is in a descriptor beside it */
	IPCX_FRAME_SEEN, /* those with a lower number are released */
	IPCX_FRAME_CUT /* no more comes: who receives was too slow */
};

/**
 * struct ipcx_head - what a frame says before its payload
 * @kind: enum ipcx_frame_kind
 * @prio: 0..31
 * @flags: of an answer: IPCX_CANCELED and the like
 * @deliveries: how often it was taken before and came back
 * @mailbox: of a request: where its answer goes, for transports that need it
 * @chunk: bytes of payload in this frame
 * @len: of the whole message
 * @offset: of the chunk in it
 * @id: of the message, given by its sender
 * @tag: the application's word
 * @call: of a request, and again of its answer
 * @expires: 0 is never
 */
struct ipcx_head {
	uint8_t kind, prio;
	uint16_t flags;
	uint32_t deliveries, mailbox, chunk;
	uint64_t len, offset, id, tag, call;
	int64_t expires;
};

/**
 * struct ipcx_buffer - a message in memory
 * @next: in a list
 * @number: of the loan or lease, never used again by its handle
 * @peer: the connection that it came over
 * @deadline: of a loan
 * @state: what its handle holds it for, copied.c
 * @fd: the mailbox of its caller, or -1
 * @pid: of its sender, -1 if not verified
 * @uid: likewise
 * @gid: likewise
 * @seq: as in ipcx_msg
 * @room: bytes at @data that its user may have
 * @size: bytes at @data
 * @head: what it is
 * @wire: room for the head of one frame, just before the payload
 * @data: the payload
 */
struct ipcx_buffer {
	struct ipcx_buffer *next;
	uint64_t number, peer;
	int64_t deadline;
	int state, fd;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t seq;
	size_t room, size;
	struct ipcx_head head;
	char wire[IPCX_FRAME_SIZE] __attribute__((aligned(16)));
	char data[];
};

struct ipcx_buffer *ipcx_buffer_alloc(size_t len);
void ipcx_buffer_free(struct ipcx_buffer *b); /* or NULL */

#define IPCX_KEPT_MAX 16384 /* bytes of a buffer that waits for its next use */

ipcx_hot struct ipcx_buffer *ipcx_buffer_init(struct ipcx_buffer *b, size_t len, size_t size)
{
	b->next = NULL;
	b->number = 0;
	b->peer = 0;
	b->deadline = 0;
	b->state = 0;
	b->seq = 0;
	b->head = (struct ipcx_head){ 0 };
	b->room = len;
	b->size = size;
	b->fd = -1;
	b->pid = -1;
	b->uid = -1;
	b->gid = -1;
	return b;
}

/* Puts @b where one is kept. Return: what was there. */
ipcx_hot struct ipcx_buffer *ipcx_buffer_swap(struct ipcx_buffer **kept, struct ipcx_buffer *b)
{
	struct ipcx_buffer *before;

	if (!__libc_single_threaded)
		return __atomic_exchange_n(kept, b, __ATOMIC_ACQ_REL);
	before = *kept;
	*kept = b;
	return before;
}

/*
 * The same by way of *@kept, where one short buffer waits for its next use, or NULL. From any
 * thread.
 */
ipcx_hot struct ipcx_buffer *ipcx_buffer_get(struct ipcx_buffer **kept, size_t len)
{
	struct ipcx_buffer *b;

	b = kept && len <= IPCX_KEPT_MAX ? ipcx_buffer_swap(kept, NULL) : NULL;
	if (b && b->size >= len)
		return ipcx_buffer_init(b, len, b->size);
	free(b);
	return ipcx_buffer_alloc(len);
}

ipcx_hot void ipcx_buffer_put(struct ipcx_buffer **kept, struct ipcx_buffer *b)
{
	if (b && kept && b->size <= IPCX_KEPT_MAX && b->fd < 0)
		b = ipcx_buffer_swap(kept, b);
	if (b)
		ipcx_buffer_free(b);
}

/* @sum: with a checksum of the payload too, where the mechanism does not vouch for it */
void ipcx_frame_pack(char wire[IPCX_FRAME_SIZE], const struct ipcx_head *h, const void *chunk,
		     bool sum);

/* Return: 0, -EPROTO if this is no frame of a queue, or -EMSGSIZE. */
int ipcx_frame_unpack(struct ipcx_head *h, const char wire[IPCX_FRAME_SIZE], uint64_t msg_max);

/* The same of a topic: a message, all of it, or one of the last three kinds */
int ipcx_frame_unpack_topic(struct ipcx_head *h, const char wire[IPCX_FRAME_SIZE],
			    uint64_t msg_max);

/**
 * struct ipcx_assembly - a message of which not all is here
 * @b: it, or NULL
 * @kept: where there may be a buffer for the next; or NULL
 * @have: bytes of it
 */
struct ipcx_assembly {
	struct ipcx_buffer *b, **kept;
	uint64_t have;
};

/*
 * Where the chunk of @h belongs. What is left of a message that this one does not continue is
 * torn, and dropped: @torn is counted up. Return: 0, -EPROTO if it continues nothing, -ENOMEM.
 */
int ipcx_assemble_begin(struct ipcx_assembly *a, const struct ipcx_head *h, char **to,
			uint64_t *torn);

/* The chunk is there. Return: the message if it is whole, else NULL; *@err is 0 or -EBADMSG. */
struct ipcx_buffer *ipcx_assemble_end(struct ipcx_assembly *a, const struct ipcx_head *h,
				      const char wire[IPCX_FRAME_SIZE], int *err);

/* Forgets what is not whole. Return: whether there was any. */
bool ipcx_assemble_drop(struct ipcx_assembly *a);

#endif /* IPCX_FRAME_H */
