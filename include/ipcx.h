/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libipcx: messages that are not copied.
 *
 * A sender loans a slot, writes its message there and commits it; a receiver
 * takes it, reads it where it lies and releases it. A message that was taken
 * and not released is delivered again when its receiver dies.
 *
 * Every function that returns int or ssize_t returns a negative errno on
 * failure and sets errno too; ipcx_error() then says in words what was wrong.
 * Sizes are bytes. Times are absolute CLOCK_MONOTONIC nanoseconds, or
 * IPCX_NOWAIT, or IPCX_FOREVER. All functions may be called from any thread;
 * a queue or topic must not be used while another thread closes it.
 *
 * In a child made by fork() a queue or topic opened without IPCX_INHERIT is closed:
 * sending and receiving fail with -EBADF there, closing it works.
 *
 * A queue's handle can be revoked by the queue's owner, see "ipcx revoke": from then on all
 * fail with -ESTALE, closing it works.
 */
#ifndef IPCX_H
#define IPCX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IPCX_NOWAIT	((int64_t)0)	/* would block: -EAGAIN */
#define IPCX_FOREVER	INT64_MAX	/* no deadline */

/* Flags of ipcx_queue_open() */
#define IPCX_CREATE	(1U << 0)	/* create it if there is none */
#define IPCX_EXCL	(1U << 1)	/* with CREATE: -EEXIST if there is one */
#define IPCX_SEND	(1U << 2)	/* loan, commit, cancel, send */
#define IPCX_RECV	(1U << 3)	/* take, release, nack, next, recv */
#define IPCX_EPHEMERAL	(1U << 4)	/* with CREATE: the last close unlinks */
#define IPCX_SEALED	(1U << 5)	/* with CREATE: no sender can change what it sent */
#define IPCX_SINGLE_THREAD (1U << 12)	/* only one thread uses the handle: no lock is taken */
#define IPCX_INHERIT	(1U << 31)	/* forked children keep it; default: closed in them */

/* What a transport enforces, ipcx_queue_caps() */
#define IPCX_CAP_ZERO_COPY	(1ULL << 0)	/* longer than 64 bytes: never copied on its way */
#define IPCX_CAP_REDELIVERY	(1ULL << 1)	/* a dead receiver's messages come back */
#define IPCX_CAP_RECLAIM	(1ULL << 2)	/* a dead sender's slots come back */
#define IPCX_CAP_IDENTITY	(1ULL << 3)	/* pid, uid, gid of a message are verified */
#define IPCX_CAP_WALLS		(1ULL << 4)	/* receivers cannot write, senders cannot read */
#define IPCX_CAP_ACCOUNTING	(1ULL << 5)	/* payload is charged; exhaustion is an errno */
#define IPCX_CAP_PRIORITY	(1ULL << 6)	/* higher priorities are taken first */
#define IPCX_CAP_MANY_SENDERS	(1ULL << 7)
#define IPCX_CAP_MANY_RECEIVERS	(1ULL << 8)	/* each message to exactly one of them */
#define IPCX_CAP_POLL		(1ULL << 9)	/* ipcx_queue_fd() works with poll and epoll */
#define IPCX_CAP_PERSISTENT	(1ULL << 10)	/* messages wait while nobody has it open */
#define IPCX_CAP_SEALED		(1ULL << 11)	/* nobody can change a message that was sent */
#define IPCX_CAP_CALL		(1ULL << 12)	/* requests and replies */

struct ipcx_queue;

/**
 * struct ipcx_msg - a message, or a slot on loan for one
 * @data: the payload: writable after a loan, read-only after a take; NULL when
 *	@len is 0
 * @len: its length in bytes; may be made smaller between loan and commit
 * @prio: 0..31, higher is taken first; 0 after a loan
 * @flags: 0 after a loan; IPCX_REQUEST asks for an answer; for the other bits see
 *	below
 * @deliveries: how often it was taken before and came back
 * @pid: its sender's process, 0 when gone or not visible from here, -1 where
 *	the transport does not verify it
 * @uid: its sender's user
 * @gid: its sender's group
 * @seq: its number in its queue
 * @tag: the application's word, carried unchanged; 0 after a loan
 * @expires: when it is given up if nobody has taken it; 0, as after a loan, is
 *	never
 * @priv: the transport's; do not touch
 */
