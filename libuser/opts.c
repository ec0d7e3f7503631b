// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Structs of options, which begin with their size and may be those of another version.
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
