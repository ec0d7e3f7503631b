// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames under libFuzzer: the input is a stream as a receiver may get it from anybody. Half of the
 * heads are repaired, or no input would pass a checksum. What comes out as a message must be one.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.c"

#define MSG_MAX 70000

static volatile unsigned char sink;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "frame: %s\n", what);
	abort();
}

/* A head as a sender would have packed it, if @repair; changed at one place, it is refused. */
static void feed_head(char wire[IPCX_FRAME_SIZE], unsigned int repair)
{
	uint64_t w[WORDS], kind;
	struct ipcx_head h;

	if (!(repair & 1))
		return;
	for (int i = 0; i < WORDS; i++)
		w[i] = get_word(wire, i);
	w[WORD_KIND] = (w[WORD_KIND] & 0x1ffff0000000000) | pair(MAGIC, VERSION);
	w[WORD_FLAGS] &= 0xffff;
	if (repair & 2) {
		kind = 1 + (w[WORD_KIND] >> 40 & 0xff) % IPCX_FRAME_CUT;
		w[WORD_KIND] = (w[WORD_KIND] & 0x11f00ffffffffff) | kind << 40;
		if (kind != IPCX_FRAME_ERROR)
			w[WORD_FLAGS] = 0;
		else if (repair & 16)
			w[WORD_FLAGS] = IPCX_CANCELED;
		w[WORD_EXPIRES] &= INT64_MAX;
		w[WORD_LEN] %= MSG_MAX + 1000;
		w[WORD_CHUNK] = pair((uint32_t)w[WORD_CHUNK] % 300, w[WORD_CHUNK] >> 32);
		if (repair & 4)
			w[WORD_OFFSET] = 0;
		if (repair & 8)
			w[WORD_ID] = 0;
	}
	for (int i = 0; i < WORDS; i++)
		put_word(wire, i, w[i]);
	w[WORD_FLAGS] |= (uint64_t)crc32c(wire, SUMMED) << 32;
	put_word(wire, WORD_FLAGS, w[WORD_FLAGS] ^ 1ULL << (32 + repair % 32));
	check(ipcx_frame_unpack(&h, wire, MSG_MAX) == -EPROTO, "a wrong sum is believed");
	put_word(wire, WORD_FLAGS, w[WORD_FLAGS]);
}

static void check_message(const struct ipcx_buffer *b)
{
	check(b->head.len <= MSG_MAX, "a message is too long");
	check(b->head.kind >= IPCX_FRAME_MESSAGE && b->head.kind <= IPCX_FRAME_ERROR, "no kind");
	check(b->room == b->head.len, "not of its length");
	for (size_t i = 0; i < b->head.len; i++)
		sink += b->data[i]; /* all of it is there */
}

/* Of a topic: all of a message, or what has no payload; and to a queue the latter is nothing. */
static void check_topic(const char *wire)
{
	struct ipcx_head h, q;
	bool handed;

	if (ipcx_frame_unpack_topic(&h, wire, MSG_MAX))
		return;
	handed = h.kind == IPCX_FRAME_HANDED;
	check(h.kind == IPCX_FRAME_MESSAGE ||
		      (h.kind >= IPCX_FRAME_HANDED && h.kind <= IPCX_FRAME_CUT),
	      "no kind of a topic");
	check(h.len <= MSG_MAX && !h.offset && h.chunk == (handed ? 0 : h.len), "not whole");
	check(h.kind == IPCX_FRAME_MESSAGE || handed == !!h.len, "a payload where none can be");
	check(!ipcx_frame_unpack(&q, wire, MSG_MAX) == (h.kind == IPCX_FRAME_MESSAGE),
	      "a queue believes what is of a topic");
}

static void round_trip_topic(uint64_t id)
{
	for (int kind = IPCX_FRAME_HANDED; kind <= IPCX_FRAME_CUT; kind++) {
		struct ipcx_head h = { .kind = kind, .id = id }, back;
		char wire[IPCX_FRAME_SIZE];

		h.len = kind == IPCX_FRAME_HANDED ? 1 + id % MSG_MAX : 0;
		ipcx_frame_pack(wire, &h, NULL, false);
		check(!ipcx_frame_unpack_topic(&back, wire, MSG_MAX), "a good frame is refused");
		check(!memcmp(&h, &back, sizeof(h)), "a head has changed");
		check_topic(wire);
	}
}

/* What is packed comes back the same. */
static void round_trip(const uint8_t *data, size_t size)
{
	struct ipcx_head h = { .kind = IPCX_FRAME_MESSAGE, .chunk = size, .len = size }, back;
	struct ipcx_assembly a = { 0 };
	char wire[IPCX_FRAME_SIZE], *to;
	struct ipcx_buffer *b;
	uint64_t torn = 0;
	int err;

	ipcx_frame_pack(wire, &h, data, true);
	check(!ipcx_frame_unpack(&back, wire, MSG_MAX), "a good frame is refused");
	check(!memcmp(&h, &back, sizeof(h)), "a head has changed");
	check(!ipcx_assemble_begin(&a, &back, &to, &torn), "a good frame begins nothing");
	memcpy(to, data, size);
	b = ipcx_assemble_end(&a, &back, wire, &err);
	check(b && !err && !torn && !memcmp(b->data, data, size), "a message has changed");
	ipcx_buffer_free(b);
	if (!size)
		return;
	check(!ipcx_assemble_begin(&a, &back, &to, &torn), "a good frame begins nothing");
	memcpy(to, data, size);
	to[size / 2] ^= 1;
	check(!ipcx_assemble_end(&a, &back, wire, &err) && err == -EBADMSG, "damage is not seen");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipcx_assembly a = { 0 };
	uint64_t torn = 0;

	check(crc32c("123456789", 9) == 0xe3069283, "this is not CRC-32C");
	check(crc32c(data, size) == by_table(data, size), "two sums of the same bytes");
	round_trip(data, size < MSG_MAX ? size : MSG_MAX);
	round_trip_topic(crc32c(data, size));
	while (size > IPCX_FRAME_SIZE) {
		char wire[IPCX_FRAME_SIZE], *to;
		struct ipcx_buffer *b;
		struct ipcx_head h;
		int err;

		memcpy(wire, data + 1, IPCX_FRAME_SIZE);
		feed_head(wire, data[0]);
		data += 1 + IPCX_FRAME_SIZE;
		size -= 1 + IPCX_FRAME_SIZE;
		check_topic(wire);
		/* a stream would be closed at the first that is wrong, a FIFO goes on */
		if (ipcx_frame_unpack(&h, wire, MSG_MAX) || h.chunk > size)
			continue;
		if (ipcx_assemble_begin(&a, &h, &to, &torn))
			continue;
		memcpy(to, data, h.chunk);
		data += h.chunk;
		size -= h.chunk;
		b = ipcx_assemble_end(&a, &h, wire, &err);
		check(!b || !err, "a message and an error");
		if (b)
			check_message(b);
		ipcx_buffer_free(b);
	}
	ipcx_assemble_drop(&a);
	return 0;
}
