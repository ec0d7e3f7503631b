// SPDX-License-Identifier: GPL-2.0-only
/* race_tap [ROUNDS [NAME]]: as race, for taps: a look against what ends or changes a message. */
#include "tap_util.h"

#include "race.h"

#define NAME "race-tap"
#define LEN 20000
#define SHOWN 'x'
#define SECRET 'y'

static int dev, fd;
static long refs;
static struct end e;
static struct member p;
static struct ipcx_desc held;

static int stage_open(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	refs = module_refs();
	return dev < 0 ? -errno : 0;
}

static const char *stage_close(void)
{
	const char *wrong = module_refs() != refs ? "something is left behind" : NULL;

	close(dev);
	return wrong;
}

static const struct stage stage = { stage_open, stage_close };

static int one_message(void)
{
	int err;

	memset(&e, 0, sizeof(e));
	e.o.depth = 1;
	err = end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
	if (err)
		return err;
	fd = tap_of(dev, IPCX_KIND_QUEUE, NAME, LEN);
	if (fd < 0)
		return fd;
	err = raw_send(&e, LEN, SHOWN);
	return err == 1 && raw_take(e.fd, &held, 0) == 1 ? 0 : -EBADF;
}

static int one_queue(void)
{
	memset(&e, 0, sizeof(e));
	fd = -1;
	return end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
}

static int one_publisher(void)
{
	int err;

	memset(&p, 0, sizeof(p));
	p.o.depth = IPCX_TOPIC_DEPTH_MIN;
	err = member_open(&p, NAME, CREATE | PUBLISH | EPHEMERAL);
	if (err)
		return err;
	fd = tap_of(dev, IPCX_KIND_TOPIC, NAME, LEN);
	return fd < 0 ? fd : publish(&p, 1);
}

/* Return: enum ipcx_tap_state or a negative errno. */
static int look(void)
{
	const struct ipcx_tap_record *r = tap_one(fd, LEN);

	return r ? (int)r->state : -errno;
}

/* The slot is written by another loan. */
static int reuse(void)
{
	int err = raw_release(e.fd, &held);

	if (err == 1)
		err = raw_loan(e.fd, &held, LEN, 0);
	if (err == 1)
		memset(tx_at(&e, &held), SECRET, LEN);
	return err;
}

static int close_queue(void)
{
	end_close(&e);
	return 0;
}

static int close_publisher(void)
{
	member_close(&p);
	return 0;
}

static int publish_round(void)
{
	for (int i = 0; i < IPCX_TOPIC_DEPTH_MIN + 3; i++)
		if (publish(&p, i + 2) < 0)
			return -EBADF;
	return 0;
}

static int open_tap(void)
{
	fd = tap_of(dev, IPCX_KIND_QUEUE, NAME, LEN);
	return fd < 0 ? fd : 0;
}

/* clang-format off */
static int release(void) { return raw_release(e.fd, &held); }
static int remove_it(void) { return raw_unlink_flags(NAME, IPCX_UNLINK_NOW); }
/* clang-format on */

static const char *shown(bool lost)
{
	const struct ipcx_tap_record *r = (const void *)tap_buf;

	if (ret_a < 0)
		return "nothing was seen";
	if (r->state == IPCX_TAP_LOST)
		return lost ? NULL : "it was lost";
	if (r->seq != 1 || r->missed || r->snapped != LEN)
		return "not that message";
	return tap_all(r, SHOWN) ? NULL : "bytes of another";
}

static const char *end_both(const char *wrong)
{
	close(fd);
	end_close(&e);
	return wrong;
}

static const char *check_reuse(void)
{
	return end_both(ret_b != 1 ? "B failed" : shown(true));
}

static const char *check_release(void)
{
	return end_both(ret_b != 1 ? "B failed" : shown(false));
}

static const char *check_closed(void)
{
	const char *wrong = shown(false);

	if (!wrong && look() != -EIDRM)
		wrong = "not told that it is over";
	close(fd);
	return wrong;
}

static const char *check_removed(void)
{
	const char *wrong = ret_b ? "not removed" : shown(false);

	if (!wrong && look() != -EIDRM)
		wrong = "not told that it is removed";
	return end_both(wrong);
}

static const char *check_opened(void)
{
	const char *wrong = ret_b ? "not removed" : NULL;

	if (ret_a && ret_a != -ENOENT)
		wrong = "neither opened nor too late";
	if (!ret_a && look() != -EIDRM)
		wrong = "not told that it is removed";
	if (fd >= 0)
		close(fd);
	end_close(&e);
	return wrong;
}

static const char *shown_published(bool may_miss)
{
	const struct ipcx_tap_record *r = (const void *)tap_buf;

	if (ret_a == -EAGAIN || ret_a == -EIDRM)
		return may_miss ? NULL : "nothing was seen";
	if (ret_a != IPCX_TAP_PUBLISHED)
		return "failed";
	return r->tag != r->seq + 1 || r->seq != r->missed || memcmp(tap_data(r), &r->tag, 8) ?
		       "not that message" :
		       NULL;
}

static const char *check_dead(void)
{
	const char *wrong = shown_published(true);

	if (!wrong && look() != -EIDRM)
		wrong = "not told that it is over";
	close(fd);
	return wrong;
}

static const char *check_published(void)
{
	const char *wrong = ret_b ? "B failed" : shown_published(false);

	close(fd);
	member_close(&p);
	return wrong;
}

static const struct entry drills[] = {
	{ { "read/release", &stage, one_message, look, release, check_release } },
	{ { "read/reuse", &stage, one_message, look, reuse, check_reuse } },
	{ { "read/close", &stage, one_message, look, close_queue, check_closed } },
	{ { "read/remove", &stage, one_message, look, remove_it, check_removed } },
	{ { "open/remove", &stage, one_queue, open_tap, remove_it, check_opened } },
	{ { "read/publish", &stage, one_publisher, look, publish_round, check_published } },
	{ { "read/publisher's close", &stage, one_publisher, look, close_publisher, check_dead } },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
