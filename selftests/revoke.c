// SPDX-License-Identifier: GPL-2.0-only
/*
 * An end of a queue that is revoked: what it held, who sleeps in it, what is tried by it, and what
 * its windows show.
 */
#include <sched.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "hang_util.h"
#include "revoke_fixture.h"

TEST_F(revoke, each_call)
{
	struct ipcx_desc loan, taken, d, reply = {};
	int fd = self->v.e.fd;
	char c;

	ASSERT_EQ(1, raw_send(&self->o.e, LONG, 'm'));
	ASSERT_EQ(1, raw_take(fd, &taken, 0));
	ASSERT_EQ(1, raw_loan(fd, &loan, LONG, 0));
	REVOKE();
	EXPECT_EQ(-ESTALE, raw_loan(fd, &d, 1, 0));
	EXPECT_EQ(-ESTALE, raw_commit(fd, &loan));
	EXPECT_EQ(-ESTALE, raw_cancel(fd, &loan));
	EXPECT_EQ(-ESTALE, raw_take(fd, &d, 0));
	EXPECT_EQ(-ESTALE, raw_take_flags(fd, &d, 0, IPCX_TAKE_PEEK));
	EXPECT_EQ(-ESTALE, raw_take_flags(fd, &d, 0, IPCX_TAKE_ANSWER));
	EXPECT_EQ(-ESTALE, raw_release(fd, &taken));
	EXPECT_EQ(-ESTALE, raw_done(fd, IPCX_IOC_QUEUE_RELEASE, &taken, IPCX_RELEASE_NACK));
	EXPECT_EQ(-ESTALE, side_call(&self->v, &loan, &d, 0, 0));
	EXPECT_EQ(-ESTALE, side_call(&self->v, &loan, &d, 0, IPCX_CALL_WAIT));
	EXPECT_EQ(-ESTALE, side_reply(&self->v, &taken, &reply, NULL, 0));
	EXPECT_EQ(-ESTALE, ask_stat(fd));
	EXPECT_EQ(-ESTALE, xioctl(fd, _IO(0xe7, 0x7f), NULL));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(ESTALE, errno);
	EXPECT_EQ(-1, write(fd, "c", 1));
	EXPECT_EQ(ESTALE, errno);
	EXPECT_EQ(MAP_FAILED, map_rx(&self->v.e));
	EXPECT_EQ(ESTALE, errno);
	EXPECT_EQ(POLLERR | POLLHUP, events_of(fd));
	/* nothing was done by any of these */
	EXPECT_EQ(1, stat_of(&self->o).out_queued);
	EXPECT_EQ(0, stat_of(&self->o).out_loaned + stat_of(&self->o).out_leased);
}

TEST_F(revoke, twice)
{
	REVOKE();
	EXPECT_EQ(-ENOENT, revoke_end(self->fd, self->family, self->id));
	EXPECT_STREQ(WORDS_NONE, nl_words);
	EXPECT_EQ(-ENOENT,
		  ask(self->fd, self->family, IPCX_CMD_END_GET, 0, IPCX_A_END_ID, 8, self->id));
}

TEST_F(revoke, counts)
{
	struct ipcx_queue_stat st = stat_of(&self->o);
	struct side more = {};

	EXPECT_EQ(2, st.out_senders);
	EXPECT_EQ(2, st.out_receivers);
	REVOKE();
	st = stat_of(&self->o);
	EXPECT_EQ(1, st.out_senders);
	EXPECT_EQ(1, st.out_receivers);
	/* the queue is as it was for others, who may come again */
	ASSERT_EQ(0, side_open(&more, NAME, SENDRECV));
	EXPECT_EQ(1, raw_send(&more.e, LONG, 'm'));
	end_close(&more.e);
	EXPECT_EQ(1, stat_of(&self->o).out_senders);
}

TEST_F(revoke, loans_back)
{
	struct ipcx_desc d;

	for (int i = 0; i < 7; i++)
		ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, i % 2 ? 5 : LONG, 0));
	EXPECT_EQ(7, stat_of(&self->o).out_loaned);
	REVOKE();
	EXPECT_TRUE(all_free(&self->o));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(1, raw_loan(self->o.e.fd, &d, 5, 0));
}

