// SPDX-License-Identifier: GPL-2.0-only
/*
 * A service that is killed and started again, and what it has in the descriptor store of its
 * manager meanwhile (FDSTORE=1 of sd_notify(3), LISTEN_FDS of sd_listen_fds(3)). The manager is
 * the test; the service is this program, executed by the number of what it is to do.
 */
#include <ipcx.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME "fdstore"
#define FIRST_FD 3

enum service { KEEPS, LENDS, NAMELESS, SERVES, PEEKS, READS };

/* sd_pid_notify_with_fds(): a datagram, and with it a descriptor or -1. */
static int notify(const char *text, int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {};
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr h = { .msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1 };
	const char *path = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

	strcpy(to.sun_path + 1, path + 1); /* an abstract one, "@..." */
	h.msg_namelen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (fd >= 0) {
		h.msg_control = u.buf;
		h.msg_controllen = sizeof(u.buf);
		u.align.cmsg_level = SOL_SOCKET;
		u.align.cmsg_type = SCM_RIGHTS;
		u.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&u.align), &fd, sizeof(fd));
	}
	r = sendmsg(s, &h, 0) < 0;
	close(s);
	return r;
}

/* Its end takes what comes first, and it is killed with that; another one or the same is stored. */
static int keep(enum service how)
{
	const char *name = how == NAMELESS ? NULL : NAME;
	struct ipcx_queue *q, *stored;
	struct ipcx_msg m;

	if (ipcx_queue_open(&q, name, IPCX_CREATE | IPCX_SEND | IPCX_RECV | IPCX_EPHEMERAL, NULL))
		return 1;
	stored = q;
	if (how == KEEPS && ipcx_queue_open(&stored, NAME, IPCX_RECV, NULL))
		return 2;
	if (notify("FDSTORE=1\nFDNAME=jobs", ipcx_queue_fd(stored)))
		return 3;
	if (how == NAMELESS && ipcx_queue_send(q, "a job", 5, IPCX_NOWAIT))
		return 4;
	if (how != NAMELESS && ipcx_queue_take(q, &m, in_ms(20000)))
		return 5;
	if (notify("READY=1", -1))
		return 6;
	pause();
	return 7;
}

/* Started again: takes what has come back first and what waited then, and answers. */
static int serve(void)
{
	struct ipcx_msg m, reply = { .data = "done", .len = 4 };
	struct ipcx_queue *q;

	if (ipcx_queue_open(&q, NAME, IPCX_RECV, NULL))
		return 1;
	if (ipcx_queue_take(q, &m, IPCX_NOWAIT) || m.deliveries != 1 || *(char *)m.data != '1')
		return 2;
	if (ipcx_queue_reply(q, &m, &reply))
		return 3;
	if (ipcx_queue_take(q, &m, IPCX_NOWAIT) || m.deliveries || *(char *)m.data != '2')
		return 4;
	return ipcx_queue_release(q, &m) ? 5 : 0;
}

/* Started again: what was taken would be the next, and is not there. */
static int peek(void)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (ipcx_queue_open(&q, NAME, IPCX_RECV, NULL))
		return 1;
	return ipcx_queue_peek(q, &m) || m.flags & IPCX_REQUEST || m.deliveries ? 2 : 0;
}

/* Started again with a descriptor of a queue that has no name. */
static int read_stored(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	char buf[16];

	if (!pid || atoi(pid) != getpid() || !n || strcmp(n, "1") ||
	    strcmp(getenv("LISTEN_FDNAMES") ?: "", "jobs"))
		return 1;
	return read(FIRST_FD, buf, sizeof(buf)) == 5 && !memcmp(buf, "a job", 5) ? 0 : 2;
}

static __attribute__((constructor)) void executed(void)
{
	const char *what = getenv("FDSTORE_SERVICE");
	enum service how = what ? atoi(what) : 0;

	if (!what)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	switch (how) {
	case SERVES:
		_exit(serve());
	case PEEKS:
		_exit(peek());
	case READS:
		_exit(read_stored());
	default:
		_exit(keep(how));
	}
}

FIXTURE(fdstore)
{
	int socket, stored;
	pid_t service;
	struct ipcx_queue *client;
};

FIXTURE_SETUP(fdstore)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval most = { .tv_sec = 20 };
	socklen_t len = sizeof(at);
	char path[sizeof(at.sun_path) + 1];

	self->stored = -1;
	self->service = 0;
	self->client = NULL;
	self->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* the kernel chooses an abstract name */
	ASSERT_EQ(0, bind(self->socket, (void *)&at, sizeof(at.sun_family)));
	ASSERT_EQ(0, getsockname(self->socket, (void *)&at, &len));
	ASSERT_EQ(0, setsockopt(self->socket, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)));
	snprintf(path, sizeof(path), "@%.*s",
		 (int)(len - offsetof(struct sockaddr_un, sun_path) - 1), at.sun_path + 1);
	setenv("NOTIFY_SOCKET", path, 1);
}

typedef FIXTURE_DATA(fdstore) fix;

static void stop(fix *self)
{
	if (self->service)
		kill(self->service, SIGKILL);
	if (self->service)
		exit_status(self->service);
	self->service = 0;
}

