/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What feed, work and judge share: a message is one of so many of an origin, and says so in its
 * tag. How long it is and what is in it follows from that, so who gets it can tell if it is whole.
 */
#ifndef LOAD_H
#define LOAD_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <ipcx.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOAD_MAX (4U << 20) /* bytes of the longest */
#define ORIGINS_MAX 16U
#define LOOK_NS INT64_C(200000000) /* so often a sleeper looks if it is to end */

/* which messages there are */
struct load {
	uint32_t origins, count; /* count: of each origin */
	uint32_t max; /* none is longer */
	int64_t size; /* each is so long, if not negative */
};

/* at the head of each payload that has room for it */
struct mark {
	uint64_t id;
	uint32_t len, crc; /* crc: of what follows */
};

/* what a receiver has noted; of each message how often it came, see count_of() */
struct seen {
	uint64_t magic;
	uint32_t origins, count;
	uint64_t taken, wrong; /* wrong: not what was sent */
	uint16_t times[];
};

#define SEEN_MAGIC 0x316e656573637069ULL

static inline uint64_t id_of(uint32_t origin, uint32_t nr)
{
	return (uint64_t)(origin + 1) << 40 | nr;
}

static inline uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185ULL;
	x = (x ^ x >> 27) * 0x81dadef4bc2dd44dULL;
	return x ^ x >> 33;
}

/* Most are short, one of ten has nothing in it, one of a thousand is long. */
static inline uint32_t length_of(const struct load *l, uint64_t id)
{
	uint64_t r = mixed(id), kind = r % 1000, more = r >> 16;
	uint64_t len;

	if (l->size >= 0)
		return l->size;
	if (kind == 0)
		len = more % 4 ? more % LOAD_MAX : LOAD_MAX;
	else if (kind < 100)
		len = 0;
	else if (kind < 300)
		len = more % 64;
	else if (kind < 950)
		len = more % 4096;
	else
		len = more % 65536;
	return len < l->max ? len : l->max;
}

static inline uint32_t crc_of(const unsigned char *p, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0U;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
	}
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
	return ~crc;
}

static inline void payload_fill(void *data, uint32_t len, uint64_t id)
{
	struct mark mark = { .id = id, .len = len };
	unsigned char *rest = (unsigned char *)data + sizeof(mark);
	uint32_t n;

	if (len < sizeof(mark)) {
		if (len)
			memset(data, (int)id, len);
		return;
	}
	n = len - sizeof(mark);
	for (uint32_t i = 0; i < n; i += 8) {
		uint64_t word = mixed(id + i);

		memcpy(rest + i, &word, n - i < 8 ? n - i : 8);
	}
	mark.crc = crc_of(rest, n);
	memcpy(data, &mark, sizeof(mark));
}

static inline bool payload_good(const void *data, uint32_t len, uint64_t id)
{
	const unsigned char *bytes = data;
	struct mark mark;

	if (len < sizeof(mark)) {
		for (uint32_t i = 0; i < len; i++)
			if (bytes[i] != (unsigned char)id)
				return false;
		return true;
	}
	memcpy(&mark, data, sizeof(mark));
	return mark.id == id && mark.len == len &&
	       mark.crc == crc_of(bytes + sizeof(mark), len - sizeof(mark));
}

static inline int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline uint32_t number(const char *text, uint32_t max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > max)
		errx(2, "%s is not a number of 0..%u", text, max);
	return n;
}

static inline size_t seen_size(const struct load *l)
{
	return sizeof(struct seen) + sizeof(uint16_t) * l->origins * l->count;
}

/* Maps @path, which is made and as large as @l needs, if @make. */
static inline struct seen *seen_map(const char *path, const struct load *l, bool make)
{
	int fd = open(path, make ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	struct seen *s;

	if (fd < 0 || (make && ftruncate(fd, seen_size(l))))
		err(2, "%s", path);
	if (lseek(fd, 0, SEEK_END) != (off_t)seen_size(l))
		errx(2, "%s is of another number of messages", path);
	s = mmap(NULL, seen_size(l), PROT_READ | (make ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		err(2, "%s", path);
	close(fd);
	if (make && !s->magic) {
		s->origins = l->origins;
		s->count = l->count;
		s->magic = SEEN_MAGIC;
	}
	if (s->magic != SEEN_MAGIC || s->origins != l->origins || s->count != l->count)
		errx(2, "%s is of other messages", path);
	return s;
}

static volatile sig_atomic_t stopped;

static inline void stop(int nr)
{
	stopped = 1;
}

/* SIGTERM interrupts what sleeps, and is seen by stopped */
static inline void stop_by_term(void)
{
	struct sigaction act = { .sa_handler = stop };

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
}

#endif /* LOAD_H */
