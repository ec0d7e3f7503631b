/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where sockets and FIFOs lie in the file system, and whether that can be trusted.
 */
#ifndef IPCX_PLACE_H
#define IPCX_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "internal.h"

/**
 * struct ipcx_place - a name in a directory
 * @dir: the directory
 * @name: of the object
 * @meta: of the file beside it that says what the queue is, and is locked by who receives
 * @fd: the open file, or -1
 * @flags: of the queue: IPCX_EPHEMERAL
 * @msg_max: longest message
 * @mode: permission bits
 * @known: these three were read
 * @created: the queue is new, or what a dead one left
 * @made: so is the file beside it
 * @was: what the file said that was written anew
 * @ours: @name stands for nothing, or for what this library puts there
 */
struct ipcx_place {
	int dir, fd;
	char name[250], meta[256];
	uint32_t flags, mode;
	uint64_t msg_max;
	bool known, created, made, ours;
	struct {
		uint64_t msg_max;
		uint32_t flags, mode;
	} was;
};

/*
 * All explain their failures. @suffix: put behind a name, so that a socket and a FIFO of one name
 * are two. @rest: a name in the user's directory, or a path.
 */
int ipcx_place_find(struct ipcx_place *p, const char *rest, const char *suffix);

/* The user's directory, open; made if @make, if it is not there */
int ipcx_place_user_dir(bool make);

/* Opens the file beside it; makes it, as @p says, with IPCX_CREATE in @flags. */
int ipcx_place_open(struct ipcx_place *p, unsigned int flags, mode_t type);

/* The same, and becomes the one who receives until it is closed; -EBUSY if there is one. */
int ipcx_place_receive(struct ipcx_place *p, unsigned int flags, mode_t type);

/* The object, opened with O_PATH, if it is of @type and not a stranger's; or an errno. */
int ipcx_place_object(const struct ipcx_place *p, mode_t type);

/*
 * The FIFO @name, opened for reading and writing, so there is neither an end nor a signal when the
 * other end goes; or an errno that is not explained.
 */
int ipcx_place_fifo(const struct ipcx_place *p, const char *name);

/* What ipcx_queue_attr() tells */
void ipcx_place_attr(const struct ipcx_place *p, struct ipcx_queue_attr *attr,
		     const struct ipcx_queue_opts *opts);

/*
 * Takes away the name, if it is @ours, and with @all the file beside it; not those of one who came
 * later.
 */
void ipcx_place_unlink(const struct ipcx_place *p, bool all);

/*
 * An open has failed behind ipcx_place_open(): the file beside it is as it was before, unless there
 * is another by now who has it open.
 */
void ipcx_place_undo(struct ipcx_place *p);

/*
 * An open, of which the rest came to @r, looked at what others have made anew in the meantime, and
 * has to begin again.
 */
bool ipcx_place_changed(const struct ipcx_place *p, int r);

/* Is the file beside it still the one that is open? Who is closing may have taken it away. */
bool ipcx_place_is_there(const struct ipcx_place *p);

/* The same, and nobody else has it open. */
bool ipcx_place_is_alone(const struct ipcx_place *p);
void ipcx_place_close(struct ipcx_place *p);

/* The ipcx_queue_unlink() of a transport that uses this. */
int ipcx_place_remove(const char *rest, const char *suffix, mode_t type, bool now);

#endif /* IPCX_PLACE_H */
