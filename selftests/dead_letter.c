// SPDX-License-Identifier: GPL-2.0-only
/* Messages that are given up: after max_deliveries or their time, and where they go. */
#include <ipcx.h>
#include <sys/uio.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define TRIES 3

FIXTURE(dead_letter)
{
	struct ipcx_queue *q, *dead;
	struct ipcx_queue_stats s, d;
	struct ipcx_msg m;
};

static int open_queue(struct ipcx_queue **q, const char *name, struct ipcx_queue_opts *opts)
{
	return ipcx_queue_open(q, name, IPCX_CREATE | IPCX_EXCL | IPCX_SEND | IPCX_RECV, opts);
}

/* Nobody else sends there: a sender is owed a slot, which dead letters leave alone. */
static int open_dead(struct ipcx_queue **q, const char *name, struct ipcx_queue_opts *opts)
{
	return ipcx_queue_open(q, name, IPCX_CREATE | IPCX_EXCL | IPCX_RECV, opts);
}

FIXTURE_SETUP(dead_letter)
{
	IPCX_QUEUE_OPTS(opts, .depth = 4, .msg_max = 65536, .max_deliveries = TRIES,
			.dead_letter = "dead");
	IPCX_QUEUE_OPTS(dead, .depth = 4, .msg_max = 32768);

	memset(self, 0, sizeof(*self));
	self->s.sz = sizeof(self->s);
	self->d.sz = sizeof(self->d);
	ASSERT_EQ(0, open_dead(&self->dead, "dead", &dead)) TH_LOG("%s", ipcx_error());
	ASSERT_EQ(0, open_queue(&self->q, "work", &opts)) TH_LOG("%s", ipcx_error());
}

FIXTURE_TEARDOWN(dead_letter)
{
	ipcx_queue_close(self->q);
	ipcx_queue_close(self->dead);
	ipcx_queue_unlink("work");
	ipcx_queue_unlink("dead");
}

/* By a sender that then leaves and holds nothing. */
static int send_filled(size_t len, uint64_t tag, int64_t expires)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int r = ipcx_queue_open(&q, "work", IPCX_SEND, NULL);

	if (r)
		return r;
	r = ipcx_queue_loan(q, len, &m, IPCX_NOWAIT);
	if (!r) {
		memset(m.data, 'a' + tag, len);
		m.tag = tag;
		m.prio = tag;
		m.expires = expires;
		r = ipcx_queue_commit(q, &m);
	}
	ipcx_queue_close(q);
	return r;
}

static bool is_filled(const struct ipcx_msg *m, size_t len, uint64_t tag)
{
	if (m->len != len || m->tag != tag || m->prio != tag)
		return false;
	for (size_t i = 0; i < len; i++)
		if (((const char *)m->data)[i] != (char)('a' + tag))
			return false;
	return true;
}

/* Takes and gives back: exactly TRIES times, then it is in the other queue, whole. */
TEST_F(dead_letter, poison_by_nack)
{
	ASSERT_EQ(0, send_filled(10000, 3, 0));
	for (uint32_t i = 0; i < TRIES; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
		ASSERT_EQ(i, self->m.deliveries);
		ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
	}
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->dead, &self->m, IPCX_NOWAIT));
	ASSERT_TRUE(is_filled(&self->m, 10000, 3));
	ASSERT_EQ(IPCX_POISON, self->m.flags);
	ASSERT_EQ(0, self->m.pid);
	ASSERT_EQ(0, self->m.expires);
	ASSERT_EQ(0, ipcx_queue_release(self->dead, &self->m));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.poison);
	ASSERT_EQ(1, self->s.dead_lettered);
	ASSERT_EQ(TRIES - 1, self->s.redelivered);
	ASSERT_EQ(4, self->s.free);
	ASSERT_EQ(0, ipcx_queue_stat(self->dead, &self->d));
	ASSERT_EQ(1, self->d.released);
	ASSERT_EQ(4, self->d.free);
}

/* The same by death: a worker that the message kills TRIES times. */
TEST_F(dead_letter, poison_by_death)
{
	ASSERT_EQ(0, send_filled(5000, 2, 0));
	for (int i = 0; i < TRIES; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct ipcx_queue *q;
			struct ipcx_msg m;

			if (ipcx_queue_open(&q, "work", IPCX_RECV, NULL) ||
			    ipcx_queue_take(q, &m, IPCX_NOWAIT))
				_exit(1);
			kill(getpid(), SIGKILL);
		}
		ASSERT_EQ(128 + SIGKILL, exit_status(pid)) TH_LOG("try %d", i);
	}
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_take(self->dead, &self->m, in_ms(5000)));
	ASSERT_TRUE(is_filled(&self->m, 5000, 2));
	ASSERT_EQ(IPCX_POISON, self->m.flags);
}

