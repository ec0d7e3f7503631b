/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls of flip: what each works on, and whether what it did is what its
 * arguments said at one instant.
 */
#ifndef FLIP_CALLS_H
#define FLIP_CALLS_H

#include "ipcx_util.h"

#define DEPTH	8
#define SMALL	4096
#define LARGE	(4 * 4096) /* too many pages to stay with a loan of SMALL */
#define OTHERS	2 /* slots of other: one on loan, one leased */
#define TAG	0x123456789abcdefULL
#define CANARY	0xa5

/**
 * struct call - an ioctl and its surroundings
 * @name: of the ioctl
 * @cmd: its number
 * @device: it is one of /dev/ipcx
 * @prepare: makes what it works on and fills arg
 * @check: looks at what it did, takes that away. Return: NULL, or what is wrong
 */
struct call {
	const char *name;
	unsigned long cmd;
	bool device;
	const char *(*prepare)(void);
	const char *(*check)(int ret);
};

/* What the other thread changes part of: the argument, and what it points to. */
static union {
	__u32 size;
	struct ipcx_info info;
	struct ipcx_queue_open open;
	struct ipcx_unlink unlink;
	struct ipcx_queue_loan loan;
	struct ipcx_queue_commit commit;
	struct ipcx_queue_take take;
	struct ipcx_queue_release release;
	struct ipcx_queue_stat stat;
	unsigned char bytes[4096];
} arg;

static struct ipcx_desc x[2], y[2]; /* two arrays: one of them is used, never both */
static char name[7] = "flip-a", name_b[7] = "flip-b";

static struct end e, other, named[2]; /* e makes the calls; queues called name, name_b */
static int dev, next_fd;
static struct ipcx_desc mine[2], others[OTHERS]; /* others: on loan, leased */
static struct ipcx_queue_stat before;

static void stat_of(struct ipcx_queue_stat *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	ioctl(e.fd, IPCX_IOC_QUEUE_STAT, s);
}

/* Whatever a call did: all slots but those of other are free again. */
static const char *clean(void)
{
	struct ipcx_queue_stat s;
	struct ipcx_desc d = {};

	for (d.slot = 0; d.slot < DEPTH; d.slot++)
		raw_cancel(e.fd, &d);
	for (int i = 0; i < 2; i++) {
		raw_release(e.fd, &mine[i]);
		raw_release(e.fd, &x[i]);
		raw_release(e.fd, &y[i]);
	}
	while (raw_take(e.fd, &d, 0) == 1)
		raw_release(e.fd, &d);
	stat_of(&s);
	if (s.out_free != DEPTH - OTHERS || s.out_loaned != 1 || s.out_leased != 1)
		return "slots are lost, or those of another were given away";
	return NULL;
}

/* @size: of the argument; what lies behind is not the kernel's. */
static void arg_init(size_t size)
{
	memset(arg.bytes, 0, size);
	arg.bytes[size] = CANARY;
	arg.size = size;
	memset(x, 0, sizeof(x));
	x[0].slot = IPCX_SLOT_NONE;
	x[1].slot = IPCX_SLOT_NONE;
	memcpy(y, x, sizeof(y));
	stat_of(&before);
}

/* How many entries got a slot. */
static int filled(const struct ipcx_desc *d)
{
	return (d[0].slot != IPCX_SLOT_NONE) + (d[1].slot != IPCX_SLOT_NONE);
}

static const struct ipcx_desc *used(void)
{
	return filled(y) ? y : x;
}

static const char *loan_prepare(void)
{
	arg_init(sizeof(arg.loan));
	arg.loan.descs = (uintptr_t)x;
	arg.loan.count = 1;
	arg.loan.desc_size = sizeof(*x);
	for (int i = 0; i < 2; i++) {
		x[i].len = SMALL;
		y[i].len = SMALL;
	}
	return NULL;
}

/* A loan has the pages of its length, SMALL or LARGE, whatever its entry says by now. */
static const char *loan_is_whole(unsigned int slot)
{
	struct ipcx_desc d = { .slot = slot, .len = LARGE };
	bool small = !probe(tx_at(&e, &d) + SMALL - 1, true);
	bool large = !probe(tx_at(&e, &d) + LARGE - 1, true);
	int ret = raw_commit(e.fd, &d);

	if (!small || (ret == 1 && !large))
		return "a loan without pages";
	return ret == 1 || ret == -EMSGSIZE ? NULL : "a loan that cannot be sent";
}

static const char *loan_check(int ret)
{
	struct ipcx_queue_stat s;
	const char *wrong = NULL;

	stat_of(&s);
	if (ret > 0 && filled(x) && filled(y))
		return "two arrays written to";
	if (s.out_loaned - before.out_loaned != (ret > 0 ? ret : 0))
		return "more or fewer loans than told";
	if (filled(used()) != (ret > 0 ? ret : 0))
		return "loans that nobody was told of";
	for (int i = 0; i < ret && !wrong; i++)
		wrong = loan_is_whole(used()[i].slot);
	return wrong ?: clean();
}

