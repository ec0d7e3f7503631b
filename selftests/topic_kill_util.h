/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of a topic that are killed at random moments, while the test reads all that comes. */
#ifndef TOPIC_KILL_UTIL_H
#define TOPIC_KILL_UTIL_H

#include <sys/mman.h>
#include <sys/prctl.h>

#include "topic_lib_util.h"

#define LIVES 20001

/* What publishers have sent in each of their lives */
struct board {
	volatile uint64_t life, sent[LIVES];
};

/* How a message begins */
struct lived {
	uint64_t life, nr;
};

/*
 * struct killing - who is killed
 * @members: how many there are at a time
 * @start: starts one in a child
 * @length: of a message by its number
 * @longest: of any
 */
struct killing {
	int members;
	pid_t (*start)(struct board *b, int what);
	size_t (*length)(uint64_t nr);
	size_t longest;
};

static uint64_t got[LIVES]; /* by the test: how many of each life, none left out */

static inline struct board *new_board(void)
{
	return mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
}

/* Reads for a while. Return: whether all was as it has to be. */
static inline bool read_until(const struct killing *k, struct ipcx_topic *t, int64_t until)
{
	char *buf = calloc(1, k->longest);
	const struct lived *m = (struct lived *)buf;
	int r;

	while ((r = ipcx_topic_recv(t, buf, k->longest, until)) >= 0) {
		if (m->nr != got[m->life] || r != k->length(m->nr))
			break;
		got[m->life]++;
	}
	if (r != -ETIMEDOUT)
		fprintf(stderr, "# %d: life %ju, message %ju\n", r, (uintmax_t)m->life,
			(uintmax_t)m->nr);
	free(buf);
	return r == -ETIMEDOUT;
}

static inline bool kill_one(pid_t pid)
{
	return !kill(pid, SIGKILL) && exit_status(pid) == 128 + SIGKILL;
}

/* @n times one dies, and another one comes; in the end all. Return: whether nobody was held up. */
static inline bool kill_at_random(const struct killing *k, struct board *b, struct ipcx_topic *t,
				  int n)
{
	bool good = true;
	pid_t pid[8];

	srandom(n);
	for (int i = 0; i < k->members; i++)
		pid[i] = k->start(b, i);
	for (int i = 0; good && i < n; i++) {
		int who = random() % k->members;

		good = read_until(k, t, now_ns() + random() % 4000000) && kill_one(pid[who]);
		pid[who] = k->start(b, who);
	}
	/* nobody is held up by what was killed */
	for (int i = 0; good && i < 1000 && !got[b->life - 1]; i++)
		good = read_until(k, t, in_ms(10));
	good = good && got[b->life - 1];
	for (int i = 0; i < k->members; i++)
		good = kill_one(pid[i]) && good;
	/* what was sent comes though its sender is gone */
	good = good && read_until(k, t, in_ms(200));
	for (int i = 0; i < b->life; i++)
		good = good && b->sent[i] <= got[i];
	return good;
}

#endif /* TOPIC_KILL_UTIL_H */
