// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways in which processes let each other in one at a time: locks, semaphores, and channels in which
 * a message without a byte is passed on, and who has it is inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <ipcx.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peers.h"
#include "sync.h"

static union {
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	uint32_t word;
	sem_t sem;
} * in; /* in memory that they share */
static sem_t *named;
static int fd, ends[2], id;
static mqd_t mq;
static struct ipcx_queue *q;
static struct ipcx_msg token;

static void must(bool ok, const char *what)
{
	if (!ok)
		give_up(FAILED, "%s: %s", what, strerror(errno));
}

pid_t locks_owner;

static const char *name_of(const char *before)
{
	static char name[64];

	snprintf(name, sizeof(name), "%sipcx-peers-%d-lock", before, locks_owner);
	return name;
}

static key_t key_of_all(void)
{
	return SYSV_KEY + (locks_owner & 0xffff);
}

static void share(void)
{
	in = (void *)map_shared(4096);
}

static void mutex_create(void)
{
	pthread_mutexattr_t a;

	share();
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&in->mutex, &a);
}

static void mutex_lock(void)
{
	pthread_mutex_lock(&in->mutex);
}

static void mutex_unlock(void)
{
	pthread_mutex_unlock(&in->mutex);
}

/* Who died in it is noticed. */
static void robust_create(void)
{
	pthread_mutexattr_t a;

	share();
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&in->mutex, &a);
}

static void rwlock_create(void)
{
	pthread_rwlockattr_t a;

	share();
	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(&in->rwlock, &a);
}

static void rwlock_lock(void)
{
	pthread_rwlock_wrlock(&in->rwlock);
}

static void rwlock_unlock(void)
{
	pthread_rwlock_unlock(&in->rwlock);
}

