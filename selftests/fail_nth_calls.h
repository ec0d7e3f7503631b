/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests, replies and messages without pages for fail_nth. The structs are longer
 * than the kernel knows: these it copies by functions that can be made to fail.
 */
#ifndef FAIL_NTH_CALLS_H
#define FAIL_NTH_CALLS_H

#include "call_util.h"
#include "pass_util.h"

#define SMALL 20

/* each with one more word than the kernel knows */
struct long_desc {
	struct ipcx_desc d;
	uint64_t none;
};

struct long_loan {
	struct ipcx_queue_loan a;
	uint64_t none;
};

struct long_commit {
	struct ipcx_queue_commit a;
	uint64_t none;
};

struct long_take {
	struct ipcx_queue_take a;
	uint64_t none;
};

struct long_call {
	struct ipcx_queue_call a;
	uint64_t none;
};

struct long_reply {
	struct ipcx_queue_reply a;
	uint64_t none;
};

/* One endpoint is caller and server. */
static struct {
	struct side s;
	struct long_desc ask, answer, loan;
} r;

static int with_side(void)
{
	memset(&r, 0, sizeof(r));
	r.s.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = 4096, .leases_max = 2 };
	return side_open(&r.s, NULL, CREATE | SENDRECV);
}

/* The next commit gets a slot ready for a long message. */
static int with_missed(void)
{
	struct passer p;
	int err;

	memset(&r, 0, sizeof(r));
	r.s.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = PASS_LEN };
	err = side_open(&r.s, NULL, CREATE | SENDRECV);
	if (err)
		return err;
	p = passer_of(r.s.e.fd, PASS_LEN, 0);
	if (pass_on(&p, PASS_MISSED - 1) != PASS_MISSED - 1)
		return -EIO;
	return raw_loan(r.s.e.fd, &r.loan.d, PASS_LEN, 0) - 1;
}

static int with_request_loan(void)
{
	int err = with_side();

	return err ?: side_loan(&r.s, &r.ask.d, SMALL, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE) - 1;
}

static int with_inline_message(void)
{
	int err = with_side();

	return err ?: side_send_inline(&r.s, &r.ask.d, SMALL, 'm', 0) - 1;
}

static int with_held(void)
{
	int err = with_side();

	err = err ?: side_send_inline(&r.s, &r.ask.d, SMALL, 'q', IPCX_MSG_REQUEST) - 1;
	return err ?: side_take(&r.s, &r.ask.d, 0, 0) - 1;
}

static int with_held_and_queued(void)
{
	int err = with_held();

	return err ?: side_send_inline(&r.s, &r.answer.d, SMALL, 'q', IPCX_MSG_REQUEST) - 1;
}

static int with_reply_loan(void)
{
	int err = with_held();

	return err ?: side_loan(&r.s, &r.loan.d, 100, IPCX_LOAN_REPLY) - 1;
}

static int with_answer(void)
{
	int err = with_held();

	return err ?: side_reply(&r.s, &r.ask.d, NULL, "an answer", SMALL / 2);
}

static int with_answer_held(void)
{
	int err = with_answer();

	return err ?: side_answer(&r.s, &r.answer.d, 0) - 1;
}

static void no_side(void)
{
	end_close(&r.s.e);
}

/* @ret: of the call. Return: that, or what is wrong with what is left in the queue. */
static int left(int ret, uint32_t queued, uint32_t leased, uint32_t answers)
{
	struct ipcx_queue_stat st = stat_of(&r.s);

	if (ret < 0)
		return ret;
	return st.out_queued == queued && st.out_leased == leased && st.out_answers == answers ?
		       ret :
		       -EBADMSG;
}

static int loan_long(uint64_t len, unsigned int kind)
{
	struct long_loan l = { {
		.size = sizeof(l),
		.flags = kind,
		.descs = (uintptr_t)&r.loan,
		.count = 1,
		.desc_size = sizeof(r.loan),
	} };

	r.loan.d.len = len;
	return xioctl(r.s.e.fd, IPCX_IOC_QUEUE_LOAN, &l);
}

