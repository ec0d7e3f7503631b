// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipcx-bridge: queues and topics of this machine go on to others. "ipcx bridge" runs it.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const char usage[] =
	"usage: ipcx bridge run CONF\n"
	"       ipcx bridge check CONF\n"
	"       ipcx bridge status CONF [--json]\n"
	"       ipcx bridge metrics CONF\n"
	"\n"
	"Queues and topics of this machine go on to others over NATS JetStream. CONF says\n"
	"which, and where the server is: bridge.conf(5).\n"
	"\n"
	"  run      until SIGTERM or SIGINT; then what is under way is finished\n"
	"  check    only says what is wrong with CONF\n"
	"  status   what the bridge that runs with CONF does, and its counts\n"
	"  metrics  the counts as Prometheus reads them\n";

/* To systemd, if it waits for that */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (!n || n >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
		   offsetof(struct sockaddr_un, sun_path) + n) < 0)
		fprintf(stderr, "ipcx bridge: systemd cannot be told: %s\n", strerror(errno));
	close(fd);
}

struct server {
	const struct bridge *b;
	int listener;
};

/* A thread: who asks, and does not read the answer, holds nobody else up. */
static void *serve(void *server)
{
	const struct server *s = server;

	while (status_serve(s->b, s->listener))
		;
	return NULL;
}

static void wait_for_signal(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) < 0 && errno == EINTR)
		;
}

static int run(struct conf *c)
{
	struct bridge b = { .conf = c, .ops = &engine_nats };
	struct server server = { .b = &b };
	pthread_t thread;
	int signals;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* in all threads to come */
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0 || bridge_start(&b))
		_exit(EXIT_FAILED); /* some threads may run */
	server.listener = status_listen(&b);
	if (server.listener < 0) {
		fprintf(stderr, "ipcx bridge: the socket in \"%s\": %s\n", c->state,
			strerror(-server.listener));
		_exit(EXIT_FAILED);
	}
	if (pthread_create(&thread, NULL, serve, &server)) {
		fprintf(stderr, "ipcx bridge: a thread cannot be made: %s\n", strerror(EAGAIN));
		_exit(EXIT_FAILED);
	}
	fprintf(stderr, "ipcx bridge: %s in %s is ready, %u rules\n", c->host, c->realm, c->nrules);
	notify("READY=1");
	wait_for_signal(signals);
	notify("STOPPING=1");
	bridge_stop(&b);
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	bridge_free(&b);
	close(server.listener);
	close(signals);
	return EXIT_OK;
}

static int wrong_usage(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool json = argc == 4 && !strcmp(argv[3], "--json");
	struct conf *c;
	int r;

	if (!strcmp(what, "--help") || !strcmp(what, "-h")) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	if (argc != 3 && !(json && !strcmp(what, "status")))
		return wrong_usage();
	c = calloc(1, sizeof(*c));
	if (!c)
		return EXIT_FAILED;
	if (conf_read(c, argv[2]))
		r = EXIT_FAILED;
	else if (!strcmp(what, "run"))
		r = run(c);
	else if (!strcmp(what, "check"))
		r = EXIT_OK;
	else if (!strcmp(what, "status"))
		r = status_ask(c, json ? "json" : "text");
	else if (!strcmp(what, "metrics"))
		r = status_ask(c, "metrics");
	else
		r = wrong_usage();
	conf_free(c);
	free(c);
	return r;
}
