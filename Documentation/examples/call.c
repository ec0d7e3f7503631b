// SPDX-License-Identifier: GPL-2.0-only
/*
 * One process asks for sums, its child works them out and replies.
 *
 *   cc call.c -o call $(pkg-config --cflags --libs libipcx) && ./call
 */
#include <ipcx.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

static int fail(const char *what)
{
	fprintf(stderr, "call: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Replies and takes the next until the queue is removed. */
static int server(void)
{
	struct ipcx_msg m = { 0 }, reply = { 0 };
	struct ipcx_queue *q;
	long long sum;

	if (ipcx_queue_open(&q, "sums", IPCX_RECV, NULL))
		return fail("open");
	while (!ipcx_queue_reply_next(q, &m, &reply, IPCX_FOREVER)) {
		const int *terms = m.data;

		sum = 0;
		for (size_t i = 0; i < m.len / sizeof(*terms); i++)
			sum += terms[i];
		reply = (struct ipcx_msg){ .data = &sum, .len = sizeof(sum) };
	}
	ipcx_queue_close(q);
	return 0;
}

/* Asks for the sum of 1 to @n. */
static int ask(struct ipcx_queue *q, int n, struct ipcx_msg *reply)
{
	struct ipcx_msg request;

	if (ipcx_queue_loan(q, n * sizeof(int), &request, IPCX_FOREVER))
		return fail("loan");
	for (int i = 0; i < n; i++)
		((int *)request.data)[i] = i + 1;
	if (ipcx_queue_call(q, &request, reply, IPCX_FOREVER))
		return fail("call");
	printf("pid %d says: the sum of 1 to %d is %lld\n", (int)reply->pid, n,
	       *(const long long *)reply->data);
	return 0;
}

int main(void)
{
	struct ipcx_msg reply = { 0 };
	struct ipcx_queue *q;
	int status = 1, err = 0;
	pid_t pid;

	if (ipcx_queue_open(&q, "sums", IPCX_CREATE | IPCX_SEND | IPCX_EPHEMERAL, NULL))
		return fail("open");
	pid = fork();
	if (pid == 0)
		_exit(server());
	if (pid < 0) {
		perror("call: fork");
		err = 1;
	}
	for (int n = 10; !err && n <= 100000; n *= 100)
		err = ask(q, n, &reply);
	ipcx_queue_remove("sums");
	wait(&status);
	ipcx_queue_close(q);
	return err || status;
}