/* One that holds many when it dies: each is counted alone, in order. */
TEST_F(dead_letter, close_with_many)
{
	struct ipcx_queue *r;
	struct ipcx_msg m[4];

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_filled(i * 4096, 0, 0));
	for (int i = 0; i < TRIES; i++) {
		ASSERT_EQ(0, ipcx_queue_open(&r, "work", IPCX_RECV, NULL));
		ASSERT_EQ(4, ipcx_queue_take_n(r, m, 4, IPCX_NOWAIT));
		for (int j = 0; j < 4; j++)
			ASSERT_EQ(j + 1, m[j].seq);
		ipcx_queue_close(r);
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(4, self->s.poison);
	ASSERT_EQ(4, self->s.dead_lettered);
	ASSERT_EQ(4, ipcx_queue_take_n(self->dead, m, 4, IPCX_NOWAIT));
}

/* Too long for it, or no room: dropped, and counted. */
TEST_F(dead_letter, full_or_too_small)
{
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, send_filled(i ? 8 : 65536, 0, 0));
		for (int j = 0; j < TRIES; j++) {
			ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
			ASSERT_EQ(0, ipcx_queue_nack(self->q, &self->m));
		}
	}
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(6, self->s.poison);
	ASSERT_EQ(4, self->s.dead_lettered);
	ASSERT_EQ(2, self->s.dead_letter_failed);
	ASSERT_EQ(4, self->s.free);
}

/* One that drops what is too much for it has not kept that. */
TEST_F(dead_letter, dropped_there)
{
	IPCX_QUEUE_OPTS(dead, .depth = 3, .msg_max = 4096, .policy = IPCX_DROP_NEWEST);
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 4096, .dead_letter = "dropping");
	struct ipcx_queue *d, *q;

	ASSERT_EQ(0, open_dead(&d, "dropping", &dead));
	ASSERT_EQ(0, ipcx_queue_open(&q, NULL, IPCX_CREATE | IPCX_SEND | IPCX_RECV, &opts));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(q, 8, &self->m, IPCX_NOWAIT));
		self->m.expires = 1;
		ASSERT_EQ(0, ipcx_queue_commit(q, &self->m));
	}
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_stat(q, &self->s));
	ASSERT_EQ(0, ipcx_queue_stat(d, &self->d));
	ipcx_queue_close(q);
	ipcx_queue_close(d);
	ASSERT_EQ(0, ipcx_queue_unlink("dropping"));
	ASSERT_EQ(5, self->s.expired);
	ASSERT_EQ(2, self->d.queued);
	ASSERT_EQ(3, self->d.dropped_newest);
	ASSERT_EQ(2, self->s.dead_lettered);
	ASSERT_EQ(3, self->s.dead_letter_failed);
}

/* What lay in the slot before, behind the message, does not come along. */
TEST_F(dead_letter, nothing_behind)
{
	struct ipcx_msg m[4];

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->q, 4096, &m[0], IPCX_NOWAIT));
		memset(m[0].data, 'x', 4096);
		ASSERT_EQ(0, ipcx_queue_commit(self->q, &m[0]));
	}
	ASSERT_EQ(4, ipcx_queue_take_n(self->q, m, 4, IPCX_NOWAIT));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, ipcx_queue_release(self->q, &m[i]));
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 100, &m[0], IPCX_NOWAIT));
	memset(m[0].data, 'y', 100);
	m[0].expires = 1;
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &m[0]));
	ASSERT_EQ(0, ipcx_queue_take(self->dead, &self->m, in_ms(20000)));
	ASSERT_EQ('y', ((const char *)self->m.data)[99]);
	for (int i = 100; i < 4096; i++)
		ASSERT_EQ(0, ((const char *)self->m.data)[i]);
}

TEST_F(dead_letter, expired)
{
	ASSERT_EQ(0, send_filled(100, 1, in_ms(30)));
	ASSERT_EQ(0, ipcx_queue_take(self->dead, &self->m, in_ms(20000)));
	ASSERT_TRUE(is_filled(&self->m, 100, 1));
	ASSERT_EQ(IPCX_EXPIRED, self->m.flags);
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.expired);
	ASSERT_EQ(4, self->s.free);
}