struct ipcx_msg {
	void *data;
	size_t len;
	uint32_t prio, flags, deliveries;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t seq, tag;
	int64_t expires;
	uint64_t priv[4];
};

/*
 * ipcx_msg.flags: why a message is in a dead-letter queue; or, of an answer without
 * payload, why nobody replied
 */
#define IPCX_POISON	(1U << 0)	/* taken max_deliveries times, came back each time */
#define IPCX_EXPIRED	(1U << 1)	/* not taken in time */
#define IPCX_CANCELED	(1U << 4)	/* released without a reply, or dropped */
#define IPCX_OWNERDEAD	(1U << 5)	/* the last receiver is gone */
/* and of a message that was sent with it: its sender waits for an answer */
#define IPCX_REQUEST	(1U << 2)

/* What a loan does when the queue is full */
enum ipcx_queue_policy {
	IPCX_BLOCK,		/* waits until its deadline */
	IPCX_FAIL,		/* -EAGAIN, whatever its deadline */
	IPCX_DROP_OLDEST,	/* drops the oldest message of the lowest priority, but not the
				 * only one of another user who has a sender
				 */
	IPCX_DROP_NEWEST	/* the commit drops what would leave no room for a loan */
};

/**
 * struct ipcx_queue_opts - attributes of a queue
 * @sz: sizeof(struct ipcx_queue_opts); declare with IPCX_QUEUE_OPTS()
 * @require: IPCX_CAP_* that the transport must enforce, or open fails with
 *	-EOPNOTSUPP
 * @depth: messages that the queue holds, 0 for the default (64)
 * @mode: permission bits, read is receive and write is send; 0 is 0600. The
 *	umask is not applied
 * @msg_max: longest message in bytes, 0 for the default (64 MiB)
 * @bytes_max: bytes of payload that the queue may hold, 0 for the default
 *	(256 MiB, or msg_max if that is larger)
 * @dead_letter: name of the queue that gets the messages that this one gives up;
 *	NULL: they are dropped. You must be allowed to send there, and are the
 *	sender of what arrives there. It must not have a dead-letter queue itself.
 *	Full or too small, it drops them
 * @max_deliveries: a message that was taken so often, and came back each time, is
 *	given up; 0 for no limit
 * @lease_ms: a message not released for so many milliseconds after it was taken
 *	comes back, 1..86,400,000; its holder may go on reading, and learns it by
 *	-ESTALE when it releases; 0 for no limit
 * @policy: when the queue is full, IPCX_BLOCK if not set
 * @leases_max: messages that one handle may hold, taken and not released; 0 for no
 *	limit
 * @prefetch: of this handle: messages that it takes by one system call, 2..64, and
 *	keeps in hand for the takes that follow; 0 and 1 take one. See ipcx_queue_take().
 *	Not with IPCX_INHERIT; from a queue with max_deliveries it takes one all the same
 *
 * All but @require and @prefetch count only for the one who creates the queue; read
 * what an existing one has with ipcx_queue_attr().
 */
struct ipcx_queue_opts {
	size_t sz;
	uint64_t require;
	uint32_t depth;
	uint32_t mode;
	uint64_t msg_max;
	uint64_t bytes_max;
	const char *dead_letter;
	uint32_t max_deliveries;
	uint32_t lease_ms;
	enum ipcx_queue_policy policy;
	uint32_t leases_max;
	uint32_t prefetch;
};

#define IPCX_QUEUE_OPTS(name, ...) struct ipcx_queue_opts name = { .sz = sizeof(name), __VA_ARGS__ }

/**
 * struct ipcx_queue_attr - what a queue is
 * @sz: sizeof(struct ipcx_queue_attr), set by the caller
 * @id: its number on this machine, never used again
 * @msg_max: longest message, bytes
 * @bytes_max: bytes of payload it may hold
 * @depth: messages it holds
 * @mode: permission bits
 * @uid: its owner
 * @gid: its group
 * @dead_letter: number of its dead-letter queue, 0 for none
 * @policy: when it is full
 * @max_deliveries: deliveries in vain after which it gives a message up, 0 for no
 *	limit
 * @lease_ms: after which a message that was taken comes back, 0 for no limit
 * @flags: IPCX_EPHEMERAL if it goes with its last user, IPCX_SEALED if it is
 * @leases_max: messages that one handle may hold, 0 for no limit
 */
