// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues over a FIFO: who may read it, by a word in the file beside it or by a lock; what comes
 * between the parts of a long message; and many at both ends, who are killed.
 */
#include <fcntl.h>
#include <ipcx.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "frame_util.h"
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define PART 4016 /* bytes of a message in a frame */
#define LONG 20000
#define LIVES 256 /* locks on the FIFO: of a writer, and of a number that lives */
#define WRITER 1

/* In the file beside it */
enum { INSIDE = 64, MARK = 128, LOCKS = 132 };

FIXTURE(fifo)
{
	char dir[64], file[80], meta[80], uri[100];
	int words, raw;
	struct ipcx_queue *q, *s;
	struct ipcx_msg m;
};

FIXTURE_SETUP(fifo)
{
	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->file, sizeof(self->file), "%s/q", self->dir);
	snprintf(self->meta, sizeof(self->meta), "%s/.q", self->dir);
	snprintf(self->uri, sizeof(self->uri), "fifo:%s", self->file);
	ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | IPCX_RECV, NULL));
	ASSERT_EQ(0, ipcx_queue_open(&self->s, self->uri, IPCX_SEND, NULL));
	self->words = open(self->meta, O_RDWR);
	self->raw = open(self->file, O_RDWR);
	ASSERT_LE(0, self->words);
	ASSERT_EQ(0, fcntl(self->raw, F_SETFL, O_DIRECT));
}

FIXTURE_TEARDOWN(fifo)
{
	char command[100];

	ipcx_queue_close(self->s);
	ipcx_queue_close(self->q);
	close(self->words);
	close(self->raw);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(command));
}

static bool set_word(FIXTURE_DATA(fifo) *self, int at, uint32_t value)
{
	return pwrite(self->words, &value, sizeof(value), at) == sizeof(value);
}

static uint32_t word(FIXTURE_DATA(fifo) *self, int at)
{
	uint32_t value = ~0U;

	return pread(self->words, &value, sizeof(value), at) == sizeof(value) ? value : ~0U;
}

static int lock_raw(FIXTURE_DATA(fifo) *self, off_t at, short type)
{
	struct flock lock = { .l_type = type, .l_start = at, .l_len = 1 };

	return fcntl(self->raw, F_OFD_SETLK, &lock);
}

static uint64_t damaged(struct ipcx_queue *q)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	return ipcx_queue_stat(q, &s) ? ~0ULL : s.damaged;
}

/* A frame of a message that consists of the letter @c */
static bool send_frame(int fd, uint64_t id, size_t offset, size_t chunk, size_t len, char c)
{
	char packet[sizeof(struct head) + PART];
	struct head h = { .kind = 1, .chunk = chunk, .len = len, .offset = offset, .id = id };

	seal_head(&h);
	memcpy(packet, &h, sizeof(h));
	memset(packet + sizeof(h), c, chunk);
	return write(fd, packet, sizeof(h) + chunk) == (ssize_t)(sizeof(h) + chunk);
}

static bool consists_of(const struct ipcx_msg *m, char c)
{
	const char *p = m->data;

	for (size_t i = 0; i < m->len; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* Who was killed inside keeps nobody out; who lives does. */
TEST_F(fifo, inside)
{
	ASSERT_EQ(0, word(self, INSIDE));
	ASSERT_TRUE(set_word(self, INSIDE, 4711));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "a", 1, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(0, word(self, INSIDE));
	ASSERT_TRUE(set_word(self, INSIDE, 4711));
	ASSERT_EQ(0, lock_raw(self, LIVES + 4711, F_WRLCK));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "b", 1, in_ms(1000)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(50)));
	EXPECT_EQ(4711, word(self, INSIDE));
	ASSERT_EQ(0, lock_raw(self, LIVES + 4711, F_UNLCK));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
}

