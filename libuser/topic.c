// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics: what publishers and subscribers share.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "topic.h"

int ipcx_topic_fd(const struct ipcx_topic *t)
{
	if (t->fd >= 0 && t->ops->polled)
		t->ops->polled((struct ipcx_topic *)t);
	return t->fd;
}

uint64_t ipcx_topic_caps(const struct ipcx_topic *t)
{
	return t->caps;
}

int ipcx_topic_attr(const struct ipcx_topic *t, struct ipcx_topic_attr *attr)
{
	return ipcx_copy_told(attr, sizeof(*attr), &t->attr, "attributes");
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void cpu_relax(void)
{
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
}

/*
 * To look again and again pays where what is waited for comes within about the time that
 * sleeping and being woken takes. So a wait that ended as short as that doubles how often the
 * next one looks before it sleeps, and one that slept for longer divides it by four.
 */
#define LOOKS_MIN 16 /* fewer are none */
#define LOOKS_MAX 2048
#define SHORT_NS 100000

static unsigned int *spins_of(struct ipcx_topic *t, uint32_t until)
{
	return until == IPCX_WAIT_ROOM ? &t->spins_room : &t->spins_message;
}

static void adapt(struct ipcx_topic *t, uint32_t until, bool pays)
{
	unsigned int *spins = spins_of(t, until), n = __atomic_load_n(spins, __ATOMIC_RELAXED);

	if (pays)
		n = n < LOOKS_MIN ? LOOKS_MIN : n < LOOKS_MAX ? 2 * n : n;
	else
		n = n / 4 < LOOKS_MIN ? 0 : n / 4;
	if (t->many_cpus) /* or who is waited for does not run meanwhile */
		__atomic_store_n(spins, n, __ATOMIC_RELAXED);
}

/*
 * Who does not wait may poll then. The module sees to it that poll finds what comes; where there
 * is none it is done here, and may find that something has come: then one more look is enough.
 */
static int wait_not(struct ipcx_topic *t, struct ipcx_topic_patience *p,
		    struct ipcx_topic_wait *arg)
{
	if (!t->shm || p->late)
		return -EAGAIN;
	p->late = true;
	return t->ops->call(t, IPCX_IOC_TOPIC_WAIT, arg) ? -errno : 0;
}

/* Return: 0, or a bare negative errno. */
static int sleep_until(struct ipcx_topic *t, const struct ipcx_topic_patience *p,
		       struct ipcx_topic_wait *arg)
{
	if (t->ops->wait)
		return t->ops->wait(t, p);
	return t->ops->call(t, IPCX_IOC_TOPIC_WAIT, arg) < 0 ? -errno : 0;
}

/* What was looked for was not there. Return: 0: look again; or a bare negative errno. */
int ipcx_topic_wait(struct ipcx_topic *t, struct ipcx_topic_patience *p)
{
	struct ipcx_topic_wait arg = {
		.size = sizeof(arg),
		.flags = p->until,
		.deadline = p->deadline,
	};
	bool timed = t->many_cpus || p->deadline != IPCX_FOREVER; /* or nothing depends on it */
	int64_t before, after;
	int r;

	if (p->deadline == IPCX_NOWAIT)
		return wait_not(t, p, &arg);
	if (p->late)
		return -ETIMEDOUT;
	if (p->looks < __atomic_load_n(spins_of(t, p->until), __ATOMIC_RELAXED)) {
		p->looks++;
		cpu_relax();
		return 0;
	}
	before = timed ? now() : 0;
	r = sleep_until(t, p, &arg);
	after = timed ? now() : 0;
	/* who has looked that often in vain shares a CPU with whom it waits for, or waits long */
	adapt(t, p->until, !r && after - before < SHORT_NS && p->looks < LOOKS_MAX);
	p->looks = 0;
	/* a sleep that ends at once, and finds nothing, must not go on and on */
	p->late = timed && after >= p->deadline;
	return r;
}

/* What was waited for came. */
void ipcx_topic_waited(struct ipcx_topic *t, const struct ipcx_topic_patience *p)
{
	if (p->looks)
		adapt(t, p->until, true);
}

/* Who sleeps looks again by itself should this fail. */
void ipcx_topic_kick(struct ipcx_topic *t, uint32_t whom)
{
	struct ipcx_topic_kick arg = { .size = sizeof(arg), .flags = whom };
	int err = errno;

	t->ops->call(t, IPCX_IOC_TOPIC_KICK, &arg);
	errno = err;
}

/* @whom: to be kicked */
void ipcx_topic_finish(struct ipcx_topic *t, unsigned int done, uint32_t whom)
{
	if (done & IPCX_TOPIC_WAKE)
		ipcx_lock_wake(&t->lock);
	if (done & IPCX_TOPIC_KICK)
		ipcx_topic_kick(t, whom);
}
