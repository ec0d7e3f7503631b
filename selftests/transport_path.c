// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transports without the module where something is wrong: places that others prepared, what dead
 * ones left, peers that send anything, and which transport a name without one takes.
 */
#include <arpa/inet.h>
#include <ipcx.h>
#include <mqueue.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

FIXTURE(path)
{
	char dir[64], file[100], uri[160], runtime[128];
	struct ipcx_queue *q;
	struct ipcx_msg m;
};

FIXTURE_VARIANT(path)
{
	const char *name;
	int type; /* of a socket, else 0 */
};

FIXTURE_VARIANT_ADD(path, unix){ "unix", SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(path, unix_stream){ "unix-stream", SOCK_STREAM };
FIXTURE_VARIANT_ADD(path, fifo){ "fifo" };

FIXTURE_SETUP(path)
{
	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/there", self->dir);
	snprintf(self->uri, sizeof(self->uri), "%s:%s", variant->name, self->file);
	snprintf(self->runtime, sizeof(self->runtime), "%s/ipcx", self->dir);
	setenv("XDG_RUNTIME_DIR", self->dir, 1);
	setenv("IPCX_QUIET", "1", 1);
}

FIXTURE_TEARDOWN(path)
{
	char command[128];

	ipcx_queue_close(self->q);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(command));
}

#define MAKE (IPCX_CREATE | IPCX_RECV | IPCX_SEND)

TEST_F(path, works)
{
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, MAKE | IPCX_EPHEMERAL, NULL));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "hello", 5, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ipcx_queue_close(self->q);
	self->q = NULL;
	EXPECT_EQ(-1, access(self->file, F_OK));
	EXPECT_EQ(0, rmdir(self->dir));
}

static void meta_of(FIXTURE_DATA(path) *self, char path[160])
{
	snprintf(path, 160, "%s/.there", self->dir);
}

/* Links are not followed, whatever they show to. */
TEST_F(path, links)
{
	char target[128], meta[160];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", self->dir);
	ASSERT_EQ(0, symlink(target, self->file));
	EXPECT_EQ(-ELOOP, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "symbolic link")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(-1, lstat(target, &st));
	ASSERT_EQ(0, unlink(self->file));
	meta_of(self, meta);
	unlink(meta);
	ASSERT_EQ(0, symlink(target, meta));
	EXPECT_EQ(-ELOOP, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_EQ(-1, lstat(target, &st));
	/* a link to what would do is not followed either */
	ASSERT_EQ(0, mkfifo(target, 0600));
	ASSERT_EQ(0, symlink(target, self->file));
	unlink(meta);
	EXPECT_EQ(-ELOOP, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_EQ(-ELOOP, ipcx_queue_unlink(self->uri));
	EXPECT_EQ(0, lstat(self->file, &st));
}

/* What is no socket or FIFO stays as it is. */
TEST_F(path, something_else)
{
	char text[8] = "";
	int fd = open(self->file, O_CREAT | O_RDWR, 0600);

	ASSERT_EQ(4, write(fd, "mine", 4));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, MAKE | IPCX_EPHEMERAL, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_unlink(self->uri));
	EXPECT_EQ(0, access(self->file, F_OK));
	ASSERT_EQ(4, pread(fd, text, 4, 0));
	EXPECT_STREQ("mine", text);
	close(fd);
}

/* A failure is told in words of its own. */
TEST_F(path, another_socket)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int other = variant->type == SOCK_STREAM ? SOCK_SEQPACKET : SOCK_STREAM;
	int fd = socket(AF_UNIX, other, 0);

	strcpy(a.sun_path, self->file);
	ASSERT_EQ(0, bind(fd, (void *)&a, sizeof(a)));
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&self->q, "unix:", IPCX_SEND, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, IPCX_SEND, NULL));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | IPCX_SEND, NULL));
	for (int i = 0; i < 2; i++) /* nor is it replaced */
		EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "there")) TH_LOG("%s", ipcx_error());
	close(fd);
}

/* So does a file that has the name of ours beside it. */
TEST_F(path, files_of_the_user)
{
	char meta[160], other[160], text[40] = "";
	int fd;

	meta_of(self, meta);
	snprintf(other, sizeof(other), "%s/other", self->dir);
	fd = open(meta, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(0, link(meta, other));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	ASSERT_EQ(0, unlink(other));
	ASSERT_EQ(32, write(fd, "KEY=a secret of thirty two bytes", 32));
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "beside it")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(-EPROTOTYPE, ipcx_queue_unlink(self->uri));
	close(fd);
	fd = open(meta, O_RDONLY);
	ASSERT_EQ(32, read(fd, text, sizeof(text)));
	EXPECT_STREQ("KEY=a secret of thirty two bytes", text);
	close(fd);
}

