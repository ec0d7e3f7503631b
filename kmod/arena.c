// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots and their pages: allocation, charge, mapping, revocation, release.
 * Knows no queue: who may see which slot is decided by the caller.
 *
 * LOCKS: see the order in ipcx.h. Nothing here allocates while it holds
 * maps_sem or a map's sem, except page tables in the fault handler.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "arena.h"
#include "compat.h"
#include "ipcx.h"

/* Pages that one fault inserts at most: a message is usually read whole. */
#define FAULT_AROUND	64

/**
 * ipcx_map_init() - windows that are not attached yet
 * @map: the windows
 */
void ipcx_map_init(struct ipcx_map *map)
{
	init_rwsem(&map->sem);
	INIT_LIST_HEAD(&map->node);
}

/**
 * ipcx_arena_attach() - add the windows of an endpoint
 * @a: the arena
 * @map: the endpoint's windows
 * @mapping: of the endpoint's inode, or NULL: of a tap
 */
void ipcx_arena_attach(struct ipcx_arena *a, struct ipcx_map *map, struct address_space *mapping)
{
	map->mapping = mapping;
	down_write(&a->maps_sem);
	list_add_tail(&map->node, &a->maps);
	up_write(&a->maps_sem);
}

/**
 * ipcx_arena_detach() - forget the windows of an endpoint, if they were attached
 * @a: the arena
 * @map: windows that no VMA maps any more: every VMA holds the endpoint's file
 */
void ipcx_arena_detach(struct ipcx_arena *a, struct ipcx_map *map)
{
	down_write(&a->maps_sem);
	list_del_init(&map->node);
	up_write(&a->maps_sem);
}

/**
 * ipcx_arena_hide() - take all slots from the windows of an endpoint that was revoked
 * @a: the arena
 * @map: its windows
 */
void ipcx_arena_hide(struct ipcx_arena *a, struct ipcx_map *map)
{
	down_read(&a->maps_sem);
	if (!list_empty(&map->node)) { /* else there is no VMA, and perhaps no inode */
		down_write(&map->sem);
		unmap_mapping_range(map->mapping, 0, 0, 1);
		up_write(&map->sem);
	}
	up_read(&a->maps_sem);
}

/*
 * After this no page in the range is mapped through @map, and no fault that
 * looked at the slot before the caller made it BUSY can map one.
 */
static void map_revoke(struct ipcx_map *map, u64 first, u64 npages)
{
	if (map->mapping)
		unmap_mapping_range(map->mapping, first << PAGE_SHIFT, npages << PAGE_SHIFT, 1);
}

/* After this no window of any endpoint shows the pages, given as page of the TX window. */
static void revoke_everywhere(struct ipcx_arena *a, u64 first, u64 npages)
{
	struct ipcx_map *map;

	down_read(&a->maps_sem);
	list_for_each_entry(map, &a->maps, node) {
		down_write(&map->sem);
		map_revoke(map, first, npages);
		map_revoke(map, ipcx_arena_window(a) + first, npages);
		up_write(&map->sem);
	}
	up_read(&a->maps_sem);
}

/**
 * ipcx_slot_pages_init() - a slot without pages
 * @sp: zeroed memory
 */
void ipcx_slot_pages_init(struct ipcx_slot_pages *sp)
{
	xa_init_flags(&sp->pages, XA_FLAGS_ACCOUNT);
}

