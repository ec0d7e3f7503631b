// SPDX-License-Identifier: GPL-2.0-only
/*
 * Publishers and their rings: memory, coming, going, and what is left for those who have not
 * read a ring to its end.
 */
#include <linux/memcontrol.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "copy.h"
#include "topic.h"

static u64 ring_bytes(const struct ipcx_topic *t)
{
	return (u64)ipcx_ring_pages(t) << PAGE_SHIFT;
}

static u64 fixed_bytes(const struct ipcx_topic *t)
{
	return ring_bytes(t) + (u64)t->depth * sizeof(struct ipcx_payload);
}

/**
 * ipcx_pub_bytes() - how much memory a publisher has for ring and payload
 * @pub: the publisher
 *
 * Return: that many bytes.
 */
u64 ipcx_pub_bytes(const struct ipcx_pub *pub)
{
	return ring_bytes(pub->topic) + ((u64)atomic64_read(&pub->arena.npages) << PAGE_SHIFT);
}

static void pub_free(struct ipcx_pub *pub)
{
	struct ipcx_arena *a = &pub->arena;
	u32 i;

	for (i = 0; i < pub->topic->depth; i++) {
		ipcx_slot_trim(a, &pub->payload[i].pg, i, 0);
		xa_destroy(&pub->payload[i].pg.pages);
	}
	kvfree(pub->payload);
	vfree(pub->ring);
	ipcx_user_uncharge(a->user, fixed_bytes(pub->topic));
	ipcx_user_put(a->user);
	mem_cgroup_put(a->memcg);
	put_pid(pub->pid);
	kfree(pub);
}

/**
 * ipcx_pubs_free() - free publishers that are in no table any more
 * @gone: list of them; emptied
 */
void ipcx_pubs_free(struct list_head *gone)
{
	struct ipcx_pub *pub, *next;

	list_for_each_entry_safe(pub, next, gone, gone)
		pub_free(pub);
}

/* As if each position of the round before the first one had been skipped. */
static void ring_init(struct ipcx_pub *pub)
{
	const struct ipcx_topic *t = pub->topic;
	struct ipcx_cell *cell = (void *)pub->ring + PAGE_SIZE;
	u64 pos = t->first - t->depth;
	u32 i;

	pub->ring->head = t->first;
	for (i = 0; i < t->depth; i++, pos++)
		cell[pos & (t->depth - 1)].word = pos << 2 | IPCX_CELL_SKIPPED;
}

static void arena_init(struct ipcx_arena *a, const struct ipcx_topic *t)
{
	init_rwsem(&a->maps_sem);
	INIT_LIST_HEAD(&a->maps);
	a->depth = t->depth;
	a->stride = t->stride;
	a->pages_max = t->bytes_max >> PAGE_SHIFT;
	a->memcg = get_mem_cgroup_from_mm(current->mm);
}

