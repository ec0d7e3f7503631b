// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics over UNIX sockets where a peer does what it should not: heads that no publisher makes,
 * descriptors that are no message, answers that no subscriber gives, or nothing at all.
 */
#include <sys/epoll.h>
#include <sys/mman.h>

#include "frame_util.h"
#include "topic_unix_util.h"

/* Kinds of frames, as in libuser/frame.h */
enum { MESSAGE = 1, REQUEST, REPLY, ERROR, HANDED, SEEN, CUT };

FIXTURE(peer)
{
	char dir[64], ours[80], path[140];
	struct ipcx_topic *pub, *sub;
	int fd, files;
};

FIXTURE_VARIANT(peer)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(peer, reliable){};
FIXTURE_VARIANT_ADD(peer, lossy){ .flags = IPCX_LOSSY };

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
}

FIXTURE_SETUP(peer)
{
	memset(self, 0, sizeof(*self));
	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(dir_make(self->dir, self->ours));
	ASSERT_EQ(0, open_topic(&self->pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&self->sub, IPCX_SUBSCRIBE | variant->flags));
	ASSERT_TRUE(find_socket(self->ours, self->path));
	ASSERT_EQ(0, send_nr(self->pub, 0, 0));
	ASSERT_EQ(0, recv_nr(self->sub, 0));
	self->files = entries("/proc/self/fd");
	self->fd = connect_to(self->path);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(peer)
{
	close(self->fd);
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, 0));
	EXPECT_EQ(self->files, entries("/proc/self/fd"));
	ipcx_topic_close(self->pub);
	ipcx_topic_close(self->sub);
	EXPECT_EQ(0, dir_remove(self->dir, self->ours));
}

/* Sends a head and @more bytes, which are zero, and @n descriptors @handed. */
static bool send_with(int fd, struct head h, size_t more, int handed, int n)
{
	static char packet[sizeof(struct head) + 4096];
	char control[CMSG_SPACE(2 * sizeof(int))] = {};
	struct iovec iov = { packet, sizeof(h) + more };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)control;
	int fds[2] = { handed, handed };

	seal_head(&h);
	memcpy(packet, &h, sizeof(h));
	if (n) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	return sendmsg(fd, &msg, 0) == iov.iov_len;
}

static bool send_raw(int fd, struct head h)
{
	return send_with(fd, h, h.chunk, -1, 0);
}

static bool send_good(int fd, uint64_t id)
{
	return send_raw(fd, (struct head){ .kind = MESSAGE, .len = 8, .chunk = 8, .id = id });
}

/* Has it been shut out, once the subscriber has looked? */
static bool is_out_after(FIXTURE_DATA(peer) *self, uint64_t nr)
{
	struct ipcx_msg m;
	ssize_t n;
	char c;

	if (send_nr(self->pub, nr, 0) || ipcx_topic_take(self->sub, &m, 0) || m.len != 8 ||
	    *(uint64_t *)m.data != nr || ipcx_topic_release(self->sub, &m) ||
	    ipcx_topic_take(self->sub, &m, 0) != -EAGAIN)
		return false;
	n = recv(self->fd, &c, 1, MSG_DONTWAIT);
	return !n || (n < 0 && errno != EAGAIN);
}

/* Who has never been a publisher is shut out, and nobody hears of it. */
TEST_F(peer, nonsense_first)
{
	static const struct head bad[] = {
		{ .kind = 0 },
		{ .kind = REQUEST, .len = 8, .chunk = 8 },
		{ .kind = REPLY, .len = 8, .chunk = 8 },
		{ .kind = ERROR, .flags = 1 },
		{ .kind = SEEN, .id = 1 },
		{ .kind = CUT + 1 },
		{ .kind = HANDED },
		{ .kind = HANDED, .len = 8, .chunk = 8 },
		{ .kind = HANDED, .len = 100000 },
		{ .kind = HANDED, .len = UINT64_MAX },
		{ .kind = MESSAGE, .len = 16, .chunk = 8 },
		{ .kind = MESSAGE, .len = 16, .chunk = 8, .offset = 8 },
		{ .kind = MESSAGE, .len = 8 },
		{ .kind = MESSAGE, .len = (1 << 20) + 1, .chunk = 8 },
		{ .kind = MESSAGE, .len = 8, .chunk = 8, .prio = 32 },
		{ .kind = MESSAGE, .len = 8, .chunk = 8, .zero = 1 },
		{ .kind = MESSAGE, .len = 8, .chunk = 8, .expires = -1 },
		{ .kind = MESSAGE, .len = 8, .chunk = 8, .id = -1 }, /* there is none behind it */
		{ .kind = CUT }, /* from what? */
	};
	uint64_t nr = 1;

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_TRUE(send_raw(self->fd, bad[i]));
		EXPECT_TRUE(is_out_after(self, nr++)) TH_LOG("head %d", i);
		close(self->fd);
		self->fd = connect_to(self->path);
	}
	/* longer or shorter than it says, or no head at all */
	for (int more = 0; more <= 32; more += 16) {
		struct head h = { .kind = MESSAGE, .len = 8, .chunk = 8 };

		ASSERT_TRUE(send_with(self->fd, h, more, -1, 0));
		EXPECT_TRUE(is_out_after(self, nr++));
		close(self->fd);
		self->fd = connect_to(self->path);
		ASSERT_EQ(more, send(self->fd, self->dir, more, 0));
		EXPECT_TRUE(is_out_after(self, nr++));
		close(self->fd);
		self->fd = connect_to(self->path);
	}
}

