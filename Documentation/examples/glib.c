// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue, a topic and a timer in one loop of GLib.
 *
 *   cc glib.c -o glib $(pkg-config --cflags --libs libipcx glib-2.0) && ./glib
 */
#include <errno.h>
#include <glib-unix.h>
#include <ipcx.h>
#include <stdio.h>
#include <string.h>

static struct ipcx_queue *jobs, *sender;
static struct ipcx_topic *news;
static int status = -1; /* while it goes on */

static void fail(const char *what)
{
	fprintf(stderr, "glib: %s: %s\n", what, ipcx_error());
	status = 1;
}

/* Both take until there is nothing: not each message need make the descriptor readable. */
static gboolean read_queue(int fd, GIOCondition condition, void *unused)
{
	struct ipcx_msg m;
	int r;

	(void)fd;
	(void)condition;
	(void)unused; /* what is wrong, the take says in words */
	while (!(r = ipcx_queue_take(jobs, &m, IPCX_NOWAIT))) {
		printf("queue: %.*s\n", (int)m.len, (char *)m.data);
		if (m.len == 3 && !memcmp(m.data, "end", 3))
			status = 0;
		ipcx_queue_release(jobs, &m);
	}
	if (r != -EAGAIN)
		fail("queue");
	return G_SOURCE_CONTINUE;
}

static gboolean read_topic(int fd, GIOCondition condition, void *unused)
{
	struct ipcx_msg m;
	int r;

	(void)fd;
	(void)condition;
	(void)unused;
	while (!(r = ipcx_topic_take(news, &m, IPCX_NOWAIT))) {
		printf("topic: %.*s\n", (int)m.len, (char *)m.data);
		ipcx_topic_release(news, &m);
	}
	if (r != -EAGAIN)
		fail("topic");
	return G_SOURCE_CONTINUE;
}

/* What other programs would do: a message for the topic, one for the queue, and so on. */
static gboolean send_next(void *unused)
{
	static const char *const texts[] = { "news", "a job", "more", "end" };
	static unsigned int n;
	const char *text = texts[n % 4];

	(void)unused;
	if (n++ % 2 ? ipcx_queue_send(sender, text, strlen(text), IPCX_NOWAIT) :
		      ipcx_topic_send(news, text, strlen(text), IPCX_NOWAIT))
		fail("send");
	return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
	const char *queue = argc > 2 ? argv[1] : "glib-jobs";
	const char *topic = argc > 2 ? argv[2] : "glib-news";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	guint on_queue, on_topic, timer;

	if (ipcx_queue_open(&jobs, queue, new | IPCX_RECV, NULL) ||
	    ipcx_queue_open(&sender, queue, IPCX_SEND, NULL) ||
	    ipcx_topic_open(&news, topic, new | IPCX_SUBSCRIBE | IPCX_PUBLISH, NULL)) {
		fail("open");
		return 1;
	}
	on_queue = g_unix_fd_add(ipcx_queue_fd(jobs), G_IO_IN, read_queue, NULL);
	on_topic = g_unix_fd_add(ipcx_topic_fd(news), G_IO_IN, read_topic, NULL);
	timer = g_timeout_add(50, send_next, NULL);
	/* once before the first sleep, too: something may be there already */
	read_topic(-1, 0, NULL);
	read_queue(-1, 0, NULL);
	while (status < 0)
		g_main_context_iteration(NULL, TRUE);
	/* the loop lets go of the descriptors before they are closed */
	g_source_remove(on_queue);
	g_source_remove(on_topic);
	g_source_remove(timer);
	ipcx_queue_close(sender);
	ipcx_queue_close(jobs);
	ipcx_topic_close(news);
	return status;
}
