/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bridge sends: parcels, each a message, a chunk of one, or a pack of some, with a line of
 * text that says what it is. Nothing here does input or output: selftests/bridge/fuzz.c feeds it
 * with anything.
 */
#ifndef IPCX_BRIDGE_PARCEL_H
#define IPCX_BRIDGE_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARCEL_VERSION 2
#define PARCEL_HEADER "Ipcx" /* the header that has the line */
#define PARCEL_LINE 1024 /* bytes of the line, the final NUL included */
#define PARCEL_ID 160
#define PARCEL_WORD 64 /* of a realm or host */
#define PARCEL_CHUNKS 4096 /* of one message */
#define PARCEL_LEN_MAX ((uint64_t)256 << 20)
#define PACK_MAX 16 /* messages of a pack */
#define PACK_BYTES 32768 /* of all that is in it */
#define PACK_LINE 384 /* bytes of the line of one of them, the newline included */
#define HOPS_MAX 8
#define UUID_TEXT 37

/* Why a parcel is dropped */
enum reason {
	DROP_NONE,
	DROP_MALFORMED,
	DROP_VERSION,
	DROP_REALM,
	DROP_HOPS,
	DROP_OVERSIZED,
	DROP_CRC,
	DROP_EXPIRED,
	DROP_INCOMPLETE,
	DROP_COUNT
};

extern const char *const reason_text[DROP_COUNT];

/**
 * struct parcel - a message, a chunk of one, or a pack
 * @realm: bridges of other realms do not take it
 * @origin: uuid of the host where it was sent
 * @host: that host's name
 * @id: origin:boot epoch:object:sequence, of the message; of the first one of a pack
 * @round: how often it was begun anew; not in the line
 * @members: of a pack: sum of the ids in it; not in the line
 * @call: it is a request, its sender waits for an answer
 * @hops: bridges that it has passed before this one
 * @prio: 0..31
 * @flags: of an answer: IPCX_CANCELED and the like
 * @chunk: number of the chunk, 0..@chunks - 1
 * @chunks: of the message; 1: this is all of it
 * @head: the chunks lie elsewhere, this only tells of them
 * @pack: messages of the pack; 0: it is none
 * @crc: of the whole message; of the lines of a pack
 * @uid: of its sender, as that host knows it
 * @gid: likewise
 * @pid: likewise, -1 if that host did not
 * @tag: the application's word
 * @len: of the whole message; of all bytes of a pack
 * @at: where the chunk belongs in it
 * @ttl: ns that it may still wait, -1 for ever
 * @data: of this chunk
 * @size: bytes of it
 */
struct parcel {
	char realm[PARCEL_WORD], origin[UUID_TEXT], host[PARCEL_WORD];
	char id[PARCEL_ID];
	uint32_t round, members, call, hops, prio, flags, chunk, chunks, head, pack, crc, uid;
	uint32_t gid;
	int64_t pid;
	uint64_t tag, len, at;
	int64_t ttl;
	const void *data;
	size_t size;
};

/* CRC-32C; @crc is 0 or of what came before */
uint32_t parcel_crc(uint32_t crc, const void *data, size_t len);

/* Return: the length of the line, or -1 if it does not fit, which needs names too long. */
int parcel_write(const struct parcel *p, char line[PARCEL_LINE]);

/* @p->data and size stay as they are, but are looked at. Return: DROP_NONE or why not. */
enum reason parcel_read(struct parcel *p, const char *line, const void *data, size_t size);

/*
 * A pack has messages of one realm, host and origin that have passed as many bridges, which its
 * line says once. Its bytes are of each message a line with the rest, and the message. This writes
 * @p behind the @pack->size bytes that are in @body, which has room for it and PACK_LINE.
 */
void pack_add(struct parcel *pack, char *body, const struct parcel *p);

/*
 * Takes a pack that parcel_read() has let through apart. Return: DROP_NONE or why there is nothing
 * to be had of it. Of the messages only the sums have not been looked at.
 */
enum reason pack_read(const struct parcel *pack, struct parcel member[PACK_MAX]);

/* 96 bits of an id: two ids with the same are not to be seen */
void parcel_hash(const char *id, uint32_t hash[3]);

bool word_ok(const char *text, size_t max); /* letters, digits, '-' and '_' */
bool uuid_ok(const char *text);

/**
 * struct partial - a message of which not all is here
 * @next: in its assembly, the newest first
 * @p: what its first chunk said; data is the room for all
 * @each: bytes of a chunk, the last may have less
 * @have: chunks
 * @since: when its last chunk came, ns
 * @held: what the caller gave with each chunk, NULL where there is none yet
 */
struct partial {
	struct partial *next;
	struct parcel p;
	uint64_t each;
	uint32_t have;
	int64_t since;
	void *held[];
};

/**
 * struct assembly - messages of which not all is here
 * @first: the newest
 * @bytes: room that they take
 * @bytes_max: no more than that, 0 for that of one of the longest
 */
struct assembly {
	struct partial *first;
	uint64_t bytes, bytes_max;
};

enum assembled {
	ASSEMBLED_MORE, /* kept, others are to come */
	ASSEMBLED_WHOLE, /* *whole is the message, to be given to partial_free() */
	ASSEMBLED_TWICE, /* that chunk was there: @held is not kept */
	ASSEMBLED_ROOM, /* no room now: @held is not kept */
	ASSEMBLED_WRONG /* it does not fit the others: @held is not kept */
};

enum assembled assembly_put(struct assembly *a, const struct parcel *p, void *held, int64_t now,
			    struct partial **whole);

/* Takes out one whose last chunk came before @before; NULL if there is none. */
struct partial *assembly_stale(struct assembly *a, int64_t before);

void partial_free(struct partial *m);

#endif /* IPCX_BRIDGE_PARCEL_H */
