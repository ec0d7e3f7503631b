// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "kernel": messages over an endpoint of /dev/ipcx.
 *
 * A slot's bytes lie in a window that is mapped whole. Where the address space
 * is too small for that, a slot is mapped from loan to commit, or from take to
 * release, alone. Only the holder of a slot touches its entry in maps, so there
 * is no lock.
 *
 * Messages of up to IPCX_INLINE_MAX bytes lie in no window: each slot has a place for
 * them in this process.
 */
#include <assert.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

static_assert(IPCX_BATCH == IPCX_BATCH_MAX, "the public batch is the kernel's");

void *ipcx_kernel_map_slot(struct ipcx_kernel_queue *k, const struct ipcx_window *w, uint32_t slot,
			   size_t len)
{
	struct ipcx_slot_map *old = &k->maps[slot];
	void *addr = mmap(NULL, len, w->prot, MAP_SHARED | MAP_NORESERVE, k->base.fd,
			  w->offset + slot * k->stride);

	if (addr == MAP_FAILED)
		return addr;
	if (old->addr) /* the slot was given back by another process that inherited it */
		munmap(old->addr, old->len);
	*old = (struct ipcx_slot_map){ addr, len, w };
	return addr;
}

/*
 * A commit brings an empty slot for the next message, so that a steady sender
 * makes one system call a message. It waits here for the next loan: its slot
 * number in the low bits, its length above, plus one so that 0 is none. Whoever
 * swaps it out owns it. A handle that is known to be revoked has none any more.
 */
#define SPARE_SLOT_BITS 20
#define SPARE_NEVER UINT64_MAX

/* One without pages for a message that needs none, and else one that is long enough. */
static inline bool spare_fits(size_t has, size_t len)
{
	return has >= len && (has <= IPCX_INLINE_MAX) == (len <= IPCX_INLINE_MAX);
}

