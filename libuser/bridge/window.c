// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window of ids received.
 *
 * The file is mapped: what was written is there after the process was killed, wherever it was. An
 * entry has a checksum of its own. One that is torn can be only the one that was being written, the
 * next of its origin; its message was in the queue by then, and the intent still says so. All
 * else that does not fit is damage, which is told and never guessed around.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "window.h"

#define MAGIC "ipcxwin1"
#define PAGE 4096

struct entry {
	uint32_t hash[3], sum;
};

struct origin {
	char uuid[UUID_TEXT + 3];
	uint64_t used; /* how many messages came before it was last of use */
	uint64_t next; /* entries written */
	uint64_t sum; /* of uuid */
};

/* What is being put into the queue; sum is written last, and 0 when there is nothing */
struct intent {
	char origin[UUID_TEXT + 3];
	uint32_t hash[3], sum;
	uint64_t object, sent;
};

struct head {
	char magic[8];
	char host[UUID_TEXT + 3], rule[256];
	uint32_t sum, __reserved; /* of what is before it */
	uint64_t clock; /* messages so far */
	struct intent intent;
	struct origin origin[ORIGINS_MAX];
};

_Static_assert(sizeof(struct head) <= PAGE, "a page");

struct index {
	uint32_t first[WINDOW], next[WINDOW]; /* 1 + number of the entry */
};

struct window {
	struct head *head;
	struct index *index[ORIGINS_MAX];
	struct intent left; /* when it was opened */
	int fd;
	bool perhaps;
	char *path;
};

#define FILE_SIZE (PAGE + (size_t)ORIGINS_MAX * WINDOW * sizeof(struct entry))

static struct entry *entries(const struct window *w, unsigned int o)
{
	return (struct entry *)((char *)w->head + PAGE) + (size_t)o * WINDOW;
}

static uint32_t sum_entry(const uint32_t hash[3])
{
	uint32_t sum = parcel_crc(0, hash, 3 * sizeof(*hash));

	return sum ? sum : 1; /* 0 is empty */
}

static uint32_t bucket(const uint32_t hash[3])
{
	return hash[1] % WINDOW;
}

static void index_add(struct index *x, const struct entry *e, uint32_t nr)
{
	uint32_t *first = &x->first[bucket(e->hash)];

	x->next[nr] = *first;
	*first = nr + 1;
}

static void index_remove(struct index *x, const struct entry *e, uint32_t nr)
{
	uint32_t *at = &x->first[bucket(e->hash)];

	while (*at && *at != nr + 1)
		at = &x->next[*at - 1];
	if (*at)
		*at = x->next[nr];
}

static int damaged(const struct window *w, const char *what)
{
	fprintf(stderr,
		"ipcx bridge: the state \"%s\" is not usable: %s; move it away to go on without: "
		"what was received lately may then come a second time\n",
		w->path, what);
	return -EUCLEAN;
}

static bool is_good(const struct entry *e)
{
	return e->sum == sum_entry(e->hash);
}

static bool is_empty(const struct entry *e)
{
	return !e->sum && !e->hash[0] && !e->hash[1] && !e->hash[2];
}

/* Of one origin: all but the one that may have been in work */
static int load_origin(struct window *w, unsigned int o)
{
	struct origin *g = &w->head->origin[o];
	struct entry *e = entries(w, o);
	uint32_t work = g->next % WINDOW;

	if (!g->uuid[0])
		return 0;
	if (g->uuid[UUID_TEXT - 1] || !uuid_ok(g->uuid) ||
	    g->sum != parcel_crc(0, g->uuid, sizeof(g->uuid)))
		return damaged(w, "the name of an origin is damaged");
	w->index[o] = calloc(1, sizeof(*w->index[o]));
	if (!w->index[o])
		return -ENOMEM;
	for (uint32_t i = 0; i < WINDOW; i++) {
		if (is_good(&e[i]))
			index_add(w->index[o], &e[i], i);
		else if (i == work)
			memset(&e[i], 0, sizeof(e[i]));
		else if (i < g->next || !is_empty(&e[i]))
			return damaged(w, "an entry is damaged");
	}
	/* was it written, and not counted yet? */
	if (is_good(&e[work]) &&
	    (g->next < WINDOW || !memcmp(e[work].hash, w->head->intent.hash, sizeof(e->hash))))
		g->next++;
	return 0;
}

