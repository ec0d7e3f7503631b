// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packs that came. Each message is looked at, and noted, on its own: a pack that comes again is
 * copies.
 *
 * Of a work queue another host gets a pack that goes back. So room is loaned for all before the
 * first one is put. If there is not enough, what has room is put, and the others go back each on
 * its own: to whom has room, or here later.
 */
#include <errno.h>
#include <string.h>

#include "in.h"

#define BACK_TIME (5 * NS_PER_S) /* for what of a pack has no room, then all of it goes back */

struct pack {
	struct parcel *p;
	int64_t age;
	unsigned int n;
	struct ipcx_msg m[PACK_MAX];
	unsigned int loaned;
};

/* What is damaged, late, or known ends here. */
static bool is_wanted(struct in *in, struct parcel *p, int64_t age)
{
	enum seen seen = window_look(in->l->w, p);

	if (parcel_crc(0, p->data, p->len) != p->crc)
		lane_drop(in->l, DROP_CRC);
	else if (in_expired(p, age))
		lane_drop(in->l, DROP_EXPIRED);
	else if (seen == SEEN_DONE)
		count(&in->l->n.copies);
	else
		return true;
	return false;
}

/* Return: 0 too if it can never be there, nor elsewhere, which is counted. */
static int put_one(struct in *in, const struct parcel *p, int64_t age)
{
	int r = in_put(in, p, in_patience(in));

	if (r != -EMSGSIZE || in_others_may(in, age))
		return r;
	lane_drop(in->l, DROP_OVERSIZED);
	return 0;
}

static unsigned int depth_of(const struct local *l)
{
	struct ipcx_queue_attr a = { .sz = sizeof(a) };

	return ipcx_queue_attr(l->q, &a) ? 0 : a.depth;
}

/* As many as there is room for, within a while. Return: 0, or why there is none for any. */
static int loan_some(struct in *in, struct pack *k)
{
	unsigned int depth = depth_of(&in->local);
	int64_t until = in_patience(in);
	int r = 0;

	while (k->loaned < k->n && (!k->loaned || k->loaned < depth)) {
		r = in_loan(in, &k->p[k->loaned], &k->m[k->loaned], until);
		if (r)
			break;
		k->loaned++;
	}
	return k->loaned || r == -EMSGSIZE ? 0 : r;
}

/* Return: how many are in the queue now; after one that fails there are no more. */
static unsigned int commit_loaned(struct in *in, struct pack *k)
{
	unsigned int i = 0;

	for (; i < k->loaned; i++) {
		if (k->p[i].len)
			memcpy(k->m[i].data, k->p[i].data, k->p[i].len);
		if (in_commit(in, &k->p[i], &k->m[i]))
			break;
	}
	for (unsigned int rest = i + 1; rest < k->loaned; rest++)
		local_cancel(&in->local, &k->m[rest]);
	return i;
}

/*
 * To the engine, or if that refuses it, as when it is full, to the local queue when that has room.
 * What the engine may have without a word that it has must not be here, too.
 */
static int hand_back(struct in *in, const struct pack *k, unsigned int i, int64_t until)
{
	const struct bridge *b = in->l->b;
	bool silent = false;
	int r;

	do {
		in_progress(in);
		r = b->ops->store(b->e, in->l->nr, &k->p[i]);
		if (!r) {
			count(&in->l->n.returned);
			return 0;
		}
		silent |= r == -ETIMEDOUT;
		if (!silent) {
			r = put_one(in, &k->p[i], k->age);
			if (r != -ETIMEDOUT && r != -EMSGSIZE)
				return r;
		}
		sleep_ms(20);
	} while (!stopping(b) && link_up(b) && !in_is_stale(in) && now_ns() < until);
	return silent ? -ETIMEDOUT : r;
}

static int put_work(struct in *in, struct pack *k)
{
	int r = loan_some(in, k);
	unsigned int done = r ? 0 : commit_loaned(in, k);
	int64_t until = now_ns() + BACK_TIME;

	if (r || done == k->n)
		return r;
	in->full = true;
	in_give_back_rest(in);
	for (unsigned int i = done; i < k->n && !r; i++)
		r = hand_back(in, k, i, until);
	return r;
}

int in_put_pack(struct in *in, struct parcel *p, unsigned int n, int64_t age)
{
	struct pack k = { .p = p, .age = age };
	int r = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!is_wanted(in, &p[i], age))
			continue;
		count_more(&in->l->n.perhaps, window_look(in->l->w, &p[i]) == SEEN_PERHAPS);
		p[k.n++] = p[i];
	}
	if (in->l->r->kind == KIND_WORK)
		return put_work(in, &k);
	for (unsigned int i = 0; i < k.n && !r; i++)
		r = put_one(in, &p[i], age);
	return r;
}
