// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics over UNIX sockets: what lies in the file system, who is slow, who is gone, and peers that
 * are not of this library.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "topic_unix_util.h"

FIXTURE(sockets)
{
	char dir[64], ours[80], file[128];
};

FIXTURE_SETUP(sockets)
{
	ASSERT_TRUE(dir_make(self->dir, self->ours));
	snprintf(self->file, sizeof(self->file), "%s/" FILE_NAME, self->ours);
}

FIXTURE_TEARDOWN(sockets)
{
	EXPECT_EQ(0, dir_remove(self->dir, self->ours));
}

TEST_F(sockets, refused)
{
	IPCX_TOPIC_OPTS(durable, .durable = "d");
	IPCX_TOPIC_OPTS(history, .history = 1);
	IPCX_TOPIC_OPTS(need, .require = IPCX_CAP_DURABLE);
	IPCX_TOPIC_OPTS(depth, .depth = 9);
	unsigned int create = IPCX_CREATE | IPCX_SUBSCRIBE;
	char longest[300];
	struct ipcx_topic *t;

	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "unix:/tmp/", 10);
	longest[299] = '\0';
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create, &durable));
	EXPECT_NE(NULL, strstr(ipcx_error(), "IPCX_CAP_DURABLE"));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create, &history));
	EXPECT_NE(NULL, strstr(ipcx_error(), "IPCX_CAP_HISTORY"));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create, &need));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create | IPCX_INHERIT, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, URI, create, &depth));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, "unix:", create, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, "unix:a/b", create, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, longest, create, NULL));
	EXPECT_EQ(-ENOENT, ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE, NULL));
	EXPECT_EQ(-ENOENT, ipcx_topic_unlink(URI));
	EXPECT_EQ(0, entries(self->ours));
	EXPECT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_EXCL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_forget(t, "d"));
	EXPECT_EQ(-EPERM, send_nr(t, 1, 0));
	ipcx_topic_close(t);
}