static uint32_t sum_head(const struct head *h)
{
	return parcel_crc(0, h, offsetof(struct head, sum));
}

static uint32_t sum_intent(const struct intent *i)
{
	struct intent copy = *i;

	copy.sum = 0;
	copy.sum = parcel_crc(0, &copy, sizeof(copy));
	return copy.sum ? copy.sum : 1;
}

static int load(struct window *w, const char *host, const char *rule)
{
	struct head *h = w->head;

	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return damaged(w, "it is no such file, or of another version");
	if (h->sum != sum_head(h))
		return damaged(w, "its head is damaged");
	if (strcmp(h->host, host) || strcmp(h->rule, rule))
		return damaged(w, "it is of another host or rule");
	for (unsigned int o = 0; o < ORIGINS_MAX; o++) {
		int r = load_origin(w, o);

		if (r)
			return r;
	}
	/* one that is torn was not begun: nothing was put into the queue */
	if (h->intent.sum && h->intent.sum == sum_intent(&h->intent)) {
		w->left = h->intent;
		w->perhaps = true;
	}
	return 0;
}

static void make(struct head *h, const char *host, const char *rule)
{
	memcpy(h->magic, MAGIC, sizeof(h->magic));
	strcpy(h->host, host);
	strcpy(h->rule, rule);
	h->sum = sum_head(h);
}

static int map(struct window *w, int fd, const char *host, const char *rule)
{
	struct stat st;
	void *at;
	int r;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return damaged(w, "it is no file");
	if (st.st_size && st.st_size != (off_t)FILE_SIZE)
		return damaged(w, "it has not the length of one");
	if (!st.st_size && ftruncate(fd, FILE_SIZE))
		return -errno;
	r = posix_fallocate(fd, 0, PAGE);
	if (r)
		return -r;
	at = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	w->head = at;
	/* killed between the two: all of it is zero */
	if (!w->head->magic[0] && !w->head->sum)
		make(w->head, host, rule);
	return load(w, host, rule);
}

/* A rule's name may have what a file's may not; others have their letters */
static char *file_name(const char *dir, const char *rule)
{
	char *path = malloc(strlen(dir) + 3 * strlen(rule) + sizeof("/.window")), *to;

	if (!path)
		return NULL;
	to = path + sprintf(path, "%s/", dir);
	for (; *rule; rule++) {
		char one[2] = { *rule, 0 };

		to += word_ok(one, 2) ? sprintf(to, "%c", *rule) :
					sprintf(to, "=%02x", (unsigned char)*rule);
	}
	strcpy(to, ".window");
	return path;
}

int window_open(struct window **out, const char *dir, const char *host, const char *rule)
{
	struct window *w = calloc(1, sizeof(*w));
	int fd, r;

	if (w)
		w->path = file_name(dir, rule);
	if (!w || !w->path) {
		free(w);
		return -ENOMEM;
	}
	fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	w->fd = fd;
	r = fd < 0 ? -errno : map(w, fd, host, rule);
	if (r && r != -EUCLEAN)
		fprintf(stderr, "ipcx bridge: the state \"%s\": %s\n", w->path, strerror(-r));
	if (r) {
		window_close(w);
		return r;
	}
	*out = w;
	return 0;
}

void window_close(struct window *w)
{
	if (!w)
		return;
	if (w->head)
		munmap(w->head, FILE_SIZE);
	if (w->fd >= 0)
		close(w->fd);
	for (unsigned int o = 0; o < ORIGINS_MAX; o++)
		free(w->index[o]);
	free(w->path);
	free(w);
}

