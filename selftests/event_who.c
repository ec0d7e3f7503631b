// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is told of events: who may listen, where, in what order; whose numbers they have; and who
 * does not read.
 */
#include <linux/ipcx_region.h>
#include <sys/syscall.h>

#include "event_util.h"
#include "topic_util.h"

#include "../kselftest_harness.h"

#define NAME "event-who"

/* Makes an object of a kind, and opens it, takes its name away, closes it. Return: its number. */
static uint64_t come_and_go(int kind)
{
	struct ipcx_region_open region = { .size = sizeof(region),
					   .flags = CREATE | IPCX_REGION_READ | IPCX_REGION_WRITE,
					   .name = (uintptr_t)NAME,
					   .name_len = strlen(NAME),
					   .mode = 0600,
					   .bytes = 4096 };
	struct member m = {};
	struct end e = {};
	uint64_t id;
	int fd;

	if (kind == IPCX_KIND_QUEUE) {
		if (end_open(&e, NAME, CREATE | SENDRECV) || raw_unlink(NAME))
			return 0;
		end_close(&e);
		return e.o.out_id;
	}
	if (kind == IPCX_KIND_TOPIC) {
		if (member_open(&m, NAME, CREATE | PUBLISH | SUBSCRIBE) ||
		    raw_unlink_kind(NAME, 0, kind))
			return 0;
		id = m.o.out_id;
		member_close(&m);
		return id;
	}
	fd = device_ioctl(IPCX_IOC_REGION_OPEN, &region);
	if (fd < 0 || raw_unlink_kind(NAME, 0, kind) || close(fd))
		return 0;
	return region.out_id;
}

/*
 * Made, opened, closed, unlinked and gone, in that order and without a gap. A region has no ends,
 * and goes with its name.
 */
FIXTURE(lifecycle){};

FIXTURE_VARIANT(lifecycle)
{
	int kind, n, kinds[5];
};

FIXTURE_VARIANT_ADD(lifecycle, queue){
	.kind = IPCX_KIND_QUEUE,
	.n = 5,
	.kinds = { KIND(MADE), KIND(OPENED), KIND(UNLINKED), KIND(CLOSED), KIND(GONE) },
};

FIXTURE_VARIANT_ADD(lifecycle, topic){
	.kind = IPCX_KIND_TOPIC,
	.n = 5,
	.kinds = { KIND(MADE), KIND(OPENED), KIND(UNLINKED), KIND(CLOSED), KIND(GONE) },
};

FIXTURE_VARIANT_ADD(lifecycle, region){
	.kind = IPCX_KIND_REGION,
	.n = 3,
	.kinds = { KIND(MADE), KIND(UNLINKED), KIND(GONE) },
};

FIXTURE_SETUP(lifecycle)
{
}

FIXTURE_TEARDOWN(lifecycle)
{
}

TEST_F(lifecycle, in_order)
{
	const int *kinds = variant->kinds;
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE);
	uint64_t seq = 0, end = 0, id;

	ASSERT_LE(0, fd);
	id = come_and_go(variant->kind);
	ASSERT_LT(0, id);
	for (int i = 0; i < variant->n; i++) {
		ASSERT_EQ(0, event_next(fd, 10000));
		EXPECT_EQ(kinds[i], EVENT(KIND));
		EXPECT_EQ(id, EVENT(OBJECT));
		EXPECT_STREQ(NAME, seen.name[0]);
		EXPECT_EQ(variant->kind, EVENT(OBJECT_KIND));
		EXPECT_EQ(kinds[i] == KIND(GONE) ? 0 : getpid(), EVENT(PID));
		EXPECT_EQ(kinds[i] == KIND(GONE) ? 0 : pid_namespace(), EVENT(PID_NS));
		EXPECT_EQ(kinds[i] != KIND(GONE), EVENT_HAS(UID));
		EXPECT_EQ(kinds[i] == KIND(CLOSED) ? IPCX_EVENT_EXIT_CLOSED : 0, EVENT(EXIT));
		if (i) {
			EXPECT_EQ(seq + 1, EVENT(SEQ));
		}
		seq = EVENT(SEQ);
		if (kinds[i] == KIND(OPENED))
			end = EVENT(END);
		if (kinds[i] == KIND(CLOSED)) {
			EXPECT_EQ(end, EVENT(END));
		}
	}
	EXPECT_EQ(variant->n == 5, !!end);
	EXPECT_EQ(-ETIMEDOUT, event_next(fd, QUIET_MS));
	close(fd);
}

