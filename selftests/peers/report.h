/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_PEERS_REPORT_H
#define IPCX_PEERS_REPORT_H

#include <stdbool.h>

#include "peers.h"

enum format { TABLE, JSON, CSV, MARKDOWN };

/* report.c: rows of all jobs have the same columns */
void report_header(enum format f);
void report_save(const char *path); /* as JSON, too */
void report_row(enum format f, const struct job *j, const struct way *w, const struct result *r);
const char *is_text(const struct result *r);

/* A line on the terminal, if stderr is one; total 0: it goes */
void progress(unsigned int done, unsigned int total, const char *what);

/* quick.c: one job in plain words, and behind the last what there was nothing of */
void quick_job(unsigned int job, const struct result *results);
void quick_rest(const struct result results[JOBS][WAYS]);

#endif /* IPCX_PEERS_REPORT_H */
