// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues over shared memory: what waits for a receiver, what comes again, what there is no room
 * for, and what is left. What they have in common with other transports is in transport.c.
 */
#include <pthread.h>

#include "topic_shm_util.h"

FIXTURE(queue)
{
	char dir[64], file[128];
	struct ipcx_queue *s, *r;
	struct ipcx_msg m;
};

FIXTURE_SETUP(queue)
{
	memset(self, 0, sizeof(*self));
	ASSERT_TRUE(dir_make(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/ipcx/" QUEUE_FILE, self->dir);
	ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND)) TH_LOG("%s", ipcx_error());
}

FIXTURE_TEARDOWN(queue)
{
	ipcx_queue_close(self->s);
	ipcx_queue_close(self->r);
	EXPECT_EQ(0, dir_remove(self->dir)) TH_LOG("something is left");
}

/* A child that sends numbers from @from on and ends, with the queue closed or not */
static int send_in_child(uint64_t from, int n, bool closes)
{
	struct ipcx_queue *q;
	pid_t pid = fork();

	if (pid)
		return exit_status(pid);
	if (open_queue(&q, IPCX_SEND))
		_exit(1);
	for (int i = 0; i < n; i++)
		if (queue_send(q, from + i, 0))
			_exit(2);
	if (closes)
		ipcx_queue_close(q);
	_exit(0);
}

TEST_F(queue, waits_for_a_receiver)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, queue_send(self->s, i, 0));
	EXPECT_EQ(-EAGAIN, queue_send(self->s, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, queue_send(self->s, 0, in_ms(20)));
	/* each sender has its own depth, and may go */
	EXPECT_EQ(0, send_in_child(100, DEPTH, true));
	EXPECT_EQ(0, send_in_child(200, DEPTH, false));
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, ipcx_queue_attr(self->r, &attr));
	EXPECT_EQ(DEPTH, attr.depth);
	for (int next[3] = { 0, 100, 200 }, i = 0; i < 3 * DEPTH; i++) {
		int64_t nr = queue_recv(self->r, 0);

		ASSERT_LE(0, nr);
		EXPECT_EQ(next[nr / 100]++, nr);
	}
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	EXPECT_EQ(0, queue_send(self->s, 7, 0));
	EXPECT_EQ(7, queue_recv(self->r, 0));
}

TEST_F(queue, depth_is_what_was_asked_for)
{
	IPCX_QUEUE_OPTS(opts, .depth = 3, .policy = IPCX_FAIL, .bytes_max = 5000, .msg_max = 1000);
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	struct ipcx_queue *q, *other;

	ASSERT_EQ(0, ipcx_queue_open(&q, "shm:three",
				     IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL, &opts));
	ASSERT_EQ(0, ipcx_queue_open(&other, "shm:three", IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_attr(other, &attr));
	EXPECT_EQ(3, attr.depth);
	EXPECT_EQ(IPCX_FAIL, attr.policy);
	EXPECT_EQ(8192, attr.bytes_max);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, queue_send(other, i, 0));
		ASSERT_EQ(-EAGAIN, queue_send(other, 0, IPCX_FOREVER));
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(i, queue_recv(q, 0));
	}
	ipcx_queue_close(other);
	ipcx_queue_close(q);
}

TEST_F(queue, second_receiver)
{
	struct ipcx_queue *q;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	EXPECT_EQ(-EBUSY, open_queue(&q, IPCX_RECV | IPCX_SEND));
	EXPECT_NE(NULL, strstr(ipcx_error(), "receives"));
	ipcx_queue_close(self->r);
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV | IPCX_SEND));
	ASSERT_EQ(0, queue_send(self->r, 1, 0));
	EXPECT_EQ(1, queue_recv(self->r, 0));
}

