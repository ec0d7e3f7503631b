// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family: what it says of each kind of object, open end, held slot and user, who is
 * told what, and dumps that meet changes.
 */
#include <linux/ipcx_region.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "topic_util.h"

#include "netlink_fixture.h"

#define OBJECT(attribute) (seen.v[0][IPCX_A_OBJECT_##attribute])

static int stat_raw(int fd, struct ipcx_queue_stat *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	return xioctl(fd, IPCX_IOC_QUEUE_STAT, s);
}

/* A queue with something in each of its numbers says by netlink what STAT says. */
TEST_F(nl, queue)
{
	struct end dead = { .o.depth = 4 }, e = {
		.o.depth = 8,
		.o.mode = 0640,
		.o.msg_max = 10000,
		.o.bytes_max = 1 << 20,
		.o.policy = IPCX_POLICY_DROP_OLDEST,
		.o.max_deliveries = 2,
		.o.lease_ms = 60000,
		.o.leases_max = 5,
		.o.dead_letter = (uintptr_t) "nl-dead",
		.o.dead_letter_len = 7,
	};
	struct ipcx_queue_stat s;
	struct ipcx_desc d[3];

	ASSERT_EQ(0, end_open(&dead, "nl-dead", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, end_open(&e, "nl queue\n", CREATE | SENDRECV));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(1, raw_send(&e, 100, i));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_take(e.fd, &d[i], 0));
	ASSERT_EQ(1, raw_release(e.fd, &d[0]));
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d[1], IPCX_RELEASE_NACK));
	ASSERT_EQ(1, raw_take(e.fd, &d[1], 0));
	ASSERT_EQ(1, raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d[1], IPCX_RELEASE_NACK));
	ASSERT_EQ(1, raw_loan(e.fd, &d[1], 50, 0));
	ASSERT_EQ(0, stat_raw(e.fd, &s));
	ASSERT_EQ(0, get_object(self->fd, self->family, "nl queue\n"));
	ASSERT_EQ(1, seen.n);
	EXPECT_STREQ("nl queue\n", seen.name[0]);
	EXPECT_EQ(e.o.out_id, OBJECT(ID));
	EXPECT_EQ(IPCX_KIND_QUEUE, OBJECT(KIND));
	EXPECT_EQ(0, OBJECT(FLAGS));
	EXPECT_EQ(0, OBJECT(UID));
	EXPECT_EQ(0, OBJECT(GID));
	EXPECT_EQ(0640, OBJECT(MODE));
	EXPECT_EQ(8, OBJECT(DEPTH));
	EXPECT_EQ(10000, OBJECT(MSG_MAX));
	EXPECT_EQ(1 << 20, OBJECT(BYTES_MAX));
	EXPECT_EQ(s.out_bytes, OBJECT(BYTES));
	EXPECT_EQ(1, OBJECT(SENDERS));
	EXPECT_EQ(1, OBJECT(RECEIVERS));
	EXPECT_EQ(s.out_free, OBJECT(FREE));
	EXPECT_EQ(1, OBJECT(LOANED));
	EXPECT_EQ(s.out_queued, OBJECT(QUEUED));
	EXPECT_EQ(1, OBJECT(LEASED));
	EXPECT_EQ(0, OBJECT(ANSWERS));
	EXPECT_EQ(0, OBJECT(REQUESTS));
	EXPECT_EQ(0, OBJECT(SEND_WAITERS));
	EXPECT_EQ(0, OBJECT(RECV_WAITERS));
	EXPECT_EQ(10, OBJECT(SENT));
	EXPECT_EQ(1000, OBJECT(SENT_BYTES));
	EXPECT_EQ(1, OBJECT(RELEASED));
	EXPECT_EQ(2, OBJECT(DROPPED_OLDEST));
	EXPECT_EQ(s.out_dropped_oldest, OBJECT(DROPPED_OLDEST));
	EXPECT_EQ(0, OBJECT(DROPPED_NEWEST));
	EXPECT_EQ(0, OBJECT(EXPIRED));
	EXPECT_EQ(1, OBJECT(POISON));
	EXPECT_EQ(0, OBJECT(WITHDRAWN));
	EXPECT_EQ(1, OBJECT(REDELIVERED));
	EXPECT_EQ(1, OBJECT(DEAD_LETTERED));
	EXPECT_EQ(0, OBJECT(DEAD_LETTER_FAILED));
	EXPECT_LE(1, OBJECT(OLDEST_MS));
	EXPECT_EQ(0, OBJECT(TAPS));
	EXPECT_EQ(IPCX_POLICY_DROP_OLDEST, OBJECT(POLICY));
	EXPECT_EQ(2, OBJECT(MAX_DELIVERIES));
	EXPECT_EQ(60000, OBJECT(LEASE_MS));
	EXPECT_EQ(5, OBJECT(LEASES_MAX));
	EXPECT_EQ(dead.o.out_id, OBJECT(DEAD_LETTER));
	for (int i = IPCX_A_OBJECT_ID; i <= IPCX_A_OBJECT_MAX; i++)
		EXPECT_TRUE(seen.has[0][i]);
	/* by number, when it has lost its name */
	ASSERT_EQ(0, raw_unlink("nl queue\n"));
	EXPECT_EQ(-ENOENT, get_object(self->fd, self->family, "nl queue\n"));
	ASSERT_EQ(0, ask(self->fd, self->family, IPCX_CMD_OBJECT_GET, 0, IPCX_A_OBJECT_ID, 8,
			 e.o.out_id));
	EXPECT_STREQ("nl queue\n", seen.name[0]);
	EXPECT_EQ(IPCX_OBJECT_FLAGS_UNLINKED, OBJECT(FLAGS));
	ASSERT_EQ(0, get_object(self->fd, self->family, "nl-dead"));
	EXPECT_EQ(IPCX_OBJECT_FLAGS_EPHEMERAL, OBJECT(FLAGS));
	EXPECT_EQ(1, OBJECT(QUEUED));
	end_close(&e);
	EXPECT_EQ(-ENOENT, ask(self->fd, self->family, IPCX_CMD_OBJECT_GET, 0, IPCX_A_OBJECT_ID, 8,
			       e.o.out_id));
	end_close(&dead);
}

