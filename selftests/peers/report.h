/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_PEERS_REPORT_H
#define IPCX_PEERS_REPORT_H

#include <stdbool.h>

#include "peers.h"

enum format { TABLE, JSON, CSV, MARKDOWN, WORDS };

/* report.c: rows of all jobs have the same columns; in WORDS they are by quick.c */
void report_header(enum format f);
void report_save(const char *path); /* as JSON, too */
void report_row(enum format f, const struct job *j, const struct way *w, const struct result *r);
const char *is_text(const struct result *r);

/**
 * struct judgement - of one target
 * @job: what was done
 * @way: by whom
 * @against: what it is compared with
 * @faster: at least @limit times as fast, or else it takes at most @limit times as long
 * @limit: what is wanted
 * @ratio: what was measured
 * @verdict: in words
 */
struct judgement {
	const char *job, *way, *against;
	bool faster;
	double limit, ratio;
	const char *verdict;
};

void report_judgements(enum format f); /* above them */
void report_judgement(enum format f, const struct judgement *j);

void report_turns(enum format f, const struct turns *t);

/* A line on the terminal, if stderr is one, with the time that is left; total 0: it goes */
void progress(double done, double total, const char *what);

/* judge.c; @growth: that was measured too. Return: whether all targets are met */
bool judge(const struct result results[JOBS][WAYS], bool growth, enum format f);

/* quick.c: one job in plain words, and behind the last what there was nothing of */
void quick_job(unsigned int job, const struct result *results);
void quick_rest(const struct result results[JOBS][WAYS]);

#endif /* IPCX_PEERS_REPORT_H */