/* Of a member that is killed it is told that it was. */
TEST(killed_member)
{
	const int kinds[] = { KIND(MADE), KIND(OPENED), KIND(CLOSED), KIND(UNLINKED), KIND(GONE) };
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE), open[2];
	char c;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(open));
	pid = fork();
	if (!pid) {
		struct member m = {};

		_exit(member_open(&m, NAME, CREATE | PUBLISH | EPHEMERAL) ||
		      write(open[1], "o", 1) != 1 || pause());
	}
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, event_next(fd, 10000));
		EXPECT_EQ(kinds[i], EVENT(KIND));
		EXPECT_EQ(IPCX_KIND_TOPIC, EVENT(OBJECT_KIND));
		EXPECT_EQ(kinds[i] == KIND(CLOSED) ? IPCX_EVENT_EXIT_KILLED : 0, EVENT(EXIT));
		if (kinds[i] == KIND(CLOSED)) {
			EXPECT_EQ(pid, EVENT(PID));
		}
		if (kinds[i] == KIND(OPENED)) { /* it is told before it has it */
			ASSERT_EQ(1, read(open[0], &c, 1));
			kill(pid, SIGKILL);
		}
	}
	waitpid(pid, NULL, 0);
	close(open[0]);
	close(open[1]);
	close(fd);
}

/* Who has no CAP_NET_ADMIN over the namespace, but may have it over another, may not listen. */
TEST(rights)
{
	pid_t pid = fork();

	if (!pid) {
		if (as_user(1000) || nl_listen(IPCX_MCGRP_ALERTS) != -EPERM ||
		    nl_listen(IPCX_MCGRP_LIFECYCLE) != -EPERM)
			_exit(1);
		if (unshare(CLONE_NEWUSER) || nl_listen(IPCX_MCGRP_ALERTS) != -EPERM)
			_exit(2);
		_exit(unshare(CLONE_NEWNET) || nl_listen(IPCX_MCGRP_ALERTS) < 0 ? 3 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* Of what happens here, who listens elsewhere is told nothing, nor the other way round. */
TEST(namespaces)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;
	struct end e = {}, far = {};

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	there = nl_listen(IPCX_MCGRP_LIFECYCLE);
	ASSERT_LE(0, there);
	ASSERT_EQ(0, end_open(&far, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, event_next(there, 10000));
	EXPECT_EQ(far.o.out_id, EVENT(OBJECT));
	ASSERT_EQ(0, event_next(there, 10000));
	ASSERT_EQ(0, setns(here, CLONE_NEWNET));
	fd = nl_listen(IPCX_MCGRP_LIFECYCLE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	end_close(&far);
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(e.o.out_id, EVENT(OBJECT));
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(-ETIMEDOUT, event_next(fd, QUIET_MS));
	for (int i = 0; i < 3; i++) { /* closed, unlinked, gone */
		ASSERT_EQ(0, event_next(there, 10000));
		EXPECT_EQ(far.o.out_id, EVENT(OBJECT));
	}
	EXPECT_EQ(-ETIMEDOUT, event_next(there, QUIET_MS));
	end_close(&e);
	close(fd);
	close(there);
	close(here);
}

/* A process has its number of its own namespace; users are those of the owner of this one. */
TEST(numbers)
{
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE);
	pid_t pid = fork();

	ASSERT_LE(0, fd);
	if (!pid) {
		if (as_user(1000) || unshare(CLONE_NEWUSER | CLONE_NEWPID))
			_exit(1);
		pid = fork();
		if (!pid) {
			struct end e = {};

			_exit(getpid() != 1 ||
			      end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
		}
		_exit(exit_status(pid));
	}
	ASSERT_EQ(0, exit_status(pid));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, event_next(fd, 10000));
		EXPECT_EQ(1, EVENT(PID));
		EXPECT_NE(pid_namespace(), EVENT(PID_NS));
		EXPECT_NE(0, EVENT(PID_NS));
		EXPECT_EQ(1000, EVENT(UID));
	}
	EXPECT_EQ(KIND(CLOSED), EVENT(KIND));
	EXPECT_EQ(IPCX_EVENT_EXIT_EXITED, EVENT(EXIT));
	close(fd);
}

/* An end that others have is that of who opened it, whoever has it last. */
TEST(inherited)
{
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE);
	struct end e = {};
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = fork();
	if (!pid) {
		pause();
		_exit(1);
	}
	end_close(&e);
	ASSERT_EQ(0, event_next(fd, 10000));
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(-ETIMEDOUT, event_next(fd, QUIET_MS));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(KIND(CLOSED), EVENT(KIND));
	EXPECT_EQ(getpid(), EVENT(PID));
	EXPECT_EQ(IPCX_EVENT_EXIT_KILLED, EVENT(EXIT));
	close(fd);
}

/* An end whose descriptor its opener did not get: no process has let go of it. */
TEST(never_had)
{
	const int kinds[] = { KIND(MADE), KIND(OPENED), KIND(CLOSED), KIND(UNLINKED), KIND(GONE) };
	struct ipcx_queue_open *o =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE);

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, (void *)o);
	o->size = sizeof(*o);
	o->flags = CREATE | SENDRECV;
	o->name = (uintptr_t)NAME;
	o->name_len = strlen(NAME);
	o->mode = 0600;
	ASSERT_EQ(0, mprotect(o, 4096, PROT_READ));
	ASSERT_EQ(-EFAULT, open_raw(o));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, event_next(fd, 10000));
		EXPECT_EQ(kinds[i], EVENT(KIND));
		EXPECT_FALSE(EVENT_HAS(EXIT));
	}
	munmap(o, 4096);
	close(fd);
}

