// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two workers square numbers. Which of them gets which number is chance.
 *
 *   cc pipeline.c -o pipeline $(pkg-config --cflags --libs libipcx) && ./pipeline
 */
#include <ipcx.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define NUMBERS 6

static int fail(const char *what)
{
	fprintf(stderr, "pipeline: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Takes numbers and sends squares, until it takes a message without a payload. */
static int work(const char *numbers, const char *squares)
{
	struct ipcx_msg in = { 0 }, out;
	struct ipcx_queue *from, *to;

	if (ipcx_queue_open(&from, numbers, IPCX_RECV, NULL) ||
	    ipcx_queue_open(&to, squares, IPCX_SEND, NULL))
		return fail("open");
	for (;;) {
		if (ipcx_queue_take(from, &in, IPCX_FOREVER))
			return fail("take");
		if (in.len == 0)
			break;
		if (ipcx_queue_loan(to, sizeof(int), &out, IPCX_FOREVER))
			return fail("loan");
		*(int *)out.data = *(const int *)in.data * *(const int *)in.data;
		out.tag = in.tag;
		if (ipcx_queue_commit(to, &out))
			return fail("commit");
		/* With the module: if this worker is killed before, another one gets it. */
		if (ipcx_queue_release(from, &in))
			return fail("release");
	}
	ipcx_queue_release(from, &in);
	ipcx_queue_close(from);
	ipcx_queue_close(to);
	return 0;
}

int main(int argc, char **argv)
{
	IPCX_QUEUE_OPTS(opts, .require = IPCX_CAP_MANY_RECEIVERS, .depth = 8, .msg_max = 64);
	const char *numbers = argc > 1 ? argv[1] : "numbers";
	const char *squares = argc > 2 ? argv[2] : "squares";
	struct ipcx_queue *to, *from;
	int square[NUMBERS], status, bad = 0;
	struct ipcx_msg m;

	if (ipcx_queue_open(&to, numbers, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SEND, &opts) ||
	    ipcx_queue_open(&from, squares, IPCX_CREATE | IPCX_EPHEMERAL | IPCX_RECV, &opts))
		return fail("open");
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0)
			_exit(work(numbers, squares));
	for (int i = 0; i < NUMBERS; i++) {
		if (ipcx_queue_loan(to, sizeof(i), &m, IPCX_FOREVER))
			return fail("loan");
		*(int *)m.data = i;
		m.tag = i; /* squares come in any order: this tells which is which */
		if (ipcx_queue_commit(to, &m))
			return fail("commit");
	}
	for (int i = 0; i < WORKERS; i++)
		if (ipcx_queue_send(to, NULL, 0, IPCX_FOREVER))
			return fail("send");
	for (int i = 0; i < NUMBERS; i++) {
		if (ipcx_queue_take(from, &m, IPCX_FOREVER))
			return fail("take");
		square[m.tag] = *(const int *)m.data;
		ipcx_queue_release(from, &m);
	}
	for (int i = 0; i < NUMBERS; i++)
		printf("%d squared is %d\n", i, square[i]);
	while (wait(&status) > 0)
		bad |= status;
	ipcx_queue_close(to);
	ipcx_queue_close(from);
	return bad != 0;
}
