/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests share: raw ioctls, windows, faults caught, the kernel's own counts. */
#ifndef IPCX_UTIL_H
#define IPCX_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <linux/ipcx.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SENDRECV	(IPCX_OPEN_SEND | IPCX_OPEN_RECV)
#define CREATE		IPCX_OPEN_CREATE

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x80
#endif

/* Negative errno instead of -1. */
static inline int xioctl(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline int64_t in_ms(int64_t ms)
{
	return now_ns() + ms * 1000000;
}

/* An endpoint, opened without the library. */
struct end {
	int fd;
	char *tx, *rx;
	struct ipcx_queue_open o;
};

/* An ioctl of the device itself. */
static inline int device_ioctl(unsigned long cmd, void *arg)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC), ret;

	if (dev < 0)
		return -errno;
	ret = xioctl(dev, cmd, arg);
	close(dev);
	return ret;
}

static inline int open_raw(struct ipcx_queue_open *o)
{
	return device_ioctl(IPCX_IOC_QUEUE_OPEN, o);
}

static inline char *map_tx(const struct end *e)
{
	return mmap(NULL, e->o.out_window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		    e->fd, e->o.out_tx_offset);
}

static inline char *map_rx(const struct end *e)
{
	return mmap(NULL, e->o.out_window, PROT_READ, MAP_SHARED | MAP_NORESERVE, e->fd,
		    e->o.out_rx_offset);
}

/* @e->o: attributes set by the caller, or zero. Return: 0 or a negative errno. */
static inline int end_open(struct end *e, const char *name, unsigned int flags)
{
	e->o.size = sizeof(e->o);
	e->o.flags = flags;
	e->o.name = (uintptr_t)name;
	e->o.name_len = name ? strlen(name) : 0;
	if (!e->o.mode)
		e->o.mode = 0600;
	e->tx = NULL;
	e->rx = NULL;
	e->fd = open_raw(&e->o);
	if (e->fd < 0)
		return e->fd;
	if (flags & IPCX_OPEN_SEND)
		e->tx = map_tx(e);
	if (flags & IPCX_OPEN_RECV)
		e->rx = map_rx(e);
	return e->tx == MAP_FAILED || e->rx == MAP_FAILED ? -errno : 0;
}

static inline void end_close(struct end *e)
{
	if (e->tx)
		munmap(e->tx, e->o.out_window);
	if (e->rx)
		munmap(e->rx, e->o.out_window);
	close(e->fd);
}

static inline int raw_unlink_kind(const char *name, unsigned int flags, unsigned int kind)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.flags = flags,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.kind = kind,
	};

	return device_ioctl(IPCX_IOC_UNLINK, &u);
}

static inline int raw_unlink_flags(const char *name, unsigned int flags)
{
	return raw_unlink_kind(name, flags, IPCX_KIND_QUEUE);
}

static inline int raw_unlink(const char *name)
{
	return raw_unlink_flags(name, 0);
}

/* @kind: IPCX_LOAN_* */
static inline int raw_loan_kind(int fd, struct ipcx_desc *d, uint64_t len, int64_t deadline,
				unsigned int kind)
{
	struct ipcx_queue_loan l = {
		.size = sizeof(l),
		.flags = kind,
		.descs = (uintptr_t)d,
		.count = 1,
		.desc_size = sizeof(*d),
		.deadline = deadline,
	};

	memset(d, 0, sizeof(*d));
	d->len = len;
	return xioctl(fd, IPCX_IOC_QUEUE_LOAN, &l);
}

static inline int raw_loan(int fd, struct ipcx_desc *d, uint64_t len, int64_t deadline)
{
	return raw_loan_kind(fd, d, len, deadline, 0);
}

/* COMMIT, CANCEL and RELEASE of @n entries, which have the same shape */
static inline int raw_done_n(int fd, unsigned long cmd, struct ipcx_desc *d, unsigned int n,
			     unsigned int flags)
{
	struct ipcx_queue_release r = {
		.size = sizeof(r),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = n,
		.desc_size = sizeof(*d),
	};

	return xioctl(fd, cmd, &r);
}

static inline int raw_done(int fd, unsigned long cmd, struct ipcx_desc *d, unsigned int flags)
{
	return raw_done_n(fd, cmd, d, 1, flags);
}

static inline int raw_commit(int fd, struct ipcx_desc *d)
{
	return raw_done(fd, IPCX_IOC_QUEUE_COMMIT, d, 0);
}

static inline int raw_cancel(int fd, struct ipcx_desc *d)
{
	return raw_done(fd, IPCX_IOC_QUEUE_CANCEL, d, 0);
}

static inline int raw_release(int fd, struct ipcx_desc *d)
{
	return raw_done(fd, IPCX_IOC_QUEUE_RELEASE, d, 0);
}

static char raw_places[65536 * IPCX_INLINE_MAX]; /* of inline messages, in queues of any depth */

