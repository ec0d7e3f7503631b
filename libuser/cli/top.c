// SPDX-License-Identifier: GPL-2.0-only
/*
 * top: how fast queues go, how full they are, and who has them open.
 */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "top.h"
#include "util.h"

enum { OPT_ONCE = OPT_FIRST };

#define WIDE 200 /* where lines do not end at the edge of a terminal */

int top_look(struct top *t)
{
	struct snapshot next;
	int r = snapshot_take(&next, &t->now);

	if (r)
		return r;
	snapshot_free(&t->now);
	free(t->shown);
	t->now = next;
	t->n_shown = 0;
	t->shown = calloc(next.rows + 1, sizeof(*t->shown));
	if (!t->shown)
		return fail("%s", strerror(ENOMEM));
	top_select(t);
	return CLI_OK;
}

static void json_rate(const char *key, double rate)
{
	if (isnan(rate))
		printf(",\"%s\":null", key);
	else
		printf(",\"%s\":%.3f", key, rate);
}

static void json_row(const struct top *t, const struct row *row)
{
	struct nlattr *attrs[ATTRS];
	char comm[COMM_ROOM];

	answer_attrs(&t->now.objects, row->object, attrs);
	printf("{");
	json_object(attrs);
	json_rate("sent_per_s", row->sent_rate);
	json_rate("bytes_per_s", row->byte_rate);
	json_rate("done_per_s", row->done_rate);
	json_age("age_p50_at_most_ms", row->p50);
	json_age("age_p99_at_most_ms", row->p99);
	printf(",\"owner\":");
	json_string(stdout, user_text(row->uid), strlen(user_text(row->uid)));
	printf(",\"ends\":[");
	for (size_t i = 0; i < row->ends; i++) {
		const struct end *e = &t->now.end[row->end + i];

		answer_attrs(&t->now.opened, e->message, attrs);
		printf("%s{", i ? "," : "");
		json_end(attrs);
		printf(",");
		json_member(stdout, "comm", comm, process_name(e->pid, comm));
		printf("}");
	}
	printf("]}\n");
}

static int text_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDE;
	return size.ws_col;
}

static void put_all(const struct top *t)
{
	int width = text_width();

	if (!t->json) {
		put_titles(stdout, width);
		putchar('\n');
	}
	for (size_t i = 0; i < t->n_shown; i++) {
		if (t->json) {
			json_row(t, t->shown[i]);
			continue;
		}
		put_row(stdout, t, t->shown[i], width);
		putchar('\n');
	}
}

static int print_times(struct top *t)
{
	for (uint64_t i = 0; !t->count || i < t->count; i++) {
		int r;

		sleep_until(t->now.at + t->interval);
		r = top_look(t);
		if (r)
			return r;
		if (i && !t->json)
			putchar('\n');
		put_all(t);
		if (fflush(stdout))
			return fail_file("standard output", errno);
	}
	return CLI_OK;
}

/* Whoever names something expects it to be there. */
static int first_look(struct top *t)
{
	struct answer a;
	int r = CLI_OK;

	for (size_t i = 0; i < t->n_names && !r; i++) {
		r = find_object(t->names[i], &a);
		if (!r)
			answer_free(&a);
	}
	return r ? r : top_look(t);
}

static int run_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		{ "once", no_argument, NULL, OPT_ONCE },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct top t = { .interval = 1000000000, .color = want_color(STDOUT_FILENO) };
	bool once = false;
	int c, r;

	while ((c = next_option(argc, argv, "d:n:", longs)) != -1) {
		if (c == 'd' && (!parse_duration(optarg, &t.interval) || t.interval < 10000000 ||
				 t.interval > 86400 * INT64_C(1000000000)))
			return usage_error("the time between two looks is 10ms to 24h");
		if (c == 'n' && (!parse_number(optarg, 10, UINT64_MAX, &t.count) || !t.count))
			return usage_error("the count is a number from 1");
		once |= c == OPT_ONCE;
		t.json |= c == OPT_JSON;
	}
	if (once && t.count > 1)
		return usage_error("once is not %llu times", (unsigned long long)t.count);
	t.count = once ? 1 : t.count;
	t.names = argv + optind;
	t.n_names = argc - optind;
	setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth() */
	r = first_look(&t);
	if (!r && !once && !t.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		r = top_screen(&t);
	else if (!r)
		r = print_times(&t);
	snapshot_free(&t.now);
	free(t.shown);
	return r;
}

const struct command cmd_top = {
	"top", run_top, "watch how fast and how full queues are",
	"usage: ipcx top [NAME...] [-d SECONDS] [-n COUNT] [--once] [--json]\n"
	"\n"
	"Shows queues and topics, all that you may see or those named. IN/s and OUT/s are messages\n"
	"a second that were sent, and that were received and are done, since the look before; B/s,\n"
	"on lines of at least 100 columns, bytes a second of those that were sent; a dash\n"
	"where that is not known: the module does not see the messages of topics. On lines of at least\n"
	"120 columns P50 and P99 are ages: half, or 99 per cent, of the messages taken since the look\n"
	"before were not older, and OLDEST is that of the message that waits longest. FULL and QUEUED are\n"
	"messages that wait, LOST those ever dropped, expired or given up, WAIT threads that\n"
	"sleep until they can send or receive. OPENED BY is the processes that opened an end: >\n"
	"sends, < receives, = does both; 0 if it is gone or cannot be seen from here.\n"
	"\n"
	"  -d, --delay DUR    time between two looks (default 1s)\n"
	"  -n, --count COUNT  end after showing it so often\n"
	"      --once         look twice, print once and end, on a terminal too\n"
	"\n"
	"On a terminal it is drawn anew each time, else printed. Keys: s sort by the next column,\n"
	"/ show only names with some text in them, p or space pause, ? help, q quit.\n"
	"\n"
	"example: ipcx top jobs -d 5 --once --json\n"
};
