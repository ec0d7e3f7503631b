// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation and every user copy in every call fails in turn: the kernel
 * makes the nth of a thread fail, n grows until the call succeeds untouched.
 * After each failure the errno must be a fitting one, nothing may have changed,
 * and the same call must then succeed. Needs a kernel with fault injection.
 */
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fail_nth.h"
#include "fail_nth_calls.h"
#include "fail_nth_netlink.h"
#include "fail_nth_regions.h"
#include "fail_nth_taps.h"
#include "fail_nth_topics.h"

#include "../kselftest_harness.h"

#define BIG (20 * 4096)
#define DEAD "fail-nth-dead"

/* What a call works on; made anew by its setup, gone after its teardown. */
struct work {
	struct end e, dead;
	struct ipcx_desc d;
	void *map;
	int fd;
	char buf[BIG];
};

static struct work w;

static int empty(void)
{
	memset(&w, 0, sizeof(w));
	w.fd = -1;
	return 0;
}

static int with_device(void)
{
	empty();
	w.fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	w.e.o = (struct ipcx_queue_open){
		.size = sizeof(w.e.o),
		.flags = CREATE | SENDRECV,
		.depth = 4,
		.msg_max = BIG,
		.mode = 0600,
	};
	return w.fd < 0 ? -errno : 0;
}

static int with_device_and_leases(void)
{
	int err = with_device();

	w.e.o.leases_max = 2;
	return err;
}

static int with_device_and_name(void)
{
	static const char name[] = "fail-nth";
	int err = with_device();

	w.e.o.name = (uintptr_t)name;
	w.e.o.name_len = strlen(name);
	return err;
}

static int with_named_queue(void)
{
	int err = with_device_and_name(), fd;

	fd = err ? err : xioctl(w.fd, IPCX_IOC_QUEUE_OPEN, &w.e.o);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int with_queue(void)
{
	empty();
	w.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = BIG };
	return end_open(&w.e, NULL, CREATE | SENDRECV);
}

static int with_loan(void)
{
	int err = with_queue();

	return err ?: raw_loan(w.e.fd, &w.d, 100, 0) - 1;
}

/* Slots so far apart that each needs page tables of its own. */
static int with_wide_loan(void)
{
	int err;

	empty();
	w.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = 8 << 20 };
	err = end_open(&w.e, NULL, CREATE | SENDRECV);
	return err ?: raw_loan(w.e.fd, &w.d, BIG, 0) - 1;
}

static int with_wide_lease(void)
{
	int err = with_wide_loan();

	if (err)
		return err;
	memset(tx_at(&w.e, &w.d), 'm', BIG);
	err = raw_commit(w.e.fd, &w.d) - 1;
	return err ?: raw_take(w.e.fd, &w.d, 0) - 1;
}

static int with_message(void)
{
	int err = with_queue();

	return err ?: raw_send(&w.e, BIG, 'm') - 1;
}

static int with_lease(void)
{
	int err = with_message();

	return err ?: raw_take(w.e.fd, &w.d, 0) - 1;
}

static int dead_letters(struct ipcx_queue_open *o)
{
	w.dead.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = BIG };
	o->dead_letter = (uintptr_t)DEAD;
	o->dead_letter_len = strlen(DEAD);
	return end_open(&w.dead, DEAD, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int with_device_and_dead_letters(void)
{
	int err = with_device_and_name();

	return err ?: dead_letters(&w.e.o);
}

/* The next time that it comes back is the last. */
static int with_doomed_lease(void)
{
	int err;

	empty();
	w.e.o = (struct ipcx_queue_open){ .depth = 4, .msg_max = BIG, .max_deliveries = 1 };
	err = dead_letters(&w.e.o);
	err = err ?: end_open(&w.e, NULL, CREATE | SENDRECV);
	err = err ?: raw_send(&w.e, BIG, 'm') - 1;
	return err ?: raw_take(w.e.fd, &w.d, 0) - 1;
}

/*
 * The queue is full, and a lease on its only message is over: a loan looks at it.
 * The work of the queue would be first; with one CPU it is not while this runs.
 */
static int with_overdue_lease(void)
{
	struct sched_param first = { .sched_priority = 1 };
	int64_t over;
	int err;

	empty();
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		return -errno;
	w.e.o = (struct ipcx_queue_open){ .depth = 1, .msg_max = BIG, .lease_ms = 1 };
	err = end_open(&w.e, NULL, CREATE | SENDRECV);
	err = err ?: raw_send(&w.e, 1, 'm') - 1;
	err = err ?: raw_take(w.e.fd, &w.d, 0) - 1;
	for (over = in_ms(1); now_ns() < over;)
		;
	return err;
}

static int with_epoll(void)
{
	int err = with_queue();

	w.fd = epoll_create1(EPOLL_CLOEXEC);
	return err ?: w.fd < 0 ? -errno : 0;
}

static void no_device(void)
{
	close(w.fd);
}

static void no_named_queue(void)
{
	close(w.fd);
	raw_unlink("fail-nth");
}

static void no_queue(void)
{
	if (w.fd >= 0)
		close(w.fd);
	end_close(&w.e);
}

static void no_overdue_lease(void)
{
	struct sched_param usual = {};

	sched_setscheduler(0, SCHED_OTHER, &usual);
	no_queue();
}

static void no_dead_letters(void)
{
	no_queue();
	end_close(&w.dead);
}

static void no_named_dead_letters(void)
{
	no_named_queue();
	end_close(&w.dead);
}

static void no_map(void)
{
	munmap(w.map, w.e.o.out_window);
	no_queue();
}

static int sys(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

static int run_open(void)
{
	return sys(w.fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC));
}

static int run_info(void)
{
	struct ipcx_info info = { .size = sizeof(info) };

	return xioctl(w.fd, IPCX_IOC_INFO, &info);
}

/* A reply that could not be written must not leave a descriptor behind: run() counts them. */
static int run_queue_open(void)
{
	struct ipcx_queue_open o = w.e.o;
	int fd = xioctl(w.fd, IPCX_IOC_QUEUE_OPEN, &o);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int unlink_with(unsigned int flags)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.flags = flags,
		.name = w.e.o.name,
		.name_len = w.e.o.name_len,
		.kind = IPCX_KIND_QUEUE,
	};

	return xioctl(w.fd, IPCX_IOC_UNLINK, &u);
}