static int ring_alloc(struct ipcx_pub *pub)
{
	const struct ipcx_topic *t = pub->topic;
	u32 i;

	pub->payload = kvcalloc(t->depth, sizeof(*pub->payload), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pub->payload)
		return -ENOMEM;
	for (i = 0; i < t->depth; i++)
		ipcx_slot_pages_init(&pub->payload[i].pg);
	pub->ring = __vmalloc(ring_bytes(t), GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (pub->ring)
		return 0;
	kvfree(pub->payload);
	return -ENOMEM;
}

static struct ipcx_pub *pub_create(struct file *dev, struct ipcx_topic *t)
{
	struct ipcx_pub *pub = kzalloc(sizeof(*pub), GFP_KERNEL_ACCOUNT);
	int err;

	if (!pub)
		return ERR_PTR(-ENOMEM);
	pub->topic = t;
	pub->uid = dev->f_cred->euid;
	pub->gid = dev->f_cred->egid;
	pub->arena.unlimited = file_ns_capable(dev, &init_user_ns, CAP_SYS_RESOURCE);
	pub->arena.user = ipcx_user_get(pub->uid);
	err = -ENOMEM;
	if (!pub->arena.user)
		goto err_pub;
	err = ipcx_user_charge(pub->arena.user, fixed_bytes(t), pub->arena.unlimited);
	if (err)
		goto err_user;
	err = ring_alloc(pub);
	if (err)
		goto err_charge;
	ring_init(pub);
	arena_init(&pub->arena, t);
	mutex_init(&pub->grow);
	pub->pid = get_pid(task_tgid(current));
	return pub;

err_charge:
	ipcx_user_uncharge(pub->arena.user, fixed_bytes(t));
err_user:
	ipcx_user_put(pub->arena.user);
err_pub:
	kfree(pub);
	return ERR_PTR(err);
}

static bool above_share(const struct ipcx_topic *t, const struct ipcx_pub *pub)
{
	u32 i, n = 0;

	if (pub->arena.unlimited || uid_eq(pub->uid, t->obj.uid))
		return false;
	for (i = 0; i < IPCX_TOPIC_RINGS; i++)
		n += t->pub[i] && t->pub[i]->member && uid_eq(t->pub[i]->uid, pub->uid);
	return n >= IPCX_TOPIC_RINGS / 2;
}

/*
 * Where a new ring goes: better where nobody has to leave another first; if all places are
 * taken, that of the publisher that has been dead for longest.
 */
static int ring_index(const struct ipcx_topic *t)
{
	int r, free = -1, oldest = -1;
	u64 stale = 0;

	for (r = 0; r < IPCX_TOPIC_SUBS; r++)
		stale |= t->sub[r] ? t->sub[r]->lost : 0;
	for (r = 0; r < IPCX_TOPIC_RINGS; r++) {
		if (!t->pub[r]) {
			if (!(stale & BIT_ULL(r)))
				return r;
			free = r;
		} else if (!t->pub[r]->member &&
			   (oldest < 0 || t->pub[r]->death < t->pub[oldest]->death)) {
			oldest = r;
		}
	}
	return free >= 0 ? free : oldest;
}

/**
 * ipcx_pub_show() - write what the directory says of a ring
 * @t: the topic, its mutex held
 * @ring: number of the ring
 */
void ipcx_pub_show(struct ipcx_topic *t, u32 ring)
{
	struct ipcx_dir_ring *d = &t->dir->ring[ring];
	const struct ipcx_pub *pub = t->pub[ring];
	u64 subs[2] = {}, evicted[2] = {};
	int i;

	if (pub) {
		bitmap_to_arr64(subs, pub->subs, IPCX_TOPIC_SUBS);
		bitmap_to_arr64(evicted, pub->evicted, IPCX_TOPIC_SUBS);
	}
	for (i = 0; i < IPCX_TOPIC_SUBS; i++)
		if (t->sub[i] && t->sub[i]->lost & BIT_ULL(ring))
			evicted[i / 64] |= BIT_ULL(i % 64);
	WRITE_ONCE(d->id, pub ? pub->id : 0);
	WRITE_ONCE(d->end, pub ? pub->end : 0);
	WRITE_ONCE(d->flags, pub && !pub->member ? IPCX_RING_DEAD : 0);
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(d->subs[i], subs[i]);
		WRITE_ONCE(d->evicted[i], evicted[i]);
	}
}

/* Everybody who does not have to leave another ring there first reads the new one. */
static void attach_all(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	u32 s;

	for (s = 0; s < IPCX_TOPIC_SUBS; s++)
		if (t->sub[s] && !t->sub[s]->id[pub->index])
			ipcx_pair_attach(pub, t->sub[s], t->first);
}

static void ring_place(struct ipcx_pub *pub, struct ipcx_member *m, u32 index)
{
	struct ipcx_topic *t = pub->topic;

	spin_lock(&t->lock);
	pub->index = index;
	pub->id = ++t->pubs;
	pub->member = m;
	m->pub = pub;
	t->pub[index] = pub;
	WRITE_ONCE(t->dir->ring[index].attention, 0);
	spin_unlock(&t->lock);
	ipcx_ring_revoke(t, index);
}

/* Readers look at the directory again before they believe what the windows show after this. */
static void drop(struct ipcx_pub *pub, struct list_head *gone)
{
	struct ipcx_topic *t = pub->topic;

	ipcx_pairs_lose(pub);
	spin_lock(&t->lock);
	t->pub[pub->index] = NULL;
	spin_unlock(&t->lock);
	ipcx_pub_show(t, pub->index);
	ipcx_topic_changed(t);
	ipcx_ring_revoke(t, pub->index);
	list_add(&pub->gone, gone);
}

