// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits set by netlink: where they are seen, all or none, what is beyond one, and who may.
 */
#include "topic_util.h"

#include "netlink_fixture.h"

#define PARAM "/sys/module/ipcx/parameters/"

/* What can be set, its bounds, and the parameter that it is. */
static const struct bound {
	int attr;
	uint64_t min, max;
	const char *words, *param;
} bounds[] = {
	{ IPCX_A_LIMIT_BYTES_MAX, 0, INT64_MAX,
	  "bytes-max is 1 to 9223372036854775807, or 0 for a quarter of the memory",
	  PARAM "user_bytes_max" },
	{ IPCX_A_LIMIT_OBJECTS_MAX, 0, UINT32_MAX, "objects-max is 0 to 4294967295",
	  PARAM "user_queues_max" },
	{ IPCX_A_LIMIT_DEPTH_MAX, 1, 65536, "depth-max is 1 to 65536", PARAM "queue_depth_max" },
	{ IPCX_A_LIMIT_MSG_MAX, 1, 1 << 30, "msg-max is 1 to 1073741824", PARAM "queue_msg_max" },
};

static const uint64_t usual[] = { 0, 1024, 65536, 1 << 30 };

/* Some limits at once: those of @mask, which has a bit for each of the four. */
static int set_some(int fd, int family, unsigned int mask, const uint64_t *v)
{
	struct request r;

	nl_init(&r, family, IPCX_CMD_LIMIT_SET, NLM_F_ACK);
	for (int i = 0; i < ARRAY_SIZE(bounds); i++)
		if (mask & 1 << i)
			nl_put_u64(&r, bounds[i].attr, v[i]);
	return nl_ask(fd, &r, NULL, NULL);
}

/* Are the limits those, wherever one looks? */
static bool are(int fd, int family, const uint64_t *v)
{
	struct ipcx_info info = { .size = sizeof(info) };
	uint64_t ram = (uint64_t)meminfo("MemTotal:") << 10, bytes;
	char text[32];

	for (int i = 0; i < ARRAY_SIZE(bounds); i++)
		if (!get_file(bounds[i].param, text, sizeof(text)) ||
		    strtoull(text, NULL, 10) != v[i])
			return false;
	if (device_ioctl(IPCX_IOC_INFO, &info) || ask(fd, family, IPCX_CMD_LIMIT_GET, 0, 0, 0, 0))
		return false;
	bytes = seen.v[0][IPCX_A_LIMIT_BYTES_MAX];
	return info.out_user_bytes_max == bytes && info.out_user_queues_max == v[1] &&
	       info.out_depth_max == v[2] && info.out_msg_max == v[3] &&
	       seen.v[0][IPCX_A_LIMIT_OBJECTS_MAX] == v[1] &&
	       seen.v[0][IPCX_A_LIMIT_DEPTH_MAX] == v[2] &&
	       seen.v[0][IPCX_A_LIMIT_MSG_MAX] == v[3] &&
	       (v[0] ? bytes == v[0] : bytes > ram / 5 && bytes < ram / 3);
}

TEST_F(nl, set)
{
	uint64_t v[] = { 12345678, 77, 1000, 1 << 20 }, one[4];

	ASSERT_TRUE(are(self->fd, self->family, usual));
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, v));
	EXPECT_TRUE(are(self->fd, self->family, v));
	/* by itself, the others stay; its bounds */
	for (int i = 0; i < ARRAY_SIZE(bounds); i++) {
		memcpy(one, v, sizeof(one));
		one[i] = bounds[i].min;
		ASSERT_EQ(0, set_some(self->fd, self->family, 1 << i, one));
		EXPECT_TRUE(are(self->fd, self->family, one));
		one[i] = bounds[i].max;
		ASSERT_EQ(0, set_some(self->fd, self->family, 1 << i, one));
		EXPECT_TRUE(are(self->fd, self->family, one));
		ASSERT_EQ(0, set_some(self->fd, self->family, 1 << i, v));
	}
	/* the parameters are the limits */
	ASSERT_EQ(0, put_file(PARAM "user_queues_max", "78"));
	v[1] = 78;
	EXPECT_TRUE(are(self->fd, self->family, v));
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, usual));
	EXPECT_TRUE(are(self->fd, self->family, usual));
}

/* One that is wrong: nothing is set, and it is named with its bounds. */
TEST_F(nl, all_or_none)
{
	uint64_t v[] = { 12345678, 77, 1000, 1 << 20 }, bad[4];

	ASSERT_EQ(0, set_some(self->fd, self->family, 15, v));
	for (int i = 0; i < ARRAY_SIZE(bounds); i++) {
		uint64_t wrong[] = { bounds[i].max + 1, UINT64_MAX, bounds[i].min - 1 };

		for (int k = 0; k < ARRAY_SIZE(wrong); k++) {
			for (int j = 0; j < 4; j++)
				bad[j] = v[j] + 1;
			bad[i] = wrong[k];
			EXPECT_EQ(-ERANGE, set_some(self->fd, self->family, 15, bad));
			EXPECT_STREQ(bounds[i].words, nl_words);
			EXPECT_TRUE(are(self->fd, self->family, v));
		}
	}
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, usual));
}

