// SPDX-License-Identifier: GPL-2.0-only
/* Durable subscriptions: they stay when their member goes, and the next one goes on there. */
#include <signal.h>
#include <sys/wait.h>

#include <ipcx.h>

#include "topic_util.h"

#include "../kselftest_harness.h"

#define NAME "topic-durable"
#define DEPTH 8
#define OTHER 1000

FIXTURE(durable)
{
	struct member pub, sub;
};

/* Subscribes by the name @as. */
static int subscribe(struct member *m, const char *as)
{
	memset(m, 0, sizeof(*m));
	m->o.durable = (uintptr_t)as;
	m->o.durable_len = strlen(as);
	return member_open(m, NAME, SUBSCRIBE);
}

static int subscribe_as(struct member *m, uid_t uid)
{
	int r = seteuid(uid) ? -errno : subscribe(m, "d");

	return seteuid(0) ? -errno : r;
}

static int forget(const struct member *m, const char *as)
{
	struct ipcx_topic_forget f = {
		.size = sizeof(f),
		.name = (uintptr_t)as,
		.name_len = strlen(as),
	};

	return xioctl(m->fd, IPCX_IOC_TOPIC_FORGET, &f);
}

FIXTURE_SETUP(durable)
{
	memset(self, 0, sizeof(*self));
	self->pub.o.depth = DEPTH;
	self->pub.o.mode = 0666;
	ASSERT_EQ(0, member_open(&self->pub, NAME, CREATE | PUBLISH));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, self->sub.o.out_flags & IPCX_TOPIC_LOST);
}

FIXTURE_TEARDOWN(durable)
{
	if (self->sub.fd >= 0)
		member_close(&self->sub);
	if (self->pub.fd >= 0)
		member_close(&self->pub);
	EXPECT_EQ(0, raw_unlink_kind(NAME, 0, IPCX_KIND_TOPIC));
}

/* Takes without a release, as who keeps a message: the cursor stays. */
static int64_t take_and_keep(struct member *m)
{
	uint64_t cursor = m->control->cursor[0];
	int64_t tag = take(m, 0);

	m->control->cursor[0] = cursor;
	return tag;
}

TEST_F(durable, goes_on_behind_the_last_release)
{
	for (int i = 0; i < 5; i++)
		publish(&self->pub, i);
	EXPECT_EQ(0, take(&self->sub, 0));
	EXPECT_EQ(1, take(&self->sub, 0));
	EXPECT_EQ(2, take_and_keep(&self->sub));
	member_close(&self->sub);
	publish(&self->pub, 5);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	for (int i = 2; i < 6; i++)
		EXPECT_EQ(i, take(&self->sub, 0));
	EXPECT_EQ(-1, take(&self->sub, 0));
	EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
}

/* What was kept is new to who comes next, also when it sleeps for it. */
TEST_F(durable, wakes_for_what_was_kept)
{
	publish(&self->pub, 7);
	EXPECT_EQ(7, take_and_keep(&self->sub));
	EXPECT_EQ(-EAGAIN, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	member_close(&self->sub);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, raw_wait(self->sub.fd, IPCX_WAIT_MESSAGE, 0));
	EXPECT_EQ(7, take(&self->sub, 0));
}

