// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program: a process for each list of calls, all started together,
 * killed when time is over, and nothing of them may be left then.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/ipcx.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define TICK_MS 3 /* ends every sleep of a process without a deadline */
#define TIMEOUT_MS 3000 /* of a program: then it is killed */
#define DEAD_MS 20000 /* until killed processes and their queues must be gone */
#define SLEEP_US 2000 /* at most, between two looks at what is left */
#define FORKS_MAX 2

struct shared *shared;

static int devs[2], sockets[2], proc_list, first_fd;
static struct ipcx_info baseline[2];
static uint32_t baseline_lines;
static bool kcov;
static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

static void on_alarm(int sig)
{
}

/* Who waits for processes to finish is not to sleep on while one has died. */
static void on_child(int sig)
{
	__atomic_fetch_add(&shared->finished, 1, __ATOMIC_RELEASE);
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

static void tick(uint32_t ms, bool again)
{
	struct itimerval t = { .it_value.tv_usec = ms % 1000 * 1000, .it_value.tv_sec = ms / 1000 };

	if (again)
		t.it_interval = t.it_value;
	setitimer(ITIMER_REAL, &t, NULL);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool info_get(int dev, struct ipcx_info *info)
{
	*info = (struct ipcx_info){ .size = sizeof(*info) };
	return !ioctl(dev, IPCX_IOC_INFO, info);
}

static void give_up(const char *what)
{
	perror(what);
	_exit(1);
}

/* How many lines /proc/net/ipcx has. */
static uint32_t list_read(void)
{
	ssize_t n = pread(proc_list, buffer, BUFFER - 1, 0), i;
	uint32_t lines = 0;

	buffer[n > 0 ? n : 0] = 0;
	for (i = 0; i < n; i++)
		lines += buffer[i] == '\n';
	return lines;
}

/* An account lives while its user has a queue: with one, what leaks from it is seen. */
static void keep_account(int i)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = IPCX_OPEN_CREATE | IPCX_OPEN_SEND,
		.depth = 1,
	};

	if (ioctl(devs[i], IPCX_IOC_QUEUE_OPEN, &o) < 0 || !info_get(devs[i], &baseline[i]))
		give_up("/dev/ipcx");
}

void exec_init(void)
{
	calls_init();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	kcov = kcov_open();
	devs[0] = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	if (seteuid(USER))
		give_up("seteuid");
	devs[1] = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	if (seteuid(0))
		give_up("seteuid");
	proc_list = open("/proc/net/ipcx", O_RDONLY | O_CLOEXEC);
	if (shared == MAP_FAILED || proc_list < 0)
		give_up("/proc/net/ipcx");
	keep_account(0);
	keep_account(1);
	baseline_lines = list_read();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		give_up("subreaper");
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets))
		give_up("socketpair");
	first_fd = sockets[1] + 1;
	handle(SIGALRM, on_alarm, 0);
	handle(SIGCHLD, on_child, SA_RESTART);
	handle(SIGPIPE, SIG_IGN, 0);
}

bool exec_has_kcov(void)
{
	return kcov;
}

static void fail_set(struct state *s, uint32_t n)
{
	char text[4] = { '0' + n / 100, '0' + n / 10 % 10, '0' + n % 10 };

	if (!s->fail_nth)
		s->fail_nth = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);
	if (s->fail_nth > 0)
		(void)!pwrite(s->fail_nth, text, 3, 0);
}

static void make_calls(struct state *s, const struct program *p, uint32_t first, uint32_t max);

/* A child that makes the next calls at the same time as its parent. */
static void fork_calls(struct state *s, const struct program *p, uint32_t first, uint32_t max)
{
	s->used_up = true;
	if (s->forked || s->forks++ == FORKS_MAX || fork())
		return;
	s->forked = true;
	s->fail_nth = 0;
	make_calls(s, p, first, max);
	_exit(0);
}

