/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of ipcx share.
 */
#ifndef IPCX_CLI_UTIL_H
#define IPCX_CLI_UTIL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit codes, documented in ipcx.1 */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_WRONG = 3,		/* doctor found something */
	CLI_EMPTY = 4,		/* timed out, or nothing there */
};

/**
 * struct command - a word after "ipcx"
 * @name: the word
 * @run: gets argv from the word on, returns the exit code
 * @brief: one line for the list of commands
 * @help: all that "ipcx help NAME" says
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *brief;
	const char *help;
};

extern const struct command cmd_doctor, cmd_create, cmd_ls, cmd_show, cmd_stat, cmd_rm, cmd_send,
	cmd_recv, cmd_call, cmd_serve, cmd_pub, cmd_sub, cmd_record, cmd_replay, cmd_holders,
	cmd_limits, cmd_revoke, cmd_top, cmd_hz, cmd_metrics, cmd_monitor, cmd_tap, cmd_bridge,
	cmd_bench;
extern const struct command *command;	/* the one that runs */

/* An option without a short form gets a number that is no character. */
enum { OPT_HELP = 256, OPT_JSON, OPT_FIRST };

/* clang-format would take the second initialiser for a block */
/* clang-format off */
#define COMMON_OPTIONS \
	{ "help", no_argument, NULL, OPT_HELP }, \
	{ "json", no_argument, NULL, OPT_JSON }
/* clang-format on */

/* getopt_long() that ends the program on --help and on a wrong option */
int next_option(int argc, char **argv, const char *letters, const struct option *longs);

/* Say "ipcx: COMMAND: ..." on stderr and return an exit code */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail_ipcx(int err);			/* what ipcx_error() says */
int fail_file(const char *path, int err);

/* Becomes the program beside this one; returns if that cannot be: errno */
void exec_beside(const char *program, char **argv);
int fail_about(const char *path, const char *why); /* and that, behind the path */
extern void (*before_saying)(void);	/* if set: makes stderr fit for a line of text */

/* Return false when @text is not one */
bool parse_number(const char *text, int base, uint64_t max, uint64_t *value);
bool parse_size(const char *text, uint64_t *bytes);		/* 64M */
bool parse_duration(const char *text, int64_t *ns);		/* 500ms */

int64_t now_ns(void);			/* of CLOCK_MONOTONIC, as these two */
void sleep_until(int64_t ns);
int64_t deadline_in(int64_t ns);	/* negative: never */

/* io.c; all return a negative errno on failure */
ssize_t read_full(int fd, char *to, size_t len);	/* less only at the end of the file */
ssize_t read_stream(int fd, char **buf);		/* to its end; *buf is to be freed */
int write_full(int fd, const char *from, size_t len);

bool is_utf8(const void *bytes, size_t len);
void put_printable(FILE *f, const void *bytes, size_t len);	/* no control characters */
void put_columns(FILE *f, const void *bytes, size_t len, int width);	/* cut, or filled up */
void json_string(FILE *f, const void *bytes, size_t len);
void json_member(FILE *f, const char *key, const void *bytes, size_t len);

#define SIZE_TEXT	16
const char *size_text(char buf[SIZE_TEXT], uint64_t bytes);	/* 64 MiB */

/* object.c: the name in a URI, and what has it; says so if there is none */
struct answer;
const char *without_transport(const char *uri);
int find_object(const char *name, struct answer *a);
int find_id(const char *name, uint64_t *id); /* only its number */

/* stat.c */
struct ipcx_queue;
const char *policy_text(unsigned int policy);		/* drop-oldest; "?" if unknown */
void json_attributes(const struct ipcx_queue *q);	/* ,"id":1,"mode":"0600"... */

bool want_color(int fd);

/* A line on stderr that is overwritten, if that is a terminal; @total 0: unknown */
void progress(const char *what, uint64_t done, uint64_t total, uint64_t bytes);
void progress_end(void);

#endif /* IPCX_CLI_UTIL_H */
