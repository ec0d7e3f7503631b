// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "kernel": opening, mapping, unlinking, forking, closing.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

static_assert(IPCX_CREATE == IPCX_OPEN_CREATE, "handed on as it is");
static_assert(IPCX_EXCL == IPCX_OPEN_EXCL, "handed on as it is");
static_assert(IPCX_SEND == IPCX_OPEN_SEND, "handed on as it is");
static_assert(IPCX_RECV == IPCX_OPEN_RECV, "handed on as it is");
static_assert(IPCX_EPHEMERAL == IPCX_OPEN_EPHEMERAL, "handed on as it is");
static_assert(IPCX_SEALED == IPCX_OPEN_SEALED, "handed on as it is");
static_assert((int)IPCX_BLOCK == IPCX_POLICY_BLOCK, "handed on as it is");
static_assert((int)IPCX_FAIL == IPCX_POLICY_FAIL, "handed on as it is");
static_assert((int)IPCX_DROP_OLDEST == IPCX_POLICY_DROP_OLDEST, "handed on as it is");
static_assert((int)IPCX_DROP_NEWEST == IPCX_POLICY_DROP_NEWEST, "handed on as it is");
static_assert(IPCX_POISON == IPCX_MSG_POISON, "handed on as it is");
static_assert(IPCX_EXPIRED == IPCX_MSG_EXPIRED, "handed on as it is");
static_assert(IPCX_REQUEST == IPCX_MSG_REQUEST, "handed on as it is");
static_assert(IPCX_CANCELED == IPCX_MSG_CANCELED, "handed on as it is");
static_assert(IPCX_OWNERDEAD == IPCX_MSG_OWNERDEAD, "handed on as it is");

int ipcx_kernel_device(void)
{
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	return fd < 0 ? ipcx_kernel_no_device(errno) : fd;
}

int ipcx_kernel_check_name(const char *name)
{
	char buf[IPCX_QUOTED_MAX];
	size_t len = strlen(name);

	if (len > IPCX_NAME_MAX)
		return ipcx_fail(EINVAL, "a name of %zu bytes is longer than %d", len,
				 IPCX_NAME_MAX);
	if (name[0] == '.')
		return ipcx_fail(EINVAL, "the name %s begins with '.'", ipcx_quote(buf, name));
	if (strchr(name, '/'))
		return ipcx_fail(EINVAL, "the name %s has a '/' in it", ipcx_quote(buf, name));
	return 0;
}

static int check_dead_letter(const char *name)
{
	if (!*name)
		return ipcx_fail_text(EINVAL, "the name of the dead-letter queue is empty; leave "
					      "dead_letter NULL for none");
	return ipcx_kernel_check_name(name);
}

/* Leaves the base NULL where only the address space is too small for the whole. */
static int map_window(struct ipcx_kernel_queue *k, struct ipcx_window *w, uint64_t offset,
		      uint64_t size, int prot)
{
	void *addr;

	w->offset = offset;
	w->prot = prot;
	k->window_size = size;
	if (k->window_size == size) {
		addr = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, k->base.fd, offset);
		if (addr != MAP_FAILED) {
			w->base = addr;
			return 0;
		}
		if (errno != ENOMEM && errno != EAGAIN) /* EAGAIN: mlockall() and its limit */
			return -errno;
	}
	if (!k->maps)
		k->maps = calloc(k->base.attr.depth, sizeof(*k->maps));
	return k->maps ? 0 : -ENOMEM;
}

/* Who may only send reads answers, and who may only receive writes replies: both need both. */
static int map_windows(struct ipcx_kernel_queue *k, const struct ipcx_queue_open *arg)
{
	int r = map_window(k, &k->tx, arg->out_tx_offset, arg->out_window, PROT_READ | PROT_WRITE);

	if (!r)
		r = map_window(k, &k->rx, arg->out_rx_offset, arg->out_window, PROT_READ);
	return r;
}

/* A child that inherits the handle finds what is in the places, as in the windows. */
static int map_places(struct ipcx_kernel_queue *k, unsigned int flags)
{
	int how = flags & IPCX_INHERIT ? MAP_SHARED : MAP_PRIVATE;

	k->places_size = (size_t)k->base.attr.depth * IPCX_INLINE_MAX;
	k->places = mmap(NULL, k->places_size, PROT_READ | PROT_WRITE,
			 how | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k->places != MAP_FAILED)
		return 0;
	k->places = NULL;
	return -errno;
}

static int make_handle(struct ipcx_queue **q, int fd, const char *name, unsigned int flags,
		       const struct ipcx_queue_open *arg)
{
	struct ipcx_kernel_queue *k = calloc(1, sizeof(*k));
	int r;

	if (!k) {
		close(fd);
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a queue");
	}
	k->base.fd = fd;
	k->base.attr = (struct ipcx_queue_attr){
		.id = arg->out_id,
		.msg_max = arg->out_msg_max,
		.bytes_max = arg->out_bytes_max,
		.depth = arg->out_depth,
		.mode = arg->out_mode,
		.uid = arg->out_uid,
		.gid = arg->out_gid,
		.policy = (enum ipcx_queue_policy)arg->out_policy,
		.max_deliveries = arg->out_max_deliveries,
		.lease_ms = arg->out_lease_ms,
		.leases_max = arg->out_leases_max,
		.flags = arg->out_flags,
		.dead_letter = arg->out_dead_letter,
	};
	memcpy(k->base.name, name, strlen(name) + 1);
	k->stride = arg->out_stride;
	r = map_windows(k, arg);
	if (!r)
		r = map_places(k, flags);
	if (r) {
		ipcx_kernel_close(&k->base);
		return ipcx_fail(-r, "a window of %llu bytes on the queue cannot be mapped: %s",
				 (unsigned long long)arg->out_window, strerror(-r));
	}
	*q = &k->base;
	return 0;
}