static int run_unlink(void)
{
	return unlink_with(0);
}

static int run_remove(void)
{
	return unlink_with(IPCX_UNLINK_NOW);
}

static int run_loan(void)
{
	return raw_loan(w.e.fd, &w.d, BIG, 0);
}

static int run_commit(void)
{
	return raw_commit(w.e.fd, &w.d);
}

static int run_commit_expiry(void)
{
	w.d.expires = in_ms(60000);
	return raw_commit(w.e.fd, &w.d);
}

static int run_commit_loan(void)
{
	struct ipcx_desc d = w.d;

	return raw_done(w.e.fd, IPCX_IOC_QUEUE_COMMIT, &d, IPCX_COMMIT_LOAN);
}

static int run_cancel(void)
{
	return raw_cancel(w.e.fd, &w.d);
}

static int run_take(void)
{
	return raw_take(w.e.fd, &w.d, 0);
}

static int run_peek(void)
{
	struct ipcx_desc d;

	return raw_take_flags(w.e.fd, &d, 0, IPCX_TAKE_PEEK);
}

static int run_stat(void)
{
	struct ipcx_queue_stat s = { .size = sizeof(s) };

	return xioctl(w.e.fd, IPCX_IOC_QUEUE_STAT, &s);
}

/* The message comes back, but there is no slot for a loan. */
static int run_lease_time_out(void)
{
	int ret = raw_loan(w.e.fd, &w.d, 1, IPCX_DEADLINE_NOWAIT);

	return ret == -EAGAIN ? 0 : ret;
}

static int run_release(void)
{
	return raw_release(w.e.fd, &w.d);
}

static int run_nack(void)
{
	return raw_done(w.e.fd, IPCX_IOC_QUEUE_RELEASE, &w.d, IPCX_RELEASE_NACK);
}

static int run_write(void)
{
	return sys(write(w.e.fd, w.buf, BIG));
}

static int run_read(void)
{
	return sys(read(w.e.fd, w.buf, BIG));
}

static int run_poll(void)
{
	struct pollfd p = { .fd = w.e.fd, .events = POLLIN | POLLOUT };

	return sys(poll(&p, 1, 0));
}

static int run_epoll_add(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };

	return sys(epoll_ctl(w.fd, EPOLL_CTL_ADD, w.e.fd, &e));
}

static int run_mmap(void)
{
	w.map = mmap(NULL, w.e.o.out_window, PROT_READ, MAP_SHARED, w.e.fd, w.e.o.out_rx_offset);
	return w.map == MAP_FAILED ? -errno : 0;
}

/* A fault that finds no memory is repeated by the kernel: it does not fail. */
static int run_fault_write(void)
{
	memset(tx_at(&w.e, &w.d), 'w', BIG);
	return 0;
}

static int run_fault_read(void)
{
	const char *p = rx_at(&w.e, &w.d);
	int i, sum = 0;

	for (i = 0; i < BIG; i += 4096)
		sum |= p[i] ^ 'm';
	return sum ? -EBADMSG : 0;
}

