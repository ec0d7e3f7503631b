// SPDX-License-Identifier: GPL-2.0-only
/*
 * flip [CALLS]: a second thread changes one word of an ioctl's argument, or of what
 * it points to, all the time, between good and bad values. Whatever the call does
 * must be right for one of them: it is checked once and used as it was checked.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "flip_calls.h"

#include "../kselftest.h"

static const struct call loan_call = { "LOAN", IPCX_IOC_QUEUE_LOAN, false, loan_prepare,
				       loan_check };
static const struct call commit_call = { "COMMIT", IPCX_IOC_QUEUE_COMMIT, false, loaned,
					 commit_check };
static const struct call cancel_call = { "CANCEL", IPCX_IOC_QUEUE_CANCEL, false, loaned,
					 cancel_check };
static const struct call take_call = { "TAKE", IPCX_IOC_QUEUE_TAKE, false, take_prepare,
				       take_check };
static const struct call next_call = { "TAKE and release", IPCX_IOC_QUEUE_TAKE, false, next_prepare,
				       next_check };
static const struct call release_call = { "RELEASE", IPCX_IOC_QUEUE_RELEASE, false, release_prepare,
					  release_check };
static const struct call open_call = { "OPEN", IPCX_IOC_QUEUE_OPEN, true, open_prepare,
				       open_check };
static const struct call create_call = { "CREATE", IPCX_IOC_QUEUE_OPEN, true, create_prepare,
					 create_check };
static const struct call unlink_call = { "UNLINK", IPCX_IOC_UNLINK, true, unlink_prepare,
					 unlink_check };
static const struct call info_call = { "INFO", IPCX_IOC_INFO, true, info_prepare, info_check };
static const struct call stat_call = { "STAT", IPCX_IOC_QUEUE_STAT, false, stat_prepare,
				       stat_check };

/* Stand for what is known when the program runs only. */
#define FIRST 0x5107000000000001ULL /* a slot of mine */
#define SECOND 0x5107000000000002ULL
#define LOANED 0x5107000000000003ULL /* slots of other */
#define LEASED 0x5107000000000004ULL
#define SEQ 0x5107000000000005ULL /* number of the message in FIRST */
#define X 0x5107000000000006ULL /* addresses */
#define Y 0x5107000000000007ULL
#define NAME_A 0x5107000000000008ULL
#define NAME_B 0x5107000000000009ULL
#define NOWHERE 0x10

