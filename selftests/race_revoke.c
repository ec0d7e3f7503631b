// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_revoke [ROUNDS [NAME]]: as race, for an end that is revoked while something is done by it.
 * That has been done, or fails with ESTALE; each message and slot is there in the end, and the
 * windows show nothing of what others write later.
 */
#include "race_revokes.h"

/* the calls */

static int revoke_b(void)
{
	ret_b = revoke_end(nl, family, id);
	return ret_b;
}

static int send_revoke_b(void)
{
	if (raw_send(&o.e, LONG, 'm') != 1)
		return -EIO;
	return revoke_b();
}

static int ask_revoke_b(void)
{
	if (side_send_inline(&o, &db, 4, 'q', IPCX_MSG_REQUEST) != 1)
		return -EIO;
	return revoke_b();
}

static int reply_revoke_b(void)
{
	struct ipcx_desc d;

	if (side_take(&o, &d, later, 0) != 1 || side_reply(&o, &d, NULL, "r", 1))
		return -EIO;
	return revoke_b();
}

static int revoke_a(void)
{
	static int other = -1;

	if (other < 0)
		other = nl_open();
	ret_a = revoke_end(other, family, id);
	return ret_a;
}

static int loan_a(void)
{
	return ret_a = raw_loan(v.e.fd, &da, LONG, 0);
}

static int loan_inline_a(void)
{
	return ret_a = side_loan(&v, &da, 8, IPCX_LOAN_INLINE);
}

static int loan_asleep_a(void)
{
	return ret_a = in_time(raw_loan(v.e.fd, &da, LONG, later));
}

static int commit_a(void)
{
	return ret_a = raw_commit(v.e.fd, &da);
}

static int commit_loan_a(void)
{
	return ret_a = side_commit_how(&v, &da, IPCX_COMMIT_LOAN);
}

static int cancel_a(void)
{
	return ret_a = raw_cancel(v.e.fd, &da);
}

static int take_a(void)
{
	return ret_a = raw_take(v.e.fd, &da, 0);
}

static int take_asleep_a(void)
{
	return ret_a = in_time(raw_take(v.e.fd, &da, later));
}

static int release_a(void)
{
	return ret_a = raw_release(v.e.fd, &da);
}

static int nack_a(void)
{
	return ret_a = raw_done(v.e.fd, IPCX_IOC_QUEUE_RELEASE, &da, IPCX_RELEASE_NACK);
}

static int read_a(void)
{
	static char bytes[LONG];
	ssize_t n = read(v.e.fd, bytes, LONG);

	return ret_a = n < 0 ? -errno : n == LONG ? 1 : -EIO;
}

static int read_asleep_a(void)
{
	static char bytes[LONG];
	ssize_t n = read(v.e.fd, bytes, LONG);

	return ret_a = in_time(n < 0 ? -errno : 1);
}

static int write_a(void)
{
	static const char bytes[LONG];
	ssize_t n = write(v.e.fd, bytes, LONG);

	return ret_a = n < 0 ? -errno : n == LONG ? 1 : -EIO;
}

static int write_inline_a(void)
{
	return ret_a = write(v.e.fd, "small", 5) == 5 ? 1 : -errno;
}

static int call_a(void)
{
	memset(&answer, 0, sizeof(answer));
	ret_a = side_call(&v, &da, &answer, later, IPCX_CALL_LOAN);
	return ret_a;
}

static int reply_a(void)
{
	return ret_a = side_reply(&v, &da, &answer, NULL, 0);
}

static int close_a(void)
{
	munmap(v.e.tx, v.e.o.out_window);
	munmap(v.e.rx, v.e.o.out_window);
	ret_a = close(v.e.fd);
	v.e.fd = -1;
	return ret_a;
}

static int munmap_a(void)
{
	return ret_a = munmap(v.e.tx, v.e.o.out_window) ?: munmap(v.e.rx, v.e.o.out_window);
}

static int fault_a(void)
{
	return ret_a = probe(rx_at(&v.e, &da), false) ?: probe(tx_at(&v.e, &db), true);
}

/* With the windows, which a child has only if it is asked for. */
static int fork_a(void)
{
	child = fork();
	if (!child)
		_exit(probe(tx_at(&v.e, &db), true) || probe(rx_at(&v.e, &da), false));
	return ret_a = child < 0 ? -errno : 0;
}

static int forkable(void)
{
	int r = seen_both();

	r = r ?: madvise(v.e.tx, v.e.o.out_window, MADV_DOFORK);
	return r ?: madvise(v.e.rx, v.e.o.out_window, MADV_DOFORK);
}

static int remove_a(void)
{
	return ret_a = raw_unlink_flags(NAME, IPCX_UNLINK_NOW);
}

static int open_a(void)
{
	memset(&v, 0, sizeof(v));
	return ret_a = side_open(&v, NAME, SENDRECV);
}

