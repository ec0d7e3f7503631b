/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking the module by netlink, and writing what it says. Nothing else knows libnl.
 */
#ifndef IPCX_CLI_NETLINK_H
#define IPCX_CLI_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ipcx_netlink.h>

#define NAME_ROOM 256
#define ATTRS 64 /* numbers of attributes are below */

struct nlattr;
struct nl_msg;
struct nl_sock;

/* How the value of an attribute is written */
enum form {
	FORM_NUMBER,
	FORM_SIZE,
	FORM_NAME,
	FORM_KIND,
	FORM_MODE,
	FORM_FLAGS,
	FORM_STATE,
	FORM_RIGHTS,
	FORM_POLICY,
	FORM_EVENT,
	FORM_EXIT,
	FORM_LIMIT,
	FORM_AGES
};

/**
 * struct field - an attribute as people see it
 * @attr: its number
 * @key: its name
 * @form: how it is written
 */
struct field {
	int attr;
	const char *key;
	enum form form;
};

/**
 * struct answer - all messages that came back
 * @msg: them
 * @n: how many
 */
struct answer {
	struct nl_msg **msg;
	size_t n;
};

/**
 * struct nl_value - an attribute of a request
 * @attr: its number
 * @value: its bytes
 * @len: how many
 */
struct nl_value {
	int attr;
	const void *value;
	size_t len;
};

/*
 * Makes a request with @n attributes and NLM_F_* in @flags, and reads what comes back. Says what
 * went wrong, but for ENOENT, and returns an exit code, with @err the errno if it is set.
 */
int nl_request(int cmd, int flags, const struct nl_value *v, size_t n, struct answer *a, int *err);

/* The same for one thing, or with @dump for all; @attr, of @len bytes, says which, 0 for no such */
int nl_ask(int cmd, bool dump, int attr, const void *value, size_t len, struct answer *a, int *err);
void answer_free(struct answer *a);

/* The attributes of a message, until the answer is freed; none if there is no such message */
void answer_attrs(const struct answer *a, size_t i, struct nlattr *attrs[ATTRS]);
bool attr_number(struct nlattr *const attrs[ATTRS], int attr, uint64_t *v);
uint64_t attr_or_0(struct nlattr *const attrs[ATTRS], int attr);

/* Listens to a group of the family. Says what went wrong, and returns an exit code. */
int nl_listen(const char *group, struct nl_sock **listening);
void nl_stop(struct nl_sock *sk);
int nl_fd(const struct nl_sock *sk); /* to be polled */

/* Reads the next event. Returns 1; 0 if there is none; -ENOBUFS if some are lost; another errno. */
typedef void event_fn(int cmd, struct nlattr *const attrs[ATTRS], void *arg);
int nl_next(struct nl_sock *sk, event_fn *each, void *arg);

void put_attr_name(struct nlattr *const attrs[ATTRS], int name, int id);
void put_attr_user(struct nlattr *const attrs[ATTRS], int attr, int width);
const char *user_text(unsigned int uid); /* until the next call */
const char *kind_text(uint64_t kind);
const char *state_text(uint64_t state);
/* NULL for what this program does not know */
const char *event_text(uint64_t kind);
const char *exit_text(uint64_t exit);
const char *limit_text(uint64_t limit);

/* The members of a JSON object, and lines of text, of those fields that are there */
void json_fields(const struct field *f, size_t n, struct nlattr *const attrs[ATTRS]);
void put_fields(const struct field *f, size_t n, struct nlattr *const attrs[ATTRS]);

/* object.c: the members of a JSON object, of an answer about an object or about an end */
void json_object(struct nlattr *const attrs[ATTRS]);
void json_end(struct nlattr *const attrs[ATTRS]);

#endif /* IPCX_CLI_NETLINK_H */
