// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench [--json | --where WAY]: what a message costs, from one process to another and there and
 * back. With --where only WAY does one job, marked for count.c, and its messages are told.
 *
 * Where the clock counts instructions (scripts/vm.sh --icount), the figures are the
 * instructions of both processes and the kernel per message. Elsewhere they are ns.
 *
 * Both run under SCHED_BATCH: who is woken does not preempt its waker, and a sender fills
 * the queue before its receiver runs. Otherwise that depends on which of the two has run
 * less so far, and a round trip has one sleep in one run and two in the next. The jobs
 * that "preempt" show it; no target is measured by them.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mark.h"
#include "transport.h"

#define TIMES 3
#define WARM 320

struct job {
	const char *name;
	bool back; /* each message is answered by another */
	bool full;
	size_t len;
	uint64_t count;
	int policy; /* of both processes */
};

struct result {
	double cost, switches;
};

/* What the child tells its parent. */
struct shared {
	int64_t end;
	long switches;
};

static const struct job jobs[] = {
	{ "one way, 8 B", false, false, 8, 19200, SCHED_BATCH },
	{ "one way, 8 B, preempt", false, false, 8, 19200, SCHED_OTHER },
	{ "one way, 1 KiB", false, false, 1024, 4800, SCHED_BATCH },
	{ "one way, 4 KiB, all", false, true, 4096, 1920, SCHED_BATCH },
	{ "one way, 64 KiB, first word", false, false, 65536, 960, SCHED_BATCH },
	{ "one way, 64 KiB, all", false, true, 65536, 480, SCHED_BATCH },
	{ "round trip, 8 B", true, false, 8, 4800, SCHED_BATCH },
	{ "round trip, 8 B, preempt", true, false, 8, 4800, SCHED_OTHER },
	{},
};

static struct shared *shared;
static char verdicts[8][128]; /* printed below the table */
static int nverdicts;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_nvcsw + u.ru_nivcsw;
}

static void child(const struct transport *t, const struct job *j, struct chan *c, int gate)
{
	long before = 0;
	uint64_t i, n = WARM + j->count;

	t->attach(&c[0], false);
	if (j->back && !t->call)
		t->attach(&c[1], true);
	for (i = 0; i < n; i++) {
		/* the parent begins when the warm-up is through, to the last message */
		if ((!i || i == WARM) && write(gate, "", 1) != 1)
			err(1, "gate");
		if (i == WARM)
			before = switches();
		if (t->call) {
			t->serve(&c[0], i, i + 1 == n);
			continue;
		}
		t->recv(&c[0], i);
		if (j->back)
			t->send(&c[1], i);
	}
	MARK(MARK_END);
	shared->end = now();
	shared->switches = switches() - before;
	_exit(0);
}

static void parent(const struct transport *t, const struct job *j, struct chan *c, int gate,
		   struct result *r)
{
	long before = 0;
	int64_t start = 0;
	int status;
	uint64_t i;
	char token;

	for (i = 0; i < WARM + j->count; i++) {
		if ((!i || i == WARM) && read(gate, &token, 1) != 1)
			errx(1, "%s: the other process is gone", t->name);
		if (i == WARM) {
			before = switches();
			start = now();
			MARK(MARK_BEGIN);
		}
		if (t->call) {
			t->call(&c[0], i);
			continue;
		}
		t->send(&c[0], i);
		if (j->back)
			t->recv(&c[1], i);
	}
	before = switches() - before;
	if (wait(&status) < 0 || status)
		errx(1, "%s: the other process failed", t->name);
	r->cost = (double)(shared->end - start) / j->count;
	r->switches = (double)(before + shared->switches) / j->count;
}

/* Can it do the job? */
static bool suits(const struct transport *t, const struct job *j)
{
	return j->back ? t->answers : !!t->send;
}

static void measure(const struct transport *t, const struct job *j, struct result *r)
{
	struct chan c[2] = {};
	int i, gate[2], last = j->back && !t->call;
	pid_t pid;

	if (pipe(gate) || sched_setscheduler(0, j->policy, &(struct sched_param){ 0 }))
		err(1, "cannot begin");
	for (i = 0; i <= last; i++) {
		snprintf(c[i].name, sizeof(c[i].name), "%sbench-%d",
			 t->name[0] == 'P' ? "/" : "kernel:", i);
		c[i].len = j->len;
		c[i].full = j->full;
		c[i].flush = WARM;
		c[i].buf = calloc(1, j->len);
		if (!c[i].buf)
			err(1, "calloc");
		t->create(&c[i], t->depth, !i);
	}
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		child(t, j, c, gate[1]);
	close(gate[1]);
	parent(t, j, c, gate[0], r);
	close(gate[0]);
	for (i = 0; i <= last; i++) {
		t->destroy(&c[i]);
		free(c[i].buf);
	}
}

static int cheaper(const void *a, const void *b)
{
	const struct result *x = a, *y = b;

	return (x->cost > y->cost) - (x->cost < y->cost);
}

