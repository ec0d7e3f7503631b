// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Structs that begin with their size, sz, which the application sets and which may be that of
 * another version: options, and what is told of an object.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/*
 * Copies @from, which may be NULL, to the @size bytes of @to, which are zero. A longer struct of
 * a newer program will do as long as it asks for nothing unknown. @declare: how to declare one.
 */
int ipcx_copy_opts(void *to, size_t size, const void *from, const char *declare)
{
	const char *bytes = from;
	size_t sz;

	if (!from)
		return 0;
	memcpy(&sz, from, sizeof(sz));
	if (sz < sizeof(sz))
		return ipcx_fail(EINVAL, "sz of the options is not set; declare them with %s",
				 declare);
	for (size_t i = size; i < sz; i++)
		if (bytes[i])
			return ipcx_fail_text(EOPNOTSUPP, "an option is set that this version of "
							  "the library does not know");
	memcpy(to, from, sz < size ? sz : size);
	return 0;
}

/*
 * The way back: fills the struct @to, of whatever size it says, from the @size bytes of @from. What
 * this library does not know is zero. @what: what it is.
 */
int ipcx_copy_told(void *to, size_t size, const void *from, const char *what)
{
	size_t sz;

	memcpy(&sz, to, sizeof(sz));
	if (sz < sizeof(sz))
		return ipcx_fail(EINVAL, "sz of the %s is not set; it is the size of their struct",
				 what);
	memset(to, 0, sz);
	memcpy(to, from, sz < size ? sz : size);
	memcpy(to, &sz, sizeof(sz));
	return 0;
}
