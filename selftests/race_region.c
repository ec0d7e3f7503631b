// SPDX-License-Identifier: GPL-2.0-only
/* race_region [ROUNDS [NAME]]: as race, for regions: opening against what ends or changes them. */
#include <sys/mman.h>

#include "race.h"
#include "region_use.h"
#include "revoke_util.h"

#define NAME "race-region"
#define BYTES 8192

static int dev, old; /* old: the descriptor that setup made */
static long refs;
static char text[4096];

/* Return: a descriptor, or a negative errno. */
static int region(unsigned int flags)
{
	struct ipcx_region_open o = {
		.size = sizeof(o),
		.flags = flags | BOTH,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.mode = 0600,
		.bytes = BYTES,
	};

	return xioctl(dev, IPCX_IOC_REGION_OPEN, &o);
}

static int stage_open(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	refs = module_refs();
	return dev < 0 ? -errno : 0;
}

static const char *stage_close(void)
{
	const char *wrong = module_refs() != refs ? "a region is left behind" : NULL;

	close(dev);
	return wrong;
}

static const struct stage stage = { stage_open, stage_close };

static int no_region(void)
{
	old = -1;
	return 0;
}

static int one_region(void)
{
	old = region(CREATE | IPCX_OPEN_EXCL);
	return old < 0 ? old : 0;
}

/* the calls; clang-format has no words for a table of functions */
/* clang-format off */
static int create(void) { return region(CREATE); }
static int create_only(void) { return region(CREATE | IPCX_OPEN_EXCL); }
static int open_it(void) { return region(0); }
static int unlink_it(void) { return raw_unlink_kind(NAME, 0, IPCX_KIND_REGION); }
static int shrink(void) { return ftruncate(old, 1) ? -errno : 0; }
static int list(void) { return !get_file("/proc/net/ipcx", text, sizeof(text)); }
/* clang-format on */

static bool writable(int fd)
{
	return pwrite(fd, "x", 1, 0) == 1;
}

