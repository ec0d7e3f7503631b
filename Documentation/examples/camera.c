// SPDX-License-Identifier: GPL-2.0-only
/*
 * A camera publishes frames. A recorder gets each; a screen that is slow gets the newest, and
 * knows how many it missed.
 *
 *   cc camera.c -o camera $(pkg-config --cflags --libs libipcx) && ./camera
 */
#include <ipcx.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 100
#define SIZE (320 * 240)

static int fail(const char *what)
{
	fprintf(stderr, "camera: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Forks; the child ends when its parent does. */
static pid_t child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		_exit(1);
	if (pid < 0)
		perror("camera: fork");
	return pid;
}

/* Takes frames until one is empty; tells when it subscribes, and when it has the first. */
static int watch(const char *name, unsigned int flags, int told, long pause)
{
	struct timespec nap = { .tv_nsec = pause };
	struct ipcx_msg frame = { 0 };
	unsigned int seen = 0;
	struct ipcx_topic *t;

	if (ipcx_topic_open(&t, name, IPCX_SUBSCRIBE | flags, NULL))
		return fail("open");
	if (write(told, "", 1) != 1)
		return 1;
	for (;;) {
		if (ipcx_topic_next(t, &frame, IPCX_FOREVER)) /* releases the one before */
			return fail("next");
		if (!frame.len)
			break;
		if (seen++ == 0 && write(told, "", 1) != 1)
			return 1;
		nanosleep(&nap, NULL);
	}
	if (flags & IPCX_LOSSY)
		printf("screen: frames seen and missed are %ju\n",
		       (uintmax_t)(seen + ipcx_topic_missed(t)));
	else
		printf("recorder: frames seen are %u\n", seen);
	fflush(stdout);
	ipcx_topic_close(t);
	return 0;
}

/* Publishes a frame of @len bytes. Waits for the recorder, if that is 16 frames behind. */
static int publish(struct ipcx_topic *t, size_t len, int n)
{
	struct ipcx_msg frame;

	if (ipcx_topic_loan(t, len, &frame, IPCX_FOREVER))
		return fail("loan");
	if (len)
		memset(frame.data, n, len);
	return ipcx_topic_commit(t, &frame) ? fail("commit") : 0;
}

/* Both who watch have told something. */
static int both(int told)
{
	char byte;

	return read(told, &byte, 1) == 1 && read(told, &byte, 1) == 1;
}

/* Starts who watches @name, and publishes for them. */
static int film(struct ipcx_topic *t, const char *name)
{
	pid_t recorder, screen;
	int told[2];

	if (pipe(told)) {
		perror("camera: pipe");
		return 1;
	}
	recorder = child();
	if (recorder == 0)
		_exit(watch(name, 0, told[1], 0));
	screen = child();
	if (screen == 0)
		_exit(watch(name, IPCX_LOSSY, told[1], 20000000));
	if (recorder < 0 || screen < 0)
		return 1;
	close(told[1]); /* so a read ends when both have gone */
	/* What was missed before the first frame that one took does not count. */
	if (!both(told[0]) || publish(t, SIZE, 1) || !both(told[0]))
		return 1;
	for (int n = 2; n <= FRAMES; n++)
		if (publish(t, SIZE, n))
			return 1;
	return publish(t, 0, 0);
}

int main(int argc, char **argv)
{
	IPCX_TOPIC_OPTS(opts, .depth = 16, .msg_max = SIZE);
	const char *name = argc > 1 ? argv[1] : "camera";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	struct ipcx_topic *t;
	int status, bad;

	if (ipcx_topic_open(&t, name, new | IPCX_PUBLISH, &opts))
		return fail("open");
	bad = film(t, name);
	while (!bad && wait(&status) > 0)
		bad = status != 0;
	ipcx_topic_close(t);
	return bad;
}
