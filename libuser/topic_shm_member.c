// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over shared memory: how publishers and subscribers come and go, and how a pair of a ring
 * and a subscriber ends. All with MUTEX locked. The letters are those of ipcx_topic.h in the uapi.
 *
 * A pair that did not end by itself stays until the subscriber leaves, so that it learns why.
 *
 * A queue's one subscriber, number 0, is in each pair from the beginning, whether there is one or
 * not, and when its process ends only that does. What is in no ring to be read, and nobody
 * receives, goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_lock.h"
#include "topic_shm.h"

static struct ipcx_dir_ring *entry_of(const struct ipcx_topic *t, unsigned int ring)
{
	return &t->shm->table->dir.ring[ring];
}

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void set(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static bool test_bit(const __u64 *mask, unsigned int bit)
{
	return __atomic_load_n(&mask[bit / 64], __ATOMIC_RELAXED) >> bit % 64 & 1;
}

static void set_bit(__u64 *mask, unsigned int bit)
{
	__atomic_fetch_or(&mask[bit / 64], UINT64_C(1) << bit % 64, __ATOMIC_RELEASE);
}

static void clear_bit(__u64 *mask, unsigned int bit)
{
	__atomic_fetch_and(&mask[bit / 64], ~(UINT64_C(1) << bit % 64), __ATOMIC_RELEASE);
}

static void changed(const struct ipcx_topic *t)
{
	__atomic_fetch_add(&t->shm->table->dir.generation, 1, __ATOMIC_RELEASE); /* H */
}

static uint64_t ring_at(const struct ipcx_topic *t, unsigned int ring)
{
	return t->o.out_ring_offset + ring * t->o.out_ring_window;
}

static uint64_t control_at(const struct ipcx_topic *t, unsigned int sub)
{
	return t->o.out_control_offset + sub * t->page;
}

/* A word of another's page. What cannot be read is 0, which nothing relies on. */
static uint64_t word_at(const struct ipcx_topic *t, uint64_t offset)
{
	uint64_t word = 0;

	if (pread(t->mem, &word, sizeof(word), offset) != sizeof(word))
		return 0;
	return word & IPCX_POS_MASK;
}

static uint64_t head_of(const struct ipcx_topic *t, unsigned int ring)
{
	return word_at(t, ring_at(t, ring) + offsetof(struct ipcx_ring, head));
}

static uint64_t cursor_of(const struct ipcx_topic *t, unsigned int sub, unsigned int ring)
{
	return word_at(t, control_at(t, sub) + offsetof(struct ipcx_control, cursor[ring]));
}

/* Pages that exist cannot fail to come later. */
static int fill(const struct ipcx_topic *t, uint64_t offset, uint64_t len)
{
	int r;

	do
		r = fallocate(t->mem, 0, offset, len);
	while (r && errno == EINTR);
	return r ? -errno : 0;
}

static void empty(const struct ipcx_topic *t, uint64_t offset, uint64_t len)
{
	fallocate(t->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
}

static int set_cursor(const struct ipcx_topic *t, unsigned int sub, unsigned int ring, uint64_t pos)
{
	uint64_t at = control_at(t, sub);

	pos &= IPCX_POS_MASK;
	if (pwrite(t->mem, &pos, sizeof(pos), at + offsetof(struct ipcx_control, cursor[ring])) <
		    0 ||
	    pwrite(t->mem, &pos, sizeof(pos), at + offsetof(struct ipcx_control, next[ring])) < 0)
		return -errno;
	return 0;
}

static bool is_dead(const struct ipcx_dir_ring *entry)
{
	return __atomic_load_n(&entry->flags, __ATOMIC_RELAXED) & IPCX_RING_DEAD;
}

/* Positions of a ring before @head that are still there */
static uint64_t kept(const struct ipcx_topic *t, uint64_t head)
{
	uint64_t written = (head - t->o.out_first) & IPCX_POS_MASK;

	return written < t->o.out_depth - 1 ? written : t->o.out_depth - 1;
}

/*
 * A subscriber reads living rings from now on. Until a publisher knows, its ring may go on: so it
 * first wants everything that may still be there, and only then, when no publisher can have
 * missed that, what it is to have.
 */
static void attach(struct ipcx_topic *t, uint64_t rings, uint32_t history)
{
	unsigned int s = t->o.out_sub, r;
	uint64_t left, head;

	if (!(t->flags & IPCX_LOSSY) && t->o.out_lag_max && history > t->o.out_lag_max - 1)
		history = t->o.out_lag_max - 1;
	for (left = rings; left; left &= left - 1) {
		struct ipcx_dir_ring *entry;

		r = __builtin_ctzll(left);
		entry = entry_of(t, r);
		if (!entry->id || is_dead(entry)) {
			rings &= ~(UINT64_C(1) << r);
			continue;
		}
		head = head_of(t, r);
		set_cursor(t, s, r, head - kept(t, head));
		set(&t->shm->table->sub[s].pair[r], entry->id);
		set_bit(entry->subs, s);
	}
	changed(t);
	ipcx_shm_serialise();
	for (left = rings; left; left &= left - 1) {
		r = __builtin_ctzll(left);
		head = head_of(t, r);
		set_cursor(t, s, r, head - (history < kept(t, head) ? history : kept(t, head)));
	}
}

static void end_pair(struct ipcx_topic *t, unsigned int s, unsigned int ring)
{
	struct ipcx_shm_sub *sub = &t->shm->table->sub[s];

	clear_bit(entry_of(t, ring)->subs, s);
	clear_bit(entry_of(t, ring)->evicted, s);
	sub->lost &= ~(UINT64_C(1) << ring);
	sub->proto &= ~(UINT64_C(1) << ring);
	set(&sub->pair[ring], 0);
}

/* What a dead ring leaves to nobody any more makes place for another. */
static void drop(struct ipcx_topic *t, unsigned int ring)
{
	struct ipcx_dir_ring *entry = entry_of(t, ring);

	if (t->queue)
		end_pair(t, 0, ring); /* all is read */
	for (unsigned int s = 0; s < IPCX_TOPIC_SUBS; s++) {
		struct ipcx_shm_sub *sub = &t->shm->table->sub[s];

		if (!test_bit(entry->subs, s) && !test_bit(entry->evicted, s))
			continue;
		sub->lost |= UINT64_C(1) << ring;
		set_bit(entry->evicted, s);
		clear_bit(entry->subs, s);
		ipcx_shm_wake(t, IPCX_SHM_SUBS + s);
	}
	set((uint64_t *)&entry->id, 0);
	changed(t);
	empty(t, ring_at(t, ring), t->o.out_ring_window);
	empty(t, t->o.out_data_offset + ring * t->o.out_data_window, t->o.out_data_window);
}

/* Has nobody anything to read there? Who receives from a queue sees that himself. */
static bool is_read(const struct ipcx_topic *t, unsigned int ring)
{
	const struct ipcx_dir_ring *entry = entry_of(t, ring);

	if (!entry->subs[0] && !entry->subs[1])
		return true;
	return t->queue && !t->shm->table->member[IPCX_SHM_SUBS].id &&
	       cursor_of(t, 0, ring) == (entry->end & IPCX_POS_MASK);
}

static void drop_unread(struct ipcx_topic *t, unsigned int ring)
{
	struct ipcx_dir_ring *entry = entry_of(t, ring);

	if (entry->id && is_dead(entry) && is_read(t, ring))
		drop(t, ring);
}

/*
 * The id goes last, here and in end_sub(): should this process be killed before that, whoever finds
 * the lock free does all of it again.
 */
static void end_pub(struct ipcx_topic *t, unsigned int ring)
{
	struct ipcx_shm_table *table = t->shm->table;
	struct ipcx_dir_ring *entry = entry_of(t, ring);

	/* pairs that it had only begun to make */
	for (unsigned int s = 0; s < IPCX_TOPIC_SUBS; s++)
		if (!test_bit(entry->subs, s) && !test_bit(entry->evicted, s))
			set(&table->sub[s].pair[ring], 0);
	if (get((uint64_t *)&entry->id) == get(&table->member[ring].id)) {
		set((uint64_t *)&entry->end, head_of(t, ring));
		__atomic_fetch_or(&entry->flags, IPCX_RING_DEAD, __ATOMIC_RELEASE);
		set(&table->death[ring], table->deaths++);
	}
	changed(t);
	ipcx_shm_wake_all(t, IPCX_SHM_SUB);
	drop_unread(t, ring);
	set(&table->member[ring].id, 0);
	changed(t); /* who was taken for dead sees so now, and others that they need not know it */
}

static void end_sub(struct ipcx_topic *t, unsigned int s)
{
	struct ipcx_shm_table *table = t->shm->table;

	for (unsigned int r = 0; !t->queue && r < IPCX_TOPIC_RINGS; r++) {
		end_pair(t, s, r);
		drop_unread(t, r);
	}
	if (!t->queue)
		clear_bit(table->dir.reliable, s);
	changed(t);
	ipcx_shm_wake_all(t, IPCX_SHM_PUB);
	set(&table->member[IPCX_SHM_SUBS + s].id, 0);
	for (unsigned int r = 0; t->queue && r < IPCX_TOPIC_RINGS; r++)
		drop_unread(t, r);
	changed(t);
}

/* A member is gone, or goes. */
void ipcx_shm_end(struct ipcx_topic *t, unsigned int member)
{
	if (member < IPCX_SHM_SUBS)
		end_pub(t, member);
	else
		end_sub(t, member - IPCX_SHM_SUBS);
	ipcx_shm_forget_peer(t->shm, member);
}

/* As if each position of the round before the first one had been skipped */
static int init_ring(const struct ipcx_topic *t, unsigned int ring)
{
	uint64_t len = t->o.out_ring_window, pos = t->o.out_first - t->o.out_depth;
	struct ipcx_cell *cells;
	char *addr;
	int r;

	empty(t, ring_at(t, ring), len);
	empty(t, t->o.out_data_offset + ring * t->o.out_data_window, t->o.out_data_window);
	r = fill(t, ring_at(t, ring), len);
	if (r)
		return r;
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, t->mem, ring_at(t, ring));
	if (addr == MAP_FAILED)
		return -errno;
	((struct ipcx_ring *)addr)->head = t->o.out_first;
	cells = (struct ipcx_cell *)(addr + t->page);
	for (uint32_t i = 0; i < t->o.out_depth; i++, pos++)
		cells[pos & (t->o.out_depth - 1)].word = ipcx_word(pos, IPCX_CELL_SKIPPED);
	munmap(addr, len);
	return 0;
}

/* Who was taken for dead and is not has it still. */
static bool is_free(const struct ipcx_topic *t, unsigned int member)
{
	return !t->shm->table->member[member].id &&
	       !ipcx_file_locked(t->shm->place.fd, IPCX_SHM_MEMBER + member);
}

/*
 * Where a new ring goes: better where nobody has to leave another first; else the oldest dead, of a
 * queue if it was read
 */
static int ring_index(const struct ipcx_topic *t)
{
	const struct ipcx_shm_table *table = t->shm->table;
	int free = -1, oldest = -1;

	for (int r = 0; r < IPCX_TOPIC_RINGS; r++) {
		const struct ipcx_dir_ring *entry = entry_of(t, r);

		if (!is_free(t, r))
			continue;
		if (!entry->id && !entry->evicted[0] && !entry->evicted[1])
			return r;
		if (!entry->id)
			free = r;
		else if ((oldest < 0 || table->death[r] < table->death[oldest]) &&
			 (!t->queue || is_read(t, r)))
			oldest = r;
	}
	return free >= 0 ? free : oldest;
}

/* Takes a place: from here on whoever finds its lock free ends it. */
static bool take_place(struct ipcx_topic *t, int which, unsigned int member)
{
	struct ipcx_topic_shm *shm = t->shm;
	struct ipcx_shm_member *m = &shm->table->member[member];
	struct stat st;

	if (!ipcx_lock_file(shm->place.fd, F_WRLCK, IPCX_SHM_MEMBER + member))
		return false;
	ipcx_shm_enter(t, member);
	m->pid = getpid();
	m->pipe = shm->pipe[which][1];
	m->ino = fstat(shm->pipe[which][1], &st) ? 0 : st.st_ino;
	m->piped = 0;
	m->fences = 0;
	shm->id[which] = ++shm->table->ids;
	set(&m->id, shm->id[which]);
	return true;
}

static int join_pub(struct ipcx_topic *t)
{
	struct ipcx_shm_table *table = t->shm->table;
	int ring = ring_index(t), r;
	struct ipcx_dir_ring *entry;

	if (ring < 0)
		return -ENOSPC;
	entry = entry_of(t, ring);
	if (entry->id)
		drop(t, ring);
	r = init_ring(t, ring);
	if (r)
		return r;
	t->o.out_ring = ring;
	if (!take_place(t, IPCX_SHM_PUB, ring))
		return -EAGAIN;
	entry->flags = 0;
	entry->end = 0;
	entry->attention = 0;
	set((uint64_t *)&entry->id, t->shm->id[IPCX_SHM_PUB]);
	for (unsigned int s = 0; s < IPCX_TOPIC_SUBS; s++) {
		bool there = table->member[IPCX_SHM_SUBS + s].id || (t->queue && !s);

		if (!there || table->sub[s].pair[ring])
			continue;
		set_cursor(t, s, ring, t->o.out_first);
		set(&table->sub[s].pair[ring], t->shm->id[IPCX_SHM_PUB]);
		set_bit(entry->subs, s);
	}
	changed(t);
	/* those who sleep have not asked this one for a kick */
	ipcx_shm_wake_all(t, IPCX_SHM_SUB);
	return 0;
}

/* Of a queue: where its receiver, whoever that is, says what was received */
static int find_receiver(struct ipcx_topic *t)
{
	set_bit(t->shm->table->dir.reliable, 0);
	return fill(t, control_at(t, 0), t->page);
}

/* Becomes the receiver of a queue. */
static int join_receiver(struct ipcx_topic *t)
{
	if (!is_free(t, IPCX_SHM_SUBS))
		return -EBUSY;
	t->o.out_sub = 0;
	if (!take_place(t, IPCX_SHM_SUB, IPCX_SHM_SUBS))
		return -EAGAIN;
	changed(t);
	ipcx_shm_wake_all(t, IPCX_SHM_PUB);
	return 0;
}

static int join_sub(struct ipcx_topic *t)
{
	struct ipcx_shm_table *table = t->shm->table;
	unsigned int s = 0;
	int r;

	while (s < IPCX_TOPIC_SUBS && !is_free(t, IPCX_SHM_SUBS + s))
		s++;
	if (s == IPCX_TOPIC_SUBS)
		return -ENOSPC;
	empty(t, control_at(t, s), t->page);
	r = fill(t, control_at(t, s), t->page);
	if (r)
		return r;
	t->o.out_sub = s;
	if (!take_place(t, IPCX_SHM_SUB, IPCX_SHM_SUBS + s))
		return -EAGAIN;
	if (!(t->flags & IPCX_LOSSY))
		set_bit(table->dir.reliable, s);
	attach(t, (UINT64_C(1) << IPCX_TOPIC_RINGS) - 1, t->o.history);
	ipcx_shm_wake_all(t, IPCX_SHM_PUB);
	return 0;
}

int ipcx_shm_join(struct ipcx_topic *t, int which)
{
	int r = t->queue ? find_receiver(t) : 0;

	if (r)
		return r;
	if (which == IPCX_SHM_PUB)
		return join_pub(t);
	return t->queue ? join_receiver(t) : join_sub(t);
}

/* Return: 0 for no reason to evict @s from the own ring, or -EPIPE for lag, -EPROTO. */
static int evict_reason(const struct ipcx_topic *t, unsigned int s, uint32_t flags)
{
	unsigned int ring = t->o.out_ring;
	uint64_t lag = (head_of(t, ring) - cursor_of(t, s, ring)) & IPCX_POS_MASK;

	if (!test_bit(t->shm->table->dir.reliable, s))
		return flags & IPCX_EVICT_SKIPS ? -EPROTO : 0;
	if (lag > t->o.out_depth)
		return -EPROTO;
	return t->o.out_lag_max && lag >= t->o.out_lag_max ? -EPIPE : 0;
}

int ipcx_shm_evict(struct ipcx_topic *t, const struct ipcx_topic_evict *arg)
{
	unsigned int ring = t->o.out_ring, s = arg->sub;
	struct ipcx_dir_ring *entry = entry_of(t, ring);
	int reason;

	if (!test_bit(entry->subs, s))
		return -ENOENT;
	reason = evict_reason(t, s, arg->flags);
	if (!reason)
		return -EAGAIN;
	if (reason == -EPROTO)
		t->shm->table->sub[s].proto |= UINT64_C(1) << ring;
	set_bit(entry->evicted, s);
	clear_bit(entry->subs, s);
	changed(t);
	ipcx_shm_wake(t, IPCX_SHM_SUBS + s);
	return 0;
}

int ipcx_shm_leave(struct ipcx_topic *t, struct ipcx_topic_leave *arg)
{
	unsigned int s = t->o.out_sub, ring = arg->ring;
	struct ipcx_shm_sub *sub = &t->shm->table->sub[s];
	struct ipcx_dir_ring *entry = entry_of(t, ring);
	bool lost = sub->lost >> ring & 1, evicted = test_bit(entry->evicted, s);

	arg->out_flags = 0;
	if (!sub->pair[ring] || (arg->id != sub->pair[ring] && !(lost && arg->id == entry->id))) {
		clear_bit(entry->evicted, s); /* or who looks there would leave for ever */
		return -ENOENT;
	}
	if (sub->proto >> ring & 1)
		arg->out_flags |= IPCX_LEFT_PROTO;
	if (lost)
		arg->out_flags |= IPCX_LEFT_LOST;
	else
		arg->out_flags |= (is_dead(entry) ? IPCX_LEFT_DEAD : 0) |
				  (evicted ? IPCX_LEFT_EVICTED : 0);
	end_pair(t, s, ring);
	if (lost)
		attach(t, UINT64_C(1) << ring, 0);
	else
		drop_unread(t, ring);
	changed(t);
	ipcx_shm_wake(t, ring); /* it may have waited for this subscriber */
	return 0;
}
