// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes or more, each on a CPU of its own as far as there are, and a clock between them.
 * They are forked from another, so that whatever one of them leaves behind or breaks is gone with
 * it.
 */
#include <err.h>
#include <errno.h>
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
#include "times.h"

#define SECONDS_MAX 60 /* for a job that takes a fraction of one */
#define LANES_MAX GROUP_MAX
#define LONG (64 << 20)
#define PATIENCE 65536 /* looks, where each process has a CPU of its own */
#define PATIENCE_CROWD 64

/* What one process tells */
struct part {
	int64_t start, end, cpu;
	uint64_t sum;
	long rss, shmem;
};

/* What all of them see */
static struct {
	unsigned int step; /* how many have opened their ends */
	unsigned int sent, received; /* how many are through */
	struct part senders[GROUP_MAX], receivers[GROUP_MAX];
	struct times times;
	double told; /* by a body of run_apart() */
	unsigned int said; /* somebody gave up: */
	int is;
	char why[WHY_MAX];
} * shared;

/* What is to be done */
static struct {
	const struct way *w;
	const struct job *j;
	struct lane lanes[LANES_MAX];
	unsigned int nlanes, senders, receivers;
	uint64_t warm, n; /* messages of each sender, to begin with, and all */
	bool stamp;
} plan;

static int cpus[64];
static unsigned int ncpus;
unsigned int patience = PATIENCE;

int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* of this process, all its threads */
static int64_t cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

char *map_shared(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		give_up(FAILED, "no memory");
	return p;
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

/*
 * Of several senders each message of one comes behind those before it, and without a hole unless
 * there are other receivers for it.
 */
uint64_t other_value(struct lane *l, const uint64_t *from, size_t len, uint64_t value)
{
	uint64_t got = len ? from[0] : 0, number = got & ((1ULL << SENDER_SHIFT) - 1);
	uint64_t sender = got >> SENDER_SHIFT;

	if (value != ANY || len != l->len)
		give_up(FAILED, "message %ju has %zu bytes, and begins with %ju", (uintmax_t)value,
			len, (uintmax_t)got);
	if (got == STOP) {
		l->stopped = true;
		return STOP;
	}
	if (sender >= plan.senders || number >= plan.n || number < l->last[sender] ||
	    (!plan.j->work && number != l->last[sender]))
		give_up(FAILED, "message %ju of sender %ju where %ju would be next",
			(uintmax_t)number, (uintmax_t)sender,
			(uintmax_t)l->last[sender % GROUP_MAX]);
	l->last[sender] = number + 1;
	return got;
}

static volatile sig_atomic_t ended_by;
static volatile pid_t child;

/* Who waits for it goes on, takes away what it left behind, and ends. */
static void end_child(int sig)
{
	ended_by = sig;
	if (child > 0) {
		kill(-child, SIGKILL);
		kill(child, SIGKILL); /* it may have no group yet */
	}
}

static void catch_signals(void (*handler)(int sig))
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	struct sigaction act = { .sa_handler = handler, .sa_flags = SA_RESTART };

	for (int i = 0; sigs[i]; i++)
		sigaction(sigs[i], &act, NULL);
}

void end_if_told(void)
{
	if (ended_by)
		leave(128 + ended_by);
}

void run_setup(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && ncpus < 64; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[ncpus++] = cpu;
	if (ncpus < 2)
		warnx("there is one CPU for all processes: who polls gives it away");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	catch_signals(end_child);
}

void pin(unsigned int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[number % ncpus], &set);
	if (sched_setaffinity(0, sizeof(set), &set) && errno == EINVAL)
		give_up(FAILED, "CPU %d is not for this process any more", cpus[number % ncpus]);
}

/* The process with that number, senders first */
static void on_cpu(unsigned int number)
{
	pin(plan.j->one_cpu ? 0 : number);
	if (plan.j->one_cpu || plan.senders + plan.receivers > ncpus)
		patience = PATIENCE_CROWD;
}

static void reach(unsigned int step)
{
	__atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

void wait_for(const unsigned int *what, unsigned int value)
{
	while (__atomic_load_n(what, __ATOMIC_ACQUIRE) < value)
		usleep(200);
}

static void open_end(struct lane *l, bool sender)
{
	l->sender = sender;
	plan.w->open(l);
}

static void close_end(struct lane *l)
{
	if (plan.w->close)
		plan.w->close(l);
}

/* What this process has, and what it shares with others */
static void look_at_memory(struct part *p)
{
	FILE *f = fopen("/proc/self/status", "r");
	long peak = 0, shmem = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "VmHWM:", 6))
			peak = strtol(line + 6, NULL, 10);
		else if (!strncmp(line, "RssShmem:", 9))
			shmem = strtol(line + 9, NULL, 10);
	}
	if (f)
		fclose(f);
	p->rss = peak > shmem ? peak - shmem : 0;
	p->shmem = shmem;
}

