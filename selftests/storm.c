// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm [MS]: two threads call as fast as they can, for so long, on one queue, and
 * never wait for each other. What one changes the other uses within a few
 * microseconds, which is what a kernel that detects data races needs to see one:
 * there it looks at one access in some hundred, and waits a millisecond for the
 * other side. Nothing may be refused that must not be, and nothing may be lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/sysinfo.h>

#include "event_util.h"

#include "../kselftest.h"

#define DEPTH 64
#define HELD 48 /* by one that dies */
#define LEN 8192

/* One of the two, with an endpoint of its own. */
struct side {
	struct end e;
	unsigned long turns, none; /* made; calls that found no slot or no message */
	const char *wrong;
	int cpu;
};

typedef const char *(*turn)(struct side *s);

static struct end keep; /* keeps the queue, and sees in the end what is left */
static atomic_bool over;
static turn turn_of[2];

/* Nothing to be had just now is no fault. Return: whether there was something. */
static bool got(struct side *s, int ret)
{
	if (ret == 1)
		return true;
	if (ret == -EAGAIN || ret == -ETIMEDOUT)
		s->none++;
	else
		s->wrong = ret ? strerror(-ret) : "0";
	return false;
}

static const char *loan_and_cancel(struct side *s)
{
	struct ipcx_desc d;

	if (!got(s, raw_loan(s->e.fd, &d, LEN, 0)))
		return s->wrong;
	*tx_at(&s->e, &d) = 1;
	return raw_cancel(s->e.fd, &d) == 1 ? NULL : "not cancelled";
}

static const char *loan_and_commit(struct side *s)
{
	struct ipcx_desc d;

	if (!got(s, raw_loan(s->e.fd, &d, LEN, in_ms(5))))
		return s->wrong;
	*tx_at(&s->e, &d) = 1;
	d.prio = s->turns % 3;
	return raw_commit(s->e.fd, &d) == 1 ? NULL : "not sent";
}

/* A commit that brings the slot for the next one. */
static const char *commit_and_loan(struct side *s)
{
	struct ipcx_desc d;

	if (!got(s, raw_loan(s->e.fd, &d, LEN, in_ms(5))))
		return s->wrong;
	for (int i = 0; i < 4 && d.slot != IPCX_SLOT_NONE; i++) {
		*tx_at(&s->e, &d) = 1;
		d.len = LEN;
		if (raw_done(s->e.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN) != 1)
			return "not sent";
	}
	if (d.slot != IPCX_SLOT_NONE && raw_cancel(s->e.fd, &d) != 1)
		return "not cancelled";
	return NULL;
}

static const char *take_and_release(struct side *s)
{
	struct ipcx_desc d;

	if (!got(s, raw_take(s->e.fd, &d, in_ms(5))))
		return s->wrong;
	(void)*(volatile const char *)rx_at(&s->e, &d);
	return raw_release(s->e.fd, &d) == 1 ? NULL : "not released";
}

static const char *take_and_nack(struct side *s)
{
	struct ipcx_desc d;

	if (!got(s, raw_take(s->e.fd, &d, 0)))
		return s->wrong;
	if (d.deliveries > 2)
		return raw_release(s->e.fd, &d) == 1 ? NULL : "not released";
	return raw_done(s->e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK) == 1 ?
		       NULL :
		       "not given back";
}

static const char *write_one(struct side *s)
{
	static char buf[LEN];

	got(s, write(s->e.fd, buf, LEN) == LEN ? 1 : -errno);
	return s->wrong;
}

static const char *read_one(struct side *s)
{
	static char buf[LEN];

	got(s, read(s->e.fd, buf, LEN) == LEN ? 1 : -errno);
	return s->wrong;
}

/* Holds many loans and a message when it is closed. */
static const char *die_holding(struct side *s)
{
	struct ipcx_desc d[HELD] = {};
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.descs = (uintptr_t)d,
		.count = HELD,
		.desc_size = sizeof(*d),
	};
	struct end o = {};
	int ret;

	if (end_open(&o, "storm", SENDRECV))
		return "not opened";
	ret = xioctl(o.fd, IPCX_IOC_QUEUE_LOAN, &l);
	got(s, ret > 0 ? 1 : ret);
	got(s, raw_take(o.fd, &d[0], 0));
	end_close(&o);
	return s->wrong;
}

