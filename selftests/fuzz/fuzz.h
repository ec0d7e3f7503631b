/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the fuzzer know of each other. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCS_MAX	6	/* processes of a program */
#define CALLS_MAX	512	/* calls of a program, all processes */
#define ARGS_MAX	8
#define TEXT_MAX	(128 << 10)

/* grammar.c, program.c: what a program is, making and changing one */

/* one line for what belongs together */
/* clang-format off */
enum op {
	OP_OPEN, OP_DEV, OP_INFO, OP_UNLINK, OP_LOAN, OP_COMMIT, OP_CANCEL, OP_TAKE, OP_RELEASE,
	OP_CALL, OP_REPLY, OP_ATTACH, OP_FETCH, OP_REGION, OP_TAP,
	OP_READ, OP_WRITE, OP_POLL, OP_EPOLL, OP_NONBLOCK, OP_STAT, OP_IOCTL,
	OP_MMAP, OP_TOUCH, OP_MUNMAP, OP_MREMAP, OP_MPROTECT, OP_MADVISE, OP_PIN, OP_DRAIN, OP_PEEK,
	OP_DUP, OP_CLOSE, OP_FORK, OP_SENDFD, OP_RECVFD, OP_KILL, OP_SLEEP,
	OP_LIST, OP_ASK, OP_HEED, OP_EXIT, OP_UNSHARE, OP_DROP,
	OP_JOIN, OP_WAIT, OP_KICK, OP_POPULATE, OP_EVICT, OP_LEAVE, OP_RING, OP_WINDOW, OP_PUBLISH,
	OP_CONSUME, OP_STORE,
	OPS
};

/* clang-format on */

/**
 * struct call - one call of one process
 * @proc: which process makes it
 * @op: enum op
 * @fail: n: the n-th allocation or copy in it fails, if the kernel can do that
 * @arg: what op_info says
 */
struct call {
	uint8_t proc;
	uint8_t op;
	uint8_t fail;
	uint64_t arg[ARGS_MAX];
};

/**
 * struct program - what is run and kept: calls of all processes, in one list
 * @procs: processes
 * @n: calls
 * @call: the calls; those of one process are made in this order
 */
struct program {
	uint32_t procs;
	uint32_t n;
	struct call call[CALLS_MAX];
};

/* Values that an argument takes; one that is there twice is taken twice as often. */
struct values {
	const uint64_t *list;
	uint32_t n;
};

struct arg_info {
	const char *name;
	const struct values *values;
};

/* What a call works on; 0: on anything. */
enum kinds { QUEUES = 1 << 0, TOPICS = 1 << 1 };

struct op_info {
	const char *name;
	enum kinds kinds;
	uint32_t weight;
	struct arg_info arg[ARGS_MAX];
};

extern const struct op_info op_info[OPS];

/* An index of an endpoint, a mapping or a message: with RAW as it is, else the next that exists. */
#define RAW		0x80

/* Beside an index of a loan: none, the reply is inline. */
#define NO_LOAN		0x100

/* Waits and times of messages in milliseconds, and others; 0: none. */
#define WAIT_PAST	0xfd
#define WAIT_NEGATIVE	0xfe
#define WAIT_FOREVER	0xff

/* What a queue does with messages: policy | dead << 8 | max << 16 | lease << 24, dead is a name. */
#define RULES(policy, dead, max, lease) \
	((policy) | (dead) << 8 | (max) << 16 | (uint64_t)(lease) << 24)

/* In the upper half of a commit's, call's or reply's flags: IPCX_MSG_* to be changed. */
#define CHANGE(msg)	((uint64_t)(msg) << 32)

/* How an ioctl's argument is spoilt: kind | where << 8 | value << 16. */
enum bad {
	BAD_NOT,
	BAD_SIZE,
	BAD_FLAG,
	BAD_WORD,
	BAD_NULL,
	BAD_EDGE,
	BAD_READONLY,
	BAD_WINDOW,
	BAD_LONG,
	BAD_DESCS_EDGE,
	BAD_DESCS_READONLY,
	BAD_DESCS_WINDOW,
	BAD_DESC_WORD,
	BADS
};

#define BAD(kind, where, value)	((kind) | (uint64_t)(where) << 8 | (uint64_t)(value) << 16)

/*
 * An attribute of netlink: number | length << 16; of one with ATTR_NAME the value is an index, of
 * one with ATTR_TOLD how many before the last end that was told of.
 */
#define ATTR(type, len)	((type) | (uint64_t)(len) << 16)
#define ATTR_NAME	(1ULL << 32)
#define ATTR_TOLD	(1ULL << 33)

/* How a request is spoilt: kind | value << 8. */
enum nlbad {
	NLBAD_NOT,
	NLBAD_CUT,
	NLBAD_SHORT,
	NLBAD_LONG,
	NLBAD_VERSION,
	NLBAD_ATTR,
	NLBAD_TWICE
};

void random_seed(uint64_t seed);
uint64_t random_below(uint64_t n);
void program_generate(struct program *p);
void program_mutate(struct program *p, const struct program *other);

/* text.c: programs as text */

size_t program_print(const struct program *p, char *buf, size_t size);
const char *program_parse(struct program *p, const char *text, const char **end);

/* kcov.c: which parts of the module were reached */

bool kcov_open(void);
void kcov_clear(uint32_t procs);
void kcov_enable(uint32_t proc);
bool kcov_collect(uint32_t procs);
uint32_t kcov_edges(void);
uint32_t kcov_pcs(void);

/* exec.c: running a program in processes of its own */

