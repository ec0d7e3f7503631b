/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libipcx-mq.so: POSIX message queues of a program that is loaded with it are queues of ipcx.
 */
#ifndef IPCX_MQ_SHIM_H
#define IPCX_MQ_SHIM_H

#include <limits.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include <ipcx.h>

#define EXPORT __attribute__((visibility("default")))
#define MQ_URI (NAME_MAX + 8) /* bytes of "kernel:NAME" */

/**
 * struct mq_end - an open queue
 * @users: descriptors, and calls under way; with the last it is closed
 * @q: its handle, NULL: this one is not used
 * @own: what this process sends and receives by, once it has forked, see mq_end_queue()
 * @next: of all there are, which are never freed
 * @attr: what the queue is
 * @fd: of the handle, which the program does not know; -1 in a child that has it no more
 * @flags: IPCX_SEND, IPCX_RECV
 * @nonblock: O_NONBLOCK, if it is not shared
 * @forked: other processes may have @q, too
 * @shared: what forks and duplicates have in common is in the open file: over the kernel
 * @uri: what ipcx calls it
 *
 * The program's descriptors are duplicates of @fd.
 */
struct mq_end {
	unsigned int users;
	struct ipcx_queue *q, *own;
	struct mq_end *next;
	struct ipcx_queue_attr attr;
	int fd;
	unsigned int flags;
	bool nonblock, forked, shared;
	char uri[MQ_URI];
};

/* Protects what is not atomic. Held across fork, but not while a handle is opened or closed. */
extern pthread_mutex_t mq_shim_lock;

/* Finds the functions that these here stand before; to be called before there is a queue. */
void mq_shim_start(void);

/*
 * A descriptor that is used for @e, and that the program does not know: it cannot close it. Return:
 * not if its number is too high. @old: what was there and closed unseen, to be put without the lock
 */
bool mq_fd_hide(int fd, const struct mq_end *e, struct mq_end **old);
bool mq_fd_is(int fd, const struct mq_end *e); /* Return: whether it is hidden there still */
void mq_fd_show(int fd, const struct mq_end *e);

/* Return: @fd or, if that was below 3, another instead of it; negative with errno: it is closed */
int mq_fd_up(int fd);

/* Return: a new descriptor of it, or a negative errno: then @q is closed. */
int mq_end_add(struct ipcx_queue *q, const char *uri, unsigned int flags, bool shared,
	       bool nonblock);
struct mq_end *mq_end_get(int fd);
void mq_end_put(struct mq_end *e);
struct ipcx_queue *mq_end_queue(struct mq_end *e);
bool mq_end_nonblock(const struct mq_end *e);

/* This process is not told of the queue any more. */
void mq_notify_forget(const struct mq_end *e);
void mq_notify_forked(void);

/* Before it sleeps: returns when each signal is sent that tells of what has been taken already. */
void mq_notify_told(const struct mq_end *e);

/* The system's own, NULL before mq_shim_start() has found them */
struct mq_system {
	int (*close)(int fd);
	int (*close_range)(unsigned int first, unsigned int last, int flags);
	void (*closefrom)(int first);
	int (*dup)(int fd);
	int (*dup2)(int fd, int to);
	int (*dup3)(int fd, int to, int flags);
	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*read_chk)(int fd, void *buf, size_t n, size_t room);
	mqd_t (*mq_open)(const char *name, int oflag, ...);
	int (*mq_send)(mqd_t q, const char *buf, size_t len, unsigned int prio);
	ssize_t (*mq_receive)(mqd_t q, char *buf, size_t len, unsigned int *prio);
	int (*mq_getattr)(mqd_t q, struct mq_attr *attr);
	int (*mq_unlink)(const char *name);
};

extern struct mq_system mq_system;
#define REAL(name) (mq_shim_start(), mq_system.name)

void mq_system_find(void);

/* What libipcx.a calls is linked to these, see --wrap in the Makefile. */
int __wrap_close(int fd);
mqd_t __wrap_mq_open(const char *name, int oflag, ...);
mqd_t __wrap___mq_open_2(const char *name, int oflag);
int __wrap_mq_send(mqd_t q, const char *buf, size_t len, unsigned int prio);
ssize_t __wrap_mq_receive(mqd_t q, char *buf, size_t len, unsigned int *prio);
int __wrap_mq_getattr(mqd_t q, struct mq_attr *attr);
int __wrap_mq_unlink(const char *name);

#if __LONG_WIDTH__ == 32
/* What programs of 32 bits call whose times have 64 */
struct time64 {
	int64_t sec;
	int32_t nsec, pad;
};

int __mq_timedsend_time64(mqd_t fd, const char *buf, size_t len, unsigned int prio,
			  const struct time64 *at);
ssize_t __mq_timedreceive_time64(mqd_t fd, char *buf, size_t cap, unsigned int *prio,
				 const struct time64 *at);
#endif

#endif /* IPCX_MQ_SHIM_H */
