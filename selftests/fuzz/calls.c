// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of a program: the ioctls, reads, writes and what is done with
 * descriptors. Results are remembered in struct state, so that later calls
 * have something valid to name. What is about messages is in batch.c, what works
 * on memory in memory.c.
 *
 * Nothing here allocates: a process of a program is to be cheap.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ipcx_region.h>
#include <linux/ipcx_tap.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

static void call_open(struct state *s, const struct call *c)
{
	uint32_t name = c->arg[0] % NAMES, dead = (c->arg[6] >> 8 & 0xff) % NAMES;
	struct ipcx_queue_open *o = (void *)arg_page;
	struct end e = {};

	*o = (struct ipcx_queue_open){
		.size = sizeof(*o),
		.flags = c->arg[1],
		.name = (uintptr_t)names[name],
		.name_len = name_length(name),
		.depth = c->arg[2],
		.msg_max = c->arg[3],
		.bytes_max = c->arg[4],
		.mode = c->arg[5],
		.policy = c->arg[6] & 0xff,
		.dead_letter = (uintptr_t)names[dead],
		.dead_letter_len = name_length(dead),
		.max_deliveries = c->arg[6] >> 16 & 0xff,
		.lease_ms = c->arg[6] >> 24,
		.leases_max = c->arg[5] >> 32,
	};
	e.fd = spoilt_ioctl(s, s->dev, IPCX_IOC_QUEUE_OPEN, o, sizeof(*o), c->arg[7]);
	if (e.fd <= 0)
		return;
	e.depth = o->out_depth;
	e.stride = o->out_stride;
	e.window = o->out_window;
	e.msg_max = o->out_msg_max;
	end_remember(s, &e);
}

/* @user: 0 for the process's own, else another's */
static void call_dev(struct state *s, uint32_t user)
{
	uid_t own = geteuid();
	bool other = user && !seteuid(USER + user % 2);
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	if (other && seteuid(own))
		abort();
	s->used_up |= other;
	if (fd >= 0 && dup2(fd, s->dev) >= 0)
		close(fd);
}

static void call_info(struct state *s, const struct call *c)
{
	struct ipcx_info *info = (void *)arg_page;

	*info = (struct ipcx_info){ .size = sizeof(*info) };
	spoilt_ioctl(s, s->dev, IPCX_IOC_INFO, info, sizeof(*info), c->arg[0]);
}

static void call_unlink(struct state *s, const struct call *c)
{
	uint32_t name = c->arg[0] % NAMES;
	struct ipcx_unlink *u = (void *)arg_page;

	*u = (struct ipcx_unlink){
		.size = sizeof(*u),
		.flags = c->arg[3] ? IPCX_UNLINK_NOW : 0,
		.name = (uintptr_t)names[name],
		.name_len = name_length(name),
		.kind = c->arg[1] ? c->arg[1] + 1 : IPCX_KIND_QUEUE,
	};
	spoilt_ioctl(s, s->dev, IPCX_IOC_UNLINK, u, sizeof(*u), c->arg[2]);
}

/* Whoever may not write a region must not get it to write by another way. */
void region_use(int fd, uint32_t flags, uint64_t bytes, uint64_t use)
{
	bool writes = flags & IPCX_REGION_WRITE, reads = flags & IPCX_REGION_READ;
	void *p = MAP_FAILED;

	switch (use) {
	case 1:
		if (write(fd, "x", 1) == 1 && !writes)
			shared->broken = "a region that may not be written was";
		break;
	case 2:
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED && !(reads && writes))
			shared->broken = "a region that may not be mapped to be written was";
		break;
	case 3:
		if (!ftruncate(fd, bytes / 2) && !writes)
			shared->broken = "a region that may not be truncated was";
		break;
	case 4:
		if (!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) && !writes)
			shared->broken = "a region that may not be sealed was";
		break;
	}
	if (p != MAP_FAILED)
		munmap(p, 4096);
}

static void call_region(struct state *s, const struct call *c)
{
	uint32_t name = c->arg[0] % NAMES;
	struct ipcx_region_open *o = (void *)arg_page;
	int fd;

	*o = (struct ipcx_region_open){
		.size = sizeof(*o),
		.flags = c->arg[1],
		.name = (uintptr_t)names[name],
		.name_len = name_length(name),
		.mode = c->arg[2],
		.bytes = c->arg[3],
	};
	fd = spoilt_ioctl(s, s->dev, IPCX_IOC_REGION_OPEN, o, sizeof(*o), c->arg[5]);
	if (fd <= 0)
		return;
	if (!c->arg[5]) /* else the flags may be others */
		region_use(fd, c->arg[1], c->arg[3], c->arg[4]);
	close(fd);
}