/* One that is not ephemeral keeps what it is, and no messages, while nobody has it open. */
TEST_F(sockets, stays)
{
	IPCX_TOPIC_OPTS(opts, .depth = 1024, .msg_max = 100, .lag_max = 1000, .mode = 0640);
	struct ipcx_topic_attr attr = { .sz = sizeof(attr) };
	struct ipcx_topic *t;

	ASSERT_EQ(0, ipcx_topic_open(&t, URI, IPCX_CREATE | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, send_nr(t, 1, 0));
	ipcx_topic_close(t);
	EXPECT_EQ(-EEXIST, ipcx_topic_open(&t, URI, IPCX_CREATE | IPCX_EXCL | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE | IPCX_PUBLISH, NULL));
	ASSERT_EQ(0, ipcx_topic_attr(t, &attr));
	EXPECT_EQ(256, attr.depth); /* as many as can be */
	EXPECT_EQ(256, attr.lag_max);
	EXPECT_EQ(100, attr.msg_max);
	EXPECT_EQ(0640, attr.mode);
	EXPECT_EQ(0, attr.flags);
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	ASSERT_EQ(0, ipcx_topic_unlink(URI));
	/* who has it open goes on */
	ASSERT_EQ(0, send_nr(t, 2, 0));
	EXPECT_EQ(2, recv_nr(t, 0));
	ipcx_topic_close(t);
}

/* As many as depth are on their way, whatever their length. */
TEST_F(sockets, depth)
{
	static const size_t lengths[] = { 0, 8, 300, 4000, 30000, 100000 };
	static char buf[100000];
	struct ipcx_topic *pub, *sub;

	for (unsigned int depth = 8; depth <= 256; depth *= 2) {
		IPCX_TOPIC_OPTS(opts, .depth = depth, .bytes_max = 64 << 20);

		ASSERT_EQ(0, ipcx_topic_open(&pub, URI, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH,
					     &opts));
		ASSERT_EQ(0, ipcx_topic_open(&sub, URI, IPCX_SUBSCRIBE, NULL));
		for (int l = 0; l < ARRAY_SIZE(lengths); l++) {
			for (int i = 0; i < depth; i++)
				ASSERT_EQ(0, ipcx_topic_send(pub, buf, lengths[l], 0));
			ASSERT_EQ(-EAGAIN, ipcx_topic_send(pub, buf, lengths[l], 0));
			for (int i = 0; i < depth; i++)
				ASSERT_EQ(lengths[l], ipcx_topic_recv(sub, buf, sizeof(buf), 0));
			ASSERT_EQ(-EAGAIN, ipcx_topic_recv(sub, buf, sizeof(buf), 0));
		}
		EXPECT_EQ(0, ipcx_topic_missed(sub));
		ipcx_topic_close(pub);
		ipcx_topic_close(sub);
	}
}

/* What others may have put there is not followed, and not used. */
TEST_F(sockets, hostile_files)
{
	struct ipcx_topic *t;
	int fd;

	ASSERT_EQ(0, chmod(self->ours, 0755));
	EXPECT_EQ(-EACCES, open_topic(&t, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, chmod(self->ours, 0700));
	ASSERT_EQ(0, symlink("/etc/passwd", self->file));
	EXPECT_EQ(-ELOOP, open_topic(&t, IPCX_SUBSCRIBE));
	EXPECT_EQ(-ELOOP, ipcx_topic_unlink(URI));
	unlink(self->file);
	fd = open(self->file, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(5, write(fd, "mine\n", 5));
	close(fd);
	EXPECT_EQ(-EPROTOTYPE, open_topic(&t, IPCX_SUBSCRIBE));
	EXPECT_EQ(-EPROTOTYPE, ipcx_topic_unlink(URI));
	EXPECT_EQ(0, access(self->file, F_OK));
	unlink(self->file);
}

static int raw_socket(const char *path, bool listens)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
	if (listens ? bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8) :
		      connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A stranger's socket, or a link, in the place of a subscriber's: nobody connects to that. */
TEST_F(sockets, strangers)
{
	char path[140], elsewhere[80];
	struct ipcx_topic *sub, *pub;
	int fd;

	if (geteuid())
		SKIP(return, "needs root");
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", self->dir);
	for (int link = 0; link < 2; link++) {
		ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
		ASSERT_TRUE(find_socket(self->ours, path));
		unlink(path);
		fd = raw_socket(link ? elsewhere : path, true);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, link ? symlink(elsewhere, path) : chown(path, 4321, 4321));
		ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
		EXPECT_EQ(0, send_nr(pub, 1, 0));
		fcntl(fd, F_SETFL, O_NONBLOCK);
		EXPECT_EQ(-1, accept(fd, NULL, NULL));
		EXPECT_EQ(EAGAIN, errno);
		close(fd);
		ipcx_topic_close(pub);
		ipcx_topic_close(sub);
	}
}

/* Nobody else is a member, or takes it away. */
TEST_F(sockets, other_users)
{
	char uri[100];
	struct ipcx_topic *t, *own;
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, chmod(self->dir, 01777));
	snprintf(uri, sizeof(uri), "unix:%s/path", self->dir);
	ASSERT_EQ(0,
		  ipcx_topic_open(&own, uri, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SUBSCRIBE, NULL));
	pid = fork();
	if (!pid) {
		if (setgid(4321) || setuid(4321))
			_exit(1);
		if (ipcx_topic_open(&t, uri, IPCX_CREATE | IPCX_PUBLISH, NULL) != -EACCES)
			_exit(2);
		if (ipcx_topic_open(&t, uri, IPCX_PUBLISH, NULL) != -EACCES)
			_exit(3);
		_exit(ipcx_topic_unlink(uri) == -EACCES ? 0 : 4);
	}
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, ipcx_topic_open(&t, uri, IPCX_PUBLISH, NULL));
	EXPECT_EQ(0, send_nr(t, 1, 0));
	EXPECT_EQ(1, recv_nr(own, 0));
	ipcx_topic_close(t);
	ipcx_topic_close(own);
	EXPECT_EQ(1, entries(self->dir)); /* where names are */
}

/* Opens, and is killed. Return: whether it did. */
static bool die_open(unsigned int flags, bool unlinked)
{
	struct ipcx_topic *t;
	struct child c = {};

	if (child_start(&c)) {
		if (open_topic(&t, flags) || !say(&c))
			_exit(1);
		pause();
	}
	return hear(&c) && !(unlinked && ipcx_topic_unlink(URI)) && child_kill(&c) == 128 + SIGKILL;
}

/* Who was killed leaves nothing that the next does not take away. */
TEST_F(sockets, left_behind)
{
	struct ipcx_topic *t, *sub;

	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(die_open(i > 1 ? IPCX_PUBLISH : IPCX_SUBSCRIBE, false));
		EXPECT_EQ(i > 1 ? 1 : 2, entries(self->ours)); /* the file, and a socket */
		if (i) {
			EXPECT_EQ(-ENOENT, ipcx_topic_open(&t, URI, IPCX_PUBLISH, NULL));
			EXPECT_EQ(0, entries(self->ours));
		}
		ASSERT_EQ(0, open_topic(&t, IPCX_PUBLISH | IPCX_EXCL));
		ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
		EXPECT_EQ(2, entries(self->ours));
		ASSERT_EQ(0, send_nr(t, 1, 0));
		EXPECT_EQ(1, recv_nr(sub, 0));
		ipcx_topic_close(sub);
		ipcx_topic_close(t);
		EXPECT_EQ(0, entries(self->ours));
	}
	/* a member does so, though the name is gone */
	ASSERT_EQ(0, open_topic(&t, IPCX_PUBLISH));
	ASSERT_TRUE(die_open(IPCX_SUBSCRIBE, true));
	EXPECT_EQ(1, entries(self->ours));
	ipcx_topic_close(t);
	EXPECT_EQ(0, entries(self->ours));
	/* and who takes it away */
	ASSERT_TRUE(die_open(IPCX_SUBSCRIBE, false));
	ASSERT_EQ(0, ipcx_topic_unlink(URI));
}

