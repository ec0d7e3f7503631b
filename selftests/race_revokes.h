/* SPDX-License-Identifier: GPL-2.0-only */
/* What races in race_revoke: the ends, and what is needed before each round. */
#ifndef RACE_REVOKES_H
#define RACE_REVOKES_H

#include "call_util.h"
#include "pass_util.h"
#include "race.h"
#include "revoke_util.h"

#define NAME "race-revoke"
#define DEPTH 8
#define LONG 8192

static struct side o, v; /* who made the queue; who is revoked, each round anew */
static struct ipcx_desc da, db, all[DEPTH], answer;
static struct end keep; /* of another queue, see race.c */
static int nl = -1, family;
static uint64_t id;
static pid_t child;

/* what stays from round to round */

static int open_queue(unsigned int flags)
{
	nl = nl_open();
	family = nl_family(nl);
	id = 0;
	memset(&keep, 0, sizeof(keep));
	memset(&o, 0, sizeof(o));
	o.e.o.depth = DEPTH;
	o.e.o.msg_max = LONG;
	if (family < 0 || end_open(&keep, NULL, CREATE | IPCX_OPEN_RECV))
		return -EIO;
	return side_open(&o, NAME, CREATE | IPCX_OPEN_EPHEMERAL | flags);
}

static int open_plain(void)
{
	return open_queue(SENDRECV);
}

static int open_sealed(void)
{
	return open_queue(SENDRECV | IPCX_OPEN_SEALED);
}

/* Who asks is no receiver. */
static int open_asker(void)
{
	return open_queue(IPCX_OPEN_SEND);
}

static const char *close_queue(void)
{
	end_close(&o.e);
	end_close(&keep);
	close(nl);
	return NULL;
}

static const struct stage plain = { open_plain, close_queue };
static const struct stage sealed = { open_sealed, close_queue };
static const struct stage asker = { open_asker, close_queue };

/* What a call that handles one slot says. Return: 0 or a negative errno. */
static int done(int ret)
{
	return ret == 1 ? 0 : ret ?: -EIO;
}

/* what is needed before each round */

static int opened(void)
{
	int err;

	memset(&v, 0, sizeof(v));
	err = side_open(&v, NAME, SENDRECV);
	id = err ? 0 : last_end(nl, family, o.e.o.out_id);
	return err ?: id ? 0 : -EIO;
}

static int loaned(void)
{
	int err = opened() ?: done(raw_loan(v.e.fd, &da, LONG, 0));

	if (!err)
		memset(tx_at(&v.e, &da), 'v', LONG);
	return err;
}

static int queued(void)
{
	return opened() ?: done(raw_send(&o.e, LONG, 'm'));
}

static int leased(void)
{
	return queued() ?: done(raw_take(v.e.fd, &da, 0));
}

static int full(void)
{
	int err = opened();

	for (int i = 0; !err && i < DEPTH; i++)
		err = done(raw_loan(o.e.fd, &all[i], 8, 0));
	return err;
}

static int asking(void)
{
	int err = opened() ?: done(side_loan(&v, &da, 4, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));

	da.flags = IPCX_MSG_INLINE;
	return err;
}

/* The victim's end holds a request of the other's, and has a loan for the reply. */
static int serving(void)
{
	int r = opened();

	r = r ?: done(side_send_inline(&o, &db, 4, 'q', IPCX_MSG_REQUEST));
	r = r ?: done(side_take(&v, &da, 0, 0));
	return r ?: done(side_loan(&v, &answer, LONG, IPCX_LOAN_REPLY));
}

/* Pages of both windows are mapped, of a loan and of a message. */
static int seen_both(void)
{
	int err = leased() ?: done(raw_loan(v.e.fd, &db, LONG, 0));

	if (!err && (probe(rx_at(&v.e, &da), false) || probe(tx_at(&v.e, &db), true)))
		err = -EFAULT;
	return err;
}

static int unseen_both(void)
{
	return leased() ?: done(raw_loan(v.e.fd, &db, LONG, 0));
}

static int nothing_open(void)
{
	id = (id ?: last_end(nl, family, o.e.o.out_id)) + 1;
	return 0;
}

/* A new queue, in which the victim's next commit gets a slot ready for a long message. */
static int long_loaned(void)
{
	struct passer p;
	int err;

	memset(&o, 0, sizeof(o));
	o.e.o.depth = DEPTH;
	o.e.o.msg_max = PASS_LEN;
	err = side_open(&o, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ?: opened();
	if (err)
		return err;
	p = passer_of(v.e.fd, PASS_LEN, 0);
	if (pass_on(&p, PASS_MISSED - 1) != PASS_MISSED - 1)
		return -EIO;
	return done(raw_loan(v.e.fd, &da, PASS_LEN, 0));
}

#endif /* RACE_REVOKES_H */
