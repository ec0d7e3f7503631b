// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The functions of mq_overview(7), but mq_notify(). What a descriptor means that is none of a
 * queue of ipcx, the system would not know either: EBADF.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define PRIO_MAX 31 /* of ipcx */
#define POSIX_PRIO_MAX 32768
#define SEC 1000000000LL

/* Without attributes: those of the system, if nobody has changed them */
#define DEPTH 10
#define MSG_SIZE 8192

/* A receiver that shares its end with others and is killed keeps its message for so long. */
#define LEASE_MS 1000

static int fail(int r)
{
	switch (-r) {
	case EDQUOT:
		errno = ENOSPC;
		break;
	case ESTALE: /* revoked */
	case EIDRM:
	case EPERM:
		errno = EBADF;
		break;
	case EPROTOTYPE: /* the name is of something else */
		errno = EINVAL;
		break;
	default:
		errno = -r;
	}
	return -1;
}

/* Reading it by umask() would change it for a moment, for other threads too. */
static mode_t umask_now(void)
{
	FILE *f = fopen("/proc/thread-self/status", "re");
	mode_t mask = 077;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Umask: %o", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask;
}

/* Return: 0; @uri is what ipcx calls the queue. */
static int uri_of(const char *name, char uri[MQ_URI])
{
	if (name[0] != '/')
		return -EINVAL;
	name++;
	if (!*name)
		return -ENOENT;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (strchr(name, '/'))
		return -EACCES;
	sprintf(uri, "%s%s", strchr(name, ':') ? "kernel:" : "", name);
	return 0;
}

static int opts_of(struct ipcx_queue_opts *opts, mode_t mode, const struct mq_attr *attr)
{
	long page = sysconf(_SC_PAGESIZE);
	uint64_t whole;

	opts->mode = mode & ~umask_now() & 0777;
	opts->depth = attr ? attr->mq_maxmsg : DEPTH;
	opts->msg_max = attr ? attr->mq_msgsize : MSG_SIZE;
	if (attr && (attr->mq_maxmsg <= 0 || attr->mq_maxmsg > INT_MAX || attr->mq_msgsize <= 0 ||
		     attr->mq_msgsize > INT_MAX))
		return -EINVAL;
	whole = (opts->msg_max + page - 1) / page * page;
	opts->bytes_max = opts->depth * whole;
	return 0;
}

/* First with all that only the kernel has; then over what the library takes instead. */
static int open_queue(struct ipcx_queue **q, const char *uri, unsigned int flags,
		      struct ipcx_queue_opts *opts, bool defaults, bool *shared)
{
	const char *chosen = secure_getenv("IPCX_TRANSPORT");
	int r;

	if (!chosen || !*chosen)
		opts->require = IPCX_CAP_PRIORITY | IPCX_CAP_MANY_RECEIVERS | IPCX_CAP_PERSISTENT;
	opts->lease_ms = LEASE_MS;
	r = ipcx_queue_open(q, uri, flags | IPCX_INHERIT, opts);
	*shared = !r;
	if (r != -EOPNOTSUPP)
		return r;
	opts->lease_ms = 0;
	r = ipcx_queue_open(q, uri, flags, opts);
	if (r != -EINVAL || !defaults)
		return r;
	/* there are limits, of which the library knows */
	opts->depth = 0;
	opts->msg_max = 0;
	opts->bytes_max = 0;
	return ipcx_queue_open(q, uri, flags, opts);
}

