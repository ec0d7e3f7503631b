// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics without the module: what they refuse, what lies in the file system, and members that have
 * too little of something, or are stopped.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "topic_shm_util.h"

FIXTURE(shm)
{
	char dir[64], file[128];
};

FIXTURE_SETUP(shm)
{
	ASSERT_TRUE(dir_make(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/ipcx/" FILE_NAME, self->dir);
}

FIXTURE_TEARDOWN(shm)
{
	EXPECT_GE(0, dir_remove(self->dir));
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

/* Return: whether an application could write there */
static bool writable(int fd, void *data)
{
	char c = 'x';

	return pwrite(fd, &c, 1, 0) == 1 && (pread(fd, data, 1, 0) == 1 || errno != EFAULT);
}

/* What was taken lies where its application writes nothing, short and long. */
TEST_F(shm, taken_is_read_only)
{
	IPCX_TOPIC_OPTS(opts, .msg_max = 4096);
	unsigned int create = IPCX_CREATE | IPCX_SUBSCRIBE | IPCX_EPHEMERAL;
	const size_t lens[] = { 1, 40, IPCX_CELL_DATA, 4096 };
	int fd = memfd_create("one byte", MFD_CLOEXEC);
	struct ipcx_msg m = {}, taken = {};
	struct ipcx_topic *pub, *sub;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, create, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&pub, URI, IPCX_PUBLISH, NULL));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcx_topic_loan(pub, lens[i], &m, 0));
		EXPECT_TRUE(writable(fd, m.data));
		memset(m.data, 'a' + i, lens[i]);
		ASSERT_EQ(0, ipcx_topic_commit(pub, &m));
		ASSERT_EQ(0, ipcx_topic_next(sub, &taken, 0));
		EXPECT_EQ(lens[i], taken.len);
		EXPECT_EQ('a' + i, ((char *)taken.data)[lens[i] - 1]);
		EXPECT_FALSE(writable(fd, taken.data));
	}
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	close(fd);
}

/* What the library maps for speed alone makes room for another publisher. */
TEST_F(shm, tight)
{
	IPCX_TOPIC_OPTS(opts, .msg_max = 1 << 20, .depth = 64);
	unsigned int create = IPCX_CREATE | IPCX_SUBSCRIBE | IPCX_EPHEMERAL;
	struct ipcx_topic *pub[3], *sub;
	struct rlimit old, limit;
	char data[2048];

	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, create, &opts));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, ipcx_topic_open(&pub[i], URI, IPCX_PUBLISH, NULL));
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	limit = old;
	limit.rlim_cur = mapped() + (3 * 64 + 16) * (1UL << 20);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	for (int i = 0; i < 12; i++) {
		size_t len = i % 2 ? sizeof(data) : 64;

		memset(data, 'a' + i, sizeof(data));
		EXPECT_EQ(0, ipcx_topic_send(pub[i % 3], data, len, 0));
		EXPECT_EQ((ssize_t)len, ipcx_topic_recv(sub, data, sizeof(data), 0));
		EXPECT_EQ('a' + i, data[len - 1]);
	}
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	for (int i = 0; i < 3; i++)
		ipcx_topic_close(pub[i]);
	ipcx_topic_close(sub);
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

/* With the last one what is ephemeral goes, also where two are the last. */
TEST_F(shm, closed_at_once)
{
	for (int i = 0; i < rounds(3000); i++) {
		int here[2], go[2];
		pid_t pid[2];
		char c;

		ASSERT_EQ(0, pipe(here));
		ASSERT_EQ(0, pipe(go));
		for (int j = 0; j < 2; j++) {
			struct ipcx_topic *t;

			pid[j] = fork();
			if (pid[j])
				continue;
			close(go[1]);
			if (open_topic(&t, IPCX_SUBSCRIBE) || write(here[1], "", 1) != 1 ||
			    read(go[0], &c, 1))
				_exit(1);
			ipcx_topic_close(t);
			_exit(0);
		}
		close(here[1]);
		for (int j = 0; j < 2; j++)
			ASSERT_EQ(1, read(here[0], &c, 1));
		close(here[0]);
		close(go[0]);
		close(go[1]);
		for (int j = 0; j < 2; j++)
			ASSERT_EQ(0, exit_status(pid[j]));
		ASSERT_NE(0, access(self->file, F_OK)) TH_LOG("round %d", i);
	}
}

