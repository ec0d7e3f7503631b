// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs: the grammar, making one, changing one. The grammar is a table: each
 * call with the values that its arguments usually take. Anything else comes
 * from random words now and then.
 *
 * Resources are indices; who runs a program turns an index into the next
 * resource that exists, so that most calls of any mixture are valid.
 */
#include <linux/ipcx_region.h>
#include <linux/ipcx_topic.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "fuzz.h"

/* tables, several entries a line */
/* clang-format off */
#define VALUES(name, ...)							\
	static const uint64_t name##_list[] = { __VA_ARGS__ };			\
	static const struct values name = {					\
		name##_list, sizeof(name##_list) / sizeof(*name##_list)		\
	}

#define C	IPCX_OPEN_CREATE
#define S	IPCX_OPEN_SEND
#define R	IPCX_OPEN_RECV
#define E	IPCX_OPEN_EPHEMERAL
#define X	IPCX_OPEN_EXCL

VALUES(ends, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5, RAW);
VALUES(maps, 0, 0, 0, 1, 1, 2, 3, RAW, RAW + 1);
VALUES(msgs, 0, 0, 0, 1, 1, 2, 3, 5, 8, 13, RAW, RAW + 1, RAW + 2, RAW + 7);
VALUES(queue_names, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 0, 0, 3, 4, 5, 6, 7, 8, 9);
VALUES(open_flags, C | S | R, C | S | R, C | S | R, C | S | R, C | S, C | S, C | R, C | R, S, R,
	S | R, C | E | S | R, C | E | S | R, C | X | S | R, C | X | E | S | R, C | E | S,
	C | E | R, C | S | R | IPCX_OPEN_SEALED, 0, X | S, E | R, C, 1 << 5, 1U << 31);
VALUES(depths, 1, 1, 2, 2, 2, 3, 4, 4, 4, 8, 8, 16, 64, 64, 0, 0, 200, 65537, ~0U);
VALUES(msg_maxes, 1, 100, 4096, 4096, 4097, 8192, 16384, 65536, 65536, 1 << 20, 0, 1 << 30,
	(1 << 30) + 1, ~0ULL);
VALUES(bytes_maxes, 4096, 8192, 16384, 65536, 65536, 1 << 18, 1 << 18, 1 << 20, 1 << 20, 0,
	1 << 30, ~0ULL, ~0ULL - 4095);
VALUES(rules, 0, 0, 0, 0, RULES(1, 0, 0, 0), RULES(2, 0, 0, 0), RULES(2, 0, 2, 3),
	RULES(3, 0, 0, 0), RULES(0, 2, 1, 0), RULES(0, 2, 1, 1), RULES(0, 2, 2, 0),
	RULES(0, 2, 3, 5), RULES(2, 2, 1, 2), RULES(3, 2, 1, 1), RULES(0, 0, 0, 1),
	RULES(0, 0, 0, 20), RULES(1, 0, 3, 2), RULES(0, 1, 1, 0), RULES(0, 8, 1, 0),
	RULES(4, 0, 0, 0), RULES(0, 0, 0, ~0U));
/* and leases_max in the upper half */
VALUES(modes, 0600, 0600, 0600, 0666, 0666, 0666, 0, 0200, 0400, 0777, 01000, 0600 | 1ULL << 32,
	0666 | 1ULL << 32, 0666 | 2ULL << 32, 0600 | 3ULL << 32);
VALUES(lens, 0, 1, 1, 8, 8, 64, 65, 100, 100, 100, 1000, 1000, 4095, 4096, 4096, 4096, 4097,
	8192, 10000, 16384, 65536, 65537, 1 << 30, (1 << 30) + 1, ~0ULL);