/* Whose queue was unlinked leaves the next of its name alone. */
static void succeed(struct __test_metadata *_metadata, const char *uri)
{
	struct ipcx_queue *old, *q, *s;

	ASSERT_EQ(0, ipcx_queue_open(&old, uri, MAKE | IPCX_EPHEMERAL, NULL));
	ASSERT_EQ(0, ipcx_queue_unlink(uri));
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, MAKE | IPCX_EPHEMERAL, NULL));
	ipcx_queue_close(old);
	ASSERT_EQ(0, ipcx_queue_open(&s, uri, IPCX_SEND, NULL)) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, ipcx_queue_send(s, "x", 1, in_ms(1000)));
	ipcx_queue_close(s);
	ipcx_queue_close(q);
	EXPECT_EQ(-ENOENT, ipcx_queue_unlink(uri));
}

TEST_F(path, successors)
{
	succeed(_metadata, self->uri);
}

TEST(mq_successors)
{
	char uri[64];

	snprintf(uri, sizeof(uri), "mq:next-%d", getpid());
	succeed(_metadata, uri);
}

/* The caller has gone, and a stranger has made a mailbox of the name of his. */
TEST_F(path, mailboxes_of_strangers)
{
	struct ipcx_msg answer = { .data = "secret", .len = 6 };
	char box[160], text[200];
	pid_t pid;
	int fd;

	if (strcmp(variant->name, "fifo"))
		SKIP(return, "needs mailboxes");
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, chmod(self->dir, 01777));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, MAKE | IPCX_EPHEMERAL, NULL));
	pid = fork();
	if (!pid) {
		struct ipcx_queue *q;
		struct ipcx_msg m;

		if (ipcx_queue_open(&q, self->uri, IPCX_SEND, NULL) ||
		    ipcx_queue_loan(q, 1, &m, in_ms(1000)))
			_exit(1);
		m.flags = IPCX_REQUEST;
		if (ipcx_queue_commit(q, &m))
			_exit(2);
		ipcx_queue_close(q);
		_exit(0);
	}
	ASSERT_EQ(0, exit_status(pid));
	meta_of(self, box);
	strcat(box, ".0");
	ASSERT_EQ(0, mkfifo(box, 0666));
	fd = open(box, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(0, fchown(fd, 4321, 4321));
	ASSERT_EQ(0, fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_len = 1 }));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ipcx_queue_reply(self->q, &self->m, &answer);
	EXPECT_EQ(-1, read(fd, text, sizeof(text)));
	close(fd);
	unlink(box);
}

TEST_F(path, directories_that_others_may_change)
{
	ASSERT_EQ(0, chmod(self->dir, 0777));
	EXPECT_EQ(-EACCES, ipcx_queue_open(&self->q, self->uri, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "changed by others")) TH_LOG("%s", ipcx_error());
	ASSERT_EQ(0, chmod(self->dir, 01777));
	EXPECT_EQ(0, ipcx_queue_open(&self->q, self->uri, MAKE | IPCX_EPHEMERAL, NULL));
}

/* The directory of names must be one's own alone. */
TEST_F(path, runtime_directory)
{
	char uri[32], target[128];

	snprintf(uri, sizeof(uri), "%s:name", variant->name);
	ASSERT_EQ(0, mkdir(self->runtime, 0755));
	ASSERT_EQ(0, chmod(self->runtime, 0755));
	EXPECT_EQ(-EACCES, ipcx_queue_open(&self->q, uri, MAKE, NULL));
	ASSERT_EQ(0, rmdir(self->runtime));
	snprintf(target, sizeof(target), "%s/target", self->dir);
	ASSERT_EQ(0, mkdir(target, 0700));
	ASSERT_EQ(0, symlink(target, self->runtime));
	EXPECT_EQ(-ELOOP, ipcx_queue_open(&self->q, uri, MAKE, NULL));
	ASSERT_EQ(0, unlink(self->runtime));
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, mkdir(self->runtime, 0700));
	ASSERT_EQ(0, chown(self->runtime, 4321, 4321));
	EXPECT_EQ(-EACCES, ipcx_queue_open(&self->q, uri, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "4321"));
}

