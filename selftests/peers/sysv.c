// SPDX-License-Identifier: GPL-2.0-only
/*
 * Message queues of System V. A message begins with its type.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

#include "peers.h"

/* A port nobody else has */
static key_t key_of(const struct lane *l)
{
	return SYSV_KEY + l->port;
}

/* Between the type and the payload is nothing. */
struct sysv {
	int id;
	struct {
		long type;
		uint64_t data[];
	} * m;
};

static void sysv_create(struct lane *l)
{
	struct sysv *s = calloc(1, sizeof(*s));
	struct msqid_ds q;

	if (!s)
		give_up(FAILED, "no memory");
	s->id = msgget(key_of(l), IPC_CREAT | IPC_EXCL | 0600);
	s->m = malloc(sizeof(*s->m) + l->len);
	if (s->id < 0 || !s->m)
		give_up(FAILED, "msgget: %s", strerror(errno));
	/* as many as wanted, if this process may; or what everybody has */
	if (!msgctl(s->id, IPC_STAT, &q) && q.msg_qbytes < l->depth * l->len) {
		q.msg_qbytes = l->depth * l->len;
		msgctl(s->id, IPC_SET, &q);
	}
	l->own = s;
}

static void sysv_open(struct lane *l)
{
	(void)l;
}

static void sysv_send(struct lane *l, uint64_t value)
{
	struct sysv *s = l->own;

	s->m->type = 1;
	write_all(l, s->m->data, value);
	if (msgsnd(s->id, s->m, l->len, 0))
		give_up(errno == EINVAL ? CANNOT : FAILED, "%s",
			errno == EINVAL ? "longer than /proc/sys/kernel/msgmax" : strerror(errno));
}

static uint64_t sysv_recv(struct lane *l, uint64_t value)
{
	struct sysv *s = l->own;
	ssize_t n = msgrcv(s->id, s->m, l->len, 0, 0);

	if (n < 0)
		give_up(FAILED, "msgrcv: %s", strerror(errno));
	return read_all(l, s->m->data, n, value);
}

static void sysv_remove(const struct lane *l)
{
	int id = msgget(key_of(l), 0600);

	if (id >= 0)
		msgctl(id, IPC_RMID, NULL);
}

const struct way sysv_way = {
	.name = "SysV msg",
	.words = "message queue of System V, msgsnd(2)",
	.jobs = ONE_WAY | WAITS | JOB(IN_64) | JOB(OUT_64) | JOB(WORK_64),
	.create = sysv_create,
	.open = sysv_open,
	.send = sysv_send,
	.recv = sysv_recv,
	.remove = sysv_remove,
};
