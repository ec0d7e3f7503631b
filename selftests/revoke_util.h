/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends that are revoked, by netlink. */
#ifndef IPCX_REVOKE_UTIL_H
#define IPCX_REVOKE_UTIL_H

#include "netlink_util.h"

/* The number of the end of an object that was opened last, 0 if there is none. */
static inline uint64_t last_end(int fd, int family, uint64_t object)
{
	uint64_t id = 0;

	if (ask(fd, family, IPCX_CMD_END_GET, NLM_F_DUMP, IPCX_A_END_OBJECT, 8, object))
		return 0;
	for (int i = 0; i < seen.n; i++)
		if (seen.v[i][IPCX_A_END_ID] > id)
			id = seen.v[i][IPCX_A_END_ID];
	return id;
}

/* By a thread of several. Return: 0 or a negative errno, nl_words set. */
static inline int revoke_end(int fd, int family, uint64_t id)
{
	struct request r;
	char buf[1024];

	nl_init(&r, family, IPCX_CMD_END_REVOKE, NLM_F_ACK);
	nl_put_u64(&r, IPCX_A_END_ID, id);
	return nl_send(fd, &r) ?: nl_read(fd, buf, sizeof(buf), NULL, NULL);
}

#endif /* IPCX_REVOKE_UTIL_H */
