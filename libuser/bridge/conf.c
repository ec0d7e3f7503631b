// SPDX-License-Identifier: GPL-2.0-only
/*
 * bridge.conf: reading it. Each wrong line is told, with what would be right.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local.h"

#define WORDS_MAX 12

const char *const kind_text[] = { "work", "fanout", "latest", "reliable" };

const char *way_text(unsigned int way)
{
	return way == WAY_OUT ? "out" : way == WAY_IN ? "in" : "both";
}

struct reading {
	struct conf *c;
	unsigned int line, wrong;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	if (r->line)
		fprintf(stderr, "%s:%u: ", r->c->path, r->line);
	else
		fprintf(stderr, "%s: ", r->c->path);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	r->wrong++;
}

/* Of a file that says who this is: said if others may read it. */
static bool is_private(struct reading *r, const char *what, const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !(st.st_mode & 077))
		return true;
	wrong(r, "the %s file \"%s\" has mode %04o, others may read it: chmod 600 it", what, path,
	      st.st_mode & 07777);
	return false;
}

/* The first line of a file without its end; NULL: said why not. */
static char *first_line(struct reading *r, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!f) {
		wrong(r, "the password file \"%s\": %s", path, strerror(errno));
		return NULL;
	}
	if (is_private(r, "password", path, fileno(f)) &&
	    (getline(&text, &room, f) < 1 || !strcspn(text, "\r\n")))
		wrong(r, "the password file \"%s\" is empty: its first line is the password", path);
	if (text)
		text[strcspn(text, "\r\n")] = '\0';
	fclose(f);
	return text;
}

static void set_once(struct reading *r, const char *what, char **to, const char *text)
{
	if (*to) {
		wrong(r, "a second \"%s\": one line is right", what);
		return;
	}
	*to = strdup(text);
}

static void need_path(struct reading *r, const char *what, char **to, const char *text)
{
	if (text[0] != '/')
		wrong(r, "%s \"%s\" is no absolute path: it begins with /", what, text);
	else
		set_once(r, what, to, text);
}

static void read_host(struct reading *r, char **w, unsigned int n)
{
	if (!word_ok(w[1], PARCEL_WORD)) {
		wrong(r, "\"%s\" is no name of a host: 1..63 letters, digits, '-' and '_' are",
		      w[1]);
		return;
	}
	if (r->c->host[0])
		wrong(r, "a second \"host\": one line is right");
	strcpy(r->c->host, w[1]);
	if (n < 3)
		return;
	if (!uuid_ok(w[2]))
		wrong(r, "\"%s\" is no uuid: 01234567-89ab-cdef-0123-456789abcdef has the form",
		      w[2]);
	else
		strcpy(r->c->uuid, w[2]);
}

static void read_realm(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	if (!word_ok(w[1], PARCEL_WORD))
		wrong(r, "\"%s\" is no realm: 1..63 letters, digits, '-' and '_' are", w[1]);
	else if (r->c->realm[0])
		wrong(r, "a second \"realm\": one line is right");
	else
		strcpy(r->c->realm, w[1]);
}

static void read_server(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	if (strncmp(w[1], "nats://", 7) && strncmp(w[1], "tls://", 6))
		wrong(r, "\"%s\" is no server: nats://HOST:PORT or tls://HOST:PORT is", w[1]);
	else if (strchr(w[1], '@'))
		wrong(r,
		      "a server's URL with a user in it is seen by all: give a \"user\" or \"creds\" line");
	else if (r->c->nservers == SERVERS_MAX)
		wrong(r, "more than %d servers: name fewer, they tell of each other", SERVERS_MAX);
	else
		r->c->server[r->c->nservers++] = strdup(w[1]);
}

static void read_user(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	if (w[2][0] != '/') { /* it may be the password itself */
		wrong(r, "the password file has no absolute path: it begins with /");
		return;
	}
	set_once(r, "user", &r->c->user, w[1]);
	if (!r->c->password)
		r->c->password = first_line(r, w[2]);
}