/* A slow lossy one holds up nobody, and knows how many it missed. */
TEST_F(sockets, slow)
{
	struct ipcx_topic *pub, *sub;
	uint64_t got = 0;
	int64_t nr;
	int sent = 0;

	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&sub, SUBSCRIBE_LOSSY));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++)
			ASSERT_EQ(0, send_nr(pub, sent++, 0));
		while ((nr = recv_nr(sub, 0)) >= 0)
			EXPECT_EQ(nr + 1, ++got + ipcx_topic_missed(sub));
		EXPECT_EQ(-EAGAIN, nr);
		ASSERT_EQ(0, send_nr(pub, sent++, 0));
		EXPECT_EQ(sent - 1, recv_nr(sub, 0));
		EXPECT_EQ(sent, ++got + ipcx_topic_missed(sub));
	}
	EXPECT_LT(1000, ipcx_topic_missed(sub));
	EXPECT_LT(100, got);
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

/* The descriptor of a publisher is readable when there may be room again, not before. */
TEST_F(sockets, poll_for_room)
{
	struct ipcx_topic *pub, *sub;
	struct pollfd p = { .events = POLLIN | POLLOUT };

	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	p.fd = ipcx_topic_fd(pub);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	ASSERT_EQ(-EAGAIN, send_nr(pub, 0, 0));
	EXPECT_EQ(0, poll(&p, 1, 20));
	EXPECT_EQ(0, recv_nr(sub, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(0, send_nr(pub, DEPTH, 0));
	for (int i = 1; i <= DEPTH; i++)
		EXPECT_EQ(i, recv_nr(sub, 0));
	EXPECT_EQ(0, poll(&p, 1, 20)); /* nobody waits for that */
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	ASSERT_EQ(-EAGAIN, send_nr(pub, 0, 0));
	ipcx_topic_close(sub);
	EXPECT_EQ(1, poll(&p, 1, 0));
	ASSERT_EQ(0, send_nr(pub, 0, 0));
	ipcx_topic_close(pub);
}

/* One that is slower than lag_max is told so behind what it has; the others lose nothing. */
TEST_F(sockets, cut_off)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .lag_max = 4);
	struct ipcx_topic *pub, *slow, *sub, *later;
	struct ipcx_msg m[6];

	ASSERT_EQ(0,
		  ipcx_topic_open(&pub, URI, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&slow, URI, IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, IPCX_SUBSCRIBE, NULL));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, send_nr(pub, i, 0));
		ASSERT_EQ(i, recv_nr(sub, 0));
	}
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(i, recv_nr(slow, 0));
	EXPECT_EQ(-EPIPE, recv_nr(slow, 0));
	EXPECT_NE(NULL, strstr(ipcx_error(), "lag_max, 4"));
	EXPECT_EQ(-EAGAIN, recv_nr(slow, 0));
	/* it stays so, also when somebody comes */
	ASSERT_EQ(0, ipcx_topic_open(&later, URI, IPCX_SUBSCRIBE, NULL));
	ASSERT_EQ(0, send_nr(pub, 100, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(slow, 0));
	EXPECT_EQ(100, recv_nr(sub, 0));
	EXPECT_EQ(100, recv_nr(later, 0));
	/* what is on loan is nobody's lag */
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, ipcx_topic_loan(pub, 8, &m[i], 0));
	for (int i = 0; i < 6; i++) {
		*(uint64_t *)m[i].data = i;
		ASSERT_EQ(0, ipcx_topic_commit(pub, &m[i]));
	}
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(i, recv_nr(sub, 0));
	EXPECT_EQ(0, send_nr(pub, 6, 0));
	EXPECT_EQ(6, recv_nr(sub, 0));
	ipcx_topic_close(pub);
	ipcx_topic_close(slow);
	ipcx_topic_close(sub);
	ipcx_topic_close(later);
}

/* What was sent comes though its publisher went without having heard what was released. */
TEST_F(sockets, goes_without_hearing)
{
	struct ipcx_topic *pub, *sub;

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	for (int i = 0; i < DEPTH; i++) {
		if (i == 2)
			ipcx_topic_close(pub);
		EXPECT_EQ(i, recv_nr(sub, 0));
	}
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ipcx_topic_close(sub);
}

