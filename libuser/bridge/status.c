// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a bridge says of itself, over a socket in its state directory: as text, JSON, or for
 * Prometheus.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bridge.h"

#define SOCKET_NAME "status.sock"
#define ASK_MS 5000
#define ASKER_MS 300 /* who does not say what he wants, or read it, is not waited for */

static const struct figure {
	const char *name, *help;
	size_t at;
	bool gauge;
} figures[] = {
#define FIGURE(name, help) \
	{ \
#name, help, offsetof(struct counts, name), false \
	}
	FIGURE(out, "messages stored by the engine and released here"),
	FIGURE(in, "messages put into the local queue or topic"),
	FIGURE(acked, "parcels that the engine acknowledged"),
	FIGURE(retried, "messages sent again"),
	FIGURE(refused, "parcels that the engine refused"),
	FIGURE(copies, "messages that came again and were known"),
	FIGURE(perhaps, "messages put in again after a crash, which may be copies"),
	FIGURE(own, "messages that came back to their origin"),
	FIGURE(superseded, "messages of a topic that newer ones overtook"),
	FIGURE(missed, "times that a topic went on without the bridge"),
	FIGURE(damaged, "local messages that made no sense"),
	FIGURE(calls, "requests answered"),
	FIGURE(timeouts, "requests not answered in time"),
	FIGURE(returned, "messages given back to the engine"),
#undef FIGURE
	{ "in_flight", "messages that the engine has not acknowledged yet",
	  offsetof(struct counts, in_flight), true },
	{ "waiting", "chunks whose message is not whole yet", offsetof(struct counts, waiting),
	  true },
	{ "asked_ms", "milliseconds in which the engine told lately how far all are",
	  offsetof(struct counts, asked_ms), true },
	{ "away", "servers that store the rule's messages, and are away or behind",
	  offsetof(struct counts, away), true },
};

#define FIGURES ARRAY_SIZE(figures)

static uint64_t value(const struct lane *l, const struct figure *f)
{
	return __atomic_load_n((const uint64_t *)((const char *)&l->n + f->at), __ATOMIC_RELAXED);
}

static uint64_t dropped(const struct lane *l, int why)
{
	return __atomic_load_n(&l->n.dropped[why], __ATOMIC_RELAXED);
}

static void put_string(FILE *f, const char *text)
{
	putc('"', f);
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			putc(c, f);
	}
	putc('"', f);
}

static void put_member(FILE *f, const char *key, const char *text)
{
	fprintf(f, "\"%s\":", key);
	put_string(f, text);
}

static void copy_state(const struct lane *l, int way, char to[STATE_TEXT])
{
	pthread_mutex_lock((pthread_mutex_t *)&l->text_lock);
	strcpy(to, l->state[way]);
	pthread_mutex_unlock((pthread_mutex_t *)&l->text_lock);
}

static void copy_link(const struct bridge *b, time_t *since, char why[ENGINE_TEXT])
{
	pthread_mutex_lock((pthread_mutex_t *)&b->link_lock);
	*since = b->since;
	strcpy(why, b->why);
	pthread_mutex_unlock((pthread_mutex_t *)&b->link_lock);
}

static void json_lane(FILE *f, const struct lane *l)
{
	char state[STATE_TEXT];

	fputc('{', f);
	put_member(f, "name", l->r->name);
	fprintf(f, ",\"kind\":\"%s\",\"direction\":\"%s\",", kind_text[l->r->kind],
		way_text(l->r->way));
	put_member(f, "local_out", l->r->out);
	fputc(',', f);
	put_member(f, "local_in", l->r->in);
	for (int way = 0; way < 2; way++) {
		copy_state(l, way, state);
		fputc(',', f);
		put_member(f, way == LANE_OUT ? "state_out" : "state_in", state);
	}
	for (size_t i = 0; i < FIGURES; i++)
		fprintf(f, ",\"%s\":%llu", figures[i].name,
			(unsigned long long)value(l, &figures[i]));
	fputs(",\"dropped\":{", f);
	for (int r = DROP_NONE + 1; r < DROP_COUNT; r++)
		fprintf(f, "%s\"%s\":%llu", r > DROP_NONE + 1 ? "," : "", reason_text[r],
			(unsigned long long)dropped(l, r));
	fputs("}}", f);
}

