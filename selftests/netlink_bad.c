// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests by netlink that are wrong: each thing that can be wrong in turn, with the reason in
 * words, and at random.
 */
#include "netlink_util.h"

#include "../kselftest_harness.h"

FIXTURE(nl)
{
	int fd, family;
	struct end e;
};

FIXTURE_SETUP(nl)
{
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	self->family = nl_family(self->fd);
	ASSERT_LT(0, self->family);
	self->e = (struct end){};
	ASSERT_EQ(0, end_open(&self->e, "nl-bad", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
}

FIXTURE_TEARDOWN(nl)
{
	end_close(&self->e);
	close(self->fd);
}

/* The operations, and what each can be asked: attributes of a do, of a dump, bytes of each. */
static const struct op {
	int cmd;
	bool has_do;
	int max; /* highest attribute of a request */
	struct {
		int attr, len;
		bool in_do, in_dump, has_min;
	} ask[3];
} ops[] = {
	{ IPCX_CMD_OBJECT_GET,
	  true,
	  IPCX_A_OBJECT_KIND,
	  { { IPCX_A_OBJECT_ID, 8, true, false, true },
	    { IPCX_A_OBJECT_NAME, 0, true, false, true },
	    { IPCX_A_OBJECT_KIND, 4, false, true, true } } },
	{ IPCX_CMD_END_GET,
	  true,
	  IPCX_A_END_OBJECT,
	  { { IPCX_A_END_ID, 8, true, false, true },
	    { IPCX_A_END_OBJECT, 8, false, true, true } } },
	{ IPCX_CMD_HOLDER_GET,
	  false,
	  IPCX_A_HOLDER_OBJECT,
	  { { IPCX_A_HOLDER_OBJECT, 8, false, true, true } } },
	{ IPCX_CMD_LIMIT_GET,
	  true,
	  IPCX_A_LIMIT_UID,
	  { { IPCX_A_LIMIT_UID, 4, true, false, false } } },
};

/* A request with one attribute, whose bytes are those of the number 1. */
static void one(struct request *r, int family, int cmd, int flags, int attr, int len)
{
	char bytes[512] = { 1 };

	nl_init(r, family, cmd, flags);
	nl_put(r, attr, bytes, len);
}

/* It fails so, and says why. */
#define EXPECT_REFUSED(err, request) \
	do { \
		EXPECT_EQ(err, nl_ask(self->fd, request, NULL, NULL)); \
		EXPECT_LT(0, strlen(nl_words)); \
	} while (0)

TEST_F_TIMEOUT(nl, attributes, 300)
{
	static const int unknown[] = { 0, IPCX_A_OBJECT_PAD, 60, 1000, NLA_TYPE_MASK };
	struct request r;

	for (const struct op *op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		for (int flags = 0; flags <= NLM_F_DUMP; flags += NLM_F_DUMP) {
			if (!flags && !op->has_do)
				continue;
			for (int i = 0; i < 5; i++) {
				one(&r, self->family, op->cmd, flags, unknown[i], 8);
				EXPECT_REFUSED(-EINVAL, &r);
			}
			one(&r, self->family, op->cmd, flags, op->max + 1, 8);
			EXPECT_REFUSED(-EINVAL, &r);
			for (int i = 0; i < 3 && op->ask[i].attr; i++) {
				int attr = op->ask[i].attr, len = op->ask[i].len;

				/* too short, too long, none; a name may be of any length but 0 */
				for (int l = 0; len && l < 300; l++) {
					if (l == len)
						continue;
					one(&r, self->family, op->cmd, flags, attr, l);
					EXPECT_REFUSED(-EINVAL, &r);
				}
				one(&r, self->family, op->cmd, flags, attr | NLA_F_NESTED,
				    len ?: 3);
				EXPECT_REFUSED(-EINVAL, &r);
				/* twice */
				one(&r, self->family, op->cmd, flags, attr, len ?: 3);
				nl_put(&r, attr, "\1\0\0\0\0\0\0", len ?: 3);
				EXPECT_REFUSED(-EINVAL, &r);
				EXPECT_STREQ("the attribute comes twice", nl_words);
				/* where it has no place */
				one(&r, self->family, op->cmd, flags, attr, len ?: 3);
				if (!(flags ? op->ask[i].in_dump : op->ask[i].in_do)) {
					EXPECT_REFUSED(-EINVAL, &r);
					EXPECT_EQ(flags > 0,
						  !strcmp("a dump is not limited by that",
							  nl_words));
				}
				if (len && op->ask[i].has_min) {
					nl_init(&r, self->family, op->cmd, flags);
					nl_put(&r, attr, "\0\0\0\0\0\0\0", len);
					EXPECT_REFUSED(-ERANGE, &r);
				}
			}
		}
	}
}

TEST_F(nl, values)
{
	char long_name[IPCX_NAME_MAX + 2];
	struct request r;

	memset(long_name, 'n', sizeof(long_name));
	one(&r, self->family, IPCX_CMD_OBJECT_GET, 0, IPCX_A_OBJECT_NAME, 0);
	EXPECT_REFUSED(-ERANGE, &r);
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, long_name, IPCX_NAME_MAX + 1);
	EXPECT_REFUSED(-ERANGE, &r);
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, long_name, IPCX_NAME_MAX);
	EXPECT_EQ(-ENOENT, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, NLM_F_DUMP);
	nl_put_u32(&r, IPCX_A_OBJECT_KIND, IPCX_KIND_REGION + 1);
	EXPECT_REFUSED(-ERANGE, &r);
	/* nothing, both, a name of another kind */
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	EXPECT_REFUSED(-EINVAL, &r);
	nl_put(&r, IPCX_A_OBJECT_NAME, "nl-bad", 6);
	nl_put_u64(&r, IPCX_A_OBJECT_ID, self->e.o.out_id);
	EXPECT_REFUSED(-EINVAL, &r);
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, "nl-bad", 6);
	nl_put_u32(&r, IPCX_A_OBJECT_KIND, IPCX_KIND_TOPIC);
	EXPECT_EQ(-EPROTOTYPE, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put_u64(&r, IPCX_A_OBJECT_ID, UINT64_MAX);
	EXPECT_EQ(-ENOENT, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_END_GET, 0);
	EXPECT_REFUSED(-EINVAL, &r);
	nl_init(&r, self->family, IPCX_CMD_LIMIT_GET, 0);
	nl_put_u32(&r, IPCX_A_LIMIT_UID, -1);
	EXPECT_REFUSED(-EINVAL, &r);
	/* an object that is not there has no ends and no holders */
	for (int cmd = IPCX_CMD_END_GET; cmd <= IPCX_CMD_HOLDER_GET; cmd++) {
		nl_init(&r, self->family, cmd, NLM_F_DUMP);
		nl_put_u64(&r, cmd == IPCX_CMD_END_GET ? IPCX_A_END_OBJECT : IPCX_A_HOLDER_OBJECT,
			   UINT64_MAX);
		EXPECT_EQ(0, nl_ask(self->fd, &r, NULL, NULL));
	}
}