static const char *look(struct side *s)
{
	struct pollfd p = { .fd = s->e.fd, .events = POLLIN | POLLOUT };
	struct counts c;

	if (poll(&p, 1, 0) < 0)
		return "no poll";
	if (!counts_of(s->e.o.out_id, &c))
		return "not listed";
	return c.free + c.queued + c.loaned + c.leased == DEPTH ? NULL : "a slot is lost";
}

static const struct {
	const char *name;
	turn a, b;
} storms[] = {
	{ "loan and cancel/loan and cancel", loan_and_cancel, loan_and_cancel },
	{ "loan and commit/take and release", loan_and_commit, take_and_release },
	{ "commit and loan/take and release", commit_and_loan, take_and_release },
	{ "loan and commit/take and nack", loan_and_commit, take_and_nack },
	{ "write/read", write_one, read_one },
	{ "die holding/loan and cancel", die_holding, loan_and_cancel },
	{ "die holding/loan and commit", die_holding, loan_and_commit },
	{ "die holding/die holding", die_holding, die_holding },
	{ "look/loan and commit", look, loan_and_commit },
	{ "look/die holding", look, die_holding },
};

/* Two threads that share a CPU never meet. */
static void go_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % get_nprocs(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *side_thread(void *arg)
{
	struct side *s = arg;

	go_to(s->cpu);
	while (!atomic_load(&over) && !s->wrong) {
		s->wrong = turn_of[s->cpu](s);
		s->turns++;
	}
	atomic_store(&over, true);
	return NULL;
}

/*
 * What is left of messages, so that no sender sleeps for ever and the count is right. Not what is
 * sent meanwhile: a sender that sleeps for a slot gets each that is released, without end.
 */
static void drain(void)
{
	struct ipcx_desc d;

	for (int i = 0; i < DEPTH && raw_take(keep.fd, &d, 0) == 1; i++)
		raw_release(keep.fd, &d);
}

static const char *left(void)
{
	struct counts c;

	drain();
	if (!counts_of(keep.o.out_id, &c))
		return "the queue is gone";
	if (c.free != DEPTH)
		return "a slot is lost";
	return c.queued || c.loaned || c.leased ? "a count of slots is wrong" : NULL;
}

static const char *storm(unsigned int i, struct side *sides, int ms)
{
	int64_t end = in_ms(ms);
	pthread_t thread[2];
	const char *wrong;

	turn_of[0] = storms[i].a;
	turn_of[1] = storms[i].b;
	atomic_store(&over, false);
	for (int j = 0; j < 2; j++)
		if (pthread_create(&thread[j], NULL, side_thread, &sides[j]))
			return "no thread";
	while (now_ns() < end && !atomic_load(&over)) {
		drain();
		usleep(1000);
	}
	atomic_store(&over, true);
	for (int j = 0; j < 2; j++)
		pthread_join(thread[j], NULL);
	wrong = sides[0].wrong ?: sides[1].wrong ?: left();
	return !wrong && !(sides[0].turns && sides[1].turns) ? "one of them did nothing" : wrong;
}

static const char *run(unsigned int i, struct side *sides, int ms)
{
	const char *wrong = NULL;

	memset(&keep, 0, sizeof(keep));
	keep.o.depth = DEPTH;
	keep.o.msg_max = 4 * LEN;
	if (end_open(&keep, "storm", CREATE | IPCX_OPEN_EPHEMERAL | SENDRECV))
		return "no queue";
	for (int j = 0; j < 2; j++) {
		memset(&sides[j], 0, sizeof(sides[j]));
		sides[j].cpu = j;
		if (end_open(&sides[j].e, "storm", SENDRECV) ||
		    fcntl(sides[j].e.fd, F_SETFL, O_RDWR | O_NONBLOCK))
			return "no endpoint";
	}
	wrong = storm(i, sides, ms);
	for (int j = 0; j < 2; j++)
		end_close(&sides[j].e);
	end_close(&keep);
	return wrong;
}

int main(int argc, char **argv)
{
	int ms = argc > 1 ? atoi(argv[1]) : 1000;
	struct side sides[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (!nobody_reads())
		ksft_exit_fail_msg("cannot listen to events\n");
	ksft_set_plan(ARRAY_SIZE(storms));
	for (unsigned int i = 0; i < ARRAY_SIZE(storms); i++) {
		const char *wrong = run(i, sides, ms);

		ksft_test_result(!wrong, "%s: %s, %lu and %lu turns, %lu and %lu for nothing\n",
				 storms[i].name, wrong ?: "good", sides[0].turns, sides[1].turns,
				 sides[0].none, sides[1].none);
	}
	ksft_finished();
}
