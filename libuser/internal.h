/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What every file of the library may use.
 */
#ifndef IPCX_INTERNAL_H
#define IPCX_INTERNAL_H

/* All is compiled with hidden visibility; what the public header declares is not. */
#pragma GCC visibility push(default)
#include <ipcx.h>
#pragma GCC visibility pop

#ifndef MAP_FIXED_NOREPLACE /* older than Linux 4.17 takes it for a wish */
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define ipcx_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * What each message goes through, and what few do. The former call the latter last or not at all,
 * so they need no stack.
 */
#define ipcx_hot static inline __attribute__((always_inline))
#define ipcx_cold static __attribute__((noinline, cold))

/* Room for "..." around a name of which each byte is written as \ooo */
#define IPCX_QUOTED_MAX (4 * 255 + 3)

/* error.c: both set errno and return -err */
int ipcx_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
int ipcx_fail_text(int err, const char *text); /* text is kept, not copied */
int ipcx_fail_theirs(const char *what, const char *name, uid_t uid);
void ipcx_say_fallback(const char *what, const char *name, const char *transport);

/* opts.c */
int ipcx_copy_opts(void *to, size_t size, const void *from, const char *declare);
int ipcx_copy_told(void *to, size_t size, const void *from, const char *what);

const char *ipcx_quote(char buf[IPCX_QUOTED_MAX], const char *name);

#endif /* IPCX_INTERNAL_H */
