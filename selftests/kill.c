// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue of jobs whose feeder and workers are killed at random moments, one at
 * a time, while the others go on. Each job has a number and a checksum, and
 * says in shared memory how far it got: none is lost, none is done again
 * unmarked or after it was acknowledged, and all slots are there at the end.
 *
 * IPCX_TEST_FULL=1: 10,000 kills and a million jobs.
 */
#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define NAME	"kill"
#define DEPTH	32
#define WORKERS 3
#define FEEDER	WORKERS /* number of the child that sends */
#define JOBS	(1 << 24)
#define BATCH	4

/* How far a job got; whoever is killed leaves it where it was. */
enum progress { NOT_SEEN, BEGUN, ACKNOWLEDGED };

struct board {
	volatile uint64_t fed;	  /* number of the last job begun to be sent */
	volatile uint64_t again; /* jobs that came again, marked */
	volatile uint64_t wrong; /* number of a job */
	char how[64];		  /* and what was wrong with it */
	volatile uint8_t sent[JOBS];
	volatile uint8_t progress[JOBS];
};

static struct board *b;

struct job {
	uint64_t number;
	uint32_t len;
	uint32_t crc;
	uint8_t data[];
};

static uint32_t crc32_table[256];

static void crc32_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		crc32_table[i] = c;
	}
}

static uint32_t crc32(const uint8_t *p, size_t len)
{
	uint32_t c = ~0U;

	while (len--)
		c = crc32_table[(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

/* Mostly short, some of several pages. */
static size_t job_len(uint64_t n)
{
	uint32_t mixed = n * 2654435761U;

	return mixed % 32 ? 8 + mixed % 150 : mixed % 12000;
}

static void job_fill(struct job *j, uint64_t n)
{
	j->number = n;
	j->len = job_len(n);
	for (uint32_t i = 0; i < j->len; i++)
		j->data[i] = n + i * 7;
	j->crc = crc32(j->data, j->len);
}

static void wrong(uint64_t n, const char *how)
{
	strcpy(b->how, how);
	b->wrong = n ?: ~0ULL;
}

/* A job was taken: it is looked at, and is to be acknowledged then. */
static uint64_t job_begin(const struct end *e, const struct ipcx_desc *d)
{
	const struct job *j = (const struct job *)rx_at(e, d);
	uint64_t n = j->number;

	if (n != d->tag || !n || n >= JOBS || d->len != sizeof(*j) + job_len(n) ||
	    j->len != job_len(n) || j->crc != crc32(j->data, j->len)) {
		wrong(d->tag, "is damaged");
		return 0;
	}
	if (b->progress[n] == ACKNOWLEDGED)
		wrong(n, "came again after it was acknowledged");
	if (b->progress[n] == BEGUN && !d->deliveries)
		wrong(n, "came again unmarked");
	b->again += d->deliveries > 0;
	b->progress[n] = BEGUN;
	if (n % 32 == 0)
		usleep(n % 500); /* so that some are killed with jobs in hand */
	return n;
}

/* The ways of a worker: take and release, both in one call, several at once. */
static void work_single(struct end *e)
{
	struct ipcx_desc d;
	uint64_t n;

	for (;;) {
		if (raw_take(e->fd, &d, IPCX_DEADLINE_FOREVER) != 1)
			_exit(2);
		n = job_begin(e, &d);
		if (raw_release(e->fd, &d) != 1)
			_exit(3);
		b->progress[n] = ACKNOWLEDGED;
	}
}

static void work_next(struct end *e)
{
	struct ipcx_desc d;
	uint64_t n;

	if (raw_take(e->fd, &d, IPCX_DEADLINE_FOREVER) != 1)
		_exit(2);
	for (;;) {
		n = job_begin(e, &d);
		if (raw_next(e->fd, &d, IPCX_DEADLINE_FOREVER) != 1)
			_exit(3);
		b->progress[n] = ACKNOWLEDGED;
	}
}

static void work_batch(struct end *e)
{
	struct ipcx_desc d[BATCH];
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.descs = (uintptr_t)d,
		.count = BATCH,
		.desc_size = sizeof(d[0]),
		.deadline = IPCX_DEADLINE_FOREVER,
		.len_max = UINT64_MAX,
	};
	struct ipcx_queue_release r = {
		.size = sizeof(r),
		.descs = (uintptr_t)d,
		.desc_size = sizeof(d[0]),
	};
	uint64_t n[BATCH];
	int got;

	for (;;) {
		got = xioctl(e->fd, IPCX_IOC_QUEUE_TAKE, &t);
		if (got < 1)
			_exit(2);
		for (int i = 0; i < got; i++)
			n[i] = job_begin(e, &d[i]);
		r.count = got;
		if (xioctl(e->fd, IPCX_IOC_QUEUE_RELEASE, &r) != got)
			_exit(3);
		for (int i = 0; i < got; i++)
			b->progress[n[i]] = ACKNOWLEDGED;
	}
}

/* Sends jobs for ever, each commit bringing the next loan where it can. */
static void feed(struct end *e)
{
	struct ipcx_desc d = { .slot = IPCX_SLOT_NONE };
	size_t len;

	for (uint64_t n = b->fed + 1; n < JOBS; n++) {
		len = sizeof(struct job) + job_len(n);
		b->fed = n;
		if (d.slot != IPCX_SLOT_NONE && d.len < len) {
			if (raw_cancel(e->fd, &d) != 1)
				_exit(2);
			d.slot = IPCX_SLOT_NONE;
		}
		if (d.slot == IPCX_SLOT_NONE &&
		    raw_loan(e->fd, &d, len, IPCX_DEADLINE_FOREVER) != 1)
			_exit(3);
		job_fill((struct job *)tx_at(e, &d), n);
		d.len = len;
		d.tag = n;
		d.prio = n % 3;
		if (raw_done(e->fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN) != 1)
			_exit(4);
		b->sent[n] = 1;
	}
	pause();
}

typedef void (*work_fn)(struct end *e);

static pid_t child_start(int which)
{
	static const work_fn work[] = { work_single, work_next, work_batch, feed };
	pid_t pid = fork();

	if (!pid) {
		struct end e = {};

		if (end_open(&e, NAME, which == FEEDER ? IPCX_OPEN_SEND : IPCX_OPEN_RECV))
			_exit(1);
		work[which](&e);
		_exit(5);
	}
	return pid;
}

static bool child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return exit_status(pid) == 128 + SIGKILL;
}

/* At all moments of a child's life: from none to some milliseconds, short times more often. */
static void random_pause(void)
{
	usleep(random() % (1 << random() % 13));
}

FIXTURE(kill)
{
	struct end e;
	pid_t pid[WORKERS + 1];
};

FIXTURE_SETUP(kill)
{
	memset(self, 0, sizeof(*self));
	crc32_init();
	srandom(1);
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)b);
	self->e.o.depth = DEPTH;
	self->e.o.msg_max = 1 << 16;
	self->e.o.bytes_max = 1 << 18; /* pages get short too */
	ASSERT_EQ(0, end_open(&self->e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL));
}