static inline bool spare_take(struct ipcx_kernel_queue *k, size_t len, bool whatever,
			      uint32_t *slot)
{
	uint64_t spare = __atomic_load_n(&k->spare, __ATOMIC_RELAXED);

	do {
		if (!spare || spare == SPARE_NEVER ||
		    (!whatever && !spare_fits((spare - 1) >> SPARE_SLOT_BITS, len)))
			return false;
	} while (!__atomic_compare_exchange_n(&k->spare, &spare, 0, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	*slot = (spare - 1) & ((1U << SPARE_SLOT_BITS) - 1);
	return true;
}

bool ipcx_kernel_revoked(struct ipcx_queue *q)
{
	struct ipcx_queue_stat arg = { .size = sizeof(arg) };

	/* nothing else makes this fail so */
	if (!ioctl(q->fd, IPCX_IOC_QUEUE_STAT, &arg) || errno != ESTALE)
		return false;
	__atomic_store_n(&ipcx_kernel(q)->spare, SPARE_NEVER, __ATOMIC_RELAXED);
	return true;
}

/* Return: whether it was kept; else the caller gives it back. */
bool ipcx_kernel_spare_keep(struct ipcx_kernel_queue *k, const struct ipcx_desc *d)
{
	uint64_t none = 0;

	return __atomic_compare_exchange_n(&k->spare, &none,
					   (d->len << SPARE_SLOT_BITS | d->slot) + 1, false,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static int commit(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n)
{
	struct ipcx_queue_commit arg = {
		.size = sizeof(arg),
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
		.inline_data = (uintptr_t)k->places,
	};
	int done = ioctl(k->base.fd, IPCX_IOC_QUEUE_COMMIT, &arg);

	return done < 0 ? -errno : done;
}

int ipcx_kernel_cancel(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n)
{
	struct ipcx_queue_cancel arg = {
		.size = sizeof(arg),
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
	};
	int done = ioctl(k->base.fd, IPCX_IOC_QUEUE_CANCEL, &arg);

	return done < 0 ? -errno : done;
}

/* The next message cannot use it: it must not stand in the way either. */
__attribute__((noinline)) void ipcx_kernel_spare_drop(struct ipcx_kernel_queue *k)
{
	struct ipcx_desc d = { 0 };

	if (spare_take(k, 0, true, &d.slot))
		ipcx_kernel_cancel(k, &d, 1);
}

static int release_flags(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n,
			 uint32_t flags)
{
	struct ipcx_queue_release arg = {
		.size = sizeof(arg),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
	};
	int done = ioctl(k->base.fd, IPCX_IOC_QUEUE_RELEASE, &arg);

	return done < 0 ? -errno : done;
}

int ipcx_kernel_release(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n)
{
	return release_flags(k, d, n, 0);
}

int ipcx_kernel_nack(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n)
{
	return release_flags(k, d, n, IPCX_RELEASE_NACK);
}

typedef int (*give_fn)(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n);

/*
 * Once the kernel has a slot back another thread may hold and map it, so its
 * entry is emptied before; what was mapped is unmapped only when it is certain
 * that the slot is no longer the caller's.
 */
static __attribute__((cold, noinline)) int
give_mapped(struct ipcx_kernel_queue *k, const struct ipcx_desc *d, unsigned int n, give_fn fn)
{
	struct ipcx_slot_map saved[IPCX_BATCH];
	int done;

	for (unsigned int i = 0; i < n; i++) {
		saved[i] = k->maps[d[i].slot];
		k->maps[d[i].slot].addr = NULL;
	}
	done = fn(k, d, n);
	for (int i = 0; i < (int)n; i++) {
		if (i >= done)
			k->maps[d[i].slot] = saved[i];
		else if (saved[i].addr)
			munmap(saved[i].addr, saved[i].len);
	}
	return done;
}

typedef void (*fill_fn)(struct ipcx_desc *d, const struct ipcx_msg *m);

/* All that is said of a message that is sent */
static inline void fill_message(struct ipcx_desc *d, const struct ipcx_msg *m)
{
	d->slot = m->priv[IPCX_PRIV_SLOT];
	d->flags = m->flags | m->priv[IPCX_PRIV_INLINE];
	d->len = m->len;
	d->tag = m->tag;
	d->prio = m->prio;
	d->__reserved = 0;
	d->expires = m->expires;
}

/* What names a message, or a loan, that is given back */
static inline void fill_name(struct ipcx_desc *d, const struct ipcx_msg *m)
{
	d->slot = m->priv[IPCX_PRIV_SLOT];
	d->flags = 0;
	d->seq = m->priv[IPCX_PRIV_SEQ];
	d->__reserved = 0;
}

/* Gives slots that are held to the kernel, up to the first that is not held. */
static inline __attribute__((always_inline)) int give(struct ipcx_queue *q, struct ipcx_msg *m,
						      unsigned int n, fill_fn fill, give_fn fn)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d[IPCX_BATCH];
	unsigned int held;
	int done;

	for (held = 0; held < n; held++) {
		const struct ipcx_msg *p = &m[held];

		if (p->priv[IPCX_PRIV_HOLDER] != (uintptr_t)q)
			break;
		fill(&d[held], p);
	}
	if (!held)
		return q->fd < 0 ? -EBADF : -EPERM;
	if (ipcx_unlikely(k->maps))
		done = give_mapped(k, d, held, fn);
	else
		done = fn(k, d, held);
	for (int i = 0; i < done; i++) {
		if (ipcx_unlikely(m[i].flags & IPCX_REQUEST))
			m[i].seq = d[i].seq;
		m[i].data = NULL;
		m[i].priv[IPCX_PRIV_HOLDER] = 0;
	}
	return done;
}

static void fill_loan(struct ipcx_queue *q, struct ipcx_msg *m, uint32_t slot, size_t len,
		      void *data, uint32_t kind)
{
	/* member by member: a whole struct would be cleared first */
	m->data = data;
	m->len = len;
	m->prio = 0;
	m->flags = 0;
	m->deliveries = 0;
	m->pid = 0;
	m->uid = 0;
	m->gid = 0;
	m->seq = 0;
	m->tag = 0;
	m->expires = 0;
	m->priv[IPCX_PRIV_SLOT] = slot;
	m->priv[IPCX_PRIV_INLINE] = kind & IPCX_LOAN_INLINE ? IPCX_MSG_INLINE : 0;
	m->priv[IPCX_PRIV_HOLDER] = (uintptr_t)q;
}

/* Small messages do without pages. */
static inline uint32_t loan_kind(const struct ipcx_kernel_queue *k, size_t len)
{
	return (len <= IPCX_INLINE_MAX ? IPCX_LOAN_INLINE : 0) | (k->calls ? IPCX_LOAN_REQUEST : 0);
}

static __attribute__((noinline)) int loan_slots(struct ipcx_queue *q, size_t len,
						struct ipcx_msg *m, unsigned int n, uint32_t kind,
						int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d[IPCX_BATCH];
	struct ipcx_queue_loan arg = {
		.size = sizeof(arg),
		.flags = kind,
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(d[0]),
		.deadline = deadline,
	};
	int done, r;

	ipcx_kernel_spare_drop(k);
	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct ipcx_desc){ .len = len };
	done = ioctl(q->fd, IPCX_IOC_QUEUE_LOAN, &arg);
	if (done < 0)
		return -errno;
	for (int i = 0; i < done; i++) {
		void *data = ipcx_slot_data(k, &k->tx, d[i].slot, len, kind & IPCX_LOAN_INLINE);

		if (ipcx_unlikely(data == MAP_FAILED)) {
			r = ipcx_map_error();
			ipcx_kernel_cancel(k, d + i, done - i);
			return i ? i : r;
		}
		fill_loan(q, &m[i], d[i].slot, len, data, kind);
	}
	return done;
}

static int kernel_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, unsigned int n,
		       int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	uint32_t slot, kind = loan_kind(k, len);

	if (n != 1 || deadline < 0 || !spare_take(k, len, false, &slot))
		return loan_slots(q, len, m, n, kind, deadline);
	fill_loan(q, m, slot, len, ipcx_slot_data(k, &k->tx, slot, len, kind & IPCX_LOAN_INLINE),
		  kind);
	return 1;
}

int ipcx_kernel_loan(struct ipcx_queue *q, size_t len, struct ipcx_msg *m, uint32_t kind,
		     int64_t deadline)
{
	return loan_slots(q, len, m, 1, kind, deadline);
}

static int kernel_take(struct ipcx_queue *q, size_t len_max, struct ipcx_msg *m, unsigned int n,
		       int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d[IPCX_BATCH];
	struct ipcx_queue_take arg = {
		.size = sizeof(arg),
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(d[0]),
		.deadline = deadline,
		.len_max = len_max,
		.inline_data = (uintptr_t)k->places,
	};
	int done = ioctl(q->fd, IPCX_IOC_QUEUE_TAKE, &arg);

	return done < 0 ? -errno : ipcx_kernel_accept(q, m, d, done);
}

/* Sends a message and brings a spare. */
static int commit_one(struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d;
	struct ipcx_queue_commit arg = {
		.size = sizeof(arg),
		.flags = IPCX_COMMIT_LOAN,
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.inline_data = (uintptr_t)k->places,
	};

	if (m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)q)
		return q->fd < 0 ? -EBADF : -EPERM;
	fill_message(&d, m);
	if (ioctl(q->fd, IPCX_IOC_QUEUE_COMMIT, &arg) < 0)
		return -errno;
	if (d.slot != IPCX_SLOT_NONE && !ipcx_kernel_spare_keep(k, &d))
		ipcx_kernel_cancel(k, &d, 1);
	if (ipcx_unlikely(m->flags & IPCX_REQUEST))
		m->seq = d.seq;
	m->data = NULL;
	m->priv[IPCX_PRIV_HOLDER] = 0;
	return 1;
}

