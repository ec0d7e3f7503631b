/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a topic without the module is: written by who creates it into the file of its place, behind
 * what place.c has there.
 */
#ifndef IPCX_TOPIC_ATTRS_H
#define IPCX_TOPIC_ATTRS_H

#include "place.h"
#include "topic.h"

/**
 * struct ipcx_attrs - as it lies in the file
 * @magic: that it is this
 * @msg_max: as in struct ipcx_topic_attr, like the next
 * @bytes_max: likewise
 * @first: likewise
 * @depth: likewise
 * @lag_max: likewise
 * @flags: likewise
 * @mode: likewise
 * @limit: of a queue over shared memory: messages that a sender may have in it
 * @policy: of such a queue
 */
struct ipcx_attrs {
	uint64_t magic, msg_max, bytes_max, first;
	uint32_t depth, lag_max, flags, mode;
	uint32_t limit, policy;
};

static inline uint64_t ipcx_attrs_pages(const struct ipcx_topic *t, uint64_t len)
{
	return (len + t->page - 1) & ~(uint64_t)(t->page - 1);
}

/* Are there any in this file? They may make no sense. */
bool ipcx_attrs_read(int fd, struct ipcx_attrs *a);

/*
 * Those that were written, or are now; while nobody else comes or goes. @alone: it has no member.
 * Return: 0, or negative, explained.
 */
int ipcx_attrs_find(struct ipcx_topic *t, const struct ipcx_place *p, bool alone,
		    struct ipcx_attrs *a);

/* Puts them into @t->o. */
void ipcx_attrs_tell(struct ipcx_topic *t, const struct ipcx_attrs *a);

#endif /* IPCX_TOPIC_ATTRS_H */
