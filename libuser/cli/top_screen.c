// SPDX-License-Identifier: GPL-2.0-only
/*
 * "ipcx top" on a terminal: it is drawn over in one write, so nothing flickers; keys and signals
 * are waited for together. The terminal is as before however this ends, but for SIGKILL.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "top.h"
#include "util.h"

#define ESCAPE 27
#define ERASE 127
#define BACKSPACE 8
#define KILL_LINE 21

/* the other screen, without a cursor, lines cut at the edge; and back */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l",
		  leave[] = "\033[?7h\033[?25h\033[?1049l";
static const char help[] = "s sort by the next column   / filter by name   p pause   q quit\n"
			   "\n"
			   "IN/s OUT/s  messages a second, sent and done; - where not known\n"
			   "P50 P99     half, 99 of 100 taken were not older; from 120 columns on\n"
			   "OLDEST      how long a message waits now, at most; likewise\n"
			   "FULL QUEUED messages that wait\n"
			   "LOST        messages dropped, expired or given up, since it was made\n"
			   "WAIT        threads that sleep until they can send or receive\n"
			   "OPENED BY   > sends, < receives, = both; 0 is gone or not to be seen\n"
			   "\n"
			   "The module does not see the messages of topics.\n"
			   "Any key goes back.\n";

/**
 * struct screen - what is on it
 * @top: what is shown
 * @signals: descriptor that tells of them
 * @rows: of the terminal
 * @columns: likewise
 * @paused: nothing is asked for
 * @typing: keys go to the filter
 * @help: that is shown
 * @quit: leave
 */
struct screen {
	struct top *top;
	int signals, rows, columns;
	bool paused, typing, help, quit;
};

static struct termios before;
static bool is_open;

static void screen_close(void)
{
	if (!is_open)
		return;
	is_open = false;
	write_full(STDOUT_FILENO, leave, strlen(leave));
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void screen_open(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	write_full(STDOUT_FILENO, enter, strlen(enter));
	is_open = true;
}

static void measure(struct screen *s)
{
	struct winsize size;

	s->rows = 24;
	s->columns = 80;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col) {
		s->rows = size.ws_row;
		s->columns = size.ws_col;
	}
}

/* The first line: what this is and how it is sorted, or the filter while it is typed */
static void put_status(FILE *f, const struct screen *s)
{
	const struct top *t = s->top;
	char text[160 + FILTER_ROOM];
	int len = t->filter_len; /* no byte of it is 0 */

	if (s->typing)
		len = snprintf(text, sizeof(text), "names with: %.*s", len, t->filter);
	else
		len = snprintf(text, sizeof(text), "ipcx top: %zu by %s, every %g s%s%.*s%s%s",
			       t->n_shown, order_titles[t->order], t->interval / 1e9,
			       len ? ", with " : "", len, t->filter, s->paused ? ", paused" : "",
			       " - s sort, / filter, p pause, ? help, q quit");
	put_columns(f, text, len, s->columns);
	fputs("\r\n", f);
}

static void put_help(FILE *f, const struct screen *s)
{
	const char *line = help;

	for (int i = 2; i < s->rows && *line; i++) {
		size_t len = strcspn(line, "\n");

		put_columns(f, line, len, s->columns);
		fputs("\r\n", f);
		line += len + 1;
	}
}

static void put_table(FILE *f, const struct screen *s)
{
	const struct top *t = s->top;
	size_t room = s->rows > 3 ? s->rows - 3 : 0;

	fputs("\033[7m", f);
	put_titles(f, s->columns);
	fputs("\033[0m", f);
	fputs("\r\n", f);
	for (size_t i = 0; i < t->n_shown && i < room; i++) {
		put_row(f, t, t->shown[i], s->columns);
		fputs("\r\n", f);
	}
	if (t->n_shown > room)
		fprintf(f, "%zu more", t->n_shown - room);
}