/* Somebody cannot map the word: from then on all take locks, once nobody is inside. */
TEST_F(fifo, locks)
{
	struct ipcx_queue *other;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, fchown(self->words, 4321, 4321));
	ASSERT_TRUE(set_word(self, INSIDE, 4711));
	ASSERT_EQ(0, lock_raw(self, LIVES + 4711, F_WRLCK));
	ASSERT_EQ(0, ipcx_queue_open(&other, self->uri, IPCX_RECV, NULL));
	EXPECT_EQ(1, word(self, LOCKS));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "a", 1, in_ms(1000)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(other, &self->m, in_ms(50)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(50)));
	ASSERT_TRUE(set_word(self, INSIDE, 0));
	EXPECT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	ASSERT_EQ(0, ipcx_queue_send(self->s, "b", 1, in_ms(1000)));
	/* the lock that they take */
	ASSERT_EQ(0, lock_raw(self, 2, F_WRLCK));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(self->q, &self->m, in_ms(50)));
	EXPECT_EQ(-ETIMEDOUT, ipcx_queue_take(other, &self->m, in_ms(50)));
	ASSERT_EQ(0, lock_raw(self, 2, F_UNLCK));
	EXPECT_EQ(0, ipcx_queue_take(other, &self->m, in_ms(1000)));
	ipcx_queue_close(other);
}

/* One who has not seen the mark sends between two parts. */
TEST_F(fifo, between)
{
	ASSERT_EQ(0, lock_raw(self, WRITER, F_WRLCK));
	ASSERT_TRUE(send_frame(self->raw, 1, 0, PART, PART + 10, 'a'));
	ASSERT_TRUE(send_frame(self->raw, 7, 0, 5, 5, 'b'));
	ASSERT_TRUE(send_frame(self->raw, 1, PART, 10, PART + 10, 'a'));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(5, self->m.len);
	EXPECT_TRUE(consists_of(&self->m, 'b'));
	EXPECT_EQ(1, self->m.seq);
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_EQ(PART + 10, self->m.len);
	EXPECT_TRUE(consists_of(&self->m, 'a'));
	EXPECT_EQ(2, self->m.seq);
	EXPECT_EQ(0, damaged(self->q));
}

#define FLOOD 300

static void *flood(void *arg)
{
	FIXTURE_DATA(fifo) *self = arg;
	bool good = send_frame(self->raw, 1, 0, PART, PART + 10, 'a');

	for (int i = 0; good && i < FLOOD; i++)
		good = send_frame(self->raw, i, 0, 5, 5, 'b');
	return (void *)(intptr_t)good;
}

/* What one sends who sees no mark arrives; what is kept aside has an end, and so has the part. */
TEST_F(fifo, too_much_between)
{
	pthread_t t;
	void *good;

	ASSERT_EQ(0, lock_raw(self, WRITER, F_WRLCK));
	ASSERT_EQ(0, pthread_create(&t, NULL, flood, self));
	for (int i = 0; i < FLOOD; i++) {
		ASSERT_EQ(0, ipcx_queue_next(self->q, &self->m, in_ms(900)));
		ASSERT_TRUE(consists_of(&self->m, 'b'));
	}
	pthread_join(t, &good);
	EXPECT_NE(0, (intptr_t)good);
	EXPECT_EQ(1, damaged(self->q));
	EXPECT_EQ(-EAGAIN, ipcx_queue_next(self->q, &self->m, IPCX_NOWAIT));
}

/* Short ones keep off while there is a mark, and one of who was killed goes away. */
TEST_F(fifo, mark)
{
	ASSERT_EQ(0, lock_raw(self, WRITER, F_WRLCK));
	EXPECT_EQ(0, ipcx_queue_send(self->s, "a", 1, IPCX_NOWAIT));
	ASSERT_TRUE(set_word(self, MARK, 1));
	EXPECT_EQ(-EAGAIN, ipcx_queue_send(self->s, "b", 1, IPCX_NOWAIT));
	ASSERT_EQ(0, lock_raw(self, WRITER, F_UNLCK));
	EXPECT_EQ(0, ipcx_queue_send(self->s, "c", 1, in_ms(1000)));
	EXPECT_EQ(0, word(self, MARK));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_TRUE(consists_of(&self->m, 'a'));
	ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
	EXPECT_TRUE(consists_of(&self->m, 'c'));
}

