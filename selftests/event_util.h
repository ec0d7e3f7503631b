/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups of the netlink family, and what they are told. */
#ifndef IPCX_EVENT_UTIL_H
#define IPCX_EVENT_UTIL_H

#include <poll.h>
#include <sys/stat.h>

#include "netlink_util.h"

#define QUIET_MS 400 /* what is summed up is told oftener */

#define EVENT(attribute) (seen.v[0][IPCX_A_EVENT_##attribute])
#define EVENT_HAS(attribute) (seen.has[0][IPCX_A_EVENT_##attribute])
#define KIND(kind) (IPCX_EVENT_KIND_##kind)
#define LIMIT(limit) (IPCX_EVENT_LIMIT_##limit)

/* Looks for the number of the group that is called @arg in what CTRL_CMD_GETFAMILY says. */
static int group_found;

static inline void group_each(const struct message *m, void *arg)
{
	const struct nlattr *groups = m->attr[CTRL_ATTR_MCAST_GROUPS], *g;
	int left = groups ? groups->nla_len - NLA_HDRLEN : 0;

	for (g = groups + 1; left >= NLA_HDRLEN; g = (const void *)g + NLA_ALIGN(g->nla_len)) {
		struct message group = {};

		attrs_parse(g + 1, g->nla_len - NLA_HDRLEN, &group);
		if (!strcmp((const char *)(group.attr[CTRL_ATTR_MCAST_GRP_NAME] + 1), arg))
			group_found = nl_u64(&group, CTRL_ATTR_MCAST_GRP_ID);
		left -= NLA_ALIGN(g->nla_len);
	}
}

/* The number of a group, or a negative errno. */
static inline int nl_group(const char *name)
{
	int fd = nl_open(), err;
	struct request r;

	if (fd < 0)
		return fd;
	group_found = -ENOENT;
	nl_init(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	nl_put(&r, CTRL_ATTR_FAMILY_NAME, IPCX_GENL_NAME, sizeof(IPCX_GENL_NAME));
	err = nl_ask(fd, &r, group_each, (void *)name);
	close(fd);
	return err ?: group_found;
}

static inline int nl_join(int fd, int group)
{
	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ? -errno :
											    0;
}

/* A socket that has joined a group, or a negative errno. One without a number hears nothing. */
static inline int nl_listen(const char *name)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int group = nl_group(name), fd, err;

	if (group < 0)
		return group;
	fd = nl_open();
	if (fd < 0)
		return fd;
	err = bind(fd, (const void *)&any, sizeof(any)) ? -errno : nl_join(fd, group);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* From now on somebody listens to all, and reads nothing: all events are built. */
static inline bool nobody_reads(void)
{
	return nl_listen(IPCX_MCGRP_LIFECYCLE) >= 0 && nl_listen(IPCX_MCGRP_ALERTS) >= 0;
}

/* The namespace of the numbers of processes here, as events tell it. */
static inline uint64_t pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
}

/* The next event is in @seen. Return: 0, -ETIMEDOUT, or what else it failed with. */
static inline int event_next(int fd, int timeout_ms)
{
	static char buf[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!poll(&p, 1, timeout_ms))
		return -ETIMEDOUT;
	seen.n = 0;
	name_attr = IPCX_A_EVENT_NAME;
	memset(seen.name[0], 0, sizeof(seen.name[0]));
	return nl_read(fd, buf, sizeof(buf), see, &seen);
}

/* The only event: it comes, and then none. Return: 0, -ETIMEDOUT, -E2BIG for more. */
static inline int event_only(int fd)
{
	static struct seen first;
	int err = event_next(fd, 10000);

	if (err)
		return err;
	first = seen;
	if (event_next(fd, QUIET_MS) != -ETIMEDOUT)
		return -E2BIG;
	seen = first;
	return 0;
}

static inline void event_show(void)
{
	fprintf(stderr, "# of %s", seen.name[0]);
	for (int i = IPCX_A_EVENT_SEQ; i <= IPCX_A_EVENT_MAX; i++)
		if (seen.has[0][i] && i != IPCX_A_EVENT_NAME)
			fprintf(stderr, ", %d: %llu", i, (unsigned long long)seen.v[0][i]);
	fprintf(stderr, "\n");
}

/* Is the event that was read of that kind, of that object and of that process of root? */
static inline bool event_is(int kind, uint64_t object, const char *name, pid_t pid, uint64_t count)
{
	if (EVENT(KIND) == kind && EVENT(OBJECT) == object && !strcmp(seen.name[0], name) &&
	    EVENT(PID) == pid && EVENT(PID_NS) == pid_namespace() && EVENT_HAS(UID) &&
	    !EVENT(UID) && EVENT(COUNT) == count && EVENT(SEQ) && EVENT(TIME) <= now_ns() &&
	    EVENT(TIME) + 60000000000 > now_ns())
		return true;
	event_show();
	return false;
}

/* Did it hit that limit? */
static inline bool event_limit(int limit, uint64_t value)
{
	return EVENT(LIMIT) == limit && EVENT(LIMIT_VALUE) == value;
}

#endif /* IPCX_EVENT_UTIL_H */
