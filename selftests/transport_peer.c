// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transports over sockets where a peer does what it should not: heads that no sender makes, too
 * many connections, messages that never end, answers that nobody reads, a receiver that stops.
 */
#include <ipcx.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define BOTH (IPCX_SEND | IPCX_RECV)

FIXTURE(peer)
{
	char dir[64], file[100], uri[160];
	struct ipcx_queue *q, *s;
	struct ipcx_msg m;
};

FIXTURE_SETUP(peer)
{
	IPCX_QUEUE_OPTS(opts, .bytes_max = 1 << 20);

	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/there", self->dir);
	snprintf(self->uri, sizeof(self->uri), "unix:%s", self->file);
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

/* A frame as it lies on the way, on a machine that has the lower byte first */
struct head {
	uint32_t magic;
	uint8_t version, kind, prio, has;
	uint32_t chunk, data_sum;
	uint64_t len, offset, id, tag, call;
	int64_t expires;
	uint32_t deliveries, mailbox;
	uint16_t flags, zero;
	uint32_t head_sum;
};

static uint32_t sum_of(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t c = ~0U;

	while (len--) {
		c ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	return ~c;
}

static int raw_peer(FIXTURE_DATA(peer) *self)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(a.sun_path, self->file);
	return connect(fd, (void *)&a, sizeof(a)) ? -1 : fd;
}

/* Sends @chunk bytes of a message of @len. */
static bool send_raw(int fd, int kind, unsigned int flags, size_t chunk, size_t len)
{
	static char packet[sizeof(struct head) + 65536];
	struct head h = { 0x78637069, 1, kind, .chunk = chunk, .len = len, .flags = flags };

	h.head_sum = sum_of(&h, offsetof(struct head, head_sum));
	memcpy(packet, &h, sizeof(h));
	return send(fd, packet, sizeof(h) + chunk, 0) == sizeof(h) + chunk;
}

static uint64_t damaged(struct ipcx_queue *q)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	return ipcx_queue_stat(q, &s) ? ~0ULL : s.damaged;
}

TEST_F(peer, flags)
{
	static const struct {
		int kind;
		unsigned int flags;
		bool good;
	} tries[] = {
		{ 1, 0, true }, { 1, 0xffff }, { 1, IPCX_REQUEST },	    { 2, IPCX_CANCELED },
		{ 3, 0 },	{ 4, 0 },      { 4, IPCX_CANCELED | 1024 }, { 4, IPCX_EXPIRED },
		{ 2, 0, true },
	};
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

/* Those who begin messages that never end are closed before they take all memory. */
TEST_F(peer, unfinished)
{
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = raw_peer(self);
		ASSERT_TRUE(send_raw(fd[i], 1, 0, 65536, 400000));
	}
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(100)));
	EXPECT_EQ(1, damaged(self->q));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
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

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
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

static void *send_long(void *q)
{
	size_t len = 16 << 20;
	void *data = calloc(1, len);

	ipcx_queue_send(q, data, len, in_ms(700));
	free(data);
	return NULL;
}

/* A thread in the middle of a message does not keep others beyond their deadline. */
TEST_F(peer, busy_sender)
{
	pthread_t t;
	int64_t before;

	ASSERT_EQ(0, pthread_create(&t, NULL, send_long, self->s));
	usleep(100000);
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
	ASSERT_EQ(0, ipcx_queue_open(&q, "tcp:40000", IPCX_SEND, NULL));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_loan(q, 1, &m, in_ms(300)));
	ipcx_queue_close(q);
}

TEST_HARNESS_MAIN
