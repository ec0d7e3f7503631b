// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The system's own functions, before which those here stand. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

struct mq_system mq_system;

#define FIND(name) (mq_system.name = (__typeof__(mq_system.name))dlsym(RTLD_NEXT, #name))

void mq_system_find(void)
{
	FIND(close);
	FIND(close_range);
	FIND(closefrom);
	FIND(dup);
	FIND(dup2);
	FIND(dup3);
	FIND(read);
	mq_system.read_chk = (__typeof__(mq_system.read_chk))dlsym(RTLD_NEXT, "__read_chk");
	FIND(mq_open);
	FIND(mq_send);
	FIND(mq_receive);
	FIND(mq_getattr);
	FIND(mq_unlink);
}

/*
 * The number is the library's, whatever the table says of one that was closed unseen. A handler may
 * close, and a constructor before the system's own is known: it is not looked for.
 */
int __wrap_close(int fd)
{
	return mq_system.close ? mq_system.close(fd) : (int)syscall(SYS_close, fd);
}

mqd_t __wrap_mq_open(const char *name, int oflag, ...)
{
	struct mq_attr *attr;
	mode_t mode;
	va_list ap;

	va_start(ap, oflag);
	mode = oflag & O_CREAT ? va_arg(ap, mode_t) : 0;
	attr = oflag & O_CREAT ? va_arg(ap, struct mq_attr *) : NULL;
	va_end(ap);
	return REAL(mq_open)(name, oflag, mode, attr);
}

mqd_t __wrap___mq_open_2(const char *name, int oflag)
{
	return REAL(mq_open)(name, oflag);
}

int __wrap_mq_send(mqd_t q, const char *buf, size_t len, unsigned int prio)
{
	return REAL(mq_send)(q, buf, len, prio);
}

ssize_t __wrap_mq_receive(mqd_t q, char *buf, size_t len, unsigned int *prio)
{
	return REAL(mq_receive)(q, buf, len, prio);
}

int __wrap_mq_getattr(mqd_t q, struct mq_attr *attr)
{
	return REAL(mq_getattr)(q, attr);
}

int __wrap_mq_unlink(const char *name)
{
	return REAL(mq_unlink)(name);
}
