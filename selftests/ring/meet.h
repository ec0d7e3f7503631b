/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Publishers and subscribers that meet, each a thread. ring_tsan has ThreadSanitizer look on.
 */
#ifndef MEET_H
#define MEET_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "world.h"

#ifdef __SANITIZE_THREAD__
#define MESSAGES 5000
#else
#define MESSAGES 40000
#endif
#define MESSAGES_FULL 10000000
#define HANDS 6 /* messages that a subscriber has in hand at most */

/* A publisher or a subscriber of one ring, at work. */
struct part {
	struct world *w;
	uint32_t r, s;
	bool lossy, sleeps, tells; /* tells: whether its looks have a barrier, in told */
	uint64_t n, told;
	struct ipcx_ring_pub p;
	struct ipcx_ring_sub *sub;
	unsigned int seed;
	uint64_t first, taken; /* the first of a lossy one may be any */
	const char *bad;
	sem_t kicked; /* this one is woken by it */
	struct part *peer;
	pthread_t thread;
};

static inline uint64_t messages(void)
{
	return getenv("IPCX_TEST_FULL") ? MESSAGES_FULL : MESSAGES;
}

static inline void napping(struct part *a)
{
	if (rand_r(&a->seed) % 64 == 0)
		sched_yield();
}

/* Until the peer kicks. */
static inline void fall_asleep(struct part *a)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 20;
	while (sem_timedwait(&a->kicked, &ts))
		if (errno == ETIMEDOUT) {
			a->bad = "not woken";
			return;
		}
}

/* As the kernel does, or the library over shared memory, before it looks again and sleeps. */
static inline void arm(const struct part *a, uint32_t *attention)
{
	__atomic_fetch_add(attention, 2, __ATOMIC_SEQ_CST); /* [D] */
	ipcx_fence_full(); /* [N] */
	if (!a->tells || !__atomic_load_n(&a->peer->told, __ATOMIC_ACQUIRE))
		serialise();
}

static inline bool loan(struct part *a, uint64_t *pos)
{
	struct ipcx_ring_pub *p = &a->p;
	uint32_t who;
	int r = ipcx_pub_loan(p, pos, &who);

	if (r == -EAGAIN && a->sleeps) {
		arm(a, &a->w->dir->attention);
		r = ipcx_pub_loan(p, pos, &who);
		if (r == -EAGAIN)
			fall_asleep(a);
	} else if (r == -EAGAIN) {
		sched_yield();
	}
	if (r == -EPROTO ? is_outside(a->w, a->r, who) : r && r != -EAGAIN && r != -EBADMSG)
		a->bad = "loan";
	return !r;
}

/* Publishes n messages, some of them late, and dies. */
static inline void *publishing(void *arg)
{
	struct part *a = arg;
	struct ipcx_dir_ring *entry = &a->w->dir->ring[a->r];
	uint64_t pos, value = 0;
	bool kick;

	while (value < a->n && !a->bad) {
		uint32_t len = rand_r(&a->seed) % (SLOT / 8) * 8;

		napping(a);
		if (!loan(a, &pos))
			continue;
		if (rand_r(&a->seed) % 16 == 0) {
			kick = ipcx_pub_cancel(&a->p, pos);
		} else {
			fill(a->w, &a->p, pos, value, len);
			kick = ipcx_pub_commit(&a->p, pos, len, value++);
		}
		if (kick && a->sleeps)
			sem_post(&a->peer->kicked);
	}
	__atomic_store_n(&entry->end, a->p.head, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->flags, IPCX_RING_DEAD, __ATOMIC_RELEASE);
	if (a->sleeps)
		sem_post(&a->peer->kicked);
	return NULL;
}

/* Is it the next, or as far ahead as messages were missed? */
static inline void inspect(struct part *a, const struct ipcx_taken *t)
{
	uint64_t value;

	if (!a->taken && a->lossy)
		a->first = t->tag;
	value = a->first + a->taken + a->sub->missed;
	if (!is_value(a->w, a->sub, t, value))
		a->bad = "a message is not what was sent";
	if (!a->lossy && a->sub->missed)
		a->bad = "a reliable one missed something";
	a->taken++;
}

static inline void let_go(struct part *a, struct ipcx_taken *t)
{
	if ((!a->lossy || t->hold) && !is_value(a->w, a->sub, t, t->tag))
		a->bad = "what was in hand has changed";
	if (ipcx_sub_release(a->sub, t) && a->sleeps)
		sem_post(&a->peer->kicked);
}

/* Nothing is there. Return: whether nothing will come. */
static inline bool at_end(struct part *a, struct ipcx_taken *t)
{
	const struct ipcx_dir_ring *entry = &a->w->dir->ring[a->r];

	if (a->sub->kick && a->sleeps) {
		a->sub->kick = false;
		sem_post(&a->peer->kicked);
	}
	if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & IPCX_RING_DEAD)
		return ipcx_sub_drained(a->sub, __atomic_load_n(&entry->end, __ATOMIC_RELAXED));
	if (!a->sleeps || a->sub->held) {
		sched_yield();
		return false;
	}
	arm(a, &a->w->dir->ring[a->r].attention);
	if (ipcx_sub_take(a->sub, t) == 1) {
		inspect(a, t);
		let_go(a, t);
	} else if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & IPCX_RING_DEAD)) {
		fall_asleep(a);
	}
	return false;
}

