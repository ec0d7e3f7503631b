// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that name messages: one, an array of them, or a request and its answer.
 * What they bring is remembered, with what may be done with it.
 */
#include <linux/ipcx_region.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"

/* The argument of an ioctl, spoilt as @bad says; @size bytes lie in @arg. */
static char *spoil(struct state *s, char *arg, uint32_t size, uint64_t bad)
{
	uint32_t where = bad >> 8 & 0xff, value = bad >> 16;
	char *to = NULL;

	switch (bad & 0xff) {
	case BAD_SIZE:
		memcpy(arg, &value, 4);
		break;
	case BAD_FLAG:
		((uint32_t *)arg)[1] ^= 1U << where % 32;
		break;
	case BAD_WORD:
		((uint32_t *)arg)[where % (size / 4)] = value;
		break;
	case BAD_NULL:
		return NULL;
	case BAD_EDGE:
		to = arg_page + PAGE - size + where % size;
		memmove(to, arg, size - where % size);
		return to;
	case BAD_READONLY:
		return readonly_page;
	case BAD_WINDOW:
		to = window_byte(s, where);
		if (to)
			memcpy(to, arg, size);
		return to;
	case BAD_LONG:
		*(uint32_t *)arg = size + where;
		memset(arg + size, value, where);
	}
	return arg;
}

long spoilt_ioctl(struct state *s, int fd, unsigned long cmd, void *arg, uint32_t size,
		  uint64_t bad)
{
	return ioctl(fd, cmd, spoil(s, arg, size, bad));
}

/*
 * All ioctls with an array have the members of this one, up to where theirs end; but
 * a commit's inline_data is where this has its deadline.
 */
struct batch {
	struct ipcx_queue_take take;
	struct ipcx_desc *desc;
	uint32_t size;
	uint64_t bad;
};

/* @n entries, zeroed, and the rest of the argument as a correct caller has it. */
static void batch_begin(struct batch *b, uint32_t size, uint64_t n, uint64_t bad)
{
	uint32_t room = n < IPCX_BATCH_MAX ? n : IPCX_BATCH_MAX;

	memset(b, 0, sizeof(*b));
	b->desc = (struct ipcx_desc *)desc_pages;
	if ((bad & 0xff) == BAD_DESCS_EDGE) /* the array ends at a hole behind some entries */
		b->desc = (struct ipcx_desc *)(desc_pages + 2 * PAGE) - (bad >> 8 & 7);
	else
		memset(b->desc, 0, room * sizeof(*b->desc));
	b->size = size;
	b->bad = bad;
	b->take.size = size;
	b->take.descs = (uintptr_t)b->desc;
	b->take.count = n;
	b->take.desc_size = sizeof(*b->desc);
}

/* How many entries may be touched here. */
static uint32_t batch_room(const struct batch *b)
{
	uint32_t room = (struct ipcx_desc *)(desc_pages + 2 * PAGE) - b->desc;

	if (room > IPCX_BATCH_MAX)
		room = IPCX_BATCH_MAX;
	return b->take.count < room ? b->take.count : room;
}

/* The array is filled in: to the place from where it is spoilt. */
static void batch_place(struct state *s, struct batch *b)
{
	char *window;

	switch (b->bad & 0xff) {
	case BAD_DESCS_READONLY:
		b->take.descs = (uintptr_t)readonly_page;
		break;
	case BAD_DESCS_WINDOW:
		window = window_byte(s, b->bad >> 8 & 0xff);
		b->take.descs = (uintptr_t)window;
		if (window)
			memcpy(window, b->desc, batch_room(b) * sizeof(*b->desc));
		break;
	case BAD_DESC_WORD:
		((uint32_t *)b->desc)[(b->bad >> 8 & 0xff) % 32] = b->bad >> 16;
	}
}

/* What the kernel wrote, where it is looked for. */
static void batch_fetch(struct batch *b)
{
	if ((b->bad & 0xff) == BAD_DESCS_WINDOW && b->take.descs)
		memcpy(b->desc, (void *)(uintptr_t)b->take.descs, batch_room(b) * sizeof(*b->desc));
}

static long batch_do(struct state *s, struct batch *b, int fd, unsigned long cmd)
{
	long ret;

	batch_place(s, b);
	memcpy(arg_page, &b->take, b->size);
	ret = spoilt_ioctl(s, fd, cmd, arg_page, b->size, b->bad);
	if (ret > 0)
		batch_fetch(b);
	return ret;
}