/* Nothing is sent behind one who has closed, however short the time was. */
TEST_F(fifo, closed)
{
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ipcx_queue_send(self->s, "x", 1, in_ms(1000)));
		ASSERT_EQ(0, ipcx_queue_take(self->q, &self->m, in_ms(1000)));
		ipcx_queue_close(self->q);
		self->q = NULL;
		ASSERT_EQ(-EAGAIN, ipcx_queue_loan(self->s, 1, &self->m, IPCX_NOWAIT));
		ASSERT_EQ(0, ipcx_queue_open(&self->q, self->uri, IPCX_RECV, NULL));
	}
}

#define SENDERS 3
#define RECEIVERS 4
#define EACH 400

struct seen {
	unsigned char times[SENDERS][EACH];
	int wrong;
};

static int send_all(const char *uri, int me)
{
	static char data[LONG];
	struct ipcx_queue *s;
	int r = ipcx_queue_open(&s, uri, IPCX_SEND, NULL);

	for (int i = 0; !r && i < EACH; i++) {
		size_t len = i % 7 == 6 ? LONG : 8 + i % 50;

		memset(data, i, len);
		((int *)data)[0] = me;
		((int *)data)[1] = i;
		r = ipcx_queue_send(s, data, len, in_ms(20000));
	}
	return r;
}

static void take_all(const char *uri, struct seen *seen)
{
	struct ipcx_msg m = { 0 };
	struct ipcx_queue *q;

	if (ipcx_queue_open(&q, uri, IPCX_RECV, NULL))
		return;
	while (!ipcx_queue_next(q, &m, IPCX_FOREVER)) {
		const int *p = m.data;
		struct ipcx_msg rest = { .data = (char *)m.data + 8, .len = m.len - 8 };

		if (m.len < 8 || (unsigned int)p[0] >= SENDERS || (unsigned int)p[1] >= EACH ||
		    !consists_of(&rest, p[1]))
			seen->wrong++;
		else
			__atomic_add_fetch(&seen->times[p[0]][p[1]], 1, __ATOMIC_RELAXED);
	}
}

/* Many at both ends: all comes once, and whole; but what a killed receiver had is lost with it. */
TEST_F(fifo, many)
{
	struct seen *all =
		mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t senders[SENDERS], receivers[RECEIVERS];

	ASSERT_NE(MAP_FAILED, all);
	for (int kills = 0; kills < 2; kills++) {
		int lost = 0, twice = 0, killed = 0;
		bool over = false;

		memset(all, 0, sizeof(*all));
		for (int i = 0; i < RECEIVERS; i++) {
			receivers[i] = fork();
			if (!receivers[i]) {
				take_all(self->uri, all);
				_exit(1);
			}
		}
		for (int i = 0; i < SENDERS; i++) {
			senders[i] = fork();
			if (!senders[i])
				_exit(!!send_all(self->uri, i));
		}
		for (int i = 0; kills && i < RECEIVERS - 1; i++, killed++) {
			usleep(3000);
			kill(receivers[i], SIGKILL);
			waitpid(receivers[i], NULL, 0);
		}
		for (int i = 0; i < SENDERS; i++)
			EXPECT_EQ(0, exit_status(senders[i]));
		for (int tries = 0; !over && tries < 300; tries++) {
			struct ipcx_queue_stats s = { .sz = sizeof(s) };

			usleep(10000);
			over = !ipcx_queue_stat(self->q, &s) && !s.queued;
		}
		usleep(100000);
		EXPECT_TRUE(over);
		for (int i = killed; i < RECEIVERS; i++) {
			kill(receivers[i], SIGKILL);
			waitpid(receivers[i], NULL, 0);
		}
		for (int i = 0; i < SENDERS * EACH; i++) {
			lost += !all->times[i / EACH][i % EACH];
			twice += all->times[i / EACH][i % EACH] > 1;
		}
		EXPECT_EQ(0, all->wrong);
		EXPECT_EQ(0, twice);
		EXPECT_GE(killed, lost);
	}
}

TEST_HARNESS_MAIN
