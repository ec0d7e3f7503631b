// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics without the module: what they refuse, what lies in the file system, and members that are
 * killed at random moments, or write nonsense over all that they can reach.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "topic_lib_util.h"

#include "../kselftest_harness.h"

#define URI "shm:topic"
#define FILE_NAME ".topic.topic"

FIXTURE(shm)
{
	char dir[64], file[128];
};

FIXTURE_SETUP(shm)
{
	strcpy(self->dir, "/tmp/ipcx-topic-shm-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	setenv("XDG_RUNTIME_DIR", self->dir, 1);
	snprintf(self->file, sizeof(self->file), "%s/ipcx/" FILE_NAME, self->dir);
}

/* Return: how many there are, or -1. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(dir);
	return n;
}

FIXTURE_TEARDOWN(shm)
{
	char ours[80];

	snprintf(ours, sizeof(ours), "%s/ipcx", self->dir);
	EXPECT_GE(0, entries(ours));
	unlink(self->file);
	rmdir(ours);
	rmdir(self->dir);
}

static int open_topic(struct ipcx_topic **t, unsigned int flags)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = 4096);

	return ipcx_topic_open(t, URI, flags | IPCX_CREATE | IPCX_EPHEMERAL, &opts);
}

TEST_F(shm, refused)
{
	IPCX_TOPIC_OPTS(durable, .durable = "d");
	IPCX_TOPIC_OPTS(walls, .require = IPCX_CAP_WALLS);
	IPCX_TOPIC_OPTS(depth, .depth = 9);
	unsigned int create = IPCX_CREATE | IPCX_SUBSCRIBE;
	struct ipcx_topic *t;

	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create, &durable));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create, &walls));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, URI, create | IPCX_INHERIT, NULL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_open(&t, "shm:", create, NULL));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, URI, create, &depth));
	EXPECT_EQ(-EINVAL, ipcx_topic_open(&t, "shm:a/b", create, NULL));
	EXPECT_EQ(-ENOENT, ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE, NULL));
	EXPECT_EQ(-ENOENT, ipcx_topic_unlink(URI));
	prctl(PR_SET_DUMPABLE, 0);
	EXPECT_EQ(-EACCES, open_topic(&t, IPCX_SUBSCRIBE));
	prctl(PR_SET_DUMPABLE, 1);
	EXPECT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_EXCL));
	EXPECT_EQ(-EOPNOTSUPP, ipcx_topic_forget(t, "d"));
	EXPECT_NE(NULL, strstr(ipcx_error(), "kernel"));
	EXPECT_EQ(-EPERM, send_nr(t, 1, 0));
	ipcx_topic_close(t);
}

/* One that is not ephemeral keeps what it is, and no messages, while nobody has it open. */
TEST_F(shm, stays)
{
	IPCX_TOPIC_OPTS(opts, .depth = 16, .msg_max = 100, .lag_max = 3, .mode = 0640);
	struct ipcx_topic_attr attr = { .sz = sizeof(attr) };
	struct ipcx_topic *t;

	ASSERT_EQ(0, ipcx_topic_open(&t, URI, IPCX_CREATE | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, send_nr(t, 1, 0));
	ipcx_topic_close(t);
	EXPECT_EQ(-EEXIST, ipcx_topic_open(&t, URI, IPCX_CREATE | IPCX_EXCL | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE | IPCX_PUBLISH, NULL));
	ASSERT_EQ(0, ipcx_topic_attr(t, &attr));
	EXPECT_EQ(16, attr.depth);
	EXPECT_EQ(100, attr.msg_max);
	EXPECT_EQ(3, attr.lag_max);
	EXPECT_EQ(0640, attr.mode);
	EXPECT_EQ(0, attr.flags);
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	ASSERT_EQ(0, ipcx_topic_unlink(URI));
	/* who has it open goes on */
	ASSERT_EQ(0, send_nr(t, 2, 0));
	EXPECT_EQ(2, recv_nr(t, 0));
	ipcx_topic_close(t);
}

/* What others may have put there is not followed, and not used. */
TEST_F(shm, hostile_files)
{
	struct ipcx_topic *t;
	char other[80];
	int fd;

	snprintf(other, sizeof(other), "%s/ipcx", self->dir);
	ASSERT_EQ(0, mkdir(other, 0755));
	EXPECT_EQ(-EACCES, open_topic(&t, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, chmod(other, 0700));
	ASSERT_EQ(0, symlink("/etc/passwd", self->file));
	EXPECT_EQ(-ELOOP, open_topic(&t, IPCX_SUBSCRIBE));
	unlink(self->file);
	fd = open(self->file, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(5, write(fd, "mine\n", 5));
	close(fd);
	EXPECT_EQ(-EPROTOTYPE, open_topic(&t, IPCX_SUBSCRIBE));
	EXPECT_EQ(0, access(self->file, F_OK));
	unlink(self->file);
}

TEST_F(shm, descriptors)
{
	struct ipcx_topic *pub, *sub;
	int before = entries("/proc/self/fd");
	struct pollfd p = { .events = POLLIN };

	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	p.fd = ipcx_topic_fd(sub);
	EXPECT_EQ(0, poll(&p, 1, 0));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
		ASSERT_EQ(0, send_nr(pub, i, 0));
		EXPECT_EQ(1, poll(&p, 1, 0));
		EXPECT_EQ(i, recv_nr(sub, 0));
		EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
		EXPECT_EQ(0, poll(&p, 1, 0));
		ASSERT_EQ(0, send_nr(pub, i, 0));
		EXPECT_EQ(1, poll(&p, 1, 0));
		ipcx_topic_close(pub);
		EXPECT_EQ(i, recv_nr(sub, 0));
		EXPECT_EQ(-EAGAIN, recv_nr(sub, 0));
	}
	EXPECT_EQ(0, ipcx_topic_missed(sub));
	/* a publisher's is readable where there may be room */
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	p.fd = ipcx_topic_fd(pub);
	for (int i = 0; i < DEPTH; i++) {
		EXPECT_EQ(1, poll(&p, 1, 0));
		ASSERT_EQ(0, send_nr(pub, i, 0));
	}
	EXPECT_EQ(-EAGAIN, send_nr(pub, 0, 0));
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(0, recv_nr(sub, 0));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(0, send_nr(pub, 0, 0));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	EXPECT_EQ(before, entries("/proc/self/fd"));
}

/* Whatever there is no descriptor for, nothing is left, and nobody is disturbed. */
TEST_F(shm, too_few_descriptors)
{
	struct ipcx_topic *t, *pub = NULL, *sub = NULL;
	int before = entries("/proc/self/fd"), r;
	struct rlimit old, limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	for (int with = 0; with < 2; with++) {
		if (with) {
			ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
			ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
		}
		limit = old;
		for (limit.rlim_cur = 3; limit.rlim_cur < 100; limit.rlim_cur++) {
			ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
			r = open_topic(&t, IPCX_PUBLISH | IPCX_SUBSCRIBE);
			if (!r)
				break;
			EXPECT_EQ(-EMFILE, r);
		}
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
		ASSERT_EQ(0, r);
		EXPECT_EQ(0, send_nr(t, 1, 0));
		EXPECT_EQ(1, recv_nr(t, 0));
		ipcx_topic_close(t);
	}
	EXPECT_EQ(1, recv_nr(sub, 0));
	ASSERT_EQ(0, send_nr(pub, 2, 0));
	EXPECT_EQ(2, recv_nr(sub, 0));
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	EXPECT_EQ(before, entries("/proc/self/fd"));
}

/* Looks for a second, and never sleeps. Return: what came, or a negative errno. */
static int64_t poll_nr(struct ipcx_topic *t)
{
	int64_t r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < 100; i++) {
		usleep(10000);
		r = recv_nr(t, 0);
	}
	return r;
}

/* Who may not look at another in /proc does not take it for dead. */
TEST_F(shm, not_looked_at)
{
	struct ipcx_topic *t;
	struct child c;

	if (child_start(&c)) {
		if (open_topic(&t, IPCX_PUBLISH) || (!geteuid() && setuid(65534)) || !say(&c))
			_exit(1);
		for (int i = 0; hear(&c); i++)
			if (send_nr(t, i, 0))
				_exit(2);
	}
	ASSERT_TRUE(hear(&c));
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	prctl(PR_SET_DUMPABLE, 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-ETIMEDOUT, recv_nr(t, in_ms(10)));
		ASSERT_TRUE(say(&c));
		EXPECT_EQ(i, poll_nr(t));
	}
	prctl(PR_SET_DUMPABLE, 1);
	EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	ipcx_topic_close(t);
}

/* A kick that fails for want of descriptors is made up for. */
TEST_F(shm, kick_is_not_forgotten)
{
	struct rlimit old, limit = { .rlim_cur = 3 };
	struct ipcx_topic *t;
	struct child c;

	ASSERT_EQ(0, open_topic(&t, IPCX_PUBLISH));
	if (child_start(&c)) {
		if (open_topic(&t, IPCX_SUBSCRIBE) || !say(&c))
			_exit(1);
		_exit(recv_nr(t, in_ms(60000)) == 1 ? 0 : 2);
	}
	ASSERT_TRUE(hear(&c));
	usleep(100000);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	limit.rlim_max = old.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, send_nr(t, 1, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	EXPECT_EQ(0, send_nr(t, 2, 0));
	EXPECT_EQ(0, exit_status(c.pid));
	ipcx_topic_close(t);
}

static void *open_and_close(void *arg)
{
	struct ipcx_topic *t;

	open_topic(&t, IPCX_SUBSCRIBE);
	ipcx_topic_close(t);
	return NULL;
}

/* Somebody is stopped while he has the turn, and another dies: who reads, or forks, does so. */
TEST_F(shm, stopped_in_its_turn)
{
	struct flock turn = { .l_type = F_WRLCK, .l_start = 2, .l_len = 1 };
	struct child dead, stopped;
	struct ipcx_topic *t;
	pthread_t thread;

	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	if (child_start(&dead)) {
		if (open_topic(&t, IPCX_PUBLISH) || send_nr(t, 1, 0) || !say(&dead))
			_exit(1);
		pause();
	}
	ASSERT_TRUE(hear(&dead));
	EXPECT_EQ(1, recv_nr(t, 0));
	if (child_start(&stopped)) {
		if (fcntl(open(self->file, O_RDWR), F_OFD_SETLK, &turn) || !say(&stopped))
			_exit(1);
		pause();
	}
	ASSERT_TRUE(hear(&stopped));
	EXPECT_EQ(128 + SIGKILL, child_kill(&dead));
	EXPECT_EQ(-ETIMEDOUT, recv_nr(t, in_ms(100)));
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_close, NULL));
	usleep(50000);
	if (child_start(&dead))
		_exit(0);
	EXPECT_EQ(0, exit_status(dead.pid));
	EXPECT_EQ(128 + SIGKILL, child_kill(&stopped));
	pthread_join(thread, NULL);
	ipcx_topic_close(t);
}