static mqd_t open_end(const char *name, int oflag, mode_t mode, const struct mq_attr *attr)
{
	IPCX_QUEUE_OPTS(opts);
	IPCX_QUEUE_OPTS(none);
	static const unsigned int rights[] = {
		[O_RDONLY] = IPCX_RECV,
		[O_WRONLY] = IPCX_SEND,
		[O_RDWR] = IPCX_RECV | IPCX_SEND,
	};
	unsigned int access = oflag & O_ACCMODE;
	bool make = oflag & O_CREAT, excl = oflag & O_EXCL, shared;
	struct ipcx_queue *q;
	char uri[MQ_URI];
	int r = access > O_RDWR ? -EINVAL : uri_of(name, uri);

	if (r)
		return fail(r);
	r = make ? opts_of(&opts, mode, attr) : 0;
	if (!r)
		r = open_queue(&q, uri,
			       rights[access] | (make ? IPCX_CREATE : 0) |
				       (make && excl ? IPCX_EXCL : 0),
			       &opts, !attr, &shared);
	/* attributes count only for a queue that is made */
	if (r == -EINVAL && make && !excl) {
		r = open_queue(&q, uri, rights[access], &none, false, &shared);
		if (r == -ENOENT)
			r = -EINVAL;
	}
	if (!r)
		r = mq_end_add(q, uri, rights[access], shared, oflag & O_NONBLOCK);
	return r < 0 ? fail(r) : r;
}

/* A thread that is cancelled in there would keep locks. */
static mqd_t open_whole(const char *name, int oflag, mode_t mode, const struct mq_attr *attr)
{
	int state;
	mqd_t q;

	mq_shim_start();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	q = open_end(name, oflag, mode, attr);
	pthread_setcancelstate(state, NULL);
	return q;
}

EXPORT mqd_t mq_open(const char *name, int oflag, ...)
{
	struct mq_attr *attr = NULL;
	mode_t mode = 0;
	va_list ap;

	va_start(ap, oflag);
	if (oflag & O_CREAT) {
		mode = va_arg(ap, mode_t);
		attr = va_arg(ap, struct mq_attr *);
	}
	va_end(ap);
	return open_whole(name, oflag, mode, attr);
}

/* What programs that are compiled with _FORTIFY_SOURCE call */
EXPORT mqd_t __mq_open_2(const char *name, int oflag);

EXPORT mqd_t __mq_open_2(const char *name, int oflag)
{
	if (oflag & O_CREAT)
		abort();
	return open_whole(name, oflag, 0, NULL);
}

/* Only where mq_open() looks: the library would try all transports that need no module. */
static int unlink_uri(const char *name, char uri[MQ_URI])
{
	const char *chosen = secure_getenv("IPCX_TRANSPORT");
	int r;

	if (chosen && *chosen)
		return ipcx_queue_unlink(uri);
	sprintf(uri, "kernel:%s", name + 1);
	r = ipcx_queue_unlink(uri);
	if (r != -ENODEV || strchr(name, ':'))
		return r;
	sprintf(uri, "mq:%s", name + 1);
	return ipcx_queue_unlink(uri);
}

EXPORT int mq_unlink(const char *name)
{
	char uri[MQ_URI];
	int r = uri_of(name, uri), state;

	mq_shim_start();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (!r)
		r = unlink_uri(name, uri);
	pthread_setcancelstate(state, NULL);
	return r ? fail(r) : 0;
}

static int set_attr(mqd_t fd, const struct mq_attr *attr, struct mq_attr *old)
{
	struct ipcx_queue_stats stats = { .sz = sizeof(stats) };
	long flags = attr ? attr->mq_flags : 0; /* @old may be the same */
	struct mq_end *e;
	int r = 0;

	if (flags & ~O_NONBLOCK)
		return fail(-EINVAL);
	e = mq_end_get(fd);
	if (!e)
		return fail(-EBADF);
	if (old) {
		r = ipcx_queue_stat(e->q, &stats);
		*old = (struct mq_attr){
			.mq_flags = mq_end_nonblock(e) ? O_NONBLOCK : 0,
			.mq_maxmsg = e->attr.depth,
			.mq_msgsize = e->attr.msg_max,
			.mq_curmsgs = stats.queued,
		};
	}
	if (!r && attr) {
		e->nonblock = flags;
		if (e->shared)
			fcntl(e->fd, F_SETFL, (fcntl(e->fd, F_GETFL) & ~O_NONBLOCK) | (int)flags);
	}
	mq_end_put(e);
	return r ? fail(r) : 0;
}

