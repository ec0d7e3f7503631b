// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_time [ROUNDS [NAME]]: as race, for messages and leases whose time is over,
 * messages that are given up, and queues that are removed. Each message must end
 * once, and each slot be there in the end: the queue's own numbers say so.
 *
 * What ends does so in the work of the queue, at a time of the kernel's choice;
 * here a loan on a full queue makes it look at once.
 */
#include "race.h"

#define NAME "race-time"
#define DEAD "race-dead"
#define DEPTH 2

static struct end e, f, dead; /* two endpoints of one queue, one of its dead-letter queue */
static struct end keep; /* of another queue */
static struct ipcx_desc da, db, held;
static struct ipcx_queue_stat st, before;
static int dev = -1;

/* what a queue is like; all but name and size may be left out */
static const struct ipcx_queue_open plain = {};
static const struct ipcx_queue_open short_lease = { .lease_ms = 1 };
static const struct ipcx_queue_open once = { .lease_ms = 1, .max_deliveries = 1 };
static const struct ipcx_queue_open drops = { .policy = IPCX_POLICY_DROP_OLDEST };
static const struct ipcx_queue_open to_dead = {
	.max_deliveries = 1,
	.dead_letter = (uintptr_t)DEAD,
	.dead_letter_len = sizeof(DEAD) - 1,
};

static int end_at(struct end *end, const char *name, unsigned int flags,
		  const struct ipcx_queue_open *like)
{
	end->o = *like;
	end->o.size = sizeof(end->o);
	end->o.flags = flags;
	end->o.name = (uintptr_t)name;
	end->o.name_len = strlen(name);
	end->o.mode = 0600;
	end->o.depth = DEPTH;
	end->o.msg_max = 4096;
	end->fd = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &end->o);
	return end->fd < 0 ? end->fd : 0;
}

static int create(struct end *end, const char *name, const struct ipcx_queue_open *like)
{
	return end_at(end, name, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL, like);
}

/* What a call that handles one slot says. Return: 0 or a negative errno. */
static int done(int ret)
{
	return ret == 1 ? 0 : ret ?: -EIO;
}

static int send_until(int fd, int64_t expires)
{
	struct ipcx_desc d;
	int err = done(raw_loan(fd, &d, 8, 0));

	d.expires = expires;
	return err ?: done(raw_commit(fd, &d));
}

static int stat_at(int fd, struct ipcx_queue_stat *s)
{
	*s = (struct ipcx_queue_stat){ .size = sizeof(*s) };
	return xioctl(fd, IPCX_IOC_QUEUE_STAT, s);
}

static bool all_slots(const struct ipcx_queue_stat *s)
{
	return s->out_free + s->out_loaned + s->out_queued + s->out_leased == DEPTH;
}

static bool adds_up(const struct ipcx_queue_stat *s)
{
	return s->out_sent == s->out_queued + s->out_leased + s->out_released +
				      s->out_dropped_oldest + s->out_dropped_newest +
				      s->out_expired + s->out_poison;
}

/* The work of the queue may be about it. */
static const char *settles(int fd, uint32_t free)
{
	for (int i = 0; i < 10000; i++) {
		if (stat_at(fd, &st) || !all_slots(&st))
			return "a slot is lost";
		if (adds_up(&st) && st.out_free == free)
			return NULL;
		usleep(100);
	}
	return adds_up(&st) ? "a slot does not come back" : "a message is lost, or ended twice";
}

/* what stays from round to round */

static int open_device(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return dev < 0 ? -errno : 0;
}

/* What all endpoints need comes with the first queue and goes with the last, see race.c. */
static int open_mounted(void)
{
	memset(&keep, 0, sizeof(keep));
	return open_device() ?: end_open(&keep, NULL, CREATE | IPCX_OPEN_RECV);
}

static const char *close_device(void)
{
	close(dev);
	return NULL;
}

