/* SPDX-License-Identifier: GPL-2.0-only */
/* Instructions that do nothing, but count.c knows them: from one to the other is what it counts. */
#ifndef IPCX_BENCH_MARK_H
#define IPCX_BENCH_MARK_H

/* nopl of x86 with an offset that nobody else has; the last byte says which */
#define MARK_BYTES 0x0f, 0x1f, 0x80, 0x69, 0x70, 0x63
#define MARK_BEGIN 1
#define MARK_END 2

#define MARK_TEXT(...) #__VA_ARGS__
#define MARK_ASM(...) MARK_TEXT(__VA_ARGS__)
#define MARK(which) __asm__ volatile(".byte " MARK_ASM(MARK_BYTES, which)::: "memory")

#endif /* IPCX_BENCH_MARK_H */
