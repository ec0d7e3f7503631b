// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local name that one rule fills and another one takes from: what goes on from there keeps its
 * id and origin, so that it ends where it was before, and after HOPS_MAX bridges.
 *
 * Messages carry no mark that would not be the application's. So they are known by what they are:
 * one that has the same bytes and tag as one that the bridge has put in is as good as that one,
 * unless it is known to be another process's. As many are remembered as the name holds.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"

#define KNOWN_MIN 4096U

struct put {
	bool used;
	uint64_t len, tag;
	uint32_t crc, hops;
	char origin[UUID_TEXT], host[PARCEL_WORD], id[PARCEL_ID];
};

struct known {
	pthread_mutex_t lock;
	uint64_t first, end; /* numbers of those that there are */
	uint64_t room;
	struct put *put;
};

static struct put *at(const struct known *k, uint64_t nr)
{
	return &k->put[nr % k->room];
}

struct known *known_new(void)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->room = KNOWN_MIN;
	k->put = calloc(k->room, sizeof(*k->put));
	if (!k->put) {
		free(k);
		return NULL;
	}
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

void known_free(struct known *k)
{
	free(k->put);
	free(k);
}

void known_hold(struct known *k, uint64_t depth)
{
	struct known more = { .room = depth };

	pthread_mutex_lock(&k->lock);
	more.put = depth > k->room ? calloc(depth, sizeof(*more.put)) : NULL;
	if (more.put) {
		for (uint64_t i = k->first; i < k->end; i++)
			*at(&more, i) = *at(k, i);
		free(k->put);
		k->put = more.put;
		k->room = more.room;
	}
	pthread_mutex_unlock(&k->lock);
}

void known_put(struct known *k, const struct parcel *p)
{
	struct put *e;

	pthread_mutex_lock(&k->lock);
	if (k->end - k->first == k->room)
		k->first++;
	e = at(k, k->end++);
	*e = (struct put){
		.used = true, .len = p->len, .tag = p->tag, .crc = p->crc, .hops = p->hops
	};
	strcpy(e->origin, p->origin);
	strcpy(e->host, p->host);
	strcpy(e->id, p->id);
	pthread_mutex_unlock(&k->lock);
}

bool known_take(struct known *k, struct parcel *p)
{
	bool found = false;

	if (p->pid > 0 && p->pid != getpid())
		return false;
	pthread_mutex_lock(&k->lock);
	while (k->first < k->end && !at(k, k->first)->used)
		k->first++;
	for (uint64_t i = k->first; i < k->end && !found; i++) {
		struct put *e = at(k, i);

		if (!e->used || e->len != p->len || e->tag != p->tag || e->crc != p->crc)
			continue;
		found = true;
		p->hops = e->hops + 1;
		strcpy(p->origin, e->origin);
		strcpy(p->host, e->host);
		strcpy(p->id, e->id);
		e->used = false;
	}
	pthread_mutex_unlock(&k->lock);
	return found;
}
