// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is told what by netlink: open ends, held slots, limits; owners, modes, capabilities and
 * namespaces of who asks.
 */
#include <grp.h>

#include "call_util.h"
#include "topic_util.h"

#include "netlink_fixture.h"

#define END(i, attribute) (seen.v[i][IPCX_A_END_##attribute])
#define HOLDER(i, attribute) (seen.v[i][IPCX_A_HOLDER_##attribute])
#define LIMIT(i, attribute) (seen.v[i][IPCX_A_LIMIT_##attribute])

static int ends_of(int fd, int family, uint64_t object)
{
	return ask(fd, family, IPCX_CMD_END_GET, NLM_F_DUMP, IPCX_A_END_OBJECT, 8, object);
}

static int holders_of(int fd, int family, uint64_t object)
{
	return ask(fd, family, IPCX_CMD_HOLDER_GET, NLM_F_DUMP, IPCX_A_HOLDER_OBJECT, 8, object);
}

/* Each open end of a queue: whose it is and what it holds. */
TEST_F(nl, ends)
{
	struct end e = {}, in = {}, other = {};
	struct ipcx_desc d[3];
	uint64_t id;
	pid_t pid;
	int hold[2];

	ASSERT_EQ(0, pipe(hold));
	ASSERT_EQ(0, end_open(&e, "nl-ends", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&other, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, end_open(&in, "nl-ends", IPCX_OPEN_RECV));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_send(&e, 10, i));
	ASSERT_EQ(1, raw_take(in.fd, &d[0], 0));
	ASSERT_EQ(1, raw_take(in.fd, &d[1], 0));
	ASSERT_EQ(1, raw_loan(e.fd, &d[2], 10, 0));
	ASSERT_EQ(0, ends_of(self->fd, self->family, e.o.out_id));
	ASSERT_EQ(2, seen.n);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(e.o.out_id, END(i, OBJECT));
		EXPECT_STREQ("nl-ends", seen.name[i]);
		EXPECT_EQ(IPCX_KIND_QUEUE, END(i, KIND));
		EXPECT_EQ(getpid(), END(i, PID));
		EXPECT_EQ(0, END(i, UID));
	}
	EXPECT_EQ(IPCX_END_RIGHTS_SEND | IPCX_END_RIGHTS_RECV, END(0, RIGHTS));
	EXPECT_EQ(1, END(0, LOANS));
	EXPECT_EQ(0, END(0, LEASES));
	EXPECT_EQ(IPCX_END_RIGHTS_RECV, END(1, RIGHTS));
	EXPECT_EQ(0, END(1, LOANS));
	EXPECT_EQ(2, END(1, LEASES));
	id = END(1, ID);
	ASSERT_EQ(0, ask(self->fd, self->family, IPCX_CMD_END_GET, 0, IPCX_A_END_ID, 8, id));
	ASSERT_EQ(1, seen.n);
	EXPECT_EQ(id, END(0, ID));
	EXPECT_EQ(2, END(0, LEASES));
	/* the one is gone, and its number with it */
	end_close(&in);
	EXPECT_EQ(-ENOENT, ask(self->fd, self->family, IPCX_CMD_END_GET, 0, IPCX_A_END_ID, 8, id));
	ASSERT_EQ(0, dump(self->fd, self->family, IPCX_CMD_END_GET));
	EXPECT_EQ(2, seen.n);
	/* one whose opener is gone, but not the end */
	pid = fork();
	if (!pid) {
		if (end_open(&in, "nl-ends", IPCX_OPEN_SEND))
			_exit(1);
		pid = fork();
		if (!pid)
			_exit(read(hold[0], &pid, sizeof(pid)) < 0);
		_exit(pid < 0);
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, ends_of(self->fd, self->family, e.o.out_id));
	ASSERT_EQ(2, seen.n);
	EXPECT_LT(id, END(1, ID));
	EXPECT_EQ(IPCX_END_RIGHTS_SEND, END(1, RIGHTS));
	EXPECT_EQ(0, END(1, PID));
	ASSERT_EQ(1, write(hold[1], "g", 1));
	end_close(&other);
	end_close(&e);
}

