// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parcels: the line of text, chunks, and sums. No input, no output.
 *
 * The line is KEY=VALUE, separated by single blanks; each key once, none that is not known. What a
 * peer wrote is believed only as far as it is in range here.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parcel.h"

// clang-format off
const char *const reason_text[DROP_COUNT] = {
	[DROP_NONE] = "none",	[DROP_MALFORMED] = "malformed", [DROP_VERSION] = "version",
	[DROP_REALM] = "realm", [DROP_HOPS] = "hops",		[DROP_OVERSIZED] = "oversized",
	[DROP_CRC] = "crc",	[DROP_EXPIRED] = "expired",	[DROP_INCOMPLETE] = "incomplete",
};

// clang-format on

static uint32_t crc_table[8][256];

/* Before threads are there, or all of them write the same. */
__attribute__((constructor)) static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			crc_table[k][i] = crc_table[k - 1][i] >> 8 ^
					  crc_table[0][crc_table[k - 1][i] & 0xff];
}

#ifdef __x86_64__
/* By the processor's own instruction; what is left is less than 8 bytes. */
__attribute__((target("sse4.2"))) static uint32_t crc_words(uint32_t crc, const uint8_t *p,
							    size_t len)
{
	uint64_t sum = crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum = __builtin_ia32_crc32di(sum, word);
	}
	return sum;
}
#endif

uint32_t parcel_crc(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2")) {
		crc = crc_words(crc, p, len);
		p += len & ~(size_t)7;
		len &= 7;
	}
#endif
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t low = crc ^ (p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);

		crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^
		      crc_table[5][low >> 16 & 0xff] ^ crc_table[4][low >> 24] ^
		      crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
		      crc_table[0][p[7]];
	}
	while (len--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 0xff];
	return ~crc;
}

void parcel_hash(const char *id, uint32_t hash[3])
{
	uint64_t a = 0xcbf29ce484222325, b = 0x9ae16a3b2f90404f;

	for (; *id; id++) {
		a = (a ^ (unsigned char)*id) * 0x100000001b3;
		b = (b + (unsigned char)*id) * 0xff51afd7ed558ccd;
		b ^= b >> 32;
	}
	a ^= a >> 29;
	hash[0] = a;
	hash[1] = b;
	hash[2] = a >> 32 ^ b >> 32;
}

bool word_ok(const char *text, size_t max)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n && !text[n] && n < max;
}

bool uuid_ok(const char *text)
{
	for (int i = 0; i < UUID_TEXT - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]) || !text[i])
			return false;
	}
	return !text[UUID_TEXT - 1];
}

__attribute__((format(printf, 4, 5))) static int add(char *line, int room, int n, const char *fmt,
						     ...)
{
	va_list ap;

	if (n < 0 || n >= room)
		return n;
	va_start(ap, fmt);
	n += vsnprintf(line + n, room - n, fmt, ap);
	va_end(ap);
	return n;
}

/* What there is of a message beside its id, length and sum */
static int add_rest(char *line, int room, int n, const struct parcel *p)
{
	if (p->prio)
		n = add(line, room, n, " prio=%u", p->prio);
	if (p->tag)
		n = add(line, room, n, " tag=%llu", (unsigned long long)p->tag);
	if (p->ttl >= 0)
		n = add(line, room, n, " ttl=%lld", (long long)p->ttl);
	if (p->pid >= 0)
		n = add(line, room, n, " pid=%lld uid=%u gid=%u", (long long)p->pid, p->uid,
			p->gid);
	return n;
}

int parcel_write(const struct parcel *p, char line[PARCEL_LINE])
{
	const int room = PARCEL_LINE;
	int n = add(line, room, 0, "v=%d realm=%s host=%s id=%s hops=%u len=%llu crc=%08x",
		    PARCEL_VERSION, p->realm, p->host, p->id, p->hops, (unsigned long long)p->len,
		    p->crc);

	if (p->pack)
		n = add(line, room, n, " pack=%u", p->pack);
	else
		n = add_rest(line, room, n, p);
	if (p->chunks > 1 && !p->head)
		n = add(line, room, n, " chunk=%u at=%llu", p->chunk, (unsigned long long)p->at);
	if (p->chunks > 1)
		n = add(line, room, n, " chunks=%u", p->chunks);
	if (p->head)
		n = add(line, room, n, " head=1");
	if (p->call)
		n = add(line, room, n, " call=1");
	if (p->flags)
		n = add(line, room, n, " flags=%u", p->flags);
	return n < 0 || n >= room ? -1 : n;
}

