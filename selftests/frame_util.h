/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames as tests make them that are a peer without the library. */
#ifndef FRAME_UTIL_H
#define FRAME_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* A frame as it lies on the way, on a machine that has the lower byte first */
struct head {
	uint32_t magic;
	uint8_t version, kind, prio, has;
	uint32_t chunk, data_sum;
	uint64_t len, offset, id, tag, call;
	int64_t expires;
	uint32_t deliveries, mailbox;
	uint16_t flags, zero;
	uint32_t head_sum;
};

static inline uint32_t sum_of(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t c = ~0U;

	while (len--) {
		c ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	return ~c;
}

/* As a sender of the library would have packed it. */
static inline void seal_head(struct head *h)
{
	h->magic = 0x78637069;
	h->version = 1;
	h->head_sum = sum_of(h, offsetof(struct head, head_sum));
}

#endif /* FRAME_UTIL_H */