/* Two loans, each with its slot's number as payload. */
static const char *loaned(void)
{
	arg_init(sizeof(arg.commit));
	for (int i = 0; i < 2; i++) {
		if (raw_loan(e.fd, &mine[i], SMALL, 0) != 1)
			return "no loan";
		*tx_at(&e, &mine[i]) = mine[i].slot;
		x[i] = mine[i];
		x[i].len = 8;
		x[i].tag = TAG;
	}
	memcpy(y, x, sizeof(y));
	y[0].tag = ~TAG;
	y[1].tag = ~TAG;
	arg.commit.descs = (uintptr_t)x;
	arg.commit.count = 1;
	arg.commit.desc_size = sizeof(*x);
	stat_of(&before);
	return NULL;
}

static const char *message_wrong(const struct ipcx_desc *d)
{
	if (d->slot != mine[0].slot && d->slot != mine[1].slot)
		return "a slot of another was sent";
	if (d->len != 8 && d->len != SMALL)
		return "a length that was refused";
	if (d->prio > IPCX_PRIO_MAX || d->flags)
		return "a priority or a flag that was refused";
	if (d->tag != TAG && d->tag != ~TAG)
		return "a tag that nobody gave";
	return *rx_at(&e, d) == d->slot ? NULL : "not what was sent";
}

static const char *commit_check(int ret)
{
	const char *wrong = NULL;
	struct ipcx_queue_stat s;
	struct ipcx_desc d;

	stat_of(&s);
	if (s.out_queued != (ret > 0 ? ret : 0))
		return "more or fewer messages than told";
	while (!wrong && raw_take(e.fd, &d, 0) == 1) {
		wrong = message_wrong(&d);
		if (raw_release(e.fd, &d) != 1)
			wrong = "not released";
	}
	return wrong ?: clean();
}

static const char *cancel_check(int ret)
{
	struct ipcx_queue_stat s;

	stat_of(&s);
	if (before.out_loaned - s.out_loaned != (ret > 0 ? ret : 0))
		return "more or fewer slots back than told";
	return clean();
}

static const char *queued(void)
{
	const char *wrong = loaned();

	for (int i = 0; i < 2 && !wrong; i++)
		if (raw_commit(e.fd, &mine[i]) != 1)
			wrong = "not sent";
	return wrong;
}

static const char *take_prepare(void)
{
	const char *wrong = queued();

	arg_init(sizeof(arg.take));
	arg.take.descs = (uintptr_t)x;
	arg.take.count = 1;
	arg.take.desc_size = sizeof(*x);
	arg.take.len_max = UINT64_MAX;
	return wrong;
}

static const char *take_check(int ret)
{
	struct ipcx_queue_stat s;
	int leased;

	stat_of(&s);
	leased = s.out_leased - before.out_leased;
	if (s.out_queued + leased != 2)
		return "a message is lost";
	if (ret > 0 && filled(x) && filled(y))
		return "two arrays written to";
	if (filled(used()) != leased)
		return "messages that nobody was told of";
	/* a peek describes one and leaves it */
	if (leased != (ret > 0 ? ret : 0) && !(ret == 1 && !leased && x[0].seq))
		return "more or fewer messages than told";
	for (int i = 0; i < leased; i++)
		if (*rx_at(&e, &used()[i]) != used()[i].slot)
			return "not what was sent";
	return clean();
}

static const char *leased(void)
{
	const char *wrong = queued();

	for (int i = 0; i < 2 && !wrong; i++)
		if (raw_take(e.fd, &mine[i], 0) != 1)
			wrong = "not taken";
	return wrong;
}

static const char *release_prepare(void)
{
	const char *wrong = leased();

	arg_init(sizeof(arg.release));
	memcpy(x, mine, sizeof(x));
	memcpy(y, mine, sizeof(y));
	arg.release.descs = (uintptr_t)x;
	arg.release.count = 1;
	arg.release.desc_size = sizeof(*x);
	return wrong;
}

static const char *release_check(int ret)
{
	struct ipcx_queue_stat s;
	int gone;

	stat_of(&s);
	gone = before.out_leased - s.out_leased;
	if (gone != (ret > 0 ? ret : 0))
		return "more or fewer messages released than told";
	if (s.out_queued + s.out_released - before.out_released != gone)
		return "neither done nor delivered again";
	return clean();
}

/* A take that releases first, and finds nothing. */
static const char *next_prepare(void)
{
	const char *wrong = leased();

	arg_init(sizeof(arg.take));
	memcpy(x, mine, sizeof(x));
	memcpy(y, mine, sizeof(y));
	arg.take.flags = IPCX_TAKE_RELEASE;
	arg.take.descs = (uintptr_t)x;
	arg.take.count = 1;
	arg.take.desc_size = sizeof(*x);
	arg.take.len_max = UINT64_MAX;
	return wrong;
}

