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

int main(int argc, char **argv)
{
	IPCX_REGION_OPTS(opts, .size = sizeof(struct counters));
	const char *name = argc > 1 ? argv[1] : "counters";
	const struct counters *c;
	struct ipcx_region *r;
	int status, bad = 0;

	if (ipcx_region_open(&r, name, IPCX_CREATE | IPCX_READ | IPCX_WRITE, &opts))
		return fail("open");
	/* With the module nobody can make it smaller from now on, which would be SIGBUS for all. */
	if (ipcx_region_caps(r) & IPCX_CAP_SEALS && ipcx_region_seal(r, IPCX_SEAL_SHRINK))
		return fail("seal");
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			_exit(count(name, i));
	while (wait(&status) > 0)
		bad |= status;
	c = map(name, IPCX_READ, PROT_READ);
	if (!c)
		return fail("map");
	for (int i = 0; i < PROCESSES; i++)
		printf("process %d counted to %u\n", i, atomic_load(&c->each[i]));
	printf("all together to %u\n", atomic_load(&c->all));
	if (!map(name, IPCX_READ, PROT_READ | PROT_WRITE) && errno == EACCES)
		printf("who may only read cannot map it to write\n");
	ipcx_region_unlink(name);
	ipcx_region_close(r);
	return bad != 0;
}