/* Whole records, with no more behind them than was asked for. */
static void tap_look(int fd, uint32_t snap, size_t len)
{
	static char buf[65536] __attribute__((aligned(8)));
	ssize_t n = read(fd, buf, len);
	const struct ipcx_tap_record *r;

	for (ssize_t at = 0; at < n; at += r->size) {
		r = (void *)(buf + at);
		if (n - at < (ssize_t)sizeof(*r) || r->size < sizeof(*r) || r->size > n - at ||
		    r->size % 8 || r->snapped > snap || r->snapped > r->len ||
		    r->size - sizeof(*r) - r->snapped >= 8) {
			shared->broken = "a tap does not give whole records";
			return;
		}
	}
}

static void call_tap(struct state *s, const struct call *c)
{
	uint32_t name = c->arg[0] % NAMES;
	struct ipcx_tap_open *o = (void *)arg_page;
	int fd;

	*o = (struct ipcx_tap_open){
		.size = sizeof(*o),
		.name = (uintptr_t)names[name],
		.name_len = name_length(name),
		.kind = c->arg[1],
		.snap = c->arg[2],
		.record_size = sizeof(struct ipcx_tap_record),
	};
	fd = spoilt_ioctl(s, s->dev, IPCX_IOC_TAP_OPEN, o, sizeof(*o), c->arg[5]);
	if (fd <= 0)
		return;
	for (uint64_t i = 0; !c->arg[5] && i < c->arg[3] % 8; i++) {
		tap_look(fd, c->arg[2], c->arg[4] % 65537);
		sched_yield();
	}
	close(fd);
}

static void call_stat(struct state *s, const struct call *c)
{
	struct end *e = end_of_kind(s, c->arg[0], false);
	struct ipcx_queue_stat *q = (void *)arg_page;
	uint64_t known;

	*q = (struct ipcx_queue_stat){ .size = sizeof(*q) };
	if (spoilt_ioctl(s, queue_fd(s, c->arg[0]), IPCX_IOC_QUEUE_STAT, q, sizeof(*q),
			 c->arg[1]) ||
	    c->arg[1] || !e || !e->depth) /* it is not known if what OPEN wrote was elsewhere */
		return;
	if (q->out_free + q->out_loaned + q->out_queued + q->out_leased + q->out_answers !=
	    e->depth)
		shared->broken = "a slot is in no state, or in two";
	known = q->out_queued + q->out_leased + q->out_released + q->out_dropped_oldest +
		q->out_dropped_newest + q->out_expired + q->out_poison + q->out_withdrawn;
	if (q->out_sent < known || q->out_sent > known + q->out_loaned)
		shared->broken = "what became of the messages is not what was sent";
}

/* By one buffer; by some; or by some, and without waiting. */
static void call_io(struct state *s, const struct call *c)
{
	size_t len = c->arg[1] % (BUFFER + 1);
	struct iovec v[3] = {
		{ memory_of(s, c->arg[2]), len / 3 },
		{ buffer, len / 3 },
		{ buffer, len - len / 3 * 2 },
	};
	int fd = queue_fd(s, c->arg[0]), flags = c->arg[3] == 2 ? RWF_NOWAIT : 0;

	if (c->op == OP_READ && c->arg[3])
		(void)!preadv2(fd, v, 3, -1, flags);
	else if (c->op == OP_READ)
		(void)!read(fd, v[0].iov_base, len);
	else if (c->arg[3])
		(void)!pwritev2(fd, v, 3, -1, flags);
	else
		(void)!write(fd, v[0].iov_base, len);
}

static void call_poll(struct state *s, const struct call *c)
{
	struct pollfd p = { .fd = end_fd(s, c->arg[0]), .events = c->arg[1] };

	poll(&p, 1, c->arg[2] & 3);
}

static void call_epoll(struct state *s, const struct call *c)
{
	struct epoll_event ev = { .events = c->arg[2] };

	if (s->epoll <= 0)
		s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->arg[1])
		epoll_ctl(s->epoll, c->arg[1], end_fd(s, c->arg[0]), &ev);
	else
		epoll_wait(s->epoll, &ev, 1, c->arg[2] & 1);
}

static void call_nonblock(struct state *s, const struct call *c)
{
	fcntl(end_fd(s, c->arg[0]), F_SETFL, c->arg[1] ? O_NONBLOCK : 0);
}

static void call_dup(struct state *s, const struct call *c)
{
	struct end *e = end_find(s, c->arg[0]), copy;

	if (!e)
		return;
	copy = *e;
	copy.fd = dup(e->fd);
	if (copy.fd > 0)
		end_remember(s, &copy);
}

static void call_close(struct state *s, const struct call *c)
{
	struct end *e = end_find(s, c->arg[0]);

	if (!e)
		return;
	close(e->fd);
	e->fd = 0;
}