static void make_calls(struct state *s, const struct program *p, uint32_t first, uint32_t max)
{
	volatile uint32_t i, left = max;

	for (i = first; i < p->n && left; i++) {
		const struct call *c = &p->call[i];
		volatile uint32_t child = 0;

		if (c->proc != s->index)
			continue;
		left--;
		__atomic_fetch_add(&shared->ops[s->index], 1, __ATOMIC_RELAXED);
		if (call_may_sleep(c))
			tick(TICK_MS, true);
		switch (sigsetjmp(fault_env, 0)) {
		case 0:
			if (c->fail)
				fail_set(s, c->fail);
			child = call_make(s, c);
			break;
		case SIGBUS:
			topic_bus_error(s, c);
		}
		if (c->fail)
			fail_set(s, 0);
		if (call_may_sleep(c))
			tick(0, false);
		if (child)
			fork_calls(s, p, i + 1, child);
	}
}

static void futex_wait(uint32_t *word, uint32_t value, uint32_t ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, value, ms ? &t : NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* What a program left in its process; descriptors of the fuzzer's own are below first_fd. */
static void tidy(struct state *s)
{
	uint32_t i;

	for (i = 0; i < MAPS; i++) {
		if (s->map[i].addr)
			munmap(s->map[i].addr, s->map[i].len);
	}
	close_range(first_fd, ~0U, 0);
	*s = (struct state){ .index = s->index, .dev = s->dev };
}

/*
 * Forking costs more than a program does here, so a process makes its calls of
 * many programs, until one changes what tidy() cannot undo or has it exit.
 */
static void process(uint32_t index, uint32_t round)
{
	static struct state s;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s.index = index;
	s.dev = devs[0];
	handle(SIGCHLD, SIG_DFL, 0);
	handle(SIGSEGV, on_fault, SA_NODEFER);
	handle(SIGBUS, on_fault, SA_NODEFER);
	if (kcov)
		kcov_enable(index);
	for (;;) {
		while (__atomic_load_n(&shared->go[index], __ATOMIC_ACQUIRE) == round)
			futex_wait(&shared->go[index], round, 0);
		round++;
		memcpy(s.socket, sockets, sizeof(sockets));
		make_calls(&s, &shared->program, 0, UINT32_MAX);
		if (s.used_up)
			_exit(0);
		tidy(&s);
		__atomic_store_n(&shared->done[index], round, __ATOMIC_RELEASE);
		__atomic_fetch_add(&shared->finished, 1, __ATOMIC_RELEASE);
		futex_wake(&shared->finished);
	}
}

/* A group of its own: what it forks dies with it. */
static void start_process(uint32_t i)
{
	uint32_t round = shared->go[i];
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid)
		process(i, round);
	setpgid(pid, pid);
	shared->pid[i] = pid;
}

/* A fault injected into the delivery of a signal kills a process that did nothing wrong. */
static bool may_crash(uint32_t proc)
{
	const struct program *p = &shared->program;
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		if (p->call[i].proc == proc && p->call[i].fail)
			return true;
	}
	return false;
}

/* Process @i is gone, with or without children. Return: what is wrong, or NULL. */
static const char *bury(uint32_t i, int status)
{
	pid_t group = shared->pid[i];

	shared->pid[i] = 0;
	kill(-group, SIGKILL);
	tick(DEAD_MS, false);
	while (waitpid(-group, NULL, 0) > 0)
		;
	tick(0, false);
	if (errno == EINTR)
		return "a killed process does not die";
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && !may_crash(i))
		return "a process of the fuzzer itself crashed";
	return NULL;
}

static void kill_all(void)
{
	uint32_t i;

	for (i = 0; i < PROCS_MAX; i++) {
		if (shared->pid[i])
			kill(-shared->pid[i], SIGKILL);
	}
}

