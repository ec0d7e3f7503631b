// SPDX-License-Identifier: GPL-2.0-only
/* Queues through the library: what a user relies on when nothing is wrong. */
#include <sys/resource.h>
#include <sys/uio.h>

#include "sleeper.h"

#include "../kselftest_harness.h"

FIXTURE(queue)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
};

FIXTURE_SETUP(queue)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 1 << 20);

	unsigned int flags = IPCX_CREATE | IPCX_EXCL | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL;
	int r;

	memset(self, 0, sizeof(*self));
	r = ipcx_queue_open(&self->q, "queue", flags, &opts);
	ASSERT_EQ(0, r) TH_LOG("%s", ipcx_error());
}

FIXTURE_TEARDOWN(queue)
{
	ipcx_queue_close(self->q);
}

static int send_int(struct ipcx_queue *q, uint64_t v, uint32_t prio)
{
	struct ipcx_msg m;
	int err = ipcx_queue_loan(q, sizeof(v), &m, IPCX_NOWAIT);

	if (err)
		return err;
	memcpy(m.data, &v, sizeof(v));
	m.prio = prio;
	m.tag = v * 3;
	return ipcx_queue_commit(q, &m);
}

static uint64_t value(const struct ipcx_msg *m)
{
	uint64_t v = ~0ULL;

	if (m->len == sizeof(v))
		memcpy(&v, m->data, sizeof(v));
	return v;
}

static uint64_t id_of(struct ipcx_queue *q)
{
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };

	return ipcx_queue_attr(q, &attr) ? 0 : attr.id;
}

TEST_F(queue, sizes_and_order)
{
	const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65536, 1 << 20, 0, 7 };

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 8; i++) {
			ASSERT_EQ(0, ipcx_queue_loan(self->q, sizes[i + (round & 1)], &self->m, 0));
			ASSERT_EQ(sizes[i + (round & 1)], self->m.len);
			ASSERT_EQ(!self->m.len, !self->m.data);
			memset(self->m.data, 'a' + i, self->m.len);
			ASSERT_EQ(0, ipcx_queue_commit(self->q, &self->m));
		}
		for (size_t i = 0; i < 8; i++) {
			const char *p;

			ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
			ASSERT_EQ(sizes[i + (round & 1)], self->m.len);
			EXPECT_EQ(round * 8 + i + 1, self->m.seq);
			EXPECT_EQ(0, self->m.deliveries);
			p = self->m.data;
			for (size_t j = 0; j < self->m.len; j += 509)
				ASSERT_EQ((char)('a' + i), p[j]);
			if (self->m.len)
				ASSERT_EQ((char)('a' + i), p[self->m.len - 1]);
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		}
	}
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_loan(self->q, (1 << 20) + 1, &self->m, 0));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_NE(NULL, strstr(ipcx_error(), "1048576"));
}

TEST(large_message_with_default_attributes)
{
	const size_t len = 64 << 20;
	struct ipcx_queue *q;
	struct ipcx_msg m;

	ASSERT_EQ(0, ipcx_queue_open(&q, "large",
				     IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL, NULL));
	ASSERT_EQ(0, ipcx_queue_loan(q, len, &m, IPCX_NOWAIT));
	for (size_t i = 0; i < len; i += 4096)
		*(size_t *)((char *)m.data + i) = i;
	ASSERT_EQ(0, ipcx_queue_commit(q, &m));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, IPCX_NOWAIT));
	ASSERT_EQ(len, m.len);
	for (size_t i = 0; i < len; i += 4096)
		ASSERT_EQ(i, *(size_t *)((char *)m.data + i));
	EXPECT_EQ(0, ipcx_queue_release(q, &m));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_loan(q, len + 1, &m, IPCX_NOWAIT));
	ipcx_queue_close(q);
}

TEST_F(queue, priorities)
{
	const uint32_t prios[] = { 3, 31, 0, 31, 17, 3 }, want[] = { 1, 3, 4, 0, 5, 2 };

	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_int(self->q, i, prios[i]));
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		EXPECT_EQ(want[i], value(&self->m));
		EXPECT_EQ(prios[want[i]], self->m.prio);
		EXPECT_EQ(3 * want[i], self->m.tag);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

TEST_F(queue, full_and_empty)
{
	int64_t t = now_ns();

	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(20)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, 1));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan(self->q, 1, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(self->q, 1, &self->m, in_ms(20)));
	EXPECT_LE(t + 40000000, now_ns());
	EXPECT_EQ(-EINVAL, ipcx_queue_loan(self->q, 1, &self->m, -1));
}

