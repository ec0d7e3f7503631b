// SPDX-License-Identifier: GPL-2.0-only
/*
 * One process sends a greeting, its child reads it where it lies.
 *
 *   cc hello.c -o hello $(pkg-config --cflags --libs libipcx) && ./hello
 */
#include <ipcx.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "hello: %s: %s\n", what, ipcx_error());
	return 1;
}

static int child(void)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (ipcx_queue_open(&q, "hello", IPCX_RECV, NULL))
		return fail("open");
	if (ipcx_queue_take(q, &m, IPCX_FOREVER))
		return fail("take");
	printf("from pid %d: %.*s\n", (int)m.pid, (int)m.len, (char *)m.data);
	return ipcx_queue_release(q, &m) ? fail("release") : 0;
}

int main(void)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;
	int status = 1;

	if (ipcx_queue_open(&q, "hello", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL, NULL))
		return fail("open");
	if (fork() == 0)
		_exit(fflush(stdout) | child() | fflush(stdout));
	if (ipcx_queue_loan(q, 64, &m, IPCX_FOREVER))
		return fail("loan");
	m.len = snprintf(m.data, m.len, "hello, world");
	if (ipcx_queue_commit(q, &m))
		return fail("commit");
	wait(&status);
	ipcx_queue_close(q);
	return status ? 1 : 0;
}
