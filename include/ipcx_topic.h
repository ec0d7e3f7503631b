/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libipcx: topics, where each message goes to everybody who subscribes. Part of ipcx.h, which says
 * what all functions have in common.
 *
 * Each publisher writes its messages in a ring of its own, each subscriber reads those of all
 * publishers. While both sides are awake no function here makes a system call, but for a message
 * that needs more memory than its place in the ring had before. That is so with the kernel module
 * and, for processes of one user, without: ipcx(7) tells what is different then. Topics over UNIX
 * sockets copy.
 */
#ifndef IPCX_TOPIC_H
#define IPCX_TOPIC_H

#include "ipcx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of ipcx_topic_open(), with CREATE, EXCL, EPHEMERAL, SINGLE_THREAD and INHERIT of ipcx.h */
#define IPCX_PUBLISH		(1U << 6)	/* loan, commit, cancel, send */
#define IPCX_SUBSCRIBE		(1U << 7)	/* take, release, next, recv */
#define IPCX_LOSSY		(1U << 8)	/* with SUBSCRIBE: publishers do not wait for it */
#define IPCX_OPEN_RELIABLE	(1U << 9)	/* with CREATE: LOSSY is never a must */

/* ipcx_topic_caps(): the IPCX_CAP_* of queues, where ZERO_COPY is from 105 bytes on, and */
#define IPCX_CAP_FAN_OUT	(1ULL << 13)	/* each message to all receivers */
#define IPCX_CAP_HISTORY	(1ULL << 14)	/* who comes late may get the last messages */
#define IPCX_CAP_DURABLE	(1ULL << 15)	/* subscriptions that stay when their holder goes */

struct ipcx_topic;

/**
 * struct ipcx_topic_opts - attributes of a topic
 * @sz: sizeof(struct ipcx_topic_opts); declare with IPCX_TOPIC_OPTS()
 * @require: IPCX_CAP_* that must be enforced, or open fails with -EOPNOTSUPP
 * @mode: permission bits, read is subscribe and write is publish; 0 is 0600. The umask
 *	is not applied
 * @depth: messages that each publisher's ring holds, a power of two in 8..65536; 0 is 64
 * @lag_max: a subscriber that is not lossy is cut off by a publisher that it is so many messages
 *	behind, 1..@depth; 0: the publisher waits for it
 * @history: of this handle: it subscribes to so many of the last messages of each publisher
 *	too, as far as they are still there
 * @msg_max: longest message in bytes, 0 for the default (1 MiB)
 * @bytes_max: bytes of payload of each ring, whole pages, at least @msg_max; 0 for the
 *	default (@depth times @msg_max, at most 256 MiB)
 * @first: position at which each ring begins, below 2^62; 0 but in tests
 * @durable: of this handle: name of a subscription that stays when the handle goes, or NULL.
 *	It is made if there is none; who opens it next goes on behind what was released, and
 *	until then publishers wait, as for each that is not lossy
 *
 * All but @require, @history and @durable count only for the one who creates the topic; read what
 * an existing one has with ipcx_topic_attr().
 */
struct ipcx_topic_opts {
	size_t sz;
	uint64_t require;
	uint32_t mode;
	uint32_t depth;
	uint32_t lag_max;
	uint32_t history;
	uint64_t msg_max;
	uint64_t bytes_max;
	uint64_t first;
	const char *durable;
};

#define IPCX_TOPIC_OPTS(name, ...) struct ipcx_topic_opts name = { .sz = sizeof(name), __VA_ARGS__ }

/**
 * struct ipcx_topic_attr - what a topic is
 * @sz: sizeof(struct ipcx_topic_attr), set by the caller
 * @id: its number on this machine, never used again
 * @msg_max: longest message, bytes
 * @bytes_max: bytes of payload of each ring
 * @first: position at which each ring begins
 * @depth: messages that each ring holds
 * @lag_max: how far behind a subscriber that is not lossy may be, 0 for no limit
 * @mode: permission bits
 * @uid: its owner
 * @gid: its group
 * @flags: IPCX_EPHEMERAL if it goes with its last member, IPCX_OPEN_RELIABLE if it has that
 */