/* 0 free, 1 taken, 2 taken and somebody waits */
static void futex_lock(void)
{
	uint32_t seen = 0;

	if (__atomic_compare_exchange_n(&in->word, &seen, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&in->word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &in->word, FUTEX_WAIT, 2, NULL, NULL, 0);
}

static void futex_unlock(void)
{
	if (__atomic_exchange_n(&in->word, 0, __ATOMIC_RELEASE) == 2)
		syscall(SYS_futex, &in->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void sem_create(void)
{
	share();
	must(!sem_init(&in->sem, 1, 1), "sem_init");
	named = &in->sem;
}

static void named_create(void)
{
	named = sem_open(name_of("/"), O_CREAT, 0600, 1);
	must(named != SEM_FAILED, "sem_open");
}

static void named_remove(void)
{
	sem_unlink(name_of("/"));
}

static void posix_lock(void)
{
	while (sem_wait(named))
		must(errno == EINTR, "sem_wait");
}

static void posix_unlock(void)
{
	must(!sem_post(named), "sem_post");
}

static void sysv_create(void)
{
	id = semget(key_of_all(), 1, IPC_CREAT | 0600);
	must(id >= 0 && !semctl(id, 0, SETVAL, 1), "semget");
}

static void sysv_change(int by, int flags)
{
	struct sembuf op = { .sem_op = by, .sem_flg = flags };

	must(!semop(id, &op, 1), "semop");
}

static void sysv_lock(void)
{
	sysv_change(-1, 0);
}

static void sysv_unlock(void)
{
	sysv_change(1, 0);
}

static void undo_lock(void)
{
	sysv_change(-1, SEM_UNDO);
}

static void undo_unlock(void)
{
	sysv_change(1, SEM_UNDO);
}

static void sysv_remove(void)
{
	semctl(semget(key_of_all(), 0, 0), 0, IPC_RMID);
}

/* Who forks shares a lock of flock(2), so each opens it. */
static void file_open(void)
{
	fd = open(name_of("/tmp/"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0, "open");
}

static void file_remove(void)
{
	unlink(name_of("/tmp/"));
}

static void record(int type)
{
	struct flock f = { .l_type = type, .l_whence = SEEK_SET };

	must(!fcntl(fd, F_SETLKW, &f), "F_SETLKW");
}

static void record_lock(void)
{
	record(F_WRLCK);
}

static void record_unlock(void)
{
	record(F_UNLCK);
}

static void flock_lock(void)
{
	must(!flock(fd, LOCK_EX), "flock");
}

static void flock_unlock(void)
{
	must(!flock(fd, LOCK_UN), "flock");
}

static void eventfd_create(void)
{
	fd = eventfd(1, EFD_CLOEXEC);
	must(fd >= 0, "eventfd");
}

static void eventfd_lock(void)
{
	uint64_t n;

	must(read(fd, &n, sizeof(n)) == sizeof(n), "read");
}

static void eventfd_unlock(void)
{
	uint64_t n = 1;

	must(write(fd, &n, sizeof(n)) == sizeof(n), "write");
}

static void pipe_unlock(void)
{
	must(write(ends[1], "", 1) == 1, "write");
}

static void pipe_create(void)
{
	must(!pipe2(ends, O_CLOEXEC), "pipe2");
	pipe_unlock();
}

static void pipe_lock(void)
{
	char c;

	must(read(ends[0], &c, 1) == 1, "read");
}

static void mq_unlock(void)
{
	must(!mq_send(mq, "", 0, 0), "mq_send");
}

static void mq_create(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };

	mq = mq_open(name_of("/"), O_RDWR | O_CREAT, 0600, &attr);
	must(mq >= 0, "mq_open");
	mq_unlock();
}

static void mq_lock(void)
{
	char c;

	must(!mq_receive(mq, &c, 1, NULL), "mq_receive");
}

static void mq_remove(void)
{
	mq_unlink(name_of("/"));
}

static void msg_unlock(void)
{
	long type = 1;

	must(!msgsnd(id, &type, 0, 0), "msgsnd");
}

static void msg_create(void)
{
	id = msgget(key_of_all(), IPC_CREAT | 0600);
	must(id >= 0, "msgget");
	msg_unlock();
}

static void msg_lock(void)
{
	long type;

	must(msgrcv(id, &type, 0, 0, 0) == 0, "msgrcv");
}

static void msg_remove(void)
{
	msgctl(msgget(key_of_all(), 0), IPC_RMID, NULL);
}

static void ipcx_must(int ret)
{
	if (ret)
		give_up(ret == -ENODEV || ret == -ENOENT ? ABSENT : FAILED, "%s", ipcx_error());
}

static void ipcx_unlock(void)
{
	ipcx_must(ipcx_queue_send(q, NULL, 0, IPCX_FOREVER));
}

static void open_queue(const char *before, unsigned int flags)
{
	IPCX_QUEUE_OPTS(opts, .depth = 8, .msg_max = 64);

	ipcx_must(ipcx_queue_open(&q, name_of(before),
				  IPCX_SEND | IPCX_RECV | IPCX_SINGLE_THREAD | flags, &opts));
}

/* What is open here is not in a child: each opens it, and this one sends the token. */
static void ipcx_mq_create(void)
{
	open_queue("mq:", IPCX_CREATE);
	ipcx_unlock();
}

static void ipcx_mq_open(void)
{
	open_queue("mq:", 0);
}

static void kernel_create(void)
{
	if (access("/dev/ipcx", R_OK | W_OK))
		give_up(ABSENT, "the module is not loaded");
	open_queue("kernel:", IPCX_CREATE);
	ipcx_unlock();
}

static void kernel_open(void)
{
	open_queue("kernel:", 0);
}

static void ipcx_lock(void)
{
	ipcx_must(ipcx_queue_take(q, &token, IPCX_FOREVER));
	ipcx_must(ipcx_queue_release(q, &token));
}

static void ipcx_mq_remove(void)
{
	ipcx_queue_unlink(name_of("mq:"));
}

static void kernel_remove(void)
{
	ipcx_queue_unlink(name_of("kernel:"));
}

const struct lock locks[LOCKS] = {
	{ "mutex", mutex_create, NULL, mutex_lock, mutex_unlock, NULL },
	{ "robust mutex", robust_create, NULL, mutex_lock, mutex_unlock, NULL },
	{ "rwlock", rwlock_create, NULL, rwlock_lock, rwlock_unlock, NULL },
	{ "futex", share, NULL, futex_lock, futex_unlock, NULL },
	{ "POSIX sem", sem_create, NULL, posix_lock, posix_unlock, NULL },
	{ "named sem", named_create, NULL, posix_lock, posix_unlock, named_remove },
	{ "SysV sem", sysv_create, NULL, sysv_lock, sysv_unlock, sysv_remove },
	{ "SysV sem, undo", sysv_create, NULL, undo_lock, undo_unlock, sysv_remove },
	{ "fcntl", file_open, file_open, record_lock, record_unlock, file_remove },
	{ "flock", file_open, file_open, flock_lock, flock_unlock, file_remove },
	{ "eventfd", eventfd_create, NULL, eventfd_lock, eventfd_unlock, NULL },
	{ "pipe", pipe_create, NULL, pipe_lock, pipe_unlock, NULL },
	{ "POSIX mq, 0 B", mq_create, NULL, mq_lock, mq_unlock, mq_remove },
	{ "SysV msg, 0 B", msg_create, NULL, msg_lock, msg_unlock, msg_remove },
	{ "ipcx mq, 0 B", ipcx_mq_create, ipcx_mq_open, ipcx_lock, ipcx_unlock, ipcx_mq_remove },
	{ "ipcx queue, 0 B", kernel_create, kernel_open, ipcx_lock, ipcx_unlock, kernel_remove },
};
