// SPDX-License-Identifier: GPL-2.0-only
/*
 * Alerts of limits: whoever a limit stops is told of, once, with the limit and what it is.
 */
#include <sys/stat.h>

#include "event_alert.h"
#include "region_use.h"
#include "topic_util.h"

#define PARAM "/sys/module/ipcx/parameters/"
#define NAME "event-limit"

TEST_F(alert, bytes_of_a_queue)
{
	struct end e = {
		.o = { .depth = 8, .policy = IPCX_POLICY_FAIL, .msg_max = 8192, .bytes_max = 8192 }
	};
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(1, raw_loan(e.fd, &d, 8192, 0));
	ASSERT_EQ(-EAGAIN, raw_loan(e.fd, &d, 4096, 0));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), e.o.out_id, NAME, getpid(), 1));
	EXPECT_TRUE(event_limit(LIMIT(BYTES_MAX), 8192));
	end_close(&e);
}

/* Waits for the word to go on, so that its parent reads what was told before. */
static void step(int to, int from)
{
	char c;

	if (write(to, "s", 1) != 1 || read(from, &c, 1) != 1)
		_exit(90);
}

static int region; /* of root */

/* A user with limits: too much for a message, too large a queue, too many queues, and regions. */
static void limited_user(int to, int from)
{
	struct end e[2] = { { .o = { .depth = 8, .msg_max = 1 << 20 } }, { .o.depth = 65536 } };
	struct ipcx_desc d;

	if (setuid(1000) ||
	    end_open(&e[0], "event-user", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
	    raw_loan(e[0].fd, &d, 1 << 20, 0) != -EDQUOT)
		_exit(1);
	step(to, from);
	if (end_open(&e[1], "event-large", CREATE | SENDRECV) != -EDQUOT)
		_exit(2);
	step(to, from);
	e[1].o = (struct ipcx_queue_open){ .depth = 1 };
	if (end_open(&e[1], "event-many", CREATE | SENDRECV) != -EDQUOT)
		_exit(3);
	step(to, from);
	if (raw_loan(e[0].fd, &d, 1, 0) != 1 || region_attach(e[0].fd, d.slot, region, BOTH) ||
	    region_attach(e[0].fd, d.slot, region, BOTH) != -EDQUOT || raw_cancel(e[0].fd, &d) != 1)
		_exit(4);
	_exit(0);
}

static bool user_is(uint64_t object, const char *name, pid_t pid, int limit, uint64_t value)
{
	if (EVENT(KIND) == KIND(REFUSED) && !EVENT(OBJECT) == !object &&
	    !strcmp(seen.name[0], name) && EVENT(PID) == pid && EVENT(UID) == 1000 &&
	    EVENT(COUNT) == 1 && event_limit(limit, value))
		return true;
	event_show();
	return false;
}

TEST_F(alert, limits_of_a_user)
{
	char bytes[32], queues[32], c;
	int to[2], from[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	ASSERT_TRUE(get_file(PARAM "user_bytes_max", bytes, sizeof(bytes)));
	ASSERT_TRUE(get_file(PARAM "user_queues_max", queues, sizeof(queues)));
	ASSERT_EQ(0, put_file(PARAM "user_bytes_max", "65536"));
	region = region_new(PAGE);
	pid = fork();
	if (!pid)
		limited_user(from[1], to[0]);
	ASSERT_EQ(1, read(from[0], &c, 1));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(user_is(1, "event-user", pid, LIMIT(USER_BYTES), 65536));
	ASSERT_EQ(1, write(to[1], "g", 1));
	ASSERT_EQ(1, read(from[0], &c, 1));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(user_is(0, "event-large", pid, LIMIT(USER_BYTES), 65536));
	ASSERT_EQ(0, put_file(PARAM "user_queues_max", "1"));
	ASSERT_EQ(1, write(to[1], "g", 1));
	ASSERT_EQ(1, read(from[0], &c, 1));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(user_is(0, "event-many", pid, LIMIT(USER_OBJECTS), 1));
	ASSERT_EQ(1, write(to[1], "g", 1));
	/* what it leaves behind is a loan that failed, which is none */
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(user_is(1, "event-user", pid, LIMIT(USER_OBJECTS), 1));
	close(region);
	put_file(PARAM "user_bytes_max", bytes);
	put_file(PARAM "user_queues_max", queues);
}

/* Each slot is kept for a sender of another user. */
TEST_F(alert, senders_of_a_queue)
{
	struct end e = { .o = { .depth = 1, .mode = 0666 } };
	pid_t pid;

	ASSERT_EQ(0, end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	pid = fork();
	if (!pid) {
		struct end mine = {};

		_exit(setuid(1000) || end_open(&mine, NAME, IPCX_OPEN_SEND) != -ENOSPC);
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(user_is(1, NAME, pid, LIMIT(PEERS), 0));
	end_close(&e);
}

/* Who comes when a topic has as many publishers as it can have. */
TEST_F(alert, publishers_of_a_topic)
{
	struct ipcx_topic_open o = { .size = sizeof(o),
				     .flags = CREATE | PUBLISH | EPHEMERAL,
				     .name = (uintptr_t)NAME,
				     .name_len = strlen(NAME),
				     .mode = 0600 };
	int fd[IPCX_TOPIC_RINGS];

	for (int i = 0; i < IPCX_TOPIC_RINGS; i++) {
		fd[i] = topic_open_raw(&o);
		ASSERT_LE(0, fd[i]);
	}
	ASSERT_EQ(-ENOSPC, topic_open_raw(&o));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), o.out_id, NAME, getpid(), 1));
	EXPECT_EQ(IPCX_KIND_TOPIC, EVENT(OBJECT_KIND));
	EXPECT_TRUE(event_limit(LIMIT(PEERS), 0));
	for (int i = 0; i < IPCX_TOPIC_RINGS; i++)
		close(fd[i]);
}

/* Objects that could not be made are summed up, with the name of the last. */
TEST_F(alert, many_not_made)
{
	const int n = rounds(2000);
	int64_t begin = now_ns();
	uint64_t sum = 0;
	char queues[32];
	int events = 0;
	pid_t pid;

	ASSERT_TRUE(get_file(PARAM "user_queues_max", queues, sizeof(queues)));
	ASSERT_EQ(0, put_file(PARAM "user_queues_max", "0"));
	pid = fork();
	if (!pid) {
		struct end e = { .o.depth = 1 };

		if (setuid(1000))
			_exit(1);
		for (int i = 0; i < n; i++)
			if (end_open(&e, i < n - 1 ? "event-not" : "event-last",
				     CREATE | SENDRECV) != -EDQUOT)
				_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, exit_status(pid));
	for (; !event_next(self->fd, QUIET_MS); events++) {
		EXPECT_EQ(KIND(REFUSED), EVENT(KIND));
		EXPECT_TRUE(event_limit(LIMIT(USER_OBJECTS), 0));
		EXPECT_FALSE(EVENT_HAS(OBJECT));
		EXPECT_EQ(pid, EVENT(PID));
		sum += EVENT(COUNT);
	}
	EXPECT_STREQ("event-last", seen.name[0]);
	EXPECT_EQ(n, sum);
	EXPECT_GE((now_ns() - begin) / 90000000 + 3, events);
	put_file(PARAM "user_queues_max", queues);
}

/* As a user: makes an object that a limit does not allow, a queue or a topic. */
static int not_made(int uid, const char *name, bool topic)
{
	struct end e = { .o.depth = 1 };
	struct member m = { .o.depth = 8 };
	int err;

	if (seteuid(uid))
		return -errno;
	err = topic ? member_open(&m, name, CREATE | PUBLISH) :
		      end_open(&e, name, CREATE | SENDRECV);
	return seteuid(0) ? -errno : err;
}

/* Two that different limits stop at once: each with its own name and kind. */
TEST_F(alert, two_not_made)
{
	char bytes[32], queues[32];
	const int n = rounds(100);
	uint64_t sum = 0;

	ASSERT_TRUE(get_file(PARAM "user_bytes_max", bytes, sizeof(bytes)));
	ASSERT_TRUE(get_file(PARAM "user_queues_max", queues, sizeof(queues)));
	ASSERT_EQ(0, not_made(1000, "event-mine", false));
	ASSERT_EQ(0, put_file(PARAM "user_bytes_max", "1"));
	ASSERT_EQ(0, put_file(PARAM "user_queues_max", "1"));
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(-EDQUOT, not_made(1000, "event-objects", false));
		ASSERT_EQ(-EDQUOT, not_made(1001, "event-bytes", true));
	}
	for (; !event_next(self->fd, QUIET_MS); sum += EVENT(COUNT)) {
		bool first = EVENT(UID) == 1000;

		EXPECT_STREQ(first ? "event-objects" : "event-bytes", seen.name[0]);
		EXPECT_EQ(first ? IPCX_KIND_QUEUE : IPCX_KIND_TOPIC, EVENT(OBJECT_KIND));
		EXPECT_TRUE(event_limit(first ? LIMIT(USER_OBJECTS) : LIMIT(USER_BYTES), 1));
	}
	EXPECT_EQ(2 * n, sum);
	put_file(PARAM "user_bytes_max", bytes);
	put_file(PARAM "user_queues_max", queues);
	EXPECT_EQ(0, raw_unlink("event-mine"));
}