struct ipcx_topic_attr {
	size_t sz;
	uint64_t id;
	uint64_t msg_max;
	uint64_t bytes_max;
	uint64_t first;
	uint32_t depth;
	uint32_t lag_max;
	uint32_t mode;
	uid_t uid;
	gid_t gid;
	uint32_t flags;
};

/**
 * ipcx_topic_open() - become a member of a topic
 * @t: set to the new handle
 * @uri: as for ipcx_queue_open()
 * @flags: IPCX_CREATE, IPCX_EXCL, IPCX_EPHEMERAL, IPCX_OPEN_RELIABLE, IPCX_LOSSY,
 *	IPCX_SINGLE_THREAD, IPCX_INHERIT, and at least one of IPCX_PUBLISH and IPCX_SUBSCRIBE
 * @opts: attributes, or NULL for the defaults
 *
 * Publishers wait for a subscriber that is not lossy, or cut it off when it is lag_max behind; a
 * lossy one misses what it is too slow for. Who may not publish has to be lossy, unless the topic
 * has IPCX_OPEN_RELIABLE. A handle that does both gets its own messages too.
 *
 * With IPCX_SINGLE_THREAD no lock is taken: one thread at a time may use the handle. If two do
 * all the same, what it knows is destroyed; nobody else is hurt. fork() uses it if it has
 * IPCX_INHERIT too.
 *
 * With IPCX_INHERIT a forked child goes on with the handle in the place of its parent: one of
 * them may use it at a time, and the other one must only close it.
 *
 * Return: 0, or
 * -EACCES      the topic's mode does not let you, or not without IPCX_LOSSY; you may not
 *              open /dev/ipcx; over "shm" and "unix" a file is another user's; over "shm" no
 *              member is found
 * -EADDRINUSE  over "unix": a stranger has put a file in the place of the socket
 * -EBUSY       somebody has the durable subscription open
 * -EDQUOT      your limit on queues and topics, or on bytes, is reached
 * -EEXIST      IPCX_EXCL and there is one already
 * -EFBIG       over "shm": more memory than a file may have
 * -EINVAL      a flag, a name or an option outside its range
 * -ELOOP       over "shm" and "unix": a symbolic link
 * -EMFILE      too many open files
 * -ENODEV      the transport is not there: for the kernel, the module is not loaded
 * -ENOENT      no such topic, and no IPCX_CREATE
 * -ENOMEM      no memory, or the memory cgroup's limit is reached
 * -ENOSPC      63 publishers or 128 subscribers, half as many if the topic is not yours
 * -EOPNOTSUPP  an unknown flag, transport or option; or a required capability that is not
 *              enforced
 * -EPROTO      over "shm" and "unix": somebody has written over the file of the topic
 * -EPROTOTYPE  the name stands for something that is not a topic
 */
int ipcx_topic_open(struct ipcx_topic **t, const char *uri, unsigned int flags,
		    const struct ipcx_topic_opts *opts);

/**
 * ipcx_topic_close() - be a member no more
 * @t: the handle, or NULL
 *
 * Loans are cancelled. What was committed stays for subscribers that have not read it. Pointers
 * into messages of this handle become invalid.
 */
void ipcx_topic_close(struct ipcx_topic *t);

/**
 * ipcx_topic_fd() - the descriptor to poll
 * @t: the topic
 *
 * Readable when a take would succeed; writable when a loan would. Works level- and
 * edge-triggered; in either case one message may be taken each time; over "shm" readable until
 * there was nothing, and never writable; over "unix" never writable, that of a publisher readable
 * after a loan has failed. Belongs to the handle: do not close it. There is no read(2) and no
 * write(2).
 *
 * Return: the descriptor.
 */
