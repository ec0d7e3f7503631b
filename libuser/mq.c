// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The transport "mq": POSIX message queues. A message is one of theirs, with a head in front. The
 * system keeps order, priorities and limits; a queue stays until it is unlinked.
 *
 * Answers come to a queue of the caller's own, .NAME.NUMBER, see mailbox.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copied.h"
#include "mailbox.h"

#define LIMITS "/proc/sys/fs/mqueue/"

/* A name, with the dots and the number of a mailbox, has 255 bytes at most. */
#define NAME_LEN_MAX 250

#define DEPTH 64 /* if the limits allow it */
#define REPLIES 8 /* that a mailbox holds */
#define SHORT 4096 /* bytes that are copied rather than given memory back */
#define TINY 1024 /* a message that may not be longer keeps the memory of the longest */
#define FLOWS (1 << 30) /* more messages than are sent while it is believed */
#define FLOWS_TICKS (4 * IPCX_BELIEVED_TICKS) /* for so long */

struct mq_queue {
	struct ipcx_copied c;
	mqd_t q;
	int room; /* messages, as long as that is believed */
	struct ipcx_buffer *spare; /* room for the longest; see ipcx_buffer_get() */
	int mailbox;
	unsigned int number;
};

static struct mq_queue *mq(struct ipcx_copied *c)
{
	return (struct mq_queue *)c; /* c is its first member */
}

static long least(long a, long b)
{
	return a < b ? a : b;
}

static long limit(const char *name)
{
	char path[64], text[24] = "";
	FILE *f;

	snprintf(path, sizeof(path), LIMITS "%s", name);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		fclose(f);
	}
	return atol(text);
}

static int open_failed(const char *name, const struct mq_attr *a, int err)
{
	char buf[IPCX_QUOTED_MAX];

	ipcx_quote(buf, name + 1);
	switch (err) {
	case EACCES:
		return ipcx_fail(err, "the mode of the message queue %s does not let you", buf);
	case EEXIST:
		return ipcx_fail(err, "there is a message queue %s already", buf);
	case ENOENT:
		return ipcx_fail(err, "there is no message queue %s; create it with IPCX_CREATE",
				 buf);
	case EINVAL:
		return ipcx_fail(err,
				 "a message queue cannot have depth %ld and msg_max %ld: the "
				 "limits are %ld in " LIMITS "msg_max and %ld, less the %d of a "
				 "head, in " LIMITS
				 "msgsize_max; ask for less, or have them raised",
				 a->mq_maxmsg, a->mq_msgsize - IPCX_FRAME_SIZE, limit("msg_max"),
				 limit("msgsize_max"), IPCX_FRAME_SIZE);
	case EMFILE:
		return ipcx_fail(err,
				 "no more descriptors, or no more bytes for message queues: "
				 "\"ulimit -n\" and \"ulimit -q\" (RLIMIT_MSGQUEUE), which the %ld "
				 "messages of %ld bytes count against; raise it or ask for less",
				 a->mq_maxmsg, a->mq_msgsize);
	case ENOSPC:
		return ipcx_fail(err,
				 "no more message queues: %ld in " LIMITS "queues_max are the "
				 "limit; remove some, or have it raised",
				 limit("queues_max"));
	default:
		return ipcx_fail(err, "message queue %s: %s", buf, strerror(err));
	}
}

static int fill_attr(struct mq_queue *m, const char *name, unsigned int flags)
{
	char buf[IPCX_QUOTED_MAX];
	struct mq_attr a;
	struct stat st;

	if (mq_getattr(m->q, &a) || fstat(m->q, &st))
		return ipcx_fail(errno, "message queue %s: %s", ipcx_quote(buf, name),
				 strerror(errno));
	if (a.mq_msgsize <= IPCX_FRAME_SIZE)
		return ipcx_fail(EPROTOTYPE,
				 "message queue %s is not one of this library: its "
				 "messages are too short",
				 ipcx_quote(buf, name));
	/* what another made under a name that this one would make is not taken for it */
	if (flags & IPCX_CREATE && st.st_uid != geteuid() && st.st_uid)
		return ipcx_fail_theirs("message queue", name, st.st_uid);
	m->c.base.attr = (struct ipcx_queue_attr){
		.id = st.st_ino,
		.msg_max = a.mq_msgsize - IPCX_FRAME_SIZE,
		.bytes_max = a.mq_maxmsg * (a.mq_msgsize - IPCX_FRAME_SIZE),
		.depth = a.mq_maxmsg,
		.mode = st.st_mode & 0777,
		.uid = st.st_uid,
		.gid = st.st_gid,
	};
	strcpy(m->c.base.name, name);
	return 0;
}