VALUES(commit_lens, 0, 0, 0, 0, 1, 64, 65, 100, 4096, 4097, 1 << 20, ~0ULL);
VALUES(counts, 1, 1, 1, 1, 1, 2, 2, 3, 4, 8, 64, 0, 65, ~0U);
VALUES(waits, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, WAIT_PAST, WAIT_NEGATIVE, WAIT_FOREVER);
VALUES(len_maxes, ~0ULL, ~0ULL, ~0ULL, ~0ULL, 65536, 4096, 100, 1, 0);
VALUES(prios, 0, 0, 0, 0, 1, 5, 31, 31, 32, ~0U);
VALUES(bits, 0, 1);
VALUES(rarely, 0, 0, 0, 1);
VALUES(io_ways, 0, 0, 0, 0, 1, 2);
VALUES(unlink_kinds, 0, 0, 0, 1, 1, 2, 2, 3);
VALUES(take_flags, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 1U << 31);
VALUES(loan_flags, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 4, 4, 5, 5, 5, 6, 3, 1U << 31);
/* and IPCX_MSG_* to be changed in the upper half */
VALUES(commit_flags, 0, 0, 0, 1, 1, 1, 2, 1U << 31, CHANGE(IPCX_MSG_REQUEST),
	CHANGE(IPCX_MSG_REQUEST) | 1, CHANGE(IPCX_MSG_INLINE), CHANGE(IPCX_MSG_POISON));
VALUES(call_flags, 0, 0, 0, 1, 1, 2, 2, 4, 4, 6, 6, 3, 1U << 31, CHANGE(IPCX_MSG_INLINE),
	CHANGE(IPCX_MSG_CANCELED));
VALUES(reply_flags, 0, 0, 0, 0, 1, 1, 1, 2, CHANGE(IPCX_MSG_INLINE), CHANGE(IPCX_MSG_REQUEST));
/* and when a request expires in the upper half */
VALUES(call_prios, 0, 0, 0, 0, 1, 31, 32, 1ULL << 32, 2ULL << 32,
	(uint64_t)WAIT_PAST << 32, (uint64_t)WAIT_NEGATIVE << 32);
VALUES(reply_loans, NO_LOAN, NO_LOAN, 0, 0, 0, 0, 1, 1, 2, RAW, RAW + 1, RAW + 2);
VALUES(expiries, 0, 0, 0, 0, 0, 0, 1, 1, 2, 4, 15, WAIT_PAST, WAIT_PAST, WAIT_NEGATIVE,
	WAIT_FOREVER);
VALUES(flag_bits, 0, 0, 0, 1, 1, 1, 2, 1U << 31);
VALUES(bads, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, BAD(BAD_SIZE, 0, 0),
	BAD(BAD_SIZE, 0, 4), BAD(BAD_SIZE, 0, 23), BAD(BAD_SIZE, 0, 24), BAD(BAD_SIZE, 0, 32),
	BAD(BAD_SIZE, 0, 4096), BAD(BAD_SIZE, 0, ~0U), BAD(BAD_FLAG, 0, 0), BAD(BAD_FLAG, 1, 0),
	BAD(BAD_FLAG, 5, 0), BAD(BAD_FLAG, 31, 0), BAD(BAD_WORD, 2, 1), BAD(BAD_WORD, 4, 0),
	BAD(BAD_WORD, 4, 1), BAD(BAD_WORD, 4, 65), BAD(BAD_WORD, 5, 0), BAD(BAD_WORD, 5, 24),
	BAD(BAD_WORD, 5, 57), BAD(BAD_WORD, 5, 65), BAD(BAD_WORD, 5, 4096), BAD(BAD_WORD, 5, ~0U),
	BAD(BAD_WORD, 7, ~0U), BAD(BAD_NULL, 0, 0), BAD(BAD_EDGE, 1, 0), BAD(BAD_EDGE, 8, 0),
	BAD(BAD_READONLY, 0, 0), BAD(BAD_WINDOW, 0, 0), BAD(BAD_WINDOW, 0, 0),
	BAD(BAD_WINDOW, 1, 0), BAD(BAD_LONG, 8, 0), BAD(BAD_LONG, 8, 1), BAD(BAD_LONG, 64, 0),
	BAD(BAD_DESCS_EDGE, 0, 0), BAD(BAD_DESCS_EDGE, 1, 0), BAD(BAD_DESCS_EDGE, 1, 0),
	BAD(BAD_DESCS_EDGE, 2, 0), BAD(BAD_DESCS_READONLY, 0, 0), BAD(BAD_DESCS_WINDOW, 0, 0),
	BAD(BAD_DESCS_WINDOW, 0, 0), BAD(BAD_DESCS_WINDOW, 1, 0), BAD(BAD_DESC_WORD, 0, 1),
	BAD(BAD_DESC_WORD, 0, 2), BAD(BAD_DESC_WORD, 0, 4), BAD(BAD_DESC_WORD, 0, 0x10000),
	BAD(BAD_DESC_WORD, 0, ~0U), BAD(BAD_DESC_WORD, 0, 0x7fffffff), BAD(BAD_DESC_WORD, 1, 1),
	BAD(BAD_DESC_WORD, 6, 7), BAD(BAD_DESC_WORD, 13, 1), BAD(BAD_DESC_WORD, 15, ~0U),
	BAD(BAD_DESC_WORD, 16, 1), BAD(BAD_DESC_WORD, 17, 1));
