// SPDX-License-Identifier: GPL-2.0-only
/*
 * An end of a queue that is revoked: all who have it, who may do so, and what is told of it.
 */
#include <sys/epoll.h>

#include "event_util.h"
#include "hang_util.h"
#include "revoke_fixture.h"
#include "topic_util.h"

static int send_fd(int to, int fd)
{
	char c[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c)
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return sendmsg(to, &m, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int from)
{
	char c[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c)
	};
	int fd;

	if (recvmsg(from, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

/* The end is revoked, not a descriptor: all copies of that find it so. */
TEST_F(revoke, copies)
{
	int copy = dup(self->v.e.fd), pair[2], go[2], way;
	struct ipcx_desc d;
	pid_t pid;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(raw_loan(self->v.e.fd, &d, 8, 0) != -ESTALE);
	}
	ASSERT_EQ(0, send_fd(pair[0], self->v.e.fd));
	ASSERT_EQ(1, raw_loan(copy, &d, 8, 0));
	REVOKE();
	EXPECT_EQ(-ESTALE, raw_loan(copy, &d, 8, 0));
	EXPECT_EQ(0, close(copy));
	ASSERT_EQ(1, write(go[1], "g", 1));
	EXPECT_EQ(0, exit_status(pid));
	way = receive_fd(pair[1]);
	EXPECT_EQ(-ESTALE, raw_loan(way, &d, 8, 0));
	EXPECT_EQ(POLLERR | POLLHUP, events_of(way));
	close(way);
	close(pair[0]);
	close(pair[1]);
	close(go[0]);
	close(go[1]);
	EXPECT_TRUE(all_free(&self->o));
	EXPECT_EQ(1, stat_of(&self->o).out_senders);
}

/* With the last end an ephemeral queue goes, though its descriptor is still there. */
TEST_F(revoke, ephemeral)
{
	struct side again = {};

	end_close(&self->o.e);
	REVOKE();
	EXPECT_EQ(-ENOENT, side_open(&again, NAME, SENDRECV));
	EXPECT_EQ(-ENOENT, raw_unlink(NAME));
	ASSERT_EQ(0, side_open(&self->o, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	EXPECT_NE(self->v.e.o.out_id, self->o.e.o.out_id);
}

static void *open_into(void *o)
{
	return (void *)(intptr_t)open_raw(o);
}

/* The creator's end is revoked before it has it: the queue is gone again, and it is told so. */
TEST_F(revoke, creator)
{
	struct ipcx_queue_open *o = new_pages(4096);
	const char *name = NAME "-new";
	struct side again = {};
	pthread_t thread;
	void *fd;
	int hang;

	*o = (struct ipcx_queue_open){ .size = sizeof(*o),
				       .flags = CREATE | SENDRECV,
				       .name = (uintptr_t)name,
				       .name_len = strlen(name),
				       .mode = 0600 };
	hang = hang_writers(o, 4096);
	ASSERT_LE(0, hang);
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_into, o));
	ASSERT_TRUE(hangs(hang));
	EXPECT_EQ(0, revoke_end(self->fd, self->family, self->id + 1));
	EXPECT_EQ(0, hang_writers_no_more(hang, o, 4096));
	pthread_join(thread, &fd);
	EXPECT_EQ(-ESTALE, (intptr_t)fd);
	EXPECT_EQ(-ENOENT, raw_unlink(name));
	EXPECT_EQ(0, side_open(&again, name,
			       CREATE | SENDRECV | IPCX_OPEN_EXCL | IPCX_OPEN_EPHEMERAL));
	end_close(&again.e);
	close(hang);
	munmap(o, 4096);
}

/* A thread that sleeps in an epoll that shares its wake-ups with others */
struct watcher {
	int fd;
	struct epoll_event ev;
	int64_t back;
	pthread_t thread;
};

static void *watch(void *arg)
{
	struct watcher *w = arg;

	w->ev.events = 0;
	epoll_wait(w->fd, &w->ev, 1, 20000);
	w->back = now_ns();
	return NULL;
}

static int watch_alone(struct watcher *w, int fd, unsigned int event)
{
	w->fd = epoll_create1(0);
	w->ev.events = event | EPOLLET | EPOLLEXCLUSIVE;
	if (epoll_ctl(w->fd, EPOLL_CTL_ADD, fd, &w->ev))
		return -errno;
	return epoll_wait(w->fd, &w->ev, 1, 0);
}

/* Who still polls an end that was revoked does not keep others from what comes. */
TEST_F(revoke, exclusive)
{
	struct ipcx_desc d[8];

	for (int i = 0; i < 8; i++)
		ASSERT_EQ(1, raw_loan(self->o.e.fd, &d[i], 8, 0));
	for (unsigned int event = EPOLLIN; event; event = event == EPOLLIN ? EPOLLOUT : 0) {
		struct watcher gone = {}, other = {};
		int64_t start;

		ASSERT_EQ(0, watch_alone(&gone, self->v.e.fd, event));
		ASSERT_EQ(0, watch_alone(&other, self->o.e.fd, event));
		REVOKE();
		EXPECT_EQ(1, epoll_wait(gone.fd, &gone.ev, 1, 1000));
		ASSERT_EQ(0, pthread_create(&gone.thread, NULL, watch, &gone));
		ASSERT_EQ(0, pthread_create(&other.thread, NULL, watch, &other));
		usleep(100000);
		start = now_ns();
		ASSERT_EQ(1, event == EPOLLIN ? raw_commit(self->o.e.fd, &d[0]) :
						raw_cancel(self->o.e.fd, &d[1]));
		pthread_join(other.thread, NULL);
		EXPECT_EQ(event, other.ev.events);
		EXPECT_GT(start + 5000000000, other.back);
		pthread_join(gone.thread, NULL);
		close(gone.fd);
		close(other.fd);
		end_close(&self->v.e);
		ASSERT_EQ(0, side_open(&self->v, NAME, SENDRECV));
		self->id = last_end(self->fd, self->family, self->o.e.o.out_id);
	}
}

static int line_of(int fd, const char *line)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (!get_file(path, text, sizeof(text)))
		return -1;
	at = strstr(text, line);
	return at && (at == text || at[-1] == '\n');
}

TEST_F(revoke, fdinfo)
{
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, 8, 0));
	EXPECT_EQ(1, line_of(self->v.e.fd, "ipcx-loans:\t1\n"));
	EXPECT_EQ(0, line_of(self->v.e.fd, "ipcx-revoked:"));
	REVOKE();
	EXPECT_EQ(1, line_of(self->v.e.fd, "ipcx-loans:\t0\n"));
	EXPECT_EQ(1, line_of(self->v.e.fd, "ipcx-revoked:\t1\n"));
	EXPECT_EQ(0, line_of(self->o.e.fd, "ipcx-revoked:"));
}