/* Its name may go, and its last user: the queue that gives up keeps it. */
TEST_F(dead_letter, outlives_its_users)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };
	struct counts c;

	ipcx_queue_close(self->dead);
	self->dead = NULL;
	ASSERT_EQ(0, ipcx_queue_unlink("dead"));
	ASSERT_EQ(0, send_filled(8, 0, 1));
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.dead_lettered);
	ASSERT_EQ(0, ipcx_queue_attr(self->q, &a));
	ASSERT_TRUE(counts_of(a.dead_letter, &c));
	ASSERT_EQ(1, c.queued);
	ipcx_queue_close(self->q);
	self->q = NULL;
	ASSERT_EQ(0, ipcx_queue_unlink("work"));
	ASSERT_FALSE(counts_of(a.dead_letter, &c));
}

/* Nobody could take it from there. */
TEST_F(dead_letter, removed)
{
	ASSERT_EQ(0, ipcx_queue_remove("dead"));
	ASSERT_EQ(0, send_filled(8, 0, 1));
	ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, ipcx_queue_stat(self->q, &self->s));
	ASSERT_EQ(1, self->s.expired);
	ASSERT_EQ(1, self->s.dead_letter_failed);
	ASSERT_EQ(4, self->s.free);
}

TEST_F(dead_letter, wrong_ones)
{
	IPCX_QUEUE_OPTS(none, .dead_letter = "no-such");
	IPCX_QUEUE_OPTS(chain, .dead_letter = "work");
	IPCX_QUEUE_OPTS(bad, .dead_letter = "a/b");
	IPCX_QUEUE_OPTS(empty, .dead_letter = "");
	struct ipcx_queue *q;

	ASSERT_EQ(-ENOENT, open_queue(&q, "x", &none));
	ASSERT_NE(NULL, strstr(ipcx_error(), "no-such"));
	ASSERT_EQ(-ELOOP, open_queue(&q, "x", &chain));
	ASSERT_EQ(-EINVAL, open_queue(&q, "x", &bad));
	ASSERT_EQ(-EINVAL, open_queue(&q, "x", &empty));
	ASSERT_EQ(-ENOENT, ipcx_queue_unlink("x"));
}

/* Whoever may send there can have it for a dead-letter queue, and speaks for himself alone. */
TEST_F(dead_letter, identity)
{
	IPCX_QUEUE_OPTS(all, .mode = 0622);
	IPCX_QUEUE_OPTS(mine, .mode = 0666, .max_deliveries = 1, .dead_letter = "all");
	struct ipcx_queue *dead, *q;
	int go[2];
	char c;
	pid_t pid;

	ASSERT_EQ(0, open_queue(&dead, "all", &all));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (setgid(12346) || setuid(12345) || open_queue(&q, "mine", &mine))
			_exit(1);
		if (write(go[1], "", 1) != 1 || ipcx_queue_take(q, &self->m, in_ms(20000)))
			_exit(2);
		_exit(self->m.uid || ipcx_queue_nack(q, &self->m) ? 3 : 0);
	}
	ASSERT_EQ(1, read(go[0], &c, 1));
	ASSERT_EQ(0, ipcx_queue_open(&q, "mine", IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(q, "from root", 9, 0));
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, ipcx_queue_take(dead, &self->m, in_ms(5000)));
	ASSERT_EQ(12345, self->m.uid);
	ASSERT_EQ(12346, self->m.gid);
	ASSERT_EQ(0, self->m.pid);
	ipcx_queue_close(q);
	ipcx_queue_close(dead);
	ASSERT_EQ(0, ipcx_queue_unlink("mine"));
	ASSERT_EQ(0, ipcx_queue_unlink("all"));
	close(go[0]);
	close(go[1]);
}

/* Who may not send there cannot have it for a dead-letter queue. */
TEST_F(dead_letter, permission)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		IPCX_QUEUE_OPTS(opts, .dead_letter = "dead");
		struct ipcx_queue *q;

		if (setgid(12345) || setuid(12345))
			_exit(2);
		_exit(open_queue(&q, "mine", &opts) == -EACCES ? 0 : 1);
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(-ENOENT, ipcx_queue_unlink("mine"));
}

/* read(2) that fails gives the message back: that was no delivery. */
TEST_F(dead_letter, failed_read_is_no_try)
{
	void *volatile bad = (void *)8;
	int fd = ipcx_queue_fd(self->q);

	ASSERT_EQ(0, send_filled(8, 0, 0));
	for (int i = 0; i < 2 * TRIES; i++) {
		ASSERT_EQ(-1, read(fd, bad, 100));
		ASSERT_EQ(EFAULT, errno);
	}
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	ASSERT_EQ(0, self->m.deliveries);
}

TEST_HARNESS_MAIN