static const char *close_mounted(void)
{
	end_close(&keep);
	return close_device();
}

static const char *close_both(void)
{
	close(e.fd);
	close(f.fd);
	return close_device();
}

static int open_both(const struct ipcx_queue_open *like)
{
	int err = open_device();

	err = err ?: create(&e, NAME, like);
	return err ?: end_at(&f, NAME, SENDRECV, &plain);
}

static int open_dropping(void)
{
	return open_both(&drops);
}

/* All slots but one are on loan, so that a second message makes the queue full. */
static int open_nearly_full(const struct ipcx_queue_open *like)
{
	int err = open_both(like);

	return err ?: done(raw_loan(f.fd, &held, 8, 0));
}

static int open_short(void)
{
	return open_nearly_full(&short_lease);
}

/* E comes and goes. */
static int open_short_f(void)
{
	return open_short() ?: close(e.fd);
}

static const char *close_last(void)
{
	close(f.fd);
	return close_device();
}

static int open_once(void)
{
	return open_nearly_full(&once);
}

static int open_plain(void)
{
	return open_nearly_full(&plain);
}

static const struct stage mounted = { open_mounted, close_mounted };
static const struct stage dropping = { open_dropping, close_both };
static const struct stage lease = { open_short, close_both };
static const struct stage lease_f = { open_short_f, close_last };
static const struct stage lease_once = { open_once, close_both };
static const struct stage full = { open_plain, close_both };

/* what is needed before each round */

static int created(void)
{
	int err = create(&e, NAME, &plain);

	return err ?: end_at(&f, NAME, SENDRECV, &plain);
}

static int queued(void)
{
	int err = created();

	return err ?: send_until(f.fd, 0);
}

static int loaned(void)
{
	int err = created();

	return err ?: done(raw_loan(e.fd, &da, 8, 0));
}

static int all_loaned(void)
{
	int err = loaned();

	return err ?: done(raw_loan(f.fd, &db, 8, 0));
}

static int leased(void)
{
	int err = queued();

	return err ?: done(raw_take(f.fd, &db, IPCX_DEADLINE_NOWAIT));
}

/* E's lease is over, and most likely nobody has seen that yet. */
static int overdue(void)
{
	int err = stat_at(f.fd, &before);
	int64_t over;

	err = err ?: send_until(f.fd, 0);
	err = err ?: done(raw_take(e.fd, &da, IPCX_DEADLINE_NOWAIT));
	for (over = in_ms(1); now_ns() < over;)
		;
	return err;
}

static int overdue_anew(void)
{
	int err = end_at(&e, NAME, SENDRECV, &plain);

	return err ?: overdue();
}

static int about_to_expire(void)
{
	int err = stat_at(f.fd, &before);

	return err ?: send_until(f.fd, now_ns() + random() % 100000);
}

static int both_queued(void)
{
	int err = stat_at(f.fd, &before);

	err = err ?: send_until(f.fd, 0);
	return err ?: send_until(f.fd, 0);
}

/* The next nack, or death, sends it to the dead-letter queue. */
static int doomed(void)
{
	int err = create(&dead, DEAD, &plain);

	err = err ?: create(&e, NAME, &to_dead);
	err = err ?: send_until(e.fd, 0);
	return err ?: done(raw_take(e.fd, &da, IPCX_DEADLINE_NOWAIT));
}

/* the calls */

static int remove_name(const char *name)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.flags = IPCX_UNLINK_NOW,
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.kind = IPCX_KIND_QUEUE,
	};

	return xioctl(dev, IPCX_IOC_UNLINK, &u);
}

