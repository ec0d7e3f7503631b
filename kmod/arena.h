/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An arena: slots of address space, physical pages on demand.
 *
 *        window TX (writable)                 window RX (read-only)
 *   |slot 0|slot 1|...|slot n-1|         |slot 0|slot 1|...|slot n-1|
 *   0                     window_pages                     2 * window_pages
 *
 * Both windows of an endpoint show the same pages. A slot begins at a multiple
 * of @stride pages for ever; how many pages lie behind it changes.
 */
#ifndef IPCX_ARENA_H
#define IPCX_ARENA_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/uio.h>
#include <linux/xarray.h>

/*
 * Pages of messages: an error is better than the OOM killer. All but SHORT, which tries less
 * hard, end when the caller is killed. SPARE takes what is free and wakes nobody to free more.
 */
#define IPCX_GFP_WAIT	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)
#define IPCX_GFP_SHORT	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)
#define IPCX_GFP_NOWAIT	(GFP_NOWAIT | __GFP_NOWARN)
#define IPCX_GFP_SPARE	(__GFP_NOMEMALLOC | __GFP_NOWARN)

struct ipcx_user;

/**
 * struct ipcx_slot_pages - the pages of one slot
 * @pages: index in the slot -> struct page
 * @npages: how many there are, indices 0..npages - 1
 * @safe: the first @safe of them hold nothing that the slot's last writer may
 *	not read
 *
 * Changed only by the thread that has the slot in state BUSY. Read without a
 * lock by a fault handler that holds its map's @sem: pages are appended under
 * it, but leave only after every map's @sem was held for write.
 */
struct ipcx_slot_pages {
	struct xarray pages;
	u32 npages;
	u32 safe;
};

/**
 * struct ipcx_map - the windows of one endpoint, or a tap, which has none
 * @sem: held for read by a fault from the look at the slot's state to the
 *	insertion of the page, by a tap while it copies pages; for write by a revoker
 * @mapping: of the endpoint's own inode: all its VMAs and no others; NULL for a tap
 * @node: in ipcx_arena::maps
 * @dummy: what is seen for writing once the endpoint is revoked, if somebody looked
 */
struct ipcx_map {
	struct rw_semaphore sem;
	struct address_space *mapping;
	struct list_head node;
	struct page *dummy;
};

/**
 * struct ipcx_arena - address space of a queue and the account of its pages
 * @maps_sem: protects @maps and keeps its members alive
 * @maps: windows of every endpoint
 * @npages: pages in all slots
 * @pages_max: limit of @npages
 * @spare_max: limit of pages in use at which a slot is kept for a sender that may do nothing, and
 *	of @npages where a long one is got ready for that
 * @stride: pages of address space of a slot
 * @depth: slots
 * @memcg: memory cgroup that pays for the pages
 * @user: user whose limit they count against
 * @unlimited: that user is not bound by the limit
 */
struct ipcx_arena {
	struct rw_semaphore maps_sem;
	struct list_head maps;

	atomic64_t npages;

	u64 pages_max;
	u64 spare_max;
	u32 stride;
	u32 depth;
	struct mem_cgroup *memcg;
	struct ipcx_user *user;
	bool unlimited;
};

static inline u64 ipcx_arena_window(const struct ipcx_arena *a)
{
	return (u64)a->depth * a->stride;
}

void ipcx_map_init(struct ipcx_map *map);
void ipcx_arena_attach(struct ipcx_arena *a, struct ipcx_map *map, struct address_space *mapping);
void ipcx_arena_detach(struct ipcx_arena *a, struct ipcx_map *map);
void ipcx_arena_hide(struct ipcx_arena *a, struct ipcx_map *map);
vm_fault_t ipcx_dummy_fault(struct ipcx_map *map, struct vm_fault *vmf, bool writable);

void ipcx_slot_pages_init(struct ipcx_slot_pages *sp);
int ipcx_slot_grow(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 npages, gfp_t gfp);
int ipcx_slot_grow_spare(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 npages);
void ipcx_slot_trim(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 slot, u32 keep);
void ipcx_slot_unpin(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 slot);
int ipcx_slot_seal(struct ipcx_arena *a, struct ipcx_map *map, struct ipcx_slot_pages *sp, u32 slot,
		   u32 npages);
void ipcx_slot_copy(struct ipcx_slot_pages *to, struct ipcx_slot_pages *from, size_t len);
bool ipcx_slot_read(struct ipcx_slot_pages *from, size_t at, size_t len, void *to);
void ipcx_slot_clear(struct ipcx_slot_pages *sp, u32 npages);
vm_fault_t ipcx_slot_fault(struct ipcx_slot_pages *sp, struct vm_fault *vmf, u32 page, u32 visible);
size_t ipcx_slot_copy_from_iter(struct ipcx_slot_pages *sp, size_t len, struct iov_iter *from);
size_t ipcx_slot_copy_to_iter(struct ipcx_slot_pages *sp, size_t len, struct iov_iter *to);

#endif /* IPCX_ARENA_H */
