// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the commands of ipcx share: options, numbers, failures, progress.
 */
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ipcx.h>

static bool progress_shown;
void (*before_saying)(void);

static void begin_saying(void)
{
	progress_end();
	if (before_saying)
		before_saying();
	fprintf(stderr, "ipcx: %s: ", command->name);
}

static void vsay(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void vsay(const char *fmt, va_list ap)
{
	begin_saying();
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	fprintf(stderr, "See \"ipcx help %s\".\n", command->name);
	return CLI_USAGE;
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

int fail_ipcx(int err)
{
	fail("%s", ipcx_error());
	return err == -EAGAIN || err == -ETIMEDOUT ? CLI_EMPTY : CLI_FAILED;
}

int fail_about(const char *path, const char *why)
{
	begin_saying();
	put_printable(stderr, path, strlen(path));
	fprintf(stderr, "%s\n", why);
	return CLI_FAILED;
}

int fail_file(const char *path, int err)
{
	char why[256];

	snprintf(why, sizeof(why), ": %s", strerror(err));
	return fail_about(path, why);
}

void exec_beside(const char *program, char **argv)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - strlen(program) - 1);

	if (n < 0)
		return;
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, program);
	execv(path, argv);
}

int next_option(int argc, char **argv, const char *letters, const struct option *longs)
{
	static char prefix[64];
	int c;

	if (!prefix[0]) { /* getopt begins its own messages with argv[0] */
		snprintf(prefix, sizeof(prefix), "ipcx: %s", command->name);
		argv[0] = prefix;
	}
	c = getopt_long(argc, argv, letters, longs, NULL);
	if (c == OPT_HELP) {
		fputs(command->help, stdout);
		exit(fflush(stdout) ? CLI_FAILED : CLI_OK);
	}
	if (c == '?') {
		fprintf(stderr, "See \"ipcx help %s\".\n", command->name);
		exit(CLI_USAGE);
	}
	return c;
}

bool parse_number(const char *text, int base, uint64_t max, uint64_t *value)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9') /* strtoull() would take a minus sign */
		return false;
	errno = 0;
	v = strtoull(text, &end, base);
	if (errno || *end || v > max)
		return false;
	*value = v;
	return true;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long v;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
		if (!unit)
			return false;
		shift = 10 * (unit - units + 1);
		end++;
		if (!strcmp(end, "iB"))
			end += 2;
	}
	if (*end || v > UINT64_MAX >> shift)
		return false;
	*bytes = v << shift;
	return true;
}

bool parse_duration(const char *text, int64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{ "", 1e9 },  { "ns", 1 },   { "us", 1e3 },   { "ms", 1e6 },
		{ "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
	};
	double v;
	char *end;

	if (!strchr("0123456789.", *text) || !*text) /* strtod() would take "-1" and "inf" */
		return false;
	v = strtod(text, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (end == text || strcmp(end, units[i].unit))
			continue;
		v *= units[i].ns;
		*ns = v < 9e18 ? (int64_t)v : INT64_MAX;
		return true;
	}
	return false;
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void sleep_until(int64_t ns)
{
	struct timespec at = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

int64_t deadline_in(int64_t ns)
{
	int64_t t = now_ns();

	if (ns < 0)
		return IPCX_FOREVER;
	if (!ns)
		return IPCX_NOWAIT;
	return ns < IPCX_FOREVER - t ? t + ns : IPCX_FOREVER;
}

const char *size_text(char buf[SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int u = 0;
	double v = bytes;

	while (v >= 1024 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(buf, SIZE_TEXT, v < 10 && v != (unsigned int)v ? "%.1f %s" : "%.0f %s", v,
		 units[u]);
	return buf;
}

bool want_color(int fd)
{
	const char *no = getenv("NO_COLOR");

	return isatty(fd) && !(no && *no);
}

void progress(const char *what, uint64_t done, uint64_t total, uint64_t bytes)
{
	static int64_t last;
	struct timespec now;
	char buf[SIZE_TEXT];
	int64_t t;

	if (!isatty(STDERR_FILENO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	t = now.tv_sec * INT64_C(10) + now.tv_nsec / 100000000;
	if (t == last) /* ten times a second is often enough */
		return;
	last = t;
	fprintf(stderr, "\r%s %llu", what, (unsigned long long)done);
	if (total)
		fprintf(stderr, " of %llu", (unsigned long long)total);
	fprintf(stderr, ", %s   ", size_text(buf, bytes));
	progress_shown = true;
}

void progress_end(void)
{
	if (progress_shown)
		fputc('\n', stderr);
	progress_shown = false;
}