/* The creator's cgroup is full; the sender is told, and named. */
TEST_F(alert, memory)
{
	struct end e = { .o = { .depth = 4, .msg_max = 32 << 20 } };
	const char *dir = "/sys/fs/cgroup/ipcx-event";
	char path[64], text[16];
	struct ipcx_desc d;
	pid_t pid;

	ASSERT_EQ(0, mkdir(dir, 0755));
	snprintf(path, sizeof(path), "%s/memory.max", dir);
	ASSERT_EQ(0, put_file(path, "8388608"));
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	pid = fork();
	if (!pid) {
		snprintf(text, sizeof(text), "%d", getpid());
		_exit(put_file(path, text) || end_open(&e, NAME, CREATE | SENDRECV));
	}
	ASSERT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, end_open(&e, NAME, SENDRECV));
	ASSERT_EQ(-ENOMEM, raw_loan(e.fd, &d, 32 << 20, 0));
	ASSERT_EQ(0, event_only(self->fd));
	EXPECT_TRUE(event_is(KIND(REFUSED), e.o.out_id, NAME, getpid(), 1));
	EXPECT_EQ(LIMIT(MEMORY), EVENT(LIMIT));
	EXPECT_FALSE(EVENT_HAS(LIMIT_VALUE));
	ASSERT_EQ(0, raw_unlink(NAME));
	end_close(&e);
	EXPECT_EQ(0, rmdir(dir));
}

TEST_HARNESS_MAIN
