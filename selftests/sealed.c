// SPDX-License-Identifier: GPL-2.0-only
/* Sealed queues: what was sent is out of its sender's reach before anybody can see it. */
#include <ipcx.h>
#include <pthread.h>
#include <sys/uio.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PAGE 4096
#define LEN (3 * PAGE)

FIXTURE(sealed)
{
	struct end send, recv;
	struct ipcx_desc d, t;
};

/* Two slots, so that each is used again soon. */
FIXTURE_SETUP(sealed)
{
	unsigned int flags = CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEALED;

	memset(self, 0, sizeof(*self));
	self->send.o.depth = 2;
	self->send.o.msg_max = 16 * PAGE;
	ASSERT_EQ(0, end_open(&self->send, "sealed", flags));
	ASSERT_EQ(0, end_open(&self->recv, "sealed", IPCX_OPEN_RECV));
	ASSERT_TRUE(self->recv.o.out_flags & IPCX_OPEN_SEALED);
}

FIXTURE_TEARDOWN(sealed)
{
	end_close(&self->send);
	end_close(&self->recv);
}

static bool is_all(const char *p, size_t len, char c)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != c)
			return false;
	return true;
}

TEST_F(sealed, sender_loses_it)
{
	char *tx;

	for (int round = 0; round < 4; round++) {
		ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, LEN, 0));
		tx = tx_at(&self->send, &self->d);
		memset(tx, 'a', LEN);
		ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
		EXPECT_EQ(SIGBUS, probe(tx, true));
		EXPECT_EQ(SIGBUS, probe(tx + LEN - 1, true));
		EXPECT_EQ(SIGBUS, probe(tx, false));
		ASSERT_EQ(1, raw_take(self->recv.fd, &self->t, 0));
		EXPECT_EQ(SIGBUS, probe(tx, true));
		EXPECT_TRUE(is_all(rx_at(&self->recv, &self->t), LEN, 'a'));
		ASSERT_EQ(1, raw_release(self->recv.fd, &self->t));
	}
}

/* The copy is made only where somebody could still write. */
TEST_F(sealed, same_page_if_not_pinned)
{
	uint64_t pfn;

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, 8, 0));
		*tx_at(&self->send, &self->d) = 'x';
		pfn = pfn_of(tx_at(&self->send, &self->d));
		ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
		ASSERT_EQ(1, raw_take(self->recv.fd, &self->t, 0));
		ASSERT_EQ('x', *rx_at(&self->recv, &self->t));
		ASSERT_EQ(pfn, pfn_of(rx_at(&self->recv, &self->t)));
		ASSERT_EQ(1, raw_release(self->recv.fd, &self->t));
	}
}

TEST_F(sealed, pinned_page_is_replaced)
{
	struct iovec iov = { .iov_len = PAGE };
	char buf[PAGE];
	uint64_t pfn[3];
	char *tx;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, LEN, 0));
	tx = tx_at(&self->send, &self->d);
	memset(tx, 'p', LEN);
	for (int i = 0; i < 3; i++)
		pfn[i] = pfn_of(tx + i * PAGE);
	iov.iov_base = tx + PAGE;
	ASSERT_EQ(PAGE, vmsplice(p[1], &iov, 1, 0));
	ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
	ASSERT_EQ(1, raw_take(self->recv.fd, &self->t, 0));
	ASSERT_TRUE(is_all(rx_at(&self->recv, &self->t), LEN, 'p'));
	for (int i = 0; i < 3; i++) {
		uint64_t now = pfn_of(rx_at(&self->recv, &self->t) + i * PAGE);

		ASSERT_EQ(i != 1, pfn[i] == now) TH_LOG("page %d", i);
	}
	ASSERT_EQ(1, raw_release(self->recv.fd, &self->t));
	ASSERT_EQ(PAGE, read(p[0], buf, PAGE));
	ASSERT_TRUE(is_all(buf, PAGE, 'p'));
	close(p[0]);
	close(p[1]);
}

/* write(2) may get a slot that its process still sees from a loan given back. */
TEST_F(sealed, write)
{
	char *tx, wrote[100] = "wrote";

	ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, 100, 0));
	tx = tx_at(&self->send, &self->d);
	*tx = 'l';
	ASSERT_EQ(1, raw_cancel(self->send.fd, &self->d));
	ASSERT_EQ(100, write(self->send.fd, wrote, 100));
	ASSERT_EQ(1, raw_take(self->recv.fd, &self->t, 0));
	ASSERT_EQ(self->d.slot, self->t.slot) TH_LOG("the test needs the same slot");
	ASSERT_EQ(SIGBUS, probe(tx, true));
	ASSERT_EQ('w', *rx_at(&self->recv, &self->t));
}