static int kernel_commit(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	if (n == 1 && !ipcx_unlikely(ipcx_kernel(q)->maps))
		return commit_one(q, m);
	return give(q, m, n, fill_message, commit);
}

static int kernel_cancel(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n)
{
	return give(q, m, n, fill_name, ipcx_kernel_cancel);
}

static int kernel_release(struct ipcx_queue *q, struct ipcx_msg *m, unsigned int n, bool again)
{
	return give(q, m, n, fill_name, again ? ipcx_kernel_nack : ipcx_kernel_release);
}

static int kernel_next(struct ipcx_queue *q, struct ipcx_msg *m, int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	struct ipcx_desc d = { .slot = m->priv[IPCX_PRIV_SLOT], .seq = m->priv[IPCX_PRIV_SEQ] };
	struct ipcx_queue_take arg = {
		.size = sizeof(arg),
		.flags = IPCX_TAKE_RELEASE,
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.deadline = deadline,
		.len_max = SIZE_MAX,
		.inline_data = (uintptr_t)k->places,
	};
	int r;

	if (!m->priv[IPCX_PRIV_HOLDER])
		return kernel_take(q, SIZE_MAX, m, 1, deadline);
	if (ipcx_unlikely(k->maps || m->priv[IPCX_PRIV_HOLDER] != (uintptr_t)q)) {
		r = give(q, m, 1, fill_name, ipcx_kernel_release);
		return r < 0 ? r : kernel_take(q, SIZE_MAX, m, 1, deadline);
	}
	r = ioctl(q->fd, IPCX_IOC_QUEUE_TAKE, &arg);
	if (r < 0)
		return -errno;
	ipcx_kernel_fill_taken(q, m, &d,
			       ipcx_slot_data(k, &k->rx, d.slot, d.len, d.flags & IPCX_MSG_INLINE));
	return r;
}

