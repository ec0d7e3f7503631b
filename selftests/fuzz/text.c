// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs as text: a line per call, "end" behind the last. Arguments that are
 * 0 are left out; "fail=N" may follow any call.
 *
 *	procs 2
 *	0 open name=1 flags=0x7 depth=4
 *	1 take n=1 wait=5
 *	end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct out {
	char *buf;
	size_t len, size;
};

/* Each program is printed before it runs: printf() would take longer than many a call. */
static void put(struct out *o, const char *s)
{
	while (*s && o->len + 1 < o->size)
		o->buf[o->len++] = *s++;
}

static void put_number(struct out *o, uint64_t value)
{
	char digits[17], *at = &digits[16];
	bool hex = value > 9;

	*at = 0;
	do {
		*--at = "0123456789abcdef"[value % 16];
		value /= 16;
	} while (value);
	put(o, hex ? "0x" : "");
	put(o, at);
}

static void put_arg(struct out *o, const char *name, uint64_t value)
{
	if (!value)
		return;
	put(o, " ");
	put(o, name);
	put(o, "=");
	put_number(o, value);
}

static void print_call(struct out *o, const struct call *c)
{
	const struct arg_info *a = op_info[c->op].arg;
	int i;

	put_number(o, c->proc);
	put(o, " ");
	put(o, op_info[c->op].name);
	for (i = 0; i < ARGS_MAX && a[i].name; i++)
		put_arg(o, a[i].name, c->arg[i]);
	put_arg(o, "fail", c->fail);
	put(o, "\n");
}

size_t program_print(const struct program *p, char *buf, size_t size)
{
	struct out o = { buf, 0, size };
	uint32_t i;

	put(&o, "procs ");
	put_number(&o, p->procs);
	put(&o, "\n");
	for (i = 0; i < p->n; i++)
		print_call(&o, &p->call[i]);
	put(&o, "end\n");
	buf[o.len] = 0;
	return o.len;
}

static bool set_arg(struct call *c, const char *word)
{
	const struct arg_info *a = op_info[c->op].arg;
	const char *equals = strchr(word, '=');
	size_t len = equals - word;
	uint64_t value;
	char *end;
	int i;

	if (!equals)
		return false;
	value = strtoull(equals + 1, &end, 0);
	if (!equals[1] || *end)
		return false;
	if (len == 4 && !strncmp(word, "fail", 4)) {
		c->fail = value;
		return true;
	}
	for (i = 0; i < ARGS_MAX && a[i].name; i++) {
		if (strlen(a[i].name) == len && !strncmp(a[i].name, word, len)) {
			c->arg[i] = value;
			return true;
		}
	}
	return false;
}

static bool parse_call(struct program *p, char *line)
{
	struct call *c = &p->call[p->n];
	char *save, *word = strtok_r(line, " \t", &save), *end;
	unsigned long proc;
	int op;

	if (!word || p->n == CALLS_MAX)
		return false;
	proc = strtoul(word, &end, 10);
	word = strtok_r(NULL, " \t", &save);
	if (*end || !word || proc >= p->procs)
		return false;
	for (op = 0; op < OPS && strcmp(op_info[op].name, word); op++)
		;
	if (op == OPS)
		return false;
	*c = (struct call){ .proc = proc, .op = op };
	while ((word = strtok_r(NULL, " \t", &save))) {
		if (!set_arg(c, word))
			return false;
	}
	p->n++;
	return true;
}

/*
 * Reads the first program of @text, up to its "end"; @end is set behind it.
 * Return: NULL, or the line that is wrong; an empty one at the end of the text.
 */
const char *program_parse(struct program *p, const char *text, const char **end)
{
	static char line[1024];

	p->procs = 0;
	p->n = 0;
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		size_t len = strcspn(text, "\n");

		if (len >= sizeof(line))
			len = sizeof(line) - 1;
		memcpy(line, text, len);
		line[len] = 0;
		*end = text + len + (text[len] == '\n');
		if (!len || line[0] == '#')
			continue;
		if (!strcmp(line, "end") && p->n)
			return NULL;
		if (sscanf(line, "procs %u", &p->procs) == 1) {
			if (p->procs < 1 || p->procs > PROCS_MAX)
				return line;
		} else if (!p->procs || !parse_call(p, line)) {
			memcpy(line, text, len);
			return line;
		}
	}
	return "";
}