static int sealed(size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return ftruncate(fd, len) || fcntl(fd, F_ADD_SEALS, seals) ? -1 : fd;
}

/* One that has no seals: a file on a disk */
static int plain_file(const char *dir, size_t len)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/plain", dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	return unlink(path) || ftruncate(fd, len) ? -1 : fd;
}

/* What is handed over is looked at before it is mapped, and nothing of it is kept. */
TEST_F(peer, handed)
{
	int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, pipes[2];
	struct head h = { .kind = HANDED, .len = 5000 };
	int bad[] = { sealed(5000, all & ~F_SEAL_SHRINK),
		      sealed(5000, all & ~F_SEAL_WRITE),
		      sealed(4999, all),
		      sealed(5001, all),
		      sealed(0, all),
		      open("/dev/zero", O_RDWR),
		      open(self->dir, O_PATH),
		      -1,
		      -1,
		      plain_file(self->dir, 5000) };
	uint64_t nr = 1;

	ASSERT_EQ(0, pipe(pipes));
	bad[7] = pipes[0];
	bad[8] = pipes[1];
	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_LE(0, bad[i]);
		ASSERT_TRUE(send_with(self->fd, h, 0, bad[i], 1));
		close(bad[i]);
		EXPECT_TRUE(is_out_after(self, nr++)) TH_LOG("descriptor %d", i);
		close(self->fd);
		self->fd = connect_to(self->path);
	}
	/* one that would do, but two of them, or none, or where none belongs */
	bad[0] = sealed(5000, all);
	for (int i = 0; i < 3; i++) {
		h.kind = i ? HANDED : MESSAGE;
		h.len = i ? 5000 : 0;
		ASSERT_TRUE(send_with(self->fd, h, 0, bad[0], i != 1 ? 1 + !!i : 0));
		EXPECT_TRUE(is_out_after(self, nr++)) TH_LOG("case %d", i);
		close(self->fd);
		self->fd = connect_to(self->path);
	}
	/* that was why */
	ASSERT_TRUE(send_with(self->fd, h, 0, bad[0], 1));
	EXPECT_EQ(-EMSGSIZE, recv_nr(self->sub, 0));
	close(bad[0]);
	close(self->fd);
	self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	{
		static char text[5000];

		EXPECT_EQ(5000, ipcx_topic_recv(self->sub, text, sizeof(text), 0));
	}
}

/* Of one that was a publisher it is told, once. */
TEST_F(peer, nonsense_later)
{
	uint64_t nr = 1;

	for (int i = 0; i < (variant->flags ? 3 : 4); i++) {
		ASSERT_TRUE(send_good(self->fd, 7));
		ASSERT_TRUE(i == 1 ? send_good(self->fd, 7) :
			    i == 2 ? send_good(self->fd, 3) :
			    i == 3 ? send_good(self->fd, 9) : /* none is left out */
				     send_raw(self->fd, (struct head){ .kind = SEEN }));
		ASSERT_TRUE(send_good(self->fd, 9));
		EXPECT_EQ(0, recv_nr(self->sub, 0));
		EXPECT_EQ(-EPROTO, recv_nr(self->sub, 0));
		EXPECT_TRUE(is_out_after(self, nr++));
		close(self->fd);
		self->fd = connect_to(self->path);
	}
	EXPECT_EQ(0, ipcx_topic_missed(self->sub));
}

/* Who connects and does nothing, or again and again, is nobody's burden. */
TEST_F(peer, idle)
{
	for (int i = 0; i < 300; i++) {
		int fd = connect_to(self->path);

		ASSERT_LE(0, fd);
		close(fd);
	}
	for (int i = 1; i < 3 * DEPTH; i++) {
		ASSERT_EQ(0, send_nr(self->pub, i, 0));
		ASSERT_EQ(i, recv_nr(self->sub, 0));
	}
	EXPECT_EQ(-EAGAIN, recv_nr(self->sub, 0));
	EXPECT_EQ(-ETIMEDOUT, recv_nr(self->sub, in_ms(20)));
}

