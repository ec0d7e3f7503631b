/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ways of a message from one process to another, all with the same work: the sender writes every
 * byte, the receiver reads every byte and checks length and number.
 */
#ifndef IPCX_PEERS_H
#define IPCX_PEERS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATIENCE 100000 /* looks before the other process gets this CPU, should there be but one */
#define WHY_MAX 160

/**
 * struct lane - one direction, as one of the two processes has it
 * @name: of its own, for what needs one; without '/'
 * @port: of its own, on this machine
 * @len: bytes of each message
 * @depth: messages on their way, where a way lets that be chosen
 * @sender: which of the two this process is
 * @buf: room for a message, for ways that copy
 * @own: the way's
 */
struct lane {
	char name[40];
	unsigned int port;
	size_t len;
	unsigned int depth;
	bool sender;
	uint64_t *buf;
	void *own;
};

/**
 * struct way - how messages are carried; a function that fails ends the process by give_up()
 * @name: for the table
 * @jobs: JOB() of those it is measured in
 * @missing: NULL, or the package that was not there when this was built
 * @start: once, before the first lane; return: NULL, or why the way is not there
 * @stop: once, behind the last
 * @create: before the two processes part
 * @open: in each of them, that of the receiver first
 * @send: a message that begins with @value, see write_all()
 * @recv: receive it, return the sum of all of it, see read_all()
 * @close: in each of them, when all was received
 * @remove: by the name of the lane, what is left of it; also when the two failed
 */
struct way {
	const char *name;
	unsigned int jobs;
	const char *missing;
	const char *(*start)(void);
	void (*stop)(void);
	void (*create)(struct lane *l);
	void (*open)(struct lane *l);
	void (*send)(struct lane *l, uint64_t value);
	uint64_t (*recv)(struct lane *l, uint64_t value);
	void (*close)(struct lane *l);
	void (*remove)(const struct lane *l);
};

/* What is measured, judge.c has what is wanted of it */
enum job_number { ONE_8, ONE_64, ONE_1K, ONE_64K, ONE_1M, TRIP_8, TRIP_64, TRIP_1K, JOBS };

#define JOB(number) (1U << (number))
#define ONE_WAY (JOB(ONE_8) | JOB(ONE_64) | JOB(ONE_1K) | JOB(ONE_64K) | JOB(ONE_1M))
#define TRIPS (JOB(TRIP_8) | JOB(TRIP_64) | JOB(TRIP_1K))
#define FALLBACK (JOB(ONE_8) | JOB(ONE_1K) | JOB(ONE_64K))

struct job {
	const char *name;
	size_t len;
	unsigned int depth;
	bool back;
};

extern const struct job jobs[JOBS];

extern const struct way ring_way, topic_way, shm_way, pipe_way, seqpacket_way, mq_way, zmq_way,
	nng_way, iceoryx_way, ipcx_unix_way, ipcx_mq_way, ipcx_fifo_way, fifo_way, ipcx_tcp_way,
	tcp_way;

#define WAYS 15
extern const struct way *const ways[WAYS];

/**
 * struct result - of one way in one job
 * @is: MEASURED: @ns counts; CANNOT: it does not carry such messages; ABSENT: a package or a part
 *	is not there; FAILED: the two processes did not do what they should
 * @why: in words, if it is not MEASURED
 * @ns: the median
 * @low: the least
 * @high: the most
 */
struct result {
	enum { UNUSED, MEASURED, CANNOT, ABSENT, FAILED } is;
	char why[WHY_MAX];
	double ns, low, high;
};

/* run.c: count messages from process to process; r->ns is set if r->is is MEASURED */
void run_setup(void);
void run(const struct way *w, const struct job *j, uint64_t count, struct result *r);
_Noreturn __attribute__((format(printf, 2, 3))) void give_up(int is, const char *form, ...);

/* judge.c: return: whether all targets are met */
bool judge(const struct result results[JOBS][WAYS], bool json);

static inline void look_again(unsigned int *looks)
{
	if (++*looks % PATIENCE == 0)
		sched_yield();
}

static inline void write_all(uint64_t *to, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len / sizeof(*to); i++)
		to[i] = value + i;
}

static inline uint64_t read_all(const struct lane *l, const uint64_t *from, size_t len,
				uint64_t value)
{
	uint64_t sum = 0;

	if (__builtin_expect(len != l->len || from[0] != value, 0))
		give_up(FAILED, "message %ju has %zu bytes, and begins with %ju", (uintmax_t)value,
			len, (uintmax_t)(len ? from[0] : 0));
	for (size_t i = 0; i < len / sizeof(*from); i++)
		sum += from[i];
	return sum;
}

#endif /* IPCX_PEERS_H */
