// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a member maps. Its own control page, ring and payload can be mapped writable, and only
 * by asking for that at once; everything else is for reading.
 *
 *   directory   control pages   rings              payload
 *   | 1 page  | 1 page each   | 1 window each    | 1 window each          | pages of the file
 *   0         1               129                129 + 63 windows
 *
 * Where there is nothing yet, or no more, readers find a page of zeros. Who comes and goes takes
 * what was there from all windows before the place is used again. A writer, who knows which
 * pages it has, gets SIGBUS where it has none: the page of zeros is nobody's to write to.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "topic.h"

#define CONTROLS 1 /* page of the first control page */
#define RINGS (CONTROLS + IPCX_TOPIC_SUBS) /* of the first ring */

/**
 * ipcx_ring_pages() - how large a ring is
 * @t: its topic
 *
 * Return: pages of a window.
 */
u32 ipcx_ring_pages(const struct ipcx_topic *t)
{
	return 1 + DIV_ROUND_UP(t->depth * sizeof(struct ipcx_cell), PAGE_SIZE);
}

static u64 data_pages(const struct ipcx_topic *t)
{
	return (u64)t->depth * t->stride;
}

/* Where the first payload begins. */
static u64 data_first(const struct ipcx_topic *t)
{
	return RINGS + IPCX_TOPIC_RINGS * ipcx_ring_pages(t);
}

/**
 * ipcx_topic_offsets() - tell user space where everything is
 * @t: the topic
 * @o: out_stride and the offsets and windows are filled in
 */
void ipcx_topic_offsets(const struct ipcx_topic *t, struct ipcx_topic_open *o)
{
	o->out_stride = (u64)t->stride << PAGE_SHIFT;
	o->out_control_offset = CONTROLS << PAGE_SHIFT;
	o->out_ring_offset = RINGS << PAGE_SHIFT;
	o->out_ring_window = (u64)ipcx_ring_pages(t) << PAGE_SHIFT;
	o->out_data_offset = data_first(t) << PAGE_SHIFT;
	o->out_data_window = data_pages(t) << PAGE_SHIFT;
}

/*
 * After this no member's window shows any of these pages as it was, and no fault that looked
 * before the caller changed what it looks at can map one.
 */
static void revoke(struct ipcx_topic *t, u64 first, u64 npages)
{
	struct ipcx_map *map;

	lockdep_assert_held(&t->mutex);
	list_for_each_entry(map, &t->maps, node) {
		down_write(&map->sem);
		unmap_mapping_range(map->mapping, first << PAGE_SHIFT, npages << PAGE_SHIFT, 1);
		up_write(&map->sem);
	}
}

/**
 * ipcx_control_revoke() - a subscription has come or gone
 * @t: the topic, its mutex held
 * @sub: number of the subscription
 */
void ipcx_control_revoke(struct ipcx_topic *t, u32 sub)
{
	revoke(t, CONTROLS + sub, 1);
}

/**
 * ipcx_ring_revoke() - a ring, and its payload, has come or gone
 * @t: the topic, its mutex held
 * @ring: number of the ring
 */
void ipcx_ring_revoke(struct ipcx_topic *t, u32 ring)
{
	revoke(t, RINGS + ring * ipcx_ring_pages(t), ipcx_ring_pages(t));
	revoke(t, data_first(t) + ring * data_pages(t), data_pages(t));
}

/**
 * ipcx_payload_revoke() - a position has got pages
 * @pub: of its ring; the topic's mutex is held
 * @slot: the position's place
 * @first: first page that is new there
 * @npages: how many are
 */
void ipcx_payload_revoke(struct ipcx_pub *pub, u32 slot, u32 first, u32 npages)
{
	struct ipcx_topic *t = pub->topic;
	u64 page = data_first(t) + pub->index * data_pages(t) + (u64)slot * t->stride;

	revoke(t, page + first, npages);
}

/*
 * Under the lock of the topic: the page of a ring, a control page or the directory, or NULL.
 * Pages do not go while the windows' sem is held: see revoke().
 */
static struct page *fixed_page(struct ipcx_topic *t, u64 page)
{
	const struct ipcx_pub *pub;
	const struct ipcx_sub *sub;
	u32 off, ring;

	if (page < CONTROLS)
		return virt_to_page(t->dir);
	if (page < RINGS) {
		sub = t->sub[page - CONTROLS];
		return sub ? virt_to_page(sub->control) : NULL;
	}
	ring = div_u64_rem(page - RINGS, ipcx_ring_pages(t), &off);
	pub = t->pub[ring];
	return pub ? vmalloc_to_page((void *)pub->ring + off * PAGE_SIZE) : NULL;
}

/* Finds the payload of a page; @page becomes the number within, @shown how many it has. */
static struct ipcx_payload *payload_at(struct ipcx_topic *t, u64 *page, u32 *shown)
{
	struct ipcx_payload *p = NULL;
	struct ipcx_pub *pub;
	u64 slot;
	u32 off;