/* A word that flips between values, some good, some bad. */
static const struct flip {
	const struct call *call;
	const char *field;
	volatile void *at;
	unsigned int width;
	uint64_t v[4];
} flips[] = {
#define AT(of) #of, &(of), sizeof(of)
	{ &loan_call, AT(arg.loan.size), { 32, 4096, 32, 4096 } },
	{ &loan_call, AT(arg.loan.flags), { 0, 8, 0, 1U << 31 } },
	{ &loan_call, AT(arg.loan.descs), { X, Y, NOWHERE, 1ULL << 63 } },
	{ &loan_call, AT(arg.loan.count), { 1, 2, 0, UINT32_MAX } },
	{ &loan_call, AT(arg.loan.desc_size), { 64, 63, 4097, UINT32_MAX } },
	{ &loan_call, AT(arg.loan.deadline), { 0, -1, 1, -1 } },
	{ &loan_call, AT(x[0].len), { SMALL, LARGE, 1ULL << 40, UINT64_MAX } },
	{ &loan_call, AT(x[0].flags), { 0, 1U << 31, 0, 4 } },
	{ &loan_call, AT(x[0].__reserved), { 0, 1, 0, 1 } },
	{ &commit_call, AT(arg.commit.size), { 24, 4096, 24, 4096 } },
	{ &commit_call, AT(arg.commit.flags), { 0, 2, 0, 1U << 31 } },
	{ &commit_call, AT(arg.commit.descs), { X, Y, NOWHERE, 1ULL << 63 } },
	{ &commit_call, AT(arg.commit.count), { 1, 2, 0, UINT32_MAX } },
	{ &commit_call, AT(arg.commit.desc_size), { 64, 63, 4097, UINT32_MAX } },
	{ &commit_call, AT(x[0].slot), { FIRST, SECOND, LOANED, DEPTH } },
	{ &commit_call, AT(x[0].len), { 8, SMALL + 1, SMALL, UINT64_MAX } },
	{ &commit_call, AT(x[0].prio), { 0, IPCX_PRIO_MAX + 1, IPCX_PRIO_MAX, UINT32_MAX } },
	{ &commit_call, AT(x[0].flags), { 0, 1, 0, 64 } },
	{ &commit_call, AT(x[0].expires), { 0, -1, INT64_MAX, INT64_MIN } },
	{ &cancel_call, AT(arg.release.descs), { X, Y, NOWHERE, 1ULL << 63 } },
	{ &cancel_call, AT(arg.release.count), { 1, 2, 0, UINT32_MAX } },
	{ &cancel_call, AT(x[0].slot), { FIRST, SECOND, LOANED, DEPTH } },
	{ &cancel_call, AT(x[0].slot), { FIRST, LEASED, SECOND, UINT32_MAX } },
	{ &take_call, AT(arg.take.size), { 40, 4096, 40, 4096 } },
	{ &take_call, AT(arg.take.flags), { 0, IPCX_TAKE_PEEK, 3, 4 } },
	{ &take_call, AT(arg.take.descs), { X, Y, NOWHERE, 1ULL << 63 } },
	{ &take_call, AT(arg.take.count), { 1, 2, 0, UINT32_MAX } },
	{ &take_call, AT(arg.take.desc_size), { 64, 63, 4097, UINT32_MAX } },
	{ &take_call, AT(arg.take.deadline), { 0, -1, 1, -1 } },
	{ &take_call, AT(arg.take.len_max), { UINT64_MAX, 0, SMALL, 1 } },
	{ &next_call, AT(x[0].slot), { FIRST, LOANED, LEASED, DEPTH } },
	{ &next_call, AT(x[0].seq), { SEQ, 0, 0, UINT64_MAX } },
	{ &release_call, AT(arg.release.size), { 24, 4096, 24, 4096 } },
	{ &release_call, AT(arg.release.flags), { 0, IPCX_RELEASE_NACK, 2, 1U << 31 } },
	{ &release_call, AT(arg.release.count), { 1, 2, 0, UINT32_MAX } },
	{ &release_call, AT(x[0].slot), { FIRST, LOANED, LEASED, DEPTH } },
	{ &release_call, AT(x[0].seq), { SEQ, 0, 0, UINT64_MAX } },
	{ &open_call, AT(arg.open.size), { 168, 4096, 168, 4096 } },
	{ &open_call, AT(arg.open.flags), { IPCX_OPEN_RECV, 0, IPCX_OPEN_SEND, 1U << 31 } },
	{ &open_call, AT(arg.open.name), { NAME_A, NAME_B, NOWHERE, 0 } },
	{ &open_call, AT(arg.open.name_len), { 6, 0, 5, 256 } },
	{ &open_call, AT(name[5]), { 'a', 'b', '/', 'c' } },
	{ &open_call, AT(name[0]), { 'f', '.', 'f', 0 } },
	{ &create_call, AT(arg.open.size), { 168, 4096, 168, 4096 } },
	{ &create_call, AT(arg.open.mode), { 0600, 01000, 0777, UINT32_MAX } },
	{ &create_call, AT(arg.open.depth), { 2, 1U << 31, 4, UINT32_MAX } },
	{ &create_call, AT(arg.open.policy), { 0, 4, 3, UINT32_MAX } },
	{ &create_call, AT(arg.open.msg_max), { SMALL, 1ULL << 40, LARGE, UINT64_MAX } },
	{ &create_call, AT(arg.open.lease_ms), { 0, IPCX_LEASE_MS_MAX + 1, 1, UINT32_MAX } },
	{ &create_call, AT(arg.open.__reserved), { 0, 1, 0, UINT32_MAX } },
	{ &unlink_call, AT(arg.unlink.size), { 24, 4096, 24, 4096 } },
	{ &unlink_call, AT(arg.unlink.flags), { 0, 2, IPCX_UNLINK_NOW, 1U << 31 } },
	{ &unlink_call, AT(arg.unlink.name), { NAME_A, NAME_B, NOWHERE, 0 } },
	{ &unlink_call, AT(arg.unlink.kind), { IPCX_KIND_QUEUE, 0, IPCX_KIND_QUEUE, 2 } },
	{ &unlink_call, AT(name[5]), { 'a', 'b', '/', 'c' } },
	{ &info_call, AT(arg.info.size), { 56, 4096, 56, 4096 } },
	{ &info_call, AT(arg.info.flags), { 0, 1, 0, 1U << 31 } },
	{ &stat_call, AT(arg.stat.size), { 112, 4096, 112, 4096 } },
	{ &stat_call, AT(arg.stat.flags), { 0, 1, 0, 1U << 31 } },
};