/* In a directory for all, a stranger has made it first. */
TEST_F(path, strangers)
{
	char meta[160];
	pid_t pid;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, chmod(self->dir, 01777));
	pid = fork();
	if (!pid) {
		if (setuid(4321) || ipcx_queue_open(&self->q, self->uri, MAKE, NULL))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, exit_status(pid));
	pid = fork();
	if (!pid) {
		if (setuid(1234))
			_exit(1);
		_exit(ipcx_queue_open(&self->q, self->uri, MAKE, NULL) == -EACCES ? 0 : 2);
	}
	EXPECT_EQ(0, exit_status(pid));
	meta_of(self, meta);
	ASSERT_EQ(0, unlink(meta));
	pid = fork();
	if (!pid) {
		if (setuid(1234))
			_exit(1);
		if (ipcx_queue_open(&self->q, self->uri, MAKE, NULL) != -EACCES)
			_exit(2);
		_exit(!strstr(ipcx_error(), "4321"));
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* A killed one leaves files; the next takes its place, and a live one is not disturbed. */
TEST_F(path, left_by_the_dead)
{
	struct ipcx_queue *other;
	char uri[32];
	pid_t pid;

	snprintf(uri, sizeof(uri), "%s:name", variant->name);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (!pid) {
			unsigned int flags = MAKE | IPCX_EXCL | IPCX_EPHEMERAL;

			if (ipcx_queue_open(&self->q, uri, flags, NULL))
				fprintf(stderr, "# %s\n", ipcx_error());
			else
				kill(getpid(), SIGKILL);
			_exit(1);
		}
		ASSERT_EQ(128 + SIGKILL, exit_status(pid));
		EXPECT_EQ(-ENOENT, ipcx_queue_open(&other, uri, IPCX_SEND, NULL));
	}
	ASSERT_EQ(0, ipcx_queue_open(&self->q, uri, MAKE | IPCX_EXCL | IPCX_EPHEMERAL, NULL));
	EXPECT_EQ(-EEXIST, ipcx_queue_open(&other, uri, MAKE | IPCX_EXCL, NULL));
	ASSERT_EQ(0, ipcx_queue_open(&other, uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(other, "x", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ipcx_queue_close(other);
	ipcx_queue_close(self->q);
	self->q = NULL;
	EXPECT_EQ(0, rmdir(self->runtime));
}

static uint64_t damaged(struct ipcx_queue *q)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	return ipcx_queue_stat(q, &s) ? ~0ULL : s.damaged;
}

/* Somebody sends anything: it is counted, and others are served. */
TEST_F(path, garbage)
{
	char big[8192];
	int fd;

	memset(big, 'x', sizeof(big));
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, MAKE | IPCX_EPHEMERAL, NULL));
	if (variant->type) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };

		fd = socket(AF_UNIX, variant->type, 0);
		strcpy(a.sun_path, self->file);
		ASSERT_EQ(0, connect(fd, (void *)&a, sizeof(a)));
	} else {
		fd = open(self->file, O_RDWR | O_NONBLOCK);
	}
	ASSERT_EQ(4, write(fd, "foo\n", 4));
	ASSERT_EQ(0, ipcx_queue_send(self->q, "one", 3, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(3, self->m.len);
	/* of bytes it is not clear yet */
	EXPECT_EQ(variant->type != SOCK_STREAM, damaged(self->q));
	if (write(fd, big, sizeof(big)) < 0)
		EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET);
	ASSERT_EQ(0, ipcx_queue_send(self->q, "two", 3, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(0, memcmp(self->m.data, "two", 3));
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(self->q, &self->m, IPCX_NOWAIT));
	EXPECT_LE(1, damaged(self->q));
	close(fd);
}

/* below those that the system gives to connections */
#define TCP_PORT (20000 + getpid() % 12000)

static int connect_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(TCP_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
}

/* Torn, hostile and foreign streams close their connection, and no other. */
TEST(tcp_garbage)
{
	IPCX_QUEUE_OPTS(small, .msg_max = 1000);
	struct ipcx_queue *q, *large;
	struct ipcx_msg m;
	char uri[32], big[2000] = "";
	int fd;

	signal(SIGPIPE, SIG_IGN);
	snprintf(uri, sizeof(uri), "tcp:%d", TCP_PORT);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, MAKE, &small)) TH_LOG("%s", ipcx_error());
	for (int i = 0; i < 200; i++) {
		fd = connect_tcp();
		ASSERT_LE(0, fd);
		for (int j = 0; j < sizeof(big); j++)
			big[j] = rand();
		ASSERT_LT(0, write(fd, big, i * 10 + 1));
		close(fd);
		if (i % 20)
			continue;
		ASSERT_EQ(0, ipcx_queue_send(q, "good", 4, in_ms(5000)));
		ASSERT_EQ(0, ipcx_queue_take(q, &m, in_ms(5000)));
		ASSERT_EQ(4, m.len);
		ASSERT_EQ(0, ipcx_queue_release(q, &m));
	}
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(q, &m, 0));
	EXPECT_LE(190, damaged(q));
	/* a sender that thinks longer messages are allowed */
	ASSERT_EQ(0, ipcx_queue_open(&large, uri, IPCX_SEND, NULL));
	ASSERT_EQ(0, ipcx_queue_send(large, big, 1001, in_ms(1000)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(q, &m, in_ms(50)));
	ASSERT_EQ(0, ipcx_queue_send(large, big, 1000, in_ms(5000)));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, in_ms(5000)));
	EXPECT_EQ(1000, m.len);
	ipcx_queue_close(large);
	ipcx_queue_close(q);
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, "tcp:localhost", MAKE, NULL));
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, "tcp:127.0.0.1:0", MAKE, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_unlink(uri));
}