TEST_F(revoke, events)
{
	int life = nl_listen(IPCX_MCGRP_LIFECYCLE), alerts = nl_listen(IPCX_MCGRP_ALERTS);
	uint64_t object = self->o.e.o.out_id;
	struct ipcx_desc d;

	ASSERT_LE(0, life);
	ASSERT_LE(0, alerts);
	ASSERT_EQ(1, raw_send(&self->o.e, 8, 'm'));
	ASSERT_EQ(1, raw_take(self->v.e.fd, &d, 0));
	ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, 8, 0));
	ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, LONG, 0));
	REVOKE();
	ASSERT_EQ(0, event_only(life));
	EXPECT_TRUE(event_is(KIND(CLOSED), object, NAME, getpid(), 0));
	EXPECT_EQ(self->id, EVENT(END));
	EXPECT_EQ(IPCX_EVENT_EXIT_REVOKED, EVENT(EXIT));
	EXPECT_EQ(2, EVENT(LOANS));
	EXPECT_EQ(1, EVENT(LEASES));
	EXPECT_EQ(getpid(), EVENT(BY_PID));
	EXPECT_EQ(pid_namespace(), EVENT(BY_PID_NS));
	EXPECT_TRUE(EVENT_HAS(BY_UID));
	EXPECT_EQ(0, EVENT(BY_UID));
	ASSERT_EQ(0, event_next(alerts, 10000));
	EXPECT_TRUE(event_is(KIND(LOANS_RETURNED), object, NAME, getpid(), 2));
	EXPECT_EQ(IPCX_EVENT_EXIT_REVOKED, EVENT(EXIT));
	ASSERT_EQ(0, event_only(alerts));
	EXPECT_TRUE(event_is(KIND(REDELIVERED), object, NAME, getpid(), 1));
	EXPECT_EQ(IPCX_EVENT_EXIT_REVOKED, EVENT(EXIT));
	/* not again by a close */
	close(dup(self->v.e.fd));
	munmap(self->v.e.tx, self->v.e.o.out_window);
	munmap(self->v.e.rx, self->v.e.o.out_window);
	close(self->v.e.fd);
	EXPECT_EQ(-ETIMEDOUT, event_next(life, QUIET_MS));
	close(life);
	close(alerts);
	ASSERT_EQ(0, side_open(&self->v, NAME, SENDRECV));
}