/* Members of topics are ends too. */
TEST_F(nl, members)
{
	struct member pub = {}, sub = {};

	ASSERT_EQ(0, member_open(&pub, "nl-members", CREATE | PUBLISH | EPHEMERAL));
	ASSERT_EQ(0, member_open(&sub, "nl-members", SUBSCRIBE));
	ASSERT_EQ(0, ends_of(self->fd, self->family, pub.o.out_id));
	ASSERT_EQ(2, seen.n);
	EXPECT_EQ(IPCX_KIND_TOPIC, END(0, KIND));
	EXPECT_EQ(IPCX_END_RIGHTS_SEND, END(0, RIGHTS));
	EXPECT_EQ(IPCX_END_RIGHTS_RECV, END(1, RIGHTS));
	EXPECT_EQ(getpid(), END(1, PID));
	EXPECT_FALSE(seen.has[0][IPCX_A_END_LOANS]);
	member_close(&sub);
	ASSERT_EQ(0, ends_of(self->fd, self->family, pub.o.out_id));
	EXPECT_EQ(1, seen.n);
	member_close(&pub);
}

/* Slots in the hands of somebody, in each way; who holds them and for how long. */
TEST_F(nl, holders)
{
	struct end e = { .o.depth = 200, .o.lease_ms = 300 }, in = {};
	struct ipcx_desc d[4];
	uint64_t sender;
	int64_t taken;

	ASSERT_EQ(0, end_open(&e, "nl-holders", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&in, "nl-holders", IPCX_OPEN_RECV));
	ASSERT_EQ(0, holders_of(self->fd, self->family, e.o.out_id));
	EXPECT_EQ(0, seen.n);
	ASSERT_EQ(1, raw_loan(e.fd, &d[0], 4321, 0));
	ASSERT_EQ(1, raw_send(&e, 10, 'a'));
	ASSERT_EQ(1, raw_send(&e, 11, 'b'));
	ASSERT_EQ(1, raw_take(in.fd, &d[1], 0));
	taken = now_ns();
	ASSERT_EQ(0, holders_of(self->fd, self->family, e.o.out_id));
	ASSERT_EQ(2, seen.n);
	for (int i = 0; i < 2; i++) {
		bool loan = HOLDER(i, STATE) == IPCX_HOLDER_STATE_LOANED;

		EXPECT_EQ(e.o.out_id, HOLDER(i, OBJECT));
		EXPECT_STREQ("nl-holders", seen.name[i]);
		EXPECT_EQ(d[loan ? 0 : 1].slot, HOLDER(i, SLOT));
		EXPECT_EQ(getpid(), HOLDER(i, PID));
		EXPECT_EQ(0, HOLDER(i, UID));
		EXPECT_GT(20000, HOLDER(i, HELD_MS));
		EXPECT_EQ(loan ? 4321 : 10, HOLDER(i, BYTES));
		EXPECT_EQ(loan ? 0 : 1, HOLDER(i, SEQ));
		EXPECT_EQ(!loan, seen.has[i][IPCX_A_HOLDER_DELIVERIES]);
	}
	sender = HOLDER(d[0].slot > d[1].slot, END);
	EXPECT_NE(sender, HOLDER(d[0].slot < d[1].slot, END));
	/* its lease ends, and it comes back: it is queued, and who had it may still read it */
	for (int i = 0; i < 500; i++) {
		if (HOLDER(d[0].slot < d[1].slot, STATE) == IPCX_HOLDER_STATE_OVERDUE)
			break;
		usleep(10000);
		ASSERT_EQ(0, holders_of(self->fd, self->family, e.o.out_id));
		ASSERT_EQ(2, seen.n);
	}
	EXPECT_EQ(IPCX_HOLDER_STATE_OVERDUE, HOLDER(d[0].slot < d[1].slot, STATE));
	EXPECT_EQ(d[1].slot, HOLDER(d[0].slot < d[1].slot, SLOT));
	EXPECT_LE(200, HOLDER(d[0].slot < d[1].slot, HELD_MS));
	/* also when somebody else had it meanwhile, and not for as long as that one */
	ASSERT_EQ(1, raw_take(e.fd, &d[2], in_ms(10000)));
	ASSERT_EQ(d[1].slot, d[2].slot);
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d[2], IPCX_RELEASE_NACK));
	taken = now_ns() - taken;
	ASSERT_EQ(0, holders_of(self->fd, self->family, e.o.out_id));
	ASSERT_EQ(2, seen.n);
	EXPECT_EQ(IPCX_HOLDER_STATE_OVERDUE, HOLDER(d[0].slot < d[1].slot, STATE));
	EXPECT_LE(taken / 1000000, HOLDER(d[0].slot < d[1].slot, HELD_MS) + 20);
	EXPECT_EQ(-ESTALE, raw_release(in.fd, &d[1]));
	ASSERT_EQ(1, raw_cancel(e.fd, &d[0]));
	ASSERT_EQ(0, holders_of(self->fd, self->family, e.o.out_id));
	EXPECT_EQ(0, seen.n);
	/* many, and of all queues */
	for (int i = 0; i < 190; i++)
		ASSERT_EQ(1, raw_loan(e.fd, &d[0], 1, 0));
	ASSERT_EQ(0, dump(self->fd, self->family, IPCX_CMD_HOLDER_GET));
	EXPECT_EQ(190, seen.n);
	for (int i = 1; i < seen.n; i++)
		EXPECT_LT(HOLDER(i - 1, SLOT), HOLDER(i, SLOT));
	EXPECT_EQ(sender, HOLDER(0, END));
	end_close(&e);
	end_close(&in);
}

