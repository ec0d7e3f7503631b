// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of "ipcx top": which rows, in what order, and a line of text for each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipcx.h>

#include "top.h"
#include "util.h"

#define FIXED 52 /* columns before the name, without the next */
#define BYTES 7 /* of bytes a second, where the line has WIDE columns */
#define WIDE 100
#define AGES 21 /* of three ages, where it has WIDER */
#define WIDER 120
#define BAR 8
#define NAME_WIDTH 40 /* at most */

const char *const order_titles[ORDERS] = {
	"IN/s", "OUT/s", "QUEUED", "LOST", "WAIT", "OWNER", "NAME",
};

/* In four or five characters; a dash for what is not known */
static const char *short_text(char buf[8], double v)
{
	static const char units[] = " kMGTPE";
	unsigned int u = 0;

	if (isnan(v))
		return "-";
	while (v >= (u ? 999.5 : 9999.5) && u < 6) {
		v /= 1000;
		u++;
	}
	if (v < 10 && v != (unsigned int)v)
		snprintf(buf, 8, "%.1f", v);
	else
		snprintf(buf, 8, u && v < 99.95 ? "%.1f" : "%.0f", v);
	if (u)
		strncat(buf, &units[u], 1);
	return buf;
}

static void put_short(FILE *f, int width, double v)
{
	char buf[8];

	fprintf(f, "%*s", width, short_text(buf, v));
}

/* In at most six characters, never less than it is; a dash if there is none */
static void put_age(FILE *f, const struct row *row, uint64_t ms)
{
	bool beyond = ms == AGE_BEYOND;
	char text[32];

	if (beyond)
		ms = ages_bound(&row->ages, row->ages.groups - 2);
	if (!ms)
		strcpy(text, "-");
	else if (ms < 10000)
		snprintf(text, sizeof(text), "%s%llums", beyond ? ">" : "", (unsigned long long)ms);
	else if (ms < 10000000)
		snprintf(text, sizeof(text), "%s%llus", beyond ? ">" : "",
			 (unsigned long long)(beyond ? ms : ms + 999) / 1000);
	else
		snprintf(text, sizeof(text), "%lluh", (unsigned long long)(ms + 3599999) / 3600000);
	fprintf(f, "%7s", text);
}

static void put_bar(FILE *f, const struct row *row, bool color)
{
	double full = row->depth ? (double)row->queued / row->depth : 0;
	int marks = row->queued ? 1 + (int)(full * (BAR - 1)) : 0;

	marks = marks < BAR ? marks : BAR;
	if (color)
		fputs(full < 0.5 ? "\033[32m" : full < 0.9 ? "\033[33m" : "\033[31m", f);
	for (int i = 0; i < BAR; i++)
		fputc(i < marks ? '#' : '.', f);
	if (color)
		fputs("\033[0m", f);
}

/* ">" sends, "<" receives, "=" both; a program's name is as treacherous as any */
static void put_ends(FILE *f, const struct top *t, const struct row *row, int width)
{
	static const char signs[] = "?><=";
	char text[512], comm[COMM_ROOM];
	size_t len = 0;

	for (size_t i = 0; i < row->ends && len < (size_t)width && len + 64 < sizeof(text); i++) {
		const struct end *e = &t->now.end[row->end + i];

		len += snprintf(text + len, sizeof(text) - len, "%s%c%u ", i ? ", " : "",
				signs[e->rights & 3], e->pid);
		size_t n = process_name(e->pid, comm);

		if (!n)
			len--;
		memcpy(text + len, comm, n);
		len += n;
	}
	put_columns(f, text, len, width);
}

static int fixed(int width)
{
	return FIXED + (width < WIDE ? 0 : BYTES) + (width < WIDER ? 0 : AGES);
}

/* The rest of a line: names have half of it, and no more than they need on a wide one */
static int name_width(int width)
{
	int half = (width - fixed(width)) / 2;

	return half < 0 ? 0 : half < NAME_WIDTH ? half : NAME_WIDTH;
}

