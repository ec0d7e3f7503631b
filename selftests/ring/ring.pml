/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings of topics, for spin. The letters are those of <linux/ipcx_topic.h>.
 *
 * MEMORY is weaker than that of any processor that runs Linux. A store goes to a buffer of its
 * process, one place for each variable, and from there to memory, in any order. A load
 * finds what the process saw of that variable last, which it may see anew at any time. So
 *
 *	release		empties the buffer before the store
 *	acquire		sees all variables anew after the load
 *	fence(p)	does both, for one's own process or, as an interrupt does, for another's
 *
 * Each variable has one writer, but DOZE, that is only exchanged, in memory. That a load is done
 * after a store that follows it is not in this; the mutations do it by hand.
 *
 * There are five parts, each with the fewest cells that show what it is about: RING, LOSSY, SLEEP,
 * DOZES and JOIN. -DNO_... leaves something out; ring_model.sh has spin find out each time.
 * Evictions and deaths are not here.
 */
#if defined(RING)
#define VARS 3
#define WORD 0
#define DATA 1
#define CURSOR 2
#elif defined(LOSSY)
#define VARS 3
#define WORD 0
#define DATA 1
#define HOLD 2
#elif defined(SLEEP)
#define VARS 4
#define WORD 0
#define CURSOR 1
#define RING_ATTENTION 2
#define DIR_ATTENTION 3
#elif defined(DOZES)
#define VARS 4
#define WORD 0
#define ATTENTION 1
#define FENCES 2
#define DOZE 3
#elif defined(JOIN)
#define VARS 8
#define WORD 0	/* and 1 */
#define DATA 2	/* and 3 */
#define CURSOR 4
#define HEAD 5
#define GENERATION 6
#define MASK 7
#endif

#define PUB 0	/* processes */
#define SUB 1

byte buf[2 * VARS];
#ifdef JOIN	/* positions 0 and 1 were published */
byte mem[VARS] = { 0, 1, 0, 1, 0, 2, 0, 0 };
byte view[2 * VARS] = { 0, 1, 0, 1, 0, 2, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0 };
#else
byte mem[VARS], view[2 * VARS];
#endif
bool filled[2 * VARS];
hidden byte k;

#define see(v) view[me * VARS + (v)]