static const char *next_check(int ret)
{
	struct ipcx_queue_stat s;

	if (ret >= 0)
		return "a message out of nowhere";
	stat_of(&s);
	if (before.out_leased - s.out_leased != (ret == -EAGAIN))
		return "released and not told, or told and not released";
	if (s.out_released - before.out_released != (ret == -EAGAIN))
		return "not released";
	return clean();
}

static const char *open_prepare(void)
{
	arg_init(sizeof(arg.open));
	arg.open.flags = IPCX_OPEN_RECV;
	arg.open.name = (uintptr_t)name;
	arg.open.name_len = sizeof(name) - 1;
	return NULL;
}

/* A descriptor that is told is the next one; without one, none is left open. */
static const char *descriptor_check(int ret)
{
	int fd;

	if (ret >= 0 && (ret != next_fd || close(ret)))
		return "not the descriptor that was told";
	fd = dup(dev);
	close(fd);
	return fd == next_fd ? NULL : "a descriptor is left";
}

static const char *open_check(int ret)
{
	const char *wrong = descriptor_check(ret);

	if (wrong)
		return wrong;
	if (arg.bytes[sizeof(arg.open)] != CANARY)
		return "written behind the argument";
	if (ret >= 0 && arg.open.out_id != named[0].o.out_id &&
	    arg.open.out_id != named[1].o.out_id)
		return "a queue of another name";
	return NULL;
}

static const char *create_prepare(void)
{
	arg_init(sizeof(arg.open));
	arg.open.flags = CREATE | SENDRECV;
	arg.open.mode = 0600;
	arg.open.depth = 2;
	arg.open.msg_max = SMALL;
	return NULL;
}

/* Attributes are within their limits, and the queue is one of them. */
static const char *create_check(int ret)
{
	const struct ipcx_queue_open *o = &arg.open;
	const char *wrong = NULL, *left;
	struct ipcx_desc d;

	if (arg.bytes[sizeof(arg.open)] != CANARY)
		wrong = "written behind the argument";
	if (ret >= 0) {
		if (o->out_depth != 2 && o->out_depth != 4)
			wrong = "a depth that was refused";
		else if (o->out_msg_max != SMALL && o->out_msg_max != LARGE)
			wrong = "a length that was refused";
		else if (o->out_stride < o->out_msg_max ||
			 o->out_window < o->out_depth * o->out_stride)
			wrong = "a window that is too small";
		else if (o->out_mode & ~0777 || o->out_policy > IPCX_POLICY_DROP_NEWEST)
			wrong = "a mode or a policy that was refused";
		else if (raw_loan(ret, &d, o->out_msg_max, 0) != 1 ||
			 raw_loan(ret, &d, o->out_msg_max + 1, 0) != -EMSGSIZE)
			wrong = "not the longest message that was told";
	}
	left = descriptor_check(ret);
	return wrong ?: left;
}

static const char *unlink_prepare(void)
{
	arg_init(sizeof(arg.unlink));
	arg.unlink.name = (uintptr_t)name;
	arg.unlink.name_len = sizeof(name) - 1;
	arg.unlink.kind = IPCX_KIND_QUEUE;
	return NULL;
}

/* Makes those of the two that are missing. Return: how many, or a negative errno. */
static int make_named(void)
{
	static const char *const names[] = { "flip-a", "flip-b" };
	struct end old;
	int made = 0, err;

	for (int i = 0; i < 2; i++) {
		old = named[i];
		memset(&named[i], 0, sizeof(named[i]));
		err = end_open(&named[i], names[i], CREATE | IPCX_OPEN_RECV);
		if (err)
			return err;
		made += named[i].o.out_id != old.o.out_id;
		if (old.rx)
			end_close(&old);
		next_fd = dup(dev);
		close(next_fd);
	}
	return made;
}

static const char *unlink_check(int ret)
{
	if (make_named() != !ret)
		return "not the names that were told are gone";
	return NULL;
}

static const char *info_prepare(void)
{
	arg_init(sizeof(arg.info));
	return NULL;
}

static const char *info_check(int ret)
{
	if (arg.bytes[sizeof(arg.info)] != CANARY)
		return "written behind the argument";
	return ret || arg.info.out_abi == IPCX_ABI_VERSION ? NULL : "another version";
}

static const char *stat_prepare(void)
{
	arg_init(sizeof(arg.stat));
	return NULL;
}

static const char *stat_check(int ret)
{
	if (arg.bytes[sizeof(arg.stat)] != CANARY)
		return "written behind the argument";
	return ret || arg.stat.out_free == DEPTH - OTHERS ? NULL : "a slot is lost";
}

#endif /* FLIP_CALLS_H */
