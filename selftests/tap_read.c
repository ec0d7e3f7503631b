// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps of queues: what is shown and what never is, what is missed and how much, and that
 * nobody else knows of them.
 */
#include "hang_util.h"
#include "tap_fixture.h"

#define BYTES_SNAP 200000
#define RECORD sizeof(struct ipcx_tap_record)

/* What nobody may see */
#define SECRET 0x5a

static int send_byte(struct side *s, size_t len, int byte)
{
	struct ipcx_desc d;

	if (len > IPCX_INLINE_MAX || byte & 1)
		return raw_send(&s->e, len, byte);
	if (side_loan(s, &d, len, IPCX_LOAN_INLINE) != 1)
		return -EBADF;
	d.len = len;
	memset(s->place[d.slot], byte, len);
	return side_commit(s, &d, IPCX_MSG_INLINE);
}

TEST_F(tap, read_errors)
{
	struct ipcx_tap_record *r =
		mmap(NULL, 3 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(-EAGAIN, tap_read(self->fd, r, 3 << 20));
	ASSERT_EQ(1, raw_send(&self->s.e, 10, 'a'));
	ASSERT_EQ(1, raw_send(&self->s.e, 10, 'b'));
	EXPECT_EQ(-EINVAL, tap_read(self->fd, r, sizeof(*r) + SNAP - 1));
	ASSERT_EQ(0, mprotect(r, 4096, PROT_NONE));
	EXPECT_EQ(-EFAULT, tap_read(self->fd, r, 3 << 20));
	ASSERT_EQ(0, mprotect(r, 4096, PROT_READ | PROT_WRITE));
	/* the second one is for the next time */
	ASSERT_EQ(0, mprotect((char *)r + (1 << 20), 2 << 20, PROT_NONE));
	EXPECT_EQ(sizeof(*r) + 16,
		  tap_read(self->fd, (char *)r + (1 << 20) - sizeof(*r) - 16, 3 << 20));
	ASSERT_EQ(0, mprotect((char *)r + (1 << 20), 2 << 20, PROT_READ | PROT_WRITE));
	EXPECT_EQ(sizeof(*r) + 16, tap_read(self->fd, r, 3 << 20));
	EXPECT_EQ(2, r->seq);
	EXPECT_EQ(0, r->missed);
	EXPECT_TRUE(tap_all(r, 'b'));
	EXPECT_EQ(-EAGAIN, tap_read(self->fd, r, 3 << 20));
	EXPECT_EQ(-1, write(self->fd, r, 8));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, IPCX_IOC_QUEUE_STAT, r));
	munmap(r, 3 << 20);
}

static int tap_fd;

static void *read_into(void *buf)
{
	return (void *)tap_read(tap_fd, buf, TAP_ROOM);
}

/* Somebody reads, and waits for a page of its buffer. */
TEST_F(tap, read_busy)
{
	size_t len = (TAP_ROOM + 4095) / 4096 * 4096;
	char *buf = new_pages(len);
	int uffd = hang_on(buf, len);
	pthread_t thread;
	void *ret;

	ASSERT_LE(0, uffd);
	ASSERT_EQ(1, raw_send(&self->s.e, 10, 'a'));
	tap_fd = self->fd;
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_into, buf));
	ASSERT_TRUE(hangs(uffd));
	EXPECT_EQ(-EBUSY, tap_read(self->fd, tap_buf, sizeof(tap_buf)));
	/* who sends and receives is not concerned */
	EXPECT_EQ(1, raw_send(&self->s.e, 10, 'b'));
	EXPECT_EQ(1, take_away(&self->s));
	ASSERT_EQ(0, hang_no_more(uffd, buf, len));
	pthread_join(thread, &ret);
	EXPECT_EQ(sizeof(struct ipcx_tap_record) + 16, (ssize_t)ret);
	close(uffd);
	munmap(buf, len);
}