/* What a receiver held comes again, also the second time, and what it released does not. */
TEST_F(queue, receiver_is_killed)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	struct ipcx_msg m[DEPTH];
	struct child c;

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, queue_send(self->s, i, 0));
	for (int life = 0; life < 3; life++) {
		if (child_start(&c)) {
			if (open_queue(&self->r, IPCX_RECV))
				_exit(1);
			/* two new ones, and those that were held before */
			for (int i = 0; i < 4 - life % 2; i++)
				if (ipcx_queue_take(self->r, &m[i], 0))
					_exit(2);
			if (ipcx_queue_release(self->r, &m[1]) || (life == 2 && !say(&c)) ||
			    (life == 1 && ipcx_queue_nack(self->r, &m[0])) || !say(&c))
				_exit(3);
			pause();
		}
		ASSERT_TRUE(hear(&c)) TH_LOG("%d", life);
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	/* 0..3, without 1; 0, 2, 3, without 2; 0, 3, 4, 5, without 3 */
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < DEPTH; i++) {
		if (i >= 1 && i <= 3)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->r, &self->m, 0));
		EXPECT_EQ(i, *(uint64_t *)self->m.data);
		EXPECT_EQ(i + 1, self->m.seq);
		EXPECT_EQ(i == 0 ? 3 : i < 6, self->m.deliveries) TH_LOG("%d", i);
		ASSERT_EQ(0, ipcx_queue_release(self->r, &self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->r, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_stat(self->r, &stats));
	EXPECT_EQ(0, stats.leased | stats.queued);
}

/* Of a sender that is gone, too; and nobody waits for what it only had on loan. */
TEST_F(queue, both_are_killed)
{
	struct ipcx_msg m[3];
	struct child c;

	for (int i = 0; i < 2; i++) {
		if (child_start(&c)) {
			if (open_queue(&self->r, i ? IPCX_RECV : IPCX_SEND))
				_exit(1);
			for (int n = 0; n < 3; n++)
				if (i ? ipcx_queue_take(self->r, &m[n], 0) :
					ipcx_queue_loan(self->r, 8, &m[n], 0))
					_exit(2);
			if (i ? ipcx_queue_release(self->r, &m[0]) :
				ipcx_queue_commit(self->r, &m[0]) ||
					    ipcx_queue_commit(self->r, &m[2]) ||
					    queue_send(self->r, 3, 0) || queue_send(self->r, 4, 0))
				_exit(3);
			say(&c);
			pause();
		}
		ASSERT_TRUE(hear(&c));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->r, &self->m, 0));
		EXPECT_EQ(i < 2, self->m.deliveries);
		ASSERT_EQ(0, ipcx_queue_release(self->r, &self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->r, &self->m, 0));
	EXPECT_EQ(0, send_in_child(9, 1, true));
	EXPECT_EQ(9, queue_recv(self->r, 0));
}

/* Who waits for room goes on with the next receiver. */
TEST_F(queue, sender_waits_for_the_next)
{
	struct child c;
	pid_t pid;

	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, queue_send(self->s, i, 0));
	if (child_start(&c)) {
		if (open_queue(&self->r, IPCX_RECV) || !say(&c))
			_exit(1);
		pause();
	}
	ASSERT_TRUE(hear(&c));
	pid = fork();
	if (!pid) {
		usleep(30000);
		kill(c.pid, SIGKILL);
		while (open_queue(&self->r, IPCX_RECV) == -EBUSY)
			usleep(1000);
		usleep(30000);
		for (int i = 0; i <= DEPTH; i++)
			if (queue_recv(self->r, in_ms(10000)) != i)
				_exit(1);
		ipcx_queue_close(self->r);
		_exit(0);
	}
	EXPECT_EQ(0, queue_send(self->s, DEPTH, in_ms(20000)));
	EXPECT_EQ(128 + SIGKILL, exit_status(c.pid));
	EXPECT_EQ(0, exit_status(pid));
}

/* What is cancelled takes no place, and a copy of it is worth nothing. */
TEST_F(queue, cancel)
{
	struct ipcx_msg m[3], copy;

	for (int i = 0; i < 3 * DEPTH; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->s, 8, &self->m, 0));
		copy = self->m;
		ASSERT_EQ(0, ipcx_queue_cancel(self->s, &self->m));
		ASSERT_EQ(-EPERM, ipcx_queue_commit(self->s, &copy));
	}
	ASSERT_EQ(0, ipcx_queue_loan(self->s, 8, &self->m, 0));
	EXPECT_EQ(-EPERM, ipcx_queue_commit(self->s, &copy));
	EXPECT_EQ(0, ipcx_queue_cancel(self->s, &self->m));
	ASSERT_EQ(3, ipcx_queue_loan_n(self->s, 8, m, 3, 0));
	EXPECT_EQ(0, ipcx_queue_cancel(self->s, &m[1]));
	*(uint64_t *)m[0].data = 0;
	*(uint64_t *)m[2].data = 1;
	/* in the order of loans */
	EXPECT_EQ(0, ipcx_queue_commit(self->s, &m[2]));
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	EXPECT_EQ(0, ipcx_queue_commit(self->s, &m[0]));
	EXPECT_EQ(0, queue_recv(self->r, 0));
	EXPECT_EQ(1, queue_recv(self->r, 0));
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
}