static void call_loan(struct state *s, const struct call *c)
{
	struct end *e = end_of_kind(s, c->arg[0], false);
	bool reply = c->arg[5] & IPCX_LOAN_REPLY;
	struct batch b;
	long i, n;

	batch_begin(&b, sizeof(struct ipcx_queue_loan), c->arg[1], c->arg[4]);
	for (i = 0; i < batch_room(&b); i++)
		b.desc[i].len = inline_length(c->arg[5] & IPCX_LOAN_INLINE, c->arg[2]);
	b.take.flags = c->arg[5];
	b.take.deadline = deadline_of(c->arg[3]);
	n = batch_do(s, &b, queue_fd(s, c->arg[0]), IPCX_IOC_QUEUE_LOAN);
	for (i = 0; e && i < n && i < batch_room(&b); i++) {
		b.desc[i].flags = (c->arg[5] & IPCX_LOAN_REQUEST ? IPCX_MSG_REQUEST : 0) |
				  (c->arg[5] & IPCX_LOAN_INLINE ? IPCX_MSG_INLINE : 0);
		msg_remember(s, e - s->end, &b.desc[i], reply ? FOR_REPLY : LOAN);
	}
}

static void desc_fill(struct ipcx_desc *d, struct msg *m)
{
	d->slot = m->slot;
	d->seq = m->seq;
	d->len = m->len;
	d->flags = m->flags;
	m->live = false;
}

/*
 * Fills the array with messages of the endpoint that the first one has. Each is
 * forgotten. Return: that endpoint's index.
 */
static uint32_t batch_fill(struct state *s, struct batch *b, uint64_t index, uint32_t kinds)
{
	struct msg *m = msg_find(s, index, kinds);
	uint32_t i, end = m ? m->end : 0;

	for (i = 0; i < batch_room(b) && m && m->end == end; i++) {
		desc_fill(&b->desc[i], m);
		m = msg_find(s, index, kinds);
	}
	/* what is missing is nothing or, for a raw index, left as slot 0 */
	for (; i < batch_room(b) && !(index & RAW); i++)
		b->desc[i].slot = IPCX_SLOT_NONE;
	if (i < b->take.count && m && !(index & RAW))
		b->take.count = i;
	return end;
}

/* What a sent message left to its sender: a spare slot, and the wait for an answer. */
static void sent_remember(struct state *s, uint32_t end, const struct ipcx_desc *d, bool loan)
{
	if (loan && d->slot != IPCX_SLOT_NONE)
		msg_remember(s, end, d, LOAN);
	if (d->flags & IPCX_MSG_REQUEST)
		msg_remember(s, end, d, SENT);
}

static void call_commit(struct state *s, const struct call *c)
{
	struct batch b;
	uint32_t end;
	long i, n;

	batch_begin(&b, sizeof(struct ipcx_queue_commit), c->arg[1], c->arg[5]);
	end = batch_fill(s, &b, c->arg[0], LOAN);
	for (i = 0; i < batch_room(&b); i++) {
		if (c->arg[2])
			b.desc[i].len = c->arg[2];
		b.desc[i].flags ^= c->arg[3] >> 32;
		b.desc[i].prio = c->arg[4];
		b.desc[i].tag = i;
		b.desc[i].expires = deadline_of(c->arg[6]);
	}
	b.take.flags = c->arg[3];
	b.take.deadline = (uintptr_t)memory_of(s, c->arg[7]);
	n = batch_do(s, &b, queue_fd(s, end), IPCX_IOC_QUEUE_COMMIT);
	for (i = 0; i < n && i < batch_room(&b); i++)
		sent_remember(s, end, &b.desc[i], c->arg[3] & IPCX_COMMIT_LOAN);
}

static void taken_remember(struct state *s, uint32_t end, const struct ipcx_desc *d)
{
	if (d->slot != IPCX_SLOT_NONE) /* else a peek, or nothing after a reply */
		msg_remember(s, end, d, d->flags & IPCX_MSG_REQUEST ? REQUEST : TAKEN);
}