FIXTURE_TEARDOWN(fdstore)
{
	stop(self);
	ipcx_queue_close(self->client);
	close(self->stored);
	close(self->socket);
}

/* As a manager does: with what it stores from FIRST_FD on. */
static void start(fix *self, enum service how)
{
	char number[16], pid[16];

	self->service = fork();
	if (self->service)
		return;
	snprintf(number, sizeof(number), "%d", how);
	setenv("FDSTORE_SERVICE", number, 1);
	if (self->stored >= 0) {
		int fd = fcntl(self->stored, F_DUPFD, FIRST_FD + 1); /* of the two, one may be 3 */

		snprintf(pid, sizeof(pid), "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_FDNAMES", "jobs", 1);
		dup2(fd, FIRST_FD);
		close(fd);
	}
	execl("/proc/self/exe", "fdstore", NULL);
	_exit(99);
}

static int again(fix *self, enum service how)
{
	int status;

	start(self, how);
	status = exit_status(self->service);
	self->service = 0;
	return status;
}

/* What the service says must be @text. Return: the descriptor that came with it, or -1. */
static int heard(fix *self, const char *text)
{
	char said[64] = "", buf[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { said, sizeof(said) - 1 };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	int fd = -1;

	if (recvmsg(self->socket, &h, MSG_CMSG_CLOEXEC) < 0 || strcmp(said, text))
		return -2;
	if (CMSG_FIRSTHDR(&h))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

/* One request that the service has taken when it is killed, and a message that waits. */
static int killed_at_work(fix *self, enum service how, bool store, struct ipcx_msg *ask)
{
	struct ipcx_msg none = {};

	start(self, how);
	self->stored = heard(self, "FDSTORE=1\nFDNAME=jobs");
	if (self->stored < 0)
		return 1;
	if (!store) {
		close(self->stored);
		self->stored = -1;
	}
	if (ipcx_queue_open(&self->client, NAME, IPCX_SEND, NULL) ||
	    ipcx_queue_loan(self->client, 1, ask, IPCX_NOWAIT))
		return 2;
	*(char *)ask->data = '1';
	if (ipcx_queue_call(self->client, ask, &none, IPCX_NOWAIT) != -EAGAIN)
		return 3;
	if (heard(self, "READY=1") != -1 || ipcx_queue_send(self->client, "2", 1, IPCX_NOWAIT))
		return 4;
	stop(self);
	return 0;
}

/* An end that takes nothing keeps the queue, and who waits for an answer waits for the next one. */
TEST_F(fdstore, another_end)
{
	struct ipcx_msg ask, reply = {};
	struct ipcx_queue *q;

	ASSERT_EQ(0, killed_at_work(self, KEEPS, true, &ask));
	EXPECT_EQ(-EAGAIN, ipcx_queue_call(self->client, &ask, &reply, IPCX_NOWAIT));
	ASSERT_EQ(0, again(self, SERVES));
	ASSERT_EQ(0, ipcx_queue_call(self->client, &ask, &reply, in_ms(20000)));
	EXPECT_EQ(0, memcmp(reply.data, "done", 4));
	ipcx_queue_close(self->client);
	self->client = NULL;
	/* nobody has it open but the store */
	ASSERT_EQ(0, ipcx_queue_open(&q, NAME, IPCX_RECV, NULL));
	ipcx_queue_close(q);
	close(self->stored);
	self->stored = -1;
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, NAME, IPCX_RECV, NULL));
}

/* A manager that stores nothing: who waits for an answer is told so at once. */
TEST_F(fdstore, nothing_stored)
{
	struct ipcx_msg ask, reply = {};

	ASSERT_EQ(0, killed_at_work(self, KEEPS, false, &ask));
	EXPECT_EQ(-EOWNERDEAD, ipcx_queue_call(self->client, &ask, &reply, in_ms(20000)));
}

/* The end that took keeps what it took, until it is taken out of the store; then it comes back. */
TEST_F(fdstore, the_end_that_took)
{
	struct ipcx_msg ask, reply = {};
	struct ipcx_queue *server;

	ASSERT_EQ(0, killed_at_work(self, LENDS, true, &ask));
	ASSERT_EQ(0, again(self, PEEKS));
	EXPECT_EQ(-EAGAIN, ipcx_queue_call(self->client, &ask, &reply, IPCX_NOWAIT));
	/* while somebody else could serve, or it was the last and the caller is told so */
	ASSERT_EQ(0, ipcx_queue_open(&server, NAME, IPCX_RECV, NULL));
	close(self->stored);
	self->stored = -1;
	ASSERT_EQ(0, again(self, SERVES));
	EXPECT_EQ(0, ipcx_queue_call(self->client, &ask, &reply, in_ms(20000)));
	ipcx_queue_close(server);
}

/* A queue without a name is nowhere else. */
TEST_F(fdstore, without_a_name)
{
	start(self, NAMELESS);
	self->stored = heard(self, "FDSTORE=1\nFDNAME=jobs");
	ASSERT_LE(0, self->stored);
	ASSERT_EQ(-1, heard(self, "READY=1"));
	stop(self);
	EXPECT_EQ(0, again(self, READS));
}

TEST_HARNESS_MAIN