/* What dead publishers left makes place for new ones, and that is told. */
TEST_F(shm, rings_of_the_dead)
{
	struct ipcx_topic *pub, *sub, *idle;
	int n = 0, pipes = 0, r;

	ASSERT_EQ(0, open_topic(&idle, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	for (int i = 0; i < 2 * IPCX_TOPIC_RINGS; i++) {
		ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
		ASSERT_EQ(0, send_nr(pub, i, 0));
		ipcx_topic_close(pub);
		EXPECT_EQ(i, recv_nr(sub, 0));
	}
	for (;;) {
		r = recv_nr(idle, 0);
		if (r == -EAGAIN)
			break;
		ASSERT_TRUE(r >= 0 || r == -EPIPE);
		n += r != -EPIPE;
		pipes += r == -EPIPE;
	}
	/* the others have left theirs in time, so that one place was enough for all that came */
	EXPECT_EQ(IPCX_TOPIC_RINGS - 1, n);
	EXPECT_EQ(1, pipes);
	ipcx_topic_close(sub);
	ipcx_topic_close(idle);
}

/* One publisher after the other; the test is their reader, and others read too. */
struct text {
	uint64_t life, nr;
	char more[200]; /* too long for a cell every other time */
};

struct board {
	volatile uint64_t life, sent[20001];
};

static size_t length(uint64_t nr)
{
	return nr % 2 ? sizeof(struct text) : offsetof(struct text, more);
}

static void publish_for_life(struct board *b)
{
	struct text text = { .life = b->life };
	struct ipcx_topic *t;

	if (ipcx_topic_open(&t, URI, IPCX_PUBLISH, NULL))
		_exit(1);
	for (; !ipcx_topic_send(t, &text, length(text.nr), IPCX_FOREVER); text.nr++)
		b->sent[text.life] = text.nr + 1;
	_exit(2);
}

static void read_for_life(unsigned int flags)
{
	struct ipcx_topic *t;
	struct ipcx_msg m;

	if (ipcx_topic_open(&t, URI, IPCX_SUBSCRIBE | flags, NULL))
		_exit(1);
	while (!ipcx_topic_take(t, &m, IPCX_FOREVER))
		ipcx_topic_release(t, &m);
	_exit(2);
}

static pid_t start(struct board *b, int what)
{
	pid_t pid;

	b->life += !what;
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (what)
		read_for_life(what == 1 ? 0 : IPCX_LOSSY);
	publish_for_life(b);
	return 0;
}

/* Reads for a while. Return: whether all was as it has to be. */
static bool read_until(struct ipcx_topic *t, uint64_t *got, int64_t until)
{
	struct text text;
	int r;

	for (;;) {
		r = ipcx_topic_recv(t, &text, sizeof(text), until);
		if (r == -ETIMEDOUT)
			return true;
		if (r < 0 || text.nr != got[text.life] || r != length(text.nr)) {
			fprintf(stderr, "# %d: life %ju, message %ju, not %ju\n", r,
				(uintmax_t)text.life, (uintmax_t)text.nr,
				(uintmax_t)(r < 0 ? 0 : got[text.life]));
			return false;
		}
		got[text.life]++;
	}
}

TEST_F_TIMEOUT(shm, killed_at_any_moment, 600)
{
	struct board *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static uint64_t got[20001];
	struct ipcx_topic *t;
	int n = rounds(1000);
	pid_t pid[3];

	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE));
	srandom(n);
	for (int i = 0; i < 3; i++)
		pid[i] = start(b, i);
	for (int i = 0; i < n; i++) {
		int who = random() % 3;

		ASSERT_TRUE(read_until(t, got, now_ns() + random() % 4000000));
		kill(pid[who], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, exit_status(pid[who]));
		pid[who] = start(b, who);
	}
	/* nobody is held up by what was killed */
	for (int i = 0; i < 1000 && !got[b->life]; i++)
		ASSERT_TRUE(read_until(t, got, in_ms(10)));
	EXPECT_LT(0, got[b->life]);
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		exit_status(pid[i]);
	}
	ASSERT_TRUE(read_until(t, got, in_ms(200)));
	for (int i = 0; i <= b->life; i++)
		EXPECT_LE(b->sent[i], got[i]);
	EXPECT_EQ(-EAGAIN, recv_nr(t, 0));
	ipcx_topic_close(t);
	munmap(b, sizeof(*b));
}

