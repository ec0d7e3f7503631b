// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ages of messages: what the module counts of them, bounds of percentiles.
 */
#include "ages.h"

#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

bool ages_get(struct nlattr *const attrs[ATTRS], struct ages *a)
{
	const struct nlattr *attr = attrs[IPCX_A_OBJECT_AGES];

	memset(a, 0, sizeof(*a));
	if (!attr)
		return false;
	a->groups = nla_len(attr) / sizeof(a->n[0]);
	if (a->groups < 2 || a->groups > AGES_MAX) { /* of another module */
		a->groups = 0;
		return false;
	}
	memcpy(a->n, nla_data(attr), a->groups * sizeof(a->n[0]));
	return true;
}

uint64_t ages_taken(const struct ages *a)
{
	uint64_t taken = 0;

	for (unsigned int i = 0; i < a->groups; i++)
		taken += a->n[i];
	return taken;
}

void ages_since(struct ages *a, const struct ages *before)
{
	for (unsigned int i = 0; i < a->groups; i++)
		a->n[i] -= before->n[i];
}

uint64_t ages_bound(const struct ages *a, unsigned int group)
{
	return group + 1 < a->groups ? UINT64_C(1) << group : AGE_BEYOND;
}

uint64_t ages_percentile(const struct ages *a, unsigned int percent)
{
	uint64_t taken = ages_taken(a), seen = 0;

	for (unsigned int i = 0; i < a->groups; i++) {
		seen += a->n[i];
		if (seen && seen * 100 >= taken * percent)
			return ages_bound(a, i);
	}
	return 0;
}

void json_ages(const struct ages *a)
{
	const char *comma = "";

	putchar('{');
	for (unsigned int i = 0; i < a->groups; i++) {
		if (!a->n[i])
			continue;
		if (ages_bound(a, i) == AGE_BEYOND)
			printf("%s\"inf\"", comma);
		else
			printf("%s\"%llu\"", comma, (unsigned long long)ages_bound(a, i));
		printf(":%llu", (unsigned long long)a->n[i]);
		comma = ",";
	}
	putchar('}');
}

/* "<= 4 ms", or where there is no bound "> 4 ms" */
static void put_bound(const struct ages *a, uint64_t ms)
{
	if (ms == AGE_BEYOND)
		printf("> %llu ms", (unsigned long long)ages_bound(a, a->groups - 2));
	else
		printf("<= %llu ms", (unsigned long long)ms);
}

void put_ages(const struct ages *a)
{
	const char *comma = "";

	if (!ages_taken(a)) {
		puts("-");
		return;
	}
	for (unsigned int i = 0; i < a->groups; i++) {
		if (!a->n[i])
			continue;
		printf("%s%llu ", comma, (unsigned long long)a->n[i]);
		put_bound(a, ages_bound(a, i));
		comma = ", ";
	}
	printf("; p50 ");
	put_bound(a, ages_percentile(a, 50));
	printf(", p99 ");
	put_bound(a, ages_percentile(a, 99));
	putchar('\n');
}

void json_age(const char *key, uint64_t ms)
{
	if (!ms)
		printf(",\"%s\":null", key);
	else if (ms == AGE_BEYOND)
		printf(",\"%s\":\"inf\"", key);
	else
		printf(",\"%s\":%llu", key, (unsigned long long)ms);
}