/* What an unsealed queue lets a sender do. */
TEST_F(sealed, others_are_not)
{
	struct end e = {};
	struct ipcx_desc d;

	ASSERT_EQ(0, end_open(&e, "unsealed", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, e.o.out_flags & IPCX_OPEN_SEALED);
	ASSERT_EQ(1, raw_loan(e.fd, &d, 8, 0));
	*tx_at(&e, &d) = 'a';
	ASSERT_EQ(1, raw_commit(e.fd, &d));
	EXPECT_EQ(0, probe(tx_at(&e, &d), true));
	end_close(&e);
}

/* A sender that writes all the time, into whatever slot it can. */
struct scribbler {
	const struct end *e;
	volatile bool stop;
	pthread_t thread;
	unsigned long hits, faults;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;

	for (unsigned int i = 0; !s->stop; i++) {
		if (probe(s->e->tx + (i & 1) * s->e->o.out_stride, true))
			s->faults++;
		else
			s->hits++;
	}
	return NULL;
}

/* Reads each message twice; nothing may have changed in between. */
TEST_F_TIMEOUT(sealed, double_fetch, 3600)
{
	struct scribbler s = { .e = &self->send };
	int n = rounds_or(3000, 1000000);

	ASSERT_EQ(0, pthread_create(&s.thread, NULL, scribble, &s));
	for (int i = 0; i < n; i++) {
		const volatile char *rx;
		char first[16];

		ASSERT_EQ(1, raw_loan(self->send.fd, &self->d, 8, 0));
		*(volatile char *)tx_at(&self->send, &self->d) = 2 + i % 50;
		ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
		ASSERT_EQ(1, raw_take(self->recv.fd, &self->t, 0));
		rx = rx_at(&self->recv, &self->t);
		for (int j = 0; j < 16; j++)
			first[j] = rx[0];
		for (int j = 0; j < 16; j++)
			ASSERT_EQ(first[0], first[j]) TH_LOG("message %d changed", i);
		ASSERT_EQ(1, raw_release(self->recv.fd, &self->t));
	}
	s.stop = true;
	pthread_join(s.thread, NULL);
	TH_LOG("%d messages, %lu writes, %lu refused", n, s.hits, s.faults);
	ASSERT_NE(0, s.hits + s.faults);
}

struct lender {
	const struct end *e;
	volatile bool stop;
	int wrong;
	pthread_t thread;
};

static void *lend(void *arg)
{
	struct lender *l = arg;
	struct ipcx_desc d;

	while (!l->stop && !l->wrong) {
		int ret = raw_loan_kind(l->e->fd, &d, 0, 0, IPCX_LOAN_REPLY);

		l->wrong = ret == -EPERM ? 0 : ret;
	}
	return NULL;
}

/* While a reply is sealed its loan counts: there is no second for the same request. */
TEST_F(sealed, reply_counts)
{
	struct end *e = &self->recv;
	struct lender l = { .e = e };
	struct ipcx_desc loan;
	struct ipcx_queue_reply r = {
		.size = sizeof(r),
		.request = (uintptr_t)&self->t,
		.reply = (uintptr_t)&loan,
		.desc_size = sizeof(loan),
	};

	e->tx = map_tx(e);
	ASSERT_EQ(1, raw_loan_kind(self->send.fd, &self->d, 8, 0, IPCX_LOAN_REQUEST));
	self->d.flags = IPCX_MSG_REQUEST;
	ASSERT_EQ(1, raw_commit(self->send.fd, &self->d));
	ASSERT_EQ(1, raw_take(e->fd, &self->t, 0));
	ASSERT_EQ(1, raw_loan_kind(e->fd, &loan, 16 * PAGE, 0, IPCX_LOAN_REPLY));
	ASSERT_EQ(0, pthread_create(&l.thread, NULL, lend, &l));
	self->t.seq++;
	for (int i = 0; i < rounds(2000) && !l.wrong; i++) {
		for (int page = 0; page < 16; page++)
			tx_at(e, &loan)[page * PAGE] = 'r';
		ASSERT_EQ(-ESTALE, xioctl(e->fd, IPCX_IOC_QUEUE_REPLY, &r));
	}
	l.stop = true;
	pthread_join(l.thread, NULL);
	ASSERT_EQ(0, l.wrong);
	self->t.seq--;
	ASSERT_EQ(0, xioctl(e->fd, IPCX_IOC_QUEUE_REPLY, &r));
	ASSERT_EQ(1, raw_take_flags(self->send.fd, &self->d, 0, IPCX_TAKE_ANSWER));
	ASSERT_EQ(1, raw_release(self->send.fd, &self->d));
}

/* Who asks for it gets it or is told. */
TEST_F(sealed, required)
{
	IPCX_QUEUE_OPTS(opts, .require = IPCX_CAP_SEALED);
	struct ipcx_queue *q, *other;

	ASSERT_EQ(0, ipcx_queue_open(&q, "sealed", IPCX_RECV, &opts)) TH_LOG("%s", ipcx_error());
	ASSERT_TRUE(ipcx_queue_caps(q) & IPCX_CAP_SEALED);
	ASSERT_FALSE(ipcx_queue_caps(q) & IPCX_CAP_PERSISTENT);
	ipcx_queue_close(q);
	ASSERT_EQ(-EOPNOTSUPP, ipcx_queue_open(&q, "open", IPCX_CREATE | IPCX_RECV, &opts));
	ASSERT_EQ(-ENOENT, ipcx_queue_unlink("open"));
	ASSERT_EQ(0, ipcx_queue_open(&q, "open", IPCX_CREATE | IPCX_RECV | IPCX_SEALED, &opts));
	ipcx_queue_close(q);
	ASSERT_EQ(0, ipcx_queue_unlink("open"));
	ASSERT_EQ(0, ipcx_queue_open(&q, "open", IPCX_CREATE | IPCX_RECV, NULL));
	ASSERT_FALSE(ipcx_queue_caps(q) & IPCX_CAP_SEALED);
	ASSERT_EQ(-EOPNOTSUPP, ipcx_queue_open(&other, "open", IPCX_RECV, &opts));
	ASSERT_EQ(NULL, other);
	ipcx_queue_close(q);
	ASSERT_EQ(0, ipcx_queue_unlink("open"));
}

TEST_HARNESS_MAIN