/* Topics and regions have less; a filter shows one kind; an anonymous object has no name. */
TEST_F(nl, kinds)
{
	struct ipcx_region_open region = {
		.size = sizeof(region),
		.flags = IPCX_REGION_READ | CREATE,
		.mode = 0604,
		.bytes = 12345,
		.name = (uintptr_t) "nl-region",
		.name_len = 9,
	};
	struct end anonymous = {};
	struct member m = { .o.depth = 16 };
	int fd;

	fd = device_ioctl(IPCX_IOC_REGION_OPEN, &region);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, member_open(&m, "nl-topic", CREATE | PUBLISH | SUBSCRIBE | EPHEMERAL));
	ASSERT_EQ(0, end_open(&anonymous, NULL, CREATE | SENDRECV));
	ASSERT_EQ(0, get_object(self->fd, self->family, "nl-region"));
	EXPECT_EQ(region.out_id, OBJECT(ID));
	EXPECT_EQ(IPCX_KIND_REGION, OBJECT(KIND));
	EXPECT_EQ(0604, OBJECT(MODE));
	EXPECT_EQ(12345, OBJECT(BYTES_MAX));
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_DEPTH]);
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_QUEUED]);
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_TAPS]);
	ASSERT_EQ(0, get_object(self->fd, self->family, "nl-topic"));
	EXPECT_EQ(m.o.out_id, OBJECT(ID));
	EXPECT_EQ(IPCX_KIND_TOPIC, OBJECT(KIND));
	EXPECT_EQ(16, OBJECT(DEPTH));
	EXPECT_EQ(1, OBJECT(SENDERS));
	EXPECT_EQ(1, OBJECT(RECEIVERS));
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_SENT]);
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_AGES]);
	EXPECT_FALSE(seen.has[0][IPCX_A_OBJECT_OLDEST_MS]);
	EXPECT_EQ(0, OBJECT(TAPS));
	for (int kind = IPCX_KIND_QUEUE; kind <= IPCX_KIND_REGION; kind++) {
		ASSERT_EQ(0, ask(self->fd, self->family, IPCX_CMD_OBJECT_GET, NLM_F_DUMP,
				 IPCX_A_OBJECT_KIND, 4, kind));
		ASSERT_EQ(1, seen.n);
		EXPECT_EQ(kind, OBJECT(KIND));
		EXPECT_EQ(kind != IPCX_KIND_QUEUE, seen.has[0][IPCX_A_OBJECT_NAME]);
	}
	ASSERT_EQ(0, dump(self->fd, self->family, IPCX_CMD_OBJECT_GET));
	ASSERT_EQ(3, seen.n);
	for (int i = 1; i < 3; i++)
		EXPECT_LT(seen.v[i - 1][IPCX_A_OBJECT_ID], seen.v[i][IPCX_A_OBJECT_ID]);
	end_close(&anonymous);
	member_close(&m);
	close(fd);
	EXPECT_EQ(0, raw_unlink_kind("nl-region", 0, IPCX_KIND_REGION));
}