static int run_proc(void)
{
	int fd = open("/proc/net/ipcx", O_RDONLY), ret;

	if (fd < 0)
		return -errno;
	ret = sys(read(fd, w.buf, BIG));
	close(fd);
	return ret;
}

static int run_fdinfo(void)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", w.e.fd);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	ret = sys(read(fd, w.buf, BIG));
	close(fd);
	return ret;
}

static int run_munmap_part(void)
{
	return sys(munmap(w.e.rx + 4096, 4096));
}

static const struct call calls[] = {
	{ "open", empty, run_open, no_device },
	{ "info", with_device, run_info, no_device },
	{ "queue_open, anonymous", with_device, run_queue_open, no_device },
	{ "queue_open, leases_max", with_device_and_leases, run_queue_open, no_device },
	{ "queue_open, new", with_device_and_name, run_queue_open, no_named_queue },
	{ "queue_open, existing", with_named_queue, run_queue_open, no_named_queue },
	{ "queue_open, dead letters", with_device_and_dead_letters, run_queue_open,
	  no_named_dead_letters },
	{ "unlink", with_named_queue, run_unlink, no_named_queue },
	{ "unlink, now", with_named_queue, run_remove, no_named_queue },
	{ "queue_loan", with_queue, run_loan, no_queue },
	{ "queue_commit", with_loan, run_commit, no_queue },
	{ "queue_commit, expiry", with_loan, run_commit_expiry, no_queue },
	{ "queue_commit, loan", with_loan, run_commit_loan, no_queue },
	{ "queue_commit, long message", with_missed, run_commit_missed, no_side },
	{ "queue_cancel", with_loan, run_cancel, no_queue },
	{ "queue_take", with_message, run_take, no_queue },
	{ "queue_take, peek", with_message, run_peek, no_queue },
	{ "queue_release", with_lease, run_release, no_queue },
	{ "queue_release, nack", with_lease, run_nack, no_queue },
	{ "queue_release, nack to dead letters", with_doomed_lease, run_nack, no_dead_letters },
	{ "queue_loan, lease time-out", with_overdue_lease, run_lease_time_out, no_overdue_lease },
	{ "queue_stat", with_message, run_stat, no_queue },
	{ "queue_loan, request", with_side, run_loan_request, no_side },
	{ "queue_loan, inline", with_side, run_loan_inline, no_side },
	{ "queue_loan, reply", with_held, run_loan_reply, no_side },
	{ "queue_commit, request", with_request_loan, run_commit_request, no_side },
	{ "queue_take, inline", with_inline_message, run_take_inline, no_side },
	{ "queue_take, answer", with_answer, run_take_answer, no_side },
	{ "queue_release, request", with_held, run_release_request, no_side },
	{ "queue_release, answer", with_answer_held, run_release_answer, no_side },
	{ "queue_release, nack an answer", with_answer_held, run_nack_answer, no_side },
	{ "queue_call", with_request_loan, run_call, no_side },
	{ "queue_call, wait", with_answer, run_call_wait, no_side },
	{ "queue_reply", with_reply_loan, run_reply, no_side },
	{ "queue_reply, inline", with_held, run_reply_inline, no_side },
	{ "queue_reply, take", with_held_and_queued, run_reply_take, no_side },
	{ "topic_open, new", with_topic_device, run_topic_create, no_topic },
	{ "topic_open, anonymous", with_topic_device, run_topic_anonymous, no_topic },
	{ "topic_open, publisher", with_reader, run_join_publish, no_topic },
	{ "topic_open, subscriber", with_publisher, run_join_subscribe, no_topic },
	{ "topic_open, lossy", with_publisher, run_join_lossy, no_topic },
	{ "topic_open, both", with_members, run_join_both, no_topic },
	{ "topic_wait, message", with_sent, run_wait_message, no_topic },
	{ "topic_wait, nothing", with_members, run_wait_message, no_topic },
	{ "topic_wait, no room", with_lag, run_wait_room, no_topic },
	{ "topic_kick, subscribers", with_sent, run_kick_subscribers, no_topic },
	{ "topic_kick, publishers", with_members, run_kick_publishers, no_topic },
	{ "topic_populate", with_members, run_populate, no_topic },
	{ "topic_evict", with_lag, run_evict, no_topic },
	{ "topic_leave", with_members, run_leave, no_topic },
	{ "topic_leave, dead", with_dead_ring, run_leave, no_topic },
	{ "topic_ring", with_members, run_ring, no_topic },
	{ "unlink, topic", with_publisher, run_topic_unlink, no_topic },
	{ "poll, topic", with_members, run_poll_message, no_topic },
	{ "mmap and fault, directory", with_members, run_map_directory, no_window },
	{ "mmap and fault, control", with_members, run_map_control, no_window },
	{ "mmap and fault, own control", with_members, run_map_own_control, no_window },
	{ "mmap and fault, ring", with_members, run_map_ring, no_window },
	{ "mmap and fault, own ring", with_members, run_map_own_ring, no_window },
	{ "mmap and fault, no ring", with_members, run_map_dead_page, no_window },
	{ "fault, own payload", with_own_payload, run_write_payload, no_window },
	{ "fault, payload", with_seen_payload, run_read_payload, no_window },
	{ "region_open, new", with_region_device, run_region_create, no_region },
	{ "region_open, anonymous", with_region_device, run_region_anonymous, no_region },
	{ "region_open, existing", with_region, run_region_open, no_region },
	{ "unlink, region", with_region, unlink_region, no_region },
	{ "queue_attach", with_attach, run_attach, no_carrier },
	{ "queue_fetch", with_fetch, run_fetch, no_carrier },
	{ "tap_open", with_tapped, run_tap_open, no_tap },
	{ "tap, read", with_tap, run_tap_read, no_tap },
	{ "write", with_queue, run_write, no_queue },
	{ "read", with_message, run_read, no_queue },
	{ "poll", with_message, run_poll, no_queue },
	{ "epoll_ctl", with_epoll, run_epoll_add, no_queue },
	{ "mmap", with_queue, run_mmap, no_map },
	{ "munmap of a part", with_queue, run_munmap_part, no_queue },
	{ "fault, write", with_wide_loan, run_fault_write, no_queue },
	{ "fault, read", with_wide_lease, run_fault_read, no_queue },
	{ "/proc/net/ipcx", with_message, run_proc, no_queue },
	{ "fdinfo", with_lease, run_fdinfo, no_queue },
	{ "object_get", with_netlink, run_object_get, no_netlink },
	{ "object_get, all", with_netlink, run_object_dump, no_netlink },
	{ "end_get, all", with_netlink, run_end_dump, no_netlink },
	{ "holder_get, all", with_netlink, run_holder_dump, no_netlink },
	{ "limit_get", with_netlink, run_limit_get, no_netlink },
	{ "limit_get, all", with_netlink, run_limit_dump, no_netlink },
	{ "limit_set", with_netlink, run_limit_set, no_netlink },
	{ "end_revoke", with_victim, run_end_revoke, no_netlink },
	{ "fault, revoked", with_revoked, run_fault_revoked, no_netlink },
	{ "events", with_listener, run_listen, no_listener },
	{}
};