TEST_F(nl, malformed)
{
	struct request r;

	EXPECT_EQ(-EINVAL, set_some(self->fd, self->family, 0, usual));
	EXPECT_STREQ("no limit is given", nl_words);
	for (int attr = 0; attr < 12; attr++) {
		bool known = false;

		for (int i = 0; i < ARRAY_SIZE(bounds); i++)
			known |= bounds[i].attr == attr;
		for (int len = 0; len < 20; len++) {
			if (known && len == 8)
				continue;
			nl_init(&r, self->family, IPCX_CMD_LIMIT_SET, NLM_F_ACK);
			nl_put_u64(&r, IPCX_A_LIMIT_OBJECTS_MAX, 5);
			nl_put(&r, attr, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", len);
			EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
			EXPECT_LT(0, strlen(nl_words));
		}
	}
	nl_init(&r, self->family, IPCX_CMD_LIMIT_SET, NLM_F_ACK);
	nl_put_u64(&r, IPCX_A_LIMIT_OBJECTS_MAX, 5);
	nl_put_u64(&r, IPCX_A_LIMIT_OBJECTS_MAX, 6);
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	EXPECT_STREQ("the attribute comes twice", nl_words);
	nl_init(&r, self->family, IPCX_CMD_LIMIT_SET, NLM_F_DUMP);
	EXPECT_EQ(-EOPNOTSUPP, nl_ask(self->fd, &r, NULL, NULL));
	EXPECT_TRUE(are(self->fd, self->family, usual));
}

static bool tell(int fd)
{
	return write(fd, "x", 1) == 1;
}

static bool told(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* Of user 1000, whose limits fall and rise meanwhile. Return: where it went wrong, or 0. */
static int bound_user(int out, int in)
{
	struct end e = { .o.depth = 64 }, same = {}, more = {}, deep = { .o.depth = 64 };
	struct ipcx_desc d, x;

	if (as_user(1000) || end_open(&e, "nl-bound", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
	    raw_send(&e, 100000, 'x') != 1 || !tell(out) || !told(in))
		return 1;
	/* what it has stays and works */
	if (raw_take(e.fd, &d, 0) != 1 || *rx_at(&e, &d) != 'x' || raw_release(e.fd, &d) != 1 ||
	    end_open(&same, "nl-bound", SENDRECV) || same.o.out_depth != 64 ||
	    raw_send(&same, 50000, 'y') != 1)
		return 2;
	if (raw_loan(e.fd, &x, 200000, 0) != -EDQUOT)
		return 3;
	if (end_open(&more, NULL, CREATE | SENDRECV) != -EDQUOT)
		return 4;
	if (!tell(out) || !told(in))
		return 5;
	/* as many as there were limits for */
	if (raw_loan(e.fd, &x, 200000, 0) != 1 || end_open(&more, NULL, CREATE | SENDRECV))
		return 6;
	if (more.o.out_depth != 32 || more.o.out_msg_max != 1 << 20 ||
	    end_open(&deep, NULL, CREATE | SENDRECV) != -EINVAL)
		return 7;
	return 0;
}

TEST_F(nl, beyond_a_limit)
{
	static const uint64_t low[] = { 4096, 0, 32, 1 << 20 }, high[] = { 0, 2, 32, 1 << 20 };
	int up[2], down[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	pid = fork();
	if (!pid)
		_exit(bound_user(up[1], down[0]));
	close(up[1]);
	ASSERT_TRUE(told(up[0]));
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, low));
	ASSERT_TRUE(tell(down[1]));
	EXPECT_TRUE(told(up[0]));
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, high));
	ASSERT_TRUE(tell(down[1]));
	EXPECT_EQ(0, exit_status(pid));
	ASSERT_EQ(0, set_some(self->fd, self->family, 15, usual));
}

/* Is somebody refused, by this socket and for that reason, and is nothing changed? */
static bool refused(int fd, int family)
{
	static const uint64_t v[] = { 1 << 20, 5, 50, 5000 };

	return set_some(fd, family, 15, v) == -EPERM &&
	       !strcmp("limits are set with CAP_SYS_ADMIN only", nl_words);
}

TEST_F(nl, rights)
{
	static const struct {
		int bit;
		bool may;
	} caps[] = { { 12, false }, { 15, false }, { 21, true }, { 24, false } };
	int by_user;
	pid_t pid;

	for (int i = 0; i < ARRAY_SIZE(caps); i++) {
		pid = fork();
		if (!pid) {
			int fd;

			if (drop_to(1ULL << caps[i].bit))
				fd = nl_open();
			else
				_exit(1);
			_exit(caps[i].may ? set_some(fd, self->family, 15, usual) :
					    !refused(fd, self->family));
		}
		EXPECT_EQ(0, exit_status(pid));
	}
	/* another user, by its own socket and by one that root opened */
	pid = fork();
	if (!pid)
		_exit(as_user(1000) || !refused(nl_open(), self->family) ||
		      !refused(self->fd, self->family));
	EXPECT_EQ(0, exit_status(pid));
	/* root, by the socket of another user */
	ASSERT_EQ(0, seteuid(1000));
	by_user = nl_open();
	ASSERT_EQ(0, seteuid(0));
	EXPECT_TRUE(refused(by_user, self->family));
	/* root of a user namespace only, in a network namespace of it too */
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || !refused(nl_open(), self->family))
			_exit(1);
		_exit(unshare(CLONE_NEWNET) || !refused(nl_open(), self->family));
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_TRUE(are(self->fd, self->family, usual));
	/* in another network namespace all the same */
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNET) || set_some(nl_open(), self->family, 15, usual));
	EXPECT_EQ(0, exit_status(pid));
}

TEST_HARNESS_MAIN
