// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: which rings a subscriber reads. The directory tells; this looks there only when its
 * generation has changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "queue_shm.h"
#include "topic_shm.h"
#include "topic_turn.h"

static const struct ipcx_dir *dir_of(const struct ipcx_topic *t)
{
	return t->map[IPCX_TOPIC_MAP_DIR].addr;
}

static bool has_bit(const __u64 *mask, unsigned int bit)
{
	return __atomic_load_n(&mask[bit / 64], __ATOMIC_RELAXED) >> bit % 64 & 1;
}

static void forget(struct ipcx_topic *t, unsigned int ring)
{
	struct ipcx_topic_reader *reader = &t->reader[ring];
	struct ipcx_ring_sub *sub = reader->sub;
	unsigned int i = 0;

	while (t->rings[i] != reader)
		i++;
	t->rings[i] = t->rings[--t->nrings];
	t->rings[t->nrings] = NULL;
	ipcx_turn_anew(t);
	/* what comes to this index after it must not find holds there */
	for (i = 0; i < IPCX_TOPIC_HOLDS; i++)
		if (sub->holds >> i & 1)
			__atomic_store_n(&sub->control->hold[i], 0, __ATOMIC_RELEASE);
	t->missed += sub->missed;
	*reader = (struct ipcx_topic_reader){ 0 };
	free(sub); /* behind it, for a child that is forked between the two */
}

/* Of what was told, or is to be: why the ring had to be left if it had to */
static void note_why(struct ipcx_topic *t, uint32_t why)
{
	if (t->flags & IPCX_LOSSY) /* that it misses something is no error */
		why &= ~IPCX_LEFT_LOST;
	if (why & IPCX_LEFT_PROTO)
		t->broken++;
	else if (why & (IPCX_LEFT_EVICTED | IPCX_LEFT_LOST))
		t->cut++;
}

/*
 * Tells the kernel, which tells why the ring had to be left. The other transport may have to be
 * told later: until then nothing of this ring is looked at. Return: whether it was told.
 */
static bool leave(struct ipcx_topic *t, unsigned int ring, uint64_t id, bool broken)
{
	struct ipcx_topic_leave arg = { .size = sizeof(arg), .ring = ring, .id = id };
	uint64_t bit = UINT64_C(1) << ring;

	t->leaving &= ~bit;
	if (broken && !(t->leaving_broken & bit))
		t->broken++;
	t->leaving_broken &= ~bit;
	if (!t->ops->call(t, IPCX_IOC_TOPIC_LEAVE, &arg)) {
		note_why(t, broken ? 0 : arg.out_flags);
		return true;
	}
	if (errno != EAGAIN)
		return true;
	t->leaving |= bit;
	t->leaving_broken |= broken ? bit : 0;
	t->leaving_id[ring] = id;
	t->generation = ipcx_topic_generation(t) - 1; /* so that it is looked at again */
	return false;
}

/*
 * What is held of it can still be read, but it may become zeros, or what another publisher writes.
 * @broken: it contradicts itself. Return: as leave().
 */
bool ipcx_topic_leave(struct ipcx_topic *t, unsigned int ring, bool broken)
{
	uint64_t id = t->reader[ring].id;

	forget(t, ring);
	return leave(t, ring, id, broken);
}

/* Whoever is gone already has no name. */
static void ask_who(struct ipcx_topic *t, unsigned int ring, struct ipcx_topic_reader *reader)
{
	struct ipcx_topic_ring who = { .size = sizeof(who), .ring = ring, .id = reader->id };

	if (t->ops->call(t, IPCX_IOC_TOPIC_RING, &who) < 0) {
		who.out_uid = -1;
		who.out_gid = -1;
	}
	reader->from.pid = who.out_pid;
	reader->from.uid = who.out_uid;
	reader->from.gid = who.out_gid;
}

/* Return: whether there is more room now. */
static bool unmap_own_payloads(struct ipcx_topic *t)
{
	bool any = false;

	for (unsigned int ring = 0; ring < IPCX_TOPIC_RINGS; ring++) {
		struct ipcx_topic_map *own = &t->map[ipcx_topic_map_of(ring) + 3];

		if (!own->addr)
			continue;
		munmap(own->addr, own->len);
		own->addr = NULL;
		t->reader[ring].own = NULL;
		any = true;
	}
	return any;
}

/*
 * Applications see a topic's messages where they can write nothing. But of what could be written
 * some processors' caches get a line for themselves when it is read, and the publisher then gets it
 * back in a fraction of the time. So the library reads @cells through a map of its own, and asks
 * for what is to be read of @payload there, where there may be one: the kernel lets nobody write
 * there. What is not needed makes room for what is.
 */
