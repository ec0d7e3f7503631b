// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four processes count in one region; a reader looks on and can do no harm.
 *
 *   cc counters.c -o counters $(pkg-config --cflags --libs libipcx) && ./counters
 */
#include <errno.h>
#include <ipcx.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define ROUNDS 1000

struct counters {
	atomic_uint all, each[PROCESSES];
};

static int fail(const char *what)
{
	fprintf(stderr, "counters: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Maps the region called @name to be used as @prot says. */
static struct counters *map(const char *name, unsigned int flags, int prot)
{
	struct counters *c = NULL;
	struct ipcx_region *r;

	if (ipcx_region_open(&r, name, flags, NULL))
		return NULL;
	c = ipcx_region_map(r, 0, sizeof(*c), prot);
	ipcx_region_close(r); /* the mapping stays */
	return c;
}

static int count(const char *name, int me)
{
	struct counters *c = map(name, IPCX_READ | IPCX_WRITE, PROT_READ | PROT_WRITE);

	if (!c)
		return fail("map");
	for (int i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&c->all, 1);
		atomic_fetch_add(&c->each[me], 1);
	}
	return 0;
}

/* Has all of them count, and waits until they have. */
static int count_all(const char *name)
{
	int status, bad = 0;

	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(count(name, i));
		if (pid < 0)
			perror("counters: fork");
		bad |= pid < 0;
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad;
}

static int show(const char *name)
{
	const struct counters *c = map(name, IPCX_READ, PROT_READ);

	if (!c)
		return fail("map");
	for (int i = 0; i < PROCESSES; i++)
		printf("process %d counted to %u\n", i, atomic_load(&c->each[i]));
	printf("all together to %u\n", atomic_load(&c->all));
	if (!map(name, IPCX_READ, PROT_READ | PROT_WRITE) && errno == EACCES)
		printf("who may only read cannot map it to write\n");
	return 0;
}

int main(int argc, char **argv)
{
	IPCX_REGION_OPTS(opts, .size = sizeof(struct counters));
	const char *name = argc > 1 ? argv[1] : "counters";
	struct ipcx_region *r;
	int bad;

	if (ipcx_region_open(&r, name, IPCX_CREATE | IPCX_EXCL | IPCX_READ | IPCX_WRITE, &opts))
		return fail("open");
	/* With the module nobody can make it smaller from now on, which would be SIGBUS for all. */
	if (ipcx_region_caps(r) & IPCX_CAP_SEALS && ipcx_region_seal(r, IPCX_SEAL_SHRINK))
		bad = fail("seal");
	else
		bad = count_all(name) || show(name);
	ipcx_region_unlink(name); /* it is ours: with IPCX_EXCL nobody had made it before */
	ipcx_region_close(r);
	return bad;
}