/* clang-format off */
static int remove_it(void) { return remove_name(NAME); }
static int remove_dead(void) { return remove_name(DEAD); }
static int take_e(void) { return raw_take(e.fd, &da, IPCX_DEADLINE_NOWAIT); }
static int take_long(void) { return raw_take(e.fd, &da, later); }
static int loan_long(void) { return raw_loan(e.fd, &da, 8, later); }
static int loan_f(void) { return raw_loan(f.fd, &db, 8, IPCX_DEADLINE_NOWAIT); }
static int commit_e(void) { return raw_commit(e.fd, &da); }
static int release_e(void) { return raw_release(e.fd, &da); }
static int nack_e(void) { return raw_done(e.fd, IPCX_IOC_QUEUE_RELEASE, &da, IPCX_RELEASE_NACK); }
static int close_e(void) { return close(e.fd); }
static int close_f(void) { return close(f.fd); }
static int close_dead(void) { return close(dead.fd); }
static int stat_e(void) { return stat_at(e.fd, &st); }
/* clang-format on */

/* what must come of them */

/* What A has of a removed queue can be given back, and nothing is lost. */
static const char *gone(int (*give_back)(int fd, struct ipcx_desc *d), uint32_t free)
{
	const char *wrong = NULL;

	if (ret_b)
		return "not removed";
	if (give_back && give_back(e.fd, &da) != 1)
		wrong = "what was held when it was removed cannot be given back";
	wrong = wrong ?: settles(e.fd, free);
	close(e.fd);
	close(f.fd);
	return wrong;
}

static const char *check_removed_take(void)
{
	if (ret_a != 1 && ret_a != -EIDRM)
		return "neither taken nor removed";
	return gone(ret_a == 1 ? raw_release : NULL, ret_a == 1 ? DEPTH : DEPTH - 1);
}

static const char *check_removed_commit(void)
{
	if (ret_a != 1 && ret_a != -EIDRM)
		return "neither sent nor removed";
	return gone(ret_a == 1 ? NULL : raw_cancel, ret_a == 1 ? DEPTH - 1 : DEPTH);
}

static const char *check_removed_taker(void)
{
	return (ret_a == -EIDRM ? NULL : timed_out()) ?: gone(NULL, DEPTH);
}

static const char *check_removed_sender(void)
{
	return (ret_a == -EIDRM ? NULL : timed_out()) ?: gone(NULL, 0);
}

/* Whoever has it, or has a slot, gives it back. Return: NULL, or what is wrong. */
static const char *given_back(void)
{
	struct ipcx_desc d;
	int ret;

	if (ret_b != 1 && ret_b != -EAGAIN)
		return "neither a loan nor none";
	if (ret_b == 1 && raw_cancel(f.fd, &db) != 1)
		return "a loan is lost";
	while ((ret = raw_take(f.fd, &d, IPCX_DEADLINE_NOWAIT)) == 1) {
		ret = raw_release(f.fd, &d);
		if (ret != 1 && ret != -ESTALE)
			return "a message cannot be released";
	}
	return ret == -EAGAIN ? settles(f.fd, DEPTH - 1) : "a message cannot be taken";
}

/* Done by E, or late, and then by another. */
static const char *check_lease(void)
{
	if (ret_a != 1 && ret_a != -ESTALE)
		return "neither released nor late";
	return given_back();
}

/* Given up by E's nack, or because it was late. */
static const char *check_poison(void)
{
	const char *wrong = check_lease();

	if (!wrong && st.out_poison != before.out_poison + 1)
		wrong = "not given up once";
	return wrong;
}

/* E dies: it comes back either way, and is late once at most. */
static const char *check_lease_close(void)
{
	if (raw_take(f.fd, &da, later) != 1)
		return "the message died with its taker";
	if (da.deliveries != 1)
		return "came back, but not once";
	raw_release(f.fd, &da); /* or F is late too */
	return given_back();
}

static const char *check_expired(void)
{
	const char *wrong;

	if (ret_a != 1 && ret_a != -EAGAIN)
		return "neither taken nor late";
	if (ret_a == 1 && ret_b == 1)
		return "one slot for two";
	if (ret_a == 1 && raw_release(e.fd, &da) != 1)
		return "not released";
	wrong = given_back();
	if (!wrong && st.out_expired - before.out_expired != (ret_a == 1 ? 0 : 1))
		wrong = "taken and late, or neither";
	return wrong;
}