/* All at once, again and again: who comes finds it as new. */
TEST_F_TIMEOUT(shm, all_killed, 300)
{
	struct board *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ipcx_topic *t;

	for (int i = 0; i < rounds(100); i++) {
		pid_t pid[4];

		for (int j = 0; j < 4; j++) {
			pid[j] = fork();
			if (!pid[j] && open_topic(&t, IPCX_PUBLISH))
				_exit(1);
			if (!pid[j] && j < 2)
				publish_for_life(b);
			if (!pid[j])
				read_for_life(0);
		}
		usleep(random() % 10000);
		for (int j = 0; j < 4; j++)
			kill(pid[j], SIGKILL);
		for (int j = 0; j < 4; j++)
			ASSERT_EQ(128 + SIGKILL, exit_status(pid[j]));
		ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH | IPCX_EXCL));
		ASSERT_EQ(0, send_nr(t, i, 0));
		ASSERT_EQ(i, recv_nr(t, 0));
		ipcx_topic_close(t);
	}
	munmap(b, sizeof(*b));
}

/* The memory of a topic that this process has open */
static int memory_of_topic(void)
{
	char path[32], what[64] = "";

	for (int fd = 0; fd < 100; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, what, sizeof(what) - 1) > 0 &&
		    !strncmp(what, "/memfd:ipcx-topic", 17))
			return fd;
	}
	return -1;
}

