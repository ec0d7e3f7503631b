// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue, a topic and a timer in one loop of libuv.
 *
 *   cc libuv.c -o libuv $(pkg-config --cflags --libs libipcx libuv) && ./libuv
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static struct ipcx_queue *jobs, *sender;
static struct ipcx_topic *news;
static int status = 1; /* until the end came */

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "libuv: %s: %s\n", what, why);
	return 1;
}

/* Both take until there is nothing: not each message need make the descriptor readable. */
static void read_queue(uv_poll_t *poll, int error, int events)
{
	struct ipcx_msg m;
	int r;

	(void)error;
	(void)events; /* what is wrong, the take says in words */
	while (!(r = ipcx_queue_take(jobs, &m, IPCX_NOWAIT))) {
		printf("queue: %.*s\n", (int)m.len, (char *)m.data);
		if (m.len == 3 && !memcmp(m.data, "end", 3))
			status = 0;
		ipcx_queue_release(jobs, &m);
	}
	if (r != -EAGAIN)
		fail("queue", ipcx_error());
	if (r != -EAGAIN || !status)
		uv_stop(poll->loop);
}

static void read_topic(uv_poll_t *poll, int error, int events)
{
	struct ipcx_msg m;
	int r;

	(void)error;
	(void)events;
	while (!(r = ipcx_topic_take(news, &m, IPCX_NOWAIT))) {
		printf("topic: %.*s\n", (int)m.len, (char *)m.data);
		ipcx_topic_release(news, &m);
	}
	if (r != -EAGAIN) {
		fail("topic", ipcx_error());
		uv_stop(poll->loop);
	}
}

/* What other programs would do: a message for the topic, one for the queue, and so on. */
static void send_next(uv_timer_t *timer)
{
	static const char *const texts[] = { "news", "a job", "more", "end" };
	static unsigned int n;
	const char *text = texts[n % 4];

	if (n++ % 2 ? ipcx_queue_send(sender, text, strlen(text), IPCX_NOWAIT) :
		      ipcx_topic_send(news, text, strlen(text), IPCX_NOWAIT)) {
		fail("send", ipcx_error());
		uv_stop(timer->loop);
	}
}

int main(int argc, char **argv)
{
	const char *queue = argc > 2 ? argv[1] : "libuv-jobs";
	const char *topic = argc > 2 ? argv[2] : "libuv-news";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	uv_loop_t *loop = uv_default_loop();
	uv_poll_t on_queue, on_topic;
	uv_timer_t timer;
	int r;

	if (ipcx_queue_open(&jobs, queue, new | IPCX_RECV, NULL) ||
	    ipcx_queue_open(&sender, queue, IPCX_SEND, NULL) ||
	    ipcx_topic_open(&news, topic, new | IPCX_SUBSCRIBE | IPCX_PUBLISH, NULL))
		return fail("open", ipcx_error());
	/* it makes both O_NONBLOCK, which counts for read(2) and write(2) only */
	r = uv_poll_init(loop, &on_queue, ipcx_queue_fd(jobs)) ?:
		    uv_poll_init(loop, &on_topic, ipcx_topic_fd(news));
	if (r)
		return fail("uv_poll_init", uv_strerror(r));
	uv_poll_start(&on_queue, UV_READABLE, read_queue);
	uv_poll_start(&on_topic, UV_READABLE, read_topic);
	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, send_next, 50, 50);
	/* once before the first sleep, too: something may be there already */
	read_topic(&on_topic, 0, 0);
	read_queue(&on_queue, 0, 0);
	uv_run(loop, UV_RUN_DEFAULT);
	/* the loop lets go of the descriptors before they are closed */
	uv_close((uv_handle_t *)&on_queue, NULL);
	uv_close((uv_handle_t *)&on_topic, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	ipcx_queue_close(sender);
	ipcx_queue_close(jobs);
	ipcx_topic_close(news);
	return status;
}
