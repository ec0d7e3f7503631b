/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of a queue or a topic become lines or files.
 */
#ifndef IPCX_CLI_RECV_H
#define IPCX_CLI_RECV_H

#include <ipcx.h>
#include <sys/uio.h>

#include "util.h"

/**
 * struct origin - where messages come from
 * @take: as ipcx_queue_take()
 * @release: as ipcx_queue_release()
 * @give_back: what is done with a message that could not be handed on
 * @fd: as ipcx_queue_fd()
 * @close: as ipcx_queue_close()
 * @json: writes {"seq":1,... about a message, without a brace behind
 */
struct origin {
	int (*take)(void *handle, struct ipcx_msg *m, int64_t deadline);
	int (*release)(void *handle, struct ipcx_msg *m);
	int (*give_back)(void *handle, struct ipcx_msg *m);
	int (*fd)(void *handle);
	void (*close)(void *handle);
	void (*json)(const struct ipcx_msg *m);
};

struct receiver {
	const struct origin *from;
	void *handle;
	const char *dir;
	int dir_fd;
	uint64_t count, done, bytes; /* count 0: until interrupted */
	int64_t timeout;
	int delimiter; /* -1: none */
	int out; /* watched, whether somebody still reads it; -1: none */
	bool create, json, sync, peek;
	/* does with a message what these do not say; an exit code */
	int (*put)(const struct receiver *r, const struct ipcx_msg *m);
};

extern const struct origin topic_origin; /* sub.c: to subscribe */

enum { OPT_RAW = OPT_FIRST, OPT_TIMEOUT, OPT_SYNC, OPT_PEEK, OPT_OTHER };

/* clang-format would take the second initialiser for a block */
/* clang-format off */
#define RECV_OPTIONS \
	{ "count", required_argument, NULL, 'n' }, \
	{ "null", no_argument, NULL, '0' }, \
	{ "create", no_argument, NULL, 'c' }, \
	{ "raw", no_argument, NULL, OPT_RAW }, \
	{ "timeout", required_argument, NULL, OPT_TIMEOUT }
/* clang-format on */

/* One option; CLI_OK, or what was wrong was said */
int receive_option(struct receiver *r, int c);

enum { OPT_RELIABLE = OPT_OTHER, OPT_HISTORY, OPT_SUB_OTHER };

/* clang-format off */
#define SUB_OPTIONS \
	{ "reliable", no_argument, NULL, OPT_RELIABLE }, \
	{ "history", required_argument, NULL, OPT_HISTORY }
/* clang-format on */

/* sub.c: the same of one who subscribes; @flags and @opts are those of ipcx_topic_open() */
int subscribe_option(struct receiver *r, int c, unsigned int *flags, struct ipcx_topic_opts *opts);

/* All of one or two parts, also where @fd is not to block; 0 or -errno */
int write_all(int fd, const struct iovec *parts, int n);

/* Receives from the open handle, and closes it; an exit code */
int receive_all(struct receiver *r);

#endif /* IPCX_CLI_RECV_H */