VALUES(iov_lens, 0, 1, 8, 63, 64, 65, 100, 4096, 4097, 8192, 20000, 65536);
/* see memory_of() */
VALUES(memories, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5);
VALUES(inline_places, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5);
/* and where the reply is */
VALUES(reply_places, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 5, 1 << 8, 2 << 8, 3 << 8, 4 << 8);
VALUES(polls, 1, 4, 5, 5, 0x2000, ~0U);
VALUES(epoll_ops, 0, 0, EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL);
VALUES(epoll_flags, 5, 5, EPOLLET | 5, EPOLLONESHOT | 5, EPOLLEXCLUSIVE | 1, 1, 4);
VALUES(ioctls, 0xe780, 0xe781, 0xe782, 0xe783, 0xe784, 0xe785, 0xe786, 0xe787, 0xe788, 0xe789,
	0xe78a, 0xe78b, 0xe78c, 0xe78d, 0xe78e, 0xe78f, 0xe790, 0xe791, 0xe792, 0xe793,
	0x5421, 0);
/* see window_range() */
VALUES(windows, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5);
VALUES(protections, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_NONE,
	PROT_WRITE, PROT_READ | PROT_EXEC, 7);
VALUES(map_flags, MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED | MAP_NORESERVE,
	MAP_SHARED | MAP_POPULATE, MAP_SHARED | MAP_LOCKED, MAP_PRIVATE, MAP_SHARED_VALIDATE);
/* see part_of() */
VALUES(parts, 0, 0, 0, 1, 1, 2, 3);
/* see remap() */
VALUES(remaps, 0, 0, 1, 2, 3);
VALUES(advices, MADV_DONTNEED, MADV_DONTNEED, MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK,
	MADV_REMOVE, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE, MADV_MERGEABLE,
	22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */, 21);
VALUES(touch_lens, 1, 1, 8, 100, 4096, 4097, 65536);
/* page of the slot to touch */
VALUES(places, 0, 0, 0, 0, 0, 1, 2, 3);
VALUES(users, 0, 0, 1, 1, 2);
VALUES(small, 1, 2, 3, 5, 8, 20);
VALUES(procs, 0, 1, 2, 3, 4, 5);
VALUES(sleeps, 0, 10, 100, 1000, 3000);
VALUES(unshares, CLONE_NEWNET, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNET,
	CLONE_FILES, 0x80 /* CLONE_NEWTIME */, CLONE_NEWPID);

#define D	IPCX_REGION_READ
#define W	IPCX_REGION_WRITE

VALUES(region_flags, C | D | W, C | D | W, C | D, C | W, D, D, W, D | W, C | X | D | W, X | D, C, 0,
	C | E | D, 1U << 31);
VALUES(region_bytes, 0, 1, 4096, 4096, 8192, 1 << 20, 1ULL << 40, ~0ULL >> 1, 1ULL << 63, ~0ULL);
/* what is done with the descriptor: see call_region() */
VALUES(region_uses, 0, 0, 1, 2, 3, 4);