static void *sleep_main(void *arg)
{
	struct end *e = arg;
	struct ipcx_desc d;

	if (!(e->o.flags & IPCX_OPEN_RECV))
		raw_loan(e->fd, &d, 10000, in_ms(60000));
	else if (raw_take(e->fd, &d, in_ms(60000)) == 1)
		raw_release(e->fd, &d);
	return NULL;
}

/* Who sleeps is counted, and no longer than that. */
TEST_F(nl, waiters)
{
	struct end in = { .o.depth = 1 }, out = {};
	pthread_t a, b;
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&in, "nl-wait", CREATE | IPCX_OPEN_RECV));
	ASSERT_EQ(0, end_open(&out, "nl-wait", IPCX_OPEN_SEND));
	ASSERT_EQ(1, raw_loan(out.fd, &d, 1, 0));
	ASSERT_EQ(0, pthread_create(&a, NULL, sleep_main, &in));
	ASSERT_EQ(0, pthread_create(&b, NULL, sleep_main, &out));
	for (int i = 0; i < 2000; i++) {
		ASSERT_EQ(0, get_object(self->fd, self->family, "nl-wait"));
		if (OBJECT(RECV_WAITERS) && OBJECT(SEND_WAITERS))
			break;
		usleep(10000);
	}
	EXPECT_EQ(1, OBJECT(RECV_WAITERS));
	EXPECT_EQ(1, OBJECT(SEND_WAITERS));
	/* the one takes it, and leaves its slot to the other */
	ASSERT_EQ(1, raw_commit(out.fd, &d));
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	ASSERT_EQ(0, get_object(self->fd, self->family, "nl-wait"));
	EXPECT_EQ(0, OBJECT(RECV_WAITERS));
	EXPECT_EQ(0, OBJECT(SEND_WAITERS));
	end_close(&in);
	end_close(&out);
	EXPECT_EQ(0, raw_unlink("nl-wait"));
}

#define MANY 300

static bool make_many(void)
{
	struct end e = { .o.depth = 1 };
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "nl-many-%d", i);
		if (end_open(&e, name, CREATE | IPCX_OPEN_RECV))
			return false;
		end_close(&e);
	}
	return true;
}

static int unlink_many(int from, int to)
{
	char name[32];
	int n = 0;

	for (int i = from; i < to; i++) {
		snprintf(name, sizeof(name), "nl-many-%d", i);
		n += !raw_unlink(name);
	}
	return n;
}

/* More than one buffer: each object once, in order of numbers. */
TEST_F(nl, many_objects)
{
	ASSERT_TRUE(make_many());
	ASSERT_EQ(0, dump(self->fd, self->family, IPCX_CMD_OBJECT_GET));
	EXPECT_FALSE(nl_interrupted);
	ASSERT_EQ(MANY, seen.n);
	for (int i = 1; i < MANY; i++)
		EXPECT_LT(seen.v[i - 1][IPCX_A_OBJECT_ID], seen.v[i][IPCX_A_OBJECT_ID]);
	EXPECT_EQ(MANY, unlink_many(0, MANY));
	ASSERT_EQ(0, dump(self->fd, self->family, IPCX_CMD_OBJECT_GET));
	EXPECT_EQ(0, seen.n);
}

static char buf[65536];

