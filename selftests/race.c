// SPDX-License-Identifier: GPL-2.0-only
/*
 * race [ROUNDS [NAME]]: pairs of calls that meet at every moment of each other.
 * The kernel must not complain, what each call says must fit what the other
 * says, and the slots must all be there in the end.
 */
#include "race_calls.h"

/* what stays */

static struct ipcx_desc hand[DEPTH_MANY]; /* slots for the rounds to come */
static unsigned int at_hand;

static int open_device(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return dev < 0 ? -errno : 0;
}

static const char *close_device(void)
{
	close(dev);
	return NULL;
}

/* The file system of the endpoints is mounted with the first queue and goes with the last. */
static int open_mounted(void)
{
	memset(&keep, 0, sizeof(keep));
	return open_device() ?: end_open(&keep, NULL, CREATE | IPCX_OPEN_RECV);
}

static const char *close_mounted(void)
{
	end_close(&keep);
	return close_device();
}

static int open_nothing(void)
{
	return 0;
}

static const char *close_nothing(void)
{
	return NULL;
}

static int open_deep(unsigned int depth)
{
	int err = open_device();

	memset(&e.o, 0, sizeof(e.o));
	e.o.depth = depth;
	e.o.msg_max = PIECE;
	sent = 0;
	epfd = epoll_create1(EPOLL_CLOEXEC);
	at_hand = 0;
	return err ?: end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int open_e(void)
{
	return open_deep(DEPTH);
}

static int open_many(void)
{
	return open_deep(DEPTH_MANY);
}

static int open_both(void)
{
	int err = open_e();

	memset(&f, 0, sizeof(f));
	err = err ?: end_open(&f, NAME, SENDRECV);
	return err ?: pipe2(pipefd, O_CLOEXEC | O_NONBLOCK);
}

/* Messages that are left. Return: how many. */
static int drain(void)
{
	struct ipcx_desc d;
	int n = 0;

	for (; raw_take(e.fd, &d, IPCX_DEADLINE_NOWAIT) == 1; n++)
		raw_release(e.fd, &d);
	return n;
}

/* All slots free after all was given back. */
static const char *close_last(void)
{
	const char *wrong = NULL;
	struct counts c;

	if (!counts_of(e.o.out_id, &c))
		wrong = "the queue is gone";
	else if (c.free + at_hand != e.o.out_depth)
		wrong = "a slot is lost";
	end_close(&e);
	if (elsewhere)
		munmap(elsewhere, e.o.out_window); /* a piece of a window there keeps the queue */
	elsewhere = NULL;
	close(epfd);
	close_device();
	return wrong;
}

static const char *close_both(void)
{
	close(pipefd[0]);
	close(pipefd[1]);
	end_close(&f);
	return close_last();
}

static const struct stage both = { open_both, close_both };
static const struct stage one = { open_e, close_last };
static const struct stage many = { open_many, close_last };
static const struct stage device = { open_device, close_device };
static const struct stage mounted = { open_mounted, close_mounted };
static const struct stage nothing = { open_nothing, close_nothing };

/* what is needed before each round */

static int ready(void)
{
	return 0;
}

/* What a call that handles one slot says. Return: 0 or a negative errno. */
static int done(int ret)
{
	return ret == 1 ? 0 : ret ?: -EIO;
}

static int loaned(void)
{
	int err = done(raw_loan(e.fd, &da, PIECE, 0));

	db = da;
	return err;
}

static int queued(void)
{
	return done(send_on(e.fd, PIECE));
}

static int leased(void)
{
	int err = queued();

	err = err ?: done(raw_take(e.fd, &da, 0));
	db = da;
	return err;
}

/* Maps the window anew, whatever was unmapped or moved away. */
static int map_again(bool rx)
{
	uint64_t len = e.o.out_window;
	char *p = mmap(rx ? e.rx : e.tx, len, rx ? PROT_READ : PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE | MAP_FIXED, e.fd,
		       rx ? e.o.out_rx_offset : e.o.out_tx_offset);

	if (p != MAP_FAILED)
		p = mmap(elsewhere, len, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | (elsewhere ? MAP_FIXED : 0), -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	elsewhere = p;
	return 0;
}

static int fill_hand(bool rx)
{
	for (; at_hand < DEPTH_MANY; at_hand++) {
		int err = rx ? leased() : loaned();

		if (err)
			return err;
		hand[at_hand] = da;
	}
	return map_again(rx);
}

/*
 * A slot whose pages are in no page table. To take them out interrupts the other
 * CPU, which takes far longer than a round, so many are got at once.
 */
static int unseen(bool rx)
{
	int err = at_hand ? 0 : fill_hand(rx);

	if (err)
		return err;
	da = hand[--at_hand];
	db = da;
	return 0;
}

static int loaned_unseen(void)
{
	return unseen(false);
}

static int leased_unseen(void)
{
	return unseen(true);
}

/* F holds one message, another is there. */
static int leased_and_queued(void)
{
	int err = open_f() ?: queued();

	err = err ?: done(raw_take(f.fd, &db, 0));
	return err ?: queued();
}

static int full(void)
{
	int err = open_f();

	for (int i = 0; !err && i < DEPTH; i++)
		err = done(raw_loan(f.fd, &db, 100, 0));
	return err;
}

/* F pins the page of a slot that becomes E's. */
static int pinned(void)
{
	int err = done(raw_loan(f.fd, &db, 4096, 0));

	if (!err)
		*tx_at(&f, &db) = 1;
	return err ?: done(raw_cancel(f.fd, &db));
}

static int sleep_in_take(void *unused)
{
	go_anywhere();
	raw_take(f.fd, &db, later);
	return 0;
}

/* A child sleeps in a take, or is about to. It has this memory, and files of its own. */
static int sleeping_child(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	int err = open_f();

	child = clone(sleep_in_take, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	close_f(); /* the child alone holds it */
	return err ?: child < 0 ? -errno : 0;
}

static int created_by_the_dead(void)
{
	return opened_by_the_dead(create_e_there);
}

/* F holds a message and a slot. */
static int held_by_the_dead(void)
{
	int err = opened_by_the_dead(open_f_there) ?: queued();

	err = err ?: done(raw_take(f.fd, &db, 0));
	return err ?: done(raw_loan(f.fd, &db, 100, 0));
}

/* what must come of them */

static const char *one_of(const char *wrong)
{
	return (ret_a == 1) == (ret_b == 1) ? wrong : NULL;
}

static const char *check_commits(void)
{
	const char *wrong = one_of("one slot, but not one commit or cancel");
	int n = drain();

	return n != (ret_a == 1) + (ret_b == 1) && drill->b == commit_b ? "sent, and not there" :
									  wrong;
}

static const char *check_takes(void)
{
	if (ret_b == 1)
		raw_release(f.fd, &db);
	if (ret_a == 1)
		raw_release(e.fd, &da);
	return one_of("one message, but not one taker");
}

static const char *check_released(void)
{
	drain();
	return one_of("a message was released twice, or never");
}

static const char *check_got(void)
{
	if (ret_b != 1)
		return "not sent";
	if (ret_a == 1)
		return raw_release(e.fd, &da) == 1 ? NULL : "not released";
	if (drain() != 1)
		return "the message is gone";
	return ret_a == -ETIMEDOUT ? timed_out() : "neither a message nor a time-out";
}

static const char *check_read(void)
{
	return ret_a != 1 || ret_b != 1 ? "the message did not come" : NULL;
}

static const char *check_polled(void)
{
	if (ret_b != 1)
		return "not sent";
	if (drain() != 1)
		return "the message is gone";
	if (ret_a == 1)
		return NULL;
	return ret_a == -ETIMEDOUT ? timed_out() : "no poll";
}

/* Another thread gives the message back that the sleeper is handed, if it is quick. */
static const char *check_snatched(void)
{
	if (ret_a == 1)
		raw_release(e.fd, &da);
	drain();
	if (ret_a != 1 && ret_a != -ETIMEDOUT)
		return "neither a message nor a time-out";
	return ret_b != 1 && ret_b != -EPERM ? "neither given back nor refused" : NULL;
}

static const char *check_maybe_got(void)
{
	if (ret_b != 1 || (ret_a != 1 && ret_a != -ETIMEDOUT))
		return "neither a message nor a time-out";
	if (ret_a == 1)
		raw_release(e.fd, &da);
	else if (drain() != 1)
		return "timed out, and the message is gone";
	return NULL;
}

/* The message of the dead comes back. */
static const char *check_taken(void)
{
	if (ret_a == 1)
		raw_release(e.fd, &da);
	return drain() + (ret_a == 1) == 2 ? NULL : "a message died with its taker";
}

static const char *check_loan_of_dead(void)
{
	if (ret_a == -ETIMEDOUT)
		return timed_out();
	if (ret_a != 1)
		return "the slots of a closed endpoint did not come back";
	raw_cancel(e.fd, &da);
	return NULL;
}

static const char *check_loans(void)
{
	if (ret_a != 1 || ret_b != 1)
		return "no loan although there are slots";
	raw_cancel(e.fd, &da);
	raw_cancel(f.fd, &db);
	return NULL;
}

static const char *touched(void)
{
	return ret_a && ret_a != SIGBUS && ret_a != SIGSEGV ? "touched neither well nor badly" :
							      NULL;
}

static const char *check_unmapped(void)
{
	raw_cancel(e.fd, &da);
	raw_release(e.fd, &da);
	return ret_b ? "not unmapped" : touched();
}

static const char *check_touched(void)
{
	drain();
	return touched();
}

static const char *check_moved(void)
{
	raw_cancel(e.fd, &da);
	return ret_b ? "not moved" : touched();
}

static const char *check_revoked(void)
{
	const char *wrong = NULL;

	if (ret_b != 1)
		return "the other got no slot";
	if (da.slot == db.slot && !touch(tx() + PIECE - 4096, true))
		wrong = "a slot that another has on loan can be written to";
	raw_cancel(f.fd, &db);
	return wrong ?: touched();
}

static const char *check_pin(void)
{
	char page[4096];

	raw_cancel(e.fd, &da);
	if (!ret_b)
		ret_b = read(pipefd[0], page, sizeof(page)) != sizeof(page);
	return ret_a == 1 ? NULL : "no loan although there are slots";
}

static const char *check_open(void)
{
	if (ret_b < 0 && ret_b != -ENOENT)
		return "opened neither well nor too late";
	if (!ret_b)
		close_f();
	return NULL;
}

static const char *check_unlinked(void)
{
	const char *wrong = check_open();

	close_e();
	return ret_a ? "not unlinked" : wrong;
}

static const char *check_unlinks(void)
{
	close_e();
	return !ret_a == !ret_b ? "two unlinked one name, or none did" : NULL;
}

static const char *check_create(void)
{
	if (ret_b && ret_b != -EEXIST)
		return "created neither well nor too late";
	if (!ret_b)
		close_f();
	unlink_it();
	return NULL;
}

static const char *check_killed(void)
{
	waitpid(child, NULL, 0);
	if (ret_a != 1)
		return "not sent";
	return drain() == 1 ? NULL : "the message died with its taker";
}

/* Both find it or make it, whoever is first. */
static const char *check_created(void)
{
	if (ret_a || ret_b)
		return "not created";
	close_f();
	close_e();
	return e.o.out_id == f.o.out_id ? NULL : "two queues of one name";
}

static const char *check_listed(void)
{
	return ret_b ? "no list" : NULL;
}

/* KEEP's, and E's or not. */
static const char *check_ends(void)
{
	if (ret_b || seen.n < 1 || seen.n > 2 || seen.v[0][IPCX_A_END_PID] != getpid())
		return "no list";
	return seen.n == 2 && seen.v[1][IPCX_A_END_PID] ? "opened by somebody else" : NULL;
}

static const char *check_holders(void)
{
	if (drain() != 1)
		return "the message died with its taker";
	if (ret_b || seen.n > 2)
		return "no list";
	for (int i = 0; i < seen.n; i++)
		if (seen.v[i][IPCX_A_HOLDER_OBJECT] != e.o.out_id || seen.v[i][IPCX_A_HOLDER_PID])
			return "held by somebody else";
	return NULL;
}

static const char *check_polled_closed(void)
{
	return ret_a && ret_a != -EBADF ? "neither watched nor closed" : NULL;
}

static const char *check_module(void)
{
	return ret_b && device_open_close() ? "the module is gone" : NULL;
}

static const char *check_namespace(void)
{
	close_device();
	return ret_a || ret_b ? "no queue, or no new namespace" : NULL;
}

#define SLOW 20 /* of so many rounds one: they load modules, make namespaces */

static const struct entry drills[] = {
	{ { "commit/commit", &both, loaned, commit_a, commit_b, check_commits } },
	{ { "commit/cancel", &both, loaned, commit_a, cancel_b, check_commits } },
	{ { "take/take", &both, queued, take_e, take_f, check_takes } },
	{ { "release/release", &both, leased, release_a, release_b, check_released } },
	{ { "release/nack", &both, leased, release_a, nack_b, check_released } },
	{ { "take asleep/send", &both, ready, take_long, send_f, check_got } },
	{ { "take asleep/send and release by another thread", &both, ready, take_20ms,
	    send_and_snatch, check_snatched } },
	{ { "take timing out/send", &both, ready, take_short, send_f, check_maybe_got } },
	{ { "read asleep/write", &both, ready, read_e, write_f, check_read } },
	{ { "poll asleep/send", &both, ready, poll_e, send_f, check_polled } },
	{ { "take/close of another", &one, leased_and_queued, take_e, close_f, check_taken } },
	{ { "loan asleep/close of the holder", &one, full, loan_e, close_f, check_loan_of_dead } },
	{ { "loan/loan", &both, ready, loan_e, loan_f, check_loans } },
	{ { "epoll_ctl/close", &one, open_f, epoll_f, close_f, check_polled_closed } },
	{ { "fault/munmap, TX", &many, loaned_unseen, touch_tx, unmap_tx, check_unmapped } },
	{ { "fault/munmap, RX", &many, leased_unseen, touch_rx, unmap_rx, check_unmapped } },
	{ { "fault/commit", &many, loaned_unseen, touch_tx, commit_b, check_touched } },
	{ { "fault/release", &many, leased_unseen, touch_rx, release_b, check_touched } },
	{ { "fault/mremap", &many, loaned_unseen, touch_tx, move_tx, check_moved } },
	{ { "fault/cancel and loan by another", &both, loaned, touch_tx, cancel_and_loan,
	    check_revoked } },
	{ { "loan by a new writer/pin of the old", &both, pinned, loan_e, pin_f, check_pin } },
	{ { "unlink/open", &mounted, create_e, unlink_it, open_f, check_unlinked } },
	{ { "unlink/unlink", &mounted, create_e, unlink_it, unlink_it, check_unlinks } },
	{ { "last close/open", &mounted, create_e, close_e, open_f, check_open } },
	{ { "last close/create", &device, create_e, close_e, create_f, check_create } },
	{ { "create/create", &mounted, ready, create_e, create_too, check_created } },
	{ { "last close/listing", &mounted, create_e, close_e, proc_read, check_listed } },
	{ { "last close/list of ends", &mounted, created_by_the_dead, close_e, list_ends,
	    check_ends } },
	{ { "close of a holder/list of holders", &one, held_by_the_dead, close_f, list_holders,
	    check_holders } },
	{ { "send/kill of a sleeping taker", &one, sleeping_child, send_e, kill_child,
	    check_killed } },
	{ { "namespace exit/open", &nothing, open_device, open_by_old_namespace, leave_namespace,
	    check_namespace },
	  SLOW },
	{ { "open/unload and load", &loaded, ready, device_open_close, load_module, check_module },
	  2 * SLOW },
};

int main(int argc, char **argv)
{
	catch_faults();
	race_main(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