FIXTURE_TEARDOWN(kill)
{
	end_close(&self->e);
	munmap(b, sizeof(*b));
}

/* With the children dead: does what is left, and looks that nothing is missing. */
static uint64_t finish(struct __test_metadata *_metadata, FIXTURE_DATA(kill) *self)
{
	struct ipcx_desc d;
	struct counts c;
	uint64_t done = 0;

	ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(0, c.loaned);
	EXPECT_EQ(0, c.leased);
	EXPECT_EQ(DEPTH, c.queued + c.free);
	while (raw_take(self->e.fd, &d, 0) == 1) {
		job_begin(&self->e, &d);
		ASSERT_EQ(1, raw_release(self->e.fd, &d));
	}
	for (uint64_t n = 1; n <= b->fed; n++) {
		bool lost = b->sent[n] && b->progress[n] == NOT_SEEN;

		ASSERT_FALSE(lost) TH_LOG("job %llu", (unsigned long long)n);
		done += b->progress[n] != NOT_SEEN;
	}
	ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
	EXPECT_EQ(DEPTH, c.free);
	/* all are fit for use */
	for (int i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, raw_send(&self->e, 100, 'x'));
	return done;
}

TEST_F_TIMEOUT(kill, jobs, 3000)
{
	uint64_t jobs = rounds_or(20000, 1000000), done;
	int kills = rounds_or(200, 10000), which;
	int64_t start = now_ns(), late = in_ms(2500000);
	struct counts c;

	for (int i = 0; i <= WORKERS; i++)
		self->pid[i] = child_start(i);
	for (int i = 0; i < kills; i++) {
		random_pause();
		which = random() % (WORKERS + 1);
		ASSERT_TRUE(child_kill(self->pid[which])) TH_LOG("child %d had failed", which);
		self->pid[which] = child_start(which);
		ASSERT_TRUE(counts_of(self->e.o.out_id, &c));
		ASSERT_EQ(DEPTH, c.queued + c.loaned + c.leased + c.free);
		ASSERT_EQ(0, b->wrong) TH_LOG("job %llu %s", (unsigned long long)b->wrong, b->how);
	}
	while (b->fed < jobs && now_ns() < late)
		usleep(10000);
	EXPECT_LE(jobs, b->fed); /* or everybody is stuck */
	for (int i = 0; i <= WORKERS; i++) {
		EXPECT_TRUE(child_kill(self->pid[i])) TH_LOG("child %d had failed", i);
	}
	done = finish(_metadata, self);
	EXPECT_EQ(0, b->wrong) TH_LOG("job %llu %s", (unsigned long long)b->wrong, b->how);
	TH_LOG("%d kills, %llu jobs, %llu deliveries again, %lld s", kills,
	       (unsigned long long)done, (unsigned long long)b->again,
	       (long long)(now_ns() - start) / 1000000000);
}

TEST_HARNESS_MAIN