static void put_json(FILE *f, const struct bridge *b)
{
	char why[ENGINE_TEXT], *server;
	time_t since;

	copy_link(b, &since, why);
	fputc('{', f);
	put_member(f, "host", b->conf->host);
	fprintf(f,
		",\"uuid\":\"%s\",\"realm\":\"%s\",\"engine\":\"%s\",\"link\":\"%s\",\"since\":%lld,",
		b->conf->uuid, b->conf->realm, b->ops->name, link_up(b) ? "up" : "down",
		(long long)since);
	put_member(f, "why", why);
	fputs(",\"rules\":[", f);
	for (unsigned int i = 0; i < b->conf->nrules; i++) {
		if (i)
			fputc(',', f);
		json_lane(f, &b->lane[i]);
	}
	fputc(']', f);
	server = b->conf->monitor ? monitor_figures(b->conf->monitor) : NULL;
	if (b->conf->monitor)
		fprintf(f, ",\"server\":%s", server ? server : "null");
	free(server);
	fputs("}\n", f);
}

static void text_lane(FILE *f, const struct lane *l)
{
	char state[STATE_TEXT];

	fprintf(f, "%s (%s, %s)\n", l->r->name, kind_text[l->r->kind], way_text(l->r->way));
	for (int way = 0; way < 2; way++) {
		if (!(l->r->way & (way == LANE_OUT ? WAY_OUT : WAY_IN)))
			continue;
		copy_state(l, way, state);
		fprintf(f, "  %-10s %s: %s\n", way == LANE_OUT ? "out of" : "into",
			way == LANE_OUT ? l->r->out : l->r->in, state);
	}
	for (size_t i = 0; i < FIGURES; i++)
		if (i < 2 || value(l, &figures[i]))
			fprintf(f, "  %-10s %llu\n", figures[i].name,
				(unsigned long long)value(l, &figures[i]));
	for (int r = DROP_NONE + 1; r < DROP_COUNT; r++)
		if (dropped(l, r))
			fprintf(f, "  dropped    %llu: %s\n", (unsigned long long)dropped(l, r),
				reason_text[r]);
}

static void put_text(FILE *f, const struct bridge *b)
{
	char why[ENGINE_TEXT], when[64], *server;
	time_t since;
	struct tm tm;

	copy_link(b, &since, why);
	strftime(when, sizeof(when), "%F %T", localtime_r(&since, &tm));
	fprintf(f, "%s in %s: the link to %s is %s since %s%s%s\n", b->conf->host, b->conf->realm,
		b->ops->name, link_up(b) ? "up" : "down", when, why[0] ? ": " : "", why);
	for (unsigned int i = 0; i < b->conf->nrules; i++)
		text_lane(f, &b->lane[i]);
	server = b->conf->monitor ? monitor_figures(b->conf->monitor) : NULL;
	if (b->conf->monitor)
		fprintf(f, "server %s\n", server ? server : "does not tell");
	free(server);
}

static void put_label(FILE *f, const struct lane *l)
{
	fputs("{rule=", f);
	put_string(f, l->r->name);
}

/* For alerts: is there anything that a way waits for? */
static void metrics_runs(FILE *f, const struct bridge *b)
{
	char state[STATE_TEXT];

	fputs("# HELP ipcx_bridge_runs whether a direction of a rule runs; its state says why not\n"
	      "# TYPE ipcx_bridge_runs gauge\n",
	      f);
	for (unsigned int k = 0; k < b->conf->nrules; k++) {
		for (int way = 0; way < 2; way++) {
			copy_state(&b->lane[k], way, state);
			if (!*state)
				continue;
			fputs("ipcx_bridge_runs", f);
			put_label(f, &b->lane[k]);
			fprintf(f, ",direction=\"%s\"} %d\n", way == LANE_OUT ? "out" : "in",
				!strcmp(state, "runs"));
		}
	}
}