/* Writes nonsense over all for a while. */
static void scribble(const struct child *c)
{
	struct ipcx_topic *t;
	struct stat st;
	uint32_t *word;
	int fd;

	if (open_topic(&t, IPCX_PUBLISH | IPCX_SUBSCRIBE))
		_exit(1);
	fd = memory_of_topic();
	if (fstat(fd, &st) || !ftruncate(fd, 0) || errno != EPERM ||
	    !ftruncate(fd, st.st_size + 4096) || errno != EPERM)
		_exit(2);
	word = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED || !say(c))
		_exit(3);
	for (uint64_t i = 0;; i++) {
		/* few are enough to hit what matters, mostly as if it made sense */
		uint64_t at = random() % (i % 3 ? 2048 : st.st_size / 4);

		word[at] = i % 4 ? word[at] + random() % 9 - 4 : random();
		if (i % 100000 == 99999)
			fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size);
	}
}

/* Gets what it gets, in as far as that can be; only its end counts. */
static void suffer(int64_t until)
{
	struct ipcx_topic *pub, *sub, *more;
	struct ipcx_msg m;
	char text[LONG] = "";

	if (open_topic(&pub, IPCX_PUBLISH) || open_topic(&sub, IPCX_SUBSCRIBE))
		_exit(0); /* too late */
	for (int i = 0; now_ns() < until; i++) {
		ipcx_topic_send(pub, text, i % 2 ? 8 : LONG, i % 7 ? 0 : in_ms(2));
		if (!ipcx_topic_take(sub, &m, i % 5 ? 0 : in_ms(2))) {
			if (m.len > 4096)
				_exit(1);
			if (m.len)
				memcpy(text, m.data, m.len < LONG ? m.len : LONG);
			ipcx_topic_release(sub, &m);
		}
		if (i % 50 == 0 && !open_topic(&more, i % 100 ? IPCX_SUBSCRIBE : IPCX_PUBLISH))
			ipcx_topic_close(more);
	}
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	_exit(0);
}