/* So many go at once that one take does not see them all; who is told once hears of the rest. */
TEST_F(peer, edge)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(0), fd[300], tries = 0;
	int64_t r;

	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, ipcx_topic_fd(self->sub), &ev));
	for (int i = 0; i < 300; i++) {
		fd[i] = connect_to(self->path);
		ASSERT_LE(0, fd[i]);
	}
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(-EAGAIN, recv_nr(self->sub, 0));
	epoll_wait(set, &ev, 1, 0);
	for (int i = 0; i < 300; i++)
		close(fd[i]);
	ASSERT_EQ(0, send_nr(self->pub, 1, 0));
	do {
		ASSERT_EQ(1, epoll_wait(set, &ev, 1, 1000));
		r = recv_nr(self->sub, 0);
	} while (r == -EAGAIN && tries++ < 10);
	EXPECT_EQ(1, r);
	close(set);
}

/* One that sends as much as it can keeps no memory but for what is asked for, and nobody else. */
TEST_F(peer, flood)
{
	uint64_t nr = 1, theirs = 0, i = 0;
	int64_t got;

	fcntl(self->fd, F_SETFL, O_NONBLOCK);
	for (; nr < 100; nr++) {
		while (send_good(self->fd, i))
			i++;
		ASSERT_EQ(0, send_nr(self->pub, nr, 0));
		do {
			got = recv_nr(self->sub, 0);
			theirs += !got;
		} while (!got && theirs < 1000000);
		ASSERT_EQ(nr, got);
	}
	EXPECT_LT(50, theirs); /* in turn */
	close(self->fd);
	while ((got = recv_nr(self->sub, 0)) == 0)
		theirs++;
	EXPECT_EQ(-EAGAIN, got);
	EXPECT_EQ(i, theirs);
	self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* A program that listens in the place of a subscriber. Return: a connection of the publisher. */
static int be_subscriber(FIXTURE_DATA(peer) *self, unsigned int flags, int *listener, uint64_t nr)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ipcx_topic *pub = self->pub;

	ipcx_topic_close(self->sub);
	if (open_topic(&self->sub, IPCX_SUBSCRIBE | flags) || !find_socket(self->ours, self->path))
		return -1;
	unlink(self->path);
	*listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", self->path);
	if (bind(*listener, (struct sockaddr *)&a, sizeof(a)) || listen(*listener, 8) ||
	    send_nr(pub, nr, 0))
		return -1;
	return accept(*listener, NULL, NULL);
}

/* Whoever releases what never was, or the same twice, is not waited for. */
TEST_F(peer, bad_subscriber)
{
	static const struct head bad[] = {
		{ .kind = SEEN, .id = UINT64_MAX }, /* was never sent */
		{ .kind = SEEN, .id = 100 }, /* nor was this */
		{ .kind = SEEN, .id = 0 }, /* was released before */
		{ .kind = MESSAGE }, /* it does not publish */
		{ .kind = CUT, .id = 2 }, /* nor does it say this */
		{ .kind = SEEN, .id = 2, .zero = 1 }, /* no frame */
	};
	uint64_t nr = 1;

	for (int i = 0; i < ARRAY_SIZE(bad) + 1; i++) {
		int listener, fd = be_subscriber(self, variant->flags, &listener, nr++);

		ASSERT_LE(0, fd);
		for (int j = 1; j < DEPTH; j++)
			ASSERT_EQ(0, send_nr(self->pub, nr++, 0));
		ASSERT_EQ(variant->flags ? 0 : -EAGAIN, send_nr(self->pub, nr, 0));
		ASSERT_TRUE(i < ARRAY_SIZE(bad) ? send_raw(fd, bad[i]) :
						  send(fd, "bad", 3, 0) == 3);
		for (int j = 0; j < 2 * DEPTH; j++)
			EXPECT_EQ(0, send_nr(self->pub, nr++, 0)) TH_LOG("head %d", i);
		close(fd);
		close(listener);
	}
	ipcx_topic_close(self->sub);
	ASSERT_EQ(0, open_topic(&self->sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, send_nr(self->pub, nr, 0));
	EXPECT_EQ(nr, recv_nr(self->sub, 0));
}

/* Nor is one that reads nothing and says that it has released what it could not be sent. */
TEST_F(peer, releases_unsent)
{
	int listener, fd, r;
	uint64_t nr = 1;
	bool heard;

	fd = be_subscriber(self, variant->flags, &listener, nr);
	ASSERT_LE(0, fd);
	fcntl(fd, F_SETFL, O_NONBLOCK); /* to one that is lossy nobody listens now */
	do {
		heard = send_raw(fd, (struct head){ .kind = SEEN, .id = nr + 1 });
		r = send_nr(self->pub, ++nr, 0);
	} while (heard && !r && nr < 100000);
	EXPECT_EQ(0, r);
	EXPECT_FALSE(heard);
	close(fd);
	close(listener);
	ipcx_topic_close(self->sub);
	ASSERT_EQ(0, open_topic(&self->sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, send_nr(self->pub, nr, 0));
	EXPECT_EQ(nr, recv_nr(self->sub, 0));
}

TEST_HARNESS_MAIN
