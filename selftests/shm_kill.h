/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests of killed and hostile members share, of topics and queues over shared memory. */
#ifndef SHM_KILL_H
#define SHM_KILL_H

#include <sys/prctl.h>

#include "topic_shm_util.h"

FIXTURE(kill)
{
	char dir[64];
};

FIXTURE_SETUP(kill)
{
	ASSERT_TRUE(dir_make(self->dir));
}

FIXTURE_TEARDOWN(kill)
{
	EXPECT_EQ(0, dir_remove(self->dir));
}

struct text {
	uint64_t life, nr;
	char more[200]; /* too long for a cell every other time */
};

static inline size_t length(uint64_t nr)
{
	return nr % 2 ? sizeof(struct text) : offsetof(struct text, more);
}

/*
 * Writes nonsense over all of @fd, which cannot be made shorter or longer, for ever. @where: the
 * word that is the ith to be hit, of so many.
 */
static inline void scribble_over(const struct child *c, int fd,
				 uint64_t (*where)(uint64_t i, uint64_t words))
{
	struct stat st;
	uint32_t *word;

	if (fstat(fd, &st) || !ftruncate(fd, 0) || errno != EPERM ||
	    !ftruncate(fd, st.st_size + 4096) || errno != EPERM)
		_exit(2);
	word = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED || !say(c))
		_exit(3);
	for (uint64_t i = 0;; i++) {
		uint64_t at = where(i, st.st_size / 4);

		/* mostly as if it made sense */
		word[at] = i % 4 ? word[at] + random() % 9 - 4 : random();
		if (i % 100000 == 99999)
			fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size);
	}
}

#endif /* SHM_KILL_H */
