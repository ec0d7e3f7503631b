// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transports without the module where a peer does what it should not: heads that no sender makes,
 * too many connections, messages that never end, answers that nobody reads.
 */
#include <arpa/inet.h>
#include <ipcx.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "frame_util.h"
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define BOTH (IPCX_SEND | IPCX_RECV)

FIXTURE(peer)
{
	char dir[64], file[100], uri[160];
	int port, type; /* or 0; of the socket */
	struct ipcx_queue *q, *s;
	struct ipcx_msg m;
};

FIXTURE_VARIANT(peer)
{
	const char *name;
};

FIXTURE_VARIANT_ADD(peer, unix){ "unix" };
FIXTURE_VARIANT_ADD(peer, unix_stream){ "unix-stream" };
FIXTURE_VARIANT_ADD(peer, tcp){ "tcp" };

FIXTURE_SETUP(peer)
{
	IPCX_QUEUE_OPTS(opts, .bytes_max = 1 << 20);

	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/there", self->dir);
	self->type = strcmp(variant->name, "unix") ? SOCK_STREAM : SOCK_SEQPACKET;
	snprintf(self->uri, sizeof(self->uri), "%s:%s", variant->name, self->file);
	if (!strcmp(variant->name, "tcp")) {
		/* below those that the system gives to connections */
		self->port = 20000 + getpid() % 12000;
		snprintf(self->uri, sizeof(self->uri), "tcp:%d", self->port);
	}
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | BOTH, &opts));
	ASSERT_EQ(0, ipcx_queue_open(&self->s, self->uri, IPCX_SEND, NULL));
}

FIXTURE_TEARDOWN(peer)
{
	char command[128];

	ipcx_queue_close(self->s);
	ipcx_queue_close(self->q);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(command));
}

static int raw_peer(FIXTURE_DATA(peer) *self)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(self->port) };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, few = 4096;

	if (self->port) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return connect(fd, (void *)&in, sizeof(in)) ? -1 : fd;
	}
	fd = socket(AF_UNIX, self->type, 0);
	strcpy(a.sun_path, self->file);
	return connect(fd, (void *)&a, sizeof(a)) ? -1 : fd;
}

static bool send_head(int fd, struct head h)
{
	static char packet[sizeof(struct head) + 65536];
	size_t chunk = h.chunk;

	seal_head(&h);
	memcpy(packet, &h, sizeof(h));
	return send(fd, packet, sizeof(h) + chunk, 0) == sizeof(h) + chunk;
}

/* Sends the first @chunk bytes of a message of @len. */
static bool send_raw(int fd, int kind, unsigned int flags, size_t chunk, size_t len)
{
	return send_head(fd,
			 (struct head){ .kind = kind, .chunk = chunk, .len = len, .flags = flags });
}

/* And the next. */
static bool send_more(int fd, size_t offset, size_t chunk, size_t len)
{
	return send_head(fd,
			 (struct head){ .kind = 1, .chunk = chunk, .len = len, .offset = offset });
}

static uint64_t damaged(struct ipcx_queue *q)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	return ipcx_queue_stat(q, &s) ? ~0ULL : s.damaged;
}

TEST_F(peer, flags)
{
	// clang-format off
	static const struct {
		int kind;
		unsigned int flags;
		bool good;
	} tries[] = {
		{ 1, 0, true }, { 1, 0xffff }, { 1, IPCX_REQUEST }, { 2, IPCX_CANCELED }, { 3, 0 },
		{ 4, 0 }, { 4, IPCX_CANCELED | 1024 }, { 4, IPCX_EXPIRED }, { 2, 0, true },
	};
	// clang-format on
	int bad = 0;

	for (int i = 0; i < ARRAY_SIZE(tries); i++) {
		int fd = raw_peer(self);

		ASSERT_TRUE(send_raw(fd, tries[i].kind, tries[i].flags, 0, 0));
		bad += !tries[i].good;
		ASSERT_EQ(tries[i].good ? 0 : -ETIMEDOUT,
			  ipcx_queue_take(self->q, &self->m, in_ms(50)))
		TH_LOG("%d", i);
		EXPECT_EQ(bad, damaged(self->q));
		if (tries[i].good)
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		close(fd);
	}
}