#undef D
#undef W

#define P	IPCX_TOPIC_PUBLISH
#define B	IPCX_TOPIC_SUBSCRIBE
#define Y	IPCX_TOPIC_LOSSY

VALUES(join_flags, C | P | B, C | P | B, C | P | B, C | P, C | P, C | P, C | B, C | B, C | B,
	C | B | Y, C | B | Y, C | P | B | Y, P, P, B, B, P | B, B | Y, C | E | P, C | E | B,
	C | E | P | B, C | X | P | B, C | B | IPCX_TOPIC_OPEN_RELIABLE, C, 0, P | Y, X | P, E | B,
	C | S | P, 1U << 31);
/* and lag_max in the upper half */
VALUES(topic_depths, 8, 8, 8, 8, 8, 16, 16, 64, 0, 8 | 1ULL << 32, 8 | 4ULL << 32, 8 | 8ULL << 32,
	16 | 1ULL << 32, 1024, 65536, 4, 9, 131072, 8 | 9ULL << 32, 8 | ~0ULL << 32);
VALUES(topic_msg_maxes, 1, 104, 105, 4096, 4096, 4096, 8192, 8192, 65536, 0, 1 << 20, 1 << 30,
	(1 << 30) + 1, ~0ULL);
VALUES(topic_bytes_maxes, 4096, 8192, 16384, 65536, 65536, 1 << 18, 1 << 20, 0, 0, 1, 4097, ~0ULL);
/* and history in the upper half */
VALUES(topic_modes, 0600, 0600, 0600, 0666, 0666, 0666, 0666, 0400, 0200, 0, 01000,
	0666 | 1ULL << 32, 0666 | 4ULL << 32, 0666 | 7ULL << 32, 0600 | 8ULL << 32, ~0ULL << 32);
VALUES(firsts, 0, 0, 0, 0, (1ULL << 62) - 1, (1ULL << 62) - 5, 1, 7, 1ULL << 62, ~0ULL);
VALUES(wait_flags, 1, 1, 1, 1, 2, 2, 2, 2, 0, 3, 4, 1U << 31);
VALUES(slots, 0, 0, 0, 1, 1, 2, 3, 7, 7, 8, 63, 65535, ~0U);
VALUES(subs, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 127, 128, ~0U);
VALUES(rings, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 62, 63, ~0U);
VALUES(ids, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, ~0ULL);
/* see window_range() in topic.c */
VALUES(topic_windows, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8);
/* with RAW that, else the member's own */
VALUES(indices, 0, 0, 0, 0, RAW, RAW, RAW, RAW + 1, RAW + 1, RAW + 2, RAW + 62, RAW + 63,
	RAW + 127);
VALUES(words, 0, 0, 0, 0, 0, 0, 1, 2, 3);
VALUES(kicks, 0, 0, 0, 0, 1, 2);
/* head and cursors, holds, words and lengths of cells */
VALUES(stores, 0, 0, 0, 0, 1, 1, 2, 3, 62, 63, 63, 64, 64, 65, 512, 512, 512, 513, 513, 514, 528,
	528, 529, 544, 545);
VALUES(hostile, 0, 1, 1, 2, 4, 7, 8, 9, 16, 64, ~0ULL, ~0ULL, -8ULL, -9ULL, 1ULL << 61,
	(1ULL << 62) - 1, 1ULL << 62, 1ULL << 63, 1 | 1ULL << 32, 65537 | 65538ULL << 32,
	104 | 1ULL << 32, 105, 1 << 20, ~0U);

#undef P
#undef B
#undef Y
#undef C
#undef S
#undef R
#undef E
#undef X