TEST_F(durable, goes_on_after_sigkill)
{
	int to[2], status;
	pid_t pid;
	char c;

	for (int i = 0; i < 5; i++)
		publish(&self->pub, i);
	member_close(&self->sub);
	ASSERT_EQ(0, pipe(to));
	pid = fork();
	if (!pid) {
		if (subscribe(&self->sub, "d") || take(&self->sub, 0) != 0 ||
		    take_and_keep(&self->sub) != 1 || write(to[1], "k", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(to[0], &c, 1));
	EXPECT_EQ(-EBUSY, subscribe(&self->sub, "d"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	for (int i = 1; i < 5; i++)
		EXPECT_EQ(i, take(&self->sub, 0));
	close(to[0]);
	close(to[1]);
}

/* Nobody reads, and publishers wait for who will. */
TEST_F(durable, keeps_publishers_waiting)
{
	member_close(&self->sub);
	for (int i = 0; i < DEPTH; i++) {
		EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
		publish(&self->pub, i);
	}
	EXPECT_EQ(-EAGAIN, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	EXPECT_EQ(-ETIMEDOUT, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, in_ms(20)));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, take(&self->sub, 0));
	EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
}

TEST_F(durable, has_one_member)
{
	struct member more;

	EXPECT_EQ(-EBUSY, subscribe(&more, "d"));
	ASSERT_EQ(0, subscribe(&more, "e"));
	EXPECT_NE(self->sub.o.out_sub, more.o.out_sub);
	member_close(&more);
}

TEST_F(durable, is_its_makers)
{
	struct member other;

	member_close(&self->sub);
	EXPECT_EQ(-EACCES, subscribe_as(&other, OTHER));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	/* the owner of the topic may have those of others */
	EXPECT_EQ(-ENOENT, forget(&self->pub, "x"));
	member_close(&self->sub);
	ASSERT_EQ(0, forget(&self->pub, "d"));
	ASSERT_EQ(0, subscribe_as(&other, OTHER));
	member_close(&other);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
}

TEST_F(durable, forget)
{
	struct member other = {};

	EXPECT_EQ(-EBUSY, forget(&self->pub, "d"));
	member_close(&self->sub);
	for (int i = 0; i < DEPTH; i++)
		publish(&self->pub, i);
	EXPECT_EQ(-EAGAIN, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	ASSERT_EQ(0, seteuid(OTHER));
	ASSERT_EQ(0, member_open(&other, NAME, SUBSCRIBE | LOSSY));
	EXPECT_EQ(-EACCES, forget(&other, "d"));
	ASSERT_EQ(0, seteuid(0));
	/* as who opened it, whoever asks */
	EXPECT_EQ(-EACCES, forget(&other, "d"));
	member_close(&other);
	EXPECT_EQ(0, forget(&self->pub, "d"));
	EXPECT_EQ(0, raw_wait(self->pub.fd, IPCX_WAIT_ROOM, 0));
	EXPECT_EQ(0, self->pub.dir->reliable[0]);
	EXPECT_EQ(-ENOENT, forget(&self->pub, "d"));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(-1, take(&self->sub, 0));
}

TEST_F(durable, forget_arguments)
{
	struct ipcx_topic_forget f = { .size = sizeof(f), .name = (uintptr_t) "d", .name_len = 1 };

	f.__reserved = 1;
	EXPECT_EQ(-EINVAL, xioctl(self->pub.fd, IPCX_IOC_TOPIC_FORGET, &f));
	f.__reserved = 0;
	f.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->pub.fd, IPCX_IOC_TOPIC_FORGET, &f));
	f.flags = 0;
	f.name_len = 0;
	EXPECT_EQ(-EINVAL, xioctl(self->pub.fd, IPCX_IOC_TOPIC_FORGET, &f));
	f.name_len = 1;
	f.name = 1;
	EXPECT_EQ(-EFAULT, xioctl(self->pub.fd, IPCX_IOC_TOPIC_FORGET, &f));
	EXPECT_EQ(-EBUSY, forget(&self->pub, "d"));
}

/* The ring of a publisher that is gone stays for it, and is empty for nobody else. */
TEST_F(durable, reads_a_dead_ring_to_its_end)
{
	struct member more = {};
	uint64_t id;

	for (int i = 0; i < 3; i++)
		publish(&self->pub, i);
	member_close(&self->sub);
	id = self->pub.dir->ring[0].id;
	member_close(&self->pub);
	ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
	EXPECT_EQ(1, more.o.out_ring);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(i, take(&self->sub, 0));
	EXPECT_EQ(IPCX_LEFT_DEAD, raw_leave(self->sub.fd, 0, id));
	EXPECT_EQ(0, more.dir->ring[0].id);
	publish(&more, 7);
	EXPECT_EQ(7, take(&self->sub, 1));
	member_close(&more);
}

/* So many publishers have come and gone that a ring that it had not read made place. */
TEST_F(durable, learns_that_rings_were_lost)
{
	struct member more = {};

	member_close(&self->sub);
	for (int i = 0; i < IPCX_TOPIC_RINGS + 2; i++) {
		memset(&more, 0, sizeof(more));
		ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
		publish(&more, i);
		member_close(&more);
	}
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(IPCX_TOPIC_LOST, self->sub.o.out_flags & IPCX_TOPIC_LOST);
	member_close(&self->sub);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, self->sub.o.out_flags & IPCX_TOPIC_LOST);
}

/* As above, but it was there meanwhile, and went without a word. */
TEST_F(durable, goes_without_leaving_what_it_lost)
{
	struct member more = {};

	for (int i = 0; i < IPCX_TOPIC_RINGS + 2; i++) {
		memset(&more, 0, sizeof(more));
		ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
		publish(&more, i);
		member_close(&more);
	}
	member_close(&self->sub);
	memset(&more, 0, sizeof(more));
	ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
	publish(&more, 1000);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(IPCX_TOPIC_LOST, self->sub.o.out_flags & IPCX_TOPIC_LOST);
	EXPECT_EQ(1000, take(&self->sub, more.o.out_ring));
	member_close(&more);
}

TEST_F(durable, arguments)
{
	struct ipcx_topic_open o = {
		.size = sizeof(o),
		.flags = SUBSCRIBE | LOSSY,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.durable = (uintptr_t) "x",
		.durable_len = 1,
	};

	EXPECT_EQ(-EINVAL, topic_open_raw(&o));
	o.flags = PUBLISH;
	EXPECT_EQ(-EINVAL, topic_open_raw(&o));
	o.flags = SUBSCRIBE;
	o.durable_len = 0;
	EXPECT_EQ(-EINVAL, topic_open_raw(&o));
	o.durable_len = IPCX_NAME_MAX + 1;
	EXPECT_EQ(-EINVAL, topic_open_raw(&o));
	o.durable = 0;
	o.durable_len = 1;
	EXPECT_EQ(-EINVAL, topic_open_raw(&o));
	o.durable = 1;
	EXPECT_EQ(-EFAULT, topic_open_raw(&o));
	EXPECT_EQ(-ENOENT, forget(&self->pub, "x"));
}

/* An open whose answer has no place. Return: what it says. */
static int open_unanswered(const char *durable)
{
	struct ipcx_topic_open *o =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	*o = (struct ipcx_topic_open){
		.size = sizeof(*o),
		.flags = SUBSCRIBE,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.durable = (uintptr_t)durable,
		.durable_len = 1,
	};
	ret = mprotect(o, PAGE, PROT_READ) ? -errno : topic_open_raw(o);
	munmap(o, PAGE);
	return ret;
}

/* An open that cannot be answered leaves no subscription behind. */
TEST_F(durable, failed_open_leaves_none)
{
	EXPECT_EQ(-EFAULT, open_unanswered("x"));
	EXPECT_EQ(-ENOENT, forget(&self->pub, "x"));
	/* but one that was there stays */
	member_close(&self->sub);
	EXPECT_EQ(-EFAULT, open_unanswered("d"));
	EXPECT_EQ(0, forget(&self->pub, "d"));
}

/* Without a member it can be evicted as any other, and its next member learns that. */
TEST_F(durable, evicted_while_nobody_has_it)
{
	struct member pub = { .o.depth = DEPTH, .o.lag_max = 2, .o.mode = 0600 }, sub = {};

	ASSERT_EQ(0, member_open(&pub, "topic-lag", CREATE | PUBLISH | EPHEMERAL));
	sub.o.durable = (uintptr_t) "d";
	sub.o.durable_len = 1;
	ASSERT_EQ(0, member_open(&sub, "topic-lag", SUBSCRIBE));
	member_close(&sub);
	publish(&pub, 0);
	EXPECT_EQ(-EAGAIN, raw_evict(pub.fd, 0, 0));
	publish(&pub, 1);
	EXPECT_EQ(0, raw_evict(pub.fd, 0, 0));
	memset(&sub, 0, sizeof(sub));
	sub.o.durable = (uintptr_t) "d";
	sub.o.durable_len = 1;
	ASSERT_EQ(0, member_open(&sub, "topic-lag", SUBSCRIBE));
	EXPECT_EQ(1, sub.dir->ring[0].evicted[0]);
	EXPECT_EQ(IPCX_LEFT_EVICTED, raw_leave(sub.fd, 0, pub.dir->ring[0].id));
	member_close(&sub);
	member_close(&pub);
}

/* Its cursor stands at the end, but what it was evicted for it has missed. */
TEST_F(durable, evicted_from_what_was_lost)
{
	struct member pub = { .o.depth = DEPTH, .o.lag_max = 2, .o.mode = 0600 }, sub = {};

	sub.o.durable = (uintptr_t) "d";
	sub.o.durable_len = 1;
	ASSERT_EQ(0, member_open(&pub, "topic-lag", CREATE | PUBLISH));
	ASSERT_EQ(0, member_open(&sub, "topic-lag", SUBSCRIBE));
	for (int i = 0; i < 2; i++)
		publish(&pub, i);
	ASSERT_EQ(0, raw_evict(pub.fd, 0, 0));
	member_close(&pub);
	sub.control->cursor[0] = sub.dir->ring[0].end;
	member_close(&sub);
	for (int i = 0; i < IPCX_TOPIC_RINGS; i++) {
		memset(&pub, 0, sizeof(pub));
		ASSERT_EQ(0, member_open(&pub, "topic-lag", PUBLISH));
		publish(&pub, i);
		member_close(&pub);
	}
	EXPECT_EQ(0, pub.o.out_ring);
	memset(&sub, 0, sizeof(sub));
	sub.o.durable = (uintptr_t) "d";
	sub.o.durable_len = 1;
	ASSERT_EQ(0, member_open(&sub, "topic-lag", SUBSCRIBE));
	EXPECT_EQ(IPCX_TOPIC_LOST, sub.o.out_flags & IPCX_TOPIC_LOST);
	member_close(&sub);
	EXPECT_EQ(0, raw_unlink_kind("topic-lag", 0, IPCX_KIND_TOPIC));
}

static int send_byte(struct ipcx_topic *t, char c)
{
	return ipcx_topic_send(t, &c, 1, IPCX_NOWAIT);
}

static int recv_byte(struct ipcx_topic *t)
{
	char c;
	int r = ipcx_topic_recv(t, &c, 1, IPCX_NOWAIT);

	return r < 0 ? r : c;
}

/* An open that fails has told nobody. */
TEST_F(durable, failed_open_does_not_tell)
{
	struct member more = {};

	member_close(&self->sub);
	for (int i = 0; i < IPCX_TOPIC_RINGS + 2; i++) {
		memset(&more, 0, sizeof(more));
		ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
		publish(&more, i);
		member_close(&more);
	}
	EXPECT_EQ(-EFAULT, open_unanswered("d"));
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(IPCX_TOPIC_LOST, self->sub.o.out_flags & IPCX_TOPIC_LOST);
}

/* A dead ring is not kept for who has read all of it and does not come to leave it. */
TEST_F(durable, leaves_what_it_has_read)
{
	struct member more = {};

	/* dead before it goes, and after that */
	ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
	publish(&more, 1);
	EXPECT_EQ(1, take(&self->sub, 1));
	member_close(&more);
	EXPECT_NE(0, self->pub.dir->ring[1].id);
	member_close(&self->sub);
	EXPECT_EQ(0, self->pub.dir->ring[1].id);
	memset(&more, 0, sizeof(more));
	ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
	EXPECT_EQ(1, self->pub.dir->ring[1].subs[0]);
	member_close(&more);
	EXPECT_EQ(0, self->pub.dir->ring[1].id);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	EXPECT_EQ(0, self->sub.o.out_flags & IPCX_TOPIC_LOST);
}

/* The place of what it lost is for it again at once: it misses no more than that. */
TEST_F(durable, gets_what_comes_after_a_loss)
{
	struct member more = {};
	int got = 0;

	member_close(&self->sub);
	for (int i = 0; i < IPCX_TOPIC_RINGS + 5; i++) {
		memset(&more, 0, sizeof(more));
		ASSERT_EQ(0, member_open(&more, NAME, PUBLISH));
		publish(&more, i);
		member_close(&more);
	}
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
	/* one place is that of a publisher that lives; the last ones are there */
	for (int r = 0; r < IPCX_TOPIC_RINGS; r++) {
		int64_t tag = take(&self->sub, r);

		got += tag >= 0;
		EXPECT_TRUE(tag < 0 || tag >= IPCX_TOPIC_RINGS + 5 - (IPCX_TOPIC_RINGS - 1));
	}
	EXPECT_EQ(IPCX_TOPIC_RINGS - 1, got);
}

/* Else nobody could learn the name of one that keeps publishers waiting. */
TEST_F(durable, is_listed)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->pub.fd);
	ASSERT_TRUE(get_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "\nipcx-durable:\t0 0 used d"));
	member_close(&self->sub);
	ASSERT_TRUE(get_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "\nipcx-durable:\t0 0 free d"));
}

