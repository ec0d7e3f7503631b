// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs: making one, and changing one.
 *
 * Resources are indices; who runs a program turns an index into the next
 * resource that exists, so that most calls of any mixture are valid.
 */
#include <linux/ipcx.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"

static uint64_t random_state;

void random_seed(uint64_t seed)
{
	random_state = seed;
}

/* splitmix64: any seed is as good as any other */
static uint64_t random_word(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t random_below(uint64_t n)
{
	return random_word() % n;
}

static uint64_t random_value(const struct values *v)
{
	if (!random_below(200))
		return random_word() >> random_below(64);
	return v->list[random_below(v->n)];
}

static const enum op endings[] = {
	OP_FORK, OP_FORK, OP_KILL, OP_KILL, OP_EXIT, OP_EXIT, OP_UNSHARE, OP_DROP,
};

/* What the program that is made or changed works on. */
static enum kinds kinds;

static uint32_t weight_of(enum op op)
{
	const struct op_info *i = &op_info[op];

	if (i->kinds && !(i->kinds & kinds))
		return 0;
	return i->weight;
}

static enum op random_op(void)
{
	uint64_t sum = 0, r;
	int op;

	/* what costs a process: making one takes as long as hundreds of calls */
	if (!random_below(160))
		return endings[random_below(sizeof(endings) / sizeof(*endings))];
	for (op = 0; op < OPS; op++)
		sum += weight_of(op);
	r = random_below(sum);
	for (op = 0; r >= weight_of(op); op++)
		r -= weight_of(op);
	return op;
}

static struct call *call_fill(struct call *c, uint8_t proc, enum op op)
{
	int i;

	*c = (struct call){ .proc = proc, .op = op };
	if (!random_below(40))
		c->fail = 1 + random_below(random_below(2) ? 4 : 16);
	for (i = 0; i < ARGS_MAX && op_info[op].arg[i].name; i++)
		c->arg[i] = random_value(op_info[op].arg[i].values);
	return c;
}

/* What nearly every process begins with: a queue that others use too, and its windows. */
static void start_queue(struct program *p, uint8_t proc)
{
	struct call *c;

	if (!random_below(4)) { /* where most dead letters go */
		c = call_fill(&p->call[p->n++], proc, OP_OPEN);
		c->arg[0] = 2;
		c->arg[1] |= IPCX_OPEN_CREATE;
	}
	c = call_fill(&p->call[p->n++], proc, OP_OPEN);
	if (random_below(4)) {
		c->arg[0] = 1;
		c->arg[1] |= IPCX_OPEN_CREATE;
		c->arg[7] = 0;
	}
	c = call_fill(&p->call[p->n++], proc, OP_MMAP);
	c->arg[1] = 0;
	c = call_fill(&p->call[p->n++], proc, OP_MMAP);
	c->arg[1] = 1;
}

/* The same of a topic; its own pages, and the ring of the first who publishes. */
static void start_topic(struct program *p, uint8_t proc)
{
	static const struct {
		uint64_t window, index;
	} windows[] = { { 0, 0 }, { 1, 0 }, { 2, 0 }, { 2, RAW }, { 3, 0 } };
	struct call *c = call_fill(&p->call[p->n++], proc, OP_JOIN);
	uint32_t i;

	if (random_below(8)) {
		c->arg[0] = 3;
		c->arg[1] |= IPCX_OPEN_CREATE;
		c->arg[7] = 0;
	}
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		c = call_fill(&p->call[p->n++], proc, OP_WINDOW);
		c->arg[1] = windows[i].window;
		c->arg[2] = windows[i].index;
		c->arg[3] = 0;
		c->arg[4] = PROT_READ | PROT_WRITE;
		c->arg[5] = MAP_SHARED;
	}
}

static void generate_start(struct program *p, uint8_t proc)
{
	if (!random_below(40))
		call_fill(&p->call[p->n++], proc, OP_DROP);
	if (kinds & QUEUES)
		start_queue(p, proc);
	if (kinds & TOPICS)
		start_topic(p, proc);
}

