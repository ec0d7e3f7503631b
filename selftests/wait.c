// SPDX-License-Identifier: GPL-2.0-only
/* Who sleeps, who is woken, and who gets what came. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

/* A thread that takes, with a limit, or reads if @limit is 0. */
struct sleeper {
	pthread_t thread;
	const struct end *e;
	uint64_t limit;
	int64_t deadline;
	int ret;
	struct ipcx_desc d;
	char buf[4096];
};

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)&s->d,
		.count = 1,
		.desc_size = sizeof(s->d),
		.deadline = s->deadline,
		.len_max = s->limit,
	};

	if (s->limit)
		s->ret = xioctl(s->e->fd, IPCX_IOC_QUEUE_TAKE, &t);
	else
		s->ret = read(s->e->fd, s->buf, sizeof(s->buf));
	return NULL;
}

static void pause_ms(int ms)
{
	usleep(ms * 1000);
}

static void sleeper_start(struct sleeper *s, const struct end *e, uint64_t limit)
{
	s->e = e;
	s->limit = limit;
	s->deadline = in_ms(5000);
	s->ret = 0;
	pthread_create(&s->thread, NULL, sleeper_main, s);
	pause_ms(50); /* asleep, and behind those before it */
}

FIXTURE(wait)
{
	struct end e;
	struct sleeper s[3];
};

FIXTURE_SETUP(wait)
{
	memset(self, 0, sizeof(*self));
	self->e.o.depth = 4;
	self->e.o.msg_max = 4096;
	ASSERT_EQ(0, end_open(&self->e, "wait", CREATE | IPCX_OPEN_EPHEMERAL | SENDRECV));
}

FIXTURE_TEARDOWN(wait)
{
	struct counts c;
	struct ipcx_desc d;

	while (raw_take(self->e.fd, &d, 0) == 1)
		raw_release(self->e.fd, &d);
	EXPECT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(4, c.free + c.leased);
	end_close(&self->e);
}

TEST_F(wait, first_come_first_served)
{
	for (int i = 0; i < 3; i++)
		sleeper_start(&self->s[i], &self->e, UINT64_MAX);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&self->e, 10 + i, 'a'));
	for (int i = 0; i < 3; i++) {
		pthread_join(self->s[i].thread, NULL);
		ASSERT_EQ(1, self->s[i].ret);
		EXPECT_EQ(10 + i, self->s[i].d.len);
		EXPECT_EQ(1, raw_release(self->e.fd, &self->s[i].d));
	}
}

/* Who wants less than what came must know, and must not keep it from the next. */
TEST_F(wait, too_long_for_the_first)
{
	sleeper_start(&self->s[0], &self->e, 10);
	sleeper_start(&self->s[1], &self->e, 100);
	ASSERT_EQ(1, raw_send(&self->e, 50, 'a'));
	pthread_join(self->s[0].thread, NULL);
	pthread_join(self->s[1].thread, NULL);
	EXPECT_EQ(-EMSGSIZE, self->s[0].ret);
	EXPECT_EQ(1, self->s[1].ret);
	EXPECT_EQ(50, self->s[1].d.len);
	EXPECT_EQ(1, raw_release(self->e.fd, &self->s[1].d));
}

TEST_F(wait, read_beside_take)
{
	struct counts c;

	sleeper_start(&self->s[0], &self->e, 0);
	sleeper_start(&self->s[1], &self->e, UINT64_MAX);
	ASSERT_EQ(1, raw_send(&self->e, 20, 'r'));
	ASSERT_EQ(1, raw_send(&self->e, 30, 't'));
	pthread_join(self->s[0].thread, NULL);
	pthread_join(self->s[1].thread, NULL);
	EXPECT_EQ(20, self->s[0].ret);
	EXPECT_EQ('r', self->s[0].buf[19]);
	EXPECT_EQ(30, self->s[1].d.len);
	ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(1, c.leased);
	EXPECT_EQ(1, raw_release(self->e.fd, &self->s[1].d));
}