/* What messages say of their length costs nothing, and keeps no other away. */
TEST_F(peer, announced)
{
	static char data[100000];
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = raw_peer(self);
		ASSERT_TRUE(send_raw(fd[i], 1, 0, 65536, 1000000));
	}
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(100)));
	ASSERT_EQ(0, ipcx_queue_send(self->s, data, sizeof(data), in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(0, damaged(self->q));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* Who has sent more than there is room for, and it is not all. @at: where he stopped. */
static int fill(struct __test_metadata *_metadata, FIXTURE_DATA(peer) *self, size_t *at)
{
	static char data[100000];
	int fd = raw_peer(self);

	for (*at = 0; *at <= 1 << 20; *at += 65536) {
		ASSERT_TRUE(send_more(fd, *at, 65536, 2 << 20));
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(20)));
	}
	/* this one has to wait */
	ASSERT_EQ(0, ipcx_queue_send(self->s, data, sizeof(data), in_ms(1000)));
	ASSERT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(50)));
	return fd;
}

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Long messages wait until there is room, and are not lost; short ones do not wait. */
TEST_F(peer, no_room)
{
	int64_t before;
	size_t at;
	int fd = fill(_metadata, self, &at);

	before = cpu_ns();
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(300)));
	EXPECT_GT(100000000, cpu_ns() - before);
	ASSERT_EQ(0, ipcx_queue_send(self->q, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(1, self->m.len);
	for (; at < 2 << 20; at += 65536) {
		int r = ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT);

		ASSERT_EQ(-EAGAIN, r);
		ASSERT_TRUE(send_more(fd, at, 65536, 2 << 20));
	}
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(2 << 20, self->m.len);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(100000, self->m.len);
	EXPECT_EQ(0, damaged(self->q));
	close(fd);
}

/* Who stops there, or goes on by a byte now and then, does not keep them waiting for ever. */
TEST_F(peer, no_room_for_ever)
{
	for (int trickle = 0; trickle < 2; trickle++) {
		int64_t end = in_ms(10000);
		size_t at;
		int r, fd = fill(_metadata, self, &at);

		do {
			if (trickle)
				send_more(fd, at++, 1, 2 << 20);
			r = ipcx_queue_take(self->q, &self->m, trickle ? in_ms(50) : end);
		} while (r == -ETIMEDOUT && now_ns() < end);
		EXPECT_EQ(0, r);
		EXPECT_EQ(100000, self->m.len);
		EXPECT_EQ(trickle + 1, damaged(self->q));
		close(fd);
	}
}

/* Without a descriptor for one more, those who are there are served; and the others later. */
TEST_F(peer, descriptors)
{
	struct rlimit old, few;
	int fd[40];

	ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	for (int i = 0; i < 40; i++) {
		fd[i] = raw_peer(self);
		ASSERT_LE(0, fd[i]);
	}
	ASSERT_TRUE(send_raw(fd[39], 1, 0, 0, 0));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = fd[39] + 10;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(20)));
		ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		ASSERT_EQ(1, self->m.len);
	}
	for (int i = 0; i < 39; i++)
		close(fd[i]);
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(0, self->m.len);
	close(fd[39]);
	setrlimit(RLIMIT_NOFILE, &old);
}

static void *close_soon(void *fd)
{
	usleep(200000);
	close(*(int *)fd);
	return NULL;
}

/* Descriptors are free again, and nothing else happens: who sleeps or polls sees it. */
TEST_F(peer, descriptors_again)
{
	struct pollfd p = { .fd = ipcx_queue_fd(self->q), .events = POLLIN };
	struct rlimit old, few;
	pthread_t t;

	ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	for (int polls = 0; polls < 2; polls++) {
		int fd = raw_peer(self), last = fd, r = -EAGAIN;
		int64_t before;

		ASSERT_TRUE(send_raw(fd, 1, 0, 0, 0));
		few = old;
		few.rlim_cur = fd + 10;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
		for (int more = fd; more >= 0; more = dup(fd))
			last = more;
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(50)));
		ASSERT_EQ(0, pthread_create(&t, NULL, close_soon, &last));
		before = now_ns();
		if (!polls)
			r = ipcx_queue_take(self->q, &self->m, in_ms(4000));
		while (r == -EAGAIN && poll(&p, 1, 4000) == 1)
			r = ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT);
		EXPECT_EQ(0, r);
		EXPECT_GT(3000000000, now_ns() - before);
		pthread_join(t, NULL);
		setrlimit(RLIMIT_NOFILE, &old);
	}
}

/* An answer that nobody has read does not keep those busy who wait for messages. */
TEST_F(peer, unread_answer)
{
	struct ipcx_msg m, answer = { .data = "x", .len = 1 };
	struct pollfd p = { .fd = ipcx_queue_fd(self->q), .events = POLLIN };
	int64_t before;

	ASSERT_EQ(0, ipcx_queue_loan(self->q, 1, &m, in_ms(1000)));
	m.flags = IPCX_REQUEST;
	ASSERT_EQ(0, ipcx_queue_commit(self->q, &m));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &answer));
	EXPECT_EQ(1, poll(&p, 1, 1000));
	before = cpu_ns();
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(300)));
	EXPECT_GT(100000000, cpu_ns() - before);
	EXPECT_EQ(0, ipcx_queue_answer(self->q, &m, in_ms(1000)));
}