static void read_creds(struct reading *r, char **w, unsigned int n)
{
	int fd = open(w[1], O_RDONLY | O_CLOEXEC);

	(void)n;
	need_path(r, "creds", &r->c->creds, w[1]);
	if (fd < 0) {
		wrong(r, "the credentials file \"%s\": %s", w[1], strerror(errno));
		return;
	}
	is_private(r, "credentials", w[1], fd);
	close(fd);
}

static void read_tls(struct reading *r, char **w, unsigned int n)
{
	if (n == 3) {
		wrong(r,
		      "a certificate without its key: \"tls CA\" or \"tls CA CERT KEY\" is right");
		return;
	}
	need_path(r, "tls", &r->c->ca, w[1]);
	if (n > 3) {
		need_path(r, "tls certificate", &r->c->cert, w[2]);
		need_path(r, "tls key", &r->c->key, w[3]);
	}
}

static void read_state(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	need_path(r, "state", &r->c->state, w[1]);
}

static void read_monitor(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	if (strncmp(w[1], "http://", 7) || !w[1][7])
		wrong(r, "\"%s\" is no monitoring address: http://HOST:PORT is", w[1]);
	else
		set_once(r, "monitor", &r->c->monitor, w[1]);
}

static bool whole(const char *text, unsigned long min, unsigned long max, unsigned int *value)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	n = strtoul(text, &end, 10);
	*value = n;
	return !*end && n >= min && n <= max;
}

static void read_replicas(struct reading *r, char **w, unsigned int n)
{
	(void)n;
	if (!whole(w[1], 1, 5, &r->c->replicas))
		wrong(r, "\"%s\" replicas: 1..5, and no more than the cluster has servers", w[1]);
}

static void read_pattern(struct reading *r, char **w, unsigned int n)
{
	struct conf *c = r->c;

	(void)n;
	if (c->npatterns == PATTERNS_MAX) {
		wrong(r, "more than %d patterns", PATTERNS_MAX);
		return;
	}
	c->pattern[c->npatterns++] = (struct pattern){ strdup(w[1]), w[0][0] == 'a', r->line };
}

/* As long as what window.c makes of a name may be */
static bool file_ok(const char *name)
{
	size_t n = strlen(".window");

	for (; *name; name++) {
		char one[2] = { *name, 0 };

		n += word_ok(one, 2) ? 1 : 3;
	}
	return n <= NAME_MAX;
}

/* As the library has it, but for URIs */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= NAME_TEXT || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == '/')
			return false;
	return true;
}

static bool read_way(struct reading *r, struct rule *u, const char *text)
{
	for (u->way = WAY_OUT; u->way <= WAY_BOTH; u->way++)
		if (!strcmp(text, way_text(u->way)))
			return true;
	wrong(r, "\"%s\" is no direction: out, in or both is", text);
	return false;
}

static bool read_kind(struct reading *r, struct rule *u, bool topic, const char *text)
{
	u->kind = topic ? KIND_LATEST : KIND_WORK;
	for (int i = 0; i < 2; i++, u->kind++)
		if (!strcmp(text, kind_text[u->kind]))
			return true;
	wrong(r, "\"%s\" is no kind of %s: %s is", text, topic ? "topic" : "queue",
	      topic ? "latest or reliable" : "work or fanout");
	return false;
}

/*
 * Which local names a rule means. A queue of both directions has two: senders fill NAME.out, and
 * what comes is in NAME; one alone would give senders back their own.
 */
static bool set_locals(struct reading *r, struct rule *u, const char *local)
{
	if (strlen(local) >= NAME_TEXT) {
		wrong(r, "the local name is too long: at most %d bytes are right", NAME_TEXT - 1);
		return false;
	}
	if (u->way & WAY_IN)
		strcpy(u->in, local);
	if (u->way & WAY_OUT)
		sprintf(u->out, "%s%s", local,
			u->way == WAY_BOTH && !is_topic(u->kind) ? ".out" : "");
	return true;
}

