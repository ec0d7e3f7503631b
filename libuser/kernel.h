/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Between kernel.c, which carries messages, and kernel_open.c, which opens.
 */
#ifndef IPCX_KERNEL_H
#define IPCX_KERNEL_H

#include <errno.h>
#include <linux/ipcx.h>
#include <sys/mman.h>

#include "transport.h"

/* One of the two views of a queue's slots. */
struct ipcx_window {
	char *base; /* NULL: slots are mapped one by one */
	uint64_t offset;
	int prot;
};

/* A slot that is mapped alone for as long as it is held. */
struct ipcx_slot_map {
	void *addr;
	size_t len;
	const struct ipcx_window *window;
};

struct ipcx_kernel_queue {
	struct ipcx_queue base;
	uint64_t stride;
	size_t window_size;
	struct ipcx_window tx, rx;
	struct ipcx_slot_map *maps; /* one a slot; NULL when no window lacks a base */
	uint64_t spare; /* a loan for the next message, see kernel.c; 0: none */
	char *places; /* of inline messages: IPCX_INLINE_MAX bytes a slot */
	size_t places_size;
	bool calls; /* it has sent requests */
};

/* What a transport keeps in ipcx_msg.priv while a message is held */
enum {
	IPCX_PRIV_SLOT,
	IPCX_PRIV_SEQ,
	IPCX_PRIV_INLINE, /* IPCX_MSG_INLINE or 0, and IPCX_CARRIES */
};

/* Beside flags of 32 bits: regions were attached to the loan */
#define IPCX_CARRIES (1ULL << 32)

static inline struct ipcx_kernel_queue *ipcx_kernel(struct ipcx_queue *q)
{
	return (struct ipcx_kernel_queue *)q; /* base is its first member */
}

/* After a slot could not be mapped */
static inline int ipcx_map_error(void)
{
	return errno == ESTALE ? -ESTALE : -ENOMEM;
}

void *ipcx_kernel_map_slot(struct ipcx_kernel_queue *k, const struct ipcx_window *w, uint32_t slot,
			   size_t len);

/* Where the @len bytes in a slot are: its place if @in_place, else in the window. */
static inline void *ipcx_slot_data(struct ipcx_kernel_queue *k, const struct ipcx_window *w,
				   uint32_t slot, size_t len, bool in_place)
{
	if (!len)
		return NULL;
	if (in_place)
		return k->places + slot * IPCX_INLINE_MAX;
	if (ipcx_unlikely(!w->base))
		return ipcx_kernel_map_slot(k, w, slot, len);
	return w->base + slot * k->stride;
}

/* carry.c */
int ipcx_kernel_attach(struct ipcx_queue *q, struct ipcx_msg *m, int fd, unsigned int flags);
int ipcx_kernel_fetch(struct ipcx_queue *q, const struct ipcx_msg *m, unsigned int index,
		      unsigned int *flags);

/* kernel.c */
bool ipcx_kernel_revoked(struct ipcx_queue *q);
bool ipcx_kernel_spare_keep(struct ipcx_kernel_queue *k, const struct ipcx_desc *d);
void ipcx_kernel_spare_drop(struct ipcx_kernel_queue *k);
int ipcx_kernel_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, uint32_t kind,
		     int64_t deadline);
int ipcx_kernel_cancel(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n);
int ipcx_kernel_release(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n);
int ipcx_kernel_nack(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n);

int ipcx_kernel_take_ahead(struct ipcx_queue *q, struct ipcx_desc *d, unsigned int held,
			   unsigned int n, size_t len_max, int64_t deadline);

static inline void ipcx_kernel_fill_taken(struct ipcx_queue *q, struct ipcx_msg *m,
					  const struct ipcx_desc *d, void *data)
{
	m->data = data;
	m->len = d->len;
	m->prio = d->prio;
	m->flags = d->flags & ~IPCX_MSG_INLINE;
	m->deliveries = d->deliveries;
	m->pid = d->pid;
	m->uid = d->uid;
	m->gid = d->gid;
	m->seq = d->seq;
	m->tag = d->tag;
	m->expires = d->expires;
	m->priv[IPCX_PRIV_SLOT] = d->slot;
	m->priv[IPCX_PRIV_SEQ] = d->seq;
	m->priv[IPCX_PRIV_INLINE] = d->flags & IPCX_MSG_INLINE;
	m->priv[IPCX_PRIV_HOLDER] = (uintptr_t)q;
}

/* Gives out a message that was taken. Return: whether it could be mapped, or see errno. */
static inline bool ipcx_kernel_accept_one(struct ipcx_queue *q, struct ipcx_msg *m,
					  const struct ipcx_desc *d)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	void *data = ipcx_slot_data(k, &k->rx, d->slot, d->len, d->flags & IPCX_MSG_INLINE);

	if (ipcx_unlikely(data == MAP_FAILED))
		return false;
	ipcx_kernel_fill_taken(q, m, d, data);
	return true;
}

/* Gives out messages that were taken. Return: how many; the others went back. Or an errno. */
static inline int ipcx_kernel_accept(struct ipcx_queue *q, struct ipcx_msg *m,
				     const struct ipcx_desc *d, int done)
{
	for (int i = 0; i < done; i++) {
		int r;

		if (ipcx_kernel_accept_one(q, &m[i], &d[i]))
			continue;
		r = ipcx_map_error();
		ipcx_kernel_nack(ipcx_kernel(q), d + i, done - i);
		return i ? i : r;
	}
	return done;
}

/* prefetch.c */
int ipcx_kernel_prefetch(struct ipcx_queue *q, unsigned int n);

/* kernel_call.c */
int ipcx_kernel_call(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		     int64_t deadline);
int ipcx_kernel_answer(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline);
int ipcx_kernel_loan_reply(struct ipcx_queue *q, const struct ipcx_msg *request, size_t len,
			   struct ipcx_msg *reply);
int ipcx_kernel_reply(struct ipcx_queue *q, struct ipcx_msg *request, struct ipcx_msg *reply,
		      bool next, int64_t deadline);

/* kernel_open.c */
int ipcx_kernel_open(struct ipcx_queue **q, const char *name, unsigned int flags,
		     const struct ipcx_queue_opts *opts);
int ipcx_kernel_device(void); /* a descriptor, or what the contract has for its failure */
int ipcx_kernel_check_name(const char *name);
int ipcx_kernel_unlink(const char *name, bool now);
int ipcx_kernel_unlink_kind(const char *name, bool now, uint32_t kind);
void *ipcx_kernel_map_again(int fd, void *addr, size_t len, int prot, uint64_t offset);
void ipcx_kernel_close(struct ipcx_queue *q);
void ipcx_kernel_forked(struct ipcx_queue *q);

/* kernel_error.c: those with a result return -err, or the errno that the contract has for it */
int ipcx_kernel_no_device(int err);
/* those of all kinds; @what: "queue", "topic" or "region" */
int ipcx_kernel_open_error(const char *what, const char *quoted, int err);
int ipcx_kernel_open_failed(int dev, const struct ipcx_queue_open *arg, const char *name, int err);
int ipcx_kernel_unlink_failed(const char *name, uint32_t kind, int err);
/* "; its owner ..." or ": its owner ...", to be put behind a sentence */
void ipcx_kernel_owner_of(char *to, size_t size, const char *name);
extern const char *const ipcx_kernel_too_old;

#endif /* IPCX_KERNEL_H */
