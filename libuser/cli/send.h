/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines, texts or files become messages, of a queue or a topic.
 */
#ifndef IPCX_CLI_SEND_H
#define IPCX_CLI_SEND_H

#include <ipcx.h>

#include "util.h"

struct sender;

/**
 * struct target - where messages go to
 * @what: what it is
 * @options: what the command takes
 * @open: sets handle; as ipcx_queue_open()
 * @loan: as ipcx_queue_loan()
 * @commit: as ipcx_queue_commit()
 * @cancel: as ipcx_queue_cancel()
 * @finish: wait until what was sent stays without this program; or NULL
 * @close: as ipcx_queue_close()
 */
struct target {
	const char *what;
	const struct option *options;
	int (*open)(struct sender *s);
	int (*loan)(void *handle, size_t len, struct ipcx_msg *m, int64_t deadline);
	int (*commit)(void *handle, struct ipcx_msg *m);
	int (*cancel)(void *handle, struct ipcx_msg *m);
	int (*finish)(struct sender *s);
	void (*close)(void *handle);
};

struct source {
	const char *value;
	bool file;
};

struct sender {
	const struct target *to;
	void *handle;
	const char *name;
	struct source *sources;		/* none: standard input */
	size_t nsources;
	uint32_t prio;
	uint64_t tag, sent, bytes;
	int64_t timeout, expires;	/* expires 0: never */
	int delimiter;
	bool create, json;
};

enum { OPT_PRIO = OPT_FIRST, OPT_TAG, OPT_TIMEOUT, OPT_EXPIRES };

/* clang-format would take the second initialiser for a block */
/* clang-format off */
#define SEND_OPTIONS \
	{ "message", required_argument, NULL, 'm' }, \
	{ "file", required_argument, NULL, 'f' }, \
	{ "null", no_argument, NULL, '0' }, \
	{ "create", no_argument, NULL, 'c' }, \
	{ "tag", required_argument, NULL, OPT_TAG }, \
	{ "timeout", required_argument, NULL, OPT_TIMEOUT }
/* clang-format on */

int send_main(int argc, char **argv, const struct target *to);

#endif /* IPCX_CLI_SEND_H */