static atomic_bool over;
static _Atomic(uint64_t) values[4]; /* of the flip that runs */

static uint64_t value_of(uint64_t v)
{
	switch (v) {
	case FIRST:
		return mine[0].slot;
	case SECOND:
		return mine[1].slot;
	case LOANED:
		return others[0].slot;
	case LEASED:
		return others[1].slot;
	case SEQ:
		return mine[0].seq;
	case X:
		return (uintptr_t)x;
	case Y:
		return (uintptr_t)y;
	case NAME_A:
		return (uintptr_t)name;
	case NAME_B:
		return (uintptr_t)name_b;
	}
	return v;
}

static void put(const struct flip *f, uint64_t v)
{
	switch (f->width) {
	case 1:
		*(volatile __u8 *)f->at = v;
		break;
	case 4:
		*(volatile __u32 *)f->at = v;
		break;
	case 8:
		*(volatile __u64 *)f->at = v;
		break;
	}
}

static void *flipper(void *of)
{
	unsigned int seed = 1;

	while (!atomic_load(&over)) {
		seed = seed * 1103515245 + 12345;
		put(of, atomic_load(&values[seed >> 16 & 3]));
		for (volatile unsigned int i = seed & 1 << 18 ? seed >> 19 & 63 : 0; i; i--)
			;
	}
	return NULL;
}

/* @good, @bad: count calls that were done, if in vain, and calls that were refused. */
static const char *one_call(const struct flip *f, unsigned long *good, unsigned long *bad)
{
	const struct call *c = f->call;
	const char *wrong = c->prepare();
	int ret;

	if (wrong)
		return wrong;
	for (int i = 0; i < 4; i++)
		atomic_store(&values[i], value_of(f->v[i]));
	ret = xioctl(c->device ? dev : e.fd, c->cmd, &arg);
	++*(ret < 0 && ret != -EAGAIN ? bad : good);
	return c->check(ret);
}

static const char *run(const struct flip *f, int n, unsigned long *good, unsigned long *bad)
{
	int64_t patience = in_ms(20000); /* the two may have to share a CPU */
	const char *wrong = NULL;
	pthread_t thread;

	atomic_store(&over, false);
	for (int i = 0; i < 4; i++)
		atomic_store(&values[i], value_of(f->v[i]));
	if (pthread_create(&thread, NULL, flipper, (void *)f))
		return "no thread";
	for (int i = 0; !wrong && (i < n || (!(*good && *bad) && now_ns() < patience)); i++)
		wrong = one_call(f, good, bad);
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	put(f, value_of(f->v[0]));
	return wrong;
}

static bool scene(void)
{
	e.o.depth = DEPTH;
	e.o.msg_max = LARGE;
	return !end_open(&e, "flip", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) &&
	       !end_open(&other, "flip", SENDRECV) && raw_send(&other, 8, 'o') == 1 &&
	       raw_take(other.fd, &others[1], 0) == 1 &&
	       raw_loan(other.fd, &others[0], 8, 0) == 1 && make_named() >= 0;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : rounds_or(2000, 10000000 / ARRAY_SIZE(flips));

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(flips));
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	if (dev < 0 || !scene())
		ksft_exit_fail_msg("no queues\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(flips); i++) {
		unsigned long good = 0, bad = 0;
		const char *wrong = run(&flips[i], n, &good, &bad);

		if (!wrong && !(good && bad))
			wrong = "it never met the call";
		ksft_test_result(!wrong, "%s, %s: %s, %lu done, %lu refused\n", flips[i].call->name,
				 flips[i].field, wrong ?: "good", good, bad);
	}
	raw_unlink("flip-a");
	raw_unlink("flip-b");
	ksft_finished();
}
