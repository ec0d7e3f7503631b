/* SPDX-License-Identifier: GPL-2.0-only */
/* What fail_nth makes fail of netlink: sending a request, what the module does, reading. */
#ifndef FAIL_NTH_NETLINK_H
#define FAIL_NTH_NETLINK_H

#include <sys/time.h>

#include "event_util.h"
#include "fail_nth.h"

#define NL_NAME "fail-nth-netlink"

static int nl_fd, nl_id;
static struct end nl_end;

/* A queue with a message that is taken, and one that waits. */
static int with_netlink(void)
{
	struct ipcx_desc d;
	int err;

	nl_end = (struct end){ .o = { .depth = 4, .msg_max = 4096 } };
	nl_fd = nl_open();
	nl_id = nl_family(nl_fd);
	if (nl_id < 0)
		return nl_id;
	err = end_open(&nl_end, NL_NAME, CREATE | SENDRECV | IPCX_OPEN_EPHEMERAL);
	err = err ?: raw_send(&nl_end, 10, 'a') - 1;
	err = err ?: raw_send(&nl_end, 10, 'b') - 1;
	return err ?: raw_take(nl_end.fd, &d, 0) - 1;
}

static void no_netlink(void)
{
	end_close(&nl_end);
	close(nl_fd);
}

/* The socket of a request that failed may have an answer, or none: each has its own. */
static int nl_run(int cmd, int flags, int attr, uint64_t v)
{
	const struct timeval limit = { .tv_sec = 5 };
	int fd = nl_open(), err;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	err = ask(fd, nl_id, cmd, flags, attr, 8, v);
	close(fd);
	if (err == -ENOBUFS) /* of netlink itself: no memory for the request or for a buffer */
		return -ENOMEM;
	return err ?: seen.n == 1 ? 0 : -EBADMSG;
}

static int run_object_get(void)
{
	return nl_run(IPCX_CMD_OBJECT_GET, 0, IPCX_A_OBJECT_ID, nl_end.o.out_id);
}

static int run_object_dump(void)
{
	return nl_run(IPCX_CMD_OBJECT_GET, NLM_F_DUMP, 0, 0);
}

static int run_end_dump(void)
{
	return nl_run(IPCX_CMD_END_GET, NLM_F_DUMP, IPCX_A_END_OBJECT, nl_end.o.out_id);
}

static int run_holder_dump(void)
{
	return nl_run(IPCX_CMD_HOLDER_GET, NLM_F_DUMP, IPCX_A_HOLDER_OBJECT, nl_end.o.out_id);
}

static int run_limit_get(void)
{
	return nl_run(IPCX_CMD_LIMIT_GET, 0, 0, 0);
}

/* What says that all went well is no message. */
static int run_limit_set(void)
{
	int err = nl_run(IPCX_CMD_LIMIT_SET, NLM_F_ACK, IPCX_A_LIMIT_OBJECTS_MAX, 1024);

	return err == -EBADMSG ? 0 : err;
}

static uint64_t nl_victim;

static void victim_see(const struct message *m, void *arg)
{
	nl_victim = nl_u64(m, IPCX_A_END_ID);
}

/* The only end of the queue is the victim, which holds a message and a loan; all are seen. */
static int with_victim(void)
{
	struct request r;
	struct ipcx_desc d;
	int err = with_netlink();

	nl_init(&r, nl_id, IPCX_CMD_END_GET, NLM_F_DUMP);
	nl_put_u64(&r, IPCX_A_END_OBJECT, nl_end.o.out_id);
	err = err ?: nl_ask(nl_fd, &r, victim_see, NULL);
	return err ?: raw_loan(nl_end.fd, &d, 4096, 0) - 1;
}

/* Without memory to say so it is done all the same, and then there is no such end. */
static int run_end_revoke(void)
{
	int err = nl_run(IPCX_CMD_END_REVOKE, NLM_F_ACK, IPCX_A_END_ID, nl_victim);
	struct ipcx_desc d;

	if (err != -EBADMSG && err != -ENOENT)
		return err;
	return raw_take(nl_end.fd, &d, 0) == -ESTALE ? 0 : -EBADMSG;
}

static int with_revoked(void)
{
	return with_victim() ?: run_end_revoke();
}

/* Without memory a fault comes back, it is no SIGBUS. */
static int run_fault_revoked(void)
{
	return probe(nl_end.tx, true) || probe(nl_end.rx, false) ? -EFAULT : 0;
}

static int run_limit_dump(void)
{
	return nl_run(IPCX_CMD_LIMIT_GET, NLM_F_DUMP, 0, 0);
}

/* A full queue that drops, and a listener that has heard of its making. */
static struct end dropping;

static int with_listener(void)
{
	dropping = (struct end){ .o = { .depth = 1, .policy = IPCX_POLICY_DROP_OLDEST } };
	if (end_open(&dropping, NL_NAME, CREATE | SENDRECV) || raw_send(&dropping, 8, 'a') != 1)
		return -EIO;
	return 0;
}

static void no_listener(void)
{
	end_close(&dropping);
	raw_unlink(NL_NAME);
}

/* One call, which leaves nothing if it fails: drops a message, or makes an end. */
static int drop_or_open(bool end)
{
	struct ipcx_queue_open o = { .size = sizeof(o),
				     .flags = IPCX_OPEN_SEND,
				     .name = (uintptr_t)NL_NAME,
				     .name_len = strlen(NL_NAME) };
	int fd;

	if (!end)
		return write(dropping.fd, "b", 1) == 1 ? 0 : -errno;
	fd = open_raw(&o);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Joins, and does that. Whatever failed: it is told, or that something is lost. */
static int run_listen(void)
{
	const char *const groups[] = { IPCX_MCGRP_ALERTS, IPCX_MCGRP_LIFECYCLE };
	int err = 0;

	for (int i = 0; !err && i < 2; i++) {
		int fd = nl_listen(groups[i]);

		if (fd < 0)
			return fd == -ENOBUFS ? -ENOMEM : fd;
		err = drop_or_open(i);
		if (!err)
			err = event_next(fd, 10000);
		if (err == -ENOBUFS)
			err = 0;
		close(fd);
	}
	return err;
}

#endif /* FAIL_NTH_NETLINK_H */
