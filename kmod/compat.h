/* SPDX-License-Identifier: GPL-2.0-only */
/* The only place that knows kernel versions and options. */
#ifndef IPCX_COMPAT_H
#define IPCX_COMPAT_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/version.h>
#include <net/genetlink.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set, vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

static inline int ipcx_page_mapcount(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return page_mapcount(page);
#else
	return folio_mapcount(page_folio(page));
#endif
}

/* If @memcg gets @npages, is about a quarter left of what it and each above it may have? */
static inline bool ipcx_memcg_spares(struct mem_cgroup *memcg, unsigned long npages)
{
#ifdef CONFIG_MEMCG
	struct page_counter *c;

	for (c = memcg ? &memcg->memory : NULL; c; c = c->parent) {
		unsigned long max = min(READ_ONCE(c->max), READ_ONCE(c->high));

		if (page_counter_read(c) + npages > max - max / 4)
			return false;
	}
#endif
	return true;
}

/* The kernel's own page of zeros counts no references: any number of windows may show it. */
static inline vm_fault_t ipcx_insert_zero_page(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned long pfn = page_to_pfn(ZERO_PAGE(addr));

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return vmf_insert_mixed(vma, addr, __pfn_to_pfn_t(pfn, 0));
#else
	return vmf_insert_mixed(vma, addr, pfn);
#endif
}

#ifndef GENL_MCAST_CAP_NET_ADMIN
#define GENL_MCAST_CAP_NET_ADMIN GENL_UNS_ADMIN_PERM
#endif

static inline struct nlattr **ipcx_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_info_dump(cb)->attrs;
#endif
}

#endif /* IPCX_COMPAT_H */
