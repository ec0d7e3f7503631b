// SPDX-License-Identifier: GPL-2.0-only
/*
 * Figures of the engine itself: those of nats-server's monitoring port, of which the numbers that
 * matter are picked.
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge.h"

#define ANSWER_MAX 65536

/* Of /jsz; its config comes first and has other names */
// clang-format off
static const char *const wanted[] = { "max_storage", "storage",	  "reserved_storage",
				      "streams",     "consumers", "messages",
				      "bytes" };

// clang-format on

/* http://HOST:PORT; HOST may be [ADDRESS], and :PORT may be left out */
static char *split(const char *url, char *host, size_t room)
{
	char *port;

	snprintf(host, room, "%s", url + strlen("http://"));
	host[strcspn(host, "/")] = '\0';
	port = strrchr(host, ':');
	if (port && strchr(port, ']'))
		port = NULL;
	if (port)
		*port++ = '\0';
	if (*host == '[') {
		host[strcspn(host, "]")] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	return port;
}

static int connect_to(const char *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL, *a;
	char host[256], *port = split(url, host, sizeof(host));
	struct timeval t = { .tv_sec = 1 };
	int fd = -1;

	if (getaddrinfo(host, port ? port : "8222", &hints, &all))
		return -1;
	for (a = all; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)); /* of connect, too */
		if (connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd;
}

/* What stands behind "/jsz"; @text has room for ANSWER_MAX */
static bool ask(const char *url, char *text)
{
	static const char request[] = "GET /jsz HTTP/1.0\r\n\r\n";
	int64_t until = now_ns() + 2 * NS_PER_S;
	size_t n = 0;
	ssize_t r = 0;
	int fd = connect_to(url);

	if (fd < 0)
		return false;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		while (n < ANSWER_MAX - 1 && now_ns() < until &&
		       (r = recv(fd, text + n, ANSWER_MAX - 1 - n, 0)) > 0)
			n += r;
	close(fd);
	text[n] = '\0';
	return n && !r && strstr(text, " 200 ");
}

static bool find_number(const char *text, const char *key, unsigned long long *value)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(text, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	while (isspace((unsigned char)*at))
		at++;
	if (!isdigit((unsigned char)*at))
		return false;
	*value = strtoull(at, NULL, 10);
	return true;
}

char *monitor_figures(const char *url)
{
	char *text = malloc(ANSWER_MAX), *json = NULL;
	unsigned long long n;
	size_t len;
	FILE *f = text && ask(url, text) ? open_memstream(&json, &len) : NULL;
	const char *sep = "";

	if (f) {
		fputc('{', f);
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
			if (!find_number(text, wanted[i], &n))
				continue;
			fprintf(f, "%s\"%s\":%llu", sep, wanted[i], n);
			sep = ",";
		}
		fputc('}', f);
		fclose(f);
	}
	free(text);
	return json;
}
