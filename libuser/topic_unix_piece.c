// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Topics over UNIX sockets: a message in memory, and one packet over a connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "topic_unix.h"

/* Without these the memory could be changed, or be taken away from who looks at it. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int new_memfd(size_t len)
{
	struct rlimit limit;
	int fd, err;

	/* who makes a file longer than that is killed */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < len)
		return -ENOMEM;
	fd = memfd_create("ipcx-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return errno == ENFILE ? -EMFILE : -errno;
	/* with its memory, or who writes to it would be killed where there is none */
	do {
		err = fallocate(fd, 0, 0, len) ? errno : 0;
	} while (err == EINTR);
	if (!err)
		return fd;
	close(fd);
	return err == ENOSPC ? -ENOMEM : -err;
}

static int map_it(struct ipcx_piece *p, int fd, size_t len, int prot)
{
	void *map = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -ENOMEM;
	madvise(map, len, MADV_DONTFORK);
	p->map = map;
	p->map_len = len;
	return 0;
}

static void unmap_it(struct ipcx_piece *p)
{
	if (p->map)
		munmap(p->map, p->map_len);
	p->map = NULL;
}

/* NULL and errno */
struct ipcx_piece *ipcx_piece_new(size_t len, bool is_long)
{
	struct ipcx_piece *p = calloc(1, sizeof(*p));
	int r = 0;

	if (p)
		p->b = ipcx_buffer_alloc(is_long ? 0 : len);
	if (!p || !p->b) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	p->b->head.len = len;
	if (!is_long) {
		memset(p->b->data, 0, len);
		return p;
	}
	r = new_memfd(len);
	if (r >= 0) {
		p->b->fd = r;
		r = map_it(p, r, len, PROT_READ | PROT_WRITE);
	}
	if (!r)
		return p;
	ipcx_piece_free(p);
	errno = -r;
	return NULL;
}

/* Somebody else has the memory in use, perhaps the kernel: the message is another one then. */
static int copy(struct ipcx_piece *p, size_t len)
{
	int fd = new_memfd(len);
	off_t done = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while ((size_t)done < len && (n > 0 || (n < 0 && errno == EINTR)))
		n = sendfile(fd, p->b->fd, &done, len - done);
	if ((size_t)done < len || fcntl(fd, F_ADD_SEALS, SEALS)) {
		close(fd);
		return -ENOMEM;
	}
	close(p->b->fd);
	p->b->fd = fd;
	return 0;
}

/* Nobody else gets the place in the address space meanwhile. */
static void map_over(struct ipcx_piece *p, int prot, int flags, int fd)
{
	if (p->map && mmap(p->map, p->map_len, prot, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
		p->map = NULL; /* what is there now is not known */
	else if (p->map)
		madvise(p->map, p->map_len, MADV_DONTFORK);
}

/*
 * Of a long one: @len bytes of it are the message, which nobody can change any more. After a
 * failure all is as it was; the own mapping, which has to go first, comes back to its place.
 */
int ipcx_piece_seal(struct ipcx_piece *p, size_t len)
{
	int r = 0;

	map_over(p, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (fcntl(p->b->fd, F_ADD_SEALS, F_SEAL_WRITE) || ftruncate(p->b->fd, len) ||
	    fcntl(p->b->fd, F_ADD_SEALS, SEALS))
		r = copy(p, len);
	if (r)
		map_over(p, PROT_READ | PROT_WRITE, MAP_SHARED, p->b->fd);
	else
		unmap_it(p);
	return r;
}

/* Of one that came: is @fd, which the caller closes, what it has to be? -EPROTO or -ENOMEM */
int ipcx_piece_map(struct ipcx_piece *p, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS); /* fails where there can be none */
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size < 0 || (uint64_t)st.st_size != p->b->head.len)
		return -EPROTO;
	return map_it(p, fd, p->b->head.len, PROT_READ);
}

void *ipcx_piece_data(const struct ipcx_piece *p)
{
	return p->map ? p->map : p->b->head.len ? p->b->data : NULL;
}

void ipcx_piece_free(struct ipcx_piece *p)
{
	unmap_it(p);
	ipcx_buffer_free(p->b);
	free(p);
}

void ipcx_unix_tell(char wire[IPCX_FRAME_SIZE], enum ipcx_frame_kind kind, uint64_t id)
{
	struct ipcx_head h = { .kind = kind, .id = id };

	ipcx_frame_pack(wire, &h, NULL, false);
}

int ipcx_unix_send(int fd, char wire[IPCX_FRAME_SIZE], size_t len, int handed)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { wire, IPCX_FRAME_SIZE + len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (handed >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &handed, sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS: /* of all processes of this user */
		return -EAGAIN;
	default:
		return -EPIPE;
	}
}