/* How many messages a receiver gets, where that is known */
static uint64_t expected(void)
{
	return plan.n * plan.senders;
}

static void receive_all(struct lane *in, struct part *p)
{
	const struct way *w = plan.w;
	bool back = plan.j->back, group = plan.senders + plan.receivers > 2;
	uint64_t n = plan.j->work ? UINT64_MAX : expected();
	uint64_t warm = plan.warm * plan.senders / (plan.j->work ? plan.receivers : 1);
	int64_t cpu = cpu_time();
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n && !in->stopped; i++) {
		if (i == warm)
			cpu = cpu_time();
		sum += w->recv(in, group ? ANY : i);
		if (back)
			w->send(&plan.lanes[1], i);
	}
	p->end = now();
	p->cpu = cpu_time() - cpu;
	p->sum = sum;
}

static void consume(unsigned int me)
{
	unsigned int all = plan.senders + plan.receivers + plan.j->back;
	struct lane *in = &plan.lanes[me < plan.nlanes && !plan.j->back ? me : 0];
	struct part *p = &shared->receivers[me];

	on_cpu(plan.senders + me);
	wait_for(&shared->step, me);
	open_end(in, false);
	reach(me + 1);
	if (plan.j->back) {
		wait_for(&shared->step, all - 1);
		open_end(&plan.lanes[1], true);
		reach(all);
	}
	receive_all(in, p);
	look_at_memory(p);
	__atomic_add_fetch(&shared->received, 1, __ATOMIC_RELEASE);
	if (plan.j->back) {
		wait_for(&shared->sent, 1); /* the last answer may still be on its way */
		close_end(&plan.lanes[1]);
	}
	close_end(in);
	exit(0);
}

static void round_trip(uint64_t i, uint64_t value)
{
	int64_t begin = plan.stamp ? now() : 0;

	plan.w->send(&plan.lanes[0], value);
	plan.w->recv(&plan.lanes[1], i);
	if (plan.stamp && i >= plan.warm)
		times_add(&shared->times, now() - begin);
}

static void send_all(unsigned int me, struct part *p)
{
	uint64_t first = (uint64_t)me << SENDER_SHIFT;
	const struct way *w = plan.w;
	int64_t cpu = 0;

	for (uint64_t i = 0; i < plan.n; i++) {
		if (i == plan.warm) {
			p->start = now();
			cpu = cpu_time();
		}
		if (plan.j->back) {
			round_trip(i, first + i);
			continue;
		}
		for (unsigned int k = 0; k < plan.nlanes; k++)
			w->send(&plan.lanes[k], first + i);
	}
	p->cpu = cpu_time() - cpu;
}

/* Whoever takes one of these ends, and takes no other. */
static void stop_receivers(unsigned int me)
{
	__atomic_add_fetch(&shared->sent, 1, __ATOMIC_RELEASE);
	wait_for(&shared->sent, plan.senders);
	for (unsigned int r = me; r < plan.receivers; r += plan.senders)
		plan.w->send(&plan.lanes[0], STOP);
}

static void produce(unsigned int me)
{
	unsigned int all = plan.senders + plan.receivers, forward = plan.nlanes;
	struct part *p = &shared->senders[me];

	on_cpu(me);
	wait_for(&shared->step, plan.receivers + me);
	if (plan.j->back)
		forward = 1;
	for (unsigned int k = 0; k < forward; k++)
		open_end(&plan.lanes[k], true);
	if (plan.j->back)
		open_end(&plan.lanes[1], false);
	reach(plan.receivers + me + 1);
	wait_for(&shared->step, all + plan.j->back);
	send_all(me, p);
	if (plan.j->work)
		stop_receivers(me);
	else
		__atomic_add_fetch(&shared->sent, 1, __ATOMIC_RELEASE);
	look_at_memory(p);
	/* what is on its way may go with its sender */
	wait_for(&shared->received, plan.receivers);
	for (unsigned int k = 0; k < plan.nlanes; k++)
		close_end(&plan.lanes[plan.nlanes - 1 - k]);
	exit(0);
}

static void lane_init(struct lane *l, const struct job *j, unsigned int number, unsigned int port)
{
	*l = (struct lane){ .len = j->len, .depth = j->depth, .port = port, .block = j->block };
	l->touch = j->ref ? sizeof(uint64_t) : j->len;
	snprintf(l->name, sizeof(l->name), "ipcx-peers-%d-%u", getpid(), number);
	/* pages that nobody uses are none */
	l->buf = mmap(NULL, j->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (l->buf == MAP_FAILED)
		err(1, "mmap");
}

pid_t start_process(void (*be)(unsigned int me), unsigned int me)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		give_up(FAILED, "no process");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has gone before that */
		_exit(1);
	be(me);
	exit(0);
}