struct ipcx_queue_attr {
	size_t sz;
	uint64_t id;
	uint64_t msg_max;
	uint64_t bytes_max;
	uint32_t depth;
	uint32_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t dead_letter;
	enum ipcx_queue_policy policy;
	uint32_t max_deliveries;
	uint32_t lease_ms;
	uint32_t flags;
	uint32_t leases_max;
};

/**
 * struct ipcx_queue_stats - what is in a queue, and what became of its messages
 * @sz: sizeof(struct ipcx_queue_stats), set by the caller
 * @sent: messages committed since the queue was made
 * @queued: of these, waiting
 * @leased: taken and not released yet
 * @released: done
 * @dropped_oldest: dropped to make room for others
 * @dropped_newest: dropped because there was no room
 * @expired: given up because nobody took them in time
 * @poison: given up because they came back too often
 * @redelivered: how often a message came back and was queued again
 * @dead_lettered: messages given up that the dead-letter queue took
 * @dead_letter_failed: messages given up that it could not take
 * @bytes: memory that the payload takes
 * @free: slots free
 * @loaned: slots being written
 * @senders: open ends that may send
 * @receivers: open ends that may receive
 * @withdrawn: requests that ended before anybody could answer them
 * @answers: answers that their callers have not taken or not released yet
 * @requests: slots kept free for replies
 * @damaged: what arrived and was no message, or only a part of one; not by the kernel
 *
 * All at one instant. sent is the sum of queued, leased, released, dropped_oldest,
 * dropped_newest, expired, poison and withdrawn, but for messages on their way from
 * one to another of these at that instant.
 */
struct ipcx_queue_stats {
	size_t sz;
	uint64_t sent, queued, leased, released;
	uint64_t dropped_oldest, dropped_newest, expired, poison;
	uint64_t redelivered, dead_lettered, dead_letter_failed;
	uint64_t bytes, free, loaned, senders, receivers;
	uint64_t withdrawn, answers, requests;
	uint64_t damaged;
};

/**
 * ipcx_queue_open() - open a queue
 * @q: set to the new handle
 * @uri: NAME, or TRANSPORT:REST; "kernel:NAME" is /dev/ipcx; "mq:NAME", "unix:NAME",
 *	"unix-stream:NAME", "fifo:NAME" or a /path for these three, "shm:NAME" and "tcp:HOST:PORT"
 *	need no module and promise less, see ipcx(7). A name has 1..255 bytes, no '/', and does
 *	not begin with '.'. NULL or "kernel:" with IPCX_CREATE makes a queue without a name, known
 *	only by its descriptor. A NAME takes the kernel if /dev/ipcx is there, else
 *	another that fits, which is said once on stderr unless IPCX_QUIET is set in the
 *	environment; IPCX_TRANSPORT there overrides the choice
 * @flags: IPCX_CREATE, IPCX_EXCL, IPCX_EPHEMERAL, IPCX_SEALED, IPCX_INHERIT, IPCX_SINGLE_THREAD,
 *	and at least one of IPCX_SEND and IPCX_RECV
 * @opts: attributes, or NULL for the defaults
 *
 * Return: 0, or
 * -EACCES      the queue's mode does not let you; or you may not open /dev/ipcx; or others
 *              could change what lies at the path
 * -EADDRNOTAVAIL  tcp: no such host
 * -EBUSY       somebody receives there already, and the transport has one receiver; or others have
 *              the FIFO open as one of another msg_max
 * -EDQUOT      your limit on queues or on bytes is reached
 * -EEXIST      IPCX_EXCL and there is one already
 * -EINVAL      a flag, a name or an option outside its range
 * -EMFILE      too many open files
 * -ELOOP       the dead-letter queue has a dead-letter queue itself; or the path is a symbolic link
 * -ENODEV      the transport is not there: for the kernel, the module is not loaded
 * -ENOENT      no such queue, and no IPCX_CREATE; or no such dead-letter queue
 * -ENOMEM      no memory, or the memory cgroup's limit is reached
 * -ENOSPC      IPCX_SEND, and each slot of the queue is kept for a sender of another
 *              user, or 1,024 users have senders or messages there; shm: 63 senders
 * -EOPNOTSUPP  an unknown flag, transport or option; or a required capability
 *              that this transport does not enforce
 * -EFBIG       shm: its memory is larger than a file may be
 * -EPROTO      shm: somebody has written over the file of the queue
 * -EPROTOTYPE  the name stands for something that is not a queue, or .NAME beside it does
 * -ESTALE      the handle was revoked at once, see above; a queue made for it is gone again
 */
