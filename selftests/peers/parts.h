/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured beside the jobs: how cost grows, and what locks cost. Their rows are as those of
 * jobs, with names of their own.
 */
#ifndef IPCX_PEERS_PARTS_H
#define IPCX_PEERS_PARTS_H

#include "report.h"

#define TIMES_MAX 7

/**
 * struct plan_of_part - how it is to be measured
 * @format: of rows
 * @jobs: only those with this in their names
 * @ways: the same of ways
 * @times: how often, the median counts
 * @ns: how long each time
 * @percent: of what takes long by itself
 */
struct plan_of_part {
	enum format format;
	const char *jobs, *ways;
	unsigned int times;
	double ns;
	long percent;
};

#endif /* IPCX_PEERS_PARTS_H */
