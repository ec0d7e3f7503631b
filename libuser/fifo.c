// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "fifo": a named pipe in packet mode. A frame is one write of at most PIPE_BUF
 * bytes, which the kernel does whole or not at all, and one read. A longer message has several;
 * its sender holds a lock while it writes them, and who receives the first holds another until it
 * has all, so that they come one behind the other and to one receiver. The kernel lets go of both
 * locks when a process ends; what is left of its message is then dropped, and counted. Where no
 * message can be that long, which the file beside the FIFO says, there are no such locks.
 *
 * Answers come to a FIFO of the caller's own, .NAME.fifo.NUMBER, see mailbox.h. A pipe forgets its
 * content when nobody has it open, so nothing is sent where nobody receives.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "copied.h"
#include "file_lock.h"
#include "mailbox.h"
#include "place.h"

#define CHUNK (PIPE_BUF - IPCX_FRAME_SIZE)
#define PIPE_BYTES (1 << 20) /* what the system allows everybody */
#define ROUNDS_MAX 64 /* packets without a frame that are passed by at a time */
#define AGREE_TRIES 20

/*
 * Locks on the FIFO; 0 and those from 256 on are of mailboxes. All that have it open hold one of
 * the last two.
 */
enum { WRITER = 1, READER, RECEIVER, WHOLE, IN_PARTS };

struct fifo_queue {
	struct ipcx_copied c;
	struct ipcx_place place;
	int in, out; /* two open files, or their locks would be one */
	int mailbox;
	unsigned int number;
	bool whole; /* each message is one frame */
	bool later; /* that is not known yet; under sending */
	struct ipcx_assembly part, answer;
};

static struct fifo_queue *fifo(struct ipcx_copied *c)
{
	return (struct fifo_queue *)c; /* c is its first member */
}

/* Return: 0, -EEXIST if there is something. */
static int make(const struct ipcx_place *p, const char *name, mode_t mode)
{
	if (mkfifoat(p->dir, name, 0600))
		return -errno;
	return mode == 0600 || !fchmodat(p->dir, name, mode, 0) ? 0 : -errno;
}

static void box_name(const struct fifo_queue *f, unsigned int number, char name[300])
{
	snprintf(name, 300, "%s.%u", f->place.meta, number);
}

static int box_open(void *handle, unsigned int number, bool create, bool own)
{
	struct fifo_queue *f = handle;
	char name[300];
	int r;

	box_name(f, number, name);
	if (!create && !own) {
		r = ipcx_place_fifo(&f->place, name);
		return r < 0 ? r : ipcx_mailbox_check(r, &f->c.base.attr);
	}
	if (create) {
		r = make(&f->place, name, f->place.mode & 0666);
		if (r)
			return r;
	}
	return ipcx_place_fifo(&f->place, name);
}

static void box_unlink(void *handle, unsigned int number)
{
	struct fifo_queue *f = handle;
	char name[300];

	box_name(f, number, name);
	unlinkat(f->place.dir, name, 0);
}

static int put(int fd, struct ipcx_buffer *b);

static const struct ipcx_mailbox_ops box_ops = {
	.open = box_open,
	.unlink = box_unlink,
	.put = put,
};

/* Holds one of the last two locks. Return: whether nobody holds the other; else it holds none. */
static bool be_one_of(struct fifo_queue *f, bool whole)
{
	f->whole = whole;
	/* who comes at the same time sees this one, or is seen */
	if (ipcx_lock_file(f->out, F_RDLCK, whole ? WHOLE : IN_PARTS) &&
	    !ipcx_file_locked(f->out, whole ? IN_PARTS : WHOLE))
		return true;
	ipcx_unlock_file(f->out, whole ? WHOLE : IN_PARTS);
	return false;
}

/*
 * Is each message of the queue one frame? The file beside the FIFO says so, or to who cannot read
 * it those who have the FIFO open. All of them must be of one mind, also while a queue is made
 * anew; who has short messages only can go with the others.
 */