static void call_take(struct state *s, const struct call *c)
{
	struct end *e = end_of_kind(s, c->arg[0], false);
	uint32_t end = e ? e - s->end : 0;
	struct batch b;
	long i, n;

	batch_begin(&b, sizeof(struct ipcx_queue_take), c->arg[1], c->arg[6]);
	if (c->arg[4] & IPCX_TAKE_RELEASE)
		end = batch_fill(s, &b, c->arg[5], HELD);
	b.take.flags = c->arg[4];
	b.take.deadline = deadline_of(c->arg[2]);
	b.take.len_max = c->arg[3];
	b.take.inline_data = (uintptr_t)memory_of(s, c->arg[7]);
	n = batch_do(s, &b, queue_fd(s, end), IPCX_IOC_QUEUE_TAKE);
	for (i = 0; i < n && i < batch_room(&b); i++) {
		if (c->arg[4] & IPCX_TAKE_ANSWER)
			msg_remember(s, end, &b.desc[i], ANSWER);
		else
			taken_remember(s, end, &b.desc[i]);
	}
}

/* The request and the answer are the two entries of an array. */
static void call_call(struct state *s, const struct call *c)
{
	bool again = c->arg[3] & IPCX_CALL_WAIT;
	struct msg *m = msg_find(s, c->arg[0], again ? SENT : LOAN);
	struct msg *answer = msg_find(s, c->arg[5], ANSWER);
	struct ipcx_queue_call *q = (void *)arg_page;
	struct ipcx_desc d[2] = {};
	uint32_t end = m ? m->end : 0;
	struct batch b;
	long ret;

	if (m)
		desc_fill(&d[0], m);
	if (c->arg[1])
		d[0].len = c->arg[1];
	d[0].flags ^= c->arg[3] >> 32;
	d[0].seq = again ? d[0].seq : 0;
	d[0].prio = c->arg[4];
	d[0].expires = deadline_of(c->arg[4] >> 32);
	if (answer && c->arg[3] & IPCX_CALL_RELEASE)
		desc_fill(&d[1], answer);
	batch_begin(&b, sizeof(*q), 2, c->arg[6]);
	memcpy(b.desc, d, batch_room(&b) * sizeof(*d));
	batch_place(s, &b);
	*q = (struct ipcx_queue_call){
		.size = sizeof(*q),
		.flags = c->arg[3],
		.request = b.take.descs,
		.reply = b.take.descs + sizeof(*d),
		.desc_size = sizeof(*d),
		.deadline = deadline_of(c->arg[2]),
		.inline_data = (uintptr_t)memory_of(s, c->arg[7]),
	};
	ret = spoilt_ioctl(s, queue_fd(s, end), IPCX_IOC_QUEUE_CALL, q, sizeof(*q), c->arg[6]);
	batch_fetch(&b);
	memcpy(d, b.desc, batch_room(&b) * sizeof(*d));
	if (!ret)
		msg_remember(s, end, &d[1], ANSWER);
	d[0].flags = ret ? d[0].flags | IPCX_MSG_REQUEST : d[0].flags & ~IPCX_MSG_REQUEST;
	if (d[0].seq)
		sent_remember(s, end, &d[0], c->arg[3] & IPCX_CALL_LOAN);
}

static void call_reply(struct state *s, const struct call *c)
{
	struct msg *m = msg_find(s, c->arg[0], REQUEST);
	struct msg *loan = c->arg[1] & NO_LOAN ? NULL : msg_find(s, c->arg[1], LOANS);
	struct ipcx_desc d[2] = { {}, { .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE } };
	struct ipcx_queue_reply *q = (void *)arg_page;
	uint32_t end = m ? m->end : 0;
	struct batch b;
	long ret;

	if (m)
		desc_fill(&d[0], m);
	else if (!(c->arg[0] & RAW))
		d[0].slot = IPCX_SLOT_NONE;
	if (loan)
		desc_fill(&d[1], loan);
	if (!loan || c->arg[5])
		d[1].len = inline_length(!loan, c->arg[5]);
	d[1].flags = (d[1].flags & IPCX_MSG_INLINE) ^ c->arg[4] >> 32;
	batch_begin(&b, sizeof(*q), 2, c->arg[6]);
	memcpy(b.desc, d, batch_room(&b) * sizeof(*d));
	batch_place(s, &b);
	*q = (struct ipcx_queue_reply){
		.size = sizeof(*q),
		.flags = c->arg[4],
		.request = b.take.descs,
		.reply = b.take.descs + sizeof(*d),
		.desc_size = sizeof(*d),
		.deadline = deadline_of(c->arg[2]),
		.len_max = c->arg[3],
		.inline_data = (uintptr_t)memory_of(s, c->arg[7] & 0xff),
		.reply_data = (uintptr_t)memory_of(s, c->arg[7] >> 8),
	};
	ret = spoilt_ioctl(s, queue_fd(s, end), IPCX_IOC_QUEUE_REPLY, q, sizeof(*q), c->arg[6]);
	batch_fetch(&b);
	if (!ret && c->arg[4] & IPCX_REPLY_TAKE && batch_room(&b))
		taken_remember(s, end, &b.desc[0]);
}