static void stage(const void *arg)
{
	int status;

	(void)arg;
	for (unsigned int k = 0; k < plan.nlanes && plan.w->create; k++)
		plan.w->create(&plan.lanes[k]);
	for (unsigned int r = 0; r < plan.receivers; r++)
		start_process(consume, r);
	for (unsigned int s = 0; s < plan.senders; s++)
		start_process(produce, s);
	for (unsigned int i = 0; i < plan.senders + plan.receivers; i++)
		if (wait(&status) < 0 || status)
			give_up(FAILED, "one of the processes has failed, status 0x%x", status);
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

/* Of all that was sent, modulo 2^64 */
static uint64_t sum_wanted(const struct job *j)
{
	uint64_t n = plan.n, words = plan.lanes[0].touch / 8, sum = 0;

	for (uint64_t s = 0; s < plan.senders; s++)
		sum += n * (n - 1) / 2 * words + n * (words * (words - 1) / 2) +
		       n * words * (s << SENDER_SHIFT);
	return j->work ? sum : sum * plan.receivers;
}

static uint64_t sum_got(void)
{
	uint64_t sum = 0;

	for (unsigned int r = 0; r < plan.receivers; r++)
		sum += shared->receivers[r].sum;
	return sum;
}

static void check(int status, struct result *r)
{
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
		snprintf(r->why, sizeof(r->why), "not done in time");
	} else if (status) {
		r->is = FAILED;
		snprintf(r->why, sizeof(r->why), "ended with status 0x%x", status);
	}
}

/* What @body leaves behind or breaks is gone with its process. */
static void apart(void (*body)(const void *arg), const void *arg, struct result *r)
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		catch_signals(SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* a group of its own, which give_up() ends */
		setpgid(0, 0);
		alarm(SECONDS_MAX);
		body(arg);
		exit(0);
	}
	child = pid;
	if (ended_by)
		end_child(ended_by);
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	child = 0;
	check(status, r);
}

void tell(double ns)
{
	shared->told = ns;
}

void run_apart(void (*body)(const void *arg), const void *arg, struct result *r)
{
	apart(body, arg, r);
	r->ns = shared->told;
}

static void evaluate(uint64_t count, struct result *r)
{
	int64_t start = INT64_MAX, end = 0, cpu = 0;

	r->rss = 0;
	r->shmem = 0;
	for (unsigned int i = 0; i < plan.senders + plan.receivers; i++) {
		const struct part *p = i < plan.senders ? &shared->senders[i] :
							  &shared->receivers[i - plan.senders];

		if (i < plan.senders && p->start < start)
			start = p->start;
		if (p->end > end)
			end = p->end;
		cpu += p->cpu;
		r->rss += p->rss;
		if (p->shmem > r->shmem)
			r->shmem = p->shmem;
	}
	count *= plan.senders;
	r->ns = (double)(end - start) / count;
	r->cpu = (double)cpu / count;
}

static void evaluate_stamped(struct result *r)
{
	r->p50 = times_below(&shared->times, 0.5);
	r->p99 = times_below(&shared->times, 0.99);
	r->p999 = times_below(&shared->times, 0.999);
}

void run(const struct way *w, const struct job *j, uint64_t count, bool stamp, struct result *r)
{
	plan.w = w;
	plan.j = j;
	plan.stamp = stamp;
	plan.senders = j->senders ?: 1;
	plan.receivers = j->receivers ?: 1;
	plan.nlanes = j->back ? 2 : j->work || w->to_all ? 1 : plan.receivers;
	/* each place was written and read before, of the longest once, as that takes long */
	plan.warm = j->depth * (j->len < LONG ? 3 : 1);
	plan.n = plan.warm + count;
	for (unsigned int k = 0; k < plan.nlanes; k++)
		lane_init(&plan.lanes[k], j, k, free_port());
	apart(stage, NULL, r);
	if (r->is == MEASURED && sum_got() != sum_wanted(j)) {
		r->is = FAILED;
		snprintf(r->why, sizeof(r->why), "what was read is not what was written");
	}
	if (stamp)
		evaluate_stamped(r);
	else
		evaluate(count, r);
	for (unsigned int k = 0; k < plan.nlanes; k++) {
		if (w->remove)
			w->remove(&plan.lanes[k]);
		munmap(plan.lanes[k].buf, j->len);
	}
	end_if_told();
}

bool is_two(const struct job *j)
{
	return ncpus > 1 && !j->one_cpu && j->senders < 2 && j->receivers < 2;
}

void run_near(const struct way *w, const struct job *j, uint64_t count, bool stamp,
	      struct result *r, double *line)
{
	unsigned int times = 0;

	if (!is_two(j)) {
		run(w, j, count, stamp, r);
		return;
	}
	do {
		near_begin();
		run(w, j, count, stamp, r);
	} while (r->is == MEASURED && near_again(&times, line));
}
