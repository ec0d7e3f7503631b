/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bridge.conf: what goes where.
 */
#ifndef IPCX_BRIDGE_CONF_H
#define IPCX_BRIDGE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parcel.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define RULES_MAX 64
#define SERVERS_MAX 8
#define PATTERNS_MAX 64
#define NAME_TEXT 256
#define IN_FLIGHT 256
#define IN_FLIGHT_MAX 4096

enum kind { KIND_WORK, KIND_FANOUT, KIND_LATEST, KIND_RELIABLE };

enum { WAY_OUT = 1, WAY_IN = 2, WAY_BOTH = WAY_OUT | WAY_IN };

extern const char *const kind_text[]; /* work, fanout, latest, reliable */

static inline bool is_topic(enum kind k)
{
	return k == KIND_LATEST || k == KIND_RELIABLE;
}

const char *way_text(unsigned int way);

/**
 * struct rule - a queue or topic that goes over the bridge
 * @name: among the bridges
 * @out: URI of what is taken here; "" if nothing is
 * @in: URI of what is filled here, likewise
 * @kind: of what sort
 * @way: WAY_*
 * @in_flight: messages that may wait for the engine's acknowledgment
 * @line: of the file
 */
struct rule {
	char name[NAME_TEXT], out[NAME_TEXT + 16], in[NAME_TEXT + 16];
	enum kind kind;
	unsigned int way, in_flight, line;
};

struct pattern {
	char *text;
	bool allow;
	unsigned int line;
};

struct conf {
	char *path;
	char host[PARCEL_WORD], uuid[UUID_TEXT], realm[PARCEL_WORD];
	char *server[SERVERS_MAX];
	unsigned int nservers;
	char *user, *password, *creds, *ca, *cert, *key, *state, *monitor;
	unsigned int replicas;
	struct pattern pattern[PATTERNS_MAX];
	unsigned int npatterns;
	struct rule rule[RULES_MAX];
	unsigned int nrules;
};

/* Says on stderr what is wrong, all of it. Return: how many lines are; 0: it is good. */
unsigned int conf_read(struct conf *c, const char *path);

void conf_free(struct conf *c);

#endif /* IPCX_BRIDGE_CONF_H */