/* As by a close: in order, at the front, and flagged. */
TEST_F(revoke, redelivered)
{
	struct ipcx_desc d;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(1, raw_send(&self->o.e, LONG, '0' + i));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, raw_take(self->v.e.fd, &d, 0));
	ASSERT_EQ(1, raw_release(self->v.e.fd, &d));
	REVOKE();
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, raw_take(self->o.e.fd, &d, 0));
		EXPECT_EQ(i < 2 ? i + 1 : 4, d.seq);
		EXPECT_EQ(i < 2, d.deliveries);
		EXPECT_EQ('0' + d.seq - 1, *rx_at(&self->o.e, &d));
		ASSERT_EQ(1, raw_release(self->o.e.fd, &d));
	}
	EXPECT_TRUE(all_free(&self->o));
}

TEST_F(revoke, dead_letter)
{
	const char *name = NAME "-dead";
	struct side dead = {};
	struct ipcx_desc d;

	end_close(&self->v.e);
	end_close(&self->o.e);
	ASSERT_EQ(0, side_open(&dead, name, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	ASSERT_EQ(0, open_both(self, &(struct ipcx_queue_open){
					     .depth = 8,
					     .max_deliveries = 1,
					     .dead_letter = (uintptr_t)name,
					     .dead_letter_len = strlen(name),
				     }));
	ASSERT_EQ(1, raw_send(&self->o.e, LONG, 'm'));
	ASSERT_EQ(1, raw_take(self->v.e.fd, &d, 0));
	REVOKE();
	EXPECT_EQ(1, stat_of(&self->o).out_dead_lettered);
	ASSERT_EQ(1, raw_take(dead.e.fd, &d, 0));
	EXPECT_EQ(IPCX_MSG_POISON, d.flags);
	EXPECT_EQ('m', *rx_at(&dead.e, &d));
	EXPECT_TRUE(all_free(&self->o));
	end_close(&dead.e);
}

/* What the server had taken is for the next one, or over if there is none. */
TEST_F(revoke, server)
{
	struct side caller = {};
	struct call_thread call = {};
	struct ipcx_desc d;

	ASSERT_EQ(0, side_open(&caller, NAME, IPCX_OPEN_SEND));
	ASSERT_EQ(0, call_start(&call, &caller, 1));
	ASSERT_EQ(1, side_take(&self->v, &d, in_ms(10000), 0));
	REVOKE();
	ASSERT_EQ(1, side_take(&self->o, &d, 0, 0));
	EXPECT_EQ(1, d.deliveries);
	self->id = last_end(self->fd, self->family, self->o.e.o.out_id) - 2;
	REVOKE();
	pthread_join(call.thread, NULL);
	EXPECT_EQ(-EOWNERDEAD, call.err);
	EXPECT_TRUE(all_free(&caller));
	end_close(&caller.e);
}

static bool asleep(const struct side *o, unsigned int queued)
{
	return queued_soon(o, queued);
}

/* Who sleeps in a call is told; what it had sent is withdrawn, or answered in vain. */
TEST_F(revoke, caller)
{
	struct call_thread call[2] = {};
	struct ipcx_desc d, answer = {};

	ASSERT_EQ(0, call_start(&call[0], &self->v, 1));
	ASSERT_TRUE(asleep(&self->o, 1));
	ASSERT_EQ(1, side_take(&self->o, &d, 0, 0));
	ASSERT_EQ(0, call_start(&call[1], &self->v, 2));
	ASSERT_TRUE(asleep(&self->o, 1));
	REVOKE();
	for (int i = 0; i < 2; i++) {
		pthread_join(call[i].thread, NULL);
		EXPECT_EQ(-ESTALE, call[i].err);
	}
	EXPECT_EQ(0, stat_of(&self->o).out_queued);
	EXPECT_EQ(1, stat_of(&self->o).out_withdrawn);
	EXPECT_EQ(0, side_reply(&self->o, &d, NULL, "r", 1));
	EXPECT_TRUE(all_free(&self->o));
	EXPECT_EQ(-ESTALE, side_answer(&self->v, &answer, 0));
}

/* Answers that nobody had taken go, too. */
TEST_F(revoke, answers)
{
	struct ipcx_desc ask, d;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, side_send_inline(&self->v, &ask, 4, 'q', IPCX_MSG_REQUEST));
		ASSERT_EQ(1, side_take(&self->o, &d, 0, 0));
		ASSERT_EQ(0, side_reply(&self->o, &d, NULL, "r", 1));
	}
	ASSERT_EQ(1, side_answer(&self->v, &d, 0));
	EXPECT_EQ(2, stat_of(&self->o).out_answers);
	REVOKE();
	EXPECT_TRUE(all_free(&self->o));
}

