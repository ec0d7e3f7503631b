// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server that makes letters large. Each request gets one answer; a refusal is one, too.
 *
 *   cc server.c -o server $(pkg-config --cflags --libs libipcx) && ./server
 */
#include <ctype.h>
#include <errno.h>
#include <ipcx.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Forks; the child ends when its parent does. */
static pid_t child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(1);
	if (pid < 0)
		perror("server: fork");
	return pid;
}

/* Answers until it is told to end; refuses what is no text. */
static int serve(const char *name)
{
	struct ipcx_queue *q;
	struct ipcx_msg m;

	if (ipcx_queue_open(&q, name, IPCX_RECV, NULL))
		return fail("open");
	for (;;) {
		struct ipcx_msg reply = { 0 };
		char text[64];

		if (ipcx_queue_take(q, &m, IPCX_FOREVER))
			return fail("take");
		if (m.len == 0 || m.len > sizeof(text)) {
			int end = m.len == 0;

			ipcx_queue_release(q, &m); /* no reply: the caller gets ECANCELED */
			if (end)
				break;
			continue;
		}
		for (size_t i = 0; i < m.len; i++)
			text[i] = toupper(((const unsigned char *)m.data)[i]);
		reply.data = text;
		reply.len = m.len;
		if (ipcx_queue_reply(q, &m, &reply))
			return fail("reply");
	}
	ipcx_queue_close(q);
	return 0;
}

/* Sends @text and prints what comes back. */
static int ask(struct ipcx_queue *q, const char *text)
{
	struct ipcx_msg request, reply = { 0 };
	int err;

	if (ipcx_queue_loan(q, strlen(text), &request, IPCX_FOREVER))
		return fail("loan");
	memcpy(request.data, text, request.len);
	err = ipcx_queue_call(q, &request, &reply, IPCX_FOREVER);
	if (err == -ECANCELED) {
		printf("%zu bytes: refused\n", strlen(text));
		return 0;
	}
	if (err)
		return fail("call");
	printf("%s: %.*s\n", text, (int)reply.len, (const char *)reply.data);
	return ipcx_queue_release(q, &reply) ? fail("release") : 0;
}

static int ask_all(struct ipcx_queue *q)
{
	struct ipcx_msg m = { 0 }, none = { 0 };
	char much[100] = "";

	memset(much, 'x', sizeof(much) - 1);
	if (ask(q, "hello") || ask(q, "world") || ask(q, much))
		return 1;
	if (ipcx_queue_loan(q, 0, &m, IPCX_FOREVER))
		return fail("loan");
	if (ipcx_queue_call(q, &m, &none, IPCX_FOREVER) != -ECANCELED)
		return fail("end");
	printf("the server ends\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "upper";
	struct ipcx_queue *q;
	int bad, status = 1;
	pid_t pid;

	if (ipcx_queue_open(&q, name, IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL | IPCX_SEND, NULL))
		return fail("open");
	pid = child();
	if (pid == 0)
		_exit(serve(name));
	bad = pid < 0 || ask_all(q);
	if (!bad)
		wait(&status);
	ipcx_queue_close(q);
	return bad || status;
}
