// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar is a table: each call with the values that its arguments usually take. Anything
 * else comes from random words now and then.
 */
#include <linux/ipcx_netlink.h>
#include <linux/ipcx_region.h>
#include <linux/ipcx_topic.h>
#include <linux/netlink.h>
#include <sched.h>
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
	0xe795, 0xe796, 0x5421, 0);
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

VALUES(nl_cmds, IPCX_CMD_OBJECT_GET, IPCX_CMD_OBJECT_GET, IPCX_CMD_END_GET, IPCX_CMD_END_GET,
	IPCX_CMD_HOLDER_GET, IPCX_CMD_HOLDER_GET, IPCX_CMD_LIMIT_GET, IPCX_CMD_LIMIT_SET,
	IPCX_CMD_END_REVOKE, IPCX_CMD_END_REVOKE, 0, 99, 255);
VALUES(nl_flags, 0, 0, NLM_F_DUMP, NLM_F_DUMP, NLM_F_DUMP, NLM_F_DUMP, NLM_F_ACK,
	NLM_F_DUMP | NLM_F_ACK, NLM_F_ROOT, NLM_F_MATCH, ~0U);
VALUES(nl_attrs, 0, 0, 0, 0, ATTR_NAME | IPCX_A_OBJECT_NAME, ATTR_NAME | IPCX_A_OBJECT_NAME,
	ATTR(IPCX_A_OBJECT_ID, 8), ATTR(IPCX_A_OBJECT_KIND, 4), ATTR(IPCX_A_END_ID, 8),
	ATTR_TOLD | ATTR(IPCX_A_END_ID, 8), ATTR_TOLD | ATTR(IPCX_A_END_ID, 8),
	ATTR(IPCX_A_END_OBJECT, 8), ATTR(IPCX_A_END_OBJECT, 8), ATTR(IPCX_A_HOLDER_OBJECT, 8),
	ATTR(IPCX_A_HOLDER_OBJECT, 8), ATTR(IPCX_A_LIMIT_UID, 4), ATTR(IPCX_A_OBJECT_PAD, 0),
	ATTR(IPCX_A_OBJECT_ID, 4), ATTR(IPCX_A_OBJECT_NAME, 256), ATTR(IPCX_A_OBJECT_NAME, 0),
	ATTR(IPCX_A_LIMIT_BYTES_MAX, 8),
	ATTR(IPCX_A_OBJECT_FLAGS, 4), ATTR(3 | NLA_F_NESTED, 12), ATTR(2 | NLA_F_NET_BYTEORDER, 8),
	ATTR(63, 4), ATTR(0x3fff, 4000));
VALUES(nl_values, 1, 1, 1, 2, 2, 3, 4, 5, 8, 20, 100, 1000, 65534, 0, ~0U, ~0ULL);
VALUES(nl_bads, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NLBAD_CUT | 1 << 8, NLBAD_CUT | 4 << 8,
	NLBAD_CUT | 12 << 8, NLBAD_SHORT | 1 << 8, NLBAD_SHORT | 8 << 8, NLBAD_LONG | 1 << 8,
	NLBAD_LONG | 4096 << 8, NLBAD_VERSION | 255 << 8, NLBAD_ATTR | 0 << 8, NLBAD_ATTR | 3 << 8,
	NLBAD_ATTR | 5 << 8, NLBAD_ATTR | 65535 << 8, NLBAD_TWICE, NLBAD_TWICE);
VALUES(nl_lens, 0, 16, 100, 1000, 4096, 8192, 32768, 65535, 65535);

#define D	IPCX_REGION_READ
#define W	IPCX_REGION_WRITE

VALUES(region_flags, C | D | W, C | D | W, C | D, C | W, D, D, W, D | W, C | X | D | W, X | D, C, 0,
	C | E | D, 1U << 31);
VALUES(region_bytes, 0, 1, 4096, 4096, 8192, 1 << 20, 1ULL << 40, ~0ULL >> 1, 1ULL << 63, ~0ULL);
VALUES(tap_snaps, 0, 1, 64, 256, 4096, 1 << 20, (1 << 20) + 1, ~0U);
VALUES(tap_reads, 0, 1, 2, 5);
VALUES(tap_lens, 65536, 4096, 336, 144, 80, 1, 0);
/* what is done with the descriptor: see call_region() */
VALUES(region_uses, 0, 0, 1, 2, 3, 4);
/* see attach_fd() */
VALUES(attach_fds, 0, 0, 0, 0, 0, 0, 1, 2, RAW, RAW + 1);
VALUES(attach_flags, D, D, D | W, D | W, W, 0, 1U << 31);
VALUES(attach_places, 0, 0, 0, 0, 1, 2, 3, 4, ~0U);

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
	[OP_TAP] = { "tap", 0, 4, {
		{ "name", &queue_names }, { "kind", &unlink_kinds }, { "snap", &tap_snaps },
		{ "reads", &tap_reads }, { "len", &tap_lens }, { "bad", &bads }
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
	[OP_ATTACH] = { "attach", QUEUES, 8, {
		{ "msg", &msgs }, { "fd", &attach_fds }, { "flags", &attach_flags },
		{ "bad", &bads }
	} },
	[OP_FETCH] = { "fetch", QUEUES, 8, {
		{ "msg", &msgs }, { "index", &attach_places }, { "use", &region_uses },
		{ "bad", &bads }
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
	[OP_ASK] = { "ask", 0, 5, {
		{ "cmd", &nl_cmds }, { "flags", &nl_flags }, { "attr", &nl_attrs },
		{ "value", &nl_values }, { "attr2", &nl_attrs }, { "value2", &nl_values },
		{ "bad", &nl_bads }, { "new", &rarely }
	} },
	[OP_HEED] = { "heed", 0, 4, { { "n", &counts }, { "len", &nl_lens } } },
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