void put_titles(FILE *f, int width)
{
	int name = name_width(width);
	char line[FIXED + BYTES + AGES + NAME_WIDTH + 16];

	snprintf(line, sizeof(line), "%6s%7s%*s%s  %-*s%7s%6s%6s %-8s %-*s %s", "IN/s", "OUT/s",
		 width < WIDE ? 0 : BYTES, width < WIDE ? "" : "B/s",
		 width < WIDER ? "" : "  P50<=  P99<= OLDEST", BAR, "FULL", "QUEUED", "LOST",
		 "WAIT", "OWNER", name, "NAME", "OPENED BY");
	put_columns(f, line, strlen(line), width);
}

void put_row(FILE *f, const struct top *t, const struct row *row, int width)
{
	bool queue = row->kind == IPCX_KIND_QUEUE;
	const char *user = user_text(row->uid);
	int name = name_width(width), rest = width - fixed(width) - name - 1;
	char text[32];

	put_short(f, 6, row->sent_rate);
	put_short(f, 7, row->done_rate);
	if (width >= WIDE)
		put_short(f, BYTES, row->byte_rate);
	if (width >= WIDER) {
		put_age(f, row, row->p50);
		put_age(f, row, row->p99);
		put_age(f, row, row->oldest_ms);
	}
	fputs("  ", f);
	if (queue)
		put_bar(f, row, t->color);
	else
		fprintf(f, "%-*s", BAR, "topic");
	put_short(f, 7, queue ? row->queued : NAN);
	put_short(f, 6, queue ? row->lost : NAN);
	put_short(f, 6, queue ? row->send_waiters + row->recv_waiters : NAN);
	fputc(' ', f);
	put_columns(f, user, strlen(user), 8);
	fputc(' ', f);
	if (row->name) {
		put_columns(f, row->name, row->name_len, name);
	} else {
		snprintf(text, sizeof(text), "(id %llu)", (unsigned long long)row->id);
		put_columns(f, text, strlen(text), name);
	}
	fputc(' ', f);
	put_ends(f, t, row, rest < 0 ? 0 : rest);
}

static bool is_named(const struct top *t, const struct row *row)
{
	for (size_t i = 0; i < t->n_names; i++) {
		const char *name = without_transport(t->names[i]);

		if (row->name && strlen(name) == row->name_len &&
		    !memcmp(name, row->name, row->name_len))
			return true;
	}
	return !t->n_names;
}

static int by_name(const struct row *x, const struct row *y)
{
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = n ? memcmp(x->name, y->name, n) : 0;

	if (r)
		return r;
	return x->name_len < y->name_len ? -1 : x->name_len > y->name_len;
}

/* What the rows are sorted by, largest first */
static double weight(const struct row *row, enum order order)
{
	switch (order) {
	case ORDER_SENT:
		return isnan(row->sent_rate) ? -1 : row->sent_rate;
	case ORDER_DONE:
		return isnan(row->done_rate) ? -1 : row->done_rate;
	case ORDER_QUEUED:
		return row->queued;
	case ORDER_LOST:
		return row->lost;
	case ORDER_WAIT:
		return row->send_waiters + row->recv_waiters;
	case ORDER_OWNER:
		return -(double)row->uid;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	const struct top *t = arg;
	double wx = weight(x, t->order), wy = weight(y, t->order);
	int r = wx != wy ? (wx < wy ? 1 : -1) : by_name(x, y);

	return r ? r : x->id < y->id ? -1 : x->id > y->id;
}

void top_select(struct top *t)
{
	t->n_shown = 0;
	for (size_t i = 0; i < t->now.rows; i++) {
		const struct row *row = &t->now.row[i];

		if (is_named(t, row) &&
		    (!t->filter_len || memmem(row->name, row->name_len, t->filter, t->filter_len)))
			t->shown[t->n_shown++] = row;
	}
	qsort_r(t->shown, t->n_shown, sizeof(*t->shown), compare, t);
}