static void put_metrics(FILE *f, const struct bridge *b)
{
	fprintf(f,
		"# HELP ipcx_bridge_link_up whether the engine is connected\n"
		"# TYPE ipcx_bridge_link_up gauge\nipcx_bridge_link_up %d\n",
		link_up(b));
	for (size_t i = 0; i < FIGURES; i++) {
		const char *more = figures[i].gauge ? "" : "_total";

		fprintf(f, "# HELP ipcx_bridge_%s%s %s\n# TYPE ipcx_bridge_%s%s %s\n",
			figures[i].name, more, figures[i].help, figures[i].name, more,
			figures[i].gauge ? "gauge" : "counter");
		for (unsigned int k = 0; k < b->conf->nrules; k++) {
			fprintf(f, "ipcx_bridge_%s%s", figures[i].name, more);
			put_label(f, &b->lane[k]);
			fprintf(f, "} %llu\n", (unsigned long long)value(&b->lane[k], &figures[i]));
		}
	}
	metrics_runs(f, b);
	fputs("# HELP ipcx_bridge_dropped_total parcels dropped, and why\n"
	      "# TYPE ipcx_bridge_dropped_total counter\n",
	      f);
	for (unsigned int k = 0; k < b->conf->nrules; k++) {
		for (int r = DROP_NONE + 1; r < DROP_COUNT; r++) {
			fputs("ipcx_bridge_dropped_total", f);
			put_label(f, &b->lane[k]);
			fprintf(f, ",reason=\"%s\"} %llu\n", reason_text[r],
				(unsigned long long)dropped(&b->lane[k], r));
		}
	}
}

/* A socket's address is short: by a descriptor of its directory any path will do. */
static int address(struct sockaddr_un *a, const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", fd, SOCKET_NAME);
	return fd < 0 ? -errno : fd;
}

int status_listen(const struct bridge *b)
{
	struct sockaddr_un a;
	int r, s = -1, dir = address(&a, b->conf->state);

	if (dir < 0)
		return dir;
	unlinkat(dir, SOCKET_NAME, 0); /* of one that was killed; the directory is locked */
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 8) ? -errno : s;
	close(dir);
	if (r < 0 && s >= 0)
		close(s);
	return r;
}

static void set_timeout(int fd, int ms)
{
	struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static char *told(const struct bridge *b, char what, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	if (what == 'j')
		put_json(f, b);
	else if (what == 'm')
		put_metrics(f, b);
	else
		put_text(f, b);
	fclose(f);
	return text;
}

bool status_serve(const struct bridge *b, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int64_t until = now_ns() + ASK_MS * NS_PER_MS;
	size_t len = 0, at = 0;
	char what[16] = "", *text;
	ssize_t n = 1;

	if (fd < 0) {
		sleep_ms(20); /* no descriptor is free, or it is the end */
		return !stopping(b);
	}
	set_timeout(fd, ASKER_MS);
	text = recv(fd, what, sizeof(what) - 1, 0) > 0 ? told(b, what[0], &len) : NULL;
	for (; text && at < len && n > 0 && now_ns() < until; at += n > 0 ? n : 0)
		n = send(fd, text + at, len - at, MSG_NOSIGNAL);
	free(text);
	close(fd);
	return true;
}

int status_ask(const struct conf *c, const char *what)
{
	struct sockaddr_un a;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = address(&a, c->state);
	char part[4096];
	bool any = false;
	ssize_t n;

	if (s < 0 || dir < 0 || connect(s, (struct sockaddr *)&a, sizeof(a))) {
		fprintf(stderr, "ipcx bridge: no bridge runs with the state directory \"%s\": %s\n",
			c->state, strerror(errno));
		return 1;
	}
	close(dir);
	set_timeout(s, ASK_MS);
	if (send(s, what, strlen(what), MSG_NOSIGNAL) < 0)
		n = -1;
	else
		while ((n = recv(s, part, sizeof(part), 0)) > 0)
			any = fwrite(part, n, 1, stdout) == 1;
	close(s);
	if (n < 0 || !any) {
		fprintf(stderr, "ipcx bridge: the bridge does not answer: %s\n",
			n < 0 ? strerror(errno) : "it ended");
		return 1;
	}
	return 0;
}