/* A message handed to somebody who dies at that moment is not lost. */
TEST_F(wait, sleeper_killed_as_it_is_served)
{
	struct ipcx_desc d;

	for (int i = 0; i < rounds(200); i++) {
		bool reads = i & 1;
		pid_t pid = fork();

		if (!pid) {
			struct end own = {};
			char buf[64];

			close(self->e.fd); /* what it takes goes with its own endpoint */
			if (end_open(&own, "wait", SENDRECV))
				_exit(1);
			if (reads)
				_exit(read(own.fd, buf, sizeof(buf)) > 0);
			_exit(raw_take(own.fd, &d, in_ms(5000)));
		}
		usleep(random() % 3000);
		/* SIGSTOP keeps it from running on after it was served, and then SIGKILL wins */
		if (i % 4 < 2) {
			pause_ms(5);
			kill(pid, SIGSTOP);
		}
		kill(pid, SIGKILL);
		ASSERT_EQ(1, raw_send(&self->e, 8, 'k'));
		waitpid(pid, NULL, 0);
		ASSERT_EQ(1, raw_take(self->e.fd, &d, in_ms(2000))) TH_LOG("round %d: lost", i);
		EXPECT_GE(1, d.deliveries);
		ASSERT_EQ(1, raw_release(self->e.fd, &d));
	}
}

/* Nobody can name a slot on its way to a sleeper, not even who shares its endpoint. */
TEST_F(wait, not_released_before_it_is_taken)
{
	struct ipcx_desc d = { .seq = 1 };

	sleeper_start(&self->s[0], &self->e, UINT64_MAX);
	ASSERT_EQ(1, raw_send(&self->e, 8, 'n'));
	for (d.slot = 0; d.slot < 4; d.slot++)
		raw_release(self->e.fd, &d);
	pthread_join(self->s[0].thread, NULL);
	EXPECT_EQ(1, self->s[0].ret);
	EXPECT_EQ(1, self->s[0].d.seq);
	EXPECT_NE(0, self->s[0].d.pid);
	raw_release(self->e.fd, &self->s[0].d);
}

static void *loan_main(void *arg)
{
	struct sleeper *s = arg;

	s->ret = raw_loan(s->e->fd, &s->d, 8, s->deadline);
	return NULL;
}

/* A sender sleeps; a slot is given back. Return: whether that woke it, and not its deadline. */
static bool wakes_sender(struct sleeper *s, const struct end *e, struct ipcx_desc *d)
{
	bool woken;

	s->e = e;
	s->deadline = in_ms(3000);
	pthread_create(&s->thread, NULL, loan_main, s);
	pause_ms(50);
	if (raw_cancel(e->fd, d) != 1)
		return false;
	pthread_join(s->thread, NULL);
	woken = s->ret == 1 && now_ns() < s->deadline - 1000000000;
	raw_cancel(e->fd, &s->d);
	return woken;
}

/* Who polls and then sends nothing must not have used up the wake-up of who sleeps. */
TEST_F(wait, exclusive_poller_beside_a_sleeping_sender)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct ipcx_desc d[4];
	pid_t pid;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_loan(self->e.fd, &d[i], 8, 0));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->e.fd, &ev));
	pid = fork();
	if (!pid)
		_exit(epoll_wait(ep, &ev, 1, 3000) != 1);
	pause_ms(50);
	EXPECT_TRUE(wakes_sender(&self->s[0], &self->e, &d[0]));
	EXPECT_EQ(0, exit_status(pid));
	for (int i = 1; i < 4; i++)
		raw_cancel(self->e.fd, &d[i]);
	close(ep);
}

static volatile int signals;

static void count_signal(int sig)
{
	signals++;
}

/* Interrupted after it released: the call is repeated, and releases nothing twice. */
TEST_F(wait, release_and_take_restarts)
{
	struct sigaction sa = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	struct ipcx_desc d;
	pid_t pid, me = getpid();

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(1, raw_send(&self->e, 8, 'a'));
	ASSERT_EQ(1, raw_take(self->e.fd, &d, 0));
	pid = fork();
	if (!pid) {
		pause_ms(100);
		kill(me, SIGUSR1);
		pause_ms(100);
		_exit(write(self->e.fd, "123456789", 9) != 9);
	}
	EXPECT_EQ(1, raw_next(self->e.fd, &d, in_ms(5000)));
	EXPECT_EQ(1, signals);
	EXPECT_EQ(9, d.len);
	raw_release(self->e.fd, &d);
	EXPECT_EQ(0, exit_status(pid));
}