void pack_add(struct parcel *pack, char *body, const struct parcel *p)
{
	char *line = body + pack->size;
	int n = add(line, PACK_LINE, 0, "nr=%s len=%llu crc=%08x", p->id + UUID_TEXT,
		    (unsigned long long)p->len, p->crc);

	n = add_rest(line, PACK_LINE, n, p);
	line[n++] = '\n';
	if (p->len)
		memcpy(line + n, p->data, p->len);
	if (!pack->pack) {
		strcpy(pack->realm, p->realm);
		strcpy(pack->host, p->host);
		strcpy(pack->origin, p->origin);
		strcpy(pack->id, p->id);
		pack->hops = p->hops;
		pack->chunks = 1;
		pack->ttl = -1;
		pack->pid = -1;
	}
	pack->pack++;
	pack->members = parcel_crc(pack->members, p->id, strlen(p->id) + 1);
	pack->crc = parcel_crc(pack->crc, line, n);
	pack->size += n + p->len;
	pack->len = pack->size;
	pack->data = body;
}

/* The keys, in the order of their bits in what was seen */
enum key {
	K_V,
	K_REALM,
	K_HOST,
	K_ID,
	K_HOPS,
	K_LEN,
	K_CRC,
	K_NEEDED,
	K_PRIO = K_NEEDED,
	K_TAG,
	K_TTL,
	K_PID,
	K_UID,
	K_GID,
	K_CHUNK,
	K_AT,
	K_CHUNKS,
	K_HEAD,
	K_CALL,
	K_FLAGS,
	K_PACK,
	K_NR,
	K_COUNT
};

// clang-format off
static const char *const key_text[K_COUNT] = { "v",	 "realm", "host", "id",	   "hops",
					       "len",	 "crc",	  "prio", "tag",   "ttl",
					       "pid",	 "uid",	  "gid",  "chunk", "at",
					       "chunks", "head",  "call", "flags", "pack",
					       "nr" };

// clang-format on

static int find_key(const char *text, size_t len)
{
	for (int k = 0; k < K_COUNT; k++)
		if (strlen(key_text[k]) == len && !memcmp(key_text[k], text, len))
			return k;
	return -1;
}

static bool number(const char *text, int base, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		int d = isdigit((unsigned char)*text) ? *text - '0' :
			*text >= 'a' && *text <= 'f'  ? *text - 'a' + 10 :
							99;

		if (d >= base || __builtin_mul_overflow(n, (uint64_t)base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)d, &n))
			return false;
	}
	*value = n;
	return n <= max;
}

static bool number32(const char *text, int base, uint64_t max, uint32_t *value)
{
	uint64_t n;

	if (!number(text, base, max, &n))
		return false;
	*value = n;
	return true;
}

/* Printable, no blank, and no wildcard of the engine's subjects */
static bool token(char *to, size_t room, const char *text)
{
	size_t n = strlen(text);

	if (!n || n >= room)
		return false;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '*' || text[i] == '>')
			return false;
	memcpy(to, text, n + 1);
	return true;
}

static bool word(char *to, size_t room, const char *text)
{
	return word_ok(text, room) && token(to, room, text);
}

/* It begins with the host where the message was sent. */
static bool read_id(struct parcel *p, const char *text)
{
	if (!token(p->id, sizeof(p->id), text) || strlen(text) < UUID_TEXT ||
	    text[UUID_TEXT - 1] != ':')
		return false;
	memcpy(p->origin, text, UUID_TEXT - 1);
	p->origin[UUID_TEXT - 1] = '\0';
	return uuid_ok(p->origin);
}

/* What follows the origin in the id */
static bool read_nr(struct parcel *p, const char *text)
{
	char nr[PARCEL_ID - UUID_TEXT];

	if (!token(nr, sizeof(nr), text))
		return false;
	snprintf(p->id, sizeof(p->id), "%s:%s", p->origin, nr);
	return true;
}

