// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The sentence behind ipcx_error(), one for each thread; and the one line that is printed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static __thread char buffer[IPCX_QUOTED_MAX + 500];
static __thread const char *sentence = "";

const char *ipcx_error(void)
{
	return sentence;
}

int ipcx_fail_text(int err, const char *text)
{
	sentence = text;
	errno = err;
	return -err;
}

int ipcx_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buffer, sizeof(buffer), fmt, ap);
	va_end(ap);
	return ipcx_fail_text(err, buffer);
}

/* For a creator who finds what another user has made, perhaps to be found. -EACCES */
int ipcx_fail_theirs(const char *what, const char *name, uid_t uid)
{
	char buf[IPCX_QUOTED_MAX];

	return ipcx_fail(EACCES,
			 "%s %s was made by uid %u; if that is as it should be, open it without "
			 "IPCX_CREATE",
			 what, ipcx_quote(buf, name), uid);
}

/* Once: that the module is not there, and what is instead. @what: "queue" or "region" */
void ipcx_say_fallback(const char *what, const char *name, const char *transport)
{
	static bool said;
	char buf[IPCX_QUOTED_MAX];

	if (getenv("IPCX_QUIET") || __atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		return;
	fprintf(stderr,
		"ipcx: /dev/ipcx is not there, so %s %s goes over \"%s\"; "
		"IPCX_QUIET=1 in the environment keeps this line away\n",
		what, ipcx_quote(buf, name), transport);
}

/* A name may hold any byte, and sentences end up on terminals. */
const char *ipcx_quote(char buf[IPCX_QUOTED_MAX], const char *name)
{
	size_t len = strnlen(name, 255);
	char *p = buf;

	*p++ = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = name[i];

		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			p += sprintf(p, "\\%03o", c);
		else
			*p++ = c;
	}
	*p++ = '"';
	*p = '\0';
	return buf;
}