int ipcx_queue_open(struct ipcx_queue **q, const char *uri, unsigned int flags,
		    const struct ipcx_queue_opts *opts);

/**
 * ipcx_queue_close() - close a queue
 * @q: the handle, or NULL
 *
 * Loans are given back, messages taken and not released go back to the front
 * of the queue, those in hand by opts.prefetch too. Pointers into slots of this
 * handle become invalid.
 */
void ipcx_queue_close(struct ipcx_queue *q);

/**
 * ipcx_queue_fd() - the descriptor to poll
 * @q: the queue
 *
 * Level-triggered: readable when a take would succeed or, if it may send,
 * ipcx_queue_answer(); writable when a loan of one page would. Belongs to the
 * handle: do not close it. read(2) takes, copies and releases one message;
 * write(2) sends one.
 *
 * Return: the descriptor.
 */
int ipcx_queue_fd(const struct ipcx_queue *q);

/**
 * ipcx_queue_caps() - what is enforced, not hoped for
 * @q: the queue
 *
 * Return: IPCX_CAP_* bits.
 */
uint64_t ipcx_queue_caps(const struct ipcx_queue *q);

/**
 * ipcx_queue_attr() - read what the queue is
 * @q: the queue
 * @attr: filled up to attr->sz bytes
 *
 * Return: 0, or -EINVAL if attr->sz is not set.
 */
int ipcx_queue_attr(const struct ipcx_queue *q, struct ipcx_queue_attr *attr);

/**
 * ipcx_queue_stat() - look what is in a queue and what became of its messages
 * @q: the queue
 * @stats: filled up to stats->sz bytes
 *
 * Return: 0, or -EINVAL if stats->sz is not set.
 */
int ipcx_queue_stat(const struct ipcx_queue *q, struct ipcx_queue_stats *stats);

/**
 * ipcx_queue_loan() - get an empty slot to write a message into
 * @q: the queue, opened with IPCX_SEND
 * @len: bytes needed, 0..msg_max
 * @m: filled: data, len; tag and prio are 0
 * @deadline: how long to wait while the queue is full
 *
 * The slot is yours until you commit or cancel it. What it holds is not
 * defined; it is never another sender's message unless you may receive too.
 *
 * Return: 0, or
 * -EACCES     not the kernel: the mode does not let you
 * -EAGAIN     full, and @deadline is IPCX_NOWAIT or the policy IPCX_FAIL
 * -EDQUOT     the creator's limit on bytes is reached
 * -EIDRM      the queue was removed, see ipcx_queue_remove()
 * -EINTR      a signal came while waiting
 * -EINVAL     @deadline is negative
 * -EMSGSIZE   @len is larger than the queue's msg_max
 * -ENOMEM     no memory, or the creator's memory cgroup is at its limit
 * -ENOTCONN   shm: others have taken this sender for dead, or could make nothing of it
 * -EPERM      the queue was not opened with IPCX_SEND
 * -EPROTO     shm: what the receiver says of messages received makes no sense
 * -ETIMEDOUT  still full at @deadline
 */
int ipcx_queue_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_queue_commit() - send the message in a slot on loan
 * @q: the queue
 * @m: the loan; len may have been made smaller, tag, prio, expires and flags set; of a
 *	request seq is written
 *
 * Never blocks; in a sealed queue not for longer than an allocation; over another transport
 * than the kernel until the deadline of the loan at most, if it must. On success
 * the slot is no longer yours: do not touch m->data. In a sealed queue that would
 * be SIGBUS.
 *
 * Return: 0, or
 * -EACCES      not the kernel: the mode does not let you, or no answer could come
 * -EAGAIN      not the kernel: full again, and the loan's deadline was IPCX_NOWAIT
 * -EIDRM       the queue was removed; the loan is still yours to cancel
 * -EINTR       not the kernel: full again, and a signal came while waiting
 * -EINVAL      prio is larger than 31, or expires negative
 * -EMSGSIZE    len is larger than what was loaned, or over a fifo than msg_max is by now
 * -ENOMEM      sealed: the slot is pinned (io_uring, vmsplice) and there is no memory
 *              for a copy; the loan is still yours
 * -ENOBUFS     IPCX_REQUEST: no slot can be kept for the reply
 * -EOPNOTSUPP  flags has other bits than IPCX_REQUEST
 * -EPERM       not a loan of this handle, or already committed
 * -EPIPE       not the kernel: who receives hung up twice in the middle of the message
 * -ETIMEDOUT   not the kernel: full again until the loan's deadline
 */
