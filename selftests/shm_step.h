/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that uses a queue over shared memory is killed after a store of its that others can
 * see, which single steps find.
 */
#ifndef SHM_STEP_H
#define SHM_STEP_H

#include <sys/ptrace.h>

#include "topic_shm_util.h"

#define STEPS_MAX 3000000
#define STORES_MAX 200

/* What of the memory is looked at: the receiver's page and, behind 128 such, ring 0 and ring 1 */
#define CONTROL 81920
#define RINGS (CONTROL + 128 * 4096)
#define RINGS_BYTES (2 * 3 * 4096)

/* The child begins: from here on it goes by steps. */
static inline void step_me(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
}

/* Return: as step_and_kill(). */
static inline int kill_after(pid_t pid, const char *memory, int k)
{
	static char old[4096 + RINGS_BYTES];
	int stores = 0, status;

	memcpy(old, memory + CONTROL, 4096);
	memcpy(old + 4096, memory + RINGS, RINGS_BYTES);
	for (int i = 0; i < STEPS_MAX && stores < k; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, 0) < 0)
			return -1;
		if (!WIFSTOPPED(status))
			return status ? -1 : 0;
		if (memcmp(old, memory + CONTROL, 4096) ||
		    memcmp(old + 4096, memory + RINGS, RINGS_BYTES)) {
			memcpy(old, memory + CONTROL, 4096);
			memcpy(old + 4096, memory + RINGS, RINGS_BYTES);
			stores++;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return stores == k ? 1 : -1;
}

/*
 * Kills @pid, which calls step_me(), right after its store number @k; this process has the queue
 * open. Return: 1; 0: it had done all before, and ended well; or -1.
 */
static inline int step_and_kill(pid_t pid, int k)
{
	int fd = memory_of("queue"), status;
	char *memory;
	struct stat st;
	int killed;

	do {
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return -1;
	} while (WSTOPSIG(status) != SIGSTOP);
	if (fstat(fd, &st))
		return -1;
	memory = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	killed = kill_after(pid, memory, k);
	munmap(memory, st.st_size);
	return killed;
}

#endif /* SHM_STEP_H */
