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
#include <sys/types.h>

#define WHY_MAX 256
#define GROUP_MAX 8 /* senders, or receivers */
#define SYSV_KEY 0x69780000 /* and 16 bits more */
#define LONG_WORDS 64 /* and more: written and read by payload.c */
#define PIPE_BYTES (1 << 20) /* what the system allows everybody */

/* In front of a message where several send, the number of the sender is in its upper bits. */
#define SENDER_SHIFT 40
#define ANY (~0ULL) /* whatever comes next */
#define STOP (~0ULL - 1) /* no more comes */

/**
 * struct lane - one direction, as one of the processes has it
 * @name: of its own, for what needs one; without '/'
 * @port: of its own, on this machine
 * @len: bytes of each message
 * @touch: bytes of it that are written and read
 * @depth: messages on their way, where a way lets that be chosen
 * @sender: which of the two this process is
 * @block: who waits sleeps, also in ways that could poll
 * @stopped: a message of STOP came
 * @last: of each sender, the number that came last
 * @buf: room for a message, for ways that copy
 * @own: the way's
 */
struct lane {
	char name[40];
	unsigned int port;
	size_t len, touch;
	unsigned int depth;
	bool sender, block, stopped;
	uint64_t last[GROUP_MAX];
	uint64_t *buf;
	void *own;
};

/**
 * struct way - how messages are carried; a function that fails ends the process by give_up()
 * @name: for the table
 * @words: what it is, for who never heard of it
 * @jobs: JOB() of those it is measured in
 * @to_all: each of several receivers on a lane gets all messages
 * @missing: NULL, or the package that was not there when this was built
 * @start: once, before the first lane; return: NULL, or why the way is not there
 * @stop: once, behind the last
 * @create: before the processes part
 * @open: in each of them, that of the receivers first
 * @send: a message that begins with @value, see write_all()
 * @recv: receive it, return the sum of all of it, see read_all()
 * @close: in each of them, when all was received
 * @remove: by the name of the lane, what is left of it; also when they failed
 */