EXPORT int mq_setattr(mqd_t fd, const struct mq_attr *attr, struct mq_attr *old)
{
	return set_attr(fd, attr, old);
}

EXPORT int mq_getattr(mqd_t fd, struct mq_attr *attr)
{
	return set_attr(fd, NULL, attr);
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

/* A time of the day, which must be valid, and the same as a deadline of the library */
static int deadline_of(int64_t sec, int64_t nsec, int64_t *deadline)
{
	int64_t at;

	if (sec < 0 || nsec < 0 || nsec >= SEC)
		return -EINVAL;
	*deadline = IPCX_FOREVER;
	if (sec >= INT64_MAX / SEC / 2)
		return 0;
	at = sec * SEC + nsec - nanoseconds(CLOCK_REALTIME) + nanoseconds(CLOCK_MONOTONIC);
	*deadline = at > 0 ? at : 1;
	return 0;
}

/* A spare slot that the library keeps for the next message would be one that others do not have. */
static void give_spare(struct ipcx_queue *q, size_t len)
{
	struct ipcx_msg m;

	if (!ipcx_queue_loan(q, len, &m, IPCX_NOWAIT))
		ipcx_queue_cancel(q, &m);
}

static int put(struct ipcx_queue *q, const char *buf, size_t len, unsigned int prio,
	       int64_t deadline)
{
	struct ipcx_msg m;
	int r;

	if (!prio && len && (deadline == IPCX_NOWAIT || deadline == IPCX_FOREVER))
		return ipcx_queue_send(q, buf, len, deadline);
	r = ipcx_queue_loan(q, len, &m, deadline);
	if (r)
		return r;
	if (len)
		memcpy(m.data, buf, len);
	m.prio = prio > PRIO_MAX ? PRIO_MAX : prio;
	m.tag = prio > PRIO_MAX ? prio : 0;
	r = ipcx_queue_commit(q, &m);
	if (r)
		ipcx_queue_cancel(q, &m);
	else
		give_spare(q, len);
	return r;
}

/* Higher priorities than ipcx has are wrong, or the highest that it has, if the user says so. */
static unsigned int prio_limit(void)
{
	return secure_getenv("IPCX_MQ_PRIO_CLAMP") ? POSIX_PRIO_MAX : PRIO_MAX + 1;
}

static void put_end(void *e)
{
	mq_end_put(e);
}

/* Over others than the kernel's the library waits with locks, too. Return: the state before */
static int hold_cancel(const struct mq_end *e)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (e->shared)
		pthread_setcancelstate(state, NULL);
	return state;
}

static int send_until(mqd_t fd, const char *buf, size_t len, unsigned int prio, int64_t deadline)
{
	struct mq_end *e;
	int r, state;

	pthread_testcancel();
	if (prio > PRIO_MAX && prio >= prio_limit())
		return fail(-EINVAL);
	e = mq_end_get(fd);
	if (!e)
		return fail(-EBADF);
	pthread_cleanup_push(put_end, e);
	state = hold_cancel(e);
	if (!(e->flags & IPCX_SEND))
		r = -EBADF;
	else if (len > e->attr.msg_max)
		r = -EMSGSIZE;
	else
		r = put(mq_end_queue(e), buf, len, prio, IPCX_NOWAIT);
	if (r == -EAGAIN && !mq_end_nonblock(e)) {
		mq_notify_told(e);
		r = put(mq_end_queue(e), buf, len, prio, deadline);
	}
	pthread_setcancelstate(state, NULL);
	pthread_cleanup_pop(1);
	return r ? fail(r) : 0;
}

EXPORT int mq_send(mqd_t fd, const char *buf, size_t len, unsigned int prio)
{
	return send_until(fd, buf, len, prio, IPCX_FOREVER);
}

static unsigned int prio_of(const struct ipcx_msg *m)
{
	return m->prio == PRIO_MAX && m->tag > PRIO_MAX && m->tag < POSIX_PRIO_MAX ? m->tag :
										     m->prio;
}

