// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Attributes of topics, and of queues over shared memory, that are kept in a file.
 */
#include <errno.h>
#include <unistd.h>

#include "topic_attrs.h"

#define MAGIC 0x3563697078637069ULL
#define MSG_MAX (UINT64_C(1) << 30)
#define BYTES_MAX (UINT64_C(256) << 20) /* if nothing is said */
#define ATTRS_AT 256 /* before that it is that of place.c */

static bool can_be(const struct ipcx_topic *t, const struct ipcx_attrs *a)
{
	return a->magic == MAGIC && a->depth >= IPCX_TOPIC_DEPTH_MIN &&
	       a->depth <= IPCX_TOPIC_DEPTH_MAX && !(a->depth & (a->depth - 1)) &&
	       a->lag_max <= a->depth && a->limit <= a->depth && a->msg_max &&
	       a->msg_max <= MSG_MAX && a->first <= IPCX_POS_MASK &&
	       a->bytes_max >= ipcx_attrs_pages(t, a->msg_max) && !(a->bytes_max & (t->page - 1));
}

static int wanted(const struct ipcx_topic *t, struct ipcx_attrs *a)
{
	const struct ipcx_topic_open *o = &t->o;

	*a = (struct ipcx_attrs){
		.magic = MAGIC,
		.msg_max = o->msg_max ? o->msg_max : 1 << 20,
		.first = o->first,
		.depth = o->depth ? o->depth : 64,
		.lag_max = o->lag_max,
		.flags = t->flags & (IPCX_EPHEMERAL | IPCX_OPEN_RELIABLE),
		.mode = o->mode,
		.limit = t->limit,
		.policy = t->policy,
	};
	a->bytes_max = a->depth * ipcx_attrs_pages(t, a->msg_max);
	if (a->bytes_max > BYTES_MAX)
		a->bytes_max = BYTES_MAX;
	if (a->bytes_max < ipcx_attrs_pages(t, a->msg_max))
		a->bytes_max = ipcx_attrs_pages(t, a->msg_max);
	if (o->bytes_max)
		a->bytes_max = o->bytes_max;
	if (can_be(t, a))
		return 0;
	return ipcx_topic_failed(t, EINVAL,
				 "an attribute is outside of its range: depth is a power of two in 8..65536, "
				 "lag_max at most depth, msg_max at most 1 GiB, bytes_max whole pages and at "
				 "least msg_max");
}

bool ipcx_attrs_read(int fd, struct ipcx_attrs *a)
{
	return pread(fd, a, sizeof(*a), ATTRS_AT) == sizeof(*a) && a->magic == MAGIC;
}

int ipcx_attrs_find(struct ipcx_topic *t, const struct ipcx_place *p, bool alone,
		    struct ipcx_attrs *a)
{
	int r;

	if (ipcx_attrs_read(p->fd, a) && can_be(t, a) && !(p->created && alone)) {
		if (t->flags & IPCX_EXCL)
			return ipcx_topic_failed(t, EEXIST, "there is one of this name already");
		return 0;
	}
	if (!(t->flags & IPCX_CREATE))
		return ipcx_topic_failed(t, ENOENT,
					 "there is none of this name; create it with IPCX_CREATE");
	if (!alone)
		return ipcx_topic_failed(t, EPROTO, "somebody has written over its file");
	r = wanted(t, a);
	if (!r && pwrite(p->fd, a, sizeof(*a), ATTRS_AT) != sizeof(*a))
		r = ipcx_topic_failed(t, errno ? errno : ENOSPC, "its file cannot be written");
	return r;
}

void ipcx_attrs_tell(struct ipcx_topic *t, const struct ipcx_attrs *a)
{
	struct ipcx_topic_open *o = &t->o;

	o->out_depth = a->depth;
	o->out_lag_max = a->lag_max;
	o->out_msg_max = a->msg_max;
	o->out_bytes_max = a->bytes_max;
	o->out_first = a->first;
	o->out_flags = a->flags;
	o->out_mode = a->mode;
	o->out_uid = geteuid();
	o->out_gid = getegid();
}
