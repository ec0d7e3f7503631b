// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_event [ROUNDS [NAME]]: events that are still to be told, and who goes meanwhile: the
 * queue, the sender, the listener, who may be the only one, the module.
 */
#include "event_util.h"
#include "race_module.h"

#define NAME "race-event"

static struct end e, f;
static int listener = -1, other = -1, group;
static int ret_a, ret_b;
static uint64_t dropped, told; /* in all rounds */

static int open_group(void)
{
	group = nl_group(IPCX_MCGRP_ALERTS);
	return group < 0 ? group : 0;
}

static const char *close_nothing(void)
{
	return NULL;
}

static int open_listener(void)
{
	dropped = 0;
	told = 0;
	listener = nl_listen(IPCX_MCGRP_ALERTS);
	return listener < 0 ? listener : 0;
}

static int hear(int timeout_ms)
{
	int err;

	while (!(err = event_next(listener, timeout_ms)))
		told += EVENT(COUNT);
	return err;
}

/* What was dropped in all rounds was told, once. */
static const char *close_listener(void)
{
	int err = hear(QUIET_MS);

	close(listener);
	if (err != -ETIMEDOUT)
		return "the listener was too slow";
	return told == dropped ? NULL : "what was told is not what was dropped";
}

static const struct stage joinable = { open_group, close_nothing };
static const struct stage listening = { open_listener, close_listener };

/* A queue of E and F that is full, and something of it has been told, so that more is put off. */
static int full(void)
{
	memset(&e, 0, sizeof(e));
	memset(&f, 0, sizeof(f));
	e.o.depth = 4; /* each end may have a slot on loan */
	e.o.policy = IPCX_POLICY_DROP_OLDEST;
	if (end_open(&e, NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL) ||
	    end_open(&f, NAME, IPCX_OPEN_SEND))
		return -EIO;
	for (int i = 0; i < 6; i++)
		if (raw_send(&e, 8, i) != 1)
			return -EIO;
	dropped += 2;
	return 0;
}

static int full_with_listener(void)
{
	other = nl_listen(IPCX_MCGRP_ALERTS);
	return other < 0 ? other : full();
}

static int full_with_socket(void)
{
	other = nl_open();
	return other < 0 ? other : full();
}

static int drop_e(void)
{
	ret_a = raw_send(&e, 8, 'e');
	return ret_a;
}

static int drop_and_close_e(void)
{
	ret_a = raw_send(&e, 8, 'e');
	end_close(&e);
	return ret_a;
}

static int drop_f(void)
{
	ret_b = raw_send(&f, 8, 'f');
	return ret_b;
}

static int drop_and_close_f(void)
{
	ret_b = raw_send(&f, 8, 'f');
	end_close(&f);
	return ret_b;
}

static int close_other(void)
{
	ret_b = close(other);
	return ret_b;
}

static int join_other(void)
{
	ret_b = nl_join(other, group);
	return ret_b;
}

static int listen_other(void)
{
	other = nl_listen(IPCX_MCGRP_ALERTS);
	ret_a = other;
	return ret_a;
}

static int reload_module(void)
{
	ret_b = load_module();
	return ret_b;
}

static const char *check_gone(void)
{
	dropped += 2;
	if (ret_a != 1 || ret_b != 1)
		return "not sent";
	return hear(0) == -ETIMEDOUT ? NULL : "the listener was too slow";
}

static const char *check_drops(void)
{
	end_close(&e);
	end_close(&f);
	return check_gone();
}

static const char *check_left(void)
{
	end_close(&e);
	end_close(&f);
	return ret_a == 1 && !ret_b ? NULL : "not sent, or not left";
}

static const char *check_joined(void)
{
	close(other);
	return check_left();
}

static int alone(void)
{
	return 0;
}

static const char *check_module(void)
{
	if (ret_a >= 0)
		close(other);
	if (ret_a < 0 && ret_a != -ENOENT && ret_a != -ENODEV)
		return "joined neither well nor too late";
	return ret_b ? "the module is gone, or does not go" : NULL;
}

#define SLOW 40 /* of so many rounds one: they load modules */

static const struct entry drills[] = {
	{ { "drop/drop", &listening, full, drop_e, drop_f, check_drops } },
	{ { "drop and last close/drop and last close", &listening, full, drop_and_close_e,
	    drop_and_close_f, check_gone } },
	{ { "drop/close of the listener", &joinable, full_with_listener, drop_e, close_other,
	    check_left } },
	{ { "drop/join", &joinable, full_with_socket, drop_e, join_other, check_joined } },
	{ { "join/unload and load", &loaded, alone, listen_other, reload_module, check_module },
	  SLOW },
};

int main(int argc, char **argv)
{
	race_all(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