/* A thread that sleeps in one call of a side */
struct sleep_thread {
	struct side *s;
	int (*call)(struct side *s);
	pthread_t thread;
	int ret;
	int64_t back;
};

static int sleep_take(struct side *s)
{
	struct ipcx_desc d;

	return raw_take(s->e.fd, &d, in_ms(20000));
}

static int sleep_read(struct side *s)
{
	char c[64];

	return read(s->e.fd, c, sizeof(c)) < 0 ? -errno : 1;
}

static int sleep_answer(struct side *s)
{
	struct ipcx_desc d = {};

	return side_answer(s, &d, in_ms(20000));
}

static int sleep_next(struct side *s)
{
	struct ipcx_desc none = { .slot = IPCX_SLOT_NONE }, reply = {};

	return side_reply_flags(s, &none, &reply, NULL, 0, in_ms(20000), IPCX_REPLY_TAKE);
}

static int sleep_poll(struct side *s)
{
	struct pollfd p = { .fd = s->e.fd, .events = POLLIN };

	return poll(&p, 1, 20000) == 1 && p.revents == (POLLERR | POLLHUP) ? -ESTALE : 0;
}

static int sleep_loan(struct side *s)
{
	struct ipcx_desc d;

	return raw_loan(s->e.fd, &d, LONG, in_ms(20000));
}

static int sleep_loan_small(struct side *s)
{
	struct ipcx_desc d;

	return side_loan(s, &d, 8, IPCX_LOAN_INLINE) == -EAGAIN ?
		       raw_loan_kind(s->e.fd, &d, 8, in_ms(20000), IPCX_LOAN_INLINE) :
		       0;
}

static int sleep_write(struct side *s)
{
	return write(s->e.fd, "small", 5) < 0 ? -errno : 1;
}

static int sleep_write_long(struct side *s)
{
	static const char bytes[LONG];

	return write(s->e.fd, bytes, LONG) < 0 ? -errno : 1;
}

static void *sleep_main(void *arg)
{
	struct sleep_thread *t = arg;

	t->ret = t->call(t->s);
	t->back = now_ns();
	return NULL;
}

static int go_to_sleep(struct sleep_thread *t, struct side *s, int (*call)(struct side *s))
{
	t->s = s;
	t->call = call;
	return pthread_create(&t->thread, NULL, sleep_main, t);
}

/* How many sleep in the queue; waits until it is @n. */
static uint64_t waiters(const struct _test_data_revoke *self, int attr, uint64_t n)
{
	int64_t end = in_ms(10000);

	do {
		usleep(1000);
		if (get_object(self->fd, self->family, NAME))
			return -1;
	} while (seen.v[0][attr] != n && now_ns() < end);
	return seen.v[0][attr];
}

#define EXPECT_WAITERS(n, which) EXPECT_EQ(n, waiters(self, IPCX_A_OBJECT_##which##_WAITERS, n))

TEST_F(revoke, who_waits_for_messages)
{
	static int (*const calls[])(struct side *) = { sleep_take, sleep_read, sleep_answer,
						       sleep_next, sleep_poll, sleep_take };
	struct sleep_thread t[ARRAY_SIZE(calls)] = {}, other = {};
	int64_t start;

	ASSERT_EQ(0, go_to_sleep(&other, &self->o, sleep_take));
	for (int i = 0; i < ARRAY_SIZE(calls); i++)
		ASSERT_EQ(0, go_to_sleep(&t[i], &self->v, calls[i]));
	EXPECT_WAITERS(5, RECV);
	usleep(100000); /* and those who poll, or wait for an answer */
	start = now_ns();
	REVOKE();
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		pthread_join(t[i].thread, NULL);
		EXPECT_EQ(-ESTALE, t[i].ret);
		EXPECT_GT(start + 5000000000, t[i].back);
	}
	/* others sleep on, and get what comes */
	EXPECT_WAITERS(1, RECV);
	ASSERT_EQ(1, raw_send(&self->o.e, 8, 'm'));
	pthread_join(other.thread, NULL);
	EXPECT_EQ(1, other.ret);
	EXPECT_GT(start + 5000000000, other.back);
}