inline empty_buffer(p)
{
	k = 0;
	do
	:: k < VARS ->
		if
		:: filled[(p) * VARS + k] ->
			mem[k] = buf[(p) * VARS + k];
			filled[(p) * VARS + k] = false;
			buf[(p) * VARS + k] = 0
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

inline see_all(p)
{
	k = 0;
	do
	:: k < VARS ->
		if
		:: !filled[(p) * VARS + k] -> view[(p) * VARS + k] = mem[k]
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

inline put(v, x)
{
	buf[me * VARS + (v)] = x;
	filled[me * VARS + (v)] = true;
	see(v) = x
}

inline store(v, x) { d_step { put(v, x) } }
inline release(v, x) { d_step { empty_buffer(me); put(v, x) } }
inline load(v, to) { to = see(v) }
inline acquire(v, to) { d_step { to = see(v); see_all(me) } }
inline fence(p) { d_step { empty_buffer(p); see_all(p) } }

#define place(i) \
	:: d_step { filled[i] -> mem[(i) % VARS] = buf[i]; filled[i] = false; buf[i] = 0 } \
	:: d_step { !filled[i] && view[i] != mem[(i) % VARS] -> view[i] = mem[(i) % VARS] }

active proctype memory()
{
end:	do
	place(0) place(1) place(2) place(3) place(4) place(5)
#if VARS > 3
	place(6) place(7)
#endif
#if VARS > 4
	place(8) place(9) place(10) place(11) place(12) place(13) place(14) place(15)
#endif
	od
}

/* The barriers that are a way to load or store. */
#ifdef NO_A
#define store_A store
#else
#define store_A release
#endif
#ifdef NO_B
#define load_B load
#else
#define load_B acquire
#endif
#ifdef NO_H
#define store_H store
#else
#define store_H release
#endif
#ifdef NO_I
#define load_I load
#else
#define load_I acquire
#endif

/* ---- a ring of one cell, and who reads it in place ---- */
#ifdef RING
#define LAST 3

active proctype publisher()
{
	byte me = PUB, p, x;

	for (p : 1 .. LAST) {
#ifdef NO_K
		store(DATA, p);
#endif
		do
		:: acquire(CURSOR, x);	/* K */
			if
			:: x == p - 1 -> break
			:: else -> see(CURSOR) != x
			fi
#ifdef NO_GATE
		:: break
#endif
		od;
		store(DATA, p);
		store_A(WORD, p)
	}
}

active proctype subscriber()
{
	byte me = SUB, p, x;

	for (p : 1 .. LAST) {
		do
		:: load_B(WORD, x);
			if
			:: x >= p -> break
			:: else -> see(WORD) != x
			fi
		od;
		assert(x == p);
#ifdef NO_J
		store(CURSOR, p);
#endif
		load(DATA, x);
		assert(x == p);
		load(DATA, x);
		assert(x == p);
		release(CURSOR, p)	/* J */
	}
}
#endif

/* ---- a ring of one cell, and who may be overtaken: it copies, or holds ---- */
#ifdef LOSSY
#define LAST 3
#define PUBLISHED(p) ((p) * 4)
#define SKIPPED(p) ((p) * 4 + 1)
#define WRITING(p) ((p) * 4 + 2)

active proctype publisher()
{
	byte me = PUB, p, x;

	for (p : 1 .. LAST) {
#ifndef NO_WRITING
		store(WORD, WRITING(p));
#endif
#ifndef NO_F
		fence(me);	/* F */
#endif
#ifdef NO_HOLDS
		x = 0;
#else
		acquire(HOLD, x);
#endif
		if
		:: x -> release(WORD, SKIPPED(p))
		:: else ->
			store(DATA, p);
			store_A(WORD, PUBLISHED(p))
		fi
	}
}

inline copy()
{
	load(DATA, x);
#ifndef NO_G
	fence(me);	/* G; acquire, but there is nothing in the buffer */
#endif
#ifdef NO_LOOK_AFTER_COPY
	again = word;
#else
	load(WORD, again);
#endif
	assert(again != word || PUBLISHED(x) == word)
}

inline hold()
{
	store(HOLD, 1);
#ifndef NO_E
	fence(me);	/* E */
#endif
#ifdef NO_LOOK_AFTER_HOLD
	again = word;
#else
	acquire(WORD, again);
#endif
	if
	:: again == word ->
		load(DATA, x);
		assert(PUBLISHED(x) == word);
#ifdef NO_J
		store(HOLD, 0);
#endif
		load(DATA, x);
		assert(PUBLISHED(x) == word)
	:: else
	fi;
	release(HOLD, 0)	/* J */
}

active proctype subscriber()
{
	byte me = SUB, n, x, word, again;

	for (n : 1 .. 2) {
		load_B(WORD, word);
		if
		:: word % 4 == 0 -> copy()
		:: word % 4 == 0 -> hold()
		:: else
		fi
	}
}
#endif

/* ---- a ring of one cell: each sleeps until the other has done something ---- */
#ifdef SLEEP
#define LAST 3

/* What the kernel knows, under its lock. */
bool armed[2], woken[2];

inline serialise(who)
{
#ifndef NO_D_OWN
	fence(me);
#endif
#ifndef NO_D_OTHER
	fence(who);
#endif
	fence(me)
}

/* Until v is at least want. */
inline sleep(attention, v, want)
{
	woken[me] = false;	/* on the wait queue from here */
	if
	:: armed[me]
	:: else ->	/* D */
		armed[me] = true;
		changes++;
		store(attention, changes);
		serialise(1 - me)
	fi;
#ifdef NO_LOOK_AGAIN
	x = 0;
#else
	load(v, x);
#endif
	if
	:: x >= want
	:: else -> woken[me]
	fi
}

inline wait_for(attention, v, want)
{
	do
	:: acquire(v, x);
		if
		:: x >= want -> break
		:: else -> sleep(attention, v, want)
		fi
	od
}

inline kick(x)
{
	if
	:: x != kicked ->
		kicked = x;
#ifndef NO_KICK
		d_step { armed[1 - me] = false; woken[1 - me] = true }
#endif
	:: else
	fi
}

active proctype publisher()
{
	byte me = PUB, p, x, kicked, changes;

	for (p : 1 .. LAST) {
		wait_for(DIR_ATTENTION, CURSOR, p - 1);
#ifdef NO_C
		load(RING_ATTENTION, x);
		release(WORD, p);
#else
		release(WORD, p);
		load(RING_ATTENTION, x);	/* C */
#endif
		kick(x)
	}
}

active proctype subscriber()
{
	byte me = SUB, p, x, kicked, changes;

	for (p : 1 .. LAST) {
		wait_for(RING_ATTENTION, WORD, p);
#ifdef NO_L
		load(DIR_ATTENTION, x);
		release(CURSOR, p);
#else
		release(CURSOR, p);
		load(DIR_ATTENTION, x);	/* L */
#endif
		kick(x)
	}
}
#endif

/*
 * ---- over shared memory: the subscriber sleeps on a word, and the publisher has a barrier of its
 * own, and says so, until it has looked in vain. A doze has no end here by itself. ----
 */
#ifdef DOZES
#define LAST 5
#define LOOKS 2

bool asleep;	/* what the kernel knows, of the futex */

inline begin_doze()
{
	d_step {
		empty_buffer(me);
		mem[DOZE] = mem[DOZE] | 1;
		odd = mem[DOZE];
		see(DOZE) = odd
	}
	fence(me);	/* for those who change something else, which is not here */
	if
	:: odd != dozed ->
		dozed = odd;
		changes++;
		release(ATTENTION, changes);	/* D */
#ifndef NO_N_SLEEPER
		fence(me);	/* D, N */
#endif
		acquire(FENCES, x);
		if
		:: x
#ifdef NO_MEMBARRIER
		:: else
#else
		:: else -> fence(me); fence(PUB); fence(me)
#endif
		fi
	:: else
	fi
}

active proctype subscriber()
{
	byte me = SUB, p, x, odd, dozed, changes;

	for (p : 1 .. LAST) {
		do
		:: acquire(WORD, x);
			if
			:: x >= p -> break
			:: else
			fi;
			begin_doze();
#ifndef NO_LOOK_AGAIN
			acquire(WORD, x);
			if
			:: x >= p -> break
			:: else
			fi;
#endif
			d_step {
				if
				:: mem[DOZE] == odd -> asleep = true
				:: else
				fi
			}
			!asleep
		od
	}
}

inline kick()
{
	d_step { see_all(me) }
	load(DOZE, x);
	won = false;
	d_step {
		if
		:: x % 2 && mem[DOZE] == x ->
#ifndef NO_EXCHANGE
			empty_buffer(me);
			mem[DOZE] = x + 1;
			see(DOZE) = x + 1;
#endif
			won = true
		:: else
		fi
	}
	if
#ifndef NO_WAKE
	:: won -> asleep = false
#else
	:: won
#endif
	:: else
	fi
}

active proctype publisher()
{
	byte me = PUB, p, x, answered, left = LOOKS;
	bool won;

	release(FENCES, 1);
	for (p : 1 .. LAST) {
		release(WORD, p);
#ifndef NO_FENCE
		if
		:: left -> fence(me)	/* C */
		:: else
		fi;
#endif
		load(ATTENTION, x);
		if
		:: x == answered && left ->
			left--;
			if
			:: !left ->
				release(FENCES, 0);
#ifndef NO_N_END
				fence(me)	/* N */
#endif
			:: else
			fi
		:: else
		fi;
		if
		:: x != answered ->
			answered = x;
			if
			:: !left -> release(FENCES, 1)
			:: else
			fi;
			left = LOOKS;
			kick()
		:: else
		fi
	}
}
#endif

/* ---- a ring of two cells, and a reliable subscriber that joins ---- */
#ifdef JOIN
#define LAST 4

active proctype publisher()
{
	byte me = PUB, p, x, known, mask;

	for (p : 2 .. LAST) {
		do
		:: load_I(GENERATION, x);
			if
			:: x != known -> known = x; load(MASK, mask)
			:: else
			fi;
			if
			:: !mask -> break
			:: else ->
				acquire(CURSOR, x);	/* K */
				if
				:: x > p - 2 -> break
				:: else -> see(CURSOR) != x
				fi
			fi
		od;
		store(HEAD, p + 1);
		store(DATA + p % 2, p);
		store_A(WORD + p % 2, p)
	}
}

active proctype subscriber()
{
	byte me = SUB, p, x, head;

	/* the kernel */
	load(HEAD, head);
	store(CURSOR, head - 1);
	store(MASK, 1);
	store_H(GENERATION, 1);
	fence(me);
#ifndef NO_SERIALISE
	fence(PUB);
#endif
	fence(me);
	load(HEAD, head);
#ifdef NO_ROOM
	p = head - 2;
#else
	p = head - 1;
#endif
	store(CURSOR, p);
	/* the subscriber */
	do
	:: p > LAST -> break
	:: else ->
		load_B(WORD + p % 2, x);
		assert(x <= p);
		if
		:: x == p ->
			load(DATA + p % 2, x);
			assert(x == p);
			p++;
			release(CURSOR, p)	/* J */
		:: else -> see(WORD + p % 2) != x
		fi
	od
}
#endif