/**
 * ipcx_pub_join() - a publisher comes
 * @pub: the publisher; freed on failure
 * @m: its member
 *
 * Return: 0, -ENOSPC.
 */
int ipcx_pub_join(struct ipcx_pub *pub, struct ipcx_member *m)
{
	struct ipcx_topic *t = pub->topic;
	LIST_HEAD(gone);
	int index, err = 0;

	mutex_lock(&t->mutex);
	index = above_share(t, pub) ? -1 : ring_index(t);
	if (index < 0) {
		err = -ENOSPC;
		list_add(&pub->gone, &gone);
		goto out;
	}
	if (t->pub[index])
		drop(t->pub[index], &gone);
	ring_place(pub, m, index);
	attach_all(pub);
	ipcx_pub_show(t, index);
	ipcx_topic_changed(t);
	/* those who sleep have not asked this one for a kick */
	ipcx_pub_wake_subs(pub);
out:
	mutex_unlock(&t->mutex);
	ipcx_pubs_free(&gone);
	return err;
}

/**
 * ipcx_pub_drop_unread() - take a publisher away if it is dead and nobody reads it any more
 * @pub: the publisher, its topic's mutex held
 * @gone: it is put there to be freed without the mutex
 *
 * Who was evicted and has not left yet need not have it for that.
 */
void ipcx_pub_drop_unread(struct ipcx_pub *pub, struct list_head *gone)
{
	if (!pub->member && bitmap_empty(pub->subs, IPCX_TOPIC_SUBS))
		drop(pub, gone);
}

/* Does somebody say that a message of the ring is in its hands? */
static bool held(const struct ipcx_pub *pub)
{
	const struct ipcx_control *c;
	u32 s, i;

	for_each_set_bit(s, pub->subs, IPCX_TOPIC_SUBS) {
		c = pub->topic->sub[s]->control;
		for (i = 0; i < IPCX_TOPIC_HOLDS; i++) {
			u32 hold = READ_ONCE(c->hold[i]);

			if (hold && (hold - 1) / IPCX_TOPIC_DEPTH_MAX == pub->index)
				return true;
		}
	}
	return false;
}

/*
 * Takes away what dead publishers of @uid have left to lossy subscribers only, each of whom can
 * keep no more than it has holds.
 */
static bool reclaim(struct ipcx_topic *t, kuid_t uid)
{
	struct ipcx_pub *pub;
	LIST_HEAD(gone);
	bool any;
	u32 r;

	mutex_lock(&t->mutex);
	for (r = 0; r < IPCX_TOPIC_RINGS; r++) {
		pub = t->pub[r];
		if (pub && !pub->member && uid_eq(pub->uid, uid) &&
		    !bitmap_intersects(pub->subs, t->reliable, IPCX_TOPIC_SUBS) && !held(pub))
			drop(pub, &gone);
	}
	any = !list_empty(&gone);
	mutex_unlock(&t->mutex);
	ipcx_pubs_free(&gone);
	return any;
}

/**
 * ipcx_pub_create() - a publisher that has not joined, if need be in place of dead ones
 * @dev: /dev/ipcx
 * @t: its topic
 *
 * A subscriber that does not gate must not use up what its publishers may have.
 *
 * Return: the publisher, -EDQUOT, -ENOMEM.
 */
struct ipcx_pub *ipcx_pub_create(struct file *dev, struct ipcx_topic *t)
{
	struct ipcx_pub *pub = pub_create(dev, t);

	if (IS_ERR(pub) && reclaim(t, dev->f_cred->euid))
		pub = pub_create(dev, t);
	return pub;
}

/* Who has read all of a dead ring, and has no member that could leave it. */
static void end_absent(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	u32 s;

	for_each_set_bit(s, pub->subs, IPCX_TOPIC_SUBS)
		if (!t->sub[s]->member &&
		    READ_ONCE(t->sub[s]->control->cursor[pub->index]) == pub->end)
			ipcx_pair_end(t->sub[s], pub->index);
}