TEST_F(revoke, who_waits_for_room)
{
	static int (*const calls[])(struct side *) = { sleep_loan, sleep_loan_small, sleep_write,
						       sleep_write_long };
	struct sleep_thread t[ARRAY_SIZE(calls)] = {}, other = {};
	struct ipcx_desc d[8];
	int64_t start;

	for (int i = 0; i < 8; i++)
		ASSERT_EQ(1, raw_loan(self->o.e.fd, &d[i], 8, 0));
	for (int i = 0; i < ARRAY_SIZE(calls); i++)
		ASSERT_EQ(0, go_to_sleep(&t[i], &self->v, calls[i]));
	ASSERT_EQ(0, go_to_sleep(&other, &self->o, sleep_loan));
	EXPECT_WAITERS(5, SEND);
	start = now_ns();
	REVOKE();
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		pthread_join(t[i].thread, NULL);
		EXPECT_EQ(-ESTALE, t[i].ret);
		EXPECT_GT(start + 5000000000, t[i].back);
	}
	EXPECT_WAITERS(1, SEND);
	ASSERT_EQ(1, raw_cancel(self->o.e.fd, &d[0]));
	pthread_join(other.thread, NULL);
	EXPECT_EQ(1, other.ret);
	EXPECT_GT(start + 5000000000, other.back);
}

/* The other can only ask, and the victim is the only one to answer. */
static int open_asker(struct _test_data_revoke *self)
{
	int err;

	end_close(&self->v.e);
	end_close(&self->o.e);
	self->o.e.o = (struct ipcx_queue_open){ .depth = 8 };
	err = side_open(&self->o, NAME, CREATE | IPCX_OPEN_SEND | IPCX_OPEN_EPHEMERAL);
	if (!err)
		err = side_open(&self->v, NAME, IPCX_OPEN_RECV);
	self->id = last_end(self->fd, self->family, self->o.e.o.out_id);
	return err;
}

/* Of the request that @was: another one, sent later, waits for who comes. */
static bool told_of_death(struct side *o, const struct ipcx_desc *was)
{
	struct ipcx_queue_stat st;
	struct ipcx_desc d;

	if (side_answer(o, &d, in_ms(5000)) != 1 || !(d.flags & IPCX_MSG_OWNERDEAD) ||
	    d.seq != was->seq || raw_release(o->e.fd, &d) != 1)
		return false;
	st = stat_of(o);
	return st.out_queued == 1 && !st.out_answers && st.out_free == o->e.o.out_depth - 1;
}

/* On one CPU for all: while @on others come to it only when this one sleeps. */
static int urgent(bool on)
{
	struct sched_param p = { .sched_priority = on };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(0, sizeof(set), &set) ||
			       sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p) ?
		       -errno :
		       0;
}

/* The last receiver was handed a request, and does not run before its end is revoked. */
TEST_F(revoke, last_server_wakes)
{
	struct sleep_thread t = {};
	struct ipcx_desc d, later;

	ASSERT_EQ(0, open_asker(self));
	ASSERT_EQ(0, urgent(false));
	ASSERT_EQ(0, go_to_sleep(&t, &self->v, sleep_take));
	EXPECT_WAITERS(1, RECV);
	usleep(10000);
	ASSERT_EQ(0, urgent(true));
	ASSERT_EQ(1, side_send_inline(&self->o, &d, 4, 'q', IPCX_MSG_REQUEST));
	REVOKE();
	ASSERT_EQ(1, side_send_inline(&self->o, &later, 4, 'l', IPCX_MSG_REQUEST));
	ASSERT_EQ(0, urgent(false));
	pthread_join(t.thread, NULL);
	EXPECT_EQ(-ESTALE, t.ret);
	EXPECT_TRUE(told_of_death(&self->o, &d));
}