static void *loaner(void *arg)
{
	struct sleeper *s = arg;

	s->err = ipcx_queue_loan(s->q, 100000, &s->m, in_ms(20000));
	return NULL;
}

TEST_F(queue, sleeping_taker_is_woken)
{
	struct sleeper s[3] = { { self->q }, { self->q }, { self->q } };
	pthread_t t[3];
	uint64_t sum = 0;

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, taker, &s[i]));
	usleep(50000);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_int(self->q, 1 << i, 0));
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(0, s[i].err);
		sum += value(&s[i].m);
	}
	EXPECT_EQ(7, sum);
}

TEST_F(queue, sleeping_loaner_is_woken)
{
	struct sleeper s[2] = { { self->q }, { self->q } };
	pthread_t t[2];

	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, loaner, &s[i]));
	usleep(50000);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(0, s[i].err);
		EXPECT_EQ(100000, s[i].m.len);
	}
}

/* The one that is woken for the message dies: the other must get it. */
TEST_F(queue, wake_up_passes_on)
{
	for (int i = 0; i < rounds(200); i++) {
		pid_t pid[2];

		for (int j = 0; j < 2; j++) {
			pid[j] = fork();
			if (!pid[j]) {
				struct ipcx_queue *q;

				if (ipcx_queue_open(&q, "queue", IPCX_RECV, NULL) ||
				    ipcx_queue_take(q, &self->m, in_ms(20000)) ||
				    ipcx_queue_release(q, &self->m))
					_exit(1);
				_exit(0);
			}
		}
		usleep(1000 + i * 37 % 3000);
		kill(pid[0], i & 1 ? SIGKILL : SIGTERM);
		ASSERT_EQ(0, send_int(self->q, i, 0));
		waitpid(pid[0], NULL, 0);
		ASSERT_EQ(0, exit_status(pid[1])) TH_LOG("round %d", i);
		while (!ipcx_queue_take(self->q, &self->m, 0))
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST_F(queue, signals)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 20000); /* again and again: the first may come before the take */
	EXPECT_EQ(-EINTR, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(60)));
	ualarm(0, 0);
}

TEST_F(queue, batches)
{
	struct ipcx_msg m[64];

	EXPECT_EQ(8, ipcx_queue_loan_n(self->q, 8, m, 64, IPCX_NOWAIT));
	for (uint64_t i = 0; i < 8; i++)
		memcpy(m[i].data, &i, sizeof(i));
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan_n(self->q, 8, m + 8, 1, IPCX_NOWAIT));
	EXPECT_EQ(5, ipcx_queue_commit_n(self->q, m, 5));
	EXPECT_EQ(3, ipcx_queue_take_n(self->q, m + 8, 3, IPCX_NOWAIT));
	EXPECT_EQ(2, ipcx_queue_take_n(self->q, m + 11, 64 - 11, IPCX_NOWAIT));
	EXPECT_EQ(3, ipcx_queue_commit_n(self->q, m + 5, 3));
	EXPECT_EQ(3, ipcx_queue_take_n(self->q, m + 13, 3, IPCX_NOWAIT));
	for (uint64_t i = 0; i < 8; i++)
		EXPECT_EQ(i, value(&m[8 + i]));
	EXPECT_EQ(8, ipcx_queue_release_n(self->q, m + 8, 8));
	EXPECT_EQ(-EPERM, ipcx_queue_release_n(self->q, m + 8, 8));
	EXPECT_EQ(-EINVAL, ipcx_queue_take_n(self->q, m, 0, IPCX_NOWAIT));
	EXPECT_EQ(-EINVAL, ipcx_queue_take_n(self->q, m, 65, IPCX_NOWAIT));
}

TEST_F(queue, nack_keeps_order)
{
	struct ipcx_msg m[4];

	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	ASSERT_EQ(4, ipcx_queue_take_n(self->q, m, 4, 0));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[2]));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[0]));
	ASSERT_EQ(0, ipcx_queue_nack(self->q, &m[3]));
	EXPECT_EQ(-EPERM, ipcx_queue_nack(self->q, &m[3]));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &m[1]));
	for (int i = 0; i < 6; i++) {
		if (i == 1)
			continue;
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		EXPECT_EQ(i, value(&self->m));
		EXPECT_EQ(i < 4, self->m.deliveries);
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	}
}

