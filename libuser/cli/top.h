/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of "ipcx top" share.
 */
#ifndef IPCX_CLI_TOP_H
#define IPCX_CLI_TOP_H

#include <stdio.h>

#include "snapshot.h"

#define FILTER_ROOM 64

/* What rows are sorted by: the columns, in their order */
enum order {
	ORDER_SENT,
	ORDER_DONE,
	ORDER_QUEUED,
	ORDER_LOST,
	ORDER_WAIT,
	ORDER_OWNER,
	ORDER_NAME,
	ORDERS
};

/**
 * struct top - what is asked for, and what is known
 * @names: those to be shown, all if there are none
 * @n_names: how many
 * @interval: ns between two looks
 * @count: how many times to show it, 0 for ever
 * @json: one JSON object a line
 * @color: may be used
 * @order: the column sorted by
 * @filter: bytes that are in the names shown
 * @filter_len: how many, 0 for no filter
 * @now: the last look, of which the rows shown come
 * @shown: rows that are shown, in order
 * @n_shown: how many
 */
struct top {
	char **names;
	size_t n_names;
	int64_t interval;
	uint64_t count;
	bool json, color;
	enum order order;
	char filter[FILTER_ROOM];
	size_t filter_len;
	struct snapshot now;
	const struct row **shown;
	size_t n_shown;
};

/* top.c: look again; an exit code */
int top_look(struct top *t);

/* top_table.c */
extern const char *const order_titles[ORDERS];
void top_select(struct top *t); /* rows that are shown, sorted */
void put_titles(FILE *f, int width);
void put_row(FILE *f, const struct top *t, const struct row *row, int width);

/* top_screen.c: until a key, a signal, or the count ends it; an exit code */
int top_screen(struct top *t);

#endif /* IPCX_CLI_TOP_H */
