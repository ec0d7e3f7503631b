// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which transport a URI means, and in words what one lacks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport.h"

// clang-format off
static const struct ipcx_transport *const transports[] = {
	&ipcx_transport_kernel, &ipcx_transport_unix, &ipcx_transport_unix_stream,
	&ipcx_transport_mq, &ipcx_transport_fifo, &ipcx_transport_tcp, &ipcx_transport_shm, NULL,
};

// clang-format on

/* For a name where there is no kernel module: the first that fits */
const struct ipcx_transport *const ipcx_fallbacks[] = {
	&ipcx_transport_unix,
	&ipcx_transport_mq,
	NULL,
};

static const struct ipcx_transport *find_transport(const char *name, size_t len)
{
	for (size_t i = 0; transports[i]; i++) {
		const char *t = transports[i]->name;

		if (strlen(t) == len && !memcmp(t, name, len))
			return transports[i];
	}
	return NULL;
}

static int unknown_transport(const char *name, size_t len, const char *origin)
{
	char shown[256] = "", buf[IPCX_QUOTED_MAX], known[128] = "";

	memcpy(shown, name, len < 255 ? len : 255);
	for (size_t i = 0; transports[i]; i++) {
		const char *before = transports[i + 1] ? ", " : " and ";

		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s\"%s\"",
			 i ? before : "", transports[i]->name);
	}
	return ipcx_fail(EOPNOTSUPP,
			 "%s names the unknown transport %s; known are %s, and "
			 "a name with a ':' in it is written \"kernel:NAME\"",
			 origin, ipcx_quote(buf, shown), known);
}

/* *@t is NULL for a name without a transport. */
int ipcx_pick_queue(const char *uri, const struct ipcx_transport **t, const char **rest)
{
	const char *colon = uri ? strchr(uri, ':') : NULL;
	const char *forced = secure_getenv("IPCX_TRANSPORT");

	*rest = colon ? colon + 1 : uri ? uri : "";
	*t = NULL;
	/* a path may have a colon in it, and no name has a slash */
	if (colon) {
		*t = find_transport(uri, colon - uri);
		return *t ? 0 : unknown_transport(uri, colon - uri, "the URI");
	}
	if (uri && !*uri)
		return ipcx_fail_text(EINVAL, "a name cannot be empty; what has no name is opened "
					      "with NULL or \"kernel:\"");
	if (forced && *forced) {
		*t = find_transport(forced, strlen(forced));
		if (!*t)
			return unknown_transport(forced, strlen(forced), "IPCX_TRANSPORT");
	}
	if (!uri && !*t)
		*t = &ipcx_transport_kernel;
	return 0;
}

/* For what the kernel alone has */
int ipcx_pick(const char *uri, const struct ipcx_transport **t, const char **rest)
{
	int r = ipcx_pick_queue(uri, t, rest);

	if (r)
		return r;
	if (!*t)
		*t = &ipcx_transport_kernel;
	if (*t != &ipcx_transport_kernel)
		return ipcx_fail(EOPNOTSUPP, "the transport \"%s\" has queues only", (*t)->name);
	return 0;
}

#define CAPS 17

static const char *const cap_names[CAPS] = {
	"no copies",
	"delivery again when a receiver dies",
	"slots that come back when a sender dies",
	"verified senders",
	"walls between senders and receivers",
	"accounting",
	"priorities",
	"many senders",
	"many receivers",
	"a descriptor to poll",
	"messages that wait while nobody has it open",
	"messages that cannot be changed once sent",
	"requests and replies",
	[16] = "regions in messages",
};

int ipcx_lacks(const struct ipcx_transport *t, uint64_t caps)
{
	char text[600] = "";

	for (unsigned int i = 0; i < 64; i++) {
		size_t len = strlen(text);

		if (!(caps >> i & 1))
			continue;
		if (i < CAPS && cap_names[i])
			snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "",
				 cap_names[i]);
		else
			snprintf(text + len, sizeof(text) - len, "%sbit %u, which is unknown",
				 len ? ", " : "", i);
	}
	return ipcx_fail(EOPNOTSUPP,
			 "transport \"%s\" does not enforce on this queue what is required: %s",
			 t->name, text);
}
