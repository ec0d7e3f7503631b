// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues and topics of this machine behind one face, and what tells their messages apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local.h"
#include "queue_shm_call.h"
#include "topic_shm.h"
#include "transport.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0xff51afd7ed558ccd;
	a ^= a >> 32;
	a *= 0x9fb21c651e98df25;
	return a ^ a >> 29;
}

static uint64_t random_number(void)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = mix(now_ns(), getpid());
	return n;
}

/* Of a file: what no other has had since the machine came up; 0 if that cannot be told */
static uint64_t born(int fd, const char *path)
{
	struct statx x;

	if (statx(fd, path, AT_EMPTY_PATH, STATX_BTIME | STATX_INO, &x))
		return 0;
	if (!(x.stx_mask & STATX_BTIME))
		x.stx_btime = (struct statx_timestamp){ 0 };
	return mix(x.stx_ino, mix(x.stx_btime.tv_sec, x.stx_btime.tv_nsec));
}

/*
 * The kernel's objects have numbers of their own, which begin anew with the module: its device is
 * made then. Over shm it is the memory that is made anew. What is taken over the others, or of a
 * topic, does not come again: any number does that was not there before.
 */
static void set_object(struct local *l)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };
	struct ipcx_topic_attr ta = { .sz = sizeof(ta) };
	const struct ipcx_topic *memory = NULL;
	uint64_t time = 0;

	if (l->q && l->q->ops == &ipcx_transport_kernel) {
		time = born(AT_FDCWD, "/dev/ipcx");
		ipcx_queue_attr(l->q, &a);
		l->sent_counts = time;
		l->number = a.id;
	} else if (l->q && l->q->ops == &ipcx_transport_shm) {
		memory = ipcx_shm_queue(l->q)->t;
		time = born(memory->mem, "");
		l->rings = true;
		l->place = &memory->shm->place;
	}
	if (l->t && l->t->ops == &ipcx_topic_shm)
		l->place = &l->t->shm->place;
	if (l->t && l->t->ops == &ipcx_topic_kernel && !ipcx_topic_attr(l->t, &ta))
		l->number = ta.id;
	l->steady = time;
	l->object = time ? mix(time, a.id) : random_number();
}

static int open_queue(struct local *l, const char *uri, bool out)
{
	int r = ipcx_queue_open(&l->q, uri, IPCX_CREATE | (out ? IPCX_RECV : IPCX_SEND), NULL);

	if (!r)
		set_object(l);
	return r;
}

static int open_topic(struct local *l, const char *uri, enum kind kind, bool out)
{
	unsigned int flags = IPCX_CREATE | (out ? IPCX_SUBSCRIBE : IPCX_PUBLISH);
	int r;

	if (out && kind == KIND_LATEST)
		flags |= IPCX_LOSSY;
	r = ipcx_topic_open(&l->t, uri, flags, NULL);
	if (!r)
		set_object(l);
	return r;
}

int local_open(struct local *l, const struct rule *r, bool out)
{
	const char *uri = out ? r->out : r->in;
	int err;

	*l = (struct local){ 0 };
	err = is_topic(r->kind) ? open_topic(l, uri, r->kind, out) : open_queue(l, uri, out);
	if (err)
		*l = (struct local){ 0 };
	return err;
}

void local_close(struct local *l)
{
	ipcx_queue_close(l->q);
	ipcx_topic_close(l->t);
	*l = (struct local){ 0 };
}

bool local_is_same(const char *uri, const char *other)
{
	const struct ipcx_transport *a, *b;
	const char *name, *other_name;

	if (!*uri || !*other || ipcx_pick_queue(uri, &a, &name) ||
	    ipcx_pick_queue(other, &b, &other_name))
		return false;
	return (a == b || !a || !b) && !strcmp(name, other_name);
}

uint64_t local_depth(const struct local *l)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };

	return l->q && !ipcx_queue_attr(l->q, &a) ? a.depth : 0;
}

uint64_t local_room(const struct local *l)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };
	uint64_t depth = local_depth(l), used;

	if (!l->q || ipcx_queue_stat(l->q, &s))
		return 0;
	if (s.free) /* the kernel tells */
		return s.free;
	used = s.queued + s.leased;
	return used < depth ? depth - used : 0;
}

bool local_comes_again(const struct local *l)
{
	return l->q && ipcx_queue_caps(l->q) & IPCX_CAP_REDELIVERY;
}