static bool agree(struct fifo_queue *f, bool told)
{
	bool whole, agreed = false;

	/* two who come at the same time may both have to look again */
	for (int i = 0; !agreed && i < AGREE_TRIES; i++) {
		if (i)
			usleep(10 + ipcx_copied_ticks() % 500);
		whole = told ? f->place.msg_max <= CHUNK : ipcx_file_locked(f->out, WHOLE);
		agreed = be_one_of(f, whole) || ((!told || whole) && be_one_of(f, !whole));
	}
	return agreed;
}

static bool someone_receives(const struct fifo_queue *f)
{
	return f->in >= 0 || ipcx_file_locked(f->out, RECEIVER);
}

static void learn_msg_max(struct fifo_queue *f)
{
	if (f->whole && ipcx_copied_msg_max(&f->c) > CHUNK)
		__atomic_store_n(&f->c.base.attr.msg_max, CHUNK, __ATOMIC_RELAXED);
}

/*
 * Who was told nothing, and only sends, is of the mind of who receives. Return: whether somebody
 * does; if he has gone since then the next may be of another mind.
 */
static bool agree_later(struct fifo_queue *f)
{
	f->later = !someone_receives(f) || !agree(f, false);
	if (!f->later && !someone_receives(f)) {
		ipcx_unlock_file(f->out, f->whole ? WHOLE : IN_PARTS);
		f->later = true;
	}
	if (!f->later)
		learn_msg_max(f);
	return !f->later;
}

static int agree_first(struct fifo_queue *f, unsigned int flags)
{
	/* who creates has read it or written it */
	bool told = f->place.known || flags & IPCX_CREATE;

	if (!told && !(flags & IPCX_RECV)) {
		agree_later(f);
		return 0;
	}
	if (!agree(f, told))
		return ipcx_fail(EBUSY,
				 "others have the FIFO open as a queue of messages of another "
				 "length; try again when they are gone");
	learn_msg_max(f);
	return 0;
}

static int open_ends(struct fifo_queue *f, unsigned int flags)
{
	int r;

	f->out = ipcx_place_fifo(&f->place, f->place.name);
	f->in = flags & IPCX_RECV ? ipcx_place_fifo(&f->place, f->place.name) : -1;
	r = f->out < 0 ? f->out : flags & IPCX_RECV && f->in < 0 ? f->in : 0;
	if (r)
		return ipcx_fail(-r,
				 "the FIFO cannot be opened to read and write, which both ends "
				 "do: %s",
				 strerror(-r));
	f->c.base.fd = f->out;
	r = agree_first(f, flags);
	if (r || !(flags & IPCX_RECV))
		return r;
	f->c.base.fd = -1;
	/* behind this others send to him */
	if (!ipcx_place_is_there(&f->place))
		return -IPCX_ANEW;
	fcntl(f->in, F_SETPIPE_SZ, PIPE_BYTES); /* if it may */
	if (!ipcx_lock_file(f->in, F_RDLCK, RECEIVER))
		return ipcx_fail(errno, "the FIFO cannot be locked: %s", strerror(errno));
	f->c.set = f->in;
	f->c.beside = f->c.ready_event;
	return ipcx_copied_poll_set(&f->c);
}

/* Nobody else has the queue, or its FIFO. */
static bool is_alone(const struct fifo_queue *f)
{
	return ipcx_place_is_alone(&f->place) &&
	       (f->out < 0 ||
		(!ipcx_file_locked(f->out, WHOLE) && !ipcx_file_locked(f->out, IN_PARTS)));
}

/* What the file beside it says is known. */
static int open_there(struct fifo_queue *f, unsigned int flags)
{
	struct ipcx_place *p = &f->place;
	bool made = flags & IPCX_CREATE && !make(p, p->name, p->mode & 0666);
	int r = ipcx_place_object(p, S_IFIFO);

	if (r >= 0) {
		close(r);
		p->ours = true;
		r = open_ends(f, flags);
	}
	/* one that was left behind has the mode that its creator wanted */
	if (!r && p->created && !made && fchmod(f->out < 0 ? f->in : f->out, p->mode & 0666))
		r = ipcx_fail(errno, "the mode of the FIFO cannot be changed: %s", strerror(errno));
	if (r && r != -EBUSY && made && is_alone(f))
		unlinkat(p->dir, p->name, 0);
	return r;
}