static int open_or_make(const char *path, int how, unsigned int flags, unsigned int mode,
			struct mq_attr *a, bool *made)
{
	mqd_t q;

	do {
		q = flags & IPCX_EXCL ? -1 : mq_open(path, how);
		if (q >= 0 || !(flags & IPCX_CREATE) || (errno != ENOENT && !(flags & IPCX_EXCL)))
			return q;
		q = mq_open(path, how | O_CREAT | O_EXCL, mode, a);
		*made = q >= 0 && !fchmod(q, mode); /* whatever the umask says */
	} while (q < 0 && errno == EEXIST && !(flags & IPCX_EXCL));
	return q;
}

static int mq_open_queue(struct ipcx_copied *c, const char *name, unsigned int flags,
			 const struct ipcx_queue_opts *opts)
{
	struct mq_queue *m = mq(c);
	long depth = least(limit("msg_max"), DEPTH), size = limit("msgsize_max");
	struct mq_attr a = {
		.mq_maxmsg = opts->depth ? (long)opts->depth : depth,
		.mq_msgsize = opts->msg_max ? (long)opts->msg_max + IPCX_FRAME_SIZE : size,
	};
	int how = O_NONBLOCK | O_CLOEXEC, r;
	bool made = false;
	char path[300];

	m->q = -1;
	m->mailbox = -1;
	r = ipcx_copied_check_name(name, NAME_LEN_MAX);
	if (r)
		return r;
	how |= !(flags & IPCX_RECV) ? O_WRONLY : flags & IPCX_SEND ? O_RDWR : O_RDONLY;
	snprintf(path, sizeof(path), "/%s", name);
	m->q = open_or_make(path, how, flags, opts->mode ? opts->mode : 0600, &a, &made);
	if (m->q < 0)
		return open_failed(path, &a, errno);
	r = fill_attr(m, name, flags);
	if (!r && made)
		c->base.attr.flags = flags & IPCX_EPHEMERAL;
	if (!r && flags & IPCX_RECV) {
		c->set = m->q;
		c->beside = c->ready_event;
		r = ipcx_copied_poll_set(c);
	} else if (!r) {
		c->base.fd = m->q;
	}
	return r;
}

static void box_path(struct mq_queue *m, unsigned int number, char path[300])
{
	snprintf(path, 300, "/.%s.%u", m->c.base.name, number);
}

/* Who may receive requests may answer them. */
static int box_open(void *handle, unsigned int number, bool create, bool own)
{
	struct mq_queue *m = handle;
	unsigned int mode = 0600 | (m->c.base.attr.mode & 0444) >> 1;
	struct mq_attr a = {
		.mq_maxmsg = least(m->c.base.attr.depth, REPLIES),
		.mq_msgsize = m->c.base.attr.msg_max + IPCX_FRAME_SIZE,
	};
	int how = O_NONBLOCK | O_CLOEXEC | (own ? O_RDWR : O_WRONLY);
	char path[300];
	mqd_t q;

	box_path(m, number, path);
	if (!create) {
		q = mq_open(path, how);
		if (q < 0)
			return -errno;
		return own ? q : ipcx_mailbox_check(q, &m->c.base.attr);
	}
	q = mq_open(path, how | O_CREAT | O_EXCL, mode, &a);
	if (q < 0)
		return -errno;
	fchmod(q, mode);
	return q;
}

static void box_unlink(void *handle, unsigned int number)
{
	char path[300];

	box_path(handle, number, path);
	mq_unlink(path);
}

static int put(int fd, struct ipcx_buffer *b);

static const struct ipcx_mailbox_ops box_ops = {
	.open = box_open,
	.unlink = box_unlink,
	.put = put,
};

/* Unlinks the queue unless the name stands for another by now. */
static void unlink_own(const struct mq_queue *m)
{
	struct stat a, b;
	char path[300];
	mqd_t q;

	snprintf(path, sizeof(path), "/%s", m->c.base.name);
	q = mq_open(path, O_CLOEXEC | (m->c.base.flags & IPCX_RECV ? O_RDONLY : O_WRONLY));
	if (q < 0)
		return;
	if (!fstat(q, &a) && !fstat(m->q, &b) && a.st_ino == b.st_ino)
		mq_unlink(path);
	close(q);
}