struct waiter {
	struct ipcx_queue *q;
	size_t len;
	struct ipcx_msg m;
	int err;
};

static void *loan_patiently(void *arg)
{
	struct waiter *s = arg;

	s->err = ipcx_queue_loan(s->q, s->len, &s->m, in_ms(20000));
	return NULL;
}

/* Who waits for room, or bytes, has it from a loan of another thread that is cancelled. */
TEST_F(queue, cancel_wakes)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .bytes_max = 1 << 20, .msg_max = 600000);
	struct pollfd p = { .fd = ipcx_queue_fd(self->s), .events = POLLIN };
	int64_t before = now_ns();
	struct ipcx_queue *q;
	struct ipcx_msg m;
	pthread_t t;

	ASSERT_EQ(0,
		  ipcx_queue_open(&q, "shm:one", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL, &opts));
	for (int bytes = 0; bytes < 2; bytes++) {
		struct waiter s = { bytes ? q : self->s, bytes ? 600000 : 8 };

		for (int i = 1; !bytes && i < DEPTH; i++)
			ASSERT_EQ(0, queue_send(s.q, i, 0));
		ASSERT_EQ(0, ipcx_queue_loan(s.q, s.len, &m, 0));
		ASSERT_EQ(0, pthread_create(&t, NULL, loan_patiently, &s));
		usleep(50000);
		EXPECT_EQ(-EAGAIN, ipcx_queue_loan(s.q, s.len, &self->m, 0));
		EXPECT_EQ(0, bytes ? 0 : poll(&p, 1, 0));
		ASSERT_EQ(0, ipcx_queue_cancel(s.q, &m));
		pthread_join(t, NULL);
		EXPECT_EQ(0, s.err);
	}
	EXPECT_GT(5000000000, now_ns() - before);
	ipcx_queue_close(q);
}

/* Long messages have their bytes from those that are done, and wait for those that are not. */
TEST_F(queue, bytes)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .bytes_max = 1 << 20);
	struct ipcx_queue *s, *r;

	ASSERT_EQ(-EINVAL, ipcx_queue_open(&s, "shm:bytes", IPCX_CREATE | IPCX_SEND, &opts));
	opts.msg_max = 600000;
	ASSERT_EQ(0, ipcx_queue_open(&s, "shm:bytes", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL,
				     &opts));
	ASSERT_EQ(0, ipcx_queue_open(&r, "shm:bytes", IPCX_RECV, NULL));
	for (int i = 0; i < 3 * DEPTH; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(s, 600000, &self->m, 0)) TH_LOG("%d", i);
		memset(self->m.data, i, 600000);
		ASSERT_EQ(0, ipcx_queue_commit(s, &self->m));
		ASSERT_EQ(-EAGAIN, ipcx_queue_loan(s, 600000, &self->m, 0));
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_loan(s, 600000, &self->m, in_ms(10)));
		ASSERT_EQ(0, ipcx_queue_take(r, &self->m, 0));
		ASSERT_EQ(i, *(char *)self->m.data);
		ASSERT_EQ(i, ((char *)self->m.data)[599999]);
		ASSERT_EQ(0, ipcx_queue_release(r, &self->m));
	}
	ipcx_queue_close(s);
	ipcx_queue_close(r);
}

/* Time on a CPU so far, in ns */
static int64_t busy_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Who waits for bytes, or for a loan of its own, sleeps, also when others have come meanwhile. */
TEST_F(queue, waits_asleep)
{
	IPCX_QUEUE_OPTS(opts, .depth = DEPTH, .bytes_max = 1 << 20, .msg_max = 600000);
	const unsigned int flags = IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL;
	struct ipcx_msg m[DEPTH];
	struct ipcx_queue *s, *r;

	for (int bytes = 0; bytes < 2; bytes++) {
		size_t len = bytes ? 600000 : 8;
		int n = bytes ? 1 : DEPTH;
		int64_t before;

		ASSERT_EQ(0, ipcx_queue_open(&s, "shm:asleep", flags, &opts));
		ASSERT_EQ(n, ipcx_queue_loan_n(s, len, m, n, 0));
		for (int i = 1; i < n; i++)
			ASSERT_EQ(0, ipcx_queue_commit(s, &m[i]));
		ASSERT_EQ(0, ipcx_queue_open(&r, "shm:asleep", IPCX_RECV, NULL));
		before = busy_ns();
		EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(s, len, &self->m, in_ms(500)));
		EXPECT_GT(100000000, busy_ns() - before);
		ipcx_queue_close(r);
		ipcx_queue_close(s);
	}
}