int ipcx_queue_commit(struct ipcx_queue *q, struct ipcx_msg *m);

/**
 * ipcx_queue_cancel() - give a slot on loan back without sending it
 * @q: the queue
 * @m: the loan
 *
 * Never blocks.
 *
 * Return: 0, or -EPERM if it is not a loan of this handle.
 */
int ipcx_queue_cancel(struct ipcx_queue *q, struct ipcx_msg *m);

/**
 * ipcx_queue_take() - receive a message where it lies
 * @q: the queue, opened with IPCX_RECV
 * @m: filled
 * @deadline: how long to wait while the queue is empty
 *
 * The message is yours until you release or nack it, or close the handle, or
 * die: the last three deliver it again, with deliveries + 1.
 *
 * With opts.prefetch the handle takes more messages along, which are in hand: leased, and
 * handed out in order by later takes. They count for leases_max and keep their slots; a
 * higher priority that comes later, or a message that is nacked, is taken after them; when
 * the process dies or closes the handle they come back with deliveries + 1, as those do
 * that expire in hand or are there for half of lease_ms. poll and threads that sleep in a
 * take do not see them: take until -EAGAIN before you sleep in poll.
 *
 * Return: 0, or
 * -EAGAIN     empty, and @deadline is IPCX_NOWAIT
 * -EBUSY      this handle holds leases_max messages: release one
 * -EIDRM      the queue was removed, see ipcx_queue_remove()
 * -EINTR      a signal came while waiting
 * -EINVAL     @deadline is negative
 * -ENOMEM     the address space is too small for the message, which stays queued
 * -ENOTCONN   shm: others have taken this receiver for dead
 * -EPERM      the queue was not opened with IPCX_RECV
 * -EPROTO     shm: what a sender wrote makes no sense; what was not taken of it is lost
 * -ETIMEDOUT  still empty at @deadline
 */
int ipcx_queue_take(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_queue_peek() - look at the next message without taking it
 * @q: the queue, opened with IPCX_RECV
 * @m: filled, but data is NULL: the payload is for who takes it
 *
 * Never blocks.
 *
 * Return: 0, or
 * -EAGAIN  empty
 * -EIDRM   the queue was removed, see ipcx_queue_remove()
 * -EPERM   the queue was not opened with IPCX_RECV
 */
int ipcx_queue_peek(struct ipcx_queue *q, struct ipcx_msg *m);

/**
 * ipcx_queue_release() - acknowledge a message and give its slot back
 * @q: the queue
 * @m: the message taken
 *
 * Never blocks. Do not touch m->data afterwards.
 *
 * Return: 0, or
 * -EPERM   not a message taken by this handle, or already released
 * -ESTALE  it was held for longer than lease_ms and is for another receiver now
 */
int ipcx_queue_release(struct ipcx_queue *q, struct ipcx_msg *m);

/**
 * ipcx_queue_nack() - put a message back, to be delivered again
 * @q: the queue
 * @m: the message taken
 *
 * It goes to the front of its priority, in order, with deliveries + 1.
 *
 * Return: as ipcx_queue_release().
 */
int ipcx_queue_nack(struct ipcx_queue *q, struct ipcx_msg *m);

/**
 * ipcx_queue_next() - release the message held and take the next
 * @q: the queue
 * @m: a message taken, or all zero for the first call; filled
 * @deadline: how long to wait while the queue is empty
 *
 * When nothing is taken the old message is released all the same and @m is all
 * zero, so that the call can be repeated. A negative @deadline changes nothing.
 *
 * With opts.prefetch and no lease_ms the release, but of a request, waits until the next
 * system call of this handle that takes, releases, nacks, loans, calls, replies or closes: at
 * most as many wait. If the process dies before, those messages are delivered again.
 *
 * Return: as ipcx_queue_release() and ipcx_queue_take().
 */
int ipcx_queue_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);

