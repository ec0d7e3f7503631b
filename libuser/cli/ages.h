/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How old messages of a queue were when they were taken, by powers of two.
 */
#ifndef IPCX_CLI_AGES_H
#define IPCX_CLI_AGES_H

#include "netlink.h"

#define AGES_MAX 32
#define AGE_BEYOND UINT64_MAX /* more than the module tells */

/**
 * struct ages - how many messages of which age
 * @groups: how many groups there are; 0 if it is not known
 * @n: messages of each group
 */
struct ages {
	unsigned int groups;
	uint64_t n[AGES_MAX];
};

/* What the module said of an object; return: whether it said anything */
bool ages_get(struct nlattr *const attrs[ATTRS], struct ages *a);
uint64_t ages_taken(const struct ages *a); /* messages of any age */

/* Only what came after @before */
void ages_since(struct ages *a, const struct ages *before);

/* Messages of group @group are not older, in ms; AGE_BEYOND for the last */
uint64_t ages_bound(const struct ages *a, unsigned int group);

/* So many percent, or more, are not older, in ms; 0 if there are no messages */
uint64_t ages_percentile(const struct ages *a, unsigned int percent);

/* An object of JSON: how many messages, by the bound of their group; as text, with percentiles */
void json_ages(const struct ages *a);
void put_ages(const struct ages *a);

/* A member of a JSON object: a bound, null if there is none */
void json_age(const char *key, uint64_t ms);

#endif /* IPCX_CLI_AGES_H */