struct way {
	const char *name, *words;
	unsigned int jobs;
	bool to_all;
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

/*
 * What is measured, judge.c has what is wanted of it. ONE: one way; REF: of each message the first
 * word alone is written and read; TRIP: there and back, both poll where they can; WAIT: who waits
 * sleeps, both on one CPU; FAR: on two; IN: from four to one; OUT: each to eight; WORK: from two
 * to either of two.
 */
enum job_number {
	ONE_8,
	ONE_64,
	ONE_1K,
	ONE_64K,
	ONE_1M,
	ONE_64M,
	REF_64,
	REF_64K,
	REF_1M,
	REF_64M,
	TRIP_8,
	TRIP_64,
	TRIP_1K,
	WAIT_8,
	WAIT_64,
	WAIT_1K,
	WAIT_64K,
	FAR_64,
	IN_64,
	OUT_64,
	WORK_64,
	JOBS
};

/* Memory for all that may be on its way: each message has pages of its own. */
static inline uint64_t lane_bytes(const struct lane *l)
{
	return l->depth * ((l->len + UINT64_C(4095)) & ~UINT64_C(4095));
}

#define JOB(number) (1U << (number))
#define ONE_WAY (JOB(ONE_8) | JOB(ONE_64) | JOB(ONE_1K) | JOB(ONE_64K) | JOB(ONE_1M) | JOB(ONE_64M))
#define REFS (JOB(REF_64) | JOB(REF_64K) | JOB(REF_1M) | JOB(REF_64M))
#define TRIPS (JOB(TRIP_8) | JOB(TRIP_64) | JOB(TRIP_1K))
#define WAITS (JOB(WAIT_8) | JOB(WAIT_64) | JOB(WAIT_1K) | JOB(WAIT_64K) | JOB(FAR_64))
#define FALLBACK (JOB(ONE_8) | JOB(ONE_1K) | JOB(ONE_64K))

/**
 * struct job - something to measure
 * @name: for the table
 * @len: bytes of a message
 * @depth: messages on their way
 * @back: each is answered by another
 * @ref: only the first word is written and read
 * @block: who waits sleeps
 * @one_cpu: both processes have the same
 * @work: each message goes to one of the receivers
 * @in_one: not from a process to another: what memory and CPU time it takes is not known
 * @senders: how many; 0 is 1
 * @receivers: how many; 0 is 1
 */
struct job {
	const char *name;
	size_t len;
	unsigned int depth;
	bool back, ref, block, one_cpu, work, in_one;
	unsigned int senders, receivers;
};

extern const struct job jobs[JOBS];

extern const struct way ring_way, futex_way, slots_way, topic_way, shm_way, kernel_queue_way,
	kernel_topic_way, pipe_way, vmsplice_way, seqpacket_way, dgram_way, unix_stream_way, mq_way,
	sysv_way, zmq_way, nng_way, iceoryx_way, ipcx_unix_way, ipcx_mq_way, ipcx_fifo_way,
	fifo_way, ipcx_tcp_way, tcp_way;

#define WAYS 23
extern const struct way *const ways[WAYS];

/**
 * struct result - of one way in one job
 * @is: MEASURED: @ns counts; CANNOT: it does not carry such messages; ABSENT: a package or a part
 *	is not there; FAILED: the processes did not do what they should
 * @why: in words, if it is not MEASURED
 * @ns: a message, the median
 * @low: the least
 * @high: the most
 * @cpu: ns of CPU time a message, of all processes, the median
 * @rss: KiB of memory that the processes have each for itself, together, at most
 * @shmem: KiB of memory that they share
 * @p50: ns that half of the messages took at most, there and back; 0: nobody knows any of these
 * @p99: 99 of 100
 * @p999: 999 of 1000
 * @turns: of two processes, each on a CPU of its own, from which @ns is; 0 if it is from others
 * @first_turn: the first of these among all
 */
struct result {
	enum { UNUSED, MEASURED, CANNOT, ABSENT, FAILED } is;
	char why[WHY_MAX];
	double ns, low, high, cpu;
	long rss, shmem;
	double p50, p99, p999;
	unsigned int turns, first_turn;
};

/* run.c: count messages from process to process; r->ns is set if r->is is MEASURED */
void run_setup(void);
void end_if_told(void); /* by a signal, once what a run left behind is cleared away */
void run(const struct way *w, const struct job *j, uint64_t count, bool stamp, struct result *r);
/* the same, near each other if that can be; @line: as near_again() sets it, if is_two(j) */
void run_near(const struct way *w, const struct job *j, uint64_t count, bool stamp,
	      struct result *r, double *line);
bool is_two(const struct job *j); /* processes, each on a CPU of its own */
_Noreturn __attribute__((format(printf, 2, 3))) void give_up(int is, const char *form, ...);
/* peers.c: all daemons end, and then this process does */
_Noreturn void leave(int status);
/* run.c: a body in a process of its own, which tells what it measured, in ns */
void run_apart(void (*body)(const void *arg), const void *arg, struct result *r);
void tell(double ns);
pid_t start_process(void (*be)(unsigned int me), unsigned int me);
void pin(unsigned int number); /* to a CPU, in turn */
void wait_for(const unsigned int *what, unsigned int value);
char *map_shared(size_t size);
int64_t now(void);
uint64_t other_value(struct lane *l, const uint64_t *from, size_t len, uint64_t value);

/**
 * struct turns - of two processes, each on a CPU of its own, that rows are made of
 * @near_ns: what a line of the cache takes there and back when these are near; 0: nobody knows
 * @waited: ns, until they were near, and at first to see how near that is
 * @all: how many
 * @again: more that were thrown away and done again, as it took far longer at one of their ends
 * @far: those of all in which it did
 * @unknown: those of all of which that is not known
 */
struct turns {
	double near_ns, waited;
	unsigned int all, again, far, unknown;
};

/* line.c: ns that a line of the cache takes to another CPU and back; 0: that failed */
double line_look(void);

/*
 * near.c: a turn is between near_begin() and near_again(). near_again() returns whether to do it
 * again. @times: how often it was, 0 at first; @longer: what a line took at that of its ends where
 * it took longer, 0 if nobody knows.
 */
void near_learn(double ns); /* so long the first turn may look how near they can be */
void near_allow(double ns); /* so much longer may be waited, and turns be done again */
void near_begin(void);
bool near_again(unsigned int *times, double *longer);
bool near_was(double longer); /* as far as is known by now, as the next two */
unsigned int turns_not_near(const struct result *r); /* or nobody knows */
const struct turns *near_turns(void);
void near_keep(const double *longer, unsigned int n, struct result *r); /* the turns of a row */

/* payload.c */
void write_long(uint64_t *to, size_t words, uint64_t value);
uint64_t sum_long(const uint64_t *from, size_t words);

/* Looks, a power of two, before another process gets this CPU: there may be no CPU for it */
extern unsigned int patience;

static inline void look_again(unsigned int *looks)
{
	if (!(++*looks & (patience - 1)))
		sched_yield();
}

static inline void write_all(const struct lane *l, uint64_t *to, uint64_t value)
{
	size_t words = l->touch / sizeof(*to);

	if (words >= LONG_WORDS) {
		write_long(to, words, value);
		return;
	}
	for (size_t i = 0; i < words; i++)
		to[i] = value + i;
}

static inline uint64_t read_all(struct lane *l, const uint64_t *from, size_t len, uint64_t value)
{
	size_t words = l->touch / sizeof(*from);
	uint64_t sum = 0;

	if (__builtin_expect(len != l->len || from[0] != value, 0) &&
	    other_value(l, from, len, value) == STOP)
		return 0;
	if (words >= LONG_WORDS)
		return sum_long(from, words);
	for (size_t i = 0; i < words; i++)
		sum += from[i];
	return sum;
}

#endif /* IPCX_PEERS_H */