static void *open_and_close(void *stop)
{
	struct ipcx_queue *q;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		if (!open_queue(&q, IPCX_RECV))
			ipcx_queue_close(q);
		usleep(50); /* or who forks hardly ever gets the lock */
	}
	return NULL;
}

/* A child never has what another thread was just opening: who is killed would seem to live. */
TEST_F(queue, forked_while_opening)
{
	bool stop = false;
	pthread_t t;

	ipcx_queue_close(self->s);
	self->s = NULL;
	ASSERT_EQ(0, pthread_create(&t, NULL, open_and_close, &stop));
	for (int i = 0; i < rounds(200); i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(memory_of("queue") >= 0);
		EXPECT_EQ(0, exit_status(pid));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

TEST_F(queue, names)
{
	struct ipcx_queue *q;
	struct ipcx_topic *t;

	/* a topic of this name is another thing */
	ASSERT_EQ(0, ipcx_topic_open(&t, QUEUE_URI, IPCX_CREATE | IPCX_PUBLISH | IPCX_EPHEMERAL,
				     NULL));
	ASSERT_EQ(0, queue_send(self->s, 1, 0));
	ipcx_topic_close(t);
	EXPECT_EQ(-EEXIST, open_queue(&q, IPCX_RECV | IPCX_EXCL));
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, "shm:none", IPCX_RECV, NULL));
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, "shm:a/b", IPCX_RECV, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:", IPCX_RECV | IPCX_CREATE, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_remove(QUEUE_URI));
	ASSERT_EQ(0, ipcx_queue_unlink(QUEUE_URI));
	EXPECT_EQ(-ENOENT, ipcx_queue_unlink(QUEUE_URI));
	/* those who have it open have it still, and the name is another's */
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, QUEUE_URI, IPCX_RECV, NULL));
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	EXPECT_EQ(0, queue_send(self->s, 2, 0));
}

/* As long as there is a place, what senders who are gone left makes none. */
TEST_F(queue, senders_of_the_past)
{
	struct ipcx_queue *q;
	int n = 0;

	/* those who have left nothing take no place */
	for (int i = 0; i < 2 * IPCX_TOPIC_RINGS; i++) {
		ASSERT_EQ(0, open_queue(&q, IPCX_SEND));
		ipcx_queue_close(q);
	}
	while (!open_queue(&q, IPCX_SEND)) {
		ASSERT_EQ(0, queue_send(q, n++, 0));
		ipcx_queue_close(q);
	}
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(IPCX_TOPIC_RINGS - 1, n);
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < n; i++)
		ASSERT_LE(0, queue_recv(self->r, 0));
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	ASSERT_EQ(0, open_queue(&q, IPCX_SEND));
	ASSERT_EQ(0, queue_send(q, 99, 0));
	ipcx_queue_close(q);
	EXPECT_EQ(99, queue_recv(self->r, 0));
}

TEST_F(queue, descriptors)
{
	struct pollfd p = { .events = POLLIN }, room = { .events = POLLIN | POLLOUT };
	struct ipcx_queue *second = NULL;

	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	p.fd = ipcx_queue_fd(self->r);
	EXPECT_EQ(0, poll(&p, 1, 0));
	for (int i = 0; i < 40; i++) {
		if (i == 20)
			ASSERT_EQ(0, open_queue(&second, IPCX_SEND));
		ASSERT_EQ(0, queue_send(i % 2 && second ? second : self->s, i, 0));
		EXPECT_EQ(1, poll(&p, 1, 1000));
		EXPECT_EQ(i, queue_recv(self->r, 0));
		EXPECT_EQ(0, poll(&p, 1, 0));
	}
	ipcx_queue_close(second);
	/* who only sends: readable where there may be room */
	room.fd = ipcx_queue_fd(self->s);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, queue_send(self->s, i, 0));
	EXPECT_EQ(-EAGAIN, queue_send(self->s, 0, 0));
	EXPECT_EQ(0, poll(&room, 1, 0));
	EXPECT_EQ(0, queue_recv(self->r, 0));
	EXPECT_EQ(1, poll(&room, 1, 1000));
	EXPECT_EQ(0, queue_send(self->s, 0, 0));
}

