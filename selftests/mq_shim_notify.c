// SPDX-License-Identifier: GPL-2.0-only
/* mq_notify(), see mq_shim_util.h. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mq_shim_util.h"

#define SIGNAL SIGRTMIN
#define SOON_MS 20000 /* a busy machine takes seconds */

static struct sigevent by_signal(int value)
{
	return (struct sigevent){
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGNAL,
		.sigev_value.sival_int = value,
	};
}

/* Return: whether the signal came in time */
static bool told(int ms, siginfo_t *info)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MS };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	return sigtimedwait(&set, info, &ts) == SIGNAL;
}

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

TEST_F(mq, signal)
{
	struct sigevent ev = by_signal(7);
	siginfo_t info;

	block();
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	FAILS(EBUSY, mq_notify(self->q, &ev));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	ASSERT_TRUE(told(SOON_MS, &info));
	EXPECT_EQ(SI_MESGQ, info.si_code);
	EXPECT_EQ(7, info.si_value.sival_int);
	if (whole()) {
		EXPECT_EQ(getpid(), info.si_pid);
		EXPECT_EQ(getuid(), info.si_uid);
	}
	/* once */
	ASSERT_EQ(1, drain(self->q, self->buf));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_FALSE(told(100, &info));
	ASSERT_EQ(1, drain(self->q, self->buf));
	/* and again */
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, mq_notify(self->q, &ev));
		ASSERT_EQ(0, mq_send(self->q, "x", 1, i & 1));
		ASSERT_TRUE(told(SOON_MS, &info));
		ASSERT_EQ(1, drain(self->q, self->buf));
	}
}

/* Only when it has been empty, and only if it still is not */
TEST_F(mq, when)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;

	block();
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	EXPECT_FALSE(told(50, &info));
	if (whole()) {
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_FALSE(told(50, &info));
	}
	drain(self->q, self->buf);
	EXPECT_FALSE(told(50, &info));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_TRUE(told(SOON_MS, &info));
}

static bool sleeps(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'S';
}

static pid_t receiver;

static void *receive_one(void *arg)
{
	char buf[SIZE];

	__atomic_store_n(&receiver, gettid(), __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)mq_receive(((fix *)arg)->q, buf, SIZE, NULL);
}

/* Who waits gets the message, and nobody is told. */
TEST_F(mq, somebody_waits)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;
	pthread_t t;
	void *r;

	if (!whole())
		SKIP(return, "needs a queue that hands over to who waits");
	block();
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	ASSERT_EQ(0, pthread_create(&t, NULL, receive_one, self));
	for (int i = 0; i < SOON_MS && !sleeps(__atomic_load_n(&receiver, __ATOMIC_SEQ_CST)); i++)
		usleep(1000);
	usleep(100000);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	pthread_join(t, &r);
	EXPECT_EQ((void *)1, r);
	EXPECT_FALSE(told(100, &info));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_TRUE(told(SOON_MS, &info));
}

/* For a moment after the first message the one who is told may still be registered. */
static int notify_soon(mqd_t q, const struct sigevent *ev)
{
	int r = mq_notify(q, ev);

	for (int ms = 0; r && errno == EBUSY && ms < 5000; ms++) {
		usleep(1000);
		r = mq_notify(q, ev);
	}
	return r;
}

TEST_F(mq, taken_away)
{
	struct sigevent ev = by_signal(1), none = { .sigev_notify = SIGEV_NONE };
	struct sigevent bad = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 1000 };
	siginfo_t info;

	block();
	FAILS(EINVAL, mq_notify(self->q, &bad));
	bad.sigev_notify = 99;
	FAILS(EINVAL, mq_notify(self->q, &bad));
	EXPECT_EQ(0, mq_notify(self->q, NULL));
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	EXPECT_EQ(0, mq_notify(self->q, NULL));
	/* nothing is told, but nobody else either */
	ASSERT_EQ(0, mq_notify(self->q, &none));
	FAILS(EBUSY, mq_notify(self->q, &ev));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_FALSE(told(100, &info));
	drain(self->q, self->buf);
	ASSERT_EQ(0, notify_soon(self->q, &ev));
	if (is_over("shm"))
		return;
	/* closing it does so too */
	mq_close(self->q);
	self->q = open_queue(O_RDWR);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_FALSE(told(100, &info));
	ASSERT_EQ(0, mq_notify(self->q, &ev));
}

/* Nor is it told any more when something else is put there. */
TEST_F(mq, put_over)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;

	if (is_over("shm"))
		SKIP(return, "needs several receivers");
	block();
	for (int how = 0; how < 2; how++) {
		ASSERT_EQ(0, mq_notify(self->q, &ev));
		ASSERT_EQ(self->q, how ? dup3(1, self->q, 0) : dup2(1, self->q));
		close(self->q);
		self->q = open_queue(O_RDWR);
		ASSERT_LE(0, self->q);
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_FALSE(told(100, &info));
		ASSERT_EQ(1, drain(self->q, self->buf));
		ASSERT_EQ(0, mq_notify(self->q, &ev));
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_TRUE(told(SOON_MS, &info));
		ASSERT_EQ(1, drain(self->q, self->buf));
	}
}