const struct op_info op_info[OPS] = {
	[OP_OPEN] = { "open", QUEUES, 8, {
		{ "name", &queue_names }, { "flags", &open_flags }, { "depth", &depths },
		{ "msg", &msg_maxes }, { "bytes", &bytes_maxes }, { "mode", &modes },
		{ "rules", &rules }, { "bad", &bads }
	} },
	[OP_DEV] = { "dev", 0, 2, { { "user", &users } } },
	[OP_INFO] = { "info", 0, 1, { { "bad", &bads } } },
	[OP_UNLINK] = { "unlink", 0, 2, {
		{ "name", &queue_names }, { "kind", &unlink_kinds }, { "bad", &bads },
		{ "now", &bits }
	} },
	[OP_REGION] = { "region", 0, 4, {
		{ "name", &queue_names }, { "flags", &region_flags }, { "mode", &modes },
		{ "bytes", &region_bytes }, { "use", &region_uses }, { "bad", &bads }
	} },
	[OP_LOAN] = { "loan", QUEUES, 16, {
		{ "end", &ends }, { "n", &counts }, { "len", &lens }, { "wait", &waits },
		{ "bad", &bads }, { "flags", &loan_flags }
	} },
	[OP_COMMIT] = { "commit", QUEUES, 16, {
		{ "msg", &msgs }, { "n", &counts }, { "len", &commit_lens },
		{ "flags", &commit_flags }, { "prio", &prios }, { "bad", &bads },
		{ "expires", &expiries }, { "data", &inline_places }
	} },
	[OP_CANCEL] = { "cancel", QUEUES, 4, {
		{ "msg", &msgs }, { "n", &counts }, { "bad", &bads }
	} },
	[OP_TAKE] = { "take", QUEUES, 16, {
		{ "end", &ends }, { "n", &counts }, { "wait", &waits }, { "max", &len_maxes },
		{ "flags", &take_flags }, { "msg", &msgs }, { "bad", &bads },
		{ "data", &inline_places }
	} },
	[OP_RELEASE] = { "release", QUEUES, 10, {
		{ "msg", &msgs }, { "n", &counts }, { "flags", &flag_bits }, { "bad", &bads }
	} },
	[OP_CALL] = { "call", QUEUES, 12, {
		{ "msg", &msgs }, { "len", &commit_lens }, { "wait", &waits },
		{ "flags", &call_flags }, { "prio", &call_prios }, { "answer", &msgs },
		{ "bad", &bads }, { "data", &inline_places }
	} },
	[OP_REPLY] = { "reply", QUEUES, 12, {
		{ "msg", &msgs }, { "loan", &reply_loans }, { "wait", &waits },
		{ "max", &len_maxes }, { "flags", &reply_flags }, { "len", &commit_lens },
		{ "bad", &bads }, { "data", &reply_places }
	} },
	[OP_READ] = { "read", QUEUES, 7, {
		{ "end", &ends }, { "len", &iov_lens }, { "mem", &memories }, { "vec", &io_ways }
	} },
	[OP_WRITE] = { "write", QUEUES, 7, {
		{ "end", &ends }, { "len", &iov_lens }, { "mem", &memories }, { "vec", &io_ways }
	} },
	[OP_POLL] = { "poll", 0, 3, { { "end", &ends }, { "events", &polls }, { "wait", &bits } } },
	[OP_EPOLL] = { "epoll", 0, 4, {
		{ "end", &ends }, { "op", &epoll_ops }, { "flags", &epoll_flags }
	} },
	[OP_NONBLOCK] = { "nonblock", 0, 2, { { "end", &ends }, { "on", &bits } } },
	[OP_STAT] = { "stat", QUEUES, 2, { { "end", &ends }, { "bad", &bads } } },
	[OP_IOCTL] = { "ioctl", 0, 1, { { "end", &ends }, { "cmd", &ioctls } } },
	[OP_MMAP] = { "mmap", QUEUES, 10, {
		{ "end", &ends }, { "window", &windows }, { "part", &parts },
		{ "prot", &protections }, { "flags", &map_flags }
	} },
	[OP_TOUCH] = { "touch", 0, 16, {
		{ "map", &maps }, { "msg", &msgs }, { "page", &places }, { "len", &touch_lens },
		{ "write", &bits }
	} },
	[OP_MUNMAP] = { "munmap", 0, 4, { { "map", &maps }, { "part", &parts } } },
	[OP_MREMAP] = { "mremap", 0, 3, {
		{ "map", &maps }, { "part", &parts }, { "how", &remaps }
	} },
	[OP_MPROTECT] = { "mprotect", 0, 2, {
		{ "map", &maps }, { "part", &parts }, { "prot", &protections }
	} },
	[OP_MADVISE] = { "madvise", 0, 2, {
		{ "map", &maps }, { "part", &parts }, { "advice", &advices }
	} },
	[OP_PIN] = { "pin", QUEUES, 4, {
		{ "map", &maps }, { "msg", &msgs }, { "len", &touch_lens }
	} },
	[OP_DRAIN] = { "drain", 0, 2, { { "len", &iov_lens } } },
	[OP_PEEK] = { "peek", 0, 2, {
		{ "map", &maps }, { "msg", &msgs }, { "len", &touch_lens }, { "write", &bits }
	} },
	[OP_DUP] = { "dup", 0, 2, { { "end", &ends } } },
	[OP_CLOSE] = { "close", 0, 6, { { "end", &ends } } },
	[OP_FORK] = { "fork", 0, 0, { { "calls", &small } } },
	[OP_SENDFD] = { "sendfd", 0, 3, { { "end", &ends } } },
	[OP_RECVFD] = { "recvfd", 0, 3, { } },
	[OP_KILL] = { "kill", 0, 0, { { "proc", &procs } } },
	[OP_SLEEP] = { "sleep", 0, 1, { { "us", &sleeps } } },
	[OP_LIST] = { "list", 0, 1, { { "len", &iov_lens }, { "end", &ends } } },
	[OP_EXIT] = { "exit", 0, 0, { } },
	[OP_UNSHARE] = { "unshare", 0, 0, { { "flags", &unshares } } },
	[OP_DROP] = { "drop", 0, 0, { } },
	[OP_JOIN] = { "join", TOPICS, 9, {
		{ "name", &queue_names }, { "flags", &join_flags }, { "depth", &topic_depths },
		{ "msg", &topic_msg_maxes }, { "bytes", &topic_bytes_maxes },
		{ "mode", &topic_modes }, { "first", &firsts }, { "bad", &bads }
	} },
	[OP_WAIT] = { "wait", TOPICS, 8, {
		{ "end", &ends }, { "flags", &wait_flags }, { "wait", &waits }, { "bad", &bads }
	} },
	[OP_KICK] = { "kick", TOPICS, 6, {
		{ "end", &ends }, { "flags", &wait_flags }, { "bad", &bads }
	} },
	[OP_POPULATE] = { "populate", TOPICS, 8, {
		{ "end", &ends }, { "slot", &slots }, { "len", &lens }, { "bad", &bads }
	} },
	[OP_EVICT] = { "evict", TOPICS, 8, {
		{ "end", &ends }, { "sub", &subs }, { "flags", &rarely }, { "bad", &bads }
	} },
	[OP_LEAVE] = { "leave", TOPICS, 8, {
		{ "end", &ends }, { "ring", &rings }, { "id", &ids }, { "bad", &bads }
	} },
	[OP_RING] = { "ring", TOPICS, 2, {
		{ "end", &ends }, { "ring", &rings }, { "id", &ids }, { "bad", &bads }
	} },
	[OP_WINDOW] = { "window", TOPICS, 16, {
		{ "end", &ends }, { "window", &topic_windows }, { "index", &indices },
		{ "part", &parts }, { "prot", &protections }, { "flags", &map_flags }
	} },
	[OP_PUBLISH] = { "publish", TOPICS, 24, {
		{ "end", &ends }, { "n", &counts }, { "len", &lens }, { "word", &words },
		{ "kick", &kicks }
	} },
	[OP_CONSUME] = { "consume", TOPICS, 16, {
		{ "end", &ends }, { "ring", &rings }, { "n", &counts }, { "kick", &kicks }
	} },
	[OP_STORE] = { "store", TOPICS, 10, {
		{ "map", &maps }, { "at", &stores }, { "value", &hostile }, { "add", &bits }
	} },
};