/* Takes all there is, and lets it go in any order. */
static inline void *subscribing(void *arg)
{
	struct part *a = arg;
	struct ipcx_taken hand[HANDS];
	unsigned int n = 0;
	bool end = false;
	int r;

	while (!a->bad && !end) {
		r = n < HANDS ? ipcx_sub_take(a->sub, &hand[n]) : 0;
		if (r == 1) {
			inspect(a, &hand[n]);
			/* it refers to itself */
			if (hand[n].cell == hand[n].copy)
				let_go(a, &hand[n]);
			else
				n++;
		} else if (r && r != -EMFILE) {
			a->bad = "take";
		}
		napping(a);
		if (n && (r != 1 || rand_r(&a->seed) % 2)) {
			unsigned int i = rand_r(&a->seed) % n;

			let_go(a, &hand[i]);
			hand[i] = hand[--n];
		} else if (!r && !n) {
			end = at_end(a, &hand[0]);
		}
	}
	return NULL;
}

/* A subscriber that comes and goes until the publisher is dead. */
static inline void *coming(void *arg)
{
	struct part *a = arg;
	struct ipcx_dir_ring *entry = &a->w->dir->ring[a->r];
	struct ipcx_taken t;

	while (!a->bad && !__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE)) {
		uint64_t value = 0;

		a->sub = subscribe(a->w, a->r, a->s, a->lossy, rand_r(&a->seed) % a->w->depth);
		for (int i = rand_r(&a->seed) % 64; i > 0; i--) {
			int r = ipcx_sub_take(a->sub, &t);

			if (r < 0)
				a->bad = "take";
			if (r < 1)
				continue;
			if (!is_value(a->w, a->sub, &t, t.tag) || (value && t.tag < value) ||
			    (value && !a->lossy && t.tag != value))
				a->bad = "a message is not what was sent";
			value = t.tag + 1;
			a->taken++;
			ipcx_sub_release(a->sub, &t);
		}
		detach(a->w, a->r, a->s);
		free(a->sub);
	}
	return NULL;
}

/* One publisher a ring; subscriber s reads ring s % rings. Return: NULL or what is wrong. */
static inline const char *meet(struct world *w, int rings, int reliable, int lossy, int guests,
			       bool sleeps, bool tells)
{
	struct part pub[RINGS] = {}, sub[SUBS] = {};
	int i, subs = reliable + lossy, all = subs + guests;
	const char *bad = NULL;

	for (i = 0; i < rings; i++) {
		pub[i] = (struct part){ .w = w, .r = i, .n = messages() / rings, .seed = i };
		publish(w, &pub[i].p, i);
	}
	for (i = 0; i < all; i++) {
		sub[i] = (struct part){ .w = w, .r = i % rings, .s = i, .seed = 100 + i };
		sub[i].lossy = i < subs ? i >= reliable : i % 2;
		if (i < subs)
			sub[i].sub = subscribe(w, i % rings, i, sub[i].lossy, 0);
	}
	for (i = 0; i < rings && sleeps; i++) {
		pub[i].sleeps = true;
		sub[i].sleeps = true;
		pub[i].peer = &sub[i];
		sub[i].peer = &pub[i];
		pub[i].tells = tells;
		sub[i].tells = tells;
		if (tells) {
			ipcx_looks_tell(&pub[i].p.looks, &pub[i].told, 1, &pub[i].p.kicked);
			ipcx_looks_tell(&sub[i].sub->looks, &sub[i].told, 1, &sub[i].sub->kicked);
		}
		sem_init(&pub[i].kicked, 0, 0);
		sem_init(&sub[i].kicked, 0, 0);
	}
	for (i = 0; i < all; i++)
		pthread_create(&sub[i].thread, NULL, i < subs ? subscribing : coming, &sub[i]);
	for (i = 0; i < rings; i++)
		pthread_create(&pub[i].thread, NULL, publishing, &pub[i]);
	for (i = 0; i < rings; i++) {
		pthread_join(pub[i].thread, NULL);
		bad = bad ?: pub[i].bad;
	}
	for (i = 0; i < all; i++) {
		pthread_join(sub[i].thread, NULL);
		bad = bad ?: sub[i].bad;
		if (i >= subs)
			continue;
		if (!bad && sub[i].first + sub[i].taken + sub[i].sub->missed != messages() / rings)
			bad = "messages taken and missed are not all";
		free(sub[i].sub);
	}
	return bad;
}

#define MEET(depth, first, ...) \
	do { \
		struct world w; \
		const char *bad; \
\
		world_open(&w, depth, first, 0); \
		bad = meet(&w, ##__VA_ARGS__); \
		ASSERT_EQ(NULL, bad) TH_LOG("%s", bad); \
		world_close(&w); \
	} while (0)

TEST(meet_reliable)
{
	MEET(8, (UINT64_C(1) << 62) - messages() / 2, 1, 2, 0, 0, false, false);
}

TEST(meet_lossy)
{
	MEET(8, 0, 1, 0, 2, 0, false, false);
}

TEST(meet_both)
{
	MEET(16, (UINT64_C(1) << 32) - messages() / 2, 1, 1, 2, 0, false, false);
}

TEST(meet_rings)
{
	MEET(8, 7, 2, 2, 2, 0, false, false);
}

TEST(meet_guests)
{
	MEET(16, 0, 1, 1, 0, 2, false, false);
}

TEST(meet_asleep)
{
	MEET(8, 0, 1, 1, 0, 0, true, false);
}

TEST(meet_asleep_tells)
{
	MEET(8, 0, 1, 1, 0, 0, true, true);
}

#endif /* MEET_H */