/* Who may only write small files is told, and not killed. */
TEST_F(shm, small_files)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH);
	struct rlimit old, small;
	struct ipcx_topic *t, *more;

	ASSERT_EQ(0, open_topic(&t, IPCX_PUBLISH));
	ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &old));
	small = old;
	for (int i = 0; i < 2; i++) {
		small.rlim_cur = i ? 400000 : 65536;
		ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &small));
		EXPECT_EQ(-EFBIG, ipcx_topic_open(&more, URI, IPCX_SUBSCRIBE, NULL));
		EXPECT_EQ(-EFBIG,
			  ipcx_topic_open(&more, "shm:new", IPCX_CREATE | IPCX_PUBLISH, &opts));
	}
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &old));
	EXPECT_EQ(0, send_nr(t, 1, 0));
	ipcx_topic_close(t);
}

static void *send_patiently(void *t)
{
	return (void *)(intptr_t)send_nr(t, DEPTH, in_ms(20000));
}

/* A subscriber that leaves a ring for its contradictions wakes who waits for it. */
TEST_F(shm, leave_wakes)
{
	IPCX_TOPIC_OPTS(opts, .depth = DEPTH, .msg_max = 4096, .first = UINT64_C(0x123456789a0));
	struct ipcx_topic *pub, *sub;
	int64_t before = now_ns();
	struct ipcx_msg m[DEPTH];
	uint64_t *word, *end;
	pthread_t thread;
	struct stat st;
	void *sent;
	int fd;

	ASSERT_EQ(0,
		  ipcx_topic_open(&pub, URI, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_PUBLISH, &opts));
	ASSERT_EQ(0, ipcx_topic_open(&sub, URI, IPCX_SUBSCRIBE, NULL));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, send_nr(pub, i, 0));
	for (int i = 0; i < DEPTH - 1; i++)
		ASSERT_EQ(0, ipcx_topic_take(sub, &m[i], 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_patiently, pub));
	usleep(100000);
	fd = memory_of("topic");
	ASSERT_EQ(0, fstat(fd, &st));
	word = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, word);
	end = word + st.st_size / sizeof(*word);
	/* that of the last cell: a position times 4 */
	for (uint64_t *w = word; w < end; w++)
		if (*w == (opts.first + DEPTH - 1) * 4)
			*w = UINT64_C(0xfedcba987654321);
	EXPECT_EQ(-EPROTO, recv_nr(sub, 0));
	ASSERT_EQ(0, pthread_join(thread, &sent));
	EXPECT_EQ(0, (intptr_t)sent);
	EXPECT_GT(10000000000, now_ns() - before);
	munmap(word, st.st_size);
	ipcx_topic_close(sub);
	ipcx_topic_close(pub);
}

struct listed {
	int n, stop;
	struct ipcx_listed last;
};

/* What is negative does not end the list. Regions lie elsewhere, and may be somebody's. */
static int note(const struct ipcx_listed *o, void *arg)
{
	struct listed *l = arg;

	if (o->kind == IPCX_LISTED_REGION)
		return -1;
	l->last = *o;
	return ++l->n == l->stop ? 77 : -1;
}