static int draw(struct screen *s)
{
	char *frame = NULL;
	size_t len;
	FILE *f = open_memstream(&frame, &len);
	int r;

	if (!f)
		return fail("%s", strerror(errno));
	fputs("\033[H", f);
	put_status(f, s);
	if (s->help)
		put_help(f, s);
	else
		put_table(f, s);
	fputs("\033[J", f);
	if (fclose(f)) {
		free(frame);
		return fail("%s", strerror(ENOMEM));
	}
	r = write_full(STDOUT_FILENO, frame, len);
	free(frame);
	return r ? fail_file("standard output", -r) : CLI_OK;
}

static void type(struct screen *s, unsigned char key)
{
	struct top *t = s->top;

	if (key == '\n' || key == '\r') {
		s->typing = false;
	} else if (key == ESCAPE || key == KILL_LINE) {
		t->filter_len = 0;
		s->typing = key == KILL_LINE;
	} else if (key == ERASE || key == BACKSPACE) {
		while (t->filter_len && (t->filter[--t->filter_len] & 0xc0) == 0x80)
			;
	} else if (key >= ' ' && t->filter_len < FILTER_ROOM) {
		t->filter[t->filter_len++] = key;
	}
	top_select(t);
}

static void press(struct screen *s, unsigned char key)
{
	if (s->typing) {
		type(s, key);
	} else if (s->help) {
		s->help = false;
	} else if (key == 's') {
		s->top->order = (s->top->order + 1) % ORDERS;
		top_select(s->top);
	} else if (key == '/') {
		s->typing = true;
	} else if (key == 'p' || key == ' ') {
		s->paused = !s->paused;
	} else if (key == '?' || key == 'h') {
		s->help = true;
	} else if (key == 'q') {
		s->quit = true;
	}
}

static void read_keys(struct screen *s)
{
	unsigned char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0) /* the terminal is gone */
		s->quit = true;
	for (ssize_t i = 0; i < n; i++) {
		if (keys[i] == ESCAPE && i + 1 < n && strchr("[O", keys[i + 1])) {
			for (i += 2; i < n && keys[i] < '@'; i++)
				; /* an arrow or the like, to its last byte */
			continue;
		}
		press(s, keys[i]);
	}
}

/* Dies or stops of it as if it had not been caught, with the terminal as it was. */
static void obey(int signal)
{
	sigset_t one;

	screen_close();
	sigemptyset(&one);
	sigaddset(&one, signal);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
	screen_open();
}

static void read_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGWINCH)
		obey(info.ssi_signo);
	measure(s);
}

/* Until there was something, or it is time for the next look */
static void wait_for(struct screen *s, int64_t until)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
	};
	int64_t ns = until - now_ns();
	struct timespec left = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (!s->paused && ns <= 0)
		left = (struct timespec){ 0 };
	if (ppoll(fds, ARRAY_SIZE(fds), s->paused ? NULL : &left, NULL) <= 0)
		return;
	if (fds[1].revents)
		read_signal(s);
	if (fds[0].revents)
		read_keys(s);
}

static int watch(struct screen *s)
{
	uint64_t shown = 1;
	int r = draw(s);

	while (!r && !s->quit) {
		int64_t next = s->top->now.at + s->top->interval;

		if (!s->paused && now_ns() >= next) {
			if (shown++ == s->top->count)
				break;
			r = top_look(s->top);
		} else {
			wait_for(s, next);
		}
		if (!r)
			r = draw(s);
	}
	return r;
}

int top_screen(struct top *t)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH };
	struct screen s = { .top = t };
	sigset_t caught;
	int r;

	sigemptyset(&caught);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&caught, signals[i]);
	sigprocmask(SIG_BLOCK, &caught, NULL);
	s.signals = signalfd(-1, &caught, SFD_CLOEXEC);
	if (s.signals < 0 || tcgetattr(STDIN_FILENO, &before))
		return fail("%s", strerror(errno));
	before_saying = screen_close;
	measure(&s);
	screen_open();
	r = watch(&s);
	screen_close();
	before_saying = NULL;
	close(s.signals);
	return r;
}