/* All that a slow sender sends, wherever it lies, and where the message then is. */
TEST_F(tap, sees_all)
{
	const size_t lens[] = { 0, 1, 8, 63, 64, 65, 4095, 4096, 4097, 70000, SNAP, 2 << 20 };
	const struct ipcx_tap_record *r;
	uint64_t seq = 0;
	struct ipcx_desc d;

	for (int i = 0; i < 200; i++) {
		size_t len = lens[i / 2 % ARRAY_SIZE(lens)];

		ASSERT_EQ(1, send_byte(&self->s, len, i));
		if (i % 3) {
			ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
			if (i % 3 == 2)
				ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
		}
		r = tap_one(self->fd, SNAP);
		ASSERT_NE(NULL, r);
		EXPECT_EQ(++seq, r->seq);
		EXPECT_EQ(0, r->missed);
		EXPECT_EQ(len, r->len);
		EXPECT_EQ(len < SNAP ? len : SNAP, r->snapped);
		EXPECT_TRUE(tap_all(r, i));
		EXPECT_EQ(getpid(), r->pid);
		EXPECT_EQ(0, r->uid | r->gid | r->ring | r->publisher);
		EXPECT_EQ(i % 3 == 0 ? IPCX_TAP_QUEUED :
			  i % 3 == 1 ? IPCX_TAP_TAKEN :
				       IPCX_TAP_OVER,
			  r->state);
		EXPECT_EQ(NULL, tap_one(self->fd, SNAP));
		EXPECT_EQ(EAGAIN, errno);
		if (i % 3 == 0)
			ASSERT_EQ(1, take_away(&self->s));
		if (i % 3 == 1)
			ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
	}
}

TEST_F(tap, attributes)
{
	const struct ipcx_tap_record *r;
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 100, 0));
	memset(tx_at(&self->s.e, &d), 'p', 100);
	d.tag = 0x123456789abcdefULL;
	d.prio = 7;
	ASSERT_EQ(1, raw_commit(self->s.e.fd, &d));
	ASSERT_EQ(1, raw_take(self->s.e.fd, &d, 0));
	ASSERT_EQ(1, raw_done(self->s.e.fd, IPCX_IOC_QUEUE_RELEASE, &d, IPCX_RELEASE_NACK));
	r = tap_one(self->fd, SNAP);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(0x123456789abcdefULL, r->tag);
	EXPECT_EQ(7, r->prio);
	EXPECT_EQ(1, r->deliveries);
	EXPECT_EQ(IPCX_TAP_QUEUED, r->state);
	EXPECT_EQ(0, r->flags);
}

/* Order is that of numbers, not that in which they are received. */
TEST_F(tap, order)
{
	struct ipcx_desc d;

	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 10, 0));
		d.prio = i % 3;
		ASSERT_EQ(1, raw_commit(self->s.e.fd, &d));
	}
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, take_away(&self->s));
	for (int i = 1; i <= 6; i++)
		EXPECT_EQ(i, tap_one(self->fd, SNAP)->seq);
}