static void *reply_long(void *data)
{
	FIXTURE_DATA(peer) *self = data;
	size_t len = 32 << 20;
	struct ipcx_msg answer = { .data = calloc(1, len), .len = len };
	int r = ipcx_queue_reply(self->q, &self->m, &answer);

	free((void *)answer.data);
	return (void *)(intptr_t)r;
}

/* A caller who does not read his reply keeps neither messages nor the replies of others. */
TEST_F(peer, unread_reply)
{
	struct ipcx_msg m, answer = { .data = "x", .len = 1 };
	int fd[2] = { raw_peer(self), raw_peer(self) };
	int64_t before;
	pthread_t t;
	void *r;

	ASSERT_TRUE(send_raw(fd[0], 2, 0, 0, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ASSERT_TRUE(send_raw(fd[1], 2, 0, 0, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &m, in_ms(1000)));
	ASSERT_EQ(0, pthread_create(&t, NULL, reply_long, self));
	usleep(300000);
	before = now_ns();
	EXPECT_EQ(0, ipcx_queue_send(self->q, "x", 1, in_ms(300)));
	EXPECT_EQ(0, ipcx_queue_reply(self->q, &m, &answer));
	EXPECT_GT(300000000, now_ns() - before);
	pthread_join(t, &r);
	EXPECT_EQ(-ETIMEDOUT, (intptr_t)r);
	close(fd[0]);
	close(fd[1]);
}

/* Nor does one who does not read that there is no reply: his connection ends. */
TEST_F(peer, unread_refusals)
{
	int64_t before, longest = 0;
	int r, fd = raw_peer(self);
	char buf[4096];

	do {
		ASSERT_TRUE(send_raw(fd, 2, 0, 0, 0) || errno == EPIPE || errno == ECONNRESET);
		r = ipcx_queue_take(self->q, &self->m, in_ms(100));
		before = now_ns();
		if (!r)
			ASSERT_EQ(0, ipcx_queue_release(self->q, &self->m));
		if (now_ns() - before > longest)
			longest = now_ns() - before;
	} while (!r);
	EXPECT_EQ(-ETIMEDOUT, r);
	EXPECT_GT(900000000, longest);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	close(fd);
}

static void *send_long(void *arg)
{
	FIXTURE_DATA(peer) *self = arg;
	size_t len = 8 << 20; /* more than buffers hold */
	void *data = calloc(1, len);

	ipcx_queue_send(self->s, data, len, in_ms(700));
	free(data);
	return NULL;
}

/* A thread in the middle of a message does not keep others beyond their deadline. */
TEST_F(peer, busy_sender)
{
	pthread_t t;
	int64_t before;

	ASSERT_EQ(0, pthread_create(&t, NULL, send_long, self));
	usleep(300000);
	before = now_ns();
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan(self->s, 1, &self->m, IPCX_NOWAIT));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(self->s, 1, &self->m, in_ms(50)));
	EXPECT_GT(300000000, now_ns() - before);
	pthread_join(t, NULL);
}

/* The receiver was replaced: what is asked next goes to the new one, and has an answer. */
TEST_F(peer, another_server)
{
	struct ipcx_msg reply = { 0 }, m;
	pid_t pid;

	ASSERT_EQ(0, ipcx_queue_loan(self->s, 1, &m, in_ms(1000)));
	ipcx_queue_close(self->q);
	self->q = NULL;
	pid = fork();
	if (!pid) {
		struct ipcx_msg answer = { .data = "x", .len = 1 };
		struct ipcx_queue *q;

		usleep(100000);
		if (ipcx_queue_open(&q, self->uri, IPCX_CREATE | IPCX_RECV, NULL) ||
		    ipcx_queue_take(q, &m, in_ms(5000)) || ipcx_queue_reply(q, &m, &answer))
			_exit(1);
		ipcx_queue_close(q);
		_exit(0);
	}
	EXPECT_EQ(0, ipcx_queue_call(self->s, &m, &reply, in_ms(5000))) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, exit_status(pid));
}

/* What a server replied before it closed is not lost because its caller saw that first. */
TEST_F(peer, replied_and_gone)
{
	static char data[100000];
	struct ipcx_msg m;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_loan(self->s, 1, &m, in_ms(1000)));
		m.flags = IPCX_REQUEST;
		ASSERT_EQ(0, ipcx_queue_commit(self->s, &m));
		m = (struct ipcx_msg){ .data = data, .len = i * 50000 };
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		if (i < 2)
			ASSERT_EQ(0, ipcx_queue_reply(self->q, &self->m, &m));
	}
	ipcx_queue_close(self->q);
	self->q = NULL;
	usleep(1000); /* less than that a loan believes that he is still there */
	EXPECT_EQ(-EAGAIN, ipcx_queue_loan(self->s, 1, &m, IPCX_NOWAIT));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcx_queue_answer(self->s, &m, in_ms(1000)));
		EXPECT_EQ(i < 2 ? i * 50000 : 0, m.len);
		EXPECT_EQ(i < 2 ? 0 : IPCX_OWNERDEAD, m.flags);
	}
}