/* Entries are released up to the first that cannot be, and then nothing is taken. */
TEST_F(wait, release_many_then_take)
{
	struct ipcx_desc d[3];
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.flags = IPCX_TAKE_RELEASE,
		.descs = (uintptr_t)d,
		.count = 3,
		.desc_size = sizeof(d[0]),
		.len_max = UINT64_MAX,
	};
	struct counts c;

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&self->e, 8, 'a'));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, raw_take(self->e.fd, &d[i], 0));
	d[2] = d[1];
	d[1].seq += 100;
	EXPECT_EQ(-ESTALE, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(1, c.leased);
	EXPECT_EQ(1, c.queued);
	d[0].slot = IPCX_SLOT_NONE;
	d[1].slot = IPCX_SLOT_NONE;
	t.len_max = 7;
	EXPECT_EQ(-EMSGSIZE, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(0, c.leased);
	t.flags = 0;
	t.len_max = 8;
	ASSERT_EQ(1, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	EXPECT_EQ(3, d[0].seq);
	t.flags = IPCX_TAKE_RELEASE;
	t.deadline = in_ms(20);
	d[1].slot = IPCX_SLOT_NONE;
	d[2].slot = IPCX_SLOT_NONE;
	EXPECT_EQ(-ETIMEDOUT, xioctl(self->e.fd, IPCX_IOC_QUEUE_TAKE, &t));
	EXPECT_EQ(IPCX_SLOT_NONE, d[0].slot);
}

#define FREEZER "/tmp/ipcx-freezer"

static int freezer_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), FREEZER "/g/%s", file);
	return put_file(path, text);
}

/* Return: 0 when the group is there. */
static int freezer_make(void)
{
	mkdir(FREEZER, 0700);
	if (mount("freezer", FREEZER, "cgroup", 0, "freezer"))
		return -errno;
	return mkdir(FREEZER "/g", 0700) ? -errno : 0;
}

static int freeze(pid_t pid)
{
	char text[16];

	pause_ms(50);
	snprintf(text, sizeof(text), "%d", pid);
	return freezer_write("cgroup.procs", text) ?: freezer_write("freezer.state", "FROZEN");
}

static void freezer_remove(void)
{
	rmdir(FREEZER "/g");
	umount(FREEZER);
	rmdir(FREEZER);
}

/* A frozen receiver gets nothing: the message goes to one that can read it. */
TEST_F(wait, frozen_taker)
{
	pid_t pid;

	ASSERT_EQ(0, freezer_make());
	pid = fork();
	if (!pid) {
		struct ipcx_desc d;

		_exit(raw_take(self->e.fd, &d, in_ms(5000)) == 1 ? d.len : 99);
	}
	ASSERT_EQ(0, freeze(pid));
	sleeper_start(&self->s[0], &self->e, UINT64_MAX);
	ASSERT_EQ(1, raw_send(&self->e, 8, 'a'));
	pthread_join(self->s[0].thread, NULL);
	EXPECT_EQ(1, self->s[0].ret);
	raw_release(self->e.fd, &self->s[0].d);
	ASSERT_EQ(0, freezer_write("freezer.state", "THAWED"));
	ASSERT_EQ(1, raw_send(&self->e, 9, 'b'));
	EXPECT_EQ(9, exit_status(pid));
	freezer_remove();
}

/* A frozen sender uses up no wake-up of another. */
TEST_F(wait, frozen_sender)
{
	struct ipcx_desc d[4];
	pid_t pid;

	ASSERT_EQ(0, freezer_make());
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_loan(self->e.fd, &d[i], 8, 0));
	pid = fork();
	if (!pid)
		_exit(raw_loan(self->e.fd, &d[0], 8, in_ms(5000)) != 1);
	ASSERT_EQ(0, freeze(pid));
	EXPECT_TRUE(wakes_sender(&self->s[0], &self->e, &d[0]));
	ASSERT_EQ(0, freezer_write("freezer.state", "THAWED"));
	EXPECT_EQ(0, exit_status(pid));
	for (int i = 0; i < 4; i++)
		raw_cancel(self->e.fd, &d[i]);
	freezer_remove();
}

TEST_HARNESS_MAIN