static void call_done(struct state *s, unsigned long cmd, uint32_t kinds, const struct call *c,
		      uint32_t flags, uint64_t bad)
{
	struct batch b;
	uint32_t end;

	batch_begin(&b, sizeof(struct ipcx_queue_release), c->arg[1], bad);
	end = batch_fill(s, &b, c->arg[0], kinds);
	b.take.flags = flags;
	batch_do(s, &b, queue_fd(s, end), cmd);
}

/* @which: a region that is new and has no name, the device, a file, or an end */
static int attach_fd(struct state *s, uint64_t which)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = IPCX_OPEN_CREATE | IPCX_REGION_READ | IPCX_REGION_WRITE,
		.mode = 0600,
		.bytes = PAGE,
	};

	switch (which) {
	case 0:
		return ioctl(s->dev, IPCX_IOC_REGION_OPEN, &o);
	case 1:
		return dup(s->dev);
	case 2:
		return dup(zeros);
	}
	return dup(end_fd(s, which));
}

static void call_attach(struct state *s, const struct call *c)
{
	struct ipcx_queue_attach *a = (void *)arg_page;
	struct msg *m = msg_find(s, c->arg[0], LOANS);
	int fd = attach_fd(s, c->arg[1]);

	*a = (struct ipcx_queue_attach){
		.size = sizeof(*a),
		.flags = c->arg[2],
		.slot = m ? m->slot : 0,
		.fd = fd,
	};
	if (spoilt_ioctl(s, queue_fd(s, m ? m->end : 0), IPCX_IOC_QUEUE_ATTACH, a, sizeof(*a),
			 c->arg[3]) >= 0 &&
	    c->arg[1] && !c->arg[3])
		shared->broken = "a message carries what is no region";
	if (fd >= 0)
		close(fd);
}

static void call_fetch(struct state *s, const struct call *c)
{
	struct ipcx_queue_fetch *f = (void *)arg_page;
	struct msg *m = msg_find(s, c->arg[0], HELD);
	int fd;

	*f = (struct ipcx_queue_fetch){
		.size = sizeof(*f),
		.slot = m ? m->slot : 0,
		.index = c->arg[1],
		.seq = m ? m->seq : 1,
	};
	fd = spoilt_ioctl(s, queue_fd(s, m ? m->end : 0), IPCX_IOC_QUEUE_FETCH, f, sizeof(*f),
			  c->arg[3]);
	if (fd <= 0)
		return;
	if (!c->arg[3]) /* else the reply may be elsewhere */
		region_use(fd, f->out_flags, PAGE, c->arg[2]);
	close(fd);
}

/* Makes one call that is about messages. */
void call_batch(struct state *s, const struct call *c)
{
	switch (c->op) {
	case OP_LOAN:
		call_loan(s, c);
		break;
	case OP_COMMIT:
		call_commit(s, c);
		break;
	case OP_CANCEL:
		call_done(s, IPCX_IOC_QUEUE_CANCEL, LOANS, c, 0, c->arg[2]);
		break;
	case OP_TAKE:
		call_take(s, c);
		break;
	case OP_RELEASE:
		call_done(s, IPCX_IOC_QUEUE_RELEASE, HELD, c, c->arg[2], c->arg[3]);
		break;
	case OP_CALL:
		call_call(s, c);
		break;
	case OP_REPLY:
		call_reply(s, c);
		break;
	case OP_ATTACH:
		call_attach(s, c);
		break;
	case OP_FETCH:
		call_fetch(s, c);
		break;
	}
}