/* Sent in any case; of what could not be got ready whole nothing stays. */
static int run_commit_missed(void)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };
	struct ipcx_desc d = r.loan.d;
	int ret = side_commit_how(&r.s, &d, IPCX_COMMIT_LOAN);

	/* that may be what fails */
	if (ret < 0 || xioctl(r.s.e.fd, IPCX_IOC_QUEUE_STAT, &st))
		return ret;
	return st.out_bytes == (d.slot == IPCX_SLOT_NONE ? 1 : 2) * PASS_LEN ? 0 : -EIO;
}

static int run_loan_request(void)
{
	return loan_long(4096, IPCX_LOAN_REQUEST);
}

static int run_loan_inline(void)
{
	return loan_long(SMALL, IPCX_LOAN_INLINE);
}

static int run_loan_reply(void)
{
	return loan_long(4096, IPCX_LOAN_REPLY);
}

static int run_commit_request(void)
{
	struct long_commit c = { {
		.size = sizeof(c),
		.descs = (uintptr_t)&r.ask,
		.count = 1,
		.desc_size = sizeof(r.ask),
		.inline_data = (uintptr_t)r.s.place,
	} };

	r.ask.d.flags = IPCX_MSG_INLINE | IPCX_MSG_REQUEST;
	return left(xioctl(r.s.e.fd, IPCX_IOC_QUEUE_COMMIT, &c), 1, 0, 0);
}

static int take_long(struct long_desc *d, unsigned int flags)
{
	struct long_take t = { {
		.size = sizeof(t),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = 1,
		.desc_size = sizeof(*d),
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)r.s.place,
	} };

	return xioctl(r.s.e.fd, IPCX_IOC_QUEUE_TAKE, &t);
}

static int run_take_inline(void)
{
	return left(take_long(&r.ask, 0), 0, 1, 0);
}

static int run_take_answer(void)
{
	return left(take_long(&r.answer, IPCX_TAKE_ANSWER), 0, 0, 1);
}

static int run_release_answer(void)
{
	return left(raw_release(r.s.e.fd, &r.answer.d), 0, 0, 0);
}

static int run_nack_answer(void)
{
	return left(raw_done(r.s.e.fd, IPCX_IOC_QUEUE_RELEASE, &r.answer.d, IPCX_RELEASE_NACK), 0,
		    0, 1);
}

/* That is an answer too. */
static int run_release_request(void)
{
	return left(raw_release(r.s.e.fd, &r.ask.d), 0, 0, 1);
}

static int call_long(unsigned int flags)
{
	struct long_call c = { {
		.size = sizeof(c),
		.flags = flags,
		.request = (uintptr_t)&r.ask,
		.reply = (uintptr_t)&r.answer,
		.desc_size = sizeof(r.ask),
		.inline_data = (uintptr_t)r.s.place,
	} };

	return xioctl(r.s.e.fd, IPCX_IOC_QUEUE_CALL, &c);
}

/* There is nobody to answer it. */
static int run_call(void)
{
	int ret;

	r.ask.d.flags = IPCX_MSG_INLINE;
	ret = call_long(IPCX_CALL_LOAN);
	return left(ret == -EAGAIN ? 0 : ret, 1, 0, 0);
}

static int run_call_wait(void)
{
	return left(call_long(IPCX_CALL_WAIT), 0, 0, 1);
}

static int reply_long(unsigned int flags)
{
	struct long_reply q = { {
		.size = sizeof(q),
		.flags = flags,
		.request = (uintptr_t)&r.ask,
		.reply = (uintptr_t)&r.loan,
		.desc_size = sizeof(r.ask),
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)r.s.place,
		.reply_data = (uintptr_t)r.s.place,
	} };

	return xioctl(r.s.e.fd, IPCX_IOC_QUEUE_REPLY, &q);
}

static int run_reply(void)
{
	return left(reply_long(0), 0, 0, 1);
}

static void inline_reply(void)
{
	r.loan.d = (struct ipcx_desc){ .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE };
	r.loan.d.len = SMALL;
}

static int run_reply_inline(void)
{
	inline_reply();
	return run_reply();
}

/* When it fails behind the reply, ask.slot says so: the second time it only takes. */
static int run_reply_take(void)
{
	inline_reply();
	return left(reply_long(IPCX_REPLY_TAKE), 0, 1, 1);
}

#endif /* FAIL_NTH_CALLS_H */