static void end(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Both have the same memory. */
static const char *check_same(void)
{
	char c = 0;

	if (ret_a < 0 || ret_b < 0)
		return "one has none";
	if (pwrite(ret_a, "y", 1, 7) != 1 || pread(ret_b, &c, 1, 7) != 1 || c != 'y')
		return "they have not the same";
	end(ret_a);
	end(ret_b);
	return unlink_it() ? "it has no name" : NULL;
}

static const char *check_one(void)
{
	bool a = ret_a >= 0, b = ret_b >= 0;
	const char *wrong = NULL;

	if (a == b)
		wrong = "not just one has it";
	else if (ret_a != -EEXIST && ret_b != -EEXIST)
		wrong = "the other is not told";
	end(ret_a);
	end(ret_b);
	return unlink_it() ? "it has no name" : wrong;
}

/* A opened it, or was too late; or made another one. */
static const char *check_unlinked(void)
{
	const char *wrong = ret_b ? "not unlinked" : NULL;

	if (ret_a >= 0 ? !writable(ret_a) : ret_a != -ENOENT || drill->a == create)
		wrong = "neither opened nor too late";
	end(ret_a);
	end(old);
	unlink_it(); /* the one that was made anew */
	return wrong;
}

static const char *check_shrunk(void)
{
	const char *wrong = ret_a < 0 || ret_b ? "failed" :
			    !writable(ret_a)   ? "not writable" :
						 NULL;

	end(ret_a);
	end(old);
	return unlink_it() ? "it has no name" : wrong;
}

static const char *check_listed(void)
{
	end(old);
	return ret_a || ret_b ? "failed" : NULL;
}

/* messages that carry a region: at most two ends have the queue open */
static struct end sender, receiver;
static struct ipcx_desc message;
static int nl, family;
static uint64_t id; /* of the end that is revoked */

static int queue_open(void)
{
	int err;

	refs = module_refs();
	nl = nl_open();
	family = nl_family(nl);
	old = family < 0 ? family : region_new(BYTES);
	sender.o = (struct ipcx_queue_open){ .depth = 2, .msg_max = PAGE };
	err = old < 0 ? old : end_open(&sender, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
	return err;
}

static const char *queue_close(void)
{
	end_close(&sender);
	close(old);
	close(nl);
	return module_refs() != refs ? "a queue or region is left behind" : NULL;
}

static const struct stage queue_stage = { queue_open, queue_close };

static int attach(void)
{
	return region_attach(sender.fd, message.slot, old, BOTH);
}

/* Through the end that is revoked. */
static int attach_there(void)
{
	return region_attach(receiver.fd, message.slot, old, BOTH);
}

static int one_loan(void)
{
	return raw_loan(sender.fd, &message, 100, 0) - 1;
}

/* Another end, which is to be closed by its descriptor. */
static int other_end(void)
{
	int err = end_open(&receiver, NAME, SENDRECV);

	munmap(receiver.rx, receiver.o.out_window); /* or the mapping would keep it open */
	munmap(receiver.tx, receiver.o.out_window);
	id = err ? 0 : last_end(nl, family, sender.o.out_id);
	return err ?: id ? 0 : -EIO;
}

static int loan_there(void)
{
	int err = other_end();

	return err ?: raw_loan(receiver.fd, &message, 100, 0) - 1;
}

/* @receiver has taken it. */
static int one_carrier(void)
{
	int err = other_end();

	err = err ?: one_loan();
	err = err ?: attach();
	err = err ?: raw_commit(sender.fd, &message) - 1;
	return err ?: raw_take(receiver.fd, &message, 0) - 1;
}

/* clang-format off */
static int commit(void) { return raw_commit(sender.fd, &message); }
static int cancel(void) { return raw_cancel(sender.fd, &message); }
static int fetch(void) { return region_fetch(receiver.fd, &message, 0); }
static int release(void) { return raw_release(receiver.fd, &message); }
static int close_it(void) { return close(receiver.fd); }
static int revoke_it(void) { return revoke_end(nl, family, id); }
/* clang-format on */

static int nack(void)
{
	return raw_done(receiver.fd, IPCX_IOC_QUEUE_RELEASE, &message, IPCX_RELEASE_NACK);
}

/* Takes it and releases it. Return: whether it carries the region, or a negative errno. */
static int carries(void)
{
	struct ipcx_desc d;
	int ret = raw_take(sender.fd, &d, 0), fd;

	if (ret < 0)
		return ret;
	fd = region_fetch(sender.fd, &d, 0);
	end(fd);
	ret = raw_release(sender.fd, &d);
	if (ret != 1 || (d.flags & IPCX_MSG_REGIONS ? fd < 0 : fd != -ENOENT))
		return -EBADMSG;
	return fd >= 0;
}

/* Both, in one order or the other, and then none is left over. */
static const char *check_both(void)
{
	if (ret_a < 0 || ret_b < 0 || ret_a + ret_b != 1)
		return "not both were attached";
	return raw_cancel(sender.fd, &message) == 1 ? NULL : "the loan is gone";
}

static const char *check_attached(void)
{
	if (ret_b != 1 || (ret_a && ret_a != -EPERM))
		return "failed";
	if (drill->b == commit && carries() != !ret_a)
		return "what was attached is not carried, or the other way round";
	return NULL;
}

/* The loan is gone with what it carried: both slots are there, and the next carries nothing. */
static const char *check_revoked(void)
{
	struct ipcx_desc d;
	const char *wrong = NULL;

	if (ret_b || (ret_a && ret_a != -ESTALE))
		wrong = "neither attached nor ESTALE";
	else if (raw_loan(sender.fd, &d, 100, 0) != 1 || one_loan())
		wrong = "the loan is still there";
	else if (raw_cancel(sender.fd, &d) != 1 || commit() != 1 || carries())
		wrong = "the next message carries something";
	close(receiver.fd);
	return wrong;
}

static const char *check_fetched(void)
{
	const int late = drill->b == revoke_it ? -ESTALE : -EPERM;
	bool again = drill->b != release;
	const char *wrong = NULL;
	int ret = carries();

	if (ret_a >= 0 ? !writable(ret_a) : ret_a != late && ret_a != -EBADF)
		wrong = "neither fetched nor too late";
	else if (again ? ret != 1 : ret != -EAGAIN)
		wrong = "the message is not there as it was";
	end(ret_a);
	if (drill->b != close_it)
		close(receiver.fd);
	return wrong;
}

static const struct entry drills[] = {
	{ { "create/create", &stage, no_region, create, create, check_same } },
	{ { "create alone/create alone", &stage, no_region, create_only, create_only, check_one } },
	{ { "open/unlink", &stage, one_region, open_it, unlink_it, check_unlinked } },
	{ { "create/unlink", &stage, one_region, create, unlink_it, check_unlinked } },
	{ { "open/ftruncate", &stage, one_region, open_it, shrink, check_shrunk } },
	{ { "listing/unlink", &stage, one_region, list, unlink_it, check_listed } },
	{ { "attach/attach", &queue_stage, one_loan, attach, attach, check_both } },
	{ { "attach/commit", &queue_stage, one_loan, attach, commit, check_attached } },
	{ { "attach/cancel", &queue_stage, one_loan, attach, cancel, check_attached } },
	{ { "fetch/release", &queue_stage, one_carrier, fetch, release, check_fetched }, 4 },
	{ { "fetch/nack", &queue_stage, one_carrier, fetch, nack, check_fetched }, 4 },
	{ { "fetch/close", &queue_stage, one_carrier, fetch, close_it, check_fetched }, 4 },
	{ { "attach/revoke", &queue_stage, loan_there, attach_there, revoke_it, check_revoked } },
	{ { "fetch/revoke", &queue_stage, one_carrier, fetch, revoke_it, check_fetched }, 4 },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
