// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring_bench [--json] [PERCENT]: what a message on a topic's ring costs, in ns, beside a bare ring
 * of cells of the same size. PERCENT: of the usual number of messages.
 *
 * Two processes, each on a CPU of its own, poll. The payload is written and read. In turn
 * each way does a job, several times; the median counts.
 *
 * The bare ring has one writer and one reader, a sequence number in each cell, and the
 * reader's position in a cache line of its own, that the writer looks at once a round.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "../ring/world.h"

#define TIMES 5
#define WARM 200
#define PATIENCE 100000 /* looks before the other process gets this CPU, should there be but one */

/* One direction, as one of the two processes has it. */
struct lane {
	struct world *w;
	uint32_t r, depth;
	size_t len;
	char *payload;
	/* the topic's */
	struct ipcx_ring_pub p;
	struct ipcx_ring_sub *sub;
	/* of the bare ring */
	struct ipcx_cell *cells;
	uint64_t *tail, head, seen;
};

struct way {
	const char *name;
	void (*send)(struct lane *l, uint64_t value);
	uint64_t (*recv)(struct lane *l);
};

struct job {
	const char *name;
	bool back;
	size_t len;
	uint32_t depth;
	uint64_t count;
};

struct shared {
	int64_t end;
	uint64_t sum;
};

static const struct job jobs[] = {
	{ "one way, 8 B", false, 8, 64, 4000000 },
	{ "one way, 64 B", false, 64, 64, 4000000 },
	{ "one way, 64 KiB", false, 65536, 64, 20000 },
	{ "one way, 1 MiB", false, 1 << 20, 8, 1500 },
	{ "round trip, 8 B", true, 8, 64, 400000 },
	{ "round trip, 1 KiB", true, 1024, 64, 300000 },
	{},
};

static struct shared *shared;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void look_again(unsigned int *looks)
{
	if (++*looks % PATIENCE == 0)
		sched_yield();
}

static void *place(struct lane *l, struct ipcx_cell *cell, uint64_t pos)
{
	return l->len > IPCX_CELL_DATA ? l->payload + (pos & (l->depth - 1)) * l->len :
					 (char *)cell->data;
}

static void write_all(uint64_t *to, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len / 8; i++)
		to[i] = value + i;
}

static uint64_t read_all(const uint64_t *from, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len / 8; i++)
		sum += from[i];
	return sum;
}

static void topic_send(struct lane *l, uint64_t value)
{
	unsigned int looks = 0;
	uint32_t who;
	uint64_t pos;

	while (ipcx_pub_loan(&l->p, &pos, &who))
		look_again(&looks);
	write_all(place(l, ipcx_pub_cell(&l->p, pos), pos), l->len, value);
	if (ipcx_pub_commit(&l->p, pos, l->len, value))
		errx(1, "somebody sleeps");
}

static uint64_t topic_recv(struct lane *l)
{
	unsigned int looks = 0;
	struct ipcx_taken t;
	uint64_t sum;
	int r;

	while (!(r = ipcx_sub_take(l->sub, &t)))
		look_again(&looks);
	if (r < 0 || t.len != l->len)
		errx(1, "take");
	sum = read_all(place(l, (struct ipcx_cell *)ipcx_sub_cell(l->sub, t.pos), t.pos), t.len);
	ipcx_sub_release(l->sub, &t);
	return sum;
}

static void bare_send(struct lane *l, uint64_t value)
{
	struct ipcx_cell *cell = &l->cells[l->head & (l->depth - 1)];
	unsigned int looks = 0;

	while (l->head - l->seen == l->depth) {
		l->seen = __atomic_load_n(l->tail, __ATOMIC_ACQUIRE);
		look_again(&looks);
	}
	write_all(place(l, cell, l->head), l->len, value);
	cell->len = l->len;
	__atomic_store_n(&cell->word, ++l->head, __ATOMIC_RELEASE);
}

