// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes, each on a CPU of its own, and a clock between them. They are forked from a third,
 * so that whatever one of them leaves behind or breaks is gone with it.
 */
#include <err.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "peers.h"

#define SECONDS_MAX 20 /* for a job that takes a fraction of one */

/* What all of them see */
static struct {
	unsigned int step; /* how many ends are open */
	int64_t start, end;
	uint64_t sum;
	unsigned int said; /* somebody gave up: */
	int is;
	char why[WHY_MAX];
} * shared;

static int cpus[2];

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* The first one counts; who waits for this process is ended too. */
void give_up(int is, const char *form, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&shared->said, 1, __ATOMIC_ACQ_REL)) {
		va_start(args, form);
		vsnprintf(shared->why, sizeof(shared->why), form, args);
		va_end(args);
		shared->is = is;
	}
	kill(0, SIGKILL);
	_exit(1);
}

void run_setup(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	if (n < 2)
		errx(1, "two CPUs are needed, one for each process");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void reach(unsigned int step)
{
	__atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

static void wait_for(unsigned int step)
{
	while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) < step)
		usleep(200);
}

static void open_end(const struct way *w, struct lane *l, bool sender, unsigned int step)
{
	wait_for(step);
	l->sender = sender;
	w->open(l);
	reach(step + 1);
}

static void close_end(const struct way *w, struct lane *l)
{
	if (w->close)
		w->close(l);
}

static void consume(const struct way *w, const struct job *j, struct lane *l, uint64_t n)
{
	uint64_t sum = 0;

	on_cpu(cpus[1]);
	open_end(w, &l[0], false, 0);
	if (j->back)
		open_end(w, &l[1], true, 3);
	for (uint64_t i = 0; i < n; i++) {
		sum += w->recv(&l[0], i);
		if (j->back)
			w->send(&l[1], i);
	}
	shared->end = now();
	shared->sum = sum;
	if (j->back)
		close_end(w, &l[1]);
	close_end(w, &l[0]);
	exit(0);
}

static void produce(const struct way *w, const struct job *j, struct lane *l, uint64_t n,
		    uint64_t warm, pid_t consumer)
{
	int status;

	on_cpu(cpus[0]);
	open_end(w, &l[0], true, 1);
	if (j->back) {
		open_end(w, &l[1], false, 2);
		wait_for(4);
	}
	for (uint64_t i = 0; i < n; i++) {
		if (i == warm)
			shared->start = now();
		w->send(&l[0], i);
		if (j->back)
			w->recv(&l[1], i);
	}
	if (waitpid(consumer, &status, 0) != consumer || status)
		give_up(FAILED, "who receives has failed");
	if (j->back)
		close_end(w, &l[1]);
	close_end(w, &l[0]);
	exit(0);
}

static void lane_init(struct lane *l, const struct job *j, unsigned int number, unsigned int port)
{
	*l = (struct lane){ .len = j->len, .depth = j->depth, .port = port };
	snprintf(l->name, sizeof(l->name), "ipcx-peers-%d-%u", getpid(), number);
	l->buf = aligned_alloc(4096, (j->len + 4095) & ~4095UL);
	if (!l->buf)
		err(1, "aligned_alloc");
	memset(l->buf, 0, j->len);
}

/* In a process group of its own, which give_up() ends. */
static void stage(const struct way *w, const struct job *j, struct lane *l, uint64_t n,
		  uint64_t warm)
{
	pid_t consumer;

	setpgid(0, 0);
	alarm(SECONDS_MAX);
	for (int i = 0; i < 1 + j->back && w->create; i++)
		w->create(&l[i]);
	consumer = fork();
	if (consumer < 0)
		give_up(FAILED, "no process");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!consumer)
		consume(w, j, l, n);
	produce(w, j, l, n, warm, consumer);
}

/* A port that nobody has at the moment */
static unsigned int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		err(1, "no port");
	close(fd);
	return ntohs(a.sin_port);
}

static void check(const struct job *j, int status, uint64_t n, struct result *r)
{
	uint64_t words = j->len / 8;

	r->is = MEASURED;
	if (shared->said) {
		r->is = shared->is;
		snprintf(r->why, sizeof(r->why), "%s", shared->why);
		/* it goes between such quotes */
		for (char *p = r->why; *p; p++)
			if (*p == '"' || *p == '\\')
				*p = '\'';
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		r->is = FAILED;
		snprintf(r->why, sizeof(r->why), "not done in %d s", SECONDS_MAX);
	} else if (status) {
		r->is = FAILED;
		snprintf(r->why, sizeof(r->why), "ended with status 0x%x", status);
	} else if (shared->sum != n * (n - 1) / 2 * words + n * (words * (words - 1) / 2)) {
		r->is = FAILED;
		snprintf(r->why, sizeof(r->why), "what was read is not what was written");
	}
}

void run(const struct way *w, const struct job *j, uint64_t count, struct result *r)
{
	uint64_t warm = 3 * j->depth, n = warm + count;
	struct lane l[2];
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	lane_init(&l[0], j, 0, free_port());
	lane_init(&l[1], j, 1, free_port());
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		stage(w, j, l, n, warm);
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	check(j, status, n, r);
	r->ns = (double)(shared->end - shared->start) / count;
	for (int i = 0; i < 2; i++) {
		if (w->remove)
			w->remove(&l[i]);
		free(l[i].buf);
	}
}
