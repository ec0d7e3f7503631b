/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes out: out.c takes messages, out_slot.c has those that are held until the engine has
 * stored them. All of it is of the lane's thread, or of who has @works while that waits, but for
 * what others note down.
 */
#ifndef IPCX_BRIDGE_OUT_H
#define IPCX_BRIDGE_OUT_H

#include "local.h"

#define BYTES_MAX (32 << 20) /* under way, but one message in any case */

enum slot_state {
	SLOT_FREE,
	SLOT_SENT, /* all of it, the engine has not told yet */
	SLOT_LATER, /* to be sent again when it is due */
	SLOT_CALLED, /* stored; the answer has not come */
	SLOT_PACKED /* goes with the first one of its pack, or will */
};

/* A message that is held */
struct slot {
	enum slot_state state;
	uint16_t gen; /* so that what is told of the one before is not taken for this */
	bool copied; /* m.data is to be freed, nothing is to be released */
	bool head_sent;
	struct ipcx_msg m;
	struct parcel p;
	size_t cut; /* bytes of each chunk, the last may have less */
	struct slot *next; /* in its pack */
	bool pack; /* the first one of one */
	uint32_t have; /* chunks stored */
	uint8_t *stored; /* which, if there are several */
	int64_t due;
	unsigned int tries;
	int64_t since; /* its first chunk was sent */
};

/* What another thread has noted down */
struct event {
	uint64_t cookie;
	int err;
	char *why; /* if err */
	struct parcel *answer; /* instead of all else; with its bytes behind it */
};

struct events {
	struct event *at;
	size_t n, room;
	bool failed; /* some of them: what is not stored, and no answer */
};

struct out {
	struct lane *l;
	struct local local;
	struct slot *slot;
	uint32_t *free; /* numbers of slots, those from used on */
	unsigned int nslots, used, later;
	unsigned int called; /* as many of those used may be, beside the rule's in_flight */
	struct slot *first, **last; /* gathered, they go when nothing follows at once */
	unsigned int gathered, in_a_row; /* messages since it last waited */
	int64_t busy_until; /* they come fast */
	size_t gathered_bytes;
	int64_t gathered_at; /* the first of them */
	char *body; /* of a pack */
	bool alone; /* the engine has refused a pack */
	struct slot newest; /* latest: the one to be sent next */
	unsigned int chunked; /* with several chunks; one after the other goes */
	uint64_t bytes; /* of those under way */
	bool declared, tidies, refuses;
	int64_t declare_at, open_at, look_at, tidy_at;
	uint64_t link_count;
	int64_t due_at; /* nothing is due before */
	int wake;
	pthread_mutex_t works; /* held by the lane's thread, but while it waits */
	pthread_mutex_t lock; /* guards noted and woken */
	struct events noted, work;
	bool woken;
};

/* A slot that is free, or NULL; it is used from slot_hold() or slot_begin() on, which sends it. */
struct slot *slot_free(const struct out *o);
unsigned int slots_left(const struct out *o);
void slot_hold(struct out *o, struct slot *s);
void slot_begin(struct out *o, struct slot *s);
void slot_end(struct out *o, struct slot *s); /* without a release */

/* out_pack.c: after those gathered, in a pack with them if it fits */
void pack_gather(struct out *o, struct slot *s);
void pack_end(struct out *o, bool packs); /* sends those gathered, alone if not @packs */
int pack_send(struct out *o, struct slot *first, int64_t now, uint64_t cookie);
void pack_split(struct out *o, struct slot *s); /* the engine does not take it: each goes alone */

size_t chunk_max(const struct out *o); /* bytes of a message in one parcel */
void slot_cut(struct slot *s, size_t max); /* into chunks of so many */

/* Sends again what was not told of in time, or at once if the link was lost since. */
void slots_due(struct out *o);

/*
 * What others noted down; but nothing if some of that failed and not @failed. Return: whether there
 * was anything.
 */
bool slots_told(struct out *o, bool failed);

/* The local end is to be opened again; what was held came back to it, or is gone with it. */
void slots_lose_local(struct out *o);

#endif /* IPCX_BRIDGE_OUT_H */
