/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Rings of topics, in user space: what publishers and subscribers share.
 *
 * The picture and the letters of the barriers are in <linux/ipcx_topic.h>. Nothing here calls the
 * system or allocates: who maps the pages, waits and wakes is elsewhere. One thread at a time works
 * on a struct ipcx_ring_pub or ipcx_ring_sub.
 */
#ifndef IPCX_RING_H
#define IPCX_RING_H

#include <linux/ipcx_topic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPCX_POS_MASK ((UINT64_C(1) << 62) - 1)

/* a - b, positions both */
static inline int64_t ipcx_pos_diff(uint64_t a, uint64_t b)
{
	return (int64_t)((a - b) << 2) >> 2;
}

static inline uint64_t ipcx_pos_add(uint64_t pos, int64_t n)
{
	return (pos + n) & IPCX_POS_MASK;
}

static inline uint64_t ipcx_word(uint64_t pos, unsigned int state)
{
	return pos << 2 | state;
}

static inline uint64_t ipcx_word_pos(uint64_t word)
{
	return word >> 2;
}

static inline unsigned int ipcx_word_state(uint64_t word)
{
	return word & 3;
}

/* What a hold says of a cell; 0 is none. */
static inline uint32_t ipcx_hold_word(uint32_t ring, uint32_t cell)
{
	return 1 + ring * IPCX_TOPIC_DEPTH_MAX + cell;
}

/*
 * What a message costs is mostly the wait for the lines of its cell, which the cache of the other
 * side has; so each side asks for them before their turn. Data that is longer than what fits into
 * the first line reaches into the second.
 */
#define IPCX_CELL_LINE 64

static inline bool ipcx_cell_is_wide(size_t len)
{
	return len > IPCX_CELL_LINE - offsetof(struct ipcx_cell, data) && len <= IPCX_CELL_DATA;
}

/*
 * Of a payload so many bytes are asked for at once: a cache that is asked for more lines than it
 * can wait for gets them one by one. Of a message that is longer than IPCX_ASKED_LEN none are: who
 * reads all of it gains nothing, and who passes it on would pay for what he does not read.
 */
#define IPCX_ASKED_MAX 1024
#define IPCX_ASKED_LEN 2048

/* What is rare keeps out of the way of what is not. */
#define ipcx_ring_rare static __attribute__((noinline, cold, unused))
#define ipcx_usual(x) __builtin_expect(!!(x), 1)

/*
 * ThreadSanitizer does not know fences. None is needed for what it knows: all that two sides
 * touch at one time is atomic. An exchange is as good to the machine.
 */
#ifdef __SANITIZE_THREAD__
static inline void ipcx_fence_full(void)
{
	int unshared;

	__atomic_exchange_n(&unshared, 0, __ATOMIC_SEQ_CST);
}

static inline void ipcx_fence_acquire(void)
{
	ipcx_fence_full();
}
#else
static inline void ipcx_fence_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void ipcx_fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}
#endif

/* For the compiler only: the other side makes this CPU serialise before it sleeps, [D]. */
static inline void ipcx_fence_compiler(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * Where the other side often sleeps, that would be a system call each time. So who had to kick has
 * a full barrier of its own before its next looks, and says so, as long as others see where.
 */
#define IPCX_LOOKS 256

/**
 * struct ipcx_looks - how a word "attention" is looked at
 * @told: @bit of it says that there is a barrier before each look; NULL: there never is
 * @bit: see there
 * @answered: attention that was answered with a kick
 * @left: so many looks will still have a barrier, unless another kick is due
 */
struct ipcx_looks {
	uint64_t *told, bit;
	uint32_t answered;
	uint32_t left;
};

/* Looks have no barrier from here on. */
static inline void ipcx_looks_end(const struct ipcx_looks *l)
{
	__atomic_fetch_and(l->told, ~l->bit, __ATOMIC_RELEASE);
	/* [N]: who still saw the bit has changed attention before [D], which the next look sees */
	ipcx_fence_full();
}

/* From now on others see at @bit of @told how it is; and before the first look is a barrier. */
static inline void ipcx_looks_tell(struct ipcx_looks *l, uint64_t *told, uint64_t bit,
				   uint32_t *kicked)
{
	l->told = told;
	l->bit = bit;
	l->left = IPCX_LOOKS;
	*kicked = 1;
	__atomic_fetch_or(told, bit, __ATOMIC_RELEASE);
}

/*
 * @attention is not @kicked, which it never is while there are barriers. Return: whether to kick.
 */
ipcx_ring_rare bool ipcx_looks_due(struct ipcx_looks *l, const uint32_t *attention,
				   uint32_t *kicked)
{
	uint32_t now;

	if (l->left) /* [C], [L]: who has changed it [D] sees what was done, or is seen here */
		ipcx_fence_full();
	now = __atomic_load_n(attention, __ATOMIC_RELAXED);
	if (now == l->answered) {
		if (l->left && !--l->left) {
			ipcx_looks_end(l);
			*kicked = now;
		}
		return false;
	}
	l->answered = now;
	if (l->told) {
		if (!l->left) /* what was done without one is seen before */
			__atomic_fetch_or(l->told, l->bit, __ATOMIC_RELEASE);
		l->left = IPCX_LOOKS;
	}
	*kicked = l->left ? now ^ 1 : now;
	return true;
}

/* The next look is to find that a kick is due. */
static inline void ipcx_looks_again(struct ipcx_looks *l, uint32_t *kicked)
{
	l->answered--;
	if (!l->left)
		*kicked = l->answered;
}

#endif /* IPCX_RING_H */