/**
 * struct shared - what the processes of a program and the fuzzer share
 * @program: what to run
 * @go: counted up when process i shall begin
 * @done: what @go was when process i began what it has finished
 * @finished: counted up by each that has, to wake the fuzzer
 * @pid: their ids; 0: to be started
 * @ops: calls that each made, children of its own too
 * @members: of topics so far
 * @broken: a promise of the kernel that one saw broken
 */
struct shared {
	struct program program;
	uint32_t go[PROCS_MAX];
	uint32_t done[PROCS_MAX];
	uint32_t finished;
	pid_t pid[PROCS_MAX];
	uint64_t ops[PROCS_MAX];
	uint32_t members;
	const char *broken;
};

extern struct shared *shared;

void exec_init(void);
bool exec_has_kcov(void);
const char *exec_run(const struct program *p, uint64_t *ops);
const char *exec_check(void);
void exec_end(void);

/* resource.c: what a process has */

#define ENDS		8
#define MAPS		12
#define MSGS		32
#define BUFFER		65536
#define PAGE		4096UL
#define POPULATE_MAX	(4UL << 20) /* of a topic's windows at once: there is a page everywhere */
#define USER		1000	/* who has no privileges */

struct end {
	int fd;		/* 0: none */
	bool topic;
	uint32_t depth;
	uint64_t stride, window, msg_max; /* of a topic the window of a ring */
	uint32_t member; /* of a topic: no other has this number */
	int32_t ring, sub; /* likewise, or -1 */
	uint32_t kicked, released; /* attention that was kicked for last */
	uint64_t control_offset, ring_offset, data_offset, data_window;
};

struct map {
	char *addr;	/* NULL: none */
	uint64_t len, off;
	uint32_t end;
	uint32_t member; /* see above; the end may be another by now */
	bool topic;
	bool receives;	/* nothing can be stored there */
	bool readable;	/* of a topic: nothing can, so there is always something to read */
};

struct range {
	uint64_t start, len;
};

/* What may be done with a message depends on what it is. */
enum msg_kind {
	LOAN = 1 << 0,
	FOR_REPLY = 1 << 1,	/* a loan too */
	TAKEN = 1 << 2,
	REQUEST = 1 << 3,	/* taken and not answered */
	ANSWER = 1 << 4,
	SENT = 1 << 5		/* a request that was not answered as far as is known */
};

#define LOANS	(LOAN | FOR_REPLY)
#define HELD	(TAKEN | REQUEST | ANSWER)

/**
 * struct msg - a slot on loan, a message taken or a request sent
 * @end: index of the endpoint
 * @live: as far as is known it still is
 * @kind: what it is
 * @slot: number
 * @flags: IPCX_MSG_*, of a loan those that it is meant for
 * @seq: number of the message
 * @len: bytes
 */
struct msg {
	uint32_t end;
	bool live;
	enum msg_kind kind;
	uint32_t slot, flags;
	uint64_t seq, len;
};

/**
 * struct state - what a process of a program has
 * @index: which it is
 * @used_up: it changed in a way that cannot be undone and shall die after this program
 * @forked: it is a child of one
 * @forks: children made
 * @dev: /dev/ipcx
 * @socket: one end of a socket pair that all processes share
 * @pipe: for pins
 * @epoll: an epoll set
 * @netlink: a socket of the netlink family, or 0
 * @fail_nth: /proc/thread-self/fail-nth
 * @end: endpoints
 * @map: mappings
 * @msg: slots and messages
 * @next_msg: where the next is remembered
 */
struct state {
	uint32_t index;
	bool used_up;
	bool forked;
	uint32_t forks;
	int dev;
	int socket[2];
	int pipe[2];
	int epoll;
	int netlink;
	int fail_nth;
	struct end end[ENDS];
	struct map map[MAPS];
	struct msg msg[MSGS];
	uint32_t next_msg;
};

struct ipcx_desc;

/* Memory for arguments, with holes behind it. */
extern char *arg_page, *desc_pages, *readonly_page, *buffer;
extern int zeros; /* a file that is not writable */

#define NAMES		10
extern const char *const names[NAMES];
uint32_t name_length(uint32_t i);

void calls_init(void);
struct end *end_find(struct state *s, uint64_t index);
struct end *end_of_kind(struct state *s, uint64_t index, bool topic);
struct map *map_find(struct state *s, uint64_t index);
struct msg *msg_find(struct state *s, uint64_t index, uint32_t kinds);
int end_fd(struct state *s, uint64_t index);
int queue_fd(struct state *s, uint64_t index);
void end_remember(struct state *s, const struct end *e);
void msg_remember(struct state *s, uint32_t end, const struct ipcx_desc *d, enum msg_kind kind);
char *window_byte(struct state *s, uint64_t which);
char *memory_of(struct state *s, uint64_t how);
uint64_t inline_length(bool is_inline, uint64_t len);
int64_t deadline_of(uint64_t wait);

/* batch.c, calls.c, memory.c, netlink.c, topic.c: making one call in a process */

bool call_may_sleep(const struct call *c);
uint32_t call_make(struct state *s, const struct call *c);
long spoilt_ioctl(struct state *s, int fd, unsigned long cmd, void *arg, uint32_t size,
		  uint64_t bad);
void call_batch(struct state *s, const struct call *c);
void region_use(int fd, uint32_t flags, uint64_t bytes, uint64_t use);
long call_memory(struct state *s, const struct call *c);
struct range part_of(uint64_t len, uint64_t part);
void map_remember(struct state *s, const struct map *m);
void call_topic(struct state *s, const struct call *c);
void call_ask(struct state *s, const struct call *c);
void call_heed(struct state *s, const struct call *c);
void topic_bus_error(struct state *s, const struct call *c);

#endif /* FUZZ_H */
