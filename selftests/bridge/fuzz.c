// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parcels under libFuzzer: the input is what a bridge may get from anybody. A line is a
 * text, or one that was made well and then changed at one place, or few would get far; and so with
 * packs. What comes out must be in range, and a message put together must be all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/parcel.c"

#define BYTES_MAX 20000

static volatile unsigned char sink;
static int token_held; /* any address that is not NULL */

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "parcel: %s\n", what);
	abort();
}

static void check_parcel(const struct parcel *p, const void *data, size_t size)
{
	check(p->len <= PARCEL_LEN_MAX && p->prio < 32 && p->hops < HOPS_MAX, "out of range");
	check(p->chunks >= 1 && p->chunks <= PARCEL_CHUNKS, "no number of chunks");
	check(p->data == data && p->size == size, "other bytes");
	check(uuid_ok(p->origin) && word_ok(p->realm, sizeof(p->realm)), "no origin or realm");
	check(!strncmp(p->id, p->origin, UUID_TEXT - 1), "the id is not of the origin");
	check(strlen(p->id) < sizeof(p->id), "no end");
	check(p->ttl >= -1 && p->pid >= -1, "a negative number");
	if (p->pack)
		check(p->pack > 1 && p->pack <= PACK_MAX && size && size <= PACK_BYTES &&
			      p->chunks == 1 && !p->head && !p->call,
		      "no such pack");
	else if (p->head)
		check(p->chunks > 1 && !size, "a head with bytes");
	else if (p->chunks == 1)
		check(size == p->len, "not all of it");
	else
		check(p->chunk < p->chunks && size && p->at + size <= p->len, "a chunk outside");
}

/* As a sender writes it, of what the input says */
static void make_line(char line[PARCEL_LINE], const uint8_t *in, size_t size)
{
	struct parcel p = { .chunks = 1, .ttl = -1, .pid = -1, .len = size };

	strcpy(p.realm, "shop");
	strcpy(p.host, "alpha");
	snprintf(p.id, sizeof(p.id), "01234567-89ab-cdef-0123-456789abcdef:1:2:%u", in[1] % 4);
	p.prio = in[2] % 40;
	p.hops = in[3] % 10;
	p.tag = in[4];
	p.ttl = in[5] % 2 ? in[5] : -1;
	p.crc = parcel_crc(0, in + 8, size);
	if (in[6] % 3) { /* a chunk, or a head */
		p.chunks = 2 + in[6] % 6;
		p.chunk = in[7] % 8;
		p.at = p.chunk * (in[4] % 5 ? size : in[4]);
		p.len = in[2] % 7 ? p.chunks * size : in[3] * 100;
		p.head = in[6] % 3 == 2 && !size;
		p.crc = in[1];
	}
	check(parcel_write(&p, line) > 0, "a line does not fit");
}

static void feed(struct assembly *a, const struct parcel *p)
{
	struct partial *whole = NULL;

	if (p->chunks == 1 || p->head)
		return;
	if (assembly_put(a, p, &token_held, 1, &whole) == ASSEMBLED_WHOLE) {
		check(whole && whole->have == p->chunks && whole->p.size == p->len, "not whole");
		for (uint32_t i = 0; i < whole->p.chunks; i++)
			check(whole->held[i] == &token_held, "a chunk is not there");
		for (size_t i = 0; i < whole->p.len; i++)
			sink += ((const uint8_t *)whole->p.data)[i];
		partial_free(whole);
	} else {
		check(!whole, "whole, and it is not told");
	}
	check(a->bytes <= BYTES_MAX, "too much memory");
}