static int send_fd(int to, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = "", c = 'f';
	struct iovec io = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	return sendmsg(to, &m, 0) == 1 ? 0 : -errno;
}

/* The last process that had an end counts, not who throws away the message that has it. */
TEST(sent_away)
{
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE), pair[2];
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (!pid) {
		struct end e = {};

		_exit(end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
		      send_fd(pair[0], e.fd));
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_next(fd, 10000));
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(KIND(OPENED), EVENT(KIND));
	EXPECT_EQ(-ETIMEDOUT, event_next(fd, QUIET_MS));
	close(pair[0]);
	close(pair[1]);
	ASSERT_EQ(0, event_next(fd, 10000));
	EXPECT_EQ(KIND(CLOSED), EVENT(KIND));
	EXPECT_EQ(pid, EVENT(PID));
	EXPECT_EQ(IPCX_EVENT_EXIT_EXITED, EVENT(EXIT));
	close(fd);
}

/* What happens while nobody listens is not told to who comes later. */
TEST(nobody_listens)
{
	struct end e = { .o = { .depth = 2, .policy = IPCX_POLICY_DROP_OLDEST } };
	int fd;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	fd = nl_listen(IPCX_MCGRP_ALERTS);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ETIMEDOUT, event_next(fd, QUIET_MS));
	ASSERT_EQ(1, raw_send(&e, 10, 10));
	ASSERT_EQ(0, event_only(fd));
	EXPECT_EQ(KIND(DROPPED_OLDEST), EVENT(KIND));
	EXPECT_EQ(1, EVENT(COUNT));
	end_close(&e);
	close(fd);
}

/* Reads all that waits. Return: how often it is told that something was lost, or -1. */
static int catch_up(int fd, uint64_t *seq, uint64_t *lost, int *read)
{
	int told = 0, err;

	while ((err = event_next(fd, QUIET_MS)) != -ETIMEDOUT) {
		if (err && err != -ENOBUFS)
			return -1;
		told += !!err;
		if (err)
			continue;
		*lost += *seq ? EVENT(SEQ) - *seq - 1 : 0;
		*seq = EVENT(SEQ);
		++*read;
	}
	return told;
}

/* A queue that goes after something went wrong with it. */
static bool short_lived(void)
{
	struct end e = { .o = { .depth = 1, .policy = IPCX_POLICY_DROP_OLDEST } };
	bool good = !end_open(&e, NULL, CREATE | SENDRECV) && raw_send(&e, 10, 1) == 1 &&
		    raw_send(&e, 10, 2) == 1;

	end_close(&e);
	return good;
}

/*
 * One that does not read is told that it lost events, and can tell how many; sender and receiver
 * find nothing changed.
 */
TEST(stalled)
{
	int fd = nl_listen(IPCX_MCGRP_LIFECYCLE), alerts = nl_listen(IPCX_MCGRP_ALERTS);
	struct end e = { .o = { .depth = 4, .policy = IPCX_POLICY_DROP_OLDEST } }, more = {};
	const int n = 100, size = 8192;
	uint64_t seq, lost = 0, alert = 0, alerts_lost = 0;
	int read = 0, alerts_read = 0;
	struct ipcx_desc d;

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	ASSERT_EQ(0, setsockopt(alerts, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, event_next(fd, 10000));
	ASSERT_EQ(0, event_next(fd, 10000));
	seq = EVENT(SEQ);
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, end_open(&more, NAME, IPCX_OPEN_SEND));
		ASSERT_EQ(1, raw_send(&more, 10, i));
		ASSERT_EQ(1, raw_send(&more, 10, i));
		ASSERT_EQ(1, raw_take(e.fd, &d, 0));
		ASSERT_EQ(1, raw_release(e.fd, &d));
		end_close(&more);
	}
	EXPECT_EQ(1, catch_up(fd, &seq, &lost, &read));
	/* what comes next says how many there were */
	end_close(&e);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, event_next(fd, 10000));
		lost += EVENT(SEQ) - seq - 1;
		seq = EVENT(SEQ);
	}
	EXPECT_LT(0, lost);
	EXPECT_EQ(2 * n, lost + read);
	for (int i = 0; i < 50; i++)
		ASSERT_TRUE(short_lived());
	EXPECT_EQ(1, catch_up(alerts, &alert, &alerts_lost, &alerts_read));
	EXPECT_LT(0, alerts_read);
	ASSERT_TRUE(short_lived());
	EXPECT_EQ(0, catch_up(alerts, &alert, &alerts_lost, &alerts_read));
	EXPECT_LT(0, alerts_lost);
	close(fd);
	close(alerts);
}

