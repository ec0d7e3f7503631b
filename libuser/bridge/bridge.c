// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bridge: its lanes begin and end, and say what they do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "local.h"

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t now_ns(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

int64_t since_boot(void)
{
	return ns_of(CLOCK_BOOTTIME);
}

void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * NS_PER_MS };

	nanosleep(&t, NULL);
}

static bool set_state(struct lane *l, int way, const char *fmt, va_list ap)
{
	char text[STATE_TEXT];
	bool other;

	vsnprintf(text, sizeof(text), fmt, ap);
	pthread_mutex_lock(&l->text_lock);
	other = strcmp(l->state[way], text);
	strcpy(l->state[way], text);
	pthread_mutex_unlock(&l->text_lock);
	return other;
}

bool lane_state(struct lane *l, int way, const char *fmt, ...)
{
	bool other;
	va_list ap;

	va_start(ap, fmt);
	other = set_state(l, way, fmt, ap);
	va_end(ap);
	return other;
}

void lane_trouble(struct lane *l, int way, const char *fmt, ...)
{
	char text[STATE_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (lane_state(l, way, "%s", text))
		fprintf(stderr, "ipcx bridge: %s %s: %s\n", l->r->name, way ? "in" : "out", text);
}

void lane_drop(struct lane *l, enum reason why)
{
	count(&l->n.dropped[why]);
}

static void link_changed(void *arg, bool up, const char *why)
{
	struct bridge *b = arg;
	bool told, was;

	if (up) /* who sees it up sees that it is another one */
		__atomic_fetch_add(&b->link_count, 1, __ATOMIC_RELAXED);
	was = __atomic_exchange_n(&b->link, up, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(&b->link_lock);
	if (was != up)
		b->since = time(NULL);
	told = was == up && b->told; /* the first words are the best */
	b->told = true;
	if (!told)
		snprintf(b->why, sizeof(b->why), "%s", up ? "" : why);
	pthread_mutex_unlock(&b->link_lock);
	if (!told)
		fprintf(stderr, "ipcx bridge: the link to %s is %s%s%s\n", b->ops->name,
			up ? "up" : "down", *why ? ": " : "", why);
}

static void stored(void *arg, unsigned int rule, uint64_t cookie, int err, const char *why)
{
	struct bridge *b = arg;

	if (rule < b->conf->nrules && b->lane[rule].out)
		out_stored(&b->lane[rule], cookie, err, why);
}

/* Only a lane that waits for it does something with it. */
static void answered(void *arg, const char *line, const void *data, size_t size)
{
	struct bridge *b = arg;
	struct parcel p;

	if (parcel_read(&p, line, data, size) || p.chunks != 1 || p.pack ||
	    strcmp(p.realm, b->conf->realm) || strncmp(p.id, b->conf->uuid, UUID_TEXT - 1))
		return;
	for (unsigned int i = 0; i < b->conf->nrules; i++)
		if (b->lane[i].out)
			out_answered(&b->lane[i], &p);
}

/* 64 bits of what the kernel calls this boot */
static int read_epoch(struct bridge *b)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned int part[5];
	int n = 0;

	if (f) {
		n = fscanf(f, "%8x-%4x-%4x-%4x-%8x", &part[0], &part[1], &part[2], &part[3],
			   &part[4]);
		fclose(f);
	}
	if (n != 5) {
		fprintf(stderr, "ipcx bridge: /proc/sys/kernel/random/boot_id cannot be read\n");
		return -EIO;
	}
	snprintf(b->epoch, sizeof(b->epoch), "%08x%08x", part[0], part[4]);
	return 0;
}

/* Two bridges with one state would take each other's messages for copies. */
static int lock_state(const struct bridge *b)
{
	const char *dir = b->conf->state;
	struct stat st;
	int fd;

	if (mkdir(dir, 0700) && errno != EEXIST) {
		fprintf(stderr, "ipcx bridge: the state directory \"%s\" cannot be made: %s\n", dir,
			strerror(errno));
		return -errno;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) &&
	    ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)) {
		fprintf(stderr,
			"ipcx bridge: the state directory \"%s\" is of uid %u and has mode %04o: who may write there can have messages dropped; chown it, and chmod 700 it\n",
			dir, st.st_uid, st.st_mode & 07777);
		return -EPERM;
	}
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "ipcx bridge: the state directory \"%s\": %s\n", dir,
			fd >= 0 && errno == EWOULDBLOCK ? "another bridge uses it" :
							  strerror(errno));
		return -EBUSY;
	}
	return 0; /* kept until the end */
}

