/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of "ipcx metrics" share.
 */
#ifndef IPCX_CLI_METRICS_H
#define IPCX_CLI_METRICS_H

#include <stdbool.h>
#include <stdio.h>

/* metrics.c: all of them; an exit code */
int metrics_write(FILE *f, bool json);

/* metrics_serve.c: answer HTTP until something fails; an exit code */
int metrics_listen(const char *address); /* [ADDR:]PORT */
int metrics_socket(const char *path);

#endif /* IPCX_CLI_METRICS_H */
