/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What all transports have in common that copy messages: buffers that stand for loans and
 * leases, who holds them, waiting, requests. copied.c knows no mechanism; a mechanism is the
 * table below, and sees no other.
 */
#ifndef IPCX_COPIED_H
#define IPCX_COPIED_H

#include "frame.h"
#include "lock.h"
#include "transport.h"

#define IPCX_MSG_MAX_DEFAULT (64ULL << 20)

/* A message that has begun goes on as long as its other end does something in this time. */
#define IPCX_STALL_NS INT64_C(1000000000)

/*
 * Ticks of the processor, whose counter costs half as much as a clock. Most have 1 to 4 in a
 * nanosecond, a few, and guests for whom it is scaled, less. Who has forbidden himself to read it,
 * by PR_SET_TSC, is killed here.
 */
static inline uint64_t ipcx_copied_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/*
 * For how long, in ticks, it is believed that there is room and somebody receives, where that was
 * seen: a loan does not ask each time. To send tells it, so at worst the commit waits, or fails,
 * instead of the loan, also where nobody else sends. Over mq it is longer while messages flow.
 */
#define IPCX_BELIEVED_TICKS 100000

/* Instead of an errno: others have made the queue anew while it was opened, which begins again */
#define IPCX_ANEW 4096

/* Statistics, from any thread */
#define IPCX_COUNT(word, n) \
	((void)(__libc_single_threaded ? ((word) += (n)) : \
					 __atomic_add_fetch(&(word), n, __ATOMIC_RELAXED)))

enum ipcx_way { IPCX_WAY_SEND, IPCX_WAY_RECEIVE, IPCX_WAY_ANSWER };

struct ipcx_mech;

/* A request that has no answer yet */
struct ipcx_pending {
	struct ipcx_pending *next;
	uint64_t call;
	bool seen; /* a server had it when it was last found */
	bool waiting; /* a thread is in call() */
	int64_t since; /* nothing was seen of it since; 0: something was */
};

#define IPCX_HELD_LISTS 64

/**
 * struct ipcx_patience - whether it is worth to look a few times before a thread sleeps
 * @skip: how many sleeps after the last that was not put off go without, as looking was in vain
 * @left: of these
 */
struct ipcx_patience {
	unsigned int skip, left;
};

/**
 * struct ipcx_copied - a handle; a mechanism embeds it
 * @base: what all handles begin with
 * @mech: the mechanism
 * @sending: held while a message is sent
 * @receiving: held while one is received
 * @answering: held while an answer is received
 * @lock: protects what follows, nobody sleeps under it
 * @held: loans, leases and answers, by number
 * @ready: received, and not taken yet or given back
 * @answers: received, and not taken yet
 * @pending: requests without an answer
 * @answerers: threads that wait for any answer
 * @set: what those who receive wait for, who do not read answers; put into @base.fd when somebody
 *	asks for that, as each message costs its sender more then
 * @beside: and this one, or -1
 * @waiting: threads that may sleep for these two
 * @polled: somebody asked; under receiving
 * @unpolled: somebody asked, and that was not possible; under both, or read from any thread
 * @ready_event: readable while there is anything in @ready, or @unpolled
 * @answer_event: readable while there is something in @answers that somebody waits for
 * @numbers: the last number of a buffer
 * @calls: the last number of a request
 * @loans: buffers on loan
 * @believed: when it was seen that something can be sent, so that a loan need not look; in ticks,
 *	from any thread
 * @kept: see ipcx_buffer_get(); from any thread
 * @to_receive: of those who receive, and
 * @to_send: of those who send; hints, from any thread
 * @forked: closed in a child, where another thread may have been changing the rest
 * @received: messages received
 * @stats: what ipcx_queue_stat() tells
 *
 * The locks are taken in this order.
 */
struct ipcx_copied {
	struct ipcx_queue base;
	const struct ipcx_mech *mech;
	struct ipcx_lock sending, receiving, answering, lock;
	struct ipcx_buffer *held[IPCX_HELD_LISTS], *ready, *answers;
	struct ipcx_pending *pending;
	unsigned int answerers, loans, waiting;
	int set, beside, ready_event, answer_event;
	uint64_t numbers, calls, received, believed;
	struct ipcx_buffer *kept;
	struct ipcx_patience to_receive, to_send;
	bool polled, unpolled, forked;
	struct ipcx_queue_stats stats;
};