/* The heads, and attributes that say to be longer than the message. */
TEST_F_TIMEOUT(nl, heads, 300)
{
	struct request r;
	struct nlattr *attr = (void *)r.attrs;

	for (int cmd = 0; cmd < 256; cmd++) {
		if (cmd >= IPCX_CMD_OBJECT_GET && cmd <= IPCX_CMD_MAX)
			continue;
		nl_init(&r, self->family, cmd, 0);
		EXPECT_EQ(-EOPNOTSUPP, nl_ask(self->fd, &r, NULL, NULL));
		nl_init(&r, self->family, cmd, NLM_F_DUMP);
		EXPECT_EQ(-EOPNOTSUPP, nl_ask(self->fd, &r, NULL, NULL));
	}
	nl_init(&r, self->family, IPCX_CMD_HOLDER_GET, 0);
	EXPECT_EQ(-EOPNOTSUPP, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_LIMIT_GET, 0);
	r.genl.reserved = 1;
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	nl_init(&r, self->family, IPCX_CMD_LIMIT_GET, 0);
	r.nlh.nlmsg_len = NLMSG_HDRLEN + 2;
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &r, NULL, NULL));
	for (int flags = 0; flags <= NLM_F_DUMP; flags += NLM_F_DUMP) {
		for (int len = 0; len < 64; len++) {
			if (len == NLA_HDRLEN + 4)
				continue;
			one(&r, self->family, IPCX_CMD_LIMIT_GET, flags, IPCX_A_LIMIT_UID, 4);
			attr->nla_len = len;
			EXPECT_REFUSED(-EINVAL, &r);
		}
		/* bytes that are no attribute */
		for (int more = 1; more < 4; more++) {
			nl_init(&r, self->family, IPCX_CMD_LIMIT_GET, flags);
			r.nlh.nlmsg_len += more;
			EXPECT_REFUSED(-EINVAL, &r);
		}
	}
}

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* A request that is nearly right. */
static void random_request(struct request *r, int family, uint64_t id)
{
	nl_init(r, family, 1 + any(IPCX_CMD_MAX), any(2) ? NLM_F_DUMP : 0);
	for (int n = any(4); n; n--) {
		char bytes[300];
		int len = any(8) ? 4 + 4 * any(2) : any(sizeof(bytes));

		for (int i = 0; i < sizeof(bytes); i++)
			bytes[i] = any(3) ? 0 : any(256);
		if (any(2))
			memcpy(bytes, &id, 8);
		nl_put(r, any(10) ? 2 + any(3) : any(65536), bytes, len);
	}
	for (int n = any(3) ? 0 : any(6); n; n--)
		((char *)&r->genl)[any(sizeof(r->genl) + 64)] = any(256);
	if (!any(4))
		r->nlh.nlmsg_len = NLMSG_HDRLEN + any(200);
}

TEST_F_TIMEOUT(nl, random, 300)
{
	static char buf[65536];
	struct end again = {};
	struct request r;
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_loan(self->e.fd, &d, 1, 0));
	for (int n = rounds(20000); n; n--) {
		random_request(&r, self->family, self->e.o.out_id);
		ASSERT_EQ(0, nl_send(self->fd, &r));
		while (recv(self->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		ASSERT_EQ(EAGAIN, errno);
	}
	/* the end may have been revoked, and then the queue is gone */
	ASSERT_EQ(0, end_open(&again, "nl-bad", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	nl_init(&r, self->family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, "nl-bad", 6);
	EXPECT_EQ(0, nl_ask(self->fd, &r, NULL, NULL));
	end_close(&again);
}

TEST_HARNESS_MAIN