/* By the library: what was taken and not released comes again, what was released does not. */
TEST_F(durable, library)
{
	IPCX_TOPIC_OPTS(opts, .durable = "lib");
	struct ipcx_topic *p, *t, *second;
	struct ipcx_msg m;

	member_close(&self->sub);
	ASSERT_EQ(0, forget(&self->pub, "d"));
	ASSERT_EQ(0, ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, &opts));
	EXPECT_EQ(-EBUSY, ipcx_topic_open(&second, NAME, IPCX_SUBSCRIBE, &opts));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&second, NAME, IPCX_SUBSCRIBE | IPCX_LOSSY, &opts));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&second, NAME, IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&p, NAME, IPCX_PUBLISH, NULL));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_byte(p, 'a' + i));
	EXPECT_EQ('a', recv_byte(t));
	ASSERT_EQ(0, ipcx_topic_take(t, &m, IPCX_NOWAIT));
	EXPECT_EQ('b', *(char *)m.data);
	ipcx_topic_close(t);
	ASSERT_EQ(0, send_byte(p, 'd'));
	ASSERT_EQ(0, ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, &opts));
	for (int i = 1; i < 4; i++)
		EXPECT_EQ('a' + i, recv_byte(t));
	EXPECT_EQ(-EAGAIN, recv_byte(t));
	EXPECT_EQ(-EBUSY, ipcx_topic_forget(p, "lib"));
	ipcx_topic_close(t);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_byte(p, 'e'));
	EXPECT_EQ(-EAGAIN, send_byte(p, 'f'));
	ASSERT_EQ(0, ipcx_topic_forget(p, "lib"));
	EXPECT_EQ(0, send_byte(p, 'f'));
	EXPECT_EQ(-ENOENT, ipcx_topic_forget(p, "lib"));
	EXPECT_EQ(-EINVAL, ipcx_topic_forget(p, ""));
	ipcx_topic_close(p);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
}

/* By the library, when rings were lost: that is said once. */
TEST_F(durable, library_tells_of_lost_rings)
{
	IPCX_TOPIC_OPTS(opts, .durable = "d");
	struct ipcx_topic *t, *p;

	member_close(&self->sub);
	for (int i = 0; i < IPCX_TOPIC_RINGS + 2; i++) {
		ASSERT_EQ(0, ipcx_topic_open(&p, NAME, IPCX_PUBLISH, NULL));
		ASSERT_EQ(0, send_byte(p, 'x'));
		ipcx_topic_close(p);
	}
	ASSERT_EQ(0, ipcx_topic_open(&t, NAME, IPCX_SUBSCRIBE, &opts));
	EXPECT_EQ(-EPIPE, recv_byte(t));
	EXPECT_EQ('x', recv_byte(t));
	ipcx_topic_close(t);
	ASSERT_EQ(0, subscribe(&self->sub, "d"));
}

TEST_HARNESS_MAIN
