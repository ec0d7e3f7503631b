// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics --listen, --socket: HTTP, as much as a scrape needs. One client at a time; each has a
 * moment to ask and a few kilobytes, so that a whole backlog of silent ones keeps the next one
 * waiting for less than a scrape's usual time-out.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "metrics.h"
#include "util.h"

#define ASK_NS (INT64_C(200) * 1000000)
#define TAKE_NS (5 * INT64_C(1000000000))
#define PAUSE_NS 100000000
#define REQUEST_MAX 8192
#define BACKLOG 16

/* Is there something to read, or room to write, before time is over? */
static bool wait_ready(int fd, short events, int64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = until - now_ns();

	return left > 0 && poll(&p, 1, left / 1000000 + 1) > 0;
}

/* The head of a request, with a 0 behind it; false if it is too long or too late */
static bool read_request(int fd, char text[REQUEST_MAX])
{
	int64_t until = now_ns() + ASK_NS;
	size_t len = 0;

	while (len < REQUEST_MAX - 1 && wait_ready(fd, POLLIN, until)) {
		ssize_t n = recv(fd, text + len, REQUEST_MAX - 1 - len, MSG_DONTWAIT);

		if (n <= 0)
			return false;
		len += n;
		text[len] = '\0';
		if (strstr(text, "\r\n\r\n") || strstr(text, "\n\n"))
			return true;
	}
	return false;
}

static bool write_all(int fd, const char *text, size_t len, int64_t until)
{
	while (len && wait_ready(fd, POLLOUT, until)) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return false;
		text += n;
		len -= n;
	}
	return !len;
}

static void respond(int fd, const char *status, const char *body, size_t len, bool with_body)
{
	int64_t until = now_ns() + TAKE_NS;
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\n"
			 "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
			 "Content-Length: %zu\r\n"
			 "Connection: close\r\n\r\n",
			 status, len);

	if (write_all(fd, head, n, until) && with_body)
		write_all(fd, body, len, until);
}

static void respond_error(int fd, const char *status, bool with_body)
{
	char body[64];

	respond(fd, status, body, snprintf(body, sizeof(body), "%s\n", status), with_body);
}

static void respond_metrics(int fd, bool with_body)
{
	char *body = NULL;
	size_t len;
	FILE *f = open_memstream(&body, &len);
	bool good = f && !metrics_write(f, false);

	if ((!f || !fclose(f)) && good)
		respond(fd, "200 OK", body, len, with_body);
	else
		respond_error(fd, "503 Service Unavailable", with_body);
	free(body);
}

static void serve_one(int fd)
{
	char request[REQUEST_MAX], *path = request;
	const char *method, *target;

	if (!read_request(fd, request))
		return;
	method = strsep(&path, " ");
	target = strsep(&path, " ?\r\n");
	if (!target || !path)
		respond_error(fd, "400 Bad Request", true);
	else if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		respond_error(fd, "405 Method Not Allowed", true);
	else if (strcmp(target, "/metrics"))
		respond_error(fd, "404 Not Found", *method == 'G');
	else
		respond_metrics(fd, *method == 'G');
}

/* Errors of accept() are of the one who came, or pass. */
static void serve(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			sleep_until(now_ns() + PAUSE_NS);
			continue;
		}
		serve_one(fd);
		close(fd);
	}
}

/* Returns only if that fails; @where is for the message. */
static int bind_and_serve(int fd, const struct sockaddr *at, socklen_t len, const char *where)
{
	int r;

	if (fd >= 0 && !bind(fd, at, len) && !listen(fd, BACKLOG))
		serve(fd);
	r = fail_file(where, errno);
	if (fd >= 0)
		close(fd);
	return r;
}

int metrics_listen(const char *address)
{
	struct addrinfo want = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM },
			*found;
	const char *colon = strrchr(address, ':'), *port = colon ? colon + 1 : address;
	char host[64] = "127.0.0.1";
	size_t len = colon ? colon - address : 0;
	const char *whole = address;
	int fd, r, one = 1;

	if (len > 1 && *address == '[' && colon[-1] == ']') {
		address++;
		len -= 2;
	}
	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)len, address);
	if (!*port || (colon && !len) || getaddrinfo(host, port, &want, &found))
		return usage_error("an address is PORT, ADDR:PORT or [ADDR]:PORT, in numbers");
	fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	r = bind_and_serve(fd, found->ai_addr, found->ai_addrlen, whole);
	freeaddrinfo(found);
	return r;
}

/* Takes away a socket that nobody listens at any more. */
static void remove_stale(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (!lstat(at->sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)at, sizeof(*at)) && errno == ECONNREFUSED)
		unlink(at->sun_path);
	close(fd);
}

int metrics_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(at.sun_path))
		return usage_error("the path of a socket has 1 to %zu bytes",
				   sizeof(at.sun_path) - 1);
	strcpy(at.sun_path, path);
	remove_stale(&at);
	umask(0177); /* for the socket, the only file that is made */
	return bind_and_serve(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			      (struct sockaddr *)&at, sizeof(at), path);
}
