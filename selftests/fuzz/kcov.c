// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage: one KCOV buffer for each process of a program, made once. A process
 * needs the descriptor only: the kernel writes, and the fuzzer reads when the
 * process is gone. The buffers are not mapped in the processes, forks would
 * have to copy their page tables.
 */
#include <fcntl.h>
#include <linux/kcov.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define WORDS	(64 << 10)	/* PCs of one process; what is more is lost */
#define SEEN	(1 << 18)	/* a hash: edges that collide count once */

static int fd[PROCS_MAX];
static uint64_t *area[PROCS_MAX];
static uint8_t *seen_edge, *seen_pc;
static uint32_t edges, pcs;

static uint8_t *private_bytes(void)
{
	void *p = mmap(NULL, SEEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED || madvise(p, SEEN, MADV_DONTFORK) ? NULL : p;
}

/* Return: whether this kernel has it. */
bool kcov_open(void)
{
	int i;

	seen_edge = private_bytes();
	seen_pc = private_bytes();
	for (i = 0; i < PROCS_MAX && seen_edge && seen_pc; i++) {
		fd[i] = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
		if (fd[i] < 0 || ioctl(fd[i], KCOV_INIT_TRACE, WORDS))
			return false;
		area[i] = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd[i], 0);
		if (area[i] == MAP_FAILED || madvise(area[i], WORDS * 8, MADV_DONTFORK))
			return false;
	}
	return i == PROCS_MAX;
}

void kcov_clear(uint32_t procs)
{
	uint32_t i;

	for (i = 0; i < procs; i++)
		__atomic_store_n(&area[i][0], 0, __ATOMIC_RELAXED);
}

/* In the process itself. */
void kcov_enable(uint32_t proc)
{
	ioctl(fd[proc], KCOV_ENABLE, KCOV_TRACE_PC);
}

static bool see(uint8_t *seen, uint64_t what, uint32_t *count)
{
	uint32_t i = what * 0x9e3779b97f4a7c15ULL >> 46;

	if (seen[i])
		return false;
	seen[i] = 1;
	++*count;
	return true;
}

/* When the processes are gone. Return: whether any went a way that none went before. */
bool kcov_collect(uint32_t procs)
{
	bool fresh = false;
	uint32_t i;

	for (i = 0; i < procs; i++) {
		uint64_t n = __atomic_load_n(&area[i][0], __ATOMIC_RELAXED), j, last = 0;

		if (n > WORDS - 1)
			n = WORDS - 1;
		for (j = 1; j <= n; j++) {
			uint64_t pc = area[i][j];

			if (see(seen_edge, pc ^ last << 20, &edges)) {
				see(seen_pc, pc, &pcs); /* a new one has new edges only */
				fresh = true;
			}
			last = pc;
		}
	}
	return fresh;
}

uint32_t kcov_edges(void)
{
	return edges;
}

uint32_t kcov_pcs(void)
{
	return pcs;
}