/* A message that the receiver does not accept is not sent for ever. */
TEST(tcp_refused_length)
{
	IPCX_QUEUE_OPTS(opts, .msg_max = 1 << 20);
	static char data[16 << 20];
	struct ipcx_queue *q, *s;
	struct ipcx_msg m;
	char uri[32];
	int status;
	pid_t pid;

	snprintf(uri, sizeof(uri), "tcp:%d", TCP_PORT);
	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_RECV, &opts));
	pid = fork();
	if (!pid) {
		if (ipcx_queue_open(&s, uri, IPCX_SEND, NULL))
			_exit(1);
		_exit(-ipcx_queue_send(s, data, sizeof(data), in_ms(20000)));
	}
	while (!waitpid(pid, &status, WNOHANG))
		ASSERT_EQ(-ETIMEDOUT, ipcx_queue_take(q, &m, in_ms(20)));
	EXPECT_EQ(EPIPE, WEXITSTATUS(status));
	ipcx_queue_close(q);
}

TEST(mq_garbage_and_limits)
{
	IPCX_QUEUE_OPTS(deep, .depth = 1000000);
	char name[64], path[64];
	struct ipcx_queue *q;
	struct ipcx_msg m;
	mqd_t raw;

	snprintf(name, sizeof(name), "mq:limits-%d", getpid());
	snprintf(path, sizeof(path), "/limits-%d", getpid());
	EXPECT_EQ(-EINVAL, ipcx_queue_open(&q, name, MAKE, &deep));
	EXPECT_NE(NULL, strstr(ipcx_error(), "/proc/sys/fs/mqueue/msg_max"));
	ASSERT_EQ(0, ipcx_queue_open(&q, name, MAKE | IPCX_EPHEMERAL, NULL));
	raw = mq_open(path, O_WRONLY);
	ASSERT_LE(0, raw);
	ASSERT_EQ(0, mq_send(raw, "foreign", 7, 31));
	ASSERT_EQ(0, ipcx_queue_send(q, "own", 3, 0));
	ASSERT_EQ(0, ipcx_queue_take(q, &m, 0));
	EXPECT_EQ(3, m.len);
	EXPECT_EQ(1, damaged(q));
	ipcx_queue_close(q);
	mq_close(raw);
	EXPECT_EQ(-1, mq_unlink(path));
}

/* The mailbox of a caller that was killed goes with the next who closes the queue. */
TEST(mq_mailboxes)
{
	char name[64], path[64];
	struct ipcx_msg m, none = { 0 };
	struct ipcx_queue *q;
	pid_t pid;

	snprintf(name, sizeof(name), "mq:box-%d", getpid());
	ASSERT_EQ(0, ipcx_queue_open(&q, name, MAKE | IPCX_EPHEMERAL, NULL));
	pid = fork();
	if (!pid) {
		struct ipcx_queue *own;

		if (ipcx_queue_open(&own, name, IPCX_SEND, NULL) ||
		    ipcx_queue_loan(own, 4, &m, 0) ||
		    ipcx_queue_call(own, &m, &none, IPCX_NOWAIT) != -EAGAIN)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, exit_status(pid));
	snprintf(path, sizeof(path), "/.box-%d.0", getpid());
	EXPECT_LE(0, mq_open(path, O_RDONLY));
	ipcx_queue_close(q);
	EXPECT_EQ(-1, mq_open(path, O_RDONLY));
}

