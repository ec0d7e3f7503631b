// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of netlink on their way to a person or into JSON.
 */
#include <netlink/attr.h>
#include <pwd.h>
#include <string.h>

#include <linux/ipcx.h>

#include "ages.h"
#include "netlink.h"
#include "util.h"

const char *kind_text(uint64_t kind)
{
	static const char *const texts[] = {
		[IPCX_KIND_QUEUE] = "queue",
		[IPCX_KIND_TOPIC] = "topic",
		[IPCX_KIND_REGION] = "region",
	};

	return kind && kind < ARRAY_SIZE(texts) ? texts[kind] : "?";
}

const char *state_text(uint64_t state)
{
	static const char *const texts[] = {
		[IPCX_HOLDER_STATE_LOANED] = "loaned",
		[IPCX_HOLDER_STATE_LEASED] = "leased",
		[IPCX_HOLDER_STATE_ANSWERED] = "answered",
		[IPCX_HOLDER_STATE_OVERDUE] = "overdue",
	};

	return state && state < ARRAY_SIZE(texts) ? texts[state] : "?";
}

const char *event_text(uint64_t kind)
{
	static const char *const texts[] = {
		[IPCX_EVENT_KIND_MADE] = "made",
		[IPCX_EVENT_KIND_UNLINKED] = "unlinked",
		[IPCX_EVENT_KIND_GONE] = "gone",
		[IPCX_EVENT_KIND_OPENED] = "opened",
		[IPCX_EVENT_KIND_CLOSED] = "closed",
		[IPCX_EVENT_KIND_LOANS_RETURNED] = "loans-returned",
		[IPCX_EVENT_KIND_REDELIVERED] = "redelivered",
		[IPCX_EVENT_KIND_EVICTED] = "evicted",
		[IPCX_EVENT_KIND_CONTRADICTION] = "contradiction",
		[IPCX_EVENT_KIND_OVERDUE] = "overdue",
		[IPCX_EVENT_KIND_DROPPED_OLDEST] = "dropped-oldest",
		[IPCX_EVENT_KIND_DROPPED_NEWEST] = "dropped-newest",
		[IPCX_EVENT_KIND_EXPIRED] = "expired",
		[IPCX_EVENT_KIND_GIVEN_UP] = "given-up",
		[IPCX_EVENT_KIND_REFUSED] = "refused",
	};

	return kind < ARRAY_SIZE(texts) ? texts[kind] : NULL;
}

const char *exit_text(uint64_t exit)
{
	static const char *const texts[] = {
		[IPCX_EVENT_EXIT_CLOSED] = "closed",
		[IPCX_EVENT_EXIT_EXITED] = "exited",
		[IPCX_EVENT_EXIT_KILLED] = "killed",
		[IPCX_EVENT_EXIT_REVOKED] = "revoked",
	};

	return exit < ARRAY_SIZE(texts) ? texts[exit] : NULL;
}

const char *limit_text(uint64_t limit)
{
	static const char *const texts[] = {
		[IPCX_EVENT_LIMIT_DEPTH] = "depth",
		[IPCX_EVENT_LIMIT_BYTES_MAX] = "bytes_max",
		[IPCX_EVENT_LIMIT_USER_BYTES] = "user_bytes_max",
		[IPCX_EVENT_LIMIT_MEMORY] = "memory",
		[IPCX_EVENT_LIMIT_USER_OBJECTS] = "user_queues_max",
		[IPCX_EVENT_LIMIT_PEERS] = "peers",
		[IPCX_EVENT_LIMIT_MAX_DELIVERIES] = "max_deliveries",
		[IPCX_EVENT_LIMIT_LEASE_MS] = "lease_ms",
		[IPCX_EVENT_LIMIT_LAG_MAX] = "lag_max",
	};

	return limit < ARRAY_SIZE(texts) ? texts[limit] : NULL;
}

