// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packs that came. Each message is looked at, and noted, on its own: a pack that comes again is
 * copies.
 *
 * Of a work queue another host gets a pack that goes back. So room is loaned for all before the
 * first one is put. If there is not enough, the others are stored again as a pack of their own: for
 * whom has room, or for here later. Only when that is done is the first one put; else all of the
 * pack goes back, and nothing was done of it.
 */
#include <errno.h>
#include <string.h>

#include "in.h"

#define BACK_TIME (5 * NS_PER_S) /* for what of a pack has no room, then all of it goes back */
#ifndef ROOM_TIME
#define ROOM_TIME (5 * NS_PER_S) /* for which it then waits for room */
#endif
#define BODY (PACK_BYTES + PACK_MAX * PACK_LINE) /* of a part of a pack, with lines anew */

struct pack {
	struct parcel *p;
	int64_t age;
	unsigned int n;
	struct ipcx_msg m[PACK_MAX];
	unsigned int loaned, done;
};

/* What is damaged, late, or known ends here. */
static bool is_wanted(struct in *in, struct parcel *p, int64_t age)
{
	enum seen seen = window_look(in->l->w, p);

	if (seen == SEEN_DONE)
		count(&in->l->n.copies);
	else if (parcel_crc(0, p->data, p->len) != p->crc)
		lane_drop(in->l, DROP_CRC);
	else if (in_expired(p, age))
		lane_drop(in->l, DROP_EXPIRED);
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

/*
 * As many as there is room for, within a while: these are the first ones then. What is too long for
 * the queue here goes behind, or is dropped when old. Return: 0, or why there is none for any.
 */
static int loan_some(struct in *in, struct pack *k)
{
	uint64_t depth = local_depth(&in->local);
	unsigned int left = k->n;
	int64_t until = in_patience(in);
	int r = 0;

	while (k->loaned < left && (!k->loaned || k->loaned < depth)) {
		struct parcel *p = &k->p[k->loaned];

		r = in_loan(in, p, &k->m[k->loaned], until);
		if (r == -EMSGSIZE) {
			struct parcel last = k->p[--left], too_long = *p;

			*p = last;
			if (in_others_may(in, k->age)) {
				k->p[left] = too_long;
				continue;
			}
			lane_drop(in->l, DROP_OVERSIZED);
			k->n--;
			memmove(&k->p[left], &k->p[left + 1], (k->n - left) * sizeof(*k->p));
			continue;
		}
		if (r)
			break;
		k->loaned++;
	}
	return k->loaned ? 0 : r;
}

static void cancel_loaned(struct in *in, struct pack *k, unsigned int from)
{
	for (unsigned int i = from; i < k->loaned; i++)
		local_cancel(&in->local, &k->m[i]);
	k->loaned = 0;
}

/* After one that fails there are no more. Return: why, or 0. */
static int commit_loaned(struct in *in, struct pack *k)
{
	int r = 0;

	for (; k->done < k->loaned && !r; k->done += !r) {
		struct ipcx_msg *m = &k->m[k->done];

		if (m->len)
			memcpy(m->data, k->p[k->done].data, m->len);
		r = in_commit(in, &k->p[k->done], m);
	}
	if (r)
		cancel_loaned(in, k, k->done + 1);
	return r;
}

/*
 * What has no room here to the engine, as one parcel: all of it or nothing. Without a word of the
 * engine it is tried again, for it may have it. Return: 0, or why not; -ETIMEDOUT if it may have
 * it.
 */
static int store_some(struct in *in, const struct pack *k, unsigned int from, unsigned int end)
{
	const struct bridge *b = in->l->b;
	struct parcel rest = { 0 }, *one = &k->p[from];
	int64_t until = now_ns() + BACK_TIME;
	bool silent = false;
	char body[BODY];
	int r;

	for (unsigned int i = from; i < end; i++)
		pack_add(&rest, body, &k->p[i]);
	do {
		in_progress(in);
		r = b->ops->store(b->e, in->l->nr, rest.pack > 1 ? &rest : one);
		silent |= r == -ETIMEDOUT;
		if (r == -ETIMEDOUT)
			sleep_ms(20);
	} while (r == -ETIMEDOUT && !stopping(b) && link_up(b) && !in_is_stale(in) &&
		 now_ns() < until);
	count_more(&in->l->n.returned, r ? 0 : rest.pack);
	return r && silent ? -ETIMEDOUT : r;
}

/*
 * Where some are here, or at the engine again, the others must not come again with them. @alone:
 * those that are loaned are all. Return: 0, or why the pack is to come again.
 */
static int commit_or_store(struct in *in, struct pack *k, bool alone)
{
	unsigned int end = k->loaned;
	int r = commit_loaned(in, k);

	if (!r || (alone && !k->done) || in_is_stale(in))
		return r;
	if (store_some(in, k, k->done, end))
		return r;
	in_tell_failed(in, r);
	return 0;
}

/* Without the engine's help: the queue never has room for all at once, they are put as it has. */
static int put_slowly(struct in *in, struct pack *k)
{
	int64_t until = now_ns() + BACK_TIME;
	int r = commit_loaned(in, k);

	while (k->done < k->n && !r) {
		r = put_one(in, &k->p[k->done], k->age);
		if (!r) {
			k->done++;
		} else if ((r == -ETIMEDOUT || r == -EMSGSIZE) && !stopping(in->l->b) &&
			   link_up(in->l->b) && !in_is_stale(in) && now_ns() < until) {
			sleep_ms(20); /* what is too long did not wait */
			r = 0;
		}
	}
	return r;
}

static int put_work(struct in *in, struct pack *k)
{
	int r = loan_some(in, k);

	if (k->loaned == k->n) /* none, perhaps */
		return commit_or_store(in, k, true);
	if (r)
		return r;
	in->full = true;
	in_give_back_rest(in);
	r = store_some(in, k, k->loaned, k->n);
	if (!r)
		return commit_or_store(in, k, false);
	if (local_depth(&in->local) >= k->n) {
		cancel_loaned(in, k, 0);
		in->needs = k->n;
		in->needs_until = now_ns() + ROOM_TIME;
		return -EAGAIN;
	}
	if (r != -ETIMEDOUT)
		return put_slowly(in, k);
	r = commit_loaned(in, k);
	return r ? r : -EAGAIN; /* what is here now is known when it comes again */
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