/* queue NAME KIND WAY [local URI] [in_flight N] */
static void read_rule(struct reading *r, char **w, unsigned int n)
{
	struct conf *c = r->c;
	struct rule u = { .in_flight = IN_FLIGHT, .line = r->line };
	const char *local = w[1];

	if (!name_ok(w[1])) {
		wrong(r, "\"%s\" is no name: 1..255 printable bytes, no '/', not '.' first", w[1]);
		return;
	}
	if (!file_ok(w[1])) {
		wrong(r,
		      "\"%s\" is too long for the file of its state, where each byte that is no letter, digit, '-' or '_' takes three",
		      w[1]);
		return;
	}
	strcpy(u.name, w[1]);
	if (!read_kind(r, &u, w[0][0] == 't', w[2]) || !read_way(r, &u, w[3]))
		return;
	for (unsigned int i = 4; i < n; i += 2) {
		if (!strcmp(w[i], "local") && i + 1 < n) {
			local = w[i + 1];
		} else if (!strcmp(w[i], "in_flight") && i + 1 < n) {
			if (!whole(w[i + 1], 1, IN_FLIGHT_MAX, &u.in_flight))
				wrong(r, "in_flight \"%s\": 1..%d is right", w[i + 1],
				      IN_FLIGHT_MAX);
		} else {
			wrong(r,
			      "\"%s\" at the end of a rule: \"local URI\" and \"in_flight N\" are right",
			      w[i]);
			return;
		}
	}
	for (unsigned int i = 0; i < c->nrules; i++) {
		if (strcmp(c->rule[i].name, u.name))
			continue;
		wrong(r,
		      "a second rule for \"%s\", the first is in line %u: direction \"both\" is for both",
		      u.name, c->rule[i].line);
		return;
	}
	if (c->nrules == RULES_MAX)
		wrong(r,
		      "more than %d rules: run a second bridge with a state directory of its own",
		      RULES_MAX);
	else if (set_locals(r, &u, local))
		c->rule[c->nrules++] = u;
}

static const struct statement {
	const char *word;
	unsigned int min, max; /* words behind it */
	void (*read)(struct reading *r, char **w, unsigned int n);
	const char *usage;
} statements[] = {
	{ "host", 1, 2, read_host, "host NAME [UUID]" },
	{ "realm", 1, 1, read_realm, "realm NAME" },
	{ "server", 1, 1, read_server, "server nats://HOST:PORT" },
	{ "user", 2, 2, read_user, "user NAME PASSWORD-FILE" },
	{ "creds", 1, 1, read_creds, "creds FILE" },
	{ "tls", 1, 3, read_tls, "tls CA [CERT KEY]" },
	{ "state", 1, 1, read_state, "state DIRECTORY" },
	{ "monitor", 1, 1, read_monitor, "monitor http://HOST:PORT" },
	{ "replicas", 1, 1, read_replicas, "replicas N" },
	{ "allow", 1, 1, read_pattern, "allow PATTERN" },
	{ "deny", 1, 1, read_pattern, "deny PATTERN" },
	{ "queue", 3, 7, read_rule,
	  "queue NAME work|fanout out|in|both [local URI] [in_flight N]" },
	{ "topic", 3, 7, read_rule,
	  "topic NAME latest|reliable out|in|both [local URI] [in_flight N]" },
};

static void read_line(struct reading *r, char *text)
{
	char *w[WORDS_MAX], *save;
	unsigned int n = 0;

	for (char *t = strtok_r(text, " \t\r\n", &save); t && *t != '#';
	     t = strtok_r(NULL, " \t\r\n", &save)) {
		if (n == WORDS_MAX) {
			wrong(r, "more than %d words", WORDS_MAX);
			return;
		}
		w[n++] = t;
	}
	if (!n)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		const struct statement *s = &statements[i];

		if (strcmp(s->word, w[0]))
			continue;
		if (n - 1 < s->min || n - 1 > s->max)
			wrong(r, "%u words behind \"%s\": \"%s\" is right", n - 1, w[0], s->usage);
		else
			s->read(r, w, n);
		return;
	}
	wrong(r,
	      "\"%s\" is no statement: host, realm, server, user, creds, tls, state, monitor, replicas, allow, deny, queue and topic are",
	      w[0]);
}

