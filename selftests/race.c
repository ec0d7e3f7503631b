// SPDX-License-Identifier: GPL-2.0-only
/*
 * race [ROUNDS [NAME]]: pairs of calls that meet at every moment of each other.
 * The kernel must not complain, what each call says must fit what the other
 * says, and the slots must all be there in the end.
 */
#include <sys/epoll.h>
#include <sys/uio.h>

#include "race.h"

#include "../kselftest.h"

#define NAME "race"
#define DEPTH 4

static struct end e, f; /* two endpoints of one queue */
static struct ipcx_desc da, db;
static int dev, epfd, pipefd[2];
static pid_t child;
static void *moved;

static int queue_of(unsigned int flags)
{
	memset(&e.o, 0, sizeof(e.o));
	e.o.depth = DEPTH;
	e.o.msg_max = 4 * 4096;
	return end_open(&e, NAME, flags);
}

static int one_end(void)
{
	return queue_of(CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int two_ends(void)
{
	int err = one_end();

	memset(&f, 0, sizeof(f));
	return err ?: end_open(&f, NAME, SENDRECV);
}

static int loaned(void)
{
	int err = one_end();

	err = err ?: raw_loan(e.fd, &da, 8192, 0) - 1;
	db = da;
	return err;
}

static int queued(void)
{
	int err = two_ends();

	return err ?: raw_send(&e, 8192, 'q') - 1;
}

static int leased(void)
{
	int err = queued();

	err = err ?: raw_take(e.fd, &da, 0) - 1;
	db = da;
	return err;
}

static int full(void)
{
	int err = two_ends();

	for (int i = 0; !err && i < DEPTH; i++)
		err = raw_loan(f.fd, &db, 100, 0) - 1;
	return err;
}

/* All slots free after all was given back. */
static const char *conserved(struct end *last)
{
	struct ipcx_desc d;
	struct counts c;

	while (raw_take(last->fd, &d, 0) == 1)
		raw_release(last->fd, &d);
	if (!counts_of(last->o.out_id, &c))
		return "the queue is gone";
	if (c.free != DEPTH)
		return "a slot is lost";
	return NULL;
}

static const char *close_one(void)
{
	const char *wrong = conserved(&e);

	end_close(&e);
	return wrong;
}

static const char *close_both(void)
{
	end_close(&f);
	return close_one();
}

static const char *one_of(const char *wrong)
{
	return (ret_a == 1) == (ret_b == 1) ? wrong : NULL;
}

/* the calls; clang-format has no words for a table of functions */
/* clang-format off */

static int close_f(void) { end_close(&f); return 0; }
static int loan_e(void) { return raw_loan(e.fd, &da, 100, in_ms(5000)); }
static int loan_f(void) { return raw_loan(f.fd, &db, 8192, in_ms(5000)); }
static int commit_a(void) { return raw_commit(e.fd, &da); }
static int commit_b(void) { return raw_commit(e.fd, &db); }
static int cancel_b(void) { return raw_cancel(e.fd, &db); }
static int take_e(void) { return raw_take(e.fd, &da, IPCX_DEADLINE_NOWAIT); }
static int take_f(void) { return raw_take(f.fd, &db, IPCX_DEADLINE_NOWAIT); }
static int release_a(void) { return raw_release(e.fd, &da); }
static int release_b(void) { return raw_release(e.fd, &db); }
static int nack_b(void) { return raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &db, IPCX_RELEASE_NACK); }
static int take_long(void) { return raw_take(e.fd, &da, in_ms(2000)); }
static int take_short(void) { return raw_take(e.fd, &da, now_ns() + 30000); }
static int send_f(void) { return raw_send(&f, 4096, 'f'); }
static int touch_tx(void) { return probe(tx_at(&e, &da) + 4096, true); }
static int touch_rx(void) { return probe(rx_at(&e, &da) + 4096, false); }
static int unmap_tx(void) { return munmap(e.tx, 3 * 4096); }
static int unmap_rx(void) { return munmap(e.rx, 3 * 4096); }
static int unlink_it(void) { return raw_unlink(NAME); }
static int open_f(void) { return end_open(&f, NAME, SENDRECV); }
static int close_e(void) { end_close(&e); return 0; }
static int create_f(void) { return end_open(&f, NAME, CREATE | IPCX_OPEN_EXCL | SENDRECV); }
static int create_either(struct end *end)
{
	memset(&end->o, 0, sizeof(end->o));
	end->o.depth = DEPTH;
	return end_open(end, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int create_e(void) { return create_either(&e); }
static int create_too(void) { return create_either(&f); }
static int kill_child(void) { return kill(child, SIGKILL); }
static int load_module(void) { return system("rmmod ipcx 2>/dev/null && insmod $IPCX_MODULE"); }
/* clang-format on */

static int move_tx(void)
{
	void *to = mmap(NULL, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	moved = mremap(e.tx, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return moved == MAP_FAILED ? -errno : 0;
}

static int send_and_snatch(void)
{
	struct ipcx_desc d = {};
	int ret = raw_send(&e, 4096, 's');

	for (d.slot = 0; ret == 1 && d.slot < DEPTH; d.slot++) {
		d.seq = 1;
		ret = raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &d,
			       random() & 1 ? IPCX_RELEASE_NACK : 0);
		if (ret == 1)
			break;
		ret = ret == -EPERM && d.slot < DEPTH - 1 ? 1 : ret;
	}
	return ret;
}

static int take_20ms(void)
{
	return raw_take(e.fd, &da, in_ms(20));
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

	return poll(&p, 1, 2000);
}

static int epoll_f(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, f.fd, &ev) ? -errno : 0;
}

static int pin_f(void)
{
	struct iovec v = { f.tx + db.slot * f.o.out_stride, 4096 };

	return vmsplice(pipefd[1], &v, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
}

static int proc_read(void)
{
	static char buf[4096];

	return !get_file("/proc/net/ipcx", buf, sizeof(buf));
}

static int device_open_close(void)
{
	int fd = open("/dev/ipcx", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

static int open_by_old_namespace(void)
{
	struct ipcx_queue_open o = {
		.size = sizeof(o),
		.flags = CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.mode = 0600,
		.depth = 1,
	};
	int fd = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &o);

	return fd < 0 ? fd : close(fd);
}

static int leave_namespace(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

/* what must come of them */

static const char *check_two_commits(void)
{
	return one_of("both commits, or none, were good") ?: close_one();
}

static const char *check_commit_cancel(void)
{
	return one_of("a slot was sent and given back, or neither") ?: close_one();
}

static const char *check_two_takes(void)
{
	const char *wrong = one_of("one message, but not one taker");

	if (ret_b == 1)
		raw_release(f.fd, &db);
	if (ret_a == 1)
		raw_release(e.fd, &da);
	return wrong ?: close_both();
}

static const char *check_released(void)
{
	return one_of("a message was released twice, or never") ?: close_both();
}

static const char *check_got(void)
{
	if (ret_a != 1 || ret_b != 1)
		return "the message did not come";
	raw_release(e.fd, &da);
	return close_both();
}

/* Another thread gives the message back that the sleeper is handed, if it is quick. */
static const char *check_snatched(void)
{
	if (ret_a == 1)
		raw_release(e.fd, &da);
	else if (ret_a != -ETIMEDOUT)
		return "neither a message nor a time-out";
	if (ret_b != 1 && ret_b != -EPERM)
		return "neither given back nor refused";
	return close_both();
}

static const char *check_maybe_got(void)
{
	if (ret_b != 1 || (ret_a != 1 && ret_a != -ETIMEDOUT))
		return "neither a message nor a time-out";
	if (ret_a == 1)
		raw_release(e.fd, &da);
	return close_both();
}

static const char *check_fault(void)
{
	if (ret_a != 0 && ret_a != SIGBUS && ret_a != SIGSEGV)
		return "touched neither well nor badly";
	return close_one();
}

static const char *check_fault_lease(void)
{
	raw_release(e.fd, &da);
	return ret_a && ret_a != SIGBUS && ret_a != SIGSEGV ? "touched neither well nor badly" :
							      close_both();
}

static const char *check_open(void)
{
	if (ret_b < 0 && ret_b != -ENOENT)
		return "opened neither well nor too late";
	if (!ret_b)
		end_close(&f);
	return close_one();
}

static const char *check_open_last(void)
{
	if (ret_b < 0 && ret_b != -ENOENT)
		return "opened neither well nor too late";
	if (ret_b < 0)
		return NULL;
	e = f;
	return close_one();
}

static const char *check_unlinks(void)
{
	if (!ret_a == !ret_b)
		return "two unlinked one name, or none did";
	return close_one();
}

static const char *check_create(void)
{
	if (ret_b && ret_b != -EEXIST)
		return "created neither well nor too late";
	if (!ret_b)
		end_close(&f);
	raw_unlink(NAME);
	return NULL;
}

static const char *check_closed(void)
{
	if (ret_a == 1)
		raw_cancel(e.fd, &da);
	return close_one();
}

static const char *check_taken(void)
{
	if (ret_a == 1)
		raw_release(e.fd, &da);
	return close_one();
}

static const char *check_loan_of_dead(void)
{
	if (ret_a != 1)
		return "the slots of a closed endpoint did not come back";
	return check_closed();
}

static const char *check_epoll(void)
{
	close(epfd);
	return check_closed();
}

static const char *check_loans(void)
{
	if (ret_a != 1 || ret_b != 1)
		return "no loan although there are slots";
	raw_cancel(e.fd, &da);
	raw_cancel(f.fd, &db);
	return close_both();
}

static const char *check_pin(void)
{
	close(pipefd[0]);
	close(pipefd[1]);
	raw_cancel(e.fd, &da);
	return close_both();
}

static const char *check_killed(void)
{
	waitpid(child, NULL, 0);
	if (ret_a != 1)
		return "not sent";
	if (raw_take(e.fd, &da, in_ms(2000)) != 1)
		return "the message died with its taker";
	raw_release(e.fd, &da);
	return close_one();
}

static const char *check_cancel(void)
{
	raw_cancel(e.fd, &da);
	return close_one();
}

static const char *check_moved(void)
{
	if (ret_b)
		return "not moved";
	munmap(moved, 4 * 4096);
	return check_cancel();
}

/* Both find it or make it, whoever is first. */
static const char *check_created(void)
{
	const char *wrong = NULL;

	if (ret_a || ret_b)
		return "not created";
	if (e.o.out_id != f.o.out_id)
		wrong = "two queues of one name";
	end_close(&f);
	return close_one() ?: wrong;
}

static const char *check_nothing(void)
{
	return NULL;
}

static const char *check_module(void)
{
	return ret_b && device_open_close() ? "the module is gone" : NULL;
}

static const char *check_device(void)
{
	close(dev);
	return ret_a || ret_b ? "no queue, or no new namespace" : NULL;
}

/* more that is needed before */

static int nothing(void)
{
	return 0;
}

static int two_ends_epoll(void)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	return epfd < 0 ? -errno : two_ends();
}

/* F pins the page of a slot that becomes E's. */
static int pinned(void)
{
	int err = two_ends();

	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	err = err ?: raw_loan(f.fd, &db, 4096, 0) - 1;
	*tx_at(&f, &db) = 1;
	return err ?: raw_cancel(f.fd, &db) - 1;
}

/* A child sleeps in a take, or is about to. */
static int sleeping_child(void)
{
	int err = two_ends();

	child = fork();
	if (!child) {
		raw_take(f.fd, &db, in_ms(5000));
		_exit(0);
	}
	end_close(&f); /* the child alone holds it */
	return err ?: child < 0 ? -errno : 0;
}

static int send_e(void)
{
	return raw_send(&e, 4096, 'e');
}

static int old_namespace(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return dev < 0 ? -errno : 0;
}

#define SLOW 20 /* of so many rounds one: they fork, load modules, make namespaces */

static const struct {
	struct drill d;
	int slow;
} drills[] = {
	{ { "commit/commit", loaned, commit_a, commit_b, check_two_commits } },
	{ { "commit/cancel", loaned, commit_a, cancel_b, check_commit_cancel } },
	{ { "take/take", queued, take_e, take_f, check_two_takes } },
	{ { "release/release", leased, release_a, release_b, check_released } },
	{ { "release/nack", leased, release_a, nack_b, check_released } },
	{ { "take asleep/send", two_ends, take_long, send_f, check_got } },
	{ { "take asleep/send and release by another thread", two_ends, take_20ms, send_and_snatch,
	    check_snatched } },
	{ { "take timing out/send", two_ends, take_short, send_f, check_maybe_got } },
	{ { "read asleep/write", two_ends, read_e, write_f, close_both } },
	{ { "poll asleep/send", two_ends, poll_e, send_f, close_both } },
	{ { "take/close of another", queued, take_e, close_f, check_taken } },
	{ { "loan asleep/close of the holder", full, loan_e, close_f, check_loan_of_dead } },
	{ { "loan/loan", two_ends, loan_e, loan_f, check_loans } },
	{ { "epoll_ctl/close", two_ends_epoll, epoll_f, close_f, check_epoll } },
	{ { "fault/munmap, TX", loaned, touch_tx, unmap_tx, check_cancel } },
	{ { "fault/munmap, RX", leased, touch_rx, unmap_rx, check_fault_lease } },
	{ { "fault/commit", loaned, touch_tx, commit_b, check_fault } },
	{ { "fault/release", leased, touch_rx, release_b, check_fault_lease } },
	{ { "fault/mremap", loaned, touch_tx, move_tx, check_moved } },
	{ { "loan by a new writer/pin of the old", pinned, loan_e, pin_f, check_pin } },
	{ { "unlink/open", one_end, unlink_it, open_f, check_open } },
	{ { "unlink/unlink", one_end, unlink_it, unlink_it, check_unlinks } },
	{ { "last close/open", one_end, close_e, open_f, check_open_last } },
	{ { "last close/create", one_end, close_e, create_f, check_create } },
	{ { "create/create", nothing, create_e, create_too, check_created } },
	{ { "last close/listing", one_end, close_e, proc_read, check_nothing } },
	{ { "send/kill of a sleeping taker", sleeping_child, send_e, kill_child, check_killed },
	  SLOW },
	{ { "namespace exit/open", old_namespace, open_by_old_namespace, leave_namespace,
	    check_device },
	  SLOW },
	{ { "open/unload and load", nothing, device_open_close, load_module, check_module },
	  20 * SLOW },
};

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? atoi(argv[1]) : rounds(500), i, todo;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	setenv("IPCX_MODULE", "build/ipcx.ko", 0);
	srandom(1);
	ksft_set_plan(argc > 2 ? 1 : ARRAY_SIZE(drills));
	for (i = 0; i < ARRAY_SIZE(drills); i++) {
		const char *wrong;
		int64_t start = now_ns();

		if (argc > 2 && strcmp(argv[2], drills[i].d.name))
			continue;
		todo = drills[i].slow ? n / drills[i].slow ?: 1 : n;
		wrong = race(&drills[i].d, todo);
		ksft_test_result(!wrong, "%s: %s, %u rounds, %lld ms\n", drills[i].d.name,
				 wrong ?: "good", todo, (long long)(now_ns() - start) / 1000000);
	}
	ksft_finished();
}