/* What the program does not know it cannot close, and nothing of another file is closed for it. */
TEST_F(mq, closed_in_bulk)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;
	int file[8];

	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	block();
	for (int how = 0; how < 2; how++) {
		ASSERT_EQ(0, mq_notify(self->q, &ev));
		if (how) {
			closefrom(self->q + 1);
		} else {
			for (int fd = self->q + 1; fd < 1024; fd++)
				close(fd);
		}
		for (int i = 0; i < 8; i++) {
			file[i] = open("/dev/null", O_RDWR);
			ASSERT_LE(0, file[i]);
		}
		ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
		EXPECT_TRUE(told(SOON_MS, &info));
		EXPECT_EQ(1, drain(self->q, self->buf));
		for (int i = 0; i < 8; i++) {
			EXPECT_EQ(0, close(file[i]));
		}
	}
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	EXPECT_EQ(0, mq_notify(self->q, NULL));
}

/* What was closed by the system alone is not told to stop; what has its number now is let be. */
TEST_F(mq, closed_unseen)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;
	mqd_t old = self->q;
	struct stat st;
	int file[8];

	if (!whole())
		SKIP(return, "needs descriptors that are all known");
	block();
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	ASSERT_EQ(0, syscall(SYS_close_range, 3, ~0U, 0));
	for (int i = 0; i < 8; i++) {
		file[i] = memfd_create("file", 0);
		ASSERT_LE(0, file[i]);
	}
	self->q = open_queue(O_RDWR);
	ASSERT_LE(0, self->q);
	EXPECT_EQ(0, mq_notify(self->q, NULL));
	EXPECT_EQ(0, close(old));
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(file[i] == old ? -1 : 0, fstat(file[i], &st));
		EXPECT_TRUE(file[i] == old || !st.st_size);
	}
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_TRUE(told(SOON_MS, &info));
}

