/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What races in race: the endpoints, and each call with all its arguments bound.
 * A round costs little beside the two calls, so there may be many: a queue stays
 * for all rounds where neither call closes or makes one, windows are there only
 * where they are touched, and a message is sent without a look at its memory.
 */
#ifndef RACE_CALLS_H
#define RACE_CALLS_H

#include <sys/epoll.h>
#include <sys/uio.h>

#include "netlink_util.h"
#include "race_module.h"

#define NAME "race"
#define DEPTH 4
#define DEPTH_MANY 64
#define PIECE (64 * 4096) /* of a window, for a slot: what one fault maps at most */

static struct end e, f; /* two endpoints of one queue */
static struct end keep; /* of another */
static struct ipcx_desc da, db;
static int dev = -1, epfd, pipefd[2];
static uint64_t sent; /* messages by send_and_snatch() */
static pid_t child;
static char *elsewhere; /* as large as a window, nothing in it */
static int nl = -1, family; /* to ask by netlink */

/* without windows */
static int end_at(struct end *end, unsigned int flags)
{
	memset(end, 0, sizeof(*end));
	end->o.size = sizeof(end->o);
	end->o.flags = flags;
	end->o.name = (uintptr_t)NAME;
	end->o.name_len = strlen(NAME);
	end->o.mode = 0600;
	end->o.depth = DEPTH;
	end->o.msg_max = PIECE;
	end->fd = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &end->o);
	return end->fd < 0 ? end->fd : 0;
}

static int create_at(struct end *end, unsigned int flags)
{
	return end_at(end, CREATE | SENDRECV | flags);
}

static int send_on(int fd, uint64_t len)
{
	struct ipcx_desc d;
	int ret = raw_loan(fd, &d, len, 0);

	return ret == 1 ? raw_commit(fd, &d) : ret;
}

/* Where the slot in @da is in the windows of E. */
static char *tx(void)
{
	return tx_at(&e, &da);
}

static char *rx(void)
{
	return (char *)rx_at(&e, &da);
}

static sigjmp_buf touch_env;
static volatile bool touching;

static void touch_handler(int sig)
{
	if (touching)
		siglongjmp(touch_env, sig);
	signal(sig, SIG_DFL);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_handler = touch_handler, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

/* As probe(), by thread A only, but the handler is there already. */
static int touch(volatile char *p, bool write)
{
	int sig = sigsetjmp(touch_env, 0);

	touching = !sig;
	if (!sig && write)
		*p = 1;
	else if (!sig)
		(void)*p;
	touching = false;
	return sig;
}

/* the calls; clang-format has no words for a table of functions */
/* clang-format off */

static int close_f(void) { close(f.fd); return 0; }
static int close_e(void) { close(e.fd); return 0; }
static int loan_e(void) { return raw_loan(e.fd, &da, 100, later); }
static int loan_f(void) { return raw_loan(f.fd, &db, 8192, later); }
static int commit_a(void) { return raw_commit(e.fd, &da); }
static int commit_b(void) { return raw_commit(e.fd, &db); }
static int cancel_b(void) { return raw_cancel(e.fd, &db); }
static int take_e(void) { return raw_take(e.fd, &da, IPCX_DEADLINE_NOWAIT); }
static int take_f(void) { return raw_take(f.fd, &db, IPCX_DEADLINE_NOWAIT); }
static int release_a(void) { return raw_release(e.fd, &da); }
static int release_b(void) { return raw_release(e.fd, &db); }
static int nack_b(void) { return raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &db, IPCX_RELEASE_NACK); }
static int take_long(void) { return raw_take(e.fd, &da, later); }
static int take_short(void) { return raw_take(e.fd, &da, now_ns() + 30000); }
static int take_20ms(void) { return raw_take(e.fd, &da, in_ms(20)); }
static int send_e(void) { return send_on(e.fd, 4096); }
static int send_f(void) { return send_on(f.fd, 4096); }
static int touch_tx(void) { return touch(tx() + 4096, true); }
static int touch_rx(void) { return touch(rx() + 4096, false); }
static int unmap_tx(void) { return munmap(tx(), PIECE); }
static int unmap_rx(void) { return munmap(rx(), PIECE); }
static int open_f(void) { return end_at(&f, SENDRECV); }
static int create_f(void) { return create_at(&f, IPCX_OPEN_EXCL); }
static int create_e(void) { return create_at(&e, IPCX_OPEN_EPHEMERAL); }
static int create_too(void) { return create_at(&f, IPCX_OPEN_EPHEMERAL); }
static int kill_child(void) { return kill(child, SIGKILL); }
static int leave_namespace(void) { return unshare(CLONE_NEWNET) ? -errno : 0; }
/* clang-format on */