/* More messages wait than are found at one look, and not in the order of their slots. */
TEST(many)
{
	struct side s = { .e.o = { .depth = 200, .msg_max = 64 } };
	const struct ipcx_tap_record *r;
	int fd;

	ASSERT_EQ(0, side_open(&s, "tap_many", CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(1, raw_send(&s.e, 1, i));
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(1, take_away(&s));
	fd = tap_open(QUEUE, "tap_many", SNAP);
	ASSERT_LE(0, fd);
	for (int i = 0; i < 150; i++)
		ASSERT_EQ(1, raw_send(&s.e, 1, i));
	for (int i = 0; i < 150; i++) {
		r = tap_one(fd, SNAP);
		ASSERT_NE(NULL, r);
		EXPECT_EQ(51 + i, r->seq);
		EXPECT_EQ(0, r->missed);
		EXPECT_TRUE(tap_all(r, i));
	}
	EXPECT_EQ(NULL, tap_one(fd, SNAP));
	close(fd);
	end_close(&s.e);
}

/* The message is behind a record as long as the reader knows it; what the module does not is 0. */
TEST_F(tap, record_size)
{
	struct {
		struct ipcx_tap_record r;
		char more[48], data[32];
	} got;
	struct ipcx_tap_open o = {
		.size = sizeof(o),
		.name = (uintptr_t)NAME,
		.name_len = 3,
		.kind = QUEUE,
		.snap = 32,
		.record_size = RECORD + sizeof(got.more),
	};
	int fd = device_ioctl(IPCX_IOC_TAP_OPEN, &o);

	ASSERT_LE(0, fd);
	for (int i = 0; i < 2; i++) { /* inline, and a page */
		ASSERT_EQ(1, send_byte(&self->s, 30 + i * 70, 'r' + i));
		memset(&got, 0xcc, sizeof(got));
		EXPECT_EQ(-EINVAL, tap_read(fd, &got, sizeof(got) - 1));
		ASSERT_EQ(sizeof(got), tap_read(fd, &got, sizeof(got)));
		EXPECT_EQ(sizeof(got), got.r.size);
		EXPECT_EQ(30 + i * 2, got.r.snapped);
		for (int k = 0; k < sizeof(got.more); k++)
			ASSERT_EQ(0, got.more[k]);
		for (int k = 0; k < 32; k++)
			ASSERT_EQ(k < got.r.snapped ? 'r' + i : 0, got.data[k]);
	}
	close(fd);
}

TEST_F(tap, snap)
{
	const struct ipcx_tap_record *r;
	int fd = tap_open(QUEUE, NAME, 5), none = tap_open(QUEUE, NAME, 0);

	ASSERT_EQ(1, raw_send(&self->s.e, 5000, 'a'));
	r = tap_one(fd, 5);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(5, r->snapped);
	EXPECT_EQ(5000, r->len);
	EXPECT_TRUE(tap_all(r, 'a'));
	r = tap_one(none, 0);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(sizeof(*r), r->size);
	EXPECT_EQ(5000, r->len);
	close(fd);
	close(none);
}

/* Every message is shown or counted, each with its own bytes; also at the end. */
TEST_F(tap, counts)
{
	uint64_t seq = 0, shown = 0, missed = 0, n = rounds(5000);
	const struct ipcx_tap_record *r;

	for (uint64_t i = 1; i <= n; i++) {
		ASSERT_EQ(1, send_byte(&self->s, i % 5 ? 5000 : 10, i));
		ASSERT_EQ(1, take_away(&self->s));
		if (i % 37 && i != n)
			continue;
		while ((r = tap_one(self->fd, SNAP))) {
			ASSERT_EQ(seq + r->missed + (r->state != IPCX_TAP_LOST), r->seq);
			seq = r->seq;
			missed += r->missed;
			shown += r->state != IPCX_TAP_LOST;
			ASSERT_TRUE(tap_all(r, r->seq));
		}
		ASSERT_EQ(EAGAIN, errno);
		ASSERT_EQ(i, seq);
	}
	EXPECT_EQ(n, shown + missed);
	EXPECT_LT(0, shown);
	EXPECT_LT(0, missed);
}

/* What is in a slot on loan is nobody's business, nor is what was there before. */
TEST_F(tap, loans)
{
	const struct ipcx_tap_record *r;
	struct ipcx_desc d;

	ASSERT_EQ(1, raw_send(&self->s.e, 5000, 'a'));
	ASSERT_EQ(1, take_away(&self->s));
	ASSERT_EQ(1, raw_loan(self->s.e.fd, &d, 5000, 0));
	memset(tx_at(&self->s.e, &d), SECRET, 5000);
	r = tap_one(self->fd, SNAP);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(IPCX_TAP_LOST, r->state);
	EXPECT_EQ(1, r->seq);
	EXPECT_EQ(1, r->missed);
	EXPECT_EQ(sizeof(*r), r->size);
	ASSERT_EQ(1, raw_cancel(self->s.e.fd, &d));
	EXPECT_EQ(EAGAIN, errno_of(tap_one(self->fd, SNAP)));
}

/* An answer is for its caller: it has the number of the request, and perhaps its slot. */
TEST_F(tap, answers)
{
	struct ipcx_desc d, request, answer;

	for (int own = 0; own < 2; own++) {
		ASSERT_EQ(1, side_loan(&self->s, &d, 40, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));
		d.len = 40;
		memset(self->s.place[d.slot], 'q', 40);
		ASSERT_EQ(1, side_commit(&self->s, &d, IPCX_MSG_REQUEST | IPCX_MSG_INLINE));
		ASSERT_EQ(1, raw_take(self->s.e.fd, &request, 0));
		if (own) {
			ASSERT_EQ(1, side_loan(&self->s, &answer, 40,
					       IPCX_LOAN_REPLY | IPCX_LOAN_INLINE));
			answer.len = 40;
			answer.flags = IPCX_MSG_INLINE;
		}
		memset(raw_places, SECRET, 40);
		ASSERT_EQ(0, side_reply(&self->s, &request, own ? &answer : NULL, raw_places, 40));
		for (int step = 0; step < 3; step++) {
			const struct ipcx_tap_record *r = tap_one(self->fd, SNAP);

			if (step == 1)
				ASSERT_EQ(1, raw_take_flags(self->s.e.fd, &d, 0, IPCX_TAKE_ANSWER));
			if (step == 2)
				ASSERT_EQ(1, raw_release(self->s.e.fd, &d));
			if (!r)
				continue;
			EXPECT_EQ(0, step);
			EXPECT_EQ(own + 1, r->seq);
			EXPECT_EQ(own ? IPCX_TAP_OVER : IPCX_TAP_LOST, r->state);
			EXPECT_TRUE(tap_all(r, 'q'));
		}
		EXPECT_EQ(EAGAIN, errno_of(tap_one(self->fd, SNAP)));
	}
}

TEST_F(tap, fdinfo)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_TRUE(get_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "ipcx-name:\ttap\n"));
	EXPECT_NE(NULL, strstr(text, "ipcx-owner:\t0:0 0600\n"));
	EXPECT_NE(NULL, strstr(text, "ipcx-kind:\tqueue\nipcx-snap:\t1048576\n"));
	EXPECT_EQ(self->s.e.o.out_id, strtoull(strstr(text, "ipcx-tap:") + 9, NULL, 10));
}

