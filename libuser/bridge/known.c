// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local name that one rule fills and another one takes from: what goes on from there keeps its
 * id and origin, so that it ends where it was before, and after HOPS_MAX bridges.
 *
 * Messages carry no mark that would not be the application's. So they are known by what they are:
 * one that has the same bytes and tag as one that the bridge has put in is as good as that one.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

#define KNOWN_MAX 4096U
#define KNOWN_TIME (60 * NS_PER_S) /* what another receiver has got is not waited for */

struct put {
	bool used;
	int64_t since;
	uint64_t len, tag;
	uint32_t crc, hops;
	char origin[UUID_TEXT], host[PARCEL_WORD], id[PARCEL_ID];
};

struct known {
	pthread_mutex_t lock;
	uint64_t first, end; /* numbers of those that there are */
	struct put put[KNOWN_MAX];
};

static struct put *at(struct known *k, uint64_t nr)
{
	return &k->put[nr % KNOWN_MAX];
}

struct known *known_new(void)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k)
		pthread_mutex_init(&k->lock, NULL);
	return k;
}

void known_free(struct known *k)
{
	free(k);
}

void known_put(struct known *k, const struct parcel *p)
{
	struct put *e;

	pthread_mutex_lock(&k->lock);
	if (k->end - k->first == KNOWN_MAX)
		k->first++;
	e = at(k, k->end++);
	*e = (struct put){ .used = true,
			   .since = now_ns(),
			   .len = p->len,
			   .tag = p->tag,
			   .crc = p->crc,
			   .hops = p->hops };
	strcpy(e->origin, p->origin);
	strcpy(e->host, p->host);
	strcpy(e->id, p->id);
	pthread_mutex_unlock(&k->lock);
}

bool known_take(struct known *k, struct parcel *p)
{
	int64_t before = now_ns() - KNOWN_TIME;
	bool found = false;

	pthread_mutex_lock(&k->lock);
	while (k->first < k->end && (!at(k, k->first)->used || at(k, k->first)->since < before))
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
