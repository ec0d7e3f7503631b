// SPDX-License-Identifier: GPL-2.0-only
/*
 * One epoll loop over a topic, a queue, a socket and a timer, with pauses on both sides: no
 * wake-up is lost. IPCX_TEST_FULL=1: ten million messages of the topic, a million where one is
 * taken for each event.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

#define LOST_MS 30000 /* nothing new for so long: a wake-up was lost */
#define PARTS 16 /* messages of the topic for each of the queue and of the socket */

enum source { TOPIC, QUEUE, SOCKET, TIMER, SOURCES };

/* The end that receives, and what it has received. */
struct mix {
	int ep, fd[SOURCES];
	struct ipcx_topic *topic;
	struct ipcx_queue *queue;
	bool lossy, one;
	uint64_t next[SOURCES], got, ticks; /* got: of the topic */
};

FIXTURE(mix)
{
	struct mix m;
	int peer; /* of the socket */
};

FIXTURE_VARIANT(mix)
{
	unsigned int flags;
	uint32_t how;
	bool one;
};

FIXTURE_VARIANT_ADD(mix, level){};
FIXTURE_VARIANT_ADD(mix, edge){ .how = EPOLLET };
FIXTURE_VARIANT_ADD(mix, lossy_level){ .flags = IPCX_LOSSY };
FIXTURE_VARIANT_ADD(mix, lossy_edge){ .flags = IPCX_LOSSY, .how = EPOLLET };
FIXTURE_VARIANT_ADD(mix, one_level){ .one = true };
FIXTURE_VARIANT_ADD(mix, one_edge){ .how = EPOLLET, .one = true };
FIXTURE_VARIANT_ADD(mix, one_lossy_level){ .flags = IPCX_LOSSY, .one = true };
FIXTURE_VARIANT_ADD(mix, one_lossy_edge){ .flags = IPCX_LOSSY, .how = EPOLLET, .one = true };

FIXTURE_SETUP(mix)
{
	const struct itimerspec ms = { .it_interval.tv_nsec = 1000000,
				       .it_value.tv_nsec = 1000000 };
	IPCX_TOPIC_OPTS(opts, .depth = 64);
	struct mix *m = &self->m;
	int s[2];

	memset(self, 0, sizeof(*self));
	m->lossy = variant->flags & IPCX_LOSSY;
	m->one = variant->one;
	ASSERT_EQ(0, ipcx_topic_open(&m->topic, NAME,
				     IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE | variant->flags,
				     &opts));
	ASSERT_EQ(0, ipcx_queue_open(&m->queue, NAME "-queue",
				     IPCX_CREATE | IPCX_EPHEMERAL | IPCX_RECV, NULL));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s));
	self->peer = s[1];
	m->fd[TOPIC] = ipcx_topic_fd(m->topic);
	m->fd[QUEUE] = ipcx_queue_fd(m->queue);
	m->fd[SOCKET] = s[0];
	m->fd[TIMER] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	ASSERT_EQ(0, timerfd_settime(m->fd[TIMER], 0, &ms, NULL));
	m->ep = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < SOURCES; i++) {
		/* what takes one for each event needs the level of all that do not tell again */
		bool edge = i == TOPIC || !variant->one;
		struct epoll_event ev = { .events = EPOLLIN | (edge ? variant->how : 0),
					  .data.u32 = i };

		ASSERT_EQ(0, epoll_ctl(m->ep, EPOLL_CTL_ADD, m->fd[i], &ev));
	}
}

FIXTURE_TEARDOWN(mix)
{
	ipcx_topic_close(self->m.topic);
	ipcx_queue_close(self->m.queue);
	close(self->m.fd[SOCKET]);
	close(self->m.fd[TIMER]);
	close(self->m.ep);
	close(self->peer);
}

/* Now and then, for as long as the other side may need to fall asleep. */
static void nap(unsigned int *seed)
{
	if (rand_r(seed) % 128 == 0)
		usleep(rand_r(seed) % 300);
}