/* What is in a pack: one after the other, all of it, and of its host */
static void check_members(const struct parcel *pack, const struct parcel *member)
{
	const char *at = pack->data, *end = at + pack->size;

	for (uint32_t i = 0; i < pack->pack; i++) {
		const struct parcel *p = &member[i];

		check_parcel(p, p->data, p->size);
		check(!p->pack && p->chunks == 1 && !p->call && !p->flags, "not a message");
		check((const char *)p->data > at &&
			      p->size <= (size_t)(end - (const char *)p->data),
		      "bytes of another one");
		check(!strcmp(p->realm, pack->realm) && !strcmp(p->origin, pack->origin) &&
			      !strcmp(p->host, pack->host) && p->hops == pack->hops,
		      "of another host");
		at = (const char *)p->data + p->size;
	}
	check(at == end, "bytes are left");
}

static void take_apart(const char *line, const char *body, size_t size, bool good)
{
	struct parcel p, member[PACK_MAX];
	enum reason why = parcel_read(&p, line, body, size);

	check(!why || !good, "a good pack is not taken");
	if (why)
		return;
	check_parcel(&p, body, size);
	why = pack_read(&p, member);
	check(!why || !good, "a good pack cannot be taken apart");
	if (!why || why == DROP_CRC) /* that is looked at last */
		check_members(&p, member);
}

/* As a sender writes it, then changed at some places, or cut */
static void feed_pack(const uint8_t *in, size_t size)
{
	struct parcel pack = {}, p = { .chunks = 1, .ttl = -1, .pid = -1 };
	unsigned int n = 2 + in[1] % (PACK_MAX - 1), changes = in[2] % 4;
	char *body = malloc(PACK_BYTES), line[PARCEL_LINE], *copy;

	strcpy(p.realm, "shop");
	strcpy(p.host, "alpha");
	strcpy(p.origin, "01234567-89ab-cdef-0123-456789abcdef");
	for (unsigned int i = 0; i < n; i++) {
		snprintf(p.id, sizeof(p.id), "%s:1:2:%u", p.origin, i);
		p.len = i * in[3] % (size + 1);
		p.size = p.len;
		p.data = in + 8;
		p.crc = parcel_crc(0, p.data, p.len);
		p.prio = i % 3;
		p.ttl = in[4] % 2 ? in[4] : -1;
		p.pid = in[5] % 2 ? in[5] : -1;
		pack_add(&pack, body, &p);
	}
	for (unsigned int i = 0; i < changes; i++)
		body[(in[5] * 256 + in[6] + i * in[7]) % pack.size] = in[8 + i % size];
	pack.size -= in[7] % 8 ? 0 : in[6] % pack.size;
	if (in[7] % 8 == 1)
		pack.pack = 2 + in[6] % (PACK_MAX - 1);
	if (in[0] & 1)
		pack.len = pack.size;
	check(parcel_write(&pack, line) > 0, "a line does not fit");
	copy = malloc(pack.size + !pack.size); /* the sanitizer sees what is behind it */
	memcpy(copy, body, pack.size);
	take_apart(line, copy, pack.size, !changes && in[7] % 8 > 1);
	free(copy);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct assembly a = { .bytes_max = BYTES_MAX };
	char line[PARCEL_LINE];
	struct partial *m;
	struct parcel p;

	check(parcel_crc(0, "123456789", 9) == 0xe3069283, "this is not CRC-32C");
	while (size > 8) {
		size_t n = data[0] % 64;

		n = n < size - 8 ? n : size - 8;
		if (data[1] & 128 && n) {
			feed_pack(data, n);
		} else if (data[0] & 64) {
			make_line(line, data, n);
			if (data[0] & 128)
				line[data[7] * 4 % strlen(line)] = data[6];
			if (!parcel_read(&p, line, data + 8, n)) {
				check_parcel(&p, data + 8, n);
				feed(&a, &p);
			}
		} else {
			snprintf(line, sizeof(line), "%s%.*s", data[0] & 128 ? "v=2 " : "", (int)n,
				 (const char *)data + 8);
			if (!parcel_read(&p, line, "", 0))
				check_parcel(&p, "", 0);
		}
		data += 8 + n;
		size -= 8 + n;
	}
	while ((m = assembly_stale(&a, INT64_MAX)))
		partial_free(m);
	check(!a.bytes && !a.first, "something is left");
	return 0;
}