TEST_F(queue, close_delivers_again)
{
	struct ipcx_queue *other;

	ASSERT_EQ(0, ipcx_queue_open(&other, "queue", IPCX_RECV | IPCX_SEND, NULL));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, ipcx_queue_take(other, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_loan(other, 100, &self->m, 0));
	ipcx_queue_close(other);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
		EXPECT_EQ(i, value(&self->m));
		EXPECT_EQ(i < 3, self->m.deliveries);
	}
}

TEST_F(queue, double_use)
{
	struct ipcx_msg copy;

	ASSERT_EQ(0, ipcx_queue_loan(self->q, 8, &self->m, 0));
	copy = self->m;
	ASSERT_EQ(0, ipcx_queue_cancel(self->q, &self->m));
	EXPECT_EQ(-EPERM, ipcx_queue_commit(self->q, &copy));
	EXPECT_EQ(-EPERM, ipcx_queue_cancel(self->q, &copy));
	ASSERT_EQ(0, send_int(self->q, 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	copy = self->m;
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(-EPERM, ipcx_queue_release(self->q, &copy));
}

TEST_F(queue, next)
{
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	memset(&self->m, 0, sizeof(self->m));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
		EXPECT_EQ(i, value(&self->m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, 0));
	ASSERT_EQ(0, send_int(self->q, 9, 0));
	EXPECT_EQ(0, ipcx_queue_next(self->q, &self->m, 0));
	EXPECT_EQ(9, value(&self->m));
	/* what is asked for wrongly releases nothing */
	EXPECT_EQ(-EINVAL, ipcx_queue_next(self->q, &self->m, -1));
	EXPECT_EQ(0, ipcx_queue_release(self->q, &self->m));
}

/* The loan that a commit brings back must neither be lost nor stand in the way. */
TEST_F(queue, spare_loan)
{
	uint64_t id = id_of(self->q);
	struct ipcx_msg m[8];
	struct counts c;

	ASSERT_EQ(0, send_int(self->q, 0, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	ASSERT_TRUE(counts_of(id, &c));
	EXPECT_EQ(3, c.queued);
	EXPECT_GE(1, c.loaned);
	/* longer than the spare can be: another slot, and the spare is free again */
	ASSERT_EQ(0, ipcx_queue_loan(self->q, 100000, &self->m, 0));
	ASSERT_TRUE(counts_of(id, &c));
	EXPECT_EQ(1, c.loaned);
	ASSERT_EQ(0, ipcx_queue_cancel(self->q, &self->m));
	/* all slots can be had, whatever the last commit brought */
	ASSERT_EQ(0, send_int(self->q, 3, 0));
	EXPECT_EQ(4, ipcx_queue_loan_n(self->q, 8, m, 8, 0));
	EXPECT_EQ(-EINVAL, ipcx_queue_loan(self->q, 8, m, -1));
}

TEST_F(queue, send_and_recv_copy)
{
	char buf[16];

	ASSERT_EQ(0, ipcx_queue_send(self->q, "hello, world", 12, 0));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "", 0, 0));
	EXPECT_EQ(-EMSGSIZE, ipcx_queue_recv(self->q, buf, 11, 0));
	EXPECT_EQ(12, ipcx_queue_recv(self->q, buf, 12, 0));
	EXPECT_EQ(0, memcmp(buf, "hello, world", 12));
	EXPECT_EQ(0, ipcx_queue_recv(self->q, buf, sizeof(buf), 0));
	EXPECT_EQ(-EAGAIN, ipcx_queue_recv(self->q, buf, sizeof(buf), 0));
}

TEST_F(queue, read_and_write)
{
	int fd = ipcx_queue_fd(self->q);
	char big[10000], back[10000];
	struct iovec iov[2] = { { big, 5000 }, { big + 5000, 5000 } };

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7;
	EXPECT_EQ(5, write(fd, "first", 5));
	EXPECT_EQ(10000, writev(fd, iov, 2));
	EXPECT_EQ(0, write(fd, "", 0));
	EXPECT_EQ(-1, read(fd, back, 4));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(5, read(fd, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(back, "first", 5));
	EXPECT_EQ(10000, read(fd, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(back, big, sizeof(back)));
	EXPECT_EQ(0, read(fd, back, sizeof(back)));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-1, read(fd, back, sizeof(back)));
	EXPECT_EQ(EAGAIN, errno);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, pread(fd, back, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(queue, poll)
{
	struct pollfd p = { .fd = ipcx_queue_fd(self->q), .events = POLLIN | POLLOUT };
	pid_t pid;

	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLOUT, p.revents);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, send_int(self->q, i, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, p.revents);
	while (!ipcx_queue_take(self->q, &self->m, 0))
		ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
	p.events = POLLIN;
	pid = fork();
	if (!pid) {
		struct ipcx_queue *q;

		usleep(30000);
		_exit(ipcx_queue_open(&q, "queue", IPCX_SEND, NULL) || send_int(q, 5, 0));
	}
	EXPECT_EQ(1, poll(&p, 1, 20000));
	EXPECT_EQ(POLLIN, p.revents);
	EXPECT_EQ(0, exit_status(pid));
}

TEST_F(queue, forked_child_has_no_copy)
{
	uint64_t id = id_of(self->q);
	struct counts c;
	pid_t pid = fork();

	if (!pid)
		_exit(send_int(self->q, 1, 0) == -EBADF ? 0 : 1);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_TRUE(counts_of(id, &c));
	EXPECT_EQ(1, c.senders);
}

TEST_F(queue, inherited_by_forked_child)
{
	struct ipcx_queue *q;
	pid_t pid;

	ASSERT_EQ(0, ipcx_queue_open(&q, "queue", IPCX_SEND | IPCX_RECV | IPCX_INHERIT, NULL));
	pid = fork();
	if (!pid)
		_exit(write(ipcx_queue_fd(q), "child", 5) == 5 ? 0 : 1);
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, ipcx_queue_take(q, &self->m, 0));
	EXPECT_EQ(5, self->m.len);
	EXPECT_EQ(0, self->m.pid); /* gone */
	ipcx_queue_close(q);
}

TEST_F(queue, identity)
{
	struct ipcx_queue *q;
	pid_t pid;

	ipcx_queue_close(self->q);
	IPCX_QUEUE_OPTS(opts, .mode = 0666);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, "identity", IPCX_CREATE | IPCX_RECV | IPCX_EPHEMERAL,
				     &opts));
	pid = fork();
	if (!pid) {
		if (setgid(1234) || setuid(4321) ||
		    ipcx_queue_open(&q, "identity", IPCX_SEND, NULL))
			_exit(1);
		if (send_int(q, 1, 0))
			_exit(2);
		pause();
	}
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(20000)));
	EXPECT_EQ(pid, self->m.pid);
	EXPECT_EQ(4321, self->m.uid);
	EXPECT_EQ(1234, self->m.gid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Too little address space for whole windows: slot by slot. */
TEST(address_space_limit)
{
	struct rlimit lim = { 512 << 20, 512 << 20 };
	unsigned int flags = IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL;
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int r;

	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	r = ipcx_queue_open(&q, "tight", flags, NULL);
	ASSERT_EQ(0, r) TH_LOG("%s", ipcx_error());
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(q, 10 << 20, &m, 0)) TH_LOG("%s", ipcx_error());
		((char *)m.data)[i] = i;
		ASSERT_EQ(0, ipcx_queue_commit(q, &m));
		ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
		ASSERT_EQ(i, ((char *)m.data)[i]);
		ASSERT_EQ(0, ipcx_queue_release(q, &m));
	}
	ipcx_queue_close(q);
}

TEST(transports_and_options)
{
	struct {
		struct ipcx_queue_opts o;
		uint64_t more;
	} later = { .o.sz = sizeof(later) };
	IPCX_QUEUE_OPTS(opts, .require = 1ULL << 60);
	struct ipcx_queue *q;
	unsigned int all = IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL;

	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "pigeon:x", all, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "x", all | 1U << 30, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "x", all, &opts));
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, "kernel:none-such", IPCX_SEND, NULL));
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, "x", IPCX_CREATE, NULL));
	EXPECT_NE(0, ipcx_error()[0]);
	ASSERT_EQ(0, ipcx_queue_open(&q, "kernel:x", all, &later.o));
	ipcx_queue_close(q);
	later.more = 1;
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "x", all, &later.o));
	opts.require = IPCX_CAP_ZERO_COPY | IPCX_CAP_REDELIVERY | IPCX_CAP_WALLS;
	ASSERT_EQ(0, ipcx_queue_open(&q, "x", all, &opts));
	EXPECT_EQ(opts.require, ipcx_queue_caps(q) & opts.require);
	ipcx_queue_close(q);
}

TEST_HARNESS_MAIN