static const char *check_dropped(void)
{
	uint64_t dropped, taken = ret_a == 1;
	struct ipcx_desc d;

	if (ret_a != 1 || ret_b != 1)
		return "no message, or no slot, though there was something to drop";
	if (raw_release(e.fd, &da) != 1 || raw_cancel(f.fd, &db) != 1)
		return "not given back";
	while (raw_take(f.fd, &d, IPCX_DEADLINE_NOWAIT) == 1 && raw_release(f.fd, &d) == 1)
		taken++;
	if (stat_at(f.fd, &st))
		return "no numbers";
	dropped = st.out_dropped_oldest - before.out_dropped_oldest;
	if (taken + dropped != 2 || dropped != 1)
		return "dropped and taken, or neither";
	return settles(f.fd, DEPTH);
}

/* One way or the other; and the dead-letter queue is there as long as the other is. */
static const char *check_dead(void)
{
	const char *wrong = NULL;
	struct counts c;

	if (ret_a != 1 || ret_b)
		return "not given back, or not closed";
	if (settles(e.fd, DEPTH) || st.out_poison != 1 ||
	    st.out_dead_lettered + st.out_dead_letter_failed != 1)
		wrong = "not given up once";
	if (!counts_of(dead.o.out_id, &c) || c.queued != st.out_dead_lettered)
		wrong = "the dead letter is not where it should be";
	close(e.fd);
	if (drill->b == remove_dead)
		close(dead.fd);
	if (counts_of(dead.o.out_id, &c))
		wrong = "the dead-letter queue outlives all its users";
	return wrong;
}

static const char *check_all_gone(void)
{
	struct counts c;

	return counts_of(dead.o.out_id, &c) || counts_of(e.o.out_id, &c) ? "a queue is left" : NULL;
}

/* At every moment all slots are somewhere, and all messages. */
static const char *check_stat(void)
{
	const char *wrong = NULL;

	if (ret_a || !all_slots(&st) || !adds_up(&st) || st.out_queued + st.out_leased != 1)
		wrong = "the numbers do not add up";
	close(e.fd);
	return wrong;
}

#define SLOW 20 /* of so many rounds one: they sleep, or wait for times, or make two queues */

static const struct entry drills[] = {
	{ { "take/remove", &mounted, queued, take_e, remove_it, check_removed_take } },
	{ { "commit/remove", &mounted, loaned, commit_e, remove_it, check_removed_commit } },
	{ { "take asleep/remove", &mounted, created, take_long, remove_it, check_removed_taker },
	  SLOW },
	{ { "loan asleep/remove", &mounted, all_loaned, loan_long, remove_it,
	    check_removed_sender },
	  SLOW },
	{ { "release/lease time-out", &lease, overdue, release_e, loan_f, check_lease }, SLOW },
	{ { "nack/lease time-out", &lease_once, overdue, nack_e, loan_f, check_poison }, SLOW },
	{ { "close/lease time-out", &lease_f, overdue_anew, close_e, loan_f, check_lease_close },
	  SLOW },
	{ { "take/expiry", &full, about_to_expire, take_e, loan_f, check_expired } },
	{ { "take/drop", &dropping, both_queued, take_e, loan_f, check_dropped } },
	{ { "dead letter/close of its queue", &mounted, doomed, nack_e, close_dead, check_dead },
	  SLOW },
	{ { "dead letter/remove of its queue", &mounted, doomed, nack_e, remove_dead, check_dead },
	  SLOW },
	{ { "dead letter by death/close of its queue", &mounted, doomed, close_e, close_dead,
	    check_all_gone },
	  SLOW },
	{ { "stat/close", &mounted, leased, stat_e, close_f, check_stat } },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 6000, argc, argv);
}