static uint64_t bare_recv(struct lane *l)
{
	struct ipcx_cell *cell = &l->cells[l->head & (l->depth - 1)];
	unsigned int looks = 0;
	uint64_t sum;

	while (__atomic_load_n(&cell->word, __ATOMIC_ACQUIRE) != l->head + 1)
		look_again(&looks);
	sum = read_all(place(l, cell, l->head), cell->len);
	__atomic_store_n(l->tail, ++l->head, __ATOMIC_RELEASE);
	return sum;
}

static const struct way ways[] = {
	{ "bare ring", bare_send, bare_recv },
	{ "topic", topic_send, topic_recv },
};

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* For both ways; both ends of it, each process uses one. */
static void lane_open(struct lane *l, struct world *w, uint32_t r, const struct job *j)
{
	*l = (struct lane){ .w = w, .r = r, .depth = j->depth, .len = j->len };
	l->payload = map_alone(j->depth * j->len);
	memset(l->payload, 0, j->depth * j->len);
	publish(w, &l->p, r);
	l->sub = subscribe(w, r, r, false, 0);
	/* the third and fourth ring are bare, their first page has the reader's position */
	l->cells = cells_of(w, r + 2);
	l->tail = (uint64_t *)ring_of(w, r + 2);
}

static void lane_close(struct lane *l)
{
	free(l->sub);
	unmap_alone(l->payload, l->depth * l->len);
}

static void child(const struct way *way, const struct job *j, struct lane *l, uint64_t n)
{
	uint64_t sum = 0;

	on_cpu(1);
	for (uint64_t i = 0; i < n; i++) {
		sum += way->recv(&l[0]);
		if (j->back)
			way->send(&l[1], i);
	}
	shared->sum = sum;
	shared->end = now();
	_exit(0);
}

/* Return: ns a message. */
static double measure(const struct way *way, const struct job *j, uint64_t count)
{
	uint64_t n = WARM + count, words = j->len / 8;
	struct lane l[2];
	struct world w;
	int64_t start = 0;
	int status;
	pid_t pid;

	world_open(&w, j->depth, 0, 0);
	lane_open(&l[0], &w, 0, j);
	lane_open(&l[1], &w, 1, j);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		child(way, j, l, n);
	on_cpu(0);
	for (uint64_t i = 0; i < n; i++) {
		if (i == WARM)
			start = now();
		way->send(&l[0], i);
		if (j->back)
			way->recv(&l[1]);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s: the other process failed", way->name);
	if (shared->sum != n * (n - 1) / 2 * words + n * (words * (words - 1) / 2))
		errx(1, "%s: what was read is not what was written", way->name);
	lane_close(&l[0]);
	lane_close(&l[1]);
	world_close(&w);
	return (double)(shared->end - start) / count;
}

static int cheaper(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void row(const struct job *j, const struct way *way, const double *ns, double bare,
		bool json)
{
	double median = ns[TIMES / 2];

	if (json)
		printf("{\"job\":\"%s\",\"way\":\"%s\",\"depth\":%u,\"bytes\":%zu,\"ns\":%.1f,"
		       "\"low\":%.1f,\"high\":%.1f,\"ratio_to_bare\":%.3f}\n",
		       j->name, way->name, j->depth, j->len, median, ns[0], ns[TIMES - 1],
		       median / bare);
	else
		printf("| %-17s | %-9s | %9.1f | %9.1f | %9.1f | %5.2f |\n", j->name, way->name,
		       median, ns[0], ns[TIMES - 1], median / bare);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	uint64_t percent = argc > 1 + json ? strtoul(argv[1 + json], NULL, 10) : 100;

	shared = (struct shared *)map_alone(PAGE);
	if (!json)
		printf("| %-17s | %-9s | %9s | %9s | %9s | %5s |\n", "job", "way", "ns", "low",
		       "high", "ratio");
	for (const struct job *j = jobs; j->name; j++) {
		double ns[2][TIMES];

		for (int t = 0; t < TIMES; t++)
			for (int i = 0; i < 2; i++)
				ns[i][t] = measure(&ways[i], j, j->count * percent / 100 ?: 1);
		for (int i = 0; i < 2; i++) {
			qsort(ns[i], TIMES, sizeof(double), cheaper);
			row(j, &ways[i], ns[i], ns[0][TIMES / 2], json);
		}
	}
	return 0;
}