/*
 * Releases the @held first messages of the array and takes up to @n into it. -EPERM and -ESTALE
 * leave unreleased what comes behind the first that cannot be.
 */
int ipcx_kernel_take_ahead(struct ipcx_queue *q, struct ipcx_desc *d, unsigned int held,
			   unsigned int n, size_t len_max, int64_t deadline)
{
	struct ipcx_queue_take arg = {
		.size = sizeof(arg),
		.flags = held ? IPCX_TAKE_RELEASE : 0,
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(d[0]),
		.deadline = deadline,
		.len_max = len_max,
		.inline_data = (uintptr_t)ipcx_kernel(q)->places,
	};
	int done;

	for (unsigned int i = held; held && i < n; i++)
		d[i].slot = IPCX_SLOT_NONE;
	done = ioctl(q->fd, IPCX_IOC_QUEUE_TAKE, &arg);
	return done < 0 ? -errno : done;
}

static __attribute__((noinline)) ssize_t write_now(int fd, const void *buf, size_t len)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);
}

static __attribute__((noinline)) ssize_t read_now(int fd, void *buf, size_t cap)
{
	struct iovec iov = { .iov_base = buf, .iov_len = cap };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
}

static int kernel_send(struct ipcx_queue *q, const void *buf, size_t len, int64_t deadline)
{
	struct ipcx_kernel_queue *k = ipcx_kernel(q);
	ssize_t r;

	if (len > q->attr.msg_max) /* and perhaps than what can be said to the kernel */
		return q->fd < 0 ? -EBADF : -EMSGSIZE;
	if (__atomic_load_n(&k->spare, __ATOMIC_RELAXED))
		ipcx_kernel_spare_drop(k);
	r = deadline == IPCX_NOWAIT ? write_now(q->fd, buf, len) : write(q->fd, buf, len);
	return r < 0 ? -errno : 0;
}