/* Lanes of which one fills what another takes from share what is known of that. */
static int connect_lanes(struct bridge *b)
{
	for (unsigned int i = 0; i < b->conf->nrules; i++) {
		for (unsigned int k = 0; k < b->conf->nrules; k++) {
			struct lane *in = &b->lane[i], *out = &b->lane[k];

			if (in == out || is_topic(in->r->kind) != is_topic(out->r->kind) ||
			    !local_is_same(in->r->in, out->r->out))
				continue;
			if (!in->to)
				in->to = out->from ? out->from : known_new();
			out->from = in->to;
			if (!in->to)
				return -ENOMEM;
		}
	}
	return 0;
}

static int new_lane(struct bridge *b, unsigned int nr)
{
	struct lane *l = &b->lane[nr];
	int r = 0;

	l->b = b;
	l->r = &b->conf->rule[nr];
	l->nr = nr;
	l->ring = -1;
	pthread_mutex_init(&l->text_lock, NULL);
	if (l->r->way & WAY_OUT)
		r = out_new(l);
	if (!r && l->r->way & WAY_IN)
		r = window_open(&l->w, b->conf->state, b->conf->uuid, l->r->name);
	lane_state(l, LANE_OUT, l->r->way & WAY_OUT ? "begins" : "");
	lane_state(l, LANE_IN, l->r->way & WAY_IN ? "begins" : "");
	return r;
}

static int run_lanes(struct bridge *b)
{
	int r = 0;

	for (unsigned int i = 0; i < b->conf->nrules && !r; i++) {
		struct lane *l = &b->lane[i];

		for (int way = 0; way < 2 && !r; way++) {
			if (!(l->r->way & (way == LANE_OUT ? WAY_OUT : WAY_IN)))
				continue;
			r = pthread_create(&l->thread[way], NULL,
					   way == LANE_OUT ? out_run : in_run, l);
			l->runs[way] = !r;
		}
	}
	if (r)
		fprintf(stderr, "ipcx bridge: a thread cannot be made: %s\n", strerror(r));
	return -r;
}

int bridge_start(struct bridge *b)
{
	struct engine_events events = { b, link_changed, stored, answered };
	char why[ENGINE_TEXT] = "";
	int r = read_epoch(b);

	pthread_mutex_init(&b->link_lock, NULL);
	b->since = time(NULL);
	strcpy(b->why, "not connected yet");
	if (!r)
		r = lock_state(b);
	b->lane = calloc(b->conf->nrules, sizeof(*b->lane));
	for (unsigned int i = 0; i < b->conf->nrules && !r; i++)
		r = new_lane(b, i);
	if (!r)
		r = connect_lanes(b);
	if (r)
		return r;
	r = b->ops->connect(&b->e, b->conf, &events, why);
	if (r) {
		fprintf(stderr, "ipcx bridge: %s: %s\n", b->ops->name, why);
		return r;
	}
	return run_lanes(b);
}

void bridge_stop(struct bridge *b)
{
	__atomic_store_n(&b->stop, now_ns(), __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < b->conf->nrules; i++)
		for (int way = 0; way < 2; way++)
			if (b->lane[i].runs[way])
				pthread_join(b->lane[i].thread[way], NULL);
	b->ops->close(b->e);
}

void bridge_free(struct bridge *b)
{
	for (unsigned int i = 0; i < b->conf->nrules; i++) {
		struct lane *l = &b->lane[i];

		out_free(l);
		window_close(l->w);
		if (l->to) { /* that of others is the same */
			for (unsigned int k = 0; k < b->conf->nrules; k++)
				if (k != i && b->lane[k].to == l->to)
					b->lane[k].to = NULL;
			known_free(l->to);
		}
	}
	free(b->lane);
}