/**
 * ipcx_pub_leave() - the member of a publisher is gone
 * @pub: the publisher
 *
 * Nobody can write to its ring any more.
 */
void ipcx_pub_leave(struct ipcx_pub *pub)
{
	struct ipcx_topic *t = pub->topic;
	LIST_HEAD(gone);

	mutex_lock(&t->mutex);
	spin_lock(&t->lock);
	pub->member = NULL;
	pub->end = READ_ONCE(pub->ring->head) % IPCX_POSITIONS;
	pub->death = t->deaths++;
	spin_unlock(&t->lock);
	end_absent(pub);
	ipcx_pub_show(t, pub->index);
	ipcx_pub_wake_subs(pub);
	ipcx_pub_drop_unread(pub, &gone);
	ipcx_topic_changed(t);
	mutex_unlock(&t->mutex);
	ipcx_pubs_free(&gone);
}

/* Shows the pages that a position has got since. */
static void payload_show(struct ipcx_pub *pub, u32 slot)
{
	struct ipcx_payload *p = &pub->payload[slot];
	struct ipcx_topic *t = pub->topic;
	u32 had = p->shown;

	if (had == p->pg.npages)
		return;
	mutex_lock(&t->mutex);
	spin_lock(&t->lock);
	p->shown = p->pg.npages;
	spin_unlock(&t->lock);
	ipcx_payload_revoke(pub, slot, had, p->pg.npages - had);
	mutex_unlock(&t->mutex);
}

/**
 * ipcx_topic_populate() - IPCX_IOC_TOPIC_POPULATE
 * @m: the member
 * @arg: the caller's struct ipcx_topic_populate
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_populate(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic *t = m->topic;
	struct ipcx_topic_populate p;
	struct ipcx_slot_pages *pg;
	int err = ipcx_args_in(&p, sizeof(p), sizeof(p), 0, arg);

	if (err)
		return err;
	if (!m->pub)
		return -EPERM;
	if (p.__reserved || p.slot >= t->depth)
		return -EINVAL;
	if (p.len > t->msg_max)
		return -EMSGSIZE;
	pg = &m->pub->payload[p.slot].pg;
	mutex_lock(&m->pub->grow);
	err = ipcx_slot_grow(&m->pub->arena, pg, PAGE_ALIGN(p.len) >> PAGE_SHIFT, IPCX_GFP_WAIT);
	if (err)
		ipcx_slot_trim(&m->pub->arena, pg, p.slot, m->pub->payload[p.slot].shown);
	else
		payload_show(m->pub, p.slot);
	p.out_len = (u64)pg->npages << PAGE_SHIFT;
	mutex_unlock(&m->pub->grow);
	if (err) {
		ipcx_alert_refused(&t->obj,
				   err == -EAGAIN ? IPCX_EVENT_LIMIT_BYTES_MAX : ipcx_limit_of(err),
				   ipcx_culprit_user(&m->end));
		return err == -EAGAIN ? -ENOBUFS : err;
	}
	return ipcx_copy_out(arg, p.size, &p, sizeof(p));
}

/**
 * ipcx_topic_ring() - IPCX_IOC_TOPIC_RING
 * @m: the member
 * @arg: the caller's struct ipcx_topic_ring
 *
 * Return: 0 or a negative errno.
 */
long ipcx_topic_ring(struct ipcx_member *m, void __user *arg)
{
	struct ipcx_topic *t = m->topic;
	struct ipcx_topic_ring r;
	struct ipcx_pub *pub;
	int err = ipcx_args_in(&r, sizeof(r), sizeof(r), 0, arg);

	if (err)
		return err;
	if (r.ring >= IPCX_TOPIC_RINGS)
		return -EINVAL;
	mutex_lock(&t->mutex);
	pub = t->pub[r.ring];
	if (pub && pub->id == r.id) {
		r.out_pid = ipcx_pid_visible(pub->pid, false);
		r.out_uid = from_kuid_munged(current_user_ns(), pub->uid);
		r.out_gid = from_kgid_munged(current_user_ns(), pub->gid);
	} else {
		err = -ENOENT;
	}
	mutex_unlock(&t->mutex);
	return err ?: ipcx_copy_out(arg, r.size, &r, sizeof(r));
}