/* What is no number; @buf may be used for it. NULL for a number, and for what is not known. */
static const char *value_text(enum form form, uint64_t v, char buf[8])
{
	switch (form) {
	case FORM_KIND:
		return kind_text(v);
	case FORM_STATE:
		return state_text(v);
	case FORM_POLICY:
		return policy_text(v);
	case FORM_EVENT:
		return event_text(v);
	case FORM_EXIT:
		return exit_text(v);
	case FORM_LIMIT:
		return limit_text(v);
	case FORM_MODE:
		snprintf(buf, 8, "%04o", (unsigned int)v & 07777);
		return buf;
	case FORM_FLAGS:
		snprintf(buf, 8, "%s%s", v & IPCX_OBJECT_FLAGS_EPHEMERAL ? "e" : "",
			 v & IPCX_OBJECT_FLAGS_UNLINKED ? "u" : "");
		return buf;
	case FORM_RIGHTS:
		snprintf(buf, 8, "%s%s", v & IPCX_END_RIGHTS_SEND ? "s" : "",
			 v & IPCX_END_RIGHTS_RECV ? "r" : "");
		return buf;
	default:
		return NULL;
	}
}

void put_attr_name(struct nlattr *const attrs[ATTRS], int name, int id)
{
	if (attrs[name])
		put_printable(stdout, nla_data(attrs[name]), nla_len(attrs[name]));
	else
		printf("(no name, id %llu)", (unsigned long long)attr_or_0(attrs, id));
}

const char *user_text(unsigned int uid)
{
	static char known[64]; /* the last one: looking it up reads files */
	static unsigned int last;

	if (!known[0] || uid != last) {
		struct passwd *pw = getpwuid(uid);

		if (pw)
			snprintf(known, sizeof(known), "%s", pw->pw_name);
		else
			snprintf(known, sizeof(known), "%u", uid);
		last = uid;
	}
	return known;
}

void put_attr_user(struct nlattr *const attrs[ATTRS], int attr, int width)
{
	const char *known = user_text(attr_or_0(attrs, attr));

	put_printable(stdout, known, strlen(known));
	printf("%*s", width > (int)strlen(known) ? width - (int)strlen(known) : 0, "");
}

void json_fields(const struct field *f, size_t n, struct nlattr *const attrs[ATTRS])
{
	const char *comma = "";

	for (size_t i = 0; i < n; i++) {
		const struct nlattr *a = attrs[f[i].attr];
		const char *text;
		struct ages ages;
		char buf[8];
		uint64_t v;

		if (!a && f[i].form != FORM_NAME)
			continue;
		printf("%s", comma);
		comma = ",";
		if (f[i].form == FORM_NAME) {
			if (a)
				json_member(stdout, f[i].key, nla_data(a), nla_len(a));
			else
				printf("\"%s\":null", f[i].key);
			continue;
		}
		if (f[i].form == FORM_AGES) {
			ages_get(attrs, &ages);
			printf("\"%s\":", f[i].key);
			json_ages(&ages);
			continue;
		}
		attr_number(attrs, f[i].attr, &v);
		text = value_text(f[i].form, v, buf);
		if (text)
			json_member(stdout, f[i].key, text, strlen(text));
		else
			printf("\"%s\":%llu", f[i].key, (unsigned long long)v);
	}
}

void put_fields(const struct field *f, size_t n, struct nlattr *const attrs[ATTRS])
{
	for (size_t i = 0; i < n; i++) {
		char buf[8], size[SIZE_TEXT];
		const char *text;
		struct ages ages;
		uint64_t v;

		if (f[i].form == FORM_AGES) {
			if (!ages_get(attrs, &ages))
				continue;
			printf("%-18s ", f[i].key);
			put_ages(&ages);
			continue;
		}
		if (f[i].form == FORM_NAME || !attr_number(attrs, f[i].attr, &v))
			continue;
		text = value_text(f[i].form, v, buf);
		printf("%-18s ", f[i].key);
		if (text)
			printf("%s\n", *text ? text : "-");
		else if (f[i].form == FORM_SIZE)
			printf("%llu (%s)\n", (unsigned long long)v, size_text(size, v));
		else
			printf("%llu\n", (unsigned long long)v);
	}
}