/* What was late for its lease is for another receiver: not received. */
static ssize_t get(struct ipcx_queue *q, char *buf, size_t cap, unsigned int *prio,
		   int64_t deadline)
{
	struct ipcx_msg m;
	int r;

	if (!prio && (deadline == IPCX_NOWAIT || deadline == IPCX_FOREVER))
		return ipcx_queue_recv(q, buf, cap, deadline);
	do {
		r = ipcx_queue_take(q, &m, deadline);
		if (r)
			return r;
		if (m.len)
			memcpy(buf, m.data, m.len);
		if (prio)
			*prio = prio_of(&m);
		r = ipcx_queue_release(q, &m);
	} while (r == -ESTALE);
	return r ? r : (ssize_t)m.len;
}

static ssize_t receive_until(mqd_t fd, char *buf, size_t cap, unsigned int *prio, int64_t deadline)
{
	struct mq_end *e;
	ssize_t r;
	int state;

	pthread_testcancel();
	e = mq_end_get(fd);
	if (!e)
		return fail(-EBADF);
	pthread_cleanup_push(put_end, e);
	state = hold_cancel(e);
	if (!(e->flags & IPCX_RECV))
		r = -EBADF;
	else if (cap < e->attr.msg_max)
		r = -EMSGSIZE;
	else
		r = get(mq_end_queue(e), buf, cap, prio, IPCX_NOWAIT);
	if (r == -EAGAIN && !mq_end_nonblock(e)) {
		mq_notify_told(e);
		r = get(mq_end_queue(e), buf, cap, prio, deadline);
	}
	pthread_setcancelstate(state, NULL);
	pthread_cleanup_pop(1);
	return r < 0 ? fail(r) : r;
}

EXPORT ssize_t mq_receive(mqd_t fd, char *buf, size_t cap, unsigned int *prio)
{
	return receive_until(fd, buf, cap, prio, IPCX_FOREVER);
}

static int send_at(mqd_t fd, const char *buf, size_t len, unsigned int prio, int64_t sec,
		   int64_t nsec)
{
	int64_t deadline;
	int r = deadline_of(sec, nsec, &deadline);

	return r ? fail(r) : send_until(fd, buf, len, prio, deadline);
}

static ssize_t receive_at(mqd_t fd, char *buf, size_t cap, unsigned int *prio, int64_t sec,
			  int64_t nsec)
{
	int64_t deadline;
	int r = deadline_of(sec, nsec, &deadline);

	return r ? fail(r) : receive_until(fd, buf, cap, prio, deadline);
}

/* Without a time they wait for ever, though <mqueue.h> tells the compiler that there is one. */
static const struct timespec *or_null(const struct timespec *at)
{
	__asm__("" : "+r"(at));
	return at;
}

EXPORT int mq_timedsend(mqd_t fd, const char *buf, size_t len, unsigned int prio,
			const struct timespec *at)
{
	at = or_null(at);
	return at ? send_at(fd, buf, len, prio, at->tv_sec, at->tv_nsec) :
		    mq_send(fd, buf, len, prio);
}

EXPORT ssize_t mq_timedreceive(mqd_t fd, char *restrict buf, size_t cap,
			       unsigned int *restrict prio, const struct timespec *restrict at)
{
	const struct timespec *end = or_null(at);

	return end ? receive_at(fd, buf, cap, prio, end->tv_sec, end->tv_nsec) :
		     mq_receive(fd, buf, cap, prio);
}

#if __LONG_WIDTH__ == 32
EXPORT int __mq_timedsend_time64(mqd_t fd, const char *buf, size_t len, unsigned int prio,
				 const struct time64 *at)
{
	return at ? send_at(fd, buf, len, prio, at->sec, at->nsec) : mq_send(fd, buf, len, prio);
}

EXPORT ssize_t __mq_timedreceive_time64(mqd_t fd, char *buf, size_t cap, unsigned int *prio,
					const struct time64 *at)
{
	return at ? receive_at(fd, buf, cap, prio, at->sec, at->nsec) :
		    mq_receive(fd, buf, cap, prio);
}
#endif