static bool set_key(struct parcel *p, enum key k, const char *text)
{
	uint64_t n;

	switch (k) {
	case K_REALM:
		return word(p->realm, sizeof(p->realm), text);
	case K_HOST:
		return word(p->host, sizeof(p->host), text);
	case K_ID:
		return read_id(p, text);
	case K_HOPS:
		return number32(text, 10, UINT32_MAX, &p->hops);
	case K_LEN:
		return number(text, 10, UINT64_MAX, &p->len);
	case K_CRC:
		return number32(text, 16, UINT32_MAX, &p->crc);
	case K_PRIO:
		return number32(text, 10, 31, &p->prio);
	case K_TAG:
		return number(text, 10, UINT64_MAX, &p->tag);
	case K_TTL:
		if (!number(text, 10, INT64_MAX / 2, &n))
			return false;
		p->ttl = n;
		return true;
	case K_PID:
		if (!number(text, 10, INT32_MAX, &n))
			return false;
		p->pid = n;
		return true;
	case K_UID:
		return number32(text, 10, UINT32_MAX, &p->uid);
	case K_GID:
		return number32(text, 10, UINT32_MAX, &p->gid);
	case K_CHUNK:
		return number32(text, 10, PARCEL_CHUNKS - 1, &p->chunk);
	case K_AT:
		return number(text, 10, UINT64_MAX, &p->at);
	case K_CHUNKS:
		return number32(text, 10, PARCEL_CHUNKS, &p->chunks) && p->chunks > 1;
	case K_HEAD:
		return number32(text, 10, 1, &p->head) && p->head;
	case K_CALL:
		return number32(text, 10, 1, &p->call) && p->call;
	case K_FLAGS:
		return number32(text, 10, UINT32_MAX, &p->flags);
	case K_PACK:
		return number32(text, 10, PACK_MAX, &p->pack) && p->pack > 1;
	case K_NR:
		return read_nr(p, text);
	default:
		return true;
	}
}

/* Takes the line apart. Return: the keys seen, or 0 if something is wrong. */
static uint32_t read_keys(struct parcel *p, char *line)
{
	uint32_t seen = 0;
	char *rest = line;

	while (rest) {
		char *text = strsep(&rest, " "), *value = strchr(text, '=');
		int k = value ? find_key(text, value - text) : -1;

		if (k < 0 || seen & 1U << k || !set_key(p, k, value + 1))
			return 0;
		seen |= 1U << k;
	}
	return seen;
}

/* Bytes of each chunk of its message, but the last may be shorter */
static uint64_t each_chunk(const struct parcel *p)
{
	return p->chunk == p->chunks - 1 ? p->at / (p->chunks - 1) : p->size;
}

/* What belongs to a chunk, and to nothing else */
static enum reason check_chunk(const struct parcel *p, uint32_t seen, size_t size)
{
	const uint32_t of_chunk = 1U << K_CHUNK | 1U << K_AT;
	uint64_t each;

	if (p->head)
		return p->chunks > 1 && !size && !(seen & of_chunk) ? DROP_NONE : DROP_MALFORMED;
	if (p->chunks == 1)
		return seen & of_chunk || size != p->len ? DROP_MALFORMED : DROP_NONE;
	if ((seen & of_chunk) != of_chunk || p->chunk >= p->chunks || !size)
		return DROP_MALFORMED;
	if (p->at > p->len || size > p->len - p->at || (!p->chunk != !p->at))
		return DROP_MALFORMED;
	if ((p->chunk == p->chunks - 1) != (p->at + size == p->len))
		return DROP_MALFORMED;
	each = each_chunk(p);
	if (p->at != p->chunk * each || size > each || p->len > p->chunks * each)
		return DROP_MALFORMED;
	return DROP_NONE;
}

static enum reason check_pack(const struct parcel *p, uint32_t seen, size_t size)
{
	const uint32_t of_pack = ((1U << K_NEEDED) - 1) | 1U << K_PACK;

	if (seen != of_pack || !size || size > PACK_BYTES || size != p->len)
		return DROP_MALFORMED;
	return DROP_NONE;
}

enum reason parcel_read(struct parcel *p, const char *line, const void *data, size_t size)
{
	char copy[PARCEL_LINE];
	size_t n = strnlen(line, PARCEL_LINE);
	enum reason r;
	uint32_t seen;

	if (n >= PARCEL_LINE || strncmp(line, "v=", 2))
		return DROP_MALFORMED;
	if (strncmp(line, "v=2 ", 4))
		return DROP_VERSION;
	memcpy(copy, line, n + 1);
	*p = (struct parcel){ .chunks = 1, .ttl = -1, .pid = -1, .data = data, .size = size };
	seen = read_keys(p, copy);
	if ((seen & ((1U << K_NEEDED) - 1)) != (1U << K_NEEDED) - 1 || seen & 1U << K_NR)
		return DROP_MALFORMED;
	if (p->len > PARCEL_LEN_MAX)
		return DROP_OVERSIZED;
	r = p->pack ? check_pack(p, seen, size) : check_chunk(p, seen, size);
	if (r)
		return r;
	if (p->hops >= HOPS_MAX)
		return DROP_HOPS;
	if (p->chunks == 1 && !p->pack && parcel_crc(0, data, size) != p->crc)
		return DROP_CRC;
	return DROP_NONE;
}