static int append_pages(struct ipcx_slot_pages *sp, u32 npages, gfp_t gfp)
{
	while (sp->npages < npages) {
		struct page *page;
		int err;

		if (!(gfp & __GFP_NORETRY) && fatal_signal_pending(current))
			return -EINTR;
		page = alloc_page(gfp | __GFP_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		err = xa_err(xa_store(&sp->pages, sp->npages, page, gfp));
		if (err) {
			__free_page(page);
			return err;
		}
		if (sp->safe == sp->npages)
			sp->safe++;
		sp->npages++;
		cond_resched();
	}
	return 0;
}

/*
 * Counts @n pages that a slot is to get. If it is a spare, a quarter is left of what the arena
 * and the user may have. Return: 0, -EAGAIN, -EDQUOT.
 */
static int count_pages(struct ipcx_arena *a, u64 n, bool spare)
{
	u64 bytes = n << PAGE_SHIFT;
	int err;

	if (!ipcx_counter_add(&a->npages, n, spare ? a->spare_max : a->pages_max))
		return -EAGAIN;
	err = spare ? ipcx_user_charge_spare(a->user, bytes) :
		      ipcx_user_charge(a->user, bytes, a->unlimited);
	if (err)
		atomic64_sub(n, &a->npages);
	return err;
}

/* Gives a slot pages that were counted; those that it does not get count no more. */
static int grow(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 npages, gfp_t gfp)
{
	struct mem_cgroup *old = set_active_memcg(a->memcg);
	int err = append_pages(sp, npages, gfp);
	u64 rest = npages - sp->npages;

	set_active_memcg(old);
	if (rest) {
		ipcx_user_uncharge(a->user, rest << PAGE_SHIFT);
		atomic64_sub(rest, &a->npages);
	}
	return err;
}

/**
 * ipcx_slot_grow() - give a slot pages, zeroed and charged
 * @a: its arena
 * @sp: the pages of a BUSY slot
 * @npages: how many it shall have at least
 * @gfp: how hard to try: IPCX_GFP_WAIT, _SHORT or _NOWAIT
 *
 * What was got before a failure stays with the slot until the caller trims it.
 *
 * Return: 0, -EAGAIN if the arena's own limit is reached, -EDQUOT if the
 * user's is, -ENOMEM if there is no memory or the cgroup's limit is reached,
 * -EINTR if the caller is being killed.
 */
int ipcx_slot_grow(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 npages, gfp_t gfp)
{
	int err;

	if (npages <= sp->npages)
		return 0;
	err = count_pages(a, npages - sp->npages, false);
	return err ?: grow(a, sp, npages, gfp);
}

/* Are @npages at most about a quarter of what is free, and of what could be without swapping? */
static bool machine_spares(u32 npages)
{
	s64 free = global_zone_page_state(NR_FREE_PAGES);

	free -= global_zone_page_state(NR_FREE_CMA_PAGES);
	return npages <= min_t(s64, si_mem_available(), free) / 4;
}

/**
 * ipcx_slot_grow_spare() - give a slot pages that may never be used
 * @a: its arena
 * @sp: a BUSY slot without pages
 * @npages: how many it shall have
 *
 * As by ipcx_slot_grow(), of free memory alone, and only while a quarter is left of what the arena
 * and the user may have, about that of what the cgroup may, and about three quarters of what is
 * free now.
 *
 * Return: likewise.
 */
int ipcx_slot_grow_spare(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 npages)
{
	int err;

	if (!ipcx_memcg_spares(a->memcg, npages) || !machine_spares(npages))
		return -ENOMEM;
	err = count_pages(a, npages, true);
	return err ?: grow(a, sp, npages, IPCX_GFP_SPARE);
}

/**
 * ipcx_slot_trim() - take pages from a slot: the only way a page leaves one
 * @a: its arena
 * @sp: the pages of a BUSY slot, or of any when nobody has the arena open
 * @slot: its number
 * @keep: how many pages it keeps
 *
 * Whoever pins a page (vmsplice, O_DIRECT) keeps it; it never comes back here.
 */
void ipcx_slot_trim(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 slot, u32 keep)
{
	u64 gone, i;

	if (keep >= sp->npages)
		return;
	gone = sp->npages - keep;
	revoke_everywhere(a, (u64)slot * a->stride + keep, gone);
	for (i = 0; i < gone; i++) {
		put_page(xa_erase(&sp->pages, keep + i));
		cond_resched();
	}
	sp->npages = keep;
	sp->safe = min(sp->safe, keep);
	/* A: a full barrier, pairs with B in ipcx_queue_wait_send() */
	atomic64_sub_return(gone, &a->npages);
	ipcx_user_uncharge(a->user, gone << PAGE_SHIFT);
}

/**
 * ipcx_slot_unpin() - take a slot from all windows and from who pinned its pages
 * @a: its arena
 * @sp: the pages of a BUSY slot
 * @slot: its number
 *
 * What somebody outside could still write to (vmsplice, O_DIRECT) is dropped,
 * from the first such page on; the slot grows again later.
 */
void ipcx_slot_unpin(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 slot)
{
	u32 i;

	if (!sp->npages)
		return;
	revoke_everywhere(a, (u64)slot * a->stride, sp->npages);
	for (i = 0; i < sp->npages; i++) {
		/* not mapped anywhere: any reference but ours is a pin */
		if (page_ref_count(xa_load(&sp->pages, i)) != 1) {
			ipcx_slot_trim(a, sp, slot, i);
			return;
		}
		cond_resched();
	}
}

/* Does anybody but its slot and the windows that show it hold this page? */
static bool page_pinned(struct page *page)
{
	int refs = page_ref_count(page);

	smp_rmb(); /* who unmaps it lets go of the mapping first: better a copy too many */
	return refs > 1 + ipcx_page_mapcount(page);
}

/* Puts a copy in the place of a page of a BUSY slot that no TX window shows. */
static int page_replace(struct ipcx_arena *a, struct ipcx_slot_pages *sp, u32 slot, u32 i)
{
	struct mem_cgroup *memcg = set_active_memcg(a->memcg);
	struct page *copy = alloc_page(IPCX_GFP_WAIT | __GFP_ACCOUNT), *page;

	set_active_memcg(memcg);
	if (!copy)
		return -ENOMEM;
	revoke_everywhere(a, (u64)slot * a->stride + i, 1);
	page = xa_load(&sp->pages, i);
	copy_highpage(copy, page);
	xa_store(&sp->pages, i, copy, GFP_KERNEL); /* in a place that is there: cannot fail */
	put_page(page);
	return 0;
}

/**
 * ipcx_slot_seal() - take a slot from its writer before anybody can read it
 * @a: its arena
 * @map: the writer's windows
 * @sp: the pages of a BUSY slot
 * @slot: its number
 * @npages: how many of them matter
 *
 * What the writer could still change otherwise (vmsplice, O_DIRECT, io_uring) is
 * replaced by a copy.
 *
 * Return: 0 or -ENOMEM.
 */
int ipcx_slot_seal(struct ipcx_arena *a, struct ipcx_map *map, struct ipcx_slot_pages *sp, u32 slot,
		   u32 npages)
{
	u32 i;
	int err;

	down_write(&map->sem);
	map_revoke(map, (u64)slot * a->stride, sp->npages);
	up_write(&map->sem);
	for (i = 0; i < npages; i++) {
		if (page_pinned(xa_load(&sp->pages, i))) {
			err = page_replace(a, sp, slot, i);
			if (err)
				return err;
		}
		cond_resched();
	}
	return 0;
}

/**
 * ipcx_slot_clear() - make the first pages of a slot safe to show its writer
 * @sp: the pages of a BUSY slot
 * @npages: how many, at most sp->npages
 */
void ipcx_slot_clear(struct ipcx_slot_pages *sp, u32 npages)
{
	while (sp->safe < npages) {
		clear_highpage(xa_load(&sp->pages, sp->safe));
		sp->safe++;
		cond_resched();
	}
}

/**
 * ipcx_slot_copy() - copy a message
 * @to: the pages of a BUSY slot that nobody sees
 * @from: those of another
 * @len: bytes, at most what each holds
 *
 * Nothing of what lies behind the message in its last page comes along: it may be
 * of another message, and who sees @to need not be one who may see @from.
 */
void ipcx_slot_copy(struct ipcx_slot_pages *to, struct ipcx_slot_pages *from, size_t len)
{
	size_t done, n;

	for (done = 0; done < len; done += n) {
		struct page *page = xa_load(&to->pages, done >> PAGE_SHIFT);

		n = min_t(size_t, len - done, PAGE_SIZE);
		memcpy_page(page, 0, xa_load(&from->pages, done >> PAGE_SHIFT), 0, n);
		if (n < PAGE_SIZE)
			memzero_page(page, n, PAGE_SIZE - n);
		cond_resched();
	}
}

/* A marker (userfaultfd) would make every insertion fail, and the fault come back. */
static bool fault_marked(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ORIG_PTE_VALID && !pte_none(vmf->orig_pte);
}

static vm_fault_t fault_result(int err)
{
	switch (err) {
	case 0:
	case -EBUSY:	/* another thread was faster, here or behind */
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/**
 * ipcx_slot_read() - copy bytes of a slot
 * @from: its pages, which are not freed meanwhile
 * @at: where to begin
 * @len: how many
 * @to: where they go
 *
 * Return: whether all these are there.
 */
bool ipcx_slot_read(struct ipcx_slot_pages *from, size_t at, size_t len, void *to)
{
	size_t done, n;

	for (done = 0; done < len; done += n) {
		size_t offset = offset_in_page(at + done);
		struct page *page = xa_load(&from->pages, (at + done) >> PAGE_SHIFT);

		if (!page)
			return false;
		n = min_t(size_t, len - done, PAGE_SIZE - offset);
		memcpy_from_page(to + done, page, offset, n);
	}
	return true;
}

/**
 * ipcx_slot_fault() - map pages of a slot at the faulting address and behind it
 * @sp: the pages of the slot
 * @vmf: the fault
 * @page: index of the faulting page in the slot
 * @visible: how many of its pages may be mapped here
 *
 * The caller holds its map's sem for read since before it looked at the slot.
 *
 * Return: VM_FAULT_NOPAGE, or what went wrong.
 */
vm_fault_t ipcx_slot_fault(struct ipcx_slot_pages *sp, struct vm_fault *vmf, u32 page, u32 visible)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	struct page *pages[FAULT_AROUND];
	unsigned long n, i, left;

	if (page >= visible || fault_marked(vmf))
		return VM_FAULT_SIGBUS;
	n = min3((unsigned long)FAULT_AROUND, (unsigned long)(visible - page),
		 (vmf->vma->vm_end - addr) >> PAGE_SHIFT);
	for (i = 0; i < n; i++) {
		pages[i] = xa_load(&sp->pages, page + i);
		if (!pages[i])
			break;
	}
	if (!i)
		return VM_FAULT_SIGBUS;
	left = i;
	return fault_result(vm_insert_pages(vmf->vma, addr, pages, &left));
}

/* The page of a revoked endpoint that is written to in vain, made by who does so first; or NULL. */
static struct page *dummy_page(struct ipcx_map *map)
{
	struct page *page = READ_ONCE(map->dummy), *other;

	if (page)
		return page;
	/* may not fail for want of memory: the fault would come back, and again; some are killed */
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return NULL;
	other = cmpxchg(&map->dummy, NULL, page);
	if (!other)
		return page;
	__free_page(page);
	return other;
}

/* Each place in a window can show it, and its count of references must not overflow. */
#define DUMMY_REFS_MAX	BIT(30)

/**
 * ipcx_dummy_fault() - map what a window shows once its endpoint is revoked
 * @map: the windows
 * @vmf: the fault
 * @writable: in the window that can be written to, where all places are one page of this endpoint's
 *	own; the other one is all zeros
 *
 * Nothing here is ever taken from the windows again, so that no sem is needed.
 *
 * Return: VM_FAULT_NOPAGE, or what went wrong.
 */
vm_fault_t ipcx_dummy_fault(struct ipcx_map *map, struct vm_fault *vmf, bool writable)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	struct page *page;

	if (fault_marked(vmf))
		return VM_FAULT_SIGBUS;
	if (!writable)
		return ipcx_insert_zero_page(vmf->vma, addr);
	page = dummy_page(map);
	if (!page)
		return VM_FAULT_OOM;
	if (page_ref_count(page) > DUMMY_REFS_MAX)
		return VM_FAULT_SIGBUS;
	return fault_result(vm_insert_page(vmf->vma, addr, page));
}

/**
 * ipcx_slot_copy_from_iter() - fill a slot from user memory
 * @sp: the pages of a BUSY slot that are safe for the caller
 * @len: bytes, at most what the pages hold
 * @from: where they come from
 *
 * Return: how many bytes were copied.
 */
size_t ipcx_slot_copy_from_iter(struct ipcx_slot_pages *sp, size_t len, struct iov_iter *from)
{
	size_t done = 0;

	while (done < len) {
		size_t n = min_t(size_t, len - done, PAGE_SIZE);
		struct page *page = xa_load(&sp->pages, done >> PAGE_SHIFT);
		size_t got = copy_page_from_iter(page, 0, n, from);

		done += got;
		if (got < n)
			break;
		cond_resched();
	}
	return done;
}

/**
 * ipcx_slot_copy_to_iter() - copy a slot to user memory
 * @sp: the pages of a BUSY slot
 * @len: bytes, at most what the pages hold
 * @to: where they go
 *
 * Return: how many bytes were copied.
 */
size_t ipcx_slot_copy_to_iter(struct ipcx_slot_pages *sp, size_t len, struct iov_iter *to)
{
	size_t done = 0;

	while (done < len) {
		size_t n = min_t(size_t, len - done, PAGE_SIZE);
		struct page *page = xa_load(&sp->pages, done >> PAGE_SHIFT);
		size_t got = copy_page_to_iter(page, 0, n, to);

		done += got;
		if (got < n)
			break;
		cond_resched();
	}
	return done;
}