/* One process is told: as long as it lives, and not a child of it. */
TEST_F(mq, processes)
{
	struct sigevent ev = by_signal(1);
	siginfo_t info;
	int pipes[2], status;
	pid_t pid, child;
	char c = 0;

	if (is_over("shm"))
		SKIP(return, "needs several receivers");
	block();
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	if (!pid) {
		mqd_t q = open_queue(O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = !mq_notify(q, &ev);
		/* a child that outlives it changes nothing */
		if (!fork()) {
			write(pipes[1], &c, 1);
			sleep(2);
			_exit(0);
		}
		pause();
	}
	ASSERT_EQ(1, read(pipes[0], &c, 1));
	EXPECT_EQ(1, c);
	FAILS(EBUSY, mq_notify(self->q, &ev));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ASSERT_EQ(0, mq_notify(self->q, &ev));
	child = fork();
	if (!child) {
		mqd_t q = open_queue(O_RDWR);

		mq_notify(q, NULL);
		mq_close(q);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(0, mq_send(self->q, "x", 1, 0));
	EXPECT_TRUE(told(SOON_MS, &info));
}

/**
 * struct late - a signal that is sent only when the main thread sleeps, long after the message; the
 *	system has sent it by then
 * @q: the queue
 * @listener: who wants to send it asks there
 * @drain: so many messages are taken then, or one is sent
 * @done: 1: somebody has asked, 2: the main thread makes the calls in one of which it sleeps
 * @handled: how often the handler ran
 * @slow: that took so long that who waits for the signal may not have waited so long
 */
static struct late {
	mqd_t q;
	int listener, drain, done, handled;
	bool slow;
} late;

static void count(int sig)
{
	(void)sig;
	__atomic_add_fetch(&late.handled, 1, __ATOMIC_SEQ_CST);
}

static void until(const int *p, int value)
{
	while (__atomic_load_n(p, __ATOMIC_SEQ_CST) != value)
		sched_yield();
}

static void has(int what)
{
	__atomic_store_n(&late.done, what, __ATOMIC_SEQ_CST);
}

/* Threads that are made from now on ask before they send a signal with a value. */
static int hold_signals(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigqueueinfo, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(*code), .filter = code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		       &prog);
}

/* Then the main thread's last call is to go on. */
static void *let_go(void *arg)
{
	struct seccomp_notif_resp yes = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	struct seccomp_notif asked = { 0 };
	char buf[SIZE];
	int64_t since;

	if (!is_over("system")) {
		ioctl(late.listener, SECCOMP_IOCTL_NOTIF_RECV, &asked);
		has(1);
		until(&late.done, 2);
		since = now(CLOCK_MONOTONIC);
		while (!sleeps(getpid()))
			usleep(1000);
		late.slow = now(CLOCK_MONOTONIC) - since > 2000 * MS;
		yes.id = asked.id;
		ioctl(late.listener, SECCOMP_IOCTL_NOTIF_SEND, &yes);
	}
	until(&late.handled, 1);
	for (int i = 0; i < late.drain; i++)
		mq_receive(late.q, buf, SIZE, NULL);
	if (!late.drain)
		mq_send(late.q, "y", 1, 0);
	return arg;
}

/* Return: 0: a message is there, and the signal that tells of it waits for @t. */
static int send_told_late(mqd_t q, int drain, pthread_t *t)
{
	struct sigaction act = { .sa_handler = count };
	struct sigevent ev = by_signal(1);
	sigset_t old;

	sigaction(SIGNAL, &act, NULL);
	late = (struct late){ .q = q, .listener = late.listener, .drain = drain };
	sigprocmask(SIG_SETMASK, NULL, &old);
	block();
	if (mq_notify(q, &ev) || pthread_create(t, NULL, let_go, NULL))
		return -1;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (mq_send(q, "x", 1, 0))
		return -1;
	if (!is_over("system"))
		until(&late.done, 1);
	return 0;
}

/* Return: whether that was ended by a signal for which nobody waits so long */
static bool too_slow(ssize_t n)
{
	return n < 0 && errno == EINTR && late.slow;
}

/* That the process is told ends no wait that began after the message had been there. */
TEST_F(mq, told_late)
{
	unsigned int prio;
	pthread_t t;
	ssize_t n;

	late.listener = hold_signals();
	ASSERT_LE(0, late.listener);
	for (int timed = 0; timed < 2; timed++) {
		ASSERT_EQ(0, send_told_late(self->q, 0, &t));
		has(2);
		ASSERT_EQ(1, mq_receive(self->q, self->buf, SIZE, NULL));
		EXPECT_EQ('x', self->buf[0]);
		do {
			n = timed ? mq_timedreceive(self->q, self->buf, SIZE, &prio, in_ms(20000)) :
				    mq_receive(self->q, self->buf, SIZE, NULL);
		} while (too_slow(n));
		EXPECT_EQ(1, n);
		pthread_join(t, NULL);
		EXPECT_EQ(1, late.handled);
		EXPECT_EQ(0, drain(self->q, self->buf));
	}
}

/* Nor one for room */
TEST_F(mq, told_late_full)
{
	pthread_t t;
	int r;

	late.listener = hold_signals();
	ASSERT_LE(0, late.listener);
	ASSERT_EQ(0, send_told_late(self->q, 2 * DEPTH, &t));
	has(2);
	for (int i = 1; i < 2 * DEPTH; i++) {
		do {
			r = mq_send(self->q, "x", 1, 0);
		} while (too_slow(r));
		ASSERT_EQ(0, r);
	}
	pthread_join(t, NULL);
	EXPECT_EQ(1, late.handled);
}

/* Nor one after another process, which does not wait for that, has taken the message. */
TEST_F(mq, told_late_taken)
{
	pthread_t t;
	int status;
	ssize_t n;
	pid_t pid;

	if (!whole())
		SKIP(return, "needs several receivers");
	late.listener = hold_signals();
	ASSERT_LE(0, late.listener);
	ASSERT_EQ(0, send_told_late(self->q, 0, &t));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(mq_receive(self->q, self->buf, SIZE, NULL));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(1, WEXITSTATUS(status));
	has(2);
	do {
		n = mq_receive(self->q, self->buf, SIZE, NULL);
	} while (too_slow(n));
	EXPECT_EQ(1, n);
	EXPECT_EQ('y', self->buf[0]);
	pthread_join(t, NULL);
	EXPECT_EQ(1, late.handled);
}

static int calls, received;
static fix *the;

/* As programs do: registers again, then takes all there are. */
static void by_thread(union sigval value)
{
	struct sigevent ev = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = by_thread,
		.sigev_value = value,
	};
	char buf[SIZE];

	mq_notify(the->q, &ev);
	while (mq_receive(the->q, buf, SIZE, NULL) >= 0)
		__atomic_add_fetch(&received, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&calls, value.sival_int, __ATOMIC_SEQ_CST);
}

TEST_F(mq, thread)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	int n = 500;

	the = self;
	ASSERT_EQ(0, mq_setattr(self->q, &attr, NULL));
	by_thread((union sigval){ .sival_int = 1 });
	for (int i = 0; i < n; i++) {
		while (mq_send(self->q, "x", 1, 0))
			usleep(100);
		if (i % 50 == 0)
			usleep(5000);
	}
	for (int i = 0; i < 500 && __atomic_load_n(&received, __ATOMIC_SEQ_CST) < n; i++)
		usleep(10000);
	EXPECT_EQ(n, __atomic_load_n(&received, __ATOMIC_SEQ_CST));
	EXPECT_LT(1, __atomic_load_n(&calls, __ATOMIC_SEQ_CST));
}

TEST_HARNESS_MAIN