static const uint64_t no_caps;

/* A child with this user and these capabilities revokes. Return: what came of it. */
static int revoke_as(int family, uint64_t id, int uid, uint64_t caps)
{
	pid_t pid = fork();

	if (!pid) {
		int fd;

		if (uid ? as_user(uid) : !drop_to(caps))
			_exit(200);
		fd = nl_open();
		_exit(fd < 0 ? 201 : -revoke_end(fd, family, id));
	}
	return -exit_status(pid);
}

/* How many queues count as this user's, or -1 */
static int queues_of_mine(void)
{
	struct ipcx_info i = { .size = sizeof(i) };

	return device_ioctl(IPCX_IOC_INFO, &i) ? -1 : i.out_user_queues;
}

/*
 * A queue that nobody can open any more counts until the file of its last revoked end is closed.
 * @flags: IPCX_OPEN_EPHEMERAL, or it has to be unlinked
 */
static int still_counts(int family, unsigned int flags)
{
	struct side mine[2] = {};
	int fd = as_user(1002) ? -1 : nl_open();

	for (int i = 0; i < 2; i++)
		if (side_open(&mine[i], "mine", (i ? 0 : CREATE | flags) | SENDRECV))
			return 1;
	for (int i = 0; i < 2; i++)
		if (revoke_end(fd, family, last_end(fd, family, mine[0].e.o.out_id)))
			return 2;
	if (!flags && (queues_of_mine() != 1 || raw_unlink("mine")))
		return 3;
	for (int i = 0; i < 2; i++) {
		if (queues_of_mine() != 1)
			return 4 + i;
		end_close(&mine[i].e);
	}
	return queues_of_mine() ? 6 : 0;
}

TEST_F(revoke, counts)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(still_counts(self->family, i ? IPCX_OPEN_EPHEMERAL : 0));
		EXPECT_EQ(0, exit_status(pid));
	}
}

