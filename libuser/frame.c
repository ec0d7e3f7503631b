// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Frames: how a message looks on its way over a stream, and how it is put together again.
 *
 * All words are little-endian. The checksum is CRC-32C; that of the head covers all of the head
 * but itself, that of the payload is there if its bit in the flags is.
 */
#include <endian.h>
#include <errno.h>
#include <ipcx.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"

#define MAGIC 0x78637069 /* "ipcx" */
#define VERSION 1
#define HAS_SUM 1

/* Eight bytes each, in pairs where it says so: the lower half comes first. */
enum {
	WORD_KIND, /* MAGIC, then a byte each: VERSION, kind, prio, HAS_SUM or 0 */
	WORD_CHUNK, /* bytes in this frame, their sum */
	WORD_LEN,
	WORD_OFFSET,
	WORD_ID,
	WORD_TAG,
	WORD_CALL,
	WORD_EXPIRES,
	WORD_DELIVERIES, /* deliveries, mailbox */
	WORD_FLAGS, /* flags of 16 bits, 16 zeros, the sum of all before */
	WORDS
};

#define SUMMED (WORD_FLAGS * 8 + 4) /* bytes of a head that its own sum covers */

_Static_assert(WORDS * 8 == IPCX_FRAME_SIZE, "all of a head");

static uint32_t table[8][256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
}

#ifdef __x86_64__
static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

static __attribute__((target("sse4.2"))) uint32_t by_instruction(const unsigned char *p, size_t len)
{
	uint64_t c = ~0U;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		c = __builtin_ia32_crc32di(c, v);
	}
	if (len >= 4) {
		uint32_t v;

		memcpy(&v, p, sizeof(v));
		c = __builtin_ia32_crc32si(c, v);
		len -= 4;
		p += 4;
	}
	while (len--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return ~c;
}
#else
static bool has_instruction(void)
{
	return false;
}

static uint32_t by_instruction(const unsigned char *p, size_t len)
{
	(void)p;
	(void)len;
	return 0;
}
#endif

/* Eight bytes a step: the tables are those of one byte followed by 0 to 7 that are zero. */
static uint32_t by_table(const unsigned char *p, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint32_t c = ~0U;

	pthread_once(&once, make_table);
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		v = le64toh(v) ^ c;
		c = 0;
		for (int t = 0; t < 8; t++)
			c ^= table[7 - t][v >> 8 * t & 0xff];
	}
	while (len--)
		c = c >> 8 ^ table[0][(c ^ *p++) & 0xff];
	return ~c;
}

static uint32_t crc32c(const void *data, size_t len)
{
	return has_instruction() ? by_instruction(data, len) : by_table(data, len);
}

struct ipcx_buffer *ipcx_buffer_alloc(size_t len)
{
	struct ipcx_buffer *b;

	if (len > SIZE_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + len);
	return b ? ipcx_buffer_init(b, len, len) : NULL;
}

void ipcx_buffer_free(struct ipcx_buffer *b)
{
	if (b && b->fd >= 0)
		close(b->fd);
	free(b);
}

static void put_word(char wire[IPCX_FRAME_SIZE], int word, uint64_t value)
{
	value = htole64(value);
	memcpy(wire + word * 8, &value, sizeof(value));
}

static uint64_t get_word(const char wire[IPCX_FRAME_SIZE], int word)
{
	uint64_t value;

	memcpy(&value, wire + word * 8, sizeof(value));
	return le64toh(value);
}

static uint64_t pair(uint32_t lower, uint32_t upper)
{
	return (uint64_t)upper << 32 | lower;
}

void ipcx_frame_pack(char wire[IPCX_FRAME_SIZE], const struct ipcx_head *h, const void *chunk,
		     bool sum)
{
	put_word(wire, WORD_KIND,
		 pair(MAGIC, VERSION | h->kind << 8 | h->prio << 16 | (sum ? HAS_SUM << 24 : 0)));
	put_word(wire, WORD_CHUNK, pair(h->chunk, sum ? crc32c(chunk, h->chunk) : 0));
	put_word(wire, WORD_LEN, h->len);
	put_word(wire, WORD_OFFSET, h->offset);
	put_word(wire, WORD_ID, h->id);
	put_word(wire, WORD_TAG, h->tag);
	put_word(wire, WORD_CALL, h->call);
	put_word(wire, WORD_EXPIRES, h->expires);
	put_word(wire, WORD_DELIVERIES, pair(h->deliveries, h->mailbox));
	put_word(wire, WORD_FLAGS, h->flags);
	put_word(wire, WORD_FLAGS, pair(h->flags, crc32c(wire, SUMMED)));
}