/* Who writes nonsense over all that there is disturbs the topic, and ends no other process. */
TEST_F_TIMEOUT(shm, nonsense, 120)
{
	struct ipcx_topic *t;
	struct child c;
	pid_t pid[2];

	for (int i = 0; i < 5; i++) {
		if (child_start(&c))
			scribble(&c);
		ASSERT_TRUE(hear(&c));
		for (int j = 0; j < 2; j++) {
			pid[j] = fork();
			if (!pid[j])
				suffer(in_ms(500));
		}
		for (int j = 0; j < 2; j++)
			EXPECT_EQ(0, exit_status(pid[j]));
		EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	}
	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH));
	ASSERT_EQ(0, send_nr(t, 1, 0));
	EXPECT_EQ(1, recv_nr(t, 0));
	ipcx_topic_close(t);
}

/* The file is cut short: who has it open goes on, who comes is told. */
TEST_F(shm, file_cut_short)
{
	struct ipcx_topic *t, *other;

	ASSERT_EQ(0, open_topic(&t, IPCX_SUBSCRIBE | IPCX_PUBLISH));
	ASSERT_EQ(0, truncate(self->file, 0));
	ASSERT_EQ(0, send_nr(t, 1, 0));
	EXPECT_EQ(1, recv_nr(t, 0));
	EXPECT_EQ(-EPROTO, open_topic(&other, IPCX_SUBSCRIBE));
	EXPECT_EQ(-ENOENT, ipcx_topic_open(&other, URI, IPCX_SUBSCRIBE, NULL));
	ipcx_topic_close(t);
}

TEST_HARNESS_MAIN
