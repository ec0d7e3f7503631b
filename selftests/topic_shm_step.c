// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics without the module: a member that opens or closes is killed after each of its stores that
 * others can see, one after the other, by single steps. They go on as if it had been done, or not
 * begun.
 */
#include <sys/ptrace.h>

#include "topic_shm_util.h"

#define TABLE (64 << 10) /* bytes of the memory that are looked at: most of its table */
#define STEPS_MAX 3000000
#define STORES_MAX 200

enum what { JOINS, CLOSES, REAPS, LEAVES_HOLE };

FIXTURE(step)
{
	char dir[64];
	struct ipcx_topic *own;
	int here[2], go[2];
};

FIXTURE_VARIANT(step)
{
	enum what what;
	unsigned int own, other; /* flags */
};

FIXTURE_VARIANT_ADD(step, publisher_joins){ JOINS, IPCX_SUBSCRIBE, IPCX_PUBLISH };
FIXTURE_VARIANT_ADD(step, subscriber_closes){ CLOSES, IPCX_PUBLISH, IPCX_SUBSCRIBE };
FIXTURE_VARIANT_ADD(step, joiner_reaps){ REAPS, IPCX_PUBLISH, IPCX_SUBSCRIBE };
FIXTURE_VARIANT_ADD(step, publisher_leaves_hole){ LEAVES_HOLE, IPCX_SUBSCRIBE, IPCX_PUBLISH };

FIXTURE_SETUP(step)
{
	ASSERT_TRUE(dir_make(self->dir));
	ASSERT_EQ(0, pipe(self->here));
	ASSERT_EQ(0, pipe(self->go));
}

FIXTURE_TEARDOWN(step)
{
	EXPECT_EQ(0, dir_remove(self->dir)) TH_LOG("something is left");
}

static struct ipcx_topic *member(unsigned int flags)
{
	struct ipcx_topic *t;

	return open_topic(&t, flags) ? NULL : t;
}

/* Kills @pid, which is traced, right after its store number @k. Return: whether it came to that. */
static bool kill_after(pid_t pid, const char *table, int k)
{
	static char old[TABLE];
	int stores = 0, status;

	memcpy(old, table, TABLE);
	for (int i = 0; i < STEPS_MAX && stores < k; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, 0) < 0 ||
		    !WIFSTOPPED(status))
			return false; /* it has ended */
		if (memcmp(old, table, TABLE)) {
			memcpy(old, table, TABLE);
			stores++;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return stores == k;
}

/* The one that is stepped through, and killed. */
static void other(int here, int go, enum what what, unsigned int flags)
{
	struct ipcx_topic *t = NULL;
	struct ipcx_msg first, second;
	char c;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	if (what == CLOSES || what == LEAVES_HOLE)
		t = member(flags);
	if (what == LEAVES_HOLE &&
	    (ipcx_topic_loan(t, 8, &first, 0) || ipcx_topic_loan(t, 8, &second, 0)))
		_exit(1);
	if (what == LEAVES_HOLE) {
		*(uint64_t *)second.data = 1;
		ipcx_topic_commit(t, &second);
	}
	if (write(here, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	raise(SIGSTOP);
	if (t)
		ipcx_topic_close(t);
	else
		member(flags);
	_exit(0);
}

/* One who is dead, for the next to find. */
static pid_t sleeper(int here)
{
	pid_t pid = fork();

	if (!pid) {
		if (member(IPCX_SUBSCRIBE) && write(here, "", 1) == 1)
			pause();
		_exit(1);
	}
	return pid;
}

/* What the survivor can do now. Return: 0 for all, or what did not go. */
static int64_t try_all(struct ipcx_topic *own, enum what what)
{
	struct ipcx_topic *pub;
	int64_t r;

	switch (what) {
	case JOINS:
		recv_nr(own, in_ms(20)); /* the end of the other, perhaps */
		pub = member(IPCX_PUBLISH);
		r = pub ? send_nr(pub, 7, 0) : -ENOENT;
		r = r ?: recv_nr(own, in_ms(2000)) - 7;
		ipcx_topic_close(pub);
		return r;
	case LEAVES_HOLE:
		return recv_nr(own, in_ms(2000)) - 1;
	default:
		return send_nr(own, 9, in_ms(2000));
	}
}

TEST_F_TIMEOUT(step, killed_after_each_store, 600)
{
	bool killed = true;
	int k = 0, status;

	while (killed && ++k < STORES_MAX) {
		pid_t dead = 0, pid;
		const char *table;
		char c;

		self->own = member(variant->own);
		ASSERT_NE(NULL, self->own);
		if (variant->what == REAPS) {
			dead = sleeper(self->here[1]);
			ASSERT_EQ(1, read(self->here[0], &c, 1));
		}
		pid = fork();
		if (!pid)
			other(self->here[1], self->go[0], variant->what, variant->other);
		ASSERT_EQ(1, read(self->here[0], &c, 1));
		for (int i = 0; variant->own == IPCX_PUBLISH && i < DEPTH; i++)
			send_nr(self->own, i, 0);
		if (variant->what == LEAVES_HOLE)
			EXPECT_EQ(-EAGAIN, recv_nr(self->own, 0));
		if (dead) {
			kill(dead, SIGKILL);
			waitpid(dead, NULL, 0);
		}
		ASSERT_EQ(1, write(self->go[1], "", 1));
		do {
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			ASSERT_TRUE(WIFSTOPPED(status));
		} while (WSTOPSIG(status) != SIGSTOP);
		table = mmap(NULL, TABLE, PROT_READ, MAP_SHARED, memory_of("topic"), 0);
		ASSERT_NE(MAP_FAILED, table);
		killed = kill_after(pid, table, k);
		munmap((void *)table, TABLE);
		EXPECT_EQ(0, try_all(self->own, variant->what)) TH_LOG("after store %d", k);
		ipcx_topic_close(self->own);
	}
	TH_LOG("%d stores", k - 1);
	EXPECT_LT(2, k);
	EXPECT_GT(STORES_MAX, k);
}

TEST_HARNESS_MAIN