static int map_reader(struct ipcx_topic *t, unsigned int ring, struct ipcx_ring **cells,
		      const char **payload)
{
	unsigned int which = ipcx_topic_map_of(ring);
	struct ipcx_topic_map *shown = &t->map[which], *own = &t->map[which + 2];
	int both = PROT_READ | PROT_WRITE;
	int r = ipcx_topic_map_ring(t, which, ring, t->queue ? both : PROT_READ);

	if (r == -ENOMEM && unmap_own_payloads(t))
		r = ipcx_topic_map_ring(t, which, ring, t->queue ? both : PROT_READ);
	if (r)
		return r;
	if (!t->queue && t->shm)
		ipcx_topic_map_ring(t, which + 2, ring, both);
	*cells = own->addr ? own->addr : shown->addr;
	*payload = t->queue ? shown[1].addr : own[1].addr;
	return 0;
}

/* Begins to read a ring, from where the kernel has put the cursor. */
static int attach(struct ipcx_topic *t, unsigned int ring, uint64_t id)
{
	struct ipcx_topic_reader *reader = &t->reader[ring];
	struct ipcx_topic_map *shown = &t->map[ipcx_topic_map_of(ring)];
	struct ipcx_ring *cells;
	int r = map_reader(t, ring, &cells, &reader->own);

	if (r)
		return r;
	reader->sub = calloc(1, ipcx_sub_size(t->o.out_depth));
	if (!reader->sub)
		return -ENOMEM;
	reader->id = id;
	reader->alive = id;
	reader->ring = ring;
	reader->payload = shown[1].addr;
	if (!t->copies)
		reader->shown = (char *)shown->addr - (char *)cells;
	ask_who(t, ring, reader);
	ipcx_sub_set_up(reader->sub, cells, t->o.out_depth, ring, t->page,
			t->map[IPCX_TOPIC_MAP_CONTROL].addr, dir_of(t), t->flags & IPCX_LOSSY);
	if (t->shm)
		ipcx_shm_tell_fences(t, IPCX_SHM_SUB, ring, &reader->sub->looks,
				     &reader->sub->kicked);
	t->rings[t->nrings++] = reader;
	if (!t->queue)
		ipcx_sub_begin(reader->sub);
	else if (ipcx_lease_recover(t, reader))
		ipcx_topic_leave(t, ring, true);
	else if (reader->again)
		__atomic_store_n(&t->has_again, true, __ATOMIC_RELAXED);
	return 0;
}

static int look_at(struct ipcx_topic *t, unsigned int ring)
{
	const struct ipcx_dir_ring *entry = &dir_of(t)->ring[ring];
	struct ipcx_topic_reader *reader = &t->reader[ring];
	uint64_t id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);
	unsigned int sub = t->o.out_sub;
	bool left = true;

	if (t->leaving >> ring & 1)
		left = leave(t, ring, t->leaving_id[ring], t->leaving_broken >> ring & 1);
	if (reader->id && (reader->id != id || has_bit(entry->evicted, sub)))
		left = ipcx_topic_leave(t, ring, false);
	/* one that it had to leave before it ever looked there */
	if (left && !reader->id && has_bit(entry->evicted, sub))
		left = leave(t, ring, id, false);
	if (!left)
		return 0;
	id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED); /* there may be another one since */
	if (!id || !has_bit(entry->subs, sub))
		return 0;
	if (!reader->id) {
		int r = attach(t, ring, id);

		if (r)
			return r;
	}
	if (reader->id && __atomic_load_n(&entry->flags, __ATOMIC_RELAXED) & IPCX_RING_DEAD) {
		reader->end = __atomic_load_n(&entry->end, __ATOMIC_RELAXED);
		reader->alive = 0;
	}
	return 0;
}

int ipcx_topic_look(struct ipcx_topic *t)
{
	uint32_t generation = ipcx_topic_generation(t);
	int r = 0;

	if (generation == t->generation)
		return 0;
	if (ipcx_topic_ended(t, IPCX_SUBSCRIBE))
		return -ENOTCONN;
	for (unsigned int ring = 0; !r && ring < IPCX_TOPIC_RINGS; ring++)
		r = look_at(t, ring);
	ipcx_turn_anew(t);
	if (!r)
		t->generation = t->leaving ? generation - 1 : generation;
	return r;
}

bool ipcx_topic_made_room(struct ipcx_topic *t)
{
	bool made_room = t->made_room;

	t->made_room = false;
	return made_room;
}