int ipcx_kernel_open(struct ipcx_queue **q, const char *name, unsigned int flags,
		     const struct ipcx_queue_opts *opts)
{
	struct ipcx_queue_open arg = {
		.size = sizeof(arg),
		.flags = flags & IPCX_OPEN_VALID_FLAGS,
		.name = *name ? (uintptr_t)name : 0,
		.name_len = strlen(name),
		.mode = opts->mode ? opts->mode : 0600,
		.depth = opts->depth,
		.msg_max = opts->msg_max,
		.bytes_max = opts->bytes_max,
		.policy = opts->policy,
		.dead_letter = (uintptr_t)opts->dead_letter,
		.dead_letter_len = opts->dead_letter ? strlen(opts->dead_letter) : 0,
		.max_deliveries = opts->max_deliveries,
		.lease_ms = opts->lease_ms,
		.leases_max = opts->leases_max,
	};
	int dev, fd, r = ipcx_kernel_check_name(name);

	if (!r && opts->dead_letter)
		r = check_dead_letter(opts->dead_letter);
	if (r)
		return r;
	dev = ipcx_kernel_device();
	if (dev < 0)
		return dev;
	fd = ioctl(dev, IPCX_IOC_QUEUE_OPEN, &arg);
	if (fd < 0)
		r = ipcx_kernel_open_failed(dev, &arg, name, errno);
	close(dev);
	return r ? r : make_handle(q, fd, name, flags, &arg);
}

int ipcx_kernel_unlink_kind(const char *name, bool now, uint32_t kind)
{
	struct ipcx_unlink arg = {
		.size = sizeof(arg),
		.flags = now ? IPCX_UNLINK_NOW : 0,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.kind = kind,
	};
	int dev, r = ipcx_kernel_check_name(name);

	if (r)
		return r;
	dev = ipcx_kernel_device();
	if (dev < 0)
		return dev;
	if (ioctl(dev, IPCX_IOC_UNLINK, &arg) < 0)
		r = ipcx_kernel_unlink_failed(name, kind, errno);
	close(dev);
	return r;
}

int ipcx_kernel_unlink(const char *name, bool now)
{
	return ipcx_kernel_unlink_kind(name, now, IPCX_KIND_QUEUE);
}

/* A mapping that stays holds the endpoint, and with it all that was loaned or taken. */
static void unmap_all(const struct ipcx_kernel_queue *k)
{
	if (k->tx.base)
		munmap(k->tx.base, k->window_size);
	if (k->rx.base)
		munmap(k->rx.base, k->window_size);
	if (k->places)
		munmap(k->places, k->places_size);
	for (uint32_t i = 0; k->maps && i < k->base.attr.depth; i++)
		if (k->maps[i].addr)
			munmap(k->maps[i].addr, k->maps[i].len);
}

static void forget_all(struct ipcx_kernel_queue *k)
{
	k->tx.base = NULL;
	k->rx.base = NULL;
	k->places = NULL;
	if (k->maps)
		memset(k->maps, 0, k->base.attr.depth * sizeof(*k->maps));
}

void ipcx_kernel_close(struct ipcx_queue *q)
{
	struct ipcx_kernel_queue *k = (struct ipcx_kernel_queue *)q;

	unmap_all(k);
	if (q->fd >= 0)
		close(q->fd);
	free(k->maps);
	free(k);
}

/* The kernel does not copy windows to a child: maps at @addr again, or returns NULL. */
void *ipcx_kernel_map_again(int fd, void *addr, size_t len, int prot, uint64_t offset)
{
	void *again;

	again = mmap(addr, len, prot, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, offset);
	if (again == addr)
		return addr;
	if (again != MAP_FAILED)
		munmap(again, len); /* Linux before 4.17 does not know NOREPLACE */
	return NULL;
}

static bool map_all_again(struct ipcx_kernel_queue *k)
{
	bool lost = false;

	for (struct ipcx_window *w = &k->tx; w; w = w == &k->tx ? &k->rx : NULL) {
		if (!w->base)
			continue;
		w->base = ipcx_kernel_map_again(k->base.fd, w->base, k->window_size, w->prot,
						w->offset);
		lost |= !w->base;
	}
	for (uint32_t i = 0; k->maps && i < k->base.attr.depth; i++) {
		struct ipcx_slot_map *s = &k->maps[i];

		if (!s->addr)
			continue;
		s->addr = ipcx_kernel_map_again(k->base.fd, s->addr, s->len, s->window->prot,
						s->window->offset + i * k->stride);
		lost |= !s->addr;
	}
	return !lost;
}

void ipcx_kernel_forked(struct ipcx_queue *q)
{
	struct ipcx_kernel_queue *k = (struct ipcx_kernel_queue *)q;

	k->spare = 0; /* the parent's */
	if (q->flags & IPCX_INHERIT) {
		if (map_all_again(k))
			return;
		unmap_all(k);
	} else if (k->places) {
		munmap(k->places, k->places_size); /* the windows were not copied */
	}
	forget_all(k);
	close(q->fd);
	q->fd = -1;
}