/* What is there is told, and what only looks like it is not. */
TEST(listed)
{
	struct ipcx_topic *pub, *sub;
	char dir[64], path[160], other[160];
	struct rlimit limit, few;
	struct ipcx_queue *q;
	struct listed l = { 0 };
	struct child c = { 0 };
	int fd;

	ASSERT_TRUE(dir_make(dir));
	/* where there is no directory, none is made */
	snprintf(path, sizeof(path), "%s/none", dir);
	setenv("XDG_RUNTIME_DIR", path, 1);
	ASSERT_EQ(0, ipcx_list(note, &l)) TH_LOG("%s", ipcx_error());
	setenv("XDG_RUNTIME_DIR", dir, 1);
	ASSERT_EQ(0, ipcx_list(note, &l)) TH_LOG("%s", ipcx_error());
	EXPECT_EQ(0, l.n);
	EXPECT_EQ(0, entries(dir));
	ASSERT_EQ(0, open_topic(&pub, IPCX_PUBLISH));
	ASSERT_EQ(0, open_topic(&sub, IPCX_SUBSCRIBE));
	ASSERT_EQ(0, ipcx_list(note, &l));
	ASSERT_EQ(1, l.n);
	EXPECT_EQ(sizeof(l.last), l.last.sz);
	EXPECT_STREQ("topic", l.last.name);
	EXPECT_EQ(IPCX_LISTED_TOPIC, l.last.kind);
	EXPECT_EQ(0600, l.last.mode);
	EXPECT_EQ(IPCX_EPHEMERAL, l.last.flags);
	EXPECT_EQ(geteuid(), l.last.uid);
	EXPECT_EQ(DEPTH, l.last.depth);
	EXPECT_EQ(4096, l.last.msg_max);
	EXPECT_EQ(1, l.last.senders);
	EXPECT_EQ(1, l.last.receivers);
	/* a stopped member holds nobody up, and one that is dead is none */
	if (child_start(&c)) {
		if (open_queue(&q, IPCX_SEND) || !say(&c))
			_exit(1);
		pause();
	}
	ASSERT_TRUE(hear(&c));
	kill(c.pid, SIGSTOP);
	l = (struct listed){ 0 };
	ASSERT_EQ(0, ipcx_list(note, &l));
	EXPECT_EQ(2, l.n);
	l = (struct listed){ .stop = 1 };
	EXPECT_EQ(77, ipcx_list(note, &l));
	EXPECT_EQ(1, l.n);
	EXPECT_EQ(128 + SIGKILL, child_kill(&c));
	l = (struct listed){ 0 };
	ASSERT_EQ(0, ipcx_list(note, &l));
	EXPECT_EQ(1, l.n);
	/* what could not be looked at is not told to be nothing */
	fd = dup(0);
	close(fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = limit;
	few.rlim_cur = fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, ipcx_list(note, &l));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	/* a name that cannot be opened, a link, a FIFO, somebody's own file, an empty one */
	snprintf(path, sizeof(path), "%s/ipcx/..a.topic", dir);
	snprintf(other, sizeof(other), "%s/ipcx/" FILE_NAME, dir);
	ASSERT_EQ(0, link(other, path));
	snprintf(path, sizeof(path), "%s/ipcx/.a.queue", dir);
	ASSERT_EQ(0, symlink(".topic.topic", path));
	snprintf(path, sizeof(path), "%s/ipcx/.b.queue", dir);
	ASSERT_EQ(0, mkfifo(path, 0600));
	snprintf(path, sizeof(path), "%s/ipcx/.c.topic", dir);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(sizeof(path), pwrite(fd, path, sizeof(path), 256));
	close(fd);
	snprintf(path, sizeof(path), "%s/ipcx/.topic", dir);
	close(open(path, O_CREAT | O_RDWR, 0600));
	l = (struct listed){ 0 };
	ASSERT_EQ(0, ipcx_list(note, &l));
	EXPECT_EQ(1, l.n);
	ipcx_topic_close(pub);
	ipcx_topic_close(sub);
	snprintf(path, sizeof(path), "%s/ipcx", dir);
	ASSERT_EQ(0, chmod(path, 0755));
	EXPECT_EQ(-EACCES, ipcx_list(note, &l));
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	EXPECT_EQ(0, system(path));
}

TEST_HARNESS_MAIN