/* An answer that its caller has not taken holds a slot. */
TEST_F(nl, answer)
{
	struct side caller = { .e.o.depth = 4 }, server = {};
	struct ipcx_desc ask = {}, got;

	ASSERT_EQ(0,
		  side_open(&caller, "nl-answer", CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, side_open(&server, "nl-answer", IPCX_OPEN_RECV));
	ASSERT_EQ(1, side_send_inline(&caller, &ask, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(1, side_take(&server, &got, 0, 0));
	ASSERT_EQ(0, side_reply(&server, &got, NULL, "done", 4));
	ASSERT_EQ(0, holders_of(self->fd, self->family, caller.e.o.out_id));
	ASSERT_EQ(1, seen.n);
	EXPECT_EQ(IPCX_HOLDER_STATE_ANSWERED, HOLDER(0, STATE));
	EXPECT_FALSE(seen.has[0][IPCX_A_HOLDER_HELD_MS]);
	end_close(&caller.e);
	ASSERT_EQ(0, holders_of(self->fd, self->family, server.e.o.out_id));
	EXPECT_EQ(0, seen.n);
	end_close(&server.e);
}

/* How many objects, ends and holders somebody sees, on a socket that it opens itself. */
static int sees(int family)
{
	int fd = nl_open(), n = 0;

	for (int cmd = IPCX_CMD_OBJECT_GET; cmd <= IPCX_CMD_HOLDER_GET; cmd++) {
		if (dump(fd, family, cmd))
			return -1;
		n = n * 10 + seen.n;
	}
	close(fd);
	return n;
}

/* Others see what they may use, their own whatever its mode, and all with a capability. */
TEST_F(nl, visibility)
{
	struct end hidden = { .o.mode = 0600 }, shown = { .o.mode = 0602 };
	struct end readable = { .o.mode = 0604 }, group = { .o.mode = 0060 };
	struct end own = { .o.mode = 0001 };
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(0, end_open(&hidden, "nl-hidden", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&shown, "nl-shown", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&readable, "nl-readable", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, setegid(1000));
	ASSERT_EQ(0, end_open(&group, "nl-group", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, setegid(0));
	ASSERT_EQ(1, raw_loan(hidden.fd, &d, 1, 0));
	ASSERT_EQ(1, raw_loan(shown.fd, &d, 1, 0));
	EXPECT_EQ(442, sees(self->family));
	pid = fork();
	if (!pid) /* of no group that counts */
		_exit(setgroups(0, NULL) || as_user(1001) || sees(self->family) != 221);
	EXPECT_EQ(0, exit_status(pid));
	pid = fork();
	if (!pid) {
		int fd = nl_open();

		if (as_user(1000) || sees(self->family) != 331)
			_exit(1);
		if (get_object(fd, self->family, "nl-hidden")) /* opened as root: sees all */
			_exit(2);
		close(fd);
		fd = nl_open();
		if (get_object(fd, self->family, "nl-hidden") != -ENOENT ||
		    ask(fd, self->family, IPCX_CMD_OBJECT_GET, 0, IPCX_A_OBJECT_ID, 8,
			hidden.o.out_id) != -ENOENT)
			_exit(3);
		if (ends_of(fd, self->family, hidden.o.out_id) || seen.n ||
		    holders_of(fd, self->family, hidden.o.out_id) || seen.n)
			_exit(4);
		if (end_open(&own, "nl-own", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL))
			_exit(5);
		if (sees(self->family) != 441 || get_object(fd, self->family, "nl-own") ||
		    seen.v[0][IPCX_A_OBJECT_UID] != 1000 || seen.v[0][IPCX_A_OBJECT_GID] != 1000)
			_exit(6);
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&hidden);
	end_close(&shown);
	end_close(&readable);
	end_close(&group);
}

/* One capability is enough, and another is not. */
TEST_F(nl, capabilities)
{
	static const struct {
		int bit, seen;
	} caps[] = { { 12, 111 }, { 15, 111 }, { 21, 0 } }; /* NET_ADMIN, IPC_OWNER, SYS_ADMIN */
	struct end e = {};
	struct ipcx_desc d;
	pid_t pid;

	pid = fork();
	if (!pid) { /* another user's */
		if (as_user(1000) || end_open(&e, "nl-cap", CREATE | SENDRECV) ||
		    raw_loan(e.fd, &d, 1, 0) != 1)
			_exit(1);
		for (int i = 0; i < ARRAY_SIZE(caps); i++)
			pause();
		_exit(0);
	}
	for (int i = 0; i < 500 && sees(self->family) != 111; i++)
		usleep(10000);
	for (int i = 0; i < ARRAY_SIZE(caps); i++) {
		pid_t child = fork();

		if (!child)
			_exit(!drop_to(1ULL << caps[i].bit) || sees(self->family) != caps[i].seen);
		EXPECT_EQ(0, exit_status(child));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, raw_unlink("nl-cap"));
}

/* Into the network namespace of a process. */
static int enter(pid_t pid)
{
	char path[32];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return ret;
}

/* Another network namespace has nothing of this; its root sees all of its own, by its numbers. */
TEST_F(nl, namespaces)
{
	int done[2], go[2], old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct end e = {}, theirs = {};
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, end_open(&e, "nl-here", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = fork();
	if (!pid) {
		int fd = self->fd;

		close(go[1]);
		if (as_user(1000) || unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(1);
		if (sees(self->family)) /* nothing yet */
			_exit(2);
		/* then something of somebody else, who is not mapped */
		if (write(done[1], "x", 1) != 1 || read(go[0], &c, 1) != 1 ||
		    sees(self->family) != 110 || get_object(nl_open(), self->family, "nl-theirs") ||
		    seen.v[0][IPCX_A_OBJECT_UID] != 65534)
			_exit(3);
		if (end_open(&e, "nl-there", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
		    sees(self->family) != 220)
			_exit(4);
		/* a socket of before is in the namespace of before, numbers are its opener's */
		if (get_object(fd, self->family, "nl-here") || seen.v[0][IPCX_A_OBJECT_UID] ||
		    get_object(fd, self->family, "nl-there") != -ENOENT)
			_exit(5);
		if (write(done[1], "x", 1) != 1)
			_exit(6);
		_exit(read(go[0], &c, 1));
	}
	close(done[1]);
	ASSERT_EQ(1, read(done[0], &c, 1));
	ASSERT_EQ(0, enter(pid));
	ASSERT_EQ(0, end_open(&theirs, "nl-theirs", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, setns(old, CLONE_NEWNET));
	ASSERT_EQ(1, write(go[1], "g", 1));
	ASSERT_EQ(1, read(done[0], &c, 1));
	EXPECT_EQ(-ENOENT, get_object(self->fd, self->family, "nl-there"));
	close(go[1]);
	EXPECT_EQ(0, exit_status(pid));
	end_close(&theirs);
	/* in a namespace of processes that does not have this one */
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(1);
		pid = fork();
		if (!pid) {
			struct end mine = {};

			if (end_open(&mine, "nl-here", IPCX_OPEN_RECV) ||
			    ends_of(self->fd, self->family, e.o.out_id) || seen.n != 2)
				_exit(2);
			_exit(END(0, PID) || END(1, PID) != 1);
		}
		_exit(exit_status(pid));
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
}

/* Is somebody who has one object told of its own limits only, and @err for those of user 0? */
static bool sees_own_limits(int family, int err)
{
	int fd = nl_open();
	bool own = !dump(fd, family, IPCX_CMD_LIMIT_GET) && seen.n == 1 && LIMIT(0, OBJECTS) == 1 &&
		   ask(fd, family, IPCX_CMD_LIMIT_GET, 0, IPCX_A_LIMIT_UID, 4, 0) == err;

	close(fd);
	return own;
}

/* Root of a user namespace sees no more where the network namespace is not of it. */
TEST_F(nl, root_elsewhere)
{
	struct end hidden = {}, own = {};
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(0, end_open(&hidden, "nl-hidden", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(hidden.fd, &d, 1, 0));
	pid = fork();
	if (!pid) {
		if (as_user(1000) || unshare(CLONE_NEWUSER))
			_exit(1);
		if (sees(self->family))
			_exit(2);
		if (end_open(&own, NULL, CREATE | SENDRECV) || sees(self->family) != 110)
			_exit(3);
		if (!sees_own_limits(self->family, -EINVAL))
			_exit(4);
		/* in one of it: limits are of all namespaces, but not all users are of it */
		_exit(unshare(CLONE_NEWNET) || !sees_own_limits(self->family, -EINVAL) ? 5 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&hidden);
}

/* Who made a user namespace may see all of it, also from outside, but the limits of its users. */
TEST_F(nl, owner_from_outside)
{
	struct end e = {}, own = {};
	pid_t pid, guest;
	int done[2];
	char c;

	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, end_open(&e, NULL, CREATE | SENDRECV));
	pid = fork();
	if (!pid) {
		if (as_user(1000) || unshare(CLONE_NEWUSER | CLONE_NEWNET) ||
		    write(done[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(done[1]);
	ASSERT_EQ(1, read(done[0], &c, 1));
	guest = fork();
	if (!guest) {
		struct end hidden = {};

		if (enter(pid) || end_open(&hidden, "nl-hidden", CREATE | SENDRECV) ||
		    as_user(1000) || sees(self->family) != 110)
			_exit(1);
		if (end_open(&own, NULL, CREATE | SENDRECV))
			_exit(2);
		_exit(sees_own_limits(self->family, -EPERM) ? 0 : 3);
	}
	EXPECT_EQ(0, exit_status(guest));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	end_close(&e);
}

/* A namespace goes while a dump of it is half read. */
TEST_F_TIMEOUT(nl, namespace_goes, 300)
{
	static char buf[65536];
	struct request r;
	struct end e = {};
	char name[16];
	int fd, old = open("/proc/self/ns/net", O_RDONLY);

	for (int round = 0; round < 4; round++) {
		ASSERT_EQ(0, unshare(CLONE_NEWNET));
		fd = nl_open();
		for (int i = 0; i < 150; i++) {
			snprintf(name, sizeof(name), "nl-%d", i);
			ASSERT_EQ(0, end_open(&e, name, CREATE | SENDRECV));
			end_close(&e);
		}
		nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, NLM_F_DUMP);
		ASSERT_EQ(0, nl_send(fd, &r));
		ASSERT_EQ(1, nl_read(fd, buf, sizeof(buf), NULL, NULL));
		ASSERT_EQ(0, setns(old, CLONE_NEWNET)); /* the socket alone has it now */
		if (round & 1)
			ASSERT_EQ(1, nl_read(fd, buf, sizeof(buf), NULL, NULL));
		close(fd);
	}
	close(old);
	for (int i = 0; i < 200 && module_refs(); i++)
		usleep(50000);
	EXPECT_EQ(0, module_refs());
}

/* What counts against a user, and the limits. */
TEST_F(nl, limits)
{
	struct ipcx_info info = { .size = sizeof(info) };
	struct end e = {};
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, "nl-limits", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_send(&e, 100000, 'x'));
	ASSERT_EQ(0, device_ioctl(IPCX_IOC_INFO, &info));
	ASSERT_EQ(0, ask(self->fd, self->family, IPCX_CMD_LIMIT_GET, 0, 0, 0, 0));
	ASSERT_EQ(1, seen.n);
	EXPECT_EQ(0, LIMIT(0, UID));
	EXPECT_LT(100000, LIMIT(0, BYTES));
	EXPECT_EQ(info.out_user_bytes, LIMIT(0, BYTES));
	EXPECT_EQ(info.out_user_bytes_max, LIMIT(0, BYTES_MAX));
	EXPECT_EQ(info.out_user_queues, LIMIT(0, OBJECTS));
	EXPECT_EQ(info.out_user_queues_max, LIMIT(0, OBJECTS_MAX));
	EXPECT_EQ(info.out_user_regions, LIMIT(0, REGIONS));
	EXPECT_EQ(info.out_depth_max, LIMIT(0, DEPTH_MAX));
	EXPECT_EQ(info.out_msg_max, LIMIT(0, MSG_MAX));
	/* a user without anything */
	ASSERT_EQ(0, ask(self->fd, self->family, IPCX_CMD_LIMIT_GET, 0, IPCX_A_LIMIT_UID, 4, 1000));
	EXPECT_EQ(1000, LIMIT(0, UID));
	EXPECT_EQ(0, LIMIT(0, BYTES));
	EXPECT_EQ(0, LIMIT(0, OBJECTS));
	pid = fork();
	if (!pid) {
		int fd;

		if (as_user(1000) || end_open(&e, NULL, CREATE | SENDRECV))
			_exit(1);
		/* by a socket of root's */
		if (ask(self->fd, self->family, IPCX_CMD_LIMIT_GET, NLM_F_DUMP, 0, 0, 0) ||
		    seen.n != 2 || LIMIT(0, UID) != 0 || LIMIT(1, UID) != 1000 ||
		    LIMIT(1, OBJECTS) != 1)
			_exit(2);
		/* one without anything, who stands before this one */
		if (ask(self->fd, self->family, IPCX_CMD_LIMIT_GET, 0, IPCX_A_LIMIT_UID, 4, 999) ||
		    LIMIT(0, UID) != 999 || LIMIT(0, BYTES) || LIMIT(0, OBJECTS))
			_exit(6);
		fd = nl_open();
		if (dump(fd, self->family, IPCX_CMD_LIMIT_GET) || seen.n != 1 ||
		    LIMIT(0, UID) != 1000)
			_exit(3);
		if (ask(fd, self->family, IPCX_CMD_LIMIT_GET, 0, IPCX_A_LIMIT_UID, 4, 0) != -EPERM)
			_exit(4);
		if (ask(fd, self->family, IPCX_CMD_LIMIT_GET, 0, IPCX_A_LIMIT_UID, 4, 1000) ||
		    LIMIT(0, OBJECTS) != 1)
			_exit(5);
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	end_close(&e);
}

TEST_HARNESS_MAIN