	slot = div_u64_rem(*page - data_first(t), t->stride, &off);
	*page = off;
	*shown = 0;
	spin_lock(&t->lock);
	pub = t->pub[div_u64(slot, t->depth)];
	if (pub) {
		p = &pub->payload[slot & (t->depth - 1)];
		*shown = p->shown;
	}
	spin_unlock(&t->lock);
	return p;
}

static vm_fault_t fault_nothing(struct vm_fault *vmf)
{
	if (vmf->vma->vm_flags & VM_MAYWRITE)
		return VM_FAULT_SIGBUS;
	return ipcx_insert_zero_page(vmf->vma, vmf->address & PAGE_MASK);
}

static vm_fault_t fault_fixed(struct ipcx_topic *t, struct vm_fault *vmf)
{
	struct page *page;

	spin_lock(&t->lock);
	page = fixed_page(t, vmf->pgoff);
	spin_unlock(&t->lock);
	if (!page)
		return fault_nothing(vmf);
	switch (vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page)) {
	case 0:
	case -EBUSY: /* another thread was faster */
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

static vm_fault_t fault_payload(struct ipcx_topic *t, struct vm_fault *vmf)
{
	struct ipcx_payload *p;
	u64 page = vmf->pgoff;
	u32 shown;

	p = payload_at(t, &page, &shown);
	if (page >= shown)
		return fault_nothing(vmf);
	return ipcx_slot_fault(&p->pg, vmf, page, shown);
}

static vm_fault_t member_fault(struct vm_fault *vmf)
{
	struct ipcx_member *m = vmf->vma->vm_file->private_data;
	struct ipcx_topic *t = m->topic;
	u64 page = vmf->pgoff;
	vm_fault_t ret;

	if (page >= data_first(t) + IPCX_TOPIC_RINGS * data_pages(t))
		return VM_FAULT_SIGBUS;
	/* a marker (userfaultfd) would make every insertion fail, and the fault come back */
	if (vmf->flags & FAULT_FLAG_ORIG_PTE_VALID && !pte_none(vmf->orig_pte))
		return VM_FAULT_SIGBUS;
	down_read(&m->map.sem);
	ret = page < data_first(t) ? fault_fixed(t, vmf) : fault_payload(t, vmf);
	up_read(&m->map.sem);
	return ret;
}

/* Somebody may write through a window of the member from now on. */
static void writer_add(struct ipcx_member *m, struct mm_struct *mm)
{
	spin_lock(&m->topic->lock);
	if (!m->mm) {
		mmgrab(mm);
		m->mm = mm;
	} else if (m->mm != mm) {
		m->many = true;
	}
	spin_unlock(&m->topic->lock);
}

/* Split, moved, or inherited all the same: by MADV_DOFORK. */
static void member_vma_open(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_MAYWRITE)
		writer_add(vma->vm_file->private_data, vma->vm_mm);
}

static const struct vm_operations_struct member_vm_ops = {
	.open = member_vma_open,
	.fault = member_fault,
};

/**
 * struct span - pages that are to be mapped
 * @first: the first
 * @end: the one behind the last
 */
struct span {
	u64 first;
	u64 end;
};

static bool within(const struct span *r, u64 first, u64 npages)
{
	return r->first >= first && r->end <= first + npages;
}

/*
 * What may be done with a range: nothing there is -EINVAL, somebody else's -EACCES, 0 if it may
 * be read, 1 if it is the member's own.
 */
static int range_rights(const struct ipcx_member *m, const struct span *r)
{
	const struct ipcx_topic *t = m->topic;
	u64 ring = ipcx_ring_pages(t), data = data_pages(t), at;

	if (within(r, 0, CONTROLS))
		return 0;
	if (within(r, CONTROLS, IPCX_TOPIC_SUBS)) {
		if (m->sub && within(r, CONTROLS + m->sub->index, 1))
			return 1;
		return m->pub ? 0 : -EACCES;
	}
	if (within(r, RINGS, IPCX_TOPIC_RINGS * ring)) {
		at = RINGS;
	} else if (within(r, data_first(t), IPCX_TOPIC_RINGS * data)) {
		at = data_first(t);
		ring = data;
	} else {
		return -EINVAL;
	}
	if (m->pub && within(r, at + m->pub->index * ring, ring))
		return 1;
	return m->sub ? 0 : -EACCES;
}

/**
 * ipcx_member_mmap() - mmap of a member
 * @file: the member's
 * @vma: the area
 *
 * Return: 0, -EINVAL, -EACCES.
 */
int ipcx_member_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct span r = { vma->vm_pgoff, vma->vm_pgoff + vma_pages(vma) };
	struct ipcx_member *m = file->private_data;
	bool write = vma->vm_flags & VM_WRITE;
	int own = range_rights(m, &r);

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (own < 0)
		return own;
	if (vma->vm_flags & VM_EXEC || (write && !own))
		return -EACCES;
	vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
		     VM_MAYEXEC | (write ? 0 : VM_MAYWRITE));
	vma->vm_ops = &member_vm_ops;
	if (write)
		writer_add(m, vma->vm_mm);
	return 0;
}
