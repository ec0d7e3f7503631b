// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The gate: see gate.h.
 *
 * Who cannot map the words says so in one of them, and waits until nobody is inside. Whoever goes
 * in looks at that behind his own number, so one of the two sees the other.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "gate.h"

#define AT 64 /* in the file, behind what the queue is */
#define LOOKS 200 /* who is inside is so for a moment, mostly */

/* Each on a cache line of its own */
struct ipcx_gate_words {
	uint32_t inside; /* number of a handle, or 0 */
	uint32_t pad[15];
	uint32_t mark;
	uint32_t locks; /* all have to take a lock */
	uint32_t changes; /* one more for each who comes and goes */
};

#define SIZE (AT + sizeof(struct ipcx_gate_words))

static struct ipcx_gate_words *map(int fd, const struct stat *st)
{
	char *p;

	if (st->st_size < (off_t)SIZE && ftruncate(fd, SIZE))
		return NULL;
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : (struct ipcx_gate_words *)(p + AT);
}

/* From now on all take locks. */
static int ask_for_locks(int fd)
{
	const uint32_t yes = 1;

	return pwrite(fd, &yes, sizeof(yes), AT + offsetof(struct ipcx_gate_words, locks)) ==
			       sizeof(yes) ?
		       0 :
		       -EIO;
}

/* A number that no other handle that lives has */
static int choose_number(struct ipcx_gate *g, int fd)
{
	do {
		if (getentropy(&g->number, sizeof(g->number)))
			return -errno;
		g->number |= 1;
	} while (!ipcx_lock_file(fd, F_WRLCK, IPCX_GATE_LIVES + (uint64_t)g->number));
	return 0;
}

int ipcx_gate_open(struct ipcx_gate *g, const struct ipcx_place *p, int fd)
{
	struct stat st;
	int r;

	g->place = p;
	if (p->fd < 0 || p->mode & 077 || !(p->known || p->created))
		return 0;
	if (fstat(p->fd, &st))
		return -errno;
	g->asks = true;
	if (st.st_uid != geteuid())
		return ask_for_locks(p->fd);
	r = fd < 0 ? 0 : choose_number(g, fd);
	if (r)
		return r;
	g->shared = map(p->fd, &st);
	return g->shared ? 0 : ask_for_locks(p->fd);
}

void ipcx_gate_close(struct ipcx_gate *g)
{
	if (g->shared)
		munmap((char *)g->shared - AT, SIZE);
	g->shared = NULL;
}

static bool lives(int fd, uint32_t number)
{
	return number && ipcx_file_locked(fd, IPCX_GATE_LIVES + (uint64_t)number);
}

static uint32_t inside(const struct ipcx_gate *g)
{
	uint32_t number = 0;

	if (g->shared)
		return __atomic_load_n(&g->shared->inside, __ATOMIC_SEQ_CST);
	(void)!pread(g->place->fd, &number, sizeof(number), AT);
	return number;
}

/* Somebody may have gone in before he saw that locks are wanted, and so may be there still. */
static bool enter_by_lock(struct ipcx_gate *g, int fd)
{
	if (!ipcx_lock_file(fd, F_WRLCK, IPCX_GATE_LOCK))
		return false;
	g->asks = g->asks && lives(fd, inside(g));
	if (g->asks)
		ipcx_unlock_file(fd, IPCX_GATE_LOCK);
	return !g->asks;
}

static bool take_word(struct ipcx_gate *g, uint32_t *was)
{
	return __atomic_compare_exchange_n(&g->shared->inside, was, g->number, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static bool enter_by_word(struct ipcx_gate *g, int fd)
{
	uint32_t was;

	for (int i = 0; i < LOOKS; i++) {
		was = 0;
		if (take_word(g, &was))
			return true;
	}
	return !lives(fd, was) && take_word(g, &was);
}

static bool wants_locks(const struct ipcx_gate *g)
{
	return !g->shared || __atomic_load_n(&g->shared->locks, __ATOMIC_SEQ_CST);
}

bool ipcx_gate_enter(struct ipcx_gate *g, int fd)
{
	g->by_lock = wants_locks(g);
	if (!g->by_lock) {
		if (!enter_by_word(g, fd))
			return false;
		if (!wants_locks(g))
			return true;
		__atomic_store_n(&g->shared->inside, 0, __ATOMIC_RELEASE);
		g->by_lock = true;
	}
	return enter_by_lock(g, fd);
}

void ipcx_gate_leave(struct ipcx_gate *g, int fd)
{
	if (g->by_lock)
		ipcx_unlock_file(fd, IPCX_GATE_LOCK);
	else
		__atomic_store_n(&g->shared->inside, 0, __ATOMIC_RELEASE);
}

bool ipcx_gate_marked(const struct ipcx_gate *g)
{
	return wants_locks(g) || __atomic_load_n(&g->shared->mark, __ATOMIC_ACQUIRE);
}

void ipcx_gate_mark(struct ipcx_gate *g, bool on)
{
	if (g->shared)
		__atomic_store_n(&g->shared->mark, on, __ATOMIC_RELEASE);
}

void ipcx_gate_change(struct ipcx_gate *g)
{
	if (g->shared)
		__atomic_add_fetch(&g->shared->changes, 1, __ATOMIC_SEQ_CST);
}

bool ipcx_gate_changes(const struct ipcx_gate *g, uint32_t *changes)
{
	if (wants_locks(g))
		return false;
	*changes = __atomic_load_n(&g->shared->changes, __ATOMIC_ACQUIRE);
	return true;
}