static struct side *sender;
static volatile bool stop;

/* A message is all of one byte; what is only on loan is all of another. */
static void *send_on(void *arg)
{
	struct ipcx_desc d;

	for (int i = 0; !stop; i++) {
		size_t len = i % 7 == 3 ? 200000 : 30000;

		if (raw_loan(sender->e.fd, &d, len, 0) != 1)
			return (void *)1;
		memset(tx_at(&sender->e, &d), SECRET, len);
		if (i % 5 == 4) {
			raw_cancel(sender->e.fd, &d);
			continue;
		}
		memset(tx_at(&sender->e, &d), i & 0x1f, len);
		d.tag = i & 0x1f;
		if (raw_commit(sender->e.fd, &d) != 1 || take_away(sender) != 1)
			return (void *)2;
	}
	return NULL;
}

/* Never a byte of anything else, however fast slots are used again, and lose pages. */
TEST(bytes)
{
	struct side s = { .e.o = { .depth = 3, .bytes_max = 500000, .msg_max = 200000 } };
	uint64_t seq = 0, shown = 0, missed = 0, n = rounds(10000);
	const struct ipcx_tap_record *r;
	pthread_t thread;
	void *ret;
	int fd;

	ASSERT_EQ(0, side_open(&s, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
	fd = tap_open(QUEUE, NAME, BYTES_SNAP);
	sender = &s;
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_on, NULL));
	while (shown + missed < n) {
		r = tap_one(fd, BYTES_SNAP);
		if (!r && errno == EAGAIN)
			continue;
		ASSERT_NE(NULL, r);
		ASSERT_EQ(seq + r->missed + (r->state != IPCX_TAP_LOST), r->seq);
		seq = r->seq;
		missed += r->missed;
		shown += r->state != IPCX_TAP_LOST;
		ASSERT_TRUE(tap_all(r, r->tag));
		ASSERT_GT(0x20, r->tag);
	}
	stop = true;
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	fprintf(stderr, "# %llu shown, %llu missed\n", (unsigned long long)shown,
		(unsigned long long)missed);
	EXPECT_LT(0, shown);
	close(fd);
	end_close(&s.e);
}

TEST_HARNESS_MAIN
