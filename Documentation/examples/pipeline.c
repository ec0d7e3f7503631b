// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two workers square numbers. Which of them gets which number is chance.
 *
 *   cc pipeline.c -o pipeline $(pkg-config --cflags --libs libipcx) && ./pipeline
 */
#include <ipcx.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define NUMBERS 6

static int fail(const char *what)
{
	fprintf(stderr, "pipeline: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Forks; the child ends when its parent does. */
static pid_t child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(1);
	if (pid < 0)
		perror("pipeline: fork");
	return pid;
}

/* Sends the square of the number in @in. */
static int send_square(struct ipcx_queue *to, const struct ipcx_msg *in)
{
	int number = *(const int *)in->data;
	struct ipcx_msg out;

	if (ipcx_queue_loan(to, sizeof(int), &out, IPCX_FOREVER))
		return fail("loan");
	*(int *)out.data = number * number;
	out.tag = in->tag;
	return ipcx_queue_commit(to, &out) ? fail("commit") : 0;
}

/* Takes numbers and sends squares, until it takes a message without a payload. */
static int work(const char *numbers, const char *squares)
{
	struct ipcx_queue *from, *to;
	struct ipcx_msg in;

	if (ipcx_queue_open(&from, numbers, IPCX_RECV, NULL) ||
	    ipcx_queue_open(&to, squares, IPCX_SEND, NULL))
		return fail("open");
	for (;;) {
		if (ipcx_queue_take(from, &in, IPCX_FOREVER))
			return fail("take");
		if (in.len == 0)
			break;
		/* Look at the length before the payload: another sender may be wrong. */
		if (in.len == sizeof(int) && send_square(to, &in))
			return 1;
		/* With the module: if this worker is killed before, another one gets it. */
		if (ipcx_queue_release(from, &in))
			return fail("release");
	}
	ipcx_queue_release(from, &in);
	ipcx_queue_close(from);
	ipcx_queue_close(to);
	return 0;
}

/* Sends the numbers, and one message without a payload for each worker. */
static int send_numbers(struct ipcx_queue *to)
{
	struct ipcx_msg m;

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
	return 0;
}

static int print_squares(struct ipcx_queue *from)
{
	int square[NUMBERS] = { 0 };
	struct ipcx_msg m;

	for (int i = 0; i < NUMBERS; i++) {
		if (ipcx_queue_take(from, &m, IPCX_FOREVER))
			return fail("take");
		if (m.len != sizeof(int) || m.tag >= NUMBERS) {
			fprintf(stderr, "pipeline: this is no square\n");
			return 1;
		}
		square[m.tag] = *(const int *)m.data;
		ipcx_queue_release(from, &m);
	}
	for (int i = 0; i < NUMBERS; i++)
		printf("%d squared is %d\n", i, square[i]);
	return 0;
}

int main(int argc, char **argv)
{
	IPCX_QUEUE_OPTS(opts, .require = IPCX_CAP_MANY_RECEIVERS, .depth = 8, .msg_max = 64);
	const char *numbers = argc > 1 ? argv[1] : "numbers";
	const char *squares = argc > 2 ? argv[2] : "squares";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	struct ipcx_queue *to, *from = NULL;
	int status, bad = 0;

	if (ipcx_queue_open(&to, numbers, new | IPCX_SEND, &opts) ||
	    ipcx_queue_open(&from, squares, new | IPCX_RECV, &opts))
		bad = fail("open");
	for (int i = 0; i < WORKERS && !bad; i++) {
		pid_t pid = child();

		if (pid == 0)
			_exit(work(numbers, squares));
		bad = pid < 0;
	}
	bad = bad || send_numbers(to) || print_squares(from);
	while (!bad && wait(&status) > 0)
		bad = status != 0;
	ipcx_queue_close(to);
	ipcx_queue_close(from);
	return bad;
}