/* All but the first of the topic, which was sent to be met. */
static int send_all(int sock, int n, const struct child *c)
{
	struct ipcx_topic *t;
	struct ipcx_queue *q;
	unsigned int seed = 1;

	if (ipcx_topic_open(&t, NAME, IPCX_PUBLISH, NULL) ||
	    ipcx_queue_open(&q, NAME "-queue", IPCX_SEND, NULL))
		return 1;
	if (send_nr(t, 0, IPCX_NOWAIT) || !hear(c))
		return 2;
	for (uint64_t i = 1; i < n; i++) {
		uint64_t part = i / PARTS;

		nap(&seed);
		if (send_nr(t, i, in_ms(LOST_MS)))
			return 3;
		if (i % PARTS)
			continue;
		if (ipcx_queue_send(q, &part, sizeof(part), in_ms(LOST_MS)))
			return 4;
		if (send(sock, &part, sizeof(part), MSG_NOSIGNAL) != sizeof(part))
			return 5;
	}
	return 0;
}

/* Return: a number, -EAGAIN if there is none, or another negative errno. */
static int64_t receive(struct mix *m, enum source from)
{
	uint64_t nr;
	ssize_t r;

	switch (from) {
	case TOPIC:
		return recv_nr(m->topic, IPCX_NOWAIT);
	case QUEUE:
		r = ipcx_queue_recv(m->queue, &nr, sizeof(nr), IPCX_NOWAIT);
		return r < 0 ? r : nr;
	case SOCKET:
		return recv(m->fd[SOCKET], &nr, sizeof(nr), MSG_DONTWAIT) < 0 ? -errno : nr;
	default:
		return read(m->fd[TIMER], &nr, sizeof(nr)) < 0 ? -errno : nr;
	}
}

/* An event of one source. Return: NULL or what is wrong. */
static const char *serve(struct mix *m, enum source from)
{
	do {
		int64_t nr = receive(m, from);

		if (nr == -EAGAIN) /* told once too often is no fault */
			return NULL;
		if (nr < 0)
			return "a receive failed";
		if (from == TIMER) {
			m->ticks += nr;
			continue;
		}
		if (from == TOPIC && m->lossy ? nr < m->next[from] : nr != m->next[from])
			return "a message is not the one that comes next";
		m->next[from] = nr + 1;
		m->got += from == TOPIC;
	} while (!m->one);
	return NULL;
}

/* Until all have come. Return: NULL or what is wrong. */
static const char *serve_all(struct mix *m, int n)
{
	int64_t lost = in_ms(LOST_MS);
	struct epoll_event ev[SOURCES];
	const char *bad = NULL;
	unsigned int seed = 2;

	while (m->next[TOPIC] < n || m->next[QUEUE] <= (n - 1) / PARTS ||
	       m->next[SOCKET] <= (n - 1) / PARTS) {
		int told = epoll_wait(m->ep, ev, SOURCES, LOST_MS);

		for (int i = 0; i < told && !bad; i++) {
			bad = serve(m, ev[i].data.u32);
			if (ev[i].data.u32 != TIMER)
				lost = in_ms(LOST_MS);
		}
		if (bad || in_ms(0) > lost)
			return bad ?: "a wake-up was lost";
		nap(&seed);
	}
	return NULL;
}

TEST_F_TIMEOUT(mix, nothing_is_lost, 7200)
{
	int n = rounds_or(50000, variant->one ? 1000000 : 10000000);
	struct mix *m = &self->m;
	const char *bad;
	struct child c;

	if (child_start(&c))
		_exit(send_all(self->peer, n, &c));
	ASSERT_EQ(0, recv_nr(m->topic, in_ms(LOST_MS)));
	for (int i = 0; i < SOURCES; i++)
		m->next[i] = 1;
	m->got = 1;
	ASSERT_TRUE(say(&c));
	bad = serve_all(m, n);
	EXPECT_EQ(NULL, bad) TH_LOG("%s", bad);
	EXPECT_EQ(0, exit_status(c.pid));
	EXPECT_EQ(n, m->got + ipcx_topic_missed(m->topic));
	if (!m->lossy)
		EXPECT_EQ(n, m->got);
	EXPECT_LT(0, m->ticks);
	TH_LOG("%ju messages of the topic, %ju missed, %ju ticks", (uintmax_t)m->got,
	       (uintmax_t)ipcx_topic_missed(m->topic), (uintmax_t)m->ticks);
}

TEST_HARNESS_MAIN
