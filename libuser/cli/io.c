// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole files, read and written.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util.h"

ssize_t read_full(int fd, char *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, to + done, len - done);

		if (!n)
			break;
		if (n > 0)
			done += n;
		else if (errno != EINTR)
			return -errno;
	}
	return done;
}

ssize_t read_stream(int fd, char **buf)
{
	size_t room = 1 << 16, len = 0;
	char *larger = malloc(room);
	ssize_t n = -ENOMEM;

	*buf = NULL;
	while (larger) {
		*buf = larger;
		n = read_full(fd, *buf + len, room - len);
		if (n < 0)
			break;
		len += n;
		if (len < room)
			return len;
		room *= 2;
		n = -ENOMEM;
		larger = realloc(*buf, room);
	}
	free(*buf);
	return n;
}

int write_full(int fd, const char *from, size_t len)
{
	while (len) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			len -= n;
		}
	}
	return 0;
}