int ipcx_topic_fd(const struct ipcx_topic *t);

/**
 * ipcx_topic_caps() - what is enforced, not hoped for
 * @t: the topic
 *
 * Return: IPCX_CAP_* bits.
 */
uint64_t ipcx_topic_caps(const struct ipcx_topic *t);

/**
 * ipcx_topic_attr() - read what the topic is
 * @t: the topic
 * @attr: filled up to attr->sz bytes
 *
 * Return: 0, or -EINVAL if attr->sz is not set.
 */
int ipcx_topic_attr(const struct ipcx_topic *t, struct ipcx_topic_attr *attr);

/**
 * ipcx_topic_loan() - get the next place in the ring to write a message into
 * @t: the topic, opened with IPCX_PUBLISH
 * @len: bytes needed, 0..msg_max
 * @m: filled: data, len; tag is 0, and the only other member that counts
 * @deadline: how long to wait for subscribers that are not lossy
 *
 * Messages are seen in the order of their loans: one that is not committed or cancelled holds
 * those back that were loaned after it.
 *
 * Return: 0, or
 * -EACCES     over "unix": a subscriber cannot be connected to
 * -EAGAIN     no room, and @deadline is IPCX_NOWAIT
 * -EBUSY      the place is still on loan, for a message that is depth messages older
 * -EDQUOT     your limit on bytes is reached
 * -EINTR      a signal came while waiting
 * -EINVAL     @deadline is negative
 * -EMFILE     over "unix": no descriptor for one more subscriber, or for a long message
 * -EMSGSIZE   @len is larger than the topic's msg_max
 * -ENOBUFS    bytes_max of the ring is reached
 * -ENOMEM     no memory, or the memory cgroup's limit is reached
 * -ENOTCONN   others took this member for dead, over "shm": close the topic and open it again
 * -EPERM      the topic was not opened with IPCX_PUBLISH
 * -ETIMEDOUT  still no room at @deadline
 */
int ipcx_topic_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_topic_commit() - publish the message in a place on loan
 * @t: the topic
 * @m: the loan; len may have been made smaller, tag set
 *
 * Never blocks. Do not touch m->data afterwards.
 *
 * Return: 0, or
 * -EMFILE    over "unix": a long message's memory is in use, and no descriptor for a copy
 * -EMSGSIZE  len is larger than what was loaned
 * -ENOMEM    over "unix": a long message's memory is in use, and there is none for a copy
 * -EPERM     not a loan of this handle, or already committed
 */
int ipcx_topic_commit(struct ipcx_topic *t, struct ipcx_msg *m);

/**
 * ipcx_topic_cancel() - publish nothing in a place on loan
 * @t: the topic
 * @m: the loan
 *
 * Never blocks.
 *
 * Return: 0, or -EPERM if it is not a loan of this handle.
 */
int ipcx_topic_cancel(struct ipcx_topic *t, struct ipcx_msg *m);

/**
 * ipcx_topic_take() - receive a message where it lies
 * @t: the topic, opened with IPCX_SUBSCRIBE
 * @m: filled; seq is its number among those of its publisher, in 32 bits
 * @deadline: how long to wait while there is none
 *
 * Those of one publisher come in order; publishers are taken from in turn. One that had sent
 * nothing waits for eight messages of others, or as many as there are publishers that send nothing,
 * and then, as long as none ends, for one of each at most. The message stays as it is until you
 * release it. What a publisher left when it ended is still received. -EPIPE and -EPROTO come once
 * for each publisher, from which nothing comes any more, and take nothing.
 *
 * Return: 0, or
 * -EAGAIN     nothing there, and @deadline is IPCX_NOWAIT
 * -EINTR      a signal came while waiting
 * -EINVAL     @deadline is negative
 * -EMFILE     this handle is lossy and holds 64 messages, or 4 of more than 104 bytes and the
 *             next one is so long too: release one; over "unix" no descriptor for a long one
 * -ENOMEM     the address space is too small for the ring of a publisher
 * -ENOTCONN   others took this member for dead, over "shm": close the topic and open it again
 * -EPERM      the topic was not opened with IPCX_SUBSCRIBE
 * -EPIPE      messages are lost: a publisher has cut this subscriber off, because it was lag_max
 *             behind, or what one had left made place for others
 * -EPROTO     what a publisher wrote contradicts itself, or it says so of this subscriber
 * -ETIMEDOUT  still nothing at @deadline
 */