/* Nor is one that a stranger made taken for a name without a transport. */
TEST_F(path, names_of_strangers)
{
	char name[32], path[40];
	struct ipcx_queue *q;
	mqd_t raw;

	if (!access("/dev/ipcx", F_OK))
		SKIP(return, "needs no /dev/ipcx");
	if (geteuid())
		SKIP(return, "needs root");
	snprintf(name, sizeof(name), "stranger-%d", getpid());
	snprintf(path, sizeof(path), "/%s", name);
	raw = mq_open(path, O_CREAT | O_EXCL | O_RDWR, 0666, NULL);
	ASSERT_EQ(0, fchown(raw, 4321, 4321));
	EXPECT_EQ(-EACCES, ipcx_queue_open(&q, name, IPCX_CREATE | IPCX_SEND, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "4321")) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, ipcx_queue_open(&q, name, IPCX_SEND, NULL));
	ipcx_queue_close(q);
	mq_close(raw);
	mq_unlink(path);
}

/* Requests that are too late, of a caller who does not read: nobody waits for him. */
TEST(mq_refusals_do_not_wait)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 64);
	static const char uri[] = "mq:ipcx-test-refused";
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int64_t before;
	char zero[144] = "";
	pid_t pid;
	mqd_t box;

	ASSERT_EQ(0, ipcx_queue_open(&q, uri, IPCX_CREATE | IPCX_RECV, &opts));
	pid = fork();
	if (!pid) {
		struct ipcx_queue *c;

		ipcx_queue_open(&c, uri, IPCX_SEND, NULL);
		for (int i = 0; i < 6; i++) {
			ipcx_queue_loan(c, 1, &m, IPCX_NOWAIT);
			m.flags = IPCX_REQUEST;
			m.expires = now_ns() + 1;
			ipcx_queue_commit(c, &m);
		}
		pause();
	}
	until_asleep(pid);
	box = mq_open("/.ipcx-test-refused.0", O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, box);
	while (!mq_send(box, zero, sizeof(zero), 0))
		;
	before = now_ns();
	EXPECT_EQ(-EAGAIN, ipcx_queue_take(q, &m, IPCX_NOWAIT));
	EXPECT_GT(1000000000, now_ns() - before);
	kill(pid, SIGKILL);
	exit_status(pid);
	ipcx_queue_close(q);
	EXPECT_EQ(0, ipcx_queue_unlink(uri));
}

/* Which transport a name takes where there is no module */
TEST_F(path, choice)
{
	IPCX_QUEUE_OPTS(opts, .require = IPCX_CAP_PRIORITY);
	struct ipcx_queue *q;
	char name[32];

	if (!access("/dev/ipcx", F_OK))
		SKIP(return, "needs no /dev/ipcx");
	snprintf(name, sizeof(name), "choice-%d", getpid());
	EXPECT_EQ(-ENOENT, ipcx_queue_open(&q, name, IPCX_SEND, NULL));
	EXPECT_EQ(-ENODEV, ipcx_queue_open(&q, "kernel:x", MAKE, NULL));
	EXPECT_EQ(-ENODEV, ipcx_queue_open(&q, NULL, MAKE, NULL));
	/* what fits is taken, and who comes later finds it whatever he needs */
	ASSERT_EQ(0, ipcx_queue_open(&self->q, name, MAKE | IPCX_EPHEMERAL, &opts));
	EXPECT_TRUE(ipcx_queue_caps(self->q) & IPCX_CAP_PRIORITY);
	ASSERT_EQ(0, ipcx_queue_open(&q, name, IPCX_SEND | IPCX_CREATE, NULL));
	ASSERT_EQ(0, ipcx_queue_send(q, "x", 1, 0));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, 0));
	ipcx_queue_close(q);
	EXPECT_EQ(-EEXIST, ipcx_queue_open(&q, name, MAKE | IPCX_EXCL, NULL));
	EXPECT_EQ(0, ipcx_queue_unlink(name));
	EXPECT_EQ(-ENOENT, ipcx_queue_unlink(name));
	setenv("IPCX_TRANSPORT", variant->name, 1);
	ASSERT_EQ(0, ipcx_queue_open(&q, name, MAKE | IPCX_EPHEMERAL, NULL));
	EXPECT_FALSE(ipcx_queue_caps(q) & IPCX_CAP_PERSISTENT);
	ipcx_queue_close(q);
	setenv("IPCX_TRANSPORT", "pigeon", 1);
	EXPECT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, name, MAKE, NULL));
	EXPECT_NE(NULL, strstr(ipcx_error(), "\"tcp\"")) TH_LOG("%s", ipcx_error());
	unsetenv("IPCX_TRANSPORT");
	opts.require = IPCX_CAP_REDELIVERY;
	EXPECT_EQ(-ENODEV, ipcx_queue_open(&q, name, MAKE, &opts));
}

TEST_HARNESS_MAIN