static bool read_member(struct parcel *p, const struct parcel *pack, const char *line, size_t n)
{
	const uint32_t needed = 1U << K_NR | 1U << K_LEN | 1U << K_CRC;
	const uint32_t may = needed | 1U << K_PRIO | 1U << K_TAG | 1U << K_TTL | 1U << K_PID |
			     1U << K_UID | 1U << K_GID;
	char copy[PACK_LINE];
	uint32_t seen;

	if (n >= PACK_LINE || memchr(line, '\0', n))
		return false;
	memcpy(copy, line, n);
	copy[n] = '\0';
	*p = (struct parcel){ .hops = pack->hops, .chunks = 1, .ttl = -1, .pid = -1 };
	strcpy(p->realm, pack->realm);
	strcpy(p->host, pack->host);
	strcpy(p->origin, pack->origin);
	seen = read_keys(p, copy);
	return (seen & needed) == needed && !(seen & ~may);
}

enum reason pack_read(const struct parcel *pack, struct parcel member[PACK_MAX])
{
	const char *at = pack->data, *end = at + pack->size;
	uint32_t crc = 0;

	for (struct parcel *p = member; p < member + pack->pack; p++) {
		size_t left = end - at;
		const char *line = at;

		at = memchr(line, '\n', left < PACK_LINE ? left : PACK_LINE);
		if (!at || !read_member(p, pack, line, at - line))
			return DROP_MALFORMED;
		at++;
		if (p->len > (size_t)(end - at))
			return DROP_MALFORMED;
		crc = parcel_crc(crc, line, at - line);
		p->data = at;
		p->size = p->len;
		at += p->len;
	}
	if (at != end)
		return DROP_MALFORMED;
	return crc == pack->crc ? DROP_NONE : DROP_CRC;
}

void partial_free(struct partial *m)
{
	if (!m)
		return;
	free((void *)m->p.data);
	free(m);
}

static struct partial *begin(struct assembly *a, const struct parcel *p)
{
	const uint64_t one = PARCEL_LEN_MAX + PARCEL_CHUNKS * sizeof(void *);
	uint64_t max = a->bytes_max ? a->bytes_max : one;
	size_t held = p->chunks * sizeof(void *);
	struct partial *m;
	void *room;

	if (p->len + held > max - a->bytes)
		return NULL;
	m = calloc(1, sizeof(*m) + held);
	room = calloc(1, p->len); /* they may leave gaps */
	if (!m || !room) {
		free(m);
		free(room);
		return NULL;
	}
	m->p = *p;
	m->each = each_chunk(p);
	m->p.data = room;
	m->p.size = p->len;
	m->next = a->first;
	a->first = m;
	a->bytes += p->len + held;
	return m;
}

static void take_out(struct assembly *a, struct partial *m)
{
	struct partial **at = &a->first;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	m->next = NULL;
	a->bytes -= m->p.len + m->p.chunks * sizeof(void *);
}

enum assembled assembly_put(struct assembly *a, const struct parcel *p, void *held, int64_t now,
			    struct partial **whole)
{
	struct partial *m = a->first;

	/* cut in another way it is another one: the engine may have become one that takes less */
	while (m &&
	       (strcmp(m->p.id, p->id) || m->p.chunks != p->chunks || m->each != each_chunk(p)))
		m = m->next;
	if (m && (m->p.len != p->len || m->p.crc != p->crc))
		return ASSEMBLED_WRONG;
	if (m && m->held[p->chunk])
		return ASSEMBLED_TWICE;
	if (!m)
		m = begin(a, p);
	if (!m)
		return ASSEMBLED_ROOM;
	memcpy((char *)m->p.data + p->at, p->data, p->size);
	m->held[p->chunk] = held;
	m->since = now;
	if (++m->have < p->chunks)
		return ASSEMBLED_MORE;
	take_out(a, m);
	*whole = m;
	return ASSEMBLED_WHOLE;
}

struct partial *assembly_stale(struct assembly *a, int64_t before)
{
	for (struct partial *m = a->first; m; m = m->next) {
		if (m->since >= before)
			continue;
		take_out(a, m);
		return m;
	}
	return NULL;
}