/**
 * struct ipcx_mech - a mechanism that carries messages
 * @size: of its handle
 * @open: fill base.fd, base.attr and base.name, and what is its own; explains its failures, but
 *	-IPCX_ANEW. Who makes an ephemeral queue has that in attr.flags, and takes its name away
 *	when it closes
 * @close: close what is open; with @forked in a child, where nothing is unlinked. May be called
 *	when open failed, and twice
 * @room: how many messages could be sent now, INT_MAX if that cannot be told; or an errno. It may
 *	wait for who is sending until the deadline
 * @send: send @b, under sending. -EAGAIN: nothing of it was sent, and there is no room; -EPIPE: a
 *	part was, to one who took no more
 * @polled: under receiving, before @set is put into @base.fd; whether that makes sense; or NULL
 * @receive: receive a message or request, under receiving; 0, or -EAGAIN
 * @give_back: put @b, which was received, back for others; NULL where there are none
 * @reply: send the answer @b to @request; where its caller is gone it goes nowhere. Or an errno:
 *	nothing was sent that the caller would understand
 * @expect: see to it that an answer can come, under sending, and fill in @b where it goes
 * @answer: receive an answer, under answering; 0, -EAGAIN, or -EOWNERDEAD: there will be none to
 *	all that was sent
 * @accepted: a request was received: tell its caller by a lock, if it cannot know otherwise
 * @server: does one have the request? 1 yes, 0 no, -1 it may be in the queue still. NULL if
 *	@answer tells
 * @fd: what to poll, and for what events; -1 to look again soon
 * @queued: how many messages wait, 0 if that cannot be told
 */
struct ipcx_mech {
	size_t size;
	int (*open)(struct ipcx_copied *c, const char *rest, unsigned int flags,
		    const struct ipcx_queue_opts *opts);
	void (*close)(struct ipcx_copied *c, bool forked);
	int (*room)(struct ipcx_copied *c, int64_t deadline);
	int (*send)(struct ipcx_copied *c, struct ipcx_buffer *b);
	bool (*polled)(struct ipcx_copied *c);
	int (*receive)(struct ipcx_copied *c, struct ipcx_buffer **b);
	int (*give_back)(struct ipcx_copied *c, struct ipcx_buffer *b);
	int (*reply)(struct ipcx_copied *c, struct ipcx_buffer *request, struct ipcx_buffer *b);
	int (*expect)(struct ipcx_copied *c, struct ipcx_buffer *b);
	int (*answer)(struct ipcx_copied *c, struct ipcx_buffer **b);
	void (*accepted)(struct ipcx_copied *c, struct ipcx_buffer *request);
	int (*server)(struct ipcx_copied *c, uint64_t call);
	int (*fd)(struct ipcx_copied *c, enum ipcx_way way, short *events);
	uint64_t (*queued)(struct ipcx_copied *c);
};

/* copied.c */
int ipcx_copied_open(struct ipcx_queue **q, const char *rest, unsigned int flags,
		     const struct ipcx_queue_opts *opts, const struct ipcx_mech *mech);
void ipcx_copied_close(struct ipcx_queue *q);
void ipcx_copied_polled(struct ipcx_queue *q);
void ipcx_copied_forked(struct ipcx_queue *q);
int ipcx_copied_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		     int64_t deadline);
int ipcx_copied_commit(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);
int ipcx_copied_cancel(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n);
int ipcx_copied_take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		     int64_t deadline);
int ipcx_copied_release(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool nack);
int ipcx_copied_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);
int ipcx_copied_peek(struct ipcx_queue *q, struct ipcx_msg *m);
int ipcx_copied_stat(const struct ipcx_queue *q, struct ipcx_queue_stats *stats);