/* Messages expire while their queue goes, and work of the queue tells of it. */
TEST(expires_and_ends)
{
	int fd = nl_listen(IPCX_MCGRP_ALERTS), told = 0;

	ASSERT_LE(0, fd);
	for (int i = 0; i < 48 + rounds(152); i++) {
		struct end e = { .o.depth = 64 };
		struct ipcx_desc d;
		int64_t soon;

		ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
		soon = now_ns() + 5000000;
		for (int k = 0; k < 64; k++) {
			ASSERT_EQ(1, raw_loan(e.fd, &d, 10, 0));
			d.expires = soon;
			ASSERT_EQ(1, raw_commit(e.fd, &d));
		}
		while (now_ns() < soon + i % 48 * 250000)
			;
		end_close(&e);
		while (!event_next(fd, 0)) {
			EXPECT_EQ(KIND(EXPIRED), EVENT(KIND));
			told++;
		}
	}
	EXPECT_LT(0, told);
	close(fd);
}

/* Objects go and namespaces go while something of them is still to be told; the module too. */
TEST(ends_with_work)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = nl_listen(IPCX_MCGRP_ALERTS);

	for (int i = 0; i < rounds(100); i++) {
		struct end e = { .o = { .depth = 1, .policy = IPCX_POLICY_DROP_OLDEST } };

		if (i % 2) {
			ASSERT_EQ(0, unshare(CLONE_NEWNET));
		}
		ASSERT_EQ(0, end_open(&e, NAME,
				      CREATE | SENDRECV | (i % 4 ? IPCX_OPEN_EPHEMERAL : 0)));
		for (int k = 0; k < 4; k++)
			ASSERT_EQ(1, raw_send(&e, 10, k));
		end_close(&e);
		if (i % 2) {
			ASSERT_EQ(0, setns(here, CLONE_NEWNET));
		} else if (i % 4 == 0) {
			ASSERT_EQ(0, raw_unlink(NAME));
		}
	}
	close(fd);
	for (int i = 0; i < 500 && module_refs(); i++)
		usleep(10000);
	EXPECT_EQ(0, module_refs());
	close(here);
}

/* A user who joins the number that a group will have, and says so; hears nothing all the same. */
static pid_t too_early(int group, int said, int go)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	pid_t pid = fork();

	if (!pid) {
		int fd = nl_open();
		char c;

		if (as_user(1000) || bind(fd, (const void *)&any, sizeof(any)))
			_exit(1);
		nl_join(fd, group); /* the kernel may say no */
		if (write(said, "j", 1) != 1 || read(go, &c, 1) != 1)
			_exit(2);
		_exit(event_next(fd, QUIET_MS) != -ETIMEDOUT);
	}
	return pid;
}

TEST(joined_before_there_is_a_group)
{
	int module = open(getenv("IPCX_MODULE") ?: "build/ipcx.ko", O_RDONLY | O_CLOEXEC), fd;
	struct end e = { .o = { .depth = 1, .policy = IPCX_POLICY_DROP_OLDEST } };
	int group = nl_group(IPCX_MCGRP_ALERTS), said[2], go[2];
	pid_t pid;
	char c;

	ASSERT_LE(0, module);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, pipe(said));
	ASSERT_EQ(0, pipe(go));
	for (int i = 0; i < 500 && module_refs(); i++)
		usleep(10000);
	ASSERT_EQ(0, syscall(SYS_delete_module, "ipcx", O_NONBLOCK));
	pid = too_early(group, said[1], go[0]);
	EXPECT_EQ(1, read(said[0], &c, 1));
	ASSERT_EQ(0, syscall(SYS_finit_module, module, "", 0));
	EXPECT_EQ(group, nl_group(IPCX_MCGRP_ALERTS));
	fd = nl_listen(IPCX_MCGRP_ALERTS);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 10, 1));
	ASSERT_EQ(1, raw_send(&e, 10, 2));
	EXPECT_EQ(0, event_only(fd));
	ASSERT_EQ(1, write(go[1], "g", 1));
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
	close(fd);
	close(module);
}

TEST_HARNESS_MAIN
