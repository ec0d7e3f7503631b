// SPDX-License-Identifier: GPL-2.0-only
/* Memory cgroups: who pays for what, and when it ends. limit.c has the limits of users. */
#include <stdatomic.h>
#include <sys/stat.h>

#include "pass_util.h"
#include "region_use.h"
#include "revoke_util.h"

#include "../kselftest_harness.h"

#define MIB (1ULL << 20)
#define ROOT "/sys/fs/cgroup/"
#define SLACK MIB /* page tables, and what is charged in batches */

/* Two groups; the creator of a queue is in "a", which may have 64 MiB. */
static int group_write(const char *group, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "ipcx-%s/%s", group, file);
	return put_file(path, text);
}

static int group_make(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "ipcx-%s", group);
	if (mkdir(path, 0755))
		return -errno;
	return group_write(group, "memory.max", "67108864");
}

static int group_remove(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "ipcx-%s", group);
	return rmdir(path) ? -errno : 0;
}

static int group_enter(const char *group)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return group_write(group, "cgroup.procs", pid);
}

/* Bytes charged to a group now. */
static long long charged(const char *group)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), ROOT "ipcx-%s/memory.current", group);
	return get_file(path, text, sizeof(text)) ? atoll(text) : -1;
}

/* How often something happened to a group, of its memory.events. */
static int events(const char *group, const char *what)
{
	char path[128], text[512], *at;

	snprintf(path, sizeof(path), ROOT "ipcx-%s/memory.events", group);
	if (!get_file(path, text, sizeof(text)))
		return -1;
	at = strstr(text, what);
	return at ? atoi(at + strlen(what)) : -1;
}

FIXTURE(memcg){};

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, group_make("a"));
	ASSERT_EQ(0, group_make("b"));
}

FIXTURE_TEARDOWN(memcg)
{
	EXPECT_EQ(0, events("a", "\noom_kill "));
	EXPECT_EQ(0, events("b", "\noom_kill "));
	EXPECT_EQ(0, group_remove("a"));
	EXPECT_EQ(0, group_remove("b"));
}

/* What @fn says in a child in @group. */
static int in_group(const char *group, int (*fn)(void))
{
	pid_t pid = fork();

	if (!pid)
		_exit(group_enter(group) ? 99 : fn());
	return exit_status(pid);
}

/* A queue of 128 MiB where 64 are allowed: an errno at the loan that is too much. */
static int fill(void)
{
	struct end e = { .o = { .depth = 256, .msg_max = MIB, .bytes_max = 128 * MIB } };
	struct ipcx_desc d;
	int n = 0, ret;

	if (end_open(&e, NULL, CREATE | SENDRECV))
		return 1;
	while ((ret = raw_send(&e, MIB, 'f')) == 1)
		n++;
	if (ret != -ENOMEM)
		return 2;
	if (n < 48 || n > 64)
		return 3;
	if (write(e.fd, e.tx, MIB) != -1 || errno != ENOMEM)
		return 4;
	/* it goes on with what there is */
	if (raw_take(e.fd, &d, 0) != 1 || rx_at(&e, &d)[MIB - 1] != 'f' ||
	    raw_release(e.fd, &d) != 1 || raw_send(&e, MIB, 'g') != 1)
		return 5;
	end_close(&e);
	return 0;
}

TEST_F(memcg, more_than_there_may_be)
{
	EXPECT_EQ(0, in_group("a", fill));
	EXPECT_GT(SLACK, charged("a"));
}