/**
 * ipcx_queue_loan_n() - get several empty slots
 * @q: the queue
 * @len: bytes needed in each
 * @m: array of @n, filled
 * @n: how many, 1..64
 * @deadline: how long to wait for the first; the others are not waited for
 *
 * Return: how many were got, or as ipcx_queue_loan() when there was none.
 */
int ipcx_queue_loan_n(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		      int64_t deadline);

/**
 * ipcx_queue_commit_n() - send several messages
 * @q: the queue
 * @m: array of @n loans
 * @n: how many, 1..64
 *
 * Return: how many were sent, or as ipcx_queue_commit() when there was none.
 */
int ipcx_queue_commit_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);

/**
 * ipcx_queue_take_n() - receive several messages
 * @q: the queue
 * @m: array of @n, filled
 * @n: how many at most, 1..64
 * @deadline: how long to wait for the first; the others are not waited for
 *
 * Return: how many were taken, or as ipcx_queue_take() when there was none.
 */
int ipcx_queue_take_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, int64_t deadline);

/**
 * ipcx_queue_release_n() - release several messages
 * @q: the queue
 * @m: array of @n messages taken
 * @n: how many, 1..64
 *
 * Return: how many were released, or as ipcx_queue_release() when there was none.
 */
int ipcx_queue_release_n(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);

/**
 * ipcx_queue_send() - send a copy of a buffer
 * @q: the queue
 * @buf: the message
 * @len: its length, 0..msg_max
 * @deadline: how long to wait while the queue is full
 *
 * Cheaper than a loan and a commit for what is short: up to 64 bytes are copied in any case.
 *
 * Return: 0, or as ipcx_queue_loan() and ipcx_queue_commit(), or
 * -EFAULT  @buf cannot be read; only where this is one write(2), see ipcx_queue_send(3)
 */
int ipcx_queue_send(struct ipcx_queue *q, const void *buf, size_t len, int64_t deadline);

/**
 * ipcx_queue_recv() - receive a copy of a message
 * @q: the queue
 * @buf: where to copy it
 * @cap: bytes of @buf
 * @deadline: how long to wait while the queue is empty
 *
 * Return: the message's length, or as ipcx_queue_take(), or, and it stays in the queue,
 * -EFAULT    @buf cannot be written; only where this is one read(2), see ipcx_queue_recv(3)
 * -EMSGSIZE  it is longer than @cap
 */
ssize_t ipcx_queue_recv(struct ipcx_queue *q, void *buf, size_t cap, int64_t deadline);

/**
 * ipcx_queue_unlink() - take a queue's name away
 * @uri: as for ipcx_queue_open()
 *
 * Those who have it open go on; it is gone with the last of them.
 *
 * Return: 0, or
 * -EACCES      you are neither its owner nor have CAP_IPC_OWNER
 * -EINVAL      not a name
 * -ELOOP       the path is a symbolic link
 * -ENODEV      the transport is not there
 * -ENOENT      no such queue
 * -EOPNOTSUPP  an unknown transport, or one that cannot
 * -EPROTOTYPE  the name stands for something that is not a queue
 */
int ipcx_queue_unlink(const char *uri);

/**
 * ipcx_queue_remove() - end a queue for everybody
 * @uri: as for ipcx_queue_open()
 *
 * As ipcx_queue_unlink(); besides, loan, commit and take of all who have the
 * queue open fail with -EIDRM from now on, those that wait included, and poll
 * tells POLLHUP. Messages taken can still be released.
 *
 * Return: as ipcx_queue_unlink().
 */
int ipcx_queue_remove(const char *uri);

/**
 * ipcx_error() - what went wrong, in words
 *
 * Return: a sentence about the last failure of this thread: what, which object,
 * which limit, what to do. Valid until this thread's next ipcx call. "" when
 * nothing has failed yet.
 */
const char *ipcx_error(void);

#ifdef __cplusplus
}
#endif

#include "ipcx_call.h"
#include "ipcx_list.h"
#include "ipcx_region.h"
#include "ipcx_topic.h"

#endif /* IPCX_H */