/* All shapes of an object's attributes must meet, not only those of the first opener. */
static void same_attributes(struct program *p, int op, uint64_t name)
{
	struct call *first = NULL;
	uint32_t i, j;

	for (i = 0; i < p->n; i++) {
		struct call *c = &p->call[i];

		if (c->op != op || c->arg[0] != name || !random_below(8))
			continue;
		if (!first)
			first = c;
		for (j = 2; j < 7; j++)
			c->arg[j] = first->arg[j];
	}
}

static enum kinds kinds_of(const struct program *p)
{
	uint32_t i, found = 0;

	for (i = 0; i < p->n; i++)
		found |= op_info[p->call[i].op].kinds;
	return found ?: QUEUES | TOPICS;
}

void program_generate(struct program *p)
{
	static const enum kinds usual[] = {
		QUEUES, QUEUES, QUEUES, TOPICS, TOPICS, QUEUES | TOPICS,
	};
	uint32_t i, calls;

	p->n = 0;
	kinds = usual[random_below(sizeof(usual) / sizeof(*usual))];
	p->procs = 2 + (random_below(3) ? random_below(2) : random_below(PROCS_MAX - 1));
	for (i = 0; i < p->procs; i++)
		generate_start(p, i);
	same_attributes(p, OP_OPEN, 1);
	same_attributes(p, OP_JOIN, 3);
	calls = p->n + p->procs * (16 + random_below(112));
	if (calls > CALLS_MAX)
		calls = CALLS_MAX;
	while (p->n < calls)
		call_fill(&p->call[p->n++], random_below(p->procs), random_op());
}

static void insert_calls(struct program *p, const struct call *c, uint32_t n)
{
	uint32_t at = random_below(p->n + 1), i;

	if (n > CALLS_MAX - p->n)
		n = CALLS_MAX - p->n;
	memmove(&p->call[at + n], &p->call[at], (p->n - at) * sizeof(*c));
	memcpy(&p->call[at], c, n * sizeof(*c));
	for (i = at; i < at + n; i++)
		p->call[i].proc %= p->procs;
	p->n += n;
}

static void delete_calls(struct program *p, uint32_t n)
{
	uint32_t at;

	if (p->n <= n)
		return;
	at = random_below(p->n - n + 1);
	memmove(&p->call[at], &p->call[at + n], (p->n - at - n) * sizeof(p->call[0]));
	p->n -= n;
}

static void change_call(struct program *p)
{
	struct call *c = &p->call[random_below(p->n)];
	int args = 0;

	while (args < ARGS_MAX && op_info[c->op].arg[args].name)
		args++;
	switch (random_below(8)) {
	case 0:
		c->proc = random_below(p->procs);
		break;
	case 1:
		c->fail = random_below(2) ? 1 + random_below(20) : 0;
		break;
	case 2:
		call_fill(c, c->proc, random_op());
		break;
	default:
		if (args) {
			int i = random_below(args);

			c->arg[i] = random_value(op_info[c->op].arg[i].values);
		}
	}
}

/*
 * Changes @p at some places; @other is a second program to take calls from.
 */
void program_mutate(struct program *p, const struct program *other)
{
	uint32_t rounds = 1 + random_below(6), from, n;
	struct call some[16];

	kinds = kinds_of(p);
	while (rounds--) {
		switch (random_below(8)) {
		case 0:
		case 1:
			call_fill(some, random_below(p->procs), random_op());
			insert_calls(p, some, 1);
			break;
		case 2:
			delete_calls(p, 1 + random_below(4));
			break;
		case 3:
			n = 1 + random_below(p->n < 8 ? p->n : 8);
			from = random_below(p->n - n + 1);
			memcpy(some, &p->call[from], n * sizeof(*some));
			insert_calls(p, some, n);
			break;
		case 4:
			n = 1 + random_below(other->n < 16 ? other->n : 16);
			from = random_below(other->n - n + 1);
			insert_calls(p, &other->call[from], n);
			break;
		default:
			change_call(p);
		}
	}
}