static char *slow_page;

static int read_slowly(struct side *s)
{
	return read(s->e.fd, slow_page, 4096) < 0 ? -errno : 1;
}

/* It reads one, and waits for its buffer. */
TEST_F(revoke, last_server_reads)
{
	struct sleep_thread t = {};
	struct ipcx_desc d, later;
	int hang;

	ASSERT_EQ(0, open_asker(self));
	slow_page = new_pages(4096);
	hang = hang_on(slow_page, 4096);
	ASSERT_LE(0, hang);
	ASSERT_EQ(1, side_send_inline(&self->o, &d, 4, 'q', IPCX_MSG_REQUEST));
	ASSERT_EQ(0, go_to_sleep(&t, &self->v, read_slowly));
	ASSERT_TRUE(hangs(hang));
	REVOKE();
	ASSERT_EQ(1, side_send_inline(&self->o, &later, 4, 'l', IPCX_MSG_REQUEST));
	EXPECT_EQ(0, hang_no_more(hang, slow_page, 4096));
	pthread_join(t.thread, NULL);
	EXPECT_EQ(-ESTALE, t.ret);
	EXPECT_TRUE(told_of_death(&self->o, &d));
	close(hang);
}

TEST_F(revoke, epoll)
{
	static const unsigned int how[] = { EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, 0 };
	struct epoll_event ev = {}, out[2];
	int ep[ARRAY_SIZE(how)], quiet = epoll_create1(0);

	for (int i = 0; i < ARRAY_SIZE(how); i++) {
		ep[i] = epoll_create1(0);
		ev.events = EPOLLIN | how[i];
		ASSERT_EQ(0, epoll_ctl(ep[i], EPOLL_CTL_ADD, self->v.e.fd, &ev));
		EXPECT_EQ(0, epoll_wait(ep[i], out, 2, 0));
	}
	ev.events = EPOLLIN | EPOLLET;
	ASSERT_EQ(0, epoll_ctl(quiet, EPOLL_CTL_ADD, self->o.e.fd, &ev));
	REVOKE();
	for (int i = 0; i < ARRAY_SIZE(how); i++) {
		ASSERT_EQ(1, epoll_wait(ep[i], out, 2, 1000));
		EXPECT_EQ(EPOLLERR | EPOLLHUP, out[0].events);
		/* an edge once, a level always */
		EXPECT_EQ(!(how[i] & (EPOLLET | EPOLLONESHOT)), epoll_wait(ep[i], out, 2, 0));
		close(ep[i]);
	}
	EXPECT_EQ(0, epoll_wait(quiet, out, 2, 0));
	close(quiet);
}

static bool all_are(const char *p, size_t len, char c)
{
	return p[0] == c && !memcmp(p, p + 1, len - 1);
}