static int open_newly(void)
{
	memset(&o, 0, sizeof(o));
	o.e.o.depth = DEPTH;
	o.e.o.msg_max = LONG;
	return side_open(&o, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ?: loaned();
}

/* what must be so afterwards */

/* Takes what is queued away, and counts it. */
static int drain(void)
{
	struct ipcx_desc d;
	int n = 0;

	for (; raw_take(o.e.fd, &d, 0) == 1; n++)
		raw_release(o.e.fd, &d);
	return n;
}

/* @left: messages that must be there. Closes the victim. */
static const char *settled(int left)
{
	int n = drain();
	struct ipcx_queue_stat st = stat_of(&o);
	struct ipcx_desc d;
	int late = v.e.fd < 0 ? -ESTALE : raw_loan(v.e.fd, &d, 8, 0);

	if (v.e.fd >= 0)
		end_close(&v.e);
	if (n != left)
		return "messages are lost, or there is one too many";
	if (!all_free(&o) || st.out_senders != 1 || st.out_receivers != 1)
		return "something is left of what the end had";
	return late == -ESTALE ? NULL : "the end is not revoked";
}

/* A was done, which leaves @with messages, or could not be, which leaves @without. */
static const char *either(int with, int without)
{
	if (ret_b)
		return "the revocation failed";
	if (ret_a != 1 && ret_a != -ESTALE)
		return "neither done nor ESTALE";
	return settled(ret_a == 1 ? with : without);
}

static const char *check_none(void)
{
	return either(0, 0);
}

static const char *check_sent(void)
{
	return either(1, 0);
}

static const char *check_long_sent(void)
{
	const char *wrong = check_sent();

	end_close(&o.e);
	return wrong;
}

static const char *check_stays(void)
{
	return either(1, 1);
}

static const char *check_released(void)
{
	return either(0, 1);
}

static const char *check_woken(void)
{
	if (ret_a == -ETIMEDOUT) {
		settled(0);
		return timed_out();
	}
	return ret_a == -ESTALE ? either(0, 0) : "not ESTALE";
}

static const char *check_full(void)
{
	const char *wrong = NULL;

	if (ret_a == -ETIMEDOUT)
		wrong = timed_out();
	else if (ret_a != -ESTALE)
		wrong = "not ESTALE";
	for (int i = 0; i < DEPTH; i++)
		raw_cancel(o.e.fd, &all[i]);
	return wrong ?: settled(0);
}

static const char *check_called(void)
{
	if (ret_a != 0 && ret_a != -ESTALE)
		return ret_a == -ETIMEDOUT ? timed_out() : "neither answered nor ESTALE";
	return ret_b ? "the revocation failed" : settled(0);
}

/* The request is answered, or delivered again. */
static const char *check_replied(void)
{
	struct ipcx_desc d;
	int again = 0;

	if (ret_a != 0 && ret_a != -ESTALE)
		return "neither done nor ESTALE";
	if (ret_a && side_take(&o, &d, 0, 0) == 1)
		again = !side_reply(&o, &d, NULL, "r", 1);
	if (again != !!ret_a)
		return "the request is lost";
	if (side_answer(&o, &d, 0) != 1 || raw_release(o.e.fd, &d) != 1)
		return "no answer";
	return settled(0);
}

/* It was closed or revoked before, or is just now. */
static bool too_late(int ret)
{
	return ret == -ENOENT || ret == -EBUSY;
}

/* There is no receiver any more: the request is over, one way or the other. */
static const char *check_orphan(void)
{
	struct ipcx_desc d;

	if (ret_b)
		return "the revocation failed";
	if (ret_a != 1 && ret_a != -ESTALE)
		return ret_a == -ETIMEDOUT ? timed_out() : "neither done nor ESTALE";
	if (side_answer(&o, &d, in_ms(10000)) != 1)
		return "the request is not answered";
	if (raw_release(o.e.fd, &d) != 1 || !(d.flags & (IPCX_MSG_OWNERDEAD | IPCX_MSG_CANCELED)))
		return "it is answered by nobody";
	end_close(&v.e);
	return all_free(&o) ? NULL : "something is left of what the end had";
}

static const char *check_closed(void)
{
	if (ret_a || (ret_b && (!too_late(ret_b) || v.e.fd >= 0)))
		return "the call or the revocation failed";
	return settled(1);
}

/* What the other writes now, in every slot, is not seen. */
static const char *check_unseen(void)
{
	const char *wrong = NULL;
	struct ipcx_desc d;
	int n = 0;

	if (ret_a)
		return "a fault failed";
	if (ret_b)
		return "the revocation failed";
	for (; n < DEPTH && raw_loan(o.e.fd, &all[n], LONG, 0) == 1; n++) {
		memset(tx_at(&o.e, &all[n]), 'o', LONG);
		if (*rx_at(&v.e, &all[n]) || *tx_at(&v.e, &all[n]) == 'o')
			wrong = "a window shows what is another's";
		*tx_at(&v.e, &all[n]) = 'v';
		if (*tx_at(&o.e, &all[n]) != 'o')
			wrong = "a window can still be written to";
	}
	while (n--)
		raw_cancel(o.e.fd, &all[n]);
	if (raw_take(o.e.fd, &d, 0) != 1 || *rx_at(&o.e, &d) != 'm' || raw_release(o.e.fd, &d) != 1)
		wrong = "the message is lost";
	return wrong ?: settled(0);
}

static const char *check_forked(void)
{
	if (exit_status(child))
		return "a fault of the child failed";
	return check_unseen();
}

static const char *check_removed(void)
{
	const char *wrong = NULL;

	if (ret_a || ret_b)
		return "removal or revocation failed";
	if (raw_loan(v.e.fd, &da, 8, 0) != -ESTALE || stat_of(&o).out_loaned)
		wrong = "the end is not revoked";
	end_close(&v.e);
	end_close(&o.e);
	return wrong;
}

static const char *check_once(void)
{
	if (!!ret_a == !!ret_b || !too_late(ret_a + ret_b))
		return "not one of both";
	return settled(0);
}

static const char *check_opened(void)
{
	struct ipcx_queue_stat st = { .size = sizeof(st) };
	int err;

	/* revoked at once, it cannot be mapped */
	if ((ret_a && (ret_a != -ESTALE || ret_b)) || (ret_b && ret_b != -ENOENT))
		return "opening or revocation failed";
	err = xioctl(v.e.fd, IPCX_IOC_QUEUE_STAT, &st);
	if (err != (ret_b ? 0 : -ESTALE))
		return "the end is not what it was said to be";
	if (ret_b && revoke_end(nl, family, id))
		return "it is not the end that was meant";
	return settled(0);
}

static const char *close_all(void)
{
	end_close(&keep);
	close(nl);
	return NULL;
}

static int open_bare(void)
{
	nl = nl_open();
	family = nl_family(nl);
	memset(&keep, 0, sizeof(keep));
	return family < 0 ? family : end_open(&keep, NULL, CREATE | IPCX_OPEN_RECV);
}

static const struct stage bare = { open_bare, close_all };

static const struct entry drills[] = {
	{ { "loan/revoke", &plain, opened, loan_a, revoke_b, check_none }, 0 },
	{ { "loan, inline/revoke", &plain, opened, loan_inline_a, revoke_b, check_none }, 0 },
	{ { "loan asleep/revoke", &plain, full, loan_asleep_a, revoke_b, check_full }, 0 },
	{ { "commit/revoke", &plain, loaned, commit_a, revoke_b, check_sent }, 0 },
	{ { "commit and loan/revoke", &plain, loaned, commit_loan_a, revoke_b, check_sent }, 0 },
	{ { "commit and long loan/revoke", &bare, long_loaned, commit_loan_a, revoke_b,
	    check_long_sent },
	  0 },
	{ { "commit, sealed/revoke", &sealed, loaned, commit_a, revoke_b, check_sent }, 0 },
	{ { "cancel/revoke", &plain, loaned, cancel_a, revoke_b, check_none }, 0 },
	{ { "take/revoke", &plain, queued, take_a, revoke_b, check_stays }, 0 },
	{ { "take asleep/revoke", &plain, opened, take_asleep_a, revoke_b, check_woken }, 0 },
	{ { "take asleep/send and revoke", &plain, opened, take_asleep_a, send_revoke_b,
	    check_stays },
	  0 },
	{ { "take asleep/ask and revoke", &asker, opened, take_asleep_a, ask_revoke_b,
	    check_orphan },
	  0 },
	{ { "read asleep/ask and revoke", &asker, opened, read_asleep_a, ask_revoke_b,
	    check_orphan },
	  0 },
	{ { "release/revoke", &plain, leased, release_a, revoke_b, check_released }, 0 },
	{ { "nack/revoke", &plain, leased, nack_a, revoke_b, check_stays }, 0 },
	{ { "read/revoke", &plain, queued, read_a, revoke_b, check_released }, 0 },
	{ { "write/revoke", &plain, opened, write_a, revoke_b, check_sent }, 0 },
	{ { "write, sealed/revoke", &sealed, opened, write_a, revoke_b, check_sent }, 0 },
	{ { "write, inline/revoke", &plain, opened, write_inline_a, revoke_b, check_sent }, 0 },
	{ { "call asleep/revoke", &plain, asking, call_a, revoke_b, check_called }, 0 },
	{ { "call/reply and revoke", &plain, asking, call_a, reply_revoke_b, check_called }, 0 },
	{ { "reply/revoke", &plain, serving, reply_a, revoke_b, check_replied }, 0 },
	{ { "close/revoke", &plain, unseen_both, close_a, revoke_b, check_closed }, 0 },
	{ { "munmap/revoke", &plain, seen_both, munmap_a, revoke_b, check_closed }, 0 },
	{ { "fault/revoke", &plain, unseen_both, fault_a, revoke_b, check_unseen }, 0 },
	{ { "fork/revoke", &plain, forkable, fork_a, revoke_b, check_forked }, 20 },
	{ { "remove/revoke", &bare, open_newly, remove_a, revoke_b, check_removed }, 0 },
	{ { "revoke/revoke", &plain, loaned, revoke_a, revoke_b, check_once }, 0 },
	{ { "open/revoke", &plain, nothing_open, open_a, revoke_b, check_opened }, 0 },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 300, argc, argv);
}