static ssize_t kernel_recv(struct ipcx_queue *q, void *buf, size_t cap, int64_t deadline)
{
	ssize_t r;

	if (cap > q->attr.msg_max) /* no message is longer, and perhaps no memory there */
		cap = q->attr.msg_max;
	r = deadline == IPCX_NOWAIT ? read_now(q->fd, buf, cap) : read(q->fd, buf, cap);
	return r < 0 ? -errno : r;
}

static int kernel_peek(struct ipcx_queue *q, struct ipcx_msg *m)
{
	struct ipcx_desc d = { 0 };
	struct ipcx_queue_take arg = {
		.size = sizeof(arg),
		.flags = IPCX_TAKE_PEEK,
		.descs = (uintptr_t)&d,
		.count = 1,
		.desc_size = sizeof(d),
		.len_max = SIZE_MAX,
	};

	if (ioctl(q->fd, IPCX_IOC_QUEUE_TAKE, &arg) < 0)
		return -errno;
	ipcx_kernel_fill_taken(q, m, &d, NULL);
	m->priv[IPCX_PRIV_HOLDER] = 0;
	return 0;
}

static int kernel_stat(const struct ipcx_queue *q, struct ipcx_queue_stats *stats)
{
	struct ipcx_queue_stat arg = { .size = sizeof(arg) };

	if (ioctl(q->fd, IPCX_IOC_QUEUE_STAT, &arg) < 0)
		return -errno;
	*stats = (struct ipcx_queue_stats){
		.sent = arg.out_sent,
		.queued = arg.out_queued,
		.leased = arg.out_leased,
		.released = arg.out_released,
		.dropped_oldest = arg.out_dropped_oldest,
		.dropped_newest = arg.out_dropped_newest,
		.expired = arg.out_expired,
		.poison = arg.out_poison,
		.redelivered = arg.out_redelivered,
		.dead_lettered = arg.out_dead_lettered,
		.dead_letter_failed = arg.out_dead_letter_failed,
		.bytes = arg.out_bytes,
		.free = arg.out_free,
		.loaned = arg.out_loaned,
		.senders = arg.out_senders,
		.receivers = arg.out_receivers,
		.withdrawn = arg.out_withdrawn,
		.answers = arg.out_answers,
		.requests = arg.out_requests,
	};
	return 0;
}

const struct ipcx_transport ipcx_transport_kernel = {
	.name = "kernel",
	.caps = IPCX_CAP_ZERO_COPY | IPCX_CAP_REDELIVERY | IPCX_CAP_RECLAIM | IPCX_CAP_IDENTITY |
		IPCX_CAP_WALLS | IPCX_CAP_ACCOUNTING | IPCX_CAP_PRIORITY | IPCX_CAP_MANY_SENDERS |
		IPCX_CAP_MANY_RECEIVERS | IPCX_CAP_POLL | IPCX_CAP_PERSISTENT | IPCX_CAP_SEALED |
		IPCX_CAP_CALL | IPCX_CAP_REGIONS,
	.open = ipcx_kernel_open,
	.unlink = ipcx_kernel_unlink,
	.close = ipcx_kernel_close,
	.forked = ipcx_kernel_forked,
	.loan = kernel_loan,
	.commit = kernel_commit,
	.cancel = kernel_cancel,
	.take = kernel_take,
	.release = kernel_release,
	.next = kernel_next,
	.send = kernel_send,
	.recv = kernel_recv,
	.prefetch = ipcx_kernel_prefetch,
	.peek = kernel_peek,
	.stat = kernel_stat,
	.call = ipcx_kernel_call,
	.answer = ipcx_kernel_answer,
	.loan_reply = ipcx_kernel_loan_reply,
	.reply = ipcx_kernel_reply,
	.revoked = ipcx_kernel_revoked,
	.attach = ipcx_kernel_attach,
	.fetch = ipcx_kernel_fetch,
};