/* No signal, nobody's data, and nothing that is written is anybody's. */
TEST_F(revoke, windows)
{
	struct end *o = &self->o.e, *v = &self->v.e;
	struct ipcx_desc taken, loan, d;
	size_t window = v->o.out_window;

	ASSERT_EQ(1, raw_send(o, LONG, 'm'));
	ASSERT_EQ(1, raw_take(v->fd, &taken, 0));
	ASSERT_TRUE(all_are(rx_at(v, &taken), LONG, 'm'));
	ASSERT_EQ(1, raw_loan(v->fd, &loan, LONG, 0));
	memset(tx_at(v, &loan), 'v', LONG);
	REVOKE();
	EXPECT_EQ(0, probe(rx_at(v, &taken), false));
	EXPECT_TRUE(all_are(rx_at(v, &taken), LONG, 0));
	EXPECT_TRUE(all_are(tx_at(v, &loan), LONG, 0));
	EXPECT_EQ(0, probe(tx_at(v, &loan), true));
	/* everywhere, also where nothing ever was */
	for (size_t at = 0; at < window; at += window / 64) {
		EXPECT_EQ(0, probe(v->tx + at, true));
		EXPECT_EQ(0, probe(v->rx + at, false));
		EXPECT_EQ(0, v->rx[at]);
		EXPECT_EQ(SIGSEGV, probe(v->rx + at, true));
	}
	memset(tx_at(v, &loan), 'v', LONG);
	/* each slot but one is another's now, and neither sees of the other */
	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(1, raw_loan(o->fd, &d, LONG, 0));
		memset(tx_at(o, &d), 'o', LONG);
		memset(tx_at(v, &d), 'v', LONG);
		EXPECT_TRUE(all_are(tx_at(o, &d), LONG, 'o'));
		EXPECT_TRUE(all_are(rx_at(v, &d), LONG, 0));
		EXPECT_TRUE(all_are(tx_at(v, &d), LONG, 'v'));
		ASSERT_EQ(1, raw_commit(o->fd, &d));
	}
	ASSERT_EQ(1, raw_take(o->fd, &d, 0));
	EXPECT_TRUE(all_are(rx_at(o, &d), LONG, 'm'));
	EXPECT_EQ(-1, mprotect(v->rx, 4096, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, mprotect(v->tx, window, PROT_READ));
	EXPECT_EQ(SIGSEGV, probe(tx_at(v, &loan), true));
	EXPECT_EQ(0, mprotect(v->tx, window, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, probe(tx_at(v, &loan), true));
}

/* One page for all that is written in vain by an end, and not the page of another. */
TEST_F(revoke, dummy_page)
{
	struct side w = {};
	uint64_t page;

	ASSERT_EQ(0, side_open(&w, NAME, SENDRECV));
	REVOKE();
	self->id = last_end(self->fd, self->family, self->o.e.o.out_id);
	REVOKE();
	for (int i = 0; i < 8; i++) {
		self->v.e.tx[i * self->v.e.o.out_stride] = 'v';
		EXPECT_EQ(0, w.e.tx[i * w.e.o.out_stride]);
	}
	page = pfn_of(self->v.e.tx);
	EXPECT_NE(0, page);
	EXPECT_EQ(page, pfn_of(self->v.e.tx + 7 * self->v.e.o.out_stride));
	EXPECT_EQ(pfn_of(w.e.tx), pfn_of(w.e.tx + 7 * w.e.o.out_stride));
	EXPECT_NE(page, pfn_of(w.e.tx));
	end_close(&w.e);
}

/* A page that was pinned does not show what comes later. */
TEST_F(revoke, pinned)
{
	struct iovec iov = { .iov_len = 4096 };
	struct ipcx_desc d;
	char got[4096];
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, raw_send(&self->o.e, 4096, 'a'));
	ASSERT_EQ(1, raw_take(self->v.e.fd, &d, 0));
	iov.iov_base = (void *)rx_at(&self->v.e, &d);
	ASSERT_EQ(4096, vmsplice(p[1], &iov, 1, 0));
	ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, 4096, 0));
	iov.iov_base = tx_at(&self->v.e, &d);
	memset(iov.iov_base, 'v', 4096);
	ASSERT_EQ(4096, vmsplice(p[1], &iov, 1, 0));
	REVOKE();
	ASSERT_EQ(1, raw_take(self->o.e.fd, &d, 0));
	ASSERT_EQ(1, raw_release(self->o.e.fd, &d));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(1, raw_send(&self->o.e, 4096, 'b'));
	ASSERT_EQ(4096, read(p[0], got, 4096));
	EXPECT_TRUE(all_are(got, 4096, 'a'));
	ASSERT_EQ(4096, read(p[0], got, 4096));
	EXPECT_TRUE(all_are(got, 4096, 'v'));
	close(p[0]);
	close(p[1]);
}

TEST_F(revoke, removed)
{
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_loan(self->v.e.fd, &d, 8, 0));
	ASSERT_EQ(0, raw_unlink_flags(NAME, IPCX_UNLINK_NOW));
	EXPECT_EQ(-EIDRM, raw_take(self->v.e.fd, &d, 0));
	REVOKE();
	EXPECT_EQ(-ESTALE, raw_take(self->v.e.fd, &d, 0));
	EXPECT_EQ(POLLERR | POLLHUP, events_of(self->v.e.fd));
	EXPECT_EQ(0, stat_of(&self->o).out_loaned);
}

TEST_HARNESS_MAIN