static void mq_close_queue(struct ipcx_copied *c, bool forked)
{
	struct mq_queue *m = mq(c);

	if (c->base.fd >= 0 && c->base.fd != m->q)
		close(c->base.fd);
	c->base.fd = -1;
	if (m->mailbox >= 0) {
		if (!forked)
			box_unlink(m, m->number);
		close(m->mailbox);
		m->mailbox = -1;
	}
	if (m->q < 0)
		return;
	if (!forked && c->base.name[0])
		ipcx_mailbox_sweep(&box_ops, m);
	if (!forked && c->base.attr.flags & IPCX_EPHEMERAL)
		unlink_own(m);
	if (!forked)
		ipcx_buffer_free(m->spare);
	m->spare = NULL;
	close(m->q);
	m->q = -1;
	c->set = -1;
}

/*
 * What there was room for a moment ago, less what was sent since, is not asked for again. Whose
 * messages are received as fast as he sends them believes for a moment that this goes on.
 */
static int mq_room(struct ipcx_copied *c, int64_t deadline)
{
	struct mq_queue *m = mq(c);
	int before = __atomic_load_n(&m->room, __ATOMIC_RELAXED), room;
	uint64_t now = ipcx_copied_ticks();
	uint64_t age = now - __atomic_load_n(&c->believed, __ATOMIC_RELAXED);
	bool flows = before > FLOWS / 2;
	struct mq_attr a;

	(void)deadline;
	if (before > ipcx_copied_loans(c) && age < (flows ? FLOWS_TICKS : IPCX_BELIEVED_TICKS))
		return least(before, c->base.attr.depth);
	if (mq_getattr(m->q, &a))
		return -errno;
	room = a.mq_maxmsg - a.mq_curmsgs;
	/* half of them or more were received since, or while they flow half of the room is there */
	flows = age < 2 * FLOWS_TICKS && (flows ? room : room - before) * 2 >= a.mq_maxmsg;
	__atomic_store_n(&m->room, flows ? FLOWS : room, __ATOMIC_RELAXED);
	ipcx_copied_believe(c, now);
	return room;
}

static uint64_t mq_queued(struct ipcx_copied *c)
{
	struct mq_attr a;

	return mq_getattr(mq(c)->q, &a) ? 0 : a.mq_curmsgs;
}

/* The head lies just before the payload. */
ipcx_hot int put_hot(int q, struct ipcx_buffer *b)
{
	b->head.chunk = b->head.len;
	ipcx_frame_pack(b->wire, &b->head, b->data, false);
	if (mq_send(q, b->wire, IPCX_FRAME_SIZE + b->head.len, b->head.prio))
		return -errno;
	return 0;
}

static int put(int q, struct ipcx_buffer *b)
{
	return put_hot(q, b);
}

/* What is taken and held has no more memory than it needs. */
static struct ipcx_buffer *fit(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	bool is_short = b->room <= SHORT;
	struct ipcx_buffer *less;

	less = is_short ? ipcx_buffer_get(&c->kept, b->room) : realloc(b, sizeof(*b) + b->room);
	if (!less)
		return b;
	if (!is_short) {
		less->size = less->room;
		return less;
	}
	less->head = b->head;
	memcpy(less->data, b->data, b->room);
	ipcx_buffer_put(&mq(c)->spare, b);
	return less;
}

/* What is not a frame was sent by another program: it is dropped, and counted. */
ipcx_hot int get(struct ipcx_copied *c, mqd_t q, struct ipcx_buffer **to)
{
	uint64_t room = c->base.attr.msg_max;
	struct ipcx_buffer **kept = room > TINY ? &mq(c)->spare : &c->kept;
	struct ipcx_buffer *b = ipcx_buffer_get(kept, room);
	ssize_t n;

	if (!b)
		return -ENOMEM;
	for (;;) {
		n = mq_receive(q, b->wire, IPCX_FRAME_SIZE + room, NULL);
		if (n < 0) {
			n = -errno;
			ipcx_buffer_put(kept, b);
			return n;
		}
		if (n >= IPCX_FRAME_SIZE && !ipcx_frame_unpack(&b->head, b->wire, room) &&
		    b->head.len == (uint64_t)n - IPCX_FRAME_SIZE && b->head.chunk == b->head.len)
			break;
		IPCX_COUNT(c->stats.damaged, 1);
	}
	b->room = b->head.len;
	*to = room > TINY ? fit(c, b) : b;
	return 0;
}

static int mq_send_one(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct mq_queue *m = mq(c);
	int r = put_hot(m->q, b);

	__atomic_store_n(&m->room, r ? 0 : __atomic_load_n(&m->room, __ATOMIC_RELAXED) - 1,
			 __ATOMIC_RELAXED);
	return r;
}

