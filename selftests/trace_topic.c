// SPDX-License-Identifier: GPL-2.0-only
/* Tracepoints of topics and regions. */
#include <linux/ipcx_region.h>
#include <sys/epoll.h>

#include "topic_util.h"
#include "trace_util.h"

#include "../kselftest_harness.h"

#define DEPTH 8

FIXTURE(trace_topic)
{
	struct member pub, sub;
	char topic[32], pid[32]; /* "topic=N ", "pid=PID " */
};

FIXTURE_SETUP(trace_topic)
{
	if (access("/dev/ipcx", F_OK))
		SKIP(return, "no /dev/ipcx");
	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, tracer_open());
	self->pub.o.depth = DEPTH;
	self->pub.o.lag_max = 4;
	ASSERT_EQ(0, member_open(&self->pub, "told", CREATE | EPHEMERAL | PUBLISH));
	ASSERT_EQ(0, member_open(&self->sub, "told", SUBSCRIBE));
	snprintf(self->topic, sizeof(self->topic), "=%llu ", (long long)self->pub.o.out_id);
	snprintf(self->pid, sizeof(self->pid), "pid=%d ", getpid());
}

FIXTURE_TEARDOWN(trace_topic)
{
	if (self->sub.fd > 0)
		member_close(&self->sub);
	member_close(&self->pub);
	tracer_close();
}

#define EVENTS(event, more) traced(" ipcx_" event ": ", self->topic, more, NULL)

TEST_F(trace_topic, members)
{
	EXPECT_EQ(1, EVENTS("object_new", "kind=topic mode=0600 uid=0"));
	EXPECT_EQ(2, EVENTS("end_open", self->pid));
	EXPECT_EQ(1, EVENTS("end_open", "kind=topic rights=2 "));
	EXPECT_EQ(1, EVENTS("end_open", "kind=topic rights=4 "));
	EXPECT_EQ(1, EVENTS("topic_join", "ring=0 sub=-1 lossy=0"));
	EXPECT_EQ(1, EVENTS("topic_join", "ring=-1 sub=0 lossy=0"));
	EXPECT_EQ(0, EVENTS("topic_leave", ""));
	member_close(&self->sub);
	EXPECT_EQ(1, EVENTS("topic_leave", "ring=-1 sub=0 lossy=0"));
	ASSERT_EQ(0, member_open(&self->sub, "told", SUBSCRIBE | LOSSY));
	EXPECT_EQ(1, EVENTS("topic_join", "ring=-1 sub=0 lossy=1"));
	EXPECT_EQ(3, EVENTS("topic_join", ""));
	EXPECT_EQ(1, EVENTS("topic_leave", ""));
}

/* Messages are told of by nobody; who is woken for one is. */
TEST_F(trace_topic, wakes)
{
	struct epoll_event in = { .events = EPOLLIN }, out = { .events = EPOLLOUT };
	int before = EVENTS("topic_wake", "sub=0"), room = EVENTS("topic_wake", "sub=-1"), ep;

	/* nobody waits */
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, publish(&self->pub, i));
	ASSERT_EQ(0, raw_kick(self->pub.fd, IPCX_KICK_SUBSCRIBERS));
	ASSERT_EQ(0, raw_kick(self->sub.fd, IPCX_KICK_PUBLISHERS));
	EXPECT_EQ(before, EVENTS("topic_wake", "sub=0"));
	EXPECT_EQ(room, EVENTS("topic_wake", "sub=-1"));

	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->sub.fd, &in));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->pub.fd, &out));
	ASSERT_EQ(0, raw_kick(self->pub.fd, IPCX_KICK_SUBSCRIBERS));
	EXPECT_EQ(before + 1, EVENTS("topic_wake", "sub=0"));
	EXPECT_EQ(room, EVENTS("topic_wake", "sub=-1"));
	ASSERT_EQ(0, raw_kick(self->sub.fd, IPCX_KICK_PUBLISHERS));
	EXPECT_EQ(room + 1, EVENTS("topic_wake", "sub=-1"));
	close(ep);
}

TEST_F(trace_topic, evicted)
{
	ASSERT_EQ(-EAGAIN, raw_evict(self->pub.fd, 0, 0));
	EXPECT_EQ(0, EVENTS("topic_evict", ""));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, publish(&self->pub, i));
	ASSERT_EQ(0, raw_evict(self->pub.fd, 0, 0));
	EXPECT_EQ(1, EVENTS("topic_evict", "ring=0 sub=0 why=lag"));
	member_close(&self->sub);
	ASSERT_EQ(0, member_open(&self->sub, "told", SUBSCRIBE));
	ASSERT_EQ(0, cursor_set(&self->sub, 0, self->pub.ring->head + 5));
	ASSERT_EQ(0, raw_evict(self->pub.fd, 0, 0));
	EXPECT_EQ(1, EVENTS("topic_evict", "ring=0 sub=0 why=contradiction"));
	member_close(&self->sub);
	ASSERT_EQ(0, member_open(&self->sub, "told", SUBSCRIBE | LOSSY));
	ASSERT_EQ(0, raw_evict(self->pub.fd, 0, IPCX_EVICT_SKIPS));
	EXPECT_EQ(1, EVENTS("topic_evict", "ring=0 sub=0 why=skips"));
	EXPECT_EQ(3, EVENTS("topic_evict", ""));
}

TEST_F(trace_topic, region)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = CREATE | IPCX_REGION_READ | IPCX_REGION_WRITE,
		.mode = 0640,
		.bytes = PAGE,
	};
	int fd = device_ioctl(IPCX_IOC_REGION_OPEN, &o);

	ASSERT_LE(0, fd);
	snprintf(self->topic, sizeof(self->topic), "=%llu ", (long long)o.out_id);
	EXPECT_EQ(1, EVENTS("object_new", "kind=region mode=0640 uid=0"));
	close(fd);
	EXPECT_EQ(1, EVENTS("object_gone", "kind=region mode=0640 uid=0"));
}

TEST_HARNESS_MAIN