/* Nothing of the fuzzer stays behind. */
void exec_end(void)
{
	kill_all();
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static const char *bury_dead(void)
{
	const char *wrong = NULL;
	uint32_t i;
	int status;

	for (i = 0; i < PROCS_MAX; i++) {
		if (shared->pid[i] && waitpid(shared->pid[i], &status, WNOHANG) > 0)
			wrong = bury(i, status) ?: wrong;
	}
	return wrong;
}

/* Has every process of the program finished, or died? */
static bool all_done(uint32_t procs)
{
	uint32_t i;

	for (i = 0; i < procs; i++) {
		if (shared->pid[i] &&
		    __atomic_load_n(&shared->done[i], __ATOMIC_ACQUIRE) != shared->go[i])
			return false;
	}
	return true;
}

/* Return: what went wrong, or NULL. */
static const char *wait_all(uint32_t procs)
{
	int64_t start = now_ms();
	const char *wrong;

	for (;;) {
		uint32_t finished = __atomic_load_n(&shared->finished, __ATOMIC_ACQUIRE);

		wrong = bury_dead();
		if (wrong || all_done(procs))
			return wrong;
		if (now_ms() - start > TIMEOUT_MS + DEAD_MS)
			return "killed processes do not die";
		if (now_ms() - start > TIMEOUT_MS)
			kill_all();
		futex_wait(&shared->finished, finished, 10);
	}
}

/* Return: NULL, or what is wrong. @ops: calls made. */
const char *exec_run(const struct program *p, uint64_t *ops)
{
	const char *wrong;
	uint32_t i;

	shared->program = *p;
	shared->broken = NULL;
	if (kcov)
		kcov_clear(p->procs);
	for (i = 0; i < p->procs; i++) {
		shared->ops[i] = 0;
		if (!shared->pid[i])
			start_process(i);
	}
	for (i = 0; i < p->procs; i++) {
		__atomic_fetch_add(&shared->go[i], 1, __ATOMIC_RELEASE);
		futex_wake(&shared->go[i]);
	}
	wrong = wait_all(p->procs);
	/* descriptors that nobody received */
	while (recv(sockets[1], buffer, BUFFER, MSG_DONTWAIT) >= 0)
		;
	for (i = 0; i < p->procs; i++)
		*ops += shared->ops[i];
	return wrong ?: shared->broken;
}

static bool same_account(int i)
{
	struct ipcx_info now;

	return info_get(devs[i], &now) && now.out_user_bytes == baseline[i].out_user_bytes &&
	       now.out_user_queues == baseline[i].out_user_queues &&
	       now.out_user_regions == baseline[i].out_user_regions;
}

/* Escapes of three octal digits become bytes, in place. Return: the length. */
static uint32_t unescape(char *name)
{
	char *from, *to = name;

	for (from = name; *from; from++) {
		if (*from == '\\') {
			*to++ = (from[1] & 7) << 6 | (from[2] & 7) << 3 | (from[3] & 7);
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	return to - name;
}

/* Takes away every name in the list that list_read() read. */
static void unlink_names(void)
{
	struct ipcx_unlink u = { .size = sizeof(u) };
	char *save, *line;

	strtok_r(buffer, "\n", &save);
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *name = strrchr(line, ' ') + 1;

		u.name = (uintptr_t)name;
		u.name_len = unescape(name);
		for (u.kind = IPCX_KIND_QUEUE; u.kind <= IPCX_KIND_REGION; u.kind++)
			ioctl(devs[0], IPCX_IOC_UNLINK, &u);
	}
}

/*
 * Nothing of a program may be left but names, which go here. A network
 * namespace goes later than its last process: there is some time for that.
 * Return: NULL, or what is left.
 */
const char *exec_check(void)
{
	int64_t end = now_ms() + DEAD_MS;
	uint32_t us = 0;
	bool left;

	do {
		if (us)
			usleep(us);
		us = us < SLEEP_US ? us + 100 : SLEEP_US;
		left = list_read() != baseline_lines;
		if (left) {
			unlink_names();
			left = list_read() != baseline_lines;
		}
		if (!left && same_account(0) && same_account(1))
			return NULL;
	} while (now_ms() < end);
	return left ? "queues, topics or regions are left behind" : "an account is not what it was";
}