static int unlink_it(void)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.kind = IPCX_KIND_QUEUE,
	};

	return xioctl(dev, IPCX_IOC_UNLINK, &u);
}

static int move_tx(void)
{
	void *to = elsewhere + (tx() - e.tx);

	return mremap(tx(), PIECE, PIECE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to ? 0 : -errno;
}

/* The message gets the next number; whichever slot it is in, it may be there. */
static int send_and_snatch(void)
{
	struct ipcx_desc d = { .seq = ++sent };
	int ret = send_e();

	for (d.slot = 0; ret == 1 && d.slot < DEPTH; d.slot++) {
		ret = raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d,
			       random() & 1 ? IPCX_RELEASE_NACK : 0);
		if (ret == 1)
			break;
		ret = ret == -EPERM && d.slot < DEPTH - 1 ? 1 : ret;
	}
	return ret;
}

/* The slot becomes another endpoint's, which so takes it out of E's window. */
static int cancel_and_loan(void)
{
	int ret = cancel_b();

	return ret == 1 ? raw_loan(f.fd, &db, PIECE, 0) : ret;
}

static int write_f(void)
{
	static char buf[8192];

	return write(f.fd, buf, sizeof(buf)) == sizeof(buf) ? 1 : -errno;
}

static int read_e(void)
{
	static char buf[8192];

	return read(e.fd, buf, sizeof(buf)) == sizeof(buf) ? 1 : -errno;
}

static int poll_e(void)
{
	struct pollfd p = { .fd = e.fd, .events = POLLIN };
	int ret = poll(&p, 1, LATER_MS);

	return in_time(ret == 1 ? 1 : ret ? -errno : -ETIMEDOUT);
}

static int epoll_f(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, f.fd, &ev) ? -errno : 0;
}

static int pin_f(void)
{
	struct iovec v = { tx_at(&f, &db), 4096 };

	return vmsplice(pipefd[1], &v, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
}

static int proc_read(void)
{
	static char buf[4096];

	return !get_file("/proc/net/ipcx", buf, sizeof(buf));
}

static int list_ends(void)
{
	return dump(nl, family, IPCX_CMD_END_GET);
}

static int list_holders(void)
{
	return dump(nl, family, IPCX_CMD_HOLDER_GET);
}

static int device_open_close(void)
{
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

static int open_by_old_namespace(void)
{
	int err = create_at(&e, IPCX_OPEN_EPHEMERAL);

	return err ?: close_e();
}

static int open_f_there(void *unused)
{
	return !!open_f();
}

static int create_e_there(void *unused)
{
	return !!create_e();
}

/* An end that is here, opened by a process that is gone: only the end keeps its struct pid. */
static int opened_by_the_dead(int (*open_it)(void *))
{
	static char stack[16384] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD;

	if (nl < 0) {
		nl = nl_open();
		family = nl_family(nl);
	}
	child = clone(open_it, stack + sizeof(stack), flags, NULL);
	return child < 0 || exit_status(child) ? -EIO : 0;
}

#endif /* RACE_CALLS_H */
