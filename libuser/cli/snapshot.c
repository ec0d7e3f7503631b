// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues and topics at one moment: two dumps put together.
 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/ipcx.h>

#include "util.h"

size_t process_name(unsigned int pid, char comm[COMM_ROOM])
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fd = pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? 0 : read_full(fd, comm, COMM_ROOM);
	if (fd >= 0)
		close(fd);
	return n > 0 ? n - 1 : 0; /* a newline is behind it */
}

static int row_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int end_order(const void *a, const void *b)
{
	const struct end *x = a, *y = b;

	return x->object < y->object ? -1 : x->object > y->object;
}

static void row_fill(struct row *row, struct nlattr *const attrs[ATTRS])
{
	row->id = attr_or_0(attrs, IPCX_A_OBJECT_ID);
	row->kind = attr_or_0(attrs, IPCX_A_OBJECT_KIND);
	row->uid = attr_or_0(attrs, IPCX_A_OBJECT_UID);
	row->depth = attr_or_0(attrs, IPCX_A_OBJECT_DEPTH);
	row->queued = attr_or_0(attrs, IPCX_A_OBJECT_QUEUED);
	row->sent = attr_or_0(attrs, IPCX_A_OBJECT_SENT);
	row->bytes = attr_or_0(attrs, IPCX_A_OBJECT_SENT_BYTES);
	row->bytes_known = attrs[IPCX_A_OBJECT_SENT_BYTES];
	row->done = attr_or_0(attrs, IPCX_A_OBJECT_RELEASED);
	row->lost = attr_or_0(attrs, IPCX_A_OBJECT_DROPPED_OLDEST) +
		    attr_or_0(attrs, IPCX_A_OBJECT_DROPPED_NEWEST) +
		    attr_or_0(attrs, IPCX_A_OBJECT_EXPIRED) +
		    attr_or_0(attrs, IPCX_A_OBJECT_POISON);
	row->oldest_ms = attr_or_0(attrs, IPCX_A_OBJECT_OLDEST_MS);
	ages_get(attrs, &row->ages);
	row->send_waiters = attr_or_0(attrs, IPCX_A_OBJECT_SEND_WAITERS);
	row->recv_waiters = attr_or_0(attrs, IPCX_A_OBJECT_RECV_WAITERS);
	if (attrs[IPCX_A_OBJECT_NAME]) {
		row->name = nla_data(attrs[IPCX_A_OBJECT_NAME]);
		row->name_len = nla_len(attrs[IPCX_A_OBJECT_NAME]);
	}
}

static void rates(struct row *row, const struct snapshot *before, int64_t at)
{
	const struct row *old = NULL;
	struct ages taken = row->ages;
	double seconds = (at - before->at) / 1e9;

	row->sent_rate = NAN;
	row->byte_rate = NAN;
	row->done_rate = NAN;
	if (before->rows && row->kind == IPCX_KIND_QUEUE)
		old = bsearch(row, before->row, before->rows, sizeof(*row), row_order);
	if (!old || seconds <= 0)
		return;
	row->sent_rate = (row->sent - old->sent) / seconds;
	if (row->bytes_known)
		row->byte_rate = (row->bytes - old->bytes) / seconds;
	row->done_rate = (row->done - old->done) / seconds;
	ages_since(&taken, &old->ages);
	row->p50 = ages_percentile(&taken, 50);
	row->p99 = ages_percentile(&taken, 99);
}

static void fill_rows(struct snapshot *s, const struct snapshot *before)
{
	struct nlattr *attrs[ATTRS];

	for (size_t i = 0; i < s->objects.n; i++) {
		struct row *row = &s->row[s->rows];

		answer_attrs(&s->objects, i, attrs);
		row_fill(row, attrs);
		row->object = i;
		if (row->kind == IPCX_KIND_REGION) {
			memset(row, 0, sizeof(*row));
			continue;
		}
		rates(row, before, s->at);
		s->rows++;
	}
	qsort(s->row, s->rows, sizeof(*s->row), row_order);
}

static void fill_ends(struct snapshot *s)
{
	struct nlattr *attrs[ATTRS];
	size_t e = 0;

	for (size_t i = 0; i < s->opened.n; i++) {
		answer_attrs(&s->opened, i, attrs);
		s->end[i].object = attr_or_0(attrs, IPCX_A_END_OBJECT);
		s->end[i].rights = attr_or_0(attrs, IPCX_A_END_RIGHTS);
		s->end[i].pid = attr_or_0(attrs, IPCX_A_END_PID);
		s->end[i].message = i;
	}
	qsort(s->end, s->opened.n, sizeof(*s->end), end_order);
	for (size_t i = 0; i < s->rows; i++) {
		while (e < s->opened.n && s->end[e].object < s->row[i].id)
			e++;
		s->row[i].end = e;
		while (e < s->opened.n && s->end[e].object == s->row[i].id)
			e++;
		s->row[i].ends = e - s->row[i].end;
	}
}

int snapshot_take(struct snapshot *s, const struct snapshot *before)
{
	int err, r;

	memset(s, 0, sizeof(*s));
	r = nl_ask(IPCX_CMD_OBJECT_GET, true, 0, NULL, 0, &s->objects, &err);
	s->at = now_ns();
	if (!r)
		r = nl_ask(IPCX_CMD_END_GET, true, 0, NULL, 0, &s->opened, &err);
	if (!r) {
		s->row = calloc(s->objects.n + 1, sizeof(*s->row));
		s->end = calloc(s->opened.n + 1, sizeof(*s->end));
		if (!s->row || !s->end)
			r = fail("%s", strerror(ENOMEM));
	}
	if (r) {
		snapshot_free(s);
		return r;
	}
	fill_rows(s, before);
	fill_ends(s);
	return CLI_OK;
}

void snapshot_free(struct snapshot *s)
{
	answer_free(&s->objects);
	answer_free(&s->opened);
	free(s->row);
	free(s->end);
	memset(s, 0, sizeof(*s));
}