/* clang-format on */

static uint64_t random_state;

void random_seed(uint64_t seed)
{
	random_state = seed;
}

/* splitmix64: any seed is as good as any other */
static uint64_t random_word(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t random_below(uint64_t n)
{
	return random_word() % n;
}

static uint64_t random_value(const struct values *v)
{
	if (!random_below(200))
		return random_word() >> random_below(64);
	return v->list[random_below(v->n)];
}

static const enum op endings[] = {
	OP_FORK, OP_FORK, OP_KILL, OP_KILL, OP_EXIT, OP_EXIT, OP_UNSHARE, OP_DROP,
};

/* What the program that is made or changed works on. */
static enum kinds kinds;

static uint32_t weight_of(enum op op)
{
	const struct op_info *i = &op_info[op];

	if (i->kinds && !(i->kinds & kinds))
		return 0;
	return i->weight;
}

static enum op random_op(void)
{
	uint64_t sum = 0, r;
	int op;

	/* what costs a process: making one takes as long as hundreds of calls */
	if (!random_below(160))
		return endings[random_below(sizeof(endings) / sizeof(*endings))];
	for (op = 0; op < OPS; op++)
		sum += weight_of(op);
	r = random_below(sum);
	for (op = 0; r >= weight_of(op); op++)
		r -= weight_of(op);
	return op;
}

static struct call *call_fill(struct call *c, uint8_t proc, enum op op)
{
	int i;

	*c = (struct call){ .proc = proc, .op = op };
	if (!random_below(40))
		c->fail = 1 + random_below(random_below(2) ? 4 : 16);
	for (i = 0; i < ARGS_MAX && op_info[op].arg[i].name; i++)
		c->arg[i] = random_value(op_info[op].arg[i].values);
	return c;
}

/* What nearly every process begins with: a queue that others use too, and its windows. */
static void start_queue(struct program *p, uint8_t proc)
{
	struct call *c;

	if (!random_below(4)) { /* where most dead letters go */
		c = call_fill(&p->call[p->n++], proc, OP_OPEN);
		c->arg[0] = 2;
		c->arg[1] |= IPCX_OPEN_CREATE;
	}
	c = call_fill(&p->call[p->n++], proc, OP_OPEN);
	if (random_below(4)) {
		c->arg[0] = 1;
		c->arg[1] |= IPCX_OPEN_CREATE;
		c->arg[7] = 0;
	}
	c = call_fill(&p->call[p->n++], proc, OP_MMAP);
	c->arg[1] = 0;
	c = call_fill(&p->call[p->n++], proc, OP_MMAP);
	c->arg[1] = 1;
}

/* The same of a topic; its own pages, and the ring of the first who publishes. */
static void start_topic(struct program *p, uint8_t proc)
{
	static const struct {
		uint64_t window, index;
	} windows[] = { { 0, 0 }, { 1, 0 }, { 2, 0 }, { 2, RAW }, { 3, 0 } };
	struct call *c = call_fill(&p->call[p->n++], proc, OP_JOIN);
	uint32_t i;

	if (random_below(8)) {
		c->arg[0] = 3;
		c->arg[1] |= IPCX_OPEN_CREATE;
		c->arg[7] = 0;
	}
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		c = call_fill(&p->call[p->n++], proc, OP_WINDOW);
		c->arg[1] = windows[i].window;
		c->arg[2] = windows[i].index;
		c->arg[3] = 0;
		c->arg[4] = PROT_READ | PROT_WRITE;
		c->arg[5] = MAP_SHARED;
	}
}

