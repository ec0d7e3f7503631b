// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The public functions on regions: check, pick the transport, and what a file can do.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

static_assert(IPCX_SEAL_SEAL == F_SEAL_SEAL, "handed on as it is");
static_assert(IPCX_SEAL_SHRINK == F_SEAL_SHRINK, "handed on as it is");
static_assert(IPCX_SEAL_GROW == F_SEAL_GROW, "handed on as it is");
static_assert(IPCX_SEAL_WRITE == F_SEAL_WRITE, "handed on as it is");
static_assert(IPCX_SEAL_FUTURE_WRITE == F_SEAL_FUTURE_WRITE, "handed on as it is");

#define FLAGS_KNOWN (IPCX_CREATE | IPCX_EXCL | IPCX_READ | IPCX_WRITE)
#define SEALS_KNOWN \
	(IPCX_SEAL_SEAL | IPCX_SEAL_SHRINK | IPCX_SEAL_GROW | IPCX_SEAL_WRITE | \
	 IPCX_SEAL_FUTURE_WRITE)

struct ipcx_region {
	const struct ipcx_region_transport *ops;
	int fd;
	unsigned int flags;
	char name[256]; /* as much of it as fits */
};

static const struct ipcx_region_transport *const transports[] = {
	&ipcx_region_kernel,
	&ipcx_region_shm,
	&ipcx_region_file,
};

/* *@t is NULL for a name that may be with the kernel or without. */
static int pick(const char *uri, const struct ipcx_region_transport **t, const char **rest)
{
	const char *colon = uri ? strchr(uri, ':') : NULL;
	const char *forced = secure_getenv("IPCX_TRANSPORT");
	char buf[IPCX_QUOTED_MAX];

	*t = uri ? NULL : &ipcx_region_kernel;
	*rest = colon ? colon + 1 : uri ? uri : "";
	if (uri && !*uri)
		return ipcx_fail_text(EINVAL, "a name cannot be empty; what has no name is opened "
					      "with NULL or \"kernel:\"");
	if (!colon && uri && forced &&
	    *forced) /* what carries messages only has memory beside it */
		*t = strcmp(forced, "kernel") ? &ipcx_region_shm : &ipcx_region_kernel;
	if (!colon)
		return 0;
	for (size_t i = 0; i < sizeof(transports) / sizeof(*transports); i++) {
		*t = transports[i];
		if (strlen((*t)->name) == (size_t)(colon - uri) &&
		    !memcmp((*t)->name, uri, colon - uri))
			return 0;
	}
	return ipcx_fail(EOPNOTSUPP,
			 "the URI %s names no transport of regions; known are \"kernel\", \"shm\" "
			 "and \"file\", and a name with a ':' in it is written \"kernel:NAME\"",
			 ipcx_quote(buf, uri));
}

static int check_open(const struct ipcx_region_transport *t, const char *rest, unsigned int flags,
		      const struct ipcx_region_opts *opts)
{
	if (flags & ~FLAGS_KNOWN)
		return ipcx_fail(EOPNOTSUPP, "unknown flags 0x%x; a newer library may know them",
				 flags & ~FLAGS_KNOWN);
	if (!(flags & (IPCX_READ | IPCX_WRITE)))
		return ipcx_fail_text(EINVAL, "neither IPCX_READ nor IPCX_WRITE was asked for");
	if ((flags & IPCX_EXCL) && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "IPCX_EXCL needs IPCX_CREATE");
	if (!*rest && !(flags & IPCX_CREATE))
		return ipcx_fail_text(EINVAL, "a region without a name cannot be looked up; create "
					      "one with IPCX_CREATE");
	if (opts->mode > 0777)
		return ipcx_fail(EINVAL, "mode 0%o has bits outside of 0777", opts->mode);
	if (opts->size > INT64_MAX)
		return ipcx_fail(EINVAL, "a size of %llu is more than a file may have",
				 (unsigned long long)opts->size);
	if (opts->require & ~t->caps)
		return ipcx_fail(EOPNOTSUPP,
				 "transport \"%s\" does not enforce the required capabilities "
				 "0x%llx on regions",
				 t->name, (unsigned long long)(opts->require & ~t->caps));
	return 0;
}

static int make_handle(const struct ipcx_region_transport *t, struct ipcx_region **r,
		       const char *rest, unsigned int flags, int fd)
{
	*r = calloc(1, sizeof(**r));
	if (!*r) {
		close(fd);
		return ipcx_fail_text(ENOMEM, "no memory for the handle of a region");
	}
	(*r)->ops = t;
	(*r)->fd = fd;
	(*r)->flags = flags;
	memcpy((*r)->name, rest, strnlen(rest, sizeof((*r)->name) - 1));
	return 0;
}

int ipcx_region_adopt(struct ipcx_region **r, int fd, unsigned int flags)
{
	return make_handle(&ipcx_region_kernel, r, "", flags, fd);
}

