// SPDX-License-Identifier: GPL-2.0-only
/* Times in time namespaces whose clock is ahead of the machine's, or behind it. */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME "timens"
#define MS 1000000LL
#define AHEAD 1000000 /* s */
#define NEARLY_FOREVER (IPCX_DEADLINE_FOREVER - 1)

FIXTURE(timens)
{
	struct end e;
	int64_t offset;
};

FIXTURE_VARIANT(timens)
{
	bool behind;
};

FIXTURE_VARIANT_ADD(timens, ahead){ .behind = false };
FIXTURE_VARIANT_ADD(timens, behind){ .behind = true };

typedef FIXTURE_DATA(timens) fix;

/* The children of this process live @offset from now on. */
FIXTURE_SETUP(timens)
{
	char text[64];
	long s = AHEAD;

	memset(self, 0, sizeof(*self));
	alarm(60);
	/* no clock may begin below 0 */
	while (variant->behind && now_ns() < 3000 * MS)
		usleep(100000);
	if (variant->behind)
		s = -(now_ns() / 1000000000 - 1);
	self->offset = s * 1000000000;
	self->e.o.depth = 1;
	self->e.o.msg_max = 4096;
	ASSERT_EQ(0, end_open(&self->e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, unshare(CLONE_NEWTIME));
	snprintf(text, sizeof(text), "monotonic %ld 0", s);
	ASSERT_EQ(0, put_file("/proc/self/timens_offsets", text));
}

FIXTURE_TEARDOWN(timens)
{
	end_close(&self->e);
}

/* In a child, whose clock must be the other one: what @fn says. */
static pid_t inside(fix *self, int (*fn)(fix *self))
{
	int64_t outer = now_ns();
	pid_t pid = fork();

	if (!pid) {
		int64_t d = now_ns() - outer - self->offset;

		_exit(d < 0 || d > 60000 * MS ? 99 : fn(self));
	}
	return pid;
}

/* A call that nobody answers comes back at its deadline, not before, not much later. */
static bool times_out(fix *self, int (*call)(int fd, int64_t deadline))
{
	const int fd = self->e.fd;
	int64_t t = now_ns();

	if (call(fd, 1) != -ETIMEDOUT || call(fd, t) != -ETIMEDOUT)
		return false;
	if (now_ns() - t > 20000 * MS)
		return false;
	t = now_ns();
	return call(fd, t + 50 * MS) == -ETIMEDOUT && now_ns() >= t + 50 * MS &&
	       now_ns() < t + 20000 * MS;
}

static int call_take(int fd, int64_t deadline)
{
	struct ipcx_desc d;

	return raw_take(fd, &d, deadline);
}

static int call_loan(int fd, int64_t deadline)
{
	struct ipcx_desc d;

	return raw_loan(fd, &d, 8, deadline);
}

static int deadlines_inside(fix *self)
{
	if (!times_out(self, call_take))
		return 1;
	if (write(self->e.fd, "f", 1) != 1) /* the one slot */
		return 2;
	return times_out(self, call_loan) ? 0 : 3;
}

TEST_F(timens, deadlines)
{
	EXPECT_EQ(0, exit_status(inside(self, deadlines_inside)));
}

/* So far away that the machine's clock cannot say it: it waits all the same. */
static int wait_inside(fix *self)
{
	struct ipcx_desc d;

	if (raw_take(self->e.fd, &d, NEARLY_FOREVER) != 1 || raw_release(self->e.fd, &d) != 1)
		return 1;
	return raw_take(self->e.fd, &d, IPCX_DEADLINE_FOREVER) == 1 ? 0 : 2;
}

TEST_F(timens, nearly_for_ever)
{
	pid_t pid = inside(self, wait_inside);

	for (int i = 0; i < 2; i++) {
		usleep(100000);
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG)) TH_LOG("did not wait");
		ASSERT_EQ(8, write(self->e.fd, "12345678", 8));
	}
	EXPECT_EQ(0, exit_status(pid));
}

/* A message of @expires, in the caller's time. */
static int send_until(fix *self, int64_t expires)
{
	struct ipcx_desc d;

	if (raw_loan(self->e.fd, &d, 8, in_ms(10000)) != 1)
		return -1;
	d.expires = expires;
	return raw_commit(self->e.fd, &d);
}

static int expires_inside(fix *self)
{
	const int64_t when = now_ns() + 1000000 * MS;
	struct ipcx_desc d;

	/* told as it was given */
	if (send_until(self, when) != 1 || raw_take(self->e.fd, &d, 0) != 1 || d.expires != when ||
	    raw_release(self->e.fd, &d) != 1)
		return 1;
	/* long past is never delivered, and is not "never" */
	if (send_until(self, 1) != 1 || raw_take(self->e.fd, &d, in_ms(100)) != -ETIMEDOUT)
		return 2;
	/* too far away for the machine's clock is not long past */
	if (send_until(self, NEARLY_FOREVER) != 1 || raw_take(self->e.fd, &d, 0) != 1 ||
	    raw_release(self->e.fd, &d) != 1)
		return 3;
	return send_until(self, when) == 1 ? 0 : 4;
}

TEST_F(timens, messages_that_expire)
{
	struct ipcx_desc d;
	int64_t before = now_ns(), left;

	ASSERT_EQ(0, exit_status(inside(self, expires_inside)));
	/* here it is the time of here */
	ASSERT_EQ(1, raw_take(self->e.fd, &d, 0));
	left = d.expires - before;
	EXPECT_LE(1000000 * MS, left);
	EXPECT_GE(1060000 * MS, left);
}

TEST_HARNESS_MAIN