int ipcx_topic_take(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_topic_release() - be done with a message
 * @t: the topic
 * @m: the message taken
 *
 * Never blocks. In any order; but a publisher waits for the oldest that is held. Do not touch
 * m->data afterwards.
 *
 * Return: 0, or -EPERM if it is not a message taken by this handle, or already released.
 */
int ipcx_topic_release(struct ipcx_topic *t, struct ipcx_msg *m);

/**
 * ipcx_topic_next() - release the message held and take the next
 * @t: the topic
 * @m: a message taken, or all zero for the first call; filled
 * @deadline: how long to wait while there is none
 *
 * When nothing is taken the old message is released all the same and @m is all zero, so that the
 * call can be repeated.
 *
 * Return: as ipcx_topic_release() and ipcx_topic_take().
 */
int ipcx_topic_next(struct ipcx_topic *t, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_topic_send() - publish a copy of a buffer
 * @t: the topic
 * @buf: the message
 * @len: its length, 0..msg_max
 * @deadline: how long to wait for subscribers that are not lossy
 *
 * Return: 0, or as ipcx_topic_loan().
 */
int ipcx_topic_send(struct ipcx_topic *t, const void *buf, size_t len, int64_t deadline);

/**
 * ipcx_topic_recv() - receive a copy of a message
 * @t: the topic
 * @buf: where to copy it
 * @cap: bytes of @buf
 * @deadline: how long to wait while there is none
 *
 * Return: the message's length, or -EMSGSIZE if it is longer than @cap (it is there for the next
 * call, though poll does not tell), or as ipcx_topic_take().
 */
ssize_t ipcx_topic_recv(struct ipcx_topic *t, void *buf, size_t cap, int64_t deadline);

/**
 * ipcx_topic_missed() - how many messages this subscriber missed
 * @t: the topic
 *
 * Exact for each publisher between the first and the last message taken from it. What a publisher
 * that died had loaned and not committed counts, for reliable subscribers too.
 *
 * Return: their number since the handle was opened.
 */
uint64_t ipcx_topic_missed(struct ipcx_topic *t);

/**
 * ipcx_topic_forget() - end a durable subscription that nobody has open
 * @t: a handle of the topic
 * @durable: its name
 *
 * What it has not released is lost to it, and no publisher waits for it any more.
 *
 * Return: 0, or
 * -EACCES      it is another user's, and you neither own the topic nor have CAP_IPC_OWNER
 * -EBADF       @t is closed in this process, because it was forked
 * -EBUSY       somebody has it open
 * -EINVAL      not a name
 * -ENOENT      the topic has no such subscription
 * -EOPNOTSUPP  the transport has none
 */
int ipcx_topic_forget(struct ipcx_topic *t, const char *durable);

/**
 * ipcx_topic_unlink() - take a topic's name away
 * @uri: as for ipcx_topic_open()
 *
 * Its members go on; it is gone with the last of them.
 *
 * Return: 0, or
 * -EACCES      you are neither its owner nor have CAP_IPC_OWNER
 * -EINVAL      not a name
 * -ELOOP       over "shm" and "unix": a symbolic link
 * -ENODEV      the transport is not there
 * -ENOENT      no such topic
 * -EOPNOTSUPP  an unknown transport
 * -EPROTOTYPE  the name stands for something that is not a topic
 */
int ipcx_topic_unlink(const char *uri);

#ifdef __cplusplus
}
#endif

#endif /* IPCX_TOPIC_H */