/* Of 64 MiB a quarter stays free of what is only got ready for long messages. */
static int pass_beside(size_t other, int slots)
{
	struct end e = { .o = { .depth = 8, .msg_max = 8 * MIB, .bytes_max = 128 * MIB } };
	char *own = mmap(NULL, other, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct passer p;

	if (own == MAP_FAILED || end_open(&e, NULL, CREATE | SENDRECV))
		return 1;
	p = passer_of(e.fd, 8 * MIB, 1);
	if (pass_on(&p, 3 * PASS_MISSED) < 0)
		return 2;
	return passers_slots(&p) == slots ? 0 : 3;
}

static int pass_with_room(void)
{
	return pass_beside(16 * MIB, 3);
}

static int pass_without_room(void)
{
	return pass_beside(28 * MIB, 2);
}

TEST_F(memcg, spare)
{
	EXPECT_EQ(0, in_group("a", pass_with_room));
	EXPECT_EQ(0, in_group("a", pass_without_room));
	EXPECT_GT(SLACK, charged("a"));
	/* what throttles is no different */
	ASSERT_EQ(0, group_write("a", "memory.high", "67108864"));
	ASSERT_EQ(0, group_write("a", "memory.max", "max"));
	EXPECT_EQ(0, in_group("a", pass_without_room));
}

/* Nor is the limit of a group above. */
TEST_F(memcg, spare_below)
{
	ASSERT_EQ(0, group_write("a", "cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, group_make("a/in"));
	EXPECT_EQ(0, group_write("a/in", "memory.max", "max"));
	EXPECT_EQ(0, in_group("a/in", pass_with_room));
	EXPECT_EQ(0, in_group("a/in", pass_without_room));
	EXPECT_EQ(0, group_remove("a/in"));
}

static int create(void)
{
	struct end e = { .o = { .depth = 64, .msg_max = MIB } };

	return end_open(&e, "payer", CREATE | SENDRECV);
}

/* 16 MiB by each way to send. Its own pages are there before. */
static int send_much(void)
{
	static char buf[MIB];
	long long a, b;
	struct end e = {};

	memset(buf, 'b', sizeof(buf));
	if (end_open(&e, "payer", IPCX_OPEN_SEND))
		return 1;
	a = charged("a");
	b = charged("b");
	for (int i = 0; i < 16; i++)
		if (write(e.fd, buf, MIB) != MIB || raw_send(&e, MIB, 's') != 1)
			return 2;
	if (charged("a") < a + (long long)(32 * MIB))
		return 3;
	return charged("b") > b + (long long)SLACK ? 4 : 0;
}

/* The receiver's group pays nothing either. */
static int recv_much(void)
{
	long long b = charged("b");
	struct end e = {};
	struct ipcx_desc d;
	int n = 0;

	if (end_open(&e, "payer", IPCX_OPEN_RECV))
		return 1;
	while (raw_take(e.fd, &d, 0) == 1) {
		if (rx_at(&e, &d)[MIB - 1] != (n++ & 1 ? 's' : 'b'))
			return 2;
		if (raw_release(e.fd, &d) != 1)
			return 3;
	}
	return n != 32 || charged("b") > b + (long long)SLACK ? 4 : 0;
}

TEST_F(memcg, creator_pays)
{
	ASSERT_EQ(0, in_group("a", create));
	EXPECT_EQ(0, in_group("b", send_much));
	EXPECT_EQ(0, in_group("b", recv_much));
	EXPECT_EQ(0, raw_unlink("payer"));
	EXPECT_GT(SLACK, charged("a"));
}

/* The limit is that of the creator's group, also for a sender in another. */
static int send_too_much(void)
{
	struct end e = {};
	int n = 0, ret;

	if (end_open(&e, "payer", IPCX_OPEN_SEND))
		return 1;
	while ((ret = raw_send(&e, MIB, 's')) == 1)
		n++;
	return ret == -ENOMEM && n >= 48 && n <= 64 ? 0 : 2;
}

static int create_deep(void)
{
	struct end e = { .o = { .depth = 256, .msg_max = MIB } };

	return end_open(&e, "payer", CREATE | SENDRECV);
}

TEST_F(memcg, limit_of_the_creator)
{
	ASSERT_EQ(0, in_group("a", create_deep));
	EXPECT_EQ(0, in_group("b", send_too_much));
	EXPECT_EQ(0, raw_unlink("payer"));
	EXPECT_GT(SLACK, charged("a"));
}

static struct end deep;
static int deep_region;

/* Nothing else may want memory here once there is none. */
static int attach_much(void)
{
	struct ipcx_desc d;
	int ret = 0;

	while (ret >= 0 && raw_loan_kind(deep.fd, &d, 8, 0, IPCX_LOAN_INLINE) == 1)
		ret = region_attach(deep.fd, d.slot, deep_region, BOTH);
	return ret == -ENOMEM ? 0 : 1;
}

/* Notes of what messages carry are charged to who attaches: an errno, not a kill. */
TEST_F(memcg, records_of_regions)
{
	deep.o = (struct ipcx_queue_open){ .depth = 65536, .msg_max = PAGE };
	deep_region = region_new(PAGE);
	ASSERT_LE(0, deep_region);
	ASSERT_EQ(0, end_open(&deep, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, group_write("b", "memory.max", "2097152"));
	EXPECT_EQ(0, in_group("b", attach_much));
	end_close(&deep);
	close(deep_region);
}

static int to_busy[2], from_busy[2];

/* Each time that it is asked to, it gives whoever frees what messages carried much to do. */
static void release_much(void)
{
	struct end e = { .o = { .depth = 4 } };
	struct ipcx_desc d;
	char *p, c;
	int fd;

	if (end_open(&e, NULL, CREATE | SENDRECV))
		_exit(1);
	for (;;) {
		fd = region_new(64 * MIB);
		p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED || raw_loan(e.fd, &d, 8, 0) != 1 ||
		    region_attach(e.fd, d.slot, fd, BOTH))
			_exit(2);
		memset(p, 'r', 64 * MIB);
		munmap(p, 64 * MIB);
		close(fd);
		if (read(to_busy[0], &c, 1) != 1)
			_exit(0);
		if (raw_cancel(e.fd, &d) != 1 || write(from_busy[1], &c, 1) != 1)
			_exit(3);
	}
}

/* Regions that have room for one at a time: memory of a message that was released is free. */
static int send_in_turn(void)
{
	struct end e = { .o = { .depth = 4 } };
	struct ipcx_desc d;
	char *p, c = 'b';
	int fd;

	close(to_busy[0]);
	close(from_busy[1]);
	if (end_open(&e, NULL, CREATE | SENDRECV))
		return 1;
	for (int i = 0; i < 3; i++) {
		fd = region_new(5 * MIB);
		p = mmap(NULL, 5 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			return 2;
		memset(p, 'r', 5 * MIB);
		if (raw_loan(e.fd, &d, 8, 0) != 1 || region_attach(e.fd, d.slot, fd, BOTH) ||
		    raw_commit(e.fd, &d) != 1 || munmap(p, 5 * MIB) || close(fd))
			return 3;
		if (write(to_busy[1], &c, 1) != 1 || read(from_busy[0], &c, 1) != 1)
			return 4;
		if (raw_take(e.fd, &d, 0) != 1 || raw_release(e.fd, &d) != 1)
			return 5;
	}
	end_close(&e);
	return 0;
}

TEST_F(memcg, regions_in_turn)
{
	pid_t pid;

	ASSERT_EQ(0, pipe(to_busy));
	ASSERT_EQ(0, pipe(from_busy));
	pid = fork();
	if (!pid) {
		close(to_busy[1]);
		release_much();
	}
	close(to_busy[0]);
	close(from_busy[1]);
	ASSERT_EQ(0, group_write("b", "memory.max", "8388608"));
	EXPECT_EQ(0, in_group("b", send_in_turn));
	close(to_busy[1]);
	EXPECT_EQ(0, exit_status(pid));
}

static uint64_t user_bytes(void)
{
	struct ipcx_info i = { .size = sizeof(i) };
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	if (xioctl(dev, IPCX_IOC_INFO, &i))
		i.out_user_bytes = 0;
	close(dev);
	return i.out_user_bytes;
}

/* Return: a window on 16 MiB of a queue that has no name and no descriptor any more, or NULL. */
static char *hidden_window(void)
{
	struct end e = { .o = { .depth = 1, .msg_max = 16 * MIB } };
	struct ipcx_desc d;
	int ret;

	if (end_open(&e, "hidden", CREATE | SENDRECV))
		return NULL;
	ret = raw_loan(e.fd, &d, 16 * MIB, 0);
	munmap(e.rx, e.o.out_window);
	close(e.fd);
	raw_unlink("hidden");
	if (ret == 1)
		return e.tx;
	munmap(e.tx, e.o.out_window);
	errno = -ret;
	return NULL;
}

/* Create, map, unlink, close, again and again: all of it counts until it is unmapped. */
static int evade(void)
{
	struct end anchor = { .o = { .depth = 1 } }; /* keeps the user's account */
	long long before;
	uint64_t bytes;
	char *w[4];
	int n;

	if (end_open(&anchor, NULL, CREATE | SENDRECV))
		return 1;
	before = charged("a");
	bytes = user_bytes();
	for (n = 0; n < 4; n++) {
		w[n] = hidden_window();
		if (!w[n])
			break;
		memset(w[n], 'e', 16 * MIB);
	}
	if (n != 3 || errno != ENOMEM)
		return 2;
	if (charged("a") < before + (long long)(48 * MIB) || user_bytes() < bytes + 48 * MIB)
		return 3;
	while (n--)
		munmap(w[n], 16 * MIB);
	if (user_bytes() != bytes)
		return 4;
	return charged("a") > before + (long long)SLACK ? 5 : 0;
}

TEST_F(memcg, charged_until_unmapped)
{
	EXPECT_EQ(0, in_group("a", evade));
}

/* A dead process takes along what it hid. */
static int hide_and_die(void)
{
	return hidden_window() ? 0 : 1;
}

TEST_F(memcg, death_uncharges)
{
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, in_group("a", hide_and_die));
	EXPECT_GT(SLACK, charged("a"));
}

static atomic_bool *full;

/* Its end is revoked, its group full to the last page, and it writes where it had a loan. */
static int write_in_vain(void)
{
	static const char bytes[4096];
	struct end o = { .o = { .depth = 8192, .msg_max = 4096 } }, v = {};
	int nl = nl_open(), family = nl_family(nl);
	struct ipcx_desc d;
	char *place;

	if (end_open(&o, "vain", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
	    end_open(&v, "vain", SENDRECV) || raw_loan(v.fd, &d, 4096, 0) != 1)
		return 1;
	place = tx_at(&v, &d);
	*place = 'v'; /* so that no page table is needed later; nor other pages */
	atomic_store(full, false);
	alarm(20);
	if (revoke_end(nl, family, last_end(nl, family, o.o.out_id)))
		return 2;
	while (write(o.fd, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	if (errno != ENOMEM)
		return 3;
	atomic_store(full, true);
	*place = 'v';
	return 0;
}

/* A fault cannot say that there is no memory: it must not go round for ever. */
TEST_F(memcg, revoked_and_full)
{
	full = mmap(NULL, sizeof(*full), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, full);
	ASSERT_EQ(0, group_make("c"));
	ASSERT_EQ(0, group_write("c", "memory.max", "16777216"));
	EXPECT_EQ(128 + SIGKILL, in_group("c", write_in_vain));
	EXPECT_TRUE(atomic_load(full));
	EXPECT_EQ(1, events("c", "\noom_kill "));
	EXPECT_EQ(0, group_remove("c"));
}

TEST_HARNESS_MAIN
