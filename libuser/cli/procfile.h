/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading /proc/net/ipcx: a line of titles, then a line for each object.
 */
#ifndef IPCX_CLI_PROCFILE_H
#define IPCX_CLI_PROCFILE_H

#include <stddef.h>

#define PROC_FILE	"/proc/net/ipcx"
#define NAME_ROOM	256

/**
 * struct table - the file, taken apart
 * @columns: how many titles
 * @rows: how many objects
 * @cells: the titles, then the fields of each row
 */
struct table {
	size_t columns, rows;
	char **cells;
};

int table_read(const char *path, struct table *t);	/* 0 or -errno; -EPROTO: no such format */
void table_free(struct table *t);

/* The field under @title, or NULL if there is no such column */
const char *table_get(const struct table *t, size_t row, const char *title);

/* The name of an object, decoded; its length, 0 for an object without a name */
size_t table_name(const struct table *t, size_t row, char name[NAME_ROOM]);

#endif /* IPCX_CLI_PROCFILE_H */