/* Of the kernel: does the name stand for another one now, or for none? */
static bool is_other(const struct local *l, const char *uri)
{
	struct ipcx_queue_attr qa = { .sz = sizeof(qa) };
	struct ipcx_topic_attr ta = { .sz = sizeof(ta) };
	struct ipcx_queue *q = NULL;
	struct ipcx_topic *t = NULL;
	uint64_t id = l->number;
	int r;

	if (l->q) {
		r = ipcx_queue_open(&q, uri, l->q->flags & (IPCX_SEND | IPCX_RECV), NULL);
		if (!r && !ipcx_queue_attr(q, &qa))
			id = qa.id;
		ipcx_queue_close(q);
	} else {
		/* lossy: it holds no publisher up; one end more that publishes would cost a ring */
		r = ipcx_topic_open(&t, uri, IPCX_SUBSCRIBE | IPCX_LOSSY, NULL);
		if (!r && !ipcx_topic_attr(t, &ta))
			id = ta.id;
		ipcx_topic_close(t);
	}
	return r == -ENOENT || id != l->number;
}

bool local_removed(const struct local *l, const char *uri)
{
	if (l->place)
		return !ipcx_place_is_there(l->place);
	return l->number && is_other(l, uri);
}

bool local_is_gone(int err)
{
	switch (err) {
	case -EIDRM:
	case -ESTALE:
	case -ENODEV:
	case -ENOTCONN:
	case -EBADF:
		return true;
	}
	return false;
}

bool local_replies_at_once(const struct local *l)
{
	return l->q && (l->q->ops == &ipcx_transport_kernel || l->q->ops == &ipcx_transport_shm);
}

int local_fd(const struct local *l)
{
	return l->q ? ipcx_queue_fd(l->q) : l->t ? ipcx_topic_fd(l->t) : -1;
}

void local_polled(const struct local *l)
{
	if (l->q && l->q->ops == &ipcx_transport_shm)
		ipcx_shm_not_polled(ipcx_shm_queue(l->q)->t);
	else if (l->t && l->t->ops == &ipcx_topic_shm)
		ipcx_shm_not_polled(l->t);
}

int local_take(struct local *l, struct ipcx_msg *m)
{
	int r = l->q ? ipcx_queue_take(l->q, m, IPCX_NOWAIT) :
		       ipcx_topic_take(l->t, m, IPCX_NOWAIT);

	if (!r)
		l->taken++;
	return r;
}

int local_release(struct local *l, struct ipcx_msg *m)
{
	return l->q ? ipcx_queue_release(l->q, m) : ipcx_topic_release(l->t, m);
}

int local_nack(struct local *l, struct ipcx_msg *m)
{
	return l->q ? ipcx_queue_nack(l->q, m) : ipcx_topic_release(l->t, m);
}

int local_loan(struct local *l, size_t len, struct ipcx_msg *m, int64_t deadline)
{
	return l->q ? ipcx_queue_loan(l->q, len, m, deadline) :
		      ipcx_topic_loan(l->t, len, m, deadline);
}

int local_commit(struct local *l, struct ipcx_msg *m)
{
	return l->q ? ipcx_queue_commit(l->q, m) : ipcx_topic_commit(l->t, m);
}

void local_cancel(struct local *l, struct ipcx_msg *m)
{
	if (l->q)
		ipcx_queue_cancel(l->q, m);
	else
		ipcx_topic_cancel(l->t, m);
}

uint64_t local_sent(const struct local *l)
{
	struct ipcx_queue_stats s = { .sz = sizeof(s) };

	return !l->sent_counts || ipcx_queue_stat(l->q, &s) ? 0 : s.sent;
}

int local_ring(const struct local *l)
{
	if (!l->t || (l->t->ops != &ipcx_topic_kernel && l->t->ops != &ipcx_topic_shm))
		return -1;
	return l->t->o.out_ring;
}

int local_from_ring(const struct ipcx_msg *m)
{
	return m->priv[IPCX_TOPIC_PRIV_WHERE] & 0xff;
}

void local_number(struct local *l, const struct ipcx_msg *m, char *to, size_t room)
{
	if (!l->steady)
		snprintf(to, room, "%llx:%llu", (unsigned long long)l->object,
			 (unsigned long long)l->taken);
	else if (l->rings)
		snprintf(to, room, "%llx.%llx:%llu", (unsigned long long)l->object,
			 (unsigned long long)m->priv[IPCX_TOPIC_PRIV_ID],
			 (unsigned long long)m->priv[IPCX_TOPIC_PRIV_POS]);
	else
		snprintf(to, room, "%llx:%llu", (unsigned long long)l->object,
			 (unsigned long long)m->seq);
}
