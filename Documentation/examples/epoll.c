// SPDX-License-Identifier: GPL-2.0-only
/*
 * One loop for a queue and a topic, by epoll. Over any transport that has both.
 *
 *   cc epoll.c -o epoll $(pkg-config --cflags --libs libipcx) && ./epoll
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "epoll: %s: %s\n", what, ipcx_error());
	return 1;
}

/* Both take until there is nothing: not each message need make the descriptor readable. */
static int read_queue(struct ipcx_queue *q, int *end)
{
	struct ipcx_msg m;
	int r;

	while (!(r = ipcx_queue_take(q, &m, IPCX_NOWAIT))) {
		printf("queue: %.*s\n", (int)m.len, (char *)m.data);
		*end |= m.len == 3 && !memcmp(m.data, "end", 3);
		ipcx_queue_release(q, &m);
	}
	return r == -EAGAIN ? 0 : fail("queue");
}

static int read_topic(struct ipcx_topic *t)
{
	struct ipcx_msg m;
	int r;

	while (!(r = ipcx_topic_take(t, &m, IPCX_NOWAIT))) {
		printf("topic: %.*s\n", (int)m.len, (char *)m.data);
		ipcx_topic_release(t, &m);
	}
	return r == -EAGAIN ? 0 : fail("topic");
}

static int loop(struct ipcx_queue *q, struct ipcx_topic *t)
{
	struct epoll_event event = { .events = EPOLLIN }, events[2];
	int ep = epoll_create1(EPOLL_CLOEXEC), end = 0, r = 0;

	event.data.ptr = q;
	r |= epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_queue_fd(q), &event);
	event.data.ptr = t;
	r |= epoll_ctl(ep, EPOLL_CTL_ADD, ipcx_topic_fd(t), &event);
	/* once before the first sleep, too: something may be there already */
	if (!r)
		r = read_queue(q, &end) | read_topic(t);
	while (!r && !end) {
		int n = epoll_wait(ep, events, 2, 10000);

		if (!n || (n < 0 && errno != EINTR))
			r = 1;
		for (int i = 0; i < n; i++)
			r |= events[i].data.ptr == q ? read_queue(q, &end) : read_topic(t);
	}
	close(ep);
	return r;
}

static int sender(const char *queue, const char *topic)
{
	struct ipcx_queue *q;
	struct ipcx_topic *t;

	if (ipcx_queue_open(&q, queue, IPCX_SEND, NULL) ||
	    ipcx_topic_open(&t, topic, IPCX_PUBLISH, NULL))
		return fail("open");
	if (ipcx_topic_send(t, "news", 4, IPCX_FOREVER) ||
	    ipcx_queue_send(q, "a job", 5, IPCX_FOREVER) || usleep(100000) ||
	    ipcx_topic_send(t, "more", 4, IPCX_FOREVER) || usleep(100000) ||
	    ipcx_queue_send(q, "end", 3, IPCX_FOREVER))
		return fail("send");
	ipcx_queue_close(q);
	ipcx_topic_close(t);
	return 0;
}

int main(int argc, char **argv)
{
	const char *queue = argc > 2 ? argv[1] : "epoll-jobs";
	const char *topic = argc > 2 ? argv[2] : "epoll-news";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	struct ipcx_queue *q;
	struct ipcx_topic *t;
	int r, status = 1;
	pid_t pid;

	if (ipcx_queue_open(&q, queue, new | IPCX_RECV, NULL) ||
	    ipcx_topic_open(&t, topic, new | IPCX_SUBSCRIBE, NULL))
		return fail("open");
	pid = fork();
	if (!pid)
		_exit(sender(queue, topic));
	if (pid < 0)
		perror("epoll: fork");
	r = pid < 0 || loop(q, t);
	wait(&status);
	ipcx_queue_close(q);
	ipcx_topic_close(t);
	return r || status;
}