/* copied_wait.c */
int ipcx_copied_check_name(const char *name, size_t max);
int ipcx_copied_poll_set(struct ipcx_copied *c);
void ipcx_copied_unpolled(struct ipcx_copied *c, bool unpolled);
void ipcx_copied_poll_all(struct ipcx_copied *c);
int64_t ipcx_copied_now(void);
int ipcx_copied_wait(int fd, short events, int fd2, int64_t deadline);
int ipcx_copied_wait_soon(struct ipcx_patience *p, int fd, short events, int fd2, int64_t deadline);
int ipcx_copied_wait_a_little(int fd, short events, int64_t until);
int ipcx_copied_lock_until(struct ipcx_lock *l, int64_t deadline);
int ipcx_copied_wait_to_send(struct ipcx_copied *c, int64_t deadline);
bool ipcx_copied_signal(int event, bool on);

/* Any thread, changed under lock */
static inline int ipcx_copied_loans(const struct ipcx_copied *c)
{
	return __atomic_load_n(&c->loans, __ATOMIC_RELAXED);
}

static inline bool ipcx_copied_is_unpolled(const struct ipcx_copied *c)
{
	return __atomic_load_n(&c->unpolled, __ATOMIC_RELAXED);
}

/* It may become less while a thread sends, see fifo.c. */
static inline uint64_t ipcx_copied_msg_max(const struct ipcx_copied *c)
{
	return __atomic_load_n(&c->base.attr.msg_max, __ATOMIC_RELAXED);
}

/* Any thread. Return: whether a loan need not look. */
static inline bool ipcx_copied_believes(const struct ipcx_copied *c, uint64_t ticks)
{
	return ticks - __atomic_load_n(&c->believed, __ATOMIC_RELAXED) < IPCX_BELIEVED_TICKS;
}

/* What was seen at @ticks, or 0: no more. */
static inline void ipcx_copied_believe(struct ipcx_copied *c, uint64_t ticks)
{
	__atomic_store_n(&c->believed, ticks, __ATOMIC_RELAXED);
}

/* copied.c, for copied_call.c */
int ipcx_copied_prepare(const struct ipcx_msg *m, struct ipcx_buffer *b);
int ipcx_copied_send(struct ipcx_copied *c, struct ipcx_buffer *b, int64_t deadline, bool call);

/* What a buffer is held for, one of these */
enum { IPCX_HELD_LOAN = 1, IPCX_HELD_REPLY = 2, IPCX_HELD_LEASE = 4, IPCX_HELD_ANSWER = 8 };

/* copied_call.c */
int ipcx_copied_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		     int64_t deadline);
int ipcx_copied_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);
int ipcx_copied_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			   struct ipcx_msg *reply);
int ipcx_copied_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		      bool next, int64_t deadline);
int ipcx_copied_expect(struct ipcx_copied *c, struct ipcx_buffer *b, bool call);
int ipcx_copied_read_answers(struct ipcx_copied *c);
void ipcx_copied_put_back(struct ipcx_copied *c, struct ipcx_buffer *answer);
void ipcx_copied_answered(struct ipcx_copied *c, struct ipcx_buffer *b);
void ipcx_copied_withdraw(struct ipcx_copied *c, uint64_t call);
void ipcx_copied_refuse(struct ipcx_copied *c, struct ipcx_buffer *request, unsigned int why);
void ipcx_copied_lost(struct ipcx_copied *c);

/* The functions of struct ipcx_transport that all have */
#define IPCX_COPIED_OPS \
	.close = ipcx_copied_close, .polled = ipcx_copied_polled, .forked = ipcx_copied_forked, \
	.loan = ipcx_copied_loan, .commit = ipcx_copied_commit, .cancel = ipcx_copied_cancel, \
	.take = ipcx_copied_take, .release = ipcx_copied_release, .next = ipcx_copied_next, \
	.peek = ipcx_copied_peek, .stat = ipcx_copied_stat, .call = ipcx_copied_call, \
	.answer = ipcx_copied_answer, .loan_reply = ipcx_copied_loan_reply, \
	.reply = ipcx_copied_reply

/* What copying gives to all: nothing is shared, and a killed process held nothing of others. */
#define IPCX_COPIED_CAPS \
	(IPCX_CAP_RECLAIM | IPCX_CAP_MANY_SENDERS | IPCX_CAP_POLL | IPCX_CAP_SEALED | IPCX_CAP_CALL)

#endif /* IPCX_COPIED_H */