/* Asks for all and reads the first datagram. Return: 1 if more is to come. */
static int dump_first(int fd, int family, int cmd)
{
	struct request r;
	int ret;

	nl_init(&r, family, cmd, NLM_F_DUMP);
	seen.n = 0;
	name_attr = name_attrs[cmd];
	nl_interrupted = false;
	ret = nl_send(fd, &r);
	return ret ? ret : nl_read(fd, buf, sizeof(buf), see, &seen);
}

static int dump_rest(int fd)
{
	int ret;

	do {
		ret = nl_read(fd, buf, sizeof(buf), see, &seen);
	} while (ret == 1);
	return ret;
}

/* What comes, goes or loses its name during a dump: the dump says so, and goes on. */
TEST_F(nl, dump_meets_changes)
{
	struct end e = {};
	int ret, first;

	ASSERT_TRUE(make_many());
	for (int change = 0; change < 4; change++) {
		ASSERT_EQ(1, dump_first(self->fd, self->family, IPCX_CMD_OBJECT_GET));
		first = seen.n;
		ASSERT_GT(MANY, first);
		switch (change) {
		case 1:
			ASSERT_EQ(0, end_open(&e, "nl-more", CREATE | SENDRECV));
			break;
		case 2:
			ASSERT_EQ(0, raw_unlink("nl-more"));
			break;
		case 3: /* what was seen, what is next, and the last */
			end_close(&e);
			ret = unlink_many(0, first + 1) + unlink_many(MANY - 1, MANY);
			ASSERT_EQ(first + 2, ret);
			break;
		}
		ASSERT_EQ(0, dump_rest(self->fd));
		EXPECT_EQ(change > 0, nl_interrupted);
		/* some are in a buffer that was filled before */
		EXPECT_LE(MANY - (change == 3 ? 2 : 0), seen.n);
		EXPECT_GE(MANY + 1, seen.n);
	}
	unlink_many(0, MANY);
}

/* Ends that come or go during a dump of ends or holders: likewise. */
TEST_F(nl, dump_meets_ends)
{
	static struct end e[MANY];
	char name[200] = {}; /* three datagrams */
	struct end more = {};
	struct ipcx_desc d;

	memset(name, 'n', sizeof(name) - 1);
	e[0].o.depth = 2 * MANY;
	e[0].o.msg_max = 4096;
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, end_open(&e[i], name,
				      IPCX_OPEN_SEND | (i ? 0 : CREATE | IPCX_OPEN_EPHEMERAL)));
		ASSERT_EQ(1, raw_loan(e[i].fd, &d, 1, 0));
	}
	for (int cmd = IPCX_CMD_END_GET; cmd <= IPCX_CMD_HOLDER_GET; cmd++) {
		for (int change = 0; change < 3; change++) {
			ASSERT_EQ(1, dump_first(self->fd, self->family, cmd));
			if (change == 1) {
				ASSERT_EQ(0, end_open(&more, name, IPCX_OPEN_RECV));
			}
			if (change == 2)
				end_close(&more);
			ASSERT_EQ(0, dump_rest(self->fd));
			EXPECT_EQ(change > 0, nl_interrupted);
			EXPECT_LE(MANY, seen.n);
			EXPECT_GE(MANY + 1, seen.n);
		}
	}
	for (int i = 0; i < MANY; i++)
		end_close(&e[i]);
}

/* Of a closed socket nothing is left. A half-read dump is the only one, and holds the module. */
TEST_F(nl, half_read)
{
	struct request r;
	long refs;
	int fd = nl_open();

	ASSERT_TRUE(make_many());
	refs = module_refs();
	ASSERT_EQ(1, dump_first(fd, self->family, IPCX_CMD_OBJECT_GET));
	EXPECT_EQ(refs + 1, module_refs());
	EXPECT_EQ(MANY, unlink_many(0, MANY));
	EXPECT_EQ(-1, syscall(SYS_delete_module, "ipcx", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	nl_init(&r, self->family, IPCX_CMD_END_GET, NLM_F_DUMP);
	ASSERT_EQ(0, nl_send(fd, &r));
	EXPECT_EQ(-EBUSY, dump_rest(fd));
	close(fd);
	for (int i = 0; i < 100 && module_refs(); i++)
		usleep(10000);
	EXPECT_EQ(0, module_refs());
}

TEST_HARNESS_MAIN
