// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue, a topic and a timer in one loop of sd-event.
 *
 *   cc sd-event.c -o sd-event $(pkg-config --cflags --libs libipcx libsystemd) && ./sd-event
 */
#include <errno.h>
#include <ipcx.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

static struct ipcx_queue *jobs, *sender;
static struct ipcx_topic *news;

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "sd-event: %s: %s\n", what, why);
	return 1;
}

/* Both take until there is nothing: not each message need make the descriptor readable. */
static int read_queue(sd_event_source *source, int fd, uint32_t events, void *loop)
{
	struct ipcx_msg m;
	int r;

	(void)source;
	(void)fd;
	(void)events; /* what is wrong, the take says in words */
	while (!(r = ipcx_queue_take(jobs, &m, IPCX_NOWAIT))) {
		printf("queue: %.*s\n", (int)m.len, (char *)m.data);
		if (m.len == 3 && !memcmp(m.data, "end", 3))
			sd_event_exit(loop, 0);
		ipcx_queue_release(jobs, &m);
	}
	return r == -EAGAIN ? 0 : sd_event_exit(loop, fail("queue", ipcx_error()));
}

static int read_topic(sd_event_source *source, int fd, uint32_t events, void *loop)
{
	struct ipcx_msg m;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	while (!(r = ipcx_topic_take(news, &m, IPCX_NOWAIT))) {
		printf("topic: %.*s\n", (int)m.len, (char *)m.data);
		ipcx_topic_release(news, &m);
	}
	return r == -EAGAIN ? 0 : sd_event_exit(loop, fail("topic", ipcx_error()));
}

/* What other programs would do: a message for the topic, one for the queue, and so on. */
static int send_next(sd_event_source *timer, uint64_t usec, void *loop)
{
	static const char *const texts[] = { "news", "a job", "more", "end" };
	static unsigned int n;
	const char *text = texts[n % 4];

	(void)usec;
	if (n++ % 2 ? ipcx_queue_send(sender, text, strlen(text), IPCX_NOWAIT) :
		      ipcx_topic_send(news, text, strlen(text), IPCX_NOWAIT))
		return sd_event_exit(loop, fail("send", ipcx_error()));
	sd_event_source_set_time_relative(timer, 50000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int main(int argc, char **argv)
{
	const char *queue = argc > 2 ? argv[1] : "sd-event-jobs";
	const char *topic = argc > 2 ? argv[2] : "sd-event-news";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	sd_event *loop;
	int r;

	if (ipcx_queue_open(&jobs, queue, new | IPCX_RECV, NULL) ||
	    ipcx_queue_open(&sender, queue, IPCX_SEND, NULL) ||
	    ipcx_topic_open(&news, topic, new | IPCX_SUBSCRIBE | IPCX_PUBLISH, NULL))
		return fail("open", ipcx_error());
	r = sd_event_new(&loop);
	if (!r)
		r = sd_event_add_io(loop, NULL, ipcx_queue_fd(jobs), EPOLLIN, read_queue, loop);
	if (!r)
		r = sd_event_add_io(loop, NULL, ipcx_topic_fd(news), EPOLLIN, read_topic, loop);
	if (!r)
		r = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, 50000, 0, send_next,
					       loop);
	if (r)
		return fail("sd-event", strerror(-r));
	/* once before the first sleep, too: something may be there already */
	read_topic(NULL, -1, 0, loop);
	read_queue(NULL, -1, 0, loop);
	r = sd_event_loop(loop);
	sd_event_unref(loop); /* lets go of the descriptors before they are closed */
	ipcx_queue_close(sender);
	ipcx_queue_close(jobs);
	ipcx_topic_close(news);
	return r ? 1 : 0;
}