static int fifo_open(struct ipcx_copied *c, const char *rest, unsigned int flags,
		     const struct ipcx_queue_opts *opts)
{
	struct fifo_queue *f = fifo(c);
	struct ipcx_place *p = &f->place;
	int r;

	f->in = -1;
	f->out = -1;
	f->mailbox = -1;
	r = ipcx_place_find(p, rest, ".fifo");
	if (r)
		return r;
	p->flags = flags & IPCX_EPHEMERAL;
	p->mode = opts->mode ? opts->mode : 0600;
	p->msg_max = opts->msg_max ? opts->msg_max : IPCX_MSG_MAX_DEFAULT;
	r = ipcx_place_open(p, flags, S_IFIFO);
	if (r)
		return ipcx_place_changed(p, r) ? -IPCX_ANEW : r;
	ipcx_place_attr(p, &c->base.attr, opts);
	strcpy(c->base.name, p->name);
	r = open_there(f, flags);
	if ((r || !(flags & IPCX_RECV)) && ipcx_place_changed(p, r))
		return -IPCX_ANEW;
	if (r) {
		c->base.attr.flags = 0; /* or it would take away what is not its own */
		ipcx_place_undo(p);
	}
	return r;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void fifo_close(struct ipcx_copied *c, bool forked)
{
	struct fifo_queue *f = fifo(c);

	if (!forked) {
		ipcx_assemble_drop(&f->part);
		ipcx_assemble_drop(&f->answer);
		if (f->mailbox >= 0)
			box_unlink(f, f->number);
		if (f->out >= 0)
			ipcx_mailbox_sweep(&box_ops, f);
		if (c->base.attr.flags & IPCX_EPHEMERAL)
			ipcx_place_unlink(&f->place, true);
	}
	if (c->base.fd != f->out)
		close_end(&c->base.fd);
	c->base.fd = -1;
	c->set = -1;
	close_end(&f->in);
	close_end(&f->out);
	close_end(&f->mailbox);
	ipcx_place_close(&f->place);
}

/* That somebody receives is not asked for each message. */
static bool likely_receives(struct fifo_queue *f)
{
	uint64_t now = ipcx_copied_ticks();

	if (ipcx_copied_believes(&f->c, now))
		return true;
	if (!someone_receives(f))
		return false;
	ipcx_copied_believe(&f->c, now);
	return true;
}

static int fifo_room(struct ipcx_copied *c, int64_t deadline)
{
	struct pollfd p = { .fd = fifo(c)->out, .events = POLLOUT };

	(void)deadline;
	if (ipcx_copied_believes(c, ipcx_copied_ticks()))
		return INT_MAX;
	return poll(&p, 1, 0) > 0 && likely_receives(fifo(c)) ? INT_MAX : 0;
}

/* The head lies just before the payload. */
static int put_whole(int fd, struct ipcx_buffer *b)
{
	b->head.offset = 0;
	b->head.chunk = b->head.len;
	ipcx_frame_pack(b->wire, &b->head, NULL, false);
	return write(fd, b->wire, IPCX_FRAME_SIZE + b->head.len) < 0 ? -errno : 0;
}

/* Under the lock of those who write. -EAGAIN: nothing was written. */
static int put_frames(int fd, struct ipcx_buffer *b)
{
	int64_t until = 0, before, now = ipcx_copied_now();
	uint64_t offset = 0;
	ssize_t n;

	do {
		uint64_t left = b->head.len - offset;
		struct iovec iov[2] = { { b->wire, IPCX_FRAME_SIZE }, { b->data + offset, 0 } };

		b->head.offset = offset;
		b->head.chunk = left < CHUNK ? left : CHUNK;
		iov[1].iov_len = b->head.chunk;
		ipcx_frame_pack(b->wire, &b->head, NULL, false);
		do {
			before = now;
			now = ipcx_copied_now();
			/* the first chunk lies behind its head, and one piece costs less */
			if (offset)
				n = writev(fd, iov, 2);
			else
				n = write(fd, b->wire, IPCX_FRAME_SIZE + b->head.chunk);
			if (n < 0 && (errno != EAGAIN || !offset))
				return -errno;
			if (n < 0 && ipcx_copied_wait_a_little(fd, POLLOUT, until))
				return -ETIMEDOUT; /* and who receives drops what he has */
		} while (n < 0);
		/* as he has if this thread stood still */
		if (offset && ipcx_copied_now() - before > IPCX_STALL_NS)
			return -ETIMEDOUT;
		offset += b->head.chunk;
		until = ipcx_copied_now() + IPCX_STALL_NS;
		if (b->deadline > until)
			until = b->deadline;
	} while (offset < b->head.len);
	return 0;
}

static int put(int fd, struct ipcx_buffer *b)
{
	int r;

	if (!ipcx_lock_file(fd, F_WRLCK, WRITER))
		return -EAGAIN;
	r = put_frames(fd, b);
	ipcx_unlock_file(fd, WRITER);
	return r;
}

static int put_message(struct fifo_queue *f, struct ipcx_buffer *b)
{
	return f->whole ? put_whole(f->out, b) : put(f->out, b);
}

static int fifo_send(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct fifo_queue *f = fifo(c);
	int r;

	if (!likely_receives(f) || (f->later && !agree_later(f)))
		return -EAGAIN;
	if (f->whole && b->head.len > CHUNK) /* a loan of before that was known */
		return -EMSGSIZE;
	r = put_message(f, b);
	if (r)
		ipcx_copied_believe(c, 0);
	return r;
}

/* Only the last frame of a message is not full. */
static bool is_short(const struct ipcx_head *h)
{
	return h->chunk < CHUNK && h->offset + h->chunk < h->len;
}

/*
 * A frame, wherever it begins: another program may have written something before it. Return: 1
 * if the message is whole, 2 if there is more of it, 0 if this is none, -EAGAIN if there is
 * nothing, or another errno.
 */
static int get_frame(struct ipcx_copied *c, int fd, struct ipcx_assembly *a, struct ipcx_buffer **b)
{
	char buf[2 * PIPE_BUF];
	ssize_t n = read(fd, buf, sizeof(buf));
	struct ipcx_head h;
	char *to;
	int r;

	if (n <= 0)
		return n < 0 ? -errno : -EAGAIN;
	for (ssize_t at = 0; at + IPCX_FRAME_SIZE <= n; at++) {
		r = ipcx_frame_unpack(&h, buf + at, ipcx_copied_msg_max(c));
		if (r == -EMSGSIZE || (!r && is_short(&h)))
			break;
		if (r || n - at - IPCX_FRAME_SIZE != (ssize_t)h.chunk)
			continue;
		IPCX_COUNT(c->stats.damaged, at > 0);
		r = ipcx_assemble_begin(a, &h, &to, &c->stats.damaged);
		if (r == -ENOMEM)
			return r;
		if (r)
			break;
		memcpy(to, buf + at + IPCX_FRAME_SIZE, h.chunk);
		*b = ipcx_assemble_end(a, &h, buf + at, &r);
		if (r)
			break;
		return *b ? 1 : 2;
	}
	IPCX_COUNT(c->stats.damaged, 1);
	return 0;
}

/*
 * Under the lock of those who read, where there is one. Who has a part of a message waits for the
 * rest while its sender lives, which has the lock of those who write, and does something.
 */
static int get_message(struct ipcx_copied *c, int fd, struct ipcx_assembly *a,
		       struct ipcx_buffer **b)
{
	int64_t until = ipcx_copied_now() + IPCX_STALL_NS;
	unsigned int rounds = ROUNDS_MAX;
	bool alone = false;
	int r;

	for (;;) {
		r = get_frame(c, fd, a, b);
		if (r == 1)
			return 0;
		if (r < 0 && (r != -EAGAIN || !a->b))
			return r;
		if (r == 2) {
			until = ipcx_copied_now() + IPCX_STALL_NS;
			rounds = ROUNDS_MAX;
			alone = false;
			continue;
		}
		if (!r && --rounds)
			continue;
		if (!r || alone || ipcx_copied_wait_a_little(fd, POLLIN, until)) {
			IPCX_COUNT(c->stats.damaged, ipcx_assemble_drop(a));
			return -EAGAIN;
		}
		/* it may have written all before it went: one more look */
		alone = !ipcx_file_locked(fd, WRITER);
	}
}

static int get(struct ipcx_copied *c, int fd, struct ipcx_assembly *a, struct ipcx_buffer **b)
{
	int r;

	if (!ipcx_lock_file(fd, F_WRLCK, READER)) {
		usleep(500); /* another has a part of a message, and poll says that there is more */
		return -EAGAIN;
	}
	r = get_message(c, fd, a, b);
	ipcx_unlock_file(fd, READER);
	return r;
}

static int fifo_receive(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	struct fifo_queue *f = fifo(c);

	return f->whole ? get_message(c, f->in, &f->part, b) : get(c, f->in, &f->part, b);
}

/* If there is another who receives */
static int fifo_give_back(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct fifo_queue *f = fifo(c);

	return f->in >= 0 && ipcx_file_locked(f->in, RECEIVER) ? put_message(f, b) : -EAGAIN;
}

static int fifo_reply(struct ipcx_copied *c, struct ipcx_buffer *request, struct ipcx_buffer *b)
{
	return ipcx_mailbox_reply(&box_ops, c, request, b);
}

static void fifo_accepted(struct ipcx_copied *c, struct ipcx_buffer *request)
{
	ipcx_mailbox_accept(&box_ops, c, request);
}

static int fifo_expect(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct fifo_queue *f = fifo(c);

	if (f->mailbox < 0)
		f->mailbox = ipcx_mailbox_make(&box_ops, f, &f->number);
	b->head.mailbox = f->number;
	return f->mailbox < 0 ? f->mailbox : 0;
}

static int fifo_answer(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	struct fifo_queue *f = fifo(c);

	return f->mailbox < 0 ? -EAGAIN : get(c, f->mailbox, &f->answer, b);
}

static uint64_t fifo_queued(struct ipcx_copied *c)
{
	int bytes = 0;

	ioctl(fifo(c)->out, FIONREAD, &bytes);
	return bytes > 0;
}

static int fifo_server(struct ipcx_copied *c, uint64_t call)
{
	if (ipcx_mailbox_accepted(fifo(c)->mailbox, call))
		return 1;
	return fifo_queued(c) ? -1 : 0;
}

static int fifo_fd(struct ipcx_copied *c, enum ipcx_way way, short *events)
{
	struct fifo_queue *f = fifo(c);

	*events = way == IPCX_WAY_SEND ? POLLOUT : POLLIN;
	if (way == IPCX_WAY_ANSWER)
		return f->mailbox;
	/* poll says that there is room also where nobody receives, or another is writing */
	if (!someone_receives(f) || (!f->whole && ipcx_file_locked(f->out, WRITER)))
		return -1;
	return f->out;
}

static const struct ipcx_mech mech = {
	.size = sizeof(struct fifo_queue),
	.open = fifo_open,
	.close = fifo_close,
	.room = fifo_room,
	.send = fifo_send,
	.receive = fifo_receive,
	.give_back = fifo_give_back,
	.reply = fifo_reply,
	.expect = fifo_expect,
	.answer = fifo_answer,
	.accepted = fifo_accepted,
	.server = fifo_server,
	.fd = fifo_fd,
	.queued = fifo_queued,
};

static int open_fifo(struct ipcx_queue **q, const char *rest, unsigned int flags,
		     const struct ipcx_queue_opts *opts)
{
	return ipcx_copied_open(q, rest, flags, opts, &mech);
}

static int unlink_fifo(const char *rest, bool now)
{
	return ipcx_place_remove(rest, ".fifo", S_IFIFO, now);
}

const struct ipcx_transport ipcx_transport_fifo = {
	.name = "fifo",
	.caps = IPCX_COPIED_CAPS | IPCX_CAP_MANY_RECEIVERS,
	.open = open_fifo,
	.unlink = unlink_fifo,
	IPCX_COPIED_OPS,
};