/* @places: of inline messages, or NULL */
static inline int raw_take_places(int fd, struct ipcx_desc *d, int64_t deadline, unsigned int flags,
				  void *places)
{
	struct ipcx_queue_take t = {
		.size = sizeof(t),
		.flags = flags,
		.descs = (uintptr_t)d,
		.count = 1,
		.desc_size = sizeof(*d),
		.deadline = deadline,
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)places,
	};

	return xioctl(fd, IPCX_IOC_QUEUE_TAKE, &t);
}

static inline int raw_take_flags(int fd, struct ipcx_desc *d, int64_t deadline, unsigned int flags)
{
	return raw_take_places(fd, d, deadline, flags, raw_places);
}

static inline int raw_take(int fd, struct ipcx_desc *d, int64_t deadline)
{
	return raw_take_flags(fd, d, deadline, 0);
}

/* Releases @d and takes the next. */
static inline int raw_next(int fd, struct ipcx_desc *d, int64_t deadline)
{
	return raw_take_flags(fd, d, deadline, IPCX_TAKE_RELEASE);
}

static inline char *tx_at(const struct end *e, const struct ipcx_desc *d)
{
	return e->tx + d->slot * e->o.out_stride;
}

static inline const char *rx_at(const struct end *e, const struct ipcx_desc *d)
{
	return e->rx + d->slot * e->o.out_stride;
}

/* Sends @len bytes of @fill. */
static inline int raw_send(const struct end *e, size_t len, int fill)
{
	struct ipcx_desc d;
	int ret = raw_loan(e->fd, &d, len, 0);

	if (ret < 0)
		return ret;
	memset(tx_at(e, &d), fill, len);
	return raw_commit(e->fd, &d);
}

/* What /proc/net/ipcx says of a queue. */
struct counts {
	unsigned long long bytes;
	unsigned int depth, queued, loaned, leased, free, senders, receivers;
	char flags[8];
};

static inline bool counts_of(uint64_t id, struct counts *c)
{
	FILE *f = fopen("/proc/net/ipcx", "r");
	char line[2048];
	bool found = false;

	memset(c, 0, sizeof(*c));
	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned long long i;

		found = sscanf(line, "%llu %*s %*s %*s %*s %u %*s %*s %llu %u %u %u %u %u %u %7s",
			       &i, &c->depth, &c->bytes, &c->queued, &c->loaned, &c->leased,
			       &c->free, &c->senders, &c->receivers, c->flags) == 10 &&
			i == id;
	}
	if (f)
		fclose(f);
	return found;
}

static sigjmp_buf probe_env;

static inline void probe_handler(int sig)
{
	siglongjmp(probe_env, sig);
}

/* Touches a byte. Return: 0, SIGBUS or SIGSEGV. */
static inline int probe(const volatile void *p, bool write)
{
	struct sigaction sa = { .sa_handler = probe_handler, .sa_flags = SA_NODEFER }, bus, segv;
	volatile char *c = (volatile char *)p;
	int sig;

	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	sig = sigsetjmp(probe_env, 1);
	if (!sig) {
		if (write)
			*c = 1;
		else
			(void)*c;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

/* The physical page behind an address of this process; needs root; 0 if there is none. */
static inline uint64_t pfn_of(const volatile void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, 8, (uintptr_t)p / 4096 * 8) != 8)
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static inline bool get_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n >= 0;
}

static inline bool is_asleep(pid_t pid)
{
	char path[64], buf[256], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	state = get_file(path, buf, sizeof(buf)) ? strrchr(buf, ')') : NULL;
	return state && state[2] == 'S';
}

/* Until a child sleeps, or 5 s have gone. */
static inline void until_asleep(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		usleep(10000);
		if (is_asleep(pid))
			return;
	}
}

/* On one CPU, a process that was woken does not run before its waker sleeps. */
static inline int one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static inline int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* KiB of a line of /proc/meminfo. */
static inline long meminfo(const char *key)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	long kib = -1;

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kib = atol(line + strlen(key));
	fclose(f);
	return kib;
}

static inline long module_refs(void)
{
	char buf[16];

	return get_file("/sys/module/ipcx/refcnt", buf, sizeof(buf)) ? atol(buf) : -1;
}

/* How slow the kernel is, by the environment. */
static inline int scale(void)
{
	const char *text = getenv("IPCX_TEST_SCALE");

	return text ? atoi(text) : 1;
}

/* Rounds of a stress loop, fewer for slow kernels. */
static inline int rounds(int n)
{
	return n / scale() ?: 1;
}

/* Likewise, but @full when IPCX_TEST_FULL is set: for who has the time. */
static inline int rounds_or(int n, int full)
{
	return getenv("IPCX_TEST_FULL") ? full : rounds(n);
}

#endif /* IPCX_UTIL_H */