/* The first pattern that fits decides; if none fits: not, as soon as there is an "allow". */
static void check_patterns(struct reading *r, const struct rule *u)
{
	const struct conf *c = r->c;
	bool allows = false;

	r->line = u->line;
	for (unsigned int i = 0; i < c->npatterns; i++) {
		const struct pattern *p = &c->pattern[i];

		allows |= p->allow;
		if (fnmatch(p->text, u->name, 0))
			continue;
		if (!p->allow)
			wrong(r,
			      "\"%s\" is denied by \"deny %s\" in line %u: take one of them away",
			      u->name, p->text, p->line);
		return;
	}
	if (allows)
		wrong(r, "no \"allow\" fits \"%s\": add \"allow %s\"", u->name, u->name);
}

/* Of two rules that take from one queue each would get some. */
static void check_taken(struct reading *r, const struct rule *u)
{
	for (const struct rule *o = r->c->rule; o < u; o++)
		if (u->out[0] && !is_topic(u->kind) && !is_topic(o->kind) &&
		    local_is_same(u->out, o->out))
			wrong(r,
			      "\"%s\" is taken from by the rule in line %u, too: each would get some of its messages",
			      u->out, o->line);
}

/* A stable name for this machine and host, if none is given */
static void make_uuid(struct conf *c)
{
	static const char *const ids[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
	uint64_t a = 0xcbf29ce484222325, b = 0x84222325cbf29ce4;
	char text[256] = "";
	FILE *f = NULL;

	for (int i = 0; i < 2 && !f; i++)
		f = fopen(ids[i], "re");
	if (f) {
		if (!fgets(text, 64, f))
			text[0] = '\0';
		fclose(f);
	}
	strcat(text, c->host);
	for (const char *t = text; *t; t++) {
		a = (a ^ (unsigned char)*t) * 0x100000001b3;
		b = (b ^ (unsigned char)*t) * 0x10000000233;
		b ^= b >> 29;
	}
	snprintf(c->uuid, sizeof(c->uuid), "%08x-%04x-8%03x-%04x-%012llx", (uint32_t)(a >> 32),
		 (uint32_t)(a >> 16 & 0xffff), (uint32_t)(a & 0xfff),
		 (uint32_t)(b >> 48 & 0x3fff) | 0x8000, (unsigned long long)(b & 0xffffffffffff));
}

static void check_whole(struct reading *r)
{
	struct conf *c = r->c;

	r->line = 0;
	if (!c->host[0])
		wrong(r, "no \"host NAME\": each bridge of a realm has a name of its own");
	if (!c->realm[0])
		wrong(r, "no \"realm NAME\": bridges of one realm talk to each other");
	if (!c->nservers)
		wrong(r, "no \"server nats://HOST:PORT\"");
	if (!c->state)
		wrong(r, "no \"state DIRECTORY\": what was received is noted there");
	if (c->user && c->creds)
		wrong(r, "\"user\" and \"creds\": one of them is right");
	if (!c->nrules)
		wrong(r, "no rule: add \"queue NAME work out\", or such");
	for (unsigned int i = 0; i < c->nrules; i++) {
		check_patterns(r, &c->rule[i]);
		check_taken(r, &c->rule[i]);
	}
	r->line = 0;
	if (!c->uuid[0])
		make_uuid(c);
}

unsigned int conf_read(struct conf *c, const char *path)
{
	struct reading r = { .c = c };
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	*c = (struct conf){ .path = strdup(path), .replicas = 1 };
	if (!f) {
		wrong(&r, "%s", strerror(errno));
		return r.wrong;
	}
	while (getline(&text, &room, f) >= 0) {
		r.line++;
		read_line(&r, text);
	}
	if (ferror(f))
		wrong(&r, "%s", strerror(errno));
	fclose(f);
	free(text);
	check_whole(&r);
	return r.wrong;
}

void conf_free(struct conf *c)
{
	// clang-format off
	char *const all[] = { c->path, c->user, c->password, c->creds, c->ca, c->cert, c->key,
			      c->state, c->monitor };
	// clang-format on

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]);
	for (unsigned int i = 0; i < c->nservers; i++)
		free(c->server[i]);
	for (unsigned int i = 0; i < c->npatterns; i++)
		free(c->pattern[i].text);
}