TEST_F(queue, one_thread)
{
	struct ipcx_queue *q;

	ASSERT_EQ(0, open_queue(&q, IPCX_SEND | IPCX_RECV | IPCX_SINGLE_THREAD));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, queue_send(q, i, 0));
		ASSERT_EQ(0, ipcx_queue_next(q, &self->m, 0));
		ASSERT_EQ(i, *(uint64_t *)self->m.data);
	}
	ipcx_queue_close(q);
}

TEST_F(queue, what_there_is_not)
{
	IPCX_QUEUE_OPTS(drop, .policy = IPCX_DROP_NEWEST);
	IPCX_QUEUE_OPTS(lease, .lease_ms = 1);
	IPCX_QUEUE_OPTS(poison, .max_deliveries = 1);
	IPCX_QUEUE_OPTS(deep, .depth = 65537);
	const unsigned int flags = IPCX_CREATE | IPCX_SEND | IPCX_RECV;
	struct ipcx_queue *q;

	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:no", flags, &drop));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:no", flags, &lease));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:no", flags, &poison));
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, "shm:no", flags, &deep));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:no", flags | IPCX_SEALED, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "shm:no", flags | IPCX_INHERIT, NULL));
	EXPECT_EQ(-ENOENT, ipcx_queue_unlink("shm:no"));
}

/* Overwrites what members have written, wherever it is. Return: how often. */
static int forge(uint64_t from, uint64_t to)
{
	int fd = memory_of("queue"), n = 0;
	struct stat st;
	uint64_t *word;

	if (fstat(fd, &st))
		return -1;
	word = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < st.st_size / 8; i++)
		if (word[i] == from) {
			word[i] = to;
			n++;
		}
	munmap(word, st.st_size);
	return n;
}

/* What a sender wrote makes no sense: both learn it, and others go on. */
TEST_F(queue, sender_makes_no_sense)
{
	struct ipcx_queue *other;

	ASSERT_EQ(0, open_queue(&other, IPCX_SEND));
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "1234567", 7, 0));
	ASSERT_EQ(0, queue_send(other, 5, 0));
	/* the length, and the number */
	ASSERT_EQ(1, forge(7, 4097));
	for (int i = 0, broken = 0; i < 2; i++) {
		int64_t r = queue_recv(self->r, 0);

		broken += r == -EPROTO;
		EXPECT_TRUE(r == 5 || (r == -EPROTO && broken == 1));
	}
	EXPECT_EQ(-EAGAIN, queue_recv(self->r, 0));
	EXPECT_EQ(-ENOTCONN, queue_send(self->s, 1, in_ms(100)));
	EXPECT_EQ(0, queue_send(other, 6, 0));
	EXPECT_EQ(6, queue_recv(self->r, 0));
	ipcx_queue_close(other);
	ipcx_queue_close(self->s);
	ASSERT_EQ(0, open_queue(&self->s, IPCX_SEND));
	ASSERT_EQ(0, queue_send(self->s, 6, 0));
	EXPECT_EQ(6, queue_recv(self->r, 0));
}

/* That is told though a message came before it, in one array. */
TEST_F(queue, no_sense_in_a_batch)
{
	struct ipcx_queue *other;
	struct ipcx_msg m[3];

	ASSERT_EQ(0, open_queue(&other, IPCX_SEND));
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	ASSERT_EQ(0, queue_send(self->s, 5, 0));
	ASSERT_EQ(0, ipcx_queue_send(other, "1234567", 7, 0));
	ASSERT_EQ(1, forge(7, 4097));
	ASSERT_EQ(1, ipcx_queue_take_n(self->r, m, 3, 0));
	EXPECT_EQ(-EPROTO, ipcx_queue_take_n(self->r, m + 1, 2, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_take_n(self->r, m + 1, 2, 0));
	ipcx_queue_close(other);
}

/* The receiver's cursor makes none: its senders are told, and no message is taken for done. */
TEST_F(queue, receiver_makes_no_sense)
{
	ASSERT_EQ(0, open_queue(&self->r, IPCX_RECV));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, queue_send(self->s, i, 0));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(i, queue_recv(self->r, 0));
	/* its cursor, and the position to be taken next */
	ASSERT_LE(2, forge(5, 500));
	for (int i = 0; i < 5; i++)
		queue_send(self->s, i, 0);
	EXPECT_EQ(-EPROTO, queue_send(self->s, 1, in_ms(1000)));
}

TEST_HARNESS_MAIN