static void *get_answers(void *q)
{
	struct ipcx_msg m;
	int r;

	do {
		r = ipcx_queue_answer(q, &m, in_ms(300));
	} while (!r);
	return (void *)(intptr_t)r;
}

static void *take_one(void *arg)
{
	FIXTURE_DATA(peer) *self = arg;
	int r = ipcx_queue_take(self->q, &self->m, in_ms(5000));

	return (void *)(intptr_t)(r ? r : ipcx_queue_release(self->q, &self->m));
}

/* Who sleeps sees what the first sender sends, also where another thread let that one in. */
TEST_F(peer, let_in_by_another)
{
	ipcx_queue_close(self->s);
	for (int i = 0; i < 20; i++) {
		struct ipcx_msg m;
		pthread_t t;
		void *r;

		ASSERT_EQ(0, pthread_create(&t, NULL, take_one, self));
		usleep(5000);
		ASSERT_EQ(0, ipcx_queue_open(&self->s, self->uri, IPCX_SEND, NULL));
		EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
		usleep(1000);
		ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
		pthread_join(t, &r);
		ASSERT_EQ(0, (intptr_t)r) TH_LOG("%d", i);
		ipcx_queue_close(self->s);
		ASSERT_EQ(-EAGAIN, ipcx_queue_take(self->q, &m, IPCX_NOWAIT));
	}
	self->s = NULL;
}

/* Who waits for any answer does not get that of a call. */
TEST_F(peer, calls_and_answers)
{
	struct ipcx_msg m, reply = { 0 };
	int64_t end = in_ms(500);
	pthread_t t;
	pid_t pid;
	void *r;

	ipcx_queue_close(self->q);
	self->q = NULL;
	pid = fork();
	if (!pid) {
		struct ipcx_msg answer = { 0 };
		struct ipcx_queue *q;

		memset(&m, 0, sizeof(m));
		if (ipcx_queue_open(&q, self->uri, IPCX_CREATE | IPCX_RECV, NULL))
			_exit(1);
		while (!ipcx_queue_reply_next(q, &m, &answer, IPCX_FOREVER))
			;
		_exit(2);
	}
	ASSERT_EQ(0, pthread_create(&t, NULL, get_answers, self->s));
	while (now_ns() < end) {
		ASSERT_EQ(0, ipcx_queue_loan(self->s, 1, &m, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_call(self->s, &m, &reply, in_ms(1000)));
	}
	pthread_join(t, &r);
	EXPECT_EQ(-ETIMEDOUT, (intptr_t)r);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Who stood still in the middle of a message was given up, and is told. */
TEST_F(peer, stopped_sender)
{
	struct ipcx_queue *q;
	char uri[180];
	pid_t pid;

	snprintf(uri, sizeof(uri), "fifo:%s-fifo", self->file);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_RECV, NULL));
	pid = fork();
	if (!pid) {
		struct ipcx_queue *s;
		size_t len = 8 << 20;

		if (ipcx_queue_open(&s, uri, IPCX_SEND, NULL))
			_exit(1);
		_exit(ipcx_queue_send(s, calloc(1, len), len, in_ms(20000)) == -ETIMEDOUT ? 0 : 2);
	}
	usleep(300000);
	kill(pid, SIGSTOP);
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(q, &self->m, in_ms(1500)));
	EXPECT_EQ(1, damaged(q));
	kill(pid, SIGCONT);
	while (ipcx_queue_take(q, &self->m, in_ms(300)) == 0)
		;
	EXPECT_EQ(0, exit_status(pid));
	ipcx_queue_close(q);
}

/* Where nobody listens, and the system has but the port that is called for a connection */
TEST(tcp_to_itself)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int fd;

	if (unshare(CLONE_NEWNET))
		SKIP(return, "needs root");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT_EQ(0, ioctl(fd, SIOCSIFFLAGS, &lo));
	close(fd);
	fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY);
	if (write(fd, "40000 40001", 11) != 11)
		SKIP(return, "needs /proc/sys");
	close(fd);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcx_queue_open(&q, i ? "tcp:0.0.0.0:40000" : "tcp:40000", IPCX_SEND,
					     NULL));
		EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(q, 1, &m, in_ms(300)));
		ipcx_queue_close(q);
	}
}

TEST_HARNESS_MAIN