static int mq_receive_one(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	return get(c, mq(c)->q, b);
}

/* A handle that only receives may not send: it opens the queue once more, if its user may. */
static int mq_give_back(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	char path[300];
	mqd_t q;
	int r;

	snprintf(path, sizeof(path), "/%s", c->base.name);
	q = mq_open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (q < 0)
		return -errno;
	r = put(q, b);
	close(q);
	return r;
}

static int mq_reply(struct ipcx_copied *c, struct ipcx_buffer *request, struct ipcx_buffer *b)
{
	return ipcx_mailbox_reply(&box_ops, c, request, b);
}

static void mq_accepted(struct ipcx_copied *c, struct ipcx_buffer *request)
{
	ipcx_mailbox_accept(&box_ops, c, request);
}

/* A mailbox has room for so many answers; who sends more requests would lose some. */
static int mq_expect(struct ipcx_copied *c, struct ipcx_buffer *b)
{
	struct mq_queue *m = mq(c);
	const struct ipcx_queue_attr *attr = &c->base.attr;
	struct mq_attr a;
	long n = 0;

	/* who receives could not open the mailbox, see box_open() */
	if (attr->uid && attr->uid != geteuid() && !(attr->mode & 044))
		return -EACCES;
	if (m->mailbox < 0)
		m->mailbox = ipcx_mailbox_make(&box_ops, m, &m->number);
	if (m->mailbox < 0)
		return m->mailbox;
	b->head.mailbox = m->number;
	/* answers that came too late leave room for those that are to come */
	while (!mq_getattr(m->mailbox, &a) && a.mq_curmsgs)
		if (ipcx_copied_read_answers(c))
			break;
	ipcx_lock(&c->lock);
	for (struct ipcx_pending *p = c->pending; p; p = p->next)
		n++;
	ipcx_unlock(&c->lock);
	return mq_getattr(m->mailbox, &a) || n >= a.mq_maxmsg ? -ENOBUFS : 0;
}

static int mq_answer(struct ipcx_copied *c, struct ipcx_buffer **b)
{
	return mq(c)->mailbox < 0 ? -EAGAIN : get(c, mq(c)->mailbox, b);
}

static int mq_server(struct ipcx_copied *c, uint64_t call)
{
	if (ipcx_mailbox_accepted(mq(c)->mailbox, call))
		return 1;
	return mq_queued(c) ? -1 : 0;
}

static int mq_fd(struct ipcx_copied *c, enum ipcx_way way, short *events)
{
	*events = way == IPCX_WAY_SEND ? POLLOUT : POLLIN;
	return way == IPCX_WAY_ANSWER ? mq(c)->mailbox : mq(c)->q;
}

static const struct ipcx_mech mech = {
	.size = sizeof(struct mq_queue),
	.open = mq_open_queue,
	.close = mq_close_queue,
	.room = mq_room,
	.send = mq_send_one,
	.receive = mq_receive_one,
	.give_back = mq_give_back,
	.reply = mq_reply,
	.expect = mq_expect,
	.answer = mq_answer,
	.accepted = mq_accepted,
	.server = mq_server,
	.fd = mq_fd,
	.queued = mq_queued,
};

static int open_mq(struct ipcx_queue **q, const char *rest, unsigned int flags,
		   const struct ipcx_queue_opts *opts)
{
	return ipcx_copied_open(q, rest, flags, opts, &mech);
}

static int unlink_mq(const char *name, bool now)
{
	struct mq_queue m = { .q = -1 };
	char path[300];
	int r = ipcx_copied_check_name(name, NAME_LEN_MAX);

	if (r)
		return r;
	if (now)
		return ipcx_fail_text(EOPNOTSUPP,
				      "only the transport \"kernel\" can end a queue for "
				      "those who have it open; unlink it");
	snprintf(path, sizeof(path), "/%s", name);
	if (mq_unlink(path))
		return open_failed(path, NULL, errno);
	strcpy(m.c.base.name, name);
	ipcx_mailbox_sweep(&box_ops, &m);
	return 0;
}

const struct ipcx_transport ipcx_transport_mq = {
	.name = "mq",
	.caps = IPCX_COPIED_CAPS | IPCX_CAP_WALLS | IPCX_CAP_ACCOUNTING | IPCX_CAP_PRIORITY |
		IPCX_CAP_MANY_RECEIVERS | IPCX_CAP_PERSISTENT,
	.open = open_mq,
	.unlink = unlink_mq,
	IPCX_COPIED_OPS,
};