TEST_F(revoke, rights)
{
	struct side own = { .e.o.mode = 0600 }, mine = {}, other = { .e.o.mode = 0644 };
	int by_user;
	uint64_t id;
	pid_t pid;

	/* root's queue: others see what its mode lets them use, but do not own it */
	EXPECT_EQ(-ENOENT, revoke_as(self->family, self->id, 1000, no_caps));
	ASSERT_EQ(0, side_open(&other, NAME "-seen", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	id = last_end(self->fd, self->family, other.e.o.out_id);
	EXPECT_EQ(-EPERM, revoke_as(self->family, id, 1000, no_caps));
	/* a queue of user 1000, root has it open, too */
	ASSERT_EQ(0, seteuid(1000));
	ASSERT_EQ(0, side_open(&own, NAME "-own", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, side_open(&mine, NAME "-own", SENDRECV));
	id = last_end(self->fd, self->family, own.e.o.out_id);
	EXPECT_EQ(-ENOENT, revoke_as(self->family, id, 1001, no_caps));
	EXPECT_EQ(-ENOENT, revoke_as(self->family, id, 0, no_caps));
	EXPECT_EQ(-ENOENT, revoke_as(self->family, id, 0, 1ULL << 21)); /* CAP_SYS_ADMIN */
	EXPECT_EQ(-EPERM, revoke_as(self->family, id, 0, 1ULL << 12)); /* CAP_NET_ADMIN */
	EXPECT_EQ(0, ask_stat(mine.e.fd));
	/* by the socket that somebody else opened: that one counts */
	ASSERT_EQ(0, seteuid(1001));
	by_user = nl_open();
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(-ENOENT, revoke_end(by_user, self->family, id));
	close(by_user);
	/* root of another user namespace has nothing to say here */
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWUSER) || revoke_end(nl_open(), self->family, id) != -ENOENT);
	EXPECT_EQ(0, exit_status(pid));
	/* nor does who looks from another network namespace, whoever it is */
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNET) || revoke_end(nl_open(), self->family, id) != -ENOENT);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, ask_stat(mine.e.fd));
	EXPECT_EQ(0, revoke_as(self->family, id, 1000, no_caps));
	EXPECT_EQ(-ESTALE, ask_stat(mine.e.fd));
	/* its owner's own end, by who has the capability */
	id = last_end(self->fd, self->family, own.e.o.out_id);
	EXPECT_EQ(0, revoke_as(self->family, id, 0, 1ULL << 15)); /* CAP_IPC_OWNER */
	EXPECT_EQ(-ESTALE, ask_stat(own.e.fd));
	EXPECT_EQ(0, ask_stat(self->v.e.fd));
	end_close(&mine.e);
	end_close(&own.e);
	end_close(&other.e);
}

TEST_F(revoke, refused)
{
	struct ipcx_topic_open t = { .size = sizeof(t), .flags = CREATE | IPCX_TOPIC_PUBLISH };
	struct request r;
	uint64_t id;
	int topic;

	EXPECT_EQ(-ENOENT, revoke_end(self->fd, self->family, self->id + 1000));
	EXPECT_STREQ(WORDS_NONE, nl_words);
	nl_init(&r, self->family, IPCX_CMD_END_REVOKE, NLM_F_ACK);
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	EXPECT_STREQ("the number of an end is needed", nl_words);
	nl_put_u64(&r, IPCX_A_END_ID, self->id);
	nl_put_u64(&r, IPCX_A_END_ID, self->id);
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	EXPECT_STREQ("the attribute comes twice", nl_words);
	nl_init(&r, self->family, IPCX_CMD_END_REVOKE, NLM_F_ACK);
	nl_put_u64(&r, IPCX_A_END_ID, self->id);
	nl_put_u64(&r, IPCX_A_END_OBJECT, self->o.e.o.out_id);
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_END_REVOKE, NLM_F_DUMP);
	EXPECT_EQ(-EOPNOTSUPP, nl_ask(self->fd, &r, NULL, NULL));
	EXPECT_EQ(-ERANGE, revoke_end(self->fd, self->family, 0));
	for (int attr = 0; attr < 12; attr++) {
		for (int len = 0; len < 20; len++) {
			if (attr == IPCX_A_END_ID && len == 8)
				continue;
			nl_init(&r, self->family, IPCX_CMD_END_REVOKE, NLM_F_ACK);
			nl_put(&r, attr, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", len);
			EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
		}
	}
	topic = device_ioctl(IPCX_IOC_TOPIC_OPEN, &t);
	ASSERT_LE(0, topic);
	id = last_end(self->fd, self->family, t.out_id);
	EXPECT_EQ(-EOPNOTSUPP, revoke_end(self->fd, self->family, id));
	EXPECT_STREQ("only ends of queues can be revoked", nl_words);
	close(topic);
	EXPECT_EQ(0, ask_stat(self->v.e.fd));
}

TEST_HARNESS_MAIN
