// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading /proc/net/ipcx. Columns are found by their titles, so that a newer
 * module may have more of them.
 */
#include "procfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends copies of a line's fields; a row of another width than the first is damaged. */
static int add_row(struct table *t, char *line)
{
	size_t want = t->columns ? t->columns : strlen(line) / 2 + 1;
	size_t used = t->columns ? (t->rows + 1) * t->columns : 0, n = 0;
	char *save, *field, **cells;

	cells = realloc(t->cells, (used + want) * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	t->cells = cells;
	for (field = strtok_r(line, "\n ", &save); field; field = strtok_r(NULL, "\n ", &save)) {
		if (n == want)
			break;
		cells[used + n] = strdup(field);
		if (!cells[used + n])
			break;
		n++;
	}
	if (!t->columns && !field) {
		t->columns = n;
		return n ? 0 : -EPROTO;
	}
	if (!field && n == t->columns) {
		t->rows++;
		return 0;
	}
	while (n)
		free(cells[used + --n]);
	return -EPROTO;
}

int table_read(const char *path, struct table *t)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	memset(t, 0, sizeof(*t));
	if (!f)
		return -errno;
	while (!r && getline(&line, &room, f) >= 0)
		r = add_row(t, line);
	if (!r && ferror(f))
		r = -EIO;
	else if (!r && !t->columns)
		r = -EPROTO;
	free(line);
	fclose(f);
	if (r)
		table_free(t);
	return r;
}

void table_free(struct table *t)
{
	size_t n = t->columns ? (t->rows + 1) * t->columns : 0;

	while (n)
		free(t->cells[--n]);
	free(t->cells);
	memset(t, 0, sizeof(*t));
}

const char *table_get(const struct table *t, size_t row, const char *title)
{
	for (size_t i = 0; i < t->columns; i++)
		if (!strcmp(t->cells[i], title))
			return t->cells[(row + 1) * t->columns + i];
	return NULL;
}

static int octal(const char *p)
{
	int v = 0;

	for (int i = 0; i < 3; i++) {
		if (p[i] < '0' || p[i] > '7')
			return -1;
		v = v * 8 + p[i] - '0';
	}
	return v;
}

size_t table_name(const struct table *t, size_t row, char name[NAME_ROOM])
{
	const char *p = table_get(t, row, "name");
	size_t len = 0;

	if (!p || !strcmp(p, "-"))
		return 0;
	while (*p && len < NAME_ROOM - 1) {
		int c = *p == '\\' ? octal(p + 1) : -1;

		name[len++] = c < 0 ? *p : c;
		p += c < 0 ? 1 : 4;
	}
	name[len] = '\0';
	return len;
}