static int find_origin(const struct window *w, const char *uuid)
{
	for (int o = 0; o < ORIGINS_MAX; o++)
		if (!strcmp(w->head->origin[o].uuid, uuid))
			return o;
	return -1;
}

/* A free place, or that of the origin that is silent for the longest time */
static int make_origin(struct window *w, const char *uuid)
{
	struct origin *all = w->head->origin, *g = all;
	int o;

	for (o = 0; o < ORIGINS_MAX; o++)
		if (all[o].used < g->used)
			g = &all[o];
	o = g - all;
	if (!w->index[o])
		w->index[o] = malloc(sizeof(*w->index[o]));
	/* without room on the disk a write to the map would be SIGBUS */
	if (!w->index[o] || posix_fallocate(w->fd, PAGE + (off_t)o * WINDOW * sizeof(struct entry),
					    WINDOW * sizeof(struct entry)))
		return -1;
	memset(g, 0, sizeof(*g)); /* killed now, it is free */
	memset(entries(w, o), 0, WINDOW * sizeof(struct entry));
	memset(w->index[o], 0, sizeof(*w->index[o]));
	g->used = w->head->clock;
	memcpy(g->uuid + 1, uuid + 1, UUID_TEXT - 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	g->sum = parcel_crc(parcel_crc(0, uuid, 1), g->uuid + 1, sizeof(g->uuid) - 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	g->uuid[0] = uuid[0];
	return o;
}

enum seen window_look(struct window *w, const struct parcel *p)
{
	int o = find_origin(w, p->origin);
	uint32_t hash[3];

	parcel_hash(p->id, hash);
	if (o >= 0) {
		const struct index *x = w->index[o];

		for (uint32_t i = x->first[bucket(hash)]; i; i = x->next[i - 1])
			if (!memcmp(entries(w, o)[i - 1].hash, hash, sizeof(hash)))
				return SEEN_DONE;
	}
	if (w->perhaps && !strcmp(w->left.origin, p->origin) &&
	    !memcmp(w->left.hash, hash, sizeof(hash)))
		return SEEN_PERHAPS;
	return SEEN_NOT;
}

int window_intend(struct window *w, const struct parcel *p, uint64_t object, uint64_t sent)
{
	struct intent i = { .object = object, .sent = sent };

	if (find_origin(w, p->origin) < 0 && make_origin(w, p->origin) < 0)
		return -ENOSPC;
	strcpy(i.origin, p->origin);
	parcel_hash(p->id, i.hash);
	w->head->intent.sum = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->head->intent = i;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->head->intent.sum = sum_intent(&i);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return 0;
}

static void note(struct window *w, const char *origin, const uint32_t hash[3])
{
	int o = find_origin(w, origin);
	struct origin *g;
	struct entry *e;
	uint32_t nr;

	if (o < 0)
		return; /* window_intend() made it */
	g = &w->head->origin[o];
	nr = g->next % WINDOW;
	e = &entries(w, o)[nr];
	if (e->sum)
		index_remove(w->index[o], e, nr);
	e->sum = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(e->hash, hash, sizeof(e->hash));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	e->sum = sum_entry(e->hash);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	g->next++;
	g->used = ++w->head->clock;
	index_add(w->index[o], e, nr);
}

void window_done(struct window *w, const struct parcel *p)
{
	uint32_t hash[3];

	parcel_hash(p->id, hash);
	note(w, p->origin, hash);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->head->intent.sum = 0;
	if (w->perhaps && !memcmp(w->left.hash, hash, sizeof(hash)))
		w->perhaps = false;
}

void window_not_done(struct window *w)
{
	w->head->intent.sum = 0;
}

bool window_settle(struct window *w, uint64_t object, uint64_t sent)
{
	const struct intent *i = &w->left;

	if (!w->perhaps)
		return true;
	if (!object || i->object != object)
		return false;
	/* another number may be of others, who sent while the bridge was away */
	w->perhaps = sent != i->sent;
	return !w->perhaps;
}
