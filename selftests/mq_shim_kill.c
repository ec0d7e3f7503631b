// SPDX-License-Identifier: GPL-2.0-only
/* Processes that are killed at any moment leave a queue that works, see mq_shim_util.h. */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "mq_shim_util.h"

#define ROUNDS 30

/* How many messages went, by those who are killed */
struct moved {
	unsigned int sent, received;
};

static struct moved *moved;

static void count_moved(void)
{
	moved = mmap(NULL, sizeof(*moved), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
}

static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void receive_all(mqd_t q, unsigned int *prio)
{
	char buf[SIZE];

	while (mq_receive(q, buf, SIZE, prio) >= 0)
		__atomic_add_fetch(&moved->received, 1, __ATOMIC_RELAXED);
	_exit(1);
}

static void send_all(mqd_t q, unsigned int prio)
{
	while (!mq_send(q, "message", 7, prio))
		__atomic_add_fetch(&moved->sent, 1, __ATOMIC_RELAXED);
	_exit(1);
}

/* Has it its whole room, in time? */
static bool works(fix *self)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	int n = 0;

	mq_setattr(self->q, &attr, NULL);
	for (int ms = 0; ms < 5000 && n != DEPTH; ms++) {
		/* what a killed one had in hand comes back, and is in the way once more */
		drain(self->q, self->buf);
		for (n = 0; n < DEPTH && !mq_send(self->q, "x", 1, n & 1); n++)
			;
		if (n != DEPTH)
			usleep(1000);
	}
	attr.mq_flags = 0;
	mq_setattr(self->q, &attr, NULL);
	return n == DEPTH && drain(self->q, self->buf) == DEPTH;
}

static pid_t spawn(void (*work)(mqd_t q, int i), mqd_t q, int i)
{
	pid_t pid = fork();

	if (!pid) {
		die_with_parent();
		work(q, i);
		_exit(1);
	}
	return pid;
}

/* Each with an end of its own: both, with and without priorities */
static void own_receiver(mqd_t q, int i)
{
	unsigned int prio;

	receive_all(open_queue(O_RDONLY), i & 1 ? &prio : NULL);
}

static void own_sender(mqd_t q, int i)
{
	send_all(open_queue(O_WRONLY), i & 1);
}

/* With the one of their parent */
static void heir_receiver(mqd_t q, int i)
{
	unsigned int prio;

	receive_all(q, i & 1 ? &prio : NULL);
}

static void heir_sender(mqd_t q, int i)
{
	send_all(q, i & 1);
}

/* Return: whether that ended it: one whose call failed has ended by itself */
static bool is_killed(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Where nothing has gone so far, they live longer: a busy machine may not have started them. */
static bool kill_both(fix *self, void (*sender)(mqd_t, int), void (*receiver)(mqd_t, int), int i)
{
	pid_t s = spawn(sender, self->q, i), r = spawn(receiver, self->q, i >> 1);
	bool killed;

	usleep((3000 + rand() % 5000) * (1 + i / ROUNDS));
	killed = is_killed(i & 1 ? s : r);
	usleep(i % 3 * 500);
	return is_killed(i & 1 ? r : s) && killed && works(self);
}

static bool enough(int rounds)
{
	return rounds >= ROUNDS && ((moved->sent && moved->received) || rounds >= 10 * ROUNDS);
}

TEST_F_TIMEOUT(mq, own_ends, 60)
{
	if (is_over("shm"))
		SKIP(return, "needs IPCX_CAP_MANY_RECEIVERS");
	count_moved();
	for (int i = 0; !enough(i); i++) {
		ASSERT_TRUE(kill_both(self, own_sender, own_receiver, i));
	}
	EXPECT_LT(0, moved->sent);
	EXPECT_LT(0, moved->received);
}

TEST_F_TIMEOUT(mq, inherited_ends, 60)
{
	if (!whole())
		SKIP(return, "needs descriptors that are inherited");
	count_moved();
	for (int i = 0; !enough(i); i++) {
		ASSERT_TRUE(kill_both(self, heir_sender, heir_receiver, i));
	}
	EXPECT_LT(0, moved->sent);
	EXPECT_LT(0, moved->received);
}

/*
 * Who waits and is killed takes nothing with it over ipcx: what is sent at that moment comes to
 * another. Of the system's queues it is lost if it had been handed over to that one.
 */
TEST_F(mq, while_it_waits)
{
	if (is_over("shm"))
		SKIP(return, "needs IPCX_CAP_MANY_RECEIVERS");
	count_moved();
	for (int i = 0; i < 12; i++) {
		bool heir = whole() && i & 2;
		pid_t pid = spawn(heir ? heir_receiver : own_receiver, self->q, i);
		ssize_t n;

		usleep(20000);
		kill(pid, SIGKILL);
		ASSERT_EQ(0, mq_send(self->q, "mine", 4, 0));
		n = mq_timedreceive(self->q, self->buf, SIZE, NULL,
				    in_ms(is_over("kernel") ? 5000 : 20));
		ASSERT_TRUE(is_killed(pid));
		if (is_over("kernel")) {
			ASSERT_EQ(4, n);
		}
		ASSERT_TRUE(works(self));
	}
}

TEST_HARNESS_MAIN
