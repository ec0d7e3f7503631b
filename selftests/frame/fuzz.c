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
	struct ipcx_head h;
	struct wire w;

	memcpy(&w, wire, sizeof(w));
	if (!(repair & 1))
		return;
	w.magic = htole32(MAGIC);
	w.version = VERSION;
	w.has &= HAS_SUM;
	w.zero = 0;
	if (repair & 2) {
		w.kind = 1 + w.kind % IPCX_FRAME_CUT;
		if (w.kind != IPCX_FRAME_ERROR)
			w.flags = 0;
		else if (repair & 16)
			w.flags = htole16(IPCX_CANCELED);
		w.prio %= 32;
		w.expires &= htole64(INT64_MAX);
		w.len = htole64(le64toh(w.len) % (MSG_MAX + 1000));
		w.chunk = htole32(le32toh(w.chunk) % 300);
		if (repair & 4)
			w.offset = 0;
		if (repair & 8)
			w.id = 0;
	}
	w.head_sum = htole32(crc32c(&w, offsetof(struct wire, head_sum)));
	memcpy(wire, &w, sizeof(w));
	w.head_sum ^= htole32(1U << repair % 32);
	check(ipcx_frame_unpack(&h, (char *)&w, MSG_MAX) == -EPROTO, "a wrong sum is believed");
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