static void *close_main(void *arg)
{
	usleep(50000);
	ipcx_topic_close(arg);
	return NULL;
}

/* Who waits for one that goes is free at once. */
TEST_F(sockets, wait_for_who_goes)
{
	struct ipcx_topic *pub, *sub;
	pthread_t thread;
	int64_t took;

	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_main, sub));
	took = now_ns();
	EXPECT_EQ(0, send_nr(pub, 0, in_ms(20000)));
	EXPECT_GT(5000000000, now_ns() - took);
	pthread_join(thread, NULL);
	ipcx_topic_close(pub);
}

/* As many as there can be, each of which gets each message; and one more. */
TEST_F_TIMEOUT(sockets, many_subscribers, 60)
{
	struct ipcx_topic *subs[IPCX_TOPIC_SUBS], *pub, *t;
	struct rlimit limit = { 2000, 2000 };

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++)
		ASSERT_EQ(0, open_topic(&subs[i], i % 2 ? IPCX_SUBSCRIBE : SUBSCRIBE_LOSSY));
	EXPECT_EQ(-ENOSPC, open_topic(&t, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, send_nr(pub, i, 0));
		for (int s = 0; s < IPCX_TOPIC_SUBS; s++)
			ASSERT_EQ(i, recv_nr(subs[s], 0));
	}
	for (int i = 0; i < IPCX_TOPIC_SUBS; i++)
		ipcx_topic_close(subs[i]);
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, send_nr(pub, 3, 0));
	EXPECT_EQ(3, recv_nr(t, 0));
	ipcx_topic_close(t);
	ipcx_topic_close(pub);
}

/* Where there is no descriptor nothing is lost, and it goes on when there is one. */
TEST_F(sockets, too_few_descriptors)
{
	static char far[100000], got[100000];
	struct ipcx_topic *pub, *sub, *more;
	int before = entries("/proc/self/fd");
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, only_so_many(limit, 0));
	EXPECT_EQ(-EMFILE, send_nr(pub, 1, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	ASSERT_EQ(0, only_so_many(limit, 2));
	ASSERT_EQ(0, send_nr(pub, 1, 0));
	ASSERT_EQ(0, only_so_many(limit, 0));
	EXPECT_EQ(-EAGAIN, recv_nr(sub, 0)); /* it cannot accept */
	EXPECT_EQ(-ETIMEDOUT, recv_nr(sub, in_ms(50)));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(1, recv_nr(sub, in_ms(1000)));
	/* a long message needs one, too */
	memset(far, 'f', sizeof(far));
	ASSERT_EQ(0, ipcx_topic_send(pub, far, sizeof(far), 0));
	ASSERT_EQ(0, only_so_many(limit, 0));
	EXPECT_EQ(-EMFILE, ipcx_topic_recv(sub, got, sizeof(got), 0));
	EXPECT_EQ(-EMFILE, ipcx_topic_send(pub, far, sizeof(far), 0));
	EXPECT_EQ(-EMFILE, open_topic(&more, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(sizeof(got), ipcx_topic_recv(sub, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(far, got, sizeof(got)));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	EXPECT_EQ(before, entries("/proc/self/fd"));
}

/* No message is changed by who sent it: it has no memory of it any more, and gets none. */
TEST_F(sockets, sealed)
{
	struct ipcx_topic *pub, *sub;
	struct ipcx_msg loan, m;
	char *mine;

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, ipcx_topic_loan(pub, 100000, &loan, 0));
	mine = loan.data;
	memset(mine, 'a', 100000);
	loan.len = 70000;
	ASSERT_EQ(0, ipcx_topic_commit(pub, &loan));
	EXPECT_EQ(SIGSEGV, probe(mine, false));
	ASSERT_EQ(0, ipcx_topic_take(sub, &m, 0));
	ASSERT_EQ(70000, m.len);
	EXPECT_EQ('a', ((char *)m.data)[69999]);
	EXPECT_EQ(SIGSEGV, probe(m.data, true));
	ASSERT_EQ(0, ipcx_topic_release(sub, &m));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

/* A loan for a long message, of which nothing was needed, is a message as any other. */
TEST_F(sockets, long_and_empty)
{
	struct ipcx_topic *pub, *sub;
	struct ipcx_msg m;

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, ipcx_topic_loan(pub, 100000, &m, 0));
	m.len = 0;
	ASSERT_EQ(0, ipcx_topic_commit(pub, &m));
	ASSERT_EQ(0, send_nr(pub, 1, 0));
	ASSERT_EQ(0, ipcx_topic_take(sub, &m, 0));
	EXPECT_EQ(0, m.len);
	EXPECT_EQ(0, ipcx_topic_release(sub, &m));
	EXPECT_EQ(1, recv_nr(sub, 0));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
}

TEST_HARNESS_MAIN