static int open_with(const struct ipcx_region_transport *t, struct ipcx_region **r,
		     const char *rest, unsigned int flags, const struct ipcx_region_opts *opts)
{
	int fd = check_open(t, rest, flags, opts);

	if (!fd)
		fd = t->open(rest, flags, opts);
	return fd < 0 ? fd : make_handle(t, r, rest, flags, fd);
}

int ipcx_region_open(struct ipcx_region **r, const char *uri, unsigned int flags,
		     const struct ipcx_region_opts *user_opts)
{
	struct ipcx_region_opts opts = { 0 };
	const struct ipcx_region_transport *t;
	const char *rest;
	int err;

	*r = NULL;
	err = pick(uri, &t, &rest);
	if (!err)
		err = ipcx_copy_opts(&opts, sizeof(opts), user_opts, "IPCX_REGION_OPTS()");
	if (err)
		return err;
	opts.mode = opts.mode ? opts.mode : 0600;
	err = open_with(t ? t : &ipcx_region_kernel, r, rest, flags, &opts);
	if (err != -ENODEV || t)
		return err;
	err = open_with(&ipcx_region_shm, r, rest, flags, &opts);
	if (!err)
		ipcx_say_fallback("region", rest, ipcx_region_shm.name);
	return err;
}

void ipcx_region_close(struct ipcx_region *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r);
}

int ipcx_region_fd(const struct ipcx_region *r)
{
	return r->fd;
}

uint64_t ipcx_region_caps(const struct ipcx_region *r)
{
	return r->ops->caps;
}

int64_t ipcx_region_size(const struct ipcx_region *r)
{
	struct stat st;

	if (fstat(r->fd, &st))
		return ipcx_fail(errno, "the size of a region is not told: %s", strerror(errno));
	return st.st_size;
}

/* What a file that was refused says of a region; sets errno, like all failures. */
static int failed(const struct ipcx_region *r, const char *what, int err)
{
	char buf[IPCX_QUOTED_MAX];
	const char *why = strerror(err);

	if (err == EPERM)
		why = "it is sealed against that, or was opened without IPCX_WRITE";
	else if (err == EBUSY)
		why = "it is mapped writable; unmap it everywhere first";
	else if (err == EINVAL && !(r->flags & IPCX_WRITE))
		why = "it was opened without IPCX_WRITE";
	return ipcx_fail(err, "region %s: cannot be %s: %s",
			 *r->name ? ipcx_quote(buf, r->name) : "without a name", what, why);
}

void *ipcx_region_map(struct ipcx_region *r, size_t offset, size_t len, int prot)
{
	int64_t size = ipcx_region_size(r);
	void *addr;

	if (size < 0)
		return NULL;
	if (!len && offset < (uint64_t)size && size - offset <= SIZE_MAX)
		len = size - offset;
	if (!len || offset > (uint64_t)size || len > size - offset) {
		ipcx_fail(EINVAL, "bytes %zu to %zu do not lie within the %lld of the region",
			  offset, offset + len, (long long)size);
		return NULL;
	}
	addr = mmap(NULL, len, prot, MAP_SHARED, r->fd, offset);
	if (addr != MAP_FAILED)
		return addr;
	if (errno == EACCES)
		ipcx_fail_text(EACCES, "to be mapped so, the region has to be opened with "
				       "IPCX_READ, and for PROT_WRITE with IPCX_WRITE too");
	else
		failed(r, "mapped", errno);
	return NULL;
}

int ipcx_region_resize(struct ipcx_region *r, size_t size)
{
	int64_t bytes = size;

	if (bytes < 0)
		return failed(r, "resized", EFBIG);
	return ftruncate(r->fd, bytes) ? failed(r, "resized", errno) : 0;
}

int ipcx_region_seal(struct ipcx_region *r, unsigned int seals)
{
	if (!(r->ops->caps & IPCX_CAP_SEALS))
		return ipcx_fail(EOPNOTSUPP, "transport \"%s\" has no seals; \"kernel\" has",
				 r->ops->name);
	if (!seals || seals & ~SEALS_KNOWN)
		return ipcx_fail(EINVAL, "0x%x is not a set of IPCX_SEAL_*", seals);
	return fcntl(r->fd, F_ADD_SEALS, seals) ? failed(r, "sealed", errno) : 0;
}

int ipcx_region_unlink(const char *uri)
{
	const struct ipcx_region_transport *t;
	const char *rest;
	int r = pick(uri, &t, &rest);

	if (r)
		return r;
	if (!*rest)
		return ipcx_fail_text(EINVAL, "a region without a name has nothing to unlink");
	r = (t ? t : &ipcx_region_kernel)->unlink(rest);
	return r == -ENODEV && !t ? ipcx_region_shm.unlink(rest) : r;
}