static void row(const struct transport *t, const struct job *j, const struct result *r, double mq,
		bool json)
{
	char depth[16] = "-";

	if (t->depth)
		snprintf(depth, sizeof(depth), "%u", t->depth);
	if (json)
		printf("{\"job\":\"%s\",\"transport\":\"%s\",\"depth\":%u,\"bytes\":%zu,"
		       "\"messages\":%ju,\"instructions\":%.1f,\"low\":%.1f,\"high\":%.1f,"
		       "\"switches\":%.3f,\"ratio_to_mq\":%.3f}\n",
		       j->name, t->name, t->depth, j->len, (uintmax_t)j->count, r[TIMES / 2].cost,
		       r[0].cost, r[TIMES - 1].cost, r[TIMES / 2].switches, r[TIMES / 2].cost / mq);
	else
		printf("| %-27s | %-19s | %5s | %11.0f | %8.2f | %8.2f |\n", j->name, t->name,
		       depth, r[TIMES / 2].cost, r[TIMES / 2].switches, r[TIMES / 2].cost / mq);
	fflush(stdout);
}

static bool judge(const struct job *j, int which, const double *cost, double limit, bool json)
{
	const char *name = transports[which].name;
	double ipcx = cost[which];
	bool good = j->back ? ipcx < limit : ipcx <= limit;

	if (json)
		printf("{\"target\":\"%s\",\"transport\":\"%s\",\"ipcx\":%.1f,\"limit\":%.1f,"
		       "\"pass\":%s}\n",
		       j->name, name, ipcx, limit, good ? "true" : "false");
	else
		snprintf(verdicts[nverdicts++], sizeof(verdicts[0]),
			 "bench: %s: %s: %.0f, target %s %.0f: %s", j->name, name, ipcx,
			 j->back ? "below" : "at most", limit, good ? "passed" : "MISSED");
	return good;
}

/*
 * A message takes one system call on each side: the commit brings the next loan, and
 * next releases and takes; so do a call and its answer. One way, POSIX mq holds as many
 * messages as ipcx does: more would be fewer switches. Several messages a call stand
 * against the pipe, whose reader gets all that there is. So does ipcx_queue_send(), which
 * copies as they do, to a reader that takes ahead.
 */
static bool verdict(const struct job *j, const double *cost, bool json)
{
	double limit = 0;
	bool good;
	int i;

	if (j->len != 8 || j->policy != SCHED_BATCH)
		return true;
	if (j->back) {
		for (i = MQ; i <= PIPE; i++)
			limit = i == MQ || cost[i] < limit ? cost[i] : limit;
		return judge(j, IPCX_CALL, cost, limit, json);
	}
	good = judge(j, IPCX_NEXT, cost, 0.6 * cost[MQ_SAME], json);
	good &= judge(j, IPCX_PREFETCH, cost, 0.7 * cost[PIPE], json);
	good &= judge(j, IPCX_SEND_AHEAD, cost, 0.6 * cost[MQ_SAME], json);
	good &= judge(j, IPCX_SEND_AHEAD, cost, 0.7 * cost[PIPE], json);
	good &= judge(j, IPCX_BATCH, cost, 0.1 * cost[PIPE], json);
	return good;
}

static bool run(const struct job *j, bool json)
{
	struct result r[TRANSPORTS][TIMES];
	double cost[TRANSPORTS] = {};
	int i, k;

	/* interleaved, so that a drift is the same for all */
	for (k = 0; k < TIMES; k++)
		for (i = 0; i < TRANSPORTS; i++)
			if (suits(&transports[i], j))
				measure(&transports[i], j, &r[i][k]);
	for (i = 0; i < TRANSPORTS; i++) {
		if (!suits(&transports[i], j))
			continue;
		qsort(r[i], TIMES, sizeof(r[i][0]), cheaper);
		cost[i] = r[i][TIMES / 2].cost;
	}
	for (i = 0; i < TRANSPORTS; i++)
		if (cost[i])
			row(&transports[i], j, r[i], cost[MQ_SAME], json);
	return verdict(j, cost, json);
}

static int where(const char *way)
{
	const struct job *j = jobs;
	struct result r;
	int i = 0;

	while (i < TRANSPORTS && strcmp(transports[i].name, way))
		i++;
	if (i == TRANSPORTS)
		errx(2, "there is no way called \"%s\"", way);
	while (!suits(&transports[i], j))
		j++;
	measure(&transports[i], j, &r);
	printf("%ju\n", (uintmax_t)j->count);
	return 0;
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json"), good = true;
	const struct job *j;
	struct utsname u;
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || uname(&u))
		err(1, "cannot begin");
	if (argc > 2 && !strcmp(argv[1], "--where"))
		return where(argv[2]);
	if (json)
		printf("{\"kernel\":\"%s\",\"cpus\":%ld,\"median_of\":%d}\n", u.release,
		       sysconf(_SC_NPROCESSORS_ONLN), TIMES);
	else
		printf("Linux %s, %ld CPU, median of %d\n\n"
		       "| job                         | transport           | depth | per message | switches | x mq(64) |\n"
		       "|:----------------------------|:--------------------|------:|------------:|---------:|---------:|\n",
		       u.release, sysconf(_SC_NPROCESSORS_ONLN), TIMES);
	for (j = jobs; j->name; j++)
		good &= run(j, json);
	for (i = 0; i < nverdicts; i++)
		printf("%s%s\n", i ? "" : "\n", verdicts[i]);
	good &= alone(json);
	return good ? 0 : 1;
}