FIXTURE(fail_nth){};

FIXTURE_SETUP(fail_nth)
{
	ASSERT_EQ(0, fail_nth_init()) TH_LOG("%s", fail_nth_why());
	ASSERT_TRUE(nobody_reads());
}

FIXTURE_TEARDOWN(fail_nth)
{
}

TEST_F_TIMEOUT(fail_nth, every_call, 500)
{
	const struct call *c;

	/* more than once: what a slab cache needs of its own moves the sites behind it */
	for (int pass = 0; pass < 3; pass++) {
		for (c = calls; c->name; c++) {
			int err = fail_nth_each(c);

			EXPECT_EQ(0, err) TH_LOG("%s: %s", c->name, fail_nth_why());
		}
	}
}

static int run_namespace(void)
{
	return sys(unshare(CLONE_NEWNET));
}

/* Namespaces of network, each with a table of names. */
TEST_F_TIMEOUT(fail_nth, namespace_init, 600)
{
	static const struct call c = { "namespace init", empty, run_namespace, NULL };

	EXPECT_EQ(0, fail_nth_each(&c)) TH_LOG("%s", fail_nth_why());
}

/*
 * Without the table of its trace events, which the kernel reads before init runs: where it finds no
 * memory for those, it warns.
 */
#define UNTRACED "/run/ipcx-untraced.ko"

static int module_fd = -1;

static int without_module(void)
{
	syscall(SYS_delete_module, "ipcx", 0);
	return 0;
}

static int run_module_init(void)
{
	return sys(syscall(SYS_finit_module, module_fd, "", 0));
}

TEST_F_TIMEOUT(fail_nth, module_init, 600)
{
	static const struct call c = { "module init", without_module, run_module_init, NULL };
	const char *file = getenv("IPCX_MODULE") ?: "build/ipcx.ko";
	char copy[PATH_MAX + 64];

	snprintf(copy, sizeof(copy), "objcopy -R _ftrace_events '%s' " UNTRACED, file);
	ASSERT_EQ(0, system(copy)) TH_LOG("%s", copy);
	module_fd = open(UNTRACED, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, module_fd) TH_LOG("%s: %s", UNTRACED, strerror(errno));
	EXPECT_EQ(0, fail_nth_each(&c)) TH_LOG("%s", fail_nth_why());
	close(module_fd);
}

TEST_HARNESS_MAIN
