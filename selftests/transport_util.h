/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transports side by side: one fixture, a variant for each. A test says what it needs, and is
 * skipped where a transport does not promise that.
 */
#ifndef TRANSPORT_UTIL_H
#define TRANSPORT_UTIL_H

#include <ipcx.h>

#include "ipcx_util.h"

#include "../kselftest_harness.h"

#define BOTH (IPCX_SEND | IPCX_RECV)

FIXTURE(transport)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
	char uri[128], dir[64];
	bool there;
	size_t msg_max;
};

FIXTURE_VARIANT(transport)
{
	const char *name;
	bool counted; /* the depth is that of the queue; else what its buffers hold */
	bool back; /* what a handle holds when it is closed comes to another */
};

FIXTURE_VARIANT_ADD(transport, kernel){
	.name = "kernel",
	.counted = true,
	.back = true,
};

FIXTURE_VARIANT_ADD(transport, mq){
	.name = "mq",
	.counted = true,
	.back = true,
};

FIXTURE_VARIANT_ADD(transport, unix){
	.name = "unix",
};

FIXTURE_VARIANT_ADD(transport, unix_stream){
	.name = "unix-stream",
};

FIXTURE_VARIANT_ADD(transport, fifo){
	.name = "fifo",
	.back = true,
};

FIXTURE_VARIANT_ADD(transport, tcp){
	.name = "tcp",
};

FIXTURE_VARIANT_ADD(transport, shm){
	.name = "shm",
	.counted = true,
};

// clang-format off
static const char *const cap_names[] = {
	"ZERO_COPY", "REDELIVERY", "RECLAIM", "IDENTITY", "WALLS", "ACCOUNTING", "PRIORITY",
	"MANY_SENDERS", "MANY_RECEIVERS", "POLL", "PERSISTENT", "SEALED", "CALL",
};

// clang-format on

static inline const char *cap_name(uint64_t cap)
{
	return cap_names[__builtin_ctzll(cap)];
}

/* Skips a test where the transport is not there, or lacks a capability (0: none is needed) */
#define NEED(cap) \
	do { \
		if (!self->there) \
			SKIP(return, "needs /dev/ipcx"); \
		if ((cap) && !(ipcx_queue_caps(self->q) & (cap))) \
			SKIP(return, "needs %s", cap_name(cap)); \
	} while (0)

static inline void make_uri(FIXTURE_DATA(transport) *self, const char *name)
{
	if (!strcmp(name, "tcp"))
		snprintf(self->uri, sizeof(self->uri), "tcp:127.0.0.1:%d",
			 20000 + getpid() % 12000);
	else
		snprintf(self->uri, sizeof(self->uri), "%s:conformance-%d", name, getpid());
}

FIXTURE_SETUP(transport)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = strcmp(variant->name, "mq") ? 4 << 20 : 8000);
	struct ipcx_queue_attr attr = { .sz = sizeof(attr) };
	int r;

	memset(self, 0, sizeof(*self));
	strcpy(self->dir, "/tmp/ipcx-test-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	setenv("XDG_RUNTIME_DIR", self->dir, 1);
	make_uri(self, variant->name);
	r = ipcx_queue_open(&self->q, self->uri, IPCX_CREATE | IPCX_EXCL | BOTH | IPCX_EPHEMERAL,
			    &opts);
	if (r == -ENODEV)
		return;
	ASSERT_EQ(0, r) TH_LOG("%s", ipcx_error());
	self->there = true;
	ASSERT_EQ(0, ipcx_queue_attr(self->q, &attr));
	self->msg_max = attr.msg_max;
}

/* Nothing may be left of a queue that goes with its creator. */
static inline int files_in(const char *dir)
{
	char command[160];
	FILE *f;
	int n = -1;

	snprintf(command, sizeof(command), "ls -A %s/ipcx 2>/dev/null | wc -l", dir);
	f = popen(command, "r");
	if (f && fscanf(f, "%d", &n) != 1)
		n = -1;
	if (f)
		pclose(f);
	return n;
}

FIXTURE_TEARDOWN(transport)
{
	char command[128];
	int left;

	ipcx_queue_close(self->q);
	left = files_in(self->dir);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	EXPECT_EQ(0, system(command));
	EXPECT_EQ(0, left);
}

static inline void fill_pattern(struct ipcx_msg *m, unsigned int seed)
{
	unsigned char *p = m->data;

	for (size_t i = 0; i < m->len; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = seed >> 16;
	}
}

static inline bool is_pattern(const struct ipcx_msg *m, unsigned int seed)
{
	const unsigned char *p = m->data;

	for (size_t i = 0; i < m->len; i++) {
		seed = seed * 1103515245 + 12345;
		if (p[i] != (unsigned char)(seed >> 16))
			return false;
	}
	return true;
}

/* The tag is the seed */
static inline int send_pattern(struct ipcx_queue *q, size_t len, uint64_t tag, int64_t deadline)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, len, &m, deadline);

	if (r)
		return r;
	fill_pattern(&m, tag);
	m.tag = tag;
	r = ipcx_queue_commit(q, &m);
	if (r)
		ipcx_queue_cancel(q, &m);
	return r;
}

static inline int send_prio(struct ipcx_queue *q, uint64_t tag, uint32_t prio)
{
	struct ipcx_msg m;
	int r = ipcx_queue_loan(q, 8, &m, in_ms(10000));

	if (r)
		return r;
	fill_pattern(&m, tag);
	m.tag = tag;
	m.prio = prio;
	return ipcx_queue_commit(q, &m);
}

/* A child that runs the rest with a handle of its own, q, and exits with what it leaves in r */
#define CHILD(flags, ...) \
	({ \
		pid_t child = fork(); \
		if (!child) { \
			struct ipcx_queue *q; \
			int r = ipcx_queue_open(&q, self->uri, flags, NULL); \
			if (r) \
				fprintf(stderr, "# child: %s\n", ipcx_error()); \
			if (!r) { \
				__VA_ARGS__; \
				ipcx_queue_close(q); \
			} \
			_exit(r ? 1 : 0); \
		} \
		child; \
	})

#endif /* TRANSPORT_UTIL_H */
