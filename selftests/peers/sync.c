// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to let one process in at a time: one, two or four of them add 1 to a number that
 * they share, as often as each can.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parts.h"
#include "sync.h"

#define FIRST 64

static const unsigned int crowds[] = { 1, 2, 4 };

#define CROWDS 3

/* What one process is to know */
static struct {
	const struct lock *lock;
	uint64_t times;
	unsigned int processes;
} task;

/* What all see */
static struct {
	unsigned int ready;
	int64_t start[4], end[4];
	uint64_t number;
} * shared;

static void add_often(unsigned int me)
{
	const struct lock *l = task.lock;
	volatile uint64_t *number = &shared->number;

	pin(me);
	if (l->open)
		l->open();
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
	wait_for(&shared->ready, task.processes);
	shared->start[me] = now();
	for (uint64_t i = 0; i < task.times; i++) {
		l->lock();
		*number = *number + 1;
		l->unlock();
	}
	shared->end[me] = now();
}

static void add_together(const void *arg)
{
	int64_t start = INT64_MAX, end = 0;
	uint64_t all = task.times * task.processes;
	int status;

	(void)arg;
	shared = (void *)map_shared(sizeof(*shared));
	task.lock->create();
	for (unsigned int i = 0; i < task.processes; i++)
		start_process(add_often, i);
	for (unsigned int i = 0; i < task.processes; i++)
		if (wait(&status) < 0 || status)
			give_up(FAILED, "one of the processes has failed, status 0x%x", status);
	for (unsigned int i = 0; i < task.processes; i++) {
		start = shared->start[i] < start ? shared->start[i] : start;
		end = shared->end[i] > end ? shared->end[i] : end;
	}
	if (shared->number != all)
		give_up(FAILED, "%ju were counted, %ju were there", (uintmax_t)shared->number,
			(uintmax_t)all);
	tell((double)(end - start) / all);
}

static void attempt(struct result *r)
{
	run_apart(add_together, NULL, r);
	if (task.lock->remove)
		task.lock->remove();
	end_if_told();
}

static void measure(const struct plan_of_part *p, struct result *r)
{
	double times[TIMES_MAX];

	task.times = FIRST;
	attempt(r);
	/* the first ones are few: what they take is not much, and says how many there may be */
	for (unsigned int t = 0; t < p->times && r->is == MEASURED; t++) {
		task.times = p->ns / r->ns / task.processes + FIRST;
		attempt(r);
		times[t] = r->ns;
	}
	if (r->is == MEASURED)
		median(times, p->times, r);
}

bool sync_part(const struct plan_of_part *p)
{
	bool good = true;

	locks_owner = getpid();
	for (unsigned int c = 0; c < CROWDS; c++)
		for (unsigned int i = 0; i < LOCKS; i++) {
			struct job j = { .len = 0, .in_one = true };
			struct way w = { .name = locks[i].name };
			struct result r = { 0 };
			char name[32];

			snprintf(name, sizeof(name), "lock, %u process%s", crowds[c],
				 crowds[c] > 1 ? "es" : "");
			j.name = name;
			task.processes = crowds[c];
			task.lock = &locks[i];
			if (!part_wants(p, &j, &w, p->times))
				continue;
			measure(p, &r);
			part_row(p, &j, &w, &r);
			good &= r.is != FAILED;
		}
	return good;
}