/* Only that there is no reply has a reason, and that says one. */
static bool flags_fit(const struct ipcx_head *h)
{
	if (h->kind != IPCX_FRAME_ERROR)
		return !h->flags;
	return !h->len && (h->flags == IPCX_CANCELED || h->flags == IPCX_EXPIRED ||
			   h->flags == IPCX_OWNERDEAD);
}

static bool makes_sense(const struct ipcx_head *h)
{
	if (h->kind < IPCX_FRAME_MESSAGE || h->kind > IPCX_FRAME_CUT)
		return false;
	if (h->prio > 31 || h->expires < 0 || !flags_fit(h))
		return false;
	if (h->kind == IPCX_FRAME_HANDED)
		return !h->chunk && !h->offset && h->len;
	if (h->kind > IPCX_FRAME_HANDED)
		return !h->len && !h->chunk && !h->offset;
	/* all but the only chunk of an empty message bring something, and not too much */
	return h->chunk <= h->len && h->offset <= h->len - h->chunk && (h->chunk || !h->len);
}

static int unpack(struct ipcx_head *h, const char wire[IPCX_FRAME_SIZE], uint64_t msg_max)
{
	uint64_t kind = get_word(wire, WORD_KIND), flags = get_word(wire, WORD_FLAGS);
	uint64_t deliveries = get_word(wire, WORD_DELIVERIES);

	if ((kind & 0xffffffffff) != pair(MAGIC, VERSION) || kind >> 56 & ~HAS_SUM)
		return -EPROTO;
	if (flags >> 16 & 0xffff || flags >> 32 != crc32c(wire, SUMMED))
		return -EPROTO;
	*h = (struct ipcx_head){
		.kind = kind >> 40,
		.prio = kind >> 48,
		.flags = flags,
		.deliveries = deliveries,
		.mailbox = deliveries >> 32,
		.chunk = get_word(wire, WORD_CHUNK),
		.len = get_word(wire, WORD_LEN),
		.offset = get_word(wire, WORD_OFFSET),
		.id = get_word(wire, WORD_ID),
		.tag = get_word(wire, WORD_TAG),
		.call = get_word(wire, WORD_CALL),
		.expires = get_word(wire, WORD_EXPIRES),
	};
	if (!makes_sense(h))
		return -EPROTO;
	return h->len > msg_max || h->len > SIZE_MAX - sizeof(struct ipcx_buffer) ? -EMSGSIZE : 0;
}

int ipcx_frame_unpack(struct ipcx_head *h, const char wire[IPCX_FRAME_SIZE], uint64_t msg_max)
{
	int r = unpack(h, wire, msg_max);

	return r != -EPROTO && h->kind > IPCX_FRAME_ERROR ? -EPROTO : r;
}

int ipcx_frame_unpack_topic(struct ipcx_head *h, const char wire[IPCX_FRAME_SIZE], uint64_t msg_max)
{
	int r = unpack(h, wire, msg_max);

	if (r == -EPROTO || h->kind >= IPCX_FRAME_HANDED)
		return r;
	return h->kind != IPCX_FRAME_MESSAGE || h->chunk != h->len ? -EPROTO : r;
}

bool ipcx_assemble_drop(struct ipcx_assembly *a)
{
	bool any = a->b;

	ipcx_buffer_free(a->b);
	a->b = NULL;
	return any;
}

int ipcx_assemble_begin(struct ipcx_assembly *a, const struct ipcx_head *h, char **to,
			uint64_t *torn)
{
	const struct ipcx_buffer *b = a->b;

	if (b && (h->id != b->head.id || h->len != b->head.len || h->offset != a->have))
		*torn += ipcx_assemble_drop(a);
	if (!a->b) {
		if (h->offset)
			return -EPROTO;
		a->b = ipcx_buffer_get(a->kept, h->len);
		if (!a->b)
			return -ENOMEM;
		a->b->head = *h;
		a->have = 0;
	}
	*to = a->b->data + a->have;
	return 0;
}

struct ipcx_buffer *ipcx_assemble_end(struct ipcx_assembly *a, const struct ipcx_head *h,
				      const char wire[IPCX_FRAME_SIZE], int *err)
{
	struct ipcx_buffer *b = a->b;

	*err = 0;
	if (get_word(wire, WORD_KIND) >> 56 & HAS_SUM &&
	    get_word(wire, WORD_CHUNK) >> 32 != crc32c(b->data + a->have, h->chunk)) {
		ipcx_assemble_drop(a);
		*err = -EBADMSG;
		return NULL;
	}
	a->have += h->chunk;
	if (a->have < b->head.len)
		return NULL;
	a->b = NULL;
	return b;
}