/* The attributes go with the descriptor. Which process gets it is left to chance. */
static void call_sendfd(struct state *s, const struct call *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = {};
	struct end *e = end_find(s, c->arg[0]);
	struct iovec iov = { e, sizeof(*e) };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);

	if (!e)
		return;
	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(m), &e->fd, sizeof(int));
	sendmsg(s->socket[0], &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void call_recvfd(struct state *s)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = {};
	struct end e;
	struct iovec iov = { &e, sizeof(e) };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *m;

	if (recvmsg(s->socket[1], &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(e))
		return;
	m = CMSG_FIRSTHDR(&h);
	if (!m || m->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&e.fd, CMSG_DATA(m), sizeof(int));
	end_remember(s, &e);
}

/* Reads a file in two pieces. */
static void read_file(const char *path, uint64_t first)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!read(fd, buffer, first % BUFFER);
	(void)!read(fd, buffer, BUFFER);
	close(fd);
}

/* All queues, and an endpoint. */
static void call_list(struct state *s, const struct call *c)
{
	char path[64];

	read_file("/proc/net/ipcx", c->arg[0]);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", end_fd(s, c->arg[1]));
	read_file(path, c->arg[0]);
}

/* Without privileges, and with a device file that knows it. */
static void call_drop(struct state *s)
{
	s->used_up = true;
	if (!setresgid(USER, USER, USER) && !setresuid(USER, USER, USER))
		call_dev(s, 0);
}

static void call_kill(const struct call *c)
{
	pid_t pid = shared->pid[c->arg[0] % PROCS_MAX];

	if (pid > 0)
		kill(pid, SIGKILL);
}

static void call_ioctl(struct state *s, const struct call *c)
{
	memset(arg_page, 0, 64);
	*(uint32_t *)arg_page = 24;
	/* the device's own, or an endpoint's on the device: never one of another driver */
	ioctl(c->arg[0] & RAW ? s->dev : end_fd(s, c->arg[0]), c->arg[1], arg_page);
}

/* Without a deadline of its own? */
bool call_may_sleep(const struct call *c)
{
	switch (c->op) {
	case OP_READ:
	case OP_WRITE:
		return true;
	case OP_LOAN:
		return c->arg[3] == WAIT_FOREVER || c->arg[4];
	case OP_TAKE:
	case OP_CALL:
	case OP_REPLY:
		return c->arg[2] == WAIT_FOREVER || c->arg[6];
	case OP_WAIT:
		return c->arg[2] == WAIT_FOREVER || c->arg[3];
	}
	return false;
}

/*
 * Makes one call. Return: 0, or for OP_FORK the number of calls that a child
 * shall make beside its parent.
 */
uint32_t call_make(struct state *s, const struct call *c)
{
	switch (c->op) {
	case OP_OPEN:
		call_open(s, c);
		break;
	case OP_DEV:
		call_dev(s, c->arg[0]);
		break;
	case OP_INFO:
		call_info(s, c);
		break;
	case OP_UNLINK:
		call_unlink(s, c);
		break;
	case OP_REGION:
		call_region(s, c);
		break;
	case OP_TAP:
		call_tap(s, c);
		break;
	case OP_LOAN:
	case OP_COMMIT:
	case OP_CANCEL:
	case OP_TAKE:
	case OP_RELEASE:
	case OP_CALL:
	case OP_REPLY:
	case OP_ATTACH:
	case OP_FETCH:
		call_batch(s, c);
		break;
	case OP_READ:
	case OP_WRITE:
		call_io(s, c);
		break;
	case OP_POLL:
		call_poll(s, c);
		break;
	case OP_EPOLL:
		call_epoll(s, c);
		break;
	case OP_NONBLOCK:
		call_nonblock(s, c);
		break;
	case OP_STAT:
		call_stat(s, c);
		break;
	case OP_IOCTL:
		call_ioctl(s, c);
		break;
	case OP_DUP:
		call_dup(s, c);
		break;
	case OP_CLOSE:
		call_close(s, c);
		break;
	case OP_FORK:
		return c->arg[0];
	case OP_SENDFD:
		call_sendfd(s, c);
		break;
	case OP_RECVFD:
		call_recvfd(s);
		break;
	case OP_KILL:
		call_kill(c);
		break;
	case OP_SLEEP:
		usleep(c->arg[0] % 5000);
		break;
	case OP_LIST:
		call_list(s, c);
		break;
	case OP_ASK:
		call_ask(s, c);
		break;
	case OP_HEED:
		call_heed(s, c);
		break;
	case OP_EXIT:
		s->used_up = true; /* at its end, with all that it has */
		break;
	case OP_UNSHARE:
		s->used_up = true;
		unshare(c->arg[0] & (CLONE_NEWNET | CLONE_NEWUSER | CLONE_FILES | 0x80 |
				     CLONE_NEWPID | CLONE_NEWIPC));
		break;
	case OP_DROP:
		call_drop(s);
		break;
	default:
		if (c->op >= OP_JOIN)
			call_topic(s, c);
		else
			call_memory(s, c);
	}
	return 0;
}