static void generate_start(struct program *p, uint8_t proc)
{
	if (!random_below(40))
		call_fill(&p->call[p->n++], proc, OP_DROP);
	if (kinds & QUEUES)
		start_queue(p, proc);
	if (kinds & TOPICS)
		start_topic(p, proc);
}

/* All shapes of an object's attributes must meet, not only those of the first opener. */
static void same_attributes(struct program *p, int op, uint64_t name)
{
	struct call *first = NULL;
	uint32_t i, j;

	for (i = 0; i < p->n; i++) {
		struct call *c = &p->call[i];

		if (c->op != op || c->arg[0] != name || !random_below(8))
			continue;
		if (!first)
			first = c;
		for (j = 2; j < 7; j++)
			c->arg[j] = first->arg[j];
	}
}

static enum kinds kinds_of(const struct program *p)
{
	uint32_t i, found = 0;

	for (i = 0; i < p->n; i++)
		found |= op_info[p->call[i].op].kinds;
	return found ?: QUEUES | TOPICS;
}

void program_generate(struct program *p)
{
	static const enum kinds usual[] = {
		QUEUES, QUEUES, QUEUES, TOPICS, TOPICS, QUEUES | TOPICS,
	};
	uint32_t i, calls;

	p->n = 0;
	kinds = usual[random_below(sizeof(usual) / sizeof(*usual))];
	p->procs = 2 + (random_below(3) ? random_below(2) : random_below(PROCS_MAX - 1));
	for (i = 0; i < p->procs; i++)
		generate_start(p, i);
	same_attributes(p, OP_OPEN, 1);
	same_attributes(p, OP_JOIN, 3);
	calls = p->n + p->procs * (16 + random_below(112));
	if (calls > CALLS_MAX)
		calls = CALLS_MAX;
	while (p->n < calls)
		call_fill(&p->call[p->n++], random_below(p->procs), random_op());
}

static void insert_calls(struct program *p, const struct call *c, uint32_t n)
{
	uint32_t at = random_below(p->n + 1), i;

	if (n > CALLS_MAX - p->n)
		n = CALLS_MAX - p->n;
	memmove(&p->call[at + n], &p->call[at], (p->n - at) * sizeof(*c));
	memcpy(&p->call[at], c, n * sizeof(*c));
	for (i = at; i < at + n; i++)
		p->call[i].proc %= p->procs;
	p->n += n;
}

static void delete_calls(struct program *p, uint32_t n)
{
	uint32_t at;

	if (p->n <= n)
		return;
	at = random_below(p->n - n + 1);
	memmove(&p->call[at], &p->call[at + n], (p->n - at - n) * sizeof(p->call[0]));
	p->n -= n;
}

static void change_call(struct program *p)
{
	struct call *c = &p->call[random_below(p->n)];
	int args = 0;

	while (args < ARGS_MAX && op_info[c->op].arg[args].name)
		args++;
	switch (random_below(8)) {
	case 0:
		c->proc = random_below(p->procs);
		break;
	case 1:
		c->fail = random_below(2) ? 1 + random_below(20) : 0;
		break;
	case 2:
		call_fill(c, c->proc, random_op());
		break;
	default:
		if (args) {
			int i = random_below(args);

			c->arg[i] = random_value(op_info[c->op].arg[i].values);
		}
	}
}

/*
 * Changes @p at some places; @other is a second program to take calls from.
 */
void program_mutate(struct program *p, const struct program *other)
{
	uint32_t rounds = 1 + random_below(6), from, n;
	struct call some[16];

	kinds = kinds_of(p);
	while (rounds--) {
		switch (random_below(8)) {
		case 0:
		case 1:
			call_fill(some, random_below(p->procs), random_op());
			insert_calls(p, some, 1);
			break;
		case 2:
			delete_calls(p, 1 + random_below(4));
			break;
		case 3:
			n = 1 + random_below(p->n < 8 ? p->n : 8);
			from = random_below(p->n - n + 1);
			memcpy(some, &p->call[from], n * sizeof(*some));
			insert_calls(p, some, n);
			break;
		case 4:
			n = 1 + random_below(other->n < 16 ? other->n : 16);
			from = random_below(other->n - n + 1);
			insert_calls(p, &other->call[from], n);
			break;
		default:
			change_call(p);
		}
	}
}
